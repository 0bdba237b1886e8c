/* softmax.c - normalised exponentials along axes: softmax, log_softmax, logsumexp.
 *
 *     softmax(x)[i] = exp(x[i] - m) / s,   log_softmax(x)[i] = (x[i] - m) - log s,
 *     logsumexp(x) = m + log s,            m = max_j x[j],  s = sum_j exp(x[j] - m)
 *
 * Subtracting m changes nothing mathematically and keeps every exponent <= 0, so that no finite
 * input overflows: Blanchard, Higham & Higham (2021), IMA J. Numer. Anal. 41(4). logsumexp leaves an
 * infinite m out (inf - inf is NaN), so that a row of -inf gives -inf and one with inf gives inf. The
 * other two are not defined there and give NaN. f16 and bf16 are computed in f32.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/reduce.h"

#include <math.h>

/* ---- softmax and log_softmax: one axis ---------------------------------------------------- */

static const btl_param_spec softmax_params[] = {
    { "axis", PARAM_INT, "-1", true, "the axis along which the results add up to 1" },
};

static btl_status softmax_infer(btl_infer *x) {
    int axis;
    if (btl_dtype_kind(x->in[0]->type.dtype) != 'f')
        return btl_fail(x->g, BTL_EDTYPE, "needs a floating-point operand: %s", btl_var_text(x->g, x->in[0]));
    btl_status status = btl_axis_resolve(x->g, x->params[0].i, x->in[0]->type.rank, &axis);
    if (status == BTL_OK) x->out[0] = x->in[0]->type;
    return status;
}

/* The axis counted from 0, integers as f64. */
static btl_var *softmax_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                              btl_var **out) {
    (void)nin;
    int axis;
    btl_var *x = btl_dtype_kind(in[0]->type.dtype) == 'f' ? in[0] : btl_cast_to(g, in[0], BTL_F64);
    if (!x || btl_axis_resolve(g, params[0].i, x->type.rank, &axis) != BTL_OK) return NULL;
    btl_param settings[1] = { { .i = axis } };
    btl_node *n = btl_apply(g, op, 1, &x, settings);
    btl_var *y = n ? n->out : NULL;
    if (out) out[0] = y;
    return y;
}

static int softmax_axis(const btl_node *n) {
    int64_t axis = n->params[0].i;
    return (int)(axis < 0 ? axis + n->in[0]->type.rank : axis);
}

static btl_var *softmax_body(btl_graph *g, const btl_node *n, btl_var *const *in) {
    int axis = softmax_axis(n);
    btl_var *x = btl_widen_half(g, in[0]);
    btl_var *e = btl_exp(g, btl_sub(g, x, btl_max(g, x, 1, &axis, true)));
    return btl_cast_to(g, btl_div(g, e, btl_sum(g, e, 1, &axis, true)), in[0]->type.dtype);
}

/* dx = y (dy - sum(dy y)): needs y, not x. As t - y sum(t), t = dy y, it is one product less. */
static btl_status softmax_vjp(btl_vjp *v) {
    btl_graph *g = v->g;
    int axis = softmax_axis(v->node);
    btl_var *y = v->out[0], *t = btl_mul(g, v->dout[0], y);
    v->din[0] = btl_sub(g, t, btl_mul(g, y, btl_sum(g, t, 1, &axis, true)));
    return v->din[0] ? BTL_OK : g->status;
}

static btl_var *log_softmax_body(btl_graph *g, const btl_node *n, btl_var *const *in) {
    int axis = softmax_axis(n);
    btl_var *x = btl_widen_half(g, in[0]);
    btl_var *shifted = btl_sub(g, x, btl_max(g, x, 1, &axis, true));
    btl_var *log_sum = btl_log(g, btl_sum(g, btl_exp(g, shifted), 1, &axis, true));
    return btl_cast_to(g, btl_sub(g, shifted, log_sum), in[0]->type.dtype);
}

/* dx = dy - softmax(x) sum(dy), softmax(x) = exp(y). */
static btl_status log_softmax_vjp(btl_vjp *v) {
    btl_graph *g = v->g;
    int axis = softmax_axis(v->node);
    btl_var *dy = v->dout[0], *total = btl_sum(g, dy, 1, &axis, true);
    v->din[0] = btl_sub(g, dy, btl_mul(g, btl_exp(g, v->out[0]), total));
    return v->din[0] ? BTL_OK : g->status;
}

static const char *const softmax_samples[] = {
    "x: f32[1]", "x: f32[3, 7]", "x: f32[3, 7] | axis=0", "x: f32[0, 4]", "x: f32[2, 3, 4] | axis=1", "x: f32[2, 5000]",
    "x: f64[5, 9]", "x: f16[4, 30]", "x: bf16[4, 30]", "x: i32[3, 4]", NULL
};

