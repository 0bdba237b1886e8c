/* linalg_test.c - triangles and diagonals against NumPy's values; factors and solves by what they must multiply
 * back to, by the library and by our own loops; the gradient's convention; what is refused.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tensor_check.h"

#include "bitale/bitale.h"
#include "ops/lapack.h"

#include <math.h>

/* ---- triangles, diagonals ------------------------------------------------------------------ */

static const char *const numbers[] = { "x", "reshape(arange(12), shape=[3, 4])", "v", "arange(1, 3)", "t", "reshape(arange(12), shape=[2, 3, 2])", NULL };

/* numpy.tril(numpy.arange(12).reshape(3, 4)) and so on. */
BTL_TEST(triangles_and_diagonals_are_numpys) {
    static const check_case cases[] = {
        { "tril(x)", 2, { 3, 4 }, { 0, 0, 0, 0, 4, 5, 0, 0, 8, 9, 10, 0 } },
        { "tril(x, 1)", 2, { 3, 4 }, { 0, 1, 0, 0, 4, 5, 6, 0, 8, 9, 10, 11 } },
        { "tril(x, -1)", 2, { 3, 4 }, { 0, 0, 0, 0, 4, 0, 0, 0, 8, 9, 0, 0 } },
        { "triu(x)", 2, { 3, 4 }, { 0, 1, 2, 3, 0, 5, 6, 7, 0, 0, 10, 11 } },
        { "triu(x, 2)", 2, { 3, 4 }, { 0, 0, 2, 3, 0, 0, 0, 7, 0, 0, 0, 0 } },
        { "triu(t)", 3, { 2, 3, 2 }, { 0, 1, 0, 3, 0, 0, 6, 7, 0, 9, 0, 0 } },
        { "diag(x)", 1, { 3 }, { 0, 5, 10 } }, { "diag(x, 1)", 1, { 3 }, { 1, 6, 11 } }, { "diag(x, -2)", 1, { 1 }, { 8 } },
        { "diag(x, 4)", 1, { 0 }, { 0 } }, { "diag(v)", 2, { 2, 2 }, { 1, 0, 0, 2 } },
        { "diag(v, 1)", 2, { 3, 3 }, { 0, 1, 0, 0, 0, 2, 0, 0, 0 } }, { "diag(v, k=-1)", 2, { 3, 3 }, { 0, 0, 0, 1, 0, 0, 0, 2, 0 } },
        { "diagonal(t)", 2, { 2, 2 }, { 0, 8, 1, 9 } }, { "diagonal(t, 1, 1, 2)", 2, { 2, 1 }, { 1, 7 } },
        { "diagonal(t, axis1=2, axis2=0)", 2, { 3, 2 }, { 0, 7, 2, 9, 4, 11 } }, { "diag(t)", 2, { 2, 2 }, { 0, 3, 6, 9 } },
        { "trace(x)", 0, { 0 }, { 15 } }, { "trace(x, offset=-1)", 0, { 0 }, { 13 } }, { "trace(t)", 1, { 2 }, { 3, 15 } },
    };
    check_table(sizeof cases / sizeof *cases, cases, numbers);
}

BTL_TEST(triangles_keep_the_type_of_their_operand) {
    check_graph c = check_begin();
    btl_var *b = btl_input(c.g, "b", "bool[n, m]"), *h = btl_input(c.g, "h", "f16[n]");
    check_type(c.g, "tril", btl_tril(c.g, b, 0), "bool[n, m]");
    check_type(c.g, "diag", btl_diag(c.g, h, -1), "f16[n + 1, n + 1]");
    check_type(c.g, "diagonal", btl_diagonal(c.g, b, 0, 0, 1), "bool[min(n, m)]");
    check_type(c.g, "trace", btl_trace(c.g, b, 0), "i64");
    check_end(&c);
}

/* ---- factors and solves of all sizes ------------------------------------------------------- */

