/* index_bench.c - moving data: rows looked up and added to, pieces cut out and put together. The
 * limit is a memcpy of as many bytes as arguments (the table's whole size counts only where all of
 * it is copied) and results. SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

typedef struct index_case {
    const char *name, *text;
    double below;    /* of integer arguments */
    int64_t bytes;   /* moved: read and written once */
} index_case;

#define TABLE "input x: f32[10000, 64]\n"
#define SMALL "input x: f32[256, 16]\n"
static const index_case index_cases[] = {
    { "rows of [10000, 64] by 4096 indices", TABLE "input i: i32[4096]\noutput y = x[i]\n", 10000, 4096 * 64 * 8 },
    { "the same, i64 indices", TABLE "input i: i64[4096]\noutput y = x[i]\n", 10000, 4096 * 64 * 8 },
    { "rows of 16 by [128, 16] indices (an embedding)", SMALL "input i: i32[128, 16]\noutput y = x[i]\n", 256, 128 * 16 * 16 * 8 },
    { "single elements of [100000] by 10000 indices", "input x: f32[100000]\ninput i: i32[10000]\noutput y = x[i]\n", 100000, 10000 * 8 },
    { "one element of each row of [4096, 10]", "input x: f32[4096, 10]\ninput i: i32[4096]\noutput y = x[arange(4096), i]\n", 10, 4096 * 8 },
    { "columns of [1000, 256] by 64 indices", "input x: f32[1000, 256]\ninput i: i32[64]\noutput y = x[:, i]\n", 256, 64000 * 8 },
    { "gradient of an embedding: 2048 rows of 16 added up",
      "input d: f32[128, 16, 16]\ninput i: i32[128, 16]\noutput y = inc_subtensor(zeros([256, 16])[i], d)\n", 256, 128 * 16 * 16 * 8 },
    { "4096 rows of 64 added to [10000, 64]", TABLE "input d: f32[4096, 64]\ninput i: i32[4096]\noutput y = inc_subtensor(x[i], d)\n", 10000,
      (10000 + 2 * 4096) * 64 * 8 },
    { "a slice set: [:, 10:20] of [4096, 64]", "input x: f32[4096, 64]\ninput d: f32[4096, 10]\noutput y = set_subtensor(x[:, 10:20], d)\n", 1, 4096 * 64 * 8 },
    { "concatenate 2 x [1000, 500] along columns", "input x: f32[1000, 500]\ninput z: f32[1000, 500]\noutput y = concatenate([x, z], axis=1)\n", 1, 1000000 * 8 },
    { "transposed copy [1000, 1000]", "input x: f32[1000, 1000]\noutput y = x.T\n", 1, 1000000 * 8 },
    { "random.uniform, 1e5", "input k: u32[2]\noutput y = random.uniform(k, shape=[100000])\n", 1e9, 100000 * 8 },
    { "random.normal, 1e5", "input k: u32[2]\noutput y = random.normal(k, shape=[100000])\n", 1e9, 100000 * 8 },
};

typedef struct index_copy { char *to, *from; size_t bytes; } index_copy;

static void index_copy_work(void *arg) {
    index_copy *c = arg;
    memcpy(c->to, c->from, c->bytes);
}

static void index_run(const index_case *k) {
    bench_program p = bench_compile(k->text, NULL);
    bench_arguments(&p, k->below);
    bench_call(&p);
    index_copy c = { calloc(1, (size_t)k->bytes / 2), calloc(1, (size_t)k->bytes / 2), (size_t)k->bytes / 2 };
    if (!c.to || !c.from) exit(1);
    double limit = bench_measure(index_copy_work, &c).median;
    bench_row(k->name, bench_measure(bench_call, &p), limit, "memcpy");
    free(c.to), free(c.from);
    bench_free(&p);
}

int main(void) {
    bench_title("indexing and moving");
    for (size_t i = 0; i < sizeof index_cases / sizeof *index_cases; i++) index_run(&index_cases[i]);
    return 0;
}
