/* eval.c - the reference: every op in its slow, obvious form, elementwise functions and reductions in
 * long double. The oracle of the tests and of debug mode, constant folding, first values.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/operand.h"

#include <math.h>
#include <string.h>

/* ---- one elementwise op ------------------------------------------------------------------ */

enum { LARGEST_ARITY = 4 };

/* Strides of an operand as seen from the (right-aligned, wider) result: 0 where it is stretched. */
static void eval_broadcast_strides(const btl_operand *x, const btl_operand *out, int64_t *strides) {
    for (int i = 0; i < out->rank; i++) {
        int k = i - (out->rank - x->rank);
        strides[i] = k < 0 || (x->dims[k] == 1 && out->dims[i] != 1) ? 0 : x->strides[k];
    }
}

static void eval_element(const btl_exec *x, const btl_walk *w) {
    const btl_elem *e = x->node->op->elem;
    const btl_operand *out = &x->out[0];
    char kind = btl_dtype_kind(x->in[x->nin - 1].dtype);
    if (kind == 'f') {
        long double v[LARGEST_ARITY];
        for (int k = 0; k < x->nin; k++) v[k] = btl_operand_real(&x->in[k], w->at[k + 1]);
        btl_operand_set_real(out, w->at[0], e->real(v));
    } else if (kind == 'i' || !e->on_unsigned) {
        int64_t v[LARGEST_ARITY];
        for (int k = 0; k < x->nin; k++) v[k] = btl_operand_signed(&x->in[k], w->at[k + 1]);
        btl_operand_set_signed(out, w->at[0], e->on_signed(v));
    } else {
        uint64_t v[LARGEST_ARITY];
        for (int k = 0; k < x->nin; k++) v[k] = (uint64_t)btl_operand_signed(&x->in[k], w->at[k + 1]);
        btl_operand_set_signed(out, w->at[0], (int64_t)e->on_unsigned(v));
    }
}

static btl_status eval_elementwise(btl_exec *x) {
    int64_t strides[LARGEST_ARITY][BTL_MAX_RANK];
    const int64_t *all[LARGEST_ARITY + 1] = { x->out[0].strides };
    for (int k = 0; k < x->nin; k++) {
        eval_broadcast_strides(&x->in[k], &x->out[0], strides[k]);
        all[k + 1] = strides[k];
    }
    btl_walk w;
    for (btl_walk_begin(&w, x->out[0].rank, x->out[0].dims, x->nin + 1, all); w.more; btl_walk_next(&w)) eval_element(x, &w);
    return BTL_OK;
}

/* ---- one reduction ----------------------------------------------------------------------- */

static uint32_t eval_axes_mask(const btl_param *axes, int rank) {
    uint32_t mask = 0;
    if (!axes || axes->axes.n < 0) return rank ? (uint32_t)(((uint64_t)1 << rank) - 1) : 0;
    for (int i = 0; i < axes->axes.n; i++) mask |= 1u << (axes->axes.v[i] < 0 ? axes->axes.v[i] + rank : axes->axes.v[i]);
    return mask;
}

typedef struct eval_axes { int nkept, nreduced; int64_t kept_dims[BTL_MAX_RANK], kept[BTL_MAX_RANK], reduced_dims[BTL_MAX_RANK], reduced[BTL_MAX_RANK]; } eval_axes;

static eval_axes eval_split_axes(const btl_operand *in, uint32_t mask) {
    eval_axes s = { 0 };
    for (int i = 0; i < in->rank; i++) {
        if (mask >> i & 1) s.reduced_dims[s.nreduced] = in->dims[i], s.reduced[s.nreduced++] = in->strides[i];
        else s.kept_dims[s.nkept] = in->dims[i], s.kept[s.nkept++] = in->strides[i];
    }
    return s;
}

static void eval_reduce_one(btl_exec *x, const eval_axes *s, int64_t from, int64_t to) {
    const btl_elem *e = x->node->op->reduction->combine->elem;
    const btl_operand *in = &x->in[0];
    char kind = btl_dtype_kind(in->dtype);
    long double real[2] = { 0 };
    int64_t integer[2] = { 0 };
    bool first = true;
    const int64_t *strides[1] = { s->reduced };
    btl_walk w;
    for (btl_walk_begin(&w, s->nreduced, s->reduced_dims, 1, strides); w.more; btl_walk_next(&w), first = false) {
        if (kind == 'f') {
            real[1] = btl_operand_real(in, from + w.at[0]);
            real[0] = first ? real[1] : e->real(real);
        } else {
            integer[1] = btl_operand_signed(in, from + w.at[0]);
            if (first) integer[0] = integer[1];
            else if (kind == 'i' || !e->on_unsigned) integer[0] = e->on_signed(integer);
            else integer[0] = (int64_t)e->on_unsigned((const uint64_t *)integer);
            if (kind == 'b') integer[0] = integer[0] != 0;
        }
    }
    if (first) real[0] = (long double)x->node->op->reduction->empty_float, integer[0] = (int64_t)real[0];
    if (kind == 'f') btl_operand_set_real(&x->out[0], to, real[0]);
    else btl_operand_set_signed(&x->out[0], to, integer[0]);
}

