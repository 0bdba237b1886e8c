/* start_bench.c - what happens once: parsing, differentiating, compiling, first values, first call;
 * and how that grows with the text. Arguments: the folder of examples.
 *
 * In one process a repetition is a new context; what the process keeps anyway (pages, loaded
 * libraries) is warm. So it also starts itself anew, as `start_bench --first FOLDER`, and measures
 * from the start of a process that makes the logistic regression's first step to its end, in wall
 * clock time. SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include <spawn.h>
#include <sys/wait.h>

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

static void start_process(const char *name, char *program, char *option, const char *folder) {
    enum { TIMES = 41 };
    double samples[TIMES];
    char *args[] = { program, option, (char *)folder, NULL }, *environment[] = { NULL };
    for (int r = -1; r < TIMES; r++) {
        pid_t child;
        int code = 0;
        double start = bench_clock(CLOCK_MONOTONIC);
        if (posix_spawn(&child, program, NULL, NULL, args, environment) || waitpid(child, &code, 0) < 0 || code) {
            fprintf(stderr, "%s %s failed\n", program, option);
            exit(1);
        }
        if (r >= 0) samples[r] = bench_clock(CLOCK_MONOTONIC) - start;
    }
    bench_row(name, bench_summary(samples, TIMES), 20e6, "the goal of 20 ms");
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
    static char first[] = "--first", nothing[] = "--nothing";
    if (argc == 3 && strcmp(argv[1], nothing) == 0) return 0;
    if (argc == 3 && strcmp(argv[1], first) == 0) return start_first(argv[2]);
    const char *folder = argc > 1 ? argv[1] : "examples";
    bench_title("logistic regression, a process from its start to its end");
    start_process("a process that does nothing", argv[0], nothing, folder);
    start_process("text read, differentiated, compiled; one step of training", argv[0], first, folder);
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
