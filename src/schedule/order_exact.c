/* order_exact.c - the least peak by search over sets of executed ops.
 *
 * A state is a set of ops that have run, its key the least peak with which it is reached. States are expanded in the order
 * of their keys, deepest first among equals; so the first complete one is an optimum, and the key that the search has come to is
 * a lower bound if it must stop (best first minimax over downsets, as in SERENITY, MLSys 2020, without its layers).
 *
 * Before a state is kept it is closed under what can be done at once without loss. With key b, let a chain of ops, each
 * but the first made ready by the one before, stay within b and end with no more living bytes than it
 * began, more at every step between; behind each op come those that it made ready and that do not grow what lives. Living bytes are submodular over
 * closed sets, so in any order that goes on within b, the chain may be moved to the front: every later step has no more than it had. The
 * floor (a lower bound, or a peak that is there anyway) is the least key there is.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/order_parts.h"

#include "base/hash.h"

#include <string.h>

enum { EXACT_CHUNK = 1024, EXACT_CHAIN = 24 };

typedef struct exact_state {
    int64_t key, live;
    int parent, op;     /* from parent by op, then closed */
    int depth;
    bool expanded;
    uint64_t bits[];    /* ops that have run */
} exact_state;

typedef struct exact_entry { int64_t key; int depth, id; } exact_entry;

typedef struct exact {
    const btl_liveness *l;
    btl_arena *a;
    order_search *s;
    int words;
    size_t state_bytes;
    /* where the search stands: counts for the ops that have run */
    uint64_t *done, *ready;
    int *waits, *left;
    int64_t live;
    int ndone;
    int *log, nlog;     /* ops run since a mark */
    int *fresh, nfresh; /* ops that became ready since a mark */
    /* what is known */
    char **chunks;
    int nchunks, chunks_capacity, nstates;
    int *table;
    size_t table_size;
    exact_entry *stack, *heap;
    int nstack, stack_capacity, nheap, heap_capacity;
} exact;

/* ---- running ops and taking that back ------------------------------------------------------- */

static bool exact_bit(const uint64_t *bits, int i) { return bits[i / 64] >> (i % 64) & 1; }
static void exact_flip(uint64_t *bits, int i) { bits[i / 64] ^= (uint64_t)1 << (i % 64); }

static int exact_lowest(uint64_t word) { /* of a word that is not 0 */
#if defined __GNUC__
    return __builtin_ctzll(word);
#else
    int i = 0;
    while (!(word >> i & 1)) i++;
    return i;
#endif
}

static void exact_run(exact *x, int v) {
    const btl_liveness *l = x->l;
    exact_flip(x->done, v);
    exact_flip(x->ready, v);
    x->ndone++;
    x->live += l->makes[v];
    *x->s->steps -= 2 + l->uses.first[v + 1] - l->uses.first[v] + l->after.first[v + 1] - l->after.first[v];
    for (BTL_EACH(k, l->uses, v)) {
        int s = l->uses.item[k];
        if (--x->left[s] == 0 && !l->pinned[s]) x->live -= l->bytes[s];
    }
    for (BTL_EACH(k, l->after, v)) {
        int u = l->after.item[k];
        if (--x->waits[u] == 0) exact_flip(x->ready, u), x->fresh[x->nfresh++] = u;
    }
}

static void exact_unrun(exact *x, int v) {
    const btl_liveness *l = x->l;
    for (BTL_EACH(k, l->after, v)) {
        int u = l->after.item[k];
        if (x->waits[u]++ == 0) exact_flip(x->ready, u);
    }
    for (BTL_EACH(k, l->uses, v)) {
        int s = l->uses.item[k];
        if (x->left[s]++ == 0 && !l->pinned[s]) x->live += l->bytes[s];
    }
    x->live -= l->makes[v];
    x->ndone--;
    exact_flip(x->done, v);
    exact_flip(x->ready, v);
}

static void exact_do(exact *x, int v) {
    x->log[x->nlog++] = v;
    exact_run(x, v);
}

static void exact_undo(exact *x, int nlog, int nfresh) {
    while (x->nlog > nlog) exact_unrun(x, x->log[--x->nlog]);
    x->nfresh = nfresh;
}

