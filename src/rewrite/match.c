/* match.c - the small language of rules: parsing, matching, building.
 *
 * A pattern is an expression of the notation made of calls, + - * / // % @ ** and unary minus,
 * numbers and ?x. Settings stand behind the operands with their names: softmax(?x, axis=?a),
 * sum(?x, keepdims=true); one that is left out must have (match) or gets (result) its default.
 *
 * Patterns are a few levels deep by construction, so here recursion is allowed: it goes over the
 * pattern, never over the graph. Commutative operands are tried in both orders with full
 * backtracking, so a pattern matches whenever some assignment of orders does.
 * SPDX-License-Identifier: BSD-3-Clause */
#define BTL_NO_SITES
#include "rewrite/match.h"

#include "base/context.h"
#include "ops/helpers.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- parsing ------------------------------------------------------------------------------ */

typedef struct match_parser {
    btl_arena *arena;
    btl_compiled_rule *rule;
    const char *at;
    bool result;       /* of the result: every ?x must be bound */
    int depth;
} match_parser;

enum { PATTERN_DEPTH = 16 };

static const btl_pattern *match_parse_expr(match_parser *p, int level);

static const btl_pattern *match_parse_fail(match_parser *p, const char *what) {
    if (!p->rule->broken) p->rule->broken = btl_arena_printf(p->arena, "%s at \"%s\"", what, p->at);
    return NULL;
}

static void match_skip(match_parser *p) {
    while (*p->at == ' ') p->at++;
}

static bool match_take(match_parser *p, const char *token) {
    match_skip(p);
    size_t n = strlen(token);
    if (strncmp(p->at, token, n) != 0) return false;
    p->at += n;
    return true;
}

static size_t match_word(const match_parser *p) {
    size_t n = 0;
    while (isalnum((unsigned char)p->at[n]) || p->at[n] == '_' || (n && p->at[n] == '.')) n++;
    return n;
}

/* The index of letter ?c, entered if it is new. */
static int match_parse_letter(match_parser *p) {
    char c = *p->at;
    if (!islower((unsigned char)c)) return match_parse_fail(p, "a letter must follow ?"), -1;
    p->at++;
    for (int i = 0; i < p->rule->nbindings; i++)
        if (p->rule->letters[i] == c) return i;
    if (p->result) return match_parse_fail(p, "a letter that the pattern does not bind"), -1;
    if (p->rule->nbindings == BTL_RULE_BINDINGS) return match_parse_fail(p, "too many letters"), -1;
    p->rule->letters[p->rule->nbindings] = c;
    return p->rule->nbindings++;
}