/* A matrix of n × n in memory that is larger, by rows or by columns, in either precision. */
typedef struct matrix { btl_dtype dtype; int64_t n, row, column; void *data; } matrix;

static double get(const matrix *m, int64_t i, int64_t j) {
    int64_t at = i * m->row + j * m->column;
    return m->dtype == BTL_F32 ? (double)((float *)m->data)[at] : ((double *)m->data)[at];
}

static void set(const matrix *m, int64_t i, int64_t j, double x) {
    int64_t at = i * m->row + j * m->column;
    if (m->dtype == BTL_F32) ((float *)m->data)[at] = (float)x;
    else ((double *)m->data)[at] = x;
}

static matrix matrix_new(btl_dtype dtype, int64_t n, bool by_rows) {
    int64_t ld = n + 3;
    matrix m = { dtype, n, by_rows ? ld : 1, by_rows ? 1 : ld, calloc((size_t)(ld * ld) + 1, btl_dtype_bytes(dtype)) };
    if (!m.data) BTL_FAIL("out of memory");
    return m;
}

static const int64_t sizes[] = { 0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 100, 129, 200 };
enum { NSIZES = sizeof sizes / sizeof *sizes };

static btl_context *context_with(const char *blas) {
    btl_context *ctx;
    btl_context_options options = { .struct_size = sizeof options, .blas = blas };
    BTL_ASSERT_OK(btl_context_new(&options, &ctx));
    print_message("lapack: %s\n", btl_lapack_describe(ctx));
    return ctx;
}

/* Random numbers in [-1, 1) below the diagonal, n + 1 on it; what must not be read is NaN. */
static void fill_triangle(const matrix *m, bool lower, double diagonal, btl_rng *r) {
    for (int64_t i = 0; i < m->n; i++)
        for (int64_t j = 0; j < m->n; j++)
            set(m, i, j, i == j ? diagonal : (i > j) == lower ? btl_rng_uniform(r, -1, 1) : (double)NAN);
}

/* |A - L L^T| <= (n + 1) u |L||L^T|: Higham (2002), theorem 10.3; for L and for U, lying either way. */
static void factors_of_all_sizes(const char *blas) {
    btl_context *ctx = context_with(blas);
    btl_rng r = { btl_test_seed() };
    for (int which = 0; which < 4 * NSIZES; which++) {
        btl_dtype dtype = which & 1 ? BTL_F64 : BTL_F32;
        bool by_rows = which & 2;
        int64_t n = sizes[which / 4];
        matrix a = matrix_new(dtype, n, by_rows), l = matrix_new(dtype, n, by_rows);
        fill_triangle(&a, true, (double)n + 1, &r);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) set(&l, i, j, get(&a, i, j));
        const btl_matrix_out out = { l.data, l.row, l.column };
        assert_int_equal(btl_potrf(ctx, dtype, n, &out), 0);
        double unit = dtype == BTL_F32 ? 0x1p-24 : 0x1p-53;
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j <= i; j++) {
                long double sum = 0, scale = 0;
                for (int64_t k = 0; k <= j; k++) {
                    long double t = (long double)get(&l, i, k) * (long double)get(&l, j, k);
                    sum += t, scale += fabsl(t);
                }
                double error = (double)fabsl(sum - (long double)get(&a, i, j));
                if (!(error <= (double)(n + 2) * unit * (double)scale)) BTL_FAIL("n = %lld: element %lld, %lld is off by %g", (long long)n, (long long)i, (long long)j, error);
            }
            for (int64_t j = i + 1; j < n; j++) assert_true(get(&l, i, j) == 0);
        }
        free(a.data), free(l.data);
    }
    btl_context_free(ctx);
}

BTL_TEST(the_librarys_factors_multiply_back) { factors_of_all_sizes(btl_test_blas()); }
BTL_TEST(our_own_factors_multiply_back) { factors_of_all_sizes("none"); }

