/* shape.c - ops that change how an array is looked at, not what it holds.
 *
 * Three ops do all of it, each a view: `dimshuffle` (axes permuted, added, dropped), `reshape` and
 * `broadcast_to` (stride 0). Transposing, squeezing, flattening, tiling and their like are macros
 * that build these three, so that rules and schedulers know few kinds of node. `copy` makes a view
 * row-major; the compiler puts it in front of a reshape that needs it, a person never writes it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/emit.h"
#include "expr/operand.h"
#include "ops/loops.h"
#include "ops/move.h"
#include "ops/structure.h"

#include <assert.h>
#include <string.h>

/* ---- settings ----------------------------------------------------------------------------- */

btl_param btl_param_axes(btl_graph *g, int n, const int *axes) {
    btl_param p = { 0 };
    p.axes.n = n;
    p.axes.v = n > 0 ? btl_arena_copy(&g->arena, axes, (size_t)n * sizeof *axes) : NULL;
    return p;
}

btl_param btl_param_shape(btl_graph *g, int n, const btl_dim *const *dims) {
    btl_param p = { 0 };
    p.shape.n = n;
    p.shape.v = n > 0 ? btl_arena_copy(&g->arena, dims, (size_t)n * sizeof *dims) : NULL;
    return p;
}

const btl_dim *const *btl_const_dims(btl_graph *g, int n, const int64_t *sizes) {
    const btl_dim **dims = BTL_ARRAY(&g->arena, const btl_dim *, n);
    for (int i = 0; i < n; i++) dims[i] = btl_dim_const(g, sizes[i]);
    return dims;
}

/* A macro's or builder's result, handed back both ways. */
static btl_var *shape_result(btl_var *v, btl_var **out) {
    if (out) *out = v;
    return v;
}

static btl_status shape_rank(btl_graph *g, int rank) {
    if (rank <= BTL_MAX_RANK) return BTL_OK;
    return btl_fail(g, BTL_ESHAPE, "the result would have %d dimensions, more than %d", rank, BTL_MAX_RANK);
}

static const char *shape_text(btl_graph *g, int n, const btl_dim *const *dims) {
    btl_text t;
    btl_text_init(&t, &g->arena);
    btl_text_add(&t, "[");
    for (int i = 0; i < n; i++) {
        if (i) btl_text_add(&t, ", ");
        btl_dim_print(&t, g, dims[i]);
    }
    btl_text_add(&t, "]");
    return t.data;
}

static const btl_op_alias shape_views[] = { { 0, 0 }, { -1, -1 } };

static void shape_emit_stride(btl_emit *e, int axis, btl_extent stride) { btl_emit_view_stride(e, axis, stride.known, stride.text); }

/* ---- copy --------------------------------------------------------------------------------- */

static btl_status shape_same_infer(btl_infer *x) {
    x->out[0] = x->in[0]->type;
    return BTL_OK;
}

static btl_status copy_eval(btl_exec *x) {
    const btl_operand *a = &x->in[0], *y = &x->out[0];
    btl_move(btl_move_copy(y->dtype), btl_dtype_bytes(y->dtype), y->rank, y->dims, y->data, y->strides, a->data, a->strides);
    return BTL_OK;
}

static btl_status copy_emit(btl_emit *e) {
    const btl_type *t = btl_emit_type(e, 0);
    btl_loops l = btl_loops_begin(e, 2, 'i');
    for (int k = 0; k < t->rank; k++)
        btl_loops_add(&l, btl_extent_dim(e, 0, k), btl_extent_stride(e, btl_emit_out(e, 0), k), btl_extent_stride(e, 0, k));
    btl_loops_move(&l, t->dtype, "y0", "x0", false);
    return BTL_OK;
}

static btl_status copy_vjp(btl_vjp *v) {
    v->din[0] = v->dout[0];
    return BTL_OK;
}

static bool copy_cut(btl_cut *c) {
    c->in[0] = c->axis;
    return true;
}

static const char *const copy_samples[] = { "x: f32[3, 2]", "x: i8[0, 4]", "x: f64", NULL };

const btl_op btl_op_copy = {
    .name = "copy", .doc = "its operand, row-major in memory of its own", .signature = "copy(x)", .version = 1,
    .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_HIDDEN | OP_IS_PURE_SHAPE,
    .infer = shape_same_infer, .eval = copy_eval, .emit = copy_emit, .vjp = copy_vjp, .batch = btl_batch_same, .cut = copy_cut, .samples = copy_samples,
};

/* ---- dimshuffle --------------------------------------------------------------------------- */

static const btl_param_spec dimshuffle_params[] = {
    { "pattern", PARAM_AXES, NULL, true, "for each axis of the result the axis of x, -1 (or \"x\") for a new one of size 1" },
};

