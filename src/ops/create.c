/* create.c - arrays out of nothing: sizes as values, counting, and constants stretched to a shape.
 *
 * zeros, ones and full are one scalar seen through broadcast_to: they take no memory until an op
 * needs them as an array.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/emit.h"
#include "expr/operand.h"
#include "ops/loops.h"
#include "ops/structure.h"

#include <string.h>

static btl_var *create_result(btl_var *v, btl_var **out) {
    if (out) *out = v;
    return v;
}

/* ---- shared with the other structural ops ------------------------------------------------- */

const btl_dim *btl_var_dim(btl_graph *g, const btl_var *v) {
    char kind = btl_dtype_kind(v->type.dtype);
    if (v->type.rank != 0 || (kind != 'i' && kind != 'u')) return NULL;
    if (v->node->op == &btl_op_size) return v->node->params[0].dim;
    const btl_array *a = btl_var_constant_array(v);
    if (!a) return NULL;
    int64_t strides[1];
    btl_operand o = btl_operand_of_array(a, strides);
    return btl_dim_const(g, btl_operand_signed(&o, 0));
}

/* ---- size --------------------------------------------------------------------------------- */

static const btl_param_spec size_params[] = {
    { "dim", PARAM_DIM, NULL, true, "the size" },
    { "dtype", PARAM_DTYPE, "i64", false, "the type of the value" },
};

static btl_status size_infer(btl_infer *x) {
    x->out[0] = btl_type_make(x->g, (btl_dtype)x->params[1].i, 0, NULL);
    return BTL_OK;
}

static void create_set(const btl_operand *y, int64_t at, int64_t value) {
    if (btl_dtype_kind(y->dtype) == 'f') btl_operand_set_real(y, at, (long double)value);
    else btl_operand_set_signed(y, at, value);
}

static btl_status size_eval(btl_exec *x) {
    int64_t value;
    if (!btl_dim_eval(x->params[0].dim, x->symbols, &value))
        return btl_error_set(x->err, BTL_ESHAPE, "size: a symbolic size has no value, or is too large");
    create_set(&x->out[0], 0, value);
    return BTL_OK;
}

static btl_status size_emit(btl_emit *e) {
    btl_emit_text(e, "const int64_t v = %s;\n*y0 = %s;\n", btl_emit_size(e, e->params[0].dim), btl_loops_cast(e, BTL_I64, e->node->out[0].type.dtype, "v"));
    return BTL_OK;
}

static btl_status create_no_vjp(btl_vjp *v) {
    (void)v; /* nothing to be differentiated by */
    return BTL_OK;
}

const btl_op btl_op_size = {
    .name = "size", .doc = "a size as a value", .signature = "size(dim, dtype=i64)", .version = 1, .nout = 1,
    .flags = OP_HIDDEN, .nparams = 2, .params = size_params, .infer = size_infer, .eval = size_eval, .emit = size_emit, .vjp = create_no_vjp,
};

/* ---- arange ------------------------------------------------------------------------------- */

static const btl_param_spec arange_params[] = {
    { "start", PARAM_DIM, "0", false, "the first value" },
    { "stop", PARAM_DIM, "none", false, "the bound, which is not reached" },
    { "step", PARAM_DIM, "1", false, "from one value to the next" },
    { "dtype", PARAM_DTYPE, "i64", false, "the type of the result" },
};

/* ceil((stop - start) / step), at least 0. */
static const btl_dim *arange_dim(btl_graph *g, const btl_param *p, int64_t step) {
    const btl_dim *span = step > 0 ? btl_dim_sub(g, p[1].dim, p[0].dim) : btl_dim_sub(g, p[0].dim, p[1].dim);
    int64_t k = step > 0 ? step : -step;
    if (k > 1) span = btl_dim_floordiv(g, btl_dim_add(g, span, btl_dim_const(g, k - 1)), btl_dim_const(g, k));
    return btl_dim_max(g, btl_dim_const(g, 0), span);
}

