/* order.c - the search for an order of little memory, from top to bottom; see order.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/order.h"

#include "base/hash.h"
#include "schedule/order_parts.h"

#include <string.h>

const btl_order_budget btl_order_usual_budget = { .steps = 600000000, .states = 10000000, .seed = 1 };
static const btl_order_budget order_fast_budget = { .steps = 2000000, .states = 50000, .seed = 1 };

const btl_order_budget *btl_ordering_budget(btl_ordering ordering) { return ordering == BTL_ORDERING_EXACT ? &btl_order_usual_budget : &order_fast_budget; }


enum { ORDER_STARTS = 16, ORDER_BRANCHES = 16, ORDER_PARTS = 8, ORDER_EXACT_OPS = 1024, ORDER_SHORT = 20000, ORDER_EXACT_BYTES = 1 << 29 };

/* ---- pieces between articulation points ----------------------------------------------------- */

typedef struct order_piece {
    const btl_liveness *l;
    int n;
    int *ops;      /* of the reduced problem */
    int *order;    /* of the piece's own ops */
    const int *late; /* another, in which large values are made late, to begin with; or NULL */
    int64_t peak, bound;
    const char *method, *bound_by;
    bool is_spent; /* nothing more to try */
} order_piece;

typedef struct order_find {
    btl_arena *a;
    btl_order_budget left;
    int npieces;
    order_piece *pieces;
    order_groups groups;
} order_find;

static int64_t order_bound(const order_find *f) {
    int64_t bound = 0;
    for (int i = 0; i < f->npieces; i++)
        if (f->pieces[i].bound > bound) bound = f->pieces[i].bound;
    return bound;
}

static order_piece *order_highest(const order_find *f) {
    order_piece *highest = NULL;
    for (int i = 0; i < f->npieces; i++)
        if (!highest || f->pieces[i].peak > highest->peak) highest = &f->pieces[i];
    return highest;
}

static void order_cut_pieces(order_find *f, const btl_liveness *l, const int *order) {
    int *ends = BTL_ARRAY(f->a, int, l->nops + 1);
    bool *done = BTL_ARRAY(f->a, bool, l->nops + 1);
    f->npieces = btl_order_pieces(f->a, l, order, ends);
    f->pieces = BTL_ARRAY(f->a, order_piece, f->npieces + 1);
    for (int i = 0, from = 0; i < f->npieces; from = ends[i++]) {
        order_piece *p = &f->pieces[i];
        p->n = ends[i] - from;
        p->ops = BTL_ARRAY(f->a, int, p->n + 1), p->order = BTL_ARRAY(f->a, int, p->n + 1);
        for (int k = 0; k < p->n; k++) p->ops[k] = f->npieces == 1 ? k : order[from + k], p->order[k] = f->npieces == 1 ? order[k] : k;
        p->l = f->npieces == 1 ? l : btl_liveness_part(f->a, l, done, p->n, p->ops);
        for (int k = from; k < ends[i]; k++) done[order[k]] = true;
    }
}

/* ---- one piece -------------------------------------------------------------------------------- */

static order_improve order_piece_begin(const order_find *f, const order_piece *p) {
    return (order_improve){ .floor = order_bound(f), .bound = p->bound, .steps = f->left.steps, .states = f->left.states,
                            .seed = f->left.seed, .method = p->method, .bound_by = p->bound_by };
}

static void order_piece_end(order_find *f, order_piece *p, const order_improve *m) {
    f->left.steps = m->steps, f->left.states = m->states;
    p->method = m->method;
    if (m->bound > p->bound) p->bound = m->bound, p->bound_by = m->bound_by;
}

/* The cut at the highest step of an order. */
static void order_first_bound(order_find *f, order_piece *p) {
    btl_live_peak peak = btl_liveness_peak(p->l, p->order, f->a, NULL);
    if (peak.step < 0 || peak.bytes <= order_bound(f)) return;
    int64_t cut = btl_order_cut(f->a, p->l, p->order[peak.step], false, NULL, &f->left.steps);
    if (cut > p->bound) p->bound = cut, p->bound_by = "minimum cut";
}

