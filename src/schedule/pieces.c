/* pieces.c - see pieces.h. SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/pieces.h"

#include "expr/leaf.h"
#include "ops/structure.h"
#include "schedule/layout.h"
#include "schedule/liveness.h"

#include <string.h>

enum { PIECES_SEEDS = 6 /* largest values from which it is tried */, PIECES_LEVELS = 64 };

/* ---- the graph ------------------------------------------------------------------------------------- */

typedef struct pieces {
    btl_graph *g;
    btl_arena *a;
    int n, norder, *order;   /* nodes of the graph; those that are needed, in an order in which they can run */
    btl_bits needed, root;   /* by node id; of the roots */
    btl_lists users;         /* by node id: nodes that read it */
    int widest, *in;         /* most operands of a node; room for their axes */
    int count;
    bool careful;
    signed char *axis;       /* by node id: of the region that is being looked at; -1: not in it */
    bool *whole;             /* by node id: of that, all is needed, too */
} pieces;

static bool pieces_is_leaf(const btl_node *n) { return n->op->flags & OP_LEAF; }

static int64_t pieces_node_bytes(const btl_node *n) {
    int64_t all = 0, bytes;
    if (pieces_is_leaf(n) || n->op->view) return 0;
    for (int i = 0; i < n->nout; i++) {
        if (btl_type_bytes(&n->out[i].type, NULL, &bytes) >= 0) return -1;
        all += bytes;
    }
    return all;
}

int64_t btl_pieces_bytes(btl_graph *g, int nroots, btl_var *const *roots) {
    btl_bits needed = btl_graph_reach(g, nroots, roots);
    int64_t all = 0;
    for (int id = 0; id < g->nnodes; id++) {
        int64_t bytes = btl_bits_get(needed, id) ? pieces_node_bytes(g->nodes[id]) : 0;
        if (bytes < 0) return -1;
        if (bytes > INT64_MAX - all) return INT64_MAX;
        all += bytes;
    }
    return all;
}

static pieces pieces_new(btl_graph *g, btl_arena *a, int nroots, btl_var *const *roots, int count) {
    pieces p = { .g = g, .a = a, .n = g->nnodes, .count = count, .needed = btl_graph_reach(g, nroots, roots), .root = btl_bits_new(a, g->nnodes) };
    int npairs = 0, nreads = 0;
    p.order = BTL_ARRAY(a, int, p.n + 1);
    p.norder = btl_graph_order(g, p.needed, p.order);
    for (int i = 0; i < p.norder; i++) {
        int nin = g->nodes[p.order[i]]->nin;
        nreads += nin, p.widest = nin > p.widest ? nin : p.widest;
    }
    int *pairs = BTL_ARRAY(a, int, 2 * nreads + 1);
    for (int i = 0; i < p.norder; i++) {
        const btl_node *n = g->nodes[p.order[i]];
        for (int k = 0; k < n->nin; k++) pairs[2 * npairs] = n->in[k]->node->id, pairs[2 * npairs++ + 1] = n->id;
    }
    p.users = btl_lists_new(a, p.n, p.n, npairs, (const int (*)[2])(void *)pairs);
    p.in = BTL_ARRAY(a, int, p.widest + 1);
    p.axis = BTL_ARRAY(a, signed char, p.n + 1), p.whole = BTL_ARRAY(a, bool, p.n + 1);
    for (int i = 0; i < nroots; i++) btl_bits_set(p.root, roots[i]->node->id);
    return p;
}

/* ---- a region -------------------------------------------------------------------------------------- */

static bool pieces_divides(const pieces *p, const btl_dim *d, int64_t grain) {
    int64_t size;
    return btl_dim_is_const(d, &size) && size > 0 && size % p->count == 0 && (!p->careful || size / p->count >= grain);
}

/* Can the node be cut along the axis of its outputs? p->in is filled. */
static bool pieces_can(const pieces *p, const btl_node *n, int axis, btl_cut *cut) {
    if (!btl_bits_get(p->needed, n->id) || n->op->measure || axis >= n->out->type.rank) return false;
    for (int i = 0; i < n->nout; i++)
        if (axis >= n->out[i].type.rank) return false;
    if (!btl_node_cut(n, axis, p->in, cut)) return false;
    for (int i = 0; i < n->nout; i++)
        if (!pieces_divides(p, n->out[i].type.dims[axis], cut->grain)) return false;
    for (int i = 0; i < n->nin; i++)
        if (cut->in[i] >= 0 && !pieces_divides(p, n->in[i]->type.dims[cut->in[i]], 1)) return false;
    return true;
}

