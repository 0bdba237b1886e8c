/* order_bound.c - a minimum cut per op: what no order can be below.
 *
 * Whatever the order, the ops I that have run before v are closed under "before", contain what v follows, and neither v nor what
 * follows v. What lives then is a cut: the storages made in I that somebody outside I touches, or that stay. So
 * the least over all such I is a minimum cut, found by a maximum flow (Dinic 1970):
 *     maker -> storage   the bytes;     storage -> each user     infinite;
 *     op -> each op before it   infinite (I is closed);
 *     source: what v follows;           sink: v, what follows v, and "stays to the end".
 * With what v itself needs it bounds every order's step of v, and the cut tells what to run before v.
 *
 * Of a set of ops one runs first. The least over its members, each cut as if none of the others had run, so is a bound as
 * well: it sees that when the first of many parameters' gradients is added up, what all the others are made of is still
 * there. Likewise the last, with all others run. A member that can be first at or below the bound that is to be passed makes
 * the set useless, and the smaller the set, the lower are the cuts of the rest: so dropping such members until none is left
 * or all are above finds the best set there is.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/order_parts.h"

#include <string.h>

#define BOUND_INFINITE (INT64_C(1) << 61)

typedef struct order_among { bool last; int n; const int *ops; } order_among;

typedef struct bound_arc { int to; int64_t room; } bound_arc; /* its reverse is arc ^ 1 */

typedef struct bound_net {
    int nnodes, narcs, capacity;
    bound_arc *arcs;
    int *tail;             /* of each arc */
    int *first, *at;       /* arcs in rows by their tail */
    int *row;
    int *level, *queue, *path;
    btl_arena *scratch;
    int64_t *steps;
} bound_net;

enum { BOUND_SOURCE, BOUND_SINK, BOUND_OPS };

enum { BOUND_OPEN, BOUND_BEFORE, BOUND_BEHIND }; /* of each op: undecided, in I, outside I */

static void bound_arc_add(bound_net *b, int from, int to, int64_t room) {
    b->arcs[b->narcs] = (bound_arc){ to, room };
    b->tail[b->narcs++] = from;
    b->arcs[b->narcs] = (bound_arc){ from, 0 };
    b->tail[b->narcs++] = to;
}

/* Decides the ops of the queue's first n, and all behind them (or before them); false if one of them is decided otherwise. */
static bool bound_spread(const btl_liveness *l, bool behind, int n, char *side, int *queue, int64_t *steps) {
    const btl_lists *rows = behind ? &l->after : &l->before;
    char mine = behind ? BOUND_BEHIND : BOUND_BEFORE;
    for (int i = 0; i < n; i++)
        for (BTL_EACH(k, *rows, queue[i])) {
            int u = rows->item[k];
            --*steps;
            if (side[u] == BOUND_OPEN) side[u] = mine, queue[n++] = u;
            else if (side[u] != mine) return false;
        }
    return true;
}

/* Everything that v follows, or that follows it, is decided; and the others of a set. False if v can't be the first (last) of it. */
static bool bound_mark(const btl_liveness *l, int v, const order_among *among, char *side, int *queue, int64_t *steps) {
    int n = 0;
    queue[n++] = v;
    side[v] = BOUND_BEFORE; /* a root: only what stands before it */
    bound_spread(l, false, n, side, queue, steps);
    side[v] = BOUND_BEHIND;
    if (!bound_spread(l, true, 1, side, (queue[0] = v, queue), steps)) return false;
    if (!among) return true;
    n = 0;
    char mine = among->last ? BOUND_BEFORE : BOUND_BEHIND;
    for (int i = 0; i < among->n; i++) {
        int u = among->ops[i];
        if (u == v || side[u] == mine) continue;
        if (side[u] != BOUND_OPEN) return false;
        side[u] = mine, queue[n++] = u;
    }
    return bound_spread(l, !among->last, n, side, queue, steps);
}

/* Arcs of one storage; what surely lives at v's step is returned instead. */
static int64_t bound_storage(bound_net *b, const btl_liveness *l, int s, const char *side, const int *node) {
    int maker = l->maker[s] >= 0 ? side[l->maker[s]] : BOUND_BEFORE, nopen = 0, last = -1;
    if (maker == BOUND_BEHIND) return 0;
    bool stays = l->pinned[s];
    for (int k = l->users.first[s]; k < l->users.first[s + 1] && !stays; k++) {
        int u = l->users.item[k];
        if (side[u] == BOUND_BEHIND) stays = true;
        else if (side[u] == BOUND_OPEN && u != l->maker[s]) nopen++, last = u;
    }
    if (stays && maker == BOUND_BEFORE) return l->bytes[s];
    int from = maker == BOUND_BEFORE ? BOUND_SOURCE : node[l->maker[s]];
    if (stays) {
        bound_arc_add(b, from, BOUND_SINK, l->bytes[s]);
    } else if (nopen == 1) {
        bound_arc_add(b, from, node[last], l->bytes[s]);
    } else if (nopen > 1) {
        int mine = b->nnodes++;
        bound_arc_add(b, from, mine, l->bytes[s]);
        for (BTL_EACH(k, l->users, s)) {
            int u = l->users.item[k];
            if (side[u] == BOUND_OPEN && u != l->maker[s]) bound_arc_add(b, mine, node[u], BOUND_INFINITE);
        }
    }
    return 0;
}

