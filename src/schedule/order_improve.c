/* order_improve.c - the best of many candidates, and better orders from it: what a minimum cut says is run first, and windows
 * around the highest step are ordered anew, by exact search where they are small. Narrow windows are tried before wide ones.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/order_parts.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

/* ---- candidates --------------------------------------------------------------------------------- */

static const order_greedy improve_rules[] = {
    { "least peak first", false, true, ORDER_GIVEN, 0 },
    { "list", false, false, ORDER_GIVEN, 0 },
    { "least peak first, backward", true, true, ORDER_GIVEN, 0 },
    { "list, backward", true, false, ORDER_GIVEN, 0 },
    { "least peak first, latest of equals", false, true, ORDER_RECENT, 0 },
    { "least peak first, backward, latest of equals", true, true, ORDER_RECENT, 0 },
    { "list, latest of equals", false, false, ORDER_RECENT, 0 },
};

/* Restarts take these in turn. */
static const order_greedy improve_noisy[] = {
    { "least peak first, blurred", false, true, ORDER_RANDOM, 2 },
    { "least peak first, backward, blurred", true, true, ORDER_RANDOM, 2 },
    { "list, blurred", false, false, ORDER_RANDOM, 6 },
    { "list, backward, blurred", true, false, ORDER_RANDOM, 6 },
    { "least peak first, blurred", false, true, ORDER_RANDOM, 12 },
    { "least peak first, backward, blurred", true, true, ORDER_RANDOM, 12 },
    { "least peak first, any of equals", false, true, ORDER_RANDOM, 0 },
    { "least peak first, backward, any of equals", true, true, ORDER_RANDOM, 0 },
};

enum { IMPROVE_NRULES = sizeof improve_rules / sizeof *improve_rules, IMPROVE_NNOISY = sizeof improve_noisy / sizeof *improve_noisy };

typedef struct improve_best {
    int *order;
    int64_t peak;
    const char *method;
} improve_best;

static int64_t improve_cost(const btl_liveness *l) {
    int64_t log = 1;
    while (l->nops >> log) log++;
    return (l->nops + l->uses.first[l->nops] + l->after.first[l->nops] / 2) * log;
}

static void improve_offer(btl_arena *scratch, const btl_liveness *l, improve_best *best, const int *order, const char *method) {
    int64_t peak = btl_liveness_peak(l, order, scratch, NULL).bytes;
    if (peak >= best->peak) return;
    best->peak = peak;
    best->method = method;
    memcpy(best->order, order, (size_t)l->nops * sizeof *order);
}

enum { IMPROVE_ALL_RULES = IMPROVE_NRULES + 4 };

/* Rule i: greedy ones, then depth first, then blurred ones without end. */
static const char *improve_rule(btl_arena *scratch, const btl_liveness *l, order_improve *m, int i, const int *given, int *order) {
    int64_t goal = m->floor > m->bound ? m->floor : m->bound;
    m->steps -= improve_cost(l);
    int depth_first = i - IMPROVE_NRULES;
    if (depth_first >= 0 && depth_first < 4) {
        btl_order_depth_first(scratch, l, given, depth_first & 1, depth_first & 2, order);
        return "depth first";
    }
    const order_greedy *rule = depth_first < 0 ? &improve_rules[i] : &improve_noisy[(i - IMPROVE_ALL_RULES) % IMPROVE_NNOISY];
    btl_order_greedy(scratch, l, rule, given, goal, btl_hash_mix(m->seed, (uint64_t)i), order);
    return rule->name;
}

/* The same on rough groups. */
static const char *improve_rough_rule(btl_arena *scratch, const btl_liveness *l, const order_groups *g, order_improve *m, int i, const int *given, int *order) {
    int *groups = BTL_ARRAY(scratch, int, g->l->nops + 1), *next = BTL_ARRAY(scratch, int, g->l->nops + 1);
    btl_order_of_groups(scratch, g, l->nops, given, groups);
    const char *name = improve_rule(scratch, g->l, m, i, groups, next);
    btl_order_expand(g, g->l->nops, next, order);
    return name;
}

const char *btl_order_start(btl_arena *scratch, const btl_liveness *l, order_improve *m, int i, const int *given, int *order) {
    if (i % 2 == 0) return improve_rule(scratch, l, m, i / 2, given, order);
    btl_arena *mine = btl_arena_begin(scratch);
    order_groups g = btl_order_reduce(mine, l, true);
    m->steps -= 8 * improve_cost(l);
    const char *name = improve_rough_rule(mine, l, &g, m, i / 2, given, order);
    btl_arena_end(mine);
    return name;
}

