/* pipeline.c - from an entry of a program to a function: the passes, read from top to bottom.
 * The one file above all folders.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/context.h"
#include "expr/outline.h"
#include "rewrite/driver.h"
#include "schedule/fuse.h"
#include "schedule/layout.h"
#include "vm/generated.h"
#include "vm/compile.h"
#include "vm/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- modes ------------------------------------------------------------------------------- */

/* A mode is three choices: which rewrites, which linker, which checks (docs/DESIGN.md). */
typedef struct pipeline_mode {
    const char *name;
    unsigned phases;
    bool as_written;  /* no node is merged with another, none fused */
    vm_linker linker;
    bool background;  /* tier=background */
    const char *doc;
} pipeline_mode;

static const pipeline_mode pipeline_modes[] = {
    { "fast_run", BTL_CANONICALIZE | BTL_STABILIZE | BTL_SPECIALIZE | BTL_LOWER, false, LINK_C, false, "all rewrites, generated C" },
    { "fast_compile", BTL_STABILIZE | BTL_LOWER, false, LINK_STRIPS, false, "the rewrites that stability needs, the strip interpreter: starts at once, needs no compiler" },
    { "c_code", BTL_LOWER, true, LINK_C, false, "no rewrites and no fusion: the graph as it was written, each op by its own generated C" },
};

static const char *const pipeline_linkers[] = { [LINK_C] = "c", [LINK_VM] = "vm", [LINK_STRIPS] = "strips", [LINK_EVAL] = "eval" };

const char *btl_mode_name(int i, const char **doc) {
    if (i < 0 || i >= (int)(sizeof pipeline_modes / sizeof *pipeline_modes)) return NULL;
    if (doc) *doc = pipeline_modes[i].doc;
    return pipeline_modes[i].name;
}

static btl_status pipeline_no_mode(const char *word, int length, btl_error *err) {
    char names[200] = "";
    for (int i = 0; btl_mode_name(i, NULL); i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", btl_mode_name(i, NULL));
    }
    return btl_error_set(err, BTL_EUSAGE, "there is no mode %.*s; the modes are %s", length, word, names);
}

static btl_status pipeline_mode_item(pipeline_mode *m, const char *word, int length, btl_error *err) {
    const char *equals = memchr(word, '=', (size_t)length);
    int key = (int)(equals - word), rest = length - key - 1;
    if (key == 6 && strncmp(word, "linker", 6) == 0) {
        for (int i = 0; i < (int)(sizeof pipeline_linkers / sizeof *pipeline_linkers); i++)
            if (strlen(pipeline_linkers[i]) == (size_t)rest && strncmp(pipeline_linkers[i], equals + 1, (size_t)rest) == 0) {
                m->linker = (vm_linker)i;
                return BTL_OK;
            }
        return btl_error_set(err, BTL_EUSAGE, "there is no linker %.*s; linkers are c, vm, strips and eval", rest, equals + 1);
    }
    if (key == 4 && strncmp(word, "tier", 4) == 0) {
        m->background = rest == 10 && strncmp(equals + 1, "background", 10) == 0;
        if (m->background || (rest == 9 && strncmp(equals + 1, "immediate", 9) == 0)) return BTL_OK;
        return btl_error_set(err, BTL_EUSAGE, "there is no tier %.*s; tiers are immediate and background", rest, equals + 1);
    }
    if (key == 7 && strncmp(word, "without", 7) == 0) return BTL_OK; /* pipeline_switches reads it */
    return btl_error_set(err, BTL_EUSAGE, "a mode has no setting %.*s; settings are linker, tier and without", key, word);
}

/* "fast_run,linker=vm,without=fuse": a name, if it is not to be fast_run, and settings. */
static btl_status pipeline_read_mode(const char *text, pipeline_mode *m, btl_error *err) {
    *m = pipeline_modes[0];
    for (const char *word = text; *word; word += *word == ',') {
        int length = (int)strcspn(word, ",");
        if (memchr(word, '=', (size_t)length)) {
            BTL_TRY(pipeline_mode_item(m, word, length, err));
        } else if (length) {
            int i = 0;
            while (btl_mode_name(i, NULL) && (strlen(btl_mode_name(i, NULL)) != (size_t)length || strncmp(btl_mode_name(i, NULL), word, (size_t)length) != 0)) i++;
            if (!btl_mode_name(i, NULL)) return pipeline_no_mode(word, length, err);
            *m = pipeline_modes[i];
        }
        word += length;
    }
    return BTL_OK;
}

btl_status btl_mode_check(const char *mode, btl_error *err) {
    pipeline_mode m;
    return pipeline_read_mode(mode, &m, err);
}

/* ---- what is being compiled -------------------------------------------------------------- */

