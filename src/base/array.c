/* array.c - strided arrays: making, describing, copying and converting them.
 *
 * An array that we make is one block of memory:
 *
 *     padding | shape | header (64 bytes) | data, aligned to 64
 *
 * The header says what to give back to whom, so that freeing needs the data pointer alone.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/array.h"

#include "base/context.h"
#include "base/error.h"
#include "base/half.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { DATA_ALIGN = 64, CONVERT_CHUNK = 256 };
#define ARRAY_MAGIC UINT64_C(0x7961727261656c61)

typedef struct array_header {
    btl_context *ctx;
    void *block;
    size_t block_bytes;
    uint64_t magic; /* for the assertion that nobody frees an array that he wrapped */
} array_header;

const btl_dl_dtype btl_dl_dtypes[BTL_NDTYPES] = {
#define ARRAY_DL_DTYPE(NAME, name, bytes, code, kind) { code, 8 * bytes, 1 },
    BTL_DTYPE_LIST(ARRAY_DL_DTYPE)
#undef ARRAY_DL_DTYPE
};

/* ---- making and describing ------------------------------------------------------------- */

btl_array btl_array_wrap(btl_dtype dtype, int rank, int64_t *shape, void *data) {
    assert((unsigned)dtype < BTL_NDTYPES && rank >= 0 && rank <= BTL_MAX_RANK);
    return (btl_array){ .data = data, .device = { 1, 0 }, .ndim = rank, .dtype = btl_dl_dtypes[dtype], .shape = shape };
}

/* The product of the sizes, or -1. As in NumPy the sizes other than 0 must multiply up even if one
 * is 0, so that strides computed from them never overflow. */
static int64_t shape_elems(int rank, const int64_t *shape) {
    int64_t product = 1;
    bool is_empty = false;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0) return -1;
        if (shape[i] == 0) is_empty = true;
        else if (!btl_mul_i64(product, shape[i], &product)) return -1;
    }
    return is_empty ? 0 : product;
}

/* Bytes of the data, rounded up to whole cache lines, or false. */
static bool array_data_bytes(btl_dtype dtype, int rank, const int64_t *shape, size_t *out) {
    int64_t bytes = shape_elems(rank, shape);
    if (bytes < 0 || !btl_mul_i64(bytes, (int64_t)btl_dtype_bytes(dtype), &bytes)) return false;
    if (bytes > INT64_MAX - 4096 || (uint64_t)bytes > PTRDIFF_MAX - 4096) return false;
    *out = ((size_t)bytes + DATA_ALIGN - 1) & ~(size_t)(DATA_ALIGN - 1);
    return true;
}

btl_status btl_array_new_uninit(btl_context *ctx, btl_dtype dtype, int rank, const int64_t *shape,
                                btl_array *out) {
    *out = (btl_array){ 0 };
    size_t data_bytes;
    if (rank < 0 || rank > BTL_MAX_RANK || !array_data_bytes(dtype, rank, shape, &data_bytes)) return BTL_ESHAPE;
    size_t shape_bytes = (size_t)(rank ? rank : 1) * sizeof(int64_t); /* never an empty object to point at */
    size_t before = shape_bytes + DATA_ALIGN, bytes = before + DATA_ALIGN + data_bytes;
    char *block = btl_alloc(ctx, bytes);
    if (!block) return BTL_ENOMEM;
    char *data = block + before;
    data += -(uintptr_t)data & (DATA_ALIGN - 1);
    array_header *header = (array_header *)(void *)(data - DATA_ALIGN);
    *header = (array_header){ ctx, block, bytes, ARRAY_MAGIC };
    int64_t *own_shape = (int64_t *)(void *)(data - DATA_ALIGN - shape_bytes);
    own_shape[0] = 0;
    if (rank) memcpy(own_shape, shape, shape_bytes);
    *out = btl_array_wrap(dtype, rank, own_shape, data);
    return BTL_OK;
}

btl_status btl_array_new(btl_context *ctx, btl_dtype dtype, int rank, const int64_t *shape, btl_array *out) {
    BTL_TRY(btl_array_new_uninit(ctx, dtype, rank, shape, out));
    size_t bytes = 0;
    if (array_data_bytes(dtype, rank, shape, &bytes) && bytes) memset(out->data, 0, bytes);
    return BTL_OK;
}

void btl_array_free(btl_array *array) {
    if (!array || !array->data) return;
    array_header *header = (array_header *)(void *)((char *)array->data - DATA_ALIGN);
    assert(header->magic == ARRAY_MAGIC && "this array was not made by btl_array_new");
    header->magic = 0;
    btl_free(header->ctx, header->block, header->block_bytes);
    *array = (btl_array){ 0 };
}

