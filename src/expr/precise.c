/* precise.c - see precise.h. SPDX-License-Identifier: BSD-3-Clause */
#include "expr/precise.h"

#include "base/hash.h"
#include "expr/agree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PRECISE_NODES = 20000, PRECISE_ELEMS = 1 << 25, PRECISE_ARITY = 4 }; /* a long double each: 512 MiB */

typedef struct precise {
    btl_context *ctx;
    btl_arena *a;
    btl_precise_given given;
    void *user;
    int64_t *symbols;
    uint64_t jitter;        /* state of the random numbers, or 0 */
    int n, capacity;
    const btl_node **nodes; /* by id */
    btl_precise **values;   /* of their outputs */
    int64_t elems;          /* of all of them */
    btl_error *err;
} precise;

double btl_jitter(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) * 0x1p-52 - 1;
}

static bool precise_is_float(btl_dtype dtype) { return btl_dtype_kind(dtype) == 'f'; }

/* Moved by rounding to the dtype, and by what the op may be wrong: what is exact stays. As if the dtype had no end: that values
 * overflow and underflow is no uncertainty of what is right. */
static long double precise_round(precise *p, btl_dtype dtype, double ulps, long double x) {
    const btl_float_range range = btl_float_range_of(dtype);
    if (!p->jitter || !isfinite(x) || x == 0) return x;
    if (ulps <= 0) {
        char bytes[16];
        btl_operand one = { bytes, dtype, 0, NULL, NULL };
        btl_operand_set_real(&one, 0, x);
        if (btl_operand_real(&one, 0) == x) return x;
        ulps = 1;
    }
    return x + (long double)(btl_jitter(&p->jitter) * ulps * range.eps) * x;
}

/* ---- values --------------------------------------------------------------------------------------- */

static btl_precise precise_new(btl_arena *a, btl_dtype dtype, int rank, const int64_t *dims) {
    btl_precise v = { .typed = { NULL, dtype, rank, NULL, NULL } };
    int64_t *shape = BTL_ARRAY(a, int64_t, 2 * rank + 1);
    if (rank) memcpy(shape, dims, (size_t)rank * sizeof *shape);
    v.typed.dims = shape, v.typed.strides = shape + rank;
    btl_strides_row_major(rank, shape, v.typed.strides);
    size_t n = (size_t)btl_operand_elems(&v.typed) + 1;
    if (precise_is_float(dtype)) v.real = btl_arena_array(a, n, sizeof *v.real);
    else v.typed.data = btl_arena_array(a, n, btl_dtype_bytes(dtype));
    return v;
}

static void precise_fill(const btl_precise *v, const btl_operand *x) {
    const int64_t *strides[2] = { v->typed.strides, x->strides };
    btl_walk w;
    if (!v->real) {
        if (btl_operand_elems(x) > 0) btl_operand_copy(&v->typed, x);
        return;
    }
    for (btl_walk_begin(&w, x->rank, x->dims, 2, strides); w.more; btl_walk_next(&w)) v->real[w.at[0]] = btl_operand_real(x, w.at[1]);
}

btl_precise btl_precise_of(btl_arena *a, const btl_operand *x) {
    btl_precise v = precise_new(a, x->dtype, x->rank, x->dims);
    precise_fill(&v, x);
    return v;
}

/* Rounded to its type. */
static btl_operand precise_typed(precise *p, const btl_precise *v) {
    btl_operand x = v->typed;
    if (!v->real) return x;
    int64_t n = btl_operand_elems(&x);
    x.data = btl_arena_array(p->a, (size_t)n + 1, btl_dtype_bytes(x.dtype));
    for (int64_t i = 0; i < n; i++) btl_operand_set_real(&x, i, v->real[i]);
    return x;
}

static long double precise_element(const btl_precise *v, int64_t at) { return v->real ? v->real[at] : btl_operand_real(&v->typed, at); }

static const btl_precise *precise_value(precise *p, const btl_var *v) {
    const btl_precise *given = p->given(p->user, v);
    int low = 0, high = p->n - 1;
    if (given) return given;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (p->nodes[middle]->id < v->node->id) low = middle + 1;
        else high = middle;
    }
    return &p->values[low][v->index];
}

/* ---- one node --------------------------------------------------------------------------------------- */

