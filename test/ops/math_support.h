/* math_support.h - graphs on small arrays, evaluated by the reference; gradients against differences.
 * For the tests of the mathematical ops.   SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TEST_MATH_SUPPORT_H
#define BTL_TEST_MATH_SUPPORT_H

#include "support.h"

#include "bitale/ops.h"
#include "expr/op.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BENCH_INPUTS = 6 };

/* A graph and the values of its inputs. */
typedef struct bench {
    btl_graph *g;
    int n;
    btl_var *vars[BENCH_INPUTS];
    btl_array arrays[BENCH_INPUTS];
} bench;

static bench bench_new(void) {
    bench b = { 0 };
    BTL_ASSERT_OK(btl_graph_new(NULL, &b.g));
    return b;
}

static void bench_free(bench *b) {
    for (int i = 0; i < b->n; i++) btl_array_free(&b->arrays[i]);
    btl_graph_free(b->g);
}

typedef struct bench_type { btl_graph *g; const char *name; btl_dtype dtype; int rank; const int64_t *shape; btl_var *var; } bench_type;

static btl_status bench_make_input(void *arg) {
    bench_type *t = arg;
    const btl_dim *dims[BTL_MAX_RANK];
    for (int i = 0; i < t->rank; i++) dims[i] = btl_dim_const(t->g, t->shape[i]);
    btl_type type = btl_type_make(t->g, t->dtype, t->rank, dims);
    t->var = btl_graph_input(t->g, t->name, &type);
    return BTL_OK;
}

/* An input with values given in double. */
static btl_var *bench_input(bench *b, btl_dtype dtype, int rank, const int64_t *shape, const double *values) {
    static const char *const names[BENCH_INPUTS] = { "x", "y", "z", "u", "v", "w" };
    bench_type t = { b->g, names[b->n], dtype, rank, shape, NULL };
    BTL_ASSERT_OK(btl_graph_protect(b->g, bench_make_input, &t));
    btl_array from = btl_array_wrap(BTL_F64, rank, (int64_t *)(uintptr_t)shape, (void *)(uintptr_t)values);
    BTL_ASSERT_OK(btl_array_new(NULL, dtype, rank, shape, &b->arrays[b->n]));
    BTL_ASSERT_OK(btl_array_convert(&b->arrays[b->n], &from));
    b->vars[b->n++] = t.var;
    return t.var;
}
#define SHAPE(...) (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (int64_t[]){ __VA_ARGS__ }
#define SCALAR 0, NULL
#define VALUES(...) (double[]){ __VA_ARGS__ }

