/* pipeline.c - from an entry of a program to a function: the passes, read from top to bottom.
 * The one file above all folders.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/context.h"
#include "expr/opaque.h"
#include "expr/outline.h"
#include "mode.h"
#include "rewrite/driver.h"
#include "schedule/fuse.h"
#include "schedule/layout.h"
#include "schedule/pieces.h"
#include "vm/budget.h"
#include "vm/checks.h"
#include "vm/compile.h"
#include "vm/generated.h"
#include "vm/state.h"
#include "vm/storage.h"

#include <string.h>

/* ---- what is being compiled -------------------------------------------------------------- */

typedef struct pipeline {
    btl_graph *from;
    const btl_entry *entry;
    const btl_function_options *options;
    btl_mode mode;
    btl_graph *g;            /* the function's private graph */
    btl_function *f;
    vm_program p;
    int nroots;
    btl_var **roots;         /* outputs, then updates, then assertions */
    btl_var **whole;         /* they without anything in pieces, where something is */
    btl_error *err;
    btl_rewrite_options rewrites;
    bool fuse_alone;         /* a kernel for each node */
    int64_t fuel;            /* rewrites that may still be made */
    int64_t nfirings;
    bool in_place;           /* results may lie in the place of operands */
    bool in_pieces;          /* a part of the graph may be computed piece by piece … */
    bool asked_pieces;       /* … and is, if that is possible at all */
    const char *stop_after;  /* for `print --after`: the pass after which to stop, or NULL */
} pipeline;

/* ---- pass 1: a private copy of what the entry needs ------------------------------------- */

/* The symbols of a replaced input's sizes are those of its replacement: told by a check at the call. */
static void pipeline_given_checks(pipeline *l) {
    const btl_function_options *o = l->options;
    for (int i = 0; o && i < o->ngivens; i++)
        for (int k = 0; k < o->given_vars[i]->type.rank; k++)
            btl_dims_unify(l->from, o->given_vars[i]->type.dims[k], o->given_values[i]->type.dims[k], NULL);
}

static btl_status pipeline_import_givens(pipeline *l, btl_var_map *m) {
    const btl_function_options *o = l->options;
    for (int i = 0; o && i < o->ngivens; i++) {
        const btl_var *v = o->given_vars[i], *value = o->given_values[i];
        if (!v || !value) return btl_error_set(l->err, BTL_EUSAGE, "given %d is NULL", i);
        bool fits = v->type.dtype == value->type.dtype && v->type.rank == value->type.rank;
        for (int k = 0; fits && k < v->type.rank; k++) fits = !btl_dim_differ(l->from, v->type.dims[k], value->type.dims[k]);
        if (!fits)
            return btl_error_set(l->err, BTL_EDTYPE, "givens: %s; it cannot be replaced by what %s", btl_var_text(l->from, v), btl_var_text(l->from, value));
    }
    pipeline_given_checks(l);
    for (int i = 0; o && i < o->ngivens; i++) {
        btl_graph_import(l->g, l->from, m, 1, &o->given_values[i]);
        btl_var_map_set(&l->g->arena, m, o->given_vars[i], btl_var_map_get(m, o->given_values[i]));
    }
    return BTL_OK;
}

static btl_var *pipeline_take(pipeline *l, btl_var_map *m, btl_var *v) {
    btl_graph_import(l->g, l->from, m, 1, &v);
    return btl_var_map_get(m, v);
}

static void pipeline_free_array(void *arg) { btl_array_free(arg); }

static btl_status pipeline_fallback(pipeline *l, int i) {
    btl_var *value = l->entry->inputs[i].value;
    if (!value) return BTL_OK;
    btl_arena *a = &l->g->arena;
    btl_array *result = BTL_NEW(a, btl_array);
    btl_arena_defer(a, pipeline_free_array, result); /* memory may run out below */
    BTL_TRY(btl_graph_eval(l->from, 0, NULL, NULL, NULL, 1, &value, result, l->err));
    const btl_type *type = &l->entry->inputs[i].var->type;
    btl_array *copy = BTL_NEW(a, btl_array);
    int64_t *shape = BTL_ARRAY(a, int64_t, result->ndim);
    if (result->ndim) memcpy(shape, result->shape, (size_t)result->ndim * sizeof *shape);
    *copy = btl_array_wrap(type->dtype, result->ndim, shape, NULL);
    copy->data = btl_arena_array(a, (size_t)btl_array_elems(result) + 1, btl_dtype_bytes(type->dtype));
    btl_array_convert(copy, result);
    btl_array_free(result);
    l->p.fallbacks[i] = copy;
    return BTL_OK;
}

/* Everything that the function needs, in two goes over the graph however much that is. */
static void pipeline_import_all(pipeline *l, btl_var_map *m) {
    const btl_entry *e = l->entry;
    btl_var **vars = BTL_ARRAY(&l->g->arena, btl_var *, e->ninputs + e->noutputs + 2 * e->nupdates + e->nasserts);
    int n = 0;
    for (int i = 0; i < e->ninputs; i++) vars[n++] = e->inputs[i].var;
    btl_graph_import(l->g, l->from, m, n, vars);
    n = 0;
    for (int i = 0; i < e->noutputs; i++) vars[n++] = e->outputs[i].var;
    for (int i = 0; i < e->nupdates; i++) vars[n++] = e->updates[i].value, vars[n++] = e->updates[i].shared;
    for (int i = 0; i < e->nasserts; i++) vars[n++] = e->asserts[i].condition;
    btl_graph_import(l->g, l->from, m, n, vars);
}

