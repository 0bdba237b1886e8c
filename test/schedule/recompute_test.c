/* recompute_test.c - steps that run again: sequences make what the schedule makes, take what is said, and chains are reversed at the known cost.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "families.h"
#include "schedule/liveness.h"
#include "schedule/recompute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static btl_arena arena;

typedef struct job { const btl_schedule *s; int *order; btl_onto onto; int64_t budget, work; btl_recomputed out; } job;

static btl_status job_run(void *arg) {
    job *j = arg;
    if (!j->order) {
        j->order = BTL_ARRAY(&arena, int, j->s->nsteps + 1);
        for (int i = 0; i < j->s->nsteps; i++) j->order[i] = i;
    }
    j->out = btl_recompute(&arena, j->s, j->order, j->onto, j->budget, j->work, true);
    return BTL_OK;
}

/* ---- a second model: terms ------------------------------------------------------------------------ */

/* Every making of a value is one number for what it is made of; a storage is held from its making to the last reading of what lies in it. */
typedef struct paper { uint64_t *term; int *store; int64_t peak; } paper;

static uint64_t mix(uint64_t a, uint64_t b) { return (a ^ (b + 0x9e3779b97f4a7c15u + (a << 6) + (a >> 2))) * 0xff51afd7ed558ccdu; }

/* Is what lies in a storage read behind place i? By looking forward for each value in it. */
static bool read_later(const btl_schedule *s, int n, const int *steps, int i, const int *current, int store) {
    for (int v = 0; v < s->nvalues; v++)
        for (int p = i + 1; current[v] == store && p < n; p++) {
            const btl_schedule_step *q = &s->steps[steps[p]];
            bool made = false;
            for (int k = 0; k < q->nin; k++)
                if (q->in[k] == v) return true;
            for (int k = 0; k < q->nout; k++) made |= q->out[k] == v;
            if (made) break;
        }
    return false;
}

/* May v be made where what it is written over lies? */
static bool dies(const btl_schedule *s, int n, const int *steps, int i, const int *current, const int64_t *bytes, const int *version, int v) {
    int store = current[s->values[v].into];
    for (int w = 0; w < s->nvalues; w++)
        if (store >= 0 && version[w] == store + 1) return false;
    return store >= 0 && bytes[store] == s->values[v].bytes && !read_later(s, n, steps, i, current, store);
}

/* Does it lie in a leaf's memory, or in what is free? */
static bool is_free(const btl_schedule *s, const bool *is_made, int v) {
    if (!is_made[v] || s->values[v].is_free) return true;
    return s->values[v].into >= 0 ? is_free(s, is_made, s->values[v].into) : s->values[v].nviews && is_free(s, is_made, s->values[v].views[0]);
}

