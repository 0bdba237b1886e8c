/* conv.c - convolution of images: conv2d and its two derivatives.
 *
 *     y[b, o, p, q] = sum over c, i, j of x[b, c, p*s + i - a, q*t + j - d] k[o, c, i, j]
 *
 * with strides s, t and a, d rows and columns of zeros around the image. It is a cross-correlation: the
 * kernel is not flipped; `flip` reads it backwards (the convolution of signal processing, and Theano's).
 *
 * The sum over all of x, k and a third array of y's shape is linear in each of the three. The derivatives
 * by x and by k are its other two sides, so that the three ops are each other's derivatives:
 *
 *     conv2d(x, k) -> y      conv2d_dx(y, k) -> x      conv2d_dk(x, y) -> k
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/conv.h"

#include "base/error.h"
#include "expr/emit.h"
#include "expr/operand.h"

extern const btl_op btl_op_conv2d, btl_op_conv2d_dx, btl_op_conv2d_dk;

/* ---- settings ------------------------------------------------------------------------------ */

/* Of conv2d; the other two have the size of what they compute in front. */
enum { STRIDE, PADDING, FLIP, NSETTINGS };

static const btl_param_spec conv_params[] = {
    { "size", PARAM_SHAPE, NULL, true, "rows and columns of the result" },
    { "stride", PARAM_SHAPE, "1", false, "steps of the kernel over the rows and columns of x: one size or two" },
    { "padding", PARAM_SHAPE, "0", false, "rows and columns of zeros on every side of x: one size or two" },
    { "flip", PARAM_BOOL, "false", false, "k's rows and columns are read backwards, as Theano does" },
};

static const btl_param *conv_settings(const btl_op *op, const btl_param *params) {
    return params + (op->nparams - NSETTINGS);
}

static btl_var *conv_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                           btl_var **out) {
    btl_param normal[NSETTINGS + 1];
    btl_var *v[2];
    int first = op->nparams - NSETTINGS;
    if (first && btl_window_setting(g, "size", &params[0], 0, NULL, &normal[0])) return NULL;
    if (btl_window_setting(g, "stride", &params[first + STRIDE], 1, NULL, &normal[first + STRIDE]) ||
        btl_window_setting(g, "padding", &params[first + PADDING], 0, NULL, &normal[first + PADDING]) ||
        btl_promote_operands(g, PROMOTE_COMMON, nin, in, v))
        return NULL;
    normal[first + FLIP] = params[first + FLIP];
    btl_node *n = btl_apply(g, op, nin, v, normal);
    btl_var *y = n ? n->out : NULL;
    if (out) out[0] = y;
    return y;
}

/* ---- types --------------------------------------------------------------------------------- */

static const char *conv_both(btl_infer *x, const char *first, const char *second) {
    return btl_arena_printf(&x->g->arena, "%s, %s", btl_window_operand_text(x->g, x->in[0], first),
                            btl_window_operand_text(x->g, x->in[1], second));
}

static btl_status conv_same(btl_infer *x, const char *what, const btl_dim *a, const btl_dim *b, const char *both) {
    if (btl_dims_unify(x->g, a, b, NULL) == BTL_OK) return BTL_OK;
    btl_fail(x->g, BTL_ESHAPE, "%s: %s", what, both);
    btl_fail_label(x->g, "%s and %s", btl_window_dim_text(x->g, a), btl_window_dim_text(x->g, b));
    return BTL_ESHAPE;
}

static btl_status conv_operands(btl_infer *x, const char *const names[2], const char *const what[2],
                                const char *const letters[2]) {
    for (int i = 0; i < 2; i++) BTL_TRY(btl_window_rank(x->g, x->in[i], what[i], letters[i]));
    if (x->in[0]->type.dtype == x->in[1]->type.dtype) return BTL_OK;
    return btl_fail(x->g, BTL_EDTYPE, "types differ: %s", conv_both(x, names[0], names[1]));
}

