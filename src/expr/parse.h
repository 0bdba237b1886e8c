/* parse.h - the inside of the parser, which builds the graph in one pass over the tokens.
 *
 *     parser.c      entry points, the cursor, mistakes
 *     names.c       scopes: which value a name stands for
 *     parse_type.c  "f32[n, 784]"
 *     values.c      literals and sizes: computing with them, making variables of them
 *     parse_expr.c  expressions
 *     parse_call.c  f(…): ops, casts, fn
 *     settings.c    values as the settings of an op
 *     parse_index.c x[…]
 *     parse_stmt.c  statements
 *
 * After a mistake in the meaning of an expression its value is poison, which gives no more
 * messages; after one in its syntax the rest of the line is skipped (p->panic). Either way parsing
 * goes on, so that one run shows all mistakes.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_PARSE_H
#define BTL_EXPR_PARSE_H

#include "expr/lexer.h"
#include "expr/op.h"
#include "expr/value.h"

enum {
    PARSE_DEPTH = 200,                /* brackets, unary operators, fn in fn … within each other */
    PARSE_FN_DEPTH = 60,              /* fn that use fn */
    PARSE_EXPANDED_TOKENS = 4000000,  /* read again for uses of fn, altogether */
    PARSE_LARGEST_LITERAL = 1 << 20   /* elements of a list that becomes an array, unless they were written one by one */
};

/* ---- names ------------------------------------------------------------------------------- */

typedef struct binding {
    const char *name;     /* first: a table's key */
    value value;
    int line;
    int64_t order;        /* the how-manieth binding this is */
    bool is_size;         /* a symbolic size that a type mentioned */
} binding;

/* Names of a program, a function, one use of a fn. */
typedef struct scope scope;
struct scope {
    scope *outer;
    int64_t outer_limit;   /* of the outer scope, what was bound before this is seen */
    btl_table table;
    bool is_fn;            /* may hide outer names */
    bool lenient;          /* its header was wrong: unknown names are poison */
};

typedef struct fn_param { const char *name; uint32_t token; bool typed; uint32_t type; } fn_param; /* type: its first token */

struct value_fn {
    const char *name;       /* NULL: nameless */
    int nparams;
    fn_param *params;
    uint32_t body;          /* first token of it */
    bool is_block, bad, is_open; /* open: its definition is being read */
    scope *home;
    int64_t limit;          /* names of home bound before this are seen */
};

/* ---- the parser -------------------------------------------------------------------------- */

typedef struct parser {
    btl_graph *g;
    btl_arena *scratch;
    btl_tokens t;
    uint32_t pos;
    const btl_places *outer;  /* where the fn that is being expanded is used */
    scope *scope;
    int64_t order;
    int depth, fn_depth;
    int64_t expanded;
    bool panic;               /* a syntax error: skip to the end of the line */
    bool checking;            /* reading a fn's definition: nothing is built */
    bool open_names;          /* a size that is not known here may be any of the graph (btl_expr) */
    bool new_sizes;           /* a type that names a size declares it */
    bool is_assertion;        /* the type being read asserts: `?` stands for any size */
    bool keep_pending;        /* the first mistake is left to the caller's btl_fail_done */
    btl_entry *entry;         /* of the function being read */
    btl_entry *main;          /* the implicit one */
    bool has_functions;
    uint32_t part_bracket;    /* the '[' of the part that set_subtensor is about, 0: none */
    int nmistakes;
} parser;

/* cursor (parser.c) */
static inline btl_token_kind parse_kind(const parser *p) { return (btl_token_kind)p->t.tokens[p->pos].kind; }
static inline btl_token_kind parse_kind_at(const parser *p, uint32_t ahead) {
    uint32_t i = p->pos + ahead;
    return i < (uint32_t)p->t.ntokens ? (btl_token_kind)p->t.tokens[i].kind : TOKEN_END;
}
static inline const char *parse_token_text(const parser *p, uint32_t token, size_t *length) {
    *length = p->t.tokens[token].length;
    return p->t.text + p->t.tokens[token].start;
}
bool btl_parse_accept(parser *p, btl_token_kind kind);
/* Goes over a token of that kind or reports what stands there instead ("… behind the name"). */
bool btl_parse_expect(parser *p, btl_token_kind kind, const char *where);
bool btl_parse_is_word(const parser *p, uint32_t token, const char *word);
const char *btl_parse_name_at(parser *p, uint32_t token); /* a copy in the graph's arena */
int btl_parse_line_of(parser *p, uint32_t token);

