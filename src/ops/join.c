/* join.c - arrays put behind one another along an axis, and taken apart again.
 *
 * `concatenate` and `split` are the ops, each the other's gradient; both copy. `stack`, `hstack`
 * and `vstack` are macros.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/emit.h"
#include "ops/loops.h"
#include "ops/move.h"
#include "ops/structure.h"

#include <string.h>

static btl_var *join_result(btl_var *v, btl_var **out) {
    if (out) *out = v;
    return v;
}

/* The axis of a node whose setting may count from the end; it was checked when the node was built. */
static int join_axis(const btl_param *axis, int rank) {
    return (int)(axis->i < 0 ? axis->i + rank : axis->i);
}

/* Bytes from the start of an array to element `at` of an axis. */
static int64_t join_offset(const btl_operand *x, int axis, int64_t at) {
    return at * x->strides[axis] * (int64_t)btl_dtype_bytes(x->dtype);
}

/* Moves `part`, an operand, from or to where it lies in `whole`, the other, which begins at `at` of the axis. */
static void join_emit(btl_emit *e, int part, int whole, int axis, const btl_dim *at) {
    const btl_type *t = btl_emit_type(e, part);
    bool joins = part < e->node->nin;
    btl_extent offset = btl_extent_mul(e, btl_extent_of(at), btl_extent_stride(e, whole, axis));
    const char *p = joins ? btl_emit_format(e, "x%d", part) : btl_emit_format(e, "y%d", part - e->node->nin), *w = joins ? "y0" : "x0";
    if (!btl_extent_is(offset, 0)) w = btl_emit_format(e, "%s + %s", w, btl_extent_text(e, offset));
    if (joins) btl_emit_text(e, "if (%s != %s) { /* else it was made there */\n", p, w);
    btl_loops l = btl_loops_begin(e, 2, 'i');
    for (int k = 0; k < t->rank; k++)
        btl_loops_add(&l, btl_extent_dim(e, part, k), btl_extent_stride(e, joins ? whole : part, k), btl_extent_stride(e, joins ? part : whole, k));
    btl_loops_move(&l, t->dtype, joins ? w : p, joins ? p : w, false);
    if (joins) btl_emit_text(e, "}\n");
}

/* ---- concatenate -------------------------------------------------------------------------- */

static const btl_param_spec concatenate_params[] = {
    { "axis", PARAM_INT, "0", false, "along which axis; from the end if negative" },
};

static btl_status concatenate_mismatch(btl_graph *g, const btl_var *first, const btl_var *v, int i) {
    btl_fail(g, BTL_ESHAPE, "operand 0, %s; operand %d, %s", btl_var_text(g, first), i, btl_var_text(g, v));
    btl_fail_hint(g, "all sizes but the one along the axis must be equal");
    return BTL_ESHAPE;
}

static btl_status concatenate_infer(btl_infer *x) {
    const btl_type *first = &x->in[0]->type;
    const btl_dim *dims[BTL_MAX_RANK];
    int axis;
    if (first->rank == 0) {
        btl_fail(x->g, BTL_ESHAPE, "needs operands with an axis: %s", btl_var_text(x->g, x->in[0]));
        btl_fail_hint(x->g, "stack() makes an array of scalars");
        return BTL_ESHAPE;
    }
    BTL_TRY(btl_axis_resolve(x->g, x->params[0].i, first->rank, &axis));
    if (first->rank) memcpy(dims, first->dims, (size_t)first->rank * sizeof *dims);
    for (int i = 1; i < x->nin; i++) {
        const btl_type *t = &x->in[i]->type;
        if (t->rank != first->rank) return concatenate_mismatch(x->g, x->in[0], x->in[i], i);
        for (int k = 0; k < t->rank; k++) {
            if (k == axis) dims[k] = btl_dim_add(x->g, dims[k], t->dims[k]);
            else if (btl_dims_unify(x->g, dims[k], t->dims[k], &dims[k])) return concatenate_mismatch(x->g, x->in[0], x->in[i], i);
        }
    }
    x->out[0] = btl_type_make(x->g, first->dtype, first->rank, dims);
    return BTL_OK;
}

