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

/* ---- copying ----------------------------------------------------------------------------- */

/* Axes of both, without those of size 1, neighbours joined that are one run in both; steps in bytes. */
typedef struct operand_axes {
    int rank;
    int64_t n[BTL_MAX_RANK], to[BTL_MAX_RANK], from[BTL_MAX_RANK];
} operand_axes;

/* False: there is nothing to copy. */
static bool operand_join_axes(operand_axes *a, const btl_operand *to, const btl_operand *from, int64_t bytes) {
    a->rank = 0;
    for (int i = 0; i < to->rank; i++) {
        int64_t n = to->dims[i], t = to->strides[i] * bytes, f = from->strides[i] * bytes;
        int last = a->rank - 1;
        if (n == 0) return false;
        if (n == 1) continue;
        if (last < 0 || a->to[last] != t * n || a->from[last] != f * n) a->rank++, last++, a->n[last] = 1;
        a->n[last] *= n, a->to[last] = t, a->from[last] = f;
    }
    return true;
}

/* The axis along which `from` is dense, if that is not the last one, becomes the last but one: with
 * the last it makes the planes that are copied tile by tile. */
static void operand_turn_axes(operand_axes *a, int64_t bytes) {
    int last = a->rank - 1, dense = last;
    for (int i = 0; i < last; i++)
        if (a->from[i] == bytes) dense = i;
    if (dense == last || a->from[last] == bytes) return;
    int64_t n = a->n[dense], to = a->to[dense], from = a->from[dense];
    for (int i = dense; i < last - 1; i++) a->n[i] = a->n[i + 1], a->to[i] = a->to[i + 1], a->from[i] = a->from[i + 1];
    a->n[last - 1] = n, a->to[last - 1] = to, a->from[last - 1] = from;
}

enum { OPERAND_TILE = 16 }; /* of a plane: 16 lines of cache on either side */

/* A tile of p × q elements; copies through memcpy of constant size are one instruction each. */
#define OPERAND_COPY_TILE(size)                                                                   \
    for (int64_t i = 0; i < p; i++)                                                               \
        for (int64_t j = 0; j < q; j++) memcpy(to + i * t0 + j * t1, from + i * f0 + j * f1, size); \
    return

static void operand_copy_tile(char *to, int64_t t0, int64_t t1, const char *from, int64_t f0, int64_t f1, int64_t p, int64_t q, int64_t bytes) {
    switch (bytes) {
    case 1: OPERAND_COPY_TILE(1);
    case 2: OPERAND_COPY_TILE(2);
    case 4: OPERAND_COPY_TILE(4);
    default: OPERAND_COPY_TILE(8);
    }
}

/* The last two axes (the last alone, if there is no other). */
static void operand_copy_plane(const operand_axes *a, char *to, const char *from, int64_t bytes) {
    int last = a->rank - 1;
    int64_t q = a->n[last], t1 = a->to[last], f1 = a->from[last];
    int64_t p = last ? a->n[last - 1] : 1, t0 = last ? a->to[last - 1] : 0, f0 = last ? a->from[last - 1] : 0;
    if (t1 == bytes && f1 == bytes) {
        for (int64_t i = 0; i < p; i++) memcpy(to + i * t0, from + i * f0, (size_t)(q * bytes));
        return;
    }
    int64_t tile = f0 == bytes ? OPERAND_TILE : q; /* by rows where `from` is dense in neither */
    for (int64_t i = 0; i < p; i += OPERAND_TILE)
        for (int64_t j = 0; j < q; j += tile)
            operand_copy_tile(to + i * t0 + j * t1, t0, t1, from + i * f0 + j * f1, f0, f1, p - i < OPERAND_TILE ? p - i : OPERAND_TILE,
                              q - j < tile ? q - j : tile, bytes);
}

void btl_operand_copy(const btl_operand *to, const btl_operand *from) {
    int64_t bytes = (int64_t)btl_dtype_bytes(to->dtype);
    operand_axes a;
    if (!operand_join_axes(&a, to, from, bytes)) return;
    if (a.rank == 0) {
        memcpy(to->data, from->data, (size_t)bytes);
        return;
    }
    operand_turn_axes(&a, bytes);
    const int64_t *steps[2] = { a.to, a.from };
    btl_walk w;
    for (btl_walk_begin(&w, a.rank > 2 ? a.rank - 2 : 0, a.n, 2, steps); w.more; btl_walk_next(&w))
        operand_copy_plane(&a, to->data + w.at[0], from->data + w.at[1], bytes);
}
