/* linkers_test.c - the ways in which a function runs: one generated routine, the virtual machine over kernels, strips,
 * the reference; what happens while the compiler is at work, where there is none, and where a text is wrong.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "expr/emit.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct program { btl_context *ctx; btl_graph *g; } program;

static program program_open(const char *text, const char *compiler) {
    program p = { 0 };
    btl_context_options o = { .struct_size = sizeof o, .compiler = compiler };
    BTL_ASSERT_OK(btl_context_new(&o, &p.ctx));
    BTL_ASSERT_OK(btl_graph_new(p.ctx, &p.g));
    if (btl_graph_parse(p.g, text, strlen(text), "test.bitale") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(p.g));
    return p;
}

static void program_close(program *p) {
    btl_graph_free(p->g);
    btl_context_free(p->ctx);
}

static btl_function *compile(const program *p, const char *mode) {
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    btl_function *f = NULL;
    btl_error e = { 0 };
    if (btl_function_new(p->g, btl_entry_find(p->g, NULL), &o, &f, &e) != BTL_OK) BTL_FAIL("%s: %s", mode, e.message);
    return f;
}

enum { N = 1000 };

static const char chain[] = "input x: f32[n]\ny = tanh(x) * exp(-x)\noutput y, s = sum(y), m = max(y)\n";

static void fill(float *x) {
    for (int i = 0; i < N; i++) x[i] = (float)(i - N / 2) / 100;
}

static void run(const btl_function *f, float *y, float *s, float *m) {
    float x[N];
    int64_t n = N;
    fill(x);
    btl_array in = btl_array_wrap(BTL_F32, 1, &n, x);
    btl_array out[3] = { btl_array_wrap(BTL_F32, 1, &n, y), btl_array_wrap(BTL_F32, 0, NULL, s), btl_array_wrap(BTL_F32, 0, NULL, m) };
    btl_error e = { 0 };
    if (btl_call(f, NULL, &in, out, NULL, &e) != BTL_OK) BTL_FAIL("%s", e.message);
}

BTL_TEST(every_linker_runs_and_says_which_it_is) {
    static const char *const linkers[] = { "strips", "c", "vm", "eval" };
    program p = program_open(chain, NULL);
    float want[N], s, m;
    for (int l = 0; l < 4; l++) {
        float y[N], sum, most;
        char mode[40];
        snprintf(mode, sizeof mode, "fast_compile,linker=%s", linkers[l]);
        btl_function *f = compile(&p, mode);
        assert_string_equal(btl_function_linker(f), linkers[l]);
        assert_string_equal(btl_function_note(f), "");
        run(f, l ? y : want, l ? &sum : &s, l ? &most : &m);
        if (l == 1 || l == 2) {
            assert_memory_equal(y, want, sizeof want);
            assert_memory_equal(&sum, &s, sizeof s);
            assert_memory_equal(&most, &m, sizeof m);
        }
        if (l == 3)
            for (int i = 0; i < N; i++) assert_true(fabsf(y[i] - want[i]) <= 5e-7f * fabsf(want[i]));
        btl_function_free(f);
    }
    program_close(&p);
}

BTL_TEST(a_result_alone_is_computed_alone) {
    program p = program_open("input x: f64[n]\ninput i: i64\noutput a = x + 1, b = x[i], c = x * 2\n", NULL);
    btl_function *f = compile(&p, "fast_run,linker=c");
    assert_string_equal(btl_function_linker(f), "c");
    double x[3] = { 1, 2, 3 };
    int64_t n = 3, i = 7;
    btl_array in[2] = { btl_array_wrap(BTL_F64, 1, &n, x), btl_array_wrap(BTL_I64, 0, NULL, &i) }, out[3] = { { 0 } };
    btl_error e = { 0 };
    const bool wanted[3] = { true, false, true };
    btl_call_options o = { .struct_size = sizeof o, .wanted = wanted };
    if (btl_call(f, NULL, in, out, &o, &e) != BTL_OK) BTL_FAIL("%s", e.message);
    BTL_ASSERT_ARRAYS_EQUAL("a", &out[0], BTL_TEST_ARRAY(BTL_F64, ((double[]){ 2, 3, 4 }), 3));
    BTL_ASSERT_ARRAYS_EQUAL("c", &out[2], BTL_TEST_ARRAY(BTL_F64, ((double[]){ 2, 4, 6 }), 3));
    assert_null(out[1].data);
    btl_array_free(&out[0]), btl_array_free(&out[2]);
    assert_int_equal(btl_call(f, NULL, in, out, NULL, &e), BTL_EINDEX); /* the same words as everywhere */
    BTL_ASSERT_CONTAINS(e.message, "index 7 is out of range for axis 0 of size 3");
    BTL_ASSERT_CONTAINS(e.message, "test.bitale:3");
    btl_function_free(f);
    program_close(&p);
}

/* ---- the compiler in the background --------------------------------------------------------------- */

typedef struct hammer { const btl_function *f; const float *want; atomic_bool *stop; int calls, on_code, wrong; } hammer;

