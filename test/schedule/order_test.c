/* order_test.c - the peak, the bound and the proof against all orders of small problems, counted by a second model;
 * problems with known answers; what is refused.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "families.h"
#include "schedule/order.h"
#include "schedule/order_parts.h"

#include <stdio.h>

/* ---- a second model: values one by one, as minpeak's rules say it ----------------------------- */

enum { MOST_VALUES = 40, MOST_OPS = 16 };

typedef struct oracle {
    const btl_schedule *p;
    int producer[MOST_VALUES];
    uint64_t stores[MOST_VALUES], olds[MOST_VALUES]; /* sets of values: first ones of its storages; those whose views it is one of */
    bool before[MOST_OPS][MOST_OPS];
    bool has_run[MOST_OPS];
    int norders;
    int64_t best;
    int order[MOST_OPS];
} oracle;

/* Is it still read, to be handed out, or not there any more? */
static bool oracle_value_lives(const oracle *o, int v) {
    const btl_schedule *p = o->p;
    if (o->producer[v] < 0 || !o->has_run[o->producer[v]]) return false;
    if (p->values[v].is_output) return true;
    for (int i = 0; i < p->nsteps; i++)
        for (int k = 0; k < p->steps[i].nin; k++)
            if (p->steps[i].in[k] == v && !o->has_run[i]) return true;
    return false;
}

static bool oracle_is_first(const oracle *o, int v) { return o->stores[v] == (uint64_t)1 << v; }

static int64_t oracle_live(const oracle *o, int running) {
    int64_t bytes = 0;
    for (int r = 0; r < o->p->nvalues; r++) {
        if (!oracle_is_first(o, r) || o->producer[r] < 0 || o->p->values[r].is_free) continue;
        bool lives = o->producer[r] == running;
        for (int v = 0; v < o->p->nvalues; v++) lives = lives || ((o->stores[v] >> r & 1) && oracle_value_lives(o, v));
        if (lives) bytes += o->p->values[r].bytes;
    }
    return bytes;
}

/* At a step lives what lived before it, what it makes, and its workspace. */
static int64_t oracle_step(oracle *o, int v) {
    int64_t before = oracle_live(o, -1), made = 0;
    for (int k = 0; k < o->p->steps[v].nout; k++) {
        int out = o->p->steps[v].out[k];
        if (oracle_is_first(o, out) && !o->p->values[out].is_free) made += o->p->values[out].bytes;
    }
    return before + made + o->p->steps[v].workspace;
}

static bool oracle_is_ready(const oracle *o, int v) {
    if (o->has_run[v]) return false;
    for (int u = 0; u < o->p->nsteps; u++)
        if (o->before[u][v] && !o->has_run[u]) return false;
    return true;
}

static void oracle_orders(oracle *o, int step, int64_t peak) {
    if (peak >= o->best) return;
    if (step == o->p->nsteps) {
        o->best = peak;
        o->norders++;
        return;
    }
    for (int v = 0; v < o->p->nsteps; v++) {
        if (!oracle_is_ready(o, v)) continue;
        int64_t at = oracle_step(o, v);
        o->has_run[v] = true;
        oracle_orders(o, step + 1, at > peak ? at : peak);
        o->has_run[v] = false;
    }
}

static bool oracle_same_old(const oracle *o, int a, int b) { return o->olds[a] & o->olds[b]; }

/* A view lies where what it views lies; what is written over another begins a new value in the old one's storages. */
static void oracle_place(oracle *o, int v) {
    const btl_schedule_value *x = &o->p->values[v];
    o->stores[v] = o->olds[v] = x->nviews ? 0 : (uint64_t)1 << v;
    for (int k = 0; k < x->nviews; k++) o->stores[v] |= o->stores[x->views[k]], o->olds[v] |= o->olds[x->views[k]];
    if (x->into >= 0) o->stores[v] = o->stores[x->into];
}

static void oracle_begin(oracle *o, const btl_schedule *p) {
    *o = (oracle){ .p = p, .best = INT64_MAX };
    for (int v = 0; v < p->nvalues; v++) o->producer[v] = -1;
    for (int i = 0; i < p->nsteps; i++)
        for (int k = 0; k < p->steps[i].nout; k++) o->producer[p->steps[i].out[k]] = i;
    for (int v = 0; v < p->nvalues; v++) oracle_place(o, v); /* what it shares stands before it */
    for (int i = 0; i < p->nsteps; i++)
        for (int k = 0; k < p->steps[i].nin; k++)
            if (o->producer[p->steps[i].in[k]] >= 0) o->before[o->producer[p->steps[i].in[k]]][i] = true;
    for (int i = 0; i < p->nedges; i++) o->before[p->edges[i].before][p->edges[i].after] = true;
    for (int v = 0; v < p->nvalues; v++)
        if (p->values[v].into >= 0)
            for (int i = 0; i < p->nsteps; i++)
                for (int k = 0; k < p->steps[i].nin; k++)
                    if (i != o->producer[v] && oracle_same_old(o, p->steps[i].in[k], p->values[v].into)) o->before[i][o->producer[v]] = true;
}

