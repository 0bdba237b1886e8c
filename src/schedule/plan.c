/* plan.c - see plan.h. SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/plan.h"

#include "base/error.h"
#include "base/hash.h"
#include "schedule/guests.h"

#include <string.h>

const char *const btl_policy_names[] = { [BTL_POLICY_ARENA] = "arena", [BTL_POLICY_EACH] = "each", [BTL_POLICY_REUSE] = "reuse", [BTL_POLICY_REUSE_0D] = "reuse=0d", NULL };

/* ---- storages that are handed on ------------------------------------------------------------ */

/* Dead storages of one type, the one that died first at the head. */
typedef struct plan_kind { const btl_type *type; int head, tail; } plan_kind;

static bool plan_kind_is(const void *key, const void *thing) { return btl_type_equal(key, ((const plan_kind *)thing)->type); }

static plan_kind *plan_kind_of(btl_arena *a, btl_table *kinds, const btl_type *t) {
    uint64_t h = btl_hash_mix((uint64_t)t->dtype, (uint64_t)t->rank);
    for (int k = 0; k < t->rank; k++) h = btl_hash_mix(h, (uint64_t)(uintptr_t)t->dims[k]); /* equal sizes are one node of the graph */
    plan_kind *kind = btl_table_find(kinds, h, plan_kind_is, t);
    if (kind) return kind;
    kind = BTL_NEW(a, plan_kind);
    *kind = (plan_kind){ t, -1, -1 };
    btl_table_add(kinds, a, h, kind);
    return kind;
}

/* Buffers by the step at which they begin, or end. */
static btl_lists plan_by_step(btl_arena *a, int n, const btl_buffer *buffers, int nsteps, bool ends) {
    int *pairs = BTL_ARRAY(a, int, 2 * n + 1);
    for (int i = 0; i < n; i++) pairs[2 * i] = ends ? buffers[i].last : buffers[i].first, pairs[2 * i + 1] = i;
    return btl_lists_new(a, nsteps + 1, n, n, (const int (*)[2])(void *)pairs);
}

int btl_plan_stores(btl_arena *scratch, btl_policy policy, int n, const btl_buffer *buffers, const btl_type *const *types, int nsteps, int *store_of) {
    btl_mark mark = btl_arena_mark(scratch);
    btl_lists begins = plan_by_step(scratch, n, buffers, nsteps, false), ends = plan_by_step(scratch, n, buffers, nsteps, true);
    plan_kind **kind = BTL_ARRAY(scratch, plan_kind *, n + 1);
    btl_table kinds = { 0 };
    int *next = BTL_ARRAY(scratch, int, n + 1), nstores = 0; /* of a dead storage: the one that died after it */
    for (int i = 0; i < n; i++)
        if (types[i] && (policy == BTL_POLICY_REUSE || (policy == BTL_POLICY_REUSE_0D && types[i]->rank == 0))) kind[i] = plan_kind_of(scratch, &kinds, types[i]);
    for (int step = 0; step <= nsteps; step++) { /* what dies at this step goes to a later one */
        for (BTL_EACH(k, begins, step)) {
            int i = begins.item[k];
            if (kind[i] && kind[i]->head >= 0) {
                store_of[i] = kind[i]->head;
                kind[i]->head = next[kind[i]->head];
            } else {
                store_of[i] = nstores++;
            }
        }
        for (BTL_EACH(k, ends, step)) {
            int i = ends.item[k];
            if (!kind[i]) continue;
            if (kind[i]->head < 0) kind[i]->head = store_of[i];
            else next[kind[i]->tail] = store_of[i];
            kind[i]->tail = store_of[i], next[store_of[i]] = -1;
        }
    }
    btl_arena_reset(scratch, mark);
    return nstores;
}

/* ---- a plan ---------------------------------------------------------------------------------- */

typedef struct plan_make {
    btl_arena *a, *scratch;
    const btl_schedule *s;
    const btl_liveness *l;
    const int *order;
    size_t align;
    btl_plan *p;
    int *first, *last;      /* of each storage of the liveness */
    bool *is_result;        /* of each storage of the liveness: one of its values is */
    int *store_of;          /* of each storage of the liveness */
    btl_error *err;
} plan_make;

static void plan_widen(plan_make *m, int store, int from) {
    btl_plan_store *x = &m->p->stores[store];
    if (!x->bytes) *x = (btl_plan_store){ .bytes = m->l->bytes[from], .first = m->first[from], .last = m->last[from], .root = m->l->root[from], .is_result = m->is_result[from], .host = -1 };
    if (m->first[from] < x->first) x->first = m->first[from], x->root = m->l->root[from];
    if (m->last[from] > x->last) x->last = m->last[from];
}