/* Every axis of x at most once; those left out must be of size 1, or are checked to be at the call. */
static btl_status dimshuffle_check(btl_graph *g, const btl_var *x, const btl_param *p) {
    uint32_t used = 0;
    BTL_TRY(shape_rank(g, p->axes.n));
    for (int i = 0; i < p->axes.n; i++) {
        int axis = p->axes.v[i];
        if (axis == -1) continue;
        if (axis < 0 || axis >= x->type.rank) {
            btl_fail(g, BTL_ESHAPE, "axis %d is outside %s", axis, btl_var_text(g, x));
            btl_fail_hint(g, "axes count from 0; -1 or \"x\" stands for a new one");
            return BTL_ESHAPE;
        }
        if (used >> axis & 1) return btl_fail(g, BTL_ESHAPE, "axis %d stands twice in the pattern", axis);
        used |= (uint32_t)1 << axis;
    }
    for (int i = 0; i < x->type.rank; i++) {
        if (used >> i & 1) continue;
        if (btl_dims_unify(g, x->type.dims[i], btl_dim_const(g, 1), NULL) == BTL_OK) continue;
        btl_fail(g, BTL_ESHAPE, "axis %d cannot be dropped, its size is not 1: %s", i, btl_var_text(g, x));
        btl_fail_hint(g, "only axes of size 1 can be left out; to pick an element, index with [...]");
        return BTL_ESHAPE;
    }
    return BTL_OK;
}

static btl_status dimshuffle_infer(btl_infer *x) {
    const btl_param *p = &x->params[0];
    BTL_TRY(dimshuffle_check(x->g, x->in[0], p));
    const btl_dim *dims[BTL_MAX_RANK], *one = btl_dim_const(x->g, 1);
    for (int i = 0; i < p->axes.n; i++) dims[i] = p->axes.v[i] < 0 ? one : x->in[0]->type.dims[p->axes.v[i]];
    x->out[0] = btl_type_make(x->g, x->in[0]->type.dtype, p->axes.n, dims);
    return BTL_OK;
}

static btl_status dimshuffle_view(btl_exec *x) {
    const btl_param *p = &x->params[0];
    x->out[0].data = x->in[0].data;
    for (int i = 0; i < p->axes.n; i++) x->out[0].strides[i] = p->axes.v[i] < 0 ? 0 : x->in[0].strides[p->axes.v[i]];
    return BTL_OK;
}

static btl_status dimshuffle_emit(btl_emit *e) {
    const btl_param *p = &e->params[0];
    for (int i = 0; i < p->axes.n; i++) shape_emit_stride(e, i, p->axes.v[i] < 0 ? btl_extent_const(e, 0) : btl_extent_stride(e, 0, p->axes.v[i]));
    return BTL_OK;
}

/* The axes go back; dropped ones come back as new ones. */
static btl_status dimshuffle_vjp(btl_vjp *v) {
    const btl_param *p = &v->node->params[0];
    int back[BTL_MAX_RANK], rank = v->in[0]->type.rank;
    for (int i = 0; i < rank; i++) {
        back[i] = -1;
        for (int j = 0; j < p->axes.n; j++)
            if (p->axes.v[j] == i) back[i] = j;
    }
    v->din[0] = btl_dimshuffle_to(v->g, v->dout[0], rank, back);
    return v->din[0] ? BTL_OK : v->g->status;
}

static btl_status dimshuffle_batch(btl_batch *b) {
    const btl_param *p = &b->node->params[0];
    int pattern[BTL_MAX_RANK + 1] = { 0 };
    for (int i = 0; i < p->axes.n; i++) pattern[i + 1] = p->axes.v[i] < 0 ? -1 : p->axes.v[i] + 1;
    b->out[0] = btl_dimshuffle_to(b->g, b->in[0], p->axes.n + 1, pattern);
    return b->out[0] ? BTL_OK : b->g->status;
}

static btl_var *dimshuffle_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                 btl_var **out) {
    btl_param p = btl_param_axes(g, params[0].axes.n < 0 ? 0 : params[0].axes.n, params[0].axes.v);
    bool identity = p.axes.n == in[0]->type.rank;
    for (int i = 0; identity && i < p.axes.n; i++) identity = p.axes.v[i] == i;
    if (identity) return shape_result(in[0], out);
    btl_node *n = btl_apply(g, op, nin, in, &p);
    return n ? shape_result(n->out, out) : NULL;
}

static const char *const dimshuffle_samples[] = {
    "x: f32[2, 3] | pattern=[1, 0]", "x: i32[3] | pattern=[-1, 0]", "x: f64[2, 1, 3] | pattern=[2, 0]",
    "x: f32 | pattern=[-1, -1]", "x: f32[0, 2, 3] | pattern=[2, -1, 0, 1]", NULL,
};

static bool dimshuffle_cut(btl_cut *c) {
    c->in[0] = c->node->params[0].axes.v[c->axis];
    return c->in[0] >= 0;
}

