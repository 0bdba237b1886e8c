/* arrange_test.c - results in the place of operands: the bits that come without, less memory, and a state that a failed
 * call leaves as it was.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "made.h"

#include "random_step.h"
#include "vm/function.h"

#include <stdio.h>
#include <string.h>

/* Slots whose value lies in the place of another, in the arena or in the state. */
static int in_place(const made *m, vm_storage where) {
    int n = 0;
    for (int i = 0; i < m->f->nslots; i++) n += m->f->slots[i].into >= 0 && m->f->slots[i].storage == where;
    return n;
}

/* ---- what is decided --------------------------------------------------------------------------- */

static void expect(const char *text, int in_arena, int in_state) {
    made m = make(text, "fast_run,linker=strips"), off = make(text, "fast_run,linker=strips,without=inplace");
    if (in_place(&m, STORE_ARENA) != in_arena || in_place(&m, STORE_SHARED) != in_state)
        BTL_FAIL("%d in the arena, %d in the state; expected %d, %d\n%s", in_place(&m, STORE_ARENA), in_place(&m, STORE_SHARED), in_arena, in_state, text);
    assert_int_equal(in_place(&off, STORE_ARENA) + in_place(&off, STORE_SHARED), 0);
    drop(&m), drop(&off);
}

BTL_TEST(decisions) {
    expect("input x: f64[9, 9]\na = x @ x\nb = a + 1\noutput b @ b\n", 1, 0);
    expect("input x: f64[9, 9]\na = x @ x\nb = a + 1\noutput b @ a\n", 0, 0);                            /* a is read behind */
    expect("input x: f64[9, 9]\na = x @ x\nb = a + 1\noutput a @ a, b @ b\n", 1, 0);                     /* a @ a can run before */
    expect("input x: f64[9, 9]\nb = x + 1\noutput b @ b\n", 0, 0);                                       /* an argument */
    expect("input x: f64[9, 9]\na = x @ x\nb = a.T + a\noutput b @ b\n", 0, 0);                          /* elements elsewhere */
    expect("input x: f64[9, 9]\na = x @ x\nb = a.T + 1\noutput b @ b\n", 1, 0);                          /* x.T @ x.T */
    expect("input x: f64[9, 9]\na = x @ x\nb = a + a[0]\noutput b @ b\n", 0, 0);                         /* its row is read by all rows */
    expect("shared w: f64[9] = zeros([9])\ninput x: f64[9]\nupdate w = w + x\n", 0, 1);
    expect("shared w: f64[9] = zeros([9])\ninput x: f64[9]\noutput w\nupdate w = w + x\n", 0, 0);        /* the old value is a result */
    expect("shared w: f64[9] = zeros([9])\ninput x: f64[9]\noutput w[::-1]\nupdate w = w + x\n", 0, 0);  /* and a view of it */
    expect("shared w: f64[9] = zeros([9])\nshared v: f64[9] = zeros([9])\nupdate w = v + 1\nupdate v = w * 2\n", 0, 0); /* they change places */
    expect("shared w: f64[9] = zeros([9])\nshared v: f64[9] = zeros([9])\nupdate w = w + v\nupdate v = v * 2\n", 0, 2); /* w first */
    expect("shared w: f64[9] = zeros([9])\ninput i: i64\noutput w[i] + 1\nupdate w = w + 1\n", 0, 1);     /* behind what can fail */
    expect("shared w: f64[9] = zeros([9])\ninput i: i64\nnew = w + 1\noutput new[i]\nupdate w = new\n", 0, 0); /* before it: not */
    expect("shared w: f64[20, 30] = zeros([20, 30])\ninput x: f64[20, 9]\ninput y: f64[9, 30]\nupdate w = w - 0.1 * (x @ y)\n", 0, 1);          /* gemm */
    expect("shared w: f64[20, 30] = zeros([20, 30])\ninput x: f64[20, 9]\ninput y: f64[9, 30]\noutput w\nupdate w = w - 0.1 * (x @ y)\n", 0, 0);
    expect("shared w: f64[20, 20] = zeros([20, 20])\ninput x: f64[20, 20]\nupdate w = w - 0.1 * (x @ w)\n", 0, 0);                       /* it reads w itself */
    expect("shared w: f64[9, 9] = zeros([9, 9])\ninput x: f64[9, 9]\nupdate w = w - 0.1 * (x @ x + exp(x) @ x)\n", 0, 1);                   /* into w rather than over a product */
    expect("input x: f64[20, 20]\na = x @ x\noutput (a + exp(x) @ x) @ x\n", 1, 0);
    expect("input x: f64[20, 20]\na = x @ x\noutput (a + exp(x) @ x) @ a\n", 0, 0);
    expect("input x: f64[9, 9]\na = x @ x\nb = set_subtensor(a[1], x[0])\noutput b @ b\n", 1, 0);
    expect("input x: f64[9, 9]\na = x @ x\nb = inc_subtensor(a[1], x[0])\noutput b @ a\n", 0, 0);
    expect("input x: f64[9, 9]\na = x @ x\nb = inc_subtensor(a[1], a[0])\noutput b @ b\n", 0, 0);                                      /* it reads what it writes over */
    expect("shared w: f64[9] = zeros([9])\ninput i: i64\ninput x: f64\nupdate w = set_subtensor(w[i], x)\n", 0, 1);                      /* tests its index first */
    expect("shared w: f64[9] = zeros([9])\nshared v: f64[9] = zeros([9])\ninput i: i64\ninput x: f64\nupdate w = set_subtensor(w[i], x)\nupdate v = v + 1\n", 0, 2);
    expect("shared w: f64[9] = zeros([9])\nshared v: f64[9] = zeros([9])\ninput i: i64\ninput x: f64\nupdate w = set_subtensor(w[i], x)\nupdate v = set_subtensor(v[i], x)\n", 0, 1); /* one of two */
}

