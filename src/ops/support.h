/* support.h - the functions of support.inc, which generated code has as text, for the library's own kernels.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_SUPPORT_H
#define BTL_OPS_SUPPORT_H

#include <stdint.h>
#include <string.h>

#ifndef BTL_SIMD
#define BTL_SIMD /* before a loop whose iterations are independent */
#endif
#include "ops/support.inc"

#endif