static btl_status concatenate_eval(btl_exec *x) {
    const btl_operand *y = &x->out[0];
    int axis = join_axis(&x->params[0], y->rank);
    int64_t at = 0;
    for (int i = 0; i < x->nin; i++) {
        const btl_operand *a = &x->in[i];
        char *to = y->data + join_offset(y, axis, at);
        at += a->dims[axis];
        if (a->data == to) continue; /* it was made there */
        btl_move(btl_move_copy(a->dtype), btl_dtype_bytes(a->dtype), a->rank, a->dims, to, y->strides, a->data, a->strides);
    }
    return BTL_OK;
}

static btl_status concatenate_emit(btl_emit *e) {
    int axis = join_axis(&e->params[0], e->node->out[0].type.rank);
    const btl_dim *at = btl_dim_const(e->g, 0);
    for (int i = 0; i < e->node->nin; i++) {
        join_emit(e, i, btl_emit_out(e, 0), axis, at);
        at = btl_dim_add(e->g, at, btl_emit_type(e, i)->dims[axis]);
    }
    return BTL_OK;
}

static bool concatenate_holds(btl_graph *g, const btl_node *n, int in, const btl_dim **at) {
    const btl_type *t = &n->out[0].type;
    int axis = join_axis(&n->params[0], t->rank);
    const btl_dim *before = btl_dim_const(g, 0);
    for (int i = 0; i < in; i++) before = btl_dim_add(g, before, n->in[i]->type.dims[axis]);
    *at = btl_dim_mul(g, before, btl_dim_product(g, t->rank - axis - 1, t->dims + axis + 1));
    return true;
}

static btl_status concatenate_vjp(btl_vjp *v) {
    int axis = join_axis(&v->node->params[0], v->in[0]->type.rank);
    const btl_dim *at = btl_dim_const(v->g, 0);
    for (int i = 0; i < v->node->nin; i++) {
        const btl_dim *length = v->in[i]->type.dims[axis];
        if (v->need[i] && !(v->din[i] = btl_part_along(v->g, v->dout[0], axis, at, length))) return v->g->status;
        at = btl_dim_add(v->g, at, length);
    }
    return BTL_OK;
}

static const char *const concatenate_samples[] = {
    "a: f32[2, 3], b: f32[1, 3]", "a: i32[2, 2], b: i32[2, 0], c: i32[2, 3] | axis=1", "a: f64[3]",
    "a: bool[2, 1], b: bool[2, 2] | axis=-1", NULL,
};

static bool concatenate_cut(btl_cut *c) {
    if (c->axis == join_axis(&c->node->params[0], c->node->out->type.rank)) return false;
    for (int i = 0; i < c->node->nin; i++) c->in[i] = c->axis;
    return true;
}

const btl_op btl_op_concatenate = {
    .name = "concatenate", .doc = "arrays behind one another along an axis", .signature = "concatenate([a, b, ...], axis=0)",
    .version = 1, .min_in = 1, .max_in = -1, .nout = 1, .flags = OP_IS_PURE_SHAPE, .promote = PROMOTE_COMMON,
    .nparams = 1, .params = concatenate_params, .infer = concatenate_infer, .eval = concatenate_eval,
    .emit = concatenate_emit, .holds = concatenate_holds, .cut = concatenate_cut, .vjp = concatenate_vjp, .jvp = btl_jvp_linear, .batch = btl_batch_axis, .samples = concatenate_samples,
};

/* ---- split -------------------------------------------------------------------------------- */

static const btl_param_spec split_params[] = {
    { "sizes", PARAM_SHAPE, NULL, true, "how many elements along the axis each part has" },
    { "axis", PARAM_INT, "0", false, "along which axis; from the end if negative" },
};

static btl_status split_infer(btl_infer *x) {
    const btl_type *t = &x->in[0]->type;
    int axis, n = x->params[0].shape.n;
    const btl_dim *dims[BTL_MAX_RANK], *sum = btl_dim_const(x->g, 0);
    if (t->rank == 0) return btl_fail(x->g, BTL_ESHAPE, "a scalar cannot be split: %s", btl_var_text(x->g, x->in[0]));
    if (n < 1) return btl_fail(x->g, BTL_EVALUE, "needs the size of at least one part");
    BTL_TRY(btl_axis_resolve(x->g, x->params[1].i, t->rank, &axis));
    x->nout = n;
    x->out = BTL_ARRAY(&x->g->arena, btl_type, n);
    if (t->rank) memcpy(dims, t->dims, (size_t)t->rank * sizeof *dims);
    for (int i = 0; i < n; i++) {
        dims[axis] = x->params[0].shape.v[i];
        if (dims[axis]->hi < 0) return btl_fail(x->g, BTL_ESHAPE, "the size of part %d is negative", i);
        sum = btl_dim_add(x->g, sum, dims[axis]);
        x->out[i] = btl_type_make(x->g, t->dtype, t->rank, dims);
    }
    if (btl_dims_unify(x->g, sum, t->dims[axis], NULL) == BTL_OK) return BTL_OK;
    btl_text text;
    btl_text_init(&text, &x->g->arena);
    btl_dim_print(&text, x->g, sum);
    return btl_fail(x->g, BTL_ESHAPE, "the parts' sizes add up to %s, axis %d of the operand does not: %s", text.data, axis,
                    btl_var_text(x->g, x->in[0]));
}

