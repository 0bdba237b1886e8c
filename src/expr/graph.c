/* graph.c - graphs, their entries and their traversal; the public face of expr.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/leaf.h"
#include "expr/parser.h"

#include <stdlib.h>
#include <string.h>

btl_status btl_graph_new(btl_context *ctx, btl_graph **out) {
    btl_graph *g = btl_alloc(ctx, sizeof *g);
    *out = g;
    if (!g) return BTL_ENOMEM;
    memset(g, 0, sizeof *g);
    g->ctx = ctx;
    g->last_diagnostic = &g->diagnostics;
    btl_arena_init(&g->arena, ctx);
    return BTL_OK;
}

void btl_graph_free(btl_graph *g) {
    if (!g) return;
    btl_context *ctx = g->ctx;
    btl_arena_deinit(&g->arena);
    btl_free(ctx, g, sizeof *g);
}

btl_status btl_graph_protect(btl_graph *g, btl_status (*body)(void *), void *arg) {
    btl_status status = btl_arena_protect(&g->arena, body, arg);
    if (status == BTL_ENOMEM && g->status == BTL_OK) {
        g->status = BTL_ENOMEM;
        btl_error_set(&g->error, BTL_ENOMEM, "out of memory while building the graph");
    }
    return status;
}

const btl_error *btl_graph_error(const btl_graph *g) {
    return g->status == BTL_OK ? NULL : &g->error;
}

int btl_graph_nmessages(const btl_graph *g) {
    return g->ndiagnostics + (g->status == BTL_ENOMEM);
}

typedef struct graph_messages_args { btl_graph *g; const char *text; } graph_messages_args;

static btl_status graph_messages(void *arg) {
    graph_messages_args *a = arg;
    btl_text t;
    btl_text_init(&t, &a->g->arena);
    btl_text_add(&t, "");
    for (const btl_diagnostic *d = a->g->diagnostics; d; d = d->next) btl_diagnostic_print(&t, d);
    if (a->g->status == BTL_ENOMEM) btl_text_printf(&t, "error: %s\n", a->g->error.message);
    a->text = t.data;
    return BTL_OK;
}

const char *btl_graph_messages(btl_graph *g) {
    graph_messages_args a = { g, NULL };
    btl_status status = btl_arena_protect(&g->arena, graph_messages, &a);
    return status == BTL_OK ? a.text : g->error.message;
}

/* ---- places ------------------------------------------------------------------------------ */

typedef struct graph_at_args { btl_graph *g; btl_site site; } graph_at_args;

static btl_status graph_at(void *arg) {
    graph_at_args *a = arg;
    btl_place *p = BTL_NEW(&a->g->arena, btl_place);
    /* __FILE__ and __func__ outlive the graph only if the host's code does: copied */
    *p = (btl_place){ .file = btl_arena_strdup(&a->g->arena, a->site.file ? a->site.file : "?"),
                      .function = a->site.function ? btl_arena_strdup(&a->g->arena, a->site.function) : NULL,
                      .line = a->site.line };
    a->g->here = btl_places_add(a->g, NULL, p);
    return BTL_OK;
}

btl_graph *btl_at(btl_graph *g, btl_site site) {
    const btl_place *now = g->here ? g->here->place : NULL;
    if (g->keep_here) return g;
    if (now && now->line == site.line && !now->column && site.file && strcmp(now->file, site.file) == 0) return g;
    btl_graph_protect(g, graph_at, &(graph_at_args){ g, site });
    return g;
}

/* ---- leaves and entries, from C ---------------------------------------------------------- */

/* The arguments of any of the public functions below, run under protection. */
typedef struct graph_call {
    btl_graph *g;
    const char *name, *type;
    btl_var *a, *b, *out;
    btl_entry *entry, **entry_out;
    const btl_array *array;
} graph_call;

static btl_status graph_failed(btl_graph *g) {
    btl_fail_done(g, NULL);
    return g->status;
}

