/* own_test.c - ops of one's own: what they can be, and what is said of those that break their contract. Their C is in
 * test/target/own_code_test.c, plugins in test/plugin/.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "bitale/tools.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- small ops ------------------------------------------------------------------------------ */

static const double *doubles(const btl_array *a) { return btl_array_data(a); }

/* y = factor * x, f64, any strides. */
static btl_status scale_infer(btl_op_infer *x) {
    if (btl_var_dtype(x->in[0]) != BTL_F64) {
        btl_op_hint(x->g, "write f64(x)");
        return btl_op_fail(x->g, BTL_EDTYPE, "needs f64, not %s", btl_dtype_name(btl_var_dtype(x->in[0])));
    }
    return btl_op_infer_as(x, 0, x->in[0]);
}

static btl_status scale_eval(btl_op_run *r) {
    BTL_ASSERT_OK(btl_array_copy(&r->out[0], &r->in[0]));
    double *y = btl_array_data(&r->out[0]), factor = btl_setting_float(r->settings, "factor");
    for (int64_t i = 0, n = btl_array_elems(&r->out[0]); i < n; i++) y[i] *= factor;
    return BTL_OK;
}

static btl_status scale_vjp(btl_op_vjp *v) {
    v->din[0] = btl_op_call(v->g, "scale", 1, &v->dout[0], v->settings, 0, NULL, NULL);
    return BTL_OK;
}

static btl_status scale_jvp(btl_op_jvp *j) {
    j->dout[0] = btl_op_call(j->g, "scale", 1, &j->din[0], j->settings, 0, NULL, NULL);
    return BTL_OK;
}

static const btl_setting_spec scale_settings[] = { { "factor", BTL_SETTING_FLOAT, "2", true, "by what" } };
static const char *const scale_samples[] = { "x: f64[4]", "x: f64[2, 3] | 0.5", "x: f64[0]", "x: f64", NULL };

static const btl_op_def scale = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "scale", .signature = "scale(x, factor=2)", .version = 1, .min_in = 1, .max_in = 1,
    .nout = 1, .nsettings = 1, .settings = scale_settings, .infer = scale_infer, .eval = scale_eval, .vjp = scale_vjp, .jvp = scale_jvp,
    .samples = scale_samples,
};

/* The sum of any number of f64 arrays of one type; and how many there were. */
static btl_status total_infer(btl_op_infer *x) {
    for (int i = 1; i < x->nin; i++)
        for (int k = 0; k < btl_var_rank(x->in[0]); k++) {
            btl_status status = btl_op_infer_equal(x, btl_var_size(x->in[0], k), btl_var_size(x->in[i], k));
            if (status != BTL_OK) return status;
        }
    btl_op_infer_set(x, 1, BTL_I64, 0, NULL);
    return btl_op_infer_as(x, 0, x->in[0]);
}

static btl_status total_eval(btl_op_run *r) {
    double *y = btl_array_data(&r->out[0]);
    for (int64_t e = 0, n = btl_array_elems(&r->out[0]); e < n; e++) {
        y[e] = 0;
        for (int i = 0; i < r->nin; i++) y[e] += doubles(&r->in[i])[e];
    }
    *(int64_t *)btl_array_data(&r->out[1]) = r->nin;
    return BTL_OK;
}

static btl_status total_vjp(btl_op_vjp *v) {
    for (int i = 0; i < v->nin; i++)
        if (v->need[i]) v->din[i] = v->dout[0];
    return BTL_OK;
}

static const char *const total_samples[] = { "x: f64[3], y: f64[3]", "x: f64[2, 2]", NULL };

static const btl_op_def total = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "my.total", .version = 1, .min_in = 1, .max_in = -1, .nout = 2, .flags = BTL_OP_PACKED,
    .promote = BTL_PROMOTE_REAL, .infer = total_infer, .eval = total_eval, .vjp = total_vjp, .samples = total_samples,
};

/* The positive elements: their number is known when it runs. */
static btl_status positive_infer(btl_op_infer *x) {
    const btl_dim *n = btl_op_infer_unknown(x, btl_var_size(x->in[0], 0));
    return btl_op_infer_set(x, 0, BTL_F64, 1, &n);
}

static btl_status positive_measure(btl_op_run *r) {
    int64_t n = 0;
    for (int64_t i = 0; i < r->in[0].shape[0]; i++) n += doubles(&r->in[0])[i * (r->in[0].strides ? r->in[0].strides[0] : 1)] > 0;
    return btl_op_run_measured(r, 0, 0, n);
}

static btl_status positive_eval(btl_op_run *r) {
    double *y = btl_array_data(&r->out[0]);
    int64_t n = 0;
    for (int64_t i = 0; i < r->in[0].shape[0]; i++) {
        double x = doubles(&r->in[0])[i * (r->in[0].strides ? r->in[0].strides[0] : 1)];
        if (x > 0) y[n++] = x;
    }
    return n == r->out[0].shape[0] ? BTL_OK : btl_op_run_fail(r, BTL_EINTERNAL, "%lld", (long long)n);
}

static const char *const positive_samples[] = { "x: f64[7]", "x: f64[0]", NULL };

static const btl_op_def positive = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "positive", .version = 1, .min_in = 1, .max_in = 1, .nout = 1,
    .infer = positive_infer, .measure = positive_measure, .eval = positive_eval, .samples = positive_samples,
};

/* Sorts in its operand's memory, which it may overwrite; needs scratch besides. */
static int by_value(const void *a, const void *b) { return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b); }

static size_t sorted_workspace(const btl_op_run *r) { return (size_t)btl_array_elems(&r->in[0]) * sizeof(double); }

static btl_status sorted_eval(btl_op_run *r) {
    double *x = btl_array_data(&r->in[0]), *work = r->work;
    size_t n = (size_t)btl_array_elems(&r->in[0]);
    if (n && (!work || (uintptr_t)work % 64)) return btl_op_run_fail(r, BTL_EINTERNAL, "no work");
    qsort(x, n, sizeof *x, by_value);
    if (n) memcpy(work, x, n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = -1e300;
    if (n) memcpy(btl_array_data(&r->out[0]), work, n * sizeof *x);
    return BTL_OK;
}

static const char *const sorted_samples[] = { "x: f64[9]", "x: f64[0]", "x: f64[1]", NULL };

static const btl_op_def sorted = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "sorted", .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = BTL_OP_PACKED,
    .infer = scale_infer, .eval = sorted_eval, .workspace = sorted_workspace, .destroys = 1, .samples = sorted_samples,
};

