/* pool.c - the largest and the mean of each window of images: max_pool2d, mean_pool2d, and their derivatives.
 *
 *     max_pool2d     y[w] = max of x over the pixels of window w that lie in the image
 *     mean_pool2d    y[w] = their mean
 *
 * A last window that does not lie inside image and padding as a whole is dropped (Theano's ignore_border).
 * Padding has no values: it neither is a maximum nor counts for a mean. The derivative of a maximum goes
 * to every pixel that equals it, as Theano's and as btl_max's: where two tie, both get all of it. With
 * "x is y" as what was chosen, the derivatives are linear and each other's:
 *
 *     max_pool2d_dx(x, y, dy)    dx[i] = sum of dy[w] over the windows of pixel i, where x[i] == y[w]
 *     max_pool2d_at(x, y, v)      r[w] = sum of v[i] over the pixels of window w, where x[i] == y[w]
 *     mean_pool2d_dx(dy)         dx[i] = sum of dy[w] / count[w] over the windows of pixel i
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/pool.h"

#include "base/error.h"
#include "expr/emit.h"
#include "expr/operand.h"

#include <math.h>

extern const btl_op btl_op_max_pool2d, btl_op_max_pool2d_dx, btl_op_max_pool2d_at, btl_op_mean_pool2d, btl_op_mean_pool2d_dx;

/* ---- settings ------------------------------------------------------------------------------ */

enum { SIZE, STRIDE, PADDING, NSETTINGS };

static const btl_param_spec pool_params[] = {
    { "image", PARAM_SHAPE, NULL, true, "rows and columns of the result" }, /* of mean_pool2d_dx alone */
    { "size", PARAM_SHAPE, "2", true, "rows and columns of a window: one size or two" },
    { "stride", PARAM_SHAPE, "none", false, "steps between windows: one size or two; none: the window's size" },
    { "padding", PARAM_SHAPE, "0", false, "rows and columns around the image, which have no values: one size or two" },
};

static const btl_param *pool_settings(const btl_op *op, const btl_param *params) {
    return params + (op->nparams - NSETTINGS);
}

static btl_var *pool_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                           btl_var **out) {
    btl_param normal[NSETTINGS + 1];
    btl_var *v[3];
    const btl_param *given = pool_settings(op, params);
    int first = op->nparams - NSETTINGS;
    if (first && btl_window_setting(g, "image", &params[0], 0, NULL, &normal[0])) return NULL;
    btl_param *s = normal + first;
    if (btl_window_setting(g, "size", &given[SIZE], 1, NULL, &s[SIZE]) ||
        btl_window_setting(g, "stride", &given[STRIDE], 1, s[SIZE].shape.v, &s[STRIDE]) ||
        btl_window_setting(g, "padding", &given[PADDING], 0, NULL, &s[PADDING]) ||
        btl_promote_operands(g, op->promote, nin, in, v))
        return NULL;
    btl_node *n = btl_apply(g, op, nin, v, normal);
    btl_var *y = n ? n->out : NULL;
    if (out) out[0] = y;
    return y;
}

/* ---- types --------------------------------------------------------------------------------- */

/* Every window has a pixel: the padding is smaller than the window, and the image not empty. */
static btl_status pool_check(btl_graph *g, const btl_dim *n, const btl_dim *k, const btl_dim *stride, const btl_dim *padding) {
    const btl_dim *zero = btl_dim_const(g, 0), *one = btl_dim_const(g, 1), *beyond = btl_dim_add(g, padding, one);
    const char *small = "size and stride must be at least 1, padding at least 0";
    if (btl_window_at_most(g, one, k, small) || btl_window_at_most(g, one, stride, small) ||
        btl_window_at_most(g, zero, padding, small))
        return btl_fail(g, BTL_EVALUE, "%s", small);
    if (btl_window_at_most(g, beyond, k, "padding must be smaller than the window"))
        return btl_fail(g, BTL_EVALUE, "padding must be smaller than the window: %s and %s",
                        btl_window_dim_text(g, padding), btl_window_dim_text(g, k));
    if (!btl_dim_is(padding, 0) && btl_window_at_most(g, one, n, "the image is empty"))
        return btl_fail(g, BTL_ESHAPE, "the image is empty");
    return BTL_OK;
}

