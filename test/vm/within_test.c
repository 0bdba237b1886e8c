/* within_test.c - operands that are made in their place of what is put together from them: which ones, the bits that come without, less memory.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "made.h"

#include "vm/function.h"

#include <stdio.h>
#include <string.h>

static int parts(const btl_function *f) {
    int n = 0;
    for (int i = 0; i < f->nslots; i++) n += f->slots[i].whole >= 0;
    return n;
}

/* ---- what is decided --------------------------------------------------------------------------- */

static void expect(const char *text, int wanted) {
    made m = make(text, "fast_run,linker=strips"), off = make(text, "fast_run,linker=strips,without=inplace");
    if (parts(m.f) != wanted) BTL_FAIL("%d parts, expected %d\n%s", parts(m.f), wanted, text);
    assert_int_equal(parts(off.f), 0);
    drop(&m), drop(&off);
}

BTL_TEST(decisions) {
    expect("input x: f64[8, 8]\noutput concatenate([exp(x), sin(x)])\n", 2);
    expect("input x: f64[8, 8]\noutput concatenate([exp(x), sin(x)], axis=1)\n", 2);
    expect("input x: f64[8, 8]\noutput stack([exp(x), sin(x)])\n", 2);                            /* through a view that leaves it as it is */
    expect("input x: f64[8, 8]\noutput concatenate([exp(x).T, sin(x).T])\n", 0);                  /* others */
    expect("input x: f64[8, 8]\noutput concatenate([x, exp(x)])\n", 1);                           /* an argument is copied */
    expect("input x: f64[8, 8]\na = exp(x)\noutput concatenate([a, a])\n", 1);                    /* twice: one of them */
    expect("input x: f64[8, 8]\na = exp(x)\noutput concatenate([a, sin(x)]), a @ a\n", 2);        /* others may read it there, at a multiple of 64 bytes */
    expect("input x: f64[3, 3]\na = exp(x)\nb = sin(x)\noutput concatenate([a, b]), b @ b\n", 1);   /* not where a BLAS's bits might change */
    expect("input x: f64[8, 8]\na = exp(x)\noutput concatenate([a, sin(x)]), a\n", 1);            /* a result has memory of its own */
    expect("input x: f64[8, 8]\noutput concatenate([x @ x, sin(x)])\n", 2);                       /* a product */
    expect("input x: f64[8, 8]\noutput concatenate([x @ x, sin(x)], axis=1)\n", 1);               /* whose rows may not lie apart */
    expect("input x: f64[8, 8]\noutput concatenate([concatenate([exp(x), sin(x)]) * 2, tan(x)])\n", 4);          /* two in each */
    expect("input x: f64[8, 1]\noutput concatenate([exp(x), sin(x)], axis=1)\n", 0);              /* elements that lie apart */
}

/* ---- what lives ------------------------------------------------------------------------------------ */

/* Eight exponentials of 64 KiB: the result is all that there is. Copied, all of them wait beside it. */
BTL_TEST(a_whole_result_is_all_that_is_taken) {
    char text[1000];
    int at = snprintf(text, sizeof text, "input x: f32[128, 128]\noutput y = concatenate([");
    for (int i = 0; i < 8; i++) at += snprintf(text + at, sizeof text - (size_t)at, "%sexp(x * %d)", i ? ", " : "", i + 1);
    snprintf(text + at, sizeof text - (size_t)at, "])\n");
    int64_t arena, copied;
    assert_int_equal(planned(text, "fast_run,linker=strips", &arena), 8 * 65536);
    assert_int_equal(arena, 0);
    assert_int_equal(planned(text, "fast_run,linker=strips,without=inplace", &copied), 16 * 65536);
    assert_int_equal(copied, 8 * 65536);
}

/* A whole's memory is taken when its first part is made. Here 64 x 5000 numbers live between a and s: the whole, of 32 KiB, would lie beside them in
 * a's place, of 16 KiB, so a is copied in the end: a, the product and what is made of it. */
BTL_TEST(the_peak_is_not_above_that_without) {
    static const char far[] = "input x: f32[64, 64]\ninput m: f32[64, 5000]\ninput m2: f32[5000, 64]\ninput k: f32[64, 8]\na = exp(x)\ns = tanh((a @ m) @ m2)\nc = concatenate([a, s])\noutput y = sum(c @ k)\n";
    int64_t arena;
    assert_int_equal(planned(far, "fast_run,linker=strips", &arena), 4 * (64 * 64 + 64 * 5000 + 64 * 64));
}

/* ---- random programs ------------------------------------------------------------------------------ */

enum { RESULT = 4000 };
static int pick(btl_rng *r, int n) { return (int)btl_rng_below(r, (uint64_t)n); }