static btl_status split_eval(btl_exec *x) {
    const btl_operand *a = &x->in[0];
    int axis = join_axis(&x->params[1], a->rank);
    int64_t at = 0;
    for (int i = 0; i < x->nout; i++) {
        const btl_operand *y = &x->out[i];
        btl_move(btl_move_copy(a->dtype), btl_dtype_bytes(a->dtype), y->rank, y->dims, y->data, y->strides,
                 a->data + join_offset(a, axis, at), a->strides);
        at += y->dims[axis];
    }
    return BTL_OK;
}

static btl_status split_emit(btl_emit *e) {
    int axis = join_axis(&e->params[1], e->node->in[0]->type.rank);
    const btl_dim *at = btl_dim_const(e->g, 0);
    for (int i = 0; i < e->node->nout; i++) {
        join_emit(e, btl_emit_out(e, i), 0, axis, at);
        at = btl_dim_add(e->g, at, e->node->out[i].type.dims[axis]);
    }
    return BTL_OK;
}

/* The parts' gradients behind one another; zeros for parts that nobody used. */
static btl_status split_vjp(btl_vjp *v) {
    int n = v->node->nout;
    btl_var **parts = BTL_ARRAY(&v->g->arena, btl_var *, n);
    for (int i = 0; i < n; i++) {
        parts[i] = v->dout[i] ? v->dout[i] : btl_zeros_of(v->g, &v->out[i]->type);
        if (!parts[i]) return v->g->status;
    }
    v->din[0] = btl_build(v->g, &btl_op_concatenate, n, parts, &v->node->params[1], NULL);
    return v->din[0] ? BTL_OK : v->g->status;
}

static btl_var *split_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                            btl_var **out) {
    btl_param p[2] = { btl_param_shape(g, params[0].shape.n, params[0].shape.v), params[1] };
    btl_node *n = btl_apply(g, op, nin, in, p);
    for (int i = 0; n && out && i < n->nout; i++) out[i] = &n->out[i];
    return n ? n->out : NULL;
}

static const char *const split_samples[] = {
    "x: f32[5, 2] | = concatenate(split(x, sizes=[2, 3]))", "x: i64[2, 4] | = concatenate(split(x, sizes=[1, 0, 3], axis=-1), axis=1)", NULL,
};

const btl_op btl_op_split = {
    .name = "split", .doc = "the parts of an array along an axis: a, b = split(x, sizes=[2, 3])",
    .signature = "split(x, sizes, axis=0)", .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_IS_PURE_SHAPE,
    .nparams = 2, .params = split_params, .infer = split_infer, .build = split_build, .eval = split_eval,
    .emit = split_emit, .vjp = split_vjp, .jvp = btl_jvp_linear, .batch = btl_batch_axis, .samples = split_samples,
};

/* ---- macros ------------------------------------------------------------------------------- */

static btl_var *join_along(btl_graph *g, int n, btl_var *const *in, int axis, btl_var **out) {
    btl_param p = { .i = axis };
    return join_result(btl_build(g, &btl_op_concatenate, n, in, &p, NULL), out);
}

/* Every operand with a new axis at `axis` of a result of `rank` axes. */
static btl_var **join_lift(btl_graph *g, int n, btl_var *const *in, int rank, int axis) {
    btl_var **lifted = BTL_ARRAY(&g->arena, btl_var *, n);
    for (int i = 0; i < n; i++) {
        int pattern[BTL_MAX_RANK + 1];
        if (in[i]->type.rank != rank - 1) {
            concatenate_mismatch(g, in[0], in[i], i);
            return NULL;
        }
        for (int k = 0, from = 0; k < rank; k++) pattern[k] = k == axis ? -1 : from++;
        if (!(lifted[i] = btl_dimshuffle_to(g, in[i], rank, pattern))) return NULL;
    }
    return lifted;
}

