/* rules.c - bitale rules: the table of rewrite rules. SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

typedef struct rules_options { cmd *c; const char *name; bool check; } rules_options;

enum { KEY_CHECK = 0x300 };

static const struct argp_option rules_argp_options[] = {
    { "check", KEY_CHECK, NULL, 0, "Try the rules instead (those of --rules, or all): both sides on plain and extreme values against higher precision, on integers, their gradients, together with all other rules", 1 },
    { 0 },
};

static const char rules_doc[] =
    "Lists the rewrite rules in the order in which they are tried, or tells all about one: NAME, or a tag, or a phase (canonicalize, stabilize, specialize, lower)."
    "\v"
    "A rule is written in the notation: ?x stands for any expression. Where code finds or makes the expression, the operations that it looks at are "
    "named instead. Behind --rules FILE are rules of your own, in the form in which this prints them: `rule NAME: PATTERN => RESULT when CONDITIONS`, and below it, "
    "indented, `KEY: TEXT`. They run before Bitale's.\n"
    "\n"
    "class: exact (the same bits), ulp N (of the mathematical value), reassociates (other roundings of the same sums and products). needs: finite (no "
    "infinity or NaN), no_signed_zero (-0 may become 0), no_overflow (what overflows as written may come out right). Conditions: float, integer, "
    "signed, not_bool of the result; finite, nonnegative, nonzero, constant of all variables or of one, as in finite(?x).\n"
    "\n"
    "Examples:\n"
    "  bitale rules\n"
    "  bitale rules stabilize\n"
    "  bitale rules log_one_plus_exp\n"
    "  bitale rules --rules mine.rules half_square\n"
    "  bitale rules --rules mine.rules --check\n"
    "\n"
    "Exit codes: 0 good; 1 --check found something; 2 wrong use of the command; 3 no rule of that name, or FILE has mistakes.";

static error_t rules_parse(int key, char *arg, struct argp_state *state) {
    rules_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case KEY_CHECK: o->check = true; return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0) argp_error(state, "%s is one argument too many", arg);
        o->name = arg;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* The word stands among others, separated by blanks or commas. */
static bool rules_has_word(const char *words, const char *word) {
    size_t n = strlen(word);
    for (const char *p = words; p && (p = strstr(p, word)); p++)
        if ((p == words || strchr(" ,", p[-1])) && (!p[n] || strchr(" ,", p[n]))) return true;
    return false;
}

static bool rules_is_meant(const btl_rule_info *r, const char *name) {
    return !name || strcmp(r->name, name) == 0 || rules_has_word(r->tags, name) || rules_has_word(r->phases, name);
}

static void rules_json(json *j, const btl_rule_info *r) {
    jw_open(j, NULL, '{');
    jw_text(j, "name", r->name);
    jw_text(j, "match", r->match);
    jw_text(j, "result", r->result);
    jw_text(j, "ops", r->ops);
    jw_text(j, "when", r->when);
    jw_text(j, "phases", r->phases);
    jw_text(j, "exactness", r->exactness);
    jw_text(j, "needs", *r->needs ? r->needs : NULL);
    jw_text(j, "why", r->why);
    jw_text(j, "source", r->source);
    jw_text(j, "tags", r->tags);
    jw_text(j, "example", r->example);
    jw_text(j, "origin", r->origin);
    jw_bool(j, "opt_in", r->opt_in);
    jw_close(j, '}');
}

static void rules_print_row(const btl_rule_info *r) {
    printf("rule %s: ", r->name);
    if (r->match) printf("%s", r->match);
    else if (r->ops && *r->ops) printf("(%s)", strcmp(r->ops, "*") == 0 ? "any operation" : r->ops);
    else printf("(the whole graph)");
    printf(" => %s", r->result ? r->result : "(in code)");
    if (r->when) printf(" when %s", r->when);
    printf("    # %s%s%s\n", r->phases, r->origin ? ", " : "", r->origin ? r->origin : "");
}

