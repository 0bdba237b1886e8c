/* activation.c - functions between layers and inside losses: sigmoid, softplus, relu, x log x, …
 *
 * sigmoid, softplus, softsign and gelu have texts of their own, because written in other ops they
 * overflow or lose digits. relu, elu and hard_sigmoid are only ways of writing: they become where,
 * clip and the like, which the rewriter and the fuser know already.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/elemwise.h"

#include "base/error.h"
#include "ops/reduce.h"

static long double activation_sigmoid(long double x) {
    if (x >= 0) return 1 / (1 + expl(-x));
    long double e = expl(x);
    return e / (1 + e);
}

static long double activation_softplus(long double x) {
    return isnan(x) ? x : (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
}

static long double activation_softsign(long double x) {
    return isinf(x) ? copysignl(1, x) : x / (1 + fabsl(x));
}

ELEM_REAL1(sigmoid, activation_sigmoid(a))
ELEM_VJP1(sigmoid, btl_mul(g, dy, btl_mul(g, y, btl_sub(g, NUM(1), y))))
ELEM_REAL_OP(sigmoid, "1 / (1 + exp(-x))", "btl_sigmoid$f($0)", 1.5, 16)

ELEM_REAL1(softplus, activation_softplus(a))
ELEM_VJP1(softplus, btl_mul(g, dy, btl_sigmoid(g, x)))
ELEM_REAL_OP(softplus, "log(1 + exp(x)), without overflow", "btl_softplus$f($0)", 2.5, 25)

ELEM_REAL1(softsign, activation_softsign(a))
ELEM_VJP1(softsign, btl_div(g, dy, btl_sqr(g, btl_add(g, btl_abs(g, x), NUM(1)))))
ELEM_REAL_OP(softsign, "x / (1 + |x|)",
             "$0 - $0 == 0 ? $0 / (1 + __builtin_fabs$f($0)) : $0 > 0 ? ($T)1 : $0 < 0 ? ($T)-1 : $0", 2, 6)

/* ---- GELU -------------------------------------------------------------------------------------- */

/* x Phi(x), Phi the normal distribution: Hendrycks & Gimpel (2016), Gaussian Error Linear Units. */
static long double activation_gelu(long double x) {
    if (isinf(x)) return x > 0 ? x : -0.0L;
    return x * 0.5L * erfcl(-x * 0.707106781186547524400844362104849039L);
}

/* Phi(x) + x exp(-x*x/2) / sqrt(2 pi). Beyond 40 the second term is 0 in every type; infinity times that is not. */
static btl_var *gelu_slope(btl_graph *g, btl_var *x) {
    btl_var *near = btl_clip(g, x, NUM(-40), NUM(40));
    btl_var *phi = btl_mul(g, NUM(0.398942280401432677940), btl_exp(g, btl_mul(g, NUM(-0.5), btl_sqr(g, near))));
    btl_var *below = btl_mul(g, NUM(0.5), btl_erfc(g, btl_mul(g, NUM(-0.707106781186547524401), near)));
    return btl_add(g, below, btl_mul(g, near, phi));
}

/* 0.5 x (1 + tanh u) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3): so nothing cancels for negative x. Beyond 30 the
 * sigmoid is 0 or 1 in every type, and infinity times 0 no number. f16 and bf16 in f32. */
static btl_var *gelu_by_tanh(btl_graph *g, btl_var *x) {
    btl_var *wide = btl_widen_half(g, x), *near = btl_clip(g, wide, NUM(-30), NUM(30));
    btl_var *u2 = btl_mul(g, near, btl_add(g, NUM(1.59576912160573071176), btl_mul(g, NUM(0.0713548162726002527), btl_sqr(g, near))));
    btl_var *y = btl_mul(g, btl_maximum(g, wide, NUM(-30)), btl_sigmoid(g, u2));
    return y ? btl_cast_to(g, y, x->type.dtype) : NULL;
}

static const btl_param_spec activation_gelu_params[] = {
    { "approximate", PARAM_BOOL, "false", false, "by tanh, as the first published models computed it" },
};

static btl_var *gelu_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                           btl_var **out) {
    btl_var *x, *y = NULL;
    if (btl_promote_operands(g, PROMOTE_REAL, nin, in, &x)) return NULL;
    if (params[0].i) {
        y = gelu_by_tanh(g, x);
    } else {
        btl_node *n = btl_apply(g, op, 1, &x, params);
        if (n) y = n->out;
    }
    if (out) out[0] = y;
    return y;
}

