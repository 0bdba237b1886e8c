/* policy_test.c - storage policies, gc off and on: what a plan says is what a run takes, by allocator and by address.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "random_step.h"
#include "schedule/plan.h"
#include "vm/memory.h"
#include "vm/running_order.h"

#include <stdlib.h>
#include <string.h>

/* ---- an allocator that counts -------------------------------------------------------------- */

typedef struct counter { int64_t held, most, calls; } counter;

static void *counted(void *user, void *p, size_t old, size_t bytes) {
    counter *c = user;
    c->held += (int64_t)bytes - (int64_t)old;
    c->calls++;
    if (c->held > c->most) c->most = c->held;
    if (bytes) return realloc(p, bytes);
    free(p);
    return NULL;
}

typedef struct made { counter count; btl_context *ctx; btl_graph *g; btl_function *f; btl_state *state; } made;

static made *make(const char *text, const char *mode) {
    made *m = calloc(1, sizeof *m);
    btl_error err = { 0 };
    btl_context_options c = { .struct_size = sizeof c, .alloc = counted, .alloc_user = &m->count };
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    BTL_ASSERT_OK(btl_context_new(&c, &m->ctx));
    BTL_ASSERT_OK(btl_graph_new(m->ctx, &m->g));
    if (btl_graph_parse(m->g, text, strlen(text), "text") != BTL_OK) BTL_FAIL("%s\n%s", btl_graph_messages(m->g), text);
    if (btl_function_new(m->g, btl_entry_find(m->g, NULL), &o, &m->f, &err) != BTL_OK) BTL_FAIL("%s: %s\n%s", mode, err.message, text);
    if (btl_state_new(m->g, &m->state, &err) != BTL_OK) BTL_FAIL("%s\n%s", err.message, text);
    return m;
}

static void drop(made *m) {
    btl_function_free(m->f);
    btl_state_free(m->state);
    btl_graph_free(m->g);
    btl_context_free(m->ctx);
    assert_int_equal(m->count.held, 0);
    free(m);
}

/* ---- what a plan says ------------------------------------------------------------------------ */

typedef struct planned { btl_arena arena; const btl_function *f; const int64_t *symbols; btl_schedule *s; btl_liveness *l; int *order; btl_plan plan; btl_error err; } planned;

static btl_status planned_run(void *arg) {
    planned *p = arg;
    BTL_TRY(btl_vm_schedule(&p->arena, p->f, p->symbols, &p->s, &p->err));
    BTL_TRY(btl_liveness_new(&p->arena, p->s, &p->l, &p->err));
    p->order = BTL_ARRAY(&p->arena, int, p->s->nsteps + 1);
    for (int i = 0; i < p->s->nsteps; i++) p->order[i] = i;
    BTL_TRY(btl_liveness_check_order(p->l, p->order, &p->arena, &p->err));
    return btl_vm_plan(&p->arena, p->f, p->s, p->l, p->f->policy, &p->plan, &p->err);
}

static void plan(planned *p, const btl_function *f, const int64_t *symbols) {
    *p = (planned){ .f = f, .symbols = symbols };
    btl_arena_init(&p->arena, NULL);
    if (btl_arena_protect(&p->arena, planned_run, p) != BTL_OK) BTL_FAIL("%s", p->err.message);
}

/* What an array asks of the allocator besides its elements: a header, its shape, room to align. */
static int64_t array_bytes(const planned *p, const btl_plan_store *x) {
    int rank = p->s->values[x->root].type->rank;
    return x->bytes + 128 + 8 * (rank ? rank : 1);
}

static int64_t store_bytes(const planned *p, const btl_plan_store *x) { return x->is_result ? array_bytes(p, x) : x->bytes + VM_ALIGN; }

