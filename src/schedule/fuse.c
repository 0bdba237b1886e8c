/* fuse.c - groups elementwise nodes, casts and reductions into kernels.
 *
 * Nodes are looked at from the last to the first, so every user of a node already has its group. A
 * group has one iteration space and ends in its *sink*, its first member seen; all others are found
 * behind it. An elementwise node joins the group of its earliest-ending user if that has the same
 * space (sizes equal as pointers: proven equal) and room; whatever uses it elsewhere makes it a
 * further result of the group. A reduction begins a group over its operand's space, of which only
 * the reduced value leaves, so nodes join it when it is their only user.
 *
 * Why no cycle can arise: order the kernels by the ids of their sinks. A value leaves a group for
 * others that end later (the joining rule took the earliest), or at the sink itself, whose users
 * have larger ids; so every edge between kernels goes forward in that order, in which they are
 * also built.
 *
 * Constants are written into the bodies. Views between (transposed, stretched, sliced) stay nodes
 * of their own: kernels read any strides. 0-d chains become kernels of their own, computed once.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/fuse.h"

#include "expr/leaf.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { FUSE_MOST_NODES = 64, FUSE_MOST_OPERANDS = 24 };

typedef struct fuse_member fuse_member;
struct fuse_member {
    btl_node *node;
    bool is_result;    /* used outside the group, or its sink */
    fuse_member *next; /* ids ascend */
};

typedef struct fuse_group {
    btl_node *sink;
    bool is_open; /* others may join (not so a node that is no kernel) */
    bool is_reduction;
    int rank;
    const btl_dim *const *dims; /* the space */
    fuse_member *members;
    int nmembers, noperands;
    btl_var **operands; /* room for FUSE_MOST_OPERANDS + 3 */
} fuse_group;

typedef struct fuse {
    btl_graph *g;
    int nnodes;                /* of the graph before */
    btl_bits reached, is_root; /* is_root: some output is a root */
    fuse_group **group;        /* of each node by id */
    fuse_group **earliest;     /* the earliest-ending group among its users */
    bool *escapes;             /* users lie in more than one group, or it is a root */
    btl_var_map map;           /* old variables to new ones */
    bool alone;               /* a kernel for each node */
    btl_arena *scratch;
} fuse;

/* ---- questions ------------------------------------------------------------------------------- */

static bool fuse_is_elementwise(const btl_node *n) {
    return n->op->elem || n->op == &btl_op_cast; /* settings change no text (cast's dtype is the result's) */
}

static bool fuse_is_reduction(const btl_node *n) { return n->op->reduction != NULL; }

static bool fuse_same_space(const fuse_group *s, const btl_type *t) {
    if (s->rank != t->rank) return false;
    for (int i = 0; i < t->rank; i++)
        if (s->dims[i] != t->dims[i]) return false;
    return true;
}

/* A 0-d constant of the same value if v is a constant whose elements are all equal and equal to
 * that, exactly; otherwise NULL. */
static btl_var *fuse_scalar_constant(btl_graph *g, btl_var *v) {
    double value;
    if (btl_var_is_constant(v) && v->type.rank == 0) return v;
    if (!btl_var_constant_value(v, &value)) return NULL;
    if (btl_dtype_kind(v->type.dtype) != 'f' && !(fabs(value) < 0x1p53)) return NULL;
    if (isnan(value)) return NULL; /* its payload would be lost */
    return btl_graph_scalar(g, v->type.dtype, value);
}

static bool fuse_is_inlined(const btl_var *v) {
    double value;
    if (btl_var_is_constant(v) && v->type.rank == 0) return true;
    return btl_var_constant_value(v, &value) && !isnan(value) &&
           (btl_dtype_kind(v->type.dtype) == 'f' || fabs(value) < 0x1p53);
}

/* ---- grouping -------------------------------------------------------------------------------- */

