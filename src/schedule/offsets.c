/* offsets.c - dynamic storage allocation, greedy by size; see offsets.h. Where there are thousands of
 * buffers, the largest lie so, and the rest behind them as an allocator would put them in the order
 * of time: blocks with segregated free lists (Masmano et al., TLSF, ECRTS 2004).
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

/* ---- the many small ones ------------------------------------------------------------------ */

/* Blocks of a region in order of address; free ones also in a list of their size class: the power
 * of two and the three bits below it. */
enum { OFFSETS_CLASSES = 64 * 8, OFFSETS_LOOK = 16 };

typedef struct offsets_block offsets_block;
struct offsets_block {
    size_t offset, bytes;
    bool is_free;
    offsets_block *before, *behind;         /* by address */
    offsets_block *class_before, *class_behind;
};

typedef struct offsets_region {
    btl_arena *scratch;
    size_t end;
    offsets_block *last, *spare;
    offsets_block *classes[OFFSETS_CLASSES];
    uint64_t some[OFFSETS_CLASSES / 64];    /* bits of the classes that are not empty */
} offsets_region;

static int offsets_class(size_t bytes) {
    int power = 0;
    while (bytes >> power > 1) power++;
    return power * 8 + (int)(power >= 3 ? bytes >> (power - 3) & 7 : 0);
}

static void offsets_class_add(offsets_region *r, offsets_block *b) {
    int c = offsets_class(b->bytes);
    b->is_free = true;
    b->class_before = NULL;
    b->class_behind = r->classes[c];
    if (b->class_behind) b->class_behind->class_before = b;
    r->classes[c] = b;
    r->some[c / 64] |= (uint64_t)1 << (c % 64);
}

static void offsets_class_remove(offsets_region *r, offsets_block *b) {
    int c = offsets_class(b->bytes);
    b->is_free = false;
    if (b->class_behind) b->class_behind->class_before = b->class_before;
    if (b->class_before) b->class_before->class_behind = b->class_behind;
    else r->classes[c] = b->class_behind;
    if (!r->classes[c]) r->some[c / 64] &= ~((uint64_t)1 << (c % 64));
}

/* A free block that is large enough, of the smallest class that has one, or NULL. */
static offsets_block *offsets_find(const offsets_region *r, size_t bytes) {
    int c = offsets_class(bytes), look = OFFSETS_LOOK;
    for (offsets_block *b = r->classes[c]; b && look; b = b->class_behind, look--)
        if (b->bytes >= bytes) return b;
    for (c++; c < OFFSETS_CLASSES; c++) {
        if (c % 64 == 0 && !r->some[c / 64]) c += 63;
        else if (r->some[c / 64] >> (c % 64) & 1) return r->classes[c];
    }
    return NULL;
}

static offsets_block *offsets_block_new(offsets_region *r, size_t offset, size_t bytes, offsets_block *before) {
    offsets_block *b = r->spare;
    if (b) r->spare = b->behind;
    else b = btl_arena_alloc(r->scratch, sizeof *b);
    *b = (offsets_block){ .offset = offset, .bytes = bytes, .before = before, .behind = before ? before->behind : NULL };
    if (before) before->behind = b;
    if (b->behind) b->behind->before = b;
    else r->last = b;
    return b;
}

static void offsets_block_join(offsets_region *r, offsets_block *b, offsets_block *behind) {
    b->bytes += behind->bytes;
    b->behind = behind->behind;
    if (b->behind) b->behind->before = b;
    else r->last = b;
    behind->behind = r->spare;
    r->spare = behind;
}

static offsets_block *offsets_take(offsets_region *r, size_t bytes) {
    offsets_block *b = offsets_find(r, bytes);
    if (b) {
        offsets_class_remove(r, b);
        if (b->bytes > bytes) offsets_class_add(r, offsets_block_new(r, b->offset + bytes, b->bytes - bytes, b));
        b->bytes = bytes;
        return b;
    }
    b = r->last;
    if (b && b->is_free) { /* the hole at the end grows */
        offsets_class_remove(r, b);
        b->bytes = bytes;
    } else {
        b = offsets_block_new(r, r->end, bytes, r->last);
    }
    r->end = b->offset + bytes;
    return b;
}

static void offsets_give(offsets_region *r, offsets_block *b) {
    if (b->behind && b->behind->is_free) {
        offsets_class_remove(r, b->behind);
        offsets_block_join(r, b, b->behind);
    }
    if (b->before && b->before->is_free) {
        b = b->before;
        offsets_class_remove(r, b);
        offsets_block_join(r, b, b->behind);
    }
    offsets_class_add(r, b);
}

static int offsets_earlier_first(const void *a, const void *b) {
    const btl_buffer *x = *(const btl_buffer *const *)a, *y = *(const btl_buffer *const *)b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x < y ? -1 : x > y;
}

typedef struct offsets_end { int last, i; } offsets_end;

static int offsets_sooner_dead_first(const void *a, const void *b) {
    const offsets_end *x = a, *y = b;
    if (x->last != y->last) return x->last < y->last ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

/* Places buffers in the order of time, as an allocator would: near n log n whatever the lives. */
static size_t offsets_by_time(btl_arena *scratch, int n, btl_buffer **order, size_t from, size_t align) {
    offsets_region *r = BTL_NEW(scratch, offsets_region);
    offsets_block **blocks = BTL_ARRAY(scratch, offsets_block *, n + 1);
    offsets_end *ends = BTL_ARRAY(scratch, offsets_end, n + 1);
    r->scratch = scratch, r->end = from;
    qsort(order, (size_t)n, sizeof *order, offsets_earlier_first);
    for (int i = 0; i < n; i++) ends[i] = (offsets_end){ order[i]->last, i };
    qsort(ends, (size_t)n, sizeof *ends, offsets_sooner_dead_first);
    for (int i = 0, dead = 0; i < n; i++) {
        btl_buffer *b = order[i];
        for (; ends[dead].last < b->first; dead++)
            if (blocks[ends[dead].i]) offsets_give(r, blocks[ends[dead].i]);
        b->offset = 0;
        if (!b->bytes) continue;
        blocks[i] = offsets_take(r, offsets_aligned(b->bytes, align));
        b->offset = blocks[i]->offset;
    }
    return r->end;
}

/* ---- the plan ----------------------------------------------------------------------------- */

static size_t offsets_by_size(btl_arena *scratch, int n, btl_buffer **order, size_t align) {
    offsets_placed *placed = BTL_ARRAY(scratch, offsets_placed, n + 1);
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
    return total;
}

/* The greedy way takes the square of the number: beyond so many, the smaller ones lie behind. */
enum { OFFSETS_MOST_BY_SIZE = 1500 };

size_t btl_plan_offsets(btl_arena *scratch, int n, btl_buffer *buffers, size_t align) {
    btl_mark mark = btl_arena_mark(scratch);
    btl_buffer **order = BTL_ARRAY(scratch, btl_buffer *, n + 1);
    for (int i = 0; i < n; i++) order[i] = &buffers[i];
    qsort(order, (size_t)n, sizeof *order, offsets_larger_first);
    int large = n < OFFSETS_MOST_BY_SIZE ? n : OFFSETS_MOST_BY_SIZE;
    size_t total = offsets_by_size(scratch, large, order, align);
    if (n > large) total = offsets_by_time(scratch, n - large, order + large, total, align);
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