/* The most that the plan's storages ask of the allocator at one step if each is there from its first step to its last. */
static int64_t stepwise_most(const planned *p) {
    int64_t most = 0;
    for (int step = 0; step <= p->s->nsteps; step++) {
        int64_t held = 0;
        for (int i = 0; i < p->plan.nstores; i++)
            if (p->plan.stores[i].first <= step && step <= p->plan.stores[i].last) held += store_bytes(p, &p->plan.stores[i]);
        if (held > most) most = held;
    }
    return most;
}

static void expected(const planned *p, int64_t *kept, int64_t *results) {
    *kept = *results = 0;
    for (int i = 0; i < p->plan.nstores; i++) {
        const btl_plan_store *x = &p->plan.stores[i];
        if (x->is_result) *results += array_bytes(p, x);
        else if (p->f->policy != BTL_POLICY_ARENA) *kept += store_bytes(p, x);
    }
    if (p->f->policy == BTL_POLICY_ARENA) *kept = p->plan.taken - p->plan.results + VM_ALIGN;
}

/* ---- runs -------------------------------------------------------------------------------------- */

static int64_t scratch_of(const btl_function *f) {
    vm_workspace *w = NULL;
    BTL_ASSERT_OK(btl_vm_workspace_take(f, &w));
    int64_t bytes = w->work_bytes ? (int64_t)w->work_bytes + VM_ALIGN : VM_ALIGN;
    btl_vm_workspace_give(f, w);
    return bytes;
}

static void plan_of_last_call(planned *p, const btl_function *f) {
    vm_workspace *w = NULL;
    BTL_ASSERT_OK(btl_vm_workspace_take(f, &w));
    plan(p, f, w->symbols);
    btl_vm_workspace_give(f, w);
}

