/* rules_arith.c - sums, products and powers in a normal form: one constant for several, one sign, like terms
 * taken together, what cancels cancelled; and values that are known before any call.
 *
 * Trees of + - * / are flattened along the operand that is no constant. A product becomes c * v, v / c or c / v,
 * a sum c + v or c - v: one op for however many there were, so nothing grows. No variable is moved past another
 * one: (a * b) * c may overflow where a * (b * c) does not. Constants may be, since a product of constants that is neither too
 * large nor too small overflows only where the mathematical value does.
 *
 * x - x, 0 * x, x / x and their like are replaced where x is an integer or known to be finite (facts.h): of
 * infinities and NaN they are NaN, and stay so. (x + y) - y is x for integers alone: of floats the difference is
 * what compensated sums are made of.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/rules.h"

#include "ops/helpers.h"
#include "rewrite/facts.h"

#include <math.h>
#include <string.h>

/* ---- constants ------------------------------------------------------------------------------------ */

/* May a constant of that value stand in the dtype without being rounded to 0 or infinity, or wrapping? */
static bool arith_fits(btl_dtype dtype, double c) {
    double bits = 8.0 * (double)btl_dtype_bytes(dtype);
    switch (btl_dtype_kind(dtype)) {
    case 'f':
        if (dtype == BTL_F16) return fabs(c) >= 0x1p-14 && fabs(c) < 65500;
        return dtype == BTL_F64 ? isnormal(c) : fabs(c) >= 0x1p-126 && fabs(c) < 0x1p127;
    case 'i': return c == rint(c) && fabs(c) < 0x1p53 && c >= -exp2(bits - 1) && c < exp2(bits - 1);
    case 'u': return c == rint(c) && c >= 0 && c < 0x1p53 && c < exp2(bits);
    default: return false;
    }
}

static btl_var *arith_number(btl_graph *g, btl_dtype dtype, double c) { return btl_graph_scalar(g, dtype, c); }

/* Which operand is a constant, the same everywhere, beside another one that has the node's type; -1: none. */
static int arith_constant_side(const btl_node *n, double *value) {
    for (int side = 0; side < 2; side++)
        if (btl_var_constant_value(n->in[side], value) && btl_type_equal(&n->in[1 - side]->type, &n->out->type)) return side;
    return -1;
}

/* ---- products: (num / den) * v, or (num / den) / v ------------------------------------------------- */

typedef struct arith_product {
    btl_var *v;
    double num, den;
    bool inverse;
    int steps;
} arith_product;

/* Takes node n, which computes p->v, into p; false if it is something else. */
static bool arith_product_step(arith_product *p, const btl_node *n) {
    double k = 1;
    if (btl_node_is(n, "neg") || btl_node_is(n, "inv")) {
        if (btl_node_is(n, "inv")) p->inverse = !p->inverse;
        else p->num = -p->num;
        p->v = n->in[0];
    } else if (btl_node_is(n, "mul") || btl_node_is(n, "div")) {
        int side = arith_constant_side(n, &k);
        if (side < 0 || !arith_fits(n->out->type.dtype, k)) return false;
        bool divides = btl_node_is(n, "div") && side == 1;
        *(p->inverse != divides ? &p->den : &p->num) *= k;
        if (btl_node_is(n, "div") && side == 0) {
            /* k / v: what was multiplied by it is divided by v now, and the other way round */
            p->inverse = !p->inverse;
        }
        p->v = n->in[1 - side];
    } else return false;
    p->steps++;
    return true;
}

static btl_var *arith_product_build(btl_graph *g, const arith_product *p, btl_dtype dtype) {
    double c = p->num / p->den;
    bool divide = !p->inverse && fabs(p->num) == 1 && p->den != 1 && fabs(p->den) != 1;
    if (!arith_fits(dtype, divide ? p->den : c)) return NULL;
    if (divide) return btl_div(g, p->v, arith_number(g, dtype, p->num * p->den));
    if (p->inverse) return btl_div(g, arith_number(g, dtype, c), p->v);
    if (c == 1) return p->v;
    return c == -1 ? btl_neg(g, p->v) : btl_mul(g, arith_number(g, dtype, c), p->v);
}

