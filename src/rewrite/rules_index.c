/* rules_index.c - reading parts: of parts, of joins, of what was just written, of elementwise results; writing parts.
 *
 * A basic index without variables is a box (for each axis where it begins and how much it takes) and a pattern
 * (which axes stay, where new ones stand). Boxes are composed and compared as symbolic sizes: what is not proven
 * equal, inside or apart for every call, is left. An index that may be out of range stays where it fails.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/rules.h"

#include "expr/index.h"
#include "ops/index_parts.h"
#include "ops/reduce.h"
#include "ops/slice.h"
#include "ops/structure.h"

#include <string.h>

static const btl_node *index_inner(btl_match *m, const btl_var *v, const char *name) {
    return btl_node_is(v->node, name) ? btl_match_node(m, v, NULL) : NULL;
}

bool btl_match_same_part(const btl_node *write, const btl_node *read) {
    const btl_param *to = btl_node_param(write, "index"), *from = btl_node_param(read, "index");
    if (write->nin != read->nin + 1 || to->index.n != from->index.n) return false;
    for (int i = 1; i < read->nin; i++)
        if (write->in[i + 1] != read->in[i]) return false;
    for (int i = 0; i < from->index.n; i++) {
        btl_index_item item = to->index.v[i]; /* numbers its operands one further: there is y */
        btl_bound *bounds[] = { &item.start, &item.stop, &item.step };
        for (int k = 0; k < 3; k++)
            if (bounds[k]->input > 0) bounds[k]->input--;
        btl_param a = { .index = { 1, &item } }, b = { .index = { 1, &from->index.v[i] } };
        if (!btl_param_equal(PARAM_INDEX, &a, &b)) return false;
    }
    return true;
}

/* ---- boxes ---------------------------------------------------------------------------------------- */

typedef struct index_box {
    int rank;                       /* of what is read */
    const btl_dim *start[BTL_MAX_RANK], *length[BTL_MAX_RANK];
    bool whole[BTL_MAX_RANK];
    int nresult, pattern[BTL_MAX_RANK]; /* for each axis of the result the axis that it is, -1: a new one */
} index_box;

static bool index_at_most(btl_graph *g, const btl_dim *a, const btl_dim *b) { return btl_dim_sub(g, b, a)->lo >= 0; }

/* One axis; false where it is not known or not proven to be in range. */
static bool index_box_axis(btl_graph *g, const btl_index_item *item, const btl_dim *n, index_box *box, int axis) {
    box->whole[axis] = btl_slice_is_full(item);
    if (!btl_index_range(g, item, n, &box->start[axis], &box->length[axis]) || box->start[axis]->lo < 0) return false;
    return item->kind != INDEX_INT || index_at_most(g, btl_dim_add(g, box->start[axis], box->length[axis]), n);
}

/* The box of an index of a variable of type x. */
static bool index_box_of(btl_graph *g, const btl_param *index, const btl_type *x, index_box *box) {
    int axis = 0;
    box->rank = x->rank, box->nresult = 0;
    for (int i = 0; i < index->index.n; i++) {
        const btl_index_item *item = &index->index.v[i];
        if (item->kind != INDEX_INT) {
            if (box->nresult == BTL_MAX_RANK) return false;
            box->pattern[box->nresult++] = item->kind == INDEX_NEWAXIS ? -1 : axis;
        }
        if (item->kind == INDEX_NEWAXIS) continue;
        if (axis >= x->rank || !index_box_axis(g, item, x->dims[axis], box, axis)) return false;
        axis++;
    }
    return axis == x->rank;
}

static void index_box_item(btl_graph *g, const index_box *box, int axis, bool kept, btl_index_arg *out) {
    *out = (btl_index_arg){ .kind = kept ? ARG_SLICE : ARG_INT };
    if (kept && box->whole[axis]) return;
    out->start.dim = box->start[axis];
    if (kept) out->stop.dim = btl_dim_add(g, box->start[axis], box->length[axis]);
}

/* x[box]. */
static btl_var *index_box_read(btl_graph *g, btl_var *x, const index_box *box) {
    btl_index_arg items[2 * BTL_MAX_RANK];
    int n = 0, axis = 0;
    for (int k = 0; k <= box->nresult; k++) {
        int upto = k < box->nresult ? box->pattern[k] : box->rank;
        if (upto < 0) {
            items[n++] = (btl_index_arg){ .kind = ARG_NEWAXIS };
            continue;
        }
        for (; axis < upto; axis++) index_box_item(g, box, axis, false, &items[n++]);
        if (axis < box->rank) index_box_item(g, box, axis, true, &items[n++]), axis++;
    }
    return btl_index_build(g, x, n, items);
}

