/* body.c - nested graphs compared by structure.
 *
 * Hash and comparison walk both bodies from the results, each node once, and remember what they
 * have seen in a small table on the stack: they are asked for by tables that intern, which have no
 * arena to lend. Bodies with more nodes than that (loops will have them, fused kernels have not)
 * are equal only to themselves.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/body.h"

#include "expr/op.h"

#include <stdlib.h>
#include <string.h>

enum { BODY_SLOTS = 512, BODY_MOST = 256, BODY_STACK = 1024 };

/* ---- nodes seen ------------------------------------------------------------------------------ */

/* What is known of a node: its hash, or the node of the other body that it equals. */
typedef struct body_seen {
    const btl_node *node;
    const btl_node *twin;
    uint64_t hash;
} body_seen;

/* Places are cleared for each walk, so they are small. */
typedef struct body_memo {
    uint16_t place[BODY_SLOTS]; /* 1 + the number of what is known; 0: free */
    int count;
    body_seen seen[BODY_MOST];
} body_memo;

static void body_begin(body_memo *m) {
    memset(m->place, 0, sizeof m->place);
    m->count = 0;
}

static size_t body_place(const body_memo *m, const btl_node *n) {
    size_t i = (size_t)btl_hash_mix(0, (uint64_t)(uintptr_t)n) % BODY_SLOTS;
    while (m->place[i] && m->seen[m->place[i] - 1].node != n) i = (i + 1) % BODY_SLOTS;
    return i;
}

/* NULL: nothing is known of the node. */
static const body_seen *body_find(const body_memo *m, const btl_node *n) {
    size_t i = body_place(m, n);
    return m->place[i] ? &m->seen[m->place[i] - 1] : NULL;
}

/* False when the table is full. Of a node of which nothing is known. */
static bool body_add(body_memo *m, const btl_node *n, const btl_node *twin, uint64_t hash) {
    if (m->count >= BODY_MOST) return false;
    size_t i = body_place(m, n);
    m->seen[m->count++] = (body_seen){ n, twin, hash };
    m->place[i] = (uint16_t)m->count;
    return true;
}

static int body_param_index(const btl_body *b, const btl_node *n) {
    for (int i = 0; i < b->nparams; i++)
        if (b->params[i]->node == n) return i;
    return -1;
}

/* ---- hash ------------------------------------------------------------------------------------ */

static uint64_t body_type_hash(uint64_t h, const btl_type *t) {
    h = btl_hash_mix(h, (uint64_t)t->dtype * 32 + (uint64_t)t->rank);
    for (int i = 0; i < t->rank; i++) h = btl_hash_mix(h, (uint64_t)t->dims[i]->id);
    return h;
}

static uint64_t body_node_hash(body_memo *m, const btl_body *b, const btl_node *n) {
    int param = body_param_index(b, n);
    if (param >= 0) return body_type_hash((uint64_t)param, &n->out->type);
    uint64_t h = btl_hash_bytes(n->op->name, strlen(n->op->name), (uint64_t)n->nin);
    for (int i = 0; i < n->nin; i++)
        h = btl_hash_mix(h, body_find(m, n->in[i]->node)->hash + (uint64_t)n->in[i]->index);
    for (int i = 0; i < n->op->nparams; i++)
        h = btl_param_hash(n->op->params[i].kind, &n->params[i], h);
    for (int i = 0; i < n->nout; i++) h = body_type_hash(h, &n->out[i].type);
    return h;
}

/* Hashes everything below `root`; false if that is too much. */
static bool body_hash_from(body_memo *m, const btl_body *b, const btl_node *root) {
    const btl_node *stack[BODY_STACK];
    int depth = 0;
    stack[depth++] = root;
    while (depth) {
        const btl_node *n = stack[depth - 1];
        int before = depth;
        bool known = body_find(m, n);
        for (int i = 0; !known && i < n->nin; i++) {
            if (body_find(m, n->in[i]->node)) continue;
            if (depth == BODY_STACK) return false;
            stack[depth++] = n->in[i]->node;
        }
        if (depth > before) continue;
        depth--;
        if (!known && !body_add(m, n, NULL, body_node_hash(m, b, n))) return false;
    }
    return true;
}

