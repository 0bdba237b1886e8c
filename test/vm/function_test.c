/* function_test.c - functions, states and calls: what design.md promises of them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

typedef struct program { btl_context *ctx; btl_graph *g; btl_state *state; } program;

static program program_open(const char *text) {
    program p = { 0 };
    btl_error e = { 0 };
    BTL_ASSERT_OK(btl_context_new(NULL, &p.ctx));
    BTL_ASSERT_OK(btl_graph_new(p.ctx, &p.g));
    if (btl_graph_parse(p.g, text, strlen(text), "test.bitale") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(p.g));
    if (btl_state_new(p.g, &p.state, &e) != BTL_OK) BTL_FAIL("%s", e.message);
    return p;
}

static void program_close(program *p) {
    btl_state_free(p->state);
    btl_graph_free(p->g);
    btl_context_free(p->ctx);
}

static btl_function *function_of(const program *p, const char *name) {
    btl_function *f = NULL;
    btl_error e = { 0 };
    if (btl_function_new(p->g, btl_entry_find(p->g, name), NULL, &f, &e) != BTL_OK) BTL_FAIL("%s", e.message);
    return f;
}

static btl_status call(btl_function *f, btl_state *s, const btl_array *in, btl_array *out) {
    btl_error e = { 0 };
    btl_status status = btl_call(f, s, in, out, NULL, &e);
    if (status != BTL_OK) BTL_FAIL("%s", e.message);
    return status;
}

static double scalar_of(const program *p, const char *name) {
    btl_array a = { 0 };
    BTL_ASSERT_OK(btl_state_get(p->state, name, &a, NULL));
    double v = *(double *)btl_array_data(&a);
    btl_array_free(&a);
    return v;
}

BTL_TEST(updates_see_the_values_from_before_the_call) {
    program p = program_open("shared a: f64 = 1\nshared b: f64 = 2\nfunction swap():\n    update a = b\n    update b = a\n    output a + b\n");
    btl_function *f = function_of(&p, "swap");
    double sum;
    btl_array out = btl_array_wrap(BTL_F64, 0, NULL, &sum);
    call(f, p.state, NULL, &out);
    BTL_ASSERT_ULP(sum, 3, 0);
    BTL_ASSERT_ULP(scalar_of(&p, "a"), 2, 0);
    BTL_ASSERT_ULP(scalar_of(&p, "b"), 1, 0);
    btl_function_free(f);
    program_close(&p);
}

BTL_TEST(an_output_shows_a_shared_variable_as_it_was) {
    program p = program_open("shared a: f64[3] = 1\nfunction grow():\n    update a = a * 2\n    output before = a, view = a[1:]\n");
    btl_function *f = function_of(&p, "grow");
    btl_array out[2] = { { 0 }, { 0 } };
    call(f, p.state, NULL, out);
    double before[3] = { 1, 1, 1 };
    BTL_ASSERT_ARRAYS_EQUAL("before", &out[0], BTL_TEST_ARRAY(BTL_F64, before, 3));
    BTL_ASSERT_ARRAYS_EQUAL("view", &out[1], BTL_TEST_ARRAY(BTL_F64, before, 2));
    btl_array_free(&out[0]), btl_array_free(&out[1]);
    btl_function_free(f);
    program_close(&p);
}

BTL_TEST(one_function_runs_on_many_states_and_several_functions_on_one) {
    program p = program_open("shared n: f64 = 0\nfunction up(by: f64 = 1):\n    update n = n + by\n    output n\nfunction look():\n    output n * 10\n");
    btl_function *up = function_of(&p, "up"), *look = function_of(&p, "look");
    btl_state *other = NULL;
    BTL_ASSERT_OK(btl_state_copy(p.state, &other, NULL));
    double v, by = 5;
    btl_array out = btl_array_wrap(BTL_F64, 0, NULL, &v), in = btl_array_wrap(BTL_F64, 0, NULL, &by), missing = { 0 };
    call(up, p.state, &in, &out);
    call(up, other, &missing, &out);
    call(look, p.state, NULL, &out);
    BTL_ASSERT_ULP(v, 50, 0);
    call(look, other, NULL, &out);
    BTL_ASSERT_ULP(v, 10, 0);
    btl_state_swap(p.state, other);
    call(look, p.state, NULL, &out);
    BTL_ASSERT_ULP(v, 10, 0);
    btl_state_free(other);
    btl_function_free(up), btl_function_free(look);
    program_close(&p);
}

BTL_TEST(a_failed_call_leaves_the_state_as_it_was) {
    program p = program_open("shared a: f64 = 1\nfunction risky(x: f64[n], i: i64):\n    update a = a + 1\n    assert x[i] > 0, \"x must be positive\"\n    output x[i]\n");
    btl_function *f = function_of(&p, "risky");
    double x[3] = { 1, -2, 3 };
    int64_t n[1] = { 3 }, i = 7;
    btl_array in[2] = { btl_array_wrap(BTL_F64, 1, n, x), btl_array_wrap(BTL_I64, 0, NULL, &i) }, out = { 0 };
    btl_error e = { 0 };
    BTL_ASSERT_STATUS(btl_call(f, p.state, in, &out, NULL, &e), BTL_EINDEX);
    assert_int_equal(e.line == 4 || e.line == 5, 1);
    BTL_ASSERT_CONTAINS(e.message, "7");
    assert_null(out.data);
    i = 1;
    e = (btl_error){ 0 };
    BTL_ASSERT_STATUS(btl_call(f, p.state, in, &out, NULL, &e), BTL_EASSERT);
    BTL_ASSERT_CONTAINS(e.message, "x must be positive");
    BTL_ASSERT_ULP(scalar_of(&p, "a"), 1, 0);
    i = 2;
    call(f, p.state, in, &out);
    BTL_ASSERT_ULP(scalar_of(&p, "a"), 2, 0);
    btl_array_free(&out);
    btl_function_free(f);
    program_close(&p);
}

BTL_TEST(sizes_bind_anew_at_each_call_and_disagreements_are_named) {
    program p = program_open("input x: f64[n, m]\ninput y: f64[m]\noutput z = x * 2 + y, s = sum(x, axis=1)\n");
    btl_function *f = function_of(&p, NULL);
    double x[12], y[6], z[12], s[12];
    for (int i = 0; i < 12; i++) x[i] = i;
    for (int i = 0; i < 6; i++) y[i] = 100 * i;
    for (int64_t m = 1; m <= 6; m++) {
        if (12 % m) continue;
        int64_t xs[2] = { 12 / m, m }, ys[1] = { m }, ss[1] = { 12 / m };
        btl_array in[2] = { btl_array_wrap(BTL_F64, 2, xs, x), btl_array_wrap(BTL_F64, 1, ys, y) };
        btl_array out[2] = { btl_array_wrap(BTL_F64, 2, xs, z), btl_array_wrap(BTL_F64, 1, ss, s) };
        call(f, NULL, in, out);
        for (int i = 0; i < 12; i++) BTL_ASSERT_ULP(z[i], 2 * x[i] + y[i % m], 0);
        for (int64_t i = 0; i < 12 / m; i++) {
            double want = 0;
            for (int64_t k = 0; k < m; k++) want += x[i * m + k];
            BTL_ASSERT_ULP(s[i], want, 0);
        }
    }
    int64_t xs[2] = { 3, 4 }, ys[1] = { 5 };
    btl_array in[2] = { btl_array_wrap(BTL_F64, 2, xs, x), btl_array_wrap(BTL_F64, 1, ys, y) }, out[2] = { { 0 }, { 0 } };
    btl_error e = { 0 };
    BTL_ASSERT_STATUS(btl_call(f, NULL, in, out, NULL, &e), BTL_ESHAPE);
    BTL_ASSERT_CONTAINS(e.message, "y");
    BTL_ASSERT_CONTAINS(e.message, "5");
    BTL_ASSERT_CONTAINS(e.message, "m is 4");
    btl_function_free(f);
    program_close(&p);
}

BTL_TEST(a_result_may_overlap_an_argument) {
    program p = program_open("input x: f64[n]\noutput y = x[::-1] + 0\n");
    btl_function *f = function_of(&p, NULL);
    double x[5] = { 1, 2, 3, 4, 5 }, want[5] = { 5, 4, 3, 2, 1 };
    int64_t n[1] = { 5 };
    btl_array in = btl_array_wrap(BTL_F64, 1, n, x), out = btl_array_wrap(BTL_F64, 1, n, x);
    call(f, NULL, &in, &out);
    BTL_ASSERT_ARRAYS_EQUAL("reversed in place", &out, BTL_TEST_ARRAY(BTL_F64, want, 5));
    btl_function_free(f);
    program_close(&p);
}

BTL_TEST(strided_arguments_are_read_right) {
    program p = program_open("input x: f64[n, m]\noutput y = reshape(x, [n * m]) * 1\n");
    btl_function *f = function_of(&p, NULL);
    double x[6] = { 1, 2, 3, 4, 5, 6 }, want[6] = { 1, 4, 2, 5, 3, 6 };
    int64_t shape[2] = { 3, 2 }, strides[2] = { 1, 3 };
    btl_array in = btl_array_wrap(BTL_F64, 2, shape, x), out = { 0 };
    in.strides = strides;
    call(f, NULL, &in, &out);
    BTL_ASSERT_ARRAYS_EQUAL("transposed argument", &out, BTL_TEST_ARRAY(BTL_F64, want, 6));
    btl_array_free(&out);
    btl_function_free(f);
    program_close(&p);
}

BTL_TEST(only_wanted_results_are_computed) {
    program p = program_open("input x: f64[n]\ninput i: i64\noutput good = x + 1, bad = x[i]\n");
    btl_function *f = function_of(&p, NULL);
    double x[2] = { 1, 2 }, y[2];
    int64_t n[1] = { 2 }, i = 9;
    btl_array in[2] = { btl_array_wrap(BTL_F64, 1, n, x), btl_array_wrap(BTL_I64, 0, NULL, &i) };
    btl_array out[2] = { btl_array_wrap(BTL_F64, 1, n, y), { 0 } };
    bool wanted[2] = { true, false };
    btl_call_options o = { .wanted = wanted };
    BTL_ASSERT_OK(btl_call(f, NULL, in, out, &o, NULL));
    BTL_ASSERT_ULP(y[1], 3, 0);
    BTL_ASSERT_STATUS(btl_call(f, NULL, in, out, NULL, NULL), BTL_EINDEX);
    btl_function_free(f);
    program_close(&p);
}

BTL_TEST(givens_replace_any_variable) {
    program p = program_open("shared table: f64[4] = [1, 2, 3, 4]\noutput table\n");
    btl_var *i = btl_input(p.g, "i", "i64"), *x2 = btl_input(p.g, "z", "f64");
    btl_entry *by_index = btl_entry_new(p.g, "by_index");
    btl_var *picked = btl_expr(p.g, "table[i]", "i", i, NULL);
    btl_var *y = btl_expr(p.g, "z * z + 1", "z", x2, NULL);
    BTL_ASSERT_OK(btl_entry_add_input(p.g, by_index, i, NULL));
    BTL_ASSERT_OK(btl_entry_add_output(p.g, by_index, "y", y));
    btl_function_options o = { .ngivens = 1, .given_vars = &x2, .given_values = &picked };
    btl_function *f = NULL;
    btl_error err = { 0 };
    if (btl_function_new(p.g, by_index, &o, &f, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    int64_t k = 2;
    double v;
    btl_array in = btl_array_wrap(BTL_I64, 0, NULL, &k), out = btl_array_wrap(BTL_F64, 0, NULL, &v);
    call(f, p.state, &in, &out);
    BTL_ASSERT_ULP(v, 10, 0);
    btl_function_free(f);
    program_close(&p);
}

BTL_TEST(slices_with_bounds_known_at_run_time_run_within_their_bounds) {
    program p = program_open("input x: f64[n]\ninput i: i64\noutput s = sum(exp(x[i * 2 : (i + 1) * 2])), m = mean(x[i * 2 : (i + 1) * 2])\n");
    btl_function *f = function_of(&p, NULL);
    double x[5] = { 0, 1, 2, 3, 4 }, s, m;
    int64_t n[1] = { 5 }, i;
    btl_array in[2] = { btl_array_wrap(BTL_F64, 1, n, x), btl_array_wrap(BTL_I64, 0, NULL, &i) };
    btl_array out[2] = { btl_array_wrap(BTL_F64, 0, NULL, &s), btl_array_wrap(BTL_F64, 0, NULL, &m) };
    for (i = 0; i < 2; i++) {
        call(f, NULL, in, out);
        BTL_ASSERT_ULP(s, exp(x[2 * i]) + exp(x[2 * i + 1]), 4);
        BTL_ASSERT_ULP(m, (x[2 * i] + x[2 * i + 1]) / 2, 0);
    }
    call(f, NULL, in, out); /* i = 2: one element is left */
    BTL_ASSERT_ULP(m, 4, 0);
    btl_function_free(f);
    program_close(&p);
}

