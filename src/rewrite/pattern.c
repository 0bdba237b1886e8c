/* pattern.c - the text of a rule as a tree.
 *
 * A pattern is an expression of the notation made of calls, + - * / // % @ ** and unary minus,
 * numbers and ?x. Settings stand behind the operands with their names: softmax(?x, axis=?a),
 * sum(?x, keepdims=true); one that is left out must have (match) or gets (result) its default.
 * Patterns are a few levels deep by construction (PATTERN_DEPTH), so here recursion is allowed.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/match.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct pattern_parser {
    btl_arena *arena;
    btl_compiled_rule *rule;
    const char *at;
    bool result;       /* of the result: every ?x must be bound */
    int depth;
} pattern_parser;

enum { PATTERN_DEPTH = 16 };

static const btl_pattern *pattern_parse_expr(pattern_parser *p, int level);

static const btl_pattern *pattern_parse_fail(pattern_parser *p, const char *what) {
    if (!p->rule->broken) p->rule->broken = what, p->rule->broken_at = p->at;
    return NULL;
}

static const btl_pattern *pattern_parse_fail_at(pattern_parser *p, const char *at, const char *what) {
    if (!p->rule->broken) p->rule->broken = what, p->rule->broken_at = at;
    return NULL;
}

static void pattern_skip(pattern_parser *p) {
    while (*p->at == ' ') p->at++;
}

static bool pattern_take(pattern_parser *p, const char *token) {
    pattern_skip(p);
    size_t n = strlen(token);
    if (strncmp(p->at, token, n) != 0) return false;
    p->at += n;
    return true;
}

static size_t pattern_word(const pattern_parser *p) {
    size_t n = 0;
    while (isalnum((unsigned char)p->at[n]) || p->at[n] == '_' || (n && p->at[n] == '.')) n++;
    return n;
}

/* The index of letter ?c, entered if it is new. */
static int pattern_parse_letter(pattern_parser *p) {
    char c = *p->at;
    if (!islower((unsigned char)c)) return pattern_parse_fail(p, "a letter must follow ?"), -1;
    p->at++;
    for (int i = 0; i < p->rule->nbindings; i++)
        if (p->rule->letters[i] == c) return i;
    if (p->result) return pattern_parse_fail(p, "a letter that the pattern does not bind"), -1;
    if (p->rule->nbindings == BTL_RULE_BINDINGS) return pattern_parse_fail(p, "too many letters"), -1;
    p->rule->letters[p->rule->nbindings] = c;
    return p->rule->nbindings++;
}

/* A setting's value: none, true, false, an integer or a type. */
static bool pattern_setting_value(btl_arena *a, const btl_param_spec *spec, const char *text, btl_param *out) {
    memset(out, 0, sizeof *out);
    if (!text) return false;
    if (strcmp(text, "none") == 0) {
        if (spec->kind == PARAM_AXES) out->axes.n = -1;
        else if (spec->kind == PARAM_SHAPE) out->shape.n = -1;
        else return false;
        return true;
    }
    if (spec->kind == PARAM_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        out->i = strcmp(text, "true") == 0;
        return true;
    }
    btl_dtype dtype;
    if (spec->kind == PARAM_DTYPE) return btl_dtype_find(text, strlen(text), &dtype) && (out->i = dtype, true);
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end) return false;
    if (spec->kind == PARAM_INT) out->i = value;
    else if (spec->kind == PARAM_AXES) {
        int *axis = btl_arena_alloc(a, sizeof *axis);
        *axis = (int)value;
        out->axes.n = 1;
        out->axes.v = axis;
    } else return false;
    return true;
}

static bool pattern_parse_setting(pattern_parser *p, const btl_pattern *call, pattern_setting *settings, bool *given) {
    size_t n = pattern_word(p);
    int k = 0;
    while (k < call->op->nparams &&
           (strlen(call->op->params[k].name) != n || memcmp(call->op->params[k].name, p->at, n) != 0)) k++;
    if (k == call->op->nparams) return pattern_parse_fail(p, "an unknown setting"), false;
    p->at += n;
    if (!pattern_take(p, "=")) return pattern_parse_fail(p, "= expected"), false;
    pattern_skip(p);
    given[k] = true;
    if (pattern_take(p, "?")) return (settings[k].binding = pattern_parse_letter(p)) >= 0;
    n = *p->at == '-' ? 1 : 0;
    while (isalnum((unsigned char)p->at[n])) n++;
    const char *word = btl_arena_strndup(p->arena, p->at, n);
    p->at += n;
    settings[k].binding = -1;
    if (pattern_setting_value(p->arena, &call->op->params[k], word, &settings[k].value)) return true;
    return pattern_parse_fail(p, "a setting's value that patterns do not know"), false;
}

