/* strips_test.c - the strip interpreter: operands of every layout, and reductions whose order is
 * computed here once more, in the most naive way, and compared bit for bit.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/half.h"
#include "expr/op.h"
#include "support.h"
#include "vm/strips.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const btl_op btl_op_fused, btl_op_mul, btl_op_add, btl_op_tanh;

/* ---- fused nodes made by hand ---------------------------------------------------------------- */

enum { MOST_IN = 4 };

typedef struct kernel {
    btl_graph *g;
    btl_node *node;
    btl_strips *program;
    /* what to make: */
    int nin, rank;
    btl_dtype dtype;
    int64_t shape[BTL_MAX_RANK];
    int in_rank[MOST_IN];
    int64_t in_dims[MOST_IN][BTL_MAX_RANK];
    const char *reduce;
    int naxes, axes[BTL_MAX_RANK];
    int nresults;
    btl_var *(*body)(btl_graph *g, btl_var **p, int result);
} kernel;

static btl_type concrete_type(btl_graph *g, btl_dtype dtype, int rank, const int64_t *dims) {
    const btl_dim *d[BTL_MAX_RANK];
    for (int i = 0; i < rank; i++) d[i] = btl_dim_const(g, dims[i]);
    return btl_type_make(g, dtype, rank, d);
}

static btl_status kernel_build(void *arg) {
    kernel *k = arg;
    btl_graph *g = k->g;
    btl_var *in[MOST_IN], *params[MOST_IN], *results[4];
    for (int i = 0; i < k->nin; i++) {
        btl_type outer = concrete_type(g, k->dtype, k->in_rank[i], k->in_dims[i]),
                 inner = { k->dtype, 0, NULL };
        in[i] = btl_graph_input(g, "x", &outer);
        params[i] = btl_graph_param(g, "p", &inner);
    }
    for (int i = 0; i < k->nresults; i++) results[i] = k->body(g, params, i);
    btl_body body = { k->nin, k->nresults, btl_arena_copy(&g->arena, params, sizeof params),
                      btl_arena_copy(&g->arena, results, sizeof results), g };
    btl_type space = concrete_type(g, k->dtype, k->rank, k->shape);
    btl_param p[5] = { { .body = btl_arena_copy(&g->arena, &body, sizeof body) } };
    p[1].shape.n = k->rank;
    p[1].shape.v = space.dims;
    p[2].s = k->reduce ? k->reduce : "";
    p[3].axes.n = k->naxes;
    p[3].axes.v = k->axes;
    k->node = btl_apply(g, &btl_op_fused, k->nin, in, p);
    if (!k->node) return g->status;
    k->program = btl_strips_compile(&g->arena, k->node);
    return k->program ? BTL_OK : BTL_EINTERNAL;
}

static void kernel_make(kernel *k) {
    if (!k->nresults) k->nresults = 1;
    BTL_ASSERT_OK(btl_graph_new(NULL, &k->g));
    btl_status status = btl_graph_protect(k->g, kernel_build, k);
    if (status != BTL_OK) BTL_FAIL("no kernel: %s", btl_graph_messages(k->g));
}

/* Runs it; inputs lie as `strides` (elements) say. */
static btl_status kernel_run(kernel *k, void *const *data, int64_t (*strides)[BTL_MAX_RANK],
                             void *const *out, btl_error *err) {
    btl_operand in[MOST_IN], result[4];
    int64_t none[BTL_MAX_RANK] = { 0 };
    for (int i = 0; i < k->nin; i++)
        in[i] = (btl_operand){ data[i], k->dtype, k->in_rank[i], k->in_dims[i], strides[i] };
    for (int i = 0; i < k->nresults; i++)
        result[i] = (btl_operand){ out[i], k->node->out[i].type.dtype, 0, none, none };
    void *scratch = malloc(btl_strips_scratch_bytes(k->program));
    btl_status status = btl_strips_run(k->program, k->nin, in, k->nresults, result, k->shape,
                                       k->rank, scratch, err);
    free(scratch);
    return status;
}

