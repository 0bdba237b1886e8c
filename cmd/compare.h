/* compare.h - are two arrays the same, within a tolerance? As numpy.allclose:
 *     |got - want| <= atol + rtol * |want|,   nan equals nan
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_COMPARE_H
#define CMD_COMPARE_H

#include "bitale/base.h"

/* True if they agree. `text` says how far apart they are in any case. Shapes must be equal; types may
 * differ, values are compared. */
bool compare_arrays(const btl_array *got, const btl_array *want, double rtol, double atol, char *text, size_t bytes);

/* The same for two ways to compute one thing: |got - want| <= ulps of the type at want + spread[i]. An infinite or NaN spread allows
 * anything. spread NULL: zeros; then with ulps 0 the values must be the same. differ (may be NULL): receives a flag for each element. */
bool compare_computed(const btl_array *got, const btl_array *want, double ulps, const double *spread, bool *differ, char *text, size_t bytes);
/* Raises spread[i] to factor times the distance of a and b in element i. */
void compare_add_spread(const btl_array *a, const btl_array *b, double factor, double *spread);
/* "[2, 7] " of element i; "" of a single number. */
void compare_index(const btl_array *a, int64_t i, char *text, size_t bytes);

#endif
