/* reduce.c - sum, prod, max, min, any, all over any axes, and what is made of them: mean, var, std,
 * norm, ptp, count_nonzero.
 *
 * What a reduction computes is `combine` over the elements, in the one order that docs/DESIGN.md
 * fixes (blocks, lanes, a tree), so that the bits depend neither on threads nor on the schedule.
 * Integers are summed and multiplied in 64 bits, f16 and bf16 in f32. Of nothing, the sum is 0 and the
 * product 1, any is false and all true, and max and min are errors, all as in NumPy.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/reduce.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- axes --------------------------------------------------------------------------------- */

btl_status btl_axis_resolve(btl_graph *g, int64_t axis, int rank, int *out) {
    if (axis < -rank || axis >= rank) {
        btl_status status =
            btl_fail(g, BTL_ESHAPE, "axis %lld is outside an operand of rank %d", (long long)axis, rank);
        if (rank == 0) btl_fail_hint(g, "the operand has no axes: it is one number");
        else btl_fail_hint(g, "axes count from 0 or, backwards, from -1: here %d … %d", -rank, rank - 1);
        return status;
    }
    *out = (int)(axis < 0 ? axis + rank : axis);
    return BTL_OK;
}

static uint32_t reduce_all_axes(int rank) {
    return ((uint32_t)1 << rank) - 1; /* rank <= 16 */
}

btl_status btl_axes_mask(btl_graph *g, const btl_param *axes, int rank, uint32_t *mask) {
    *mask = 0;
    if (axes->axes.n < 0) *mask = reduce_all_axes(rank);
    for (int i = 0; i < axes->axes.n; i++) {
        int axis = 0;
        BTL_TRY(btl_axis_resolve(g, axes->axes.v[i], rank, &axis));
        if (*mask >> axis & 1) return btl_fail(g, BTL_EVALUE, "axis %d is given twice", axes->axes.v[i]);
        *mask |= (uint32_t)1 << axis;
    }
    return BTL_OK;
}

uint32_t btl_reduce_mask(const btl_param *axis, int rank) {
    uint32_t mask = 0;
    if (axis->axes.n < 0) return reduce_all_axes(rank);
    for (int i = 0; i < axis->axes.n; i++) mask |= (uint32_t)1 << (axis->axes.v[i] + (axis->axes.v[i] < 0 ? rank : 0));
    return mask;
}

static btl_param reduce_axes_of_mask(btl_graph *g, uint32_t mask, int rank) {
    btl_param p = { .axes = { -1, NULL } };
    if (mask == reduce_all_axes(rank)) return p;
    int *axes = BTL_ARRAY(&g->arena, int, rank + 1), n = 0;
    for (int i = 0; i < rank; i++)
        if (mask >> i & 1) axes[n++] = i;
    p.axes.n = n;
    p.axes.v = axes;
    return p;
}

btl_status btl_reduce_settings(btl_graph *g, const btl_param *params, int rank, btl_param out[2]) {
    uint32_t mask;
    BTL_TRY(btl_axes_mask(g, &params[0], rank, &mask));
    out[0] = reduce_axes_of_mask(g, mask, rank);
    out[1] = (btl_param){ .i = params[1].i != 0 };
    return BTL_OK;
}

/* ---- types and shapes --------------------------------------------------------------------- */

btl_type btl_reduce_type(btl_graph *g, const btl_type *x, btl_dtype dtype, uint32_t mask, bool keepdims) {
    const btl_dim *dims[BTL_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (!(mask >> i & 1)) dims[rank++] = x->dims[i];
        else if (keepdims) dims[rank++] = btl_dim_const(g, 1);
    }
    return btl_type_make(g, dtype, rank, dims);
}

btl_var *btl_reduce_keep(btl_graph *g, btl_var *v, const btl_type *x, uint32_t mask) {
    if (!v || v->type.rank == x->rank) return v;
    btl_type type = btl_reduce_type(g, x, v->type.dtype, mask, true);
    return btl_reshape_to_dims(g, v, type.rank, type.dims);
}

