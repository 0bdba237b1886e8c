/* memory_report.c - what memory a program takes: a schedule of it, an order, and what each policy makes of them. See bitale/memory.h. Like pipeline.c it
 * stands above all folders.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/memory.h"

#include "base/context.h"
#include "schedule/listing.h"
#include "schedule/order.h"
#include "vm/memory.h"
#include "vm/running_order.h"

#include <stdio.h>
#include <string.h>

struct btl_memory {
    btl_context *ctx;
    btl_arena arena;
    btl_function *f;         /* that is reported; whose graph the texts are of; NULL: of a listing */
    btl_function *other;     /* the same, where memory is taken step by step if it is not with f, and the other way round: it may be arranged in another way */
    btl_memory_info info;
};

typedef struct memory_make {
    btl_memory *m;
    btl_arena *a;
    btl_graph *g;            /* whose sizes these are */
    btl_entry *e;
    const btl_memory_options *o;
    int64_t *symbols;
    btl_schedule *s;
    btl_liveness *l;
    int *order;
    btl_error *err;
} memory_make;

/* ---- sizes ----------------------------------------------------------------------------------- */

static btl_status memory_symbols(memory_make *k) {
    const btl_graph *g = k->g;
    k->symbols = BTL_ARRAY(k->a, int64_t, g->dims.nsymbols + 1);
    for (int i = 0; i < g->dims.nsymbols; i++) k->symbols[i] = -1;
    for (int i = 0; i < k->o->nsizes; i++) {
        int s = btl_dims_find(g, k->o->size_names[i]);
        if (k->o->size_values[i] < 0) return btl_error_set(k->err, BTL_ESHAPE, "size %s = %lld is negative", k->o->size_names[i], (long long)k->o->size_values[i]);
        if (s < 0) return btl_error_set(k->err, BTL_ENAME, "%s: no size is named %s", k->e->name, k->o->size_names[i]);
        k->symbols[s] = k->o->size_values[i];
    }
    return BTL_OK;
}

/* Every size that a value has must be given. */
static btl_status memory_ask(memory_make *k) {
    for (int s = 0; s < k->g->dims.nsymbols; s++) {
        const btl_symbol *symbol = k->g->dims.symbols[s];
        if (k->symbols[s] >= 0 || symbol->late || !symbol->name) continue;
        return btl_error_set(k->err, BTL_ESHAPE, "%s: the size %s is not known: give it (%s=128)", k->e->name, symbol->name, symbol->name);
    }
    return BTL_OK;
}

/* ---- the schedule and its order --------------------------------------------------------------- */

static btl_status memory_listing(memory_make *k) {
    BTL_TRY(btl_listing_schedule(k->a, k->g, k->e, k->symbols, &k->s, k->err));
    return btl_listing_check(k->a, k->s, k->err);
}

static void memory_given(memory_make *k) {
    k->order = BTL_ARRAY(k->a, int, k->s->nsteps + 1);
    for (int i = 0; i < k->s->nsteps; i++) k->order[i] = i;
}

/* "v, which b (line 5) writes over, is read behind it, by d (line 7)". */
static btl_status memory_no_order(memory_make *k) {
    int *place = BTL_ARRAY(k->a, int, k->s->nsteps + 1);
    for (int i = 0; i < k->s->nsteps; i++) place[k->order[i]] = i;
    for (int i = 0; i < k->s->nsteps; i++)
        for (BTL_EACH(b, k->l->before, i)) {
            int first = k->l->before.item[b];
            const btl_schedule_step *reader = &k->s->steps[first], *writer = &k->s->steps[i];
            if (place[first] < place[i]) continue;
            int line = reader->places && reader->places->place ? reader->places->place->line : 0;
            btl_status status = btl_error_set(k->err, BTL_EVALUE, "%s writes over what %s (line %d) reads behind it: no run could follow this order; other orders exist", writer->name,
                                              reader->name, line);
            return btl_places_error(writer->places, NULL, status, k->err);
        }
    return BTL_OK;
}

