/* helpers.h - what several op families need of each other, mostly for derivatives.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_HELPERS_H
#define BTL_OPS_HELPERS_H

#include "bitale/ops.h"
#include "expr/op.h"

/* Sums v over the axes that broadcasting stretched, back to `type`'s shape (reduce.c). */
btl_var *btl_sum_to(btl_graph *g, btl_var *v, const btl_type *type);
/* Stretches v (right-aligned) to those sizes; v itself if nothing changes (shape.c). */
btl_var *btl_broadcast_to_dims(btl_graph *g, btl_var *v, int rank, const btl_dim *const *dims);
/* Zeros / ones of that type (create.c). */
btl_var *btl_zeros_of(btl_graph *g, const btl_type *type);
btl_var *btl_ones_of(btl_graph *g, const btl_type *type);
/* v as that dtype; v itself if it has it (cast.c). */
btl_var *btl_cast_to(btl_graph *g, btl_var *v, btl_dtype dtype);
/* v in another shape of equal size (shape.c). */
btl_var *btl_reshape_to_dims(btl_graph *g, btl_var *v, int rank, const btl_dim *const *dims);
/* axis (maybe negative) made 0 <= axis < rank; BTL_FAIL'ed with the rank otherwise. */
btl_status btl_axis_resolve(btl_graph *g, int64_t axis, int rank, int *out);
/* A NULL-or-sorted list of axes as a bit mask; PARAM_AXES with n = -1 is all axes. Fails on doubled ones. */
btl_status btl_axes_mask(btl_graph *g, const btl_param *axes, int rank, uint32_t *mask);

#endif