/* A call asks this for each of its arrays, so it is a look into a table: by code, then by bytes. */
bool btl_array_dtype(const btl_array *array, btl_dtype *out) {
    enum { CODES = 7, MOST_BYTES = 8 };
    static const unsigned char dtypes[CODES][MOST_BYTES + 1] = { /* 0: there is none */
#define ARRAY_BY_CODE(NAME, name, bytes, code, kind) [code][bytes] = BTL_##NAME + 1,
        BTL_DTYPE_LIST(ARRAY_BY_CODE)
#undef ARRAY_BY_CODE
    };
    btl_dl_dtype d = array->dtype;
    if (d.code >= CODES || d.bits > 8 * MOST_BYTES || d.bits % 8 || d.lanes != 1 || !dtypes[d.code][d.bits / 8]) return false;
    *out = (btl_dtype)(dtypes[d.code][d.bits / 8] - 1);
    return true;
}

int64_t btl_array_elems(const btl_array *array) {
    return shape_elems(array->ndim, array->shape);
}

void *btl_array_data(const btl_array *array) {
    return array->data ? (char *)array->data + array->byte_offset : NULL;
}

bool btl_array_is_contiguous(const btl_array *array) {
    if (!array->strides) return true;
    bool is_contiguous = true;
    int64_t step = 1;
    for (int i = array->ndim - 1; i >= 0; i--) {
        if (array->shape[i] == 0) return true;
        if (array->shape[i] != 1 && array->strides[i] != step) is_contiguous = false;
        if (!btl_mul_i64(step, array->shape[i], &step)) return false;
    }
    return is_contiguous;
}

char *btl_array_type_text(char *text, size_t bytes, btl_dtype dtype, int rank, const int64_t *shape) {
    int at = snprintf(text, bytes, "%s[", btl_dtype_name(dtype));
    for (int i = 0; i < rank && at > 0 && (size_t)at < bytes; i++)
        at += snprintf(text + at, bytes - (size_t)at, "%s%lld", i ? ", " : "", (long long)shape[i]);
    if (at > 0 && (size_t)at + 1 < bytes) memcpy(text + at, "]", 2);
    else if (bytes > 4) memcpy(text + bytes - 4, "...", 4);
    return text;
}

/* ---- walking --------------------------------------------------------------------------- */

/* Stride of an axis in elements. */
static int64_t array_stride(const btl_array *a, int axis) {
    if (a->strides) return a->strides[axis];
    int64_t step = 1;
    for (int i = a->ndim - 1; i > axis; i--) step *= a->shape[i] ? a->shape[i] : 1;
    return step;
}

static int64_t array_item_bytes(const btl_array *a) {
    return (a->dtype.bits + 7) / 8;
}

void btl_rows_init(btl_rows *rows, int narrays, const btl_array *first, const btl_array *second) {
    assert(narrays >= 1 && narrays <= BTL_ROWS_ARRAYS && first->ndim <= BTL_MAX_RANK);
    *rows = (btl_rows){ .narrays = narrays, .array = { first, second }, .length = 1 };
    int last = first->ndim - 1;
    if (last >= 0) rows->length = first->shape[last];
    for (int k = 0; k < narrays; k++) {
        const btl_array *a = rows->array[k];
        rows->at[k] = btl_array_data(a);
        rows->stride_bytes[k] = last < 0 ? 0 : array_stride(a, last) * array_item_bytes(a);
    }
}

static void rows_move(btl_rows *rows, int axis, int64_t steps) {
    for (int k = 0; k < rows->narrays; k++) {
        const btl_array *a = rows->array[k];
        rows->at[k] += steps * array_stride(a, axis) * array_item_bytes(a);
    }
}

bool btl_rows_next(btl_rows *rows) {
    const btl_array *a = rows->array[0];
    if (!rows->started) {
        rows->started = true;
        return btl_array_elems(a) > 0;
    }
    for (int axis = a->ndim - 2; axis >= 0; axis--) {
        if (++rows->index[axis] < a->shape[axis]) {
            rows_move(rows, axis, 1);
            return true;
        }
        rows_move(rows, axis, 1 - a->shape[axis]);
        rows->index[axis] = 0;
    }
    return false;
}

/* ---- copying --------------------------------------------------------------------------- */

static bool arrays_same_shape(const btl_array *a, const btl_array *b) {
    if (a->ndim != b->ndim || a->ndim < 0 || a->ndim > BTL_MAX_RANK) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return btl_array_elems(a) >= 0;
}

#define COPY_STRIDED(type)                                                                        \
    for (int64_t i = 0; i < n; i++, to += to_step, from += from_step) memcpy(to, from, sizeof(type))

