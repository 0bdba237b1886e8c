/* lapack.h - factorisations of matrices in memory: by a LAPACK loaded privately, or by loops of our own.
 *
 * A matrix is given by its first element and two strides, one of which is 1: it lies by rows or by
 * columns. dtype is BTL_F32 or BTL_F64. ctx may be NULL (plain loops).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_LAPACK_H
#define BTL_OPS_LAPACK_H

#include "ops/blas.h"

/* One that is written. */
typedef struct btl_matrix_out { void *data; int64_t row, column; } btl_matrix_out;

/* a = L L^T, n × n: of a the lower triangle is read and becomes L, the upper one becomes zeros. Returns 0, or the order
 * of the first leading minor that is not positive (a then holds nothing of use). An upper factor
 * U = L^T is that of the transposed matrix: exchange the strides. */
int64_t btl_potrf(btl_context *ctx, btl_dtype dtype, int64_t n, const btl_matrix_out *a);

/* From d, the gradient by L (its lower triangle), to the gradient by the lower triangle of a, in the same place;
 * the upper triangle becomes zeros. l and d lie the same way.
 * Source: I. Murray (2016), Differentiation of the Cholesky decomposition, arXiv:1602.07527, section 4, with the
 * blocks of S. P. Smith (1995), J. Comput. Graph. Stat. 4(2), 134-147. */
void btl_potrf_vjp(btl_context *ctx, btl_dtype dtype, int64_t n, const btl_matrix *l, const btl_matrix_out *d);

/* x = op(T)^-1 x: T n × n, of which the triangle `lower` names is read (unit: its diagonal is taken to be ones and not
 * read), op the transpose or nothing, x n × k by rows, ldx apart. Divides by what stands on the diagonal, 0 included. */
void btl_trsm(btl_context *ctx, btl_dtype dtype, bool lower, bool trans, bool unit, int64_t n, int64_t k, const btl_matrix *t,
              void *x, int64_t ldx);

#endif
