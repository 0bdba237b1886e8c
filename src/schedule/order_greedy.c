/* order_greedy.c - orders that are built one op after another by a rule, from the front or from the end, in n log n:
 * ready ops stand in a tournament tree, whose winner is the next. "List" and depth first are in XLA, "least peak first" in
 * PyTorch's Inductor; the problem is the same backward, with making and releasing exchanged.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/order_parts.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

/* ---- a tournament tree --------------------------------------------------------------------- */

typedef struct greedy_tree {
    int size;             /* a power of two */
    int *winner;          /* of each node an op, -1 where there is none; leaf i is node size + i */
    const int64_t *score; /* of each op: the least wins, then the least tie */
    const int64_t *second; /* before the tie; may be NULL */
    const int64_t *tie;
} greedy_tree;

static greedy_tree greedy_tree_new(btl_arena *a, int n, const int64_t *score, const int64_t *tie) {
    greedy_tree t = { .size = 1, .score = score, .tie = tie };
    while (t.size < n) t.size *= 2;
    t.winner = BTL_ARRAY(a, int, 2 * t.size);
    for (int i = 0; i < 2 * t.size; i++) t.winner[i] = -1;
    return t;
}

static int greedy_better(const greedy_tree *t, int x, int y) {
    if (x < 0) return y;
    if (y < 0) return x;
    if (t->score[x] != t->score[y]) return t->score[x] < t->score[y] ? x : y;
    if (t->second && t->second[x] != t->second[y]) return t->second[x] < t->second[y] ? x : y;
    return t->tie[x] <= t->tie[y] ? x : y;
}

static void greedy_tree_set(greedy_tree *t, int leaf, int op) {
    int i = t->size + leaf;
    t->winner[i] = op;
    for (i /= 2; i; i /= 2) t->winner[i] = greedy_better(t, t->winner[2 * i], t->winner[2 * i + 1]);
}

/* The winner of the first n leaves. */
static int greedy_tree_first(const greedy_tree *t, int n) {
    int best = -1;
    for (int low = t->size, high = t->size + n; low < high; low /= 2, high /= 2) {
        if (low & 1) best = greedy_better(t, best, t->winner[low++]);
        if (high & 1) best = greedy_better(t, best, t->winner[--high]);
    }
    return best;
}

/* ---- what both directions share ------------------------------------------------------------- */

typedef struct greedy_run {
    const btl_liveness *l;
    const order_greedy *how;
    uint64_t seed;
    int *rank;        /* in the given order */
    int *waits;       /* ops that must come first and have not */
    bool *is_ready;
    int64_t *growth;  /* of each op, if it were next: bytes that live after it less those before */
    int64_t *score, *tie;
    int64_t *blur;    /* a part of the score that stays */
    int64_t live, limit;
    int nready;       /* that have become ready so far */
} greedy_run;

static void greedy_begin(greedy_run *g, btl_arena *a, const int *given) {
    int n = g->l->nops + 1;
    g->rank = BTL_ARRAY(a, int, n);
    g->waits = BTL_ARRAY(a, int, n);
    g->is_ready = BTL_ARRAY(a, bool, n);
    g->growth = BTL_ARRAY(a, int64_t, n);
    g->score = BTL_ARRAY(a, int64_t, n);
    g->tie = BTL_ARRAY(a, int64_t, n);
    g->blur = BTL_ARRAY(a, int64_t, n);
    for (int i = 0; i < g->l->nops; i++) g->rank[given[i]] = i;
    for (int i = 0; i < g->l->nops && g->how->noise; i++) {
        int64_t bytes = g->l->makes[i];
        for (BTL_EACH(k, g->l->uses, i)) bytes += g->l->bytes[g->l->uses.item[k]];
        int64_t parts = (int64_t)(btl_hash_mix(g->seed, (uint64_t)i) % 512) * g->how->noise; /* of 8192 */
        g->blur[i] = bytes >> 40 ? bytes / 8192 * parts : bytes * parts / 8192;
    }
}

