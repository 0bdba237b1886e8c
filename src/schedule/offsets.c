/* offsets.c - dynamic storage allocation, greedily; see offsets.h. Buffers are placed one after the other in several
 * orders, each into the lowest or the tightest gap that is free over its life. What takes too long for that is
 * placed as an allocator would, in the order of time: blocks with segregated free lists (Masmano et al., TLSF, ECRTS 2004).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/offsets.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static size_t offsets_aligned(size_t bytes, size_t align) {
    return (bytes + align - 1) / align * align;
}

/* ---- what is placed, in order of offset ------------------------------------------------------ */

typedef struct offsets_placed { size_t offset, end; int first, last; } offsets_placed;

/* Chunks of placed buffers, with what lets a search pass over them: when none of them, or all of them, are alive
 * during a life. */
enum { OFFSETS_CHUNK = 64 };

typedef struct offsets_chunk {
    int n, least_first, most_first, least_last, most_last;
    size_t end, gap;       /* the highest end; the largest gap inside if all of them count */
    offsets_placed at[OFFSETS_CHUNK];
} offsets_chunk;

typedef struct offsets_shelf {
    btl_arena *a;
    int nchunks, room;
    offsets_chunk **chunks;
    int64_t work;          /* that may still be done: entries and chunks that are looked at */
} offsets_shelf;

static void offsets_chunk_sum(offsets_chunk *c) {
    c->least_first = c->least_last = INT32_MAX, c->most_first = c->most_last = INT32_MIN, c->end = c->at[0].end, c->gap = 0;
    for (int i = 0; i < c->n; i++) {
        const offsets_placed *p = &c->at[i];
        if (p->first < c->least_first) c->least_first = p->first;
        if (p->first > c->most_first) c->most_first = p->first;
        if (p->last < c->least_last) c->least_last = p->last;
        if (p->last > c->most_last) c->most_last = p->last;
        if (p->offset > c->end && p->offset - c->end > c->gap) c->gap = p->offset - c->end;
        if (p->end > c->end) c->end = p->end;
    }
}

static offsets_chunk *offsets_chunk_add(offsets_shelf *s, int behind) {
    offsets_chunk *c = BTL_NEW(s->a, offsets_chunk);
    (void)BTL_PUSH(s->a, s->chunks, s->nchunks, s->room);
    memmove(s->chunks + behind + 1, s->chunks + behind, (size_t)(s->nchunks - 1 - behind) * sizeof *s->chunks);
    return s->chunks[behind] = c;
}

static void offsets_shelve(offsets_shelf *s, offsets_placed p) {
    int low = 0, high = s->nchunks; /* the last chunk that begins at or below p */
    while (low < high) {
        int middle = (low + high) / 2;
        if (s->chunks[middle]->at[0].offset <= p.offset) low = middle + 1;
        else high = middle;
    }
    int k = low ? low - 1 : 0;
    offsets_chunk *c = s->nchunks ? s->chunks[k] : offsets_chunk_add(s, 0);
    if (c->n == OFFSETS_CHUNK) {
        offsets_chunk *next = offsets_chunk_add(s, k + 1);
        next->n = c->n = OFFSETS_CHUNK / 2;
        memcpy(next->at, c->at + c->n, (size_t)next->n * sizeof *next->at);
        offsets_chunk_sum(c);
        offsets_chunk_sum(next);
        if (p.offset >= next->at[0].offset) c = next;
    }
    int i = c->n++;
    for (; i > 0 && c->at[i - 1].offset > p.offset; i--) c->at[i] = c->at[i - 1];
    c->at[i] = p;
    offsets_chunk_sum(c);
    s->work -= OFFSETS_CHUNK;
}