/* What `with` and `without` name; "fuse", "inplace" and "pieces" are passes, all else rules and their tags. */
static btl_status pipeline_switches(pipeline *l) {
    btl_arena *a = &l->g->arena;
    const btl_rulebook *book = btl_rulebook_of(l->g);
    int nrules = btl_rulebook_size(book);
    const char **with = BTL_ARRAY(a, const char *, l->mode.nwords + 1), **without = BTL_ARRAY(a, const char *, l->mode.nwords + nrules + 1);
    btl_rewrite_options *o = &l->rewrites;
    *o = (btl_rewrite_options){ .phases = l->mode.phases, .with = with, .without = without };
    l->fuse_alone = l->mode.as_written;
    l->in_place = !l->mode.as_written && !l->mode.checks;
    l->in_pieces = !l->mode.as_written && l->mode.checks != CHECKS_DEBUG;
    for (int i = 0; i < l->mode.nwords; i++) {
        const mode_word *w = &l->mode.words[i];
        const char *word = btl_arena_strndup(a, w->text, (size_t)w->length);
        if (strcmp(word, "fuse") == 0) l->fuse_alone = !w->with;
        else if (strcmp(word, "inplace") == 0) l->in_place = w->with;
        else if (strcmp(word, "pieces") == 0) l->in_pieces = l->asked_pieces = w->with;
        else if (w->with) with[o->nwith++] = word;
        else without[o->nwithout++] = word;
    }
    const char *unknown = btl_rewrite_unknown_switch(l->g, o);
    if (unknown) return btl_error_set(l->err, BTL_EUSAGE, "no rewrite and no tag is named %s; `bitale rules` lists them", unknown);
    /* what is asked for runs also where the mode leaves its phase out: that phase with nothing else */
    for (int i = 0; i < nrules && o->nwith; i++) {
        const btl_rule *rule = btl_rulebook_at(book, i)->rule;
        bool wanted = false;
        for (int k = 0; k < o->nwith && !wanted; k++) wanted = btl_rule_word_is(rule, with[k]);
        if (wanted) o->phases |= rule->phase;
        else if (!(rule->phase & l->mode.phases)) without[o->nwithout++] = rule->name;
    }
    return BTL_OK;
}

static void pipeline_free_debug(void *debug) { pthread_mutex_destroy(&((vm_debug *)debug)->lock); }

static btl_status pipeline_debug(pipeline *l) {
    vm_debug *d = BTL_NEW(&l->g->arena, vm_debug);
    if (pthread_mutex_init(&d->lock, NULL)) return BTL_ENOMEM;
    btl_arena_defer(&l->g->arena, pipeline_free_debug, d);
    l->f->debug = d;
    return BTL_OK;
}

/* What stands in a plan alone. */
static btl_status pipeline_refuse_opaque(pipeline *l) {
    for (int id = 0; id < l->g->nnodes; id++) {
        const btl_node *n = l->g->nodes[id];
        if (n->op != &btl_op_opaque) continue;
        btl_status status = btl_error_set(l->err, BTL_EUNSUPPORTED, "opaque(\"%s\", …) is of unknown meaning: it can be checked, ordered and planned, but not run", n->params[0].s);
        return btl_places_error(n->places, NULL, status, l->err);
    }
    return BTL_OK;
}

static btl_status pipeline_import(pipeline *l) {
    BTL_TRY(pipeline_switches(l));
    const btl_entry *e = l->entry;
    btl_arena *a = &l->g->arena;
    l->f->watch = l->mode.checks, l->f->limits = l->mode.limits;
    if (l->mode.checks == CHECKS_DEBUG) BTL_TRY(pipeline_debug(l));
    l->from->checks = NULL; /* those of the givens come into it */
    btl_dims_import(l->g, l->from);
    l->g->intern = !l->mode.as_written;
    btl_var_map m = btl_var_map_new(a, l->from);
    BTL_TRY(pipeline_import_givens(l, &m));
    pipeline_import_all(l, &m);
    BTL_TRY(pipeline_refuse_opaque(l));
    vm_program *p = &l->p;
    p->ninputs = e->ninputs, p->noutputs = e->noutputs, p->nupdates = e->nupdates, p->nasserts = e->nasserts;
    p->inputs = BTL_ARRAY(a, btl_var *, e->ninputs);
    p->input_names = BTL_ARRAY(a, const char *, e->ninputs);
    p->fallbacks = BTL_ARRAY(a, const btl_array *, e->ninputs);
    p->output_names = BTL_ARRAY(a, const char *, e->noutputs);
    p->asserts = BTL_ARRAY(a, btl_entry_assert, e->nasserts);
    p->shared = BTL_ARRAY(a, btl_var *, l->from->nshared + 1);
    p->update_shared = BTL_ARRAY(a, int, e->nupdates);
    l->nroots = e->noutputs + e->nupdates + e->nasserts;
    l->roots = BTL_ARRAY(a, btl_var *, l->nroots + 1);
    l->f->name = btl_arena_strdup(a, e->name);
    for (int i = 0; i < e->ninputs; i++) {
        btl_var *v = btl_var_map_get(&m, e->inputs[i].var);
        if (v && !btl_var_is_input(v)) { /* an argument keeps its place even where a given replaced its value */
            btl_var_map arguments = btl_var_map_new(a, l->from);
            p->inputs[i] = pipeline_take(l, &arguments, e->inputs[i].var);
        } else {
            p->inputs[i] = v ? v : pipeline_take(l, &m, e->inputs[i].var);
        }
        p->input_names[i] = btl_arena_strdup(a, e->inputs[i].var->name ? e->inputs[i].var->name : "?");
        BTL_TRY(pipeline_fallback(l, i));
    }
    for (int i = 0; i < e->noutputs; i++) {
        p->output_names[i] = btl_arena_strdup(a, e->outputs[i].name);
        l->roots[i] = pipeline_take(l, &m, e->outputs[i].var);
    }
    for (int i = 0; i < e->nupdates; i++) l->roots[e->noutputs + i] = pipeline_take(l, &m, e->updates[i].value);
    for (int i = 0; i < e->nasserts; i++) {
        btl_var *condition = pipeline_take(l, &m, e->asserts[i].condition);
        p->asserts[i] = (btl_entry_assert){ condition, btl_arena_strdup(a, e->asserts[i].text), condition->node->places };
        l->roots[e->noutputs + e->nupdates + i] = condition;
    }
    int *update_of = BTL_ARRAY(a, int, l->from->nnodes + 1); /* by id of the shared variable: its update, from 1 */
    for (int k = 0; k < e->nupdates; k++) update_of[e->updates[k].shared->node->id] = k + 1;
    for (int i = 0; i < l->from->nshared; i++) {
        btl_var *from = l->from->shared[i]->var, *v = btl_var_map_get(&m, from);
        int update = update_of[from->node->id];
        if (!v && !update) continue;
        if (update) p->update_shared[update - 1] = p->nshared;
        p->shared[p->nshared++] = v && btl_var_is_shared(v) ? v : pipeline_take(l, &m, from);
    }
    return BTL_OK;
}