static btl_status pool_positions(btl_infer *x, const btl_dim *const *n, const btl_var *v, const btl_dim **out) {
    const btl_param *s = pool_settings(x->op, x->params);
    const char *larger = btl_arena_printf(&x->g->arena, "the window is larger than the image: %s",
                                          btl_window_operand_text(x->g, v, "x"));
    for (int i = 0; i < 2; i++) {
        const btl_dim *k = s[SIZE].shape.v[i], *stride = s[STRIDE].shape.v[i], *padding = s[PADDING].shape.v[i];
        BTL_TRY(pool_check(x->g, n[i], k, stride, padding));
        if (btl_window_positions(x->g, n[i], k, stride, padding, larger, &out[i]) == BTL_OK) continue;
        btl_fail(x->g, BTL_ESHAPE, "%s", larger);
        btl_fail_label(x->g, "%s %s of %s", btl_window_dim_text(x->g, k), i ? "columns" : "rows",
                       btl_window_dim_text(x->g, n[i]));
        return BTL_ESHAPE;
    }
    return BTL_OK;
}

static btl_status pool_infer_float(btl_infer *x) {
    for (int i = 0; i < x->nin; i++)
        if (btl_dtype_kind(x->in[i]->type.dtype) != 'f' || x->in[i]->type.dtype != x->in[0]->type.dtype)
            return btl_fail(x->g, BTL_EDTYPE, "needs floating-point operands of one type: %s",
                            btl_window_operand_text(x->g, x->in[i], "the operand"));
    return BTL_OK;
}

/* max_pool2d, mean_pool2d */
static btl_status pool_infer(btl_infer *x) {
    const btl_type *type = &x->in[0]->type;
    BTL_TRY(btl_window_rank(x->g, x->in[0], "images", "batch, channels, rows, columns"));
    if (x->op == &btl_op_mean_pool2d) BTL_TRY(pool_infer_float(x));
    const btl_dim *dims[4] = { type->dims[0], type->dims[1] };
    BTL_TRY(pool_positions(x, type->dims + 2, x->in[0], dims + 2));
    x->out[0] = btl_type_make(x->g, type->dtype, 4, dims);
    return BTL_OK;
}

static btl_status pool_same(btl_infer *x, const btl_var *v, const btl_dim *const *dims) {
    BTL_TRY(btl_window_rank(x->g, v, "an operand", "batch, channels, rows, columns"));
    for (int i = 0; i < 4; i++) {
        if (btl_dims_unify(x->g, v->type.dims[i], dims[i], NULL) == BTL_OK) continue;
        btl_fail(x->g, BTL_ESHAPE, "sizes do not belong together: %s", btl_window_operand_text(x->g, v, "an operand"));
        btl_fail_label(x->g, "%s and %s along axis %d", btl_window_dim_text(x->g, v->type.dims[i]),
                       btl_window_dim_text(x->g, dims[i]), i);
        return BTL_ESHAPE;
    }
    return BTL_OK;
}

/* max_pool2d_dx(x, y, dy) is of x's type, max_pool2d_at(x, y, v) of y's. */
static btl_status pool_max_infer(btl_infer *x) {
    const btl_type *type = &x->in[0]->type;
    bool to_pixels = x->op == &btl_op_max_pool2d_dx;
    BTL_TRY(btl_window_rank(x->g, x->in[0], "images", "batch, channels, rows, columns"));
    BTL_TRY(pool_infer_float(x));
    const btl_dim *dims[4] = { type->dims[0], type->dims[1] };
    BTL_TRY(pool_positions(x, type->dims + 2, x->in[0], dims + 2));
    BTL_TRY(pool_same(x, x->in[1], dims));
    BTL_TRY(pool_same(x, x->in[2], to_pixels ? dims : type->dims));
    x->out[0] = btl_type_make(x->g, type->dtype, 4, to_pixels ? type->dims : dims);
    return BTL_OK;
}

