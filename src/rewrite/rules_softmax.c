/* rules_softmax.c - softmax, its logarithm and logsumexp as people write them out, and what becomes of cross-entropy
 * with integer labels; logarithms of what underflows.
 *
 *     exp(x) / sum(exp(x), axis=1)[:, newaxis]        softmax(x, axis=1)
 *     z = x - max(x, axis=1, keepdims=true)           softmax(z) = softmax(x)
 *     x - log(sum(exp(x), axis=1, keepdims=true))     log_softmax(x, axis=1)
 *     m + log(sum(exp(x - m), axis=1))                logsumexp(x, axis=1)
 *
 * Like all that stabilises they run before differentiation, so that gradients are those of softmax.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/rules.h"

#include "ops/reduce.h"
#include "ops/slice.h"
#include "ops/structure.h"
#include "rewrite/facts.h"

#include <math.h>
#include <string.h>

/* ---- a value for each row --------------------------------------------------------------------------- */

/* What v is made of if it only gives it axes of size 1 (or another float type). */
static const btl_node *softmax_peel(btl_match *m, const btl_var *v) {
    const btl_node *n = v->node;
    if (n->op == &btl_op_cast && btl_dtype_kind(n->in[0]->type.dtype) == 'f') return btl_match_node(m, v, NULL);
    if (n->op == &btl_op_reshape) return btl_match_node(m, v, NULL);
    if (n->op == &btl_op_dimshuffle) {
        for (int i = 0, last = -1; i < n->params[0].axes.n; i++) {
            int axis = n->params[0].axes.v[i];
            if (axis >= 0 && axis < last) return NULL;
            if (axis >= 0) last = axis;
        }
        return btl_match_node(m, v, NULL);
    }
    if (!btl_node_is(v->node, "subtensor")) return NULL;
    for (int i = 0; i < n->params[0].index.n; i++)
        if (n->params[0].index.v[i].kind != INDEX_NEWAXIS && !btl_slice_is_full(&n->params[0].index.v[i])) return NULL;
    return btl_match_node(m, v, NULL);
}

/* The node of reduction `op` over one axis of an operand of x's shape that v is, v being stretched along that
 * axis when it meets x. */
static const btl_node *softmax_row(btl_match *m, const btl_var *v, const btl_type *x, const char *op, int *axis) {
    int rank = v->type.rank;
    const btl_dim *const *dims = v->type.dims;
    for (int i = 0; i < 3 && !btl_node_is(v->node, op); i++) {
        const btl_node *n = softmax_peel(m, v);
        if (!n) return NULL;
        v = n->in[0];
    }
    const btl_node *r = btl_node_is(v->node, op) ? btl_match_node(m, v, NULL) : NULL;
    if (!r || r->in[0]->type.rank != x->rank) return NULL;
    uint32_t mask = btl_reduce_mask(&r->params[0], x->rank);
    for (*axis = 0; *axis < x->rank && mask != (uint32_t)1 << *axis;) ++*axis;
    if (*axis == x->rank) return NULL;
    if (rank == x->rank - 1 && *axis == 0) return r;
    if (rank != x->rank) return NULL;
    for (int i = 0; i < rank; i++)
        if (i == *axis ? !btl_dim_is(dims[i], 1) : dims[i] != r->in[0]->type.dims[i] || dims[i] != x->dims[i]) return NULL;
    return r;
}

/* v, or what it was before it was cast to a wider type. */
static const btl_var *softmax_uncast(const btl_var *v) {
    return v->node->op == &btl_op_cast && btl_dtype_kind(v->node->in[0]->type.dtype) == 'f' ? v->node->in[0] : v;
}

static btl_var *softmax_make(btl_match *m, const char *op, btl_var *x, int axis) {
    btl_param param = { .i = axis };
    return btl_build(m->g, btl_rule_op(op), 1, &x, &param, NULL);
}

/* ---- written out --------------------------------------------------------------------------------------- */

