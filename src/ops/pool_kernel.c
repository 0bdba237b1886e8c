/* pool_kernel.c - pooling: one row of windows after the other, each window by itself.
 *
 * Which pixel is the largest is as good as random, so that nothing here may branch on it: maxima are written as the
 * processor's own, and what was chosen is a mask. What is added up is added in an order that depends on the sizes
 * alone. f16 and bf16 are summed in f32 and rounded once.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/pool.h"

#include "base/half.h"
#include "expr/operand.h"

#include <math.h>
#include <string.h>

/* A row of windows: `lines` rows of the image from `line` on are theirs. */
typedef struct pool_row {
    const btl_slide *columns;
    int64_t line, lines;
    int64_t begin;               /* the windows before it are done */
    const char *x, *y, *v;       /* of this batch and channel: pixels; windows of this row; v as the op says */
    int64_t x_row, x_step, y_step, v_row, v_step;
    char *sum;                   /* a row of windows, or an image, without gaps */
} pool_row;

/* The columns of window q that lie in the image. */
typedef struct pool_span { int64_t first, n; } pool_span;

static inline pool_span pool_columns(const btl_slide *s, int64_t q) {
    int64_t first = q * s->stride - s->padding, end = first + s->k;
    if (first < 0) first = 0;
    if (end > s->n) end = s->n;
    return (pool_span){ first, end - first };
}

/* Windows of 2 × 2 pixels that lie side by side have loops of constant length. */
#define POOL_INLINE static inline __attribute__((always_inline))
#define POOL_ROW(name)                                                                            \
    static void name(pool_row *r) {                                                         \
        const btl_slide *s = r->columns;                                                          \
        if (r->lines == 2 && s->k == 2 && s->padding == 0 && r->x_step == 1 && r->v_step == 1) name##_windows(r, 2, 2, 1, 1); \
        else if (s->padding == 0) name##_windows(r, r->lines, s->k, r->x_step, r->v_step);        \
        else name##_windows(r, r->lines, 0, r->x_step, r->v_step);                                \
    }
/* The loop over a row's windows: q, and `span`, whose columns are all of them if `columns` says how many. */
#define POOL_EACH_WINDOW                                                                          \
    pool_span span = { 0, columns };                                                              \
    for (int64_t q = r->begin; q < r->columns->out && (columns ? (span.first = q * r->columns->stride, true) : (span = pool_columns(r->columns, q), true)); q++)
#define POOL_EACH_PIXEL(step, value, if_chosen)                                                   \
    if (lines == 2 && columns == 2) {                                                             \
        step(0, 0, value, if_chosen);                                                             \
        step(0, 1, value, if_chosen);                                                             \
        step(1, 0, value, if_chosen);                                                             \
        step(1, 1, value, if_chosen);                                                             \
    } else {                                                                                      \
        for (int64_t i = 0; i < lines; i++)                                                       \
            for (int64_t j = 0; j < span.n; j++) step(i, j, value, if_chosen);                    \
    }
#define POOL_X(i, j) x[(r->line + (i)) * r->x_row + (span.first + (j)) * x_step]
#define POOL_V(i, j) v[(r->line + (i)) * r->v_row + (span.first + (j)) * v_step]
#define POOL_PIXEL(i, j) sum[(r->line + (i)) * r->columns->n + span.first + (j)]

/* ---- the largest ---------------------------------------------------------------------------- */

/* The sum tells whether one is NaN (or there are infinities of both signs): then once more, with care. */
#define POOL_STEP_MAX(i, j, value, _) (u = value(POOL_X(i, j)), m = u > m ? u : m, total += u)
#define POOL_STEP_NAN(i, j, value, _) (u = value(POOL_X(i, j)), m = u != u ? u : m)
#define POOL_STEP_MAX_WHOLE(i, j, _, __) (m = POOL_X(i, j) > m ? POOL_X(i, j) : m)
#define POOL_LARGEST_FLOAT(name, type, sum_type, value)                                           \
    POOL_INLINE void name##_windows(const pool_row *r, int64_t lines, int64_t columns, int64_t x_step, int64_t v_step) { \
        const type *x = (const void *)r->x;                                                       \
        sum_type *max = (void *)r->sum;                                                           \
        (void)v_step;                                                                             \
        POOL_EACH_WINDOW {                                                                        \
            sum_type m = value(POOL_X(0, 0)), u, total = 0;                                       \
            POOL_EACH_PIXEL(POOL_STEP_MAX, value, _)                                              \
            if (total != total) { POOL_EACH_PIXEL(POOL_STEP_NAN, value, _) }                      \
            max[q] = m;                                                                           \
        }                                                                                         \
    }                                                                                             \
    POOL_ROW(name)