static btl_status graph_input(void *arg) {
    graph_call *c = arg;
    btl_type type;
    if (btl_parse_type(c->g, c->type, &type) != BTL_OK) return graph_failed(c->g);
    c->out = btl_graph_input(c->g, c->name, &type);
    return BTL_OK;
}

btl_var *(btl_input)(btl_graph *g, const char *name, const char *type) {
    graph_call c = { .g = g, .name = name, .type = type };
    return btl_graph_protect(g, graph_input, &c) == BTL_OK ? c.out : NULL;
}

static btl_status graph_shared(void *arg) {
    graph_call *c = arg;
    btl_graph *g = c->g;
    btl_type type;
    if (btl_parse_type(g, c->type, &type) != BTL_OK) return graph_failed(g);
    if (btl_graph_find_shared(g, c->name)) {
        btl_fail(g, BTL_ENAME, "a shared variable named %s is already there", c->name);
        return graph_failed(g);
    }
    int64_t value;
    for (int i = 0; i < type.rank; i++)
        if (!btl_dim_is_const(type.dims[i], &value)) {
            btl_fail(g, BTL_ESHAPE, "shared %s: every size of a shared variable is a number; found %s", c->name, c->type);
            return graph_failed(g);
        }
    c->out = btl_graph_shared(g, c->name, &type, c->a);
    return BTL_OK;
}

btl_var *(btl_shared)(btl_graph *g, const char *name, const char *type, btl_var *init) {
    graph_call c = { .g = g, .name = name, .type = type, .a = init };
    return btl_graph_protect(g, graph_shared, &c) == BTL_OK ? c.out : NULL;
}

static btl_status graph_constant(void *arg) {
    graph_call *c = arg;
    c->out = btl_graph_constant(c->g, c->array);
    return c->out ? BTL_OK : c->g->status;
}

btl_var *btl_constant(btl_graph *g, const btl_array *value) {
    graph_call c = { .g = g, .array = value };
    return btl_graph_protect(g, graph_constant, &c) == BTL_OK ? c.out : NULL;
}

typedef struct graph_number_args { btl_graph *g; double f; int64_t i; bool is_int; btl_var *out; } graph_number_args;

static btl_status graph_number(void *arg) {
    graph_number_args *a = arg;
    a->out = a->is_int ? btl_graph_weak_int(a->g, a->i) : btl_graph_weak_float(a->g, a->f);
    return BTL_OK;
}

btl_var *btl_number(btl_graph *g, double value) {
    graph_number_args a = { .g = g, .f = value };
    return btl_graph_protect(g, graph_number, &a) == BTL_OK ? a.out : NULL;
}

btl_var *btl_integer(btl_graph *g, int64_t value) {
    graph_number_args a = { .g = g, .i = value, .is_int = true };
    return btl_graph_protect(g, graph_number, &a) == BTL_OK ? a.out : NULL;
}

static btl_status graph_named(void *arg) {
    graph_call *c = arg;
    if (!c->a->name) c->a->name = btl_arena_strdup(&c->g->arena, c->name);
    return BTL_OK;
}

btl_var *btl_named(btl_graph *g, btl_var *v, const char *name) {
    if (v) btl_graph_protect(g, graph_named, &(graph_call){ .g = g, .a = v, .name = name });
    return v;
}

static btl_status graph_entry_new(void *arg) {
    graph_call *c = arg;
    btl_entry *e = BTL_NEW(&c->g->arena, btl_entry);
    e->name = btl_arena_strdup(&c->g->arena, c->name);
    e->places = c->g->here;
    *BTL_PUSH(&c->g->arena, c->g->entries, c->g->nentries, c->g->entry_capacity) = e;
    *c->entry_out = e;
    return BTL_OK;
}

btl_entry *btl_entry_new(btl_graph *g, const char *name) {
    btl_entry *e = NULL;
    graph_call c = { .g = g, .name = name, .entry_out = &e };
    return btl_graph_protect(g, graph_entry_new, &c) == BTL_OK ? e : NULL;
}