/* 1 / v: v; NULL for something else. */
static btl_var *softmax_inverse(btl_match *m, const btl_var *v) {
    if (btl_node_is(v->node, "inv")) return btl_match_node(m, v, NULL) ? v->node->in[0] : NULL;
    return btl_node_is(v->node, "div") && btl_match_number(v->node->in[0], 1) && btl_match_node(m, v, NULL) ? v->node->in[1] : NULL;
}

/* e / sum(e), or e * (1 / sum(e)), e = exp(x). */
static btl_var *softmax_written(btl_match *m, const btl_node *n) {
    bool div = btl_node_is(n, "div");
    for (int side = 0; side < (div ? 1 : 2); side++) {
        btl_var *e = n->in[side], *sum = div ? n->in[1] : btl_node_is(e->node, "exp") ? softmax_inverse(m, n->in[1 - side]) : NULL;
        int axis;
        if (!sum || !btl_node_is(e->node, "exp")) continue;
        const btl_node *exp = btl_match_node(m, e, NULL), *r = exp ? softmax_row(m, sum, &e->type, "sum", &axis) : NULL;
        if (r && softmax_uncast(r->in[0]) == e) return softmax_make(m, "softmax", exp->in[0], axis);
    }
    return NULL;
}

/* softmax(x - max(x)). */
static btl_var *softmax_shifted(btl_match *m, const btl_node *n) {
    int axis, rank = n->out->type.rank;
    const btl_node *sub = btl_node_is(n->in[0]->node, "sub") ? btl_match_node(m, n->in[0], NULL) : NULL;
    const btl_node *r = sub ? softmax_row(m, sub->in[1], &n->out->type, "max", &axis) : NULL;
    if (!r || softmax_uncast(r->in[0]) != sub->in[0] || (n->params[0].i < 0 ? n->params[0].i + rank : n->params[0].i) != axis) return NULL;
    return softmax_make(m, n->op->name, sub->in[0], axis);
}

/* x - logsumexp(x). */
static btl_var *softmax_log_written(btl_match *m, const btl_node *n) {
    int axis;
    const btl_node *r = softmax_row(m, n->in[1], &n->in[0]->type, "logsumexp", &axis);
    return r && softmax_uncast(r->in[0]) == n->in[0] ? softmax_make(m, "log_softmax", n->in[0], axis) : NULL;
}

/* m + logsumexp(x - m), m = max(x). */
static btl_var *softmax_sum_shifted(btl_match *m, const btl_node *n) {
    for (int side = 0; side < 2; side++) {
        int axis, outer;
        const btl_node *sum = btl_node_is(n->in[side]->node, "logsumexp") ? btl_match_node(m, n->in[side], NULL) : NULL;
        const btl_node *sub = sum && btl_node_is(sum->in[0]->node, "sub") ? btl_match_node(m, sum->in[0], NULL) : NULL;
        if (!sub) continue;
        btl_var *x = sub->in[0];
        const btl_node *r = softmax_row(m, sub->in[1], &x->type, "max", &axis);
        if (!r || r->in[0] != x || btl_reduce_mask(&sum->params[0], x->type.rank) != (uint32_t)1 << axis) continue;
        const btl_var *shift = n->in[1 - side];
        for (int i = 0; i < 2 && shift->node != r && !btl_node_is(shift->node, "max"); i++) {
            const btl_node *view = softmax_peel(m, shift);
            if (!view) break;
            shift = view->in[0];
        }
        if (!btl_node_is(shift->node, "max") || shift->node->in[0] != x || !btl_type_equal(&n->in[1 - side]->type, &n->out->type)) continue;
        uint32_t mask = btl_reduce_mask(&shift->node->params[0], x->type.rank);
        for (outer = 0; outer < x->type.rank && mask != (uint32_t)1 << outer;) outer++;
        if (outer != axis || !btl_match_node(m, shift, NULL)) continue;
        return btl_build(m->g, sum->op, 1, &x, sum->params, NULL);
    }
    return NULL;
}

/* ---- logarithms of what underflows ----------------------------------------------------------------------- */

static btl_var *softmax_number(btl_match *m, const btl_var *like, double value) { return btl_graph_scalar(m->g, like->type.dtype, value); }

static const double softmax_log_half = -0.69314718055994530942;