const btl_op btl_op_dimshuffle = {
    .cut = dimshuffle_cut,
    .name = "dimshuffle", .doc = "axes in another order, new ones of size 1 added, ones of size 1 dropped; a view",
    .signature = "dimshuffle(x, pattern)", .version = 1, .min_in = 1, .max_in = 1, .nout = 1,
    .flags = OP_IS_PURE_SHAPE, .nparams = 1, .params = dimshuffle_params,
    .infer = dimshuffle_infer, .build = dimshuffle_build, .view = dimshuffle_view, .views = shape_views,
    .emit = dimshuffle_emit, .vjp = dimshuffle_vjp, .batch = dimshuffle_batch, .samples = dimshuffle_samples,
};

btl_var *btl_dimshuffle_to(btl_graph *g, btl_var *x, int n, const int *pattern) {
    btl_param p = { .axes = { n, pattern } };
    return btl_build(g, &btl_op_dimshuffle, 1, &x, &p, NULL);
}

btl_var *btl_transpose_last(btl_graph *g, btl_var *x) {
    if (!x) return NULL;
    int rank = x->type.rank, pattern[BTL_MAX_RANK];
    assert(rank >= 2);
    for (int i = 0; i < rank; i++) pattern[i] = i;
    pattern[rank - 2] = rank - 1, pattern[rank - 1] = rank - 2;
    return btl_dimshuffle_to(g, x, rank, pattern);
}

/* ---- macros that permute ------------------------------------------------------------------ */

static const btl_param_spec transpose_params[] = {
    { "axes", PARAM_AXES, "none", true, "the axis of x for each axis of the result; none: all reversed" },
};

static btl_var *transpose_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                btl_var **out) {
    int rank = in[0]->type.rank, pattern[BTL_MAX_RANK];
    (void)op, (void)nin;
    if (params[0].axes.n >= 0 && params[0].axes.n != rank) {
        btl_fail(g, BTL_ESHAPE, "%d axes are given, the operand has %d: %s", params[0].axes.n, rank, btl_var_text(g, in[0]));
        return NULL;
    }
    for (int i = 0; i < rank; i++) {
        pattern[i] = rank - 1 - i;
        if (params[0].axes.n >= 0 && btl_axis_resolve(g, params[0].axes.v[i], rank, &pattern[i])) return NULL;
    }
    return shape_result(btl_dimshuffle_to(g, in[0], rank, pattern), out);
}

static const char *const transpose_samples[] = { "x: f32[2, 3]", "x: f32[2, 3, 4] | axes=[1, -1, 0]", "x: f32", NULL };

const btl_op btl_op_transpose = {
    .name = "transpose", .doc = "axes reversed, or in the order given; x.T", .signature = "transpose(x, axes=none)",
    .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = transpose_params,
    .build = transpose_build, .samples = transpose_samples,
};

static const btl_param_spec swapaxes_params[] = {
    { "axis1", PARAM_INT, NULL, true, "an axis, from the end if negative" },
    { "axis2", PARAM_INT, NULL, true, "the other" },
};

static btl_var *swapaxes_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                               btl_var **out) {
    int rank = in[0]->type.rank, pattern[BTL_MAX_RANK], a, b;
    (void)op, (void)nin;
    if (btl_axis_resolve(g, params[0].i, rank, &a) || btl_axis_resolve(g, params[1].i, rank, &b)) return NULL;
    for (int i = 0; i < rank; i++) pattern[i] = i;
    pattern[a] = b, pattern[b] = a;
    return shape_result(btl_dimshuffle_to(g, in[0], rank, pattern), out);
}

static const char *const swapaxes_samples[] = { "x: f32[2, 3, 4] | axis1=0, axis2=-1", NULL };

const btl_op btl_op_swapaxes = {
    .name = "swapaxes", .doc = "two axes exchanged", .signature = "swapaxes(x, axis1, axis2)", .version = 1,
    .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_MACRO, .nparams = 2, .params = swapaxes_params,
    .build = swapaxes_build, .samples = swapaxes_samples,
};

static const btl_param_spec squeeze_params[] = {
    { "axis", PARAM_AXES, "none", true, "axes of size 1 to drop; none: all that are known to be of size 1" },
};

static btl_var *squeeze_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                              btl_var **out) {
    int rank = in[0]->type.rank, pattern[BTL_MAX_RANK], n = 0;
    uint32_t dropped = 0;
    (void)op, (void)nin;
    if (params[0].axes.n >= 0) {
        if (btl_axes_mask(g, &params[0], rank, &dropped)) return NULL;
    } else {
        for (int i = 0; i < rank; i++) dropped |= (uint32_t)btl_dim_is(in[0]->type.dims[i], 1) << i;
    }
    for (int i = 0; i < rank; i++)
        if (!(dropped >> i & 1)) pattern[n++] = i;
    return shape_result(btl_dimshuffle_to(g, in[0], n, pattern), out);
}

static const char *const squeeze_samples[] = { "x: f32[1, 3, 1]", "x: f32[1, 3, 1] | axis=-1", "x: f32[2, 3]", NULL };