static btl_status graph_add_input(void *arg) {
    graph_call *c = arg;
    btl_entry *e = c->entry;
    if (!btl_var_is_input(c->a)) {
        btl_fail(c->g, BTL_EVALUE, "function %s: %s, but an argument must be an input", e->name, btl_var_text(c->g, c->a));
        return graph_failed(c->g);
    }
    *BTL_PUSH(&c->g->arena, e->inputs, e->ninputs, e->input_capacity) = (btl_entry_input){ .var = c->a, .value = c->b };
    return BTL_OK;
}

btl_status btl_entry_add_input(btl_graph *g, btl_entry *e, btl_var *input, btl_var *fallback) {
    if (!e || !input) return g->status ? g->status : BTL_EUSAGE;
    return btl_graph_protect(g, graph_add_input, &(graph_call){ .g = g, .entry = e, .a = input, .b = fallback });
}

static btl_status graph_add_output(void *arg) {
    graph_call *c = arg;
    btl_entry *e = c->entry;
    const char *name = c->name ? btl_arena_strdup(&c->g->arena, c->name)
                     : c->a->name ? c->a->name
                                  : btl_arena_printf(&c->g->arena, "out%d", e->noutputs);
    for (int i = 0; i < e->noutputs; i++)
        if (strcmp(e->outputs[i].name, name) == 0) {
            btl_fail(c->g, BTL_ENAME, "function %s: two outputs are named %s", e->name, name);
            return graph_failed(c->g);
        }
    for (int i = 0; i < e->ninputs; i++)
        if (e->inputs[i].var != c->a && e->inputs[i].var->name && strcmp(e->inputs[i].var->name, name) == 0) {
            btl_fail(c->g, BTL_ENAME, "function %s: %s is the name of an argument, and cannot be that of another value", e->name, name);
            return graph_failed(c->g);
        }
    *BTL_PUSH(&c->g->arena, e->outputs, e->noutputs, e->output_capacity) = (btl_entry_output){ name, c->a };
    return BTL_OK;
}

btl_status btl_entry_add_output(btl_graph *g, btl_entry *e, const char *name, btl_var *value) {
    if (!e || !value) return g->status ? g->status : BTL_EUSAGE;
    return btl_graph_protect(g, graph_add_output, &(graph_call){ .g = g, .entry = e, .a = value, .name = name });
}

/* A new value must be exactly of its shared variable's type: nothing is cast silently. */
static btl_status graph_check_update(btl_graph *g, const btl_entry *e, const btl_var *shared, const btl_var *value) {
    if (!btl_var_is_shared(shared))
        return btl_fail(g, BTL_EVALUE, "update: %s, but only a shared variable can be updated", btl_var_text(g, shared));
    for (int i = 0; i < e->nupdates; i++)
        if (e->updates[i].shared == shared)
            return btl_fail(g, BTL_ENAME, "update: %s is already updated in function %s", shared->name, e->name);
    bool fits = shared->type.dtype == value->type.dtype && shared->type.rank == value->type.rank;
    for (int i = 0; fits && i < value->type.rank; i++)
        fits = btl_dims_unify(g, shared->type.dims[i], value->type.dims[i], NULL) == BTL_OK;
    if (fits) return BTL_OK;
    btl_fail(g, shared->type.dtype == value->type.dtype ? BTL_ESHAPE : BTL_EDTYPE,
             "update: %s is %s, its new value is %s", shared->name, btl_type_text(g, &shared->type), btl_type_text(g, &value->type));
    if (shared->type.dtype != value->type.dtype)
        btl_fail_hint(g, "nothing is cast silently: write %s(…) around the new value", btl_dtype_name(shared->type.dtype));
    return g->pending;
}

static btl_status graph_add_update(void *arg) {
    graph_call *c = arg;
    btl_entry *e = c->entry;
    const btl_size_check *outer = c->g->checks;
    c->g->checks = NULL;
    btl_status status = graph_check_update(c->g, e, c->a, c->b);
    if (status == BTL_OK) btl_checks_attach(c->g, c->b->node, NULL);
    c->g->checks = outer;
    if (status != BTL_OK) return graph_failed(c->g);
    *BTL_PUSH(&c->g->arena, e->updates, e->nupdates, e->update_capacity) = (btl_entry_update){ c->a, c->b };
    return BTL_OK;
}

