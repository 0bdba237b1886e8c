/* reverse_test.c - gradients against closed forms: what is added up, what is not connected, what is
 * refused. The numbers come from calculus.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/grad.h"
#include "bitale/ops.h"
#include "expr/op.h"
#include "grad/reverse.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { N = 4 };
static const double points[N] = { -1.5, -0.25, 0.5, 2 };

typedef struct bench { btl_context *ctx; btl_graph *g; btl_var *x; } bench;

static bench bench_new(void) {
    bench b = { 0 };
    BTL_ASSERT_OK(btl_context_new(NULL, &b.ctx));
    BTL_ASSERT_OK(btl_graph_new(b.ctx, &b.g));
    b.x = btl_input(b.g, "x", "f64[n]");
    return b;
}

static void bench_free(bench *b) {
    btl_graph_free(b->g);
    btl_context_free(b->ctx);
}

static btl_var *total(bench *b, btl_var *v) {
    return btl_sum(b->g, v, -1, NULL, false);
}

static btl_var *gradient(bench *b, btl_var *cost, btl_var *wrt) {
    btl_var *out = NULL;
    btl_status status = btl_grad(b->g, cost, 1, &wrt, BTL_DISCONNECTED_ERROR, &out);
    if (status != BTL_OK) BTL_FAIL("%s", btl_graph_messages(b->g));
    return out;
}

/* The values of v for x = points. */
static void values_at(bench *b, btl_var *v, const double *at, int n, double *out, int nout) {
    int64_t shape[1] = { n };
    btl_array given = btl_array_wrap(BTL_F64, 1, shape, (void *)(uintptr_t)at), result;
    btl_error err = { 0 };
    if (!v) BTL_FAIL("%s", btl_graph_messages(b->g));
    if (btl_graph_eval(b->g, 1, &b->x, &given, NULL, 1, &v, &result, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    assert_int_equal(btl_array_elems(&result), nout);
    int64_t flat[1] = { nout };
    btl_array to = btl_array_wrap(BTL_F64, 1, flat, out);
    result.ndim = 1, result.shape[0] = nout; /* row-major: any shape may be read flat */
    BTL_ASSERT_OK(btl_array_convert(&to, &result));
    btl_array_free(&result);
}

static void values(bench *b, btl_var *v, double *out) {
    values_at(b, v, points, N, out, N);
}

/* ---- sums of products --------------------------------------------------------------------- */

BTL_TEST(gradient_of_x_tanh_x_is_the_product_rule) {
    bench b = bench_new();
    double got[N];
    values(&b, gradient(&b, total(&b, btl_mul(b.g, b.x, btl_tanh(b.g, b.x))), b.x), got);
    for (int i = 0; i < N; i++) {
        double t = tanh(points[i]);
        BTL_ASSERT_NEAR(got[i], t + points[i] * (1 - t * t), 1e-15);
    }
    bench_free(&b);
}

BTL_TEST(gradient_has_the_type_of_its_variable) {
    bench b = bench_new();
    btl_var *w = btl_input(b.g, "w", "f32[3, 1]"), *v = btl_input(b.g, "v", "f64[4]");
    btl_var *d = gradient(&b, total(&b, btl_mul(b.g, btl_exp(b.g, w), v)), w);
    assert_string_equal(btl_var_type(b.g, d), "f32[3, 1]");
    bench_free(&b);
}

BTL_TEST(gradient_of_the_cost_by_itself_is_one) {
    bench b = bench_new();
    btl_var *cost = total(&b, b.x);
    double one;
    values_at(&b, gradient(&b, cost, cost), points, N, &one, 1);
    assert_true(one == 1);
    bench_free(&b);
}

/* x(k+1) = x(k) + x(k): 2^60 paths lead from x to the cost. */
BTL_TEST(shared_subexpressions_are_differentiated_once) {
    enum { DEPTH = 60 };
    bench b = bench_new();
    btl_var *v = b.x;
    for (int k = 0; k < DEPTH; k++) v = btl_add(b.g, v, v);
    btl_var *cost = total(&b, v);
    int before = b.g->nnodes;
    btl_var *d = gradient(&b, cost, b.x);
    assert_in_range(b.g->nnodes - before, DEPTH, 3 * DEPTH);
    double got[N];
    values(&b, d, got);
    for (int i = 0; i < N; i++) assert_true(got[i] == 0x1p60);
    bench_free(&b);
}

BTL_TEST(gradient_by_several_variables_shares_the_backward_pass) {
    bench b = bench_new();
    btl_var *y = btl_input(b.g, "y", "f64[n]"), *wrt[2] = { b.x, y }, *d[2];
    btl_var *cost = total(&b, btl_exp(b.g, btl_mul(b.g, b.x, y)));
    BTL_ASSERT_OK(btl_grad(b.g, cost, 2, wrt, BTL_DISCONNECTED_ERROR, d));
    double at[2][N];
    int64_t shape[1] = { N };
    btl_var *given_vars[2] = { b.x, y };
    btl_array given[2] = { btl_array_wrap(BTL_F64, 1, shape, (void *)(uintptr_t)points),
                           btl_array_wrap(BTL_F64, 1, shape, (void *)(uintptr_t)points) }, result[2];
    BTL_ASSERT_OK(btl_graph_eval(b.g, 2, given_vars, given, NULL, 2, d, result, NULL));
    for (int k = 0; k < 2; k++) {
        btl_array to = btl_array_wrap(BTL_F64, 1, shape, at[k]);
        BTL_ASSERT_OK(btl_array_copy(&to, &result[k]));
        btl_array_free(&result[k]);
        for (int i = 0; i < N; i++) BTL_ASSERT_ULP(at[k][i], points[i] * exp(points[i] * points[i]), 2);
    }
    bench_free(&b);
}

/* cost = sum(h*h), h = 3x: by h it is 2h, by x 18x. */
BTL_TEST(an_intermediate_variable_is_differentiated_by_as_if_it_were_an_input) {
    bench b = bench_new();
    btl_var *h = btl_mul(b.g, b.x, btl_number(b.g, 3)), *wrt[2] = { b.x, h }, *d[2];
    BTL_ASSERT_OK(btl_grad(b.g, total(&b, btl_mul(b.g, h, h)), 2, wrt, BTL_DISCONNECTED_ERROR, d));
    double got[N];
    values(&b, d[0], got);
    for (int i = 0; i < N; i++) assert_true(got[i] == 18 * points[i]);
    values(&b, d[1], got);
    for (int i = 0; i < N; i++) assert_true(got[i] == 6 * points[i]);
    bench_free(&b);
}

/* ---- higher orders ------------------------------------------------------------------------ */

BTL_TEST(second_and_third_derivative_of_x_to_the_fourth) {
    bench b = bench_new();
    btl_var *d = btl_sqr(b.g, btl_sqr(b.g, b.x));
    double got[N];
    for (int order = 1; order <= 3; order++) {
        d = gradient(&b, total(&b, d), b.x);
        values(&b, d, got);
        for (int i = 0; i < N; i++) {
            double x = points[i], want = order == 1 ? 4 * x * x * x : order == 2 ? 12 * x * x : 24 * x;
            BTL_ASSERT_ULP(got[i], want, 4);
        }
    }
    bench_free(&b);
}

/* f(x) = exp(a . x): the Hessian is f a a^T, so H v = f (a . v) a. */
BTL_TEST(hessian_times_vector_of_an_exponential) {
    bench b = bench_new();
    static const double a[N] = { 0.5, -1, 0.25, 0.125 }, v[N] = { 1, 2, -1, 0.5 };
    btl_var *av = btl_constant(b.g, BTL_TEST_ARRAY(BTL_F64, a, N)), *vv = btl_constant(b.g, BTL_TEST_ARRAY(BTL_F64, v, N));
    btl_var *f = btl_exp(b.g, total(&b, btl_mul(b.g, av, b.x)));
    btl_var *slope = total(&b, btl_mul(b.g, gradient(&b, f, b.x), vv));
    double got[N], ax = 0, avv = 0;
    values(&b, gradient(&b, slope, b.x), got);
    for (int i = 0; i < N; i++) ax += a[i] * points[i], avv += a[i] * v[i];
    for (int i = 0; i < N; i++) BTL_ASSERT_NEAR(got[i], exp(ax) * avv * a[i], 1e-14);
    bench_free(&b);
}

/* ---- what is not connected ---------------------------------------------------------------- */

BTL_TEST(a_variable_that_the_cost_does_not_use_is_an_error_that_names_it) {
    bench b = bench_new();
    btl_var *w = btl_input(b.g, "weights", "f32[3]"), *d = NULL;
    BTL_ASSERT_STATUS(btl_grad(b.g, total(&b, b.x), 1, &w, BTL_DISCONNECTED_ERROR, &d), BTL_EGRAD);
    BTL_ASSERT_CONTAINS(btl_graph_messages(b.g), "does not depend on weights (f32[3])");
    bench_free(&b);
}

BTL_TEST(zeros_are_given_on_request_for_what_is_not_connected) {
    bench b = bench_new();
    btl_var *w = btl_input(b.g, "w", "f32[3]"), *k = btl_input(b.g, "k", "i32[2]"), *wrt[3] = { b.x, w, k }, *d[3];
    BTL_ASSERT_OK(btl_grad(b.g, total(&b, b.x), 3, wrt, BTL_DISCONNECTED_ZERO, d));
    assert_string_equal(btl_var_type(b.g, d[1]), "f32[3]");
    assert_string_equal(btl_var_type(b.g, d[2]), "i32[2]");
    double zero[3];
    values_at(&b, d[1], points, N, zero, 3);
    for (int i = 0; i < 3; i++) assert_true(zero[i] == 0);
    bench_free(&b);
}

BTL_TEST(nothing_flows_through_integers_and_comparisons) {
    bench b = bench_new();
    btl_var *i = btl_cast(b.g, b.x, BTL_I64), *d = NULL;
    btl_var *cost = total(&b, btl_cast(b.g, btl_mul(b.g, i, i), BTL_F64));
    BTL_ASSERT_STATUS(btl_grad(b.g, cost, 1, &b.x, BTL_DISCONNECTED_ERROR, &d), BTL_EGRAD);
    bench_free(&b);
    b = bench_new();
    cost = total(&b, btl_where(b.g, btl_gt(b.g, b.x, btl_number(b.g, 0)), b.x, btl_neg(b.g, b.x)));
    double got[N];
    values(&b, gradient(&b, cost, b.x), got);
    for (int k = 0; k < N; k++) assert_true(got[k] == (points[k] > 0 ? 1 : -1));
    bench_free(&b);
}

BTL_TEST(stop_gradient_makes_a_constant) {
    bench b = bench_new();
    double got[N];
    values(&b, gradient(&b, total(&b, btl_mul(b.g, b.x, btl_stop_gradient(b.g, b.x))), b.x), got);
    for (int i = 0; i < N; i++) assert_true(got[i] == points[i]);
    bench_free(&b);
}

/* floor has derivative zero: connected, so no error, and zeros. */
BTL_TEST(a_gradient_that_is_plainly_zero_is_zero_and_no_error) {
    bench b = bench_new();
    double got[N];
    values(&b, gradient(&b, total(&b, btl_exp(b.g, btl_floor(b.g, b.x))), b.x), got);
    for (int i = 0; i < N; i++) assert_true(got[i] == 0);
    bench_free(&b);
}

/* ---- mistakes ----------------------------------------------------------------------------- */

BTL_TEST(a_cost_that_is_no_single_float_is_refused_with_a_hint) {
    bench b = bench_new();
    btl_var *d = NULL;
    BTL_ASSERT_STATUS(btl_grad(b.g, btl_exp(b.g, b.x), 1, &b.x, BTL_DISCONNECTED_ERROR, &d), BTL_ESHAPE);
    BTL_ASSERT_CONTAINS(btl_graph_messages(b.g), "mean(");
    assert_null(d);
    bench_free(&b);
    b = bench_new();
    btl_var *count = total(&b, btl_cast(b.g, b.x, BTL_I32));
    BTL_ASSERT_STATUS(btl_grad(b.g, count, 1, &b.x, BTL_DISCONNECTED_ERROR, &d), BTL_EDTYPE);
    bench_free(&b);
}

BTL_TEST(an_op_without_derivative_is_named_with_the_place_where_it_was_used) {
    bench b = bench_new();
    btl_op mystery = *btl_op_find("tanh", 4);
    mystery.name = "mystery";
    mystery.vjp = NULL;
    btl_at(b.g, (btl_site){ "model.c", "loss", 77 });
    btl_node *n = btl_apply(b.g, &mystery, 1, &b.x, NULL);
    assert_non_null(n);
    btl_at(b.g, (btl_site){ "model.c", "train", 99 });
    btl_var *d = NULL;
    btl_status status = btl_grad(b.g, (btl_sum)(b.g, n->out, -1, NULL, false), 1, &b.x, BTL_DISCONNECTED_ERROR, &d);
    assert_int_equal(status, BTL_EGRAD);
    const char *text = btl_graph_messages(b.g);
    BTL_ASSERT_CONTAINS(text, "mystery has no derivative yet");
    BTL_ASSERT_CONTAINS(text, "depends on x (f64[n])");
    BTL_ASSERT_CONTAINS(text, "model.c:77");
    bench_free(&b);
}

BTL_TEST(null_operands_are_silent) {
    bench b = bench_new();
    btl_var *d = NULL;
    BTL_ASSERT_STATUS(btl_grad(b.g, NULL, 1, &b.x, BTL_DISCONNECTED_ERROR, &d), BTL_EUSAGE);
    assert_int_equal(btl_graph_nmessages(b.g), 0);
    bench_free(&b);
}

/* ---- bodies ------------------------------------------------------------------------------- */

/* softmax without its own derivative must agree with the one it has. */
BTL_TEST(an_op_without_derivative_but_with_a_body_is_differentiated_through_it) {
    double got[2][N];
    static const double weights[N] = { 1, -2, 3, 0.5 };
    for (int own = 0; own < 2; own++) {
        bench b = bench_new();
        btl_op plain = *btl_op_find("softmax", 7);
        if (!own) plain.vjp = NULL;
        btl_param axis = { .i = 0 };
        btl_node *n = btl_apply(b.g, &plain, 1, &b.x, &axis);
        assert_non_null(n);
        btl_var *w = btl_constant(b.g, BTL_TEST_ARRAY(BTL_F64, weights, N));
        values(&b, gradient(&b, total(&b, btl_mul(b.g, w, btl_sqr(b.g, n->out))), b.x), got[own]);
        bench_free(&b);
    }
    for (int i = 0; i < N; i++) BTL_ASSERT_NEAR(got[0][i], got[1][i], 1e-15);
}

/* ---- slices of one variable --------------------------------------------------------------- */

static int nodes_below(btl_graph *g, btl_var *v, const char *op) {
    int count = 0;
    btl_bits reach = btl_graph_reach(g, 1, &v);
    for (int id = 0; id < reach.n; id++) count += btl_bits_get(reach, id) && strcmp(g->nodes[id]->op->name, op) == 0;
    return count;
}

/* Parts that lie side by side are joined, with zeros in the gaps; others are added to their places. */
BTL_TEST(gradients_by_slices_are_put_together_where_their_order_is_known) {
    static const struct { const char *expression; int joined, written; } cases[] = {
        { "sum(sin(x[:, :2]) * x[:, 2:4]) + sum(x[:, 4:] ** 3)", 1, 0 }, { "sum(x[0] * x[1] * x[2])", 1, 0 }, { "sum(x[-1] * x[0])", 1, 0 },
        { "sum(x[:, 1] * x[:, 4])", 1, 0 }, { "sum(x[:, 4:6] * x[:, 1:3])", 1, 0 }, { "sum(x[:, :3] * x[:, 3:]) + sum(x ** 2)", 1, 0 },
        { "sum(sin(x[:, 2:3]))", 0, 1 }, { "sum(sin(x[:, 2:3])) + sum(x ** 2)", 0, 1 }, { "sum(x[:, :4] * x[:, 2:])", 0, 2 },
        { "sum(x[0] * x[0] * x[0]) + x[0, 1]", 0, 2 }, { "sum(sin(x[:2])) * sum(x[:, 3:])", 0, 2 }, { "sum(sin(x[::2])) + sum(x[1] * x[2])", 1, 1 },
        { "sum(x[:, :n] * x[:, n:2*n]) + sum(sin(x[:, 2*n:3*n]))", 1, 0 }, { "sum(x[:, n:2*n] * x[:, 2*n:3*n])", 0, 2 },
        { "sum(x[:, :n] * x[:, n:2*n]) * x[1, 2]", 1, 1 }, { "sum(stack([x[0], x[1], x[2]]) * x)", 1, 0 }, { "sum(x[newaxis, :2] * x[newaxis, 1:])", 0, 2 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench b = bench_new();
        btl_var *x = btl_input(b.g, "x", strchr(cases[i].expression, 'n') && strstr(cases[i].expression, ":n") ? "f64[3, 3*n]" : "f64[3, 6]");
        btl_var *in[2] = { x, btl_input(b.g, "t", "f64[n]") }, *cost = btl_expr(b.g, cases[i].expression, "x", x, NULL), *d;
        if (!cost) BTL_FAIL("%s: %s", cases[i].expression, btl_graph_messages(b.g));
        d = gradient(&b, cost, x);
        if (nodes_below(b.g, d, "concatenate") - nodes_below(b.g, cost, "concatenate") != cases[i].joined || nodes_below(b.g, d, "inc_subtensor") != cases[i].written)
            BTL_FAIL("%s: %d joined, %d written", cases[i].expression, nodes_below(b.g, d, "concatenate"), nodes_below(b.g, d, "inc_subtensor"));
        double numbers[18], t[2] = { 0, 0 };
        for (int k = 0; k < 18; k++) numbers[k] = 0.3 + 0.07 * k;
        btl_array at[2] = { *BTL_TEST_ARRAY(BTL_F64, numbers, 3, 6), *BTL_TEST_ARRAY(BTL_F64, t, 2) };
        btl_verify_options o = { .rel_tol = 1e-6, .abs_tol = 1e-8, .every_coordinate = true };
        btl_error err = { 0 };
        btl_var *y = btl_add(b.g, cost, btl_sum(b.g, in[1], -1, NULL, false));
        if (btl_verify_grad(b.g, y, 2, in, at, &o, &err) != BTL_OK) BTL_FAIL("%s: %s", cases[i].expression, err.message);
        bench_free(&b);
    }
}

/* ---- size --------------------------------------------------------------------------------- */

/* x[0] * x[1] + x[1] * x[2] + …: as many parts as there are elements, in time that grows like their number. */
BTL_TEST(fifty_thousand_slices_are_put_together) {
    enum { MANY = 50000 };
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_var *x = btl_input(g, "x", "f64[50000]"), *cost = NULL, *d = NULL;
    for (int64_t i = 0; i < MANY; i += 2) {
        btl_var *pair = (btl_mul)(g, (btl_slice)(g, x, 0, i, i + 1, 1), (btl_slice)(g, x, 0, i + 1, i + 2, 1));
        cost = cost ? (btl_add)(g, cost, pair) : pair;
    }
    cost = (btl_sum)(g, cost, -1, NULL, false);
    if (btl_grad(g, cost, 1, &x, BTL_DISCONNECTED_ERROR, &d) != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    assert_string_equal(d->node->op->name, "concatenate");
    assert_int_equal(d->node->nin, MANY);
    btl_graph_free(g);
}

static void *long_chain(void *arg) {
    bench *b = arg;
    btl_var *v = b->x;
    for (int i = 0; i < 1000000; i++) v = (btl_neg)(b->g, v);
    btl_var *d = NULL, *cost = (btl_sum)(b->g, v, -1, NULL, false);
    return btl_grad(b->g, cost, 1, &b->x, BTL_DISCONNECTED_ERROR, &d) == BTL_OK ? d : NULL;
}

BTL_TEST(a_chain_of_a_million_nodes_is_differentiated_on_a_small_stack) {
    bench b = bench_new();
    pthread_attr_t attr;
    pthread_t thread;
    void *d = NULL;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, 256 * 1024), 0);
    assert_int_equal(pthread_create(&thread, &attr, long_chain, &b), 0);
    pthread_join(thread, &d);
    pthread_attr_destroy(&attr);
    assert_non_null(d);
    assert_in_range(b.g->nnodes, 2000000, 2000100);
    bench_free(&b);
}

static btl_status grad_without_memory(btl_context *ctx, void *arg) {
    (void)arg;
    btl_graph *g;
    btl_status status = btl_graph_new(ctx, &g);
    if (status != BTL_OK) return status;
    btl_var *x = btl_input(g, "x", "f64[n]"), *d = NULL;
    btl_var *cost = btl_sum(g, btl_log(g, btl_softmax(g, btl_mul(g, x, x), 0)), -1, NULL, false);
    status = btl_grad(g, cost, 1, &x, BTL_DISCONNECTED_ERROR, &d);
    if (status == BTL_OK && !d) status = BTL_EINTERNAL;
    if (!cost) status = btl_graph_error(g) ? btl_graph_error(g)->status : BTL_EINTERNAL;
    btl_graph_free(g);
    return status;
}

BTL_TEST(memory_that_runs_out_anywhere_in_grad_is_an_error_and_nothing_more) {
    assert_true(BTL_ASSERT_SURVIVES_ENOMEM(grad_without_memory, NULL) > 3);
}

BTL_TEST_MAIN(cmocka_unit_test(gradient_of_x_tanh_x_is_the_product_rule),
              cmocka_unit_test(gradient_has_the_type_of_its_variable),
              cmocka_unit_test(gradient_of_the_cost_by_itself_is_one),
              cmocka_unit_test(shared_subexpressions_are_differentiated_once),
              cmocka_unit_test(gradient_by_several_variables_shares_the_backward_pass),
              cmocka_unit_test(an_intermediate_variable_is_differentiated_by_as_if_it_were_an_input),
              cmocka_unit_test(second_and_third_derivative_of_x_to_the_fourth),
              cmocka_unit_test(hessian_times_vector_of_an_exponential),
              cmocka_unit_test(a_variable_that_the_cost_does_not_use_is_an_error_that_names_it),
              cmocka_unit_test(zeros_are_given_on_request_for_what_is_not_connected),
              cmocka_unit_test(nothing_flows_through_integers_and_comparisons),
              cmocka_unit_test(stop_gradient_makes_a_constant),
              cmocka_unit_test(a_gradient_that_is_plainly_zero_is_zero_and_no_error),
              cmocka_unit_test(a_cost_that_is_no_single_float_is_refused_with_a_hint),
              cmocka_unit_test(an_op_without_derivative_is_named_with_the_place_where_it_was_used),
              cmocka_unit_test(null_operands_are_silent),
              cmocka_unit_test(an_op_without_derivative_but_with_a_body_is_differentiated_through_it),
              cmocka_unit_test(gradients_by_slices_are_put_together_where_their_order_is_known), cmocka_unit_test(fifty_thousand_slices_are_put_together),
              cmocka_unit_test(a_chain_of_a_million_nodes_is_differentiated_on_a_small_stack),
              cmocka_unit_test(memory_that_runs_out_anywhere_in_grad_is_an_error_and_nothing_more))