/* The peak of one order by the second model. */
static int64_t oracle_peak(oracle *o, const int *order) {
    int64_t peak = 0;
    for (int i = 0; i < o->p->nsteps; i++) {
        int64_t at = oracle_step(o, order[i]);
        o->has_run[order[i]] = true;
        if (at > peak) peak = at;
    }
    return peak;
}

/* ---- Bitale's -------------------------------------------------------------------------------- */

static int nfirst; /* problems in which there is a choice of the first */

typedef struct planned {
    btl_arena arena;
    const btl_schedule *problem;
    const btl_order_budget *budget;
    btl_liveness *l;
    btl_order order;
    btl_error err;
    int64_t highest_cut;
    int64_t searched; /* by the exact search alone: no reduction, no bound */
} planned;

/* Of the ops that need most one runs first: the least, over them, of what bounds the orders in which it does. */
static int64_t bound_by_first(btl_arena *a, const btl_liveness *l, const int *order) {
    int ops[MOST_OPS + 2], mine[MOST_OPS + 1], n = btl_order_foremost(a, l, order, MOST_OPS, ops);
    int64_t least = n > 1 ? INT64_MAX : 0;
    for (int k = 0; k < n && n > 1; k++) {
        const btl_liveness *one = btl_order_with_first(a, l, n, ops, k);
        order_improve m = { .bound = 0, .steps = INT64_MAX / 2 };
        btl_liveness_sort(one, order, a, mine);
        for (int v = 0; v < one->nops; v++) {
            int64_t cut = btl_order_cut(a, one, v, false, NULL, &m.steps);
            if (cut > m.bound) m.bound = cut;
        }
        for (int64_t above = -1; m.bound > above;) above = m.bound, btl_order_prove_above(a, one, &m, above, mine);
        if (m.bound < least) least = m.bound;
    }
    return least;
}

static btl_status plan(void *arg) {
    planned *p = arg;
    btl_status status = btl_liveness_new(&p->arena, p->problem, &p->l, &p->err);
    if (status != BTL_OK) return status;
    p->order = btl_order_find(&p->arena, p->l, NULL, p->budget);
    status = btl_liveness_check_order(p->l, p->order.ops, &p->arena, &p->err);
    for (int v = 0; v < p->l->nops && p->l->nops <= MOST_OPS; v++) {
        int64_t steps = INT64_MAX / 2, cut = btl_order_cut(&p->arena, p->l, v, v % 2, NULL, &steps);
        if (cut > p->highest_cut) p->highest_cut = cut;
    }
    if (p->l->nops <= MOST_OPS) {
        int64_t bound = bound_by_first(&p->arena, p->l, p->order.ops);
        nfirst += bound > 0;
        if (bound > p->highest_cut) p->highest_cut = bound;
    }
    if (p->l->nops <= MOST_OPS) {
        int64_t steps = INT64_MAX / 2;
        int order[MOST_OPS] = { 0 };
        order_search s = { .cutoff = INT64_MAX, .states = 100000, .steps = &steps };
        btl_order_search(&p->arena, p->l, &s, order);
        p->searched = s.found ? s.bound : -1;
        if (s.found && btl_liveness_check_order(p->l, order, &p->arena, NULL) != BTL_OK) p->searched = -2;
        if (s.found && btl_liveness_peak(p->l, order, &p->arena, NULL).bytes != s.bound) p->searched = -3;
    }
    for (int last = 0; last < 2 && p->l->nops <= MOST_OPS; last++) {
        int ops[MOST_OPS], n = p->l->nops;
        int64_t steps = INT64_MAX / 2, above = -1;
        for (int i = 0; i < n; i++) ops[i] = last ? n - 1 - i : i;
        while ((above = btl_order_cut_among(&p->arena, p->l, last, above, p->order.ops, &n, ops, &steps)) >= 0)
            if (above > p->highest_cut) p->highest_cut = above;
    }
    return status;
}

static btl_status planned_begin(planned *p, const btl_schedule *problem, const btl_order_budget *budget) {
    *p = (planned){ .problem = problem, .budget = budget };
    btl_arena_init(&p->arena, NULL);
    return btl_arena_protect(&p->arena, plan, p);
}

static void planned_end(planned *p) { btl_arena_deinit(&p->arena); }

