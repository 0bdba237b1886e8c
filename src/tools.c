/* tools.c - see bitale/tools.h: a thin, read-only look into every folder, for tools. It stands above
 * all folders, as pipeline.c does.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/tools.h"

#include "bitale/linalg.h"
#include "bitale/tensors.h"

#include "base/array.h"
#include "base/os.h"
#include "expr/outline.h"
#include "rewrite/match.h"
#include "target/toolchain.h"
#include "vm/function.h"

#include <stdio.h>
#include <string.h>

/* ---- names and element types ---------------------------------------------------------------- */

static const char *tools_word(void *arg, int i) { return ((const char *const *)arg)[i]; }

const char *btl_nearest(const char *word, int n, const char *const *words) {
    void *list;
    memcpy(&list, &words, sizeof list); /* the callback's argument is not const */
    return btl_nearest_name(word, strlen(word), n, tools_word, list);
}

bool btl_dtype_widens(btl_dtype from, btl_dtype to) { return btl_dtype_can_widen(from, to); }

/* ---- programs ------------------------------------------------------------------------------- */

int btl_graph_nshared(const btl_graph *g) { return g->nshared; }
btl_var *btl_graph_shared_at(const btl_graph *g, int i) { return g->shared[i]->var; }

const char *btl_entry_name(const btl_entry *e) { return e->name; }
int btl_entry_ninputs(const btl_entry *e) { return e->ninputs; }
btl_var *btl_entry_input_at(const btl_entry *e, int i) { return e->inputs[i].var; }
int btl_entry_noutputs(const btl_entry *e) { return e->noutputs; }

btl_var *btl_entry_output_at(const btl_entry *e, int i, const char **name) {
    if (name) *name = e->outputs[i].name;
    return e->outputs[i].var;
}

/* The nodes that a function needs. */
static btl_bits tools_reach(btl_graph *g, const btl_entry *e) {
    int n = 0;
    btl_var **roots = BTL_ARRAY(&g->arena, btl_var *, e->noutputs + e->nupdates + e->nasserts + 1);
    for (int i = 0; i < e->noutputs; i++) roots[n++] = e->outputs[i].var;
    for (int i = 0; i < e->nupdates; i++) roots[n++] = e->updates[i].value;
    for (int i = 0; i < e->nasserts; i++) roots[n++] = e->asserts[i].condition;
    return btl_graph_reach(g, n, roots);
}

typedef struct tools_find_args {
    btl_graph *g;
    const btl_entry *e;
    const char *name;
    btl_var *found;
    const char *nearest;
} tools_find_args;

static btl_var *tools_find_named(const tools_find_args *a) {
    for (int i = 0; i < a->e->noutputs; i++)
        if (strcmp(a->e->outputs[i].name, a->name) == 0) return a->e->outputs[i].var;
    for (int i = 0; i < a->e->ninputs; i++) {
        btl_var *v = a->e->inputs[i].var;
        if (v->name && strcmp(v->name, a->name) == 0) return v;
    }
    btl_shared_def *shared = btl_graph_find_shared(a->g, a->name);
    return shared ? shared->var : NULL;
}

static btl_status tools_find(void *arg) {
    tools_find_args *a = arg;
    a->found = tools_find_named(a);
    if (a->found) return BTL_OK;
    btl_bits reach = tools_reach(a->g, a->e);
    for (int id = 0; id < reach.n; id++)
        for (int o = 0; btl_bits_get(reach, id) && o < a->g->nodes[id]->nout; o++) {
            btl_var *v = &a->g->nodes[id]->out[o];
            if (v->name && strcmp(v->name, a->name) == 0) a->found = v;
        }
    return BTL_OK;
}

btl_var *btl_entry_find_var(btl_graph *g, const btl_entry *e, const char *name) {
    tools_find_args a = { .g = g, .e = e, .name = name };
    return btl_graph_protect(g, tools_find, &a) == BTL_OK ? a.found : NULL;
}