static void precise_elementwise(precise *p, const btl_node *n, const btl_precise *const *in, btl_precise *out) {
    int64_t strides[PRECISE_ARITY][BTL_MAX_RANK];
    const int64_t *all[PRECISE_ARITY + 1] = { out->typed.strides };
    for (int k = 0; k < n->nin; k++) {
        const btl_operand *x = &in[k]->typed;
        for (int i = 0; i < out->typed.rank; i++) {
            int axis = i - (out->typed.rank - x->rank);
            strides[k][i] = axis < 0 || (x->dims[axis] == 1 && out->typed.dims[i] != 1) ? 0 : x->strides[axis];
        }
        all[k + 1] = strides[k];
    }
    btl_walk w;
    for (btl_walk_begin(&w, out->typed.rank, out->typed.dims, n->nin + 1, all); w.more; btl_walk_next(&w)) {
        long double x[PRECISE_ARITY] = { 0 };
        for (int k = 0; k < n->nin; k++) x[k] = precise_element(in[k], w.at[k + 1]);
        long double y = n->op->elem->real(x);
        if (out->real) out->real[w.at[0]] = precise_round(p, out->typed.dtype, n->op->elem->max_ulp, y);
        else btl_operand_set_signed(&out->typed, w.at[0], (int64_t)y);
    }
}

/* Offsets of a view's elements in its operand: the op is asked about memory that is never touched. */
static btl_status precise_view(precise *p, const btl_node *n, const btl_precise *const *in, btl_precise *out) {
    btl_operand *operands = BTL_ARRAY(p->a, btl_operand, n->nin + 1), view = out->typed;
    int64_t strides[BTL_MAX_RANK] = { 0 };
    for (int i = 0; i < n->nin; i++) operands[i] = precise_typed(p, in[i]);
    view.strides = strides;
    btl_exec x = { .node = n, .params = n->params, .nin = n->nin, .nout = 1, .in = operands, .out = &view, .symbols = p->symbols, .ctx = p->ctx, .err = p->err };
    BTL_TRY(n->op->view(&x));
    int64_t first = (int64_t)(view.data - operands[0].data) / (int64_t)btl_dtype_bytes(operands[0].dtype);
    const int64_t *all[2] = { out->typed.strides, strides };
    btl_walk w;
    for (btl_walk_begin(&w, view.rank, view.dims, 2, all); w.more; btl_walk_next(&w)) out->real[w.at[0]] = in[0]->real[first + w.at[1]];
    return BTL_OK;
}

static void precise_reduce(precise *p, const btl_node *n, const btl_precise *in, btl_precise *out) {
    const btl_elem *e = n->op->reduction->combine->elem;
    const btl_param *axes = btl_param_of(n->op, n->params, "axis");
    uint32_t mask = axes->axes.n < 0 ? ~0u : 0;
    for (int i = 0; i < axes->axes.n; i++) mask |= 1u << (axes->axes.v[i] < 0 ? axes->axes.v[i] + in->typed.rank : axes->axes.v[i]);
    int64_t nkept = 0, kept_dims[BTL_MAX_RANK], kept[BTL_MAX_RANK], nreduced = 0, reduced_dims[BTL_MAX_RANK], reduced[BTL_MAX_RANK], to = 0;
    for (int i = 0; i < in->typed.rank; i++) {
        if (mask >> i & 1) reduced_dims[nreduced] = in->typed.dims[i], reduced[nreduced++] = in->typed.strides[i];
        else kept_dims[nkept] = in->typed.dims[i], kept[nkept++] = in->typed.strides[i];
    }
    const int64_t *outer[1] = { kept }, *inner[1] = { reduced };
    btl_walk w, v;
    for (btl_walk_begin(&w, (int)nkept, kept_dims, 1, outer); w.more; btl_walk_next(&w)) {
        long double x[2] = { (long double)n->op->reduction->empty_float, 0 };
        bool first = true;
        for (btl_walk_begin(&v, (int)nreduced, reduced_dims, 1, inner); v.more; btl_walk_next(&v), first = false) {
            x[1] = in->real[w.at[0] + v.at[0]];
            x[0] = first ? x[1] : precise_round(p, out->typed.dtype, 0, e->real(x));
        }
        if (out->real) out->real[to++] = x[0];
        else btl_operand_set_signed(&out->typed, to++, (int64_t)x[0]);
    }
}

/* ---- what is made of other ops ------------------------------------------------------------------------- */

