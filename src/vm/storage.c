/* storage.c - see storage.h. SPDX-License-Identifier: BSD-3-Clause */
#include "vm/storage.h"

#include "schedule/guests.h"
#include "schedule/pack.h"
#include "vm/memory.h"

#include <string.h>

typedef struct storage {
    btl_function *f;
    btl_arena *a;
    int *first_use;      /* by slot: the instruction that makes it */
    int *last_use;       /* by slot: the last instruction that touches its memory */
    btl_bits pinned;     /* slots whose memory must not be used again before the end */
} storage;

/* ---- buffers and their lives ---------------------------------------------------------------- */

static void storage_pin(storage *s) {
    btl_function *f = s->f;
    for (int i = 0; i < f->noutputs; i++)
        if (f->outputs[i].copy) btl_bits_set(s->pinned, f->slots[f->outputs[i].slot].root);
    for (int i = 0; i < f->nupdates; i++) btl_bits_set(s->pinned, f->slots[f->updates[i].slot].root);
    for (int i = 0; i < f->nasserts; i++) btl_bits_set(s->pinned, f->slots[f->asserts[i].slot].root);
}

/* The first and the last instruction that touch each memory. */
static void storage_lives(storage *s) {
    btl_function *f = s->f;
    for (int i = 0; i < f->ninstrs; i++) {
        const vm_instr *q = &f->instrs[i];
        for (int k = 0; k < q->nout; k++) s->first_use[q->out[k]] = i, s->last_use[f->slots[q->out[k]].root] = i;
        for (int k = 0; k < q->nin; k++) s->last_use[f->slots[q->in[k]].root] = i;
    }
}

/* A late size that has a bound lives in the plan at its bound; without one, in memory of its own. */
static bool storage_bounded(const btl_graph *g, const btl_dim *d, int depth) {
    if (!d->late) return true;
    return depth < 8 && d->kind == DIM_SYMBOL && g->dims.symbols[d->symbol]->bound && storage_bounded(g, g->dims.symbols[d->symbol]->bound, depth + 1);
}

static int storage_holder(const btl_function *f, int slot) { return f->slots[slot].into >= 0 ? btl_vm_written_over(f, slot) : f->slots[slot].whole; }

/* What a result is written over lies in that result's memory from the start. */
static void storage_results(storage *s) {
    btl_function *f = s->f;
    for (int i = 0; i < f->nslots; i++)
        for (int at = f->slots[i].storage == STORE_OUTPUT ? btl_vm_written_over(f, i) : -1; at >= 0; at = btl_vm_written_over(f, at))
            f->slots[at].storage = STORE_OUTPUT, f->slots[at].index = f->slots[i].index;
}

/* A value in the place of another is in its buffer, which lives on; in that of a shared variable, it is that variable's. A part is in the buffer of
 * its whole, which lives from the first part on. */
static void storage_share(storage *s, btl_buffer *lives) {
    btl_function *f = s->f;
    for (int i = 0; i < f->nslots; i++) {
        int first = storage_holder(f, i);
        if (first < 0) continue;
        while (storage_holder(f, first) >= 0) first = storage_holder(f, first);
        f->slots[i].storage = f->slots[first].storage, f->slots[i].index = f->slots[first].index;
        if (f->slots[i].storage != STORE_ARENA) continue;
        btl_buffer *b = &lives[f->slots[i].index];
        int last = btl_bits_get(s->pinned, i) ? f->ninstrs : s->last_use[i];
        if (b->last < last) b->last = last;
        if (b->first > s->first_use[i]) b->first = s->first_use[i];
    }
}

static void storage_buffers(storage *s) {
    btl_function *f = s->f;
    btl_buffer *lives = BTL_ARRAY(s->a, btl_buffer, f->nslots);
    int *slots = BTL_ARRAY(s->a, int, f->nslots);
    for (int i = 0; i < f->nslots; i++) {
        vm_slot *slot = &f->slots[i];
        if (slot->storage != STORE_ARENA || storage_holder(f, i) >= 0) continue;
        bool bounded = true;
        for (int k = 0; k < slot->var->type.rank; k++) bounded &= storage_bounded(f->graph, slot->var->type.dims[k], 0);
        if (!bounded) {
            slot->storage = STORE_OWN, slot->index = f->nown++;
            continue;
        }
        slot->index = f->nbuffers;
        slots[f->nbuffers] = i;
        lives[f->nbuffers++] = (btl_buffer){ .first = s->first_use[i], .last = btl_bits_get(s->pinned, i) ? f->ninstrs : s->last_use[i] };
    }
    storage_share(s, lives);
    f->lives = lives;
    f->buffer_slot = slots;
}

/* ---- what a policy makes of them ------------------------------------------------------------ */

static btl_lists storage_rows(storage *s, int nrows, int nitems, int n, const int *pairs) {
    return btl_lists_new(s->a, nrows, nitems, n, (const int (*)[2])(const void *)pairs);
}

