/* support_test.c - the test layer itself. That its assertions fail when they should is tried by
 * running this very program again with a test that must fail. SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "base/context.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *self; /* this program */

BTL_TEST(neighbours_are_one_ulp_apart) {
    assert_int_equal(btl_ulps_f64(1, nextafter(1, 2)), 1);
    assert_int_equal(btl_ulps_f64(-0.0, 0.0), 0);
    assert_int_equal(btl_ulps_f64(-5e-324, 5e-324), 2);
    assert_int_equal(btl_ulps_f32(nextafterf(1, 0), nextafterf(1, 2)), 2);
    assert_true(btl_ulps_f32(3.4028235e38f, INFINITY) == 1);
    assert_true(btl_ulps_f64((double)NAN, 1) == UINT64_MAX);
    assert_int_equal(btl_ulps_f64((double)NAN, (double)NAN), 0);
    assert_true(btl_ulps_f64((double)-INFINITY, (double)INFINITY) == 2 * UINT64_C(0x7ff0000000000000));
}

BTL_TEST(arrays_of_every_type_compare) {
    float x[6] = { 1, 2, 3, 4, 5, (float)NAN }, y[6] = { 1, 2, nextafterf(3, 4), 4, 5, (float)NAN };
    BTL_ASSERT_ARRAYS("f32", BTL_TEST_ARRAY(BTL_F32, x, 2, 3), BTL_TEST_ARRAY(BTL_F32, y, 2, 3), .ulps = 1);
    BTL_ASSERT_ARRAYS("f32", BTL_TEST_ARRAY(BTL_F32, x, 6), BTL_TEST_ARRAY(BTL_F32, y, 6), .relative = 1e-6);
    BTL_ASSERT_ARRAYS_EQUAL("empty", BTL_TEST_ARRAY(BTL_F32, x, 0), BTL_TEST_ARRAY(BTL_F32, y, 0));
    uint16_t half[3] = { 0x3c00, 0x0001, 0x7c00 }, near_half[3] = { 0x3c01, 0x8001, 0x7c00 };
    BTL_ASSERT_ARRAYS("f16", BTL_TEST_ARRAY(BTL_F16, half, 3), BTL_TEST_ARRAY(BTL_F16, near_half, 3), .ulps = 2);
    int8_t a[2] = { -128, 127 }, b[2] = { -127, 127 };
    BTL_ASSERT_ARRAYS("i8", BTL_TEST_ARRAY(BTL_I8, a, 2), BTL_TEST_ARRAY(BTL_I8, b, 2), .ulps = 1);
    double column[4] = { 1, 9, 2, 9 }, row[2] = { 1, 2 };
    btl_array *strided = BTL_TEST_ARRAY(BTL_F64, column, 2);
    strided->strides = (int64_t[]){ 2 };
    BTL_ASSERT_ARRAYS_EQUAL("strided", strided, BTL_TEST_ARRAY(BTL_F64, row, 2));
}

/* Each runs only in a copy of this program, and must fail there. */
BTL_TEST(fails_on_arrays) {
    double x[4] = { 1, 2, 3, 4 }, y[4] = { 1, 2.5, 3, 7 };
    BTL_ASSERT_ARRAYS("mul", BTL_TEST_ARRAY(BTL_F64, x, 2, 2), BTL_TEST_ARRAY(BTL_F64, y, 2, 2), .ulps = 3);
}
BTL_TEST(fails_on_zero_signs) {
    float x[1] = { 0 }, y[1] = { -0.0f };
    BTL_ASSERT_ARRAYS_EQUAL("neg", BTL_TEST_ARRAY(BTL_F32, x, 1), BTL_TEST_ARRAY(BTL_F32, y, 1));
}
BTL_TEST(fails_on_shapes) {
    double x[4] = { 0 };
    BTL_ASSERT_ARRAYS_EQUAL("sum", BTL_TEST_ARRAY(BTL_F64, x, 4), BTL_TEST_ARRAY(BTL_F64, x, 2, 2));
}
static btl_status leaks(btl_context *ctx, void *arg) {
    (void)arg;
    return btl_alloc(ctx, 8) ? BTL_OK : BTL_ENOMEM;
}
BTL_TEST(fails_on_a_leak) { BTL_ASSERT_SURVIVES_ENOMEM(leaks, NULL); }
static btl_status allocates_three_times(btl_context *ctx, void *arg) {
    (void)arg;
    void *p[3] = { btl_alloc(ctx, 8), btl_alloc(ctx, 80), btl_alloc(ctx, 800) };
    btl_status status = p[0] && p[1] && p[2] ? BTL_OK : BTL_ENOMEM;
    btl_free(ctx, p[0], 8);
    btl_free(ctx, p[1], 80);
    btl_free(ctx, p[2], 800);
    return status;
}
static btl_status hides_the_failure(btl_context *ctx, void *arg) {
    (void)ctx, (void)arg;
    return BTL_EINTERNAL;
}
BTL_TEST(fails_on_wrong_status) { BTL_ASSERT_SURVIVES_ENOMEM(hides_the_failure, NULL); }