int64_t btl_order_candidates(btl_arena *scratch, const btl_liveness *l, order_improve *m, int nnoisy, int *order) {
    if (!l->nops) return l->base;
    btl_arena *mine = btl_arena_begin(scratch);
    int64_t goal = m->floor > m->bound ? m->floor : m->bound;
    int *given = btl_arena_copy(mine, order, (size_t)l->nops * sizeof *order), *next = BTL_ARRAY(mine, int, l->nops);
    improve_best best = { order, btl_liveness_peak(l, given, mine, NULL).bytes, NULL };
    for (int i = 0; i < IMPROVE_ALL_RULES + nnoisy && best.peak > goal && (i < IMPROVE_ALL_RULES || m->steps > 0); i++)
        improve_offer(mine, l, &best, next, improve_rule(mine, l, m, i, given, next));
    if (best.peak > goal && l->nops > 8 && m->steps > 0) {
        order_groups g = btl_order_reduce(mine, l, true);
        m->steps -= 8 * improve_cost(l);
        for (int i = 0; i < IMPROVE_ALL_RULES && best.peak > goal; i++)
            improve_offer(mine, l, &best, next, improve_rough_rule(mine, l, &g, m, i, given, next));
    }
    if (best.method) m->method = best.method;
    btl_arena_end(mine);
    return best.peak;
}

/* ---- orders compared ------------------------------------------------------------------------------ */

/* Of two with one peak, the one that exceeds the goal less, summed over its steps, is nearer to it. */
typedef struct improve_height { int64_t peak; double excess; } improve_height;

static improve_height improve_measure(btl_arena *scratch, const btl_liveness *l, const int *order, int64_t goal, int64_t *profile) {
    improve_height h = { .peak = btl_liveness_peak(l, order, scratch, profile).bytes };
    for (int i = 0; i < l->nops; i++)
        if (profile[i] > goal) h.excess += (double)(profile[i] - goal);
    return h;
}

static bool improve_is_lower(improve_height a, improve_height b) {
    return a.peak != b.peak ? a.peak < b.peak : a.excess < b.excess;
}

/* ---- a part, ordered anew --------------------------------------------------------------------------- */

static int64_t improve_goal(const order_improve *m) { return m->floor > m->bound ? m->floor : m->bound; }

static int64_t improve_levels(btl_arena *scratch, const btl_liveness *l, order_improve *m, int depth, int *order);

/* order[from … from + n - 1] run after what stands before them; a better order of them is written there. */
static void improve_part(btl_arena *scratch, const btl_liveness *l, order_improve *m, int depth, int from, int n, int *order) {
    if (n < 2) return;
    btl_arena *mine = btl_arena_begin(scratch);
    bool *done = BTL_ARRAY(mine, bool, l->nops + 1);
    for (int i = 0; i < from; i++) done[order[i]] = true;
    int *ops = btl_arena_copy(mine, order + from, (size_t)n * sizeof *ops), *part = BTL_ARRAY(mine, int, n);
    btl_liveness *sub = btl_liveness_part(mine, l, done, n, ops);
    for (int i = 0; i < n; i++) part[i] = i;
    m->steps -= 2 * (int64_t)n + l->nstores / 8;
    order_improve inner = *m;
    inner.floor = improve_goal(m), inner.bound = 0;
    int64_t peak = btl_order_candidates(mine, sub, &inner, depth ? 8 : 4, part);
    if (peak > inner.floor && depth > 0) improve_levels(mine, sub, &inner, depth - 1, part);
    m->steps = inner.steps, m->states = inner.states;
    for (int i = 0; i < n; i++) order[from + i] = ops[part[i]];
    btl_arena_end(mine);
}

/* The order in which the prefix of a cut runs first, then v, then the rest; both parts ordered anew, if `anew`. */
static void improve_split(btl_arena *scratch, const btl_liveness *l, order_improve *m, int depth, bool anew, int v, const bool *prefix, const int *from, int *order) {
    int n = 0;
    for (int i = 0; i < l->nops; i++)
        if (prefix[from[i]]) order[n++] = from[i];
    int before = n;
    order[n++] = v;
    for (int i = 0; i < l->nops; i++)
        if (!prefix[from[i]] && from[i] != v) order[n++] = from[i];
    m->steps -= 2 * (int64_t)l->nops + l->uses.first[l->nops];
    if (!anew) return;
    improve_part(scratch, l, m, depth, 0, before, order);
    improve_part(scratch, l, m, depth, before + 1, l->nops - before - 1, order);
}

/* ---- a window --------------------------------------------------------------------------------------- */

enum { IMPROVE_EXACT_OPS = 192, IMPROVE_EXACT_STATES = 4000 };

typedef enum improve_search { IMPROVE_FOUND, IMPROVE_NONE, IMPROVE_UNKNOWN } improve_search;

