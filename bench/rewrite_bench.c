/* rewrite_bench.c - what compiling costs by the size of the program: parsing, rewriting, putting into kernels, compiling for strips, with the
 * memory each takes; and a network of many layers with its gradient and updates, from its text to its C.
 *
 * Programs are made here: chains of elementwise operations of which the rules take half away, and dense tanh layers. Times are processor time of
 * one thread, of one run; the largest takes seconds. Arguments: the largest number of nodes (1000000 unless said), and files of programs, of which
 * each is compiled several times (those in bench/workloads; medians).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include "bitale/standalone.h"

/* ---- memory ---------------------------------------------------------------------------------------- */

static size_t memory_now, memory_peak;

static void *memory_alloc(void *user, void *ptr, size_t old_bytes, size_t bytes) {
    (void)user;
    void *p = NULL;
    if (bytes == 0) free(ptr);
    else if (!(p = realloc(ptr, bytes))) return NULL;
    memory_now += bytes - old_bytes;
    if (memory_now > memory_peak) memory_peak = memory_now;
    return p;
}

/* ---- programs as text -------------------------------------------------------------------------------- */

typedef struct growing { char *text; size_t n, room; } growing;

__attribute__((format(printf, 2, 3)))
static void growing_add(growing *t, const char *format, ...) {
    va_list args;
    if (t->n + 400 > t->room) t->text = realloc(t->text, t->room = 2 * t->room + 4096);
    if (!t->text) exit(1);
    va_start(args, format);
    t->n += (size_t)vsnprintf(t->text + t->n, t->room - t->n, format, args);
    va_end(args);
}

/* Five nodes a line, two of which go (x - (-y) becomes x + y). */
static growing program_chain(int nodes) {
    growing t = { 0 };
    growing_add(&t, "input x: f32[n]\nv0 = x\n");
    for (int i = 0; i < nodes / 5; i++) growing_add(&t, "v%d = tanh(v%d * x) - -sqr(v%d)\n", i + 1, i, i);
    growing_add(&t, "output y = v%d\n", nodes / 5);
    return t;
}

static growing program_layers(int layers) {
    growing t = { 0 };
    for (int i = 0; i < layers; i++) growing_add(&t, "shared w%d: f32[32, 32] = 0.01\nshared b%d: f32[32] = 0\n", i, i);
    growing_add(&t, "function train(x: f32[n, 32], t: f32[n, 32]):\n    h0 = x\n");
    for (int i = 0; i < layers; i++) growing_add(&t, "    h%d = tanh(h%d @ w%d + b%d)\n", i + 1, i, i, i);
    growing_add(&t, "    cost = mean(sqr(h%d - t))\n    ", layers);
    for (int i = 0; i < layers; i++) growing_add(&t, "%sgw%d, gb%d", i ? ", " : "", i, i);
    growing_add(&t, " = grad(cost, [");
    for (int i = 0; i < layers; i++) growing_add(&t, "%sw%d, b%d", i ? ", " : "", i, i);
    growing_add(&t, "])\n");
    for (int i = 0; i < layers; i++) growing_add(&t, "    update w%d = w%d - 0.1 * gw%d\n    update b%d = b%d - 0.1 * gb%d\n", i, i, i, i, i, i);
    growing_add(&t, "    output cost\n");
    return t;
}

/* ---- stages ------------------------------------------------------------------------------------------- */

static double now(void) { return bench_clock(CLOCK_THREAD_CPUTIME_ID); }

/* The time up to a pass, the pass included: of a copy of its own. */
static double until(btl_graph *g, btl_entry *e, const char *pass) {
    btl_function_options o = { .struct_size = sizeof o, .mode = "fast_run,linker=strips" };
    btl_graph *after;
    btl_error err = { 0 };
    double start = now();
    bench_check(btl_pipeline_print(g, e, &o, pass, &after, &err), pass, err.message);
    double taken = now() - start;
    btl_graph_free(after);
    return taken;
}

static void measure_chain(int nodes) {
    growing t = program_chain(nodes);
    btl_context *ctx;
    btl_graph *g;
    btl_function *f;
    btl_error err = { 0 };
    btl_context_options options = { .struct_size = sizeof options, .alloc = memory_alloc };
    memory_now = memory_peak = 0;
    bench_check(btl_context_new(&options, &ctx), "context", "");
    bench_check(btl_graph_new(ctx, &g), "graph", "");
    double start = now();
    bench_check(btl_graph_parse(g, t.text, t.n, "chain"), "parse", btl_graph_messages(g));
    double parse = now() - start;
    size_t graph_bytes = memory_now;
    btl_entry *e = btl_entry_find(g, NULL);
    double import = until(g, e, "import"), checks = until(g, e, "checks"), lower = until(g, e, "lower"), fuse = until(g, e, "fuse");
    memory_peak = memory_now;
    btl_function_options o = { .struct_size = sizeof o, .mode = "fast_run,linker=strips" };
    start = now();
    bench_check(btl_function_new(g, e, &o, &f, &err), "compile", err.message);
    double all = now() - start;
    printf("%9d %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %10.1f %10.1f\n", nodes, parse / 1e6, import / 1e6, (lower - checks) / 1e6, (fuse - lower) / 1e6, (all > fuse ? all - fuse : 0) / 1e6,
           (parse + all) / 1e6, (double)graph_bytes / 0x1p20, (double)(memory_peak - graph_bytes) / 0x1p20);
    fflush(stdout);
    btl_function_free(f);
    btl_graph_free(g);
    btl_context_free(ctx);
    free(t.text);
}

