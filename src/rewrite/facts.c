/* facts.c - bounds of values, found by walking a few nodes down.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/facts.h"

#include "base/array.h"
#include "expr/op.h"

#include <math.h>
#include <string.h>

enum { FACTS_DEPTH = 5, FACTS_OPERANDS = 8 };

static const btl_facts facts_nothing = { -(double)INFINITY, (double)INFINITY, true, true };

static double facts_least(double a, double b) { return a < b ? a : b; }
static double facts_most(double a, double b) { return a > b ? a : b; }

/* ---- leaves ------------------------------------------------------------------------------------ */

/* By the dtype alone. */
static btl_facts facts_of_dtype(btl_dtype dtype) {
    double bits = 8.0 * (double)btl_dtype_bytes(dtype);
    switch (btl_dtype_kind(dtype)) {
    case 'b': return (btl_facts){ 0, 1, false, false };
    case 'u': return (btl_facts){ 0, exp2(bits), false, false };
    case 'i': return (btl_facts){ -exp2(bits - 1), exp2(bits - 1), false, false };
    default: return facts_nothing;
    }
}

static btl_facts facts_of_number(double x) {
    if (isnan(x)) return (btl_facts){ 0, 0, true, false };
    return (btl_facts){ x, x, false, x == 0 && signbit(x) };
}

static btl_facts facts_of_size(const btl_dim *d) {
    return (btl_facts){ d->lo == INT64_MIN ? -(double)INFINITY : (double)d->lo, d->hi == INT64_MAX ? 0x1p63 : (double)d->hi, false, false };
}

/* ---- functions --------------------------------------------------------------------------------- */

/* Functions whose values lie in a range, whatever the operand; NaN of NaN, and where `wild` of infinities too. */
typedef struct facts_range { const char *name; double lo, hi; bool wild, negative_zero; } facts_range;

static const facts_range facts_ranges[] = {
    { "exp", 0, (double)INFINITY, false, false }, { "exp2", 0, (double)INFINITY, false, false },
    { "abs", 0, (double)INFINITY, false, false }, { "sqr", 0, (double)INFINITY, false, false },
    { "sigmoid", 0, 1, false, false }, { "softplus", 0, (double)INFINITY, false, false },
    { "tanh", -1, 1, false, true }, { "erf", -1, 1, false, true }, { "erfc", 0, 2, false, false },
    { "sin", -1, 1, true, true }, { "cos", -1, 1, true, false }, { "sign", -1, 1, false, false },
    { "arctan", -1.6, 1.6, false, true }, { "softsign", -1, 1, false, true }, { "expm1", -1, (double)INFINITY, false, true },
    { "cosh", 1, (double)INFINITY, false, false }, { "hard_sigmoid", 0, 1, false, false },
    { "softmax", 0, 1, true, false }, { "log_softmax", -(double)INFINITY, 0, true, true },
};

static bool facts_in_range(const char *name, const btl_facts *x, btl_facts *out) {
    for (size_t i = 0; i < sizeof facts_ranges / sizeof *facts_ranges; i++) {
        const facts_range *r = &facts_ranges[i];
        if (strcmp(r->name, name) != 0) continue;
        *out = (btl_facts){ r->lo, r->hi, x->nan || (r->wild && (isinf(x->lo) || isinf(x->hi))), r->negative_zero };
        return true;
    }
    return false;
}

/* Rounding may pass a computed bound a little; 0 it does not pass. */
static btl_facts facts_widen(btl_facts f) {
    f.lo -= fabs(f.lo) * 0x1p-6;
    f.hi += fabs(f.hi) * 0x1p-6;
    if (isnan(f.lo)) f.lo = -(double)INFINITY;
    if (isnan(f.hi)) f.hi = (double)INFINITY;
    return f;
}

