/* cmd_test.c - the command as a person meets it: every verb, every exit code, every bad input of which
 * a message is promised. Programs and files are written into a folder of the test's own.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/io.h"

#include <jansson/jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- tools --------------------------------------------------------------------------------------- */

static const char *dir_of(void **state) { return ((btl_test_dir *)*state)->path; }

static void put(const char *dir, const char *name, const char *text) { btl_test_write(btl_test_path(dir, name), text, strlen(text)); }

/* In the folder, without anything on standard input. */
#define RUN(dir, ...) btl_test_run((dir), NULL, (const char *const[]){ NULL, __VA_ARGS__, NULL })
#define RUN_INPUT(dir, input, ...) btl_test_run((dir), (input), (const char *const[]){ NULL, __VA_ARGS__, NULL })

/* Runs, wants this exit code and these words on standard error (NULL: nothing there), and frees. */
#define FAILS(dir, code, words, ...)                                                              \
    do {                                                                                          \
        btl_run failing = RUN(dir, __VA_ARGS__);                                                  \
        BTL_ASSERT_EXIT(&failing, code);                                                          \
        BTL_ASSERT_CONTAINS(failing.err, words);                                                  \
        btl_run_free(&failing);                                                                   \
    } while (0)
#define PRINTS(dir, words, ...)                                                                   \
    do {                                                                                          \
        btl_run good = RUN(dir, __VA_ARGS__);                                                     \
        BTL_ASSERT_EXIT(&good, 0);                                                                \
        BTL_ASSERT_CONTAINS(good.out, words);                                                     \
        btl_run_free(&good);                                                                      \
    } while (0)

static const char counter[] = "shared total: f64 = 0\n"
                              "function add(x: f64[n]):\n"
                              "    update total = total + sum(x)\n"
                              "    output mean = sum(x) / f64(n), before = total\n"
                              "function now():\n"
                              "    output total\n";

static void save_f64(const char *path, int64_t n, const double *data) {
    int64_t shape[1] = { n };
    btl_array a = btl_array_wrap(BTL_F64, 1, shape, (void *)(uintptr_t)data);
    BTL_ASSERT_OK(btl_npy_write(NULL, path, &a, NULL));
}

static bool is_there(const char *dir, const char *name) { return access(btl_test_path(dir, name), F_OK) == 0; }

static json_t *parsed(const btl_run *run) {
    json_error_t error;
    json_t *value = json_loads(run->out, JSON_DECODE_ANY, &error);
    if (!value) BTL_FAIL("not JSON: %s at %d\n%s", error.text, error.position, run->out);
    return value;
}

static double number_at(const json_t *value, const char *a, const char *b, const char *c) {
    json_t *v = json_object_get(value, a);
    if (b) v = json_object_get(v, b);
    if (c) v = json_object_get(v, c);
    if (!json_is_number(v)) BTL_FAIL("no number at %s.%s.%s", a, b ? b : "", c ? c : "");
    return json_number_value(v);
}

/* A .npy with this header text, 10-byte preamble, and data. */
static void put_npy(const char *path, const char *header, const void *data, size_t bytes) {
    unsigned char file[1024] = "\x93NUMPY\x01\x00";
    size_t n = strlen(header) + 1, total = (10 + n + 63) / 64 * 64;
    memset(file + 10, ' ', total - 10);
    memcpy(file + 10, header, n - 1);
    file[total - 1] = '\n';
    file[8] = (unsigned char)((total - 10) & 255), file[9] = (unsigned char)((total - 10) >> 8);
    memcpy(file + total, data, bytes);
    btl_test_write(path, file, total + bytes);
}

/* ---- the command itself ---------------------------------------------------------------------------- */

BTL_TEST(every_verb_explains_itself) {
    static const char *const verbs[] = { "run", "check", "print", "opt", "bisect", "grad", "plan", "ops", "rules", "cache", "doctor", "version" };
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        PRINTS(dir_of(state), "Exit codes:", verbs[i], "--help");
        PRINTS(dir_of(state), verbs[i], "--help");
        PRINTS(dir_of(state), "--cache-dir", "help", verbs[i]);
    }
}

BTL_TEST(unknown_verbs_and_options_are_answered_with_the_nearest) {
    FAILS(dir_of(state), 2, "did you mean check?", "chekc", "x");
    FAILS(dir_of(state), 2, "did you mean --steps?", "run", "p.bitale", "--stesp", "3");
    FAILS(dir_of(state), 2, "not there yet", "profile", "p.bitale");
    FAILS(dir_of(state), 2, "there is no mode turbo", "run", "p.bitale", "--mode", "turbo");
    FAILS(dir_of(state), 2, "go with --batch", "run", "p.bitale", "--epochs", "3");
    FAILS(dir_of(state), 2, "whole number", "run", "p.bitale", "--steps", "0");
    FAILS(dir_of(state), 2, "which program", "run");
}

BTL_TEST(nothing_is_coloured_where_no_terminal_is) {
    put(dir_of(state), "c.bitale", counter);
    btl_run r = RUN(dir_of(state), "run", "c.bitale", "add", "x=[1]", "--steps", "300");
    BTL_ASSERT_EXIT(&r, 0);
    assert_null(strchr(r.err, '\033'));
    assert_null(strchr(r.err, '\r'));
    BTL_ASSERT_CONTAINS(r.err, "300 steps in");
    btl_run_free(&r);
    r = RUN(dir_of(state), "run", "c.bitale", "add", "x=[1]", "--steps", "300", "--quiet");
    BTL_ASSERT_EXIT(&r, 0);
    assert_string_equal(r.err, "");
    assert_string_equal(r.out, "");
    btl_run_free(&r);
}

