/* conv_kernel.c - convolutions as products of matrices: images become columns (im2col), columns images.
 *
 * An image's columns are a matrix of D × A elements: a row for each element (channel, i, j) of the kernel,
 * a column for each position (p, q), so that
 *
 *     y (O × A) = k (O × D) columns        columns = kᵀ y        k += y columnsᵀ
 *
 * Chellapilla, Puri & Simard (2006), High Performance Convolutional Neural Networks for Document
 * Processing. One image after the other, so that the columns stay in the second cache; small images
 * are taken together until their columns are CHUNK wide, since thin products are slow. What is summed over images
 * is summed chunk by chunk: the order depends on the sizes alone. f16 and bf16 are computed in f32.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/conv.h"

#include "base/half.h"
#include "expr/operand.h"
#include "ops/blas.h"
#include "ops/move.h"

#include <string.h>

enum { CHUNK = 256, ALIGN = 64 };

/* ---- images and columns -------------------------------------------------------------------- */

/* The image in memory: strides of channel, row and column, in elements. */
typedef struct conv_image { int64_t channel, row, column; } conv_image;

/* `rows` runs of n elements. They are short: blocks of constant width are moved, and no function is called. */
#define CONV_COPY(name, type)                                                                     \
    static void name(type *to, int64_t to_row, const type *from, int64_t from_row, int64_t rows, int64_t n) { \
        for (int64_t p = 0; p < rows; p++, to += to_row, from += from_row) {                      \
            int64_t q = 0;                                                                        \
            for (; q + 8 <= n; q += 8) memcpy(to + q, from + q, 8 * sizeof *to);                  \
            if (n & 4) memcpy(to + q, from + q, 4 * sizeof *to), q += 4;                          \
            if (n & 2) memcpy(to + q, from + q, 2 * sizeof *to), q += 2;                          \
            if (n & 1) to[q] = from[q];                                                           \
        }                                                                                         \
    }
CONV_COPY(conv_copy_f32, float)
CONV_COPY(conv_copy_f64, double)

/* Sums go through local arrays, which compilers keep in registers. */
#define CONV_ADD_BLOCK(width, type)                                                               \
    for (; q + (width) <= n; q += (width)) {                                                      \
        type t[width], f[width];                                                                  \
        memcpy(t, to + q, sizeof t);                                                              \
        memcpy(f, from + q, sizeof f);                                                            \
        for (int e = 0; e < (width); e++) t[e] += f[e];                                           \
        memcpy(to + q, t, sizeof t);                                                              \
    }
#define CONV_ADD(name, type)                                                                      \
    static void name(type *to, int64_t to_row, const type *from, int64_t from_row, int64_t rows, int64_t n) { \
        for (int64_t p = 0; p < rows; p++, to += to_row, from += from_row) {                      \
            int64_t q = 0;                                                                        \
            CONV_ADD_BLOCK(8, type)                                                               \
            CONV_ADD_BLOCK(4, type)                                                               \
            for (; q < n; q++) to[q] += from[q];                                                  \
        }                                                                                         \
    }
CONV_ADD(conv_add_f32, float)
CONV_ADD(conv_add_f64, double)

/* Strided ones, and half types, one by one. */
#define CONV_GATHER(name, from_type, to_type, value, copy)                                        \
    static void name(to_type *to, int64_t to_row, const from_type *from, int64_t from_row, int64_t step, int64_t rows, \
                     int64_t n) {                                                                 \
        if (copy(step)) return;                                                                   \
        for (int64_t p = 0; p < rows; p++)                                                        \
            for (int64_t q = 0; q < n; q++) to[p * to_row + q] = value(from[p * from_row + q * step]); \
    }
