/* arrange.h - in which order the instructions run, and which results take the place of an operand.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_ARRANGE_H
#define BTL_VM_ARRANGE_H

#include "vm/function.h"

/* Sets `into` of the slots whose values may lie in the memory of an operand of the instruction that makes them, then puts the
 * instructions in an order in which they may (schedule/alias.h) and that needs little memory (schedule/order.h). Outputs and
 * updates are decided on; views are the slots whose storage is STORE_VIEW; no size is late. A new value of a shared variable goes into
 * that variable's own memory where everything that can fail comes before. Deterministic. Memory in `a`, under its protection. */
void btl_vm_arrange(btl_function *f, btl_arena *a);

/* In the place of which values may what a slot holds be computed, by the kernel that makes it? Of the arena. By slot. */
btl_onto btl_vm_arrange_candidates(btl_function *f, btl_arena *a);

#endif
