/* roundtrip_sweep_test.c - what is printed parses back and prints the same: every sample of every op as a
 * program, its gradient, and both after every pass of the compiler.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sweep.h"

#include "bitale/grad.h"

static bool same_again(const char *printed, const char *what, const char *subject, sweep_report *report) {
    btl_graph *g;
    report->cases++;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_status status = btl_graph_parse(g, printed, strlen(printed), "printed");
    if (status != BTL_OK) {
        sweep_fails(report, subject, "%s is not read back: %s\n%s", what, btl_graph_messages(g), printed);
    } else {
        const char *again = btl_graph_print(g);
        if (!again || strcmp(again, printed) != 0) {
            status = BTL_ECHECK;
            sweep_fails(report, subject, "%s is printed as\n%sand, read back, as\n%s", what, printed, again ? again : "(nothing)");
        }
    }
    btl_graph_free(g);
    return status == BTL_OK;
}

/* Without the comments that say where values lie, which are not read. */
static void drop_comments(char *text) {
    char *to = text;
    for (const char *at = text; *at;) {
        if (strncmp(at, "  # @", 5) == 0) at += strcspn(at, "\n");
        else *to++ = *at++;
    }
    *to = 0;
}

/* What runs, in the schedule stage: it reads back, and every `into` is accepted. */
static bool schedule_again(const char *printed, const char *what, const char *subject, sweep_report *report) {
    char *text = strdup(printed);
    btl_graph *g;
    btl_error err = { 0 };
    drop_comments(text);
    bool good = same_again(text, what, subject, report);
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (good && (btl_graph_parse(g, text, strlen(text), "text") != BTL_OK || btl_entry_check_memory(g, btl_entry_find(g, btl_graph_entry_name(g, 0)), &err) != BTL_OK)) {
        sweep_fails(report, subject, "%s: %s%s", what, btl_graph_messages(g), err.message);
        good = false;
    }
    btl_graph_free(g);
    free(text);
    return good;
}

/* The entry after each pass. */
static void check_passes(btl_graph *g, btl_entry *e, const char *name, const char *subject, sweep_report *report) {
    const char *pass;
    for (int i = 0; (pass = btl_pipeline_pass(i, NULL)); i++) {
        btl_graph *after = NULL;
        btl_error err = { 0 };
        char what[400];
        snprintf(what, sizeof what, "%s after %s", name, pass);
        if (btl_pipeline_print(g, e, NULL, pass, &after, &err) != BTL_OK) {
            sweep_fails(report, subject, "%s: %s", what, err.message);
            continue;
        }
        const char *printed = btl_graph_print(after);
        bool good = printed && (strcmp(pass, "compile") == 0 ? schedule_again : same_again)(printed, what, subject, report);
        btl_graph_free(after);
        if (!good) return;
    }
}

static void check_sample(const sweep_sample *s, bool gradient, sweep_report *report) {
    const char *names[SWEEP_OPERANDS];
    btl_var *vars[SWEEP_OPERANDS], *wrt = NULL;
    btl_graph *g;
    char type[80], name[300];
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_entry *e = btl_entry_new(g, "main");
    int at = snprintf(name, sizeof name, "%s%s", gradient ? "gradient of " : "", s->expression);
    for (int i = 0; i < s->n; i++) {
        names[i] = s->operands[i].name;
        sweep_type_text(&s->operands[i], type, sizeof type);
        at += snprintf(name + at, sizeof name - (size_t)at, ", %s: %s", names[i], type);
        vars[i] = btl_input(g, names[i], type);
        BTL_ASSERT_OK(btl_entry_add_input(g, e, vars[i], NULL));
        if (!wrt && btl_dtype_kind(s->operands[i].dtype) == 'f') wrt = vars[i];
    }
    btl_var *y = btl_expr_n(g, s->expression, s->n, names, vars);
    bool differentiable = y && wrt && btl_dtype_kind(btl_var_dtype(y)) == 'f';
    if (gradient && differentiable) {
        btl_var *cost = btl_expr(g, "sum(y * y)", "y", y, NULL);
        if (!cost || btl_grad(g, cost, 1, &wrt, BTL_DISCONNECTED_ZERO, &y) != BTL_OK) y = NULL; /* grad_sweep_test says why */
    }
    if (y && (!gradient || differentiable)) {
        BTL_ASSERT_OK(btl_entry_add_output(g, e, "result", y));
        const char *printed = btl_graph_print(g);
        assert_non_null(printed);
        if (same_again(printed, name, s->op->name, report)) check_passes(g, e, name, s->op->name, report);
    }
    btl_graph_free(g);
}

