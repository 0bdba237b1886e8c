/* chain_test.c - chains of a million nodes: read, differentiated, printed, compiled, called and
 * freed on a thread with a small stack, and in time that grows like their length.
 *
 * BTL_CHAIN in the environment is another length. Under a sanitizer chains are shorter and the stack
 * larger (its frames are).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "base/os.h"
#include "bitale/bitale.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define CHAIN_SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CHAIN_SANITIZED 1
#endif
#endif
#ifndef CHAIN_SANITIZED
#define CHAIN_SANITIZED 0
#endif

#ifdef NDEBUG
enum { CHECKED = 0 };
#else
enum { CHECKED = 1 }; /* the graph checker goes over everything after every pass */
#endif

static int chain_length(void) {
    const char *text = getenv("BTL_CHAIN");
    if (text) return atoi(text);
    return CHAIN_SANITIZED ? 20000 : CHECKED ? 100000 : 1000000;
}

/* A compiled function keeps all that its passes made, so the whole way is gone with a quarter: with its
 * gradient, that is a million nodes. */
static int chain_compiled_length(void) { return CHAIN_SANITIZED ? chain_length() : chain_length() / 4; }

/* ---- a thread with a small stack ---------------------------------------------------------- */

typedef struct small_thread { void (*body)(void *arg); void *arg; const char *failed; } small_thread;

static void *small_main(void *arg) {
    small_thread *t = arg;
    t->body(t->arg);
    return NULL;
}

