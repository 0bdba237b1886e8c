/* random_test.c - Threefry against the published vectors; distributions by moments and Kolmogorov-Smirnov.
 *
 * Seeds are fixed, so each test either always passes or never. Bounds: means within 4 standard errors;
 * sup |F_n - F| < 1.95 / sqrt(n), which a right generator exceeds once in a thousand seeds.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tensor_check.h"

#include "ops/support.h"
#include "ops/threefry.h"

#include <math.h>

/* Random123's kat_vectors, "threefry2x32 20": counter, key, result. */
BTL_TEST(threefry_gives_the_published_vectors) {
    static const uint32_t known[][6] = {
        { 0x00000000, 0x00000000, 0x00000000, 0x00000000, 0x6b200159, 0x99ba4efe },
        { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x1cb996fc, 0xbb002be7 },
        { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xc4923a9c, 0x483df7a0 },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[2], x[16], y[16];
        btl_threefry(known[i] + 2, known[i], out);
        assert_int_equal(out[0], known[i][4]);
        assert_int_equal(out[1], known[i][5]);
        btl_threefry_lanes(known[i][2], known[i][3], known[i][0] | (uint64_t)known[i][1] << 32, 0, x, y);
        assert_int_equal(x[0], known[i][4]);
        assert_int_equal(y[0], known[i][5]);
    }
}

static btl_array draw(check_graph *c, const char *text) {
    btl_var *v = btl_expr(c->g, text, NULL);
    return check_both(c->g, text, 0, NULL, NULL, v, 2);
}

BTL_TEST(the_first_bits_are_the_vector_of_key_and_counter_zero) {
    check_graph c = check_begin();
    static const uint32_t first[] = { 0x6b200159, 0x99ba4efe };
    btl_array bits = draw(&c, "random.bits(random.key(0), [2])");
    BTL_ASSERT_ARRAYS_EQUAL("bits", &bits, BTL_TEST_ARRAY(BTL_U32, first, 2));
    btl_array_free(&bits);
    check_end(&c);
}

/* Element i depends on key and i alone: a longer draw begins with the shorter one, in any shape. */
BTL_TEST(bits_are_a_function_of_key_and_place) {
    check_graph c = check_begin();
    btl_array a = draw(&c, "random.bits(random.key(9), [1000], bits=64)"), b = draw(&c, "random.bits(random.key(9), [3, 11], bits=64)");
    assert_memory_equal(a.data, b.data, 33 * 8);
    btl_array d = draw(&c, "random.bits(random.key(9), [77])"), e = draw(&c, "random.bits(random.key(9), [7, 2])");
    assert_memory_equal(d.data, e.data, 14 * 4);
    btl_array_free(&a), btl_array_free(&b), btl_array_free(&d), btl_array_free(&e);
    check_end(&c);
}

BTL_TEST(a_key_holds_all_64_bits_of_its_seed) {
    check_graph c = check_begin();
    static const uint32_t words[] = { 0x12345678, 0x9abcdef0 }, minus[] = { 0xffffffff, 0xffffffff };
    btl_array k = draw(&c, "random.key(0x123456789abcdef0)"), m = draw(&c, "random.key(-1)");
    BTL_ASSERT_ARRAYS_EQUAL("key", &k, BTL_TEST_ARRAY(BTL_U32, words, 2));
    BTL_ASSERT_ARRAYS_EQUAL("key", &m, BTL_TEST_ARRAY(BTL_U32, minus, 2));
    btl_array_free(&k), btl_array_free(&m);
    /* the same of a seed that is only known when it runs */
    int64_t seed = 0x123456789abcdef0;
    btl_var *s = btl_input(c.g, "s", "i64");
    btl_array given = btl_array_wrap(BTL_I64, 0, NULL, &seed);
    k = check_both(c.g, "key(s)", 1, &s, &given, btl_random_key(c.g, s), 0);
    BTL_ASSERT_ARRAYS_EQUAL("key", &k, BTL_TEST_ARRAY(BTL_U32, words, 2));
    btl_array_free(&k);
    check_end(&c);
}

