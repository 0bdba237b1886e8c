/* plan_test.c - which storage a policy gives to each buffer, against the rule as it is worded; a plan's figures against sums over all steps.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "families.h"
#include "schedule/plan.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 40, STEPS = 24 };

static btl_arena test_arena;

typedef struct job { btl_policy policy; int n; btl_buffer buffers[MOST]; const btl_type *types[MOST]; int store_of[MOST], nstores; } job;

static btl_status job_run(void *arg) {
    job *j = arg;
    j->nstores = btl_plan_stores(&test_arena, j->policy, j->n, j->buffers, j->types, STEPS, j->store_of);
    return BTL_OK;
}

static bool may_share(const job *j, int a, int b) {
    if (j->policy == BTL_POLICY_EACH || j->policy == BTL_POLICY_ARENA || !j->types[a] || j->types[a] != j->types[b]) return false;
    return j->policy == BTL_POLICY_REUSE || j->types[a]->rank == 0;
}

/* Handed only to what begins strictly later and is of the same type; never to two; and nobody gets a new one while one waits. */
static void check_job(const job *j) {
    bool used[MOST] = { false };
    for (int b = 0; b < j->n; b++) {
        assert_true(j->store_of[b] >= 0 && j->store_of[b] < j->nstores);
        used[j->store_of[b]] = true;
        for (int a = 0; a < j->n; a++) {
            if (a == b || j->store_of[a] != j->store_of[b]) continue;
            assert_true(may_share(j, a, b));
            assert_true(j->buffers[a].last < j->buffers[b].first || j->buffers[b].last < j->buffers[a].first);
        }
    }
    for (int k = 0; k < j->nstores; k++) assert_true(used[k]);
    for (int b = 0; b < j->n; b++) { /* the first one of its storage: at that step every storage of its kind is in use, or goes to another that begins then */
        bool is_first = true;
        int waiting = 0, begun = 0;
        for (int a = 0; a < j->n; a++) is_first = is_first && (a == b || j->store_of[a] != j->store_of[b] || j->buffers[a].first > j->buffers[b].first);
        if (!is_first) continue;
        for (int a = 0; a < j->n; a++) {
            if (!may_share(j, a, b) || j->store_of[a] == j->store_of[b] || j->buffers[a].last >= j->buffers[b].first) continue;
            bool handed = false, now = false;
            for (int c = 0; c < j->n; c++) {
                bool next = c != a && j->store_of[c] == j->store_of[a] && j->buffers[c].first > j->buffers[a].last;
                handed = handed || (next && j->buffers[c].first < j->buffers[b].first);
                now = now || (next && j->buffers[c].first == j->buffers[b].first);
            }
            waiting += !handed && !now, begun += now;
        }
        if (waiting) BTL_FAIL("buffer %d takes a new storage while %d wait (%d are handed on at its step)", b, waiting, begun);
    }
}

BTL_TEST(storages_are_handed_on_as_the_rule_says) {
    static const btl_type scalar = { .dtype = BTL_F32 }, whole = { .dtype = BTL_I64 };
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    const btl_dim *eight = btl_dim_const(g, 8), *nine = btl_dim_const(g, 9);
    const btl_type vector = { .dtype = BTL_F32, .rank = 1, .dims = &eight }, other = { .dtype = BTL_F32, .rank = 1, .dims = &nine };
    const btl_type *types[] = { &scalar, &whole, &vector, &other, NULL };
    btl_rng r = { btl_test_seed() };
    btl_arena_init(&test_arena, NULL);
    int64_t stores[BTL_POLICIES] = { 0 };
    for (int i = 0; i < 4000; i++) {
        job j = { .n = (int)btl_rng_below(&r, MOST) };
        for (int b = 0; b < j.n; b++) {
            int first = (int)btl_rng_below(&r, STEPS), length = (int)btl_rng_below(&r, btl_rng_below(&r, 3) ? 4 : STEPS);
            j.buffers[b] = (btl_buffer){ .first = first, .last = first + length < STEPS ? first + length : STEPS, .bytes = 8 };
            j.types[b] = types[btl_rng_below(&r, 5)];
        }
        for (int policy = 0; policy < BTL_POLICIES; policy++) {
            j.policy = (btl_policy)policy;
            BTL_ASSERT_OK(btl_arena_protect(&test_arena, job_run, &j));
            check_job(&j);
            stores[policy] += j.nstores;
        }
    }
    assert_true(stores[BTL_POLICY_REUSE] < stores[BTL_POLICY_REUSE_0D] && stores[BTL_POLICY_REUSE_0D] < stores[BTL_POLICY_EACH]);
    btl_arena_deinit(&test_arena);
    btl_graph_free(g);
}

