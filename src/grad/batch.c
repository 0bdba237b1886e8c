/* batch.c - the same computation for many values at once, along a new axis in front.
 *
 * A Jacobian is one derivative for each unit vector. Instead of as many graphs, one graph computes them
 * all: each variable that depends on the vector gets a leading axis, and each node the rule of its op
 * for it, so that the number of nodes stays what it was and each does more. What depends on the
 * point alone, sines and products of activations, is computed once. (JAX calls it vmap.)
 *
 * What is linear in the vector is so in each elementwise op on the way, and an elementwise op commutes with the
 * axis. So along a chain of them a variable is kept as a sum of products,
 *
 *     v = sum over k of  many[k] * factor[k],      factor: without the new axis
 *
 * and the next op is applied to the factors, which are small: op(v) = sum of many[k] * op(factor[k]), other operands
 * as they are, 0 where an operand has no such term. (t * a + s * b) * c + t * d becomes t * (a * c + d) + s * (b * c):
 * two large products instead of four.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grad/batch.h"

#include "bitale/ops.h"
#include "expr/op.h"
#include "ops/helpers.h"

#include <assert.h>

enum { BATCH_TERMS = 4 };

/* many * factor; factor NULL: 1. */
typedef struct batch_term { btl_var *many, *factor; } batch_term;

/* A variable with the axis: as it is, or (many NULL) as a sum of terms; none: it has not got the axis. */
typedef struct batch_slot { btl_var *many; int nterms; batch_term *terms; } batch_slot;

typedef struct batch {
    btl_graph *g;
    const char *who;
    bool linear;
    const btl_dim *size;
    int lo;
    batch_slot **slots; /* by node id - lo, then output */
    int nslots, capacity;
    int *uses, nuses;   /* of output 0 by needed nodes, by node id - lo */
    int ndiagnostics;
} batch;

static batch_slot *batch_find(const batch *b, const btl_var *v) {
    int i = v->node->id - b->lo;
    batch_slot *s = i < 0 || i >= b->nslots || !b->slots[i] ? NULL : &b->slots[i][v->index];
    return s && (s->many || s->nterms) ? s : NULL;
}

static batch_slot *batch_slot_of(batch *b, const btl_var *v) {
    while (b->nslots <= v->node->id - b->lo)
        *(batch_slot **)BTL_PUSH(&b->g->arena, b->slots, b->nslots, b->capacity) = NULL;
    batch_slot **at = &b->slots[v->node->id - b->lo];
    if (!*at) *at = BTL_ARRAY(&b->g->arena, batch_slot, v->node->nout);
    return &(*at)[v->index];
}

/* The variable with the axis, as one; *out NULL: it has not got it. */
static btl_status batch_get(batch *b, const btl_var *v, btl_var **out) {
    batch_slot *s = batch_find(b, v);
    *out = s ? s->many : NULL;
    if (!s || s->many) return BTL_OK;
    for (int k = 0; k < s->nterms; k++) {
        const bool batched = true;
        const btl_batch lift = { .g = b->g, .in = &s->terms[k].many, .batched = &batched, .size = b->size };
        btl_var *product = btl_batch_lift(&lift, 0, v->type.rank);
        if (s->terms[k].factor) product = btl_mul(b->g, product, s->terms[k].factor);
        s->many = k ? btl_add(b->g, s->many, product) : product;
        if (!s->many) return b->g->status;
    }
    *out = s->many;
    return BTL_OK;
}

/* ---- one node ----------------------------------------------------------------------------- */

/* More slices than this are more nodes than anybody wants. */
enum { BATCH_UNROLLED = 4096 };

static btl_status batch_fail(batch *b, const btl_node *n) {
    int64_t size;
    if (btl_dim_is_const(b->size, &size))
        btl_fail(b->g, BTL_EGRAD, "%s cannot be computed for %lld derivatives at once: it has no rule for a batch, and they are too many for a node each",
                 n->op->name, (long long)size);
    else
        btl_fail(b->g, BTL_EGRAD, "%s cannot be computed for all derivatives at once: it has no rule for a batch, and their number is not known",
                 n->op->name);
    btl_fail_label(b->g, "no rule for a batch");
    btl_fail_hint(b->g, "give the sizes as numbers; lop(y, x, v) and rop(y, x, v) are single rows and columns of the Jacobian");
    btl_fail_done(b->g, b->who);
    return BTL_EGRAD;
}

static btl_var *batch_slice(btl_graph *g, btl_var *v, int64_t i) {
    int pattern[BTL_MAX_RANK];
    for (int k = 1; k < v->type.rank; k++) pattern[k - 1] = k;
    return btl_dimshuffle(g, btl_slice(g, v, 0, i, i + 1, 1), v->type.rank - 1, pattern);
}