static btl_var *body_first(btl_graph *g, btl_var **p, int result) {
    (void)g, (void)result;
    return p[0];
}

static btl_var *body_apply(btl_graph *g, const btl_op *op, btl_var *a, btl_var *b) {
    btl_var *in[2] = { a, b };
    btl_node *n = btl_apply(g, op, b ? 2 : 1, in, NULL);
    return n ? n->out : NULL;
}

static btl_var *body_product(btl_graph *g, btl_var **p, int result) {
    (void)result;
    return body_apply(g, &btl_op_mul, p[0], p[1]);
}

/* ---- the order, naively ---------------------------------------------------------------------- */

typedef union element {
    float f;
    double d;
    int32_t i;
    uint16_t h;
    uint8_t b;
    uint64_t bits;
} element;

typedef struct naive {
    btl_dtype dtype;
    char op; /* '+', '*', '<' (min), '>' (max), '|' */
    const element *e;
    int64_t n;
} naive;

static double naive_double(btl_dtype dtype, double a, double b, char op) {
    (void)dtype;
    if (op == '+') return a + b;
    if (op == '*') return a * b;
    if (op == '>') return a != a ? a : b != b ? b : a > b ? a : b;
    return a != a ? a : b != b ? b : a < b ? a : b;
}

static element naive_combine(const naive *x, element a, element b) {
    element r = { .bits = 0 };
    switch (x->dtype) {
    case BTL_F32:
        r.f = x->op == '+' ? a.f + b.f : (float)naive_double(x->dtype, a.f, b.f, x->op);
        break;
    case BTL_F64:
        r.d = naive_double(x->dtype, a.d, b.d, x->op);
        break;
    case BTL_F16:
        r.h = btl_half_from_f32(
            (float)naive_double(x->dtype, btl_half_to_f32(a.h), btl_half_to_f32(b.h), x->op));
        break;
    case BTL_I32:
        r.i = x->op == '+'                    ? (int32_t)((uint32_t)a.i + (uint32_t)b.i)
              : x->op == '*'                  ? (int32_t)((uint32_t)a.i * (uint32_t)b.i)
              : (a.i > b.i) == (x->op == '>') ? a.i
                                              : b.i;
        break;
    default:
        r.b = a.b | b.b;
    }
    return r;
}

static element naive_block(const naive *x, int64_t lo, int64_t n) {
    element lane[32];
    int used = n < 32 ? (int)n : 32;
    for (int j = 0; j < used; j++) {
        lane[j] = x->e[lo + j];
        for (int64_t i = j + 32; i < n; i += 32) lane[j] = naive_combine(x, lane[j], x->e[lo + i]);
    }
    for (int w = 16; w >= 1; w /= 2)
        for (int j = 0; j < w; j++)
            if (j + w < used && j + w < 2 * w) lane[j] = naive_combine(x, lane[j], lane[j + w]);
    return lane[0];
}

static element naive_balanced(const naive *x, int64_t block, int64_t n) {
    if (n == 1) {
        int64_t lo = block * 4096, m = x->n - lo < 4096 ? x->n - lo : 4096;
        return naive_block(x, lo, m);
    }
    return naive_combine(x, naive_balanced(x, block, n / 2),
                         naive_balanced(x, block + n / 2, n / 2));
}

static element naive_blocks(const naive *x, int64_t block, int64_t n) {
    int64_t part = 1;
    while (2 * part <= n) part *= 2;
    element left = naive_balanced(x, block, part);
    return part == n ? left : naive_combine(x, left, naive_blocks(x, block + part, n - part));
}

static element naive_reduce(const naive *x) { return naive_blocks(x, 0, (x->n + 4095) / 4096); }

/* ---- reductions against it ------------------------------------------------------------------- */

