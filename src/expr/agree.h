/* agree.h - how closely two results agree: what checks at run time, btl_op_check and the tests share.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_AGREE_H
#define BTL_EXPR_AGREE_H

#include "bitale/base.h"

/* Largest, least normal, least subnormal, distance from 1 to the next. */
typedef struct btl_float_range { double max, normal, least, eps; } btl_float_range;
btl_float_range btl_float_range_of(btl_dtype dtype);

/* How far `got` may be from `want`, an element each: ulps of its dtype, or relative * |want|, or the element
 * of `bound` (f64, of the same shape; also for integers), whichever is largest. All 0: the same bits (every NaN is one). */
typedef struct btl_agreement {
    double ulps, relative, absolute;
    const btl_array *bound;
    bool any_zero; /* the sign of a zero is not promised */
    bool loose_class; /* what overflows may be infinite or NaN: only finite wanted values are compared */
} btl_agreement;

/* The distance of the numbers of the dtype around x. */
double btl_ulp(btl_dtype dtype, double x);
/* One element of an array without gaps, as a double. */
double btl_array_element(const btl_array *a, int64_t at);
/* "[2, 0]" of the at-th element; "" of a number. Returns `text`. */
const char *btl_index_text(const btl_array *a, int64_t at, char *text, size_t bytes);
/* Element `at` of a float dtype. */
bool btl_elements_agree(btl_dtype dtype, double got, double want, int64_t at, const btl_agreement *t);
/* True if they agree; otherwise `why` says what differs: how many, the first one's index, both values. Arrays without gaps. */
bool btl_arrays_agree(const btl_array *got, const btl_array *want, const btl_agreement *t, char *why, size_t bytes);

#endif
