/* linalg.h - builders of linear algebra: triangles, diagonals, Cholesky factors, triangular systems.
 *
 * Matrices are the last two axes; those before them are a stack, each matrix of which is treated by itself.
 * All return NULL on a mistake, which the graph records, and for NULL operands, silently; the results belong
 * to the graph. Thread rule, for all of them: the graph's. Since 0.1, all of them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_LINALG_H
#define BITALE_LINALG_H

#include "bitale/expr.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The lower triangle: x where column <= row + k, zeros above. BTL_ESHAPE below rank 2.
 * Gradient:    its lower triangle.   Cost: as an elementwise op. */
BTL_API btl_var *btl_tril(btl_graph *g, btl_var *x, int64_t k);
/** The upper triangle: x where column >= row + k, zeros below. BTL_ESHAPE below rank 2.
 * Gradient:    its upper triangle.   Cost: as an elementwise op. */
BTL_API btl_var *btl_triu(btl_graph *g, btl_var *x, int64_t k);

/** NumPy's diag: of a vector the square matrix with it on a diagonal, of matrices that diagonal.
 *
 * @param x     rank 1: the result is [n + |k|, n + |k|]; rank >= 2: as btl_diagonal over the last two axes
 * @param k     which diagonal: above the main one if positive
 * @return      BTL_ESHAPE for a 0-d operand.
 * Gradient:    the other way round.   Cost: one write per element of the result. */
BTL_API btl_var *btl_diag(btl_graph *g, btl_var *x, int64_t k);

/** NumPy's diagonal over two axes, which leave: the elements x[…, i, i + offset] along a new last axis.
 * BTL_ESHAPE for axes outside x or equal ones.   Gradient: zeros with the diagonal set. */
BTL_API btl_var *btl_diagonal(btl_graph *g, btl_var *x, int64_t offset, int axis1, int axis2);

/** The sum of a diagonal of each matrix. BTL_ESHAPE below rank 2. Integers as btl_sum. */
BTL_API btl_var *btl_trace(btl_graph *g, btl_var *x, int64_t offset);

/** The Cholesky factor of positive definite matrices: L with a = L L^T, or U with a = U^T U.
 *
 * @param a      [..., n, n]; f32 and f64 as they are, f16 and bf16 through f32, integers as f64. Only the triangle that
 *               `lower` names is read
 * @param lower  true: L, lower triangular; false: U, upper triangular. The other triangle of the result is zero
 * @return       BTL_ESHAPE unless the last two sizes are equal (at the call where they are symbolic). At the call
 *               BTL_ESINGULAR for a matrix that is not positive definite or holds a NaN where it counts; the message
 *               names the order of the first leading minor that is not positive.
 * Gradient:     by the triangle that is read; zero for the other one. To any order.
 * Cost:         n^3/3 by LAPACK, or by loops of our own (see btl_lapack_describe).
 * Source:       for the gradient, I. Murray (2016), arXiv:1602.07527; S. P. Smith (1995), J. Comput. Graph. Stat. 4(2). */
BTL_API btl_var *btl_cholesky(btl_graph *g, btl_var *a, bool lower);

/** The gradient of cholesky, as an op: from the factor and the gradient by it to that by the triangle of a.
 * Of both operands, [..., n, n] of one type, only that triangle is read. Gradient: of `factor` and `d`.
 * Cost: 2/3 n^3. Source: as btl_cholesky. */
BTL_API btl_var *btl_cholesky_grad(btl_graph *g, btl_var *factor, btl_var *d, bool lower);

/** The solution x of a x = b (or a^T x = b) for triangular a.
 *
 * @param a      [..., n, n]; only the triangle that `lower` names is read
 * @param b      a vector [n], or matrices [..., n, k]; leading axes broadcast with a's
 * @param trans  solve with the transposed matrix
 * @param unit   the diagonal is ones, and is not read
 * @return       the common type (f16, bf16 through f32, integers as f64); [..., n] for a vector, [..., n, k] otherwise.
 *               BTL_ESHAPE where sizes do not fit. At the call BTL_ESINGULAR where the diagonal holds a 0.
 * Gradient:     by a (the triangle that is read) and b, by one more solve. To any order.
 * Cost:         n^2 k by a CBLAS, or by loops of our own. */
BTL_API btl_var *btl_solve_triangular(btl_graph *g, btl_var *a, btl_var *b, bool lower, bool trans, bool unit);

/** Which LAPACK factors matrices in this context, or why it is none: one line. Loads it if that
 * was not done yet. Borrowed from the context. */
BTL_API const char *btl_lapack_describe(btl_context *ctx);

#if !defined BTL_NO_SITES && !defined __cplusplus
#define btl_tril(g, ...) (btl_tril)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_triu(g, ...) (btl_triu)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_diag(g, ...) (btl_diag)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_diagonal(g, ...) (btl_diagonal)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_trace(g, ...) (btl_trace)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_cholesky(g, ...) (btl_cholesky)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_cholesky_grad(g, ...) (btl_cholesky_grad)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_solve_triangular(g, ...) (btl_solve_triangular)(btl_at((g), BTL_SITE), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