static btl_var *arith_gather_product(btl_match *m, const btl_node *n) {
    arith_product p = { .v = n->out, .num = 1, .den = 1 };
    if (btl_dtype_kind(n->out->type.dtype) == 'b' || !arith_product_step(&p, n)) return NULL;
    while (p.steps < BTL_RULE_CONSUMED - 1) {
        const btl_node *inner = btl_match_node(m, p.v, NULL);
        if (!inner) break;
        if (!arith_product_step(&p, inner)) {
            m->nconsumed--;
            break;
        }
    }
    return p.steps < 2 ? NULL : arith_product_build(m->g, &p, n->out->type.dtype);
}

/* ---- sums: c + v, or c - v --------------------------------------------------------------------------- */

typedef struct arith_sum {
    btl_var *v;
    double c, largest;
    bool negative;
    int steps, constants;
} arith_sum;

static bool arith_sum_step(arith_sum *s, const btl_node *n) {
    double k, sign = s->negative ? -1 : 1;
    if (btl_node_is(n, "neg")) {
        s->negative = !s->negative;
        s->v = n->in[0];
    } else if (btl_node_is(n, "add") || btl_node_is(n, "sub")) {
        int side = arith_constant_side(n, &k);
        if (side < 0 || !isfinite(k)) return false;
        s->c += btl_node_is(n, "sub") && side == 1 ? -sign * k : sign * k;
        if (btl_node_is(n, "sub") && side == 0) s->negative = !s->negative;
        if (fabs(k) > s->largest) s->largest = fabs(k);
        s->v = n->in[1 - side];
        s->constants++;
    } else return false;
    s->steps++;
    return true;
}

/* Constants that nearly cancel are left: x + 2^23 - 2^23 is how some round. */
static btl_var *arith_gather_sum(btl_match *m, const btl_node *n) {
    btl_dtype dtype = n->out->type.dtype;
    arith_sum s = { .v = n->out };
    if (btl_dtype_kind(dtype) == 'b' || !arith_sum_step(&s, n)) return NULL;
    while (s.steps < BTL_RULE_CONSUMED - 1) {
        const btl_node *inner = btl_match_node(m, s.v, NULL);
        if (!inner) break;
        if (!arith_sum_step(&s, inner)) {
            m->nconsumed--;
            break;
        }
    }
    if (s.constants < 2) return NULL;
    if (s.c == 0 && btl_dtype_kind(dtype) != 'f') return s.negative ? btl_neg(m->g, s.v) : s.v;
    if (!arith_fits(dtype, s.c) || (btl_dtype_kind(dtype) == 'f' && fabs(s.c) < s.largest * 0x1p-10)) return NULL;
    btl_var *c = arith_number(m->g, dtype, s.c);
    return s.negative ? btl_sub(m->g, c, s.v) : btl_add(m->g, s.v, c);
}

/* ---- like terms: a*v + b*v -------------------------------------------------------------------------- */

/* v as k * *of. */
static double arith_coefficient(btl_match *m, btl_var *v, btl_var **of) {
    double k;
    const btl_node *n = v->node;
    *of = v;
    if (!btl_node_is(n, "mul") && !btl_node_is(n, "neg")) return 1;
    int side = btl_node_is(n, "mul") ? arith_constant_side(n, &k) : 0;
    if (side < 0 || !btl_match_node(m, v, n->op)) return 1;
    *of = n->in[btl_node_is(n, "mul") ? 1 - side : 0];
    return btl_node_is(n, "mul") ? k : -1;
}

static btl_var *arith_like_terms(btl_match *m, const btl_node *n) {
    btl_var *v[2];
    btl_dtype dtype = n->out->type.dtype;
    double k[2];
    if (btl_dtype_kind(dtype) == 'b') return NULL;
    for (int i = 0; i < 2; i++) k[i] = arith_coefficient(m, n->in[i], &v[i]);
    if (v[0] != v[1] || !btl_type_equal(&v[0]->type, &n->out->type)) return NULL;
    double c = btl_node_is(n, "add") ? k[0] + k[1] : k[0] - k[1];
    if (!arith_fits(dtype, k[0]) || !arith_fits(dtype, k[1]) || !arith_fits(dtype, c)) return NULL;
    if (fabs(c) < fmax(fabs(k[0]), fabs(k[1])) * 0x1p-10) return NULL;
    return c == 1 ? v[0] : c == -1 ? btl_neg(m->g, v[0]) : btl_mul(m->g, arith_number(m->g, dtype, c), v[0]);
}