/* x is on one side of a number already: cut there by a rule like these. */
static bool softmax_is_cut(const btl_var *x, double at) {
    double value;
    for (int depth = 0; depth < 2 && (btl_node_is(x->node, "maximum") || btl_node_is(x->node, "minimum")); depth++) {
        int side = btl_var_constant_value(x->node->in[1], &value) ? 1 : 0;
        if (!side && !btl_var_constant_value(x->node->in[0], &value)) return false;
        if (fabs(value - at) <= fabs(at) * 1e-2) return true;
        x = x->node->in[1 - side];
    }
    return false;
}

/* Where the values of x lie with respect to a number: -1 all below (or at), 1 all above (or at), 0 on both sides. */
static int softmax_side(const btl_var *x, double at) {
    btl_facts f = btl_facts_of(x);
    return f.hi <= at ? -1 : f.lo >= at ? 1 : 0;
}

static btl_var *softmax_log_near(btl_match *m, btl_var *x) { return btl_log(m->g, btl_neg(m->g, btl_expm1(m->g, x))); }
static btl_var *softmax_log_far(btl_match *m, btl_var *x) { return btl_log1p(m->g, btl_neg(m->g, btl_exp(m->g, x))); }

/* log(1 - exp(x)): by expm1 above -log 2, by log1p below. */
static btl_var *softmax_log_one_minus_exp(btl_match *m, const btl_node *n) {
    btl_graph *g = m->g;
    btl_var *x = m->bound[0], *at = softmax_number(m, x, softmax_log_half);
    int side = softmax_side(x, softmax_log_half);
    bool is_near = btl_node_is(n->out->node, "log");
    if (softmax_is_cut(x, softmax_log_half) || side == (is_near ? 1 : -1)) return NULL;
    if (side) return side > 0 ? softmax_log_near(m, x) : softmax_log_far(m, x);
    return btl_where(g, btl_gt(g, x, at), softmax_log_near(m, btl_maximum(g, x, at)), softmax_log_far(m, btl_minimum(g, x, at)));
}

/* From here on log(erfc(x)) is an asymptotic series: where erfc is still a normal number. */
static double softmax_erfc_far(btl_dtype dtype) { return dtype == BTL_F64 ? 26 : 9; }

static bool softmax_has_series(const btl_var *x) { return x->type.dtype == BTL_F64 || x->type.dtype == BTL_F32; }

/* log erfc(t) = -t^2 - log(t sqrt(pi)) + log(1 - u + 3 u^2 - 15 u^3 + 105 u^4 - 945 u^5 …), u = 1 / (2 t^2). */
static btl_var *softmax_log_erfc_series(btl_match *m, btl_var *t) {
    static const double terms[] = { 945, 105, 15, 3, 1 };
    btl_graph *g = m->g;
    btl_var *u = btl_div(g, softmax_number(m, t, 0.5), btl_sqr(g, t)), *s = softmax_number(m, t, terms[0]);
    for (int i = 1; i < 5; i++) s = btl_add(g, softmax_number(m, t, terms[i]), btl_mul(g, u, btl_neg(g, s)));
    s = btl_neg(g, btl_mul(g, u, s));
    btl_var *root = btl_mul(g, t, softmax_number(m, t, 1.77245385090551602730));
    return btl_add(g, btl_neg(g, btl_sqr(g, t)), btl_sub(g, btl_log1p(g, s), btl_log(g, root)));
}

/* `below` where x is below `low`, the series where it is far above, f(x) between; f is told x cut to that range. */
static btl_var *softmax_three_ways(btl_match *m, btl_var *x, double low, btl_var *below, btl_var *between, btl_var *above) {
    btl_graph *g = m->g;
    btl_var *rest = below ? btl_where(g, btl_lt(g, x, softmax_number(m, x, low)), below, between) : between;
    return btl_where(g, btl_gt(g, x, softmax_number(m, x, softmax_erfc_far(x->type.dtype))), above, rest);
}

