/* compare.h - are two arrays the same, within a tolerance? As numpy.allclose:
 *     |got - want| <= atol + rtol * |want|,   nan equals nan
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_COMPARE_H
#define CMD_COMPARE_H

#include "bitale/base.h"

/* True if they agree. `text` says how far apart they are in any case. Shapes must be equal; types may
 * differ, values are compared. */
bool compare_arrays(const btl_array *got, const btl_array *want, double rtol, double atol, char *text, size_t bytes);

#endif