/* A setting's value: none, true, false or an integer. */
static bool match_setting_value(btl_arena *a, const btl_param_spec *spec, const char *text, btl_param *out) {
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

static bool match_parse_setting(match_parser *p, const btl_pattern *call, pattern_setting *settings, bool *given) {
    size_t n = match_word(p);
    int k = 0;
    while (k < call->op->nparams &&
           (strlen(call->op->params[k].name) != n || memcmp(call->op->params[k].name, p->at, n) != 0)) k++;
    if (k == call->op->nparams) return match_parse_fail(p, "an unknown setting"), false;
    p->at += n;
    if (!match_take(p, "=")) return match_parse_fail(p, "= expected"), false;
    match_skip(p);
    given[k] = true;
    if (match_take(p, "?")) return (settings[k].binding = match_parse_letter(p)) >= 0;
    n = *p->at == '-' ? 1 : 0;
    while (isalnum((unsigned char)p->at[n])) n++;
    const char *word = btl_arena_strndup(p->arena, p->at, n);
    p->at += n;
    settings[k].binding = -1;
    if (match_setting_value(p->arena, &call->op->params[k], word, &settings[k].value)) return true;
    return match_parse_fail(p, "a setting's value that patterns do not know"), false;
}

/* Is `name=` next? */
static bool match_setting_follows(match_parser *p) {
    match_skip(p);
    size_t n = match_word(p);
    const char *s = p->at + n;
    while (*s == ' ') s++;
    return n > 0 && *s == '=';
}

static const btl_pattern *match_call(match_parser *p, const char *name, size_t length, int nkids,
                                     const btl_pattern *const *kids) {
    btl_pattern *call = BTL_NEW(p->arena, btl_pattern);
    call->kind = PATTERN_CALL;
    call->op = btl_op_find(name, length);
    if (!call->op) return match_parse_fail(p, btl_arena_printf(p->arena, "no op %.*s", (int)length, name));
    call->nkids = nkids;
    for (int i = 0; i < nkids; i++) {
        if (!kids[i]) return NULL;
        call->kids[i] = kids[i];
    }
    return call;
}

static const btl_pattern *match_finish_call(match_parser *p, const btl_pattern *made) {
    if (!made) return NULL;
    btl_pattern *call = (btl_pattern *)made; /* fresh from match_call */
    const btl_op *op = call->op;
    if (call->nkids < op->min_in || (op->max_in >= 0 && call->nkids > op->max_in))
        return match_parse_fail(p, btl_arena_printf(p->arena, "%s has another number of operands", op->name));
    pattern_setting *settings = BTL_ARRAY(p->arena, pattern_setting, op->nparams + 1);
    bool *given = BTL_ARRAY(p->arena, bool, op->nparams + 1);
    while (match_setting_follows(p)) {
        if (!match_parse_setting(p, call, settings, given)) return NULL;
        if (!match_take(p, ",")) break;
    }
    for (int k = 0; k < op->nparams; k++) {
        if (given[k]) continue;
        settings[k].binding = -1;
        if (!match_setting_value(p->arena, &op->params[k], op->params[k].fallback, &settings[k].value))
            return match_parse_fail(p, btl_arena_printf(p->arena, "%s needs the setting %s", op->name, op->params[k].name));
    }
    call->settings = settings;
    return call;
}

static const btl_pattern *match_parse_call(match_parser *p, const char *name, size_t length) {
    const btl_pattern *kids[PATTERN_KIDS] = { NULL };
    int n = 0;
    while (!match_take(p, ")")) {
        if (match_setting_follows(p)) {
            const btl_pattern *call = match_finish_call(p, match_call(p, name, length, n, kids));
            return match_take(p, ")") ? call : match_parse_fail(p, ") expected");
        }
        if (n == PATTERN_KIDS) return match_parse_fail(p, "too many operands");
        if (!(kids[n++] = match_parse_expr(p, 0))) return NULL;
        if (!match_take(p, ",") && *p->at != ')') return match_parse_fail(p, ", or ) expected");
    }
    return match_finish_call(p, match_call(p, name, length, n, kids));
}

static const btl_pattern *match_number(match_parser *p, double value) {
    btl_pattern *number = BTL_NEW(p->arena, btl_pattern);
    number->kind = PATTERN_NUMBER;
    number->number = value;
    return number;
}

static const btl_pattern *match_parse_primary(match_parser *p) {
    match_skip(p);
    if (match_take(p, "?")) {
        btl_pattern *var = BTL_NEW(p->arena, btl_pattern);
        var->kind = PATTERN_VAR;
        var->binding = match_parse_letter(p);
        return var->binding < 0 ? NULL : var;
    }
    if (match_take(p, "(")) {
        const btl_pattern *inner = match_parse_expr(p, 0);
        return !inner || match_take(p, ")") ? inner : match_parse_fail(p, ") expected");
    }
    if (isdigit((unsigned char)*p->at)) {
        char *end;
        double value = strtod(p->at, &end);
        p->at = end;
        return match_number(p, value);
    }
    size_t n = match_word(p);
    const char *name = p->at;
    p->at += n;
    if (n && match_take(p, "(")) return match_parse_call(p, name, n);
    return match_parse_fail(p, "an expression expected");
}

static const btl_pattern *match_parse_binary(match_parser *p, const char *name, const btl_pattern *a, int level) {
    const btl_pattern *kids[2] = { a, match_parse_expr(p, level) };
    return match_finish_call(p, match_call(p, name, strlen(name), 2, kids));
}

/* ** binds tighter than the minus before it, and to the right: -x**2 is -(x**2). */
static const btl_pattern *match_parse_power(match_parser *p) {
    const btl_pattern *base = match_parse_primary(p);
    return base && match_take(p, "**") ? match_parse_binary(p, "pow", base, 2) : base;
}

static const btl_pattern *match_parse_unary(match_parser *p) {
    if (!match_take(p, "-")) return match_parse_power(p);
    const btl_pattern *operand = match_parse_unary(p);
    if (operand && operand->kind == PATTERN_NUMBER) return match_number(p, -operand->number);
    return match_finish_call(p, match_call(p, "neg", 3, 1, &operand));
}

/* level 0: sums, 1: products, 2: what is signed */
static const btl_pattern *match_parse_expr(match_parser *p, int level) {
    static const struct { const char *token, *op; int level; } operators[] = {
        { "+", "add", 0 }, { "-", "sub", 0 }, { "//", "floordiv", 1 }, { "/", "div", 1 }, { "%", "mod", 1 },
        { "@", "matmul", 1 }, { "*", "mul", 1 },
    };
    if (level == 2) return match_parse_unary(p);
    if (++p->depth > PATTERN_DEPTH) return match_parse_fail(p, "too deep");
    const btl_pattern *a = match_parse_expr(p, level + 1);
    for (size_t i = 0; a && i < sizeof operators / sizeof *operators; i++) {
        if (operators[i].level != level || !match_take(p, operators[i].token)) continue;
        a = match_parse_binary(p, operators[i].op, a, level + 1);
        i = (size_t)-1; /* and look for the next operator */
    }
    p->depth--;
    return a;
}

static const btl_pattern *match_parse(btl_arena *a, btl_compiled_rule *rule, const char *text, bool result) {
    match_parser p = { .arena = a, .rule = rule, .at = text, .result = result };
    const btl_pattern *pattern = match_parse_expr(&p, 0);
    match_skip(&p);
    return pattern && *p.at ? match_parse_fail(&p, "more text than an expression") : pattern;
}

void btl_rule_compile(btl_arena *a, const btl_rule *rule, btl_compiled_rule *out) {
    *out = (btl_compiled_rule){ .rule = rule };
    if (rule->match) {
        out->match = match_parse(a, out, rule->match, false);
        if (out->match && out->match->kind != PATTERN_CALL) out->broken = "the pattern is not a call";
        for (int i = 0; !out->broken && i < out->match->nkids; i++)
            if (out->match->kids[i]->kind == PATTERN_CALL) out->mask |= btl_op_bit(out->match->kids[i]->op);
    }
    if (!out->broken && rule->result) out->result = match_parse(a, out, rule->result, true);
    if (!out->broken && !rule->result && !rule->apply) out->broken = "neither result nor code";
    if (!out->broken && !rule->match && !rule->ops) out->broken = "neither pattern nor ops";
}

/* ---- the rule book ------------------------------------------------------------------------ */

static const btl_rule *const match_tables[] = { btl_rules_fold, btl_rules_canonical, btl_rules_views,
                                                btl_rules_stable, btl_rules_special, btl_rules_lower };
enum { MATCH_NTABLES = sizeof match_tables / sizeof *match_tables };

int btl_rules_count(void) {
    int n = 0;
    for (int t = 0; t < MATCH_NTABLES; t++)
        for (const btl_rule *r = match_tables[t]; r->name; r++) n++;
    return n;
}

const btl_rule *btl_rule_at(int i) {
    for (int t = 0; t < MATCH_NTABLES; t++)
        for (const btl_rule *r = match_tables[t]; r->name; r++)
            if (i-- == 0) return r;
    return NULL;
}

const btl_rule *btl_rule_find(const char *name) {
    for (int t = 0; t < MATCH_NTABLES; t++)
        for (const btl_rule *r = match_tables[t]; r->name; r++)
            if (strcmp(r->name, name) == 0) return r;
    return NULL;
}

static bool match_op_equal(const void *key, const void *thing) {
    return key == ((const btl_rule_list *)thing)->op;
}

static uint64_t match_op_hash(const btl_op *op) {
    return btl_hash_mix(0, (uint64_t)(uintptr_t)op);
}

/* Does a list of names separated by blanks contain the word? */
static bool match_names(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *s = list; (s = strstr(s, word)); s += n)
        if ((s == list || s[-1] == ' ') && (s[n] == 0 || s[n] == ' ')) return true;
    return false;
}

