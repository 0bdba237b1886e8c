/* rulecheck_test.c - btl_rule_check finds nothing wrong with Bitale's rules, and something with each rule that is made wrong: a condition
 * dropped, a sign flipped, operands exchanged, a number moved by one.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "base/text.h"
#include "bitale/bitale.h"
#include "bitale/tools.h"
#include "rewrite/match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char told[4000];

static void see(void *user, const btl_op_trial *t) {
    (void)user;
    size_t n = strlen(told);
    if (t->message) snprintf(told + n, sizeof told - n, "%s: %s\n", t->what, t->message);
}

static btl_status check(btl_context *ctx, const char *name) {
    btl_op_check_options options = { .struct_size = sizeof options, .see = see };
    told[0] = 0;
    return btl_rule_check(ctx, name, &options, NULL);
}

/* What a rule may not keep, and why. */
static const struct { const char *rule, *what, *why; } excused[] = {
    { "extreme_of_stretched", "gradient: ", "where several elements are the largest each has the whole gradient: of one that is stretched to three it would come three times" },
};

static bool is_excused(const char *rule) {
    for (size_t i = 0; i < sizeof excused / sizeof *excused; i++) {
        if (strcmp(excused[i].rule, rule) != 0) continue;
        bool only = true; /* nothing else was told */
        for (const char *s = told; *s; s = strchr(s, '\n') + 1) only = only && strncmp(s, excused[i].what, strlen(excused[i].what)) == 0;
        return only;
    }
    return false;
}

BTL_TEST(every_rule_keeps_what_its_entry_promises) {
    btl_context *ctx;
    btl_rule_info r;
    int n = 0, bad = 0;
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    for (int i = 0; btl_rule_info_at(ctx, i, &r); i++, n++) {
        btl_status status = check(ctx, r.name);
        if (status == BTL_OK || is_excused(r.name)) continue;
        fprintf(stderr, "rule %s: %s\n%s", r.name, btl_status_text(status), told);
        bad++;
    }
    btl_context_free(ctx);
    if (bad) BTL_FAIL("%d of %d rules", bad, n);
    assert_in_range(n, 40, 1000);
}

/* ---- rules that lie ------------------------------------------------------------------------------ */

BTL_TEST(what_a_rule_promises_and_does_not_keep_is_told) {
    static const struct { const char *rule, *message; } bad[] = {
        { "rule a: tanh(?x) => ?x\n class: ulp 4", "values: " },
        { "rule a: ?x - ?x => ?x * 0", "values: " },
        { "rule a: ?x * 0 => ?x - ?x\n needs: finite, no_signed_zero", NULL }, /* true */
        { "rule a: ?x * 0 => ?x - ?x\n needs: finite", "values: " },
        { "rule a: ?x + 0 => ?x", "in f64, extreme values: " },
        { "rule a: ?x + 0 => ?x\n needs: no_signed_zero", NULL },
        { "rule a: ?x / ?x => exp(?x * 0)\n needs: finite", NULL },
        { "rule a: sqr(?x) / ?x => ?x", "values: " },
        { "rule a: log(exp(?x) + 1) => softplus(?x)\n class: ulp 4", "extreme values: " }, /* it does better where exp overflows, and does not say so */
        { "rule a: log(exp(?x) + 1) => softplus(?x)\n class: ulp 4\n needs: no_overflow", NULL },
        { "rule a: log(exp(?x) + 1) => log1p(exp(?x))\n class: ulp 4", NULL },
        { "rule a: log1p(?x) => log(1 + ?x)\n class: ulp 4", "values: " },
        { "rule a: expm1(?x) => exp(?x) - 1\n class: ulp 4", "values: " },
        { "rule a: softplus(?x) => log1p(exp(?x))\n class: ulp 4", "extreme values: " },
        { "rule a: (?x + ?y) + ?z => ?x + (?y + ?z)", "values: " },
        { "rule a: (?x + ?y) + ?z => ?x + (?y + ?z)\n class: reassociates", "makes again what it matches" }, /* its own result, in other orders */
        { "rule a: ?x // 2 => ?x / 2\n class: ulp 1", "values: " },
        { "rule a: abs(-?x) => abs(?x)", "integers: " }, /* an unsigned -x has wrapped */
        { "rule a: abs(-?x) => abs(?x) when float", NULL },
        { "rule a: maximum(?x, ?y) => ?x", "values: " },
        { "rule a: sqrt(sqr(?x)) => ?x when nonnegative\n class: ulp 2\n needs: no_overflow", NULL },
        { "rule a: sqrt(sqr(?x)) => ?x\n class: ulp 2", "values: " },
        { "rule a: sum(?x, axis=?a) => max(?x, axis=?a)", "values: " },
        { "rule a: sum(?x, axis=?a) => ?x", "fires: it never fires: " },
        { "rule a: sqr(?x) => cast(?x, dtype=f64)\n class: ulp 1", "its result is" },
        { "rule a: sqr(?x) => sqr(-?x)", "goes on without an end" },
        { "rule a: stop_gradient(?x) => ?x", "fires: " },
        { "rule a: exp(log(?x)) => ?x\n class: ulp 4", "nan became -5" },
        { "rule a: ?x * 3 => ?x + (?x + ?x)\n class: ulp 1", "rules like_terms and a (bad:1) undo each other" },
        { "rule a: floor(?x) => ?x", "values: " },
        { "rule a: floor(?x) => ?x when integer", NULL },
    };
    int wrong = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        btl_context *ctx;
        btl_error err = { 0 };
        BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
        if (btl_rules_parse(ctx, bad[i].rule, strlen(bad[i].rule), "bad", &err) != BTL_OK) BTL_FAIL("%s", err.message);
        btl_status status = check(ctx, "a");
        if (status != (bad[i].message ? BTL_ECHECK : BTL_OK) && ++wrong) fprintf(stderr, "%s\n%s: %s\n", bad[i].rule, btl_status_text(status), told);
        else if (bad[i].message && !strstr(told, bad[i].message) && ++wrong) fprintf(stderr, "%s\nnot \"%s\", but: %s\n", bad[i].rule, bad[i].message, told);
        btl_context_free(ctx);
    }
    assert_int_equal(wrong, 0);
}