/* The lowest gap, or the tightest (of equal ones the lowest), that is free from `first` to `last`. */
static size_t offsets_find_gap(offsets_shelf *s, int first, int last, size_t bytes, bool tightest) {
    size_t at = 0, best = SIZE_MAX, best_gap = SIZE_MAX;
    int k = 0;
    for (; k < s->nchunks; k++) {
        const offsets_chunk *c = s->chunks[k];
        s->work--;
        if (!tightest && c->at[0].offset >= at + bytes) return at; /* as all that follows */
        if (c->most_last < first || c->least_first > last) continue;
        bool all = c->most_first <= last && c->least_last >= first;
        int n = all && c->gap < bytes ? 1 : c->n; /* the gap before the first counts in any case */
        s->work -= n;
        for (int i = 0; i < n; i++) {
            const offsets_placed *p = &c->at[i];
            if (p->last < first || p->first > last) continue;
            if (p->offset >= at + bytes) {
                if (!tightest) return at;
                if (p->offset - at < best_gap) best_gap = p->offset - at, best = at;
            }
            if (p->end > at) at = p->end;
        }
        if (n < c->n && c->end > at) at = c->end;
    }
    return best == SIZE_MAX ? at : best;
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

/* ---- orders ---------------------------------------------------------------------------------- */

typedef struct offsets_ranked { double key, second; int i; } offsets_ranked;

static int offsets_larger_key_first(const void *a, const void *b) {
    const offsets_ranked *x = a, *y = b;
    if (x->key < y->key || x->key > y->key) return x->key < y->key ? 1 : -1;
    if (x->second < y->second || x->second > y->second) return x->second < y->second ? 1 : -1;
    return x->i < y->i ? -1 : x->i > y->i;
}

static double offsets_length(const btl_buffer *b) { return (double)b->last - (double)b->first + 1; }

static double offsets_key(btl_offsets_key key, const btl_buffer *b) {
    switch (key) {
    case BTL_BY_SIZE: return (double)b->bytes;
    case BTL_BY_AREA: return (double)b->bytes * offsets_length(b);
    case BTL_BY_LENGTH: return offsets_length(b);
    case BTL_BY_START: return -(double)b->first;
    case BTL_BY_END: return (double)b->last;
    }
    return 0;
}

void btl_offsets_order(btl_arena *scratch, int n, const btl_buffer *buffers, btl_offsets_key key, int *order) {
    btl_mark mark = btl_arena_mark(scratch);
    offsets_ranked *ranked = BTL_ARRAY(scratch, offsets_ranked, n + 1);
    for (int i = 0; i < n; i++) ranked[i] = (offsets_ranked){ offsets_key(key, &buffers[i]), offsets_key(key == BTL_BY_SIZE ? BTL_BY_LENGTH : BTL_BY_SIZE, &buffers[i]), i };
    qsort(ranked, (size_t)n, sizeof *ranked, offsets_larger_key_first);
    for (int i = 0; i < n; i++) order[i] = ranked[i].i;
    btl_arena_reset(scratch, mark);
}

/* Places order[from] … order[n - 1] above and between what is on the shelf; how many were placed before `most` was
 * reached or the work was used up. */
static int offsets_place_all(offsets_shelf *s, int n, const int *order, btl_buffer *buffers, size_t align, bool tightest, size_t most, size_t *total) {
    for (int i = 0; i < n; i++) {
        btl_buffer *b = &buffers[order[i]];
        size_t bytes = offsets_aligned(b->bytes, align);
        b->offset = 0;
        if (!bytes) continue;
        if (s->work < 0) return i;
        b->offset = offsets_find_gap(s, b->first, b->last, bytes, tightest);
        size_t end = b->offset + bytes;
        if (end >= most) return i;
        if (end > *total) *total = end;
        offsets_shelve(s, (offsets_placed){ b->offset, end, b->first, b->last });
    }
    return n;
}

bool btl_offsets_greedy(btl_arena *scratch, int n, const int *order, int nfixed, const int *fixed, btl_buffer *buffers, size_t align,
                        bool tightest, size_t most, int64_t *work, size_t *total) {
    btl_arena *a = btl_arena_begin(scratch);
    offsets_shelf s = { .a = a, .work = *work };
    *total = 0;
    for (int i = 0; i < nfixed; i++) {
        const btl_buffer *b = &buffers[fixed[i]];
        size_t end = b->offset + offsets_aligned(b->bytes, align);
        if (b->bytes) offsets_shelve(&s, (offsets_placed){ b->offset, end, b->first, b->last });
        if (end > *total) *total = end;
    }
    bool done = offsets_place_all(&s, n, order, buffers, align, tightest, most, total) == n;
    *work = s.work;
    btl_arena_end(a);
    return done;
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* The largest first while there is work left, the rest above them in the order of time. */
static size_t offsets_first(btl_arena *scratch, int n, btl_buffer *buffers, size_t align, int64_t work) {
    btl_arena *a = btl_arena_begin(scratch);
    int *order = BTL_ARRAY(a, int, n + 1);
    offsets_shelf s = { .a = a, .work = work };
    size_t total = 0;
    btl_offsets_order(a, n, buffers, BTL_BY_SIZE, order);
    int placed = offsets_place_all(&s, n, order, buffers, align, false, SIZE_MAX, &total);
    btl_buffer **rest = BTL_ARRAY(a, btl_buffer *, n - placed + 1);
    for (int i = placed; i < n; i++) rest[i - placed] = &buffers[order[i]];
    if (placed < n) total = offsets_by_time(a, n - placed, rest, total, align);
    btl_arena_end(a);
    return total;
}

/* Work of the first order, about half a second, and of the others in a quick plan, some milliseconds. */
enum { OFFSETS_FIRST = 500000000, OFFSETS_QUICK = 3000000 };

size_t btl_plan_offsets_within(btl_arena *scratch, int n, btl_buffer *buffers, size_t align, int64_t work, const char **method) {
    static const struct { btl_offsets_key key; bool tightest; const char *name; } ways[] = {
        { BTL_BY_AREA, false, "by size times life, lowest gap" },
        { BTL_BY_LENGTH, false, "by length of life, lowest gap" },
        { BTL_BY_START, false, "by start, lowest gap" },
        { BTL_BY_SIZE, true, "by size, tightest gap" },
        { BTL_BY_END, false, "by end, lowest gap" },
        { BTL_BY_AREA, true, "by size times life, tightest gap" },
        { BTL_BY_LENGTH, true, "by length of life, tightest gap" },
        { BTL_BY_START, true, "by start, tightest gap" },
        { BTL_BY_END, true, "by end, tightest gap" },
    };
    size_t peak = btl_plan_live_peak(scratch, n, buffers, align), total = offsets_first(scratch, n, buffers, align, OFFSETS_FIRST);
    *method = "by size, lowest gap";
    if (total == peak) return total;
    btl_arena *a = btl_arena_begin(scratch);
    int *order = BTL_ARRAY(a, int, n + 1);
    btl_buffer *tried = BTL_ARRAY(a, btl_buffer, n + 1);
    memcpy(tried, buffers, (size_t)n * sizeof *buffers);
    for (size_t i = 0; i < sizeof ways / sizeof *ways && total > peak && work > 0; i++) {
        size_t got;
        btl_offsets_order(a, n, buffers, ways[i].key, order);
        if (!btl_offsets_greedy(a, n, order, 0, NULL, tried, align, ways[i].tightest, total, &work, &got)) continue;
        total = got;
        *method = ways[i].name;
        memcpy(buffers, tried, (size_t)n * sizeof *buffers);
    }
    btl_arena_end(a);
    return total;
}

size_t btl_plan_offsets(btl_arena *scratch, int n, btl_buffer *buffers, size_t align) {
    const char *method;
    return btl_plan_offsets_within(scratch, n, buffers, align, OFFSETS_QUICK, &method);
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

/* ---- the check ------------------------------------------------------------------------------- */

/* A tree of ranges of moments. Of the buffers entered so far, the one that ends highest among those that cover a
 * range (all), and among those that touch it (some); -1: none. */
typedef struct check_tree { int *all, *some; const btl_buffer *buffers; } check_tree;

static void check_raise(const check_tree *t, int *slot, int i) {
    if (i < 0) return;
    const btl_buffer *b = t->buffers;
    if (*slot < 0 || b[i].offset + b[i].bytes > b[*slot].offset + b[*slot].bytes) *slot = i;
}

static void check_enter(const check_tree *t, int node, int low, int high, int from, int to, int i) {
    check_raise(t, &t->some[node], i);
    if (from <= low && high <= to) {
        check_raise(t, &t->all[node], i);
        return;
    }
    int middle = low + (high - low) / 2;
    if (from < middle) check_enter(t, 2 * node, low, middle, from, to, i);
    if (to > middle) check_enter(t, 2 * node + 1, middle, high, from, to, i);
}

static int check_highest(const check_tree *t, int node, int low, int high, int from, int to) {
    if (from <= low && high <= to) return t->some[node];
    int best = t->all[node], middle = low + (high - low) / 2;
    if (from < middle) check_raise(t, &best, check_highest(t, 2 * node, low, middle, from, to));
    if (to > middle) check_raise(t, &best, check_highest(t, 2 * node + 1, middle, high, from, to));
    return best;
}

typedef struct check_place { size_t offset; int i; } check_place;

static int check_lower_first(const void *a, const void *b) {
    const check_place *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

static int check_int_order(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return x < y ? -1 : x > y;
}

/* How many of the sorted numbers are below x. */
static int check_rank(const int *sorted, int n, int64_t x) {
    int low = 0, high = n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (sorted[middle] < x) low = middle + 1;
        else high = middle;
    }
    return low;
}

static btl_status check_one(const btl_buffer *b, int i, size_t align, size_t total, btl_error *err) {
    if (b->first > b->last) return btl_error_set(err, BTL_EINTERNAL, "plan: buffer %d lives from step %d to step %d", i, b->first, b->last);
    if (b->offset % align) return btl_error_set(err, BTL_EINTERNAL, "plan: buffer %d lies at %zu, no multiple of %zu", i, b->offset, align);
    if (b->bytes > total || b->offset > total - b->bytes)
        return btl_error_set(err, BTL_EINTERNAL, "plan: buffer %d, %zu bytes at %zu, ends beyond the block of %zu bytes", i, b->bytes, b->offset, total);
    return BTL_OK;
}

btl_status btl_plan_check(btl_arena *scratch, int n, const btl_buffer *buffers, size_t align, size_t total, btl_error *err) {
    btl_arena *a = btl_arena_begin(scratch);
    check_place *places = BTL_ARRAY(a, check_place, n + 1);
    int *starts = BTL_ARRAY(a, int, n + 1), m = 0, nplaces = 0;
    btl_status status = BTL_OK;
    for (int i = 0; i < n && status == BTL_OK; i++) {
        if (!buffers[i].bytes) continue;
        status = check_one(&buffers[i], i, align, total, err);
        places[nplaces] = (check_place){ buffers[i].offset, i };
        starts[nplaces++] = buffers[i].first;
    }
    qsort(places, (size_t)nplaces, sizeof *places, check_lower_first);
    qsort(starts, (size_t)nplaces, sizeof *starts, check_int_order);
    for (int i = 0; i < nplaces; i++) /* of two that meet, one is alive when the other's life starts */
        if (i == 0 || starts[i] != starts[m - 1]) starts[m++] = starts[i];
    check_tree t = { BTL_ARRAY(a, int, 4 * (size_t)m + 4), BTL_ARRAY(a, int, 4 * (size_t)m + 4), buffers };
    memset(t.all, -1, (4 * (size_t)m + 4) * sizeof *t.all);
    memset(t.some, -1, (4 * (size_t)m + 4) * sizeof *t.some);
    for (int k = 0; k < nplaces && status == BTL_OK; k++) {
        int i = places[k].i;
        const btl_buffer *b = &buffers[i];
        int from = check_rank(starts, m, b->first), to = check_rank(starts, m, (int64_t)b->last + 1), below = check_highest(&t, 1, 0, m, from, to);
        if (below >= 0 && buffers[below].offset + buffers[below].bytes > b->offset)
            status = btl_error_set(err, BTL_EINTERNAL, "plan: buffers %d, %zu bytes at %zu, steps %d to %d, and %d, %zu bytes at %zu, steps %d to %d, overlap",
                                   below, buffers[below].bytes, buffers[below].offset, buffers[below].first, buffers[below].last, i, b->bytes, b->offset, b->first, b->last);
        check_enter(&t, 1, 0, m, from, to, i);
    }
    btl_arena_end(a);
    return status;
}
