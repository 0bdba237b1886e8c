/* budget.c - see budget.h. SPDX-License-Identifier: BSD-3-Clause */
#include "vm/budget.h"

#include "vm/arrange.h"
#include "vm/memory.h"
#include "vm/running_order.h"
#include "vm/storage.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BUDGET_TRIES = 6 };

typedef struct budget {
    btl_function *f;
    btl_arena *a, *scratch;
    const btl_vm_limit *limit;
    btl_function before;     /* its tables as they were: slots and instructions are copied from here for each try */
    btl_error *err;
} budget;

/* ---- one try ------------------------------------------------------------------------------------ */

static void budget_restore(budget *b) {
    btl_function *f = b->f;
    *f = b->before;
    f->slots = btl_arena_copy(b->a, b->before.slots, (size_t)(f->nslots + 1) * sizeof *f->slots);
    f->instrs = btl_arena_copy(b->a, b->before.instrs, (size_t)(f->ninstrs + 1) * sizeof *f->instrs);
}

/* A slot for what an instruction makes again. */
static int budget_add_slot(budget *b, int like, bool view, int origin, int *capacity) {
    btl_function *f = b->f;
    int i = f->nslots;
    vm_slot slot = f->slots[like];
    slot.storage = view ? STORE_VIEW : STORE_ARENA, slot.index = -1, slot.into = slot.whole = -1, slot.at = NULL, slot.root = view ? f->slots[origin].root : i;
    slot.shape_at = f->shape_total;
    f->shape_total += 2 * slot.var->type.rank;
    *BTL_PUSH(b->a, f->slots, f->nslots, *capacity) = slot;
    return i;
}

/* Instructions in that sequence; each reads what was made last. What the function hands out is what was made first. */
static void budget_apply(budget *b, const btl_sequence *q) {
    btl_function *f = b->f;
    int n = f->ninstrs, nslots = f->nslots, capacity = 0, nmade = 0;
    vm_instr *made = BTL_ARRAY(b->a, vm_instr, q->n + 1);
    vm_slot *slots = f->slots;
    int *now = BTL_ARRAY(b->a, int, nslots + 1);
    bool *ran = BTL_ARRAY(b->a, bool, n + 1);
    f->slots = NULL, f->nslots = 0; /* anew, so that they can grow */
    for (int i = 0; i < nslots; i++) *BTL_PUSH(b->a, f->slots, f->nslots, capacity) = slots[i], now[i] = i;
    for (int p = 0; p < q->n; p++) {
        int step = q->steps[p];
        if (step >= n) continue; /* a result that is copied at the end */
        vm_instr *x = &made[nmade++];
        *x = f->instrs[step];
        int *in = BTL_ARRAY(b->a, int, x->nin + 1), *out = BTL_ARRAY(b->a, int, x->nout + 1);
        for (int k = 0; k < x->nin; k++) in[k] = now[x->in[k]];
        for (int k = 0; k < x->nout; k++) {
            bool view = x->kind == VM_VIEW && k == 0;
            out[k] = ran[step] ? budget_add_slot(b, x->out[k], view, view ? in[0] : -1, &capacity) : x->out[k];
            if (view) f->slots[out[k]].root = f->slots[in[0]].root;
            now[x->out[k]] = out[k];
        }
        x->in = in, x->out = out, ran[step] = true;
    }
    f->instrs = made, f->ninstrs = nmade;
}

static void budget_finish(budget *b) {
    if (b->limit->overwrites && !b->f->any_late) btl_vm_arrange(b->f, b->a);
    btl_vm_storage(b->f, b->a);
}

btl_status btl_vm_taken(const btl_function *f, btl_arena *scratch, const int64_t *symbols, int64_t *bytes, btl_error *err) {
    btl_schedule *s;
    btl_liveness *l;
    btl_plan plan;
    BTL_TRY(btl_vm_schedule(scratch, f, symbols, &s, err));
    BTL_TRY(btl_liveness_new(scratch, s, &l, err));
    BTL_TRY(btl_vm_plan(scratch, f, s, l, f->policy, &plan, err));
    *bytes = f->gc ? plan.taken_gc : plan.taken;
    return BTL_OK;
}

