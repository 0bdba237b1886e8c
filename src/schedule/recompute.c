/* recompute.c - see recompute.h. SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/recompute.h"

#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- a sequence, run on paper ------------------------------------------------------------------ */

/* A piece of memory: what it holds is read `refs` times more. */
typedef struct recompute_store { int64_t bytes; int refs; bool pinned; } recompute_store;

typedef struct recompute_run {
    btl_arena *a;
    const btl_schedule *s;
    btl_onto onto;
    int n;
    const int *steps;
    int *at_in;             /* of each place: where its operands begin in `dies` */
    bool *dies;             /* by operand: nobody reads this making of the value behind it */
    bool *wanted;           /* by operand of at_out: somebody reads it */
    int *at_out;
    int *store_of;          /* of each value, as it was made last */
    bool *made;             /* of each value: it was made before */
    const bool *is_uncharged; /* of each value: in memory that is somebody else's, or a leaf's that it is written over */
    int nstores, capacity;
    recompute_store *stores;
    int ntouches, touch_capacity;
    int (*touches)[2];      /* store, place: in the order of places; NULL unless wanted */
    bool trace;
} recompute_run;

int *btl_recompute_makers(btl_arena *a, const btl_schedule *s) {
    int *maker = BTL_ARRAY(a, int, s->nvalues + 1);
    for (int v = 0; v < s->nvalues; v++) maker[v] = -1;
    for (int i = 0; i < s->nsteps; i++)
        for (int k = 0; k < s->steps[i].nout; k++) maker[s->steps[i].out[k]] = i;
    return maker;
}

/* The value in whose memory v lies, or is to lie; -1: none, it has its own, or somebody else's. */
static int recompute_below(const btl_schedule *s, const int *maker, int v) {
    const btl_schedule_value *x = &s->values[v];
    return maker[v] < 0 || x->is_free ? -1 : x->nviews ? x->views[0] : x->into;
}

/* Of each value: it takes no memory that is counted, being a leaf, in memory that is somebody else's, or written over such. */
static bool *recompute_uncharged(btl_arena *a, const btl_schedule *s, const int *maker) {
    bool *is = BTL_ARRAY(a, bool, s->nvalues + 1), *known = BTL_ARRAY(a, bool, s->nvalues + 1);
    for (int v = 0; v < s->nvalues; v++) {
        int end = v, below;
        while (!known[end] && (below = recompute_below(s, maker, end)) >= 0) end = below;
        if (!known[end]) known[end] = true, is[end] = maker[end] < 0 || s->values[end].is_free;
        for (int at = v; at != end; at = recompute_below(s, maker, at)) known[at] = true, is[at] = is[end];
    }
    return is;
}

/* Backward: which reading is the last of what was made, and whether there is one. */
static void recompute_look_back(recompute_run *r) {
    const btl_schedule *s = r->s;
    bool *need = BTL_ARRAY(r->a, bool, s->nvalues + 1);
    int in = 0, out = 0;
    r->at_in = BTL_ARRAY(r->a, int, r->n + 1), r->at_out = BTL_ARRAY(r->a, int, r->n + 1);
    for (int p = 0; p < r->n; p++) {
        r->at_in[p] = in, r->at_out[p] = out;
        in += s->steps[r->steps[p]].nin, out += s->steps[r->steps[p]].nout;
    }
    r->dies = BTL_ARRAY(r->a, bool, in + 1), r->wanted = BTL_ARRAY(r->a, bool, out + 1);
    for (int p = r->n - 1; p >= 0; p--) {
        const btl_schedule_step *q = &s->steps[r->steps[p]];
        for (int k = 0; k < q->nout; k++) r->wanted[r->at_out[p] + k] = need[q->out[k]], need[q->out[k]] = false;
        for (int k = 0; k < q->nin; k++) r->dies[r->at_in[p] + k] = !need[q->in[k]], need[q->in[k]] = true; /* read twice: the second place says so */
    }
}

static void recompute_touch(recompute_run *r, int store, int place) {
    if (store < 0) return;
    if (!r->trace) return;
    int *t = *BTL_PUSH(r->a, r->touches, r->ntouches, r->touch_capacity);
    t[0] = store, t[1] = place;
}

/* The memory of value v, if nobody needs any more what lies there; -1: somebody does, or there is none. */
static int recompute_dead(const recompute_run *r, int v, int64_t bytes) {
    int store = r->store_of[v];
    return store >= 0 && r->stores[store].refs == 0 && !r->stores[store].pinned && r->stores[store].bytes == bytes ? store : -1;
}

