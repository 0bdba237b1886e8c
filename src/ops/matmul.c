/* matmul.c - products of matrices, and what is said by them.
 *
 * The node `matmul` has operands of rank >= 2, the last two axes being the matrices', those before
 * broadcast like everything else; vectors become matrices by views around it. A transposed operand
 * costs nothing: its strides tell BLAS. What lies neither by rows nor by columns is packed first.
 *
 *     y = a @ b      da = dy @ b.T      db = a.T @ dy
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/half.h"
#include "expr/operand.h"
#include "ops/blas.h"
#include "ops/gemm.h"
#include "ops/move.h"
#include "ops/structure.h"

#include <string.h>

extern const btl_op btl_op_matmul, btl_op_dot;

enum { MATMUL_ROWS = 256, MATMUL_CACHED = 1 << 21 };

static btl_var *matmul_result(btl_var *v, btl_var **out) {
    if (out) *out = v;
    return v;
}

/* ---- types -------------------------------------------------------------------------------- */

static const char *matmul_operand(btl_graph *g, const btl_var *v, const char *side) {
    return btl_arena_printf(&g->arena, "%s is %s", v->name ? v->name : side, btl_type_text(g, &v->type));
}

static const char *matmul_dim_text(btl_graph *g, const btl_dim *d) {
    btl_text t;
    btl_text_init(&t, &g->arena);
    btl_dim_print(&t, g, d);
    return t.data;
}

/* "inner sizes differ: x is f32[n, 784], v is f32[768, 10]" */
static btl_status matmul_inner_differ(btl_graph *g, const btl_var *a, const btl_var *b, const btl_dim *p, const btl_dim *q) {
    btl_fail(g, BTL_ESHAPE, "inner sizes differ: %s, %s", matmul_operand(g, a, "the left operand"),
             matmul_operand(g, b, "the right operand"));
    btl_fail_label(g, "%s and %s", matmul_dim_text(g, p), matmul_dim_text(g, q));
    if (a->type.rank != 2 || b->type.rank != 2) return BTL_ESHAPE;
    const char *x = a->name ? a->name : "a", *y = b->name ? b->name : "b";
    if (a->type.dims[1] == b->type.dims[1]) btl_fail_hint(g, "%s @ %s.T fits", x, y);
    else if (a->type.dims[0] == b->type.dims[0]) btl_fail_hint(g, "%s.T @ %s fits", x, y);
    else if (a->type.dims[0] == b->type.dims[1]) btl_fail_hint(g, "%s @ %s fits", y, x);
    return BTL_ESHAPE;
}

/* Leading axes, right-aligned and broadcast over sizes known to be 1. */
static btl_status matmul_batch(btl_graph *g, const btl_type *a, const btl_type *b, int *rank, const btl_dim **dims) {
    int na = a->rank - 2, nb = b->rank - 2, n = na > nb ? na : nb;
    const btl_dim *one = btl_dim_const(g, 1);
    for (int i = 0; i < n; i++) {
        const btl_dim *p = i < n - na ? one : a->dims[i - (n - na)], *q = i < n - nb ? one : b->dims[i - (n - nb)];
        if (btl_dim_is(p, 1)) dims[i] = q;
        else if (btl_dim_is(q, 1)) dims[i] = p;
        else BTL_TRY(btl_dims_unify(g, p, q, &dims[i]));
    }
    *rank = n;
    return BTL_OK;
}

static btl_status matmul_infer(btl_infer *x) {
    const btl_var *a = x->in[0], *b = x->in[1];
    const btl_dim *dims[BTL_MAX_RANK];
    int rank, ra = a->type.rank, rb = b->type.rank;
    if (ra < 2 || rb < 2) return btl_fail(x->g, BTL_ESHAPE, "needs matrices: %s, %s", btl_var_text(x->g, a), btl_var_text(x->g, b));
    if (a->type.dtype != b->type.dtype)
        return btl_fail(x->g, BTL_EDTYPE, "types differ: %s, %s", btl_var_text(x->g, a), btl_var_text(x->g, b));
    const btl_dim *p = a->type.dims[ra - 1], *q = b->type.dims[rb - 2];
    if (btl_dims_unify(x->g, p, q, NULL)) return matmul_inner_differ(x->g, a, b, p, q);
    if (matmul_batch(x->g, &a->type, &b->type, &rank, dims))
        return btl_fail(x->g, BTL_ESHAPE, "leading axes do not broadcast: %s, %s", matmul_operand(x->g, a, "the left operand"),
                        matmul_operand(x->g, b, "the right operand"));
    dims[rank] = a->type.dims[ra - 2], dims[rank + 1] = b->type.dims[rb - 1];
    x->out[0] = btl_type_make(x->g, a->type.dtype, rank + 2, dims);
    return BTL_OK;
}

