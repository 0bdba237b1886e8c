/* plan_program_test.c - bitale plan FILE: the figures of problems whose answers are known, the table, JSON, pictures, and what is refused.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <jansson/jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *dir_of(void **state) { return ((btl_test_dir *)*state)->path; }

static btl_run plan(const char *input, const char *file, const char *a, const char *b, const char *c, const char *d) {
    return btl_test_run(NULL, input, (const char *const[]){ NULL, "plan", file, a, b, c, d, NULL });
}

static json_t *plan_json(const char *input, const char *file, const char *a, const char *b, const char *c) {
    btl_run r = plan(input, file, "--json", a, b, c);
    json_error_t error;
    BTL_ASSERT_EXIT(&r, 0);
    json_t *value = json_loads(r.out, 0, &error);
    if (!value) BTL_FAIL("%s\n%s", error.text, r.out);
    btl_run_free(&r);
    return value;
}

static int64_t number(const json_t *v, const char *key) {
    json_t *x = json_object_get(v, key);
    if (!json_is_integer(x)) BTL_FAIL("no number %s", key);
    return json_integer_value(x);
}

/* Minimum over all orders by an independent exact solver; the order as listed. */
static const struct { const char *file; int64_t least, listed; int steps; } known[] = {
    { "official", 4202496, 4202496, 11 }, { "same_variable_twice", 1048576, 1048576, 3 }, { "view_before_origin", 1310720, 1310720, 5 },
    { "mlp2", 103428, 103468, 33 }, { "mlp4", 168964, 169004, 53 },
};

BTL_TEST(known_problems_have_the_known_answers) {
    static const char *const orders[] = { "exact", "fast", "given" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (int k = 0; k < 3; k++) {
            char path[1000];
            snprintf(path, sizeof path, "%s/test/golden/memory/%s.bitale", getenv("BTL_SOURCE_DIR"), known[i].file);
            json_t *v = plan_json(NULL, path, "--order", orders[k], NULL);
            assert_int_equal(number(v, "peak_bytes"), k == 2 ? known[i].listed : known[i].least);
            assert_int_equal(number(v, "given_peak_bytes"), known[i].listed);
            assert_int_equal(number(v, "min_peak_bytes"), known[i].least);
            assert_int_equal(number(v, "lower_bound_bytes"), known[i].least);
            assert_true(json_is_true(json_object_get(v, "proven")));
            assert_int_equal(json_array_size(json_object_get(v, "order")), known[i].steps);
            assert_true(number(v, "arena_bytes") + number(v, "results_bytes") >= number(v, "peak_bytes"));
            json_decref(v);
        }
}

/* Peaks and bytes from the JSON's own lives: sums over the storages that are there at each step. */
BTL_TEST(the_figures_are_sums_of_what_is_listed) {
    static const char text[] = "input x: f32[n, 20]\nshared w: f32[20, 20] = 0\nh = tanh(x @ w)\ng = tanh(h @ w)\nloss = sum((g - x) ** 2)\noutput loss, g\nupdate w = w - 0.1 * grad(loss, w)\n";
    json_t *v = plan_json(text, "-", "n=30", NULL, NULL);
    json_t *policies = json_object_get(v, "policies"), *steps = json_object_get(v, "steps");
    int64_t nsteps = (int64_t)json_array_size(steps), peak = 0;
    assert_true(nsteps > 4);
    for (size_t i = 0; i < json_array_size(policies); i++) {
        json_t *p = json_array_get(policies, i), *stores = json_object_get(p, "storages");
        const char *policy = json_string_value(json_object_get(p, "policy"));
        int64_t sum = 0, most = 0, end = 0, results = 0;
        for (int64_t step = 0; step <= nsteps; step++) {
            int64_t held = 0;
            for (size_t k = 0; k < json_array_size(stores); k++) {
                json_t *s = json_array_get(stores, k);
                if (number(s, "first") <= step && step <= number(s, "last")) held += number(s, "bytes");
            }
            if (held > most) most = held;
            if (strcmp(policy, "each") == 0 && step < nsteps) assert_int_equal(held, number(json_array_get(steps, (size_t)step), "live_bytes"));
        }
        for (size_t k = 0; k < json_array_size(stores); k++) {
            json_t *s = json_array_get(stores, k);
            sum += number(s, "bytes");
            if (json_is_true(json_object_get(s, "result"))) results += number(s, "bytes");
            else if (strcmp(policy, "arena") == 0 && number(s, "offset") + number(s, "bytes") > end) end = number(s, "offset") + number(s, "bytes");
        }
        if (strcmp(policy, "each") == 0) peak = most;
        if (strcmp(policy, "arena") == 0) assert_true(number(p, "gc_off_bytes") == number(v, "arena_bytes") + results && number(v, "arena_bytes") >= end && number(v, "arena_bytes") < end + 64);
        else assert_true(number(p, "gc_off_bytes") == sum && number(p, "gc_on_bytes") <= sum && number(p, "gc_on_bytes") >= results); /* with gc it is arranged in its own way: policy_test.c */
        assert_int_equal(results, number(v, "results_bytes"));
    }
    assert_int_equal(peak, number(v, "peak_bytes"));
    assert_int_equal(number(v, "results_bytes"), 4 + 30 * 20 * 4);
    json_decref(v);
}

BTL_TEST(a_table_says_who_holds_what) {
    static const char text[] = "stage schedule\ninput x: u8[64]\na: u8[1000] = opaque(\"first\", x)\nb: u8[500] = opaque(\"second\", a)\nc: u8[10] = opaque(\"third\", b, a)\noutput c\n";
    btl_run r = plan(text, "-", "--lives", NULL, NULL, NULL);
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "main: 3 steps, 4 values, as the program lists them");
    BTL_ASSERT_CONTAINS(r.out, "peak of this order                1510   at step 3 of 3, third");
    BTL_ASSERT_CONTAINS(r.out, "least over all orders             1510   proven");
    BTL_ASSERT_CONTAINS(r.out, "         1000  66.2 %  a                    u8[1000]           1 to 3");
    BTL_ASSERT_CONTAINS(r.out, "           10   0.7 %  c                    u8[10]             3 to the end");
    BTL_ASSERT_CONTAINS(r.out, "a: u8[1000] = opaque(\"first\", x)");
    BTL_ASSERT_CONTAINS(r.out, "    2          1500 ########################");
    btl_run_free(&r);
    r = plan(text, "-", "--policy", "reuse=0d", NULL, NULL);
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "  reuse=0d");
    assert_null(strstr(r.out, "  each"));
    btl_run_free(&r);
}

