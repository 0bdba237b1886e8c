/* generated.h - generated code of a function: emitted, compiled, and joined to its instructions.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_GENERATED_H
#define BTL_VM_GENERATED_H

#include "vm/function.h"

/* Emits the function's code and compiles it, at once or (f->tier_background) on a thread of its own while calls run on
 * strips. Only under protection of the graph, when all tables of f are made. BTL_ECOMPILER: an op's text does not
 * compile. Where there is no compiler, or nothing may be executed, the function stays on strips and f->note says why. */
btl_status btl_vm_code_make(btl_function *f, btl_error *err);
/* The call of each instruction; steps[i] has no text where its op has none. Changes nothing of the function. Only under protection of
 * the graph and the unit. */
btl_status btl_vm_code_steps(btl_function *f, btl_unit *u, btl_unit_step *steps);
/* Waits for the background compiler, if any, and unloads. */
void btl_vm_code_free(btl_function *f);

#endif