static void expect_failure(const char *test, const char *said) {
    char seed[] = "77";
    btl_run run = btl_test_run(NULL, NULL, (const char *const[]){ self, "-k", test, "-s", seed, NULL });
    assert_int_not_equal(run.code, 0);
    char *all = malloc(run.out_bytes + run.err_bytes + 1);
    assert_non_null(all);
    strcpy(all, run.out);
    strcat(all, run.err);
    BTL_ASSERT_CONTAINS(all, said);
    free(all);
    btl_run_free(&run);
}

BTL_TEST(assertions_fail_and_say_why) {
    expect_failure("fails_on_arrays", "mul: 2 of 4 elements of f64[2, 2] differ\n"
                                      "    first at [0, 1]: got 2 (0x1p+1), expected 2.5 (0x1.4p+1)");
    expect_failure("fails_on_arrays", "worst at [1, 1]: got 4");
    expect_failure("fails_on_arrays", "seed 77");
    expect_failure("fails_on_zero_signs", "signs of zeros count");
    expect_failure("fails_on_shapes", "sum: got an array f64[4], expected f64[2, 2]");
    expect_failure("fails_on_a_leak", "allocation 3 failed: 1 blocks of 8 bytes were not freed");
    expect_failure("fails_on_wrong_status", "no allocation failed, yet the status is");
}

BTL_TEST(memory_fails_at_the_nth_allocation_and_counts) {
    btl_test_memory m = { .fail_at = 2 };
    char *p = btl_test_alloc(&m, NULL, 0, 10);
    assert_non_null(p);
    memcpy(p, "abc", 4);
    assert_null(btl_test_alloc(&m, p, 10, 20)); /* the second fails, the block stays */
    assert_true(m.failed);
    p = btl_test_alloc(&m, p, 10, 20);
    assert_string_equal(p, "abc");
    assert_int_equal(m.live, 1);
    assert_int_equal(m.peak_bytes, 20);
    assert_non_null(p = btl_test_alloc(&m, p, 20, 4));
    btl_test_alloc(&m, p, 4, 0);
    assert_int_equal(m.live, 0);
    assert_int_equal(m.live_bytes, 0);
    assert_int_equal(BTL_ASSERT_SURVIVES_ENOMEM(allocates_three_times, NULL), 4); /* and the context */
}

BTL_TEST(random_numbers_are_splitmix64) {
    btl_rng r = { 1234567 }; /* the published first values for this seed */
    assert_true(btl_rng_u64(&r) == UINT64_C(6457827717110365317));
    assert_true(btl_rng_u64(&r) == UINT64_C(3203168211198807973));
    double sum = 0, squares = 0;
    for (int i = 0; i < 10000; i++) {
        double x = btl_rng_normal(&r), u = btl_rng_uniform(&r, -1, 3);
        assert_true(u >= -1 && u < 3 && btl_rng_below(&r, 3) < 3);
        sum += x;
        squares += x * x;
    }
    BTL_ASSERT_NEAR(sum / 10000, 0, 0.05);
    BTL_ASSERT_NEAR(squares / 10000, 1, 0.06);
}

BTL_TEST(files_programs_and_texts) {
    btl_test_dir *dir = *state;
    const char *path = btl_test_path(dir->path, "x.txt");
    btl_test_write(path, "one two", 7);
    char *text = btl_test_read(path, NULL), *changed = btl_test_replace(text, "o", "00");
    assert_string_equal(changed, "00ne tw00");
    free(text);
    free(changed);
    btl_run run = btl_test_run(dir->path, "in\n", (const char *const[]){ "sh", "-c", "cat - x.txt; echo no >&2; exit 3", NULL });
    BTL_ASSERT_EXIT(&run, 3);
    assert_string_equal(run.out, "in\none two");
    assert_string_equal(run.err, "no\n");
    btl_run_free(&run);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_are_one_ulp_apart),
        cmocka_unit_test(arrays_of_every_type_compare),
        cmocka_unit_test(assertions_fail_and_say_why),
        cmocka_unit_test(memory_fails_at_the_nth_allocation_and_counts),
        cmocka_unit_test(random_numbers_are_splitmix64),
        cmocka_unit_test_setup_teardown(files_programs_and_texts, btl_test_dir_setup, btl_test_dir_teardown),
    };
    const struct CMUnitTest failing[] = {
        cmocka_unit_test(fails_on_arrays),
        cmocka_unit_test(fails_on_zero_signs),
        cmocka_unit_test(fails_on_shapes),
        cmocka_unit_test(fails_on_wrong_status),
        cmocka_unit_test(fails_on_a_leak),
    };
    self = argv[0];
    btl_test_options(argc, argv);
    if (argc > 2 && strncmp(argv[2], "fails_", 6) == 0) return cmocka_run_group_tests(failing, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
