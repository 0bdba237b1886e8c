/* strips_bench.c - elementwise chains, broadcasting, reductions, softmax: whole calls on one thread
 * with the caller's output. The limit of each is a plain C loop of this file that moves as many bytes
 * (f32) over arrays of the same size, measured in turn with it: `triad` for large ones, which memory
 * bounds, and for small ones, which lie in cache. SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

typedef struct strips_case {
    const char *name;
    const char *result;   /* an expression of x, y, z, a, b, or statements and on the last line an expression */
    const char *types[5]; /* of x, y, z, a, b; NULL: not there */
} strips_case;

#define VECTORS(n) { "f32[" #n "]", "f32[" #n "]", "f32[" #n "]" }
#define TWO_VECTORS(n) { "f32[" #n "]", "f32[" #n "]" }
/* ten operations each */
#define TEN_CHEAP "maximum((((x + y) * x + y) * x - y) * x + y, x) * y - x"
#define TEN_DEAR  "(sigmoid((exp(tanh((x + y) * z) + y) * z) + y) * z) + y - x"
/* the benchmark suite's axpy_chain */
#define TEN_AXPY "t = a * x + b * y\nu = tanh(t)\nw = u * exp(-0.5 * u) + x\nw * w - y"
#define AND_SCALARS(n) { "f32[" #n "]", "f32[" #n "]", NULL, "f32", "f32" }

static const strips_case strips_chains[] = {
    { "addition of 1e7", "x + y", TWO_VECTORS(10000000) },
    { "10 cheap operations, 1e7 (goal 1.15)", TEN_CHEAP, TWO_VECTORS(10000000) },
    { "10 operations with tanh, exp, sigmoid, 1e7", TEN_DEAR, VECTORS(10000000) },
    { "10 operations of axpy_chain, 1e7", TEN_AXPY, AND_SCALARS(10000000) },
    { "addition of 1e4", "x + y", TWO_VECTORS(10000) },
    { "10 cheap operations, 1e4", TEN_CHEAP, TWO_VECTORS(10000) },
    { "10 operations with tanh, exp, sigmoid, 1e4", TEN_DEAR, VECTORS(10000) },
    { "10 operations of axpy_chain, 1e4", TEN_AXPY, AND_SCALARS(10000) },
    { "exp, 1e4", "exp(x)", { "f32[10000]" } },
    { "log, 1e4", "log(x)", { "f32[10000]" } },
    { "tanh, 1e4", "tanh(x)", { "f32[10000]" } },
    { "sigmoid, 1e4", "sigmoid(x)", { "f32[10000]" } },
    { "erf, 1e4", "erf(x)", { "f32[10000]" } },
    { "sin, 1e4", "sin(x)", { "f32[10000]" } },
    { "tan, 1e4", "tan(x)", { "f32[10000]" } },
    { "x ** y, 1e4", "x ** y", TWO_VECTORS(10000) },
    { "exp of f64, 1e4", "exp(x)", { "f64[10000]" } },
    { "sin of f64, 1e4", "sin(x)", { "f64[10000]" } },
};

static const strips_case strips_shapes[] = {
    { "rows stretched: [4096, 10] + [10]", "x + y", { "f32[4096, 10]", "f32[10]" } },
    { "columns stretched: [4096, 10] - [4096, 1]", "x - y", { "f32[4096, 10]", "f32[4096, 1]" } },
    { "columns stretched: [512, 512] - [512, 1]", "x - y", { "f32[512, 512]", "f32[512, 1]" } },
    { "outer: [512, 1] + [512]", "x + y", { "f32[512, 1]", "f32[512]" } },
    { "transposed: [1000, 1000] + its transpose", "x + x.T", { "f32[1000, 1000]" } },
    { "transposed: [64, 64] + its transpose", "x + x.T", { "f32[64, 64]" } },
    { "every other element of [200000]", "x[::2] + 1", { "f32[200000]" } },
    { "back to front, [100000]", "x[::-1] + 1", { "f32[100000]" } },
};

