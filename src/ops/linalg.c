/* linalg.c - Cholesky factors and triangular systems, of stacks of matrices.
 *
 *     a = L L^T           dL = L Phi(L^-1 da L^-T),   so   S = L^-T Phi(L^T L') L^-1,   a' = Phi(S + S^T)
 *     a x = b             b' = a^-T x',   a' = -b' x^T, its triangle
 *
 * where v' is the gradient by v, and Phi takes the lower triangle with half the diagonal. a is read in one triangle
 * only, so a' is the derivative by that triangle, and zero in the other one (Theano's convention): symmetric
 * a = f(t) gives the same t' as the symmetrised form would. Sources: I. Murray (2016), Differentiation of the
 * Cholesky decomposition, arXiv:1602.07527, section 3; S. P. Smith (1995), J. Comput. Graph. Stat. 4(2); M. B. Giles
 * (2008), Collected matrix derivative results for forward and reverse mode AD.
 *
 * The gradient of cholesky is an op of its own: its body says the line above, from which higher derivatives
 * follow; its kernel computes it in blocks, at the price of two factorisations instead of six (lapack.c).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/linalg.h"

#include "base/context.h"
#include "expr/operand.h"
#include "ops/lapack.h"
#include "ops/linalg_parts.h"
#include "ops/move.h"
#include "ops/structure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

extern const btl_op btl_op_cholesky, btl_op_cholesky_grad, btl_op_solve_triangular;

/* ---- types -------------------------------------------------------------------------------- */

static btl_status linalg_check_square(btl_infer *x, int i) {
    const btl_type *t = &x->in[i]->type;
    if (t->rank < 2) return btl_fail(x->g, BTL_ESHAPE, "needs a matrix: %s", btl_var_text(x->g, x->in[i]));
    if (t->dtype != BTL_F32 && t->dtype != BTL_F64) return btl_fail(x->g, BTL_EDTYPE, "computes in f32 or f64: %s", btl_var_text(x->g, x->in[i]));
    if (t->dtype != x->in[0]->type.dtype)
        return btl_fail(x->g, BTL_EDTYPE, "types differ: %s, %s", btl_var_text(x->g, x->in[0]), btl_var_text(x->g, x->in[i]));
    if (btl_dims_unify(x->g, t->dims[t->rank - 2], t->dims[t->rank - 1], NULL) == BTL_OK) return BTL_OK;
    return btl_fail(x->g, BTL_ESHAPE, "needs a square matrix: %s", btl_var_text(x->g, x->in[i]));
}

/* Operands as f64, or as their float; f16 and bf16 as f32. *narrow: what the result goes back to. */
static btl_status linalg_operands(btl_graph *g, int n, btl_var *const *in, btl_var **out, btl_dtype *narrow) {
    BTL_TRY(btl_promote_operands(g, PROMOTE_REAL, n, in, out));
    *narrow = out[0]->type.dtype;
    btl_dtype wide = btl_dtype_bytes(*narrow) == 2 ? BTL_F32 : *narrow;
    for (int i = 0; i < n; i++)
        if (!(out[i] = btl_cast_to(g, out[i], wide))) return g->status;
    return BTL_OK;
}

static btl_var *linalg_finish(btl_graph *g, btl_var *y, btl_dtype dtype, btl_var **out) {
    y = btl_cast_to(g, y, dtype);
    if (out) *out = y;
    return y;
}

static btl_var *linalg_apply(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params) {
    btl_node *n = btl_apply(g, op, nin, in, params);
    return n ? n->out : NULL;
}

/* ---- stacks ------------------------------------------------------------------------------- */

/* Where matrix after matrix begins, in elements; `walk` goes over the leading axes of the result. */
typedef struct linalg_stack { btl_walk walk; int64_t strides[3][BTL_MAX_RANK]; } linalg_stack;

static void linalg_lead(const btl_operand *x, int rank, const int64_t *dims, int64_t *strides) {
    for (int i = 0; i < rank; i++) {
        int axis = i - (rank - (x->rank - 2));
        strides[i] = axis < 0 || (x->dims[axis] == 1 && dims[i] != 1) ? 0 : x->strides[axis];
    }
}

