/* cast.h - the C text of conversions, for those who make kernels.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_CAST_H
#define BTL_OPS_CAST_H

#include "bitale/base.h"

/* A C expression over $0, a value in the memory form of `from` (f16 and bf16: uint16_t, bool:
 * uint8_t), that gives the memory form of `to`. Functions are those of vecmath.inc. Static text. */
const char *btl_cast_code(btl_dtype from, btl_dtype to);

#endif
