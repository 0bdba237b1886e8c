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
/* For ops that are linear in their floating operands together: applied to how these move (linear.c). */
btl_status btl_jvp_linear(btl_jvp *j);
/* Ways to act along a new leading axis (linear.c): the operands as they are; each with axes of size 1 behind
 * the new one, so that right-aligned broadcasting fits; the setting "axis" moved up by one. */
btl_status btl_batch_same(btl_batch *b);
btl_status btl_batch_elemwise(btl_batch *b);
btl_status btl_batch_axis(btl_batch *b);
/* Operand i with the new axis, then axes of size 1, then its own: `rank` axes behind the new one. One that has
 * it not stays as it is (linear.c). */
btl_var *btl_batch_lift(const btl_batch *b, int i, int rank);
/* Operand i with the new axis in any case: repeated along it. */
btl_var *btl_batch_stretch(const btl_batch *b, int i);
/* Applies the node's op; its results are those of the batch. */
btl_status btl_batch_apply(btl_batch *b, btl_var *const *in, const btl_param *params);
/* axis (maybe negative) made 0 <= axis < rank; BTL_FAIL'ed with the rank otherwise. */
btl_status btl_axis_resolve(btl_graph *g, int64_t axis, int rank, int *out);
/* A NULL-or-sorted list of axes as a bit mask; PARAM_AXES with n = -1 is all axes. Fails on doubled ones. */
btl_status btl_axes_mask(btl_graph *g, const btl_param *axes, int rank, uint32_t *mask);

#endif