/* ---- one product after the other ---------------------------------------------------------- */

/* The products of a node: matrices of m × k and k × n at offsets (in elements) of a, b and y. */
typedef struct matmul_shape {
    int64_t m, n, k;
    btl_matrix a, b;                /* strides; data are the operands' first elements */
    int rank;                       /* of the leading axes */
    const int64_t *dims;
    int64_t at_a[BTL_MAX_RANK], at_b[BTL_MAX_RANK], at_y[BTL_MAX_RANK];
} matmul_shape;

static void matmul_lead(const btl_operand *x, int rank, const int64_t *dims, int64_t *strides) {
    int own = x->rank - 2;
    for (int i = 0; i < rank; i++) {
        int axis = i - (rank - own);
        strides[i] = axis < 0 || (x->dims[axis] == 1 && dims[i] != 1) ? 0 : x->strides[axis];
    }
}

static matmul_shape matmul_shape_of(const btl_exec *x) {
    const btl_operand *a = &x->in[0], *b = &x->in[1], *y = &x->out[0];
    matmul_shape s = { .m = a->dims[a->rank - 2], .k = a->dims[a->rank - 1], .n = b->dims[b->rank - 1],
                       .rank = y->rank - 2, .dims = y->dims };
    s.a = (btl_matrix){ a->data, a->strides[a->rank - 2], a->strides[a->rank - 1] };
    s.b = (btl_matrix){ b->data, b->strides[b->rank - 2], b->strides[b->rank - 1] };
    matmul_lead(a, s.rank, s.dims, s.at_a);
    matmul_lead(b, s.rank, s.dims, s.at_b);
    for (int i = 0; i < s.rank; i++) s.at_y[i] = y->strides[i];
    return s;
}

/* Many products by one matrix are one product: the leading axes of a are more of its rows, where they
 * lie like rows and b has none. */
static void matmul_join_rows(matmul_shape *s) {
    int64_t row = s->a.row * s->m, rows = s->m;
    for (int i = s->rank - 1; i >= 0; i--) {
        if (s->dims[i] != 1 && (s->at_b[i] != 0 || s->at_a[i] != row)) return;
        row *= s->dims[i], rows *= s->dims[i];
    }
    s->m = rows;
    s->rank = 0;
}

/* Reference: each element by itself. */
static btl_status matmul_eval(btl_exec *x) {
    matmul_shape s = matmul_shape_of(x);
    const btl_operand *a = &x->in[0], *b = &x->in[1], *y = &x->out[0];
    char kind = btl_dtype_kind(y->dtype);
    const int64_t *all[3] = { s.at_a, s.at_b, s.at_y };
    btl_walk w;
    for (btl_walk_begin(&w, s.rank, s.dims, 3, all); w.more; btl_walk_next(&w))
        for (int64_t i = 0; i < s.m; i++)
            for (int64_t j = 0; j < s.n; j++) {
                long double sum = 0;
                uint64_t total = 0;
                for (int64_t p = 0; p < s.k; p++) {
                    int64_t at = w.at[0] + i * s.a.row + p * s.a.column, bt = w.at[1] + p * s.b.row + j * s.b.column;
                    if (kind == 'f' && s.k == 1 && y->dtype == BTL_F64) sum = (long double)((double)btl_operand_real(a, at) * (double)btl_operand_real(b, bt)); /* rounded once, as mul does */
                    else if (kind == 'f') sum += btl_operand_real(a, at) * btl_operand_real(b, bt);
                    else if (kind == 'b') total |= (uint64_t)(btl_operand_signed(a, at) && btl_operand_signed(b, bt));
                    else total += (uint64_t)btl_operand_signed(a, at) * (uint64_t)btl_operand_signed(b, bt);
                }
                int64_t yt = w.at[2] + i * s.n + j;
                if (kind == 'f') btl_operand_set_real(y, yt, sum);
                else btl_operand_set_signed(y, yt, (int64_t)total);
            }
    return BTL_OK;
}