/* Every second element, backwards: a view. */
static btl_status back_infer(btl_op_infer *x) {
    const btl_dim *n = btl_dim_floordiv(x->g, btl_dim_add(x->g, btl_var_size(x->in[0], 0), btl_dim_const(x->g, 1)), btl_dim_const(x->g, 2));
    return btl_op_infer_set(x, 0, btl_var_dtype(x->in[0]), 1, &n);
}

static btl_status back_view(btl_op_run *r) {
    int64_t n = r->in[0].shape[0], step = r->in[0].strides[0];
    btl_dtype dtype;
    btl_array_dtype(&r->in[0], &dtype);
    r->out[0].strides[0] = -2 * step;
    if (n) r->out[0].data = (char *)r->out[0].data + (n - 1) * step * (int64_t)btl_dtype_bytes(dtype);
    return BTL_OK;
}

static btl_status back_vjp(btl_op_vjp *v) {
    v->din[0] = btl_expr(v->g, "inc_subtensor(zeros_like(x)[::-2], d)", "x", v->in[0], "d", v->dout[0], NULL);
    return BTL_OK;
}

static const char *const back_samples[] = { "x: f64[6]", "x: f64[7]", "x: i32[1]", "x: f64[0]", NULL };

static const btl_op_def back = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "back", .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .infer = back_infer,
    .view = back_view, .vjp = back_vjp, .samples = back_samples,
};

/* x * x + shift, said in other ops. */
static btl_var *bowl_body(btl_op_body *b) {
    return btl_add(b->g, btl_mul(b->g, b->in[0], b->in[0]), btl_number(b->g, btl_setting_float(b->settings, "shift")));
}

static const btl_setting_spec bowl_settings[] = { { "shift", BTL_SETTING_FLOAT, "0", false, NULL } };

static const btl_op_def bowl = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "bowl", .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .nsettings = 1,
    .settings = bowl_settings, .infer = scale_infer, .body = bowl_body, .samples = scale_samples + 2,
};

/* ---- contexts and programs ------------------------------------------------------------------- */

static btl_context *context_with(int n, const btl_op_def *const *ops) {
    btl_context *ctx;
    btl_error err = { 0 };
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    for (int i = 0; i < n; i++)
        if (btl_op_register(ctx, ops[i], &err) != BTL_OK) BTL_FAIL("%s", err.message);
    return ctx;
}

static const btl_op_def *const all[] = { &scale, &total, &positive, &sorted, &back, &bowl };
enum { NALL = sizeof all / sizeof *all };

/* Runs a program in a mode; *err has the message of what fails. */
static btl_status run(btl_context *ctx, const char *text, const char *mode, const btl_array *in, btl_array *out, btl_error *err) {
    btl_graph *g;
    btl_function *f = NULL;
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    *err = (btl_error){ 0 };
    BTL_ASSERT_OK(btl_graph_new(ctx, &g));
    btl_status status = btl_graph_parse(g, text, strlen(text), "own.bitale");
    if (status != BTL_OK) *err = *btl_graph_error(g);
    if (status == BTL_OK) status = btl_function_new(g, btl_entry_find(g, NULL), &o, &f, err);
    if (status == BTL_OK) status = btl_call(f, NULL, in, out, NULL, err);
    btl_function_free(f);
    btl_graph_free(g);
    return status;
}

static const char *const modes[] = { "fast_run,linker=strips", "fast_run,linker=eval", "fast_compile,linker=strips", "c_code,linker=strips", "fast_run,linker=vm", "fast_run,linker=c" };
enum { NMODES = sizeof modes / sizeof *modes };

/* In every mode that f64 result. */
static void expect(btl_context *ctx, const char *text, const btl_array *in, int n, const double *want) {
    for (int m = 0; m < NMODES; m++) {
        btl_array out = { 0 };
        btl_error err;
        if (run(ctx, text, modes[m], in, &out, &err) != BTL_OK) BTL_FAIL("%s: %s", modes[m], err.message);
        assert_int_equal(btl_array_elems(&out), n);
        for (int i = 0; i < n; i++)
            if (doubles(&out)[i] != want[i]) BTL_FAIL("%s: element %d is %g, %g wanted\n%s", modes[m], i, doubles(&out)[i], want[i], text);
        btl_array_free(&out);
    }
}

#define EXPECT(ctx, text, in, ...)                                                                \
    expect((ctx), (text), (in), (int)(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double)), (double[]){ __VA_ARGS__ })

static int64_t three = 3, five = 5;
static double x3[] = { 1, -2, 3 }, x5[] = { 4, -1, 0.5, 2, -3 };
#define X3 (&(btl_array){ .data = x3, .device = { 1, 0 }, .ndim = 1, .dtype = { 2, 64, 1 }, .shape = &three })
#define X5 (&(btl_array){ .data = x5, .device = { 1, 0 }, .ndim = 1, .dtype = { 2, 64, 1 }, .shape = &five })

/* ---- what they can be -------------------------------------------------------------------------- */

BTL_TEST(an_op_with_eval_alone_runs_in_every_mode_and_linker) {
    btl_context *ctx = context_with(NALL, all);
    EXPECT(ctx, "input x: f64[n]\noutput scale(x)", X3, 2, -4, 6);
    EXPECT(ctx, "input x: f64[n]\noutput scale(x, 0.5) + x", X3, 1.5, -3, 4.5);
    EXPECT(ctx, "input x: f64[3]\noutput scale(x[::-1], factor=3)", X3, 9, -6, 3);
    EXPECT(ctx, "const k = 3\ninput x: f64[n]\noutput x * scale(f64([1, 2, 3]), factor=k)", X3, 3, -12, 27);
    btl_context_free(ctx);
}