/* cmocka's assertions jump: in the thread only notes are taken, and looked at here. */
static void on_a_small_stack(void (*body)(void *arg), void *arg) {
    small_thread t = { body, arg, NULL };
    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, CHAIN_SANITIZED ? 2 << 20 : 256 << 10), 0);
    assert_int_equal(pthread_create(&thread, &attributes, small_main, &t), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

/* ---- one chain, from text or C to a number and its gradient -------------------------------- */

typedef struct chain {
    int n;
    bool quiet;
    double x, y, dy;         /* an argument; the result and its derivative that came out */
    char *text;              /* the program, or NULL: built by C */
    bool only_read;          /* no compiling, no calls */
    const char *mode;
    char message[2000];      /* "" if all went well */
    double seconds;
    size_t peak_bytes;
} chain;

typedef struct chain_clock { int64_t before; const chain *c; double total; const btl_test_memory *memory; } chain_clock;

static void chain_note(chain_clock *t, const char *what) {
    int64_t now = btl_os_now_ns();
    t->total += (double)(now - t->before) / 1e9;
    if (!t->c->quiet) printf("    %-10s %9.1f ms, %.1f MB\n", what, (double)(now - t->before) / 1e6, (double)t->memory->live_bytes / 1e6);
    fflush(stdout);
    t->before = btl_os_now_ns();
}

/* y = tanh(y) + x, y * 0.5, … by the builders, n nodes. */
static btl_status chain_build(btl_graph *g, int n) {
    btl_var *x = btl_input(g, "x", "f64"), *y = x;
    btl_entry *e = btl_entry_new(g, "main");
    for (int i = 0; i < n; i++)
        y = i % 3 == 0 ? btl_tanh(g, y) : i % 3 == 1 ? btl_add(g, y, x) : btl_mul(g, y, btl_number(g, 0.5));
    btl_entry_add_input(g, e, x, NULL);
    btl_entry_add_output(g, e, "y", y);
    btl_var *dy = NULL;
    if (!y || btl_grad(g, y, 1, &x, BTL_DISCONNECTED_ERROR, &dy)) return btl_graph_error(g)->status;
    return btl_entry_add_output(g, e, "dy", dy);
}

static void chain_call(chain *c, const btl_function *f, btl_error *e) {
    btl_array in = btl_array_wrap(BTL_F64, 0, NULL, &c->x);
    btl_array out[2] = { btl_array_wrap(BTL_F64, 0, NULL, &c->y), btl_array_wrap(BTL_F64, 0, NULL, &c->dy) };
    btl_call(f, NULL, &in, out, NULL, e);
}

static void chain_run(void *arg) {
    chain *c = arg;
    btl_test_memory memory = { 0 };
    btl_context_options o = btl_test_context_options(&memory);
    btl_context *ctx = NULL;
    btl_graph *g = NULL, *again = NULL;
    btl_function *f = NULL;
    btl_error e = { 0 };
    chain_clock t = { btl_os_now_ns(), c, 0, &memory };
    const char *printed = NULL;
    btl_status status = btl_context_new(getenv("BTL_CHAIN_MALLOC") ? NULL : &o, &ctx);
    if (status == BTL_OK) status = btl_graph_new(ctx, &g);
    if (status == BTL_OK) status = c->text ? btl_graph_parse(g, c->text, strlen(c->text), "chain") : chain_build(g, c->n);
    chain_note(&t, "parse+grad");
    if (status == BTL_OK && !(printed = btl_graph_print(g))) status = BTL_ENOMEM;
    chain_note(&t, "print");
    if (status == BTL_OK && c->only_read) goto end;
    if (status == BTL_OK) status = btl_graph_new(ctx, &again);
    if (status == BTL_OK && (status = btl_graph_parse(again, printed, strlen(printed), "printed")) != BTL_OK)
        snprintf(c->message, sizeof c->message, "printed: %.1500s", btl_graph_messages(again));
    btl_graph_free(again);
    chain_note(&t, "parse 2");
    btl_function_options options = { .mode = c->mode };
    if (status == BTL_OK) status = btl_function_new(g, btl_entry_find(g, NULL), &options, &f, &e);
    chain_note(&t, "compile");
    if (status == BTL_OK) chain_call(c, f, &e);
    chain_note(&t, "first call");
    if (status == BTL_OK) chain_call(c, f, &e);
    chain_note(&t, "call");
end:
    btl_function_free(f);
    if (status != BTL_OK && !*c->message)
        snprintf(c->message, sizeof c->message, "%s", e.status ? e.message : g && btl_graph_error(g) ? btl_graph_error(g)->message : "?");
    btl_graph_free(g);
    btl_context_free(ctx);
    chain_note(&t, "free");
    c->seconds = t.total;
    c->peak_bytes = memory.peak_bytes;
    if (memory.live) snprintf(c->message, sizeof c->message, "%ld blocks were left", memory.live);
    if (!c->quiet) printf("    peak %.1f MB, %.2f s for %d\n", (double)memory.peak_bytes / 1e6, t.total, c->n);
}

static void chain_check(chain *c) {
    on_a_small_stack(chain_run, c);
    free(c->text);
    c->text = NULL;
    if (*c->message) BTL_FAIL("%s", c->message);
}

/* ---- texts -------------------------------------------------------------------------------- */

typedef struct writer { char *text, *at; } writer;

static writer writer_new(size_t bytes) {
    writer w = { malloc(bytes), NULL };
    assert_non_null(w.text);
    w.at = w.text;
    return w;
}

/* yi = y(i-1) * x, one a line: x^(n+1). */
static char *text_of_statements(int n) {
    writer w = writer_new((size_t)n * 64 + 400);
    w.at += sprintf(w.at, "input x: f64\ny0 = x * x\n");
    for (int i = 1; i < n; i++) w.at += sprintf(w.at, i % 2 ? "y%d = sin(y%d) + x\n" : "y%d = y%d * x\n", i, i - 1);
    sprintf(w.at, "output y = y%d, dy = grad(y, x)\n", n - 1);
    return w.text;
}

/* What the statements mean, and the derivative by its forward rule. */
static void value_of_statements(int n, double x, double *y, double *dy) {
    *y = x * x, *dy = 2 * x;
    for (int i = 1; i < n; i++)
        if (i % 2) *dy = cos(*y) * *dy + 1, *y = sin(*y) + x;
        else *dy = *dy * x + *y, *y = *y * x;
}

/* One expression in one line: x + x + … */
static char *text_of_one_expression(int n, const char *term) {
    writer w = writer_new((size_t)n * (strlen(term) + 3) + 400);
    w.at += sprintf(w.at, "input x: f64\ns = x");
    for (int i = 1; i < n; i++) w.at += sprintf(w.at, "%s", term);
    sprintf(w.at, "\noutput y = s, dy = grad(s, x)\n");
    return w.text;
}

BTL_TEST(a_million_statements_are_read_differentiated_printed_and_freed_on_a_small_stack) {
    chain c = { .n = chain_length(), .only_read = true };
    c.text = text_of_statements(c.n);
    chain_check(&c);
}

BTL_TEST(a_million_terms_in_one_line_are_too) {
    chain c = { .n = chain_length(), .only_read = true };
    c.text = text_of_one_expression(c.n, " + x");
    chain_check(&c);
}

BTL_TEST(a_chain_of_statements_goes_all_the_way_on_a_small_stack) {
    chain c = { .n = chain_compiled_length(), .x = 0.5 };
    double y, dy;
    c.text = text_of_statements(c.n);
    chain_check(&c);
    value_of_statements(c.n, c.x, &y, &dy);
    BTL_ASSERT_NEAR(c.y, y, 1e-12);
    BTL_ASSERT_NEAR(c.dy, dy, 1e-10);
}

BTL_TEST(a_sum_in_one_line_goes_all_the_way_on_a_small_stack) {
    chain c = { .n = chain_compiled_length(), .x = 0.5 };
    c.text = text_of_one_expression(c.n, " + x");
    chain_check(&c);
    BTL_ASSERT_NEAR(c.y, 0.5 * c.n, 1e-6);
    BTL_ASSERT_NEAR(c.dy, c.n, 1e-6);
}

BTL_TEST(a_chain_built_from_C_goes_all_the_way_on_a_small_stack) {
    chain c = { .n = chain_compiled_length(), .x = 0.25 };
    chain_check(&c);
    double y = c.x, dy = 1;
    for (int i = 0; i < c.n; i++)
        if (i % 3 == 0) y = tanh(y), dy *= 1 - y * y;
        else if (i % 3 == 1) y += c.x, dy += 1;
        else y *= 0.5, dy *= 0.5;
    BTL_ASSERT_NEAR(c.y, y, 1e-12);
    BTL_ASSERT_NEAR(c.dy, dy, 1e-10);
}

/* ---- growth ------------------------------------------------------------------------------- */

/* Ten times the length must not take a hundred times the memory, nor (asserted only on demand) the time. */
static void assert_grows_linearly(const char *what, char *(*make)(int n), const char *mode) {
    double seconds[2], bytes[2];
    int n = CHAIN_SANITIZED ? 400 : 4000;
    for (int i = 0; i < 2; i++) {
        chain c = { .n = i ? 10 * n : n, .x = 0.5, .quiet = getenv("BTL_CHAIN") == NULL, .mode = mode };
        c.text = make(c.n);
        chain_check(&c);
        seconds[i] = c.seconds, bytes[i] = (double)c.peak_bytes;
    }
    if (bytes[1] > 20 * bytes[0]) BTL_FAIL("%s: %.0f bytes for %d, %.0f bytes for %d", what, bytes[0], n, bytes[1], 10 * n);
    if (btl_test_timed() && seconds[1] > 30 * seconds[0] && seconds[1] > 1)
        BTL_FAIL("%s: %.3f s for %d, %.3f s for %d", what, seconds[0], n, seconds[1], 10 * n);
}

static char *text_of_products(int n) { return text_of_one_expression(n, " * x"); }
static char *text_of_differences(int n) { return text_of_one_expression(n, " - x"); }
static char *text_of_numbers(int n) { return text_of_one_expression(n, " + 1.5"); }

/* Buffers of different sizes that are all alive to the end. */
static char *text_of_many_buffers(int n) {
    writer w = writer_new((size_t)n * 80 + 400);
    w.at += sprintf(w.at, "input x: f64\nr = x * ones([64])\nt0 = x * 1\n");
    int m = n / 4;
    for (int i = 1; i <= m; i++) w.at += sprintf(w.at, "v%d = r[%d:%d] * t%d\nt%d = sum(v%d) * 0.001\n", i, i % 30, i % 30 + 1 + i % 29, i - 1, i, i);
    w.at += sprintf(w.at, "z0 = t%d\n", m);
    for (int i = 1; i <= m; i++) w.at += sprintf(w.at, "z%d = z%d + sum(v%d) * x\n", i, i - 1, m + 1 - i);
    sprintf(w.at, "output y = z%d, dy = grad(z%d, x)\n", m, m);
    return w.text;
}

static char *text_of_indexing(int n) {
    writer w = writer_new((size_t)n * 80 + 400);
    w.at += sprintf(w.at, "input x: f64\nr0 = x * ones([3])\ni = i64(x)\n");
    int m = n / 8;
    for (int i = 1; i <= m; i++) w.at += sprintf(w.at, "r%d = r%d[:2 - i] * 0.5\n", i, i - 1);
    sprintf(w.at, "output y = sum(r%d), dy = x\n", m);
    return w.text;
}

static char *text_of_fresh_sizes(int n) {
    writer w = writer_new((size_t)n * 80 + 400);
    w.at += sprintf(w.at, "input x: f64\ni = i64(x) + 2\nt0 = x\n");
    int m = n / 8;
    for (int i = 1; i <= m; i++) w.at += sprintf(w.at, "t%d = t%d * 0.5 + sum(arange(4)[:i] * x)\n", i, i - 1);
    sprintf(w.at, "output y = t%d, dy = x\n", m);
    return w.text;
}

BTL_TEST(time_grows_with_the_length_of_a_sum) { assert_grows_linearly("a sum of numbers", text_of_numbers, NULL); }
BTL_TEST(time_grows_with_the_length_of_a_product) { assert_grows_linearly("a product", text_of_products, NULL); }
BTL_TEST(time_grows_with_the_length_of_a_difference) { assert_grows_linearly("a difference", text_of_differences, NULL); }
BTL_TEST(time_grows_with_the_number_of_buffers) { assert_grows_linearly("many buffers", text_of_many_buffers, NULL); }
BTL_TEST(time_grows_with_the_number_of_buffers_in_fast_compile) { assert_grows_linearly("many buffers", text_of_many_buffers, "fast_compile"); }
BTL_TEST(time_grows_with_the_number_of_views_of_late_sizes) { assert_grows_linearly("late views", text_of_indexing, NULL); }
BTL_TEST(time_grows_with_the_number_of_late_sizes) { assert_grows_linearly("late sizes", text_of_fresh_sizes, NULL); }

BTL_TEST_MAIN(cmocka_unit_test(time_grows_with_the_length_of_a_sum),
              cmocka_unit_test(time_grows_with_the_length_of_a_product),
              cmocka_unit_test(time_grows_with_the_length_of_a_difference),
              cmocka_unit_test(time_grows_with_the_number_of_buffers),
              cmocka_unit_test(time_grows_with_the_number_of_buffers_in_fast_compile),
              cmocka_unit_test(time_grows_with_the_number_of_views_of_late_sizes),
              cmocka_unit_test(time_grows_with_the_number_of_late_sizes),
              cmocka_unit_test(a_million_statements_are_read_differentiated_printed_and_freed_on_a_small_stack),
              cmocka_unit_test(a_million_terms_in_one_line_are_too),
              cmocka_unit_test(a_chain_of_statements_goes_all_the_way_on_a_small_stack),
              cmocka_unit_test(a_sum_in_one_line_goes_all_the_way_on_a_small_stack),
              cmocka_unit_test(a_chain_built_from_C_goes_all_the_way_on_a_small_stack))
