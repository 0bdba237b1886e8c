/* guests_test.c - buffers in the memory of results until those are written: valid, worth it, and checked by a checker that finds mistakes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "schedule/guests.h"

#include <string.h>

enum { MOST = 40, HOSTS = 6, STEPS = 30, ALIGN = 64 };

typedef struct problem {
    int n, nhosts;
    btl_buffer buffers[MOST];
    btl_host hosts[HOSTS];
    int host[MOST];
} problem;

static void draw(btl_rng *r, problem *p) {
    p->n = 1 + (int)btl_rng_below(r, MOST), p->nhosts = (int)btl_rng_below(r, HOSTS + 1);
    for (int i = 0; i < p->n; i++) {
        int a = (int)btl_rng_below(r, STEPS), b = a + (int)btl_rng_below(r, 8);
        p->buffers[i] = (btl_buffer){ .first = a, .last = b < STEPS ? b : STEPS, .bytes = btl_rng_below(r, 10) ? 1 + btl_rng_below(r, 4000) : 0 };
    }
    for (int h = 0; h < p->nhosts; h++) p->hosts[h] = (btl_host){ btl_rng_below(r, 6000), (int)btl_rng_below(r, STEPS + 1) };
}

static size_t place(const void *user, btl_arena *scratch, int n, btl_buffer *buffers) {
    (void)user;
    return btl_plan_offsets(scratch, n, buffers, ALIGN);
}

/* By looking at every pair and every end. */
static bool is_valid(const problem *p, size_t total) {
    for (int i = 0; i < p->n; i++) {
        const btl_buffer *a = &p->buffers[i];
        if (!a->bytes) continue;
        if (a->offset % ALIGN || a->offset + a->bytes > (p->host[i] < 0 ? total : p->hosts[p->host[i]].bytes)) return false;
        if (p->host[i] >= 0 && a->last >= p->hosts[p->host[i]].until) return false;
        for (int k = 0; k < i; k++) {
            const btl_buffer *b = &p->buffers[k];
            if (!b->bytes || p->host[k] != p->host[i] || a->first > b->last || b->first > a->last) continue;
            if (a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes) return false;
        }
    }
    return true;
}

typedef struct drawn { btl_arena *a; int guests, better, wrong, found; } drawn;

static btl_status sweep(void *arg) {
    drawn *d = arg;
    btl_rng r = { btl_test_seed() };
    for (int i = 0; i < 3000; i++) {
        btl_arena *a = btl_arena_begin(d->a);
        problem p, alone;
        btl_error err = { 0 };
        draw(&r, &p);
        alone = p;
        size_t total = btl_guests_offsets(a, p.n, p.buffers, p.nhosts, p.hosts, ALIGN, p.host, place, NULL), without = place(NULL, a, alone.n, alone.buffers);
        if (!is_valid(&p, total)) BTL_FAIL("problem %d: overlaps", i);
        if (total > without) BTL_FAIL("problem %d: %zu bytes, %zu without guests", i, total, without);
        BTL_ASSERT_OK(btl_guests_check(a, p.n, p.buffers, p.nhosts, p.hosts, ALIGN, p.host, total, &err));
        for (int k = 0; k < p.n; k++) d->guests += p.host[k] >= 0;
        d->better += total < without;
        problem again = p; /* the same sizes, the same choice */
        assert_true(btl_guests_offsets(a, again.n, again.buffers, again.nhosts, again.hosts, ALIGN, again.host, place, NULL) == total);
        assert_memory_equal(again.host, p.host, (size_t)p.n * sizeof *p.host);
        for (int k = 0; k < 5; k++) { /* a mistake is found where it is one */
            problem bad = p;
            int which = (int)btl_rng_below(&r, (uint64_t)p.n);
            if (k < 3) bad.host[which] = (int)btl_rng_below(&r, (uint64_t)p.nhosts + 1) - 1;
            if (k > 1) bad.buffers[which].offset = btl_rng_below(&r, 60) * ALIGN;
            bool valid = is_valid(&bad, total);
            d->wrong += !valid, d->found += btl_guests_check(a, bad.n, bad.buffers, bad.nhosts, bad.hosts, ALIGN, bad.host, total, &err) != BTL_OK;
            assert_int_equal(d->wrong, d->found);
        }
        btl_arena_end(a);
    }
    return BTL_OK;
}

BTL_TEST(random_buffers_lie_in_results_as_they_may_and_take_no_more_than_alone) {
    btl_arena arena;
    btl_arena_init(&arena, NULL);
    drawn d = { .a = &arena };
    BTL_ASSERT_OK(btl_arena_protect(&arena, sweep, &d));
    btl_arena_deinit(&arena);
    assert_true(d.guests > 3000 && d.better > 500 && d.wrong > 3000);
}

typedef struct chosen { btl_arena *a; problem *p; size_t total; } chosen;

static btl_status choose(void *arg) {
    chosen *c = arg;
    c->total = btl_guests_offsets(c->a, c->p->n, c->p->buffers, c->p->nhosts, c->p->hosts, ALIGN, c->p->host, place, NULL);
    return BTL_OK;
}

static size_t total_of(problem *p) {
    btl_arena arena;
    chosen c = { &arena, p, 0 };
    btl_arena_init(&arena, NULL);
    BTL_ASSERT_OK(btl_arena_protect(&arena, choose, &c));
    btl_arena_deinit(&arena);
    return c.total;
}

BTL_TEST(the_buffers_that_are_alive_at_the_highest_step_move) {
    /* two that live together, one of which dies before the result is written, and then a third one in the same place */
    problem p = { .n = 3, .nhosts = 1, .buffers = { { .first = 0, .last = 3, .bytes = 1024 }, { .first = 1, .last = 6, .bytes = 1024 }, { .first = 4, .last = 4, .bytes = 64 } },
                  .hosts = { { 1024, 5 } } };
    assert_int_equal(total_of(&p), 1024);
    assert_int_equal(p.host[2], 0);
    assert_int_equal(p.host[0], 0);
    assert_int_equal(p.host[1], -1);
    /* a step that reads it writes the result: not both */
    p.buffers[0].last = 5;
    assert_int_equal(total_of(&p), 2048);
    assert_int_equal(p.host[0], -1);
    /* no room by one byte */
    p.buffers[0].last = 3, p.hosts[0].bytes = 1023;
    assert_int_equal(total_of(&p), 2048);
    /* two behind one another in one result, and beside one another in a larger one */
    problem q = { .n = 3, .nhosts = 1, .buffers = { { .first = 0, .last = 1, .bytes = 640 }, { .first = 2, .last = 3, .bytes = 640 }, { .first = 0, .last = 9, .bytes = 64 } }, .hosts = { { 640, 9 } } };
    assert_int_equal(total_of(&q), 64);
    assert_true(q.host[0] == 0 && q.host[1] == 0 && q.buffers[0].offset == 0 && q.buffers[1].offset == 0);
    q.buffers[1].first = 1, q.hosts[0].bytes = 1280;
    assert_int_equal(total_of(&q), 64);
    assert_int_equal(q.buffers[0].offset + q.buffers[1].offset, 640);
}

BTL_TEST_MAIN(cmocka_unit_test(random_buffers_lie_in_results_as_they_may_and_take_no_more_than_alone), cmocka_unit_test(the_buffers_that_are_alive_at_the_highest_step_move))
