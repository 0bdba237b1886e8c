/* parse_expr.c - expressions: Python's table of operators. Chains of operators of one level are a
 * loop, so a sum of a million terms needs no more stack than one of two.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/parse.h"

#include <math.h>
#include <string.h>

enum { LEVEL_OR = 1, LEVEL_AND, LEVEL_NOT, LEVEL_COMPARE, LEVEL_BIT_OR, LEVEL_BIT_XOR, LEVEL_BIT_AND, LEVEL_SHIFT, LEVEL_SUM, LEVEL_PRODUCT };

/* Operators by their token: how tightly they bind, and the op they mean. */
// clang-format off
static const struct { unsigned char level; const char *op; } expr_operators[TOKEN_NKINDS] = {
    [TOKEN_OR] = { LEVEL_OR, "logical_or" }, [TOKEN_AND] = { LEVEL_AND, "logical_and" },
    [TOKEN_LESS] = { LEVEL_COMPARE, "lt" }, [TOKEN_LESS_EQUAL] = { LEVEL_COMPARE, "le" },
    [TOKEN_GREATER] = { LEVEL_COMPARE, "gt" }, [TOKEN_GREATER_EQUAL] = { LEVEL_COMPARE, "ge" },
    [TOKEN_EQUAL] = { LEVEL_COMPARE, "eq" }, [TOKEN_NOT_EQUAL] = { LEVEL_COMPARE, "ne" },
    [TOKEN_BIT_OR] = { LEVEL_BIT_OR, "bitor" }, [TOKEN_BIT_XOR] = { LEVEL_BIT_XOR, "bitxor" },
    [TOKEN_BIT_AND] = { LEVEL_BIT_AND, "bitand" },
    [TOKEN_SHIFT_LEFT] = { LEVEL_SHIFT, "shl" }, [TOKEN_SHIFT_RIGHT] = { LEVEL_SHIFT, "shr" },
    [TOKEN_PLUS] = { LEVEL_SUM, "add" }, [TOKEN_MINUS] = { LEVEL_SUM, "sub" },
    [TOKEN_STAR] = { LEVEL_PRODUCT, "mul" }, [TOKEN_SLASH] = { LEVEL_PRODUCT, "div" },
    [TOKEN_FLOORDIV] = { LEVEL_PRODUCT, "floordiv" }, [TOKEN_PERCENT] = { LEVEL_PRODUCT, "mod" },
    [TOKEN_AT] = { LEVEL_PRODUCT, "matmul" },
    [TOKEN_POWER] = { 0, "pow" }, [TOKEN_NOT] = { 0, "logical_not" }, [TOKEN_TILDE] = { 0, "invert" },
};
// clang-format on

static value expr_binary(parser *p, int least);
static value expr_unary(parser *p);

/* The op behind an operator, applied; the place is the operator's. */
static value expr_apply(parser *p, const char *name, uint32_t token, int n, const value *operands) {
    const btl_op *op = btl_op_find(name, strlen(name));
    if (!op) {
        btl_parse_fail(p, token, BTL_EUNSUPPORTED, NULL, "%s is not there yet", name);
        return value_poison();
    }
    return btl_call_op(p, op, token, token, n, operands);
}

static value expr_apply_binary(parser *p, uint32_t token, const value *a, const value *b) {
    value out = value_poison();
    btl_token_kind kind = (btl_token_kind)p->t.tokens[token].kind;
    if (a->kind == VALUE_POISON || b->kind == VALUE_POISON) return out;
    if (!btl_value_fold_binary(p, kind, a, b, &out)) {
        value operands[2] = { *a, *b };
        out = expr_apply(p, expr_operators[kind].op, token, 2, operands);
    }
    out.token = a->token;
    return out;
}

static value expr_apply_unary(parser *p, uint32_t token, const value *a) {
    value out = value_poison();
    btl_token_kind kind = (btl_token_kind)p->t.tokens[token].kind;
    if (a->kind == VALUE_POISON) return out;
    if (!btl_value_fold_unary(p, kind, a, &out))
        out = kind == TOKEN_PLUS ? *a : expr_apply(p, kind == TOKEN_MINUS ? "neg" : expr_operators[kind].op, token, 1, a);
    out.token = token;
    out.bare = false;
    return out;
}

/* ---- atoms ------------------------------------------------------------------------------- */

