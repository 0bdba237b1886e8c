/* verify_test.c - verify_grad: right gradients pass, wrong ones are found and named, NaN is never
 * right; and it is the referee for compositions of ops, in both its ways.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/grad.h"
#include "bitale/ops.h"
#include "expr/op.h"

#include <math.h>
#include <string.h>

enum { ROWS = 3, COLS = 4, N = ROWS * COLS };

typedef struct bench { btl_context *ctx; btl_graph *g; btl_var *x, *w; btl_dtype dtype; } bench;

static bench bench_new(btl_dtype dtype) {
    bench b = { .dtype = dtype };
    BTL_ASSERT_OK(btl_context_new(NULL, &b.ctx));
    BTL_ASSERT_OK(btl_graph_new(b.ctx, &b.g));
    b.x = btl_input(b.g, "x", dtype == BTL_F64 ? "f64[n, 4]" : dtype == BTL_F32 ? "f32[n, 4]" : "f16[n, 4]");
    b.w = btl_input(b.g, "w", dtype == BTL_F64 ? "f64[4]" : dtype == BTL_F32 ? "f32[4]" : "f16[4]");
    return b;
}

static void bench_free(bench *b) {
    btl_graph_free(b->g);
    btl_context_free(b->ctx);
}

static btl_status verify(bench *b, btl_var *y, bool every, btl_error *err) {
    double x[N], w[COLS];
    btl_rng r = { btl_test_seed() };
    for (int i = 0; i < N; i++) x[i] = btl_rng_uniform(&r, 0.3, 1.7);
    for (int i = 0; i < COLS; i++) w[i] = btl_rng_uniform(&r, -1, 1);
    btl_var *inputs[2] = { b->x, b->w };
    int64_t xs[2] = { ROWS, COLS }, ws[1] = { COLS };
    btl_array at[2] = { btl_array_wrap(BTL_F64, 2, xs, x), btl_array_wrap(BTL_F64, 1, ws, w) };
    btl_verify_options o = { .every_coordinate = every };
    if (!y) BTL_FAIL("%s", btl_graph_messages(b->g));
    return btl_verify_grad(b->g, y, 2, inputs, at, &o, err);
}

static void expect_right(bench *b, btl_var *y, const char *what) {
    for (int every = 0; every < 2; every++) {
        btl_error err = { 0 };
        if (verify(b, y, every, &err) != BTL_OK) BTL_FAIL("%s: %s", what, err.message);
    }
}

/* ---- compositions ------------------------------------------------------------------------- */

#define COMPOSITIONS(X)                                                                           \
    X(btl_mul(g, btl_tanh(g, x), w))                                                              \
    X(btl_softmax(g, btl_mul(g, x, w), 1))                                                        \
    X(btl_log(g, btl_softmax(g, btl_mul(g, x, w), -1)))                                           \
    X(btl_logsumexp(g, btl_sub(g, x, w), BTL_AXES(1), false))                                     \
    X(btl_log(g, btl_sum(g, btl_exp(g, btl_mul(g, x, w)), BTL_AXES(0), true)))                    \
    X(btl_log(g, btl_sub(g, btl_number(g, 1), btl_sigmoid(g, btl_mul(g, x, w)))))                 \
    X(btl_mean(g, btl_sqr(g, btl_sub(g, x, w)), BTL_ALL_AXES, false))                             \
    X(btl_div(g, btl_sub(g, x, btl_mean(g, x, BTL_AXES(1), true)),                                \
              btl_sqrt(g, btl_add(g, variance(g, x), btl_number(g, 0.01)))))                    \
    X(btl_pow(g, x, w))                                                                           \
    X(btl_where(g, btl_gt(g, x, btl_number(g, 1)), btl_exp(g, x), btl_mul(g, x, w)))              \
    X(btl_erf(g, btl_add(g, flat(g, x), btl_sum(g, w, BTL_ALL_AXES, false))))         \
    X(btl_div(g, btl_exp(g, x), btl_add(g, btl_number(g, 1), btl_exp(g, btl_mul(g, x, w)))))      \
    X(btl_max(g, btl_mul(g, x, w), BTL_AXES(0), false))                                           \
    X(btl_prod(g, btl_add(g, x, w), BTL_AXES(1), false))

static btl_var *flat(btl_graph *g, btl_var *x) {
    return btl_reshape(g, x, 1, (const int64_t[]){ -1 });
}

static btl_var *variance(btl_graph *g, btl_var *x) {
    return btl_mean(g, btl_sqr(g, btl_sub(g, x, btl_mean(g, x, BTL_AXES(1), true))), BTL_AXES(1), true);
}

BTL_TEST(gradients_of_compositions_agree_with_finite_differences) {
    for (int narrow = 0; narrow < 2; narrow++) {
        bench b = bench_new(narrow ? BTL_F32 : BTL_F64);
        btl_graph *g = b.g;
        btl_var *x = b.x, *w = b.w;
#define EXPECT_RIGHT(y) expect_right(&b, y, #y);
        COMPOSITIONS(EXPECT_RIGHT)
        bench_free(&b);
    }
}

BTL_TEST(a_gradient_may_be_verified_in_f16) {
    bench b = bench_new(BTL_F16);
    expect_right(&b, btl_tanh(b.g, btl_mul(b.g, b.x, b.w)), "f16");
    bench_free(&b);
}

