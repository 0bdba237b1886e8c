/* peer.c - this library as an external peer of a benchmark suite: one workload, measured in one process.
 *
 *     peer [--workloads FOLDER] [--linker NAME] FOLDER WORKLOAD THREADS
 *
 * FOLDER holds the suite's in_NAME.npy and meta.json (kind, inputs, outputs; updates: output -> the input
 * that it replaces at the next call). The program is WORKLOAD.bitale or KIND.bitale in the folder given, or in
 * bench/workloads of the build and of the sources; its inputs and outputs have the names of meta.json.
 * BENCH_SECONDS: how long to measure calls. BENCH_CACHE: where compiled code is kept and the outputs of
 * the first call are written. BITALE_MODE chooses the mode; --linker NAME is fast_run with that linker.
 *
 * What is measured, and the sampling, are the suite's: wall clock; a sample is as many calls as last
 * 100 us; state is carried on by swapping buffers, and output buffers are given again. Memory is the
 * high-water mark of resident memory during the second call, which makes its outputs anew, above what was
 * resident before it; the function's arena, kept between calls, is told besides.
 *
 * The last line of standard output is one JSON object; a mistake is told on standard error, exit code 1.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"
#include "bitale/tools.h"

#include <jansson.h>
#include <stdint.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

typedef struct peer {
    const char *folder, *workload, *workloads, *linker;
    char mode[4000], outputs[3000];
    int threads;
    json_t *meta;
    btl_context *ctx;
    btl_function *f;
    int nin, nout, nupdates;
    btl_array *given;         /* inputs in the order of meta.json */
    btl_array *in, *out;
    int *from, *to;           /* output from[k] replaces input to[k] */
    btl_call_options options;
    btl_error err;
} peer;

static void peer_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("peer: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void peer_try(peer *p, btl_status status) {
    if (status != BTL_OK) peer_fail("%s: %s", p->workload, *p->err.message ? p->err.message : btl_status_text(status));
}

static double peer_now(void) { return bench_clock(CLOCK_MONOTONIC) / 1e9; }

static void *peer_memory(int n, size_t bytes) {
    void *memory = calloc(n ? (size_t)n : 1, bytes);
    if (!memory) peer_fail("out of memory");
    return memory;
}

/* ---- resident memory ------------------------------------------------------------------------------ */

/* A line of /proc/self/status in bytes, or -1 where there is none. */
static int64_t peer_status(const char *key) {
    char line[256];
    int64_t bytes = -1;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return -1;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0) bytes = strtoll(line + strlen(key), NULL, 10) * 1024;
    fclose(f);
    return bytes;
}

/* Gives free heap back, resets the high-water mark; the resident size, or -1 where that cannot be done. */
static int64_t peer_settle(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) return -1;
    bool done = fputs("5", f) >= 0;
    done &= fclose(f) == 0;
    return done ? peer_status("VmRSS:") : -1;
}

static json_t *peer_peak_since(int64_t base) {
    int64_t peak = base < 0 ? -1 : peer_status("VmHWM:");
    return peak < 0 ? json_null() : json_integer(peak - base);
}

/* ---- the workload --------------------------------------------------------------------------------- */

static void peer_read_meta(peer *p) {
    char path[4096];
    json_error_t err;
    snprintf(path, sizeof path, "%s/meta.json", p->folder);
    p->meta = json_load_file(path, 0, &err);
    if (!p->meta) peer_fail("%s:%d: %s", path, err.line, err.text);
    if (!json_is_string(json_object_get(p->meta, "kind")) || !json_is_array(json_object_get(p->meta, "inputs")) ||
        !json_is_array(json_object_get(p->meta, "outputs")))
        peer_fail("%s: \"kind\", \"inputs\" and \"outputs\" are expected", path);
}

/* All inputs, before anything is measured; peer_bind gives them to the function. */
static void peer_read_inputs(peer *p) {
    char path[4096];
    size_t i;
    json_t *name, *names = json_object_get(p->meta, "inputs");
    p->given = peer_memory((int)json_array_size(names), sizeof *p->given);
    json_array_foreach(names, i, name) {
        snprintf(path, sizeof path, "%s/in_%s.npy", p->folder, json_is_string(name) ? json_string_value(name) : "?");
        peer_try(p, btl_npy_read(NULL, path, &p->given[i], &p->err));
    }
}

static char *peer_read_text(const peer *p, char path[static 2000], size_t *bytes) {
    const char *kind = json_string_value(json_object_get(p->meta, "kind"));
    char *text = bench_read_workload(p->workloads, p->workload, kind, path, bytes);
    if (!text)
        peer_fail("no program for %s: neither %s.bitale nor %s.bitale is in %s", p->workload, p->workload, kind,
                  p->workloads ? p->workloads : BENCH_BINARIES "/workloads or " BENCH_SOURCES "/workloads");
    return text;
}

