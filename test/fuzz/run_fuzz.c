/* run_fuzz.c - bytes become a small program over typed inputs; it is parsed, compiled, called, and
 * must give what the reference gives: the same success, the same sizes, the same numbers.
 *
 * Each statement takes a template and two earlier names. One that does not fit (types, sizes) is
 * dropped, so what runs is always a valid program. Numbers are small multiples of 1/4, exact in f64
 * through additions, products and sums; behind a function of reals, or a large number, only success
 * and sizes are compared.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/bitale.h"
#include "expr/op.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_STATEMENTS = 10, NINPUTS = 7, TEXT_BYTES = 8000 };

typedef struct source { const uint8_t *at, *end; } source;

static unsigned source_byte(source *s) { return s->at < s->end ? *s->at++ : 0; }
static unsigned source_below(source *s, unsigned n) { return source_byte(s) % n; }

/* $a $b: earlier names, $k: a small integer. A leading '~': not exact. */
static const char *const templates[] = {
    "$a + $b", "$a - $b", "$a * $b", "maximum($a, $b)", "minimum($a, $b)", "where($a < $b, $a, $b)", "-$a", "abs($a)",
    "sum($a)", "sum($a, axis=$k)", "sum($a, axis=$k, keepdims=true)", "max($a, axis=$k)", "min($a)", "argmax($a, axis=$k)",
    "argmin($a)", "any($a > $b)", "all($a == $b, axis=$k)", "$a.T", "reshape($a, [$a.shape[0], -1])", "reshape($a, [-1])",
    "$a[$k]", "$a[$k:]", "$a[:$k]", "$a[::-1]", "$a[$k::2]", "$a[k]", "$a[k:]", "$a[:k]", "$a[k:k + 2]", "$a[..., 0]",
    "$a[newaxis]", "$a[i]", "$a[:, i]", "$a[i, i]", "set_subtensor($a[$k], $b)", "inc_subtensor($a[i], $b)", "inc_subtensor($a[k:], $b)",
    "concatenate([$a, $b], axis=$k)", "stack([$a, $b])", "broadcast_to($a, [2, n])", "transpose($a)", "f32($a)", "f64($a)", "i32($a)",
    "i64($a)", "u8($a)", "bool($a)", "f16($a)", "$a // $b", "$a % $b", "floor($a)", "sign($a)", "$a & $b", "$a | $b", "$a ^ $b", "~$a",
    "$a << $k", "$a >> $k", "not ($a > 0)", "$a @ $b", "$a @ $b.T", "zeros([n, $k])", "arange(n)", "arange(k)", "$a * 2 + 1",
    "$a.shape[0] * $b", "prod($a)", "mean($a)", "~exp($a)", "~log($a)", "~tanh($a)", "~$a / $b", "~softmax($a)", "~sqrt($a)", "~var($a)",
    "~sigmoid($a) * $b", "~log(softmax($a))", "~logsumexp($a, axis=$k)", "~$a ** $b", "~grad(sum($a * $a), x)", "~grad(sum(exp($a)), y)",
    "~std($a, axis=$k)", "~log(1 + exp($a))", "stop_gradient($a)", "(fn(p) => p + p)($a)", "clip($a, -1, 1)", "cumsum($a)", "eye(n)",
    "$a == $a", "isnan($a)", "$a * 0", "$a + 0", "$a - $a", "$a * 1", "~$a / $a", "--$a", "$a.T.T", "[$a, $b]", "split($a, 2)",
};
enum { NTEMPLATES = sizeof templates / sizeof *templates };

static const char header[] =
    "input x: f64[n]\ninput y: f64[n, m]\ninput z: f32[m]\ninput i: i64[2]\ninput k: i64\ninput s: f64\ninput c: i32[n]\n";

typedef struct program { char text[TEXT_BYTES]; int n; bool exact[MOST_STATEMENTS]; } program;

static void program_name(source *s, const program *p, char *name) {
    static const char *const inputs[NINPUTS] = { "x", "y", "z", "i", "k", "s", "c" };
    unsigned pick = source_below(s, (unsigned)(NINPUTS + 2 * p->n));
    if (pick < NINPUTS) strcpy(name, inputs[pick]);
    else sprintf(name, "v%u", (pick - NINPUTS) / 2);
}

