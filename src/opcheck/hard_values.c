/* hard_values.c - hard values for samples: see sample.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/half.h"
#include "opcheck/sample.h"

#include <float.h>
#include <math.h>
#include <string.h>

const char *const btl_values_names[NVALUES] = { "hard", "tame", "nan", "inf", "zeros", "tiny", "huge" };

/* ---- random numbers ------------------------------------------------------------------------- */

uint64_t btl_sample_random(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t btl_sample_below(uint64_t *state, uint64_t n) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x; /* a multiple of n: no value is favoured */
    do x = btl_sample_random(state);
    while (x >= limit);
    return x % n;
}

double btl_sample_uniform(uint64_t *state, double low, double high) {
    double x = low + (high - low) * ((double)(btl_sample_random(state) >> 11) * 0x1p-53);
    return x < high ? x : low; /* rounding may reach `high` */
}

/* ---- values --------------------------------------------------------------------------------- */

double btl_sample_hard_float(btl_dtype dtype, uint64_t *random) {
    const btl_float_range f = btl_float_range_of(dtype);
    const double table[] = {
        0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 1 + f.eps, 1 - f.eps / 2, -1 - f.eps, -1 + f.eps / 2, f.max, -f.max, f.normal,
        -f.normal, f.normal - f.least, f.least, -f.least, (double)INFINITY, -(double)INFINITY, (double)NAN, 3, -3, 2.5, -2.5, 1.5, -1.5, 0.1, -0.1,
        0.49999999999999994, 0.4999999701976776, 88.72283905206835, -103.97, 709.782712893384, -745.1, 1e4, -1e4,
        1.5707963267948966, 3.141592653589793, 6.283185307179586, 314.1592653589793, 1e5, 1e22, -1e22, 0.25, 4, 10, 100,
        1e-3, -1e-3, 1e-8, 2147483648.0, -2147483648.0, 4294967296.0, 9223372036854775808.0, -9223372036854775808.0,
        18446744073709551616.0, 255, 256, -128, 127.5, 65535.5, 1.4616321449683623, -0.2, 20, 170.6, 5.9, 26.5, -6,
    };
    uint64_t which = btl_sample_below(random, 8);
    if (which < 4) return table[btl_sample_below(random, sizeof table / sizeof *table)];
    if (which < 6) return btl_sample_uniform(random, -4, 4);
    if (which < 7) return ldexp(btl_sample_uniform(random, -2, 2), (int)btl_sample_below(random, 60) - 30);
    /* any bits, of the type's own range */
    double low = log2(f.least), high = log2(f.max), e = btl_sample_uniform(random, low, high);
    return copysign(exp2(e), btl_sample_uniform(random, -1, 1));
}

static int64_t values_hard_integer(btl_dtype dtype, uint64_t *random) {
    int bits = 8 * (int)btl_dtype_bytes(dtype);
    int64_t least = dtype == BTL_I64 ? INT64_MIN : -((int64_t)1 << (bits - 1));
    const int64_t table[] = { 0, 1, -1, 2, -2, 3, 7, 8, 10, 31, 32, 63, 64, 65, bits - 1, bits, bits + 1, least, -(least + 1), least + 1 };
    uint64_t which = btl_sample_below(random, 4);
    if (which < 2) return table[btl_sample_below(random, sizeof table / sizeof *table)];
    return which < 3 ? (int64_t)btl_sample_below(random, 21) - 10 : (int64_t)btl_sample_random(random);
}

static double values_float(btl_dtype dtype, btl_values values, int64_t at, int64_t n, uint64_t *random) {
    const btl_float_range f = btl_float_range_of(dtype);
    double tame = btl_sample_uniform(random, -2, 2);
    switch (values) {
    case VALUES_HARD: return btl_sample_hard_float(dtype, random);
    case VALUES_NAN: return at == n / 2 || at == n - 1 ? (double)NAN : tame;
    case VALUES_INF: return at == n / 3 || at == n - 1 ? (double)INFINITY : tame;
    case VALUES_ZEROS: return btl_sample_below(random, 2) ? 0.0 : -0.0;
    case VALUES_TINY: return f.least * (double)((int64_t)btl_sample_below(random, 200) - 100);
    case VALUES_HUGE: return f.max / 16 * btl_sample_uniform(random, 0, 1) / (double)(n > 16 ? n : 16) * 16;
    default: return tame;
    }
}

void btl_sample_set(btl_array *a, int64_t at, double real, int64_t integer) {
    btl_dtype dtype = BTL_F64;
    btl_array_dtype(a, &dtype);
    char *p = (char *)btl_array_data(a) + at * (int64_t)btl_dtype_bytes(dtype);
    switch (dtype) {
    case BTL_BOOL: *p = integer & 1; break;
    case BTL_F16: *(uint16_t *)(void *)p = btl_half_from_f64(real); break;
    case BTL_BF16: *(uint16_t *)(void *)p = btl_bf16_from_f64(real); break;
    case BTL_F32: *(float *)(void *)p = (float)real; break;
    case BTL_F64: *(double *)(void *)p = real; break;
    default: memcpy(p, &integer, btl_dtype_bytes(dtype)); /* little-endian: the low bytes */
    }
}

void btl_sample_fill(btl_array *a, const char *name, btl_values values, uint64_t *random) {
    btl_dtype dtype = BTL_F64;
    btl_array_dtype(a, &dtype);
    int64_t n = btl_array_elems(a);
    bool is_index = strcmp(name, "i") == 0 || strcmp(name, "j") == 0;
    char kind = btl_dtype_kind(dtype);
    for (int64_t at = 0; at < n; at++) {
        if (is_index) btl_sample_set(a, at, 0, kind == 'i' ? (int64_t)btl_sample_below(random, 4) - 2 : (int64_t)btl_sample_below(random, 2));
        else if (kind == 'f') btl_sample_set(a, at, values_float(dtype, values, at, n, random), 0);
        else if (kind == 'b') btl_sample_set(a, at, 0, (int64_t)btl_sample_random(random) & (values == VALUES_ZEROS ? 0 : 1));
        else if (values == VALUES_HARD) btl_sample_set(a, at, 0, values_hard_integer(dtype, random));
        else btl_sample_set(a, at, 0, values == VALUES_ZEROS ? 0 : (int64_t)btl_sample_below(random, 7) - (kind == 'i' ? 3 : 0));
    }
}
