/* strip_compile.c - from a fused body to a strip program: an instruction for each op, registers by
 * linear scan.
 *
 * f16 and bf16 have kernels of their own only for ops with short texts; the others are cast to f32,
 * computed and cast back, which gives the same bits (tools/genstrips.c).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vm/strip_program.h"

#include "expr/body.h"

#include <assert.h>
#include <string.h>

static void strips_copy1(int64_t n, const void *const *in, void *out) {
    memmove(out, in[0], (size_t)n);
}
static void strips_copy2(int64_t n, const void *const *in, void *out) {
    memmove(out, in[0], (size_t)n * 2);
}
static void strips_copy4(int64_t n, const void *const *in, void *out) {
    memmove(out, in[0], (size_t)n * 4);
}
static void strips_copy8(int64_t n, const void *const *in, void *out) {
    memmove(out, in[0], (size_t)n * 8);
}

static btl_strip_fn strips_copy(size_t elem_bytes) {
    return elem_bytes == 1   ? strips_copy1
           : elem_bytes == 2 ? strips_copy2
           : elem_bytes == 4 ? strips_copy4
                             : strips_copy8;
}

/* ---- compiling: values, then registers ------------------------------------------------------ */

/* First every value gets a number of its own (SSA); registers are given out afterwards. */
typedef struct strips_value {
    btl_dtype dtype;
    int last_use;       /* instruction; -1: never */
    int reg;            /* -1: none yet */
    const void *filled; /* a constant's register */
    int wide;           /* the same value as f32 (for f16, bf16), or -1 */
} strips_value;

typedef struct strips_compiler {
    btl_arena *arena;
    const btl_body *body;
    btl_strips *s;
    int nnodes, nvalues, value_capacity, instr_capacity;
    btl_node **nodes;
    int *value_of; /* by position in nodes */
    strips_value *values;
    bool failed;
} strips_compiler;

static int strips_new_value(strips_compiler *c, btl_dtype dtype) {
    *BTL_PUSH(c->arena, c->values, c->nvalues, c->value_capacity) =
        (strips_value){ .dtype = dtype, .last_use = -1, .reg = -1, .wide = -1 };
    return c->nvalues - 1;
}

static int strips_emit(strips_compiler *c, btl_strip_fn fn, int nin, const int *in, btl_dtype to) {
    strip_instr q = { .fn = fn, .in = { in[0], in[nin > 1 ? 1 : 0], in[nin > 2 ? 2 : 0] } };
    if (!fn) c->failed = true;
    q.out = strips_new_value(c, to);
    *BTL_PUSH(c->arena, c->s->instrs, c->s->ninstrs, c->instr_capacity) = q;
    return q.out;
}

static int strips_cast(strips_compiler *c, int value, btl_dtype to) {
    btl_dtype from = c->values[value].dtype;
    if (from == to) return value;
    btl_strip_fn fn = btl_strips_find("cast", from, to);
    if (fn) return strips_emit(c, fn, 1, &value, to);
    /* a pair without a kernel of its own goes through f64, which holds what f16 and bf16 hold */
    int middle = strips_emit(c, btl_strips_find("cast", from, BTL_F64), 1, &value, BTL_F64);
    return strips_emit(c, btl_strips_find("cast", BTL_F64, to), 1, &middle, to);
}

static bool strips_is_half(btl_dtype dtype) { return dtype == BTL_F16 || dtype == BTL_BF16; }

/* An f16 or bf16 value widened, once for all its uses. */
static int strips_widen(strips_compiler *c, int value) {
    if (!strips_is_half(c->values[value].dtype)) return value;
    if (c->values[value].wide < 0) {
        int wide = strips_cast(c, value, BTL_F32);
        c->values[value].wide = wide;
    }
    return c->values[value].wide;
}

static int strips_apply(strips_compiler *c, const btl_op *op, int nin, const int *in,
                        btl_dtype to) {
    btl_dtype dtype = c->values[in[nin - 1]].dtype;
    btl_strip_fn fn = btl_strips_find(op->name, dtype, to);
    if (fn || !strips_is_half(dtype)) return strips_emit(c, fn, nin, in, to);
    int wide[3];
    for (int i = 0; i < nin; i++) wide[i] = strips_widen(c, in[i]);
    btl_dtype computed = strips_is_half(to) ? BTL_F32 : to;
    return strips_cast(
        c, strips_emit(c, btl_strips_find(op->name, BTL_F32, computed), nin, wide, computed), to);
}