/* The operand in whose place the value is made: one that nobody needs any more. */
static int recompute_place(const recompute_run *r, int v) {
    const btl_schedule_value *x = &r->s->values[v];
    const int *list = r->onto ? r->onto[v] : NULL;
    int store = x->into >= 0 ? recompute_dead(r, x->into, x->bytes) : -1;
    for (int k = 0; store < 0 && list && list[k] >= 0; k++) store = recompute_dead(r, list[k], x->bytes);
    return store;
}

/* Bytes that the step adds to what lives. */
static int64_t recompute_make(recompute_run *r, int v, bool wanted, int place) {
    const btl_schedule_value *x = &r->s->values[v];
    int store = x->nviews ? r->store_of[x->views[0]] : recompute_place(r, v);
    int64_t more = 0;
    if (!x->nviews && store < 0 && !r->is_uncharged[v] && x->bytes > 0) {
        store = r->nstores;
        *BTL_PUSH(r->a, r->stores, r->nstores, r->capacity) = (recompute_store){ .bytes = x->bytes };
        more = x->bytes;
    }
    r->store_of[v] = store;
    if (store < 0) return more;
    r->stores[store].refs += wanted;
    if (x->is_output && !r->made[v]) r->stores[store].pinned = true;
    r->made[v] = true;
    recompute_touch(r, store, place);
    return more;
}

/* Bytes that live at each place; what is freed behind it is whatever has no reader left. */
static void recompute_go(recompute_run *r, btl_sequence *q, int64_t *live) {
    const btl_schedule *s = r->s;
    int64_t held = 0;
    int *dead = BTL_ARRAY(r->a, int, 64), ndead, capacity = 64;
    r->store_of = BTL_ARRAY(r->a, int, s->nvalues + 1), r->made = BTL_ARRAY(r->a, bool, s->nvalues + 1);
    for (int v = 0; v < s->nvalues; v++) r->store_of[v] = -1;
    q->peak = 0, q->at = r->n ? 0 : -1;
    for (int p = 0; p < r->n; p++) {
        const btl_schedule_step *step = &s->steps[r->steps[p]];
        ndead = 0;
        for (int k = 0; k < step->nin; k++) {
            int store = r->store_of[step->in[k]];
            recompute_touch(r, store, p);
            if (store < 0 || !r->dies[r->at_in[p] + k]) continue;
            r->stores[store].refs--;
            *BTL_PUSH(r->a, dead, ndead, capacity) = store;
        }
        for (int k = 0; k < step->nout; k++) {
            held += recompute_make(r, step->out[k], r->wanted[r->at_out[p] + k], p);
            if (r->store_of[step->out[k]] >= 0) *BTL_PUSH(r->a, dead, ndead, capacity) = r->store_of[step->out[k]];
        }
        int64_t now = held + step->workspace;
        if (live) live[p] = now;
        if (now > q->peak) q->peak = now, q->at = p;
        for (int k = 0; k < ndead; k++) {
            recompute_store *x = &r->stores[dead[k]];
            if (x->refs == 0 && !x->pinned && x->bytes) held -= x->bytes, x->bytes = 0;
        }
    }
}

static void recompute_measure(btl_arena *scratch, const btl_schedule *s, btl_onto onto, const bool *is_uncharged, btl_sequence *q, int64_t *live) {
    btl_arena *a = btl_arena_begin(scratch);
    recompute_run r = { .a = a, .s = s, .onto = onto, .n = q->n, .steps = q->steps, .is_uncharged = is_uncharged };
    bool *seen = BTL_ARRAY(a, bool, s->nsteps + 1);
    q->extra = 0;
    for (int p = 0; p < q->n; p++) {
        if (seen[q->steps[p]]) q->extra += s->steps[q->steps[p]].cost;
        seen[q->steps[p]] = true;
    }
    recompute_look_back(&r);
    recompute_go(&r, q, live);
    btl_arena_end(a);
}

void btl_sequence_measure(btl_arena *scratch, const btl_schedule *s, btl_onto onto, btl_sequence *q, int64_t *live) {
    recompute_measure(scratch, s, onto, recompute_uncharged(scratch, s, btl_recompute_makers(scratch, s)), q, live);
}

/* ---- greedy ------------------------------------------------------------------------------------- */

