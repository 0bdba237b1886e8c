/* blas.h - products of matrices in memory: by a CBLAS loaded privately, or by loops of our own (gemm.h).
 *
 *     C = op(A) op(B),  row-major; op is the identity or the transpose
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_BLAS_H
#define BTL_OPS_BLAS_H

#include "bitale/tensors.h"

/* One operand: element (i, j) is at i*row + j*column (in elements). */
typedef struct btl_matrix { const void *data; int64_t row, column; } btl_matrix;

/* True where a matrix of m × n can be given to BLAS as it lies, as rows or as columns. */
bool btl_matrix_is_dense(const btl_matrix *a, int64_t m, int64_t n);

/* c (m × n, rows ldc apart) = a (m × k) times b (k × n). Small ones, vectors, and matrices that are not dense go
 * through our own loops. dtype is BTL_F32 or BTL_F64; ctx may be NULL (our own loops). */
void btl_gemm(btl_context *ctx, btl_dtype dtype, int64_t m, int64_t n, int64_t k, const btl_matrix *a, const btl_matrix *b,
              void *c, int64_t ldc);

#endif
