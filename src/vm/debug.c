/* debug.c - checks=debug: every instruction run in each way that there is, on memory of its own, and compared.
 *
 * The ways: the op's eval (the reference); the library's own kernel or strips; its generated C. Each is held to the contract
 * (expr/contract.h): deterministic, nothing written but its results, nothing read but its operands, whatever the layout. Then
 * they are compared: generated C of Bitale's ops with the library's kernel bit for bit, of an op of one's own with its eval within
 * what the op promises; kernels with eval within what rounding may do, which is found out by playing with it: the reference is
 * run several times with each inexact result moved a little.
 *
 * Around that: values are hashed when they are computed and before each use, so that whoever overwrites what others still
 * read is noticed; memory that is free again is filled with NaN.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/context.h"
#include "base/hash.h"
#include "expr/precise.h"
#include "vm/checks.h"
#include "vm/memory.h"
#include "vm/size.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEBUG_JITTERS = 6, DEBUG_FACTOR = 64, DEBUG_POISON = 0xff };

struct debug_call {
    btl_arena arena;
    uint64_t *hash;      /* by slot, of its memory's */
    bool *known;         /* by slot: it has a value */
};

typedef enum debug_kind { WAY_EVAL, WAY_LIBRARY, WAY_CODE, NWAYS } debug_kind;

/* An instruction under examination. */
typedef struct debug_step {
    vm_watch *v;
    const vm_instr *instr;
    btl_arena *a;
    btl_operand *in, *out;    /* as in the workspace; in: their data kept aside */
    btl_way ways[NWAYS];      /* name NULL: there is none */
    btl_array *results[NWAYS];
    btl_array *bounds;        /* how far rounding may move each element of each result, once that was asked */
    btl_operand *table;       /* the workspace's operands, a copy */
} debug_step;

/* ---- what is said ----------------------------------------------------------------------------------- */

static const char *debug_rule_of(const vm_watch *v, const btl_node *n) {
    const vm_debug *d = v->f->debug;
    for (int i = d->nfirings - 1; i >= 0; i--)
        if (d->firings[i].after->node == n) return d->firings[i].rule;
    return NULL;
}

/* ECHECK with the op, its place, and the rule that made the node. */
static btl_status debug_fails(const debug_step *s, const char *why, const char *hint) {
    const btl_node *n = s->instr->node;
    const char *rule = debug_rule_of(s->v, n);
    btl_error err = { 0 };
    btl_status status = btl_error_set(&err, BTL_ECHECK, "%.200s: %.900s", s->instr->label, why);
    btl_places_error(n->places, NULL, status, &err);
    if (rule) btl_error_add(&err, "\n      the rule %s made this node", rule);
    if (hint) btl_error_add(&err, "\n      hint: %s", hint);
    if (s->v->err->status == BTL_OK) *s->v->err = err;
    return status;
}

static const char *debug_result_name(const debug_step *s, int k, char *text, size_t bytes) {
    char otherwise[40];
    snprintf(otherwise, sizeof otherwise, "result %d", k);
    return btl_vm_slot_text(s->v->w, s->instr->out[k], otherwise, text, bytes);
}

/* ---- the ways ------------------------------------------------------------------------------------------- */

static btl_exec debug_exec(const debug_step *s, const btl_operand *in, btl_operand *out, void *work, btl_error *err) {
    const vm_instr *q = s->instr;
    return (btl_exec){ .node = q->node, .params = q->node->params, .nin = q->nin, .nout = q->nout, .in = in, .out = out, .symbols = s->v->w->symbols,
                       .work = work, .ctx = s->v->w->ctx, .err = err };
}

static btl_status debug_run_eval(void *user, const btl_operand *in, btl_operand *out, void *work, btl_error *err) {
    btl_exec x = debug_exec(user, in, out, work, err);
    return btl_exec_eval(&x);
}

static size_t debug_workspace(void *user, const btl_operand *in, const btl_operand *out) {
    const debug_step *s = user;
    if (!s->instr->node->op->workspace) return 0;
    btl_exec x = debug_exec(s, in, (btl_operand *)(uintptr_t)out, NULL, NULL);
    return s->instr->node->op->workspace(&x);
}

