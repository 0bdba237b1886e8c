/* reduce_test.c - reductions, what is made of them, argmax, softmax: values by hand and by identities,
 * NumPy's answers for nothing and for NaN, gradients against differences.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "math_support.h"

#include "expr/operand.h"
#include "ops/helpers.h"

extern const btl_op btl_op_argmax, btl_op_argmin, btl_op_sum;

#define GRID VALUES(1, 2, 3, 4, 5, 6) /* as [2, 3] */

BTL_TEST(sums_and_products_go_over_the_axes_that_are_named) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F32, SHAPE(2, 3), GRID);
    EXPECT(&b, btl_sum(b.g, x, BTL_ALL_AXES, false), 0, 21);
    EXPECT(&b, btl_sum(b.g, x, BTL_AXES(0), false), 0, 5, 7, 9);
    EXPECT(&b, btl_sum(b.g, x, BTL_AXES(-1), false), 0, 6, 15);
    EXPECT(&b, btl_sum(b.g, x, BTL_AXES(1, 0), false), 0, 21);
    EXPECT(&b, btl_prod(b.g, x, BTL_AXES(1), true), 0, 6, 120);
    EXPECT(&b, btl_sum(b.g, x, 0, NULL, false), 0, 1, 2, 3, 4, 5, 6);
    EXPECT_TYPE(&b, btl_sum(b.g, x, BTL_ALL_AXES, false), "f32");
    EXPECT_TYPE(&b, btl_sum(b.g, x, BTL_ALL_AXES, true), "f32[1, 1]");
    EXPECT_TYPE(&b, btl_sum(b.g, x, BTL_AXES(-2), true), "f32[1, 3]");
    EXPECT_TYPE(&b, btl_max(b.g, x, BTL_AXES(0), false), "f32[3]");
    bench_free(&b);
}

BTL_TEST(integers_are_summed_in_64_bits_and_floats_keep_their_type) {
    static const struct { btl_dtype dtype; const char *sum, *mean, *max; } rows[] = {
        { BTL_BOOL, "i64", "f64", "bool" }, { BTL_I8, "i64", "f64", "i8" }, { BTL_I64, "i64", "f64", "i64" },
        { BTL_U8, "u64", "f64", "u8" }, { BTL_U32, "u64", "f64", "u32" }, { BTL_F16, "f16", "f16", "f16" },
        { BTL_BF16, "bf16", "bf16", "bf16" }, { BTL_F32, "f32", "f32", "f32" }, { BTL_F64, "f64", "f64", "f64" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bench b = bench_new();
        btl_var *x = bench_input(&b, rows[i].dtype, SHAPE(3), VALUES(1, 1, 0));
        EXPECT_TYPE(&b, btl_sum(b.g, x, BTL_ALL_AXES, false), rows[i].sum);
        EXPECT_TYPE(&b, btl_prod(b.g, x, BTL_ALL_AXES, false), rows[i].sum);
        EXPECT_TYPE(&b, btl_mean(b.g, x, BTL_ALL_AXES, false), rows[i].mean);
        EXPECT_TYPE(&b, btl_std(b.g, x, BTL_ALL_AXES, false, 0), rows[i].mean);
        EXPECT_TYPE(&b, btl_max(b.g, x, BTL_ALL_AXES, false), rows[i].max);
        EXPECT_TYPE(&b, btl_any(b.g, x, BTL_ALL_AXES, false), "bool");
        EXPECT_TYPE(&b, btl_argmax(b.g, x, BTL_ALL_AXES, false), "i64");
        EXPECT(&b, btl_sum(b.g, x, BTL_ALL_AXES, false), 0, 2);
        EXPECT(&b, btl_max(b.g, x, BTL_ALL_AXES, false), 0, 1);
        EXPECT(&b, btl_min(b.g, x, BTL_ALL_AXES, false), 0, 0.0);
        EXPECT(&b, btl_count_nonzero(b.g, x, BTL_ALL_AXES, false), 0, 2);
        bench_free(&b);
    }
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_I8, SHAPE(3), VALUES(100, 100, 100));
    EXPECT(&b, btl_sum(b.g, x, BTL_ALL_AXES, false), 0, 300);
    EXPECT(&b, btl_prod(b.g, x, BTL_ALL_AXES, false), 0, 1e6);
    bench_free(&b);
}

