/* text_test.c - texts that nobody should write, read on a small stack: nesting ten thousand deep of
 * everything that nests, chains, names and texts of a megabyte, bytes that are no text, numbers that are
 * none. Each is read to its end, quickly; what is refused is refused with a message that is not huge.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "base/os.h"
#include "bitale/bitale.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { STACK_BYTES = 2 << 20 };
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { STACK_BYTES = 2 << 20 };
#else
enum { STACK_BYTES = 256 << 10 };
#endif
#elif defined __OPTIMIZE__
enum { STACK_BYTES = 256 << 10 };
#else
enum { STACK_BYTES = 512 << 10 }; /* where frames keep all that they name */
#endif

/* ---- reading on a small stack -------------------------------------------------------------- */

typedef struct reading {
    const char *text;
    size_t length;
    btl_status status, printed;
    size_t message_bytes;
    char first[3000];
    double seconds;
    double value;         /* of the result named y, if it is a number that needs no argument */
    btl_status called;
} reading;

static void reading_call(reading *r, btl_graph *g) {
    btl_function *f = NULL;
    btl_array out = btl_array_wrap(BTL_F64, 0, NULL, &r->value);
    btl_error e = { 0 };
    r->called = BTL_EUSAGE;
    if (!btl_entry_find(g, NULL) || btl_function_new(g, btl_entry_find(g, NULL), NULL, &f, &e) != BTL_OK) return;
    if (btl_function_ninputs(f) == 0 && btl_function_noutputs(f) == 1 && btl_function_nshared(f) == 0) r->called = btl_call(f, NULL, NULL, &out, NULL, &e);
    btl_function_free(f);
}

static void *reading_run(void *arg) {
    reading *r = arg;
    btl_graph *g = NULL;
    int64_t before = btl_os_now_ns();
    if (btl_graph_new(NULL, &g) != BTL_OK) return NULL;
    r->status = btl_graph_parse(g, r->text, r->length, "hostile");
    const char *messages = btl_graph_messages(g);
    r->message_bytes = strlen(messages);
    snprintf(r->first, sizeof r->first, "%s", messages);
    if (r->status == BTL_OK) {
        const char *text = btl_graph_print(g);
        btl_graph *again = NULL;
        r->printed = BTL_ENOMEM;
        if (text && btl_graph_new(NULL, &again) == BTL_OK) r->printed = btl_graph_parse(again, text, strlen(text), "printed");
        btl_graph_free(again);
        reading_call(r, g);
    }
    btl_graph_free(g);
    r->seconds = (double)(btl_os_now_ns() - before) / 1e9;
    return NULL;
}

static reading read_bytes(const char *text, size_t length) {
    reading r = { .text = text, .length = length, .value = -1 };
    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attributes, reading_run, &r), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    if (btl_test_timed() && r.seconds > 20) BTL_FAIL("%.1f s for %.60s", r.seconds, text);
    if (r.message_bytes > 200 * 1000 + 400 * length) BTL_FAIL("%zu bytes of messages for %.60s", r.message_bytes, text);
    if (r.status != BTL_OK && r.message_bytes == 0) BTL_FAIL("no message for %.60s", text);
    if (r.status == BTL_OK && r.printed != BTL_OK) BTL_FAIL("what is printed is not read back: %.60s", text);
    return r;
}

static reading read_text(const char *text) { return read_bytes(text, strlen(text)); }

/* head, `open` n times, middle, `close` n times, tail. */
static reading read_nested(int n, const char *head, const char *open, const char *middle, const char *close, const char *tail) {
    size_t bytes = strlen(head) + strlen(middle) + strlen(tail) + (size_t)n * (strlen(open) + strlen(close)) + 1;
    char *text = malloc(bytes), *at = text;
    assert_non_null(text);
    at += sprintf(at, "%s", head);
    for (int i = 0; i < n; i++) memcpy(at, open, strlen(open)), at += strlen(open);
    at += sprintf(at, "%s", middle);
    for (int i = 0; i < n; i++) memcpy(at, close, strlen(close)), at += strlen(close);
    sprintf(at, "%s", tail);
    reading r = read_text(text);
    r.text = NULL;
    free(text);
    return r;
}

