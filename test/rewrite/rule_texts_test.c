/* rule_texts_test.c - rules on expressions written in the notation, over dtypes, sizes and hard values.
 *
 * Every rule with a pattern is written out by itself (its letters are inputs); those made of code, and passes, have lines in TEXTS.
 * Each expression is built for every dtype that takes it, with symbolic sizes, and rewritten by the rule alone, by all rules together
 * (which must come to an end), and without it. Then, for all sizes (0, 1 and others):
 *
 *     the value      the same bits, or what the rule's class allows; for integers, which wrap, and with 0, -0, infinities and NaN too
 *     in f32         against the expression computed in f64 from the same numbers
 *     the gradient   of both sides by every float input, in f64
 *     failures       where the expression fails (an index out of range, a maximum of nothing) the result does
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "bitale/grad.h"
#include "expr/op.h"
#include "rewrite/driver.h"
#include "rewrite/match.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_INPUTS = 4, MOST_ELEMS = 1024, MOST_RULES = 400, ALL_PHASES = BTL_CANONICALIZE | BTL_STABILIZE | BTL_SPECIALIZE };

typedef struct rule_text {
    const char *rule;
    const char *inputs;      /* "x [n, m]; i i64[n] < m": of the dtype that is tried, or of a dtype; indices are below a size */
    const char *expression;
    bool precise;            /* the rule's operands have no error of their own */
} rule_text;

/* More than one line for a rule are more cases. */
static const rule_text TEXTS[] = {
#define TEXT(rule, inputs, expression) { rule, inputs, expression, true },
#include "rule_texts.inc"
};

/* Sizes to be tried: n, m, k. */
static const int64_t sizes[][3] = { { 3, 4, 2 }, { 1, 1, 1 }, { 5, 1, 3 }, { 1, 6, 2 }, { 0, 4, 2 }, { 4, 0, 3 }, { 2, 3, 0 } };
static const char *const dtypes[] = { "f64", "f32", "f16", "i32", "i8", "u8", "i64", "bool" };

typedef enum values { MILD, SPECIAL, LARGE } values;

typedef struct text_case {
    const btl_rule *rule;
    const rule_text *text;
    const char *dtype;
    btl_context *ctx;
    btl_graph *g;
    int ninputs;
    btl_var *inputs[MOST_INPUTS];
    const char *below[MOST_INPUTS]; /* of an index: the size, in the text of its line */
    btl_var *before, *after;
    int fired;
    btl_rewrite_options options;
} text_case;

/* ---- building ------------------------------------------------------------------------------------- */

static const char *skip_blanks(const char *s) {
    while (*s == ' ' || *s == ';') s++;
    return s;
}

/* "x [n, m]" or "i i64[n] < m"; returns what follows. */
static const char *build_input(text_case *c, const char *s, const char *names[]) {
    static char name[MOST_INPUTS][16];
    char type[80];
    int at = 0, length = 0, i = c->ninputs++;
    assert_in_range(i, 0, MOST_INPUTS - 1);
    while (isalnum((unsigned char)*s)) name[i][at++] = *s++;
    name[i][at] = 0;
    s = skip_blanks(s);
    if (!isalpha((unsigned char)*s)) length = snprintf(type, sizeof type, "%s", c->dtype);
    while (*s && *s != ';' && *s != '<') type[length++] = *s++;
    while (length && type[length - 1] == ' ') length--;
    type[length] = 0;
    if (length > 2 && strcmp(type + length - 2, "[]") == 0) type[length - 2] = 0; /* 0-d */
    c->below[i] = *s == '<' ? skip_blanks(s + 1) : NULL;
    while (*s && *s != ';') s++;
    c->inputs[i] = btl_input(c->g, name[i], type);
    names[i] = name[i];
    return skip_blanks(s);
}

/* False: the dtype does not take the expression. */
static bool case_new(text_case *c, const btl_rule *rule, const rule_text *text, const char *dtype) {
    const char *names[MOST_INPUTS];
    *c = (text_case){ .rule = rule, .text = text, .dtype = dtype };
    BTL_ASSERT_OK(btl_context_new(NULL, &c->ctx));
    BTL_ASSERT_OK(btl_graph_new(c->ctx, &c->g));
    for (const char *s = skip_blanks(text->inputs); *s;) s = build_input(c, s, names);
    c->before = (btl_expr_n)(c->g, text->expression, c->ninputs, names, c->inputs);
    return c->before != NULL;
}

static void case_free(text_case *c) {
    btl_graph_free(c->g);
    btl_context_free(c->ctx);
}

