/* pack.c - see pack.h, and btl_pack in bitale/tools.h. SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/pack.h"

#include "base/error.h"
#include "bitale/tools.h"
#include "schedule/skyline.h"

#include <stdlib.h>
#include <string.h>

typedef struct pack_work {
    btl_arena *a;
    int n;
    btl_buffer *buffers;       /* the best plan so far */
    btl_buffer *tried;
    btl_pack_request request;
    btl_pack_plan *plan;
    int64_t steps;             /* that are left */
    size_t unit, pad;          /* what all rounded sizes are multiples of; the most by which one was rounded up */
    /* the core: buffers alive in the tightest moments, by sections of their own */
    int ncore, nrest, *core, *rest;
    btl_skyline skyline;
    int64_t path;              /* steps of one way down its tree */
} pack_work;

static size_t pack_rounded(const pack_work *w, size_t bytes) { return (bytes + w->request.align - 1) / w->request.align * w->request.align; }

/* Where the highest one of a plan ends. */
static size_t pack_end(int n, const btl_buffer *buffers) {
    size_t end = 0;
    for (int i = 0; i < n; i++)
        if (buffers[i].bytes && buffers[i].offset + buffers[i].bytes > end) end = buffers[i].offset + buffers[i].bytes;
    return end;
}

/* Takes the plan that was tried if it is better. */
static void pack_take(pack_work *w, const char *method) {
    size_t end = pack_end(w->n, w->tried);
    if (end >= w->plan->bytes) return;
    memcpy(w->buffers, w->tried, (size_t)w->n * sizeof *w->tried);
    w->plan->bytes = end;
    w->plan->method = method;
}

static bool pack_is_done(const pack_work *w) { return w->plan->bytes <= w->plan->bound; }

/* ---- the bound ------------------------------------------------------------------------------------ */

/* With padding the peak of the rounded sizes, less the padding of the highest one. */
static void pack_bound(pack_work *w) {
    for (int i = 0; i < w->n; i++) {
        size_t rounded = pack_rounded(w, w->buffers[i].bytes), a = w->unit, b = rounded;
        while (b) {
            size_t c = a % b;
            a = b, b = c;
        }
        w->unit = a;
        if (rounded - w->buffers[i].bytes > w->pad) w->pad = rounded - w->buffers[i].bytes;
    }
    if (!w->unit) w->unit = 1;
    size_t rounded = btl_plan_live_peak(w->a, w->n, w->buffers, w->request.align);
    w->plan->live_peak = w->pad ? btl_plan_live_peak(w->a, w->n, w->buffers, 1) : rounded;
    w->plan->bound = rounded - w->pad > w->plan->live_peak ? rounded - w->pad : w->plan->live_peak;
}

/* ---- the core --------------------------------------------------------------------------------------- */

/* Sections of all buffers, and the bytes alive in each. */
typedef struct pack_sections { int n; btl_skyline_item *items; int64_t *load; } pack_sections;

static pack_sections pack_all_sections(pack_work *w, btl_arena *a) {
    int *lower = BTL_ARRAY(a, int, w->n + 1), *upper = BTL_ARRAY(a, int, w->n + 1), *which = BTL_ARRAY(a, int, w->n + 1), n = 0;
    pack_sections s = { 0, BTL_ARRAY(a, btl_skyline_item, w->n + 1), NULL };
    btl_skyline_item *dense = BTL_ARRAY(a, btl_skyline_item, w->n + 1);
    for (int i = 0; i < w->n; i++) /* empty ones cover nothing */
        if (w->buffers[i].bytes) lower[n] = w->buffers[i].first, upper[n] = w->buffers[i].last + 1, which[n++] = i;
    s.n = btl_skyline_sections(a, n, lower, upper, dense);
    s.load = BTL_ARRAY(a, int64_t, s.n + 1);
    for (int k = 0; k < n; k++) {
        int64_t size = (int64_t)pack_rounded(w, w->buffers[which[k]].bytes);
        s.items[which[k]] = dense[k];
        s.items[which[k]].size = size / (int64_t)w->unit;
        s.load[dense[k].from] += size, s.load[dense[k].to] -= size;
    }
    for (int k = 1; k < s.n; k++) s.load[k] += s.load[k - 1];
    return s;
}

