/* recompute_chain.c - adjoint chains: x_i = f_i(x_{i-1}) forward from x_0, which is there; then y_l = h(x_l), and back y_{i-1} = g_i(x_{i-1}, y_i).
 *
 * Dynamic programming over (i, a, j): with x_i at hand and y_j to begin with, go back to y_a (i <= a < j). Of the states that are kept only the highest is of use until it
 * is dropped, so there are three ways to begin: go back a step, if x_i is the one that it needs; run forward to some x_k, keep it, go back from it to some y_b
 * (b >= k), drop it, and go on from x_i; or, if x_i is not needed at the end (a > i), run forward without it. Each has its Pareto front of memory and cost,
 * so that one run gives the least cost for every budget. Long chains are cut at b = k only, which is optimal for equal states (Griewank and Walther 2000, Algorithm
 * 799: revolve); for unequal ones see Beaumont et al. (2019). Where the y are of unequal sizes, running forward before a large y is made may save more: then it is a
 * good way, and no bound is claimed.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/recompute.h"

#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN_MOST = 100 /* steps forward */, CHAIN_EXACT = 14 /* above that, only b = k */ };

/* A way: what it takes, x_i included, the cost of its forward steps; k: where it runs to first (0: it goes back a step); by way of b, with which points of the two parts. b
 * < 0: without x_i. */
typedef struct chain_point { int64_t bytes; double cost; int k, b, right, left; } chain_point;
typedef struct chain_front { int n; chain_point *points; } chain_front;

typedef struct chain {
    btl_arena *a;
    const btl_schedule *s;
    int l;                    /* forward steps; ends are 0 … l + 1 */
    bool exact;
    int64_t *x, *y;           /* bytes of x_i (x_0: 0), y_i (y[l + 1]: 0) */
    double *cost;             /* of f_i */
    int64_t *work;            /* of f_i; of what makes y_{i-1} at work_back[i] */
    int64_t *work_back;
    chain_front *fronts;      /* of (i, a, j); where it is not exact, of a = i alone */
    int *sequence, n;
} chain;

static chain_front *chain_at(const chain *c, int i, int a, int j) {
    int ends = c->l + 2;
    return &c->fronts[c->exact ? (i * ends + a) * ends + j : i * ends + j];
}

/* ---- is it one? ---------------------------------------------------------------------------------- */

static bool chain_reads(const btl_schedule_step *q, int v, int *found) {
    for (int k = 0; k < q->nin; k++)
        if (q->in[k] == v) {
            ++*found;
            return true;
        }
    return false;
}

static bool chain_plain(const btl_schedule *s, int v) { return !s->values[v].nviews && s->values[v].into < 0 && !s->values[v].is_free; }

/* Does the step make one value, of nothing but these and leaves? */
static bool chain_step(const btl_schedule *s, const int *maker, int step, int from, int also) {
    const btl_schedule_step *q = &s->steps[step];
    if (q->nout != 1 || !chain_plain(s, q->out[0]) || isinf(q->cost)) return false;
    for (int k = 0; k < q->nin; k++)
        if (maker[q->in[k]] >= 0 && q->in[k] != from && q->in[k] != also) return false;
    int found = 0;
    return from < 0 || chain_reads(q, from, &found);
}