BTL_TEST(any_number_of_operands_and_several_results) {
    btl_context *ctx = context_with(NALL, all);
    EXPECT(ctx, "input x: f64[n]\ns, k = my.total([x, x[::-1], 2 * x])\noutput s * k", X3, 18, -24, 30);
    /* more than fit a call's own table */
    EXPECT(ctx, "input x: f64[n]\ns, k = my.total([x, x, x, x, x, x, x, x, x, x, x, x, x, x, x])\noutput s", X3, 15, -30, 45);
    EXPECT(ctx, "input x: f64[n]\ns, k = my.total([i64([1, 2, 3]), x])\noutput s", X3, 2, 0, 6); /* promoted */
    EXPECT(ctx, "input x: f64[n]\ns, k = my.total([x, x])\noutput grad(sum(s * x), x)", X3, 4, -8, 12);
    btl_context_free(ctx);
}

BTL_TEST(sizes_that_only_a_run_can_tell) {
    btl_context *ctx = context_with(NALL, all);
    EXPECT(ctx, "input x: f64[n]\noutput positive(x)", X3, 1, 3);
    EXPECT(ctx, "input x: f64[n]\ny = positive(-x[::-1])\noutput 2 * y", X5, 6, 2);
    EXPECT(ctx, "input x: f64[n]\noutput f64(positive(x).shape[0])", X5, 3);
    btl_context_free(ctx);
}

BTL_TEST(an_operand_that_is_destroyed_is_a_private_copy) {
    btl_context *ctx = context_with(NALL, all);
    EXPECT(ctx, "input x: f64[n]\noutput sorted(x) + 0 * x", X5, -3, -1, 0.5, 2, 4);
    EXPECT(ctx, "input x: f64[n]\noutput sorted(x) + sorted(x[::-1]) + x", X5, -2, -3, 1.5, 6, 5);
    assert_true(x5[0] == 4 && x5[4] == -3);
    btl_context_free(ctx);
}

BTL_TEST(a_view_shares_its_operands_memory) {
    btl_context *ctx = context_with(NALL, all);
    EXPECT(ctx, "input x: f64[n]\noutput back(x)", X5, -3, 0.5, 4);
    EXPECT(ctx, "input x: f64[n]\noutput back(back(x)) + 1", X5, 5, -2);
    EXPECT(ctx, "input x: f64[n]\noutput back(2 * x) + scale(back(x))", X5, -12, 2, 16);
    EXPECT(ctx, "input x: f64[n]\noutput scale(back(x[1:]))", X5, -6, 1);
    btl_context_free(ctx);
}

BTL_TEST(a_body_is_other_ops) {
    btl_context *ctx = context_with(NALL, all);
    EXPECT(ctx, "input x: f64[n]\noutput bowl(x, shift=1)", X3, 2, 5, 10);
    EXPECT(ctx, "input x: f64[n]\noutput grad(sum(bowl(x)), x)", X3, 2, -4, 6);
    btl_context_free(ctx);
}

BTL_TEST(derivatives_both_ways) {
    btl_context *ctx = context_with(NALL, all);
    EXPECT(ctx, "input x: f64[n]\noutput grad(sum(scale(x * x)), x)", X3, 4, -8, 12);
    EXPECT(ctx, "input x: f64[n]\noutput rop(scale(x, 5), x, x)", X3, 5, -10, 15);
    EXPECT(ctx, "input x: f64[3]\noutput sum(jacobian(scale(x), x), axis=0)", X3, 2, 2, 2);
    EXPECT(ctx, "input x: f64[n]\noutput grad(sum(back(x) * back(x)), x)", X5, 8, 0, 1, 0, -6);
    btl_context_free(ctx);
}

BTL_TEST(an_op_is_known_in_its_context_alone) {
    btl_context *ctx = context_with(1, all), *other = context_with(0, NULL);
    btl_array out = { 0 };
    btl_error err;
    BTL_ASSERT_STATUS(run(other, "input x: f64[n]\noutput scale(x)", NULL, X3, &out, &err), BTL_ENAME);
    BTL_ASSERT_CONTAINS(err.message, "unknown name scale");
    BTL_ASSERT_STATUS(run(NULL, "input x: f64[n]\noutput scale(x)", NULL, X3, &out, &err), BTL_ENAME);
    BTL_ASSERT_STATUS(run(ctx, "input x: f64[n]\noutput scael(x)", NULL, X3, &out, &err), BTL_ENAME);
    BTL_ASSERT_CONTAINS(err.message, "did you mean scale?");
    BTL_ASSERT_STATUS(run(ctx, "input x: f64[n]\noutput scale", NULL, X3, &out, &err), BTL_ENAME);
    BTL_ASSERT_CONTAINS(err.message, "scale is a function: call it");
    btl_context_free(ctx), btl_context_free(other);
}

BTL_TEST(ops_are_listed_behind_bitales) {
    btl_context *ctx = context_with(2, all);
    btl_op_info op;
    btl_op_setting s;
    int n = 0;
    while (btl_op_at(NULL, n, &op)) n++;
    assert_true(btl_op_at(ctx, n - 1, &op) && op.origin == NULL);
    assert_true(btl_op_at(ctx, n, &op));
    assert_string_equal(op.name, "scale");
    assert_string_equal(op.origin, "");
    assert_string_equal(op.gradient, "yes");
    assert_false(op.has_c);
    assert_true(btl_op_setting_at(ctx, n, 0, &s));
    assert_string_equal(s.name, "factor");
    assert_true(btl_op_at(ctx, n + 1, &op));
    assert_false(btl_op_at(ctx, n + 2, &op));
    btl_context_free(ctx);
}