/* ---- run: values ----------------------------------------------------------------------------------- */

BTL_TEST(literals_of_every_kind_are_read) {
    const char *d = dir_of(state);
    put(d, "v.bitale", "input a: f32\ninput b: bool\ninput c: u64\ninput m: i8[r, k]\ninput e: f64[z]\noutput a, b, c, m, e\n");
    btl_run r = RUN(d, "run", "v.bitale", "a=-inf", "b=true", "c=18446744073709551615", "m=[[-128, 127], [ 0,1 ]]", "e=[]");
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "a: f32 = -inf\n");
    BTL_ASSERT_CONTAINS(r.out, "b: bool = true\n");
    BTL_ASSERT_CONTAINS(r.out, "c: u64 = 18446744073709551615\n");
    BTL_ASSERT_CONTAINS(r.out, "m: i8[2, 2] = ");
    BTL_ASSERT_CONTAINS(r.out, "[[-128,  127],");
    BTL_ASSERT_CONTAINS(r.out, "e: f64[0] = []\n");
    btl_run_free(&r);
}

BTL_TEST(literals_that_do_not_fit_are_refused_with_their_place) {
    const char *d = dir_of(state);
    put(d, "u.bitale", "input x: u8[n]\noutput x\n");
    put(d, "f.bitale", "input x: f32\noutput x\n");
    FAILS(d, 3, "\"300\" is not within the range", "run", "u.bitale", "x=[1, 300]");
    FAILS(d, 3, "\n    x=[1, 300]\n          ^", "run", "u.bitale", "x=[1, 300]");
    FAILS(d, 3, "\"1.5\" is not a whole number", "run", "u.bitale", "x=[1.5]");
    FAILS(d, 3, "\"-1\" is not within", "run", "u.bitale", "x=[-1]");
    FAILS(d, 3, "] is missing", "run", "u.bitale", "x=[1, 2");
    FAILS(d, 3, "a value is expected", "run", "u.bitale", "x=[1, ]");
    FAILS(d, 3, "too many", "run", "u.bitale", "x=[[1]]");
    FAILS(d, 3, "a list is expected", "run", "u.bitale", "x=7");
    FAILS(d, 3, "not a list", "run", "f.bitale", "x=[1]");
    FAILS(d, 3, "\"1e39\" is not within", "run", "f.bitale", "x=1e39");
}

BTL_TEST(arguments_that_are_unknown_missing_or_doubled_are_named) {
    const char *d = dir_of(state);
    put(d, "p.bitale", "input weight: f32[n]\ninput bias: f32\noutput weight + bias\n");
    FAILS(d, 3, "did you mean weight?", "run", "p.bitale", "wieght=[1]", "bias=1");
    FAILS(d, 3, "argument bias (f32) is missing", "run", "p.bitale", "weight=[1]");
    FAILS(d, 3, "bias is given twice", "run", "p.bitale", "weight=[1]", "bias=1", "bias=2");
    FAILS(d, 2, "NAME=VALUE", "run", "p.bitale", "main", "weight");
    FAILS(d, 3, "there is no function mian; did you mean main?", "run", "p.bitale", "mian");
    FAILS(d, 3, "cannot be opened", "run", "nothing.bitale");
    put(d, "two.bitale", counter);
    FAILS(d, 3, "which function?", "run", "two.bitale");
}

BTL_TEST(sizes_that_disagree_are_told_in_numbers) {
    const char *d = dir_of(state);
    put(d, "p.bitale", "input x: f32[n]\ninput y: f32[n]\noutput x + y\n");
    put(d, "m.bitale", "input x: f32[n, k]\ninput w: f32[j, 2]\noutput x @ w\n");
    put(d, "s.bitale", "input x: f32[2*n + 1]\noutput sum(x)\n");
    FAILS(d, 3, "n is 2", "run", "p.bitale", "x=[1, 2]", "y=[1, 2, 3]");
    FAILS(d, 3, "p.bitale:2", "run", "p.bitale", "x=[1, 2]", "y=[1, 2, 3]");
    FAILS(d, 3, "k is 2", "run", "m.bitale", "x=[[1, 2]]", "w=[[1, 2], [3, 4], [5, 6]]");
    FAILS(d, 3, "size n", "run", "s.bitale", "x=[1, 2, 3]");
    PRINTS(d, "= 6", "run", "s.bitale", "x=[1, 2, 3]", "n=1");
    FAILS(d, 3, "axis 0 has size 3, 5 expected", "run", "s.bitale", "x=[1, 2, 3]", "n=2");
    FAILS(d, 3, "whole number of at least 0", "run", "s.bitale", "x=[1, 2, 3]", "n=1.5");
}

BTL_TEST(sizes_whose_product_overflows_are_refused) {
    const char *d = dir_of(state);
    put(d, "o.bitale", "input x: f64[n]\noutput zeros(shape=[n * 4611686018427387904, n, 64])\n");
    FAILS(d, 3, "o.bitale:2:", "run", "o.bitale", "x=[1, 2, 3]");
    put(d, "b.bitale", "input x: f64[n]\noutput broadcast_to(x, shape=[1000000000, 1000000000, 1000, n])\n");
    FAILS(d, 3, "more bytes than can be addressed", "run", "b.bitale", "x=[1, 2, 3]");
    put(d, "m.bitale", "input x: f64[n]\noutput broadcast_to(x, shape=[1000000000, 100000000, n])\n");
    FAILS(d, 5, "no memory", "run", "m.bitale", "x=[1, 2, 3]");
}