/* Where a kernel of k fits into an image of n: positions for rows and columns. */
static btl_status conv_positions(btl_infer *x, const btl_dim *const *n, const btl_dim *const *k, const char *both,
                                 const btl_dim **out) {
    const btl_param *s = conv_settings(x->op, x->params);
    const btl_dim *zero = btl_dim_const(x->g, 0), *one = btl_dim_const(x->g, 1);
    const char *larger = btl_arena_printf(&x->g->arena, "the kernel is larger than the image: %s", both);
    for (int i = 0; i < 2; i++) {
        const btl_dim *stride = s[STRIDE].shape.v[i], *padding = s[PADDING].shape.v[i];
        if (btl_window_at_most(x->g, one, stride, "stride must be at least 1") ||
            btl_window_at_most(x->g, zero, padding, "padding must be at least 0"))
            return btl_fail(x->g, BTL_EVALUE, "stride must be at least 1, padding at least 0");
        if (btl_window_positions(x->g, n[i], k[i], stride, padding, larger, &out[i]) == BTL_OK) continue;
        btl_fail(x->g, BTL_ESHAPE, "%s", larger);
        btl_fail_label(x->g, "%s %s of %s", btl_window_dim_text(x->g, k[i]), i ? "columns" : "rows",
                       btl_window_dim_text(x->g, n[i]));
        btl_fail_hint(x->g, "padding=… adds rows and columns of zeros on every side of the image");
        return BTL_ESHAPE;
    }
    return BTL_OK;
}

static btl_status conv2d_infer(btl_infer *x) {
    static const char *const names[] = { "x", "k" }, *const what[] = { "images", "kernels" };
    static const char *const letters[] = { "batch, channels, rows, columns", "maps, channels, rows, columns" };
    BTL_TRY(conv_operands(x, names, what, letters));
    const btl_var *a = x->in[0], *k = x->in[1];
    const char *both = conv_both(x, "x", "k");
    const btl_dim *dims[4] = { a->type.dims[0], k->type.dims[0] };
    if (conv_same(x, "x and k have different numbers of channels", a->type.dims[1], k->type.dims[1], both)) {
        bool swapped = k->type.dims[0] == a->type.dims[1];
        btl_fail_hint(x->g, swapped ? "k's axes are maps, channels, rows, columns: swapaxes(k, 0, 1) would fit"
                                    : "k's axes are maps, channels, rows, columns");
        return BTL_ESHAPE;
    }
    BTL_TRY(conv_positions(x, a->type.dims + 2, k->type.dims + 2, both, dims + 2));
    x->out[0] = btl_type_make(x->g, a->type.dtype, 4, dims);
    return BTL_OK;
}

/* The kernel's positions in the image are as many as dy has. */
static btl_status conv_same_positions(btl_infer *x, const btl_dim *const *n, const btl_dim *const *k, const btl_var *dy,
                                      const char *both) {
    const btl_dim *positions[2];
    BTL_TRY(conv_positions(x, n, k, both, positions));
    for (int i = 0; i < 2; i++)
        BTL_TRY(conv_same(
            x, i ? "the columns of dy do not belong to this size" : "the rows of dy do not belong to this size",
            dy->type.dims[2 + i], positions[i], both));
    return BTL_OK;
}

static btl_status conv2d_dx_infer(btl_infer *x) {
    static const char *const names[] = { "dy", "k" }, *const what[] = { "products", "kernels" };
    static const char *const letters[] = { "batch, maps, rows, columns", "maps, channels, rows, columns" };
    BTL_TRY(conv_operands(x, names, what, letters));
    const btl_var *dy = x->in[0], *k = x->in[1];
    const btl_dim *const *size = x->params[0].shape.v, *dims[4] = { dy->type.dims[0], k->type.dims[1], size[0], size[1] };
    const char *both = conv_both(x, "dy", "k");
    BTL_TRY(conv_same(x, "dy and k have different numbers of maps", dy->type.dims[1], k->type.dims[0], both));
    BTL_TRY(conv_same_positions(x, size, k->type.dims + 2, dy, both));
    x->out[0] = btl_type_make(x->g, dy->type.dtype, 4, dims);
    return BTL_OK;
}

static btl_status conv2d_dk_infer(btl_infer *x) {
    static const char *const names[] = { "x", "dy" }, *const what[] = { "images", "products" };
    static const char *const letters[] = { "batch, channels, rows, columns", "batch, maps, rows, columns" };
    BTL_TRY(conv_operands(x, names, what, letters));
    const btl_var *a = x->in[0], *dy = x->in[1];
    const btl_dim *const *size = x->params[0].shape.v, *dims[4] = { dy->type.dims[1], a->type.dims[1], size[0], size[1] };
    const char *both = conv_both(x, "x", "dy");
    BTL_TRY(conv_same(x, "x and dy are of different batches", a->type.dims[0], dy->type.dims[0], both));
    BTL_TRY(conv_same_positions(x, a->type.dims + 2, size, dy, both));
    x->out[0] = btl_type_make(x->g, a->type.dtype, 4, dims);
    return BTL_OK;
}