static element random_element(btl_rng *rng, btl_dtype dtype) {
    element e = { .bits = 0 };
    double x = btl_rng_normal(rng) * exp(btl_rng_uniform(rng, -6, 6));
    switch (dtype) {
    case BTL_F32:
        e.f = (float)x;
        break;
    case BTL_F64:
        e.d = x;
        break;
    case BTL_F16:
        e.h = btl_half_from_f32((float)(x / 16));
        break;
    case BTL_I32:
        e.i = (int32_t)btl_rng_u64(rng);
        break;
    default:
        e.b = btl_rng_below(rng, 50) == 0;
    }
    return e;
}

static void expect_reduction(btl_dtype dtype, const char *reduce, char op, int rank,
                             const int64_t *shape, const int *order, int naxes, const int *axes) {
    /* the operand's axes lie in memory in `order` (last = unit stride) */
    kernel k = { .nin = 1,
                 .rank = rank,
                 .dtype = dtype,
                 .in_rank = { rank },
                 .reduce = reduce,
                 .naxes = naxes,
                 .body = body_first };
    size_t bytes = btl_dtype_bytes(dtype);
    int64_t strides[1][BTL_MAX_RANK], elems = 1, kept = 1, reduced = 1;
    bool is_reduced[BTL_MAX_RANK] = { false };
    for (int i = 0; i < naxes; i++) k.axes[i] = axes[i], is_reduced[axes[i]] = true;
    for (int i = rank - 1; i >= 0; i--) strides[0][order[i]] = elems, elems *= shape[order[i]];
    for (int d = 0; d < rank; d++) {
        k.shape[d] = k.in_dims[0][d] = shape[d];
        *(is_reduced[d] ? &reduced : &kept) *= shape[d];
    }
    btl_rng rng = { btl_test_seed() };
    char *data = calloc((size_t)elems + 1, bytes), *out = malloc((size_t)kept * bytes + 1);
    element *e = calloc((size_t)reduced + 1, sizeof *e);
    for (int64_t i = 0; i < elems; i++) {
        element x = random_element(&rng, dtype);
        memcpy(data + (size_t)i * bytes, &x, bytes);
    }
    kernel_make(&k);
    btl_error err = { 0 };
    BTL_ASSERT_OK(kernel_run(&k, (void *[]){ data }, strides, (void *[]){ out }, &err));
    for (int64_t o = 0; o < kept; o++) {
        for (int64_t i = 0; i < reduced; i++) {
            int64_t at = 0, restk = o, restr = i;
            for (int d = rank - 1; d >= 0; d--) {
                int64_t *rest = is_reduced[d] ? &restr : &restk;
                at += *rest % shape[d] * strides[0][d];
                *rest /= shape[d];
            }
            memcpy(&e[i], data + (size_t)at * bytes, bytes);
        }
        element want = naive_reduce(&(naive){ dtype, op, e, reduced });
        if (memcmp(&want, out + (size_t)o * bytes, bytes) != 0)
            BTL_FAIL("%s of %s: output %lld of %lld, %lld elements each: other bits", reduce,
                     btl_dtype_name(dtype), (long long)o, (long long)kept, (long long)reduced);
    }
    free(data), free(out), free(e);
    btl_graph_free(k.g);
}

static const int64_t lengths[] = { 1,           2,   3,   7,   10,   31,   32,   33,   63,
                                   100,         511, 512, 513, 4095, 4096, 4097, 8192, 3 * 4096 + 7,
                                   7 * 4096 + 5 };
enum { NLENGTHS = sizeof lengths / sizeof *lengths };
static const struct {
    btl_dtype dtype;
    const char *reduce;
    char op;
} kinds[] = {
    { BTL_F32, "sum", '+' }, { BTL_F64, "sum", '+' },  { BTL_I32, "sum", '+' },
    { BTL_F16, "sum", '+' }, { BTL_BOOL, "any", '|' }, { BTL_F32, "max", '>' },
    { BTL_F64, "min", '<' }, { BTL_F32, "prod", '*' },
};
enum { NKINDS = sizeof kinds / sizeof *kinds };

BTL_TEST(a_whole_array_is_reduced_in_the_defined_order) {
    for (int k = 0; k < NKINDS; k++)
        for (int i = 0; i < NLENGTHS; i++)
            expect_reduction(kinds[k].dtype, kinds[k].reduce, kinds[k].op, 1, &lengths[i],
                             (int[]){ 0 }, 1, (int[]){ 0 });
}

