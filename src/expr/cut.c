/* cut.c - nodes for a range along an axis of what they compute. SPDX-License-Identifier: BSD-3-Clause */
#include "expr/op.h"

int btl_cut_stretched(const btl_type *operand, int rank, int k, const btl_dim *size) {
    int axis = k - (rank - operand->rank);
    return axis >= 0 && operand->dims[axis] == size ? axis : -1;
}

bool btl_node_cut(const btl_node *n, int axis, int *in, btl_cut *cut) {
    *cut = (btl_cut){ .node = n, .axis = axis, .in = in, .setting = -1, .size = -1, .grain = 1 };
    for (int i = 0; i < n->nin; i++) in[i] = -1;
    return n->op->cut && axis < n->out->type.rank && n->op->cut(cut);
}

btl_node *btl_cut_apply(btl_graph *g, const btl_cut *cut, btl_var *const *in, int shares) {
    const btl_node *n = cut->node;
    btl_param *params = n->op->nparams ? btl_arena_copy(&g->arena, n->params, (size_t)n->op->nparams * sizeof *params) : NULL;
    if (cut->setting >= 0) {
        btl_param *shape = &params[cut->setting];
        const btl_dim **dims = btl_arena_copy(&g->arena, shape->shape.v, (size_t)shape->shape.n * sizeof *dims);
        dims[cut->size] = btl_dim_floordiv(g, dims[cut->size], btl_dim_const(g, shares));
        shape->shape.v = dims;
    }
    const btl_places *here = g->here;
    g->here = n->places;
    btl_node *made = btl_apply(g, n->op, n->nin, in, params);
    g->here = here;
    for (int i = 0; made && i < n->nout; i++) made->out[i].name = n->out[i].name, made->out[i].weak = n->out[i].weak;
    return made;
}
