/* bench.h - what the measurements share: a clock, samples, a table.
 *
 * A figure is the median of several samples, with the least and the largest behind it; each sample
 * repeats its work for some milliseconds. The clock is the thread's processor time, so that other
 * programs on the machine disturb only what they take away of caches and memory. Ratios compare with
 * a limit that was measured a moment before in the same process or, of pairs, in turn with the work.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_BENCH_H
#define BTL_BENCH_H

#include "bitale/bitale.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BENCH_SAMPLES = 15 };
#define BENCH_SAMPLE_NS 4e6

typedef struct bench_time { double median, least, most; } bench_time; /* nanoseconds */

static inline double bench_clock(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline int bench_order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static inline bench_time bench_summary(double *samples, int n) {
    qsort(samples, (size_t)n, sizeof *samples, bench_order);
    return (bench_time){ samples[n / 2], samples[0], samples[n - 1] };
}

/* Nanoseconds of one work(arg) among `repeat`. */
static inline double bench_sample(void (*work)(void *), void *arg, long repeat) {
    double start = bench_clock(CLOCK_THREAD_CPUTIME_ID);
    for (long k = 0; k < repeat; k++) work(arg);
    return (bench_clock(CLOCK_THREAD_CPUTIME_ID) - start) / (double)repeat;
}

/* How often work(arg) is to be repeated for a sample. */
static inline long bench_repeat(void (*work)(void *), void *arg) {
    work(arg); /* warm */
    double once = bench_sample(work, arg, 1);
    long repeat = once > 0 ? (long)(BENCH_SAMPLE_NS / once) : 1000;
    if (repeat < 1) repeat = 1;
    double t = bench_sample(work, arg, repeat); /* a first call may be slow, a clock coarse */
    if (t * (double)repeat < BENCH_SAMPLE_NS / 2) repeat = (long)(BENCH_SAMPLE_NS / (t > 1 ? t : 1)) + 1;
    return repeat;
}

/* The time of one work(arg). */
static inline bench_time bench_measure(void (*work)(void *), void *arg) {
    double samples[BENCH_SAMPLES];
    long repeat = bench_repeat(work, arg);
    for (int i = 0; i < BENCH_SAMPLES; i++) samples[i] = bench_sample(work, arg, repeat);
    return bench_summary(samples, BENCH_SAMPLES);
}

/* Work and a limit in turn, so that what disturbs one disturbs the other: the work's time, and its ratio
 * to the limit within the pairs. */
typedef struct bench_pair { bench_time time, ratio; } bench_pair;

static inline bench_pair bench_measure_pair(void (*work)(void *), void *arg, void (*limit)(void *), void *limit_arg) {
    double samples[BENCH_SAMPLES], ratios[BENCH_SAMPLES];
    long repeat = bench_repeat(work, arg), limit_repeat = bench_repeat(limit, limit_arg);
    for (int i = 0; i < BENCH_SAMPLES; i++) {
        samples[i] = bench_sample(work, arg, repeat);
        ratios[i] = samples[i] / bench_sample(limit, limit_arg, limit_repeat);
    }
    return (bench_pair){ bench_summary(samples, BENCH_SAMPLES), bench_summary(ratios, BENCH_SAMPLES) };
}

static inline const char *bench_duration(char *text, size_t bytes, double ns) {
    const char *unit = ns < 1e3 ? "ns" : ns < 1e6 ? "us" : "ms";
    double value = ns < 1e3 ? ns : ns < 1e6 ? ns / 1e3 : ns / 1e6;
    snprintf(text, bytes, "%.*f %s", value < 10 ? 2 : value < 100 ? 1 : 0, value, unit);
    return text;
}

static inline void bench_title(const char *title) {
    printf("\n%-64s %10s %22s  %s\n", title, "median", "least .. most", "ratio");
}

static inline void bench_row_begin(const char *name, bench_time t) {
    char a[32], b[32], c[32], spread[70];
    snprintf(spread, sizeof spread, "%s .. %s", bench_duration(b, sizeof b, t.least), bench_duration(c, sizeof c, t.most));
    printf("%-64s %10s %22s", name, bench_duration(a, sizeof a, t.median), spread);
}

/* One line: the time, and how many times `limit` (nanoseconds; 0: none) it is. */
static inline void bench_row(const char *name, bench_time t, double limit, const char *limit_name) {
    bench_row_begin(name, t);
    if (limit > 0) printf("  %.2f x %s", t.median / limit, limit_name);
    putchar('\n');
    fflush(stdout);
}

/* One line: the time, the ratio within pairs, with the least and the largest. */
static inline void bench_pair_row(const char *name, bench_pair p, const char *limit_name) {
    bench_row_begin(name, p.time);
    printf("  %.2f (%.2f .. %.2f) x %s\n", p.ratio.median, p.ratio.least, p.ratio.most, limit_name);
    fflush(stdout);
}

static inline void bench_check(btl_status status, const char *what, const char *message) {
    if (status == BTL_OK) return;
    fprintf(stderr, "%s: %s\n", what, message && *message ? message : btl_status_text(status));
    exit(1);
}

/* ---- a compiled program with arguments -------------------------------------------------------- */

enum { BENCH_MOST = 8 };

typedef struct bench_program {
    btl_context *ctx;
    btl_graph *g;
    btl_function *f;
    btl_state *state;
    btl_array in[BENCH_MOST], out[BENCH_MOST];
    bool fresh; /* results are made anew by each call */
    btl_error err;
} bench_program;

/* Compiles the entry `name` (NULL: the only one) of a text, in a mode (NULL: the default). */
static inline bench_program bench_compile_as(const char *text, const char *name, const char *mode) {
    bench_program p = { 0 };
    btl_error err = { 0 };
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    bench_check(btl_context_new(NULL, &p.ctx), text, "no context");
    bench_check(btl_graph_new(p.ctx, &p.g), text, "no graph");
    bench_check(btl_graph_parse(p.g, text, strlen(text), "bench"), text, btl_graph_messages(p.g));
    bench_check(btl_function_new(p.g, btl_entry_find(p.g, name), &o, &p.f, &err), text, err.message);
    if (btl_function_nshared(p.f)) bench_check(btl_state_new(p.g, &p.state, &err), text, err.message);
    return p;
}

static inline bench_program bench_compile(const char *text, const char *name) { return bench_compile_as(text, name, NULL); }

/* A new array of small positive numbers that do not repeat soon; integers lie below `below`. */
static inline btl_array bench_array(btl_dtype dtype, int rank, const int64_t *shape, double below) {
    btl_array a, wide;
    bench_check(btl_array_new(NULL, dtype, rank, shape, &a), "argument", "out of memory");
    bench_check(btl_array_new(NULL, BTL_F64, rank, shape, &wide), "argument", "out of memory");
    double *x = btl_array_data(&wide);
    uint32_t random = 12345;
    for (int64_t k = 0; k < btl_array_elems(&a); k++) {
        random = random * 1664525u + 1013904223u;
        x[k] = below * (double)(random >> 8) / 0x1p24;
    }
    bench_check(btl_array_convert(&a, &wide), "argument", "cannot be converted");
    btl_array_free(&wide);
    return a;
}

/* Arguments for all inputs that have none yet; `below` bounds their values, symbolic sizes are BENCH_SIZE. */
enum { BENCH_SIZE = 10 };

static inline void bench_arguments(bench_program *p, double below) {
    for (int i = 0; i < btl_function_ninputs(p->f); i++) {
        int64_t shape[BTL_MAX_RANK];
        int rank = btl_function_input_rank(p->f, i);
        if (p->in[i].data || btl_function_input_has_default(p->f, i)) continue;
        for (int d = 0; d < rank; d++) {
            shape[d] = btl_function_input_size(p->f, i, d);
            if (shape[d] < 0) shape[d] = BENCH_SIZE;
        }
        p->in[i] = bench_array(btl_function_input_dtype(p->f, i), rank, shape, below);
    }
}

static inline void bench_call(void *arg) {
    bench_program *p = arg;
    if (btl_call(p->f, p->state, p->in, p->out, NULL, &p->err) != BTL_OK) bench_check(p->err.status, "call", p->err.message);
    if (p->fresh)
        for (int i = 0; i < btl_function_noutputs(p->f); i++) btl_array_free(&p->out[i]);
}

static inline void bench_free(bench_program *p) {
    for (int i = 0; i < BENCH_MOST; i++) btl_array_free(&p->in[i]), btl_array_free(&p->out[i]);
    btl_function_free(p->f);
    btl_state_free(p->state);
    btl_graph_free(p->g);
    btl_context_free(p->ctx);
}

/* Bytes of all arguments and results, after a call. */
static inline int64_t bench_bytes(const bench_program *p) {
    int64_t bytes = 0;
    btl_dtype dtype;
    for (int i = 0; i < BENCH_MOST; i++) {
        if (p->in[i].data && btl_array_dtype(&p->in[i], &dtype)) bytes += btl_array_elems(&p->in[i]) * (int64_t)btl_dtype_bytes(dtype);
        if (p->out[i].data && btl_array_dtype(&p->out[i], &dtype)) bytes += btl_array_elems(&p->out[i]) * (int64_t)btl_dtype_bytes(dtype);
    }
    return bytes;
}

/* ---- the BLAS by itself ----------------------------------------------------------------------- */

typedef void (*bench_sgemm)(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
                            int ldb, float beta, float *c, int ldc);

/* The library that a description names ("/usr/lib/…/libopenblas.so.0 (one thread)"), NULL for "none: …". *kernels: for which processor
 * it computes, where it tells. */
static inline bench_sgemm bench_blas(const char *text, const char **kernels) {
    char path[400], *(*name)(void) = NULL;
    bench_sgemm f = NULL;
    *kernels = NULL;
    if (strncmp(text, "none", 4) == 0) return NULL;
    for (const char *word = text; *word; word += strcspn(word, " "), word += strspn(word, " ")) {
        snprintf(path, sizeof path, "%.*s", (int)strcspn(word, " :,;"), word);
        void *library = strstr(path, ".so") ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
        void *symbol = library ? dlsym(library, "cblas_sgemm") : NULL;
        if (!symbol) continue;
        memcpy(&f, &symbol, sizeof f);
        if ((symbol = dlsym(library, "openblas_get_corename"))) memcpy(&name, &symbol, sizeof name), *kernels = name();
        return f;
    }
    return NULL;
}

/* A file as text, or NULL. */
static inline char *bench_read(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    size_t room = 1 << 16;
    char *text = malloc(room);
    *bytes = 0;
    while (text) {
        *bytes += fread(text + *bytes, 1, room - 1 - *bytes, f);
        if (*bytes < room - 1) break;
        char *more = realloc(text, room *= 2);
        if (!more) free(text);
        text = more;
    }
    fclose(f);
    if (text) text[*bytes] = 0;
    return text;
}

/* The program of a workload: NAME.bitale, or KIND.bitale (`kind` may be NULL), in `folder` or, if that is NULL,
 * in bench/workloads of the build and of the sources. `path` receives where it was found. NULL if nowhere. */
static inline char *bench_read_workload(const char *folder, const char *name, const char *kind, char path[static 2000], size_t *bytes) {
    const char *folders[] = { folder ? folder : BENCH_BINARIES "/workloads", folder ? NULL : BENCH_SOURCES "/workloads" };
    const char *names[] = { name, kind };
    for (int i = 0; i < 2 && folders[i]; i++)
        for (int k = 0; k < 2 && names[k]; k++) {
            snprintf(path, 2000, "%s/%s.bitale", folders[i], names[k]);
            char *text = bench_read(path, bytes);
            if (text) return text;
        }
    return NULL;
}

#endif