btl_var *btl_reduce_drop(btl_graph *g, btl_var *v, const btl_type *x, uint32_t mask) {
    if (!v || mask == 0) return v;
    btl_type type = btl_reduce_type(g, x, v->type.dtype, mask, false);
    return btl_reshape_to_dims(g, v, type.rank, type.dims);
}

const btl_dim *btl_reduce_count(btl_graph *g, const btl_type *x, uint32_t mask) {
    const btl_dim *dims[BTL_MAX_RANK];
    int n = 0;
    for (int i = 0; i < x->rank; i++)
        if (mask >> i & 1) dims[n++] = x->dims[i];
    return btl_dim_product(g, n, dims);
}

btl_var *btl_widen_half(btl_graph *g, btl_var *x) {
    return x && (x->type.dtype == BTL_F16 || x->type.dtype == BTL_BF16) ? btl_cast_to(g, x, BTL_F32) : x;
}

/* The transpose of broadcasting. Axes that v has more, and those of size 1 that it stretched. */
btl_var *btl_sum_to(btl_graph *g, btl_var *v, const btl_type *type) {
    if (!v) return NULL;
    int rank = v->type.rank, lead = rank - type->rank;
    assert(lead >= 0);
    uint32_t mask = reduce_all_axes(lead), leading = mask;
    for (int i = lead; i < rank; i++)
        if (btl_dim_is(type->dims[i - lead], 1) && !btl_dim_is(v->type.dims[i], 1)) mask |= (uint32_t)1 << i;
    if (mask == 0) return v;
    btl_param axes = reduce_axes_of_mask(g, mask, rank);
    btl_var *sum = btl_sum(g, v, axes.axes.n, axes.axes.v, mask != leading);
    return sum && lead && mask != leading ? btl_reshape_to_dims(g, sum, type->rank, type->dims) : sum;
}

/* ---- the ops ------------------------------------------------------------------------------ */

const btl_param_spec btl_reduce_params[2] = {
    { "axis", PARAM_AXES, "none", false, "an axis or a list of axes; none: all" },
    { "keepdims", PARAM_BOOL, "false", false, "reduced axes stay as axes of size 1" },
};

static btl_status reduce_infer(btl_infer *x) {
    const btl_type *type = &x->in[0]->type;
    uint32_t mask;
    BTL_TRY(btl_axes_mask(x->g, &x->params[0], type->rank, &mask));
    x->out[0] = btl_reduce_type(x->g, type, type->dtype, mask, x->params[1].i != 0);
    return BTL_OK;
}

/* Applies the op to x as it is, with settings in their normal form. */
static btl_var *reduce_apply(btl_graph *g, const btl_op *op, btl_var *x, const btl_param *params) {
    btl_param settings[2];
    if (!x || btl_reduce_settings(g, params, x->type.rank, settings) != BTL_OK) return NULL;
    btl_node *n = btl_apply(g, op, 1, &x, settings);
    return n ? n->out : NULL;
}

static btl_var *reduce_give(btl_var *y, btl_var **out) {
    if (out) out[0] = y;
    return y;
}

/* sum, prod: integers in 64 bits, halves in f32 and back. */
static btl_var *reduce_build_wide(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                  btl_var **out) {
    (void)nin;
    btl_dtype dtype = in[0]->type.dtype, wide = dtype;
    char kind = btl_dtype_kind(dtype);
    if (kind == 'u') wide = BTL_U64;
    else if (kind != 'f') wide = BTL_I64;
    else if (btl_dtype_bytes(dtype) == 2) wide = BTL_F32;
    btl_var *y = reduce_apply(g, op, btl_cast_to(g, in[0], wide), params);
    return reduce_give(kind == 'f' ? btl_cast_to(g, y, dtype) : y, out);
}

