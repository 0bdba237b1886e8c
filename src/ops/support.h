/* support.h - the functions of support.inc, which generated code has as text, for the library's own kernels.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_SUPPORT_H
#define BTL_OPS_SUPPORT_H

#include "base/half.h"

#include <stdint.h>
#include <string.h>

#ifndef BTL_SIMD
#define BTL_SIMD /* before a loop whose iterations are independent */
#endif
/* The widening of half types is half.h's here, that of vecmath.inc in generated code. */
#define btl_f16_to_f32 btl_half_to_f32
#include "ops/support.inc"
#undef btl_f16_to_f32

#endif
