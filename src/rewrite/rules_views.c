/* rules_views.c - moving data less: views of views, views that change nothing, reductions over
 * nothing. All exact: no element is computed with. Sizes are compared as expressions, so a rule
 * fires only where they are equal for every call.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/rules.h"

#include "bitale/ops.h"
#include "ops/helpers.h"
#include "ops/structure.h"

#include <string.h>

/* The node of op `name` behind the first operand of n, if a rule may look there. */
static const btl_node *views_inner(btl_match *m, const btl_node *n, const char *name) {
    return strcmp(n->in[0]->node->op->name, name) == 0 ? btl_match_node(m, n->in[0], NULL) : NULL;
}

/* dimshuffle that keeps all axes in place; dimshuffle of dimshuffle. */
static btl_var *views_dimshuffle(btl_match *m, const btl_node *n) {
    const btl_param *outer = &n->params[0];
    const btl_node *inner = views_inner(m, n, "dimshuffle");
    int pattern[BTL_MAX_RANK], rank = outer->axes.n;
    bool identity = rank == n->in[0]->type.rank;
    for (int i = 0; i < rank; i++) {
        pattern[i] = outer->axes.v[i];
        identity = identity && pattern[i] == i;
        if (inner && pattern[i] >= 0) pattern[i] = inner->params[0].axes.v[pattern[i]];
    }
    if (identity) return n->in[0];
    return inner ? btl_dimshuffle_to(m->g, inner->in[0], rank, pattern) : NULL;
}

static btl_var *views_reshape(btl_match *m, const btl_node *n) {
    const btl_type *type = &n->out[0].type;
    if (btl_type_equal(type, &n->in[0]->type)) return n->in[0];
    const btl_node *inner = views_inner(m, n, "reshape");
    return inner ? btl_reshape_to_dims(m->g, inner->in[0], type->rank, type->dims) : NULL;
}

static btl_var *views_broadcast(btl_match *m, const btl_node *n) {
    const btl_type *type = &n->out[0].type;
    if (btl_type_equal(type, &n->in[0]->type)) return n->in[0];
    const btl_node *inner = views_inner(m, n, "broadcast_to");
    if (inner) return btl_broadcast_to_dims(m->g, inner->in[0], type->rank, type->dims);
    inner = views_inner(m, n, "reshape");
    if (!inner) inner = views_inner(m, n, "dimshuffle");
    if (!inner || inner->in[0]->type.rank != 0) return NULL; /* a number with axes of size 1 */
    return btl_broadcast_to_dims(m->g, inner->in[0], type->rank, type->dims);
}

/* All elements of a stretched scalar are one: any order or shape of them is a stretched scalar. */
static btl_var *views_of_scalar(btl_match *m, const btl_node *n) {
    const btl_type *type = &n->out[0].type;
    const btl_node *inner = views_inner(m, n, "broadcast_to");
    if (!inner || inner->in[0]->type.rank != 0) return NULL;
    return btl_broadcast_to_dims(m->g, inner->in[0], type->rank, type->dims);
}

static bool views_bound_is(const btl_bound *b, const btl_dim *dim, int64_t value) {
    if (!b->dim) return b->input < 0;
    return dim ? b->dim == dim : btl_dim_is(b->dim, value);
}

/* x[:, 0:n, ::1]: all of x. */
static btl_var *views_subtensor(btl_match *m, const btl_node *n) {
    const btl_param *index = btl_node_param(n, "index");
    (void)m;
    if (!btl_type_equal(&n->out[0].type, &n->in[0]->type)) return NULL;
    for (int i = 0; i < index->index.n; i++) {
        const btl_index_item *item = &index->index.v[i];
        if (item->kind != INDEX_SLICE || i >= n->in[0]->type.rank) return NULL;
        if (!views_bound_is(&item->start, NULL, 0) || !views_bound_is(&item->step, NULL, 1)) return NULL;
        if (!views_bound_is(&item->stop, n->in[0]->type.dims[i], 0)) return NULL;
    }
    return n->in[0];
}