/* Runs the sequence and says which terms the outputs are; the peak by looking forward from each place, without places taken over but for `into`. */
static paper run_on_paper(const btl_schedule *s, int n, const int *steps) {
    paper p = { calloc((size_t)s->nvalues + 1, sizeof *p.term), NULL, 0 };
    int *version = calloc((size_t)s->nvalues + 1, sizeof *version), nstores = 0, most = 1;
    for (int i = 0; i < n; i++) most += s->steps[steps[i]].nout;
    int *first = calloc((size_t)most, sizeof *first), *last = calloc((size_t)most, sizeof *last), *current = calloc((size_t)s->nvalues + 1, sizeof *current);
    int64_t *bytes = calloc((size_t)most, sizeof *bytes);
    bool *made = calloc((size_t)s->nvalues + 1, sizeof *made), *is_made = calloc((size_t)s->nvalues + 1, sizeof *is_made);
    for (int i = 0; i < s->nsteps; i++)
        for (int k = 0; k < s->steps[i].nout; k++) is_made[s->steps[i].out[k]] = true;
    for (int v = 0; v < s->nvalues; v++) p.term[v] = (uint64_t)v + 1, current[v] = -1;
    for (int i = 0; i < n; i++) {
        const btl_schedule_step *q = &s->steps[steps[i]];
        uint64_t term = (uint64_t)steps[i] * 77 + 5;
        for (int k = 0; k < q->nin; k++) {
            term = mix(term, p.term[q->in[k]]);
            if (current[q->in[k]] >= 0) last[current[q->in[k]]] = i;
        }
        for (int k = 0; k < q->nout; k++) {
            int v = q->out[k];
            uint64_t t = mix(term, (uint64_t)k);
            if (made[v] && p.term[v] != t) BTL_FAIL("value %d is another when it is made again, at place %d", v, i);
            p.term[v] = t;
            if (s->values[v].nviews) {
                current[v] = current[s->values[v].views[0]];
                if (current[v] >= 0) last[current[v]] = i;
            } else if (s->values[v].into >= 0 && (is_free(s, is_made, v) || dies(s, n, steps, i, current, bytes, version, v))) {
                current[v] = current[s->values[v].into];
                if (current[v] >= 0) last[current[v]] = i;
            } else {
                current[v] = nstores, first[nstores] = last[nstores] = i;
                bytes[nstores++] = s->values[v].is_free ? 0 : s->values[v].bytes;
            }
            if (s->values[v].is_output && !made[v] && current[v] >= 0) version[v] = current[v] + 1;
            made[v] = true;
        }
    }
    for (int v = 0; v < s->nvalues; v++)
        if (version[v]) last[version[v] - 1] = n;
    for (int i = 0; i < n; i++) {
        int64_t live = s->steps[steps[i]].workspace;
        for (int k = 0; k < nstores; k++) live += first[k] <= i && i <= last[k] ? bytes[k] : 0;
        if (live > p.peak) p.peak = live;
    }
    free(version), free(first), free(last), free(current), free(bytes), free(made), free(is_made);
    return p;
}

/* What was found, by the second model: each step runs, outputs are the same, the peak is what is said. */
static void check(const job *j) {
    const btl_schedule *s = j->s;
    bool *ran = calloc((size_t)s->nsteps + 1, sizeof *ran);
    double extra = 0;
    paper once = run_on_paper(s, s->nsteps, j->order), again = run_on_paper(s, j->out.best.n, j->out.best.steps);
    for (int i = 0; i < j->out.best.n; i++) {
        int step = j->out.best.steps[i];
        if (ran[step]) extra += s->steps[step].cost;
        if (ran[step] && isinf(s->steps[step].cost)) BTL_FAIL("step %d may not run again", step);
        ran[step] = true;
    }
    for (int i = 0; i < s->nsteps; i++) assert_true(ran[i]);
    for (int v = 0; v < s->nvalues; v++)
        if (s->values[v].is_output) assert_true(once.term[v] == again.term[v]);
    if (!j->onto) assert_int_equal(again.peak, j->out.best.peak);
    assert_true(again.peak >= j->out.best.peak && j->out.best.peak >= j->out.bound);
    assert_true(fabs(extra - j->out.best.extra) <= 1e-9 * (1 + extra));
    assert_true(j->out.fits == (j->out.best.peak <= j->budget));
    for (int k = 1; k < j->out.ncurve; k++) assert_true(j->out.curve[k].bytes < j->out.curve[k - 1].bytes);
    free(ran), free(once.term), free(again.term);
}

static btl_recomputed solve(job *j) {
    btl_arena_init(&arena, NULL);
    BTL_ASSERT_OK(btl_arena_protect(&arena, job_run, j));
    check(j);
    btl_recomputed out = j->out;
    btl_arena_deinit(&arena);
    return out;
}

/* ---- chains ---------------------------------------------------------------------------------------- */

typedef struct links { btl_schedule s; btl_schedule_value v[220]; btl_schedule_step q[220]; int in[220][3], out[220]; } links;

