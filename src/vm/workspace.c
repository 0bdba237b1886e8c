/* workspace.c - what one call changes: made once, kept in the function's pool, sized anew only when
 * the sizes of the arguments change.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/context.h"
#include "vm/memory.h"

#include <string.h>

/* All tables of a workspace in one block: `take` cuts pieces off it (first pass: only counts). */
typedef struct workspace_block { char *base; size_t at; } workspace_block;

static void *workspace_cut(workspace_block *b, size_t count, size_t size) {
    b->at = (b->at + 15) & ~(size_t)15;
    void *p = b->base ? b->base + b->at : NULL;
    b->at += count * size;
    return p;
}

static void workspace_lay_out(const btl_function *f, vm_workspace *w, workspace_block *b) {
    int widest = 1;
    for (int i = 0; i < f->ninstrs; i++) {
        if (f->instrs[i].nin > widest) widest = f->instrs[i].nin;
        if (f->instrs[i].nout > widest) widest = f->instrs[i].nout;
    }
    vm_workspace none;
    if (!w) w = &none;
    workspace_cut(b, 1, sizeof(vm_workspace));
    w->symbols = workspace_cut(b, (size_t)f->graph->dims.nsymbols + 1, sizeof *w->symbols);
    w->operands = workspace_cut(b, (size_t)f->nslots + 1, sizeof *w->operands);
    w->shapes = workspace_cut(b, (size_t)f->shape_total + 1, sizeof *w->shapes);
    w->slot_at = workspace_cut(b, (size_t)f->nslots + 1, sizeof *w->slot_at);
    w->slot_bytes = workspace_cut(b, (size_t)f->nslots + 1, sizeof *w->slot_bytes);
    w->sizes = workspace_cut(b, (size_t)f->nsizes + 1, sizeof *w->sizes);
    w->buffers = workspace_cut(b, (size_t)f->nbuffers + 1, sizeof *w->buffers);
    w->host = workspace_cut(b, (size_t)f->nbuffers + 1, sizeof *w->host);
    w->guest = workspace_cut(b, (size_t)f->noutputs + 1, sizeof *w->guest);
    w->next_guest = workspace_cut(b, (size_t)f->nbuffers + 1, sizeof *w->next_guest);
    w->guest_bytes = workspace_cut(b, (size_t)f->noutputs + 1, sizeof *w->guest_bytes);
    w->spare = workspace_cut(b, (size_t)f->noutputs + 1, sizeof *w->spare);
    w->spare_bytes = workspace_cut(b, (size_t)f->noutputs + 1, sizeof *w->spare_bytes);
    w->stores = workspace_cut(b, (size_t)f->nstores + 1, sizeof *w->stores);
    w->store_bytes = workspace_cut(b, (size_t)f->nstores + 1, sizeof *w->store_bytes);
    w->store_need = workspace_cut(b, (size_t)f->nstores + 1, sizeof *w->store_need);
    w->own = workspace_cut(b, (size_t)f->nown + 1, sizeof *w->own);
    w->own_bytes = workspace_cut(b, (size_t)f->nown + 1, sizeof *w->own_bytes);
    w->shared_index = workspace_cut(b, (size_t)f->nshared + 1, sizeof *w->shared_index);
    w->made = workspace_cut(b, (size_t)f->noutputs + 1, sizeof *w->made);
    w->packed = workspace_cut(b, (size_t)f->ninputs + 1, sizeof *w->packed);
    w->given = workspace_cut(b, (size_t)f->ninputs + 1, sizeof *w->given);
    w->exec_in = workspace_cut(b, (size_t)widest, sizeof *w->exec_in);
    w->exec_out = workspace_cut(b, (size_t)widest, sizeof *w->exec_out);
}

static btl_status workspace_new(const btl_function *f, vm_workspace **out) {
    workspace_block b = { 0 };
    workspace_lay_out(f, NULL, &b);
    size_t bytes = b.at;
    vm_workspace *w = btl_alloc(f->ctx, bytes);
    if (!w) return BTL_ENOMEM;
    memset(w, 0, bytes);
    b = (workspace_block){ .base = (char *)w };
    workspace_lay_out(f, w, &b);
    w->ctx = f->ctx, w->f = f, w->block_bytes = bytes;
    for (int i = 0; i < f->nslots; i++) {
        const btl_type *t = &f->slots[i].var->type;
        int64_t *shape = w->shapes + f->slots[i].shape_at;
        w->operands[i] = (btl_operand){ .dtype = t->dtype, .rank = t->rank, .dims = shape, .strides = shape + t->rank };
    }
    for (int i = 0; i < f->graph->dims.nsymbols; i++) w->symbols[i] = -1;
    for (int i = 0; i < f->noutputs; i++) w->guest[i] = -1;
    *out = w;
    return BTL_OK;
}

void btl_vm_workspace_free(vm_workspace *w) {
    if (!w) return;
    btl_vm_memory_drop(w);
    btl_free(w->ctx, w, w->block_bytes);
}

btl_status btl_vm_workspace_take(const btl_function *f, vm_workspace **out) {
    btl_function *pool = (btl_function *)f; /* the pool is the one part that changes, atomically */
    for (int i = 0; i < POOL_SLOTS; i++) {
        if (!atomic_load_explicit(&pool->pool[i], memory_order_relaxed)) continue;
        vm_workspace *w = atomic_exchange(&pool->pool[i], NULL);
        if (w) {
            *out = w;
            return BTL_OK;
        }
    }
    BTL_TRY(workspace_new(f, out));
    int home = atomic_load_explicit(&pool->nhomes, memory_order_relaxed);
    while (home < POOL_SLOTS && !atomic_compare_exchange_weak(&pool->nhomes, &home, home + 1)) {}
    (*out)->home = home < POOL_SLOTS ? home : -1;
    return BTL_OK;
}

/* Its place is its own: to put it back is one plain store. */
void btl_vm_workspace_give(const btl_function *f, vm_workspace *w) {
    btl_function *pool = (btl_function *)f;
    if (w->home < 0) btl_vm_workspace_free(w);
    else atomic_store_explicit(&pool->pool[w->home], w, memory_order_release);
}