static void order_exact(order_find *f, order_piece *p, int64_t states) {
    int64_t fits = ORDER_EXACT_BYTES / (48 + p->l->nops / 8);
    if (states > f->left.states) states = f->left.states;
    if (states > fits) states = fits;
    if (p->l->nops > ORDER_EXACT_OPS || p->peak <= order_bound(f) || states <= 0 || f->left.steps <= 0) return;
    order_search s = { .floor = order_bound(f), .cutoff = p->peak, .states = states, .steps = &f->left.steps };
    btl_order_search(f->a, p->l, &s, p->order);
    f->left.states -= states - s.states;
    if (s.found) {
        p->peak = btl_liveness_peak(p->l, p->order, f->a, NULL).bytes;
        p->method = "exact search";
    }
    if (s.bound > p->bound) p->bound = s.bound, p->bound_by = "exact search";
}

/* A part of the steps that are left, for one way to go on. */
static order_improve order_share(const order_find *f, const order_piece *p, int64_t steps) {
    order_improve m = order_piece_begin(f, p);
    m.steps = steps < m.steps ? steps : m.steps;
    return m;
}

static void order_share_end(order_find *f, order_piece *p, int64_t steps, order_improve *m) {
    if (steps > f->left.steps) steps = f->left.steps;
    m->steps = f->left.steps - (steps - m->steps);
    order_piece_end(f, p, m);
}

/* On a rougher, far smaller problem: its orders may not be the best, but are found. */
static void order_roughly(order_find *f, order_piece *p, const int *from) {
    if (p->peak <= order_bound(f) || f->left.steps <= 0) return;
    btl_arena *mine = btl_arena_begin(f->a);
    order_groups g = btl_order_reduce(mine, p->l, true);
    int *groups = BTL_ARRAY(mine, int, g.l->nops + 1), *order = BTL_ARRAY(mine, int, p->l->nops + 1);
    btl_order_of_groups(mine, &g, p->l->nops, from, groups);
    int64_t steps = f->left.steps / 16;
    order_improve m = order_share(f, p, steps);
    m.bound = 0, m.states = m.states < ORDER_SHORT ? m.states : ORDER_SHORT;
    int64_t states = m.states, peak = btl_order_candidates(mine, g.l, &m, 16, groups);
    if (g.l->nops <= ORDER_EXACT_OPS && peak > m.floor) {
        order_search s = { .floor = m.floor, .cutoff = peak, .states = m.states, .steps = &m.steps };
        btl_order_search(mine, g.l, &s, groups);
        m.states = s.states;
    }
    btl_order_lower(mine, g.l, &m, groups);
    f->left.steps -= steps - m.steps, f->left.states -= states - m.states;
    btl_order_expand(&g, g.l->nops, groups, order);
    peak = btl_liveness_peak(p->l, order, mine, NULL).bytes;
    if (peak < p->peak) {
        p->peak = peak;
        p->method = "a rougher problem";
        memcpy(p->order, order, (size_t)p->l->nops * sizeof *order);
    }
    btl_arena_end(mine);
}

static void order_prove(order_find *f, order_piece *p, int64_t steps) {
    if (p->peak <= order_bound(f) || f->left.steps <= 0) return;
    order_improve m = order_share(f, p, steps / 4);
    btl_order_prove(f->a, p->l, &m, p->l->nops, p->order);
    order_share_end(f, p, steps / 4, &m);
    if (p->peak <= order_bound(f) || f->left.steps <= 0) return;
    m = order_share(f, p, steps / 4 * 3);
    btl_order_prove_by_sets(f->a, p->l, &m, p->order);
    order_share_end(f, p, steps / 4 * 3, &m);
}

/* Lowers the best order, one from before, and then others: where one ends is not where another does. Every other time by
 * cuts alone and without a goal: then all of an order is made lower, not only what exceeds the bound. */
static void order_restart(order_find *f, order_piece *p, const int *first, int64_t steps) {
    int *given = btl_arena_copy(f->a, p->order, ((size_t)p->l->nops + 1) * sizeof *given), *order = BTL_ARRAY(f->a, int, p->l->nops + 1);
    for (int i = 0; i < ORDER_STARTS && p->peak > order_bound(f) && f->left.steps > 0; i++) {
        const int *starts[] = { p->order, first, p->late };
        int known = p->late ? 3 : 2;
        int64_t share = i < known ? steps / (4 * known) * 3 : steps / 4 / ORDER_STARTS;
        order_improve m = order_share(f, p, share);
        if (i >= known) m.method = btl_order_start(f->a, p->l, &m, i - known, given, order);
        else memcpy(order, starts[i], (size_t)p->l->nops * sizeof *order);
        int64_t kept = i % 2 ? m.states : 0;
        if (i % 2) m.floor = m.bound = 0, m.states -= kept;
        int64_t peak = btl_order_lower(f->a, p->l, &m, order);
        if (peak < p->peak) {
            p->peak = peak;
            memcpy(p->order, order, (size_t)p->l->nops * sizeof *order);
        } else {
            m.method = p->method;
        }
        m.states += kept;
        order_share_end(f, p, share, &m);
    }
}