BTL_TEST(rows_and_columns_are_reduced_in_the_same_order) {
    static const int64_t widths[] = { 1, 3, 10, 16, 51, 64, 65, 128, 130, 200, 784 };
    for (int k = 0; k < NKINDS; k++)
        for (int i = 0; i < NLENGTHS; i++)
            for (int w = 0; w < (int)(sizeof widths / sizeof *widths); w++) {
                int64_t n = lengths[i], m = widths[w];
                if (n * m > 60000 || (n * m > 5000 && k > 2)) continue;
                int64_t rows[2] = { m, n }, columns[2] = { n, m };
                for (int turned = 0; turned < 2; turned++) {
                    int order[2] = { turned, 1 - turned };
                    expect_reduction(kinds[k].dtype, kinds[k].reduce, kinds[k].op, 2, rows, order,
                                     1, (int[]){ 1 });
                    expect_reduction(kinds[k].dtype, kinds[k].reduce, kinds[k].op, 2, columns,
                                     order, 1, (int[]){ 0 });
                }
            }
}

BTL_TEST(axes_in_the_middle_and_several_axes_are_reduced_in_the_same_order) {
    static const int64_t shapes[][4] = {
        { 3, 5, 7, 2 }, { 2, 40, 3, 33 }, { 5, 1, 600, 2 }, { 4, 9, 1, 130 }, { 17, 3, 129, 1 }
    };
    static const int orders[][4] = { { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 3, 0, 2 } };
    for (int s = 0; s < 5; s++)
        for (int o = 0; o < 3; o++)
            for (unsigned mask = 1; mask < 16; mask++) {
                int axes[4], naxes = 0;
                for (int d = 0; d < 4; d++)
                    if (mask >> d & 1) axes[naxes++] = d;
                expect_reduction(BTL_F32, "sum", '+', 4, shapes[s], orders[o], naxes, axes);
            }
}

BTL_TEST(a_product_with_a_stretched_operand_is_reduced_without_storing_it) {
    enum { N = 300, M = 70 };
    static float x[N][M], w[M], by_row[N], by_column[M];
    btl_rng rng = { btl_test_seed() };
    for (int i = 0; i < N * M; i++) (&x[0][0])[i] = (float)btl_rng_normal(&rng);
    for (int j = 0; j < M; j++) w[j] = (float)btl_rng_normal(&rng);
    for (int axis = 0; axis < 2; axis++) {
        kernel k = { .nin = 2,
                     .rank = 2,
                     .dtype = BTL_F32,
                     .shape = { N, M },
                     .in_rank = { 2, 1 },
                     .in_dims = { { N, M }, { M } },
                     .reduce = "sum",
                     .naxes = 1,
                     .axes = { axis },
                     .body = body_product };
        int64_t strides[2][BTL_MAX_RANK] = { { M, 1 }, { 1 } };
        kernel_make(&k);
        BTL_ASSERT_OK(kernel_run(&k, (void *[]){ x, w }, strides,
                                 (void *[]){ axis ? by_row : by_column }, NULL));
        btl_graph_free(k.g);
    }
    element e[N] = { { 0 } };
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < M; j++) e[j].f = x[i][j] * w[j];
        assert_true(naive_reduce(&(naive){ BTL_F32, '+', e, M }).f == by_row[i]);
    }
    for (int j = 0; j < M; j++) {
        for (int i = 0; i < N; i++) e[i].f = x[i][j] * w[j];
        assert_true(naive_reduce(&(naive){ BTL_F32, '+', e, N }).f == by_column[j]);
    }
}

