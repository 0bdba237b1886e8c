/* services.h - what the library lends to generated code that runs in its process. The same struct stands
 * in process.inc. SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_C_SERVICES_H
#define BTL_TARGET_C_SERVICES_H

#include "base/context.h"

/* y = a @ b for one product: m × k by k × n, any strides (in elements), y's rows `ldy` apart. */
typedef struct btl_services {
    void *ctx;
    void (*gemm_f32)(void *ctx, int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_column,
                     const float *b, int64_t b_row, int64_t b_column, float *y, int64_t ldy);
    void (*gemm_f64)(void *ctx, int64_t m, int64_t n, int64_t k, const double *a, int64_t a_row, int64_t a_column,
                     const double *b, int64_t b_row, int64_t b_column, double *y, int64_t ldy);
} btl_services;

btl_services btl_services_of(btl_context *ctx);

#endif
