/* memory.c - see memory.h. SPDX-License-Identifier: BSD-3-Clause */
#include "vm/memory.h"

#include "base/context.h"
#include "expr/operand.h"
#include "vm/storage.h"

#include <string.h>

/* ---- pieces ---------------------------------------------------------------------------------- */

/* Room for `bytes` that begin at a multiple of VM_ALIGN. What was there is lost if it was too small. */
static bool memory_grow(vm_workspace *w, char **at, size_t *has, size_t bytes) {
    if (bytes <= SIZE_MAX - VM_ALIGN && bytes + VM_ALIGN <= *has) return true;
    btl_free(w->ctx, *at, *has);
    *at = NULL, *has = 0;
    if (bytes > SIZE_MAX - VM_ALIGN) return false;
    *at = btl_alloc(w->ctx, bytes + VM_ALIGN);
    if (*at) *has = bytes + VM_ALIGN;
    return *at != NULL;
}

static void memory_release(vm_workspace *w, char **at, size_t *has) {
    btl_free(w->ctx, *at, *has);
    *at = NULL, *has = 0;
}

static void memory_place(vm_workspace *w, int buffer, char *at) {
    btl_lists tenants = w->f->tenants;
    for (BTL_EACH(k, tenants, buffer)) w->operands[tenants.item[k]].data = at + w->slot_at[tenants.item[k]];
}

btl_status btl_vm_memory_scratch(vm_workspace *w, size_t bytes, btl_error *err) {
    if (memory_grow(w, &w->scratch, &w->scratch_bytes, bytes)) return BTL_OK;
    return btl_error_set(err, BTL_ENOMEM, "no memory for %zu bytes of scratch", bytes);
}

btl_status btl_vm_memory_own(vm_workspace *w, int slot, btl_error *err) {
    int own = w->f->slots[slot].index;
    btl_operand *o = &w->operands[slot];
    size_t bytes = (size_t)btl_operand_elems(o) * btl_dtype_bytes(o->dtype);
    if (!memory_grow(w, &w->own[own], &w->own_bytes[own], bytes)) return btl_error_set(err, BTL_ENOMEM, "no memory for %zu bytes", bytes);
    o->data = btl_vm_aligned(w->own[own]);
    return BTL_OK;
}

/* ---- the plan -------------------------------------------------------------------------------- */

typedef struct memory_plan_args { vm_workspace *w; btl_arena *scratch; btl_error *err; } memory_plan_args;

/* Of each result, the buffers that lie in it for a time. */
static void memory_guests(vm_workspace *w) {
    for (int i = 0; i < w->f->noutputs; i++) w->guest[i] = -1, w->guest_bytes[i] = 0;
    for (int b = w->f->nbuffers - 1; b >= 0; b--) {
        int host = w->host[b];
        if (host < 0) continue;
        w->next_guest[b] = w->guest[host], w->guest[host] = b;
        if (w->guest_bytes[host] < w->buffers[b].offset + w->buffers[b].bytes) w->guest_bytes[host] = w->buffers[b].offset + w->buffers[b].bytes;
    }
}

static btl_status memory_plan(void *arg) {
    memory_plan_args *a = arg;
    vm_workspace *w = a->w;
    size_t sum = 0;
    for (int i = 0; i < w->f->nbuffers; i++) {
        w->buffers[i] = w->f->lives[i];
        w->buffers[i].bytes = w->slot_bytes[w->f->buffer_slot[i]];
        if (w->buffers[i].bytes > SIZE_MAX / 2 - VM_ALIGN - sum) {
            w->arena_need = SIZE_MAX / 2;
            return BTL_ENOMEM;
        }
        sum += (w->buffers[i].bytes + VM_ALIGN - 1) / VM_ALIGN * VM_ALIGN;
    }
    if (w->f->policy != BTL_POLICY_ARENA) return BTL_OK;
    size_t *results = BTL_ARRAY(a->scratch, size_t, w->f->noutputs + 1);
    for (int i = 0; i < w->f->noutputs; i++) results[i] = w->slot_bytes[w->f->outputs[i].slot];
    w->arena_need = btl_vm_offsets(w->f, a->scratch, w->buffers, results, w->host);
    memory_guests(w);
#ifndef NDEBUG
    BTL_TRY(btl_vm_offsets_check(w->f, a->scratch, w->buffers, results, w->host, w->arena_need, a->err));
#endif
    return BTL_OK;
}

static btl_status memory_none(const vm_workspace *w, size_t bytes, btl_error *err) {
    return btl_error_set(err, BTL_ENOMEM, "%s: no memory for intermediate values: %zu bytes", w->f->name, bytes);
}

