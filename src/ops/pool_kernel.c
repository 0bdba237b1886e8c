/* pool_kernel.c - pooling row by row: for each row of windows and each of a window's elements one loop along the row.
 *
 * What is added up is added in that order, which depends on the sizes alone. f16 and bf16 are summed in f32 and rounded
 * once.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/pool.h"

#include "base/half.h"
#include "expr/operand.h"

#include <math.h>
#include <string.h>


/* One row of windows while it is computed: where their elements (i, j) lie, first … end-1 of them in the image. */
typedef struct pool_row {
    const btl_slide *rows, *columns;
    int64_t p;                   /* the row of windows */
    const char *x, *y, *v;       /* of this batch and channel: pixels; windows of row p; v as the op says */
    int64_t x_row, x_step, y_step, v_row, v_step;
    char *sum;                   /* a row of windows, or an image, without gaps */
} pool_row;

/* The windows of the row whose column j lies in the image. */
static inline void pool_span(const btl_slide *s, int64_t j, int64_t *first, int64_t *end) {
    *first = 0, *end = s->out;
    if (s->padding) btl_slide_range(s, j, first, end);
}

/* For each element of a window that lies in the image, for each window q: the statements, with i and j the pixel's place. */
#define POOL_EACH(r, ...)                                                                         \
    do {                                                                                          \
        const btl_slide *pool_rows = (r)->rows, *pool_columns = (r)->columns;                     \
        for (int64_t pool_i = 0; pool_i < pool_rows->k; pool_i++) {                               \
            const int64_t i = (r)->p * pool_rows->stride + pool_i - pool_rows->padding;           \
            if (i < 0 || i >= pool_rows->n) continue;                                             \
            for (int64_t pool_j = 0; pool_j < pool_columns->k; pool_j++) {                        \
                int64_t q, end;                                                                   \
                pool_span(pool_columns, pool_j, &q, &end);                                        \
                for (int64_t j = q * pool_columns->stride + pool_j - pool_columns->padding; q < end; q++, j += pool_columns->stride) { __VA_ARGS__; } \
            }                                                                                     \
        }                                                                                         \
    } while (0)

/* ---- the largest ---------------------------------------------------------------------------- */

#define POOL_LARGEST(name, type, sum_type, value, least, keeps)                                       \
    static void name(const pool_row *r) {                                                         \
        const type *x = (const void *)r->x;                                                       \
        sum_type *max = (void *)r->sum;                                                           \
        for (int64_t q = 0; q < r->columns->out; q++) max[q] = least;                             \
        POOL_EACH(r,                                                                              \
            const sum_type u = value(x[i * r->x_row + j * r->x_step]), m = max[q];                \
            max[q] = keeps ? m : u;                                                               \
        );                                                                                         \
    }
#define POOL_AS_IT_IS(x) (x)
#define POOL_KEEPS_FLOAT (u <= m || m != m) /* a NaN comes in, and stays */
POOL_LARGEST(pool_max_f32, float, float, POOL_AS_IT_IS, -(float)INFINITY, POOL_KEEPS_FLOAT)
POOL_LARGEST(pool_max_f64, double, double, POOL_AS_IT_IS, -(double)INFINITY, POOL_KEEPS_FLOAT)
POOL_LARGEST(pool_max_f16, uint16_t, float, btl_half_to_f32, -(float)INFINITY, POOL_KEEPS_FLOAT)
POOL_LARGEST(pool_max_bf16, uint16_t, float, btl_bf16_to_f32, -(float)INFINITY, POOL_KEEPS_FLOAT)
POOL_LARGEST(pool_max_i8, int8_t, int8_t, POOL_AS_IT_IS, INT8_MIN, (u <= m))
POOL_LARGEST(pool_max_i16, int16_t, int16_t, POOL_AS_IT_IS, INT16_MIN, (u <= m))
POOL_LARGEST(pool_max_i32, int32_t, int32_t, POOL_AS_IT_IS, INT32_MIN, (u <= m))
POOL_LARGEST(pool_max_i64, int64_t, int64_t, POOL_AS_IT_IS, INT64_MIN, (u <= m))
POOL_LARGEST(pool_max_u8, uint8_t, uint8_t, POOL_AS_IT_IS, 0, (u <= m))
POOL_LARGEST(pool_max_u16, uint16_t, uint16_t, POOL_AS_IT_IS, 0, (u <= m))
POOL_LARGEST(pool_max_u32, uint32_t, uint32_t, POOL_AS_IT_IS, 0, (u <= m))
POOL_LARGEST(pool_max_u64, uint64_t, uint64_t, POOL_AS_IT_IS, 0, (u <= m))

