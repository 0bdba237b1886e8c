/* blas.h - products of matrices in memory: by a CBLAS loaded privately, or by loops of our own (gemm.h).
 *
 *     C = op(A) op(B),  C = C - op(A) op(B),  row-major; op is the identity or the transpose
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_BLAS_H
#define BTL_OPS_BLAS_H

#include "base/os.h"
#include "bitale/tensors.h"

#include <string.h>

/* One operand: element (i, j) is at i*row + j*column (in elements). */
typedef struct btl_matrix { const void *data; int64_t row, column; } btl_matrix;

/* True where a matrix of m × n can be given to BLAS as it lies, as rows or as columns. */
bool btl_matrix_is_dense(const btl_matrix *a, int64_t m, int64_t n);

/* c (m × n, rows ldc apart) = a (m × k) times b (k × n). Small ones, vectors, and matrices that are not dense go
 * through our own loops. dtype is BTL_F32 or BTL_F64; ctx may be NULL (our own loops). */
void btl_blas_gemm(btl_context *ctx, btl_dtype dtype, int64_t m, int64_t n, int64_t k, const btl_matrix *a, const btl_matrix *b,
              void *c, int64_t ldc);
/* y = beta c + alpha a b, with c (m × n) in any strides; y may be c (then c's rows lie as y's). Of numbers in f32 alpha and beta are rounded to it.
 * What is multiplied by 0 is read, too: NaN and inf stay. */
void btl_blas_gemm_onto(btl_context *ctx, btl_dtype dtype, int64_t m, int64_t n, int64_t k, double alpha, const btl_matrix *a, const btl_matrix *b, double beta,
                   const btl_matrix *c, void *y, int64_t ldy);
/* c = c - a b. */
void btl_blas_gemm_minus(btl_context *ctx, btl_dtype dtype, int64_t m, int64_t n, int64_t k, const btl_matrix *a, const btl_matrix *b,
                    void *c, int64_t ldc);

/* ---- for what else such a library has (lapack.c) ------------------------------------------ */

/* The library that is in use, or NULL; *switched_off: none was to be looked for. It belongs to the context. False: no
 * memory to look for one. Takes the context's lock the first time. */
bool btl_blas_library(btl_context *ctx, void **library, bool *switched_off);
/* Loads one more, set to one thread unless the host has it already; NULL, and why, if it cannot be. */
void *btl_blas_open(const char *path, char *why, size_t bytes);

/* A data pointer as a function pointer: POSIX says that this works, C does not. */
#define BTL_BLAS_SYMBOL(fn, library, name)                                                            \
    do {                                                                                          \
        void *blas_found = btl_os_symbol((library), (name));                                      \
        memcpy(&(fn), &blas_found, sizeof blas_found);                                            \
    } while (0)

#endif