/* |b - T x| <= (n + 1) u |T||x|, Higham (2002), theorem 8.5: every triangle, transposed or not, unit or not. */
static void solves_of_all_sizes(const char *blas) {
    static const int64_t widths[] = { 1, 2, 5, 70 };
    btl_context *ctx = context_with(blas);
    btl_rng r = { btl_test_seed() };
    for (int which = 0; which < 32 * NSIZES; which++) {
        btl_dtype dtype = which & 1 ? BTL_F64 : BTL_F32;
        bool by_rows = which & 2, lower = which & 4, trans = which & 8, unit = which & 16;
        int64_t n = sizes[which / 32], k = widths[which % 7 % 4], ld = k + 1;
        matrix t = matrix_new(dtype, n, by_rows), x = { dtype, n, ld, 1, calloc((size_t)(n * ld) + 1, sizeof(double)) };
        double *b = calloc((size_t)(n * ld) + 1, sizeof *b), u = dtype == BTL_F32 ? 0x1p-24 : 0x1p-53;
        if (!x.data || !b) BTL_FAIL("out of memory");
        fill_triangle(&t, lower, unit ? (double)NAN : sqrt((double)n) + 1, &r);
        for (int64_t i = 0; unit && i < n; i++) /* small, so that the solution stays of the size of b */
            for (int64_t j = 0; j < n; j++) set(&t, i, j, get(&t, i, j) / ((double)n + 1));
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < k; j++) set(&x, i, j, btl_rng_uniform(&r, -1, 1)), b[i * ld + j] = get(&x, i, j);
        const btl_matrix m = { t.data, t.row, t.column };
        btl_trsm(ctx, dtype, lower, trans, unit, n, k, &m, x.data, ld);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < k; j++) {
                long double sum = 0, scale = 0;
                for (int64_t q = 0; q < n; q++) {
                    bool there = trans ? (q > i) == lower : (i > q) == lower;
                    if (q != i && !there) continue;
                    long double e = q == i && unit ? 1 : (long double)(trans ? get(&t, q, i) : get(&t, i, q)), p = e * (long double)get(&x, q, j);
                    sum += p, scale += fabsl(p);
                }
                double error = (double)fabsl(sum - (long double)b[i * ld + j]);
                if (!(error <= (double)(n + 2) * u * (double)scale))
                    BTL_FAIL("n = %lld, k = %lld, way %d: element %lld, %lld is off by %g", (long long)n, (long long)k, which % 32, (long long)i, (long long)j, error);
            }
        free(t.data), free(x.data), free(b);
    }
    btl_context_free(ctx);
}

BTL_TEST(the_librarys_solutions_multiply_back) { solves_of_all_sizes(btl_test_blas()); }
BTL_TEST(our_own_solutions_multiply_back) { solves_of_all_sizes("none"); }

/* For dL = L Phi(L^-1 dA L^-T), any L' and symmetric dA:  sum L' dL = sum of the lower triangle of a' dA. So from
 * any dL: dA = dL L^T + L dL^T. */
static void gradients_of_all_sizes(const char *blas) {
    btl_context *ctx = context_with(blas);
    btl_rng r = { btl_test_seed() };
    for (int which = 0; which < 4 * NSIZES; which++) {
        btl_dtype dtype = which & 1 ? BTL_F64 : BTL_F32;
        bool by_rows = which & 2;
        int64_t n = sizes[which / 4];
        matrix l = matrix_new(dtype, n, by_rows), d = matrix_new(dtype, n, by_rows), move = matrix_new(dtype, n, true);
        fill_triangle(&l, true, (double)n + 1, &r), fill_triangle(&d, true, 1, &r), fill_triangle(&move, true, 1, &r);
        long double want = 0, got = 0, scale = 0;
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j <= i; j++) want += (long double)get(&d, i, j) * (long double)get(&move, i, j);
        const btl_matrix factor = { l.data, l.row, l.column };
        const btl_matrix_out gradient = { d.data, d.row, d.column };
        btl_potrf_vjp(ctx, dtype, n, &factor, &gradient);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) {
                if (j > i) assert_true(get(&d, i, j) == 0);
                for (int64_t k = 0; k <= j && j <= i; k++) {
                    long double da = (long double)get(&move, i, k) * (long double)get(&l, j, k) + (long double)get(&l, i, k) * (long double)get(&move, j, k);
                    got += (long double)get(&d, i, j) * da, scale += fabsl((long double)get(&d, i, j) * da);
                }
            }
        double error = (double)fabsl(got - want), allowed = (double)(n + 4) * (dtype == BTL_F32 ? 0x1p-22 : 0x1p-51) * (double)scale;
        if (!(error <= allowed)) BTL_FAIL("n = %lld, way %d: off by %g, %g allowed", (long long)n, which % 4, error, allowed);
        free(l.data), free(d.data), free(move.data);
    }
    btl_context_free(ctx);
}

