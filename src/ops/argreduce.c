/* argreduce.c - where the largest or smallest element lies: argmax, argmin.
 *
 * Over one axis, or over all elements in row-major order. At a tie the lowest index wins; the first
 * NaN wins over everything, as in NumPy. The result is i64 and has no derivative. Nothing among
 * nothing is an error of the run.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/emit.h"
#include "expr/operand.h"
#include "ops/loops.h"
#include "ops/reduce.h"

#include <string.h>

static btl_status argreduce_check_axes(btl_graph *g, const btl_param *axis) {
    if (axis->axes.n <= 1 && axis->axes.n != 0) return BTL_OK;
    btl_status status = btl_fail(g, BTL_EVALUE, "takes one axis or none, %d given", axis->axes.n);
    btl_fail_hint(g, "an index counts along one axis; without axis= it counts all elements");
    return status;
}

static btl_status argreduce_infer(btl_infer *x) {
    const btl_type *type = &x->in[0]->type;
    uint32_t mask;
    BTL_TRY(argreduce_check_axes(x->g, &x->params[0]));
    BTL_TRY(btl_axes_mask(x->g, &x->params[0], type->rank, &mask));
    x->out[0] = btl_reduce_type(x->g, type, BTL_I64, mask, x->params[1].i != 0);
    return BTL_OK;
}

/* An axis counted from 0; the only axis there is counts as all. */
static btl_var *argreduce_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                btl_var **out) {
    btl_param settings[2];
    if (argreduce_check_axes(g, &params[0]) != BTL_OK) return NULL;
    if (btl_reduce_settings(g, params, in[0]->type.rank, settings) != BTL_OK) return NULL;
    btl_node *n = btl_apply(g, op, nin, in, settings);
    btl_var *y = n ? n->out : NULL;
    if (out) out[0] = y;
    return y;
}

static bool argreduce_never_connected(const btl_node *n, int out, int in) {
    (void)n, (void)out, (void)in;
    return false;
}

/* ---- running ------------------------------------------------------------------------------ */

/* Calls `one` for each result with the elements it looks at: rank, dims and strides of them. */
typedef struct argreduce_line {
    const btl_operand *x;
    int64_t from;             /* first element, from x->data */
    int rank;
    const int64_t *dims, *strides;
} argreduce_line;
typedef int64_t (*argreduce_one)(const argreduce_line *line);

static btl_status argreduce_each(btl_exec *x, argreduce_one one) {
    const btl_operand *in = &x->in[0];
    const btl_param *axes = btl_param_of(x->node->op, x->params, "axis");
    int64_t *result = (int64_t *)(void *)x->out[0].data, n = btl_operand_elems(&x->out[0]);
    int axis = axes->axes.n < 0 ? -1 : axes->axes.v[0] + (axes->axes.v[0] < 0 ? in->rank : 0);
    int64_t dims[BTL_MAX_RANK] = { 0 };
    if (in->rank) memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    argreduce_line line = { in, 0, in->rank, in->dims, in->strides };
    if (axis >= 0) {
        line = (argreduce_line){ in, 0, 1, &in->dims[axis], &in->strides[axis] };
        dims[axis] = 1;
    }
    bool empty = axis >= 0 && in->dims[axis] == 0;
    for (int i = 0; axis < 0 && i < in->rank; i++) {
        empty |= in->dims[i] == 0;
        dims[i] = 1;
    }
    if (empty && n)
        return btl_error_set(x->err, BTL_EVALUE, "%s of an empty array: there is no such element", x->node->op->name);
    const int64_t *strides[1] = { in->strides };
    btl_walk w;
    for (btl_walk_begin(&w, in->rank, dims, 1, strides); w.more && n; btl_walk_next(&w)) {
        line.from = w.at[0];
        *result++ = one(&line);
    }
    return BTL_OK;
}

/* Is a before b in the order that is looked for? sign 1: larger first. A NaN is before all others. */
static bool argreduce_before(const btl_operand *x, int64_t a, int64_t b, int sign) {
    char kind = btl_dtype_kind(x->dtype);
    if (kind == 'f') {
        long double p = btl_operand_real(x, a), q = btl_operand_real(x, b);
        if (p != p || q != q) return p != p && q == q;
        return sign > 0 ? p > q : p < q;
    }
    int64_t p = btl_operand_signed(x, a), q = btl_operand_signed(x, b);
    if (kind == 'i') return sign > 0 ? p > q : p < q;
    return sign > 0 ? (uint64_t)p > (uint64_t)q : (uint64_t)p < (uint64_t)q;
}