/* Parts of a value are written over by what is made of them. */
BTL_TEST(parts_are_written_over_apart) {
    expect("input x: f64[16, 16]\na = x @ x\noutput sum(tanh(a[:8]) @ exp(a[8:]).T)\n", 2, 0);
    expect("input x: f64[16, 16]\na = x @ x\noutput sum(tanh(a[:9]) @ exp(a[7:]).T)\n", 1, 0);                    /* they share rows: one of them, behind the other */
    expect("input x: f64[16, 16]\na = x @ x\noutput sum(tanh(a[:8]) @ exp(a[8:]).T) + a[0, 0]\n", 1, 0);          /* a[0, 0] is read behind, and is none of a[8:] */
    expect("input x: f64[16, 16]\na = x @ x\nb = tanh(a[:8])\noutput sum((b @ a[8:].T) @ exp(a[8:]))\n", 2, 0);   /* exp(a[8:]) waits for b */
    expect("input x: f64[16, 16]\na = x @ x\noutput sum(tanh(a[:, :8]) @ exp(a[:, 8:]).T)\n", 0, 0);              /* rows that lie apart */
    expect("input x: f64[16, 16]\na = x @ x\noutput sum(tanh(a[:3]) @ exp(a[3:6]).T)\n", 2, 0);                   /* 3 rows: 384 bytes */
    expect("input x: f64[15, 15]\na = x @ x\noutput sum(tanh(a[:3]) @ exp(a[3:6]).T)\n", 1, 0);                   /* 360: where a product's operand lies shows */
    expect("input x: f64[16, 16]\ninput i: i64\na = x @ x\noutput sum(tanh(a[i]) * a[0])\n", 0, 0);              /* it depends */
    expect("input x: f64[n, 16]\na = x @ x.T @ x\nb = x @ tanh(a[0])\nc = x @ tanh(a[1])\noutput sum(b * c)\n", 2, 0);      /* rows of any number of rows */
}

/* Results, and what they are written over, lie in a result's memory: that many overwrites there. */
static void expect_results(const char *text, int in_results, int64_t arena) {
    made m = make(text, "fast_run,linker=strips"), off = make(text, "fast_run,linker=strips,without=inplace");
    int64_t taken;
    planned(text, "fast_run,linker=strips", &taken);
    if (in_place(&m, STORE_OUTPUT) != in_results || taken != arena)
        BTL_FAIL("%d in results, arena of %lld bytes; expected %d, %lld\n%s", in_place(&m, STORE_OUTPUT), (long long)taken, in_results, (long long)arena, text);
    assert_int_equal(in_place(&off, STORE_OUTPUT), 0);
    drop(&m), drop(&off);
}