static int64_t exact_growth(const exact *x, int v) {
    const btl_liveness *l = x->l;
    int64_t growth = l->makes[v];
    *x->s->steps -= 1 + l->uses.first[v + 1] - l->uses.first[v];
    for (BTL_EACH(k, l->uses, v)) {
        int s = l->uses.item[k];
        if (x->left[s] == 1 && !l->pinned[s]) growth -= l->bytes[s];
    }
    return growth;
}

/* From where the search stands to this state: ops that differ are run or taken back, in any order, as only counts matter. */
static void exact_load(exact *x, const exact_state *to) {
    for (int w = 0; w < x->words; w++)
        for (uint64_t back = x->done[w] & ~to->bits[w]; back; back &= back - 1) {
            int v = w * 64 + exact_lowest(back);
            exact_unrun(x, v);
        }
    for (int w = 0; w < x->words; w++)
        for (uint64_t more = to->bits[w] & ~x->done[w]; more; more &= more - 1) {
            int v = w * 64 + exact_lowest(more);
            exact_run(x, v);
        }
    x->nlog = x->nfresh = 0;
    x->live = to->live;
}

/* ---- what can be done at once ----------------------------------------------------------------- */

static bool exact_take_ready(exact *x, int64_t key) {
    bool some = false;
    for (int w = 0; w < x->words; w++)
        for (uint64_t left = x->ready[w]; left; left &= left - 1) {
            int v = w * 64 + exact_lowest(left);
            if (x->live + x->l->need[v] > key || exact_growth(x, v) > 0) continue;
            exact_do(x, v);
            x->nfresh = 0;
            some = true;
        }
    return some;
}

/* The ops of `fresh` from there on that do not grow what lives; they may make others ready. */
static void exact_take_fresh(exact *x, int64_t key, int from) {
    for (bool some = true; some;) {
        some = false;
        for (int i = from; i < x->nfresh; i++) {
            int v = x->fresh[i];
            if (exact_bit(x->done, v) || x->live + x->l->need[v] > key || exact_growth(x, v) > 0) continue;
            exact_do(x, v);
            some = true;
        }
    }
}

/* A chain that begins with v; it stays if it ends as low as it began. */
static bool exact_take_chain(exact *x, int64_t key, int v) {
    int nlog = x->nlog;
    int64_t began = x->live;
    x->nfresh = 0;
    for (int length = 0; v >= 0 && length < EXACT_CHAIN; length++) {
        int from = x->nfresh;
        exact_do(x, v);
        exact_take_fresh(x, key, from);
        if (x->live <= began) return true;
        v = -1;
        int64_t least = 0;
        for (int i = from; i < x->nfresh; i++) {
            int u = x->fresh[i];
            if (exact_bit(x->done, u) || x->live + x->l->need[u] > key) continue;
            int64_t growth = exact_growth(x, u);
            if (v < 0 || growth < least) v = u, least = growth;
        }
    }
    exact_undo(x, nlog, 0);
    return false;
}

static bool exact_take_chains(exact *x, int64_t key) {
    for (int w = 0; w < x->words; w++)
        for (uint64_t left = x->ready[w]; left; left &= left - 1) {
            int v = w * 64 + exact_lowest(left);
            if (x->live + x->l->need[v] <= key && exact_take_chain(x, key, v)) return true;
        }
    return false;
}

static void exact_close(exact *x, int64_t key) {
    do {
        while (exact_take_ready(x, key)) {}
    } while (exact_take_chains(x, key));
}

/* ---- states ------------------------------------------------------------------------------------- */

static exact_state *exact_at(const exact *x, int id) {
    return (exact_state *)(void *)(x->chunks[id / EXACT_CHUNK] + (size_t)(id % EXACT_CHUNK) * x->state_bytes);
}

static uint64_t exact_hash(const exact *x, const uint64_t *bits) {
    uint64_t h = 0;
    for (int w = 0; w < x->words; w++) h = btl_hash_mix(h, bits[w]);
    return h;
}

