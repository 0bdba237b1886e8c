/* profile_test.c - bitale profile --memory: what is allocated is what is planned, nodes lie where the plan says.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <jansson/jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const programs[] = {
    "input x: f64[n, 20]\nshared w: f64[20, 20] = eye(20)\nshared v: f64[20, 30] = ones([20, 30])\nh = tanh(x @ w)\ng = tanh(h @ v)\nloss = sum(g ** 2)\ngw, gv = grad(loss, [w, v])\n"
    "update w = w - 0.1 * gw\nupdate v = v - 0.1 * gv\noutput loss, h[1:3]\n",
    "input x: f32[n, n]\na = x @ x\nb = exp(a) + a\nc = b.T @ a\noutput c, d = sum(c, axis=0)\n",
    "input x: f64[n]\noutput y = x + 1\n",
};

static int64_t number(const json_t *v, const char *key, const char *inner) {
    json_t *x = json_object_get(v, key);
    if (inner) x = json_object_get(x, inner);
    if (!json_is_integer(x)) BTL_FAIL("no number %s", key);
    return json_integer_value(x);
}

BTL_TEST(what_is_allocated_is_what_is_planned) {
    static const char *const figures[] = { "peak", "peak_nothing_overwritten", "gc_off", "as_it_runs" };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        btl_run r = btl_test_run(NULL, programs[i], (const char *const[]){ NULL, "profile", "-", "--memory", "--json", "n=40", NULL });
        json_error_t error;
        BTL_ASSERT_EXIT(&r, 0);
        json_t *v = json_loads(r.out, 0, &error), *nodes = json_object_get(v, "nodes");
        assert_non_null(v);
        for (int k = 0; k < 4; k++) {
            int64_t planned = number(v, figures[k], "planned_bytes"), allocated = number(v, figures[k], "allocated_bytes");
            int64_t room = 192 * (int64_t)(json_array_size(nodes) + 4); /* of each allocation, to align it and for an array's header */
            if (allocated < planned || allocated > planned + room) BTL_FAIL("program %zu, %s: %lld allocated, %lld planned", i, figures[k], (long long)allocated, (long long)planned);
        }
        assert_true(number(v, "min_peak_bytes", NULL) <= number(v, "peak", "planned_bytes"));
        assert_true(number(v, "peak", "planned_bytes") <= number(v, "peak_nothing_overwritten", "planned_bytes"));
        for (size_t k = 0; k < json_array_size(nodes); k++) {
            json_t *results = json_object_get(json_array_get(nodes, k), "results");
            for (size_t o = 0; o < json_array_size(results); o++) {
                json_t *x = json_array_get(results, o);
                bool lies = json_is_true(json_object_get(x, "lies_in_operand")), coded = *json_string_value(json_object_get(x, "code"));
                if (lies != coded && number(x, "bytes", NULL)) BTL_FAIL("program %zu, node %zu %s: it %s in an operand's memory", i, k, json_string_value(json_object_get(json_array_get(nodes, k), "op")), lies ? "lies" : "does not lie");
            }
        }
        json_decref(v);
        btl_run_free(&r);
    }
}

/* Within a budget: what is measured keeps to it, nodes run again are nodes; and what can't be held is refused. */
BTL_TEST(a_budget_is_kept_to) {
    char text[4000];
    size_t at = (size_t)snprintf(text, sizeof text, "input x: f64[n, 20]\nshared u: f64[20, 20] = eye(20)\nh0 = tanh(x)\n");
    for (int i = 0; i < 20; i++) at += (size_t)snprintf(text + at, sizeof text - at, "h%d = tanh(h%d @ u + x)\n", i + 1, i);
    snprintf(text + at, sizeof text - at, "loss = sum(h20 ** 2)\nupdate u = u - 0.001 * grad(loss, u)\noutput loss\n");
    int64_t whole = 0, nodes = 0;
    for (int k = 0; k < 2; k++) {
        char budget[60];
        snprintf(budget, sizeof budget, "--memory-budget=%lld", (long long)whole * 6 / 10);
        btl_run r = btl_test_run(NULL, text, (const char *const[]){ NULL, "profile", "-", "--memory", "--json", "--mode", "fast_run,without=products_summed", "n=100", k ? budget : NULL, NULL });
        BTL_ASSERT_EXIT(&r, 0);
        json_t *v = json_loads(r.out, 0, NULL);
        int64_t planned = number(v, "as_it_runs", "planned_bytes"), allocated = number(v, "as_it_runs", "allocated_bytes"), n = (int64_t)json_array_size(json_object_get(v, "nodes"));
        if (k) assert_true(planned <= whole * 6 / 10 && allocated >= planned && allocated <= planned + 1000 && n > nodes);
        whole = planned, nodes = n;
        json_decref(v);
        btl_run_free(&r);
    }
    btl_run r = btl_test_run(NULL, text, (const char *const[]){ NULL, "profile", "-", "--memory", "--memory-budget", "1K", "n=100", NULL });
    BTL_ASSERT_EXIT(&r, 5);
    BTL_ASSERT_CONTAINS(r.err, "it does not fit a memory budget of 1024 bytes");
    assert_string_equal(r.out, "");
    btl_run_free(&r);
}

BTL_TEST(a_table_and_what_is_wrong) {
    btl_run r = btl_test_run(NULL, programs[1], (const char *const[]){ NULL, "profile", "-", "--memory", "--nodes", "2", NULL });
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "each value by itself, given back when it dies");
    BTL_ASSERT_CONTAINS(r.out, "least peak over all orders");
    BTL_ASSERT_CONTAINS(r.out, "nodes more (--nodes N lists more)");
    btl_run_free(&r);
    r = btl_test_run(NULL, programs[1], (const char *const[]){ NULL, "profile", "-", NULL });
    BTL_ASSERT_EXIT(&r, 2);
    BTL_ASSERT_CONTAINS(r.err, "of what? --memory");
    btl_run_free(&r);
    r = btl_test_run(NULL, "output y = 1 +\n", (const char *const[]){ NULL, "profile", "-", "--memory", NULL });
    BTL_ASSERT_EXIT(&r, 3);
    btl_run_free(&r);
}

BTL_TEST_MAIN(cmocka_unit_test(what_is_allocated_is_what_is_planned), cmocka_unit_test(a_budget_is_kept_to), cmocka_unit_test(a_table_and_what_is_wrong))