static btl_status tools_find_nearest(void *arg) {
    tools_find_args *a = arg;
    btl_bits reach = tools_reach(a->g, a->e);
    const char **names = NULL;
    int n = 0, capacity = 0;
    for (int i = 0; i < a->e->noutputs; i++) *BTL_PUSH(&a->g->arena, names, n, capacity) = a->e->outputs[i].name;
    for (int i = 0; i < a->e->ninputs; i++) *BTL_PUSH(&a->g->arena, names, n, capacity) = a->e->inputs[i].var->name;
    for (int i = 0; i < a->g->nshared; i++) *BTL_PUSH(&a->g->arena, names, n, capacity) = a->g->shared[i]->name;
    for (int id = 0; id < reach.n; id++)
        for (int o = 0; btl_bits_get(reach, id) && o < a->g->nodes[id]->nout; o++)
            if (a->g->nodes[id]->out[o].name) *BTL_PUSH(&a->g->arena, names, n, capacity) = a->g->nodes[id]->out[o].name;
    a->nearest = btl_nearest(a->name, n, names);
    return BTL_OK;
}

const char *btl_entry_nearest_var(btl_graph *g, const btl_entry *e, const char *name) {
    tools_find_args a = { .g = g, .e = e, .name = name };
    return btl_graph_protect(g, tools_find_nearest, &a) == BTL_OK ? a.nearest : NULL;
}

typedef struct tools_leaves_args { btl_graph *g; btl_var *v; int most, n; btl_var **out; } tools_leaves_args;

static btl_status tools_leaves(void *arg) {
    tools_leaves_args *a = arg;
    btl_bits reach = btl_graph_reach(a->g, 1, &a->v);
    for (int id = 0; id < reach.n; id++) {
        if (!btl_bits_get(reach, id)) continue;
        btl_var *v = a->g->nodes[id]->out;
        if (!btl_var_is_input(v) && !btl_var_is_shared(v)) continue;
        if (a->n < a->most) a->out[a->n] = v;
        a->n++;
    }
    return BTL_OK;
}

int btl_var_leaves(btl_graph *g, btl_var *v, int most, btl_var **out) {
    tools_leaves_args a = { .g = g, .v = v, .most = most, .out = out };
    return btl_graph_protect(g, tools_leaves, &a) == BTL_OK ? a.n : -1;
}

/* ---- where f64 comes from -------------------------------------------------------------------- */

typedef struct tools_f64_args { btl_graph *g; const btl_entry *e; const char *text; int count; } tools_f64_args;

static bool tools_same_place(const btl_node *a, const btl_node *b) {
    const btl_place *p = a->places ? a->places->place : NULL, *q = b->places ? b->places->place : NULL;
    return p == q || (p && q && p->line == q->line && p->column == q->column && strcmp(p->file, q->file) == 0);
}

/* What the person wrote as an operand: promotion put a cast of the same place before it. */
static const btl_var *tools_written_operand(const btl_node *n, int i) {
    const btl_var *v = n->in[i];
    while (v->node->op == &btl_op_cast && tools_same_place(v->node, n)) v = v->node->in[0];
    return v;
}

static bool tools_makes_f64(const btl_node *n) {
    bool makes = false;
    for (int o = 0; o < n->nout; o++) makes |= n->out[o].type.dtype == BTL_F64 && !n->out[o].weak;
    for (int i = 0; makes && i < n->nin; i++) {
        const btl_var *v = tools_written_operand(n, i);
        makes = v->type.dtype != BTL_F64 || v->weak;
    }
    return makes && n->nin > 0;
}