static void linalg_begin(linalg_stack *s, const btl_exec *x) {
    const btl_operand *y = &x->out[0];
    const int64_t *all[3];
    for (int i = 0; i <= x->nin; i++) {
        linalg_lead(i < x->nin ? &x->in[i] : y, y->rank - 2, y->dims, s->strides[i]);
        all[i] = s->strides[i];
    }
    btl_walk_begin(&s->walk, y->rank - 2, y->dims, x->nin + 1, all);
}

/* "the matrix", or "matrix [1, 0] of the stack" where there are several. */
static const char *linalg_which(const linalg_stack *s, char *text, size_t bytes) {
    size_t used = (size_t)snprintf(text, bytes, "%s", s->walk.rank ? "matrix " : "the matrix");
    for (int k = 0; k < s->walk.rank && used + 40 < bytes; k++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%lld", k ? ", " : "[", (long long)s->walk.index[k]);
    if (s->walk.rank) snprintf(text + used, bytes - used, "] of the stack");
    return text;
}

static char *linalg_at(const btl_operand *x, int64_t at) { return x->data + at * (int64_t)btl_dtype_bytes(x->dtype); }

static btl_status linalg_no_memory(const btl_exec *x) {
    return btl_error_set(x->err, BTL_ENOMEM, "%s: no memory to compute in", x->node->op->name);
}

/* ---- cholesky ----------------------------------------------------------------------------- */

static const btl_param_spec cholesky_params[] = {
    { "lower", PARAM_BOOL, "true", true, "L with a = L L^T, from the lower triangle; false: U with a = U^T U, from the upper one" },
};

static btl_status cholesky_infer(btl_infer *x) {
    BTL_TRY(linalg_check_square(x, 0));
    x->out[0] = x->in[0]->type;
    return BTL_OK;
}

static btl_status cholesky_fail(const btl_exec *x, const linalg_stack *s, int64_t minor) {
    char which[200];
    return btl_error_set(x->err, BTL_ESINGULAR, "cholesky: %s is not positive definite: its leading minor of order %lld is not positive",
                         linalg_which(s, which, sizeof which), (long long)minor);
}

/* One matrix in long double, row by row; row and column are exchanged for an upper factor. 0, or the minor. */
static int64_t cholesky_one(const btl_operand *a, int64_t at, const btl_operand *y, int64_t to, bool lower, int64_t n, long double *l) {
    int64_t row = a->strides[a->rank - (lower ? 2 : 1)], column = a->strides[a->rank - (lower ? 1 : 2)];
    int64_t yrow = y->strides[y->rank - (lower ? 2 : 1)], ycolumn = y->strides[y->rank - (lower ? 1 : 2)];
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            long double s = btl_operand_real(a, at + i * row + j * column);
            for (int64_t k = 0; k < j; k++) s -= l[i * n + k] * l[j * n + k];
            if (i == j && !(s > 0)) return i + 1;
            l[i * n + j] = i == j ? sqrtl(s) : s / l[j * n + j];
            btl_operand_set_real(y, to + i * yrow + j * ycolumn, l[i * n + j]);
        }
        for (int64_t j = i + 1; j < n; j++) btl_operand_set_real(y, to + i * yrow + j * ycolumn, 0);
    }
    return 0;
}

static btl_status cholesky_eval(btl_exec *x) {
    const btl_operand *a = &x->in[0], *y = &x->out[0];
    int64_t n = y->dims[y->rank - 1], minor = 0, elems;
    if (!btl_mul_i64(n, n, &elems) || elems > INT64_MAX / 32) return linalg_no_memory(x);
    size_t bytes = (size_t)elems * sizeof(long double) + 1;
    long double *l = btl_alloc(x->ctx, bytes);
    linalg_stack s;
    btl_status status = l ? BTL_OK : linalg_no_memory(x);
    for (linalg_begin(&s, x); s.walk.more && status == BTL_OK; btl_walk_next(&s.walk)) {
        minor = cholesky_one(a, s.walk.at[0], y, s.walk.at[1], x->params[0].i != 0, n, l);
        if (minor) status = cholesky_fail(x, &s, minor);
    }
    btl_free(x->ctx, l, l ? bytes : 0);
    return status;
}

