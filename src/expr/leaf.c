/* leaf.c - variables that nobody computes: inputs, shared variables, constants, parameters of bodies.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/leaf.h"

#include <math.h>
#include <string.h>

static const btl_param_spec leaf_constant_params[] = {
    { .name = "value", .kind = PARAM_ARRAY, .positional = true, .doc = "its value" },
};

const btl_op btl_op_input = { .name = "input", .doc = "a value given at each call", .signature = "input",
                              .nout = 1, .flags = OP_LEAF | OP_HIDDEN };
const btl_op btl_op_shared = { .name = "shared", .doc = "state that outlives calls", .signature = "shared",
                               .nout = 1, .flags = OP_LEAF | OP_HIDDEN };
const btl_op btl_op_param = { .name = "param", .doc = "a parameter of a body", .signature = "param",
                              .nout = 1, .flags = OP_LEAF | OP_HIDDEN };
const btl_op btl_op_constant = { .name = "constant", .doc = "a fixed value", .signature = "constant",
                                 .nout = 1, .flags = OP_LEAF | OP_HIDDEN, .nparams = 1, .params = leaf_constant_params };

static bool node_bound_uses(const btl_bound *b, int symbol) {
    return b->dim && btl_dim_uses(b->dim, symbol);
}

static bool node_setting_uses(btl_param_kind kind, const btl_param *p, int symbol) {
    bool uses = false;
    if (kind == PARAM_DIM) return p->dim && btl_dim_uses(p->dim, symbol);
    for (int i = 0; kind == PARAM_SHAPE && i < p->shape.n; i++) uses |= btl_dim_uses(p->shape.v[i], symbol);
    for (int i = 0; kind == PARAM_INDEX && i < p->index.n; i++) {
        const btl_index_item *item = &p->index.v[i];
        uses |= node_bound_uses(&item->start, symbol) || node_bound_uses(&item->stop, symbol) || node_bound_uses(&item->step, symbol);
    }
    return uses;
}

/* Does the node need the size itself, as that of an operand or in a setting? Then it cannot be the one that finds it. */
static bool node_uses_size(const btl_node *n, const btl_dim *d) {
    for (int j = 0; j < n->nin; j++)
        for (int m = 0; m < n->in[j]->type.rank; m++)
            if (n->in[j]->type.dims[m] == d) return true;
    for (int i = 0; i < n->op->nparams; i++)
        if (node_setting_uses(n->op->params[i].kind, &n->params[i], d->symbol)) return true;
    return false;
}

/* The late sizes that stand bare in its results are found by this node from now on. */
static void node_define_sizes(btl_graph *g, btl_node *n) {
    for (int i = 0; i < n->nout; i++)
        for (int k = 0; k < n->out[i].type.rank; k++) {
            const btl_dim *d = n->out[i].type.dims[k];
            if (d->kind == DIM_SYMBOL && d->late && !node_uses_size(n, d)) g->dims.symbols[d->symbol]->definer = n;
        }
}

btl_node *btl_node_new(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, int nout, const btl_type *types,
                       const btl_param *params) {
    btl_node *n = BTL_NEW(&g->arena, btl_node);
    n->op = op;
    n->id = g->nnodes;
    n->nin = nin;
    n->nout = nout;
    n->in = nin ? btl_arena_copy(&g->arena, in, (size_t)nin * sizeof *in) : NULL;
    n->out = BTL_ARRAY(&g->arena, btl_var, nout);
    n->params = op->nparams ? btl_arena_copy(&g->arena, params, (size_t)op->nparams * sizeof *params) : NULL;
    n->places = g->here;
    for (int i = 0; i < nout; i++) n->out[i] = (btl_var){ .node = n, .type = types[i], .index = i };
    *BTL_PUSH(&g->arena, g->nodes, g->nnodes, g->node_capacity) = n;
    if (op->measure) node_define_sizes(g, n);
    return n;
}

static btl_var *leaf_new(btl_graph *g, const btl_op *op, const char *name, const btl_type *type, const btl_param *params) {
    btl_var *v = btl_node_new(g, op, 0, NULL, 1, type, params)->out;
    v->name = name ? btl_arena_strdup(&g->arena, name) : NULL;
    return v;
}

btl_var *btl_graph_input(btl_graph *g, const char *name, const btl_type *type) {
    return leaf_new(g, &btl_op_input, name, type, NULL);
}