static void row_copy(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n, int64_t item) {
    if (to_step == item && from_step == item) {
        memmove(to, from, (size_t)(n * item));
        return;
    }
    switch (item) {
    case 1: COPY_STRIDED(uint8_t); break;
    case 2: COPY_STRIDED(uint16_t); break;
    case 4: COPY_STRIDED(uint32_t); break;
    default: COPY_STRIDED(uint64_t); break;
    }
}

btl_status btl_array_copy(btl_array *to, const btl_array *from) {
    btl_dtype to_dtype, from_dtype;
    if (!btl_array_dtype(to, &to_dtype) || !btl_array_dtype(from, &from_dtype) || to_dtype != from_dtype)
        return BTL_EDTYPE;
    if (!arrays_same_shape(to, from)) return BTL_ESHAPE;
    int64_t item = array_item_bytes(to);
    if (btl_array_is_contiguous(to) && btl_array_is_contiguous(from)) {
        size_t bytes = (size_t)(btl_array_elems(to) * item);
        if (bytes) memmove(btl_array_data(to), btl_array_data(from), bytes);
        return BTL_OK;
    }
    btl_rows rows;
    btl_rows_init(&rows, 2, to, from);
    while (btl_rows_next(&rows))
        row_copy(rows.at[0], rows.stride_bytes[0], rows.at[1], rows.stride_bytes[1], rows.length, item);
    return BTL_OK;
}

/* ---- converting ------------------------------------------------------------------------ */

/* A conversion goes through the widest type of the source's kind (i64, u64 or f64), which holds
 * every value of that kind exactly; so there are 13 ways in and 3 * 13 out instead of 169. */
typedef union wide_chunk {
    int64_t i[CONVERT_CHUNK];
    uint64_t u[CONVERT_CHUNK];
    double f[CONVERT_CHUNK];
} wide_chunk;

#define WIDEN(type, member, expr)                                                                 \
    for (int k = 0; k < n; k++, from += step) {                                                   \
        type x;                                                                                   \
        memcpy(&x, from, sizeof x);                                                               \
        wide->member[k] = (expr);                                                                 \
    }                                                                                             \
    break

static void row_widen(wide_chunk *wide, btl_dtype dtype, const char *from, int64_t step, int n) {
    switch (dtype) {
    case BTL_BOOL: WIDEN(uint8_t, u, x != 0);
    case BTL_I8: WIDEN(int8_t, i, x);
    case BTL_I16: WIDEN(int16_t, i, x);
    case BTL_I32: WIDEN(int32_t, i, x);
    case BTL_I64: WIDEN(int64_t, i, x);
    case BTL_U8: WIDEN(uint8_t, u, x);
    case BTL_U16: WIDEN(uint16_t, u, x);
    case BTL_U32: WIDEN(uint32_t, u, x);
    case BTL_U64: WIDEN(uint64_t, u, x);
    case BTL_F16: WIDEN(uint16_t, f, (double)btl_half_to_f32(x));
    case BTL_BF16: WIDEN(uint16_t, f, (double)btl_bf16_to_f32(x));
    case BTL_F32: WIDEN(float, f, (double)x);
    case BTL_F64: WIDEN(double, f, x);
    case BTL_NDTYPES: break;
    }
}

static int64_t f64_to_signed(double x, int bits) {
    double limit = (double)((uint64_t)1 << (bits - 1));
    int64_t most = (int64_t)(((uint64_t)1 << (bits - 1)) - 1);
    if (x >= limit) return most;
    if (x < -limit) return -most - 1;
    return x == x ? (int64_t)x : 0;
}

static uint64_t f64_to_unsigned(double x, int bits) {
    uint64_t half = (uint64_t)1 << (bits - 1);
    if (x >= 2.0 * (double)half) return half - 1 + half;
    return x > 0 ? (uint64_t)x : 0; /* negative and NaN: 0 */
}

/* An integer as a double that a 16-bit float is rounded from: above 2^53 the bits that a double
 * has no room for are or-ed into its last one ("round to odd"), so that the second rounding sees
 * on which side of a tie the integer lies. Boldo & Melquiond (2008), IEEE Trans. Comput. 57(4). */
static double u64_round_to_odd(uint64_t x) {
    if (x >> 53) x = ((x >> 11) | ((x & 0x7ff) != 0)) << 11;
    return (double)x;
}

static double i64_round_to_odd(int64_t x) {
    return x < 0 ? -u64_round_to_odd(-(uint64_t)x) : u64_round_to_odd((uint64_t)x);
}

#define NARROW(type, member, expr)                                                                \
    for (int k = 0; k < n; k++, to += step) {                                                     \
        wide_##member x = wide->member[k];                                                        \
        type y = (type)(expr);                                                                    \
        memcpy(to, &y, sizeof y);                                                                 \
    }                                                                                             \
    break