static btl_var *softmax_log_erfc(btl_match *m, const btl_node *n) {
    btl_graph *g = m->g;
    btl_var *x = m->bound[0];
    double far = softmax_erfc_far(x->type.dtype);
    (void)n;
    if (!softmax_has_series(x) || softmax_is_cut(x, far) || softmax_is_cut(x, 0.5) || (softmax_side(x, far) < 0 && softmax_side(x, 0.5) > 0)) return NULL;
    btl_var *half = softmax_number(m, x, 0.5), *at = softmax_number(m, x, far);
    btl_var *below = btl_log1p(g, btl_neg(g, btl_erf(g, btl_minimum(g, x, half))));
    btl_var *between = btl_log(g, btl_erfc(g, btl_minimum(g, btl_maximum(g, x, half), at)));
    return softmax_three_ways(m, x, 0.5, below, between, softmax_log_erfc_series(m, btl_maximum(g, x, at)));
}

/* log(c * erfc(x)): the factor goes out where erfc is small. With 0.5, the logarithm of the normal distribution's tail, which is near 1
 * below 0: log(1 - 0.5 * erfc(-x)). */
static btl_var *softmax_log_scaled_erfc(btl_match *m, const btl_node *n) {
    btl_graph *g = m->g;
    double c;
    const btl_node *mul = btl_node_is(n->in[0]->node, "mul") ? btl_match_node(m, n->in[0], NULL) : NULL;
    for (int side = 0; mul && side < 2; side++) {
        if (!btl_var_constant_value(mul->in[side], &c) || !(c > 0x1p-100 && c < 0x1p100) || !btl_node_is(mul->in[1 - side]->node, "erfc")) continue;
        const btl_node *erfc = btl_match_node(m, mul->in[1 - side], NULL);
        if (!erfc || !softmax_has_series(erfc->in[0])) return NULL;
        btl_var *x = erfc->in[0], *factor = softmax_number(m, x, c), *below = NULL, *zero = softmax_number(m, x, 0), *inside = x;
        double far = softmax_erfc_far(x->type.dtype);
        bool half = c == 0.5;
        if (softmax_is_cut(x, far) || (half && softmax_is_cut(x, 0)) || (softmax_side(x, far) < 0 && (!half || softmax_side(x, 0) > 0))) return NULL;
        if (half) {
            below = btl_log1p(g, btl_mul(g, softmax_number(m, x, -0.5), btl_erfc(g, btl_neg(g, btl_minimum(g, x, zero)))));
            inside = btl_maximum(g, x, zero);
        }
        btl_var *at = softmax_number(m, x, far), *between = btl_log(g, btl_mul(g, factor, btl_erfc(g, btl_minimum(g, inside, at))));
        btl_var *above = btl_add(g, softmax_log_erfc_series(m, btl_maximum(g, x, at)), softmax_number(m, x, log(c)));
        return softmax_three_ways(m, x, 0, below, between, above);
    }
    return NULL;
}

/* log(x ** c) = c * log(x), x not negative. */
static btl_var *softmax_log_pow(btl_match *m, const btl_node *n) {
    double c;
    const btl_node *pow = btl_node_is(n->in[0]->node, "pow") ? btl_match_node(m, n->in[0], NULL) : NULL;
    if (!pow || !btl_var_constant_value(pow->in[1], &c) || !isfinite(c) || c == 0) return NULL;
    btl_facts f = btl_facts_of(pow->in[0]);
    return btl_facts_nonnegative(&f, true) ? btl_mul(m->g, pow->in[1], btl_log(m->g, pow->in[0])) : NULL;
}

/* Every factor is known not to be negative: by its bounds, or it is on the diagonal of a Cholesky factor. */
static bool softmax_when_nonnegative(const btl_match *m) {
    const btl_var *x = m->bound[0];
    btl_facts f = btl_facts_of(x);
    if (!btl_when_float(m)) return false;
    if (btl_facts_nonnegative(&f, true)) return true;
    return btl_node_is(x->node, "advanced_subtensor") && btl_node_is(x->node->in[0]->node, "cholesky") && x->node->nin == 3 && x->node->in[1] == x->node->in[2];
}

/* ---- cross-entropy with integer labels ---------------------------------------------------------------------- */

