/* tensor_check.h - what the tests of structural ops share: an expression of the notation is computed
 * twice, by every node's reference (btl_graph_eval) and by every node's kernel over strided views
 * (check_run), and both are compared with what NumPy gives.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TEST_TENSOR_CHECK_H
#define BTL_TEST_TENSOR_CHECK_H

#include "support.h"

#include "base/arena.h"
#include "bitale/ops.h"
#include "expr/op.h"
#include "expr/operand.h"
#include "expr/parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct check_graph {
    btl_context *ctx;
    btl_graph *g;
} check_graph;

__attribute__((unused)) static check_graph check_begin(void) {
    check_graph c;
    BTL_ASSERT_OK(btl_context_new(NULL, &c.ctx));
    BTL_ASSERT_OK(btl_graph_new(c.ctx, &c.g));
    return c;
}

__attribute__((unused)) static void check_end(check_graph *c) {
    btl_graph_free(c->g);
    btl_context_free(c->ctx);
}

/* Runs every node by its kernel, views as views. given: values of inputs. The result is copied out. */
typedef struct check_runner {
    btl_graph *g;
    int ngiven;
    btl_var *const *vars;
    const btl_array *given;
    btl_var *result;
    btl_array *out;
    btl_error *err;
    btl_arena arena;
    int64_t *symbols;
    btl_operand **values;
} check_runner;

static btl_operand *check_leaf(check_runner *r, const btl_node *n) {
    const btl_array *a = btl_var_constant_array(n->out);
    for (int i = 0; i < r->ngiven; i++)
        if (r->vars[i] == n->out) a = &r->given[i];
    if (!a) BTL_FAIL("%s has no value", n->out->name ? n->out->name : n->op->name);
    btl_operand *o = BTL_NEW(&r->arena, btl_operand);
    *o = btl_operand_of_array(a, BTL_ARRAY(&r->arena, int64_t, a->ndim + 1));
    for (int i = 0; i < a->ndim; i++) {
        int symbol = btl_dim_symbol_index(n->out->type.dims[i]);
        if (symbol >= 0) r->symbols[symbol] = a->shape[i];
    }
    return o;
}

static btl_status check_node(check_runner *r, const btl_node *n) {
    btl_operand *in = BTL_ARRAY(&r->arena, btl_operand, n->nin + 1), *out = BTL_ARRAY(&r->arena, btl_operand, n->nout + 1);
    for (int i = 0; i < n->nin; i++) in[i] = r->values[n->in[i]->node->id][n->in[i]->index];
    btl_exec x = { .node = n, .params = n->params, .nin = n->nin, .nout = n->nout, .in = in, .out = out,
                   .symbols = r->symbols, .ctx = r->g->ctx, .err = r->err };
    r->values[n->id] = out;
    if (n->op->measure) BTL_TRY(n->op->measure(&x));
    for (int i = 0; i < n->nout; i++) {
        const btl_type *t = &n->out[i].type;
        int64_t *dims = BTL_ARRAY(&r->arena, int64_t, t->rank + 1), elems = 1;
        for (int k = 0; k < t->rank; k++) {
            if (!btl_dim_eval(t->dims[k], r->symbols, &dims[k])) BTL_FAIL("%s: unknown size", n->op->name);
            elems *= dims[k];
        }
        out[i] = (btl_operand){ NULL, t->dtype, t->rank, dims, BTL_ARRAY(&r->arena, int64_t, t->rank + 1) };
        btl_strides_row_major(t->rank, dims, out[i].strides);
        out[i].data = btl_arena_alloc(&r->arena, (size_t)elems * btl_dtype_bytes(t->dtype) + 64);
        memset(out[i].data, 0xA5, (size_t)elems * btl_dtype_bytes(t->dtype) + 64);
    }
    if (n->op->view && !n->op->eval) return n->op->view(&x); /* (reshape has both: it needs row-major) */
    if (n->op->workspace) x.work = btl_arena_alloc(&r->arena, n->op->workspace(&x) + 1);
    return btl_exec_run(&x);
}

static btl_status check_run_body(void *arg) {
    check_runner *r = arg;
    r->symbols = BTL_ARRAY(&r->arena, int64_t, r->g->dims.nsymbols + 1);
    for (int i = 0; i < r->g->dims.nsymbols; i++) r->symbols[i] = -1;
    r->values = BTL_ARRAY(&r->arena, btl_operand *, r->g->nnodes + 1);
    btl_bits needed = btl_graph_reach(r->g, 1, &r->result);
    for (int id = 0; id <= r->result->node->id; id++) {
        const btl_node *n = r->g->nodes[id];
        if (!btl_bits_get(needed, id)) continue;
        if (n->op->flags & OP_LEAF) r->values[id] = check_leaf(r, n);
        else BTL_TRY(check_node(r, n));
    }
    const btl_operand *o = &r->values[r->result->node->id][r->result->index];
    BTL_TRY(btl_array_new(r->g->ctx, o->dtype, o->rank, o->dims, r->out));
    int64_t strides[BTL_MAX_RANK];
    btl_operand to = btl_operand_of_array(r->out, strides);
    btl_operand_copy(&to, o);
    return BTL_OK;
}

