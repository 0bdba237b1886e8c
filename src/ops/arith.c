/* arith.c - arithmetic on every number type: + - * / // % **, signs, squares, rounding, extremes.
 *
 * Integers wrap. // and % are Python's: floor(a / b) and a - b*floor(a / b), whose sign is b's; by
 * integer 0 both give 0, as does an integer to a negative power (but for 1 and -1). On bool + is
 * or, * is and. What these ops promise is the correctly rounded result, so their references are
 * exact (see elemwise.h on rounding to odd).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/elemwise.h"

#include "base/error.h"

/* ---- exact references --------------------------------------------------------------------- */

/* Knuth's two-sum: s + rest is a + b exactly. */
static long double arith_sum(long double a, long double b) {
    long double s = a + b, t = s - a;
    return btl_round_odd(s, (a - (s - t)) + (b - t));
}

static long double arith_product(long double a, long double b) {
    long double p = a * b;
    return btl_round_odd(p, fmal(a, b, -p));
}

static long double arith_quotient(long double a, long double b) {
    long double q = a / b, rest = fmal(-q, b, a);
    return btl_round_odd(q, b < 0 ? -rest : rest);
}

static long double arith_root(long double a) {
    long double r = sqrtl(a);
    return btl_round_odd(r, fmal(-r, r, a));
}

/* fmod is exact; what follows moves it to the divisor's side. A zero takes the divisor's sign. */
static long double arith_mod(long double a, long double b) {
    long double r = fmodl(a, b);
    if (r == 0) return copysignl(0, b);
    return (r < 0) != (b < 0) ? arith_sum(r, b) : r;
}

static long double arith_floordiv(long double a, long double b) {
    if (b == 0) return a / b;
    long double r = fmodl(a, b), q = (a - r) / b;
    if (r != 0 && (r < 0) != (b < 0)) q -= 1;
    return q == 0 ? copysignl(0, a / b) : rintl(q);
}

