/* stats.c - what is made of reductions: mean, var, std, norm, ptp, count_nonzero.
 *
 * Each is only a way of writing, in other ops; derivatives and kernels follow from those. Integers
 * become f64, f16 and bf16 are computed in f32 and rounded at the end. The mean of nothing is NaN.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/reduce.h"

#include <math.h>

/* What the ops of this file begin with: the operand as a float wide enough, settings checked. */
typedef struct stats_operand {
    btl_var *x;
    btl_dtype dtype;   /* of the result */
    int naxes;
    const int *axes;
    bool keepdims;
    uint32_t mask;
} stats_operand;

static bool stats_begin(btl_graph *g, btl_var *x, const btl_param *params, stats_operand *s) {
    btl_param settings[2];
    if (btl_reduce_settings(g, params, x->type.rank, settings) != BTL_OK) return false;
    s->dtype = btl_dtype_kind(x->type.dtype) == 'f' ? x->type.dtype : BTL_F64;
    s->x = btl_widen_half(g, btl_cast_to(g, x, s->dtype));
    s->naxes = settings[0].axes.n;
    s->axes = settings[0].axes.v;
    s->keepdims = settings[1].i != 0;
    s->mask = btl_reduce_mask(&settings[0], x->type.rank);
    return s->x != NULL;
}

static btl_var *stats_end(btl_graph *g, const stats_operand *s, btl_var *y, btl_var **out) {
    y = btl_cast_to(g, y, s->dtype);
    if (out) out[0] = y;
    return y;
}

#define STATS_BUILD(name)                                                                         \
    static btl_var *name##_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in,     \
                                 const btl_param *params, btl_var **out)

/* The sum over the number of elements; `less` of them don't count. */
static btl_var *stats_average(btl_graph *g, const stats_operand *s, btl_var *x, bool keepdims, int64_t less) {
    const btl_dim *n = btl_reduce_count(g, &x->type, s->mask);
    if (less) n = btl_dim_max(g, btl_dim_sub(g, n, btl_dim_const(g, less)), btl_dim_const(g, 0));
    return btl_div(g, btl_sum(g, x, s->naxes, s->axes, keepdims), btl_graph_size(g, n));
}

STATS_BUILD(mean) {
    (void)op, (void)nin;
    stats_operand s;
    if (!stats_begin(g, in[0], params, &s)) return NULL;
    return stats_end(g, &s, stats_average(g, &s, s.x, s.keepdims, 0), out);
}

/* Two passes: differences from the mean first, then their squares. Squares of the values themselves
 * would cancel: Chan, Golub & LeVeque (1983), Amer. Statist. 37(3). */
static btl_var *stats_variance(btl_graph *g, const stats_operand *s, int64_t ddof) {
    btl_var *mean = stats_average(g, s, s->x, true, 0);
    return stats_average(g, s, btl_sqr(g, btl_sub(g, s->x, mean)), s->keepdims, ddof);
}

STATS_BUILD(var) {
    (void)op, (void)nin;
    stats_operand s;
    if (!stats_begin(g, in[0], params, &s)) return NULL;
    return stats_end(g, &s, stats_variance(g, &s, params[2].i), out);
}

STATS_BUILD(std) {
    (void)op, (void)nin;
    stats_operand s;
    if (!stats_begin(g, in[0], params, &s)) return NULL;
    return stats_end(g, &s, btl_sqrt(g, stats_variance(g, &s, params[2].i)), out);
}

/* (sum |x|^ord)^(1/ord) over all elements, and its limits for 0 and infinite ord. */
STATS_BUILD(norm) {
    (void)op, (void)nin;
    stats_operand s;
    if (!stats_begin(g, in[0], params, &s)) return NULL;
    double ord = params[2].f;
    btl_var *y;
    if (ord == 2) y = btl_sqrt(g, btl_sum(g, btl_sqr(g, s.x), s.naxes, s.axes, s.keepdims));
    else if (ord == 1) y = btl_sum(g, btl_abs(g, s.x), s.naxes, s.axes, s.keepdims);
    else if (ord == 0) y = btl_cast_to(g, btl_count_nonzero(g, s.x, s.naxes, s.axes, s.keepdims), s.x->type.dtype);
    else if (isinf(ord)) y = (ord > 0 ? btl_max : btl_min)(g, btl_abs(g, s.x), s.naxes, s.axes, s.keepdims);
    else {
        btl_var *power = btl_pow(g, btl_abs(g, s.x), btl_number(g, ord));
        y = btl_pow(g, btl_sum(g, power, s.naxes, s.axes, s.keepdims), btl_number(g, 1 / ord));
    }
    return stats_end(g, &s, y, out);
}

