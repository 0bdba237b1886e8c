/* alias.c - see alias.h. SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/alias.h"

#include "schedule/heap.h"

#include <stdlib.h>
#include <string.h>

/* Lists by owner, one behind the other: those of owner i are v[first[i]] … v[first[i + 1] - 1]. */
typedef struct alias_lists { int *first, *v; } alias_lists;

typedef struct alias_edge { int to, next; } alias_edge; /* next: index into the same array, -1 the end */

typedef struct alias_destroyer { int node, var, next; } alias_destroyer;

struct btl_alias {
    btl_arena *arena;
    const btl_schedule *p;
    alias_lists clients;        /* by variable: the nodes that read it, each once */
    alias_lists roots;          /* by variable */
    alias_lists members;        /* by root: the variables with memory there, itself first */
    int *producer;              /* by variable: its node, or -1 */
    int64_t *label;             /* the order: a list of the nodes, by labels that grow */
    int *next, *prev;           /* in it; node nnodes stands for both ends */
    int nedges, edge_capacity, edge_capacity2, before_capacity, after_capacity;
    int *before, *after;        /* edge e: before[e] runs before after[e] */
    alias_edge *out, *in;       /* edge e in the list of before[e], of after[e] */
    int *first_out, *first_in;  /* by node */
    int ndestroyers, destroyer_capacity;
    alias_destroyer *destroyers;
    int *first_destroyer;       /* by root */
    int stamp;
    int *seen[2];               /* by node: stamp of the last search ahead, back, that came by */
    int *from;                  /* by node: where the one ahead came from */
    int *way[2], *stack[2];     /* of a search ahead and one back: the nodes found, those to look at */
};

/* ---- the order ----------------------------------------------------------------------------
 * Where two nodes stand the wrong way round, what follows from the later one is looked for, and what the earlier one follows from,
 * step by step in turn; the search that ends first tells that there is no cycle, and what it found moves: behind the earlier node, or
 * before the later one. */

enum { ALIAS_AHEAD, ALIAS_BACK };

static const int64_t alias_gap = (int64_t)1 << 32;

static void alias_list(btl_alias *x, const int *at) {
    int n = x->p->nsteps, last = n;
    for (int i = 0; i <= n; i++) {
        int node = i < n ? at[i] : n;
        x->prev[node] = last, x->next[last] = node;
        x->label[node] = i * alias_gap; /* the end's is never asked for */
        last = node;
    }
}

static void alias_relabel(btl_alias *x) {
    int64_t label = 0;
    for (int n = x->next[x->p->nsteps]; n != x->p->nsteps; n = x->next[n], label += alias_gap) x->label[n] = label;
}

/* Takes a node out and puts it behind `before`. */
static void alias_move(btl_alias *x, int node, int before) {
    int end = x->p->nsteps;
    x->next[x->prev[node]] = x->next[node], x->prev[x->next[node]] = x->prev[node];
    int after = x->next[before];
    x->prev[node] = before, x->next[node] = after, x->next[before] = node, x->prev[after] = node;
    int64_t low = before == end ? x->label[after] - 2 * alias_gap : x->label[before], high = after == end ? low + 2 * alias_gap : x->label[after];
    x->label[node] = low + (high - low) / 2;
    if (x->label[node] == low || x->label[node] > INT64_MAX / 2 || x->label[node] < INT64_MIN / 2) alias_relabel(x);
}

/* By label; `spare` as large. */
static void alias_sort(const btl_alias *x, int *nodes, int n, int *spare) {
    if (n <= 16) {
        for (int i = 1; i < n; i++) {
            int node = nodes[i], k = i;
            for (; k > 0 && x->label[nodes[k - 1]] > x->label[node]; k--) nodes[k] = nodes[k - 1];
            nodes[k] = node;
        }
        return;
    }
    int half = n / 2, i = 0, k = half;
    alias_sort(x, nodes, half, spare), alias_sort(x, nodes + half, n - half, spare);
    memcpy(spare, nodes, (size_t)n * sizeof *nodes);
    for (int at = 0; at < n; at++)
        nodes[at] = k == n || (i < half && x->label[spare[i]] < x->label[spare[k]]) ? spare[i++] : spare[k++];
}