static btl_status debug_run_library(void *user, const btl_operand *in, btl_operand *out, void *work, btl_error *err) {
    const debug_step *s = user;
    btl_exec x = debug_exec(s, in, out, work, err);
    if (s->instr->kind != VM_STRIPS) return s->instr->node->op->kernel(&x);
    const btl_param *shape = &s->instr->node->params[1];
    int64_t dims[BTL_MAX_RANK];
    for (int k = 0; k < shape->shape.n; k++)
        if (!btl_dim_eval(shape->shape.v[k], x.symbols, &dims[k])) return btl_error_set(err, BTL_ESHAPE, "a size is not known");
    return btl_strips_run(s->instr->strips, x.nin, in, x.nout, out, dims, shape->shape.n, work, err);
}

static size_t debug_strips_scratch(void *user, const btl_operand *in, const btl_operand *out) {
    (void)in, (void)out;
    return btl_strips_scratch_bytes(((const debug_step *)user)->instr->strips);
}

static btl_status debug_run_code(void *user, const btl_operand *in, btl_operand *out, void *work, btl_error *err) {
    const debug_step *s = user;
    const vm_instr *q = s->instr;
    for (int k = 0; k < q->nin; k++) s->table[q->in[k]] = in[k];
    for (int k = 0; k < q->nout; k++) s->table[q->out[k]] = out[k];
    int failed = s->v->code->steps[q->kernel](s->table, s->v->w->sizes, q->o, work, &s->v->f->services);
    return failed ? btl_error_set(err, BTL_EVALUE, "it says that it cannot") : BTL_OK;
}

static size_t debug_code_scratch(void *user, const btl_operand *in, const btl_operand *out) {
    const debug_step *s = user;
    int64_t bytes;
    (void)in, (void)out;
    return s->instr->work && btl_dim_eval(s->instr->work, s->v->w->symbols, &bytes) ? (size_t)bytes : 0;
}

/* ---- what rounding may do --------------------------------------------------------------------------------- */

typedef struct debug_jitter { debug_step *s; uint64_t random; bool extreme; } debug_jitter;

/* Elements of which a sum of a billion, or of products of two, may overflow on the way to a result that does not; products alone may also
 * underflow. What comes of them depends on the order: nobody promises anything. */
static bool debug_is_extreme(const btl_operand *x, bool products, bool nothing_else) {
    const btl_float_range range = btl_float_range_of(x->dtype);
    const int64_t *strides[1] = { x->strides };
    double most = (products ? sqrt(range.max) : range.max) * (x->dtype == BTL_F16 ? 0x1p-4 : 0x1p-30), least = nothing_else ? sqrt(range.normal) : 0;
    btl_walk w;
    if (btl_dtype_kind(x->dtype) != 'f') return false;
    for (btl_walk_begin(&w, x->rank, x->dims, 1, strides); w.more; btl_walk_next(&w)) {
        double a = fabs((double)btl_operand_real(x, w.at[0]));
        if (!(a <= most) || (a > 0 && a < least)) return true;
    }
    return false;
}

/* The sum of |x| over what each element of a sum is of. */
static btl_operand debug_sum_of_sizes(const debug_step *s, const btl_node *n, const btl_operand *in, const btl_operand *out) {
    btl_operand sizes = btl_operand_keep(s->a, in), total = btl_operand_keep(s->a, out);
    btl_error ignored = { 0 };
    for (int64_t i = 0, elems = btl_operand_elems(&sizes); i < elems; i++) btl_operand_set_real(&sizes, i, fabsl(btl_operand_real(&sizes, i)));
    btl_exec x = { .node = n, .params = n->params, .nin = 1, .nout = 1, .in = &sizes, .out = &total, .symbols = s->v->w->symbols, .ctx = s->v->w->ctx, .err = &ignored };
    btl_exec_eval(&x);
    return total;
}