/* What a dtype makes of bounds beyond its range: what is too large is infinite, what is too small may be 0. */
static btl_facts facts_settle(btl_facts f, btl_dtype dtype) {
    double most = dtype == BTL_F16 ? 65000 : dtype == BTL_F64 ? 0x1.8p1023 : 0x1.8p127;
    double least = dtype == BTL_F16 ? 0x1p-14 : dtype == BTL_F64 ? 0x1p-1022 : 0x1p-126;
    if (btl_dtype_kind(dtype) != 'f') return f;
    if (f.hi > most) f.hi = (double)INFINITY;
    if (f.lo < -most) f.lo = -(double)INFINITY;
    if (f.lo > most) f.lo = most;
    if (f.hi < -most) f.hi = -most;
    if (f.lo > 0 && f.lo < least) f.lo = 0;
    if (f.hi < 0 && f.hi > -least) f.hi = 0, f.negative_zero = true;
    return f;
}

static btl_facts facts_add(const btl_facts *a, const btl_facts *b) {
    bool opposed = (isinf(a->lo) && isinf(b->hi)) || (isinf(a->hi) && isinf(b->lo));
    return facts_widen((btl_facts){ a->lo + b->lo, a->hi + b->hi, a->nan || b->nan || opposed, a->negative_zero && b->negative_zero });
}

static btl_facts facts_neg(const btl_facts *a) {
    return (btl_facts){ -a->hi, -a->lo, a->nan, a->lo <= 0 && a->hi >= 0 }; /* +0 becomes -0 */
}

