/* guests.c - see guests.h. SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/guests.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { GUESTS_MOST = 64, GUESTS_TRIED = 32 /* of those alive at the largest sum */ };

typedef struct guests {
    int n, nhosts, nsteps;
    btl_buffer *buffers;
    const btl_host *hosts;
    size_t align;
    int *host;
    int *first, *next;   /* of each host, its guests: the first; of each buffer, the next one; -1: none */
    size_t *live;        /* by step: bytes in the block */
    int ncandidates;
    int *candidates;     /* buffers that die before some host is written, largest first */
} guests;

static size_t guests_rounded(const guests *g, size_t bytes) { return (bytes + g->align - 1) / g->align * g->align; }

static bool guests_meet(const btl_buffer *a, const btl_buffer *b) { return a->first <= b->last && b->first <= a->last; }

/* Does buffer i fit into host h at `at`, beside the guests that live when it does? */
static bool guests_fits(const guests *g, int i, int h, size_t at) {
    const btl_buffer *b = &g->buffers[i];
    if (at > g->hosts[h].bytes || g->hosts[h].bytes - at < b->bytes) return false;
    for (int k = g->first[h]; k >= 0; k = g->next[k]) {
        const btl_buffer *other = &g->buffers[k];
        if (guests_meet(b, other) && at < other->offset + other->bytes && other->offset < at + b->bytes) return false;
    }
    return true;
}

/* The lowest place for buffer i in host h: at the beginning, or behind another guest. */
static bool guests_place(const guests *g, int i, int h, size_t *at) {
    *at = 0;
    if (guests_fits(g, i, h, 0)) return true;
    bool found = false;
    for (int k = g->first[h]; k >= 0; k = g->next[k]) {
        size_t end = guests_rounded(g, g->buffers[k].offset + g->buffers[k].bytes);
        if (guests_meet(&g->buffers[i], &g->buffers[k]) && (!found || end < *at) && guests_fits(g, i, h, end)) *at = end, found = true;
    }
    return found;
}

/* Of the hosts with room the smallest, of equal ones the one that is written first. */
static bool guests_lodge(guests *g, int i) {
    btl_buffer *b = &g->buffers[i];
    int best = -1;
    size_t at, best_at = 0;
    for (int h = 0; h < g->nhosts; h++) {
        const btl_host *x = &g->hosts[h], *y = best >= 0 ? &g->hosts[best] : NULL;
        if (b->last >= x->until || x->bytes < b->bytes || (y && (x->bytes > y->bytes || (x->bytes == y->bytes && x->until >= y->until)))) continue;
        if (guests_place(g, i, h, &at)) best = h, best_at = at;
    }
    if (best < 0) return false;
    b->offset = best_at;
    g->host[i] = best;
    g->next[i] = g->first[best], g->first[best] = i;
    for (int step = b->first; step <= b->last; step++) g->live[step] -= guests_rounded(g, b->bytes);
    return true;
}

static int guests_highest(const guests *g) {
    int top = 0;
    for (int step = 1; step < g->nsteps; step++)
        if (g->live[step] > g->live[top]) top = step;
    return top;
}

typedef struct guests_size { size_t bytes; int buffer; } guests_size;

static int guests_largest_first(const void *a, const void *b) {
    const guests_size *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return x->buffer < y->buffer ? -1 : x->buffer > y->buffer;
}

static void guests_candidates(guests *g, btl_arena *scratch, int latest) {
    guests_size *sizes = BTL_ARRAY(scratch, guests_size, g->n + 1);
    for (int i = 0; i < g->n; i++)
        if (g->buffers[i].bytes && g->buffers[i].last < latest) sizes[g->ncandidates++] = (guests_size){ g->buffers[i].bytes, i };
    qsort(sizes, (size_t)g->ncandidates, sizeof *sizes, guests_largest_first);
    g->candidates = BTL_ARRAY(scratch, int, g->ncandidates + 1);
    for (int i = 0; i < g->ncandidates; i++) g->candidates[i] = sizes[i].buffer;
}

/* Moves the largest buffer that can be moved out of the highest step; false: none can. */
static bool guests_lower(guests *g, int step) {
    for (int k = 0, ntried = 0; k < g->ncandidates && ntried < GUESTS_TRIED; k++) {
        int i = g->candidates[k];
        if (g->host[i] >= 0 || g->buffers[i].first > step || g->buffers[i].last < step) continue;
        if (guests_lodge(g, i)) return true;
        ntried++;
    }
    return false;
}