enum { RECOMPUTE_CLOSURE = 200 /* steps that are run again for one storage */, RECOMPUTE_LONGEST = 16 /* times the steps */, RECOMPUTE_RATED = 16, RECOMPUTE_TRIES = 8 /* storages rated, and tried, at a peak */ };

typedef struct recompute_choice { double score; int store, before, nsteps; const int *steps; } recompute_choice;

typedef struct recompute_search {
    btl_arena *a;             /* what is kept */
    const btl_schedule *s;
    btl_onto onto;
    const int *maker;
    const bool *is_uncharged; /* of each value; a step that writes over a leaf does not run again */
    btl_sequence now;
    int64_t work;             /* places that may still be looked at */
    btl_sequence *met;        /* on the way, peaks falling */
    int nmet, capacity;
} recompute_search;

/* The steps that make v again at a place, operands first; false: that can't be, or is too much. */
typedef struct recompute_closure { const recompute_search *f; const int *last_made, *next_read; const bool *dropped; int n, *steps; bool *in; double cost; } recompute_closure;

static bool recompute_again(recompute_closure *c, int v) {
    const btl_schedule *s = c->f->s;
    int step = c->f->maker[v];
    if (step < 0 || (!c->dropped[v] && c->last_made[v] >= 0 && c->next_read[v] >= 0)) return true; /* a leaf, or it is there */
    if (c->in[step]) return true;
    if (isinf(s->steps[step].cost) || (s->values[v].into >= 0 && c->f->is_uncharged[v])) return false;
    c->in[step] = true; /* before its operands: they can't need it, the graph has no cycle */
    for (int k = 0; k < s->steps[step].nin; k++)
        if (!recompute_again(c, s->steps[step].in[k])) return false;
    if (c->n == RECOMPUTE_CLOSURE) return false;
    c->steps[c->n++] = step, c->cost += s->steps[step].cost;
    return true;
}

/* All that waits at the peak, with where it is read next and what makes it again there. */
typedef struct recompute_peak {
    recompute_search *f;
    btl_arena *scratch;
    recompute_run *r;
    int at;
    int *next_read, *last_made; /* of each value, at the place that is looked at */
    bool *dropped;
} recompute_peak;

static void recompute_state_at(recompute_peak *k, int place) {
    const btl_schedule *s = k->f->s;
    const btl_sequence *q = &k->f->now;
    for (int v = 0; v < s->nvalues; v++) k->next_read[v] = k->last_made[v] = -1;
    for (int p = q->n - 1; p >= place; p--) {
        const btl_schedule_step *x = &s->steps[q->steps[p]];
        for (int o = 0; o < x->nout; o++) k->next_read[x->out[o]] = -1;
        for (int i = 0; i < x->nin; i++) k->next_read[x->in[i]] = p;
    }
    for (int p = 0; p < place; p++) {
        const btl_schedule_step *x = &s->steps[q->steps[p]];
        for (int o = 0; o < x->nout; o++) k->last_made[x->out[o]] = p;
    }
}

/* Storages that wait at the peak: those not touched there, between a touch before and one behind. */
static int recompute_waiting(recompute_peak *k, recompute_choice *out, int most) {
    recompute_run *r = k->r;
    int n = 0;
    int *before = BTL_ARRAY(k->scratch, int, r->nstores + 1), *behind = BTL_ARRAY(k->scratch, int, r->nstores + 1);
    for (int x = 0; x < r->nstores; x++) before[x] = behind[x] = -1;
    bool *here = BTL_ARRAY(k->scratch, bool, r->nstores + 1);
    for (int t = 0; t < r->ntouches; t++) {
        int x = r->touches[t][0], p = r->touches[t][1];
        if (p < k->at) before[x] = p;
        else if (p == k->at) here[x] = true;
        else if (behind[x] < 0) behind[x] = p;
    }
    for (int x = 0; x < r->nstores && n < most; x++)
        if (before[x] >= 0 && behind[x] >= 0 && !here[x] && !r->stores[x].pinned) out[n++] = (recompute_choice){ .score = behind[x] - before[x], .store = x, .before = behind[x] };
    return n;
}

static int recompute_best_first(const void *a, const void *b) {
    const recompute_choice *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->store < y->store ? -1 : x->store > y->store;
}

