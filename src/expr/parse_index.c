/* parse_index.c - x[…]: integers, slices, newaxis, `...`, arrays of integers. Its meaning is in
 * ops/index.c; here it is read. A list, such as x.shape, is indexed here too.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/index.h"
#include "expr/parse.h"

typedef struct index_reader {
    btl_index_arg *items;
    value *values;         /* of the items that are one expression, for lists */
    int n, capacity, value_capacity, nvalues;
    bool poisoned;
} index_reader;

/* A literal, a size, or a variable that says where. */
static bool index_bound(parser *p, index_reader *r, const value *v, btl_index_bound *out) {
    if (v->kind == VALUE_POISON) {
        r->poisoned = true;
        return true;
    }
    if (btl_value_is_size(v)) out->dim = btl_value_dim(p, v);
    else out->var = btl_value_to_var(p, v);
    if (!out->dim && !out->var) r->poisoned = true;
    return true;
}

static bool index_ends(btl_token_kind kind, btl_token_kind close) {
    return kind == TOKEN_COLON || kind == TOKEN_COMMA || kind == close;
}

/* Behind the first bound of a slice: ":STOP:STEP", each of them maybe absent. */
static void index_slice(parser *p, index_reader *r, btl_token_kind close, btl_index_arg *a) {
    a->kind = ARG_SLICE;
    btl_index_bound *bounds[2] = { &a->stop, &a->step };
    for (int i = 0; i < 2 && btl_parse_accept(p, TOKEN_COLON); i++) {
        if (index_ends(parse_kind(p), close)) continue;
        value v = btl_parse_expr(p);
        if (p->panic) return;
        index_bound(p, r, &v, bounds[i]);
    }
}

static void index_item(parser *p, index_reader *r, btl_token_kind close) {
    btl_index_arg a = { .kind = ARG_ELLIPSIS };
    value v = value_poison();
    bool plain = false;
    if (btl_parse_accept(p, TOKEN_ELLIPSIS)) {
        /* as it is */
    } else if (parse_kind(p) == TOKEN_COLON) {
        index_slice(p, r, close, &a);
    } else {
        v = btl_parse_expr(p);
        if (p->panic) return;
        if (parse_kind(p) == TOKEN_COLON) {
            index_bound(p, r, &v, &a.start);
            index_slice(p, r, close, &a);
        } else if (v.kind == VALUE_NEWAXIS || v.kind == VALUE_NONE) {
            a.kind = ARG_NEWAXIS;
        } else {
            index_bound(p, r, &v, &a.start);
            a.kind = a.start.var ? ARG_ARRAY : ARG_INT;
            plain = true;
        }
    }
    *BTL_PUSH(p->scratch, r->items, r->n, r->capacity) = a;
    *BTL_PUSH(p->scratch, r->values, r->nvalues, r->value_capacity) = plain ? v : value_poison();
}

/* x.shape[0], x.shape[1:]: known when the program is read. */
static value index_list(parser *p, const value *list, const index_reader *r, uint32_t token) {
    int n = list->list->n;
    const btl_index_arg *a = &r->items[0];
    int64_t start = 0, stop = n, step = 1;
    bool known = r->n == 1 && !a->start.var && !a->stop.var && !a->step.var && (a->kind == ARG_INT || a->kind == ARG_SLICE);
    if (known && a->start.dim) known = btl_dim_is_const(a->start.dim, &start);
    if (known && a->stop.dim) known = btl_dim_is_const(a->stop.dim, &stop);
    if (known && a->step.dim) known = btl_dim_is_const(a->step.dim, &step) && step == 1;
    if (!known) {
        btl_parse_fail(p, token, BTL_EVALUE, "bind it with a type to make an array of it", "a list is indexed by one number or slice that is known when the program is read");
        return value_poison();
    }
    if (start < 0) start += n;
    if (a->kind == ARG_INT) {
        if (start >= 0 && start < n) return list->list->v[start];
        btl_parse_fail(p, token, BTL_EINDEX, NULL, "index %lld is outside a list of %d", (long long)(start < 0 ? start - n : start), n);
        return value_poison();
    }
    if (stop < 0) stop += n;
    if (start < 0) start = 0;
    if (stop > n) stop = n;
    value_list *part = BTL_NEW(p->scratch, value_list);
    part->n = stop > start ? (int)(stop - start) : 0;
    part->v = list->list->v + (part->n ? start : 0);
    return (value){ .kind = VALUE_LIST, .list = part };
}

static value index_part(parser *p, btl_var *x, const index_reader *r) {
    value_part *part = BTL_NEW(p->scratch, value_part);
    *part = (value_part){ x, r->n, r->items };
    return (value){ .kind = VALUE_PART, .part = part };
}

static value index_apply(parser *p, const value *base, const index_reader *r, uint32_t first, uint32_t last, bool is_part) {
    if (base->kind == VALUE_POISON || r->poisoned || p->checking) return value_poison();
    bool is_array = false; /* a list indexed by arrays is an array itself */
    for (int i = 0; i < r->n; i++) is_array |= r->items[i].kind == ARG_ARRAY;
    if (base->kind == VALUE_LIST && !is_array && !is_part) return index_list(p, base, r, first);
    btl_var *x = btl_value_to_var(p, base);
    if (!x) return value_poison();
    if (is_part) return index_part(p, x, r);
    btl_parse_here_range(p, first, last);
    btl_var *v = btl_index_build(p->g, x, r->n, r->items);
    p->nmistakes += !v;
    return value_var(v);
}

value btl_parse_index_items(parser *p, const value *base, uint32_t first, uint32_t last, btl_token_kind close) {
    index_reader r = { 0 };
    bool is_part = close == TOKEN_RBRACKET && p->part_bracket && first == p->part_bracket;
    if (parse_kind(p) == close) {
        btl_parse_fail_syntax(p, "expected an index");
        return value_poison();
    }
    do index_item(p, &r, close);
    while (!p->panic && btl_parse_accept(p, TOKEN_COMMA) && parse_kind(p) != close);
    if (p->panic || !btl_parse_expect(p, close, "behind the index")) return value_poison();
    value out = index_apply(p, base, &r, first, last, is_part);
    out.token = first;
    out.bare = false;
    return out;
}

value btl_parse_index(parser *p, const value *base, uint32_t bracket) {
    p->pos++;
    value out = btl_parse_index_items(p, base, bracket, bracket, TOKEN_RBRACKET);
    if (p->panic || out.kind == VALUE_POISON) return out;
    out.token = base->token;
    return out;
}
