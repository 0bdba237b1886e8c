/* opcheck_test.c - btl_op_check: Bitale's own ops pass it; an op that breaks its contract in a way that only running can
 * show is caught, first by the check that is meant for it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sweep.h"

#include "bitale/tools.h"

/* ---- what was told ------------------------------------------------------------------------------ */

typedef struct told { char text[20000], failed[200]; int cases, ways; } told;

static void see(void *user, const btl_op_trial *t) {
    told *k = user;
    if (t->message) {
        snprintf(k->text + strlen(k->text), sizeof k->text - strlen(k->text), "%s: %s\n", t->what, t->message);
        return;
    }
    k->cases += t->cases, k->ways++;
    if (t->failures) snprintf(k->failed + strlen(k->failed), sizeof k->failed - strlen(k->failed), "%s ", t->what);
}

static btl_status check(btl_context *ctx, const char *name, const char *linkers, told *k) {
    btl_op_check_options o = { .struct_size = sizeof o, .linkers = linkers, .see = see, .user = k };
    btl_error err = { 0 };
    *k = (told){ .cases = 0 };
    btl_status status = btl_op_check(ctx, name, &o, &err);
    if (status == BTL_ECHECK) assert_true(strncmp(err.message, name, strlen(name)) == 0);
    return status;
}

BTL_TEST(bitale_s_own_ops_pass) {
    sweep_report report = { 0 };
    btl_context *ctx;
    static told k;
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    for (const btl_op *const *op = btl_ops; *op; op++) {
        if (!sweep_is_tested(*op)) continue;
        btl_status status = check(ctx, (*op)->name, "strips", &k);
        report.cases += k.cases;
        if (status != BTL_OK || k.cases < 3) sweep_fails(&report, (*op)->name, "%s: %d: %s", (*op)->name, status, k.text);
    }
    btl_context_free(ctx);
    SWEEP_END(report);
}

BTL_TEST(generated_code_of_some_of_bitale_s_ops_passes) {
    static const char *const some[] = { "exp", "sum", "matmul", "transpose", "concatenate", "argmax", "softmax", "take" };
    btl_context *ctx;
    static told k;
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        if (check(ctx, some[i], NULL, &k) != BTL_OK) BTL_FAIL("%s: %s", some[i], k.text);
    BTL_ASSERT_STATUS(btl_op_check(ctx, "no_such_op", NULL, NULL), BTL_ENAME);
    btl_context_free(ctx);
}

/* ---- an op that can be spoilt: y = x * x * x, f64 ---------------------------------------------------- */

static btl_status cube_infer(btl_op_infer *x) {
    btl_dtype dtype = btl_var_dtype(x->in[0]);
    return dtype == BTL_F64 ? btl_op_infer_as(x, 0, x->in[0]) : btl_op_fail(x->g, BTL_EDTYPE, "needs f64, not %s", btl_dtype_name(dtype));
}

static btl_status cube_eval(btl_op_run *r) {
    const double *x = btl_array_data(&r->in[0]);
    double *y = btl_array_data(&r->out[0]);
    for (int64_t i = 0, n = btl_array_elems(&r->in[0]); i < n; i++) y[i] = x[i] * x[i] * x[i];
    return BTL_OK;
}

static btl_status cube_emit(btl_emit *e) {
    btl_emit_text(e, "for (int64_t i = 0; i < %s; i++) y0[i] = x0[i] * x0[i] * x0[i];\n", btl_emit_elems(e, 0));
    return BTL_OK;
}

static btl_status cube_vjp(btl_op_vjp *v) {
    v->din[0] = btl_expr(v->g, "3.0 * x * x * d", "x", v->in[0], "d", v->dout[0], NULL);
    return BTL_OK;
}

static btl_status cube_jvp(btl_op_jvp *j) {
    j->dout[0] = btl_expr(j->g, "3.0 * x * x * d", "x", j->in[0], "d", j->din[0], NULL);
    return BTL_OK;
}

static const char *const cube_samples[] = { "x: f64[7]", "x: f64[2, 3] from -2 to -1", "x: f64[0]", "x: f64", NULL };

