/* conditions.c - what a rule may ask for by name: `when float`, `when finite(?x) and nonnegative(?y)`.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/text.h"
#include "rewrite/facts.h"
#include "rewrite/match.h"

#include <string.h>

static bool condition_float(const btl_var *v) { return btl_dtype_kind(v->type.dtype) == 'f'; }
static bool condition_not_bool(const btl_var *v) { return v->type.dtype != BTL_BOOL; }
static bool condition_signed(const btl_var *v) { return btl_dtype_kind(v->type.dtype) != 'u' && v->type.dtype != BTL_BOOL; }
static bool condition_constant(const btl_var *v) { return btl_var_is_constant(v); }

static bool condition_integer(const btl_var *v) {
    char kind = btl_dtype_kind(v->type.dtype);
    return kind == 'i' || kind == 'u';
}

static bool condition_finite(const btl_var *v) {
    btl_facts f = btl_facts_of(v);
    return btl_facts_finite(&f);
}

static bool condition_nonnegative(const btl_var *v) {
    btl_facts f = btl_facts_of(v);
    return btl_facts_nonnegative(&f, false);
}

static bool condition_nonzero(const btl_var *v) {
    btl_facts f = btl_facts_of(v);
    return btl_facts_finite_nonzero(&f);
}

const btl_condition btl_conditions[] = {
    { "float", condition_float, true },
    { "integer", condition_integer, true },
    { "signed", condition_signed, true },
    { "not_bool", condition_not_bool, true },
    { "finite", condition_finite, false },
    { "nonnegative", condition_nonnegative, false },
    { "nonzero", condition_nonzero, false },
    { "constant", condition_constant, false },
    { NULL, NULL, false },
};

bool btl_when_float(const btl_match *m) { return condition_float(m->root->out); }
bool btl_when_not_bool(const btl_match *m) { return condition_not_bool(m->root->out); }
bool btl_when_integer(const btl_match *m) { return condition_integer(m->root->out); }

const char *btl_rule_when_text(const btl_rule *rule) {
    if (rule->conditions) return rule->conditions;
    if (rule->when == btl_when_float) return "float";
    if (rule->when == btl_when_not_bool) return "not_bool";
    if (rule->when == btl_when_integer) return "integer";
    return rule->when ? "a condition in code" : NULL;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static const char *conditions_skip(const char *s) { return s + strspn(s, " ,"); }

static bool conditions_fail(btl_compiled_rule *c, btl_arena *a, const char *at, const char *message) {
    c->broken = message;
    c->broken_at = at;
    (void)a;
    return false;
}

static const btl_condition *conditions_find(const char *s, size_t n) {
    for (const btl_condition *k = btl_conditions; k->name; k++)
        if (strlen(k->name) == n && memcmp(k->name, s, n) == 0) return k;
    return NULL;
}

static const char *conditions_unknown(btl_arena *a, const char *s, size_t n) {
    btl_text t;
    btl_text_init(&t, a);
    btl_text_printf(&t, "no condition is named %.*s; conditions are ", (int)n, s);
    for (const btl_condition *k = btl_conditions; k->name; k++) btl_text_printf(&t, "%s%s", k == btl_conditions ? "" : ", ", k->name);
    return t.data;
}

/* One condition, "finite(?x)". */
static bool conditions_one(btl_compiled_rule *c, btl_arena *a, const char **s) {
    size_t n = strspn(*s, "abcdefghijklmnopqrstuvwxyz_");
    const btl_condition *what = conditions_find(*s, n);
    if (!what) return conditions_fail(c, a, *s, conditions_unknown(a, *s, n ? n : strcspn(*s, " ,")));
    if (c->nconditions == RULE_CONDITIONS) return conditions_fail(c, a, *s, "too many conditions");
    int binding = -1;
    *s += n;
    if (**s == '(') {
        if ((*s)[1] != '?' || (*s)[2] == 0 || (*s)[3] != ')') return conditions_fail(c, a, *s, "(?x) is expected, with a letter of the pattern");
        for (binding = c->nbindings - 1; binding >= 0 && c->letters[binding] != (*s)[2]; binding--) { }
        if (binding < 0) return conditions_fail(c, a, *s + 1, "a letter that the pattern does not bind");
        *s += 4;
    }
    c->conditions[c->nconditions++] = (btl_asked){ what, binding };
    return true;
}

void btl_conditions_compile(btl_arena *a, const char *text, btl_compiled_rule *c) {
    for (const char *s = conditions_skip(text); *s && !c->broken; s = conditions_skip(s)) {
        if (strncmp(s, "and ", 4) == 0 && c->nconditions) s = conditions_skip(s + 4);
        if (!conditions_one(c, a, &s)) return;
        if (*s && !strchr(" ,", *s)) conditions_fail(c, a, s, "\"and\" or a comma is expected");
    }
}

bool btl_conditions_hold(const btl_match *m, const btl_compiled_rule *c) {
    for (int i = 0; i < c->nconditions; i++) {
        const btl_asked *k = &c->conditions[i];
        if (k->binding >= 0) {
            if (m->bound[k->binding] && !k->what->holds(m->bound[k->binding])) return false;
        } else if (k->what->of_result) {
            if (!k->what->holds(m->root->out)) return false;
        } else {
            for (int b = 0; b < c->nbindings; b++)
                if (m->bound[b] && !k->what->holds(m->bound[b])) return false;
        }
    }
    return true;
}
