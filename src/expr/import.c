/* import.c - copying parts of a graph, into another or the same one.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/leaf.h"

#include <string.h>

btl_var_map btl_var_map_new(btl_arena *a, const btl_graph *from) {
    return (btl_var_map){ .outs = BTL_ARRAY(a, btl_var **, from->nnodes + 1), .n = from->nnodes };
}

btl_var *btl_var_map_get(const btl_var_map *m, const btl_var *v) {
    return v->node->id < m->n && m->outs[v->node->id] ? m->outs[v->node->id][v->index] : NULL;
}

void btl_var_map_set(btl_arena *a, btl_var_map *m, const btl_var *from, btl_var *to) {
    if (!m->outs[from->node->id]) m->outs[from->node->id] = BTL_ARRAY(a, btl_var *, from->node->nout);
    m->outs[from->node->id][from->index] = to;
}

/* ---- parameters -------------------------------------------------------------------------- */

static const btl_body *import_body(btl_graph *to, const btl_body *from);

static btl_bound import_bound(btl_graph *to, btl_bound b) {
    if (b.dim) b.dim = btl_dim_import(to, b.dim);
    return b;
}

static const btl_array *import_array(btl_graph *to, const btl_array *from) {
    btl_dtype dtype = BTL_BOOL;
    btl_array_dtype(from, &dtype);
    btl_array *a = btl_arena_copy(&to->arena, from, sizeof *a);
    size_t bytes = (size_t)btl_array_elems(from) * btl_dtype_bytes(dtype);
    a->shape = from->ndim ? btl_arena_copy(&to->arena, from->shape, (size_t)from->ndim * sizeof *a->shape) : NULL;
    a->data = btl_arena_copy(&to->arena, btl_array_data(from), bytes);
    a->byte_offset = 0;
    return a;
}

btl_param btl_param_import(btl_graph *to, btl_param_kind kind, const btl_param *p) {
    btl_param q = *p;
    switch (kind) {
    case PARAM_INT: case PARAM_BOOL: case PARAM_FLOAT: case PARAM_DTYPE: break;
    case PARAM_TEXT: q.s = btl_arena_strdup(&to->arena, p->s); break;
    case PARAM_AXES:
        if (p->axes.n > 0) q.axes.v = btl_arena_copy(&to->arena, p->axes.v, (size_t)p->axes.n * sizeof *p->axes.v);
        break;
    case PARAM_DIM: q.dim = btl_dim_import(to, p->dim); break;
    case PARAM_SHAPE: {
        const btl_dim **v = BTL_ARRAY(&to->arena, const btl_dim *, p->shape.n > 0 ? p->shape.n : 0);
        for (int i = 0; i < p->shape.n; i++) v[i] = btl_dim_import(to, p->shape.v[i]);
        q.shape.v = v;
        break;
    }
    case PARAM_INDEX: {
        btl_index_item *v = btl_arena_copy(&to->arena, p->index.v, (size_t)p->index.n * sizeof *v);
        for (int i = 0; i < p->index.n; i++) {
            v[i].start = import_bound(to, v[i].start);
            v[i].stop = import_bound(to, v[i].stop);
            v[i].step = import_bound(to, v[i].step);
        }
        q.index.v = v;
        break;
    }
    case PARAM_ARRAY: q.array = import_array(to, p->array); break;
    case PARAM_BODY: q.body = import_body(to, p->body); break;
    }
    return q;
}

/* ---- nodes ------------------------------------------------------------------------------- */

typedef struct import_copied { const char *from, *to; } import_copied;

static bool import_same_text(const void *key, const void *thing) {
    return ((const import_copied *)thing)->from == key;
}

/* A text of the other graph, copied once for all nodes that share it. */
static const char *import_text(btl_graph *to, btl_var_map *m, const char *from) {
    if (!from) return NULL;
    uint64_t h = btl_hash_mix(0, (uint64_t)(uintptr_t)from);
    const import_copied *old = btl_table_find(&m->texts, h, import_same_text, from);
    if (old) return old->to;
    import_copied *copied = BTL_NEW(&to->arena, import_copied);
    *copied = (import_copied){ from, btl_arena_strdup(&to->arena, from) };
    btl_table_add(&m->texts, &to->arena, h, copied);
    return copied->to;
}

static const btl_places *import_places(btl_graph *to, btl_var_map *m, const btl_places *from) {
    const btl_places *set = NULL;
    for (; from; from = from->more) {
        btl_place *p = btl_arena_copy(&to->arena, from->place, sizeof *p);
        p->file = import_text(to, m, p->file);
        p->function = import_text(to, m, p->function);
        p->source = import_text(to, m, p->source);
        set = btl_places_add(to, set, p);
    }
    return set;
}