/* Moves what a node of a kernel's body computes. What is rounded correctly everywhere stays. */
static void debug_move(void *user, const btl_node *n, const btl_operand *in, const btl_operand *out) {
    debug_jitter *j = user;
    if (btl_dtype_kind(out->dtype) != 'f') return;
    bool sum = n->op->reduction && n->op->reduction->identity_kind == IDENTITY_ZERO, product = n->op->reduction && n->op->reduction->identity_kind == IDENTITY_ONE;
    double ulps = n->op->elem ? n->op->elem->max_ulp : product ? 8 : 0, eps = btl_float_range_of(out->dtype).eps;
    if (n->op->reduction) j->extreme |= (sum || product) && debug_is_extreme(in, product, product);
    if (!sum && ulps <= 0) return;
    btl_operand sizes = sum ? debug_sum_of_sizes(j->s, n, in, out) : *out;
    for (int64_t i = 0, elems = btl_operand_elems(out); i < elems; i++) {
        double x = (double)btl_operand_real(out, i), step = sum ? 4 * eps * (double)btl_operand_real(&sizes, i) : ulps * btl_ulp(out->dtype, x);
        if (isfinite(x)) btl_operand_set_real(out, i, (long double)x + (long double)(btl_jitter(&j->random) * step));
    }
}

/* The operands of another op, each moved by what its largest elements' rounding is. */
static const btl_operand *debug_move_operands(debug_step *s, uint64_t *random) {
    btl_operand *in = BTL_ARRAY(s->a, btl_operand, s->instr->nin + 1);
    for (int i = 0; i < s->instr->nin; i++) {
        in[i] = btl_operand_keep(s->a, &s->in[i]);
        double largest = 0;
        if (btl_dtype_kind(in[i].dtype) != 'f') continue;
        int64_t n = btl_operand_elems(&in[i]);
        for (int64_t e = 0; e < n; e++) {
            double x = fabs((double)btl_operand_real(&in[i], e));
            if (isfinite(x) && x > largest) largest = x;
        }
        for (int64_t e = 0; e < n; e++) {
            long double x = btl_operand_real(&in[i], e);
            if (isfinite((double)x)) btl_operand_set_real(&in[i], e, x + (long double)(btl_jitter(random) * btl_ulp(in[i].dtype, largest)));
        }
    }
    return in;
}

static btl_status debug_jittered(debug_step *s, uint64_t seed, btl_operand *out, bool *extreme) {
    btl_error ignored = { 0 };
    debug_jitter j = { s, seed, false };
    for (int k = 0; k < s->instr->nout; k++) out[k] = btl_operand_keep(s->a, &s->out[k]);
    if (s->instr->node->op == &btl_op_fused) {
        btl_exec x = debug_exec(s, s->in, out, NULL, &ignored);
        btl_status status = btl_fused_eval(&x, debug_move, &j);
        *extreme = j.extreme;
        return status;
    }
    for (int i = 0; i < s->instr->nin; i++) *extreme |= debug_is_extreme(&s->in[i], true, false);
    const btl_operand *in = debug_move_operands(s, &j.random);
    size_t work = s->ways[WAY_EVAL].work_bytes ? s->ways[WAY_EVAL].work_bytes(s, in, out) : 0;
    return debug_run_eval(s, in, out, work ? btl_arena_alloc(s->a, work) : NULL, &ignored);
}

/* How far from the reference's results rounding moves each element: infinite where it makes another class of it. */
static void debug_find_bounds(debug_step *s) {
    int nout = s->instr->nout;
    btl_operand *moved = BTL_ARRAY(s->a, btl_operand, nout + 1);
    s->bounds = BTL_ARRAY(s->a, btl_array, nout + 1);
    for (int k = 0; k < nout; k++) {
        const btl_array *want = &s->results[WAY_EVAL][k];
        s->bounds[k] = btl_array_wrap(BTL_F64, want->ndim, want->shape, BTL_ARRAY(s->a, double, btl_array_elems(want) + 1));
    }
    for (int n = 0; n < DEBUG_JITTERS; n++) {
        bool extreme = false;
        if (debug_jittered(s, (uint64_t)n + 1, moved, &extreme) != BTL_OK) continue;
        for (int k = 0; k < nout; k++) {
            double *bound = s->bounds[k].data;
            const btl_array *want = &s->results[WAY_EVAL][k], got = btl_array_of_operand(&moved[k]);
            for (int64_t i = 0, elems = btl_array_elems(want); i < elems; i++) {
                double x = btl_array_element(want, i), y = btl_array_element(&got, i), d = fabs(x - y);
                if (extreme) bound[i] = (double)INFINITY;
                if (x == y || (isnan(x) && isnan(y))) continue;
                d = isnan(d) || isinf(d) ? (double)INFINITY : DEBUG_FACTOR * d;
                if (d > bound[i]) bound[i] = d;
            }
        }
    }
}