/* Values of [r, c], both from 1 to a few; joins along either axis, read by others, too, and joined again. */
static void random_joins(btl_rng *r, char *text, size_t bytes) {
    static const char *const maps[] = { "exp(-$ * $)", "sin($) + 0.25", "0.5 - tanh($ * $)", "tanh($)", "where($ > 0.1, $, -$)", "$ @ w", "max($, axis=1, keepdims=true) - $", "$[::-1] * 0.5",
                                        "set_subtensor($[0], $[1])", "cos($.T.T)" };
    int rows[24], cols[24], n = 1;
    size_t at = (size_t)snprintf(text, bytes, "input x: f64[n, 4]\nshared w: f64[4, 4] = eye(4)\nt0 = x\n");
    rows[0] = 1, cols[0] = 4; /* rows in n */
    while (n < 12) {
        int a = pick(r, n), b = pick(r, n), c = pick(r, n), kind = pick(r, 3);
        at += (size_t)snprintf(text + at, bytes - at, "t%d = ", n);
        rows[n] = rows[a], cols[n] = cols[a];
        if (kind == 0 && cols[a] == cols[b] && cols[b] == cols[c] && rows[a] + rows[b] + rows[c] < 9) {
            at += (size_t)snprintf(text + at, bytes - at, "concatenate([t%d, t%d, t%d])\n", a, b, c);
            rows[n++] = rows[a] + rows[b] + rows[c];
        } else if (kind == 1 && rows[a] == rows[b] && cols[a] + cols[b] < 40) {
            at += (size_t)snprintf(text + at, bytes - at, "concatenate([t%d, t%d], axis=1)\n", a, b);
            cols[n++] = cols[a] + cols[b];
        } else {
            const char *f = maps[pick(r, (int)(sizeof maps / sizeof *maps))];
            if (strchr(f, '@') && cols[a] != 4) f = maps[0];
            for (; *f; f++) at += (size_t)(*f == '$' ? snprintf(text + at, bytes - at, "t%d", a) : snprintf(text + at, bytes - at, "%c", *f));
            at += (size_t)snprintf(text + at, bytes - at, "\n");
            n++;
        }
    }
    at += (size_t)snprintf(text + at, bytes - at, "output y = t%d, z = t%d * 2\nupdate w = w * 0.5 + tanh(t%d[0, 0])\n", n - 1, n - 2 - pick(r, 3), pick(r, n));
}

static size_t run(made *m, int64_t n, double *results, int only, double w[16]) {
    double x[64];
    int64_t shape[2] = { n, 4 };
    btl_error err = { 0 };
    size_t used = 0;
    btl_array in = btl_array_wrap(BTL_F64, 2, shape, x);
    bool wanted[2] = { only != 1, only != 0 };
    btl_call_options o = { .struct_size = sizeof o, .wanted = only < 0 ? NULL : wanted };
    for (int i = 0; i < 64; i++) x[i] = 0.05 * i - 0.7;
    for (int step = 0; step < 2; step++) {
        btl_array out[2] = { { 0 }, { 0 } };
        if (btl_call(m->f, m->state, &in, out, &o, &err) != BTL_OK) BTL_FAIL("%s", err.message);
        for (int i = 0; i < 2; i++) {
            if (!wanted[i]) continue;
            size_t bytes = (size_t)(out[i].shape[0] * out[i].shape[1]) * sizeof(double);
            assert_true(used + bytes <= RESULT * sizeof(double));
            memcpy((char *)results + used, btl_array_data(&out[i]), bytes);
            used += bytes;
            btl_array_free(&out[i]);
        }
    }
    btl_array a = { 0 };
    BTL_ASSERT_OK(btl_state_get(m->state, "w", &a, &err));
    memcpy(w, btl_array_data(&a), 16 * sizeof *w);
    btl_array_free(&a);
    return used;
}

static void compare(const char *text, const char *mode, int *all) {
    static double results[2][RESULT];
    char off[100];
    double w[2][16];
    snprintf(off, sizeof off, "%s,without=inplace", mode);
    made with = make(text, mode), without = make(text, off);
    *all += parts(with.f);
    for (int only = -1; only < 2; only++)
        for (int64_t n = 2; n <= 5; n += 3) {
            size_t a = run(&with, n, results[0], only, w[0]), b = run(&without, n, results[1], only, w[1]);
            if (a != b || memcmp(results[0], results[1], a) != 0 || memcmp(w[0], w[1], sizeof w[0]) != 0) BTL_FAIL("%s: other bits, n=%d, only %d\n%s", mode, (int)n, only, text);
        }
    drop(&with), drop(&without);
}

BTL_TEST(the_bits_are_those_without) {
    static const char *const modes[] = { "fast_run,linker=strips", "fast_run,linker=strips,policy=each,gc=on", "fast_run,linker=strips,policy=reuse,gc=on", "fast_run,linker=strips,policy=reuse",
                                         "nan_guard,linker=strips,big=off" };
    btl_rng r = { btl_test_seed() };
    char text[4000];
    int all = 0;
    for (int i = 0; i < 120; i++) {
        random_joins(&r, text, sizeof text);
        for (size_t k = 0; k < sizeof modes / sizeof *modes; k++) compare(text, modes[k], &all);
        if (i % 20 == 0) compare(text, "fast_run,linker=c", &all);
        if (i % 20 == 1) compare(text, "fast_run,linker=vm", &all);
        if (i % 10 == 2) compare(text, "debug,linker=strips", &all);
    }
    print_message("%d parts\n", all);
    assert_true(all > 500);
}

BTL_TEST_MAIN(cmocka_unit_test(decisions), cmocka_unit_test(a_whole_result_is_all_that_is_taken), cmocka_unit_test(the_peak_is_not_above_that_without),
              cmocka_unit_test(the_bits_are_those_without))
