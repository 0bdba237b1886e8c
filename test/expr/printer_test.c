/* printer_test.c - the round-trip law: what is printed parses back to an equal graph, whose print is
 * the same text.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "graphs_equal.h"

#include <stdio.h>

static btl_graph *parsed(const char *text) {
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (btl_graph_parse(g, text, strlen(text), "test") != BTL_OK) BTL_FAIL("%s\n%s", btl_graph_messages(g), text);
    assert_true(btl_graph_check(g));
    return g;
}

static void assert_round_trip(btl_graph *g) {
    const char *text = btl_graph_print(g);
    btl_graph *again = parsed(text);
    if (!graphs_equal(g, again)) BTL_FAIL("the graph that was read back differs:\n%s\n--- read back:\n%s", text, btl_graph_print(again));
    const char *second = btl_graph_print(again);
    if (strcmp(text, second) != 0) BTL_FAIL("the second print differs:\n%s\n%s", text, second);
    btl_graph_free(again);
}

static void assert_text_round_trips(const char *text) {
    btl_graph *g = parsed(text);
    assert_round_trip(g);
    btl_graph_free(g);
}

static void assert_prints(const char *text, const char *expected) {
    btl_graph *g = parsed(text);
    assert_string_equal(btl_graph_print(g), expected);
    btl_graph_free(g);
}

BTL_TEST(the_normal_form_has_one_node_a_line) {
    assert_prints("input x: f32[n]\ninput a: f32 = 2\noutput y = exp(a * x), total = sum(y)\n",
                  "bitale 1\n"
                  "input x: f32[n]\n"
                  "input a: f32 = 2.0f32\n"
                  "%1: f32[n] = mul(a, x)\n"
                  "y: f32[n] = exp(%1)\n"
                  "total: f32 = sum(y, axis=none, keepdims=false)\n"
                  "output y, total\n");
}

BTL_TEST(the_examples_round_trip) {
    static const char *const names[] = { "examples/logreg.bitale", "examples/mlp.bitale" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *text = btl_test_read(btl_test_path(NULL, names[i]), NULL);
        assert_text_round_trips(text);
        free(text);
    }
}

BTL_TEST(every_kind_of_constant_keeps_dtype_and_value) {
    assert_text_round_trips("output inf, -inf, nan, f32(inf), f32(-inf), f32(nan), f16(inf), bf16(-inf), f64(nan), -0.0, -0.0f32\n"
                            "output 3, -9223372036854775808, 18446744073709551615u64, -128i8, 255u8, true, false, 0x10i16\n"
                            "output 0.1, 0.1f32, 0.1f16, 0.1bf16, 5e-324, 1e-45f32, 3.4028235e38f32, 1.7976931348623157e308\n");
    assert_text_round_trips("const a: f32[2, 3] = [[0.1, inf, nan], [-0.0, 1e-45, 16777217]]\n"
                            "const b: f64[0, 3] = []\nconst c = [[true, false]]\nconst d: u64[1] = [18446744073709551615]\n"
                            "const e: bf16[2] = [0.1, 3]\noutput a, b, d, e, f = ~c\n");
}

BTL_TEST(sizes_without_a_name_are_named_by_what_has_them) {
    assert_text_round_trips("input x: f32[?, 3]\ninput y: f32[?<=7]\n"
                            "output a = reshape(x, [x.shape[0] * 3]), b = zeros([y.shape[0] // 2 + 1, min(x.shape[0], 3)]), c = y[0:y.shape[0] - 1]\n");
}

BTL_TEST(expressions_of_sizes_round_trip) {
    assert_text_round_trips("input x: f32[n, m]\ninput z: f32[2*n + 1, (n + m) // 2, (n % 3) * m, max(n, m) - min(n, 4)]\n"
                            "output a = sum(x) / (n * m), b = reshape(x, [n * m]), c = zeros([2 * n + 1, m]) + 1, d = z\n");
}

BTL_TEST(indexing_round_trips) {
    assert_text_round_trips("input x: f32[n, 4, 5]\ninput i: i64[m]\ninput k: i64\n"
                            "output x[0], a = x[..., -1], b = x[1:n:2, ::-1], c = x[:, newaxis, 2:], d = x[i], e = x[i, i], f = x[:, i], g = x[k, 1:k]\n"
                            "output s = set_subtensor(x[0], 1), t = inc_subtensor(x[i, :, 2], 2), u = set_subtensor(x[:, 1:3], x[:, 0:2]), v = x[0, 0, 0]\n");
}

BTL_TEST(a_fused_node_prints_its_body) {
    const char *text = "bitale 1\n"
                       "input x: f32[n, 3]\n"
                       "input b: f32[3]\n"
                       "fn %f1(%2: f32, %3: f32):\n"
                       "    %4: f32 = add(%2, %3)\n"
                       "    %5: f32 = mul(%4, 2.0f32)\n"
                       "    return %5\n"
                       "y: f32[n, 3] = fused(x, b, body=%f1, shape=[n, 3], reduce=\"\", axes=none, keepdims=false)\n"
                       "output y\n";
    assert_prints(text, text);
    assert_text_round_trips(text);
}

BTL_TEST(sizes_that_a_line_asserts_stay_asserted) {
    const char *text = "input x: f32[n]\ninput y: f32[m]\na: f32[m] = exp(x)\nb: f32[10] = exp(y)\noutput a, b\n";
    btl_graph *g = parsed(text), *again = parsed(btl_graph_print(g));
    for (int i = 0; i < 2; i++) {
        assert_non_null(g->entries[0]->outputs[i].var->node->checks);
        assert_non_null(again->entries[0]->outputs[i].var->node->checks);
    }
    btl_graph_free(again);
    btl_graph_free(g);
    assert_text_round_trips(text);
}

BTL_TEST(names_that_meet_are_made_unique) {
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_var *x = btl_input(g, "x", "f32[n]");
    btl_var *a = btl_named(g, btl_expr(g, "x + 1", "x", x, NULL), "y"), *b = btl_named(g, btl_expr(g, "a * 2", "a", a, NULL), "y");
    btl_var *c = btl_named(g, btl_expr(g, "exp(b)", "b", b, NULL), "not a name"), *d = btl_named(g, btl_expr(g, "c / n", "c", c, NULL), "n");
    btl_entry *e = btl_entry_new(g, "main");
    BTL_ASSERT_OK(btl_entry_add_input(g, e, x, NULL));
    BTL_ASSERT_OK(btl_entry_add_output(g, e, "result", btl_expr(g, "sum(d)", "d", d, NULL)));
    BTL_ASSERT_CONTAINS(btl_graph_print(g), "y_2: f32[n] = mul(y, 2.0f32)");
    BTL_ASSERT_CONTAINS(btl_graph_print(g), "n_2: f32[n] = div(");
    btl_graph *again = parsed(btl_graph_print(g));
    assert_true(graphs_equal(g, again));
    btl_graph_free(again);
    btl_graph_free(g);
}

BTL_TEST(functions_that_share_nodes_print_them_in_each) {
    assert_text_round_trips("shared w: f32[3] = [1, 2, 3]\nk = sum(w)\n"
                            "function f(x: f32[3] = [1, 1, 1]):\n    output x * k\n"
                            "function g(x: f32[n] mutable):\n    update w = w * k\n    output k, sum(x)\n    assert all(x > 0), \"x\"\n");
}

/* ---- random programs --------------------------------------------------------------------- */