BTL_TEST(a_user_s_mistake_is_told_with_its_place) {
    btl_context *ctx = context_with(NALL, all);
    btl_array out = { 0 };
    btl_error err;
    static const struct { const char *text; btl_status status; const char *says; } mistakes[] = {
        { "input x: f64[n]\noutput scale(i32([1, 2]))", BTL_EDTYPE, "own.bitale:2:8: error: scale: needs f64, not i32\n    2 | output scale(i32([1, 2]))\n      |        ^~~~~\n      hint: write f64(x)" },
        { "input x: f64[n]\noutput scale()", BTL_EVALUE, "scale: takes 1 operand, 0 given\n" },
        { "input x: f64[n]\noutput scale(x, 1, 2)", BTL_EVALUE, "scale: too many arguments without a name" },
        { "input x: f64[n]\noutput scale(x, fctor=2)", BTL_ENAME, "scale has no setting fctor" },
        { "input x: f64[n]\noutput scale(x, factor=\"a\")", BTL_EVALUE, "scale: factor must be a number, found a text" },
        { "input x: f64[n]\ns, k = my.total([x, zeros([n + 1])])\noutput s", BTL_ESHAPE, "my.total: sizes differ: n and n + 1; x is f64[n], an operand is f64[n + 1]" },
        { "input x: f64[n]\noutput grad(sum(positive(x)), x)", BTL_EGRAD, "positive has no derivative yet" },
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        BTL_ASSERT_STATUS(run(ctx, mistakes[i].text, NULL, X3, &out, &err), mistakes[i].status);
        BTL_ASSERT_CONTAINS(err.message, mistakes[i].says);
    }
    /* sizes that only the call can compare */
    btl_array two[2] = { *X3, *X5 };
    BTL_ASSERT_STATUS(run(ctx, "input x: f64[n]\ninput y: f64[m]\ns, k = my.total([x, y])\noutput s", NULL, two, &out, &err), BTL_ESHAPE);
    BTL_ASSERT_CONTAINS(err.message, "own.bitale:3:8: error: my.total: sizes that must be equal differ: n is 3, m is 5");
    btl_context_free(ctx);
}

/* ---- btl_op_call --------------------------------------------------------------------------------- */

BTL_TEST(any_op_can_be_called_by_its_name) {
    btl_context *ctx = context_with(NALL, all);
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(ctx, &g));
    btl_var *x = btl_input(g, "x", "f64[3, 2]"), *out[2];
    static const int axes[] = { 0 };
    btl_setting factor = btl_set_float("factor", 3), axis = btl_set_axes("axis", 1, axes), keep = btl_set_bool("keepdims", true), whole = btl_set_int("factor", 4);
    btl_setting both[] = { axis, keep };
    assert_string_equal(btl_var_type(g, btl_op_call(g, "scale", 1, &x, NULL, 1, &factor, NULL)), "f64[3, 2]");
    assert_string_equal(btl_var_type(g, btl_op_call(g, "scale", 1, &x, NULL, 1, &whole, NULL)), "f64[3, 2]");
    assert_string_equal(btl_var_type(g, btl_op_call(g, "sum", 1, &x, NULL, 2, both, NULL)), "f64[1, 2]");
    assert_string_equal(btl_var_type(g, btl_op_call(g, "sum", 1, &x, NULL, 0, NULL, NULL)), "f64");
    assert_non_null(btl_op_call(g, "my.total", 1, &x, NULL, 0, NULL, out));
    assert_string_equal(btl_var_type(g, out[1]), "i64");
    assert_null(btl_graph_error(g));
    btl_graph_free(g);

    static const struct { const char *op; int nsettings; const char *says; } wrong[] = {
        { "scael", 0, "there is no op named scael" }, { "input", 0, "there is no op named input" },
        { "sum", 1, "sum has no setting factor" }, { "scale", 2, "scale: factor is given twice" },
    };
    btl_setting twice[] = { factor, factor }, text = btl_set_text("factor", "3");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        BTL_ASSERT_OK(btl_graph_new(ctx, &g));
        x = btl_input(g, "x", "f64[3, 2]");
        assert_null(btl_op_call(g, wrong[i].op, 1, &x, NULL, wrong[i].nsettings, twice, NULL));
        BTL_ASSERT_CONTAINS(btl_graph_messages(g), wrong[i].says);
        btl_graph_free(g);
    }
    BTL_ASSERT_OK(btl_graph_new(ctx, &g));
    x = btl_input(g, "x", "f64[3, 2]");
    assert_null(btl_op_call(g, "scale", 1, &x, NULL, 1, &text, NULL));
    BTL_ASSERT_CONTAINS(btl_graph_messages(g), "scale: factor must be a number, found a text");
    btl_graph_free(g);
    BTL_ASSERT_OK(btl_graph_new(ctx, &g));
    x = btl_input(g, "x", "f64[3, 2]");
    assert_null(btl_op_call(g, "reshape", 1, &x, NULL, 0, NULL, NULL)); /* its shape has no default */
    BTL_ASSERT_CONTAINS(btl_graph_messages(g), "reshape: shape is missing: a list of sizes");
    btl_graph_free(g);
    btl_context_free(ctx);
}

/* ---- definitions that are none ----------------------------------------------------------------------- */

typedef void (*spoil)(btl_op_def *d);
#define SPOIL(name, ...) static void name(btl_op_def *d) { __VA_ARGS__; }
SPOIL(no_infer, d->infer = NULL)
SPOIL(no_eval, d->eval = NULL)
SPOIL(two_ways, d->view = back_view)
SPOIL(no_version, d->version = 0)
SPOIL(no_results, d->nout = 0)
SPOIL(many_results, d->nout = 65)
SPOIL(less_than_least, d->max_in = 0)
SPOIL(strange_promotion, d->promote = (btl_op_promote)9)
SPOIL(strange_flags, d->flags = 64)
SPOIL(a_view_of_two_results, d->eval = NULL; d->view = back_view; d->nout = 2)
SPOIL(a_view_of_nothing, d->eval = NULL; d->view = back_view; d->min_in = 0)
SPOIL(a_body_with_vjp, d->eval = NULL; d->body = bowl_body)
SPOIL(destroys_too_much, d->destroys = 4)
SPOIL(a_view_that_destroys, d->eval = NULL; d->view = back_view; d->destroys = 1)
SPOIL(work_for_nobody, d->eval = NULL; d->view = back_view; d->workspace = sorted_workspace)
SPOIL(headers_for_nobody, d->headers = "<math.h>")
SPOIL(settings_of_nowhere, d->settings = NULL)
SPOIL(negative_ulp, d->max_ulp = -1)
SPOIL(no_name, d->name = NULL)
SPOIL(older, d->abi = 0)
SPOIL(newer, d->abi = 99)
SPOIL(no_size, d->struct_size = 8)
static const btl_setting_spec bad_default[] = { { "factor", BTL_SETTING_FLOAT, "[]", true, NULL } };
static const btl_setting_spec bad_kind[] = { { "factor", (btl_setting_kind)77, "2", true, NULL } };
static const btl_setting_spec bad_name[] = { { "fac tor", BTL_SETTING_FLOAT, "2", true, NULL } };
static const btl_setting_spec doubled[] = { { "a", BTL_SETTING_FLOAT, "2", true, NULL }, { "a", BTL_SETTING_INT, "2", true, NULL } };
SPOIL(wrong_default, d->settings = bad_default)
SPOIL(wrong_kind, d->settings = bad_kind)
SPOIL(wrong_setting_name, d->settings = bad_name)
SPOIL(doubled_setting, d->settings = doubled; d->nsettings = 2)
SPOIL(named_as_an_op, d->name = "exp")
SPOIL(named_as_a_word, d->name = "output")
SPOIL(named_as_a_type, d->name = "f32")
SPOIL(named_as_a_builtin, d->name = "jacobian")
SPOIL(named_as_what_comes, d->name = "scan")
SPOIL(named_with_a_blank, d->name = "my op")
SPOIL(named_with_points, d->name = "a.b.c")
SPOIL(named_by_a_digit, d->name = "7up")
SPOIL(named_by_nothing, d->name = "")
SPOIL(named_as_registered, d->name = "back")