/* ---- run: files ------------------------------------------------------------------------------------ */

BTL_TEST(files_that_widen_are_converted_and_losing_ones_refused) {
    const char *d = dir_of(state);
    static const double x[3] = { 1.5, 2, 3 };
    save_f64(btl_test_path(d, "x.npy"), 3, x);
    put(d, "bytes", "AB");
    put(d, "d.bitale", "input x: f64[n]\noutput sum(x)\n");
    put(d, "i.bitale", "input x: i32[n]\noutput sum(x)\n");
    PRINTS(d, "= 6.5", "run", "d.bitale", "x=x.npy");
    PRINTS(d, "= 131", "run", "i.bitale", "x=bytes"); /* 65 + 66 */
    FAILS(d, 3, "holds f64; converting that to i32 would lose values", "run", "i.bitale", "x=x.npy");
    put(d, "t.csv", "a,b\n1,2\n3,4\n");
    put(d, "c.bitale", "input x: i32[n, 2]\noutput sum(x, axis=0)\n");
    PRINTS(d, "[4, 6]", "run", "c.bitale", "x=t.csv");
    put(d, "t.csv", "a,b\n1,2\n3,4.5\n");
    FAILS(d, 3, "4.5, is not one of i32", "run", "c.bitale", "x=t.csv");
    FAILS(d, 3, "1 axis expected, found 2", "run", "d.bitale", "x=t.csv");
}

BTL_TEST(damaged_and_foreign_npy_files_are_named) {
    const char *d = dir_of(state);
    static const double v[4] = { 1, 2, 3, 4 };
    put(d, "d.bitale", "input x: f64[n, m]\noutput x\n");
    FAILS(d, 3, "none.npy: cannot be opened", "run", "d.bitale", "x=none.npy");
    put_npy(btl_test_path(d, "short.npy"), "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }", v, 24);
    FAILS(d, 3, "short.npy", "run", "d.bitale", "x=short.npy");
    put_npy(btl_test_path(d, "big.npy"), "{'descr': '>f8', 'fortran_order': False, 'shape': (2, 2), }", v, 32);
    FAILS(d, 3, "big-endian", "run", "d.bitale", "x=big.npy");
    put_npy(btl_test_path(d, "object.npy"), "{'descr': '|O', 'fortran_order': False, 'shape': (2, 2), }", v, 32);
    FAILS(d, 3, "object", "run", "d.bitale", "x=object.npy");
    put(d, "magic.npy", "hello");
    FAILS(d, 3, "magic.npy", "run", "d.bitale", "x=magic.npy");
    put_npy(btl_test_path(d, "fortran.npy"), "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }", v, 32);
    PRINTS(d, "[[1, 3],\n     [2, 4]]", "run", "d.bitale", "x=fortran.npy");
}

BTL_TEST(standard_input_gives_the_program_or_an_argument) {
    const char *d = dir_of(state);
    btl_run r = RUN_INPUT(d, "input x: f64\noutput y = x * x\n", "run", "-", "x=3");
    BTL_ASSERT_EXIT(&r, 0);
    assert_string_equal(r.out, "y: f64 = 9\n");
    btl_run_free(&r);
    put(d, "b.bitale", "input x: u8[n]\noutput sum(x)\n");
    r = RUN_INPUT(d, "AB", "run", "b.bitale", "x=-");
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "= 131");
    btl_run_free(&r);
    r = RUN_INPUT(d, "input x: u8[n]\noutput sum(x)\n", "run", "-", "x=-");
    BTL_ASSERT_EXIT(&r, 2);
    BTL_ASSERT_CONTAINS(r.err, "read once");
    btl_run_free(&r);
}

/* ---- run: results ----------------------------------------------------------------------------------- */

BTL_TEST(results_written_by_o_are_read_back) {
    const char *d = dir_of(state);
    put(d, "p.bitale", "input x: f32[n]\noutput y = x * 2, s = sum(x)\n");
    btl_run r = RUN(d, "run", "p.bitale", "x=[1, 2, 3]", "-o", "a/b");
    BTL_ASSERT_EXIT(&r, 0);
    btl_run_free(&r);
    btl_array y, s;
    BTL_ASSERT_OK(btl_npy_read(NULL, btl_test_path(d, "a/b/y.npy"), &y, NULL));
    BTL_ASSERT_OK(btl_npy_read(NULL, btl_test_path(d, "a/b/s.npy"), &s, NULL));
    static const float want[3] = { 2, 4, 6 }, sum = 6;
    BTL_ASSERT_ARRAYS_EQUAL("y", &y, BTL_TEST_ARRAY(BTL_F32, want, 3));
    assert_int_equal(s.ndim, 0);
    assert_true(*(float *)btl_array_data(&s) == sum);
    btl_array_free(&y), btl_array_free(&s);
    put(d, "file", "");
    FAILS(d, 3, "-o file", "run", "p.bitale", "x=[1]", "-o", "file");
    put(d, "h.bitale", "input x: f32\noutput y = bf16(x)\n");
    FAILS(d, 3, "no bf16", "run", "h.bitale", "x=1", "-o", "h");
    assert_false(is_there(d, "h"));
}