static void bound_rows(bound_net *b) {
    b->first = BTL_ARRAY(b->scratch, int, b->nnodes + 1);
    b->row = BTL_ARRAY(b->scratch, int, b->narcs + 1);
    b->at = BTL_ARRAY(b->scratch, int, b->nnodes + 1);
    b->level = BTL_ARRAY(b->scratch, int, b->nnodes + 1);
    b->queue = BTL_ARRAY(b->scratch, int, b->nnodes + 1);
    b->path = BTL_ARRAY(b->scratch, int, b->nnodes + 1);
    for (int i = 0; i < b->narcs; i++) b->first[b->tail[i] + 1]++;
    for (int i = 0; i < b->nnodes; i++) b->first[i + 1] += b->first[i];
    memcpy(b->at, b->first, (size_t)b->nnodes * sizeof *b->at);
    for (int i = 0; i < b->narcs; i++) b->row[b->at[b->tail[i]]++] = i;
}

/* Levels by distance to the sink: dead ends are never entered. */
static bool bound_levels(bound_net *b) {
    int n = 0;
    for (int i = 0; i < b->nnodes; i++) b->level[i] = -1;
    b->level[BOUND_SINK] = 0;
    b->queue[n++] = BOUND_SINK;
    for (int i = 0; i < n && b->level[BOUND_SOURCE] < 0; i++) {
        int x = b->queue[i];
        *b->steps -= b->first[x + 1] - b->first[x];
        for (int k = b->first[x]; k < b->first[x + 1]; k++) {
            int arc = b->row[k], y = b->arcs[arc].to;
            if (b->level[y] < 0 && b->arcs[arc ^ 1].room > 0) b->level[y] = b->level[x] + 1, b->queue[n++] = y;
        }
    }
    return b->level[BOUND_SOURCE] >= 0;
}

/* One path's worth along the levels. */
static int64_t bound_push(bound_net *b, int length) {
    int64_t room = BOUND_INFINITE;
    for (int i = 0; i < length; i++)
        if (b->arcs[b->path[i]].room < room) room = b->arcs[b->path[i]].room;
    for (int i = 0; i < length; i++) b->arcs[b->path[i]].room -= room, b->arcs[b->path[i] ^ 1].room += room;
    *b->steps -= length;
    return room;
}

static int64_t bound_blocking_flow(bound_net *b) {
    int64_t flow = 0;
    memcpy(b->at, b->first, (size_t)b->nnodes * sizeof *b->at);
    int x = BOUND_SOURCE, length = 0;
    for (;;) {
        if (x == BOUND_SINK) {
            flow += bound_push(b, length);
            int full = 0;
            while (b->arcs[b->path[full]].room > 0) full++;
            length = full;
            x = b->tail[b->path[full]];
            continue;
        }
        int *at = &b->at[x], end = b->first[x + 1], start = *at;
        while (*at < end && (b->arcs[b->row[*at]].room <= 0 || b->level[b->arcs[b->row[*at]].to] != b->level[x] - 1)) ++*at;
        *b->steps -= *at - start + 1;
        if (*at < end) {
            b->path[length++] = b->row[*at];
            x = b->arcs[b->row[*at]].to;
        } else if (x == BOUND_SOURCE) {
            return flow;
        } else {
            b->level[x] = -1;
            x = b->tail[b->path[--length]];
        }
    }
}

/* Nodes on the source's side: those it reaches (the fewest), or all that do not reach the sink. */
static void bound_sides(bound_net *b, bool largest, bool *in) {
    if (largest) { /* the levels that did not reach the source */
        for (int i = 0; i < b->nnodes; i++) in[i] = b->level[i] < 0;
        return;
    }
    int n = 0;
    memset(in, 0, (size_t)b->nnodes * sizeof *in);
    in[BOUND_SOURCE] = true;
    b->queue[n++] = BOUND_SOURCE;
    for (int i = 0; i < n; i++)
        for (int k = b->first[b->queue[i]]; k < b->first[b->queue[i] + 1]; k++) {
            const bound_arc *arc = &b->arcs[b->row[k]];
            if (arc->room > 0 && !in[arc->to]) in[arc->to] = true, b->queue[n++] = arc->to;
        }
}