/* ---- derivatives --------------------------------------------------------------------------- */

/* op(a, b) with the settings of conv2d in n's and, for the other two, the size of `like`. */
static btl_var *conv_apply(btl_vjp *v, const btl_op *op, btl_var *a, btl_var *b, const btl_var *like) {
    btl_param params[NSETTINGS + 1];
    btl_var *in[2] = { a, b };
    const btl_param *s = conv_settings(v->node->op, v->node->params);
    int first = op->nparams - NSETTINGS;
    if (first) params[0] = btl_param_shape(v->g, 2, like->type.dims + 2);
    for (int i = 0; i < NSETTINGS; i++) params[first + i] = s[i];
    btl_node *n = btl_apply(v->g, op, 2, in, params);
    return n ? n->out : NULL;
}

static btl_status conv2d_vjp(btl_vjp *v) {
    btl_var *x = v->in[0], *k = v->in[1], *dy = v->dout[0];
    if (v->need[0] && !(v->din[0] = conv_apply(v, &btl_op_conv2d_dx, dy, k, x))) return v->g->status;
    if (v->need[1] && !(v->din[1] = conv_apply(v, &btl_op_conv2d_dk, x, dy, k))) return v->g->status;
    return BTL_OK;
}

static btl_status conv2d_dx_vjp(btl_vjp *v) {
    btl_var *y = v->in[0], *k = v->in[1], *dx = v->dout[0];
    if (v->need[0] && !(v->din[0] = conv_apply(v, &btl_op_conv2d, dx, k, NULL))) return v->g->status;
    if (v->need[1] && !(v->din[1] = conv_apply(v, &btl_op_conv2d_dk, dx, y, k))) return v->g->status;
    return BTL_OK;
}

static btl_status conv2d_dk_vjp(btl_vjp *v) {
    btl_var *x = v->in[0], *y = v->in[1], *dk = v->dout[0];
    if (v->need[0] && !(v->din[0] = conv_apply(v, &btl_op_conv2d_dx, y, dk, x))) return v->g->status;
    if (v->need[1] && !(v->din[1] = conv_apply(v, &btl_op_conv2d, x, dk, NULL))) return v->g->status;
    return BTL_OK;
}

/* ---- running ------------------------------------------------------------------------------- */

static btl_status conv_read(const btl_exec *x, const btl_operand *images, const btl_operand *kernels,
                            const btl_operand *products, btl_conv *c) {
    const btl_param *s = conv_settings(x->node->op, x->params);
    int64_t stride[2], padding[2];
    BTL_TRY(btl_window_read(x, &s[STRIDE], stride));
    BTL_TRY(btl_window_read(x, &s[PADDING], padding));
    if (stride[0] < 1 || stride[1] < 1) return btl_error_set(x->err, BTL_EVALUE, "stride must be at least 1");
    const int64_t *n = images->dims, *k = kernels->dims, *y = products->dims;
    *c = (btl_conv){ .x = images,
                     .k = kernels,
                     .y = products,
                     .batch = n[0],
                     .channels = n[1],
                     .maps = k[0],
                     .flip = s[FLIP].i != 0,
                     .rows = { n[2], k[2], y[2], stride[0], padding[0] },
                     .columns = { n[3], k[3], y[3], stride[1], padding[1] } };
    return BTL_OK;
}

static btl_status conv2d_read(const btl_exec *x, btl_conv *c) { return conv_read(x, &x->in[0], &x->in[1], &x->out[0], c); }
static btl_status conv2d_dx_read(const btl_exec *x, btl_conv *c) { return conv_read(x, &x->out[0], &x->in[1], &x->in[0], c); }
static btl_status conv2d_dk_read(const btl_exec *x, btl_conv *c) { return conv_read(x, &x->in[0], &x->out[0], &x->in[1], c); }

/* ---- reference: each element by itself ----------------------------------------------------- */

typedef struct conv_sum { char kind; long double real; uint64_t whole; } conv_sum;

static int64_t conv_at(const btl_operand *a, int64_t i, int64_t j, int64_t k, int64_t l) {
    return i * a->strides[0] + j * a->strides[1] + k * a->strides[2] + l * a->strides[3];
}