/* ---- what is known of values ------------------------------------------------------------------------ */

static bool arith_is_integer(const btl_var *v) {
    char kind = btl_dtype_kind(v->type.dtype);
    return kind == 'i' || kind == 'u';
}

static bool arith_finite(const btl_match *m) {
    btl_facts f = btl_facts_of(m->bound[0]);
    return arith_is_integer(m->bound[0]) || (btl_dtype_kind(m->bound[0]->type.dtype) == 'f' && btl_facts_finite(&f));
}

/* 0 times it is +0. */
static bool arith_zeroed(const btl_match *m) {
    btl_facts f = btl_facts_of(m->bound[0]);
    double zero = -1;
    if (arith_is_integer(m->bound[0])) return true;
    if (btl_dtype_kind(m->bound[0]->type.dtype) != 'f' || !btl_facts_finite(&f) || !btl_facts_nonnegative(&f, false)) return false;
    for (int i = 0; i < 2; i++)
        if (m->root->in[i] != m->bound[0] && btl_var_constant_value(m->root->in[i], &zero)) return zero == 0 && !signbit(zero);
    return false;
}

static bool arith_finite_nonzero_0(const btl_match *m) {
    btl_facts f = btl_facts_of(m->bound[0]);
    return btl_facts_finite_nonzero(&f);
}

static bool arith_finite_nonzero_1(const btl_match *m) {
    btl_facts f = btl_facts_of(m->bound[1]);
    return btl_facts_finite_nonzero(&f);
}

static bool arith_nonnegative(const btl_match *m) {
    btl_facts f = btl_facts_of(m->bound[0]);
    return btl_when_float(m) && btl_facts_nonnegative(&f, true);
}

static bool arith_unsigned_or_nonnegative(const btl_match *m) {
    return arith_nonnegative(m) || strchr("ub", btl_dtype_kind(m->bound[0]->type.dtype)) != NULL;
}

static btl_var *arith_zeros(btl_match *m, const btl_node *n) { return btl_zeros_of(m->g, &n->out->type); }
static btl_var *arith_ones(btl_match *m, const btl_node *n) { return btl_ones_of(m->g, &n->out->type); }

static btl_var *arith_bool(btl_match *m, const btl_node *n, bool value) {
    return btl_broadcast_to_dims(m->g, btl_graph_scalar(m->g, BTL_BOOL, value), n->out->type.rank, n->out->type.dims);
}

/* -1: never, 1: always, 0: who knows. */
static int arith_compare(const char *op, const btl_facts *a, const btl_facts *b, bool same) {
    bool nan = a->nan || b->nan;
    if (strcmp(op, "lt") == 0) return same || a->lo >= b->hi ? -1 : !nan && a->hi < b->lo ? 1 : 0;
    if (strcmp(op, "le") == 0) return !same && a->lo > b->hi ? -1 : !nan && (same || a->hi <= b->lo) ? 1 : 0;
    if (strcmp(op, "eq") == 0) return !same && (a->hi < b->lo || a->lo > b->hi) ? -1 : same && !nan ? 1 : 0;
    return 0;
}

/* A comparison that comes out the same for all values that its operands can have. */
static btl_var *arith_compare_known(btl_match *m, const btl_node *n) {
    static const char *const mirrored[][2] = { { "gt", "lt" }, { "ge", "le" }, { "ne", "eq" } };
    const char *op = n->op->name;
    btl_facts f[2] = { btl_facts_of(n->in[0]), btl_facts_of(n->in[1]) };
    int swap = 0, negate = 0;
    for (int i = 0; i < 3; i++)
        if (strcmp(op, mirrored[i][0]) == 0) op = mirrored[i][1], swap = i < 2, negate = i == 2;
    int known = arith_compare(op, &f[swap], &f[1 - swap], n->in[0] == n->in[1]);
    return known ? arith_bool(m, n, (known > 0) != negate) : NULL;
}

static btl_var *arith_test_known(btl_match *m, const btl_node *n) {
    btl_facts f = btl_facts_of(n->in[0]);
    if (btl_node_is(n, "isnan")) return f.nan ? NULL : arith_bool(m, n, false);
    if (btl_node_is(n, "isfinite")) return btl_facts_finite(&f) ? arith_bool(m, n, true) : NULL;
    return isfinite(f.lo) && isfinite(f.hi) ? arith_bool(m, n, false) : NULL;
}

