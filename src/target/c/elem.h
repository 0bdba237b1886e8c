/* elem.h - the C text of one elementwise operation, for strip kernels (tools/genstrips.c) and for
 * generated code (nest.c): one text, the same bits.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_C_ELEM_H
#define BTL_TARGET_C_ELEM_H

#include "base/text.h"
#include "expr/op.h"

bool btl_elem_is_half(btl_dtype dtype);
/* The dtype in which an op on `dtype` computes: f32 for f16 and bf16. */
btl_dtype btl_elem_computed(btl_dtype dtype);
/* The op's text for operands of a dtype, NULL: it does not take that kind. */
const char *btl_elem_code(const btl_elem *elem, btl_dtype dtype);
/* Expands a text: $0 $1 $2 are operand[i], the other letters as told at btl_elem. */
void btl_elem_expand(btl_text *t, const char *code, const char *const *operand, btl_dtype dtype, btl_dtype to);
/* The value `element` (an expression) of a dtype in the dtype that it is computed in. Arena text. */
const char *btl_elem_load(btl_arena *a, btl_dtype dtype, const char *element);
/* Adds "target = code(operand…);", target of dtype `to` in its form in memory, operands (names) already in
 * the dtype they are computed in; `dtype` is that of the last of them in memory. */
void btl_elem_assign(btl_text *t, const char *code, const char *const *operand, btl_dtype dtype, btl_dtype to, const char *target);

#endif