BTL_TEST(gradients_by_the_librarys_products_are_the_transposed_derivative) { gradients_of_all_sizes(btl_test_blas()); }
BTL_TEST(gradients_by_our_own_loops_are_the_transposed_derivative) { gradients_of_all_sizes("none"); }

BTL_TEST(the_order_of_the_first_bad_minor_is_found_in_every_block) {
    static const char *const libraries[] = { NULL, "none" };
    for (int which = 0; which < 2; which++) {
        btl_context *ctx = context_with(libraries[which]);
        for (int64_t bad = 0; bad < 100; bad += 9)
            for (int how = 0; how < 2; how++) {
                btl_rng r = { btl_test_seed() };
                matrix a = matrix_new(BTL_F64, 100, true);
                fill_triangle(&a, true, 101, &r);
                set(&a, bad, how && bad ? bad - 1 : bad, how ? (double)NAN : -1);
                const btl_matrix_out out = { a.data, a.row, a.column };
                assert_int_equal(btl_potrf(ctx, BTL_F64, 100, &out), bad + 1);
                free(a.data);
            }
        btl_context_free(ctx);
    }
}

/* ---- as ops -------------------------------------------------------------------------------- */

static const char *const setup[] = { "a", "f64([[4, 2, 1], [2, 5, 3], [1, 3, 6]])", "b", "f64([2, 5, 3])", "nans", "f64([[4, nan, nan], [2, 5, nan], [1, 3, 6]])",
                                     "i", "f64([[1, 0, 0], [2, 1, 0], [3, 4, 1]])", NULL };

BTL_TEST(factors_and_solutions_of_small_systems) {
    static const check_case cases[] = {
        { "cholesky(a)[:2, :2]", 2, { 2, 2 }, { 2, 0, 1, 2 } }, { "cholesky(a, lower=false)[:2, :2]", 2, { 2, 2 }, { 2, 1, 0, 2 } },
        { "cholesky(nans)[:2, :2]", 2, { 2, 2 }, { 2, 0, 1, 2 } }, { "cholesky(nans.T, lower=false)[:2, :2]", 2, { 2, 2 }, { 2, 1, 0, 2 } },
        { "solve_triangular(i, b)", 1, { 3 }, { 2, 1, -7 } }, { "solve_triangular(i, b, trans=true)", 1, { 3 }, { 7, -7, 3 } },
        { "solve_triangular(i.T, b, lower=false)", 1, { 3 }, { 7, -7, 3 } }, { "solve_triangular(7 * eye(3) + tril(i, -1), b, unit=true)", 1, { 3 }, { 2, 1, -7 } },
        { "solve_triangular(i, stack([b, 2 * b], axis=1))", 2, { 3, 2 }, { 2, 4, 1, 2, -7, -14 } },
        { "solve_triangular(stack([i, eye(3)]), b)", 2, { 2, 3 }, { 2, 1, -7, 2, 5, 3 } },
        { "solve_triangular(i, stack([eye(3), i]))[1]", 2, { 3, 3 }, { 1, 0, 0, 0, 1, 0, 0, 0, 1 } },
        { "cholesky(stack([4 * eye(2), 9 * eye(2)]))[1]", 2, { 2, 2 }, { 3, 0, 0, 3 } },
    };
    check_table(sizeof cases / sizeof *cases, cases, setup);
}

