/* higher.c - see higher.h. Recursion follows the expression, which is a rule's side: a few levels.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "opcheck/higher.h"

#include "base/array.h"
#include "expr/operand.h"

#include <math.h>
#include <string.h>

typedef struct higher {
    btl_graph *g;
    int n;
    btl_var *const *leaves;
    const btl_array *given;
    btl_high **known;      /* by node id, of output 0; nodes of bodies have none */
    int nknown;
    btl_high_seen seen;
    int depth;
} higher;

enum { HIGHER_DEPTH = 200, HIGHER_OPERANDS = 8 };

static bool higher_var(higher *h, btl_var *v, btl_high *out);

static void higher_alloc(higher *h, btl_high *out) {
    out->elems = 1;
    for (int i = 0; i < out->rank; i++) out->elems *= out->dims[i];
    out->v = BTL_ARRAY(&h->g->arena, long double, out->elems + 1);
}

static void higher_of_array(higher *h, const btl_array *a, btl_high *out) {
    int64_t strides[BTL_MAX_RANK];
    btl_operand x = btl_operand_of_array(a, strides);
    out->rank = a->ndim;
    if (a->ndim) memcpy(out->dims, a->shape, (size_t)a->ndim * sizeof *out->dims);
    higher_alloc(h, out);
    btl_walk w;
    int64_t i = 0;
    char kind = btl_dtype_kind(x.dtype);
    for (btl_walk_begin(&w, x.rank, x.dims, 1, (const int64_t *const[]){ strides }); w.more; btl_walk_next(&w))
        out->v[i++] = kind == 'f' ? btl_operand_real(&x, w.at[0]) : kind == 'u' ? (long double)(uint64_t)btl_operand_signed(&x, w.at[0]) : (long double)btl_operand_signed(&x, w.at[0]);
}

/* The node by its reference, on operands rounded to its types. */
static bool higher_by_reference(higher *h, btl_node *n, const btl_high *in, bool numbers, btl_high *out) {
    btl_arena *a = &h->g->arena;
    btl_array *given = BTL_ARRAY(a, btl_array, n->nin + h->n + 1), result;
    btl_var **vars = BTL_ARRAY(a, btl_var *, n->nin + h->n + 1); /* the leaves bind the sizes */
    int64_t next = 1;
    for (int i = 0; i < h->n; i++) vars[n->nin + i] = h->leaves[i], given[n->nin + i] = h->given[i];
    for (int i = 0; i < n->nin; i++) {
        btl_dtype dtype = n->in[i]->type.dtype;
        vars[i] = n->in[i];
        given[i] = btl_array_wrap(dtype, in[i].rank, btl_arena_copy(a, in[i].dims, sizeof in[i].dims), NULL);
        given[i].data = btl_arena_zalloc(a, (size_t)in[i].elems * btl_dtype_bytes(dtype) + 16);
        int64_t strides[BTL_MAX_RANK];
        btl_operand x = btl_operand_of_array(&given[i], strides);
        for (int64_t e = 0; e < in[i].elems; e++)
            if (btl_dtype_kind(dtype) != 'f') btl_operand_set_signed(&x, e, (int64_t)in[i].v[e]);
            else btl_operand_set_real(&x, e, numbers ? (long double)next++ : in[i].v[e]);
    }
    if (btl_graph_eval(h->g, n->nin + h->n, vars, given, NULL, 1, (btl_var *[]){ n->out }, &result, NULL) != BTL_OK) return false;
    higher_of_array(h, &result, out);
    btl_array_free(&result);
    return true;
}

/* Moves elements: the reference moves their numbers. */
static bool higher_move(higher *h, btl_node *n, const btl_high *in, btl_high *out) {
    for (int i = 0; i < n->nin; i++)
        if (btl_var_is_constant(n->in[i])) return higher_by_reference(h, n, in, false, out);
    if (!higher_by_reference(h, n, in, true, out)) return false;
    for (int64_t e = 0; e < out->elems; e++) {
        int64_t number = (int64_t)out->v[e];
        out->v[e] = 0; /* what comes from no operand */
        for (int i = 0; i < n->nin && number > 0; i++) {
            if (btl_dtype_kind(n->in[i]->type.dtype) != 'f') continue;
            if (number <= in[i].elems) out->v[e] = in[i].v[number - 1];
            number -= in[i].elems;
        }
    }
    return true;
}

static bool higher_elementwise(higher *h, const btl_node *n, const btl_high *in, btl_high *out) {
    for (int i = 0; i < n->nin; i++)
        if (in[i].rank > out->rank) out->rank = in[i].rank;
    for (int k = 0; k < out->rank; k++) {
        out->dims[k] = 1;
        for (int i = 0; i < n->nin; i++) {
            int axis = k - (out->rank - in[i].rank);
            if (axis >= 0 && in[i].dims[axis] != 1) out->dims[k] = in[i].dims[axis];
        }
    }
    higher_alloc(h, out);
    for (int64_t e = 0; e < out->elems; e++) {
        long double x[HIGHER_OPERANDS];
        for (int i = 0; i < n->nin; i++) {
            int64_t at = 0, rest = e, step = 1;
            for (int k = out->rank - 1; k >= 0; k--) {
                int axis = k - (out->rank - in[i].rank);
                int64_t index = rest % out->dims[k];
                rest /= out->dims[k];
                if (axis < 0) continue;
                if (in[i].dims[axis] != 1) at += index * step;
                step *= in[i].dims[axis];
            }
            x[i] = in[i].v[at];
        }
        out->v[e] = n->op->elem->real(x);
    }
    return true;
}