static btl_status mean_pool2d_dx_infer(btl_infer *x) {
    const btl_type *type = &x->in[0]->type;
    const btl_dim *const *n = x->params[0].shape.v;
    BTL_TRY(btl_window_rank(x->g, x->in[0], "means", "batch, channels, rows, columns"));
    BTL_TRY(pool_infer_float(x));
    const btl_dim *dims[4] = { type->dims[0], type->dims[1], NULL, NULL };
    BTL_TRY(pool_positions(x, n, x->in[0], dims + 2));
    BTL_TRY(pool_same(x, x->in[0], dims));
    dims[2] = n[0], dims[3] = n[1];
    x->out[0] = btl_type_make(x->g, type->dtype, 4, dims);
    return BTL_OK;
}

/* ---- derivatives --------------------------------------------------------------------------- */

static btl_status pool_give(btl_vjp *v, int i, const btl_op *op, int nin, btl_var *const *in, const btl_type *image) {
    btl_param params[NSETTINGS + 1];
    const btl_param *s = pool_settings(v->node->op, v->node->params);
    int first = op->nparams - NSETTINGS;
    if (first) params[0] = btl_param_shape(v->g, 2, image->dims + 2);
    for (int k = 0; k < NSETTINGS; k++) params[first + k] = s[k];
    btl_node *n = btl_apply(v->g, op, nin, in, params);
    v->din[i] = n ? n->out : NULL;
    return n ? BTL_OK : v->g->status;
}

static btl_status max_pool2d_vjp(btl_vjp *v) {
    btl_var *const in[3] = { v->in[0], v->out[0], v->dout[0] };
    return pool_give(v, 0, &btl_op_max_pool2d_dx, 3, in, NULL);
}

static btl_status max_pool2d_dx_vjp(btl_vjp *v) {
    btl_var *const in[3] = { v->in[0], v->in[1], v->dout[0] };
    return pool_give(v, 2, &btl_op_max_pool2d_at, 3, in, NULL);
}

static btl_status max_pool2d_at_vjp(btl_vjp *v) {
    btl_var *const in[3] = { v->in[0], v->in[1], v->dout[0] };
    return pool_give(v, 2, &btl_op_max_pool2d_dx, 3, in, NULL);
}

static btl_status mean_pool2d_vjp(btl_vjp *v) { return pool_give(v, 0, &btl_op_mean_pool2d_dx, 1, v->dout, &v->in[0]->type); }
static btl_status mean_pool2d_dx_vjp(btl_vjp *v) { return pool_give(v, 0, &btl_op_mean_pool2d, 1, v->dout, NULL); }

/* Which pixel is the largest does not change with x, almost everywhere: only v carries a derivative. */
static bool pool_max_connected(const btl_node *n, int out, int in) {
    (void)n, (void)out;
    return in == 2;
}

/* ---- running ------------------------------------------------------------------------------- */

static bool pool_is_of_max(const btl_op *op) { return op == &btl_op_max_pool2d_dx || op == &btl_op_max_pool2d_at; }
static bool pool_is_to_pixels(const btl_op *op) { return op == &btl_op_max_pool2d_dx || op == &btl_op_mean_pool2d_dx; }

static btl_status pool_read(const btl_exec *x, btl_pool *s) {
    const btl_param *p = pool_settings(x->node->op, x->params);
    const btl_op *op = x->node->op;
    bool of_max = pool_is_of_max(op), to_pixels = pool_is_to_pixels(op);
    int64_t size[2], stride[2], padding[2];
    BTL_TRY(btl_window_read(x, &p[SIZE], size));
    BTL_TRY(btl_window_read(x, &p[STRIDE], stride));
    BTL_TRY(btl_window_read(x, &p[PADDING], padding));
    if (stride[0] < 1 || stride[1] < 1) return btl_error_set(x->err, BTL_EVALUE, "stride must be at least 1");
    const btl_operand *images = of_max || !to_pixels ? &x->in[0] : &x->out[0],
                      *windows = to_pixels ? &x->in[x->nin - 1] : &x->out[0];
    const int64_t *n = images->dims, *out = windows->dims;
    *s = (btl_pool){ .x = &x->in[0],
                     .y = of_max ? &x->in[1] : NULL,
                     .v = &x->in[x->nin - 1],
                     .to = &x->out[0],
                     .rows = { n[2], size[0], out[2], stride[0], padding[0] },
                     .columns = { n[3], size[1], out[3], stride[1], padding[1] } };
    return BTL_OK;
}

