/* parse_type.c - types: DTYPE[DIM, …], a DIM being a number, a name, an expression of those, or `?`.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/parse.h"

#include <string.h>

static const btl_dim *type_sum(parser *p);

const btl_dim *type_named_size(parser *p, uint32_t token) {
    size_t length;
    const char *s = parse_token_text(p, token, &length);
    binding *b = scope_find(p, s, length);
    if (b && b->value.kind == VALUE_INT) return btl_dim_const(p->g, b->value.i);
    if (b && b->value.kind == VALUE_DIM) return b->value.dim;
    if (b && b->value.kind == VALUE_POISON) {
        p->panic = true; /* reported where it was bound */
        return NULL;
    }
    if (b) {
        parse_fail(p, token, BTL_ENAME, "a size is a number, a name of its own, or an integer const",
                   "%.*s is not a size: it is %s", (int)length, s, value_text(p, &b->value));
        p->panic = true;
        return NULL;
    }
    const char *name = parse_name_at(p, token);
    if (btl_word_is_reserved(s, length)) {
        parse_fail(p, token, BTL_ENAME, NULL, "%s is a word of the notation, not a size", name);
        p->panic = true;
        return NULL;
    }
    const btl_dim *d = btl_dim_symbol(p->g, name);
    if (p->new_sizes) {
        scope_bind_quietly(p, name, (value){ .kind = VALUE_DIM, .dim = d }, parse_line_of(p, token));
        scope_find_here(p->scope, s, length)->is_size = true;
    }
    return d;
}

static const btl_dim *type_two(parser *p, bool is_min) {
    if (!parse_expect(p, TOKEN_LPAREN, is_min ? "behind min" : "behind max")) return NULL;
    const btl_dim *a = type_sum(p);
    if (!a || !parse_expect(p, TOKEN_COMMA, "between two sizes")) return NULL;
    const btl_dim *b = type_sum(p);
    if (!b || !parse_expect(p, TOKEN_RPAREN, "behind two sizes")) return NULL;
    return is_min ? btl_dim_min(p->g, a, b) : btl_dim_max(p->g, a, b);
}

static const btl_dim *type_atom(parser *p) {
    uint32_t token = p->pos;
    if (parse_accept(p, TOKEN_INTEGER)) {
        value v = value_literal(p, token, false);
        if (v.kind == VALUE_INT) return btl_dim_const(p->g, v.i);
        if (v.kind != VALUE_POISON) parse_fail(p, token, BTL_ESHAPE, NULL, "a size is an integer without a type behind it, less than 2^63");
        p->panic = true;
        return NULL;
    }
    if (parse_accept(p, TOKEN_LPAREN)) {
        const btl_dim *d = type_sum(p);
        return d && parse_expect(p, TOKEN_RPAREN, "behind the size") ? d : NULL;
    }
    bool is_min = parse_is_word(p, token, "min"), is_max = parse_is_word(p, token, "max");
    if ((is_min || is_max) && parse_kind_at(p, 1) == TOKEN_LPAREN) {
        p->pos++;
        return type_two(p, is_min);
    }
    if (parse_accept(p, TOKEN_NAME)) return type_named_size(p, token);
    parse_fail_syntax(p, "expected a size (a number, a name, an expression of those, or ?)");
    return NULL;
}

static const btl_dim *type_unary(parser *p) {
    if (!parse_accept(p, TOKEN_MINUS)) return type_atom(p);
    const btl_dim *d = type_atom(p);
    return d ? btl_dim_sub(p->g, btl_dim_const(p->g, 0), d) : NULL;
}

static const btl_dim *type_term(parser *p) {
    const btl_dim *a = type_unary(p);
    for (btl_token_kind kind; a && ((kind = parse_kind(p)) == TOKEN_STAR || kind == TOKEN_FLOORDIV || kind == TOKEN_PERCENT);) {
        p->pos++;
        const btl_dim *b = type_unary(p);
        if (!b) return NULL;
        a = kind == TOKEN_STAR ? btl_dim_mul(p->g, a, b)
          : kind == TOKEN_FLOORDIV ? btl_dim_floordiv(p->g, a, b) : btl_dim_mod(p->g, a, b);
    }
    return a;
}

static const btl_dim *type_sum(parser *p) {
    const btl_dim *a = parse_enter(p) ? type_term(p) : NULL;
    for (btl_token_kind kind; a && ((kind = parse_kind(p)) == TOKEN_PLUS || kind == TOKEN_MINUS);) {
        p->pos++;
        const btl_dim *b = type_term(p);
        a = !b ? NULL : kind == TOKEN_PLUS ? btl_dim_add(p->g, a, b) : btl_dim_sub(p->g, a, b);
    }
    parse_leave(p);
    return a;
}

/* `?` or `?<=BOUND`; in an assertion it says nothing, which NULL stands for. */
static bool type_unknown(parser *p, const btl_dim **out) {
    const btl_dim *bound = NULL;
    if (parse_accept(p, TOKEN_LESS_EQUAL) && !(bound = type_sum(p))) return false;
    *out = p->is_assertion ? NULL : btl_dim_unknown(p->g, bound, false);
    return true;
}

static bool type_size(parser *p, const btl_dim **out) {
    if (parse_accept(p, TOKEN_QUESTION)) return type_unknown(p, out);
    uint32_t first = p->pos;
    *out = type_sum(p);
    int64_t n;
    if (!*out) return false;
    if (btl_dim_is_const(*out, &n) ? n < 0 : (*out)->hi < 0) {
        parse_fail(p, first, BTL_ESHAPE, NULL, "a size is at least 0");
        p->panic = true;
        return false;
    }
    return true;
}

static bool type_dtype(parser *p, btl_dtype *dtype) {
    size_t length;
    const char *s = parse_token_text(p, p->pos, &length);
    bool is_name = parse_kind(p) == TOKEN_NAME;
    if (is_name && btl_dtype_find(s, length, dtype)) {
        p->pos++;
        return true;
    }
    if (is_name && (parse_is_word(p, p->pos, "c64") || parse_is_word(p, p->pos, "c128"))) {
        parse_fail(p, p->pos, BTL_EUNSUPPORTED, NULL, "%.*s: complex numbers are not there yet", (int)length, s);
        p->panic = true;
    } else if (is_name && !p->panic) {
        parse_fail(p, p->pos, BTL_EDTYPE, "bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64", "unknown element type %.*s",
                   (int)(length > 100 ? 100 : length), s);
        p->panic = true;
    } else {
        parse_fail_syntax(p, "expected a type such as f32[n, 3]");
    }
    return false;
}

bool parse_type(parser *p, btl_type *out) {
    uint32_t first = p->pos;
    const btl_dim *dims[BTL_MAX_RANK];
    btl_dtype dtype;
    int rank = 0;
    if (!type_dtype(p, &dtype)) return false;
    if (parse_accept(p, TOKEN_LBRACKET)) {
        do {
            if (rank == BTL_MAX_RANK) {
                parse_fail(p, first, BTL_ESHAPE, NULL, "a type with more than %d dimensions", BTL_MAX_RANK);
                p->panic = true;
                return false;
            }
            if (!type_size(p, &dims[rank])) return false;
            rank++;
        } while (parse_accept(p, TOKEN_COMMA) && parse_kind(p) != TOKEN_RBRACKET);
        if (!parse_expect(p, TOKEN_RBRACKET, "behind the sizes")) return false;
    }
    *out = btl_type_make(p->g, dtype, rank, dims);
    return true;
}
