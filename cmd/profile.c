/* profile.c - bitale profile: what a call takes, measured. As yet of memory (--memory).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "inputs.h"
#include "json.h"
#include "plan_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct profile_options { cmd *c; bool memory; int nodes; int64_t budget; int nwords; char **words; } profile_options;

enum { KEY_MEMORY = 0x300, KEY_NODES, KEY_BUDGET };

static const struct argp_option profile_argp_options[] = {
    { "memory", KEY_MEMORY, NULL, 0, "The memory of a call, measured by what it allocates, and of each node, by what it is shown", 1 },
    { "memory-budget", KEY_BUDGET, "BYTES", 0, "What intermediate values and results may take together as it runs (K, M, G: times 1024): nodes run again instead of keeping what they made; or what the least is, and exit code 5", 1 },
    { "nodes", KEY_NODES, "N", 0, "How many nodes are listed, those with most bytes first; 20 unless said", 1 },
    { 0 },
};

static const char profile_doc[] =
    "Calls a function and tells what that took. What no NAME=VALUE is given for gets random values, and sizes 3, 4, 5, …"
    "\v"
    "With --memory, four figures as in Theano's memory profile, each measured by counting what a call allocates for intermediate values and results, and beside it what the "
    "plan says (sums without alignment; an allocation has up to 192 bytes more): the peak where each value has memory of its own, given back when it dies; the same if "
    "nothing is written over an operand; all of it kept (gc off); what the function takes as it runs. And the least peak over all orders. Then the nodes: bytes of their results, shapes, "
    "strides in elements, i: written over an operand, v: a view (new values of shared variables are shown beside the old ones, "
    "which is how a call runs that is looked at).\n"
    "\n"
    "Examples:\n"
    "  bitale profile model.bitale train --memory n=128\n"
    "  bitale profile model.bitale --memory --json x=images.npy\n"
    "  bitale profile deep.bitale train --memory --memory-budget 100M\n"
    "\n"
    "Exit codes: 0 good; 2 wrong use of the command; 3 bad input; 5 the run failed.";

static error_t profile_parse(int key, char *arg, struct argp_state *state) {
    profile_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case KEY_MEMORY: o->memory = true; return 0;
    case KEY_BUDGET: o->budget = cmd_option_bytes(state, "--memory-budget", arg); return 0;
    case KEY_NODES: o->nodes = (int)cmd_option_integer(state, "--nodes", arg, 0); return 0;
    case ARGP_KEY_ARG: o->words[o->nwords++] = arg; return 0;
    case ARGP_KEY_SUCCESS:
        if (!o->nwords) argp_error(state, "which program? Give a file, or - for standard input");
        if (!o->memory) argp_error(state, "of what? --memory; times are not there yet");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- what is allocated ---------------------------------------------------------------------------- */

typedef struct profile_count { int64_t held, most; } profile_count;

static void *profile_alloc(void *user, void *p, size_t old, size_t bytes) {
    profile_count *c = user;
    c->held += (int64_t)bytes - (int64_t)old;
    if (c->held > c->most) c->most = c->held;
    if (bytes) return realloc(p, bytes);
    free(p);
    return NULL;
}

/* What a call allocates at most above what was there (its second one), and what is kept after the first. */
typedef struct profile_taken { int64_t most, kept, results, scratch; } profile_taken;

static btl_status profile_calls(btl_function *f, btl_state *state, const values *v, const inputs_sizes *s, profile_count *count, profile_taken *out, btl_error *err) {
    btl_call_options with = { .struct_size = sizeof with, .nsizes = s->n, .size_names = s->names, .size_values = s->values };
    int n = btl_function_noutputs(f);
    btl_array *results = cmd_alloc((size_t)(n + 1) * sizeof *results);
    int64_t before = count->held;
    btl_status status = BTL_OK;
    for (int call = 0; call < 2 && status == BTL_OK; call++) {
        int64_t there = count->held;
        count->most = there;
        status = btl_call(f, state, v->in, results, &with, err);
        out->most = count->most - there;
        there = count->held;
        for (int i = 0; i < n; i++) btl_array_free(&results[i]);
        out->results = there - count->held;
        if (call == 0) out->kept = count->held - before;
    }
    out->scratch = (int64_t)btl_function_scratch_bytes(f);
    out->scratch += out->scratch > 0 ? 64 : 0; /* room to align it */
    free(results);
    return status;
}