BTL_TEST(keys_split_off_differ_from_each_other_and_from_what_is_drawn) {
    check_graph c = check_begin();
    btl_array k = draw(&c, "random.split(random.key(3), 500)"), b = draw(&c, "random.bits(random.key(3), [500], bits=64)");
    const uint32_t *keys = k.data;
    const uint64_t *bits = b.data;
    for (int i = 0; i < 500; i++)
        for (int j = 0; j < 500; j++) {
            uint64_t x = (uint64_t)keys[2 * i] << 32 | keys[2 * i + 1], y = (uint64_t)keys[2 * j] << 32 | keys[2 * j + 1];
            assert_true(x != bits[j] && (i == j || x != y));
        }
    btl_array_free(&k), btl_array_free(&b);
    check_end(&c);
}

/* ---- distributions ------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double uniform_below(double x) { return x < -2 ? 0 : x > 3 ? 1 : (x + 2) / 5; }
static double unit_below(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }
static double normal_below(double x) { return 0.5 * erfc(-x / sqrt(2)); }

/* Mean and variance within 4 standard errors (kurtosis: of x - mean, 4th moment over variance squared). */
static void distribution(const char *text, double (*below)(double), double mean, double variance, double kurtosis) {
    check_graph c = check_begin();
    btl_array drawn = draw(&c, text), y;
    int64_t n = btl_array_elems(&drawn);
    BTL_ASSERT_OK(btl_array_new(c.ctx, BTL_F64, drawn.ndim, drawn.shape, &y));
    BTL_ASSERT_OK(btl_array_convert(&y, &drawn));
    double *x = y.data, sum = 0, squares = 0, worst = 0, distance;
    qsort(x, (size_t)n, sizeof *x, by_size);
    for (int64_t i = 0; i < n; i++) sum += x[i];
    for (int64_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    BTL_ASSERT_NEAR(sum / (double)n, mean, 4 * sqrt(variance / (double)n));
    BTL_ASSERT_NEAR(squares / (double)n, variance, 4 * variance * sqrt((kurtosis - 1) / (double)n));
    for (int64_t i = 0; i < n && below; i++) {
        distance = fmax(fabs(below(x[i]) - (double)i / (double)n), fabs(below(x[i]) - (double)(i + 1) / (double)n));
        if (distance > worst) worst = distance;
    }
    if (worst * sqrt((double)n) > 1.95) BTL_FAIL("%s: Kolmogorov-Smirnov %g", text, worst * sqrt((double)n));
    btl_array_free(&drawn), btl_array_free(&y);
    check_end(&c);
}

BTL_TEST(uniform_numbers_are_uniform) {
    distribution("random.uniform(random.key(1), [20000])", unit_below, 0.5, 1.0 / 12, 1.8);
    distribution("random.uniform(random.key(2), [200, 100], dtype=f64)", unit_below, 0.5, 1.0 / 12, 1.8);
    distribution("random.uniform(random.key(3), [20000], low=-2, high=3)", uniform_below, 0.5, 25.0 / 12, 1.8);
}

BTL_TEST(normal_numbers_are_normal) {
    distribution("random.normal(random.key(4), [20000])", normal_below, 0, 1, 3);
    distribution("random.normal(random.key(5), [200, 100], dtype=f64)", normal_below, 0, 1, 3);
    distribution("random.normal(random.key(6), [5000], dtype=f16)", NULL, 0, 1, 3);
}

BTL_TEST(bernoulli_is_true_with_probability_p) {
    distribution("random.bernoulli(random.key(7), 0.25, [20000])", NULL, 0.25, 0.1875, 2.4);
    distribution("random.bernoulli(random.key(7), full([20000], 0.9))", NULL, 0.9, 0.09, 9);
    distribution("random.bernoulli(random.key(7), 0.0, [2000])", NULL, 0, 0, 3);
    distribution("random.bernoulli(random.key(7), 1.0, [2000])", NULL, 1, 0, 3);
}

/* Pearson's chi-squared over 7 values: above 22.46 once in a thousand seeds (6 degrees of freedom). */
static void integers_of(const char *text) {
    check_graph c = check_begin();
    btl_array drawn = draw(&c, text);
    int64_t n = btl_array_elems(&drawn), count[7] = { 0 };
    for (int64_t i = 0; i < n; i++) {
        int64_t v = ((int64_t *)drawn.data)[i];
        assert_in_range(v + 3, 0, 6);
        count[v + 3]++;
    }
    double chi = 0, expected = (double)n / 7;
    for (int i = 0; i < 7; i++) chi += ((double)count[i] - expected) * ((double)count[i] - expected) / expected;
    if (chi > 22.46) BTL_FAIL("%s: chi-squared %g", text, chi);
    btl_array_free(&drawn);
    check_end(&c);
}

BTL_TEST(integers_are_equally_likely_and_within_bounds) {
    integers_of("random.integers(random.key(8), -3, 4, [20000])");
    integers_of("random.integers(random.key(9), full([20000], -3), 4)"); /* bounds known only at run time */
    /* the general way and the short one agree */
    check_graph c = check_begin();
    btl_array a = draw(&c, "random.integers(random.key(8), -3, 4, [50])");
    btl_array b = draw(&c, "random.integers(random.key(8), full([50], -3), 4, [50])");
    BTL_ASSERT_ARRAYS_EQUAL("integers", &b, &a);
    btl_array_free(&a), btl_array_free(&b);
    /* ranges above 2^32, and empty ones */
    a = draw(&c, "random.integers(random.key(8), -9000000000000000000, 9000000000000000000, [500])");
    double mean = 0;
    for (int i = 0; i < 500; i++) mean += (double)((int64_t *)a.data)[i] / 500;
    BTL_ASSERT_NEAR(mean / 9e18, 0, 4 / sqrt(3 * 500));
    btl_array_free(&a);
    a = draw(&c, "random.integers(random.key(8), 5, 5, [2])");
    assert_true(((int64_t *)a.data)[0] == 5 && ((int64_t *)a.data)[1] == 5);
    btl_array_free(&a);
    check_end(&c);
}

BTL_TEST(mistakes_are_told_when_the_graph_is_built) {
    static const char *const setup[] = { "x", ":f32[2]", "k", ":u32[2]", "t", ":u32[3]", NULL, NULL };
    check_refused("random.bits(x, [3])", BTL_EDTYPE, "a key is u32[2]", setup);
    check_refused("random.bits(t, [3])", BTL_ESHAPE, "a key is u32[2]", setup);
    check_refused("random.bits(k, [3], bits=16)", BTL_EVALUE, "32 or 64", setup);
    check_refused("random.key(1.5)", BTL_EDTYPE, "a seed is a single integer", setup);
    check_refused("random.normal(k, [3], dtype=i32)", BTL_EDTYPE, "floating-point", setup);
    check_refused("random.integers(k, 0, 3, dtype=f32)", BTL_EDTYPE, "integer type", setup);
    check_refused("random.bernoulli(k, k)", BTL_EDTYPE, "a probability", setup);
}

BTL_TEST_MAIN(cmocka_unit_test(threefry_gives_the_published_vectors),
              cmocka_unit_test(the_first_bits_are_the_vector_of_key_and_counter_zero),
              cmocka_unit_test(bits_are_a_function_of_key_and_place), cmocka_unit_test(a_key_holds_all_64_bits_of_its_seed),
              cmocka_unit_test(keys_split_off_differ_from_each_other_and_from_what_is_drawn),
              cmocka_unit_test(uniform_numbers_are_uniform), cmocka_unit_test(normal_numbers_are_normal),
              cmocka_unit_test(bernoulli_is_true_with_probability_p),
              cmocka_unit_test(integers_are_equally_likely_and_within_bounds),
              cmocka_unit_test(mistakes_are_told_when_the_graph_is_built))
