/* start_bench.c - what happens once: parsing, differentiating, compiling, first values, first call;
 * and how that grows with the text. Arguments: the folder of examples.
 *
 * In one process a repetition is a new context; what the process keeps anyway (pages, loaded
 * libraries) is warm. So it also starts processes, and measures from their start to their end, in wall
 * clock time: itself, as `start_bench --first FOLDER`, which makes the logistic regression's first step; and
 * `bitale run` of the benchmark suite's workloads, with an empty cache of compiled code (cold) and with the
 * one that is then filled (warm). SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include <dirent.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static double start_now(void) { return bench_clock(CLOCK_THREAD_CPUTIME_ID); }

/* ---- one program, stage by stage ---------------------------------------------------------------- */

enum { PARSE, COMPILE, STATE, CALL, STAGES, REPEAT = 9 };

static void start_once(const char *text, const char *entry, int64_t n, double *times) {
    btl_error err = { 0 };
    bench_program p = { 0 };
    double t[STAGES + 1];
    bench_check(btl_context_new(NULL, &p.ctx), entry, "no context");
    bench_check(btl_graph_new(p.ctx, &p.g), entry, "no graph");
    t[PARSE] = start_now();
    bench_check(btl_graph_parse(p.g, text, strlen(text), entry), entry, btl_graph_messages(p.g));
    t[COMPILE] = start_now();
    bench_check(btl_function_new(p.g, btl_entry_find(p.g, entry), NULL, &p.f, &err), entry, err.message);
    t[STATE] = start_now();
    bench_check(btl_state_new(p.g, &p.state, &err), entry, err.message);
    for (int i = 0; i < btl_function_ninputs(p.f); i++) { /* symbolic sizes: n */
        int64_t shape[BTL_MAX_RANK];
        int rank = btl_function_input_rank(p.f, i);
        if (btl_function_input_has_default(p.f, i)) continue;
        for (int d = 0; d < rank; d++) {
            shape[d] = btl_function_input_size(p.f, i, d);
            if (shape[d] < 0) shape[d] = n;
        }
        p.in[i] = bench_array(btl_function_input_dtype(p.f, i), rank, shape, 2);
    }
    t[CALL] = start_now();
    bench_check(btl_call(p.f, p.state, p.in, p.out, NULL, &err), entry, err.message);
    t[STAGES] = start_now();
    for (int i = 0; i < STAGES; i++) times[i] = t[i + 1] - t[i];
    bench_free(&p);
}

static void start_program(const char *folder, const char *file, const char *entry, int64_t n) {
    static const char *const names[STAGES] = { "  parse and differentiate", "  compile", "  first values of the state", "  first call" };
    char path[1000];
    size_t bytes;
    double samples[STAGES][REPEAT], times[STAGES], cold[STAGES];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    char *text = bench_read(path, &bytes);
    if (!text) return;
    for (int r = -1; r < REPEAT; r++) {
        start_once(text, entry, n, r < 0 ? cold : times);
        for (int i = 0; r >= 0 && i < STAGES; i++) samples[i][r] = times[i];
    }
    bench_title(file);
    for (int i = 0; i < STAGES; i++) {
        char name[80], c[32];
        snprintf(name, sizeof name, "%s (the first time: %s)", names[i], bench_duration(c, sizeof c, cold[i]));
        bench_row(name, bench_summary(samples[i], REPEAT), 0, NULL);
    }
    free(text);
}

/* ---- long texts ---------------------------------------------------------------------------------- */

/* Statements of 4 or 5 nodes each: a deep chain, or branches that are added up. */
static char *start_long_text(int nodes, bool deep) {
    int statements = nodes / (deep ? 4 : 5);
    char *text = malloc((size_t)statements * 80 + 200), *p = text;
    if (!text) exit(1);
    p += sprintf(p, "input x: f64[n]\nv0 = x\n");
    for (int i = 1; i <= statements; i++)
        p += deep ? sprintf(p, "v%d = tanh(v%d * %d.5 + x) * x\n", i, i - 1, i % 100)
                  : sprintf(p, "v%d = v%d + tanh(%d.5 * x + %d) * x\n", i, i - 1, i % 100, i);
    sprintf(p, "output y = grad(sum(v%d), x)\n", statements);
    return text;
}