/* ---- reference ------------------------------------------------------------------------------ */

static int64_t pool_at(const btl_operand *a, int64_t b, int64_t c, int64_t i, int64_t j) {
    return b * a->strides[0] + c * a->strides[1] + i * a->strides[2] + j * a->strides[3];
}

/* The place of a pixel or window among the four axes. */
typedef struct pool_place { int64_t b, c, i, j; } pool_place;

static int64_t pool_place_at(const btl_operand *a, pool_place p) { return pool_at(a, p.b, p.c, p.i, p.j); }

/* The pixels of a window along one axis, and the windows of a pixel: first <= i < end. */
typedef struct pool_range { int64_t first, end; } pool_range;

static pool_range pool_pixels(const btl_slide *s, int64_t window) {
    int64_t first = window * s->stride - s->padding, end = first + s->k;
    return (pool_range){ first > 0 ? first : 0, end < s->n ? end : s->n };
}

static pool_range pool_windows(const btl_slide *s, int64_t pixel) {
    int64_t at = pixel + s->padding, first = at < s->k ? 0 : (at - s->k) / s->stride + 1, end = at / s->stride + 1;
    return (pool_range){ first, end < s->out ? end : s->out };
}

static bool pool_greater(const btl_operand *x, int64_t a, int64_t b) {
    char kind = btl_dtype_kind(x->dtype);
    if (kind == 'f') {
        long double u = btl_operand_real(x, a), v = btl_operand_real(x, b);
        return u > v || (isnan(u) && !isnan(v));
    }
    if (kind == 'u') return (uint64_t)btl_operand_signed(x, a) > (uint64_t)btl_operand_signed(x, b);
    return btl_operand_signed(x, a) > btl_operand_signed(x, b);
}

static void pool_reference_max(const btl_pool *s, pool_place w) {
    const pool_range rows = pool_pixels(&s->rows, w.i), columns = pool_pixels(&s->columns, w.j);
    int64_t best = pool_at(s->x, w.b, w.c, rows.first, columns.first);
    for (int64_t i = rows.first; i < rows.end; i++)
        for (int64_t j = columns.first; j < columns.end; j++) {
            int64_t at = pool_at(s->x, w.b, w.c, i, j);
            if (pool_greater(s->x, at, best)) best = at;
        }
    if (btl_dtype_kind(s->x->dtype) == 'f') btl_operand_set_real(s->to, pool_place_at(s->to, w), btl_operand_real(s->x, best));
    else btl_operand_set_signed(s->to, pool_place_at(s->to, w), btl_operand_signed(s->x, best));
}

static bool pool_chosen(const btl_pool *s, int64_t pixel, int64_t window) {
    return !s->y || btl_operand_real(s->x, pixel) == btl_operand_real(s->y, window);
}

/* Of a window: the sum of v over its pixels that are y, or the mean of v over all. */
static void pool_reference_window(const btl_pool *s, pool_place w) {
    const pool_range rows = pool_pixels(&s->rows, w.i), columns = pool_pixels(&s->columns, w.j);
    long double sum = 0;
    int64_t count = 0;
    for (int64_t i = rows.first; i < rows.end; i++)
        for (int64_t j = columns.first; j < columns.end; j++) {
            if (s->y && !pool_chosen(s, pool_at(s->x, w.b, w.c, i, j), pool_place_at(s->y, w))) continue;
            sum += btl_operand_real(s->v, pool_at(s->v, w.b, w.c, i, j));
            count++;
        }
    btl_operand_set_real(s->to, pool_place_at(s->to, w), s->y ? sum : sum / (long double)count);
}