BTL_TEST(results_are_written_over_what_dies_with_their_kernel) {
    expect_results("input x: f64[16, 16]\na = x @ x\noutput y = a + 1\n", 1, 0);
    expect_results("input x: f64[16, 16]\na = x @ x\noutput y = tanh(a), z = a[0, 0] * 2\n", 1, 0);                      /* z first */
    expect_results("input x: f64[16, 16]\na = x @ x\noutput y = a + 1, z = exp(a) @ a\n", 1, 2048);                   /* exp(a) @ a first; exp(a) lies in the arena */
    expect_results("input x: f64[16, 16]\na = x @ x\noutput y = a + 1, z = a\n", 0, 0);                               /* a is a result itself */
    expect_results("input x: f64[16, 16]\na = x @ x\noutput y = a + a.T\n", 0, 2048);                                 /* elements elsewhere */
    expect_results("input x: f64[16, 16]\na = x @ x\nb = set_subtensor(a[1], x[0])\noutput y = tanh(b)\n", 2, 0);     /* one over the other */
    expect_results("input x: f64[16, 9]\ninput v: f64[9]\ninput w: f64[16]\noutput y = w - 0.1 * (x @ v)\n", 1, 0);   /* [16, 1], seen as [16] */
    expect_results("input x: f64[16, 16]\na = x @ x\noutput y = reshape(tanh(a) @ x, shape=[256]) * 2\n", 1, 2048); /* tanh over a, in the arena */
    expect_results("shared w: f64[9] = zeros([9])\ninput x: f64[9]\nd = w - x * x\noutput y = w * 2\nupdate w = d\n", 0, 0);
    expect_results("input x: f64[16, 16]\na = x @ x\noutput y = inc_subtensor(a[::-1], a)\n", 0, 2048);                /* it reads what it writes over */
}

/* ---- failure ----------------------------------------------------------------------------------- */

static void read_w(const made *m, double w[3]) {
    btl_array a = { 0 };
    btl_error err = { 0 };
    BTL_ASSERT_OK(btl_state_get(m->state, "w", &a, &err));
    memcpy(w, btl_array_data(&a), 3 * sizeof *w);
    btl_array_free(&a);
}

BTL_TEST(a_failed_call_changes_nothing) {
    static const char *const texts[] = { "w[i]", "w[i] + 0", "exp(w)[i] * 0 + w[i]", "x[i] * 0 + w[2]" };
    static const char *const modes[] = { "fast_run,linker=strips", "fast_run,linker=c", "fast_run,linker=vm", "c_code", "fast_compile" };
    for (size_t k = 0; k < 4 * sizeof modes / sizeof *modes; k++) {
        char text[300];
        snprintf(text, sizeof text, "shared w: f64[3] = [1, 2, 3]\nshared x: f64[3] = [4, 5, 6]\ninput i: i64\noutput y = %s\nupdate w = w * 2\n", texts[k % 4]);
        made m = make(text, modes[k / 4]);
        int64_t index = 7;
        double w[3], y = 0;
        btl_array in = btl_array_wrap(BTL_I64, 0, NULL, &index), out = btl_array_wrap(BTL_F64, 0, NULL, &y);
        btl_error err = { 0 };
        assert_int_not_equal(btl_call(m.f, m.state, &in, &out, NULL, &err), BTL_OK);
        read_w(&m, w);
        assert_true(w[0] == 1 && w[1] == 2 && w[2] == 3);
        index = 2;
        BTL_ASSERT_OK(btl_call(m.f, m.state, &in, &out, NULL, &err));
        read_w(&m, w);
        assert_true(y == 3 && w[0] == 2 && w[1] == 4 && w[2] == 6);
        drop(&m);
    }
}

/* Two states, of which one has a part written at an index: out of range, both stay. */
BTL_TEST(a_part_that_can_t_be_written_changes_nothing) {
    static const char *const modes[] = { "fast_run,linker=strips", "fast_run,linker=c", "fast_run,linker=vm", "fast_run,linker=strips,policy=each,gc=on", "fast_compile" };
    for (size_t k = 0; k < sizeof modes / sizeof *modes; k++) {
        made m = make("shared w: f64[3] = [1, 2, 3]\nshared v: f64[3] = [1, 1, 1]\ninput i: i64[2]\noutput y = sum(v)\nupdate w = inc_subtensor(w[i], [10.0, 20.0])\nupdate v = v + 1\n", modes[k]);
        int64_t index[2] = { 1, 3 }, shape[1] = { 2 };
        double w[3], y = 0;
        btl_array in = btl_array_wrap(BTL_I64, 1, shape, index), out = btl_array_wrap(BTL_F64, 0, NULL, &y);
        btl_error err = { 0 };
        assert_int_equal(in_place(&m, STORE_SHARED), 2);
        BTL_ASSERT_STATUS(btl_call(m.f, m.state, &in, &out, NULL, &err), BTL_EINDEX);
        read_w(&m, w);
        assert_true(w[0] == 1 && w[1] == 2 && w[2] == 3);
        index[1] = 1;
        for (int step = 0; step < 2; step++) BTL_ASSERT_OK(btl_call(m.f, m.state, &in, &out, NULL, &err));
        read_w(&m, w);
        assert_true(y == 6 && w[0] == 1 && w[1] == 62 && w[2] == 3);
        drop(&m);
    }
}

