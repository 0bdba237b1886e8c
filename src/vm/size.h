/* size.h - from the shapes of the arguments to all sizes of a call, and to its memory.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_SIZE_H
#define BTL_VM_SIZE_H

#include "vm/function.h"

/* Binds the size symbols by w->given and the call's named sizes, evaluates every size that is known
 * before the run, tests what must be equal, plans memory. */
btl_status btl_vm_size(vm_workspace *w, const btl_call_options *options, btl_error *err);
/* Is the instruction's scratch known, and there, before anything runs? It is one of a library's kernel, which takes no other memory. */
bool btl_vm_work_is_known(const btl_function *f, const vm_instr *q);
/* Evaluates the sizes of a slot now (late ones). */
btl_status btl_vm_size_slot(vm_workspace *w, int slot, btl_error *err);
/* Tests the late checks whose sizes are known by now. */
btl_status btl_vm_size_late_checks(vm_workspace *w, btl_error *err);

/* The sizes that generated code reads: those known when arguments are, or (late) those that a measure found. */
btl_status btl_vm_size_values(vm_workspace *w, bool late, btl_error *err);

#endif
