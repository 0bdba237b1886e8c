/* support.h - what tests share: cmocka, and above it what it lacks for numbers, memory and programs.
 *
 *     #include "support.h"
 *
 *     BTL_TEST(exp_of_zero_is_one) { BTL_ASSERT_ULP(exp(0), 1, 0); }
 *
 *     BTL_TEST_MAIN(cmocka_unit_test(exp_of_zero_is_one))
 *
 * A test's name is a sentence. The program takes `-k PATTERN` (run the tests whose name contains it)
 * and `-s SEED`. Expected values come from mathematics, never from our own earlier output.
 *
 * Everything here fails the running test itself, with the place of the call; nothing returns a
 * status. Environment: BTL_SEED (a number or "random"), BTL_BLESS=1 (golden files are rewritten),
 * BTL_SOURCE_DIR, BTL_BINARY_DIR, BTL_PROGRAM (set by CTest).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TEST_SUPPORT_H
#define BTL_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bitale/base.h"

/* ---- tests ------------------------------------------------------------------------------- */

#define BTL_TEST(name) static void name(__attribute__((unused)) void **state)

#define BTL_TEST_MAIN(...)                                                                        \
    int main(int argc, char **argv) {                                                             \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                        \
        btl_test_options(argc, argv);                                                             \
        return cmocka_run_group_tests(tests, NULL, NULL);                                         \
    }

/* Reads -k and -s; called by BTL_TEST_MAIN. */
void btl_test_options(int argc, char **argv);

/* Fails the running test with a message. */
#define BTL_FAIL(...) btl_test_fail(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void btl_test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The call returns BTL_OK, or fails with the given status. */
#define BTL_ASSERT_OK(call) btl_test_status(__FILE__, __LINE__, #call, (call), BTL_OK)
#define BTL_ASSERT_STATUS(call, expected) btl_test_status(__FILE__, __LINE__, #call, (call), (expected))
void btl_test_status(const char *file, int line, const char *call, btl_status got, btl_status want);

/* The text contains the part; both are printed if it does not. */
#define BTL_ASSERT_CONTAINS(text, part) btl_test_contains(__FILE__, __LINE__, (text), (part))
void btl_test_contains(const char *file, int line, const char *text, const char *part);

/* A CBLAS of this machine to ask for by name, also one that Bitale leaves aside as slow; NULL: there is none. */
const char *btl_test_blas(void);

/* ---- numbers ----------------------------------------------------------------------------- */

/* How many floating-point numbers lie between the two: 0 for equal ones, for -0 and 0, and for two
 * NaN; UINT64_MAX if only one of them is NaN. Infinity is the neighbour of the largest number. */
uint64_t btl_ulps_f32(float a, float b);
uint64_t btl_ulps_f64(double a, double b);

/* Two numbers (double) at most so many ulp apart; or |got - want| <= tolerance, both NaN is equal. */
#define BTL_ASSERT_ULP(got, want, ulps) btl_test_ulp(__FILE__, __LINE__, #got, (got), (want), (ulps))
#define BTL_ASSERT_ULP_F32(got, want, ulps)                                                       \
    btl_test_ulp_f32(__FILE__, __LINE__, #got, (got), (want), (ulps))
#define BTL_ASSERT_NEAR(got, want, tolerance)                                                     \
    btl_test_near(__FILE__, __LINE__, #got, (got), (want), (tolerance))
void btl_test_ulp(const char *file, int line, const char *what, double got, double want, uint64_t ulps);
void btl_test_ulp_f32(const char *file, int line, const char *what, float got, float want, uint64_t ulps);
void btl_test_near(const char *file, int line, const char *what, double got, double want, double tolerance);

/* How far an element may lie from what is wanted: far enough if it passes either limit.
 *     |got - want| <= absolute + relative * |want|      or      ulp distance <= ulps
 * The ulp are those of the array's own type (f16 and bf16 too). Integers: ulps is the difference. */
typedef struct btl_tolerance {
    double relative, absolute;
    uint64_t ulps;
    bool zero_signs; /* -0 and 0 are different */
} btl_tolerance;

/* Two arrays of one type and shape (any strides), element by element. `op` says in the message what
 * was tried. It prints op, type, shape, how many differ, the first and the worst with their index,
 * values and distance, and the seed. */
#define BTL_ASSERT_ARRAYS(op, got, want, ...)                                                     \
    btl_test_arrays(__FILE__, __LINE__, (op), (got), (want), (btl_tolerance){ __VA_ARGS__ })
/* The same elements, bit for bit (any NaN equals any NaN). */
#define BTL_ASSERT_ARRAYS_EQUAL(op, got, want) BTL_ASSERT_ARRAYS(op, got, want, .zero_signs = true)
void btl_test_arrays(const char *file, int line, const char *op, const btl_array *got,
                     const btl_array *want, btl_tolerance tolerance);

/* Plain memory as an array that lives as long as the block it is written in:
 *     BTL_ASSERT_ARRAYS("add", &y, BTL_TEST_ARRAY(BTL_F32, expected, 2, 3), .ulps = 1); */
#define BTL_TEST_ARRAY(type_, memory_, ...)                                                       \
    (&(btl_array){ .data = (void *)(uintptr_t)(memory_),                                          \
                   .device = { 1, 0 },                                                            \
                   .ndim = (int32_t)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)),       \
                   .dtype = btl_test_dl_dtype(type_),                                             \
                   .shape = (int64_t[]){ __VA_ARGS__ } })