static const char *const unary[] = { "exp(%s)", "tanh(%s)", "-%s", "%s * 2", "1 - %s", "sum(%s, axis=0, keepdims=true) + x", "%s.T.T",
                                     "softmax(%s)", "%s[::-1]", "where(%s > 0, %s, 1)", "concatenate([%s[0:1], %s[1:]])", "f32(i32(%s))",
                                     "set_subtensor(%s[0], 1)", "reshape(%s, shape=[n, 3])", "%s ** 2", "maximum(%s, 0)" };
static const char *const binary[] = { "%s + %s", "%s * %s", "%s - %s", "maximum(%s, %s)", "%s / %s", "%s @ %s.T @ x", "%s // %s", "%s %% %s" };

static void random_program(btl_rng *r, btl_text *t) {
    int n = 1 + (int)btl_rng_below(r, 30);
    btl_text_add(t, "input x: f32[n, 3]\n");
    for (int i = 0; i < n; i++) {
        char a[16] = "x", b[16] = "x", form[128];
        if (i) snprintf(a, sizeof a, "v%d", (int)btl_rng_below(r, (uint64_t)i));
        if (i) snprintf(b, sizeof b, "v%d", (int)btl_rng_below(r, (uint64_t)i));
        bool two = btl_rng_below(r, 2);
        const char *f = two ? binary[btl_rng_below(r, sizeof binary / sizeof *binary)] : unary[btl_rng_below(r, sizeof unary / sizeof *unary)];
        size_t k = 0;
        const char *first = a, *second = two ? b : a;
        for (; *f; f++) {
            if (f[0] == '%' && f[1] == 's') k += (size_t)snprintf(form + k, sizeof form - k, "%s", first), first = second, f++;
            else if (f[0] == '%') form[k++] = '%', f++;
            else form[k++] = *f;
        }
        form[k] = 0;
        btl_text_printf(t, "v%d = %s\n", i, form);
    }
    btl_text_printf(t, "output v%d\n", n - 1);
    if (btl_rng_below(r, 2)) btl_text_printf(t, "output g = grad(sum(v%d), x, disconnected=\"zero\")\n", n - 1);
}

