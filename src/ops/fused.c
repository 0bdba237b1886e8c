/* fused.c - one kernel: a body of elementwise ops over an iteration space, and maybe a reduction.
 *
 * The op that `schedule/fuse` puts in place of groups of elementwise nodes, and the form in which
 * both the strip interpreter and generated C take their work:
 *
 *     inputs    operands of any rank, stretched (right-aligned, over sizes known to be 1) to the
 * space body      elementwise ops, casts and 0-d constants over 0-d parameters, one for each input
 *     shape     the iteration space
 *     reduce    "": a map; otherwise the op ("sum", "max", …) by which every result is reduced
 *     axes      of the space that are reduced; `keepdims` leaves them with size 1
 *
 * One output for each result of the body. It has no derivative: fusion comes after differentiation.
 * The reference runs the body node by node over whole arrays; it knows nothing of strips.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/body.h"
#include "expr/emit.h"
#include "expr/operand.h"

#include <string.h>

enum { FUSED_BODY, FUSED_SHAPE, FUSED_REDUCE, FUSED_AXES, FUSED_KEEPDIMS };

static const btl_op *fused_reduction(const btl_param *p) {
    const char *name = p[FUSED_REDUCE].s;
    const btl_op *op = *name ? btl_op_find(name, strlen(name)) : NULL;
    return op && op->reduction ? op : NULL;
}

static uint32_t fused_mask(const btl_param *p) {
    uint32_t mask = 0;
    if (p[FUSED_AXES].axes.n < 0) return (uint32_t)(((uint64_t)1 << p[FUSED_SHAPE].shape.n) - 1);
    for (int i = 0; i < p[FUSED_AXES].axes.n; i++) mask |= 1u << p[FUSED_AXES].axes.v[i];
    return mask;
}

/* ---- types -------------------------------------------------------------------------------- */

/* Sizes that are not 1 must be the space's; where that cannot be known yet, a check at the call. */
static btl_status fused_check_operand(btl_infer *x, int i) {
    const btl_type *type = &x->in[i]->type;
    int rank = x->params[FUSED_SHAPE].shape.n;
    if (type->rank > rank)
        return btl_fail(x->g, BTL_ESHAPE, "operand %d has %d axes, the space %d", i, type->rank,
                        rank);
    for (int k = 0; k < type->rank; k++) {
        const btl_dim *d = type->dims[k],
                      *space = x->params[FUSED_SHAPE].shape.v[rank - type->rank + k];
        if (!btl_dim_is(d, 1) && btl_dims_unify(x->g, d, space, NULL) != BTL_OK)
            return btl_fail(x->g, BTL_ESHAPE, "operand %d does not fit the space: %s", i,
                            btl_var_text(x->g, x->in[i]));
    }
    return BTL_OK;
}

static btl_status fused_check_body(btl_infer *x) {
    const btl_body *body = x->params[FUSED_BODY].body;
    if (body->nparams != x->nin)
        return btl_fail(x->g, BTL_EVALUE, "the body has %d parameters, %d operands given",
                        body->nparams, x->nin);
    for (int i = 0; i < x->nin; i++) {
        const btl_type *param = &body->params[i]->type;
        if (param->rank != 0 || param->dtype != x->in[i]->type.dtype)
            return btl_fail(x->g, BTL_EDTYPE, "parameter %d of the body is %s, its operand %s", i,
                            btl_type_text(x->g, param), btl_type_text(x->g, &x->in[i]->type));
        BTL_TRY(fused_check_operand(x, i));
    }
    for (int i = 0; i < body->nresults; i++)
        if (body->results[i]->type.rank != 0)
            return btl_fail(x->g, BTL_ESHAPE, "result %d of the body is not 0-d", i);
    return BTL_OK;
}

static btl_status fused_check_reduction(btl_infer *x) {
    const btl_param *p = x->params;
    if (p[FUSED_REDUCE].s[0] && !fused_reduction(p))
        return btl_fail(x->g, BTL_EVALUE, "%s is not a reduction", p[FUSED_REDUCE].s);
    for (int i = 0; i < p[FUSED_AXES].axes.n; i++)
        if (p[FUSED_AXES].axes.v[i] < 0 || p[FUSED_AXES].axes.v[i] >= p[FUSED_SHAPE].shape.n)
            return btl_fail(x->g, BTL_EVALUE, "axis %d is outside a space of %d axes",
                            p[FUSED_AXES].axes.v[i], p[FUSED_SHAPE].shape.n);
    return BTL_OK;
}

