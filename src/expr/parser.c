/* parser.c - the parser's entry points, its cursor, and how it reports mistakes. See parse.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/parse.h"
#include "expr/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- cursor ------------------------------------------------------------------------------ */

bool btl_parse_accept(parser *p, btl_token_kind kind) {
    if (parse_kind(p) != kind) return false;
    p->pos++;
    return true;
}

bool btl_parse_is_word(const parser *p, uint32_t token, const char *word) {
    size_t length;
    const char *s = parse_token_text(p, token, &length);
    return p->t.tokens[token].kind == TOKEN_NAME && strlen(word) == length && memcmp(s, word, length) == 0;
}

bool btl_parse_expect(parser *p, btl_token_kind kind, const char *where) {
    if (btl_parse_accept(p, kind)) return true;
    btl_parse_fail_syntax(p, "expected %s %s", btl_token_kind_text(kind), where);
    return false;
}

const char *btl_parse_name_at(parser *p, uint32_t token) {
    size_t length;
    const char *s = parse_token_text(p, token, &length);
    return btl_arena_strndup(&p->g->arena, s, length);
}

int btl_parse_line_of(parser *p, uint32_t token) {
    int line, column;
    btl_tokens_locate(&p->t, p->t.tokens[token].start, &line, &column);
    return line;
}

bool btl_parse_enter(parser *p) {
    if (p->depth++ < PARSE_DEPTH) return true;
    if (!p->panic) btl_parse_fail(p, p->pos, BTL_ESYNTAX, "bind a part of it to a name on a line before", "the expression is nested more than %d deep", PARSE_DEPTH);
    p->panic = true;
    return false;
}

void btl_parse_leave(parser *p) { p->depth--; }

/* ---- mistakes ---------------------------------------------------------------------------- */

/* The place of the bytes from..to of the text; a bad one points to the character before. */
static const btl_places *parse_places(parser *p, uint32_t from, uint32_t to) {
    btl_arena *a = &p->g->arena;
    struct { btl_places set; btl_place place; } *x = btl_arena_alloc(a, sizeof *x);
    x->place = (btl_place){ .file = p->t.file };
    btl_tokens_locate(&p->t, from, &x->place.line, &x->place.column);
    const char *source = p->t.text + p->t.lines[x->place.line - 1];
    x->place.source = source;
    const char *s = p->t.text + from, *end = p->t.text + to;
    for (; s < end && *s; s++) x->place.length += ((unsigned char)*s & 0xc0) != 0x80;
    x->set = (btl_places){ &x->place, p->outer };
    return &x->set;
}

void btl_parse_here_range(parser *p, uint32_t first, uint32_t last) {
    const btl_token *a = &p->t.tokens[first], *b = &p->t.tokens[last];
    uint32_t to = b->kind == TOKEN_BAD ? b->start + 1 : b->start + b->length;
    p->g->here = parse_places(p, a->start, to);
}

void btl_parse_here(parser *p, uint32_t token) { btl_parse_here_range(p, token, token); }

void btl_parse_fail_done(parser *p) {
    p->nmistakes++;
    if (!p->keep_pending) btl_fail_done(p->g, NULL);
}

static void __attribute__((format(printf, 4, 0)))
parse_vfail(parser *p, btl_status status, const char *hint, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = btl_arena_alloc(p->scratch, (size_t)(n > 0 ? n : 0) + 1);
    vsnprintf(text, (size_t)(n > 0 ? n : 0) + 1, format, again);
    va_end(again);
    btl_fail(p->g, status, "%s", text);
    if (hint) btl_fail_hint(p->g, "%s", hint);
    btl_parse_fail_done(p);
}

void btl_parse_fail(parser *p, uint32_t token, btl_status status, const char *hint, const char *format, ...) {
    va_list args;
    va_start(args, format);
    btl_parse_here(p, token);
    parse_vfail(p, status, hint, format, args);
    va_end(args);
}

/* What stands at the cursor, for "…, found X". */
static const char *parse_found(parser *p) {
    btl_token_kind kind = parse_kind(p);
    size_t length;
    const char *s = parse_token_text(p, p->pos, &length);
    if (kind < TOKEN_BAD) return btl_token_kind_text(kind);
    if (length > 40) return btl_arena_printf(p->scratch, "'%.*s…'", 40, s);
    return btl_arena_printf(p->scratch, "'%.*s'", (int)length, s);
}

/* A bad token was found by the lexer, which knows better what is wrong. */
static void parse_fail_bad(parser *p) {
    const btl_lex_error *e = &p->t.errors[p->t.tokens[p->pos].length];
    p->g->here = parse_places(p, e->start, e->start + e->length);
    btl_fail(p->g, BTL_ESYNTAX, "%s", e->message);
    if (e->hint) btl_fail_hint(p->g, "%s", e->hint);
    btl_parse_fail_done(p);
}

void btl_parse_fail_syntax(parser *p, const char *format, ...) {
    if (p->panic) return;
    p->panic = true;
    if (parse_kind(p) == TOKEN_BAD) {
        parse_fail_bad(p);
        return;
    }
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    va_start(args, format);
    char *text = btl_arena_alloc(p->scratch, (size_t)(n > 0 ? n : 0) + 1);
    vsnprintf(text, (size_t)(n > 0 ? n : 0) + 1, format, args);
    va_end(args);
    btl_parse_fail(p, p->pos, BTL_ESYNTAX, NULL, "%s, found %s", text, parse_found(p));
}

/* ---- entry points ------------------------------------------------------------------------ */