/* ---- pass 2: what must be equal at the call, before rewriting drops nodes ---------------- */

static void pipeline_add_check(pipeline *l, const btl_size_check *c, const btl_node *node) {
    for (int i = 0; i < l->f->nchecks && i < 1000; i++)
        if (l->f->checks[i].a == c->a && l->f->checks[i].b == c->b) return;
    vm_size_check *checks = l->f->checks;
    static const int step = 64;
    if (l->f->nchecks % step == 0) {
        checks = BTL_ARRAY(&l->g->arena, vm_size_check, l->f->nchecks + step);
        if (l->f->nchecks) memcpy(checks, l->f->checks, (size_t)l->f->nchecks * sizeof *checks);
        l->f->checks = checks;
    }
    checks[l->f->nchecks++] = (vm_size_check){ c->a, c->b, node, c->message, c->a->late || c->b->late };
}

static btl_status pipeline_checks(pipeline *l) {
    btl_bits needed = btl_graph_reach(l->g, l->nroots, l->roots);
    for (int id = 0; id < needed.n; id++) {
        if (!btl_bits_get(needed, id)) continue;
        const btl_node *n = l->g->nodes[id];
        for (const btl_size_check *c = n->checks; c; c = c->next) pipeline_add_check(l, c, n);
        if ((n->op->flags & OP_LEAF) && btl_var_is_input(n->out) && n->out->name) {
            bool argument = false;
            for (int i = 0; i < l->p.ninputs; i++) argument |= l->p.inputs[i] == n->out;
            if (!argument)
                return btl_places_error(n->places, NULL,
                                      btl_error_set(l->err, BTL_EVALUE, "function %s depends on the input %s, which is not among its arguments",
                                                    l->entry->name, n->out->name), l->err);
        }
    }
    for (const btl_size_check *c = l->from->checks; c; c = c->next) {
        btl_size_check mine = { btl_dim_import(l->g, c->a), btl_dim_import(l->g, c->b), NULL, c->message, NULL };
        pipeline_add_check(l, &mine, c->node);
    }
    return BTL_OK;
}

/* ---- the other passes -------------------------------------------------------------------- */

/* What the caller sees of a rewrite. */
static void pipeline_see(pipeline *l, const btl_compiled_rule *c, unsigned phase, const btl_var *before, const btl_var *after) {
    const btl_place *p = before->node->places ? before->node->places->place : NULL;
    btl_firing f = { .number = ++l->nfirings, .rule = c->rule->name, .origin = c->origin, .why = c->rule->why, .phase = btl_phase_name(phase),
                     .before = btl_var_outline(l->g, before, false),
                     .after = btl_var_outline(l->g, after, after->name && after->name != before->name) };
    if (p) f.file = p->file, f.line = p->line, f.column = p->column, f.source = p->source;
    l->options->see(l->options->see_user, &f);
}

static bool pipeline_is_seen(const pipeline *l) { return l->options && BTL_HAS(l->options, see) && l->options->see; }

/* What the function promises; for debug, what a rule replaced, to be compared in each call. */
static void pipeline_note_firing(void *user, const btl_compiled_rule *c, unsigned phase, const btl_var *before, const btl_var *after) {
    pipeline *l = user;
    const btl_rule *rule = c->rule;
    vm_debug *d = l->f->debug;
    btl_promise *p = &l->f->promise;
    p->fired++;
    if (rule->exactness == BTL_REASSOCIATES) p->reassociating++;
    if (rule->exactness == BTL_WITHIN_ULP) p->within_ulp++, p->ulps += rule->ulp;
    if (rule->exactness == BTL_REASSOCIATES || (!p->loosest && rule->exactness == BTL_WITHIN_ULP)) p->loosest = rule->name;
    if (pipeline_is_seen(l)) pipeline_see(l, c, phase, before, after);
    if (!d) return;
    static const int classes[] = { [BTL_EXACT] = VM_SAME_BITS, [BTL_WITHIN_ULP] = VM_WITHIN_ULP, [BTL_REASSOCIATES] = VM_REASSOCIATES };
    *BTL_PUSH(&l->g->arena, d->firings, d->nfirings, d->capacity) =
        (vm_firing){ rule->name, rule->why, (btl_var *)(uintptr_t)before, (btl_var *)(uintptr_t)after, classes[rule->exactness], rule->ulp,
                     (rule->needs & BTL_FINITE) != 0, (rule->needs & BTL_NO_SIGNED_ZERO) != 0 };
}

static btl_var **pipeline_note_roots(pipeline *l) {
    return btl_arena_copy(&l->g->arena, l->roots, (size_t)(l->nroots + 1) * sizeof *l->roots);
}