static void tools_f64_warn(tools_f64_args *a, btl_text *t, const btl_node *n) {
    const btl_place *p = n->places ? n->places->place : NULL;
    if (p && p->column) btl_text_printf(t, "%s:%d:%d: ", p->file, p->line, p->column);
    else if (p) btl_text_printf(t, "%s:%d: ", p->file, p->line);
    btl_text_printf(t, "warning: %s makes ", n->op->name);
    btl_type_print(t, a->g, &n->out->type);
    if (n->out->name) btl_text_printf(t, " (%s)", n->out->name);
    for (int i = 0; i < n->nin; i++) {
        const btl_var *v = tools_written_operand(n, i);
        btl_text_printf(t, "%s%s", i ? ", " : ": ", v->weak ? "a literal" : btl_var_text(a->g, v));
    }
    btl_text_add(t, "\n");
    if (p && p->source && p->column) {
        btl_text_printf(t, "%5d | %s\n      | ", p->line, p->source);
        for (int i = 0; i < p->column - 1 && p->source[i]; i++) btl_text_add(t, p->source[i] == '\t' ? "\t" : " ");
        btl_text_add(t, "^\n");
    }
    a->count++;
}

static btl_status tools_f64(void *arg) {
    tools_f64_args *a = arg;
    btl_bits reach = tools_reach(a->g, a->e), absorbed = btl_bits_new(&a->g->arena, a->g->nnodes);
    btl_text t;
    btl_text_init(&t, &a->g->arena);
    btl_text_add(&t, "");
    for (int id = 0; id < reach.n; id++) { /* a cast made by promotion is told with the op it is for */
        const btl_node *n = a->g->nodes[id];
        for (int i = 0; btl_bits_get(reach, id) && i < n->nin; i++)
            if (n->in[i]->node->op == &btl_op_cast && tools_same_place(n->in[i]->node, n)) btl_bits_set(absorbed, n->in[i]->node->id);
    }
    for (int id = 0; id < reach.n; id++) {
        const btl_node *n = a->g->nodes[id];
        if (btl_bits_get(reach, id) && !btl_bits_get(absorbed, id) && !(n->op->flags & OP_LEAF) && tools_makes_f64(n)) tools_f64_warn(a, &t, n);
    }
    a->text = t.data;
    return BTL_OK;
}

const char *btl_entry_f64_warnings(btl_graph *g, const btl_entry *e, int *count) {
    tools_f64_args a = { .g = g, .e = e };
    btl_status status = btl_graph_protect(g, tools_f64, &a);
    if (count) *count = a.count;
    return status == BTL_OK ? a.text : NULL;
}

typedef struct tools_computed_args { btl_graph *g; const btl_entry *e; int most, n; btl_var **out; } tools_computed_args;

static btl_status tools_computed(void *arg) {
    tools_computed_args *a = arg;
    const btl_entry *e = a->e;
    btl_arena *s = &a->g->arena;
    btl_var **roots = BTL_ARRAY(s, btl_var *, e->noutputs + e->nupdates + e->nasserts + 1);
    int n = 0;
    for (int i = 0; i < e->noutputs; i++) roots[n++] = e->outputs[i].var;
    for (int i = 0; i < e->nupdates; i++) roots[n++] = e->updates[i].value;
    for (int i = 0; i < e->nasserts; i++) roots[n++] = e->asserts[i].condition;
    int *order = BTL_ARRAY(s, int, a->g->nnodes + 1), count = btl_graph_order(a->g, btl_graph_reach(a->g, n, roots), order);
    for (int i = 0; i < count; i++) {
        btl_node *node = a->g->nodes[order[i]];
        for (int o = 0; !(node->op->flags & OP_LEAF) && o < node->nout; o++) {
            if (a->n < a->most) a->out[a->n] = &node->out[o];
            a->n++;
        }
    }
    return BTL_OK;
}

int btl_entry_computed(btl_graph *g, const btl_entry *e, int most, btl_var **out) {
    tools_computed_args a = { g, e, most, 0, out };
    return btl_arena_protect(&g->arena, tools_computed, &a) == BTL_OK ? a.n : -1;
}

typedef struct tools_expression_args { btl_graph *g; const btl_var *v; const char *text; } tools_expression_args;

static btl_status tools_expression(void *arg) {
    tools_expression_args *a = arg;
    a->text = btl_var_outline(a->g, a->v, false);
    return BTL_OK;
}

const char *btl_var_expression(btl_graph *g, const btl_var *v) {
    tools_expression_args a = { g, v, NULL };
    return btl_arena_protect(&g->arena, tools_expression, &a) == BTL_OK ? a.text : NULL;
}

