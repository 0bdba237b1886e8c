/* slice.h - what one item of x[…] means: Python's rules for slices, on symbolic sizes and on numbers.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_SLICE_H
#define BTL_OPS_SLICE_H

#include "expr/op.h"

static inline bool btl_bound_is_absent(const btl_bound *b) { return !b->dim && b->input < 0; }
/* True of `:`. */
bool btl_slice_is_full(const btl_index_item *item);
/* True where the number of elements depends on a variable: known only when the function runs. */
bool btl_slice_is_late(const btl_index_item *item);
/* The number of elements that a slice takes of an axis of n; *out NULL if it is late. May record a
 * check (a size used as a bound must not turn negative). BTL_EVALUE for step 0. */
btl_status btl_slice_dim(btl_graph *g, const btl_dim *n, const btl_index_item *item, const btl_dim **out);

/* Of one that is not late: its step, and the first element it takes, as a size; meaningless where it takes none. */
const btl_dim *btl_slice_start(btl_graph *g, const btl_dim *n, const btl_index_item *item, int64_t *step);

/* Where an int or a slice in steps of 1 begins on an axis of n elements, and how many it takes, as sizes. False: a variable says, other steps, an array, or an int that
 * counts from one end at some sizes and from the other at others. Not proven: that it is in range. As btl_slice_dim may record a check. */
bool btl_index_range(btl_graph *g, const btl_index_item *item, const btl_dim *n, const btl_dim **start, const btl_dim **length);

/* A slice of an axis of n elements, in numbers: first element, step, count. */
typedef struct btl_range { int64_t start, step, count; } btl_range;
btl_status btl_slice_range(const btl_exec *x, const btl_index_item *item, int64_t n, btl_range *out);
/* The value of a bound; `absent` if there is none. */
btl_status btl_bound_value(const btl_exec *x, const btl_bound *b, int64_t absent, int64_t *value);

#endif