const btl_op btl_op_squeeze = {
    .name = "squeeze", .doc = "axes of size 1 dropped", .signature = "squeeze(x, axis=none)", .version = 1,
    .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = squeeze_params,
    .build = squeeze_build, .samples = squeeze_samples,
};

static const btl_param_spec expand_dims_params[] = {
    { "axis", PARAM_AXES, NULL, true, "where the new axes stand in the result" },
};

static btl_var *expand_dims_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                  btl_var **out) {
    int added = params[0].axes.n < 0 ? 0 : params[0].axes.n, rank = in[0]->type.rank + added;
    int pattern[BTL_MAX_RANK];
    uint32_t mask = 0;
    (void)op, (void)nin;
    if (shape_rank(g, rank) || (added && btl_axes_mask(g, &params[0], rank, &mask))) return NULL;
    for (int i = 0, from = 0; i < rank; i++) pattern[i] = mask >> i & 1 ? -1 : from++;
    return shape_result(btl_dimshuffle_to(g, in[0], rank, pattern), out);
}

static const char *const expand_dims_samples[] = { "x: f32[2, 3] | axis=0", "x: f32[2] | axis=[0, -1]", "x: f32 | axis=0", NULL };

const btl_op btl_op_expand_dims = {
    .name = "expand_dims", .doc = "new axes of size 1", .signature = "expand_dims(x, axis)", .version = 1,
    .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = expand_dims_params,
    .build = expand_dims_build, .samples = expand_dims_samples,
};

/* ---- reshape ------------------------------------------------------------------------------ */

static const btl_param_spec reshape_params[] = {
    { "shape", PARAM_SHAPE, NULL, true, "the new sizes; one may be -1: what is left" },
};

static btl_status reshape_infer(btl_infer *x) {
    const btl_type *from = &x->in[0]->type;
    int n = x->params[0].shape.n;
    const btl_dim *const *dims = x->params[0].shape.v;
    const btl_dim *have = btl_type_elems(x->g, from), *want = btl_dim_product(x->g, n, dims);
    BTL_TRY(shape_rank(x->g, n));
    for (int i = 0; i < n; i++)
        if (dims[i]->hi < 0) return btl_fail(x->g, BTL_ESHAPE, "a size is negative: %s", shape_text(x->g, n, dims));
    if (btl_dims_unify(x->g, have, want, NULL)) {
        btl_text t;
        btl_text_init(&t, &x->g->arena);
        btl_dim_print(&t, x->g, have);
        btl_text_add(&t, " and ");
        btl_dim_print(&t, x->g, want);
        btl_fail(x->g, BTL_ESHAPE, "the number of elements changes: %s, the shape is %s", btl_var_text(x->g, x->in[0]),
                 shape_text(x->g, n, dims));
        btl_fail_label(x->g, "%s", t.data);
        btl_fail_hint(x->g, "one size may be -1: it takes what is left");
        return BTL_ESHAPE;
    }
    x->out[0] = btl_type_make(x->g, from->dtype, n, dims);
    return BTL_OK;
}

/* The compiler sees to it that the operand is row-major (it inserts `copy`). */
static btl_status reshape_view(btl_exec *x) {
    assert(btl_operand_is_row_major(&x->in[0]));
    x->out[0].data = x->in[0].data;
    btl_strides_row_major(x->out[0].rank, x->out[0].dims, x->out[0].strides);
    return BTL_OK;
}

static btl_status reshape_emit(btl_emit *e) {
    for (int k = 0; k < e->node->out[0].type.rank; k++) shape_emit_stride(e, k, btl_extent_stride(e, btl_emit_out(e, 0), k));
    return BTL_OK;
}

/* Any strides: the elements in row-major order are those of the result. */
static btl_status reshape_eval(btl_exec *x) {
    int64_t strides[BTL_MAX_RANK];
    const btl_operand *a = &x->in[0];
    btl_strides_row_major(a->rank, a->dims, strides);
    btl_move(btl_move_copy(a->dtype), btl_dtype_bytes(a->dtype), a->rank, a->dims, x->out[0].data, strides, a->data, a->strides);
    return BTL_OK;
}

static btl_status reshape_vjp(btl_vjp *v) {
    const btl_type *from = &v->in[0]->type;
    v->din[0] = btl_reshape_to_dims(v->g, v->dout[0], from->rank, from->dims);
    return v->din[0] ? BTL_OK : v->g->status;
}

/* The sizes of a node's result behind that of a batch. */
static const btl_dim *const *shape_batch_dims(const btl_batch *b) {
    const btl_type *type = &b->node->out[0].type;
    const btl_dim **dims = BTL_ARRAY(&b->g->arena, const btl_dim *, type->rank + 1);
    dims[0] = b->size;
    if (type->rank) memcpy(dims + 1, type->dims, (size_t)type->rank * sizeof *dims);
    return dims;
}

