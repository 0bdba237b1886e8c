/* activation_test.c - gelu: both forms against their formulas in long double, at the ends of the types, and the
 * gradient where it could overflow. (Its accuracy against MPFR: sweep/mpfr_sweep_test.c.)
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 64 };

/* The expression over x: DTYPE[n] with those values, as compiled, in f64. */
static void compute(const char *expression, const char *dtype, int n, const double *x, double *y) {
    char text[200];
    int64_t dims[1] = { n };
    btl_graph *g;
    btl_function *f = NULL;
    btl_dtype t = BTL_F64;
    btl_array in, out = { 0 }, from = btl_array_wrap(BTL_F64, 1, dims, (double *)(uintptr_t)x),
                  to = btl_array_wrap(BTL_F64, 1, dims, y);
    btl_error err = { 0 };
    snprintf(text, sizeof text, "input x: %s[n]\noutput y = %s\n", dtype, expression);
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (btl_graph_parse(g, text, strlen(text), "gelu") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    btl_dtype_find(dtype, strlen(dtype), &t);
    BTL_ASSERT_OK(btl_array_new(NULL, t, 1, dims, &in));
    BTL_ASSERT_OK(btl_array_convert(&in, &from));
    if (btl_function_new(g, btl_entry_find(g, NULL), NULL, &f, &err) || btl_call(f, NULL, &in, &out, NULL, &err))
        BTL_FAIL("%s: %s", text, err.message);
    BTL_ASSERT_OK(btl_array_convert(&to, &out));
    btl_array_free(&in), btl_array_free(&out);
    btl_function_free(f);
    btl_graph_free(g);
}

static const double points[] = { 0,  1e-30, -1e-9, 1e-3, -1e-3, 0.25, -0.25, -0.75, 0.7517915, 1,   -1, 1.5,
                                 -2, 2.5,   -3,    -4.5, 5,     -6,   -8,    -10,   12,        -13, 20, 37 };
enum { NPOINTS = sizeof points / sizeof *points };

static long double by_tanh(long double x) {
    const long double u = sqrtl(2 / acosl(-1)) * (x + 0.044715L * x * x * x);
    return x / (1 + expl(-2 * u)); /* 0.5 x (1 + tanh u), without cancelling */
}

static long double exact(long double x) { return x * erfcl(-x / sqrtl(2)) / 2; }

/* Relative errors grow with u: e^u is as exact as u times its size. */
static void agrees_with(const char *expression, const char *dtype, double unit, long double (*f)(long double)) {
    double y[MOST], x[MOST];
    compute("x", dtype, NPOINTS, points, x); /* as rounded to the type */
    compute(expression, dtype, NPOINTS, points, y);
    for (int i = 0; i < NPOINTS; i++) {
        const long double want = f((long double)x[i]);
        const double u = fabs(x[i]) * (1 + x[i] * x[i]), least = strcmp(dtype, "f64") == 0   ? 0x1p-1074
                                                                 : strcmp(dtype, "f16") == 0 ? 0x1p-24
                                                                                             : 0x1p-133;
        if (!(fabs(y[i] - (double)want) <= unit * (4 + 4 * u) * fabs((double)want) + 2 * least))
            BTL_FAIL("%s of %s %.17g is %.17g, %.17g wanted", expression, dtype, x[i], y[i], (double)want);
    }
}

BTL_TEST(both_forms_of_gelu_are_their_formulas) {
    agrees_with("gelu(x, approximate=true)", "f64", 0x1p-53, by_tanh);
    agrees_with("gelu(x, approximate=true)", "f32", 0x1p-24, by_tanh);
    agrees_with("gelu(x, approximate=true)", "f16", 0x1p-11, by_tanh);
    agrees_with("gelu(x, approximate=true)", "bf16", 0x1p-8, by_tanh);
    agrees_with("gelu(x)", "f64", 0x1p-53, exact);
    agrees_with("gelu(x)", "f32", 0x1p-24, exact);
    agrees_with("gelu(x)", "f16", 0x1p-11, exact);
}

BTL_TEST(the_forms_are_close_but_not_the_same) {
    double a[MOST], b[MOST], most = 0;
    compute("gelu(x)", "f64", NPOINTS, points, a);
    compute("gelu(x, approximate=true)", "f64", NPOINTS, points, b);
    for (int i = 0; i < NPOINTS; i++) most = fmax(most, fabs(a[i] - b[i]));
    assert_true(most > 1e-5 && most < 5e-4);
}

/* -0 for -inf, inf for inf, NaN for NaN; slopes 0 and 1, and none of the parts overflows. */
BTL_TEST(gelu_and_its_slope_have_their_limits) {
    static const char *const dtypes[] = { "f32", "f64", "f16", "bf16" };
    static const char *const forms[] = { "gelu(x)", "gelu(x, approximate=true)" };
    const double inf = (double)INFINITY, x[] = { -inf, inf, (double)NAN, -60000, 60000, -3e38, 3e38, -50, 50, 0.0, -0.0 };
    enum { N = sizeof x / sizeof *x };
    for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++)
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
            double y[N], d[N], round[N];
            char text[100];
            compute("x", dtypes[t], N, x, round);
            compute(forms[i], dtypes[t], N, x, y);
            snprintf(text, sizeof text, "grad(sum(%s), x)", forms[i]);
            compute(text, dtypes[t], N, x, d);
            for (int k = 0; k < N; k++) {
                if (isnan(round[k])) assert_true(isnan(y[k]) && isnan(d[k]));
                else if (round[k] == 0) assert_true(y[k] == 0 && signbit(y[k]) == signbit(round[k]) && d[k] == 0.5);
                else if (!(y[k] == (round[k] > 0 ? round[k] : 0) && d[k] == (round[k] > 0)))
                    BTL_FAIL("%s of %s %g is %g, its slope %g", forms[i], dtypes[t], round[k], y[k], d[k]);
            }
        }
}

BTL_TEST(gelus_gradients_agree_with_finite_differences) {
    static const char *const forms[] = { "gelu(x)", "gelu(x, approximate=true)", "grad(sum(gelu(x) ** 2), x)",
                                         "grad(sum(gelu(x, approximate=true) ** 2), x)" };
    int64_t dims[1] = { 7 };
    double at[7] = { -3.1, -0.9, -0.2, 0.3, 1.1, 2.2, 4 };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        btl_graph *g;
        btl_error err = { 0 };
        btl_array a = btl_array_wrap(BTL_F64, 1, dims, at);
        btl_verify_options o = { .rel_tol = 1e-5, .abs_tol = 1e-6, .every_coordinate = true };
        BTL_ASSERT_OK(btl_graph_new(NULL, &g));
        btl_var *x = btl_input(g, "x", "f64[7]"), *y = btl_expr(g, forms[i], "x", x, NULL);
        if (!y || btl_verify_grad(g, y, 1, &x, &a, &o, &err) != BTL_OK)
            BTL_FAIL("%s: %s%s", forms[i], err.message, y ? "" : btl_graph_messages(g));
        btl_graph_free(g);
    }
}

BTL_TEST_MAIN(cmocka_unit_test(both_forms_of_gelu_are_their_formulas),
              cmocka_unit_test(the_forms_are_close_but_not_the_same),
              cmocka_unit_test(gelu_and_its_slope_have_their_limits),
              cmocka_unit_test(gelus_gradients_agree_with_finite_differences))