BTL_TEST(halves_are_summed_in_f32) {
    bench b = bench_new();
    double ones[200], big[3] = { 60000, 60000, -60000 };
    for (int i = 0; i < 200; i++) ones[i] = i ? 1 : 2048; /* in f16 2048 + 1 is 2048 */
    btl_var *x = bench_input(&b, BTL_F16, SHAPE(200), ones), *y = bench_input(&b, BTL_F16, SHAPE(3), big);
    EXPECT(&b, btl_sum(b.g, x, BTL_ALL_AXES, false), 0, 2248); /* 2247, rounded to f16 */
    EXPECT(&b, btl_sum(b.g, y, BTL_ALL_AXES, false), 0, 60000);
    EXPECT(&b, btl_mean(b.g, y, BTL_ALL_AXES, false), 0, 20000);
    bench_free(&b);
}

BTL_TEST(nothing_sums_to_zero_and_has_no_largest) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F32, SHAPE(0, 2), NULL);
    EXPECT(&b, btl_sum(b.g, x, BTL_ALL_AXES, false), 0, 0.0);
    EXPECT(&b, btl_sum(b.g, x, BTL_AXES(0), false), 0, 0.0, 0.0);
    EXPECT(&b, btl_prod(b.g, x, BTL_ALL_AXES, false), 0, 1);
    EXPECT(&b, btl_any(b.g, x, BTL_ALL_AXES, false), 0, 0.0);
    EXPECT(&b, btl_all(b.g, x, BTL_ALL_AXES, false), 0, 1);
    EXPECT(&b, btl_mean(b.g, x, BTL_AXES(0), false), 0, NAN, NAN);
    btl_var *const none[] = { btl_max(b.g, x, BTL_AXES(0), false), btl_min(b.g, x, BTL_ALL_AXES, false),
                              btl_argmax(b.g, x, BTL_AXES(0), false), btl_argmin(b.g, x, BTL_ALL_AXES, false) };
    for (int i = 0; i < 4; i++) {
        btl_array result;
        btl_error err = { 0 };
        BTL_ASSERT_STATUS(btl_graph_eval(b.g, b.n, b.vars, b.arrays, NULL, 1, &none[i], &result, &err), BTL_EVALUE);
        BTL_ASSERT_CONTAINS(err.message, "empty");
    }
    btl_array empty = bench_eval(&b, btl_max(b.g, x, BTL_AXES(1), false)); /* no results, hence no mistake */
    assert_int_equal(btl_array_elems(&empty), 0);
    btl_array_free(&empty);
    bench_free(&b);
}

BTL_TEST(nan_goes_through_every_reduction) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F32, SHAPE(2, 3), VALUES(1, NAN, 3, 4, 5, -INFINITY));
    EXPECT(&b, btl_sum(b.g, x, BTL_AXES(1), false), 0, NAN, -INFINITY);
    EXPECT(&b, btl_max(b.g, x, BTL_AXES(1), false), 0, NAN, 5);
    EXPECT(&b, btl_min(b.g, x, BTL_AXES(1), false), 0, NAN, -INFINITY);
    EXPECT(&b, btl_max(b.g, x, BTL_AXES(0), false), 0, 4, NAN, 3);
    EXPECT(&b, btl_mean(b.g, x, BTL_AXES(1), false), 0, NAN, -INFINITY);
    EXPECT(&b, btl_any(b.g, btl_isnan(b.g, x), BTL_AXES(1), false), 0, 1, 0.0);
    EXPECT(&b, btl_all(b.g, x, BTL_ALL_AXES, false), 0, 1);
    EXPECT(&b, btl_argmax(b.g, x, BTL_AXES(1), false), 0, 1, 1);
    EXPECT(&b, btl_argmin(b.g, x, BTL_AXES(1), false), 0, 1, 2);
    bench_free(&b);
}