bool btl_var_place_at(const btl_var *v, int i, btl_source_place *out) {
    const btl_places *p = v->node->places;
    while (p && i-- > 0) p = p->more;
    if (!p) return false;
    *out = (btl_source_place){ p->place->file, p->place->line, p->place->column, p->place->source };
    return true;
}

/* ---- compiled functions ---------------------------------------------------------------------- */

static const btl_symbol *tools_symbol(const btl_function *f, int wanted) {
    int n = 0;
    for (int k = 0; k < f->graph->dims.nsymbols; k++) {
        const btl_symbol *s = f->graph->dims.symbols[k];
        if (s->name && !s->late && n++ == wanted) return s;
    }
    return NULL;
}

int btl_function_nsizes(const btl_function *f) {
    int n = 0;
    while (tools_symbol(f, n)) n++;
    return n;
}

const char *btl_function_size_name(const btl_function *f, int i) {
    const btl_symbol *s = tools_symbol(f, i);
    return s ? s->name : NULL;
}

typedef struct tools_shape_args {
    const btl_function *f;
    int input, nsizes;
    const char *const *names;
    const int64_t *values;
    int64_t unknown, *shape;
    btl_error *err;
} tools_shape_args;

static int64_t tools_symbol_value(const tools_shape_args *a, const btl_symbol *s) {
    if (!s->name) return a->unknown;
    for (int i = 0; i < a->nsizes; i++)
        if (strcmp(a->names[i], s->name) == 0) return a->values[i];
    return -1;
}

static btl_status tools_shape_axis(const tools_shape_args *a, int axis, const int64_t *symbols, int64_t *elems) {
    const btl_graph *g = a->f->graph;
    const vm_input *input = &a->f->inputs[a->input];
    const btl_dim *d = a->f->slots[input->slot].var->type.dims[axis];
    for (int s = 0; s < g->dims.nsymbols; s++)
        if (symbols[s] < 0 && btl_dim_uses(d, s))
            return btl_error_set(a->err, BTL_ESHAPE, "argument %s (%s): the value of size %s is not known", input->name, input->type, g->dims.symbols[s]->name);
    int64_t value;
    if (!btl_dim_eval(d, symbols, &value) || value < 0 || (value && !btl_mul_i64(*elems, value, elems)))
        return btl_error_set(a->err, BTL_ESHAPE, "argument %s (%s): axis %d would have a size that cannot be", input->name, input->type, axis);
    a->shape[axis] = value;
    return BTL_OK;
}

btl_status btl_function_input_shape(const btl_function *f, int i, int nsizes, const char *const *names, const int64_t *values,
                                    int64_t unknown, int64_t *shape, btl_error *err) {
    tools_shape_args a = { f, i, nsizes, names, values, unknown, shape, err };
    int n = f->graph->dims.nsymbols;
    size_t bytes = (size_t)(n + 1) * sizeof(int64_t);
    int64_t elems = 1, *symbols = btl_alloc(f->ctx, bytes);
    if (!symbols) return btl_error_set(err, BTL_ENOMEM, "no memory for the sizes of a function");
    for (int s = 0; s < n; s++) symbols[s] = tools_symbol_value(&a, f->graph->dims.symbols[s]);
    btl_status status = BTL_OK;
    for (int k = 0; k < f->slots[f->inputs[i].slot].var->type.rank && status == BTL_OK; k++) status = tools_shape_axis(&a, k, symbols, &elems);
    btl_free(f->ctx, symbols, bytes);
    return status;
}

int btl_function_nupdates(const btl_function *f) { return f->nupdates; }
const char *btl_function_update_name(const btl_function *f, int i) { return f->shared[f->updates[i].shared].name; }

/* ---- ops -------------------------------------------------------------------------------------- */

static const btl_op *tools_op(btl_context *ctx, int wanted) {
    int n = 0;
    for (int i = 0; btl_ops[i]; i++)
        if (!(btl_ops[i]->flags & (OP_HIDDEN | OP_LEAF)) && n++ == wanted) return btl_ops[i];
    return btl_op_own(ctx, wanted - n);
}