static void exact_table_grow(exact *x) {
    size_t size = x->table_size ? x->table_size * 2 : 1024;
    int *table = btl_arena_alloc(x->a, size * sizeof *table);
    memset(table, -1, size * sizeof *table);
    for (int id = 0; id < x->nstates; id++) {
        size_t i = exact_hash(x, exact_at(x, id)->bits) & (size - 1);
        while (table[i] >= 0) i = (i + 1) & (size - 1);
        table[i] = id;
    }
    x->table = table, x->table_size = size;
}

/* The slot of the set that has run: its state, or where it belongs. */
static int *exact_slot(exact *x) {
    if ((size_t)x->nstates * 2 >= x->table_size) exact_table_grow(x);
    size_t i = exact_hash(x, x->done) & (x->table_size - 1);
    while (x->table[i] >= 0 && memcmp(exact_at(x, x->table[i])->bits, x->done, (size_t)x->words * sizeof *x->done) != 0) i = (i + 1) & (x->table_size - 1);
    return &x->table[i];
}

static int exact_state_new(exact *x) {
    if (x->nstates == x->nchunks * EXACT_CHUNK) {
        char *chunk = btl_arena_alloc(x->a, EXACT_CHUNK * x->state_bytes);
        *BTL_PUSH(x->a, x->chunks, x->nchunks, x->chunks_capacity) = chunk;
    }
    exact_state *s = exact_at(x, x->nstates);
    memcpy(s->bits, x->done, (size_t)x->words * sizeof *x->done);
    s->live = x->live;
    s->depth = x->ndone;
    s->expanded = false;
    x->s->states--;
    return x->nstates++;
}

static bool exact_sooner(const exact_entry *p, const exact_entry *q) { /* the shallow ones first: the stack turns them round */
    return p->key != q->key ? p->key < q->key : p->depth != q->depth ? p->depth < q->depth : p->id < q->id;
}

static void exact_heap_add(exact *x, exact_entry e) {
    (void)BTL_PUSH(x->a, x->heap, x->nheap, x->heap_capacity);
    int i = x->nheap - 1;
    for (; i && exact_sooner(&e, &x->heap[(i - 1) / 2]); i = (i - 1) / 2) x->heap[i] = x->heap[(i - 1) / 2];
    x->heap[i] = e;
}

static exact_entry exact_heap_take(exact *x) {
    exact_entry top = x->heap[0], e = x->heap[--x->nheap];
    int i = 0;
    for (int child = 1; child < x->nheap; child = 2 * i + 1) {
        if (child + 1 < x->nheap && exact_sooner(&x->heap[child + 1], &x->heap[child])) child++;
        if (!exact_sooner(&x->heap[child], &e)) break;
        x->heap[i] = x->heap[child];
        i = child;
    }
    x->heap[i] = e;
    return top;
}

/* Keeps the set that has run as reached with this key; true if that is news. */
static void exact_reach(exact *x, int64_t level, int64_t key, int parent, int op) {
    int *slot = exact_slot(x);
    if (*slot < 0) {
        int id = exact_state_new(x);
        *slot = id;
    } else if (exact_at(x, *slot)->expanded || exact_at(x, *slot)->key <= key) {
        return;
    }
    exact_state *s = exact_at(x, *slot);
    s->key = key, s->parent = parent, s->op = op;
    exact_entry e = { key, s->depth, *slot };
    if (key == level) *BTL_PUSH(x->a, x->stack, x->nstack, x->stack_capacity) = e;
    else exact_heap_add(x, e);
}

/* ---- the search ---------------------------------------------------------------------------------- */

typedef struct exact_child { int64_t growth; int op; } exact_child;

/* Ops that are ready, those that grow most first: the last one reached is expanded next. */
static int exact_children(exact *x, int64_t key, exact_child *children) {
    int n = 0;
    for (int w = 0; w < x->words; w++)
        for (uint64_t left = x->ready[w]; left; left &= left - 1) {
            int v = w * 64 + exact_lowest(left);
            int64_t at = x->live + x->l->need[v];
            if ((at > key ? at : key) >= x->s->cutoff) continue;
            exact_child c = { exact_growth(x, v), v };
            int i = n++;
            for (; i && children[i - 1].growth < c.growth; i--) children[i] = children[i - 1];
            children[i] = c;
        }
    return n;
}