BTL_TEST(nothing_sums_to_zero_multiplies_to_one_and_has_no_maximum) {
    static const struct {
        const char *reduce;
        btl_dtype dtype;
        double want;
    } cases[] = {
        { "sum", BTL_F32, 0 },  { "prod", BTL_F64, 1 }, { "prod", BTL_I32, 1 },
        { "any", BTL_BOOL, 0 }, { "all", BTL_BOOL, 1 },
    };
    int64_t strides[1][BTL_MAX_RANK] = { { 0, 1 } };
    for (int i = 0; i < 5; i++) {
        kernel k = { .nin = 1,
                     .rank = 2,
                     .dtype = cases[i].dtype,
                     .shape = { 3, 0 },
                     .in_rank = { 2 },
                     .in_dims = { { 3, 0 } },
                     .reduce = cases[i].reduce,
                     .naxes = 1,
                     .axes = { 1 },
                     .body = body_first };
        char out[3 * 8];
        double got[3];
        memset(out, 0x55, sizeof out);
        kernel_make(&k);
        BTL_ASSERT_OK(kernel_run(&k, (void *[]){ out }, strides, (void *[]){ out }, NULL));
        btl_array from = btl_array_wrap(cases[i].dtype, 1, (int64_t[]){ 3 }, out),
                  to = btl_array_wrap(BTL_F64, 1, (int64_t[]){ 3 }, got);
        BTL_ASSERT_OK(btl_array_convert(&to, &from));
        for (int j = 0; j < 3; j++) assert_true(got[j] == cases[i].want && !signbit(got[j]));
        btl_graph_free(k.g);
    }
    for (int i = 0; i < 2; i++) {
        kernel k = { .nin = 1,
                     .rank = 2,
                     .dtype = BTL_F32,
                     .shape = { 3, 0 },
                     .in_rank = { 2 },
                     .in_dims = { { 3, 0 } },
                     .reduce = "max",
                     .naxes = 1,
                     .axes = { 1 - i },
                     .body = body_first };
        btl_error err = { 0 };
        float out[3];
        kernel_make(&k);
        btl_status status = kernel_run(&k, (void *[]){ out }, strides, (void *[]){ out }, &err);
        if (i == 0)
            BTL_ASSERT_STATUS(status, BTL_EVALUE),
                BTL_ASSERT_CONTAINS(err.message, "max of an empty array");
        else
            BTL_ASSERT_OK(status); /* no outputs: nothing to complain of */
        btl_graph_free(k.g);
    }
}

BTL_TEST(a_sum_of_minus_zero_is_minus_zero_and_nan_is_kept) {
    float zeros[40], out = 1;
    for (int i = 0; i < 40; i++) zeros[i] = -0.0f;
    kernel k = { .nin = 1,
                 .rank = 1,
                 .dtype = BTL_F32,
                 .shape = { 40 },
                 .in_rank = { 1 },
                 .in_dims = { { 40 } },
                 .reduce = "sum",
                 .naxes = 1,
                 .axes = { 0 },
                 .body = body_first };
    int64_t strides[1][BTL_MAX_RANK] = { { 1 } };
    kernel_make(&k);
    BTL_ASSERT_OK(kernel_run(&k, (void *[]){ zeros }, strides, (void *[]){ &out }, NULL));
    assert_true(out == 0 && signbit(out));
    zeros[17] = NAN;
    BTL_ASSERT_OK(kernel_run(&k, (void *[]){ zeros }, strides, (void *[]){ &out }, NULL));
    assert_true(isnan(out));
    btl_graph_free(k.g);
}

/* ---- maps ------------------------------------------------------------------------------------ */

/* (a * b + c) of small integers: exact in every order; result 1 is a itself, result 2 a constant.
 */
static btl_var *body_map(btl_graph *g, btl_var **p, int result) {
    if (result == 1) return p[0];
    if (result == 2) return btl_graph_scalar(g, p[0]->type.dtype, 3);
    return body_apply(g, &btl_op_add, body_apply(g, &btl_op_mul, p[0], p[1]), p[2]);
}

