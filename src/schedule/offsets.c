/* offsets.c - dynamic storage allocation, greedy by size; see offsets.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/offsets.h"

#include <stdlib.h>
#include <string.h>

static size_t offsets_aligned(size_t bytes, size_t align) {
    return (bytes + align - 1) / align * align;
}

static int offsets_larger_first(const void *a, const void *b) {
    const btl_buffer *x = *(const btl_buffer *const *)a, *y = *(const btl_buffer *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* Placed buffers in order of offset: a linked list through `next`, entered in order. */
typedef struct offsets_placed { const btl_buffer *buffer; int next; } offsets_placed;

static size_t offsets_place(const offsets_placed *placed, int head, const btl_buffer *b, size_t align) {
    size_t at = 0;
    for (int i = head; i >= 0; i = placed[i].next) {
        const btl_buffer *p = placed[i].buffer;
        if (p->last < b->first || p->first > b->last) continue; /* never alive together */
        if (p->offset >= at + offsets_aligned(b->bytes, align)) break;
        size_t end = p->offset + offsets_aligned(p->bytes, align);
        if (end > at) at = end;
    }
    return at;
}

static void offsets_insert(offsets_placed *placed, int *head, int i) {
    int *link = head;
    while (*link >= 0 && placed[*link].buffer->offset <= placed[i].buffer->offset) link = &placed[*link].next;
    placed[i].next = *link;
    *link = i;
}

size_t btl_plan_offsets(btl_arena *scratch, int n, btl_buffer *buffers, size_t align) {
    btl_mark mark = btl_arena_mark(scratch);
    btl_buffer **order = BTL_ARRAY(scratch, btl_buffer *, n + 1);
    offsets_placed *placed = BTL_ARRAY(scratch, offsets_placed, n + 1);
    for (int i = 0; i < n; i++) order[i] = &buffers[i];
    qsort(order, (size_t)n, sizeof *order, offsets_larger_first);
    size_t total = 0;
    int head = -1;
    for (int i = 0; i < n; i++) {
        btl_buffer *b = order[i];
        b->offset = b->bytes ? offsets_place(placed, head, b, align) : 0;
        size_t end = b->offset + offsets_aligned(b->bytes, align);
        if (end > total) total = end;
        placed[i].buffer = b;
        if (b->bytes) offsets_insert(placed, &head, i);
    }
    btl_arena_reset(scratch, mark);
    return total;
}

size_t btl_plan_live_peak(btl_arena *scratch, int n, const btl_buffer *buffers, size_t align) {
    btl_mark mark = btl_arena_mark(scratch);
    int steps = 0;
    for (int i = 0; i < n; i++)
        if (buffers[i].last >= steps) steps = buffers[i].last + 1;
    int64_t *change = BTL_ARRAY(scratch, int64_t, steps + 1), live = 0, peak = 0;
    for (int i = 0; i < n; i++) {
        change[buffers[i].first] += (int64_t)offsets_aligned(buffers[i].bytes, align);
        change[buffers[i].last + 1] -= (int64_t)offsets_aligned(buffers[i].bytes, align);
    }
    for (int i = 0; i < steps; i++) {
        live += change[i];
        if (live > peak) peak = live;
    }
    btl_arena_reset(scratch, mark);
    return (size_t)peak;
}
