/* structure.h - what the structural ops (shapes, joining, indexing, products) share among themselves.
 * Everything here runs under the graph's protection: inside infer, build and vjp.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_STRUCTURE_H
#define BTL_OPS_STRUCTURE_H

#include "ops/helpers.h"

/* x with its axes in another order: pattern[i] is the axis of x that becomes axis i, -1 a new one of
 * size 1. Axes left out must be of size 1. x itself if nothing changes (shape.c). */
btl_var *btl_dimshuffle_to(btl_graph *g, btl_var *x, int n, const int *pattern);
/* Swaps the last two axes (shape.c). */
btl_var *btl_transpose_last(btl_graph *g, btl_var *x);
/* x[…, start : start + length, …] along one axis, sizes symbolic (index.c). */
btl_var *btl_part_along(btl_graph *g, btl_var *x, int axis, const btl_dim *start, const btl_dim *length);
/* The i-th of so many equal shares of an axis of x (index.c). */
btl_var *btl_share_along(btl_graph *g, btl_var *x, int axis, int shares, int i);
/* x with a part added (index.c). */
btl_var *btl_part_add(btl_graph *g, btl_var *x, const btl_part *part);
/* How many rows (or columns) of a product a range should have beside a matrix of which all is read (matmul.c). */
int64_t btl_product_grain(const btl_type *all);
/* The size that a 0-d integer variable is bound to be: a literal, x.shape[i], 2*n + 1; NULL if it
 * is only known when the function runs (create.c). */
const btl_dim *btl_var_dim(btl_graph *g, const btl_var *v);

/* Settings whose lists live in the graph's arena, as nodes need them. */
btl_param btl_param_axes(btl_graph *g, int n, const int *axes);
btl_param btl_param_shape(btl_graph *g, int n, const btl_dim *const *dims);
/* Sizes given as numbers. */
const btl_dim *const *btl_const_dims(btl_graph *g, int n, const int64_t *sizes);
/* Builds op(in…) whose one setting is a shape of numbers: for public builders, which start outside
 * the graph's protection. */
btl_var *btl_build_shaped(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, int n, const int64_t *sizes,
                          int nparams, const btl_param *params);

/* Ops that files of this family build for each other. */
extern const btl_op btl_op_copy, btl_op_dimshuffle, btl_op_reshape, btl_op_broadcast_to, btl_op_concatenate,
    btl_op_arange, btl_op_random_bits;

#endif
