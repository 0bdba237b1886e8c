/* order_prove.c - how far down no order can come, by cuts chosen from an order at hand. See order_bound.c for the cuts.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/order_parts.h"

#include <stdlib.h>
#include <string.h>

/* With more ops, sets begin with some of them; a bound rises by a part of the peak at least, as each rise has its price. */
enum { PROVE_SET_OPS = 1500, PROVE_FOREMOST = 200, PROVE_PARTS = 4096, PROVE_LEAP = 1024 };

static int64_t prove_goal(const order_improve *m) { return m->floor > m->bound ? m->floor : m->bound; }

typedef struct prove_step { int64_t bytes; int op; } prove_step;

static int prove_higher_first(const void *x, const void *y) {
    const prove_step *a = x, *b = y;
    if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
    return a->op < b->op ? -1 : a->op > b->op;
}

/* A step's cut is not above the step in any order; so those that are not above the bound need none. */
void btl_order_prove(btl_arena *scratch, const btl_liveness *l, order_improve *m, int most, const int *order) {
    btl_mark mark = btl_arena_mark(scratch);
    int64_t *profile = BTL_ARRAY(scratch, int64_t, l->nops + 1);
    prove_step *steps = BTL_ARRAY(scratch, prove_step, l->nops + 1);
    btl_liveness_peak(l, order, scratch, profile);
    for (int i = 0; i < l->nops; i++) steps[i] = (prove_step){ profile[i], order[i] };
    qsort(steps, (size_t)l->nops, sizeof *steps, prove_higher_first);
    for (int i = 0; i < l->nops && i < most && m->steps > 0 && steps[i].bytes > prove_goal(m); i++) {
        int64_t cut = btl_order_cut(scratch, l, steps[i].op, false, NULL, &m->steps);
        if (cut > m->bound) m->bound = cut, m->bound_by = "minimum cut";
    }
    btl_arena_reset(scratch, mark);
}

/* Raises the bound by a set as far as it goes, by leaps that grow while they succeed: what is left of a set at a higher bound is a part of what is left at a
 * lower one. `kept` has room for the ops. */
static void prove_by_set(btl_arena *scratch, const btl_liveness *l, order_improve *m, bool last, int64_t peak, const int *order, int n, int *ops, int *kept) {
    for (int64_t leap = peak / PROVE_LEAP; m->steps > 0 && n && peak > prove_goal(m);) {
        int64_t above = prove_goal(m) + (leap > 1 ? leap - 1 : 0);
        if (above > peak - 1) above = peak - 1;
        int left = n;
        memcpy(kept, ops, (size_t)n * sizeof *ops);
        int64_t cut = btl_order_cut_among(scratch, l, last, above, order, &left, ops, &m->steps);
        if (cut >= 0) {
            n = left;
            if (cut > m->bound && cut < INT64_MAX) m->bound = cut, m->bound_by = "minimum cuts of a set";
            leap *= 2;
        } else {
            memcpy(ops, kept, (size_t)n * sizeof *ops);
            if (leap <= peak / PROVE_PARTS) break;
            leap = leap / 8 > peak / PROVE_PARTS ? leap / 8 : peak / PROVE_PARTS;
        }
    }
}

/* Of the ops from the order's first step above the goal on (last: up to its last). */
static int prove_high(const btl_liveness *l, const int64_t *profile, int64_t peak, int64_t goal, bool last, const int *order, int *ops) {
    int n = 0;
    bool high = false; /* what the order runs before, each as the first of what is left, need not be tried */
    for (int i = 0; i < l->nops; i++) {
        int at = last ? l->nops - 1 - i : i;
        high = high || profile[at] > goal;
        if (high && (l->nops <= PROVE_SET_OPS || profile[at] >= peak / 2)) ops[n++] = order[at];
    }
    return n;
}

/* What lives at least while an op runs. */
static int64_t prove_own(const btl_liveness *l, int op) {
    int64_t bytes = l->need[op];
    for (BTL_EACH(k, l->uses, op))
        if (l->maker[l->uses.item[k]] != op) bytes += l->bytes[l->uses.item[k]];
    return bytes;
}

static int64_t prove_most(const btl_liveness *l) {
    int64_t most = 0;
    for (int op = 0; op < l->nops; op++)
        if (prove_own(l, op) > most) most = prove_own(l, op);
    return most;
}