/* Memory is planned for the sizes of the arguments. */
static btl_function_options profile_within(const cmd *c, int64_t budget, const inputs_sizes *s) {
    btl_function_options o = cmd_function_options(c);
    if (!budget) return o;
    o.memory_budget = budget;
    o.nsizes = s->n, o.size_names = s->names, o.size_values = s->values;
    return o;
}

/* The program once more, in a context that counts. */
static btl_status profile_measure(const cmd *c, const char *function, const char *settings, int64_t budget, const values *v, const inputs_sizes *s, profile_taken *out, btl_error *err) {
    profile_count count = { 0, 0 };
    btl_context_options options = { .struct_size = sizeof options, .alloc = profile_alloc, .alloc_user = &count };
    btl_context *ctx = NULL;
    btl_graph *g = NULL;
    btl_function *f = NULL;
    btl_state *state = NULL;
    char *mode = cmd_format("%s,linker=strips,%s", c->mode ? c->mode : btl_mode_default(), settings);
    btl_function_options o = profile_within(c, budget, s);
    o.mode = mode;
    btl_status status = btl_context_new(&options, &ctx);
    if (status == BTL_OK) status = btl_graph_new(ctx, &g);
    if (status == BTL_OK) status = btl_graph_parse(g, c->text, strlen(c->text), c->file);
    if (status == BTL_OK) status = btl_function_new(g, btl_entry_find(g, function), &o, &f, err);
    if (status == BTL_OK) status = btl_state_new(g, &state, err);
    if (status == BTL_OK) status = profile_calls(f, state, v, s, &count, out, err);
    btl_state_free(state);
    btl_function_free(f);
    btl_graph_free(g);
    btl_context_free(ctx);
    free(mode);
    return status;
}

/* ---- the nodes ------------------------------------------------------------------------------------ */

typedef struct profile_result { int64_t bytes; int rank; int64_t shape[BTL_MAX_RANK], strides[BTL_MAX_RANK]; bool lies; char type[16]; } profile_result; /* lies: in an operand's memory */
typedef struct profile_node { int index, nout; char *op; char place[120]; int64_t bytes; profile_result *out; char *codes; } profile_node;
typedef struct profile_nodes { int n, capacity; profile_node *v; } profile_nodes;

static bool profile_meets(const btl_array *a, const btl_array *b) {
    const char *p = btl_array_data(a), *q = btl_array_data(b);
    btl_dtype x = BTL_F64, y = BTL_F64;
    btl_array_dtype(a, &x), btl_array_dtype(b, &y);
    int64_t first = 0, last = 0; /* of b's elements, whatever its strides */
    for (int k = 0; k < b->ndim; k++) {
        int64_t span = (b->shape[k] - 1) * (b->strides ? b->strides[k] : 0);
        if (b->shape[k] == 0) return false;
        if (span < 0) first += span;
        else last += span;
    }
    if (!b->strides) last = btl_array_elems(b) - 1;
    return btl_array_elems(a) && p >= q + first * (int64_t)btl_dtype_bytes(y) && p <= q + last * (int64_t)btl_dtype_bytes(y);
}