/* maximum(x, y) where x is never the smaller one. A NaN of y would be the result. */
static btl_var *arith_extreme_known(btl_match *m, const btl_node *n) {
    bool largest = btl_node_is(n, "maximum");
    (void)m;
    for (int i = 0; i < 2; i++) {
        btl_facts x = btl_facts_of(n->in[i]), y = btl_facts_of(n->in[1 - i]);
        bool is = largest ? x.lo > y.hi : x.hi < y.lo;
        if (i == 0) is = is || (largest ? x.lo >= y.hi : x.hi <= y.lo); /* of two equal ones it is the first */
        if (is && !y.nan && btl_type_equal(&n->in[i]->type, &n->out->type)) return n->in[i];
    }
    return NULL;
}

/* Rounding what is rounded. */
static btl_var *arith_round_rounded(btl_match *m, const btl_node *n) {
    static const char *const names[] = { "ceil", "floor", "trunc", "round", "round_half_away", NULL };
    if (btl_dtype_kind(n->in[0]->type.dtype) != 'f') return n->in[0];
    for (const char *const *name = names; *name; name++)
        if (btl_node_is(n->in[0]->node, *name) && btl_match_node(m, n->in[0], NULL)) return n->in[0];
    return NULL;
}

/* x / 2^k = x * 2^-k, bit for bit. */
static btl_var *arith_div_by_power(btl_match *m, const btl_node *n) {
    double k;
    int exponent;
    btl_dtype dtype = n->out->type.dtype;
    if (!btl_var_constant_value(n->in[1], &k) || !isfinite(k) || fabs(frexp(k, &exponent)) != 0.5) return NULL;
    if (fabs(k) == 1 || !arith_fits(dtype, k) || !arith_fits(dtype, 1 / k)) return NULL;
    return btl_mul(m->g, n->in[0], arith_number(m->g, dtype, 1 / k));
}

#define ARITH .phase = BTL_CANONICALIZE, .tags = "arithmetic"
#define NORMAL_FORM .phase = BTL_CANONICALIZE, .tags = "arithmetic normal_form", .exactness = BTL_REASSOCIATES, .ulp = 4, .needs = BTL_NO_OVERFLOW
#define POWER .phase = BTL_SPECIALIZE, .tags = "arithmetic power", .exactness = BTL_WITHIN_ULP

