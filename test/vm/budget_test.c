/* budget_test.c - functions within a memory budget: the bits that come without one, memory that stays within, and what is refused.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "random_step.h"

#include <stdlib.h>
#include <string.h>

typedef struct made { btl_graph *g; btl_function *f; btl_state *state; } made;

static btl_status make(made *m, const char *text, const char *mode, int64_t budget, int64_t n, btl_error *err) {
    static const char *const names[] = { "n" };
    *m = (made){ 0 };
    btl_function_options o = { .struct_size = sizeof o, .mode = mode, .memory_budget = budget, .nsizes = n ? 1 : 0, .size_names = names, .size_values = &n };
    BTL_ASSERT_OK(btl_graph_new(NULL, &m->g));
    if (btl_graph_parse(m->g, text, strlen(text), "text") != BTL_OK) BTL_FAIL("%s\n%s", btl_graph_messages(m->g), text);
    btl_status status = btl_function_new(m->g, btl_entry_find(m->g, NULL), &o, &m->f, err);
    if (status == BTL_OK) BTL_ASSERT_OK(btl_state_new(m->g, &m->state, err));
    return status;
}

static void drop(made *m) {
    btl_function_free(m->f);
    btl_state_free(m->state);
    btl_graph_free(m->g);
}

/* Three calls: results, then the state; all of it in one array. */
typedef struct outcome { size_t bytes; char *data; int64_t results; } outcome;

static outcome run(made *m, int64_t n) {
    outcome o = { 0, NULL, 0 };
    btl_error err = { 0 };
    FILE *f = open_memstream(&o.data, &o.bytes);
    double x[4000];
    for (int i = 0; i < 4000; i++) x[i] = 0.001 * (i % 97) - 0.04;
    for (int step = 0; step < 3; step++) {
        int64_t shape[2];
        for (int k = 0; k < 2; k++) shape[k] = btl_function_input_size(m->f, 0, k) < 0 ? n : btl_function_input_size(m->f, 0, k);
        btl_array in = btl_array_wrap(BTL_F64, 2, shape, x), out[2] = { { 0 }, { 0 } };
        if (btl_call(m->f, m->state, &in, out, NULL, &err) != BTL_OK) BTL_FAIL("%s", err.message);
        o.results = 0;
        for (int i = 0; i < btl_function_noutputs(m->f); i++) {
            size_t bytes = (size_t)btl_array_elems(&out[i]) * 8;
            fwrite(btl_array_data(&out[i]), 1, bytes, f);
            o.results += (int64_t)bytes;
            btl_array_free(&out[i]);
        }
    }
    for (int i = 0; i < btl_state_nshared(m->state); i++) {
        btl_array a = { 0 };
        BTL_ASSERT_OK(btl_state_get(m->state, btl_state_name(m->state, i), &a, &err));
        fwrite(btl_array_data(&a), 1, (size_t)btl_array_elems(&a) * 8, f);
        btl_array_free(&a);
    }
    fclose(f);
    return o;
}

/* With ever smaller budgets until it is refused; returns the least that was kept to, as a share of what it takes without. */
static double squeeze(const char *text, const char *mode, int64_t n) {
    btl_error err = { 0 };
    made m;
    BTL_ASSERT_OK(make(&m, text, mode, 0, 0, &err));
    outcome want = run(&m, n);
    int64_t whole = (int64_t)btl_function_arena_bytes(m.f) + want.results, least = whole;
    drop(&m);
    for (int64_t budget = whole;; budget -= whole / 16 + 1) {
        btl_status status = budget <= 0 ? BTL_ENOMEM : make(&m, text, mode, budget, n, &err);
        if (status != BTL_OK) {
            assert_int_equal(status, BTL_ENOMEM);
            if (budget > 0) BTL_ASSERT_CONTAINS(err.message, "it does not fit a memory budget of");
            if (budget > 0) btl_graph_free(m.g);
            break;
        }
        outcome got = run(&m, n);
        int64_t taken = (int64_t)btl_function_arena_bytes(m.f) + got.results;
        if (got.bytes != want.bytes || memcmp(got.data, want.data, got.bytes) != 0) BTL_FAIL("%s: other bits within %lld of %lld bytes\n%s", mode, (long long)budget, (long long)whole, text);
        if (taken > budget) BTL_FAIL("%s: a budget of %lld, %lld are taken\n%s", mode, (long long)budget, (long long)taken, text);
        if (taken < least) least = taken;
        free(got.data);
        drop(&m);
    }
    free(want.data);
    return whole ? (double)least / (double)whole : 1;
}