#define CONV_AS_IT_IS(x) (x)
#define CONV_COPY_F32(step) ((step) == 1 && (conv_copy_f32(to, to_row, from, from_row, rows, n), true))
#define CONV_COPY_F64(step) ((step) == 1 && (conv_copy_f64(to, to_row, from, from_row, rows, n), true))
#define CONV_NO_COPY(step) false
CONV_GATHER(conv_gather_f32, float, float, CONV_AS_IT_IS, CONV_COPY_F32)
CONV_GATHER(conv_gather_f64, double, double, CONV_AS_IT_IS, CONV_COPY_F64)
CONV_GATHER(conv_gather_f16, uint16_t, float, btl_half_to_f32, CONV_NO_COPY)
CONV_GATHER(conv_gather_bf16, uint16_t, float, btl_bf16_to_f32, CONV_NO_COPY)

/* Where the kernel's element (i, j) lies in the image: positions top … bottom-1, left … right-1, of which
 * the first one meets the image's (row, column). */
typedef struct conv_tap { int64_t top, bottom, left, right, row, column; } conv_tap;

static conv_tap conv_tap_at(const btl_conv *c, int64_t i, int64_t j) {
    const btl_slide *r = &c->rows, *s = &c->columns;
    conv_tap t;
    if (c->flip) i = r->k - 1 - i, j = s->k - 1 - j;
    btl_slide_range(r, i, &t.top, &t.bottom);
    btl_slide_range(s, j, &t.left, &t.right);
    t.row = t.top * r->stride + i - r->padding;
    t.column = t.left * s->stride + j - s->padding;
    return t;
}

/* One image's columns, rows of the matrix `pitch` elements apart. */
#define CONV_IM2COL(name, from_type, to_type, gather)                                             \
    static void name(const btl_conv *c, const conv_image *m, const char *image, char *columns, int64_t pitch) { \
        const btl_slide *r = &c->rows, *s = &c->columns;                                          \
        const from_type *x = (const void *)image;                                                 \
        to_type *to = (void *)columns;                                                            \
        for (int64_t ch = 0; ch < c->channels; ch++)                                              \
            for (int64_t i = 0; i < r->k; i++)                                                    \
                for (int64_t j = 0; j < s->k; j++, to += pitch) {                                 \
                    const conv_tap t = conv_tap_at(c, i, j);                                      \
                    int64_t rows = t.bottom - t.top, n = t.right - t.left;                        \
                    if (rows < r->out || n < s->out) memset(to, 0, (size_t)(r->out * s->out) * sizeof *to); \
                    gather(to + t.top * s->out + t.left, s->out, x + ch * m->channel + t.row * m->row + t.column * m->column, \
                           r->stride * m->row, s->stride * m->column, rows, n);                   \
                }                                                                                 \
    }
CONV_IM2COL(conv_im2col_f32, float, float, conv_gather_f32)
CONV_IM2COL(conv_im2col_f64, double, double, conv_gather_f64)
CONV_IM2COL(conv_im2col_f16, uint16_t, float, conv_gather_f16)
CONV_IM2COL(conv_im2col_bf16, uint16_t, float, conv_gather_bf16)

/* Adds columns to an image without gaps: to each pixel in the order of the kernel's elements. */
#define CONV_COL2IM(name, type, add)                                                              \
    static void name(const btl_conv *c, const char *columns, int64_t pitch, char *image) {        \
        const btl_slide *r = &c->rows, *s = &c->columns;                                          \
        const type *from = (const void *)columns;                                                 \
        type *x = (void *)image;                                                                  \
        for (int64_t ch = 0; ch < c->channels; ch++, x += r->n * s->n)                            \
            for (int64_t i = 0; i < r->k; i++)                                                    \
                for (int64_t j = 0; j < s->k; j++, from += pitch) {                               \
                    const conv_tap t = conv_tap_at(c, i, j);                                      \
                    const type *f = from + t.top * s->out + t.left;                               \
                    type *to = x + t.row * s->n + t.column;                                       \
                    int64_t rows = t.bottom - t.top, n = t.right - t.left, step = s->stride, row = r->stride * s->n; \
                    if (step == 1) add(to, row, f, s->out, rows, n);                              \
                    else                                                                          \
                        for (int64_t p = 0; p < rows; p++)                                        \
                            for (int64_t q = 0; q < n; q++) to[p * row + q * step] += f[p * s->out + q]; \
                }                                                                                 \
    }
