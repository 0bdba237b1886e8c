/* rules_stable.c - the same mathematics in a form that neither overflows nor loses digits.
 *
 * These run before differentiation (derive.c) and are what lets a person write log(softmax(x)):
 * the derivative is then that of log_softmax. Each new form is accurate to its op's few ulp where
 * the old one is; where the old one overflows, divides 0 by 0 or cancels, the new one is right.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/rules.h"

#include "ops/helpers.h"

#include <string.h>

/* ---- log of a view ------------------------------------------------------------------------ */

enum { STABLE_DEPTH = 12 }; /* views looked through */

/* Ops that pick, order or repeat elements of their first operand and make no others. */
static bool stable_is_view(const btl_node *n) {
    static const char *const names[] = { "subtensor", "advanced_subtensor", "dimshuffle", "reshape",
                                         "broadcast_to", "copy", NULL };
    for (const char *const *name = names; *name; name++)
        if (btl_node_is(n, *name)) return true;
    return false;
}

/* The chain of views below v, outermost first; returns the variable under them. */
static btl_var *stable_views(btl_match *m, btl_var *v, const btl_node **chain, int *n) {
    *n = 0;
    while (*n < STABLE_DEPTH) {
        const btl_node *node = stable_is_view(v->node) ? btl_match_node(m, v, NULL) : NULL;
        if (!node) break;
        chain[(*n)++] = node;
        v = node->in[0];
    }
    return v;
}

/* log of softmax or sigmoid, or NULL for another variable. */
static btl_var *stable_log_of(btl_match *m, btl_var *v) {
    const btl_op *softmax = btl_rule_op("softmax"), *sigmoid = btl_rule_op("sigmoid");
    if (v->node->op == softmax) {
        const btl_node *n = btl_match_node(m, v, softmax);
        return n ? btl_build(m->g, btl_rule_op("log_softmax"), 1, n->in, n->params, NULL) : NULL;
    }
    if (v->node->op == sigmoid) {
        const btl_node *n = btl_match_node(m, v, sigmoid);
        return n ? btl_neg(m->g, btl_softplus(m->g, btl_neg(m->g, n->in[0]))) : NULL;
    }
    return NULL;
}

/* log(view(softmax(x))) = view(log_softmax(x)): log acts on each element alone. */
static btl_var *stable_log_of_view(btl_match *m, const btl_node *n) {
    const btl_node *chain[STABLE_DEPTH];
    int nchain;
    btl_var *v = stable_views(m, n->in[0], chain, &nchain);
    if (!nchain) return NULL;
    v = stable_log_of(m, v);
    while (v && nchain) v = btl_match_rebuild(m, chain[--nchain], v);
    return v;
}

/* ---- softmax written out ------------------------------------------------------------------ */

/* exp(x) / sum(exp(x), axis, keepdims=true), one axis. */
static btl_var *stable_softmax(btl_match *m, const btl_node *n) {
    (void)n;
    const btl_param *axes = m->setting[1];
    btl_var *x = m->bound[0];
    if (axes->axes.n != 1 && !(axes->axes.n == -1 && x->type.rank == 1)) return NULL;
    btl_param axis = { .i = axes->axes.n == 1 ? axes->axes.v[0] : 0 };
    return btl_build(m->g, btl_rule_op("softmax"), 1, &x, &axis, NULL);
}

/* ---- what is left in gradients ------------------------------------------------------------ */

/* Greater than 0 as real numbers, though they may underflow. */
static bool stable_is_positive(const btl_var *v) {
    static const char *const names[] = { "softmax", "sigmoid", "exp", NULL };
    for (const char *const *name = names; *name; name++)
        if (v->node->op == btl_rule_op(*name)) return true;
    return false;
}

static bool stable_when_positive(const btl_match *m) {
    return stable_is_positive(m->bound[1]);
}

/* (a / p) * p = a, stretched to the product's shape. */
/* What cancels p must still be NaN where p is. */
static btl_var *stable_keep_nan(btl_graph *g, btl_var *p, btl_var *value) {
    return value ? btl_where(g, btl_isnan(g, p), p, value) : NULL;
}

static btl_var *stable_cancel(btl_match *m, const btl_node *n) {
    return btl_broadcast_to_dims(m->g, stable_keep_nan(m->g, m->bound[1], m->bound[0]), n->out[0].type.rank, n->out[0].type.dims);
}

