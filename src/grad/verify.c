/* verify.c - a gradient held against finite differences, as Theano's verify_grad does it.
 *
 *     c(x) = sum(u * y(x)),  u uniform in [0.5, 1.5)          a random projection of the output
 *     (c(x + e d) - c(x - e d)) / 2e   against   c'(x) . d    d uniform in [-1, 1), all inputs at once
 *
 * or, coordinate by coordinate, d = each unit vector. The gradient is computed in the graph's own
 * dtypes, the differences in f64: the graph of c is copied with every floating-point leaf and
 * setting of it widened. Where that cannot be done (an op whose result keeps a narrow dtype) the
 * graph is evaluated as it is, with steps large enough for its precision. Central differences
 * leave an error of e^2, where Theano's one-sided ones leave e.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/grad.h"

#include "bitale/ops.h"
#include "expr/op.h"
#include "ops/helpers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct verify {
    btl_graph *g;
    btl_var *y;
    int n;
    btl_var *const *inputs;
    const btl_array *at;
    btl_verify_options o;
    btl_error *err;
    uint64_t random;

    /* the gradient, in the graph's own dtypes; the last given one is the projection */
    btl_var *cost;
    btl_var **given_vars;
    btl_array *given;
    int nfloat;            /* floating inputs */
    int *float_input;      /* their numbers */
    btl_var **gradients;   /* by them */
    btl_array *values;

    /* the differences */
    btl_graph *wide;       /* the graph in f64; g itself where that fails */
    btl_bits reach;        /* of cost, in g */
    btl_var *wide_cost, **wide_vars;
    btl_array *points;     /* what wide_vars are given */
    btl_array *base, *direction, *moved; /* f64, by input; empty for integers */
} verify;

/* What is compared: the number of an input and of an element, or a direction (input -1). */
typedef struct verify_place { int test, input; int64_t element; } verify_place;

static bool verify_is_float(const btl_var *v) {
    return btl_dtype_kind(v->type.dtype) == 'f';
}