/* Lowers the order within a narrower problem, whose bounds do not hold elsewhere. */
static void order_lower_in(order_find *f, order_piece *p, const btl_liveness *l, int64_t steps) {
    int *order = btl_arena_copy(f->a, p->order, ((size_t)p->l->nops + 1) * sizeof *order);
    order_improve m = order_share(f, p, steps);
    int64_t peak = btl_order_lower(f->a, l, &m, order);
    m.bound = p->bound, m.bound_by = p->bound_by;
    if (peak < p->peak) p->peak = peak, memcpy(p->order, order, (size_t)p->l->nops * sizeof *order);
    else m.method = p->method;
    order_share_end(f, p, steps, &m);
}

/* How little may live at best when ops[first] is the first of the ops; no more than `steps` are spent. */
static int64_t order_bound_with(order_find *f, order_piece *p, int n, const int *ops, int first, int64_t steps) {
    btl_arena *mine = btl_arena_begin(f->a);
    const btl_liveness *one = btl_order_with_first(mine, p->l, n, ops, first);
    int *order = BTL_ARRAY(mine, int, one->nops + 1);
    order_improve m = order_share(f, p, steps);
    btl_liveness_sort(one, p->order, mine, order);
    btl_order_candidates(mine, one, &m, 0, order);
    for (int64_t part = ORDER_PARTS; m.bound == p->bound && part >= 1 && m.steps > 0; part /= 2) /* that it is the peak, or not far below */
        btl_order_prove_above(mine, one, &m, p->peak - 1 - (p->peak - p->bound) * (ORDER_PARTS - part) / ORDER_PARTS, order);
    int64_t bound = m.bound;
    m.bound = p->bound, m.bound_by = p->bound_by, m.method = p->method;
    order_share_end(f, p, steps, &m);
    btl_arena_end(mine);
    return bound;
}

/* Of the ops that need most by themselves one runs first: the problem with the one that the order at hand begins with, which is a far tighter one, is solved for
 * an order; it and those with the others bound all orders together. */
static void order_branch(order_find *f, order_piece *p, int64_t steps) {
    int ops[ORDER_BRANCHES + 2];
    if (p->peak <= order_bound(f) || f->left.steps <= 0) return;
    btl_arena *mine = btl_arena_begin(f->a);
    int n = btl_order_foremost(mine, p->l, p->order, ORDER_BRANCHES, ops);
    if (n > 1) {
        const btl_liveness *one = btl_order_with_first(mine, p->l, n, ops, 0);
        order_lower_in(f, p, one, steps / 4);
        btl_order_budget share = { (f->left.steps < steps ? f->left.steps : steps) / 2, f->left.states / 2, f->left.seed };
        btl_order found = btl_order_find(mine, one, p->order, &share);
        f->left.steps -= found.steps, f->left.states -= found.states;
        if (found.peak < p->peak) p->peak = found.peak, p->method = found.method, memcpy(p->order, found.ops, (size_t)p->l->nops * sizeof *found.ops);
        int64_t bound = p->peak;
        for (int i = 0; i < n && bound > p->bound; i++) {
            int64_t with = order_bound_with(f, p, n, ops, i, steps / 2 / n);
            if (with < bound) bound = with;
        }
        if (bound > p->bound) p->bound = bound < p->peak ? bound : p->peak, p->bound_by = "each op that may be the first to need most";
    }
    btl_arena_end(mine);
}