static void assert_planned(const btl_schedule *problem, int64_t listed, int64_t least) {
    planned p;
    BTL_ASSERT_OK(planned_begin(&p, problem, &btl_order_usual_budget));
    assert_int_equal(p.order.given_peak, listed);
    assert_int_equal(p.order.peak, least);
    assert_int_equal(p.order.bound, least);
    assert_true(p.order.proven);
    planned_end(&p);
}

/* ---- all orders of random problems -------------------------------------------------------------- */

typedef struct random_problem {
    btl_schedule p;
    btl_schedule_value values[MOST_VALUES];
    btl_schedule_step ops[MOST_OPS];
    btl_schedule_edge edges[4];
    int in[MOST_OPS][4], out[MOST_OPS][3];
} random_problem;

static int64_t random_size(btl_rng *r, int kind) {
    if (btl_rng_below(r, 8) == 0) return 0;
    return kind == 0 ? 1 : kind == 1 ? 1 + (int64_t)btl_rng_below(r, 9) : INT64_C(1) << btl_rng_below(r, 20);
}

static bool random_is_overwritten(const random_problem *q, const oracle *o, int v) {
    for (int i = 0; i < q->p.nvalues; i++)
        if (q->values[i].into >= 0 && oracle_same_old(o, q->values[i].into, v)) return true;
    return false;
}

/* Views and overwriting of what an op reads, several results, doubled reads, values without bytes, workspaces, edges
 * (which may close a cycle). */
static void random_make(btl_rng *r, random_problem *q, int nops) {
    *q = (random_problem){ .p = { .values = q->values, .steps = q->ops, .edges = q->edges, .nsteps = nops } };
    int kind = (int)btl_rng_below(r, 3), nleaves = 1 + (int)btl_rng_below(r, 2), sharing = (int)btl_rng_below(r, 3);
    for (int i = 0; i < nleaves; i++) q->values[q->p.nvalues++] = (btl_schedule_value){ .bytes = random_size(r, kind), .into = -1 };
    for (int i = 0; i < nops; i++) {
        btl_schedule_step *op = &q->ops[i];
        *op = (btl_schedule_step){ .nin = (int)btl_rng_below(r, 4), .nout = btl_rng_below(r, 4) ? 1 : (int)btl_rng_below(r, 4), .in = q->in[i], .out = q->out[i] };
        if (btl_rng_below(r, 6) == 0) op->workspace = random_size(r, kind);
        int reach = btl_rng_below(r, 2) ? q->p.nvalues : 3; /* deep ones and wide ones */
        for (int k = 0; k < op->nin; k++) q->in[i][k] = q->p.nvalues - 1 - (int)btl_rng_below(r, (uint64_t)(reach < q->p.nvalues ? reach : q->p.nvalues));
        for (int k = 0; k < op->nout; k++) {
            int v = q->out[i][k] = q->p.nvalues++;
            q->values[v] = (btl_schedule_value){ .bytes = random_size(r, kind), .into = -1, .is_free = btl_rng_below(r, 20) == 0 };
        }
        oracle o = { .p = &q->p };
        for (int v = 0; v < q->p.nvalues; v++) oracle_place(&o, v);
        for (int k = 0; k < op->nout && op->nin; k++) {
            if (btl_rng_below(r, 3) >= (uint64_t)sharing) continue;
            int from = (int)btl_rng_below(r, (uint64_t)op->nin);
            btl_schedule_value *value = &q->values[q->out[i][k]];
            bool overwrites = btl_rng_below(r, 2);
            if (overwrites && random_is_overwritten(q, &o, q->in[i][from])) continue;
            if (overwrites) value->into = q->in[i][from];
            else value->views = q->in[i] + from, value->nviews = btl_rng_below(r, 4) ? 1 : op->nin - from;
            oracle_place(&o, q->out[i][k]);
        }
    }
    oracle o = { .p = &q->p };
    for (int v = 0; v < q->p.nvalues; v++) oracle_place(&o, v);
    for (int v = nleaves; v < q->p.nvalues; v++) q->values[v].is_output = btl_rng_below(r, 5) == 0 && !random_is_overwritten(q, &o, v);
    for (int i = 0; i < 3 && nops > 1; i++)
        if (btl_rng_below(r, 6) == 0)
            q->edges[q->p.nedges++] = (btl_schedule_edge){ (int)btl_rng_below(r, (uint64_t)nops), (int)btl_rng_below(r, (uint64_t)nops) };
}