static bool pieces_reads_along(const btl_node *n, const btl_cut *cut, const btl_node *operand, int axis) {
    for (int i = 0; i < n->nin; i++)
        if (n->in[i]->node == operand && cut->in[i] == axis) return true;
    return false;
}

/* All that can be cut along with the seed: operands of which the same range is read, nodes that read the same range. */
static void pieces_grow(pieces *p, const btl_node *seed, int axis, int *queue) {
    int head = 0, tail = 0;
    btl_cut cut;
    memset(p->axis, -1, (size_t)p->n);
    if (!pieces_can(p, seed, axis, &cut)) return;
    queue[tail++] = seed->id, p->axis[seed->id] = (signed char)axis;
    while (head < tail) {
        const btl_node *n = p->g->nodes[queue[head++]];
        int at = p->axis[n->id];
        btl_node_cut(n, at, p->in, &cut);
        for (int i = 0; i < n->nin; i++) {
            int along = cut.in[i];
            const btl_node *operand = n->in[i]->node;
            if (along < 0 || p->axis[operand->id] >= 0 || pieces_is_leaf(operand)) continue;
            if (pieces_can(p, operand, along, &cut)) queue[tail++] = operand->id, p->axis[operand->id] = (signed char)along;
            btl_node_cut(n, at, p->in, &cut); /* p->in was filled anew by what was asked for */
        }
        for (BTL_EACH(k, p->users, n->id)) {
            const btl_node *user = p->g->nodes[p->users.item[k]];
            for (int along = 0; p->axis[user->id] < 0 && along < user->out->type.rank; along++)
                if (pieces_can(p, user, along, &cut) && pieces_reads_along(user, &cut, n, at)) queue[tail++] = user->id, p->axis[user->id] = (signed char)along;
        }
    }
}

/* All of it is needed; of a view all of what it is a view of, so that it can be taken of that. */
static void pieces_need(pieces *p, const btl_node *n) {
    for (; p->axis[n->id] >= 0 && !p->whole[n->id]; n = n->in[0]->node) {
        p->whole[n->id] = true;
        if (!n->op->view) return;
    }
}

static void pieces_find_whole(pieces *p) {
    memset(p->whole, 0, (size_t)p->n);
    for (int i = 0; i < p->norder; i++) {
        const btl_node *n = p->g->nodes[p->order[i]];
        btl_cut cut;
        bool inside = p->axis[n->id] >= 0 && btl_node_cut(n, p->axis[n->id], p->in, &cut);
        for (int k = 0; k < n->nin; k++)
            if (!inside || cut.in[k] != p->axis[n->in[k]->node->id]) pieces_need(p, n->in[k]->node);
        if (btl_bits_get(p->root, n->id)) pieces_need(p, n);
    }
}

/* Nodes that read no piece of the region, and spare nothing: all of what they compute is needed, or they are views. True: there were some. */
static bool pieces_trim(pieces *p) {
    bool trimmed = false;
    for (int i = 0; i < p->norder; i++) {
        const btl_node *n = p->g->nodes[p->order[i]];
        btl_cut cut;
        bool reads = false;
        if (p->axis[n->id] < 0 || !(p->whole[n->id] || n->op->view) || !btl_node_cut(n, p->axis[n->id], p->in, &cut)) continue;
        for (int k = 0; k < n->nin; k++) reads |= cut.in[k] >= 0 && p->axis[n->in[k]->node->id] == cut.in[k];
        if (!reads) p->axis[n->id] = -1, trimmed = true;
    }
    return trimmed;
}

static void pieces_region(pieces *p, const btl_node *seed, int axis, int *queue, btl_pieces *found) {
    btl_cut cut;
    *found = (btl_pieces){ .count = p->count, .largest = seed->out, .axis = axis };
    pieces_grow(p, seed, axis, queue);
    do pieces_find_whole(p);
    while (pieces_trim(p));
    for (int i = 0; i < p->norder; i++) {
        const btl_node *n = p->g->nodes[p->order[i]];
        if (p->axis[n->id] < 0) continue;
        found->nnodes++;
        if (!p->whole[n->id]) found->spared += pieces_node_bytes(n);
        found->rounds |= btl_node_cut(n, p->axis[n->id], p->in, &cut) && cut.rounds;
    }
    found->spared -= found->spared / p->count;
}