static bool higher_reduction(higher *h, const btl_node *n, const btl_high *x, btl_high *out) {
    const btl_param *axis = btl_node_param(n, "axis");
    bool gone[BTL_MAX_RANK], keeps = n->out->type.rank == x->rank;
    for (int i = 0; i < x->rank; i++) gone[i] = axis->axes.n < 0;
    for (int i = 0; i < axis->axes.n; i++) gone[axis->axes.v[i] < 0 ? axis->axes.v[i] + x->rank : axis->axes.v[i]] = true;
    for (int i = 0; i < x->rank; i++) {
        if (!gone[i]) out->dims[out->rank++] = x->dims[i];
        else if (keeps) out->dims[out->rank++] = 1;
    }
    higher_alloc(h, out);
    bool *seen = BTL_ARRAY(&h->g->arena, bool, out->elems + 1);
    for (int64_t e = 0; e < x->elems; e++) {
        int64_t at = 0, rest = e, step = 1;
        for (int k = x->rank - 1; k >= 0; k--) {
            int64_t index = rest % x->dims[k];
            rest /= x->dims[k];
            if (!gone[k]) at += index * step, step *= x->dims[k];
        }
        out->v[at] = seen[at] ? n->op->reduction->combine->elem->real((long double[]){ out->v[at], x->v[e] }) : x->v[e];
        seen[at] = true;
    }
    return x->elems > 0;
}

static bool higher_node(higher *h, btl_node *n, btl_high *out) {
    btl_high *in = BTL_ARRAY(&h->g->arena, btl_high, n->nin + 1);
    bool real = btl_dtype_kind(n->out->type.dtype) == 'f' || n->out->type.dtype == BTL_BOOL;
    for (int i = 0; i < n->nin; i++) {
        if (!higher_var(h, n->in[i], &in[i])) return false;
        char kind = btl_dtype_kind(n->in[i]->type.dtype);
        real = real && (kind == 'f' || kind == 'b');
    }
    bool widens = n->op == &btl_op_cast && btl_dtype_kind(n->out->type.dtype) == 'f';
    if (widens) return *out = in[0], true;
    if (n->op->elem && real && n->op->elem->real && n->nin <= HIGHER_OPERANDS) return higher_elementwise(h, n, in, out);
    if (n->op->reduction && real && n->op->reduction->combine->elem && n->op->reduction->combine->elem->real && in[0].elems)
        return higher_reduction(h, n, &in[0], out);
    if ((n->op->flags & OP_IS_PURE_SHAPE) && n->nout == 1 && btl_dtype_kind(n->out->type.dtype) == 'f') return higher_move(h, n, in, out);
    if (n->op->body && n->nout == 1 && real) {
        btl_var *body = n->op->body(h->g, n, n->in);
        return body && higher_var(h, body, out);
    }
    return higher_by_reference(h, n, in, false, out);
}

static bool higher_var(higher *h, btl_var *v, btl_high *out) {
    btl_node *n = v->node;
    *out = (btl_high){ 0 };
    if (n->id < h->nknown && h->known[n->id] && v->index == 0) return *out = *h->known[n->id], true;
    if (v->index != 0 || h->depth > HIGHER_DEPTH) return false;
    bool found = false;
    for (int i = 0; i < h->n && !found; i++)
        if (h->leaves[i] == v) higher_of_array(h, &h->given[i], out), found = true;
    if (!found && btl_var_is_constant(v)) higher_of_array(h, btl_var_constant_array(v), out), found = true;
    h->depth++;
    if (!found && ((n->op->flags & OP_LEAF) || !higher_node(h, n, out))) return false;
    h->depth--;
    for (int64_t e = 0; e < out->elems; e++) {
        if (isfinite(out->v[e]) && fabsl(out->v[e]) > h->seen.largest) h->seen.largest = fabsl(out->v[e]);
        h->seen.infinite = h->seen.infinite || isinf(out->v[e]);
    }
    if (n->id < h->nknown) h->known[n->id] = btl_arena_copy(&h->g->arena, out, sizeof *out);
    return true;
}

bool btl_high_eval(btl_graph *g, int n, btl_var *const *leaves, const btl_array *given, btl_var *v, btl_high *out, btl_high_seen *seen) {
    higher h = { .g = g, .n = n, .leaves = leaves, .given = given, .nknown = g->nnodes, .known = BTL_ARRAY(&g->arena, btl_high *, g->nnodes + 1) };
    bool done = higher_var(&h, v, out);
    if (seen) *seen = h.seen;
    return done;
}