static void fuse_add_operand(fuse_group *s, btl_var *v) {
    for (int i = 0; i < s->noperands; i++)
        if (s->operands[i] == v) return;
    s->operands[s->noperands++] = v;
}

/* The node's inputs take its place among the group's operands. */
static void fuse_add_member(fuse *f, fuse_group *s, btl_node *n, bool is_result) {
    fuse_member *m = BTL_NEW(f->scratch, fuse_member);
    *m = (fuse_member){ n, is_result, s->members };
    s->members = m;
    s->nmembers++;
    int kept = 0;
    for (int i = 0; i < s->noperands; i++)
        if (s->operands[i]->node != n) s->operands[kept++] = s->operands[i];
    s->noperands = kept;
    for (int i = 0; i < n->nin; i++)
        if (!fuse_is_inlined(n->in[i])) fuse_add_operand(s, n->in[i]);
    f->group[n->id] = s;
}

static fuse_group *fuse_new_group(fuse *f, btl_node *n) {
    fuse_group *s = BTL_NEW(f->scratch, fuse_group);
    s->sink = n;
    f->group[n->id] = s;
    s->is_reduction = fuse_is_reduction(n);
    s->is_open = s->is_reduction || fuse_is_elementwise(n);
    if (!s->is_open) return s;
    s->operands = BTL_ARRAY(f->scratch, btl_var *, FUSE_MOST_OPERANDS + 3);
    const btl_type *space = s->is_reduction ? &n->in[0]->type : &n->out->type;
    s->rank = space->rank;
    s->dims = space->dims;
    fuse_add_member(f, s, n, true);
    return s;
}

/* The group that n joins, or NULL. */
static fuse_group *fuse_host(const fuse *f, const btl_node *n) {
    fuse_group *s = f->earliest[n->id];
    if (f->alone || !s || !s->is_open || !fuse_is_elementwise(n) || !fuse_same_space(s, &n->out->type))
        return NULL;
    if (s->is_reduction && f->escapes[n->id]) return NULL;
    if (s->nmembers >= FUSE_MOST_NODES || s->noperands - 1 + n->nin > FUSE_MOST_OPERANDS)
        return NULL;
    return s;
}

/* Tells the node's inputs who uses them. */
static void fuse_tell_inputs(fuse *f, const btl_node *n) {
    fuse_group *s = f->group[n->id];
    for (int i = 0; i < n->nin; i++) {
        int id = n->in[i]->node->id;
        fuse_group *other = f->earliest[id];
        if (other && other != s) f->escapes[id] = true;
        if (!other || s->sink->id < other->sink->id) f->earliest[id] = s;
    }
}

static void fuse_form_groups(fuse *f) {
    for (int id = f->nnodes - 1; id >= 0; id--) {
        btl_node *n = f->g->nodes[id];
        if (!btl_bits_get(f->reached, id)) continue;
        if (btl_bits_get(f->is_root, id)) f->escapes[id] = true;
        fuse_group *s = fuse_host(f, n);
        if (s)
            fuse_add_member(f, s, n, f->escapes[id]);
        else
            fuse_new_group(f, n);
        fuse_tell_inputs(f, n);
    }
}

/* ---- rebuilding ------------------------------------------------------------------------------ */

typedef struct fuse_body {
    btl_var *inner[FUSE_MOST_NODES + 1]; /* values of the members, in their order */
    btl_node *member[FUSE_MOST_NODES + 1];
    int nmembers;
    btl_var *params[FUSE_MOST_OPERANDS + 3];
    btl_var *operands[FUSE_MOST_OPERANDS + 3]; /* old variables, in the order of their first use */
    int noperands;
} fuse_body;

static btl_var *fuse_body_param(fuse *f, fuse_body *b, btl_var *v) {
    btl_type type = { v->type.dtype, 0, NULL };
    for (int i = 0; i < b->noperands; i++)
        if (b->operands[i] == v) return b->params[i];
    b->operands[b->noperands] = v;
    const char *name = btl_arena_printf(&f->g->arena, "p%d", b->noperands);
    b->params[b->noperands] = btl_graph_param(f->g, name, &type);
    return b->params[b->noperands++];
}