typedef struct alias_search { int way, top, n; int64_t limit; } alias_search;

static void alias_come_by(btl_alias *x, alias_search *s, int node, int from) {
    if (x->seen[s->way][node] == x->stamp || (s->way == ALIAS_AHEAD ? x->label[node] > s->limit : x->label[node] < s->limit)) return;
    x->seen[s->way][node] = x->stamp;
    if (s->way == ALIAS_AHEAD) x->from[node] = from;
    x->stack[s->way][s->top++] = node;
}

/* One node more; the next ones behind or before it are to be looked at. */
static void alias_step(btl_alias *x, alias_search *s) {
    const btl_schedule *p = x->p;
    int n = x->stack[s->way][--s->top];
    x->way[s->way][s->n++] = n;
    if (s->way == ALIAS_AHEAD) {
        for (int e = x->first_out[n]; e >= 0; e = x->out[e].next) alias_come_by(x, s, x->out[e].to, n);
        for (int o = 0; o < p->steps[n].nout; o++)
            for (int v = p->steps[n].out[o], c = x->clients.first[v]; c < x->clients.first[v + 1]; c++) alias_come_by(x, s, x->clients.v[c], n);
    } else {
        for (int e = x->first_in[n]; e >= 0; e = x->in[e].next) alias_come_by(x, s, x->in[e].to, n);
        for (int i = 0; i < p->steps[n].nin; i++)
            if (x->producer[p->steps[n].in[i]] >= 0) alias_come_by(x, s, x->producer[p->steps[n].in[i]], n);
    }
}

/* Makes `before` come before `after`; false if it is behind it by way of others (x->from tells which). */
static bool alias_reorder(btl_alias *x, int before, int after) {
    alias_search ahead = { ALIAS_AHEAD, 0, 0, x->label[before] }, back = { ALIAS_BACK, 0, 0, x->label[after] };
    if (x->label[before] < x->label[after]) return true;
    x->stamp++;
    alias_come_by(x, &ahead, after, -1), alias_come_by(x, &back, before, -1);
    while (ahead.top && back.top && x->seen[ALIAS_AHEAD][before] != x->stamp) {
        alias_step(x, &ahead);
        if (x->seen[ALIAS_BACK][after] != x->stamp) alias_step(x, &back);
        else while (ahead.top && x->seen[ALIAS_AHEAD][before] != x->stamp) alias_step(x, &ahead); /* a cycle: its way is wanted */
    }
    if (x->seen[ALIAS_AHEAD][before] == x->stamp) return false;
    if (!ahead.top) {
        alias_sort(x, x->way[ALIAS_AHEAD], ahead.n, x->stack[ALIAS_AHEAD]);
        for (int i = 0, last = before; i < ahead.n; last = x->way[ALIAS_AHEAD][i++]) alias_move(x, x->way[ALIAS_AHEAD][i], last);
    } else {
        alias_sort(x, x->way[ALIAS_BACK], back.n, x->stack[ALIAS_BACK]);
        for (int i = 0; i < back.n; i++) alias_move(x, x->way[ALIAS_BACK][i], x->prev[after]);
    }
    return true;
}

/* ---- the graph ---------------------------------------------------------------------------- */

static alias_lists alias_lists_new(btl_arena *a, int owners, const int *count) {
    alias_lists l = { BTL_ARRAY(a, int, owners + 1), NULL };
    for (int i = 0; i < owners; i++) l.first[i + 1] = l.first[i] + count[i];
    l.v = BTL_ARRAY(a, int, l.first[owners] + 1);
    return l;
}

