/* rests_test.c - "b rests on a": offsets that follow from it are valid for any sizes, and the plan's own for the plan's.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "schedule/rests.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

typedef struct rests_args {
    btl_arena arena;
    int n;
    btl_buffer *buffers;
    size_t total;
    btl_rests r;
} rests_args;

static btl_status plan(void *arg) {
    rests_args *a = arg;
    a->total = btl_plan_offsets(&a->arena, a->n, a->buffers, ALIGN);
    a->r = btl_plan_rests(&a->arena, a->n, a->buffers);
    return BTL_OK;
}

static bool meet(const btl_buffer *a, const btl_buffer *b) { return a->first <= b->last && b->first <= a->last; }

static size_t end_of(const btl_buffer *b) { return b->offset + (b->bytes + ALIGN - 1) / ALIGN * ALIGN; }

static void assert_valid(int n, const btl_buffer *b, size_t total) {
    for (int i = 0; i < n; i++) {
        assert_int_equal(b[i].offset % ALIGN, 0);
        assert_true(end_of(&b[i]) <= total);
        for (int k = 0; k < i; k++)
            if (meet(&b[i], &b[k]) && b[i].bytes && b[k].bytes && b[i].offset < end_of(&b[k]) && b[k].offset < end_of(&b[i]))
                BTL_FAIL("[%zu, +%zu) and [%zu, +%zu) are alive together", b[i].offset, b[i].bytes, b[k].offset, b[k].bytes);
    }
}

/* Nothing in the relation follows from the rest of it: leaving out any one pair lets two buffers meet. */
static void assert_reduced(const btl_rests *r) {
    bool *reach = calloc((size_t)r->n * (size_t)r->n + 1, sizeof *reach); /* reach[b, a]: b above a */
    for (int i = 0; i < r->n; i++) {
        int b = r->order[i];
        for (int k = r->first[b]; k < r->first[b + 1]; k++) {
            int a = r->on[k];
            for (int m = r->first[b]; m < r->first[b + 1]; m++)
                if (m != k && reach[r->on[m] * r->n + a]) BTL_FAIL("%d rests on %d, which follows from %d", b, a, r->on[m]);
        }
        for (int k = r->first[b]; k < r->first[b + 1]; k++) {
            reach[b * r->n + r->on[k]] = true;
            for (int c = 0; c < r->n; c++) reach[b * r->n + c] |= reach[r->on[k] * r->n + c];
        }
    }
    free(reach);
}

static void try_random(btl_rng *r, int n, int steps, int longest) {
    rests_args a = { .n = n, .buffers = calloc((size_t)n + 1, sizeof(btl_buffer)) };
    btl_arena_init(&a.arena, NULL);
    for (int i = 0; i < n; i++) {
        a.buffers[i].first = (int)btl_rng_below(r, (uint64_t)steps);
        a.buffers[i].last = a.buffers[i].first + (int)btl_rng_below(r, (uint64_t)longest);
        a.buffers[i].bytes = btl_rng_below(r, 8) == 0 ? 0 : btl_rng_below(r, 5000);
    }
    BTL_ASSERT_OK(btl_arena_protect(&a.arena, plan, &a));
    assert_reduced(&a.r);
    assert_true(btl_rests_offsets(&a.r, a.buffers, ALIGN) <= a.total); /* for the plan's sizes no worse than the plan */
    assert_valid(n, a.buffers, a.total);
    for (int again = 0; again < 4; again++) { /* any other sizes */
        for (int i = 0; i < n; i++) a.buffers[i].bytes = btl_rng_below(r, 4) == 0 ? 0 : btl_rng_below(r, again % 2 ? 100000 : 300);
        assert_valid(n, a.buffers, btl_rests_offsets(&a.r, a.buffers, ALIGN));
    }
    btl_arena_deinit(&a.arena);
    free(a.buffers);
}

BTL_TEST(offsets_are_valid_for_any_sizes) {
    btl_rng r = { btl_test_seed() };
    for (int i = 0; i < 300; i++) try_random(&r, (int)btl_rng_below(&r, 60), 1 + (int)btl_rng_below(&r, 40), 1 + (int)btl_rng_below(&r, 20));
    for (int i = 0; i < 5; i++) try_random(&r, 600, 400, 60);
}

BTL_TEST(a_chain_takes_two_places) {
    btl_buffer b[6];
    for (int i = 0; i < 6; i++) b[i] = (btl_buffer){ .first = i, .last = i + 1, .bytes = 1000 };
    rests_args a = { .n = 6, .buffers = b };
    btl_arena_init(&a.arena, NULL);
    BTL_ASSERT_OK(btl_arena_protect(&a.arena, plan, &a));
    assert_int_equal(btl_rests_offsets(&a.r, b, ALIGN), 2048);
    for (int i = 0; i < 6; i++) b[i].bytes = 64 * (size_t)(i + 1);
    assert_int_equal(btl_rests_offsets(&a.r, b, ALIGN), 64 * 11); /* the fifth and the sixth */
    btl_arena_deinit(&a.arena);
}

BTL_TEST_MAIN(cmocka_unit_test(offsets_are_valid_for_any_sizes), cmocka_unit_test(a_chain_takes_two_places))