BTL_TEST(a_run_that_fails_writes_nothing) {
    const char *d = dir_of(state);
    put(d, "p.bitale", "shared k: i64 = 0\ninput x: f32[n]\nupdate k = k + 1\noutput y = x[k]\n");
    btl_run r = RUN(d, "run", "p.bitale", "x=[1, 2, 3]", "--steps", "5", "-o", "out", "--save", "s.safetensors");
    BTL_ASSERT_EXIT(&r, 5);
    BTL_ASSERT_CONTAINS(r.err, "p.bitale:4:");
    BTL_ASSERT_CONTAINS(r.err, "output y = x[k]");
    BTL_ASSERT_CONTAINS(r.err, "step 4");
    btl_run_free(&r);
    assert_false(is_there(d, "out"));
    assert_false(is_there(d, "s.safetensors"));
}

BTL_TEST(failed_assertions_of_the_program_exit_with_5) {
    const char *d = dir_of(state);
    put(d, "p.bitale", "input x: f64\nassert x > 0, \"x must be positive\"\noutput sqrt(x)\n");
    FAILS(d, 5, "x must be positive", "run", "p.bitale", "x=-1");
    FAILS(d, 5, "p.bitale:2", "run", "p.bitale", "x=-1");
}

BTL_TEST(full_disks_are_told_and_leave_nothing) {
    const char *d = dir_of(state);
    put(d, "c.bitale", counter);
    FAILS(d, 3, "No space left", "run", "c.bitale", "add", "x=[1]", "--save", "/dev/full");
    FAILS(d, 3, "No space left", "run", "c.bitale", "add", "x=[1]", "--save", "/dev/full", "-o", "out");
    assert_false(is_there(d, "out"));
    FAILS(d, 3, "cannot be written", "run", "c.bitale", "add", "x=[1]", "--save", "no/such/folder");
    btl_run r = btl_test_run(d, NULL, (const char *const[]){ "/bin/sh", "-c", "\"$BTL_PROGRAM\" run c.bitale add x=[1] > /dev/full", NULL });
    BTL_ASSERT_EXIT(&r, 3);
    BTL_ASSERT_CONTAINS(r.err, "standard output: No space left");
    btl_run_free(&r);
    /* a file size limit is a disk that fills while it is written; blocks of 512 bytes */
    put(d, "big.bitale", "input x: f64\noutput y = x + zeros(shape=[100000]), a = x\n");
    r = btl_test_run(d, NULL, (const char *const[]){ "/bin/sh", "-c", "trap '' XFSZ; ulimit -f 64; \"$BTL_PROGRAM\" run big.bitale x=1 -o big", NULL });
    BTL_ASSERT_EXIT(&r, 3);
    BTL_ASSERT_CONTAINS(r.err, "big/y.npy");
    btl_run_free(&r);
    assert_false(is_there(d, "big"));
}

/* ---- run: states ------------------------------------------------------------------------------------ */

BTL_TEST(states_go_on_from_run_to_run) {
    const char *d = dir_of(state);
    put(d, "c.bitale", counter);
    btl_run r = RUN(d, "run", "c.bitale", "add", "x=[1, 2]", "--steps", "10", "--save", "s.safetensors");
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "before: f64 = 27\n");
    btl_run_free(&r);
    PRINTS(d, "total: f64 = 30\n", "run", "c.bitale", "now", "--load", "s.safetensors");
    put(d, "more.bitale", "shared total: f64 = 0\nshared other: f32[2] = 0\noutput total + 0.0, other + 0\n");
    FAILS(d, 3, "other", "run", "more.bitale", "--load", "s.safetensors");
    put(d, "type.bitale", "shared total: f32 = 0\noutput t = total + 0\n");
    FAILS(d, 3, "f32", "run", "type.bitale", "--load", "s.safetensors");
    put(d, "shape.bitale", "shared total: f64[2] = 0\noutput t = total + 0\n");
    FAILS(d, 3, "total", "run", "shape.bitale", "--load", "s.safetensors");
    /* one more than the program knows is ignored */
    put(d, "two.bitale", "shared total: f64 = 5\nshared extra: f64 = 6\noutput t = total + extra\n");
    r = RUN(d, "run", "two.bitale", "--save", "two.safetensors");
    BTL_ASSERT_EXIT(&r, 0);
    btl_run_free(&r);
    PRINTS(d, "total: f64 = 5\n", "run", "c.bitale", "now", "--load", "two.safetensors");
    put(d, "plain.bitale", "input x: f64\noutput x\n");
    FAILS(d, 3, "no shared variables", "run", "plain.bitale", "x=1", "--save", "p.safetensors");
    FAILS(d, 3, "cannot be opened", "run", "c.bitale", "now", "--load", "none.safetensors");
}

/* ---- run: minibatches --------------------------------------------------------------------------------- */

