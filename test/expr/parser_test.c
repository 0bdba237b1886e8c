/* parser_test.c - what programs mean: values through the reference evaluator, types, places, limits.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "expr/lexer.h"
#include "expr/op.h"
#include "expr/parser.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static btl_graph *parsed(const char *text) {
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (btl_graph_parse(g, text, strlen(text), "test") != BTL_OK) BTL_FAIL("%s\n%s", btl_graph_messages(g), text);
    return g;
}

static void assert_message(const char *text, const char *part) {
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    assert_true(btl_graph_parse(g, text, strlen(text), "test") != BTL_OK);
    BTL_ASSERT_CONTAINS(btl_graph_messages(g), part);
    btl_graph_free(g);
}

/* The value of an expression without inputs. */
static double value_of(const char *expression) {
    char text[512];
    snprintf(text, sizeof text, "output y = %s\n", expression);
    btl_graph *g = parsed(text);
    btl_array y = { 0 }, f;
    btl_error err = { 0 };
    int64_t none[64];
    for (int i = 0; i < 64; i++) none[i] = -1;
    BTL_ASSERT_OK(btl_graph_eval(g, 0, NULL, NULL, none, 1, &g->entries[0]->outputs[0].var, &y, &err));
    double value = 0;
    f = btl_array_wrap(BTL_F64, 0, NULL, &value);
    BTL_ASSERT_OK(btl_array_convert(&f, &y));
    btl_array_free(&y);
    btl_graph_free(g);
    return value;
}

static void assert_type(const char *declarations, const char *expression, const char *type) {
    char text[1024];
    snprintf(text, sizeof text, "%s\noutput r = %s\n", declarations, expression);
    btl_graph *g = parsed(text);
    assert_string_equal(btl_var_type(g, g->entries[0]->outputs[0].var), type);
    btl_graph_free(g);
}

BTL_TEST(operators_bind_as_in_python) { /* the expected values are Python's */
    static const struct { const char *text; double value; } cases[] = {
        { "-2**2", -4 }, { "2**3**2", 512 }, { "2 + 3 * 4 - 5", 9 }, { "7 // 2 * 2", 6 }, { "-7 // 2", -4 }, { "-7 % 3", 2 },
        { "7 % -3", -2 }, { "2**-1", 0.5 }, { "1 << 3 | 1", 9 }, { "6 & 3 ^ 1", 3 }, { "~5", -6 }, { "1 / 4", 0.25 },
        { "i64(not 1 == 2)", 1 }, { "i64(true or false and false)", 1 }, { "i64(1 + 1 == 2 and 3 > 2)", 1 }, { "- - 3", 3 },
        { "7.5 // 2", 3 }, { "-7.5 % 2", 0.5 }, { "(1 + 2) * 3", 9 }, { "0x10 + 1", 17 }, { "1e3", 1000 }, { "10 - 4 - 3", 3 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) BTL_ASSERT_NEAR(value_of(cases[i].text), cases[i].value, 0);
}

BTL_TEST(operators_on_typed_constants_agree_with_folded_literals) {
    static const char *const pairs[][2] = { { "-7i64 // 2i64", "-7 // 2" }, { "-7i64 % 3i64", "-7 % 3" }, { "7f64 / 2f64", "7 / 2" },
        { "2i64 ** 10i64", "2 ** 10" }, { "-7.5f64 % 2f64", "-7.5 % 2" }, { "5i64 << 2i64", "5 << 2" } };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) BTL_ASSERT_NEAR(value_of(pairs[i][0]), value_of(pairs[i][1]), 0);
}

BTL_TEST(literals_and_sizes_take_the_other_sides_dtype) {
    assert_type("input x: f32[n]", "x * 2 + 1.5", "f32[n]");
    assert_type("input x: f32[n]", "sum(x) / n", "f32");
    assert_type("input x: f16[n]", "x * [1, 2, 3][0]", "f16[n]");
    assert_type("input x: i32[n]", "x + 1", "i32[n]");
    assert_type("input x: i32[n]", "x + 1.5", "f64[n]");
    assert_type("input x: i32[n]\ninput y: f32[n]", "x + y", "f64[n]");
    assert_type("const k = 3\ninput x: f32[k]", "x * k", "f32[3]");
}

BTL_TEST(sizes_are_computed_with_while_parsing) {
    assert_type("input x: f32[n, m]", "reshape(x, [n * m])", "f32[n*m]");
    assert_type("input x: f32[n, 4]", "reshape(x, shape=[x.shape[0] * 2, x.shape[1] // 2])", "f32[2*n, 2]");
    assert_type("input x: f32[n, 4]", "zeros(shape=[min(x.shape[1], 3), x.ndim], dtype=x.dtype)", "f32[3, 2]");
    assert_type("input x: f32[n, 4]", "zeros(shape=[len(x)], dtype=u8)", "u8[n]");
}