/* Bytes times idle places, for the cost of making it again at its next reader. score 0: it can't be. `score` comes as bytes times idle places. */
static void recompute_rate(recompute_peak *k, const int *value_store, recompute_choice *c) {
    const btl_schedule *s = k->f->s;
    recompute_closure all = { .f = k->f, .last_made = k->last_made, .next_read = k->next_read, .dropped = k->dropped };
    bool good = true;
    all.steps = BTL_ARRAY(k->scratch, int, RECOMPUTE_CLOSURE), all.in = BTL_ARRAY(k->scratch, bool, s->nsteps + 1);
    recompute_state_at(k, c->before);
    for (int v = 0; v < s->nvalues; v++) k->dropped[v] = value_store[v] == c->store;
    for (int v = 0; v < s->nvalues && good; v++)
        if (k->dropped[v] && k->next_read[v] >= 0) good = recompute_again(&all, v);
    c->score = good && all.n ? c->score / (all.cost + 1) : 0;
    c->nsteps = all.n, c->steps = all.steps;
}

/* The sequence with those steps before that place. */
static btl_sequence recompute_insert(btl_arena *a, const btl_sequence *q, const recompute_choice *c) {
    btl_sequence made = { .n = q->n + c->nsteps };
    made.steps = BTL_ARRAY(a, int, made.n + 1);
    memcpy(made.steps, q->steps, (size_t)c->before * sizeof *made.steps);
    memcpy(made.steps + c->before, c->steps, (size_t)c->nsteps * sizeof *made.steps);
    memcpy(made.steps + c->before + c->nsteps, q->steps + c->before, (size_t)(q->n - c->before) * sizeof *made.steps);
    return made;
}

/* One storage less at the peak. False: there is none that can be made again without rising to it. */
static bool recompute_step(recompute_search *f) {
    const btl_schedule *s = f->s;
    btl_arena *scratch = btl_arena_begin(f->a);
    recompute_run all = { .a = scratch, .s = s, .onto = f->onto, .n = f->now.n, .steps = f->now.steps, .is_uncharged = f->is_uncharged, .trace = true };
    btl_sequence q = f->now, part = { .n = 0 };
    recompute_look_back(&all);
    recompute_go(&all, &q, NULL);
    recompute_run head = all; /* up to the peak: where values lie there */
    head.n = q.at + 1, head.stores = NULL, head.nstores = head.capacity = 0, head.touches = NULL, head.ntouches = head.touch_capacity = 0, head.trace = false;
    recompute_go(&head, &part, NULL);
    recompute_peak k = { .f = f, .scratch = scratch, .r = &all, .at = q.at, .next_read = BTL_ARRAY(scratch, int, s->nvalues + 1), .last_made = BTL_ARRAY(scratch, int, s->nvalues + 1),
                         .dropped = BTL_ARRAY(scratch, bool, s->nvalues + 1) };
    recompute_choice *c = BTL_ARRAY(scratch, recompute_choice, all.nstores + 1);
    int n = recompute_waiting(&k, c, all.nstores), rated = n < RECOMPUTE_RATED ? n : RECOMPUTE_RATED;
    for (int i = 0; i < n; i++) c[i].score *= c[i].store < head.nstores ? (double)head.stores[c[i].store].bytes : 0; /* roughly: exactly is a walk of the sequence each */
    qsort(c, (size_t)n, sizeof *c, recompute_best_first);
    for (int i = 0; i < rated; i++)
        if (c[i].score > 0) recompute_rate(&k, head.store_of, &c[i]), f->work -= 2 * q.n;
    qsort(c, (size_t)rated, sizeof *c, recompute_best_first);
    bool found = false;
    for (int i = 0; i < rated && i < RECOMPUTE_TRIES && !found && c[i].score > 0; i++) {
        btl_sequence tried = recompute_insert(scratch, &f->now, &c[i]);
        recompute_measure(scratch, s, f->onto, f->is_uncharged, &tried, NULL);
        f->work -= 3 * (int64_t)tried.n;
        if (tried.peak > q.peak || (tried.peak == q.peak && tried.at <= q.at)) continue;
        tried.steps = btl_arena_copy(f->a, tried.steps, (size_t)(tried.n + 1) * sizeof *tried.steps);
        f->now = tried;
        found = true;
    }
    btl_arena_end(scratch);
    return found;
}

static void recompute_note(recompute_search *f) {
    if (f->nmet && f->met[f->nmet - 1].peak <= f->now.peak) return;
    *BTL_PUSH(f->a, f->met, f->nmet, f->capacity) = f->now;
}

/* ---- runs that are not needed ------------------------------------------------------------------- */

typedef struct recompute_rerun { double cost; int place; } recompute_rerun;