#define POOL_LARGEST(name, type)                                                                  \
    POOL_INLINE void name##_windows(const pool_row *r, int64_t lines, int64_t columns, int64_t x_step, int64_t v_step) { \
        const type *x = (const void *)r->x;                                                       \
        type *max = (void *)r->sum;                                                               \
        (void)v_step;                                                                             \
        POOL_EACH_WINDOW {                                                                        \
            type m = POOL_X(0, 0);                                                                \
            POOL_EACH_PIXEL(POOL_STEP_MAX_WHOLE, _, _)                                            \
            max[q] = m;                                                                           \
        }                                                                                         \
    }                                                                                             \
    POOL_ROW(name)
#define POOL_AS_IT_IS(x) (x)
POOL_LARGEST_FLOAT(pool_max_f32, float, float, POOL_AS_IT_IS)
POOL_LARGEST_FLOAT(pool_max_f64, double, double, POOL_AS_IT_IS)
POOL_LARGEST_FLOAT(pool_max_f16, uint16_t, float, btl_half_to_f32)
POOL_LARGEST_FLOAT(pool_max_bf16, uint16_t, float, btl_bf16_to_f32)
POOL_LARGEST(pool_max_i8, int8_t)
POOL_LARGEST(pool_max_i16, int16_t)
POOL_LARGEST(pool_max_i32, int32_t)
POOL_LARGEST(pool_max_i64, int64_t)
POOL_LARGEST(pool_max_u8, uint8_t)
POOL_LARGEST(pool_max_u16, uint16_t)
POOL_LARGEST(pool_max_u32, uint32_t)
POOL_LARGEST(pool_max_u64, uint64_t)

/* ---- sums of floats -------------------------------------------------------------------------- */