static void conv_sum_add(conv_sum *s, const btl_operand *a, int64_t at, const btl_operand *b, int64_t bt) {
    if (s->kind == 'f') s->real += btl_operand_real(a, at) * btl_operand_real(b, bt);
    else if (s->kind == 'b') s->whole |= (uint64_t)(btl_operand_signed(a, at) && btl_operand_signed(b, bt));
    else s->whole += (uint64_t)btl_operand_signed(a, at) * (uint64_t)btl_operand_signed(b, bt);
}

/* What is multiplied by the zeros around the image: infinities and NaN count there, too. */
static void conv_sum_add_zero(conv_sum *s, const btl_operand *b, int64_t bt) {
    if (s->kind == 'f') s->real += 0 * btl_operand_real(b, bt);
}

static void conv_sum_end(const conv_sum *s, const btl_operand *to, int64_t at) {
    if (s->kind == 'f') btl_operand_set_real(to, at, s->real);
    else btl_operand_set_signed(to, at, (int64_t)s->whole);
}

/* Where element (i, j) of a kernel lies in memory. */
static int64_t conv_kernel_at(const btl_conv *c, int64_t o, int64_t ch, int64_t i, int64_t j) {
    return conv_at(c->k, o, ch, c->flip ? c->rows.k - 1 - i : i, c->flip ? c->columns.k - 1 - j : j);
}

static conv_sum conv_one_product(const btl_conv *c, int64_t b, int64_t o, int64_t p, int64_t q) {
    conv_sum s = { .kind = btl_dtype_kind(c->y->dtype) };
    for (int64_t ch = 0; ch < c->channels; ch++)
        for (int64_t i = 0; i < c->rows.k; i++)
            for (int64_t j = 0; j < c->columns.k; j++) {
                int64_t row = p * c->rows.stride + i - c->rows.padding, column = q * c->columns.stride + j - c->columns.padding;
                bool inside = row >= 0 && row < c->rows.n && column >= 0 && column < c->columns.n;
                int64_t at = conv_kernel_at(c, o, ch, i, j);
                if (inside) conv_sum_add(&s, c->x, conv_at(c->x, b, ch, row, column), c->k, at);
                else conv_sum_add_zero(&s, c->k, at);
            }
    return s;
}

static conv_sum conv_one_pixel(const btl_conv *c, int64_t b, int64_t ch, int64_t row, int64_t column) {
    conv_sum s = { .kind = btl_dtype_kind(c->x->dtype) };
    for (int64_t o = 0; o < c->maps; o++)
        for (int64_t i = 0; i < c->rows.k; i++)
            for (int64_t j = 0; j < c->columns.k; j++) {
                int64_t u = row + c->rows.padding - i, v = column + c->columns.padding - j, p = u / c->rows.stride,
                        q = v / c->columns.stride;
                if (u < 0 || v < 0 || u % c->rows.stride || v % c->columns.stride || p >= c->rows.out ||
                    q >= c->columns.out)
                    continue;
                conv_sum_add(&s, c->y, conv_at(c->y, b, o, p, q), c->k, conv_kernel_at(c, o, ch, i, j));
            }
    return s;
}

static conv_sum conv_one_weight(const btl_conv *c, int64_t o, int64_t ch, int64_t i, int64_t j) {
    conv_sum s = { .kind = btl_dtype_kind(c->k->dtype) };
    for (int64_t b = 0; b < c->batch; b++)
        for (int64_t p = 0; p < c->rows.out; p++)
            for (int64_t q = 0; q < c->columns.out; q++) {
                int64_t row = p * c->rows.stride + i - c->rows.padding, column = q * c->columns.stride + j - c->columns.padding;
                bool inside = row >= 0 && row < c->rows.n && column >= 0 && column < c->columns.n;
                int64_t at = conv_at(c->y, b, o, p, q);
                if (inside) conv_sum_add(&s, c->x, conv_at(c->x, b, ch, row, column), c->y, at);
                else conv_sum_add_zero(&s, c->y, at);
            }
    return s;
}

static btl_status conv2d_eval(btl_exec *x) {
    btl_conv c;
    BTL_TRY(conv2d_read(x, &c));
    for (int64_t b = 0; b < c.batch; b++)
        for (int64_t o = 0; o < c.maps; o++)
            for (int64_t p = 0; p < c.rows.out; p++)
                for (int64_t q = 0; q < c.columns.out; q++) {
                    conv_sum s = conv_one_product(&c, b, o, p, q);
                    conv_sum_end(&s, c.y, conv_at(c.y, b, o, p, q));
                }
    return BTL_OK;
}