BTL_TEST(minibatches_of_uneven_sizes_add_up) {
    const char *d = dir_of(state);
    double x[10];
    for (int i = 0; i < 10; i++) x[i] = i * i;
    save_f64(btl_test_path(d, "x.npy"), 10, x);
    put(d, "c.bitale", counter);
    btl_run r = RUN(d, "run", "c.bitale", "add", "x=x.npy", "--batch", "n=4", "--epochs", "3", "--json", "--save", "s.safetensors");
    BTL_ASSERT_EXIT(&r, 0);
    json_t *v = parsed(&r);
    assert_int_equal((int)number_at(v, "steps", NULL, NULL), 9); /* 4 + 4 + 2 rows, three times */
    BTL_ASSERT_NEAR(number_at(v, "outputs", "mean", "data"), (64.0 + 81) / 2, 0);
    BTL_ASSERT_NEAR(number_at(v, "outputs", "before", "data"), 3 * 285.0 - 145, 0);
    json_t *epochs = json_object_get(v, "epochs");
    assert_int_equal((int)json_array_size(epochs), 3);
    for (size_t e = 0; e < 3; e++) { /* the mean of minibatch means, by their rows, is that of all rows */
        BTL_ASSERT_NEAR(number_at(json_array_get(epochs, e), "mean", "mean", NULL), 28.5, 1e-13);
        assert_int_equal((int)number_at(json_array_get(epochs, e), "rows", NULL, NULL), 10);
    }
    json_decref(v);
    btl_run_free(&r);
    PRINTS(d, "total: f64 = 855\n", "run", "c.bitale", "now", "--load", "s.safetensors");
    PRINTS(d, "before: f64 = 14\n", "run", "c.bitale", "add", "x=x.npy", "--batch", "n=4", "--drop-last"); /* 0+1+4+9 */
    PRINTS(d, "mean of mean over the 8 rows of epoch 1: 17.5", "run", "c.bitale", "add", "x=x.npy", "--batch", "n=4", "--drop-last");
    PRINTS(d, "before: f64 = 285\n", "run", "c.bitale", "add", "x=x.npy", "--batch", "n=4", "--steps", "4");
    PRINTS(d, "before: f64 = 0\n", "run", "c.bitale", "add", "x=x.npy", "--batch", "n=100");
}

BTL_TEST(shuffled_minibatches_visit_every_row_once_in_a_known_order) {
    const char *d = dir_of(state);
    double x[5] = { 1, 10, 100, 1000, 10000 };
    save_f64(btl_test_path(d, "x.npy"), 5, x);
    put(d, "l.bitale", "input x: f64[n]\noutput first = x[0], s = sum(x)\n");
    btl_run a = RUN(d, "run", "l.bitale", "x=x.npy", "--batch", "n=1", "--shuffle", "7", "--epochs", "2", "--json");
    json_t *v = parsed(&a);
    BTL_ASSERT_NEAR(number_at(json_array_get(json_object_get(v, "epochs"), 0), "mean", "s", NULL), 11111.0 / 5, 1e-9);
    BTL_ASSERT_NEAR(number_at(json_array_get(json_object_get(v, "epochs"), 1), "mean", "s", NULL), 11111.0 / 5, 1e-9);
    json_decref(v);
    btl_run_free(&a);
    for (int step = 1; step <= 10; step++) { /* the documented generator, written down again */
        char steps[20];
        uint64_t s = 7 + (uint64_t)((step - 1) / 5) * 0xd1342543de82ef95u;
        double order[5];
        memcpy(order, x, sizeof order);
        for (int i = 4; i > 0; i--) {
            uint64_t z, most = UINT64_MAX - UINT64_MAX % (uint64_t)(i + 1);
            do {
                z = (s += 0x9e3779b97f4a7c15u);
                z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
                z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
                z ^= z >> 31;
            } while (z >= most);
            int j = (int)(z % (uint64_t)(i + 1));
            double t = order[i];
            order[i] = order[j], order[j] = t;
        }
        snprintf(steps, sizeof steps, "%d", step);
        btl_run r = RUN(d, "run", "l.bitale", "x=x.npy", "--batch", "n=1", "--shuffle", "7", "--steps", steps, "--json");
        v = parsed(&r);
        BTL_ASSERT_NEAR(number_at(v, "outputs", "first", "data"), order[(step - 1) % 5], 0);
        json_decref(v);
        btl_run_free(&r);
    }
}

BTL_TEST(minibatches_that_cannot_be_cut_are_explained) {
    const char *d = dir_of(state);
    put(d, "c.bitale", counter);
    put(d, "m.bitale", "input x: f64[n]\ninput y: f64[m, n]\noutput sum(x) + sum(y)\n");
    put(d, "t.bitale", "input x: f64[n]\ninput y: f64[n]\noutput sum(x) + sum(y)\n");
    FAILS(d, 3, "did you mean n?", "run", "c.bitale", "add", "x=[1]", "--batch", "m=2");
    FAILS(d, 3, "only first sizes can be cut", "run", "m.bitale", "x=[1]", "y=[[1]]", "--batch", "n=2");
    FAILS(d, 3, "n is 2", "run", "t.bitale", "x=[1, 2]", "y=[1]", "--batch", "n=2");
    FAILS(d, 3, "nothing to do", "run", "c.bitale", "add", "x=[1]", "--batch", "n=2", "--drop-last");
    FAILS(d, 3, "nothing to do", "run", "c.bitale", "add", "x=[]", "--batch", "n=2");
    FAILS(d, 2, "NAME=SIZE", "run", "c.bitale", "add", "x=[1]", "--batch", "n=0");
}

BTL_TEST(an_interrupted_run_saves_and_exits_with_130) {
    const char *d = dir_of(state);
    put(d, "c.bitale", counter);
    const char *program = getenv("BTL_PROGRAM");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(d) == 0) execl(program, "bitale", "run", "c.bitale", "add", "x=[1]", "--steps", "1000000000000", "--save", "s.safetensors", "--quiet", (char *)NULL);
        _exit(127);
    }
    struct timespec wait = { 0, 500000000 };
    nanosleep(&wait, NULL);
    kill(pid, SIGINT);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 130);
    assert_true(is_there(d, "s.safetensors"));
}

/* ---- programs with mistakes ------------------------------------------------------------------------------ */