/* x_1 … x_l, h, y_{l-1} … y_0, with those sizes and costs. */
static void make_chain(links *c, int l, const int64_t *x, const int64_t *y, const double *cost) {
    *c = (links){ .s = { .values = c->v, .steps = c->q, .nvalues = 2 * l + 2, .nsteps = 2 * l + 1 } };
    for (int v = 0; v < 2 * l + 2; v++) c->v[v].into = -1;
    for (int i = 1; i <= l; i++) c->v[i].bytes = x[i];                     /* value i is x_i, 0 the leaf */
    for (int i = 0; i <= l; i++) c->v[2 * l + 1 - i].bytes = y[i];         /* value 2l + 1 - i is y_i */
    c->v[2 * l + 1].is_output = true;
    for (int k = 0; k < 2 * l + 1; k++) {
        int i = 2 * l + 1 - k; /* of what makes y_{i-1} */
        c->out[k] = k + 1;
        c->in[k][0] = k, c->in[k][1] = k < l ? 0 : i - 1;
        c->q[k] = (btl_schedule_step){ .nin = k < l ? 1 : k == l ? 1 : 2, .in = c->in[k], .nout = 1, .out = &c->out[k], .cost = k < l ? cost[k + 1] : 1 };
    }
}

/* Griewank and Walther: l steps, c states at a time besides x_0, each step costs 1: all forward steps run. By their recursion, t(l, 0) = l (l - 1) / 2, and
 * t(l, c) the least of m + t(l - m, c - 1) + t(m, c). */
static int64_t revolve(int l, int c) {
    static int64_t known[40][40];
    if (l <= 1) return 0;
    if (c == 0) return (int64_t)l * (l - 1) / 2;
    if (known[l][c]) return known[l][c];
    int64_t best = INT64_MAX;
    for (int m = 1; m < l; m++) {
        int64_t t = m + revolve(l - m, c - 1) + revolve(m, c);
        if (t < best) best = t;
    }
    return known[l][c] = best;
}

BTL_TEST(equal_chains_are_reversed_at_the_known_cost) {
    int64_t x[40], y[40] = { 0 };
    double cost[40];
    for (int i = 0; i < 40; i++) x[i] = 1000, cost[i] = 1;
    for (int l = 2; l <= 26; l += l < 10 ? 1 : 4)
        for (int slots = 2; slots <= l; slots += slots < 5 ? 1 : 3) {
            links c;
            make_chain(&c, l, x, y, cost);
            job j = { .s = &c.s, .budget = 1000 * slots };
            btl_recomputed r = solve(&j);
            assert_true(r.fits);
            /* h is one more step to be reversed, which costs nothing forward. There, a state is overwritten by the next; here both are there for a moment, which
             * takes at most one of the places. */
            int64_t least = revolve(l + 1, slots - 1) - l, most = revolve(l + 1, slots - 2) - l;
            if (r.best.extra < (double)least || r.best.extra > (double)most) BTL_FAIL("%d steps in %d slots: %g extra, %lld to %lld wanted", l, slots, r.best.extra, (long long)least, (long long)most);
        }
    links c;
    make_chain(&c, 5, x, y, cost);
    job j = { .s = &c.s, .budget = 1999 };
    btl_recomputed r = solve(&j);
    assert_true(!r.fits && r.bound == 2000 && r.best.peak == 2000);
}

/* All sequences of a chain of unequal steps, by search over what is kept: x_i held or not, y_j there. */
typedef struct search { int l; const int64_t *x, *y; const double *cost; int64_t budget; double best[8][256]; bool done[8][256]; } search;

/* Least forward cost with the states in `kept` (bit i: x_i), y_j to be gone on from (j = l + 1: nothing yet). */
static double least_cost(search *s, int j, unsigned kept, int depth);

static int64_t kept_bytes(const search *s, unsigned kept) {
    int64_t bytes = 0;
    for (int i = 1; i <= s->l; i++) bytes += kept >> i & 1 ? s->x[i] : 0;
    return bytes;
}