static btl_status cholesky_kernel(btl_exec *x) {
    const btl_operand *a = &x->in[0], *y = &x->out[0];
    int64_t n = y->dims[y->rank - 1];
    bool lower = x->params[0].i != 0;
    linalg_stack s;
    for (linalg_begin(&s, x); s.walk.more; btl_walk_next(&s.walk)) {
        char *to = linalg_at(y, s.walk.at[1]);
        btl_move(btl_move_copy(y->dtype), btl_dtype_bytes(y->dtype), 2, y->dims + y->rank - 2, to, y->strides + y->rank - 2,
                 linalg_at(a, s.walk.at[0]), a->strides + a->rank - 2);
        const btl_matrix_out factor = { to, lower ? n : 1, lower ? 1 : n };
        int64_t minor = btl_potrf(x->ctx, y->dtype, n, &factor);
        if (minor) return cholesky_fail(x, &s, minor);
    }
    return BTL_OK;
}

static btl_status cholesky_vjp(btl_vjp *v) {
    btl_var *in[2] = { v->out[0], v->dout[0] };
    v->din[0] = linalg_apply(v->g, &btl_op_cholesky_grad, 2, in, v->node->params);
    return v->din[0] ? BTL_OK : v->g->status;
}

static btl_var *cholesky_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params, btl_var **out) {
    btl_var *a;
    btl_dtype dtype;
    if (linalg_operands(g, nin, in, &a, &dtype)) return NULL;
    btl_var *y = linalg_apply(g, op, 1, &a, params);
    return y ? linalg_finish(g, y, dtype, out) : NULL;
}

static const char *const cholesky_samples[] = {
    "x: f64[4, 4] | = cholesky(where(eye(4, dtype=bool), x @ x.T + 8, x @ x.T))",
    "x: f32[3, 3] | = cholesky(where(eye(3, dtype=bool), x @ x.T + 8, x @ x.T), lower=false)", "x: f64[4, 4] | = cholesky(0.25 * x + 4 * eye(4))", "x: f64[3, 3] | = cholesky(0.25 * x + 4 * eye(3), lower=false)",
    "x: f64[2, 3, 3] | = cholesky(0.25 * x + 4 * eye(3))", "x: f32[1, 1] | = cholesky(x * x + 1)", "x: f64[0, 0] | = cholesky(x)",
    "x: f16[3, 3] | = cholesky(0.25 * x + 4 * eye(3, dtype=f16))", "x: f64[70, 70] | = cholesky(0.25 * x + 20 * eye(70))",
    "x: f32[70, 70] | = cholesky(0.25 * x + 20 * eye(70, dtype=f32), lower=false)", NULL,
};

const btl_op btl_op_cholesky = {
    .name = "cholesky", .doc = "the Cholesky factor of positive definite matrices", .signature = "cholesky(a, lower=true)", .version = 1,
    .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_CAN_FAIL, .nparams = 1, .params = cholesky_params, .infer = cholesky_infer,
    .build = cholesky_build, .eval = cholesky_eval, .kernel = cholesky_kernel, .emit = btl_cholesky_emit, .fails = "a matrix is not positive definite", .vjp = cholesky_vjp, .batch = btl_batch_same,
    .samples = cholesky_samples,
};

/* ---- cholesky_grad ------------------------------------------------------------------------ */

static btl_status cholesky_grad_infer(btl_infer *x) {
    BTL_TRY(linalg_check_square(x, 0));
    BTL_TRY(linalg_check_square(x, 1));
    const btl_type *a = &x->in[0]->type, *b = &x->in[1]->type;
    bool fits = a->rank == b->rank;
    for (int i = 0; fits && i < a->rank; i++) fits = btl_dims_unify(x->g, a->dims[i], b->dims[i], NULL) == BTL_OK;
    if (!fits) return btl_fail(x->g, BTL_ESHAPE, "shapes differ: %s, %s", btl_var_text(x->g, x->in[0]), btl_var_text(x->g, x->in[1]));
    x->out[0] = *a;
    return BTL_OK;
}