static void profile_see_result(const btl_node_view *n, int k, profile_result *out) {
    const btl_array *a = &n->out[k];
    btl_dtype dtype = BTL_F64;
    int64_t step = 1;
    btl_array_dtype(a, &dtype);
    *out = (profile_result){ .bytes = btl_array_elems(a) * (int64_t)btl_dtype_bytes(dtype), .rank = a->ndim };
    snprintf(out->type, sizeof out->type, "%s", btl_dtype_name(dtype));
    for (int i = a->ndim - 1; i >= 0; i--) {
        out->shape[i] = a->shape[i], out->strides[i] = a->strides ? a->strides[i] : step;
        step *= a->shape[i];
    }
    for (int i = 0; i < n->nin; i++) out->lies = out->lies || profile_meets(a, &n->in[i]);
}

static btl_status profile_see(void *user, const btl_node_view *n) {
    profile_nodes *all = user;
    if (all->n == all->capacity) {
        all->capacity = all->capacity ? 2 * all->capacity : 64;
        all->v = realloc(all->v, (size_t)all->capacity * sizeof *all->v);
        if (!all->v) return BTL_ENOMEM;
    }
    profile_node *x = &all->v[all->n++];
    const char *base = n->file ? strrchr(n->file, '/') : NULL;
    *x = (profile_node){ .index = n->index, .nout = n->nout, .op = cmd_format("%s", n->op), .out = cmd_alloc((size_t)(n->nout + 1) * sizeof *x->out), .codes = cmd_alloc((size_t)n->nout + 1) };
    if (n->file) snprintf(x->place, sizeof x->place, "%.80s:%d", base ? base + 1 : n->file, n->line);
    for (int k = 0; k < n->nout; k++) {
        profile_see_result(n, k, &x->out[k]);
        x->codes[k] = ' ';
        if (!x->out[k].lies) x->bytes += x->out[k].bytes;
    }
    return BTL_OK;
}

/* What lies in an operand's memory is a view or written over it: the plan tells which, and was it so? Its steps are the function's nodes, and copies of results. */
static void profile_mark(profile_nodes *all, const btl_memory_info *m, int ncopies) {
    int node = 0, at = 0;
    for (int i = 0; i < m->nsteps && at < all->n; i++) {
        const btl_memory_step *s = &m->steps[i];
        if (s->nout && s->out[0] >= m->nvalues - ncopies) continue;
        if (all->v[at].index == node++) {
            for (int k = 0; k < s->nout && k < all->v[at].nout; k++) all->v[at].codes[k] = m->values[s->out[k]].view >= 0 ? 'v' : m->values[s->out[k]].into >= 0 ? 'i' : ' ';
            at++;
        }
    }
}

static void profile_nodes_free(profile_nodes *all) {
    for (int i = 0; i < all->n; i++) free(all->v[i].op), free(all->v[i].out), free(all->v[i].codes);
    free(all->v);
}

/* ---- a profile ------------------------------------------------------------------------------------ */

typedef struct profile {
    profile_options o;
    btl_entry *e;
    btl_function *f;          /* the one that is looked at, node by node */
    values v;
    inputs_sizes sizes;
    btl_memory *plan, *within, *pure, *seen; /* of the function as it runs; within the budget, or NULL; with nothing overwritten; with a monitor */
    profile_taken each, each_off, pure_each, arena, arena_off;
    profile_nodes nodes;
    int ncopies;
} profile;

static btl_status profile_planned(const profile *p, const char *settings, int64_t budget, btl_memory **out, btl_error *err) {
    char *mode = cmd_format("%s,linker=strips%s", p->o.c->mode ? p->o.c->mode : btl_mode_default(), settings);
    btl_function_options o = profile_within(p->o.c, budget, &p->sizes);
    o.mode = mode;
    int n = btl_function_nsizes(p->f);
    const char **names = cmd_alloc((size_t)(n + 1) * sizeof *names);
    int64_t *given = cmd_alloc((size_t)(n + 1) * sizeof *given);
    for (int i = 0; i < p->sizes.n && i < n; i++) names[i] = p->sizes.names[i], given[i] = p->sizes.values[i];
    btl_memory_options options = { .struct_size = sizeof options, .function = &o, .nsizes = p->sizes.n < n ? p->sizes.n : n, .size_names = names, .size_values = given, .order = BTL_ORDER_FAST };
    btl_status status = btl_memory_new(p->o.c->g, p->e, &options, out, err);
    free(names), free(given), free(mode);
    return status;
}