/* ---- nesting ------------------------------------------------------------------------------ */

BTL_TEST(everything_that_nests_may_be_nested_ten_thousand_deep) {
    static const char *const pairs[][2] = {
        { "(", ")" }, { "[", "]" }, { "exp(", ")" }, { "x[", "]" }, { "-", "" }, { "~", "" }, { "+", "" }, { "not ", "" }, { "- -", "" },
        { "x ** ", "" }, { "x if true else ", "" }, { "", " if true else x" }, { "(fn(a) => ", ")(x)" }, { "fn(a) => ", "" }, { "sum([", "])" },
        { "where(true, ", ", x)" }, { "reshape(x, [", "])" }, { "grad(", ", x)" }, { "set_subtensor(x[", "], 1)" }, { "f32(", ")" },
        { "x[0:", "]" }, { "(x + ", ")" }, { "x + (", ")" }, { "x * -(", ")" }, { "(", "" }, { "[", "" }, { "", ")" }, { "", "]" }, { "x[", "" },
        { "f(a=", ")" }, { "random.key(", ")" }, { "{", "}" }, { "((", "))" }, { "[(", ")]" }, { "(-", ")" }, { "2 ** -", "" }, { "x.T", "" }, { "1 < ", "" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        read_nested(10000, "input x: f64[n]\noutput y = ", pairs[i][0], "x", pairs[i][1], "\n");
        read_nested(10000, "input x: f64[", pairs[i][0], "n", pairs[i][1], "]\noutput x\n");
        read_nested(10000, "input x: f64\nshared s: f64 = ", pairs[i][0], "1", pairs[i][1], "\noutput s\n");
        read_nested(100, "input x: f64[n]\noutput y = ", pairs[i][0], "x", pairs[i][1], "\n"); /* what is allowed */
        read_nested(190, "input x: f64[n]\noutput y = ", pairs[i][0], "x", pairs[i][1], "\n");
    }
}

BTL_TEST(chains_of_postfixes_and_comparisons_are_no_matter_of_depth) {
    static const char *const links[] = { ".T", "[...]", "[:]", " + 1", " * 2", " ** 1", " - x", " < 1", " and x", " or x", " | x", " << 1", " @ x", "[newaxis]", ".shape", "(1)" };
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) read_nested(5000, "input x: f64[n]\noutput y = x", links[i], "", "", "\n");
}

BTL_TEST(functions_in_functions_are_refused_before_they_explode) {
    /* each doubles: written out, 2 to the 60 */
    char text[8000] = "input x: f64\nfn f0(a) = a + a\n", *at = text + strlen(text);
    for (int i = 1; i < 60; i++) at += sprintf(at, "fn f%d(a) = f%d(f%d(a))\n", i, i - 1, i - 1);
    sprintf(at, "output y = f59(x)\n");
    assert_int_not_equal(read_text(text).status, BTL_OK);
    char *deep = malloc(10000 * 40), *to = deep;
    to += sprintf(to, "input x: f64\nfn f0(a) = a + 1\n");
    for (int i = 1; i < 10000; i++) to += sprintf(to, "fn f%d(a) = f%d(a)\n", i, i - 1);
    sprintf(to, "output y = f9999(x)\n");
    assert_int_not_equal(read_text(deep).status, BTL_OK);
    free(deep);
    assert_int_not_equal(read_text("fn f(a) = g(a)\nfn g(a) = f(a)\noutput y = f(1.0)\n").status, BTL_OK);
    assert_int_not_equal(read_text("fn f(a) = f(a)\noutput y = f(1.0)\n").status, BTL_OK);
}

BTL_TEST(blocks_indented_without_end_are_refused) {
    char *text = malloc(10000 * 300), *at = text;
    for (int i = 0; i < 300; i++) {
        memset(at, ' ', (size_t)i), at += i;
        at += sprintf(at, "fn f%d(a):\n", i);
    }
    *at = 0;
    assert_int_not_equal(read_text(text).status, BTL_OK);
    at = text;
    for (int i = 0; i < 300; i++) {
        memset(at, ' ', (size_t)i), at += i;
        at += sprintf(at, "function f%d(a: f64):\n", i);
    }
    *at = 0;
    assert_int_not_equal(read_text(text).status, BTL_OK);
    free(text);
}

