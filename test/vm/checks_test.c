/* checks_test.c - checks=debug finds the op or the rule that lies, checks=nan the first bad value, checks=monitor shows every node.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "vm/checks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- ops that lie, each in its way ------------------------------------------------------------ */

enum { N = 4 };

static btl_status lie_infer(btl_op_infer *x) { return btl_op_infer_as(x, 0, x->in[0]); }

static double at(const btl_array *a, int64_t i) { return ((const double *)btl_array_data(a))[a->strides ? i * a->strides[0] : i]; }

static btl_status twice(btl_op_run *r) {
    double *y = btl_array_data(&r->out[0]);
    for (int64_t i = 0, n = btl_array_elems(&r->out[0]); i < n; i++) y[i] = 2 * at(&r->in[0], i);
    return BTL_OK;
}

/* Also writes to its operand. */
static btl_status destroys(btl_op_run *r) {
    btl_status status = twice(r);
    ((double *)btl_array_data(&r->in[0]))[1] = 7;
    return status;
}

static btl_status is_a_view(btl_op_run *r) {
    r->out[0].data = r->in[0].data;
    return BTL_OK;
}

static btl_status makes_f32(btl_op_run *r) {
    r->out[0].dtype.bits = 32;
    return BTL_OK;
}

static btl_status makes_it_longer(btl_op_run *r) {
    r->out[0].shape[0]++;
    return BTL_OK;
}

static btl_status makes_strides(btl_op_run *r) {
    static int64_t two = 2;
    r->out[0].strides = &two;
    return BTL_OK;
}

static btl_status dice(btl_op_run *r) {
    static double thrown;
    btl_status status = twice(r);
    ((double *)btl_array_data(&r->out[0]))[2] = ++thrown;
    return status;
}

static btl_status reads_beyond(btl_op_run *r) {
    btl_status status = twice(r);
    ((double *)btl_array_data(&r->out[0]))[0] = at(&r->in[0], btl_array_elems(&r->in[0]));
    return status;
}

static btl_status writes_beyond(btl_op_run *r) {
    btl_status status = twice(r);
    ((double *)btl_array_data(&r->out[0]))[btl_array_elems(&r->out[0])] = 1;
    return status;
}

static btl_status writes_before(btl_op_run *r) {
    btl_status status = twice(r);
    ((double *)btl_array_data(&r->out[0]))[-1] = 1;
    return status;
}

static btl_status leaves_one_out(btl_op_run *r) {
    double *y = btl_array_data(&r->out[0]);
    for (int64_t i = 1, n = btl_array_elems(&r->out[0]); i < n; i++) y[i] = 2 * at(&r->in[0], i);
    return BTL_OK;
}

static btl_status adds_to_what_is_there(btl_op_run *r) {
    double *y = btl_array_data(&r->out[0]);
    for (int64_t i = 0, n = btl_array_elems(&r->out[0]); i < n; i++) y[i] += 2 * at(&r->in[0], i);
    return BTL_OK;
}

static btl_status ignores_strides(btl_op_run *r) {
    double *y = btl_array_data(&r->out[0]);
    const double *x = btl_array_data(&r->in[0]);
    for (int64_t i = 0, n = btl_array_elems(&r->out[0]); i < n; i++) y[i] = 2 * x[i];
    return BTL_OK;
}

static size_t scratch_of_one(const btl_op_run *r) { return (void)r, 8; }

static btl_status writes_beyond_scratch(btl_op_run *r) {
    ((double *)r->work)[16] = 1; /* its room begins and ends at multiples of 64 bytes, with as much to spare */
    return twice(r);
}

static btl_status fails_with_strides(btl_op_run *r) {
    if (r->in[0].strides && r->in[0].strides[0] != 1) return btl_op_run_fail(r, BTL_EVALUE, "strides");
    return twice(r);
}

#define EMIT(name, ...)                                                                           \
    static btl_status name(btl_emit *e) {                                                         \
        btl_emit_text(e, __VA_ARGS__);                                                            \
        return BTL_OK;                                                                            \
    }
#define LOOP "for (int64_t i = 0; i < %s; i++) "
EMIT(emit_twice, LOOP "y0[i] = 2 * x0[i * %s];\n", btl_emit_elems(e, 0), btl_emit_stride(e, 0, 0))
EMIT(emit_wrong, LOOP "y0[i] = i == 3 ? 5 : 2 * x0[i * %s];\n", btl_emit_elems(e, 0), btl_emit_stride(e, 0, 0))
EMIT(emit_near, LOOP "y0[i] = 2 * x0[i * %s] * (1 + 0x1p-52);\n", btl_emit_elems(e, 0), btl_emit_stride(e, 0, 0))
EMIT(emit_beyond, LOOP "y0[i] = 2 * x0[i * %s]; y0[%s] = 3;\n", btl_emit_elems(e, 0), btl_emit_stride(e, 0, 0), btl_emit_elems(e, 0))
EMIT(emit_destroys, LOOP "y0[i] = 2 * x0[i * %s]; ((double *)x0)[0] = 9;\n", btl_emit_elems(e, 0), btl_emit_stride(e, 0, 0))
EMIT(emit_less, "for (int64_t i = 1; i < %s; i++) y0[i] = 2 * x0[i * %s];\n", btl_emit_elems(e, 0), btl_emit_stride(e, 0, 0))
EMIT(emit_fails, "if (%s) return 1;\n", btl_emit_elems(e, 0))

static const btl_op_def liar = { .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "lie", .version = 1, .min_in = 1, .max_in = 1, .nout = 1,
                                 .infer = lie_infer, .eval = twice };