typedef struct parse_args {
    btl_graph *g;
    btl_arena scratch;
    const char *text, *file;
    size_t length;
    int nnames;
    const char *const *names;
    btl_var *const *vars;
    btl_var *result;
    btl_type type;
    bool own_scratch;
} parse_args;

/* What is needed while parsing only lies in an arena of its own, whose failures go where those of
 * the graph go. Parsing within somebody else's protection uses the graph's: nobody would free ours. */
static void parse_init(parser *p, parse_args *a) {
    btl_graph *g = a->g;
    *p = (parser){ .g = g, .scratch = &g->arena };
    if (a->own_scratch) {
        a->scratch.trap = g->arena.trap;
        p->scratch = &a->scratch;
    }
    btl_lex(&p->t, &g->arena, p->scratch, a->text, a->length, btl_arena_strdup(&g->arena, a->file));
    p->scope = btl_scope_new(p, NULL, 0);
}

static btl_status parse_run(parse_args *a, btl_status (*body)(void *)) {
    a->own_scratch = a->g->arena.trap == NULL;
    if (a->own_scratch) btl_arena_init(&a->scratch, a->g->ctx);
    const btl_places *here = a->g->here;
    btl_status status = btl_graph_protect(a->g, body, a);
    a->g->here = here;
    if (a->own_scratch) btl_arena_deinit(&a->scratch);
    return status;
}

/* The shared variables that the graph has already. */
static void parse_bind_shared(parser *p) {
    for (int i = 0; i < p->g->nshared; i++) btl_scope_bind_quietly(p, p->g->shared[i]->name, value_var(p->g->shared[i]->var), 0);
}

static btl_status parse_graph_body(void *arg) {
    parse_args *a = arg;
    btl_graph *g = a->g;
    btl_diagnostic **mine = g->last_diagnostic;
    parser p;
    parse_init(&p, a);
    p.new_sizes = true;
    parse_bind_shared(&p);
    btl_parse_program(&p);
    return *mine ? (*mine)->status : BTL_OK;
}

btl_status btl_graph_parse(btl_graph *g, const char *text, size_t length, const char *file) {
    parse_args a = { .g = g, .text = text, .length = length, .file = file ? file : "text" };
    return g->status == BTL_ENOMEM ? BTL_ENOMEM : parse_run(&a, parse_graph_body);
}

/* Text behind the expression is a mistake, a line's end is not. */
static void parse_whole(parser *p) {
    while (parse_kind(p) == TOKEN_NEWLINE || parse_kind(p) == TOKEN_DEDENT) p->pos++;
    if (!p->panic && parse_kind(p) != TOKEN_END) btl_parse_fail_syntax(p, "expected the end of the expression");
}

static btl_status parse_expr_body(void *arg) {
    parse_args *a = arg;
    btl_graph *g = a->g;
    parser p;
    const btl_places *caller = g->here;
    parse_init(&p, a);
    p.outer = caller;
    p.open_names = true;
    parse_bind_shared(&p);
    for (int i = 0; i < a->nnames; i++) btl_scope_bind_quietly(&p, btl_arena_strdup(&g->arena, a->names[i]), value_var(a->vars[i]), 0);
    btl_parse_accept(&p, TOKEN_INDENT);
    value v = btl_parse_expr(&p);
    parse_whole(&p);
    if (p.nmistakes == 0) a->result = btl_value_to_var(&p, &v);
    return p.nmistakes == 0 && a->result ? BTL_OK : g->status;
}

btl_var *btl_expr_n(btl_graph *g, const char *text, int n, const char *const *names, btl_var *const *vars) {
    for (int i = 0; i < n; i++)
        if (!vars[i]) return NULL;
    if (g->status == BTL_ENOMEM) return NULL;
    parse_args a = { .g = g, .text = text, .length = strlen(text), .file = "expression", .nnames = n, .names = names, .vars = vars };
    return parse_run(&a, parse_expr_body) == BTL_OK ? a.result : NULL;
}

enum { EXPR_ARGUMENTS = 32 }; /* that btl_expr takes; btl_expr_n has no limit */

static btl_status parse_too_many(void *arg) {
    btl_graph *g = arg;
    btl_fail(g, BTL_EUSAGE, "btl_expr: more than %d variables", EXPR_ARGUMENTS);
    btl_fail_hint(g, "btl_expr_n takes any number; the list of btl_expr ends with NULL");
    btl_fail_done(g, NULL);
    return BTL_EUSAGE;
}

btl_var *btl_expr(btl_graph *g, const char *text, ...) {
    const char *names[EXPR_ARGUMENTS];
    btl_var *vars[EXPR_ARGUMENTS];
    int n = 0;
    va_list args;
    va_start(args, text);
    for (const char *name; (name = va_arg(args, const char *)); n++) {
        if (n == EXPR_ARGUMENTS) break;
        names[n] = name;
        vars[n] = va_arg(args, btl_var *);
    }
    va_end(args);
    if (n == EXPR_ARGUMENTS) {
        btl_graph_protect(g, parse_too_many, g);
        return NULL;
    }
    return btl_expr_n(g, text, n, names, vars);
}

static btl_status parse_type_body(void *arg) {
    parse_args *a = arg;
    parser p;
    parse_init(&p, a);
    p.keep_pending = p.new_sizes = true;
    bool good = btl_parse_type_at(&p, &a->type);
    if (good) parse_whole(&p);
    return p.nmistakes ? a->g->pending : BTL_OK;
}

btl_status btl_parse_type(btl_graph *g, const char *text, btl_type *out) {
    parse_args a = { .g = g, .text = text, .length = strlen(text), .file = "type" };
    btl_status status = parse_run(&a, parse_type_body);
    *out = a.type;
    return status;
}