const btl_rule btl_rules_arith[] = {
    /* what cancels */
    { .name = "sub_same", .match = "?x - ?x", .apply = arith_zeros, .when = arith_finite, .why = "0, if x is not infinite or NaN", ARITH },
    { .name = "div_same", .match = "?x / ?x", .apply = arith_ones, .when = arith_finite_nonzero_0, .why = "1, if x is finite and not 0", ARITH },
    { .name = "mul_zero", .match = "?x * 0", .apply = arith_zeros, .when = arith_zeroed, .why = "0, if x is finite and has no sign", ARITH },
    { .name = "add_sub_integers", .match = "(?x + ?y) - ?y", .result = "?x", .when = btl_when_integer, .why = "sums of integers wrap both ways", ARITH },
    { .name = "sub_add_integers", .match = "(?x - ?y) + ?y", .result = "?x", .when = btl_when_integer, .why = "sums of integers wrap both ways", ARITH },
    { .name = "add_sub", .match = "(?x + ?y) - ?y", .result = "?x", .when = btl_when_float,
      .why = "of real numbers; of floats the difference is what compensated sums live on, hence only on request", .phase = BTL_CANONICALIZE,
      .tags = "arithmetic unsafe", .exactness = BTL_REASSOCIATES, .ulp = 0x1p40, .needs = BTL_FINITE | BTL_NO_SIGNED_ZERO, .opt_in = true },
    { .name = "mul_div", .match = "(?x * ?y) / ?y", .result = "?x", .when = arith_finite_nonzero_1, .why = "y is finite and not 0", NORMAL_FORM },
    { .name = "div_mul", .match = "(?x / ?y) * ?y", .result = "?x", .when = arith_finite_nonzero_1, .why = "y is finite and not 0", NORMAL_FORM },
    { .name = "floordiv_one", .match = "?x // 1", .result = "?x", .when = btl_when_integer, .why = "an integer is whole", ARITH },
    { .name = "mod_one", .match = "?x % 1", .apply = arith_zeros, .when = btl_when_integer, .why = "nothing is left of an integer", ARITH },
    { .name = "round_rounded", .ops = "ceil floor trunc round round_half_away", .apply = arith_round_rounded,
      .why = "integers, and what was rounded before, have no fraction", ARITH,
      .example = "x: f64[3, 4] | = ceil(round(x))" },

    /* values known before any call */
    { .name = "abs_nonnegative", .match = "abs(?x)", .result = "?x", .when = arith_unsigned_or_nonnegative, .why = "x has no sign", ARITH },
    { .name = "extreme_known", .ops = "maximum minimum", .apply = arith_extreme_known,
      .why = "one operand is never beyond the other, whatever the arguments", ARITH,
      .example = "x: f64[3, 4] | = maximum(exp(x), 0)" },
    { .name = "comparison_known", .ops = "lt le gt ge eq ne", .apply = arith_compare_known,
      .why = "the bounds of the operands, or that they are one, tell the answer", .phase = BTL_CANONICALIZE, .tags = "logic",
      .example = "x: f64[3, 4] | = sigmoid(x) > 1" },
    { .name = "test_known", .ops = "isnan isinf isfinite", .apply = arith_test_known,
      .why = "the bounds of the operand tell the answer", .phase = BTL_CANONICALIZE, .tags = "logic",
      .example = "c: bool[3, 4] | = isnan(f32(c))" },

    /* one constant, one sign */
    { .name = "gather_product", .ops = "mul div neg inv", .apply = arith_gather_product,
      .why = "constants and signs of a chain of products and quotients are one constant", NORMAL_FORM,
      .example = "x: f64[3, 4] | = 3 * (x * -2)" },
    { .name = "gather_sum", .ops = "add sub neg", .apply = arith_gather_sum, .why = "constants of a chain of sums are one constant",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic normal_form", .exactness = BTL_REASSOCIATES, .ulp = 8,
      .needs = BTL_NO_OVERFLOW | BTL_NO_SIGNED_ZERO,
      .example = "x: f64[3, 4] | = (x + 3) - 5" },
    { .name = "like_terms", .ops = "add sub", .apply = arith_like_terms, .why = "a*x + b*x is (a + b)*x", NORMAL_FORM,
      .example = "x: f64[3, 4] | = x + x" },

    /* powers and roots */
    { .name = "sqr_sqrt", .match = "sqr(sqrt(?x))", .result = "?x", .when = arith_nonnegative, .why = "x is not negative, so it has a root",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic power", .exactness = BTL_WITHIN_ULP, .ulp = 1 },
    { .name = "exp_log", .match = "exp(log(?x))", .result = "?x", .when = arith_nonnegative, .why = "x is not negative, so it has a logarithm",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic", .exactness = BTL_WITHIN_ULP, .ulp = 1 },
    { .name = "pow_four", .match = "?x ** 4", .result = "sqr(sqr(?x))", .why = "two products instead of a power", POWER, .ulp = 1.5, .needs = BTL_NO_OVERFLOW },
    { .name = "pow_minus_two", .match = "?x ** -2", .result = "sqr(inv(?x))", .when = btl_when_float,
      .why = "a division and a product instead of a power", POWER, .ulp = 2 },
    { .name = "pow_minus_half", .match = "?x ** -0.5", .result = "inv(sqrt(?x))", .when = arith_nonnegative,
      .why = "a root and a division; of -0 and -inf they say something else, so x must not be negative", POWER, .ulp = 1.5 },
    { .name = "pow_three_halves", .match = "?x ** 1.5", .result = "?x * sqrt(?x)", .when = arith_nonnegative,
      .why = "a root and a product; of -0 and -inf they say something else, so x must not be negative", POWER, .ulp = 1.5 },
    { .name = "div_by_power_of_two", .ops = "div", .apply = arith_div_by_power, .why = "a product costs a quarter of a quotient, and has the same bits",
      .phase = BTL_SPECIALIZE, .tags = "arithmetic",
      .example = "x: f64[3, 4] | = x / 8" },
    { .name = NULL },
};
