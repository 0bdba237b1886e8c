/* liveness.c - storages, their ops and the ops' edges from a problem; what an order of them takes. See liveness.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/liveness.h"

#include "base/error.h"
#include "schedule/heap.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

btl_lists btl_lists_new(btl_arena *a, int nrows, int nitems, int n, const int (*pairs)[2]) {
    btl_lists r = { BTL_ARRAY(a, int, nrows + 1), BTL_ARRAY(a, int, n) };
    btl_mark mark = btl_arena_mark(a);
    int *row = BTL_ARRAY(a, int, n), *at = BTL_ARRAY(a, int, nrows + 1), *seen = BTL_ARRAY(a, int, nitems);
    for (int i = 0; i < n; i++) at[pairs[i][0] + 1]++;
    for (int i = 0; i < nrows; i++) at[i + 1] += at[i];
    int *start = BTL_ARRAY(a, int, nrows + 1);
    if (nrows) memcpy(start, at, (size_t)nrows * sizeof *at);
    for (int i = 0; i < n; i++) row[start[pairs[i][0]]++] = pairs[i][1];
    int kept = 0;
    for (int i = 0; i < nrows; i++) {
        r.first[i] = kept;
        for (int k = at[i]; k < at[i + 1]; k++)
            if (seen[row[k]] != i + 1) seen[row[k]] = i + 1, r.item[kept++] = row[k];
    }
    r.first[nrows] = kept;
    btl_arena_reset(a, mark);
    return r;
}

static btl_lists liveness_transposed(btl_arena *a, btl_lists r, int nrows, int nitems) {
    btl_lists t = { BTL_ARRAY(a, int, nitems + 1), BTL_ARRAY(a, int, r.first[nrows]) };
    for (int k = 0; k < r.first[nrows]; k++) t.first[r.item[k] + 1]++;
    for (int i = 0; i < nitems; i++) t.first[i + 1] += t.first[i];
    btl_mark mark = btl_arena_mark(a);
    int *at = BTL_ARRAY(a, int, nitems + 1);
    if (nitems) memcpy(at, t.first, (size_t)nitems * sizeof *at);
    for (int i = 0; i < nrows; i++)
        for (BTL_EACH(k, r, i)) t.item[at[r.item[k]]++] = i;
    btl_arena_reset(a, mark);
    return t;
}

/* ---- from a problem ----------------------------------------------------------------------- */

typedef struct liveness_pairs { int n, capacity; int (*pair)[2]; } liveness_pairs;

static void liveness_pair(btl_arena *a, liveness_pairs *p, int x, int y) {
    int *pair = *BTL_PUSH(a, p->pair, p->n, p->capacity);
    pair[0] = x, pair[1] = y;
}

/* A value that is written over another; `next`: one more over the same, or -1. */
typedef struct liveness_overwrites { int value, next; } liveness_overwrites;

typedef struct liveness_build {
    btl_arena *a, *scratch;
    const btl_schedule *p;
    btl_liveness *l;
    btl_error *err;
    int *producer;  /* of each value: its op or -1 */
    int *old;       /* of each value: the value whose views it is one of; what is written over another begins anew */
    int *root;      /* of each value: the first of its storage */
    int *seen, stamp, *found; /* of the values that lie in several storages, see liveness_origins */
    int *over;      /* of each value that is its own `old`: the last of what is written over a part of it, in `overwrites`, or -1 */
    int noverwrites, capacity;
    liveness_overwrites *overwrites;
    liveness_pairs edges;
} liveness_build;

static const char *liveness_name(const liveness_build *b, int op) {
    return b->p->steps[op].name ? b->p->steps[op].name : "";
}