__attribute__((unused)) static btl_status check_run(btl_graph *g, int n, btl_var *const *vars, const btl_array *given,
                                                    btl_var *result, btl_array *out, btl_error *err) {
    check_runner r = { .g = g, .ngiven = n, .vars = vars, .given = given, .result = result, .out = out, .err = err };
    memset(out, 0, sizeof *out);
    btl_arena_init(&r.arena, g->ctx);
    btl_status status = btl_arena_protect(&r.arena, check_run_body, &r);
    btl_arena_deinit(&r.arena);
    return status;
}

/* Both ways of computing v; `tolerance` in ulp between them. The reference's result is returned. */
__attribute__((unused)) static btl_array check_both(btl_graph *g, const char *text, int n, btl_var *const *vars,
                                                    const btl_array *given, btl_var *v, uint64_t ulps) {
    btl_array slow = { 0 }, fast = { 0 };
    btl_error err = { 0 };
    if (!v) BTL_FAIL("%s: %s", text, btl_graph_messages(g));
    if (btl_graph_eval(g, n, vars, given, NULL, 1, &v, &slow, &err)) BTL_FAIL("%s: eval: %s", text, err.message);
    if (check_run(g, n, vars, given, v, &fast, &err)) BTL_FAIL("%s: kernels: %s", text, err.message);
    BTL_ASSERT_ARRAYS(text, &fast, &slow, .ulps = ulps);
    btl_array_free(&fast);
    return slow;
}

/* One line of a table: what an expression gives by NumPy, as integers. */
typedef struct check_case {
    const char *text;
    int rank;
    int64_t shape[6];
    double values[64];
} check_case;

/* Expressions over variables bound by name; every value is compared exactly. */
__attribute__((unused)) static void check_table(int ncases, const check_case *cases, const char *const *setup) {
    check_graph c = check_begin();
    const char *names[16];
    btl_var *vars[16];
    int n = 0;
    for (; setup[2 * n]; n++) {
        names[n] = setup[2 * n];
        vars[n] = btl_expr_n(c.g, setup[2 * n + 1], n, names, vars);
        if (!vars[n]) BTL_FAIL("%s: %s", setup[2 * n + 1], btl_graph_messages(c.g));
    }
    for (int i = 0; i < ncases; i++) {
        btl_var *v = btl_expr_n(c.g, cases[i].text, n, names, vars);
        btl_array got = check_both(c.g, cases[i].text, 0, NULL, NULL, v, 0);
        int64_t elems = 1;
        if (got.ndim != cases[i].rank) BTL_FAIL("%s: rank %d, NumPy has %d", cases[i].text, got.ndim, cases[i].rank);
        for (int k = 0; k < got.ndim; k++) {
            elems *= got.shape[k];
            if (got.shape[k] != cases[i].shape[k])
                BTL_FAIL("%s: size %d is %lld, NumPy has %lld", cases[i].text, k, (long long)got.shape[k], (long long)cases[i].shape[k]);
        }
        btl_array f64;
        BTL_ASSERT_OK(btl_array_new(c.ctx, BTL_F64, got.ndim, got.shape, &f64));
        BTL_ASSERT_OK(btl_array_convert(&f64, &got));
        for (int64_t k = 0; k < elems; k++)
            if (((double *)f64.data)[k] != cases[i].values[k])
                BTL_FAIL("%s: element %lld is %g, NumPy has %g", cases[i].text, (long long)k, ((double *)f64.data)[k], cases[i].values[k]);
        btl_array_free(&f64);
        btl_array_free(&got);
    }
    check_end(&c);
}

/* v has this type: the same sizes, however they are written. */
__attribute__((unused)) static void check_type(btl_graph *g, const char *text, const btl_var *v, const char *type) {
    btl_type want;
    if (!v) BTL_FAIL("%s: %s", text, btl_graph_messages(g));
    BTL_ASSERT_OK(btl_parse_type(g, type, &want));
    bool same = want.dtype == v->type.dtype && want.rank == v->type.rank;
    for (int i = 0; same && i < want.rank; i++) /* each `?` is a size of its own */
        same = want.dims[i] == v->type.dims[i] || (want.dims[i]->kind == DIM_SYMBOL && v->type.dims[i]->late);
    if (!same) BTL_FAIL("%s is %s, not %s", text, btl_type_text(g, &v->type), type);
}

/* The expression is refused when it is built, with these words. */
__attribute__((unused)) static void check_refused(const char *text, btl_status status, const char *words, const char *const *setup) {
    check_graph c = check_begin();
    const char *names[16];
    btl_var *vars[16];
    int n = 0;
    for (; setup[2 * n]; n++) {
        names[n] = setup[2 * n];
        vars[n] = setup[2 * n + 1][0] == ':' ? btl_input(c.g, names[n], setup[2 * n + 1] + 1) : btl_expr_n(c.g, setup[2 * n + 1], n, names, vars);
    }
    btl_var *v = btl_expr_n(c.g, text, n, names, vars);
    if (v) BTL_FAIL("%s: accepted as %s", text, btl_var_type(c.g, v));
    BTL_ASSERT_CONTAINS(btl_graph_messages(c.g), words);
    if (btl_graph_error(c.g)->status != status) BTL_FAIL("%s: status %d: %s", text, btl_graph_error(c.g)->status, btl_graph_messages(c.g));
    check_end(&c);
}

#endif