static void check_all(bool gradient) {
    sweep_report report = { 0 };
    for (const btl_op *const *op = btl_ops; *op; op++) {
        btl_samples samples = sweep_is_tested(*op) ? sweep_samples_of(*op) : NULL;
        for (int i = 0; samples && samples[i]; i++) {
            sweep_sample s = sweep_parse(*op, samples[i]);
            check_sample(&s, gradient, &report);
        }
    }
    SWEEP_END(report);
}

BTL_TEST(every_sample_is_printed_read_back_and_printed_the_same_after_every_pass) { check_all(false); }
BTL_TEST(every_gradient_is_printed_read_back_and_printed_the_same_after_every_pass) { check_all(true); }

/* Names, defaults, shared variables, updates, assertions, several functions, symbolic sizes. */
BTL_TEST(whole_programs_are_printed_read_back_and_printed_the_same) {
    static const char *const programs[] = {
        "shared w: f32[3, 2] = 0.5\nshared n: i64 = 0\nfunction train(x: f32[b, 3], lr: f32 = 0.1):\n    cost = sum((x @ w) ** 2) / b\n"
        "    update w = w - lr * grad(cost, w)\n    update n = n + 1\n    assert b > 0, \"an empty batch\"\n    output cost\n"
        "function use(x: f32[b, 3]):\n    output x @ w\n",
        "input x: f64[n, m]\ninput y: f64[m] = 2\noutput a = x * y, b = sum(x, axis=0)[::2], c = x[1:, -1], d = x.shape[0] * 2 + n\n",
        "const k = 3\ninput x: f32[k * n]\ninput i: i64[?]\noutput x[i], reshape(x, [k, n]), arange(n), zeros([n, 2])\n",
        "input c: bool[n] mutable\ninput s: f32\noutput where(c, s, -inf), where(c, nan, 1e-30), f16(s), 1.5f64 * s, -0.0 * s\n",
    };
    sweep_report report = { 0 };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        btl_graph *g;
        BTL_ASSERT_OK(btl_graph_new(NULL, &g));
        if (btl_graph_parse(g, programs[i], strlen(programs[i]), "program") != BTL_OK) BTL_FAIL("%s\n%s", btl_graph_messages(g), programs[i]);
        const char *printed = btl_graph_print(g);
        assert_non_null(printed);
        if (same_again(printed, "the program", "", &report))
            for (int k = 0; k < btl_graph_nentries(g); k++)
                check_passes(g, btl_entry_find(g, btl_graph_entry_name(g, k)), btl_graph_entry_name(g, k), "", &report);
        btl_graph_free(g);
    }
    SWEEP_END(report);
}

/* What is read back is a program like others: it runs, and gives what the first one gave. */
BTL_TEST(a_program_that_is_printed_after_fusion_and_read_back_runs) {
    static const char text[] = "input x: f64[n, n]\ny = sum(sqr(x[0]) + 1)\noutput exp(-y) * y\n";
    double x[] = { 0.25, 0.5, 3, 4 }, first = 0;
    const char *printed = text;
    btl_graph *g, *after = NULL;
    btl_error err = { 0 };
    for (int i = 0; i < 2; i++) {
        btl_function *f;
        btl_array out = { 0 };
        BTL_ASSERT_OK(btl_graph_new(NULL, &g));
        BTL_ASSERT_OK(btl_graph_parse(g, printed, strlen(printed), "program"));
        BTL_ASSERT_OK(btl_function_new(g, btl_entry_find(g, NULL), NULL, &f, &err));
        BTL_ASSERT_OK(btl_call(f, NULL, BTL_TEST_ARRAY(BTL_F64, x, 2, 2), &out, NULL, &err));
        if (i == 0) {
            first = *(double *)btl_array_data(&out);
            BTL_ASSERT_OK(btl_pipeline_print(g, btl_entry_find(g, NULL), NULL, "fuse", &after, &err));
            printed = btl_graph_print(after);
            BTL_ASSERT_CONTAINS(printed, "fused(");
        } else {
            assert_true(first == *(double *)btl_array_data(&out));
        }
        btl_array_free(&out);
        btl_function_free(f);
        btl_graph_free(g);
    }
    btl_graph_free(after);
}

BTL_TEST_MAIN(cmocka_unit_test(a_program_that_is_printed_after_fusion_and_read_back_runs),
              cmocka_unit_test(every_sample_is_printed_read_back_and_printed_the_same_after_every_pass),
              cmocka_unit_test(every_gradient_is_printed_read_back_and_printed_the_same_after_every_pass),
              cmocka_unit_test(whole_programs_are_printed_read_back_and_printed_the_same))