static void random_print(const btl_schedule *p) {
    for (int v = 0; v < p->nvalues; v++)
        fprintf(stderr, "value %d: %lld bytes%s%s shares %d %s\n", v, (long long)p->values[v].bytes, p->values[v].is_output ? " output" : "", p->values[v].is_free ? " free" : "",
                p->values[v].into >= 0 ? p->values[v].into : p->values[v].nviews ? p->values[v].views[0] : -1, p->values[v].into >= 0 ? "over" : "");
    for (int i = 0; i < p->nsteps; i++) {
        fprintf(stderr, "op %d (+%lld):", i, (long long)p->steps[i].workspace);
        for (int k = 0; k < p->steps[i].nin; k++) fprintf(stderr, " %d", p->steps[i].in[k]);
        fprintf(stderr, " ->");
        for (int k = 0; k < p->steps[i].nout; k++) fprintf(stderr, " %d", p->steps[i].out[k]);
        fprintf(stderr, "\n");
    }
    for (int i = 0; i < p->nedges; i++) fprintf(stderr, "edge %d -> %d\n", p->edges[i].before, p->edges[i].after);
}

static void compare_with_all_orders(const btl_schedule *problem, const btl_order_budget *budget, int *ncycles, int *nproven) {
    oracle o;
    oracle_begin(&o, problem);
    oracle_orders(&o, 0, 0);
    planned p;
    btl_status status = planned_begin(&p, problem, budget);
    if (o.best == INT64_MAX) { /* no order at all */
        ++*ncycles;
        if (status != BTL_EVALUE) random_print(problem);
        assert_int_equal(status, BTL_EVALUE);
        BTL_ASSERT_CONTAINS(p.err.message, "cycle");
    } else {
        BTL_ASSERT_OK(status);
        bool right = p.order.peak >= o.best && p.order.bound <= o.best && p.order.peak <= p.order.given_peak && p.highest_cut <= o.best && (!p.order.proven || p.order.peak == o.best);
        right = right && oracle_peak(&o, p.order.ops) == p.order.peak && p.searched == o.best;
        if (!right) random_print(problem);
        if (!right) BTL_FAIL("least %lld, searched %lld, found %lld, bound %lld by %s, cut %lld, by %s", (long long)o.best, (long long)p.searched, (long long)p.order.peak, (long long)p.order.bound, p.order.bound_by, (long long)p.highest_cut, p.order.method);
        *nproven += p.order.proven;
    }
    planned_end(&p);
}

BTL_TEST(of_all_orders_of_small_problems_none_is_better) {
    btl_rng r = { btl_test_seed() };
    int ncycles = 0, nproven = 0, n = 6000;
    for (int i = 0; i < n; i++) {
        random_problem q;
        random_make(&r, &q, 1 + (int)btl_rng_below(&r, 9));
        compare_with_all_orders(&q.p, &btl_order_usual_budget, &ncycles, &nproven);
    }
    assert_true(nfirst > n / 20);
    assert_int_equal(nproven, n - ncycles);
    assert_in_range(ncycles, 1, n / 2);
}

BTL_TEST(a_bound_is_one_also_where_the_budget_ends) {
    btl_rng r = { btl_test_seed() + 1 };
    int ncycles = 0, nproven = 0, n = 2000;
    for (int i = 0; i < n; i++) {
        random_problem q;
        random_make(&r, &q, 6 + (int)btl_rng_below(&r, 4));
        btl_order_budget small = { (int64_t)btl_rng_below(&r, 2000), (int64_t)btl_rng_below(&r, 6), 1 };
        compare_with_all_orders(&q.p, &small, &ncycles, &nproven);
    }
    assert_in_range(nproven, n / 10, n - ncycles);
}

/* ---- Theano's six mistakes (issue numbers are its profiler's) ------------------------------------- */

#define OPS(...) (const btl_schedule_step[]){ __VA_ARGS__ }
#define VALUES(...) (const btl_schedule_value[]){ __VA_ARGS__ }
#define LIST(...) (const int[]){ __VA_ARGS__ }
#define PROBLEM(nvalues_, values_, nops_, ops_) (&(btl_schedule){ .nvalues = nvalues_, .values = values_, .nsteps = nops_, .steps = ops_ })
#define V(b) { .bytes = b, .into = -1 }
#define OUT(b) { .bytes = b, .into = -1, .is_output = true }
#define VIEW(b, of) { .bytes = b, .into = -1, .nviews = 1, .views = LIST(of) }
#define OVER(b, of) { .bytes = b, .into = of }
#define OP(n, nin_, in_, nout_, out_) { .name = n, .nin = nin_, .nout = nout_, .in = in_, .out = out_ }
#define OP_WITH(n, nin_, in_, nout_, out_, bytes) { .name = n, .nin = nin_, .nout = nout_, .in = in_, .out = out_, .workspace = bytes }
enum { KB = 1024 };