static void note_firing(void *user, const btl_compiled_rule *compiled, unsigned phase, const btl_var *before, const btl_var *after) {
    const btl_rule *rule = compiled->rule;
    (void)phase;
    text_case *c = user;
    assert_true(btl_type_equal(&before->type, &after->type));
    c->fired += rule == c->rule;
}

static btl_status rewrite(void *arg) {
    text_case *c = arg;
    c->after = c->before;
    c->fired = 0;
    c->options.trace = note_firing;
    c->options.trace_user = c;
    return btl_rewrite(c->g, 1, &c->after, &c->options);
}

typedef enum which_rules { ALONE, WITH_ALL, WITHOUT } which_rules;

static void rewrite_how(text_case *c, which_rules h) {
    static const char *names[MOST_RULES];
    int n = 0;
    for (int i = 0; i < btl_rules_count(); i++)
        if (h == ALONE ? btl_rule_at(i) != c->rule : h == WITHOUT && btl_rule_at(i) == c->rule) names[n++] = btl_rule_at(i)->name;
    c->options = (btl_rewrite_options){ .phases = h == ALONE ? c->rule->phase : ALL_PHASES, .nwith = h != WITHOUT, .with = &c->rule->name,
                                        .nwithout = n, .without = names };
    BTL_ASSERT_OK(btl_graph_protect(c->g, rewrite, c));
    if (!btl_graph_check(c->g)) BTL_FAIL("rule %s on %s: %s", c->rule->name, c->text->expression, btl_graph_messages(c->g));
}

/* ---- values ------------------------------------------------------------------------------------------ */

static double value_of(values v, btl_rng *r) {
    static const double special[] = { 0, -0.0, 1, -1, (double)INFINITY, -(double)INFINITY, (double)NAN, 0.5, 3, -2 };
    if (v == SPECIAL) return special[btl_rng_below(r, sizeof special / sizeof *special)];
    if (v == LARGE && btl_rng_below(r, 3) == 0) return btl_rng_uniform(r, -16, 16);
    return btl_rng_uniform(r, -2, 2);
}

static int64_t size_named(const char *s, const int64_t *size) {
    return isdigit((unsigned char)*s) ? strtol(s, NULL, 10) : size[*s == 'n' ? 0 : *s == 'm' ? 1 : 2];
}

typedef struct arguments { btl_array v[MOST_INPUTS]; int64_t shape[MOST_INPUTS][BTL_MAX_RANK]; double data[MOST_INPUTS][MOST_ELEMS]; } arguments;

/* False: there is no index into nothing. */
static bool fill_index(btl_array *a, int64_t below, btl_rng *r) {
    int64_t elems = btl_array_elems(a);
    if (below == 0) return elems == 0;
    for (int64_t i = 0; i < elems; i++) {
        int64_t at = (int64_t)btl_rng_below(r, (uint64_t)below);
        double value = (double)(btl_rng_below(r, 4) ? at : at - below);
        int64_t one = 1;
        btl_array from = btl_array_wrap(BTL_F64, 1, &one, &value), to = btl_array_wrap(BTL_I64, 1, &one, (int64_t *)a->data + i);
        BTL_ASSERT_OK(btl_array_convert(&to, &from));
    }
    return true;
}

static bool fill(const text_case *c, const int64_t *size, values v, btl_rng *r, arguments *out) {
    for (int k = 0; k < c->ninputs; k++) {
        const btl_type *t = &c->inputs[k]->type;
        int64_t symbols[64], elems = 1;
        for (int i = 0; i < 64; i++) symbols[i] = -1;
        for (int i = 0; i < c->g->dims.nsymbols && i < 64; i++)
            if (c->g->dims.symbols[i]->name) symbols[i] = size_named(c->g->dims.symbols[i]->name, size);
        for (int i = 0; i < t->rank; i++) {
            if (!btl_dim_eval(t->dims[i], symbols, &out->shape[k][i])) return false;
            elems *= out->shape[k][i];
        }
        assert_in_range(elems, 0, MOST_ELEMS);
        out->v[k] = btl_array_wrap(t->dtype, t->rank, out->shape[k], out->data[k]);
        if (c->below[k]) {
            if (!fill_index(&out->v[k], size_named(c->below[k], size), r)) return false;
            continue;
        }
        static double wide[MOST_ELEMS];
        for (int64_t i = 0; i < elems; i++) {
            wide[i] = value_of(v, r);
            if (btl_dtype_kind(t->dtype) != 'f') wide[i] = v == SPECIAL ? (double)(int64_t)(btl_rng_u64(r) >> 1) * (btl_rng_below(r, 2) ? 1 : -1) : floor(wide[i] * 2);
            if (t->dtype == BTL_BOOL) wide[i] = (double)btl_rng_below(r, 2);
        }
        btl_array from = btl_array_wrap(BTL_F64, t->rank, out->shape[k], wide);
        BTL_ASSERT_OK(btl_array_convert(&out->v[k], &from));
    }
    return true;
}