/* ---- size --------------------------------------------------------------------------------- */

BTL_TEST(names_and_texts_of_a_megabyte_are_read_or_refused) {
    size_t n = 1 << 20;
    char *name = malloc(n + 1), *text = malloc(4 * n + 400);
    memset(name, 'a', n), name[n] = 0;
    sprintf(text, "input %s: f64 = 2\noutput y = %s * 2\n", name, name);
    read_text(text);
    sprintf(text, "input x: f64\noutput y = %s + x\n", name);
    assert_int_equal(read_text(text).status, BTL_ENAME);
    sprintf(text, "input x: f64\nassert x > 0, \"%s\"\noutput y = x\n", name);
    read_text(text);
    sprintf(text, "input x: f64[%s]\noutput y = sum(x)\n", name);
    read_text(text);
    sprintf(text, "input x: %s\noutput y = x\n", name);
    assert_int_not_equal(read_text(text).status, BTL_OK);
    sprintf(text, "input x: f64\noutput y = x.%s\n", name);
    assert_int_not_equal(read_text(text).status, BTL_OK);
    sprintf(text, "input x: f64\noutput y = sum(x, %s=1)\n", name);
    assert_int_not_equal(read_text(text).status, BTL_OK);
    sprintf(text, "output y = \"%s\n", name);
    assert_int_not_equal(read_text(text).status, BTL_OK);
    memset(name, '9', n);
    sprintf(text, "output y = %s\n", name);
    assert_int_not_equal(read_text(text).status, BTL_OK);
    sprintf(text, "output y = %s.0\n", name);
    reading r = read_text(text);
    assert_true(r.status != BTL_OK || isinf(r.value));
    sprintf(text, "output y = 1e%s\n", name);
    r = read_text(text);
    assert_true(r.status != BTL_OK || isinf(r.value));
    memset(name, '0', n);
    sprintf(text, "output y = 0.%s1\n", name);
    r = read_text(text);
    assert_true(r.status != BTL_OK || r.value == 0);
    memset(name, ' ', n);
    sprintf(text, "%soutput y = 1.0\n", name);
    read_text(text);
    memset(name, '\n', n);
    sprintf(text, "%soutput y = 1.0\n", name);
    r = read_text(text);
    assert_int_equal(r.status, BTL_OK);
    BTL_ASSERT_ULP(r.value, 1, 0);
    memset(name, '#', n);
    sprintf(text, "%s\noutput y = 1.0\n", name);
    assert_int_equal(read_text(text).status, BTL_OK);
    memset(name, '(', n);
    assert_int_not_equal(read_text(name).status, BTL_OK);
    memset(name, 0xff, n);
    assert_int_not_equal(read_text(name).status, BTL_OK);
    memset(name, '?', n);
    assert_int_not_equal(read_text(name).status, BTL_OK);
    free(name), free(text);
}

BTL_TEST(a_list_of_a_million_numbers_is_a_constant) {
    enum { N = 1000000 };
    char *text = malloc(N * 8 + 100), *at = text;
    at += sprintf(at, "const c: f64[%d] = [", N);
    for (int i = 0; i < N; i++) at += sprintf(at, "%d,", i % 10);
    sprintf(at, "]\noutput y = sum(c)\n");
    reading r = read_text(text);
    assert_int_equal(r.status, BTL_OK);
    BTL_ASSERT_ULP(r.value, 4.5 * N, 0);
    free(text);
}

/* Each mistake shows its line, which may be long: not the line's square. */
BTL_TEST(a_hundred_thousand_mistakes_are_told_shortly) {
    enum { N = 100000 };
    char *text = malloc(N * 16 + 100), *at = text;
    at += sprintf(at, "input x: f64\ns = x");
    for (int i = 0; i < N; i++) at += sprintf(at, " + nobody%d", i % 10);
    sprintf(at, "\noutput s\n");
    reading r = { .text = text, .length = strlen(text) };
    reading_run(&r);
    assert_int_equal(r.status, BTL_ENAME);
    assert_true(!btl_test_timed() || r.seconds < 20);
    assert_true(r.message_bytes < (size_t)N * 600);
    at = text;
    for (int i = 0; i < N; i++) at += sprintf(at, "y%d = no\n", i);
    r = (reading){ .text = text, .length = strlen(text) };
    reading_run(&r);
    assert_int_equal(r.status, BTL_ENAME);
    assert_true(!btl_test_timed() || r.seconds < 20);
    free(text);
}

