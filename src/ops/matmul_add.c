/* matmul_add.c - gemm: a product of matrices, added to what is there.
 *
 *     y = alpha (a @ b) + beta c
 *
 * What Theano's Gemm is, and BLAS's: rules make it of sums, and `vm/arrange.c` lets y lie in the place of c. Each element of the product is rounded,
 * multiplied by alpha, and added to beta times that of c, in this order: also what is multiplied by 0 counts, so that a NaN or an infinity is not lost.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/operand.h"
#include "ops/blas.h"
#include "ops/gemm.h"
#include "ops/loops.h"
#include "ops/structure.h"

extern const btl_op btl_op_gemm;

enum { GEMM_C, GEMM_A, GEMM_B, GEMM_ALPHA, GEMM_BETA, GEMM_NIN };

static const int gemm_rank[GEMM_NIN] = { 2, 2, 2, 0, 0 };
static const char *const gemm_operand[GEMM_NIN] = { "c", "a", "b", "alpha", "beta" };

static btl_status gemm_infer(btl_infer *x) {
    const btl_type *c = &x->in[GEMM_C]->type, *a = &x->in[GEMM_A]->type, *b = &x->in[GEMM_B]->type;
    if (c->dtype != BTL_F32 && c->dtype != BTL_F64) return btl_fail(x->g, BTL_EDTYPE, "is of f32 or f64: c is %s", btl_type_text(x->g, c));
    for (int i = 0; i < GEMM_NIN; i++) {
        const btl_type *t = &x->in[i]->type;
        if (t->rank != gemm_rank[i])
            return btl_fail(x->g, BTL_ESHAPE, gemm_rank[i] ? "%s must be a matrix: it is %s" : "%s must be a single number: it is %s", gemm_operand[i], btl_type_text(x->g, t));
        if (t->dtype != c->dtype) return btl_fail(x->g, BTL_EDTYPE, "types differ: c is %s, %s is %s", btl_type_text(x->g, c), gemm_operand[i], btl_type_text(x->g, t));
    }
    if (btl_dims_unify(x->g, a->dims[1], b->dims[0], NULL))
        return btl_fail(x->g, BTL_ESHAPE, "inner sizes differ: a is %s, b is %s", btl_type_text(x->g, a), btl_type_text(x->g, b));
    if (btl_dims_unify(x->g, c->dims[0], a->dims[0], NULL) || btl_dims_unify(x->g, c->dims[1], b->dims[1], NULL))
        return btl_fail(x->g, BTL_ESHAPE, "c is %s, a @ b with a %s and b %s is of other sizes", btl_type_text(x->g, c), btl_type_text(x->g, a), btl_type_text(x->g, b));
    x->out[0] = *c;
    return BTL_OK;
}

static btl_var *gemm_body(btl_graph *g, const btl_node *n, btl_var *const *in) {
    (void)n;
    return btl_add(g, btl_mul(g, in[GEMM_BETA], in[GEMM_C]), btl_mul(g, in[GEMM_ALPHA], btl_matmul(g, in[GEMM_A], in[GEMM_B])));
}

static long double gemm_round(btl_dtype dtype, long double x) { return dtype == BTL_F32 ? (long double)(float)x : (long double)(double)x; }

/* Reference: each element by itself, the product exactly before it is rounded. */
static btl_status gemm_eval(btl_exec *x) {
    const btl_operand *c = &x->in[GEMM_C], *a = &x->in[GEMM_A], *b = &x->in[GEMM_B], *y = &x->out[0];
    long double alpha = btl_operand_real(&x->in[GEMM_ALPHA], 0), beta = btl_operand_real(&x->in[GEMM_BETA], 0);
    for (int64_t i = 0; i < y->dims[0]; i++)
        for (int64_t j = 0; j < y->dims[1]; j++) {
            long double sum = 0;
            for (int64_t p = 0; p < a->dims[1]; p++)
                sum += btl_operand_real(a, i * a->strides[0] + p * a->strides[1]) * btl_operand_real(b, p * b->strides[0] + j * b->strides[1]);
            long double there = gemm_round(y->dtype, beta * btl_operand_real(c, i * c->strides[0] + j * c->strides[1]));
            btl_operand_set_real(y, i * y->strides[0] + j * y->strides[1], there + gemm_round(y->dtype, alpha * gemm_round(y->dtype, sum)));
        }
    return BTL_OK;
}