static void alias_clients(btl_alias *x, btl_arena *scratch) {
    const btl_schedule *p = x->p;
    int *count = BTL_ARRAY(scratch, int, p->nvalues + 1), *last = BTL_ARRAY(scratch, int, p->nvalues + 1);
    for (int fill = 0; fill < 2; fill++) {
        for (int v = 0; v < p->nvalues; v++) count[v] = 0, last[v] = -1;
        for (int n = 0; n < p->nsteps; n++)
            for (int i = 0; i < p->steps[n].nin; i++) {
                int v = p->steps[n].in[i];
                if (last[v] == n) continue;
                last[v] = n;
                if (fill) x->clients.v[x->clients.first[v] + count[v]] = n;
                count[v]++;
            }
        if (!fill) x->clients = alias_lists_new(x->arena, p->nvalues, count);
    }
}

/* Of the steps that are ready always the first in the list: the list itself, if that will do. False: a cycle. */
static bool alias_first_order(btl_alias *x, btl_arena *scratch, int *at, int *cycle) {
    const btl_schedule *p = x->p;
    int *waits = BTL_ARRAY(scratch, int, p->nsteps + 1), *ready = BTL_ARRAY(scratch, int, p->nsteps + 1), n = 0, nready = 0;
    for (int v = 0; v < p->nvalues; v++) x->producer[v] = -1;
    for (int k = 0; k < p->nsteps; k++)
        for (int o = 0; o < p->steps[k].nout; o++) x->producer[p->steps[k].out[o]] = k;
    for (int v = 0; v < p->nvalues; v++)
        for (int i = x->clients.first[v]; x->producer[v] >= 0 && i < x->clients.first[v + 1]; i++) waits[x->clients.v[i]]++;
    for (int k = 0; k < p->nsteps; k++)
        if (!waits[k]) btl_heap_add(ready, &nready, k);
    while (nready) {
        const btl_schedule_step *node = &p->steps[at[n++] = btl_heap_take(ready, &nready)];
        for (int o = 0; o < node->nout; o++)
            for (int c = x->clients.first[node->out[o]]; c < x->clients.first[node->out[o] + 1]; c++)
                if (--waits[x->clients.v[c]] == 0) btl_heap_add(ready, &nready, x->clients.v[c]);
    }
    for (int k = 0; n < p->nsteps && cycle && k < p->nsteps; k++)
        if (waits[k] > 0) *cycle = k;
    return n == p->nsteps;
}

/* The roots of a variable are those of what it views; of one that views nothing, itself. */
static void alias_find_roots(btl_alias *x, btl_arena *scratch, const int *at) {
    const btl_schedule *p = x->p;
    int *count = BTL_ARRAY(scratch, int, p->nvalues + 1), **roots = BTL_ARRAY(scratch, int *, p->nvalues + 1), *last = BTL_ARRAY(scratch, int, p->nvalues + 1);
    int *members = BTL_ARRAY(scratch, int, p->nvalues + 1), *order = BTL_ARRAY(scratch, int, p->nvalues + 1), n = 0;
    for (int v = 0; v < p->nvalues; v++)
        if (x->producer[v] < 0) order[n++] = v;
    for (int i = 0; i < p->nsteps; i++)
        for (int o = 0; o < p->steps[at[i]].nout; o++) order[n++] = p->steps[at[i]].out[o];
    for (int v = 0; v < p->nvalues; v++) last[v] = -1;
    for (int i = 0; i < n; i++) {
        int v = order[i], most = 1;
        for (int k = 0; k < p->values[v].nviews; k++) most += count[p->values[v].views[k]];
        roots[v] = BTL_ARRAY(scratch, int, most);
        if (!p->values[v].nviews) roots[v][count[v]++] = v;
        for (int k = 0; k < p->values[v].nviews; k++)
            for (int j = 0, w = p->values[v].views[k]; j < count[w]; j++) {
                if (last[roots[w][j]] == v) continue;
                last[roots[w][j]] = v;
                roots[v][count[v]++] = roots[w][j];
            }
        for (int j = 0; j < count[v]; j++) members[roots[v][j]]++;
    }
    x->roots = alias_lists_new(x->arena, p->nvalues, count);
    x->members = alias_lists_new(x->arena, p->nvalues, members);
    memset(members, 0, (size_t)p->nvalues * sizeof *members);
    for (int i = 0; i < n; i++)
        for (int v = order[i], j = 0; j < count[v]; j++) {
            int r = roots[v][j];
            x->roots.v[x->roots.first[v] + j] = r;
            x->members.v[x->members.first[r] + members[r]++] = v;
        }
}