/* Adds a statement to the text (not yet to the program). */
static bool program_statement(source *s, const program *p, char *text, bool *exact) {
    const char *t = templates[source_below(s, NTEMPLATES)];
    char a[20], b[20], *at = text + strlen(text);
    program_name(s, p, a), program_name(s, p, b);
    *exact = *t != '~' || t[1] == '$'; /* "~$a" is the operator */
    if (strcmp(t, "~$a / $b") == 0 || strcmp(t, "~$a / $a") == 0 || strcmp(t, "~$a ** $b") == 0) *exact = false, t++;
    else if (!*exact) t++;
    at += sprintf(at, "v%d = ", p->n);
    for (; *t; t++) {
        if (*t != '$') *at++ = *t;
        else if (*++t == 'k') at += sprintf(at, "%d", (int)source_below(s, 5) - 2);
        else at += sprintf(at, "%s", *t == 'a' ? a : b);
    }
    strcpy(at, "\n");
    return (size_t)(at - text) + 400 < TEXT_BYTES;
}

static bool program_fits(btl_context *ctx, const char *text) {
    btl_graph *g = NULL;
    if (btl_graph_new(ctx, &g) != BTL_OK) return false;
    bool good = btl_graph_parse(g, text, strlen(text), "fuzz") == BTL_OK;
    btl_graph_free(g);
    return good;
}

static void program_make(btl_context *ctx, source *s, program *p) {
    strcpy(p->text, header);
    bool exact_so_far = true;
    for (int tries = 0; tries < 2 * MOST_STATEMENTS && p->n < MOST_STATEMENTS && s->at < s->end; tries++) {
        char longer[TEXT_BYTES];
        bool exact;
        strcpy(longer, p->text);
        if (!program_statement(s, p, longer, &exact) || !program_fits(ctx, longer)) continue;
        strcpy(p->text, longer);
        exact_so_far &= exact;
        p->exact[p->n++] = exact_so_far;
    }
    strcat(p->text, "output ");
    for (int i = 0; i < p->n; i++) sprintf(p->text + strlen(p->text), i ? ", o%d = v%d" : "o%d = v%d", i, i);
    strcat(p->text, p->n ? "\n" : "o = x\n");
}

/* ---- running ------------------------------------------------------------------------------ */

typedef struct arguments {
    int64_t n[1], nm[2], m[1], two[1], k;
    double x[8], y[64], s;
    float z[8];
    int64_t i[2];
    int32_t c[8];
    btl_array in[NINPUTS];
} arguments;

static double source_number(source *s, bool special) {
    unsigned b = source_byte(s);
    if (special && b >= 250) return b == 250 ? (double)NAN : b == 251 ? (double)INFINITY : b == 252 ? -(double)INFINITY : b == 253 ? -0.0 : 1e300;
    return ((int)(b % 33) - 16) / 4.0;
}

static void arguments_make(source *s, arguments *a) {
    unsigned sizes = source_byte(s);
    bool special = sizes & 0x80;
    a->n[0] = a->nm[0] = sizes & 7, a->nm[1] = a->m[0] = sizes >> 3 & 7, a->two[0] = 2;
    for (int i = 0; i < 8; i++) a->x[i] = source_number(s, special), a->z[i] = (float)source_number(s, special), a->c[i] = (int32_t)source_number(s, false);
    for (int i = 0; i < 64; i++) a->y[i] = source_number(s, special);
    a->s = source_number(s, special);
    a->k = (int64_t)source_below(s, 9) - 4;
    for (int i = 0; i < 2; i++) a->i[i] = (int64_t)source_below(s, 6) - 2;
    a->in[0] = btl_array_wrap(BTL_F64, 1, a->n, a->x), a->in[1] = btl_array_wrap(BTL_F64, 2, a->nm, a->y);
    a->in[2] = btl_array_wrap(BTL_F32, 1, a->m, a->z), a->in[3] = btl_array_wrap(BTL_I64, 1, a->two, a->i);
    a->in[4] = btl_array_wrap(BTL_I64, 0, NULL, &a->k), a->in[5] = btl_array_wrap(BTL_F64, 0, NULL, &a->s);
    a->in[6] = btl_array_wrap(BTL_I32, 1, a->n, a->c);
}