/* ---- kernels: integers -------------------------------------------------------------------- */

/* Rows of y, with unsigned arithmetic: it wraps. `op` joins what is there with a product. */
#define MATMUL_INTEGER(name, type, expr)                                                          \
    static void name(const matmul_shape *s, const char *a, const char *b, char *y) {              \
        const type *pa = (const void *)a, *pb = (const void *)b;                                  \
        type *py = (void *)y;                                                                     \
        for (int64_t i = 0; i < s->m; i++, py += s->n) {                                          \
            memset(py, 0, (size_t)s->n * sizeof *py);                                             \
            for (int64_t p = 0; p < s->k; p++) {                                                  \
                const type u = pa[i * s->a.row + p * s->a.column];                                \
                const type *v = pb + p * s->b.row;                                                \
                for (int64_t j = 0; j < s->n; j++) {                                              \
                    const type t = py[j], w = v[j * s->b.column];                                 \
                    py[j] = (type)(expr);                                                         \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
    }
MATMUL_INTEGER(matmul_bool, uint8_t, t | (u & w))
MATMUL_INTEGER(matmul_8, uint8_t, t + u * w)
MATMUL_INTEGER(matmul_16, uint16_t, (uint32_t)t + (uint32_t)u * w)
MATMUL_INTEGER(matmul_32, uint32_t, t + u * w)
MATMUL_INTEGER(matmul_64, uint64_t, t + u * w)

typedef void (*matmul_fn)(const matmul_shape *s, const char *a, const char *b, char *y);

static matmul_fn matmul_integer(btl_dtype dtype) {
    if (dtype == BTL_BOOL) return matmul_bool;
    switch (btl_dtype_bytes(dtype)) {
    case 1: return matmul_8;
    case 2: return matmul_16;
    case 4: return matmul_32;
    default: return matmul_64;
    }
}

/* ---- kernels: floats ---------------------------------------------------------------------- */

static bool matmul_is_half(btl_dtype dtype) { return dtype == BTL_F16 || dtype == BTL_BF16; }

/* Scratch: a and b packed where they need it, and for half types the result in f32. */
typedef struct matmul_scratch { size_t a, b, y, bytes; bool pack_a, pack_b; } matmul_scratch;

static size_t matmul_round(int64_t elems, size_t size) { return ((size_t)elems * size + 63) & ~(size_t)63; }

static matmul_scratch matmul_scratch_of(const matmul_shape *s, btl_dtype dtype) {
    bool half = matmul_is_half(dtype);
    size_t size = half ? sizeof(float) : btl_dtype_bytes(dtype);
    matmul_scratch w = { .pack_a = half || !btl_matrix_is_dense(&s->a, s->m, s->k),
                         .pack_b = half || !btl_matrix_is_dense(&s->b, s->k, s->n) };
    w.b = w.pack_a ? matmul_round(s->m * s->k, size) : 0;
    w.y = w.b + (w.pack_b ? matmul_round(s->k * s->n, size) : 0);
    w.bytes = w.y + (half ? matmul_round(s->m * s->n, size) : 0);
    return w;
}

static float matmul_widen(btl_dtype dtype, uint16_t bits) {
    return dtype == BTL_F16 ? btl_half_to_f32(bits) : btl_bf16_to_f32(bits);
}

/* A matrix as rows without gaps, half types as f32. */
static btl_matrix matmul_pack(btl_dtype dtype, const btl_matrix *a, int64_t m, int64_t n, char *to) {
    int64_t dims[2] = { m, n }, from[2] = { a->row, a->column }, rows[2] = { n, 1 };
    if (!matmul_is_half(dtype)) {
        btl_move(btl_move_copy(dtype), btl_dtype_bytes(dtype), 2, dims, to, rows, a->data, from);
    } else {
        const uint16_t *bits = a->data;
        float *wide = (void *)to;
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) wide[i * n + j] = matmul_widen(dtype, bits[i * a->row + j * a->column]);
    }
    return (btl_matrix){ to, n, 1 };
}

static void matmul_narrow(btl_dtype dtype, const float *from, int64_t n, char *to) {
    uint16_t *bits = (void *)to;
    for (int64_t i = 0; i < n; i++) bits[i] = dtype == BTL_F16 ? btl_half_from_f32(from[i]) : btl_bf16_from_f32(from[i]);
}

static void matmul_float(btl_exec *x, const matmul_shape *s, const char *a, const char *b, char *y) {
    btl_dtype dtype = x->out[0].dtype;
    matmul_scratch w = matmul_scratch_of(s, dtype);
    btl_matrix ma = { a, s->a.row, s->a.column }, mb = { b, s->b.row, s->b.column };
    bool half = matmul_is_half(dtype);
    char *work = x->work;
    if (work && w.pack_a) ma = matmul_pack(dtype, &ma, s->m, s->k, work + w.a);
    if (work && w.pack_b) mb = matmul_pack(dtype, &mb, s->k, s->n, work + w.b);
    btl_blas_gemm(x->ctx, half ? BTL_F32 : dtype, s->m, s->n, s->k, &ma, &mb, half ? work + w.y : y, s->n);
    if (half) matmul_narrow(dtype, (const void *)(work + w.y), s->m * s->n, y);
}

static matmul_shape matmul_joined(const btl_exec *x) {
    matmul_shape s = matmul_shape_of(x);
    matmul_join_rows(&s);
    return s;
}

static size_t matmul_workspace(const btl_exec *x) {
    if (btl_dtype_kind(x->out[0].dtype) != 'f') return 0;
    matmul_shape s = matmul_joined(x);
    return matmul_scratch_of(&s, x->out[0].dtype).bytes;
}

static btl_status matmul_kernel(btl_exec *x) {
    matmul_shape s = matmul_joined(x);
    btl_dtype dtype = x->out[0].dtype;
    int64_t size = (int64_t)btl_dtype_bytes(dtype);
    matmul_fn integer = btl_dtype_kind(dtype) == 'f' ? NULL : matmul_integer(dtype);
    if (s.m == 0 || s.n == 0) return BTL_OK;
    if (matmul_is_half(dtype) && !x->work) return matmul_eval(x);
    const int64_t *all[3] = { s.at_a, s.at_b, s.at_y };
    btl_walk w;
    for (btl_walk_begin(&w, s.rank, s.dims, 3, all); w.more; btl_walk_next(&w)) {
        const char *a = x->in[0].data + w.at[0] * size, *b = x->in[1].data + w.at[1] * size;
        char *y = x->out[0].data + w.at[2] * size;
        if (integer) integer(&s, a, b, y);
        else matmul_float(x, &s, a, b, y);
    }
    return BTL_OK;
}

/* ---- gradient and building ---------------------------------------------------------------- */

static btl_var *matmul_apply(btl_graph *g, btl_var *a, btl_var *b) {
    btl_var *in[2] = { a, b };
    btl_node *n = btl_apply(g, &btl_op_matmul, 2, in, NULL);
    return n ? n->out : NULL;
}

static btl_status matmul_vjp(btl_vjp *v) {
    btl_var *dy = v->dout[0];
    if (v->need[0]) {
        btl_var *d = matmul_apply(v->g, dy, btl_transpose_last(v->g, v->in[1]));
        if (!d || !(v->din[0] = btl_sum_to(v->g, d, &v->in[0]->type))) return v->g->status;
    }
    if (v->need[1]) {
        btl_var *d = matmul_apply(v->g, btl_transpose_last(v->g, v->in[0]), dy);
        if (!d || !(v->din[1] = btl_sum_to(v->g, d, &v->in[1]->type))) return v->g->status;
    }
    return BTL_OK;
}

/* One more leading axis. Many vectors times one matrix are a matrix times a matrix: as rows they lie
 * like one. */
static btl_status matmul_batch_axis(btl_batch *b) {
    static const int rows[2] = { 0, 1 }, column[3] = { 0, 1, -1 };
    int rank = b->node->out[0].type.rank;
    const btl_type *v = &b->node->in[1]->type;
    if (!b->batched[0] && rank == 2 && btl_dim_is(v->dims[1], 1)) {
        btl_var *x = btl_dimshuffle_to(b->g, b->in[1], 2, rows);
        btl_var *y = x ? matmul_apply(b->g, x, btl_transpose_last(b->g, b->in[0])) : NULL;
        b->out[0] = y ? btl_dimshuffle_to(b->g, y, 3, column) : NULL;
    } else {
        btl_var *x = btl_batch_lift(b, 0, rank), *y = x ? btl_batch_lift(b, 1, rank) : NULL;
        b->out[0] = y ? matmul_apply(b->g, x, y) : NULL;
    }
    return b->out[0] ? BTL_OK : b->g->status;
}

/* The inner sizes of what a person wrote, before vectors become matrices. */
static btl_status matmul_check_inner(btl_graph *g, const btl_var *a, const btl_var *b) {
    if (a->type.rank == 0 || b->type.rank == 0) {
        btl_fail(g, BTL_ESHAPE, "needs vectors or matrices: %s, %s", matmul_operand(g, a, "the left operand"),
                 matmul_operand(g, b, "the right operand"));
        btl_fail_hint(g, "a * b multiplies by a scalar");
        return BTL_ESHAPE;
    }
    const btl_dim *p = a->type.dims[a->type.rank - 1], *q = b->type.dims[b->type.rank > 1 ? b->type.rank - 2 : 0];
    return btl_dim_differ(g, p, q) ? matmul_inner_differ(g, a, b, p, q) : BTL_OK;
}

static btl_var *matmul_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                             btl_var **out) {
    static const int row[2] = { -1, 0 }, column[2] = { 0, -1 };
    btl_var *v[2];
    (void)op, (void)nin, (void)params;
    if (matmul_check_inner(g, in[0], in[1]) || btl_promote_operands(g, PROMOTE_COMMON, 2, in, v)) return NULL;
    bool vector_a = v[0]->type.rank == 1, vector_b = v[1]->type.rank == 1;
    btl_var *a = vector_a ? btl_dimshuffle_to(g, v[0], 2, row) : v[0], *b = vector_b ? btl_dimshuffle_to(g, v[1], 2, column) : v[1];
    btl_var *y = matmul_apply(g, a, b);
    if (!y || (!vector_a && !vector_b)) return matmul_result(y, out);
    int pattern[BTL_MAX_RANK], n = 0, rank = y->type.rank;
    for (int i = 0; i < rank; i++)
        if (!(i == rank - 2 && vector_a) && !(i == rank - 1 && vector_b)) pattern[n++] = i;
    return matmul_result(btl_dimshuffle_to(g, y, n, pattern), out);
}

static const char *const matmul_samples[] = {
    "a: f32[3, 4], b: f32[4, 2]", "a: f64[5], b: f64[5]", "a: f64[3, 4], b: f64[4]", "a: f32[4], b: f32[4, 3]",
    "a: f32[2, 1, 3, 4], b: f32[5, 4, 2]", "a: i8[3, 4], b: i8[4, 2]", "a: bool[2, 3], b: bool[3, 2]",
    "a: f16[3, 4], b: f16[4, 2]", "a: bf16[3, 4], b: bf16[4, 2]", "a: f32[3, 0], b: f32[0, 2]", "a: f32[0, 3], b: f32[3, 2]",
    "a: f32[1, 7], b: f32[7, 1]", "a: i64[2, 3], b: i64[3, 2]", NULL,
};

/* A matrix of which all is read is packed again for each range, which is little beside so many rows of the other (a tenth of the time at 256 rows by
 * [768, 3072], nothing by [512, 512], which stays in the second cache). */
int64_t btl_product_grain(const btl_type *all) {
    int64_t bytes;
    return btl_type_bytes(all, NULL, &bytes) < 0 && bytes <= MATMUL_CACHED ? MATMUL_ROWS : 2 * MATMUL_ROWS;
}

/* The rows of a product, its columns; of a stack each product for itself, unless all of them are one (matmul_join_rows). */
static bool matmul_cut(btl_cut *c) {
    const btl_type *y = &c->node->out->type;
    int rank = y->rank, all = -1;
    int64_t rows = 1;
    for (int i = 0; i < 2; i++) {
        const btl_type *x = &c->node->in[i]->type;
        if (c->axis >= rank - 2) c->in[i] = c->axis == rank - 2 + i ? x->rank - 2 + i : -1;
        else c->in[i] = btl_cut_stretched(x, rank, c->axis, y->dims[c->axis]);
        if (c->in[i] < 0) all = i;
    }
    if (all < 0) return true;
    if (c->axis < rank - 2 && (!btl_dim_is_const(y->dims[all ? rank - 2 : rank - 1], &rows) || rows < 1)) return false;
    c->grain = (btl_product_grain(&c->node->in[all]->type) + rows - 1) / rows;
    return c->rounds = true;
}

const btl_op btl_op_matmul = {
    .name = "matmul", .doc = "product of matrices, vectors, or stacks of matrices; a @ b", .signature = "matmul(a, b)",
    .version = 1, .min_in = 2, .max_in = 2, .nout = 1, .infer = matmul_infer, .build = matmul_build, .eval = matmul_eval,
    .kernel = matmul_kernel, .workspace = matmul_workspace, .emit = btl_matmul_emit,
    .vjp = matmul_vjp, .batch = matmul_batch_axis, .cut = matmul_cut, .samples = matmul_samples,
};

/* ---- macros ------------------------------------------------------------------------------- */

/* Sums over pairs of axes: both operands become matrices [kept, summed] and [summed, kept]. */
static btl_var *matmul_contract(btl_graph *g, btl_var *a, btl_var *b, int n, const int *axes_a, const int *axes_b) {
    int ra = a->type.rank, rb = b->type.rank, pa[BTL_MAX_RANK], pb[BTL_MAX_RANK], na = 0, nb = n, rank = 0;
    const btl_dim *dims[2 * BTL_MAX_RANK], *flat[2];
    uint32_t used_a = 0, used_b = 0;
    for (int i = 0; i < n; i++) used_a |= 1u << axes_a[i], used_b |= 1u << axes_b[i];
    for (int i = 0; i < ra; i++)
        if (!(used_a >> i & 1)) pa[na++] = i, dims[rank++] = a->type.dims[i];
    for (int i = 0; i < n; i++) pa[na + i] = axes_a[i], pb[i] = axes_b[i];
    for (int i = 0; i < rb; i++)
        if (!(used_b >> i & 1)) pb[nb++] = i, dims[rank++] = b->type.dims[i];
    if (rank > BTL_MAX_RANK) {
        btl_fail(g, BTL_ESHAPE, "the result would have %d dimensions", rank);
        return NULL;
    }
    btl_var *x = btl_dimshuffle_to(g, a, ra, pa), *y = btl_dimshuffle_to(g, b, rb, pb);
    if (!x || !y) return NULL;
    flat[0] = btl_dim_product(g, na, x->type.dims), flat[1] = btl_dim_product(g, n, x->type.dims + na);
    x = btl_reshape_to_dims(g, x, 2, flat);
    flat[0] = btl_dim_product(g, n, y->type.dims), flat[1] = btl_dim_product(g, rb - n, y->type.dims + n);
    y = btl_reshape_to_dims(g, y, 2, flat);
    return btl_reshape_to_dims(g, btl_matmul(g, x, y), rank, dims);
}

static btl_var *dot_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                          btl_var **out) {
    btl_var *a = in[0], *b = in[1];
    int ra = a->type.rank, rb = b->type.rank;
    (void)op, (void)nin, (void)params;
    if (ra == 0 || rb == 0) return matmul_result(btl_mul(g, a, b), out);
    if (rb <= 2) {
        if (matmul_check_inner(g, a, b)) return NULL;
        return matmul_result(btl_matmul(g, a, b), out);
    }
    if (matmul_check_inner(g, a, b)) return NULL;
    int last = ra - 1, second = rb - 2;
    return matmul_result(matmul_contract(g, a, b, 1, &last, &second), out);
}