/* ---- bytes -------------------------------------------------------------------------------- */

BTL_TEST(line_ends_of_every_kind_and_a_byte_order_mark_are_read) {
    static const char *const good[] = {
        "const c = 3.0\r\noutput y = c\r\n", "\xef\xbb\xbfoutput y = 3.0\n",
        "\xef\xbb\xbf# c\r\n\r\noutput y = 3.0", "output y = (1.0\r\n + 2.0\r\n)\r\n", "\n\n\n# only\n   \n\t\noutput y = 3.0\n# end", "output y = 3.0#",
        "bitale 1\noutput y = 3.0\n", "bitale 1\r\noutput y = 3.0\r\n", ("\xef\xbb\xbf" "bitale 1\noutput y = 3.0\n"), "fn f(a):\r\n    b = a + 1\r\n\r\n    return b\r\noutput y = f(2.0)\r\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        reading r = read_text(good[i]);
        if (r.status != BTL_OK) BTL_FAIL("%zu: %s", i, r.first);
        BTL_ASSERT_ULP(r.value, 3, 0);
    }
}

BTL_TEST(texts_of_nothing_are_programs_without_functions) {
    static const char *const texts[] = { "", "\n", "# nothing", "# nothing\n\n   \n# at all\n", "   ", "\t", "\r\n\r\n", "\xef\xbb\xbf", "bitale 1", "bitale 1\n" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) assert_int_equal(read_text(texts[i]).status, BTL_OK);
}