/* ---- plans ------------------------------------------------------------------------------------- */

typedef struct planned { const btl_schedule *s; btl_policy policy; btl_liveness *l; int *order; btl_plan plan; btl_error err; } planned;

static btl_status planned_run(void *arg) {
    planned *p = arg;
    BTL_TRY(btl_liveness_new(&test_arena, p->s, &p->l, &p->err));
    p->order = BTL_ARRAY(&test_arena, int, p->s->nsteps + 1);
    btl_liveness_sort(p->l, NULL, &test_arena, p->order);
    return btl_plan_make(&test_arena, p->s, p->l, p->order, p->policy, 64, &p->plan, &p->err);
}

/* Held at a step: every storage from its first step to its last. */
static int64_t held_at(const planned *p, int step) {
    int64_t held = step < p->s->nsteps ? p->s->steps[p->order[step]].workspace : 0;
    for (int i = 0; i < p->plan.nstores; i++)
        if (p->plan.stores[i].first <= step && step <= p->plan.stores[i].last) held += p->plan.stores[i].bytes;
    return held;
}

static void check_plan(const btl_schedule *s, btl_policy policy) {
    planned p = { .s = s, .policy = policy };
    btl_arena_init(&test_arena, NULL);
    if (btl_arena_protect(&test_arena, planned_run, &p) != BTL_OK) BTL_FAIL("%s", p.err.message);
    const btl_plan *plan = &p.plan;
    int64_t sum = 0, results = 0, most = 0, end = 0, live;
    for (int i = 0; i < plan->nstores; i++) {
        const btl_plan_store *x = &plan->stores[i];
        sum += x->bytes;
        if (x->is_result) results += x->bytes;
        else if (x->offset + x->bytes > end) end = x->offset + x->bytes;
    }
    for (int step = 0; step <= s->nsteps; step++)
        if ((live = held_at(&p, step)) > most) most = live;
    assert_int_equal(plan->results, results);
    assert_int_equal(plan->live_peak, btl_liveness_peak(p.l, p.order, &test_arena, NULL).bytes);
    if (policy == BTL_POLICY_ARENA) {
        assert_true(plan->taken == plan->taken_gc && plan->taken - results >= end && plan->taken - results < end + 64);
    } else {
        assert_int_equal(plan->taken, sum);
        assert_int_equal(plan->taken_gc, most);
        assert_true(plan->taken_gc >= plan->live_peak);
        if (policy == BTL_POLICY_EACH) assert_int_equal(plan->taken_gc, plan->live_peak);
    }
    for (int v = 0; v < s->nvalues; v++) { /* freed behind the last step that reads or makes it or what shares its memory: never before one that reads it */
        if (plan->freed_after[v] < 0) continue;
        for (int i = plan->freed_after[v] + 1; i < s->nsteps; i++)
            for (int k = 0; k < s->steps[p.order[i]].nin; k++) assert_int_not_equal(s->steps[p.order[i]].in[k], v);
    }
    btl_arena_deinit(&test_arena);
}

BTL_TEST(the_figures_of_a_plan_are_sums_over_its_steps) {
    for (int which = 0; which < 4; which++) {
        family f = { 0 };
        if (which == 0) family_mlp(&f, 4, 16, 32);
        else if (which == 1) family_rnn(&f, 4, 8, 10, 16);
        else if (which == 2) family_unet(&f, 2, 1, 8, 256);
        else family_irregular(&f, 24, 4, 0.75, FAMILY_POWERS, 7);
        btl_schedule s = *family_problem(&f);
        for (int i = 0; i < f.nvalues; i++) f.values[i].is_result = f.values[i].is_output && i % 2;
        for (int policy = 0; policy < BTL_POLICIES; policy++) check_plan(&s, (btl_policy)policy);
        family_free(&f);
    }
}

BTL_TEST_MAIN(cmocka_unit_test(storages_are_handed_on_as_the_rule_says), cmocka_unit_test(the_figures_of_a_plan_are_sums_over_its_steps))
