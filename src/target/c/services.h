/* services.h - what the library lends to generated code that runs in its process. The same struct stands
 * in process.inc. SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_C_SERVICES_H
#define BTL_TARGET_C_SERVICES_H

#include "base/context.h"
#include "expr/op.h"

/* The steps of a reduction's order (vm/fold_steps.h), by the number of a fold. */
typedef struct btl_fold btl_fold;
typedef struct btl_fold_layout { void (*fn[3])(int64_t, const void *const *, void *); size_t elem_bytes; } btl_fold_layout; /* of its size */
typedef struct btl_fold_services {
    const btl_fold *folds;
    void (*lanes)(const btl_fold *f, void *acc, const void *x, int64_t n, int64_t at);
    void (*rows)(const btl_fold *f, void *acc, const void *x, int64_t n, int64_t at, int64_t width);
    void (*tree)(const btl_fold *f, void *lanes, int64_t used, int64_t width);
    void (*block)(const btl_fold *f, void *acc, int64_t elems, int64_t width, void *stack, uint64_t *blocks);
    void (*finish)(const btl_fold *f, const void *stack, uint64_t blocks, int64_t width, void *out);
    void (*turn)(const btl_fold *f, void *to, const void *x, int64_t rows, int64_t m);
} btl_fold_services;

/* The number of a fold in `folds`, the same in every process of this version; -1: not one of a built-in reduction. */
int btl_fold_number(const btl_op *combine, btl_dtype dtype);

/* y = a @ b for one product: m × k by k × n, any strides (in elements), y's rows `ldy` apart. */
typedef struct btl_services {
    void *ctx;
    const btl_fold_services *fold;
    void (*gemm_f32)(void *ctx, int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_column,
                     const float *b, int64_t b_row, int64_t b_column, float *y, int64_t ldy);
    void (*gemm_f64)(void *ctx, int64_t m, int64_t n, int64_t k, const double *a, int64_t a_row, int64_t a_column,
                     const double *b, int64_t b_row, int64_t b_column, double *y, int64_t ldy);
    /* y = beta c + alpha a b; y may be c. */
    void (*gemm_onto_f32)(void *ctx, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t a_row, int64_t a_column, const float *b, int64_t b_row,
                          int64_t b_column, float beta, const float *c, int64_t c_row, int64_t c_column, float *y, int64_t ldy);
    void (*gemm_onto_f64)(void *ctx, int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t a_row, int64_t a_column, const double *b, int64_t b_row,
                          int64_t b_column, double beta, const double *c, int64_t c_row, int64_t c_column, double *y, int64_t ldy);
    /* Factors and triangular solves, as in ops/lapack.h. */
    int64_t (*potrf_f32)(void *ctx, int64_t n, float *a, int64_t row, int64_t column);
    void (*trsm_f32)(void *ctx, int lower, int trans, int unit, int64_t n, int64_t k, const float *t, int64_t row, int64_t column, float *x, int64_t ldx);
    void (*potrf_vjp_f32)(void *ctx, int64_t n, const float *l, int64_t l_row, int64_t l_column, float *d, int64_t d_row, int64_t d_column);
    int64_t (*potrf_f64)(void *ctx, int64_t n, double *a, int64_t row, int64_t column);
    void (*trsm_f64)(void *ctx, int lower, int trans, int unit, int64_t n, int64_t k, const double *t, int64_t row, int64_t column, double *x, int64_t ldx);
    void (*potrf_vjp_f64)(void *ctx, int64_t n, const double *l, int64_t l_row, int64_t l_column, double *d, int64_t d_row, int64_t d_column);
} btl_services;

btl_services btl_services_of(btl_context *ctx, const btl_fold_services *folds);

#endif