static int strips_node_value(const strips_compiler *c, const btl_node *n) {
    for (int lo = 0, hi = c->nnodes; lo < hi;) {
        int mid = (lo + hi) / 2;
        if (c->nodes[mid] == n) return c->value_of[mid];
        if (c->nodes[mid]->id < n->id)
            lo = mid + 1;
        else
            hi = mid;
    }
    assert(false && "a body's node comes behind what it needs");
    return 0;
}

static int strips_constant(strips_compiler *c, const btl_var *v) {
    size_t bytes = btl_dtype_bytes(v->type.dtype);
    const char *element = btl_array_data(btl_var_constant_array(v));
    int value = strips_new_value(c, v->type.dtype);
    char *filled = btl_arena_alloc(c->arena, BTL_STRIP_ELEMS * bytes);
    for (size_t i = 0; i < BTL_STRIP_ELEMS; i++) memcpy(filled + i * bytes, element, bytes);
    c->values[value].filled = filled;
    return value;
}

static int strips_node(strips_compiler *c, const btl_node *n) {
    int in[3];
    if (btl_var_is_constant(n->out)) return strips_constant(c, n->out);
    if (n->nin < 1 || n->nin > 3) {
        c->failed = true;
        return 0;
    }
    for (int i = 0; i < n->nin; i++) in[i] = strips_node_value(c, n->in[i]->node);
    if (n->op == &btl_op_cast) return strips_cast(c, in[0], n->out->type.dtype);
    return strips_apply(c, n->op, n->nin, in, n->out->type.dtype);
}

/* Values of everything in the body; the parameters are values 0, 1, …. */
static void strips_values(strips_compiler *c) {
    c->nodes = btl_body_nodes(c->arena, c->body, &c->nnodes);
    c->value_of = BTL_ARRAY(c->arena, int, c->nnodes + 1);
    for (int i = 0; i < c->body->nparams; i++) strips_new_value(c, c->body->params[i]->type.dtype);
    for (int k = 0; k < c->nnodes; k++) {
        int param = -1;
        for (int i = 0; i < c->body->nparams && c->nodes[k]->op == &btl_op_param; i++)
            if (c->body->params[i]->node == c->nodes[k]) param = i;
        c->value_of[k] = param >= 0 ? param : strips_node(c, c->nodes[k]);
    }
}

/* Each result of a map gets a value of its own that its output's memory holds: one that is a
 * parameter, a constant or another result already is copied. */
static void strips_map_results(strips_compiler *c, int *value) {
    for (int k = 0; k < c->body->nresults; k++) {
        bool own = value[k] >= c->body->nparams && !c->values[value[k]].filled;
        for (int i = 0; i < k; i++) own &= value[i] != value[k];
        if (own) continue;
        btl_dtype dtype = c->values[value[k]].dtype;
        value[k] = strips_emit(c, strips_copy(btl_dtype_bytes(dtype)), 1, &value[k], dtype);
    }
}

/* ---- compiling: pairs ------------------------------------------------------------------------ */

static int strips_which(btl_strip_fn fn, const btl_strip_fn *list) {
    for (int i = 0; i < STRIP_FIRSTS; i++)
        if (fn == list[i]) return i;
    return -1;
}

/* The kernel that does instruction `first` and then `second`, which reads its result as operand
 * `at`; NULL if there is none. Bits stay as they are: each of the two still rounds. */
static btl_strip_fn strips_pair(const strip_instr *first, const strip_instr *second, int at) {
    const strip_joins *joins = btl_strip_joined_kernels();
    for (int d = 0; d < 2; d++) {
        int i = strips_which(first->fn, joins->single[d]), k = strips_which(second->fn, joins->single[d]);
        if (i >= 0 && k >= 0) return joins->pair[d][i][k == 1 && at == 1 ? STRIP_RSUB : k];
    }
    return NULL;
}

/* Joins instructions whose result is read once, by the next of its kind: half as many values go
 * through L1. `value` are the results. */
