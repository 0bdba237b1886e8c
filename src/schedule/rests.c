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

static bool rests_meet(const btl_buffer *a, const btl_buffer *b) { return a->first <= b->last && b->first <= a->last; }

/* Above so many buffers, what lies below a buffer is looked for among those directly below it only. */
enum { RESTS_EXACT = 8192 };

typedef struct rests_work {
    btl_arena *a;
    const btl_buffer *buffers;
    btl_rests r;
    int non, capacity;
    size_t words;
    uint64_t *below;     /* by place in the order: bits of all places that lie below through others; NULL: too many */
} rests_work;

static bool rests_follows(const rests_work *w, const uint64_t *below, const int *kept, int nkept, int place) {
    if (below) return below[place / 64] >> (place % 64) & 1;
    for (int i = 0; i < nkept; i++)
        if (rests_meet(&w->buffers[w->r.order[kept[i]]], &w->buffers[w->r.order[place]])) return true;
    return false;
}

/* What the buffer at that place of the order rests on: nearest first, so that the others follow from it. */
static int rests_find(rests_work *w, int place, int *kept) {
    const btl_buffer *b = &w->buffers[w->r.order[place]];
    uint64_t *bits = w->below ? w->below + (size_t)place * w->words : NULL;
    int nkept = 0;
    for (int i = place - 1; i >= 0; i--) {
        if (!rests_meet(b, &w->buffers[w->r.order[i]]) || rests_follows(w, bits, kept, nkept, i)) continue;
        kept[nkept++] = i;
        if (!bits) continue;
        bits[i / 64] |= (uint64_t)1 << (i % 64);
        for (size_t k = 0; k < w->words; k++) bits[k] |= w->below[(size_t)i * w->words + k];
    }
    return nkept;
}

btl_rests btl_plan_rests(btl_arena *a, int n, const btl_buffer *buffers) {
    btl_arena *scratch = btl_arena_begin(a);
    rests_work w = { .a = a, .buffers = buffers, .words = ((size_t)n + 63) / 64 };
    rests_place *places = BTL_ARRAY(scratch, rests_place, n + 1);
    for (int i = 0; i < n; i++) places[i] = (rests_place){ buffers[i].offset, buffers[i].bytes, i };
    qsort(places, (size_t)n, sizeof *places, rests_lower_first);
    w.r = (btl_rests){ .n = n, .order = BTL_ARRAY(a, int, n + 1), .first = BTL_ARRAY(a, int, n + 2), .is_top = BTL_ARRAY(a, bool, n + 1) };
    for (int i = 0; i < n; i++) w.r.order[i] = places[i].buffer, w.r.is_top[i] = true;
    if (n <= RESTS_EXACT) w.below = BTL_ARRAY(scratch, uint64_t, (size_t)n * w.words + 1);
    int **on = BTL_ARRAY(scratch, int *, n + 1), *counts = BTL_ARRAY(scratch, int, n + 1), *kept = BTL_ARRAY(scratch, int, n + 1);
    for (int place = 0; place < n; place++) {
        int b = w.r.order[place];
        counts[b] = rests_find(&w, place, kept);
        on[b] = counts[b] ? btl_arena_copy(scratch, kept, (size_t)counts[b] * sizeof *kept) : NULL;
        w.non += counts[b];
    }
    w.r.on = BTL_ARRAY(a, int, w.non + 1);
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