static int peer_find(const peer *p, const char *(*name)(const btl_function *, int), int n, const char *wanted) {
    for (int i = 0; i < n; i++)
        if (strcmp(name(p->f, i), wanted) == 0) return i;
    return -1;
}

/* Names must be those of the suite: a missing output cannot be judged, another would cost time. */
static void peer_bind(peer *p) {
    size_t i;
    json_t *value;
    const char *key;
    json_t *inputs = json_object_get(p->meta, "inputs"), *outputs = json_object_get(p->meta, "outputs");
    json_t *updates = json_object_get(p->meta, "updates");
    p->nin = btl_function_ninputs(p->f), p->nout = btl_function_noutputs(p->f);
    p->in = peer_memory(p->nin, sizeof *p->in), p->out = peer_memory(p->nout, sizeof *p->out);
    json_array_foreach(inputs, i, value) {
        int to = peer_find(p, btl_function_input_name, p->nin, json_string_value(value));
        if (to < 0) peer_fail("%s: the program has no input %s", p->workload, json_string_value(value));
        p->in[to] = p->given[i];
    }
    for (int k = 0; k < p->nin; k++)
        if (!p->in[k].data && !btl_function_input_has_default(p->f, k))
            peer_fail("%s: the workload has no input %s", p->workload, btl_function_input_name(p->f, k));
    json_array_foreach(outputs, i, value) {
        const char *wanted = json_string_value(value);
        if (!wanted || peer_find(p, btl_function_output_name, p->nout, wanted) < 0)
            peer_fail("%s: the program has no output %s", p->workload, wanted ? wanted : "?");
    }
    if (p->nout != (int)json_array_size(outputs))
        peer_fail("%s: the program has %d outputs, the workload %d", p->workload, p->nout, (int)json_array_size(outputs));
    int room = (int)json_object_size(updates);
    p->from = peer_memory(room, sizeof *p->from), p->to = peer_memory(room, sizeof *p->to);
    json_object_foreach(updates, key, value) {
        const char *input = json_string_value(value);
        int from = peer_find(p, btl_function_output_name, p->nout, key);
        int to = input ? peer_find(p, btl_function_input_name, p->nin, input) : -1;
        if (from < 0 || to < 0) peer_fail("%s: update %s of %s: no such output or input", p->workload, key, input ? input : "?");
        p->from[p->nupdates] = from, p->to[p->nupdates++] = to;
    }
}

static void peer_save(peer *p) {
    const char *cache = getenv("BENCH_CACHE"), *tmp = getenv("TMPDIR");
    const char *root = cache && *cache ? cache : tmp && *tmp ? tmp : "/tmp";
    char path[4096];
    int length = snprintf(p->outputs, sizeof p->outputs, "%s/outputs-XXXXXX", root);
    if (length >= (int)sizeof p->outputs || !mkdtemp(p->outputs)) peer_fail("%s: a folder for the outputs cannot be made", root);
    for (int i = 0; i < p->nout; i++) {
        snprintf(path, sizeof path, "%s/out_%s.npy", p->outputs, btl_function_output_name(p->f, i));
        peer_try(p, btl_npy_write(NULL, path, &p->out[i], &p->err));
    }
}

/* ---- calls ---------------------------------------------------------------------------------------- */

static void peer_call(peer *p) {
    if (btl_call(p->f, NULL, p->in, p->out, &p->options, &p->err) != BTL_OK) peer_try(p, p->err.status);
    for (int k = 0; k < p->nupdates; k++) {
        btl_array old = p->in[p->to[k]];
        p->in[p->to[k]] = p->out[p->from[k]], p->out[p->from[k]] = old;
    }
}

/* The suite's way of sampling (time_calls in its run.py). */
static void peer_time_calls(peer *p, double seconds, json_t *record) {
    size_t n = 0, room = 0;
    double *samples = NULL;
    peer_call(p);
    double t = peer_now();
    peer_call(p);
    double once = peer_now() - t;
    long repeat = (long)(1e-4 / (once > 1e-9 ? once : 1e-9));
    if (repeat < 1) repeat = 1;
    double begin = peer_now(), warm_until = begin + 0.2 * seconds, end;
    do {
        t = peer_now();
        for (long k = 0; k < repeat; k++) peer_call(p);
        end = peer_now();
        if (end < warm_until && end - t <= 0.2) continue;
        if (n == room) {
            room = room ? 2 * room : 1024;
            samples = realloc(samples, room * sizeof *samples);
            if (!samples) peer_fail("out of memory");
        }
        samples[n++] = (end - t) / (double)repeat;
    } while ((end - begin < 1.2 * seconds || n < 5) && end - begin <= 20);
    qsort(samples, n, sizeof *samples, bench_order);
    json_object_set_new(record, "call_s_median", json_real(samples[n / 2]));
    json_object_set_new(record, "call_s_min", json_real(samples[0]));
    json_object_set_new(record, "samples", json_integer((json_int_t)n));
    json_object_set_new(record, "per_sample", json_integer(repeat));
    free(samples);
}

/* ---- one measurement ------------------------------------------------------------------------------ */