static const char *tools_op_gradient(const btl_op *op) {
    return op->vjp ? "yes" : op->body || (op->flags & OP_MACRO) ? "by parts" : "no";
}

static const char *tools_op_runs(const btl_op *op) {
    return op->elem || op->reduction ? "strips" : op->view ? "view" : op->kernel ? "native" : op->body || (op->flags & OP_MACRO) ? "parts" : "reference";
}

static void tools_op_dtypes(const btl_op *op, char *text, size_t bytes) {
    const btl_elem *e = op->elem ? op->elem : op->reduction ? op->reduction->combine->elem : NULL;
    text[0] = 0;
    if (!e) return;
    bool real = op->promote == PROMOTE_REAL || op->promote == PROMOTE_DIVIDE;
    bool all = e->code_float && ((e->code_signed && e->code_unsigned && e->code_bool) || real);
    if (all) snprintf(text, bytes, real ? "float (others become f64)" : "all");
    else snprintf(text, bytes, "%s%s%s", e->code_float ? "float " : "", e->code_signed || e->code_unsigned ? "int " : "", e->code_bool ? "bool " : "");
    size_t n = strlen(text);
    if (n && text[n - 1] == ' ') text[n - 1] = 0;
}

bool btl_op_at(btl_context *ctx, int i, btl_op_info *out) {
    const btl_op *op = tools_op(ctx, i);
    if (!op) return false;
    *out = (btl_op_info){ .name = op->name, .doc = op->doc, .signature = op->signature, .gradient = tools_op_gradient(op),
                          .runs = tools_op_runs(op), .max_ulp = op->elem ? op->elem->max_ulp : -1,
                          .can_fail = (op->flags & OP_CAN_FAIL) != 0, .nsettings = op->nparams, .origin = btl_op_origin(op),
                          .has_c = op->emit || op->elem || op->reduction || op->body || (op->flags & OP_MACRO) };
    tools_op_dtypes(op, out->dtypes, sizeof out->dtypes);
    return true;
}

static const char *tools_setting_kind(btl_param_kind kind) {
    static const char *const words[] = { [PARAM_INT] = "integer", [PARAM_BOOL] = "bool", [PARAM_FLOAT] = "float", [PARAM_DTYPE] = "dtype",
                                         [PARAM_TEXT] = "text", [PARAM_AXES] = "axes", [PARAM_DIM] = "size", [PARAM_SHAPE] = "sizes",
                                         [PARAM_INDEX] = "index", [PARAM_ARRAY] = "array", [PARAM_BODY] = "fn" };
    return (size_t)kind < sizeof words / sizeof *words ? words[kind] : "?";
}

bool btl_op_setting_at(btl_context *ctx, int i, int k, btl_op_setting *out) {
    const btl_op *op = tools_op(ctx, i);
    if (!op || k < 0 || k >= op->nparams) return false;
    const btl_param_spec *p = &op->params[k];
    *out = (btl_op_setting){ p->name, tools_setting_kind(p->kind), p->doc, p->fallback };
    return true;
}

/* ---- rules ------------------------------------------------------------------------------------ */

static void tools_words(char *text, size_t bytes, unsigned mask, int n, const char *const *words) {
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < n; i++)
        if (mask & 1u << i && at < bytes) at += (size_t)snprintf(text + at, bytes - at, "%s%s", at ? ", " : "", words[i]);
}

static const btl_rule *tools_rule_at(btl_context *ctx, int i, const char **origin) {
    const btl_own_rule *own = btl_rule_own(ctx, i);
    *origin = own ? own->origin : NULL;
    if (own) return &own->rule;
    int nown = 0;
    while (btl_rule_own(ctx, nown)) nown++;
    return i < nown ? NULL : btl_rule_at(i - nown);
}