static btl_status conv2d_dx_eval(btl_exec *x) {
    btl_conv c;
    BTL_TRY(conv2d_dx_read(x, &c));
    for (int64_t b = 0; b < c.batch; b++)
        for (int64_t ch = 0; ch < c.channels; ch++)
            for (int64_t row = 0; row < c.rows.n; row++)
                for (int64_t column = 0; column < c.columns.n; column++) {
                    conv_sum s = conv_one_pixel(&c, b, ch, row, column);
                    conv_sum_end(&s, c.x, conv_at(c.x, b, ch, row, column));
                }
    return BTL_OK;
}

static btl_status conv2d_dk_eval(btl_exec *x) {
    btl_conv c;
    BTL_TRY(conv2d_dk_read(x, &c));
    for (int64_t o = 0; o < c.maps; o++)
        for (int64_t ch = 0; ch < c.channels; ch++)
            for (int64_t i = 0; i < c.rows.k; i++)
                for (int64_t j = 0; j < c.columns.k; j++) {
                    conv_sum s = conv_one_weight(&c, o, ch, i, j);
                    conv_sum_end(&s, c.k, conv_kernel_at(&c, o, ch, i, j));
                }
    return BTL_OK;
}

/* ---- kernels ------------------------------------------------------------------------------- */

/* Integers have no BLAS: they take the plain loops of the reference. */
#define CONV_KERNEL(name, compute, text)                                                                \
    static size_t name##_workspace(const btl_exec *x) {                                           \
        btl_conv c;                                                                               \
        bool is_float = btl_dtype_kind(x->out[0].dtype) == 'f';                                   \
        return is_float && name##_read(x, &c) == BTL_OK ? btl_conv_bytes(&c) : 0;                 \
    }                                                                                             \
    static btl_status name##_kernel(btl_exec *x) {                                                \
        btl_conv c;                                                                               \
        if (btl_dtype_kind(x->out[0].dtype) != 'f') return name##_eval(x);                        \
        BTL_TRY(name##_read(x, &c));                                                              \
        compute(x->ctx, &c, x->work);                                                             \
        return BTL_OK;                                                                            \
    }                                                                                             \
    static btl_status name##_emit(btl_emit *e) { return text(e, conv_settings(e->node->op, e->params)); }
CONV_KERNEL(conv2d, btl_conv_products, btl_conv_products_emit)
CONV_KERNEL(conv2d_dx, btl_conv_images, btl_conv_images_emit)
CONV_KERNEL(conv2d_dk, btl_conv_kernels, btl_conv_kernels_emit)

/* ---- the ops ------------------------------------------------------------------------------- */