static const btl_op_def cube = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "cube", .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = BTL_OP_PACKED,
    .infer = cube_infer, .eval = cube_eval, .emit = cube_emit, .vjp = cube_vjp, .jvp = cube_jvp, .samples = cube_samples,
};

#define EVAL(name, ...)                                                                           \
    static btl_status name(btl_op_run *r) {                                                       \
        const double *x = btl_array_data(&r->in[0]);                                              \
        double *y = btl_array_data(&r->out[0]);                                                   \
        int64_t n = btl_array_elems(&r->in[0]);                                                   \
        for (int64_t i = 0; i < n; i++) y[i] = x[i] * x[i] * x[i];                                \
        (void)x, (void)y;                                                                         \
        __VA_ARGS__;                                                                              \
        return BTL_OK;                                                                            \
    }
static double counted;
EVAL(eval_too_far, y[n] = 1)
EVAL(eval_too_early, y[-1] = 1)
EVAL(eval_changes, if (n) y[n - 1] = counted++)
EVAL(eval_overwrites, if (n && r->in[0].data) ((double *)btl_array_data(&r->in[0]))[n - 1] = 5)
EVAL(eval_fails, if (n == 7) return btl_op_run_fail(r, BTL_EVALUE, "seven"))
EVAL(eval_fails_elsewhere, if (r->in[0].ndim == 2) return btl_op_run_fail(r, BTL_EINTERNAL, "two"))

static btl_status eval_leaves_one_out(btl_op_run *r) {
    const double *x = btl_array_data(&r->in[0]);
    double *y = btl_array_data(&r->out[0]);
    for (int64_t i = 0, n = btl_array_elems(&r->in[0]); i + 1 < n; i++) y[i] = x[i] * x[i] * x[i];
    return BTL_OK;
}

static btl_status emit_slightly_wrong(btl_emit *e) {
    btl_emit_text(e, "for (int64_t i = 0; i < %s; i++) y0[i] = x0[i] * (x0[i] * x0[i]) + 1e-15;\n", btl_emit_elems(e, 0));
    return BTL_OK;
}
static btl_status emit_otherwise_rounded(btl_emit *e) {
    btl_emit_text(e, "for (int64_t i = 0; i < %s; i++) y0[i] = x0[i] * (x0[i] * 3) * (x0[i] / 3);\n", btl_emit_elems(e, 0));
    return BTL_OK;
}
static btl_status emit_fails(btl_emit *e) {
    btl_emit_text(e, "for (int64_t i = 0; i < %s; i++) {\nif (x0[i] != x0[i]) return 1;\ny0[i] = x0[i] * x0[i] * x0[i];\n}\n", btl_emit_elems(e, 0));
    return BTL_OK;
}
static btl_status emit_no_c(btl_emit *e) {
    btl_emit_text(e, "this is no C;\n");
    return BTL_OK;
}
static btl_status vjp_slightly_wrong(btl_op_vjp *v) {
    v->din[0] = btl_expr(v->g, "3.001 * x * x * d", "x", v->in[0], "d", v->dout[0], NULL);
    return BTL_OK;
}
static btl_status jvp_slightly_wrong(btl_op_jvp *j) {
    j->dout[0] = btl_expr(j->g, "3.001 * x * x * d", "x", j->in[0], "d", j->din[0], NULL);
    return BTL_OK;
}
static bool connects_nothing(btl_settings *s, int out, int in) {
    (void)s;
    return out < 0 && in < 0;
}
/* Another size where it is a symbol. */
static btl_status infer_symbols_otherwise(btl_op_infer *x) {
    int64_t n;
    const btl_dim *size = btl_var_rank(x->in[0]) == 1 ? btl_var_size(x->in[0], 0) : NULL;
    if (btl_var_dtype(x->in[0]) != BTL_F64 || !size) return cube_infer(x);
    if (!btl_dim_is_const(size, &n)) size = btl_dim_max(x->g, btl_dim_sub(x->g, size, btl_dim_const(x->g, 1)), btl_dim_const(x->g, 0));
    return btl_op_infer_set(x, 0, BTL_F64, 1, &size);
}
static btl_status eval_what_fits(btl_op_run *r) {
    const double *x = btl_array_data(&r->in[0]);
    double *y = btl_array_data(&r->out[0]);
    for (int64_t i = 0, n = btl_array_elems(&r->out[0]); i < n; i++) y[i] = x[i] * x[i] * x[i];
    return BTL_OK;
}
/* Which eval then reads and writes as f64. */
static btl_status infer_every_type(btl_op_infer *x) { return btl_op_infer_as(x, 0, x->in[0]); }
static btl_status infer_without_a_word(btl_op_infer *x) { return btl_var_dtype(x->in[0]) == BTL_F64 ? btl_op_infer_as(x, 0, x->in[0]) : BTL_EDTYPE; }
static const char *const bad_samples[] = { "x: f64[7", NULL };
static const char *const refused_samples[] = { "x: f64[7]", "x: f32[7]", NULL };