static bool chain_recognize(chain *c, const int *order) {
    const btl_schedule *s = c->s;
    int l = (s->nsteps - 1) / 2, *maker = btl_recompute_makers(c->a, s);
    if (s->nsteps < 5 || s->nsteps != 2 * l + 1 || l > CHAIN_MOST || s->nedges) return false;
    c->l = l;
    c->x = BTL_ARRAY(c->a, int64_t, l + 2), c->y = BTL_ARRAY(c->a, int64_t, l + 2), c->cost = BTL_ARRAY(c->a, double, l + 2);
    c->work = BTL_ARRAY(c->a, int64_t, l + 2), c->work_back = BTL_ARRAY(c->a, int64_t, l + 2);
    int before = -1, *x = BTL_ARRAY(c->a, int, l + 2);
    x[0] = -1;
    for (int i = 1; i <= l; i++) { /* forward */
        if (!chain_step(s, maker, order[i - 1], before, -1) || s->values[s->steps[order[i - 1]].out[0]].is_output) return false;
        before = x[i] = s->steps[order[i - 1]].out[0];
        c->x[i] = s->values[before].bytes, c->cost[i] = s->steps[order[i - 1]].cost, c->work[i] = s->steps[order[i - 1]].workspace;
    }
    for (int i = l + 1; i >= 1; i--) { /* what makes y_{i-1}: h, then g_l … g_1 */
        int step = order[2 * l + 1 - i], found = 0;
        if (!chain_step(s, maker, step, i > l ? x[l] : before, i > l ? -1 : x[i - 1])) return false;
        if (i <= l && i > 1 && !chain_reads(&s->steps[step], x[i - 1], &found)) return false;
        before = s->steps[step].out[0];
        c->y[i - 1] = s->values[before].bytes, c->work_back[i] = s->steps[step].workspace;
        if (s->values[before].is_output != (i == 1)) return false;
    }
    return true;
}

/* ---- fronts -------------------------------------------------------------------------------------- */

static int chain_by_bytes(const void *a, const void *b) {
    const chain_point *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    if (x->cost != y->cost) return x->cost < y->cost ? -1 : 1;
    return x->k < y->k ? -1 : x->k > y->k;
}

/* Those that no other is as good as in both. */
static void chain_prune(chain *c, chain_front *f, int n, chain_point *points) {
    qsort(points, (size_t)n, sizeof *points, chain_by_bytes);
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (!kept || points[i].cost < points[kept - 1].cost) points[kept++] = points[i];
    f->n = kept;
    f->points = btl_arena_copy(c->a, points, (size_t)(kept + 1) * sizeof *points);
}

/* What running forward from x_i to x_k takes, with y_j there; keeping x_i or not. */
static int64_t chain_forward(const chain *c, int i, int k, int j, bool keeps) {
    int64_t most = 0;
    for (int t = i + 1; t <= k; t++) {
        int64_t now = c->y[j] + (keeps || t == i + 1 ? c->x[i] : 0) + (t - 1 > i ? c->x[t - 1] : 0) + c->x[t] + c->work[t];
        if (now > most) most = now;
    }
    return most;
}

static int64_t chain_most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Forward to x_k, back from it to y_b, then from x_i to y_a. */
static void chain_by(chain *c, chain_front *to, int *capacity, btl_arena *scratch, int i, int a, int j, int k, int b, double cost) {
    static const chain_point nothing = { .k = -1 };
    const chain_front *right = chain_at(c, k, b, j), *left = b > a ? chain_at(c, i, a, b) : NULL;
    int64_t forward = chain_forward(c, i, k, j, true);
    for (int p = 0; p < right->n; p++)
        for (int q = 0; q < (left ? left->n : 1); q++) {
            const chain_point *rest = left ? &left->points[q] : &nothing;
            int64_t bytes = chain_most(forward, chain_most(c->x[i] + right->points[p].bytes, rest->bytes));
            *BTL_PUSH(scratch, to->points, to->n, *capacity) = (chain_point){ bytes, cost + right->points[p].cost + rest->cost, k, b, p, left ? q : -1 };
        }
}

/* Forward to x_k without x_i. */
static void chain_move(chain *c, chain_front *to, int *capacity, btl_arena *scratch, int i, int a, int j, int k, double cost) {
    const chain_front *right = chain_at(c, k, a, j);
    int64_t forward = chain_forward(c, i, k, j, false);
    for (int p = 0; p < right->n; p++)
        *BTL_PUSH(scratch, to->points, to->n, *capacity) = (chain_point){ chain_most(forward, right->points[p].bytes), cost + right->points[p].cost, k, -1, p, -1 };
}