/* From the text's file to the end of the first call. */
static void peer_build(peer *p, json_t *record) {
    char path[2000];
    size_t bytes;
    int64_t base = peer_settle();
    const char *cache = getenv("BENCH_CACHE");
    btl_context_options where = { .struct_size = sizeof where, .cache_dir = cache && *cache ? cache : NULL };
    btl_function_options options = { .struct_size = sizeof options, .mode = *p->mode ? p->mode : NULL };
    btl_graph *g;
    double start = peer_now();
    char *text = peer_read_text(p, path, &bytes);
    peer_try(p, btl_context_new(&where, &p->ctx));
    peer_try(p, btl_graph_new(p->ctx, &g));
    if (btl_graph_parse(g, text, bytes, path) != BTL_OK) peer_fail("%s", btl_graph_messages(g));
    double parsed = peer_now();
    btl_entry *entry = btl_entry_find(g, NULL);
    if (!entry) peer_fail("%s: it has several functions or none; one is expected, or one named main", path);
    peer_try(p, btl_function_new(g, entry, &options, &p->f, &p->err));
    double compiled = peer_now();

    if (btl_function_nshared(p->f)) peer_fail("%s: it has shared variables; state is carried on by inputs and outputs here", path);
    peer_bind(p);
    double ready = peer_now();
    peer_try(p, btl_call(p->f, NULL, p->in, p->out, &p->options, &p->err));
    double called = peer_now();
    json_object_set_new(record, "build_peak_bytes", peer_peak_since(base));
    json_object_set_new(record, "compile_s", json_real(compiled - start + called - ready));
    json_object_set_new(record, "parse_s", json_real(parsed - start)); /* derivatives in it */
    json_object_set_new(record, "function_s", json_real(compiled - parsed));
    json_object_set_new(record, "first_call_s", json_real(called - ready));
    btl_graph_free(g);
    free(text);
}

int main(int argc, char **argv) {
    peer p = { .options = { .struct_size = sizeof p.options } };
    for (; argc > 2 && strncmp(argv[1], "--", 2) == 0; argc -= 2, argv += 2) {
        if (strcmp(argv[1], "--workloads") == 0) p.workloads = argv[2];
        else if (strcmp(argv[1], "--linker") == 0) p.linker = argv[2];
        else peer_fail("there is no option %s", argv[1]);
    }
    if (argc != 4) peer_fail("wrong use; peer [--workloads FOLDER] [--linker NAME] FOLDER WORKLOAD THREADS");
    p.folder = argv[1], p.workload = argv[2], p.threads = atoi(argv[3]);
    if (p.threads < 1) peer_fail("%s is no number of threads", argv[3]);
    p.options.threads = p.threads;
    const char *seconds = getenv("BENCH_SECONDS"), *mode = getenv("BITALE_MODE");
    if (p.linker) snprintf(p.mode, sizeof p.mode, "fast_run,linker=%s", p.linker);
    else if (mode) snprintf(p.mode, sizeof p.mode, "%s", mode);

    json_t *record = json_object();
    peer_read_meta(&p);
    peer_read_inputs(&p);
    peer_build(&p, record);
    peer_save(&p);
    for (int k = 0; k < p.nupdates; k++) {
        btl_array_free(&p.in[p.to[k]]);
        p.in[p.to[k]] = p.out[p.from[k]];
        p.out[p.from[k]] = (btl_array){ 0 };
    }
    for (int i = 0; i < p.nout; i++) btl_array_free(&p.out[i]);
    int64_t base = peer_settle();
    peer_call(&p);
    json_object_set_new(record, "peak_bytes", peer_peak_since(base));
    json_object_set_new(record, "arena_bytes", json_integer((json_int_t)btl_function_arena_bytes(p.f)));
    peer_time_calls(&p, seconds && *seconds ? atof(seconds) : 1, record);

    char version[100];
    snprintf(version, sizeof version, "bitale %s", btl_version());
    json_object_set_new(record, "version", json_string(version));
    json_object_set_new(record, "mode", json_string(*p.mode ? p.mode : "fast_run"));
    json_object_set_new(record, "linker", json_string(btl_function_linker(p.f)));
    json_object_set_new(record, "note", json_string(btl_function_note(p.f)));
    json_object_set_new(record, "blas", json_string(btl_blas_describe(p.ctx)));
    json_object_set_new(record, "outputs_dir", json_string(p.outputs));
    char *line = json_dumps(record, JSON_REAL_PRECISION(9));
    if (!line) peer_fail("out of memory");
    puts(line);

    free(line);
    json_decref(record), json_decref(p.meta);
    for (int i = 0; i < p.nin; i++) btl_array_free(&p.in[i]);
    for (int i = 0; i < p.nout; i++) btl_array_free(&p.out[i]);
    free(p.given), free(p.in), free(p.out), free(p.from), free(p.to);
    btl_function_free(p.f);
    btl_context_free(p.ctx);
    return 0;
}