static void *hammer_run(void *arg) {
    hammer *h = arg;
    float y[N], s, m;
    while (!atomic_load(h->stop)) {
        bool code = strcmp(btl_function_linker(h->f), "c") == 0;
        run(h->f, y, &s, &m);
        h->calls++, h->on_code += code;
        h->wrong += memcmp(y, h->want, sizeof y) != 0;
    }
    return NULL;
}

BTL_TEST(calls_go_on_while_the_compiler_works_and_then_run_its_code) {
    const btl_test_dir *dir = *state;
    char cache[560];
    snprintf(cache, sizeof cache, "%s/empty", dir->path);
    btl_context_options co = { .struct_size = sizeof co, .cache_dir = cache };
    program p = { 0 };
    BTL_ASSERT_OK(btl_context_new(&co, &p.ctx));
    BTL_ASSERT_OK(btl_graph_new(p.ctx, &p.g));
    BTL_ASSERT_OK(btl_graph_parse(p.g, chain, strlen(chain), "test.bitale"));
    btl_function *strips = compile(&p, "fast_run,linker=strips"), *f = compile(&p, "fast_run,tier=background");
    float want[N], s, m;
    atomic_bool stop = false;
    pthread_t threads[4];
    hammer h[4];
    run(strips, want, &s, &m);
    assert_string_equal(btl_function_linker(f), "strips"); /* no compiler is that fast */
    for (int i = 0; i < 4; i++) {
        h[i] = (hammer){ f, want, &stop, 0, 0, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, hammer_run, &h[i]), 0);
    }
    for (int tries = 0; tries < 2400 && strcmp(btl_function_linker(f), "strips") == 0; tries++) nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
    nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
    atomic_store(&stop, true);
    int on_strips = 0, on_code = 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(h[i].wrong, 0);
        on_code += h[i].on_code, on_strips += h[i].calls - h[i].on_code;
    }
    assert_string_equal(btl_function_linker(f), "c");
    assert_true(on_strips > 0 && on_code > 0);
    btl_function_free(f);
    btl_function_free(strips);
    program_close(&p);
}

BTL_TEST(a_function_may_go_before_its_compiler_is_done) {
    program p = program_open(chain, NULL);
    btl_function_free(compile(&p, "fast_run,tier=background"));
    program_close(&p);
}

/* ---- without a compiler ---------------------------------------------------------------------------- */

BTL_TEST(without_a_compiler_everything_runs_on_strips_and_that_is_said) {
    static const char *const compilers[] = { "none", "/no/such/compiler", "/bin/false" };
    for (int i = 0; i < 3; i++) {
        char text[200];
        snprintf(text, sizeof text, "input x: f64[n]\noutput y = x + %d.125\n", i); /* not in any cache */
        program p = program_open(text, compilers[i]);
        btl_function *f = compile(&p, "fast_run");
        assert_string_equal(btl_function_linker(f), "strips");
        BTL_ASSERT_CONTAINS(btl_function_note(f), "strip interpreter");
        double x[2] = { 1, 2 }, y[2];
        int64_t n = 2;
        btl_array in = btl_array_wrap(BTL_F64, 1, &n, x), out = btl_array_wrap(BTL_F64, 1, &n, y);
        BTL_ASSERT_OK(btl_call(f, NULL, &in, &out, NULL, NULL));
        BTL_ASSERT_ULP(y[1], 2 + i + 0.125, 0);
        btl_function_free(f);
        program_close(&p);
    }
}

/* ---- texts that are wrong, ops without ---------------------------------------------------------------- */

static btl_status same_infer(btl_infer *x) {
    x->out[0] = x->in[0]->type;
    return BTL_OK;
}

static btl_status same_eval(btl_exec *x) {
    memcpy(x->out[0].data, x->in[0].data, sizeof(float) * (size_t)x->out[0].dims[0]);
    return BTL_OK;
}

static btl_status bad_emit(btl_emit *e) {
    btl_emit_text(e, "y0[0] = no_such_thing;\n");
    return BTL_OK;
}

static const btl_op bad_op = { .name = "askew", .doc = "", .signature = "askew(x)", .version = 1, .min_in = 1, .max_in = 1, .nout = 1,
                               .infer = same_infer, .eval = same_eval, .emit = bad_emit };
static const btl_op plain_op = { .name = "plain", .doc = "", .signature = "plain(x)", .version = 1, .min_in = 1, .max_in = 1, .nout = 1,
                                 .infer = same_infer, .eval = same_eval };

static btl_status with_op(const btl_op *op, const char *mode, btl_function **f, btl_error *e, program *p) {
    *p = (program){ 0 };
    BTL_ASSERT_OK(btl_context_new(NULL, &p->ctx));
    BTL_ASSERT_OK(btl_graph_new(p->ctx, &p->g));
    btl_entry *entry = btl_entry_new(p->g, "main");
    btl_var *x = btl_input(p->g, "x", "f32[n]");
    btl_node *n = btl_apply(p->g, op, 1, &x, NULL);
    assert_non_null(n);
    BTL_ASSERT_OK(btl_entry_add_input(p->g, entry, x, NULL));
    BTL_ASSERT_OK(btl_entry_add_output(p->g, entry, "y", btl_neg(p->g, n->out)));
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    return btl_function_new(p->g, entry, &o, f, e);
}