static void start_long(int nodes, bool deep, const char *name, double *per_node) {
    double samples[3][5], t[4];
    char *text = start_long_text(nodes, deep);
    size_t printed = 0;
    for (int r = 0; r < 5; r++) {
        bench_program p = { 0 };
        bench_check(btl_context_new(NULL, &p.ctx), name, "no context");
        bench_check(btl_graph_new(p.ctx, &p.g), name, "no graph");
        t[0] = start_now();
        bench_check(btl_graph_parse(p.g, text, strlen(text), name), name, btl_graph_messages(p.g));
        t[1] = start_now();
        const char *print = btl_graph_print(p.g);
        t[2] = start_now();
        printed = strlen(print);
        bench_free(&p);
        t[3] = start_now();
        samples[0][r] = t[2] - t[0], samples[1][r] = t[1] - t[0], samples[2][r] = t[2] - t[1];
    }
    char line[100];
    bench_time all = bench_summary(samples[0], 5);
    snprintf(line, sizeof line, "%d nodes, %s: all", nodes, name);
    bench_row(line, all, *per_node * nodes, "as many nodes at the rate of 1e4");
    if (*per_node == 0) *per_node = all.median / nodes;
    bench_row("  parsed and differentiated", bench_summary(samples[1], 5), 0, NULL);
    snprintf(line, sizeof line, "  printed (%.1f MB)", (double)printed / 1e6);
    bench_row(line, bench_summary(samples[2], 5), 0, NULL);
    free(text);
}

/* ---- whole processes ------------------------------------------------------------------------------- */

extern char **environ;

/* Nanoseconds from the start of a process to its end, which must be a good one. */
static double start_spawn(char *const *args) {
    pid_t child;
    int code = 0;
    double start = bench_clock(CLOCK_MONOTONIC);
    if (posix_spawnp(&child, args[0], NULL, NULL, args, environ) || waitpid(child, &code, 0) < 0 || code) {
        fprintf(stderr, "%s %s failed\n", args[0], args[1]);
        exit(1);
    }
    return bench_clock(CLOCK_MONOTONIC) - start;
}

enum { START_MOST = 41 };

static bench_time start_process(char *program, const char *option, const char *folder) {
    double samples[START_MOST];
    char *args[] = { program, (char *)option, (char *)folder, NULL };
    for (int r = -1; r < START_MOST; r++) {
        double t = start_spawn(args);
        if (r >= 0) samples[r] = t;
    }
    return bench_summary(samples, START_MOST);
}

/* ---- the workloads, by the command ------------------------------------------------------------------- */

/* Files of theirs are in bench/workloads; sizes that are not fixed there are `n`. */
static const struct { const char *name, *kind; int64_t n; double cold_goal; } start_workloads[] = {
    { "logreg_step_f32", "logreg_step", 400, 150e6 },
    { "mlp_step_b20", "mlp_step", 20, 300e6 },
    { "lenet_step", NULL, 500, 300e6 },
    { "rnn_step", NULL, 32, 1e9 },
    { "lstm_step", NULL, 16, 1e9 },
    { "many_small_graph", NULL, 10, 1e9 },
};

static bool start_folder_is_empty(const char *path) {
    int n = 0;
    DIR *d = opendir(path);
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n <= 2; /* . and .. */
}

/* Writes arguments of the function as DIR/NAME.npy; words NAME=DIR/NAME.npy. */
static int start_inputs(const char *text, const char *file, const char *folder, int64_t n, char words[BENCH_MOST * 4][300]) {
    bench_program p = { 0 };
    btl_error err = { 0 };
    bench_check(btl_context_new(NULL, &p.ctx), file, "no context");
    bench_check(btl_graph_new(p.ctx, &p.g), file, "no graph");
    bench_check(btl_graph_parse(p.g, text, strlen(text), file), file, btl_graph_messages(p.g));
    bench_check(btl_function_new(p.g, btl_entry_find(p.g, NULL), NULL, &p.f, &err), file, err.message);
    int count = btl_function_ninputs(p.f);
    if (count > BENCH_MOST * 4) bench_check(BTL_EVALUE, file, "too many arguments");
    for (int i = 0; i < count; i++) {
        int64_t shape[BTL_MAX_RANK];
        int rank = btl_function_input_rank(p.f, i);
        for (int d = 0; d < rank; d++) {
            shape[d] = btl_function_input_size(p.f, i, d);
            if (shape[d] < 0) shape[d] = n;
        }
        btl_array a = bench_array(btl_function_input_dtype(p.f, i), rank, shape, 2); /* labels are 0 and 1 */
        int name = snprintf(words[i], 300, "%s=", btl_function_input_name(p.f, i));
        snprintf(words[i] + name, 300 - (size_t)name, "%s/%s.npy", folder, btl_function_input_name(p.f, i));
        bench_check(btl_npy_write(NULL, words[i] + name, &a, &err), words[i], err.message);
        btl_array_free(&a);
    }
    bench_free(&p);
    return count;
}