/* The buffers that are alive in sections of at least so many bytes, in sections of their own. Returns the cells (sections
 * of buffers), which is what a node of the search costs. */
static int64_t pack_make_core(pack_work *w, const pack_sections *s, int64_t least) {
    btl_arena *a = btl_arena_begin(w->a);
    int *hot = BTL_ARRAY(a, int, s->n + 1), *lower = BTL_ARRAY(a, int, w->n + 1), *upper = BTL_ARRAY(a, int, w->n + 1);
    for (int k = 0; k < s->n; k++) hot[k + 1] = hot[k] + (s->load[k] >= least); /* hot sections before this one */
    w->ncore = w->nrest = 0;
    for (int i = 0; i < w->n; i++) {
        const btl_skyline_item *item = &s->items[i];
        if (hot[item->from] == hot[item->to]) {
            w->rest[w->nrest++] = i;
            continue;
        }
        lower[w->ncore] = item->from, upper[w->ncore] = item->to;
        w->skyline.items[w->ncore].size = item->size;
        w->core[w->ncore++] = i;
    }
    w->skyline.n = w->ncore;
    w->skyline.nsections = btl_skyline_sections(a, w->ncore, lower, upper, w->skyline.items);
    int64_t cells = 0;
    for (int k = 0; k < w->ncore; k++) cells += w->skyline.items[k].to - w->skyline.items[k].from;
    btl_arena_end(a);
    return cells;
}

/* ---- branch and bound ---------------------------------------------------------------------------------- */

/* Work of the greedy planner (buffers that are looked at) that takes as long as a step. */
enum { PACK_WORK_OF_STEP = 1000 };

/* The rest around the core, the largest first. What it takes counts as steps. */
static bool pack_place_rest(pack_work *w, size_t height, int64_t *steps) {
    if (!w->nrest) return true;
    btl_arena *a = btl_arena_begin(w->a);
    int64_t most = *steps * PACK_WORK_OF_STEP, work = most;
    size_t total;
    bool done = false;
    int *order = BTL_ARRAY(a, int, w->n + 1);
    bool *is_rest = BTL_ARRAY(a, bool, w->n + 1);
    for (int i = 0; i < w->nrest; i++) is_rest[w->rest[i]] = true;
    for (btl_offsets_key key = BTL_BY_SIZE; key <= BTL_BY_LENGTH && !done; key++) {
        int n = 0;
        btl_offsets_order(a, w->n, w->tried, key, order);
        for (int i = 0; i < w->n; i++)
            if (is_rest[order[i]]) order[n++] = order[i];
        done = btl_offsets_greedy(a, n, order, w->ncore, w->core, w->tried, w->request.align, false, height + w->pad + 1, &work, &total);
    }
    btl_arena_end(a);
    *steps -= (most - work) / PACK_WORK_OF_STEP, w->steps -= (most - work) / PACK_WORK_OF_STEP;
    return done;
}

typedef enum pack_answer { PACK_FITS, PACK_NEVER, PACK_UNKNOWN } pack_answer;

