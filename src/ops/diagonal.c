/* diagonal.c - triangles and diagonals of matrices, the last two axes: tril, triu, diag, diagonal, trace.
 *
 * Each is only a way of writing: a triangle compares the numbers of row and column, which the fuser
 * makes part of its neighbours; a diagonal is picked out by two index arrays.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/linalg.h"
#include "expr/index.h"
#include "ops/structure.h"

extern const btl_op btl_op_tril, btl_op_triu, btl_op_diag, btl_op_diagonal, btl_op_trace;

static btl_var *diagonal_result(btl_var *v, btl_var **out) {
    if (out) *out = v;
    return v;
}

/* 0, 1, …, n-1, in i64. */
static btl_var *diagonal_count(btl_graph *g, const btl_dim *n) {
    return btl_arange(g, NULL, btl_graph_size(g, n), NULL);
}

static btl_var *diagonal_column(btl_graph *g, btl_var *v) {
    static const int column[2] = { 0, -1 };
    return v ? btl_dimshuffle_to(g, v, 2, column) : NULL;
}

static btl_status diagonal_needs_matrix(btl_graph *g, const btl_var *x) {
    return x->type.rank >= 2 ? BTL_OK : btl_fail(g, BTL_ESHAPE, "needs a matrix: %s", btl_var_text(g, x));
}

/* ---- triangles ---------------------------------------------------------------------------- */

static const btl_param_spec triangle_params[] = {
    { "k", PARAM_INT, "0", true, "the diagonal up to which it goes: above the main one if positive" },
};

static btl_var *triangle_build(btl_graph *g, btl_var *x, int64_t k, bool lower) {
    if (diagonal_needs_matrix(g, x)) return NULL;
    btl_var *row = diagonal_column(g, diagonal_count(g, x->type.dims[x->type.rank - 2]));
    btl_var *column = diagonal_count(g, x->type.dims[x->type.rank - 1]);
    if (k) row = btl_add(g, row, btl_integer(g, k));
    btl_var *zero = btl_cast_to(g, btl_integer(g, 0), x->type.dtype);
    return btl_where(g, lower ? btl_le(g, column, row) : btl_ge(g, column, row), x, zero);
}

static btl_var *tril_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params, btl_var **out) {
    (void)op, (void)nin;
    return diagonal_result(triangle_build(g, in[0], params[0].i, true), out);
}

static btl_var *triu_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params, btl_var **out) {
    (void)op, (void)nin;
    return diagonal_result(triangle_build(g, in[0], params[0].i, false), out);
}

static const char *const triangle_samples[] = {
    "x: f32[3, 4]", "x: f64[4, 3] | k=1", "x: f32[2, 3, 3] | k=-1", "x: i32[3, 3]", "x: bool[2, 2]", "x: f32[0, 3]", NULL,
};

const btl_op btl_op_tril = {
    .name = "tril", .doc = "the lower triangle, zeros above", .signature = "tril(x, k=0)", .version = 1, .min_in = 1, .max_in = 1,
    .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = triangle_params, .build = tril_build, .samples = triangle_samples,
};
const btl_op btl_op_triu = {
    .name = "triu", .doc = "the upper triangle, zeros below", .signature = "triu(x, k=0)", .version = 1, .min_in = 1, .max_in = 1,
    .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = triangle_params, .build = triu_build, .samples = triangle_samples,
};

/* ---- diagonals ---------------------------------------------------------------------------- */

/* x[…, i, i + k] of the last two axes. */
static btl_var *diagonal_pick(btl_graph *g, btl_var *x, int64_t k) {
    btl_index_arg items[BTL_MAX_RANK];
    int rank = x->type.rank;
    const btl_dim *first = btl_dim_const(g, k < 0 ? -k : 0), *second = btl_dim_const(g, k > 0 ? k : 0);
    const btl_dim *rows = btl_dim_sub(g, x->type.dims[rank - 2], first), *columns = btl_dim_sub(g, x->type.dims[rank - 1], second);
    const btl_dim *length = btl_dim_max(g, btl_dim_const(g, 0), btl_dim_min(g, rows, columns));
    btl_var *i = diagonal_count(g, length), *j = i;
    if (k < 0) i = btl_add(g, i, btl_graph_size(g, first));
    if (k > 0) j = btl_add(g, j, btl_graph_size(g, second));
    if (!i || !j) return NULL;
    for (int axis = 0; axis < rank - 2; axis++) items[axis] = (btl_index_arg){ .kind = ARG_SLICE };
    items[rank - 2] = (btl_index_arg){ .kind = ARG_ARRAY, .start = { NULL, i } };
    items[rank - 1] = (btl_index_arg){ .kind = ARG_ARRAY, .start = { NULL, j } };
    return btl_index_build(g, x, rank, items);
}

/* The square matrix with x on diagonal k: where it stands, x lies along the shorter way. */
static btl_var *diagonal_put(btl_graph *g, btl_var *x, int64_t k) {
    const btl_dim *pad = btl_dim_const(g, k < 0 ? -k : k), *n = btl_dim_add(g, x->type.dims[0], pad);
    const btl_type padding = btl_type_make(g, x->type.dtype, 1, &pad);
    btl_var *parts[2] = { x, k ? btl_zeros_of(g, &padding) : NULL };
    btl_var *all = k ? btl_concatenate(g, 2, parts, 0) : x, *row = diagonal_column(g, diagonal_count(g, n));
    if (k > 0) all = diagonal_column(g, all);
    if (k) row = btl_add(g, row, btl_integer(g, k));
    btl_var *zero = btl_cast_to(g, btl_integer(g, 0), x->type.dtype);
    return btl_where(g, btl_eq(g, diagonal_count(g, n), row), all, zero);
}