/* Is `name=` next? */
static bool pattern_setting_follows(pattern_parser *p) {
    pattern_skip(p);
    size_t n = pattern_word(p);
    const char *s = p->at + n;
    while (*s == ' ') s++;
    return n > 0 && *s == '=';
}

static const btl_pattern *pattern_call(pattern_parser *p, const char *name, size_t length, int nkids,
                                     const btl_pattern *const *kids) {
    btl_pattern *call = BTL_NEW(p->arena, btl_pattern);
    call->kind = PATTERN_CALL;
    call->op = btl_op_lookup(p->arena->ctx, name, length);
    if (!call->op || (call->op->flags & OP_HIDDEN)) return pattern_parse_fail_at(p, name, btl_arena_printf(p->arena, "there is no operation %.*s", (int)length, name));
    if (!p->result && (call->op->flags & OP_MACRO))
        return pattern_parse_fail_at(p, name, btl_arena_printf(p->arena, "%.*s never stands in a graph: it is short for other operations (`bitale print` shows which)", (int)length, name));
    call->nkids = nkids;
    for (int i = 0; i < nkids; i++) {
        if (!kids[i]) return NULL;
        call->kids[i] = kids[i];
    }
    return call;
}

static const btl_pattern *pattern_finish_call(pattern_parser *p, const btl_pattern *made) {
    if (!made) return NULL;
    btl_pattern *call = (btl_pattern *)made; /* fresh from pattern_call */
    const btl_op *op = call->op;
    if (call->nkids < op->min_in || (op->max_in >= 0 && call->nkids > op->max_in))
        return pattern_parse_fail(p, btl_arena_printf(p->arena, "%s has another number of operands", op->name));
    pattern_setting *settings = BTL_ARRAY(p->arena, pattern_setting, op->nparams + 1);
    bool *given = BTL_ARRAY(p->arena, bool, op->nparams + 1);
    while (pattern_setting_follows(p)) {
        if (!pattern_parse_setting(p, call, settings, given)) return NULL;
        if (!pattern_take(p, ",")) break;
    }
    for (int k = 0; k < op->nparams; k++) {
        if (given[k]) continue;
        settings[k].binding = -1;
        if (!pattern_setting_value(p->arena, &op->params[k], op->params[k].fallback, &settings[k].value))
            return pattern_parse_fail(p, btl_arena_printf(p->arena, "%s needs the setting %s", op->name, op->params[k].name));
    }
    call->settings = settings;
    return call;
}

static const btl_pattern *pattern_parse_call(pattern_parser *p, const char *name, size_t length) {
    const btl_pattern *kids[PATTERN_KIDS] = { NULL };
    int n = 0;
    while (!pattern_take(p, ")")) {
        if (pattern_setting_follows(p)) {
            const btl_pattern *call = pattern_finish_call(p, pattern_call(p, name, length, n, kids));
            return pattern_take(p, ")") ? call : pattern_parse_fail(p, ") expected");
        }
        if (n == PATTERN_KIDS) return pattern_parse_fail(p, "too many operands");
        if (!(kids[n++] = pattern_parse_expr(p, 0))) return NULL;
        if (!pattern_take(p, ",") && *p->at != ')') return pattern_parse_fail(p, ", or ) expected");
    }
    return pattern_finish_call(p, pattern_call(p, name, length, n, kids));
}

static const btl_pattern *pattern_number(pattern_parser *p, double value) {
    btl_pattern *number = BTL_NEW(p->arena, btl_pattern);
    number->kind = PATTERN_NUMBER;
    number->number = value;
    return number;
}

static const btl_pattern *pattern_parse_primary(pattern_parser *p) {
    pattern_skip(p);
    if (pattern_take(p, "?")) {
        btl_pattern *var = BTL_NEW(p->arena, btl_pattern);
        var->kind = PATTERN_VAR;
        var->binding = pattern_parse_letter(p);
        return var->binding < 0 ? NULL : var;
    }
    if (pattern_take(p, "(")) {
        const btl_pattern *inner = pattern_parse_expr(p, 0);
        return !inner || pattern_take(p, ")") ? inner : pattern_parse_fail(p, ") expected");
    }
    if (isdigit((unsigned char)*p->at)) {
        char *end;
        double value = strtod(p->at, &end);
        p->at = end;
        return pattern_number(p, value);
    }
    size_t n = pattern_word(p);
    const char *name = p->at;
    p->at += n;
    if (n && pattern_take(p, "(")) return pattern_parse_call(p, name, n);
    return pattern_parse_fail(p, "an expression expected");
}