BTL_TEST(a_variable_read_twice_is_released_once) {
    assert_planned(PROBLEM(4, VALUES(V(1), V(256 * KB), V(256 * KB), OUT(768 * KB)), 3,
                           OPS(OP("exp", 1, LIST(0), 1, LIST(1)), OP("dot", 2, LIST(1, 1), 1, LIST(2)), OP("concatenate", 3, LIST(2, 2, 2), 1, LIST(3)))),
                   1024 * KB, 1024 * KB);
}

BTL_TEST(ops_that_read_nothing_are_there) {
    assert_planned(PROBLEM(3, VALUES(V(1), V(256 * KB), OUT(256 * KB)), 2,
                           OPS(OP("alloc", 0, NULL, 1, LIST(1)), OP("set_subtensor", 2, LIST(1, 0), 1, LIST(2)))),
                   512 * KB, 512 * KB);
}

BTL_TEST(a_view_that_dies_first_does_not_release_what_it_views) {
    assert_planned(PROBLEM(6, VALUES(V(1), V(256 * KB), VIEW(256 * KB, 1), V(256 * KB), V(256 * KB), OUT(768 * KB)), 5,
                           OPS(OP("exp", 1, LIST(0), 1, LIST(1)), OP("transpose", 1, LIST(1), 1, LIST(2)), OP("sort", 1, LIST(2), 1, LIST(3)), OP("sort", 1, LIST(3), 1, LIST(4)),
                               OP("concatenate", 3, LIST(4, 1, 4), 1, LIST(5)))),
                   1280 * KB, 1280 * KB);
}

BTL_TEST(what_is_viewed_and_an_output_stays) {
    assert_planned(PROBLEM(6, VALUES(V(1), OUT(256 * KB), VIEW(256 * KB, 1), V(256 * KB), V(256 * KB), OUT(256 * KB)), 5,
                           OPS(OP("exp", 1, LIST(0), 1, LIST(1)), OP("transpose", 1, LIST(1), 1, LIST(2)), OP("sort", 1, LIST(2), 1, LIST(3)), OP("sort", 1, LIST(3), 1, LIST(4)),
                               OP("sort", 1, LIST(4), 1, LIST(5)))),
                   768 * KB, 768 * KB);
}

/* g = dot(y, w) must run before w is overwritten: the update is only then ready, and the order is complete. */
BTL_TEST(who_waits_for_a_reader_of_the_old_value_is_woken) {
    assert_planned(PROBLEM(6, VALUES(V(1), V(8), V(64), V(16), { .bytes = 8, .into = 1, .is_output = true }, OUT(32)), 4,
                           OPS(OP("y", 1, LIST(0), 1, LIST(2)), OP("dw", 1, LIST(2), 1, LIST(3)), OP("update", 2, LIST(1, 3), 1, LIST(4)), OP("dot", 2, LIST(2, 1), 1, LIST(5)))),
                   112, 112); /* listed: the dot runs before the update all the same; at its step y 64, dw 16, dot 32 */
}

BTL_TEST(what_nobody_reads_is_released_at_once) {
    assert_planned(PROBLEM(5, VALUES(V(1), V(100), V(30), V(10), OUT(50)), 2,
                           OPS(OP("max and argmax", 1, LIST(0), 3, LIST(1, 2, 3)), OP("next", 1, LIST(3), 1, LIST(4)))),
                   140, 140);
}

BTL_TEST(a_workspace_is_a_line_of_its_own) {
    const btl_schedule *problem = PROBLEM(3, VALUES(V(1), V(100), OUT(10)), 2,
                                              OPS(OP("a", 1, LIST(0), 1, LIST(1)), OP_WITH("b", 1, LIST(1), 1, LIST(2), 1000)));
    planned p;
    BTL_ASSERT_OK(planned_begin(&p, problem, &btl_order_usual_budget));
    btl_live_peak peak = btl_liveness_peak(p.l, p.order.ops, &p.arena, NULL);
    assert_int_equal(peak.bytes, 1110);
    assert_int_equal(peak.workspace, 1000);
    assert_int_equal(peak.step, 1);
    planned_end(&p);
}

BTL_TEST(lives_begin_and_end_where_the_ops_stand) {
    const btl_schedule *problem = PROBLEM(5, VALUES(V(1), V(100), VIEW(7, 1), V(10), OUT(5)), 4,
                                              OPS(OP("a", 1, LIST(0), 1, LIST(1)), OP("view", 1, LIST(1), 1, LIST(2)), OP("b", 1, LIST(0), 1, LIST(3)), OP("c", 2, LIST(2, 3), 1, LIST(4))));
    planned p;
    BTL_ASSERT_OK(planned_begin(&p, problem, &btl_order_usual_budget));
    int first[3], last[3], order[4] = { 2, 0, 1, 3 };
    assert_int_equal(p.l->nstores, 3);
    assert_int_equal(p.l->store_of[2], p.l->store_of[1]);
    btl_liveness_spans(p.l, order, &p.arena, first, last);
    int a = p.l->store_of[1], b = p.l->store_of[3], c = p.l->store_of[4];
    assert_int_equal(first[a], 1);
    assert_int_equal(last[a], 3);
    assert_int_equal(first[b], 0);
    assert_int_equal(last[b], 3);
    assert_int_equal(first[c], 3);
    assert_int_equal(last[c], 4);
    planned_end(&p);
}