static const char *const dot_samples[] = { "a: f32[3, 4], b: f32[4]", "a: f64[2, 3], b: f64[4, 3, 2]", "a: f32, b: f32[2]", NULL };

const btl_op btl_op_dot = {
    .name = "dot", .doc = "NumPy's dot: the last axis of a with the last but one of b", .signature = "dot(a, b)", .version = 1,
    .min_in = 2, .max_in = 2, .nout = 1, .flags = OP_MACRO, .build = dot_build, .samples = dot_samples,
};

static btl_var *outer_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                            btl_var **out) {
    static const int column[2] = { 0, -1 }, row[2] = { -1, 0 };
    btl_var *v[2];
    (void)op, (void)nin, (void)params;
    for (int i = 0; i < 2; i++) {
        const btl_dim *all = btl_type_elems(g, &in[i]->type);
        v[i] = btl_dimshuffle_to(g, btl_reshape_to_dims(g, in[i], 1, &all), 2, i ? row : column);
    }
    return matmul_result(btl_mul(g, v[0], v[1]), out);
}

static const char *const outer_samples[] = { "a: f32[3], b: f32[2]", "a: f64[2, 2], b: f64[3]", NULL };

const btl_op btl_op_outer = {
    .name = "outer", .doc = "a[i] * b[j]", .signature = "outer(a, b)", .version = 1, .min_in = 2, .max_in = 2, .nout = 1,
    .flags = OP_MACRO, .build = outer_build, .samples = outer_samples,
};

