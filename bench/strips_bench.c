/* strips_bench.c - elementwise chains and reductions by the strip interpreter, on one thread:
 * nanoseconds an element and bytes a second, of whole calls with the caller's output (so a 0-d case
 * is the price of a call). Compare the chains with `triad`, which does next to nothing but move
 * memory. SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/bitale.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct bench {
    const char *name;
    const char *result;   /* an expression of x, y, z */
    const char *types[3]; /* of x, y, z; NULL: not there */
} bench;

#define VECTORS(n)                                                                                 \
    { "f32[" #n "]", "f32[" #n "]", "f32[" #n "]" }
#define TEN_CHEAP "maximum((((x + y) * z + y) * z - y) * z + y, z) * y - z"
#define TEN_DEAR  "(sigmoid((exp(tanh((x + y) * z) + y) * z) + y) * z) + y"

static const bench bench_cases[] = {
    { "0-d addition", "x + y", { "f32", "f32" } },
    { "addition of 10", "x + y", { "f32[10]", "f32[10]" } },
    { "addition of 1000", "x + y", { "f32[1000]", "f32[1000]" } },
    { "addition of 1e7", "x + y", VECTORS(10000000) },
    { "triad, 1e7", "x * y + z", VECTORS(10000000) },
    { "10 cheap ops, 1e7", TEN_CHEAP, VECTORS(10000000) },
    { "10 cheap ops, 1e4", TEN_CHEAP, VECTORS(10000) },
    { "10 ops with tanh, exp, sigmoid, 1e7", TEN_DEAR, VECTORS(10000000) },
    { "10 ops with tanh, exp, sigmoid, 1e4", TEN_DEAR, VECTORS(10000) },
    { "[4096, 10] + [10]", "x + y", { "f32[4096, 10]", "f32[10]" } },
    { "[4096, 10] - [4096, 1]", "x - y", { "f32[4096, 10]", "f32[4096, 1]" } },
    { "[1000, 1000] + its transpose", "x + x.T", { "f32[1000, 1000]" } },
    { "sum of 1e7", "sum(x)", { "f32[10000000]" } },
    { "sum of 1e4", "sum(x)", { "f32[10000]" } },
    { "max of 1e4", "max(x)", { "f32[10000]" } },
    { "sum of products, 1e7", "sum(x * y)", { "f32[10000000]", "f32[10000000]" } },
    { "column sums [256, 784]", "sum(x, axis=0)", { "f32[256, 784]" } },
    { "column sums of exp [256, 784]", "sum(exp(x), axis=0)", { "f32[256, 784]" } },
    { "column sums [4096, 10]", "sum(x, axis=0)", { "f32[4096, 10]" } },
    { "column sums [4096, 2000]", "sum(x, axis=0)", { "f32[4096, 2000]" } },
    { "row sums [4096, 10]", "sum(x, axis=1)", { "f32[4096, 10]" } },
    { "row sums of exp [4096, 10]", "sum(exp(x), axis=1)", { "f32[4096, 10]" } },
    { "row sums [4096, 64]", "sum(x, axis=1)", { "f32[4096, 64]" } },
    { "row sums [4096, 784]", "sum(x, axis=1)", { "f32[4096, 784]" } },
};

static double bench_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void bench_check(btl_status status, const char *name, const char *message) {
    if (status == BTL_OK) return;
    fprintf(stderr, "%s: %s\n", name, message);
    exit(1);
}

static btl_function *bench_compile(btl_graph *g, const bench *b) {
    char text[1000] = "";
    btl_error err = { 0 };
    btl_function *f = NULL;
    for (int i = 0; i < 3 && b->types[i]; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "input %c: %s\n", 'x' + i,
                 b->types[i]);
    snprintf(text + strlen(text), sizeof text - strlen(text), "output result = %s\n", b->result);
    bench_check(btl_graph_parse(g, text, strlen(text), b->name), b->name, btl_graph_messages(g));
    bench_check(btl_function_new(g, btl_entry_find(g, NULL), NULL, &f, &err), b->name, err.message);
    return f;
}

/* An argument full of harmless numbers. */
static btl_array bench_argument(const btl_function *f, int i) {
    btl_array a;
    int64_t shape[BTL_MAX_RANK];
    int rank = btl_function_input_rank(f, i);
    for (int d = 0; d < rank; d++) shape[d] = btl_function_input_size(f, i, d);
    bench_check(btl_array_new(NULL, BTL_F32, rank, shape, &a), "argument", "out of memory");
    float *x = btl_array_data(&a);
    for (int64_t k = 0; k < btl_array_elems(&a); k++) x[k] = 0.25f + (float)(k % 37) / 100;
    return a;
}

static void bench_run(const bench *b) {
    btl_graph *g;
    btl_error err = { 0 };
    btl_array in[3] = { { 0 } }, out = { 0 };
    bench_check(btl_graph_new(NULL, &g), b->name, "out of memory");
    btl_function *f = bench_compile(g, b);
    int64_t elems = 1, bytes = 0;
    for (int i = 0; i < btl_function_ninputs(f); i++) {
        in[i] = bench_argument(f, i);
        bytes += btl_array_elems(&in[i]) * 4;
        if (btl_array_elems(&in[i]) > elems) elems = btl_array_elems(&in[i]);
    }
    bench_check(btl_call(f, NULL, in, &out, NULL, &err), b->name,
                err.message); /* makes the output */
    bytes += btl_array_elems(&out) * 4;
    int64_t repeat = elems > 10000000 ? 1 : 10000000 / elems;
    double best = 1e30;
    for (int round = 0; round < 5; round++) {
        double start = bench_now_ns();
        for (int64_t i = 0; i < repeat; i++) btl_call(f, NULL, in, &out, NULL, &err);
        double ns = (bench_now_ns() - start) / (double)repeat;
        if (ns < best) best = ns;
    }
    printf("%-38s %9.3f ns/element %8.2f GB/s %13.1f ns/call\n", b->name, best / (double)elems,
           (double)bytes / best, best);
    fflush(stdout);
    for (int i = 0; i < 3; i++) btl_array_free(&in[i]);
    btl_array_free(&out);
    btl_function_free(f);
    btl_graph_free(g);
}

int main(void) {
    for (size_t i = 0; i < sizeof bench_cases / sizeof *bench_cases; i++)
        bench_run(&bench_cases[i]);
    return 0;
}
