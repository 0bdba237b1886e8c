/* lodge_test.c - values that lie in the memory of a result until that is written: also in callers' buffers, wherever those begin.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "made.h"
#include "random_step.h"

#include "vm/function.h"

#include <pthread.h>

enum { ELEMS = 16, ZONE = 64 };

static int guests_of_last_call(const btl_function *f) {
    vm_workspace *w = NULL;
    int n = 0;
    BTL_ASSERT_OK(btl_vm_workspace_take(f, &w));
    for (int b = 0; b < f->nbuffers; b++) n += f->policy == BTL_POLICY_ARENA && w->host[b] >= 0;
    btl_vm_workspace_give(f, w);
    return n;
}

static void argument(double *x) {
    for (int i = 0; i < ELEMS; i++) x[i] = 0.1 * i - 0.7;
}

/* Into memory of the call's own. */
static void call_own(made *m, double y[2][ELEMS]) {
    double x[ELEMS];
    int64_t shape[2] = { 4, 4 };
    btl_error err = { 0 };
    argument(x);
    btl_array in = btl_array_wrap(BTL_F64, 2, shape, x), out[2] = { { 0 }, { 0 } };
    if (btl_call(m->f, m->state, &in, out, NULL, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    for (int i = 0; i < 2; i++) {
        memcpy(y[i], btl_array_data(&out[i]), sizeof y[i]);
        btl_array_free(&out[i]);
    }
}

/* Into buffers that begin `shift` bytes behind a multiple of 64, the second also over the argument if `over`. Nothing around them changes. */
static void call_into(made *m, size_t shift, bool over, double y[2][ELEMS]) {
    _Alignas(64) char place[2][ZONE + sizeof(double[ELEMS]) + 2 * ZONE];
    double x[ELEMS], *to[2];
    int64_t shape[2] = { 4, 4 };
    btl_error err = { 0 };
    memset(place, 0x5a, sizeof place);
    for (int i = 0; i < 2; i++) to[i] = (double *)(void *)(place[i] + ZONE + shift);
    argument(over ? to[1] : x);
    btl_array in = btl_array_wrap(BTL_F64, 2, shape, over ? to[1] : x), out[2] = { btl_array_wrap(BTL_F64, 2, shape, to[0]), btl_array_wrap(BTL_F64, 2, shape, to[1]) };
    if (btl_call(m->f, m->state, &in, out, NULL, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    for (int i = 0; i < 2; i++) {
        memcpy(y[i], to[i], sizeof y[i]);
        for (size_t k = 0; k < sizeof place[i]; k++)
            if ((k < ZONE + shift || k >= ZONE + shift + sizeof y[i]) && place[i][k] != 0x5a) BTL_FAIL("byte %zu around result %d is written", k, i);
    }
}

static void same(double want[2][ELEMS], double got[2][ELEMS], const char *what, const char *text) {
    if (memcmp(want, got, sizeof(double[2][ELEMS])) != 0) BTL_FAIL("%s: other bits\n%s", what, text);
}

BTL_TEST(callers_buffers_take_in_what_dies_before_they_are_written_wherever_they_begin) {
    static const char *const linkers[] = { "strips", "c", "vm" };
    btl_rng r = { btl_test_seed() };
    int guests = 0;
    for (int i = 0; i < 150; i++) {
        char text[4000], mode[100];
        double want[2][ELEMS], got[2][ELEMS];
        random_step(&r, text, sizeof text);
        snprintf(mode, sizeof mode, "fast_run%s,linker=%s", i % 2 ? ",without=inplace" : "", linkers[i % 30 ? 0 : i / 30 % 3]);
        made each = make(text, "fast_run,linker=strips,policy=each"), m = make(text, mode);
        static const size_t shifts[] = { 0, 8, 32, 0, 8 };
        for (int k = 0; k < 5; k++) {
            call_own(&each, want);
            if (k == 3) call_own(&m, got);
            else call_into(&m, shifts[k], k == 4, got);
            same(want, got, mode, text);
        }
        guests += guests_of_last_call(m.f);
        drop(&each), drop(&m);
    }
    print_message("%d values in results\n", guests);
    assert_true(guests > 20);
}

/* ---- the report ------------------------------------------------------------------------------ */

static const char chain[] = "input x: f64[64, 64]\na = x @ x\nb = tanh(a) @ x\nc = tanh(b) @ x\noutput y = c, z = sum(c)\n";

BTL_TEST(the_report_says_in_whose_memory_a_value_lies) {
    btl_graph *g;
    btl_memory *memory;
    btl_error err = { 0 };
    int guests = 0;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    BTL_ASSERT_OK(btl_graph_parse(g, chain, strlen(chain), "text"));
    if (btl_memory_new(g, btl_entry_find(g, NULL), NULL, &memory, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    const btl_memory_info *info = btl_memory_look(memory);
    for (int i = 0; i < info->nplans; i++)
        for (int k = 0; k < info->plans[i].nstores; k++) {
            const btl_memory_store *s = &info->plans[i].stores[k];
            if (s->host < 0) continue;
            guests++;
            assert_string_equal(info->plans[i].policy, "arena");
            const btl_memory_store *host = &info->plans[i].stores[s->host];
            assert_true(host->is_result && !s->is_result && s->last < host->first && s->offset + s->bytes <= host->bytes);
        }
    assert_int_equal(guests, 1);
    assert_int_equal(info->arena_bytes, 64 * 64 * 8); /* two are alive at one time, one of them in y */
    btl_memory_free(memory);
    btl_graph_free(g);
}

/* ---- many threads ------------------------------------------------------------------------------ */

typedef struct worker { const btl_function *f; const double *x, *want; } worker;

static void *call_often(void *arg) {
    worker *w = arg;
    for (int i = 0; i < 40; i++) {
        _Alignas(64) static _Thread_local char place[64 * 64 * 8 + 64];
        double *y = (double *)(void *)(place + 8 * (i % 3));
        int64_t shape[2] = { 64, 64 };
        btl_array in = btl_array_wrap(BTL_F64, 2, shape, (void *)(uintptr_t)w->x), out[2] = { btl_array_wrap(BTL_F64, 2, shape, y), { 0 } };
        if (btl_call(w->f, NULL, &in, out, NULL, NULL) != BTL_OK || memcmp(y, w->want, sizeof(double) * 64 * 64) != 0) return w;
        btl_array_free(&out[1]);
    }
    return NULL;
}

BTL_TEST(calls_at_once_use_their_own_results) {
    static double x[64 * 64], want[64 * 64];
    made m = make(chain, "fast_run,linker=strips");
    int64_t shape[2] = { 64, 64 };
    for (int i = 0; i < 64 * 64; i++) x[i] = (i * 37 % 101 - 50) / 400.0;
    btl_array in = btl_array_wrap(BTL_F64, 2, shape, x), out[2] = { { 0 }, { 0 } };
    BTL_ASSERT_OK(btl_call(m.f, NULL, &in, out, NULL, NULL));
    memcpy(want, btl_array_data(&out[0]), sizeof want);
    btl_array_free(&out[0]), btl_array_free(&out[1]);
    pthread_t threads[4];
    worker w = { m.f, x, want };
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, call_often, &w), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    drop(&m);
}

BTL_TEST_MAIN(cmocka_unit_test(callers_buffers_take_in_what_dies_before_they_are_written_wherever_they_begin), cmocka_unit_test(the_report_says_in_whose_memory_a_value_lies),
              cmocka_unit_test(calls_at_once_use_their_own_results))