/* Looks for a plan that ends at `height` bytes at most; the more ways the longer. */
static pack_answer pack_try(pack_work *w, size_t height, int64_t steps) {
    /* item_rule, section_rule: see skyline.c. In an order that was found on hard sets. */
    static const btl_skyline_way ways[] = { { 0, 0, 0 }, { 1, 0, 0 }, { 1, 3, 0 }, { 3, 0, 0 }, { 2, 0, 0 }, { 3, 1, 0 }, { 0, 3, 0 }, { 3, 3, 0 }, { 4, 1, 0 }, { 3, 2, 0 },
                                          { 3, 4, 0 }, { 5, 1, 0 }, { 5, 4, 0 } };
    enum { NWAYS = sizeof ways / sizeof *ways };
    int64_t units = (int64_t)((height + w->pad) / w->unit), share = 500 + 2 * w->path;
    if (steps > w->steps) steps = w->steps;
    for (int i = 0; i < w->ncore; i++) {
        btl_buffer *b = &w->buffers[w->core[i]];
        if (b->bytes > height) return PACK_NEVER;
        w->skyline.items[i].highest = (int64_t)((height - b->bytes) / w->unit);
    }
    for (uint64_t round = 0; steps > 0; round++, share += share / 8)
        for (int k = 0; k < NWAYS && steps > 0; k++) {
            int64_t some = share < steps ? share : steps, left = some;
            btl_skyline_way way = ways[k];
            way.seed = round;
            btl_skyline_answer answer = btl_skyline_search(w->a, &w->skyline, units, way, &left);
            steps -= some - left, w->steps -= some - left;
            if (answer == BTL_SKYLINE_NEVER_FITS) return PACK_NEVER; /* the core alone does not */
            if (answer != BTL_SKYLINE_FITS) continue;
            memcpy(w->tried, w->buffers, (size_t)w->n * sizeof *w->tried);
            for (int i = 0; i < w->ncore; i++) w->tried[w->core[i]].offset = (size_t)w->skyline.items[i].offset * w->unit;
            if (!pack_place_rest(w, height, &steps)) continue;
            pack_take(w, w->nrest ? "branch and bound for the tightest moments, the rest around them" : "branch and bound");
            if (w->plan->bytes <= height) return PACK_FITS; /* else padding of the rest is in the way */
        }
    return PACK_UNKNOWN;
}

/* Between what is there and the bound. */
static void pack_bisect(pack_work *w) {
    size_t grain = w->pad ? 1 : w->unit, low = w->plan->bound;
    pack_answer answer = pack_try(w, low, w->steps / 2);
    if (answer == PACK_NEVER) w->plan->bound = low + grain;
    while (!pack_is_done(w) && w->steps > 0) {
        size_t gap = w->plan->bytes - low;
        if (gap <= grain || (answer == PACK_UNKNOWN && gap < w->plan->bytes / 2048)) break;
        size_t middle = low + (gap / 2 < grain ? grain : gap / 2 / grain * grain);
        pack_answer got = pack_try(w, middle, w->steps / 3);
        if (got == PACK_FITS) continue;
        answer = got;
        low = middle;
        if (got == PACK_NEVER) w->plan->bound = middle + grain;
        else if (w->steps < 1000) break;
    }
}

static void pack_capacity(pack_work *w) {
    size_t capacity = w->request.capacity;
    if (!capacity || w->plan->bytes <= capacity || capacity <= w->plan->bound) return;
    if (pack_try(w, capacity, w->steps / 2) == PACK_NEVER) w->plan->bound = capacity + 1;
}

/* What a node may cost: cells that are looked at. */
enum { PACK_CELLS = 400000 };

static void pack_search(pack_work *w) {
    static const int percent[] = { 0, 70, 80, 90, 95, 98 };
    btl_arena *a = btl_arena_begin(w->a);
    pack_sections s = pack_all_sections(w, a);
    w->skyline.items = BTL_ARRAY(a, btl_skyline_item, w->n + 1);
    w->core = BTL_ARRAY(a, int, w->n + 1), w->rest = BTL_ARRAY(a, int, w->n + 1);
    int64_t peak = 0;
    for (int k = 0; k < s.n; k++) peak = s.load[k] > peak ? s.load[k] : peak;
    for (size_t i = 0; i < sizeof percent / sizeof *percent && w->steps > 0 && !pack_is_done(w); i++) {
        int64_t cells = pack_make_core(w, &s, peak / 100 * percent[i] + 1);
        w->path = w->ncore * (1 + cells / BTL_SKYLINE_CELLS / 2);
        if (cells > PACK_CELLS || w->path > w->steps / 4) continue;
        pack_capacity(w);
        if (!pack_is_done(w)) pack_bisect(w);
        if (!w->nrest) break;
    }
    btl_arena_end(a);
}

/* ---- changing the greedy order ------------------------------------------------------------------------- */

static uint64_t pack_random(uint64_t *state, uint64_t below) { /* xorshift64* (Marsaglia; Vigna) */
    *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
    return (*state * 0x2545F4914F6CDD1DU >> 32) % below;
}