static void exact_expand(exact *x, int id, exact_child *children) {
    exact_state *s = exact_at(x, id);
    s->expanded = true;
    exact_load(x, s);
    int64_t level = s->key;
    int n = exact_children(x, level, children);
    for (int i = 0; i < n; i++) {
        int v = children[i].op;
        int64_t at = x->live + x->l->need[v], key = at > level ? at : level;
        exact_do(x, v);
        exact_close(x, key);
        exact_reach(x, level, key, id, v);
        exact_undo(x, 0, 0);
    }
}

/* The path again from its beginning: closing depends on the set and the key alone. */
static void exact_order(exact *x, int id, int *order) {
    int depth = 0;
    for (int i = id; i >= 0; i = exact_at(x, i)->parent) depth++;
    int *path = BTL_ARRAY(x->a, int, depth + 1), placed = 0;
    for (int i = id, k = depth; i >= 0; i = exact_at(x, i)->parent) path[--k] = i;
    exact_state *begin = btl_arena_zalloc(x->a, x->state_bytes);
    begin->live = x->l->base;
    for (int s = 0; s < x->l->nstores; s++)
        if (x->l->maker[s] < 0) begin->live += x->l->bytes[s];
    exact_load(x, begin);
    for (int i = 0; i < depth; i++) {
        const exact_state *s = exact_at(x, path[i]);
        x->nlog = x->nfresh = 0;
        if (s->op >= 0) exact_do(x, s->op);
        exact_close(x, s->key);
        for (int k = 0; k < x->nlog; k++) order[placed++] = x->log[k];
    }
}

static void exact_begin(exact *x) {
    const btl_liveness *l = x->l;
    int n = l->nops + 1;
    x->words = (l->nops + 63) / 64;
    x->state_bytes = sizeof(exact_state) + (size_t)x->words * sizeof(uint64_t);
    x->done = BTL_ARRAY(x->a, uint64_t, x->words + 1), x->ready = BTL_ARRAY(x->a, uint64_t, x->words + 1);
    x->waits = BTL_ARRAY(x->a, int, n), x->left = BTL_ARRAY(x->a, int, l->nstores + 1);
    x->log = BTL_ARRAY(x->a, int, n), x->fresh = BTL_ARRAY(x->a, int, n);
    x->live = l->base;
    for (int i = 0; i < l->nops; i++)
        if (!(x->waits[i] = l->before.first[i + 1] - l->before.first[i])) exact_flip(x->ready, i);
    for (int s = 0; s < l->nstores; s++) {
        x->left[s] = l->users.first[s + 1] - l->users.first[s];
        if (l->maker[s] < 0) x->live += l->bytes[s];
    }
}

static void exact_search(exact *x, int *order) {
    order_search *s = x->s;
    exact_child *children = BTL_ARRAY(x->a, exact_child, x->l->nops + 1);
    int64_t level = x->live > s->floor ? x->live : s->floor;
    exact_close(x, level);
    exact_reach(x, level, level, -1, -1);
    while (x->nstack || x->nheap) {
        if (!x->nstack) {
            level = x->heap[0].key;
            while (x->nheap && x->heap[0].key == level) *BTL_PUSH(x->a, x->stack, x->nstack, x->stack_capacity) = exact_heap_take(x);
        }
        exact_entry e = x->stack[--x->nstack];
        const exact_state *at = exact_at(x, e.id);
        s->bound = level;
        if (at->expanded || at->key != e.key) continue;
        if (at->depth == x->l->nops) {
            s->found = true;
            exact_order(x, e.id, order);
            return;
        }
        if (s->states <= 0 || *s->steps <= 0) return;
        exact_expand(x, e.id, children);
    }
    s->bound = s->cutoff;
}

void btl_order_search(btl_arena *scratch, const btl_liveness *l, order_search *s, int *order) {
    s->found = false;
    s->bound = s->floor;
    if (s->floor >= s->cutoff) {
        s->bound = s->cutoff;
        return;
    }
    exact x = { .l = l, .a = btl_arena_begin(scratch), .s = s };
    exact_begin(&x);
    exact_search(&x, order);
    btl_arena_end(x.a);
}
