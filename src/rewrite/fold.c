/* fold.c - what is known when the program is compiled: constants folded, equal nodes merged.
 *
 * A node whose operands are all constants is computed by the reference evaluator, which is at
 * least as accurate as any kernel. Not folded: what may fail (the error belongs to the call), what
 * op->flags forbid (random numbers made on purpose), what would become larger than a constant
 * should be, or much larger than what it is made of (eye(1000), cheaper computed than read), and pure
 * repetition (broadcast_to of 0 to a million zeros).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/rules.h"

#include "expr/operand.h"

enum { FOLD_BYTES = 1 << 20, /* the largest constant made */
       FOLD_GROWN = 4096 }; /* elements of the largest that is larger than what it is made of (arange, eye) */

static bool fold_dims(const btl_type *type, int64_t *dims, int64_t *elems) {
    *elems = 1;
    for (int i = 0; i < type->rank; i++)
        if (!btl_dim_is_const(type->dims[i], &dims[i]) || dims[i] < 0 || !btl_mul_i64(*elems, dims[i], elems)) return false;
    return *elems <= FOLD_BYTES / (int64_t)btl_dtype_bytes(type->dtype);
}

static bool fold_may(const btl_op *op) { return !(op->flags & (OP_NO_FOLD | OP_BARRIER | OP_HIDDEN | OP_LEAF)); }

static bool fold_wants(const btl_node *n, int64_t elems) {
    if (n->nout != 1 || !fold_may(n->op)) return false;
    if (!n->nin) return n->op->eval && elems <= FOLD_GROWN; /* of settings alone: it fails now or never */
    if (n->op->flags & OP_CAN_FAIL) return false;
    int64_t given = 0;
    for (int i = 0; i < n->nin; i++) {
        if (!btl_var_is_constant(n->in[i])) return false;
        given += btl_array_elems(btl_var_constant_array(n->in[i]));
    }
    return elems <= given || (elems <= FOLD_GROWN && !(n->op->flags & OP_IS_PURE_SHAPE));
}

static btl_var *fold_node(btl_match *m, const btl_node *n) {
    btl_graph *g = m->g;
    int64_t dims[BTL_MAX_RANK], strides[BTL_MAX_RANK], elems;
    if (n->nin && !btl_var_is_constant(n->in[0])) return NULL; /* as of nearly all nodes */
    if (!fold_dims(&n->out[0].type, dims, &elems) || !fold_wants(n, elems)) return NULL;
    btl_operand *in = BTL_ARRAY(&g->arena, btl_operand, n->nin);
    for (int i = 0; i < n->nin; i++) {
        const btl_array *a = btl_var_constant_array(n->in[i]);
        in[i] = btl_operand_of_array(a, BTL_ARRAY(&g->arena, int64_t, a->ndim + 1));
    }
    const btl_type *type = &n->out[0].type;
    size_t bytes = (size_t)elems * btl_dtype_bytes(type->dtype);
    btl_operand out = { .data = btl_arena_alloc(&g->arena, bytes + 1), .dtype = type->dtype, .rank = type->rank,
                        .dims = dims, .strides = strides };
    btl_strides_row_major(type->rank, dims, strides);
    int64_t *symbols = BTL_ARRAY(&g->arena, int64_t, g->dims.nsymbols + 1);
    for (int i = 0; i < g->dims.nsymbols; i++) symbols[i] = -1;
    btl_error err = { 0 };
    btl_exec x = { .node = n, .params = n->params, .nin = n->nin, .nout = 1, .in = in, .out = &out,
                   .symbols = symbols, .ctx = g->ctx, .err = &err };
    if (n->op->workspace) x.work = btl_arena_alloc(&g->arena, n->op->workspace(&x) + 1);
    if (btl_exec_eval(&x) != BTL_OK) return NULL;
    btl_array *value = BTL_NEW(&g->arena, btl_array);
    *value = btl_array_wrap(type->dtype, type->rank, btl_arena_copy(&g->arena, dims, (size_t)type->rank * sizeof *dims), out.data);
    btl_var *folded = btl_graph_constant_in_arena(g, value);
    folded->counts |= btl_match_counts(n->out, type->rank ? type->dims[0] : NULL);
    return folded;
}

/* Merging is the driver's own work; its entry is here to be listed and switched. */
static btl_var *fold_nothing(btl_match *m, const btl_node *n) {
    (void)m, (void)n;
    return NULL;
}

const btl_rule btl_rules_fold[] = {
    { .name = "merge_equal", .ops = "", .apply = fold_nothing,
      .why = "two nodes of one op, equal settings and the same operands have the same value",
      .phase = BTL_CANONICALIZE, .tags = "merge" },
    { .name = "fold_constants", .ops = "*", .operand = "constant", .takes = fold_may, .apply = fold_node, .why = "what does not change from call to call is computed once",
      .phase = BTL_CANONICALIZE, .exactness = BTL_WITHIN_ULP, .ulp = 4, .tags = "fold",
      .example = "x: f64[4] | = x + exp(1)" },
    { .name = NULL },
};