typedef struct random_args { btl_rng *r; btl_arena *arena; const char *text; } random_args;
static btl_status random_body(void *arg) {
    random_args *a = arg;
    btl_text t;
    btl_text_init(&t, a->arena);
    random_program(a->r, &t);
    a->text = t.data;
    return BTL_OK;
}

BTL_TEST(random_programs_round_trip) {
    btl_rng r = { btl_test_seed() };
    for (int i = 0; i < 300; i++) {
        btl_arena arena;
        btl_arena_init(&arena, NULL);
        random_args a = { &r, &arena, NULL };
        BTL_ASSERT_OK(btl_arena_protect(&arena, random_body, &a));
        assert_text_round_trips(a.text);
        btl_arena_deinit(&arena);
    }
}

/* ---- memory ------------------------------------------------------------------------------ */

static btl_status parse_and_print(btl_context *ctx, void *arg) {
    btl_graph *g;
    btl_status status = btl_graph_new(ctx, &g);
    if (status != BTL_OK) return status;
    status = btl_graph_parse(g, arg, strlen(arg), "test");
    if (status == BTL_OK && !btl_graph_print(g)) status = BTL_ENOMEM;
    btl_graph_free(g);
    return status;
}

BTL_TEST(memory_that_runs_out_anywhere_leaves_nothing_behind) {
    char *text = btl_test_read(btl_test_path(NULL, "examples/mlp.bitale"), NULL);
    assert_true(BTL_ASSERT_SURVIVES_ENOMEM(parse_and_print, text) > 3);
    free(text);
}

BTL_TEST_MAIN(cmocka_unit_test(the_normal_form_has_one_node_a_line), cmocka_unit_test(the_examples_round_trip),
              cmocka_unit_test(every_kind_of_constant_keeps_dtype_and_value),
              cmocka_unit_test(sizes_without_a_name_are_named_by_what_has_them), cmocka_unit_test(expressions_of_sizes_round_trip),
              cmocka_unit_test(indexing_round_trips), cmocka_unit_test(a_fused_node_prints_its_body),
              cmocka_unit_test(sizes_that_a_line_asserts_stay_asserted), cmocka_unit_test(names_that_meet_are_made_unique), cmocka_unit_test(functions_that_share_nodes_print_them_in_each),
              cmocka_unit_test(random_programs_round_trip), cmocka_unit_test(memory_that_runs_out_anywhere_leaves_nothing_behind))