/* inc_subtensor(zeros[arange(n), y], d), one element a row: the node, or NULL. */
static const btl_node *softmax_labels(btl_match *m, const btl_var *v) {
    const btl_node *inc = btl_node_is(v->node, "inc_subtensor") ? btl_match_node(m, v, NULL) : NULL;
    if (!inc || inc->out->type.rank != 2 || inc->nin != 4 || !btl_match_number(inc->in[0], 0)) return NULL;
    const btl_param *p = &inc->params[0];
    if (p->index.n != 2 || p->index.v[0].kind != INDEX_ARRAY || p->index.v[1].kind != INDEX_ARRAY) return NULL;
    const btl_var *row = inc->in[p->index.v[0].start.input], *label = inc->in[p->index.v[1].start.input];
    if (!btl_match_counts(row, inc->out->type.dims[0]) || label->type.rank != 1 || label->type.dims[0] != row->type.dims[0]) return NULL;
    return inc->in[1]->type.rank <= 1 ? inc : NULL;
}

/* t - p * sum(t), t = zeros but for d in the places of the labels, the gradient of log(softmax(x))[arange(n), y]:
 *
 *     where(arange(k) == y, d, 0) - p * d
 *
 * in one pass, no t stored and no sum. Labels go through a table of 0 … k - 1, which counts negative ones
 * from the end and fails where they are out of range, as the write does. */
static btl_var *softmax_gradient_by_labels(btl_match *m, const btl_node *n) {
    static const int column[2] = { 0, -1 }, stretched[2] = { -1, -1 };
    btl_graph *g = m->g;
    const btl_node *inc = softmax_labels(m, n->in[0]), *mul = inc && btl_node_is(n->in[1]->node, "mul") ? btl_match_node(m, n->in[1], NULL) : NULL;
    for (int side = 0; mul && side < 2; side++) {
        int axis;
        const btl_node *sum = softmax_row(m, mul->in[side], &inc->out->type, "sum", &axis);
        btl_var *p = mul->in[1 - side], *d = inc->in[1];
        if (!sum || sum->in[0]->node != inc || axis != 1 || !btl_type_equal(&p->type, &n->out->type)) continue;
        btl_var *labels = inc->in[inc->params[0].index.v[1].start.input];
        const btl_places *here = g->here;
        g->here = inc->places; /* a label out of range is told where it stands */
        btl_var *classes = btl_arange(g, NULL, btl_graph_size(g, n->out->type.dims[1]), NULL);
        btl_var *checked = classes ? btl_take(g, classes, labels, 0) : NULL;
        g->here = here;
        if (!checked || !(checked = btl_dimshuffle_to(g, checked, 2, column))) return NULL;
        if (d->type.rank == 1 && btl_dim_is(d->type.dims[0], 1) && !btl_dim_is(n->out->type.dims[0], 1)) return NULL;
        d = btl_dimshuffle_to(g, d, 2, d->type.rank ? column : stretched);
        btl_var *hot = btl_where(g, btl_eq(g, classes, checked), d, softmax_number(m, d, 0));
        return btl_sub(g, hot, btl_mul(g, p, d));
    }
    return NULL;
}

/* Of a row with an infinity softmax is NaN altogether. */
#define WRITTEN .phase = BTL_STABILIZE, .exactness = BTL_WITHIN_ULP, .ulp = 4, .needs = BTL_NO_OVERFLOW | BTL_FINITE, .tags = "stability softmax", \
    .source = "Blanchard, Higham & Higham (2021), IMA J. Numer. Anal. 41(4)"
#define LOGARITHM .phase = BTL_STABILIZE, .exactness = BTL_WITHIN_ULP, .needs = BTL_NO_OVERFLOW