static void strips_join(strips_compiler *c, const int *value) {
    btl_strips *s = c->s;
    int *uses = BTL_ARRAY(c->arena, int, c->nvalues + 1), *maker = BTL_ARRAY(c->arena, int, c->nvalues + 1), kept = 0;
    for (int v = 0; v < c->nvalues; v++) maker[v] = -1;
    for (int k = 0; k < s->nout; k++) uses[value[k]]++;
    for (int k = 0; k < s->ninstrs; k++) { /* those of one operand name it again and again */
        const int *in = s->instrs[k].in;
        uses[in[0]]++;
        if (in[1] != in[0]) uses[in[1]]++;
        if (in[2] != in[0] && in[2] != in[1]) uses[in[2]]++;
    }
    for (int k = 0; k < s->ninstrs; k++) {
        strip_instr *q = &s->instrs[k];
        maker[q->out] = k;
        for (int at = 0; at < 2; at++) {
            int p = maker[q->in[at]];
            if (p < 0 || uses[q->in[at]] != 1 || q->in[0] == q->in[1]) continue;
            strip_instr *first = &s->instrs[p];
            btl_strip_fn fn = first->fn ? strips_pair(first, q, at) : NULL;
            if (!fn) continue;
            *q = (strip_instr){ fn, { first->in[0], first->in[1], q->in[1 - at] }, q->out };
            first->fn = NULL;
            break;
        }
    }
    for (int k = 0; k < s->ninstrs; k++)
        if (s->instrs[k].fn) s->instrs[kept++] = s->instrs[k];
    s->ninstrs = kept;
}

/* ---- compiling: registers --------------------------------------------------------------------- */

/* Temporaries that are free, by element size (1, 2, 4, 8). */
typedef struct strips_free {
    int *regs[9];
    int count[9], capacity[9];
} strips_free;

static int strips_take_temp(strips_compiler *c, strips_free *f, size_t bytes, int *capacity) {
    btl_strips *s = c->s;
    if (f->count[bytes]) return f->regs[bytes][--f->count[bytes]];
    *BTL_PUSH(c->arena, s->temp_at, s->ntemps, *capacity) = s->temp_bytes;
    s->temp_bytes += BTL_STRIP_ELEMS * bytes;
    return s->nin + s->nout + s->nconstants + s->ntemps - 1;
}

static void strips_give_temp(strips_compiler *c, strips_free *f, int value) {
    const strips_value *v = &c->values[value];
    size_t bytes = btl_dtype_bytes(v->dtype);
    if (v->reg < c->s->nin + c->s->nout + c->s->nconstants) return;
    *BTL_PUSH(c->arena, f->regs[bytes], f->count[bytes], f->capacity[bytes]) = v->reg;
}

/* Linear scan in the order of instructions; an operand that dies gives its register on. */
static void strips_registers(strips_compiler *c) {
    btl_strips *s = c->s;
    strips_free f = { 0 };
    int capacity = 0;
    for (int k = 0; k < s->ninstrs; k++)
        for (int i = 0; i < 3; i++)
            if (c->values[s->instrs[k].in[i]].last_use < k)
                c->values[s->instrs[k].in[i]].last_use = k;
    for (int k = 0; k < s->ninstrs; k++) {
        strip_instr *q = &s->instrs[k];
        int in[3] = { q->in[0], q->in[1], q->in[2] }, out = q->out;
        size_t bytes = btl_dtype_bytes(c->values[out].dtype);
        /* dying operands of the result's size, then the result, then the others */
        for (int pass = 0; pass < 2; pass++) {
            for (int i = 0; i < 3; i++) {
                bool again = (i > 0 && in[i] == in[0]) || (i > 1 && in[i] == in[1]);
                bool same = btl_dtype_bytes(c->values[in[i]].dtype) == bytes;
                if (!again && c->values[in[i]].last_use == k && same == (pass == 0))
                    strips_give_temp(c, &f, in[i]);
            }
            if (pass == 0 && c->values[out].reg < 0)
                c->values[out].reg = strips_take_temp(c, &f, bytes, &capacity);
        }
        for (int i = 0; i < 3; i++) q->in[i] = c->values[in[i]].reg;
        q->out = c->values[out].reg;
        if (c->values[out].last_use < 0) strips_give_temp(c, &f, out); /* never read */
    }
}