static btl_status reshape_batch(btl_batch *b) {
    b->out[0] = btl_reshape_to_dims(b->g, b->in[0], b->node->out[0].type.rank + 1, shape_batch_dims(b));
    return b->out[0] ? BTL_OK : b->g->status;
}

/* -1 becomes the number of elements over the product of the other sizes. */
static btl_status reshape_resolve(btl_graph *g, const btl_type *from, int n, const btl_dim **dims) {
    int free_axis = -1;
    const btl_dim *rest = btl_dim_const(g, 1);
    for (int i = 0; i < n; i++) {
        if (!btl_dim_is(dims[i], -1)) rest = btl_dim_mul(g, rest, dims[i]);
        else if (free_axis >= 0) return btl_fail(g, BTL_ESHAPE, "only one size may be -1: %s", shape_text(g, n, dims));
        else free_axis = i;
    }
    if (free_axis < 0) return BTL_OK;
    if (btl_dim_is(rest, 0)) {
        btl_fail(g, BTL_ESHAPE, "-1 cannot be found where another size is 0: %s", shape_text(g, n, dims));
        return BTL_ESHAPE;
    }
    /* sizes that stand on both sides need no division: [n, 6] to [n, -1] is [n, 6] even where n is 0 */
    const btl_dim *left[BTL_MAX_RANK], *over = btl_dim_const(g, 1);
    int nleft = from->rank;
    if (nleft) memcpy(left, from->dims, (size_t)nleft * sizeof *left);
    for (int i = 0; i < n; i++) {
        int j = 0;
        if (i == free_axis) continue;
        while (j < nleft && left[j] != dims[i]) j++;
        if (j < nleft) left[j] = left[--nleft];
        else over = btl_dim_mul(g, over, dims[i]);
    }
    dims[free_axis] = btl_dim_floordiv(g, btl_dim_product(g, nleft, left), over);
    return BTL_OK;
}

static btl_var *reshape_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                              btl_var **out) {
    int n = params[0].shape.n < 0 ? 0 : params[0].shape.n;
    const btl_dim *dims[BTL_MAX_RANK];
    if (shape_rank(g, n)) return NULL;
    if (n) memcpy(dims, params[0].shape.v, (size_t)n * sizeof *dims);
    if (reshape_resolve(g, &in[0]->type, n, dims)) return NULL;
    btl_param p = btl_param_shape(g, n, dims);
    btl_node *node = btl_apply(g, op, nin, in, &p);
    return node ? shape_result(node->out, out) : NULL;
}

static const char *const reshape_samples[] = {
    "x: f32[6] | shape=[2, 3]", "x: f64[2, 3] | shape=[3, -1]", "x: i32[1, 1] | shape=[]", "x: f32[0, 3] | shape=[3, 0]", NULL,
};

/* The axis of x that has as many elements in front: a share of both is the same elements. */
static bool reshape_cut(btl_cut *c) {
    const btl_type *x = &c->node->in[0]->type, *y = &c->node->out->type;
    int64_t wanted = 1, before = 1, size;
    for (int k = 0; k < c->axis; k++)
        if (!btl_dim_is_const(y->dims[k], &size) || !btl_mul_i64(wanted, size, &wanted)) return false;
    for (int k = 0; k < x->rank; k++) {
        if (!btl_dim_is_const(x->dims[k], &size)) return false;
        if (before == wanted && size != 1) {
            c->in[0] = k, c->setting = 0, c->size = c->axis;
            return true;
        }
        if (!btl_mul_i64(before, size, &before)) return false;
    }
    return false;
}

const btl_op btl_op_reshape = {
    .name = "reshape", .doc = "the same elements in another shape; a view", .signature = "reshape(x, shape)", .version = 1,
    .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_IS_PURE_SHAPE | OP_ROW_MAJOR, .nparams = 1, .params = reshape_params,
    .infer = reshape_infer, .build = reshape_build, .eval = reshape_eval, .view = reshape_view, .views = shape_views,
    .emit = reshape_emit, .vjp = reshape_vjp, .cut = reshape_cut, .batch = reshape_batch, .samples = reshape_samples,
};

btl_var *btl_reshape_to_dims(btl_graph *g, btl_var *v, int rank, const btl_dim *const *dims) {
    if (!v) return NULL;
    bool same = v->type.rank == rank;
    for (int i = 0; same && i < rank; i++) same = v->type.dims[i] == dims[i];
    if (same) return v;
    btl_param p = { .shape = { rank, dims } };
    return btl_build(g, &btl_op_reshape, 1, &v, &p, NULL);
}

static const btl_param_spec flatten_params[] = {
    { "ndim", PARAM_INT, "1", true, "dimensions of the result: the first ndim-1 stay, the others become one" },
};