/* max, min: exact in every type. */
static btl_var *reduce_build_plain(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                   btl_var **out) {
    (void)nin;
    return reduce_give(reduce_apply(g, op, in[0], params), out);
}

/* any, all: of whatever is not 0. */
static btl_var *reduce_build_bool(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                  btl_var **out) {
    (void)nin;
    return reduce_give(reduce_apply(g, op, btl_cast_to(g, in[0], BTL_BOOL), params), out);
}

static uint32_t reduce_node_mask(const btl_node *n) {
    return btl_reduce_mask(&n->params[0], n->in[0]->type.rank);
}

/* Every element counts once: the gradient spreads over them. */
static btl_status sum_vjp(btl_vjp *v) {
    const btl_type *x = &v->in[0]->type;
    btl_var *dy = btl_reduce_keep(v->g, v->dout[0], x, reduce_node_mask(v->node));
    v->din[0] = btl_broadcast_to_dims(v->g, dy, x->rank, x->dims);
    return v->din[0] ? BTL_OK : v->g->status;
}

/* The product of the others. By division where they are not 0, so zeros are replaced by 1 first:
 * with one zero the product of the others is what is left; with another one it is 0 (Theano's way). */
static btl_status prod_vjp(btl_vjp *v) {
    btl_graph *g = v->g;
    btl_var *x = v->in[0];
    int naxes = v->node->params[0].axes.n;
    const int *axes = v->node->params[0].axes.v;
    btl_var *zero = btl_eq(g, x, btl_number(g, 0)), *rest = btl_where(g, zero, btl_number(g, 1), x);
    btl_var *others = btl_sub(g, btl_sum(g, zero, naxes, axes, true), btl_i64(g, zero)); /* zeros among them */
    btl_var *slope = btl_div(g, btl_prod(g, rest, naxes, axes, true), rest);
    slope = btl_where(g, btl_eq(g, others, btl_integer(g, 0)), slope, btl_number(g, 0));
    v->din[0] = btl_mul(g, btl_reduce_keep(g, v->dout[0], &x->type, reduce_node_mask(v->node)), slope);
    return v->din[0] ? BTL_OK : g->status;
}

/* Every element that equals the extreme gets the whole gradient, as in Theano. */
static btl_status extreme_vjp(btl_vjp *v) {
    btl_graph *g = v->g;
    btl_var *x = v->in[0];
    uint32_t mask = reduce_node_mask(v->node);
    btl_var *y = btl_reduce_keep(g, v->out[0], &x->type, mask), *dy = btl_reduce_keep(g, v->dout[0], &x->type, mask);
    v->din[0] = btl_where(g, btl_eq(g, x, y), dy, btl_number(g, 0));
    return v->din[0] ? BTL_OK : g->status;
}

static bool reduce_never_connected(const btl_node *n, int out, int in) {
    (void)n, (void)out, (void)in;
    return false;
}

#define REDUCE_SAMPLES(t) "x: " t "[0]", "x: " t "[1]", "x: " t "[5000]", "x: " t "[3, 5, 7] | axis=1", \
    "x: " t "[3, 5, 7] | axis=[0, -1], keepdims=true"
#define REDUCE_SHAPES "x: f32", "x: f32[2, 0, 3] | axis=0", "x: f32[2, 3] | axis=[]", \
    "x: f32[2, 2, 2, 2] | axis=[3, 1]", \
    "x: f32[300, 40] | axis=0", "x: f32[9000, 3] | axis=0, keepdims=true", "x: f32[20000]"