BTL_TEST(a_fn_is_typed_anew_at_each_use) {
    btl_graph *g = parsed("fn double(x) = x + x\ninput a: f32[n]\ninput b: i8\noutput p = double(a), q = double(double(b))\n");
    assert_string_equal(btl_var_type(g, g->entries[0]->outputs[0].var), "f32[n]");
    assert_string_equal(btl_var_type(g, g->entries[0]->outputs[1].var), "i8");
    btl_graph_free(g);
    g = parsed("fn apply(f, x) = f(x)\ninput a: f32[n]\nk = 2\noutput y = apply(fn(v) => v * k, a)\n");
    assert_string_equal(btl_var_type(g, g->entries[0]->outputs[0].var), "f32[n]");
    btl_graph_free(g);
}

BTL_TEST(a_fn_that_would_never_end_is_refused) {
    assert_message("fn f(x) = f(x)\noutput f(1)\n", "cannot use itself");
    assert_message("fn w(h) = h(h)\noutput w(w)\n", "fn within fn");
    char text[4096];
    int n = snprintf(text, sizeof text, "fn g0(x) = x + x\n");
    for (int i = 1; i < 40; i++) n += snprintf(text + n, sizeof text - (size_t)n, "fn g%d(x) = g%d(g%d(x))\n", i, i - 1, i - 1);
    snprintf(text + n, sizeof text - (size_t)n, "input x: f32\noutput g39(x)\n");
    assert_message(text, "too long when written out");
}

BTL_TEST(a_node_knows_its_line_and_column) {
    btl_graph *g = parsed("input x: f32[n]\ny = exp(x * 2)\noutput y\n");
    const btl_node *exp = g->entries[0]->outputs[0].var->node, *mul = exp->in[0]->node;
    assert_int_equal(exp->places->place->line, 2);
    assert_int_equal(exp->places->place->column, 5);
    assert_int_equal(mul->places->place->column, 11);
    assert_string_equal(mul->places->place->source, "y = exp(x * 2)");
    btl_graph_free(g);
}

BTL_TEST(a_node_of_a_fn_knows_where_the_fn_is_used) {
    btl_graph *g = parsed("fn f(x) = exp(x)\ninput x: f32[n]\noutput f(x)\n");
    const btl_places *places = g->entries[0]->outputs[0].var->node->places;
    assert_int_equal(places->place->line, 1);
    assert_non_null(places->more);
    assert_int_equal(places->more->place->line, 3);
    btl_graph_free(g);
}

BTL_TEST(outputs_are_named_by_their_variable_or_their_place) {
    btl_graph *g = parsed("input x: f32\noutput x + 1, x, y = x * 2, y + x\n");
    static const char *const names[] = { "out0", "x", "y", "out3" };
    for (int i = 0; i < 4; i++) assert_string_equal(g->entries[0]->outputs[i].name, names[i]);
    btl_graph_free(g);
}

BTL_TEST(an_expression_from_c_knows_names_sizes_and_shared_variables) {
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_var *x = btl_input(g, "x", "f32[n, 3]"), *w = btl_shared(g, "w", "f32[3]", NULL);
    btl_var *y = btl_expr(g, "sum(a @ w) / n", "a", x, NULL);
    assert_non_null(w);
    if (!y) BTL_FAIL("%s", btl_graph_messages(g));
    assert_string_equal(btl_var_type(g, y), "f32");
    assert_null(btl_expr(g, "exp(b)", "b", (btl_var *)NULL, NULL));
    assert_null(btl_graph_error(g)); /* NULL stands for an error that was told before */
    assert_null(btl_expr(g, "a +", "a", x, NULL));
    BTL_ASSERT_CONTAINS(btl_graph_messages(g), "expected an expression");
    btl_graph_free(g);
}

BTL_TEST(types_from_c_are_checked) {
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    assert_string_equal(btl_var_type(g, btl_input(g, "x", "f32[2*n + 1, ?]")), "f32[2*n + 1, ?]");
    assert_null(btl_input(g, "y", "f32[n"));
    assert_null(btl_input(g, "z", "float[3]"));
    assert_int_equal(btl_graph_nmessages(g), 2);
    BTL_ASSERT_CONTAINS(btl_graph_messages(g), "unknown element type float");
    btl_graph_free(g);
}

BTL_TEST(what_is_not_there_yet_says_so) {
    static const char *const texts[] = { "input x: f32\noutput x if true else x\n", "output scan(1)\n",
        "input x: c64\noutput x\n", "rule r: exp(?x) => x\n", "input x: f32[3]\noutput x[x > 0]\n" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        btl_graph *g;
        BTL_ASSERT_OK(btl_graph_new(NULL, &g));
        BTL_ASSERT_STATUS(btl_graph_parse(g, texts[i], strlen(texts[i]), "test"), BTL_EUNSUPPORTED);
        btl_graph_free(g);
    }
}