BTL_TEST(axes_that_are_wrong_are_refused_with_a_hint) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F32, SHAPE(2, 3), GRID), *v = btl_sum(b.g, x, BTL_AXES(2), false);
    EXPECT_MISTAKE(&b, v, BTL_ESHAPE, "sum: axis 2 is outside an operand of rank 2");
    BTL_ASSERT_CONTAINS(btl_graph_messages(b.g), "-2 … 1");
    bench_free(&b);
    b = bench_new();
    x = bench_input(&b, BTL_F32, SHAPE(2, 3), GRID), v = btl_mean(b.g, x, BTL_AXES(1, -1), false);
    EXPECT_MISTAKE(&b, v, BTL_EVALUE, "mean: axis -1 is given twice");
    bench_free(&b);
    b = bench_new();
    x = bench_input(&b, BTL_F32, SHAPE(2, 3), GRID), v = btl_argmax(b.g, x, BTL_AXES(0, 1), false);
    EXPECT_MISTAKE(&b, v, BTL_EVALUE, "argmax: takes one axis or none, 2 given");
    bench_free(&b);
    b = bench_new();
    x = bench_input(&b, BTL_F32, SCALAR, GRID), v = btl_softmax(b.g, x, -1);
    EXPECT_MISTAKE(&b, v, BTL_ESHAPE, "softmax: axis -1 is outside an operand of rank 0");
    bench_free(&b);
}

BTL_TEST(moments_and_norms_have_their_closed_forms) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F64, SHAPE(2, 3), GRID), *y = bench_input(&b, BTL_I32, SHAPE(4), VALUES(3, -4, 0, 12));
    EXPECT(&b, btl_mean(b.g, x, BTL_AXES(0), false), 1e-15, 2.5, 3.5, 4.5);
    EXPECT(&b, btl_variance(b.g, x, BTL_ALL_AXES, false, 0), 1e-15, 35.0 / 12); /* (n^2 - 1) / 12 of 1 … n */
    EXPECT(&b, btl_variance(b.g, x, BTL_ALL_AXES, false, 1), 1e-15, 3.5);       /* n (n + 1) / 12 */
    EXPECT(&b, btl_std(b.g, x, BTL_AXES(1), true, 0), 1e-15, sqrt(2.0 / 3), sqrt(2.0 / 3));
    EXPECT(&b, btl_variance(b.g, x, BTL_AXES(0), false, 2), 0, INFINITY, INFINITY, INFINITY); /* n - ddof = 0 */
    EXPECT(&b, btl_norm(b.g, y, BTL_ALL_AXES, false, 2), 1e-15, 13);
    EXPECT(&b, btl_norm(b.g, y, BTL_ALL_AXES, false, 1), 1e-15, 19);
    EXPECT(&b, btl_norm(b.g, y, BTL_ALL_AXES, false, INFINITY), 1e-15, 12);
    EXPECT(&b, btl_norm(b.g, y, BTL_ALL_AXES, false, -INFINITY), 1e-15, 0.0);
    EXPECT(&b, btl_norm(b.g, y, BTL_ALL_AXES, false, 0), 1e-15, 3);
    EXPECT(&b, btl_norm(b.g, y, BTL_ALL_AXES, false, 3), 1e-14, cbrt(27 + 64 + 1728));
    EXPECT(&b, btl_ptp(b.g, y, BTL_ALL_AXES, false), 0, 16);
    bench_free(&b);
}

BTL_TEST(the_variance_of_values_far_from_zero_keeps_its_digits) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F64, SHAPE(4), VALUES(1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16));
    EXPECT(&b, btl_variance(b.g, x, BTL_ALL_AXES, false, 1), 1e-14, 30); /* Chan, Golub & LeVeque's example */
    bench_free(&b);
}

/* ---- argmax ------------------------------------------------------------------------------ */

BTL_TEST(argmax_takes_the_first_of_equals_and_the_first_nan) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F32, SHAPE(2, 3), VALUES(3, 7, 7, 2, 2, 1)), *y = bench_input(&b, BTL_F64, SHAPE(4), VALUES(1, NAN, INFINITY, NAN));
    EXPECT(&b, btl_argmax(b.g, x, BTL_AXES(1), false), 0, 1, 0.0);
    EXPECT(&b, btl_argmin(b.g, x, BTL_AXES(0), false), 0, 1, 1, 1);
    EXPECT(&b, btl_argmax(b.g, x, BTL_ALL_AXES, false), 0, 1);
    EXPECT(&b, btl_argmin(b.g, x, BTL_ALL_AXES, false), 0, 5);
    EXPECT_TYPE(&b, btl_argmax(b.g, x, BTL_ALL_AXES, true), "i64[1, 1]");
    EXPECT(&b, btl_argmax(b.g, y, BTL_ALL_AXES, false), 0, 1);
    EXPECT(&b, btl_argmin(b.g, y, BTL_AXES(0), false), 0, 1);
    bench_free(&b);
}

