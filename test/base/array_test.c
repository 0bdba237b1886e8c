/* array_test.c - element types, 16-bit floats, arrays.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/half.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An allocator that counts what lives and fails at the n-th request. */
typedef struct counter {
    int calls, fail_at;
    int64_t live_bytes;
} counter;

static void *counter_alloc(void *user, void *ptr, size_t old_bytes, size_t bytes) {
    counter *c = user;
    if (bytes && ++c->calls == c->fail_at) return NULL;
    void *p = bytes ? realloc(ptr, bytes) : (free(ptr), NULL);
    if (p || bytes == 0) c->live_bytes += (int64_t)bytes - (int64_t)(ptr ? old_bytes : 0);
    return p;
}

static btl_context *counter_context(counter *c) {
    btl_context *ctx;
    btl_context_options options = { .struct_size = sizeof options, .alloc = counter_alloc, .alloc_user = c };
    assert_int_equal(btl_context_new(&options, &ctx), BTL_OK);
    return ctx;
}

/* ---- types ----------------------------------------------------------------------------- */

static void every_type_is_found_by_its_name(void **state) {
    (void)state;
    static const size_t bytes[] = { 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8 };
    for (int i = 0; i < BTL_NDTYPES; i++) {
        const char *name = btl_dtype_name((btl_dtype)i);
        btl_dtype found;
        assert_true(btl_dtype_find(name, strlen(name), &found));
        assert_int_equal(found, i);
        assert_int_equal(btl_dtype_bytes(found), bytes[i]);
        assert_int_equal(btl_dtype_kind(found), i == 0 ? 'b' : i < 5 ? 'i' : i < 9 ? 'u' : 'f');
        btl_array a = btl_array_wrap(found, 0, NULL, NULL);
        btl_dtype back;
        assert_true(btl_array_dtype(&a, &back) && back == found);
    }
    btl_dtype unused;
    assert_false(btl_dtype_find("f3", 2, &unused));
    assert_false(btl_dtype_find("f32", 2, &unused));
    assert_false(btl_dtype_find("", 0, &unused));
    btl_array complex_array = { .dtype = { 5, 64, 1 } };
    assert_false(btl_array_dtype(&complex_array, &unused));
}

