/* plan_test.c - bitale plan --pack: what it prints and writes, and every bad list of which a message is promised.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <jansson/jansson.h>
#include <stdio.h>
#include <string.h>

static const char *dir_of(void **state) { return ((btl_test_dir *)*state)->path; }

static btl_run pack(const char *list, const char *a, const char *b, const char *c, const char *d) {
    return btl_test_run(NULL, list, (const char *const[]){ NULL, "plan", "--pack", "-", a, b, c, d, NULL });
}

static void fails(const char *list, int code, const char *words, const char *a, const char *b) {
    btl_run r = pack(list, a, b, NULL, NULL);
    BTL_ASSERT_EXIT(&r, code);
    BTL_ASSERT_CONTAINS(r.err, words);
    assert_string_equal(r.out, "");
    btl_run_free(&r);
}

static const char three[] = "id,lower,upper,size\na,0,2,64\nb,1,3,32\nc,2,4,64\n";

BTL_TEST(the_list_comes_back_with_offsets_and_a_report) {
    btl_run r = pack(three, NULL, NULL, NULL, NULL);
    BTL_ASSERT_EXIT(&r, 0);
    assert_string_equal(r.out, "id,lower,upper,size,offset\na,0,2,64,0\nb,1,3,32,64\nc,2,4,64,0\n");
    BTL_ASSERT_CONTAINS(r.err, "live peak     96 bytes");
    BTL_ASSERT_CONTAINS(r.err, "block         96 bytes, 0.00 % above the live peak; proven: none is smaller");
    btl_run again = pack(r.out, "--quiet", NULL, NULL, NULL); /* an offset that is there is replaced */
    assert_string_equal(again.out, r.out);
    assert_string_equal(again.err, "");
    btl_run_free(&again);
    btl_run_free(&r);
}

BTL_TEST(lives_may_include_both_ends_and_columns_stand_in_any_order) {
    btl_run r = pack("\xef\xbb\xbfsize, id ,first,last\r\n64,a,0,2\r\n\r\n32,b,2,3\r\n", "-q", NULL, NULL, NULL);
    BTL_ASSERT_EXIT(&r, 0);
    assert_string_equal(r.out, "id,first,last,size,offset\na,0,2,64,0\nb,2,3,32,64\n");
    btl_run_free(&r);
    r = pack("id,lower,upper,size\n", "-q", NULL, NULL, NULL);
    BTL_ASSERT_EXIT(&r, 0);
    btl_run_free(&r);
}

BTL_TEST(alignment_and_json) {
    btl_run r = pack("id,lower,upper,size\n\"a\",0,2,10\nb,1,3,100\n", "--json", "--align", "64", "--capacity=164");
    json_error_t error;
    json_t *value = json_loads(r.out, 0, &error);
    BTL_ASSERT_EXIT(&r, 0);
    assert_non_null(value);
    assert_int_equal(json_integer_value(json_object_get(value, "peak_bytes")), 110);
    int64_t arena = json_integer_value(json_object_get(value, "arena_bytes")); /* 10 at 128, or 100 at 64 */
    assert_int_equal(arena, 138);
    assert_true(json_is_true(json_object_get(value, "proven")) && json_is_true(json_object_get(value, "fits")));
    assert_int_equal(json_array_size(json_object_get(value, "offsets")), 2);
    json_decref(value);
    btl_run_free(&r);
}

BTL_TEST(files_are_written) {
    char csv[600], svg[600];
    snprintf(csv, sizeof csv, "%s/out.csv", dir_of(state));
    snprintf(svg, sizeof svg, "%s/out.svg", dir_of(state));
    btl_run r = pack(three, "-o", csv, "--svg", svg);
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "live peak");
    btl_run_free(&r);
    size_t length;
    char *text = btl_test_read(csv, &length);
    BTL_ASSERT_CONTAINS(text, "b,1,3,32,64\n");
    free(text);
    text = btl_test_read(svg, &length);
    BTL_ASSERT_CONTAINS(text, "<title>b: [1, 3), 32 bytes at 64</title>");
    BTL_ASSERT_CONTAINS(text, "</svg>");
    free(text);
    fails(three, 3, "cannot be written", "-o", "/nowhere/at/all.csv");
}

