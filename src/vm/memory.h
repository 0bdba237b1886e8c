/* memory.h - the memory of one call: planned when sizes are known, taken before the run or step by step, given back by the policy.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_MEMORY_H
#define BTL_VM_MEMORY_H

#include "vm/function.h"

enum { VM_ALIGN = 64 };

/* Is memory taken and given back between instructions? */
static inline bool btl_vm_is_stepwise(const btl_function *f) { return f->gc && f->policy != BTL_POLICY_ARENA; }

/* Where everything lies, for the sizes that the workspace was bound to. ENOMEM: more than memory can be. */
btl_status btl_vm_memory_plan(vm_workspace *w, btl_error *err);
/* Before a run: all that is not taken step by step. What is there from the last call stays. ENOMEM. */
btl_status btl_vm_memory_take(vm_workspace *w, btl_error *err);
/* Stepwise only: before instruction i, if it runs; and behind it, even if it did not. */
btl_status btl_vm_memory_before(vm_workspace *w, int i, btl_error *err);
void btl_vm_memory_after(vm_workspace *w, int i);
/* After a call, also a failed one: with gc, nothing is kept. */
void btl_vm_memory_give(vm_workspace *w);
/* All of it. */
void btl_vm_memory_drop(vm_workspace *w);

/* What lies in the memory of a result until that is written is to lie there, at `at`, or aside, where that is not aligned (or NULL). ENOMEM. */
btl_status btl_vm_memory_lodge_all(vm_workspace *w, int result, char *at, btl_error *err);
static inline btl_status btl_vm_memory_lodge(vm_workspace *w, int result, char *at, btl_error *err) { return w->guest[result] < 0 ? BTL_OK : btl_vm_memory_lodge_all(w, result, at, err); }

/* At least so much scratch; where it begins is aligned. */
btl_status btl_vm_memory_scratch(vm_workspace *w, size_t bytes, btl_error *err);
/* Memory of its own for a slot whose sizes are known by now. */
btl_status btl_vm_memory_own(vm_workspace *w, int slot, btl_error *err);

static inline void *btl_vm_aligned(void *p) { return (char *)p + (-(uintptr_t)p & (VM_ALIGN - 1)); }

#endif
