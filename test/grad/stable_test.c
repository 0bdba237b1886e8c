/* stable_test.c - what a training program needs: losses written as in a textbook, at logits where the
 * textbook's form overflows, have finite values and the right gradients.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/grad.h"
#include "bitale/ops.h"
#include "expr/index.h"
#include "expr/op.h"
#include "grad/reverse.h"
#include "rewrite/driver.h"

#include <math.h>
#include <string.h>

enum { ROWS = 2, COLS = 3, N = ROWS * COLS };

/* Far apart: in f32 softmax is 0 for all but the largest of a row. */
static const float logits[N] = { 1000, -1000, 0, -300, 300, 100 };
static const int32_t labels[ROWS] = { 1, 2 };

typedef struct bench { btl_context *ctx; btl_graph *g; btl_var *x, *y; } bench;

static bench bench_new(void) {
    bench b = { 0 };
    BTL_ASSERT_OK(btl_context_new(NULL, &b.ctx));
    BTL_ASSERT_OK(btl_graph_new(b.ctx, &b.g));
    b.x = btl_input(b.g, "x", "f32[n, 3]");
    b.y = btl_input(b.g, "y", "i32[n]");
    return b;
}

static void bench_free(bench *b) {
    btl_graph_free(b->g);
    btl_context_free(b->ctx);
}