/* ---- sums of floats -------------------------------------------------------------------------- */

#define POOL_SUMS(name, type, sum_type, value)                                                    \
    /* mean_pool2d */                                                                             \
    static void name##_mean(const pool_row *r) {                                                  \
        const type *v = (const void *)r->v;                                                       \
        sum_type *sum = (void *)r->sum;                                                           \
        int64_t rows = btl_slide_count(r->rows, r->p), columns = r->columns->k;                   \
        for (int64_t q = 0; q < r->columns->out; q++) sum[q] = 0;                                 \
        POOL_EACH(r, sum[q] += value(v[i * r->v_row + j * r->v_step]));                           \
        for (int64_t q = 0; q < r->columns->out; q++) {                                           \
            if (r->columns->padding) columns = btl_slide_count(r->columns, q);                    \
            sum[q] /= (sum_type)(rows * columns);                                                 \
        }                                                                                         \
    }                                                                                             \
    /* its derivative: into the image */                                                          \
    static void name##_spread(const pool_row *r) {                                                \
        const type *v = (const void *)r->v;                                                       \
        sum_type *sum = (void *)r->sum;                                                           \
        int64_t rows = btl_slide_count(r->rows, r->p), columns = r->columns->k;                   \
        POOL_EACH(r,                                                                              \
            if (r->columns->padding) columns = btl_slide_count(r->columns, q);                    \
            sum[i * r->columns->n + j] += value(v[q * r->v_step]) / (sum_type)(rows * columns);   \
        );                                                                                         \
    }                                                                                             \
    /* max_pool2d_at */                                                                           \
    static void name##_at_max(const pool_row *r) {                                                \
        const type *x = (const void *)r->x, *y = (const void *)r->y, *v = (const void *)r->v;     \
        sum_type *sum = (void *)r->sum;                                                           \
        for (int64_t q = 0; q < r->columns->out; q++) sum[q] = 0;                                 \
        POOL_EACH(r,                                                                              \
            if (value(x[i * r->x_row + j * r->x_step]) == value(y[q * r->y_step])) sum[q] += value(v[i * r->v_row + j * r->v_step]); \
        );                                                                                         \
    }                                                                                             \
    /* max_pool2d_dx: into the image */                                                           \
    static void name##_to_max(const pool_row *r) {                                                \
        const type *x = (const void *)r->x, *y = (const void *)r->y, *v = (const void *)r->v;     \
        sum_type *sum = (void *)r->sum;                                                           \
        POOL_EACH(r,                                                                              \
            const bool chosen = value(x[i * r->x_row + j * r->x_step]) == value(y[q * r->y_step]); \
            sum[i * r->columns->n + j] += chosen ? value(v[q * r->v_step]) : 0;                   \
        );                                                                                         \
    }
POOL_SUMS(pool_f32, float, float, POOL_AS_IT_IS)
POOL_SUMS(pool_f64, double, double, POOL_AS_IT_IS)
POOL_SUMS(pool_f16, uint16_t, float, btl_half_to_f32)
POOL_SUMS(pool_bf16, uint16_t, float, btl_bf16_to_f32)

typedef void (*pool_fn)(const pool_row *r);
enum { POOL_MAX, POOL_MEAN, POOL_SPREAD, POOL_AT_MAX, POOL_TO_MAX, NPOOLS };

#define POOL_FLOATS(t) { pool_max_##t, pool_##t##_mean, pool_##t##_spread, pool_##t##_at_max, pool_##t##_to_max }
static const pool_fn pool_functions[BTL_NDTYPES][NPOOLS] = {
    [BTL_BOOL] = { pool_max_u8 }, [BTL_I8] = { pool_max_i8 }, [BTL_I16] = { pool_max_i16 }, [BTL_I32] = { pool_max_i32 },
    [BTL_I64] = { pool_max_i64 }, [BTL_U8] = { pool_max_u8 }, [BTL_U16] = { pool_max_u16 }, [BTL_U32] = { pool_max_u32 },
    [BTL_U64] = { pool_max_u64 }, [BTL_F16] = POOL_FLOATS(f16), [BTL_BF16] = POOL_FLOATS(bf16), [BTL_F32] = POOL_FLOATS(f32),
    [BTL_F64] = POOL_FLOATS(f64),
};

