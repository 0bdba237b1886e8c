/* values.c - literals and sizes: reading them, computing with them, making variables of them. A
 * literal is weak: it becomes a variable only where it meets one.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/parse.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- saying what a value is -------------------------------------------------------------- */

const char *btl_value_text(parser *p, const value *v) {
    btl_text t;
    switch (v->kind) {
    case VALUE_VAR: return btl_arena_printf(p->scratch, "a variable (%s)", btl_type_text(p->g, &v->var->type));
    case VALUE_INT: return btl_arena_printf(p->scratch, "the number %lld", (long long)v->i);
    case VALUE_BIG: return btl_arena_printf(p->scratch, "the number %llu", (unsigned long long)v->u);
    case VALUE_FLOAT:
        btl_text_init(&t, p->scratch);
        btl_text_add(&t, "the number ");
        btl_text_add_double(&t, v->f);
        return t.data;
    case VALUE_BOOL: return v->i ? "true" : "false";
    case VALUE_DIM:
        btl_text_init(&t, p->scratch);
        btl_text_add(&t, "the size ");
        btl_dim_print(&t, p->g, v->dim);
        return t.data;
    case VALUE_LIST: return btl_arena_printf(p->scratch, "a list of %d", v->list->n);
    case VALUE_TEXT: return "a text";
    case VALUE_DTYPE: return btl_arena_printf(p->scratch, "the type %s", btl_dtype_name(v->dtype));
    case VALUE_NONE: return "none";
    case VALUE_NEWAXIS: return "newaxis";
    case VALUE_FN: return "a fn";
    case VALUE_PART: return "a part to be replaced";
    default: return "nothing";
    }
}

/* ---- literals ---------------------------------------------------------------------------- */

/* strtod follows the locale's decimal point, the notation does not. */
static double value_strtod(const char *s) {
    char *end;
    double x = strtod(s, &end);
    if (*end != '.') return x;
    char again[512];
    const char *point = localeconv()->decimal_point;
    size_t head = (size_t)(end - s), n = strlen(point), tail = strlen(end + 1);
    if (head + n + tail >= sizeof again) return x;
    memcpy(again, s, head);
    memcpy(again + head, point, n);
    memcpy(again + head + n, end + 1, tail + 1);
    return strtod(again, NULL);
}