/* Runs the op's kernel and its reference on the same operand, which may be strided or reversed. */
static void compare_argreduce(const btl_op *op, btl_operand x, int axis) {
    int64_t out_dims[3], out_strides[3], got[64], want[64];
    int rank = 0;
    for (int i = 0; i < x.rank; i++)
        if (axis >= 0 && i != axis) out_dims[rank++] = x.dims[i];
    btl_strides_row_major(rank, out_dims, out_strides);
    btl_operand out = { (char *)got, BTL_I64, rank, out_dims, out_strides };
    btl_node node = { .op = op };
    btl_param params[2] = { { .axes = { axis < 0 ? -1 : 1, &axis } }, { .i = 0 } };
    node.params = params;
    btl_exec e = { .node = &node, .params = params, .nin = 1, .nout = 1, .in = &x, .out = &out };
    BTL_ASSERT_OK(op->kernel(&e));
    out.data = (char *)want;
    BTL_ASSERT_OK(op->eval(&e));
    for (int64_t i = 0; i < btl_operand_elems(&out); i++) assert_int_equal(got[i], want[i]);
}

BTL_TEST(the_kernels_of_argmax_agree_with_the_reference_on_any_strides) {
    btl_rng rng = { btl_test_seed() };
    for (int round = 0; round < 50; round++) {
        float f[60];
        int64_t i[60];
        for (int k = 0; k < 60; k++) {
            f[k] = (float)btl_rng_below(&rng, 9) - 4;
            if (btl_rng_below(&rng, 40) == 0) f[k] = (float)NAN;
            i[k] = (int64_t)btl_rng_below(&rng, 9) - 4;
        }
        int64_t dims[3] = { 3, 4, 5 }, plain[3] = { 20, 5, 1 }, reversed[3] = { -20, 1, -4 };
        for (int axis = -1; axis < 3; axis++) {
            compare_argreduce(&btl_op_argmax, (btl_operand){ (char *)f, BTL_F32, 3, dims, plain }, axis);
            compare_argreduce(&btl_op_argmin, (btl_operand){ (char *)f, BTL_F32, 3, dims, plain }, axis);
            compare_argreduce(&btl_op_argmax, (btl_operand){ (char *)(f + 56), BTL_F32, 3, dims, reversed }, axis);
            compare_argreduce(&btl_op_argmin, (btl_operand){ (char *)(i + 56), BTL_I64, 3, dims, reversed }, axis);
            compare_argreduce(&btl_op_argmax, (btl_operand){ (char *)i, BTL_U16, 3, dims, plain }, axis);
        }
    }
}

/* ---- softmax ----------------------------------------------------------------------------- */

BTL_TEST(softmax_rows_sum_to_one_and_survive_large_inputs) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F64, SHAPE(2, 3), VALUES(1, 2, 3, 1001, 1002, 1003));
    double y[6], e = exp(1), total = 1 + e + e * e;
    bench_doubles(&b, btl_softmax(b.g, x, -1), y, 6);
    BTL_ASSERT_NEAR(y[0] + y[1] + y[2], 1, 1e-15);
    for (int i = 0; i < 3; i++) BTL_ASSERT_NEAR(y[i], y[3 + i], 1e-15); /* a shift changes nothing */
    BTL_ASSERT_NEAR(y[0], 1 / total, 1e-15);
    EXPECT(&b, btl_softmax(b.g, x, 0), 1e-15, 0.0, 0.0, 0.0, 1, 1, 1); /* exp(-1000) is 0 */
    EXPECT(&b, btl_log_softmax(b.g, x, 1), 1e-14, -log(total), 1 - log(total), 2 - log(total), -log(total),
           1 - log(total), 2 - log(total));
    EXPECT(&b, btl_logsumexp(b.g, x, BTL_AXES(1), false), 1e-14, 1 + log(total), 1001 + log(total));
    EXPECT(&b, btl_logsumexp(b.g, x, BTL_ALL_AXES, true), 1e-14, 1001 + log(total));
    EXPECT_TYPE(&b, btl_logsumexp(b.g, x, BTL_AXES(0), true), "f64[1, 3]");
    bench_free(&b);
}