STATS_BUILD(ptp) {
    (void)op, (void)nin;
    int n = params[0].axes.n;
    const int *axes = params[0].axes.v;
    bool keepdims = params[1].i != 0;
    btl_var *y = btl_sub(g, btl_max(g, in[0], n, axes, keepdims), btl_min(g, in[0], n, axes, keepdims));
    if (out) out[0] = y;
    return y;
}

STATS_BUILD(count_nonzero) {
    (void)op, (void)nin;
    int n = params[0].axes.n;
    const int *axes = params[0].axes.v;
    bool keepdims = params[1].i != 0;
    btl_var *y = btl_sum(g, btl_cast_to(g, in[0], BTL_BOOL), n, axes, keepdims);
    if (out) out[0] = y;
    return y;
}

/* ---- the table ---------------------------------------------------------------------------- */

#define STATS_AXIS { "axis", PARAM_AXES, "none", false, "an axis or a list of axes; none: all" }
#define STATS_KEEPDIMS { "keepdims", PARAM_BOOL, "false", false, "reduced axes stay as axes of size 1" }
static const btl_param_spec var_params[] = {
    STATS_AXIS, STATS_KEEPDIMS, { "ddof", PARAM_INT, "0", false, "the divisor is n - ddof" },
};
static const btl_param_spec norm_params[] = {
    STATS_AXIS, STATS_KEEPDIMS, { "ord", PARAM_FLOAT, "2", false, "order of the norm; inf: the largest magnitude" },
};

static const char *const stats_samples[] = {
    "x: f32[5000]", "x: f32[1]", "x: f32[3, 4] | axis=0", "x: f32[3, 4] | axis=[-1], keepdims=true",
    "x: f64[50, 3] | axis=0", "x: f16[500]", "x: bf16[500]", "x: i8[300]", "x: u64[7]", NULL
};

#define STATS_OP(name_, doc_, signature_, params_)                                                \
    const btl_op btl_op_##name_ = { .name = #name_, .doc = doc_, .signature = #name_ signature_, .version = 1, \
                                    .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_MACRO,       \
                                    .nparams = sizeof params_ / sizeof *params_, .params = params_, \
                                    .build = name_##_build, .samples = stats_samples };
STATS_OP(mean, "arithmetic mean over axes", "(x, axis=none, keepdims=false)", btl_reduce_params)
STATS_OP(var, "variance over axes", "(x, axis=none, keepdims=false, ddof=0)", var_params)
STATS_OP(std, "standard deviation over axes", "(x, axis=none, keepdims=false, ddof=0)", var_params)
STATS_OP(norm, "(sum |x|^ord)^(1/ord) over axes, taken as one vector",
         "(x, axis=none, keepdims=false, ord=2)", norm_params)
STATS_OP(ptp, "max - min over axes", "(x, axis=none, keepdims=false)", btl_reduce_params)
STATS_OP(count_nonzero, "how many are not 0", "(x, axis=none, keepdims=false)", btl_reduce_params)

static btl_var *stats_make(btl_graph *g, const btl_op *op, btl_var *x, int naxes, const int *axes, bool keepdims,
                           btl_param third) {
    const btl_param params[3] = { { .axes = { naxes, axes } }, { .i = keepdims }, third };
    return btl_build(g, op, 1, &x, params, NULL);
}

btl_var *(btl_mean)(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims) {
    return stats_make(g, &btl_op_mean, x, naxes, axes, keepdims, (btl_param){ 0 });
}

btl_var *(btl_variance)(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims, int ddof) {
    return stats_make(g, &btl_op_var, x, naxes, axes, keepdims, (btl_param){ .i = ddof });
}

btl_var *(btl_std)(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims, int ddof) {
    return stats_make(g, &btl_op_std, x, naxes, axes, keepdims, (btl_param){ .i = ddof });
}

btl_var *(btl_norm)(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims, double ord) {
    return stats_make(g, &btl_op_norm, x, naxes, axes, keepdims, (btl_param){ .f = ord });
}

btl_var *(btl_ptp)(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims) {
    return stats_make(g, &btl_op_ptp, x, naxes, axes, keepdims, (btl_param){ 0 });
}

btl_var *(btl_count_nonzero)(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims) {
    return stats_make(g, &btl_op_count_nonzero, x, naxes, axes, keepdims, (btl_param){ 0 });
}