#define CHANGE(name, ...) static void name(btl_op_def *d) { __VA_ARGS__; }
CHANGE(nothing, (void)d)
CHANGE(writes_behind, d->eval = eval_too_far)
CHANGE(writes_before, d->eval = eval_too_early)
CHANGE(leaves_one_out, d->eval = eval_leaves_one_out)
CHANGE(changes, d->eval = eval_changes)
CHANGE(takes_every_type, d->infer = infer_every_type)
CHANGE(overwrites, d->eval = eval_overwrites)
CHANGE(overwrites_as_declared, d->eval = eval_overwrites; d->destroys = 1; d->emit = NULL)
CHANGE(ignores_strides, d->flags = 0; d->emit = NULL)
CHANGE(fails_undeclared, d->eval = eval_fails)
CHANGE(fails_as_declared, d->eval = eval_fails; d->flags |= BTL_OP_CAN_FAIL; d->emit = NULL)
CHANGE(fails_inside, d->eval = eval_fails_elsewhere; d->flags |= BTL_OP_CAN_FAIL)
CHANGE(emits_another_value, d->emit = emit_slightly_wrong)
CHANGE(rounds_otherwise, d->emit = emit_otherwise_rounded)
CHANGE(rounds_otherwise_as_declared, d->emit = emit_otherwise_rounded; d->max_ulp = 3)
CHANGE(fails_in_c_alone, d->emit = emit_fails)
CHANGE(emits_no_c, d->emit = emit_no_c)
CHANGE(derives_wrong, d->vjp = vjp_slightly_wrong; d->jvp = NULL)
CHANGE(derives_forward_wrong, d->jvp = jvp_slightly_wrong)
CHANGE(derives_forward_alone, d->vjp = NULL)
CHANGE(derives_forward_alone_and_wrong, d->vjp = NULL; d->jvp = jvp_slightly_wrong)
CHANGE(derives_nothing, d->vjp = NULL; d->jvp = NULL)
CHANGE(denies_its_connection, d->connected = connects_nothing)
CHANGE(sizes_otherwise, d->infer = infer_symbols_otherwise; d->eval = eval_what_fits; d->emit = NULL; d->vjp = NULL; d->jvp = NULL)
CHANGE(refuses_silently, d->infer = infer_without_a_word)
CHANGE(has_no_samples, d->samples = NULL)
CHANGE(has_bad_samples, d->samples = bad_samples)
CHANGE(refuses_its_sample, d->samples = refused_samples)