BTL_TEST(a_definition_that_is_none_is_refused_and_leaves_nothing) {
    static const struct { spoil spoil; btl_status status; const char *says; } cases[] = {
        { no_infer, BTL_EPLUGIN, "op scale has no infer" },
        { no_eval, BTL_EPLUGIN, "op scale has no way to be computed: one of eval, view and body is needed" },
        { two_ways, BTL_EPLUGIN, "op scale has several of eval, view and body" },
        { no_version, BTL_EPLUGIN, "op scale has no version: the first is 1" },
        { no_results, BTL_EPLUGIN, "op scale has a number of results (nout) that is not from 1 to 64" },
        { many_results, BTL_EPLUGIN, "not from 1 to 64" },
        { less_than_least, BTL_EPLUGIN, "numbers of operands that are not 0 <= min_in <= max_in" },
        { strange_promotion, BTL_EPLUGIN, "a promote that is none" },
        { strange_flags, BTL_EPLUGIN, "has flags that are none" },
        { a_view_of_two_results, BTL_EPLUGIN, "is a view and must have one result" },
        { a_view_of_nothing, BTL_EPLUGIN, "and at least one operand" },
        { a_body_with_vjp, BTL_EPLUGIN, "no vjp, jvp and emit beside it" },
        { destroys_too_much, BTL_EPLUGIN, "destroys an operand that it does not have" },
        { a_view_that_destroys, BTL_EPLUGIN, "destroys operands, which only an op with eval and without emit can" },
        { work_for_nobody, BTL_EPLUGIN, "has workspace, which only eval uses" },
        { headers_for_nobody, BTL_EPLUGIN, "has support, headers, compile_flags or libraries but no emit" },
        { settings_of_nowhere, BTL_EPLUGIN, "a number of settings without a list" },
        { negative_ulp, BTL_EPLUGIN, "a max_ulp that is negative" },
        { no_name, BTL_EPLUGIN, "an op has no name" },
        { older, BTL_EPLUGIN, "an op is made for version 0 of the interface of ops (BTL_OP_ABI), this Bitale (" BTL_VERSION_STRING ") has version 1: it must be compiled again" },
        { newer, BTL_EPLUGIN, "made for version 99 of the interface" },
        { no_size, BTL_EPLUGIN, "struct_size is 8, which is no btl_op_def" },
        { wrong_default, BTL_EPLUGIN, "op scale: the default of its setting factor is \"[]\", which is not a number" },
        { wrong_kind, BTL_EPLUGIN, "op scale: setting factor has a kind that is none" },
        { wrong_setting_name, BTL_EPLUGIN, "setting 0 has the name \"fac tor\", which is none" },
        { doubled_setting, BTL_EPLUGIN, "op scale has two settings named a" },
        { named_as_an_op, BTL_ENAME, "an op cannot be named exp: Bitale has an op of that name" },
        { named_as_a_word, BTL_ENAME, "an op cannot be named output: that is a word of the notation" },
        { named_as_a_type, BTL_ENAME, "an op cannot be named f32: that is a word" },
        { named_as_a_builtin, BTL_ENAME, "an op cannot be named jacobian: that is a word" },
        { named_as_what_comes, BTL_ENAME, "an op cannot be named scan: that is a word" },
        { named_with_a_blank, BTL_ENAME, "an op cannot be named \"my op\": letters, digits, _ and one point" },
        { named_with_points, BTL_ENAME, "an op cannot be named \"a.b.c\"" },
        { named_by_a_digit, BTL_ENAME, "an op cannot be named \"7up\"" },
        { named_by_nothing, BTL_ENAME, "an op cannot be named \"\"" },
        { named_as_registered, BTL_ENAME, "the name back is taken: an op of that name was registered before" },
    };
    const btl_op_def *one = &back;
    btl_context *ctx = context_with(1, &one);
    int before = 0;
    btl_op_info op;
    while (btl_op_at(ctx, before, &op)) before++;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        btl_op_def d = scale;
        btl_error err = { 0 };
        cases[i].spoil(&d);
        BTL_ASSERT_STATUS(btl_op_register(ctx, &d, &err), cases[i].status);
        BTL_ASSERT_CONTAINS(err.message, cases[i].says);
        assert_false(btl_op_at(ctx, before, &op));
    }
    btl_error err = { 0 };
    BTL_ASSERT_STATUS(btl_op_register(ctx, NULL, &err), BTL_EUSAGE);
    err = (btl_error){ 0 };
    BTL_ASSERT_STATUS(btl_op_register(NULL, &scale, &err), BTL_EUSAGE);
    BTL_ASSERT_OK(btl_op_register(ctx, &scale, NULL));
    btl_context_free(ctx);
}

