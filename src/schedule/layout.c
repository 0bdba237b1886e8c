/* layout.c - see layout.h. SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/layout.h"

#include "expr/leaf.h"

bool btl_layout_is_view(const btl_var *v) {
    return v->node->op->view != NULL && v->index == 0;
}

bool btl_layout_is_row_major(const btl_var *v) {
    return !btl_layout_is_view(v) || (v->node->op->flags & OP_ROW_MAJOR);
}

btl_var *btl_layout_own(btl_graph *g, btl_var *v) {
    if (!btl_layout_is_view(v) && !btl_var_is_leaf(v)) return v;
    btl_node *n = btl_apply(g, &btl_op_copy, 1, &v, NULL);
    if (n) n->places = v->node->places;
    return n ? n->out : NULL;
}

static btl_node *layout_rebuild(btl_graph *g, const btl_node *n, const btl_var_map *m, btl_var **in) {
    bool changed = false;
    for (int i = 0; i < n->nin; i++) {
        in[i] = btl_var_map_get(m, n->in[i]);
        bool packed = (n->op->flags & OP_PACKED) || (i == 0 && (n->op->flags & OP_ROW_MAJOR));
        if (packed && !btl_layout_is_row_major(in[i])) {
            btl_node *copy = btl_apply(g, &btl_op_copy, 1, &in[i], NULL);
            if (!copy) return NULL;
            copy->places = n->places;
            in[i] = copy->out;
        }
        changed |= in[i] != n->in[i];
    }
    return changed ? btl_node_rebuild(g, n, in) : (btl_node *)n;
}

btl_status btl_layout_insert_copies(btl_graph *g, int nroots, btl_var **roots) {
    btl_bits needed = btl_graph_reach(g, nroots, roots);
    btl_arena *scratch = btl_arena_begin(&g->arena);
    btl_var_map m = btl_var_map_new(scratch, g);
    int nnodes = g->nnodes, widest = 1;
    for (int id = 0; id < nnodes; id++)
        if (g->nodes[id]->nin > widest) widest = g->nodes[id]->nin;
    btl_var **in = BTL_ARRAY(scratch, btl_var *, widest);
    for (int id = 0; id < nnodes; id++) {
        if (!btl_bits_get(needed, id)) continue;
        btl_node *n = g->nodes[id], *made = layout_rebuild(g, n, &m, in);
        if (!made) return g->status;
        for (int i = 0; i < n->nout; i++) btl_var_map_set(scratch, &m, &n->out[i], &made->out[i]);
    }
    for (int i = 0; i < nroots; i++) roots[i] = btl_var_map_get(&m, roots[i]);
    btl_arena_end(scratch);
    return BTL_OK;
}