static const char perceptron[] =
    "input x: f64[n, 20]\n"
    "shared w1: f64[20, 20] = eye(20)\nshared w2: f64[20, 20] = 0.5 * eye(20)\nshared w3: f64[20, 20] = eye(20) - 0.01\nshared w4: f64[20, 20] = eye(20) * 0.9\n"
    "h1 = tanh(x @ w1)\nh2 = tanh(h1 @ w2)\nh3 = tanh(h2 @ w3)\nh4 = tanh(h3 @ w4)\nloss = sum((h4 - x) ** 2)\n"
    "g1, g2, g3, g4 = grad(loss, [w1, w2, w3, w4])\n"
    "update w1 = w1 - 0.01 * g1\nupdate w2 = w2 - 0.01 * g2\nupdate w3 = w3 - 0.01 * g3\nupdate w4 = w4 - 0.01 * g4\noutput loss\n";

BTL_TEST(a_step_of_training_runs_in_less_with_the_same_bits) {
    static const char *const modes[] = { "fast_run,linker=strips", "fast_run,linker=c", "fast_run,linker=strips,without=inplace", "fast_compile", "fast_run,linker=vm,policy=reuse" };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        double left = squeeze(perceptron, modes[i], 150);
        print_message("%s: %.3f\n", modes[i], left);
        if (i < 4 && left > 0.85) BTL_FAIL("%s: %g of the memory is left", modes[i], left);
    }
}

/* A recurrent net, unrolled: the states are kept for the way back, or made again. */
BTL_TEST(an_unrolled_net_runs_in_less) {
    char text[8000];
    size_t at = (size_t)snprintf(text, sizeof text, "input x: f64[n, 20]\nshared u: f64[20, 20] = eye(20)\nh0 = tanh(x)\n");
    for (int i = 0; i < 24; i++) at += (size_t)snprintf(text + at, sizeof text - at, "h%d = tanh(h%d @ u + x)\n", i + 1, i);
    snprintf(text + at, sizeof text - at, "loss = sum(h24 ** 2)\nupdate u = u - 0.001 * grad(loss, u)\noutput loss\n");
    double left = squeeze(text, "fast_run,linker=strips", 100);
    print_message("%.3f\n", left);
    assert_true(left < 0.65);
}

/* Of the orders of least peak one is found that keeps the errors of all time steps for sums of products, from which nothing can be gained. The
 * given order serves. */