/* A sum, product, maximum over axes of size 1 (or none) is its operand in another shape. */
static btl_var *views_reduction(btl_match *m, const btl_node *n) {
    btl_var *x = n->in[0];
    const btl_param *axis = btl_node_param(n, "axis");
    uint32_t mask;
    if (btl_axes_mask(m->g, axis, x->type.rank, &mask) != BTL_OK) return NULL;
    int pattern[BTL_MAX_RANK], rank = 0;
    for (int i = 0; i < x->type.rank; i++) {
        if (!(mask >> i & 1)) pattern[rank++] = i;
        else if (!btl_dim_is(x->type.dims[i], 1)) return NULL;
    }
    if (n->out[0].type.rank == x->type.rank) /* keepdims, or no axes */
        for (rank = 0; rank < x->type.rank; rank++) pattern[rank] = rank;
    return btl_cast_to(m->g, btl_dimshuffle_to(m->g, x, rank, pattern), n->out[0].type.dtype);
}

/* Does an operand other than number `but` give the result its size along axis k? */
static bool views_given_elsewhere(const btl_node *n, int but, int k) {
    const btl_type *out = &n->out[0].type;
    for (int i = 0; i < n->nin; i++) {
        int axis = k - (out->rank - n->in[i]->type.rank);
        if (i != but && axis >= 0 && n->in[i]->type.dims[axis] == out->dims[k]) return true;
    }
    return btl_dim_is(out->dims[k], 1);
}

/* x * broadcast_to(y, x's shape) = x * y: elementwise ops stretch by themselves. */
static btl_var *views_into_elementwise(btl_match *m, const btl_node *n) {
    if (!n->op->elem || n->nin < 2) return NULL;
    for (int i = 0; i < n->nin; i++) {
        bool elsewhere = strcmp(n->in[i]->node->op->name, "broadcast_to") == 0;
        for (int k = 0; elsewhere && k < n->out[0].type.rank; k++) elsewhere = views_given_elsewhere(n, i, k);
        const btl_node *inner = elsewhere ? btl_match_node(m, n->in[i], NULL) : NULL;
        if (!inner) continue;
        btl_var **in = btl_arena_copy(&m->g->arena, n->in, (size_t)n->nin * sizeof *in);
        in[i] = inner->in[0];
        btl_node *made = btl_apply(m->g, n->op, n->nin, in, n->params);
        return made ? made->out : NULL;
    }
    return NULL;
}

const btl_rule btl_rules_views[] = {
    { .name = "dimshuffle_merge", .ops = "dimshuffle", .apply = views_dimshuffle,
      .why = "one order of axes after another is one; the order that is there already is none",
      .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64[2, 3] | = x.T.T" },
    { .name = "reshape_merge", .ops = "reshape", .apply = views_reshape,
      .why = "only the last shape counts", .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64[6] | = reshape(reshape(x, [2, 3]), [3, 2])" },
    { .name = "broadcast_merge", .ops = "broadcast_to", .apply = views_broadcast,
      .why = "only the last shape counts", .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64[3] | = broadcast_to(broadcast_to(x, [2, 3]), [4, 2, 3])" },
    { .name = "view_of_scalar", .ops = "dimshuffle reshape", .apply = views_of_scalar,
      .why = "a stretched number looks the same from every side", .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64 | = broadcast_to(x, [2, 3]).T" },
    { .name = "subtensor_all", .ops = "subtensor", .apply = views_subtensor,
      .why = "a slice that takes everything takes nothing away", .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64[4] | = x[0:4]" },
    { .name = "reduction_of_one", .ops = "sum prod max min", .apply = views_reduction,
      .why = "a sum of one term is that term", .phase = BTL_CANONICALIZE, .tags = "views reductions",
      .example = "x: f64[1, 4] | = sum(x, axis=0)" },
    { .name = "broadcast_into_elementwise", .ops = "*", .apply = views_into_elementwise,
      .why = "elementwise ops stretch their operands by themselves, which shows what they compute with",
      .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64[2, 3], y: f64[3] | = x * broadcast_to(y, [2, 3])" },
    { .name = NULL },
};