static void rules_print_key(const char *key, const char *text) {
    if (text && *text) printf("    %s: %s\n", key, text);
}

static void rules_print_details(const btl_rule_info *r) {
    rules_print_row(r);
    rules_print_key("why", r->why);
    rules_print_key("source", r->source);
    rules_print_key("phase", r->phases);
    rules_print_key("class", r->exactness);
    rules_print_key("needs", r->needs);
    rules_print_key("tags", r->tags);
    rules_print_key("example", r->example);
    rules_print_key("opt_in", r->opt_in ? "true" : NULL);
    putchar('\n');
}

static int rules_unknown(const cmd *c, const char *name) {
    const char *names[1000];
    btl_rule_info r;
    int n = 0;
    while (n < 1000 && btl_rule_info_at(c->ctx, n, &r)) names[n++] = r.name;
    return cmd_fail_unknown(c, "rule, tag or phase", name, n, names);
}

/* ---- --check ------------------------------------------------------------------------------------ */

typedef struct rules_check { const cmd *c; json *j; const char *name, *origin; } rules_check;

static void rules_see(void *user, const btl_op_trial *t) {
    const rules_check *k = user;
    if (k->j) {
        jw_open(k->j, NULL, '{');
        jw_text(k->j, "what", t->what);
        jw_integer(k->j, "cases", t->cases);
        jw_integer(k->j, "failures", t->failures);
        if (t->message) jw_text(k->j, "message", t->message);
        jw_close(k->j, '}');
    } else if (t->message) {
        fflush(stdout);
        fprintf(stderr, "%s%sFAIL rule %s: %s: %s\n", k->origin ? k->origin : "", k->origin ? ": " : "", k->name, t->what, t->message);
    } else if (!k->c->quiet && t->cases && !t->failures) {
        printf("ok %s: %s: %d case%s\n", k->name, t->what, t->cases, t->cases == 1 ? "" : "s");
    }
}

static int rules_check_one(cmd *c, const btl_rule_info *r, json *j) {
    rules_check k = { c, j, r->name, r->origin };
    btl_op_check_options options = { .struct_size = sizeof options, .see = rules_see, .user = &k };
    btl_error err = { 0 };
    if (j) {
        jw_open(j, NULL, '{');
        jw_text(j, "name", r->name);
        jw_open(j, "checks", '[');
    }
    btl_status status = btl_rule_check(c->ctx, r->name, &options, &err);
    if (j) {
        jw_close(j, ']');
        jw_bool(j, "ok", status == BTL_OK);
        jw_close(j, '}');
    }
    if (status == BTL_OK) return 0;
    return status == BTL_ECHECK && (j || c->quiet) ? cmd_exit_code(status) : cmd_fail_error(c, &err);
}

int verb_rules(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { rules_argp_options, rules_parse, "[NAME]", rules_doc, children, NULL, NULL };
    cmd c = { .verb = "rules" };
    rules_options o = { .c = &c };
    btl_rule_info r;
    json j = { 0 };
    cmd_parse(&c, &argp, argc, argv, &o);
    int found = 0, code = cmd_open_empty(&c);
    if (code) return cmd_close(&c), cmd_finish(&c, code);
    if (c.json) jw_open(&j, NULL, '[');
    for (int i = 0; btl_rule_info_at(c.ctx, i, &r); i++) {
        if (!rules_is_meant(&r, o.name)) continue;
        if (o.check && !o.name && c.nrules && !r.origin) continue; /* those of the files */
        found++;
        int one = o.check ? rules_check_one(&c, &r, c.json ? &j : NULL) : 0;
        if (!code) code = one;
        if (o.check) continue;
        if (c.json) rules_json(&j, &r);
        else if (o.name) rules_print_details(&r);
        else rules_print_row(&r);
    }
    if (c.json) jw_close(&j, ']'), jw_end(&j);
    if (!found && o.name) code = rules_unknown(&c, o.name);
    cmd_close(&c);
    return cmd_finish(&c, code);
}