static btl_type import_type(btl_graph *to, const btl_type *type) {
    const btl_dim **dims = BTL_ARRAY(&to->arena, const btl_dim *, type->rank);
    for (int i = 0; i < type->rank; i++) dims[i] = btl_dim_import(to, type->dims[i]);
    return (btl_type){ type->dtype, type->rank, dims };
}

static const btl_size_check *import_checks(btl_graph *to, const btl_node *n, const btl_size_check *from) {
    const btl_size_check *list = NULL;
    for (; from; from = from->next) {
        btl_size_check *c = BTL_NEW(&to->arena, btl_size_check);
        *c = (btl_size_check){ btl_dim_import(to, from->a), btl_dim_import(to, from->b), n,
                               from->message ? btl_arena_strdup(&to->arena, from->message) : NULL, list };
        list = c;
    }
    return list;
}

/* In a graph that interns, a leaf stays itself and equal nodes become one. */
static btl_node *import_node(btl_graph *to, const btl_graph *from, const btl_node *n, btl_var_map *m) {
    bool same = to == from;
    btl_var **in = BTL_ARRAY(&to->arena, btl_var *, n->nin);
    for (int i = 0; i < n->nin; i++) in[i] = btl_var_map_get(m, n->in[i]);
    btl_param *params = BTL_ARRAY(&to->arena, btl_param, n->op->nparams);
    for (int i = 0; i < n->op->nparams; i++)
        params[i] = same ? n->params[i] : btl_param_import(to, n->op->params[i].kind, &n->params[i]);
    btl_type *types = BTL_ARRAY(&to->arena, btl_type, n->nout);
    for (int i = 0; i < n->nout; i++) types[i] = same ? n->out[i].type : import_type(to, &n->out[i].type);
    const btl_places *here = to->here;
    to->here = same ? n->places : import_places(to, m, n->places);
    btl_node *copy = btl_node_new(to, n->op, n->nin, in, n->nout, types, params);
    to->here = here;
    copy->checks = same ? n->checks : import_checks(to, copy, n->checks);
    for (int i = 0; i < n->nout; i++) {
        copy->out[i].weak = n->out[i].weak;
        copy->out[i].name = n->out[i].name && !same ? btl_arena_strdup(&to->arena, n->out[i].name) : n->out[i].name;
    }
    return same ? copy : btl_node_intern(to, copy);
}

/* Memory for the search is taken from `from`, which must be under protection as well; it is given back. */
void btl_graph_import(btl_graph *to, btl_graph *from, btl_var_map *m, int n, btl_var *const *vars) {
    int there = 0;
    while (there < n && (!vars[there] || btl_var_map_get(m, vars[there]))) there++;
    if (there == n) return;
    btl_mark mark = btl_arena_mark(&from->arena);
    btl_bits done = btl_bits_new(&from->arena, from->nnodes);
    for (int id = 0; id < from->nnodes; id++)
        if (id < m->n && m->outs[id]) btl_bits_set(done, id);
    btl_bits needed = btl_graph_reach_until(from, n, vars, done);
    int *order = BTL_ARRAY(&from->arena, int, from->nnodes + 1), count = btl_graph_order(from, needed, order);
    for (int i = 0; i < count; i++) {
        if (btl_bits_get(done, order[i])) continue;
        const btl_node *node = from->nodes[order[i]];
        btl_node *copy = import_node(to, from, node, m);
        for (int k = 0; k < node->nout; k++) btl_var_map_set(&to->arena, m, &node->out[k], &copy->out[k]);
    }
    if (to != from) btl_arena_reset(&from->arena, mark); /* what was made lies in `to` */
}

static const btl_body *import_body(btl_graph *to, const btl_body *from) {
    btl_body *b = BTL_NEW(&to->arena, btl_body);
    *b = *from;
    if (from->nresults == 0) return b;
    /* a body's nodes stand in its graph: found through its results, in order of their ids */
    btl_graph *g = from->graph;
    btl_var_map m = btl_var_map_new(&to->arena, g);
    b->graph = to;
    b->params = BTL_ARRAY(&to->arena, btl_var *, from->nparams);
    b->results = BTL_ARRAY(&to->arena, btl_var *, from->nresults);
    btl_graph_import(to, g, &m, from->nparams, from->params);
    btl_graph_import(to, g, &m, from->nresults, from->results);
    for (int i = 0; i < from->nparams; i++) b->params[i] = btl_var_map_get(&m, from->params[i]);
    for (int i = 0; i < from->nresults; i++) b->results[i] = btl_var_map_get(&m, from->results[i]);
    return b;
}