static void expect_map(int rank, const int64_t *shape, const unsigned *stretched, int (*order)[4]) {
    kernel k = { .nin = 3, .rank = rank, .dtype = BTL_F32, .nresults = 3, .body = body_map };
    int64_t strides[MOST_IN][BTL_MAX_RANK], elems = 1;
    float *data[3], *out[3];
    btl_rng rng = { btl_test_seed() };
    for (int d = 0; d < rank; d++) k.shape[d] = shape[d], elems *= shape[d];
    for (int i = 0; i < 3; i++) {
        int64_t n = 1;
        k.in_rank[i] = rank;
        for (int d = rank - 1; d >= 0; d--) {
            int axis = order[i][d];
            k.in_dims[i][axis] = stretched[i] >> axis & 1 ? 1 : shape[axis];
            strides[i][axis] = n;
            n *= k.in_dims[i][axis];
        }
        data[i] = malloc((size_t)n * sizeof(float) + 1);
        out[i] = malloc((size_t)elems * sizeof(float) + 1);
        for (int64_t j = 0; j < n; j++) data[i][j] = (float)(int)btl_rng_below(&rng, 1000);
    }
    kernel_make(&k);
    BTL_ASSERT_OK(kernel_run(&k, (void **)data, strides, (void **)out, NULL));
    for (int64_t o = 0; o < elems; o++) {
        float v[3];
        for (int i = 0; i < 3; i++) {
            int64_t rest = o, at = 0;
            for (int d = rank - 1; d >= 0; d--) {
                if (k.in_dims[i][d] != 1) at += rest % shape[d] * strides[i][d];
                rest /= shape[d];
            }
            v[i] = data[i][at];
        }
        if (out[0][o] != v[0] * v[1] + v[2] || out[1][o] != v[0] || out[2][o] != 3)
            BTL_FAIL("element %lld of %lld: %g * %g + %g is not %g", (long long)o, (long long)elems,
                     (double)v[0], (double)v[1], (double)v[2], (double)out[0][o]);
    }
    for (int i = 0; i < 3; i++) free(data[i]), free(out[i]);
    btl_graph_free(k.g);
}

BTL_TEST(operands_of_every_layout_are_read_right) {
    static const int64_t shapes[][4] = { { 2, 3, 4, 5 },   { 1, 1, 1, 1 },   { 1, 1, 40, 30 },
                                         { 3, 1, 1, 700 }, { 700, 1, 1, 3 }, { 5, 6, 0, 2 },
                                         { 2, 300, 3, 2 }, { 1, 2, 513, 2 }, { 2, 2, 1, 512 } };
    static int orders[][4] = { { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 0, 3, 2 }, { 2, 3, 0, 1 } };
    for (int s = 0; s < (int)(sizeof shapes / sizeof *shapes); s++)
        for (unsigned stretch = 0; stretch < 16; stretch++)
            for (int o = 0; o < 4; o++) {
                int order[3][4];
                memcpy(order[0], orders[0], sizeof order[0]);
                memcpy(order[1], orders[o], sizeof order[1]);
                memcpy(order[2], orders[(o + 1) % 4], sizeof order[2]);
                expect_map(4, shapes[s], (unsigned[]){ 0, stretch, 15 & ~stretch }, order);
            }
}

BTL_TEST(zero_dimensional_kernels_run) {
    kernel k = { .nin = 3, .rank = 0, .dtype = BTL_F64, .body = body_map };
    double a = 2, b = 3, c = 4, out = 0;
    int64_t strides[3][BTL_MAX_RANK] = { { 0 } };
    kernel_make(&k);
    BTL_ASSERT_OK(kernel_run(&k, (void *[]){ &a, &b, &c }, strides, (void *[]){ &out }, NULL));
    assert_true(out == 10);
    btl_graph_free(k.g);
}