/* log det a = 2 sum log diag L: its gradient is the inverse, by the lower triangle twice what is off the diagonal. */
BTL_TEST(the_gradient_is_that_by_the_triangle_that_is_read) {
    static const char *const texts[2] = {
        "grad(2 * sum(log(diag(cholesky(a)))), a)", "grad(2 * sum(log(diag(cholesky(a, lower=false)))), a).T"
    };
    check_graph c = check_begin();
    btl_var *a = btl_input(c.g, "a", "f64[3, 3]"), *d;
    static double values[9] = { 4, 2, 1, 2, 5, 3, 1, 3, 6 }, inverse[9] = { 21, -9, 1, -9, 23, -10, 1, -10, 16 }; /* over 67 */
    btl_array at = *BTL_TEST_ARRAY(BTL_F64, values, 3, 3);
    for (int k = 0; k < 2; k++) {
        d = btl_expr(c.g, texts[k], "a", a, NULL);
        btl_array got = check_both(c.g, texts[k], 1, &a, &at, d, 8);
        for (int i = 0; i < 9; i++)
            BTL_ASSERT_NEAR(((double *)btl_array_data(&got))[i], inverse[i] / 67 * (i % 3 == i / 3 ? 1 : i % 3 < i / 3 ? 2 : 0), 1e-15);
        btl_array_free(&got);
    }
    check_end(&c);
}

BTL_TEST(types_of_factors_and_solutions) {
    static const struct { const char *text, *type; } cases[] = {
        { "cholesky(h)", "f16[3, 3]" }, { "cholesky(k)", "f64[3, 3]" }, { "cholesky(s)", "f32[m, n, n]" },
        { "solve_triangular(s, v)", "f32[m, n]" }, { "solve_triangular(s[0], s)", "f32[m, n, n]" }, { "solve_triangular(h, k)", "f64[3, 3]" },
    };
    check_graph c = check_begin();
    btl_var *h = btl_input(c.g, "h", "f16[3, 3]"), *k = btl_input(c.g, "k", "i32[3, 3]"), *s = btl_input(c.g, "s", "f32[m, n, n]"), *v = btl_input(c.g, "v", "f32[n]");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_type(c.g, cases[i].text, btl_expr(c.g, cases[i].text, "h", h, "k", k, "s", s, "v", v, NULL), cases[i].type);
    check_end(&c);
}

BTL_TEST(mistakes_are_told_with_both_types) {
    static const char *const inputs[] = { "a", ":f64[3, 4]", "v", ":f64[3]", "s", ":f64[4, 4]", "f", ":f64", NULL };
    check_refused("cholesky(a)", BTL_ESHAPE, "cholesky: needs a square matrix: a is f64[3, 4]", inputs);
    check_refused("cholesky(v)", BTL_ESHAPE, "cholesky: needs a matrix: v is f64[3]", inputs);
    check_refused("solve_triangular(s, v)", BTL_ESHAPE, "solve_triangular: b must have as many rows as a: s is f64[4, 4]", inputs);
    check_refused("solve_triangular(s, f)", BTL_ESHAPE, "b is a vector or a matrix: f is f64", inputs);
    check_refused("solve_triangular(a, v)", BTL_ESHAPE, "needs a square matrix", inputs);
    check_refused("tril(v)", BTL_ESHAPE, "tril: needs a matrix", inputs);
    check_refused("diag(f)", BTL_ESHAPE, "diag: needs a matrix", inputs);
    check_refused("diagonal(a, axis1=0, axis2=-2)", BTL_ESHAPE, "axis1 and axis2 are both axis 0", inputs);
    check_refused("diagonal(a, axis2=2)", BTL_ESHAPE, "axis 2 is outside an operand of rank 2", inputs);
    check_refused("solve_triangular(broadcast_to(s, [2, 4, 4]), broadcast_to(s, [3, 4, 4]))", BTL_ESHAPE, "leading axes do not broadcast", inputs);
}