bool btl_rule_info_at(btl_context *ctx, int i, btl_rule_info *out) {
    static const char *const phases[] = { "canonicalize", "stabilize", "specialize", "lower" };
    static const char *const needs[] = { "finite", "no_signed_zero", "no_overflow" };
    const char *origin;
    const btl_rule *r = i < 0 ? NULL : tools_rule_at(ctx, i, &origin);
    if (!r) return false;
    *out = (btl_rule_info){ .name = r->name, .match = r->match, .result = r->result, .ops = r->match || r->pass ? NULL : r->ops, .when = btl_rule_when_text(r),
                            .why = r->why, .source = r->source, .tags = r->tags, .opt_in = r->opt_in, .example = r->example, .origin = origin };
    tools_words(out->phases, sizeof out->phases, r->phase, 4, phases);
    tools_words(out->needs, sizeof out->needs, r->needs, 3, needs);
    switch (r->exactness) {
    case BTL_EXACT: snprintf(out->exactness, sizeof out->exactness, "exact"); break;
    case BTL_WITHIN_ULP: snprintf(out->exactness, sizeof out->exactness, "ulp %g", r->ulp); break;
    case BTL_REASSOCIATES: snprintf(out->exactness, sizeof out->exactness, "reassociates"); break;
    }
    return true;
}

/* ---- features --------------------------------------------------------------------------------- */

static void tools_feature_isa(btl_context *ctx, btl_feature *out) {
    (void)ctx;
    out->available = true;
    snprintf(out->value, sizeof out->value, "%s", btl_strips_isa());
    out->meaning = "the table of vector kernels in use: base is what every processor of the kind has, v3 is AVX2 with FMA, "
                   "v4 is AVX-512; all give the same bits";
}

static void tools_feature_blas(btl_context *ctx, btl_feature *out) {
    const char *text = btl_blas_describe(ctx);
    out->available = strncmp(text, "none", 4) != 0;
    snprintf(out->value, sizeof out->value, "%s", text);
    out->meaning = out->available ? "products of matrices are computed by this library, loaded for Bitale alone"
                                  : "products of matrices run on loops of our own, at half the speed of a CBLAS made for this processor: install one "
                                    "(Debian: libopenblas0-serial), or name one by BITALE_BLAS";
}

static void tools_feature_lapack(btl_context *ctx, btl_feature *out) {
    const char *text = btl_lapack_describe(ctx);
    out->available = strncmp(text, "none", 4) != 0;
    snprintf(out->value, sizeof out->value, "%s", text);
    out->meaning = out->available ? "cholesky is computed by this library" : "cholesky runs on loops of our own; an OpenBLAS (Debian: libopenblas0-serial) holds a LAPACK";
}

static void tools_feature_library(btl_feature *out, bool built, const char *const *names) {
    char why[200] = "not found";
    if (!built) {
        snprintf(out->value, sizeof out->value, "left out when Bitale was built: its header was missing");
        return;
    }
    for (; *names && !out->available; names++) {
        void *library = btl_os_open_library(*names, why, sizeof why);
        out->available = library != NULL;
        if (library) {
            snprintf(out->value, sizeof out->value, "%s", *names);
            btl_os_close_library(library);
        }
    }
    if (!out->available) snprintf(out->value, sizeof out->value, "%s", why);
}

static void tools_feature_zip(btl_context *ctx, btl_feature *out) {
    static const char *const names[] = { "libzip.so.5", "libzip.so.4", NULL };
    (void)ctx;
#ifdef BTL_HAVE_ZIP
    tools_feature_library(out, true, names);
#else
    tools_feature_library(out, false, names);
#endif
    out->meaning = out->available ? ".npz files can be read" : "no .npz files: install libzip (Debian: libzip4), or save arrays as .npy";
}

static void tools_feature_zlib(btl_context *ctx, btl_feature *out) {
    static const char *const names[] = { "libz.so.1", NULL };
    (void)ctx;
#ifdef BTL_HAVE_ZLIB
    tools_feature_library(out, true, names);
#else
    tools_feature_library(out, false, names);
#endif
    out->meaning = out->available ? ".idx.gz files can be read" : "no .gz files: install zlib (Debian: zlib1g), or unpack them";
}