/* What the storages take together. */
static size_t memory_stores(const vm_workspace *w) {
    size_t bytes = 0, *largest = w->store_need;
    for (int k = 0; k < w->f->nstores; k++) largest[k] = 0;
    for (int b = 0; b < w->f->nbuffers; b++) {
        size_t *need = &largest[w->f->store_of[b]];
        if (w->buffers[b].bytes > *need) *need = w->buffers[b].bytes;
    }
    for (int k = 0; k < w->f->nstores; k++) bytes += largest[k];
    return bytes;
}

btl_status btl_vm_memory_plan(vm_workspace *w, btl_error *err) {
    btl_arena scratch;
    btl_arena_init(&scratch, w->ctx);
    memory_plan_args a = { w, &scratch, err };
    btl_status status = btl_arena_protect(&scratch, memory_plan, &a);
    btl_arena_deinit(&scratch);
    if (status == BTL_ENOMEM) return memory_none(w, w->arena_need, err);
    if (status != BTL_OK) return status;
    if (w->f->policy != BTL_POLICY_ARENA) w->arena_need = memory_stores(w);
    atomic_store_explicit(&((btl_function *)w->f)->arena_bytes, w->arena_need, memory_order_relaxed);
    atomic_store_explicit(&((btl_function *)w->f)->scratch_bytes, w->work_bytes, memory_order_relaxed);
    w->is_placed = false;
    return BTL_OK;
}

/* ---- taken and given back --------------------------------------------------------------------- */

static btl_status memory_take_store(vm_workspace *w, int store, btl_error *err) {
    if (memory_grow(w, &w->stores[store], &w->store_bytes[store], w->store_need[store])) return BTL_OK;
    return memory_none(w, w->store_need[store], err);
}

static btl_status memory_take_arena(vm_workspace *w, btl_error *err) {
    if (!memory_grow(w, &w->arena, &w->arena_bytes, w->arena_need)) return memory_none(w, w->arena_need, err);
    char *base = btl_vm_aligned(w->arena);
    for (int b = 0; b < w->f->nbuffers; b++)
        if (w->host[b] < 0) memory_place(w, b, base + w->buffers[b].offset);
    return BTL_OK;
}

btl_status btl_vm_memory_lodge_all(vm_workspace *w, int result, char *at, btl_error *err) {
    if (!at || (uintptr_t)at % VM_ALIGN) {
        if (!memory_grow(w, &w->spare[result], &w->spare_bytes[result], w->guest_bytes[result])) return memory_none(w, w->guest_bytes[result], err);
        at = btl_vm_aligned(w->spare[result]);
    }
    for (int b = w->guest[result]; b >= 0; b = w->next_guest[b]) memory_place(w, b, at + w->buffers[b].offset);
    return BTL_OK;
}

static btl_status memory_take_stores(vm_workspace *w, btl_error *err) {
    for (int k = 0; k < w->f->nstores; k++) BTL_TRY(memory_take_store(w, k, err));
    for (int b = 0; b < w->f->nbuffers; b++) memory_place(w, b, btl_vm_aligned(w->stores[w->f->store_of[b]]));
    return BTL_OK;
}

btl_status btl_vm_memory_take(vm_workspace *w, btl_error *err) {
    if (w->is_placed || btl_vm_is_stepwise(w->f)) return BTL_OK;
    BTL_TRY(w->f->policy == BTL_POLICY_ARENA ? memory_take_arena(w, err) : memory_take_stores(w, err));
    w->is_placed = true;
    return BTL_OK;
}

btl_status btl_vm_memory_before(vm_workspace *w, int i, btl_error *err) {
    const btl_function *f = w->f;
    for (BTL_EACH(k, f->begins, i)) {
        int b = f->begins.item[k], store = f->store_of[b];
        if (!w->stores[store]) BTL_TRY(memory_take_store(w, store, err));
        memory_place(w, b, btl_vm_aligned(w->stores[store]));
    }
    return BTL_OK;
}

void btl_vm_memory_after(vm_workspace *w, int i) {
    const btl_function *f = w->f;
    for (BTL_EACH(k, f->ends, i)) memory_release(w, &w->stores[f->ends.item[k]], &w->store_bytes[f->ends.item[k]]);
}

void btl_vm_memory_give(vm_workspace *w) {
    if (w->f->gc) btl_vm_memory_drop(w);
}

void btl_vm_memory_drop(vm_workspace *w) {
    memory_release(w, &w->arena, &w->arena_bytes);
    memory_release(w, &w->scratch, &w->scratch_bytes);
    for (int k = 0; k < w->f->nstores; k++) memory_release(w, &w->stores[k], &w->store_bytes[k]);
    for (int k = 0; k < w->f->nown; k++) memory_release(w, &w->own[k], &w->own_bytes[k]);
    for (int k = 0; k < w->f->noutputs; k++) memory_release(w, &w->spare[k], &w->spare_bytes[k]);
    w->is_placed = false;
}
