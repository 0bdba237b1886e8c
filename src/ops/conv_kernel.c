/* conv_kernel.c - convolutions as products of matrices: images become columns (im2col), columns images.
 *
 * An image's columns are a matrix of D × A elements: a row for each element (channel, i, j) of the kernel,
 * a column for each position (p, q), so that
 *
 *     y (O × A) = k (O × D) columns        columns = kᵀ y        k += y columnsᵀ
 *
 * Chellapilla, Puri & Simard (2006), High Performance Convolutional Neural Networks for Document
 * Processing. One image after the other, so that the columns stay in the second cache; small images
 * are taken together until their columns are 256 wide, since thin products are slow. What is summed over images
 * is summed chunk by chunk: the order depends on the sizes alone. f16 and bf16 are computed in f32. The parts stand in
 * support.inc, for generated code too.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/conv.h"

#include "base/half.h"
#include "expr/operand.h"
#include "ops/blas.h"
#include "ops/move.h"

#include <string.h>

enum { ALIGN = 64 };

/* ---- types --------------------------------------------------------------------------------- */

#define CONV_TYPE(dtype, from_type, T, col2im)                                                    \
    static void conv_im2col_##dtype(const btl_conv_shape *c, const char *image, char *columns, int64_t pitch) { \
        btl_im2col_##dtype(c, (const from_type *)(const void *)image, (T *)(void *)columns, pitch); \
    }                                                                                             \
    static void conv_col2im_##dtype(const btl_conv_shape *c, const char *columns, int64_t pitch, char *image) { \
        col2im(c, (const T *)(const void *)columns, pitch, (T *)(void *)image);                   \
    }                                                                                             \
    static void conv_pack_##dtype(const int64_t *dims, const char *from, const int64_t *strides, char *to, int64_t image, int64_t map) { \
        btl_conv_pack_##dtype(dims[0], dims[1], dims[2], dims[3], (const from_type *)(const void *)from, strides, (T *)(void *)to, image, map); \
    }
CONV_TYPE(f32, float, float, btl_col2im_f32)
CONV_TYPE(f64, double, double, btl_col2im_f64)
CONV_TYPE(f16, uint16_t, float, btl_col2im_f32)
CONV_TYPE(bf16, uint16_t, float, btl_col2im_f32)

/* What is done for each dtype. */
typedef struct conv_type {
    btl_dtype computed;
    bool half;
    void (*im2col)(const btl_conv_shape *c, const char *image, char *columns, int64_t pitch);
    void (*col2im)(const btl_conv_shape *c, const char *columns, int64_t pitch, char *image);
    void (*pack)(const int64_t *dims, const char *from, const int64_t *strides, char *to, int64_t image, int64_t map);
} conv_type;

static const conv_type *conv_type_of(btl_dtype dtype) {
    static const conv_type types[BTL_NDTYPES] = {
        [BTL_F32] = { BTL_F32, false, conv_im2col_f32, conv_col2im_f32, conv_pack_f32 },
        [BTL_F64] = { BTL_F64, false, conv_im2col_f64, conv_col2im_f64, conv_pack_f64 },
        [BTL_F16] = { BTL_F32, true, conv_im2col_f16, conv_col2im_f16, conv_pack_f16 },
        [BTL_BF16] = { BTL_F32, true, conv_im2col_bf16, conv_col2im_bf16, conv_pack_bf16 },
    };
    return &types[dtype];
}

static void conv_narrow(btl_dtype dtype, const char *from, int64_t n, char *to) {
    const float *wide = (const void *)from;
    uint16_t *bits = (void *)to;
    for (int64_t i = 0; i < n; i++) bits[i] = dtype == BTL_F16 ? btl_half_from_f32(wide[i]) : btl_bf16_from_f32(wide[i]);
}

/* ---- the plan ------------------------------------------------------------------------------ */

/* How a convolution is cut and where its scratch lies (offsets in bytes). */
typedef struct conv_plan {
    const conv_type *type;
    btl_conv_shape shape;
    int64_t size;              /* of a computed element, in bytes */
    int64_t depth, area;       /* D, A */
    int64_t chunk;             /* images in a product, at most */
    bool direct, pack_k, pack_y;
    size_t columns, k, y, sum, image, bytes;
} conv_plan;

