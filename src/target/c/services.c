/* services.c - see services.h. SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/services.h"

#include "ops/lapack.h"

static void services_gemm_f32(void *ctx, int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_column,
                              const float *b, int64_t b_row, int64_t b_column, float *y, int64_t ldy) {
    btl_matrix p = { a, a_row, a_column }, q = { b, b_row, b_column };
    btl_blas_gemm(ctx, BTL_F32, m, n, k, &p, &q, y, ldy);
}

static void services_gemm_f64(void *ctx, int64_t m, int64_t n, int64_t k, const double *a, int64_t a_row, int64_t a_column,
                              const double *b, int64_t b_row, int64_t b_column, double *y, int64_t ldy) {
    btl_matrix p = { a, a_row, a_column }, q = { b, b_row, b_column };
    btl_blas_gemm(ctx, BTL_F64, m, n, k, &p, &q, y, ldy);
}

static void services_gemm_onto_f32(void *ctx, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t a_row, int64_t a_column, const float *b,
                                   int64_t b_row, int64_t b_column, float beta, const float *c, int64_t c_row, int64_t c_column, float *y, int64_t ldy) {
    btl_matrix p = { a, a_row, a_column }, q = { b, b_row, b_column }, r = { c, c_row, c_column };
    btl_blas_gemm_onto(ctx, BTL_F32, m, n, k, (double)alpha, &p, &q, (double)beta, &r, y, ldy);
}

static void services_gemm_onto_f64(void *ctx, int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t a_row, int64_t a_column, const double *b,
                                   int64_t b_row, int64_t b_column, double beta, const double *c, int64_t c_row, int64_t c_column, double *y, int64_t ldy) {
    btl_matrix p = { a, a_row, a_column }, q = { b, b_row, b_column }, r = { c, c_row, c_column };
    btl_blas_gemm_onto(ctx, BTL_F64, m, n, k, alpha, &p, &q, beta, &r, y, ldy);
}

static int64_t services_potrf_f32(void *ctx, int64_t n, float *a, int64_t row, int64_t column) {
    const btl_matrix_out to = { a, row, column };
    return btl_potrf(ctx, BTL_F32, n, &to);
}

static void services_trsm_f32(void *ctx, int lower, int trans, int unit, int64_t n, int64_t k, const float *t, int64_t row, int64_t column, float *x,
                              int64_t ldx) {
    const btl_matrix triangle = { t, row, column };
    btl_trsm(ctx, BTL_F32, lower != 0, trans != 0, unit != 0, n, k, &triangle, x, ldx);
}

static int64_t services_potrf_f64(void *ctx, int64_t n, double *a, int64_t row, int64_t column) {
    const btl_matrix_out to = { a, row, column };
    return btl_potrf(ctx, BTL_F64, n, &to);
}

static void services_trsm_f64(void *ctx, int lower, int trans, int unit, int64_t n, int64_t k, const double *t, int64_t row, int64_t column, double *x,
                              int64_t ldx) {
    const btl_matrix triangle = { t, row, column };
    btl_trsm(ctx, BTL_F64, lower != 0, trans != 0, unit != 0, n, k, &triangle, x, ldx);
}

static void services_potrf_vjp_f32(void *ctx, int64_t n, const float *l, int64_t l_row, int64_t l_column, float *d, int64_t d_row, int64_t d_column) {
    const btl_matrix factor = { l, l_row, l_column };
    const btl_matrix_out gradient = { d, d_row, d_column };
    btl_potrf_vjp(ctx, BTL_F32, n, &factor, &gradient);
}

static void services_potrf_vjp_f64(void *ctx, int64_t n, const double *l, int64_t l_row, int64_t l_column, double *d, int64_t d_row, int64_t d_column) {
    const btl_matrix factor = { l, l_row, l_column };
    const btl_matrix_out gradient = { d, d_row, d_column };
    btl_potrf_vjp(ctx, BTL_F64, n, &factor, &gradient);
}

int btl_fold_number(const btl_op *combine, btl_dtype dtype) {
    int number = 0;
    for (int i = 0; btl_ops[i]; i++) {
        if (!btl_ops[i]->reduction) continue;
        if (btl_ops[i]->reduction->combine == combine) return number * BTL_NDTYPES + (int)dtype;
        number++;
    }
    return -1;
}

btl_services btl_services_of(btl_context *ctx, const btl_fold_services *folds) {
    return (btl_services){ ctx, folds, services_gemm_f32, services_gemm_f64, services_gemm_onto_f32, services_gemm_onto_f64,
                           services_potrf_f32, services_trsm_f32, services_potrf_vjp_f32,
                           services_potrf_f64, services_trsm_f64, services_potrf_vjp_f64 };
}