static btl_status arange_infer(btl_infer *x) {
    int64_t step = 1;
    const btl_dim *length;
    btl_dtype dtype = (btl_dtype)x->params[3].i;
    if (dtype == BTL_BOOL) return btl_fail(x->g, BTL_EDTYPE, "counts, and cannot in bool");
    if (x->nin == 3) {
        for (int i = 0; i < 3; i++)
            if (x->in[i]->type.dtype != BTL_I64 || x->in[i]->type.rank)
                return btl_fail(x->g, BTL_EDTYPE, "start, stop and step are 0-d i64: %s", btl_var_text(x->g, x->in[i]));
        length = btl_dim_unknown(x->g, NULL, true);
    } else {
        if (x->nin || !x->params[1].dim) return btl_fail(x->g, BTL_EVALUE, "needs at least the bound: arange(stop)");
        if (!btl_dim_is_const(x->params[2].dim, &step) || step == 0 || step == INT64_MIN)
            return btl_fail(x->g, BTL_EVALUE, "step must be a number other than 0");
        length = arange_dim(x->g, x->params, step);
    }
    x->out[0] = btl_type_make(x->g, dtype, 1, &length);
    return BTL_OK;
}

static btl_status arange_values(const btl_exec *x, int64_t v[3]) {
    for (int i = 0; i < 3; i++) {
        if (x->nin) memcpy(&v[i], x->in[i].data, sizeof v[i]);
        else if (!btl_dim_eval(x->params[i].dim, x->symbols, &v[i]))
            return btl_error_set(x->err, BTL_ESHAPE, "arange: a symbolic size has no value, or is too large");
    }
    return v[2] ? BTL_OK : btl_error_set(x->err, BTL_EVALUE, "arange: step is 0");
}

static btl_status arange_measure(btl_exec *x) {
    int64_t v[3], span;
    if (x->nin == 0) return BTL_OK;
    BTL_TRY(arange_values(x, v));
    bool up = v[2] > 0;
    uint64_t k = up ? (uint64_t)v[2] : 0 - (uint64_t)v[2];
    if (__builtin_sub_overflow(up ? v[1] : v[0], up ? v[0] : v[1], &span) && (up ? v[1] : v[0]) > 0)
        return btl_error_set(x->err, BTL_EVALUE, "arange: from %lld to %lld are too many", (long long)v[0], (long long)v[1]);
    if ((up && v[1] <= v[0]) || (!up && v[1] >= v[0])) span = 0;
    x->symbols[btl_dim_symbol_index(x->node->out[0].type.dims[0])] = span ? (int64_t)(((uint64_t)span - 1) / k) + 1 : 0;
    return BTL_OK;
}

static btl_status arange_eval(btl_exec *x) {
    int64_t v[3];
    BTL_TRY(arange_values(x, v));
    uint64_t value = (uint64_t)v[0];
    int64_t *indices = x->out[0].dtype == BTL_I64 ? (int64_t *)(void *)x->out[0].data : NULL; /* as mostly: folding makes many */
    int64_t n = x->out[0].dims[0];
    for (int64_t i = 0; indices && i < n; i++, value += (uint64_t)v[2]) indices[i] = (int64_t)value;
    for (int64_t i = 0; !indices && i < n; i++, value += (uint64_t)v[2]) create_set(&x->out[0], i, (int64_t)value);
    return BTL_OK;
}

#define ARANGE_FILL(type)                                                                         \
    for (int64_t i = 0; i < n; i++) ((type *)(void *)x->out[0].data)[i] = (type)(v[0] + i * v[2]); \
    return BTL_OK

static btl_status arange_kernel(btl_exec *x) {
    int64_t v[3], n = x->out[0].dims[0];
    BTL_TRY(arange_values(x, v));
    switch (x->out[0].dtype) {
    case BTL_I64: ARANGE_FILL(int64_t);
    case BTL_I32: ARANGE_FILL(int32_t);
    case BTL_F32: ARANGE_FILL(float);
    case BTL_F64: ARANGE_FILL(double);
    default: return arange_eval(x);
    }
}

static btl_status arange_emit(btl_emit *e) {
    bool given = e->node->nin > 0;
    const char *first = given ? "*x0" : btl_emit_size(e, e->params[0].dim), *step = given ? "*x2" : btl_emit_size(e, e->params[2].dim);
    btl_emit_text(e, "const int64_t first = %s, step = %s;\n%s", first, step, given ? "if (step == 0) return 1;\n" : "");
    btl_emit_text(e, "BTL_SIMD for (int64_t i = 0; i < %s; i++) {\nconst int64_t v = first + i * step;\ny0[i] = %s;\n}\n", btl_emit_elems(e, btl_emit_out(e, 0)),
                  btl_loops_cast(e, BTL_I64, e->node->out[0].type.dtype, "v"));
    return BTL_OK;
}

static bool create_never_connected(const btl_node *n, int out, int in) {
    (void)n, (void)out, (void)in;
    return false;
}

