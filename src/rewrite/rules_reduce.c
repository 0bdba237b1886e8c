/* rules_reduce.c - reductions: of reductions, of views, of what is stretched or joined, of monotonic functions.
 *
 * A reduction reads all of its operand, so what matters is that the operand need not be made (stretched, joined,
 * put in another order) and that one pass does what two did. Factors stay inside: c * sum(x) overflows where
 * sum(c * x) does not if |c| < 1, and within a kernel the product costs nothing. (Integers wrap the same way.)
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/rules.h"

#include "ops/reduce.h"
#include "ops/structure.h"
#include "rewrite/facts.h"

#include <math.h>
#include <string.h>

enum { REDUCE_PARTS = 8 }; /* of a join that is taken apart */

static bool reduce_in(const btl_node *n, const char *const *names) {
    for (; *names; names++)
        if (btl_node_is(n, *names)) return true;
    return false;
}

static uint32_t reduce_mask_of(const btl_node *n) { return btl_reduce_mask(&n->params[0], n->in[0]->type.rank); }

static bool reduce_has(uint32_t mask, int axis) { return mask >> axis & 1; }

static btl_var *reduce_over(btl_graph *g, const btl_op *op, btl_var *x, uint32_t mask, bool keepdims) {
    int axes[BTL_MAX_RANK], n = 0;
    for (int i = 0; i < x->type.rank; i++)
        if (reduce_has(mask, i)) axes[n++] = i;
    btl_param params[2] = { { .axes = { n, axes } }, { .i = keepdims } };
    return btl_build(g, op, 1, &x, params, NULL);
}

/* Which axis of x's result over `mask` is axis i of x. */
static int reduce_rank_of(uint32_t mask, int i) {
    int at = 0;
    for (int k = 0; k < i; k++) at += !reduce_has(mask, k);
    return at;
}

/* ---- reductions of reductions --------------------------------------------------------------------- */

static btl_var *reduce_merge(btl_match *m, const btl_node *n) {
    const btl_node *inner = btl_match_node(m, n->in[0], n->op);
    if (!inner) return NULL;
    uint32_t inner_mask = reduce_mask_of(inner), outer_mask = reduce_mask_of(n), mask = inner_mask;
    bool keep_inner = inner->params[1].i != 0, keep_outer = n->params[1].i != 0;
    int rank = inner->in[0]->type.rank, pattern[BTL_MAX_RANK], axis[BTL_MAX_RANK], nresult = 0, nin = 0;
    for (int i = 0; i < rank; i++)
        if (keep_inner || !reduce_has(inner_mask, i)) axis[nin++] = i; /* of the inner result's axes */
    for (int j = 0; j < nin; j++)
        if (reduce_has(outer_mask, j)) mask |= (uint32_t)1 << axis[j];
    for (int j = 0; j < nin; j++) {
        if (reduce_has(outer_mask, j) && !keep_outer) continue;
        pattern[nresult++] = reduce_has(mask, axis[j]) ? -1 : reduce_rank_of(mask, axis[j]);
    }
    btl_var *y = reduce_over(m->g, n->op, inner->in[0], mask, false);
    return y ? btl_dimshuffle_to(m->g, y, nresult, pattern) : NULL;
}

/* ---- of views ----------------------------------------------------------------------------------------- */

static btl_var *reduce_of_dimshuffle(btl_match *m, const btl_node *n) {
    const btl_node *view = btl_match_node(m, n->in[0], &btl_op_dimshuffle);
    if (!view) return NULL;
    const btl_param *p = &view->params[0];
    uint32_t outer = reduce_mask_of(n), mask = ((uint32_t)1 << view->in[0]->type.rank) - 1;
    int pattern[BTL_MAX_RANK], nresult = 0;
    for (int j = 0; j < p->axes.n; j++)
        if (p->axes.v[j] >= 0 && !reduce_has(outer, j)) mask &= ~((uint32_t)1 << p->axes.v[j]);
    for (int j = 0; j < p->axes.n; j++) {
        if (reduce_has(outer, j) && !n->params[1].i) continue;
        pattern[nresult++] = reduce_has(outer, j) || p->axes.v[j] < 0 ? -1 : reduce_rank_of(mask, p->axes.v[j]);
    }
    btl_var *y = reduce_over(m->g, n->op, view->in[0], mask, false);
    return y ? btl_dimshuffle_to(m->g, y, nresult, pattern) : NULL;
}