static btl_status liveness_check_ids(liveness_build *b) {
    const btl_schedule *p = b->p;
    for (int v = 0; v < p->nvalues; v++) b->producer[v] = -1;
    for (int i = 0; i < p->nsteps; i++) {
        const btl_schedule_step *op = &p->steps[i];
        for (int k = 0; k < op->nin + op->nout; k++) {
            int v = k < op->nin ? op->in[k] : op->out[k - op->nin];
            if (v < 0 || v >= p->nvalues)
                return btl_error_set(b->err, BTL_EVALUE, "op %d %s %s value %d; values are 0 to %d", i, liveness_name(b, i), k < op->nin ? "reads" : "makes", v, p->nvalues - 1);
            if (k < op->nin) continue;
            if (b->producer[v] >= 0)
                return btl_error_set(b->err, BTL_EVALUE, "value %d is made twice: by op %d %s and by op %d %s", v, b->producer[v], liveness_name(b, b->producer[v]), i, liveness_name(b, i));
            b->producer[v] = i;
        }
    }
    for (int i = 0; i < p->nedges; i++)
        for (int k = 0; k < 2; k++) {
            int op = k ? p->edges[i].after : p->edges[i].before;
            if (op < 0 || op >= p->nsteps) return btl_error_set(b->err, BTL_EVALUE, "edge %d names op %d; ops are 0 to %d", i, op, p->nsteps - 1);
        }
    return BTL_OK;
}

static btl_status liveness_check_sizes(liveness_build *b) {
    const btl_schedule *p = b->p;
    int64_t total = 0;
    bool fits = true;
    for (int v = 0; v < p->nvalues; v++) {
        if (p->values[v].bytes < 0) return btl_error_set(b->err, BTL_EVALUE, "value %d has %" PRId64 " bytes", v, p->values[v].bytes);
        fits = fits && btl_add_i64(total, p->values[v].bytes, &total);
    }
    for (int i = 0; i < p->nsteps; i++) {
        if (p->steps[i].workspace < 0) return btl_error_set(b->err, BTL_EVALUE, "op %d %s has a workspace of %" PRId64 " bytes", i, liveness_name(b, i), p->steps[i].workspace);
        fits = fits && btl_add_i64(total, p->steps[i].workspace, &total);
    }
    if (!fits || total > INT64_C(1) << 60) return btl_error_set(b->err, BTL_EVALUE, "the sizes of all values and workspaces add up to more than 2^60 bytes");
    return BTL_OK;
}

static btl_status liveness_check_share(liveness_build *b, int v, int from) {
    const btl_schedule *p = b->p;
    int i = b->producer[v];
    if (from < 0 || from >= p->nvalues) return btl_error_set(b->err, BTL_EVALUE, "value %d shares the storage of value %d; values are 0 to %d", v, from, p->nvalues - 1);
    for (int k = 0; i >= 0 && k < p->steps[i].nin; k++)
        if (p->steps[i].in[k] == from) return BTL_OK;
    for (int k = 0; i >= 0 && k < p->steps[i].nout && p->steps[i].out[k] != v; k++)
        if (p->steps[i].out[k] == from) return BTL_OK;
    return btl_error_set(b->err, BTL_EVALUE, "value %d shares the storage of value %d, which its op does not read", v, from);
}

static btl_status liveness_check_shares(liveness_build *b) {
    for (int v = 0; v < b->p->nvalues; v++) {
        const btl_schedule_value *x = &b->p->values[v];
        if (x->into != -1) BTL_TRY(liveness_check_share(b, v, x->into));
        for (int k = 0; k < x->nviews; k++) BTL_TRY(liveness_check_share(b, v, x->views[k]));
        if (x->into != -1 && x->nviews) return btl_error_set(b->err, BTL_EVALUE, "value %d is a view and written over another value", v);
    }
    return BTL_OK;
}