static size_t conv_add(size_t a, size_t b) { return a > SIZE_MAX - b ? SIZE_MAX : a + b; }

/* Room for a × b × c elements behind what is there. */
static size_t conv_room(conv_plan *p, int64_t a, int64_t b, int64_t c) {
    size_t at = p->bytes;
    int64_t n = p->size;
    if (!btl_mul_i64(n, a, &n) || !btl_mul_i64(n, b, &n) || !btl_mul_i64(n, c, &n)) p->bytes = SIZE_MAX;
    else p->bytes = conv_add(p->bytes, ((size_t)n + ALIGN - 1) / ALIGN * ALIGN);
    return at;
}

static btl_conv_shape conv_shape_of(const btl_conv *c, bool half) {
    btl_conv_shape s = { .batch = c->batch, .channels = c->channels, .maps = c->maps, .rows = c->rows, .columns = c->columns,
                         .flip = c->flip, .half = half };
    memcpy(s.x, c->x->strides, sizeof s.x);
    memcpy(s.k, c->k->strides, sizeof s.k);
    memcpy(s.y, c->y->strides, sizeof s.y);
    return s;
}

static conv_plan conv_plan_of(const btl_conv *c) {
    const btl_slide *r = &c->rows, *s = &c->columns;
    conv_plan p = { .type = conv_type_of(c->y->dtype) };
    p.shape = conv_shape_of(c, p.type->half);
    p.size = (int64_t)btl_dtype_bytes(p.type->computed);
    const btl_conv_plan cut = btl_conv_plan_of(&p.shape);
    p.area = cut.area, p.chunk = cut.chunk, p.direct = cut.direct, p.pack_k = cut.pack_k, p.pack_y = cut.pack_y;
    if (!btl_mul_i64(r->k, s->k, &p.depth) || !btl_mul_i64(p.depth, c->channels, &p.depth)) p.bytes = SIZE_MAX;
    p.columns = conv_room(&p, p.direct ? 0 : p.depth, p.area, p.chunk);
    p.k = conv_room(&p, p.pack_k ? p.depth : 0, c->maps, 1);
    p.y = conv_room(&p, p.pack_y ? c->maps : 0, p.area, p.chunk);
    p.sum = conv_room(&p, p.depth, c->maps, c->batch > p.chunk ? 2 : 1); /* of the derivative by k alone */
    p.image = conv_room(&p, p.type->half ? c->channels : 0, r->n, s->n);
    return p;
}

size_t btl_conv_bytes(const btl_conv *c) { return conv_plan_of(c).bytes; }

/* ---- parts ---------------------------------------------------------------------------------- */

static char *conv_element(const btl_operand *a, int64_t at) { return a->data + at * (int64_t)btl_dtype_bytes(a->dtype); }

/* k as O × D. */
static btl_matrix conv_weights(const btl_conv *c, const conv_plan *p, char *work) {
    const btl_operand *k = c->k;
    if (!p->pack_k) return (btl_matrix){ k->data, k->strides[0], 1 };
    p->type->pack(k->dims, k->data, k->strides, work + p->k, p->depth, k->dims[2] * k->dims[3]);
    return (btl_matrix){ work + p->k, p->depth, 1 };
}

/* The columns of images b … b + n-1 as D × n·A. */
static btl_matrix conv_columns(const btl_conv *c, const conv_plan *p, int64_t b, int64_t n, char *work) {
    const int64_t *strides = c->x->strides;
    if (p->direct) return (btl_matrix){ conv_element(c->x, b * strides[0]), strides[1], 1 };
    for (int64_t i = 0; i < n; i++)
        p->type->im2col(&p->shape, conv_element(c->x, (b + i) * strides[0]), work + p->columns + i * p->area * p->size, n * p->area);
    return (btl_matrix){ work + p->columns, n * p->area, 1 };
}

/* y of those images as O × n·A. */
static btl_matrix conv_given_products(const btl_conv *c, const conv_plan *p, int64_t b, int64_t n, char *work) {
    const btl_operand *y = c->y;
    const char *from = conv_element(y, b * y->strides[0]);
    const int64_t dims[4] = { n, y->dims[1], y->dims[2], y->dims[3] };
    if (!p->pack_y) return (btl_matrix){ from, y->strides[1], 1 };
    p->type->pack(dims, from, y->strides, work + p->y, p->area, n * p->area);
    return (btl_matrix){ work + p->y, n * p->area, 1 };
}