BTL_TEST(pictures_are_written_whole_or_not_at_all) {
    static const char good[] = "stage schedule\ninput x: u8[64]\na: u8[1000] = opaque(\"<first>\", x)\nc: u8[10] = opaque(\"third\", a)\noutput c\n";
    static const char *const kinds[] = { "svg", "html" };
    for (int k = 0; k < 2; k++) {
        char path[700];
        size_t length;
        snprintf(path, sizeof path, "%s/plan.%s", dir_of(state), kinds[k]);
        btl_run r = plan(good, "-", "-o", path, "-q", NULL);
        BTL_ASSERT_EXIT(&r, 0);
        assert_string_equal(r.out, "");
        char *picture = btl_test_read(path, &length);
        BTL_ASSERT_CONTAINS(picture, k ? "</script>" : "</svg>");
        BTL_ASSERT_CONTAINS(picture, k ? "\\u003cfirst>" : "<title>a: u8[1000], 1000 bytes at 0, steps 1 to 2");
        if (k) BTL_ASSERT_CONTAINS(picture, "canvas{width:100%;height:620px;"); /* else a browser keeps the proportions of what was drawn, and it grows */
        free(picture);
        btl_run_free(&r);
        snprintf(path, sizeof path, "%s/none/plan.%s", dir_of(state), kinds[k]);
        r = plan(good, "-", "-o", path, NULL, NULL);
        BTL_ASSERT_EXIT(&r, 3);
        BTL_ASSERT_CONTAINS(r.err, "cannot be written");
        btl_run_free(&r);
    }
}

/* Of two products and a join: parts of results, what lies in a result for a time, in the printed schedule, the table and JSON. */
BTL_TEST(what_lies_in_results_is_told) {
    static const char text[] = "input x: f64[64, 64]\na = x @ x\nb = tanh(a) @ x\noutput y = tanh(b) @ x, j = concatenate([tanh(x[0]), sin(x[1])])\n";
    btl_run r = btl_test_run(NULL, text, (const char *const[]){ NULL, "print", "--after", "compile", "-", NULL });
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "# @result y+0 32768B until that is written\n");
    BTL_ASSERT_CONTAINS(r.out, "# @arena+0 32768B\n");
    BTL_ASSERT_CONTAINS(r.out, "# @result j, a part of j\n");
    BTL_ASSERT_CONTAINS(r.out, "# @result j+512, a part of j\n");
    btl_run_free(&r);
    r = plan(text, "-", NULL, NULL, NULL, NULL);
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "in results' memory                   1   value under arena, until the result is written there\n");
    btl_run_free(&r);
    json_t *v = plan_json(text, "-", NULL, NULL, NULL), *storages = json_object_get(json_array_get(json_object_get(v, "policies"), 0), "storages"), *s;
    size_t i;
    int guests = 0;
    json_array_foreach(storages, i, s) if (json_object_get(s, "in_result")) {
        assert_string_equal(json_string_value(json_object_get(s, "in_result")), "y");
        guests++;
    }
    assert_int_equal(guests, 1);
    assert_int_equal(number(v, "arena_bytes"), 32768);
    json_decref(v);
}