static void chain_segment(chain *c, int i, int a, int j) {
    btl_arena *scratch = btl_arena_begin(c->a);
    chain_front all = { 0 };
    int capacity = 0;
    double cost = 0;
    if (j == i + 1) *BTL_PUSH(scratch, all.points, all.n, capacity) = (chain_point){ .bytes = c->x[i] + c->y[j] + c->y[i] + c->work_back[j] };
    for (int k = i + 1; k < j; k++) {
        cost += c->cost[k];
        for (int b = k > a ? k : a; b < (c->exact ? j : k + 1); b++) chain_by(c, &all, &capacity, scratch, i, a, j, k, b, cost);
        if (k <= a && i > 0) chain_move(c, &all, &capacity, scratch, i, a, j, k, cost);
    }
    chain_prune(c, chain_at(c, i, a, j), all.n, all.points);
    btl_arena_end(scratch);
}

/* ---- the sequence -------------------------------------------------------------------------------- */

static void chain_put(chain *c, int step, int *capacity) { *BTL_PUSH(c->a, c->sequence, c->n, *capacity) = step; }

static void chain_write(chain *c, const int *order, int *capacity, int i, int a, int j, int which) {
    const chain_point *p = &chain_at(c, i, a, j)->points[which];
    if (!p->k) {
        chain_put(c, order[2 * c->l + 1 - j], capacity);
        return;
    }
    for (int t = i + 1; t <= p->k; t++) chain_put(c, order[t - 1], capacity);
    chain_write(c, order, capacity, p->k, p->b < 0 ? a : p->b, j, p->right);
    if (p->left >= 0) chain_write(c, order, capacity, i, a, p->b, p->left);
}

static void chain_curve(chain *c, const chain_front *all, double once, btl_recomputed *out) {
    out->curve = BTL_ARRAY(c->a, btl_memory_point, all->n + 1);
    for (int p = all->n - 1; p >= 0; p--) out->curve[out->ncurve++] = (btl_memory_point){ all->points[p].bytes, all->points[p].cost - once, -1 };
}

/* All y of one size; where it is not exact, all x, too. */
static bool chain_is_proven(const chain *c) {
    bool equal = true;
    for (int i = 1; i <= c->l; i++) equal = equal && c->y[i] == c->y[0] && (c->exact || c->x[i] == c->x[1]);
    return equal;
}

bool btl_recompute_chain(btl_arena *a, const btl_schedule *s, const int *order, int64_t budget, btl_recomputed *out) {
    chain c = { .a = a, .s = s };
    if (!chain_recognize(&c, order)) return false;
    int ends = c.l + 2, capacity = 0, which = 0;
    c.exact = c.l <= CHAIN_EXACT;
    c.fronts = BTL_ARRAY(a, chain_front, ends * ends * (c.exact ? ends : 1));
    for (int length = 1; length <= c.l + 1; length++) /* parts are shorter, or begin behind */
        for (int i = c.l + 1 - length; i >= 0; i--)
            for (int from = i + length - 1; from >= i; from--)
                if (c.exact || from == i) chain_segment(&c, i, from, i + length);
    const chain_front *all = chain_at(&c, 0, 0, c.l + 1);
    while (which + 1 < all->n && all->points[which + 1].bytes <= budget) which++;
    double once = 0;
    for (int i = 1; i <= c.l; i++) once += c.cost[i];
    chain_write(&c, order, &capacity, 0, 0, c.l + 1, which);
    out->best = (btl_sequence){ .n = c.n, .steps = c.sequence };
    btl_sequence_measure(a, s, NULL, &out->best, NULL);
    chain_curve(&c, all, once, out);
    if (chain_is_proven(&c) && all->points[0].bytes > out->bound) out->bound = all->points[0].bytes, out->bound_step = -1;
    return true;
}