/* The value of a variable; free it. */
static btl_array bench_eval(bench *b, btl_var *v) {
    btl_array result = { 0 };
    btl_error err = { 0 };
    if (!v) BTL_FAIL("nothing to evaluate: %s", btl_graph_error(b->g) ? btl_graph_error(b->g)->message : "no error");
    if (btl_graph_eval(b->g, b->n, b->vars, b->arrays, NULL, 1, &v, &result, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    return result;
}

/* Elements as double (exact but for large 64-bit integers). */
static __attribute__((unused)) int bench_doubles(bench *b, btl_var *v, double *out, int capacity) {
    btl_array a = bench_eval(b, v);
    int64_t n = btl_array_elems(&a);
    if (n > capacity) BTL_FAIL("%lld elements", (long long)n);
    btl_array to = btl_array_wrap(BTL_F64, a.ndim, a.shape, out);
    BTL_ASSERT_OK(btl_array_convert(&to, &a));
    btl_array_free(&a);
    return (int)n;
}

static __attribute__((unused)) void bench_expect_at(const char *file, int line, bench *b, btl_var *v, int n,
                                                    const double *want, double tolerance) {
    double got[512];
    int m = bench_doubles(b, v, got, 512);
    if (m != n) btl_test_fail(file, line, "%d elements, %d expected", m, n);
    for (int i = 0; i < n; i++) {
        bool same = isnan(want[i]) ? isnan(got[i]) : got[i] == want[i] || fabs(got[i] - want[i]) <= tolerance * (1 + fabs(want[i]));
        if (!same || (want[i] == 0 && tolerance == 0 && signbit(want[i]) != signbit(got[i])))
            btl_test_fail(file, line, "element %d is %.17g, not %.17g", i, got[i], want[i]);
    }
}
#define EXPECT(b, v, tolerance, ...)                                                              \
    bench_expect_at(__FILE__, __LINE__, (b), (v), (int)(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double)), \
                    (double[]){ __VA_ARGS__ }, (tolerance))

/* The type of a variable in the notation's words. */
static __attribute__((unused)) void bench_expect_type_at(const char *file, int line, bench *b, btl_var *v, const char *want) {
    if (!v) btl_test_fail(file, line, "no variable: %s", btl_graph_error(b->g) ? btl_graph_error(b->g)->message : "no error");
    const char *got = btl_var_type(b->g, v);
    if (strcmp(got, want) != 0) btl_test_fail(file, line, "type is %s, not %s", got, want);
}
#define EXPECT_TYPE(b, v, want) bench_expect_type_at(__FILE__, __LINE__, (b), (v), (want))

/* The builder failed, and its message contains the text. */
#define EXPECT_MISTAKE(b, v, status_, text)                                                       \
    do {                                                                                          \
        if ((v) != NULL) BTL_FAIL("no mistake was found");                                        \
        assert_non_null(btl_graph_error((b)->g));                                                 \
        assert_int_equal(btl_graph_error((b)->g)->status, (status_));                             \
        BTL_ASSERT_CONTAINS(btl_graph_messages((b)->g), (text));                                  \
    } while (0)

/* ---- gradients --------------------------------------------------------------------------- */

/* Reverse mode, as small as can be: all nodes backwards, contributions added. */
typedef struct bench_grad_args { bench *b; btl_var *y, *dy; btl_var **grads; } bench_grad_args;

static btl_status bench_grad_node(btl_graph *g, const btl_node *n, btl_var **grads) {
    btl_var *dy = grads[n->id], *din[8] = { 0 };
    bool need[8] = { 0 };
    if (!dy || n->nin == 0) return BTL_OK;
    for (int i = 0; i < n->nin; i++)
        need[i] = btl_dtype_kind(n->in[i]->type.dtype) == 'f' && (!n->op->connected || n->op->connected(n, 0, i));
    btl_var *out = n->out;
    btl_vjp v = { g, n, n->in, &out, &dy, need, din };
    if (!n->op->vjp) return BTL_OK;
    btl_status status = n->op->vjp(&v);
    if (status != BTL_OK) return status;
    for (int i = 0; i < n->nin; i++) {
        if (!din[i] || !need[i]) continue;
        int id = n->in[i]->node->id;
        grads[id] = grads[id] ? btl_add(g, grads[id], din[i]) : din[i];
    }
    return BTL_OK;
}

static btl_status bench_grad_run(void *arg) {
    bench_grad_args *a = arg;
    btl_graph *g = a->b->g;
    int count = a->y->node->id + 1;
    a->grads = BTL_ARRAY(&g->arena, btl_var *, count);
    a->grads[a->y->node->id] = a->dy;
    for (int id = count - 1; id >= 0; id--) {
        btl_status status = bench_grad_node(g, g->nodes[id], a->grads);
        if (status != BTL_OK) return status;
    }
    return BTL_OK;
}

/* Gradients of sum(y * dy) by each input of the bench (dy among the inputs, too). */
static __attribute__((unused)) void bench_grad(bench *b, btl_var *y, btl_var *dy, btl_var **out) {
    bench_grad_args a = { b, y, dy, NULL };
    if (btl_graph_protect(b->g, bench_grad_run, &a) != BTL_OK)
        BTL_FAIL("no gradient: %s", btl_graph_error(b->g) ? btl_graph_error(b->g)->message : "?");
    for (int i = 0; i < b->n; i++) {
        int id = b->vars[i]->node->id;
        out[i] = id <= y->node->id ? a.grads[id] : NULL;
    }
}

/* Compares them with central differences along every coordinate of the first n inputs (f64). dy is
 * drawn; `tolerance` is relative to 1 + the gradient. */
static __attribute__((unused)) void bench_check_gradient(bench *b, btl_var *y, int n, double tolerance, const char *what) {
    btl_rng rng = { btl_test_seed() };
    btl_array value = bench_eval(b, y);
    int64_t elems = btl_array_elems(&value);
    double *weights = calloc((size_t)elems + 1, sizeof *weights);
    for (int64_t i = 0; i < elems; i++) weights[i] = btl_rng_uniform(&rng, 0.5, 1.5);
    btl_var *grads[BENCH_INPUTS], *dy = bench_input(b, BTL_F64, value.ndim, value.shape, weights);
    bench_grad(b, y, dy, grads);
    for (int k = 0; k < n; k++) {
        if (!grads[k]) BTL_FAIL("%s: input %d has no gradient", what, k);
        if (!btl_type_equal(&grads[k]->type, &b->vars[k]->type)) BTL_FAIL("%s: the gradient by input %d has another type", what, k);
        btl_array gradient = bench_eval(b, grads[k]);
        double *x = btl_array_data(&b->arrays[k]);
        for (int64_t i = 0; i < btl_array_elems(&b->arrays[k]); i++) {
            double x0 = x[i], h = ldexp(1, -17) * (fabs(x0) > 1 ? fabs(x0) : 1), sum = 0;
            for (int side = 1; side >= -1; side -= 2) {
                x[i] = x0 + side * h;
                btl_array moved = bench_eval(b, y);
                for (int64_t j = 0; j < elems; j++) sum += side * weights[j] * ((double *)btl_array_data(&moved))[j];
                btl_array_free(&moved);
            }
            x[i] = x0;
            double want = sum / (2 * h), got = ((double *)btl_array_data(&gradient))[i];
            if (!(fabs(got - want) <= tolerance * (1 + fabs(want))))
                BTL_FAIL("%s: gradient by input %d at %g (element %lld) is %.12g, differences give %.12g", what, k, x0, (long long)i, got, want);
        }
        btl_array_free(&gradient);
    }
    free(weights);
    btl_array_free(&value);
}

#endif