/* A node that a guard refuses, be it the new value itself, ends the call: the state stays. */
BTL_TEST(a_guard_that_ends_a_call_changes_nothing) {
    static const char *const texts[] = { "update w = log(w - 2)\n", "new = w * 2\noutput log(new - 3)\nupdate w = new\n" };
    static const char *const modes[] = { "nan_guard", "nan_guard,linker=strips", "nan_guard,with=inplace" };
    for (int k = 0; k < 6; k++) {
        char text[200];
        snprintf(text, sizeof text, "shared w: f64[3] = [1, 2, 3]\n%s", texts[k % 2]);
        made m = make(text, modes[k / 2]);
        btl_error err = { 0 };
        btl_array out = { 0 };
        double w[3];
        BTL_ASSERT_STATUS(btl_call(m.f, m.state, NULL, &out, NULL, &err), BTL_ENAN);
        read_w(&m, w);
        assert_true(w[0] == 1 && w[1] == 2 && w[2] == 3);
        drop(&m);
    }
}

/* ---- random steps of training ------------------------------------------------------------------ */

static void run_steps(made *m, double results[3][32], double states[3][16]) {
    double x[16];
    int64_t shape[2] = { 4, 4 };
    btl_error err = { 0 };
    for (int i = 0; i < 16; i++) x[i] = 0.1 * i - 0.7;
    for (int step = 0; step < 3; step++) {
        btl_array in = btl_array_wrap(BTL_F64, 2, shape, x);
        btl_array out[2] = { btl_array_wrap(BTL_F64, 2, shape, results[step]), btl_array_wrap(BTL_F64, 2, shape, results[step] + 16) };
        BTL_ASSERT_OK(btl_call(m->f, m->state, &in, out, NULL, &err));
    }
    for (int i = 0; i < btl_state_nshared(m->state) && i < 3; i++) {
        btl_array a = { 0 };
        BTL_ASSERT_OK(btl_state_get(m->state, random_step_states[i], &a, &err));
        memcpy(states[i], btl_array_data(&a), sizeof states[i]);
        btl_array_free(&a);
    }
}

static void compare(const char *text, const char *mode, int *overwrites, int *in_results) {
    char off[100];
    double results[2][3][32] = { { { 0 } } }, states[2][3][16] = { { { 0 } } };
    snprintf(off, sizeof off, "%s,without=inplace", mode);
    made with = make(text, mode), without = make(text, off);
    run_steps(&with, results[0], states[0]), run_steps(&without, results[1], states[1]);
    if (memcmp(results[0], results[1], sizeof results[0]) != 0 || memcmp(states[0], states[1], sizeof states[0]) != 0) BTL_FAIL("%s: other bits\n%s", mode, text);
    *overwrites += in_place(&with, STORE_ARENA) + in_place(&with, STORE_SHARED) + in_place(&with, STORE_OUTPUT), *in_results += in_place(&with, STORE_OUTPUT);
    drop(&with), drop(&without);
}

BTL_TEST(the_bits_are_those_without) {
    btl_rng r = { btl_test_seed() };
    char text[4000];
    int overwrites = 0, results = 0;
    for (int i = 0; i < 400; i++) {
        random_step(&r, text, sizeof text);
        compare(text, "fast_run,linker=strips", &overwrites, &results);
        compare(text, "fast_compile", &overwrites, &results);
        if (i % 40 == 0) compare(text, "fast_run,linker=c", &overwrites, &results);
    }
    print_message("%d overwrites, %d of them in results\n", overwrites, results);
    assert_true(overwrites > 400 && results > 100);
}

BTL_TEST_MAIN(cmocka_unit_test(decisions), cmocka_unit_test(parts_are_written_over_apart), cmocka_unit_test(results_are_written_over_what_dies_with_their_kernel), cmocka_unit_test(a_failed_call_changes_nothing), cmocka_unit_test(a_part_that_can_t_be_written_changes_nothing), cmocka_unit_test(a_guard_that_ends_a_call_changes_nothing), cmocka_unit_test(the_bits_are_those_without))