btl_alias *btl_alias_new(btl_arena *a, const btl_schedule *p, int *cycle) {
    btl_alias *x = BTL_NEW(a, btl_alias);
    x->arena = a, x->p = p;
    int **by_node[] = { &x->next, &x->prev, &x->first_out, &x->first_in, &x->seen[0], &x->seen[1], &x->from, &x->way[0], &x->way[1], &x->stack[0], &x->stack[1] };
    for (size_t i = 0; i < sizeof by_node / sizeof *by_node; i++) *by_node[i] = BTL_ARRAY(a, int, p->nsteps + 1);
    x->producer = BTL_ARRAY(a, int, p->nvalues + 1);
    x->label = BTL_ARRAY(a, int64_t, p->nsteps + 1);
    x->first_destroyer = BTL_ARRAY(a, int, p->nvalues + 1);
    for (int k = 0; k < p->nsteps; k++) x->first_out[k] = x->first_in[k] = -1;
    for (int v = 0; v < p->nvalues; v++) x->first_destroyer[v] = -1;
    btl_arena *scratch = btl_arena_begin(a);
    alias_clients(x, scratch);
    int *at = BTL_ARRAY(scratch, int, p->nsteps + 1);
    bool ordered = alias_first_order(x, scratch, at, cycle);
    if (ordered) alias_find_roots(x, scratch, at), alias_list(x, at);
    btl_arena_end(scratch);
    return ordered ? x : NULL;
}

static void alias_add_edge(btl_alias *x, int before, int after) {
    int e = x->nedges, count = e;
    *BTL_PUSH(x->arena, x->before, count, x->before_capacity) = before, count = e;
    *BTL_PUSH(x->arena, x->after, count, x->after_capacity) = after, count = e;
    *BTL_PUSH(x->arena, x->out, count, x->edge_capacity) = (alias_edge){ after, x->first_out[before] }, count = e;
    *BTL_PUSH(x->arena, x->in, count, x->edge_capacity2) = (alias_edge){ before, x->first_in[after] };
    x->first_out[before] = x->first_in[after] = e;
    x->nedges++;
}

/* Takes the edges from number `left` on back. The order that they led to is good without them. */
static void alias_take_back(btl_alias *x, int left) {
    while (x->nedges > left) {
        int e = --x->nedges;
        x->first_out[x->before[e]] = x->out[e].next, x->first_in[x->after[e]] = x->in[e].next;
    }
}

/* ---- overwrites --------------------------------------------------------------------------- */

static bool alias_refuse(btl_alias_reason *reason, btl_alias_verdict verdict, int var, int node) {
    if (reason) *reason = (btl_alias_reason){ .verdict = verdict, .var = var, .node = node };
    return false;
}

static bool alias_disjoint(const btl_alias *x, int a, int b) { return x->p->disjoint && x->p->disjoint(x->p->user, a, b); }

static bool alias_tolerates(const btl_alias_overwrite *o, int input, bool is_same) {
    if (input >= 64) return false;
    return (o->aliased >> input & 1) || (is_same && (o->same >> input & 1));
}