btl_status btl_entry_add_update(btl_graph *g, btl_entry *e, btl_var *shared, btl_var *value) {
    if (!e || !shared || !value) return g->status ? g->status : BTL_EUSAGE;
    return btl_graph_protect(g, graph_add_update, &(graph_call){ .g = g, .entry = e, .a = shared, .b = value });
}

static btl_status graph_add_assert(void *arg) {
    graph_call *c = arg;
    if (c->a->type.dtype != BTL_BOOL || c->a->type.rank != 0) {
        btl_fail(c->g, BTL_EDTYPE, "assert: %s, but a condition is a 0-d bool", btl_var_text(c->g, c->a));
        btl_fail_hint(c->g, "all(…) of an array of bool is one");
        return graph_failed(c->g);
    }
    *BTL_PUSH(&c->g->arena, c->entry->asserts, c->entry->nasserts, c->entry->assert_capacity) =
        (btl_entry_assert){ c->a, btl_arena_strdup(&c->g->arena, c->name), c->g->here };
    return BTL_OK;
}

btl_status btl_entry_add_assert(btl_graph *g, btl_entry *e, btl_var *condition, const char *text) {
    if (!e || !condition) return g->status ? g->status : BTL_EUSAGE;
    return btl_graph_protect(g, graph_add_assert, &(graph_call){ .g = g, .entry = e, .a = condition, .name = text });
}

btl_entry *btl_entry_find(btl_graph *g, const char *name) {
    if (!name && g->nentries == 1) return g->entries[0];
    for (int i = 0; i < g->nentries; i++)
        if (strcmp(g->entries[i]->name, name ? name : "main") == 0) return g->entries[i];
    return NULL;
}

int btl_graph_nentries(const btl_graph *g) { return g->nentries; }
const char *btl_graph_entry_name(const btl_graph *g, int i) { return g->entries[i]->name; }

/* ---- getters ----------------------------------------------------------------------------- */

typedef struct graph_type_args { btl_graph *g; const btl_var *v; const char *text; } graph_type_args;

static btl_status graph_type_of(void *arg) {
    graph_type_args *a = arg;
    a->text = btl_type_text(a->g, &a->v->type);
    return BTL_OK;
}

const char *btl_var_type(btl_graph *g, const btl_var *v) {
    graph_type_args a = { g, v, "?" };
    btl_graph_protect(g, graph_type_of, &a);
    return a.text;
}

const char *btl_var_name(const btl_var *v) { return v->name; }
btl_dtype btl_var_dtype(const btl_var *v) { return v->type.dtype; }
int btl_var_rank(const btl_var *v) { return v->type.rank; }

/* ---- traversal --------------------------------------------------------------------------- */

btl_bits btl_bits_new(btl_arena *a, int n) {
    return (btl_bits){ BTL_ARRAY(a, uint64_t, n / 64 + 1), n };
}

/* Ids still to be looked at. */
typedef struct graph_stack { btl_graph *g; btl_arena *scratch; int *ids; int n, capacity; btl_bits seen; const btl_node *node; } graph_stack;

static void graph_push(graph_stack *s, int id) {
    *BTL_PUSH(s->scratch, s->ids, s->n, s->capacity) = id;
}

static void graph_push_definer(void *arg, int symbol) {
    graph_stack *s = arg;
    const btl_node *definer = s->g->dims.symbols[symbol]->definer;
    if (definer && definer != s->node && !btl_bits_get(s->seen, definer->id)) graph_push(s, definer->id);
}