btl_dl_dtype btl_test_dl_dtype(btl_dtype dtype);

/* ---- random numbers ---------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea & Flood 2014). Begin with `btl_rng r = { btl_test_seed() }`: the same in
 * every run, unless BTL_SEED or -s says otherwise; printed by every assertion that fails. */
typedef struct btl_rng { uint64_t state; } btl_rng;
uint64_t btl_test_seed(void);
uint64_t btl_rng_u64(btl_rng *r);
uint64_t btl_rng_below(btl_rng *r, uint64_t n);                  /* 0 … n-1, n > 0 */
double btl_rng_uniform(btl_rng *r, double low, double high);    /* low <= x < high */
double btl_rng_normal(btl_rng *r);

/* ---- memory that runs out ---------------------------------------------------------------- */

/* An allocator that counts, checks what it is told (old_bytes, nothing freed twice or left), and
 * fails: the `fail_at`-th allocation, counted from 1, and with `stays` all that follow. Freeing and
 * shrinking never fail. May be used from any thread. */
typedef struct btl_test_memory {
    long fail_at; /* 0: never */
    bool stays;
    /* what it saw */
    long allocations, live;
    size_t live_bytes, peak_bytes;
    bool failed;
} btl_test_memory;
void *btl_test_alloc(void *user, void *ptr, size_t old_bytes, size_t bytes);
/* Options for a context on that memory. */
btl_context_options btl_test_context_options(btl_test_memory *memory);

/* Runs body(ctx, arg) with the first allocation failing, the second, and so on until one run needs
 * no more; once with only the nth failing and once with all from the nth on. Each run must return
 * BTL_ENOMEM, or BTL_OK if it could do without; must leave nothing allocated; and the last one must
 * return BTL_OK. Returns the number of allocations. The context is made inside, and fails as well. */
#define BTL_ASSERT_SURVIVES_ENOMEM(body, arg) btl_test_each_failure(__FILE__, __LINE__, (body), (arg))
long btl_test_each_failure(const char *file, int line, btl_status (*body)(btl_context *ctx, void *arg),
                           void *arg);

/* Is time asserted, too (BTL_TIMED is set; `make growth`)? By default only what does not depend on the
 * machine's load is. */
bool btl_test_timed(void);

/* ---- files ------------------------------------------------------------------------------- */

/* A new empty folder, below the test's working folder; removed with all that is in it. As cmocka's
 * setup and teardown: `cmocka_unit_test_setup_teardown(test, btl_test_dir_setup, btl_test_dir_teardown)`,
 * then `*state` is the btl_test_dir. */
typedef struct btl_test_dir { char path[512]; } btl_test_dir;
void btl_test_dir_make(btl_test_dir *dir);
void btl_test_dir_remove(btl_test_dir *dir);
int btl_test_dir_setup(void **state);
int btl_test_dir_teardown(void **state);

/* "DIR/NAME" in one of 16 buffers used in turn; DIR NULL is the repository. */
const char *btl_test_path(const char *dir, const char *name);
/* A whole file, with a 0 behind it; free() it. `bytes` may be NULL. */
char *btl_test_read(const char *path, size_t *bytes);
void btl_test_write(const char *path, const void *data, size_t bytes);
/* A copy of the text with each `from` replaced; free() it. For paths in golden texts. */
char *btl_test_replace(const char *text, const char *from, const char *to);

/* The text equals the file test/golden/NAME; if not, shows the first line that differs and both
 * texts. With BTL_BLESS=1 writes the file instead (to be read in review). */
#define BTL_ASSERT_GOLDEN(name, text) btl_test_golden(__FILE__, __LINE__, (name), (text))
void btl_test_golden(const char *file, int line, const char *name, const char *text);

/* ---- programs ---------------------------------------------------------------------------- */

/* A finished program: exit code (128 + signal if it was killed) and all it wrote. */
typedef struct btl_run {
    int code;
    char *out, *err; /* 0-terminated */
    size_t out_bytes, err_bytes;
} btl_run;

/* Runs a program to its end, started directly (no shell): `BTL_RUN("check", "a.bitale")` runs the
 * command, BTL_PROGRAM. Free the result with btl_run_free. */
#define BTL_RUN(...) btl_test_run(NULL, NULL, (const char *const[]){ NULL, __VA_ARGS__, NULL })
/* In the folder `dir` (NULL: here), with `input` as standard input (NULL: empty). argv[0] NULL is the
 * command. */
btl_run btl_test_run(const char *dir, const char *input, const char *const argv[]);
void btl_run_free(btl_run *run);
/* Ended with that code; what it wrote is shown if not. */
#define BTL_ASSERT_EXIT(run, expected) btl_test_exit(__FILE__, __LINE__, (run), (expected))
void btl_test_exit(const char *file, int line, const btl_run *run, int expected);

#endif
