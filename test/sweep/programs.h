/* programs.h - programs drawn at random: elementwise ops, reductions, views, indexing, products, on shapes
 * that broadcast. `exact` ones, on small integers, stay exact: any order of summation gives the same bits.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SWEEP_PROGRAMS_H
#define TEST_SWEEP_PROGRAMS_H

#include "sweep.h"

enum { MOST_LINES = 24, NINPUTS = 3 };

/* ---- random programs ---------------------------------------------------------------------------- */

typedef struct line_var {
    char name[8], text[200];   /* of an input: empty */
    int rank;
    int64_t dims[4];
    double bound;              /* of its magnitude, in exact programs */
    bool integral;
} line_var;

typedef struct program {
    btl_rng r;
    bool exact;
    const char *dtype;
    int n;
    line_var v[NINPUTS + MOST_LINES];
} program;

static int below(program *p, int n) { return (int)btl_rng_below(&p->r, (uint64_t)n); }

static line_var *pick(program *p) { return &p->v[below(p, p->n)]; }

/* A later line depends more often on a recent one. */
static line_var *pick_recent(program *p) { return below(p, 2) ? pick(p) : &p->v[p->n - 1]; }

static bool broadcasts(const line_var *a, const line_var *b, line_var *out) {
    out->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int k = 1; k <= out->rank; k++) {
        int64_t x = k <= a->rank ? a->dims[a->rank - k] : 1, y = k <= b->rank ? b->dims[b->rank - k] : 1;
        if (x != y && x != 1 && y != 1) return false;
        out->dims[out->rank - k] = x == 1 ? y : x;
    }
    return true;
}

/* The form with $a and $b replaced. */
static void spell(line_var *o, const char *form, const char *a, const char *b) {
    size_t at = 0;
    for (; *form && at + 10 < sizeof o->text; form++) {
        if (*form != '$') o->text[at++] = *form;
        else at += (size_t)snprintf(o->text + at, sizeof o->text - at, "%s", *++form == 'a' ? a : b);
    }
    o->text[at] = 0;
}

static bool line_unary(program *p, line_var *o) {
    static const char *const exact[] = { "-$a", "abs($a)", "floor($a)", "sqr($a)", "sign($a)", "identity($a)" };
    static const char *const real[] = { "exp($a)", "tanh($a)", "sin($a)", "sigmoid($a)", "sqrt(abs($a))", "erf($a)", "log1p(abs($a))",
                                        "-$a", "abs($a)", "floor($a)", "sqr($a)", "arctan($a)", "softplus($a)", "1 / $a", "cos($a)" };
    line_var *a = pick_recent(p);
    const char *form = p->exact ? exact[below(p, 6)] : real[below(p, 15)];
    *o = *a;
    if (strcmp(form, "sqr($a)") == 0) o->bound = a->bound * a->bound;
    spell(o, form, a->name, a->name);
    return true;
}

static bool line_binary(program *p, line_var *o) {
    static const char *const forms[] = { "$a + $b", "$a - $b", "$a * $b", "maximum($a, $b)", "minimum($a, $b)", "where($a < $b, $b, $a)", "$a / $b" };
    line_var *a = pick_recent(p), *b = pick(p);
    int which = below(p, p->exact ? 6 : 7);
    memset(o, 0, sizeof *o);
    if (!broadcasts(a, b, o)) return false;
    double sum = a->bound + b->bound, product = a->bound * b->bound;
    o->bound = which < 2 ? sum : which == 2 ? product : a->bound > b->bound ? a->bound : b->bound;
    spell(o, forms[which], a->name, b->name);
    return true;
}