static void tools_feature_compiled(btl_context *ctx, btl_feature *out) {
    (void)ctx;
    out->available = true;
#if defined __clang__
    snprintf(out->value, sizeof out->value, "%s", __VERSION__);
#elif defined __GNUC__
    snprintf(out->value, sizeof out->value, "gcc %s", __VERSION__);
#else
    snprintf(out->value, sizeof out->value, "an unknown compiler");
#endif
    out->meaning = "what Bitale and its vector kernels were compiled by";
}

typedef struct tools_compiler_args { btl_arena arena; btl_feature *out; } tools_compiler_args;

static btl_status tools_find_compiler(void *arg) {
    tools_compiler_args *args = arg;
    btl_compiler compiler;
    btl_error err = { 0 };
    btl_cache *cache = btl_cache_open(&args->arena, NULL, false);
    cache->frozen = true;
    args->out->available = btl_compiler_find(&args->arena, cache, NULL, &compiler, &err) == BTL_OK;
    if (args->out->available) snprintf(args->out->value, sizeof args->out->value, "%.600s: %.600s", compiler.command[0], compiler.version);
    else snprintf(args->out->value, sizeof args->out->value, "%.1200s", err.message);
    return BTL_OK;
}

static void tools_feature_compiler(btl_context *ctx, btl_feature *out) {
    tools_compiler_args args = { .out = out };
    btl_arena_init(&args.arena, ctx);
    if (btl_arena_protect(&args.arena, tools_find_compiler, &args) != BTL_OK) snprintf(out->value, sizeof out->value, "there is no memory to look for one");
    btl_arena_deinit(&args.arena);
    out->meaning = out->available ? "functions are compiled by it" : "functions run on vector kernels made when Bitale was built, or on code that the cache has; "
                                                                     "for the fastest install a compiler (Debian: gcc, libc6-dev), or name one by BITALE_CC";
}

static void tools_feature_cache(btl_context *ctx, btl_feature *out) {
    btl_cache_info info;
    btl_error err = { 0 };
    bool known = btl_cache_look(ctx, NULL, &info, &err) == BTL_OK;
    const char *limits = known && !info.problem[0] ? btl_os_folder_limits(info.folder) : NULL;
    out->available = known && (!info.problem[0] || info.missing);
    if (!known) snprintf(out->value, sizeof out->value, "%.1200s", err.message);
    else if (info.missing) snprintf(out->value, sizeof out->value, "%.1000s (not there yet: it is made when it is needed)", info.folder);
    else if (info.problem[0]) snprintf(out->value, sizeof out->value, "%.1200s", info.problem);
    else snprintf(out->value, sizeof out->value, "%.1000s (%lld entr%s, %.1f of %.0f MiB%s%s)", info.folder, (long long)info.nentries, info.nentries == 1 ? "y" : "ies",
                  (double)info.bytes / 1048576, (double)info.limit_bytes / 1048576, limits ? "; " : "", limits ? limits : "");
    out->meaning = out->available && !limits ? "compiled code is kept there and found again: bitale cache list"
                                             : "code that cannot be kept there is compiled again in every process, that cannot be run from there is loaded from memory "
                                               "or from TMPDIR; BITALE_CACHE_DIR names another folder";
}

static const struct { const char *name; void (*look)(btl_context *, btl_feature *); } tools_features[] = {
    { "built by", tools_feature_compiled }, { "kernels", tools_feature_isa }, { "blas", tools_feature_blas }, { "lapack", tools_feature_lapack },
    { "libzip", tools_feature_zip },        { "zlib", tools_feature_zlib },   { "compiler", tools_feature_compiler },
    { "cache", tools_feature_cache },
};

bool btl_feature_at(btl_context *ctx, int i, btl_feature *out) {
    if (i < 0 || i >= (int)(sizeof tools_features / sizeof *tools_features)) return false;
    *out = (btl_feature){ .name = tools_features[i].name };
    tools_features[i].look(ctx, out);
    return true;
}