/* Phi: the lower (or upper) triangle with half the diagonal. */
static btl_var *cholesky_half(btl_graph *g, btl_var *x, bool lower) {
    btl_var *inside = lower ? btl_tril(g, x, -1) : btl_triu(g, x, 1);
    btl_var *most = lower ? btl_tril(g, x, 0) : btl_triu(g, x, 0);
    return btl_mul(g, btl_add(g, inside, most), btl_number(g, 0.5));
}

static btl_var *cholesky_grad_body(btl_graph *g, const btl_node *n, btl_var *const *in) {
    bool lower = n->params[0].i != 0;
    btl_var *l = lower ? btl_tril(g, in[0], 0) : btl_triu(g, in[0], 0), *d = lower ? btl_tril(g, in[1], 0) : btl_triu(g, in[1], 0);
    if (!l || !d) return NULL;
    /* of an upper factor: U = L^T, so L^T L' is U U'^T, and solves with L^T are solves with U */
    btl_var *p = lower ? btl_matmul(g, btl_transpose_last(g, l), d) : btl_matmul(g, l, btl_transpose_last(g, d));
    btl_var *y = btl_solve_triangular(g, l, cholesky_half(g, p, true), lower, lower, false);
    btl_var *s = y ? btl_solve_triangular(g, l, btl_transpose_last(g, y), lower, lower, false) : NULL;
    return s ? cholesky_half(g, btl_add(g, s, btl_transpose_last(g, s)), lower) : NULL;
}

/* The factor by rows without gaps, if it does not lie so. */
static bool cholesky_grad_packs(const btl_exec *x) {
    const btl_operand *l = &x->in[0];
    int64_t n = l->dims[l->rank - 1];
    return n > 1 && (l->strides[l->rank - 1] != 1 || l->strides[l->rank - 2] < n);
}

static size_t cholesky_grad_workspace(const btl_exec *x) {
    const btl_operand *l = &x->in[0];
    size_t n = (size_t)l->dims[l->rank - 1];
    return cholesky_grad_packs(x) ? n * n * btl_dtype_bytes(l->dtype) : 0;
}

static btl_status cholesky_grad_kernel(btl_exec *x) {
    const btl_operand *l = &x->in[0], *d = &x->in[1], *y = &x->out[0];
    bool lower = x->params[0].i != 0, pack = cholesky_grad_packs(x);
    size_t bytes = btl_dtype_bytes(y->dtype);
    int64_t n = y->dims[y->rank - 1], rows[2] = { n, 1 };
    const int64_t *dims = y->dims + y->rank - 2;
    linalg_stack s;
    for (linalg_begin(&s, x); s.walk.more; btl_walk_next(&s.walk)) {
        char *from = linalg_at(l, s.walk.at[0]), *to = linalg_at(y, s.walk.at[2]);
        int64_t ld = pack || n == 1 ? n : l->strides[l->rank - 2];
        if (pack) btl_move(btl_move_copy(y->dtype), bytes, 2, dims, x->work, rows, from, l->strides + l->rank - 2);
        btl_move(btl_move_copy(y->dtype), bytes, 2, dims, to, rows, linalg_at(d, s.walk.at[1]), d->strides + d->rank - 2);
        const btl_matrix factor = { pack ? x->work : from, lower ? ld : 1, lower ? 1 : ld };
        const btl_matrix_out gradient = { to, lower ? n : 1, lower ? 1 : n };
        btl_potrf_vjp(x->ctx, y->dtype, n, &factor, &gradient);
    }
    return BTL_OK;
}

static btl_var *cholesky_grad_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params, btl_var **out) {
    btl_var *v[2];
    btl_dtype dtype;
    if (linalg_operands(g, nin, in, v, &dtype)) return NULL;
    btl_var *y = linalg_apply(g, op, 2, v, params);
    return y ? linalg_finish(g, y, dtype, out) : NULL;
}

