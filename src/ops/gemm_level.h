/* gemm_level.h - the table of products for one level of x86-64: gemm_v3.c and gemm_v4.c are this file under the flags that
 * CMakeLists.txt gives them, gemm.c is it without any. BTL_GEMM_LEVEL is the table's name.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/gemm.h"

#define BTL_GEMM_PRAGMA(text) _Pragma(#text)
#define BTL_SIMD BTL_GEMM_PRAGMA(omp simd)
#include "ops/support.h"

#include "ops/gemm.inc"

const btl_gemm_table BTL_GEMM_LEVEL = { btl_gemm_f32, btl_gemm_f64, btl_gemm_onto_f32, btl_gemm_onto_f64 };
