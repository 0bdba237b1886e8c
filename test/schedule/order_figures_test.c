/* order_figures_test.c - the figures of docs/MEMORY.md, "Order": every family, with the given order's peak, the one found, the
 * bound, and what that took. Always checked: no order is worse than the given one, no bound above the peak. With BTL_TIMED (make growth): all
 * sizes, and the goals for gaps and for time.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "families.h"
#include "schedule/offsets.h"
#include "schedule/order.h"

#include <stdio.h>
#include <time.h>

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct figure {
    btl_arena arena;
    const btl_schedule *problem;
    btl_order_budget budget;
    bool offsets;         /* plan them too */
    btl_liveness *l;
    btl_order order;
    size_t block;
    double seconds;
} figure;

static btl_status figure_plan(void *arg) {
    figure *f = arg;
    btl_status status = btl_liveness_new(&f->arena, f->problem, &f->l, NULL);
    if (status != BTL_OK) return status;
    f->order = btl_order_find(&f->arena, f->l, NULL, &f->budget);
    if (!f->offsets) return btl_liveness_check_order(f->l, f->order.ops, &f->arena, NULL);
    int *first = BTL_ARRAY(&f->arena, int, f->l->nstores + 1), *last = BTL_ARRAY(&f->arena, int, f->l->nstores + 1);
    btl_liveness_spans(f->l, f->order.ops, &f->arena, first, last);
    btl_buffer *buffers = BTL_ARRAY(&f->arena, btl_buffer, f->l->nstores + 1);
    for (int s = 0; s < f->l->nstores; s++) buffers[s] = (btl_buffer){ .first = first[s], .last = last[s], .bytes = (size_t)f->l->bytes[s] };
    f->block = btl_plan_offsets(&f->arena, f->l->nstores, buffers, 64);
    return btl_liveness_check_order(f->l, f->order.ops, &f->arena, NULL);
}

static void figure_run(figure *f, const btl_schedule *problem) {
    f->problem = problem;
    if (!f->budget.steps) f->budget = btl_order_usual_budget;
    btl_arena_init(&f->arena, NULL);
    double start = seconds();
    BTL_ASSERT_OK(btl_arena_protect(&f->arena, figure_plan, f));
    f->seconds = seconds() - start;
    assert_true(f->order.peak <= f->order.given_peak);
    assert_true(f->order.bound <= f->order.peak);
}

static void show_header(void) {
    printf("%-24s %7s %12s %8s %8s %9s %9s %9s  %s\n", "family", "ops", "peak", "of given", "gap %", "seconds", "Msteps", "states", "found by; bound by");
}

/* Prints a line, and holds it to the goals. */
static void show(const char *name, family *f, double gap, double most_seconds) {
    figure g = { 0 };
    if (!btl_test_timed()) g.budget = (btl_order_budget){ 20000000, 200000, 1 }, gap = 0.1;
    figure_run(&g, family_problem(f));
    const btl_order *o = &g.order;
    printf("%-24s %7d %12lld %8.4f %8.3f %9.3f %9.1f %9lld  %s; %s\n", name, f->nops, (long long)o->peak, (double)o->peak / (double)o->given_peak,
           100 * ((double)o->peak / (double)o->bound - 1), g.seconds, (double)o->steps * 1e-6, (long long)o->states, o->method, o->bound_by);
    fflush(stdout);
    assert_true((double)o->peak <= (1 + gap) * (double)o->bound);
    if (btl_test_timed()) assert_true(g.seconds < most_seconds);
    btl_arena_deinit(&g.arena);
    family_free(f);
}