static btl_var *flatten_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                              btl_var **out) {
    const btl_type *from = &in[0]->type;
    int64_t n = params[0].i;
    const btl_dim *dims[BTL_MAX_RANK];
    (void)op, (void)nin;
    if (n < 1 || n > (from->rank > 1 ? from->rank : 1)) {
        btl_fail(g, BTL_EVALUE, "ndim=%lld does not fit %s", (long long)n, btl_var_text(g, in[0]));
        btl_fail_hint(g, "1 <= ndim <= the number of dimensions");
        return NULL;
    }
    for (int i = 0; i < n - 1; i++) dims[i] = from->dims[i];
    dims[n - 1] = from->rank ? btl_dim_product(g, from->rank - (int)n + 1, from->dims + n - 1) : btl_dim_const(g, 1);
    return shape_result(btl_reshape_to_dims(g, in[0], (int)n, dims), out);
}

static const char *const flatten_samples[] = { "x: f32[2, 3, 2]", "x: f32[2, 3, 2] | ndim=2", "x: f32", NULL };

const btl_op btl_op_flatten = {
    .name = "flatten", .doc = "all axes made one, or those behind the first ndim-1", .signature = "flatten(x, ndim=1)",
    .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = flatten_params,
    .build = flatten_build, .samples = flatten_samples,
};

/* ---- broadcast_to ------------------------------------------------------------------------- */

static const btl_param_spec broadcast_to_params[] = {
    { "shape", PARAM_SHAPE, NULL, true, "the sizes to stretch to; x's are right-aligned with them" },
};

static btl_status broadcast_to_infer(btl_infer *x) {
    const btl_type *from = &x->in[0]->type;
    int n = x->params[0].shape.n, lead = n - from->rank;
    const btl_dim *dims[BTL_MAX_RANK];
    BTL_TRY(shape_rank(x->g, n));
    bool fits = lead >= 0;
    for (int i = 0; i < n && fits; i++) {
        const btl_dim *want = x->params[0].shape.v[i];
        dims[i] = want;
        if (want->hi < 0) return btl_fail(x->g, BTL_ESHAPE, "a size is negative: %s", shape_text(x->g, n, x->params[0].shape.v));
        if (i >= lead && !btl_dim_is(from->dims[i - lead], 1)) fits = !btl_dims_unify(x->g, want, from->dims[i - lead], &dims[i]);
    }
    if (!fits) {
        btl_fail(x->g, BTL_ESHAPE, "%s, which does not stretch to %s", btl_var_text(x->g, x->in[0]),
                 shape_text(x->g, n, x->params[0].shape.v));
        btl_fail_hint(x->g, "sizes known to be 1 stretch, others must be equal; new axes come at the front");
        return BTL_ESHAPE;
    }
    x->out[0] = btl_type_make(x->g, from->dtype, n, dims);
    return BTL_OK;
}

static btl_status broadcast_to_view(btl_exec *x) {
    const btl_operand *a = &x->in[0];
    btl_operand *y = &x->out[0];
    int lead = y->rank - a->rank;
    y->data = a->data;
    for (int i = 0; i < y->rank; i++) y->strides[i] = i < lead || a->dims[i - lead] == 1 ? 0 : a->strides[i - lead];
    return BTL_OK;
}

static btl_status broadcast_to_emit(btl_emit *e) {
    const btl_type *y = &e->node->out[0].type;
    int lead = y->rank - e->node->in[0]->type.rank;
    for (int k = 0; k < y->rank; k++) shape_emit_stride(e, k, btl_extent_stretched(e, 0, k < lead ? -1 : k - lead, y->dims[k]));
    return BTL_OK;
}

static btl_status broadcast_to_vjp(btl_vjp *v) {
    v->din[0] = btl_sum_to(v->g, v->dout[0], &v->in[0]->type);
    return v->din[0] ? BTL_OK : v->g->status;
}

static btl_status broadcast_to_batch(btl_batch *b) {
    int rank = b->node->out[0].type.rank;
    b->out[0] = btl_broadcast_to_dims(b->g, btl_batch_lift(b, 0, rank), rank + 1, shape_batch_dims(b));
    return b->out[0] ? BTL_OK : b->g->status;
}

static btl_var *broadcast_to_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                   btl_var **out) {
    int n = params[0].shape.n < 0 ? 0 : params[0].shape.n;
    bool same = in[0]->type.rank == n;
    for (int i = 0; same && i < n; i++) same = in[0]->type.dims[i] == params[0].shape.v[i];
    if (same) return shape_result(in[0], out);
    btl_param p = btl_param_shape(g, n, params[0].shape.v);
    btl_node *node = btl_apply(g, op, nin, in, &p);
    return node ? shape_result(node->out, out) : NULL;
}

static const char *const broadcast_to_samples[] = {
    "x: f32[3] | shape=[2, 3]", "x: f64[2, 1] | shape=[2, 4]", "x: i32 | shape=[2, 2]", "x: f32[1] | shape=[0]", NULL,
};