/* May the two differ by rounding? */
static bool debug_near(void *user, int k, const btl_array *got, const btl_array *want, char *why, size_t bytes) {
    debug_step *s = user;
    const btl_op *op = s->instr->node->op;
    bool plain = op == &btl_op_fused || op->elem;
    btl_agreement t = { .ulps = plain ? 4 : DEBUG_FACTOR, .any_zero = !plain };
    if (op->flags & OP_IS_PURE_SHAPE) t.ulps = 0, t.any_zero = false;
    if (btl_arrays_agree(got, want, &t, why, bytes)) return true;
    if (op->flags & (OP_IS_PURE_SHAPE | OP_OWN)) return false;
    if (!s->bounds) debug_find_bounds(s);
    t.bound = &s->bounds[k];
    return btl_arrays_agree(got, want, &t, why, bytes);
}

/* ---- comparing the ways --------------------------------------------------------------------------------------- */

static void debug_set_ways(debug_step *s) {
    const vm_instr *q = s->instr;
    const btl_op *op = q->node->op;
    bool packed = op->flags & (OP_PACKED | OP_ROW_MAJOR);
    btl_way eval = { .name = "eval", .user = s, .run = debug_run_eval, .any_layout = true };
    if (op->workspace && !(op->eval && op->kernel)) eval.work_bytes = debug_workspace;
    s->ways[WAY_EVAL] = eval;
    if (q->kind == VM_STRIPS)
        s->ways[WAY_LIBRARY] = (btl_way){ .name = "strip kernel", .user = s, .run = debug_run_library, .work_bytes = debug_strips_scratch, .any_layout = true, .near = debug_near };
    else if (op->kernel)
        s->ways[WAY_LIBRARY] = (btl_way){ .name = "kernel", .user = s, .run = debug_run_library, .work_bytes = debug_workspace, .any_layout = !packed, .near = debug_near };
    if (s->v->code && s->v->code->steps && q->kernel >= 0)
        s->ways[WAY_CODE] = (btl_way){ .name = "C", .user = s, .run = debug_run_code, .work_bytes = debug_code_scratch, .near = debug_near };
}

static btl_status debug_compare(debug_step *s, debug_kind got, debug_kind want) {
    const btl_op_def *def = btl_op_own_def(s->instr->node->op);
    char why[600], name[200], text[900];
    for (int k = 0; k < s->instr->nout; k++) {
        const btl_array *a = &s->results[got][k], *b = &s->results[want][k];
        btl_agreement t = { .ulps = def ? def->max_ulp : 0 };
        bool same = def || want == WAY_LIBRARY ? btl_arrays_agree(a, b, &t, why, sizeof why) : debug_near(s, k, a, b, why, sizeof why);
        if (same) continue;
        snprintf(text, sizeof text, "its %s and its %s differ in %s: %s", s->ways[got].name, s->ways[want].name, debug_result_name(s, k, name, sizeof name), why);
        return debug_fails(s, text, def ? "max_ulp of the op says how far its C may lie from its eval" : want == WAY_LIBRARY ? "linker=strips runs without generated code" : "linker=eval runs every node by its reference");
    }
    return BTL_OK;
}