BTL_TEST(a_net_whose_order_keeps_much_for_long_runs_in_less) {
    char text[8000];
    size_t at = (size_t)snprintf(text, sizeof text, "shared w: f32[16, 16] = 0.01\nshared u: f32[16, 16] = 0.01\nshared b: f32[16] = 0\ninput x: f32[60, 64, 16]\ninput y: f32[64, 16]\n"
                                                    "h0 = zeros([64, 16], dtype=f32)\n");
    for (int i = 0; i < 60; i++) at += (size_t)snprintf(text + at, sizeof text - at, "h%d = tanh(x[%d] @ w + h%d @ u + b)\n", i + 1, i, i);
    snprintf(text + at, sizeof text - at, "loss = mean(sqr(h60 - y))\ngw, gu, gb = grad(loss, [w, u, b])\nupdate w = w - f32(0.1) * gw\nupdate u = u - f32(0.1) * gu\nupdate b = b - f32(0.1) * gb\noutput loss\n");
    btl_graph *g;
    btl_memory *memory;
    btl_error err = { 0 };
    btl_function_options f = { .struct_size = sizeof f, .mode = "fast_run,linker=strips,without=products_summed", .memory_curve = true };
    btl_memory_options o = { .struct_size = sizeof o, .function = &f, .order = BTL_ORDER_FAST };
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (btl_graph_parse(g, text, strlen(text), "text") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    if (btl_memory_new(g, btl_entry_find(g, NULL), &o, &memory, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    const btl_memory_info *info = btl_memory_look(memory);
    double left = (double)info->curve[info->ncurve - 1].bytes / (double)info->curve[0].bytes;
    print_message("%.3f for %.3f of the work\n", left, info->curve[info->ncurve - 1].extra);
    assert_true(left < 0.5 && info->curve[info->ncurve - 1].extra < 0.6);
    btl_memory_free(memory);
    btl_graph_free(g);
}

BTL_TEST(random_steps_run_in_less_with_the_same_bits) {
    btl_rng r = { btl_test_seed() };
    char text[4000];
    int less = 0;
    for (int i = 0; i < 60; i++) {
        random_step(&r, text, sizeof text);
        less += squeeze(text, i % 2 ? "fast_run,linker=strips" : "fast_compile", 0) < 1;
    }
    print_message("%d of 60 take less\n", less);
    (void)less; /* small ones seldom do: it is the bits that count */
}

/* What a refusal says can't be gone below is not above what was found; results that lie over what they are made of (also through a view) included. */
static void check_bound(const char *text, const char *mode, int64_t want) {
    made m;
    btl_error err = { 0 };
    long long least, bound;
    BTL_ASSERT_STATUS(make(&m, text, mode, 1, 4, &err), BTL_ENOMEM);
    const char *says = strstr(err.message, "the least that was found is ");
    int pieces; /* in which a part of it is */
    if (!says || (sscanf(says, "the least that was found is %lld, and nothing goes below %lld", &least, &bound) != 2 &&
                  sscanf(says, "the least that was found is %lld, and in %d pieces nothing goes below %lld", &least, &pieces, &bound) != 3)) BTL_FAIL("%s\n%s", err.message, text);
    if (bound > least || (want && bound != want)) BTL_FAIL("%s: the bound is %lld, the least %lld, expected %lld\n%s", mode, bound, least, (long long)want, text);
    btl_graph_free(m.g);
}

BTL_TEST(nothing_is_found_below_the_bound) {
    btl_rng r = { btl_test_seed() };
    char text[4000];
    check_bound("input x: f64[n, 9]\ninput v: f64[9]\ninput w: f64[n]\noutput y = w - 0.1 * (x @ v)\n", "fast_run,linker=strips", 32);
    check_bound("input x: f64[n, n]\na = x @ x\noutput y = tanh(a)\n", "fast_run,linker=strips", 128);
    for (int i = 0; i < 100; i++) {
        random_step(&r, text, sizeof text);
        check_bound(text, i % 2 ? "fast_run,linker=strips" : "fast_run,linker=strips,policy=each,gc=on", 0);
    }
}

BTL_TEST(what_a_budget_needs_is_asked_for) {
    btl_error err = { 0 };
    made m;
    BTL_ASSERT_STATUS(make(&m, perceptron, "fast_compile", 100000, 0, &err), BTL_ESHAPE);
    BTL_ASSERT_CONTAINS(err.message, "a memory budget is held at known sizes: give n (n=128), or declare a bound");
    btl_graph_free(m.g);
    err = (btl_error){ 0 };
    BTL_ASSERT_STATUS(make(&m, perceptron, "fast_compile", -1, 10, &err), BTL_EUSAGE);
    btl_graph_free(m.g);
    err = (btl_error){ 0 };
    BTL_ASSERT_STATUS(make(&m, perceptron, "fast_compile", 1000, 150, &err), BTL_ENOMEM);
    BTL_ASSERT_CONTAINS(err.message, "it does not fit a memory budget of 1000 bytes: the least that was found is");
    BTL_ASSERT_CONTAINS(err.message, "and nothing goes below");
    btl_graph_free(m.g);
}

BTL_TEST_MAIN(cmocka_unit_test(a_step_of_training_runs_in_less_with_the_same_bits), cmocka_unit_test(an_unrolled_net_runs_in_less), cmocka_unit_test(a_net_whose_order_keeps_much_for_long_runs_in_less), cmocka_unit_test(random_steps_run_in_less_with_the_same_bits),
              cmocka_unit_test(nothing_is_found_below_the_bound), cmocka_unit_test(what_a_budget_needs_is_asked_for))