BTL_TEST(softmax_of_nothing_and_of_infinities_means_something) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F32, SHAPE(3, 2), VALUES(-INFINITY, -INFINITY, -INFINITY, 5, INFINITY, 1));
    btl_var *empty = bench_input(&b, BTL_F32, SHAPE(0, 4), NULL), *one = bench_input(&b, BTL_F16, SHAPE(1), VALUES(-7));
    EXPECT(&b, btl_logsumexp(b.g, x, BTL_AXES(1), false), 0, -INFINITY, 5, INFINITY);
    EXPECT(&b, btl_softmax(b.g, one, 0), 0, 1);
    EXPECT(&b, btl_log_softmax(b.g, one, 0), 0, 0.0);
    btl_array y = bench_eval(&b, btl_softmax(b.g, empty, -1));
    assert_int_equal(btl_array_elems(&y), 0);
    btl_array_free(&y);
    double got[6];
    bench_doubles(&b, btl_softmax(b.g, x, 1), got, 6);
    assert_true(got[2] == 0 && got[3] == 1);
    bench_free(&b);
}

BTL_TEST(softmax_of_integers_is_f64_and_of_halves_is_computed_in_f32) {
    bench b = bench_new();
    double x[64], y[64], sum = 0;
    for (int i = 0; i < 64; i++) x[i] = 0.01 * i;
    btl_var *h = bench_input(&b, BTL_F16, SHAPE(64), x), *i = bench_input(&b, BTL_I32, SHAPE(2), VALUES(0, 0));
    EXPECT_TYPE(&b, btl_softmax(b.g, i, 0), "f64[2]");
    EXPECT_TYPE(&b, btl_logsumexp(b.g, i, BTL_ALL_AXES, false), "f64");
    EXPECT(&b, btl_softmax(b.g, i, 0), 0, 0.5, 0.5);
    EXPECT_TYPE(&b, btl_softmax(b.g, h, 0), "f16[64]");
    bench_doubles(&b, btl_softmax(b.g, h, 0), y, 64);
    for (int k = 0; k < 64; k++) sum += y[k];
    BTL_ASSERT_NEAR(sum, 1, 0x1p-11); /* each within half an ulp of f16 */
    bench_free(&b);
}

/* ---- gradients --------------------------------------------------------------------------- */

typedef btl_var *(*reducer)(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

static btl_var *std_of(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims) {
    return btl_std(g, x, naxes, axes, keepdims, 1);
}

static btl_var *norm_of(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims) {
    return btl_norm(g, x, naxes, axes, keepdims, 2.5);
}

BTL_TEST(gradients_of_reductions_agree_with_differences_over_any_axes) {
    static const struct { const char *name; reducer reduce; } rows[] = {
        { "sum", (btl_sum) }, { "prod", (btl_prod) }, { "max", (btl_max) }, { "min", (btl_min) }, { "mean", (btl_mean) },
        { "std", std_of }, { "norm", norm_of }, { "logsumexp", (btl_logsumexp) }, { "ptp", (btl_ptp) },
    };
    static const int axes[3] = { 1, 2, 0 };
    btl_rng rng = { btl_test_seed() };
    double x[12];
    for (int k = 0; k < 12; k++) x[k] = btl_rng_uniform(&rng, 0.5, 3);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int naxes = -1; naxes < 4; naxes++) {
            if (naxes == 0 && strcmp(rows[i].name, "std") == 0) continue; /* n - ddof is 0 */
            bench b = bench_new();
            btl_var *v = bench_input(&b, BTL_F64, SHAPE(2, 3, 2), x);
            bench_check_gradient(&b, rows[i].reduce(b.g, v, naxes, axes, naxes == 2), 1, 1e-7, rows[i].name);
            bench_free(&b);
        }
    }
}