const btl_rule btl_rules_softmax[] = {
    { .name = "softmax_by_any_row", .ops = "div mul", .operand = "exp", .apply = softmax_written,
      .why = "exp(x) / sum(exp(x)) is inf/inf where exp(x) overflows, however the sum was given its axis back", WRITTEN,
      .example = "x: f64[3, 4] | = exp(x) / sum(exp(x), axis=1)[:, newaxis]" },
    { .name = "softmax_shifted", .ops = "softmax log_softmax", .operand = "sub", .apply = softmax_shifted, .why = "softmax subtracts the largest by itself", WRITTEN,
      .example = "x: f64[3, 4] | = softmax(x - max(x, axis=1, keepdims=true), axis=1)" },
    { .name = "log_softmax_written_out", .ops = "sub", .apply = softmax_log_written,
      .why = "x - logsumexp(x) cancels where one x is by far the largest", WRITTEN,
      .example = "x: f64[3, 4] | = x - logsumexp(x, axis=1, keepdims=true)" },
    { .name = "logsumexp_shifted", .ops = "add", .operand = "logsumexp", .apply = softmax_sum_shifted, .why = "logsumexp subtracts the largest by itself", WRITTEN,
      .example = "x: f64[3, 4] | = logsumexp(x - max(x, axis=1, keepdims=true), axis=1) + max(x, axis=1)" },
    { .name = "log_one_minus_exp", .match = "log(-expm1(?x))", .apply = softmax_log_one_minus_exp, .when = btl_when_float,
      .why = "expm1(x) rounds to -1 below -17 (f32), where the logarithm is -exp(x)", .source = "Maechler (2012), Accurately computing log(1 - exp(-|a|)), eq. 7",
      LOGARITHM, .ulp = 4, .tags = "stability log1p" },
    { .name = "log1p_minus_exp", .match = "log1p(-exp(?x))", .apply = softmax_log_one_minus_exp, .when = btl_when_float,
      .why = "exp(x) has lost the digits of a small x", .source = "Maechler (2012), Accurately computing log(1 - exp(-|a|)), eq. 7",
      LOGARITHM, .ulp = 4, .tags = "stability log1p" },
    { .name = "log_erfc", .match = "log(erfc(?x))", .apply = softmax_log_erfc,
      .why = "erfc(x) underflows above 10 (f32), 26 (f64), where its logarithm is about -x*x, and its derivative becomes 0/0; near 0 it is about 1",
      .source = "Abramowitz & Stegun (1964), 7.1.23", LOGARITHM, .ulp = 4, .tags = "stability erf" },
    { .name = "log_scaled_erfc", .ops = "log", .operand = "mul", .apply = softmax_log_scaled_erfc,
      .why = "the logarithm of a normal distribution's tail, 0.5 * erfc(x): erfc(x) underflows", .source = "Abramowitz & Stegun (1964), 7.1.23",
      LOGARITHM, .ulp = 4, .tags = "stability erf",
      .example = "x: f64[3, 4] | = log(0.5 * erfc(0.7071067811865476 * x))" },
    { .name = "log_prod", .match = "log(prod(?x, axis=?a, keepdims=?k))", .result = "sum(log(?x), axis=?a, keepdims=?k)",
      .when = softmax_when_nonnegative, .why = "the product overflows or underflows (a determinant's does), the sum of logarithms does not; no factor is negative",
      .phase = BTL_STABILIZE, .exactness = BTL_REASSOCIATES, .ulp = 64, .needs = BTL_NO_OVERFLOW, .tags = "stability linalg" },
    { .name = "log_pow", .ops = "log", .operand = "pow", .apply = softmax_log_pow,
      .why = "log(x ** c) is c * log(x) where x is not negative: the power overflows or underflows, its logarithm does not", LOGARITHM, .ulp = 4, .tags = "stability power",
      .example = "x: f64[3, 4] | = log(abs(x) ** 3)" },
    { .name = "softmax_gradient_by_labels", .ops = "sub", .operand = "inc_subtensor", .apply = softmax_gradient_by_labels,
      .why = "softmax minus one-hot in one pass: no array of zeros is written to, summed and read again", .phase = BTL_SPECIALIZE,
      .tags = "softmax gradient", .needs = BTL_NO_SIGNED_ZERO,
      .example = "x: f64[3, 4], y: f64[3], i: i64[3] | = inc_subtensor(zeros_like(x)[arange(3), i], y) - exp(x) * sum(inc_subtensor(zeros_like(x)[arange(3), i], y), axis=1, keepdims=true)" },
    { .name = NULL },
};
