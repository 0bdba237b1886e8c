/* graphs_equal.h - are two graphs the same program? Functions, inputs, outputs and updates by name
 * and order; below them the same ops, settings, types and constants. What is shared in one graph
 * must be shared in the other, except between functions, which the text separates. Written without
 * the printer, which it judges.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TEST_GRAPHS_EQUAL_H
#define BTL_TEST_GRAPHS_EQUAL_H

#include "expr/op.h"

#include <stdlib.h>
#include <string.h>

typedef struct same { btl_graph *a, *b; const btl_node **to; } same; /* to[id in a]: its twin in b */

/* Sizes of two graphs have nothing in common but the names in them: equal if they agree wherever
 * those are given the same numbers. */
static bool same_size_at(const btl_graph *g, const btl_dim *d, int64_t salt, int64_t *value) {
    int64_t *symbols = calloc((size_t)g->dims.nsymbols + 1, sizeof *symbols);
    for (int i = 0; i < g->dims.nsymbols; i++) {
        const char *name = g->dims.symbols[i]->name;
        symbols[i] = 5 + salt;
        for (const char *c = name; c && *c; c++) symbols[i] = (symbols[i] * 31 + *c) % 97;
    }
    bool known = btl_dim_eval(d, symbols, value);
    free(symbols);
    return known;
}

static bool same_size(const same *s, const btl_dim *x, const btl_dim *y) {
    if (!x || !y) return x == y;
    for (int64_t salt = 0; salt < 5; salt++) {
        int64_t p = -1, q = -1;
        if (same_size_at(s->a, x, salt * 7, &p) != same_size_at(s->b, y, salt * 7, &q) || p != q) return false;
    }
    return true;
}

static bool same_type(const same *s, const btl_type *x, const btl_type *y) {
    if (x->dtype != y->dtype || x->rank != y->rank) return false;
    for (int i = 0; i < x->rank; i++)
        if (!same_size(s, x->dims[i], y->dims[i])) return false;
    return true;
}

static bool same_array(const btl_array *x, const btl_array *y) {
    btl_dtype dtype, other;
    if (!btl_array_dtype(x, &dtype) || !btl_array_dtype(y, &other) || dtype != other || x->ndim != y->ndim) return false;
    for (int i = 0; i < x->ndim; i++)
        if (x->shape[i] != y->shape[i]) return false;
    size_t size = btl_dtype_bytes(dtype);
    for (int64_t i = 0; i < btl_array_elems(x); i++) { /* any NaN is as good as another */
        const char *p = (const char *)btl_array_data(x) + (size_t)i * size, *q = (const char *)btl_array_data(y) + (size_t)i * size;
        double f = 0, h = 0;
        btl_array from = btl_array_wrap(dtype, 0, NULL, (void *)(uintptr_t)p), to = btl_array_wrap(BTL_F64, 0, NULL, &f);
        btl_array_convert(&to, &from);
        from.data = (void *)(uintptr_t)q;
        to.data = &h;
        btl_array_convert(&to, &from);
        if (memcmp(p, q, size) != 0 && !(f != f && h != h)) return false;
    }
    return true;
}

static bool same_bound(const same *s, const btl_bound *x, const btl_bound *y) {
    return x->input == y->input && same_size(s, x->dim, y->dim);
}

static bool same_body(same *s, const btl_body *x, const btl_body *y);

static bool same_param(same *s, btl_param_kind kind, const btl_param *x, const btl_param *y) {
    switch (kind) {
    case PARAM_DIM: return same_size(s, x->dim, y->dim);
    case PARAM_ARRAY: return same_array(x->array, y->array);
    case PARAM_BODY: return same_body(s, x->body, y->body);
    case PARAM_SHAPE:
        for (int i = 0; i < x->shape.n && x->shape.n == y->shape.n; i++)
            if (!same_size(s, x->shape.v[i], y->shape.v[i])) return false;
        return x->shape.n == y->shape.n;
    case PARAM_INDEX:
        for (int i = 0; i < x->index.n && x->index.n == y->index.n; i++) {
            const btl_index_item *p = &x->index.v[i], *q = &y->index.v[i];
            if (p->kind != q->kind || !same_bound(s, &p->start, &q->start) || !same_bound(s, &p->stop, &q->stop) || !same_bound(s, &p->step, &q->step))
                return false;
        }
        return x->index.n == y->index.n;
    default: return btl_param_equal(kind, x, y);
    }
}

static bool same_node(same *s, const btl_node *x, const btl_node *y) {
    if (x->op != y->op || x->nin != y->nin || x->nout != y->nout) return false;
    for (int i = 0; i < x->nin; i++)
        if (s->to[x->in[i]->node->id] != y->in[i]->node || x->in[i]->index != y->in[i]->index) return false;
    for (int i = 0; i < x->op->nparams; i++)
        if (!same_param(s, x->op->params[i].kind, &x->params[i], &y->params[i])) return false;
    for (int i = 0; i < x->nout; i++)
        if (!same_type(s, &x->out[i].type, &y->out[i].type)) return false;
    return true;
}

/* Nodes below the roots pair up in the order of construction; constants, which a text may write in
 * several places, by their place as operands. */
