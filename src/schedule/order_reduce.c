/* order_reduce.c - a smaller problem with the same least peak, and where a problem falls into pieces.
 *
 * Two ops become one where some best order runs v right behind u (hill-valley, as in Liu 1987 for trees):
 *   - v can run as soon as u has, releases at least what it makes, and stays below u's own step: then right behind u;
 *   - u is needed by v first, makes at least what it releases, and stays below v's step: then right before v.
 * "Releases" is what is certain in every order; so the conditions are about neighbours only, and merging one pair
 * keeps those of another.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/order_parts.h"

#include <string.h>

typedef struct reduce {
    bool rough;
    btl_arena *a, *scratch;
    btl_liveness *l;
    int *mark, *mark_after; /* of each op: stamped if it is among the ops in question */
    int stamp, stamp_after;
    int *with;      /* of each op: the op it merges with, or -1 */
    bool *first;    /* it comes first of the two */
} reduce;

/* ---- what is dead at once is no storage, but need of its op -------------------------------- */

static btl_liveness *reduce_copy(btl_arena *a, const btl_liveness *l) {
    btl_liveness *c = BTL_NEW(a, btl_liveness);
    *c = *l;
    c->root = c->store_of = NULL;
    c->makes = btl_arena_copy(a, l->makes, ((size_t)l->nops + 1) * sizeof *l->makes);
    c->need = btl_arena_copy(a, l->need, ((size_t)l->nops + 1) * sizeof *l->need);
    c->workspace = btl_arena_copy(a, l->workspace, ((size_t)l->nops + 1) * sizeof *l->workspace);
    return c;
}

/* Storages that are kept get their new number, others -1. */
static void reduce_storages(btl_arena *a, btl_arena *scratch, const btl_liveness *l, btl_liveness *to, const int *group) {
    int *store = BTL_ARRAY(scratch, int, l->nstores + 1), npairs = 0;
    int (*pairs)[2] = btl_arena_array(scratch, (size_t)l->uses.first[l->nops] + 1, sizeof *pairs);
    int64_t *bytes = BTL_ARRAY(a, int64_t, l->nstores + 1);
    int *maker = BTL_ARRAY(a, int, l->nstores + 1);
    bool *pinned = BTL_ARRAY(a, bool, l->nstores + 1);
    int n = 0;
    for (int s = 0; s < l->nstores; s++) {
        int made_by = l->maker[s] >= 0 ? group[l->maker[s]] : -1;
        bool inside = made_by >= 0 && !l->pinned[s];
        for (int k = l->users.first[s]; k < l->users.first[s + 1] && inside; k++) inside = group[l->users.item[k]] == made_by;
        store[s] = -1;
        if (inside) {
            to->makes[made_by] -= l->bytes[s];
            continue;
        }
        store[s] = n;
        bytes[n] = l->bytes[s], maker[n] = made_by, pinned[n++] = l->pinned[s];
        for (BTL_EACH(k, l->users, s)) pairs[npairs][0] = group[l->users.item[k]], pairs[npairs++][1] = store[s];
    }
    to->nstores = n, to->bytes = bytes, to->maker = maker, to->pinned = pinned;
    to->uses = btl_lists_new(a, to->nops, n, npairs, (const int (*)[2])pairs);
    for (int i = 0; i < npairs; i++) {
        int op = pairs[i][0];
        pairs[i][0] = pairs[i][1], pairs[i][1] = op;
    }
    to->users = btl_lists_new(a, n, to->nops, npairs, (const int (*)[2])pairs);
}

/* ---- pairs ------------------------------------------------------------------------------------ */

/* Stamps the ops that have surely run when u has: u and those right before it. */
static void reduce_stamp_before(reduce *r, int u) {
    r->stamp++;
    r->mark[u] = r->stamp;
    for (BTL_EACH(k, r->l->before, u)) r->mark[r->l->before.item[k]] = r->stamp;
}