static double facts_product(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

static btl_facts facts_mul(const btl_facts *a, const btl_facts *b, bool same) {
    double p[4] = { facts_product(a->lo, b->lo), facts_product(a->lo, b->hi), facts_product(a->hi, b->lo), facts_product(a->hi, b->hi) };
    btl_facts f = { p[0], p[0], a->nan || b->nan, a->lo < 0 || b->lo < 0 || a->negative_zero || b->negative_zero };
    for (int i = 1; i < 4; i++) f.lo = facts_least(f.lo, p[i]), f.hi = facts_most(f.hi, p[i]);
    bool zero_a = a->lo <= 0 && a->hi >= 0, zero_b = b->lo <= 0 && b->hi >= 0;
    if (!same && ((zero_a && (isinf(b->lo) || isinf(b->hi))) || (zero_b && (isinf(a->lo) || isinf(a->hi))))) f.nan = true;
    if (same) f.lo = facts_most(f.lo, 0), f.nan = a->nan, f.negative_zero = false;
    return facts_widen(f);
}

/* Only by what is above 0: quotients of nonnegative values. */
static btl_facts facts_div(const btl_facts *a, const btl_facts *b) {
    if (!(a->lo >= 0 && b->lo >= 0) || a->negative_zero || b->negative_zero) return facts_nothing;
    bool nan = a->nan || b->nan || (isinf(a->hi) && isinf(b->hi)) || (a->lo == 0 && b->lo == 0);
    return (btl_facts){ 0, b->lo > 0 ? a->hi / b->lo * (1 + 0x1p-6) : (double)INFINITY, nan, false };
}

static btl_facts facts_union(const btl_facts *a, const btl_facts *b) {
    return (btl_facts){ facts_least(a->lo, b->lo), facts_most(a->hi, b->hi), a->nan || b->nan, a->negative_zero || b->negative_zero };
}

static btl_facts facts_maximum(const btl_facts *a, const btl_facts *b) {
    return (btl_facts){ facts_most(a->lo, b->lo), facts_most(a->hi, b->hi), a->nan || b->nan, a->negative_zero || b->negative_zero };
}

static btl_facts facts_minimum(const btl_facts *a, const btl_facts *b) {
    return (btl_facts){ facts_least(a->lo, b->lo), facts_least(a->hi, b->hi), a->nan || b->nan, a->negative_zero || b->negative_zero };
}

/* A sum of nothing is 0. */
static btl_facts facts_sum(const btl_facts *a) {
    if (!(a->lo >= 0) || a->negative_zero) return facts_nothing;
    return (btl_facts){ 0, a->hi == 0 ? 0 : (double)INFINITY, a->nan, false };
}

/* In another dtype; a float in an integer saturates, NaN gives 0. Integers up to 2^53 are exact, others nearly. */
static btl_facts facts_cast(const btl_facts *a, btl_dtype from, btl_dtype to) {
    btl_facts all = facts_of_dtype(to);
    if (btl_dtype_kind(to) == 'f') return facts_settle(from == BTL_BOOL ? *a : facts_widen(*a), to);
    return btl_dtype_kind(from) != 'f' && a->lo >= all.lo && a->hi < all.hi ? *a : all;
}

static btl_facts facts_at(const btl_var *v, int depth);

/* Ops that give elements of their first operand. */
static bool facts_is_view(const char *name) {
    static const char *const names[] = { "subtensor", "advanced_subtensor", "dimshuffle", "reshape", "broadcast_to", "copy", "identity",
                                         "max", "min", "stop_gradient", NULL };
    for (const char *const *n = names; *n; n++)
        if (strcmp(*n, name) == 0) return true;
    return false;
}

static btl_facts facts_of_float(const btl_node *n, const char *name, int depth) {
    btl_facts x[3] = { facts_nothing, facts_nothing, facts_nothing }, out;
    for (int i = 0; i < n->nin && i < 3; i++) x[i] = facts_at(n->in[i], depth - 1);
    if (facts_in_range(name, &x[0], &out)) return out;
    if (strcmp(name, "add") == 0) return facts_add(&x[0], &x[1]);
    if (strcmp(name, "sub") == 0) {
        btl_facts negated = facts_neg(&x[1]);
        negated.negative_zero = x[1].lo <= 0 && x[1].hi >= 0;
        return facts_add(&x[0], &negated);
    }
    if (strcmp(name, "neg") == 0) return facts_neg(&x[0]);
    if (strcmp(name, "mul") == 0) return facts_mul(&x[0], &x[1], n->in[0] == n->in[1]);
    if (strcmp(name, "div") == 0) return facts_div(&x[0], &x[1]);
    if (strcmp(name, "sqrt") == 0 && btl_facts_nonnegative(&x[0], true)) return (btl_facts){ 0, sqrt(x[0].hi) * (1 + 0x1p-6), x[0].nan, false };
    if (strcmp(name, "maximum") == 0) return facts_maximum(&x[0], &x[1]);
    if (strcmp(name, "minimum") == 0) return facts_minimum(&x[0], &x[1]);
    if (strcmp(name, "where") == 0) return facts_union(&x[1], &x[2]);
    if (strcmp(name, "sum") == 0) return facts_sum(&x[0]);
    return facts_nothing;
}

static btl_facts facts_at(const btl_var *v, int depth) {
    const btl_node *n = v->node;
    double value;
    if (btl_dtype_kind(v->type.dtype) == 'c') return facts_nothing;
    if (btl_var_constant_value(v, &value)) return facts_of_number(value);
    if (n->op == &btl_op_size && (v->type.dtype == BTL_I64 || btl_dtype_kind(v->type.dtype) == 'f')) return facts_settle(facts_of_size(n->params[0].dim), v->type.dtype);
    if (depth <= 0 || n->nout != 1 || !n->nin) return facts_of_dtype(v->type.dtype);
    if (facts_is_view(n->op->name)) return facts_at(n->in[0], depth - 1);
    if (n->op == &btl_op_cast) {
        btl_facts x = facts_at(n->in[0], depth - 1);
        return facts_cast(&x, n->in[0]->type.dtype, v->type.dtype);
    }
    if (btl_dtype_kind(v->type.dtype) != 'f') return facts_of_dtype(v->type.dtype); /* integers wrap */
    if (strcmp(n->op->name, "concatenate") == 0 && n->nin <= FACTS_OPERANDS) {
        btl_facts all = facts_at(n->in[0], depth / 2);
        for (int i = 1; i < n->nin; i++) {
            btl_facts x = facts_at(n->in[i], depth / 2);
            all = facts_union(&all, &x);
        }
        return all;
    }
    return facts_settle(facts_of_float(n, n->op->name, depth), v->type.dtype);
}

btl_facts btl_facts_of(const btl_var *v) { return facts_at(v, FACTS_DEPTH); }

bool btl_facts_finite(const btl_facts *f) { return !f->nan && isfinite(f->lo) && isfinite(f->hi); }

bool btl_facts_nonnegative(const btl_facts *f, bool or_nan) { return f->lo >= 0 && !f->negative_zero && (or_nan || !f->nan); }

bool btl_facts_finite_nonzero(const btl_facts *f) { return btl_facts_finite(f) && (f->lo > 0 || f->hi < 0); }