/* What the results should be: those of the last way. *ran: false where the reference fails, as it may. */
static btl_status debug_try_ways(debug_step *s, const btl_array **results, btl_error *reference) {
    *results = NULL;
    for (debug_kind way = WAY_EVAL; way < NWAYS; way++) {
        char why[900];
        btl_error err = { 0 };
        if (!s->ways[way].name) continue;
        s->results[way] = BTL_ARRAY(s->a, btl_array, s->instr->nout + 1);
        btl_status status = btl_way_try(s->a, &s->ways[way], s->instr->nin, s->in, s->instr->nout, s->out, s->results[way], why, sizeof why, &err);
        if (status == BTL_ECHECK) return debug_fails(s, why, NULL);
        if (status == BTL_ENOMEM) return btl_error_set(s->v->err, status, "%s", err.message);
        if (way == WAY_EVAL && status != BTL_OK) {
            *reference = err;
            return BTL_OK;
        }
        if (status != BTL_OK) {
            snprintf(why, sizeof why, "its %s fails where its eval does not: %.500s", s->ways[way].name, err.message);
            return debug_fails(s, why, NULL);
        }
        bool library = s->results[WAY_LIBRARY] && way == WAY_CODE && !(s->instr->node->op->flags & OP_OWN);
        if (way != WAY_EVAL) BTL_TRY(debug_compare(s, way, library ? WAY_LIBRARY : WAY_EVAL));
        *results = s->results[way];
    }
    return BTL_OK;
}

/* ---- the function's own memory ------------------------------------------------------------------------------------ */

static size_t debug_bytes(const vm_workspace *w, int slot) {
    const btl_operand *x = &w->operands[slot];
    return (size_t)btl_operand_elems(x) * btl_dtype_bytes(x->dtype);
}

/* Of a slot that is no view. Arguments may have gaps: those are not read. */
static uint64_t debug_hash(const vm_workspace *w, int slot) {
    size_t bytes = debug_bytes(w, slot);
    return bytes ? btl_hash_bytes(w->operands[slot].data, bytes, 1) : 0;
}

static void debug_note(vm_watch *v, int slot) {
    v->debug->known[slot] = true;
    v->debug->hash[slot] = debug_hash(v->w, slot);
}

static bool debug_is_as_it_was(vm_watch *v, int slot) {
    int root = v->f->slots[slot].root;
    return !v->debug->known[root] || debug_hash(v->w, root) == v->debug->hash[root];
}

static btl_status debug_check_operands(debug_step *s, const char *when, const char *hint) {
    char name[200], why[500];
    for (int k = 0; k < s->instr->nin; k++) {
        if (debug_is_as_it_was(s->v, s->instr->in[k])) continue;
        snprintf(why, sizeof why, "%s operand %d, %s, has other bytes than when it was computed", when, k, btl_vm_slot_text(s->v->w, s->instr->in[k], "without a name", name, sizeof name));
        return debug_fails(s, why, hint);
    }
    return BTL_OK;
}

/* Buffers that nobody reads any more. */
static void debug_poison(vm_watch *v, int number) {
    const btl_function *f = v->f;
    for (int i = 0; i < f->nbuffers; i++) {
        int slot = f->buffer_slot[i];
        if (f->lives[i].last != number || !v->debug->known[slot]) continue;
        memset(v->w->operands[slot].data, DEBUG_POISON, debug_bytes(v->w, slot));
    }
}

/* ---- views ------------------------------------------------------------------------------------------------------------ */

/* Made by C: as by the library. And within the memory that it is a view of. */
static btl_status debug_check_view(debug_step *s) {
    vm_workspace *w = s->v->w;
    const vm_instr *q = s->instr;
    const btl_operand *made = &w->operands[q->out[0]], *root = &w->operands[s->v->f->slots[q->out[0]].root];
    int64_t strides[BTL_MAX_RANK] = { 0 }, low = 0, high = 0, size = (int64_t)btl_dtype_bytes(made->dtype);
    btl_operand view = *made;
    btl_error err = { 0 };
    view.strides = strides;
    btl_exec x = debug_exec(s, s->in, &view, NULL, &err);
    if (btl_operand_elems(made) == 0) return BTL_OK;
    if (q->node->op->view(&x) != BTL_OK) return debug_fails(s, "its view fails once it has been made", NULL);
    bool same = view.data == made->data;
    for (int k = 0; k < view.rank; k++) same &= strides[k] == made->strides[k] || view.dims[k] == 1;
    if (!same) return debug_fails(s, "its C makes another view than its view function", "linker=strips runs without generated code");
    for (int k = 0; k < view.rank; k++) *(strides[k] < 0 ? &low : &high) += (view.dims[k] - 1) * strides[k];
    int64_t at = (int64_t)(made->data - root->data);
    if (at + low * size < 0 || at + (high + 1) * size > (int64_t)debug_bytes(w, s->v->f->slots[q->out[0]].root)) return debug_fails(s, "its view reaches beyond its operand's memory", NULL);
    return BTL_OK;
}