static btl_var *batch_zeros(batch *b, const btl_type *type) {
    const btl_dim **dims = BTL_ARRAY(&b->g->arena, const btl_dim *, type->rank + 1);
    dims[0] = b->size;
    for (int k = 0; k < type->rank; k++) dims[k + 1] = type->dims[k];
    btl_type many = btl_type_make(b->g, type->dtype, type->rank + 1, dims);
    return btl_zeros_of(b->g, &many);
}

/* A node for each slice. */
static btl_status batch_unroll(batch *b, btl_batch *x) {
    const btl_node *n = x->node;
    int64_t size;
    if (!btl_dim_is_const(b->size, &size) || size > BATCH_UNROLLED) return batch_fail(b, n);
    btl_var **in = BTL_ARRAY(&b->g->arena, btl_var *, n->nin), **parts = BTL_ARRAY(&b->g->arena, btl_var *, size * n->nout + 1);
    for (int64_t s = 0; s < size; s++) {
        for (int i = 0; i < n->nin; i++)
            if (!(in[i] = x->batched[i] ? batch_slice(b->g, x->in[i], s) : n->in[i])) return b->g->status;
        btl_node *one = btl_apply(b->g, n->op, n->nin, in, n->params);
        if (!one) return b->g->status;
        for (int o = 0; o < n->nout; o++) parts[o * size + s] = &one->out[o];
    }
    for (int o = 0; o < n->nout; o++) {
        x->out[o] = size ? btl_stack(b->g, (int)size, parts + o * size, 0) : batch_zeros(b, &n->out[o].type);
        if (!x->out[o]) return b->g->status;
    }
    return BTL_OK;
}

static btl_status batch_range(batch *b, int from, int to, const btl_bits *needed);

/* Through the body, whose nodes are new ones. As deep as bodies nest. */
static btl_status batch_body(batch *b, btl_batch *x) {
    int start = b->g->nnodes;
    btl_var *body = x->node->op->body(b->g, x->node, x->node->in);
    if (!body) return b->g->status;
    BTL_TRY(batch_range(b, start, b->g->nnodes, NULL));
    BTL_TRY(batch_get(b, body, &x->out[0]));
    if (!x->out[0]) x->out[0] = btl_add(b->g, batch_zeros(b, &body->type), body); /* does not use what it was given */
    return x->out[0] ? BTL_OK : b->g->status;
}

static btl_status batch_apply(batch *b, btl_batch *x) {
    const btl_op *op = x->node->op;
    if (op->batch) BTL_TRY(op->batch(x));
    else if (op->elem) BTL_TRY(btl_batch_elemwise(x));
    else if (op->reduction) BTL_TRY(btl_batch_axis(x));
    else if (op->body) BTL_TRY(batch_body(b, x));
    if (b->g->ndiagnostics != b->ndiagnostics) return b->g->status;
    return x->out[0] ? BTL_OK : batch_unroll(b, x);
}

/* ---- sums of products --------------------------------------------------------------------- */

/* All different `many` of the operands, or -1 where these are too many. */
static int batch_collect(batch *b, const btl_node *n, btl_var **many) {
    int count = 0;
    for (int i = 0; i < n->nin; i++) {
        const batch_slot *s = batch_find(b, n->in[i]);
        for (int k = 0; s && k < (s->many ? 1 : s->nterms); k++) {
            btl_var *one = s->many ? s->many : s->terms[k].many;
            int at = 0;
            while (at < count && many[at] != one) at++;
            if (at < count) continue;
            if (count == BATCH_TERMS) return -1;
            many[count++] = one;
        }
    }
    return count;
}

/* What stands for an operand where the op is applied to the factors of `many`. The 0 is -0: x + (-0) is x. */
static btl_var *batch_factor(batch *b, btl_var *v, const btl_var *many) {
    const batch_slot *s = batch_find(b, v);
    if (!s) return v;
    for (int k = 0; k < s->nterms; k++)
        if (!s->many && s->terms[k].many == many) return s->terms[k].factor;
    btl_var *number = btl_graph_scalar(b->g, v->type.dtype, s->many == many ? 1 : -0.0);
    return btl_broadcast_to_dims(b->g, number, v->type.rank, v->type.dims);
}