static btl_status cholesky_grad_batch(btl_batch *b) {
    btl_var *in[2] = { btl_batch_stretch(b, 0), btl_batch_stretch(b, 1) };
    return in[0] && in[1] ? btl_batch_apply(b, in, b->node->params) : b->g->status;
}

static const char *const cholesky_grad_samples[] = {
    "x: f64[3, 3], y: f64[3, 3] | = cholesky_grad(0.25 * x + 2 * eye(3), y)",
    "x: f64[3, 3], y: f64[3, 3] | = cholesky_grad(0.25 * x + 2 * eye(3), y, lower=false)",
    "x: f64[2, 3, 3], y: f64[2, 3, 3] | = cholesky_grad(0.25 * x + 2 * eye(3), y)", "x: f32[1, 1], y: f32[1, 1] | = cholesky_grad(x * x + 1, y)",
    "x: f32[4, 4], y: f32[4, 4] | = cholesky_grad(0.25 * x + 2 * eye(4, dtype=f32), y)", "x: f64[0, 0], y: f64[0, 0] | = cholesky_grad(x, y)",
    "x: f64[70, 70], y: f64[70, 70] | = cholesky_grad(0.01 * x + 2 * eye(70), y)",
    "x: f64[130, 130], y: f64[130, 130] | = cholesky_grad(0.01 * x + 2 * eye(130), y, lower=false)", NULL,
};

const btl_op btl_op_cholesky_grad = {
    .name = "cholesky_grad", .doc = "the gradient of cholesky, from the factor and the gradient by it",
    .signature = "cholesky_grad(factor, d, lower=true)", .version = 1, .min_in = 2, .max_in = 2, .nout = 1, .flags = OP_CAN_FAIL, .nparams = 1,
    .params = cholesky_params, .infer = cholesky_grad_infer, .build = cholesky_grad_build, .body = cholesky_grad_body,
    .kernel = cholesky_grad_kernel, .emit = btl_cholesky_grad_emit, .workspace = cholesky_grad_workspace, .batch = cholesky_grad_batch, .samples = cholesky_grad_samples,
};

/* ---- solve_triangular --------------------------------------------------------------------- */

static const btl_param_spec solve_params[] = {
    { "lower", PARAM_BOOL, "true", false, "which triangle of a is read" },
    { "trans", PARAM_BOOL, "false", false, "solve with a transposed" },
    { "unit", PARAM_BOOL, "false", false, "a's diagonal is ones, and is not read" },
};

static btl_status solve_misfit(btl_infer *x, const char *what) {
    return btl_fail(x->g, BTL_ESHAPE, "%s: %s, %s", what, btl_var_text(x->g, x->in[0]), btl_var_text(x->g, x->in[1]));
}

static btl_status solve_infer(btl_infer *x) {
    const btl_type *a = &x->in[0]->type, *b = &x->in[1]->type;
    const btl_dim *dims[BTL_MAX_RANK];
    BTL_TRY(linalg_check_square(x, 0));
    if (b->rank < 2 || b->dtype != a->dtype) return solve_misfit(x, "needs matrices of one type");
    if (btl_dims_unify(x->g, a->dims[a->rank - 1], b->dims[b->rank - 2], NULL)) return solve_misfit(x, "b must have as many rows as a");
    int rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 0; i < rank - 2; i++) {
        int p = i - (rank - a->rank), q = i - (rank - b->rank);
        const btl_dim *one = btl_dim_const(x->g, 1), *da = p < 0 ? one : a->dims[p], *db = q < 0 ? one : b->dims[q];
        if (btl_dim_is(da, 1)) dims[i] = db;
        else if (btl_dim_is(db, 1)) dims[i] = da;
        else if (btl_dims_unify(x->g, da, db, &dims[i])) return solve_misfit(x, "leading axes do not broadcast");
    }
    dims[rank - 2] = b->dims[b->rank - 2], dims[rank - 1] = b->dims[b->rank - 1];
    x->out[0] = btl_type_make(x->g, b->dtype, rank, dims);
    return BTL_OK;
}