static void storage_tenants(storage *s) {
    btl_function *f = s->f;
    int n = 0, *pairs = BTL_ARRAY(s->a, int, 2 * f->nslots + 1);
    for (int i = 0; i < f->nslots; i++)
        if (f->slots[i].storage == STORE_ARENA) pairs[2 * n] = f->slots[i].index, pairs[2 * n++ + 1] = i;
    f->tenants = storage_rows(s, f->nbuffers, f->nslots, n, pairs);
}

/* What lies in a result's memory besides the result. */
static void storage_parts(storage *s) {
    btl_function *f = s->f;
    int n = 0, *pairs = BTL_ARRAY(s->a, int, 2 * f->nslots + 1);
    for (int i = 0; i < f->nslots; i++)
        if (f->slots[i].storage == STORE_OUTPUT && i != f->outputs[f->slots[i].index].slot) pairs[2 * n] = f->slots[i].index, pairs[2 * n++ + 1] = i;
    f->parts = storage_rows(s, f->noutputs, f->nslots, n, pairs);
}

/* A call has the memory of results that are written straight from its start, if their size is known then. */
static void storage_idle(storage *s) {
    btl_function *f = s->f;
    f->idle_until = BTL_ARRAY(s->a, int, f->noutputs + 1);
    for (int i = 0; i < f->noutputs; i++) f->idle_until[i] = f->ninstrs;
    for (int i = 0; i < f->nslots; i++)
        if (f->slots[i].storage == STORE_OUTPUT && f->idle_until[f->slots[i].index] > s->first_use[i]) f->idle_until[f->slots[i].index] = s->first_use[i];
    for (int i = 0; i < f->noutputs; i++)
        if (f->outputs[i].copy || f->slots[f->outputs[i].slot].late || f->slots[f->outputs[i].slot].storage != STORE_OUTPUT) f->idle_until[i] = 0;
}

/* When a storage begins and ends; one that is needed at the end is not given back by an instruction. Of several parts, which of them runs first is known
 * when a call says what it wants. */
static void storage_steps(storage *s) {
    btl_function *f = s->f;
    int *pairs = BTL_ARRAY(s->a, int, 2 * (f->nbuffers + f->nslots) + 1), *last = BTL_ARRAY(s->a, int, f->nstores + 1), n = 0;
    for (int b = 0; b < f->nbuffers; b++) {
        pairs[2 * b] = f->lives[b].first, pairs[2 * b + 1] = b;
        if (f->lives[b].last > last[f->store_of[b]]) last[f->store_of[b]] = f->lives[b].last;
    }
    n = f->nbuffers;
    for (int i = 0; i < f->nslots; i++)
        if (f->slots[i].whole >= 0 && f->slots[i].storage == STORE_ARENA) pairs[2 * n] = s->first_use[i], pairs[2 * n++ + 1] = f->slots[i].index;
    f->begins = storage_rows(s, f->ninstrs, f->nbuffers, n, pairs);
    n = 0;
    for (int k = 0; k < f->nstores; k++)
        if (last[k] < f->ninstrs) pairs[2 * n] = last[k], pairs[2 * n++ + 1] = k;
    f->ends = storage_rows(s, f->ninstrs, f->nstores, n, pairs);
}

static void storage_policy(storage *s) {
    btl_function *f = s->f;
    if (f->policy == BTL_POLICY_ARENA) return;
    const btl_type **types = BTL_ARRAY(s->a, const btl_type *, f->nbuffers + 1);
    int *store_of = BTL_ARRAY(s->a, int, f->nbuffers + 1);
    for (int b = 0; b < f->nbuffers; b++) types[b] = f->slots[f->buffer_slot[b]].late ? NULL : &f->slots[f->buffer_slot[b]].var->type;
    f->nstores = btl_plan_stores(s->a, f->policy, f->nbuffers, f->lives, types, f->ninstrs, store_of);
    f->store_of = store_of;
    storage_steps(s);
}

/* ---- the arena ------------------------------------------------------------------------------- */

/* A size that only a call tells is taken to be its bound, or this. A search pays where much memory is in question. */
enum { STORAGE_SIZE = 96, STORAGE_MUCH = 1 << 20 /* bytes */, STORAGE_STEPS = 1000, STORAGE_MOST = 2000 /* buffers */ };