/* Kahn's order; what is left over contains a cycle, and has a predecessor that is left over. */
static btl_status liveness_check_cycle(liveness_build *b, btl_lists before) {
    int n = b->p->nsteps, head = 0, tail = 0;
    btl_mark mark = btl_arena_mark(b->scratch);
    btl_lists after = liveness_transposed(b->scratch, before, n, n);
    int *waits = BTL_ARRAY(b->scratch, int, n + 1), *queue = BTL_ARRAY(b->scratch, int, n + 1);
    for (int i = 0; i < n; i++)
        if (!(waits[i] = before.first[i + 1] - before.first[i])) queue[tail++] = i;
    while (head < tail) {
        int v = queue[head++];
        for (BTL_EACH(k, after, v))
            if (--waits[after.item[k]] == 0) queue[tail++] = after.item[k];
    }
    if (tail == n) {
        btl_arena_reset(b->scratch, mark);
        return BTL_OK;
    }
    int at = 0;
    while (!waits[at]) at++;
    for (int step = 0; step < n; step++) /* back until surely inside a cycle */
        for (BTL_EACH(k, before, at))
            if (waits[before.item[k]]) { at = before.item[k]; break; }
    char text[700];
    size_t used = 0;
    int start = at, length = 0;
    do {
        if (length++ < 8) used += (size_t)snprintf(text + used, sizeof text - used, "%d %.40s, which follows op ", at, liveness_name(b, at));
        for (BTL_EACH(k, before, at))
            if (waits[before.item[k]]) { at = before.item[k]; break; }
    } while (at != start && length < n);
    return btl_error_set(b->err, BTL_EVALUE, "there is no order: a cycle of %d ops: op %s%s%d", length, text, length > 8 ? "… " : "", start);
}

static int liveness_find(int *root, int v) {
    int r = v;
    while (root[r] != r) r = root[r];
    while (root[v] != r) {
        int next = root[v];
        root[v] = r;
        v = next;
    }
    return r;
}

/* What v's chain ends in: itself, unless that is a view of several; then what these end in, each once, in b->found. */
static int liveness_origins(liveness_build *b, int *chain, int v) {
    int n = 0, at = 0;
    b->stamp++;
    b->found[n++] = liveness_find(chain, v);
    b->seen[b->found[0]] = b->stamp;
    while (at < n) {
        int w = b->found[at];
        const btl_schedule_value *x = &b->p->values[w];
        if (x->nviews < 2) {
            at++;
            continue;
        }
        b->found[at] = b->found[--n];
        for (int k = 0; k < x->nviews; k++) {
            int origin = liveness_find(chain, x->views[k]);
            if (b->seen[origin] != b->stamp) b->seen[origin] = b->stamp, b->found[n++] = origin;
        }
    }
    return n;
}

static bool liveness_disjoint(const liveness_build *b, int v, int w) { return b->p->disjoint && b->p->disjoint(b->p->user, v, w); }

/* Of what is written over `old`, what hits value v, from entry `at` on; -1: nothing. */
static int liveness_hit(const liveness_build *b, int at, int v) {
    while (at >= 0 && liveness_disjoint(b, v, b->p->values[b->overwrites[at].value].into)) at = b->overwrites[at].next;
    return at;
}

/* The op that overwrites what of `old` value v takes, or -1. */
static int liveness_overwriter(const liveness_build *b, int old, int v) {
    int at = liveness_hit(b, b->over[old], v);
    return at < 0 ? -1 : b->producer[b->overwrites[at].value];
}

static btl_status liveness_overwrite(liveness_build *b, int v) {
    int into = b->p->values[v].into;
    for (int k = 0, n = liveness_origins(b, b->old, into); k < n; k++) {
        int old = b->found[k], by = liveness_overwriter(b, old, into), entry = b->noverwrites;
        if (by >= 0)
            return btl_error_set(b->err, BTL_EVALUE, "value %d is overwritten twice: by op %d %s and by op %d %s", old, by, liveness_name(b, by), b->producer[v], liveness_name(b, b->producer[v]));
        *BTL_PUSH(b->scratch, b->overwrites, b->noverwrites, b->capacity) = (liveness_overwrites){ v, b->over[old] };
        b->over[old] = entry;
    }
    return BTL_OK;
}

