/* offsets_test.c - no two buffers that are alive together overlap, few or many.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "base/os.h"
#include "schedule/offsets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

typedef struct plan_args { btl_arena *scratch; int n; btl_buffer *buffers; size_t total, peak; } plan_args;

static btl_status plan(void *arg) {
    plan_args *a = arg;
    a->total = btl_plan_offsets(a->scratch, a->n, a->buffers, ALIGN);
    a->peak = btl_plan_live_peak(a->scratch, a->n, a->buffers, ALIGN);
    return BTL_OK;
}

static plan_args planned(int n, btl_buffer *buffers) {
    btl_arena scratch;
    btl_arena_init(&scratch, NULL);
    plan_args a = { &scratch, n, buffers, 0, 0 };
    BTL_ASSERT_OK(btl_arena_protect(&scratch, plan, &a));
    btl_arena_deinit(&scratch);
    return a;
}

static int by_first(const void *a, const void *b) {
    const btl_buffer *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* Pairwise, among those whose lives begin before this one ends. */
static void assert_no_overlap(int n, btl_buffer *b, size_t total) {
    qsort(b, (size_t)n, sizeof *b, by_first);
    for (int i = 0; i < n; i++) {
        assert_int_equal(b[i].offset % ALIGN, 0);
        assert_true(b[i].offset + b[i].bytes <= total || b[i].bytes == 0);
        for (int k = i + 1; k < n && b[k].first <= b[i].last; k++) {
            bool apart = b[i].offset + b[i].bytes <= b[k].offset || b[k].offset + b[k].bytes <= b[i].offset;
            if (!apart && b[i].bytes && b[k].bytes)
                BTL_FAIL("[%zu, +%zu) and [%zu, +%zu) are alive together", b[i].offset, b[i].bytes, b[k].offset, b[k].bytes);
        }
    }
}

static void try_random(btl_rng *r, int n, int steps, int longest, size_t largest) {
    btl_buffer *b = calloc((size_t)n, sizeof *b);
    for (int i = 0; i < n; i++) {
        b[i].first = (int)btl_rng_below(r, (uint64_t)steps);
        b[i].last = b[i].first + (int)btl_rng_below(r, (uint64_t)longest);
        b[i].bytes = btl_rng_below(r, 10) == 0 ? 0 : btl_rng_below(r, largest);
    }
    plan_args a = planned(n, b);
    assert_true(a.total >= a.peak);
    assert_no_overlap(n, b, a.total);
    free(b);
}

BTL_TEST(buffers_alive_together_never_overlap) {
    btl_rng r = { btl_test_seed() };
    for (int n = 1; n < 40; n++) try_random(&r, n, 10, 6, 1000);
    try_random(&r, 1499, 300, 20, 5000);
}

BTL_TEST(thousands_of_buffers_never_overlap_either) {
    btl_rng r = { btl_test_seed() };
    try_random(&r, 1600, 300, 20, 5000);
    try_random(&r, 6000, 1000, 30, 100000);
    try_random(&r, 6000, 6000, 3, 65);
    try_random(&r, 4000, 10, 10, 300);
}

BTL_TEST(a_chain_of_equal_buffers_takes_no_more_than_two) {
    int n = 20000;
    btl_buffer *b = calloc((size_t)n, sizeof *b);
    for (int i = 0; i < n; i++) b[i] = (btl_buffer){ .first = i, .last = i + 1, .bytes = 1000 };
    plan_args a = planned(n, b);
    assert_int_equal(a.peak, 2048);
    assert_true(a.total <= 2 * 2048); /* those placed by size and those by time */
    assert_no_overlap(n, b, a.total);
    free(b);
}

BTL_TEST(a_hundred_thousand_buffers_are_planned_near_the_live_peak) {
    int n = 100000;
    btl_buffer *b = calloc((size_t)n, sizeof *b);
    btl_rng r = { btl_test_seed() };
    for (int i = 0; i < n; i++) /* forward values, alive until their turn on the way back */
        b[i] = (btl_buffer){ .first = i, .last = 2 * n - i, .bytes = 1 + btl_rng_below(&r, 4096) };
    int64_t before = btl_os_now_ns();
    plan_args a = planned(n, b);
    double seconds = (double)(btl_os_now_ns() - before) / 1e9;
    printf("    %.3f s, %.2f %% above the peak\n", seconds, 100 * ((double)a.total / (double)a.peak - 1));
    assert_true(!btl_test_timed() || seconds < 20);
    assert_true(a.total >= a.peak && (double)a.total <= 1.05 * (double)a.peak);
    free(b);
}

BTL_TEST(nothing_to_place_takes_nothing) {
    btl_buffer b = { 0, 0, 0, 99 };
    assert_int_equal(planned(0, &b).total, 0);
    assert_int_equal(planned(1, &b).total, 0);
}

BTL_TEST_MAIN(cmocka_unit_test(buffers_alive_together_never_overlap),
              cmocka_unit_test(thousands_of_buffers_never_overlap_either),
              cmocka_unit_test(a_chain_of_equal_buffers_takes_no_more_than_two),
              cmocka_unit_test(a_hundred_thousand_buffers_are_planned_near_the_live_peak),
              cmocka_unit_test(nothing_to_place_takes_nothing))