static btl_status eval_reduction(btl_exec *x) {
    const btl_param *axis = btl_param_of(x->node->op, x->params, "axis");
    eval_axes s = eval_split_axes(&x->in[0], eval_axes_mask(axis, x->in[0].rank));
    bool empty = false;
    for (int i = 0; i < s.nreduced; i++) empty |= s.reduced_dims[i] == 0;
    int64_t n = btl_operand_elems(&x->out[0]), to = 0;
    if (empty && n && x->node->op->reduction->empty_is_error)
        return btl_error_set(x->err, BTL_EVALUE, "%s of an empty array: there is no such element", x->node->op->name);
    const int64_t *strides[1] = { s.kept };
    btl_walk w;
    for (btl_walk_begin(&w, s.nkept, s.kept_dims, 1, strides); w.more; btl_walk_next(&w)) eval_reduce_one(x, &s, w.at[0], to++);
    return BTL_OK;
}

/* ---- views and composite ops ------------------------------------------------------------- */

static btl_status eval_view(btl_exec *x) {
    int64_t strides[BTL_MAX_RANK] = { 0 };
    btl_operand view = x->out[0], *out = x->out;
    view.strides = strides;
    btl_exec as_view = *x;
    as_view.out = &view;
    BTL_TRY(x->node->op->view(&as_view));
    btl_operand_copy(out, &view);
    return BTL_OK;
}

typedef struct eval_body_args { btl_exec *x; btl_graph *g; btl_var **in; btl_var *result; } eval_body_args;

static btl_status eval_build_body(void *arg) {
    eval_body_args *a = arg;
    a->in = BTL_ARRAY(&a->g->arena, btl_var *, a->x->nin);
    for (int i = 0; i < a->x->nin; i++) {
        const btl_operand *o = &a->x->in[i];
        const btl_dim **dims = BTL_ARRAY(&a->g->arena, const btl_dim *, o->rank);
        for (int k = 0; k < o->rank; k++) dims[k] = btl_dim_const(a->g, o->dims[k]);
        btl_type type = { o->dtype, o->rank, dims };
        a->in[i] = btl_graph_input(a->g, NULL, &type);
    }
    a->result = a->x->node->op->body(a->g, a->x->node, a->in);
    return a->result ? BTL_OK : a->g->status;
}

static btl_status eval_body(btl_exec *x) {
    btl_graph *g;
    BTL_TRY(btl_graph_new(x->ctx, &g));
    eval_body_args a = { .x = x, .g = g };
    btl_status status = btl_graph_protect(g, eval_build_body, &a);
    btl_array given[LARGEST_ARITY], result = { 0 };
    if (status == BTL_OK && x->nin > LARGEST_ARITY) status = BTL_EINTERNAL;
    for (int i = 0; status == BTL_OK && i < x->nin; i++) {
        given[i] = btl_array_wrap(x->in[i].dtype, x->in[i].rank, (int64_t *)x->in[i].dims, x->in[i].data);
        given[i].strides = x->in[i].strides;
    }
    if (status == BTL_OK) status = btl_graph_eval(g, x->nin, a.in, given, NULL, 1, &a.result, &result, x->err);
    else btl_error_set(x->err, status, "%s: its body cannot be built: %s", x->node->op->name, g->error.message);
    if (status == BTL_OK) memcpy(x->out[0].data, btl_array_data(&result), (size_t)btl_array_elems(&result) * btl_dtype_bytes(x->out[0].dtype));
    btl_array_free(&result);
    btl_graph_free(g);
    return status;
}

btl_status btl_exec_eval(btl_exec *x) {
    const btl_op *op = x->node->op;
    if (op->eval) return op->eval(x);
    if (op->elem) return eval_elementwise(x);
    if (op->reduction) return eval_reduction(x);
    if (op->view) return eval_view(x);
    if (op->body) return eval_body(x);
    return btl_error_set(x->err, BTL_EINTERNAL, "op %s has no way to be computed", op->name);
}

btl_status btl_exec_run(btl_exec *x) {
    return x->node->op->kernel ? x->node->op->kernel(x) : btl_exec_eval(x);
}