static btl_status liveness_overwriting(liveness_build *b) {
    const btl_schedule *p = b->p;
    for (int v = 0; v < p->nvalues; v++) {
        const btl_schedule_value *x = &p->values[v];
        b->old[v] = x->nviews == 1 ? x->views[0] : v;
        b->root[v] = x->into >= 0 ? x->into : b->old[v];
        b->over[v] = -1;
    }
    for (int v = 0; v < p->nvalues; v++) liveness_find(b->root, v), liveness_find(b->old, v);
    for (int v = 0; v < p->nvalues; v++)
        if (p->values[v].into >= 0) BTL_TRY(liveness_overwrite(b, v));
    for (int v = 0; v < p->nvalues; v++)
        for (int k = 0, n = p->values[v].is_output ? liveness_origins(b, b->old, v) : 0; k < n; k++) {
            int by = liveness_overwriter(b, b->found[k], v);
            if (by >= 0) return btl_error_set(b->err, BTL_EVALUE, "value %d is an output, and op %d %s overwrites its storage", v, by, liveness_name(b, by));
        }
    return BTL_OK;
}

/* Those who read an old value, or make a view of it, run before it is overwritten. */
static void liveness_overwriting_edges(liveness_build *b) {
    for (int i = 0; i < b->p->nsteps; i++)
        for (int k = 0; k < b->p->steps[i].nin; k++)
            for (int v = b->p->steps[i].in[k], j = 0, n = liveness_origins(b, b->old, v); j < n; j++)
                for (int at = liveness_hit(b, b->over[b->found[j]], v); at >= 0; at = liveness_hit(b, b->overwrites[at].next, v)) {
                    int by = b->producer[b->overwrites[at].value];
                    if (by != i) liveness_pair(b->scratch, &b->edges, by, i);
                }
}

static btl_status liveness_edges(liveness_build *b) {
    const btl_schedule *p = b->p;
    for (int i = 0; i < p->nsteps; i++)
        for (int k = 0; k < p->steps[i].nin; k++)
            if (b->producer[p->steps[i].in[k]] >= 0) liveness_pair(b->scratch, &b->edges, i, b->producer[p->steps[i].in[k]]);
    btl_mark mark = btl_arena_mark(b->scratch);
    BTL_TRY(liveness_check_cycle(b, btl_lists_new(b->scratch, p->nsteps, p->nsteps, b->edges.n, (const int (*)[2])b->edges.pair)));
    btl_arena_reset(b->scratch, mark);
    BTL_TRY(liveness_overwriting(b)); /* shares follow the data's edges, so they end */
    int ndata = b->edges.n;
    for (int i = 0; i < p->nedges; i++) liveness_pair(b->scratch, &b->edges, p->edges[i].after, p->edges[i].before);
    liveness_overwriting_edges(b);
    b->l->before = btl_lists_new(b->a, p->nsteps, p->nsteps, b->edges.n, (const int (*)[2])b->edges.pair);
    if (b->edges.n > ndata) BTL_TRY(liveness_check_cycle(b, b->l->before));
    b->l->after = liveness_transposed(b->a, b->l->before, p->nsteps, p->nsteps);
    return BTL_OK;
}

static void liveness_uses(liveness_build *b, liveness_pairs *uses, int step, int v) {
    for (int k = 0, n = liveness_origins(b, b->root, v); k < n; k++)
        if (b->l->store_of[b->found[k]] >= 0) liveness_pair(b->scratch, uses, step, b->l->store_of[b->found[k]]);
}