static const char *const reduce_samples[] = {
    REDUCE_SHAPES, "x: f32[2, 0, 3] | axis=1", REDUCE_SAMPLES("f32"), REDUCE_SAMPLES("f64"), REDUCE_SAMPLES("f16"),
    REDUCE_SAMPLES("bf16"), REDUCE_SAMPLES("i8"), REDUCE_SAMPLES("i64"), REDUCE_SAMPLES("u8"), REDUCE_SAMPLES("u64"),
    REDUCE_SAMPLES("bool"), NULL
};
#define EXTREME_SAMPLES(t) "x: " t "[1]", "x: " t "[5000]", "x: " t "[3, 5, 7] | axis=1", \
    "x: " t "[3, 5, 7] | axis=[0, -1], keepdims=true"
static const char *const extreme_samples[] = {
    REDUCE_SHAPES, EXTREME_SAMPLES("f32"), EXTREME_SAMPLES("f64"), EXTREME_SAMPLES("f16"), EXTREME_SAMPLES("bf16"),
    EXTREME_SAMPLES("i8"), EXTREME_SAMPLES("i16"), EXTREME_SAMPLES("i32"), EXTREME_SAMPLES("i64"),
    EXTREME_SAMPLES("u8"), EXTREME_SAMPLES("u16"), EXTREME_SAMPLES("u32"), EXTREME_SAMPLES("u64"), EXTREME_SAMPLES("bool"), NULL
};

#define REDUCE_OP(name_, doc_, build_, samples_, ...)                                             \
    const btl_op btl_op_##name_ = { .name = #name_, .doc = doc_,                                  \
                                    .signature = #name_ "(x, axis=none, keepdims=false)", .version = 1, \
                                    .min_in = 1, .max_in = 1, .nout = 1, .promote = PROMOTE_NONE, \
                                    .nparams = 2, .params = btl_reduce_params,                    \
                                    .infer = reduce_infer, .build = build_, .reduction = &name_##_reduction, \
                                    .samples = samples_, __VA_ARGS__ };

static const btl_reduction sum_reduction = { &btl_op_add, -0.0, IDENTITY_ZERO, false, 0 };
REDUCE_OP(sum, "sum over axes; of integers in i64 or u64", reduce_build_wide, reduce_samples, .vjp = sum_vjp)
static const btl_reduction prod_reduction = { &btl_op_mul, 1, IDENTITY_ONE, false, 1 };
REDUCE_OP(prod, "product over axes; of integers in i64 or u64", reduce_build_wide, reduce_samples, .vjp = prod_vjp)
static const btl_reduction max_reduction = { &btl_op_maximum, -(double)INFINITY, IDENTITY_LEAST, true, 0 };
REDUCE_OP(max, "largest over axes; NaN if one is NaN", reduce_build_plain, extreme_samples, .vjp = extreme_vjp,
          .flags = OP_CAN_FAIL)
static const btl_reduction min_reduction = { &btl_op_minimum, (double)INFINITY, IDENTITY_LARGEST, true, 0 };
REDUCE_OP(min, "smallest over axes; NaN if one is NaN", reduce_build_plain, extreme_samples, .vjp = extreme_vjp,
          .flags = OP_CAN_FAIL)
static const btl_reduction any_reduction = { &btl_op_logical_or, 0, IDENTITY_ZERO, false, 0 };
REDUCE_OP(any, "is one not 0?", reduce_build_bool, reduce_samples, .connected = reduce_never_connected)
static const btl_reduction all_reduction = { &btl_op_logical_and, 1, IDENTITY_ONE, false, 1 };
REDUCE_OP(all, "is none 0?", reduce_build_bool, reduce_samples, .connected = reduce_never_connected)

#define REDUCE_BUILDER(name)                                                                      \
    btl_var *(btl_##name)(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims) {               \
        const btl_param params[2] = { { .axes = { naxes, axes } }, { .i = keepdims } };        \
        return btl_build(g, &btl_op_##name, 1, &x, params, NULL);                                 \
    }
REDUCE_BUILDER(sum)
REDUCE_BUILDER(prod)
REDUCE_BUILDER(max)
REDUCE_BUILDER(min)
REDUCE_BUILDER(any)
REDUCE_BUILDER(all)