static btl_status pipeline_rewrite(pipeline *l, unsigned phases) {
    btl_rewrite_report report = { 0 };
    btl_rewrite_options o = l->rewrites;
    o.along = o.phases & (phases - 1);
    o.phases &= phases;
    if (!o.phases) return BTL_OK;
    o.trace = pipeline_note_firing, o.trace_user = l, o.report = &report;
    if (l->options && BTL_HAS(l->options, stop_at_firing) && l->options->stop_at_firing > 0) o.fuel = &l->fuel;
    btl_status status = btl_rewrite(l->g, l->nroots, l->roots, &o);
    if (report.note && pipeline_is_seen(l)) l->options->see(l->options->see_user, &(btl_firing){ .note = report.note });
    return status;
}

static btl_status pipeline_canonicalize(pipeline *l) { return pipeline_rewrite(l, BTL_CANONICALIZE | BTL_STABILIZE); }
static btl_status pipeline_lower(pipeline *l) { return pipeline_rewrite(l, BTL_SPECIALIZE | BTL_LOWER); }
static btl_status pipeline_fuse(pipeline *l) {
    if (l->f->debug) l->f->debug->nroots = l->nroots, l->f->debug->rewritten = pipeline_note_roots(l);
    return btl_fuse(l->g, l->nroots, l->roots, l->fuse_alone);
}

/* New values of shared variables need memory of their own: a view of a variable that is updated, too,
 * would change under our hands. */
static btl_status pipeline_layout_of(pipeline *l, btl_var **roots) {
    for (int i = 0; i < l->p.nupdates; i++) {
        btl_var **root = &roots[l->p.noutputs + i];
        *root = btl_layout_own(l->g, *root);
        if (!*root) return l->g->status;
    }
    return btl_layout_insert_copies(l->g, l->nroots, roots);
}

static btl_status pipeline_layout(pipeline *l) { return pipeline_layout_of(l, l->roots); }

/* Sizes at which a budget is held: those given by name, or bounds. */
static btl_status pipeline_limit(pipeline *l) {
    const btl_function_options *o = l->options;
    const btl_graph *g = l->g;
    if (!o || !BTL_HAS(o, memory_curve) || (!o->memory_budget && !o->memory_curve)) return BTL_OK;
    int64_t *symbols = BTL_ARRAY(&l->g->arena, int64_t, g->dims.nsymbols + 1);
    for (int k = 0; k < g->dims.nsymbols; k++) {
        const btl_symbol *s = g->dims.symbols[k];
        symbols[k] = -1;
        for (int i = 0; i < o->nsizes; i++)
            if (s->name && strcmp(s->name, o->size_names[i]) == 0) symbols[k] = o->size_values[i];
        if (symbols[k] >= 0 || s->late || (s->bound && btl_dim_eval(s->bound, symbols, &symbols[k]))) continue;
        return btl_error_set(l->err, BTL_ESHAPE, "%s: a memory budget is held at known sizes: give %s (%s=128), or declare a bound", l->entry->name, s->name ? s->name : "?", s->name ? s->name : "n");
    }
    if (o->memory_budget < 0) return btl_error_set(l->err, BTL_EUSAGE, "a memory budget of %lld bytes is negative", (long long)o->memory_budget);
    l->p.memory_budget = o->memory_budget, l->p.memory_curve = o->memory_curve, l->p.symbols = symbols;
    return BTL_OK;
}

/* How the function is to run, and what it computes. Its own list of assertions, from which those that are proven are dropped. */
static vm_program pipeline_program(const pipeline *l, btl_arena *a, btl_var **roots) {
    vm_program p = l->p;
    p.linker = l->mode.linker;
    p.background = l->mode.background;
    p.policy = l->mode.policy, p.gc = l->mode.gc, p.ordering = l->mode.ordering;
    p.overwrites = l->in_place && l->mode.linker != LINK_EVAL;
    p.err = l->err;
    p.outputs = roots;
    p.update_values = roots + p.noutputs;
    p.asserts = btl_arena_copy(a, p.asserts, (size_t)p.nasserts * sizeof *p.asserts);
    for (int i = 0; i < p.nasserts; i++) p.asserts[i].condition = roots[p.noutputs + p.nupdates + i];
    return p;
}

/* ---- in pieces --------------------------------------------------------------------------- */

/* Below so many bytes that it computes nobody looks; it must spare an eighth. */
enum { PIECES_LEAST = 4 << 20, PIECES_MOST = 16, PIECES_MOST_ASKED = 128, PIECES_GAIN = 8, PIECES_BETTER = 32, PIECES_NODES = 4000 };

static btl_status pipeline_taken(pipeline *l, btl_var **roots, btl_ordering ordering, int64_t *bytes) {
    btl_arena *a = &l->g->arena, *scratch = btl_arena_begin(a);
    btl_function trial = *l->f;
    vm_program p = pipeline_program(l, scratch, roots);
    int64_t *symbols = BTL_ARRAY(scratch, int64_t, l->g->dims.nsymbols + 1);
    for (int k = 0; k < l->g->dims.nsymbols; k++) symbols[k] = -1;
    p.ordering = ordering, p.policy = BTL_POLICY_ARENA, p.gc = false; /* the same is in pieces under every policy */
    BTL_TRY(btl_vm_tables(&trial, &p));
    BTL_TRY(btl_vm_taken(&trial, scratch, symbols, bytes, l->err));
    btl_arena_end(scratch);
    return BTL_OK;
}

typedef struct pipeline_tries {
    int64_t budget, all;     /* 0: none; bytes of all that is computed */
    int64_t whole, least;    /* what it takes without pieces, and at best; 0: not yet known */
    int64_t last;            /* what it took in fewer pieces, 0: not tried */
    bool rising;             /* more pieces were worse than fewer */
    btl_var **roots;         /* that take least, or NULL */
} pipeline_tries;

