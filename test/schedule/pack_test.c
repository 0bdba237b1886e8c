/* pack_test.c - offsets that take as little as is possible: against all orders of tiny sets, sets whose optimum is known by
 * how they are made, and a pairwise check of every answer.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "../../bench/pack_sets.h"
#include "base/os.h"
#include "schedule/offsets.h"

#include <stdio.h>
#include <string.h>

/* Pairwise, by the definition. */
static void assert_valid(int n, const btl_pack_buffer *b, int64_t align, int64_t bytes) {
    int64_t end = 0;
    for (int i = 0; i < n; i++) {
        if (b[i].offset < 0 || b[i].offset % align) BTL_FAIL("buffer %d lies at %lld", i, (long long)b[i].offset);
        if (b[i].size && b[i].offset + b[i].size > end) end = b[i].offset + b[i].size;
        for (int k = 0; k < i; k++)
            if (b[i].lower < b[k].upper && b[k].lower < b[i].upper && b[i].offset < b[k].offset + b[k].size && b[k].offset < b[i].offset + b[i].size)
                BTL_FAIL("buffers %d, %lld bytes at %lld, and %d, %lld at %lld, overlap", k, (long long)b[k].size, (long long)b[k].offset, i, (long long)b[i].size, (long long)b[i].offset);
    }
    assert_int_equal(end, bytes);
}

static int64_t live_peak(int n, const btl_pack_buffer *b) {
    int64_t peak = 0;
    for (int i = 0; i < n; i++) { /* it is reached where a life begins */
        int64_t live = 0;
        for (int k = 0; k < n; k++)
            if (b[k].lower <= b[i].lower && b[i].lower < b[k].upper) live += b[k].size;
        if (live > peak) peak = live;
    }
    return peak;
}