/* Operands (stop), (start, stop) or (start, stop, step) become settings where all are sizes. */
static btl_var *arange_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                             btl_var **out) {
    btl_param p[4] = { { .dim = params[0].dim }, { .dim = params[1].dim }, { .dim = params[2].dim }, params[3] };
    btl_var *v[3] = { NULL, NULL, NULL };
    bool sizes = true;
    int64_t step = 1;
    if (!p[0].dim) p[0].dim = btl_dim_const(g, 0);
    if (!p[2].dim) p[2].dim = btl_dim_const(g, 1);
    for (int i = 0; i < nin; i++) {
        int which = nin == 1 ? 1 : i;
        char kind = btl_dtype_kind(in[i]->type.dtype);
        if (in[i]->type.rank || (kind != 'i' && kind != 'u')) {
            btl_fail(g, BTL_EDTYPE, "start, stop and step are 0-d integers: %s", btl_var_text(g, in[i]));
            btl_fail_hint(g, "linspace(start, stop, num) counts in floats");
            return NULL;
        }
        v[which] = in[i];
        p[which].dim = btl_var_dim(g, in[i]);
        sizes &= p[which].dim != NULL;
    }
    sizes = sizes && (nin == 0 || btl_dim_is_const(p[2].dim, &step));
    if (!sizes)
        for (int i = 0; i < 3; i++) {
            if (!v[i]) v[i] = btl_graph_size(g, p[i].dim);
            v[i] = btl_cast_to(g, v[i], BTL_I64);
            p[i].dim = btl_dim_const(g, i == 2);
        }
    btl_node *n = btl_apply(g, op, sizes ? 0 : 3, v, p);
    return n ? create_result(n->out, out) : NULL;
}

static const char *const arange_samples[] = {
    "| stop=5", "| start=2, stop=11, step=3", "| start=5, stop=0, step=-2, dtype=f32", "| start=3, stop=1", NULL,
};

const btl_op btl_op_arange = {
    .name = "arange", .doc = "start, start + step, ... up to but without stop", .signature = "arange(start=0, stop, step=1, dtype=i64)",
    .version = 1, .min_in = 0, .max_in = 3, .nout = 1, .flags = OP_CAN_FAIL, .nparams = 4, .params = arange_params,
    .infer = arange_infer, .build = arange_build, .eval = arange_eval, .measure = arange_measure, .kernel = arange_kernel,
    .emit = arange_emit, .fails = "arange: the step is 0", .connected = create_never_connected, .samples = arange_samples,
};

/* ---- one value everywhere ----------------------------------------------------------------- */

static btl_var *create_filled(btl_graph *g, btl_dtype dtype, double value, int rank, const btl_dim *const *dims) {
    return btl_broadcast_to_dims(g, btl_graph_scalar(g, dtype, value), rank, dims);
}

btl_var *btl_zeros_of(btl_graph *g, const btl_type *type) { return create_filled(g, type->dtype, 0, type->rank, type->dims); }
btl_var *btl_ones_of(btl_graph *g, const btl_type *type) { return create_filled(g, type->dtype, 1, type->rank, type->dims); }

static const btl_param_spec zeros_params[] = {
    { "shape", PARAM_SHAPE, NULL, true, "its sizes" },
    { "dtype", PARAM_DTYPE, "f64", false, "its type" },
};

static btl_var *zeros_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                            btl_var **out) {
    (void)op, (void)nin, (void)in;
    return create_result(create_filled(g, (btl_dtype)params[1].i, 0, params[0].shape.n, params[0].shape.v), out);
}

static btl_var *ones_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                           btl_var **out) {
    (void)op, (void)nin, (void)in;
    return create_result(create_filled(g, (btl_dtype)params[1].i, 1, params[0].shape.n, params[0].shape.v), out);
}

static btl_var *full_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                           btl_var **out) {
    (void)op, (void)nin;
    return create_result(btl_broadcast_to_dims(g, in[0], params[0].shape.n, params[0].shape.v), out);
}

static const char *const zeros_samples[] = { "| shape=[2, 3]", "| shape=[0], dtype=i32", "| shape=[], dtype=bool", NULL };
static const char *const full_samples[] = { "x: f32 | shape=[2, 3]", "x: i8 | shape=[]", NULL };