static void liveness_storages(liveness_build *b) {
    const btl_schedule *p = b->p;
    btl_liveness *l = b->l;
    l->store_of = BTL_ARRAY(b->a, int, p->nvalues + 1);
    l->root = BTL_ARRAY(b->a, int, p->nvalues + 1);
    for (int v = 0; v < p->nvalues; v++) {
        bool charged = b->root[v] == v && p->values[v].nviews < 2 && b->producer[v] >= 0 && !p->values[v].is_free && p->values[v].bytes > 0;
        l->store_of[v] = charged ? l->nstores : -1;
        if (charged) l->root[l->nstores++] = v;
    }
    for (int v = 0; v < p->nvalues; v++) l->store_of[v] = l->store_of[b->root[v]]; /* of a view of several: -1, see `uses` */
    l->maker = BTL_ARRAY(b->a, int, l->nstores + 1);
    l->bytes = BTL_ARRAY(b->a, int64_t, l->nstores + 1);
    l->pinned = BTL_ARRAY(b->a, bool, l->nstores + 1);
    for (int s = 0; s < l->nstores; s++) {
        l->maker[s] = b->producer[l->root[s]];
        l->bytes[s] = p->values[l->root[s]].bytes;
        l->makes[l->maker[s]] += l->bytes[s];
    }
    for (int v = 0; v < p->nvalues; v++)
        for (int k = 0, n = p->values[v].is_output ? liveness_origins(b, b->root, v) : 0; k < n; k++)
            if (l->store_of[b->found[k]] >= 0) l->pinned[l->store_of[b->found[k]]] = true;
    liveness_pairs uses = { 0 };
    for (int i = 0; i < p->nsteps; i++) {
        for (int k = 0; k < p->steps[i].nout; k++) liveness_uses(b, &uses, i, p->steps[i].out[k]);
        for (int k = 0; k < p->steps[i].nin; k++) liveness_uses(b, &uses, i, p->steps[i].in[k]);
        l->workspace[i] = p->steps[i].workspace;
        l->need[i] = l->makes[i] + l->workspace[i];
    }
    l->uses = btl_lists_new(b->a, p->nsteps, l->nstores, uses.n, (const int (*)[2])uses.pair);
    l->users = liveness_transposed(b->a, l->uses, p->nsteps, l->nstores);
}

static btl_status liveness_make(liveness_build *b) {
    int n = b->p->nvalues + 1;
    b->producer = BTL_ARRAY(b->scratch, int, n);
    b->old = BTL_ARRAY(b->scratch, int, n);
    b->root = BTL_ARRAY(b->scratch, int, n);
    b->over = BTL_ARRAY(b->scratch, int, n);
    b->seen = BTL_ARRAY(b->scratch, int, n);
    b->found = BTL_ARRAY(b->scratch, int, n);
    BTL_TRY(liveness_check_ids(b));
    BTL_TRY(liveness_check_sizes(b));
    BTL_TRY(liveness_check_shares(b));
    BTL_TRY(liveness_edges(b));
    liveness_storages(b);
    return BTL_OK;
}

btl_status btl_liveness_new(btl_arena *a, const btl_schedule *p, btl_liveness **out, btl_error *err) {
    btl_liveness *l = BTL_NEW(a, btl_liveness);
    l->nops = p->nsteps;
    l->makes = BTL_ARRAY(a, int64_t, p->nsteps + 1);
    l->need = BTL_ARRAY(a, int64_t, p->nsteps + 1);
    l->workspace = BTL_ARRAY(a, int64_t, p->nsteps + 1);
    liveness_build b = { .a = a, .scratch = btl_arena_begin(a), .p = p, .l = l, .err = err };
    btl_status status = liveness_make(&b);
    btl_arena_end(b.scratch);
    *out = status == BTL_OK ? l : NULL;
    return status;
}

/* ---- a part ------------------------------------------------------------------------------- */

typedef struct liveness_part {
    const btl_liveness *l;
    btl_liveness *part;
    btl_arena *a, *scratch;
    int *op_of;     /* in the part, or -1 */
    int *store_of;  /* in the part, or -1 */
    const bool *done;
} liveness_part;

static bool liveness_is_done(const liveness_part *p, int op) { return p->done && p->done[op]; }

/* A storage that is touched: does it outlive the part? What merely waits there is part of the base. */
static void liveness_part_store(liveness_part *p, int s) {
    const btl_liveness *l = p->l;
    btl_liveness *q = p->part;
    int maker = l->maker[s] >= 0 ? p->op_of[l->maker[s]] : -1;
    bool pinned = l->pinned[s];
    for (BTL_EACH(k, l->users, s)) pinned = pinned || (p->op_of[l->users.item[k]] < 0 && !liveness_is_done(p, l->users.item[k]));
    if (pinned && maker < 0) {
        p->store_of[s] = -2;
        return;
    }
    p->store_of[s] = q->nstores;
    q->maker[q->nstores] = maker;
    q->pinned[q->nstores] = pinned;
    q->bytes[q->nstores++] = l->bytes[s];
}