static int64_t argreduce_search(const argreduce_line *line, int sign) {
    int64_t best = 0, best_at = line->from, i = 0;
    const int64_t *strides[1] = { line->strides };
    btl_walk w;
    for (btl_walk_begin(&w, line->rank, line->dims, 1, strides); w.more; btl_walk_next(&w), i++) {
        if (i && argreduce_before(line->x, line->from + w.at[0], best_at, sign)) {
            best = i;
            best_at = line->from + w.at[0];
        }
    }
    return best;
}

static int64_t argreduce_largest(const argreduce_line *line) {
    return argreduce_search(line, 1);
}

static int64_t argreduce_smallest(const argreduce_line *line) {
    return argreduce_search(line, -1);
}

static btl_status argmax_eval(btl_exec *x) {
    return argreduce_each(x, argreduce_largest);
}

static btl_status argmin_eval(btl_exec *x) {
    return argreduce_each(x, argreduce_smallest);
}

/* ---- the fast way: f32, f64, i32, i64 along one stride -------------------------------------- */

/* !(x <= best) is true of a NaN as well; the search ends at the first one. */
#define ARGREDUCE_RUN(name, type, operator)                                                       \
    static int64_t name(const void *data, int64_t n, int64_t stride) {                            \
        const type *p = data;                                                                     \
        type best = *p;                                                                           \
        int64_t at = 0;                                                                           \
        for (int64_t i = 1; i < n && best == best; i++) {                                         \
            p += stride;                                                                          \
            if (!(*p operator best)) best = *p, at = i;                                           \
        }                                                                                         \
        return at;                                                                                \
    }
ARGREDUCE_RUN(argmax_f32, float, <=)
ARGREDUCE_RUN(argmax_f64, double, <=)
ARGREDUCE_RUN(argmax_i32, int32_t, <=)
ARGREDUCE_RUN(argmax_i64, int64_t, <=)
ARGREDUCE_RUN(argmin_f32, float, >=)
ARGREDUCE_RUN(argmin_f64, double, >=)
ARGREDUCE_RUN(argmin_i32, int32_t, >=)
ARGREDUCE_RUN(argmin_i64, int64_t, >=)

typedef int64_t (*argreduce_run)(const void *data, int64_t n, int64_t stride);

static argreduce_run argreduce_find_run(btl_dtype dtype, bool max) {
    switch (dtype) {
    case BTL_F32: return max ? argmax_f32 : argmin_f32;
    case BTL_F64: return max ? argmax_f64 : argmin_f64;
    case BTL_I32: return max ? argmax_i32 : argmin_i32;
    case BTL_I64: return max ? argmax_i64 : argmin_i64;
    default: return NULL;
    }
}

static int64_t argreduce_fast(const argreduce_line *line, bool max) {
    argreduce_run run = argreduce_find_run(line->x->dtype, max);
    int64_t n = 1, stride = line->rank == 1 ? line->strides[0] : 1;
    for (int i = 0; i < line->rank; i++) n *= line->dims[i];
    if (!run || n == 0 || (line->rank > 1 && !btl_operand_is_row_major(line->x)))
        return argreduce_search(line, max ? 1 : -1);
    return run(line->x->data + line->from * (int64_t)btl_dtype_bytes(line->x->dtype), n, stride);
}

static int64_t argreduce_fast_largest(const argreduce_line *line) {
    return argreduce_fast(line, true);
}

static int64_t argreduce_fast_smallest(const argreduce_line *line) {
    return argreduce_fast(line, false);
}

static btl_status argmax_kernel(btl_exec *x) {
    return argreduce_each(x, argreduce_fast_largest);
}

static btl_status argmin_kernel(btl_exec *x) {
    return argreduce_each(x, argreduce_fast_smallest);
}

/* ---- as text ------------------------------------------------------------------------------ */

static bool argreduce_is_half(btl_dtype dtype) { return dtype == BTL_F16 || dtype == BTL_BF16; }

/* Nothing among nothing. */
static void argreduce_emit_empty(btl_emit *e, const btl_loops *line) {
    btl_extent count = btl_loops_count(line);
    if (count.known->lo < 1)
        btl_emit_text(e, "if (%s == 0 && %s != 0) return 1;\n", btl_extent_text(e, count), btl_emit_elems(e, btl_emit_out(e, 0)));
}