/* The ops that need so much by themselves and have none such before them (last: behind them). Stops at more than `most`. */
static int prove_foremost(btl_arena *scratch, const btl_liveness *l, bool last, int64_t least, const int *order, int most, int *ops) {
    btl_mark mark = btl_arena_mark(scratch);
    bool *behind = BTL_ARRAY(scratch, bool, l->nops + 1);
    const btl_lists *there = last ? &l->after : &l->before;
    int n = 0;
    for (int i = 0; i < l->nops && n <= most; i++) {
        int op = order[last ? l->nops - 1 - i : i];
        for (BTL_EACH(k, *there, op)) behind[op] |= behind[there->item[k]];
        if (behind[op] || prove_own(l, op) < least) continue;
        behind[op] = true;
        ops[n++] = op;
    }
    btl_arena_reset(scratch, mark);
    return n <= most ? n : 0;
}

/* Of all ops that need much by themselves, one runs first. Few can: those before which there is none such, as the first additions to the gradients of large
 * weights. So this costs little. */
static void prove_by_needs(btl_arena *scratch, const btl_liveness *l, order_improve *m, int64_t peak, const int *order, int *ops, int *kept) {
    static const int wanting[] = { 0, 1, 2, 4 }; /* eighths of the largest need */
    int64_t most = prove_most(l);
    for (int i = 0; i < 4; i++)
        for (int last = 0; last < 2 && m->steps > 0 && peak > prove_goal(m); last++) {
            int n = prove_foremost(scratch, l, last, most - most * wanting[i] / 8, order, PROVE_FOREMOST, ops);
            prove_by_set(scratch, l, m, last, peak, order, n, ops, kept);
        }
}

/* Of a set of ops one runs first, and one last. Beginning with those whose step is high in the order at hand, or all. */
void btl_order_prove_by_sets(btl_arena *scratch, const btl_liveness *l, order_improve *m, const int *order) {
    btl_mark mark = btl_arena_mark(scratch);
    int64_t *profile = BTL_ARRAY(scratch, int64_t, l->nops + 1), all = m->steps;
    int64_t peak = btl_liveness_peak(l, order, scratch, profile).bytes;
    int *ops = BTL_ARRAY(scratch, int, l->nops + 1), *kept = BTL_ARRAY(scratch, int, l->nops + 1);
    m->steps -= all / 2;
    prove_by_needs(scratch, l, m, peak, order, ops, kept);
    m->steps += all / 2, all = m->steps;
    for (int last = 0; last < 2; last++) {
        int n = prove_high(l, profile, peak, prove_goal(m), last, order, ops);
        m->steps += last ? all / 4 : -(all / 4);
        prove_by_set(scratch, l, m, last, peak, order, n, ops, kept);
    }
    btl_arena_reset(scratch, mark);
}

void btl_order_prove_above(btl_arena *scratch, const btl_liveness *l, order_improve *m, int64_t above, const int *order) {
    btl_mark mark = btl_arena_mark(scratch);
    int64_t *profile = BTL_ARRAY(scratch, int64_t, l->nops + 1), peak = btl_liveness_peak(l, order, scratch, profile).bytes;
    int *ops = BTL_ARRAY(scratch, int, l->nops + 1);
    for (int last = 0; last < 2 && m->bound <= above && m->steps > 0; last++) {
        int n = prove_high(l, profile, peak, m->bound, last, order, ops);
        int64_t cut = btl_order_cut_among(scratch, l, last, above, order, &n, ops, &m->steps);
        if (cut > m->bound && cut < INT64_MAX) m->bound = cut, m->bound_by = "minimum cuts of a set";
    }
    btl_arena_reset(scratch, mark);
}

int btl_order_foremost(btl_arena *scratch, const btl_liveness *l, const int *order, int most, int *ops) {
    int64_t need = prove_most(l);
    return prove_foremost(scratch, l, false, need - need / 8, order, most, ops);
}

btl_liveness *btl_order_with_first(btl_arena *a, const btl_liveness *l, int n, const int *ops, int first) {
    btl_liveness *one = btl_arena_copy(a, l, sizeof *l);
    int nedges = l->after.first[l->nops], npairs = 0, *pairs = BTL_ARRAY(a, int, 2 * (nedges + n)), *back = BTL_ARRAY(a, int, 2 * (nedges + n));
    for (int op = 0; op < l->nops; op++)
        for (BTL_EACH(k, l->after, op)) pairs[2 * npairs] = op, pairs[2 * npairs++ + 1] = l->after.item[k];
    for (int i = 0; i < n; i++)
        if (i != first) pairs[2 * npairs] = ops[first], pairs[2 * npairs++ + 1] = ops[i];
    for (int i = 0; i < npairs; i++) back[2 * i] = pairs[2 * i + 1], back[2 * i + 1] = pairs[2 * i];
    one->after = btl_lists_new(a, l->nops, l->nops, npairs, (const int (*)[2])(void *)pairs);
    one->before = btl_lists_new(a, l->nops, l->nops, npairs, (const int (*)[2])(void *)back);
    return one;
}