static void call_once(made *m, double y[2][16]) {
    double x[16];
    int64_t shape[2] = { 4, 4 };
    btl_error err = { 0 };
    for (int i = 0; i < 16; i++) x[i] = 0.1 * i - 0.7;
    btl_array in = btl_array_wrap(BTL_F64, 2, shape, x), out[2] = { { 0 }, { 0 } };
    m->count.most = m->count.held, m->count.calls = 0;
    if (btl_call(m->f, m->state, &in, out, NULL, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    for (int i = 0; i < 2; i++) {
        memcpy(y[i], btl_array_data(&out[i]), sizeof y[i]);
        btl_array_free(&out[i]);
    }
}

/* Three calls: the bits of `want`, and of memory what the plan says. */
static void check_run(const char *text, const char *mode, double want[3][2][16], bool is_first, int64_t *taken) {
    made *m = make(text, mode);
    planned p;
    for (int step = 0; step < 3; step++) {
        double y[2][16];
        int64_t before = m->count.held;
        call_once(m, y);
        if (is_first) memcpy(want[step], y, sizeof y);
        else if (memcmp(want[step], y, sizeof y) != 0) BTL_FAIL("%s: other bits in call %d\n%s", mode, step, text);
        if (step == 0) plan_of_last_call(&p, m->f);
        int64_t kept, results, scratch = scratch_of(m->f), held = m->count.held - before, most = m->count.most - before;
        expected(&p, &kept, &results);
        bool stepwise = m->f->gc && m->f->policy != BTL_POLICY_ARENA;
        if (step == 0) { /* the workspace itself comes, too */
            int64_t block = held - (m->f->gc ? 0 : kept + scratch);
            vm_workspace *w = NULL;
            BTL_ASSERT_OK(btl_vm_workspace_take(m->f, &w));
            if (block != (int64_t)w->block_bytes) BTL_FAIL("%s: kept are %lld bytes, planned %lld\n%s", mode, (long long)(held - (int64_t)w->block_bytes), (long long)(kept + scratch), text);
            btl_vm_workspace_give(m->f, w);
        } else {
            int64_t wanted = stepwise ? stepwise_most(&p) + scratch : m->f->gc ? kept + results + scratch : results;
            if (held != 0 || most != wanted) BTL_FAIL("%s: call %d held %lld more and took %lld, planned %lld\n%s", mode, step, (long long)held, (long long)most, (long long)wanted, text);
        }
    }
    *taken = m->f->gc ? p.plan.taken_gc : p.plan.taken;
    btl_arena_deinit(&p.arena);
    drop(m);
}

static const char *const policies[] = { "arena", "each", "reuse", "reuse=0d" };

/* A state is changed before a result that is copied is there: its memory is taken before, the copy comes behind. A plan had been a cycle. */
BTL_TEST(a_result_that_is_copied_late_is_planned) {
    static const char text[] = "input x: f64[4, 4]\nshared a: f64[4, 4] = eye(4)\nshared b: f64[4, 4] = full([4, 4], 0.25)\nshared c: f64[4, 4] = zeros([4, 4])\nt0 = set_subtensor(c[1], b[0])\n"
                               "t2 = reshape(reshape(t0 + 1, shape=[16]) * 2, shape=[4, 4])\nt5 = reshape(reshape(t2 + 1, shape=[16]) * 2, shape=[4, 4])\noutput y = t2, z = t5 + c\n"
                               "update a = t0 * 0.5 + a * 0.25\nupdate b = t5 * 0.5 + b * 0.25\nupdate c = t0 * 0.5 + c * 0.25\n";
    double want[3][2][16];
    char mode[100];
    for (int k = 0; k < 8; k++) {
        int64_t taken;
        snprintf(mode, sizeof mode, "fast_run,linker=strips,policy=%s,gc=%s", policies[k / 2], k % 2 ? "on" : "off");
        check_run(text, mode, want, k == 0, &taken);
    }
}

BTL_TEST(what_a_plan_says_is_what_a_run_takes) {
    btl_rng r = { btl_test_seed() };
    char text[4000], mode[100];
    int64_t sum[8] = { 0 };
    for (int i = 0; i < 60; i++) {
        static const char *const bases[] = { "fast_run,linker=strips", "fast_run,linker=strips,without=inplace", "fast_compile", "c_code,linker=strips", "fast_run,linker=strips,with=pieces" };
        double want[3][2][16];
        random_step(&r, text, sizeof text);
        for (int k = 0; k < 8; k++) {
            int64_t taken;
            snprintf(mode, sizeof mode, "%s,policy=%s,gc=%s", bases[i % 5], policies[k / 2], k % 2 ? "on" : "off");
            check_run(text, mode, want, k == 0, &taken);
            sum[k] += taken;
        }
        for (int k = 0; k < 8 && i < 4; k++) {
            int64_t taken;
            snprintf(mode, sizeof mode, "fast_run,policy=%s,gc=%s,linker=%s", policies[k / 2], k % 2 ? "on" : "off", i % 2 ? "c" : "vm");
            check_run(text, mode, want, k == 0, &taken);
        }
    }
    for (int k = 0; k < 8; k++) print_message("%s, gc %s: %lld bytes\n", policies[k / 2], k % 2 ? "on" : "off", (long long)sum[k]);
    assert_true(sum[4] < sum[2] && sum[3] <= sum[5] && sum[5] <= sum[4] && sum[4] < sum[6] && sum[6] <= sum[2]); /* reuse < each; each with gc is the live peak */
}

/* ---- addresses ----------------------------------------------------------------------------------- */

/* Where every result of every node lies, as a monitor sees it. */
typedef struct watcher { const btl_function *f; const char **at; } watcher;

static btl_status watch_after(void *user, const btl_node_view *n) {
    watcher *w = user;
    for (int k = 0; k < n->nout; k++) w->at[w->f->instrs[n->index].out[k]] = btl_array_data(&n->out[k]);
    return BTL_OK;
}

static bool meet(const char *p, int64_t bytes, const char *q, int64_t n) { return p < q + n && q < p + bytes; }

/* Values of one storage lie at one address (views aside); of storages that are needed at one time, nowhere the same. */
static int check_addresses(const planned *p, const char **at, const char *mode, const char *text) {
    int shared = 0;
    for (int a = 0; a < p->f->nslots; a++)
        for (int b = 0; b < a; b++) {
            int x = p->plan.store_of[a], y = p->plan.store_of[b];
            if (x < 0 || y < 0 || !at[a] || !at[b] || p->s->values[a].nviews || p->s->values[b].nviews) continue;
            const btl_plan_store *s = &p->plan.stores[x], *t = &p->plan.stores[y];
            if (x == y && at[a] != at[b]) BTL_FAIL("%s: slots %d and %d of storage %d lie apart\n%s", mode, a, b, x, text);
            shared += x == y;
            if (x != y && s->first <= t->last && t->first <= s->last && meet(at[a], p->s->values[a].bytes, at[b], p->s->values[b].bytes))
                BTL_FAIL("%s: slots %d and %d of storages %d and %d meet\n%s", mode, a, b, x, y, text);
        }
    return shared;
}

BTL_TEST(values_lie_where_the_plan_says) {
    btl_rng r = { btl_test_seed() };
    char text[4000], mode[100];
    int shared[8] = { 0 };
    for (int i = 0; i < 200; i++) {
        random_step(&r, text, sizeof text);
        for (int k = 0; k < 8; k++) {
            snprintf(mode, sizeof mode, "fast_run,linker=strips,checks=monitor,without=inplace,policy=%s,gc=%s", policies[k / 2], k % 2 ? "on" : "off");
            made *m = make(text, mode);
            watcher w = { m->f, calloc((size_t)m->f->nslots + 1, sizeof *w.at) };
            btl_monitor monitor = { .struct_size = sizeof monitor, .after = watch_after, .user = &w };
            btl_call_options o = { .struct_size = sizeof o, .monitor = &monitor };
            double x[16] = { 1, 2, 3 };
            int64_t shape[2] = { 4, 4 };
            btl_error err = { 0 };
            btl_array in = btl_array_wrap(BTL_F64, 2, shape, x), out[2] = { { 0 }, { 0 } };
            BTL_ASSERT_OK(btl_call(m->f, m->state, &in, out, &o, &err));
            planned p;
            plan_of_last_call(&p, m->f);
            shared[k] += check_addresses(&p, w.at, mode, text);
            btl_arena_deinit(&p.arena);
            btl_array_free(&out[0]), btl_array_free(&out[1]);
            free(w.at);
            drop(m);
        }
    }
    assert_true(shared[2] == 0 && shared[4] > 100 && shared[4] == shared[5]); /* each: none; reuse: many, with gc the same */
}

/* ---- failure, parts of the results ------------------------------------------------------------ */

/* The nth allocation of a call fails: no state is touched, nothing lost, and the next call is right. */
typedef struct failing { counter count; int64_t left; } failing;

static void *fails(void *user, void *p, size_t old, size_t bytes) {
    failing *f = user;
    if (bytes && f->left >= 0 && f->left-- == 0) return f->left = 0, NULL;
    return counted(&f->count, p, old, bytes);
}

BTL_TEST(a_call_for_which_there_is_no_memory_changes_nothing) {
    static const char text[] = "input x: f64[4, 4]\nshared w: f64[4, 4] = eye(4)\na = x @ w\nb = tanh(a) @ a\noutput y = b.T + a, z = a[1:3]\nupdate w = w + b\n";
    for (int k = 0; k < 8; k++) {
        char mode[100];
        snprintf(mode, sizeof mode, "fast_run,linker=strips,policy=%s,gc=%s", policies[k / 2], k % 2 ? "on" : "off");
        int64_t failed = 0;
        for (int64_t n = 0;; n++) {
            failing fail = { .left = -1 };
            btl_context_options c = { .struct_size = sizeof c, .alloc = fails, .alloc_user = &fail };
            btl_function_options o = { .struct_size = sizeof o, .mode = mode };
            btl_context *ctx;
            btl_graph *g;
            btl_function *f;
            btl_state *values;
            btl_error err = { 0 };
            BTL_ASSERT_OK(btl_context_new(&c, &ctx));
            BTL_ASSERT_OK(btl_graph_new(ctx, &g));
            BTL_ASSERT_OK(btl_graph_parse(g, text, strlen(text), "text"));
            BTL_ASSERT_OK(btl_function_new(g, btl_entry_find(g, NULL), &o, &f, &err));
            BTL_ASSERT_OK(btl_state_new(g, &values, &err));
            double x[16] = { 1, 2, 3 }, w[16], y[2][16];
            int64_t shape[2] = { 4, 4 };
            btl_array in = btl_array_wrap(BTL_F64, 2, shape, x), out[2] = { { 0 }, { 0 } };
            fail.left = n;
            btl_status status = btl_call(f, values, &in, out, NULL, &err);
            fail.left = -1;
            if (status != BTL_OK) {
                assert_int_equal(status, BTL_ENOMEM);
                assert_true(!out[0].data && !out[1].data);
                btl_array a = { 0 };
                BTL_ASSERT_OK(btl_state_get(values, "w", &a, &err));
                memcpy(w, btl_array_data(&a), sizeof w);
                for (int i = 0; i < 16; i++) assert_true(w[i] == (i % 5 == 0));
                btl_array_free(&a);
                BTL_ASSERT_OK(btl_call(f, values, &in, out, NULL, &err));
                failed++;
            }
            for (int i = 0; i < 2; i++) memcpy(y[i], btl_array_data(&out[i]), i ? 8 * sizeof(double) : sizeof y[i]), btl_array_free(&out[i]);
            assert_true(y[1][0] == x[4] && y[0][0] != 0);
            btl_function_free(f), btl_state_free(values), btl_graph_free(g), btl_context_free(ctx);
            assert_int_equal(fail.count.held, 0);
            if (status == BTL_OK) break;
        }
        assert_true(failed >= 4);
    }
}

/* A call that wants one result runs what that needs, and gives back what it took. */
BTL_TEST(results_that_are_not_wanted_take_nothing_with_them) {
    static const char text[] = "input x: f64[4, 4]\na = x @ x\nb = a @ a\nc = b @ b + a\noutput y = b @ a, z = c @ c\n";
    for (int k = 0; k < 8; k++) {
        char mode[100];
        snprintf(mode, sizeof mode, "fast_run,linker=strips,policy=%s,gc=%s", policies[k / 2], k % 2 ? "on" : "off");
        double all[2][16], x[16];
        for (int i = 0; i < 16; i++) x[i] = 0.1 * i - 0.7;
        made *m = make(text, mode);
        call_once(m, all);
        for (int one = 0; one < 2; one++) {
            bool wanted[2] = { one == 0, one == 1 };
            btl_call_options o = { .struct_size = sizeof o, .wanted = wanted };
            int64_t shape[2] = { 4, 4 }, held = m->count.held;
            btl_error err = { 0 };
            btl_array in = btl_array_wrap(BTL_F64, 2, shape, x), out[2] = { { 0 }, { 0 } };
            BTL_ASSERT_OK(btl_call(m->f, NULL, &in, out, &o, &err));
            assert_true(!out[!one].data && memcmp(btl_array_data(&out[one]), all[one], sizeof all[one]) == 0);
            btl_array_free(&out[one]);
            assert_int_equal(m->count.held, held);
        }
        drop(m);
    }
}

BTL_TEST_MAIN(cmocka_unit_test(a_result_that_is_copied_late_is_planned), cmocka_unit_test(what_a_plan_says_is_what_a_run_takes), cmocka_unit_test(values_lie_where_the_plan_says),
              cmocka_unit_test(a_call_for_which_there_is_no_memory_changes_nothing), cmocka_unit_test(results_that_are_not_wanted_take_nothing_with_them))