/* Every node as it runs, overwriting as it does without a monitor. */
static btl_status profile_watch(profile *p, btl_error *err) {
    btl_monitor monitor = { .struct_size = sizeof monitor, .after = profile_see, .user = &p->nodes };
    btl_call_options with = { .struct_size = sizeof with, .monitor = &monitor, .nsizes = p->sizes.n, .size_names = p->sizes.names, .size_values = p->sizes.values };
    btl_state *state = NULL;
    int n = btl_function_noutputs(p->f);
    btl_array *out = cmd_alloc((size_t)(n + 1) * sizeof *out);
    btl_status status = btl_state_new(p->o.c->g, &state, err);
    if (status == BTL_OK) status = btl_call(p->f, state, p->v.in, out, &with, err);
    for (int i = 0; i < n; i++) btl_array_free(&out[i]);
    free(out);
    btl_state_free(state);
    return status;
}

/* The function that is looked at, in the place of the one before. */
static int profile_compile(profile *p, int64_t budget) {
    cmd *c = p->o.c;
    btl_error err = { 0 };
    btl_function *f = NULL;
    char *mode = cmd_format("%s,linker=strips,checks=monitor,with=inplace", c->mode ? c->mode : btl_mode_default());
    btl_function_options o = profile_within(c, budget, &p->sizes);
    o.mode = mode;
    int code = btl_function_new(c->g, p->e, &o, &f, &err) == BTL_OK ? 0 : cmd_fail_error(c, &err);
    free(mode);
    if (code) return code;
    btl_function_free(p->f);
    p->v.f = p->f = f;
    return 0;
}

static int profile_prepare(profile *p) {
    cmd *c = p->o.c;
    btl_error err = { 0 };
    int code = cmd_open(c, p->o.words[0]);
    bool named = p->o.nwords > 1 && !strchr(p->o.words[1], '=');
    if (!code) p->e = cmd_entry(c, named ? p->o.words[1] : NULL, &code);
    if (code) return code;
    if (c->nplugins) return cmd_usage(c, "--memory measures in a process of its own making, where ops of --plugin are not known");
    code = profile_compile(p, 0);
    int first = named ? 2 : 1;
    if (!code) code = values_read(c, p->f, p->o.nwords - first, p->o.words + first, true, &p->v);
    if (!code) p->sizes = inputs_choose_sizes(&p->v);
    if (!code && inputs_fill(c, 1, 0.1, 0.9, &p->v, &p->sizes, true, &err) != BTL_OK) code = cmd_fail_error(c, &err);
    if (!code && p->o.budget) code = profile_compile(p, p->o.budget); /* at the sizes of the arguments */
    return code;
}

static int profile_run(profile *p) {
    const cmd *c = p->o.c;
    const char *name = btl_entry_name(p->e);
    btl_error err = { 0 };
    btl_status status = profile_watch(p, &err);
    if (status == BTL_OK) status = profile_measure(c, name, "policy=each,gc=on", 0, &p->v, &p->sizes, &p->each, &err);
    if (status == BTL_OK) status = profile_measure(c, name, "policy=each,gc=on,without=inplace", 0, &p->v, &p->sizes, &p->pure_each, &err);
    if (status == BTL_OK) status = profile_measure(c, name, "policy=each,gc=off", 0, &p->v, &p->sizes, &p->each_off, &err);
    if (status == BTL_OK) status = profile_measure(c, name, "policy=arena,gc=on", p->o.budget, &p->v, &p->sizes, &p->arena, &err);
    if (status == BTL_OK) status = profile_measure(c, name, "policy=arena,gc=off", p->o.budget, &p->v, &p->sizes, &p->arena_off, &err);
    if (status == BTL_OK) status = profile_planned(p, "", 0, &p->plan, &err);
    if (status == BTL_OK && p->o.budget) status = profile_planned(p, ",policy=arena,gc=off", p->o.budget, &p->within, &err);
    if (status == BTL_OK) status = profile_planned(p, ",without=inplace", 0, &p->pure, &err);
    if (status == BTL_OK) status = profile_planned(p, ",checks=monitor,with=inplace", p->o.budget, &p->seen, &err);
    if (status != BTL_OK) return cmd_fail_error(c, &err);
    const btl_memory_info *m = btl_memory_look(p->seen);
    for (int i = 0; i < m->nsteps; i++) p->ncopies += m->steps[i].nout && m->values[m->steps[i].out[0]].is_result && strcmp(m->steps[i].op, "copy") == 0;
    profile_mark(&p->nodes, m, p->ncopies);
    return 0;
}