uint64_t btl_body_hash(const btl_body *body) {
    body_memo m;
    body_begin(&m);
    uint64_t h = btl_hash_mix((uint64_t)body->nparams, (uint64_t)body->nresults);
    for (int i = 0; i < body->nparams; i++) h = body_type_hash(h, &body->params[i]->type);
    for (int i = 0; i < body->nresults; i++) {
        const btl_var *r = body->results[i];
        h = body_type_hash(h, &r->type);
        if (!body_hash_from(&m, body, r->node)) return h;
        h = btl_hash_mix(h, body_find(&m, r->node)->hash + (uint64_t)r->index);
    }
    return h;
}

/* ---- equality -------------------------------------------------------------------------------- */

static bool body_same_node(const btl_body *a, const btl_node *x, const btl_body *b,
                           const btl_node *y) {
    int param = body_param_index(a, x);
    if (param != body_param_index(b, y)) return false;
    if (x->op != y->op || x->nin != y->nin || x->nout != y->nout) return false;
    for (int i = 0; i < x->nout; i++)
        if (!btl_type_equal(&x->out[i].type, &y->out[i].type)) return false;
    for (int i = 0; param < 0 && i < x->op->nparams; i++)
        if (!btl_param_equal(x->op->params[i].kind, &x->params[i], &y->params[i])) return false;
    for (int i = 0; i < x->nin; i++)
        if (x->in[i]->index != y->in[i]->index) return false;
    return param >= 0 || x->op != &btl_op_param || x == y;
}

/* Compares all below two nodes; m maps nodes of a to their twins of b. */
static bool body_equal_from(body_memo *m, const btl_body *a, const btl_node *x, const btl_body *b,
                            const btl_node *y) {
    const btl_node *stack[BODY_STACK][2];
    int depth = 0;
    stack[depth][0] = x, stack[depth++][1] = y;
    while (depth) {
        depth--;
        x = stack[depth][0], y = stack[depth][1];
        const body_seen *seen = body_find(m, x);
        if (seen && seen->twin != y) return false;
        if (seen) continue;
        if (!body_same_node(a, x, b, y) || !body_add(m, x, y, 0)) return false;
        for (int i = 0; i < x->nin; i++) {
            if (depth == BODY_STACK) return false;
            stack[depth][0] = x->in[i]->node, stack[depth++][1] = y->in[i]->node;
        }
    }
    return true;
}

bool btl_body_equal(const btl_body *a, const btl_body *b) {
    body_memo m;
    if (a == b) return true;
    body_begin(&m);
    if (a->nparams != b->nparams || a->nresults != b->nresults) return false;
    for (int i = 0; i < a->nparams; i++)
        if (!btl_type_equal(&a->params[i]->type, &b->params[i]->type)) return false;
    for (int i = 0; i < a->nresults; i++) {
        const btl_var *x = a->results[i], *y = b->results[i];
        if (x->index != y->index || !body_equal_from(&m, a, x->node, b, y->node)) return false;
    }
    return true;
}

/* ---- listing --------------------------------------------------------------------------------- */

typedef struct body_list {
    btl_arena *arena;
    btl_table seen;
    btl_node **nodes;
    int count, capacity;
} body_list;

static bool body_is_node(const void *key, const void *thing) { return key == thing; }

static void body_visit(body_list *l, btl_node *n) {
    uint64_t h = btl_hash_mix(0, (uint64_t)(uintptr_t)n);
    if (btl_table_find(&l->seen, h, body_is_node, n)) return;
    btl_table_add(&l->seen, l->arena, h, n);
    *BTL_PUSH(l->arena, l->nodes, l->count, l->capacity) = n;
}

static int body_by_id(const void *a, const void *b) {
    const btl_node *x = *(btl_node *const *)a, *y = *(btl_node *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

btl_node **btl_body_nodes(btl_arena *a, const btl_body *body, int *nnodes) {
    body_list l = { .arena = a };
    for (int i = 0; i < body->nresults; i++) body_visit(&l, body->results[i]->node);
    for (int at = 0; at < l.count; at++) {
        btl_node *n = l.nodes[at];
        for (int i = 0; i < n->nin; i++) body_visit(&l, n->in[i]->node);
    }
    if (l.count) qsort(l.nodes, (size_t)l.count, sizeof(btl_node *), body_by_id);
    *nnodes = l.count;
    return l.nodes;
}