btl_status btl_exec_measure(btl_exec *x, const btl_graph *g) {
    BTL_TRY(x->node->op->measure(x));
    for (int k = 0; k < x->nout; k++)
        for (int i = 0; i < x->node->out[k].type.rank; i++) {
            const btl_dim *d = x->node->out[k].type.dims[i];
            int symbol = d->late ? btl_dim_symbol_index(d) : -1;
            const btl_dim *bound = symbol >= 0 ? g->dims.symbols[symbol]->bound : NULL;
            int64_t most;
            if (bound && btl_dim_eval(bound, x->symbols, &most) && x->symbols[symbol] > most)
                return btl_error_set(x->err, x->node->op->flags & OP_OWN ? BTL_EPLUGIN : BTL_EINTERNAL, "%s: the size of axis %d of result %d was found to be %lld, above its bound %lld",
                                     x->node->op->name, i, k, (long long)x->symbols[symbol], (long long)most);
        }
    return BTL_OK;
}

/* ---- a whole graph ----------------------------------------------------------------------- */

typedef struct eval_state {
    btl_graph *g;
    btl_arena *arena;          /* a child of the graph's: freed with it if memory runs out above us */
    int ngiven, nresults;
    btl_var *const *given_vars, *const *result_vars;
    const btl_array *given;
    btl_array *results;
    int64_t *symbols;
    btl_operand **values;      /* by node id: its outputs */
    btl_error *err;
} eval_state;

static void eval_free_array(void *arg) {
    btl_array_free(arg);
}

static btl_status eval_place_error(eval_state *s, const btl_node *n, btl_status status) {
    const btl_place *p = n->places ? n->places->place : NULL;
    if (s->err && s->err->line == 0 && p) s->err->line = p->line, s->err->column = p->column;
    return status;
}

static btl_status eval_make_operand(eval_state *s, const btl_node *n, const btl_type *type, btl_operand *out) {
    int64_t *dims = BTL_ARRAY(s->arena, int64_t, type->rank + 1);
    for (int i = 0; i < type->rank; i++)
        if (!btl_dim_eval(type->dims[i], s->symbols, &dims[i]) || dims[i] < 0)
            return btl_error_set(s->err, BTL_ESHAPE, "%s: a size of its result is not known, negative, or too large", n->op->name);
    *out = (btl_operand){ .dtype = type->dtype, .rank = type->rank, .dims = dims, .strides = BTL_ARRAY(s->arena, int64_t, type->rank + 1) };
    btl_strides_row_major(type->rank, dims, out->strides);
    btl_array *a = BTL_NEW(s->arena, btl_array);
    btl_arena_defer(s->arena, eval_free_array, a);
    btl_status status = btl_array_new(s->g->ctx, type->dtype, type->rank, dims, a);
    if (status != BTL_OK) return btl_error_set(s->err, status, "%s: no memory for its result", n->op->name);
    out->data = a->data;
    return BTL_OK;
}

static btl_status eval_node(eval_state *s, const btl_node *n) {
    btl_operand *in = BTL_ARRAY(s->arena, btl_operand, n->nin + 1), *out = BTL_ARRAY(s->arena, btl_operand, n->nout);
    for (int i = 0; i < n->nin; i++) in[i] = s->values[n->in[i]->node->id][n->in[i]->index];
    btl_exec x = { .node = n, .params = n->params, .nin = n->nin, .nout = n->nout, .in = in, .out = out,
                   .symbols = s->symbols, .ctx = s->g->ctx, .err = s->err };
    for (const btl_size_check *c = n->checks; c; c = c->next) {
        int64_t a, b;
        if (btl_dim_eval(c->a, s->symbols, &a) && btl_dim_eval(c->b, s->symbols, &b) && a != b)
            return btl_error_set(s->err, BTL_ESHAPE, "%s: sizes %lld and %lld must be equal: %s", n->op->name, (long long)a, (long long)b, c->message);
    }
    if (n->op->measure) BTL_TRY(btl_exec_measure(&x, s->g));
    for (int i = 0; i < n->nout; i++) BTL_TRY(eval_make_operand(s, n, &n->out[i].type, &out[i]));
    if (n->op->workspace && !(n->op->eval && n->op->kernel)) x.work = btl_arena_alloc(s->arena, n->op->workspace(&x) + 1);
    s->values[n->id] = out;
    return btl_exec_eval(&x);
}