BTL_TEST(all_mistakes_of_a_program_are_shown_at_once) {
    const char *d = dir_of(state);
    put(d, "bad.bitale", "input x: f32[n, 784]\nshared v: f32[768, 10] = 0\ny = x @ v\noutput y, smu(x), exp(xx)\n");
    btl_run r = RUN(d, "check", "bad.bitale");
    BTL_ASSERT_EXIT(&r, 3);
    BTL_ASSERT_CONTAINS(r.err, "bad.bitale:3:");
    BTL_ASSERT_CONTAINS(r.err, "784 and 768");
    BTL_ASSERT_CONTAINS(r.err, "did you mean sum?");
    BTL_ASSERT_CONTAINS(r.err, "unknown name xx");
    BTL_ASSERT_CONTAINS(r.err, "3 mistakes");
    btl_run_free(&r);
    r = RUN(d, "check", "bad.bitale", "--json");
    BTL_ASSERT_EXIT(&r, 3);
    json_t *v = parsed(&r);
    assert_int_equal((int)number_at(v, "mistakes", NULL, NULL), 3);
    assert_true(json_is_false(json_object_get(v, "ok")));
    json_decref(v);
    btl_run_free(&r);
}

BTL_TEST(bytes_that_are_no_text_and_deep_nesting_are_survived) {
    const char *d = dir_of(state);
    put(d, "bytes.bitale", "input x: f32\noutput y = x + \xff\xfe\n");
    FAILS(d, 3, "not UTF-8", "check", "bytes.bitale");
    char deep[20100] = "input x: f64\noutput y = ";
    size_t n = strlen(deep);
    memset(deep + n, '(', 10000);
    strcpy(deep + n + 10000, "x");
    put(d, "deep.bitale", deep);
    FAILS(d, 3, "deep.bitale:2:", "check", "deep.bitale");
    memset(deep + n, '[', 10000);
    put(d, "deep.bitale", deep);
    FAILS(d, 3, "deep.bitale:2:", "check", "deep.bitale");
    char value[10010] = "x=";
    memset(value + 2, '[', 10000);
    put(d, "u.bitale", "input x: u8[n]\noutput x\n");
    FAILS(d, 3, "too many", "run", "u.bitale", value);
    btl_test_write(btl_test_path(d, "zero.bitale"), "output y = 1\0 2\n", 16);
    btl_run r = RUN(d, "check", "zero.bitale");
    BTL_ASSERT_EXIT(&r, 3);
    btl_run_free(&r);
}

/* ---- check ------------------------------------------------------------------------------------------------ */

static const char regression[] = "shared w: f64[3] = 0.1\n"
                                 "function fit(x: f64[n, 3], y: f64[n]):\n"
                                 "    cost = mean(sqr(tanh(x @ w) - y))\n"
                                 "    update w = w - 0.1 * grad(cost, w)\n"
                                 "    output cost\n"
                                 "function predict(x: f64[n, 3]):\n"
                                 "    output y = tanh(x @ w)\n";

BTL_TEST(check_tells_what_functions_take_and_return) {
    const char *d = dir_of(state);
    put(d, "r.bitale", regression);
    PRINTS(d, "ok fit(x: f64[n, 3], y: f64[n]) -> cost: f64; updates w\nok predict(x: f64[n, 3]) -> y: f64[n]\n", "check", "r.bitale");
    btl_run r = RUN(d, "check", "r.bitale", "--json");
    BTL_ASSERT_EXIT(&r, 0);
    json_t *v = parsed(&r);
    assert_true(json_is_true(json_object_get(v, "ok")));
    assert_int_equal((int)json_array_size(json_object_get(v, "functions")), 2);
    json_decref(v);
    btl_run_free(&r);
    FAILS(d, 3, "named q", "check", "r.bitale", "q=3");
}

BTL_TEST(check_verifies_gradients_and_compares_modes) {
    const char *d = dir_of(state);
    put(d, "r.bitale", regression);
    PRINTS(d, "ok fit: gradient of cost by w, x, y: n=5\n", "check", "r.bitale", "--grad", "--size", "n=5");
    PRINTS(d, "ok fit: w in fast_compile and fast_run", "check", "r.bitale", "--modes", "fast_run,fast_compile");
    put(d, "index.bitale", "input x: f64[n]\noutput y = x[5] * x[0]\n");
    FAILS(d, 5, "hint: the sizes were n=3; --size", "check", "index.bitale", "--grad");
    PRINTS(d, "gradient of y by x: n=9", "check", "index.bitale", "--grad", "--size", "n=9");
    FAILS(d, 2, "no mode quick", "check", "r.bitale", "--modes", "fast_run,quick");
}

BTL_TEST(check_compares_with_stored_results) {
    const char *d = dir_of(state);
    double x[2] = { 1, 4 };
    put(d, "s.bitale", "input x: f64[n]\noutput y = sqrt(x)\n");
    mkdir(btl_test_path(d, "stored"), 0777);
    save_f64(btl_test_path(d, "stored/y.npy"), 2, (double[]){ 1, 2.00001 });
    save_f64(btl_test_path(d, "x.npy"), 2, x);
    PRINTS(d, "ok main: y: largest difference 1e-05", "check", "s.bitale", "x=x.npy", "--expect", "stored", "--rtol", "1e-4");
    FAILS(d, 1, "1 of 2 values differ; the worst [1] is 2, expected 2.00001", "check", "s.bitale", "x=x.npy", "--expect", "stored", "--rtol", "1e-6");
    FAILS(d, 3, "is missing", "check", "s.bitale", "--expect", "stored");
    FAILS(d, 3, "none/y.npy", "check", "s.bitale", "x=x.npy", "--expect", "none");
}