BTL_TEST(gradients_of_softmax_agree_with_differences) {
    btl_rng rng = { btl_test_seed() };
    double x[12];
    for (int k = 0; k < 12; k++) x[k] = btl_rng_uniform(&rng, -2, 2);
    for (int axis = 0; axis < 3; axis++) {
        bench b = bench_new();
        btl_var *v = bench_input(&b, BTL_F64, SHAPE(2, 3, 2), x);
        bench_check_gradient(&b, btl_softmax(b.g, v, axis), 1, 1e-8, "softmax");
        bench_free(&b);
        b = bench_new(), v = bench_input(&b, BTL_F64, SHAPE(2, 3, 2), x);
        bench_check_gradient(&b, btl_log_softmax(b.g, v, axis), 1, 1e-8, "log_softmax");
        bench_free(&b);
    }
}

static void expect_gradient(btl_var *(*f)(btl_graph *, btl_var *), int n, const double *x, const double *want) {
    bench b = bench_new();
    double got[8];
    btl_var *grads[BENCH_INPUTS], *v = bench_input(&b, BTL_F64, SHAPE(n), x), *dy = bench_input(&b, BTL_F64, SCALAR, VALUES(1));
    bench_grad(&b, f(b.g, v), dy, grads);
    bench_doubles(&b, grads[0], got, 8);
    for (int i = 0; i < n; i++)
        if (got[i] != want[i]) BTL_FAIL("gradient %d is %g, not %g", i, got[i], want[i]);
    bench_free(&b);
}

static btl_var *prod_all(btl_graph *g, btl_var *x) { return btl_prod(g, x, BTL_ALL_AXES, false); }
static btl_var *max_all(btl_graph *g, btl_var *x) { return btl_max(g, x, BTL_ALL_AXES, false); }
static btl_var *logsumexp_all(btl_graph *g, btl_var *x) { return btl_logsumexp(g, x, BTL_ALL_AXES, false); }

BTL_TEST(gradients_at_zeros_ties_and_infinities_are_the_right_ones) {
    expect_gradient(prod_all, 3, VALUES(2, 0, 5), VALUES(0, 10, 0));
    expect_gradient(prod_all, 3, VALUES(0, 0, 5), VALUES(0, 0, 0));
    expect_gradient(prod_all, 3, VALUES(2, 3, 5), VALUES(15, 10, 6));
    expect_gradient(max_all, 4, VALUES(2, 7, 7, 1), VALUES(0, 1, 1, 0));
    expect_gradient(logsumexp_all, 2, VALUES(-INFINITY, -INFINITY), VALUES(0, 0));
    expect_gradient(logsumexp_all, 2, VALUES(-INFINITY, 3), VALUES(0, 1));
}

typedef struct sum_to_args { bench *b; btl_var *v; const btl_type *type; btl_var *result; } sum_to_args;

static btl_status run_sum_to(void *arg) {
    sum_to_args *a = arg;
    a->result = btl_sum_to(a->b->g, a->v, a->type);
    return a->result ? BTL_OK : BTL_EINTERNAL;
}

static btl_var *sum_to(bench *b, btl_var *v, const btl_type *type) {
    sum_to_args a = { b, v, type, NULL };
    BTL_ASSERT_OK(btl_graph_protect(b->g, run_sum_to, &a));
    return a.result;
}

BTL_TEST(summing_back_undoes_broadcasting) {
    bench b = bench_new();
    btl_var *v = bench_input(&b, BTL_F64, SHAPE(2, 3), GRID), *column = bench_input(&b, BTL_F64, SHAPE(2, 1), VALUES(0, 0));
    btl_var *row = bench_input(&b, BTL_F64, SHAPE(3), VALUES(0, 0, 0)), *one = bench_input(&b, BTL_F64, SHAPE(1), VALUES(0));
    btl_var *scalar = bench_input(&b, BTL_F64, SCALAR, VALUES(0));
    EXPECT(&b, sum_to(&b, v, &column->type), 0, 6, 15);
    EXPECT_TYPE(&b, sum_to(&b, v, &column->type), "f64[2, 1]");
    EXPECT(&b, sum_to(&b, v, &row->type), 0, 5, 7, 9);
    EXPECT_TYPE(&b, sum_to(&b, v, &one->type), "f64[1]");
    EXPECT(&b, sum_to(&b, v, &one->type), 0, 21);
    EXPECT_TYPE(&b, sum_to(&b, v, &scalar->type), "f64");
    assert_ptr_equal(sum_to(&b, v, &v->type), v);
    bench_free(&b);
}