value btl_parse_list_items(parser *p, btl_token_kind close, const char *what) {
    value_list *list = BTL_NEW(p->scratch, value_list);
    int capacity = 0;
    bool poisoned = false; /* a list is no better than its items */
    value out = { .kind = VALUE_LIST, .token = p->pos ? p->pos - 1 : 0, .list = list };
    while (!p->panic && parse_kind(p) != close) {
        value v = btl_parse_expr(p);
        poisoned |= v.kind == VALUE_POISON;
        *BTL_PUSH(p->scratch, list->v, list->n, capacity) = v;
        if (!btl_parse_accept(p, TOKEN_COMMA)) break;
    }
    if (!p->panic) btl_parse_expect(p, close, what);
    return p->panic || poisoned ? value_poison() : out;
}

/* A dotted name of an op, such as random.normal, up to (not including) its bracket; 0 if none. */
static uint32_t expr_dotted(const parser *p) {
    if (parse_kind_at(p, 1) != TOKEN_DOT || parse_kind_at(p, 2) != TOKEN_NAME) return 0;
    const btl_token *a = &p->t.tokens[p->pos], *b = &p->t.tokens[p->pos + 2];
    return btl_op_lookup(p->g->ctx, p->t.text + a->start, b->start + b->length - a->start) ? 3 : 0;
}

static value expr_name(parser *p) {
    uint32_t token = p->pos, dotted = expr_dotted(p);
    if (dotted) {
        p->pos += dotted;
        if (parse_kind(p) == TOKEN_LPAREN) return btl_parse_call(p, token, token + 2, NULL, false);
        btl_parse_fail_syntax(p, "expected '(' behind the name of a function");
        return value_poison();
    }
    p->pos++;
    if (parse_kind(p) == TOKEN_LPAREN) return btl_parse_call(p, token, token, NULL, false);
    return btl_name_value(p, token);
}

static value expr_word(parser *p, value v) {
    v.token = p->pos++;
    return v;
}

static value expr_atom(parser *p) {
    uint32_t token = p->pos;
    value v = value_poison();
    switch (parse_kind(p)) {
    case TOKEN_NAME: return expr_name(p);
    case TOKEN_INTEGER: case TOKEN_FLOAT: p->pos++; return btl_value_literal(p, token, false);
    case TOKEN_TEXT: p->pos++; return (value){ .kind = VALUE_TEXT, .token = token, .text = btl_value_string(p, token) };
    case TOKEN_TRUE: return expr_word(p, value_bool(true));
    case TOKEN_FALSE: return expr_word(p, value_bool(false));
    case TOKEN_INF: return expr_word(p, value_float((double)INFINITY));
    case TOKEN_NAN: return expr_word(p, value_float((double)NAN));
    case TOKEN_NONE: return expr_word(p, (value){ .kind = VALUE_NONE });
    case TOKEN_LPAREN:
        p->pos++;
        v = btl_parse_expr(p);
        btl_parse_expect(p, TOKEN_RPAREN, "to close the bracket");
        v.bare = false;
        return v;
    case TOKEN_LBRACKET:
        p->pos++;
        return btl_parse_list_items(p, TOKEN_RBRACKET, "to close the list");
    case TOKEN_FN: return btl_parse_fn_literal(p);
    default:
        btl_parse_fail_syntax(p, "expected an expression");
        return v;
    }
}

/* ---- x.T, x[…] ---------------------------------------------------------------------------- */

static value expr_shape(parser *p, const btl_type *type) {
    value_list *list = BTL_NEW(p->scratch, value_list);
    list->n = type->rank;
    list->v = BTL_ARRAY(p->scratch, value, type->rank);
    for (int i = 0; i < type->rank; i++) list->v[i] = btl_value_of_dim(type->dims[i]);
    return (value){ .kind = VALUE_LIST, .list = list };
}

static value expr_attribute(parser *p, const value *base) {
    uint32_t token = ++p->pos;
    if (parse_kind(p) != TOKEN_NAME) {
        btl_parse_fail_syntax(p, "expected T, shape, ndim or dtype behind the dot");
        return value_poison();
    }
    p->pos++;
    bool is_t = btl_parse_is_word(p, token, "T"), is_shape = btl_parse_is_word(p, token, "shape");
    bool is_ndim = btl_parse_is_word(p, token, "ndim"), is_dtype = btl_parse_is_word(p, token, "dtype");
    if (!is_t && !is_shape && !is_ndim && !is_dtype) {
        size_t length;
        const char *s = parse_token_text(p, token, &length);
        btl_parse_fail(p, token, BTL_ENAME, "T, shape, ndim and dtype are what a variable has", "unknown attribute %.*s", (int)(length > 100 ? 100 : length), s);
        return value_poison();
    }
    if (base->kind == VALUE_POISON || p->checking) return value_poison();
    if (is_t) return expr_apply(p, "transpose", token, 1, base);
    btl_var *v = btl_value_to_var(p, base);
    value out = !v ? value_poison() : is_shape ? expr_shape(p, &v->type) : is_ndim ? value_int(v->type.rank)
                                    : (value){ .kind = VALUE_DTYPE, .dtype = v->type.dtype };
    out.token = base->token;
    return out;
}