static void liveness_part_storages(liveness_part *p, int n, const int *part) {
    const btl_liveness *l = p->l;
    btl_liveness *q = p->part;
    int touched = 0;
    for (int i = 0; i < n; i++) touched += l->uses.first[part[i] + 1] - l->uses.first[part[i]];
    q->maker = BTL_ARRAY(p->a, int, touched + 1);
    q->bytes = BTL_ARRAY(p->a, int64_t, touched + 1);
    q->pinned = BTL_ARRAY(p->a, bool, touched + 1);
    int (*pairs)[2] = btl_arena_array(p->scratch, (size_t)touched + 1, sizeof *pairs);
    int npairs = 0;
    for (int i = 0; i < n; i++)
        for (BTL_EACH(k, l->uses, part[i])) {
            int s = l->uses.item[k];
            if (p->store_of[s] == -1) liveness_part_store(p, s);
            if (p->store_of[s] >= 0) pairs[npairs][0] = i, pairs[npairs++][1] = p->store_of[s];
        }
    q->uses = btl_lists_new(p->a, n, q->nstores, npairs, (const int (*)[2])pairs);
    q->users = liveness_transposed(p->a, q->uses, n, q->nstores);
}

/* What lives before the part and does not end in it. */
static int64_t liveness_part_base(const liveness_part *p) {
    const btl_liveness *l = p->l;
    int64_t base = l->base;
    for (int s = 0; s < l->nstores; s++) {
        if (p->store_of[s] >= 0 || (l->maker[s] >= 0 && !liveness_is_done(p, l->maker[s]))) continue;
        bool lives = l->pinned[s] || p->store_of[s] == -2;
        for (int k = l->users.first[s]; k < l->users.first[s + 1] && !lives; k++) lives = !liveness_is_done(p, l->users.item[k]);
        if (lives) base += l->bytes[s];
    }
    return base;
}

btl_liveness *btl_liveness_part(btl_arena *a, const btl_liveness *l, const bool *done, int n, const int *part) {
    btl_liveness *q = BTL_NEW(a, btl_liveness);
    liveness_part p = { .l = l, .part = q, .a = a, .scratch = btl_arena_begin(a), .done = done };
    p.op_of = BTL_ARRAY(p.scratch, int, l->nops + 1);
    p.store_of = BTL_ARRAY(p.scratch, int, l->nstores + 1);
    for (int i = 0; i < l->nops; i++) p.op_of[i] = -1;
    for (int s = 0; s < l->nstores; s++) p.store_of[s] = -1;
    for (int i = 0; i < n; i++) p.op_of[part[i]] = i;
    q->nops = n;
    q->makes = BTL_ARRAY(a, int64_t, n + 1);
    q->need = BTL_ARRAY(a, int64_t, n + 1);
    q->workspace = BTL_ARRAY(a, int64_t, n + 1);
    liveness_pairs edges = { 0 };
    for (int i = 0; i < n; i++) {
        q->makes[i] = l->makes[part[i]], q->need[i] = l->need[part[i]], q->workspace[i] = l->workspace[part[i]];
        for (BTL_EACH(k, l->before, part[i]))
            if (p.op_of[l->before.item[k]] >= 0) liveness_pair(p.scratch, &edges, i, p.op_of[l->before.item[k]]);
    }
    q->before = btl_lists_new(a, n, n, edges.n, (const int (*)[2])edges.pair);
    q->after = liveness_transposed(a, q->before, n, n);
    liveness_part_storages(&p, n, part);
    q->base = liveness_part_base(&p);
    btl_arena_end(p.scratch);
    return q;
}

/* ---- what an order takes ------------------------------------------------------------------- */