static bool match_rule_concerns(const btl_compiled_rule *c, const btl_op *op) {
    if (c->broken) return false;
    if (c->match) return c->match->op == op;
    return strcmp(c->rule->ops, "*") == 0 || (op && match_names(c->rule->ops, op->name));
}

static void match_collect(btl_rulebook *book, const btl_op *op, btl_rule_list *list) {
    list->op = op;
    list->rules = BTL_ARRAY(&book->arena, btl_compiled_rule *, book->nrules);
    for (int i = 0; i < book->nrules; i++)
        if (match_rule_concerns(&book->rules[i], op)) list->rules[list->n++] = &book->rules[i];
}

static btl_status match_make(void *arg) {
    btl_rulebook *book = arg;
    book->nrules = btl_rules_count();
    book->rules = BTL_ARRAY(&book->arena, btl_compiled_rule, book->nrules);
    for (int i = 0; i < book->nrules; i++) {
        btl_rule_compile(&book->arena, btl_rule_at(i), &book->rules[i]);
        book->rules[i].index = i;
    }
    match_collect(book, NULL, &book->any);
    for (const btl_op *const *op = btl_ops; *op; op++) {
        btl_rule_list *list = BTL_NEW(&book->arena, btl_rule_list);
        match_collect(book, *op, list);
        if (list->n > book->any.n) btl_table_add(&book->by_op, &book->arena, match_op_hash(*op), list);
    }
    return BTL_OK;
}