BTL_TEST(a_larger_struct_of_a_later_header_is_taken_where_it_asks_for_nothing_new) {
    struct { btl_op_def def; void *(*later)(void); } wide = { scale, NULL };
    btl_context *ctx = context_with(0, NULL);
    btl_error err = { 0 };
    wide.def.struct_size = sizeof wide;
    BTL_ASSERT_OK(btl_op_register(ctx, &wide.def, &err));
    wide.def.name = "scale2";
    memset(&wide.later, 1, sizeof wide.later);
    BTL_ASSERT_STATUS(btl_op_register(ctx, &wide.def, &err), BTL_EPLUGIN);
    BTL_ASSERT_CONTAINS(err.message, "the op scale2 uses what this Bitale (" BTL_VERSION_STRING ") does not have: it was compiled with a newer one's headers");
    btl_context_free(ctx);
}

/* ---- ops that break their contract -------------------------------------------------------------------- */

#define INFER(name, ...) static btl_status name(btl_op_infer *x) { __VA_ARGS__; }
INFER(infer_nothing, (void)x; return BTL_OK)
INFER(infer_too_many, btl_op_infer_as(x, 0, x->in[0]); return btl_op_infer_as(x, 1, x->in[0]))
INFER(infer_no_dtype, return btl_op_infer_set(x, 0, (btl_dtype)99, 0, NULL))
INFER(infer_no_rank, return btl_op_infer_set(x, 0, BTL_F64, 17, NULL))
INFER(infer_no_size, return btl_op_infer_set(x, 0, BTL_F64, 1, NULL))
INFER(infer_negative, const btl_dim *n = btl_dim_const(x->g, -1); return btl_op_infer_set(x, 0, BTL_F64, 1, &n))
INFER(infer_silent, (void)x; return BTL_EVALUE)
INFER(infer_forgetful, btl_op_infer_as(x, 0, x->in[0]); btl_op_fail(x->g, BTL_EVALUE, "no"); return BTL_OK)
INFER(infer_other_setting, btl_setting_int(x->settings, "facto"); return btl_op_infer_as(x, 0, x->in[0]))
INFER(infer_other_kind, btl_setting_int(x->settings, "factor"); return btl_op_infer_as(x, 0, x->in[0]))
INFER(infer_unmeasured, const btl_dim *n = btl_op_infer_unknown(x, NULL); return btl_op_infer_set(x, 0, BTL_F64, 1, &n))