BTL_TEST(a_capacity_that_is_too_small_is_told_by_how_much) {
    fails(three, 1, "never fits into 95 bytes: at least 96 are needed, 1 more (live peak 96)", "--capacity", "95");
    fails(three, 2, "whole number of at least 1", "--capacity", "0");
    fails(three, 2, "whole number of at least 1", "--align", "-4");
}

BTL_TEST(bad_lists_are_told_by_line) {
    fails("", 3, "standard input:1: error: there is nothing in it; the first line names the columns: id,lower,upper,size", NULL, NULL);
    fails("id,lower,uper,size\n", 3, "standard input:1: error: unknown column 'uper', did you mean upper?", NULL, NULL);
    fails("a,0,1,2\n", 3, "unknown column 'a'", NULL, NULL);
    fails("id,size\n", 3, "no columns of lives", NULL, NULL);
    fails("id,lower,upper\n", 3, "no column size", NULL, NULL);
    fails("lower,upper,size\n", 3, "no column id", NULL, NULL);
    fails("id,lower,upper,size,size\n", 3, "column 'size' is there twice", NULL, NULL);
    fails("id,lower,upper,size,first\n", 3, "both kinds of lives", NULL, NULL);
    fails("id,lower,upper,size\na,0,2\n", 3, "standard input:2: error: 3 fields, expected 4", NULL, NULL);
    fails("id,lower,upper,size\n\na,0,2,1,9\n", 3, "standard input:3: error: 5 fields, expected 4", NULL, NULL);
    fails("id,lower,upper,size\na,0,x,5\n", 3, "upper is 'x', expected a whole number", NULL, NULL);
    fails("id,lower,upper,size\na,0,1,5.5\n", 3, "size is '5.5', expected a whole number", NULL, NULL);
    fails("id,lower,upper,size\na,0,1,\n", 3, "size is '', expected a whole number", NULL, NULL);
    fails("id,lower,upper,size\na,3,2,5\n", 3, "a: upper 2 is before lower 3", NULL, NULL);
    fails("id,lower,upper,size\na,2,2,5\n", 3, "is empty; where both ends are included, head the columns first,last", NULL, NULL);
    fails("id,first,last,size\na,3,2,5\n", 3, "a: last 2 is before first 3", NULL, NULL);
    fails("id,first,last,size\na,0,9223372036854775807,5\n", 3, "last is too large", NULL, NULL);
    fails("id,lower,upper,size\na,0,1,-5\n", 3, "a: size is -5, expected at least 0 bytes", NULL, NULL);
    fails("id,lower,upper,size\na,0,1,9223372036854775808\n", 3, "does not fit 64 bits", NULL, NULL);
    fails("id,lower,upper,size\na,0,1,4611686018427387904\n", 3, "larger than 2^61", NULL, NULL);
    fails("id,lower,upper,size\na,0,1,5\nb,0,1,5\na,1,2,5\n", 3, "standard input:4: error: id a is that of line 2, too", NULL, NULL);
    fails("id,lower,upper,size\n,0,1,5\n", 3, "an empty id", NULL, NULL);
    btl_run r = btl_test_run(NULL, NULL, (const char *const[]){ NULL, "plan", NULL });
    BTL_ASSERT_EXIT(&r, 2);
    BTL_ASSERT_CONTAINS(r.err, "of what? A program, or --pack FILE.csv");
    btl_run_free(&r);
    r = btl_test_run(NULL, NULL, (const char *const[]){ NULL, "plan", "--pack", "/nowhere.csv", NULL });
    BTL_ASSERT_EXIT(&r, 3);
    btl_run_free(&r);
}

BTL_TEST_MAIN(cmocka_unit_test(the_list_comes_back_with_offsets_and_a_report), cmocka_unit_test(lives_may_include_both_ends_and_columns_stand_in_any_order),
              cmocka_unit_test(alignment_and_json), cmocka_unit_test_setup_teardown(files_are_written, btl_test_dir_setup, btl_test_dir_teardown),
              cmocka_unit_test(a_capacity_that_is_too_small_is_told_by_how_much), cmocka_unit_test(bad_lists_are_told_by_line))