/* All elements in another shape are the same elements in the same order. */
static btl_var *reduce_of_reshape(btl_match *m, const btl_node *n) {
    int rank = n->in[0]->type.rank, pattern[BTL_MAX_RANK];
    if (reduce_mask_of(n) != ((uint32_t)1 << rank) - 1) return NULL;
    const btl_node *view = btl_match_node(m, n->in[0], &btl_op_reshape);
    if (!view) return NULL;
    for (int i = 0; i < rank; i++) pattern[i] = -1;
    btl_var *y = reduce_over(m->g, n->op, view->in[0], ((uint32_t)1 << view->in[0]->type.rank) - 1, false);
    return y ? btl_dimshuffle_to(m->g, y, n->out->type.rank, pattern) : NULL;
}

/* `count` times the same value; `none` of it may be there. */
static btl_var *reduce_repeated(btl_graph *g, const btl_node *n, btl_var *y, const btl_dim *count) {
    bool is_sum = btl_node_is(n, "sum"), maybe_none = count->lo < 1;
    if (!is_sum && !btl_node_is(n, "prod")) return maybe_none ? NULL : y;
    btl_var *times = btl_cast_to(g, btl_graph_size(g, count), y->type.dtype);
    if (!is_sum) return btl_pow(g, y, times);
    btl_var *sum = btl_mul(g, y, times);
    if (!maybe_none) return sum;
    return btl_where(g, btl_gt(g, btl_graph_size(g, count), btl_integer(g, 0)), sum, btl_graph_scalar(g, y->type.dtype, 0));
}

static btl_var *reduce_of_broadcast(btl_match *m, const btl_node *n) {
    btl_graph *g = m->g;
    const btl_node *view = btl_match_node(m, n->in[0], &btl_op_broadcast_to);
    if (!view) return NULL;
    const btl_type *x = &view->in[0]->type, *wide = &view->out->type;
    uint32_t outer = reduce_mask_of(n), mask = 0;
    int lead = wide->rank - x->rank;
    const btl_dim *count = btl_dim_const(g, 1);
    bool stretched = false;
    for (int i = 0; i < wide->rank; i++) {
        if (!reduce_has(outer, i)) continue;
        if (i >= lead) mask |= (uint32_t)1 << (i - lead);
        if (i >= lead && x->dims[i - lead] == wide->dims[i]) continue;
        if (i >= lead && !btl_dim_is(x->dims[i - lead], 1)) return NULL; /* equal, as the call will check */
        count = btl_dim_mul(g, count, wide->dims[i]);
        stretched = true;
    }
    if (!stretched) return NULL;
    btl_var *y = mask ? reduce_over(g, n->op, view->in[0], mask, n->params[1].i != 0) : view->in[0];
    if (y) y = reduce_repeated(g, n, y, count);
    return y ? btl_broadcast_to_dims(g, y, n->out->type.rank, n->out->type.dims) : NULL;
}

/* ---- of joined parts ------------------------------------------------------------------------------------ */

static btl_var *reduce_of_join(btl_match *m, const btl_node *n) {
    const btl_node *join = btl_match_node(m, n->in[0], &btl_op_concatenate);
    if (!join || join->nin > REDUCE_PARTS) return NULL;
    int rank = join->out->type.rank, axis = (int)(join->params[0].i < 0 ? join->params[0].i + rank : join->params[0].i);
    if (!reduce_has(reduce_mask_of(n), axis)) return NULL;
    btl_var *all = NULL;
    for (int i = 0; i < join->nin; i++) {
        if (n->op->reduction->empty_is_error && join->in[i]->type.dims[axis]->lo < 1) return NULL;
        btl_var *part = reduce_over(m->g, n->op, join->in[i], reduce_mask_of(n), n->params[1].i != 0);
        btl_var *both[2] = { all, part };
        all = all && part ? btl_build(m->g, n->op->reduction->combine, 2, both, NULL, NULL) : part;
        if (!all) return NULL;
    }
    return all;
}

/* ---- of monotonic functions ------------------------------------------------------------------------------ */