/* What eval does wrong shows in the linkers too. */
BTL_TEST(each_breach_of_the_contract_is_caught_by_the_check_that_is_meant_for_it) {
    static const struct { void (*change)(btl_op_def *); const char *failed, *says; } cases[] = {
        { nothing, "", "" },
        { writes_behind, "eval ", "eval: cube(x), x: f64[7], tame values: its eval writes beside result 0, which has 56 bytes" },
        { writes_before, "eval ", "its eval writes beside result 0" },
        { leaves_one_out, "eval ", "its eval leaves elements unwritten (in memory that held other bytes it gives other values) of result 0" },
        { changes, "eval ", "run twice on the same operands, its eval gives other values of" },
        { takes_every_type, "eval ", "x: f32[7], tame values: its eval writes beside result 0, which has 28 bytes" },
        { overwrites, "eval ", "its eval writes to operand 0, which it does not declare as destroyed" },
        { overwrites_as_declared, "", "" },
        { ignores_strides, "eval ", "its eval gives another result 0" },
        { fails_undeclared, "eval ", "it fails when it runs, which it does not declare (BTL_OP_CAN_FAIL): cube: seven" },
        { fails_as_declared, "", "" },
        { fails_inside, "eval ", "cube: two" },
        { emits_another_value, "vm c ", "result 0: not what the reference gives: " },
        { rounds_otherwise, "vm c ", "result 0: not what the reference gives: " },
        { rounds_otherwise_as_declared, "", "" },
        { fails_in_c_alone, "c ", "generated code failed where the library's own does not" },
        { emits_no_c, "vm c ", "cube: line 1 of its emitted C does not compile" },
        { derives_wrong, "gradient ", "gradient: cube(x), x: f64[7], tame values, result 0: " },
        { derives_forward_wrong, "gradient ", "result 0, forward: element 0 moves by " },
        { derives_forward_alone, "", "" },
        { derives_forward_alone_and_wrong, "gradient ", "result 0, forward: element 0 moves by " },
        { derives_nothing, "", "" },
        { denies_its_connection, "gradient ", "gradient: cube(x)" },
        { sizes_otherwise, "eval ", "with symbolic sizes result 0 is another one: size 0 is 6, 7 wanted" },
        { refuses_silently, "types ", "refused without a word" },
        { has_no_samples, "types ", "it has no samples to be tried on" },
        { has_bad_samples, "types ", "sample \"x: f64[7\": ] expected at \"\"" },
        { refuses_its_sample, "types ", "it refuses its sample \"x: f32[7]\"" },
    };
    static told k;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        btl_op_def d = cube;
        btl_context *ctx;
        cases[i].change(&d);
        BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
        BTL_ASSERT_OK(btl_op_register(ctx, &d, NULL));
        btl_status status = check(ctx, "cube", NULL, &k);
        if (status != (*cases[i].failed ? BTL_ECHECK : BTL_OK) || strncmp(k.failed, cases[i].failed, strlen(cases[i].failed)) != 0)
            BTL_FAIL("case %zu: status %d; failures in \"%s\", \"%s\" wanted:\n%s", i, status, k.failed, cases[i].failed, k.text);
        BTL_ASSERT_CONTAINS(k.text, cases[i].says);
        assert_int_equal(k.ways, 7);
        btl_context_free(ctx);
    }
}

/* ---- samples ---------------------------------------------------------------------------------------- */

BTL_TEST(samples_are_read) {
    const btl_op *sum = btl_op_find("sum", 3);
    btl_sample s;
    char why[300];
    assert_true(btl_sample_parse(sum, "x: f32[3, 0] from -1 to 2.5, i: i64 | axis=1", &s, why, sizeof why));
    assert_int_equal(s.n, 2);
    assert_true(s.operands[0].rank == 2 && s.operands[0].dims[0] == 3 && s.operands[0].dims[1] == 0 && s.operands[0].dtype == BTL_F32);
    assert_true(s.operands[0].has_range && s.operands[0].low == -1 && s.operands[0].high == 2.5 && !s.operands[0].fixed && s.operands[1].fixed);
    assert_string_equal(s.expression, "sum(x, i, axis=1)");
    assert_true(btl_sample_parse(sum, "x: f32[5] | = sum(x[1:])", &s, why, sizeof why));
    assert_string_equal(s.expression, "sum(x[1:])");
    assert_false(s.is_call);
    static const char *const wrong[] = { "x f32", "x: g32", "x: f32[a]", "x: f32[3", "x: f32 from 1", "x: f32 from 2 to 1", "x: f32 y: f32", "x: f32[-1]",
                                         "a: f32, b: f32, e: f32, f: f32, h: f32", "x: f32[1, 1, 1, 1, 1, 1, 1]", "x: f32 | =" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (btl_sample_parse(sum, wrong[i], &s, why, sizeof why)) BTL_FAIL("\"%s\" is taken", wrong[i]);
        BTL_ASSERT_CONTAINS(why, wrong[i]);
    }
}

BTL_TEST_MAIN(cmocka_unit_test(bitale_s_own_ops_pass), cmocka_unit_test(generated_code_of_some_of_bitale_s_ops_passes),
              cmocka_unit_test(each_breach_of_the_contract_is_caught_by_the_check_that_is_meant_for_it), cmocka_unit_test(samples_are_read))