static btl_pack_result packed(const pack_set *s, btl_pack_options o) {
    btl_pack_result r;
    btl_error err = { 0 };
    o.struct_size = sizeof o;
    if (btl_pack(NULL, s->n, s->buffers, &o, &r, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    int64_t peak = live_peak(s->n, s->buffers);
    assert_valid(s->n, s->buffers, o.align ? o.align : 1, r.bytes);
    assert_int_equal(r.peak_bytes, peak);
    assert_true(peak <= r.lower_bound_bytes && r.lower_bound_bytes <= r.bytes);
    assert_true(r.proven == (r.bytes == r.lower_bound_bytes));
    return r;
}

/* ---- all orders of tiny sets ----------------------------------------------------------------------- */

/* In an optimal plan in which no buffer can lie lower, each begins where the highest of those below it ends: so the least
 * over all orders of placing each behind all earlier ones that it meets. */
static void brute(int n, const btl_pack_buffer *b, int64_t align, int *used, int64_t *offset, int done, int64_t end, int64_t *best) {
    if (end >= *best) return;
    if (done == n) {
        *best = end;
        return;
    }
    for (int i = 0; i < n; i++) {
        if (used[i]) continue;
        int64_t at = 0;
        for (int k = 0; k < n; k++)
            if (used[k] && b[i].lower < b[k].upper && b[k].lower < b[i].upper && offset[k] + b[k].size > at) at = offset[k] + b[k].size;
        offset[i] = (at + align - 1) / align * align;
        used[i] = 1;
        brute(n, b, align, used, offset, done + 1, b[i].size && offset[i] + b[i].size > end ? offset[i] + b[i].size : end, best);
        used[i] = 0;
    }
}

BTL_TEST(tiny_sets_take_what_the_best_of_all_orders_takes) {
    btl_rng r = { btl_test_seed() };
    int above = 0;
    for (int trial = 0; trial < 6000; trial++) {
        btl_pack_buffer b[7];
        int n = 1 + (int)btl_rng_below(&r, trial % 10 ? 6 : 7), used[7] = { 0 }, steps = 2 + (int)btl_rng_below(&r, 7);
        int64_t offset[7], best = INT64_MAX, align = trial % 3 == 2 ? 4 : 1;
        for (int i = 0; i < n; i++) {
            b[i].lower = (int64_t)btl_rng_below(&r, (uint64_t)steps);
            b[i].upper = b[i].lower + 1 + (int64_t)btl_rng_below(&r, 4);
            b[i].size = (int64_t)btl_rng_below(&r, 9);
        }
        brute(n, b, align, used, offset, 0, 0, &best);
        pack_set s = { .n = n, .buffers = b };
        btl_pack_result got = packed(&s, (btl_pack_options){ .align = align });
        if (got.bytes != best || !got.proven) BTL_FAIL("%d buffers take %lld, bound %lld; the best of all orders takes %lld", n, (long long)got.bytes, (long long)got.lower_bound_bytes, (long long)best);
        above += best > live_peak(n, b);
        got = packed(&s, (btl_pack_options){ .align = align, .capacity = best });
        assert_true(got.fits);
        if (best < 2) continue;
        got = packed(&s, (btl_pack_options){ .align = align, .capacity = best - 1 });
        assert_true(!got.fits && got.never_fits);
    }
    assert_true(above > 50); /* that the bound had to be proven above the live peak */
}

/* ---- sets with a known optimum -------------------------------------------------------------------------- */

static void reaches(pack_set s) {
    btl_pack_result r = packed(&s, (btl_pack_options){ 0 });
    if (r.bytes != s.optimum || !r.proven) BTL_FAIL("%d buffers: %lld bytes, %lld are enough", s.n, (long long)r.bytes, (long long)s.optimum);
    free(s.buffers);
}

BTL_TEST(rectangles_cut_up_are_put_together_again) {
    for (uint64_t seed = 1; seed <= 5; seed++)
        for (int n = 40; n <= 320; n *= 2) {
            reaches(sets_filled(seed, n, SETS_GUILLOTINE, 0));
            reaches(sets_filled(seed, n, SETS_SHORT_LIVES, 0));
            if (n < 200) reaches(sets_filled(seed, n, SETS_PINWHEELS, 0));
        }
}

BTL_TEST(a_set_that_takes_more_than_its_live_peak_is_proven_to) {
    /* Time goes in a ring of five, each of length two: two meet at a time, but three heights are needed only if each
     * fills a third; with sizes of one, four overlapping pairwise in a path take two. */
    btl_pack_buffer path[] = { { 0, 2, 1, 0 }, { 1, 4, 1, 0 }, { 3, 6, 1, 0 }, { 5, 8, 1, 0 } };
    pack_set s = { .n = 4, .buffers = path };
    btl_pack_result r = packed(&s, (btl_pack_options){ 0 });
    assert_int_equal(r.bytes, 2);
    /* a (4) and b (2) share the bottom and the top at time 0, c (2) and d (4) at time 2, and e, of 2, lives
     * all the time: live peak 8; below 8, e would lie under or between both pairs: 0, 2, 4 or 6. It fits. */
    btl_pack_buffer ring[] = { { 0, 2, 4, 0 }, { 0, 1, 2, 0 }, { 2, 3, 2, 0 }, { 2, 4, 4, 0 }, { 0, 4, 2, 0 } };
    s = (pack_set){ .n = 5, .buffers = ring };
    assert_int_equal(packed(&s, (btl_pack_options){ 0 }).bytes, 8);
}

/* ---- any sets --------------------------------------------------------------------------------------------- */

BTL_TEST(any_sets_are_packed_validly) {
    btl_rng r = { btl_test_seed() };
    for (int trial = 0; trial < 300; trial++) {
        static const int64_t aligns[] = { 1, 2, 64, 100 };
        pack_set s = { .random = btl_rng_u64(&r) };
        int n = (int)btl_rng_below(&r, 120), steps = 1 + (int)btl_rng_below(&r, 60);
        uint64_t longest = 1 + btl_rng_below(&r, 50), largest = (uint64_t)1 << btl_rng_below(&r, 40);
        int64_t early = trial % 5 ? 0 : INT64_MIN;
        for (int i = 0; i < n; i++) {
            int64_t lower = early + (int64_t)btl_rng_below(&r, (uint64_t)steps);
            sets_add(&s, lower, lower + 1 + (int64_t)btl_rng_below(&r, longest), btl_rng_below(&r, 9) ? (int64_t)btl_rng_below(&r, largest) : 0);
        }
        packed(&s, (btl_pack_options){ .align = aligns[trial % 4], .steps = 2000 });
        packed(&s, (btl_pack_options){ .align = aligns[trial % 4], .greedy_only = true });
        free(s.buffers);
    }
}

BTL_TEST(the_same_set_is_packed_the_same_again) {
    pack_set s = sets_filled(7, 150, SETS_GUILLOTINE, 300), t = sets_filled(7, 150, SETS_GUILLOTINE, 300);
    packed(&s, (btl_pack_options){ .steps = 20000 });
    packed(&t, (btl_pack_options){ .steps = 20000 });
    for (int i = 0; i < s.n; i++) assert_int_equal(s.buffers[i].offset, t.buffers[i].offset);
    free(s.buffers);
    free(t.buffers);
}

BTL_TEST(training_is_packed_within_half_a_percent) {
    for (int n = 100; n <= 3200; n *= 2) {
        pack_set s = sets_training(1, n);
        btl_pack_result r = packed(&s, (btl_pack_options){ .align = 64, .steps = 20000 });
        if ((double)r.bytes > 1.005 * (double)r.peak_bytes) BTL_FAIL("%d buffers: %lld bytes, live peak %lld", s.n, (long long)r.bytes, (long long)r.peak_bytes);
        free(s.buffers);
    }
}

BTL_TEST(a_capacity_is_met_or_the_failure_told) {
    pack_set s = sets_filled(3, 100, SETS_GUILLOTINE, 0);
    btl_pack_result r = packed(&s, (btl_pack_options){ .capacity = s.optimum });
    assert_true(r.fits && !r.never_fits);
    r = packed(&s, (btl_pack_options){ .capacity = s.optimum - 1 });
    assert_true(!r.fits && r.never_fits);
    assert_int_equal(r.lower_bound_bytes, s.optimum);
    r = packed(&s, (btl_pack_options){ .capacity = s.optimum, .greedy_only = true });
    assert_true(!r.fits && !r.never_fits);
    free(s.buffers);
}

/* ---- bad input, memory that runs out ------------------------------------------------------------------------ */

static void refuses(btl_pack_buffer b, const char *words) {
    btl_pack_result r;
    btl_error err = { 0 };
    BTL_ASSERT_STATUS(btl_pack(NULL, 1, &b, NULL, &r, &err), BTL_EVALUE);
    BTL_ASSERT_CONTAINS(err.message, words);
}

BTL_TEST(what_is_no_buffer_is_refused) {
    refuses((btl_pack_buffer){ 3, 3, 1, 0 }, "[3, 3) is empty");
    refuses((btl_pack_buffer){ 4, 3, 1, 0 }, "[4, 3) is empty");
    refuses((btl_pack_buffer){ 0, 1, -1, 0 }, "size -1 is negative");
    refuses((btl_pack_buffer){ 0, 1, INT64_MAX, 0 }, "larger than 2^61");
    btl_pack_result r;
    btl_error err = { 0 };
    btl_pack_options o = { .struct_size = sizeof o, .align = -8 };
    BTL_ASSERT_STATUS(btl_pack(NULL, 0, NULL, &o, &r, &err), BTL_EVALUE);
    BTL_ASSERT_OK(btl_pack(NULL, 0, NULL, NULL, &r, NULL));
    assert_true(r.bytes == 0 && r.proven);
}

static btl_status pack_in(btl_context *ctx, void *arg) {
    pack_set *s = arg;
    btl_pack_result r;
    btl_error err = { 0 };
    return btl_pack(ctx, s->n, s->buffers, &(btl_pack_options){ .struct_size = sizeof(btl_pack_options), .steps = 3000 }, &r, &err);
}

BTL_TEST(packing_survives_memory_that_runs_out) {
    pack_set s = sets_filled(1, 60, SETS_PINWHEELS, 0);
    BTL_ASSERT_SURVIVES_ENOMEM(pack_in, &s);
    free(s.buffers);
}

/* ---- the check -------------------------------------------------------------------------------------------------- */

typedef struct check_args { btl_arena a; int n; const btl_buffer *b; size_t total; btl_error err; } check_args;

static btl_status check(void *arg) {
    check_args *c = arg;
    return btl_plan_check(&c->a, c->n, c->b, 64, c->total, &c->err);
}

static btl_status checked(int n, const btl_buffer *b, size_t total, char *message) {
    check_args c = { .n = n, .b = b, .total = total };
    btl_arena_init(&c.a, NULL);
    btl_status status = btl_arena_protect(&c.a, check, &c);
    btl_arena_deinit(&c.a);
    strcpy(message, c.err.message);
    return status;
}

BTL_TEST(the_check_finds_what_is_wrong) {
    char words[2000];
    btl_buffer good[] = { { 0, 3, 64, 0 }, { 4, 9, 128, 0 }, { 3, 4, 64, 128 }, { 0, 9, 0, 640 } };
    BTL_ASSERT_OK(checked(4, good, 192, words));
    BTL_ASSERT_STATUS(checked(4, good, 191, words), BTL_EINTERNAL);
    BTL_ASSERT_CONTAINS(words, "ends beyond");
    good[2].offset = 64;
    BTL_ASSERT_STATUS(checked(4, good, 192, words), BTL_EINTERNAL);
    BTL_ASSERT_CONTAINS(words, "buffers 1, 128 bytes at 0, steps 4 to 9, and 2, 64 bytes at 64, steps 3 to 4, overlap");
    good[2].offset = 100;
    BTL_ASSERT_STATUS(checked(4, good, 192, words), BTL_EINTERNAL);
    BTL_ASSERT_CONTAINS(words, "no multiple of 64");
    btl_rng r = { btl_test_seed() };
    for (int trial = 0; trial < 3000; trial++) { /* the verdict is that of the pairs */
        btl_buffer b[12];
        int n = (int)btl_rng_below(&r, 12), overlaps = 0;
        for (int i = 0; i < n; i++) {
            int first = (int)btl_rng_below(&r, 20) - 10;
            b[i] = (btl_buffer){ first, first + (int)btl_rng_below(&r, 6), btl_rng_below(&r, 100), 64 * btl_rng_below(&r, 8) };
            for (int k = 0; k < i; k++)
                overlaps += b[i].bytes && b[k].bytes && b[i].first <= b[k].last && b[k].first <= b[i].last && b[i].offset < b[k].offset + b[k].bytes && b[k].offset < b[i].offset + b[i].bytes;
        }
        BTL_ASSERT_STATUS(checked(n, b, 10000, words), overlaps ? BTL_EINTERNAL : BTL_OK);
    }
}

BTL_TEST_MAIN(cmocka_unit_test(tiny_sets_take_what_the_best_of_all_orders_takes), cmocka_unit_test(rectangles_cut_up_are_put_together_again),
              cmocka_unit_test(a_set_that_takes_more_than_its_live_peak_is_proven_to), cmocka_unit_test(any_sets_are_packed_validly),
              cmocka_unit_test(the_same_set_is_packed_the_same_again), cmocka_unit_test(training_is_packed_within_half_a_percent),
              cmocka_unit_test(a_capacity_is_met_or_the_failure_told), cmocka_unit_test(what_is_no_buffer_is_refused),
              cmocka_unit_test(packing_survives_memory_that_runs_out), cmocka_unit_test(the_check_finds_what_is_wrong))