static const btl_param_spec tensordot_params[] = {
    { "axes_a", PARAM_AXES, NULL, true, "axes of a that are summed over" },
    { "axes_b", PARAM_AXES, NULL, true, "the axes of b that go with them" },
};

static btl_var *tensordot_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                btl_var **out) {
    int axes[2][BTL_MAX_RANK], n = params[0].axes.n;
    uint32_t mask;
    (void)op, (void)nin;
    if (n < 0 || n != params[1].axes.n || n > BTL_MAX_RANK) {
        btl_fail(g, BTL_EVALUE, "axes_a and axes_b must be lists of one length");
        return NULL;
    }
    for (int k = 0; k < 2; k++) {
        if (btl_axes_mask(g, &params[k], in[k]->type.rank, &mask)) return NULL;
        for (int i = 0; i < n; i++)
            if (btl_axis_resolve(g, params[k].axes.v[i], in[k]->type.rank, &axes[k][i])) return NULL;
    }
    for (int i = 0; i < n; i++) {
        const btl_dim *p = in[0]->type.dims[axes[0][i]], *q = in[1]->type.dims[axes[1][i]];
        if (!btl_dim_differ(g, p, q)) continue;
        btl_fail(g, BTL_ESHAPE, "axis %d of %s and axis %d of %s differ", axes[0][i], matmul_operand(g, in[0], "the left operand"),
                 axes[1][i], matmul_operand(g, in[1], "the right operand"));
        btl_fail_label(g, "%s and %s", matmul_dim_text(g, p), matmul_dim_text(g, q));
        return NULL;
    }
    return matmul_result(matmul_contract(g, in[0], in[1], n, axes[0], axes[1]), out);
}