static bool alias_check_root(btl_alias *x, const btl_alias_overwrite *o, int root, btl_alias_reason *reason) {
    const btl_schedule_step *node = &x->p->steps[o->node];
    int destroyed = node->in[o->input];
    if (x->p->values[root].is_protected && !alias_disjoint(x, destroyed, root)) return alias_refuse(reason, BTL_ALIAS_PROTECTED, root, -1);
    for (int d = x->first_destroyer[root]; d >= 0; d = x->destroyers[d].next)
        if (!alias_disjoint(x, x->destroyers[d].var, destroyed)) return alias_refuse(reason, BTL_ALIAS_TWICE, x->destroyers[d].var, x->destroyers[d].node);
    for (int m = x->members.first[root]; m < x->members.first[root + 1]; m++) {
        int v = x->members.v[m];
        if (x->p->values[v].is_output && !alias_disjoint(x, destroyed, v)) return alias_refuse(reason, BTL_ALIAS_KEPT, v, -1);
    }
    for (int i = 0; i < node->nin; i++) {
        bool is_there = i != o->input && node->in[i] == destroyed;
        for (int r = x->roots.first[node->in[i]]; i != o->input && !is_there && r < x->roots.first[node->in[i] + 1]; r++) is_there = x->roots.v[r] == root;
        if (is_there && !alias_tolerates(o, i, node->in[i] == destroyed) && !alias_disjoint(x, destroyed, node->in[i]))
            return alias_refuse(reason, BTL_ALIAS_OWN_INPUT, node->in[i], o->node);
    }
    return true;
}

static bool alias_cycle(btl_alias *x, int reader, int var, btl_alias_reason *reason) {
    int n = 0, *path = NULL, capacity = 0;
    if (!reason) return false;
    for (int at = reader; at >= 0; at = x->from[at]) *BTL_PUSH(x->arena, path, n, capacity) = at;
    for (int i = 0; i < n / 2; i++) {
        int other = path[i];
        path[i] = path[n - 1 - i], path[n - 1 - i] = other;
    }
    *reason = (btl_alias_reason){ BTL_ALIAS_CYCLE, var, reader, n, path };
    return false;
}

/* The destroyer runs behind all readers. */
static bool alias_order_root(btl_alias *x, const btl_alias_overwrite *o, int root, btl_alias_reason *reason) {
    for (int m = x->members.first[root]; m < x->members.first[root + 1]; m++) {
        int v = x->members.v[m];
        if (x->clients.first[v] == x->clients.first[v + 1] || alias_disjoint(x, x->p->steps[o->node].in[o->input], v)) continue;
        for (int c = x->clients.first[v]; c < x->clients.first[v + 1]; c++) {
            int reader = x->clients.v[c];
            if (reader == o->node) continue;
            if (!alias_reorder(x, reader, o->node)) return alias_cycle(x, reader, v, reason);
            alias_add_edge(x, reader, o->node);
        }
    }
    return true;
}

bool btl_alias_propose(btl_alias *x, const btl_alias_overwrite *o, btl_alias_reason *reason) {
    int destroyed = x->p->steps[o->node].in[o->input], edges = x->nedges;
    const int *roots = x->roots.v + x->roots.first[destroyed], n = x->roots.first[destroyed + 1] - x->roots.first[destroyed];
    if (reason) *reason = (btl_alias_reason){ .verdict = BTL_ALIAS_SAFE, .var = -1, .node = -1 };
    for (int i = 0; i < n; i++)
        if (!alias_check_root(x, o, roots[i], reason)) return false;
    for (int i = 0; i < n; i++)
        if (!alias_order_root(x, o, roots[i], reason)) {
            alias_take_back(x, edges);
            return false;
        }
    for (int i = 0; i < n; i++) {
        int at = x->ndestroyers;
        *BTL_PUSH(x->arena, x->destroyers, x->ndestroyers, x->destroyer_capacity) = (alias_destroyer){ o->node, destroyed, x->first_destroyer[roots[i]] };
        x->first_destroyer[roots[i]] = at;
    }
    return true;
}

/* ---- many at once ------------------------------------------------------------------------- */

/* Calls `with` for every other node that reads what the overwrite destroys. */
static void alias_readers(const btl_alias *x, const btl_alias_overwrite *o, void (*with)(void *arg, int reader), void *arg) {
    int destroyed = x->p->steps[o->node].in[o->input];
    for (int r = x->roots.first[destroyed]; r < x->roots.first[destroyed + 1]; r++)
        for (int root = x->roots.v[r], m = x->members.first[root]; m < x->members.first[root + 1]; m++) {
            int v = x->members.v[m];
            if (x->clients.first[v] == x->clients.first[v + 1] || alias_disjoint(x, destroyed, v)) continue;
            for (int c = x->clients.first[v]; c < x->clients.first[v + 1]; c++)
                if (x->clients.v[c] != o->node) with(arg, x->clients.v[c]);
        }
}