/* ---- reading -------------------------------------------------------------------------------------------- */

/* x[inner][outer] as x[both]. */
static btl_var *index_merge(btl_match *m, const btl_node *n) {
    btl_graph *g = m->g;
    index_box a, b, both;
    const btl_node *inner = index_inner(m, n->in[0], "subtensor");
    if (!inner || !index_box_of(g, &inner->params[0], &inner->in[0]->type, &a)) return NULL;
    if (!index_box_of(g, &n->params[0], &inner->out->type, &b)) return NULL;
    both = a;
    both.nresult = b.nresult;
    for (int j = 0; j < b.rank; j++) {
        int axis = a.pattern[j];
        if (axis < 0 || b.whole[j]) continue; /* a new axis is of size 1, and b was proven to be in range */
        both.whole[axis] = false;
        both.start[axis] = btl_dim_add(g, a.start[axis], b.start[j]);
        both.length[axis] = b.length[j];
    }
    for (int k = 0; k < b.nresult; k++) {
        both.pattern[k] = b.pattern[k] < 0 ? -1 : a.pattern[b.pattern[k]];
        if (b.pattern[k] >= 0 && a.pattern[b.pattern[k]] < 0 && !btl_dim_is(b.length[b.pattern[k]], 1)) return NULL;
    }
    return index_box_read(g, inner->in[0], &both);
}

/* A part of a join that lies in one of its parts. */
static btl_var *index_of_join(btl_match *m, const btl_node *n) {
    btl_graph *g = m->g;
    index_box box;
    const btl_node *join = index_inner(m, n->in[0], "concatenate");
    if (!join || !index_box_of(g, &n->params[0], &join->out->type, &box)) return NULL;
    int axis = (int)(join->params[0].i < 0 ? join->params[0].i + box.rank : join->params[0].i);
    const btl_dim *from = btl_dim_const(g, 0), *start = box.start[axis], *end = btl_dim_add(g, start, box.length[axis]);
    if (box.whole[axis]) return NULL;
    for (int i = 0; i < join->nin; i++) {
        const btl_dim *to = btl_dim_add(g, from, join->in[i]->type.dims[axis]);
        if (index_at_most(g, from, start) && index_at_most(g, end, to)) {
            box.start[axis] = btl_dim_sub(g, start, from);
            box.whole[axis] = box.length[axis] == join->in[i]->type.dims[axis] && btl_dim_is(box.start[axis], 0);
            return index_box_read(g, join->in[i], &box);
        }
        from = to;
    }
    return NULL;
}

/* What a box of something of type `wide` takes of x, which is stretched to it; axes that x has not are of size 1. */
static bool index_box_inside(btl_graph *g, const index_box *box, const btl_type *x, const btl_type *wide, index_box *inside) {
    int lead = wide->rank - x->rank;
    inside->rank = x->rank, inside->nresult = 0;
    for (int i = 0; i < x->rank; i++) {
        bool same = x->dims[i] == wide->dims[i + lead];
        inside->whole[i] = !same || box->whole[i + lead];
        inside->start[i] = same ? box->start[i + lead] : btl_dim_const(g, 0);
        inside->length[i] = same ? box->length[i + lead] : btl_dim_const(g, 1);
        if (!same && !btl_dim_is(x->dims[i], 1)) return false;
    }
    for (int k = 0; k < box->nresult; k++)
        if (box->pattern[k] >= lead) inside->pattern[inside->nresult++] = box->pattern[k] - lead;
        else if (inside->nresult) inside->pattern[inside->nresult++] = -1;
    return true;
}

/* A part of a stretched value: of the value, stretched less. */
static btl_var *index_of_broadcast(btl_match *m, const btl_node *n) {
    btl_graph *g = m->g;
    index_box box, inside;
    const btl_node *view = index_inner(m, n->in[0], "broadcast_to");
    if (!view || !index_box_of(g, &n->params[0], &view->out->type, &box)) return NULL;
    if (!index_box_inside(g, &box, &view->in[0]->type, &view->out->type, &inside)) return NULL;
    btl_var *part = index_box_read(g, view->in[0], &inside);
    return part ? btl_broadcast_to_dims(g, part, n->out->type.rank, n->out->type.dims) : NULL;
}

