/* printer.c - graphs as text, in the notation's normal form: one node a line in the order of
 * construction, each with its full type, operands by name, every setting spelled out. What is
 * printed parses back to the same graph.
 *
 * Variables keep their names; where two carry one name, or a name cannot stand in a program, it is
 * made unique. Nameless ones are %1, %2 … in the order of the text. A size that has no name (`?`)
 * but is needed in a setting is written as the variable that has it: x.shape[0].
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/lexer.h"
#include "expr/op.h"
#include "expr/opaque.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct used_name { const char *name; int next; } used_name; /* name first: a table's key */

typedef struct printer {
    btl_graph *g;
    btl_text t;
    const char ***names;      /* [node id][output], NULL: not yet printed */
    int *named;               /* ids of the nodes that may have names, so that forgetting costs no more than naming */
    int nnamed, named_capacity;
    btl_table global, local;  /* names in use: in the program, in the function */
    const char **size_owner;  /* of a nameless size: "x.shape[0]" */
    bool has_unknown;
    bool in_function;
    btl_bits seen;            /* clear: for btl_graph_reach_few */
    int counter;
    const char *indent;
} printer;

/* ---- names ------------------------------------------------------------------------------- */

static uint64_t printer_hash(const char *s) { return btl_hash_bytes(s, strlen(s), 0); }

static used_name *printer_used(const printer *p, const char *name) {
    uint64_t h = printer_hash(name);
    used_name *u = btl_table_find(&p->global, h, btl_table_name_equal, name);
    return u ? u : btl_table_find(&p->local, h, btl_table_name_equal, name);
}

static void printer_claim(printer *p, const char *name) {
    if (printer_used(p, name)) return;
    used_name *u = BTL_NEW(&p->g->arena, used_name);
    *u = (used_name){ name, 2 };
    btl_table_add(p->in_function ? &p->local : &p->global, &p->g->arena, printer_hash(name), u);
}

