/* pool_kernel.c - pooling: one row of windows after the other, by the functions of support.inc, which generated code has, too.
 *
 * What is added up is added in an order that depends on the sizes alone. f16 and bf16 are summed in f32 and rounded once.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/pool.h"

#include "base/half.h"
#include "expr/operand.h"

#include <string.h>

typedef void (*pool_fn)(const btl_pool_row *r);
enum { POOL_MAX, POOL_MEAN, POOL_SPREAD, POOL_AT_MAX, POOL_TO_MAX, NPOOLS };

#define POOL_FLOATS(t) { btl_pool_max_##t, btl_pool_mean_##t, btl_pool_spread_##t, btl_pool_at_max_##t, btl_pool_to_max_##t }
static const pool_fn pool_functions[BTL_NDTYPES][NPOOLS] = {
    [BTL_BOOL] = { btl_pool_max_u8 }, [BTL_I8] = { btl_pool_max_i8 }, [BTL_I16] = { btl_pool_max_i16 }, [BTL_I32] = { btl_pool_max_i32 },
    [BTL_I64] = { btl_pool_max_i64 }, [BTL_U8] = { btl_pool_max_u8 }, [BTL_U16] = { btl_pool_max_u16 }, [BTL_U32] = { btl_pool_max_u32 },
    [BTL_U64] = { btl_pool_max_u64 }, [BTL_F16] = POOL_FLOATS(f16), [BTL_BF16] = POOL_FLOATS(bf16), [BTL_F32] = POOL_FLOATS(f32),
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
static void pool_rows(const btl_pool *s, btl_pool_row *r, pool_fn one, bool to_pixels, int64_t size) {
    const char *y = r->y, *v = r->v;
    char *sum = r->sum;
    int64_t bytes = (int64_t)btl_dtype_bytes(s->v->dtype), y_row = s->y ? s->y->strides[2] * bytes : 0,
            v_row = to_pixels ? r->v_row * bytes : 0;
    int64_t sum_row = to_pixels ? 0 : s->columns.out * size;
    for (int64_t p = 0; p < s->rows.out; p++, y += y_row, v += v_row, sum += sum_row) {
        const btl_slide_span lines = btl_slide_span_at(&s->rows, p);
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
    btl_pool_row r = { .columns = &s->columns, .x_row = x->strides[2], .x_step = x->strides[3], .y_step = y->strides[3],
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
