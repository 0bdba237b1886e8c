/* storage.h - where the slots of a function lie: buffers, their lives, and the storages that a policy makes of them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_STORAGE_H
#define BTL_VM_STORAGE_H

#include "vm/function.h"

/* Fills in storage, index, lives, storages by f->policy, from the instructions in their order and what lies in the place of what. */
void btl_vm_storage(btl_function *f, btl_arena *a);

/* Offsets of the function's buffers, whose lives and bytes are given, in its arena; returns its bytes. The same bytes give the same
 * offsets. Some microseconds where the relation that was planned serves, which is looked at; else buffers are placed anew. */
size_t btl_vm_offsets(const btl_function *f, btl_arena *scratch, btl_buffer *buffers);

#endif