static void graph_push_sizes(graph_stack *s, const btl_node *n) {
    s->node = n;
    for (int i = 0; i < n->nout; i++)
        for (int k = 0; k < n->out[i].type.rank; k++) btl_dim_late_symbols(n->out[i].type.dims[k], graph_push_definer, s);
    for (int i = 0; i < n->op->nparams; i++) {
        const btl_param *p = &n->params[i];
        switch (n->op->params[i].kind) {
        case PARAM_DIM: btl_dim_late_symbols(p->dim, graph_push_definer, s); break;
        case PARAM_SHAPE:
            for (int k = 0; k < p->shape.n; k++) btl_dim_late_symbols(p->shape.v[k], graph_push_definer, s);
            break;
        case PARAM_INDEX:
            for (int k = 0; k < p->index.n; k++) {
                btl_dim_late_symbols(p->index.v[k].start.dim, graph_push_definer, s);
                btl_dim_late_symbols(p->index.v[k].stop.dim, graph_push_definer, s);
                btl_dim_late_symbols(p->index.v[k].step.dim, graph_push_definer, s);
            }
            break;
        default: break;
        }
    }
}

/* What a node needs to have run before it. */
static void graph_push_needs(graph_stack *s, const btl_node *n) {
    for (int i = 0; i < n->nin; i++)
        if (!btl_bits_get(s->seen, n->in[i]->node->id)) graph_push(s, n->in[i]->node->id);
    if (s->g->dims.has_late) graph_push_sizes(s, n);
}

btl_bits btl_graph_reach_until(btl_graph *g, int n, btl_var *const *vars, btl_bits stop) {
    graph_stack s = { .g = g, .scratch = btl_arena_begin(&g->arena), .seen = btl_bits_new(&g->arena, g->nnodes) };
    for (int i = 0; i < n; i++)
        if (vars[i]) graph_push(&s, vars[i]->node->id);
    while (s.n) {
        int id = s.ids[--s.n];
        if (btl_bits_get(s.seen, id)) continue;
        btl_bits_set(s.seen, id);
        if (id >= stop.n || !btl_bits_get(stop, id)) graph_push_needs(&s, g->nodes[id]);
    }
    btl_arena_end(s.scratch);
    return s.seen;
}

static int graph_ascending(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int btl_graph_reach_few(btl_graph *g, int n, btl_var *const *vars, btl_bits seen, int **ids) {
    graph_stack s = { .g = g, .scratch = btl_arena_begin(&g->arena), .seen = seen };
    int count = 0, capacity = 0;
    *ids = NULL;
    for (int i = 0; i < n; i++)
        if (vars[i]) graph_push(&s, vars[i]->node->id);
    while (s.n) {
        int id = s.ids[--s.n];
        if (btl_bits_get(seen, id)) continue;
        btl_bits_set(seen, id);
        *BTL_PUSH(&g->arena, *ids, count, capacity) = id;
        graph_push_needs(&s, g->nodes[id]);
    }
    btl_arena_end(s.scratch);
    for (int i = 0; i < count; i++) seen.words[(*ids)[i] >> 6] = 0;
    if (count) qsort(*ids, (size_t)count, sizeof **ids, graph_ascending);
    return count;
}

btl_bits btl_graph_reach(btl_graph *g, int n, btl_var *const *vars) {
    return btl_graph_reach_until(g, n, vars, (btl_bits){ 0 });
}

int btl_graph_order(btl_graph *g, btl_bits needed, int *order) {
    graph_stack s = { .g = g, .scratch = btl_arena_begin(&g->arena), .seen = btl_bits_new(&g->arena, g->nnodes) };
    int n = 0;
    for (int id = 0; id < needed.n; id++) {
        if (!btl_bits_get(needed, id)) continue;
        graph_push(&s, id);
        while (s.n) { /* a node is left on the stack until all that it needs has run */
            int top = s.ids[s.n - 1], before = s.n;
            if (btl_bits_get(s.seen, top) || !btl_bits_get(needed, top)) {
                s.n--;
                continue;
            }
            graph_push_needs(&s, g->nodes[top]);
            int kept = before; /* only needed ones hold it up */
            for (int i = before; i < s.n; i++)
                if (btl_bits_get(needed, s.ids[i])) s.ids[kept++] = s.ids[i];
            s.n = kept;
            if (s.n > before) continue;
            btl_bits_set(s.seen, top);
            order[n++] = top;
            s.n--;
        }
    }
    btl_arena_end(s.scratch);
    return n;
}