#define SOFTMAX_OP(name_, doc_)                                                                   \
    const btl_op btl_op_##name_ = {                                                               \
        .name = #name_, .doc = doc_, .signature = #name_ "(x, axis=-1)", .version = 1, .min_in = 1, .max_in = 1, \
        .nout = 1, .flags = OP_CAN_FAIL, .promote = PROMOTE_REAL, .nparams = 1, .params = softmax_params, \
        .infer = softmax_infer, .build = softmax_build, .body = name_##_body, .vjp = name_##_vjp, \
        .batch = btl_batch_axis, .samples = softmax_samples,                                      \
    };                                                                                            \
    btl_var *(btl_##name_)(btl_graph *g, btl_var *x, int axis) {                                  \
        btl_param param = { .i = axis };                                                          \
        return btl_build(g, &btl_op_##name_, 1, &x, &param, NULL);                                \
    }
SOFTMAX_OP(softmax, "exp(x) / sum(exp(x)) along one axis")
SOFTMAX_OP(log_softmax, "log(softmax(x)) along one axis, without overflow or log(0)")

/* ---- logsumexp: any axes ------------------------------------------------------------------ */

static btl_status logsumexp_infer(btl_infer *x) {
    const btl_type *type = &x->in[0]->type;
    uint32_t mask;
    if (btl_dtype_kind(type->dtype) != 'f')
        return btl_fail(x->g, BTL_EDTYPE, "needs a floating-point operand: %s", btl_var_text(x->g, x->in[0]));
    btl_status status = btl_axes_mask(x->g, &x->params[0], type->rank, &mask);
    if (status == BTL_OK) x->out[0] = btl_reduce_type(x->g, type, type->dtype, mask, x->params[1].i != 0);
    return status;
}

static btl_var *logsumexp_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                btl_var **out) {
    (void)nin;
    btl_param settings[2];
    btl_var *x = btl_dtype_kind(in[0]->type.dtype) == 'f' ? in[0] : btl_cast_to(g, in[0], BTL_F64);
    if (!x || btl_reduce_settings(g, params, x->type.rank, settings) != BTL_OK) return NULL;
    btl_node *n = btl_apply(g, op, 1, &x, settings);
    btl_var *y = n ? n->out : NULL;
    if (out) out[0] = y;
    return y;
}

static btl_var *logsumexp_body(btl_graph *g, const btl_node *n, btl_var *const *in) {
    int naxes = n->params[0].axes.n;
    const int *axes = n->params[0].axes.v;
    uint32_t mask = btl_reduce_mask(&n->params[0], in[0]->type.rank);
    btl_var *x = btl_widen_half(g, in[0]), *m = btl_max(g, x, naxes, axes, true);
    m = btl_where(g, btl_isinf(g, m), btl_number(g, 0), m);
    btl_var *y = btl_add(g, m, btl_log(g, btl_sum(g, btl_exp(g, btl_sub(g, x, m)), naxes, axes, true)));
    if (!n->params[1].i) y = btl_reduce_drop(g, y, &in[0]->type, mask);
    return btl_cast_to(g, y, in[0]->type.dtype);
}

/* dx = dy exp(x - y): the softmax. Where y is -inf so is all of x, and the gradient is 0. */
static btl_status logsumexp_vjp(btl_vjp *v) {
    btl_graph *g = v->g;
    btl_var *x = v->in[0];
    uint32_t mask = btl_reduce_mask(&v->node->params[0], x->type.rank);
    btl_var *y = btl_reduce_keep(g, v->out[0], &x->type, mask), *dy = btl_reduce_keep(g, v->dout[0], &x->type, mask);
    y = btl_where(g, btl_eq(g, y, btl_number(g, -(double)INFINITY)), btl_number(g, 0), y);
    v->din[0] = btl_mul(g, dy, btl_exp(g, btl_sub(g, x, y)));
    return v->din[0] ? BTL_OK : g->status;
}

static const char *const logsumexp_samples[] = {
    "x: f32", "x: f32[1]", "x: f32[5000]", "x: f32[3, 7] | axis=0", "x: f32[3, 7] | axis=-1, keepdims=true",
    "x: f64[2, 3, 4] | axis=[0, 2]", "x: f16[4, 30] | axis=1", "x: bf16[30]", "x: i32[3, 4]", NULL
};

const btl_op btl_op_logsumexp = {
    .name = "logsumexp", .doc = "log(sum(exp(x))) over axes, without overflow",
    .signature = "logsumexp(x, axis=none, keepdims=false)", .version = 1, .min_in = 1, .max_in = 1, .nout = 1,
    .flags = OP_CAN_FAIL, .promote = PROMOTE_REAL, .nparams = 2, .params = btl_reduce_params, .infer = logsumexp_infer,
    .build = logsumexp_build, .body = logsumexp_body, .vjp = logsumexp_vjp, .batch = btl_batch_axis, .samples = logsumexp_samples,
};

btl_var *(btl_logsumexp)(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims) {
    const btl_param params[2] = { { .axes = { naxes, axes } }, { .i = keepdims } };
    return btl_build(g, &btl_op_logsumexp, 1, &x, params, NULL);
}