/* Bytes of the buffers and the results at such sizes. */
static bool storage_nominal(const btl_function *f, btl_arena *scratch, btl_buffer *buffers, size_t *result_bytes) {
    const btl_graph *g = f->graph;
    int64_t *symbols = BTL_ARRAY(scratch, int64_t, g->dims.nsymbols + 1), sum = 0;
    for (int k = 0; k < g->dims.nsymbols; k++) {
        const btl_dim *bound = g->dims.symbols[k]->bound;
        if (!bound || !btl_dim_eval(bound, symbols, &symbols[k])) symbols[k] = STORAGE_SIZE;
    }
    for (int b = 0; b < f->nbuffers; b++) {
        int64_t bytes;
        if (btl_type_bytes(&f->slots[f->buffer_slot[b]].var->type, symbols, &bytes) >= 0) return false;
        if (!btl_add_i64(sum, bytes, &sum) || sum > INT64_C(1) << 60) return false;
        buffers[b].bytes = (size_t)bytes;
    }
    for (int i = 0; i < f->noutputs; i++) {
        int64_t bytes = 0;
        if (f->idle_until[i] && btl_type_bytes(&f->slots[f->outputs[i].slot].var->type, symbols, &bytes) >= 0) bytes = 0;
        result_bytes[i] = (size_t)bytes;
    }
    return true;
}

static btl_host *storage_hosts(const btl_function *f, btl_arena *scratch, const size_t *result_bytes) {
    btl_host *hosts = BTL_ARRAY(scratch, btl_host, f->noutputs + 1);
    for (int i = 0; i < f->noutputs; i++) hosts[i] = (btl_host){ result_bytes[i], f->idle_until[i] };
    return hosts;
}

/* Planned once, as well as a moment's search allows; for other sizes the relation of that plan holds. */
static void storage_rests(storage *s) {
    btl_function *f = s->f;
    if (f->policy != BTL_POLICY_ARENA || !f->nbuffers) return;
    btl_arena *scratch = btl_arena_begin(s->a);
    btl_buffer *buffers = btl_arena_copy(scratch, f->lives, (size_t)f->nbuffers * sizeof *buffers);
    btl_pack_plan plan;
    btl_error ignored = { 0 };
    size_t *result_bytes = BTL_ARRAY(scratch, size_t, f->noutputs + 1);
    bool known = storage_nominal(f, scratch, buffers, result_bytes);
    if (known) btl_guests_take_out(scratch, f->nbuffers, buffers, f->noutputs, storage_hosts(f, scratch, result_bytes), VM_ALIGN);
    bool much = known && btl_plan_live_peak(scratch, f->nbuffers, buffers, VM_ALIGN) > STORAGE_MUCH;
    btl_pack_request request = { .align = VM_ALIGN, .steps = much && f->nbuffers < STORAGE_MOST ? STORAGE_STEPS : 0 };
    if (btl_plan_pack(scratch, f->nbuffers, buffers, request, &plan, &ignored) == BTL_OK) f->rests = btl_plan_rests(s->a, f->nbuffers, buffers);
    btl_arena_end(scratch);
}

/* What the relation gives may not lie by more than a sixteenth above what lives at one time, unless a plan made anew is no better. */
static size_t storage_place(const void *function, btl_arena *scratch, int n, btl_buffer *buffers) {
    const btl_function *f = function;
    if (!f->rests.n) return btl_plan_offsets(scratch, n, buffers, VM_ALIGN);
    size_t bytes = btl_rests_offsets(&f->rests, buffers, VM_ALIGN), peak = btl_plan_live_peak(scratch, n, buffers, VM_ALIGN);
    if (bytes - peak <= peak / 16) return bytes;
    btl_buffer *anew = btl_arena_copy(scratch, buffers, (size_t)n * sizeof *buffers);
    size_t other = btl_plan_offsets(scratch, n, anew, VM_ALIGN);
    if (other >= bytes) return bytes;
    memcpy(buffers, anew, (size_t)n * sizeof *buffers);
    return other;
}

size_t btl_vm_offsets(const btl_function *f, btl_arena *scratch, btl_buffer *buffers, const size_t *result_bytes, int *host) {
    return btl_guests_offsets(scratch, f->nbuffers, buffers, f->noutputs, storage_hosts(f, scratch, result_bytes), VM_ALIGN, host, storage_place, f);
}

btl_status btl_vm_offsets_check(const btl_function *f, btl_arena *scratch, const btl_buffer *buffers, const size_t *result_bytes, const int *host, size_t total, btl_error *err) {
    return btl_guests_check(scratch, f->nbuffers, buffers, f->noutputs, storage_hosts(f, scratch, result_bytes), VM_ALIGN, host, total, err);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int storage_first_update(const btl_function *f) {
    for (int i = 0; i < f->ninstrs; i++)
        for (int k = 0; k < f->instrs[i].nout; k++)
            if (f->slots[f->instrs[i].out[k]].storage == STORE_SHARED) return i;
    return f->ninstrs;
}

void btl_vm_storage(btl_function *f, btl_arena *a) {
    storage s = { .f = f, .a = a, .first_use = BTL_ARRAY(a, int, f->nslots + 1), .last_use = BTL_ARRAY(a, int, f->nslots + 1), .pinned = btl_bits_new(a, f->nslots) };
    storage_pin(&s);
    storage_lives(&s);
    storage_results(&s);
    storage_buffers(&s);
    storage_tenants(&s);
    storage_parts(&s);
    storage_idle(&s);
    storage_policy(&s);
    storage_rests(&s);
    f->first_update = storage_first_update(f);
}