/* Of a pixel: the sum of v over its windows whose y it is, or of v over their pixels' number. */
static void pool_reference_pixel(const btl_pool *s, pool_place x) {
    const pool_range rows = pool_windows(&s->rows, x.i), columns = pool_windows(&s->columns, x.j);
    long double sum = 0;
    for (int64_t p = rows.first; p < rows.end; p++)
        for (int64_t q = columns.first; q < columns.end; q++) {
            if (s->y && !pool_chosen(s, pool_place_at(s->x, x), pool_at(s->y, x.b, x.c, p, q))) continue;
            long double v = btl_operand_real(s->v, pool_at(s->v, x.b, x.c, p, q));
            sum += s->y ? v : v / (long double)(btl_slide_count(&s->rows, p) * btl_slide_count(&s->columns, q));
        }
    btl_operand_set_real(s->to, pool_place_at(s->to, x), sum);
}

static btl_status pool_reference(btl_exec *x, void (*one)(const btl_pool *s, pool_place p)) {
    btl_pool s;
    BTL_TRY(pool_read(x, &s));
    const int64_t *dims = s.to->dims;
    for (int64_t b = 0; b < dims[0]; b++)
        for (int64_t c = 0; c < dims[1]; c++)
            for (int64_t i = 0; i < dims[2]; i++)
                for (int64_t j = 0; j < dims[3]; j++) one(&s, (pool_place){ b, c, i, j });
    return BTL_OK;
}

/* ---- the ops ------------------------------------------------------------------------------- */

static size_t pool_workspace(const btl_exec *x) {
    btl_pool s;
    return pool_read(x, &s) == BTL_OK ? btl_pool_bytes(&s) : 0;
}

/* Each channel of each image for itself. */
static bool pool_cut(btl_cut *c) {
    for (int i = 0; i < c->node->nin; i++) c->in[i] = c->axis;
    return c->axis < 2;
}

#define POOL_OP(name_, signature_, doc_, nin_, first, infer_, one, fast, ...)                     \
    static btl_status name_##_eval(btl_exec *x) { return pool_reference(x, one); }                \
    static btl_status name_##_kernel(btl_exec *x) {                                               \
        btl_pool s;                                                                               \
        BTL_TRY(pool_read(x, &s));                                                                \
        btl_pool_##fast(&s, x->work);                                                             \
        return BTL_OK;                                                                            \
    }                                                                                             \
    static btl_status name_##_emit(btl_emit *e) {                                                 \
        const btl_op *op = e->node->op;                                                           \
        return btl_pool_emit(e, #fast, pool_settings(op, e->params), pool_is_of_max(op), pool_is_to_pixels(op)); \
    }                                                                                             \
    const btl_op btl_op_##name_ = {                                                               \
        .name = #name_, .doc = doc_, .signature = signature_, .version = 1, .min_in = nin_, .max_in = nin_, .nout = 1, \
        .nparams = NSETTINGS + 1 - (first), .params = pool_params + (first), .infer = infer_, .build = pool_build, \
        .eval = name_##_eval, .kernel = name_##_kernel, .workspace = pool_workspace, .emit = name_##_emit, .fails = "stride must be at least 1", \
        .vjp = name_##_vjp, .cut = pool_cut, __VA_ARGS__ \
    };

static const char *const max_pool2d_samples[] = {
    "x: f64[1, 1, 4, 4]", "x: f64[2, 1, 4, 5] | size=[2, 3]", "x: f64[1, 2, 5, 5] | 2", "x: f64[1, 1, 3, 3] | size=[3, 3]",
    "x: f64[1, 1, 5, 5] | size=3, stride=1", "x: f64[1, 1, 5, 6] | size=[3, 2], stride=[2, 1], padding=[1, 0]",
    "x: f64[1, 1, 5, 5] | size=2, stride=3", "x: f64[1, 2, 2, 2] | size=3, padding=2, stride=2", "x: f32[0, 2, 4, 4]",
    "x: f32[2, 3, 12, 20]", "x: f32[1, 1, 30, 33] | size=3, stride=2, padding=1", "x: f16[1, 2, 6, 6]", "x: i32[1, 1, 4, 4]",
    /* its derivative, where no windows overlap */
    "x: f64[1, 2, 4, 5], v: f64[1, 2, 2, 2] | = max_pool2d_dx(x, max_pool2d(x), v)",
    "x: f32[2, 1, 7, 8], v: f32[2, 1, 2, 4] | = max_pool2d_dx(x, max_pool2d(x, size=[3, 2]), v, size=[3, 2])",
    "x: f16[1, 1, 5, 5], v: f16[1, 1, 3, 3] | = max_pool2d_dx(x, max_pool2d(x, padding=1), v, padding=1)",
    "x: f64[2, 1, 4, 6], v: f64[2, 1, 4, 6] | = max_pool2d_at(x, max_pool2d(x), v)", NULL,
};
POOL_OP(max_pool2d, "max_pool2d(x, size=2, stride=none, padding=0)",
        "the largest of each window of images x[b, c, h, w]; a last incomplete window is dropped; NaN if one is NaN", 1,
        1, pool_infer, pool_reference_max, max, .samples = max_pool2d_samples)