/* The first 0 on the diagonal, from 0; -1 if there is none. */
static int64_t solve_zero(const btl_operand *a, int64_t at, int64_t n) {
    int64_t step = a->strides[a->rank - 2] + a->strides[a->rank - 1];
    for (int64_t i = 0; i < n; i++)
        if (btl_operand_real(a, at + i * step) == 0) return i;
    return -1;
}

static btl_status solve_check(const btl_exec *x, const linalg_stack *s) {
    char which[200];
    const btl_operand *a = &x->in[0];
    if (x->params[2].i) return BTL_OK;
    int64_t i = solve_zero(a, s->walk.at[0], a->dims[a->rank - 1]);
    if (i < 0) return BTL_OK;
    return btl_error_set(x->err, BTL_ESINGULAR, "solve_triangular: %s is singular: element [%lld, %lld] of its diagonal is 0",
                         linalg_which(s, which, sizeof which), (long long)i, (long long)i);
}

/* One column of b, in long double. */
static void solve_column(const btl_operand *a, int64_t at, const btl_operand *b, int64_t from, const btl_operand *y, int64_t to, const btl_param *p,
                         int64_t n, long double *column) {
    bool trans = p[1].i != 0, down = (p[0].i != 0) != trans;
    int64_t row = a->strides[a->rank - (trans ? 1 : 2)], step = a->strides[a->rank - (trans ? 2 : 1)];
    for (int64_t k = 0; k < n; k++) {
        int64_t i = down ? k : n - 1 - k;
        long double s = btl_operand_real(b, from + i * b->strides[b->rank - 2]);
        for (int64_t q = 0; q < k; q++) {
            int64_t j = down ? q : n - 1 - q;
            s -= btl_operand_real(a, at + i * row + j * step) * column[j];
        }
        column[i] = p[2].i ? s : s / btl_operand_real(a, at + i * (row + step));
        btl_operand_set_real(y, to + i * y->strides[y->rank - 2], column[i]);
    }
}

static btl_status solve_eval(btl_exec *x) {
    const btl_operand *a = &x->in[0], *b = &x->in[1], *y = &x->out[0];
    int64_t n = y->dims[y->rank - 2], k = y->dims[y->rank - 1];
    if (n > INT64_MAX / 32) return linalg_no_memory(x);
    size_t bytes = (size_t)n * sizeof(long double) + 1;
    long double *column = btl_alloc(x->ctx, bytes);
    linalg_stack s;
    btl_status status = column ? BTL_OK : linalg_no_memory(x);
    for (linalg_begin(&s, x); s.walk.more && status == BTL_OK; btl_walk_next(&s.walk)) {
        status = solve_check(x, &s);
        for (int64_t j = 0; j < k && status == BTL_OK; j++)
            solve_column(a, s.walk.at[0], b, s.walk.at[1] + j * b->strides[b->rank - 1], y, s.walk.at[2] + j * y->strides[y->rank - 1], x->params, n, column);
    }
    btl_free(x->ctx, column, column ? bytes : 0);
    return status;
}

static bool solve_packs(const btl_exec *x) {
    const btl_operand *a = &x->in[0];
    const btl_matrix m = { NULL, a->strides[a->rank - 2], a->strides[a->rank - 1] };
    return !btl_matrix_is_dense(&m, a->dims[a->rank - 1], a->dims[a->rank - 1]);
}

static size_t solve_workspace(const btl_exec *x) {
    const btl_operand *a = &x->in[0];
    size_t n = (size_t)a->dims[a->rank - 1];
    return solve_packs(x) ? n * n * btl_dtype_bytes(a->dtype) : 0;
}