typedef struct precise_body { const btl_node *n; const btl_precise *const *in; btl_graph *g; btl_var **vars, *result; } precise_body;

static btl_status precise_build_body(void *arg) {
    precise_body *b = arg;
    b->vars = BTL_ARRAY(&b->g->arena, btl_var *, b->n->nin + 1);
    for (int i = 0; i < b->n->nin; i++) {
        const btl_operand *o = &b->in[i]->typed;
        const btl_dim **dims = BTL_ARRAY(&b->g->arena, const btl_dim *, o->rank + 1);
        for (int k = 0; k < o->rank; k++) dims[k] = btl_dim_const(b->g, o->dims[k]);
        btl_type type = { o->dtype, o->rank, dims };
        b->vars[i] = btl_graph_input(b->g, NULL, &type);
    }
    b->result = b->n->op->body(b->g, b->n, b->vars);
    return b->result ? BTL_OK : b->g->status;
}

static const btl_precise *precise_body_given(void *user, const btl_var *v) {
    const precise_body *b = user;
    for (int i = 0; i < b->n->nin; i++)
        if (b->vars[i] == v) return b->in[i];
    return NULL;
}

static void precise_free_graph(void *arg) { btl_graph_free(arg); }

static btl_status precise_of_body(precise *p, const btl_node *n, const btl_precise *const *in, btl_precise *out) {
    precise_body b = { .n = n, .in = in };
    BTL_TRY(btl_graph_new(p->ctx, &b.g));
    btl_arena_defer(p->a, precise_free_graph, b.g);
    BTL_TRY(btl_graph_protect(b.g, precise_build_body, &b));
    int64_t *symbols = BTL_ARRAY(p->a, int64_t, b.g->dims.nsymbols + 1);
    for (int i = 0; i < b.g->dims.nsymbols; i++) symbols[i] = -1;
    return btl_precise_eval(p->ctx, p->a, b.result, precise_body_given, &b, symbols, p->jitter, out, p->err);
}

/* In the types that it has; its float operands are moved before, as its own roundings would move them. */
static btl_status precise_in_its_types(precise *p, const btl_node *n, const btl_precise *const *in, btl_precise *out) {
    btl_operand *operands = BTL_ARRAY(p->a, btl_operand, n->nin + 1), *results = BTL_ARRAY(p->a, btl_operand, n->nout + 1);
    for (int i = 0; i < n->nin; i++) {
        operands[i] = precise_typed(p, in[i]);
        for (int64_t e = 0, elems = btl_operand_elems(&operands[i]); p->jitter && in[i]->real && e < elems; e++) {
            long double x = btl_operand_real(&operands[i], e);
            if (isfinite((double)x)) btl_operand_set_real(&operands[i], e, x + (long double)(2 * btl_jitter(&p->jitter) * btl_ulp(operands[i].dtype, (double)x)));
        }
    }
    for (int k = 0; k < n->nout; k++) {
        results[k] = out[k].typed;
        results[k].data = btl_arena_array(p->a, (size_t)btl_operand_elems(&results[k]) + 1, btl_dtype_bytes(results[k].dtype));
    }
    btl_exec x = { .node = n, .params = n->params, .nin = n->nin, .nout = n->nout, .in = operands, .out = results, .symbols = p->symbols, .ctx = p->ctx, .err = p->err };
    if (n->op->workspace && !(n->op->eval && n->op->kernel)) x.work = btl_arena_alloc(p->a, n->op->workspace(&x) + 1);
    BTL_TRY(btl_exec_eval(&x));
    for (int k = 0; k < n->nout; k++) precise_fill(&out[k], &results[k]);
    return BTL_OK;
}

/* No more than what memory and patience allow. */
static btl_status precise_room(precise *p, int rank, const int64_t *dims) {
    int64_t elems = 1;
    bool fits = true;
    for (int i = 0; i < rank; i++) fits = fits && btl_mul_i64(elems, dims[i], &elems);
    fits = fits && elems <= PRECISE_ELEMS - p->elems;
    if (!fits) return btl_error_set(p->err, BTL_EUNSUPPORTED, "more than %d numbers on the way", PRECISE_ELEMS);
    p->elems += elems;
    return BTL_OK;
}