btl_var *btl_graph_param(btl_graph *g, const char *name, const btl_type *type) {
    return leaf_new(g, &btl_op_param, name, type, NULL);
}

btl_shared_def *btl_graph_find_shared(const btl_graph *g, const char *name) {
    return btl_table_find(&g->shared_by_name, btl_hash_bytes(name, strlen(name), 0), btl_table_name_equal, name);
}

void btl_graph_adopt_shared(btl_graph *g, btl_var *v, btl_var *init) {
    btl_shared_def *s = BTL_NEW(&g->arena, btl_shared_def);
    *s = (btl_shared_def){ v->name, v, init };
    *BTL_PUSH(&g->arena, g->shared, g->nshared, g->shared_capacity) = s;
    btl_table_add(&g->shared_by_name, &g->arena, btl_hash_bytes(v->name, strlen(v->name), 0), s);
}

btl_var *btl_graph_shared(btl_graph *g, const char *name, const btl_type *type, btl_var *init) {
    btl_var *v = leaf_new(g, &btl_op_shared, name, type, NULL);
    btl_graph_adopt_shared(g, v, init);
    return v;
}

/* A row-major copy of an array in the arena. */
static const btl_array *leaf_copy_array(btl_graph *g, const btl_array *from, btl_dtype dtype) {
    btl_array *to = BTL_NEW(&g->arena, btl_array);
    int64_t *shape = from->ndim ? btl_arena_copy(&g->arena, from->shape, (size_t)from->ndim * sizeof *shape) : NULL;
    *to = btl_array_wrap(dtype, from->ndim, shape, NULL);
    to->data = btl_arena_alloc(&g->arena, (size_t)btl_array_elems(from) * btl_dtype_bytes(dtype) + 1);
    btl_array_copy(to, from);
    return to;
}

/* Equal constants are one node in a graph that interns. */
static bool leaf_constant_equal(const void *key, const void *thing) {
    const btl_node *a = key, *b = thing;
    return b->op == &btl_op_constant && a->out->weak == b->out->weak &&
           btl_param_equal(PARAM_ARRAY, &a->params[0], &b->params[0]);
}

static btl_var *leaf_constant(btl_graph *g, const btl_array *value, bool weak) {
    btl_dtype dtype = BTL_BOOL;
    btl_array_dtype(value, &dtype);
    btl_param param = { .array = value };
    btl_var draft_out = { .weak = weak };
    btl_node draft = { .op = &btl_op_constant, .params = &param, .out = &draft_out };
    uint64_t h = g->intern ? btl_param_hash(PARAM_ARRAY, &param, 77 + (uint64_t)weak) : 0;
    btl_node *found = g->intern ? btl_table_find(&g->interned, h, leaf_constant_equal, &draft) : NULL;
    if (found) return found->out;
    const btl_dim **dims = BTL_ARRAY(&g->arena, const btl_dim *, value->ndim);
    for (int i = 0; i < value->ndim; i++) dims[i] = btl_dim_const(g, value->shape[i]);
    btl_type type = { dtype, value->ndim, dims };
    btl_var *v = leaf_new(g, &btl_op_constant, NULL, &type, &param);
    v->weak = weak;
    if (g->intern) btl_table_add(&g->interned, &g->arena, h, v->node);
    return v;
}

/* Whatever a host program may hand over as an array. */
static btl_status leaf_check_array(btl_graph *g, const btl_array *value) {
    btl_dtype dtype;
    int64_t elems, bytes;
    if (!value) return btl_fail(g, BTL_EUSAGE, "constant: no array is given");
    if (!btl_array_dtype(value, &dtype)) return btl_fail(g, BTL_EDTYPE, "constant: an element type that is not among Bitale's");
    if (value->ndim < 0 || value->ndim > BTL_MAX_RANK || (value->ndim && !value->shape))
        return btl_fail(g, BTL_ESHAPE, "constant: an array of %d dimensions; 0 to %d with a shape are possible", value->ndim, BTL_MAX_RANK);
    elems = btl_array_elems(value);
    if (elems < 0 || !btl_mul_i64(elems, (int64_t)btl_dtype_bytes(dtype), &bytes))
        return btl_fail(g, BTL_ESHAPE, "constant: its sizes are negative or multiply up to more than can be addressed");
    if (elems && !value->data) return btl_fail(g, BTL_EVALUE, "constant: the array has no data");
    if (value->device.type != 0 && value->device.type != 1)
        return btl_fail(g, BTL_EVALUE, "constant: the array lies on device type %d, not on the CPU", value->device.type);
    return BTL_OK;
}