/* ---- problems with known answers: test/golden/memory --------------------------------------------- */

typedef struct reader {
    family f;
    int nnames, names_capacity;
    char (*names)[32];
    int *value_of;
} reader;

static int reader_name(reader *r, const char *name, int64_t bytes) {
    if (bytes >= 0) {
        assert_true(r->nnames < 400);
        snprintf(r->names[r->nnames], 32, "%s", name);
        r->value_of[r->nnames++] = family_leaf(&r->f, bytes);
    }
    for (int i = r->nnames - 1; i >= 0; i--)
        if (strcmp(r->names[i], name) == 0) return r->value_of[i];
    BTL_FAIL("no %s", name);
}

/* Where v stands in the list. */
static const int *reader_find(const int *list, int n, int v) {
    for (int i = 0; i < n; i++)
        if (list[i] == v) return list + i;
    BTL_FAIL("value %d is not read", v);
}

/* One line of the notation, as far as these programs use it. */
static void reader_line(reader *r, char *line) {
    char name[32], *call = strstr(line, " = opaque(");
    long long bytes = 0;
    int from = 0;
    if (sscanf(line, "input %31[^:]: u8[%lld]", name, &bytes) == 2 || sscanf(line, "shared %31[^:]: u8[%lld]", name, &bytes) == 2) {
        reader_name(r, name, bytes);
    } else if (call) {
        int in[16], nin = 0, first = r->f.nvalues, *rows;
        *call = 0;
        for (char *at = line; sscanf(at, " %31[^:]: u8[%lld]%n", name, &bytes, &from) == 2; at += from + (at[from] == ',')) reader_name(r, name, bytes);
        char *end = strchr(call + 1, ')'), *at = strchr(call + 1, ',');
        for (; at && at < end; at = strchr(at + 1, ',')) {
            assert_int_equal(sscanf(at, ", %31[^,)]", name), 1);
            in[nin++] = reader_name(r, name, -1);
        }
        int nout = r->f.nvalues - first;
        rows = malloc((size_t)(nin + nout) * sizeof *rows);
        memcpy(rows, in, (size_t)nin * sizeof *in);
        for (int k = 0; k < nout; k++) rows[nin + k] = first + k;
        *FAMILY_PUSH(r->f.ops, r->f.nops, r->f.ops_capacity) = (btl_schedule_step){ .nin = nin, .nout = nout, .in = rows, .out = rows + nin };
        if (sscanf(end, ") view %31s", name) == 1) r->f.values[first].nviews = 1, r->f.values[first].views = reader_find(rows, nin, reader_name(r, name, -1));
        if (sscanf(end, ") into %31s", name) == 1) r->f.values[first].into = reader_name(r, name, -1);
    } else if (sscanf(line, "update %*s = %31s", name) == 1) {
        r->f.values[reader_name(r, name, -1)].is_output = true;
    } else if (strncmp(line, "output ", 7) == 0) {
        for (char *at = line + 6; at; at = strchr(at + 1, ',')) {
            assert_int_equal(sscanf(at + 1, " %31[^,]", name), 1);
            r->f.values[reader_name(r, name, -1)].is_output = true;
        }
    } else if (strcmp(line, "stage schedule") != 0 && *line) {
        BTL_FAIL("not understood: %s", line);
    }
}

static void assert_program(const char *name, int nops, int64_t listed, int64_t least, int64_t most_states) {
    char path[100], (*names)[32] = calloc(400, sizeof *names);
    snprintf(path, sizeof path, "test/golden/memory/%s.bitale", name);
    char *text = btl_test_read(btl_test_path(NULL, path), NULL), *rest = NULL;
    reader r = { .names = names, .value_of = calloc(400, sizeof(int)) };
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) reader_line(&r, line);
    assert_int_equal(r.f.nops, nops);
    planned p;
    BTL_ASSERT_OK(planned_begin(&p, family_problem(&r.f), &btl_order_usual_budget));
    assert_int_equal(p.order.given_peak, listed);
    assert_int_equal(p.order.peak, least);
    assert_true(p.order.proven);
    assert_in_range(p.order.states, 0, most_states);
    planned_end(&p);
    family_free(&r.f);
    free(r.names);
    free(r.value_of);
    free(text);
}