/* An elementwise op applied to factors. False: not in this way. */
static bool batch_terms(batch *b, const btl_node *n, btl_status *status) {
    btl_var *many[BATCH_TERMS];
    *status = BTL_OK;
    if (!b->linear || !n->op->elem || n->op->batch || btl_dtype_kind(n->out->type.dtype) != 'f') return false;
    int count = batch_collect(b, n, many);
    if (count < 1) return false;
    batch_term *terms = BTL_ARRAY(&b->g->arena, batch_term, count);
    btl_var **in = BTL_ARRAY(&b->g->arena, btl_var *, n->nin);
    for (int k = 0; k < count; k++) {
        for (int i = 0; i < n->nin; i++) in[i] = batch_factor(b, n->in[i], many[k]);
        btl_node *factor = btl_apply(b->g, n->op, n->nin, in, n->params);
        if (!factor) {
            *status = b->g->status;
            return true;
        }
        terms[k] = (batch_term){ many[k], factor->out };
    }
    *batch_slot_of(b, n->out) = (batch_slot){ NULL, count, terms };
    return true;
}

static btl_status batch_node(batch *b, const btl_node *n, int uses) {
    btl_arena *a = &b->g->arena;
    bool any = false;
    btl_status status;
    for (int i = 0; i < n->nin && !any; i++) any = batch_find(b, n->in[i]) != NULL;
    if (!any || batch_find(b, n->out)) return BTL_OK;
    b->g->here = n->places;
    if (batch_terms(b, n, &status)) {
        btl_var *many;
        if (status == BTL_OK && uses != 1) status = batch_get(b, n->out, &many); /* once, not once for each that reads it */
        return status;
    }
    btl_var **in = BTL_ARRAY(a, btl_var *, n->nin), **out = BTL_ARRAY(a, btl_var *, n->nout);
    bool *batched = BTL_ARRAY(a, bool, n->nin);
    for (int i = 0; i < n->nin; i++) {
        BTL_TRY(batch_get(b, n->in[i], &in[i]));
        batched[i] = in[i] != NULL;
        if (!in[i]) in[i] = n->in[i];
    }
    BTL_TRY(batch_apply(b, &(btl_batch){ b->g, n, in, batched, b->size, out }));
    for (int o = 0; o < n->nout; o++) {
        assert(out[o] && out[o]->type.dtype == n->out[o].type.dtype && out[o]->type.rank == n->out[o].type.rank + 1);
        batch_slot_of(b, &n->out[o])->many = out[o];
    }
    return BTL_OK;
}

static btl_status batch_range(batch *b, int from, int to, const btl_bits *needed) {
    for (int id = from; id < to; id++)
        if (!needed || btl_bits_get(*needed, id - b->lo)) BTL_TRY(batch_node(b, b->g->nodes[id], id - b->lo < b->nuses ? b->uses[id - b->lo] : 0));
    return BTL_OK;
}

/* ---- the whole ---------------------------------------------------------------------------- */

/* How many operands of needed nodes each node is. */
static void batch_count(batch *b, int hi, const btl_bits *needed) {
    b->nuses = hi - b->lo + 1;
    b->uses = BTL_ARRAY(&b->g->arena, int, b->nuses);
    for (int id = b->lo; id <= hi; id++) {
        const btl_node *n = b->g->nodes[id];
        if (!btl_bits_get(*needed, id - b->lo)) continue;
        for (int i = 0; i < n->nin; i++)
            if (n->in[i]->node->id >= b->lo) b->uses[n->in[i]->node->id - b->lo]++;
    }
}

static btl_status batch_run(batch *b, int nx, btl_var *const *x, btl_var *const *many, int n, btl_var *const *vars, btl_var **out) {
    int hi = b->lo = x[0]->node->id;
    for (int i = 0; i < nx; i++)
        if (x[i]->node->id < b->lo) b->lo = x[i]->node->id;
    for (int i = 0; i < n; i++)
        if (vars[i]->node->id > hi) hi = vars[i]->node->id;
    btl_bits needed = btl_grad_needed(b->g, b->lo, hi, n, vars);
    for (int i = 0; i < nx; i++) {
        assert(many[i]->type.rank == x[i]->type.rank + 1 && many[i]->type.dims[0] == b->size);
        batch_slot_of(b, x[i])->many = many[i];
    }
    batch_count(b, hi, &needed);
    BTL_TRY(batch_range(b, b->lo, hi + 1, &needed));
    for (int i = 0; i < n; i++) {
        btl_var *one;
        BTL_TRY(batch_get(b, vars[i], &one));
        out[i] = one;
    }
    return BTL_OK;
}

btl_status btl_grad_batch(btl_graph *g, const char *who, bool linear, int nx, btl_var *const *x, btl_var *const *many, int n,
                          btl_var *const *vars, btl_var **out) {
    const btl_places *here = g->here;
    bool intern = g->intern;
    batch b = { .g = g, .who = who, .linear = linear, .size = many[0]->type.dims[0], .ndiagnostics = g->ndiagnostics };
    g->intern = false; /* a body's nodes must be new ones */
    btl_status status = batch_run(&b, nx, x, many, n, vars, out);
    g->intern = intern;
    g->here = here;
    return status;
}