enum { ARGREDUCE_FEW = 32, ARGREDUCE_BLOCK = 64, ARGREDUCE_TILE = 64 };

/* How elements are read and compared: "!(v <= best)" is true of a NaN as well; nothing is behind the first one. */
typedef struct argreduce_text { btl_emit *e; btl_dtype dtype; bool is_float, half; const char *stored, *type, *compare; } argreduce_text;

static argreduce_text argreduce_text_of(btl_emit *e, bool max) {
    btl_dtype dtype = btl_emit_type(e, 0)->dtype;
    bool half = argreduce_is_half(dtype);
    return (argreduce_text){ e, dtype, btl_dtype_kind(dtype) == 'f', half, btl_emit_ctype(dtype), half ? "float" : btl_emit_ctype(dtype), max ? "<=" : ">=" };
}

static const char *argreduce_value(const argreduce_text *t, const char *element) { return t->half ? btl_loops_cast(t->e, t->dtype, BTL_F32, element) : element; }

/* Of a line of many elements, blocks are first looked over as a whole, which vectors do: few have something better. */
static void argreduce_emit_blocks(const argreduce_text *t, const char *count, const char *value) {
    btl_emit_text(t->e,
                  "for (int64_t s = 1; s < %s%s; s += %d) {\nconst int64_t end = %s - s < %d ? %s : s + %d;\nint more = 0;\n"
                  "BTL_SIMD_OR(more) for (int64_t j0 = s; j0 < end; j0++) more |= !(%s %s best);\nif (!more) continue;\n"
                  "for (int64_t j0 = s; j0 < end%s; j0++) {\nconst %s v = %s;\nif (!(v %s best)) best = v, at = j0;\n}\n}\n",
                  count, t->is_float ? " && best == best" : "", ARGREDUCE_BLOCK, count, ARGREDUCE_BLOCK, count, ARGREDUCE_BLOCK, value, t->compare,
                  t->is_float ? " && best == best" : "", t->type, value, t->compare);
}

static void argreduce_emit_line(const argreduce_text *t, btl_loops *line, const char *first) {
    const char *value = argreduce_value(t, btl_emit_format(t->e, "p[%s]", btl_loops_at(line, "0", 0, 0, line->n))), *count = btl_extent_text(t->e, line->v[0].count);
    int64_t known;
    btl_emit_text(t->e, "const %s *p = %s;\n%s best = %s;\nint64_t at = 0;\n", t->stored, first, t->type, argreduce_value(t, "p[0]"));
    if (line->n > 1) {
        btl_emit_text(t->e, "int64_t k = 0;\n");
        btl_loops_open(line, 0, line->n);
        btl_emit_text(t->e, "const %s v = %s;\nif (%s!(v %s best)) best = v, at = k;\nk++;\n", t->type, value, t->is_float ? "best == best && " : "", t->compare);
        btl_loops_close(line, line->n);
    } else if (btl_dim_is_const(line->v[0].count.known, &known) && known <= ARGREDUCE_FEW) {
        btl_emit_text(t->e, "for (int64_t j0 = 1; j0 < %s%s; j0++) {\nconst %s v = %s;\nif (!(v %s best)) best = v, at = j0;\n}\n", count,
                      t->is_float ? " && best == best" : "", t->type, value, t->compare);
    } else {
        argreduce_emit_blocks(t, count, value);
    }
    btl_emit_text(t->e, "*y++ = at;\n");
}

/* Lines that lie beside one another, in tiles of so many. */
static void argreduce_emit_columns(const argreduce_text *t, btl_loops *all, btl_loops *line) {
    btl_emit *e = t->e;
    int last = all->n - 1;
    const char *columns = btl_extent_text(e, all->v[last].count), *count = btl_extent_text(e, line->v[0].count);
    btl_loops_open(all, 0, last);
    btl_emit_text(e, "for (int64_t c0 = 0; c0 < %s; c0 += %d) {\nconst int64_t width = %s - c0 < %d ? %s - c0 : %d;\nconst %s *p = %s + c0;\n%s best[%d];\nint64_t at[%d];\n", columns,
                  ARGREDUCE_TILE, columns, ARGREDUCE_TILE, columns, ARGREDUCE_TILE, t->stored, btl_loops_at(all, "x0", 0, 0, last), t->type, ARGREDUCE_TILE, ARGREDUCE_TILE);
    btl_emit_text(e, "for (int64_t c = 0; c < width; c++) best[c] = %s, at[c] = 0;\n", argreduce_value(t, "p[c]"));
    btl_emit_text(e, "for (int64_t j0 = 1; j0 < %s; j0++) {\nconst %s *v = p + j0 * (%s);\nBTL_SIMD for (int64_t c = 0; c < width; c++) {\nconst %s u = %s, b = best[c];\n", count,
                  t->stored, btl_extent_text(e, line->v[0].step[0]), t->type, argreduce_value(t, "v[c]"));
    btl_emit_text(e, "const int better = %s!(u %s b);\nbest[c] = better ? u : b, at[c] = better ? j0 : at[c];\n}\n}\n", t->is_float ? "(b == b) & " : "", t->compare);
    btl_emit_text(e, "for (int64_t c = 0; c < width; c++) *y++ = at[c];\n}\n");
    btl_loops_close(all, last);
}

