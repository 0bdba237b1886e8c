/* gemm.c - see gemm.h: which level is used; and the table that any processor runs.
 * SPDX-License-Identifier: BSD-3-Clause */
#define BTL_GEMM_LEVEL btl_gemm_base
#include "ops/gemm_level.h"

#include "base/os.h"

const btl_gemm_table *btl_gemm_own(void) {
    int level = btl_os_x86_level();
    return level >= 4 ? &btl_gemm_v4 : level >= 3 ? &btl_gemm_v3 : &btl_gemm_base;
}