typedef struct program { btl_context *ctx; btl_graph *g; btl_entry *entry; double parse; } program;

static program program_open(const char *path, const char *text, size_t bytes) {
    program p = { 0 };
    bench_check(btl_context_new(NULL, &p.ctx), "context", "");
    bench_check(btl_graph_new(p.ctx, &p.g), "graph", "");
    double start = now();
    bench_check(btl_graph_parse(p.g, text, bytes, path), "parse", btl_graph_messages(p.g));
    p.parse = now() - start;
    p.entry = btl_entry_find(p.g, NULL);
    return p;
}

static void program_close(program *p) {
    btl_graph_free(p->g);
    btl_context_free(p->ctx);
}

static void measure_layers(int layers) {
    growing t = program_layers(layers);
    btl_function *f;
    btl_standalone *s;
    btl_error err = { 0 };
    program p = program_open("layers", t.text, t.n);
    double checks = until(p.g, p.entry, "checks"), lower = until(p.g, p.entry, "lower");
    btl_function_options o = { .struct_size = sizeof o, .mode = "fast_run,linker=strips" };
    double start = now();
    bench_check(btl_function_new(p.g, p.entry, &o, &f, &err), "compile", err.message);
    double compile = now() - start;
    start = now();
    bench_check(btl_standalone_new(f, NULL, &s, &err), "C", err.message);
    double emit = now() - start;
    printf("%9d %9.1f %9.1f %9.1f %9.1f %9.1f   %.0f %% of compiling is rewriting\n", layers, p.parse / 1e6, (lower - checks) / 1e6, compile / 1e6, emit / 1e6,
           (p.parse + compile + emit) / 1e6, 100 * (lower - checks) / compile);
    fflush(stdout);
    btl_standalone_free(s);
    btl_function_free(f);
    program_close(&p);
    free(t.text);
}

/* ---- programs in files ---------------------------------------------------------------------------------- */

/* Each sample in contexts of its own: what a process pays that compiles one program. */
static void measure_file(const char *path) {
    double parse[BENCH_SAMPLES], rewrite[BENCH_SAMPLES], all[BENCH_SAMPLES], share[BENCH_SAMPLES];
    size_t bytes = 0;
    char *text = bench_read(path, &bytes);
    for (int i = 0; i < BENCH_SAMPLES; i++) {
        btl_function *f;
        btl_error err = { 0 };
        btl_function_options o = { .struct_size = sizeof o, .mode = "fast_run,linker=strips" };
        program p = program_open(path, text, bytes);
        until(p.g, p.entry, "checks"); /* memory has come */
        double checks = until(p.g, p.entry, "checks");
        rewrite[i] = until(p.g, p.entry, "lower") - checks;
        program_close(&p);
        p = program_open(path, text, bytes);
        double start = now();
        bench_check(btl_function_new(p.g, p.entry, &o, &f, &err), "compile", err.message);
        parse[i] = p.parse;
        all[i] = p.parse + now() - start;
        share[i] = rewrite[i] / all[i];
        btl_function_free(f);
        program_close(&p);
    }
    bench_time s = bench_summary(share, BENCH_SAMPLES);
    const char *slash = strrchr(path, '/');
    printf("%-28s %9.3f %9.3f %9.3f   %.0f %% (%.0f to %.0f)\n", slash ? slash + 1 : path, bench_summary(parse, BENCH_SAMPLES).median / 1e6,
           bench_summary(rewrite, BENCH_SAMPLES).median / 1e6, bench_summary(all, BENCH_SAMPLES).median / 1e6, 100 * s.median, 100 * s.least, 100 * s.most);
    fflush(stdout);
    free(text);
}

int main(int argc, char **argv) {
    int most = argc > 1 ? atoi(argv[1]) : 1000000;
    puts("\nCompiling by the number of nodes (milliseconds, MiB; the program's graph, and what compiling takes at its peak)");
    printf("%9s %9s %9s %9s %9s %9s %9s %10s %10s\n", "nodes", "parse", "import", "rewrite", "fuse", "strips", "all", "graph", "compile");
    for (int n = 1000; n <= most; n *= 10) measure_chain(n);
    puts("\nDense tanh layers with gradient and updates, from text to C (milliseconds)");
    printf("%9s %9s %9s %9s %9s %9s\n", "layers", "parse", "rewrite", "compile", "C", "all");
    for (int n = 10; n <= 1000 && n <= most; n *= 10) measure_layers(n);
    if (argc <= 2) return 0;
    printf("\nPrograms in files, from text until strips can run them (milliseconds)\n%-28s %9s %9s %9s   %s\n", "program", "parse", "rewrite", "all", "rewriting's share");
    for (int i = 2; i < argc; i++) measure_file(argv[i]);
    return 0;
}
