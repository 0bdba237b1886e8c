/* nan_guard.c - checks=nan: the first node that makes a NaN, an infinity or a huge value is named, with what went into it. Of a kernel
 * of several ops, by its reference, the one among them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/array.h"
#include "vm/checks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The first bad element of an operand, in row-major order. */
typedef struct guard_bad { int64_t at, count; double value; const char *what; } guard_bad;

static const char *guard_judge(const vm_nan_limits *l, double x) {
    if (isnan(x)) return l->nan ? "NaN" : NULL;
    if (isinf(x)) return l->inf ? "infinity" : NULL;
    return fabs(x) > l->big ? "huge value" : NULL;
}

static bool guard_look(const vm_nan_limits *l, const btl_operand *x, guard_bad *bad) {
    *bad = (guard_bad){ .at = -1 };
    if (btl_dtype_kind(x->dtype) != 'f') return false;
    const int64_t *strides[1] = { x->strides };
    int64_t n = 0;
    btl_walk w;
    for (btl_walk_begin(&w, x->rank, x->dims, 1, strides); w.more; btl_walk_next(&w), n++) {
        double value = (double)btl_operand_real(x, w.at[0]);
        const char *what = guard_judge(l, value);
        if (what && bad->count++ == 0) bad->at = n, bad->value = value, bad->what = what;
    }
    return bad->count > 0;
}

/* "element [2] is nan (1 of 4 is bad)" */
static const char *guard_text(const btl_operand *x, const guard_bad *bad, char *text, size_t bytes) {
    char index[200];
    btl_array a = btl_array_of_operand(x);
    btl_index_text(&a, bad->at, index, sizeof index);
    snprintf(text, bytes, "%s%s is %.9g", x->rank ? "element " : "it", index, bad->value);
    size_t n = strlen(text);
    if (x->rank && n < bytes) snprintf(text + n, bytes - n, "; %lld of %lld are bad", (long long)bad->count, (long long)btl_operand_elems(x));
    return text;
}

/* ---- what is there before ------------------------------------------------------------------------ */

static btl_status guard_leaf(vm_watch *v, int slot, const char *what) {
    guard_bad bad;
    char where[300], name[200];
    const btl_operand *x = &v->w->operands[slot];
    if (!btl_vm_slot_is_read(v, slot) || !guard_look(&v->f->limits, x, &bad)) return BTL_OK;
    btl_status status = btl_error_set(v->err, BTL_ENAN, "%s %s holds a %s before anything is computed: %s", what, btl_vm_slot_text(v->w, slot, "?", name, sizeof name), bad.what,
                                      guard_text(x, &bad, where, sizeof where));
    return btl_places_error(v->f->slots[slot].var->node->places, NULL, status, v->err);
}

static btl_status guard_begin(vm_watch *v) {
    for (int i = 0; i < v->f->ninputs; i++) BTL_TRY(guard_leaf(v, v->f->inputs[i].slot, "argument"));
    for (int i = 0; i < v->f->nshared; i++) BTL_TRY(guard_leaf(v, v->f->shared[i].slot, "shared variable"));
    return BTL_OK;
}

/* ---- a node ------------------------------------------------------------------------------------------ */

/* The op of a kernel's body that made the first bad value, and what went into it, as text. */
typedef struct guard_inner {
    const vm_nan_limits *limits;
    const btl_op *op;
    const btl_places *places;
    const btl_node *kernel;
    char found[400], lines[700];
} guard_inner;

/* As the program calls what a variable of a kernel's body stands for. */
static const char *guard_name(const btl_node *kernel, const btl_var *v) {
    const btl_body *body = btl_node_param(kernel, "body")->body;
    for (int i = 0; i < body->nparams; i++)
        if (body->params[i] == v) return kernel->in[i]->name;
    return v->name;
}