static int recompute_dearest_first(const void *a, const void *b) {
    const recompute_rerun *x = a, *y = b;
    if (x->cost != y->cost) return x->cost > y->cost ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* The sequence without every run beyond a step's first that can go while the peak stays within the target; what reads then reads an earlier making. */
static btl_sequence recompute_thin(recompute_search *f, const btl_sequence *q, int64_t target) {
    const btl_schedule *s = f->s;
    btl_arena *scratch = btl_arena_begin(f->a);
    bool *seen = BTL_ARRAY(scratch, bool, s->nsteps + 1), *gone = BTL_ARRAY(scratch, bool, q->n + 1);
    recompute_rerun *again = BTL_ARRAY(scratch, recompute_rerun, q->n + 1);
    btl_sequence now = { .n = q->n, .steps = BTL_ARRAY(f->a, int, q->n + 1) };
    int n = 0, *trial = BTL_ARRAY(scratch, int, q->n + 1);
    for (int p = 0; p < q->n; p++) {
        if (seen[q->steps[p]]) again[n++] = (recompute_rerun){ s->steps[q->steps[p]].cost, p };
        seen[q->steps[p]] = true;
    }
    if (n) qsort(again, (size_t)n, sizeof *again, recompute_dearest_first);
    for (int i = 0; i < n && f->work > 0; i++) {
        btl_sequence t = { .steps = trial };
        gone[again[i].place] = true;
        for (int p = 0; p < q->n; p++)
            if (!gone[p]) trial[t.n++] = q->steps[p];
        recompute_measure(scratch, s, f->onto, f->is_uncharged, &t, NULL);
        f->work -= 3 * (int64_t)t.n;
        gone[again[i].place] = t.peak <= target;
    }
    now.n = 0;
    for (int p = 0; p < q->n; p++)
        if (!gone[p]) now.steps[now.n++] = q->steps[p];
    btl_arena_end(scratch);
    recompute_measure(f->a, s, f->onto, f->is_uncharged, &now, NULL);
    return now;
}

/* Some of what was met, thinned to its peak. */
static void recompute_curve(recompute_search *f, btl_recomputed *out) {
    enum { POINTS = 24 };
    int64_t first = f->met[0].peak, last = f->met[f->nmet - 1].peak, step = (first - last) / POINTS + 1, next = first;
    out->curve = BTL_ARRAY(f->a, btl_memory_point, f->nmet + 1);
    for (int i = 0; i < f->nmet; i++) {
        if (f->met[i].peak > next && i + 1 < f->nmet) continue;
        btl_sequence q = i ? recompute_thin(f, &f->met[i], f->met[i].peak) : f->met[0];
        out->curve[out->ncurve++] = (btl_memory_point){ f->met[i].peak, q.extra, q.n - f->s->nsteps };
        next = f->met[i].peak - step;
    }
}

/* Until it fits, or nothing helps. Where several places are as high, one after the other is lowered: so many in a row as there are steps. */
static void recompute_greedily(recompute_search *f, int64_t budget, int64_t bound) {
    int64_t lowest = f->now.peak;
    int nvain = 0;
    while (f->now.peak > budget && f->now.peak > bound && f->work > 0 && nvain < f->s->nsteps && f->now.n < RECOMPUTE_LONGEST * f->s->nsteps && recompute_step(f)) {
        nvain = f->now.peak < lowest ? 0 : nvain + 1;
        lowest = f->now.peak;
        recompute_note(f);
    }
    if (f->nmet && f->met[f->nmet - 1].peak <= f->now.peak) f->now = f->met[f->nmet - 1]; /* what was tried last did not help */
}

/* What a step cannot do without: its operands, what it makes (but what may lie in an operand's place), its workspace; and results that it must find there. */
static int64_t recompute_need(const btl_schedule *s, btl_onto onto, const bool *is_uncharged, int step, int *seen, int stamp) {
    const btl_schedule_step *q = &s->steps[step];
    int64_t bytes = q->workspace;
    for (int k = 0; k < q->nin && !q->holds; k++) {
        int v = q->in[k];
        while (s->values[v].nviews) v = s->values[v].views[0];
        if (is_uncharged[v] || seen[v] == stamp) continue;
        seen[v] = stamp, bytes += s->values[v].bytes;
    }
    for (int k = 0; k < q->nout; k++) {
        const btl_schedule_value *x = &s->values[q->out[k]];
        if (!x->nviews && x->into < 0 && !is_uncharged[q->out[k]] && !(onto && onto[q->out[k]])) bytes += x->bytes;
    }
    return bytes;
}

static void recompute_bound(btl_arena *a, const btl_schedule *s, btl_onto onto, const bool *is_uncharged, btl_recomputed *out) {
    int *seen = BTL_ARRAY(a, int, s->nvalues + 1);
    int64_t results = 0;
    out->bound_step = -1;
    for (int i = 0; i < s->nsteps; i++) {
        int64_t need = recompute_need(s, onto, is_uncharged, i, seen, i + 1);
        if (need > out->bound) out->bound = need, out->bound_step = i;
    }
    for (int v = 0; v < s->nvalues; v++)
        if (s->values[v].is_output && !s->values[v].nviews && !is_uncharged[v] && s->values[v].into < 0) results += s->values[v].bytes;
    if (results > out->bound) out->bound = results, out->bound_step = -1;
}

/* ---- views ---------------------------------------------------------------------------------------- */

/* A step that makes views alone. */
static bool recompute_is_view(const btl_schedule *s, int step) {
    const btl_schedule_step *q = &s->steps[step];
    for (int k = 0; k < q->nout; k++)
        if (!s->values[q->out[k]].nviews) return false;
    return q->nout && !q->workspace;
}

/* Steps in a new order, views not before somebody reads them: an order that takes many of them early lets values look needed that are not. */
typedef struct recompute_sink { const btl_schedule *s; const int *maker; bool *waits; int n, *steps, *stack; } recompute_sink;

/* The step behind the views that it reads and that wait; a view may wait for a view, as deep as programs are. */
static void recompute_emit(recompute_sink *k, int step) {
    int depth = 0;
    k->stack[depth++] = step;
    while (depth) {
        const btl_schedule_step *q = &k->s->steps[k->stack[depth - 1]];
        int more = -1;
        for (int i = 0; i < q->nin && more < 0; i++) {
            int from = k->maker[q->in[i]];
            if (from >= 0 && k->waits[from]) more = from;
        }
        if (more >= 0) k->waits[more] = false, k->stack[depth++] = more;
        else k->steps[k->n++] = k->stack[--depth];
    }
}

static int *recompute_late_views(btl_arena *a, const btl_schedule *s, const int *maker, const int *order) {
    recompute_sink k = { s, maker, BTL_ARRAY(a, bool, s->nsteps + 1), 0, BTL_ARRAY(a, int, s->nsteps + 1), BTL_ARRAY(a, int, s->nsteps + 1) };
    for (int i = 0; i < s->nsteps; i++)
        if (recompute_is_view(s, order[i])) k.waits[order[i]] = true;
        else recompute_emit(&k, order[i]);
    for (int i = 0; i < s->nsteps; i++) {
        bool waited = k.waits[order[i]];
        k.waits[order[i]] = false;
        if (waited) recompute_emit(&k, order[i]);
    }
    return k.steps;
}

static bool recompute_takes(const btl_schedule *s) {
    for (int v = 0; v < s->nvalues; v++)
        if (s->values[v].nviews > 1) return false;
    return true;
}

btl_recomputed btl_recompute(btl_arena *a, const btl_schedule *s, const int *order, btl_onto onto, int64_t budget, int64_t work, bool curve) {
    btl_recomputed out = { .fits = false };
    recompute_search f = { .a = a, .s = s, .onto = onto, .maker = btl_recompute_makers(a, s), .work = work ? work : INT64_C(400000000) };
    f.is_uncharged = recompute_uncharged(a, s, f.maker);
    f.now = (btl_sequence){ .n = s->nsteps, .steps = recompute_late_views(a, s, f.maker, order) };
    recompute_measure(a, s, onto, f.is_uncharged, &f.now, NULL);
    recompute_bound(a, s, onto, f.is_uncharged, &out);
    recompute_note(&f);
    if (recompute_takes(s) && f.now.peak > budget && !(!onto && btl_recompute_chain(a, s, order, budget, &out))) recompute_greedily(&f, budget, out.bound);
    if (!out.best.steps) {
        f.work += f.work / 2 + INT64_C(100000000);
        out.best = f.now.n > s->nsteps ? recompute_thin(&f, &f.now, f.now.peak > budget ? f.now.peak : budget) : f.now;
        if (curve) recompute_curve(&f, &out);
    }
    out.fits = out.best.peak <= budget;
    return out;
}
