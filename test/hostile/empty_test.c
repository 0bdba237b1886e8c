/* empty_test.c - arrays without elements through every family of ops, compiled in both modes, their
 * memory NULL; and NaN and nothing through every reduction, as NumPy has it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "expr/op.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char header[] = "input x: f64[n, m]\ninput v: f64[m]\ninput i: i64[k]\ninput b: bool[n, m]\ninput c: i32[n]\noutput y = ";

enum { NIN = 5 };
typedef struct arguments { int64_t n, m, k, nm[2]; btl_array in[NIN]; } arguments;

static void arguments_make(arguments *a, int64_t n, int64_t m, int64_t k, void *x, void *v, void *i, void *b, void *c) {
    a->n = a->nm[0] = n, a->m = a->nm[1] = m, a->k = k;
    a->in[0] = btl_array_wrap(BTL_F64, 2, a->nm, x), a->in[1] = btl_array_wrap(BTL_F64, 1, &a->m, v);
    a->in[2] = btl_array_wrap(BTL_I64, 1, &a->k, i), a->in[3] = btl_array_wrap(BTL_BOOL, 2, a->nm, b);
    a->in[4] = btl_array_wrap(BTL_I32, 1, &a->n, c);
}

/* The expression by the compiled function in one mode; *reference by the reference. */
static btl_status both(const char *expression, const char *mode, const arguments *a, btl_array *out, btl_array *reference) {
    char text[600];
    btl_context *ctx = NULL;
    btl_graph *g = NULL;
    btl_function *f = NULL;
    btl_error e = { 0 };
    btl_function_options o = { .mode = mode };
    snprintf(text, sizeof text, "%s%s\n", header, expression);
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    BTL_ASSERT_OK(btl_graph_new(ctx, &g));
    if (btl_graph_parse(g, text, strlen(text), "empty") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    btl_entry *entry = btl_entry_find(g, NULL);
    if (btl_function_new(g, entry, &o, &f, &e) != BTL_OK) BTL_FAIL("%s", e.message);
    btl_array got = { 0 }, want = { 0 };
    btl_status status = btl_call(f, NULL, a->in, &got, NULL, &e);
    if (status != BTL_OK && !*e.message) BTL_FAIL("%s fails without a message", expression);
    btl_var *inputs[NIN];
    for (int i = 0; i < NIN; i++) inputs[i] = entry->inputs[i].var;
    btl_error why = { 0 };
    btl_status expected = btl_graph_eval(g, NIN, inputs, a->in, NULL, 1, &entry->outputs[0].var, &want, &why);
    if ((status == BTL_OK) != (expected == BTL_OK)) BTL_FAIL("%s in %s: %s; the reference: %s", expression, mode, e.message, why.message);
    btl_function_free(f);
    btl_graph_free(g);
    *out = (btl_array){ 0 }, *reference = (btl_array){ 0 };
    if (status == BTL_OK) { /* into memory that outlives the context */
        btl_dtype dtype;
        assert_true(btl_array_dtype(&got, &dtype));
        BTL_ASSERT_OK(btl_array_new(NULL, dtype, got.ndim, got.shape, out));
        BTL_ASSERT_OK(btl_array_copy(out, &got));
        assert_true(btl_array_dtype(&want, &dtype));
        BTL_ASSERT_OK(btl_array_new(NULL, dtype, want.ndim, want.shape, reference));
        BTL_ASSERT_OK(btl_array_copy(reference, &want));
    }
    btl_array_free(&got), btl_array_free(&want);
    btl_context_free(ctx);
    return status;
}

static const char *const modes[] = { "fast_run,linker=strips", "fast_compile" };

BTL_TEST(arrays_without_elements_go_through_every_family_of_ops) {
    static const char *const expressions[] = {
        "x", "x + 1", "exp(x) * v", "where(b, x, v)", "x > v", "-x", "x ** 2", "f32(x)", "i64(x)", "bool(x)", "f16(x) + f16(v)", "b & b", "~c", "c << 1", "c // 2", "x.T", "x.T @ x", "x @ x.T",
        "x @ v", "v @ x.T", "v @ v", "sum(x)", "sum(x, axis=0)", "sum(x, axis=1, keepdims=true)", "prod(x, axis=1)", "mean(x)", "mean(x, axis=0)", "var(x, axis=1)", "std(x)", "any(b)", "all(b, axis=0)",
        "sum(c)", "softmax(x, axis=0)", "softmax(x, axis=1)", "log_softmax(x)", "logsumexp(x + 0 * x, axis=[])", "reshape(x, [m, n])", "reshape(x, [n * m])", "reshape(x, [n * m, 1])", "x[:0]", "x[::-1]", "x[:, ::-2]", "x[1:]",
        "x[newaxis]", "x[..., newaxis]", "v[:0]", "x[:, :0]", "concatenate([x, x])", "concatenate([x, x], axis=1)", "stack([v, v])", "stack([x, x], axis=2)", "split(x, [n])", "broadcast_to(v, [3, m])", "broadcast_to(1.0, [n, m])",
        "zeros([n, 0])", "ones([0])", "arange(0)", "arange(n)", "eye(n)", "full([n, m], 2.0)", "set_subtensor(x[:0], 1.0)", "inc_subtensor(x[:, :0], 1.0)", "set_subtensor(x[...], v)", "x[i]", "v[i]", "x[:, i]", "x[i, i]", "inc_subtensor(v[i], 1.0)",
        "inc_subtensor(x[i], v)", "set_subtensor(x[:, i], 0.0)", "random.normal(random.key(1), shape=[n, m])", "random.uniform(random.key(1), shape=[0])", "random.integers(random.key(1), 0, 10, shape=[n])", "random.split(random.key(1), 2)",
        "grad(sum(x * x), x)", "grad(sum(exp(x @ v)), v)", "grad(sum(softmax(x)), x)", "grad(mean(x), x)", "grad(sum(x[i]), x)", "grad(sum(concatenate([x, x])), x)", "grad(sum(x[::-1] * x), x)", "squeeze(x[newaxis])", "repeat(v, 2)", "tile(v, [2])",
        "transpose(x, axes=[1, 0])", "sum(exp(x) * v, axis=0)", "sum(x > 0)", "mean(c)", "x.shape[0]", "n * m", "clip(x, 0, 1)", "maximum(x, v)", "isnan(x)", "x - mean(x, axis=1, keepdims=true)", "argmax(concatenate([x, ones([n, 1])], axis=1), axis=1)",
        "max(x)", "min(x, axis=0)", "max(x, axis=1)", "argmax(x, axis=0)", "argmin(x)", "argmax(c)", "max(c)", "min(v)", "grad(max(x), x)",
    };
    static const int64_t sizes[][3] = { { 0, 0, 0 }, { 0, 3, 0 }, { 3, 0, 0 }, { 1, 0, 0 }, { 0, 1, 0 }, { 2, 3, 0 } };
    double x[6] = { 1, -2, 3, 0.5, 4, 2 }, v[3] = { 1, 2, 3 };
    bool b[6] = { true, false };
    int32_t c[3] = { 1, 2, 3 };
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++)
            for (int mode = 0; mode < 2; mode++) {
                arguments a;
                int64_t n = sizes[k][0], m = sizes[k][1];
                arguments_make(&a, n, m, sizes[k][2], n && m ? x : NULL, m ? v : NULL, NULL, n && m ? b : NULL, n ? c : NULL);
                btl_array out, reference;
                if (both(expressions[i], modes[mode], &a, &out, &reference) == BTL_OK) {
                    if (strncmp(expressions[i], "random", 6) == 0) BTL_ASSERT_ARRAYS_EQUAL(expressions[i], &out, &reference);
                    else BTL_ASSERT_ARRAYS(expressions[i], &out, &reference, .relative = 1e-6, .absolute = 1e-9);
                }
                btl_array_free(&out), btl_array_free(&reference);
            }
}

