/* gemm_v3.c - products for x86-64-v3: see gemm_level.h. SPDX-License-Identifier: BSD-3-Clause */
#define BTL_GEMM_LEVEL btl_gemm_v3
#include "ops/gemm_level.h"