BTL_TEST(a_state_survives_saving_and_loading) {
    program p = program_open("shared w: f32[2, 3] = 1.5\nshared k: u32[2] = random.key(3)\nfunction f():\n    update w = w * 2\n    output sum(w)\n");
    btl_function *f = function_of(&p, "f");
    btl_test_dir dir;
    btl_test_dir_make(&dir);
    const char *path = btl_test_path(dir.path, "state.safetensors");
    btl_error e = { 0 };
    if (btl_state_save(p.state, path, &e) != BTL_OK) BTL_FAIL("%s", e.message);
    float sum;
    btl_array out = btl_array_wrap(BTL_F32, 0, NULL, &sum);
    call(f, p.state, NULL, &out);
    call(f, p.state, NULL, &out);
    BTL_ASSERT_ULP_F32(sum, 18, 0);
    if (btl_state_load(p.state, path, &e) != BTL_OK) BTL_FAIL("%s", e.message);
    call(f, p.state, NULL, &out);
    BTL_ASSERT_ULP_F32(sum, 9, 0);
    program q = program_open("shared w: f64[2, 3] = 0\noutput w\n");
    BTL_ASSERT_STATUS(btl_state_load(q.state, path, &e), BTL_EDTYPE);
    BTL_ASSERT_CONTAINS(e.message, "w is f64, found f32");
    program r = program_open("shared w: f32[2, 3] = 0\nshared other: f32 = 0\noutput w\n");
    e = (btl_error){ 0 };
    BTL_ASSERT_STATUS(btl_state_load(r.state, path, &e), BTL_ENAME);
    BTL_ASSERT_CONTAINS(e.message, "other");
    btl_test_dir_remove(&dir);
    btl_function_free(f);
    program_close(&p), program_close(&q), program_close(&r);
}