BTL_TEST(programs_with_known_answers) {
    assert_program("official", 11, 4202496, 4202496, 100);
    assert_program("same_variable_twice", 3, 1048576, 1048576, 10);
    assert_program("view_before_origin", 5, 1310720, 1310720, 10);
    assert_program("mlp2", 33, 103468, 103428, 1000);
    assert_program("mlp4", 53, 169004, 168964, 5000);
}

/* Each layer adds its activation to what the turn from forward to backward holds: 32768 bytes. */
BTL_TEST(their_kin_of_more_layers) {
    for (int layers = 2; layers <= 12; layers++) {
        family f = { 0 };
        family_mlp_in_place(&f, layers);
        assert_int_equal(f.nops, 13 + 10 * layers);
        planned p;
        BTL_ASSERT_OK(planned_begin(&p, family_problem(&f), &btl_order_usual_budget));
        assert_int_equal(p.order.peak, 103428 + (layers - 2) * 32768);
        assert_true(p.order.proven);
        assert_in_range(p.order.steps, 0, 100000); /* of a nanosecond or ten */
        planned_end(&p);
        family_free(&f);
    }
}

/* ---- larger ones, checked by the second model where that is quick, and proven ---------------------- */

BTL_TEST(irregular_graphs_of_24_nodes_are_proven) {
    for (int sizes = 0; sizes < 3; sizes++)
        for (uint64_t seed = 0; seed < 25; seed++) {
            family f = { 0 };
            family_irregular(&f, 24, 4, 0.75, (family_sizes)sizes, seed);
            planned p;
            BTL_ASSERT_OK(planned_begin(&p, family_problem(&f), &btl_order_usual_budget));
            assert_true(p.order.proven);
            planned_end(&p);
            family_free(&f);
        }
}

/* A part of the usual budget; order_figures_test has all of it. */
static void assert_family(family *f, double gap) {
    planned p;
    btl_order_budget budget = { 40000000, 400000, 1 };
    BTL_ASSERT_OK(planned_begin(&p, family_problem(f), &budget));
    assert_true(p.order.peak <= p.order.given_peak);
    assert_true(p.order.bound <= p.order.peak);
    if ((double)p.order.peak > (1 + gap) * (double)p.order.bound)
        BTL_FAIL("%d ops: peak %lld, bound %lld", f->nops, (long long)p.order.peak, (long long)p.order.bound);
    planned_end(&p);
    family_free(f);
}

BTL_TEST(training_graphs_are_near_their_bound) {
    family f = { 0 };
    family_mlp(&f, 6, 128, 64), assert_family(&f, 0.01);
    f = (family){ 0 }, family_rnn(&f, 20, 32, 100, 128), assert_family(&f, 0.01);
    f = (family){ 0 }, family_lstm(&f, 8, 32, 100, 128), assert_family(&f, 0.1);
    f = (family){ 0 }, family_unet(&f, 3, 2, 16, 4096), assert_family(&f, 0.01);
    f = (family){ 0 }, family_densenet(&f, 2, 6, 12, 1024), assert_family(&f, 0.01);
    f = (family){ 0 }, family_tree_lstm(&f, 8, 1, 64, 1), assert_family(&f, 0.1);
    f = (family){ 0 }, family_transformer(&f, 2, 4, 32, 64, 4), assert_family(&f, 0.01);
}

BTL_TEST(one_budget_gives_one_order) {
    family f = { 0 };
    family_irregular(&f, 60, 4, 0.75, FAMILY_POWERS, 3);
    btl_order_budget budget = { 3000000, 2000, 7 };
    planned p, q;
    BTL_ASSERT_OK(planned_begin(&p, family_problem(&f), &budget));
    BTL_ASSERT_OK(planned_begin(&q, family_problem(&f), &budget));
    assert_memory_equal(p.order.ops, q.order.ops, 60 * sizeof(int));
    assert_int_equal(p.order.steps, q.order.steps);
    assert_int_equal(p.order.states, q.order.states);
    planned_end(&p);
    planned_end(&q);
    family_free(&f);
}

/* ---- what is refused --------------------------------------------------------------------------------- */

static void assert_refused(const btl_schedule *problem, const char *part) {
    planned p;
    BTL_ASSERT_STATUS(planned_begin(&p, problem, &btl_order_usual_budget), BTL_EVALUE);
    BTL_ASSERT_CONTAINS(p.err.message, part);
    planned_end(&p);
}