/* splitmix64, to 53 bits in [0, 1). Steele, Lea & Flood (2014), OOPSLA. */
static double verify_random(verify *v) {
    uint64_t z = (v->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Theano's steps and tolerances, by the coarsest float among the inputs. */
static void verify_defaults(verify *v) {
    size_t bytes = 8;
    for (int i = 0; i < v->n; i++) {
        size_t b = btl_dtype_bytes(v->inputs[i]->type.dtype);
        if (verify_is_float(v->inputs[i]) && b < bytes) bytes = b;
    }
    double eps = bytes == 8 ? 1e-7 : bytes == 4 ? 3e-4 : 1e-1, tol = bytes == 8 ? 1e-4 : bytes == 4 ? 1e-2 : 5e-2;
    if (!(v->o.eps > 0)) v->o.eps = eps;
    if (!(v->o.abs_tol > 0)) v->o.abs_tol = tol;
    if (!(v->o.rel_tol > 0)) v->o.rel_tol = tol;
    if (v->o.ntests <= 0) v->o.ntests = 2;
    v->random = v->o.seed ? v->o.seed : 1;
}

/* ---- building ----------------------------------------------------------------------------- */

static btl_status verify_build(void *arg) {
    verify *v = arg;
    btl_arena *a = &v->g->arena;
    v->given_vars = BTL_ARRAY(a, btl_var *, v->n + 1);
    v->wide_vars = BTL_ARRAY(a, btl_var *, v->n + 1);
    v->gradients = BTL_ARRAY(a, btl_var *, v->n + 1);
    v->float_input = BTL_ARRAY(a, int, v->n + 1);
    btl_array **arrays[] = { &v->given, &v->values, &v->points, &v->base, &v->direction, &v->moved };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) *arrays[i] = BTL_ARRAY(a, btl_array, v->n + 1);
    if (!verify_is_float(v->y))
        return btl_error_set(v->err, BTL_EDTYPE, "verify_grad: %s is no floating-point variable", btl_var_text(v->g, v->y));
    btl_var **wrt = BTL_ARRAY(a, btl_var *, v->n + 1);
    for (int i = 0; i < v->n; i++) {
        v->given_vars[i] = v->inputs[i];
        if (!verify_is_float(v->inputs[i])) continue;
        wrt[v->nfloat] = v->inputs[i];
        v->float_input[v->nfloat++] = i;
    }
    v->given_vars[v->n] = btl_graph_input(v->g, "projection", &v->y->type);
    btl_type scalar = { v->y->type.dtype, 0, NULL };
    v->cost = btl_sum_to(v->g, btl_mul(v->g, v->y, v->given_vars[v->n]), &scalar);
    btl_status status = v->cost ? btl_grad(v->g, v->cost, v->nfloat, wrt, BTL_DISCONNECTED_ZERO, v->gradients)
                                : v->g->status;
    if (status != BTL_OK) return btl_error_set(v->err, status, "%s", v->g->error.message);
    v->reach = btl_graph_reach(v->g, 1, &v->cost);
    return BTL_OK;
}

/* A leaf of the wide graph: integers as they are, floats in f64. */
static btl_var *verify_widen_leaf(verify *v, const btl_var *from) {
    btl_graph *to = v->wide;
    const btl_array *a = btl_var_constant_array(from);
    btl_dtype dtype = verify_is_float(from) ? BTL_F64 : from->type.dtype;
    if (a) {
        int64_t elems = btl_array_elems(a);
        btl_array wide = btl_array_wrap(dtype, a->ndim, a->shape,
                                        btl_arena_zalloc(&to->arena, (size_t)elems * btl_dtype_bytes(dtype) + 1));
        return btl_array_convert(&wide, a) == BTL_OK ? btl_graph_constant(to, &wide) : NULL;
    }
    const btl_dim **dims = BTL_ARRAY(&to->arena, const btl_dim *, from->type.rank + 1);
    for (int k = 0; k < from->type.rank; k++) dims[k] = btl_dim_import(to, from->type.dims[k]);
    btl_type type = { dtype, from->type.rank, dims };
    return btl_graph_input(to, from->name, &type);
}

/* A node on widened operands. One that makes floats of nothing or of integers (random numbers,
 * ranges) stays as it is and is cast. False where its results are not f64. */
static bool verify_widen_node(verify *v, const btl_node *n, btl_var_map *m) {
    btl_graph *to = v->wide;
    bool of_floats = false;
    btl_var **in = BTL_ARRAY(&to->arena, btl_var *, n->nin + 1);
    for (int i = 0; i < n->nin; i++) {
        if (!(in[i] = btl_var_map_get(m, n->in[i]))) return false;
        of_floats = of_floats || verify_is_float(n->in[i]);
    }
    btl_param *params = BTL_ARRAY(&to->arena, btl_param, n->op->nparams + 1);
    for (int k = 0; k < n->op->nparams; k++) {
        params[k] = btl_param_import(to, n->op->params[k].kind, &n->params[k]);
        if (n->op->params[k].kind == PARAM_DTYPE && of_floats && btl_dtype_kind((btl_dtype)params[k].i) == 'f')
            params[k].i = BTL_F64;
    }
    btl_node *made = btl_apply(to, n->op, n->nin, in, params);
    if (!made || made->nout != n->nout) return false;
    for (int o = 0; o < n->nout; o++) {
        btl_var *out = &made->out[o];
        if (verify_is_float(&n->out[o]) && !of_floats) out = btl_cast_to(to, out, BTL_F64);
        if (!out || (verify_is_float(&n->out[o]) && out->type.dtype != BTL_F64)) return false;
        btl_var_map_set(&to->arena, m, &n->out[o], out);
    }
    return true;
}

static btl_status verify_widen(void *arg) {
    verify *v = arg;
    if (v->g->dims.has_late) return BTL_EUNSUPPORTED; /* sizes found at run time belong to the nodes that find them */
    btl_var_map m = btl_var_map_new(&v->wide->arena, v->g);
    btl_dims_import(v->wide, v->g);
    for (int i = 0; i <= v->n; i++) {
        v->wide_vars[i] = verify_widen_leaf(v, v->given_vars[i]);
        if (!v->wide_vars[i]) return BTL_EUNSUPPORTED;
        btl_var_map_set(&v->wide->arena, &m, v->given_vars[i], v->wide_vars[i]);
    }
    for (int id = 0; id <= v->cost->node->id; id++) {
        const btl_node *n = v->g->nodes[id];
        if (!btl_bits_get(v->reach, id) || btl_var_map_get(&m, n->out)) continue;
        if (!(n->op->flags & OP_LEAF)) {
            if (!verify_widen_node(v, n, &m)) return BTL_EUNSUPPORTED;
            continue;
        }
        btl_var *leaf = verify_widen_leaf(v, n->out);
        if (!leaf) return BTL_EUNSUPPORTED;
        btl_var_map_set(&v->wide->arena, &m, n->out, leaf);
    }
    v->wide_cost = btl_var_map_get(&m, v->cost);
    return v->wide_cost ? BTL_OK : BTL_EUNSUPPORTED;
}

/* The graph in f64, or the graph itself. */
static btl_status verify_choose_graph(verify *v) {
    BTL_TRY(btl_graph_new(v->g->ctx, &v->wide));
    btl_status status = btl_graph_protect(v->wide, verify_widen, v);
    if (status == BTL_OK || status == BTL_ENOMEM) return status;
    btl_graph_free(v->wide);
    v->wide = v->g;
    v->wide_cost = v->cost;
    memcpy(v->wide_vars, v->given_vars, (size_t)(v->n + 1) * sizeof *v->wide_vars);
    return BTL_OK;
}

/* ---- values ------------------------------------------------------------------------------- */

static btl_status verify_array(verify *v, btl_dtype dtype, const btl_array *like, btl_array *out) {
    btl_status status = btl_array_new(v->g->ctx, dtype, like->ndim, like->shape, out);
    return status == BTL_OK ? BTL_OK : btl_error_set(v->err, status, "verify_grad: no memory for a copy of the inputs");
}

static btl_status verify_prepare(verify *v) {
    for (int i = 0; i < v->n; i++) {
        BTL_TRY(verify_array(v, v->inputs[i]->type.dtype, &v->at[i], &v->given[i]));
        BTL_TRY(btl_array_convert(&v->given[i], &v->at[i]));
        BTL_TRY(verify_array(v, v->wide_vars[i]->type.dtype, &v->at[i], &v->points[i]));
        BTL_TRY(btl_array_convert(&v->points[i], &v->given[i]));
        if (!verify_is_float(v->inputs[i])) continue;
        BTL_TRY(verify_array(v, BTL_F64, &v->at[i], &v->base[i]));
        BTL_TRY(btl_array_convert(&v->base[i], &v->given[i]));
        BTL_TRY(verify_array(v, BTL_F64, &v->at[i], &v->direction[i]));
        BTL_TRY(verify_array(v, BTL_F64, &v->at[i], &v->moved[i]));
    }
    btl_array y;
    BTL_TRY(btl_graph_eval(v->g, v->n, v->given_vars, v->given, NULL, 1, &v->y, &y, v->err));
    btl_status status = verify_array(v, v->y->type.dtype, &y, &v->given[v->n]);
    if (status == BTL_OK) status = verify_array(v, v->wide_vars[v->n]->type.dtype, &y, &v->points[v->n]);
    if (status == BTL_OK) status = verify_array(v, BTL_F64, &y, &v->base[v->n]);
    btl_array_free(&y);
    return status;
}

/* A new projection, and the gradient of what it makes of y. */
static btl_status verify_project(verify *v) {
    double *u = btl_array_data(&v->base[v->n]);
    for (int64_t i = 0, n = btl_array_elems(&v->base[v->n]); i < n; i++) u[i] = 0.5 + verify_random(v);
    BTL_TRY(btl_array_convert(&v->given[v->n], &v->base[v->n]));
    BTL_TRY(btl_array_convert(&v->points[v->n], &v->given[v->n]));
    for (int k = 0; k < v->nfloat; k++) btl_array_free(&v->values[k]);
    return btl_graph_eval(v->g, v->n + 1, v->given_vars, v->given, NULL, v->nfloat, v->gradients, v->values, v->err);
}

/* The projected output at base + step * direction. */
static btl_status verify_cost_at(verify *v, double step, double *cost) {
    for (int k = 0; k < v->nfloat; k++) {
        int i = v->float_input[k];
        const double *base = btl_array_data(&v->base[i]), *d = btl_array_data(&v->direction[i]);
        double *moved = btl_array_data(&v->moved[i]);
        for (int64_t e = 0, n = btl_array_elems(&v->base[i]); e < n; e++) moved[e] = base[e] + step * d[e];
        BTL_TRY(btl_array_convert(&v->points[i], &v->moved[i]));
    }
    btl_array result, to = btl_array_wrap(BTL_F64, 0, NULL, cost);
    BTL_TRY(btl_graph_eval(v->wide, v->n + 1, v->wide_vars, v->points, NULL, 1, &v->wide_cost, &result, v->err));
    btl_status status = btl_array_convert(&to, &result);
    btl_array_free(&result);
    return status;
}

/* gradient . direction */
static btl_status verify_slope(verify *v, double *slope) {
    *slope = 0;
    for (int k = 0; k < v->nfloat; k++) {
        int i = v->float_input[k];
        const double *d = btl_array_data(&v->direction[i]);
        double *gradient = btl_array_data(&v->moved[i]);
        BTL_TRY(btl_array_convert(&v->moved[i], &v->values[k]));
        for (int64_t e = 0, n = btl_array_elems(&v->base[i]); e < n; e++)
            if (d[e] != 0) *slope += gradient[e] * d[e];
    }
    return BTL_OK;
}

/* ---- comparing ---------------------------------------------------------------------------- */

static void verify_place_text(const verify *v, const verify_place *p, char *text, size_t bytes) {
    if (p->input < 0) {
        snprintf(text, bytes, "along a random direction");
        return;
    }
    const btl_array *a = &v->base[p->input];
    const char *name = v->inputs[p->input]->name;
    int64_t index[BTL_MAX_RANK], rest = p->element;
    for (int k = a->ndim - 1; k >= 0; k--) index[k] = rest % a->shape[k], rest /= a->shape[k];
    int at = name ? snprintf(text, bytes, "by %.80s", name) : snprintf(text, bytes, "by input %d", p->input);
    for (int k = 0; k < a->ndim && at > 0 && (size_t)at < bytes; k++)
        at += snprintf(text + at, bytes - (size_t)at, "%s%lld%s", k ? ", " : "[", (long long)index[k], k + 1 < a->ndim ? "" : "]");
}

static btl_status verify_compare(verify *v, const verify_place *p) {
    double slope, above, below;
    BTL_TRY(verify_slope(v, &slope));
    BTL_TRY(verify_cost_at(v, v->o.eps, &above));
    BTL_TRY(verify_cost_at(v, -v->o.eps, &below));
    double difference = (above - below) / (2 * v->o.eps);
    double absolute = fabs(slope - difference), size = fabs(slope) + fabs(difference);
    double relative = absolute / (size > 1e-8 ? size : 1e-8);
    if (absolute <= v->o.abs_tol || relative <= v->o.rel_tol) return BTL_OK; /* a NaN is never */
    char place[400];
    verify_place_text(v, p, place, sizeof place);
    return btl_error_set(v->err, BTL_ECHECK,
                         "the gradient differs from finite differences %s: the gradient gives %.9g, differences of "
                         "step %.3g in %s give %.9g; absolute error %.3g (allowed %.3g), relative error %.3g "
                         "(allowed %.3g); projection %d of %d",
                         place, slope, v->o.eps, v->wide == v->g ? "the graph's own dtypes" : "f64", difference, absolute,
                         v->o.abs_tol, relative, v->o.rel_tol, p->test + 1, v->o.ntests);
}

static btl_status verify_coordinates(verify *v, int test) {
    for (int k = 0; k < v->nfloat; k++) {
        int i = v->float_input[k];
        double *d = btl_array_data(&v->direction[i]);
        for (int64_t e = 0, n = btl_array_elems(&v->base[i]); e < n; e++) {
            d[e] = 1;
            BTL_TRY(verify_compare(v, &(verify_place){ test, i, e }));
            d[e] = 0;
        }
    }
    return BTL_OK;
}

static int64_t verify_fill_direction(verify *v, bool zero) {
    int64_t elems = 0;
    for (int k = 0; k < v->nfloat; k++) {
        btl_array *a = &v->direction[v->float_input[k]];
        double *d = btl_array_data(a);
        int64_t n = btl_array_elems(a);
        for (int64_t e = 0; e < n; e++) d[e] = zero ? 0 : 2 * verify_random(v) - 1;
        elems += n;
    }
    return elems;
}

enum { VERIFY_SEARCHED = 2000 }; /* coordinates looked through to name the wrong one */

static btl_status verify_test(verify *v, int test) {
    BTL_TRY(verify_project(v));
    int64_t elems = verify_fill_direction(v, v->o.every_coordinate);
    if (v->o.every_coordinate) return verify_coordinates(v, test);
    btl_error along = { 0 }, *err = v->err;
    v->err = &along;
    btl_status status = verify_compare(v, &(verify_place){ test, -1, 0 });
    v->err = err;
    if (status == BTL_OK) return BTL_OK;
    if (status == BTL_ECHECK && elems <= VERIFY_SEARCHED) {
        verify_fill_direction(v, true);
        BTL_TRY(verify_coordinates(v, test));
    }
    return btl_error_set(v->err, status, "%s", along.message);
}

static btl_status verify_run(verify *v) {
    BTL_TRY(verify_choose_graph(v));
    BTL_TRY(verify_prepare(v));
    for (int test = 0; test < v->o.ntests && v->nfloat; test++) BTL_TRY(verify_test(v, test));
    return BTL_OK;
}

btl_status btl_verify_grad(btl_graph *g, btl_var *y, int n, btl_var *const *inputs, const btl_array *at,
                           const btl_verify_options *options, btl_error *err) {
    bool missing = !y;
    for (int i = 0; i < n; i++) missing = missing || !inputs[i];
    if (missing)
        return btl_error_set(err, g->status != BTL_OK ? g->status : BTL_EUSAGE, "verify_grad: %s",
                             g->status != BTL_OK ? g->error.message : "a variable is NULL");
    verify v = { .g = g, .y = y, .n = n, .inputs = inputs, .at = at, .err = err };
    if (options) v.o = *options;
    verify_defaults(&v);
    btl_status status = btl_graph_protect(g, verify_build, &v);
    if (status == BTL_OK) status = verify_run(&v);
    btl_array *arrays[] = { v.given, v.values, v.points, v.base, v.direction, v.moved };
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
        for (int i = 0; v.moved && i <= n; i++) btl_array_free(&arrays[k][i]);
    if (v.wide != g) btl_graph_free(v.wide);
    return status;
}
