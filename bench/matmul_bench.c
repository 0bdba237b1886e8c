/* matmul_bench.c - products of matrices: the limit is the best rate that the BLAS in use reached on a
 * square product, called by this program itself. SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

enum { PEAK = 768 };
typedef struct matmul_peak { bench_sgemm sgemm; float *a, *b, *c; } matmul_peak;

static void matmul_peak_work(void *arg) {
    matmul_peak *p = arg;
    p->sgemm(101, 111, 111, PEAK, PEAK, PEAK, 1, p->a, PEAK, p->b, PEAK, 0, p->c, PEAK);
}

static const char *const matmul_cases[] = {
    "f32[768, 768] @ f32[768, 768]", "f32[256, 784] @ f32[784, 500]", "f32[256, 784] @ f32[500, 784].T", "f32[784, 256].T @ f32[784, 500]",
    "f32[20, 784] @ f32[784, 500]", "f32[256, 500] @ f32[500, 10]", "f32[128, 256] @ f32[256, 128]", "f32[1, 784] @ f32[784, 500]",
    "f32[784, 500] @ f32[500]", "f32[64, 32, 32] @ f32[64, 32, 32]", "f32[64, 32, 32] @ f32[32, 32]", "f32[8, 8] @ f32[8, 8]",
    "f64[512, 512] @ f64[512, 512]", "bf16[256, 256] @ bf16[256, 256]", "i32[256, 256] @ i32[256, 256]",
};

/* One case: "TYPE[.T] @ TYPE[.T]". */
static void matmul_run(const char *c, double ns_per_madd) {
    char text[400], a[64], b[64], *at;
    snprintf(a, sizeof a, "%.*s", (int)(strchr(c, '@') - c - 1), c);
    snprintf(b, sizeof b, "%s", strchr(c, '@') + 2);
    const char *ta = (at = strstr(a, ".T")) ? (*at = 0, ".T") : "", *tb = (at = strstr(b, ".T")) ? (*at = 0, ".T") : "";
    snprintf(text, sizeof text, "input a: %s\ninput b: %s\noutput c = a%s @ b%s\n", a, b, ta, tb);
    bench_program p = bench_compile(text, NULL);
    bench_arguments(&p, 2);
    bench_call(&p);
    int64_t inner = p.in[0].shape[*ta ? p.in[0].ndim - 2 : p.in[0].ndim - 1];
    bench_row(c, bench_measure(bench_call, &p), ns_per_madd * (double)(btl_array_elems(&p.out[0]) * inner), "the BLAS's best rate in f32");
    bench_free(&p);
}

int main(void) {
    btl_context *ctx;
    bench_check(btl_context_new(NULL, &ctx), "context", NULL);
    const char *text = btl_blas_describe(ctx), *kernels = NULL;
    matmul_peak p = { bench_blas(text, &kernels), malloc(PEAK * PEAK * 4), malloc(PEAK * PEAK * 4), malloc(PEAK * PEAK * 4) };
    double ns = 0;
    if (!p.a || !p.b || !p.c) return 1;
    for (int i = 0; i < PEAK * PEAK; i++) p.a[i] = p.b[i] = (float)(i % 17);
    bench_title("products of matrices");
    printf("BLAS: %s%s%s\n", text, kernels ? ", kernels for " : "", kernels ? kernels : "");
    if (p.sgemm) {
        bench_time t = bench_measure(matmul_peak_work, &p);
        ns = t.least / PEAK / PEAK / PEAK;
        char name[80];
        snprintf(name, sizeof name, "sgemm of 768 x 768 x 768 by itself (%.0f GF/s)", 2 / ns);
        bench_row(name, t, 0, NULL);
    }
    for (size_t i = 0; i < sizeof matmul_cases / sizeof *matmul_cases; i++) matmul_run(matmul_cases[i], ns);
    free(p.a), free(p.b), free(p.c);
    btl_context_free(ctx);
    return 0;
}