/* An exact search, if the window is small: is there an order below `peak`? */
static improve_search improve_exactly(btl_arena *scratch, const btl_liveness *l, order_improve *m, int64_t cut, int64_t peak, int *order) {
    order_groups g = btl_order_reduce(scratch, l, false);
    m->steps -= 8 * improve_cost(l);
    if (g.l->nops > IMPROVE_EXACT_OPS) return IMPROVE_UNKNOWN;
    int64_t states = m->states < IMPROVE_EXACT_STATES ? m->states : IMPROVE_EXACT_STATES, goal = improve_goal(m);
    order_search s = { .floor = goal > cut ? goal : cut, .cutoff = peak, .states = states, .steps = &m->steps };
    int *groups = BTL_ARRAY(scratch, int, g.l->nops + 1);
    btl_order_search(scratch, g.l, &s, groups);
    m->states -= states - s.states;
    if (s.found) {
        btl_order_expand(&g, g.l->nops, groups, order);
        m->method = "exact search in windows";
        return IMPROVE_FOUND;
    }
    return s.bound >= peak ? IMPROVE_NONE : IMPROVE_UNKNOWN;
}

/* All of `l` is a window whose highest step is v's. Exact search if it is small, cuts if not. Writes a lower order, or returns false. */
static bool improve_window(btl_arena *scratch, const btl_liveness *l, order_improve *m, int depth, int step, int *order) {
    int n = l->nops, v = order[step];
    bool *prefix = BTL_ARRAY(scratch, bool, n + 1);
    int64_t *profile = BTL_ARRAY(scratch, int64_t, n + 1), goal = improve_goal(m);
    int *next = BTL_ARRAY(scratch, int, n + 1);
    improve_height now = improve_measure(scratch, l, order, goal, profile);
    int64_t cut = btl_order_cut(scratch, l, v, false, prefix, &m->steps);
    if (cut < 0 || cut >= profile[step]) return false;
    bool *most = BTL_ARRAY(scratch, bool, n + 1);
    if (btl_order_cut(scratch, l, v, true, most, &m->steps) < 0) return false;
    for (int way = 0; way < 4 && m->steps > 0; way++) { /* as they stand, which costs little; ordered anew, if search does not */
        if (way == 2 && m->states > 0) {
            improve_search found = improve_exactly(scratch, l, m, cut, now.peak, order);
            if (found != IMPROVE_UNKNOWN) return found == IMPROVE_FOUND;
        }
        improve_split(scratch, l, m, depth, way / 2, v, way % 2 ? most : prefix, order, next);
        if (!improve_is_lower(improve_measure(scratch, l, next, goal, profile), now)) continue;
        memcpy(order, next, (size_t)n * sizeof *order);
        m->method = "cuts";
        return true;
    }
    return false;
}

/* Windows of growing width around a step; true if one of them became lower. */
static bool improve_around(btl_arena *scratch, const btl_liveness *l, order_improve *m, int depth, int step, int *order) {
    int n = l->nops;
    for (int width = n > 48 ? 32 : n; m->steps > 0; width = width * 4 < n ? width * 4 : n) {
        int from = step - width / 2;
        if (from < 0) from = 0;
        if (from + width > n) from = n - width;
        btl_arena *mine = btl_arena_begin(scratch);
        bool *done = BTL_ARRAY(mine, bool, n + 1);
        for (int i = 0; i < from; i++) done[order[i]] = true;
        int *ops = btl_arena_copy(mine, order + from, (size_t)width * sizeof *ops), *part = BTL_ARRAY(mine, int, width);
        for (int i = 0; i < width; i++) part[i] = i;
        btl_liveness *sub = btl_liveness_part(mine, l, done, width, ops);
        m->steps -= 4 * (int64_t)width + (n + l->nstores) / 8;
        bool lower = improve_window(mine, sub, m, depth, step - from, part);
        if (lower)
            for (int i = 0; i < width; i++) order[from + i] = ops[part[i]];
        btl_arena_end(mine);
        if (lower) return true;
        if (width == n) return false;
    }
    return false;
}

/* Lowers the highest step, again and again. */
static int64_t improve_levels(btl_arena *scratch, const btl_liveness *l, order_improve *m, int depth, int *order) {
    btl_live_peak peak = btl_liveness_peak(l, order, scratch, NULL);
    while (m->steps > 0 && peak.bytes > improve_goal(m)) {
        bool lower = improve_around(scratch, l, m, depth, peak.step, order);
        peak = btl_liveness_peak(l, order, scratch, NULL);
        if (!lower) break;
    }
    return peak.bytes;
}

int64_t btl_order_lower(btl_arena *scratch, const btl_liveness *l, order_improve *m, int *order) {
    return improve_levels(scratch, l, m, 2, order);
}