/* Back from O × n·A, where each image's maps lie apart. */
static void conv_take_products(const btl_conv *c, const conv_plan *p, int64_t b, int64_t n, const char *from) {
    const int64_t map = p->area * p->size;
    for (int64_t i = 0; i < n; i++)
        for (int64_t o = 0; o < c->maps; o++) {
            const char *row = from + (o * n + i) * map;
            char *to = conv_element(c->y, (b + i) * c->y->strides[0] + o * p->area);
            if (p->type->half) conv_narrow(c->y->dtype, row, p->area, to);
            else memcpy(to, row, (size_t)map);
        }
}

static int64_t conv_chunk_at(const btl_conv *c, const conv_plan *p, int64_t b) {
    return c->batch - b < p->chunk ? c->batch - b : p->chunk;
}

/* ---- the three ------------------------------------------------------------------------------ */

void btl_conv_products(btl_context *ctx, const btl_conv *c, char *work) {
    conv_plan p = conv_plan_of(c);
    if (p.area == 0 || c->maps == 0) return;
    btl_matrix k = conv_weights(c, &p, work);
    for (int64_t b = 0, n; b < c->batch; b += n) {
        n = conv_chunk_at(c, &p, b);
        btl_matrix columns = conv_columns(c, &p, b, n, work);
        char *to = p.pack_y ? work + p.y : conv_element(c->y, b * c->y->strides[0]);
        btl_blas_gemm(ctx, p.type->computed, c->maps, n * p.area, p.depth, &k, &columns, to, n * p.area);
        if (p.pack_y) conv_take_products(c, &p, b, n, to);
    }
}

void btl_conv_images(btl_context *ctx, const btl_conv *c, char *work) {
    conv_plan p = conv_plan_of(c);
    int64_t pixels = c->channels * c->rows.n * c->columns.n;
    btl_matrix k = conv_weights(c, &p, work);
    const btl_matrix across = { k.data, k.column, k.row };
    for (int64_t b = 0, n; b < c->batch; b += n) {
        n = conv_chunk_at(c, &p, b);
        btl_matrix y = conv_given_products(c, &p, b, n, work);
        char *to = p.direct ? conv_element(c->x, b * pixels) : work + p.columns;
        btl_blas_gemm(ctx, p.type->computed, p.depth, n * p.area, c->maps, &across, &y, to, n * p.area);
        for (int64_t i = 0; i < n && !p.direct; i++) {
            char *image = p.type->half ? work + p.image : conv_element(c->x, (b + i) * pixels);
            memset(image, 0, (size_t)(pixels * p.size));
            p.type->col2im(&p.shape, work + p.columns + i * p.area * p.size, n * p.area, image);
            if (p.type->half) conv_narrow(c->x->dtype, image, pixels, conv_element(c->x, (b + i) * pixels));
        }
    }
}

static void conv_accumulate(btl_dtype dtype, char *to, const char *from, int64_t n) {
    int64_t size = (int64_t)btl_dtype_bytes(dtype);
    btl_move_add(dtype)(to, size, from, size, n);
}

void btl_conv_kernels(btl_context *ctx, const btl_conv *c, char *work) {
    conv_plan p = conv_plan_of(c);
    int64_t weights = c->maps * p.depth;
    char *sum = p.type->half ? work + p.sum : c->k->data, *one = work + p.sum + (p.type->half ? weights * p.size : 0);
    if (c->batch == 0) memset(sum, 0, (size_t)(weights * p.size));
    for (int64_t b = 0, n; b < c->batch; b += n) {
        n = conv_chunk_at(c, &p, b);
        btl_matrix y = conv_given_products(c, &p, b, n, work), columns = conv_columns(c, &p, b, n, work);
        const btl_matrix across = { columns.data, columns.column, columns.row };
        btl_blas_gemm(ctx, p.type->computed, c->maps, p.depth, n * p.area, &y, &across, b ? one : sum, p.depth);
        if (b) conv_accumulate(p.type->computed, sum, one, weights);
    }
    if (p.type->half) conv_narrow(c->k->dtype, sum, weights, c->k->data);
}
