/* matmul_test.c - products against NumPy, by BLAS and by our own loops; every layout; mistakes; gradients.
 *
 * The table was made by NumPy 2.4 from
 *
 *     a = np.arange(6).reshape(2, 3); c = np.arange(12).reshape(3, 4) - 5; u = np.array([1, -2, 3])
 *     d = np.arange(24).reshape(2, 3, 4) - 7; e = np.arange(16).reshape(2, 1, 4, 2) - 3
 *     r = eval(text); print(text, r.ndim, r.shape, r.ravel())
 *
 * and holds exactly in every type that has these integers.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tensor_check.h"

#include "bitale/grad.h"
#include "ops/blas.h"

#include <math.h>

static const check_case matmul_cases[] = {
    { "a @ c", 2, { 2, 4 }, { 5, 8, 11, 14, -4, 8, 20, 32 } },
    { "c.T @ a.T", 2, { 4, 2 }, { 5, -4, 8, 8, 11, 20, 14, 32 } },
    { "u @ c", 1, { 4 }, { 6, 8, 10, 12 } },
    { "a @ u", 1, { 2 }, { 4, 10 } },
    { "u @ u", 0, { 0 }, { 14 } },
    { "d @ c.T", 3, { 2, 3, 3 }, { 82, -6, -94, 26, 2, -22, -30, 10, 50, -86, 18, 122, -142, 26, 194, -198, 34, 266 } },
    { "a @ d", 3, { 2, 2, 4 }, { -1, 2, 5, 8, -28, -16, -4, 8, 35, 38, 41, 44, 116, 128, 140, 152 } },
    { "d @ e", 4, { 2, 2, 3, 2 }, { 10, -12, 10, 4, 10, 20, 10, 36, 10, 52, 10, 68, -166, -188, -38, -44, 90, 100, 218, 244, 346, 388, 474, 532 } },
    { "d[::-1, ::2] @ c.T[:, ::2]", 3, { 2, 2, 2 }, { -86, 122, -198, 266, 82, -94, -30, 50 } },
    { "a[:, :0] @ c[:0]", 2, { 2, 4 }, { 0, 0, 0, 0, 0, 0, 0, 0 } },
    { "u @ d", 2, { 2, 4 }, { 2, 4, 6, 8, 26, 28, 30, 32 } },
    { "d @ c[0]", 2, { 2, 3 }, { 82, 26, -30, -86, -142, -198 } },
    { "dot(a, c)", 2, { 2, 4 }, { 5, 8, 11, 14, -4, 8, 20, 32 } },
    { "dot(a, d)", 3, { 2, 2, 4 }, { -1, 2, 5, 8, 35, 38, 41, 44, -28, -16, -4, 8, 116, 128, 140, 152 } },
    { "dot(d, c.T)", 3, { 2, 3, 3 }, { 82, -6, -94, 26, 2, -22, -30, 10, 50, -86, 18, 122, -142, 26, 194, -198, 34, 266 } },
    { "dot(u, 3)", 1, { 3 }, { 3, -6, 9 } },
    { "dot(u, d)", 2, { 2, 4 }, { 2, 4, 6, 8, 26, 28, 30, 32 } },
    { "outer(u, c[0])", 2, { 3, 4 }, { -5, -4, -3, -2, 10, 8, 6, 4, -15, -12, -9, -6 } },
    { "outer(a, u)", 2, { 6, 3 }, { 0, 0, 0, 1, -2, 3, 2, -4, 6, 3, -6, 9, 4, -8, 12, 5, -10, 15 } },
    { "tensordot(d, c, [1, 2], [0, 1])", 1, { 2 }, { 134, 206 } },
    { "tensordot(a, c, 1, 0)", 2, { 2, 4 }, { 5, 8, 11, 14, -4, 8, 20, 32 } },
    { "tensordot(u, u, [], [])", 2, { 3, 3 }, { 1, -2, 3, -2, 4, -6, 3, -6, 9 } },
    { "u[:, newaxis] @ u[newaxis]", 2, { 3, 3 }, { 1, -2, 3, -2, 4, -6, 3, -6, 9 } },
    { "(a @ c)[:, ::-1].T", 2, { 4, 2 }, { 14, 32, 11, 20, 8, 8, 5, -4 } },
};

static void products_in(const char *dtype) {
    static const char *const values[] = { "reshape(arange(6), [2, 3])", "reshape(arange(12), [3, 4]) - 5", "reshape(arange(24), [2, 3, 4]) - 7",
                                          "reshape(arange(16), [2, 1, 4, 2]) - 3", "[1, -2, 3]" };
    char text[5][80];
    for (int i = 0; i < 5; i++) snprintf(text[i], sizeof text[i], "%s(%s)", dtype, values[i]);
    const char *const setup[] = { "a", text[0], "c", text[1], "d", text[2], "e", text[3], "u", text[4], NULL, NULL };
    check_table((int)(sizeof matmul_cases / sizeof *matmul_cases), matmul_cases, setup);
}

BTL_TEST(products_are_numpys_in_every_type) {
    static const char *const dtypes[] = { "f32", "f64", "i64", "i32", "i16", "f16" };
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) products_in(dtypes[i]);
}

static void gives(const char *text, btl_dtype dtype, const void *want) {
    check_graph c = check_begin();
    btl_array got = check_both(c.g, text, 0, NULL, NULL, btl_expr(c.g, text, NULL), 0);
    BTL_ASSERT_ARRAYS_EQUAL(text, &got, BTL_TEST_ARRAY(dtype, want, 1, 1));
    btl_array_free(&got);
    check_end(&c);
}

BTL_TEST(integers_wrap_and_bool_is_or_of_ands) {
    static const int8_t wrapped[] = { 16 }; /* 100*100 = 10000 = 39*256 + 16 */
    static const uint8_t truth[] = { 1 };
    gives("i8([[100]]) @ i8([[100]])", BTL_I8, wrapped);
    gives("[[true, true]] @ [[true], [true]]", BTL_BOOL, truth);
}