/* Iterated greedy: a buffer that touches the top moves forward in the order; what makes the end no higher stays. */
static void pack_iterate(pack_work *w) {
    btl_arena *a = btl_arena_begin(w->a);
    int *order = BTL_ARRAY(a, int, w->n + 1), *next = BTL_ARRAY(a, int, w->n + 1), *top = BTL_ARRAY(a, int, w->n + 1);
    btl_buffer *now = BTL_ARRAY(a, btl_buffer, w->n + 1); /* the plan of `order` */
    uint64_t random = 0x9E3779B97F4A7C15U;
    int64_t work = w->request.steps < 3000000 ? w->request.steps * 200 : 600000000;
    size_t end;
    memcpy(now, w->buffers, (size_t)w->n * sizeof *now);
    btl_offsets_order(a, w->n, now, BTL_BY_SIZE, order);
    bool good = btl_offsets_greedy(a, w->n, order, 0, NULL, now, w->request.align, false, SIZE_MAX, &work, &end);
    for (int stale = 0; good && work > 0 && stale < 2000 && !pack_is_done(w);) {
        int ntop = 0;
        for (int i = 0; i < w->n; i++) {
            const btl_buffer *b = &now[order[i]];
            if (b->bytes && b->offset + pack_rounded(w, b->bytes) == end) top[ntop++] = i;
        }
        int from = top[pack_random(&random, (uint64_t)ntop)];
        if (from == 0) break;
        int to = (int)pack_random(&random, (uint64_t)from), item = order[from];
        memcpy(next, order, (size_t)w->n * sizeof *next);
        memmove(next + to + 1, next + to, (size_t)(from - to) * sizeof *next);
        next[to] = item;
        size_t got;
        memcpy(w->tried, now, (size_t)w->n * sizeof *now);
        stale++;
        if (!btl_offsets_greedy(a, w->n, next, 0, NULL, w->tried, w->request.align, false, end + 1, &work, &got)) continue;
        if (got < end) stale = 0;
        end = got;
        memcpy(order, next, (size_t)w->n * sizeof *next);
        memcpy(now, w->tried, (size_t)w->n * sizeof *now);
        pack_take(w, "greedy, its order changed bit by bit");
    }
    btl_arena_end(a);
}

/* ---- the plan -------------------------------------------------------------------------------------------- */

/* Work of greedy orders (btl_plan_offsets_within): about half a second. */
enum { PACK_GREEDY = 500000000 };

btl_status btl_plan_pack(btl_arena *scratch, int n, btl_buffer *buffers, btl_pack_request request, btl_pack_plan *plan, btl_error *err) {
    btl_arena *a = btl_arena_begin(scratch);
    pack_work w = { .a = a, .n = n, .buffers = buffers, .request = request, .plan = plan, .steps = request.steps };
    *plan = (btl_pack_plan){ 0 };
    pack_bound(&w);
    btl_plan_offsets_within(a, n, buffers, request.align, request.steps ? PACK_GREEDY : 0, &plan->method);
    plan->bytes = pack_end(n, buffers);
    if (!pack_is_done(&w) && w.steps > 0) {
        w.tried = BTL_ARRAY(a, btl_buffer, n + 1);
        pack_search(&w);
        if (!pack_is_done(&w) && n > 100) pack_iterate(&w);
    }
    if (plan->bound > plan->bytes) plan->bound = plan->bytes; /* what cannot end below `bytes` ends there */
    plan->never_fits = request.capacity && plan->bound > request.capacity;
    plan->steps = request.steps - (w.steps > 0 ? w.steps : 0);
    btl_arena_end(a);
#ifndef NDEBUG
    return btl_plan_check(scratch, n, buffers, request.align, plan->bytes, err);
#else
    (void)err;
    return BTL_OK;
#endif
}

/* ---- the public function --------------------------------------------------------------------------------- */

typedef struct pack_args {
    btl_arena *a;
    int n;
    btl_pack_buffer *buffers;
    const btl_pack_options *options;
    btl_pack_result *result;
    btl_error *err;
} pack_args;