static void reduce_stamp_after(reduce *r, int u) {
    r->stamp_after++;
    for (BTL_EACH(k, r->l->after, u)) r->mark_after[r->l->after.item[k]] = r->stamp_after;
}

/* Bytes that op v releases in every order: storages that only stamped ops touch. */
static int64_t reduce_sure_release(const reduce *r, int v) {
    int64_t bytes = 0;
    for (BTL_EACH(k, r->l->uses, v)) {
        int s = r->l->uses.item[k];
        bool sure = !r->l->pinned[s];
        for (int j = r->l->users.first[s]; j < r->l->users.first[s + 1] && sure; j++) sure = r->mark[r->l->users.item[j]] == r->stamp;
        if (sure) bytes += r->l->bytes[s];
    }
    return bytes;
}

/* Does every order release the same at u: each storage surely, or surely not, because an op behind u touches it? */
static bool reduce_release_is_fixed(const reduce *r, int u) {
    for (BTL_EACH(k, r->l->uses, u)) {
        int s = r->l->uses.item[k];
        bool sure = true, later = r->l->pinned[s];
        for (int j = r->l->users.first[s]; j < r->l->users.first[s + 1] && !later; j++) {
            int op = r->l->users.item[j];
            sure = sure && r->mark[op] == r->stamp;
            later = r->mark_after[op] == r->stamp_after;
        }
        if (!sure && !later) return false;
    }
    return true;
}

static bool reduce_behind(reduce *r, int u, int v) {
    const btl_liveness *l = r->l;
    reduce_stamp_before(r, u);
    for (BTL_EACH(k, l->before, v))
        if (r->mark[l->before.item[k]] != r->stamp) return false;
    if (l->makes[u] - reduce_sure_release(r, u) + l->need[v] > l->need[u]) return false;
    r->mark[v] = r->stamp;
    return l->makes[v] <= reduce_sure_release(r, v);
}

/* On success the step of the two needs *need. */
static bool reduce_ahead(reduce *r, int u, int v, int64_t *need) {
    const btl_liveness *l = r->l;
    reduce_stamp_after(r, v);
    r->mark_after[v] = r->stamp_after;
    for (BTL_EACH(k, l->after, u))
        if (r->mark_after[l->after.item[k]] != r->stamp_after) return false;
    reduce_stamp_before(r, u);
    reduce_stamp_after(r, u);
    if (!reduce_release_is_fixed(r, u)) return false;
    int64_t growth = l->makes[u] - reduce_sure_release(r, u);
    *need = growth + l->need[v];
    return growth >= 0 && l->need[u] <= *need;
}

/* Bytes that op u can release in some order: storages that no op behind it touches. */
static int64_t reduce_most_release(const reduce *r, int u) {
    int64_t bytes = 0;
    for (BTL_EACH(k, r->l->uses, u)) {
        int s = r->l->uses.item[k];
        bool later = r->l->pinned[s];
        for (int j = r->l->users.first[s]; j < r->l->users.first[s + 1] && !later; j++) later = r->mark_after[r->l->users.item[j]] == r->stamp_after;
        if (!later) bytes += r->l->bytes[s];
    }
    return bytes;
}

/* The same two rules without the conditions on steps: what surely does not grow follows at once, and what grows in any case
 * waits for the op that needs it. Often right, and the problem becomes far smaller. */
static bool reduce_roughly(reduce *r, int u, int v, int64_t *need) {
    const btl_liveness *l = r->l;
    reduce_stamp_after(r, v);
    r->mark_after[v] = r->stamp_after;
    bool ahead = true, behind = true;
    for (int k = l->after.first[u]; k < l->after.first[u + 1] && ahead; k++) ahead = r->mark_after[l->after.item[k]] == r->stamp_after;
    reduce_stamp_before(r, u);
    reduce_stamp_after(r, u);
    int64_t growth = l->makes[u] - reduce_sure_release(r, u);
    ahead = ahead && l->makes[u] >= reduce_most_release(r, u);
    for (int k = l->before.first[v]; k < l->before.first[v + 1] && behind; k++) behind = r->mark[l->before.item[k]] == r->stamp;
    r->mark[v] = r->stamp;
    behind = behind && l->makes[v] <= reduce_sure_release(r, v);
    *need = growth + l->need[v] > l->need[u] ? growth + l->need[v] : l->need[u];
    return ahead || behind;
}