static btl_status fused_infer(btl_infer *x) {
    const btl_param *p = x->params;
    const btl_body *body = p[FUSED_BODY].body;
    const btl_dim *dims[BTL_MAX_RANK];
    int rank = 0;
    if (p[FUSED_SHAPE].shape.n < 0 || p[FUSED_SHAPE].shape.n > BTL_MAX_RANK)
        return btl_fail(x->g, BTL_EVALUE, "needs the shape of its space");
    BTL_TRY(fused_check_reduction(x));
    BTL_TRY(fused_check_body(x));
    uint32_t mask = fused_reduction(p) ? fused_mask(p) : 0;
    for (int d = 0; d < p[FUSED_SHAPE].shape.n; d++) {
        if (!(mask >> d & 1))
            dims[rank++] = p[FUSED_SHAPE].shape.v[d];
        else if (p[FUSED_KEEPDIMS].i)
            dims[rank++] = btl_dim_const(x->g, 1);
    }
    x->nout = body->nresults;
    x->out = BTL_ARRAY(&x->g->arena, btl_type, x->nout + 1);
    for (int i = 0; i < x->nout; i++)
        x->out[i] = btl_type_make(x->g, body->results[i]->type.dtype, rank, dims);
    return BTL_OK;
}

/* ---- the reference ------------------------------------------------------------------------ */

typedef struct fused_eval {
    btl_exec *x;
    btl_arena arena;
    int rank;
    int64_t elems, dims[BTL_MAX_RANK], row_major[BTL_MAX_RANK], zeros[BTL_MAX_RANK];
    int nnodes;
    btl_node **nodes;
    btl_operand *values; /* of nodes, over the whole space */
    btl_fused_see see;
    void *user;
} fused_eval;

static const btl_operand *fused_value(const fused_eval *e, const btl_var *v) {
    int i = 0;
    while (e->nodes[i] != v->node) i++;
    return &e->values[i];
}

/* An operand stretched to the space. */
static btl_operand fused_stretch(fused_eval *e, const btl_operand *in) {
    btl_operand o = { in->data, in->dtype, e->rank, e->dims,
                      BTL_ARRAY(&e->arena, int64_t, e->rank + 1) };
    for (int k = 0; k < in->rank; k++) {
        int d = e->rank - in->rank + k;
        o.strides[d] = in->dims[k] == 1 && e->dims[d] != 1 ? 0 : in->strides[k];
    }
    return o;
}

static btl_status fused_eval_node(fused_eval *e, const btl_node *n, btl_operand *out) {
    const btl_body *body = e->x->params[FUSED_BODY].body;
    for (int i = 0; i < body->nparams; i++)
        if (body->params[i]->node == n) {
            *out = fused_stretch(e, &e->x->in[i]);
            return BTL_OK;
        }
    *out = (btl_operand){
        .dtype = n->out->type.dtype, .rank = e->rank, .dims = e->dims, .strides = e->row_major
    };
    if (btl_var_is_constant(n->out)) {
        out->data = btl_array_data(btl_var_constant_array(n->out));
        out->strides = e->zeros;
        return BTL_OK;
    }
    out->data = btl_arena_array(&e->arena, (size_t)e->elems + 1, btl_dtype_bytes(out->dtype));
    btl_operand *in = BTL_ARRAY(&e->arena, btl_operand, n->nin + 1);
    for (int i = 0; i < n->nin; i++) in[i] = *fused_value(e, n->in[i]);
    btl_exec x = { .node = n,
                   .params = n->params,
                   .nin = n->nin,
                   .nout = 1,
                   .in = in,
                   .out = out,
                   .symbols = e->x->symbols,
                   .ctx = e->x->ctx,
                   .err = e->x->err };
    BTL_TRY(btl_exec_eval(&x));
    if (e->see) e->see(e->user, n, in, out);
    return BTL_OK;
}

/* A result reduced by the reference of the reduction's own op. */
static btl_status fused_eval_reduce(fused_eval *e, const btl_op *op, btl_operand *value,
                                    btl_operand *out) {
    btl_param *params = BTL_ARRAY(&e->arena, btl_param, op->nparams + 1);
    for (int i = 0; i < op->nparams; i++) {
        if (strcmp(op->params[i].name, "axis") == 0) params[i] = e->x->params[FUSED_AXES];
        if (strcmp(op->params[i].name, "keepdims") == 0) params[i] = e->x->params[FUSED_KEEPDIMS];
    }
    btl_node node = *e->x->node;
    node.op = op;
    node.params = params;
    btl_exec x = { .node = &node,
                   .params = params,
                   .nin = 1,
                   .nout = 1,
                   .in = value,
                   .out = out,
                   .symbols = e->x->symbols,
                   .ctx = e->x->ctx,
                   .err = e->x->err };
    BTL_TRY(btl_exec_eval(&x));
    if (e->see) e->see(e->user, &node, value, out);
    return BTL_OK;
}