/* The order that is reported, and what is known of all others. A function runs in the order that it has: it was looked for when it was compiled. */
static btl_status memory_find_order(memory_make *k) {
    btl_memory_info *info = &k->m->info;
    btl_error ignored = { 0 };
    memory_given(k);
    bool fits = btl_liveness_check_order(k->l, k->order, k->a, &ignored) == BTL_OK;
    if (!fits && (k->o->order == BTL_ORDER_GIVEN || k->m->f)) return memory_no_order(k);
    btl_ordering ordering = k->o->order == BTL_ORDER_FAST ? BTL_ORDERING_FAST : BTL_ORDERING_EXACT;
    int *given = NULL;
    if (fits) given = k->order;
    btl_order best = btl_order_find(k->a, k->l, given, btl_ordering_budget(ordering));
    info->given_peak_bytes = fits ? best.given_peak : -1;
    info->min_peak_bytes = best.peak, info->lower_bound_bytes = best.bound, info->proven = best.proven;
    info->found_by = best.method, info->bound_by = best.bound_by;
    if (!k->m->f && k->o->order != BTL_ORDER_GIVEN) k->order = best.ops;
    return BTL_OK;
}

/* ---- what is looked at ------------------------------------------------------------------------ */

typedef struct memory_place { const char *file, *source; int line, column; } memory_place;

static memory_place memory_place_of(const btl_places *p) {
    return p && p->place ? (memory_place){ p->place->file, p->place->source, p->place->line, p->place->column } : (memory_place){ 0 };
}

static void memory_values(memory_make *k) {
    btl_memory_info *info = &k->m->info;
    int n = k->s->nvalues, *first = BTL_ARRAY(k->a, int, k->l->nstores + 1), *last = BTL_ARRAY(k->a, int, k->l->nstores + 1);
    btl_memory_value *values = BTL_ARRAY(k->a, btl_memory_value, n + 1);
    btl_graph *g = k->m->f ? k->m->f->graph : k->g;
    btl_liveness_spans(k->l, k->order, k->a, first, last);
    for (int v = 0; v < n; v++) {
        const btl_schedule_value *x = &k->s->values[v];
        memory_place at = memory_place_of(x->places);
        int store = k->l->store_of[v];
        values[v] = (btl_memory_value){ .name = x->name, .type = btl_type_text(g, x->type), .file = at.file, .line = at.line, .column = at.column, .source = at.source,
                                        .bytes = x->bytes, .made = -1, .last = store < 0 ? -1 : last[store], .into = x->into, .view = x->nviews ? x->views[0] : -1,
                                        .is_result = x->is_result, .is_counted = store >= 0 };
    }
    for (int i = 0; i < k->s->nsteps; i++)
        for (int o = 0; o < k->s->steps[k->order[i]].nout; o++) {
            btl_memory_value *v = &values[k->s->steps[k->order[i]].out[o]];
            v->made = i, v->op = k->s->steps[k->order[i]].name;
            if (v->last < i) v->last = i;
        }
    info->nvalues = n, info->values = values;
}

static void memory_steps(memory_make *k) {
    btl_memory_info *info = &k->m->info;
    int n = k->s->nsteps;
    btl_memory_step *steps = BTL_ARRAY(k->a, btl_memory_step, n + 1);
    int64_t *live = BTL_ARRAY(k->a, int64_t, n + 1);
    btl_live_peak peak = btl_liveness_peak(k->l, k->order, k->a, live);
    for (int i = 0; i < n; i++) {
        const btl_schedule_step *x = &k->s->steps[k->order[i]];
        memory_place at = memory_place_of(x->places);
        steps[i] = (btl_memory_step){ .op = x->name, .file = at.file, .line = at.line, .column = at.column, .source = at.source, .nin = x->nin, .nout = x->nout, .in = x->in, .out = x->out,
                                      .workspace = x->workspace, .live = live[i] };
    }
    info->nsteps = n, info->steps = steps;
    info->peak_bytes = peak.bytes, info->peak_workspace = peak.workspace, info->peak_step = peak.step;
}

/* What the function takes that is arranged for the other way of taking memory. */
static btl_status memory_plan_other(memory_make *k, btl_policy policy, btl_plan *plan) {
    btl_schedule *s;
    btl_liveness *l;
    BTL_TRY(btl_vm_schedule(k->a, k->m->other, k->symbols, &s, k->err));
    BTL_TRY(btl_liveness_new(k->a, s, &l, k->err));
    return btl_vm_plan(k->a, k->m->other, s, l, policy, plan, k->err);
}

