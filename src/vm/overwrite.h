/* overwrite.h - results computed in the place of an operand that nobody reads any more. SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_OVERWRITE_H
#define BTL_VM_OVERWRITE_H

#include "vm/function.h"

/* Sets `into` of the slots whose values may lie in the memory of an operand of the instruction that makes them, and puts the
 * instructions in an order in which they may (schedule/alias.h). Outputs and updates are decided on; views are the slots whose storage
 * is STORE_VIEW. A new value of a shared variable goes into that variable's own memory where everything that can fail comes
 * before. Deterministic. Memory in `a`, under its protection. */
void btl_vm_overwrite(btl_function *f, btl_arena *a);

#endif