/* Increasing, defined everywhere. */
static const char *const reduce_increasing[] = { "exp", "exp2", "expm1", "tanh", "sigmoid", "softplus", "arctan", "sinh", "erf", "arcsinh", NULL };

/* max(exp(x)) = exp(max(x)): a function of the result, not of each element. */
static btl_var *reduce_of_increasing(btl_match *m, const btl_node *n) {
    const btl_node *inner = reduce_in(n->in[0]->node, reduce_increasing) ? btl_match_node(m, n->in[0], NULL) : NULL;
    btl_var *y = inner ? btl_build(m->g, n->op, 1, inner->in, n->params, NULL) : NULL;
    return y ? btl_build(m->g, inner->op, 1, &y, inner->params, NULL) : NULL;
}

/* argmax(softmax(x)) = argmax(x): it changes no order along its axis. */
static btl_var *reduce_argmax(btl_match *m, const btl_node *n) {
    static const char *const along[] = { "softmax", "log_softmax", NULL };
    const btl_node *f = n->in[0]->node;
    int rank = f->out->type.rank;
    if (reduce_in(f, along)) {
        int64_t axis = f->params[0].i < 0 ? f->params[0].i + rank : f->params[0].i;
        if (reduce_mask_of(n) != (uint32_t)1 << axis) return NULL;
    } else if (!reduce_in(f, reduce_increasing)) return NULL;
    f = btl_match_node(m, n->in[0], NULL);
    return f ? btl_build(m->g, n->op, 1, f->in, n->params, NULL) : NULL;
}

/* ---- factors ------------------------------------------------------------------------------------------------ */

/* sum(c * x) as c * sum(x), c the same along the reduced axes; which c is the rule's to say. */
static btl_var *reduce_factor_out(btl_match *m, const btl_node *n, bool any) {
    const btl_node *mul = btl_match_node(m, n->in[0], btl_rule_op("mul"));
    uint32_t mask = reduce_mask_of(n);
    for (int side = 0; mul && side < 2; side++) {
        btl_var *c = mul->in[side], *x = mul->in[1 - side];
        double value;
        bool constant = btl_var_constant_value(c, &value), same = true, integer = btl_dtype_kind(c->type.dtype) != 'f';
        int lead = x->type.rank - c->type.rank;
        if (!btl_type_equal(&x->type, &mul->out->type)) continue;
        for (int i = 0; i < c->type.rank; i++)
            if (reduce_has(mask, lead + i)) same = same && btl_dim_is(c->type.dims[i], 1);
        if (!same || !(any || (constant && (integer || (value >= 1 && isfinite(value)))))) continue;
        btl_var *y = reduce_over(m->g, n->op, x, mask, true), *product = y ? btl_mul(m->g, c, y) : NULL;
        if (!product || n->params[1].i) return product;
        int pattern[BTL_MAX_RANK], nresult = 0;
        for (int i = 0; i < x->type.rank; i++)
            if (!reduce_has(mask, i)) pattern[nresult++] = i;
        return btl_dimshuffle_to(m->g, product, nresult, pattern);
    }
    return NULL;
}

static btl_var *reduce_known_factor(btl_match *m, const btl_node *n) { return reduce_factor_out(m, n, false); }
static btl_var *reduce_any_factor(btl_match *m, const btl_node *n) { return reduce_factor_out(m, n, true); }

#define REDUCE .phase = BTL_CANONICALIZE, .tags = "reductions"
#define REASSOCIATED .phase = BTL_CANONICALIZE, .tags = "reductions reassociate", .exactness = BTL_REASSOCIATES, .ulp = 64