static btl_status solve_kernel(btl_exec *x) {
    const btl_operand *a = &x->in[0], *b = &x->in[1], *y = &x->out[0];
    size_t bytes = btl_dtype_bytes(y->dtype);
    bool pack = solve_packs(x), packed = false;
    int64_t n = y->dims[y->rank - 2], k = y->dims[y->rank - 1], rows[2] = { n, 1 }, last = -1;
    linalg_stack s;
    for (linalg_begin(&s, x); s.walk.more; btl_walk_next(&s.walk)) {
        char *to = linalg_at(y, s.walk.at[2]);
        btl_matrix t = { linalg_at(a, s.walk.at[0]), a->strides[a->rank - 2], a->strides[a->rank - 1] };
        if (last != s.walk.at[0]) BTL_TRY(solve_check(x, &s));
        if (pack) {
            if (!packed || last != s.walk.at[0])
                btl_move(btl_move_copy(y->dtype), bytes, 2, a->dims + a->rank - 2, x->work, rows, t.data, a->strides + a->rank - 2);
            t = (btl_matrix){ x->work, n, 1 };
            packed = true;
        }
        last = s.walk.at[0];
        btl_move(btl_move_copy(y->dtype), bytes, 2, y->dims + y->rank - 2, to, y->strides + y->rank - 2, linalg_at(b, s.walk.at[1]), b->strides + b->rank - 2);
        btl_trsm(x->ctx, y->dtype, x->params[0].i != 0, x->params[1].i != 0, x->params[2].i != 0, n, k, &t, to, k);
    }
    return BTL_OK;
}

static btl_var *solve_apply(btl_graph *g, btl_var *a, btl_var *b, const btl_param *params) {
    btl_var *in[2] = { a, b };
    return linalg_apply(g, &btl_op_solve_triangular, 2, in, params);
}

/* b' = op(a)^-T x';  a' = -b' x^T, or its transpose where a itself was: only its triangle, without the diagonal of ones. */
static btl_status solve_vjp(btl_vjp *v) {
    const btl_param *p = v->node->params;
    btl_graph *g = v->g;
    btl_param back[3] = { p[0], { .i = !p[1].i }, p[2] };
    btl_var *db = solve_apply(g, v->in[0], v->dout[0], back);
    if (!db) return g->status;
    if (v->need[1] && !(v->din[1] = btl_sum_to(g, db, &v->in[1]->type))) return g->status;
    if (!v->need[0]) return BTL_OK;
    btl_var *x = v->out[0], *da = p[1].i ? btl_matmul(g, x, btl_transpose_last(g, db)) : btl_matmul(g, db, btl_transpose_last(g, x));
    int64_t k = p[2].i ? 1 : 0;
    da = btl_neg(g, btl_sum_to(g, da, &v->in[0]->type));
    v->din[0] = p[0].i ? btl_tril(g, da, -k) : btl_triu(g, da, k);
    return v->din[0] ? BTL_OK : g->status;
}

/* One more leading axis; of vectors and one matrix, one more column. */
static btl_status solve_batch(btl_batch *b) {
    static const int columns[2] = { 1, 0 }, column[3] = { 1, 0, -1 };
    int rank = b->node->out[0].type.rank;
    if (!b->batched[0] && rank == 2 && btl_dim_is(b->node->in[1]->type.dims[1], 1)) {
        btl_var *x = btl_dimshuffle_to(b->g, b->in[1], 2, columns), *y = x ? solve_apply(b->g, b->in[0], x, b->node->params) : NULL;
        b->out[0] = y ? btl_dimshuffle_to(b->g, y, 3, column) : NULL;
        return b->out[0] ? BTL_OK : b->g->status;
    }
    btl_var *in[2] = { btl_batch_lift(b, 0, rank), btl_batch_lift(b, 1, rank) };
    return in[0] && in[1] ? btl_batch_apply(b, in, b->node->params) : b->g->status;
}