static int reduce_pairs(reduce *r) {
    btl_liveness *l = r->l;
    int found = 0;
    for (int u = 0; u < l->nops; u++) r->with[u] = -1;
    for (int u = 0; u < l->nops; u++) {
        if (l->after.first[u + 1] - l->after.first[u] > 32) continue; /* unlikely, and square */
        for (int k = l->after.first[u]; k < l->after.first[u + 1] && r->with[u] < 0; k++) {
            int v = l->after.item[k];
            int64_t need = l->need[u];
            if (r->with[v] >= 0 || l->before.first[v + 1] - l->before.first[v] > 32) continue;
            if (!reduce_behind(r, u, v) && !reduce_ahead(r, u, v, &need) && !(r->rough && reduce_roughly(r, u, v, &need))) continue;
            r->with[u] = v, r->with[v] = u;
            r->first[u] = true, r->first[v] = false;
            l->need[u] = need;
            found++;
        }
    }
    return found;
}

/* The problem in which the pairs are ops. */
static order_groups reduce_merge(reduce *r, const order_groups *from) {
    const btl_liveness *l = r->l;
    btl_liveness *to = BTL_NEW(r->a, btl_liveness);
    int *group = BTL_ARRAY(r->scratch, int, l->nops + 1), npairs = 0;
    for (int i = 0; i < l->nops; i++)
        if (r->with[i] < 0 || r->first[i]) group[i] = to->nops++;
    for (int i = 0; i < l->nops; i++)
        if (r->with[i] >= 0 && !r->first[i]) group[i] = group[r->with[i]];
    to->base = l->base;
    to->makes = BTL_ARRAY(r->a, int64_t, to->nops + 1);
    to->need = BTL_ARRAY(r->a, int64_t, to->nops + 1);
    to->workspace = BTL_ARRAY(r->a, int64_t, to->nops + 1);
    int nedges = l->before.first[l->nops], nall = from->ops.first[l->nops], nops = 0;
    int (*pairs)[2] = btl_arena_array(r->scratch, (size_t)nedges + 1, sizeof *pairs);
    order_groups g = { .l = to, .ops = { BTL_ARRAY(r->a, int, to->nops + 1), BTL_ARRAY(r->a, int, nall + 1) } };
    for (int i = 0; i < l->nops; i++) {
        to->makes[group[i]] += l->makes[i];
        for (BTL_EACH(k, l->before, i))
            if (group[l->before.item[k]] != group[i]) pairs[npairs][0] = group[i], pairs[npairs++][1] = group[l->before.item[k]];
        if (r->with[i] >= 0 && !r->first[i]) continue;
        to->need[group[i]] = l->need[i]; /* of the two, as reduce_pairs wrote it */
        for (BTL_EACH(k, from->ops, i)) g.ops.item[nops++] = from->ops.item[k];
        if (r->with[i] >= 0)
            for (BTL_EACH(k, from->ops, r->with[i])) g.ops.item[nops++] = from->ops.item[k];
        g.ops.first[group[i] + 1] = nops;
    }
    to->before = btl_lists_new(r->a, to->nops, to->nops, npairs, (const int (*)[2])pairs);
    for (int i = 0; i < npairs; i++) {
        int op = pairs[i][0];
        pairs[i][0] = pairs[i][1], pairs[i][1] = op;
    }
    to->after = btl_lists_new(r->a, to->nops, to->nops, npairs, (const int (*)[2])pairs);
    reduce_storages(r->a, r->scratch, l, to, group);
    return g;
}