static bool index_box_equal(const index_box *a, const index_box *b) {
    if (a->nresult != b->nresult) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->whole[i] != b->whole[i] || (!a->whole[i] && (a->start[i] != b->start[i] || a->length[i] != b->length[i]))) return false;
    return memcmp(a->pattern, b->pattern, (size_t)a->nresult * sizeof *a->pattern) == 0;
}

static bool index_box_apart(btl_graph *g, const index_box *a, const index_box *b) {
    for (int i = 0; i < a->rank; i++)
        if (index_at_most(g, btl_dim_add(g, a->start[i], a->length[i]), b->start[i]) ||
            index_at_most(g, btl_dim_add(g, b->start[i], b->length[i]), a->start[i])) return true;
    return false;
}

/* Reading what was just written, or something else. */
static btl_var *index_of_write(btl_match *m, const btl_node *n) {
    btl_graph *g = m->g;
    index_box read, written;
    bool set = btl_node_is(n->in[0]->node, "set_subtensor");
    const btl_node *write = index_inner(m, n->in[0], set ? "set_subtensor" : "inc_subtensor");
    if (!write || !index_box_of(g, &n->params[0], &write->out->type, &read)) return NULL;
    if (write->nin != 2 || btl_index_has_array(&write->params[0]) || !index_box_of(g, &write->params[0], &write->out->type, &written)) return NULL;
    if (index_box_equal(&read, &written)) {
        btl_var *y = btl_broadcast_to_dims(g, write->in[1], n->out->type.rank, n->out->type.dims);
        return set || !y ? y : btl_add(g, index_box_read(g, write->in[0], &read), y);
    }
    return index_box_apart(g, &read, &written) ? index_box_read(g, write->in[0], &read) : NULL;
}

/* ---- indices 0, 1, 2, … -------------------------------------------------------------------------------------- */

bool btl_match_counts(const btl_var *v, const btl_dim *n) {
    const btl_array *a = btl_var_constant_array(v);
    if (v->type.rank != 1 || v->type.dims[0] != n || v->type.dtype != BTL_I64) return false;
    if (v->counts) return true;
    if (!a) return v->node->op == &btl_op_arange && v->node->nin == 0 && btl_dim_is(v->node->params[0].dim, 0) && btl_dim_is(v->node->params[2].dim, 1);
    const int64_t *value = a->data;
    for (int64_t i = 0, size = btl_array_elems(a); i < size; i++)
        if (value[i] != i) return false;
    return true;
}

/* x[arange(n)] of an axis of n is x. */
static btl_var *index_by_count(btl_match *m, const btl_node *n) {
    const btl_param *p = &n->params[0];
    (void)m;
    for (int i = 0; i < p->index.n; i++) {
        if (p->index.v[i].kind != INDEX_ARRAY) continue;
        return n->nin == 2 && btl_match_counts(n->in[1], n->in[0]->type.dims[i]) ? n->in[0] : NULL;
    }
    return NULL;
}

/* ---- picking from elementwise results ------------------------------------------------------------------------- */

/* Operand v of an elementwise node of rank n->nin … at the places that pick's arrays name: axes along which it is stretched are
 * dropped, and the arrays for them. */
static btl_var *index_pick_operand(btl_graph *g, btl_var *v, const btl_node *pick, const btl_type *wide) {
    int lead = wide->rank - v->type.rank, pattern[BTL_MAX_RANK] = { 0 }, rank = 0;
    btl_var *in[BTL_MAX_RANK + 1];
    btl_index_item items[BTL_MAX_RANK];
    const btl_bound none = { NULL, -1 };
    for (int i = 0; i < v->type.rank; i++) {
        if (v->type.dims[i] != wide->dims[i + lead]) {
            if (!btl_dim_is(v->type.dims[i], 1)) return NULL;
            continue;
        }
        items[rank] = (btl_index_item){ INDEX_ARRAY, { NULL, rank + 1 }, none, none };
        in[rank + 1] = pick->in[pick->params[0].index.v[i + lead].start.input];
        pattern[rank++] = i;
    }
    if (!(in[0] = btl_dimshuffle_to(g, v, rank, pattern)) || !rank) return in[0];
    btl_param p = { .index = { rank, btl_arena_copy(&g->arena, items, (size_t)rank * sizeof *items) } };
    return btl_build(g, pick->op, rank + 1, in, &p, NULL);
}

