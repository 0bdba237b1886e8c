/* own_rules_test.c - rules of a user's own: from a text, from the program; those that are wrong are told and change nothing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "bitale/tools.h"
#include "expr/op.h"
#include "rewrite/driver.h"
#include "rewrite/match.h"

#include <stdio.h>
#include <string.h>

typedef struct bench {
    btl_context *ctx;
    btl_graph *g;
    btl_var *x, *root;
    btl_rewrite_options options;
    btl_rewrite_report report;
    btl_error err;
} bench;

static bench bench_new(void) {
    bench b = { .options = { .phases = BTL_CANONICALIZE | BTL_STABILIZE | BTL_SPECIALIZE } };
    BTL_ASSERT_OK(btl_context_new(NULL, &b.ctx));
    BTL_ASSERT_OK(btl_graph_new(b.ctx, &b.g));
    b.x = btl_input(b.g, "x", "f32[n]");
    return b;
}

static void bench_free(bench *b) {
    btl_graph_free(b->g);
    btl_context_free(b->ctx);
}

static btl_status parse(bench *b, const char *text) {
    b->err = (btl_error){ 0 };
    return btl_rules_parse(b->ctx, text, strlen(text), "mine.rules", &b->err);
}

static btl_status run(void *arg) {
    bench *b = arg;
    b->options.report = &b->report;
    return btl_rewrite(b->g, 1, &b->root, &b->options);
}

static btl_status rewrite(bench *b) {
    b->report = (btl_rewrite_report){ 0 };
    btl_status status = btl_graph_protect(b->g, run, b);
    assert_true(status != BTL_OK || btl_graph_check(b->g));
    return status;
}

static const char half[] = "rule switched: sqr(tanh(?x)) => tanh(sqr(?x)) when float and finite(?x)  # a lie, to be seen\n"
                           "    why: one may see whether it fires\n    class: ulp 2\n    tags: mine\n";

BTL_TEST(a_rule_of_a_text_fires_where_its_conditions_hold_and_is_switched_by_name_and_tag) {
    static const char *const words[] = { "switched", "mine" };
    bench b = bench_new();
    BTL_ASSERT_OK(parse(&b, half));
    btl_var *may_be_infinite = btl_sqr(b.g, btl_tanh(b.g, b.x));
    btl_var *finite = btl_sqr(b.g, btl_tanh(b.g, btl_cast(b.g, btl_input(b.g, "i", "i8[n]"), BTL_F32)));
    b.root = may_be_infinite;
    BTL_ASSERT_OK(rewrite(&b));
    assert_string_equal(b.root->node->op->name, "sqr");
    b.root = finite;
    BTL_ASSERT_OK(rewrite(&b));
    assert_string_equal(b.root->node->op->name, "tanh");
    for (int i = 0; i < 2; i++) {
        b.options.nwithout = 1, b.options.without = &words[i];
        b.root = finite;
        BTL_ASSERT_OK(rewrite(&b));
        assert_string_equal(b.root->node->op->name, "sqr");
    }
    bench_free(&b);
}

BTL_TEST(own_rules_come_before_bitales) {
    bench b = bench_new();
    BTL_ASSERT_OK(parse(&b, "rule mine: log(exp(?x)) => ?x * 1.5 \n  phase: stabilize\n")); /* wrong, to be seen */
    b.root = btl_log(b.g, btl_exp(b.g, b.x));
    BTL_ASSERT_OK(rewrite(&b));
    assert_string_equal(b.root->node->op->name, "mul");
    bench_free(&b);
}

BTL_TEST(a_rule_is_known_to_gradients_taken_afterwards) {
    bench b = bench_new();
    BTL_ASSERT_OK(parse(&b, "rule mine: sin(?x) => ?x \n  phase: stabilize\n"));
    btl_var *cost = btl_sum(b.g, btl_sin(b.g, b.x), BTL_AXES(0), false), *d;
    BTL_ASSERT_OK(btl_grad(b.g, cost, 1, &b.x, BTL_DISCONNECTED_ERROR, &d));
    b.root = d;
    BTL_ASSERT_OK(rewrite(&b));
    double one = 0;
    assert_true(btl_var_constant_value(b.root, &one) || strcmp(b.root->node->op->name, "broadcast_to") == 0);
    bench_free(&b);
}

/* ---- what is wrong is told, with place, found and expected ------------------------------------ */