const btl_op btl_op_zeros = {
    .name = "zeros", .doc = "zeros", .signature = "zeros(shape, dtype=f64)", .version = 1, .nout = 1, .flags = OP_MACRO,
    .nparams = 2, .params = zeros_params, .build = zeros_build, .samples = zeros_samples,
};
const btl_op btl_op_ones = {
    .name = "ones", .doc = "ones", .signature = "ones(shape, dtype=f64)", .version = 1, .nout = 1, .flags = OP_MACRO,
    .nparams = 2, .params = zeros_params, .build = ones_build, .samples = zeros_samples,
};
const btl_op btl_op_full = {
    .name = "full", .doc = "one value everywhere", .signature = "full(shape, value)", .version = 1, .min_in = 1, .max_in = 1,
    .nout = 1, .flags = OP_MACRO | OP_SHAPE_FIRST, .nparams = 1, .params = zeros_params, .build = full_build, .samples = full_samples,
};

static btl_var *zeros_like_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                 btl_var **out) {
    (void)op, (void)nin, (void)params;
    return create_result(btl_zeros_of(g, &in[0]->type), out);
}

static btl_var *ones_like_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                btl_var **out) {
    (void)op, (void)nin, (void)params;
    return create_result(btl_ones_of(g, &in[0]->type), out);
}

static btl_var *full_like_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                btl_var **out) {
    (void)op, (void)nin, (void)params;
    btl_var *value = btl_cast_to(g, in[1], in[0]->type.dtype);
    return create_result(btl_broadcast_to_dims(g, value, in[0]->type.rank, in[0]->type.dims), out);
}

static const char *const like_samples[] = { "x: f32[2, 3]", "x: i64", "x: bool[0, 2]", NULL };
static const char *const full_like_samples[] = { "x: f32[2, 3], value: f32", "x: i32[2], value: i32", NULL };

const btl_op btl_op_zeros_like = {
    .name = "zeros_like", .doc = "zeros of x's type and shape", .signature = "zeros_like(x)", .version = 1, .min_in = 1,
    .max_in = 1, .nout = 1, .flags = OP_MACRO, .build = zeros_like_build, .samples = like_samples,
};
const btl_op btl_op_ones_like = {
    .name = "ones_like", .doc = "ones of x's type and shape", .signature = "ones_like(x)", .version = 1, .min_in = 1,
    .max_in = 1, .nout = 1, .flags = OP_MACRO, .build = ones_like_build, .samples = like_samples,
};
const btl_op btl_op_full_like = {
    .name = "full_like", .doc = "a value, cast to x's type, in x's shape", .signature = "full_like(x, value)", .version = 1,
    .min_in = 2, .max_in = 2, .nout = 1, .flags = OP_MACRO, .build = full_like_build, .samples = full_like_samples,
};

/* ---- counting macros ---------------------------------------------------------------------- */

/* 0, 1, …, n-1 in i64. */
static btl_var *create_count(btl_graph *g, const btl_dim *n) {
    btl_param p[4] = { { .dim = btl_dim_const(g, 0) }, { .dim = n }, { .dim = btl_dim_const(g, 1) }, { .i = BTL_I64 } };
    return btl_build(g, &btl_op_arange, 0, NULL, p, NULL);
}

static const btl_param_spec eye_params[] = {
    { "n", PARAM_DIM, NULL, true, "rows" },
    { "m", PARAM_DIM, "none", true, "columns; none: as many as rows" },
    { "k", PARAM_INT, "0", true, "which diagonal: above the main one if positive" },
    { "dtype", PARAM_DTYPE, "f64", false, "its type" },
};

static btl_var *eye_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                          btl_var **out) {
    (void)op, (void)nin, (void)in;
    int column[2] = { 0, -1 };
    btl_var *row = btl_dimshuffle_to(g, create_count(g, params[0].dim), 2, column);
    if (params[2].i) row = btl_add(g, row, btl_integer(g, params[2].i));
    btl_var *is_one = btl_eq(g, row, create_count(g, params[1].dim ? params[1].dim : params[0].dim));
    return is_one ? create_result(btl_cast_to(g, is_one, (btl_dtype)params[3].i), out) : NULL;
}

static const char *const eye_samples[] = { "| n=3", "| n=2, m=4, k=1, dtype=i32", "| n=3, k=-1, dtype=bool", NULL };

const btl_op btl_op_eye = {
    .name = "eye", .doc = "ones on a diagonal, zeros elsewhere", .signature = "eye(n, m=none, k=0, dtype=f64)", .version = 1,
    .nout = 1, .flags = OP_MACRO, .nparams = 4, .params = eye_params, .build = eye_build, .samples = eye_samples,
};

static const btl_param_spec linspace_params[] = {
    { "num", PARAM_DIM, "50", true, "how many" },
};

