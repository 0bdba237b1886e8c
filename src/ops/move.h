/* move.h - runs of elements from one strided array into another: the work of every op that only
 * moves data, and of inc_subtensor, which adds on arrival.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_MOVE_H
#define BTL_OPS_MOVE_H

#include "bitale/base.h"

/* n elements from `from` into `to`; steps in bytes, any sign, 0 too. */
typedef void (*btl_move_run)(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n);

btl_move_run btl_move_copy(btl_dtype dtype); /* to[i] = from[i] */
btl_move_run btl_move_add(btl_dtype dtype);  /* to[i] += from[i]; integers wrap, bool is "or", f16/bf16 round each */

/* Runs over arrays of equal dims in row-major order; strides in elements of `bytes` bytes. Axes that
 * lie one behind the other in both arrays are walked as one, so contiguous copies are one memcpy. */
void btl_move(btl_move_run run, size_t bytes, int rank, const int64_t *dims, char *to, const int64_t *to_strides,
              const char *from, const int64_t *from_strides);

#endif