/* ---- all images ------------------------------------------------------------------------------ */

static bool pool_is_half(btl_dtype dtype) { return dtype == BTL_F16 || dtype == BTL_BF16; }

/* f16 and bf16: one image of the result in f32. */
size_t btl_pool_bytes(const btl_pool *s) {
    const int64_t *dims = s->to->dims;
    int64_t bytes = sizeof(float);
    if (!pool_is_half(s->to->dtype)) return 0;
    return btl_mul_i64(bytes, dims[2], &bytes) && btl_mul_i64(bytes, dims[3], &bytes) ? (size_t)bytes : SIZE_MAX;
}

static void pool_narrow(btl_dtype dtype, const char *from, int64_t n, char *to) {
    const float *wide = (const void *)from;
    uint16_t *bits = (void *)to;
    for (int64_t i = 0; i < n; i++) bits[i] = dtype == BTL_F16 ? btl_half_from_f32(wide[i]) : btl_bf16_from_f32(wide[i]);
}

static const char *pool_image(const btl_operand *a, int64_t b, int64_t c) {
    return a ? a->data + (b * a->strides[0] + c * a->strides[1]) * (int64_t)btl_dtype_bytes(a->dtype) : NULL;
}

/* Of one batch and channel: all rows of windows. y and v, where they are of windows, begin at row p. */
static void pool_rows(const btl_pool *s, pool_row r, pool_fn one, bool v_of_windows, bool to_pixels, int64_t size) {
    const char *y = r.y, *v = r.v;
    char *sum = r.sum;
    int64_t bytes = (int64_t)btl_dtype_bytes(s->v->dtype), y_row = s->y ? s->y->strides[2] * bytes : 0;
    for (r.p = 0; r.p < s->rows.out; r.p++) {
        r.y = y ? y + r.p * y_row : NULL;
        r.v = v_of_windows ? v + r.p * r.v_row * bytes : v;
        r.sum = to_pixels ? sum : sum + r.p * s->columns.out * size;
        one(&r);
    }
}

static void pool_run(const btl_pool *s, int which, char *work) {
    const btl_operand *x = s->x, *to = s->to;
    bool to_pixels = which == POOL_SPREAD || which == POOL_TO_MAX, half = pool_is_half(to->dtype);
    int64_t elems = to->dims[2] * to->dims[3], size = half ? (int64_t)sizeof(float) : (int64_t)btl_dtype_bytes(to->dtype);
    pool_row r = { .rows = &s->rows, .columns = &s->columns, .x_row = x->strides[2], .x_step = x->strides[3], .y_step = s->y ? s->y->strides[3] : 0,
                   .v_row = s->v->strides[2], .v_step = s->v->strides[3] };
    for (int64_t b = 0; b < to->dims[0]; b++)
        for (int64_t c = 0; c < to->dims[1]; c++) {
            char *image = (char *)(uintptr_t)pool_image(to, b, c);
            r.x = pool_image(x, b, c), r.y = pool_image(s->y, b, c), r.v = pool_image(s->v, b, c);
            r.sum = half ? work : image;
            if (to_pixels) memset(r.sum, 0, (size_t)(elems * size));
            pool_rows(s, r, pool_functions[s->v->dtype][which], to_pixels, to_pixels, size);
            if (half) pool_narrow(to->dtype, work, elems, image);
        }
}

void btl_pool_max(const btl_pool *s, char *work) { pool_run(s, POOL_MAX, work); }
void btl_pool_mean(const btl_pool *s, char *work) { pool_run(s, POOL_MEAN, work); }
void btl_pool_spread(const btl_pool *s, char *work) { pool_run(s, POOL_SPREAD, work); }
void btl_pool_at_max(const btl_pool *s, char *work) { pool_run(s, POOL_AT_MAX, work); }
void btl_pool_to_max(const btl_pool *s, char *work) { pool_run(s, POOL_TO_MAX, work); }