static int pack_int64_order(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int pack_rank(const int64_t *sorted, int n, int64_t x) {
    int low = 0, high = n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (sorted[middle] < x) low = middle + 1;
        else high = middle;
    }
    return low;
}

static btl_status pack_check(const pack_args *p, int64_t align) {
    int64_t sum = 0, rounded;
    for (int i = 0; i < p->n; i++) {
        const btl_pack_buffer *b = &p->buffers[i];
        if (b->lower >= b->upper)
            return btl_error_set(p->err, BTL_EVALUE, "pack: buffer %d: its life [%lld, %lld) is empty: upper is to be larger than lower", i, (long long)b->lower, (long long)b->upper);
        if (b->size < 0) return btl_error_set(p->err, BTL_EVALUE, "pack: buffer %d: size %lld is negative", i, (long long)b->size);
        if (!btl_add_i64(b->size, align - 1, &rounded) || !btl_add_i64(sum, rounded, &sum) || sum > INT64_MAX / 4)
            return btl_error_set(p->err, BTL_EVALUE, "pack: buffer %d: the sum of all sizes, rounded up to %lld, is larger than 2^61", i, (long long)align);
    }
    return BTL_OK;
}

static btl_status pack_run(void *arg) {
    pack_args *p = arg;
    const btl_pack_options *o = p->options;
    int64_t align = o->align ? o->align : 1;
    if (align < 0 || o->capacity < 0 || o->steps < 0)
        return btl_error_set(p->err, BTL_EVALUE, "pack: align %lld, capacity %lld, steps %lld: none of them may be negative", (long long)align, (long long)o->capacity, (long long)o->steps);
    BTL_TRY(pack_check(p, align));
    btl_buffer *b = BTL_ARRAY(p->a, btl_buffer, p->n + 1);
    int64_t *times = BTL_ARRAY(p->a, int64_t, p->n + 1); /* where lives begin: between, nothing that matters changes */
    int ntimes = 0;
    for (int i = 0; i < p->n; i++) times[i] = p->buffers[i].lower;
    qsort(times, (size_t)p->n, sizeof *times, pack_int64_order);
    for (int i = 0; i < p->n; i++)
        if (i == 0 || times[i] != times[ntimes - 1]) times[ntimes++] = times[i];
    for (int i = 0; i < p->n; i++)
        b[i] = (btl_buffer){ .first = pack_rank(times, ntimes, p->buffers[i].lower), .last = pack_rank(times, ntimes, p->buffers[i].upper) - 1, .bytes = (size_t)p->buffers[i].size };
    btl_pack_plan plan;
    btl_pack_request request = { (size_t)align, (size_t)o->capacity, o->greedy_only ? 0 : o->steps ? o->steps : BTL_PACK_STEPS };
    BTL_TRY(btl_plan_pack(p->a, p->n, b, request, &plan, p->err));
    for (int i = 0; i < p->n; i++) p->buffers[i].offset = (int64_t)b[i].offset;
    *p->result = (btl_pack_result){ .peak_bytes = (int64_t)plan.live_peak, .lower_bound_bytes = (int64_t)plan.bound, .bytes = (int64_t)plan.bytes,
                                    .proven = plan.bytes == plan.bound, .fits = !o->capacity || plan.bytes <= (size_t)o->capacity,
                                    .never_fits = plan.never_fits, .method = plan.method, .steps = plan.steps };
    return BTL_OK;
}

btl_status btl_pack(btl_context *ctx, int n, btl_pack_buffer *buffers, const btl_pack_options *options, btl_pack_result *result, btl_error *err) {
    static const btl_pack_options none = { .struct_size = sizeof none };
    btl_arena a;
    btl_arena_init(&a, ctx);
    pack_args p = { &a, n, buffers, options ? options : &none, result, err };
    btl_status status = btl_arena_protect(&a, pack_run, &p);
    btl_arena_deinit(&a);
    if (status == BTL_ENOMEM) btl_error_set(err, BTL_ENOMEM, "pack: out of memory");
    return status;
}