static void greedy_ready(greedy_run *g, int v) {
    g->is_ready[v] = true;
    g->nready++;
    int64_t given = g->how->backward ? g->l->nops - g->rank[v] : g->rank[v];
    g->tie[v] = g->how->ties == ORDER_GIVEN ? given
                : g->how->ties == ORDER_RECENT ? -(int64_t)g->nready
                : (int64_t)(btl_hash_mix(g->seed + 1, (uint64_t)v) >> 2);
}

/* ---- forward -------------------------------------------------------------------------------- */

typedef struct greedy_need { int64_t bytes; int op; } greedy_need;

static int greedy_by_need(const void *x, const void *y) {
    const greedy_need *a = x, *b = y;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return a->op < b->op ? -1 : a->op > b->op;
}

static int greedy_fitting(const greedy_need *needs, int n, int64_t bytes) {
    int low = 0;
    for (int high = n; low < high;) {
        int middle = low + (high - low) / 2;
        if (needs[middle].bytes <= bytes) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Leaves of the tree in the order of need, so that "what fits" is its beginning. */
static void greedy_forward(greedy_run *g, btl_arena *a, int *order) {
    const btl_liveness *l = g->l;
    int n = l->nops;
    greedy_tree t = greedy_tree_new(a, n, g->score, g->tie);
    greedy_need *needs = BTL_ARRAY(a, greedy_need, n + 1);
    int *leaf = BTL_ARRAY(a, int, n + 1), *left = BTL_ARRAY(a, int, l->nstores + 1), *last = BTL_ARRAY(a, int, l->nstores + 1);
    for (int i = 0; i < n; i++) needs[i] = (greedy_need){ l->need[i], i };
    qsort(needs, (size_t)n, sizeof *needs, greedy_by_need);
    for (int i = 0; i < n; i++) leaf[needs[i].op] = i;
    for (int i = 0; i < n; i++) g->growth[i] = l->makes[i];
    for (int s = 0; s < l->nstores; s++) {
        left[s] = l->users.first[s + 1] - l->users.first[s];
        for (BTL_EACH(k, l->users, s)) last[s] ^= l->users.item[k]; /* the one that is left, in the end */
        if (left[s] == 1 && !l->pinned[s]) g->growth[last[s]] -= l->bytes[s];
    }
    for (int i = 0; i < n; i++)
        if (!(g->waits[i] = l->before.first[i + 1] - l->before.first[i])) {
            greedy_ready(g, i);
            g->score[i] = g->growth[i] + g->blur[i];
            greedy_tree_set(&t, leaf[i], i);
        }
    for (int i = 0; i < n; i++) {
        int fits = g->how->under ? greedy_fitting(needs, n, g->limit - g->live) : n;
        int v = greedy_tree_first(&t, fits);
        if (v < 0) { /* nothing: the peak rises by what the least need says, and what fits then grows least */
            int at = 1;
            while (at < t.size) at = t.winner[2 * at] >= 0 ? 2 * at : 2 * at + 1;
            v = greedy_tree_first(&t, greedy_fitting(needs, n, l->need[t.winner[at]]));
        }
        order[i] = v;
        greedy_tree_set(&t, leaf[v], -1);
        g->is_ready[v] = false;
        if (g->live + l->need[v] > g->limit) g->limit = g->live + l->need[v];
        g->live += g->growth[v];
        for (BTL_EACH(k, l->uses, v)) {
            int s = l->uses.item[k];
            last[s] ^= v;
            if (--left[s] != 1 || l->pinned[s]) continue;
            int u = last[s];
            g->growth[u] -= l->bytes[s];
            g->score[u] = g->growth[u] + g->blur[u];
            if (g->is_ready[u]) greedy_tree_set(&t, leaf[u], u);
        }
        for (BTL_EACH(k, l->after, v)) {
            int u = l->after.item[k];
            if (--g->waits[u]) continue;
            greedy_ready(g, u);
            g->score[u] = g->growth[u] + g->blur[u];
            greedy_tree_set(&t, leaf[u], u);
        }
    }
}

/* ---- backward -------------------------------------------------------------------------------- */

/* Going back over v, what it released begins to live and what it made ends. Two trees: by growth, and
 * by what the step needs, for when the former does not fit. */
typedef struct greedy_back {
    greedy_tree growth, step;
    int64_t *step_score;
} greedy_back;

static void greedy_back_set(greedy_run *g, greedy_back *b, int v) {
    g->score[v] = g->growth[v] + g->blur[v];
    b->step_score[v] = g->growth[v] + g->l->need[v];
    greedy_tree_set(&b->growth, v, g->is_ready[v] ? v : -1);
    if (g->how->under) greedy_tree_set(&b->step, v, g->is_ready[v] ? v : -1);
}

static void greedy_backward(greedy_run *g, btl_arena *a, int *order) {
    const btl_liveness *l = g->l;
    int n = l->nops;
    greedy_back b = { .step_score = BTL_ARRAY(a, int64_t, n + 1) };
    b.growth = greedy_tree_new(a, n, g->score, g->tie);
    b.step = greedy_tree_new(a, n, b.step_score, g->tie);
    b.step.second = g->score;
    bool *lives = BTL_ARRAY(a, bool, l->nstores + 1);
    for (int i = 0; i < n; i++) g->growth[i] = -l->makes[i];
    for (int s = 0; s < l->nstores; s++) {
        lives[s] = l->pinned[s];
        for (int k = l->users.first[s]; k < l->users.first[s + 1] && !lives[s]; k++) g->growth[l->users.item[k]] += l->bytes[s];
    }
    for (int i = 0; i < n; i++)
        if (!(g->waits[i] = l->after.first[i + 1] - l->after.first[i])) {
            greedy_ready(g, i);
            greedy_back_set(g, &b, i);
        }
    for (int i = n - 1; i >= 0; i--) {
        int v = b.growth.winner[1];
        if (g->how->under && g->live + b.step_score[v] > g->limit) v = b.step.winner[1];
        order[i] = v;
        if (g->live + b.step_score[v] > g->limit) g->limit = g->live + b.step_score[v];
        g->live += g->growth[v];
        g->is_ready[v] = false;
        greedy_back_set(g, &b, v);
        for (BTL_EACH(k, l->uses, v)) {
            int s = l->uses.item[k];
            if (lives[s]) continue;
            lives[s] = true;
            for (BTL_EACH(j, l->users, s)) {
                int u = l->users.item[j];
                if (u == v) continue;
                g->growth[u] -= l->bytes[s];
                if (g->is_ready[u]) greedy_back_set(g, &b, u);
            }
        }
        for (BTL_EACH(k, l->before, v)) {
            int u = l->before.item[k];
            if (--g->waits[u]) continue;
            greedy_ready(g, u);
            greedy_back_set(g, &b, u);
        }
    }
}

static int64_t greedy_at_ends(const btl_liveness *l, bool end) {
    int64_t live = l->base;
    for (int s = 0; s < l->nstores; s++)
        if (end ? l->pinned[s] : l->maker[s] < 0) live += l->bytes[s];
    return live;
}

void btl_order_greedy(btl_arena *scratch, const btl_liveness *l, const order_greedy *how, const int *given, int64_t limit, uint64_t seed, int *order) {
    btl_mark mark = btl_arena_mark(scratch);
    greedy_run g = { .l = l, .how = how, .seed = seed, .limit = limit, .live = greedy_at_ends(l, how->backward) };
    greedy_begin(&g, scratch, given);
    if (how->backward) greedy_backward(&g, scratch, order);
    else greedy_forward(&g, scratch, order);
    btl_arena_reset(scratch, mark);
}

/* ---- depth first ------------------------------------------------------------------------------ */

typedef struct greedy_child { int64_t key; int op; } greedy_child;

static int greedy_by_key(const void *x, const void *y) {
    const greedy_child *a = x, *b = y;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return a->op < b->op ? -1 : a->op > b->op;
}

/* The ops of a row, in the order in which they are to be visited. */
static void greedy_children(const btl_liveness *l, const int *rank, bool reversed, bool by_bytes, int n, greedy_child *c) {
    for (int i = 0; i < n; i++) {
        int64_t key = reversed ? -(int64_t)rank[c[i].op] : rank[c[i].op];
        c[i].key = by_bytes ? -l->makes[c[i].op] : key;
    }
    qsort(c, (size_t)n, sizeof *c, greedy_by_key);
}

void btl_order_depth_first(btl_arena *scratch, const btl_liveness *l, const int *given, bool reversed, bool by_bytes, int *order) {
    btl_mark mark = btl_arena_mark(scratch);
    int n = l->nops, nstack = 0, placed = 0;
    int *rank = BTL_ARRAY(scratch, int, n + 1), *stack = BTL_ARRAY(scratch, int, n + 1), *at = BTL_ARRAY(scratch, int, n + 1);
    bool *seen = BTL_ARRAY(scratch, bool, n + 1);
    greedy_child *children = BTL_ARRAY(scratch, greedy_child, l->before.first[n] + 1);
    for (int i = 0; i < n; i++) rank[given[i]] = i, at[i] = l->before.first[i];
    for (int i = 0; i < n; i++) {
        for (BTL_EACH(k, l->before, i)) children[k].op = l->before.item[k];
        greedy_children(l, rank, reversed, by_bytes, l->before.first[i + 1] - l->before.first[i], children + l->before.first[i]);
    }
    for (int i = 0; i < n; i++) {
        int sink = given[reversed ? n - 1 - i : i];
        if (l->after.first[sink + 1] > l->after.first[sink]) continue;
        stack[nstack++] = sink, seen[sink] = true;
        while (nstack) {
            int v = stack[nstack - 1];
            while (at[v] < l->before.first[v + 1] && seen[children[at[v]].op]) at[v]++;
            if (at[v] == l->before.first[v + 1]) {
                order[placed++] = v;
                nstack--;
            } else {
                int u = children[at[v]++].op;
                stack[nstack++] = u, seen[u] = true;
            }
        }
    }
    btl_arena_reset(scratch, mark);
}

/* ---- small ones first ---------------------------------------------------------------------------- */

bool btl_order_small_first(btl_arena *scratch, const btl_liveness *l, const int *given, int *order) {
    btl_mark mark = btl_arena_mark(scratch);
    int n = l->nops, placed = 0, nstack = 0, *stack = BTL_ARRAY(scratch, int, n + 1), *at = BTL_ARRAY(scratch, int, n + 1);
    bool *late = BTL_ARRAY(scratch, bool, n + 1); /* and not yet placed */
    int64_t most = 0;
    for (int i = 0; i < n; i++)
        if (l->makes[i] > most) most = l->makes[i];
    for (int i = 0; i < n; i++) {
        int v = given[i];
        late[v] = l->makes[v] > most / 2;
        for (BTL_EACH(k, l->before, v)) late[v] |= late[l->before.item[k]];
        if (!late[v]) order[placed++] = v;
    }
    for (int i = 0; i < n; i++) at[i] = l->before.first[i];
    for (int i = 0; i < n; i++) {
        int sink = given[i];
        if (!late[sink] || l->after.first[sink + 1] > l->after.first[sink]) continue;
        for (stack[nstack++] = sink; nstack;) {
            int v = stack[nstack - 1];
            while (at[v] < l->before.first[v + 1] && !late[l->before.item[at[v]]]) at[v]++;
            if (at[v] < l->before.first[v + 1]) stack[nstack++] = l->before.item[at[v]++];
            else late[v] = false, order[placed++] = v, nstack--;
        }
    }
    btl_arena_reset(scratch, mark);
    return n && memcmp(order, given, (size_t)n * sizeof *order) != 0;
}