CONV_COL2IM(conv_col2im_f32, float, conv_add_f32)
CONV_COL2IM(conv_col2im_f64, double, conv_add_f64)

/* What is done for each dtype. */
typedef struct conv_type {
    btl_dtype computed;
    bool half;
    void (*im2col)(const btl_conv *c, const conv_image *m, const char *image, char *columns, int64_t pitch);
    void (*col2im)(const btl_conv *c, const char *columns, int64_t pitch, char *image);
} conv_type;

static const conv_type *conv_type_of(btl_dtype dtype) {
    static const conv_type f32 = { BTL_F32, false, conv_im2col_f32, conv_col2im_f32 },
                           f64 = { BTL_F64, false, conv_im2col_f64, conv_col2im_f64 };
    static const conv_type f16 = { BTL_F32, true, conv_im2col_f16, conv_col2im_f32 },
                           bf16 = { BTL_F32, true, conv_im2col_bf16, conv_col2im_f32 };
    return dtype == BTL_F32 ? &f32 : dtype == BTL_F64 ? &f64 : dtype == BTL_F16 ? &f16 : &bf16;
}

/* ---- widening and narrowing ---------------------------------------------------------------- */

static void conv_widen(btl_dtype dtype, int rank, const int64_t *dims, char *to, const int64_t *to_strides, const char *from,
                       const int64_t *from_strides) {
    const int64_t *strides[2] = { to_strides, from_strides };
    const uint16_t *bits = (const void *)from;
    float *wide = (void *)to;
    btl_walk w;
    for (btl_walk_begin(&w, rank, dims, 2, strides); w.more; btl_walk_next(&w))
        wide[w.at[0]] = dtype == BTL_F16 ? btl_half_to_f32(bits[w.at[1]]) : btl_bf16_to_f32(bits[w.at[1]]);
}

static void conv_narrow(btl_dtype dtype, const char *from, int64_t n, char *to) {
    const float *wide = (const void *)from;
    uint16_t *bits = (void *)to;
    for (int64_t i = 0; i < n; i++) bits[i] = dtype == BTL_F16 ? btl_half_from_f32(wide[i]) : btl_bf16_from_f32(wide[i]);
}

/* A part of an operand into scratch of the computed type. */
static void conv_pack(btl_dtype dtype, const conv_type *t, int rank, const int64_t *dims, char *to,
                      const int64_t *to_strides, const char *from, const int64_t *from_strides) {
    if (t->half) conv_widen(dtype, rank, dims, to, to_strides, from, from_strides);
    else btl_move(btl_move_copy(dtype), btl_dtype_bytes(dtype), rank, dims, to, to_strides, from, from_strides);
}

/* ---- the plan ------------------------------------------------------------------------------ */