/* Bytes of the results, which are there at the end. */
static int64_t pipeline_results(const pipeline *l) {
    int64_t all = 0, bytes;
    for (int i = 0; i < l->p.noutputs; i++)
        if (btl_type_bytes(&l->roots[i]->type, NULL, &bytes) < 0 && bytes <= INT64_MAX - all) all += bytes;
    return all;
}

static bool pipeline_fits(const pipeline_tries *t) { return t->budget && t->least && t->least <= t->budget; }

/* What it takes is not foreseen but looked up, of a function that is made and not kept. */
static btl_status pipeline_try_pieces(pipeline *l, pipeline_tries *t, int count, bool careful) {
    btl_pieces p;
    btl_var **roots = pipeline_note_roots(l);
    int64_t taken;
    if (!btl_pieces_find(l->g, &l->g->arena, l->nroots, roots, count, careful, &p)) return BTL_OK;
    if (!l->asked_pieces && !t->budget && p.spared < t->all / PIECES_BETTER) return BTL_OK;
    if ((int64_t)p.nnodes * count > PIECES_NODES) return BTL_OK;
    if (!t->whole) BTL_TRY(pipeline_taken(l, l->roots, BTL_ORDERING_FAST, &t->whole));
    if (!t->least) t->least = t->whole;
    int64_t most = t->whole - pipeline_results(l) < p.spared ? t->whole - pipeline_results(l) : p.spared; /* that there is to gain */
    if (pipeline_fits(t) || (!l->asked_pieces && !t->budget && most < t->whole / PIECES_GAIN)) return BTL_OK;
    BTL_TRY(btl_pieces_make(l->g, &p, l->nroots, roots));
    BTL_TRY(pipeline_layout_of(l, roots));
    BTL_TRY(pipeline_taken(l, roots, BTL_ORDERING_GIVEN, &taken));
    t->rising = t->last && taken > t->last;
    t->last = taken;
    if (taken > t->least - t->least / PIECES_BETTER && !(l->asked_pieces && !t->roots)) return BTL_OK;
    t->least = taken, t->roots = roots, l->f->pieces = p;
    return BTL_OK;
}

/* In how many pieces, if in any: where that takes an eighth less, or where it helps to keep to a budget, then also at the cost of speed. */
static btl_status pipeline_pieces(pipeline *l) {
    const btl_function_options *o = l->options;
    pipeline_tries t = { .budget = o && BTL_HAS(o, memory_budget) ? o->memory_budget : 0, .all = btl_pieces_bytes(l->g, l->nroots, l->roots) };
    bool wanted = l->asked_pieces || t.budget > 0;
    if (!l->in_pieces || t.all <= 0 || l->mode.ordering == BTL_ORDERING_GIVEN || l->mode.linker == LINK_EVAL) return BTL_OK;
    if (!wanted && (t.all < PIECES_LEAST || l->g->nnodes > PIECES_NODES)) return BTL_OK;
    for (int careful = 1; careful >= !wanted; careful--, t.rising = false, t.last = 0)
        for (int count = 2; count <= (careful ? PIECES_MOST : PIECES_MOST_ASKED) && !pipeline_fits(&t) && !t.rising; count *= 2) BTL_TRY(pipeline_try_pieces(l, &t, count, careful));
    if (!t.roots || (!wanted && t.least > t.whole - t.whole / PIECES_GAIN)) {
        l->f->pieces.count = 0;
        return BTL_OK;
    }
    l->whole = l->roots, l->roots = t.roots;
    l->f->whole_bytes = t.whole;
    if (l->f->pieces.rounds && !l->f->promise.reassociating++) l->f->promise.loosest = "pieces";
    return BTL_OK;
}

/* What does not fit a budget in pieces may do so as a whole, with more run again; if it does not either, the refusal is of what takes less. */
static btl_status pipeline_tables(pipeline *l) {
    btl_function fresh = *l->f;
    vm_program p = pipeline_program(l, &l->g->arena, l->roots);
    btl_status status = btl_vm_tables(l->f, &p);
    if (status != BTL_ENOMEM || !l->f->refused_bytes || !l->f->pieces.count) return status;
    btl_error in_pieces = *l->err;
    int64_t least = l->f->refused_bytes;
    *l->f = fresh, *l->err = (btl_error){ 0 };
    l->f->pieces.count = 0, l->roots = l->whole;
    p = pipeline_program(l, &l->g->arena, l->roots);
    status = btl_vm_tables(l->f, &p);
    if (status == BTL_ENOMEM && l->f->refused_bytes > least) *l->err = in_pieces;
    return status;
}

static btl_status pipeline_compile(pipeline *l) {
    BTL_TRY(pipeline_limit(l));
    if (l->f->debug) l->f->debug->scheduled = pipeline_note_roots(l);
    BTL_TRY(pipeline_tables(l));
    return btl_vm_code_make(l->f, l->err);
}

typedef struct pipeline_pass { const char *name; btl_status (*run)(pipeline *l); const char *doc; } pipeline_pass;

static const pipeline_pass pipeline_passes[] = {
    { "import", pipeline_import, "a private copy of what the function needs, equal nodes made one" },
    { "checks", pipeline_checks, "the sizes that must be equal at a call" },
    { "canonicalize", pipeline_canonicalize, "rules that bring expressions to one form, and to their stable one" },
    { "lower", pipeline_lower, "rules for speed; composite ops replaced by their bodies" },
    { "fuse", pipeline_fuse, "elementwise chains and their reductions become one kernel each" },
    { "layout", pipeline_layout, "copies where a row-major operand is needed" },
    { "pieces", pipeline_pieces, "what spares much memory is computed piece by piece, along a batch or heads or rows" },
    { "compile", pipeline_compile, "order, storage, kernels: what runs, in the schedule stage of the notation" },
};