static void match_destroy(btl_context *ctx, void *thing) {
    btl_rulebook *book = thing;
    btl_arena_deinit(&book->arena);
    btl_free(ctx, book, sizeof *book);
}

static void *match_new(btl_context *ctx) {
    btl_rulebook *book = btl_alloc(ctx, sizeof *book);
    if (!book) return NULL;
    memset(book, 0, sizeof *book);
    btl_arena_init(&book->arena, ctx);
    if (btl_arena_protect(&book->arena, match_make, book) == BTL_OK) return book;
    match_destroy(ctx, book);
    return NULL;
}

static void match_free(void *book) {
    match_destroy(((btl_rulebook *)book)->arena.ctx, book);
}

const btl_rulebook *btl_rulebook_of(btl_graph *g) {
    btl_rulebook *book = g->ctx ? btl_context_slot(g->ctx, BTL_SLOT_RULES, match_new, match_destroy) : match_new(NULL);
    if (!book) return btl_arena_alloc(&g->arena, SIZE_MAX); /* runs out, which ends this call */
    if (!g->ctx) btl_arena_defer(&g->arena, match_free, book);
    return book;
}

const btl_rule_list *btl_rulebook_list(const btl_rulebook *book, const btl_op *op) {
    const btl_rule_list *list = btl_table_find(&book->by_op, match_op_hash(op), match_op_equal, op);
    return list ? list : &book->any;
}

/* ---- matching ----------------------------------------------------------------------------- */

const btl_node *btl_match_node(btl_match *m, const btl_var *v, const btl_op *op) {
    const btl_node *n = v->node;
    if (op && n->op != op) return NULL;
    if ((n->op->flags & (OP_LEAF | OP_BARRIER)) || n->nout != 1) return NULL;
    if (n->id < m->barriers.n && btl_bits_get(m->barriers, n->id)) return NULL;
    if (m->nconsumed == BTL_RULE_CONSUMED) return NULL;
    m->consumed[m->nconsumed++] = n;
    return n;
}

bool btl_match_number(const btl_var *v, double value) {
    if (v->type.dtype == BTL_BOOL) return false;
    bool fraction = value != (double)(long)value;
    double found;
    while (!btl_var_constant_value(v, &found)) {
        if (v->node->op != &btl_op_cast) return false;
        v = v->node->in[0];
        if (fraction && btl_dtype_kind(v->type.dtype) != 'f') return false;
    }
    return found == value && !(fraction && btl_dtype_kind(v->type.dtype) != 'f');
}

/* What is still to be matched: a list, newest first, on the C stack. */
typedef struct match_goal match_goal;
struct match_goal { const btl_pattern *pattern; const btl_var *var; const match_goal *next; };

static bool match_goals(btl_match *m, const match_goal *goal);

static bool match_settings(btl_match *m, const btl_pattern *p, const btl_node *n) {
    for (int k = 0; k < n->op->nparams; k++) {
        const pattern_setting *s = &p->settings[k];
        const btl_param *want = &s->value;
        if (s->binding >= 0) {
            if (!m->setting[s->binding]) m->setting[s->binding] = &n->params[k];
            want = m->setting[s->binding];
        }
        if (!btl_param_equal(n->op->params[k].kind, want, &n->params[k])) return false;
    }
    return true;
}

