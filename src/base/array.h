/* array.h - what the folders above need of arrays and element types beyond base.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_BASE_ARRAY_H
#define BTL_BASE_ARRAY_H

#include "bitale/base.h"

/* True if every value of `from` is exactly a value of `to`. */
bool btl_dtype_can_widen(btl_dtype from, btl_dtype to);

/* What a call asks of each of its arrays, without a call: is it of this type; where is its first element. */
extern const btl_dl_dtype btl_dl_dtypes[BTL_NDTYPES];
static inline bool btl_array_is(const btl_array *a, btl_dtype dtype) {
    const btl_dl_dtype *d = &btl_dl_dtypes[dtype];
    return a->dtype.code == d->code && a->dtype.bits == d->bits && a->dtype.lanes == d->lanes;
}
static inline char *btl_array_first(const btl_array *a) { return a->data ? (char *)a->data + a->byte_offset : NULL; }
static inline bool btl_array_is_aligned(const btl_array *a, btl_dtype dtype) {
    return (((uintptr_t)a->data + a->byte_offset) & ((uintptr_t)btl_dl_dtypes[dtype].bits / 8 - 1)) == 0;
}

/* btl_array_new without the zeros: for callers that fill all of it. */
btl_status btl_array_new_uninit(btl_context *ctx, btl_dtype dtype, int rank, const int64_t *shape,
                                btl_array *out);

/* Walks over the rows (runs along the last axis) of arrays of equal shape, in row-major order; a
 * scalar is one row of one element. Start from btl_rows_init, go while btl_rows_next. */
enum { BTL_ROWS_ARRAYS = 2 };
typedef struct btl_rows {
    int narrays;
    const btl_array *array[BTL_ROWS_ARRAYS];
    char *at[BTL_ROWS_ARRAYS];             /* first element of the row */
    int64_t stride_bytes[BTL_ROWS_ARRAYS]; /* from one element of a row to the next */
    int64_t length;                        /* elements of a row */
    int64_t index[BTL_MAX_RANK];
    bool started;
} btl_rows;
void btl_rows_init(btl_rows *rows, int narrays, const btl_array *first, const btl_array *second);
bool btl_rows_next(btl_rows *rows);

/* "f32[3, 4]", cut with "..." where it does not fit. Returns `text`. */
char *btl_array_type_text(char *text, size_t bytes, btl_dtype dtype, int rank, const int64_t *shape);

#endif