/* One call of a program on x = [1, 2, 3, 4], in a mode, with one op of one's own (or NULL). */
static btl_status call_with(const btl_op_def *op, const char *text, const char *mode, double *x, double *y, btl_error *err) {
    int64_t n = N;
    btl_context *ctx;
    btl_graph *g;
    btl_function *f = NULL;
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    btl_array in = btl_array_wrap(BTL_F64, 1, &n, x), out = btl_array_wrap(BTL_F64, 1, &n, y);
    *err = (btl_error){ 0 };
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    if (op) BTL_ASSERT_OK(btl_op_register(ctx, op, err));
    BTL_ASSERT_OK(btl_graph_new(ctx, &g));
    if (btl_graph_parse(g, text, strlen(text), "lies.bitale") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    btl_status status = btl_function_new(g, btl_entry_find(g, NULL), &o, &f, err);
    if (status == BTL_OK) status = btl_call(f, NULL, &in, &out, NULL, err);
    btl_function_free(f);
    btl_graph_free(g);
    btl_context_free(ctx);
    return status;
}

BTL_TEST(debug_finds_each_way_in_which_an_op_can_lie) {
    static const struct { btl_status (*eval)(btl_op_run *); btl_status (*emit)(btl_emit *); btl_status status; const char *says; } cases[] = {
        { twice, NULL, BTL_OK, "" },
        { twice, emit_twice, BTL_OK, "" },
        { twice, emit_wrong, BTL_ECHECK, "its C and its eval differ in y: f64[4]: 1 of 4 elements differ; element [3] is 5 " },
        { twice, emit_near, BTL_ECHECK, "element [0] is 2.0000000000000004 " },
        { twice, emit_beyond, BTL_ECHECK, "its C writes beside result 0, which has 32 bytes" },
        { twice, emit_destroys, BTL_ECHECK, "its C writes to operand 0, which it does not declare as destroyed" },
        { twice, emit_less, BTL_ECHECK, "its C leaves elements unwritten" },
        { twice, emit_fails, BTL_ECHECK, "its C fails where its eval does not" },
        { destroys, NULL, BTL_ECHECK, "its eval writes to operand 0, which it does not declare as destroyed" },
        { is_a_view, NULL, BTL_EPLUGIN, "its eval gives as result 0 the memory of operand 0: it is a view, which it does not declare" },
        { is_a_view, emit_twice, BTL_ECHECK, "its eval fails where the function does not: lie: its eval gives as result 0 the memory of operand 0" },
        { makes_f32, NULL, BTL_EPLUGIN, "its eval makes result 0 f32[4]; its infer stated f64[4]" },
        { makes_it_longer, NULL, BTL_EPLUGIN, "its eval makes result 0 f64[5]; its infer stated f64[4]" },
        { makes_strides, NULL, BTL_EPLUGIN, "its eval gives result 0, f64[4], other strides than those it was given" },
        { dice, NULL, BTL_ECHECK, "run twice on the same operands, its eval gives other values of result 0: 1 of 4 elements differ; element [2] is " },
        { reads_beyond, NULL, BTL_ECHECK, "its eval reads memory that it was not given" },
        { writes_beyond, NULL, BTL_ECHECK, "its eval writes beside result 0, which has 32 bytes" },
        { writes_before, NULL, BTL_ECHECK, "its eval writes beside result 0" },
        { leaves_one_out, NULL, BTL_ECHECK, "its eval leaves elements unwritten (in memory that held other bytes it gives other values) of result 0: 1 of 4 elements differ; element [0] is" },
        { adds_to_what_is_there, NULL, BTL_ECHECK, "of result 0: 4 of 4 elements differ" },
        { ignores_strides, NULL, BTL_ECHECK, "on operands that lie otherwise (reversed and with gaps) its eval gives another result 0" },
        { fails_with_strides, NULL, BTL_ECHECK, "on operands that lie otherwise (reversed and with gaps) its eval fails: lie: strides" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        btl_op_def op = liar;
        double x[N] = { 1, 2, 3, 4 }, y[N + 1];
        btl_error err;
        op.eval = cases[i].eval, op.emit = cases[i].emit;
        btl_status status = call_with(&op, "input x: f64[n]\ny = lie(x)\noutput y", "debug", x, y, &err);
        if (status != cases[i].status) BTL_FAIL("case %zu: status %d: %s", i, (int)status, err.message);
        BTL_ASSERT_CONTAINS(err.message, cases[i].says);
        if (status != BTL_OK) BTL_ASSERT_CONTAINS(err.message, "lies.bitale:2:5: error: lie: ");
        if (status == BTL_OK) assert_true(y[0] == 2 && y[3] == 8);
        if (status == BTL_ECHECK) assert_true(err.line == 2 && x[1] == 2);
    }
}

BTL_TEST(what_an_op_promises_of_its_c_and_says_it_destroys_is_believed) {
    btl_op_def op = liar;
    double x[N] = { 1, 2, 3, 4 }, y[N];
    btl_error err;
    op.emit = emit_near, op.max_ulp = 2;
    BTL_ASSERT_OK(call_with(&op, "input x: f64[n]\ny = lie(x)\noutput y", "debug", x, y, &err));
    op = liar, op.eval = destroys, op.destroys = 1;
    BTL_ASSERT_OK(call_with(&op, "input x: f64[n]\ny = lie(x) + x\noutput y", "debug", x, y, &err));
    assert_true(y[1] == 6 && x[1] == 2);
    op = liar, op.eval = ignores_strides, op.flags = BTL_OP_PACKED;
    BTL_ASSERT_OK(call_with(&op, "input x: f64[n]\ny = lie(x[::-1])\noutput y", "debug", x, y, &err));
    assert_true(y[0] == 8);
    op = liar, op.eval = writes_beyond_scratch, op.workspace = scratch_of_one;
    BTL_ASSERT_STATUS(call_with(&op, "input x: f64[n]\ny = lie(x)\noutput y", "debug", x, y, &err), BTL_ECHECK);
    BTL_ASSERT_CONTAINS(err.message, "its eval writes beside its scratch");
}

/* ---- rules that lie --------------------------------------------------------------------------- */

/* The first result of a program is said to have become the second by a rule. */
static btl_status call_as_rule(const char *text, int exactness, double ulp, bool finite, btl_dtype dtype, int nx, double *x, btl_error *err) {
    int64_t n = nx;
    btl_context *ctx;
    btl_graph *g;
    btl_function *f = NULL;
    btl_function_options o = { .struct_size = sizeof o, .mode = "c_code,checks=debug,linker=strips" };
    btl_array from = btl_array_wrap(BTL_F64, 1, &n, x), in = { 0 }, out[2] = { { 0 } };
    *err = (btl_error){ 0 };
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    BTL_ASSERT_OK(btl_graph_new(ctx, &g));
    if (btl_graph_parse(g, text, strlen(text), "rules.bitale") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    BTL_ASSERT_OK(btl_array_new(ctx, dtype, 1, &n, &in));
    BTL_ASSERT_OK(btl_array_convert(&in, &from));
    BTL_ASSERT_OK(btl_function_new(g, btl_entry_find(g, NULL), &o, &f, err));
    vm_firing fired = { "liar", "for a test", f->debug->rewritten[0], f->debug->rewritten[1], exactness, ulp, finite, false };
    f->debug->firings = &fired, f->debug->nfirings = 1;
    btl_status status = btl_call(f, NULL, &in, out, NULL, err);
    btl_array_free(&out[0]);
    btl_array_free(&out[1]);
    btl_array_free(&in);
    btl_function_free(f);
    btl_graph_free(g);
    btl_context_free(ctx);
    return status;
}

BTL_TEST(a_rule_that_changes_values_is_named_and_one_that_mends_them_is_not) {
    double tame[] = { 0.5, -1.25, 3, 1e-3 }, wide[] = { 1000, -1000, 5, 40 }, special[] = { (double)NAN, (double)INFINITY, -(double)INFINITY, -0.0 };
    double tie[] = { 0x1.4dcfc135bf67bp+0, 0x1.7436da6419a11p+0, 3, 1 }; /* their product, rounded to 64 bits and then to 53, is not its rounding to 53 */
    const struct { const char *before, *after; int exactness; double ulp; bool finite; btl_dtype dtype; double *x; const char *says; } cases[] = {
        { "x + x", "2 * x", VM_SAME_BITS, 0, false, BTL_F64, special, "" },
        { "x * 3", "x * 4", VM_SAME_BITS, 0, false, BTL_F64, tame, "a, element [0] is 1.5 as written" },
        { "x / 3", "x * (1 / 3.0)", VM_SAME_BITS, 0, false, BTL_F64, tame, "the rule liar changes values" },
        { "x / 3", "x * (1 / 3.0)", VM_WITHIN_ULP, 2, false, BTL_F64, tame, "" },
        { "x / 3", "x * 0.3333333333", VM_WITHIN_ULP, 2, false, BTL_F64, tame, "the rule promises values within 2 ulp" },
        { "x / 3", "x * 0.333333333333", VM_WITHIN_ULP, 2, false, BTL_F32, tame, "" },
        { "(x + 1e10) - 1e10", "x", VM_REASSOCIATES, 0, false, BTL_F64, tame, "" },
        { "(x + 1) - 1", "x + 1e-9", VM_REASSOCIATES, 0, false, BTL_F64, tame, "in another order" },
        { "log(1 + exp(x))", "softplus(x)", VM_WITHIN_ULP, 4, false, BTL_F64, wide, "" },
        { "log(1 + exp(x))", "softplus(x)", VM_WITHIN_ULP, 4, false, BTL_F32, wide, "" },
        { "log(1 + exp(x))", "softplus(x)", VM_WITHIN_ULP, 4, false, BTL_F16, wide, "" },
        { "log(1 + exp(x))", "softplus(x) + 0.001", VM_WITHIN_ULP, 4, false, BTL_F64, wide, "element [0] is inf as written, in higher precision 1000, and became 1000.001" },
        { "softplus(x)", "log(1 + exp(x))", VM_WITHIN_ULP, 4, false, BTL_F64, wide, "is 1000 as written, in higher precision 1000, and became inf" },
        { "exp(x) / (1 + exp(x))", "sigmoid(x)", VM_WITHIN_ULP, 4, false, BTL_F64, wide, "" },
        { "x - x", "0 * x", VM_SAME_BITS, 0, false, BTL_F64, special, "is 0 as written" }, /* -0 - -0 is 0, 0 * -0 is -0 */
        { "0 * x", "zeros_like(x)", VM_SAME_BITS, 0, false, BTL_F64, special, "is nan as written, in higher precision nan, and became 0" },
        { "x - x", "zeros_like(x)", VM_SAME_BITS, 0, true, BTL_F64, special, "" },
        { "x - x", "zeros_like(x)", VM_WITHIN_ULP, 4, false, BTL_F64, special, "the rule liar changes values" },
        { "log(softmax(x))", "log_softmax(x)", VM_WITHIN_ULP, 8, false, BTL_F64, wide, "" },
        { "log(softmax(x))", "log_softmax(x) * 1.001", VM_WITHIN_ULP, 8, false, BTL_F64, wide, "the rule liar changes values" },
        { "exp(x) / sum(exp(x))", "softmax(x)", VM_WITHIN_ULP, 8, false, BTL_F32, wide, "" },
        { "sum(x, keepdims=true) * x", "sum(x * x, keepdims=true) + 0 * x", VM_REASSOCIATES, 0, false, BTL_F64, tame, "changes values" },
        { "x + 0.1 + 0.2", "x + 0.3", VM_REASSOCIATES, 0, false, BTL_F64, tame, "" },
        { "f64(x > 0)", "f64(x >= 0)", VM_SAME_BITS, 0, false, BTL_F64, special, "changes values" },
        { "(x[:, newaxis] @ x[newaxis, 1:2])[:, 0]", "x * x[1]", VM_SAME_BITS, 0, false, BTL_F64, tie, "" },
        { "(x[:, newaxis] @ x[newaxis, 1:2])[:, 0]", "x * x[1] * 1.0000000000000002", VM_SAME_BITS, 0, false, BTL_F64, tie, "changes values" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];
        btl_error err;
        snprintf(text, sizeof text, "input x: %s[n]\na = %s\nb = %s\noutput a, b", btl_dtype_name(cases[i].dtype), cases[i].before, cases[i].after);
        btl_status status = call_as_rule(text, cases[i].exactness, cases[i].ulp, cases[i].finite, cases[i].dtype, 4, cases[i].x, &err);
        if (status != (*cases[i].says ? BTL_ECHECK : BTL_OK)) BTL_FAIL("case %zu, %s: status %d: %s", i, text, (int)status, err.message);
        BTL_ASSERT_CONTAINS(err.message, cases[i].says);
        if (status == BTL_OK) continue;
        BTL_ASSERT_CONTAINS(err.message, "rules.bitale:2:");
        BTL_ASSERT_CONTAINS(err.message, "hint: without=liar in the mode switches the rule off");
    }
}

BTL_TEST(a_rule_that_changes_a_type_is_named) {
    double x[] = { 1, 2 };
    btl_error err;
    BTL_ASSERT_STATUS(call_as_rule("input x: f64[n]\na = x + 1\nb = sum(x)\noutput a, b", VM_SAME_BITS, 0, false, BTL_F64, 2, x, &err), BTL_ECHECK);
    BTL_ASSERT_CONTAINS(err.message, "the rule liar changes a type");
}

/* ---- the function's own memory ------------------------------------------------------------------ */

static btl_function *compile(btl_graph *g, const char *text, const char *mode) {
    btl_function *f = NULL;
    btl_error err = { 0 };
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    if (btl_graph_parse(g, text, strlen(text), "test.bitale") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    if (btl_function_new(g, btl_entry_find(g, NULL), &o, &f, &err) != BTL_OK) BTL_FAIL("%s: %s", mode, err.message);
    return f;
}

BTL_TEST(two_values_that_share_memory_while_both_are_alive_are_found) {
    static const char text[] = "input x: f64[n]\na = exp(x)\nb = sin(x)\nc = cos(x)\noutput y = a + b * c";
    double x[N] = { 1, 2, 3, 4 }, y[N];
    int64_t n = N;
    btl_array in = btl_array_wrap(BTL_F64, 1, &n, x), out = btl_array_wrap(BTL_F64, 1, &n, y);
    btl_graph *g;
    btl_error err = { 0 };
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_function *f = compile(g, text, "debug,linker=strips,without=fuse");
    BTL_ASSERT_OK(btl_call(f, NULL, &in, &out, NULL, &err));
    btl_function_free(f);
    f = compile(g, text, "debug,linker=strips,without=fuse");
    for (int i = 0; i < f->nbuffers; i++) ((btl_buffer *)(uintptr_t)f->lives)[i].last = f->lives[i].first; /* a plan that frees too early */
    BTL_ASSERT_STATUS(btl_call(f, NULL, &in, &out, NULL, &err), BTL_ECHECK);
    BTL_ASSERT_CONTAINS(err.message, "before it ran, operand");
    btl_function_free(f);
    btl_graph_free(g);
}

BTL_TEST(debug_runs_every_kind_of_node_and_finds_nothing) {
    static const char *const programs[] = {
        "input x: f64[n]\noutput y = sum(x[::-1] * x) + concatenate([x, x])[::2].T[0]",
        "input x: f64[n]\noutput y = 2 * x[0:argmax(x)]",
        "input x: f64[n]\noutput y = softmax(x) @ reshape(concatenate([x, x, x, x]), [4, 4]), z = argmax(x), s = x[argmax(x)]",
        "input x: f64[n]\nA = x[:, newaxis] * x + 3 * eye(4)\noutput y = cholesky(A), z = solve_triangular(A, x), i = conv2d(reshape(x, [1, 1, 2, 2]), reshape(x, [1, 1, 2, 2]))",
        "input x: f64[n]\noutput y = grad(sum(tanh(x) * log(1 + exp(x)) / sum(x)), x)",
        "input x: f64[n]\noutput y = i32(x) // 2, z = x > 1, w = bool(x) & (x < 3), q = mean(x), v = var(x), m = max(x, axis=0)",
        "input x: f64[n]\noutput y = f16(x) * f16(3.1) + sum(f16(x)), b = bf16(x) / 3",
        "input x: f64[n]\nshared w: f64[4] = 1\noutput y = x * w\nupdate w = w - 0.5 * x",
        "input x: f64[0, n]\noutput y = sum(x, axis=0), z = x * 2",
    };
    static const char *const modes[] = { "debug", "debug,linker=strips", "debug,linker=eval", "c_code,checks=debug", "fast_compile,checks=debug", "debug,without=fuse" };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
            double x[N] = { 1, -2, 0.5, 4 };
            bool empty = strstr(programs[i], "f64[0") != NULL;
            int64_t shape[2] = { empty ? 0 : N, N };
            btl_array in = btl_array_wrap(BTL_F64, empty ? 2 : 1, shape, x), out[8] = { { 0 } };
            btl_graph *g;
            btl_state *s = NULL;
            btl_error err = { 0 };
            BTL_ASSERT_OK(btl_graph_new(NULL, &g));
            btl_function *f = compile(g, programs[i], modes[m]);
            BTL_ASSERT_OK(btl_state_new(g, &s, &err));
            for (int k = 0; k < 2; k++) {
                if (btl_call(f, s, &in, out, NULL, &err) != BTL_OK) BTL_FAIL("%s, %s: %s", modes[m], programs[i], err.message);
                for (int o = 0; o < btl_function_noutputs(f); o++) btl_array_free(&out[o]);
            }
            btl_state_free(s);
            btl_function_free(f);
            btl_graph_free(g);
        }
}

/* ---- nan_guard ------------------------------------------------------------------------------------ */

static btl_status nan_in_third(btl_op_run *r) {
    btl_status status = twice(r);
    ((double *)btl_array_data(&r->out[0]))[2] = (double)NAN;
    return status;
}

BTL_TEST(nan_guard_names_the_first_bad_node_with_what_went_into_it) {
    static const struct { const char *text, *mode; double x0; btl_status status; const char *says[4]; } cases[] = {
        { "input x: f64[n]\ny = x * 2\noutput y", "nan_guard", 1, BTL_OK, { NULL } },
        { "input x: f64[n]\ny = log(x) + 1\noutput y", "nan_guard", -1, BTL_ENAN,
          { "lies.bitale:2:5: error: log: makes the first NaN: in f64[4], element [0] is nan; 1 of 4 are bad", "2 | y = log(x) + 1", "in the kernel log, add, which makes y: f64[4]",
            "operand x: f64[4]: min -1, max 4, mean 2; 0 NaN, 0 infinite" } },
        { "input x: f64[n]\ny = log(x) + 1\noutput y", "nan_guard,nan=off", -1, BTL_OK, { NULL } },
        { "input x: f64[n]\ny = 1 / x\noutput y", "nan_guard", 0, BTL_ENAN, { "makes the first infinity", "lies.bitale:2:7: error: " } },
        { "input x: f64[n]\ny = 1 / x\noutput y", "nan_guard,inf=off", 0, BTL_OK, { NULL } },
        { "input x: f64[n]\ny = exp(x)\noutput y", "nan_guard", 25, BTL_ENAN, { "makes the first huge value", "hint: values beyond 1e+10 are taken for bad" } },
        { "input x: f64[n]\ny = exp(x)\noutput y", "nan_guard,big=1e12", 25, BTL_OK, { NULL } },
        { "input x: f64[n]\ny = exp(x)\noutput y", "nan_guard,big=off", 700, BTL_OK, { NULL } },
        { "input x: f64[n]\ny = exp(x)\noutput y", "fast_run,checks=nan,big=40", 4, BTL_ENAN, { "makes the first huge value: in f64[4], element [0] is 54.5", NULL } },
        { "input x: f64[n]\ny = exp(x)\noutput y", "nan_guard", 1e300, BTL_ENAN, { "lies.bitale:1:7: error: argument x: f64[4] holds a huge value before anything is computed: element [0] is 1e+300" } },
        { "input x: f64[n]\ny = x * 2\noutput y", "nan_guard", (double)NAN, BTL_ENAN, { "argument x: f64[4] holds a NaN before anything is computed" } },
        { "input x: f64[n]\ny = maximum(x, 0)\nz = sqrt(-y)\noutput z", "nan_guard,without=fuse", 1, BTL_ENAN, { "sqrt: makes the first NaN", "lies.bitale:3:5" } },
        { "input x: f64[n]\noutput x / sum(x - x[0])", "nan_guard,linker=strips", 2, BTL_OK, { NULL } },
        { "input x: f64[n]\nz = x - x\noutput z / z", "nan_guard,linker=eval", 2, BTL_ENAN, { "div: makes the first NaN" } },
        { "input x: f64[n]\ny = lie(x)\noutput y", "nan_guard", 1, BTL_ENAN, { "lie: makes the first NaN, in y: f64[4]: element [2] is nan", "operand x: f64[4]: min 1, max 4" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double x[N] = { cases[i].x0, 2, 3, 4 }, y[N];
        btl_error err;
        btl_op_def op = liar;
        op.eval = nan_in_third;
        btl_status status = call_with(strstr(cases[i].text, "lie(") ? &op : NULL, cases[i].text, cases[i].mode, x, y, &err);
        if (status != cases[i].status) BTL_FAIL("case %zu, %s: status %d: %s", i, cases[i].mode, (int)status, err.message);
        for (int k = 0; k < 4 && cases[i].says[k]; k++) BTL_ASSERT_CONTAINS(err.message, cases[i].says[k]);
    }
}

BTL_TEST(nan_guard_looks_at_shared_variables_and_leaves_the_state_as_it_was) {
    btl_graph *g;
    btl_state *s;
    btl_error err = { 0 };
    double y[2], bad[2] = { 1, (double)INFINITY }, good[2] = { 1, 2 };
    int64_t two = 2;
    btl_array out = btl_array_wrap(BTL_F64, 1, &two, y), value = btl_array_wrap(BTL_F64, 1, &two, bad), now = { 0 };
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_function *f = compile(g, "shared w: f64[2] = 1\noutput y = 1 / w\nupdate w = w - 1", "nan_guard,linker=strips");
    BTL_ASSERT_OK(btl_state_new(g, &s, &err));
    BTL_ASSERT_OK(btl_state_set(s, "w", &value, &err));
    BTL_ASSERT_STATUS(btl_call(f, s, NULL, &out, NULL, &err), BTL_ENAN);
    BTL_ASSERT_CONTAINS(err.message, "shared variable w: f64[2] holds a infinity before anything is computed: element [1] is inf");
    err = (btl_error){ 0 };
    value.data = good;
    BTL_ASSERT_OK(btl_state_set(s, "w", &value, &err));
    BTL_ASSERT_OK(btl_call(f, s, NULL, &out, NULL, &err));
    BTL_ASSERT_STATUS(btl_call(f, s, NULL, &out, NULL, &err), BTL_ENAN); /* w is [0, 1] */
    BTL_ASSERT_OK(btl_state_get(s, "w", &now, NULL));
    assert_true(((double *)now.data)[0] == 0 && ((double *)now.data)[1] == 1);
    btl_array_free(&now);
    btl_state_free(s);
    btl_function_free(f);
    btl_graph_free(g);
}

/* ---- monitor ---------------------------------------------------------------------------------------- */

typedef struct seen { int before, after, stop_at; double last, seconds; char text[2000]; } seen;

static btl_status see_before(void *user, const btl_node_view *n) {
    seen *s = user;
    assert_true(!n->out && n->count >= 1 && n->index < n->count);
    return ++s->before == s->stop_at ? BTL_EVALUE : BTL_OK;
}

static btl_status see_after(void *user, const btl_node_view *n) {
    seen *s = user;
    size_t at = strlen(s->text);
    btl_range r;
    btl_array_range(&n->out[0], &r);
    const char *file = NULL, *source = NULL;
    int line = 0;
    assert_true(btl_node_place(n, 0, &file, &line, NULL, &source) && line == n->line && strcmp(file, n->file) == 0 && source);
    snprintf(s->text + at, sizeof s->text - at, "%d %s(%s) %s [%g, %g] %lld;", n->line, n->op, n->nin && n->in_names[0] ? n->in_names[0] : "", n->out_names[0] ? n->out_names[0] : "-", r.min, r.max,
             (long long)r.nan);
    s->after++, s->seconds += n->seconds;
    return BTL_OK;
}

BTL_TEST(a_monitor_sees_every_node_before_and_after_and_may_end_the_call) {
    static const char text[] = "input x: f64[n]\ny = sqrt(x) + 1\nz = concatenate([y, y])\noutput z, w = x[::-1] * y\n";
    double x[3] = { 4, 9, -1 };
    int64_t n = 3;
    seen s = { 0 };
    btl_monitor monitor = { sizeof monitor, see_before, see_after, &s };
    btl_call_options o = { .struct_size = sizeof o, .monitor = &monitor };
    btl_array in = btl_array_wrap(BTL_F64, 1, &n, x), out[2] = { { 0 }, { 0 } };
    btl_graph *g;
    btl_error err = { 0 };
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_function *f = compile(g, text, "monitor,linker=strips");
    assert_string_equal(btl_function_checks(f), "monitor");
    BTL_ASSERT_OK(btl_call(f, NULL, &in, out, &o, &err));
    assert_true(s.before == s.after && s.after >= 3 && s.seconds > 0);
    BTL_ASSERT_CONTAINS(s.text, "2 sqrt, add(x) y [3, 4] 1;");
    BTL_ASSERT_CONTAINS(s.text, "3 concatenate(y) z [3, 4] 2;");
    int all = s.after;
    const bool wanted[2] = { true, false };
    s = (seen){ 0 };
    o.wanted = wanted;
    BTL_ASSERT_OK(btl_call(f, NULL, &in, out, &o, &err));
    assert_true(s.after < all); /* what the call does not need does not run */
    s = (seen){ .stop_at = 2 };
    BTL_ASSERT_STATUS(btl_call(f, NULL, &in, out, &o, &err), BTL_EVALUE);
    assert_int_equal(s.after, 1);
    BTL_ASSERT_CONTAINS(err.message, "test.bitale:3:5: error: the monitor ends the call at concatenate");
    BTL_ASSERT_OK(btl_call(f, NULL, &in, out, NULL, &err)); /* without a monitor it runs as any other */
    o.struct_size = offsetof(btl_call_options, monitor);    /* a program that was built before there were monitors */
    s = (seen){ 0 };
    BTL_ASSERT_OK(btl_call(f, NULL, &in, out, &o, &err));
    assert_int_equal(s.before, 0);
    btl_function_free(f);
    f = compile(g, "output 1.0\n", "fast_run,linker=strips");
    btl_function_free(f);
    for (int i = 0; i < 2; i++) btl_array_free(&out[i]);
    btl_graph_free(g);
}

BTL_TEST(a_monitor_needs_a_function_that_was_made_for_it) {
    btl_graph *g;
    btl_error err = { 0 };
    btl_monitor monitor = { .struct_size = sizeof monitor };
    btl_call_options o = { .struct_size = sizeof o, .monitor = &monitor };
    btl_array out = { 0 };
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_function *f = compile(g, "output 1.0\n", "fast_run,linker=strips");
    assert_string_equal(btl_function_checks(f), "none");
    BTL_ASSERT_STATUS(btl_call(f, NULL, NULL, &out, &o, &err), BTL_EUSAGE);
    BTL_ASSERT_CONTAINS(err.message, "the function was not compiled with checks=monitor");
    btl_function_free(f);
    btl_graph_free(g);
}

BTL_TEST(ranges_count_what_is_not_finite) {
    double v[6] = { (double)NAN, 2, -(double)INFINITY, -4, (double)NAN, 5 };
    int64_t shape[1] = { 3 }, strides[1] = { 2 }, none[1] = { 0 };
    btl_range r;
    btl_array a = btl_array_wrap(BTL_F64, 1, shape, v);
    a.strides = strides; /* nan, -inf, nan */
    btl_array_range(&a, &r);
    assert_true(r.count == 3 && r.nan == 2 && r.inf == 1 && r.min == 0 && r.max == 0 && r.mean == 0);
    a.data = v + 1; /* 2, -4, 5 */
    btl_array_range(&a, &r);
    assert_true(r.count == 3 && r.nan == 0 && r.min == -4 && r.max == 5 && r.mean == 1);
    a.shape = none;
    btl_array_range(&a, &r);
    assert_true(r.count == 0);
    uint64_t big = UINT64_MAX;
    a = btl_array_wrap(BTL_U64, 0, NULL, &big);
    btl_array_range(&a, &r);
    assert_true(r.max == 18446744073709551616.0);
}

/* ---- modes as text -------------------------------------------------------------------------------------- */

BTL_TEST(a_mode_is_a_name_and_settings_that_go_together) {
    static const struct { const char *text, *says; } cases[] = {
        { "fast_run", "" }, { "debug", "" }, { "nan_guard,big=off,inf=off", "" }, { "monitor,linker=eval", "" }, { "linker=vm", "" }, { "", "" },
        { "fast_run,checks=nan,nan=off,big=3.5e4", "" }, { "c_code,with=stability,without=fuse", "" }, { "c_code,linker=c,linker=vm,checks=debug", "" },
        { "fast", "there is no mode fast; the modes are fast_run, fast_compile, c_code, debug, nan_guard and monitor" },
        { "linker=vm,c_code", "c_code: a mode's name stands first" },
        { "fast_run,linker=x", "there is no linker x; linkers are c, vm, strips and eval" },
        { "fast_run,checks=x", "there is no checks x; checks are none, debug, nan and monitor" },
        { "fast_run,tier=x", "there is no tier x; tiers are immediate and background" },
        { "fast_run,policy=reuse=0d,gc=on", "" }, { "policy=each", "" },
        { "fast_run,policy=x", "there is no policy x; policies are arena, each, reuse and reuse=0d" },
        { "order=exact", "" }, { "fast_run,order=x", "there is no order x; orders are fast, exact and given" },
        { "fast_run,gc=maybe", "gc=maybe: on or off is expected" },
        { "fast_run,speed=9", "a mode has no setting speed; settings are linker, checks, tier, policy, gc, order, with, without, nan, inf and big" },
        { "debug,linker=c", "linker=c makes one routine of the whole function, with no room for checks=debug" },
        { "debug,tier=background", "it does not go with tier=background" },
        { "fast_run,big=3", "nan, inf and big are settings of checks=nan (mode nan_guard), not of checks=none" },
        { "nan_guard,big=-3", "big=-3: a number above 0 is expected, or off" }, { "nan_guard,big=inf", "big=inf: a number above 0 is expected, or off" },
        { "nan_guard,nan=maybe", "nan=maybe: on or off is expected" },
        { "fast_run,with=fold,without=fold", "with fold and without fold contradict each other" },
        { "fast_run,without=fuse,with=fuse", "with fuse and without fuse contradict each other" },
        { "fast_run,with=", "with= names no rewrite" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        btl_error err = { 0 };
        BTL_ASSERT_STATUS(btl_mode_check(cases[i].text, &err), *cases[i].says ? BTL_EUSAGE : BTL_OK);
        BTL_ASSERT_CONTAINS(err.message, cases[i].says);
    }
}

/* How many nodes of an op the function has after its rewriting. */
static int count(const char *mode, const char *with, const char *without, const char *op) {
    btl_graph *g, *after;
    btl_error err = { 0 };
    static const char text[] = "input x: f64[n]\noutput log(1 + exp(x)) + x * 1\n";
    btl_function_options o = { .struct_size = sizeof o, .mode = mode, .with = with, .without = without };
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (btl_graph_parse(g, text, strlen(text), "test.bitale") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    if (btl_pipeline_print(g, btl_entry_find(g, NULL), &o, "lower", &after, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    int n = 0;
    for (const char *p = btl_graph_print(after); (p = strstr(p, op)); p += strlen(op)) n++;
    btl_graph_free(after);
    btl_graph_free(g);
    return n;
}

BTL_TEST(with_and_without_choose_rewrites_in_every_mode) {
    assert_int_equal(count("fast_run", NULL, NULL, "softplus("), 1);
    assert_int_equal(count("fast_run", NULL, "stability", "softplus("), 0);
    assert_int_equal(count("fast_run,without=log_one_plus_exp,without=log_one_plus", NULL, NULL, "softplus("), 0);
    assert_int_equal(count("c_code", NULL, NULL, "softplus("), 0);
    assert_int_equal(count("c_code", "log_one_plus_exp", NULL, "softplus("), 1); /* it alone */
    assert_int_equal(count("c_code", "log_one_plus_exp", NULL, "mul("), 1);
    assert_int_equal(count("c_code,with=stability", NULL, NULL, "softplus("), 1);
    assert_int_equal(count("fast_run", NULL, NULL, "mul("), 0);
    btl_graph *g;
    btl_function *f = NULL;
    btl_error err = { 0 };
    btl_function_options o = { .struct_size = sizeof o, .mode = "fast_run,without=fold", .with = "stability, fold" };
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    BTL_ASSERT_OK(btl_graph_parse(g, "output 1.0\n", 11, "test.bitale"));
    BTL_ASSERT_STATUS(btl_function_new(g, btl_entry_find(g, NULL), &o, &f, &err), BTL_EUSAGE);
    BTL_ASSERT_CONTAINS(err.message, "with fold and without fold contradict each other");
    err = (btl_error){ 0 };
    o.mode = "fast_run", o.with = "sounds_good";
    BTL_ASSERT_STATUS(btl_function_new(g, btl_entry_find(g, NULL), &o, &f, &err), BTL_EUSAGE);
    BTL_ASSERT_CONTAINS(err.message, "no rewrite and no tag is named sounds_good");
    btl_graph_free(g);
}

BTL_TEST(a_function_tells_what_its_rewrites_promise) {
    btl_graph *g;
    btl_promise p;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_function *f = compile(g, "input x: f64[n]\noutput log(1 + exp(x)) + x * 1\n", "fast_run,linker=strips");
    btl_function_promise(f, &p);
    assert_true(p.fired >= 2 && p.within_ulp >= 1 && p.ulps >= 1 && p.loosest);
    btl_function_free(f);
    f = compile(g, "input z: f64[n]\noutput z * 1 + 0\n", "c_code,linker=strips");
    btl_function_promise(f, &p);
    assert_true(p.within_ulp == 0 && p.reassociating == 0 && !p.loosest);
    btl_function_free(f);
    btl_graph_free(g);
}

/* ---- memory and threads ------------------------------------------------------------------------------------ */

static btl_status debug_once(btl_context *ctx, void *mode) {
    static const char text[] = "input x: f64[n]\noutput y = log(1 + exp(x)) @ (x[:, newaxis] * x), z = x[::-1] / 3";
    btl_graph *g;
    btl_function *f = NULL;
    double x[N] = { 1, 2, 3, 4 };
    int64_t n = N;
    btl_array in = btl_array_wrap(BTL_F64, 1, &n, x), out[2] = { { 0 }, { 0 } };
    btl_error err = { 0 };
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    btl_status status = btl_graph_new(ctx, &g);
    if (status != BTL_OK) return status;
    status = btl_graph_parse(g, text, strlen(text), "test.bitale");
    if (status == BTL_OK) status = btl_function_new(g, btl_entry_find(g, NULL), &o, &f, &err);
    if (status == BTL_OK) status = btl_call(f, NULL, &in, out, NULL, &err);
    for (int i = 0; i < 2; i++) btl_array_free(&out[i]);
    btl_function_free(f);
    btl_graph_free(g);
    return status;
}

BTL_TEST(checks_survive_memory_that_runs_out) {
    BTL_ASSERT_SURVIVES_ENOMEM(debug_once, (void *)"debug,linker=strips");
    BTL_ASSERT_SURVIVES_ENOMEM(debug_once, (void *)"nan_guard,linker=strips");
}

static void *call_often(void *arg) {
    double x[N] = { 1, 2, 3, 4 };
    int64_t n = N;
    btl_error err = { 0 };
    for (int k = 0; k < 20; k++) {
        btl_array in = btl_array_wrap(BTL_F64, 1, &n, x), out[2] = { { 0 }, { 0 } };
        if (btl_call(arg, NULL, &in, out, NULL, &err) != BTL_OK) return arg;
        for (int i = 0; i < 2; i++) btl_array_free(&out[i]);
    }
    return NULL;
}

BTL_TEST(debug_calls_may_be_made_from_many_threads) {
    btl_graph *g;
    pthread_t threads[4];
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_function *f = compile(g, "input x: f64[n]\noutput y = log(1 + exp(x)) + concatenate([x[1:], x[:1]]), z = x[::-1] / 3", "debug,linker=strips");
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, call_often, f), 0);
    for (int i = 0; i < 4; i++) {
        void *said;
        pthread_join(threads[i], &said);
        assert_null(said);
    }
    btl_function_free(f);
    btl_graph_free(g);
}

BTL_TEST_MAIN(cmocka_unit_test(debug_finds_each_way_in_which_an_op_can_lie), cmocka_unit_test(what_an_op_promises_of_its_c_and_says_it_destroys_is_believed),
              cmocka_unit_test(a_rule_that_changes_values_is_named_and_one_that_mends_them_is_not), cmocka_unit_test(a_rule_that_changes_a_type_is_named),
              cmocka_unit_test(two_values_that_share_memory_while_both_are_alive_are_found), cmocka_unit_test(debug_runs_every_kind_of_node_and_finds_nothing),
              cmocka_unit_test(nan_guard_names_the_first_bad_node_with_what_went_into_it), cmocka_unit_test(nan_guard_looks_at_shared_variables_and_leaves_the_state_as_it_was),
              cmocka_unit_test(a_monitor_sees_every_node_before_and_after_and_may_end_the_call), cmocka_unit_test(a_monitor_needs_a_function_that_was_made_for_it),
              cmocka_unit_test(ranges_count_what_is_not_finite), cmocka_unit_test(a_mode_is_a_name_and_settings_that_go_together),
              cmocka_unit_test(with_and_without_choose_rewrites_in_every_mode), cmocka_unit_test(a_function_tells_what_its_rewrites_promise),
              cmocka_unit_test(checks_survive_memory_that_runs_out), cmocka_unit_test(debug_calls_may_be_made_from_many_threads))
