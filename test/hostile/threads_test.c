/* threads_test.c - many threads on one function and two states: readers, updaters, copies, exchanges,
 * values set and taken, calls that fail, other sizes at each call. For ThreadSanitizer; and what is
 * read must always be a state as some call left it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"

#include <pthread.h>
#include <string.h>

/* a and b are equal, in every state, at any time. */
static const char text[] =
    "shared a: f64[50] = 0\nshared b: f64[50] = 0\n"
    "function read(x: f64[n], i: i64):\n    output y = x * 2 + (sum(a) - sum(b)), p = x[i], part = x[:i]\n"
    "function raise(by: f64):\n    assert by < 100, \"too much\"\n    update a = a + by\n    update b = b + by\n    output total = sum(a)\n";

enum { THREADS = 12, ROUNDS = 150 }; /* more threads than a function pools workspaces */

typedef struct worker { btl_function *read, *raise; btl_state *s, *t; int index, failures; } worker;

static void work_read(worker *w, int round) {
    double x[20];
    int64_t n[1] = { 1 + (w->index + round) % 20 }, i = round % 7 ? (round % (int)n[0]) : 99;
    for (int k = 0; k < 20; k++) x[k] = k + 1;
    btl_array in[2] = { btl_array_wrap(BTL_F64, 1, n, x), btl_array_wrap(BTL_I64, 0, NULL, &i) }, out[3] = { { 0 } };
    btl_error e = { 0 };
    btl_status status = btl_call(w->read, round % 2 ? w->s : w->t, in, out, NULL, &e);
    if (status != (i == 99 ? BTL_EINDEX : BTL_OK)) w->failures++;
    for (int64_t k = 0; status == BTL_OK && k < n[0]; k++)
        if (((double *)out[0].data)[k] != 2 * x[k]) w->failures++;
    for (int k = 0; k < 3; k++) btl_array_free(&out[k]);
}

static void work_raise(worker *w, int round) {
    double by = round % 5 ? 1 : 200;
    btl_array in = btl_array_wrap(BTL_F64, 0, NULL, &by), out = { 0 };
    btl_status status = btl_call(w->raise, round % 2 ? w->s : w->t, &in, &out, NULL, NULL);
    if (status != (by > 100 ? BTL_EASSERT : BTL_OK)) w->failures++;
    btl_array_free(&out);
}

static void work_states(worker *w, int round) {
    btl_state *copy = NULL;
    btl_array a = { 0 }, b = { 0 };
    if (btl_state_copy(round % 2 ? w->s : w->t, &copy, NULL) != BTL_OK) w->failures++;
    if (btl_state_get(copy, "a", &a, NULL) || btl_state_get(copy, "b", &b, NULL)) w->failures++;
    else if (memcmp(btl_array_data(&a), btl_array_data(&b), 50 * sizeof(double)) != 0) w->failures++;
    btl_array_free(&a), btl_array_free(&b);
    btl_state_free(copy);
    if (btl_state_get(w->s, "nobody", &a, NULL) != BTL_ENAME) w->failures++;
    if (round % 3 == 0) btl_state_swap(w->s, w->t);
    if (round % 3 == 1) btl_state_swap(w->t, w->s);
}

static void *work(void *arg) {
    worker *w = arg;
    for (int round = 0; round < ROUNDS; round++) {
        if (w->index % 3 == 0) work_read(w, round);
        else if (w->index % 3 == 1) work_raise(w, round);
        else work_states(w, round);
    }
    return NULL;
}

BTL_TEST(readers_updaters_copies_and_exchanges_go_on_at_once) {
    btl_context *ctx = NULL;
    btl_graph *g = NULL;
    btl_error e = { 0 };
    worker w = { 0 }, workers[THREADS];
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    BTL_ASSERT_OK(btl_graph_new(ctx, &g));
    if (btl_graph_parse(g, text, strlen(text), "threads") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    if (btl_function_new(g, btl_entry_find(g, "read"), NULL, &w.read, &e)) BTL_FAIL("%s", e.message);
    if (btl_function_new(g, btl_entry_find(g, "raise"), NULL, &w.raise, &e)) BTL_FAIL("%s", e.message);
    BTL_ASSERT_OK(btl_state_new(g, &w.s, NULL));
    BTL_ASSERT_OK(btl_state_copy(w.s, &w.t, NULL));
    btl_graph_free(g);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = w, workers[i].index = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failures, 0);
    }
    btl_array a = { 0 }, b = { 0 };
    BTL_ASSERT_OK(btl_state_get(w.s, "a", &a, NULL));
    BTL_ASSERT_OK(btl_state_get(w.t, "a", &b, NULL));
    double made = ((double *)a.data)[0] + ((double *)b.data)[49]; /* no call was lost, wherever it went */
    BTL_ASSERT_ULP(made, THREADS / 3 * (ROUNDS - ROUNDS / 5), 0);
    btl_array_free(&a), btl_array_free(&b);
    btl_state_free(w.s), btl_state_free(w.t);
    btl_function_free(w.read), btl_function_free(w.raise);
    btl_context_free(ctx);
}

/* Programs that have nothing in common but their context are built and run side by side. */
static void *build_alone(void *arg) {
    btl_context *ctx = arg;
    for (int i = 0; i < 5; i++) {
        btl_graph *g = NULL;
        btl_function *f = NULL;
        static const char program[] = "input x: f64[2, 2]\noutput y = sum(x @ softmax(x)), g = grad(sum(exp(x) @ x), x)\n";
        double x[4] = { 1, 2, 3, 4 };
        int64_t shape[2] = { 2, 2 };
        btl_array in = btl_array_wrap(BTL_F64, 2, shape, x), out[2] = { { 0 }, { 0 } };
        if (btl_graph_new(ctx, &g) || btl_graph_parse(g, program, sizeof program - 1, "alone") || btl_function_new(g, btl_entry_find(g, NULL), NULL, &f, NULL) ||
            btl_call(f, NULL, &in, out, NULL, NULL))
            return arg;
        btl_array_free(&out[0]), btl_array_free(&out[1]);
        btl_function_free(f);
        btl_graph_free(g);
    }
    return NULL;
}

BTL_TEST(graphs_are_built_side_by_side_in_one_context) {
    btl_context *ctx = NULL;
    pthread_t threads[8];
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    for (int i = 0; i < 8; i++) assert_int_equal(pthread_create(&threads[i], NULL, build_alone, ctx), 0);
    for (int i = 0; i < 8; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    btl_context_free(ctx);
}

BTL_TEST_MAIN(cmocka_unit_test(readers_updaters_copies_and_exchanges_go_on_at_once), cmocka_unit_test(graphs_are_built_side_by_side_in_one_context))
