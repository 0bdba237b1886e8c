/* rests.c - see rests.h. SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/rests.h"

#include <stdlib.h>
#include <string.h>

typedef struct rests_place { size_t offset, bytes; int buffer; } rests_place;

/* Empty buffers below what lies where they do. */
static int rests_lower_first(const void *a, const void *b) {
    const rests_place *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return x->buffer < y->buffer ? -1 : x->buffer > y->buffer;
}

static int rests_int_order(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return x < y ? -1 : x > y;
}

static int rests_nearest_first(const void *a, const void *b) { return rests_int_order(b, a); }

/* How many of the sorted numbers are below x. */
static int rests_rank(const int *sorted, int n, int64_t x) {
    int low = 0, high = n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (sorted[middle] < x) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Above so many buffers, pairs that follow from others are not looked for; there are at most three for each buffer. */
enum { RESTS_EXACT = 8192 };

/* Buffers are stacked in the order of the plan. Time is cut into runs with one topmost buffer: what b is put on are those
 * that it sees, and all others that it meets lie below these. A run that is covered goes away, and a buffer makes
 * three at most: so all are seen in time near n. */
typedef struct rests_work {
    const btl_buffer *buffers;
    btl_rests r;
    int nstarts, *starts;   /* moments where lives begin: two buffers that meet meet at one */
    uint64_t *is_run;       /* bits: a run begins at the moment */
    int *end, *top;         /* of a run: the moment behind it; the place in the order of the topmost, or -1 */
    size_t words;
    uint64_t *below;        /* by place in the order: bits of all places that lie below, also through others; NULL: too many */
} rests_work;

static void rests_run_begin(rests_work *w, int at, int end, int top) {
    w->is_run[at / 64] |= (uint64_t)1 << (at % 64);
    w->end[at] = end, w->top[at] = top;
}

static int rests_run_at(const rests_work *w, int moment) {
    int word = moment / 64;
    uint64_t bits = w->is_run[word] & (UINT64_MAX >> (63 - moment % 64));
    while (!bits) bits = w->is_run[--word]; /* one begins at 0 */
    int bit = 63;
    while (!(bits >> bit)) bit--;
    return word * 64 + bit;
}

/* Puts the buffer at that place of the order on the stack; those that it sees, nearest first. */
static int rests_put(rests_work *w, int place, int *seen) {
    const btl_buffer *b = &w->buffers[w->r.order[place]];
    int from = rests_rank(w->starts, w->nstarts, b->first), to = rests_rank(w->starts, w->nstarts, (int64_t)b->last + 1), n = 0, all = 0;
    int before = rests_run_at(w, from);
    if (before < from) {
        rests_run_begin(w, from, w->end[before], w->top[before]);
        w->end[before] = from;
    }
    for (int at = from, end; at < to; at = end) {
        end = w->end[at];
        if (w->top[at] >= 0) seen[all++] = w->top[at];
        if (end > to) rests_run_begin(w, to, end, w->top[at]), end = to;
        w->is_run[at / 64] &= ~((uint64_t)1 << (at % 64));
    }
    rests_run_begin(w, from, to, place);
    qsort(seen, (size_t)all, sizeof *seen, rests_nearest_first);
    for (int i = 0; i < all; i++)
        if (i == 0 || seen[i] != seen[n - 1]) seen[n++] = seen[i];
    return n;
}

/* Leaves out what follows from others. */
static int rests_reduce(rests_work *w, int place, int *seen, int n) {
    uint64_t *bits = w->below ? w->below + (size_t)place * w->words : NULL;
    int kept = 0;
    for (int k = 0; bits && k < n; k++) {
        int i = seen[k];
        if (bits[i / 64] >> (i % 64) & 1) continue;
        seen[kept++] = i;
        bits[i / 64] |= (uint64_t)1 << (i % 64);
        for (int word = 0; word <= i / 64; word++) bits[word] |= w->below[(size_t)i * w->words + (size_t)word];
    }
    return bits ? kept : n;
}

static void rests_begin(rests_work *w, btl_arena *scratch, int n) {
    w->starts = BTL_ARRAY(scratch, int, n + 1);
    for (int i = 0; i < n; i++) w->starts[i] = w->buffers[i].first;
    qsort(w->starts, (size_t)n, sizeof *w->starts, rests_int_order);
    for (int i = 0; i < n; i++)
        if (i == 0 || w->starts[i] != w->starts[w->nstarts - 1]) w->starts[w->nstarts++] = w->starts[i];
    w->is_run = BTL_ARRAY(scratch, uint64_t, w->nstarts / 64 + 1);
    w->end = BTL_ARRAY(scratch, int, w->nstarts + 1), w->top = BTL_ARRAY(scratch, int, w->nstarts + 1);
    rests_run_begin(w, 0, w->nstarts, -1);
    w->words = ((size_t)n + 63) / 64;
    if (n <= RESTS_EXACT) w->below = BTL_ARRAY(scratch, uint64_t, (size_t)n * w->words + 1);
}

btl_rests btl_plan_rests(btl_arena *a, int n, const btl_buffer *buffers) {
    btl_arena *scratch = btl_arena_begin(a);
    rests_work w = { .buffers = buffers };
    rests_place *places = BTL_ARRAY(scratch, rests_place, n + 1);
    for (int i = 0; i < n; i++) places[i] = (rests_place){ buffers[i].offset, buffers[i].bytes, i };
    qsort(places, (size_t)n, sizeof *places, rests_lower_first);
    w.r = (btl_rests){ .n = n, .order = BTL_ARRAY(a, int, n + 1), .first = BTL_ARRAY(a, int, n + 2), .is_top = BTL_ARRAY(a, bool, n + 1) };
    for (int i = 0; i < n; i++) w.r.order[i] = places[i].buffer, w.r.is_top[i] = true;
    rests_begin(&w, scratch, n);
    int **on = BTL_ARRAY(scratch, int *, n + 1), *counts = BTL_ARRAY(scratch, int, n + 1), *seen = BTL_ARRAY(scratch, int, n + 1), pairs = 0;
    for (int place = 0; place < n; place++) {
        int b = w.r.order[place];
        counts[b] = rests_reduce(&w, place, seen, rests_put(&w, place, seen));
        on[b] = counts[b] ? btl_arena_copy(scratch, seen, (size_t)counts[b] * sizeof *seen) : NULL;
        pairs += counts[b];
    }
    w.r.on = BTL_ARRAY(a, int, pairs + 1);
    for (int b = 0, at = 0; b < n; b++) {
        w.r.first[b] = at;
        for (int i = counts[b] - 1; i >= 0; i--) {
            w.r.on[at] = w.r.order[on[b][i]];
            w.r.is_top[w.r.on[at++]] = false;
        }
        w.r.first[b + 1] = at;
    }
    btl_arena_end(scratch);
    return w.r;
}

static size_t rests_end(const btl_buffer *b, size_t align) { return b->offset + (b->bytes + align - 1) / align * align; }

size_t btl_rests_offsets(const btl_rests *r, btl_buffer *buffers, size_t align) {
    size_t total = 0;
    for (int i = 0; i < r->n; i++) {
        btl_buffer *b = &buffers[r->order[i]];
        b->offset = 0;
        for (int k = r->first[r->order[i]]; k < r->first[r->order[i] + 1]; k++) {
            size_t end = rests_end(&buffers[r->on[k]], align);
            if (end > b->offset) b->offset = end;
        }
        if (rests_end(b, align) > total) total = rests_end(b, align);
    }
    return total;
}
