/* state.h - the inside of a state: named buffers under one readers-writer lock.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_STATE_H
#define BTL_VM_STATE_H

#include "bitale/vm.h"

#include <pthread.h>

typedef struct vm_buffer { char *name; btl_dtype dtype; btl_array array; } vm_buffer;

struct btl_state {
    btl_context *ctx;
    btl_context *buffers_ctx; /* goes with the buffers when states are exchanged */
    pthread_rwlock_t lock;
    uint64_t layout;   /* unique to a set of names: a workspace remembers where its variables lie */
    int n;
    vm_buffer *buffers;
};

/* A state of n buffers that are still to be set; each takes the array over (and clears it). */
btl_status btl_vm_state_alloc(btl_context *ctx, int n, btl_state **out);
btl_status btl_vm_state_set_buffer(btl_state *s, int i, const char *name, btl_array *value);
/* EDTYPE or ESHAPE where a value cannot become that buffer's; `where` begins the message. */
btl_status btl_vm_state_check_value(const vm_buffer *b, const btl_array *value, const char *where, btl_error *err);

/* Index of the buffer of that name, or -1. */
int btl_vm_state_find(const btl_state *s, const char *name);

#endif
