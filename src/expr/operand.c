/* operand.c - see operand.h. SPDX-License-Identifier: BSD-3-Clause */
#include "expr/operand.h"

#include "base/half.h"

#include <string.h>

int64_t btl_operand_elems(const btl_operand *x) {
    int64_t n = 1;
    for (int i = 0; i < x->rank; i++)
        if (x->dims[i] < 0 || !btl_mul_i64(n, x->dims[i], &n)) return -1;
    return n;
}

void btl_strides_row_major(int rank, const int64_t *dims, int64_t *strides) {
    int64_t step = 1;
    for (int i = rank - 1; i >= 0; i--) strides[i] = step, step *= dims[i];
}

bool btl_operand_is_row_major(const btl_operand *x) {
    int64_t step = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        if (x->dims[i] == 0) return true;
        if (x->dims[i] != 1 && x->strides[i] != step) return false;
        step *= x->dims[i];
    }
    return true;
}

btl_operand btl_operand_of_array(const btl_array *a, int64_t *strides) {
    btl_operand x = { .data = btl_array_data(a), .dtype = BTL_BOOL, .rank = a->ndim, .dims = a->shape, .strides = strides };
    btl_array_dtype(a, &x.dtype);
    if (a->strides) memcpy(strides, a->strides, (size_t)a->ndim * sizeof *strides);
    else btl_strides_row_major(a->ndim, a->shape, strides);
    return x;
}

/* ---- elements ---------------------------------------------------------------------------- */

long double btl_operand_real(const btl_operand *x, int64_t at) {
    const char *p = x->data + at * (int64_t)btl_dtype_bytes(x->dtype);
    switch (x->dtype) {
    case BTL_F16: return (long double)btl_half_to_f32(*(const uint16_t *)(const void *)p);
    case BTL_BF16: return (long double)btl_bf16_to_f32(*(const uint16_t *)(const void *)p);
    case BTL_F32: return (long double)*(const float *)(const void *)p;
    case BTL_F64: return (long double)*(const double *)(const void *)p;
    case BTL_U64: return (long double)*(const uint64_t *)(const void *)p;
    default: return (long double)btl_operand_signed(x, at);
    }
}

int64_t btl_operand_signed(const btl_operand *x, int64_t at) {
    const char *p = x->data + at * (int64_t)btl_dtype_bytes(x->dtype);
    switch (x->dtype) {
    case BTL_BOOL: return *(const uint8_t *)p != 0;
    case BTL_I8: return *(const int8_t *)p;
    case BTL_I16: return *(const int16_t *)(const void *)p;
    case BTL_I32: return *(const int32_t *)(const void *)p;
    case BTL_I64: return *(const int64_t *)(const void *)p;
    case BTL_U8: return *(const uint8_t *)p;
    case BTL_U16: return *(const uint16_t *)(const void *)p;
    case BTL_U32: return *(const uint32_t *)(const void *)p;
    case BTL_U64: return (int64_t)*(const uint64_t *)(const void *)p;
    default: return (int64_t)btl_operand_real(x, at);
    }
}

void btl_operand_set_real(const btl_operand *x, int64_t at, long double value) {
    char *p = x->data + at * (int64_t)btl_dtype_bytes(x->dtype);
    switch (x->dtype) {
    case BTL_F16: *(uint16_t *)(void *)p = btl_half_from_f32((float)value); break;
    case BTL_BF16: *(uint16_t *)(void *)p = btl_bf16_from_f32((float)value); break;
    case BTL_F32: *(float *)(void *)p = (float)value; break;
    case BTL_F64: *(double *)(void *)p = (double)value; break;
    default: btl_operand_set_signed(x, at, (int64_t)value);
    }
}

void btl_operand_set_signed(const btl_operand *x, int64_t at, int64_t value) {
    char *p = x->data + at * (int64_t)btl_dtype_bytes(x->dtype);
    switch (x->dtype) {
    case BTL_BOOL: *(uint8_t *)p = value != 0; break;
    case BTL_I8: case BTL_U8: *(uint8_t *)p = (uint8_t)value; break;
    case BTL_I16: case BTL_U16: *(uint16_t *)(void *)p = (uint16_t)value; break;
    case BTL_I32: case BTL_U32: *(uint32_t *)(void *)p = (uint32_t)value; break;
    case BTL_I64: case BTL_U64: *(uint64_t *)(void *)p = (uint64_t)value; break;
    default: btl_operand_set_real(x, at, (long double)value);
    }
}

/* ---- walking ----------------------------------------------------------------------------- */

void btl_walk_begin(btl_walk *w, int rank, const int64_t *dims, int n, const int64_t *const *strides) {
    memset(w, 0, sizeof *w);
    w->rank = rank, w->dims = dims, w->n = n;
    w->more = true;
    for (int i = 0; i < rank; i++)
        if (dims[i] <= 0) w->more = false;
    for (int k = 0; k < n; k++) w->strides[k] = strides[k];
}

void btl_walk_next(btl_walk *w) {
    for (int i = w->rank - 1; i >= 0; i--) {
        if (++w->index[i] < w->dims[i]) {
            for (int k = 0; k < w->n; k++)
                if (w->strides[k]) w->at[k] += w->strides[k][i];
            return;
        }
        for (int k = 0; k < w->n; k++)
            if (w->strides[k]) w->at[k] -= w->strides[k][i] * (w->dims[i] - 1);
        w->index[i] = 0;
    }
    w->more = false;
}

/* The trailing axes over which both are one run of unit stride. */
static int operand_run(const btl_operand *to, const btl_operand *from, int64_t *run) {
    int axis = to->rank;
    *run = 1;
    while (axis > 0 && (to->dims[axis - 1] == 1 || (to->strides[axis - 1] == *run && from->strides[axis - 1] == *run)))
        *run *= to->dims[--axis];
    return axis;
}

void btl_operand_copy(const btl_operand *to, const btl_operand *from) {
    int64_t bytes = (int64_t)btl_dtype_bytes(to->dtype), run;
    int outer = operand_run(to, from, &run);
    if (run == 0) return;
    const int64_t *strides[2] = { to->strides, from->strides };
    btl_walk w;
    for (btl_walk_begin(&w, outer, to->dims, 2, strides); w.more; btl_walk_next(&w))
        memcpy(to->data + w.at[0] * bytes, from->data + w.at[1] * bytes, (size_t)(run * bytes));
}