/* By the reference and compiled. */
static void fails_at_the_call(const char *text, const char *words) {
    for (int compiled = 0; compiled < 2; compiled++) {
        btl_graph *g;
        btl_error err = { 0 };
        btl_array got = { 0 };
        btl_status status;
        BTL_ASSERT_OK(btl_graph_new(NULL, &g));
        if (btl_graph_parse(g, text, strlen(text), "test") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
        btl_entry *e = btl_entry_find(g, NULL);
        if (compiled) {
            btl_function *f = NULL;
            BTL_ASSERT_OK(btl_function_new(g, e, NULL, &f, &err));
            btl_array in = { 0 };
            status = btl_call(f, NULL, &in, &got, NULL, &err);
            btl_function_free(f);
        } else {
            btl_array in;
            BTL_ASSERT_OK(btl_graph_eval(g, 0, NULL, NULL, NULL, 1, &e->inputs[0].value, &in, &err));
            status = btl_graph_eval(g, 1, &e->inputs[0].var, &in, NULL, 1, &e->outputs[0].var, &got, &err);
            btl_array_free(&in);
        }
        if (status != BTL_ESINGULAR) BTL_FAIL("%s: status %d: %s", text, status, err.message);
        BTL_ASSERT_CONTAINS(err.message, words);
        btl_graph_free(g);
    }
}

BTL_TEST(matrices_that_cannot_be_factored_are_named) {
    fails_at_the_call("input a: f64[2, 2] = f64([[4.0, 2], [2, 1]])\noutput cholesky(a)", "cholesky: the matrix is not positive definite: its leading minor of order 2 is not positive");
    fails_at_the_call("input a: f64[2, 2] = f64([[4.0, 2], [nan, 5]])\noutput cholesky(a)", "order 2");
    fails_at_the_call("input a: f64[2, 2] = f64([[4.0, 2], [2, 5]])\noutput cholesky(stack([stack([a, a]), stack([a, -a])]))", "cholesky: matrix [1, 1] of the stack is not positive definite: its leading minor of order 1");
    fails_at_the_call("input a: f64[2, 2] = f64([[4.0, 2], [2, 0]])\noutput solve_triangular(a, a)", "solve_triangular: the matrix is singular: element [1, 1] of its diagonal is 0");
    fails_at_the_call("input a: f64[2, 2] = f64([[0.0, 2], [2, 0]])\noutput solve_triangular(stack([eye(2), a]), a[0])", "solve_triangular: matrix [1] of the stack is singular: element [0, 0]");
}

BTL_TEST_MAIN(cmocka_unit_test(triangles_and_diagonals_are_numpys), cmocka_unit_test(triangles_keep_the_type_of_their_operand),
              cmocka_unit_test(the_librarys_factors_multiply_back), cmocka_unit_test(our_own_factors_multiply_back),
              cmocka_unit_test(the_librarys_solutions_multiply_back), cmocka_unit_test(our_own_solutions_multiply_back),
              cmocka_unit_test(gradients_by_the_librarys_products_are_the_transposed_derivative),
              cmocka_unit_test(gradients_by_our_own_loops_are_the_transposed_derivative),
              cmocka_unit_test(the_order_of_the_first_bad_minor_is_found_in_every_block), cmocka_unit_test(factors_and_solutions_of_small_systems),
              cmocka_unit_test(the_gradient_is_that_by_the_triangle_that_is_read), cmocka_unit_test(types_of_factors_and_solutions),
              cmocka_unit_test(mistakes_are_told_with_both_types), cmocka_unit_test(matrices_that_cannot_be_factored_are_named))