BTL_TEST(check_shows_where_f64_comes_from) {
    const char *d = dir_of(state);
    put(d, "w.bitale", "input a: i32[n]\ninput b: f32[n]\nc = a * b\noutput d = c + 1, e = b * 2.5\n");
    btl_run r = RUN(d, "check", "w.bitale", "--warn", "f64");
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.err, "w.bitale:3:7: warning: mul makes f64[n] (c): a is i32[n], b is f32[n]");
    BTL_ASSERT_CONTAINS(r.out, "f64 arises in: 1 place\n");
    btl_run_free(&r);
}

/* ---- print, grad, lists ------------------------------------------------------------------------------------ */

BTL_TEST(what_print_prints_is_a_program_that_prints_the_same) {
    const char *d = dir_of(state);
    put(d, "r.bitale", regression);
    static const char *const passes[] = { NULL, "import", "canonicalize", "lower", "fuse" };
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        btl_run first = passes[i] ? RUN(d, "print", "r.bitale", "fit", "--after", passes[i]) : RUN(d, "print", "r.bitale");
        BTL_ASSERT_EXIT(&first, 0);
        btl_run again = RUN_INPUT(d, first.out, "print", "-");
        BTL_ASSERT_EXIT(&again, 0);
        assert_string_equal(first.out, again.out);
        btl_run_free(&first);
        btl_run_free(&again);
    }
    PRINTS(d, "canonicalize", "print", "--after", "list");
    FAILS(d, 2, "did you mean fuse?", "print", "r.bitale", "--after", "fues");
}

BTL_TEST(grad_appends_a_gradient_that_can_be_run) {
    const char *d = dir_of(state);
    put(d, "g.bitale", "input x: f64\ninput k: f64\ny = x * x * k\noutput z = y + 1\n");
    btl_run r = RUN(d, "grad", "g.bitale", "--cost", "y", "--wrt", "x,k");
    BTL_ASSERT_EXIT(&r, 0);
    btl_run g = RUN_INPUT(d, r.out, "run", "-", "x=3", "k=2");
    BTL_ASSERT_EXIT(&g, 0);
    assert_string_equal(g.out, "z: f64 = 19\ndy_dx: f64 = 12\ndy_dk: f64 = 9\n");
    btl_run_free(&g);
    btl_run_free(&r);
    FAILS(d, 3, "did you mean", "grad", "g.bitale", "--cost", "yy", "--wrt", "x");
    put(d, "i.bitale", "input x: f64\ninput i: i32\noutput y = x * 2\n");
    FAILS(d, 3, "", "grad", "i.bitale", "--cost", "y", "--wrt", "i");
    FAILS(d, 2, "--cost NAME", "grad", "g.bitale");
}

static const char rules_of_mine[] = "rule half_square: sqr(?x) / 2 => ?x * (?x / 2) when float\n    why: fewer digits\n    class: ulp 2\n    needs: no_overflow\n"
                                    "rule wrong: tanh(?x) => ?x\n    why: it is a lie\n    class: ulp 1\n";
static const char bisected[] = "function f(x: f32[n]):\n    a = exp(x) + 0.5\n    b = tanh(a)\n    output y = sqr(b + 1) / 2, z = exp(a) - 1\n";

BTL_TEST(rules_of_ones_own_are_read_shown_tried_and_used) {
    const char *d = dir_of(state);
    put(d, "mine.rules", rules_of_mine);
    put(d, "bad.rules", "rule a: nosuch(?x) => ?x\n");
    put(d, "loop.rules", "rule a: sqr(?x) => sqr(-?x)\n");
    put(d, "f.bitale", bisected);
    PRINTS(d, "rule half_square: sqr(?x) / 2 => ?x * (?x / 2) when float    # canonicalize, mine.rules:1", "rules", "--rules", "mine.rules");
    PRINTS(d, "ok half_square: gradient: ", "rules", "--rules", "mine.rules", "half_square", "--check");
    FAILS(d, 1, "mine.rules:5: FAIL rule wrong: values: ", "rules", "--rules", "mine.rules", "--check");
    FAILS(d, 3, "bad.rules:1:9: error: there is no operation nosuch", "rules", "--rules", "bad.rules");
    FAILS(d, 3, "bad.rules:1:9: error: there is no operation nosuch", "run", "f.bitale", "x=[1]", "--rules", "bad.rules");
    FAILS(d, 3, "no.rules: cannot be opened", "rules", "--rules", "no.rules");
    FAILS(d, 3, "rule a (loop.rules:1) makes again what it matches", "run", "f.bitale", "x=[1]", "--rules", "loop.rules");
    PRINTS(d, "div(", "print", "f.bitale", "--after", "canonicalize");
    PRINTS(d, "half_square [mine.rules:1] (canonicalize): sqr(", "opt", "f.bitale", "--explain", "--rules", "mine.rules");
}

BTL_TEST(opt_tells_which_rule_did_what_where) {
    const char *d = dir_of(state);
    put(d, "f.bitale", bisected);
    PRINTS(d, "f.bitale:4:43: exp_minus_one (stabilize): exp(a) - 1.0 => expm1(a)", "opt", "f.bitale", "f", "--explain");
    PRINTS(d, "f: ", "opt", "f.bitale", "f", "--explain");
    PRINTS(d, "expm1(", "opt", "f.bitale");
    btl_run r = RUN(d, "opt", "f.bitale", "--explain", "--json");
    BTL_ASSERT_EXIT(&r, 0);
    json_t *v = parsed(&r), *rewrites = json_object_get(json_array_get(v, 0), "rewrites");
    assert_true(json_array_size(rewrites) > 0);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(rewrites, 0), "number")), 1);
    json_decref(v);
    btl_run_free(&r);
    FAILS(d, 3, "there is no function g", "opt", "f.bitale", "g");
}

