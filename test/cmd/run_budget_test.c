/* run_budget_test.c - bitale run --memory-budget: the same results, or a refusal before anything runs.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <jansson/jansson.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 24, FEW = 6, COLUMNS = 8, ALIGNED = 512 /* what buffers that begin at multiples of 64 may add to the curve's sums */ };

static const char program[] =
    "shared w0: f64[8, 8] = eye(8)\nshared w1: f64[8, 8] = eye(8)\nshared w2: f64[8, 8] = eye(8)\nshared w3: f64[8, 8] = eye(8)\n"
    "function train(x: f64[n, 8]):\n    h0 = tanh(x @ w0)\n    h1 = tanh(h0 @ w1)\n    h2 = tanh(h1 @ w2)\n    h3 = tanh(h2 @ w3)\n    cost = mean(sqr(h3))\n"
    "    g0, g1, g2, g3 = grad(cost, [w0, w1, w2, w3])\n    update w0 = w0 - g0\n    update w1 = w1 - g1\n    update w2 = w2 - g2\n    update w3 = w3 - g3\n    output cost\n";

/* The least and the most of the curve of so many rows. */
static void reached(int rows, int64_t *least, int64_t *most) {
    char size[30];
    json_error_t error;
    snprintf(size, sizeof size, "n=%d", rows);
    btl_run r = btl_test_run(NULL, program, (const char *const[]){ NULL, "plan", "-", "train", size, "--curve", "--json", NULL });
    BTL_ASSERT_EXIT(&r, 0);
    json_t *v = json_loads(r.out, 0, &error), *curve = json_object_get(v, "curve");
    size_t n = json_array_size(curve);
    assert_true(n > 1);
    *most = json_integer_value(json_object_get(json_array_get(curve, 0), "peak_bytes"));
    *least = json_integer_value(json_object_get(json_array_get(curve, n - 1), "peak_bytes"));
    assert_true(*least < *most);
    json_decref(v);
    btl_run_free(&r);
}

static const char *rows_text(void) {
    static char text[8000];
    size_t at = (size_t)snprintf(text, sizeof text, "x=[");
    for (int i = 0; i < ROWS * COLUMNS; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.3f%s", i % COLUMNS ? ", " : i ? ", [" : "[", 0.01 * (i * 37 % 200) - 1, i % COLUMNS == COLUMNS - 1 ? "]" : "");
    snprintf(text + at, sizeof text - at, "]");
    return text;
}

static btl_run run_with(int64_t budget, const char *more, const char *value) {
    char bytes[30];
    snprintf(bytes, sizeof bytes, "%lld", (long long)budget);
    return btl_test_run(NULL, program, (const char *const[]){ NULL, "run", "-", "train", rows_text(), more, value, "--quiet", "--json", budget ? "--memory-budget" : NULL, bytes, NULL });
}

static double cost(const btl_run *r) {
    json_error_t error;
    json_t *v = json_loads(r->out, 0, &error);
    double y = json_number_value(json_object_get(json_object_get(json_object_get(v, "outputs"), "cost"), "data"));
    json_decref(v);
    return y;
}

BTL_TEST(results_are_the_same_within_a_budget) {
    int64_t least, most;
    reached(ROWS, &least, &most);
    btl_run without = run_with(0, "--steps", "4"), within = run_with(least + ALIGNED, "--steps", "4");
    assert_true(least + ALIGNED < most);
    BTL_ASSERT_EXIT(&without, 0);
    BTL_ASSERT_EXIT(&within, 0);
    assert_true(cost(&without) > 0);
    assert_true(cost(&without) == cost(&within));
    btl_run_free(&without), btl_run_free(&within);
}

BTL_TEST(what_does_not_fit_is_refused_before_it_runs) {
    int64_t least, most;
    char says[100];
    reached(ROWS, &least, &most);
    btl_run r = run_with(least / 2, "--save", "never.safetensors");
    BTL_ASSERT_EXIT(&r, 5);
    snprintf(says, sizeof says, "does not fit a memory budget of %lld bytes: the least that was found is ", (long long)least / 2);
    BTL_ASSERT_CONTAINS(r.err, says);
    assert_string_equal(r.out, "");
    assert_null(fopen("never.safetensors", "r"));
    btl_run_free(&r);
}

/* Minibatches need less: their size is what counts. */
BTL_TEST(a_budget_is_that_of_a_minibatch) {
    int64_t least, most, few, all;
    reached(ROWS, &least, &most);
    reached(FEW, &few, &all);
    assert_true(few + ALIGNED < least);
    btl_run r = run_with(few + ALIGNED, "--batch", "n=6");
    BTL_ASSERT_EXIT(&r, 0);
    btl_run_free(&r);
    r = run_with(few / 2, "--batch", "n=6");
    BTL_ASSERT_EXIT(&r, 5);
    btl_run_free(&r);
    r = run_with(few + ALIGNED, "--steps", "1");
    BTL_ASSERT_EXIT(&r, 5);
    btl_run_free(&r);
}

BTL_TEST_MAIN(cmocka_unit_test(results_are_the_same_within_a_budget), cmocka_unit_test(what_does_not_fit_is_refused_before_it_runs), cmocka_unit_test(a_budget_is_that_of_a_minibatch))