/* The 0-d variable of the body that stands for v. */
static btl_var *fuse_body_value(fuse *f, fuse_body *b, btl_var *v) {
    for (int i = 0; i < b->nmembers; i++)
        if (b->member[i] == v->node) return b->inner[i];
    btl_var *constant = fuse_scalar_constant(f->g, v);
    return constant ? constant : fuse_body_param(f, b, v);
}

static bool fuse_body_member(fuse *f, fuse_body *b, btl_node *n) {
    btl_var *in[4];
    assert(n->nin <= 4);
    for (int i = 0; i < n->nin; i++) in[i] = fuse_body_value(f, b, n->in[i]);
    f->g->here = n->places;
    btl_node *inner = btl_apply(f->g, n->op, n->nin, in, n->params);
    if (!inner) return false;
    b->member[b->nmembers] = n;
    b->inner[b->nmembers++] = inner->out;
    return true;
}

static btl_var *fuse_mapped(const fuse *f, btl_var *v) {
    btl_var *to = btl_var_map_get(&f->map, v);
    return to ? to : v;
}

static void fuse_set_reduction(const fuse_group *s, btl_param *params) {
    params[2].s = "";
    params[3].axes.n = 0;
    params[3].axes.v = NULL;
    params[4].i = 0;
    if (!s->is_reduction) return;
    const btl_param *axes = btl_node_param(s->sink, "axis"),
                    *keepdims = btl_node_param(s->sink, "keepdims");
    params[2].s = s->sink->op->name;
    params[3] = *axes;
    if (keepdims) params[4].i = keepdims->i;
}

/* Axes as fused wants them: all of them listed, from 0, ascending. */
static void fuse_resolve_axes(fuse *f, const fuse_group *s, btl_param *axes) {
    int n = axes->axes.n < 0 ? s->rank : axes->axes.n, *v = BTL_ARRAY(&f->g->arena, int, n + 1);
    for (int i = 0; i < n; i++) {
        int axis = axes->axes.n < 0      ? i
                   : axes->axes.v[i] < 0 ? axes->axes.v[i] + s->rank
                                         : axes->axes.v[i],
            k = i;
        for (; k > 0 && v[k - 1] > axis; k--) v[k] = v[k - 1];
        v[k] = axis;
    }
    axes->axes.n = n;
    axes->axes.v = v;
}

/* The body of a group and, in `results`, the old variables that its outputs stand for. */
static btl_body *fuse_make_body(fuse *f, fuse_group *s, fuse_body *b, btl_var **results,
                                const btl_places **places) {
    btl_arena *a = &f->g->arena;
    btl_body *body = BTL_NEW(a, btl_body);
    body->graph = f->g;
    body->results = BTL_ARRAY(a, btl_var *, s->nmembers + 1);
    for (fuse_member *m = s->members; m; m = m->next) {
        *places = btl_places_union(f->g, *places, m->node->places);
        if (m->node == s->sink && s->is_reduction) {
            body->results[body->nresults] = fuse_body_value(f, b, m->node->in[0]);
            results[body->nresults++] = m->node->out;
            continue;
        }
        if (!fuse_body_member(f, b, m->node)) return NULL;
        if (!m->is_result) continue;
        body->results[body->nresults] = b->inner[b->nmembers - 1];
        results[body->nresults++] = m->node->out;
    }
    body->nparams = b->noperands;
    body->params = b->noperands
                       ? btl_arena_copy(a, b->params, (size_t)b->noperands * sizeof *b->params)
                       : NULL;
    return body;
}

static void fuse_take_name(btl_var *to, const btl_var *from) {
    if (!to->name) to->name = from->name;
    if (from->weak) to->weak = true;
}