/* Results stay out of it: in storages of their own, behind the others. */
static void plan_stores(plan_make *m) {
    int n = m->l->nstores, nshared = 0, *which = BTL_ARRAY(m->scratch, int, n + 1), *store = BTL_ARRAY(m->scratch, int, n + 1);
    btl_buffer *buffers = BTL_ARRAY(m->scratch, btl_buffer, n + 1);
    const btl_type **types = BTL_ARRAY(m->scratch, const btl_type *, n + 1);
    for (int i = 0; i < n; i++) {
        if (m->is_result[i]) continue;
        buffers[nshared] = (btl_buffer){ .first = m->first[i], .last = m->last[i], .bytes = (size_t)m->l->bytes[i] };
        types[nshared] = m->s->values[m->l->root[i]].type;
        which[nshared++] = i;
    }
    int nstores = btl_plan_stores(m->scratch, m->p->policy, nshared, buffers, types, m->l->nops, store);
    for (int k = 0; k < nshared; k++) m->store_of[which[k]] = store[k];
    for (int i = 0; i < n; i++)
        if (m->is_result[i]) m->store_of[i] = nstores++;
    m->p->nstores = nstores;
    m->p->stores = BTL_ARRAY(m->a, btl_plan_store, nstores + 1);
    for (int i = 0; i < n; i++) plan_widen(m, m->store_of[i], i);
}

static size_t plan_place(const void *align, btl_arena *scratch, int n, btl_buffer *buffers) { return btl_plan_offsets(scratch, n, buffers, *(const size_t *)align); }

static btl_status plan_offsets(plan_make *m) {
    int n = 0, nhosts = 0, most = m->p->nstores + 1, *which = BTL_ARRAY(m->scratch, int, most), *result = BTL_ARRAY(m->scratch, int, most), *host = BTL_ARRAY(m->scratch, int, most);
    btl_buffer *buffers = BTL_ARRAY(m->scratch, btl_buffer, most);
    btl_host *hosts = BTL_ARRAY(m->scratch, btl_host, most);
    for (int i = 0; i < m->p->nstores; i++) {
        const btl_plan_store *x = &m->p->stores[i];
        if (x->is_result) {
            hosts[nhosts] = (btl_host){ (size_t)x->bytes, x->first };
            result[nhosts++] = i;
            continue;
        }
        buffers[n] = (btl_buffer){ .first = x->first, .last = x->last, .bytes = (size_t)x->bytes };
        which[n++] = i;
    }
    size_t bytes = btl_guests_offsets(m->scratch, n, buffers, nhosts, hosts, m->align, host, plan_place, &m->align);
    BTL_TRY(btl_guests_check(m->scratch, n, buffers, nhosts, hosts, m->align, host, bytes, m->err));
    for (int k = 0; k < n; k++) {
        m->p->stores[which[k]].offset = (int64_t)buffers[k].offset;
        if (host[k] >= 0) m->p->stores[which[k]].host = result[host[k]];
    }
    m->p->taken = m->p->taken_gc = (int64_t)bytes + m->p->results;
    return BTL_OK;
}

/* The most bytes held at one time, if each storage is there from its first step to its last. */
static int64_t plan_held(plan_make *m) {
    int64_t *change = BTL_ARRAY(m->scratch, int64_t, m->l->nops + 2), held = 0, most = 0;
    for (int i = 0; i < m->p->nstores; i++) {
        const btl_plan_store *x = &m->p->stores[i];
        change[x->first] += x->bytes;
        if (x->last < m->l->nops) change[x->last + 1] -= x->bytes;
    }
    for (int k = 0; k <= m->l->nops; k++) {
        held += change[k];
        int64_t work = k < m->l->nops ? m->l->workspace[m->order[k]] : 0;
        if (held + work > most) most = held + work;
    }
    return most;
}

static void plan_values(plan_make *m) {
    m->p->store_of = BTL_ARRAY(m->a, int, m->s->nvalues + 1);
    m->p->freed_after = BTL_ARRAY(m->a, int, m->s->nvalues + 1);
    for (int v = 0; v < m->s->nvalues; v++) {
        int x = m->l->store_of[v];
        m->p->store_of[v] = x < 0 ? -1 : m->store_of[x];
        m->p->freed_after[v] = x < 0 || m->last[x] >= m->l->nops ? -1 : m->last[x];
    }
}

static btl_status plan_run(plan_make *m) {
    int n = m->l->nstores + 1;
    m->first = BTL_ARRAY(m->scratch, int, n), m->last = BTL_ARRAY(m->scratch, int, n);
    m->is_result = BTL_ARRAY(m->scratch, bool, n), m->store_of = BTL_ARRAY(m->scratch, int, n);
    btl_liveness_spans(m->l, m->order, m->scratch, m->first, m->last);
    for (int v = 0; v < m->s->nvalues; v++)
        if (m->s->values[v].is_result && m->l->store_of[v] >= 0) m->is_result[m->l->store_of[v]] = true;
    plan_stores(m);
    m->p->live_peak = btl_liveness_peak(m->l, m->order, m->scratch, NULL).bytes;
    for (int i = 0; i < m->p->nstores; i++) {
        if (m->p->stores[i].is_result) m->p->results += m->p->stores[i].bytes;
        m->p->taken += m->p->stores[i].bytes;
    }
    m->p->taken_gc = plan_held(m);
    plan_values(m);
    return m->p->policy == BTL_POLICY_ARENA ? plan_offsets(m) : BTL_OK;
}

btl_status btl_plan_make(btl_arena *a, const btl_schedule *s, const btl_liveness *l, const int *order, btl_policy policy, size_t align, btl_plan *out, btl_error *err) {
    *out = (btl_plan){ .policy = policy };
    plan_make m = { .a = a, .scratch = btl_arena_begin(a), .s = s, .l = l, .order = order, .align = align, .p = out, .err = err };
    btl_status status = plan_run(&m);
    btl_arena_end(m.scratch);
    return status;
}
