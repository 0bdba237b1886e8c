/* gemm.h - the library's own products of matrices: the text of support.inc and gemm.inc, compiled into it once
 * for each level of x86-64.
 *
 * Which way a product goes depends on its sizes alone: btl_blas_gemm (blas.h), generated code and standalone code
 * decide alike, and where no CBLAS takes part give the same bits.
 *
 *     m, n, k <= BTL_GEMM_FEW   small
 *     m or n is 1               gemv
 *     otherwise                 a CBLAS, or blocked
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_GEMM_H
#define BTL_OPS_GEMM_H

#include "expr/op.h"

enum { BTL_GEMM_FEW = 16 };

/* y (rows y_row apart) = a b; a is m × k, its element (i, p) at i * a_row + p * a_column; b is k × n. All sizes. */
typedef struct btl_gemm_table {
    void (*gemm_f32)(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t b_row,
                     int64_t b_column, float *y, int64_t y_row);
    void (*gemm_f64)(int64_t m, int64_t n, int64_t k, const double *a, int64_t a_row, int64_t a_column, const double *b, int64_t b_row,
                     int64_t b_column, double *y, int64_t y_row);
    /* y = beta c + alpha a b; y may be c. */
    void (*onto_f32)(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t b_row,
                     int64_t b_column, float beta, const float *c, int64_t c_row, int64_t c_column, float *y, int64_t y_row);
    void (*onto_f64)(int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t a_row, int64_t a_column, const double *b, int64_t b_row,
                     int64_t b_column, double beta, const double *c, int64_t c_row, int64_t c_column, double *y, int64_t y_row);
} btl_gemm_table;

/* That of this processor (BITALE_ISA lowers it). */
const btl_gemm_table *btl_gemm_own(void);
extern const btl_gemm_table btl_gemm_base, btl_gemm_v3, btl_gemm_v4;

/* True of sizes that are never given to a CBLAS. */
static inline bool btl_gemm_is_own(int64_t m, int64_t n, int64_t k) {
    return m == 1 || n == 1 || (m <= BTL_GEMM_FEW && n <= BTL_GEMM_FEW && k <= BTL_GEMM_FEW);
}

/* The text of a node `matmul` (matmul_emit.c). */
btl_status btl_matmul_emit(btl_emit *e);

#endif