BTL_TEST(names_ops_and_types_do_not_stand_in_each_others_way) {
    assert_type("input sum: f32[n]\nrandom = sum + 1\nkey = random.key(7)", "sum(sum * random) + f32(sum(f64(sum)))", "f32");
}

/* ---- limits ------------------------------------------------------------------------------ */

typedef struct job { const char *text; size_t length; btl_status status; int nodes; char message[256]; } job;

static void *parse_job(void *arg) {
    job *j = arg;
    btl_graph *g;
    j->status = btl_graph_new(NULL, &g);
    if (j->status != BTL_OK) return NULL;
    j->status = btl_graph_parse(g, j->text, j->length, "test");
    j->nodes = g->nnodes;
    if (btl_graph_error(g)) snprintf(j->message, sizeof j->message, "%.200s", btl_graph_error(g)->message);
    if (j->status == BTL_OK) assert_non_null(btl_graph_print(g));
    btl_graph_free(g);
    return NULL;
}

/* Sanitizers make frames several times as big. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__ || !defined __OPTIMIZE__
enum { SMALL_STACK = 2 << 20 };
#else
enum { SMALL_STACK = 256 << 10 };
#endif

static void on_small_stack(job *j) {
    pthread_attr_t attr;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, SMALL_STACK), 0);
    assert_int_equal(pthread_create(&thread, &attr, parse_job, j), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
}

static char *repeated(const char *before, const char *part, size_t times, const char *middle, const char *after) {
    size_t n = strlen(part), m = strlen(after);
    char *text = malloc(strlen(before) + times * (n + m) + strlen(middle) + 2), *at = text;
    assert_non_null(text);
    at = stpcpy(at, before);
    for (size_t i = 0; i < times; i++) at = stpcpy(at, part);
    at = stpcpy(at, middle);
    for (size_t i = 0; i < times; i++) at = stpcpy(at, after);
    strcpy(at, "\n");
    return text;
}

BTL_TEST(a_sum_of_a_million_terms_needs_a_small_stack) {
    char *text = repeated("input x: f32[n]\noutput y = x", " + x", 1000000, "", "");
    job j = { .text = text, .length = strlen(text) };
    on_small_stack(&j);
    assert_int_equal(j.status, BTL_OK);
    assert_int_equal(j.nodes, 1000001);
    free(text);
}

BTL_TEST(nesting_ten_thousand_deep_is_an_error) {
    static const char *const parts[][2] = { { "(", ")" }, { "[", "]" }, { "-", "" }, { "exp(", ")" }, { "not ", "" }, { "x[", "]" },
        { "fn() => ", "" }, { "2 ** ", "" }, { "1 if true else ", "" }, { "set_subtensor(x[0], ", ")" }, { "x[0:", "]" } };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *text = repeated("input x: f32[3]\noutput y = ", parts[i][0], 10000, "1", parts[i][1]);
        job j = { .text = text, .length = strlen(text) };
        on_small_stack(&j);
        assert_int_equal(j.status, BTL_ESYNTAX);
        BTL_ASSERT_CONTAINS(j.message, "nested more than");
        free(text);
    }
    char *text = repeated("input x: f32[", "(", 10000, "1", ")");
    job j = { .text = text, .length = strlen(text) };
    on_small_stack(&j);
    assert_int_equal(j.status, BTL_ESYNTAX);
    free(text);
}

BTL_TEST_MAIN(cmocka_unit_test(operators_bind_as_in_python), cmocka_unit_test(operators_on_typed_constants_agree_with_folded_literals),
              cmocka_unit_test(literals_and_sizes_take_the_other_sides_dtype), cmocka_unit_test(sizes_are_computed_with_while_parsing),
              cmocka_unit_test(a_fn_is_typed_anew_at_each_use), cmocka_unit_test(a_fn_that_would_never_end_is_refused),
              cmocka_unit_test(a_node_knows_its_line_and_column), cmocka_unit_test(a_node_of_a_fn_knows_where_the_fn_is_used),
              cmocka_unit_test(outputs_are_named_by_their_variable_or_their_place),
              cmocka_unit_test(an_expression_from_c_knows_names_sizes_and_shared_variables), cmocka_unit_test(types_from_c_are_checked),
              cmocka_unit_test(what_is_not_there_yet_says_so), cmocka_unit_test(names_ops_and_types_do_not_stand_in_each_others_way),
              cmocka_unit_test(a_sum_of_a_million_terms_needs_a_small_stack), cmocka_unit_test(nesting_ten_thousand_deep_is_an_error))