static int64_t bound_cut(btl_arena *scratch, const btl_liveness *l, int v, const order_among *among, bool largest, bool *prefix, int64_t *steps) {
    bound_net b = { .scratch = scratch, .steps = steps, .nnodes = BOUND_OPS };
    char *side = BTL_ARRAY(scratch, char, l->nops + 1);
    int *node = BTL_ARRAY(scratch, int, l->nops + 1);
    if (!bound_mark(l, v, among, side, node, steps)) return INT64_MAX;
    int most = 2 * (l->nops + l->nstores + l->users.first[l->nstores] + l->before.first[l->nops]);
    b.arcs = btl_arena_alloc(scratch, ((size_t)most + 1) * sizeof *b.arcs);
    b.tail = btl_arena_alloc(scratch, ((size_t)most + 1) * sizeof *b.tail);
    for (int i = 0; i < l->nops; i++) node[i] = side[i] == BOUND_OPEN ? b.nnodes++ : side[i] == BOUND_BEFORE ? BOUND_SOURCE : BOUND_SINK;
    int64_t bytes = l->base + l->need[v];
    for (int s = 0; s < l->nstores; s++) bytes += bound_storage(&b, l, s, side, node);
    for (int i = 0; i < l->nops; i++)
        if (side[i] == BOUND_OPEN)
            for (BTL_EACH(k, l->before, i))
                if (side[l->before.item[k]] == BOUND_OPEN) bound_arc_add(&b, node[i], node[l->before.item[k]], BOUND_INFINITE);
    *steps -= b.narcs + l->nops + l->nstores;
    bound_rows(&b);
    while (bound_levels(&b)) {
        bytes += bound_blocking_flow(&b);
        if (*steps < 0) return -1;
    }
    if (prefix) {
        bool *in = BTL_ARRAY(scratch, bool, b.nnodes);
        bound_sides(&b, largest, in);
        for (int i = 0; i < l->nops; i++) prefix[i] = side[i] == BOUND_BEFORE || (side[i] == BOUND_OPEN && in[node[i]]);
    }
    return bytes;
}

int64_t btl_order_cut(btl_arena *scratch, const btl_liveness *l, int v, bool largest, bool *prefix, int64_t *steps) {
    btl_arena *mine = btl_arena_begin(scratch);
    int64_t bytes = *steps < 0 ? -1 : bound_cut(mine, l, v, NULL, largest, prefix, steps);
    btl_arena_end(mine);
    return bytes;
}

/* ---- sets ---------------------------------------------------------------------------------------- */

/* Of a set of ops: what an order runs before its first member, and how many bytes live then. (Of the last: what it runs
 * behind the last member.) Not all flows need be computed: what stands before v as well may run next, and that is a cut. */
typedef struct bound_set {
    const btl_liveness *l;
    bool last;
    bool *member;
    bool *outer;    /* ops that can run before any member, as far as it makes less live */
    int *outer_use; /* of each storage: how many of them touch it */
    int64_t live;
    bool *seen;
    int *queue, *touched, *stores;
} bound_set;

/* Bytes of a storage between the ops of a closed set and the rest, by how many of its users are in the set. For the last, the set is
 * what runs behind. */
static int64_t bound_set_bytes(const bound_set *b, int s, int in, bool maker_in) {
    const btl_liveness *l = b->l;
    bool made = b->last ? !maker_in : maker_in || l->maker[s] < 0;
    bool wanted = l->pinned[s] || (b->last ? in > 0 : in < l->users.first[s + 1] - l->users.first[s]);
    return made && wanted ? l->bytes[s] : 0;
}

/* Takes op v into the outer ones: what that changes of what lives. */
static int64_t bound_set_take(bound_set *b, int v) {
    const btl_liveness *l = b->l;
    int64_t change = 0;
    for (BTL_EACH(k, l->uses, v)) {
        int s = l->uses.item[k];
        change -= bound_set_bytes(b, s, b->outer_use[s], l->maker[s] >= 0 && b->outer[l->maker[s]]);
    }
    b->outer[v] = true;
    for (BTL_EACH(k, l->uses, v)) {
        int s = l->uses.item[k];
        b->outer_use[s]++;
        change += bound_set_bytes(b, s, b->outer_use[s], l->maker[s] >= 0 && b->outer[l->maker[s]]);
    }
    return change;
}

static void bound_set_untake(bound_set *b, int v) {
    b->outer[v] = false;
    for (BTL_EACH(k, b->l->uses, v)) b->outer_use[b->l->uses.item[k]]--;
}