static bool line_reduce(program *p, line_var *o) {
    static const char *const names[] = { "sum", "max", "min", "sum", "mean" };
    line_var *a = pick_recent(p);
    bool keep = below(p, 2), all = a->rank == 0 || below(p, 3) == 0;
    int axis = a->rank ? below(p, a->rank) : 0, which = below(p, p->exact ? 4 : 5);
    int64_t n = 1;
    for (int k = 0; k < a->rank; k++) n *= all || k == axis ? a->dims[k] : 1;
    if (n == 0 && which != 0) return false;
    *o = *a;
    o->rank = 0;
    for (int k = 0; k < a->rank; k++) {
        if (!all && k != axis) o->dims[o->rank++] = a->dims[k];
        else if (keep) o->dims[o->rank++] = 1;
    }
    o->bound = which == 0 || which == 3 ? a->bound * (double)(n ? n : 1) : a->bound;
    char at[32] = "";
    if (!all) snprintf(at, sizeof at, ", axis=%d", below(p, 2) ? axis : axis - a->rank);
    const char *cast = p->dtype[0] == 'i' ? p->dtype : "identity"; /* sums of integers are i64 */
    snprintf(o->text, sizeof o->text, "%s(%s(%s%s%s))", cast, names[which], a->name, at, keep ? ", keepdims=true" : "");
    return true;
}

static bool line_view(program *p, line_var *o) {
    line_var *a = pick_recent(p);
    *o = *a;
    if (a->rank == 0) return false;
    int last = a->rank - 1;
    switch (below(p, 6)) {
    case 0:
        for (int k = 0; k < a->rank; k++) o->dims[k] = a->dims[last - k];
        snprintf(o->text, sizeof o->text, "%s.T", a->name);
        return true;
    case 1: snprintf(o->text, sizeof o->text, "%s[::-1]", a->name); return true;
    case 2:
        o->dims[last] = (a->dims[last] + 1) / 2;
        snprintf(o->text, sizeof o->text, "%s[..., ::2]", a->name);
        return true;
    case 3:
        if (a->dims[0] < 2) return false;
        o->dims[0] = a->dims[0] - 1;
        snprintf(o->text, sizeof o->text, "%s[1:]", a->name);
        return true;
    case 4: {
        int64_t n = 1;
        for (int k = 0; k < a->rank; k++) n *= a->dims[k];
        o->rank = 1, o->dims[0] = n;
        snprintf(o->text, sizeof o->text, "reshape(%s, shape=[%lld])", a->name, (long long)n);
        return true;
    }
    default:
        if (a->rank > 2) return false;
        o->rank = a->rank + 1;
        for (int k = a->rank; k > 0; k--) o->dims[k] = a->dims[k - 1];
        o->dims[0] = 2;
        snprintf(o->text, sizeof o->text, "broadcast_to(%s, [2%s%lld%s", a->name, ", ", (long long)a->dims[0], a->rank == 1 ? "])" : "");
        if (a->rank == 2) snprintf(o->text + strlen(o->text), 40, ", %lld])", (long long)a->dims[1]);
        return true;
    }
}

static bool line_index(program *p, line_var *o) {
    line_var *a = pick_recent(p), *b = pick(p);
    *o = *a;
    if (a->rank == 0 || a->dims[0] < 2) return false;
    switch (below(p, 4)) {
    case 0:
        o->dims[0] = 3;
        snprintf(o->text, sizeof o->text, "%s[[1, 0, -1]]", a->name);
        return true;
    case 1:
        if (!broadcasts(a, b, o) || o->rank != a->rank || memcmp(o->dims, a->dims, sizeof *a->dims * (size_t)a->rank) != 0) return false;
        o->bound = a->bound + b->bound;
        snprintf(o->text, sizeof o->text, "inc_subtensor(%s[::-1], %s)", a->name, b->name);
        return true;
    case 2:
        o->bound = a->bound > 7 ? a->bound : 7;
        snprintf(o->text, sizeof o->text, "set_subtensor(%s[-1], 7)", a->name);
        return true;
    default:
        if (a->rank != b->rank) return false;
        for (int k = 1; k < a->rank; k++)
            if (a->dims[k] != b->dims[k]) return false;
        o->dims[0] = a->dims[0] + b->dims[0];
        o->bound = a->bound > b->bound ? a->bound : b->bound;
        snprintf(o->text, sizeof o->text, "concatenate([%s, %s])", a->name, b->name);
        return true;
    }
}