/* The derivative of a derivative, by the same referee. */
BTL_TEST(second_derivatives_agree_with_finite_differences) {
    bench b = bench_new(BTL_F64);
    btl_var *wrt[2] = { b.x, b.w }, *d[2];
    btl_var *cost = btl_sum(b.g, btl_log(b.g, btl_softmax(b.g, btl_tanh(b.g, btl_mul(b.g, b.x, b.w)), 1)), BTL_ALL_AXES, false);
    BTL_ASSERT_OK(btl_grad(b.g, cost, 2, wrt, BTL_DISCONNECTED_ERROR, d));
    expect_right(&b, d[0], "gradient by x");
    expect_right(&b, d[1], "gradient by w");
    bench_free(&b);
}

/* ---- what must be found ------------------------------------------------------------------- */

/* d tanh = 1 - y^2; here 1 - y. */
static btl_status wrong_vjp(btl_vjp *v) {
    v->din[0] = (btl_mul)(v->g, v->dout[0], (btl_sub)(v->g, btl_number(v->g, 1), v->out[0]));
    return v->din[0] ? BTL_OK : BTL_EGRAD;
}

BTL_TEST(a_wrong_derivative_is_found_and_the_message_names_coordinate_and_numbers) {
    btl_op wrong = *btl_op_find("tanh", 4);
    wrong.vjp = wrong_vjp;
    for (int every = 0; every < 2; every++) {
        bench b = bench_new(BTL_F64);
        btl_node *n = btl_apply(b.g, &wrong, 1, &b.x, NULL);
        btl_error err = { 0 };
        BTL_ASSERT_STATUS(verify(&b, btl_mul(b.g, n->out, b.w), every, &err), BTL_ECHECK);
        BTL_ASSERT_CONTAINS(err.message, "by x[");
        BTL_ASSERT_CONTAINS(err.message, "in f64");
        BTL_ASSERT_CONTAINS(err.message, "relative error");
        bench_free(&b);
    }
}

/* stop_gradient lies on purpose: the differences see the dependence. */
BTL_TEST(a_missing_dependence_is_found) {
    bench b = bench_new(BTL_F64);
    btl_error err = { 0 };
    BTL_ASSERT_STATUS(verify(&b, btl_mul(b.g, btl_stop_gradient(b.g, b.x), b.w), false, &err), BTL_ECHECK);
    bench_free(&b);
}

BTL_TEST(a_gradient_that_is_nan_is_not_right) {
    bench b = bench_new(BTL_F64);
    btl_error err = { 0 };
    btl_var *zero = btl_mul(b.g, b.x, btl_number(b.g, 0));
    BTL_ASSERT_STATUS(verify(&b, btl_mul(b.g, btl_sqrt(b.g, zero), b.w), false, &err), BTL_ECHECK);
    bench_free(&b);
}

/* With its own f32 rounding errors c(x+e) - c(x-e) of this sum would be wrong by far more than 1e-4. */
BTL_TEST(differences_of_an_f32_graph_are_taken_in_f64) {
    bench b = bench_new(BTL_F32);
    btl_var *y = btl_add(b.g, btl_mul(b.g, b.x, b.w), btl_number(b.g, 1e6));
    double x[N], w[COLS] = { 0 };
    for (int i = 0; i < N; i++) x[i] = 1;
    btl_var *inputs[2] = { b.x, b.w };
    int64_t xs[2] = { ROWS, COLS }, ws[1] = { COLS };
    btl_array at[2] = { btl_array_wrap(BTL_F64, 2, xs, x), btl_array_wrap(BTL_F64, 1, ws, w) };
    btl_verify_options o = { .abs_tol = 1e-4, .rel_tol = 1e-4 };
    btl_error err = { 0 };
    if (btl_verify_grad(b.g, y, 2, inputs, at, &o, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    bench_free(&b);
}

static btl_status verify_without_memory(btl_context *ctx, void *arg) {
    (void)arg;
    btl_graph *g;
    btl_status status = btl_graph_new(ctx, &g);
    if (status != BTL_OK) return status;
    btl_var *x = btl_input(g, "x", "f32[n]"), *y = btl_tanh(g, x);
    double at[2] = { 0.5, 1 };
    int64_t shape[1] = { 2 };
    btl_array value = btl_array_wrap(BTL_F64, 1, shape, at);
    status = btl_verify_grad(g, y, 1, &x, &value, NULL, NULL);
    btl_graph_free(g);
    return status;
}

BTL_TEST(memory_that_runs_out_anywhere_in_verify_grad_leaks_nothing) {
    assert_true(BTL_ASSERT_SURVIVES_ENOMEM(verify_without_memory, NULL) > 3);
}

BTL_TEST_MAIN(cmocka_unit_test(gradients_of_compositions_agree_with_finite_differences),
              cmocka_unit_test(a_gradient_may_be_verified_in_f16),
              cmocka_unit_test(second_derivatives_agree_with_finite_differences),
              cmocka_unit_test(a_wrong_derivative_is_found_and_the_message_names_coordinate_and_numbers),
              cmocka_unit_test(a_missing_dependence_is_found),
              cmocka_unit_test(a_gradient_that_is_nan_is_not_right),
              cmocka_unit_test(differences_of_an_f32_graph_are_taken_in_f64),
              cmocka_unit_test(memory_that_runs_out_anywhere_in_verify_grad_leaks_nothing))