BTL_TEST(rewrites_and_fusion_can_be_switched_off_and_change_no_bit) {
    program p = program_open("input x: f32[n, 37]\noutput y = tanh(x) * exp(-x) + x / 3, s = sum(sqr(x) * sigmoid(x), axis=0)\n");
    btl_entry *e = btl_entry_find(p.g, NULL);
    float x[5 * 37];
    btl_rng r = { btl_test_seed() };
    for (int i = 0; i < 5 * 37; i++) x[i] = (float)btl_rng_normal(&r);
    int64_t shape[2] = { 5, 37 };
    btl_array in = btl_array_wrap(BTL_F32, 2, shape, x), out[2][2] = { { { 0 } } };
    const char *without[2] = { NULL, "fuse, merge_equal" };
    btl_function *f = NULL;
    for (int i = 0; i < 2; i++) {
        btl_function_options o = { .without = without[i] };
        BTL_ASSERT_OK(btl_function_new(p.g, e, &o, &f, NULL));
        call(f, NULL, &in, out[i]);
        btl_function_free(f);
    }
    for (int k = 0; k < 2; k++) {
        BTL_ASSERT_ARRAYS_EQUAL("without fusion", &out[1][k], &out[0][k]);
        btl_array_free(&out[0][k]), btl_array_free(&out[1][k]);
    }
    btl_error err = { 0 };
    BTL_ASSERT_STATUS(btl_function_new(p.g, e, &(btl_function_options){ .without = "fuse,no_such_rule" }, &f, &err), BTL_EUSAGE);
    BTL_ASSERT_CONTAINS(err.message, "no_such_rule");
    program_close(&p);
}