const btl_rule btl_rules_reduce[] = {
    { .name = "extreme_of_extreme", .ops = "max min any all", .apply = reduce_merge, .why = "one pass over all axes instead of two", REDUCE,
      .example = "x: f64[3, 4, 2] | = max(max(x, axis=1), axis=0)" },
    { .name = "sum_of_sum", .ops = "sum prod", .apply = reduce_merge, .why = "one pass over all axes instead of two", REASSOCIATED,
      .example = "x: f64[3, 4, 2] | = sum(sum(x, axis=1), axis=0)" },
    { .name = "extreme_of_transposed", .ops = "max min any all", .operand = "dimshuffle", .apply = reduce_of_dimshuffle,
      .why = "the order of axes does not count for what is reduced; the operand need not be read across", REDUCE,
      .example = "x: f64[3, 4, 2] | = max(transpose(x, axes=[2, 0, 1]), axis=1)" },
    { .name = "sum_of_transposed", .ops = "sum prod", .operand = "dimshuffle", .apply = reduce_of_dimshuffle,
      .why = "the order of axes does not count for what is reduced; the operand need not be read across", REASSOCIATED,
      .example = "x: f64[3, 4, 2] | = sum(transpose(x, axes=[2, 0, 1]), axis=1)" },
    { .name = "reduction_of_reshaped", .ops = "sum prod max min any all", .operand = "reshape", .apply = reduce_of_reshape,
      .why = "all elements, in the order in which they were", REDUCE,
      .example = "x: f64[3, 4, 2] | = sum(reshape(x, [3*4, 2]))" },
    { .name = "extreme_of_stretched", .ops = "max min any all", .operand = "broadcast_to", .apply = reduce_of_broadcast, .why = "the largest of many equal values is one of them", REDUCE,
      .example = "c: bool[3] | = all(broadcast_to(c, [2, 3]), axis=0)" },
    { .name = "sum_of_stretched", .ops = "sum prod", .operand = "broadcast_to", .apply = reduce_of_broadcast,
      .why = "the sum of n equal values is n times the value, their product its n-th power", REASSOCIATED,
      .example = "x: f64[3], y: f64[4] | = sum(broadcast_to(x, [4, 3]), axis=0) * sum(y)" },
    { .name = "reduction_of_joined", .ops = "sum prod max min any all", .operand = "concatenate", .apply = reduce_of_join, .why = "the parts need not be put together", REASSOCIATED,
      .example = "x: f64[3, 4], y: f64[2, 4] | = sum(concatenate([x, y]), axis=0)" },
    { .name = "max_of_negative", .match = "max(-?x, axis=?a, keepdims=?k)", .result = "-min(?x, axis=?a, keepdims=?k)", .when = btl_when_float,
      .why = "one sign instead of many (the least integer has none)", REDUCE },
    { .name = "min_of_negative", .match = "min(-?x, axis=?a, keepdims=?k)", .result = "-max(?x, axis=?a, keepdims=?k)", .when = btl_when_float,
      .why = "one sign instead of many (the least integer has none)", REDUCE },
    { .name = "extreme_of_increasing", .ops = "max min", .apply = reduce_of_increasing,
      .why = "an increasing function of the largest value is the largest of its values", .phase = BTL_CANONICALIZE,
      .tags = "reductions", .exactness = BTL_WITHIN_ULP, .ulp = 4,
      .example = "x: f64[3, 4] | = max(tanh(x), axis=1)" },
    { .name = "argmax_of_increasing", .ops = "argmax argmin", .apply = reduce_argmax,
      .why = "softmax and other increasing functions change no order; what they round to one value keeps its order here",
      .phase = BTL_CANONICALIZE, .tags = "reductions softmax", .exactness = BTL_WITHIN_ULP, .ulp = 1, .needs = BTL_FINITE,
      .example = "x: f64[3, 4] | = argmax(softmax(x, axis=1), axis=1)" },
    { .name = "sum_of_scaled", .ops = "sum", .operand = "mul", .apply = reduce_known_factor,
      .why = "one product instead of many: of integers, and by constants of at least 1, with which no partial sum grows", REASSOCIATED,
      .example = "x: f64[3, 4] | = sum(3 * x, axis=1)" },
    { .name = "sum_of_scaled_any", .ops = "sum", .operand = "mul", .apply = reduce_any_factor,
      .why = "one product instead of many; sum(x) may overflow where sum(c * x) does not, hence only on request",
      .phase = BTL_CANONICALIZE, .tags = "reductions unsafe", .exactness = BTL_REASSOCIATES, .ulp = 64, .needs = BTL_FINITE | BTL_NO_SIGNED_ZERO,
      .opt_in = true,
      .example = "x: f64[3, 4], y: f64[4] | = sum(x * y, axis=0)" },
    { .name = NULL },
};