/* ---- mutants -------------------------------------------------------------------------------------- */

/* A pattern as text; at the node with number `at` it is changed: operands exchanged, or a number moved. */
typedef struct writer { btl_text t; const btl_compiled_rule *c; int at, next; bool changed; } writer;

static void write_setting(writer *w, const btl_pattern *p, int k) {
    const pattern_setting *s = &p->settings[k];
    const btl_param_spec *spec = &p->op->params[k];
    if (s->binding >= 0) {
        btl_text_printf(&w->t, ", %s=?%c", spec->name, w->c->letters[s->binding]);
        return;
    }
    switch (spec->kind) {
    case PARAM_AXES:
        if (s->value.axes.n < 0) btl_text_printf(&w->t, ", %s=none", spec->name);
        else btl_text_printf(&w->t, ", %s=%d", spec->name, s->value.axes.v[0]);
        break;
    case PARAM_BOOL: btl_text_printf(&w->t, ", %s=%s", spec->name, s->value.i ? "true" : "false"); break;
    case PARAM_INT: btl_text_printf(&w->t, ", %s=%d", spec->name, (int)s->value.i); break;
    case PARAM_DTYPE: btl_text_printf(&w->t, ", %s=%s", spec->name, btl_dtype_name((btl_dtype)s->value.i)); break;
    default: break;
    }
}

static void write_pattern(writer *w, const btl_pattern *p) {
    int number = w->next++;
    if (p->kind == PATTERN_VAR) btl_text_printf(&w->t, "?%c", w->c->letters[p->binding]);
    else if (p->kind == PATTERN_NUMBER) {
        if (number == w->at) w->changed = true;
        btl_text_printf(&w->t, "%.17g", p->number + (number == w->at));
    } else {
        bool swap = number == w->at && p->nkids == 2 && !(p->op->flags & OP_COMMUTATIVE);
        if (swap) w->changed = true;
        btl_text_printf(&w->t, "%s(", p->op->name);
        for (int i = 0; i < p->nkids; i++) {
            if (i) btl_text_add(&w->t, ", ");
            write_pattern(w, p->kids[swap ? 1 - i : i]);
        }
        for (int k = 0; k < p->op->nparams; k++) write_setting(w, p, k);
        btl_text_add(&w->t, ")");
    }
}