order_groups btl_order_reduce(btl_arena *a, const btl_liveness *l, bool rough) {
    reduce r = { .a = a, .rough = rough };
    order_groups g = { reduce_copy(a, l), { BTL_ARRAY(a, int, l->nops + 1), BTL_ARRAY(a, int, l->nops + 1) } };
    for (int i = 0; i < l->nops; i++) g.ops.first[i + 1] = i + 1, g.ops.item[i] = i;
    for (int pass = 0; pass < 60; pass++) {
        r.scratch = btl_arena_begin(a);
        r.l = g.l;
        int n = r.l->nops + 1;
        r.mark = BTL_ARRAY(r.scratch, int, n), r.mark_after = BTL_ARRAY(r.scratch, int, n);
        r.with = BTL_ARRAY(r.scratch, int, n), r.first = BTL_ARRAY(r.scratch, bool, n);
        r.stamp = r.stamp_after = 0;
        if (pass == 0) { /* what dies at once */
            int *self = BTL_ARRAY(r.scratch, int, n);
            for (int i = 0; i < r.l->nops; i++) self[i] = i;
            reduce_storages(a, r.scratch, l, g.l, self);
        }
        int found = reduce_pairs(&r);
        if (found) g = reduce_merge(&r, &g);
        btl_arena_end(r.scratch);
        if (found <= n / 500) break;
    }
    return g;
}

int btl_order_expand(const order_groups *g, int n, const int *groups, int *order) {
    int placed = 0;
    for (int i = 0; i < n; i++)
        for (BTL_EACH(k, g->ops, groups[i])) order[placed++] = g->ops.item[k];
    return placed;
}

/* By the place of each group's last op. */
void btl_order_of_groups(btl_arena *scratch, const order_groups *g, int nops, const int *order, int *groups) {
    btl_mark mark = btl_arena_mark(scratch);
    int *group = BTL_ARRAY(scratch, int, nops + 1), *wish = BTL_ARRAY(scratch, int, nops + 1), n = 0;
    for (int i = 0; i < nops; i++) group[i] = -1;
    for (int i = 0; i < g->l->nops; i++) group[g->ops.item[g->ops.first[i + 1] - 1]] = i;
    for (int i = 0; i < nops; i++)
        if (group[order[i]] >= 0) wish[n++] = group[order[i]];
    btl_liveness_sort(g->l, wish, scratch, groups);
    btl_arena_reset(scratch, mark);
}

/* ---- pieces ------------------------------------------------------------------------------------ */

/* Step p of any order is comparable with all others if each later op has an op right before it at p or later, and each earlier
 * one an op right behind it at p or earlier: then the ops before p are the same in every order. */
int btl_order_pieces(btl_arena *scratch, const btl_liveness *l, const int *order, int *ends) {
    btl_mark mark = btl_arena_mark(scratch);
    int n = l->nops, npieces = 0;
    int *step = BTL_ARRAY(scratch, int, n + 1), *least = BTL_ARRAY(scratch, int, n + 2);
    for (int i = 0; i < n; i++) step[order[i]] = i;
    least[n] = n; /* over the ops behind step p - 1: the latest op right before each */
    for (int p = n - 1; p >= 0; p--) {
        int latest = -1;
        for (BTL_EACH(k, l->before, order[p]))
            if (step[l->before.item[k]] > latest) latest = step[l->before.item[k]];
        least[p] = latest < least[p + 1] ? latest : least[p + 1];
    }
    for (int p = 0, most = -1; p < n; p++) {
        bool cut = most <= p && least[p + 1] >= p;
        if (cut && p > 0) ends[npieces++] = p; /* the op itself begins the next piece */
        int soonest = n;
        for (BTL_EACH(k, l->after, order[p]))
            if (step[l->after.item[k]] < soonest) soonest = step[l->after.item[k]];
        if (soonest > most) most = soonest;
    }
    if (n) ends[npieces++] = n;
    btl_arena_reset(scratch, mark);
    return npieces;
}