BTL_TEST(long_arrays_give_the_bits_of_short_ones) {
    program p = program_open("input x: f32[n]\ninput y: f32[n]\nt = x * 0.7 - y\nu = tanh(t)\nw = u * exp(-0.5 * u) + x\noutput z = w * w - y, t, s = w + u\n");
    btl_function *f = function_of(&p, NULL);
    enum { N = 300007, PART = 1000 }; /* beyond the caches, and not a multiple of a strip */
    float *x = test_malloc(4 * N), *y = test_malloc(4 * N);
    btl_rng r = { btl_test_seed() };
    for (int i = 0; i < N; i++) x[i] = (float)btl_rng_normal(&r), y[i] = (float)btl_rng_normal(&r);
    int64_t n[1] = { N }, part[1] = { PART };
    btl_array in[2] = { btl_array_wrap(BTL_F32, 1, n, x), btl_array_wrap(BTL_F32, 1, n, y) }, all[3] = { { 0 } };
    call(f, NULL, in, all);
    for (int at = 0; at + PART <= N; at += 41 * PART) {
        btl_array few[2] = { btl_array_wrap(BTL_F32, 1, part, x + at), btl_array_wrap(BTL_F32, 1, part, y + at) }, out[3] = { { 0 } };
        call(f, NULL, few, out);
        for (int k = 0; k < 3; k++) {
            assert_memory_equal(out[k].data, (float *)all[k].data + at, 4 * PART);
            btl_array_free(&out[k]);
        }
    }
    for (int k = 0; k < 3; k++) btl_array_free(&all[k]);
    test_free(x), test_free(y);
    btl_function_free(f);
    program_close(&p);
}