/* A tree of the first ways by which a walk comes to each node, near ones first: nodes first … end of a subtree certainly follow
 * from its root. In a network it holds the whole way forth and back. */
typedef struct alias_tree { int *first, *end; } alias_tree;

static alias_tree alias_grow(const btl_alias *x, btl_arena *scratch, const int *at) {
    const btl_schedule *p = x->p;
    int n = p->nsteps, number = 0, *out = BTL_ARRAY(scratch, int, n + 1), *client = BTL_ARRAY(scratch, int, n + 1), *stack = BTL_ARRAY(scratch, int, n + 1);
    alias_tree t = { BTL_ARRAY(scratch, int, n + 1), BTL_ARRAY(scratch, int, n + 1) };
    for (int k = 0; k < n; k++) t.first[k] = -1;
    for (int i = 0; i < n; i++) {
        int top = 0;
        if (t.first[at[i]] >= 0) continue;
        stack[top++] = at[i], t.first[at[i]] = number++;
        while (top) {
            int node = stack[top - 1], v = out[node] < p->steps[node].nout ? p->steps[node].out[out[node]] : -1;
            if (v < 0) {
                t.end[node] = number - 1;
                top--;
            } else if (x->clients.first[v] + client[node] == x->clients.first[v + 1]) {
                out[node]++, client[node] = 0;
            } else {
                int next = x->clients.v[x->clients.first[v] + client[node]++];
                if (t.first[next] >= 0) continue;
                stack[top++] = next, t.first[next] = number++;
            }
        }
    }
    return t;
}

typedef struct alias_below { const alias_tree *tree; int node; bool found; } alias_below;
static void alias_see_below(void *arg, int reader) {
    alias_below *b = arg;
    b->found |= b->tree->first[reader] > b->tree->first[b->node] && b->tree->first[reader] <= b->tree->end[b->node];
}

typedef struct alias_last { const int *places; int place; } alias_last;
static void alias_see_last(void *arg, int reader) {
    alias_last *l = arg;
    if (l->places[reader] > l->place) l->place = l->places[reader];
}

typedef struct alias_reach { const uint64_t *behind; uint64_t bit; const int *place; int from; bool reached; } alias_reach;
static void alias_see_reach(void *arg, int reader) {
    alias_reach *r = arg;
    r->reached |= r->place[reader] > r->from && (r->behind[reader] & r->bit); /* what stands before may have bits of an earlier sweep */
}

enum { ALIAS_TOGETHER = 64, ALIAS_VISITS = 200000000 };

/* An overwrite and the place of its node. */
typedef struct alias_placed { int place, number; } alias_placed;