BTL_TEST(an_infer_that_lies_is_found_at_the_place_where_the_op_is_used) {
    static const struct { btl_status (*infer)(btl_op_infer *); btl_status status; const char *says; } cases[] = {
        { infer_nothing, BTL_EPLUGIN, "scale: its infer states no type for result 0 of 1" },
        { infer_too_many, BTL_EPLUGIN, "scale: its infer states the type of result 1; it declares 1 result" },
        { infer_no_dtype, BTL_EPLUGIN, "scale: its infer gives result 0 the dtype 99, which is none" },
        { infer_no_rank, BTL_EPLUGIN, "scale: its infer gives result 0 17 axes; 0 to 16 are possible" },
        { infer_no_size, BTL_EPLUGIN, "scale: its infer gives axis 0 of result 0 no size" },
        { infer_negative, BTL_EPLUGIN, "scale: its infer gives axis 0 of result 0 a negative size" },
        { infer_silent, BTL_EVALUE, "scale: its infer failed and does not say why" },
        { infer_forgetful, BTL_EVALUE, "scale: no" },
        { infer_other_setting, BTL_EPLUGIN, "scale: its infer asks for the setting facto as an integer, which it does not have" },
        { infer_other_kind, BTL_EPLUGIN, "scale: its infer asks for the setting factor as an integer, which it does not have" },
        { infer_unmeasured, BTL_EPLUGIN, "scale: its infer leaves the size of axis 0 of result 0 to measure, which it does not have" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        btl_op_def d = scale;
        const btl_op_def *one = &d;
        btl_array out = { 0 };
        btl_error err;
        d.infer = cases[i].infer;
        btl_context *ctx = context_with(1, &one);
        BTL_ASSERT_STATUS(run(ctx, "input x: f64[n]\noutput x + scale(x)", NULL, X3, &out, &err), cases[i].status);
        BTL_ASSERT_CONTAINS(err.message, cases[i].says);
        BTL_ASSERT_CONTAINS(err.message, "own.bitale:2:12: error: ");
        btl_context_free(ctx);
    }
}

#define EVAL(name, ...) static btl_status name(btl_op_run *r) { __VA_ARGS__; }
EVAL(eval_other_size, r->out[0].shape[0]--; return BTL_OK)
EVAL(eval_other_place, r->out[0].data = x3; return BTL_OK)
EVAL(eval_strides, static int64_t two = 2; r->out[0].strides = &two; return BTL_OK)
EVAL(eval_other_type, r->out[0].dtype.bits = 32; return BTL_OK)
EVAL(eval_silent, (void)r; return BTL_EVALUE)
EVAL(eval_forgetful, btl_op_run_fail(r, BTL_EVALUE, "number %d", 7); return BTL_OK)
EVAL(eval_other_setting, btl_setting_text(r->settings, "name"); return BTL_OK)

BTL_TEST(an_eval_that_does_not_keep_to_its_types_is_found_when_it_runs) {
    static const struct { btl_status (*eval)(btl_op_run *); btl_status status; const char *says; } cases[] = {
        { eval_other_size, BTL_EPLUGIN, "scale: its eval makes result 0 f64[2]; its infer stated f64[3]" },
        { eval_other_place, BTL_EPLUGIN, "scale: its eval gives as result 0 the memory of operand 0: it is a view, which it does not declare" },
        { eval_strides, BTL_EPLUGIN, "scale: its eval gives result 0, f64[3], other strides than those it was given" },
        { eval_other_type, BTL_EPLUGIN, "scale: its eval makes result 0 f32[3]; its infer stated f64[3]" },
        { eval_silent, BTL_EVALUE, "scale: its eval failed and does not say why" },
        { eval_forgetful, BTL_EVALUE, "scale: number 7" },
        { eval_other_setting, BTL_EPLUGIN, "scale: its eval asks for the setting name as a text, which it does not have" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int m = 0; m < NMODES; m++) {
            btl_op_def d = scale;
            const btl_op_def *one = &d;
            btl_array out = { 0 };
            btl_error err;
            d.eval = cases[i].eval;
            btl_context *ctx = context_with(1, &one);
            BTL_ASSERT_STATUS(run(ctx, "input x: f64[n]\noutput x + scale(x)", modes[m], X3, &out, &err), cases[i].status);
            BTL_ASSERT_CONTAINS(err.message, cases[i].says);
            BTL_ASSERT_CONTAINS(err.message, "own.bitale:2:12: error: ");
            btl_context_free(ctx);
        }
}

EVAL(view_too_far, r->out[0].strides[0] = 3; return BTL_OK)
EVAL(view_before, r->out[0].data = (char *)r->out[0].data - 8; return BTL_OK)
EVAL(view_between, r->out[0].strides[0] = 1; r->out[0].byte_offset = 4; return BTL_OK)
EVAL(view_other_size, r->out[0].shape[0] = 1; return BTL_OK)
EVAL(measure_nothing, (void)r; return BTL_OK)
EVAL(measure_too_much, return btl_op_run_measured(r, 0, 0, 1000000))
EVAL(measure_negative, return btl_op_run_measured(r, 0, 0, -1))
EVAL(measure_elsewhere, return btl_op_run_measured(r, 1, 0, 1))

BTL_TEST(views_beyond_their_operand_and_sizes_beyond_their_bound_are_refused) {
    static const struct { const btl_op_def *op; btl_status (*view)(btl_op_run *), (*measure)(btl_op_run *); const char *says; } cases[] = {
        { &back, view_too_far, NULL, "back: its view reaches beyond its operand: from byte 0 to byte 56, where the operand has 0 to 40" },
        { &back, view_before, NULL, "back: its view reaches beyond its operand" },
        { &back, view_between, NULL, "back: its view reaches beyond its operand" },
        { &back, view_other_size, NULL, "back: its view changes the sizes that its infer stated" },
        { &positive, NULL, measure_nothing, "positive: its measure does not tell the size of axis 0 of result 0" },
        { &positive, NULL, measure_too_much, "positive: the size of axis 0 of result 0 was found to be 1000000, above its bound 5" },
        { &positive, NULL, measure_negative, "positive: its measure gives axis 0 of result 0 the size -1" },
        { &positive, NULL, measure_elsewhere, "positive: its measure gives the size of axis 0 of result 1, which is not one that only a run can tell" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int m = 0; m < NMODES; m++) {
            btl_op_def d = *cases[i].op;
            const btl_op_def *one = &d;
            btl_array out = { 0 };
            btl_error err;
            char text[80];
            if (cases[i].view) d.view = cases[i].view;
            if (cases[i].measure) d.measure = cases[i].measure;
            btl_context *ctx = context_with(1, &one);
            snprintf(text, sizeof text, "input x: f64[n]\noutput 1 + %s(x)", d.name);
            BTL_ASSERT_STATUS(run(ctx, text, modes[m], X5, &out, &err), BTL_EPLUGIN);
            BTL_ASSERT_CONTAINS(err.message, cases[i].says);
            btl_context_free(ctx);
        }
}

static btl_status vjp_other_type(btl_op_vjp *v) {
    v->din[0] = btl_sum(v->g, v->dout[0], -1, NULL, false);
    return BTL_OK;
}
static btl_status vjp_silent(btl_op_vjp *v) {
    (void)v;
    return BTL_EVALUE;
}
static btl_status vjp_says(btl_op_vjp *v) { return btl_op_fail(v->g, BTL_EGRAD, "not where factor is %g", btl_setting_float(v->settings, "factor")); }
static btl_status vjp_builds_wrong(btl_op_vjp *v) {
    v->din[0] = btl_expr(v->g, "d + y", "d", v->dout[0], NULL);
    return BTL_OK;
}
static btl_status vjp_other_setting(btl_op_vjp *v) {
    btl_setting_float(v->settings, "scale");
    v->din[0] = v->dout[0];
    return BTL_OK;
}
static btl_status vjp_nothing(btl_op_vjp *v) {
    (void)v;
    return BTL_OK;
}
static bool connects_nothing(btl_settings *s, int out, int in) {
    (void)s;
    return out < 0 && in < 0;
}

BTL_TEST(a_derivative_that_is_none_is_told) {
    static const struct { btl_status (*vjp)(btl_op_vjp *); btl_status status; const char *says; } cases[] = {
        { vjp_other_type, BTL_EPLUGIN, "scale: its vjp gives the gradient of operand 0 the type f64, which should be that of f64[n]" },
        { vjp_silent, BTL_EVALUE, "scale: its vjp failed and does not say why" },
        { vjp_says, BTL_EGRAD, "own.bitale:2:17: error: scale: not where factor is 2" },
        { vjp_builds_wrong, BTL_ENAME, "unknown name y" },
        { vjp_other_setting, BTL_EPLUGIN, "scale: its vjp asks for the setting scale as a number" },
        { vjp_nothing, BTL_EGRAD, "does not depend on x" },
        { NULL, BTL_EGRAD, "scale has no derivative yet, and the cost depends on x (f64[n]) through it" },
    };
    btl_array out = { 0 };
    btl_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        btl_op_def d = scale;
        const btl_op_def *one = &d;
        d.vjp = cases[i].vjp;
        btl_context *ctx = context_with(1, &one);
        BTL_ASSERT_STATUS(run(ctx, "input x: f64[n]\noutput grad(sum(scale(x)), x)", NULL, X3, &out, &err), cases[i].status);
        BTL_ASSERT_CONTAINS(err.message, cases[i].says);
        btl_context_free(ctx);
    }
    btl_op_def d = scale;
    const btl_op_def *one = &d;
    d.connected = connects_nothing;
    btl_context *ctx = context_with(1, &one);
    BTL_ASSERT_STATUS(run(ctx, "input x: f64[n]\noutput grad(sum(scale(x)), x)", NULL, X3, &out, &err), BTL_EGRAD);
    BTL_ASSERT_CONTAINS(err.message, "does not depend on x");
    btl_context_free(ctx);
}

static btl_var *body_nothing(btl_op_body *b) {
    (void)b;
    return NULL;
}
static btl_var *body_other_type(btl_op_body *b) { return btl_sum(b->g, b->in[0], -1, NULL, false); }

BTL_TEST(a_body_that_is_none_is_told) {
    static const struct { btl_var *(*body)(btl_op_body *); const char *says; } cases[] = {
        { body_nothing, "bowl: its body gives nothing" },
        { body_other_type, "bowl: its body gives f64 of 0 axes, its infer states f64 of 1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        btl_op_def d = bowl;
        const btl_op_def *one = &d;
        btl_array out = { 0 };
        btl_error err;
        d.body = cases[i].body;
        btl_context *ctx = context_with(1, &one);
        BTL_ASSERT_STATUS(run(ctx, "input x: f64[n]\noutput bowl(x)", NULL, X3, &out, &err), BTL_EPLUGIN);
        BTL_ASSERT_CONTAINS(err.message, cases[i].says);
        btl_context_free(ctx);
    }
}

/* ---- threads and memory ---------------------------------------------------------------------------- */

enum { NTHREADS = 4, NNAMES = 40 };
static char thread_names[NTHREADS][NNAMES][16];

static char registering[] = "registering", parsing[] = "parsing";

static void *register_and_parse(void *arg) {
    btl_context *ctx = ((void **)arg)[0];
    char (*names)[16] = ((void **)arg)[1];
    for (int i = 0; i < NNAMES; i++) {
        btl_op_def d = scale;
        char text[80];
        btl_graph *g;
        d.name = names[i];
        if (btl_op_register(ctx, &d, NULL) != BTL_OK || btl_graph_new(ctx, &g) != BTL_OK) return registering;
        snprintf(text, sizeof text, "input x: f64[3]\noutput %s(x)\n", names[i]);
        if (btl_graph_parse(g, text, strlen(text), "thread") != BTL_OK) return parsing;
        btl_graph_free(g);
    }
    return NULL;
}

BTL_TEST(threads_register_and_find_ops_of_one_context) {
    btl_context *ctx = context_with(0, NULL);
    pthread_t threads[NTHREADS];
    void *args[NTHREADS][2];
    btl_op_info op;
    int n = 0, mine = 0;
    for (int t = 0; t < NTHREADS; t++) {
        for (int i = 0; i < NNAMES; i++) snprintf(thread_names[t][i], sizeof thread_names[t][i], "op_%d_%d", t, i);
        args[t][0] = ctx, args[t][1] = thread_names[t];
        assert_int_equal(pthread_create(&threads[t], NULL, register_and_parse, args[t]), 0);
    }
    for (int t = 0; t < NTHREADS; t++) {
        void *failed = NULL;
        pthread_join(threads[t], &failed);
        if (failed) BTL_FAIL("%s", (const char *)failed);
    }
    for (; btl_op_at(ctx, n, &op); n++) mine += op.origin != NULL;
    assert_int_equal(mine, NTHREADS * NNAMES);
    btl_context_free(ctx);
}

static btl_status register_and_run(btl_context *ctx, void *arg) {
    (void)arg;
    static const char text[] = "input x: f64[n]\ns, k = my.total([x, x, x, x, x, x, x, x, x, x, x, x, x])\n"
                               "output positive(sorted(scale(x))), s, bowl(back(x)), grad(sum(scale(x)), x)\n";
    btl_graph *g = NULL;
    btl_function *f = NULL;
    btl_error err = { 0 };
    btl_function_options o = { .struct_size = sizeof o, .mode = "fast_run,linker=strips" };
    btl_array out[4] = { { 0 }, { 0 }, { 0 }, { 0 } };
    btl_status status = BTL_OK;
    for (int i = 0; i < NALL && status == BTL_OK; i++) status = btl_op_register(ctx, all[i], &err);
    if (status == BTL_OK) status = btl_graph_new(ctx, &g);
    if (status == BTL_OK) status = btl_graph_parse(g, text, strlen(text), "memory");
    if (status == BTL_OK) status = btl_function_new(g, btl_entry_find(g, NULL), &o, &f, &err);
    if (status == BTL_OK) status = btl_call(f, NULL, X5, out, NULL, &err);
    for (int i = 0; i < 4; i++) btl_array_free(&out[i]);
    btl_function_free(f);
    btl_graph_free(g);
    return status;
}

BTL_TEST(registering_and_running_survive_memory_that_runs_out) { BTL_ASSERT_SURVIVES_ENOMEM(register_and_run, NULL); }

BTL_TEST_MAIN(cmocka_unit_test(an_op_with_eval_alone_runs_in_every_mode_and_linker), cmocka_unit_test(any_number_of_operands_and_several_results),
              cmocka_unit_test(sizes_that_only_a_run_can_tell), cmocka_unit_test(an_operand_that_is_destroyed_is_a_private_copy),
              cmocka_unit_test(a_view_shares_its_operands_memory), cmocka_unit_test(a_body_is_other_ops), cmocka_unit_test(derivatives_both_ways),
              cmocka_unit_test(an_op_is_known_in_its_context_alone), cmocka_unit_test(ops_are_listed_behind_bitales),
              cmocka_unit_test(a_user_s_mistake_is_told_with_its_place), cmocka_unit_test(any_op_can_be_called_by_its_name),
              cmocka_unit_test(a_definition_that_is_none_is_refused_and_leaves_nothing),
              cmocka_unit_test(a_larger_struct_of_a_later_header_is_taken_where_it_asks_for_nothing_new),
              cmocka_unit_test(an_infer_that_lies_is_found_at_the_place_where_the_op_is_used),
              cmocka_unit_test(an_eval_that_does_not_keep_to_its_types_is_found_when_it_runs),
              cmocka_unit_test(views_beyond_their_operand_and_sizes_beyond_their_bound_are_refused),
              cmocka_unit_test(a_derivative_that_is_none_is_told), cmocka_unit_test(a_body_that_is_none_is_told),
              cmocka_unit_test(threads_register_and_find_ops_of_one_context), cmocka_unit_test(registering_and_running_survive_memory_that_runs_out))