static bool printer_is_name(const char *s) {
    if (!s || !((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_')) return false;
    size_t n = 0;
    for (; s[n]; n++)
        if (!((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z') || (s[n] >= '0' && s[n] <= '9') || s[n] == '_')) return false;
    return !(n == 1 && s[0] == '_') && !btl_word_is_reserved(s, n);
}

/* The name if nobody has it yet, otherwise name_2, name_3 …; %k for nameless ones. */
static const char *printer_fresh(printer *p, const char *wish) {
    if (!printer_is_name(wish)) return btl_arena_printf(&p->g->arena, "%%%d", ++p->counter);
    const char *name = wish;
    used_name *u = printer_used(p, wish);
    while (u && printer_used(p, name)) name = btl_arena_printf(&p->g->arena, "%s_%d", wish, u->next++);
    printer_claim(p, name);
    return name;
}

static void printer_set_name(printer *p, const btl_var *v, const char *name) {
    int id = v->node->id;
    if (!p->names[id]) {
        p->names[id] = BTL_ARRAY(&p->g->arena, const char *, v->node->nout > 0 ? v->node->nout : 1);
        *BTL_PUSH(&p->g->arena, p->named, p->nnamed, p->named_capacity) = id;
    }
    p->names[id][v->index] = name;
    for (int i = 0; p->has_unknown && i < v->type.rank; i++) {
        int s = btl_dim_symbol_index(v->type.dims[i]);
        if (s >= 0 && !p->g->dims.symbols[s]->name && !p->size_owner[s])
            p->size_owner[s] = btl_arena_printf(&p->g->arena, "%s.shape[%d]", name, i);
    }
}

static const char *printer_name(const printer *p, const btl_var *v) {
    const char **names = p->names[v->node->id];
    return names && names[v->index] ? names[v->index] : "_"; /* "_": a graph that is not well formed */
}

/* ---- sizes and types --------------------------------------------------------------------- */

static bool printer_dim_is_unknown(const printer *p, const btl_dim *d) {
    if (!p->has_unknown) return false;
    if (d->kind == DIM_SYMBOL) return !p->g->dims.symbols[d->symbol]->name;
    if (d->kind != DIM_POLY) return printer_dim_is_unknown(p, d->a) || printer_dim_is_unknown(p, d->b);
    for (int i = 0; i < d->nterms; i++)
        for (int j = 0; j < d->terms[i].natoms; j++)
            if (printer_dim_is_unknown(p, d->terms[i].atoms[j])) return true;
    return false;
}

static const char *printer_dim_text(printer *p, const btl_dim *d);

static const char *printer_dim_two(printer *p, const btl_dim *d, const char *format, bool ordered) {
    const char *a = printer_dim_text(p, d->a), *b = printer_dim_text(p, d->b);
    bool swap = !ordered && strcmp(a, b) > 0;
    btl_text t;
    btl_text_init(&t, &p->g->arena);
    for (const char *s = format; *s; s++) /* '1' and '2' stand for the operands */
        if (*s == '1') btl_text_add(&t, swap ? b : a);
        else if (*s == '2') btl_text_add(&t, swap ? a : b);
        else btl_text_addn(&t, s, 1);
    return t.data;
}

static void printer_sort(const char **texts, const btl_dim_term **terms, int n) {
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && strcmp(texts[j], texts[j - 1]) < 0; j--) {
            const char *s = texts[j];
            texts[j] = texts[j - 1];
            texts[j - 1] = s;
            if (!terms) continue;
            const btl_dim_term *t = terms[j];
            terms[j] = terms[j - 1];
            terms[j - 1] = t;
        }
}

static const char *printer_dim_atoms(printer *p, const btl_dim_term *term) {
    const char **texts = BTL_ARRAY(&p->g->arena, const char *, term->natoms);
    btl_text t;
    btl_text_init(&t, &p->g->arena);
    for (int i = 0; i < term->natoms; i++) texts[i] = printer_dim_text(p, term->atoms[i]);
    printer_sort(texts, NULL, term->natoms);
    for (int i = 0; i < term->natoms; i++) {
        if (i) btl_text_add(&t, "*");
        btl_text_add(&t, texts[i]);
    }
    return t.data;
}

static const char *printer_dim_sum(printer *p, const btl_dim *d) {
    const char **texts = BTL_ARRAY(&p->g->arena, const char *, d->nterms);
    const btl_dim_term **terms = BTL_ARRAY(&p->g->arena, const btl_dim_term *, d->nterms);
    btl_text t;
    btl_text_init(&t, &p->g->arena);
    for (int i = 0; i < d->nterms; i++) texts[i] = printer_dim_atoms(p, terms[i] = &d->terms[i]);
    printer_sort(texts, terms, d->nterms);
    for (int i = 0; i < d->nterms; i++) {
        int64_t c = terms[i]->coef;
        uint64_t size = c < 0 ? -(uint64_t)c : (uint64_t)c;
        if (i) btl_text_add(&t, c < 0 ? " - " : " + ");
        else if (c < 0) btl_text_add(&t, "-");
        if (size != 1) btl_text_printf(&t, "%llu*", (unsigned long long)size);
        btl_text_add(&t, texts[i]);
    }
    uint64_t rest = d->constant < 0 ? -(uint64_t)d->constant : (uint64_t)d->constant;
    if (rest) btl_text_printf(&t, " %c %llu", d->constant < 0 ? '-' : '+', (unsigned long long)rest);
    return t.data;
}

/* Sums and products are sorted by their text: the order within a graph depends on its history. */
static const char *printer_dim_text(printer *p, const btl_dim *d) {
    int64_t value;
    if (btl_dim_is_const(d, &value)) return btl_arena_printf(&p->g->arena, "%lld", (long long)value);
    switch (d->kind) {
    case DIM_SYMBOL:
        if (p->g->dims.symbols[d->symbol]->name) return p->g->dims.symbols[d->symbol]->name;
        return p->size_owner[d->symbol] ? p->size_owner[d->symbol] : "?";
    case DIM_POLY: return printer_dim_sum(p, d);
    case DIM_MIN: return printer_dim_two(p, d, "min(1, 2)", false);
    case DIM_MAX: return printer_dim_two(p, d, "max(1, 2)", false);
    case DIM_MOD: return printer_dim_two(p, d, "((1)%(2))", true);
    case DIM_FLOORDIV: return printer_dim_two(p, d, "((1)//(2))", true);
    case DIM_SUM: return printer_dim_two(p, d, "((1)+(2))", false);
    default: return printer_dim_two(p, d, "((1)*(2))", false);
    }
}

static void printer_dim(printer *p, const btl_dim *d) {
    int64_t value;
    if (btl_dim_is_const(d, &value)) btl_text_printf(&p->t, "%lld", (long long)value);
    else btl_text_add(&p->t, printer_dim_text(p, d));
}

static void printer_type_dim(printer *p, const btl_dim *d, bool declares) {
    if (!printer_dim_is_unknown(p, d)) {
        printer_dim(p, d);
        return;
    }
    btl_text_add(&p->t, "?");
    int s = btl_dim_symbol_index(d);
    if (!declares || s < 0 || !p->g->dims.symbols[s]->bound) return;
    btl_text_add(&p->t, "<=");
    printer_dim(p, p->g->dims.symbols[s]->bound);
}

/* declares: of an input, where each `?` is a size of its own; elsewhere it stands for any. */
static void printer_type(printer *p, const btl_type *type, bool declares) {
    btl_text_add(&p->t, btl_dtype_name(type->dtype));
    for (int i = 0; i < type->rank; i++) {
        btl_text_add(&p->t, i ? ", " : "[");
        printer_type_dim(p, type->dims[i], declares);
    }
    if (type->rank) btl_text_add(&p->t, "]");
}

/* ---- constants --------------------------------------------------------------------------- */

/* Element i without its type. f32 as short as it goes while a double reads it back exactly. */
static void printer_element(printer *p, const btl_array *a, btl_dtype dtype, int64_t i) {
    char *at = (char *)btl_array_data(a) + (size_t)i * btl_dtype_bytes(dtype);
    btl_array one = btl_array_wrap(dtype, 0, NULL, at);
    double f = 0;
    int64_t n = 0;
    uint64_t u = 0;
    btl_array as_f = btl_array_wrap(BTL_F64, 0, NULL, &f), as_i = btl_array_wrap(BTL_I64, 0, NULL, &n), as_u = btl_array_wrap(BTL_U64, 0, NULL, &u);
    switch (btl_dtype_kind(dtype)) {
    case 'b': btl_text_add(&p->t, *at ? "true" : "false"); break;
    case 'i': btl_array_convert(&as_i, &one); btl_text_printf(&p->t, "%lld", (long long)n); break;
    case 'u': btl_array_convert(&as_u, &one); btl_text_printf(&p->t, "%llu", (unsigned long long)u); break;
    default:
        btl_array_convert(&as_f, &one);
        if (dtype == BTL_F32) btl_text_add_float(&p->t, (float)f);
        else btl_text_add_double(&p->t, f);
    }
}

static bool printer_is_finite(const btl_array *a, btl_dtype dtype) {
    btl_array one = btl_array_wrap(dtype, 0, NULL, btl_array_data(a));
    double f = 0;
    btl_array as_f = btl_array_wrap(BTL_F64, 0, NULL, &f);
    btl_array_convert(&as_f, &one);
    return isfinite(f);
}

/* "1.5f32", "f32(inf)"; a weak one without its type. */
static void printer_scalar(printer *p, const btl_var *v) {
    const btl_array *a = btl_var_constant_array(v);
    btl_dtype dtype = v->type.dtype;
    bool plain = dtype == BTL_BOOL || (v->weak && (dtype == BTL_I64 || dtype == BTL_F64));
    if (plain) {
        printer_element(p, a, dtype, 0);
    } else if (btl_dtype_kind(dtype) == 'f' && !printer_is_finite(a, dtype)) {
        btl_text_printf(&p->t, "%s(", btl_dtype_name(dtype));
        printer_element(p, a, dtype, 0);
        btl_text_add(&p->t, ")");
    } else {
        printer_element(p, a, dtype, 0);
        btl_text_add(&p->t, btl_dtype_name(dtype));
    }
}

static void printer_array(printer *p, const btl_array *a, btl_dtype dtype, int axis, int64_t first) {
    int64_t step = 1;
    for (int i = axis + 1; i < a->ndim; i++) step *= a->shape[i];
    if (axis == a->ndim) {
        printer_element(p, a, dtype, first);
        return;
    }
    btl_text_add(&p->t, "[");
    for (int64_t i = 0; i < a->shape[axis] && step > 0; i++) {
        if (i) btl_text_add(&p->t, ", ");
        printer_array(p, a, dtype, axis + 1, first + i * step);
    }
    btl_text_add(&p->t, "]");
}

static bool printer_is_inline(const btl_var *v) { return btl_var_is_constant(v) && v->type.rank == 0; }

static void printer_operand(printer *p, const btl_var *v) {
    if (printer_is_inline(v)) printer_scalar(p, v);
    else btl_text_add(&p->t, printer_name(p, v));
}

/* ---- settings ---------------------------------------------------------------------------- */

static void printer_axes(printer *p, const btl_param *v) {
    if (v->axes.n < 0) {
        btl_text_add(&p->t, "none");
        return;
    }
    btl_text_add(&p->t, "[");
    for (int i = 0; i < v->axes.n; i++) btl_text_printf(&p->t, i ? ", %d" : "%d", v->axes.v[i]);
    btl_text_add(&p->t, "]");
}

static void printer_shape(printer *p, const btl_param *v) {
    if (v->shape.n < 0) {
        btl_text_add(&p->t, "none");
        return;
    }
    btl_text_add(&p->t, "[");
    for (int i = 0; i < v->shape.n; i++) {
        if (i) btl_text_add(&p->t, ", ");
        printer_dim(p, v->shape.v[i]);
    }
    btl_text_add(&p->t, "]");
}

static void printer_setting(printer *p, btl_param_kind kind, const btl_param *v, const char *body) {
    switch (kind) {
    case PARAM_INT:
        if (v->i == INT64_MIN) btl_text_add(&p->t, "none");
        else btl_text_printf(&p->t, "%lld", (long long)v->i);
        break;
    case PARAM_BOOL: btl_text_add(&p->t, v->i ? "true" : "false"); break;
    case PARAM_FLOAT: btl_text_add_double(&p->t, v->f); break;
    case PARAM_DTYPE: btl_text_add(&p->t, v->i < 0 || v->i >= BTL_NDTYPES ? "none" : btl_dtype_name((btl_dtype)v->i)); break;
    case PARAM_TEXT: btl_text_add_quoted(&p->t, v->s ? v->s : ""); break;
    case PARAM_AXES: printer_axes(p, v); break;
    case PARAM_DIM:
        if (v->dim) printer_dim(p, v->dim);
        else btl_text_add(&p->t, "none");
        break;
    case PARAM_SHAPE: printer_shape(p, v); break;
    case PARAM_ARRAY: {
        btl_dtype dtype = BTL_BOOL;
        btl_array_dtype(v->array, &dtype);
        printer_array(p, v->array, dtype, 0, 0);
        break;
    }
    case PARAM_BODY: btl_text_add(&p->t, body); break;
    case PARAM_INDEX: break;
    }
}

static void printer_bound(printer *p, const btl_node *n, const btl_bound *b) {
    if (b->input >= 0) printer_operand(p, n->in[b->input]);
    else if (b->dim) printer_dim(p, b->dim);
}

static void printer_index(printer *p, const btl_node *n, const btl_param *v) {
    for (int i = 0; i < v->index.n; i++) {
        const btl_index_item *item = &v->index.v[i];
        if (i) btl_text_add(&p->t, ", ");
        if (item->kind == INDEX_NEWAXIS) btl_text_add(&p->t, "newaxis");
        else printer_bound(p, n, &item->start);
        if (item->kind != INDEX_SLICE) continue;
        btl_text_add(&p->t, ":");
        printer_bound(p, n, &item->stop);
        if (!item->step.dim && item->step.input < 0) continue;
        btl_text_add(&p->t, ":");
        printer_bound(p, n, &item->step);
    }
    if (v->index.n == 0) btl_text_add(&p->t, "...");
}

/* ---- nodes ------------------------------------------------------------------------------- */

static void printer_results(printer *p, btl_node *n) {
    for (int i = 0; i < n->nout; i++) {
        const char *name = p->names[n->id] && p->names[n->id][i] ? p->names[n->id][i] : printer_fresh(p, n->out[i].name);
        btl_text_printf(&p->t, i ? ", %s: " : "%s: ", name);
        printer_type(p, &n->out[i].type, false);
        printer_set_name(p, &n->out[i], name);
    }
    btl_text_add(&p->t, " = ");
}

static const btl_param *printer_find_index(const btl_node *n) {
    for (int i = 0; i < n->op->nparams; i++)
        if (n->op->params[i].kind == PARAM_INDEX) return &n->params[i];
    return NULL;
}

/* subtensor(x, 3, 0:n) reads; set_subtensor(x[3, 0:n], y) has a value to write. */
static void printer_indexing(printer *p, const btl_node *n, const btl_param *index) {
    bool writes = strcmp(n->op->name, "set_subtensor") == 0 || strcmp(n->op->name, "inc_subtensor") == 0;
    btl_text_printf(&p->t, "%s(", n->op->name);
    printer_operand(p, n->in[0]);
    btl_text_add(&p->t, writes ? "[" : ", ");
    printer_index(p, n, index);
    if (writes) {
        btl_text_add(&p->t, "], ");
        printer_operand(p, n->in[1]);
    }
    btl_text_add(&p->t, ")");
}

static void printer_call(printer *p, const btl_node *n, const char *body) {
    const btl_param *index = printer_find_index(n);
    if (index) {
        printer_indexing(p, n, index);
        return;
    }
    bool opaque = n->op == &btl_op_opaque, first = !opaque;
    btl_text_printf(&p->t, "%s(", n->op->name);
    if (opaque) btl_text_add_quoted(&p->t, n->params[0].s);
    for (int i = 0; i < n->nin; i++, first = false) {
        if (!first) btl_text_add(&p->t, ", ");
        printer_operand(p, n->in[i]);
    }
    for (int i = 0; i < n->op->nparams && !opaque; i++, first = false) {
        btl_text_printf(&p->t, first ? "%s=" : ", %s=", n->op->params[i].name);
        printer_setting(p, n->op->params[i].kind, &n->params[i], body);
    }
    btl_text_add(&p->t, ")");
}

/* A number that stands in the text has no name to be said. */
static bool printer_says(const btl_node *n, int i, bool is_view) {
    const btl_lies *lies = &n->lies[i];
    return lies->input >= 0 && lies->is_view == is_view && !printer_is_inline(n->in[lies->input]);
}

/* "into _, x": which results lie in the memory of which operands. */
static void printer_clause(printer *p, const btl_node *n, const char *word, bool is_view) {
    int last = -1;
    for (int i = 0; i < n->nout; i++)
        if (printer_says(n, i, is_view)) last = i;
    for (int i = 0; i <= last; i++) {
        bool mine = printer_says(n, i, is_view);
        btl_text_add(&p->t, i ? ", " : word);
        if (mine) printer_operand(p, n->in[n->lies[i].input]);
        else btl_text_add(&p->t, "_");
    }
}

static void printer_lies(printer *p, const btl_node *n) {
    printer_clause(p, n, " into ", false);
    printer_clause(p, n, " view ", true);
    for (int i = 0, some = 0; i < n->nout; i++)
        if (n->lies[i].place) btl_text_printf(&p->t, some++ ? ", @%s" : "  # @%s", n->lies[i].place);
}

static const char *printer_body(printer *p, const btl_body *body);

static void printer_node(printer *p, btl_node *n) {
    const char *body = NULL;
    for (int i = 0; i < n->op->nparams; i++)
        if (n->op->params[i].kind == PARAM_BODY) body = printer_body(p, n->params[i].body);
    btl_text_add(&p->t, p->indent);
    printer_results(p, n);
    printer_call(p, n, body);
    if (n->lies && p->g->scheduled) printer_lies(p, n);
    btl_text_add(&p->t, "\n");
}

/* Those nodes of the set that are no leaves and not yet printed, in the order of construction. */
static void printer_nodes(printer *p, btl_bits reached) {
    for (int i = 0; i < reached.n; i++) {
        if (reached.words[i >> 6] == 0) {
            i |= 63;
            continue;
        }
        btl_node *n = p->g->nodes[i];
        if (btl_bits_get(reached, i) && !btl_var_is_leaf(n->out)) printer_node(p, n);
    }
}

/* In the schedule stage whatever stands in the text is run. */
static void printer_all_nodes(printer *p, const btl_entry *e) {
    for (int i = 0; i < e->nnodes; i++) printer_node(p, e->nodes[i]);
}

/* A nested graph as a fn before the line that uses it; returns the fn's name. */
static const char *printer_body(printer *p, const btl_body *body) {
    const char *name = btl_arena_printf(&p->g->arena, "%%f%d", ++p->counter), *outer = p->indent;
    btl_text_printf(&p->t, "%sfn %s(", p->indent, name);
    for (int i = 0; i < body->nparams; i++) {
        const char *param = printer_fresh(p, body->params[i]->name);
        btl_text_printf(&p->t, i ? ", %s: " : "%s: ", param);
        printer_type(p, &body->params[i]->type, true);
        printer_set_name(p, body->params[i], param);
    }
    btl_text_add(&p->t, "):\n");
    p->indent = btl_arena_printf(&p->g->arena, "%s    ", outer);
    int *ids, nids = btl_graph_reach_few(p->g, body->nresults, body->results, p->seen, &ids);
    for (int i = 0; i < nids; i++) /* a body that another node had, too, gets names anew */
        if (!btl_var_is_leaf(p->g->nodes[ids[i]]->out)) p->names[ids[i]] = NULL;
    for (int i = 0; i < nids; i++)
        if (!btl_var_is_leaf(p->g->nodes[ids[i]]->out)) printer_node(p, p->g->nodes[ids[i]]);
    btl_text_printf(&p->t, "%sreturn ", p->indent);
    for (int i = 0; i < body->nresults; i++) {
        if (i) btl_text_add(&p->t, ", ");
        printer_operand(p, body->results[i]);
    }
    btl_text_add(&p->t, "\n");
    p->indent = outer;
    return name;
}

/* ---- the program: constants, shared variables -------------------------------------------- */

static btl_var **printer_roots(printer *p, int *n) {
    int capacity = 0;
    btl_var **roots = NULL;
    btl_arena *a = &p->g->arena;
    for (int i = 0; i < p->g->nentries; i++) {
        const btl_entry *e = p->g->entries[i];
        for (int j = 0; j < e->ninputs; j++) *BTL_PUSH(a, roots, *n, capacity) = e->inputs[j].value;
        for (int j = 0; j < e->noutputs; j++) *BTL_PUSH(a, roots, *n, capacity) = e->outputs[j].var;
        for (int j = 0; j < e->nupdates; j++) *BTL_PUSH(a, roots, *n, capacity) = e->updates[j].value;
        for (int j = 0; j < e->nasserts; j++) *BTL_PUSH(a, roots, *n, capacity) = e->asserts[j].condition;
    }
    for (int i = 0; i < p->g->nshared; i++) *BTL_PUSH(a, roots, *n, capacity) = p->g->shared[i]->init;
    return roots;
}

/* Nested graphs hold 0-d constants only, which are inline; so the roots reach every array. */
static void printer_constants(printer *p) {
    int n = 0;
    btl_var **roots = printer_roots(p, &n);
    btl_bits reached = btl_graph_reach(p->g, n, roots);
    for (int i = 0; i < reached.n; i++) {
        const btl_var *v = p->g->nodes[i]->out;
        if (!btl_bits_get(reached, i) || !btl_var_is_constant(v) || printer_is_inline(v)) continue;
        const char *name = printer_fresh(p, v->name);
        btl_text_printf(&p->t, "const %s: ", name);
        printer_type(p, &v->type, false);
        btl_text_add(&p->t, " = ");
        printer_array(p, btl_var_constant_array(v), v->type.dtype, 0, 0);
        btl_text_add(&p->t, "\n");
        printer_set_name(p, v, name);
    }
}

/* The lines of nodes that first values and defaults are made of. */
static void printer_initial(printer *p, btl_var *v) {
    if (!v || btl_var_is_leaf(v) || p->names[v->node->id]) return;
    int *ids, nids = btl_graph_reach_few(p->g, 1, &v, p->seen, &ids);
    for (int i = 0; i < nids; i++)
        if (!p->names[ids[i]] && !btl_var_is_leaf(p->g->nodes[ids[i]]->out)) printer_node(p, p->g->nodes[ids[i]]);
}

static void printer_shared(printer *p, const btl_shared_def *s) {
    printer_initial(p, s->init);
    btl_text_printf(&p->t, "shared %s: ", s->name);
    printer_type(p, &s->var->type, false);
    btl_text_add(&p->t, " = ");
    if (s->init) printer_operand(p, s->init);
    else btl_text_add(&p->t, s->var->type.dtype == BTL_BOOL ? "false" : "0");
    btl_text_add(&p->t, "\n");
}

/* ---- functions --------------------------------------------------------------------------- */

static void printer_input(printer *p, const btl_entry_input *in) {
    const char *name = printer_name(p, in->var);
    btl_text_printf(&p->t, "%s: ", name);
    printer_type(p, &in->var->type, true);
    if (in->value) {
        btl_text_add(&p->t, " = ");
        printer_operand(p, in->value);
    }
    if (in->is_mutable) btl_text_add(&p->t, " mutable");
}

static void printer_inputs(printer *p, const btl_entry *e, bool is_block) {
    for (int i = 0; i < e->ninputs; i++) {
        const char *name = e->inputs[i].var->name;
        printer_claim(p, name);
        printer_set_name(p, e->inputs[i].var, name);
    }
    for (int i = 0; i < e->ninputs; i++) {
        btl_text_add(&p->t, !is_block ? "input " : i ? ", " : "");
        printer_input(p, &e->inputs[i]);
        if (!is_block) btl_text_add(&p->t, "\n");
    }
}

/* An output's name is bound by its statement unless the variable has it. */
static void printer_claim_outputs(printer *p, const btl_entry *e) {
    for (int i = 0; i < e->noutputs; i++) {
        btl_var *v = e->outputs[i].var;
        const char *name = e->outputs[i].name;
        if (btl_var_is_leaf(v) || !v->name || strcmp(v->name, name) != 0) {
            if (printer_is_name(name)) printer_claim(p, name);
        } else if (!printer_used(p, name)) {
            printer_set_name(p, v, printer_fresh(p, name));
        }
    }
}

static void printer_output(printer *p, const btl_entry *e, int i) {
    const btl_entry_output *out = &e->outputs[i];
    char place[24];
    bool bare = !printer_is_inline(out->var) && strcmp(printer_name(p, out->var), out->name) == 0;
    snprintf(place, sizeof place, "out%d", i);
    btl_text_add(&p->t, i ? ", " : "");
    bool by_place = strcmp(out->name, place) == 0 && (printer_is_inline(out->var) || printer_name(p, out->var)[0] == '%');
    if (!bare && !by_place) btl_text_printf(&p->t, "%s = ", out->name);
    printer_operand(p, out->var);
}

static void printer_statements(printer *p, const btl_entry *e) {
    for (int i = 0; i < e->nasserts; i++) {
        btl_text_printf(&p->t, "%sassert ", p->indent);
        printer_operand(p, e->asserts[i].condition);
        btl_text_add(&p->t, ", ");
        btl_text_add_quoted(&p->t, e->asserts[i].text);
        btl_text_add(&p->t, "\n");
    }
    for (int i = 0; i < e->nupdates; i++) {
        btl_text_printf(&p->t, "%supdate %s = ", p->indent, printer_name(p, e->updates[i].shared));
        printer_operand(p, e->updates[i].value);
        btl_text_add(&p->t, "\n");
    }
    if (e->noutputs) btl_text_printf(&p->t, "%soutput ", p->indent);
    for (int i = 0; i < e->noutputs; i++) printer_output(p, e, i);
    if (e->noutputs) btl_text_add(&p->t, "\n");
}

/* Forgets the names of what is computed, and of inputs. */
static void printer_forget(printer *p, bool inputs) {
    int kept = 0;
    for (int i = 0; i < p->nnamed; i++) {
        const btl_var *v = p->g->nodes[p->named[i]]->out;
        if (!btl_var_is_leaf(v) || (inputs && btl_var_is_input(v))) p->names[p->named[i]] = NULL;
        else if (p->names[p->named[i]]) p->named[kept++] = p->named[i];
    }
    p->nnamed = kept;
}

/* Nodes that two functions need are printed in both: what is named in one is forgotten in the next. */
static void printer_entry(printer *p, const btl_entry *e, bool is_block) {
    btl_graph *g = p->g;
    int n = 0, most = e->noutputs + e->nupdates + e->nasserts;
    btl_var **roots = BTL_ARRAY(&g->arena, btl_var *, most + 1);
    for (int i = 0; i < e->noutputs; i++) roots[n++] = e->outputs[i].var;
    for (int i = 0; i < e->nupdates; i++) roots[n++] = e->updates[i].value;
    for (int i = 0; i < e->nasserts; i++) roots[n++] = e->asserts[i].condition;
    btl_bits reached = btl_graph_reach(g, n, roots);
    printer_forget(p, true);
    for (int i = 0; p->has_unknown && i < g->dims.nsymbols; i++) p->size_owner[i] = NULL;
    p->local = (btl_table){ 0 };
    p->in_function = true;
    for (int i = 0; i < e->ninputs; i++)
        if (e->inputs[i].value) p->in_function = false, printer_initial(p, e->inputs[i].value), p->in_function = true;
    if (is_block) btl_text_printf(&p->t, "\nfunction %s(", e->name);
    printer_inputs(p, e, is_block);
    if (is_block) btl_text_add(&p->t, "):\n");
    p->indent = is_block ? "    " : "";
    printer_forget(p, false); /* a default's nodes are printed anew where the function uses them */
    printer_claim_outputs(p, e);
    if (g->scheduled) printer_all_nodes(p, e);
    else printer_nodes(p, reached);
    printer_statements(p, e);
    p->indent = "";
    p->in_function = false;
}

typedef struct print_args { btl_graph *g; const char *text; } print_args;

static void printer_init(printer *p, btl_graph *g) {
    *p = (printer){ .g = g, .indent = "" };
    btl_text_init(&p->t, &g->arena);
    p->names = BTL_ARRAY(&g->arena, const char **, g->nnodes + 1);
    p->seen = btl_bits_new(&g->arena, g->nnodes);
    p->size_owner = BTL_ARRAY(&g->arena, const char *, g->dims.nsymbols + 1);
    for (int i = 0; i < g->dims.nsymbols; i++) {
        if (g->dims.symbols[i]->name) printer_claim(p, g->dims.symbols[i]->name);
        else p->has_unknown = true;
    }
}

static btl_status printer_graph(void *arg) {
    print_args *a = arg;
    btl_graph *g = a->g;
    printer p;
    printer_init(&p, g);
    btl_text_add(&p.t, "bitale 1\n");
    if (g->scheduled) btl_text_add(&p.t, "stage schedule\n");
    for (int i = 0; i < g->nshared; i++) {
        printer_claim(&p, g->shared[i]->name);
        printer_set_name(&p, g->shared[i]->var, g->shared[i]->name);
    }
    printer_constants(&p);
    for (int i = 0; i < g->nshared; i++) printer_shared(&p, g->shared[i]);
    for (int i = 0; i < g->nentries; i++) {
        const btl_entry *e = g->entries[i];
        printer_entry(&p, e, e->is_explicit || g->nentries > 1 || strcmp(e->name, "main") != 0);
    }
    a->text = p.t.data;
    return BTL_OK;
}

const char *btl_graph_print(btl_graph *g) {
    print_args a = { g, NULL };
    return btl_graph_protect(g, printer_graph, &a) == BTL_OK ? a.text : NULL;
}