static btl_matrix gemm_matrix(const btl_operand *o) { return (btl_matrix){ o->data, o->strides[0], o->strides[1] }; }

static double gemm_number(const btl_operand *o) { return o->dtype == BTL_F32 ? (double)*(const float *)(const void *)o->data : *(const double *)(const void *)o->data; }

static btl_status gemm_kernel(btl_exec *x) {
    const btl_operand *y = &x->out[0];
    btl_matrix a = gemm_matrix(&x->in[GEMM_A]), b = gemm_matrix(&x->in[GEMM_B]), c = gemm_matrix(&x->in[GEMM_C]);
    btl_blas_gemm_onto(x->ctx, y->dtype, y->dims[0], y->dims[1], x->in[GEMM_A].dims[1], gemm_number(&x->in[GEMM_ALPHA]), &a, &b, gemm_number(&x->in[GEMM_BETA]), &c,
                  y->data, y->dims[1]);
    return BTL_OK;
}

static btl_status gemm_emit(btl_emit *e) {
    const char *row[3], *column[3];
    for (int i = 0; i < 3; i++) {
        row[i] = btl_extent_text(e, btl_extent_stride(e, i, 0));
        column[i] = btl_extent_text(e, btl_extent_stride(e, i, 1));
    }
    const char *n = btl_emit_dim(e, GEMM_B, 1);
    btl_emit_text(e, "btl_gemm_onto_%s($rt %s, %s, %s, *x3, x1, %s, %s, x2, %s, %s, *x4, x0, %s, %s, y0, %s);\n", btl_dtype_name(btl_emit_type(e, 0)->dtype),
                  btl_emit_dim(e, GEMM_A, 0), n, btl_emit_dim(e, GEMM_A, 1), row[GEMM_A], column[GEMM_A], row[GEMM_B], column[GEMM_B], row[GEMM_C], column[GEMM_C], n);
    return BTL_OK;
}

static const btl_op_alias gemm_overwrites[] = { { 0, GEMM_C }, { -1, -1 } };

static const char *const gemm_samples[] = {
    "c: f32[3, 2], a: f32[3, 4], b: f32[4, 2], x: f32 | = gemm(c, a, b, x, 0.5 * x)", "c: f64[5, 1], a: f64[5, 3], b: f64[3, 1] | = gemm(c, a, b, 0.5, -2)",
    "c: f64[2, 3], a: f64[4, 3], b: f64[4, 2], x: f64 | = gemm(c.T, a.T, b, x, 1)", "c: f32[2, 2], a: f32[2, 0], b: f32[0, 2] | = gemm(c, a, b, 2, 3)",
    "c: f32[0, 2], a: f32[0, 3], b: f32[3, 2] | = gemm(c, a, b, 2, 3)", "c: f64[70, 65], a: f64[70, 3], b: f64[3, 65] | = gemm(c, a, b, -0.1, 1)",
    "c: f32[20, 130], a: f32[20, 33], b: f32[33, 130], x: f32 | = gemm(c, a, b, 1, x)", "c: f64[4, 4], a: f64[4, 4] | = gemm(c[::-1], a[:, ::-1], a[::2, ::-1].T @ c[::2], 0, 0.25)", NULL,
};

static bool gemm_cut(btl_cut *c) {
    c->in[GEMM_C] = c->axis;
    c->in[c->axis == 0 ? GEMM_A : GEMM_B] = c->axis;
    c->grain = btl_product_grain(&c->node->in[c->axis == 0 ? GEMM_B : GEMM_A]->type);
    return c->rounds = true;
}

const btl_op btl_op_gemm = {
    .name = "gemm", .doc = "alpha (a @ b) + beta c, of matrices and single numbers", .signature = "gemm(c, a, b, alpha, beta)", .version = 1,
    .min_in = GEMM_NIN, .max_in = GEMM_NIN, .nout = 1, .promote = PROMOTE_COMMON, .infer = gemm_infer, .body = gemm_body, .eval = gemm_eval, .kernel = gemm_kernel, .emit = gemm_emit,
    .cut = gemm_cut, .overwrites = gemm_overwrites, .samples = gemm_samples,
};

btl_var *btl_gemm(btl_graph *g, btl_var *c, btl_var *a, btl_var *b, btl_var *alpha, btl_var *beta) {
    btl_var *in[GEMM_NIN] = { c, a, b, alpha, beta };
    return btl_build(g, &btl_op_gemm, GEMM_NIN, in, NULL, NULL);
}