/* f(x, y)[i, j] = f(x[i, j], y[i, j]), where every axis has an index and the result fewer axes: a few values
 * are computed instead of all, and those need not be stored. */
static btl_var *index_pick(btl_match *m, const btl_node *n) {
    const btl_param *p = &n->params[0];
    const btl_node *f = n->in[0]->node;
    if ((!f->op->elem && f->op != &btl_op_cast) || n->out->type.rank >= f->out->type.rank) return NULL;
    for (int i = 0; i < p->index.n; i++)
        if (p->index.v[i].kind != INDEX_ARRAY) return NULL;
    if (!(f = btl_match_node(m, n->in[0], NULL))) return NULL;
    btl_var **in = BTL_ARRAY(&m->g->arena, btl_var *, f->nin);
    const btl_places *here = m->g->here;
    m->g->here = n->places; /* an index out of range is told where it stands */
    for (int i = 0; i < f->nin; i++)
        if (!(in[i] = index_pick_operand(m->g, f->in[i], n, &f->out->type))) return NULL;
    m->g->here = here;
    btl_node *made = btl_apply(m->g, f->op, f->nin, in, f->params);
    return made ? made->out : NULL;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

/* x with x[i] written to x[i]; a write over the same place as the one before. */
static btl_var *index_rewrite(btl_match *m, const btl_node *n) {
    bool set = btl_node_is(n, "set_subtensor");
    if (set && (btl_node_is(n->in[1]->node, "subtensor") || btl_node_is(n->in[1]->node, "advanced_subtensor")) && n->in[1]->node->in[0] == n->in[0]) {
        const btl_node *read = btl_match_node(m, n->in[1], NULL);
        if (read && btl_match_same_part(n, read)) return n->in[0];
    }
    const btl_node *before = n->in[0]->node->op == n->op ? btl_match_node(m, n->in[0], NULL) : NULL;
    if (!before || before->nin != n->nin || !btl_param_equal(PARAM_INDEX, &before->params[0], &n->params[0])) return NULL;
    for (int i = 2; i < n->nin; i++)
        if (before->in[i] != n->in[i]) return NULL;
    btl_var **in = btl_arena_copy(&m->g->arena, n->in, (size_t)n->nin * sizeof *in);
    in[0] = before->in[0];
    if (!set && !btl_type_equal(&before->in[1]->type, &n->in[1]->type)) return NULL;
    if (!set && !(in[1] = btl_add(m->g, before->in[1], n->in[1]))) return NULL;
    btl_node *made = btl_apply(m->g, n->op, n->nin, in, n->params);
    return made ? made->out : NULL;
}

static btl_var *index_set_again(btl_match *m, const btl_node *n) { return index_rewrite(m, n); }

/* A write to all of x. */
static btl_var *index_write_all(btl_match *m, const btl_node *n) {
    const btl_param *p = &n->params[0];
    for (int i = 0; i < p->index.n; i++)
        if (!btl_slice_is_full(&p->index.v[i])) return NULL;
    if (btl_node_is(n, "inc_subtensor")) return btl_add(m->g, n->in[0], n->in[1]);
    return btl_broadcast_to_dims(m->g, n->in[1], n->out->type.rank, n->out->type.dims);
}

/* ---- parts of what has no other use (a pass) ---------------------------------------------------------------------- */

enum { INDEX_LIFTED = 64 }; /* nodes that one part is lifted through, at most */

typedef struct index_lift {
    btl_pass *p;
    int n;
    const btl_node *nodes[INDEX_LIFTED];
} index_lift;

static btl_var *index_lift_part(index_lift *l, btl_var *v, const index_box *box);

/* f(x, y)[box] = f(x[box], y[box]). */
static btl_var *index_lift_elementwise(index_lift *l, const btl_node *f, const index_box *box) {
    btl_graph *g = l->p->g;
    btl_var **in = BTL_ARRAY(&g->arena, btl_var *, f->nin);
    for (int i = 0; i < f->nin; i++) {
        index_box inside;
        if (!index_box_inside(g, box, &f->in[i]->type, &f->out->type, &inside) || !(in[i] = index_lift_part(l, f->in[i], &inside))) return NULL;
    }
    btl_node *made = btl_apply(g, f->op, f->nin, in, f->params);
    return made ? made->out : NULL;
}

/* sum(x, axes)[box]: the same box of x, all along the axes. */
static btl_var *index_lift_reduction(index_lift *l, const btl_node *f, const index_box *box) {
    const btl_type *x = &f->in[0]->type;
    uint32_t mask = btl_reduce_mask(&f->params[0], x->rank);
    index_box inside = { .rank = x->rank };
    int axes[BTL_MAX_RANK], naxes = 0, at = 0, next = 0;
    if (f->params[1].i) return NULL;
    for (int i = 0; i < x->rank; i++) {
        bool reduced = mask >> i & 1, kept = reduced;
        inside.whole[i] = reduced || box->whole[at];
        if (!reduced) inside.start[i] = box->start[at], inside.length[i] = box->length[at], kept = next < box->nresult && box->pattern[next] == at;
        if (reduced) axes[naxes++] = inside.nresult;
        else at++, next += kept;
        if (kept) inside.pattern[inside.nresult++] = i;
    }
    if (next != box->nresult) return NULL; /* there is a new axis */
    btl_var *part = index_lift_part(l, f->in[0], &inside);
    btl_param params[2] = { { .axes = { naxes, axes } }, { .i = false } };
    return part ? btl_build(l->p->g, f->op, 1, &part, params, NULL) : NULL;
}

/* (a @ b)[rows, columns] = a[rows] @ b[:, columns]. */
static btl_var *index_lift_product(index_lift *l, const btl_node *f, const index_box *box) {
    btl_var *in[2];
    if (f->in[0]->type.rank != 2 || f->in[1]->type.rank != 2) return NULL;
    for (int i = 0; i < 2; i++) {
        index_box inside = { .rank = 2, .nresult = 2, .pattern = { 0, 1 } };
        inside.whole[i] = box->whole[i], inside.whole[1 - i] = true;
        inside.start[i] = box->start[i], inside.length[i] = box->length[i];
        if (!(in[i] = box->whole[i] ? f->in[i] : index_lift_part(l, f->in[i], &inside))) return NULL;
    }
    btl_node *made = btl_apply(l->p->g, f->op, 2, in, f->params);
    return made ? btl_dimshuffle_to(l->p->g, made->out, box->nresult, box->pattern) : NULL;
}

/* A join, cut across its parts. */
static btl_var *index_lift_join(index_lift *l, const btl_node *f, const index_box *box) {
    int axis = (int)(f->params[0].i < 0 ? f->params[0].i + box->rank : f->params[0].i), at = 0;
    btl_var **in = BTL_ARRAY(&l->p->g->arena, btl_var *, f->nin);
    while (at < box->nresult && box->pattern[at] != axis) at++;
    if (!box->whole[axis]) return NULL;
    for (int i = 0; i < f->nin; i++)
        if (!(in[i] = index_lift_part(l, f->in[i], box))) return NULL;
    btl_param param = { .i = at };
    return btl_build(l->p->g, f->op, f->nin, in, &param, NULL);
}

/* v[box], of v's operands if nobody else wants v. */
static btl_var *index_lift_part(index_lift *l, btl_var *v, const index_box *box) {
    btl_node *f = v->node, *const *users;
    btl_var *part = NULL;
    bool whole = box->nresult == box->rank;
    for (int i = 0; i < box->rank; i++) whole = whole && box->whole[i];
    if (whole) return index_box_read(l->p->g, v, box);
    if (l->n < INDEX_LIFTED && f->nout == 1 && btl_pass_may_look(l->p, f) && !btl_pass_is_root(l->p, f) && btl_pass_users(l->p, f, &users) == 1) {
        int n = l->n;
        l->nodes[l->n++] = f;
        if (f->op->elem || f->op == &btl_op_cast) part = index_lift_elementwise(l, f, box);
        else if (f->op->reduction) part = index_lift_reduction(l, f, box);
        else if (btl_node_is(f, "matmul")) part = index_lift_product(l, f, box);
        else if (btl_node_is(f, "concatenate")) part = index_lift_join(l, f, box);
        if (!part) l->n = n;
    }
    return part || l->p->g->status != BTL_OK ? part : index_box_read(l->p->g, v, box);
}

static btl_status index_lift_all(btl_pass *p) {
    for (int i = 0; i < p->nnodes; i++) {
        btl_node *n = p->nodes[i], *const *users;
        index_box box;
        if (!btl_node_is(n, "subtensor") || !btl_pass_may_look(p, n) || !btl_pass_may_look(p, n->in[0]->node)) continue;
        const btl_node *f = n->in[0]->node;
        bool liftable = f->op->elem || f->op == &btl_op_cast || f->op->reduction || btl_node_is(f, "matmul") || btl_node_is(f, "concatenate");
        if (!liftable || btl_pass_users(p, f, &users) != 1 || !index_box_of(p->g, &n->params[0], &n->in[0]->type, &box)) continue;
        index_lift l = { .p = p, .n = 1, .nodes = { n } };
        btl_pass_at(p, 1, l.nodes);
        btl_var *part = index_lift_part(&l, n->in[0], &box);
        if (p->g->status != BTL_OK) return p->g->status;
        if (!part || l.n == 1) continue;
        part = btl_broadcast_to_dims(p->g, part, n->out->type.rank, n->out->type.dims);
        btl_pass_at(p, l.n, l.nodes);
        if (part) btl_pass_replace(p, n->out, part);
    }
    return BTL_OK;
}

#define INDEX .phase = BTL_CANONICALIZE, .tags = "subtensor"

const btl_rule btl_rules_index[] = {
    { .name = "subtensor_merge", .ops = "subtensor", .operand = "subtensor", .apply = index_merge, .why = "a part of a part is a part", INDEX,
      .example = "x: f64[9, 4] | = x[2:8][1:4]" },
    { .name = "subtensor_of_join", .ops = "subtensor", .operand = "concatenate", .apply = index_of_join, .why = "what lies in one part of a join is read there", INDEX,
      .example = "x: f64[4, 4], y: f64[5, 4] | = concatenate([x, y])[5:8]" },
    { .name = "subtensor_of_stretched", .ops = "subtensor", .operand = "broadcast_to", .apply = index_of_broadcast, .why = "a part of repetitions is fewer repetitions", INDEX,
      .example = "x: f64[3, 1] | = broadcast_to(x, [4, 3, 6])[1:, :, 3]" },
    { .name = "subtensor_of_write", .ops = "subtensor", .apply = index_of_write,
      .why = "what was just written is read from its source, what was not from what was there before", INDEX,
      .example = "x: f64[6, 4], y: f64[4] | = set_subtensor(x[2], y)[2]" },
    { .name = "index_by_count", .ops = "advanced_subtensor", .apply = index_by_count, .why = "the elements 0, 1, 2, … are all of them, in their order", INDEX,
      .example = "x: f64[3, 4] | = x[arange(3)]" },
    { .name = "pick_from_elementwise", .ops = "advanced_subtensor", .apply = index_pick,
      .why = "only what is picked need be computed, and all the rest need not be stored", INDEX,
      .example = "x: f64[3, 4], i: i64[3] | = tanh(x)[arange(3), i]" },
    { .name = "set_again", .ops = "set_subtensor", .apply = index_set_again, .why = "the last write counts; to write what is there changes nothing", INDEX,
      .example = "x: f64[3, 4], y: f64[4] | = set_subtensor(x[1:], x[1:])" },
    { .name = "inc_again", .ops = "inc_subtensor", .apply = index_rewrite, .why = "two sums at one place are one", .phase = BTL_CANONICALIZE,
      .tags = "subtensor reassociate", .exactness = BTL_REASSOCIATES, .ulp = 4,
      .example = "x: f64[6, 4], y: f64[4] | = inc_subtensor(inc_subtensor(x[2], 3 * y)[2], y)" },
    { .name = "write_all", .ops = "set_subtensor inc_subtensor", .apply = index_write_all, .why = "a write to all of x writes to no part", INDEX,
      .example = "x: f64[3, 4], y: f64[4] | = set_subtensor(x[:], y)" },
    { .name = "lift_parts", .pass = index_lift_all,
      .why = "of a value that is used for one part alone, that part is computed: through elementwise ops, reductions, products and joins",
      .phase = BTL_SPECIALIZE, .tags = "subtensor pass", .exactness = BTL_REASSOCIATES, .ulp = 64,
      .example = "x: f64[6, 4], y: f64[4] | = tanh(x * y)[2:5]" },
    { .name = NULL },
};