/* start + i * (stop - start) / (num - 1); the last one is stop itself. */
static btl_var *linspace_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                               btl_var **out) {
    (void)op, (void)nin;
    const btl_dim *one = btl_dim_const(g, 1), *last = btl_dim_max(g, one, btl_dim_sub(g, params[0].dim, one));
    btl_var *delta = btl_div(g, btl_sub(g, in[1], in[0]), btl_graph_size(g, last));
    btl_var *i = create_count(g, params[0].dim);
    if (!delta || !i) return NULL;
    btl_var *line = btl_add(g, in[0], btl_mul(g, btl_cast_to(g, i, delta->type.dtype), delta));
    return create_result(btl_where(g, btl_eq(g, i, btl_graph_size(g, last)), in[1], line), out);
}

static const char *const linspace_samples[] = { "a: f64, b: f64 | num=5", "a: f32, b: f32 | num=1", "a: i32, b: i32 | num=3", NULL };

const btl_op btl_op_linspace = {
    .name = "linspace", .doc = "evenly spaced from start to stop, both included", .signature = "linspace(start, stop, num=50)",
    .version = 1, .min_in = 2, .max_in = 2, .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = linspace_params,
    .build = linspace_build, .samples = linspace_samples,
};

/* ---- public builders ---------------------------------------------------------------------- */

btl_var *btl_zeros(btl_graph *g, btl_dtype dtype, int rank, const int64_t *shape) {
    btl_param p[2] = { { 0 }, { .i = dtype } };
    return btl_build_shaped(g, &btl_op_zeros, 0, NULL, rank, shape, 2, p);
}

btl_var *btl_ones(btl_graph *g, btl_dtype dtype, int rank, const int64_t *shape) {
    btl_param p[2] = { { 0 }, { .i = dtype } };
    return btl_build_shaped(g, &btl_op_ones, 0, NULL, rank, shape, 2, p);
}

btl_var *btl_full(btl_graph *g, btl_var *value, int rank, const int64_t *shape) {
    return btl_build_shaped(g, &btl_op_full, 1, &value, rank, shape, 0, NULL);
}

btl_var *btl_zeros_like(btl_graph *g, btl_var *x) { return btl_build(g, &btl_op_zeros_like, 1, &x, NULL, NULL); }
btl_var *btl_ones_like(btl_graph *g, btl_var *x) { return btl_build(g, &btl_op_ones_like, 1, &x, NULL, NULL); }
btl_var *btl_full_like(btl_graph *g, btl_var *x, btl_var *value) {
    btl_var *in[2] = { x, value };
    return btl_build(g, &btl_op_full_like, 2, in, NULL, NULL);
}

typedef struct create_args {
    btl_graph *g;
    btl_dtype dtype;
    int64_t n, m, k;
    btl_var *a, *b, *result;
} create_args;

static btl_status create_eye_body(void *arg) {
    create_args *s = arg;
    btl_param p[4] = { { .dim = btl_dim_const(s->g, s->n) }, { .dim = btl_dim_const(s->g, s->m) }, { .i = s->k }, { .i = s->dtype } };
    s->result = btl_build(s->g, &btl_op_eye, 0, NULL, p, NULL);
    return s->result ? BTL_OK : s->g->status;
}

btl_var *btl_eye(btl_graph *g, btl_dtype dtype, int64_t n, int64_t m, int64_t k) {
    create_args s = { .g = g, .dtype = dtype, .n = n, .m = m, .k = k };
    return btl_graph_protect(g, create_eye_body, &s) == BTL_OK ? s.result : NULL;
}

btl_var *btl_arange(btl_graph *g, btl_var *start, btl_var *stop, btl_var *step) {
    if (step && !start && !(start = btl_integer(g, 0))) return NULL;
    btl_var *in[3] = { start ? start : stop, stop, step };
    btl_param p[4] = { { 0 }, { 0 }, { 0 }, { .i = BTL_I64 } };
    return btl_build(g, &btl_op_arange, step ? 3 : start ? 2 : 1, in, p, NULL);
}

static btl_status create_linspace_body(void *arg) {
    create_args *s = arg;
    btl_param p = { .dim = btl_dim_const(s->g, s->n) };
    btl_var *in[2] = { s->a, s->b };
    s->result = btl_build(s->g, &btl_op_linspace, 2, in, &p, NULL);
    return s->result ? BTL_OK : s->g->status;
}

btl_var *btl_linspace(btl_graph *g, btl_var *start, btl_var *stop, int64_t num) {
    create_args s = { .g = g, .n = num, .a = start, .b = stop };
    if (!start || !stop) return NULL;
    return btl_graph_protect(g, create_linspace_body, &s) == BTL_OK ? s.result : NULL;
}