static bool broadcast_to_cut(btl_cut *c) {
    const btl_type *y = &c->node->out->type;
    c->in[0] = btl_cut_stretched(&c->node->in[0]->type, y->rank, c->axis, y->dims[c->axis]);
    c->setting = 0, c->size = c->axis;
    return true;
}

const btl_op btl_op_broadcast_to = {
    .name = "broadcast_to", .doc = "stretched to a shape by repeating; a view", .signature = "broadcast_to(x, shape)",
    .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_IS_PURE_SHAPE, .nparams = 1,
    .params = broadcast_to_params, .infer = broadcast_to_infer, .build = broadcast_to_build, .view = broadcast_to_view,
    .views = shape_views, .emit = broadcast_to_emit, .vjp = broadcast_to_vjp, .cut = broadcast_to_cut, .batch = broadcast_to_batch, .samples = broadcast_to_samples,
};

btl_var *btl_broadcast_to_dims(btl_graph *g, btl_var *v, int rank, const btl_dim *const *dims) {
    btl_param p = { .shape = { rank, dims } };
    return btl_build(g, &btl_op_broadcast_to, 1, &v, &p, NULL);
}

/* ---- repeating ---------------------------------------------------------------------------- */

static const btl_param_spec repeat_params[] = {
    { "repeats", PARAM_DIM, NULL, true, "how often each element stands" },
    { "axis", PARAM_AXES, "none", true, "along which axis; none: of the flattened array" },
};

/* [.., n, ..] -> [.., n, 1, ..] -> [.., n, r, ..] -> [.., n*r, ..] */
static btl_var *repeat_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                             btl_var **out) {
    btl_var *x = in[0];
    int axis = 0, pattern[BTL_MAX_RANK];
    (void)op, (void)nin;
    if (params[1].axes.n > 1) {
        btl_fail(g, BTL_EVALUE, "one axis, not %d", params[1].axes.n);
        return NULL;
    }
    if (params[1].axes.n == 1) {
        if (btl_axis_resolve(g, params[1].axes.v[0], x->type.rank, &axis)) return NULL;
    } else {
        const btl_dim *all = btl_type_elems(g, &x->type);
        if (!(x = btl_reshape_to_dims(g, x, 1, &all))) return NULL;
    }
    int rank = x->type.rank;
    if (shape_rank(g, rank + 1)) return NULL;
    const btl_dim *wide[BTL_MAX_RANK], *dims[BTL_MAX_RANK];
    for (int i = 0; i <= rank; i++) {
        pattern[i] = i <= axis ? i : i == axis + 1 ? -1 : i - 1;
        wide[i] = pattern[i] < 0 ? params[0].dim : x->type.dims[pattern[i]];
    }
    for (int i = 0; i < rank; i++) dims[i] = i == axis ? btl_dim_mul(g, x->type.dims[i], params[0].dim) : x->type.dims[i];
    x = btl_broadcast_to_dims(g, btl_dimshuffle_to(g, x, rank + 1, pattern), rank + 1, wide);
    return shape_result(btl_reshape_to_dims(g, x, rank, dims), out);
}

static const char *const repeat_samples[] = { "x: f32[2, 3] | repeats=2", "x: f32[2, 3] | repeats=3, axis=-1", "x: f32[2] | repeats=0", NULL };

const btl_op btl_op_repeat = {
    .name = "repeat", .doc = "each element (or slice along an axis) several times", .signature = "repeat(x, repeats, axis=none)",
    .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_MACRO, .nparams = 2, .params = repeat_params,
    .build = repeat_build, .samples = repeat_samples,
};

static const btl_param_spec tile_params[] = {
    { "reps", PARAM_SHAPE, NULL, true, "how often along each axis, right-aligned with x's axes" },
};

/* Along each axis that repeats: [n] -> [1, n] -> [r, n] -> [r*n]. */
static btl_var *tile_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                           btl_var **out) {
    int nreps = params[0].shape.n < 0 ? 0 : params[0].shape.n, from = in[0]->type.rank;
    int rank = nreps > from ? nreps : from, wide_rank = 0;
    const btl_dim *wide[2 * BTL_MAX_RANK], *dims[BTL_MAX_RANK], *one = btl_dim_const(g, 1);
    int pattern[2 * BTL_MAX_RANK];
    (void)op, (void)nin;
    if (shape_rank(g, rank)) return NULL;
    for (int i = 0; i < rank; i++) {
        const btl_dim *r = i < rank - nreps ? one : params[0].shape.v[i - (rank - nreps)];
        int axis = i - (rank - from);
        const btl_dim *d = axis < 0 ? one : in[0]->type.dims[axis];
        dims[i] = btl_dim_mul(g, r, d);
        if (!btl_dim_is(r, 1)) wide[wide_rank] = r, pattern[wide_rank++] = -1;
        if (axis >= 0) wide[wide_rank] = d, pattern[wide_rank++] = axis;
        else if (btl_dim_is(r, 1)) wide[wide_rank] = one, pattern[wide_rank++] = -1;
    }
    if (shape_rank(g, wide_rank)) return NULL;
    btl_var *x = btl_broadcast_to_dims(g, btl_dimshuffle_to(g, in[0], wide_rank, pattern), wide_rank, wide);
    return shape_result(btl_reshape_to_dims(g, x, rank, dims), out);
}