static bool line_product(program *p, line_var *o) {
    line_var *a = pick_recent(p), *b = pick(p);
    if (!p->exact || a->rank != 2 || b->rank != 2) return false; /* a BLAS orders its sums as it likes */
    memset(o, 0, sizeof *o);
    o->rank = 2, o->dims[0] = a->dims[0];
    o->dims[1] = a->dims[1] == b->dims[0] ? b->dims[1] : b->dims[0];
    if (a->dims[1] != b->dims[0] && a->dims[1] != b->dims[1]) return false;
    o->bound = a->bound * b->bound * (double)(a->dims[1] + 1);
    snprintf(o->text, sizeof o->text, "%s @ %s%s", a->name, b->name, a->dims[1] == b->dims[0] ? "" : ".T");
    return true;
}

static bool small_enough(const line_var *o) {
    int64_t n = 1;
    for (int k = 0; k < o->rank; k++) n *= o->dims[k];
    return n <= 6000 && o->rank <= 4;
}

static program program_new(uint64_t seed, bool exact, const char *dtype, int lines) {
    static bool (*const makers[])(program *, line_var *) = { line_unary, line_unary, line_binary, line_binary, line_binary, line_reduce,
                                                             line_view, line_view, line_index, line_product };
    static const int64_t sizes[] = { 1, 2, 3, 5, 7, 33, 40, 0 };
    program p = { .r = { seed }, .exact = exact, .dtype = dtype };
    double most = strcmp(dtype, "f32") == 0 ? 0x1p24 : 0x1p30; /* f64 keeps room for gradients */
    int64_t m = sizes[below(&p, 7)], n = sizes[below(&p, 8)];
    if (below(&p, 4) == 0) n = 700; /* longer than a strip */
    for (int i = 0; i < NINPUTS; i++) {
        line_var *v = &p.v[p.n++];
        *v = (line_var){ .rank = below(&p, 3), .bound = 4 };
        if (i == 0) v->rank = 2;
        v->dims[0] = v->rank == 2 ? m : n, v->dims[1] = n;
        snprintf(v->name, sizeof v->name, "x%d", i);
    }
    for (int tries = 0; tries < 400 && p.n < NINPUTS + lines; tries++) {
        line_var o;
        if (!makers[below(&p, 10)](&p, &o) || !small_enough(&o) || (exact && o.bound >= most)) continue;
        snprintf(o.name, sizeof o.name, "v%d", p.n - NINPUTS);
        p.v[p.n++] = o;
    }
    return p;
}

static void type_of(const program *p, const line_var *v, char *text, size_t bytes) {
    int at = snprintf(text, bytes, "%s", p->dtype);
    for (int k = 0; k < v->rank; k++) at += snprintf(text + at, bytes - (size_t)at, "%s%lld", k ? ", " : "[", (long long)v->dims[k]);
    if (v->rank) snprintf(text + at, bytes - (size_t)at, "]");
}

/* The program as text; the last lines are its outputs. */
static SWEEP_UNUSED void program_text(const program *p, int from, int to, bool *is_input, char *text, size_t bytes) {
    size_t at = 0;
    char type[80];
    for (int i = 0; i < to; i++) {
        if (!is_input[i]) continue;
        type_of(p, &p->v[i], type, sizeof type);
        at += (size_t)snprintf(text + at, bytes - at, "input %s: %s\n", p->v[i].name, type);
    }
    for (int i = from; i < to; i++) {
        type_of(p, &p->v[i], type, sizeof type);
        at += (size_t)snprintf(text + at, bytes - at, "%s: %s = %s\n", p->v[i].name, type, p->v[i].text);
    }
    snprintf(text + at, bytes - at, "output y = %s, z = %s\n", p->v[to - 1].name, p->v[to > from + 1 ? to - 2 : to - 1].name);
}

static btl_array input_array(program *p, const line_var *v, sweep_values values) {
    btl_array a;
    btl_dtype dtype = BTL_F64;
    btl_dtype_find(p->dtype, strlen(p->dtype), &dtype);
    BTL_ASSERT_OK(btl_array_new(NULL, dtype, v->rank, v->dims, &a));
    if (!p->exact) sweep_fill(&a, v->name, values, &p->r);
    else
        for (int64_t i = 0, n = btl_array_elems(&a); i < n; i++) {
            int k = below(p, 9) - 4;
            sweep_set(&a, i, k, k);
        }
    return a;
}

#endif