typedef struct pipeline {
    btl_graph *from;
    const btl_entry *entry;
    const btl_function_options *options;
    const char *mode_text;
    pipeline_mode mode;
    btl_graph *g;            /* the function's private graph */
    btl_function *f;
    vm_program p;
    int nroots;
    btl_var **roots;         /* outputs, then updates, then assertions */
    btl_error *err;
    int nwithout;            /* rewrites that are switched off, by name or tag */
    const char **without;
    bool without_fuse, without_inplace;
    int64_t fuel;            /* rewrites that may still be made */
    int64_t nfirings;
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

/* What `without` names; "fuse" and "inplace" are passes, all else rules and their tags. */
static btl_status pipeline_switches(pipeline *l) {
    const char *from = l->options && l->options->without ? l->options->without : "";
    btl_text all;
    btl_text_init(&all, &l->g->arena);
    btl_text_add(&all, from);
    for (const char *word = strstr(l->mode_text, "without="); word; word = strstr(word, "without=")) {
        word += strlen("without=");
        btl_text_printf(&all, ",%.*s", (int)strcspn(word, ","), word);
    }
    if (all.length == 0) return BTL_OK;
    char *words = all.data, *rest = NULL;
    l->without = BTL_ARRAY(&l->g->arena, const char *, all.length + 1);
    for (char *word = strtok_r(words, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest)) {
        if (strcmp(word, "fuse") == 0) l->without_fuse = true;
        else if (strcmp(word, "inplace") == 0) l->without_inplace = true;
        else l->without[l->nwithout++] = word;
    }
    btl_rewrite_options o = { .phases = l->mode.phases, .nwithout = l->nwithout, .without = l->without };
    const char *unknown = btl_rewrite_unknown_switch(l->g, &o);
    return unknown ? btl_error_set(l->err, BTL_EUSAGE, "no rewrite and no tag is named %s; `bitale rules` lists them", unknown) : BTL_OK;
}

static btl_status pipeline_import(pipeline *l) {
    BTL_TRY(pipeline_switches(l));
    const btl_entry *e = l->entry;
    btl_arena *a = &l->g->arena;
    l->from->checks = NULL; /* those of the givens come into it */
    btl_dims_import(l->g, l->from);
    l->g->intern = !l->mode.as_written;
    btl_var_map m = btl_var_map_new(a, l->from);
    BTL_TRY(pipeline_import_givens(l, &m));
    pipeline_import_all(l, &m);
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
                return btl_vm_place_error(n->places, NULL,
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
static void pipeline_see(void *arg, const btl_compiled_rule *c, unsigned phase, const btl_var *before, const btl_var *after) {
    pipeline *l = arg;
    const btl_place *p = before->node->places ? before->node->places->place : NULL;
    btl_firing f = { .number = ++l->nfirings, .rule = c->rule->name, .origin = c->origin, .why = c->rule->why, .phase = btl_phase_name(phase),
                     .before = btl_var_outline(l->g, before, false),
                     .after = btl_var_outline(l->g, after, after->name && after->name != before->name) };
    if (p) f.file = p->file, f.line = p->line, f.column = p->column, f.source = p->source;
    l->options->see(l->options->see_user, &f);
}

static bool pipeline_is_seen(const pipeline *l) {
    return l->options && l->options->struct_size >= sizeof *l->options && l->options->see;
}

static btl_status pipeline_rewrite(pipeline *l, unsigned phases) {
    if (!(l->mode.phases & phases)) return BTL_OK;
    btl_rewrite_report report = { 0 };
    btl_rewrite_options o = { .phases = l->mode.phases & phases, .along = l->mode.phases & (phases - 1), .nwithout = l->nwithout, .without = l->without, .report = &report };
    if (pipeline_is_seen(l)) o.trace = pipeline_see, o.trace_user = l;
    if (l->options && l->options->struct_size >= sizeof *l->options && l->options->stop_at_firing > 0) o.fuel = &l->fuel;
    btl_status status = btl_rewrite(l->g, l->nroots, l->roots, &o);
    if (report.note && pipeline_is_seen(l)) l->options->see(l->options->see_user, &(btl_firing){ .note = report.note });
    return status;
}

static btl_status pipeline_canonicalize(pipeline *l) { return pipeline_rewrite(l, BTL_CANONICALIZE | BTL_STABILIZE); }
static btl_status pipeline_lower(pipeline *l) { return pipeline_rewrite(l, BTL_SPECIALIZE | BTL_LOWER); }
static btl_status pipeline_fuse(pipeline *l) { return btl_fuse(l->g, l->nroots, l->roots, l->without_fuse || l->mode.as_written); }

/* New values of shared variables need memory of their own: a view of a variable that is updated, too,
 * would change under our hands. */
static btl_status pipeline_layout(pipeline *l) {
    for (int i = 0; i < l->p.nupdates; i++) {
        btl_var **root = &l->roots[l->p.noutputs + i];
        *root = btl_layout_own(l->g, *root);
        if (!*root) return l->g->status;
    }
    return btl_layout_insert_copies(l->g, l->nroots, l->roots);
}

static btl_status pipeline_compile(pipeline *l) {
    l->p.linker = l->mode.linker;
    l->p.background = l->mode.background;
    l->p.overwrites = !l->without_inplace && !l->mode.as_written && l->mode.linker != LINK_EVAL;
    l->p.err = l->err;
    l->p.outputs = l->roots;
    l->p.update_values = l->roots + l->p.noutputs;
    for (int i = 0; i < l->p.nasserts; i++) l->p.asserts[i].condition = l->roots[l->p.noutputs + l->p.nupdates + i];
    return btl_vm_compile(l->f, &l->p);
}

typedef struct pipeline_pass { const char *name; btl_status (*run)(pipeline *l); const char *doc; } pipeline_pass;

static const pipeline_pass pipeline_passes[] = {
    { "import", pipeline_import, "a private copy of what the function needs, equal nodes made one" },
    { "checks", pipeline_checks, "the sizes that must be equal at a call" },
    { "canonicalize", pipeline_canonicalize, "rules that bring expressions to one form, and to their stable one" },
    { "lower", pipeline_lower, "rules for speed; composite ops replaced by their bodies" },
    { "fuse", pipeline_fuse, "elementwise chains and their reductions become one kernel each" },
    { "layout", pipeline_layout, "copies where a row-major operand is needed" },
    { "compile", pipeline_compile, "storage, lives, kernels" },
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
    const char *mode = o && o->mode ? o->mode : getenv("BITALE_MODE");
    if (!mode || !*mode) mode = "fast_run";
    l->mode_text = mode;
    if (o && o->struct_size >= sizeof *o) l->fuel = o->stop_at_firing - 1;
    BTL_TRY(pipeline_read_mode(mode, &l->mode, l->err));
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
    return BTL_OK;
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