/* v, or +0: by a mask. */
static inline float pool_if_float(bool chosen, float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits &= 0u - (uint32_t)chosen;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline double pool_if_double(bool chosen, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits &= 0u - (uint64_t)chosen;
    memcpy(&v, &bits, sizeof v);
    return v;
}

#define POOL_STEP_SUM(i, j, value, _) (total += value(POOL_V(i, j)))
#define POOL_STEP_SPREAD(i, j, _, __) (POOL_PIXEL(i, j) += each)
#define POOL_STEP_AT(i, j, value, if_chosen) (total += if_chosen(value(POOL_X(i, j)) == m, value(POOL_V(i, j))))
#define POOL_STEP_TO(i, j, value, if_chosen) (POOL_PIXEL(i, j) += if_chosen(value(POOL_X(i, j)) == m, d))
#define POOL_SUMS(name, type, sum_type, value)                                                    \
    /* mean_pool2d */                                                                             \
    POOL_INLINE void name##_mean_windows(const pool_row *r, int64_t lines, int64_t columns, int64_t x_step, int64_t v_step) { \
        const type *v = (const void *)r->v;                                                       \
        sum_type *sum = (void *)r->sum;                                                           \
        (void)x_step;                                                                             \
        POOL_EACH_WINDOW {                                                                        \
            sum_type total = 0;                                                                   \
            POOL_EACH_PIXEL(POOL_STEP_SUM, value, _)                                              \
            sum[q] = total / (sum_type)(lines * span.n);                                          \
        }                                                                                         \
    }                                                                                             \
    POOL_ROW(name##_mean)                                                                         \
    /* its derivative: into the image */                                                          \
    POOL_INLINE void name##_spread_windows(const pool_row *r, int64_t lines, int64_t columns, int64_t x_step, int64_t v_step) { \
        const type *v = (const void *)r->v;                                                       \
        sum_type *sum = (void *)r->sum;                                                           \
        (void)x_step;                                                                             \
        POOL_EACH_WINDOW {                                                                        \
            const sum_type each = value(v[q * v_step]) / (sum_type)(lines * span.n);              \
            POOL_EACH_PIXEL(POOL_STEP_SPREAD, _, _)                                               \
        }                                                                                         \
    }                                                                                             \
    POOL_ROW(name##_spread)                                                                       \
    /* max_pool2d_at */                                                                           \
    POOL_INLINE void name##_at_max_windows(const pool_row *r, int64_t lines, int64_t columns, int64_t x_step, int64_t v_step) { \
        const type *x = (const void *)r->x, *y = (const void *)r->y, *v = (const void *)r->v;     \
        sum_type *sum = (void *)r->sum;                                                           \
        POOL_EACH_WINDOW {                                                                        \
            const sum_type m = value(y[q * r->y_step]);                                           \
            sum_type total = 0;                                                                   \
            POOL_EACH_PIXEL(POOL_STEP_AT, value, pool_if_##sum_type)                              \
            sum[q] = total;                                                                       \
        }                                                                                         \
    }                                                                                             \
    POOL_ROW(name##_at_max)                                                                       \
    /* max_pool2d_dx: into the image */                                                           \
    POOL_INLINE void name##_to_max_windows(const pool_row *r, int64_t lines, int64_t columns, int64_t x_step, int64_t v_step) { \
        const type *x = (const void *)r->x, *y = (const void *)r->y, *v = (const void *)r->v;     \
        sum_type *sum = (void *)r->sum;                                                           \
        POOL_EACH_WINDOW {                                                                        \
            const sum_type m = value(y[q * r->y_step]), d = value(v[q * v_step]);                 \
            POOL_EACH_PIXEL(POOL_STEP_TO, value, pool_if_##sum_type)                              \
        }                                                                                         \
    }                                                                                             \
    POOL_ROW(name##_to_max)
POOL_SUMS(pool_f32, float, float, POOL_AS_IT_IS)
POOL_SUMS(pool_f64, double, double, POOL_AS_IT_IS)
POOL_SUMS(pool_f16, uint16_t, float, btl_half_to_f32)
POOL_SUMS(pool_bf16, uint16_t, float, btl_bf16_to_f32)

/* ---- 2 × 2 pixels side by side, f32 ----------------------------------------------------------- */

/* The most frequent windows, four at once, in the vectors of the compiler (no processor's): the same values, of which
 * each is computed in the same order. Where a compiler has no shuffles they take the way of all. */
#ifdef __has_builtin
#if __has_builtin(__builtin_shufflevector)
#define POOL_QUADS 1
#endif
#endif

#ifdef POOL_QUADS
typedef float pool_quad __attribute__((vector_size(16)));
typedef int32_t pool_mask __attribute__((vector_size(16)));

static inline pool_quad pool_load(const float *p) {
    pool_quad x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* u where it is larger or NaN, else m. */
static inline pool_quad pool_larger(pool_quad m, pool_quad u) {
    const pool_mask take = (pool_mask)(u > m) | (pool_mask)(u != u);
    return (pool_quad)(((pool_mask)u & take) | ((pool_mask)m & ~take));
}

/* Of rows a and b, as far as four windows go; the number of windows done. */
static int64_t pool_quads_max(const float *a, const float *b, float *max, int64_t n) {
    int64_t q = 0;
    for (; q + 4 <= n; q += 4, a += 8, b += 8) {
        const pool_quad left_a = pool_load(a), right_a = pool_load(a + 4), left_b = pool_load(b), right_b = pool_load(b + 4);
        pool_quad m = __builtin_shufflevector(left_a, right_a, 0, 2, 4, 6);
        m = pool_larger(m, __builtin_shufflevector(left_a, right_a, 1, 3, 5, 7));
        m = pool_larger(m, __builtin_shufflevector(left_b, right_b, 0, 2, 4, 6));
        m = pool_larger(m, __builtin_shufflevector(left_b, right_b, 1, 3, 5, 7));
        memcpy(max + q, &m, sizeof m);
    }
    return q;
}

/* Along one row x of the image. */
static int64_t pool_quads_to_max(const float *x, const float *y, const float *v, float *sum, int64_t n) {
    int64_t q = 0;
    for (; q + 4 <= n; q += 4, x += 8, sum += 8) {
        const pool_quad m = pool_load(y + q), d = pool_load(v + q);
        const pool_mask left = (pool_mask)(pool_load(x) == __builtin_shufflevector(m, m, 0, 0, 1, 1));
        const pool_mask right = (pool_mask)(pool_load(x + 4) == __builtin_shufflevector(m, m, 2, 2, 3, 3));
        const pool_quad first = pool_load(sum) + (pool_quad)((pool_mask)__builtin_shufflevector(d, d, 0, 0, 1, 1) & left);
        const pool_quad second = pool_load(sum + 4) + (pool_quad)((pool_mask)__builtin_shufflevector(d, d, 2, 2, 3, 3) & right);
        memcpy(sum, &first, sizeof first);
        memcpy(sum + 4, &second, sizeof second);
    }
    return q;
}

static bool pool_is_quads(const pool_row *r) {
    const btl_slide *s = r->columns;
    return r->lines == 2 && s->k == 2 && s->stride == 2 && s->padding == 0 && r->x_step == 1;
}

static void pool_max_quads(pool_row *r) {
    if (pool_is_quads(r)) {
        const float *line = (const float *)(const void *)r->x + r->line * r->x_row;
        r->begin = pool_quads_max(line, line + r->x_row, (void *)r->sum, r->columns->out);
    }
    pool_max_f32(r);
}

static void pool_to_max_quads(pool_row *r) {
    if (pool_is_quads(r) && r->y_step == 1 && r->v_step == 1) {
        const float *x = (const void *)r->x;
        float *sum = (void *)r->sum;
        for (int64_t i = r->line; i < r->line + 2; i++)
            r->begin = pool_quads_to_max(x + i * r->x_row, (const void *)r->y, (const void *)r->v, sum + i * r->columns->n, r->columns->out);
    }
    pool_f32_to_max(r);
}
#else
#define pool_max_quads pool_max_f32
#define pool_to_max_quads pool_f32_to_max
#endif

typedef void (*pool_fn)(pool_row *r);
enum { POOL_MAX, POOL_MEAN, POOL_SPREAD, POOL_AT_MAX, POOL_TO_MAX, NPOOLS };

#define POOL_FLOATS(t) { pool_max_##t, pool_##t##_mean, pool_##t##_spread, pool_##t##_at_max, pool_##t##_to_max }
static const pool_fn pool_functions[BTL_NDTYPES][NPOOLS] = {
    [BTL_BOOL] = { pool_max_u8 }, [BTL_I8] = { pool_max_i8 }, [BTL_I16] = { pool_max_i16 }, [BTL_I32] = { pool_max_i32 },
    [BTL_I64] = { pool_max_i64 }, [BTL_U8] = { pool_max_u8 }, [BTL_U16] = { pool_max_u16 }, [BTL_U32] = { pool_max_u32 },
    [BTL_U64] = { pool_max_u64 }, [BTL_F16] = POOL_FLOATS(f16), [BTL_BF16] = POOL_FLOATS(bf16), [BTL_F32] = { pool_max_quads, pool_f32_mean, pool_f32_spread, pool_f32_at_max, pool_to_max_quads },
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

static char *pool_image(const btl_operand *a, int64_t b, int64_t c) {
    return a->data + (b * a->strides[0] + c * a->strides[1]) * (int64_t)btl_dtype_bytes(a->dtype);
}

/* Of one batch and channel: all rows of windows. */
static void pool_rows(const btl_pool *s, pool_row *r, pool_fn one, bool to_pixels, int64_t size) {
    const char *y = r->y, *v = r->v;
    char *sum = r->sum;
    int64_t bytes = (int64_t)btl_dtype_bytes(s->v->dtype), y_row = s->y ? s->y->strides[2] * bytes : 0, v_row = to_pixels ? r->v_row * bytes : 0;
    int64_t sum_row = to_pixels ? 0 : s->columns.out * size;
    for (int64_t p = 0; p < s->rows.out; p++, y += y_row, v += v_row, sum += sum_row) {
        const pool_span lines = pool_columns(&s->rows, p);
        r->line = lines.first, r->lines = lines.n, r->begin = 0;
        r->y = y, r->v = v, r->sum = sum;
        one(r);
    }
}

static void pool_run(const btl_pool *s, int which, char *work) {
    const btl_operand *x = s->x, *to = s->to, *y = s->y ? s->y : s->x;
    bool to_pixels = which == POOL_SPREAD || which == POOL_TO_MAX, half = pool_is_half(to->dtype);
    int64_t elems = to->dims[2] * to->dims[3], size = half ? (int64_t)sizeof(float) : (int64_t)btl_dtype_bytes(to->dtype);
    const pool_fn one = pool_functions[s->v->dtype][which];
    pool_row r = { .columns = &s->columns, .x_row = x->strides[2], .x_step = x->strides[3], .y_step = y->strides[3],
                   .v_row = s->v->strides[2], .v_step = s->v->strides[3] };
    for (int64_t b = 0; b < to->dims[0]; b++)
        for (int64_t c = 0; c < to->dims[1]; c++) {
            char *image = pool_image(to, b, c);
            r.x = pool_image(x, b, c), r.y = pool_image(y, b, c), r.v = pool_image(s->v, b, c);
            r.sum = half ? work : image;
            if (to_pixels) memset(r.sum, 0, (size_t)(elems * size));
            pool_rows(s, &r, one, to_pixels, size);
            if (half) pool_narrow(to->dtype, work, elems, image);
        }
}

void btl_pool_max(const btl_pool *s, char *work) { pool_run(s, POOL_MAX, work); }
void btl_pool_mean(const btl_pool *s, char *work) { pool_run(s, POOL_MEAN, work); }
void btl_pool_spread(const btl_pool *s, char *work) { pool_run(s, POOL_SPREAD, work); }
void btl_pool_at_max(const btl_pool *s, char *work) { pool_run(s, POOL_AT_MAX, work); }
void btl_pool_to_max(const btl_pool *s, char *work) { pool_run(s, POOL_TO_MAX, work); }