/* Digits and what stands behind them: "1.5" and "f32". */
static size_t value_digits(const char *s, size_t length, bool hex) {
    size_t i = hex ? 2 : 0;
    for (; i < length; i++) {
        char c = s[i];
        bool digit = (c >= '0' && c <= '9') || (hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')));
        bool exponent = !hex && (c == 'e' || c == 'E') && i + 1 < length &&
                        ((s[i + 1] >= '0' && s[i + 1] <= '9') || s[i + 1] == '+' || s[i + 1] == '-');
        bool sign = !hex && i > 0 && (c == '+' || c == '-') && (s[i - 1] == 'e' || s[i - 1] == 'E');
        if (!digit && !exponent && !sign && (hex || c != '.')) break;
    }
    return i;
}

static bool value_int_fits(btl_dtype dtype, bool negative, uint64_t magnitude) {
    unsigned bits = (unsigned)btl_dtype_bytes(dtype) * 8;
    switch (btl_dtype_kind(dtype)) {
    case 'u': return (!negative || magnitude == 0) && (bits == 64 || magnitude >> bits == 0);
    case 'i': return magnitude <= ((uint64_t)1 << (bits - 1)) - (negative ? 0 : 1);
    default: return true;
    }
}

/* A 0-d constant of an integer dtype, exact. */
static value value_typed_int(parser *p, uint32_t token, btl_dtype dtype, bool negative, uint64_t magnitude) {
    if (btl_dtype_kind(dtype) == 'b') {
        btl_parse_fail(p, token, BTL_EDTYPE, "true and false are the values of bool", "a number cannot be a bool");
        return value_poison();
    }
    if (btl_dtype_kind(dtype) == 'f') {
        double f = (double)magnitude;
        return value_var(btl_graph_scalar(p->g, dtype, negative ? -f : f));
    }
    if (!value_int_fits(dtype, negative, magnitude)) {
        btl_parse_fail(p, token, BTL_EVALUE, NULL, "%s%llu does not fit %s", negative ? "-" : "", (unsigned long long)magnitude, btl_dtype_name(dtype));
        return value_poison();
    }
    uint64_t bits = negative ? -magnitude : magnitude;
    if (dtype != BTL_U64) return value_var(btl_graph_int(p->g, dtype, (int64_t)bits));
    btl_array a = btl_array_wrap(BTL_U64, 0, NULL, &bits); /* beyond int64 */
    return value_var(btl_graph_constant(p->g, &a));
}

static value value_plain_int(uint64_t magnitude, bool negative) {
    if (negative && magnitude <= (uint64_t)1 << 63) return value_int((int64_t)-magnitude);
    if (!negative && magnitude <= INT64_MAX) return value_int((int64_t)magnitude);
    return (value){ .kind = VALUE_BIG, .u = magnitude };
}

value btl_value_literal(parser *p, uint32_t token, bool negative) {
    size_t length;
    const char *s = parse_token_text(p, token, &length);
    bool hex = length > 1 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    size_t n = value_digits(s, length, hex);
    btl_dtype dtype = BTL_F64;
    bool typed = n < length;
    if ((typed && !btl_dtype_find(s + n, length - n, &dtype)) || n > 400 || (hex && n == 2)) {
        btl_parse_fail(p, token, BTL_ESYNTAX, "the type of a literal stands right behind it: 1.5f32, 3i64", "%.*s is not a number",
                   (int)(length > 100 ? 100 : length), s);
        return value_poison();
    }
    char digits[404];
    memcpy(digits, s, n);
    digits[n] = 0;
    value v = value_poison();
    if (p->t.tokens[token].kind == TOKEN_FLOAT) {
        double f = value_strtod(digits);
        if (negative) f = -f;
        if (typed && btl_dtype_kind(dtype) != 'f') btl_parse_fail(p, token, BTL_EDTYPE, NULL, "%s is not of the type %s", digits, btl_dtype_name(dtype));
        else v = typed ? value_var(btl_graph_scalar(p->g, dtype, f)) : value_float(f);
    } else {
        errno = 0;
        uint64_t magnitude = strtoull(digits, NULL, hex ? 16 : 10);
        if (errno == ERANGE) btl_parse_fail(p, token, BTL_EVALUE, "write it as a float: 1e30", "%s does not fit 64 bits", digits);
        else v = typed ? value_typed_int(p, token, dtype, negative, magnitude) : value_plain_int(magnitude, negative);
    }
    v.token = token;
    return v;
}

static int value_hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

const char *btl_value_string(parser *p, uint32_t token) {
    size_t length, n = 0;
    const char *s = parse_token_text(p, token, &length) + 1;
    char *out = btl_arena_alloc(&p->g->arena, length);
    for (const char *end = s + length - 2; s < end; s++) {
        char c = *s;
        if (c == '\\') {
            c = *++s;
            if (c == 'n') c = '\n';
            else if (c == 't') c = '\t';
            else if (c == 'x' && end - s > 2 && value_hex_digit(s[1]) >= 0 && value_hex_digit(s[2]) >= 0) {
                c = (char)(value_hex_digit(s[1]) * 16 + value_hex_digit(s[2]));
                s += 2;
                if (c <= 0) btl_parse_fail(p, token, BTL_ESYNTAX, NULL, "\\x goes from 01 to 7f");
            } else if (c != '"' && c != '\\') {
                btl_parse_fail(p, token, BTL_ESYNTAX, "known are \\n \\t \\\" \\\\ and \\xHH", "unknown escape \\%c", c > 32 && c < 127 ? c : '?');
            }
        }
        out[n++] = c;
    }
    out[n] = 0;
    return out;
}

/* ---- sizes ------------------------------------------------------------------------------- */

bool btl_value_is_size(const value *v) { return v->kind == VALUE_INT || v->kind == VALUE_DIM; }

const btl_dim *btl_value_dim(parser *p, const value *v) {
    return v->kind == VALUE_DIM ? v->dim : btl_dim_const(p->g, v->i);
}

value btl_value_of_dim(const btl_dim *d) {
    int64_t n;
    return btl_dim_is_const(d, &n) ? value_int(n) : (value){ .kind = VALUE_DIM, .dim = d };
}

/* ---- variables --------------------------------------------------------------------------- */

/* The literal as an element of that dtype; false where it has no such value. */
static bool value_store(const value *v, btl_dtype dtype, void *to) {
    char kind = btl_dtype_kind(dtype);
    double f = v->kind == VALUE_FLOAT ? v->f : v->kind == VALUE_BIG ? (double)v->u : (double)v->i;
    btl_array out = btl_array_wrap(dtype, 0, NULL, to), in = btl_array_wrap(BTL_F64, 0, NULL, &f);
    uint64_t bits = v->kind == VALUE_BIG ? v->u : (uint64_t)v->i;
    btl_array integer = btl_array_wrap(v->kind == VALUE_BIG ? BTL_U64 : BTL_I64, 0, NULL, &bits);
    bool negative = v->kind == VALUE_INT && v->i < 0, is_integer = v->kind == VALUE_INT || v->kind == VALUE_BIG;
    if (kind == 'b') {
        if (v->kind != VALUE_BOOL) return false;
        *(unsigned char *)to = v->i != 0;
        return true;
    }
    if (kind == 'f') return (is_integer || v->kind == VALUE_FLOAT) && btl_array_convert(&out, &in) == BTL_OK;
    if (!is_integer || !value_int_fits(dtype, negative, negative ? -bits : bits)) return false;
    return btl_array_convert(&out, &integer) == BTL_OK;
}

static bool value_is_literal(const value *v) {
    return v->kind == VALUE_INT || v->kind == VALUE_FLOAT || v->kind == VALUE_BOOL || v->kind == VALUE_BIG;
}

btl_var *btl_value_to_var(parser *p, const value *v) {
    btl_graph *g = p->g;
    switch (v->kind) {
    case VALUE_POISON: return NULL;
    case VALUE_VAR: return v->var;
    case VALUE_INT: return btl_graph_weak_int(g, v->i);
    case VALUE_FLOAT: return btl_graph_weak_float(g, v->f);
    case VALUE_BOOL: return btl_graph_weak_bool(g, v->i != 0);
    case VALUE_DIM: return btl_graph_size(g, v->dim);
    case VALUE_LIST: return btl_value_list_to_var(p, v, NULL);
    case VALUE_BIG:
        btl_parse_fail(p, v->token, BTL_EVALUE, "write its type behind it: 18446744073709551615u64", "%llu does not fit i64", (unsigned long long)v->u);
        return NULL;
    default:
        btl_parse_fail(p, v->token, BTL_EVALUE, v->kind == VALUE_FN ? "call it" : NULL, "a variable is needed here, not %s", btl_value_text(p, v));
        return NULL;
    }
}

btl_var *btl_value_to_dtype(parser *p, const value *v, btl_dtype dtype) {
    if (value_is_literal(v)) {
        char element[16] = { 0 };
        if (v->kind == VALUE_BOOL && dtype != BTL_BOOL) return btl_value_to_var(p, v);
        if (!value_store(v, dtype, element)) {
            btl_parse_fail(p, v->token, BTL_EDTYPE, NULL, "%s is not of the type %s", btl_value_text(p, v), btl_dtype_name(dtype));
            return NULL;
        }
        btl_array a = btl_array_wrap(dtype, 0, NULL, element);
        return btl_graph_constant(p->g, &a);
    }
    btl_var *var = btl_value_to_var(p, v);
    if (!var || !var->weak || var->type.dtype == dtype) return var;
    char have = btl_dtype_kind(var->type.dtype), want = btl_dtype_kind(dtype);
    if (have == 'b' || want == 'b' || (have == 'f' && want != 'f')) return var;
    value out = btl_value_cast(p, &(value){ .kind = VALUE_VAR, .var = var }, dtype);
    return out.kind == VALUE_VAR ? out.var : NULL;
}

value btl_value_cast(parser *p, const value *v, btl_dtype dtype) {
    char element[16] = { 0 };
    if (v->kind == VALUE_POISON) return *v;
    if (value_is_literal(v) && value_store(v, dtype, element)) {
        btl_array a = btl_array_wrap(dtype, 0, NULL, element);
        return value_var(btl_graph_constant(p->g, &a));
    }
    if (v->kind == VALUE_INT && btl_dtype_kind(dtype) != 'b') {
        btl_parse_fail(p, v->token, BTL_EVALUE, NULL, "%lld does not fit %s", (long long)v->i, btl_dtype_name(dtype));
        return value_poison();
    }
    btl_var *var = btl_value_to_var(p, v);
    btl_param param = { .i = dtype };
    return value_var(btl_build(p->g, &btl_op_cast, 1, &var, &param, NULL));
}

/* ---- lists as arrays --------------------------------------------------------------------- */

typedef struct list_shape {
    int rank;
    int64_t dims[BTL_MAX_RANK];
    bool has_var, has_float, has_int, has_bool, has_big, ragged, poisoned;
    int64_t left;         /* elements that may still come: lists of lists bound to names multiply */
    const value *odd;     /* what cannot be in an array */
} list_shape;

static void list_measure(const value *v, int depth, list_shape *s) {
    if (s->left-- <= 0 || s->ragged) return;
    if (v->kind == VALUE_LIST) {
        if (depth == BTL_MAX_RANK || (s->rank >= 0 && depth >= s->rank)) {
            s->ragged = true;
            return;
        }
        if (s->dims[depth] < 0) s->dims[depth] = v->list->n;
        else if (s->dims[depth] != v->list->n) s->ragged = true;
        for (int i = 0; i < v->list->n; i++) list_measure(&v->list->v[i], depth + 1, s);
        if (v->list->n == 0 && s->rank < 0) s->rank = depth + 1;
        return;
    }
    if (s->rank < 0) s->rank = depth;
    else if (s->rank != depth) s->ragged = true;
    switch (v->kind) {
    case VALUE_INT: s->has_int = true; break;
    case VALUE_BIG: s->has_big = true; break;
    case VALUE_FLOAT: s->has_float = true; break;
    case VALUE_BOOL: s->has_bool = true; break;
    case VALUE_VAR: case VALUE_DIM: s->has_var = true; break;
    case VALUE_POISON: s->poisoned = true; break;
    default: s->odd = v;
    }
}

static bool list_store(const value *v, btl_dtype dtype, char **to, const value **bad) {
    if (v->kind == VALUE_LIST) {
        for (int i = 0; i < v->list->n; i++)
            if (!list_store(&v->list->v[i], dtype, to, bad)) return false;
        return true;
    }
    *bad = v;
    if (!value_store(v, dtype, *to)) return false;
    *to += btl_dtype_bytes(dtype);
    return true;
}

static btl_var *list_constant(parser *p, const value *list, list_shape *s, btl_dtype dtype, bool weak) {
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= s->dims[i]; /* cannot overflow: each element was written down */
    char *data = btl_arena_zalloc(p->scratch, (size_t)n * btl_dtype_bytes(dtype) + 1), *to = data;
    const value *bad = NULL;
    if (!list_store(list, dtype, &to, &bad)) {
        btl_parse_fail(p, bad->token, BTL_EDTYPE, NULL, "%s is not of the type %s", btl_value_text(p, bad), btl_dtype_name(dtype));
        return NULL;
    }
    btl_array a = btl_array_wrap(dtype, s->rank, s->dims, data);
    btl_var *v = btl_graph_constant(p->g, &a);
    if (v && weak && !p->g->intern) v->weak = true;
    return v;
}

/* The common dtype of the variables in a list: what its literals become. */
static void list_dtype(const value *v, bool *found, btl_dtype *dtype) {
    if (v->kind == VALUE_LIST)
        for (int i = 0; i < v->list->n; i++) list_dtype(&v->list->v[i], found, dtype);
    if (v->kind != VALUE_VAR || v->var->weak) return;
    *dtype = *found ? btl_dtype_promote(*dtype, v->var->type.dtype) : v->var->type.dtype;
    *found = true;
}

/* A literal in a list takes the variables' dtype unless it is a float among integers. */
static btl_var *list_element(parser *p, const value *v, bool found, btl_dtype dtype) {
    bool fits = found && (v->kind == VALUE_VAR || v->kind == VALUE_DIM || v->kind == VALUE_INT || btl_dtype_kind(dtype) == 'f');
    return fits ? btl_value_to_dtype(p, v, dtype) : btl_value_to_var(p, v);
}

/* A list with variables in it: its rows stacked. */
static btl_var *list_stack(parser *p, const value *list, bool found, btl_dtype dtype) {
    const btl_op *stack = btl_op_find("stack", 5);
    int n = list->list->n;
    value *rows = BTL_ARRAY(p->scratch, value, n);
    for (int i = 0; i < n; i++) {
        const value *v = &list->list->v[i];
        btl_var *row = v->kind == VALUE_LIST ? list_stack(p, v, found, dtype) : list_element(p, v, found, dtype);
        if (!row) return NULL;
        rows[i] = (value){ .kind = VALUE_VAR, .var = row, .token = v->token };
    }
    if (!stack) {
        btl_parse_fail(p, list->token, BTL_EUNSUPPORTED, NULL, "a list of variables as an array is not there yet");
        return NULL;
    }
    value out = btl_call_op(p, stack, list->token, list->token, n, rows);
    return out.kind == VALUE_VAR ? out.var : NULL;
}

/* An array without elements says nothing of its shape: the type does. */
static bool list_take_empty_shape(list_shape *s, const btl_type *type) {
    int64_t n = 1, size;
    for (int i = 0; i < s->rank; i++) n *= s->dims[i];
    if (n != 0 || !type) return false;
    for (int i = 0; i < type->rank; i++)
        if (!type->dims[i] || !btl_dim_is_const(type->dims[i], &size)) return false;
        else n += size == 0;
    if (n == 0) return false;
    s->rank = type->rank;
    for (int i = 0; i < type->rank; i++) btl_dim_is_const(type->dims[i], &s->dims[i]);
    return true;
}

btl_var *btl_value_list_to_var(parser *p, const value *list, const btl_type *type) {
    if (list->list->var && !type) return list->list->var;
    list_shape s = { .rank = -1, .left = p->t.ntokens > PARSE_LARGEST_LITERAL ? p->t.ntokens : PARSE_LARGEST_LITERAL };
    for (int i = 0; i < BTL_MAX_RANK; i++) s.dims[i] = -1;
    list_measure(list, 0, &s);
    if (s.poisoned || p->checking) return NULL;
    if (s.left <= 0) {
        btl_parse_fail(p, list->token, BTL_EVALUE, NULL, "a list that is too long for an array");
        return NULL;
    }
    if (s.odd) {
        btl_parse_fail(p, s.odd->token, BTL_EVALUE, NULL, "%s cannot be an element of an array", btl_value_text(p, s.odd));
        return NULL;
    }
    if (s.ragged) {
        btl_parse_fail(p, list->token, BTL_ESHAPE, NULL, "the rows of this array have different lengths");
        return NULL;
    }
    if (s.has_bool && (s.has_int || s.has_float || s.has_big)) {
        btl_parse_fail(p, list->token, BTL_EDTYPE, NULL, "an array of both numbers and bool");
        return NULL;
    }
    btl_var *v;
    btl_parse_here(p, list->token);
    if (s.has_var) {
        bool found = type != NULL;
        btl_dtype dtype = type ? type->dtype : BTL_I64;
        if (!type) list_dtype(list, &found, &dtype);
        v = list_stack(p, list, found, dtype);
    } else {
        list_take_empty_shape(&s, type);
        btl_dtype own = s.has_bool ? BTL_BOOL : s.has_float || (!s.has_int && !s.has_big) ? BTL_F64 : s.has_big ? BTL_U64 : BTL_I64;
        v = list_constant(p, list, &s, type ? type->dtype : own, !type && !s.has_bool && !s.has_big);
    }
    if (!type) list->list->var = v;
    return v;
}

/* ---- computing with literals and sizes --------------------------------------------------- */

static value value_overflow(parser *p, uint32_t token) {
    btl_parse_fail(p, token, BTL_EVALUE, "write one side as a float", "the result does not fit i64");
    return value_poison();
}

/* Python's: the quotient goes down, the remainder has the divisor's sign; by 0 both are 0. */
static int64_t value_floordiv(int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (b == -1) return -a;
    int64_t q = a / b;
    return q - ((a % b != 0) && ((a < 0) != (b < 0)));
}
static int64_t value_mod(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    int64_t r = a % b;
    return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}
static double value_fmod(double a, double b) {
    double r = fmod(a, b);
    return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}

static bool value_power(int64_t a, int64_t b, int64_t *out) {
    int64_t result = 1;
    for (bool overflow = false;; overflow |= !btl_mul_i64(a, a, &a)) {
        if (b & 1 && (overflow || !btl_mul_i64(result, a, &result))) return false;
        if ((b >>= 1) == 0) break;
    }
    *out = result;
    return true;
}

static bool value_fold_ints(parser *p, btl_token_kind op, const value *x, const value *y, value *out) {
    int64_t a = x->i, b = y->i, r = 0;
    bool fits = true;
    switch (op) {
    case TOKEN_PLUS: fits = btl_add_i64(a, b, &r); break;
    case TOKEN_MINUS: fits = b != INT64_MIN ? btl_add_i64(a, -b, &r) : a < 0 && btl_add_i64(a + 1, INT64_MAX, &r); break;
    case TOKEN_STAR: fits = btl_mul_i64(a, b, &r); break;
    case TOKEN_SLASH: *out = value_float((double)a / (double)b); return true;
    case TOKEN_FLOORDIV: fits = !(a == INT64_MIN && b == -1); if (fits) r = value_floordiv(a, b); break;
    case TOKEN_PERCENT: r = value_mod(a, b); break;
    case TOKEN_POWER:
        if (b < 0) { *out = value_float(pow((double)a, (double)b)); return true; }
        fits = value_power(a, b, &r);
        break;
    case TOKEN_BIT_OR: r = a | b; break;
    case TOKEN_BIT_XOR: r = a ^ b; break;
    case TOKEN_BIT_AND: r = a & b; break;
    case TOKEN_LESS: *out = value_bool(a < b); return true;
    case TOKEN_LESS_EQUAL: *out = value_bool(a <= b); return true;
    case TOKEN_GREATER: *out = value_bool(a > b); return true;
    case TOKEN_GREATER_EQUAL: *out = value_bool(a >= b); return true;
    case TOKEN_EQUAL: *out = value_bool(a == b); return true;
    case TOKEN_NOT_EQUAL: *out = value_bool(a != b); return true;
    default: return false;
    }
    *out = fits ? value_int(r) : value_overflow(p, x->token);
    return true;
}

static bool value_fold_floats(btl_token_kind op, double a, double b, value *out) {
    switch (op) {
    case TOKEN_PLUS: *out = value_float(a + b); return true;
    case TOKEN_MINUS: *out = value_float(a - b); return true;
    case TOKEN_STAR: *out = value_float(a * b); return true;
    case TOKEN_SLASH: *out = value_float(a / b); return true;
    case TOKEN_FLOORDIV: *out = value_float(floor(a / b)); return true;
    case TOKEN_PERCENT: *out = value_float(value_fmod(a, b)); return true;
    case TOKEN_POWER: *out = value_float(pow(a, b)); return true;
    case TOKEN_LESS: *out = value_bool(a < b); return true;
    case TOKEN_LESS_EQUAL: *out = value_bool(a <= b); return true;
    case TOKEN_GREATER: *out = value_bool(a > b); return true;
    case TOKEN_GREATER_EQUAL: *out = value_bool(a >= b); return true;
    case TOKEN_EQUAL: *out = value_bool(a == b); return true;
    case TOKEN_NOT_EQUAL: *out = value_bool(a != b); return true;
    default: return false;
    }
}

static bool value_fold_bools(btl_token_kind op, bool a, bool b, value *out) {
    switch (op) {
    case TOKEN_AND: case TOKEN_BIT_AND: *out = value_bool(a && b); return true;
    case TOKEN_OR: case TOKEN_BIT_OR: *out = value_bool(a || b); return true;
    case TOKEN_BIT_XOR: case TOKEN_NOT_EQUAL: *out = value_bool(a != b); return true;
    case TOKEN_EQUAL: *out = value_bool(a == b); return true;
    default: return false;
    }
}

static bool value_fold_sizes(parser *p, btl_token_kind op, const value *x, const value *y, value *out) {
    const btl_dim *a = btl_value_dim(p, x), *b = btl_value_dim(p, y);
    switch (op) {
    case TOKEN_PLUS: *out = btl_value_of_dim(btl_dim_add(p->g, a, b)); return true;
    case TOKEN_MINUS: *out = btl_value_of_dim(btl_dim_sub(p->g, a, b)); return true;
    case TOKEN_STAR: *out = btl_value_of_dim(btl_dim_mul(p->g, a, b)); return true;
    case TOKEN_FLOORDIV: *out = btl_value_of_dim(btl_dim_floordiv(p->g, a, b)); return true;
    case TOKEN_PERCENT: *out = btl_value_of_dim(btl_dim_mod(p->g, a, b)); return true;
    default: return false;
    }
}

bool btl_value_fold_binary(parser *p, btl_token_kind op, const value *a, const value *b, value *out) {
    bool ints = a->kind == VALUE_INT && b->kind == VALUE_INT;
    bool numbers = (a->kind == VALUE_INT || a->kind == VALUE_FLOAT) && (b->kind == VALUE_INT || b->kind == VALUE_FLOAT);
    if (ints) return value_fold_ints(p, op, a, b, out);
    if (numbers)
        return value_fold_floats(op, a->kind == VALUE_INT ? (double)a->i : a->f, b->kind == VALUE_INT ? (double)b->i : b->f, out);
    if (a->kind == VALUE_BOOL && b->kind == VALUE_BOOL) return value_fold_bools(op, a->i != 0, b->i != 0, out);
    return btl_value_is_size(a) && btl_value_is_size(b) && value_fold_sizes(p, op, a, b, out);
}

bool btl_value_fold_unary(parser *p, btl_token_kind op, const value *a, value *out) {
    if (op == TOKEN_NOT || (op == TOKEN_TILDE && a->kind == VALUE_BOOL)) {
        if (a->kind != VALUE_BOOL) return false;
        *out = value_bool(!a->i);
    } else if (op == TOKEN_TILDE) {
        if (a->kind != VALUE_INT) return false;
        *out = value_int(~a->i);
    } else if (op == TOKEN_PLUS) {
        if (a->kind != VALUE_INT && a->kind != VALUE_FLOAT && a->kind != VALUE_DIM) return false;
        *out = *a;
        out->bare = false;
    } else if (a->kind == VALUE_INT && a->i == INT64_MIN) {
        *out = value_overflow(p, a->token);
    } else if (a->kind == VALUE_INT) {
        *out = value_int(-a->i);
    } else if (a->kind == VALUE_FLOAT) {
        *out = value_float(-a->f);
    } else if (a->kind == VALUE_DIM) {
        *out = btl_value_of_dim(btl_dim_sub(p->g, btl_dim_const(p->g, 0), a->dim));
    } else {
        return false;
    }
    return true;
}