/* d where v is d / p[the part that inc writes to], or -(d / p[…]); stretched to v's shape. */
static btl_var *stable_without_divisor(btl_match *m, const btl_node *inc, const btl_var *p, const btl_var *v) {
    const btl_node *neg = btl_match_node(m, v, btl_rule_op("neg"));
    const btl_node *div = btl_match_node(m, neg ? neg->in[0] : v, btl_rule_op("div"));
    const btl_node *sub = div ? btl_match_node(m, div->in[1], NULL) : NULL;
    if (!sub || sub->in[0] != p) return NULL;
    if (!btl_node_is(sub, "subtensor") && !btl_node_is(sub, "advanced_subtensor")) return NULL;
    if (!btl_match_same_part(inc, sub)) return NULL;
    btl_var *d = btl_broadcast_to_dims(m->g, div->in[0], v->type.rank, v->type.dims);
    return neg ? btl_neg(m->g, d) : d;
}

/* p * inc_subtensor(0, i, d / p[i]) = inc_subtensor(0, i, d): the gradient of log(p[i]) arriving at
 * p = softmax(x), where p[i] may have underflowed. */
static btl_var *stable_scatter(btl_match *m, const btl_node *n) {
    for (int side = 0; side < 2; side++) {
        btl_var *p = n->in[side], *other = n->in[1 - side];
        if (!stable_is_positive(p) || !btl_node_is(other->node, "inc_subtensor")) continue;
        const btl_node *inc = btl_match_node(m, other, NULL);
        btl_var *d = inc && btl_match_number(inc->in[0], 0) ? stable_without_divisor(m, inc, p, inc->in[1]) : NULL;
        if (!d) continue;
        btl_var **in = btl_arena_copy(&m->g->arena, inc->in, (size_t)inc->nin * sizeof *in);
        in[1] = d;
        btl_node *made = btl_apply(m->g, inc->op, inc->nin, in, inc->params);
        return made ? stable_keep_nan(m->g, p, made->out) : NULL;
    }
    return NULL;
}

#define STABLE .phase = BTL_STABILIZE, .exactness = BTL_WITHIN_ULP, .needs = BTL_NO_OVERFLOW