/* The largest values that are computed, the largest first. */
static int pieces_seeds(const pieces *p, const btl_node **seeds) {
    int n = 0;
    for (int i = 0; i < p->norder; i++) {
        const btl_node *node = p->g->nodes[p->order[i]];
        int64_t bytes = pieces_node_bytes(node);
        if (bytes <= 0 || (p->careful && bytes / p->count < BTL_PIECES_BLOCK)) continue;
        int at = n < PIECES_SEEDS ? n++ : PIECES_SEEDS;
        for (; at > 0 && bytes > pieces_node_bytes(seeds[at - 1]); at--)
            if (at < PIECES_SEEDS) seeds[at] = seeds[at - 1];
        if (at < PIECES_SEEDS) seeds[at] = node;
    }
    return n;
}

bool btl_pieces_find(btl_graph *g, btl_arena *a, int nroots, btl_var *const *roots, int count, bool careful, btl_pieces *found) {
    const btl_node *seeds[PIECES_SEEDS];
    *found = (btl_pieces){ .count = count };
    if (btl_pieces_bytes(g, nroots, roots) < 0) return false;
    pieces p = pieces_new(g, a, nroots, roots, count);
    p.careful = careful;
    int nseeds = pieces_seeds(&p, seeds), *queue = BTL_ARRAY(a, int, p.n + 1);
    signed char *best = BTL_ARRAY(a, signed char, p.n + 1);
    for (int s = 0; s < nseeds; s++)
        for (int axis = 0; axis < seeds[s]->out->type.rank; axis++) {
            btl_pieces here;
            pieces_region(&p, seeds[s], axis, queue, &here);
            if (here.spared <= found->spared) continue;
            memcpy(best, p.axis, (size_t)p.n);
            *found = here, found->n = p.n, found->axes = best;
        }
    return found->axes != NULL;
}

/* ---- in pieces --------------------------------------------------------------------------------------- */

typedef struct pieces_maker {
    pieces p;
    btl_var_map whole;      /* what was there before: what stands for it, all of it */
    btl_node ***made;       /* by node id of the region: of every piece */
    int *level, nlevels;    /* by node id: how often something is put together before it can run */
    btl_var **in;
} pieces_maker;

static bool pieces_inside(const pieces_maker *m, const btl_node *n) { return m->p.axis[n->id] >= 0; }

static void pieces_find_levels(pieces_maker *m) {
    for (int i = 0; i < m->p.norder; i++) {
        const btl_node *n = m->p.g->nodes[m->p.order[i]];
        btl_cut cut;
        bool inside = pieces_inside(m, n) && btl_node_cut(n, m->p.axis[n->id], m->p.in, &cut);
        for (int k = 0; k < n->nin; k++) {
            const btl_node *operand = n->in[k]->node;
            bool put_together = pieces_inside(m, operand) && !(inside && cut.in[k] == m->p.axis[operand->id]);
            int level = m->level[operand->id] + put_together;
            if (level > m->level[n->id]) m->level[n->id] = level;
        }
        if (m->level[n->id] >= m->nlevels) m->nlevels = m->level[n->id] + 1;
    }
}

/* Operand k of the node's piece i. */
static btl_var *pieces_operand(pieces_maker *m, const btl_node *n, const btl_cut *cut, int k, int i) {
    btl_var *v = n->in[k];
    int axis = cut->in[k];
    if (axis >= 0 && m->p.axis[v->node->id] == axis) return &m->made[v->node->id][i]->out[v->index];
    btl_var *whole = btl_var_map_get(&m->whole, v);
    return axis < 0 || !whole ? whole : btl_share_along(m->p.g, whole, axis, m->p.count, i);
}

static btl_status pieces_make_piece(pieces_maker *m, const btl_node *n, int i) {
    btl_cut cut;
    btl_graph *g = m->p.g;
    if (!btl_node_cut(n, m->p.axis[n->id], m->p.in, &cut)) return BTL_EINTERNAL;
    g->here = n->places;
    for (int k = 0; k < n->nin; k++)
        if (!(m->in[k] = pieces_operand(m, n, &cut, k, i))) return BTL_EINTERNAL;
    return (m->made[n->id][i] = btl_cut_apply(g, &cut, m->in, m->p.count)) ? BTL_OK : BTL_EINTERNAL;
}

