/* conv_bench.c - convolutions and pooling, by the two layers of LeNet (batch 500): the limit of a convolution is its
 * products of matrices, image by image, called by this program itself; of pooling, memcpy of what is read and written.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

typedef struct conv_layer { const char *name; int batch, channels, size, maps, kernel; } conv_layer;

static const conv_layer conv_layers[] = {
    { "1 x 28 x 28, 20 kernels of 5 x 5", 500, 1, 28, 20, 5 },
    { "20 x 12 x 12, 50 kernels of 5 x 5", 500, 20, 12, 50, 5 },
    { "64 x 28 x 28, 64 kernels of 3 x 3, batch 8", 8, 64, 28, 64, 3 },
    { "256 x 14 x 14, 64 kernels of 1 x 1, batch 8", 8, 256, 14, 64, 1 },
};

/* ---- products alone ---------------------------------------------------------------------------- */

typedef struct conv_products { bench_sgemm sgemm; int batch, maps, area, depth, which; float *k, *y, *columns; } conv_products;

static void conv_products_work(void *arg) {
    const conv_products *p = arg;
    for (int b = 0; b < p->batch; b++) {
        float *y = p->y + (size_t)b * (size_t)(p->maps * p->area);
        if (p->which == 0)
            p->sgemm(101, 111, 111, p->maps, p->area, p->depth, 1, p->k, p->depth, p->columns, p->area, 0, y, p->area);
        else if (p->which == 1)
            p->sgemm(101, 112, 111, p->depth, p->area, p->maps, 1, p->k, p->depth, y, p->area, 0, p->columns, p->area);
        else p->sgemm(101, 111, 112, p->maps, p->depth, p->area, 1, y, p->area, p->columns, p->area, 0, p->k, p->depth);
    }
}

static float *conv_floats(size_t n) {
    float *p = malloc(n * sizeof *p);
    if (!p) exit(1);
    for (size_t i = 0; i < n; i++) p[i] = (float)(i % 17) / 17;
    return p;
}

static double conv_limit(bench_sgemm sgemm, const conv_layer *l, int out, int which) {
    if (!sgemm) return 0;
    conv_products p = { .sgemm = sgemm,
                        .batch = l->batch,
                        .maps = l->maps,
                        .area = out * out,
                        .depth = l->channels * l->kernel * l->kernel,
                        .which = which };
    p.k = conv_floats((size_t)(p.maps * p.depth));
    p.y = conv_floats((size_t)p.batch * (size_t)(p.maps * p.area));
    p.columns = conv_floats((size_t)(p.depth * p.area));
    bench_time t = bench_measure(conv_products_work, &p);
    free(p.k), free(p.y), free(p.columns);
    return t.median;
}

/* ---- the ops ------------------------------------------------------------------------------------ */

static void conv_run(bench_sgemm sgemm, const conv_layer *l) {
    static const char *const what[] = { "forward", "by x", "by k" };
    int out = l->size - l->kernel + 1;
    char x[80], k[80], y[80], text[400], name[160];
    snprintf(x, sizeof x, "f32[%d, %d, %d, %d]", l->batch, l->channels, l->size, l->size);
    snprintf(k, sizeof k, "f32[%d, %d, %d, %d]", l->maps, l->channels, l->kernel, l->kernel);
    snprintf(y, sizeof y, "f32[%d, %d, %d, %d]", l->batch, l->maps, out, out);
    for (int which = 0; which < 3; which++) {
        if (which == 0) snprintf(text, sizeof text, "input x: %s\ninput k: %s\noutput y = conv2d(x, k)\n", x, k);
        if (which == 1)
            snprintf(text, sizeof text, "input y: %s\ninput k: %s\noutput x = conv2d_dx(y, k, size=[%d, %d])\n", y, k,
                     l->size, l->size);
        if (which == 2)
            snprintf(text, sizeof text, "input x: %s\ninput y: %s\noutput k = conv2d_dk(x, y, size=[%d, %d])\n", x, y,
                     l->kernel, l->kernel);
        bench_program p = bench_compile(text, NULL);
        bench_arguments(&p, 2);
        bench_call(&p);
        snprintf(name, sizeof name, "%s: %s", l->name, what[which]);
        bench_row(name, bench_measure(bench_call, &p), conv_limit(sgemm, l, out, which), "its products alone");
        bench_free(&p);
    }
}

/* ---- pooling ------------------------------------------------------------------------------------ */

typedef struct conv_copy { char *from, *to; size_t bytes; } conv_copy;

static void conv_copy_work(void *arg) {
    const conv_copy *c = arg;
    memcpy(c->to, c->from, c->bytes);
    __asm__ volatile("" : : "r"(c->to) : "memory");
}

static const struct { const char *name, *text; } conv_pools[] = {
    { "max_pool2d [500, 20, 24, 24], 2 x 2", "input x: f32[500, 20, 24, 24]\noutput y = max_pool2d(x)\n" },
    { "its gradient", "input x: f32[500, 20, 24, 24]\ninput y: f32[500, 20, 12, 12]\ninput d: f32[500, 20, 12, 12]\noutput r = max_pool2d_dx(x, y, d)\n" },
    { "max_pool2d [500, 50, 8, 8], 2 x 2", "input x: f32[500, 50, 8, 8]\noutput y = max_pool2d(x)\n" },
    { "its gradient", "input x: f32[500, 50, 8, 8]\ninput y: f32[500, 50, 4, 4]\ninput d: f32[500, 50, 4, 4]\noutput r = max_pool2d_dx(x, y, d)\n" },
    { "max_pool2d [8, 64, 56, 56], 3 x 3, stride 2, padding 1", "input x: f32[8, 64, 56, 56]\noutput y = max_pool2d(x, size=3, stride=2, padding=1)\n" },
    { "mean_pool2d [500, 20, 24, 24], 2 x 2", "input x: f32[500, 20, 24, 24]\noutput y = mean_pool2d(x)\n" },
};

static void conv_pool(const char *name, const char *text) {
    bench_program p = bench_compile(text, NULL);
    bench_arguments(&p, 2);
    bench_call(&p);
    conv_copy c = { .bytes = (size_t)bench_bytes(&p) / 2 };
    c.from = calloc(1, c.bytes), c.to = malloc(c.bytes);
    if (!c.from || !c.to) exit(1);
    bench_row(name, bench_measure(bench_call, &p), bench_measure(conv_copy_work, &c).median, "memcpy of as many bytes");
    free(c.from), free(c.to);
    bench_free(&p);
}

int main(void) {
    btl_context *ctx;
    bench_check(btl_context_new(NULL, &ctx), "context", NULL);
    const char *text = btl_blas_describe(ctx);
    bench_title("convolutions");
    printf("BLAS: %s\n", text);
    const char *kernels;
    bench_sgemm sgemm = bench_blas(text, &kernels);
    for (size_t i = 0; i < sizeof conv_layers / sizeof *conv_layers; i++) conv_run(sgemm, &conv_layers[i]);
    btl_context_free(ctx);
    bench_title("pooling");
    for (size_t i = 0; i < sizeof conv_pools / sizeof *conv_pools; i++) conv_pool(conv_pools[i].name, conv_pools[i].text);
    return 0;
}