/* The value as doubles; -1 where it fails. */
static int64_t compute(const text_case *c, btl_var *v, const arguments *a, double *out) {
    btl_array result;
    btl_error err = { 0 };
    int64_t shape[BTL_MAX_RANK + 1];
    if (btl_graph_eval(c->g, c->ninputs, c->inputs, a->v, NULL, 1, &v, &result, &err) != BTL_OK) return -1;
    int64_t elems = btl_array_elems(&result);
    assert_in_range(elems, 0, MOST_ELEMS);
    for (int i = 0; i < result.ndim; i++) shape[i] = result.shape[i];
    btl_array to = btl_array_wrap(BTL_F64, result.ndim, shape, out);
    BTL_ASSERT_OK(btl_array_convert(&to, &result));
    btl_array_free(&result);
    return elems;
}

/* ---- comparing ------------------------------------------------------------------------------------------ */

typedef struct limits { double eps, ulp, floor; bool exact, zero_signs, may_heal; } limits;

static double eps_of(btl_dtype dtype) { return dtype == BTL_F64 ? 0x1p-52 : dtype == BTL_F16 ? 0x1p-10 : 0x1p-23; }

static bool agree(double got, double want, const limits *l) {
    if (l->may_heal && !isfinite(want)) return true;
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
    if (l->exact) return got == want && (!l->zero_signs || got != 0 || signbit(got) == signbit(want));
    if (isinf(want)) return got == want;
    return fabs(got - want) <= l->ulp * l->eps * fmax(fabs(want), l->floor) + 1e-300;
}

static void compare(const text_case *c, const char *what, int64_t n, const double *got, const double *want, const limits *l) {
    for (int64_t i = 0; i < n; i++)
        if (!agree(got[i], want[i], l))
            BTL_FAIL("rule %s on %s of %s (%s): %.17g became %.17g at element %lld", c->rule->name, c->text->expression, c->dtype, what, want[i], got[i], (long long)i);
}

static double largest(int64_t n, const double *v) {
    double most = 1;
    for (int64_t i = 0; i < n; i++)
        if (isfinite(v[i]) && fabs(v[i]) > most) most = fabs(v[i]);
    return most;
}

static limits limits_of(const text_case *c, double slack, int64_t n, const double *want) {
    const btl_rule *r = c->rule;
    btl_dtype dtype = c->before->type.dtype, in = c->inputs[0]->type.dtype;
    double eps = fmax(btl_dtype_kind(dtype) == 'f' ? eps_of(dtype) : 0, btl_dtype_kind(in) == 'f' ? eps_of(in) : 0);
    bool exact = slack == 0 && (r->exactness == BTL_EXACT || btl_dtype_kind(dtype) != 'f');
    double lost = r->phase & BTL_STABILIZE ? 0x1p16 : 0; /* digits that the old form loses; f32 is judged by f64 below */
    return (limits){ eps, r->ulp + 4 + slack + lost, largest(n, want), exact, !(r->needs & BTL_NO_SIGNED_ZERO), (r->needs & BTL_NO_OVERFLOW) != 0 };
}

/* softmax and logsumexp look for the largest first, and of nothing there is none: the one failure that rules add. */
static bool is_of_nothing(const text_case *c, const int64_t *size) {
    return (strstr(c->rule->tags, "softmax") || strstr(c->rule->tags, "logsumexp")) && !(size[0] && size[1] && size[2]);
}

/* Values of a case at all sizes. */
static void check_values(text_case *c, double slack, const char *how) {
    static double want[MOST_ELEMS], got[MOST_ELEMS];
    static arguments a;
    btl_rng r = { btl_test_seed() };
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int v = MILD; v <= SPECIAL; v++)
            for (int again = 0; again < 4; again++) {
                if (v == SPECIAL && ((c->rule->needs & BTL_FINITE) || slack > 0)) continue;
                if (!fill(c, sizes[s], (values)v, &r, &a)) continue;
                int64_t n = compute(c, c->before, &a, want), k = compute(c, c->after, &a, got);
                if (n != k && k < 0 && is_of_nothing(c, sizes[s])) continue;
                if (n != k) BTL_FAIL("rule %s on %s of %s (%s): %s", c->rule->name, c->text->expression, c->dtype, how, n < 0 ? "a failure is lost" : "fails now");
                limits l = n < 0 ? (limits){ 0 } : limits_of(c, slack, n, want);
                compare(c, how, n, got, want, &l);
            }
}

