/* reduce.h - what reductions, argmax and softmax share: axes, and moving between a reduced value
 * with its axes of size 1 and without them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_REDUCE_H
#define BTL_OPS_REDUCE_H

#include "ops/helpers.h"

extern const btl_op btl_op_add, btl_op_mul, btl_op_maximum, btl_op_minimum, btl_op_logical_or, btl_op_logical_and;

/* The settings `axis` and `keepdims` of a reduction in their normal form: axes sorted and counted
 * from 0, none for all of them. Fails on an axis out of range or given twice. */
btl_status btl_reduce_settings(btl_graph *g, const btl_param *params, int rank, btl_param out[2]);
/* The type of x reduced over the axes in mask. */
btl_type btl_reduce_type(btl_graph *g, const btl_type *x, btl_dtype dtype, uint32_t mask, bool keepdims);
/* v, x reduced over mask, with the reduced axes as sizes 1 (v may have them already), or without. */
btl_var *btl_reduce_keep(btl_graph *g, btl_var *v, const btl_type *x, uint32_t mask);
btl_var *btl_reduce_drop(btl_graph *g, btl_var *v, const btl_type *x, uint32_t mask);
/* The mask of a node whose first setting is `axis`, already checked. */
uint32_t btl_reduce_mask(const btl_param *axis, int rank);
/* f32 of f16 and bf16, which are too coarse to compute in; others as they are. */
btl_var *btl_widen_half(btl_graph *g, btl_var *x);
/* Number of elements along the axes of mask. */
const btl_dim *btl_reduce_count(btl_graph *g, const btl_type *x, uint32_t mask);

extern const btl_param_spec btl_reduce_params[2]; /* axis, keepdims */

#endif