static const btl_param_spec stack_params[] = {
    { "axis", PARAM_INT, "0", false, "where the new axis stands; from the end if negative" },
};

static btl_var *stack_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                            btl_var **out) {
    int rank = in[0]->type.rank + 1, axis;
    (void)op;
    if (btl_axis_resolve(g, params[0].i, rank, &axis)) return NULL;
    btl_var **lifted = join_lift(g, nin, in, rank, axis);
    return lifted ? join_along(g, nin, lifted, axis, out) : NULL;
}

static const char *const stack_samples[] = { "a: f32[3], b: f32[3]", "a: f32[2, 3], b: f32[2, 3] | axis=-1", "a: f64, b: f64", NULL };

const btl_op btl_op_stack = {
    .name = "stack", .doc = "arrays of one shape behind one another along a new axis", .signature = "stack([a, b, ...], axis=0)",
    .version = 1, .min_in = 1, .max_in = -1, .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = stack_params,
    .build = stack_build, .samples = stack_samples,
};

/* NumPy's: vectors and scalars along axis 0, others along axis 1. */
static btl_var *hstack_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                             btl_var **out) {
    (void)op, (void)params;
    int rank = in[0]->type.rank;
    btl_var **lifted = rank ? NULL : join_lift(g, nin, in, 1, 0);
    if (!rank && !lifted) return NULL;
    return join_along(g, nin, rank ? in : lifted, rank > 1, out);
}

/* NumPy's: vectors and scalars become rows first. */
static btl_var *vstack_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                             btl_var **out) {
    (void)op, (void)params;
    if (in[0]->type.rank >= 2) return join_along(g, nin, in, 0, out);
    btl_var **rows = BTL_ARRAY(&g->arena, btl_var *, nin);
    for (int i = 0; i < nin; i++) {
        int vector[2] = { -1, 0 }, scalar[2] = { -1, -1 };
        rows[i] = in[i]->type.rank > 1 ? in[i] : btl_dimshuffle_to(g, in[i], 2, in[i]->type.rank ? vector : scalar);
    }
    return join_along(g, nin, rows, 0, out);
}

static const char *const hstack_samples[] = { "a: f32[3], b: f32[2]", "a: f32[2, 3], b: f32[2, 1]", NULL };
static const char *const vstack_samples[] = { "a: f32[3], b: f32[3]", "a: f32[2, 3], b: f32[1, 3]", NULL };

const btl_op btl_op_hstack = {
    .name = "hstack", .doc = "arrays beside one another", .signature = "hstack([a, b, ...])", .version = 1,
    .min_in = 1, .max_in = -1, .nout = 1, .flags = OP_MACRO, .build = hstack_build, .samples = hstack_samples,
};

const btl_op btl_op_vstack = {
    .name = "vstack", .doc = "arrays below one another; vectors are rows", .signature = "vstack([a, b, ...])", .version = 1,
    .min_in = 1, .max_in = -1, .nout = 1, .flags = OP_MACRO, .build = vstack_build, .samples = vstack_samples,
};

/* ---- public builders ---------------------------------------------------------------------- */

btl_var *btl_concatenate(btl_graph *g, int n, btl_var *const *v, int axis) {
    btl_param p = { .i = axis };
    return btl_build(g, &btl_op_concatenate, n, v, &p, NULL);
}

btl_var *btl_stack(btl_graph *g, int n, btl_var *const *v, int axis) {
    btl_param p = { .i = axis };
    return btl_build(g, &btl_op_stack, n, v, &p, NULL);
}

typedef struct join_split { btl_graph *g; btl_var *x; int n; const int64_t *sizes; int axis; btl_var **out; } join_split;

static btl_status join_split_body(void *arg) {
    join_split *s = arg;
    btl_param p[2] = { { .shape = { s->n, btl_const_dims(s->g, s->n, s->sizes) } }, { .i = s->axis } };
    return btl_build(s->g, &btl_op_split, 1, &s->x, p, s->out) ? BTL_OK : s->g->status;
}

btl_status btl_split(btl_graph *g, btl_var *x, int n, const int64_t *sizes, int axis, btl_var **out) {
    join_split s = { g, x, n, sizes, axis, out };
    for (int i = 0; i < n; i++) out[i] = NULL;
    if (!x) return g->status ? g->status : BTL_EUSAGE;
    return btl_graph_protect(g, join_split_body, &s);
}
