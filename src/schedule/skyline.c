/* skyline.c - see skyline.h. That buffers are placed bottom up and only where they could not lie lower, that sections
 * bound what is left, and that parts which share no buffer are solved one after the other is Moffitt's (minimalloc,
 * ASPLOS 2023); to ask who lies on the floor of a section, instead of which buffer is next, leaves no two orders of
 * one solution. Parts and choices are kept as Prolog keeps goals and choice points: a list of parts to be solved, a
 * stack of choices, a trail of what to undo; a part that is solved cuts its choices off.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/skyline.h"

#include <stdlib.h>
#include <string.h>

/* ---- sections -------------------------------------------------------------------------------------- */

typedef struct skyline_event { int time, item; bool is_end; } skyline_event;

static int skyline_ends_first(const void *a, const void *b) {
    const skyline_event *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    if (x->is_end != y->is_end) return x->is_end ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

int btl_skyline_sections(btl_arena *scratch, int n, const int *lower, const int *upper, btl_skyline_item *items) {
    btl_mark mark = btl_arena_mark(scratch);
    skyline_event *events = BTL_ARRAY(scratch, skyline_event, 2 * (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        events[2 * i] = (skyline_event){ lower[i], i, false };
        events[2 * i + 1] = (skyline_event){ upper[i], i, true };
    }
    qsort(events, 2 * (size_t)n, sizeof *events, skyline_ends_first);
    int section = 0;
    bool born = false; /* since the section began; the first end behind a birth closes it */
    for (int i = 0; i < 2 * n; i++) {
        if (!events[i].is_end) {
            items[events[i].item].from = section;
            born = true;
        } else {
            if (born) section++;
            born = false;
            items[events[i].item].to = section;
        }
    }
    btl_arena_reset(scratch, mark);
    return section;
}

/* ---- the state of a search --------------------------------------------------------------------------- */

typedef struct skyline_part { int from, to, first, n; } skyline_part; /* sections; its items: list[first] … */

/* What is to be solved, in order. A part with n = 0 is a cut: choices above `first` are given up. */
typedef struct skyline_goal skyline_goal;
struct skyline_goal { skyline_part part; const skyline_goal *next; };

typedef struct skyline_change { int section, item; int64_t floor, top; } skyline_change; /* item >= 0: it was placed */

typedef struct skyline_choice {
    skyline_part part;
    const skyline_goal *next;
    int section, ntrail, ngoals;
    int first, at, n;      /* of the options: items, or -1: none lies at the floor */
    int64_t raised;
} skyline_choice;

typedef struct skyline_work {
    const btl_skyline *p;
    const btl_skyline_item *items;
    btl_arena *a;
    btl_skyline_way way;
    uint64_t random;
    int64_t height;
    int64_t *offset;
    bool *placed;
    const int *like;               /* items with one number are alike */
    int *list;                     /* items, by part */
    int64_t *floor, *top, *left;   /* by section: where the next may begin, where placed ones end, sum of the sizes to be placed */
    int64_t *low, *load;           /* by item: where it may begin; by section: see skyline_bound */
    int *begins, *ends, *spans, *options, *run, *group, *sorted, *seen;
    int64_t *key;
    skyline_change *trail;
    skyline_goal **goals;          /* all that were made, to be used again */
    skyline_choice *choices;
    int *picks;
    int ntrail, trail_room, ngoals, ngoals_made, goals_room, nchoices, choices_room, npicks, picks_room, stamp;
} skyline_work;

static void skyline_log(skyline_work *w, int section, int item) {
    skyline_change *c = BTL_PUSH(w->a, w->trail, w->ntrail, w->trail_room);
    *c = (skyline_change){ section, item, section < 0 ? 0 : w->floor[section], section < 0 ? 0 : w->top[section] };
}

static void skyline_set_floor(skyline_work *w, int section, int64_t floor) {
    if (w->floor[section] == floor) return;
    skyline_log(w, section, -1);
    w->floor[section] = floor;
}

static void skyline_place(skyline_work *w, int item, int64_t offset) {
    const btl_skyline_item *b = &w->items[item];
    w->offset[item] = offset;
    w->placed[item] = true;
    skyline_log(w, -1, item);
    for (int s = b->from; s < b->to; s++) {
        skyline_log(w, s, -1);
        w->floor[s] = w->top[s] = offset + b->size;
        w->left[s] -= b->size;
    }
}

static void skyline_undo(skyline_work *w, int ntrail) {
    while (w->ntrail > ntrail) {
        const skyline_change *c = &w->trail[--w->ntrail];
        if (c->item < 0) {
            w->floor[c->section] = c->floor, w->top[c->section] = c->top;
            continue;
        }
        const btl_skyline_item *b = &w->items[c->item];
        w->placed[c->item] = false;
        for (int s = b->from; s < b->to; s++) w->left[s] += b->size;
    }
}

static const skyline_goal *skyline_goal_add(skyline_work *w, skyline_part part, const skyline_goal *next) {
    if (w->ngoals == w->ngoals_made) *(skyline_goal **)BTL_PUSH(w->a, w->goals, w->ngoals_made, w->goals_room) = BTL_NEW(w->a, skyline_goal);
    skyline_goal *g = w->goals[w->ngoals++];
    *g = (skyline_goal){ part, next };
    return g;
}

/* ---- parts ---------------------------------------------------------------------------------------------- */

/* Cuts a part where no buffer that is to be placed spans two sections. Returns the goals. */
static const skyline_goal *skyline_split(skyline_work *w, skyline_part part, const skyline_goal *next) {
    int *list = w->list + part.first, n = 0;
    for (int i = 0; i < part.n; i++) { /* those placed go behind */
        int item = list[i];
        if (w->placed[item]) continue;
        list[i] = list[n];
        list[n++] = item;
    }
    if (n <= 0) return next;
    memset(w->spans + part.from, 0, (size_t)(part.to - part.from + 1) * sizeof *w->spans);
    for (int i = 0; i < n; i++) w->spans[w->items[list[i]].from]++, w->spans[w->items[list[i]].to]--;
    /* spans[s]: alive in s; the group of a section: between sections that nobody spans */
    int ngroups = 0, alive = 0;
    bool is_cut = true;
    memset(w->ends + part.from, 0, (size_t)(part.to - part.from + 1) * sizeof *w->ends);
    memset(w->begins + part.from, 0, (size_t)(part.to - part.from + 1) * sizeof *w->begins);
    for (int i = 0; i < n; i++) w->begins[w->items[list[i]].from]++, w->ends[w->items[list[i]].to]++;
    for (int s = part.from; s < part.to; s++) {
        int through = alive - w->ends[s]; /* across the border before s */
        alive = through + w->begins[s];
        if (alive == 0) {
            w->group[s] = -1;
            is_cut = true;
            continue;
        }
        if (is_cut || through == 0) ngroups++;
        is_cut = false;
        w->group[s] = ngroups - 1;
    }
    if (ngroups == 1) {
        skyline_part one = { part.from, part.to, part.first, n };
        while (w->group[one.from] < 0) one.from++;
        while (w->group[one.to - 1] < 0) one.to--;
        return skyline_goal_add(w, one, next);
    }
    /* sort the items by group, count them */
    int *count = w->seen; /* room for a number per section */
    memset(count, 0, (size_t)(ngroups + 1) * sizeof *count);
    for (int i = 0; i < n; i++) count[w->group[w->items[list[i]].from] + 1]++;
    for (int g = 0; g < ngroups; g++) count[g + 1] += count[g];
    memcpy(w->sorted, list, (size_t)n * sizeof *list);
    for (int i = 0; i < n; i++) list[count[w->group[w->items[w->sorted[i]].from]]++] = w->sorted[i];
    /* now count[g] is where group g ends */
    for (int g = ngroups - 1, s = part.to; g >= 0; g--) {
        int first = g ? count[g - 1] : 0;
        while (w->group[s - 1] != g) s--;
        skyline_part one = { s, s, part.first + first, count[g] - first };
        while (s > part.from && w->group[s - 1] == g) s--;
        one.from = s;
        next = skyline_goal_add(w, (skyline_part){ 0, 0, w->nchoices, 0 }, next);
        next = skyline_goal_add(w, one, next);
    }
    return next;
}

/* ---- bounds ---------------------------------------------------------------------------------------------- */

/* Where buffers that cover s cover its neighbour, too, s can be filled no lower than the neighbour: floors rise free of
 * charge. begins and ends are those of the part. */
static void skyline_level(skyline_work *w, skyline_part part) {
    for (int s = part.from + 1; s < part.to; s++)
        if (w->begins[s] == 0 && w->floor[s - 1] > w->floor[s]) skyline_set_floor(w, s, w->floor[s - 1]);
    for (int s = part.to - 2; s >= part.from; s--)
        if (w->ends[s + 1] == 0 && w->floor[s + 1] > w->floor[s]) skyline_set_floor(w, s, w->floor[s + 1]);
}

static int64_t skyline_low(const skyline_work *w, int item) {
    const btl_skyline_item *b = &w->items[item];
    int64_t low = 0;
    for (int s = b->from; s < b->to; s++)
        if (w->floor[s] > low) low = w->floor[s];
    return low;
}

/* Each section is a machine, and buffers are jobs that become ready at `low`: done one after the other, the last
 * one is done by `height`, or they never fit. */
static bool skyline_bound(skyline_work *w, skyline_part part) {
    int *list = w->list + part.first;
    for (int s = part.from; s < part.to; s++)
        if (w->floor[s] + w->left[s] > w->height) return false;
    int n = part.n;
    for (int i = 0; i < n; i++) {
        int item = list[i];
        int64_t low = w->low[item] = skyline_low(w, item);
        if (low > w->items[item].highest) return false;
        int k = i; /* nearly sorted, as the part that it was cut from */
        for (; k > 0 && w->low[list[k - 1]] > low; k--) list[k] = list[k - 1];
        list[k] = item;
    }
    memcpy(w->load + part.from, w->floor + part.from, (size_t)(part.to - part.from) * sizeof *w->load);
    for (int i = 0; i < n; i++) {
        const btl_skyline_item *b = &w->items[list[i]];
        int64_t low = w->low[list[i]], size = b->size, *load = w->load;
        for (int s = b->from; s < b->to; s++) load[s] = (load[s] > low ? load[s] : low) + size;
    }
    for (int s = part.from; s < part.to; s++)
        if (w->load[s] > w->height) return false;
    return true;
}

/* ---- choices ------------------------------------------------------------------------------------------------ */

/* run[s] = r: s is in the r-th run of one floor, with higher neighbours (or the end of the part); -1: in none. */
static void skyline_find_runs(skyline_work *w, skyline_part part) {
    int nruns = 0;
    for (int s = part.from, end; s < part.to; s = end) {
        for (end = s + 1; end < part.to && w->floor[end] == w->floor[s];) end++;
        bool low = (s == part.from || w->floor[s - 1] > w->floor[s]) && (end == part.to || w->floor[end] > w->floor[s]);
        for (int k = s; k < end; k++) w->run[k] = low ? nruns : -1;
        nruns += low;
    }
}

static bool skyline_fits_run(const skyline_work *w, int item) {
    const btl_skyline_item *b = &w->items[item];
    return w->run[b->from] >= 0 && w->run[b->from] == w->run[b->to - 1];
}

/* The section whose floor is decided next. */
static int skyline_choose_section(skyline_work *w, skyline_part part) {
    const int *list = w->list + part.first;
    memset(w->options + part.from, 0, (size_t)(part.to - part.from + 1) * sizeof *w->options);
    for (int i = 0; i < part.n; i++)
        if (skyline_fits_run(w, list[i])) w->options[w->items[list[i]].from]++, w->options[w->items[list[i]].to]--;
    int best = -1, options = 0;
    int64_t best_key = 0, best_second = 0;
    for (int s = part.from; s < part.to; s++) {
        options += w->options[s];
        if (w->run[s] < 0) continue;
        int64_t slack = w->height - w->load[s];
        int64_t key = 0, second = 0;
        switch (w->way.section_rule) { /* few options first, or little room, or the lowest */
        case 0: key = options, second = slack; break;
        case 1: key = slack, second = options; break;
        case 2: key = options == 0 ? -1 : w->floor[s], second = slack; break;
        case 3: key = options == 0 ? -1 : w->floor[s], second = options; break;
        default: key = options + (slack > 0), second = slack; break;
        }
        if (best < 0 || key < best_key || (key == best_key && second < best_second)) best = s, best_key = key, best_second = second;
    }
    return best;
}

/* If no buffer begins at the floor of s: the lowest place where one that covers s can begin. Such a one either
 * reaches beyond the run, or lies on one that does not cover s. */
static int64_t skyline_next_floor(skyline_work *w, skyline_part part, int s) {
    const int *list = w->list + part.first;
    int64_t none = INT64_MAX, *left = w->key, *right = w->key + w->p->nsections + 1; /* the least end of those that end / begin there */
    for (int k = part.from; k <= part.to; k++) left[k] = right[k] = none;
    for (int i = 0; i < part.n; i++) {
        const btl_skyline_item *c = &w->items[list[i]];
        int64_t end = w->low[list[i]] + c->size;
        if (c->to <= s && end < left[c->to]) left[c->to] = end;
        if (c->from > s && end < right[c->from]) right[c->from] = end;
    }
    for (int k = s - 1; k >= part.from; k--) /* left[k]: of those that end in (k, s] … */
        if (left[k + 1] < left[k]) left[k] = left[k + 1];
    for (int k = s + 1; k <= part.to; k++)
        if (right[k - 1] < right[k]) right[k] = right[k - 1];
    int64_t next = none;
    for (int i = 0; i < part.n; i++) {
        const btl_skyline_item *d = &w->items[list[i]];
        if (d->from > s || d->to <= s) continue;
        int64_t at = w->low[list[i]];
        if (at == w->floor[s]) {
            at = none;
            if (d->from < s && left[d->from + 1] < at) at = left[d->from + 1];
            if (d->to - 1 > s && right[d->to - 1] < at) at = right[d->to - 1];
        }
        if (at < next) next = at;
    }
    return next;
}

static uint64_t skyline_random(skyline_work *w) { /* xorshift64* (Marsaglia; Vigna) */
    uint64_t x = w->random;
    x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
    w->random = x;
    return x * 0x2545F4914F6CDD1DU;
}

/* How many neighbours of the buffer, put on the floor, would be level with it. */
static int skyline_is_level(const skyline_work *w, const btl_skyline_item *b) {
    int64_t end = w->floor[b->from] + b->size;
    return (b->from > 0 && w->floor[b->from - 1] == end) + (b->to < w->p->nsections && w->floor[b->to] == end);
}

static int64_t skyline_item_key(skyline_work *w, int item, int from, int to) {
    const btl_skyline_item *b = &w->items[item];
    int64_t length = b->to - b->from, flush = (b->from == from) + (b->to == to), key = 0;
    switch (w->way.item_rule) {
    case 0: key = length * 1024; break;
    case 1: key = b->size; break;
    case 2: key = b->size * length; break;
    case 3: key = (flush * 100000 + length) * 1024; break;
    case 4: key = flush * ((int64_t)1 << 40) + b->size; break;
    default: key = ((flush + 2 * skyline_is_level(w, b)) * 100000 + length) * 1024; break;
    }
    if (w->way.seed) key = (int64_t)((double)key * (0.5 + (double)(skyline_random(w) >> 11) * 0x1p-53));
    return key;
}

/* A buffer that would fit into the hole below the floors of all its sections lies there in a better solution. */
static bool skyline_leaves_hole(const skyline_work *w, skyline_part part, int s) {
    for (int i = 0; i < part.n; i++) {
        const btl_skyline_item *c = &w->items[w->list[part.first + i]];
        if (c->from > s || c->to <= s) continue;
        int64_t top = 0, floor = INT64_MAX;
        for (int k = c->from; k < c->to; k++) {
            if (w->top[k] > top) top = w->top[k];
            if (w->floor[k] < floor) floor = w->floor[k];
        }
        if (top + c->size <= floor) return true;
    }
    return false;
}

static bool skyline_is_supported(const skyline_work *w, int item) {
    const btl_skyline_item *b = &w->items[item];
    if (w->floor[b->from] == 0) return true;
    for (int s = b->from; s < b->to; s++)
        if (w->top[s] == w->floor[s]) return true;
    return false;
}

static void skyline_choose(skyline_work *w, skyline_part part, const skyline_goal *next) {
    skyline_find_runs(w, part);
    int s = skyline_choose_section(w, part), from = s, to = s + 1;
    while (from > part.from && w->run[from - 1] == w->run[s]) from--;
    while (to < part.to && w->run[to] == w->run[s]) to++;
    skyline_choice c = { .part = part, .next = next, .section = s, .ntrail = w->ntrail, .ngoals = w->ngoals, .first = w->npicks };
    w->stamp++;
    for (int i = 0; i < part.n; i++) {
        int item = w->list[part.first + i];
        const btl_skyline_item *b = &w->items[item];
        if (b->from > s || b->to <= s || b->from < from || b->to > to) continue;
        if (w->floor[s] > b->highest || !skyline_is_supported(w, item)) continue;
        if (w->seen[w->p->nsections + 1 + w->like[item]] == w->stamp) continue; /* one like it is there */
        w->seen[w->p->nsections + 1 + w->like[item]] = w->stamp;
        (void)BTL_PUSH(w->a, w->picks, w->npicks, w->picks_room);
        int64_t key = skyline_item_key(w, item, from, to);
        int k = w->npicks - 1;
        int64_t *keys = w->key + 2 * (w->p->nsections + 1); /* by pick */
        for (; k > c.first && keys[k - 1 - c.first] < key; k--) w->picks[k] = w->picks[k - 1], keys[k - c.first] = keys[k - 1 - c.first];
        w->picks[k] = item, keys[k - c.first] = key;
    }
    c.raised = skyline_next_floor(w, part, s);
    if (c.raised < INT64_MAX && c.raised + w->left[s] <= w->height) *(int *)BTL_PUSH(w->a, w->picks, w->npicks, w->picks_room) = -1;
    c.n = w->npicks - c.first;
    *(skyline_choice *)BTL_PUSH(w->a, w->choices, w->nchoices, w->choices_room) = c;
}

/* The next option of the last choice that has one; the goals behind it, or false: there is none. */
static bool skyline_next_option(skyline_work *w, const skyline_goal **goals) {
    while (w->nchoices > 0) {
        skyline_choice *c = &w->choices[w->nchoices - 1];
        skyline_undo(w, c->ntrail);
        w->ngoals = c->ngoals;
        if (c->at == c->n) {
            w->npicks = c->first;
            w->nchoices--;
            continue;
        }
        int item = w->picks[c->first + c->at++];
        if (item >= 0) skyline_place(w, item, w->floor[c->section]);
        else skyline_set_floor(w, c->section, c->raised);
        skyline_part part = c->part;
        if (item < 0 && skyline_leaves_hole(w, part, c->section)) continue;
        *goals = skyline_split(w, part, c->next);
        return true;
    }
    return false;
}

/* What a node costs: the sections of its buffers. */
static int64_t skyline_cells(const skyline_work *w, skyline_part part) {
    int64_t cells = 0;
    for (int i = 0; i < part.n; i++) cells += w->items[w->list[part.first + i]].to - w->items[w->list[part.first + i]].from;
    return cells;
}

typedef struct skyline_kind { const btl_skyline_item *item; int i; } skyline_kind;

static int skyline_alike_together(const void *a, const void *b) {
    const btl_skyline_item *x = ((const skyline_kind *)a)->item, *y = ((const skyline_kind *)b)->item;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return x->highest < y->highest ? -1 : x->highest > y->highest;
}

static int *skyline_find_like(btl_arena *a, const btl_skyline *p) {
    int *like = BTL_ARRAY(a, int, p->n + 1);
    skyline_kind *kinds = BTL_ARRAY(a, skyline_kind, p->n + 1);
    for (int i = 0; i < p->n; i++) kinds[i] = (skyline_kind){ &p->items[i], i };
    qsort(kinds, (size_t)p->n, sizeof *kinds, skyline_alike_together);
    for (int k = 0, kind = 0; k < p->n; k++) like[kinds[k].i] = kind += k && skyline_alike_together(&kinds[k - 1], &kinds[k]) != 0;
    return like;
}

/* ---- the search --------------------------------------------------------------------------------------------- */

static btl_skyline_answer skyline_run(skyline_work *w, int64_t *steps) {
    const skyline_goal *goals = skyline_split(w, (skyline_part){ 0, w->p->nsections, 0, w->p->n }, NULL);
    while (goals) {
        skyline_part part = goals->part;
        goals = goals->next;
        if (part.n == 0) {
            if (w->nchoices > part.first) w->npicks = w->choices[part.first].first;
            w->nchoices = part.first;
            continue;
        }
        *steps -= 1 + skyline_cells(w, part) / BTL_SKYLINE_CELLS;
        if (*steps < 0) return BTL_SKYLINE_UNKNOWN;
        memset(w->ends + part.from, 0, (size_t)(part.to - part.from + 1) * sizeof *w->ends);
        memset(w->begins + part.from, 0, (size_t)(part.to - part.from + 1) * sizeof *w->begins);
        for (int i = 0; i < part.n; i++) w->begins[w->items[w->list[part.first + i]].from]++, w->ends[w->items[w->list[part.first + i]].to]++;
        skyline_level(w, part);
        if (skyline_bound(w, part)) skyline_choose(w, part, goals);
        if (!skyline_next_option(w, &goals)) return BTL_SKYLINE_NEVER_FITS;
    }
    return BTL_SKYLINE_FITS;
}

btl_skyline_answer btl_skyline_search(btl_arena *scratch, const btl_skyline *p, int64_t height, btl_skyline_way way, int64_t *steps) {
    btl_arena *a = btl_arena_begin(scratch);
    size_t n = (size_t)p->n, m = (size_t)p->nsections;
    skyline_work w = { .p = p, .items = p->items, .a = a, .way = way, .random = way.seed * 0x9E3779B97F4A7C15U + 1, .height = height };
    w.offset = BTL_ARRAY(a, int64_t, n + 1), w.placed = BTL_ARRAY(a, bool, n + 1), w.list = BTL_ARRAY(a, int, n + 1);
    w.floor = BTL_ARRAY(a, int64_t, m + 1), w.top = BTL_ARRAY(a, int64_t, m + 1), w.left = BTL_ARRAY(a, int64_t, m + 1);
    w.low = BTL_ARRAY(a, int64_t, n + 1), w.load = BTL_ARRAY(a, int64_t, m + 1), w.key = BTL_ARRAY(a, int64_t, 2 * (m + 1) + n + 1);
    w.begins = BTL_ARRAY(a, int, m + 1), w.ends = BTL_ARRAY(a, int, m + 1), w.spans = BTL_ARRAY(a, int, m + 1), w.options = BTL_ARRAY(a, int, m + 1);
    w.run = BTL_ARRAY(a, int, m + 1), w.group = BTL_ARRAY(a, int, m + 1), w.sorted = BTL_ARRAY(a, int, n + 1), w.seen = BTL_ARRAY(a, int, m + n + 2);
    for (int i = 0; i < p->n; i++) {
        const btl_skyline_item *b = &p->items[i];
        w.list[i] = i;
        for (int s = b->from; s < b->to; s++) w.left[s] += b->size;
    }
    w.like = skyline_find_like(a, p);
    btl_skyline_answer answer = skyline_run(&w, steps);
    if (answer == BTL_SKYLINE_FITS)
        for (int i = 0; i < p->n; i++) p->items[i].offset = w.offset[i];
    if (*steps < 0) *steps = 0;
    btl_arena_end(a);
    return answer;
}