/* Mutants that mean the same, or that are right by themselves: rule, what was done, why it survives. */
static const struct { const char *rule, *how, *why; } survivors[] = {
    { "log_one_plus", "condition", "an integer stands behind a cast there, which the pattern does not look through" },
    { "log_one_minus", "condition", "the same" },
    { "log_sqr", "condition", "an integer stands behind a cast there" },
    { "log_sqrt", "condition", "the same" },
};

typedef struct tally { int made, caught, surviving, unexpected; } tally;

static bool expected(const char *rule, const char *how) {
    for (size_t i = 0; i < sizeof survivors / sizeof *survivors; i++)
        if (strcmp(survivors[i].rule, rule) == 0 && strcmp(survivors[i].how, how) == 0) return true;
    return false;
}

static void try_mutant(const btl_rule_info *r, const char *result, const char *when, const char *how, tally *t) {
    btl_context *ctx;
    char text[4000];
    btl_error err = { 0 };
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    snprintf(text, sizeof text, "rule mutant: %s => %s%s%s\n class: %s\n phase: %s\n%s%s\n%s%s\n", r->match, result, when ? " when " : "", when ? when : "", r->exactness, r->phases,
             *r->needs ? " needs: " : "", r->needs, r->example ? " example: " : "", r->example ? r->example : "");
    if (btl_rules_parse(ctx, text, strlen(text), "mutant", &err) == BTL_OK) { /* a mutant that is none of a rule is caught, too */
        t->made++;
        if (check(ctx, "mutant") == BTL_ECHECK) t->caught++;
        else {
            t->surviving++;
            if (!expected(r->name, how)) t->unexpected++, fprintf(stderr, "survives: %s, %s: %s => %s%s%s (%s)\n", r->name, how, r->match, result, when ? " when " : "", when ? when : "", r->exactness);
        }
    }
    btl_context_free(ctx);
}

typedef struct mutation { btl_graph *g; const btl_rule_info *r; tally *t; } mutation;

static btl_status mutate_result(void *arg) {
    mutation *m = arg;
    btl_rule rule = { .name = m->r->name, .match = m->r->match, .result = m->r->result };
    btl_compiled_rule c;
    btl_rule_compile(&m->g->arena, &rule, &c);
    if (c.broken) BTL_FAIL("%s: %s", m->r->name, c.broken);
    const char *when = m->r->when && !strstr(m->r->when, "code") ? m->r->when : NULL;
    for (int at = 0, more = 1; more; at++) {
        writer w = { .c = &c, .at = at };
        char how[40];
        btl_text_init(&w.t, &m->g->arena);
        write_pattern(&w, c.result);
        more = at < w.next;
        snprintf(how, sizeof how, "changed at %d", at);
        if (w.changed) try_mutant(m->r, w.t.data, when, how, m->t);
    }
    return BTL_OK;
}

BTL_TEST(mutants_of_rules_are_caught) {
    tally t = { 0 };
    btl_rule_info r;
    for (int i = 0; btl_rule_info_at(NULL, i, &r); i++) {
        char flipped[1000];
        btl_context *ctx;
        if (!r.match || !r.result) continue;
        bool in_code = r.when && strstr(r.when, "code");
        snprintf(flipped, sizeof flipped, "-(%s)", r.result);
        try_mutant(&r, flipped, in_code ? NULL : r.when, "sign", &t);
        if (r.when && !r.opt_in) try_mutant(&r, r.result, NULL, "condition", &t);
        BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
        mutation m = { .r = &r, .t = &t };
        BTL_ASSERT_OK(btl_graph_new(ctx, &m.g));
        BTL_ASSERT_OK(btl_graph_protect(m.g, mutate_result, &m));
        btl_graph_free(m.g);
        btl_context_free(ctx);
    }
    printf("%d mutants, %d caught, %d survive for a reason, %d for none\n", t.made, t.caught, t.surviving - t.unexpected, t.unexpected);
    assert_int_equal(t.unexpected, 0);
    assert_in_range(t.caught, 50, 10000);
}

BTL_TEST_MAIN(cmocka_unit_test(every_rule_keeps_what_its_entry_promises), cmocka_unit_test(what_a_rule_promises_and_does_not_keep_is_told),
              cmocka_unit_test(mutants_of_rules_are_caught))