static const btl_pattern *pattern_parse_binary(pattern_parser *p, const char *name, const btl_pattern *a, int level) {
    const btl_pattern *kids[2] = { a, pattern_parse_expr(p, level) };
    return pattern_finish_call(p, pattern_call(p, name, strlen(name), 2, kids));
}

/* ** binds tighter than the minus before it, and to the right: -x**2 is -(x**2). */
static const btl_pattern *pattern_parse_power(pattern_parser *p) {
    const btl_pattern *base = pattern_parse_primary(p);
    return base && pattern_take(p, "**") ? pattern_parse_binary(p, "pow", base, 2) : base;
}

static const btl_pattern *pattern_parse_unary(pattern_parser *p) {
    if (!pattern_take(p, "-")) return pattern_parse_power(p);
    const btl_pattern *operand = pattern_parse_unary(p);
    if (operand && operand->kind == PATTERN_NUMBER) return pattern_number(p, -operand->number);
    return pattern_finish_call(p, pattern_call(p, "neg", 3, 1, &operand));
}

/* level 0: sums, 1: products, 2: what is signed */
static const btl_pattern *pattern_parse_expr(pattern_parser *p, int level) {
    static const struct { const char *token, *op; int level; } operators[] = {
        { "+", "add", 0 }, { "-", "sub", 0 }, { "//", "floordiv", 1 }, { "/", "div", 1 }, { "%", "mod", 1 },
        { "@", "matmul", 1 }, { "*", "mul", 1 },
    };
    if (level == 2) return pattern_parse_unary(p);
    if (++p->depth > PATTERN_DEPTH) return pattern_parse_fail(p, "too deep");
    const btl_pattern *a = pattern_parse_expr(p, level + 1);
    pattern_skip(p);
    for (size_t i = 0; a && i < sizeof operators / sizeof *operators; i++) {
        if (operators[i].level != level || operators[i].token[0] != *p->at || !pattern_take(p, operators[i].token)) continue;
        a = pattern_parse_binary(p, operators[i].op, a, level + 1);
        pattern_skip(p);
        i = (size_t)-1; /* and look for the next operator */
    }
    p->depth--;
    return a;
}

static const btl_pattern *pattern_parse(btl_arena *a, btl_compiled_rule *rule, const char *text, bool result) {
    pattern_parser p = { .arena = a, .rule = rule, .at = text, .result = result };
    const btl_pattern *pattern = pattern_parse_expr(&p, 0);
    pattern_skip(&p);
    return pattern && *p.at ? pattern_parse_fail(&p, "more text than an expression") : pattern;
}

/* The bits of what must be among the root's operands. */
static uint64_t pattern_mask(const btl_compiled_rule *rule) {
    uint64_t mask = rule->operand ? btl_op_bit(rule->operand) : 0;
    for (int i = 0; rule->match && i < rule->match->nkids; i++) {
        const btl_pattern *kid = rule->match->kids[i];
        mask |= kid->kind == PATTERN_CALL ? btl_op_bit(kid->op) : kid->kind == PATTERN_NUMBER ? OPERAND_NUMBER : 0;
    }
    return mask;
}

void btl_rule_compile(btl_arena *a, const btl_rule *rule, btl_compiled_rule *out) {
    *out = (btl_compiled_rule){ .rule = rule };
    if (rule->match) {
        out->match = pattern_parse(a, out, rule->match, false);
        if (out->match && out->match->kind != PATTERN_CALL) out->broken = "a pattern must be an operation, not a letter or a number alone", out->broken_at = rule->match;
    }
    if (rule->operand) {
        out->operand = btl_op_find(rule->operand, strlen(rule->operand));
        if (!out->operand) out->broken = "an operation that does not exist", out->broken_at = rule->operand;
    }
    if (!out->broken) out->mask = pattern_mask(out);
    if (!out->broken && rule->conditions) btl_conditions_compile(a, rule->conditions, out);
    if (!out->broken && rule->result) out->result = pattern_parse(a, out, rule->result, true);
    if (rule->pass) {
        if (rule->match || rule->result || rule->ops || rule->apply) out->broken = "a pass has neither pattern nor result nor ops";
        return;
    }
    if (!out->broken && !rule->result && !rule->apply) out->broken = "neither result nor code";
    if (!out->broken && !rule->match && !rule->ops) out->broken = "neither pattern nor ops";
}