BTL_TEST(bisect_finds_the_rule_that_lies) {
    const char *d = dir_of(state), *modes = "c_code,linker=strips,fast_run,linker=strips";
    put(d, "f.bitale", bisected);
    put(d, "mine.rules", rules_of_mine);
    PRINTS(d, "ok f: c_code,linker=strips and fast_run,linker=strips agree", "bisect", "f.bitale", "--modes", modes);
    btl_run r = RUN(d, "bisect", "f.bitale", "x=[0.5, 2]", "--rules", "mine.rules", "--modes", modes);
    BTL_ASSERT_EXIT(&r, 1);
    BTL_ASSERT_CONTAINS(r.out, "f.bitale:3:9: wrong [mine.rules:5] (canonicalize): tanh(a) => a");
    BTL_ASSERT_CONTAINS(r.out, "why: it is a lie");
    BTL_ASSERT_CONTAINS(r.out, "without=wrong: the results agree");
    btl_run_free(&r);
    r = RUN(d, "bisect", "f.bitale", "--rules", "mine.rules", "--modes", modes, "--json");
    BTL_ASSERT_EXIT(&r, 1);
    json_t *v = parsed(&r);
    assert_string_equal(json_string_value(json_object_get(json_object_get(v, "rewrite"), "rule")), "wrong");
    assert_true(json_is_true(json_object_get(v, "cured")));
    json_decref(v);
    btl_run_free(&r);
    FAILS(d, 2, "--modes takes two modes", "bisect", "f.bitale", "--modes", "fast_run");
    FAILS(d, 2, "there is no mode slow", "bisect", "f.bitale", "--modes", "slow,fast_run");
}

BTL_TEST(ops_and_rules_are_listed_and_explained) {
    const char *d = dir_of(state);
    PRINTS(d, "softmax(x, axis=-1)", "ops");
    PRINTS(d, "axis: integer = -1", "ops", "softmax");
    PRINTS(d, "why", "rules", "stabilize");
    FAILS(d, 3, "did you mean softmax?", "ops", "sotfmax");
    FAILS(d, 3, "there is no rule", "rules", "no_such_rule_at_all");
    PRINTS(d, "    class: ulp 4", "rules", "log_one_plus_exp");
    PRINTS(d, "ok log_one_plus_exp: values: ", "rules", "log_one_plus_exp", "--check");
    static const char *const lists[] = { "ops", "rules" };
    for (int i = 0; i < 2; i++) {
        btl_run r = RUN(d, lists[i], "--json");
        BTL_ASSERT_EXIT(&r, 0);
        json_t *v = parsed(&r);
        assert_true(json_array_size(v) > 20);
        json_decref(v);
        btl_run_free(&r);
    }
}

BTL_TEST(doctor_and_version_tell_what_is_there) {
    const char *d = dir_of(state);
    PRINTS(d, "bitale " BTL_VERSION_STRING "\n", "version");
    PRINTS(d, "bitale " BTL_VERSION_STRING "\n", "--version");
    PRINTS(d, "blas", "version", "--features");
    static const char *const wanted[] = { "compiler", "blas", "lapack", "kernels", "threads", "cache", "libzip", "zlib", "mode" };
    btl_run r = RUN(d, "doctor", "--json");
    BTL_ASSERT_EXIT(&r, 0);
    json_t *v = parsed(&r);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) assert_non_null(json_object_get(json_object_get(v, wanted[i]), "meaning"));
    json_decref(v);
    btl_run_free(&r);
}

#define T(test) cmocka_unit_test_setup_teardown(test, btl_test_dir_setup, btl_test_dir_teardown)

BTL_TEST_MAIN(T(every_verb_explains_itself), T(unknown_verbs_and_options_are_answered_with_the_nearest), T(nothing_is_coloured_where_no_terminal_is),
              T(literals_of_every_kind_are_read), T(literals_that_do_not_fit_are_refused_with_their_place),
              T(arguments_that_are_unknown_missing_or_doubled_are_named), T(sizes_that_disagree_are_told_in_numbers), T(sizes_whose_product_overflows_are_refused),
              T(files_that_widen_are_converted_and_losing_ones_refused), T(damaged_and_foreign_npy_files_are_named), T(standard_input_gives_the_program_or_an_argument),
              T(results_written_by_o_are_read_back), T(a_run_that_fails_writes_nothing), T(failed_assertions_of_the_program_exit_with_5),
              T(full_disks_are_told_and_leave_nothing), T(states_go_on_from_run_to_run), T(minibatches_of_uneven_sizes_add_up),
              T(shuffled_minibatches_visit_every_row_once_in_a_known_order), T(minibatches_that_cannot_be_cut_are_explained),
              T(an_interrupted_run_saves_and_exits_with_130), T(all_mistakes_of_a_program_are_shown_at_once), T(bytes_that_are_no_text_and_deep_nesting_are_survived),
              T(check_tells_what_functions_take_and_return), T(check_verifies_gradients_and_compares_modes), T(check_compares_with_stored_results),
              T(check_shows_where_f64_comes_from), T(what_print_prints_is_a_program_that_prints_the_same), T(grad_appends_a_gradient_that_can_be_run),
              T(ops_and_rules_are_listed_and_explained), T(rules_of_ones_own_are_read_shown_tried_and_used), T(opt_tells_which_rule_did_what_where),
              T(bisect_finds_the_rule_that_lies), T(doctor_and_version_tell_what_is_there))