/* ---- the two ways ------------------------------------------------------------------------- */

typedef struct layout { int64_t row, column; } layout;

static double element(int64_t i, int64_t j) { return sin((double)(3 * i + 7 * j)) + 0.1 * (double)(i % 5); }

/* op(A) op(B) in all layouts a matrix can have, against long double sums. */
static void products_by(btl_context *ctx, btl_dtype dtype, int64_t m, int64_t n, int64_t k) {
    bool wide = dtype == BTL_F64;
    size_t size = btl_dtype_bytes(dtype);
    double worst = 0;
    for (int way = 0; way < 9; way++) {
        layout la = way % 3 == 0 ? (layout){ k, 1 } : way % 3 == 1 ? (layout){ 1, m } : (layout){ 2 * k + 3, 2 };
        layout lb = way / 3 == 0 ? (layout){ n, 1 } : way / 3 == 1 ? (layout){ 1, k } : (layout){ -(2 * n + 1), 2 };
        size_t na = (size_t)(m * (2 * k + 3) + 3), nb = (size_t)(k * (2 * n + 1) + 2 * n + 1);
        char *a = calloc(na, size), *b = calloc(nb, size), *y = calloc((size_t)(m * n + 1), size);
        int64_t origin = lb.row < 0 ? (k - 1) * -lb.row : 0;
#define PUT(p, at, v) do { if (wide) ((double *)(void *)(p))[at] = (v); else ((float *)(void *)(p))[at] = (float)(v); } while (0)
#define GET(p, at) (wide ? ((double *)(void *)(p))[at] : (double)((float *)(void *)(p))[at])
        for (int64_t i = 0; i < m; i++)
            for (int64_t p = 0; p < k; p++) PUT(a, i * la.row + p * la.column, element(i, p));
        for (int64_t p = 0; p < k; p++)
            for (int64_t j = 0; j < n; j++) PUT(b, origin + p * lb.row + j * lb.column, element(p, j + 1));
        btl_matrix ma = { a, la.row, la.column }, mb = { b + (size_t)origin * size, lb.row, lb.column };
        btl_blas_gemm(ctx, dtype, m, n, k, &ma, &mb, y, n);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                long double sum = 0, scale = 0;
                for (int64_t p = 0; p < k; p++) {
                    long double t = (long double)GET(a, i * la.row + p * la.column) * (long double)GET(b, origin + p * lb.row + j * lb.column);
                    sum += t, scale += fabsl(t);
                }
                double error = (double)fabsl((long double)GET(y, i * n + j) - sum), unit = wide ? 0x1p-53 : 0x1p-24;
                if (error > (double)(scale * (long double)(unit * (double)(k + 2)))) BTL_FAIL("%lldx%lldx%lld way %d at %lld,%lld: off by %g",
                    (long long)m, (long long)n, (long long)k, way, (long long)i, (long long)j, error);
                if (error > worst) worst = error;
            }
        free(a), free(b), free(y);
    }
}

/* |error| <= (k + 2) u sum |a||b|: Higham, Accuracy and Stability of Numerical Algorithms (2002), (3.5). */
static void products_of_all_sizes(const char *blas) {
    static const int64_t sizes[][3] = { { 1, 1, 1 }, { 4, 16, 8 }, { 5, 17, 300 }, { 1, 33, 7 }, { 40, 1, 9 }, { 3, 2, 0 }, { 0, 4, 3 }, { 65, 31, 257 } };
    btl_context *ctx;
    btl_context_options options = { .struct_size = sizeof options, .blas = blas };
    BTL_ASSERT_OK(btl_context_new(&options, &ctx));
    print_message("blas: %s\n", btl_blas_describe(ctx));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int wide = 0; wide < 2; wide++) products_by(ctx, wide ? BTL_F64 : BTL_F32, sizes[i][0], sizes[i][1], sizes[i][2]);
    btl_context_free(ctx);
}

BTL_TEST(blas_computes_every_layout) { products_of_all_sizes(btl_test_blas()); }
BTL_TEST(plain_loops_compute_every_layout) { products_of_all_sizes("none"); }