btl_var *btl_graph_constant(btl_graph *g, const btl_array *value) {
    btl_dtype dtype;
    if (leaf_check_array(g, value) != BTL_OK || !btl_array_dtype(value, &dtype)) {
        btl_fail_done(g, NULL);
        return NULL;
    }
    return leaf_constant(g, leaf_copy_array(g, value, dtype), false);
}

btl_var *btl_graph_constant_in_arena(btl_graph *g, const btl_array *value) { return leaf_constant(g, value, false); }

static btl_var *leaf_scalar(btl_graph *g, btl_dtype dtype, btl_dtype from, void *value, bool weak) {
    btl_array source = btl_array_wrap(from, 0, NULL, value);
    btl_array *to = BTL_NEW(&g->arena, btl_array);
    *to = btl_array_wrap(dtype, 0, NULL, btl_arena_zalloc(&g->arena, 16));
    btl_array_convert(to, &source);
    return leaf_constant(g, to, weak);
}

btl_var *btl_graph_scalar(btl_graph *g, btl_dtype dtype, double value) {
    return leaf_scalar(g, dtype, BTL_F64, &value, false);
}
btl_var *btl_graph_int(btl_graph *g, btl_dtype dtype, int64_t value) {
    return leaf_scalar(g, dtype, BTL_I64, &value, false);
}
btl_var *btl_graph_weak_int(btl_graph *g, int64_t value) {
    return leaf_scalar(g, BTL_I64, BTL_I64, &value, true);
}
btl_var *btl_graph_weak_float(btl_graph *g, double value) {
    return leaf_scalar(g, BTL_F64, BTL_F64, &value, true);
}
btl_var *btl_graph_weak_bool(btl_graph *g, bool value) {
    return leaf_scalar(g, BTL_BOOL, BTL_BOOL, &value, false);
}

btl_var *btl_graph_size(btl_graph *g, const btl_dim *d) {
    int64_t value;
    if (btl_dim_is_const(d, &value)) return btl_graph_weak_int(g, value);
    btl_param params[2] = { { .dim = d }, { .i = BTL_I64 } };
    btl_node *n = btl_apply(g, &btl_op_size, 0, NULL, params);
    if (!n) return NULL;
    n->out->weak = true;
    return n->out;
}

/* ---- questions --------------------------------------------------------------------------- */

bool btl_var_is_input(const btl_var *v) { return v->node->op == &btl_op_input; }
bool btl_var_is_shared(const btl_var *v) { return v->node->op == &btl_op_shared; }
bool btl_var_is_constant(const btl_var *v) { return v->node->op == &btl_op_constant; }
bool btl_var_is_leaf(const btl_var *v) { return (v->node->op->flags & OP_LEAF) != 0; }

const btl_array *btl_var_constant_array(const btl_var *v) {
    return btl_var_is_constant(v) ? v->node->params[0].array : NULL;
}

enum { LARGEST_UNIFORM = 4096 }; /* elements looked at to see whether a constant is uniform */

bool btl_var_constant_value(const btl_var *v, double *value) {
    while (!btl_var_is_leaf(v) && (v->node->op->flags & OP_IS_PURE_SHAPE) && v->node->nin == 1) v = v->node->in[0];
    const btl_array *a = btl_var_constant_array(v);
    int64_t n = a ? btl_array_elems(a) : 0;
    if (n < 1 || n > LARGEST_UNIFORM) return false;
    size_t bytes = btl_dtype_bytes(v->type.dtype);
    const char *data = btl_array_data(a);
    for (int64_t i = 1; i < n; i++)
        if (memcmp(data, data + (size_t)i * bytes, bytes) != 0) return false;
    if (v->type.dtype == BTL_F64) return memcpy(value, data, sizeof *value), true;
    float single;
    if (v->type.dtype == BTL_F32) return memcpy(&single, data, sizeof single), *value = (double)single, true;
    btl_array one = btl_array_wrap(v->type.dtype, 0, NULL, btl_array_data(a)), to = btl_array_wrap(BTL_F64, 0, NULL, value);
    return btl_array_convert(&to, &one) == BTL_OK;
}