static bool match_call_goal(btl_match *m, const match_goal *goal) {
    const btl_pattern *p = goal->pattern;
    const btl_node *n = btl_match_node(m, goal->var, p->op);
    if (!n || n->nin != p->nkids || !match_settings(m, p, n)) return false;
    match_goal kids[PATTERN_KIDS];
    int norders = (p->op->flags & OP_COMMUTATIVE) && p->nkids == 2 ? 2 : 1;
    for (int order = 0; order < norders; order++) {
        for (int i = 0; i < p->nkids; i++)
            kids[i] = (match_goal){ p->kids[i], n->in[order ? 1 - i : i], i + 1 < p->nkids ? &kids[i + 1] : goal->next };
        if (match_goals(m, p->nkids ? kids : goal->next)) return true;
    }
    return false;
}

/* Meets all goals; where it fails, m is as before. */
static bool match_goals(btl_match *m, const match_goal *goal) {
    if (!goal) return true;
    const btl_pattern *p = goal->pattern;
    if (p->kind == PATTERN_NUMBER) return btl_match_number(goal->var, p->number) && match_goals(m, goal->next);
    btl_match before = *m;
    bool met;
    if (p->kind == PATTERN_CALL) met = match_call_goal(m, goal);
    else {
        if (!m->bound[p->binding]) m->bound[p->binding] = (btl_var *)goal->var;
        met = m->bound[p->binding] == goal->var && match_goals(m, goal->next);
    }
    if (!met) *m = before;
    return met;
}

bool btl_rule_matches(btl_match *m, const btl_compiled_rule *rule) {
    if (rule->match) {
        if (!match_goals(m, &(match_goal){ rule->match, m->root->out, NULL })) return false;
    } else if (!btl_match_node(m, m->root->out, NULL)) return false;
    return !rule->rule->when || rule->rule->when(m);
}

/* ---- building ----------------------------------------------------------------------------- */

/* A number in a result has the dtype of the first operand beside it that is not one, and of the
 * root where there is none. */
static btl_dtype match_number_dtype(const btl_match *m, int n, btl_var *const *kids) {
    for (int i = 0; i < n; i++)
        if (kids[i]) return kids[i]->type.dtype;
    return m->root->out[0].type.dtype;
}

static btl_var *match_build(btl_match *m, const btl_pattern *p) {
    if (p->kind == PATTERN_VAR) return m->bound[p->binding];
    if (p->kind == PATTERN_NUMBER) return btl_graph_scalar(m->g, m->root->out[0].type.dtype, p->number);
    btl_var *kids[PATTERN_KIDS] = { NULL };
    for (int i = 0; i < p->nkids; i++)
        if (p->kids[i]->kind != PATTERN_NUMBER && !(kids[i] = match_build(m, p->kids[i]))) return NULL;
    btl_dtype dtype = match_number_dtype(m, p->nkids, kids);
    for (int i = 0; i < p->nkids; i++)
        if (!kids[i]) kids[i] = btl_graph_scalar(m->g, dtype, p->kids[i]->number);
    btl_param *params = BTL_ARRAY(&m->g->arena, btl_param, p->op->nparams + 1);
    for (int k = 0; k < p->op->nparams; k++) {
        const pattern_setting *s = &p->settings[k];
        params[k] = s->binding >= 0 ? *m->setting[s->binding] : s->value;
    }
    return btl_build(m->g, p->op, p->nkids, kids, params, NULL);
}

btl_var *btl_rule_build(btl_match *m, const btl_compiled_rule *rule) {
    return rule->result ? match_build(m, rule->result) : rule->rule->apply(m, m->root);
}

btl_var *btl_match_rebuild(btl_match *m, const btl_node *like, btl_var *first_operand) {
    if (!first_operand) return NULL;
    btl_var **in = btl_arena_copy(&m->g->arena, like->in, (size_t)like->nin * sizeof *in);
    in[0] = first_operand;
    btl_node *n = btl_apply(m->g, like->op, like->nin, in, like->params);
    return n ? n->out : NULL;
}

const btl_op *btl_rule_op(const char *name) {
    return btl_op_find(name, strlen(name));
}

bool btl_when_float(const btl_match *m) {
    return btl_dtype_kind(m->root->out[0].type.dtype) == 'f';
}

bool btl_when_not_bool(const btl_match *m) {
    return m->root->out[0].type.dtype != BTL_BOOL;
}

bool btl_when_integer(const btl_match *m) {
    char kind = btl_dtype_kind(m->root->out[0].type.dtype);
    return kind == 'i' || kind == 'u';
}
