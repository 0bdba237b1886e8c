/* within.h - values that are made in their place of a larger one, so that putting that together copies less.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_WITHIN_H
#define BTL_VM_WITHIN_H

#include "vm/function.h"

/* For each operand that an instruction puts together into a result (btl_op.holds) and whose own instruction can write there: sets `whole`, `at` and
 * `strides` of the slot that it is made in, and says of all others in vm_instr.why_copied why they are copied. `keep`: slots for which it is not
 * to be done. Later instructions first, so that what lies in a whole that itself lies in another is placed in the outermost. The same bits
 * come of it: where a BLAS may be asked, addresses stay multiples of VM_ALIGN. Under protection of the graph, in `a`. */
void btl_vm_within(btl_function *f, btl_arena *a, const bool *keep);

/* Says it in a schedule whose first values are the function's slots and where step_of[i] is its instruction i (NULL: i). Of each whole that has parts, the memory
 * becomes a value of its own behind the others (there must be room: at most one for each part), of which the whole and its parts are views. With `opens` a step behind the others
 * takes that memory, so that any part may be made first; otherwise the first instruction of those that make a part does. */
void btl_vm_rooms(btl_arena *a, const btl_function *f, btl_schedule_value *values, int *nvalues, btl_schedule_step *steps, int *nsteps, const int *step_of, bool opens);
/* The slot itself, or the outermost whole of which it is a part. */
int btl_vm_outermost(const vm_slot *slots, int slot);
/* How many operands are made in their place. */
int btl_vm_nparts(const btl_function *f);
/* A step's list with a value more: behind the others, or in front of them. */
const int *btl_vm_list_with(btl_arena *a, const int *list, int n, int value, bool in_front);

#endif