static double number(const btl_array *a, int64_t i) {
    double value = 0;
    btl_dtype dtype = BTL_BOOL;
    btl_array_dtype(a, &dtype);
    btl_array from = btl_array_wrap(dtype, 0, NULL, (char *)btl_array_data(a) + i * (int64_t)btl_dtype_bytes(dtype)), to = btl_array_wrap(BTL_F64, 0, NULL, &value);
    btl_array_convert(&to, &from);
    return value;
}

/* All elements of the result are that number. */
static void gives(const char *expression, const arguments *a, double want) {
    for (int mode = 0; mode < 2; mode++) {
        btl_array out, reference;
        BTL_ASSERT_OK(both(expression, modes[mode], a, &out, &reference));
        for (int64_t i = 0; i < btl_array_elems(&out); i++) {
            double got = number(&out, i);
            if (got != want && !(isnan(got) && isnan(want))) BTL_FAIL("%s in %s: [%d] is %g, not %g", expression, modes[mode], (int)i, got, want);
        }
        btl_array_free(&out), btl_array_free(&reference);
    }
}

static void fails(const char *expression, const arguments *a, btl_status want) {
    for (int mode = 0; mode < 2; mode++) {
        btl_array out, reference;
        BTL_ASSERT_STATUS(both(expression, modes[mode], a, &out, &reference), want);
    }
}

