/* pieces_bench.c - what it costs to compute a part of a function piece by piece: each program (files given as arguments, such as those in
 * bench/workloads) with the pass `pieces` and without, called in turn; bytes that a call takes, the ratio of times, how far results differ.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include "bitale/memory.h"

#include <math.h>

#define WHOLE "fast_run,without=pieces"

/* The largest difference, in units of the largest value of that result. */
static double pieces_differ(const bench_program *a, const bench_program *b) {
    double most = 0;
    for (int i = 0; i < btl_function_noutputs(a->f); i++) {
        btl_array wide[2];
        double largest = 0, differ = 0;
        for (int k = 0; k < 2; k++) {
            const btl_array *from = k ? &b->out[i] : &a->out[i];
            bench_check(btl_array_new(NULL, BTL_F64, from->ndim, from->shape, &wide[k]), "result", "out of memory");
            bench_check(btl_array_convert(&wide[k], from), "result", "cannot be converted");
        }
        const double *x = btl_array_data(&wide[0]), *y = btl_array_data(&wide[1]);
        for (int64_t k = 0; k < btl_array_elems(&wide[0]); k++) largest = fmax(largest, fabs(x[k])), differ = fmax(differ, fabs(x[k] - y[k]));
        if (largest > 0) most = fmax(most, differ / largest);
        btl_array_free(&wide[0]), btl_array_free(&wide[1]);
    }
    return most;
}

static double pieces_megabytes(const bench_program *p, const char *mode) {
    btl_function_options f = { .struct_size = sizeof f, .mode = mode };
    btl_memory_options o = { .struct_size = sizeof o, .function = &f, .order = BTL_ORDER_FAST };
    btl_memory *m;
    btl_error err = { 0 };
    bench_check(btl_memory_new(p->g, btl_entry_find(p->g, NULL), &o, &m, &err), "memory", err.message);
    double megabytes = (double)btl_memory_look(m)->plans[0].taken / 1e6;
    btl_memory_free(m);
    return megabytes;
}

int main(int argc, char **argv) {
    printf("%-24s %10s %10s %12s %28s %10s\n", "program", "whole MB", "pieces MB", "whole", "time in pieces : whole", "differ");
    for (int i = 1; i < argc; i++) {
        size_t bytes = 0;
        char *text = bench_read(argv[i], &bytes), time[32];
        const char *slash = strrchr(argv[i], '/');
        if (!text) bench_check(BTL_EIO, argv[i], "cannot be read");
        bench_program whole = bench_compile_as(text, NULL, WHOLE), pieces = bench_compile(text, NULL);
        bench_arguments(&whole, 0.1), bench_arguments(&pieces, 0.1);
        bench_pair t = bench_measure_pair(bench_call, &pieces, bench_call, &whole);
        bench_time alone = bench_measure(bench_call, &whole);
        printf("%-24s %10.2f %10.2f %12s %14.2f (%.2f .. %.2f) %10.1e\n", slash ? slash + 1 : argv[i], pieces_megabytes(&whole, WHOLE), pieces_megabytes(&pieces, NULL),
               bench_duration(time, sizeof time, alone.median), t.ratio.median, t.ratio.least, t.ratio.most, pieces_differ(&pieces, &whole));
        fflush(stdout);
        bench_free(&whole), bench_free(&pieces), free(text);
    }
    return 0;
}
