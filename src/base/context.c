/* context.c - see context.h. SPDX-License-Identifier: BSD-3-Clause */
#include "base/context.h"

#include <stdlib.h>
#include <string.h>

static void *context_default_alloc(void *user, void *ptr, size_t old_bytes, size_t bytes) {
    (void)user, (void)old_bytes;
    if (bytes == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, bytes);
}

void *btl_realloc(btl_context *ctx, void *p, size_t old_bytes, size_t bytes) {
    if (!ctx) return context_default_alloc(NULL, p, old_bytes, bytes);
    return ctx->alloc(ctx->alloc_user, p, old_bytes, bytes);
}

void *btl_alloc(btl_context *ctx, size_t bytes) {
    return btl_realloc(ctx, NULL, 0, bytes ? bytes : 1);
}

void btl_free(btl_context *ctx, void *p, size_t bytes) {
    if (p) btl_realloc(ctx, p, bytes, 0);
}

btl_status btl_context_new(const btl_context_options *options, btl_context **out) {
    *out = NULL;
    btl_alloc_fn alloc = options && options->alloc ? options->alloc : context_default_alloc;
    void *user = options ? options->alloc_user : NULL;
    if (options && options->blas && strlen(options->blas) >= sizeof((*out)->blas)) return BTL_EVALUE;
    if (options && options->cache_dir && strlen(options->cache_dir) >= sizeof((*out)->cache_dir)) return BTL_EVALUE;
    if (options && options->compiler && strlen(options->compiler) >= sizeof((*out)->compiler)) return BTL_EVALUE;
    btl_context *ctx = alloc(user, NULL, 0, sizeof *ctx);
    if (!ctx) return BTL_ENOMEM;
    memset(ctx, 0, sizeof *ctx);
    ctx->alloc = alloc;
    ctx->alloc_user = user;
    if (options && options->blas) strcpy(ctx->blas, options->blas);
    if (options && options->cache_dir) strcpy(ctx->cache_dir, options->cache_dir);
    if (options && options->compiler) strcpy(ctx->compiler, options->compiler);
    if (pthread_mutex_init(&ctx->lock, NULL)) {
        alloc(user, ctx, sizeof *ctx, 0);
        return BTL_ENOMEM;
    }
    *out = ctx;
    return BTL_OK;
}

void btl_context_free(btl_context *ctx) {
    if (!ctx) return;
    for (size_t i = 0; i < sizeof ctx->slots / sizeof *ctx->slots; i++)
        if (ctx->slots[i]) ctx->slot_free[i](ctx, ctx->slots[i]);
    pthread_mutex_destroy(&ctx->lock);
    ctx->alloc(ctx->alloc_user, ctx, sizeof *ctx, 0);
}

void *btl_context_slot(btl_context *ctx, int slot, void *(*make)(btl_context *),
                       void (*destroy)(btl_context *, void *)) {
    void *thing = atomic_load_explicit(&ctx->slots[slot], memory_order_acquire);
    if (thing) return thing; /* without the lock: each product of matrices asks for its BLAS */
    pthread_mutex_lock(&ctx->lock);
    thing = atomic_load_explicit(&ctx->slots[slot], memory_order_relaxed);
    if (!thing) {
        thing = make(ctx);
        ctx->slot_free[slot] = destroy;
        atomic_store_explicit(&ctx->slots[slot], thing, memory_order_release);
    }
    pthread_mutex_unlock(&ctx->lock);
    return thing;
}