POOL_OP(max_pool2d_dx, "max_pool2d_dx(x, y, dy, size=2, stride=none, padding=0)",
        "the derivative of y = max_pool2d(x): to every pixel that is y", 3, 1, pool_max_infer, pool_reference_pixel,
        to_max, .promote = PROMOTE_COMMON, .flags = OP_HIDDEN, .connected = pool_max_connected)
POOL_OP(max_pool2d_at, "max_pool2d_at(x, y, v, size=2, stride=none, padding=0)",
        "the sum of v over the pixels where x is y = max_pool2d(x)", 3, 1, pool_max_infer, pool_reference_window,
        at_max, .promote = PROMOTE_COMMON, .flags = OP_HIDDEN, .connected = pool_max_connected)

static const char *const mean_pool2d_samples[] = {
    "x: f64[1, 1, 4, 4]", "x: f64[2, 1, 4, 5] | size=[2, 3]", "x: f64[1, 1, 5, 5] | size=3, stride=1",
    "x: f64[1, 1, 5, 6] | size=[3, 2], stride=[2, 1], padding=[1, 0]", "x: f64[1, 2, 2, 2] | size=3, padding=2, stride=2",
    "x: f32[0, 2, 4, 4]", "x: f32[2, 3, 12, 20]", "x: f16[1, 2, 6, 6]", "x: i32[1, 1, 4, 4]",
    "y: f64[1, 2, 2, 2] | = mean_pool2d_dx(y, image=[5, 4])",
    "y: f32[1, 1, 3, 5] | = mean_pool2d_dx(y, image=[5, 5], size=[3, 1], stride=[2, 1], padding=[1, 0])",
    "y: f16[1, 1, 4, 4] | = mean_pool2d_dx(y, image=[6, 6], size=3, stride=1)", NULL,
};
POOL_OP(
    mean_pool2d, "mean_pool2d(x, size=2, stride=none, padding=0)",
    "the mean of each window of images x[b, c, h, w], of its pixels in the image; a last incomplete window is dropped",
    1, 1, pool_infer, pool_reference_window, mean, .promote = PROMOTE_REAL, .samples = mean_pool2d_samples)
POOL_OP(mean_pool2d_dx, "mean_pool2d_dx(dy, image, size=2, stride=none, padding=0)", "the derivative of mean_pool2d, of that size", 1, 0,
        mean_pool2d_dx_infer, pool_reference_pixel, spread, .promote = PROMOTE_REAL, .flags = OP_HIDDEN)

/* ---- public builders ------------------------------------------------------------------------ */

static btl_var *pool_builder(btl_graph *g, const btl_op *op, btl_var *x, const int64_t *size, const int64_t *stride,
                             const int64_t *padding) {
    static const int64_t two[2] = { 2, 2 }, zero[2] = { 0, 0 };
    const int64_t *const pairs[NSETTINGS] = { size ? size : two, stride, padding ? padding : zero };
    return btl_build_windowed(g, op, 1, &x, NSETTINGS, pairs, NULL);
}

btl_var *btl_max_pool2d(btl_graph *g, btl_var *x, const int64_t *size, const int64_t *stride, const int64_t *padding) {
    return pool_builder(g, &btl_op_max_pool2d, x, size, stride, padding);
}

btl_var *btl_mean_pool2d(btl_graph *g, btl_var *x, const int64_t *size, const int64_t *stride, const int64_t *padding) {
    return pool_builder(g, &btl_op_mean_pool2d, x, size, stride, padding);
}