/* Small ones first: the sweeps of gradients take those of up to 64 elements. (An operand k would be a random key.) */
static const char *const conv2d_samples[] = {
    "x: f32[1, 1, 3, 4], w: f32[1, 1, 2, 2]", "x: f64[2, 1, 4, 3], w: f64[2, 1, 2, 3]", "x: f64[1, 2, 3, 3], w: f64[3, 2, 1, 1]",
    "x: f64[1, 1, 3, 3], w: f64[2, 1, 3, 3]", "x: f64[2, 2, 2, 3], w: f64[1, 2, 2, 1] | flip=true",
    "x: f64[1, 1, 5, 5], w: f64[2, 1, 2, 3] | stride=2",
    "x: f64[1, 1, 5, 4], w: f64[1, 1, 3, 2] | stride=[2, 1], padding=[1, 0], flip=true",
    "x: f64[1, 2, 2, 3], w: f64[2, 2, 3, 3] | padding=1", "x: f64[0, 2, 3, 3], w: f64[2, 2, 2, 2]",
    "x: f64[2, 0, 3, 3], w: f64[2, 0, 2, 2]", "x: f64[1, 1, 0, 2], w: f64[1, 1, 2, 2] | padding=1",
    "x: f32[60, 1, 3, 3], w: f32[3, 1, 2, 2]", "x: f32[2, 1, 20, 21], w: f32[2, 1, 3, 5]",
    "x: f64[3, 2, 9, 8], w: f64[4, 2, 3, 3] | stride=[3, 2], padding=[2, 1]", "x: f32[2, 3, 17, 16], w: f32[4, 3, 1, 1]",
    "x: f16[3, 2, 5, 5], w: f16[2, 2, 2, 3]", "x: bf16[2, 2, 5, 5], w: bf16[2, 2, 2, 3] | padding=1, flip=true",
    "x: i32[2, 2, 4, 4], w: i32[2, 2, 2, 3]", "x: bool[2, 1, 4, 4], w: bool[2, 1, 2, 2]", "x: i32[1, 1, 3, 3], w: f32[1, 1, 2, 2]",
    /* its derivatives, as they are printed */
    "y: f64[1, 2, 2, 2], w: f64[2, 1, 2, 3] | = conv2d_dx(y, w, size=[3, 4])",
    "y: f32[2, 3, 4, 2], w: f32[3, 2, 3, 2] | = conv2d_dx(y, w, size=[5, 5], stride=[2, 3], padding=[2, 1], flip=true)",
    "y: f32[20, 3, 4, 4], w: f32[3, 2, 2, 2] | = conv2d_dx(y, w, size=[5, 5])",
    "y: f32[2, 3, 17, 16], w: f32[3, 4, 1, 1] | = conv2d_dx(y, w, size=[17, 16])",
    "y: f16[3, 2, 4, 4], w: f16[2, 2, 2, 2] | = conv2d_dx(y, w, size=[5, 5])",
    "x: f64[2, 1, 3, 3], y: f64[2, 2, 2, 2] | = conv2d_dk(x, y, size=[2, 2])",
    "x: f32[2, 2, 5, 5], y: f32[2, 3, 4, 2] | = conv2d_dk(x, y, size=[3, 2], stride=[2, 3], padding=[2, 1], flip=true)",
    "x: f32[20, 2, 5, 5], y: f32[20, 3, 4, 4] | = conv2d_dk(x, y, size=[2, 2])",
    "x: f32[2, 3, 17, 16], y: f32[2, 4, 17, 16] | = conv2d_dk(x, y, size=[1, 1])",
    "x: f16[30, 2, 4, 4], y: f16[30, 2, 3, 3] | = conv2d_dk(x, y, size=[2, 2])",
    "x: f64[0, 1, 3, 3], y: f64[0, 2, 2, 2] | = conv2d_dk(x, y, size=[2, 2])", NULL,
};

/* Image after image. */
static bool conv_cut(btl_cut *c) {
    c->in[0] = 0;
    return c->axis == 0;
}

#define CONV_OP(name_, signature_, doc_, first, ...)                                              \
    const btl_op btl_op_##name_ = {                                                               \
        .name = #name_, .doc = doc_, .signature = signature_, .version = 1, .min_in = 2, .max_in = 2, .nout = 1, \
        .promote = PROMOTE_COMMON, .nparams = NSETTINGS + 1 - (first), .params = conv_params + (first), .infer = name_##_infer, \
        .build = conv_build, .eval = name_##_eval, .kernel = name_##_kernel, .workspace = name_##_workspace, \
        .emit = name_##_emit, .fails = "stride must be at least 1", .vjp = name_##_vjp, __VA_ARGS__                                                           \
    };
CONV_OP(conv2d, "conv2d(x, k, stride=1, padding=0, flip=false)",
        "cross-correlation of images x[b, c, h, w] with kernels k[o, c, i, j], where all of the kernel lies inside", 1,
        .cut = conv_cut, .samples = conv2d_samples)
CONV_OP(conv2d_dx, "conv2d_dx(dy, k, size, stride=1, padding=0, flip=false)", "the derivative of conv2d by x, of that size", 0, .cut = conv_cut, .flags = OP_HIDDEN)
CONV_OP(conv2d_dk, "conv2d_dk(x, dy, size, stride=1, padding=0, flip=false)", "the derivative of conv2d by k, of that size", 0, .flags = OP_HIDDEN)

btl_var *btl_conv2d(btl_graph *g, btl_var *x, btl_var *k, const int64_t *stride, const int64_t *padding, bool flip) {
    static const int64_t one[2] = { 1, 1 }, zero[2] = { 0, 0 };
    btl_var *in[2] = { x, k };
    const int64_t *const pairs[2] = { stride ? stride : one, padding ? padding : zero };
    const btl_param more = { .i = flip };
    return btl_build_windowed(g, &btl_op_conv2d, 2, in, 2, pairs, &more);
}
