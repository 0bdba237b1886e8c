/* rules_canonical.c - arithmetic said in one way: neutral operands, signs, powers, conversions.
 *
 * Every rule here keeps the bits of the result for all operands, infinities, NaN and signed zeros
 * included, unless its `needs` says otherwise. Hence some that one would expect are missing:
 * x + 0 is not x (-0 + 0 is 0), 0 * x is not 0 (x may be infinite), x / x is not 1.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/rules.h"

#include "base/array.h"
#include "ops/helpers.h"
#include "rewrite/facts.h"

#include <math.h>

/* ---- conditions --------------------------------------------------------------------------- */

/* Is the constant operand zero with that sign? Integers have one zero. */
static bool canonical_zero_is(const btl_var *v, bool negative) {
    double value;
    if (!btl_match_number(v, 0)) return false;
    if (btl_dtype_kind(v->type.dtype) != 'f') return true;
    return btl_var_constant_value(v, &value) && (signbit(value) != 0) == negative;
}

static bool canonical_minus_plus_zero(const btl_match *m) {
    return canonical_zero_is(m->root->in[1], false);
}

static bool canonical_plus_minus_zero(const btl_match *m) {
    return canonical_zero_is(m->root->in[0], true) || canonical_zero_is(m->root->in[1], true);
}

static bool canonical_signed(const btl_match *m) {
    return btl_dtype_kind(m->root->out[0].type.dtype) != 'u';
}

static bool canonical_of_nonnegative(const btl_match *m) {
    btl_facts f = btl_facts_of(m->bound[0]);
    return btl_when_float(m) && btl_facts_nonnegative(&f, true);
}

/* ---- code --------------------------------------------------------------------------------- */

/* x ** 0 is 1 for every x, NaN too (IEEE 754-2019, 9.2.1). */
static btl_var *canonical_ones(btl_match *m, const btl_node *n) {
    return btl_ones_of(m->g, &n->out[0].type);
}

/* cast(cast(x)) where the inner one lost nothing. */
static btl_var *canonical_cast(btl_match *m, const btl_node *n) {
    btl_var *x = n->in[0];
    if (x->type.dtype == n->out[0].type.dtype) return x;
    const btl_node *inner = btl_match_node(m, x, &btl_op_cast);
    if (!inner || !btl_dtype_can_widen(inner->in[0]->type.dtype, x->type.dtype)) return NULL;
    return btl_cast_to(m->g, inner->in[0], n->out[0].type.dtype);
}

/* where with a condition that is the same everywhere. */
static btl_var *canonical_where(btl_match *m, const btl_node *n) {
    double condition;
    (void)m;
    if (!btl_var_constant_value(n->in[0], &condition)) return NULL;
    return n->in[condition != 0 ? 1 : 2];
}

#define EVERY_PHASE (BTL_CANONICALIZE | BTL_STABILIZE)