static const char *const tensordot_samples[] = {
    "a: f32[2, 3, 4], b: f32[4, 3, 5] | axes_a=[1, 2], axes_b=[1, 0]", "a: f64[2], b: f64[3] | axes_a=[], axes_b=[]", NULL,
};

const btl_op btl_op_tensordot = {
    .name = "tensordot", .doc = "sum of products over pairs of axes", .signature = "tensordot(a, b, axes_a, axes_b)", .version = 1,
    .min_in = 2, .max_in = 2, .nout = 1, .flags = OP_MACRO, .nparams = 2, .params = tensordot_params,
    .build = tensordot_build, .samples = tensordot_samples,
};

/* ---- public builders ---------------------------------------------------------------------- */

btl_var *btl_matmul(btl_graph *g, btl_var *a, btl_var *b) {
    btl_var *in[2] = { a, b };
    return btl_build(g, &btl_op_matmul, 2, in, NULL, NULL);
}

btl_var *btl_dot(btl_graph *g, btl_var *a, btl_var *b) {
    btl_var *in[2] = { a, b };
    return btl_build(g, &btl_op_dot, 2, in, NULL, NULL);
}

btl_var *btl_outer(btl_graph *g, btl_var *a, btl_var *b) {
    btl_var *in[2] = { a, b };
    return btl_build(g, &btl_op_outer, 2, in, NULL, NULL);
}

btl_var *btl_tensordot(btl_graph *g, btl_var *a, btl_var *b, int n, const int *a_axes, const int *b_axes) {
    btl_var *in[2] = { a, b };
    btl_param p[2] = { { .axes = { n, a_axes } }, { .axes = { n, b_axes } } };
    return btl_build(g, &btl_op_tensordot, 2, in, p, NULL);
}
