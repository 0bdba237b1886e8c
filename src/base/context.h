/* context.h - the inside of btl_context: the allocator and what is loaded once.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_BASE_CONTEXT_H
#define BTL_BASE_CONTEXT_H

#include "bitale/base.h"

#include <pthread.h>
#include <stdatomic.h>

struct btl_context {
    btl_alloc_fn alloc;
    void *alloc_user;
    char blas[256];          /* setting; "" = search */
    char cache_dir[512], compiler[256]; /* of generated code; "" = as the environment says */
    pthread_mutex_t lock;    /* guards what follows */
    _Atomic(void *) slots[8]; /* things of later folders, made on first use (BTL_SLOT_…) */
    void (*slot_free[8])(btl_context *ctx, void *thing);
};

enum { BTL_SLOT_BLAS, BTL_SLOT_RULES, BTL_SLOT_CODE, BTL_SLOT_LAPACK, BTL_SLOT_OPS };

/* ctx may be NULL: then realloc and free. */
void *btl_alloc(btl_context *ctx, size_t bytes);
void *btl_realloc(btl_context *ctx, void *p, size_t old_bytes, size_t bytes);
void btl_free(btl_context *ctx, void *p, size_t bytes);

/* The thing in a slot, made by `make(ctx)` the first time (under the lock); NULL if make fails. */
void *btl_context_slot(btl_context *ctx, int slot, void *(*make)(btl_context *),
                       void (*destroy)(btl_context *, void *));

#endif