BTL_TEST(cross_entropies_are_what_their_formulas_say) {
    bench b = bench_new();
    btl_var *p = bench_input(&b, BTL_F64, SHAPE(2, 2), VALUES(0.25, 0.75, 0.5, 0.5)), *t = bench_input(&b, BTL_F64, SHAPE(2, 2), VALUES(0, 1, 0.5, 0.5));
    btl_var *c = bench_input(&b, BTL_I32, SHAPE(2), VALUES(1, 0)), *bad = bench_input(&b, BTL_I32, SHAPE(2), VALUES(1, 2));
    EXPECT(&b, btl_categorical_crossentropy(b.g, p, t), 1e-15, -log(0.75), log(2));
    EXPECT(&b, btl_binary_crossentropy(b.g, p, t), 1e-15, -log(0.75), -log(0.75), log(2), log(2));
    if (btl_op_find("advanced_subtensor", 18)) {
        EXPECT(&b, btl_categorical_crossentropy(b.g, p, c), 1e-15, -log(0.75), log(2));
        btl_array result;
        btl_error err = { 0 };
        btl_var *out_of_range = btl_categorical_crossentropy(b.g, p, bad);
        BTL_ASSERT_STATUS(btl_graph_eval(b.g, b.n, b.vars, b.arrays, NULL, 1, &out_of_range, &result, &err), BTL_EINDEX);
    }
    bench_free(&b);
}

static btl_status build_many(btl_context *ctx, void *arg) {
    (void)arg;
    btl_graph *g;
    btl_status status = btl_graph_new(ctx, &g);
    if (status != BTL_OK) return status;
    btl_var *x = btl_input(g, "x", "f16[n, 3]"), *y = btl_input(g, "y", "i32[n, 1]");
    btl_var *v = btl_std(g, btl_add(g, x, y), BTL_AXES(0), true, 1);
    v = btl_mul(g, v, btl_relu(g, btl_softmax(g, x, -1), 0.5));
    v = btl_where(g, btl_lt(g, v, btl_number(g, 2)), v, btl_f64(g, btl_argmax(g, x, BTL_AXES(-1), true)));
    v = btl_logsumexp(g, btl_clip(g, v, btl_integer(g, 0), btl_norm(g, y, BTL_ALL_AXES, false, 3)), BTL_ALL_AXES, false);
    status = v ? BTL_OK : btl_graph_error(g)->status;
    btl_graph_free(g);
    return status;
}

BTL_TEST(building_ops_survives_memory_that_runs_out_anywhere) {
    BTL_ASSERT_SURVIVES_ENOMEM(build_many, NULL);
}

BTL_TEST_MAIN(cmocka_unit_test(sums_and_products_go_over_the_axes_that_are_named),
              cmocka_unit_test(integers_are_summed_in_64_bits_and_floats_keep_their_type),
              cmocka_unit_test(halves_are_summed_in_f32), cmocka_unit_test(nothing_sums_to_zero_and_has_no_largest),
              cmocka_unit_test(nan_goes_through_every_reduction),
              cmocka_unit_test(axes_that_are_wrong_are_refused_with_a_hint),
              cmocka_unit_test(moments_and_norms_have_their_closed_forms),
              cmocka_unit_test(the_variance_of_values_far_from_zero_keeps_its_digits),
              cmocka_unit_test(argmax_takes_the_first_of_equals_and_the_first_nan),
              cmocka_unit_test(the_kernels_of_argmax_agree_with_the_reference_on_any_strides),
              cmocka_unit_test(softmax_rows_sum_to_one_and_survive_large_inputs),
              cmocka_unit_test(softmax_of_nothing_and_of_infinities_means_something),
              cmocka_unit_test(softmax_of_integers_is_f64_and_of_halves_is_computed_in_f32),
              cmocka_unit_test(gradients_of_reductions_agree_with_differences_over_any_axes),
              cmocka_unit_test(gradients_of_softmax_agree_with_differences),
              cmocka_unit_test(gradients_at_zeros_ties_and_infinities_are_the_right_ones),
              cmocka_unit_test(summing_back_undoes_broadcasting),
              cmocka_unit_test(cross_entropies_are_what_their_formulas_say),
              cmocka_unit_test(building_ops_survives_memory_that_runs_out_anywhere))