/* The gradient of sum(sin(v)) by the float inputs, one after the other. */
static btl_var *gradient(text_case *c, btl_var *v) {
    btl_var *wrt[MOST_INPUTS], *d[MOST_INPUTS], *all = NULL;
    int n = 0;
    for (int i = 0; i < c->ninputs; i++)
        if (c->inputs[i]->type.dtype == BTL_F64) wrt[n++] = c->inputs[i];
    btl_var *cost = btl_sum(c->g, btl_sin(c->g, v), BTL_ALL_AXES, false);
    if (!cost || btl_grad(c->g, cost, n, wrt, BTL_DISCONNECTED_ZERO, d) != BTL_OK) return NULL;
    for (int i = 0; i < n; i++) {
        btl_var *flat = btl_reshape(c->g, d[i], 1, (const int64_t[]){ -1 }), *both[2] = { all, flat };
        all = all ? btl_concatenate(c->g, 2, both, 0) : flat;
    }
    return all;
}

static void check_gradients(text_case *c) {
    static double want[MOST_ELEMS], got[MOST_ELEMS];
    static arguments a;
    btl_rng r = { btl_test_seed() };
    btl_var *g[2] = { gradient(c, c->before), gradient(c, c->after) };
    if (!g[0]) return; /* an op without a derivative */
    if (!g[1]) BTL_FAIL("rule %s on %s: the result has no gradient: %s", c->rule->name, c->text->expression, btl_graph_messages(c->g));
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        if (!fill(c, sizes[s], MILD, &r, &a)) continue;
        int64_t n = compute(c, g[0], &a, want), k = compute(c, g[1], &a, got);
        if (n < 0 || k < 0) continue;
        limits l = { 1e-9, 1, largest(n, want), false, false, true };
        compare(c, "gradient", n, got, want, &l);
    }
}

/* f32 against f64 of the same numbers. */
static void check_higher(text_case *c) {
    static double want[MOST_ELEMS], got[MOST_ELEMS];
    static arguments a, wide;
    text_case high;
    btl_rng r = { btl_test_seed() };
    bool stable = c->rule->exactness == BTL_WITHIN_ULP, sums = strstr(c->rule->tags, "softmax") || strstr(c->rule->tags, "logsumexp");
    if (!case_new(&high, c->rule, c->text, "f64")) BTL_FAIL("%s: %s", c->text->expression, btl_graph_messages(high.g));
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        if (!fill(c, sizes[s], stable ? LARGE : MILD, &r, &a)) continue;
        wide = a;
        for (int k = 0; k < c->ninputs; k++) {
            wide.v[k] = btl_array_wrap(high.inputs[k]->type.dtype, a.v[k].ndim, wide.shape[k], wide.data[k]);
            BTL_ASSERT_OK(btl_array_convert(&wide.v[k], &(btl_array){ .data = a.data[k], .device = a.v[k].device, .ndim = a.v[k].ndim, .dtype = a.v[k].dtype, .shape = a.shape[k] }));
        }
        int64_t n = compute(&high, high.before, &wide, want), k = compute(c, c->after, &a, got);
        if (n != k && k < 0 && is_of_nothing(c, sizes[s])) continue;
        assert_int_equal(n, k);
        if (n < 0) continue;
        limits l = { 0x1p-23, c->rule->ulp + 8, stable && !sums ? 0x1p-20 : largest(n, want), btl_dtype_kind(c->before->type.dtype) != 'f', false, true };
        if (btl_dtype_kind(c->before->type.dtype) == 'f') compare(c, "f32 against f64", n, got, want, &l);
    }
    case_free(&high);
}

/* ---- the sweep ---------------------------------------------------------------------------------------------- */

/* Does the rule fire on the text in that dtype? */
static bool check_text(const btl_rule *rule, const rule_text *text, const char *dtype) {
    text_case c;
    bool fired = false;
    if (case_new(&c, rule, text, dtype)) {
        rewrite_how(&c, ALONE);
        if (c.fired) {
            fired = true;
            check_values(&c, 0, "alone");
            /* of values that are equal max gives each the whole gradient; rules that run before differentiation all keep it */
            if (strcmp(dtype, "f64") == 0 && strcmp(rule->name, "extreme_of_stretched") != 0) check_gradients(&c);
            if (strcmp(dtype, "f32") == 0 && text->precise) check_higher(&c);
        }
        rewrite_how(&c, WITH_ALL);
        fired = fired || c.fired;
        check_values(&c, 64, "with all others");
        rewrite_how(&c, WITHOUT);
        if (c.fired) BTL_FAIL("rule %s fires though it is switched off", rule->name);
    }
    case_free(&c);
    return fired;
}