static const char *const tile_samples[] = { "x: f32[2, 3] | reps=[2, 1]", "x: f32[2] | reps=[3, 2]", "x: f32[2, 3] | reps=[2]", NULL };

const btl_op btl_op_tile = {
    .name = "tile", .doc = "the whole array several times along its axes", .signature = "tile(x, reps)", .version = 1,
    .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = tile_params,
    .build = tile_build, .samples = tile_samples,
};

/* ---- public builders ---------------------------------------------------------------------- */

typedef struct shape_shaped {
    btl_graph *g;
    const btl_op *op;
    int nin, n, nparams;
    btl_var *const *in;
    const int64_t *sizes;
    const btl_param *params;
    btl_var *result;
} shape_shaped;

static btl_status shape_build_body(void *arg) {
    shape_shaped *s = arg;
    btl_param params[8];
    assert(s->nparams <= 8);
    if (s->nparams) memcpy(params, s->params, (size_t)s->nparams * sizeof *params);
    params[0] = (btl_param){ .shape = { s->n, s->n > 0 ? btl_const_dims(s->g, s->n, s->sizes) : NULL } };
    s->result = btl_build(s->g, s->op, s->nin, s->in, params, NULL);
    return s->result ? BTL_OK : s->g->status;
}

btl_var *btl_build_shaped(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, int n, const int64_t *sizes,
                          int nparams, const btl_param *params) {
    shape_shaped s = { g, op, nin, n, nparams, in, sizes, params, NULL };
    for (int i = 0; i < nin; i++)
        if (!in[i]) return NULL;
    return btl_graph_protect(g, shape_build_body, &s) == BTL_OK ? s.result : NULL;
}

btl_var *btl_reshape(btl_graph *g, btl_var *x, int rank, const int64_t *shape) {
    return btl_build_shaped(g, &btl_op_reshape, 1, &x, rank, shape, 0, NULL);
}

btl_var *btl_broadcast_to(btl_graph *g, btl_var *x, int rank, const int64_t *shape) {
    return btl_build_shaped(g, &btl_op_broadcast_to, 1, &x, rank, shape, 0, NULL);
}

btl_var *btl_tile(btl_graph *g, btl_var *x, int nreps, const int64_t *reps) {
    return btl_build_shaped(g, &btl_op_tile, 1, &x, nreps, reps, 0, NULL);
}

btl_var *btl_transpose(btl_graph *g, btl_var *x, int naxes, const int *axes) {
    btl_param p = { .axes = { naxes, axes } };
    return btl_build(g, &btl_op_transpose, 1, &x, &p, NULL);
}

btl_var *btl_dimshuffle(btl_graph *g, btl_var *x, int n, const int *pattern) {
    btl_param p = { .axes = { n, pattern } };
    return btl_build(g, &btl_op_dimshuffle, 1, &x, &p, NULL);
}

btl_var *btl_swapaxes(btl_graph *g, btl_var *x, int axis1, int axis2) {
    btl_param p[2] = { { .i = axis1 }, { .i = axis2 } };
    return btl_build(g, &btl_op_swapaxes, 1, &x, p, NULL);
}

btl_var *btl_squeeze(btl_graph *g, btl_var *x, int naxes, const int *axes) {
    btl_param p = { .axes = { naxes, axes } };
    return btl_build(g, &btl_op_squeeze, 1, &x, &p, NULL);
}

btl_var *btl_expand_dims(btl_graph *g, btl_var *x, int axis) {
    btl_param p = { .axes = { 1, &axis } };
    return btl_build(g, &btl_op_expand_dims, 1, &x, &p, NULL);
}

btl_var *btl_flatten(btl_graph *g, btl_var *x, int ndim) {
    btl_param p = { .i = ndim };
    return btl_build(g, &btl_op_flatten, 1, &x, &p, NULL);
}

static btl_status repeat_body(void *arg) {
    shape_shaped *s = arg;
    btl_param p[2] = { { .dim = btl_dim_const(s->g, s->sizes[0]) }, s->params[0] };
    s->result = btl_build(s->g, &btl_op_repeat, 1, s->in, p, NULL);
    return s->result ? BTL_OK : s->g->status;
}

btl_var *btl_repeat(btl_graph *g, btl_var *x, int64_t repeats, int axis) {
    btl_param p = { .axes = { 1, &axis } };
    shape_shaped s = { g, &btl_op_repeat, 1, 1, 1, &x, &repeats, &p, NULL };
    if (!x) return NULL;
    return btl_graph_protect(g, repeat_body, &s) == BTL_OK ? s.result : NULL;
}
