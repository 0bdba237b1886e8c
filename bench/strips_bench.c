/* strips_bench.c - how fast the strip interpreter is: nanoseconds per element, on one thread.
 * Bodies are made by hand and run without the function around them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_NO_SITES
#define BTL_NO_SITES
#endif
#include "expr/op.h"
#include "vm/strips.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern const btl_op btl_op_fused;

typedef struct bench {
    btl_graph *g;
    const char *name, *reduce;
    int nin, rank, naxes, axes[2];
    int64_t shape[2];
    int in_rank[3];
    int64_t in_dims[3][2];
    const char *chain;    /* ops applied one after the other; binary ones take p[1], p[2] in turn */
    btl_strips *program;
} bench;

static double bench_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static btl_type bench_type(btl_graph *g, int rank, const int64_t *dims) {
    const btl_dim *d[2];
    for (int i = 0; i < rank; i++) d[i] = btl_dim_const(g, dims[i]);
    return btl_type_make(g, BTL_F32, rank, d);
}

static btl_var *bench_chain(btl_graph *g, const char *chain, btl_var **p, int nin) {
    btl_var *v = p[0];
    int turn = 0;
    for (const char *c = chain; *c;) {
        size_t length = strcspn(c, " ");
        const btl_op *op = btl_op_find(c, length);
        btl_var *in[2] = { v, nin > 1 ? p[1 + turn++ % (nin - 1)] : v };
        v = btl_apply(g, op, op->max_in, in, NULL)->out;
        c += length + strspn(c + length, " ");
    }
    return v;
}

static btl_status bench_build(void *arg) {
    bench *b = arg;
    btl_graph *g = b->g;
    btl_var *in[3], *params[3], *result;
    for (int i = 0; i < b->nin; i++) {
        btl_type outer = bench_type(g, b->in_rank[i], b->in_dims[i]), inner = { BTL_F32, 0, NULL };
        in[i] = btl_graph_input(g, "x", &outer);
        params[i] = btl_graph_param(g, "p", &inner);
    }
    result = bench_chain(g, b->chain, params, b->nin);
    btl_body body = { b->nin, 1, params, &result, g };
    btl_type space = bench_type(g, b->rank, b->shape);
    btl_param p[5] = { { .body = &body } };
    p[1].shape.n = b->rank;
    p[1].shape.v = space.dims;
    p[2].s = b->reduce ? b->reduce : "";
    p[3].axes.n = b->naxes;
    p[3].axes.v = b->axes;
    btl_node *n = btl_apply(g, &btl_op_fused, b->nin, in, p);
    if (!n) return g->status;
    b->program = btl_strips_compile(&g->arena, n);
    return b->program ? BTL_OK : BTL_EINTERNAL;
}

static void bench_run(bench b) {
    btl_operand in[3], out;
    int64_t elems = 1, bytes = 0, strides[3][2];
    btl_graph_new(NULL, &b.g);
    if (btl_graph_protect(b.g, bench_build, &b) != BTL_OK) {
        fprintf(stderr, "%s: %s\n", b.name, btl_graph_messages(b.g));
        exit(1);
    }
    for (int d = 0; d < b.rank; d++) elems *= b.shape[d];
    for (int i = 0; i < b.nin; i++) {
        int64_t n = 1;
        for (int d = b.in_rank[i] - 1; d >= 0; d--) strides[i][d] = n, n *= b.in_dims[i][d];
        float *x = aligned_alloc(64, ((size_t)n * sizeof *x + 127) / 64 * 64);
        for (int64_t j = 0; j < n; j++) x[j] = 0.25f + (float)(j % 37) / 100;
        in[i] = (btl_operand){ (char *)x, BTL_F32, b.in_rank[i], b.in_dims[i], strides[i] };
        bytes += n * 4;
    }
    int64_t one = 1, nout = elems;
    for (int i = 0; i < b.naxes; i++) nout /= b.shape[b.axes[i]];
    bytes += nout * 4;
    out = (btl_operand){ aligned_alloc(64, ((size_t)nout * 4 + 127) / 64 * 64), BTL_F32, 1, &one, &one };
    memset(out.data, 0, (size_t)nout * 4);
    void *scratch = malloc(btl_strips_scratch_bytes(b.program));
    int64_t repeat = elems > 20000000 ? 1 : 20000000 / elems;
    double best = 1e30;
    for (int round = 0; round < 5; round++) {
        double start = bench_now();
        for (int64_t i = 0; i < repeat; i++)
            btl_strips_run(b.program, b.nin, in, 1, &out, b.shape, b.rank, scratch, NULL);
        double ns = (bench_now() - start) / (double)repeat;
        if (ns < best) best = ns;
    }
    printf("%-44s %10.3f ns/element %8.2f GB/s %12.1f ns/run\n", b.name, best / (double)elems, (double)bytes / best, best);
    fflush(stdout);
    for (int i = 0; i < b.nin; i++) free(in[i].data);
    free(out.data), free(scratch);
    btl_graph_free(b.g);
}