/* ---- an instruction -------------------------------------------------------------------------------------------------- */

static btl_status debug_run_it(debug_step *s) {
    BTL_TRY(s->v->run(s->v->call, s->instr));
    return debug_check_operands(s, "it ran, and", "it writes to an operand that it does not declare as destroyed, or its result lies in one's memory");
}

static void debug_take_operands(debug_step *s) {
    for (int k = 0; k < s->instr->nin; k++) s->in[k] = s->v->w->operands[s->instr->in[k]];
    for (int k = 0; k < s->instr->nout; k++) s->out[k] = s->v->w->operands[s->instr->out[k]];
}

static btl_status debug_check_run(debug_step *s, const btl_array *results) {
    char why[600], name[200], text[900];
    btl_agreement exact = { 0 };
    for (int k = 0; k < s->instr->nout; k++) {
        const btl_array made = btl_array_of_operand(&s->v->w->operands[s->instr->out[k]]);
        if (btl_arrays_agree(&made, &results[k], &exact, why, sizeof why)) continue;
        if ((uintptr_t)made.data % VM_ALIGN && debug_near(s, k, &made, &results[k], why, sizeof why)) continue; /* a caller's buffer, a BLAS's last bits */
        snprintf(text, sizeof text, "in the function's memory it gives other values than in memory of its own: %s: %s", debug_result_name(s, k, name, sizeof name), why);
        return debug_fails(s, text, NULL);
    }
    return BTL_OK;
}

typedef struct debug_args { vm_watch *v; int number; } debug_args;

static btl_status debug_examine(debug_step *s) {
    const btl_array *results = NULL;
    btl_error reference = { 0 };
    bool late = s->instr->late; /* its sizes are known once it ran */
    BTL_TRY(debug_check_operands(s, "before it ran,", "two values share memory that are alive at one time, or an instruction in between wrote beside its results"));
    if (late || s->instr->kind == VM_VIEW) BTL_TRY(debug_run_it(s));
    debug_take_operands(s);
    if (s->instr->kind == VM_VIEW) return debug_check_view(s);
    debug_set_ways(s);
    s->table = btl_arena_copy(s->a, s->v->w->operands, (size_t)s->v->f->nslots * sizeof *s->table);
    BTL_TRY(debug_try_ways(s, &results, &reference));
    if (!late) BTL_TRY(debug_run_it(s));
    if (results) return debug_check_run(s, results);
    char why[900];
    snprintf(why, sizeof why, "its eval fails where the function does not: %.600s", reference.message);
    return debug_fails(s, why, NULL);
}

static btl_status debug_step_protected(void *arg) {
    const debug_args *args = arg;
    vm_watch *v = args->v;
    btl_arena *a = &v->debug->arena;
    const vm_instr *instr = &v->f->instrs[args->number];
    btl_mark mark = btl_arena_mark(a);
    debug_step s = { .v = v, .instr = instr, .a = a, .in = BTL_ARRAY(a, btl_operand, instr->nin + 1), .out = BTL_ARRAY(a, btl_operand, instr->nout + 1) };
    btl_status status = debug_examine(&s);
    for (int k = 0; k < instr->nout && status == BTL_OK; k++)
        if (v->f->slots[instr->out[k]].root == instr->out[k]) debug_note(v, instr->out[k]);
    btl_arena_reset(a, mark);
    if (status == BTL_OK) debug_poison(v, args->number);
    return status;
}