ELEM_REAL1(gelu, activation_gelu(a))
ELEM_VJP1(gelu, btl_mul(g, dy, gelu_slope(g, x)))
ELEM_TEXT(gelu, .code_float = "btl_gelu$f($0)", .real = gelu_real, .max_ulp = 4, .cost = 30)
ELEM_OP(gelu, 1, "gelu(x, approximate=false)", "x times the normal distribution's Phi(x)", .promote = PROMOTE_REAL, .vjp = gelu_vjp,
        .build = gelu_build, .nparams = 1, .params = activation_gelu_params, .samples = btl_samples_float_1)

/* ---- 0 log 0 = 0 -------------------------------------------------------------------------- */

ELEM_REAL1(xlogx, a == 0 ? 0 : a * logl(a))
ELEM_VJP1(xlogx, btl_mul(g, dy, btl_add(g, btl_log(g, x), NUM(1))))
ELEM_REAL_OP(xlogx, "x log(x), 0 at 0", "$0 == 0 ? ($T)0 : $0 * btl_log$f($0)", 4, 16)

/* d/dy is a/b, and 0 where a is 0, whatever b. */
ELEM_REAL2(xlogy0, a == 0 ? 0 : a * logl(b))
ELEM_VJP2(xlogy0, btl_mul(g, dy, btl_log(g, b)),
          btl_mul(g, dy, btl_div(g, a, btl_where(g, btl_eq(g, a, NUM(0)), NUM(1), b))))
ELEM_TEXT(xlogy0, .code_float = "$0 == 0 ? ($T)0 : $0 * btl_log$f($1)", .real = xlogy0_real, .max_ulp = 4, .cost = 16)
ELEM_OP(xlogy0, 2, "xlogy0(x, y)", "x log(y), 0 where x is 0", .promote = PROMOTE_REAL, .vjp = xlogy0_vjp,
        .samples = btl_samples_float_2)

/* ---- log(exp(x) + exp(y)) ----------------------------------------------------------------- */

/* Two equal operands, infinite ones among them, need no difference (inf - inf is NaN). */
static btl_var *logaddexp_body(btl_graph *g, const btl_node *n, btl_var *const *in) {
    (void)n;
    btl_var *a = in[0], *b = in[1];
    btl_var *far = btl_add(g, btl_maximum(g, a, b), btl_softplus(g, btl_neg(g, btl_abs(g, btl_sub(g, a, b)))));
    return btl_where(g, btl_eq(g, a, b), btl_add(g, a, NUM(0.693147180559945309417)), far);
}

/* exp(a - y): between 0 and 1. Where y is -inf so are both operands, and nothing flows. */
static btl_var *logaddexp_share(btl_graph *g, btl_var *x, btl_var *y) {
    return btl_exp(g, btl_sub(g, x, btl_where(g, btl_eq(g, y, NUM(-(double)INFINITY)), NUM(0), y)));
}
ELEM_VJP2(logaddexp, btl_mul(g, dy, logaddexp_share(g, a, y)), btl_mul(g, dy, logaddexp_share(g, b, y)))

const btl_op btl_op_logaddexp = {
    .name = "logaddexp", .doc = "log(exp(x) + exp(y)), without overflow", .signature = "logaddexp(x, y)", .version = 1,
    .min_in = 2, .max_in = 2, .nout = 1, .flags = OP_COMMUTATIVE, .promote = PROMOTE_REAL,
    .infer = btl_elemwise_infer, .body = logaddexp_body, .vjp = logaddexp_vjp, .samples = btl_samples_float_2,
};

/* ---- ways of writing ---------------------------------------------------------------------- */

static const btl_param_spec activation_relu_params[] = {
    { "alpha", PARAM_FLOAT, "0", false, "slope for negative x" },
};
static const btl_param_spec activation_elu_params[] = {
    { "alpha", PARAM_FLOAT, "1", false, "-alpha is the limit for x to -inf" },
};

/* Slope alpha at 0 itself; NaN stays NaN. A number stays whole: relu of integers with alpha 0 is of integers. */
static btl_var *relu_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                           btl_var **out) {
    (void)op, (void)nin;
    btl_var *x = in[0], *below = params[0].f == 0 ? btl_integer(g, 0) : btl_mul(g, NUM(params[0].f), x);
    btl_var *y = btl_where(g, btl_le(g, x, btl_integer(g, 0)), below, x);
    if (out) out[0] = y;
    return y;
}

/* expm1 sees no positive x: an overflow there would turn into 0 * inf in the gradient. */
static btl_var *elu_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                          btl_var **out) {
    (void)op, (void)nin;
    btl_var *x = in[0], *below = btl_expm1(g, btl_minimum(g, x, btl_integer(g, 0)));
    btl_var *y = btl_where(g, btl_gt(g, x, btl_integer(g, 0)), x, btl_mul(g, NUM(params[0].f), below));
    if (out) out[0] = y;
    return y;
}

