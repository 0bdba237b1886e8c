/* train_bench.c - steps of training, against the time of their matrix products alone.
 * Arguments: the folder of examples. SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

/* ---- the floor: products by the same BLAS, through functions of one product each -------------- */

typedef struct train_product { int64_t m, k, n; bool ta, tb; int times; } train_product;

static double train_floor(const train_product *list, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        const train_product *p = &list[i];
        char text[300];
        snprintf(text, sizeof text, "input a: f32[%lld, %lld]\ninput b: f32[%lld, %lld]\noutput c = a%s @ b%s\n",
                 (long long)(p->ta ? p->k : p->m), (long long)(p->ta ? p->m : p->k), (long long)(p->tb ? p->n : p->k),
                 (long long)(p->tb ? p->k : p->n), p->ta ? ".T" : "", p->tb ? ".T" : "");
        bench_program q = bench_compile(text, NULL);
        bench_arguments(&q, 1);
        bench_time t = bench_measure(bench_call, &q);
        char name[80];
        snprintf(name, sizeof name, "  product %lld x %lld x %lld%s%s", (long long)p->m, (long long)p->k, (long long)p->n, p->ta ? ", left transposed" : "",
                 p->tb ? ", right transposed" : "");
        bench_row(name, t, 0, NULL);
        sum += t.median * p->times;
        bench_free(&q);
    }
    return sum;
}

/* ---- the character model ---------------------------------------------------------------------- */

/* The number behind "const NAME = " in a text. */
static int64_t train_constant(const char *text, const char *name) {
    char wanted[40];
    snprintf(wanted, sizeof wanted, "const %s = ", name);
    const char *at = strstr(text, wanted);
    if (!at) bench_check(BTL_ENAME, name, "the example has no such constant");
    return strtoll(at + strlen(wanted), NULL, 10);
}

static void train_charlm(const char *folder) {
    char path[1000], title[120];
    size_t bytes;
    snprintf(path, sizeof path, "%s/charlm/charlm.bitale", folder);
    char *text = bench_read(path, &bytes);
    if (!text) return;
    int64_t b = train_constant(text, "batch"), h = train_constant(text, "hidden");
    int64_t c = train_constant(text, "context") * train_constant(text, "features");
    const train_product products[] = {
        { b, c, h, false, false, 1 }, { b, h, 256, false, false, 1 }, /* forward */
        { h, b, 256, true, false, 1 }, { b, 256, h, false, true, 1 }, /* V, its operand */
        { c, b, h, true, false, 1 }, { b, h, c, false, true, 1 },     /* W, its operand */
    };
    snprintf(title, sizeof title, "charlm: %lld-%lld-256, batch of %lld", (long long)c, (long long)h, (long long)b);
    bench_title(title);
    double limit = train_floor(products, 6);
    bench_program p = bench_compile(text, "train");
    int64_t n = 35000;
    p.in[0] = bench_array(BTL_U8, 1, &n, 90);
    bench_row("training step", bench_measure(bench_call, &p), limit, "its products");
    bench_free(&p);
    p = bench_compile(text, "sample");
    bench_row("a byte sampled", bench_measure(bench_call, &p), 0, NULL);
    bench_free(&p);
    free(text);
}

/* ---- a perceptron of 784-500-10 ---------------------------------------------------------------- */

static const char train_mlp_text[] =
    "shared w1: f32[784, 500] = random.normal(random.key(1), shape=[784, 500]) * 0.05\n"
    "shared b1: f32[500] = 0\n"
    "shared w2: f32[500, 10] = random.normal(random.key(2), shape=[500, 10]) * 0.1\n"
    "shared b2: f32[10] = 0\n"
    "function train(x: f32[n, 784], y: i32[n]):\n"
    "    s = tanh(x @ w1 + b1) @ w2 + b2\n"
    "    cost = -mean(log_softmax(s, axis=1)[arange(s.shape[0]), y])\n"
    "    g1, h1, g2, h2 = grad(cost, [w1, b1, w2, b2])\n"
    "    update w1 = w1 - 0.01 * g1\n"
    "    update b1 = b1 - 0.01 * h1\n"
    "    update w2 = w2 - 0.01 * g2\n"
    "    update b2 = b2 - 0.01 * h2\n"
    "    output cost\n";

static void train_mlp(int64_t n) {
    const train_product products[] = {
        { n, 784, 500, false, false, 1 }, { n, 500, 10, false, false, 1 }, { 784, n, 500, true, false, 1 },
        { 500, n, 10, true, false, 1 },   { n, 10, 500, false, true, 1 },
    };
    char title[80];
    snprintf(title, sizeof title, "perceptron 784-500-10, batch of %lld", (long long)n);
    bench_title(title);
    double limit = train_floor(products, 5);
    bench_program p = bench_compile(train_mlp_text, "train");
    int64_t shape[2] = { n, 784 };
    p.in[0] = bench_array(BTL_F32, 2, shape, 1);
    p.in[1] = bench_array(BTL_I32, 1, shape, 10);
    bench_row("training step", bench_measure(bench_call, &p), limit, "its products");
    bench_free(&p);
}

int main(int argc, char **argv) {
    train_charlm(argc > 1 ? argv[1] : "examples");
    train_mlp(20);
    train_mlp(256);
    return 0;
}