static int64_t arith_floordiv_signed(int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (b == -1) return (int64_t)-(uint64_t)a; /* the least value wraps */
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t arith_mod_signed(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static uint64_t arith_pow_unsigned(uint64_t base, uint64_t exponent) {
    uint64_t result = 1;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1) result *= base;
    return result;
}

static int64_t arith_pow_signed(int64_t base, int64_t exponent) {
    if (exponent >= 0) return (int64_t)arith_pow_unsigned((uint64_t)base, (uint64_t)exponent);
    if (base == 1) return 1;
    return base == -1 ? (exponent & 1 ? -1 : 1) : 0;
}

/* ---- the four operations ------------------------------------------------------------------ */

ELEM_REAL2(add, arith_sum(a, b))
ELEM_INT2(add, (uint64_t)a + (uint64_t)b, a + b)
ELEM_VJP2(add, dy, dy)
ELEM_TEXT(add, ELEM_CODE_WRAPS("$0 + $1", "($U)$0 + ($U)$1"), .code_bool = "$0 | $1", ELEM_REFS(add), .cost = 1)
ELEM_OP(add, 2, "add(x, y)", "x + y; on bool: or", .flags = OP_COMMUTATIVE, .promote = PROMOTE_COMMON,
        .vjp = add_vjp, .samples = btl_samples_2)

ELEM_REAL2(sub, arith_sum(a, -b))
ELEM_INT2(sub, (uint64_t)a - (uint64_t)b, a - b)
ELEM_VJP2(sub, dy, btl_neg(g, dy))
ELEM_TEXT(sub, ELEM_CODE_WRAPS("$0 - $1", "($U)$0 - ($U)$1"), ELEM_REFS(sub), .cost = 1)
ELEM_OP(sub, 2, "sub(x, y)", "x - y", .promote = PROMOTE_COMMON, .vjp = sub_vjp, .samples = btl_samples_number_2)

ELEM_REAL2(mul, arith_product(a, b))
ELEM_INT2(mul, (uint64_t)a * (uint64_t)b, a * b)
ELEM_VJP2(mul, btl_mul(g, dy, b), btl_mul(g, dy, a))
ELEM_TEXT(mul, ELEM_CODE_WRAPS("$0 * $1", "($U)$0 * ($U)$1"), .code_bool = "$0 & $1", ELEM_REFS(mul), .cost = 1)
ELEM_OP(mul, 2, "mul(x, y)", "x * y; on bool: and", .flags = OP_COMMUTATIVE, .promote = PROMOTE_COMMON,
        .vjp = mul_vjp, .samples = btl_samples_2)

/* d/db a/b = -y/b: the quotient is there already. */
ELEM_REAL2(div, arith_quotient(a, b))
ELEM_VJP2(div, btl_div(g, dy, b), btl_neg(g, btl_div(g, btl_mul(g, dy, y), b)))
ELEM_TEXT(div, .code_float = "$0 / $1", .real = div_real, .cost = 4)
ELEM_OP(div, 2, "div(x, y)", "x / y; of integers: f64", .promote = PROMOTE_DIVIDE, .vjp = div_vjp,
        .samples = btl_samples_float_2)

/* ---- // and % ----------------------------------------------------------------------------- */

/* A step function: its derivative is 0 wherever there is one. */
ELEM_REAL2(floordiv, arith_floordiv(a, b))
ELEM_INT2(floordiv, arith_floordiv_signed(a, b), b ? a / b : 0)
ELEM_TEXT(floordiv, .code_float = "btl_floordiv$f($0, $1)", ELEM_CODE_BITS("btl_floordiv_$t($0, $1)"),
          ELEM_REFS(floordiv), .max_ulp = 2, .cost = 12)
ELEM_OP(floordiv, 2, "floordiv(x, y)", "x // y: floor(x / y); by integer 0: 0", .promote = PROMOTE_COMMON,
        .vjp = btl_vjp_zero, .samples = btl_samples_number_2)

ELEM_REAL2(mod, arith_mod(a, b))
ELEM_INT2(mod, arith_mod_signed(a, b), b ? a % b : 0)
ELEM_VJP2(mod, dy, btl_neg(g, btl_mul(g, dy, btl_floordiv(g, a, b))))
ELEM_TEXT(mod, .code_float = "btl_mod$f($0, $1)", ELEM_CODE_BITS("btl_mod_$t($0, $1)"), ELEM_REFS(mod), .cost = 12)
ELEM_OP(mod, 2, "mod(x, y)", "x % y: what x // y leaves, with the sign of y; by integer 0: 0",
        .promote = PROMOTE_COMMON, .vjp = mod_vjp, .samples = btl_samples_number_2)

/* ---- powers ------------------------------------------------------------------------------- */

/* y x^(y-1), where a constant exponent saves the test for 0^0, whose derivative is 0. */
static btl_var *pow_by_base(btl_graph *g, btl_var *x, btl_var *exponent) {
    double e;
    bool constant = btl_var_constant_value(exponent, &e);
    if (constant && e == 2) return btl_mul(g, exponent, x);
    btl_var *slope = btl_mul(g, exponent, btl_pow(g, x, btl_sub(g, exponent, NUM(1))));
    if (constant && e != 0) return slope;
    return btl_where(g, btl_eq(g, exponent, NUM(0)), NUM(0), slope);
}

/* x^y log x, and 0 where x is not positive. log never sees these x: its own derivative there, infinite,
 * would make the second derivative 0 * inf. */
static btl_var *pow_by_exponent(btl_graph *g, btl_var *x, btl_var *y) {
    btl_var *positive = btl_gt(g, x, NUM(0));
    return btl_where(g, positive, btl_mul(g, y, btl_log(g, btl_where(g, positive, x, NUM(1)))), NUM(0));
}

/* glibc's powl says inf of (-inf)^(-2^63). A float of that size is an even integer. */
static long double arith_pow(long double a, long double b) {
    if (isinf(a) && fabsl(b) >= 0x1p60L) return b > 0 ? (long double)INFINITY : 0;
    return powl(a, b);
}

ELEM_REAL2(pow, arith_pow(a, b))
ELEM_INT2(pow, arith_pow_signed(a, b), arith_pow_unsigned(a, b))
ELEM_VJP2(pow, btl_mul(g, dy, pow_by_base(g, a, b)), btl_mul(g, dy, pow_by_exponent(g, a, y)))
ELEM_TEXT(pow, .code_float = "btl_pow$f($0, $1)", ELEM_CODE_BITS("btl_pow_$t($0, $1)"), ELEM_REFS(pow),
          .max_ulp = 2.5, .cost = 40)
ELEM_OP(pow, 2, "pow(x, y)", "x ** y", .promote = PROMOTE_COMMON, .vjp = pow_vjp, .samples = btl_samples_number_2)

ELEM_REAL1(sqr, arith_product(a, a))
ELEM_INT1(sqr, (uint64_t)a * (uint64_t)a, a * a)
ELEM_VJP1(sqr, btl_mul(g, dy, btl_mul(g, NUM(2), x)))
ELEM_TEXT(sqr, ELEM_CODE_WRAPS("$0 * $0", "($U)$0 * ($U)$0"), ELEM_REFS(sqr), .cost = 1)
ELEM_OP(sqr, 1, "sqr(x)", "x * x", .promote = PROMOTE_COMMON, .vjp = sqr_vjp, .samples = btl_samples_number_1)

ELEM_REAL1(sqrt, arith_root(a))
ELEM_VJP1(sqrt, btl_mul(g, dy, btl_div(g, NUM(0.5), y)))
ELEM_REAL_OP(sqrt, "square root", "btl_sqrt$f($0)", 0, 5)

ELEM_REAL1(inv, arith_quotient(1, a))
ELEM_VJP1(inv, btl_neg(g, btl_mul(g, dy, btl_sqr(g, y))))
ELEM_REAL_OP(inv, "1 / x", "1 / $0", 0, 4)

/* ---- signs -------------------------------------------------------------------------------- */

ELEM_REAL1(neg, -a)
ELEM_INT1(neg, -(uint64_t)a, -a)
ELEM_VJP1(neg, btl_neg(g, dy))
ELEM_TEXT(neg, ELEM_CODE_WRAPS("-$0", "0 - ($U)$0"), ELEM_REFS(neg), .cost = 1)
ELEM_OP(neg, 1, "neg(x)", "-x", .promote = PROMOTE_COMMON, .vjp = neg_vjp, .samples = btl_samples_number_1)

ELEM_REAL1(abs, fabsl(a))
ELEM_INT1(abs, a < 0 ? -(uint64_t)a : (uint64_t)a, a)
ELEM_VJP1(abs, btl_mul(g, dy, btl_sign(g, x)))
ELEM_TEXT(abs, .code_float = "__builtin_fabs$f($0)", .code_signed = "($T)($0 < 0 ? 0 - ($U)$0 : ($U)$0)", .code_unsigned = "$0",
          .code_bool = "$0", ELEM_REFS(abs), .cost = 1)
ELEM_OP(abs, 1, "abs(x)", "magnitude; the least integer wraps to itself", .promote = PROMOTE_COMMON, .vjp = abs_vjp,
        .samples = btl_samples_1)

ELEM_REAL1(sign, a > 0 ? 1 : a < 0 ? -1 : a == 0 ? 0 : a)
ELEM_INT1(sign, (a > 0) - (a < 0), a != 0)
ELEM_TEXT(sign, .code_float = "$0 > 0 ? ($T)1 : $0 < 0 ? ($T)-1 : $0 == 0 ? ($T)0 : $0",
          .code_signed = "($0 > 0) - ($0 < 0)", .code_unsigned = "$0 != 0", ELEM_REFS(sign), .cost = 3)
ELEM_OP(sign, 1, "sign(x)", "-1, 0 or 1; NaN of NaN", .promote = PROMOTE_COMMON, .vjp = btl_vjp_zero,
        .samples = btl_samples_number_1)

ELEM_REAL1(identity, a)
ELEM_INT1(identity, a, a)
ELEM_VJP1(identity, dy)
ELEM_TEXT(identity, ELEM_CODE("$0"), ELEM_REFS(identity), .cost = 0)
ELEM_OP(identity, 1, "identity(x)", "x itself, in memory of its own", .promote = PROMOTE_NONE, .vjp = identity_vjp,
        .samples = btl_samples_1)

/* ---- rounding ----------------------------------------------------------------------------- */

/* Integers are rounded already. The derivative is 0, where there is one. */
#define ARITH_ROUNDING(name, doc_, text, reference)                                               \
    ELEM_REAL1(name, reference)                                                                   \
    ELEM_INT1(name, a, a)                                                                         \
    ELEM_TEXT(name, .code_float = text, ELEM_CODE_BITS("$0"), .code_bool = "$0", ELEM_REFS(name), .cost = 1) \
    ELEM_OP(name, 1, #name "(x)", doc_, .promote = PROMOTE_COMMON, .vjp = btl_vjp_zero, .samples = btl_samples_1)

ARITH_ROUNDING(ceil, "least integer not below x", "btl_ceil$f($0)", ceill(a))
ARITH_ROUNDING(floor, "greatest integer not above x", "btl_floor$f($0)", floorl(a))
ARITH_ROUNDING(trunc, "x without its fraction", "btl_trunc$f($0)", truncl(a))
ARITH_ROUNDING(round, "nearest integer, halves to the even one", "btl_round_even$f($0)", rintl(a))
ARITH_ROUNDING(round_half_away, "nearest integer, halves away from 0", "btl_round_away$f($0)", roundl(a))

/* ---- extremes ----------------------------------------------------------------------------- */

/* NaN in either operand gives NaN, as NumPy's. At a tie the first operand gets the whole gradient. */
ELEM_REAL2(maximum, a >= b || isnan(a) ? a : b)
ELEM_INT2(maximum, a >= b ? a : b, a >= b ? a : b)
ELEM_VJP2(maximum, btl_where(g, btl_ge(g, a, b), dy, NUM(0)), btl_where(g, btl_ge(g, a, b), NUM(0), dy))
ELEM_TEXT(maximum, .code_float = "$0 >= $1 || $0 != $0 ? $0 : $1", ELEM_CODE_BITS("$0 >= $1 ? $0 : $1"),
          .code_bool = "$0 | $1", ELEM_REFS(maximum), .cost = 2)
ELEM_OP(maximum, 2, "maximum(x, y)", "the larger of both; NaN if one is NaN", .promote = PROMOTE_COMMON,
        .vjp = maximum_vjp, .samples = btl_samples_2)

ELEM_REAL2(minimum, a <= b || isnan(a) ? a : b)
ELEM_INT2(minimum, a <= b ? a : b, a <= b ? a : b)
ELEM_VJP2(minimum, btl_where(g, btl_le(g, a, b), dy, NUM(0)), btl_where(g, btl_le(g, a, b), NUM(0), dy))
ELEM_TEXT(minimum, .code_float = "$0 <= $1 || $0 != $0 ? $0 : $1", ELEM_CODE_BITS("$0 <= $1 ? $0 : $1"),
          .code_bool = "$0 & $1", ELEM_REFS(minimum), .cost = 2)
ELEM_OP(minimum, 2, "minimum(x, y)", "the smaller of both; NaN if one is NaN", .promote = PROMOTE_COMMON,
        .vjp = minimum_vjp, .samples = btl_samples_2)

/* clip = minimum(maximum(x, lo), hi): hi wins where the bounds cross. */
#define CLIP(x, lo, hi) ((x) < (lo) ? ((lo) > (hi) ? (hi) : (lo)) : (x) > (hi) ? (hi) : (x))

static long double clip_real(const long double *x) {
    if (isnan(x[0]) || isnan(x[1]) || isnan(x[2])) return (long double)NAN;
    return CLIP(x[0], x[1], x[2]);
}

static int64_t clip_signed(const int64_t *x) {
    return CLIP(x[0], x[1], x[2]);
}

static uint64_t clip_unsigned(const uint64_t *x) {
    return CLIP(x[0], x[1], x[2]);
}

/* To x where it is inside the closed interval; to the bound that was taken elsewhere. */
static btl_status clip_vjp(btl_vjp *v) {
    btl_graph *g = v->g;
    btl_var *x = v->in[0], *lo = v->in[1], *hi = v->in[2], *dy = v->dout[0];
    btl_var *below = btl_lt(g, x, lo), *above = btl_gt(g, btl_maximum(g, x, lo), hi);
    btl_var *outside = btl_logical_or(g, below, above);
    if (v->need[0]) BTL_TRY(btl_vjp_give(v, 0, btl_where(g, outside, NUM(0), dy)));
    if (v->need[1]) {
        btl_var *taken = btl_logical_and(g, below, btl_logical_not(g, above));
        BTL_TRY(btl_vjp_give(v, 1, btl_where(g, taken, dy, NUM(0))));
    }
    return v->need[2] ? btl_vjp_give(v, 2, btl_where(g, above, dy, NUM(0))) : BTL_OK;
}

static const char *const clip_samples[] = {
    "x: f32[1000], lo: f32, hi: f32", "x: f32[0], lo: f32, hi: f32", "x: f64[3, 4], lo: f64[4], hi: f64[3, 1]",
    "x: f16[300], lo: f16, hi: f16", "x: bf16[300], lo: bf16, hi: bf16", "x: i32[100], lo: i32, hi: i32",
    "x: u8[100], lo: u8[100], hi: u8[100]", "x: i8[100], lo: i8, hi: i8", NULL
};

ELEM_TEXT(clip,
          .code_float = "$0 != $0 || $1 != $1 || $2 != $2 ? $0 + ($1 + $2) : "
                        "$0 < $1 ? ($1 > $2 ? $2 : $1) : $0 > $2 ? $2 : $0",
          ELEM_CODE_BITS("$0 < $1 ? ($1 > $2 ? $2 : $1) : $0 > $2 ? $2 : $0"), ELEM_REFS(clip), .cost = 4)
ELEM_OP(clip, 3, "clip(x, lo, hi)", "minimum(maximum(x, lo), hi)", .promote = PROMOTE_COMMON, .vjp = clip_vjp,
        .samples = clip_samples)