/* ---- what is printed ------------------------------------------------------------------------------ */

typedef struct profile_figure { const char *key, *what; int64_t measured, planned; } profile_figure;
enum { PROFILE_FIGURES = 4 };

static void profile_figures(const profile *p, profile_figure *out) {
    out[0] = (profile_figure){ "peak", "each value by itself, given back when it dies", p->each.most - p->each.scratch, plan_of_policy(btl_memory_look(p->plan), "each")->taken_gc };
    out[1] = (profile_figure){ "peak_nothing_overwritten", "the same, nothing written over an operand", p->pure_each.most - p->pure_each.scratch, plan_of_policy(btl_memory_look(p->pure), "each")->taken_gc };
    out[2] = (profile_figure){ "gc_off", "each value by itself, all of it kept", p->each_off.kept - p->each.kept + p->each_off.results - p->each_off.scratch, plan_of_policy(btl_memory_look(p->plan), "each")->taken };
    out[3] = (profile_figure){ "as_it_runs", p->o.budget ? "as it runs within the budget: block and results" : "as it runs: one block, and the results", p->arena_off.kept - p->arena.kept + p->arena_off.results - p->arena_off.scratch, plan_of_policy(btl_memory_look(p->within ? p->within : p->plan), "arena")->taken };
}

static int profile_largest_first(const void *a, const void *b) {
    const profile_node *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void profile_print_sizes(char *text, size_t bytes, const profile_result *r, const int64_t *sizes) {
    size_t n = 0;
    text[0] = 0;
    for (int k = 0; k < r->rank && n < bytes; k++) n += (size_t)snprintf(text + n, bytes - n, "%s%" PRId64, k ? ", " : "", sizes[k]);
}

static void profile_table(profile *p) {
    const btl_memory_info *m = btl_memory_look(p->plan);
    profile_figure figures[PROFILE_FIGURES];
    int most = p->o.nodes ? p->o.nodes : 20;
    profile_figures(p, figures);
    printf("%s: %d nodes%s%s\n\n%-48s %15s %15s\n", m->function, p->nodes.n, *p->sizes.text ? "; sizes " : "", p->sizes.text, "bytes", "allocated", "planned");
    for (int i = 0; i < PROFILE_FIGURES; i++) printf("%-48s %15" PRId64 " %15" PRId64 "\n", figures[i].what, figures[i].measured, figures[i].planned);
    printf("%-48s %15" PRId64 "\n", "scratch of kernels, one block besides", p->arena.scratch);
    printf("%-48s %15s %15" PRId64 "   %s\n", "least peak over all orders", "", m->min_peak_bytes, m->proven ? "proven" : "the best that was found");
    printf("\n%13s  %-1s %-8s %-18s %-18s %-28s %s\n", "bytes", "", "type", "shape", "strides", "node", "from");
    qsort(p->nodes.v, (size_t)p->nodes.n, sizeof *p->nodes.v, profile_largest_first);
    for (int i = 0; i < p->nodes.n && i < most; i++)
        for (int k = 0; k < p->nodes.v[i].nout; k++) {
            const profile_node *x = &p->nodes.v[i];
            char shape[200], strides[200];
            profile_print_sizes(shape, sizeof shape, &x->out[k], x->out[k].shape), profile_print_sizes(strides, sizeof strides, &x->out[k], x->out[k].strides);
            printf("%13" PRId64 "  %c %-8s [%s]%*s [%s]%*s %-28.60s %s\n", x->out[k].bytes, x->codes[k], x->out[k].type, shape, 16 - (int)strlen(shape) > 0 ? 16 - (int)strlen(shape) : 0, "", strides,
                   16 - (int)strlen(strides) > 0 ? 16 - (int)strlen(strides) : 0, "", k ? "" : x->op, k ? "" : x->place);
        }
    if (p->nodes.n > most) printf("%13s  … %d nodes more (--nodes N lists more)\n", "", p->nodes.n - most);
}

static void profile_json(const profile *p) {
    const btl_memory_info *m = btl_memory_look(p->plan);
    profile_figure figures[PROFILE_FIGURES];
    json j = { 0 };
    profile_figures(p, figures);
    jw_open(&j, NULL, '{');
    jw_text(&j, "file", p->o.c->file);
    jw_text(&j, "function", m->function);
    for (int i = 0; i < PROFILE_FIGURES; i++) {
        jw_open(&j, figures[i].key, '{');
        jw_integer(&j, "allocated_bytes", figures[i].measured);
        jw_integer(&j, "planned_bytes", figures[i].planned);
        jw_close(&j, '}');
    }
    jw_integer(&j, "scratch_bytes", p->arena.scratch);
    jw_integer(&j, "min_peak_bytes", m->min_peak_bytes);
    jw_bool(&j, "proven", m->proven);
    jw_open(&j, "nodes", '[');
    for (int i = 0; i < p->nodes.n; i++) {
        const profile_node *x = &p->nodes.v[i];
        jw_open(&j, NULL, '{');
        jw_text(&j, "op", x->op);
        jw_text(&j, "place", x->place);
        jw_open(&j, "results", '[');
        for (int k = 0; k < x->nout; k++) {
            jw_open(&j, NULL, '{');
            jw_text(&j, "type", x->out[k].type);
            jw_integer(&j, "bytes", x->out[k].bytes);
            jw_bool(&j, "lies_in_operand", x->out[k].lies);
            jw_text(&j, "code", x->codes[k] == 'i' ? "i" : x->codes[k] == 'v' ? "v" : "");
            jw_open(&j, "shape", '[');
            for (int d = 0; d < x->out[k].rank; d++) jw_integer(&j, NULL, x->out[k].shape[d]);
            jw_close(&j, ']');
            jw_open(&j, "strides", '[');
            for (int d = 0; d < x->out[k].rank; d++) jw_integer(&j, NULL, x->out[k].strides[d]);
            jw_close(&j, ']');
            jw_close(&j, '}');
        }
        jw_close(&j, ']');
        jw_close(&j, '}');
    }
    jw_close(&j, ']');
    jw_close(&j, '}');
    jw_end(&j);
}

int verb_profile(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { profile_argp_options, profile_parse, "FILE.bitale [FUNCTION] [NAME=VALUE ...]", profile_doc, children, NULL, NULL };
    cmd c = { .verb = "profile" };
    profile p = { .o = { .c = &c, .words = cmd_alloc((size_t)(argc + 1) * sizeof(char *)) } };
    cmd_parse(&c, &argp, argc, argv, &p.o);
    int code = profile_prepare(&p);
    if (!code) code = profile_run(&p);
    if (!code && c.json) profile_json(&p);
    else if (!code && !c.quiet) profile_table(&p);
    profile_nodes_free(&p.nodes);
    btl_memory_free(p.plan), btl_memory_free(p.within), btl_memory_free(p.pure), btl_memory_free(p.seen);
    inputs_sizes_free(&p.sizes);
    values_free(&p.v);
    btl_function_free(p.f);
    free(p.o.words);
    cmd_close(&c);
    return cmd_finish(&c, code);
}