/* A node on what stands for its operands. */
static btl_status pieces_make_whole(pieces_maker *m, btl_node *n) {
    bool changed = false;
    for (int k = 0; k < n->nin; k++) {
        m->in[k] = btl_var_map_get(&m->whole, n->in[k]);
        if (!m->in[k]) return BTL_EINTERNAL;
        changed |= m->in[k] != n->in[k];
    }
    btl_node *made = changed ? btl_node_rebuild(m->p.g, n, m->in) : n;
    for (int i = 0; i < n->nout; i++) btl_var_map_set(m->p.a, &m->whole, &n->out[i], &made->out[i]);
    return BTL_OK;
}

static btl_status pieces_join(pieces_maker *m, btl_node *n) {
    btl_param axis = { .i = m->p.axis[n->id] };
    btl_var **parts = BTL_ARRAY(m->p.a, btl_var *, m->p.count);
    m->p.g->here = n->places;
    for (int k = 0; k < n->nout; k++) {
        for (int i = 0; i < m->p.count; i++) parts[i] = &m->made[n->id][i]->out[k];
        btl_node *join = btl_apply(m->p.g, &btl_op_concatenate, m->p.count, parts, &axis);
        if (!join) return BTL_EINTERNAL;
        join->out->name = n->out[k].name;
        btl_var_map_set(m->p.a, &m->whole, &n->out[k], join->out);
    }
    return BTL_OK;
}

static btl_status pieces_make_level(pieces_maker *m, int n, btl_node **nodes) {
    for (int i = 0; i < n; i++)
        if (!pieces_inside(m, nodes[i])) BTL_TRY(pieces_make_whole(m, nodes[i]));
    for (int piece = 0; piece < m->p.count; piece++)
        for (int i = 0; i < n; i++)
            if (pieces_inside(m, nodes[i])) BTL_TRY(pieces_make_piece(m, nodes[i], piece));
    for (int i = 0; i < n; i++)
        if (pieces_inside(m, nodes[i]) && m->p.whole[nodes[i]->id]) BTL_TRY(nodes[i]->op->view ? pieces_make_whole(m, nodes[i]) : pieces_join(m, nodes[i]));
    return BTL_OK;
}

/* Pieces of one level are made together; what is outside comes before the pieces that read it. */
static btl_status pieces_make_all(pieces_maker *m) {
    btl_node **nodes = BTL_ARRAY(m->p.a, btl_node *, m->p.norder + 1);
    for (int level = 0; level < m->nlevels; level++) {
        int n = 0;
        for (int i = 0; i < m->p.norder; i++)
            if (m->level[m->p.order[i]] == level) nodes[n++] = m->p.g->nodes[m->p.order[i]];
        BTL_TRY(pieces_make_level(m, n, nodes));
    }
    return BTL_OK;
}

btl_status btl_pieces_make(btl_graph *g, const btl_pieces *found, int nroots, btl_var **roots) {
    btl_arena *a = btl_arena_begin(&g->arena);
    const btl_places *here = g->here;
    pieces_maker m = { .p = pieces_new(g, a, nroots, roots, found->count), .whole = btl_var_map_new(a, g) };
    memset(m.p.axis, -1, (size_t)m.p.n);
    memcpy(m.p.axis, found->axes, (size_t)found->n);
    pieces_find_whole(&m.p);
    m.made = BTL_ARRAY(a, btl_node **, m.p.n + 1), m.level = BTL_ARRAY(a, int, m.p.n + 1);
    for (int i = 0; i < m.p.norder; i++) {
        const btl_node *n = g->nodes[m.p.order[i]];
        if (pieces_inside(&m, n)) m.made[n->id] = BTL_ARRAY(a, btl_node *, found->count);
    }
    m.in = BTL_ARRAY(a, btl_var *, m.p.widest + 1);
    pieces_find_levels(&m);
    btl_status status = m.nlevels > PIECES_LEVELS ? BTL_OK : pieces_make_all(&m);
    for (int i = 0; status == BTL_OK && m.nlevels <= PIECES_LEVELS && i < nroots; i++) roots[i] = btl_var_map_get(&m.whole, roots[i]);
    g->here = here;
    btl_arena_end(a);
    return g->status != BTL_OK ? g->status : status;
}