/* NumPy 2.0's np.result_type of two dtypes; the rows and columns of bf16 follow f16's. */
static const char *const promotions[BTL_NDTYPES][BTL_NDTYPES] = {
    { "bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f16", "bf16", "f32", "f64" },
    { "i8", "i8", "i16", "i32", "i64", "i16", "i32", "i64", "f64", "f16", "bf16", "f32", "f64" },
    { "i16", "i16", "i16", "i32", "i64", "i16", "i32", "i64", "f64", "f32", "f32", "f32", "f64" },
    { "i32", "i32", "i32", "i32", "i64", "i32", "i32", "i64", "f64", "f64", "f64", "f64", "f64" },
    { "i64", "i64", "i64", "i64", "i64", "i64", "i64", "i64", "f64", "f64", "f64", "f64", "f64" },
    { "u8", "i16", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f16", "bf16", "f32", "f64" },
    { "u16", "i32", "i32", "i32", "i64", "u16", "u16", "u32", "u64", "f32", "f32", "f32", "f64" },
    { "u32", "i64", "i64", "i64", "i64", "u32", "u32", "u32", "u64", "f64", "f64", "f64", "f64" },
    { "u64", "f64", "f64", "f64", "f64", "u64", "u64", "u64", "u64", "f64", "f64", "f64", "f64" },
    { "f16", "f16", "f32", "f64", "f64", "f16", "f32", "f64", "f64", "f16", "f32", "f32", "f64" },
    { "bf16", "bf16", "f32", "f64", "f64", "bf16", "f32", "f64", "f64", "f32", "bf16", "f32", "f64" },
    { "f32", "f32", "f32", "f64", "f64", "f32", "f32", "f64", "f64", "f32", "f32", "f32", "f64" },
    { "f64", "f64", "f64", "f64", "f64", "f64", "f64", "f64", "f64", "f64", "f64", "f64", "f64" },
};

static void promotion_is_numpys(void **state) {
    (void)state;
    for (int a = 0; a < BTL_NDTYPES; a++)
        for (int b = 0; b < BTL_NDTYPES; b++)
            assert_string_equal(btl_dtype_name(btl_dtype_promote((btl_dtype)a, (btl_dtype)b)), promotions[a][b]);
}

/* Row: from, column: to, in the order of btl_dtype. */
static const char *const widenings[BTL_NDTYPES] = {
    "1111111111111", /* bool */
    "0111100001111", /* i8 */
    "0011100000011", /* i16 */
    "0001100000001", /* i32 */
    "0000100000000", /* i64 */
    "0011111111111", /* u8 */
    "0001101110011", /* u16 */
    "0000100110001", /* u32 */
    "0000000010000", /* u64 */
    "0000000001011", /* f16 */
    "0000000000111", /* bf16 */
    "0000000000011", /* f32 */
    "0000000000001", /* f64 */
};

static void widening_keeps_every_value(void **state) {
    (void)state;
    for (int a = 0; a < BTL_NDTYPES; a++)
        for (int b = 0; b < BTL_NDTYPES; b++)
            assert_int_equal(btl_dtype_can_widen((btl_dtype)a, (btl_dtype)b), widenings[a][b] == '1');
}

/* ---- 16-bit floats --------------------------------------------------------------------- */

typedef struct narrow_type {
    float (*widen)(uint16_t);
    uint16_t (*from_f32)(float);
    uint16_t (*from_f64)(double);
    uint16_t infinity, quiet;
} narrow_type;

static const narrow_type narrow_types[] = {
    { btl_half_to_f32, btl_half_from_f32, btl_half_from_f64, 0x7c00, 0x0200 },
    { btl_bf16_to_f32, btl_bf16_from_f32, btl_bf16_from_f64, 0x7f80, 0x0040 },
};

static void every_16_bit_float_survives_widening(void **state) {
    (void)state;
    for (int k = 0; k < 2; k++) {
        const narrow_type *t = &narrow_types[k];
        for (unsigned bits = 0; bits < 0x10000; bits++) {
            float x = t->widen((uint16_t)bits);
            unsigned expected = (bits & 0x7fff) > t->infinity ? bits | t->quiet : bits;
            assert_int_equal(isnan(x) != 0, (bits & 0x7fff) > t->infinity);
            assert_int_equal(t->from_f32(x), expected);
            assert_int_equal(t->from_f64((double)x) | (isnan(x) ? t->quiet : 0), expected);
        }
    }
}

/* Between each two neighbours: the midpoint goes to the even one, anything beside it to the nearer. */
static void narrowing_rounds_to_nearest_even(void **state) {
    (void)state;
    for (int k = 0; k < 2; k++) {
        const narrow_type *t = &narrow_types[k];
        for (unsigned bits = 0; bits + 1 < t->infinity; bits++) {
            double low = (double)t->widen((uint16_t)bits), high = (double)t->widen((uint16_t)(bits + 1));
            double middle = low + (high - low) / 2;
            unsigned even = bits & 1 ? bits + 1 : bits;
            assert_int_equal(t->from_f64(middle), even);
            assert_int_equal(t->from_f64(-middle), even | 0x8000);
            assert_int_equal(t->from_f64(nextafter(middle, low)), bits);
            assert_int_equal(t->from_f64(nextafter(middle, high)), bits + 1);
            assert_int_equal(t->from_f32((float)middle), even); /* the midpoint is a float */
            assert_int_equal(t->from_f32(nextafterf((float)middle, (float)low)), bits);
            assert_int_equal(t->from_f32(nextafterf((float)middle, (float)high)), bits + 1);
        }
    }
}

static void narrowing_overflows_to_infinity_from_half_a_step_above_the_largest(void **state) {
    (void)state;
    assert_int_equal(btl_half_from_f32(65504.0f), 0x7bff);
    assert_int_equal(btl_half_from_f32(65519.996f), 0x7bff);
    assert_int_equal(btl_half_from_f32(65520.0f), 0x7c00);
    assert_int_equal(btl_half_from_f64(-1e300), 0xfc00);
    assert_int_equal(btl_bf16_from_f32(3.4028235e38f), 0x7f80);
    assert_int_equal(btl_bf16_from_f64(1e39), 0x7f80);
    assert_int_equal(btl_half_from_f64(5e-324), 0);
    assert_int_equal(btl_half_from_f64(-5e-324), 0x8000);
    assert_int_equal(btl_bf16_from_f32(-(float)NAN) & 0x7fff, 0x7fc0);
}

/* ---- arrays ---------------------------------------------------------------------------- */

static void a_new_array_is_zero_and_aligned_and_owns_its_shape(void **state) {
    (void)state;
    counter c = { 0 };
    btl_context *ctx = counter_context(&c);
    int64_t before = c.live_bytes;
    for (int rank = 0; rank <= BTL_MAX_RANK; rank++) {
        int64_t shape[BTL_MAX_RANK];
        for (int i = 0; i < BTL_MAX_RANK; i++) shape[i] = i < 2 ? 3 : 1;
        btl_array a;
        assert_int_equal(btl_array_new(rank % 2 ? ctx : NULL, BTL_F64, rank, shape, &a), BTL_OK);
        assert_int_equal((uintptr_t)a.data % 64, 0);
        assert_int_equal(a.ndim, rank);
        assert_true(a.shape != shape);
        assert_memory_equal(a.shape, shape, (size_t)rank * sizeof *shape);
        int64_t n = btl_array_elems(&a);
        assert_int_equal(n, rank == 0 ? 1 : rank == 1 ? 3 : 9);
        for (int64_t i = 0; i < n; i++) assert_true(((double *)a.data)[i] == 0);
        btl_array_free(&a);
        assert_null(a.data);
        btl_array_free(&a); /* a cleared one is accepted */
    }
    assert_int_equal(c.live_bytes, before);
    btl_context_free(ctx);
}

static void sizes_that_cannot_be_are_refused(void **state) {
    (void)state;
    btl_array a;
    const int64_t big = INT64_C(1) << 62;
    assert_int_equal(btl_array_new(NULL, BTL_U8, 1, (int64_t[]){ -1 }, &a), BTL_ESHAPE);
    assert_int_equal(btl_array_new(NULL, BTL_U8, 2, (int64_t[]){ big, 2 }, &a), BTL_ESHAPE);
    assert_int_equal(btl_array_new(NULL, BTL_F64, 1, (int64_t[]){ big }, &a), BTL_ESHAPE);
    assert_int_equal(btl_array_new(NULL, BTL_U8, 1, (int64_t[]){ INT64_MAX }, &a), BTL_ESHAPE);
    assert_int_equal(btl_array_new(NULL, BTL_U8, 3, (int64_t[]){ 0, big, big }, &a), BTL_ESHAPE);
    assert_int_equal(btl_array_new(NULL, BTL_U8, 17, (int64_t[17]){ 0 }, &a), BTL_ESHAPE);
    assert_int_equal(btl_array_new(NULL, BTL_U8, -1, NULL, &a), BTL_ESHAPE);
    assert_null(a.data);
    int64_t overflowing[] = { big, 4 };
    btl_array wrapped = btl_array_wrap(BTL_F32, 2, overflowing, NULL);
    assert_int_equal(btl_array_elems(&wrapped), -1);
    assert_int_equal(btl_array_new(NULL, BTL_F64, 2, (int64_t[]){ 0, 5 }, &a), BTL_OK);
    assert_non_null(a.data);
    btl_array_free(&a);
}

static void running_out_of_memory_is_told(void **state) {
    (void)state;
    counter c = { .fail_at = 2 };
    btl_context *ctx = counter_context(&c);
    btl_array a;
    assert_int_equal(btl_array_new(ctx, BTL_F32, 1, (int64_t[]){ 4 }, &a), BTL_ENOMEM);
    assert_null(a.data);
    btl_context_free(ctx);
    assert_int_equal(c.live_bytes, 0);
}

static void contiguity_ignores_strides_that_do_not_matter(void **state) {
    (void)state;
    int64_t shape[] = { 2, 1, 3 }, strides[] = { 3, 99, 1 };
    btl_array a = btl_array_wrap(BTL_F32, 3, shape, NULL);
    assert_true(btl_array_is_contiguous(&a));
    a.strides = strides;
    assert_true(btl_array_is_contiguous(&a));
    strides[0] = 4;
    assert_false(btl_array_is_contiguous(&a));
    shape[1] = 0;
    assert_true(btl_array_is_contiguous(&a));
    shape[1] = 1, strides[0] = 3, strides[2] = -1;
    assert_false(btl_array_is_contiguous(&a));
}

static void copying_follows_any_strides(void **state) {
    (void)state;
    for (int k = 0; k < BTL_NDTYPES; k++) {
        btl_dtype dtype = (btl_dtype)k;
        size_t item = btl_dtype_bytes(dtype);
        unsigned char from_data[64 * 8], to_data[24 * 8] = { 0 };
        for (size_t i = 0; i < sizeof from_data; i++) from_data[i] = (unsigned char)(i * 7 + 1);
        int64_t shape[] = { 2, 3, 4 }, strides[] = { 1, 20, -5 };
        btl_array to = btl_array_wrap(dtype, 3, shape, to_data), from = btl_array_wrap(dtype, 3, shape, from_data);
        from.strides = strides;
        from.byte_offset = 15 * item;
        assert_int_equal(btl_array_copy(&to, &from), BTL_OK);
        for (int i = 0; i < 24; i++) {
            int at = 15 + (i / 12) + 20 * (i / 4 % 3) - 5 * (i % 4);
            assert_memory_equal(to_data + (size_t)i * item, from_data + (size_t)at * item, item);
        }
        unsigned char back[64 * 8] = { 0 };
        btl_array again = from;
        again.data = back;
        assert_int_equal(btl_array_copy(&again, &to), BTL_OK);
        for (int i = 0; i < 24; i++) {
            int at = 15 + (i / 12) + 20 * (i / 4 % 3) - 5 * (i % 4);
            assert_memory_equal(back + (size_t)at * item, from_data + (size_t)at * item, item);
        }
    }
}

static void copying_refuses_other_types_and_shapes(void **state) {
    (void)state;
    int64_t shape[] = { 2, 3 }, other[] = { 3, 2 };
    float x[6] = { 0 }, y[6] = { 0 };
    btl_array a = btl_array_wrap(BTL_F32, 2, shape, x), b = btl_array_wrap(BTL_F32, 2, other, y);
    assert_int_equal(btl_array_copy(&a, &b), BTL_ESHAPE);
    assert_int_equal(btl_array_convert(&a, &b), BTL_ESHAPE);
    b = btl_array_wrap(BTL_I32, 2, shape, y);
    assert_int_equal(btl_array_copy(&a, &b), BTL_EDTYPE);
    b = btl_array_wrap(BTL_F32, 1, shape, y);
    assert_int_equal(btl_array_copy(&a, &b), BTL_ESHAPE);
    int64_t empty[] = { 0, 3 };
    a = btl_array_wrap(BTL_F32, 2, empty, NULL);
    assert_int_equal(btl_array_copy(&a, &a), BTL_OK);
    b = btl_array_wrap(BTL_F64, 2, empty, NULL);
    assert_int_equal(btl_array_convert(&a, &b), BTL_OK);
}

/* n values of one type into n of another. */
static void convert(btl_dtype from, const void *x, btl_dtype to, void *y, int64_t n) {
    void *source;
    memcpy(&source, &x, sizeof x);
    btl_array a = btl_array_wrap(from, 1, &n, source), b = btl_array_wrap(to, 1, &n, y);
    assert_int_equal(btl_array_convert(&b, &a), BTL_OK);
}

#define EXPECT_CONVERT(from, from_type, to, to_type, count, values, ...)                          \
    do {                                                                                          \
        const from_type x_[count] = values;                                                       \
        const to_type expected_[count] = __VA_ARGS__;                                             \
        to_type y_[count];                                                                        \
        convert(from, x_, to, y_, count);                                                         \
        assert_memory_equal(y_, expected_, sizeof y_);                                            \
    } while (0)
#define LIST(...) { __VA_ARGS__ }

static void floats_saturate_to_integers_and_nan_gives_zero(void **state) {
    (void)state;
    EXPECT_CONVERT(BTL_F64, double, BTL_I8, int8_t, 7, LIST(1.9, -1.9, 127.5, 128, -128.9, -129, (double)NAN),
                   { 1, -1, 127, 127, -128, -128, 0 });
    EXPECT_CONVERT(BTL_F64, double, BTL_U8, uint8_t, 6, LIST(255.9, 256, -0.5, -3, (double)NAN, (double)INFINITY),
                   { 255, 255, 0, 0, 0, 255 });
    EXPECT_CONVERT(BTL_F32, float, BTL_I64, int64_t, 5,
                   LIST(0x1p63f, -0x1p63f, -0x1p64f, 0x1.fffffep62f, (float)NAN),
                   { INT64_MAX, INT64_MIN, INT64_MIN, INT64_C(0x7fffff8000000000), 0 });
    EXPECT_CONVERT(BTL_F64, double, BTL_U64, uint64_t, 4, LIST(0x1p64, 0x1.fffffffffffffp63, 1e300, -1),
                   { UINT64_MAX, UINT64_C(0xfffffffffffff800), UINT64_MAX, 0 });
    EXPECT_CONVERT(BTL_F32, float, BTL_I32, int32_t, 3, LIST(3e9f, -3e9f, -7.99f), { INT32_MAX, INT32_MIN, -7 });
    EXPECT_CONVERT(BTL_F16, uint16_t, BTL_I16, int16_t, 3, LIST(0x7bff, 0xfc00, 0xc248), { 32767, -32768, -3 });
}

static void integers_wrap_and_bool_means_not_zero(void **state) {
    (void)state;
    EXPECT_CONVERT(BTL_I32, int32_t, BTL_I8, int8_t, 4, LIST(127, 128, -129, 256), { 127, -128, 127, 0 });
    EXPECT_CONVERT(BTL_I8, int8_t, BTL_U64, uint64_t, 2, LIST(-1, 5), { UINT64_MAX, 5 });
    EXPECT_CONVERT(BTL_U64, uint64_t, BTL_I64, int64_t, 1, LIST(UINT64_MAX), { -1 });
    EXPECT_CONVERT(BTL_F64, double, BTL_BOOL, uint8_t, 5, LIST(0, -0.0, 0.25, (double)NAN, -1), { 0, 0, 1, 1, 1 });
    EXPECT_CONVERT(BTL_I64, int64_t, BTL_BOOL, uint8_t, 2, LIST(INT64_C(1) << 40, 0), { 1, 0 });
    EXPECT_CONVERT(BTL_BOOL, uint8_t, BTL_F32, float, 2, LIST(0, 1), { 0, 1 });
}

static void integers_round_once_to_floats(void **state) {
    (void)state;
    /* 2^60 + 2^52 lies between two bf16s; one more and it must go up, which a double cannot show. */
    int64_t tie = (INT64_C(1) << 60) + (INT64_C(1) << 52);
    EXPECT_CONVERT(BTL_I64, int64_t, BTL_BF16, uint16_t, 4, LIST(tie, tie + 1, -tie, -tie - 1),
                   { 0x5d80, 0x5d81, 0xdd80, 0xdd81 });
    EXPECT_CONVERT(BTL_I64, int64_t, BTL_F32, float, 2, LIST((INT64_C(1) << 60) + (INT64_C(1) << 36), INT64_MIN),
                   { 0x1p60f, -0x1p63f });
    EXPECT_CONVERT(BTL_U64, uint64_t, BTL_F64, double, 2, LIST(UINT64_MAX, (UINT64_C(1) << 53) + 1), { 0x1p64, 0x1p53 });
    EXPECT_CONVERT(BTL_I32, int32_t, BTL_F16, uint16_t, 3, LIST(2049, 65520, -65519), { 0x6800, 0x7c00, 0xfbff });
    /* 1 + 2^-11 + 2^-40: through f32 it would be a tie and go down. */
    EXPECT_CONVERT(BTL_F64, double, BTL_F16, uint16_t, 1, LIST(1 + 0x1p-11 + 0x1p-40), { 0x3c01 });
}

static void widening_and_back_gives_the_same_for_all_pairs(void **state) {
    (void)state;
    enum { N = 700 }; /* more than one chunk */
    static unsigned char bits[N * 8], wide[N * 8], back[N * 8];
    unsigned random = 1;
    for (int from = 0; from < BTL_NDTYPES; from++)
        for (int to = 0; to < BTL_NDTYPES; to++) {
            if (!btl_dtype_can_widen((btl_dtype)from, (btl_dtype)to)) continue;
            for (size_t i = 0; i < sizeof bits; i++) {
                random = random * 1664525 + 1013904223;
                bits[i] = (unsigned char)(from == BTL_BOOL ? random >> 31 : random >> 24);
            }
            if (btl_dtype_kind((btl_dtype)from) == 'f') /* no NaN: its payload may change */
                for (size_t i = 0; i < N; i++) bits[(i + 1) * btl_dtype_bytes((btl_dtype)from) - 1] &= 0xbf;
            convert((btl_dtype)from, bits, (btl_dtype)to, wide, N);
            convert((btl_dtype)to, wide, (btl_dtype)from, back, N);
            assert_memory_equal(back, bits, N * btl_dtype_bytes((btl_dtype)from));
        }
}

static void converting_follows_strides(void **state) {
    (void)state;
    float x[] = { 1, 2, 3, 4, 5, 6 };
    double y[6] = { 0 };
    int64_t shape[] = { 3, 2 }, strides[] = { 1, 3 };
    btl_array from = btl_array_wrap(BTL_F32, 2, shape, x), to = btl_array_wrap(BTL_F64, 2, shape, y);
    from.strides = strides;
    assert_int_equal(btl_array_convert(&to, &from), BTL_OK);
    const double expected[] = { 1, 4, 2, 5, 3, 6 };
    assert_memory_equal(y, expected, sizeof y);
}

static void types_are_printed_and_cut_to_fit(void **state) {
    (void)state;
    char text[40], small[12];
    assert_string_equal(btl_array_type_text(text, sizeof text, BTL_F32, 2, (int64_t[]){ 3, 4 }), "f32[3, 4]");
    assert_string_equal(btl_array_type_text(text, sizeof text, BTL_BOOL, 0, NULL), "bool[]");
    assert_string_equal(btl_array_type_text(small, sizeof small, BTL_F32, 2, (int64_t[]){ 1000, 2000 }), "f32[1000...");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_found_by_its_name),
        cmocka_unit_test(promotion_is_numpys),
        cmocka_unit_test(widening_keeps_every_value),
        cmocka_unit_test(every_16_bit_float_survives_widening),
        cmocka_unit_test(narrowing_rounds_to_nearest_even),
        cmocka_unit_test(narrowing_overflows_to_infinity_from_half_a_step_above_the_largest),
        cmocka_unit_test(a_new_array_is_zero_and_aligned_and_owns_its_shape),
        cmocka_unit_test(sizes_that_cannot_be_are_refused),
        cmocka_unit_test(running_out_of_memory_is_told),
        cmocka_unit_test(contiguity_ignores_strides_that_do_not_matter),
        cmocka_unit_test(copying_follows_any_strides),
        cmocka_unit_test(copying_refuses_other_types_and_shapes),
        cmocka_unit_test(floats_saturate_to_integers_and_nan_gives_zero),
        cmocka_unit_test(integers_wrap_and_bool_means_not_zero),
        cmocka_unit_test(integers_round_once_to_floats),
        cmocka_unit_test(widening_and_back_gives_the_same_for_all_pairs),
        cmocka_unit_test(converting_follows_strides),
        cmocka_unit_test(types_are_printed_and_cut_to_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
