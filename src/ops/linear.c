/* linear.c - what ops say of themselves for forward mode and for batches, where it is the same for many.
 *
 * A batch is one node in place of many: operands get a new axis in front, and the node's outputs have
 * it in front, too. For most ops that is the same op with other settings.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/structure.h"

#include <string.h>

/* ---- forward mode ------------------------------------------------------------------------- */

static bool linear_is_float(const btl_var *v) { return btl_dtype_kind(v->type.dtype) == 'f'; }

btl_status btl_jvp_linear(btl_jvp *j) {
    const btl_node *n = j->node;
    btl_var **in = BTL_ARRAY(&j->g->arena, btl_var *, n->nin);
    for (int i = 0; i < n->nin; i++) {
        in[i] = !linear_is_float(n->in[i]) ? n->in[i] : j->din[i] ? j->din[i] : btl_zeros_of(j->g, &n->in[i]->type);
        if (!in[i]) return j->g->status;
    }
    btl_node *moved = btl_apply(j->g, n->op, n->nin, in, n->params);
    if (!moved) return j->g->status;
    for (int o = 0; o < n->nout; o++) j->dout[o] = linear_is_float(&n->out[o]) ? &moved->out[o] : NULL;
    return BTL_OK;
}

/* ---- batches ------------------------------------------------------------------------------ */

btl_var *btl_batch_lift(const btl_batch *b, int i, int rank) {
    btl_var *v = b->in[i];
    int own = v->type.rank - 1, pattern[BTL_MAX_RANK + 1];
    if (!b->batched[i]) return v;
    pattern[0] = 0;
    for (int k = 0; k < rank; k++) pattern[k + 1] = k < rank - own ? -1 : k - (rank - own) + 1;
    return btl_dimshuffle_to(b->g, v, rank + 1, pattern);
}

btl_var *btl_batch_stretch(const btl_batch *b, int i) {
    const btl_dim *dims[BTL_MAX_RANK + 1];
    const btl_type *type = &b->in[i]->type;
    if (b->batched[i]) return b->in[i];
    dims[0] = b->size;
    if (type->rank) memcpy(dims + 1, type->dims, (size_t)type->rank * sizeof *dims);
    return btl_broadcast_to_dims(b->g, b->in[i], type->rank + 1, dims);
}

btl_status btl_batch_apply(btl_batch *b, btl_var *const *in, const btl_param *params) {
    btl_node *n = btl_apply(b->g, b->node->op, b->node->nin, in, params);
    for (int o = 0; n && o < b->node->nout; o++) b->out[o] = &n->out[o];
    return n ? BTL_OK : b->g->status;
}

btl_status btl_batch_same(btl_batch *b) {
    return btl_batch_apply(b, b->in, b->node->params);
}

btl_status btl_batch_elemwise(btl_batch *b) {
    btl_var **in = BTL_ARRAY(&b->g->arena, btl_var *, b->node->nin);
    for (int i = 0; i < b->node->nin; i++)
        if (!(in[i] = btl_batch_lift(b, i, b->node->out[0].type.rank))) return b->g->status;
    return btl_batch_apply(b, in, b->node->params);
}

/* All axes, or those listed, of what had `rank` of them. */
static btl_param linear_shift_axes(btl_graph *g, const btl_param *p, int rank) {
    int axes[BTL_MAX_RANK], n = p->axes.n < 0 ? rank : p->axes.n;
    for (int i = 0; i < n; i++) {
        int axis = p->axes.n < 0 ? i : p->axes.v[i];
        axes[i] = axis < 0 ? axis + rank + 1 : axis + 1;
    }
    return btl_param_axes(g, n, axes);
}

btl_status btl_batch_axis(btl_batch *b) {
    const btl_node *n = b->node;
    int rank = n->in[0]->type.rank;
    btl_var **in = BTL_ARRAY(&b->g->arena, btl_var *, n->nin);
    btl_param *params = BTL_ARRAY(&b->g->arena, btl_param, n->op->nparams);
    for (int i = 0; i < n->nin; i++)
        if (!(in[i] = btl_batch_stretch(b, i))) return b->g->status;
    for (int i = 0; i < n->op->nparams; i++) {
        params[i] = n->params[i];
        if (strcmp(n->op->params[i].name, "axis") != 0) continue;
        if (n->op->params[i].kind == PARAM_AXES) params[i] = linear_shift_axes(b->g, &n->params[i], rank);
        else params[i].i = params[i].i < 0 ? params[i].i + rank + 1 : params[i].i + 1;
    }
    return btl_batch_apply(b, in, params);
}