BTL_TEST(texts_that_are_no_rules_are_told_with_line_and_column_and_nothing_is_registered) {
    static const struct { const char *text; btl_status status; int line, column; const char *message; } bad[] = {
        { "rule a: nosuch(?x) => ?x\n", BTL_ENAME, 1, 9, "there is no operation nosuch" },
        { "rule a: sqr(?x) => nosuch(?x)\n", BTL_ENAME, 1, 20, "there is no operation nosuch" },
        { "rule a: mean(?x) => ?x\n", BTL_ESYNTAX, 1, 9, "mean never stands in a graph" },
        { "rule a: sqr(?x) => ?y\n", BTL_ENAME, 1, 22, "a letter that the pattern does not bind" },
        { "rule a: sqr(?x) => ?x when flot\n", BTL_ENAME, 1, 28, "conditions are float, integer" },
        { "rule a: sqr(?x) => ?x when finite(?y)\n", BTL_ENAME, 1, 35, "does not bind" },
        { "rule a: sqr(?x) => ?x when finite(x)\n", BTL_ESYNTAX, 1, 34, "(?x) is expected" },
        { "rule a: sqr(?x) => ?x\n  phse: lower\n", BTL_ESYNTAX, 2, 3, "did you mean phase?" },
        { "rule a: sqr(?x) => ?x\n  phase: lwer\n", BTL_EVALUE, 2, 10, "canonicalize, stabilize, specialize and lower are" },
        { "rule a: sqr(?x) => ?x\n\n  class: 4 ulp\n", BTL_EVALUE, 3, 10, "exact, ulp N and reassociates are" },
        { "rule a: sqr(?x) => ?x\n  class: ulp -4\n", BTL_EVALUE, 2, 10, "exact, ulp N and reassociates are" },
        { "rule a: sqr(?x) => ?x\n  needs: nothing\n", BTL_EVALUE, 2, 10, "finite, no_signed_zero and no_overflow are" },
        { "rule a: sqr(?x) => ?x\n  opt_in: yes\n", BTL_EVALUE, 2, 11, "true or false is expected" },
        { "rule a: sqr(?x) => ?x\n  why: a\n  why: b\n", BTL_ESYNTAX, 3, 3, "why is said twice, first in line 2" },
        { "  why: a\n", BTL_ESYNTAX, 1, 3, "no rule stands above it" },
        { "rule log_exp: sqr(?x) => ?x\n", BTL_ENAME, 1, 6, "there is a rule log_exp already" },
        { "rule stability: sqr(?x) => ?x\n", BTL_ENAME, 1, 6, "is a tag of rules" },
        { "rule fuse: sqr(?x) => ?x\n", BTL_ENAME, 1, 6, "is a tag of rules" },
        { "rule 1a: sqr(?x) => ?x\n", BTL_ENAME, 1, 6, "a name is expected" },
        { "rule a: sqr(?x) => ?x\nrule a: abs(?x) => ?x\n", BTL_ENAME, 2, 6, "stands in line 1 already" },
        { "rule a: sqr(?x)\n", BTL_ESYNTAX, 1, 8, "there is no =>" },
        { "rule a sqr(?x)\n", BTL_ESYNTAX, 1, 6, "there is no colon" },
        { "rule a: sqr(?x) => # nothing\n", BTL_ESYNTAX, 1, 20, "a result is expected" },
        { "rule a: ?x => ?x\n", BTL_ESYNTAX, 1, 9, "must be an operation" },
        { "rule a: (log sub) => (in code)\n", BTL_EVALUE, 1, 22, "cannot give rules in code" },
        { "hello\n", BTL_ESYNTAX, 1, 1, "is expected, or an indented" },
        { "rule a: sqr(?x => ?x\n", BTL_ESYNTAX, 1, 15, ") expected" },
    };
    bench b = bench_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        btl_rule_info r;
        if (parse(&b, bad[i].text) != bad[i].status) BTL_FAIL("%s: %d %s", bad[i].text, b.err.status, b.err.message);
        if (b.err.line != bad[i].line || b.err.column != bad[i].column) BTL_FAIL("%s: at %d:%d: %s", bad[i].text, b.err.line, b.err.column, b.err.message);
        BTL_ASSERT_CONTAINS(b.err.message, bad[i].message);
        assert_true(btl_rule_info_at(b.ctx, 0, &r) && !r.origin);
    }
    BTL_ASSERT_STATUS(btl_rules_load(b.ctx, "there/is/no.rules", &b.err), BTL_EIO);
    bench_free(&b);
}