const btl_rule btl_rules_stable[] = {
    /* logarithms */
    { .name = "log_softmax", .match = "log(softmax(?x, axis=?a))", .result = "log_softmax(?x, axis=?a)",
      .why = "softmax underflows to 0 for logits 104 (f32) below the largest, whose logarithm is their difference",
      .source = "Blanchard, Higham & Higham (2021), IMA J. Numer. Anal. 41(4)", STABLE, .ulp = 4, .tags = "stability softmax" },
    { .name = "log_of_view", .ops = "log", .apply = stable_log_of_view,
      .why = "log(softmax(x)[i]) is log_softmax(x)[i], and so for all that only picks or orders elements",
      STABLE, .ulp = 4, .tags = "stability softmax",
      .example = "x: f64[4] | = log(softmax(x)[1:3])" },
    { .name = "log_sigmoid", .match = "log(sigmoid(?x))", .result = "-softplus(-?x)",
      .why = "sigmoid underflows below -104 (f32), where its logarithm is x", STABLE, .ulp = 4, .tags = "stability sigmoid" },
    { .name = "log_one_minus_sigmoid", .match = "log(1 - sigmoid(?x))", .result = "-softplus(?x)",
      .why = "1 - sigmoid(x) is 0 above 17 (f32), where its logarithm is -x", STABLE, .ulp = 4, .tags = "stability sigmoid" },
    { .name = "log1p_minus_sigmoid", .match = "log1p(-sigmoid(?x))", .result = "-softplus(?x)",
      .why = "1 - sigmoid(x) is 0 above 17 (f32), where its logarithm is -x", STABLE, .ulp = 4, .tags = "stability sigmoid" },
    { .name = "log_one_plus_exp", .match = "log(1 + exp(?x))", .result = "softplus(?x)",
      .why = "exp(x) overflows f32 above 88.7 although the answer is about x",
      .source = "Maechler (2012), Accurately computing log(1 - exp(-|a|)), eq. 10", STABLE, .ulp = 4, .tags = "stability softplus" },
    { .name = "log1p_exp", .match = "log1p(exp(?x))", .result = "softplus(?x)",
      .why = "exp(x) overflows f32 above 88.7 although the answer is about x", STABLE, .ulp = 4, .tags = "stability softplus" },
    { .name = "log_sum_exp", .match = "log(sum(exp(?x), axis=?a, keepdims=?k))",
      .result = "logsumexp(?x, axis=?a, keepdims=?k)",
      .why = "the largest exponential overflows although the logarithm of the sum is about the largest x",
      .source = "Blanchard, Higham & Higham (2021), IMA J. Numer. Anal. 41(4)", STABLE, .ulp = 4, .tags = "stability logsumexp" },
    { .name = "log_exp", .match = "log(exp(?x))", .result = "?x", .why = "exp(x) overflows or rounds, x does not",
      STABLE, .ulp = 1, .tags = "stability" },
    { .name = "log_one_plus", .match = "log(1 + ?x)", .result = "log1p(?x)", .when = btl_when_float,
      .why = "1 + x loses the digits of a small x", .source = "Kahan (1987), HP-15C Advanced Functions Handbook",
      STABLE, .ulp = 2, .tags = "stability log1p" },
    { .name = "log_one_minus", .match = "log(1 - ?x)", .result = "log1p(-?x)", .when = btl_when_float,
      .why = "1 - x loses the digits of a small x", STABLE, .ulp = 2, .tags = "stability log1p" },

    { .name = "log_sum_of_two_exp", .match = "log(exp(?x) + exp(?y))", .result = "logaddexp(?x, ?y)",
      .why = "the larger exponential overflows although the logarithm is about its exponent", STABLE, .ulp = 4, .tags = "stability logsumexp" },
    { .name = "log_sqr", .match = "log(sqr(?x))", .result = "2 * log(abs(?x))", .when = btl_when_float,
      .why = "x*x overflows or underflows, its logarithm does not", STABLE, .ulp = 3, .tags = "stability" },
    { .name = "log_sqrt", .match = "log(sqrt(?x))", .result = "0.5 * log(?x)", .when = btl_when_float,
      .why = "the root rounds to 1 near 1", STABLE, .ulp = 3, .tags = "stability" },
    { .name = "log1p_expm1", .match = "log1p(expm1(?x))", .result = "?x", .why = "expm1(x) overflows or rounds to -1, x does not",
      STABLE, .ulp = 1, .tags = "stability" },

    /* exponentials */
    { .name = "one_minus_exp", .match = "1 - exp(?x)", .result = "-expm1(?x)", .why = "cancels for a small x", STABLE, .ulp = 2,
      .tags = "stability expm1" },
    { .name = "exp_minus_softplus", .match = "exp(-softplus(?x))", .result = "sigmoid(-?x)",
      .why = "one function instead of two, whose error is not multiplied by x", STABLE, .ulp = 4, .tags = "stability sigmoid" },
    { .name = "sinh_by_quotient", .match = "(exp(?x) - exp(-?x)) / 2", .result = "sinh(?x)", .why = "cancels for a small x",
      STABLE, .ulp = 4, .tags = "stability hyperbolic" },
    { .name = "sinh_by_product", .match = "0.5 * (exp(?x) - exp(-?x))", .result = "sinh(?x)", .why = "cancels for a small x",
      STABLE, .ulp = 4, .tags = "stability hyperbolic" },
    { .name = "cosh_by_quotient", .match = "(exp(?x) + exp(-?x)) / 2", .result = "cosh(?x)", .why = "exp(x) overflows before its half does",
      STABLE, .ulp = 4, .tags = "stability hyperbolic" },
    { .name = "cosh_by_product", .match = "0.5 * (exp(?x) + exp(-?x))", .result = "cosh(?x)", .why = "exp(x) overflows before its half does",
      STABLE, .ulp = 4, .tags = "stability hyperbolic" },
    { .name = "tanh_of_exps", .match = "(exp(?x) - exp(-?x)) / (exp(?x) + exp(-?x))", .result = "tanh(?x)",
      .why = "inf/inf where exp(x) overflows, and cancels for a small x", STABLE, .ulp = 4, .tags = "stability hyperbolic" },
    { .name = "tanh_of_exp", .match = "expm1(?x) / (1 + exp(?x))", .result = "tanh(0.5 * ?x)",
      .why = "inf/inf where exp(x) overflows; exp(x) - 1 has become expm1(x) before", STABLE, .ulp = 4, .tags = "stability hyperbolic" },
    { .name = "tanh_of_neg_exp", .match = "-expm1(-?x) / (1 + exp(-?x))", .result = "tanh(0.5 * ?x)",
      .why = "inf/inf where exp(-x) overflows; 1 - exp(-x) has become -expm1(-x) before", STABLE, .ulp = 4, .tags = "stability hyperbolic" },
    { .name = "tanh_of_sigmoid", .match = "2 * sigmoid(2 * ?x) - 1", .result = "tanh(?x)", .why = "cancels for a small x",
      STABLE, .ulp = 4, .tags = "stability hyperbolic sigmoid" },
    { .name = "exp_minus_one", .match = "exp(?x) - 1", .result = "expm1(?x)",
      .why = "exp(x) - 1 cancels for a small x", STABLE, .ulp = 2, .tags = "stability expm1" },
    { .name = "exp_plus_minus_one", .match = "exp(?x) + -1", .result = "expm1(?x)",
      .why = "exp(x) - 1 cancels for a small x", STABLE, .ulp = 2, .tags = "stability expm1" },

    /* the logistic function */
    { .name = "one_minus_sigmoid", .match = "1 - sigmoid(?x)", .result = "sigmoid(-?x)",
      .why = "cancels where sigmoid(x) is near 1", STABLE, .ulp = 4, .tags = "stability sigmoid" },
    { .name = "sigmoid_of_neg_exp", .match = "1 / (1 + exp(-?x))", .result = "sigmoid(?x)",
      .why = "one op, whose derivative has no inf/inf where exp(-x) overflows", STABLE, .ulp = 4, .tags = "stability sigmoid" },
    { .name = "sigmoid_of_exp", .match = "1 / (1 + exp(?x))", .result = "sigmoid(-?x)",
      .why = "one op, whose derivative has no inf/inf where exp(x) overflows", STABLE, .ulp = 4, .tags = "stability sigmoid" },
    { .name = "sigmoid_of_inv", .match = "inv(1 + exp(-?x))", .result = "sigmoid(?x)",
      .why = "one op, whose derivative has no inf/inf where exp(-x) overflows", STABLE, .ulp = 4, .tags = "stability sigmoid" },
    { .name = "sigmoid_of_inv_exp", .match = "inv(1 + exp(?x))", .result = "sigmoid(-?x)",
      .why = "one op, whose derivative has no inf/inf where exp(x) overflows", STABLE, .ulp = 4, .tags = "stability sigmoid" },
    { .name = "sigmoid_of_quotient", .match = "exp(?x) / (1 + exp(?x))", .result = "sigmoid(?x)",
      .why = "inf/inf where exp(x) overflows", STABLE, .ulp = 4, .tags = "stability sigmoid" },
    { .name = "sigmoid_times_exp", .match = "sigmoid(-?x) * exp(?x)", .result = "sigmoid(?x)", .why = "0 * inf where exp(x) overflows",
      STABLE, .ulp = 4, .tags = "stability sigmoid" },
    { .name = "sigmoid_times_neg_exp", .match = "sigmoid(?x) * exp(-?x)", .result = "sigmoid(-?x)", .why = "0 * inf where exp(-x) overflows",
      STABLE, .ulp = 4, .tags = "stability sigmoid" },
    { .name = "softmax_written_out", .match = "exp(?x) / sum(exp(?x), axis=?a, keepdims=true)", .apply = stable_softmax,
      .why = "inf/inf where exp(x) overflows", .source = "Blanchard, Higham & Higham (2021), IMA J. Numer. Anal. 41(4)",
      .phase = BTL_STABILIZE, .exactness = BTL_WITHIN_ULP, .needs = BTL_NO_OVERFLOW | BTL_FINITE, .ulp = 4, .tags = "stability softmax" },

    /* the error function */
    { .name = "one_minus_erf", .match = "1 - erf(?x)", .result = "erfc(?x)", .why = "cancels for x above 0.5, is 0 above 4 (f32)",
      STABLE, .ulp = 4, .tags = "stability erf" },
    { .name = "one_plus_erf", .match = "1 + erf(?x)", .result = "erfc(-?x)", .why = "cancels for x below -0.5",
      STABLE, .ulp = 4, .tags = "stability erf" },
    { .name = "one_minus_erfc", .match = "1 - erfc(?x)", .result = "erf(?x)", .why = "cancels for a small x",
      STABLE, .ulp = 4, .tags = "stability erf" },

    /* roots */
    { .name = "sqrt_sqr", .match = "sqrt(sqr(?x))", .result = "abs(?x)",
      .why = "x*x overflows or underflows, and the derivative at 0 is 0/0", STABLE, .ulp = 1, .tags = "stability" },

    /* gradients written or derived before a stable form was seen */
    { .name = "positive_cancels", .match = "(?a / ?p) * ?p", .apply = stable_cancel, .when = stable_when_positive,
      .why = "p > 0 (softmax, sigmoid, exp) may have underflowed: 0 * (a / 0)", STABLE, .ulp = 1, .tags = "stability gradient" },
    { .name = "positive_cancels_in_part", .ops = "mul", .operand = "inc_subtensor", .apply = stable_scatter,
      .why = "p * inc_subtensor(0, i, a / p[i]): the gradient of log(p[i]) arriving at p = softmax(x)",
      STABLE, .ulp = 1, .tags = "stability gradient softmax",
      .example = "x: f64[4] | = softmax(x) * inc_subtensor(broadcast_to(f64(0), [4])[1], 1 / softmax(x)[1])" },
    { .name = NULL },
};
