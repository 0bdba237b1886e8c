/* gemm_v4.c - products for x86-64-v4: see gemm_level.h. SPDX-License-Identifier: BSD-3-Clause */
#define BTL_GEMM_LEVEL btl_gemm_v4
#include "ops/gemm_level.h"