static btl_status budget_measure(budget *b, int64_t *bytes) { return btl_vm_taken(b->f, b->scratch, b->limit->symbols, bytes, b->err); }

/* ---- what is to be run again --------------------------------------------------------------------- */

/* The instructions as the schedule before has them, in the order that was found for one without a budget; results that are copied behind. */
static int *budget_order(budget *b, const btl_schedule *s) {
    const btl_function *f = b->f;
    int *order = BTL_ARRAY(b->scratch, int, s->nsteps + 1), *maker = BTL_ARRAY(b->scratch, int, f->nslots + 1), n = 0;
    for (int i = 0; i < b->before.ninstrs; i++) maker[b->before.instrs[i].out[0]] = i;
    for (int i = 0; i < f->ninstrs; i++) order[n++] = maker[f->instrs[i].out[0]];
    for (int i = b->before.ninstrs; i < s->nsteps; i++) order[n++] = i;
    return order;
}

static btl_status budget_refuse(budget *b, const btl_recomputed *r, const btl_schedule *s, int64_t least) {
    const btl_schedule_step *step = r->bound_step >= 0 ? &s->steps[r->bound_step] : NULL;
    char why[200] = "what must be there at the end", pieces[40] = "";
    if (step) snprintf(why, sizeof why, "%.60s needs so much at once", step->name);
    b->f->refused_bytes = least;
    if (b->f->pieces.count) snprintf(pieces, sizeof pieces, "in %d pieces ", b->f->pieces.count);
    btl_status status = btl_error_set(b->err, BTL_ENOMEM, "%s: it does not fit a memory budget of %" PRId64 " bytes: the least that was found is %" PRId64 ", and %snothing goes below %" PRId64 ": %s",
                                      b->f->name, b->limit->bytes, least, pieces, r->bound, why);
    return step ? btl_places_error(step->places, NULL, status, b->err) : status;
}

/* Of the function as it was: its schedule, where values may lie; the order that was found without a budget, and the one that it was given in, which is
 * often better to start from: of least peak are also orders that keep much for long. */
enum { BUDGET_ORDERS = 2 };
typedef struct budget_problem { btl_schedule *s; btl_onto onto; int norders, *orders[BUDGET_ORDERS]; } budget_problem;

/* The better of what comes of the orders: that fits, for less work; else that takes less. The one that it came of is the only one from there on. */
static btl_recomputed budget_recompute(budget *b, budget_problem *p, int64_t target, bool curve) {
    btl_recomputed best = btl_recompute(b->scratch, p->s, p->orders[0], p->onto, target, 0, curve);
    int from = 0;
    for (int i = 1; i < p->norders; i++) {
        btl_recomputed other = btl_recompute(b->scratch, p->s, p->orders[i], p->onto, target, 0, curve);
        bool better = other.fits != best.fits ? other.fits : best.fits ? other.best.extra < best.best.extra : other.best.peak < best.best.peak;
        if (better) best = other, from = i;
    }
    p->orders[0] = p->orders[from], p->norders = 1;
    return best;
}

/* New values that lie in a state's own memory take none; their instructions come last, and once. Parts of a join may lie in it. */
static void budget_states(budget *b, btl_schedule *s) {
    btl_schedule_value *values = btl_arena_copy(b->scratch, s->values, (size_t)(s->nvalues + 1) * sizeof *values);
    btl_schedule_step *steps = btl_arena_copy(b->scratch, s->steps, (size_t)(s->nsteps + 1) * sizeof *steps);
    for (int i = 0; i < b->before.ninstrs; i++) {
        steps[i].holds = b->before.instrs[i].kind == VM_RUN && b->before.instrs[i].node->op->holds;
        for (int k = 0; k < b->before.instrs[i].nout; k++) {
            const vm_slot *slot = &b->f->slots[b->before.instrs[i].out[k]];
            if (slot->storage == STORE_SHARED && slot->into >= 0) values[b->before.instrs[i].out[k]].is_free = true, steps[i].cost = (double)INFINITY;
        }
    }
    s->values = values, s->steps = steps;
}