static void guard_see(void *user, const btl_node *n, const btl_operand *in, const btl_operand *out) {
    guard_inner *g = user;
    guard_bad bad;
    if (g->op || !guard_look(g->limits, out, &bad)) return;
    char where[300], type[100];
    g->op = n->op, g->places = n->places;
    snprintf(g->found, sizeof g->found, "makes the first %s: in %s, %s", bad.what, btl_array_type_text(type, sizeof type, out->dtype, out->rank, out->dims),
             guard_text(out, &bad, where, sizeof where));
    size_t at = 0;
    for (int i = 0, nin = n->op->reduction ? 1 : n->nin; i < nin && at < sizeof g->lines; i++) {
        char range[200];
        const char *name = n->op->reduction ? NULL : guard_name(g->kernel, n->in[i]);
        btl_array_type_text(type, sizeof type, in[i].dtype, in[i].rank, in[i].dims);
        at += (size_t)snprintf(g->lines + at, sizeof g->lines - at, "\n      operand %s: %s: %s", name ? name : "without a name", type,
                               btl_vm_range_text(&in[i], range, sizeof range));
    }
}

static void guard_look_inside(vm_watch *v, const vm_instr *instr, guard_inner *inner) {
    vm_workspace *w = v->w;
    btl_error ignored = { 0 };
    *inner = (guard_inner){ .limits = &v->f->limits, .kernel = instr->node };
    if (instr->node->op != &btl_op_fused) return;
    btl_exec x = { .node = instr->node, .params = instr->node->params, .nin = instr->nin, .nout = instr->nout, .in = w->exec_in, .out = w->exec_out,
                   .symbols = w->symbols, .ctx = w->ctx, .err = &ignored };
    for (int k = 0; k < instr->nin; k++) w->exec_in[k] = w->operands[instr->in[k]];
    for (int k = 0; k < instr->nout; k++) w->exec_out[k] = w->operands[instr->out[k]]; /* computed again, in place: the call fails anyway */
    btl_fused_eval(&x, guard_see, inner);
}

static btl_status guard_found(vm_watch *v, const vm_instr *instr, int k, const guard_bad *bad) {
    char where[300], name[200], range[200];
    guard_inner inner;
    const btl_operand *x = &v->w->operands[instr->out[k]];
    guard_text(x, bad, where, sizeof where);
    btl_vm_slot_text(v->w, instr->out[k], "a result", name, sizeof name);
    guard_look_inside(v, instr, &inner);
    btl_status status = inner.op ? btl_error_set(v->err, BTL_ENAN, "%s: %s", inner.op->name, inner.found)
                                 : btl_error_set(v->err, BTL_ENAN, "%s: makes the first %s, in %s: %s", instr->label, bad->what, name, where);
    status = btl_places_error(inner.op && inner.places ? inner.places : instr->node->places, NULL, status, v->err);
    if (inner.op && strchr(instr->label, ',')) btl_error_add(v->err, "\n      in the kernel %.300s, which makes %s", instr->label, name);
    if (inner.op) btl_error_add(v->err, "%s", inner.lines);
    for (int i = 0; i < instr->nin && !inner.op; i++)
        btl_error_add(v->err, "\n      operand %s: %s", btl_vm_slot_text(v->w, instr->in[i], "without a name", name, sizeof name),
                      btl_vm_range_text(&v->w->operands[instr->in[i]], range, sizeof range));
    if (bad->what[0] == 'h') btl_error_add(v->err, "\n      hint: values beyond %g are taken for bad; big=NUMBER or big=off in the mode changes that", v->f->limits.big);
    return status;
}

static btl_status guard_step(vm_watch *v, int number) {
    const vm_instr *instr = &v->f->instrs[number];
    guard_bad bad;
    BTL_TRY(v->run(v->call, instr));
    if (instr->kind == VM_VIEW) return BTL_OK; /* its operand was looked at */
    for (int k = 0; k < instr->nout; k++)
        if (guard_look(&v->f->limits, &v->w->operands[instr->out[k]], &bad)) return guard_found(v, instr, k, &bad);
    return BTL_OK;
}

const btl_check btl_check_nan = { .name = "nan", .begin = guard_begin, .step = guard_step };