const char *btl_pipeline_pass(int i, const char **doc) {
    if (i < 0 || i >= (int)(sizeof pipeline_passes / sizeof *pipeline_passes)) return NULL;
    if (doc) *doc = pipeline_passes[i].doc;
    return pipeline_passes[i].name;
}

static btl_status pipeline_run(void *arg) {
    pipeline *l = arg;
    for (size_t i = 0; i < sizeof pipeline_passes / sizeof *pipeline_passes; i++) {
        BTL_TRY(pipeline_passes[i].run(l));
        if (l->g->status != BTL_OK) return l->g->status; /* a rule, or a body of an op of one's own, built what cannot be */
#ifndef NDEBUG
        if (!btl_graph_check(l->g)) return BTL_EINTERNAL;
#endif
        if (l->stop_after && strcmp(l->stop_after, pipeline_passes[i].name) == 0) break;
    }
    return BTL_OK;
}

/* Memory may run out in either graph: what is allocated in the program's own is guarded here. */
static btl_status pipeline_run_guarded(void *arg) {
    pipeline *l = arg;
    return btl_graph_protect(l->g, pipeline_run, l);
}

/* ---- public ------------------------------------------------------------------------------ */

static btl_status pipeline_prepare(pipeline *l) {
    const btl_function_options *o = l->options;
    if (o && BTL_HAS(o, stop_at_firing)) l->fuel = o->stop_at_firing - 1;
    BTL_TRY(btl_mode_read(o ? o->mode : NULL, o && BTL_HAS(o, with) ? o->with : NULL, o ? o->without : NULL, &l->mode, l->err));
    if (!l->entry) return btl_error_set(l->err, BTL_EUSAGE, "no function is given");
    if (l->from->status != BTL_OK) return btl_error_set(l->err, l->from->status, "%s", l->from->error.message);
    return BTL_OK;
}

static btl_status pipeline_finish(pipeline *l, btl_status status) {
    if (status == BTL_OK) return BTL_OK;
    if (l->err && l->err->status == BTL_OK) {
        if (l->g->status != BTL_OK && l->g->error.status != BTL_OK) *l->err = l->g->error;
        else btl_error_set(l->err, status, "%s: %s while it was compiled", l->entry ? l->entry->name : "?", btl_status_text(status));
    }
    return status;
}

btl_status btl_function_new(btl_graph *g, btl_entry *e, const btl_function_options *options, btl_function **out, btl_error *err) {
    btl_error ignored = { 0 };
    pipeline l = { .from = g, .entry = e, .options = options, .err = err ? err : &ignored };
    *out = NULL;
    BTL_TRY(pipeline_prepare(&l));
    l.f = btl_alloc(g->ctx, sizeof *l.f);
    if (!l.f) return btl_error_set(err, BTL_ENOMEM, "no memory for a function");
    memset(l.f, 0, sizeof *l.f);
    l.f->ctx = g->ctx;
    btl_status status = btl_graph_new(g->ctx, &l.g);
    if (status == BTL_OK) {
        l.f->graph = l.g;
        /* the status and messages of the program's graph stay its own */
        status = btl_arena_protect(&g->arena, pipeline_run_guarded, &l);
        status = pipeline_finish(&l, status);
    } else {
        btl_error_set(err, status, "no memory for a function");
    }
    if (status != BTL_OK) {
        btl_function_free(l.f);
        return status;
    }
    *out = l.f;
    return BTL_OK;
}

/* "arena+4096 40960B" where all sizes are numbers, "arena 3", "state w", "result y". */
static const char *pipeline_memory(pipeline *l, const vm_slot *s, const btl_buffer *buffers, const int *host) {
    const btl_function *f = l->f;
    btl_arena *a = &l->g->arena;
    int64_t at = 0, bytes = 0;
    bool known = (!s->at || btl_dim_is_const(s->at, &at)) && btl_type_bytes(&s->var->type, NULL, &bytes) < 0;
    at *= (int64_t)btl_dtype_bytes(s->var->type.dtype);
    switch (s->storage) {
    case STORE_ARENA:
        if (!buffers || !known) return btl_arena_printf(a, f->policy == BTL_POLICY_ARENA ? "arena %d" : "storage %d", f->policy == BTL_POLICY_ARENA ? s->index : f->store_of[s->index]);
        at += (int64_t)buffers[s->index].offset;
        if (host[s->index] < 0) return btl_arena_printf(a, "arena+%lld %lldB", (long long)at, (long long)bytes);
        return btl_arena_printf(a, "result %s+%lld %lldB until that is written", f->outputs[host[s->index]].name, (long long)at, (long long)bytes);
    case STORE_OWN: return btl_arena_printf(a, "own %d", s->index);
    case STORE_SHARED: return btl_arena_printf(a, "state %s", f->shared[s->index].name);
    case STORE_OUTPUT: return btl_arena_printf(a, known && at ? "result %s+%lld" : "result %s", f->outputs[s->index].name, (long long)at);
    default: return NULL;
    }
}

/* Where a value lies, and what it is made as a part of. */
static const char *pipeline_place(pipeline *l, int slot, const btl_buffer *buffers, const int *host) {
    const vm_slot *s = &l->f->slots[slot];
    const char *memory = pipeline_memory(l, s, buffers, host);
    if (s->whole < 0 || !memory) return memory;
    const btl_var *whole = l->f->slots[s->whole].var;
    return btl_arena_printf(&l->g->arena, "%s, a part of %s", memory, whole->name ? whole->name : whole->node->op->name);
}