/* How a convolution is cut and where its scratch lies (offsets in bytes). */
typedef struct conv_plan {
    const conv_type *type;
    int64_t size;              /* of a computed element, in bytes */
    int64_t depth, area;       /* D, A */
    int64_t chunk;             /* images in a product, at most */
    bool direct;               /* an image is its own columns: kernels of one element */
    bool pack_k, pack_y;
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

/* Do the axes from `first` on lie without gaps? */
static bool conv_is_block(const btl_operand *a, int first) {
    int64_t step = 1;
    for (int i = 3; i >= first; i--) {
        if (a->dims[i] != 1 && a->strides[i] != step) return false;
        step *= a->dims[i];
    }
    return true;
}

static conv_plan conv_plan_of(const btl_conv *c) {
    const btl_slide *r = &c->rows, *s = &c->columns;
    conv_plan p = { .type = conv_type_of(c->y->dtype), .area = r->out * s->out };
    p.size = (int64_t)btl_dtype_bytes(p.type->computed);
    if (!btl_mul_i64(r->k, s->k, &p.depth) || !btl_mul_i64(p.depth, c->channels, &p.depth)) p.bytes = SIZE_MAX;
    bool pointwise = r->k == 1 && s->k == 1 && r->stride == 1 && s->stride == 1 && r->padding == 0 && s->padding == 0;
    p.direct = pointwise && !p.type->half && conv_is_block(c->x, 2) &&
               btl_matrix_is_dense(&(btl_matrix){ NULL, c->x->strides[1], 1 }, c->channels, p.area);
    int64_t wide = p.direct ? CHUNK / 4 : CHUNK; /* narrower products are worth the copies of several images */
    p.chunk = p.area == 0 || p.area >= wide ? 1 : (CHUNK + p.area - 1) / p.area;
    if (p.chunk > c->batch) p.chunk = c->batch > 0 ? c->batch : 1;
    p.direct &= p.chunk == 1;
    p.pack_k = p.type->half || !conv_is_block(c->k, 1) ||
               !btl_matrix_is_dense(&(btl_matrix){ NULL, c->k->strides[0], 1 }, c->maps, p.depth);
    p.pack_y = p.type->half || p.chunk > 1 || !conv_is_block(c->y, 2) ||
               !btl_matrix_is_dense(&(btl_matrix){ NULL, c->y->strides[1], 1 }, c->maps, p.area);
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
    int64_t strides[4];
    if (!p->pack_k) return (btl_matrix){ k->data, k->strides[0], 1 };
    btl_strides_row_major(4, k->dims, strides);
    conv_pack(k->dtype, p->type, 4, k->dims, work + p->k, strides, k->data, k->strides);
    return (btl_matrix){ work + p->k, p->depth, 1 };
}

/* The columns of images b … b + n-1 as D × n·A. */
static btl_matrix conv_columns(const btl_conv *c, const conv_plan *p, int64_t b, int64_t n, char *work) {
    const int64_t *strides = c->x->strides;
    const conv_image m = { strides[1], strides[2], strides[3] };
    if (p->direct) return (btl_matrix){ conv_element(c->x, b * strides[0]), strides[1], 1 };
    for (int64_t i = 0; i < n; i++)
        p->type->im2col(c, &m, conv_element(c->x, (b + i) * strides[0]), work + p->columns + i * p->area * p->size,
                        n * p->area);
    return (btl_matrix){ work + p->columns, n * p->area, 1 };
}

/* y of those images as O × n·A. */
static btl_matrix conv_given_products(const btl_conv *c, const conv_plan *p, int64_t b, int64_t n, char *work) {
    const btl_operand *y = c->y;
    const char *from = conv_element(y, b * y->strides[0]);
    const int64_t dims[4] = { n, y->dims[1], y->dims[2], y->dims[3] }, strides[4] = { p->area, n * p->area, y->dims[3], 1 };
    if (!p->pack_y) return (btl_matrix){ from, y->strides[1], 1 };
    conv_pack(y->dtype, p->type, 4, dims, work + p->y, strides, from, y->strides);
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
        btl_gemm(ctx, p.type->computed, c->maps, n * p.area, p.depth, &k, &columns, to, n * p.area);
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
        btl_gemm(ctx, p.type->computed, p.depth, n * p.area, c->maps, &across, &y, to, n * p.area);
        for (int64_t i = 0; i < n && !p.direct; i++) {
            char *image = p.type->half ? work + p.image : conv_element(c->x, (b + i) * pixels);
            memset(image, 0, (size_t)(pixels * p.size));
            p.type->col2im(c, work + p.columns + i * p.area * p.size, n * p.area, image);
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
        btl_gemm(ctx, p.type->computed, c->maps, p.depth, n * p.area, &y, &across, b ? one : sum, p.depth);
        if (b) conv_accumulate(p.type->computed, sum, one, weights);
    }
    if (p.type->half) conv_narrow(c->k->dtype, sum, weights, c->k->data);
}