static int alias_by_place(const void *a, const void *b) {
    const alias_placed *x = a, *y = b;
    if (x->place != y->place) return x->place < y->place ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* behind[n]: bit i if node n needs the result of destroyer i. */
static void alias_sweep(const btl_alias *x, const int *at, const int *place, int n, const alias_placed *group, const btl_alias_overwrite *o, int last, uint64_t *behind,
                        bool *hopeless) {
    int first = group[0].place, next = 0;
    for (int i = first; i <= last; i++) {
        int node = at[i];
        uint64_t bits = 0, own = 0;
        for (; next < n && group[next].place == i; next++) own |= (uint64_t)1 << next;
        for (int k = 0; k < x->p->steps[node].nin; k++) {
            int made = x->producer[x->p->steps[node].in[k]];
            if (made >= 0 && place[made] >= first) bits |= behind[made];
        }
        behind[node] = bits | own;
    }
    for (int i = 0; i < n; i++) {
        alias_reach r = { behind, (uint64_t)1 << i, place, group[i].place, false };
        alias_readers(x, &o[group[i].number], alias_see_reach, &r);
        hopeless[group[i].number] = r.reached;
    }
}

void btl_alias_foresee(btl_alias *x, int n, const btl_alias_overwrite *o, bool *hopeless) {
    btl_arena *scratch = btl_arena_begin(x->arena);
    alias_placed *doubtful = BTL_ARRAY(scratch, alias_placed, n + 1);
    uint64_t *behind = BTL_ARRAY(scratch, uint64_t, x->p->nsteps + 1);
    int ndoubtful = 0, *at = BTL_ARRAY(scratch, int, x->p->nsteps + 1), *place = BTL_ARRAY(scratch, int, x->p->nsteps + 1);
    btl_alias_order(x, at);
    for (int i = 0; i < x->p->nsteps; i++) place[at[i]] = i;
    alias_tree tree = alias_grow(x, scratch, at);
    int64_t visits = ALIAS_VISITS;
    for (int i = 0; i < n; i++) {
        alias_last l = { place, -1 };
        alias_below b = { &tree, o[i].node, false };
        alias_readers(x, &o[i], alias_see_last, &l);
        if (l.place > place[o[i].node]) alias_readers(x, &o[i], alias_see_below, &b);
        hopeless[i] = b.found;
        if (!b.found && l.place > place[o[i].node]) doubtful[ndoubtful++] = (alias_placed){ place[o[i].node], i };
    }
    if (ndoubtful) qsort(doubtful, (size_t)ndoubtful, sizeof *doubtful, alias_by_place);
    for (int from = 0; from < ndoubtful; from += ALIAS_TOGETHER) {
        int count = ndoubtful - from < ALIAS_TOGETHER ? ndoubtful - from : ALIAS_TOGETHER;
        alias_last l = { place, -1 };
        for (int i = from; i < from + count; i++) alias_readers(x, &o[doubtful[i].number], alias_see_last, &l);
        visits -= l.place - doubtful[from].place + 1;
        if (visits < 0) { /* not seen to the end: not proposed */
            for (int i = from; i < from + count; i++) hopeless[doubtful[i].number] = true;
            continue;
        }
        alias_sweep(x, at, place, count, doubtful + from, o, l.place, behind, hopeless);
    }
    btl_arena_end(scratch);
}

void btl_alias_order(const btl_alias *x, int *order) {
    for (int n = x->next[x->p->nsteps], i = 0; n != x->p->nsteps; n = x->next[n]) order[i++] = n;
}

/* A step's key is the first that waits for it; by keys, then as in an order that will do. */
void btl_alias_listed(const btl_alias *x, int *order) {
    int n = x->p->nsteps;
    btl_arena *scratch = btl_arena_begin(x->arena);
    int *key = BTL_ARRAY(scratch, int, n + 1), *first = BTL_ARRAY(scratch, int, n + 2), *at = BTL_ARRAY(scratch, int, n + 1);
    btl_alias_order(x, at);
    for (int i = n - 1; i >= 0; i--) {
        const btl_schedule_step *step = &x->p->steps[at[i]];
        key[at[i]] = at[i];
        for (int o = 0; o < step->nout; o++)
            for (int c = x->clients.first[step->out[o]]; c < x->clients.first[step->out[o] + 1]; c++)
                if (key[x->clients.v[c]] < key[at[i]]) key[at[i]] = key[x->clients.v[c]];
        for (int e = x->first_out[at[i]]; e >= 0; e = x->out[e].next)
            if (key[x->out[e].to] < key[at[i]]) key[at[i]] = key[x->out[e].to];
    }
    for (int k = 0; k < n; k++) first[key[k] + 1]++;
    for (int k = 0; k < n; k++) first[k + 1] += first[k];
    for (int i = 0; i < n; i++) order[first[key[at[i]]]++] = at[i];
    btl_arena_end(scratch);
}

int btl_alias_edges(const btl_alias *x, const int **before, const int **after) {
    *before = x->before, *after = x->after;
    return x->nedges;
}
