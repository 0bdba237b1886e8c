/* calls_bench.c - what a call costs by itself, and functions of many small pieces.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

static volatile int calls_sink;
static int calls_nothing(const void *a, void *b) { return a != b; }
static int (*volatile calls_empty)(const void *, void *) = calls_nothing;

static void calls_empty_work(void *arg) { calls_sink = calls_empty(arg, arg); }

/* One row: a program, whose results are the caller's buffers or made anew. */
static bench_time calls_program(const char *name, const char *text, bool fresh, double limit, const char *limit_name) {
    bench_program p = bench_compile(text, NULL);
    bench_arguments(&p, 1);
    bench_call(&p); /* makes the buffers that later calls are given */
    p.fresh = fresh;
    if (fresh)
        for (int i = 0; i < btl_function_noutputs(p.f); i++) btl_array_free(&p.out[i]);
    bench_time t = bench_measure(bench_call, &p);
    bench_row(name, t, limit, limit_name);
    bench_free(&p);
    return t;
}

/* A chain that cannot be fused: `n` products of matrices of 4 × 4, or n sums of all and additions. */
static void calls_chain(int n, const char *first, const char *step, const char *name, double limit) {
    size_t room = 200 + (size_t)n * (strlen(step) + 40);
    char *text = malloc(room), *p = text;
    if (!text) return;
    p += sprintf(p, "%s", first);
    for (int i = 0; i < n; i++) {
        char now[24], before[24];
        sprintf(before, "v%d", i), sprintf(now, "v%d", i + 1);
        p += sprintf(p, "%s = ", now);
        for (const char *c = step; *c; c++) p += *c == '$' ? sprintf(p, "%s", before) : sprintf(p, "%c", *c);
        *p++ = '\n', *p = 0;
    }
    p += sprintf(p, "output y = sum(v%d)\n", n);
    bench_program q = bench_compile(text, NULL);
    bench_arguments(&q, 0.25);
    bench_time t = bench_measure(bench_call, &q);
    t.median /= n, t.least /= n, t.most /= n;
    bench_row(name, t, limit, "an empty call");
    bench_free(&q);
    free(text);
}

/* A network of `layers` whose batch is of 2 rows, then of 3, then of 2 again: what a call takes more than one of 2 rows only. */
static void calls_resized(void *arg) {
    bench_program *p = arg;
    p->in[0].shape[0] = 5 - p->in[0].shape[0];
    bench_call(p);
}

static void calls_batches(int layers) {
    size_t room = 200 + (size_t)layers * 200;
    char *text = malloc(room), *at = text, name[80];
    if (!text) return;
    at += sprintf(at, "input x: f32[n, 8]\n");
    for (int i = 0; i < layers; i++) at += sprintf(at, "shared w%d: f32[8, 8] = full([8, 8], 0.1)\n", i);
    at += sprintf(at, "h0 = x\n");
    for (int i = 0; i < layers; i++) at += sprintf(at, "h%d = tanh(h%d @ w%d)\n", i + 1, i, i);
    at += sprintf(at, "loss = sum(h%d ** 2)\n", layers);
    for (int i = 0; i < layers; i++) at += sprintf(at, "update w%d = w%d - 0.01 * grad(loss, w%d)\n", i, i, i);
    sprintf(at, "output loss\n");
    bench_program p = bench_compile(text, NULL);
    p.in[0] = bench_array(BTL_F32, 2, (const int64_t[]){ 3, 8 }, 1);
    p.in[0].shape[0] = 2;
    p.fresh = true;
    bench_time same = bench_measure(bench_call, &p), other = bench_measure(calls_resized, &p);
    sprintf(name, "a step of %d layers, 2 rows", layers);
    bench_row(name, same, 0, NULL);
    sprintf(name, "a step of %d layers, another number of rows each time: more", layers);
    bench_row(name, (bench_time){ other.median - same.median, other.least - same.most, other.most - same.least }, 0, NULL);
    bench_free(&p);
    free(text);
}

int main(void) {
    bench_title("a call");
    bench_time empty = bench_measure(calls_empty_work, NULL);
    bench_row("an empty C call through a pointer", empty, 0, NULL);
    double limit = empty.median;
    bench_time call = calls_program("0-d addition, the caller's output", "input x: f32\ninput y: f32\noutput z = x + y\n", false, limit, "an empty call");
    calls_program("x + 1 of a 0-d f64", "input x: f64\noutput z = x + 1\n", false, 60, "the goal of 60 ns");
    calls_program("x + 1 of f64[10]", "input x: f64[10]\noutput z = x + 1\n", false, 60, "the goal of 60 ns");
    calls_program("x + 1 of f64[n], n = 10", "input x: f64[n]\noutput z = x + 1\n", false, 60, "the goal of 60 ns");
    calls_program("0-d addition, a new output each time", "input x: f32\ninput y: f32\noutput z = x + y\n", true, call.median, "the first");
    calls_program("addition of 10 elements", "input x: f32[10]\ninput y: f32[10]\noutput z = x + y\n", false, call.median, "the first");
    calls_program("addition of 1000 elements", "input x: f32[1000]\ninput y: f32[1000]\noutput z = x + y\n", false, call.median, "the first");
    calls_program("0-d chain of 10", "input x: f32\ninput y: f32\noutput z = (((x + y) * x - y) * x + y) * x - y * (x + 1) * y\n", false, call.median, "the first");
    calls_program("product of 4 x 4 matrices", "input x: f32[4, 4]\ninput y: f32[4, 4]\noutput z = x @ y\n", false, call.median, "the first");
    calls_program("one update of a shared scalar", "shared s: f32 = 0\ninput x: f32\nupdate s = s + x\noutput z = s\n", false, call.median, "the first");
    calls_program("four results", "input x: f32\noutput a = x + 1\noutput b = x * 2\noutput c = x - 3\noutput d = -x\n", false, call.median, "the first");

    bench_title("many small nodes, per node");
    calls_chain(300, "input x: f32[4, 4]\nv0 = x\n", "$ @ x", "product of 4 x 4 matrices", limit);
    calls_chain(300, "input x: f32[8]\nv0 = x\n", "x * sum($)", "sum of 8 elements and a product with it", limit);
    calls_chain(300, "input x: f32[3, 5]\nv0 = x\n", "reshape($, [5, 3]).T + x", "reshape, transpose and an addition of 15 elements", limit);

    bench_title("a batch of another size");
    calls_batches(4);
    calls_batches(30);
    calls_batches(150);
    return 0;
}