/* Of a function: its own figures, and for the other way of taking memory those of the one that runs then. */
static btl_status memory_plan_both(memory_make *k, btl_policy policy, btl_plan *plan) {
    btl_plan other;
    bool stepwise = btl_vm_is_stepwise(k->m->f);
    BTL_TRY(btl_vm_plan(k->a, k->m->f, k->s, k->l, policy, plan, k->err));
    if (policy == BTL_POLICY_ARENA && !stepwise) return BTL_OK;
    BTL_TRY(memory_plan_other(k, policy, &other));
    if (!stepwise || policy == BTL_POLICY_ARENA) plan->taken_gc = other.taken_gc;
    if (stepwise) plan->taken = other.taken;
    return BTL_OK;
}

static btl_status memory_plan(memory_make *k, btl_policy policy, btl_memory_plan *out) {
    btl_plan plan;
    if (k->m->f) BTL_TRY(memory_plan_both(k, policy, &plan));
    else BTL_TRY(btl_plan_make(k->a, k->s, k->l, k->order, policy, VM_ALIGN, &plan, k->err));
    btl_memory_store *stores = BTL_ARRAY(k->a, btl_memory_store, plan.nstores + 1);
    for (int i = 0; i < plan.nstores; i++) {
        const btl_plan_store *x = &plan.stores[i];
        stores[i] = (btl_memory_store){ .bytes = x->bytes, .offset = x->offset, .first = x->first, .last = x->last, .root = x->root, .is_result = x->is_result, .host = x->host };
    }
    *out = (btl_memory_plan){ btl_policy_names[policy], plan.nstores, stores, plan.store_of, plan.taken, plan.taken_gc };
    if (policy == BTL_POLICY_ARENA) k->m->info.arena_bytes = plan.taken - plan.results, k->m->info.results_bytes = plan.results;
    return BTL_OK;
}

static void memory_pieces(memory_make *k) {
    btl_memory_info *info = &k->m->info;
    const btl_function *f = k->m->f;
    if (!f || !f->pieces.count) return;
    const btl_var *v = f->pieces.largest;
    info->npieces = f->pieces.count, info->pieces_axis = f->pieces.axis, info->pieces_nodes = f->pieces.nnodes, info->whole_bytes = f->whole_bytes;
    info->pieces_of = btl_arena_printf(k->a, "%s: %s", v->name ? v->name : v->node->op->name, btl_type_text(f->graph, &v->type));
}

/* Recomputation begins without what is made in the place of joins and pieces, and may begin above what the function takes: the curve begins there. */
static void memory_curve(memory_make *k) {
    const btl_function *f = k->m->f;
    btl_memory_info *info = &k->m->info;
    if (!f || !f->ncurve) return;
    btl_memory_point *curve = BTL_ARRAY(k->a, btl_memory_point, f->ncurve + 1);
    bool whole = !k->o->function || !k->o->function->memory_budget; /* it runs without a budget: its own peak is on the curve */
    if (whole) curve[info->ncurve++] = (btl_memory_point){ .bytes = info->peak_bytes };
    for (int i = 0; i < f->ncurve; i++)
        if (!whole || f->curve[i].bytes < info->peak_bytes) curve[info->ncurve++] = f->curve[i];
    info->curve = curve;
}