BTL_TEST(bytes_that_are_no_text_are_refused_wherever_they_stand) {
    static const struct { const char *text; size_t length; } bad[] = {
        { "output y = 1.0\0 + 2.0\n", 21 }, { "\0", 1 }, { "output y\0 = 1.0\n", 16 }, { "# a\0b\noutput y = 1.0\n", 21 }, { "output y = \"a\0b\"\n", 17 },
        { "output y = 1\xff\n", 14 }, { "# \xff\noutput y = 1.0\n", 19 }, { "output y = \"\xc3\"\n", 15 }, { "\xc0\x80", 2 }, { "\xed\xa0\x80", 3 }, { "\xf5\x80\x80\x80", 4 },
        { "output \xe2\x82\xac = 1\n", 16 }, { "output y = 1.0\x01\n", 16 }, { "output y = \x7f\n", 13 }, { "\xef\xbb", 2 }, { "\xfe\xff\0o\0u", 6 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        reading r = read_bytes(bad[i].text, bad[i].length);
        bool in_comment = i == 3; /* a NUL in a comment: either way */
        if (!in_comment && r.status == BTL_OK) BTL_FAIL("%zu was accepted", i);
    }
}

BTL_TEST(numbers_that_are_too_large_or_odd_are_refused_or_right) {
    static const char *const texts[] = {
        "9223372036854775808", "99999999999999999999999", "-9223372036854775809", "300u8", "-1u8", "1e400", "-1e400", "1e-400", "0x10", "0b1", "1_000", "1.5.5", "1..2",
        "1e", "1e+", ".", "5.", ".5", "1.5f99", "1f32", "1.5i32", "1i64", "00012", "1e99999999999999999999", "0.0000000000000000000000000000000000000001", "9223372036854775807",
        "-9223372036854775808", "1 / 0", "1 // 0", "1 % 0", "-9223372036854775808 // -1", "-9223372036854775808 % -1", "9223372036854775807 + 1", "2 ** 64", "2 ** -1", "0 ** 0",
        "2 ** 100000", "9223372036854775807 * 9223372036854775807", "--9223372036854775808", "1 << 64", "1 << -1", "1 >> 100", "-(-9223372036854775808)", "~(-9223372036854775808)",
        "(-9223372036854775807 - 1) // (0 - 1)", "abs(-9223372036854775808)", "1e308 * 10", "inf - inf", "nan", "inf // 0", "5 % inf", "3 ** 9223372036854775807",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[400];
        snprintf(text, sizeof text, "output y = f64(%s)\n", texts[i]);
        read_text(text);
        snprintf(text, sizeof text, "shared s: i64 = %s\nshared v: f64[3] = %s\noutput y = %s\n", texts[i], texts[i], texts[i]);
        read_text(text);
        snprintf(text, sizeof text, "input x: f64[%s]\noutput y = sum(x)\n", texts[i]);
        read_text(text);
        snprintf(text, sizeof text, "input x: f64[n]\noutput y = sum(x[%s:]), z = zeros([%s]), w = reshape(x, [%s, -1])\n", texts[i], texts[i], texts[i]);
        read_text(text);
        snprintf(text, sizeof text, "input x: f64[n * %s + n // (%s)]\noutput y = sum(x, axis=%s), z = x[%s], a = arange(%s)\n", texts[i], texts[i], texts[i], texts[i], texts[i]);
        read_text(text);
        snprintf(text, sizeof text, "output y = random.key(%s), z = transpose(zeros([2, 3]), axes=[%s, 0]), a = full([2], %s), b = eye(%s)\n", texts[i], texts[i], texts[i], texts[i]);
        read_text(text);
    }
}

BTL_TEST(sixteen_dimensions_are_the_most) {
    static const char *const too_many[] = {
        "input x: f64[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\noutput y = x\n", "output y = zeros([1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1])\n",
        "input x: f64[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\noutput y = x[newaxis]\n", "input x: f64[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\noutput y = stack([x, x])\n",
        "input x: f64\noutput y = reshape(x, [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1])\n", "input x: f64\noutput y = broadcast_to(x, [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1])\n",
        "input x: f64[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\ninput i: i64[2, 2]\noutput y = x[i]\n", "output y = random.normal(random.key(1), shape=[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1])\n",
        "const c = [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\noutput y = c\n", "shared s: f64[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1] = 0\noutput s\n",
        "output y = full([1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1], 2.0)\n", "output y = ones([1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1])\n",
        "input x: f64[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\noutput y = transpose(x, axes=[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16])\n",
        "input x: f64[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\noutput y = sum(x, axis=[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16])\n",
        "input x: f64[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\noutput y = x[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]\n",
        "input x: f64\noutput y = x[newaxis,newaxis,newaxis,newaxis,newaxis,newaxis,newaxis,newaxis,newaxis,newaxis,newaxis,newaxis,newaxis,newaxis,newaxis,newaxis,newaxis]\n",
    };
    for (size_t i = 0; i < sizeof too_many / sizeof *too_many; i++)
        if (read_text(too_many[i]).status == BTL_OK) BTL_FAIL("accepted: %s", too_many[i]);
    reading r = read_text("c = full([1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2], 1.5)\noutput y = sum(exp(c * 0) + c[..., ::-1] + c.T.T) + sum(sum(c, axis=[0,2,4], keepdims=true) @ ones([2, 3]))\n");
    if (r.status != BTL_OK) BTL_FAIL("%s", r.first);
    BTL_ASSERT_NEAR(r.value, 2 * 4 + 9, 1e-12);
}

BTL_TEST_MAIN(cmocka_unit_test(everything_that_nests_may_be_nested_ten_thousand_deep),
              cmocka_unit_test(chains_of_postfixes_and_comparisons_are_no_matter_of_depth),
              cmocka_unit_test(functions_in_functions_are_refused_before_they_explode),
              cmocka_unit_test(blocks_indented_without_end_are_refused),
              cmocka_unit_test(names_and_texts_of_a_megabyte_are_read_or_refused),
              cmocka_unit_test(a_list_of_a_million_numbers_is_a_constant),
              cmocka_unit_test(a_hundred_thousand_mistakes_are_told_shortly),
              cmocka_unit_test(line_ends_of_every_kind_and_a_byte_order_mark_are_read),
              cmocka_unit_test(texts_of_nothing_are_programs_without_functions),
              cmocka_unit_test(bytes_that_are_no_text_are_refused_wherever_they_stand),
              cmocka_unit_test(numbers_that_are_too_large_or_odd_are_refused_or_right),
              cmocka_unit_test(sixteen_dimensions_are_the_most))