BTL_TEST(a_blas_that_is_not_there_is_explained) {
    btl_context *ctx;
    btl_context_options options = { .struct_size = sizeof options, .blas = "/nowhere/libnothing.so" };
    BTL_ASSERT_OK(btl_context_new(&options, &ctx));
    BTL_ASSERT_CONTAINS(btl_blas_describe(ctx), "/nowhere/libnothing.so");
    BTL_ASSERT_CONTAINS(btl_blas_describe(ctx), "loops of our own are used");
    btl_context_free(ctx);
    options.blas = "none";
    BTL_ASSERT_OK(btl_context_new(&options, &ctx));
    BTL_ASSERT_CONTAINS(btl_blas_describe(ctx), "none");
    btl_context_free(ctx);
}

/* ---- mistakes, types ---------------------------------------------------------------------- */

static const char *const mistakes[] = { "x", ":f32[n, 784]", "v", ":f32[768, 10]", "w", ":f32[10, 784]", "s", ":f32", "b", ":f32[2, 3, 4]", "d", ":f32[3, 4, 5]", NULL, NULL };

BTL_TEST(mistakes_name_both_operands_and_hint) {
    check_refused("x @ v", BTL_ESHAPE, "matmul: inner sizes differ: x is f32[n, 784], v is f32[768, 10]", mistakes);
    check_refused("x @ v", BTL_ESHAPE, "784 and 768", mistakes);
    check_refused("x @ w", BTL_ESHAPE, "x @ w.T fits", mistakes);
    check_refused("x @ s", BTL_ESHAPE, "needs vectors or matrices", mistakes);
    check_refused("b @ d", BTL_ESHAPE, "leading axes do not broadcast", mistakes);
    check_refused("x @ [1, 2, 3]", BTL_ESHAPE, "inner sizes differ", mistakes);
    check_refused("tensordot(b, d, 0, 1)", BTL_ESHAPE, "2 and 4", mistakes);
}

BTL_TEST(sizes_and_types_of_products) {
    static const struct { const char *text, *type; } cases[] = {
        { "x @ y", "f32[n, k]" }, { "x @ x[0]", "f32[n]" }, { "x[0] @ y", "f32[k]" }, { "x[0] @ x[1]", "f32" },
        { "z @ y", "f32[b, n, k]" }, { "x @ f64(y)", "f64[n, k]" }, { "i @ i.T", "i32[2, 2]" }, { "i @ x[:3]", "f64[2, 784]" },
        { "dot(z, y)", "f32[b, n, k]" }, { "outer(x[0], y[0])", "f32[784, k]" }, { "tensordot(z, y, [2], [0])", "f32[b, n, k]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_graph c = check_begin();
        btl_var *v = btl_expr(c.g, cases[i].text, "x", btl_input(c.g, "x", "f32[n, 784]"), "y", btl_input(c.g, "y", "f32[784, k]"),
                              "z", btl_input(c.g, "z", "f32[b, n, 784]"), "i", btl_input(c.g, "i", "i32[2, 3]"), NULL);
        check_type(c.g, cases[i].text, v, cases[i].type);
        check_end(&c);
    }
}

static void gradient_holds(const char *text) {
    check_graph c = check_begin();
    btl_var *a = btl_input(c.g, "a", "f64[2, 3]"), *b = btl_input(c.g, "b", "f64[4, 3, 2]");
    btl_var *v = btl_expr(c.g, text, "a", a, "b", b, NULL), *vars[] = { a, b };
    double x[6], y[24];
    for (int i = 0; i < 24; i++) y[i] = element(i, 2);
    for (int i = 0; i < 6; i++) x[i] = element(i, 5);
    int64_t sa[] = { 2, 3 }, sb[] = { 4, 3, 2 };
    btl_array at[] = { btl_array_wrap(BTL_F64, 2, sa, x), btl_array_wrap(BTL_F64, 3, sb, y) };
    btl_verify_options options = { .every_coordinate = true };
    btl_error e = { 0 };
    if (!v) BTL_FAIL("%s: %s", text, btl_graph_messages(c.g));
    if (btl_verify_grad(c.g, v, strstr(text, "b") ? 2 : 1, vars, at, &options, &e)) BTL_FAIL("%s: %s", text, e.message);
    check_end(&c);
}

BTL_TEST(gradients_hold) {
    gradient_holds("a @ a.T");
    gradient_holds("a @ b");
    gradient_holds("b @ a");
    gradient_holds("a[0] @ b[:, :, 1].T");
    gradient_holds("a[0] @ a[1]");
    gradient_holds("a @ b[1, :, 0]");
    gradient_holds("dot(a, b)");
    gradient_holds("outer(a[0], b[0, 0])");
    gradient_holds("tensordot(b, a, [2, 1], [0, 1])");
}

BTL_TEST_MAIN(cmocka_unit_test(products_are_numpys_in_every_type), cmocka_unit_test(integers_wrap_and_bool_is_or_of_ands),
              cmocka_unit_test(blas_computes_every_layout), cmocka_unit_test(plain_loops_compute_every_layout),
              cmocka_unit_test(a_blas_that_is_not_there_is_explained), cmocka_unit_test(mistakes_name_both_operands_and_hint),
              cmocka_unit_test(sizes_and_types_of_products), cmocka_unit_test(gradients_hold))
