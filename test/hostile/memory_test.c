/* memory_test.c - the nth allocation fails, for every n, in everything that allocates: parsing,
 * derivatives, printing, compiling in both modes, calls whose sizes change, states, their files, the
 * pipeline's listings. Nothing leaks, nothing crashes, every failure says why, and what failed works
 * as soon as there is memory: the same function, the same state.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "bitale/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every construct once. */
static const char everything[] =
    "bitale 1\n"
    "shared w: f32[3, 2] = random.normal(random.key(1), shape=[3, 2])\n"
    "shared key: u32[2] = random.key(7)\n"
    "shared count: i64 = 0\n"
    "const half = 0.5\n"
    "const table: f64[4] = [1, 2, 3, 4]\n"
    "fn layer(a, b):\n"
    "    c = a @ b\n"
    "    return tanh(c), c\n"
    "function train(x: f32[n, 3], y: i32[n], lr: f32 = 0.1, k: i64 = 2):\n"
    "    h, raw = layer(x, w)\n"
    "    p = softmax(h)\n"
    "    cost = -mean(log(p[arange(n), y]))\n"
    "    gw = grad(cost, w)\n"
    "    keys = random.split(key, 2)\n"
    "    noise = random.uniform(keys[0], shape=[n])\n"
    "    late = x[: k, ::2]\n"
    "    both = concatenate([late, x[:, :2]], axis=0)\n"
    "    stacked = stack([x[0], x[-1]])\n"
    "    picked = set_subtensor(x[0], x[1]) + inc_subtensor(x[y], half)\n"
    "    assert all(y >= 0), \"labels count from 0\"\n"
    "    update w = w - lr * gw\n"
    "    update key = keys[1]\n"
    "    update count = count + 1\n"
    "    output cost, top = argmax(p, axis=1), both, stacked, s = sum(exp(late), axis=0), picked, noise, raw, m = max(x, axis=0), t = x.T, table[1:] * half, v = var(x)\n"
    "function look():\n"
    "    output w, count\n";