static value expr_postfix(parser *p) {
    value v = expr_atom(p);
    while (!p->panic) {
        uint32_t token = p->pos;
        switch (parse_kind(p)) {
        case TOKEN_DOT: v = expr_attribute(p, &v); break;
        case TOKEN_LBRACKET: v = btl_parse_index(p, &v, token); break;
        case TOKEN_LPAREN: v = btl_parse_call(p, token, token, &v, true); break;
        default: return v;
        }
    }
    return value_poison();
}

/* ---- operators --------------------------------------------------------------------------- */

static value expr_power(parser *p) {
    value base = expr_postfix(p);
    if (p->panic || parse_kind(p) != TOKEN_POWER) return base;
    uint32_t token = p->pos++;
    value exponent = btl_parse_enter(p) ? expr_unary(p) : value_poison();
    btl_parse_leave(p);
    return p->panic ? value_poison() : expr_apply_binary(p, token, &base, &exponent);
}

/* A minus right before a literal belongs to it: -3i64 is a constant, as the printer writes it. */
static bool expr_is_negative_literal(const parser *p) {
    btl_token_kind next = parse_kind_at(p, 1), behind = parse_kind_at(p, 2);
    return parse_kind(p) == TOKEN_MINUS && (next == TOKEN_INTEGER || next == TOKEN_FLOAT) && behind != TOKEN_POWER &&
           behind != TOKEN_DOT && behind != TOKEN_LBRACKET;
}

static value expr_unary(parser *p) {
    btl_token_kind kind = parse_kind(p);
    if (kind != TOKEN_MINUS && kind != TOKEN_PLUS && kind != TOKEN_TILDE) return expr_power(p);
    uint32_t token = p->pos;
    if (expr_is_negative_literal(p)) {
        p->pos += 2;
        value v = btl_value_literal(p, token + 1, true);
        v.token = token;
        return v;
    }
    value v = value_poison();
    if (btl_parse_enter(p)) {
        p->pos++;
        v = expr_unary(p);
    }
    btl_parse_leave(p);
    return p->panic ? value_poison() : expr_apply_unary(p, token, &v);
}

static value expr_not(parser *p) {
    uint32_t token = p->pos++;
    value v = expr_binary(p, LEVEL_NOT);
    return p->panic ? value_poison() : expr_apply_unary(p, token, &v);
}

static void expr_fail_chain(parser *p) {
    btl_parse_fail(p, p->pos, BTL_ESYNTAX, "write a < b and b < c", "comparisons cannot be chained");
    p->panic = true;
}

/* Operators that bind at least as tightly as `least`. */
static value expr_binary(parser *p, int least) {
    if (!btl_parse_enter(p)) {
        btl_parse_leave(p);
        return value_poison();
    }
    value a;
    if (parse_kind(p) != TOKEN_NOT) a = expr_unary(p);
    else if (least <= LEVEL_NOT) a = expr_not(p);
    else {
        btl_parse_fail_syntax(p, "expected an operand (a not here needs brackets around it)");
        a = value_poison();
    }
    bool compared = false;
    for (int level; !p->panic && (level = expr_operators[parse_kind(p)].level) >= least && level;) {
        if (level == LEVEL_COMPARE && compared) {
            expr_fail_chain(p);
            break;
        }
        compared = level == LEVEL_COMPARE;
        uint32_t token = p->pos++;
        value b = expr_binary(p, level + 1);
        a = expr_apply_binary(p, token, &a, &b);
    }
    btl_parse_leave(p);
    return p->panic ? value_poison() : a;
}

/* a if c else b: read, and refused for now. */
static value expr_conditional(parser *p) {
    uint32_t token = p->pos++;
    expr_binary(p, LEVEL_OR);
    if (!p->panic) btl_parse_expect(p, TOKEN_ELSE, "behind the condition");
    if (btl_parse_enter(p) && !p->panic) btl_parse_expr(p);
    btl_parse_leave(p);
    if (!p->panic)
        btl_parse_fail(p, token, BTL_EUNSUPPORTED, "where(c, a, b) computes both and chooses", "a if c else b is not there yet");
    return value_poison();
}

value btl_parse_expr(parser *p) {
    if (p->panic) return value_poison();
    value v = expr_binary(p, LEVEL_OR);
    if (!p->panic && parse_kind(p) == TOKEN_IF) v = expr_conditional(p);
    return p->panic ? value_poison() : v;
}