/* The buffers with their offsets, where no size is open; else NULL. */
static const btl_buffer *pipeline_buffers(pipeline *l, int *host) {
    const btl_function *f = l->f;
    size_t *results = BTL_ARRAY(&l->g->arena, size_t, f->noutputs + 1);
    btl_buffer *buffers = btl_arena_copy(&l->g->arena, f->lives, (size_t)(f->nbuffers + 1) * sizeof *buffers);
    int64_t bytes;
    if (f->policy != BTL_POLICY_ARENA) return NULL;
    for (int b = 0; b < f->nbuffers; b++) {
        if (btl_type_bytes(&f->slots[f->buffer_slot[b]].var->type, NULL, &bytes) >= 0) return NULL;
        buffers[b].bytes = (size_t)bytes;
    }
    for (int i = 0; i < f->noutputs; i++)
        if (f->idle_until[i] && btl_type_bytes(&f->slots[f->outputs[i].slot].var->type, NULL, &bytes) < 0) results[i] = (size_t)bytes;
    btl_vm_offsets(f, &l->g->arena, buffers, results, host);
    return buffers;
}

/* Behind the place: what is copied into it though it might have been made there, and why. */
static const char *pipeline_copies(pipeline *l, const vm_instr *q, const char *place) {
    for (int k = 0; q->why_copied && k < q->nin; k++)
        if (*q->why_copied[k]) place = btl_arena_printf(&l->g->arena, "%s; operand %d is copied: %s", place ? place : "", k, q->why_copied[k]);
    return place;
}

/* What runs, as a program in the schedule stage. */
static btl_status pipeline_make_schedule(pipeline *l, btl_entry *e) {
    const btl_function *f = l->f;
    btl_graph *g = l->g;
    int *host = BTL_ARRAY(&g->arena, int, f->nbuffers + 1);
    const btl_buffer *buffers = pipeline_buffers(l, host);
    e->nodes = BTL_ARRAY(&g->arena, btl_node *, f->ninstrs + 1);
    for (int i = 0; i < f->ninstrs; i++) {
        const vm_instr *q = &f->instrs[i];
        btl_node *n = g->nodes[q->node->id];
        n->lies = BTL_ARRAY(&g->arena, btl_lies, n->nout);
        for (int k = 0; k < n->nout; k++) {
            const vm_slot *s = &f->slots[q->out[k]];
            n->lies[k] = (btl_lies){ .input = q->kind == VM_VIEW ? 0 : -1, .is_view = q->kind == VM_VIEW, .place = pipeline_copies(l, q, pipeline_place(l, q->out[k], buffers, host)) };
            for (int in = 0; in < q->nin && s->into >= 0; in++)
                if (q->in[in] == s->into) n->lies[k].input = in;
        }
        e->nodes[e->nnodes++] = n;
    }
    g->scheduled = true;
    return BTL_OK;
}

/* The rewritten program as an entry of its graph, with the shared variables and their first values. */
static btl_status pipeline_make_entry(void *arg) {
    pipeline *l = arg;
    const btl_entry *e = l->entry;
    btl_graph *g = l->g;
    btl_var_map m = btl_var_map_new(&g->arena, l->from);
    btl_var **first = BTL_ARRAY(&g->arena, btl_var *, l->p.nshared + 1);
    for (int i = 0; i < l->p.nshared; i++) {
        const btl_shared_def *old = btl_graph_find_shared(l->from, l->p.shared[i]->name);
        first[i] = old ? old->init : NULL;
    }
    btl_graph_import(g, l->from, &m, l->p.nshared, first);
    for (int i = 0; i < l->p.nshared; i++) {
        const btl_shared_def *old = btl_graph_find_shared(l->from, l->p.shared[i]->name);
        btl_graph_adopt_shared(g, l->p.shared[i], old && old->init ? pipeline_take(l, &m, old->init) : NULL);
    }
    btl_entry *copy = btl_entry_new(g, e->name);
    if (!copy) return g->status;
    copy->is_explicit = e->is_explicit;
    for (int i = 0; i < l->p.ninputs; i++)
        BTL_TRY(btl_entry_add_input(g, copy, l->p.inputs[i], l->p.fallbacks[i] ? btl_graph_constant(g, l->p.fallbacks[i]) : NULL));
    for (int i = 0; i < e->noutputs; i++) BTL_TRY(btl_entry_add_output(g, copy, e->outputs[i].name, l->roots[i]));
    for (int i = 0; i < e->nupdates; i++)
        BTL_TRY(btl_entry_add_update(g, copy, l->p.shared[l->p.update_shared[i]], l->roots[e->noutputs + i]));
    for (int i = 0; i < e->nasserts; i++)
        BTL_TRY(btl_entry_add_assert(g, copy, l->roots[e->noutputs + e->nupdates + i], e->asserts[i].text));
    return l->stop_after && strcmp(l->stop_after, "compile") == 0 ? pipeline_make_schedule(l, copy) : BTL_OK;
}

static btl_status pipeline_make_entry_guarded(void *arg) {
    return btl_graph_protect(((pipeline *)arg)->g, pipeline_make_entry, arg);
}

btl_status btl_pipeline_print(btl_graph *g, btl_entry *e, const btl_function_options *options, const char *pass, btl_graph **out, btl_error *err) {
    pipeline l = { .from = g, .entry = e, .options = options, .err = err, .stop_after = pass };
    *out = NULL;
    BTL_TRY(pipeline_prepare(&l));
    bool known = !pass;
    for (size_t i = 0; !known && i < sizeof pipeline_passes / sizeof *pipeline_passes; i++) known = strcmp(pipeline_passes[i].name, pass) == 0;
    if (!known) return btl_error_set(err, BTL_EUSAGE, "there is no pass %s", pass);
    btl_function f = { .ctx = g->ctx };
    l.f = &f;
    l.mode.linker = LINK_STRIPS; /* nothing is run */
    if (btl_graph_new(g->ctx, &l.g) != BTL_OK) return btl_error_set(err, BTL_ENOMEM, "no memory for a graph");
    f.graph = l.g;
    btl_status status = btl_arena_protect(&g->arena, pipeline_run_guarded, &l);
    status = pipeline_finish(&l, status);
    if (status == BTL_OK) status = pipeline_finish(&l, btl_arena_protect(&g->arena, pipeline_make_entry_guarded, &l));
    if (status != BTL_OK) btl_graph_free(l.g), l.g = NULL;
    *out = l.g;
    return status;
}