static double least_cost(search *s, int j, unsigned kept, int depth) {
    if (j == 0) return 0;
    if (depth > 40) return INFINITY;
    if (s->done[j][kept]) return s->best[j][kept];
    double best = INFINITY;
    s->done[j][kept] = true, s->best[j][kept] = INFINITY; /* no way round: costs are positive */
    int64_t y = j <= s->l ? s->y[j] : 0;
    unsigned there = kept | 1;
    if (there >> (j - 1) & 1) { /* go back a step */
        if (kept_bytes(s, kept) + y + s->y[j - 1] <= s->budget) {
            unsigned rest = j - 1 ? kept & ~(1u << (j - 1)) : kept;
            double c = least_cost(s, j - 1, rest, depth + 1), d = least_cost(s, j - 1, kept, depth + 1);
            best = c < d ? c : d;
        }
    }
    for (int i = 0; i < s->l && i + 1 < j; i++) { /* run forward from x_i, with x_i or without it behind */
        if (!(there >> i & 1) || (kept >> (i + 1) & 1)) continue;
        if (kept_bytes(s, kept | 1u << (i + 1)) + y > s->budget) continue;
        double c = s->cost[i + 1] + least_cost(s, j, kept | 1u << (i + 1), depth + 1);
        if (c < best) best = c;
        if (i == 0) continue;
        c = s->cost[i + 1] + least_cost(s, j, (kept | 1u << (i + 1)) & ~(1u << i), depth + 1);
        if (c < best) best = c;
    }
    return s->best[j][kept] = best;
}

BTL_TEST(unequal_chains_are_reversed_at_the_least_cost) {
    btl_rng r = { btl_test_seed() };
    for (int t = 0; t < 300; t++) {
        int l = 2 + (int)btl_rng_below(&r, 5);
        int64_t x[8], y[8], all = 0;
        double cost[8], once = 0;
        int64_t every = (int64_t)btl_rng_below(&r, 5); /* of unequal y it is not claimed */
        for (int i = 0; i < 8; i++) x[i] = 1 + (int64_t)btl_rng_below(&r, 9), y[i] = every, cost[i] = 1 + (double)btl_rng_below(&r, 5);
        for (int i = 1; i <= l; i++) all += x[i], once += cost[i];
        links c;
        make_chain(&c, l, x, y, cost);
        for (int64_t budget = 1; budget <= all + 8; budget += 1 + all / 8) {
            job j = { .s = &c.s, .budget = budget };
            search s = { .l = l, .x = x, .y = y, .cost = cost, .budget = budget };
            btl_recomputed out = solve(&j);
            double least = least_cost(&s, l + 1, 0, 0);
            if (out.fits != isfinite(least)) BTL_FAIL("budget %lld: %s, by search %g", (long long)budget, out.fits ? "found" : "not found", least);
            if (out.fits && fabs(out.best.extra - (least - once)) > 1e-9) BTL_FAIL("budget %lld of %d steps: extra %g, least %g", (long long)budget, l, out.best.extra, least - once);
        }
    }
}

/* ---- any graph ------------------------------------------------------------------------------------- */

static void try_family(family *f, const char *name, double goal) {
    const btl_schedule *s = family_problem(f);
    for (int i = 0; i < f->nops; i++) {
        double bytes = 0;
        for (int k = 0; k < f->ops[i].nin; k++) bytes += (double)f->values[f->ops[i].in[k]].bytes;
        f->ops[i].cost = 20 + bytes / 10;
    }
    job j = { .s = s, .budget = INT64_MAX };
    btl_recomputed whole = solve(&j);
    job least = { .s = s, .budget = 0, .work = 40000000 };
    btl_recomputed r = solve(&least);
    double all = 0;
    for (int i = 0; i < f->nops; i++) all += f->ops[i].cost;
    print_message("%s, %d steps: peak %lld -> %lld (%.3f) for %.3f of the work; bound %lld\n", name, s->nsteps, (long long)whole.best.peak, (long long)r.best.peak,
                  (double)r.best.peak / (double)whole.best.peak, r.best.extra / all, (long long)r.bound);
    if ((double)r.best.peak > goal * (double)whole.best.peak) BTL_FAIL("%s: %g of the peak is left", name, (double)r.best.peak / (double)whole.best.peak);
    job half = { .s = s, .budget = (whole.best.peak + r.best.peak) / 2 };
    assert_true(solve(&half).fits && half.out.best.extra <= r.best.extra);
    family_free(f);
}