static btl_status fuse_build_group(fuse *f, fuse_group *s) {
    btl_graph *g = f->g;
    btl_var *results[FUSE_MOST_NODES + 1], *in[FUSE_MOST_OPERANDS + 3];
    fuse_body b = { .nmembers = 0 };
    const btl_places *places = NULL;
    btl_body *body = fuse_make_body(f, s, &b, results, &places);
    if (!body) return g->status;
    btl_param params[5] = { { .body = body } };
    params[1].shape.n = s->rank;
    params[1].shape.v = s->dims;
    fuse_set_reduction(s, params);
    if (s->is_reduction) fuse_resolve_axes(f, s, &params[3]);
    for (int i = 0; i < b.noperands; i++) in[i] = fuse_mapped(f, b.operands[i]);
    g->here = places;
    btl_node *n = btl_apply(g, &btl_op_fused, b.noperands, in, params);
    if (!n) return g->status;
    for (int k = 0; k < n->nout; k++) {
        assert(btl_type_equal(&n->out[k].type, &results[k]->type));
        fuse_take_name(&n->out[k], results[k]);
        btl_var_map_set(f->scratch, &f->map, results[k], &n->out[k]);
    }
    return BTL_OK;
}

/* Any other node: itself, or the same with new inputs (types, and with them symbols, as they are).
 */
static void fuse_copy_node(fuse *f, btl_node *n) {
    btl_graph *g = f->g;
    bool changed = false;
    for (int i = 0; i < n->nin; i++) changed |= fuse_mapped(f, n->in[i]) != n->in[i];
    if (!changed) return;
    btl_var **in = BTL_ARRAY(&g->arena, btl_var *, n->nin + 1);
    btl_type *types = BTL_ARRAY(&g->arena, btl_type, n->nout + 1);
    for (int i = 0; i < n->nin; i++) in[i] = fuse_mapped(f, n->in[i]);
    for (int k = 0; k < n->nout; k++) types[k] = n->out[k].type;
    g->here = n->places;
    btl_node *copy = btl_node_new(g, n->op, n->nin, in, n->nout, types, n->params);
    copy->checks = n->checks;
    for (int k = 0; k < n->nout; k++) {
        fuse_take_name(&copy->out[k], &n->out[k]);
        btl_var_map_set(f->scratch, &f->map, &n->out[k], &copy->out[k]);
    }
}

static btl_status fuse_rebuild(fuse *f) {
    for (int id = 0; id < f->nnodes; id++) {
        if (!btl_bits_get(f->reached, id)) continue;
        fuse_group *s = f->group[id];
        if (s->sink->id != id) continue;
        if (s->is_open)
            BTL_TRY(fuse_build_group(f, s));
        else
            fuse_copy_node(f, s->sink);
    }
    return BTL_OK;
}

btl_status btl_fuse(btl_graph *g, int nroots, btl_var **roots, bool alone) {
    fuse f = { .g = g, .nnodes = g->nnodes, .alone = alone, .scratch = btl_arena_begin(&g->arena) };
    const btl_places *here = g->here;
    f.reached = btl_graph_reach(g, nroots, roots);
    f.is_root = btl_bits_new(f.scratch, g->nnodes);
    f.group = BTL_ARRAY(f.scratch, fuse_group *, g->nnodes + 1);
    f.earliest = BTL_ARRAY(f.scratch, fuse_group *, g->nnodes + 1);
    f.escapes = BTL_ARRAY(f.scratch, bool, g->nnodes + 1);
    f.map = btl_var_map_new(f.scratch, g);
    for (int i = 0; i < nroots; i++)
        if (roots[i]) btl_bits_set(f.is_root, roots[i]->node->id);
    fuse_form_groups(&f);
    btl_status status = fuse_rebuild(&f);
    for (int i = 0; status == BTL_OK && i < nroots; i++)
        if (roots[i]) roots[i] = fuse_mapped(&f, roots[i]);
    g->here = here;
    btl_arena_end(f.scratch);
    return status;
}