BTL_TEST(bad_problems_are_refused_with_the_place) {
    const btl_schedule_value *plain = VALUES(V(4), V(4), V(4));
    assert_refused(PROBLEM(3, plain, 1, OPS(OP("a", 1, LIST(5), 1, LIST(1)))), "op 0 a reads value 5; values are 0 to 2");
    assert_refused(PROBLEM(3, plain, 1, OPS(OP("a", 1, LIST(0), 1, LIST(-1)))), "op 0 a makes value -1");
    assert_refused(PROBLEM(3, plain, 2, OPS(OP("a", 1, LIST(0), 1, LIST(1)), OP("b", 1, LIST(0), 1, LIST(1)))), "value 1 is made twice: by op 0 a and by op 1 b");
    assert_refused(PROBLEM(3, plain, 2, OPS(OP("a", 1, LIST(2), 1, LIST(1)), OP("b", 1, LIST(1), 1, LIST(2)))), "a cycle of 2 ops: op ");
    assert_refused(PROBLEM(3, plain, 1, OPS(OP("a", 1, LIST(1), 1, LIST(1)))), "a cycle of 1 ops: op 0 a, which follows op 0");
    assert_refused(PROBLEM(2, VALUES(V(4), V(-4)), 1, OPS(OP("a", 1, LIST(0), 1, LIST(1)))), "value 1 has -4 bytes");
    assert_refused(PROBLEM(2, VALUES(V(INT64_MAX), V(INT64_MAX)), 1, OPS(OP("a", 1, LIST(0), 1, LIST(1)))), "more than 2^60 bytes");
    assert_refused(PROBLEM(2, plain, 1, OPS(OP_WITH("a", 1, LIST(0), 1, LIST(1), -1))), "op 0 a has a workspace of -1 bytes");
    assert_refused(PROBLEM(2, plain, 1, OPS(OP_WITH("a", 1, LIST(0), 1, LIST(1), INT64_MAX))), "more than 2^60 bytes");
    assert_refused(PROBLEM(3, VALUES(V(4), V(4), VIEW(4, 0)), 1, OPS(OP("a", 1, LIST(1), 1, LIST(2)))), "value 2 shares the storage of value 0, which its op does not read");
    assert_refused(PROBLEM(3, VALUES(V(4), OVER(4, 0), OVER(4, 0)), 2, OPS(OP("a", 1, LIST(0), 1, LIST(1)), OP("b", 1, LIST(0), 1, LIST(2)))),
                   "value 0 is overwritten twice: by op 0 a and by op 1 b");
    assert_refused(PROBLEM(3, VALUES(V(4), OUT(4), OVER(4, 1)), 2, OPS(OP("a", 1, LIST(0), 1, LIST(1)), OP("b", 1, LIST(1), 1, LIST(2)))),
                   "value 1 is an output, and op 1 b overwrites its storage");
    btl_schedule edge = *PROBLEM(2, plain, 1, OPS(OP("a", 1, LIST(0), 1, LIST(1))));
    edge.nedges = 1, edge.edges = (const btl_schedule_edge[]){ { 0, 3 } };
    assert_refused(&edge, "edge 0 names op 3");
}

static btl_status plan_in(btl_context *ctx, void *arg) {
    planned p = { .problem = arg, .budget = &btl_order_usual_budget };
    btl_arena_init(&p.arena, ctx);
    btl_status status = btl_arena_protect(&p.arena, plan, &p);
    btl_arena_deinit(&p.arena);
    return status;
}

BTL_TEST(planning_survives_memory_that_runs_out) {
    family f = { 0 };
    family_irregular(&f, 30, 4, 0.75, FAMILY_POWERS, 5);
    BTL_ASSERT_SURVIVES_ENOMEM(plan_in, (void *)(uintptr_t)family_problem(&f));
    family_free(&f);
}

BTL_TEST_MAIN(cmocka_unit_test(of_all_orders_of_small_problems_none_is_better), cmocka_unit_test(a_bound_is_one_also_where_the_budget_ends),
              cmocka_unit_test(a_variable_read_twice_is_released_once), cmocka_unit_test(ops_that_read_nothing_are_there),
              cmocka_unit_test(a_view_that_dies_first_does_not_release_what_it_views), cmocka_unit_test(what_is_viewed_and_an_output_stays),
              cmocka_unit_test(who_waits_for_a_reader_of_the_old_value_is_woken), cmocka_unit_test(what_nobody_reads_is_released_at_once),
              cmocka_unit_test(a_workspace_is_a_line_of_its_own), cmocka_unit_test(lives_begin_and_end_where_the_ops_stand), cmocka_unit_test(programs_with_known_answers), cmocka_unit_test(their_kin_of_more_layers),
              cmocka_unit_test(irregular_graphs_of_24_nodes_are_proven), cmocka_unit_test(training_graphs_are_near_their_bound),
              cmocka_unit_test(one_budget_gives_one_order), cmocka_unit_test(bad_problems_are_refused_with_the_place), cmocka_unit_test(planning_survives_memory_that_runs_out))
