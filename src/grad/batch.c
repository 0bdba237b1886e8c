/* batch.c - the same computation for many values at once, along a new axis in front.
 *
 * A Jacobian is one derivative for each unit vector. Instead of as many graphs, one graph computes them
 * all: each variable that depends on the vector gets a leading axis, and each node the rule of its op
 * for it, so that the number of nodes stays what it was and each does more. What depends on the
 * point alone, sines and products of activations, is computed once. (JAX calls it vmap.)
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grad/batch.h"

#include "bitale/ops.h"
#include "expr/op.h"
#include "ops/helpers.h"

#include <assert.h>

typedef struct batch {
    btl_graph *g;
    const char *who;
    const btl_dim *size;
    int lo;
    btl_var ***many;    /* by node id - lo, then output: with the axis; NULL: without */
    int nmany, capacity;
    int ndiagnostics;
} batch;

static btl_var *batch_find(const batch *b, const btl_var *v) {
    int i = v->node->id - b->lo;
    return i < 0 || i >= b->nmany || !b->many[i] ? NULL : b->many[i][v->index];
}

static void batch_set(batch *b, const btl_var *v, btl_var *many) {
    while (b->nmany <= v->node->id - b->lo)
        *(btl_var ***)BTL_PUSH(&b->g->arena, b->many, b->nmany, b->capacity) = NULL;
    btl_var ***at = &b->many[v->node->id - b->lo];
    if (!*at) *at = BTL_ARRAY(&b->g->arena, btl_var *, v->node->nout);
    (*at)[v->index] = many;
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
    x->out[0] = batch_find(b, body);
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

static btl_status batch_node(batch *b, const btl_node *n) {
    btl_arena *a = &b->g->arena;
    bool any = false;
    for (int i = 0; i < n->nin && !any; i++) any = batch_find(b, n->in[i]) != NULL;
    if (!any || batch_find(b, n->out)) return BTL_OK;
    btl_var **in = BTL_ARRAY(a, btl_var *, n->nin), **out = BTL_ARRAY(a, btl_var *, n->nout);
    bool *batched = BTL_ARRAY(a, bool, n->nin);
    for (int i = 0; i < n->nin; i++) {
        btl_var *many = batch_find(b, n->in[i]);
        batched[i] = many != NULL;
        in[i] = many ? many : n->in[i];
    }
    b->g->here = n->places;
    BTL_TRY(batch_apply(b, &(btl_batch){ b->g, n, in, batched, b->size, out }));
    for (int o = 0; o < n->nout; o++) {
        assert(out[o] && out[o]->type.dtype == n->out[o].type.dtype && out[o]->type.rank == n->out[o].type.rank + 1);
        batch_set(b, &n->out[o], out[o]);
    }
    return BTL_OK;
}

static btl_status batch_range(batch *b, int from, int to, const btl_bits *needed) {
    for (int id = from; id < to; id++)
        if (!needed || btl_bits_get(*needed, id - b->lo)) BTL_TRY(batch_node(b, b->g->nodes[id]));
    return BTL_OK;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static btl_status batch_run(batch *b, int nx, btl_var *const *x, btl_var *const *many, int n, btl_var *const *vars, btl_var **out) {
    int hi = b->lo = x[0]->node->id;
    for (int i = 0; i < nx; i++)
        if (x[i]->node->id < b->lo) b->lo = x[i]->node->id;
    for (int i = 0; i < n; i++)
        if (vars[i]->node->id > hi) hi = vars[i]->node->id;
    btl_bits needed = btl_grad_needed(b->g, b->lo, hi, n, vars);
    for (int i = 0; i < nx; i++) {
        assert(many[i]->type.rank == x[i]->type.rank + 1 && many[i]->type.dims[0] == b->size);
        batch_set(b, x[i], many[i]);
    }
    BTL_TRY(batch_range(b, b->lo, hi + 1, &needed));
    for (int i = 0; i < n; i++) out[i] = batch_find(b, vars[i]);
    return BTL_OK;
}

btl_status btl_grad_batch(btl_graph *g, const char *who, int nx, btl_var *const *x, btl_var *const *many, int n,
                          btl_var *const *vars, btl_var **out) {
    const btl_places *here = g->here;
    bool intern = g->intern;
    batch b = { .g = g, .who = who, .size = many[0]->type.dims[0], .ndiagnostics = g->ndiagnostics };
    g->intern = false; /* a body's nodes must be new ones */
    btl_status status = batch_run(&b, nx, x, many, n, vars, out);
    g->intern = intern;
    g->here = here;
    return status;
}