static btl_status eval_leaf(eval_state *s, const btl_node *n) {
    const btl_array *a = btl_var_constant_array(n->out);
    for (int i = 0; i < s->ngiven && !a; i++)
        if (s->given_vars[i] == n->out) a = &s->given[i];
    if (!a) return btl_error_set(s->err, BTL_EVALUE, "%s has no value", n->out->name ? n->out->name : n->op->name);
    btl_operand *o = BTL_NEW(s->arena, btl_operand);
    *o = btl_operand_of_array(a, BTL_ARRAY(s->arena, int64_t, a->ndim + 1));
    s->values[n->id] = o;
    return BTL_OK;
}

/* Binds the size symbols that given arrays carry bare. */
static btl_status eval_bind(eval_state *s) {
    for (int i = 0; i < s->ngiven; i++) {
        const btl_type *type = &s->given_vars[i]->type;
        if (type->rank != s->given[i].ndim) return btl_error_set(s->err, BTL_ESHAPE, "a given array has %d axes, %d expected", s->given[i].ndim, type->rank);
        for (int k = 0; k < type->rank; k++) {
            int symbol = btl_dim_symbol_index(type->dims[k]);
            if (symbol >= 0 && s->symbols[symbol] < 0) s->symbols[symbol] = s->given[i].shape[k];
            int64_t size;
            if (btl_dim_eval(type->dims[k], s->symbols, &size) && size != s->given[i].shape[k])
                return btl_error_set(s->err, BTL_ESHAPE, "%s: size %d is %lld, %lld expected", s->given_vars[i]->name ? s->given_vars[i]->name : "a given array",
                                     k, (long long)s->given[i].shape[k], (long long)size);
        }
    }
    return BTL_OK;
}

static btl_status eval_take_results(eval_state *s) {
    for (int i = 0; i < s->nresults; i++) {
        const btl_var *v = s->result_vars[i];
        const btl_operand *o = &s->values[v->node->id][v->index];
        btl_status status = btl_array_new(s->g->ctx, o->dtype, o->rank, o->dims, &s->results[i]);
        if (status != BTL_OK) return btl_error_set(s->err, status, "no memory for a result");
        int64_t strides[BTL_MAX_RANK];
        btl_operand to = btl_operand_of_array(&s->results[i], strides);
        btl_operand_copy(&to, o);
    }
    return BTL_OK;
}

static btl_status eval_run(eval_state *s) {
    if (!s->symbols) {
        s->symbols = BTL_ARRAY(s->arena, int64_t, s->g->dims.nsymbols + 1);
        for (int i = 0; i < s->g->dims.nsymbols; i++) s->symbols[i] = -1;
    }
    BTL_TRY(eval_bind(s));
    s->values = BTL_ARRAY(s->arena, btl_operand *, s->g->nnodes + 1);
    btl_bits given = btl_bits_new(s->arena, s->g->nnodes);
    for (int i = 0; i < s->ngiven; i++) btl_bits_set(given, s->given_vars[i]->node->id);
    btl_bits needed = btl_graph_reach_until(s->g, s->nresults, s->result_vars, given);
    int *order = BTL_ARRAY(s->arena, int, s->g->nnodes + 1), n = btl_graph_order(s->g, needed, order);
    for (int i = 0; i < s->ngiven; i++) /* given leaves, and given intermediate values alike */
        if (btl_bits_get(needed, s->given_vars[i]->node->id)) BTL_TRY(eval_leaf(s, s->given_vars[i]->node));
    for (int i = 0; i < n; i++) {
        const btl_node *node = s->g->nodes[order[i]];
        if (s->values[order[i]]) continue;
        BTL_TRY(eval_place_error(s, node, node->op->flags & OP_LEAF ? eval_leaf(s, node) : eval_node(s, node)));
    }
    return eval_take_results(s);
}

static btl_status eval_protected(void *arg) {
    eval_state *s = arg;
    s->arena = btl_arena_begin(&s->g->arena);
    return eval_run(s);
}

btl_status btl_graph_eval(btl_graph *g, int ngiven, btl_var *const *given_vars, const btl_array *given, int64_t *symbols,
                          int nresults, btl_var *const *result_vars, btl_array *results, btl_error *err) {
    eval_state s = { .g = g, .ngiven = ngiven, .nresults = nresults, .given_vars = given_vars, .result_vars = result_vars,
                     .given = given, .results = results, .symbols = symbols, .err = err };
    memset(results, 0, (size_t)nresults * sizeof *results);
    btl_status status = btl_arena_protect(&g->arena, eval_protected, &s);
    if (status == BTL_ENOMEM) btl_error_set(err, status, "out of memory while evaluating");
    if (status != BTL_OK)
        for (int i = 0; i < nresults; i++) btl_array_free(&results[i]);
    if (s.arena) btl_arena_end(s.arena);
    return status;
}