static bool same_below(same *s, int n, btl_var **xs, btl_var **ys) {
    btl_bits p = btl_graph_reach(s->a, n, xs), q = btl_graph_reach(s->b, n, ys);
    int j = 0;
    for (int i = 0; i < p.n; i++) {
        const btl_node *x = s->a->nodes[i];
        if (!btl_bits_get(p, i) || btl_var_is_leaf(x->out)) continue;
        while (j < q.n && (!btl_bits_get(q, j) || btl_var_is_leaf(s->b->nodes[j]->out))) j++;
        if (j == q.n) return false;
        const btl_node *y = s->b->nodes[j++];
        for (int k = 0; k < x->nin && x->nin == y->nin; k++)
            if (btl_var_is_constant(x->in[k])) {
                if (!btl_var_is_constant(y->in[k]) || !same_node(s, x->in[k]->node, y->in[k]->node)) return false;
                s->to[x->in[k]->node->id] = y->in[k]->node;
            }
        if (!same_node(s, x, y)) return false;
        s->to[i] = y;
    }
    for (int i = 0; i < n; i++) {
        if (!xs[i] != !ys[i]) return false;
        if (!xs[i]) continue;
        bool constant = btl_var_is_constant(xs[i]);
        if (constant ? !btl_var_is_constant(ys[i]) || !same_node(s, xs[i]->node, ys[i]->node)
                     : s->to[xs[i]->node->id] != ys[i]->node || xs[i]->index != ys[i]->index)
            return false;
    }
    return true;
}

static bool same_body(same *s, const btl_body *x, const btl_body *y) {
    if (x->nparams != y->nparams || x->nresults != y->nresults) return false;
    for (int i = 0; i < x->nparams; i++) {
        if (!same_type(s, &x->params[i]->type, &y->params[i]->type)) return false;
        s->to[x->params[i]->node->id] = y->params[i]->node;
    }
    return same_below(s, x->nresults, x->results, y->results);
}

static bool same_entry(same *s, const btl_entry *x, const btl_entry *y) {
    if (strcmp(x->name, y->name) || x->ninputs != y->ninputs || x->noutputs != y->noutputs || x->nupdates != y->nupdates || x->nasserts != y->nasserts)
        return false;
    for (int i = 0; i < x->ninputs; i++) {
        const btl_entry_input *p = &x->inputs[i], *q = &y->inputs[i];
        btl_var *v = p->value, *w = q->value;
        if (strcmp(p->var->name, q->var->name) || !same_type(s, &p->var->type, &q->var->type) || p->is_mutable != q->is_mutable) return false;
        if (!same_below(s, 1, &v, &w)) return false;
        s->to[p->var->node->id] = q->var->node;
    }
    int n = 0, most = x->noutputs + x->nupdates + x->nasserts;
    btl_var **xs = calloc((size_t)most + 1, sizeof *xs), **ys = calloc((size_t)most + 1, sizeof *ys);
    bool equal = true;
    for (int i = 0; i < x->noutputs; i++, n++) {
        xs[n] = x->outputs[i].var, ys[n] = y->outputs[i].var;
        equal &= strcmp(x->outputs[i].name, y->outputs[i].name) == 0;
    }
    for (int i = 0; i < x->nupdates; i++, n++) {
        xs[n] = x->updates[i].value, ys[n] = y->updates[i].value;
        equal &= strcmp(x->updates[i].shared->name, y->updates[i].shared->name) == 0;
    }
    for (int i = 0; i < x->nasserts; i++, n++) {
        xs[n] = x->asserts[i].condition, ys[n] = y->asserts[i].condition;
        equal &= strcmp(x->asserts[i].text, y->asserts[i].text) == 0;
    }
    equal = equal && same_below(s, n, xs, ys);
    free(xs);
    free(ys);
    return equal;
}

typedef struct graphs_equal_args { same s; bool equal; } graphs_equal_args;

static btl_status graphs_equal_body(void *arg) {
    graphs_equal_args *x = arg;
    btl_graph *a = x->s.a, *b = x->s.b;
    x->s.to = BTL_ARRAY(&a->arena, const btl_node *, a->nnodes + 1);
    x->equal = a->nshared == b->nshared && a->nentries == b->nentries;
    for (int i = 0; x->equal && i < a->nshared; i++) {
        const btl_shared_def *p = a->shared[i], *q = b->shared[i];
        btl_var *v = p->init, *w = q->init;
        x->equal = strcmp(p->name, q->name) == 0 && same_type(&x->s, &p->var->type, &q->var->type) && same_below(&x->s, 1, &v, &w);
        x->s.to[p->var->node->id] = q->var->node;
    }
    for (int i = 0; x->equal && i < a->nentries; i++) x->equal = same_entry(&x->s, a->entries[i], b->entries[i]);
    return BTL_OK;
}

typedef struct graphs_equal_inner { btl_graph *g; graphs_equal_args *x; } graphs_equal_inner;

static btl_status graphs_equal_second(void *arg) {
    graphs_equal_inner *i = arg;
    return btl_graph_protect(i->g, graphs_equal_body, i->x);
}

static bool graphs_equal(btl_graph *a, btl_graph *b) {
    graphs_equal_args x = { .s = { a, b, NULL } };
    graphs_equal_inner inner = { b, &x };
    return btl_graph_protect(a, graphs_equal_second, &inner) == BTL_OK && x.equal;
}

#endif