/* Theano's: 0.2 x + 0.5 between 0 and 1. */
static btl_var *hard_sigmoid_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                   btl_var **out) {
    (void)op, (void)nin, (void)params;
    btl_var *y = btl_clip(g, btl_add(g, btl_mul(g, in[0], NUM(0.2)), NUM(0.5)), NUM(0), NUM(1));
    if (out) out[0] = y;
    return y;
}

/* Theano's binary_crossentropy(p, t) = -(t log p + (1-t) log(1-p)); log1p keeps a small p's digits. */
static btl_var *binary_crossentropy_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in,
                                          const btl_param *params, btl_var **out) {
    (void)op, (void)nin, (void)params;
    btl_var *p = in[0], *t = in[1];
    btl_var *hit = btl_xlogy0(g, t, p), *miss = btl_mul(g, btl_sub(g, NUM(1), t), btl_log1p(g, btl_neg(g, p)));
    btl_var *y = btl_neg(g, btl_add(g, hit, miss));
    if (out) out[0] = y;
    return y;
}

/* -log p[i, t[i]] for class numbers t: i32[n]; -sum(t log p) along the last axis for distributions t
 * of p's shape. Theano's. */
static btl_var *categorical_crossentropy_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in,
                                               const btl_param *params, btl_var **out) {
    (void)op, (void)nin, (void)params;
    btl_var *p = in[0], *t = in[1], *y;
    char kind = btl_dtype_kind(t->type.dtype);
    int last = -1;
    if (p->type.rank == 2 && t->type.rank == 1 && (kind == 'i' || kind == 'u')) {
        btl_var *rows = btl_arange(g, NULL, btl_graph_size(g, p->type.dims[0]), NULL);
        btl_var *const operands[3] = { p, rows, t };
        const btl_index_item at[2] = { { INDEX_ARRAY, { NULL, 1 }, { NULL, -1 }, { NULL, -1 } },
                                       { INDEX_ARRAY, { NULL, 2 }, { NULL, -1 }, { NULL, -1 } } };
        btl_param index = { .index = { 2, btl_arena_copy(&g->arena, at, sizeof at) } };
        y = btl_neg(g, btl_log(g, btl_build(g, btl_op_find("advanced_subtensor", 18), 3, operands, &index, NULL)));
    } else if (p->type.rank >= 1 && t->type.rank == p->type.rank && kind == 'f') {
        y = btl_neg(g, btl_sum(g, btl_xlogy0(g, t, p), 1, &last, false));
    } else {
        btl_fail(g, BTL_ESHAPE, "needs p[n, k] and class numbers t[n], or distributions t of p's shape: %s, %s",
                 btl_var_text(g, p), btl_var_text(g, t));
        return NULL;
    }
    if (out) out[0] = y;
    return y;
}

#define ACTIVATION_MACRO(name_, nin, signature_, doc_, samples_, ...)                             \
    const btl_op btl_op_##name_ = { .name = #name_, .doc = doc_, .signature = signature_, .version = 1, \
                                    .min_in = nin, .max_in = nin, .nout = 1, .flags = OP_MACRO,   \
                                    .build = name_##_build, .samples = samples_, __VA_ARGS__ };

ACTIVATION_MACRO(relu, 1, "relu(x, alpha=0)", "x where x > 0, else alpha * x", btl_samples_number_1, .nparams = 1,
                 .params = activation_relu_params)
ACTIVATION_MACRO(elu, 1, "elu(x, alpha=1)", "x where x > 0, else alpha * expm1(x)", btl_samples_float_1, .nparams = 1,
                 .params = activation_elu_params)
ACTIVATION_MACRO(hard_sigmoid, 1, "hard_sigmoid(x)", "0.2 x + 0.5 between 0 and 1", btl_samples_float_1, .nparams = 0)
ACTIVATION_MACRO(binary_crossentropy, 2, "binary_crossentropy(p, t)", "-(t log(p) + (1-t) log(1-p))",
                 btl_samples_float_2, .nparams = 0)

static const char *const categorical_samples[] = { "p: f32[7, 4], t: f32[7, 4]", "p: f64[4], t: f64[4]", NULL };
ACTIVATION_MACRO(categorical_crossentropy, 2, "categorical_crossentropy(p, t)",
                 "-log(p[arange(n), t]), or -sum(t log(p)) along the last axis", categorical_samples, .nparams = 0)