static btl_status precise_node(precise *p, int number) {
    const btl_node *n = p->nodes[number];
    const btl_precise **in = BTL_ARRAY(p->a, const btl_precise *, n->nin + 1);
    btl_precise *out = p->values[number] = BTL_ARRAY(p->a, btl_precise, n->nout + 1);
    bool real = false;
    if (n->op == &btl_op_constant) {
        int64_t strides[BTL_MAX_RANK];
        btl_operand x = btl_operand_of_array(btl_var_constant_array(n->out), strides);
        *out = btl_precise_of(p->a, &x);
        return BTL_OK;
    }
    if (n->op->flags & OP_LEAF) return btl_error_set(p->err, BTL_EVALUE, "%s has no value", n->out->name ? n->out->name : n->op->name);
    for (int i = 0; i < n->nin; i++) {
        in[i] = precise_value(p, n->in[i]);
        real |= in[i]->real != NULL;
    }
    for (int k = 0; k < n->nout; k++) {
        const btl_type *t = &n->out[k].type;
        int64_t dims[BTL_MAX_RANK];
        for (int i = 0; i < t->rank; i++)
            if (!btl_dim_eval(t->dims[i], p->symbols, &dims[i]) || dims[i] < 0) return btl_error_set(p->err, BTL_EUNSUPPORTED, "a size that only a run can tell");
        BTL_TRY(precise_room(p, t->rank, dims));
        out[k] = precise_new(p->a, t->dtype, t->rank, dims);
    }
    if (real && n->op->elem && n->nin <= PRECISE_ARITY && in[n->nin - 1]->real) precise_elementwise(p, n, in, out);
    else if (n->op->reduction && in[0]->real) precise_reduce(p, n, in[0], out);
    else if (n->op->view && in[0]->real && out->real) BTL_TRY(precise_view(p, n, in, out));
    else if (n->op == &btl_op_cast && in[0]->real && out->real)
        for (int64_t i = 0, elems = btl_operand_elems(&out->typed); i < elems; i++) out->real[i] = precise_round(p, out->typed.dtype, 0, in[0]->real[i]);
    else if (real && n->op->body && !n->op->eval && !n->op->elem && !n->op->reduction && !n->op->view) return precise_of_body(p, n, in, out);
    else return precise_in_its_types(p, n, in, out);
    return BTL_OK;
}

/* ---- all that v depends on ------------------------------------------------------------------------------ */

static btl_status precise_add(precise *p, btl_bits seen, const btl_node *n) {
    if (btl_bits_get(seen, n->id)) return BTL_OK;
    if (p->n == PRECISE_NODES) return btl_error_set(p->err, BTL_EUNSUPPORTED, "more than %d nodes", PRECISE_NODES);
    btl_bits_set(seen, n->id);
    *BTL_PUSH(p->a, p->nodes, p->n, p->capacity) = n;
    return BTL_OK;
}

static int precise_by_id(const void *a, const void *b) {
    const btl_node *const *m = a, *const *n = b;
    return ((*m)->id > (*n)->id) - ((*m)->id < (*n)->id);
}

/* By id: operands first. */
static btl_status precise_gather(precise *p, const btl_var *v) {
    btl_bits seen = btl_bits_new(p->a, v->node->id + 1);
    BTL_TRY(precise_add(p, seen, v->node));
    for (int i = 0; i < p->n; i++)
        for (int k = 0; k < p->nodes[i]->nin; k++)
            if (!p->given(p->user, p->nodes[i]->in[k])) BTL_TRY(precise_add(p, seen, p->nodes[i]->in[k]->node));
    qsort(p->nodes, (size_t)p->n, sizeof(const btl_node *), precise_by_id);
    p->values = BTL_ARRAY(p->a, btl_precise *, p->n);
    return BTL_OK;
}

btl_status btl_precise_eval(btl_context *ctx, btl_arena *a, const btl_var *v, btl_precise_given given, void *user, int64_t *symbols, uint64_t jitter,
                            btl_precise *out, btl_error *err) {
    const btl_precise *known = given(user, v);
    if (known) {
        *out = *known;
        return BTL_OK;
    }
    precise *p = BTL_NEW(a, precise);
    p->ctx = ctx, p->a = a, p->given = given, p->user = user, p->symbols = symbols, p->jitter = jitter ? btl_hash_mix(jitter, 1) | 1 : 0, p->err = err;
    BTL_TRY(precise_gather(p, v));
    for (int i = 0; i < p->n; i++) BTL_TRY(precise_node(p, i));
    *out = *precise_value(p, v);
    return BTL_OK;
}