/* np.sum([]) is 0, np.prod 1, np.mean NaN, np.max an error, … */
BTL_TEST(reductions_of_nothing_are_those_of_numpy) {
    arguments a;
    arguments_make(&a, 0, 3, 0, NULL, (double[3]){ 1, 2, 3 }, NULL, NULL, NULL);
    static const char *const axes[] = { "", ", axis=0", ", axis=0, keepdims=true", ", axis=[0, 1]" };
    static const struct { const char *op; double want; } values[] = {
        { "sum", 0 }, { "prod", 1 }, { "mean", NAN }, { "var", NAN }, { "std", NAN }, { "any", 0 }, { "all", 1 }, { "logsumexp", -INFINITY } };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (size_t k = 0; k < sizeof axes / sizeof *axes; k++) {
            char text[100];
            snprintf(text, sizeof text, "%s(%s%s)", values[i].op, *values[i].op == 'a' ? "b" : "x", axes[k]);
            if (strcmp(values[i].op, "logsumexp") != 0) gives(text, &a, values[i].want);
        }
    gives("sum(c)", &a, 0);
    gives("prod(c)", &a, 1);
    gives("mean(c)", &a, NAN);
    gives("sum(x, axis=1)", &a, 12345); /* no element to be that */
    gives("max(x, axis=1)", &a, 12345);
    gives("argmax(x, axis=1)", &a, 12345);
    static const char *const errors[] = { "max(x)", "min(x)", "max(x, axis=0)", "min(x, axis=0)", "argmax(x)", "argmin(x, axis=0)", "argmax(x, axis=0)", "max(c)", "min(c)", "argmax(c)" };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) fails(errors[i], &a, BTL_EVALUE);
}

BTL_TEST(an_index_out_of_range_is_an_error_also_where_nothing_would_be_read) {
    arguments a;
    double v[3] = { 1, 2, 3 };
    for (int64_t i = -4; i <= 3; i += 7) {
        arguments_make(&a, 0, 3, 1, NULL, v, &i, NULL, NULL);
        fails("x[:, i]", &a, BTL_EINDEX);
        fails("set_subtensor(x[:, i], 1.0)", &a, BTL_EINDEX);
        fails("inc_subtensor(x[:, i], 1.0)", &a, BTL_EINDEX);
        fails("v[i]", &a, BTL_EINDEX);
        fails("x[i]", &a, BTL_EINDEX);
    }
    int64_t i = -3;
    arguments_make(&a, 0, 3, 1, NULL, v, &i, NULL, NULL);
    gives("x[:, i]", &a, 12345); /* no element to be that */
    gives("v[i]", &a, 1);
}

BTL_TEST(nan_goes_through_every_reduction_wherever_it_stands) {
    enum { N = 37, M = 3 };
    double x[N * M], v[M] = { 1, 2, 3 };
    bool b[N * M] = { false };
    int32_t c[N] = { 0 };
    static const char *const spreads[] = { "sum(x)", "prod(x)", "mean(x)", "var(x)", "std(x)", "max(x)", "min(x)", "logsumexp(x)", "sum(x * v)", "sum(exp(x))", "max(x + v)", "sum(x @ v)", "sum(x.T)", "max(x.T)", "min(x[::-1])" };
    for (int at = 0; at < N * M; at += 5) {
        for (int i = 0; i < N * M; i++) x[i] = i == at ? (double)NAN : i % 7 - 3;
        arguments a;
        arguments_make(&a, N, M, 0, x, v, NULL, b, c);
        for (size_t i = 0; i < sizeof spreads / sizeof *spreads; i++)
            if (at % 15 == 0 || i < 7) gives(spreads[i], &a, NAN);
        gives("argmax(x)", &a, at); /* as NumPy: the first NaN */
        gives("argmin(x)", &a, at);
        char only[100]; /* the others stay clean */
        snprintf(only, sizeof only, "sum(isnan(sum(x, axis=1))) + sum(isnan(max(x, axis=0)))");
        gives(only, &a, 2);
    }
}

BTL_TEST_MAIN(cmocka_unit_test(arrays_without_elements_go_through_every_family_of_ops),
              cmocka_unit_test(reductions_of_nothing_are_those_of_numpy),
              cmocka_unit_test(an_index_out_of_range_is_an_error_also_where_nothing_would_be_read),
              cmocka_unit_test(nan_goes_through_every_reduction_wherever_it_stands))