/* 2,048 rows of 1,024 in between: in eight pieces of 256 rows, and in sixteen where a budget asks for them. */
BTL_TEST(what_is_computed_in_pieces_is_told) {
    static const char text[] = "input x: f32[2048, 64]\ninput w: f32[64, 1024]\ninput v: f32[1024, 64]\noutput y = tanh(x @ w) @ v\n";
    const int64_t rows = 1024 * 4, y = 2048 * 64 * 4;
    json_t *v = plan_json(text, "-", NULL, NULL, NULL), *pieces = json_object_get(v, "pieces");
    assert_int_equal(number(pieces, "count"), 8);
    assert_int_equal(number(pieces, "axis"), 0);
    assert_int_equal(number(pieces, "whole_bytes"), 2048 * rows + y);
    assert_string_equal(json_string_value(json_object_get(pieces, "of")), "matmul: f32[2048, 1024]");
    assert_int_equal(number(v, "peak_bytes"), 256 * rows + y);
    json_decref(v);
    v = plan_json(text, "-", "--mode=fast_run,without=pieces", NULL, NULL);
    assert_null(json_object_get(v, "pieces"));
    assert_int_equal(number(v, "peak_bytes"), 2048 * rows + y);
    json_decref(v);
    v = plan_json(text, "-", "--memory-budget=1M", NULL, NULL);
    assert_int_equal(number(json_object_get(v, "pieces"), "count"), 16);
    assert_int_equal(number(v, "peak_bytes"), 128 * rows + y);
    json_decref(v);
    v = plan_json(text, "-", "--memory-budget=9M", NULL, NULL); /* it fits as it is */
    assert_null(json_object_get(v, "pieces"));
    json_decref(v);
    btl_run r = plan(text, "-", NULL, NULL, NULL, NULL);
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "in pieces                            8   along axis 0 of matmul: f32[2048, 1024]: 3 nodes; as a whole it would take 8912896\n");
    btl_run_free(&r);
    r = plan(text, "-", "--memory-budget=500K", NULL, NULL, NULL); /* the result alone is 512K */
    BTL_ASSERT_EXIT(&r, 5);
    BTL_ASSERT_CONTAINS(r.err, "it does not fit a memory budget of 512000 bytes: the least that was found is 589824, and in 128 pieces nothing goes below 524288: concatenate needs so much at once");
    btl_run_free(&r);
}

static void refused(const char *text, int code, const char *says, const char *a, const char *b) {
    btl_run r = plan(text, "-", a, b, NULL, NULL);
    BTL_ASSERT_EXIT(&r, code);
    BTL_ASSERT_CONTAINS(r.err, says);
    assert_string_equal(r.out, "");
    btl_run_free(&r);
}

BTL_TEST(what_can_t_be_planned_is_told) {
    static const char open[] = "input x: f32[n, 3]\noutput y = exp(x) @ [1.0f32, 2, 3]\n";
    static const char twisted[] = "stage schedule\ninput x: u8[4] mutable\np: u8[4] = opaque(\"write\", x) into x\nr: u8[4] = opaque(\"read\", x)\noutput p, r\n";
    refused(open, 3, "the size n is not known: give it (n=128)", NULL, NULL);
    refused(open, 3, "no size is named m", "m=3", NULL);
    refused(open, 3, "too large", "n=4611686018427387904", NULL);
    refused(open, 2, "--order is one of exact, fast, given: found best", "--order", "best");
    refused(open, 2, "--policy is one of arena, each, reuse, reuse=0d: found some", "--policy", "some");
    refused(open, 2, "a picture is written as .svg or .html", "n=3", "-oplan.png");
    refused(open, 2, "go with --pack", "--capacity", "9");
    refused("stage schedule\ninput x: u8[4]\np: u8[4] = opaque(\"p\", x) into x\noutput p\n", 3, "p into x: x must not be written over", NULL, NULL);
    refused("stage schedule\ninput x: u8[n]\np: u8[n] = opaque(\"p\", x)\noutput p\n", 3, "the size of axis 0 of", NULL, NULL);
    refused(twisted, 3, "write writes over what read (line 4) reads behind it: no run could follow this order", "--order", "given");
    json_t *v = plan_json(twisted, "-", NULL, NULL, NULL); /* another order can */
    assert_string_equal(json_string_value(json_array_get(json_object_get(v, "order"), 0)), "read");
    assert_null(json_object_get(v, "given_peak_bytes"));
    json_decref(v);
}

BTL_TEST_MAIN(cmocka_unit_test(known_problems_have_the_known_answers), cmocka_unit_test(the_figures_are_sums_of_what_is_listed), cmocka_unit_test(a_table_says_who_holds_what), cmocka_unit_test(what_lies_in_results_is_told), cmocka_unit_test(what_is_computed_in_pieces_is_told),
              cmocka_unit_test_setup_teardown(pictures_are_written_whole_or_not_at_all, btl_test_dir_setup, btl_test_dir_teardown), cmocka_unit_test(what_can_t_be_planned_is_told))