typedef int64_t wide_i;
typedef uint64_t wide_u;
typedef double wide_f;

/* The same text serves both integer kinds: conversion to a narrower integer wraps. */
#define ROW_NARROW_INTEGER(name, m, round_to_odd)                                                 \
    static void name(char *to, int64_t step, btl_dtype dtype, const wide_chunk *wide, int n) {    \
        switch (dtype) {                                                                          \
        case BTL_BOOL: NARROW(uint8_t, m, x != 0);                                                \
        case BTL_I8: NARROW(int8_t, m, x);                                                        \
        case BTL_I16: NARROW(int16_t, m, x);                                                      \
        case BTL_I32: NARROW(int32_t, m, x);                                                      \
        case BTL_I64: NARROW(int64_t, m, x);                                                      \
        case BTL_U8: NARROW(uint8_t, m, x);                                                       \
        case BTL_U16: NARROW(uint16_t, m, x);                                                     \
        case BTL_U32: NARROW(uint32_t, m, x);                                                     \
        case BTL_U64: NARROW(uint64_t, m, x);                                                     \
        case BTL_F16: NARROW(uint16_t, m, btl_half_from_f64(round_to_odd(x)));                    \
        case BTL_BF16: NARROW(uint16_t, m, btl_bf16_from_f64(round_to_odd(x)));                   \
        case BTL_F32: NARROW(float, m, x);                                                        \
        case BTL_F64: NARROW(double, m, x);                                                       \
        case BTL_NDTYPES: break;                                                                  \
        }                                                                                         \
    }
ROW_NARROW_INTEGER(row_narrow_i, i, i64_round_to_odd)
ROW_NARROW_INTEGER(row_narrow_u, u, u64_round_to_odd)

static void row_narrow_f(char *to, int64_t step, btl_dtype dtype, const wide_chunk *wide, int n) {
    switch (dtype) {
    case BTL_BOOL: NARROW(uint8_t, f, x != 0);
    case BTL_I8: NARROW(int8_t, f, f64_to_signed(x, 8));
    case BTL_I16: NARROW(int16_t, f, f64_to_signed(x, 16));
    case BTL_I32: NARROW(int32_t, f, f64_to_signed(x, 32));
    case BTL_I64: NARROW(int64_t, f, f64_to_signed(x, 64));
    case BTL_U8: NARROW(uint8_t, f, f64_to_unsigned(x, 8));
    case BTL_U16: NARROW(uint16_t, f, f64_to_unsigned(x, 16));
    case BTL_U32: NARROW(uint32_t, f, f64_to_unsigned(x, 32));
    case BTL_U64: NARROW(uint64_t, f, f64_to_unsigned(x, 64));
    case BTL_F16: NARROW(uint16_t, f, btl_half_from_f64(x));
    case BTL_BF16: NARROW(uint16_t, f, btl_bf16_from_f64(x));
    case BTL_F32: NARROW(float, f, x);
    case BTL_F64: NARROW(double, f, x);
    case BTL_NDTYPES: break;
    }
}

static void row_convert(const btl_rows *rows, btl_dtype to, btl_dtype from) {
    wide_chunk wide;
    char kind = btl_dtype_kind(from);
    for (int64_t done = 0; done < rows->length; done += CONVERT_CHUNK) {
        int n = rows->length - done < CONVERT_CHUNK ? (int)(rows->length - done) : CONVERT_CHUNK;
        char *to_at = rows->at[0] + done * rows->stride_bytes[0];
        row_widen(&wide, from, rows->at[1] + done * rows->stride_bytes[1], rows->stride_bytes[1], n);
        if (kind == 'f') row_narrow_f(to_at, rows->stride_bytes[0], to, &wide, n);
        else if (kind == 'i') row_narrow_i(to_at, rows->stride_bytes[0], to, &wide, n);
        else row_narrow_u(to_at, rows->stride_bytes[0], to, &wide, n);
    }
}

btl_status btl_array_convert(btl_array *to, const btl_array *from) {
    btl_dtype to_dtype, from_dtype;
    if (!btl_array_dtype(to, &to_dtype) || !btl_array_dtype(from, &from_dtype)) return BTL_EDTYPE;
    if (to_dtype == from_dtype) return btl_array_copy(to, from); /* NaN's payload stays as it is */
    if (!arrays_same_shape(to, from)) return BTL_ESHAPE;
    btl_rows rows;
    btl_rows_init(&rows, 2, to, from);
    while (btl_rows_next(&rows)) row_convert(&rows, to_dtype, from_dtype);
    return BTL_OK;
}