static void start_workload(int w, const char *folder, double blas) {
    static char words[BENCH_MOST * 4][300], command[] = BENCH_BINARIES "/../bitale", run[] = "run", quiet[] = "--quiet";
    enum { COLD = 7, WARM = 21 };
    char path[2000], cache[400], *args[BENCH_MOST * 4 + 7] = { command, run, quiet, path };
    static char steps[] = "--steps", three[] = "3";
    double samples[WARM], more[WARM];
    size_t bytes;
    char *text = bench_read_workload(NULL, start_workloads[w].name, start_workloads[w].kind, path, &bytes);
    if (!text) {
        printf("%s: its program is not there\n", start_workloads[w].name);
        return;
    }
    int n = start_inputs(text, path, folder, start_workloads[w].n, words);
    for (int i = 0; i < n; i++) args[4 + i] = words[i];
    for (int r = -1; r < COLD; r++) { /* -1: files and libraries come into memory */
        snprintf(cache, sizeof cache, "%s/cache-%s-%d", folder, start_workloads[w].name, r + 1);
        setenv("BITALE_CACHE_DIR", cache, 1);
        double t = start_spawn(args);
        if (r >= 0) samples[r] = t;
    }
    char name[120];
    snprintf(name, sizeof name, "%s, cold%s", start_workloads[w].name, start_folder_is_empty(cache) ? " (nothing was cached)" : "");
    bench_row(name, bench_summary(samples, COLD), start_workloads[w].cold_goal, "the goal");
    for (int r = 0; r < WARM; r++) {
        args[4 + n] = NULL;
        samples[r] = start_spawn(args);
        args[4 + n] = steps, args[5 + n] = three;
        double longer = start_spawn(args) - samples[r];
        more[r] = longer > 0 ? longer / 2 : 0;
    }
    snprintf(name, sizeof name, "%s, warm", start_workloads[w].name);
    bench_time warm = bench_summary(samples, WARM), call = bench_summary(more, WARM);
    bench_row(name, warm, 10e6 + blas + call.median, "10 ms, the BLAS and a call");
    bench_row("  of which a call", call, 0, NULL);
    free(text);
}

/* `blas`: what loading it takes. */
static void start_all_workloads(double blas) {
    const char *tmp = getenv("TMPDIR");
    char folder[200];
    snprintf(folder, sizeof folder, "%.150s/bitale-start-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder)) bench_check(BTL_EIO, folder, NULL);
    bench_title("bitale run, from the start of the process to its end");
    for (size_t w = 0; w < sizeof start_workloads / sizeof *start_workloads; w++) start_workload((int)w, folder, blas);
    char rm[] = "rm", flags[] = "-rf", *args[] = { rm, flags, folder, NULL };
    start_spawn(args);
}

/* ---- what a process started anew does ------------------------------------------------------------------ */

static int start_small(const char *text) {
    bench_program p = bench_compile(text, NULL);
    bench_arguments(&p, 1);
    bench_call(&p);
    bench_free(&p);
    return 0;
}

static int start_first(const char *folder) {
    char path[1000];
    size_t bytes;
    double times[STAGES];
    snprintf(path, sizeof path, "%s/logreg.bitale", folder);
    char *text = bench_read(path, &bytes);
    if (!text) return 1;
    start_once(text, "train", 100, times);
    free(text);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--nothing") == 0) return 0;
    if (argc == 3 && strcmp(argv[1], "--first") == 0) return start_first(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--sum") == 0) return start_small("input a: f32[2, 2]\noutput c = a + a\n");
    if (argc == 3 && strcmp(argv[1], "--product") == 0) return start_small("input a: f32[2, 2]\noutput c = a @ a\n");
    const char *folder = argc > 1 ? argv[1] : "examples";
    bench_title("a process from its start to its end");
    bench_time sum, product;
    bench_row("a process that does nothing", start_process(argv[0], "--nothing", folder), 0, NULL);
    bench_row("a sum of matrices of 2 x 2", sum = start_process(argv[0], "--sum", folder), 0, NULL);
    bench_row("their product: the same and loading the BLAS", product = start_process(argv[0], "--product", folder), 0, NULL);
    bench_row("logistic regression: text read, differentiated, compiled; one step", start_process(argv[0], "--first", folder), 20e6,
              "the goal of 20 ms");
    start_all_workloads(product.median > sum.median ? product.median - sum.median : 0);
    start_program(folder, "logreg.bitale", "train", 100);
    start_program(folder, "mlp.bitale", "train", 100);
    start_program(folder, "charlm/charlm.bitale", "train", 35000);
    bench_title("long texts, parsed, differentiated, printed");
    double rate = 0;
    start_long(10000, true, "one chain", &rate);
    start_long(100000, true, "one chain", &rate);
    rate = 0;
    start_long(10000, false, "branches added up", &rate);
    start_long(100000, false, "branches added up", &rate);
    return 0;
}