const btl_rule btl_rules_canonical[] = {
    { .name = "mul_one", .match = "?x * 1", .result = "?x", .why = "a factor 1 changes no bit",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "div_one", .match = "?x / 1", .result = "?x", .why = "a divisor 1 changes no bit",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "mul_minus_one", .match = "?x * -1", .result = "-?x", .why = "the sign alone changes",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "sub_zero", .match = "?x - 0", .result = "?x", .when = canonical_minus_plus_zero,
      .why = "x - (+0) is x, also for -0", .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "add_zero", .match = "?x + 0", .result = "?x", .when = canonical_plus_minus_zero,
      .why = "x + (-0) is x; for integers x + 0 is", .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "add_plus_zero", .match = "?x + 0", .result = "?x", .why = "-0 + 0 is 0, hence only on request",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic unsafe", .needs = BTL_NO_SIGNED_ZERO, .opt_in = true },
    { .name = "neg_neg", .match = "-(-?x)", .result = "?x", .why = "two signs cancel", .phase = EVERY_PHASE,
      .tags = "arithmetic" },
    { .name = "add_neg", .match = "?x + -?y", .result = "?x - ?y", .why = "IEEE defines x - y as x + (-y)",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "sub_neg", .match = "?x - -?y", .result = "?x + ?y", .why = "IEEE defines x - y as x + (-y)",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "mul_neg_neg", .match = "-?x * -?y", .result = "?x * ?y", .why = "two signs cancel",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "div_neg_neg", .match = "-?x / -?y", .result = "?x / ?y", .why = "two signs cancel",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "sqr_neg", .match = "sqr(-?x)", .result = "sqr(?x)", .why = "a square has no sign",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "sqr_abs", .match = "sqr(abs(?x))", .result = "sqr(?x)", .why = "a square has no sign",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "abs_neg", .match = "abs(-?x)", .result = "abs(?x)", .when = canonical_signed,
      .why = "a magnitude has no sign (an unsigned -x has wrapped)",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "abs_abs", .match = "abs(abs(?x))", .result = "abs(?x)", .why = "the inner one has done it",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "maximum_same", .match = "maximum(?x, ?x)", .result = "?x", .why = "either operand",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "minimum_same", .match = "minimum(?x, ?x)", .result = "?x", .why = "either operand",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "identity", .match = "identity(?x)", .result = "?x", .why = "variables are values, not memory",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic" },
    { .name = "pow_zero", .match = "?x ** 0", .apply = canonical_ones, .why = "1 for every x, NaN too",
      .source = "IEEE 754-2019, 9.2.1", .phase = BTL_CANONICALIZE, .tags = "arithmetic power" },
    { .name = "pow_one", .match = "?x ** 1", .result = "?x", .why = "exact", .phase = BTL_CANONICALIZE,
      .tags = "arithmetic power" },
    { .name = "pow_two", .match = "?x ** 2", .result = "sqr(?x)", .why = "one product, correctly rounded",
      .phase = BTL_CANONICALIZE, .tags = "arithmetic power", .exactness = BTL_WITHIN_ULP, .ulp = 0.5 },
    { .name = "pow_minus_one", .match = "?x ** -1", .result = "inv(?x)", .when = btl_when_float,
      .why = "one division, correctly rounded", .phase = BTL_CANONICALIZE, .tags = "arithmetic power",
      .exactness = BTL_WITHIN_ULP, .ulp = 0.5 },
    { .name = "pow_half", .match = "?x ** 0.5", .result = "sqrt(?x)", .when = canonical_of_nonnegative,
      .why = "pow(-0, 0.5) is 0 and pow(-inf, 0.5) is inf, sqrt's are -0 and NaN: only of what cannot be negative",
      .source = "C11, F.10.4.4", .phase = BTL_CANONICALIZE, .tags = "arithmetic power",
      .exactness = BTL_WITHIN_ULP, .ulp = 0.5 },
    { .name = "pow_half_of_any", .match = "?x ** 0.5", .result = "sqrt(?x)", .when = btl_when_float,
      .why = "the same without proof, hence only on request", .phase = BTL_CANONICALIZE,
      .tags = "arithmetic power unsafe", .exactness = BTL_WITHIN_ULP, .ulp = 0.5,
      .needs = BTL_FINITE | BTL_NO_SIGNED_ZERO, .opt_in = true },
    { .name = "cast_of_cast", .ops = "cast", .apply = canonical_cast,
      .why = "a conversion that loses nothing need not stand before another one", .phase = BTL_CANONICALIZE,
      .tags = "cast",
      .example = "x: f64[4] | = f32(f64(f32(x)))" },
    { .name = "where_same", .match = "where(?c, ?x, ?x)", .result = "?x", .why = "either branch",
      .phase = BTL_CANONICALIZE, .tags = "where" },
    { .name = "where_constant", .ops = "where", .apply = canonical_where, .why = "the condition is known",
      .phase = BTL_CANONICALIZE, .tags = "where",
      .example = "x: f64[4] | = where(1 < 2, x, -x)" },
    { .name = NULL },
};
