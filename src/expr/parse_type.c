/* parse_type.c - types: DTYPE[DIM, …], a DIM being a number, a name, an expression of those, or `?`.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/parse.h"

#include <string.h>

static const btl_dim *type_sum(parser *p);

const btl_dim *btl_type_named_size(parser *p, uint32_t token) {
    size_t length;
    const char *s = parse_token_text(p, token, &length);
    binding *b = btl_scope_find(p, s, length);
    if (b && b->value.kind == VALUE_INT) return btl_dim_const(p->g, b->value.i);
    if (b && b->value.kind == VALUE_DIM) return b->value.dim;
    if (b && b->value.kind == VALUE_POISON) {
        p->panic = true; /* reported where it was bound */
        return NULL;
    }
    if (b) {
        btl_parse_fail(p, token, BTL_ENAME, "a size is a number, a name of its own, or an integer const",
                   "%.*s is not a size: it is %s", (int)length, s, btl_value_text(p, &b->value));
        p->panic = true;
        return NULL;
    }
    const char *name = btl_parse_name_at(p, token);
    if (btl_word_is_reserved(s, length)) {
        btl_parse_fail(p, token, BTL_ENAME, NULL, "%s is a word of the notation, not a size", name);
        p->panic = true;
        return NULL;
    }
    const btl_dim *d = btl_dim_symbol(p->g, name);
    if (p->new_sizes) {
        btl_scope_bind_quietly(p, name, (value){ .kind = VALUE_DIM, .dim = d }, btl_parse_line_of(p, token));
        btl_scope_find_here(p->scope, s, length)->is_size = true;
    }
    return d;
}

static const btl_dim *type_two(parser *p, bool is_min) {
    if (!btl_parse_expect(p, TOKEN_LPAREN, is_min ? "behind min" : "behind max")) return NULL;
    const btl_dim *a = type_sum(p);
    if (!a || !btl_parse_expect(p, TOKEN_COMMA, "between two sizes")) return NULL;
    const btl_dim *b = type_sum(p);
    if (!b || !btl_parse_expect(p, TOKEN_RPAREN, "behind two sizes")) return NULL;
    return is_min ? btl_dim_min(p->g, a, b) : btl_dim_max(p->g, a, b);
}

static const btl_dim *type_atom(parser *p) {
    uint32_t token = p->pos;
    if (btl_parse_accept(p, TOKEN_INTEGER)) {
        value v = btl_value_literal(p, token, false);
        if (v.kind == VALUE_INT) return btl_dim_const(p->g, v.i);
        if (v.kind != VALUE_POISON) btl_parse_fail(p, token, BTL_ESHAPE, NULL, "a size is an integer without a type behind it, less than 2^63");
        p->panic = true;
        return NULL;
    }
    if (btl_parse_accept(p, TOKEN_LPAREN)) {
        const btl_dim *d = type_sum(p);
        return d && btl_parse_expect(p, TOKEN_RPAREN, "behind the size") ? d : NULL;
    }
    bool is_min = btl_parse_is_word(p, token, "min"), is_max = btl_parse_is_word(p, token, "max");
    if ((is_min || is_max) && parse_kind_at(p, 1) == TOKEN_LPAREN) {
        p->pos++;
        return type_two(p, is_min);
    }
    if (btl_parse_accept(p, TOKEN_NAME)) return btl_type_named_size(p, token);
    btl_parse_fail_syntax(p, "expected a size (a number, a name, an expression of those, or ?)");
    return NULL;
}

static const btl_dim *type_unary(parser *p) {
    if (!btl_parse_accept(p, TOKEN_MINUS)) return type_atom(p);
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
    const btl_dim *a = btl_parse_enter(p) ? type_term(p) : NULL;
    for (btl_token_kind kind; a && ((kind = parse_kind(p)) == TOKEN_PLUS || kind == TOKEN_MINUS);) {
        p->pos++;
        const btl_dim *b = type_term(p);
        a = !b ? NULL : kind == TOKEN_PLUS ? btl_dim_add(p->g, a, b) : btl_dim_sub(p->g, a, b);
    }
    btl_parse_leave(p);
    return a;
}

/* `?` or `?<=BOUND`; in an assertion it says nothing, which NULL stands for. */
static bool type_unknown(parser *p, const btl_dim **out) {
    const btl_dim *bound = NULL;
    if (btl_parse_accept(p, TOKEN_LESS_EQUAL) && !(bound = type_sum(p))) return false;
    *out = p->is_assertion ? NULL : btl_dim_unknown(p->g, bound, false);
    return true;
}

static bool type_size(parser *p, const btl_dim **out) {
    if (btl_parse_accept(p, TOKEN_QUESTION)) return type_unknown(p, out);
    uint32_t first = p->pos;
    *out = type_sum(p);
    int64_t n;
    if (!*out) return false;
    if (btl_dim_is_const(*out, &n) ? n < 0 : (*out)->hi < 0) {
        btl_parse_fail(p, first, BTL_ESHAPE, NULL, "a size is at least 0");
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
    if (is_name && (btl_parse_is_word(p, p->pos, "c64") || btl_parse_is_word(p, p->pos, "c128"))) {
        btl_parse_fail(p, p->pos, BTL_EUNSUPPORTED, NULL, "%.*s: complex numbers are not there yet", (int)length, s);
        p->panic = true;
    } else if (is_name && !p->panic) {
        btl_parse_fail(p, p->pos, BTL_EDTYPE, "bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64", "unknown element type %.*s",
                   (int)(length > 100 ? 100 : length), s);
        p->panic = true;
    } else {
        btl_parse_fail_syntax(p, "expected a type such as f32[n, 3]");
    }
    return false;
}

bool btl_parse_type_at(parser *p, btl_type *out) {
    uint32_t first = p->pos;
    const btl_dim *dims[BTL_MAX_RANK];
    btl_dtype dtype;
    int rank = 0;
    if (!type_dtype(p, &dtype)) return false;
    if (btl_parse_accept(p, TOKEN_LBRACKET)) {
        do {
            if (rank == BTL_MAX_RANK) {
                btl_parse_fail(p, first, BTL_ESHAPE, NULL, "a type with more than %d dimensions", BTL_MAX_RANK);
                p->panic = true;
                return false;
            }
            if (!type_size(p, &dims[rank])) return false;
            rank++;
        } while (btl_parse_accept(p, TOKEN_COMMA) && parse_kind(p) != TOKEN_RBRACKET);
        if (!btl_parse_expect(p, TOKEN_RBRACKET, "behind the sizes")) return false;
    }
    *out = btl_type_make(p->g, dtype, rank, dims);
    return true;
}
