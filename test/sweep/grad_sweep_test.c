/* grad_sweep_test.c - the gradient of every op against finite differences (btl_verify_grad), on its
 * samples at smooth points: all in f64, some in f32; then the derivative of that derivative.
 *
 * An op either verifies, or is without derivative (BTL_EGRAD, which names it; probe.h says
 * which are), or makes no floats of floats and has nothing to differentiate.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "probe.h"

/* With one that has none itself. */
static const char *const no_second[] = { "gammaln" };

/* ---- first order ------------------------------------------------------------------------------- */

static void check_first(const sweep_sample *s, sweep_report *report) {
    probe p;
    char name[300];
    btl_error err = { 0 };
    if (probe_new(&p, s) && p.nfloat && btl_dtype_kind(btl_var_dtype(p.y)) == 'f') {
        bool f64 = btl_var_dtype(p.floats[0]) == BTL_F64;
        btl_verify_options o = { .every_coordinate = probe_elems(s) <= 12 };
        if (f64) o.rel_tol = 1e-5, o.abs_tol = 1e-7;
        const char *refusal = expected_refusal(s->op->name);
        report->cases++;
        probe_text(&p, name, sizeof name);
        btl_status status = btl_verify_grad(p.g, p.y, s->n, p.in, p.at, &o, &err);
        if (refusal && (status != BTL_EGRAD || !strstr(err.message, refusal)))
            sweep_fails(report, s->op->name, "%s: \"%s\" (%d), but %s has no derivative and this should be said", name, err.message, status, refusal);
        else if (!refusal && status != BTL_OK)
            sweep_fails(report, s->op->name, "%s: %s", name, err.message);
    }
    probe_free(&p);
}

/* ---- second order ------------------------------------------------------------------------------ */

static bool has_no_second(const char *op) {
    for (size_t i = 0; i < sizeof no_second / sizeof *no_second; i++)
        if (strcmp(no_second[i], op) == 0) return true;
    return expected_refusal(op) != NULL;
}

/* The gradients of sum(y^2), projected on a random direction by verify_grad. */
static void check_second(const sweep_sample *s, sweep_report *report) {
    probe p;
    char name[300];
    btl_error err = { 0 };
    if (probe_new(&p, s) && p.nfloat && btl_dtype_kind(btl_var_dtype(p.y)) == 'f' && !has_no_second(s->op->name)) {
        btl_var *gradients[SWEEP_OPERANDS], *cost = btl_expr(p.g, "sum(y * y)", "y", p.y, NULL);
        probe_text(&p, name, sizeof name);
        report->cases++;
        if (!cost || btl_grad(p.g, cost, p.nfloat, p.floats, BTL_DISCONNECTED_ZERO, gradients) != BTL_OK) {
            sweep_fails(report, s->op->name, "%s: %s", name, btl_graph_messages(p.g));
        } else {
            for (int i = 0; i < p.nfloat; i++) {
                btl_verify_options o = { .rel_tol = 1e-5, .abs_tol = 1e-6, .every_coordinate = probe_elems(s) <= 8 };
                if (btl_verify_grad(p.g, gradients[i], s->n, p.in, p.at, &o, &err) != BTL_OK)
                    sweep_fails(report, s->op->name, "%s, second order: %s", name, err.message);
            }
        }
    }
    probe_free(&p);
}

/* ---- the sweep --------------------------------------------------------------------------------- */

static void sweep_orders(btl_dtype dtype, void (*check)(const sweep_sample *s, sweep_report *report), int most, sweep_report *report) {
    for (const btl_op *const *op = btl_ops; *op; op++) {
        btl_samples samples = sweep_is_tested(*op) ? sweep_samples_of(*op) : NULL;
        int n = 0;
        for (int i = 0; samples && samples[i] && n < most; i++) {
            sweep_sample s;
            if (!sample_in(*op, samples, i, dtype, &s)) continue;
            check(&s, report);
            n++;
        }
    }
}

BTL_TEST(the_gradient_of_every_op_agrees_with_finite_differences) {
    sweep_report report = { 0 };
    sweep_orders(BTL_F64, check_first, 100, &report);
    SWEEP_END(report);
}

BTL_TEST(the_gradient_in_f32_agrees_with_differences_in_f64) {
    sweep_report report = { 0 };
    sweep_orders(BTL_F32, check_first, 3, &report);
    SWEEP_END(report);
}

BTL_TEST(the_gradient_of_the_gradient_agrees_with_finite_differences) {
    sweep_report report = { 0 };
    sweep_orders(BTL_F64, check_second, 100, &report);
    SWEEP_END(report);
}

/* Comparisons, indices and the like: a cost that depends on x only through them is an error. */
BTL_TEST(a_cost_that_depends_through_integers_alone_is_refused) {
    static const char *const texts[] = { "sum(f64(x < 0.5))", "f64(argmax(x))", "sum(f64(i64(x)))", "sum(stop_gradient(x))" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        btl_graph *g;
        BTL_ASSERT_OK(btl_graph_new(NULL, &g));
        btl_var *x = btl_input(g, "x", "f64[3]"), *cost = btl_expr(g, texts[i], "x", x, NULL), *d = NULL;
        if (!cost) BTL_FAIL("%s: %s", texts[i], btl_graph_messages(g));
        BTL_ASSERT_STATUS(btl_grad(g, cost, 1, &x, BTL_DISCONNECTED_ERROR, &d), BTL_EGRAD);
        btl_graph_free(g);
    }
}

/* The test of the test: a derivative that is off by a tenth of a percent is found. */
static btl_status slightly_wrong(btl_vjp *v) {
    v->din[0] = (btl_mul)(v->g, v->dout[0], (btl_mul)(v->g, btl_number(v->g, 1.001), (btl_cos)(v->g, v->in[0])));
    return v->din[0] ? BTL_OK : BTL_EGRAD;
}

BTL_TEST(a_derivative_that_is_slightly_wrong_is_caught) {
    probe p;
    btl_op wrong = *btl_op_find("sin", 3);
    sweep_sample s = sweep_parse(&wrong, "x: f64[3]");
    wrong.vjp = slightly_wrong;
    assert_true(probe_new(&p, &s));
    btl_node *n = btl_apply(p.g, &wrong, 1, &p.in[0], NULL);
    btl_verify_options o = { .rel_tol = 1e-5, .abs_tol = 1e-7 };
    BTL_ASSERT_STATUS(btl_verify_grad(p.g, n->out, 1, p.in, p.at, &o, NULL), BTL_ECHECK);
    probe_free(&p);
}

BTL_TEST_MAIN(cmocka_unit_test(the_gradient_of_every_op_agrees_with_finite_differences),
              cmocka_unit_test(the_gradient_in_f32_agrees_with_differences_in_f64),
              cmocka_unit_test(the_gradient_of_the_gradient_agrees_with_finite_differences),
              cmocka_unit_test(a_cost_that_depends_through_integers_alone_is_refused),
              cmocka_unit_test(a_derivative_that_is_slightly_wrong_is_caught))