static btl_status memory_plans(memory_make *k) {
    btl_memory_plan *plans = BTL_ARRAY(k->a, btl_memory_plan, BTL_POLICIES);
    for (int i = 0; i < BTL_POLICIES; i++) BTL_TRY(memory_plan(k, (btl_policy)i, &plans[i]));
    k->m->info.nplans = BTL_POLICIES, k->m->info.plans = plans;
    return BTL_OK;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static btl_status memory_run(void *arg) {
    memory_make *k = arg;
    btl_memory_info *info = &k->m->info;
    info->function = k->e->name, info->is_listing = !k->m->f;
    BTL_TRY(memory_symbols(k));
    if (k->m->f) BTL_TRY(memory_ask(k));
    if (k->m->f) BTL_TRY(btl_vm_schedule(k->a, k->m->f, k->symbols, &k->s, k->err));
    else BTL_TRY(memory_listing(k));
    BTL_TRY(btl_liveness_new(k->a, k->s, &k->l, k->err));
    BTL_TRY(memory_find_order(k));
    memory_values(k);
    memory_steps(k);
    memory_curve(k);
    memory_pieces(k);
    return memory_plans(k);
}

/* Also under the protection of the graph whose sizes are read: texts of types are made in its memory. */
static btl_status memory_run_in(void *arg) {
    memory_make *k = arg;
    return btl_arena_protect(k->a, memory_run, k);
}

/* The function as it would run: the linker makes no difference to memory, but its time. */
static btl_status memory_compile(memory_make *k) {
    static const char *const orders[] = { [BTL_ORDER_EXACT] = "exact", [BTL_ORDER_FAST] = "fast", [BTL_ORDER_GIVEN] = "given" };
    btl_function_options o = { .struct_size = sizeof o };
    char mode[2048];
    if (k->o->function) memcpy(&o, k->o->function, k->o->function->struct_size < sizeof o ? k->o->function->struct_size : sizeof o), o.struct_size = sizeof o;
    if (!o.nsizes) o.nsizes = k->o->nsizes, o.size_names = k->o->size_names, o.size_values = k->o->size_values;
    const char *asked = o.mode && *o.mode ? o.mode : btl_mode_default();
    snprintf(mode, sizeof mode, "%.1900s,order=%s", asked, orders[k->o->order]);
    o.mode = mode;
    BTL_TRY(btl_function_new(k->g, k->e, &o, &k->m->f, k->err));
    snprintf(mode, sizeof mode, "%.1900s,order=%s,%s", asked, orders[k->o->order], btl_vm_is_stepwise(k->m->f) ? "policy=arena,gc=off" : "policy=each,gc=on");
    o.memory_budget = 0, o.memory_curve = false, o.see = NULL;
    BTL_TRY(btl_function_new(k->g, k->e, &o, &k->m->other, k->err));
    k->g = k->m->f->graph;
    return BTL_OK;
}

static btl_status memory_make_all(memory_make *k) {
    if (!k->g->scheduled) BTL_TRY(memory_compile(k));
    return btl_graph_protect(k->g, memory_run_in, k);
}

btl_status btl_memory_new(btl_graph *g, btl_entry *e, const btl_memory_options *options, btl_memory **out, btl_error *err) {
    static const btl_memory_options none = { .struct_size = sizeof none };
    btl_error ignored = { 0 };
    if (!err) err = &ignored;
    *out = NULL;
    if (!g || !e) return btl_error_set(err, BTL_EUSAGE, "btl_memory_new: no program");
    btl_memory *m = btl_alloc(g->ctx, sizeof *m);
    if (!m) return btl_error_set(err, BTL_ENOMEM, "%s: no memory for a report of its memory", e->name);
    *m = (btl_memory){ .ctx = g->ctx };
    btl_arena_init(&m->arena, g->ctx);
    memory_make k = { .m = m, .a = &m->arena, .g = g, .e = e, .o = options ? options : &none, .err = err };
    btl_status status = memory_make_all(&k);
    if (status == BTL_OK) {
        *out = m;
        return BTL_OK;
    }
    if (err->status == BTL_OK) btl_error_set(err, status, "%s: %s", e->name, btl_status_text(status));
    btl_memory_free(m);
    return status;
}

const btl_memory_info *btl_memory_look(const btl_memory *m) { return &m->info; }

void btl_memory_free(btl_memory *m) {
    if (!m) return;
    btl_function_free(m->f);
    btl_function_free(m->other);
    btl_arena_deinit(&m->arena);
    btl_free(m->ctx, m, sizeof *m);
}

bool btl_graph_is_schedule(const btl_graph *g) { return g->scheduled; }

/* ---- checking alone -------------------------------------------------------------------------- */

typedef struct memory_check { btl_graph *g; btl_entry *e; btl_error *err; } memory_check;

static btl_status memory_check_run(void *arg) {
    memory_check *c = arg;
    btl_schedule *s;
    btl_arena *a = btl_arena_begin(&c->g->arena);
    btl_status status = btl_listing_schedule(a, c->g, c->e, NULL, &s, c->err);
    if (status == BTL_OK) status = btl_listing_check(a, s, c->err);
    btl_arena_end(a);
    return status;
}

btl_status btl_entry_check_memory(btl_graph *g, btl_entry *e, btl_error *err) {
    btl_error ignored = { 0 };
    memory_check c = { g, e, err ? err : &ignored };
    return g->scheduled ? btl_graph_protect(g, memory_check_run, &c) : BTL_OK;
}
