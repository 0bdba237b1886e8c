/* storage.h - where the slots of a function lie: buffers, their lives, and the storages that a policy makes of them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_STORAGE_H
#define BTL_VM_STORAGE_H

#include "vm/function.h"

/* Fills in storage, index, lives, storages by f->policy, from the instructions in their order and what lies in the place of what. */
void btl_vm_storage(btl_function *f, btl_arena *a);

/* Offsets of the function's buffers, whose lives and bytes are given, in its arena; returns its bytes. host[b]: the result in whose memory of so
 * many bytes buffer b lies until that is written, its offset being there; -1: it lies in the arena. The same bytes give the same
 * offsets. Some microseconds where the relation that was planned serves, which is looked at; else buffers are placed anew. */
size_t btl_vm_offsets(const btl_function *f, btl_arena *scratch, btl_buffer *buffers, const size_t *result_bytes, int *host);
/* EINTERNAL if two that live at one time overlap, with what. */
btl_status btl_vm_offsets_check(const btl_function *f, btl_arena *scratch, const btl_buffer *buffers, const size_t *result_bytes, const int *host, size_t total, btl_error *err);

#endif