/* ---- threads ----------------------------------------------------------------------------- */

enum { THREADS = 8, CALLS = 200 };
typedef struct worker { btl_function *read, *update; btl_state *state; int index, failures; } worker;

static void *work(void *arg) {
    worker *w = arg;
    double x[16], y[16], sums[2];
    int64_t n[1] = { 4 + w->index };
    for (int i = 0; i < 16; i++) x[i] = i + w->index;
    btl_array in = btl_array_wrap(BTL_F64, 1, n, x), out = btl_array_wrap(BTL_F64, 1, n, y);
    btl_array scalars[2] = { btl_array_wrap(BTL_F64, 0, NULL, &sums[0]), btl_array_wrap(BTL_F64, 0, NULL, &sums[1]) };
    for (int k = 0; k < CALLS; k++) {
        if (w->index % 2) {
            if (btl_call(w->update, w->state, NULL, scalars, NULL, NULL)) w->failures++;
            continue;
        }
        if (btl_call(w->read, w->state, &in, &out, NULL, NULL)) w->failures++;
        for (int i = 1; i < n[0]; i++) /* a and b are equal at any time: the state is never seen half updated */
            if (y[i] != 3 * x[i]) w->failures++;
    }
    return NULL;
}

BTL_TEST(eight_threads_call_on_one_state_readers_and_updaters_mixed) {
    program p = program_open("shared a: f64[100] = 0\nshared b: f64[100] = 0\n"
                             "function read(x: f64[n]):\n    output x * 3 + (sum(a) - sum(b))\n"
                             "function update_both():\n    update a = a + 1\n    update b = b + 1\n    output a[0], b[99]\n");
    btl_function *read = function_of(&p, "read"), *update = function_of(&p, "update_both");
    pthread_t threads[THREADS];
    worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){ read, update, p.state, i, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failures, 0);
    }
    btl_array a = { 0 };
    BTL_ASSERT_OK(btl_state_get(p.state, "a", &a, NULL));
    BTL_ASSERT_ULP(((double *)a.data)[7], THREADS / 2 * CALLS, 0);
    btl_array_free(&a);
    btl_function_free(read), btl_function_free(update);
    program_close(&p);
}