/* Sets host[i], and the offset there of what has one; returns how many have. */
static int guests_choose(btl_arena *scratch, int n, btl_buffer *buffers, int nhosts, const btl_host *hosts, size_t align, int *host) {
    guests g = { .n = n, .nhosts = nhosts, .buffers = buffers, .hosts = hosts, .align = align, .host = host };
    int count = 0, latest = 0, earliest = 0;
    for (int i = 0; i < n; i++) {
        host[i] = -1;
        if (buffers[i].last + 1 > g.nsteps) g.nsteps = buffers[i].last + 1;
        if (i == 0 || buffers[i].last < earliest) earliest = buffers[i].last;
    }
    for (int h = 0; h < nhosts; h++)
        if (hosts[h].until > latest) latest = hosts[h].until;
    if (!n || earliest >= latest) return 0; /* as mostly where a result is all that is made */
    btl_mark mark = btl_arena_mark(scratch);
    guests_candidates(&g, scratch, latest);
    g.first = BTL_ARRAY(scratch, int, nhosts + 1), g.next = BTL_ARRAY(scratch, int, n + 1);
    g.live = BTL_ARRAY(scratch, size_t, g.nsteps + 2);
    for (int h = 0; h < nhosts; h++) g.first[h] = -1;
    for (int i = 0; i < n; i++) g.live[buffers[i].first] += guests_rounded(&g, buffers[i].bytes), g.live[buffers[i].last + 1] -= guests_rounded(&g, buffers[i].bytes);
    for (int step = 1; step < g.nsteps; step++) g.live[step] += g.live[step - 1];
    while (count < GUESTS_MOST && guests_lower(&g, guests_highest(&g))) count++;
    btl_arena_reset(scratch, mark);
    return count;
}

void btl_guests_take_out(btl_arena *scratch, int n, btl_buffer *buffers, int nhosts, const btl_host *hosts, size_t align) {
    int *host = BTL_ARRAY(scratch, int, n + 1);
    guests_choose(scratch, n, buffers, nhosts, hosts, align, host);
    for (int i = 0; i < n; i++)
        if (host[i] >= 0) buffers[i].bytes = 0;
}

size_t btl_guests_offsets(btl_arena *scratch, int n, btl_buffer *buffers, int nhosts, const btl_host *hosts, size_t align, int *host, btl_placing place, const void *user) {
    int count = guests_choose(scratch, n, buffers, nhosts, hosts, align, host);
    if (!count) return place(user, scratch, n, buffers);
    btl_buffer *kept = btl_arena_copy(scratch, buffers, (size_t)n * sizeof *buffers), *without = btl_arena_copy(scratch, buffers, (size_t)n * sizeof *buffers);
    for (int i = 0; i < n; i++)
        if (host[i] >= 0) buffers[i].bytes = 0;
    size_t bytes = place(user, scratch, n, buffers);
    for (int i = 0; i < n; i++)
        if (host[i] >= 0) buffers[i] = kept[i];
    size_t other = place(user, scratch, n, without);
    if (bytes < other) return bytes;
    for (int i = 0; i < n; i++) host[i] = -1, buffers[i] = without[i]; /* gaps have eaten what they save */
    return other;
}

btl_status btl_guests_check(btl_arena *scratch, int n, const btl_buffer *buffers, int nhosts, const btl_host *hosts, size_t align, const int *host, size_t total, btl_error *err) {
    btl_buffer *own = BTL_ARRAY(scratch, btl_buffer, n + 1);
    for (int h = -1; h < nhosts; h++) {
        int count = 0;
        for (int i = 0; i < n; i++) {
            if (host[i] != h || !buffers[i].bytes) continue;
            own[count++] = buffers[i];
            if (h >= 0 && buffers[i].last >= hosts[h].until) return btl_error_set(err, BTL_EINTERNAL, "buffer %d lies in the memory of a result when that is written", i);
        }
        if (count) BTL_TRY(btl_plan_check(scratch, count, own, align, h < 0 ? total : hosts[h].bytes, err));
    }
    return BTL_OK;
}