BTL_TEST(training_graphs) {
    bool all = btl_test_timed();
    show_header();
    family f;
#define SHOW(name, make, gap) (f = (family){ 0 }, make, show(name, &f, gap, 10))
    SHOW("mlp, 8 layers", family_mlp(&f, 8, 128, 64), 0.01);
    SHOW("rnn, 10 steps", family_rnn(&f, 10, 32, 100, 128), 0.01);
    SHOW("lstm, 5 steps", family_lstm(&f, 5, 32, 100, 128), 0.01);
    SHOW("unet, 3 levels", family_unet(&f, 3, 2, 16, 4096), 0.01);
    SHOW("densenet, 2 x 6", family_densenet(&f, 2, 6, 12, 1024), 0.01);
    SHOW("tree lstm, 8 leaves", family_tree_lstm(&f, 8, 1, 64, 1), 0.01);
    SHOW("transformer, 2 layers", family_transformer(&f, 2, 4, 32, 64, 4), 0.01);
    if (!all) return;
    SHOW("rnn, 100 steps", family_rnn(&f, 100, 32, 100, 128), 0.01);
    SHOW("rnn, 400 steps", family_rnn(&f, 400, 32, 100, 128), 0.01);
    SHOW("lstm, 40 steps", family_lstm(&f, 40, 32, 100, 128), 0.01);
    SHOW("lstm, 80 steps", family_lstm(&f, 80, 32, 100, 128), 0.01);
    SHOW("unet, 5 levels", family_unet(&f, 5, 4, 32, 65536), 0.01);
    SHOW("densenet, 4 x 24", family_densenet(&f, 4, 24, 32, 12544), 0.01);
    SHOW("tree lstm, 40 leaves", family_tree_lstm(&f, 40, 64, 150, 2), 0.01);
    SHOW("tree lstm, 80 leaves", family_tree_lstm(&f, 80, 64, 150, 3), 0.01);
    SHOW("the same, batch 16", family_tree_lstm(&f, 40, 16, 150, 2), 0.01);
    SHOW("the same, batch 1", family_tree_lstm(&f, 40, 1, 150, 2), 0.01);
    SHOW("transformer, 12 layers", family_transformer(&f, 12, 8, 128, 256, 8), 0.01);
    SHOW("transformer, 48 layers", family_transformer(&f, 48, 8, 128, 256, 8), 0.01);
}

BTL_TEST(irregular_graphs) {
    static const char *const names[] = { "equal", "1 to 8", "powers of 2" };
    int n = btl_test_timed() ? 200 : 20;
    printf("\nWatts and Strogatz, 24 nodes: %d graphs a kind\n%-12s %9s %9s %12s %12s\n", n, "sizes", "proven", "given", "mean ms", "most ms");
    for (int sizes = 0; sizes < 3; sizes++) {
        int proven = 0;
        double sum = 0, most = 0, ratio = 0;
        for (int i = 0; i < n; i++) {
            family f = { 0 };
            family_irregular(&f, 24, 4, 0.75, (family_sizes)sizes, 1000 + (uint64_t)i);
            figure g = { 0 };
            figure_run(&g, family_problem(&f));
            proven += g.order.proven;
            sum += g.seconds;
            if (g.seconds > most) most = g.seconds;
            ratio += (double)g.order.given_peak / (double)g.order.peak;
            btl_arena_deinit(&g.arena);
            family_free(&f);
        }
        printf("%-12s %9d %9.3f %12.3f %12.3f\n", names[sizes], proven, ratio / n, 1e3 * sum / n, 1e3 * most);
        assert_int_equal(proven, n);
        if (btl_test_timed()) assert_true(sum / n < 2e-3);
    }
}

BTL_TEST(a_hundred_thousand_ops) {
    int n = btl_test_timed() ? 100000 : 5000;
    printf("\n");
    show_header();
    for (int kind = 0; kind < 3; kind++) {
        family f = { 0 };
        if (kind == 0) family_layered(&f, n, 50, 1);
        else if (kind == 1) family_rnn(&f, n / 33, 32, 100, 128);
        else family_irregular(&f, n / 50, 4, 0.75, FAMILY_1_TO_8, 1);
        figure g = { .budget = { 60000000, 0, 1 }, .offsets = true };
        figure_run(&g, family_problem(&f));
        printf("%-24s %7d %12lld %8.4f %8.3f %9.3f %9.1f %9lld  %s; block %zu, arena %.0f MB\n", kind ? kind == 1 ? "rnn" : "irregular" : "layers of 50", f.nops, (long long)g.order.peak,
               (double)g.order.peak / (double)g.order.given_peak, 100 * ((double)g.order.peak / (double)g.order.bound - 1), g.seconds, (double)g.order.steps * 1e-6,
               (long long)g.order.states, g.order.method, g.block, (double)g.arena.total_bytes * 1e-6);
        if (btl_test_timed()) assert_true(g.seconds < 3);
        btl_arena_deinit(&g.arena);
        family_free(&f);
    }
}

BTL_TEST_MAIN(cmocka_unit_test(training_graphs), cmocka_unit_test(irregular_graphs), cmocka_unit_test(a_hundred_thousand_ops))
