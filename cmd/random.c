/* random.c - see random.h. SPDX-License-Identifier: BSD-3-Clause */
#include "random.h"

uint64_t random_next(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double random_uniform(uint64_t *state, double low, double high) {
    return low + (high - low) * ((double)(random_next(state) >> 11) * 0x1p-53);
}

/* One element as f64, converted in place to the array's type. */
static btl_array random_element(const btl_array *array, btl_dtype dtype, int64_t i) {
    return btl_array_wrap(dtype, 0, NULL, (char *)btl_array_data(array) + i * (int64_t)btl_dtype_bytes(dtype));
}

void random_fill(uint64_t *state, double low, double high, btl_array *array) {
    btl_dtype dtype = BTL_BOOL;
    btl_array_dtype(array, &dtype);
    for (int64_t i = 0, n = btl_array_elems(array); i < n; i++) {
        double value = btl_dtype_kind(dtype) == 'f' ? random_uniform(state, low, high) : (double)(random_next(state) >> 63);
        btl_array to = random_element(array, dtype, i), from = btl_array_wrap(BTL_F64, 0, NULL, &value);
        btl_array_convert(&to, &from);
    }
}

void random_perturb(uint64_t *state, btl_array *array) {
    btl_dtype dtype = BTL_BOOL;
    btl_array_dtype(array, &dtype);
    if (btl_dtype_kind(dtype) != 'f') return;
    for (int64_t i = 0, n = btl_array_elems(array); i < n; i++) {
        double value = 0;
        btl_array element = random_element(array, dtype, i), wide = btl_array_wrap(BTL_F64, 0, NULL, &value);
        btl_array_convert(&wide, &element);
        value += random_uniform(state, 0, 0.1);
        btl_array_convert(&element, &wide);
    }
}

void random_move(uint64_t *state, btl_array *array) {
    btl_dtype dtype = BTL_BOOL;
    btl_array_dtype(array, &dtype);
    double eps = dtype == BTL_F64 ? 0x1p-52 : dtype == BTL_F32 ? 0x1p-23 : dtype == BTL_F16 ? 0x1p-10 : 0x1p-7;
    if (btl_dtype_kind(dtype) != 'f') return;
    for (int64_t i = 0, n = btl_array_elems(array); i < n; i++) {
        double value = 0;
        btl_array element = random_element(array, dtype, i), wide = btl_array_wrap(BTL_F64, 0, NULL, &value);
        btl_array_convert(&wide, &element);
        value += random_uniform(state, -2, 2) * eps * value;
        btl_array_convert(&element, &wide);
    }
}
