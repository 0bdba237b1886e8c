/* order_prove.c - how far down no order can come, by cuts chosen from an order at hand. See order_bound.c for the cuts.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/order_parts.h"

#include <stdlib.h>
#include <string.h>

/* With more ops, sets begin with some of them; a bound rises by a part of the peak at least, as each rise has its price. */
enum { PROVE_SET_OPS = 1500, PROVE_PARTS = 4096, PROVE_LEAP = 1024 };

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

/* Of a set of ops one runs first, and one last. Beginning with those whose step is high in the order at hand, or all. */
void btl_order_prove_by_sets(btl_arena *scratch, const btl_liveness *l, order_improve *m, const int *order) {
    btl_mark mark = btl_arena_mark(scratch);
    int64_t *profile = BTL_ARRAY(scratch, int64_t, l->nops + 1), all = m->steps;
    int64_t peak = btl_liveness_peak(l, order, scratch, profile).bytes;
    int *ops = BTL_ARRAY(scratch, int, l->nops + 1), *kept = BTL_ARRAY(scratch, int, l->nops + 1);
    for (int last = 0; last < 2; last++) {
        int n = 0;
        bool high = false; /* what the order runs before its first step above the goal, each as the first of what is left, need not be tried */
        for (int i = 0; i < l->nops; i++) {
            int at = last ? l->nops - 1 - i : i;
            high = high || profile[at] > prove_goal(m);
            if (high && (l->nops <= PROVE_SET_OPS || profile[at] >= peak / 2)) ops[n++] = order[at];
        }
        m->steps += last ? all / 4 : -(all / 4);
        /* By leaps that grow while they succeed: what is left of a set at a higher bound is a part of what is left at a lower one. */
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
    btl_arena_reset(scratch, mark);
}