static void strips_number_operands(strips_compiler *c) {
    btl_strips *s = c->s;
    int capacity = 0;
    for (int i = 0; i < s->nin; i++) c->values[i].reg = i;
    for (int v = 0; v < c->nvalues; v++) {
        if (!c->values[v].filled) continue;
        c->values[v].reg = s->nin + s->nout + s->nconstants;
        *BTL_PUSH(c->arena, s->constants, s->nconstants, capacity) = c->values[v].filled;
    }
}

static void strips_reduction(strips_compiler *c, const btl_node *n, const int *value) {
    btl_strips *s = c->s;
    const btl_param *p = n->params;
    const btl_op *op = btl_op_find(p[2].s, strlen(p[2].s));
    assert(op && op->reduction);
    s->reduction = op->reduction;
    s->reduction_name = op->name;
    for (int i = 0; i < p[3].axes.n; i++) s->reduced |= 1u << p[3].axes.v[i];
    if (p[3].axes.n < 0) s->reduced = (uint32_t)(((uint64_t)1 << p[1].shape.n) - 1);
    const btl_op *combine = s->reduction->combine;
    const char *lanes = btl_arena_printf(c->arena, "%s.lanes", combine->name);
    const char *tree = btl_arena_printf(c->arena, "%s.tree", combine->name);
    for (int k = 0; k < s->nout; k++) {
        btl_dtype dtype = s->dtype[k];
        s->combine[k] = btl_strips_find(combine->name, dtype, dtype);
        s->lanes[k] = btl_strips_find(lanes, dtype, dtype);
        s->tree[k] = btl_strips_find(tree, dtype, dtype);
        if (!s->combine[k] || !s->lanes[k] || !s->tree[k]) c->failed = true;
        c->values[value[k]].last_use = INT32_MAX;
    }
}

btl_strips *btl_strips_compile(btl_arena *a, const btl_node *fused) {
    const btl_body *body = fused->params[0].body;
    strips_compiler c = { .arena = a, .body = body, .s = BTL_NEW(a, btl_strips) };
    btl_strips *s = c.s;
    bool is_map = fused->params[2].s[0] == 0;
    int n = body->nresults, *value = BTL_ARRAY(a, int, n + 1);
    s->nin = body->nparams;
    s->nout = n;
    s->elem_bytes = BTL_ARRAY(a, int, s->nin + n + 1);
    s->value_reg = BTL_ARRAY(a, int, n + 1);
    s->dtype = BTL_ARRAY(a, btl_dtype, n + 1);
    s->combine = BTL_ARRAY(a, btl_strip_fn, n + 1);
    s->lanes = BTL_ARRAY(a, btl_strip_fn, n + 1);
    s->tree = BTL_ARRAY(a, btl_strip_fn, n + 1);
    strips_values(&c);
    for (int k = 0; k < n; k++) {
        value[k] = strips_node_value(&c, body->results[k]->node);
        s->dtype[k] = body->results[k]->type.dtype;
        s->elem_bytes[s->nin + k] = (int)btl_dtype_bytes(s->dtype[k]);
    }
    for (int i = 0; i < s->nin; i++)
        s->elem_bytes[i] = (int)btl_dtype_bytes(body->params[i]->type.dtype);
    if (c.failed) return NULL;
    if (is_map) {
        strips_map_results(&c, value);
        for (int k = 0; k < n; k++) c.values[value[k]].reg = s->nin + k;
    }
    strips_join(&c, value);
    strips_number_operands(&c);
    if (!is_map) strips_reduction(&c, fused, value);
    if (c.failed) return NULL;
    strips_registers(&c);
    for (int k = 0; k < n; k++) s->value_reg[k] = c.values[value[k]].reg;
    s->nregs = s->nin + s->nout + s->nconstants + s->ntemps;
    return s;
}

bool btl_strips_may_overwrite(const btl_strips *s, int out, int in) {
    bool written = false;
    if (s->reduction || s->elem_bytes[s->nin + out] != s->elem_bytes[in]) return false;
    for (int k = 0; k < s->ninstrs; k++) {
        const strip_instr *q = &s->instrs[k];
        if (written && (q->in[0] == in || q->in[1] == in || q->in[2] == in)) return false;
        written |= q->out == s->nin + out;
    }
    return true;
}