BTL_TEST(the_program_of_every_construct_is_right) {
    btl_context *ctx = NULL;
    btl_graph *g = NULL;
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    BTL_ASSERT_OK(btl_graph_new(ctx, &g));
    if (btl_graph_parse(g, everything, strlen(everything), "everything") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    btl_graph_free(g);
    btl_context_free(ctx);
}

/* What failed must say so. */
static btl_status told(btl_status status, const btl_error *e) {
    if (status != BTL_OK && (e->status != status || !*e->message)) {
        fprintf(stderr, "%s, but the error says %d \"%s\"\n", btl_status_text(status), (int)e->status, e->message);
        abort();
    }
    return status;
}

static btl_status graph_of(btl_context *ctx, btl_graph **g) {
    btl_status status = btl_graph_new(ctx, g);
    if (status != BTL_OK) return status;
    status = btl_graph_parse(*g, everything, strlen(everything), "everything");
    if (status != BTL_OK) told(status, btl_graph_error(*g)), assert_true(*btl_graph_messages(*g) != 0);
    return status;
}

static btl_status parse_print_parse(btl_context *ctx, void *arg) {
    (void)arg;
    btl_graph *g = NULL, *again = NULL;
    btl_status status = graph_of(ctx, &g);
    const char *text = status == BTL_OK ? btl_graph_print(g) : NULL;
    if (status == BTL_OK && !text) status = BTL_ENOMEM;
    if (status == BTL_OK) status = btl_graph_new(ctx, &again);
    if (status == BTL_OK) status = btl_graph_parse(again, text, strlen(text), "printed");
    btl_graph_free(again);
    btl_graph_free(g);
    return status;
}

BTL_TEST(parsing_and_printing_survive_every_allocation_that_fails) {
    assert_true(BTL_ASSERT_SURVIVES_ENOMEM(parse_print_parse, NULL) > 10);
}

static char fast_run[] = "fast_run,linker=strips", fast_compile[] = "fast_compile";

static btl_status listings(btl_context *ctx, void *arg) {
    btl_graph *g = NULL;
    btl_function_options o = { .mode = arg };
    btl_status status = graph_of(ctx, &g);
    for (int i = 0; status == BTL_OK && btl_pipeline_pass(i, NULL); i++) {
        btl_graph *out = NULL;
        btl_error e = { 0 };
        status = told(btl_pipeline_print(g, btl_entry_find(g, "train"), &o, btl_pipeline_pass(i, NULL), &out, &e), &e);
        if (status == BTL_OK && !btl_graph_print(out)) status = BTL_ENOMEM;
        btl_graph_free(out);
    }
    btl_graph_free(g);
    return status;
}

BTL_TEST(listings_of_the_pipeline_survive_every_allocation_that_fails) {
    assert_true(BTL_ASSERT_SURVIVES_ENOMEM(listings, fast_run) > 10);
    assert_true(BTL_ASSERT_SURVIVES_ENOMEM(listings, fast_compile) > 10);
}

/* ---- calls -------------------------------------------------------------------------------- */

enum { NOUT = 12 };

typedef struct batch { float x[30]; int32_t y[10]; float lr; int64_t k, xs[2], ys[1]; btl_array in[4]; } batch;

static void batch_make(batch *b, int64_t n, int64_t k, bool strided) {
    static int64_t columns[2] = { 1, 10 };
    for (int i = 0; i < 30; i++) b->x[i] = (float)(i % 7) * 0.25f - 0.5f;
    for (int i = 0; i < 10; i++) b->y[i] = i % 2;
    b->lr = 0.5f, b->k = k, b->xs[0] = n, b->xs[1] = 3, b->ys[0] = n;
    b->in[0] = btl_array_wrap(BTL_F32, 2, b->xs, b->x), b->in[1] = btl_array_wrap(BTL_I32, 1, b->ys, b->y);
    b->in[2] = btl_array_wrap(BTL_F32, 0, NULL, &b->lr), b->in[3] = btl_array_wrap(BTL_I64, 0, NULL, &b->k);
    if (strided) b->in[0].strides = columns, b->in[2] = (btl_array){ 0 };
}

static btl_status call_train(const btl_function *f, btl_state *s, int64_t n, int64_t k, bool strided) {
    batch b;
    btl_array out[NOUT] = { { 0 } };
    btl_error e = { 0 };
    batch_make(&b, n, k, strided);
    btl_status status = told(btl_call(f, s, b.in, out, NULL, &e), &e);
    for (int i = 0; i < NOUT; i++) {
        if (status != BTL_OK) assert_null(out[i].data);
        btl_array_free(&out[i]);
    }
    return status;
}

static int64_t calls_made(const btl_state *s) {
    btl_array a = { 0 };
    if (btl_state_get(s, "count", &a, NULL) != BTL_OK) return -1;
    int64_t n = *(int64_t *)btl_array_data(&a);
    btl_array_free(&a);
    return n;
}

static btl_status compile_and_call(btl_context *ctx, void *arg) {
    btl_graph *g = NULL;
    btl_function *f = NULL;
    btl_state *s = NULL;
    btl_error e = { 0 };
    btl_function_options o = { .mode = arg };
    btl_status status = graph_of(ctx, &g);
    if (status == BTL_OK) status = told(btl_function_new(g, btl_entry_find(g, "train"), &o, &f, &e), &e);
    e = (btl_error){ 0 };
    if (status == BTL_OK) status = told(btl_state_new(g, &s, &e), &e);
    btl_graph_free(g); /* a function stands alone */
    static const int64_t sizes[][2] = { { 2, 1 }, { 5, 3 }, { 4, 2 }, { 10, 10 } };
    for (int i = 0; i < 4 && status == BTL_OK; i++) status = call_train(f, s, sizes[i][0], sizes[i][1], i % 2);
    btl_state_free(s);
    btl_function_free(f);
    return status;
}

BTL_TEST(compiling_and_calling_survive_every_allocation_that_fails) {
    assert_true(BTL_ASSERT_SURVIVES_ENOMEM(compile_and_call, fast_run) > 10);
    assert_true(BTL_ASSERT_SURVIVES_ENOMEM(compile_and_call, fast_compile) > 10);
}

/* ---- once more, with memory ---------------------------------------------------------------- */

typedef struct made { btl_test_memory memory; btl_context *ctx; btl_graph *g; btl_function *f; btl_state *s; } made;

static void made_open(made *m) {
    memset(m, 0, sizeof *m);
    btl_context_options o = btl_test_context_options(&m->memory);
    btl_error e = { 0 };
    BTL_ASSERT_OK(btl_context_new(&o, &m->ctx));
    BTL_ASSERT_OK(graph_of(m->ctx, &m->g));
    if (btl_function_new(m->g, btl_entry_find(m->g, "train"), NULL, &m->f, &e) != BTL_OK) BTL_FAIL("%s", e.message);
    if (btl_state_new(m->g, &m->s, &e) != BTL_OK) BTL_FAIL("%s", e.message);
}

static void made_close(made *m) {
    btl_state_free(m->s);
    btl_function_free(m->f);
    btl_graph_free(m->g);
    btl_context_free(m->ctx);
    assert_int_equal(m->memory.live, 0);
}

/* From now on the nth allocation fails (and those after it). */
static void fail_from(made *m, long n, bool stays) {
    m->memory.fail_at = n ? m->memory.allocations + n : 0;
    m->memory.stays = stays;
}

BTL_TEST(a_call_that_failed_for_memory_can_be_made_again) {
    for (int stays = 0; stays < 2; stays++) {
        made m;
        made_open(&m);
        int64_t done = 0;
        bool failed = true;
        for (long n = 1; failed; n++) {
            int64_t size = 2 + n % 9; /* other sizes each time */
            fail_from(&m, n, stays);
            btl_status status = call_train(m.f, m.s, size, size / 2, n % 2);
            fail_from(&m, 0, false);
            assert_true(status == BTL_OK || status == BTL_ENOMEM);
            failed = status != BTL_OK;
            done += !failed;
            assert_int_equal(calls_made(m.s), done); /* a call that failed changed nothing */
            BTL_ASSERT_OK(call_train(m.f, m.s, size, size / 2, n % 2));
            assert_int_equal(calls_made(m.s), ++done);
        }
        made_close(&m);
    }
}

BTL_TEST(compiling_that_failed_for_memory_can_be_done_again) {
    for (int stays = 0; stays < 2; stays++) {
        made m;
        made_open(&m);
        bool failed = true;
        for (long n = 1; failed; n += 1) {
            btl_function *f = NULL;
            btl_state *s = NULL;
            btl_graph *listing = NULL;
            btl_error e = { 0 };
            fail_from(&m, n, stays);
            btl_status status = told(btl_function_new(m.g, btl_entry_find(m.g, "train"), NULL, &f, &e), &e);
            e = (btl_error){ 0 };
            if (status == BTL_OK) status = told(btl_state_new(m.g, &s, &e), &e);
            e = (btl_error){ 0 };
            if (status == BTL_OK) status = told(btl_pipeline_print(m.g, btl_entry_find(m.g, "look"), NULL, NULL, &listing, &e), &e);
            fail_from(&m, 0, false);
            assert_true(status == BTL_OK || status == BTL_ENOMEM);
            failed = status != BTL_OK;
            btl_function_free(f), btl_state_free(s), btl_graph_free(listing);
            f = NULL, s = NULL;
            BTL_ASSERT_OK(btl_function_new(m.g, btl_entry_find(m.g, "look"), NULL, &f, NULL));
            BTL_ASSERT_OK(btl_state_new(m.g, &s, NULL));
            btl_function_free(f), btl_state_free(s);
        }
        made_close(&m);
    }
}

BTL_TEST(states_survive_every_allocation_that_fails_and_work_afterwards) {
    char path[64];
    snprintf(path, sizeof path, "memory-test-%d.safetensors", (int)getpid());
    for (int stays = 0; stays < 2; stays++) {
        made m;
        made_open(&m);
        BTL_ASSERT_OK(call_train(m.f, m.s, 4, 2, false));
        BTL_ASSERT_OK(btl_state_save(m.s, path, NULL));
        bool failed = true;
        for (long n = 1; failed; n++) {
            btl_state *copy = NULL;
            btl_array value = { 0 };
            btl_error e = { 0 };
            fail_from(&m, n, stays);
            btl_status status = told(btl_state_copy(m.s, &copy, &e), &e);
            e = (btl_error){ 0 };
            if (status == BTL_OK) status = told(btl_state_get(copy, "w", &value, &e), &e);
            e = (btl_error){ 0 };
            if (status == BTL_OK) status = told(btl_state_set(copy, "w", &value, &e), &e);
            e = (btl_error){ 0 };
            if (status == BTL_OK) status = told(btl_state_save(m.s, path, &e), &e);
            e = (btl_error){ 0 };
            if (status == BTL_OK) status = told(btl_state_load(m.s, path, &e), &e);
            fail_from(&m, 0, false);
            assert_true(status == BTL_OK || status == BTL_ENOMEM);
            failed = status != BTL_OK;
            btl_array_free(&value);
            btl_state_free(copy);
            assert_int_equal(calls_made(m.s), 1);
            BTL_ASSERT_OK(btl_state_load(m.s, path, NULL)); /* what stands there is whole */
        }
        made_close(&m);
    }
    unlink(path);
}

/* ---- built from C ------------------------------------------------------------------------- */

static btl_status built_from_c(btl_context *ctx, void *arg) {
    (void)arg;
    btl_graph *g = NULL;
    btl_function *f = NULL;
    btl_error e = { 0 };
    btl_status status = btl_graph_new(ctx, &g);
    if (status != BTL_OK) return status;
    btl_var *x = btl_input(g, "x", "f64[n, m]"), *w = btl_shared(g, "w", "f64[3]", btl_number(g, 0.5)), *dx = NULL;
    btl_var *y = btl_tanh(g, btl_mul(g, x, btl_expr(g, "sum(w) + k", "w", w, "k", btl_integer(g, 3), NULL)));
    btl_var *cost = btl_named(g, btl_sum(g, btl_softmax(g, y, 1), BTL_ALL_AXES, false), "cost");
    if (cost) btl_grad(g, cost, 1, &x, BTL_DISCONNECTED_ERROR, &dx);
    btl_entry *entry = btl_entry_new(g, "main");
    btl_entry_add_input(g, entry, x, NULL);
    btl_entry_add_output(g, entry, NULL, cost);
    btl_entry_add_output(g, entry, "dx", dx);
    btl_entry_add_update(g, entry, w, btl_mul(g, w, btl_number(g, 2)));
    if (btl_graph_error(g)) status = told(btl_graph_error(g)->status, btl_graph_error(g));
    if (status == BTL_OK) status = told(btl_function_new(g, entry, NULL, &f, &e), &e);
    btl_function_free(f);
    btl_graph_free(g);
    return status;
}

BTL_TEST(builders_survive_every_allocation_that_fails) { assert_true(BTL_ASSERT_SURVIVES_ENOMEM(built_from_c, NULL) > 5); }

BTL_TEST_MAIN(cmocka_unit_test(the_program_of_every_construct_is_right),
              cmocka_unit_test(parsing_and_printing_survive_every_allocation_that_fails),
              cmocka_unit_test(listings_of_the_pipeline_survive_every_allocation_that_fails),
              cmocka_unit_test(compiling_and_calling_survive_every_allocation_that_fails),
              cmocka_unit_test(a_call_that_failed_for_memory_can_be_made_again),
              cmocka_unit_test(compiling_that_failed_for_memory_can_be_done_again),
              cmocka_unit_test(states_survive_every_allocation_that_fails_and_work_afterwards),
              cmocka_unit_test(builders_survive_every_allocation_that_fails))