BTL_TEST(an_output_may_lie_in_the_memory_of_an_operand_that_is_read_no_more) {
    kernel k = { .nin = 3,
                 .rank = 1,
                 .dtype = BTL_F32,
                 .shape = { 1000 },
                 .in_rank = { 1, 1, 1 },
                 .nresults = 2,
                 .in_dims = { { 1000 }, { 1000 }, { 1000 } },
                 .body = body_map };
    static float x[3][1000], copy[1000];
    int64_t strides[3][BTL_MAX_RANK] = { { 1 }, { 1 }, { 1 } };
    for (int i = 0; i < 3000; i++) (&x[0][0])[i] = (float)i;
    kernel_make(&k);
    assert_false(btl_strips_may_overwrite(k.program, 0,
                                          0)); /* result 1 copies it after result 0 is written */
    assert_true(btl_strips_may_overwrite(k.program, 0, 2));
    BTL_ASSERT_OK(
        kernel_run(&k, (void *[]){ x[0], x[1], x[2] }, strides, (void *[]){ x[2], copy }, NULL));
    for (int i = 0; i < 1000; i++)
        assert_true(x[2][i] == (float)i * (float)(1000 + i) + (float)(2000 + i));
    btl_graph_free(k.g);
}

static btl_var *body_tanh(btl_graph *g, btl_var **p, int result) {
    (void)result;
    return body_apply(g, &btl_op_tanh, body_apply(g, &btl_op_mul, p[0], p[0]), NULL);
}

BTL_TEST(halves_are_computed_in_f32_and_rounded_after_each_op) {
    kernel k = { .nin = 1,
                 .rank = 1,
                 .dtype = BTL_F16,
                 .shape = { 600 },
                 .in_rank = { 1 },
                 .in_dims = { { 600 } },
                 .body = body_tanh };
    uint16_t x[600], y[600];
    int64_t strides[1][BTL_MAX_RANK] = { { 1 } };
    for (int i = 0; i < 600; i++) x[i] = btl_half_from_f32((float)(i - 300) / 150);
    kernel_make(&k);
    BTL_ASSERT_OK(kernel_run(&k, (void *[]){ x }, strides, (void *[]){ y }, NULL));
    for (int i = 0; i < 600; i++) {
        double v = (double)btl_half_to_f32(x[i]),
               want = tanh((double)btl_half_to_f32(btl_half_from_f64(v * v)));
        int apart = abs((int)y[i] - (int)btl_half_from_f64(want));
        assert_true(apart <= 1);
    }
    btl_graph_free(k.g);
}

BTL_TEST(every_elementwise_op_has_a_kernel_for_every_type_it_takes) {
    for (int i = 0; btl_ops[i]; i++) {
        const btl_elem *e = btl_ops[i]->elem;
        for (int d = 0; e && d < BTL_NDTYPES; d++) {
            char kind = btl_dtype_kind((btl_dtype)d);
            const char *code = kind == 'b'   ? e->code_bool
                               : kind == 'i' ? e->code_signed
                               : kind == 'u' ? e->code_unsigned
                                             : e->code_float;
            btl_dtype computed = d == BTL_F16 || d == BTL_BF16 ? BTL_F32 : (btl_dtype)d;
            if (code &&
                !btl_strips_find(btl_ops[i]->name, computed, e->to_bool ? BTL_BOOL : computed))
                BTL_FAIL("%s has no kernel for %s", btl_ops[i]->name, btl_dtype_name(computed));
        }
    }
}

BTL_TEST_MAIN(cmocka_unit_test(a_whole_array_is_reduced_in_the_defined_order),
              cmocka_unit_test(rows_and_columns_are_reduced_in_the_same_order),
              cmocka_unit_test(axes_in_the_middle_and_several_axes_are_reduced_in_the_same_order),
              cmocka_unit_test(a_product_with_a_stretched_operand_is_reduced_without_storing_it),
              cmocka_unit_test(nothing_sums_to_zero_multiplies_to_one_and_has_no_maximum),
              cmocka_unit_test(a_sum_of_minus_zero_is_minus_zero_and_nan_is_kept),
              cmocka_unit_test(operands_of_every_layout_are_read_right),
              cmocka_unit_test(zero_dimensional_kernels_run),
              cmocka_unit_test(an_output_may_lie_in_the_memory_of_an_operand_that_is_read_no_more),
              cmocka_unit_test(halves_are_computed_in_f32_and_rounded_after_each_op),
              cmocka_unit_test(every_elementwise_op_has_a_kernel_for_every_type_it_takes))