static btl_status budget_pose(budget *b, budget_problem *p) {
    btl_function found = *b->f;
    budget_restore(b);
    b->f->first_update = b->f->ninstrs;
    BTL_TRY(btl_vm_schedule(b->scratch, b->f, b->limit->symbols, &p->s, b->err));
    p->onto = b->limit->overwrites && !b->f->any_late ? btl_vm_arrange_candidates(b->f, b->scratch) : NULL;
    *b->f = found;
    budget_states(b, p->s);
    p->norders = BUDGET_ORDERS;
    p->orders[0] = budget_order(b, p->s);
    p->orders[1] = BTL_ARRAY(b->scratch, int, p->s->nsteps + 1);
    for (int i = 0; i < p->s->nsteps; i++) p->orders[1][i] = i;
    return BTL_OK;
}

/* A target for values alone, lowered by what alignment and the block's gaps add to it. */
static btl_status budget_search(budget *b, budget_problem *p, int64_t taken) {
    int64_t target = b->limit->bytes, least = taken;
    for (int i = 0; i < BUDGET_TRIES; i++) {
        btl_recomputed r = budget_recompute(b, p, target > 0 ? target : 0, false);
        budget_restore(b);
        budget_apply(b, &r.best);
        budget_finish(b);
        BTL_TRY(budget_measure(b, &taken));
        if (taken < least) least = taken;
        if (taken <= b->limit->bytes) break;
        if (!r.fits || i + 1 == BUDGET_TRIES) return budget_refuse(b, &r, p->s, least);
        target = (r.best.peak < target ? r.best.peak : target) - (taken - b->limit->bytes);
    }
    return BTL_OK;
}

/* The cost of a step; one that may not run again tells none. */
static double budget_once(const btl_schedule *s, int step) { return isinf(s->steps[step].cost) ? 0 : s->steps[step].cost; }

static void budget_curve(budget *b, const budget_problem *p) {
    budget_problem both = *p; /* what serves the curve need not serve the budget */
    btl_recomputed r = budget_recompute(b, &both, 0, true);
    double all = 0;
    for (int i = 0; i < p->s->nsteps; i++) all += budget_once(p->s, i);
    btl_memory_point *curve = btl_arena_copy(b->a, r.curve, (size_t)(r.ncurve + 1) * sizeof *curve);
    for (int i = 0; i < r.ncurve && all > 0; i++) curve[i].extra /= all;
    b->f->ncurve = b->before.ncurve = r.ncurve, b->f->curve = b->before.curve = curve;
}

static btl_status budget_run(budget *b) {
    budget_problem p;
    int64_t taken;
    budget_restore(b);
    budget_finish(b);
    BTL_TRY(budget_pose(b, &p));
    if (b->limit->curve) budget_curve(b, &p);
    if (!b->limit->bytes) return BTL_OK;
    BTL_TRY(budget_measure(b, &taken));
    return taken <= b->limit->bytes ? BTL_OK : budget_search(b, &p, taken);
}

btl_status btl_vm_budget(btl_function *f, btl_arena *a, const btl_vm_limit *limit, btl_error *err) {
    budget b = { .f = f, .a = a, .limit = limit, .before = *f, .err = err };
    if (!limit->bytes && !limit->curve) {
        budget_finish(&b);
        return BTL_OK;
    }
    b.scratch = btl_arena_begin(a);
    btl_status status = budget_run(&b);
    btl_arena_end(b.scratch);
    return status;
}