static btl_status argreduce_emit(btl_emit *e, bool max) {
    const btl_param *axes = btl_param_of(e->node->op, e->params, "axis");
    int rank = btl_emit_type(e, 0)->rank, axis = axes->axes.n < 0 ? -1 : axes->axes.v[0] + (axes->axes.v[0] < 0 ? rank : 0);
    btl_loops all = btl_loops_begin(e, 1, 'i'), line = btl_loops_begin(e, 1, 'j');
    argreduce_text t = argreduce_text_of(e, max);
    for (int k = 0; k < rank; k++)
        btl_loops_add(axis < 0 || axis == k ? &line : &all, btl_extent_dim(e, 0, k), btl_extent_stride(e, 0, k), btl_extent_const(e, 0));
    btl_loops_merge(&line), btl_loops_merge(&all);
    argreduce_emit_empty(e, &line);
    btl_emit_text(e, "int64_t *y = y0;\n");
    if (line.n == 1 && all.n && btl_extent_is(all.v[all.n - 1].step[0], 1)) {
        argreduce_emit_columns(&t, &all, &line);
        return BTL_OK;
    }
    btl_loops_open(&all, 0, all.n);
    btl_emit_text(e, "{\n");
    if (line.n) argreduce_emit_line(&t, &line, btl_loops_at(&all, "x0", 0, 0, all.n));
    else btl_emit_text(e, "*y++ = 0;\n");
    btl_emit_text(e, "}\n");
    btl_loops_close(&all, all.n);
    return BTL_OK;
}

static btl_status argmax_emit(btl_emit *e) { return argreduce_emit(e, true); }
static btl_status argmin_emit(btl_emit *e) { return argreduce_emit(e, false); }

/* ---- the ops ------------------------------------------------------------------------------ */

static const char *const argreduce_samples[] = {
    "x: f32", "x: f32[1]", "x: f32[5000]", "x: f32[3, 5, 7]", "x: f32[3, 5, 7] | axis=1",
    "x: f32[3, 5] | axis=-1, keepdims=true",
    "x: f32[2, 0, 3] | axis=0", "x: f64[40, 3] | axis=0", "x: f16[300]", "x: bf16[300]", "x: bool[9]", "x: i8[300]",
    "x: i16[30]", "x: i32[300]", "x: i64[300]", "x: u8[300]", "x: u16[30]", "x: u32[30]", "x: u64[300]", NULL
};

#define ARGREDUCE_OP(name_, doc_)                                                                 \
    const btl_op btl_op_##name_ = {                                                               \
        .name = #name_, .doc = doc_, .signature = #name_ "(x, axis=none, keepdims=false)", .version = 1, \
        .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_CAN_FAIL, .promote = PROMOTE_NONE, .nparams = 2, \
        .params = btl_reduce_params, .infer = argreduce_infer, .build = argreduce_build, .eval = name_##_eval, \
        .kernel = name_##_kernel, .emit = name_##_emit, .fails = #name_ " of no elements", .connected = argreduce_never_connected, .samples = argreduce_samples, \
    };                                                                                            \
    btl_var *(btl_##name_)(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims) {              \
        const btl_param params[2] = { { .axes = { naxes, axes } }, { .i = keepdims } };        \
        return btl_build(g, &btl_op_##name_, 1, &x, params, NULL);                                \
    }

ARGREDUCE_OP(argmax, "index of the first largest element along one axis, or of all")
ARGREDUCE_OP(argmin, "index of the first smallest element along one axis, or of all")
