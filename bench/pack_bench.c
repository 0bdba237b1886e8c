/* pack_bench.c - what offsets take: sets of buffers by family, greedy and with the search (docs/MEMORY.md). Sets are made by
 * pack_sets.h; lists of your own follow as arguments: pack_bench EXAMPLES FILE.csv …, headed id,lower,upper,size.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"
#include "pack_sets.h"

static void pack_row(const char *name, pack_set s) {
    btl_error err = { 0 };
    btl_pack_options o = { .struct_size = sizeof o, .greedy_only = true };
    btl_pack_result greedy, r;
    double start = bench_clock(CLOCK_THREAD_CPUTIME_ID);
    bench_check(btl_pack(NULL, s.n, s.buffers, &o, &greedy, &err), name, err.message);
    double middle = bench_clock(CLOCK_THREAD_CPUTIME_ID);
    o.greedy_only = false;
    bench_check(btl_pack(NULL, s.n, s.buffers, &o, &r, &err), name, err.message);
    double end = bench_clock(CLOCK_THREAD_CPUTIME_ID), peak = r.peak_bytes ? (double)r.peak_bytes : 1;
    printf("%-28s %7d %13lld %8.4f %7.3f %8.4f %7.3f %8lld %s\n", name, s.n, (long long)r.peak_bytes, (double)greedy.bytes / peak, (middle - start) / 1e9,
           (double)r.bytes / peak, (end - middle) / 1e9, (long long)r.steps, r.proven ? "proven" : "");
    fflush(stdout);
    free(s.buffers);
}

static pack_set pack_file(const char *path) {
    pack_set s = { 0 };
    char line[400];
    FILE *f = fopen(path, "r");
    bench_check(f && fgets(line, sizeof line, f) ? BTL_OK : BTL_EIO, path, "cannot be read");
    while (fgets(line, sizeof line, f)) {
        long long lower, upper, size;
        const char *comma = strchr(line, ',');
        if (comma && sscanf(comma, ",%lld,%lld,%lld", &lower, &upper, &size) == 3) sets_add(&s, lower, upper, size);
    }
    fclose(f);
    return s;
}

static void pack_filled(const char *name, sets_cuts cuts, int loose) {
    for (int n = 100; n <= 400; n *= 2)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            char text[60];
            snprintf(text, sizeof text, "%s, seed %d", name, (int)seed);
            pack_row(text, sets_filled(seed, n, cuts, loose));
        }
}

int main(int argc, char **argv) {
    printf("\n%-28s %7s %13s %8s %7s %8s %7s %8s\n", "offsets; ratios to the peak", "buffers", "live peak", "greedy", "s", "search", "s", "steps");
    for (int i = 2; i < argc; i++) pack_row(argv[i], pack_file(argv[i]));
    if (argc > 2) return 0;
    pack_filled("guillotine", SETS_GUILLOTINE, 0);
    pack_filled("pinwheels", SETS_PINWHEELS, 0);
    pack_filled("short lives", SETS_SHORT_LIVES, 0);
    pack_filled("guillotine, loose", SETS_GUILLOTINE, 300);
    pack_filled("pinwheels, loose", SETS_PINWHEELS, 300);
    for (int n = 100; n <= 100000; n *= 10) pack_row("training", sets_training(1, n));
    for (int n = 100; n <= 10000; n *= 10) pack_row("random lives", sets_random_lives(1, n));
    return 0;
}