/* Under protection of the call's own arena. */
static btl_status debug_protect(vm_watch *v, btl_status (*body)(void *), void *arg) {
    btl_status status = btl_arena_protect(&v->debug->arena, body, arg);
    if (status == BTL_ENOMEM && v->err->status == BTL_OK) btl_error_set(v->err, status, "%s: out of memory while it was checked", v->f->name);
    return status;
}

static btl_status debug_step_one(vm_watch *v, int number) {
    debug_args args = { v, number };
    return debug_protect(v, debug_step_protected, &args);
}

/* ---- a call ------------------------------------------------------------------------------------------------------------- */

static btl_status debug_begin_protected(void *arg) {
    vm_watch *v = arg;
    const btl_function *f = v->f;
    btl_arena *a = &v->debug->arena;
    v->debug->hash = BTL_ARRAY(a, uint64_t, f->nslots + 1), v->debug->known = BTL_ARRAY(a, bool, f->nslots + 1);
    for (int i = 0; i < f->nslots; i++)
        if (f->slots[i].storage == STORE_INPUT || f->slots[i].storage == STORE_SHARED || f->slots[i].storage == STORE_CONSTANT) debug_note(v, i);
    return BTL_OK;
}

static btl_status debug_begin(vm_watch *v) {
    v->debug = btl_alloc(v->f->ctx, sizeof *v->debug);
    if (!v->debug) return btl_error_set(v->err, BTL_ENOMEM, "%s: no memory to check it", v->f->name);
    memset(v->debug, 0, sizeof *v->debug);
    btl_arena_init(&v->debug->arena, v->f->ctx);
    if (v->w->arena_bytes) memset(v->w->arena, DEBUG_POISON, v->w->arena_bytes);
    return debug_protect(v, debug_begin_protected, v);
}

/* Results are as they were computed. */
static btl_status debug_check_results(vm_watch *v) {
    for (int i = 0; i < v->f->noutputs; i++)
        if ((vm_need_bit(i) & v->need) && !debug_is_as_it_was(v, v->f->outputs[i].slot))
            return btl_error_set(v->err, BTL_ECHECK, "%s: result %s was overwritten after it was computed", v->f->name, v->f->outputs[i].name);
    return BTL_OK;
}

static btl_status debug_rules_protected(void *v) { return btl_debug_rules(v, btl_arena_begin(&((vm_watch *)v)->f->graph->arena)); }

/* The reference evaluator works in the graph's memory: one call at a time. */
static btl_status debug_rules(vm_watch *v) {
    btl_arena *a = &v->f->graph->arena;
    pthread_mutex_lock(&v->f->debug->lock);
    btl_mark mark = btl_arena_mark(a);
    btl_status status = btl_arena_protect(a, debug_rules_protected, v);
    btl_arena_reset(a, mark);
    pthread_mutex_unlock(&v->f->debug->lock);
    return status == BTL_ENOMEM ? btl_error_set(v->err, status, "%s: out of memory while its rewriting was checked", v->f->name) : status;
}

/* Behind the nodes: an op that breaks its contract would be blamed on a rule. Of a call that failed, too: a rule may be why. */
static btl_status debug_end_rules(vm_watch *v, btl_status status) {
    btl_error *err = v->err, found = { 0 };
    v->err = &found;
    btl_status rules = debug_rules(v);
    v->err = err;
    if (rules == BTL_OK) return status;
    *err = found;
    return rules;
}

static btl_status debug_end(vm_watch *v, btl_status status) {
    if (!v->debug) return status;
    if (status == BTL_OK) status = debug_check_results(v);
    if (status != BTL_ECHECK && status != BTL_ENOMEM) status = debug_end_rules(v, status);
    btl_arena_deinit(&v->debug->arena);
    btl_free(v->f->ctx, v->debug, sizeof *v->debug);
    return status;
}

const btl_check btl_check_debug = { .name = "debug", .begin = debug_begin, .step = debug_step_one, .end = debug_end };