/* mistakes (parser.c): sets the place, records, counts. */
void btl_parse_here(parser *p, uint32_t token);
void btl_parse_here_range(parser *p, uint32_t first, uint32_t last);
void btl_parse_fail(parser *p, uint32_t token, btl_status status, const char *hint, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Of the syntax: the rest of the line is skipped. */
void btl_parse_fail_syntax(parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void btl_parse_fail_done(parser *p);
bool btl_parse_enter(parser *p);    /* one level deeper, or a mistake; undone by btl_parse_leave */
void btl_parse_leave(parser *p);

static inline value value_poison(void) { return (value){ .kind = VALUE_POISON }; }
static inline value value_var(btl_var *v) {
    return v ? (value){ .kind = VALUE_VAR, .var = v } : (value){ .kind = VALUE_POISON };
}
static inline value value_int(int64_t i) { return (value){ .kind = VALUE_INT, .i = i }; }
static inline value value_float(double f) { return (value){ .kind = VALUE_FLOAT, .f = f }; }
static inline value value_bool(bool b) { return (value){ .kind = VALUE_BOOL, .i = b }; }

/* names.c */
scope *btl_scope_new(parser *p, scope *outer, int64_t outer_limit);
binding *btl_scope_find(parser *p, const char *name, size_t length);
binding *btl_scope_find_here(const scope *s, const char *name, size_t length);
/* Binds a name that is not yet bound; otherwise reports it. */
bool btl_scope_bind(parser *p, uint32_t token, const char *name, value v);
/* Binds it again or anew, silently. */
void btl_scope_bind_quietly(parser *p, const char *name, value v, int line);
/* The value of the name at a token; reports an unknown one with the nearest known one. */
value btl_name_value(parser *p, uint32_t token);
void btl_name_unknown(parser *p, uint32_t token, const char *name, size_t length);
/* A word of the notation, which no op can be named. */
bool btl_name_is_builtin(const char *name);

/* parse_type.c */
bool btl_parse_type_at(parser *p, btl_type *out);
/* The name stands for this size here: a number, a size bound to a name, a symbol. */
const btl_dim *btl_type_named_size(parser *p, uint32_t token);

/* values.c */
bool btl_value_is_size(const value *v);
const btl_dim *btl_value_dim(parser *p, const value *v);
value btl_value_of_dim(const btl_dim *d);
const char *btl_value_text(parser *p, const value *v);    /* "a text", "the number 3": for messages */
/* v as a variable; NULL (reported, if it is not poison) where it cannot be one. */
btl_var *btl_value_to_var(parser *p, const value *v);
/* v as a variable of that dtype, if it is weak; otherwise as btl_value_to_var. */
btl_var *btl_value_to_dtype(parser *p, const value *v, btl_dtype dtype);
/* A list as an array of that type (of its own where NULL). */
btl_var *btl_value_list_to_var(parser *p, const value *list, const btl_type *type);
value btl_value_literal(parser *p, uint32_t token, bool negative);
const char *btl_value_string(parser *p, uint32_t token);
/* Computes with literals and sizes; false: must be done by the graph. */
bool btl_value_fold_binary(parser *p, btl_token_kind op, const value *a, const value *b, value *out);
bool btl_value_fold_unary(parser *p, btl_token_kind op, const value *a, value *out);
value btl_value_cast(parser *p, const value *v, btl_dtype dtype);

/* parse_expr.c */
value btl_parse_expr(parser *p);
value btl_parse_list_items(parser *p, btl_token_kind close, const char *what);

/* parse_call.c */
value btl_parse_call(parser *p, uint32_t callee, uint32_t callee_end, const value *fn, bool has_fn);
value btl_parse_fn_literal(parser *p);
bool btl_call_is_later(const char *name); /* a function that is not there yet */
value btl_call_op(parser *p, const btl_op *op, uint32_t first, uint32_t last, int n, const value *operands);
/* Reads the parameters of a fn: (A, B: f32). */
bool btl_parse_fn_params(parser *p, value_fn *fn);
value btl_fn_expand(parser *p, value_fn *fn, int n, const value *args, uint32_t call);
void btl_fn_check(parser *p, value_fn *fn);
const btl_body *btl_fn_to_body(parser *p, value_fn *fn, uint32_t token);

/* settings.c */
bool btl_setting_from_value(parser *p, const btl_op *op, const btl_param_spec *spec, const value *v, btl_param *out);
bool btl_setting_fallback(parser *p, const btl_op *op, const btl_param_spec *spec, btl_param *out);
/* The default without a program; false: there is none, or what the op gives is none. Only under protection. */
bool btl_setting_default(btl_graph *g, const btl_param_spec *spec, btl_param *out);
const char *btl_setting_kind_text(btl_param_kind kind); /* "an integer" */

/* parse_index.c */
value btl_parse_index(parser *p, const value *base, uint32_t bracket);
/* What stands between the brackets, and the one that closes them; first..last: the place. */
value btl_parse_index_items(parser *p, const value *base, uint32_t first, uint32_t last, btl_token_kind close);
struct value_part { btl_var *base; int n; const struct btl_index_arg *items; };

/* parse_stmt.c */
void btl_parse_program(parser *p);
/* Reads a type and holds v against it; false (reported) where it does not fit. A weak v becomes a
 * variable of that type. */
bool btl_parse_assertion(parser *p, const char *name, value *v);
/* The lines of a fn's block up to its `return`. */
value btl_parse_fn_block(parser *p);
void btl_parse_skip_line(parser *p);

#endif