static void fail(const program *p, const arguments *a, const char *what) {
    fprintf(stderr, "%s\nn = %d, m = %d, k = %d, i = [%d, %d]\n%s", what, (int)a->n[0], (int)a->m[0], (int)a->k, (int)a->i[0], (int)a->i[1], p->text);
    abort();
}

static double element(const btl_array *a, int64_t i) {
    btl_dtype dtype = BTL_BOOL;
    btl_array_dtype(a, &dtype);
    double value = 0;
    btl_array from = btl_array_wrap(dtype, 0, NULL, (char *)btl_array_data(a) + i * (int64_t)btl_dtype_bytes(dtype)), to = btl_array_wrap(BTL_F64, 0, NULL, &value);
    btl_array_convert(&to, &from);
    return value;
}

/* Sizes, and the numbers as long as they are exact. */
static void compare(const program *p, const arguments *a, const btl_array *got, const btl_array *want) {
    bool exact = true;
    char what[200];
    for (int i = 0; i < p->n; i++) {
        bool same = got[i].ndim == want[i].ndim;
        for (int k = 0; same && k < want[i].ndim; k++) same = got[i].shape[k] == want[i].shape[k];
        snprintf(what, sizeof what, "v%d: sizes differ", i);
        if (!same) fail(p, a, what);
        exact = exact && p->exact[i];
        for (int64_t k = 0, n = btl_array_elems(&want[i]); exact && k < n; k++) {
            double g = element(&got[i], k), w = element(&want[i], k);
            if (fabs(w) > 1e9 || (want[i].dtype.bits < 64 && want[i].dtype.code == 2 && fabs(w) > 500)) exact = false;
            else if (!(isnan(g) && isnan(w)) && !(fabs(g - w) <= 1e-9 * fabs(w)) && g != w) {
                snprintf(what, sizeof what, "v%d[%d]: got %.17g, the reference says %.17g", i, (int)k, g, w);
                fail(p, a, what);
            }
        }
    }
}

static void run(btl_graph *g, const program *p, const arguments *a, const char *mode) {
    btl_entry *e = btl_entry_find(g, NULL);
    btl_function_options o = { .mode = mode };
    btl_function *f = NULL;
    btl_error err = { 0 }, reference_err = { 0 };
    if (btl_function_new(g, e, &o, &f, &err) != BTL_OK) fail(p, a, err.message);
    btl_var *vars[MOST_STATEMENTS], *inputs[NINPUTS];
    btl_array got[MOST_STATEMENTS] = { { 0 } }, want[MOST_STATEMENTS] = { { 0 } };
    for (int i = 0; i < p->n; i++) vars[i] = e->outputs[i].var;
    for (int i = 0; i < NINPUTS; i++) inputs[i] = e->inputs[i].var;
    for (int again = 0; again < 2; again++) {
        err = reference_err = (btl_error){ 0 };
        btl_status status = btl_call(f, NULL, a->in, got, NULL, &err);
        if (status != BTL_OK && !*err.message) fail(p, a, "no message");
        btl_status reference = btl_graph_eval(g, NINPUTS, inputs, a->in, NULL, p->n, vars, want, &reference_err);
        if ((status == BTL_OK) != (reference == BTL_OK)) fail(p, a, status ? err.message : reference_err.message);
        if (status == BTL_OK) compare(p, a, got, want);
        for (int i = 0; i < p->n; i++) btl_array_free(&got[i]), btl_array_free(&want[i]);
    }
    btl_function_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static program p;
    static arguments a;
    source s = { data, data + size };
    p = (program){ .n = 0 };
    btl_context *ctx = NULL;
    btl_graph *g = NULL;
    if (btl_context_new(NULL, &ctx) != BTL_OK || btl_graph_new(ctx, &g) != BTL_OK) return 0;
    const char *mode = source_byte(&s) & 1 ? "fast_compile" : "fast_run,linker=strips";
    arguments_make(&s, &a);
    program_make(ctx, &s, &p);
    if (p.n && btl_graph_parse(g, p.text, strlen(p.text), "fuzz") == BTL_OK) run(g, &p, &a, mode);
    btl_graph_free(g);
    btl_context_free(ctx);
    return 0;
}