static btl_var *solve_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params, btl_var **out) {
    static const int column[2] = { 0, -1 };
    btl_var *v[2];
    btl_dtype dtype;
    int pattern[BTL_MAX_RANK];
    (void)op;
    if (in[1]->type.rank == 0) {
        btl_fail(g, BTL_ESHAPE, "b is a vector or a matrix: %s", btl_var_text(g, in[1]));
        return NULL;
    }
    if (linalg_operands(g, nin, in, v, &dtype)) return NULL;
    bool vector = v[1]->type.rank == 1;
    btl_var *y = solve_apply(g, v[0], vector ? btl_dimshuffle_to(g, v[1], 2, column) : v[1], params);
    if (!y) return NULL;
    for (int i = 0; i < y->type.rank - 1; i++) pattern[i] = i;
    return linalg_finish(g, vector ? btl_dimshuffle_to(g, y, y->type.rank - 1, pattern) : y, dtype, out);
}

static const char *const solve_samples[] = {
    "a: f64[4, 4], b: f64[4, 2] | = solve_triangular(0.25 * a + 2 * eye(4), b)", "a: f64[4, 4], b: f64[4] | = solve_triangular(0.25 * a + 2 * eye(4), b, lower=false)",
    "a: f64[3, 3], b: f64[3, 2] | = solve_triangular(0.25 * a + 2 * eye(3), b, trans=true)",
    "a: f64[3, 3], b: f64[3] | = solve_triangular(0.25 * a + 2 * eye(3), b, lower=false, trans=true)",
    "a: f64[3, 3], b: f64[3, 2] | = solve_triangular(0.25 * a, b, unit=true)", "a: f32[3, 3], b: f32[3] | = solve_triangular(0.25 * a, b, lower=false, trans=true, unit=true)",
    "a: f64[2, 3, 3], b: f64[3, 2] | = solve_triangular(0.25 * a + 2 * eye(3), b)", "a: f64[3, 3], b: f64[2, 3, 1] | = solve_triangular(0.25 * a + 2 * eye(3), b)",
    "a: f64[2, 3, 3], b: f64[3] | = solve_triangular(0.25 * a + 2 * eye(3), b)", "a: f32[1, 1], b: f32[1, 3] | = solve_triangular(a * a + 1, b)",
    "a: f64[0, 0], b: f64[0, 2] | = solve_triangular(a, b)", "a: f16[3, 3], b: f16[3] | = solve_triangular(0.25 * a + 2 * eye(3, dtype=f16), b)",
    "a: f64[70, 70], b: f64[70, 5] | = solve_triangular(0.01 * a + 2 * eye(70), b)", "a: f32[70, 70], b: f32[70, 5] | = solve_triangular(0.015625 * a + 2 * eye(70, dtype=f32), b, trans=true)", NULL,
};

const btl_op btl_op_solve_triangular = {
    .name = "solve_triangular", .doc = "x with a x = b, a triangular", .signature = "solve_triangular(a, b, lower=true, trans=false, unit=false)",
    .version = 1, .min_in = 2, .max_in = 2, .nout = 1, .flags = OP_CAN_FAIL, .nparams = 3, .params = solve_params, .infer = solve_infer,
    .build = solve_build, .eval = solve_eval, .kernel = solve_kernel, .emit = btl_solve_triangular_emit, .fails = "a matrix is singular", .workspace = solve_workspace, .vjp = solve_vjp, .batch = solve_batch,
    .samples = solve_samples,
};

/* ---- public builders ---------------------------------------------------------------------- */

btl_var *btl_cholesky(btl_graph *g, btl_var *a, bool lower) {
    btl_param p = { .i = lower };
    return btl_build(g, &btl_op_cholesky, 1, &a, &p, NULL);
}

btl_var *btl_cholesky_grad(btl_graph *g, btl_var *factor, btl_var *d, bool lower) {
    btl_var *in[2] = { factor, d };
    btl_param p = { .i = lower };
    return btl_build(g, &btl_op_cholesky_grad, 2, in, &p, NULL);
}

btl_var *btl_solve_triangular(btl_graph *g, btl_var *a, btl_var *b, bool lower, bool trans, bool unit) {
    btl_var *in[2] = { a, b };
    const btl_param p[3] = { { .i = lower }, { .i = trans }, { .i = unit } };
    return btl_build(g, &btl_op_solve_triangular, 2, in, p, NULL);
}