BTL_TEST(a_text_that_does_not_compile_is_told_by_op_and_words) {
    program p;
    btl_function *f = NULL;
    btl_error e = { 0 };
    assert_int_equal(with_op(&bad_op, "fast_run", &f, &e, &p), BTL_ECOMPILER);
    BTL_ASSERT_CONTAINS(e.message, "askew");
    BTL_ASSERT_CONTAINS(e.message, "no_such_thing");
    assert_null(f);
    program_close(&p);
}

BTL_TEST(an_op_without_a_text_is_run_by_the_machine) {
    program p;
    btl_function *f = NULL;
    btl_error e = { 0 };
    if (with_op(&plain_op, "fast_run", &f, &e, &p) != BTL_OK) BTL_FAIL("%s", e.message);
    assert_string_equal(btl_function_linker(f), "vm");
    float x[2] = { 1, -2 }, y[2];
    int64_t n = 2;
    btl_array in = btl_array_wrap(BTL_F32, 1, &n, x), out = btl_array_wrap(BTL_F32, 1, &n, y);
    BTL_ASSERT_OK(btl_call(f, NULL, &in, &out, NULL, NULL));
    assert_true(y[0] == -1 && y[1] == 2);
    btl_function_free(f);
    program_close(&p);
}

BTL_TEST(sizes_found_at_run_time_are_the_machines_work) {
    program p = program_open("input x: f64[n]\ninput i: i64\noutput y = exp(x[i:]) * 2, s = sum(x[i:])\n", NULL);
    btl_function *f = compile(&p, "fast_run"), *strips = compile(&p, "fast_run,linker=strips");
    assert_string_equal(btl_function_linker(f), "vm");
    for (int64_t i = 0; i < 5; i++) {
        double x[4] = { 1, 2, 3, 4 };
        int64_t n = 4;
        btl_array in[2] = { btl_array_wrap(BTL_F64, 1, &n, x), btl_array_wrap(BTL_I64, 0, NULL, &i) }, got[2] = { { 0 } }, want[2] = { { 0 } };
        BTL_ASSERT_OK(btl_call(f, NULL, in, got, NULL, NULL));
        BTL_ASSERT_OK(btl_call(strips, NULL, in, want, NULL, NULL));
        for (int k = 0; k < 2; k++) {
            BTL_ASSERT_ARRAYS_EQUAL("late", &got[k], &want[k]);
            btl_array_free(&got[k]), btl_array_free(&want[k]);
        }
    }
    btl_function_free(f), btl_function_free(strips);
    program_close(&p);
}

/* ---- modes -------------------------------------------------------------------------------------------- */

BTL_TEST(c_code_rewrites_nothing) {
    program p = program_open("input x: f64[n]\ny = x * 1\noutput z = -(-y), w = y + y\n", NULL);
    btl_graph *after = NULL;
    btl_error e = { 0 };
    btl_function_options o = { .struct_size = sizeof o, .mode = "c_code" };
    BTL_ASSERT_OK(btl_pipeline_print(p.g, btl_entry_find(p.g, NULL), &o, "fuse", &after, &e));
    const char *text = btl_graph_print(after);
    BTL_ASSERT_CONTAINS(text, "mul(");
    assert_non_null(strstr(strstr(text, "neg(") + 1, "neg("));
    btl_graph_free(after);
    program_close(&p);
}

BTL_TEST(a_mode_that_there_is_not_is_told_with_those_there_are) {
    static const char *const wrong[][2] = { { "quick", "fast_compile" }, { "fast_run,linker=jit", "strips" }, { "c_code,tier=later", "background" }, { "speed=9", "linker" } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        btl_error e = { 0 };
        assert_int_equal(btl_mode_check(wrong[i][0], &e), BTL_EUSAGE);
        BTL_ASSERT_CONTAINS(e.message, wrong[i][1]);
    }
    BTL_ASSERT_OK(btl_mode_check("linker=vm,without=fuse", NULL));
}

BTL_TEST_MAIN(cmocka_unit_test(every_linker_runs_and_says_which_it_is), cmocka_unit_test(a_result_alone_is_computed_alone),
              cmocka_unit_test_setup_teardown(calls_go_on_while_the_compiler_works_and_then_run_its_code, btl_test_dir_setup, btl_test_dir_teardown), cmocka_unit_test(a_function_may_go_before_its_compiler_is_done),
              cmocka_unit_test(without_a_compiler_everything_runs_on_strips_and_that_is_said), cmocka_unit_test(a_text_that_does_not_compile_is_told_by_op_and_words),
              cmocka_unit_test(an_op_without_a_text_is_run_by_the_machine), cmocka_unit_test(sizes_found_at_run_time_are_the_machines_work),
              cmocka_unit_test(c_code_rewrites_nothing), cmocka_unit_test(a_mode_that_there_is_not_is_told_with_those_there_are))