/* ---- memory that runs out ---------------------------------------------------------------- */

static const char everything[] =
    "shared w: f32[3, 2] = random.normal(random.key(1), shape=[3, 2])\n"
    "function train(x: f32[n, 3], y: i32[n], lr: f32 = 0.1):\n"
    "    p = softmax(x @ w)\n"
    "    cost = -mean(log(p[arange(n), y]))\n"
    "    gw = grad(cost, w)\n"
    "    update w = w - lr * gw\n"
    "    output cost, top = argmax(p, axis=1), part = x[1:, ::2]\n";

static btl_status parse_compile_call(btl_context *ctx, void *arg) {
    (void)arg;
    btl_graph *g = NULL;
    btl_function *f = NULL;
    btl_state *s = NULL;
    float x[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3 };
    int32_t y[4] = { 0, 1, 0, 1 };
    int64_t xs[2] = { 4, 3 }, ys[1] = { 4 };
    btl_array in[3] = { btl_array_wrap(BTL_F32, 2, xs, x), btl_array_wrap(BTL_I32, 1, ys, y), { 0 } }, out[3] = { { 0 }, { 0 }, { 0 } };
    btl_status status = btl_graph_new(ctx, &g);
    if (!status) status = btl_graph_parse(g, everything, sizeof everything - 1, "everything");
    if (!status && !btl_graph_print(g)) status = BTL_ENOMEM;
    if (!status) status = btl_function_new(g, btl_entry_find(g, "train"), NULL, &f, NULL);
    if (!status) status = btl_state_new(g, &s, NULL);
    if (!status) status = btl_call(f, s, in, out, NULL, NULL);
    for (int i = 0; i < 3; i++) btl_array_free(&out[i]);
    btl_state_free(s);
    btl_function_free(f);
    btl_graph_free(g);
    return status;
}

BTL_TEST(parse_grad_print_compile_call_survive_every_allocation_that_fails) {
    assert_true(BTL_ASSERT_SURVIVES_ENOMEM(parse_compile_call, NULL) > 10);
}

BTL_TEST_MAIN(cmocka_unit_test(updates_see_the_values_from_before_the_call),
              cmocka_unit_test(an_output_shows_a_shared_variable_as_it_was),
              cmocka_unit_test(one_function_runs_on_many_states_and_several_functions_on_one),
              cmocka_unit_test(a_failed_call_leaves_the_state_as_it_was),
              cmocka_unit_test(sizes_bind_anew_at_each_call_and_disagreements_are_named),
              cmocka_unit_test(a_result_may_overlap_an_argument),
              cmocka_unit_test(strided_arguments_are_read_right),
              cmocka_unit_test(only_wanted_results_are_computed),
              cmocka_unit_test(givens_replace_any_variable),
              cmocka_unit_test(slices_with_bounds_known_at_run_time_run_within_their_bounds),
              cmocka_unit_test(a_state_survives_saving_and_loading),
              cmocka_unit_test(rewrites_and_fusion_can_be_switched_off_and_change_no_bit),
              cmocka_unit_test(long_arrays_give_the_bits_of_short_ones),
              cmocka_unit_test(eight_threads_call_on_one_state_readers_and_updaters_mixed),
              cmocka_unit_test(parse_grad_print_compile_call_survive_every_allocation_that_fails))