BTL_TEST(training_graphs_take_less) {
    family f = { 0 };
    family_mlp(&f, 16, 512, 64);
    try_family(&f, "mlp, 16 layers", 0.75);
    f = (family){ 0 };
    family_rnn(&f, 30, 32, 20, 32);
    try_family(&f, "rnn, 30 steps", 0.9);
    f = (family){ 0 };
    family_transformer(&f, 2, 2, 16, 32, 2);
    try_family(&f, "transformer, 2 layers", 1);
    f = (family){ 0 };
    family_unet(&f, 3, 2, 8, 4096);
    try_family(&f, "unet, 3 levels", 1);
}

/* Random graphs with views and steps that may not run again: what comes is checked by `check`, and no step that may not run again does. */
BTL_TEST(random_graphs_make_the_same) {
    btl_rng r = { btl_test_seed() };
    int better = 0, ninto = 0;
    for (int t = 0; t < 1500; t++) {
        enum { MOST = 14 };
        btl_schedule_value v[3 * MOST] = { { 0 } };
        btl_schedule_step q[MOST] = { { 0 } };
        int in[MOST][3], out[MOST][2], root[3 * MOST] = { 0 }, nvalues = 1, nsteps = 3 + (int)btl_rng_below(&r, MOST - 3);
        bool gone[3 * MOST] = { false }; /* written over */
        v[0].into = -1, v[0].bytes = 5;
        for (int i = 0; i < nsteps; i++) {
            q[i] = (btl_schedule_step){ .nin = 1 + (int)btl_rng_below(&r, 3), .nout = 1 + (btl_rng_below(&r, 5) == 0), .in = in[i], .out = out[i],
                                        .cost = btl_rng_below(&r, 8) ? 1 + (double)btl_rng_below(&r, 9) : (double)INFINITY, .workspace = btl_rng_below(&r, 6) ? 0 : (int64_t)btl_rng_below(&r, 20) };
            for (int k = 0; k < q[i].nin; k++)
                do in[i][k] = (int)btl_rng_below(&r, (uint64_t)nvalues);
                while (gone[in[i][k]]);
            for (int k = 0; k < q[i].nout; k++) {
                v[nvalues] = (btl_schedule_value){ .bytes = (int64_t)btl_rng_below(&r, 30), .into = -1, .is_output = btl_rng_below(&r, 8) == 0 };
                root[nvalues] = nvalues;
                int from = in[i][0];
                bool output = false;
                for (int w = 0; w < nvalues; w++) output |= root[w] == root[from] && v[w].is_output;
                if (k == 0 && btl_rng_below(&r, 6) == 0) {
                    v[nvalues].nviews = 1, v[nvalues].views = &in[i][0], root[nvalues] = root[from];
                } else if (k == 0 && !output && btl_rng_below(&r, 3) == 0) {
                    v[nvalues].into = from, v[nvalues].bytes = v[root[from]].bytes, root[nvalues] = root[from], ninto++;
                    for (int w = 0; w < nvalues; w++) gone[w] |= root[w] == root[from];
                    if (root[from] == 0) gone[0] = true, v[nvalues].bytes = v[0].bytes;
                }
                out[i][k] = nvalues++;
            }
        }
        v[nvalues - 1].is_output = true;
        btl_schedule s = { .nvalues = nvalues, .nsteps = nsteps, .values = v, .steps = q };
        job j = { .s = &s, .budget = 0 };
        btl_recomputed least = solve(&j);
        job whole = { .s = &s, .budget = INT64_MAX };
        btl_recomputed all = solve(&whole);
        better += least.best.peak < all.best.peak;
    }
    print_message("%d of 1500 need less, %d values written over others\n", better, ninto);
    assert_true(better > 50 && ninto > 500);
}

BTL_TEST_MAIN(cmocka_unit_test(equal_chains_are_reversed_at_the_known_cost), cmocka_unit_test(unequal_chains_are_reversed_at_the_least_cost), cmocka_unit_test(training_graphs_take_less),
              cmocka_unit_test(random_graphs_make_the_same))