void btl_function_free(btl_function *f) {
    if (!f) return;
    btl_vm_code_free(f);
    for (int i = 0; i < POOL_SLOTS; i++) btl_vm_workspace_free(atomic_load(&f->pool[i]));
    btl_graph_free(f->graph);
    btl_free(f->ctx, f, sizeof *f);
}

/* ---- states ------------------------------------------------------------------------------ */

/* First values are computed by a function of their own: fast, and with the same rules as any other. */
typedef struct pipeline_state_args { btl_graph *g; btl_entry *entry; int *output; int noutputs; } pipeline_state_args;

static btl_status pipeline_init_entry(void *arg) {
    pipeline_state_args *a = arg;
    btl_graph *g = a->g;
    a->output = BTL_ARRAY(&g->arena, int, g->nshared + 1);
    btl_entry *e = BTL_NEW(&g->arena, btl_entry); /* not among the program's entries */
    e->name = "the first values of shared variables";
    for (int i = 0; i < g->nshared; i++) {
        a->output[i] = -1;
        if (!g->shared[i]->init) continue;
        a->output[i] = e->noutputs;
        BTL_TRY(btl_entry_add_output(g, e, g->shared[i]->name, g->shared[i]->init));
    }
    a->noutputs = e->noutputs;
    a->entry = e;
    return BTL_OK;
}

static btl_status pipeline_first_value(btl_graph *g, int i, const btl_array *value, btl_array *out, btl_error *err) {
    const btl_shared_def *s = g->shared[i];
    int64_t shape[BTL_MAX_RANK];
    for (int k = 0; k < s->var->type.rank; k++) btl_dim_is_const(s->var->type.dims[k], &shape[k]);
    btl_status status = btl_array_new(g->ctx, s->var->type.dtype, s->var->type.rank, shape, out);
    if (status == BTL_ESHAPE) return btl_error_set(err, status, "shared %s: the sizes of %s multiply up to more bytes than can be addressed", s->name, btl_var_type(g, s->var));
    if (status != BTL_OK) return btl_error_set(err, status, "no memory for shared variable %s", s->name);
    if (!value) return BTL_OK;
    btl_array stretched = *value; /* broadcast to the type by strides of 0 */
    int64_t strides[BTL_MAX_RANK] = { 0 }, step = 1;
    for (int k = s->var->type.rank - 1, v = value->ndim - 1; k >= 0 && v >= 0; k--, v--) {
        if (value->shape[v] != shape[k] && value->shape[v] != 1)
            return btl_error_set(err, BTL_ESHAPE, "shared %s is %s: its first value has size %lld in axis %d", s->name, btl_var_type(g, s->var), (long long)value->shape[v], v);
        strides[k] = value->shape[v] == 1 ? 0 : step;
        step *= value->shape[v];
    }
    if (value->ndim > s->var->type.rank)
        return btl_error_set(err, BTL_ESHAPE, "shared %s is %s: its first value has %d axes", s->name, btl_var_type(g, s->var), value->ndim);
    stretched.ndim = s->var->type.rank, stretched.shape = shape, stretched.strides = strides;
    return btl_array_convert(out, &stretched);
}

btl_status btl_state_new(btl_graph *g, btl_state **out, btl_error *err) {
    *out = NULL;
    if (g->status != BTL_OK) return btl_error_set(err, g->status, "%s", g->error.message);
    pipeline_state_args a = { .g = g };
    btl_status status = btl_arena_protect(&g->arena, pipeline_init_entry, &a); /* may be tried again */
    if (status != BTL_OK) return btl_error_set(err, status, "%s", g->status ? g->error.message : btl_status_text(status));
    size_t bytes = (size_t)(a.noutputs + 1) * sizeof(btl_array);
    btl_array *values = btl_alloc(g->ctx, bytes);
    if (!values) return btl_error_set(err, BTL_ENOMEM, "no memory for a state");
    memset(values, 0, bytes);
    btl_function *f = NULL;
    btl_function_options once = { .struct_size = sizeof once, .mode = "fast_run,linker=strips" }; /* not worth a compiler's start */
    status = btl_function_new(g, a.entry, &once, &f, err);
    if (status == BTL_OK) status = btl_call(f, NULL, NULL, values, NULL, err);
    btl_function_free(f);
    if (status == BTL_OK && (status = btl_vm_state_alloc(g->ctx, g->nshared, out)) != BTL_OK) btl_error_set(err, status, "no memory for a state");
    for (int i = 0; i < g->nshared && status == BTL_OK; i++) {
        btl_array value = { 0 };
        status = pipeline_first_value(g, i, a.output[i] < 0 ? NULL : &values[a.output[i]], &value, err);
        if (status == BTL_OK && (status = btl_vm_state_set_buffer(*out, i, g->shared[i]->name, &value)) != BTL_OK) btl_error_set(err, status, "no memory for a state");
        btl_array_free(&value);
    }
    for (int i = 0; i < a.noutputs; i++) btl_array_free(&values[i]);
    btl_free(g->ctx, values, bytes);
    if (status != BTL_OK) btl_state_free(*out), *out = NULL;
    return status;
}