/* Ever dearer. */
static void order_solve_piece(order_find *f, order_piece *p) {
    int64_t steps = f->left.steps;
    const int *first = btl_arena_copy(f->a, p->order, ((size_t)p->l->nops + 1) * sizeof *first);
    order_exact(f, p, ORDER_SHORT);
    order_prove(f, p, steps / 16);
    order_roughly(f, p, p->order);
    if (p->late) order_roughly(f, p, p->late);
    order_restart(f, p, first, steps / 4);
    order_prove(f, p, steps / 4);
    order_branch(f, p, steps / 2);
    order_restart(f, p, first, steps / 16); /* to a better goal */
    order_exact(f, p, f->left.states);
    p->is_spent = true;
}

/* ---- all of it ---------------------------------------------------------------------------------- */

/* Greedy orders; those that break ties by the given one, then those that break them by one that makes large values late. */
static void order_candidates(order_find *f, order_piece *p) {
    order_improve m = order_piece_begin(f, p);
    btl_arena *mine = btl_arena_begin(f->a);
    int *late = BTL_ARRAY(mine, int, p->n + 1);
    bool other = btl_order_small_first(mine, p->l, p->order, late);
    int64_t steps = m.steps;
    p->peak = btl_order_candidates(mine, p->l, &m, 0, p->order);
    int64_t peak = other && p->peak > order_bound(f) && m.steps > steps - m.steps ? btl_order_candidates(mine, p->l, &m, 0, late) : p->peak;
    if (peak < p->peak) p->peak = peak, memcpy(p->order, late, (size_t)p->l->nops * sizeof *late);
    else if (other) p->late = btl_arena_copy(f->a, late, ((size_t)p->l->nops + 1) * sizeof *late);
    btl_arena_end(mine);
    order_piece_end(f, p, &m);
}

/* The highest piece decides; what lies below the highest bound of another needs no work. */
static void order_solve(order_find *f) {
    for (int i = 0; i < f->npieces; i++) {
        order_piece *p = &f->pieces[i];
        p->peak = btl_liveness_peak(p->l, p->order, f->a, NULL).bytes;
        if (p->peak <= order_bound(f)) continue;
        order_first_bound(f, p);
        order_candidates(f, p);
    }
    for (;;) {
        order_piece *p = order_highest(f);
        if (!p || p->peak <= order_bound(f) || p->is_spent) return;
        order_first_bound(f, p);
        order_solve_piece(f, p);
    }
}

btl_order btl_order_find(btl_arena *a, const btl_liveness *l, const int *given, const btl_order_budget *budget) {
    btl_order out = { .ops = BTL_ARRAY(a, int, l->nops + 1), .method = "given", .bound_by = "the op that needs most" };
    order_find f = { .a = btl_arena_begin(a), .left = *budget };
    int *first = BTL_ARRAY(f.a, int, l->nops + 1), *order = BTL_ARRAY(f.a, int, l->nops + 1);
    if (given) memcpy(first, given, (size_t)l->nops * sizeof *first);
    else btl_liveness_sort(l, NULL, f.a, first);
    out.peak = out.given_peak = btl_liveness_peak(l, first, f.a, NULL).bytes;
    memcpy(out.ops, first, (size_t)l->nops * sizeof *first);

    f.groups = btl_order_reduce(f.a, l, false);
    const btl_liveness *small = f.groups.l;
    int *groups = BTL_ARRAY(f.a, int, small->nops + 1);
    btl_order_of_groups(f.a, &f.groups, l->nops, first, groups);
    order_cut_pieces(&f, small, groups);
    order_solve(&f);

    int placed = 0;
    for (int i = 0; i < f.npieces; i++)
        for (int k = 0; k < f.pieces[i].n; k++) placed += btl_order_expand(&f.groups, 1, &f.pieces[i].ops[f.pieces[i].order[k]], order + placed);
    int64_t peak = btl_liveness_peak(l, order, f.a, NULL).bytes;
    const order_piece *highest = order_highest(&f);
    if (peak < out.peak) {
        out.peak = peak;
        out.method = highest && highest->method ? highest->method : "reduction";
        memcpy(out.ops, order, (size_t)l->nops * sizeof *order);
    }
    out.bound = l->nops ? order_bound(&f) : out.peak;
    for (int i = 0; i < f.npieces; i++)
        if (f.pieces[i].bound == out.bound && f.pieces[i].bound_by) out.bound_by = f.pieces[i].bound_by;
    out.proven = out.bound == out.peak;
    out.steps = budget->steps - f.left.steps, out.states = budget->states - f.left.states;
    btl_arena_end(f.a);
    return out;
}