/* The outer ops: as many as the order at hand can run without a member, up to where least lives. */
static void bound_set_outer(bound_set *b, const int *order, int64_t *steps) {
    const btl_liveness *l = b->l;
    const btl_lists *rows = b->last ? &l->after : &l->before;
    memset(b->outer, 0, (size_t)l->nops * sizeof *b->outer);
    memset(b->outer_use, 0, (size_t)l->nstores * sizeof *b->outer_use);
    b->live = l->base;
    for (int s = 0; s < l->nstores; s++) b->live += bound_set_bytes(b, s, 0, false);
    int64_t live = b->live;
    int n = 0, best = 0;
    for (int i = 0; i < l->nops; i++) {
        int v = order[b->last ? l->nops - 1 - i : i];
        bool may = !b->member[v];
        for (int k = rows->first[v]; k < rows->first[v + 1] && may; k++) may = b->outer[rows->item[k]];
        if (!may) continue;
        live += bound_set_take(b, v);
        b->queue[n++] = v;
        if (live <= b->live) b->live = live, best = n;
    }
    while (n > best) bound_set_untake(b, b->queue[--n]);
    *steps -= l->nops + l->uses.first[l->nops] + l->before.first[l->nops];
}

static void bound_set_begin(bound_set *b, btl_arena *a, int n, const int *ops) {
    const btl_liveness *l = b->l;
    b->member = BTL_ARRAY(a, bool, l->nops + 1), b->outer = BTL_ARRAY(a, bool, l->nops + 1), b->seen = BTL_ARRAY(a, bool, l->nops + 1);
    b->outer_use = BTL_ARRAY(a, int, l->nstores + 1), b->touched = BTL_ARRAY(a, int, l->nstores + 1);
    b->queue = BTL_ARRAY(a, int, l->nops + 1), b->stores = BTL_ARRAY(a, int, l->nstores + 1);
    for (int i = 0; i < n; i++) b->member[ops[i]] = true;
}

/* The bytes at v's step if beyond the outer ops just those run first that v follows: its cut is not above. INT64_MAX if one of them is
 * a member: v is not the first. */
static int64_t bound_set_upper(bound_set *b, int v, int64_t *steps) {
    const btl_liveness *l = b->l;
    const btl_lists *rows = b->last ? &l->after : &l->before;
    int n = 0, ntouched = 0;
    bool is_first = true;
    b->queue[n++] = v;
    for (int i = 0; i < n && is_first; i++)
        for (BTL_EACH(k, *rows, b->queue[i])) {
            int u = rows->item[k];
            if (b->member[u]) is_first = false;
            if (!b->outer[u] && !b->seen[u]) b->seen[u] = true, b->queue[n++] = u;
        }
    b->seen[v] = b->last; /* what runs behind contains v, what runs before does not */
    int64_t live = b->live;
    for (int i = b->last ? 0 : 1; i < n && is_first; i++)
        for (BTL_EACH(k, l->uses, b->queue[i])) {
            int s = l->uses.item[k];
            bool maker_outer = l->maker[s] >= 0 && b->outer[l->maker[s]];
            if (b->touched[s]++ == 0) b->stores[ntouched++] = s, live -= bound_set_bytes(b, s, b->outer_use[s], maker_outer);
        }
    for (int i = 0; i < ntouched; i++) {
        int s = b->stores[i], maker = l->maker[s];
        live += bound_set_bytes(b, s, b->outer_use[s] + b->touched[s], maker >= 0 && (b->outer[maker] || b->seen[maker]));
        b->touched[s] = 0;
    }
    for (int i = 0; i < n; i++) b->seen[b->queue[i]] = false;
    *steps -= n + ntouched;
    return is_first ? live + l->need[v] : INT64_MAX;
}

int64_t btl_order_cut_among(btl_arena *scratch, const btl_liveness *l, bool last, int64_t above, const int *order, int *n, int *ops, int64_t *steps) {
    btl_arena *mine = btl_arena_begin(scratch);
    bound_set set = { .l = l, .last = last };
    bound_set_begin(&set, mine, *n, ops);
    order_among among = { last, *n, ops };
    int64_t least = -1;
    for (bool dropped = true; dropped && among.n && *steps >= 0;) {
        dropped = false;
        least = INT64_MAX;
        bound_set_outer(&set, order, steps);
        for (int i = 0; i < among.n && *steps >= 0;) {
            int64_t bytes = bound_set_upper(&set, ops[i], steps);
            if (bytes > above && bytes < INT64_MAX) {
                btl_mark mark = btl_arena_mark(mine);
                bytes = bound_cut(mine, l, ops[i], &among, false, NULL, steps);
                btl_arena_reset(mine, mark);
            }
            if (bytes > above) {
                if (bytes < least) least = bytes;
                i++;
            } else {
                set.member[ops[i]] = false;
                memmove(ops + i, ops + i + 1, (size_t)(--among.n - i) * sizeof *ops);
                dropped = true;
            }
        }
    }
    btl_arena_end(mine);
    *n = among.n;
    return among.n && *steps >= 0 ? least : -1;
}