static int check_all_dtypes(const btl_rule *rule, const rule_text *text) {
    int fired = 0;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) fired += check_text(rule, text, dtypes[i]);
    return fired;
}

BTL_TEST(rules_on_texts_keep_values_gradients_and_failures) {
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        const btl_rule *rule = btl_rule_find(TEXTS[i].rule);
        if (!rule) BTL_FAIL("there is no rule %s", TEXTS[i].rule);
        if (!check_all_dtypes(rule, &TEXTS[i])) BTL_FAIL("rule %s does not fire on %s", rule->name, TEXTS[i].expression);
    }
}

/* The pattern as an expression: letters are inputs x … of the forms below, settings along axis 0. */
static void pattern_text(const btl_rule *rule, const char *form, rule_text *out, char *inputs, char *expression) {
    static const char *const shapes[] = { "[n, m]", "[m]", "[n, 1]", "[1, m]" };
    char seen[8] = "";
    int n = 0, nshapes = 0, at = 0;
    inputs[0] = 0;
    for (const char *s = rule->match; *s; s++) {
        if (*s != '?') {
            expression[at++] = *s;
            continue;
        }
        char letter = *++s;
        bool axis = s - rule->match > 6 && strncmp(s - 6, "axis=?", 6) == 0, keep = s - rule->match > 10 && strncmp(s - 10, "keepdims=?", 10) == 0;
        if (axis || keep) {
            at += sprintf(expression + at, "%s", axis ? "0" : "true");
            continue;
        }
        bool is_bool = letter == 'c';
        for (const char *f = is_bool ? "$" : form; *f; f++) expression[at++] = *f == '$' ? letter : *f;
        if (strchr(seen, letter)) continue;
        seen[n] = letter, seen[n + 1] = 0;
        sprintf(inputs + strlen(inputs), "%s%c %s%s", n ? "; " : "", letter, is_bool ? "bool" : "", is_bool ? "[m]" : shapes[nshapes++]);
        n++;
    }
    expression[at] = 0;
    *out = (rule_text){ rule->name, inputs, expression, strcmp(form, "$") == 0 };
}

/* Operands that rules with conditions may want. */
static const char *const forms[] = { "$", "abs($)", "sigmoid($)", "(1.5 + f64($ > 0))" };

BTL_TEST(rules_with_patterns_keep_values_gradients_and_failures) {
    for (int i = 0; i < btl_rules_count(); i++) {
        const btl_rule *rule = btl_rule_at(i);
        int fired = 0;
        for (size_t f = 0; rule->match && f < sizeof forms / sizeof *forms; f++) {
            rule_text text;
            char inputs[200], expression[500];
            pattern_text(rule, forms[f], &text, inputs, expression);
            fired += check_all_dtypes(rule, &text);
        }
        if (rule->match && !fired && strcmp(rule->name, "add_zero") != 0) BTL_FAIL("rule %s fires in no dtype", rule->name);
    }
}

/* Every rule has a case: a pattern, a text, or one in rules_test.c. */
BTL_TEST(no_rule_is_left_out) {
    char path[1000];
    snprintf(path, sizeof path, "%s/test/rewrite/rules_test.c", getenv("BTL_SOURCE_DIR"));
    char *tests = btl_test_read(path, NULL);
    for (int i = 0; i < btl_rules_count(); i++) {
        const btl_rule *rule = btl_rule_at(i);
        char entry[100];
        snprintf(entry, sizeof entry, "X(%s,", rule->name);
        bool has = rule->match || strstr(tests, entry) || strcmp(rule->name, "merge_equal") == 0;
        for (size_t k = 0; k < sizeof TEXTS / sizeof *TEXTS; k++) has = has || strcmp(TEXTS[k].rule, rule->name) == 0;
        if (!has) BTL_FAIL("rule %s has no test", rule->name);
    }
    free(tests);
}

BTL_TEST_MAIN(cmocka_unit_test(rules_on_texts_keep_values_gradients_and_failures),
              cmocka_unit_test(rules_with_patterns_keep_values_gradients_and_failures), cmocka_unit_test(no_rule_is_left_out))