#define VECTOR(n) .rank = 1, .shape = { n }, .in_rank = { 1, 1, 1 }, .in_dims = { { n }, { n }, { n } }
#define MATRIX(n, m) .rank = 2, .shape = { n, m }, .in_rank = { 2, 2, 2 }, .in_dims = { { n, m }, { n, m }, { n, m } }
#define TEN "add mul tanh add exp mul add sigmoid mul add"

int main(void) {
    static const bench all[] = {
        { .name = "0-d addition", .nin = 2, .rank = 0, .chain = "add" },
        { .name = "addition of 10", .nin = 2, VECTOR(10), .chain = "add" },
        { .name = "addition of 1000", .nin = 2, VECTOR(1000), .chain = "add" },
        { .name = "addition of 1e7", .nin = 2, VECTOR(10000000), .chain = "add" },
        { .name = "triad, 1e7", .nin = 3, VECTOR(10000000), .chain = "mul add" },
        { .name = "10 ops (tanh exp sigmoid), 1e7", .nin = 3, VECTOR(10000000), .chain = TEN },
        { .name = "10 ops (tanh exp sigmoid), 1e4", .nin = 3, VECTOR(10000), .chain = TEN },
        { .name = "10 cheap ops, 1e7", .nin = 3, VECTOR(10000000), .chain = "add mul add mul maximum add mul sub add mul" },
        { .name = "10 cheap ops, 1e4", .nin = 3, VECTOR(10000), .chain = "add mul add mul maximum add mul sub add mul" },
        { .name = "bias: [4096, 10] + [10]", .nin = 2, .rank = 2, .shape = { 4096, 10 }, .in_rank = { 2, 1 }, .in_dims = { { 4096, 10 }, { 10 } }, .chain = "add" },
        { .name = "[4096, 10] - [4096, 1]", .nin = 2, .rank = 2, .shape = { 4096, 10 }, .in_rank = { 2, 2 }, .in_dims = { { 4096, 10 }, { 4096, 1 } }, .chain = "sub" },
        { .name = "sum of 1e7", .nin = 1, VECTOR(10000000), .reduce = "sum", .naxes = 1, .chain = "" },
        { .name = "sum of 1e4", .nin = 1, VECTOR(10000), .reduce = "sum", .naxes = 1, .chain = "" },
        { .name = "max of 1e4", .nin = 1, VECTOR(10000), .reduce = "max", .naxes = 1, .chain = "" },
        { .name = "sum of products, 1e7", .nin = 2, VECTOR(10000000), .reduce = "sum", .naxes = 1, .chain = "mul" },
        { .name = "column sums [256, 784]", .nin = 1, MATRIX(256, 784), .reduce = "sum", .naxes = 1, .chain = "" },
        { .name = "column sums of exp [256, 784]", .nin = 1, MATRIX(256, 784), .reduce = "sum", .naxes = 1, .chain = "exp" },
        { .name = "column sums [4096, 10]", .nin = 1, MATRIX(4096, 10), .reduce = "sum", .naxes = 1, .chain = "" },
        { .name = "column sums [4096, 2000]", .nin = 1, MATRIX(4096, 2000), .reduce = "sum", .naxes = 1, .chain = "" },
        { .name = "row sums [4096, 10]", .nin = 1, MATRIX(4096, 10), .reduce = "sum", .naxes = 1, .axes = { 1 }, .chain = "" },
        { .name = "row sums of exp [4096, 10]", .nin = 1, MATRIX(4096, 10), .reduce = "sum", .naxes = 1, .axes = { 1 }, .chain = "exp" },
        { .name = "row sums [4096, 64]", .nin = 1, MATRIX(4096, 64), .reduce = "sum", .naxes = 1, .axes = { 1 }, .chain = "" },
        { .name = "row sums [4096, 784]", .nin = 1, MATRIX(4096, 784), .reduce = "sum", .naxes = 1, .axes = { 1 }, .chain = "" },
    };
    printf("instruction set: %s; strips of %d, %d lanes, blocks of %d\n", btl_strips_isa(), BTL_STRIP_ELEMS, BTL_STRIP_LANES, BTL_STRIP_BLOCK);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) bench_run(all[i]);
    return 0;
}