static void values(bench *b, btl_var *v, float *out, int n) {
    int64_t shape[2] = { ROWS, COLS }, rows[1] = { ROWS }, flat[1] = { n };
    btl_var *given_vars[2] = { b->x, b->y };
    btl_array given[2] = { btl_array_wrap(BTL_F32, 2, shape, (void *)(uintptr_t)logits),
                           btl_array_wrap(BTL_I32, 1, rows, (void *)(uintptr_t)labels) }, result;
    btl_error err = { 0 };
    if (!v) BTL_FAIL("%s", btl_graph_messages(b->g));
    if (btl_graph_eval(b->g, 2, given_vars, given, NULL, 1, &v, &result, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    assert_int_equal(btl_array_elems(&result), n);
    btl_array to = btl_array_wrap(BTL_F32, 1, flat, out);
    result.ndim = 1, result.shape = flat;
    BTL_ASSERT_OK(btl_array_copy(&to, &result));
    btl_array_free(&result);
}

static btl_var *gradient(bench *b, btl_var *cost) {
    btl_var *d = NULL;
    if (btl_grad(b->g, cost, 1, &b->x, BTL_DISCONNECTED_ERROR, &d) != BTL_OK) BTL_FAIL("%s", btl_graph_messages(b->g));
    return d;
}

typedef struct picking { btl_graph *g; btl_var *p, *y, *out; } picking;

static btl_status pick_protected(void *arg) {
    picking *a = arg;
    btl_var *rows = btl_arange(a->g, NULL, btl_graph_size(a->g, a->p->type.dims[0]), NULL);
    btl_index_arg items[2] = { { .kind = ARG_ARRAY, .start = { .var = rows } },
                               { .kind = ARG_ARRAY, .start = { .var = a->y } } };
    a->out = btl_index_build(a->g, a->p, 2, items);
    return a->out ? BTL_OK : a->g->status;
}

/* p[arange(n), y] */
static btl_var *pick(bench *b, btl_var *p) {
    picking a = { b->g, p, b->y, NULL };
    if (btl_graph_protect(b->g, pick_protected, &a) != BTL_OK) BTL_FAIL("%s", btl_graph_messages(b->g));
    return a.out;
}

/* softmax of the logits is exactly one-hot in f32, at 0 in the first row and 1 in the second, so the
 * gradient of the sum of -log p[label] is p minus the labels' one-hot. */
static const float cross_entropy_gradient[N] = { 1, -1, 0, 0, 1, -1 };

BTL_TEST(cross_entropy_as_in_the_textbook_has_the_right_gradient_at_extreme_logits) {
    bench b = bench_new();
    btl_var *p = btl_softmax(b.g, b.x, 1);
    btl_var *cost = btl_neg(b.g, btl_sum(b.g, btl_log(b.g, pick(&b, p)), BTL_ALL_AXES, false));
    float d[N];
    values(&b, gradient(&b, cost), d, N);
    for (int i = 0; i < N; i++) BTL_ASSERT_ULP_F32(d[i], cross_entropy_gradient[i], 0);
    bench_free(&b);
}

static btl_status differentiate_as_written(void *arg) {
    bench *b = arg;
    btl_var *p = btl_softmax(b->g, b->x, 1);
    btl_var *cost = btl_neg(b->g, btl_sum(b->g, btl_log(b->g, pick(b, p)), BTL_ALL_AXES, false));
    return btl_grad_reverse(b->g, "grad", cost, 1, &b->x, BTL_DISCONNECTED_ERROR, &b->y);
}

static bool scatter_fired;

static void note_scatter(void *user, const btl_compiled_rule *c, unsigned phase, const btl_var *before, const btl_var *after) {
    (void)user, (void)phase, (void)before, (void)after;
    if (strcmp(c->rule->name, "positive_cancels_in_part") == 0) scatter_fired = true;
}

static btl_status stabilize_gradient(void *arg) {
    bench *b = arg;
    btl_rewrite_options options = { .phases = BTL_CANONICALIZE | BTL_STABILIZE, .trace = note_scatter };
    return btl_rewrite(b->g, 1, &b->y, &options);
}

/* Differentiated without the rewrite before, the same loss gives NaN: this is what the rewrite is
 * for; and the rule for gradients repairs it afterwards. */
BTL_TEST(without_the_stable_form_the_gradient_is_nan_until_it_is_rewritten_itself) {
    bench b = bench_new();
    btl_var *y = b.y;
    BTL_ASSERT_OK(btl_graph_protect(b.g, differentiate_as_written, &b));
    btl_var *naive = b.y;
    BTL_ASSERT_OK(btl_graph_protect(b.g, stabilize_gradient, &b));
    btl_var *repaired = b.y;
    b.y = y;
    float d[N];
    values(&b, naive, d, N);
    assert_true(isnan(d[0]));
    values(&b, repaired, d, N);
    for (int i = 0; i < N; i++) BTL_ASSERT_ULP_F32(d[i], cross_entropy_gradient[i], 0);
    assert_true(scatter_fired);
    bench_free(&b);
}

/* -(t log s(x) + (1-t) log(1 - s(x))), t = 1/4: the gradient is s(x) - t. */
BTL_TEST(binary_cross_entropy_as_in_the_textbook_has_the_right_gradient_at_extreme_logits) {
    bench b = bench_new();
    btl_graph *g = b.g;
    btl_var *s = btl_sigmoid(g, b.x), *one = btl_number(g, 1), *t = btl_number(g, 0.25);
    btl_var *loss = btl_neg(g, btl_add(g, btl_mul(g, t, btl_log(g, s)),
                                       btl_mul(g, btl_sub(g, one, t), btl_log(g, btl_sub(g, one, s)))));
    float d[N];
    values(&b, gradient(&b, btl_sum(g, loss, BTL_ALL_AXES, false)), d, N);
    for (int i = 0; i < N; i++) assert_true(d[i] == (logits[i] > 0 ? 0.75f : logits[i] < 0 ? -0.25f : 0.25f));
    bench_free(&b);
}

BTL_TEST(log_sum_exp_as_in_the_textbook_has_the_right_gradient_at_extreme_logits) {
    bench b = bench_new();
    btl_var *cost = btl_sum(b.g, btl_log(b.g, btl_sum(b.g, btl_exp(b.g, b.x), BTL_AXES(1), false)), BTL_ALL_AXES, false);
    float d[N];
    values(&b, gradient(&b, cost), d, N);
    for (int i = 0; i < N; i++) assert_true(d[i] == (i == 0 || i == 4));
    bench_free(&b);
}

BTL_TEST(softplus_as_in_the_textbook_has_the_right_gradient_at_extreme_logits) {
    bench b = bench_new();
    btl_var *cost = btl_sum(b.g, btl_log(b.g, btl_add(b.g, btl_number(b.g, 1), btl_exp(b.g, b.x))), BTL_ALL_AXES, false);
    float d[N];
    values(&b, gradient(&b, cost), d, N);
    for (int i = 0; i < N; i++) assert_true(d[i] == (logits[i] > 0 ? 1.f : logits[i] < 0 ? 0.f : 0.5f));
    bench_free(&b);
}

/* wrt = p itself: the rule must not look through p, so the gradient is that of log(p[y]) by p. */
BTL_TEST(a_variable_of_wrt_is_never_looked_through) {
    bench b = bench_new();
    btl_var *p = btl_softmax(b.g, btl_mul(b.g, b.x, btl_number(b.g, 1e-4)), 1), *wrt = p, *d = NULL;
    btl_var *cost = btl_sum(b.g, btl_log(b.g, p), BTL_ALL_AXES, false);
    BTL_ASSERT_OK(btl_grad(b.g, cost, 1, &wrt, BTL_DISCONNECTED_ERROR, &d));
    float slope[N], value[N];
    values(&b, d, slope, N);
    values(&b, p, value, N);
    for (int i = 0; i < N; i++) BTL_ASSERT_ULP_F32(slope[i], 1 / value[i], 1);
    bench_free(&b);
}

BTL_TEST_MAIN(cmocka_unit_test(cross_entropy_as_in_the_textbook_has_the_right_gradient_at_extreme_logits),
              cmocka_unit_test(without_the_stable_form_the_gradient_is_nan_until_it_is_rewritten_itself),
              cmocka_unit_test(binary_cross_entropy_as_in_the_textbook_has_the_right_gradient_at_extreme_logits),
              cmocka_unit_test(log_sum_exp_as_in_the_textbook_has_the_right_gradient_at_extreme_logits),
              cmocka_unit_test(softplus_as_in_the_textbook_has_the_right_gradient_at_extreme_logits),
              cmocka_unit_test(a_variable_of_wrt_is_never_looked_through))