static const strips_case strips_reductions[] = {
    { "sum of 1e7", "sum(x)", { "f32[10000000]" } },
    { "sum of 1e4", "sum(x)", { "f32[10000]" } },
    { "max of 1e4", "max(x)", { "f32[10000]" } },
    { "argmax of [4096, 10] by rows", "argmax(x, axis=1)", { "f32[4096, 10]" } },
    { "sum of products, 1e7", "sum(x * y)", { "f32[10000000]", "f32[10000000]" } },
    { "row sums [4096, 10]", "sum(x, axis=1)", { "f32[4096, 10]" } },
    { "row sums [4096, 64]", "sum(x, axis=1)", { "f32[4096, 64]" } },
    { "row sums [4096, 784]", "sum(x, axis=1)", { "f32[4096, 784]" } },
    { "row sums of exp [4096, 10]", "sum(exp(x), axis=1)", { "f32[4096, 10]" } },
    { "column sums [4096, 10]", "sum(x, axis=0)", { "f32[4096, 10]" } },
    { "column sums [256, 784]", "sum(x, axis=0)", { "f32[256, 784]" } },
    { "column sums [4096, 2000]", "sum(x, axis=0)", { "f32[4096, 2000]" } },
    { "column sums of exp [256, 784]", "sum(exp(x), axis=0)", { "f32[256, 784]" } },
    { "middle axis of [64, 100, 32]", "sum(x, axis=1)", { "f32[64, 100, 32]" } },
    { "softmax of rows [4096, 10]", "softmax(x, axis=1)", { "f32[4096, 10]" } },
    { "softmax of rows [256, 1000]", "softmax(x, axis=1)", { "f32[256, 1000]" } },
    { "softmax of columns [1000, 256]", "softmax(x, axis=0)", { "f32[1000, 256]" } },
    { "mean and variance of rows [256, 1000]", "(x - mean(x, axis=1, keepdims=true)) / sqrt(var(x, axis=1, keepdims=true) + 1e-5)",
      { "f32[256, 1000]" } },
};

/* ---- the limit ------------------------------------------------------------------------------------ */

typedef struct strips_triad { int64_t n; float *a, *b, *c; } strips_triad;

__attribute__((noinline, optimize("O3"))) static void strips_triad_run(int64_t n, float *restrict a, const float *restrict b,
                                                                        const float *restrict c) {
    for (int64_t i = 0; i < n; i++) a[i] = b[i] + 1.5f * c[i];
}

static void strips_triad_work(void *arg) {
    strips_triad *t = arg;
    strips_triad_run(t->n, t->a, t->b, t->c);
}

/* A triad over so many bytes in all. */
static strips_triad strips_triad_new(int64_t bytes) {
    int64_t n = bytes / 12;
    strips_triad t = { n, calloc((size_t)n + 1, 4), malloc((size_t)n * 4 + 4), malloc((size_t)n * 4 + 4) };
    if (!t.a || !t.b || !t.c) exit(1);
    for (int64_t i = 0; i < n; i++) t.b[i] = t.c[i] = 1;
    return t;
}

static void strips_triad_free(strips_triad *t) { free(t->a), free(t->b), free(t->c); }

/* ---- cases ---------------------------------------------------------------------------------------- */

static void strips_run(const strips_case *c) {
    char text[1000] = "", name[120];
    const char *last = strrchr(c->result, '\n');
    last = last ? last + 1 : c->result;
    for (int i = 0; i < 5; i++)
        if (c->types[i]) snprintf(text + strlen(text), sizeof text - strlen(text), "input %c: %s\n", "xyzab"[i], c->types[i]);
    snprintf(text + strlen(text), sizeof text - strlen(text), "%.*soutput result = %s\n", (int)(last - c->result), c->result, last);
    bench_program p = bench_compile(text, NULL);
    bench_arguments(&p, 1);
    bench_call(&p); /* makes the output */
    strips_triad triad = strips_triad_new(bench_bytes(&p));
    bench_pair t = bench_measure_pair(bench_call, &p, strips_triad_work, &triad);
    int64_t elems = 1;
    for (int i = 0; i < BENCH_MOST; i++) {
        if (p.in[i].data && btl_array_elems(&p.in[i]) > elems) elems = btl_array_elems(&p.in[i]);
        if (p.out[i].data && btl_array_elems(&p.out[i]) > elems) elems = btl_array_elems(&p.out[i]);
    }
    snprintf(name, sizeof name, "%s (%.3f ns an element)", c->name, t.time.median / (double)elems);
    bench_pair_row(name, t, "triad");
    strips_triad_free(&triad);
    bench_free(&p);
}

#define STRIPS_RUN(title, cases)                                                                   \
    bench_title(title);                                                                            \
    for (size_t i = 0; i < sizeof(cases) / sizeof *(cases); i++) strips_run(&(cases)[i])

int main(void) {
    STRIPS_RUN("elementwise", strips_chains);
    STRIPS_RUN("broadcast, transposed, sliced", strips_shapes);
    STRIPS_RUN("reductions", strips_reductions);
    return 0;
}