static const btl_param_spec diag_params[] = {
    { "k", PARAM_INT, "0", true, "which diagonal: above the main one if positive" },
};

static btl_var *diag_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params, btl_var **out) {
    (void)op, (void)nin;
    if (in[0]->type.rank == 1) return diagonal_result(diagonal_put(g, in[0], params[0].i), out);
    return diagonal_needs_matrix(g, in[0]) ? NULL : diagonal_result(diagonal_pick(g, in[0], params[0].i), out);
}

static const char *const diag_samples[] = {
    "x: f32[3]", "x: f64[2] | k=1", "x: f32[2] | k=-2", "x: bool[2]", "x: i32[0]", "x: f32[3, 3]", "x: f64[3, 4] | k=1",
    "x: f32[4, 2] | k=-1", "x: f64[2, 3, 3]", "x: f32[2, 2] | k=3", NULL,
};

const btl_op btl_op_diag = {
    .name = "diag", .doc = "of a vector the matrix with it on a diagonal, of matrices that diagonal", .signature = "diag(x, k=0)",
    .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = diag_params,
    .build = diag_build, .samples = diag_samples,
};

static const btl_param_spec diagonal_params[] = {
    { "offset", PARAM_INT, "0", true, "which diagonal: above the main one if positive" },
    { "axis1", PARAM_INT, "0", true, "the rows" },
    { "axis2", PARAM_INT, "1", true, "the columns" },
};

/* Both axes to the end, then picked. */
static btl_var *diagonal_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params, btl_var **out) {
    int rank = in[0]->type.rank, a, b, pattern[BTL_MAX_RANK], n = 0;
    (void)op, (void)nin;
    if (diagonal_needs_matrix(g, in[0]) || btl_axis_resolve(g, params[1].i, rank, &a) || btl_axis_resolve(g, params[2].i, rank, &b)) return NULL;
    if (a == b) {
        btl_fail(g, BTL_ESHAPE, "axis1 and axis2 are both axis %d of %s", a, btl_var_text(g, in[0]));
        return NULL;
    }
    for (int i = 0; i < rank; i++)
        if (i != a && i != b) pattern[n++] = i;
    pattern[n] = a, pattern[n + 1] = b;
    btl_var *x = btl_dimshuffle_to(g, in[0], rank, pattern);
    return x ? diagonal_result(diagonal_pick(g, x, params[0].i), out) : NULL;
}

static const char *const diagonal_samples[] = {
    "x: f32[3, 4]", "x: f64[2, 3, 4] | offset=-1, axis1=1, axis2=2", "x: f32[2, 3, 2] | axis1=2, axis2=0", "x: i64[2, 2]", NULL,
};

const btl_op btl_op_diagonal = {
    .name = "diagonal", .doc = "a diagonal over two axes, along a new last axis", .signature = "diagonal(x, offset=0, axis1=0, axis2=1)",
    .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_MACRO, .nparams = 3, .params = diagonal_params,
    .build = diagonal_build, .samples = diagonal_samples,
};

static const btl_param_spec trace_params[] = {
    { "offset", PARAM_INT, "0", true, "which diagonal: above the main one if positive" },
};

static btl_var *trace_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params, btl_var **out) {
    static const int last = -1;
    (void)op, (void)nin;
    if (diagonal_needs_matrix(g, in[0])) return NULL;
    return diagonal_result(btl_sum(g, diagonal_pick(g, in[0], params[0].i), 1, &last, false), out);
}

static const char *const trace_samples[] = { "x: f32[3, 3]", "x: f64[3, 4] | offset=1", "x: i32[2, 2]", "x: f32[2, 3, 3]", "x: f32[0, 0]", NULL };

const btl_op btl_op_trace = {
    .name = "trace", .doc = "the sum of a diagonal of each matrix", .signature = "trace(x, offset=0)", .version = 1, .min_in = 1, .max_in = 1,
    .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = trace_params, .build = trace_build, .samples = trace_samples,
};

/* ---- public builders ---------------------------------------------------------------------- */

#define DIAGONAL_BUILDER(name)                                                                    \
    btl_var *btl_##name(btl_graph *g, btl_var *x, int64_t k) {                                    \
        btl_param p = { .i = k };                                                                 \
        return btl_build(g, &btl_op_##name, 1, &x, &p, NULL);                                     \
    }
DIAGONAL_BUILDER(tril)
DIAGONAL_BUILDER(triu)
DIAGONAL_BUILDER(diag)
DIAGONAL_BUILDER(trace)

btl_var *btl_diagonal(btl_graph *g, btl_var *x, int64_t offset, int axis1, int axis2) {
    const btl_param p[3] = { { .i = offset }, { .i = axis1 }, { .i = axis2 } };
    return btl_build(g, &btl_op_diagonal, 1, &x, p, NULL);
}
