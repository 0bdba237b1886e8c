/* rules_views.c - moving data less: views of views, views that change nothing, reductions over
 * nothing. All exact: no element is computed with. Sizes are compared as expressions, so a rule
 * fires only where they are equal for every call.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/rules.h"

#include "bitale/ops.h"
#include "ops/helpers.h"
#include "ops/slice.h"
#include "ops/structure.h"

#include <math.h>
#include <string.h>

/* The node of op `name` behind the first operand of n, if a rule may look there. */
static const btl_node *views_inner(btl_match *m, const btl_node *n, const char *name) {
    return btl_node_is(n->in[0]->node, name) ? btl_match_node(m, n->in[0], NULL) : NULL;
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

/* A double holds it, payload and all. */
static bool views_is_plain(btl_dtype dtype, double value) {
    return btl_dtype_kind(dtype) == 'f' ? !isnan(value) : fabs(value) < 0x1p53;
}

static btl_var *views_broadcast(btl_match *m, const btl_node *n) {
    const btl_type *type = &n->out[0].type;
    if (btl_type_equal(type, &n->in[0]->type)) return n->in[0];
    double value;
    if (btl_var_is_constant(n->in[0]) && n->in[0]->type.rank && btl_var_constant_value(n->in[0], &value) && views_is_plain(n->in[0]->type.dtype, value))
        return btl_broadcast_to_dims(m->g, btl_graph_scalar(m->g, type->dtype, value), type->rank, type->dims);
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

static bool views_is_elementwise(const btl_op *op) { return op->elem; }
static bool views_is_by_element(const btl_op *op) { return op->elem || op == &btl_op_cast; }

/* x * broadcast_to(y, x's shape) = x * y: elementwise ops stretch by themselves. */
static btl_var *views_into_elementwise(btl_match *m, const btl_node *n) {
    if (!views_is_elementwise(n->op) || n->nin < 2) return NULL;
    for (int i = 0; i < n->nin; i++) {
        bool elsewhere = btl_node_is(n->in[i]->node, "broadcast_to");
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

/* f(broadcast_to(x), broadcast_to(y)) = broadcast_to(f(x, y)): nothing is computed twice. */
static btl_var *views_sink_broadcast(btl_match *m, const btl_node *n) {
    bool any = false;
    if (!views_is_by_element(n->op)) return NULL;
    btl_var **in = btl_arena_copy(&m->g->arena, n->in, (size_t)n->nin * sizeof *in);
    for (int i = 0; i < n->nin; i++) {
        const btl_node *inner = btl_node_is(n->in[i]->node, "broadcast_to") ? btl_match_node(m, n->in[i], NULL) : NULL;
        if (inner) in[i] = inner->in[0], any = true;
        else if (n->in[i]->type.rank == n->out->type.rank && btl_type_equal(&(btl_type){ n->out->type.dtype, n->in[i]->type.rank, n->in[i]->type.dims }, &n->out->type))
            return NULL; /* it has the shape by itself */
    }
    btl_node *made = any ? btl_apply(m->g, n->op, n->nin, in, n->params) : NULL;
    return made ? btl_broadcast_to_dims(m->g, made->out, n->out->type.rank, n->out->type.dims) : NULL;
}

/* The axes of `from` in the order of `to`, which differs in axes of size 1 alone; false if it differs otherwise. */
static bool views_unit_pattern(const btl_type *from, const btl_type *to, int *pattern) {
    int at = 0;
    for (int k = 0; k < to->rank; k++) {
        pattern[k] = -1;
        if (btl_dim_is(to->dims[k], 1)) {
            if (at < from->rank && btl_dim_is(from->dims[at], 1)) pattern[k] = at++;
            continue;
        }
        while (at < from->rank && btl_dim_is(from->dims[at], 1)) at++;
        if (at == from->rank || from->dims[at] != to->dims[k]) return false;
        pattern[k] = at++;
    }
    while (at < from->rank && btl_dim_is(from->dims[at], 1)) at++;
    return at == from->rank;
}

/* Axes of a stretched value in another order: stretched later. */
static btl_var *views_dimshuffle_of_broadcast(btl_match *m, const btl_node *n) {
    const btl_node *inner = views_inner(m, n, "broadcast_to");
    int pattern[BTL_MAX_RANK], rank = n->out->type.rank, first = 0;
    if (!inner) return NULL;
    int lead = inner->out->type.rank - inner->in[0]->type.rank;
    for (int k = 0; k < rank; k++) pattern[k] = n->params[0].axes.v[k] < lead ? -1 : n->params[0].axes.v[k] - lead;
    while (first < rank && pattern[first] < 0) first++;
    btl_var *x = btl_dimshuffle_to(m->g, inner->in[0], rank - first, pattern + first);
    return x ? btl_broadcast_to_dims(m->g, x, rank, n->out->type.dims) : NULL;
}

/* A reshape that only adds or drops axes of size 1 needs no order in memory. */
static btl_var *views_unit_reshape(btl_match *m, const btl_node *n) {
    int pattern[BTL_MAX_RANK];
    if (!views_unit_pattern(&n->in[0]->type, &n->out->type, pattern)) return NULL;
    return btl_dimshuffle_to(m->g, n->in[0], n->out->type.rank, pattern);
}

/* Before a reshape, axes of size 1 come and go as they like. */
static btl_var *views_reshape_of_dimshuffle(btl_match *m, const btl_node *n) {
    const btl_node *inner = views_inner(m, n, "dimshuffle");
    int last = -1;
    for (int i = 0; inner && i < inner->params[0].axes.n; i++) {
        int axis = inner->params[0].axes.v[i];
        if (axis < 0 || btl_dim_is(inner->in[0]->type.dims[axis], 1)) continue;
        if (axis < last) return NULL;
        last = axis;
    }
    return inner ? btl_reshape_to_dims(m->g, inner->in[0], n->out->type.rank, n->out->type.dims) : NULL;
}

/* x[:, newaxis]: no element is left out. */
static btl_var *views_subtensor_of_units(btl_match *m, const btl_node *n) {
    const btl_param *index = btl_node_param(n, "index");
    int pattern[BTL_MAX_RANK], rank = 0, axis = 0;
    for (int i = 0; i < index->index.n; i++) {
        const btl_index_item *item = &index->index.v[i];
        if (item->kind == INDEX_NEWAXIS) {
            pattern[rank++] = -1;
            continue;
        }
        bool first = item->kind == INDEX_INT && item->start.dim && btl_dim_is(item->start.dim, 0);
        if (!btl_slice_is_full(item) && !(first && btl_dim_is(n->in[0]->type.dims[axis], 1))) return NULL;
        if (item->kind == INDEX_SLICE) pattern[rank++] = axis;
        axis++;
    }
    return btl_dimshuffle_to(m->g, n->in[0], rank, pattern);
}

/* ---- joins --------------------------------------------------------------------------------- */

static int views_join_axis(const btl_node *n) { return (int)(n->params[0].i < 0 ? n->params[0].i + n->out->type.rank : n->params[0].i); }

/* A join of one thing; joins within a join along the same axis; parts of size 0. */
static btl_var *views_join(btl_match *m, const btl_node *n) {
    int axis = views_join_axis(n), nparts = 0, room = n->nin;
    if (n->nin == 1) return n->in[0];
    for (int i = 0; i < n->nin; i++) room += n->in[i]->node->nin;
    btl_var **parts = BTL_ARRAY(&m->g->arena, btl_var *, room);
    bool changed = false;
    for (int i = 0; i < n->nin; i++) {
        const btl_node *inner = n->in[i]->node->op == n->op && views_join_axis(n->in[i]->node) == axis ? btl_match_node(m, n->in[i], NULL) : NULL;
        changed |= inner || btl_dim_is(n->in[i]->type.dims[axis], 0);
        for (int k = 0; inner && k < inner->nin; k++) parts[nparts++] = inner->in[k];
        if (!inner && !btl_dim_is(n->in[i]->type.dims[axis], 0)) parts[nparts++] = n->in[i];
    }
    return changed && nparts ? btl_build(m->g, n->op, nparts, parts, n->params, NULL) : NULL;
}

/* ---- transposed results that nobody else wants (a pass) ------------------------------------- */

static bool views_is_fused(const btl_node *n) { return n->op->elem || n->op == &btl_op_cast || n->op->reduction; }

/* f(x, y).T = f(x.T, y.T); (a @ b).T = b.T @ a.T. */
static btl_var *views_transposed(btl_pass *p, const btl_node *n, const btl_node *f) {
    const int *pattern = n->params[0].axes.v;
    int rank = f->out->type.rank;
    btl_var **in = BTL_ARRAY(&p->g->arena, btl_var *, f->nin);
    if (btl_node_is(f, "matmul")) {
        if (rank != 2 || f->in[0]->type.rank != 2 || f->in[1]->type.rank != 2) return NULL;
        in[0] = btl_transpose_last(p->g, f->in[1]), in[1] = btl_transpose_last(p->g, f->in[0]);
    }
    for (int i = 0; i < f->nin && f->op->elem; i++) {
        int lead = rank - f->in[i]->type.rank, own[BTL_MAX_RANK];
        for (int k = 0; k < rank; k++) own[k] = pattern[k] < lead ? -1 : pattern[k] - lead;
        if (!(in[i] = lead == rank ? f->in[i] : btl_dimshuffle_to(p->g, f->in[i], rank, own))) return NULL;
    }
    btl_node *made = btl_apply(p->g, f->op, f->nin, in, f->params);
    return made ? made->out : NULL;
}

/* Are all users such that they become one kernel with it? */
static bool views_users_fuse(btl_pass *p, const btl_node *n) {
    btl_node *const *users;
    int nusers = btl_pass_users(p, n, &users);
    for (int i = 0; i < nusers; i++)
        if (!views_is_fused(users[i])) return false;
    return nusers > 0 && !btl_pass_is_root(p, n);
}

static btl_status views_transpose_all(btl_pass *p) {
    for (int i = 0; i < p->nnodes; i++) {
        btl_node *n = p->nodes[i], *const *users;
        if (n->op != &btl_op_dimshuffle || n->out->type.rank != n->in[0]->type.rank || !btl_pass_may_look(p, n)) continue;
        const btl_node *f = n->in[0]->node, *both[2] = { n, f };
        bool permuted = true;
        for (int k = 0; k < n->out->type.rank; k++) permuted = permuted && n->params[0].axes.v[k] >= 0;
        if (!permuted || (!f->op->elem && !btl_node_is(f, "matmul")) || !btl_pass_may_look(p, f) || btl_pass_is_root(p, f)) continue;
        if (btl_pass_users(p, f, &users) != 1 || !views_users_fuse(p, n)) continue;
        btl_pass_at(p, 2, both);
        btl_var *y = views_transposed(p, n, f);
        if (p->g->status != BTL_OK) return p->g->status;
        if (y) btl_pass_replace(p, n->out, y);
    }
    return BTL_OK;
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
    { .name = "broadcast_into_elementwise", .ops = "*", .takes = views_is_elementwise, .operand = "broadcast_to", .apply = views_into_elementwise,
      .why = "elementwise ops stretch their operands by themselves, which shows what they compute with",
      .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64[2, 3], y: f64[3] | = x * broadcast_to(y, [2, 3])" },
    { .name = "broadcast_after_elementwise", .ops = "*", .takes = views_is_by_element, .operand = "broadcast_to", .apply = views_sink_broadcast,
      .why = "an elementwise op of stretched values is computed once and stretched then", .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64[4] | = exp(broadcast_to(x, [3, 4]))" },
    { .name = "dimshuffle_of_stretched", .ops = "dimshuffle", .operand = "broadcast_to", .apply = views_dimshuffle_of_broadcast,
      .why = "stretched last, a value is small for longer", .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64[3, 1] | = transpose(broadcast_to(x, [2, 3, 3]), axes=[2, 1, 0])" },
    { .name = "reshape_to_dimshuffle", .ops = "reshape", .apply = views_unit_reshape,
      .why = "axes of size 1 come and go without an order in memory, for which a copy might have been made", .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64[3, 1, 4] | = reshape(x, [1, 3, 4, 1])" },
    { .name = "reshape_of_dimshuffle", .ops = "reshape", .operand = "dimshuffle", .apply = views_reshape_of_dimshuffle,
      .why = "only the last shape counts, if no axes but those of size 1 moved", .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64[3, 4] | = reshape(dimshuffle(x, [0, -1, 1]), [3*4])" },
    { .name = "subtensor_to_dimshuffle", .ops = "subtensor", .apply = views_subtensor_of_units,
      .why = "new axes and dropped axes of size 1 take no element away", .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64[3, 1, 4] | = x[:, 0, newaxis, :, newaxis]" },
    { .name = "join_merge", .ops = "concatenate", .apply = views_join, .why = "a join of joins is one, of one part is that part",
      .phase = BTL_CANONICALIZE, .tags = "views",
      .example = "x: f64[3], y: f64[4], z: f64[2] | = concatenate([concatenate([x, y]), z, x[0:0]])" },
    { .name = "lift_transposes", .pass = views_transpose_all,
      .why = "a result that is used transposed alone, by elementwise ops, is computed transposed: one kernel instead of two, and (a @ b).T is b.T @ a.T",
      .phase = BTL_SPECIALIZE, .tags = "views pass", .exactness = BTL_REASSOCIATES, .ulp = 64,
      .example = "x: f64[3, 4], y: f64[4], z: f64[4, 3] | = tanh(x + y).T * z" },
    { .name = NULL },
};