BTL_TEST(rules_that_do_not_end_are_errors_that_name_them_and_leave_the_roots) {
    static const struct { const char *text, *message; } bad[] = {
        { "rule a: sqr(?x) => sqr(?x + 0)", "rule a (mine.rules:1)" },
        { "rule a: ?x + ?y => ?y + ?x", "rule a (mine.rules:1) makes again what it matches" },
        { "rule a: sqr(?x) => sqr(-?x)", "rule a (mine.rules:1) makes again what it matches" },
        { "rule a: sqr(?x) => abs(sqr(?x * 2)) / 4", "rule a (mine.rules:1) goes on without an end" },
        { "rule a: sqr(?x) => sqr(?x * 3) + sqr(?x * 2)", "rule a (mine.rules:1)" },
        { "rule a: sqr(?x) => tanh(?x)\nrule b: tanh(?x) => sqr(?x)", "rules a (mine.rules:1) and b (mine.rules:2) undo each other" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int intern = 0; intern < 2; intern++) {
            bench b = bench_new();
            b.g->intern = intern;
            BTL_ASSERT_OK(parse(&b, bad[i].text));
            btl_var *before = b.root = btl_add(b.g, btl_sqr(b.g, b.x), btl_number(b.g, 1));
            BTL_ASSERT_STATUS(rewrite(&b), BTL_EVALUE);
            assert_ptr_equal(b.root, before);
            BTL_ASSERT_CONTAINS(btl_graph_messages(b.g), bad[i].message);
            bench_free(&b);
        }
}

BTL_TEST(without_merging_rules_that_undo_each_other_are_found_by_their_number) {
    static const char *const merge[] = { "merge_equal" };
    bench b = bench_new();
    BTL_ASSERT_OK(parse(&b, "rule a: sqr(?x) => tanh(?x)\nrule b: tanh(?x) => sqr(?x)"));
    b.options.nwithout = 1, b.options.without = merge;
    b.root = btl_sqr(b.g, b.x);
    BTL_ASSERT_STATUS(rewrite(&b), BTL_EVALUE);
    BTL_ASSERT_CONTAINS(btl_graph_messages(b.g), "go on without an end");
    bench_free(&b);
}

BTL_TEST(a_rule_that_makes_another_element_type_or_what_cannot_be_is_an_error_that_names_it) {
    static const struct { const char *text; btl_status status; const char *message; } bad[] = {
        { "rule a: sqr(?x) => cast(?x, dtype=f64)", BTL_EDTYPE, "rule a (mine.rules:1): its result is f64[n], but sqr is f32[n]" },
        { "rule a: sqr(?x) => ?x & ?x", BTL_EDTYPE, "rule a (mine.rules:1) makes what cannot be" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bench b = bench_new();
        if (strchr(bad[i].text, '&')) BTL_ASSERT_OK(parse(&b, "rule a: sqr(?x) => bitwise_and(?x, ?x)"));
        else BTL_ASSERT_OK(parse(&b, bad[i].text));
        btl_var *before = b.root = btl_sqr(b.g, b.x);
        BTL_ASSERT_STATUS(rewrite(&b), bad[i].status);
        assert_ptr_equal(b.root, before);
        BTL_ASSERT_CONTAINS(btl_graph_error(b.g)->message, bad[i].message);
        bench_free(&b);
    }
}

BTL_TEST(a_rule_whose_sizes_may_differ_does_not_fire) {
    bench b = bench_new();
    BTL_ASSERT_OK(parse(&b, "rule a: ?x + ?y => ?x"));
    btl_var *before = b.root = btl_add(b.g, btl_number(b.g, 1), b.x); /* ?x is 0-d in one order: there it stays away; */
    BTL_ASSERT_OK(rewrite(&b));
    assert_ptr_equal(b.root, before); /* the rule has no second try in the other order, since its pattern fitted */
    bench_free(&b);
}

/* ---- from a program ----------------------------------------------------------------------------- */

static btl_var *cube(btl_rule_match *m, void *user) {
    btl_graph *g = btl_rule_match_graph(m);
    btl_var *x = btl_rule_match_bound(m, 'x');
    assert_null(btl_rule_match_bound(m, 'y'));
    assert_string_equal(btl_var_name(x), "x");
    assert_int_equal(btl_var_rank(btl_rule_match_root(m)), 1);
    ++*(int *)user;
    return btl_mul(g, x, btl_sqr(g, x));
}

BTL_TEST(a_rule_in_code_is_registered_and_its_context_lives_on) {
    int calls = 0;
    bench b = bench_new();
    const btl_rule_def def = { .struct_size = sizeof def, .name = "cube", .match = "?x ** 3", .apply = cube, .user = &calls };
    BTL_ASSERT_OK(btl_rule_register(b.ctx, &def, &b.err));
    b.root = btl_pow(b.g, b.x, btl_number(b.g, 3));
    BTL_ASSERT_OK(rewrite(&b));
    assert_int_equal(calls, 1);
    assert_string_equal(b.root->node->op->name, "mul");
    BTL_ASSERT_STATUS(btl_rule_register(b.ctx, &def, &b.err), BTL_ENAME);
    b.err = (btl_error){ 0 };
    const btl_rule_def nothing = { .struct_size = sizeof nothing, .name = "nothing", .match = "?x ** 3" };
    BTL_ASSERT_STATUS(btl_rule_register(b.ctx, &nothing, &b.err), BTL_ESYNTAX);
    BTL_ASSERT_CONTAINS(b.err.message, "rule nothing: result: a result is expected");
    b.err = (btl_error){ 0 };
    const btl_rule_def bad = { .struct_size = sizeof bad, .name = "bad", .match = "?x ** nosuch(3)", .result = "?x" };
    BTL_ASSERT_STATUS(btl_rule_register(b.ctx, &bad, &b.err), BTL_ENAME);
    BTL_ASSERT_CONTAINS(b.err.message, "rule bad: match: there is no operation nosuch at \"nosuch(3)\"");
    bench_free(&b);
}

BTL_TEST(a_function_that_was_compiled_keeps_its_rules) {
    bench b = bench_new();
    b.root = btl_sin(b.g, b.x);
    BTL_ASSERT_OK(rewrite(&b)); /* a book is made */
    BTL_ASSERT_OK(parse(&b, "rule a: sin(?x) => ?x"));
    BTL_ASSERT_OK(parse(&b, "rule b: cos(?x) => ?x"));
    BTL_ASSERT_OK(rewrite(&b));
    assert_ptr_equal(b.root, b.x);
    bench_free(&b);
}

/* ---- what a rule is printed as is read again ------------------------------------------------------ */

BTL_TEST(every_rule_of_text_is_read_back_as_it_is_shown) {
    btl_rule_info r, back;
    int n = 0;
    for (int i = 0; btl_rule_info_at(NULL, i, &r); i++) {
        if (!r.match || !r.result || (r.when && strstr(r.when, "code"))) continue;
        btl_context *ctx;
        btl_error err = { 0 };
        char text[4000];
        BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
        snprintf(text, sizeof text, "rule mine_%s: %s => %s%s%s # %s\n  why: %s\n  phase: %s\n  class: %s\n  tags: %s\n  opt_in: %s\n%s%s", r.name, r.match, r.result,
                 r.when ? " when " : "", r.when ? r.when : "", r.phases, r.why, r.phases, r.exactness, r.tags, r.opt_in ? "true" : "false",
                 *r.needs ? "  needs: " : "", r.needs);
        if (btl_rules_parse(ctx, text, strlen(text), "printed", &err) != BTL_OK) BTL_FAIL("%s", err.message);
        assert_true(btl_rule_info_at(ctx, 0, &back));
        assert_string_equal(back.match, r.match);
        assert_string_equal(back.result, r.result);
        assert_string_equal(back.phases, r.phases);
        assert_string_equal(back.exactness, r.exactness);
        assert_string_equal(back.needs, r.needs);
        assert_string_equal(back.tags, r.tags);
        assert_true(back.opt_in == r.opt_in);
        assert_string_equal(back.origin, "printed:1");
        btl_context_free(ctx);
        n++;
    }
    assert_in_range(n, 40, 1000);
}

static btl_status parse_without_memory(btl_context *ctx, void *arg) {
    (void)arg;
    btl_status status = btl_rules_parse(ctx, half, strlen(half), "mine.rules", NULL);
    btl_rule_info r;
    bool there = btl_rule_info_at(ctx, 0, &r) && r.origin;
    assert_true(there == (status == BTL_OK));
    return status;
}

BTL_TEST(memory_that_runs_out_in_registering_leaves_all_as_it_was) {
    assert_true(BTL_ASSERT_SURVIVES_ENOMEM(parse_without_memory, NULL) > 2);
}

BTL_TEST_MAIN(cmocka_unit_test(a_rule_of_a_text_fires_where_its_conditions_hold_and_is_switched_by_name_and_tag),
              cmocka_unit_test(own_rules_come_before_bitales),
              cmocka_unit_test(a_rule_is_known_to_gradients_taken_afterwards),
              cmocka_unit_test(texts_that_are_no_rules_are_told_with_line_and_column_and_nothing_is_registered),
              cmocka_unit_test(rules_that_do_not_end_are_errors_that_name_them_and_leave_the_roots),
              cmocka_unit_test(without_merging_rules_that_undo_each_other_are_found_by_their_number),
              cmocka_unit_test(a_rule_that_makes_another_element_type_or_what_cannot_be_is_an_error_that_names_it),
              cmocka_unit_test(a_rule_whose_sizes_may_differ_does_not_fire),
              cmocka_unit_test(a_rule_in_code_is_registered_and_its_context_lives_on),
              cmocka_unit_test(a_function_that_was_compiled_keeps_its_rules),
              cmocka_unit_test(every_rule_of_text_is_read_back_as_it_is_shown),
              cmocka_unit_test(memory_that_runs_out_in_registering_leaves_all_as_it_was))