btl_status btl_liveness_check_order(const btl_liveness *l, const int *order, btl_arena *scratch, btl_error *err) {
    btl_mark mark = btl_arena_mark(scratch);
    int *step = BTL_ARRAY(scratch, int, l->nops + 1);
    btl_status status = BTL_OK;
    for (int i = 0; i < l->nops && status == BTL_OK; i++) {
        if (order[i] < 0 || order[i] >= l->nops) status = btl_error_set(err, BTL_EVALUE, "the order names op %d; ops are 0 to %d", order[i], l->nops - 1);
        else if (step[order[i]]) status = btl_error_set(err, BTL_EVALUE, "the order runs op %d twice", order[i]);
        else step[order[i]] = i + 1;
    }
    for (int i = 0; i < l->nops && status == BTL_OK; i++)
        for (BTL_EACH(k, l->before, i))
            if (step[l->before.item[k]] > step[i]) {
                status = btl_error_set(err, BTL_EVALUE, "the order runs op %d at step %d, before op %d (step %d), which it must follow", i, step[i] - 1, l->before.item[k], step[l->before.item[k]] - 1);
                break;
            }
    btl_arena_reset(scratch, mark);
    return status;
}

btl_live_peak btl_liveness_peak(const btl_liveness *l, const int *order, btl_arena *scratch, int64_t *profile) {
    btl_mark mark = btl_arena_mark(scratch);
    int *left = BTL_ARRAY(scratch, int, l->nstores + 1);
    int64_t live = l->base;
    for (int s = 0; s < l->nstores; s++) {
        left[s] = l->users.first[s + 1] - l->users.first[s];
        if (l->maker[s] < 0) live += l->bytes[s];
    }
    btl_live_peak peak = { .bytes = live, .step = -1 };
    for (int i = 0; i < l->nops; i++) {
        int v = order[i];
        int64_t at = live + l->need[v];
        if (profile) profile[i] = at;
        if (i == 0 || at > peak.bytes) peak = (btl_live_peak){ at, l->workspace[v], i };
        live += l->makes[v];
        for (BTL_EACH(k, l->uses, v)) {
            int s = l->uses.item[k];
            if (--left[s] == 0 && !l->pinned[s]) live -= l->bytes[s];
        }
    }
    btl_arena_reset(scratch, mark);
    return peak;
}

void btl_liveness_spans(const btl_liveness *l, const int *order, btl_arena *scratch, int *first, int *last) {
    btl_mark mark = btl_arena_mark(scratch);
    int *step = BTL_ARRAY(scratch, int, l->nops + 1);
    for (int i = 0; i < l->nops; i++) step[order[i]] = i;
    for (int s = 0; s < l->nstores; s++) {
        first[s] = l->maker[s] < 0 ? 0 : step[l->maker[s]];
        last[s] = l->pinned[s] ? l->nops : first[s];
        for (BTL_EACH(k, l->users, s))
            if (step[l->users.item[k]] > last[s]) last[s] = step[l->users.item[k]];
    }
    btl_arena_reset(scratch, mark);
}

void btl_liveness_sort(const btl_liveness *l, const int *given, btl_arena *scratch, int *order) {
    btl_mark mark = btl_arena_mark(scratch);
    int n = l->nops, nheap = 0;
    int *rank = BTL_ARRAY(scratch, int, n + 1), *waits = BTL_ARRAY(scratch, int, n + 1), *heap = BTL_ARRAY(scratch, int, n + 1);
    for (int i = 0; i < n; i++) rank[given ? given[i] : i] = i;
    for (int i = 0; i < n; i++)
        if (!(waits[i] = l->before.first[i + 1] - l->before.first[i])) btl_heap_add(heap, &nheap, rank[i]);
    for (int i = 0; nheap; i++) {
        int at = btl_heap_take(heap, &nheap), v = given ? given[at] : at;
        order[i] = v;
        for (BTL_EACH(k, l->after, v))
            if (--waits[l->after.item[k]] == 0) btl_heap_add(heap, &nheap, rank[l->after.item[k]]);
    }
    btl_arena_reset(scratch, mark);
}