static btl_status fused_eval_space(fused_eval *e) {
    const btl_param *shape = &e->x->params[FUSED_SHAPE];
    e->rank = shape->shape.n;
    e->elems = 1;
    for (int d = 0; d < e->rank; d++)
        if (!btl_dim_eval(shape->shape.v[d], e->x->symbols, &e->dims[d]) ||
            !btl_mul_i64(e->elems, e->dims[d], &e->elems))
            return btl_error_set(e->x->err, BTL_ESHAPE,
                                 "fused: the size of axis %d is not known or too large", d);
    btl_strides_row_major(e->rank, e->dims, e->row_major);
    return BTL_OK;
}

static btl_status fused_eval_body(void *arg) {
    fused_eval *e = arg;
    const btl_body *body = e->x->params[FUSED_BODY].body;
    const btl_op *reduction = fused_reduction(e->x->params);
    BTL_TRY(fused_eval_space(e));
    e->nodes = btl_body_nodes(&e->arena, body, &e->nnodes);
    e->values = BTL_ARRAY(&e->arena, btl_operand, e->nnodes + 1);
    for (int i = 0; i < e->nnodes; i++) BTL_TRY(fused_eval_node(e, e->nodes[i], &e->values[i]));
    for (int k = 0; k < body->nresults; k++) {
        btl_operand value = *fused_value(e, body->results[k]);
        if (reduction)
            BTL_TRY(fused_eval_reduce(e, reduction, &value, &e->x->out[k]));
        else
            btl_operand_copy(&e->x->out[k], &value);
    }
    return BTL_OK;
}

btl_status btl_fused_eval(btl_exec *x, btl_fused_see see, void *user) {
    fused_eval e = { .x = x, .see = see, .user = user };
    btl_arena_init(&e.arena, x->ctx);
    btl_status status = btl_arena_protect(&e.arena, fused_eval_body, &e);
    btl_arena_deinit(&e.arena);
    if (status == BTL_ENOMEM)
        btl_error_set(x->err, BTL_ENOMEM, "out of memory in the reference of a fused kernel");
    return status;
}

static btl_status fused_eval_run(btl_exec *x) { return btl_fused_eval(x, NULL, NULL); }

/* ---- ranges ------------------------------------------------------------------------------- */

/* Along an axis that is not reduced every element is computed for itself. */
static bool fused_cut(btl_cut *c) {
    const btl_param *p = c->node->params;
    uint32_t mask = fused_reduction(p) ? fused_mask(p) : 0;
    int rank = p[FUSED_SHAPE].shape.n, axis = 0;
    for (int at = 0; axis < rank; axis++) {
        bool reduced = mask >> axis & 1;
        if (reduced && !p[FUSED_KEEPDIMS].i) continue;
        if (at++ == c->axis) {
            if (reduced) return false;
            break;
        }
    }
    if (axis == rank) return false;
    for (int i = 0; i < c->node->nin; i++) c->in[i] = btl_cut_stretched(&c->node->in[i]->type, rank, axis, p[FUSED_SHAPE].shape.v[axis]);
    c->setting = FUSED_SHAPE, c->size = axis;
    return true;
}

/* ---- the op ------------------------------------------------------------------------------- */

static const btl_param_spec fused_params[] = {
    { .name = "body", .kind = PARAM_BODY, .doc = "what is computed for each element" },
    { .name = "shape", .kind = PARAM_SHAPE, .doc = "the iteration space" },
    { .name = "reduce",
      .kind = PARAM_TEXT,
      .fallback = "\"\"",
      .doc = "the reduction at the end, or nothing" },
    { .name = "axes", .kind = PARAM_AXES, .fallback = "none", .doc = "the axes reduced" },
    { .name = "keepdims",
      .kind = PARAM_BOOL,
      .fallback = "false",
      .doc = "reduced axes stay, with size 1" },
};

const btl_op btl_op_fused = {
    .name = "fused",
    .doc = "one kernel of elementwise operations, maybe with a reduction at its end",
    .signature = "fused(…, body, shape, reduce=\"\", axes=none, keepdims=false)",
    .version = 1,
    .min_in = 0,
    .max_in = -1,
    .nout = 1,
    .flags = OP_HIDDEN,
    .nparams = sizeof fused_params / sizeof *fused_params,
    .params = fused_params,
    .infer = fused_infer,
    .eval = fused_eval_run,
    .emit = btl_emit_fused, .cut = fused_cut, .fails = "max or min of no elements",
};
