/* realmath.c - functions of real numbers: exponentials, logarithms, angles, error and gamma functions.
 *
 * Integers and bool become f64 first. The texts are functions of vecmath.inc; max_ulp is what that
 * file promises for finite results. References are libm's long double functions, except for the
 * gamma family, which POSIX either lacks (psi) or gives a global side effect (lgamma's signgam).
 * Gradients use the result where that saves a function: y' of exp is y, of tanh 1 - y*y.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/elemwise.h"

#include "base/error.h"

#define PI 3.141592653589793238462643383279502884L
#define LN2 0.693147180559945309417232121458176568L
#define LN10 2.302585092994045684017991454684364208L

/* ---- log gamma and its derivative --------------------------------------------------------- */

/* zeta(k) - 1 for k = 2 … 43: the Taylor coefficients of log gamma at 2 (DLMF 5.7.3):
 *     log gamma(2 + z) = (1 - gamma) z + sum_{k>=2} (-1)^k (zeta(k) - 1) z^k / k,   |z| < 2.
 * For |z| <= 1/2 the first term left out is below 2^-88 of the sum. */
static const long double zeta_minus_1[] = {
    0.644934066848226436472415166646025189L, 0.202056903159594285399738161511449991L,
    0.0823232337111381915160036965411679028L, 0.0369277551433699263313654864570341681L,
    0.0173430619844491397145179297909205279L, 0.0083492773819228268397975498497967596L,
    0.00407735619794433937868523850865246526L, 0.00200839282608221441785276923241206049L,
    0.000994575127818085337145958900319017006L, 0.000494188604119464558702282526469936469L,
    0.00024608655330804829863799804773967096L, 0.000122713347578489146751836526357395714L,
    0.0000612481350587048292585451051353337475L, 0.0000305882363070204935517285106450625876L,
    0.0000152822594086518717325714876367220232L, 0.00000763719763789976227360029356302921309L,
    0.00000381729326499983985646164462193973045L, 0.00000190821271655393892565695779510135326L,
    0.000000953962033872796113152038683449345944L, 0.000000476932986787806463116719604373045966L,
    0.000000238450502727732990003648186752994935L, 0.000000119219925965311073067788718882326387L,
    0.0000000596081890512594796124402079358012275L, 0.0000000298035035146522801860637050693660118L,
    0.0000000149015548283650412346585066306986289L, 0.00000000745071178983542949198100417060411945L,
    0.00000000372533402478845705481920401840242323L, 0.00000000186265972351304900640390994541694806L,
    0.000000000931327432419668182871764735021219814L, 0.000000000465662906503378407298923325122007106L,
    0.000000000232831183367650549200145597594049502L, 0.000000000116415501727005197759297383545630952L,
    0.0000000000582077208790270088924368598910630542L, 0.0000000000291038504449709968692942522788404641L,
    0.000000000014551921891041984235929632245318421L, 7.27595983505748101452086901233805926e-12L,
    3.63797954737865119023723635587327351e-12L, 1.81898965030706594758483210073008503e-12L,
    9.09494784026388928253311838694908754e-13L, 4.54747378304215402679911202948857034e-13L,
    2.27373684582465251522682157797869121e-13L, 1.13686840768022784934910483802590644e-13L,
};
#define ONE_MINUS_EULER 0.422784335098467139393487909917597569L

/* log gamma(2 + z), |z| <= 1/2. Exact zeros at z = 0, hence accurate near them. */
static long double gamma_series(long double z) {
    int n = (int)(sizeof zeta_minus_1 / sizeof *zeta_minus_1);
    long double s = 0;
    for (int k = n + 1; k >= 2; k--) s = (k & 1 ? -1 : 1) * zeta_minus_1[k - 2] / k + z * s;
    return z * (ONE_MINUS_EULER + z * s);
}

/* B(2k), k = 1 …; over 2k (2k-1), over 2k: the tails of Stirling's series (DLMF 5.11.1-2). */
static const long double bernoulli[] = {
    1.0L / 6, -1.0L / 30, 1.0L / 42, -1.0L / 30, 5.0L / 66, -691.0L / 2730, 7.0L / 6, -3617.0L / 510,
    43867.0L / 798, -174611.0L / 330,
};
enum { NBERNOULLI = sizeof bernoulli / sizeof *bernoulli };

/* For x >= 20: the first term left out is below 2^-80. */
static long double gamma_stirling(long double x) {
    long double s = 0, z = 1 / (x * x);
    for (int k = NBERNOULLI; k >= 1; k--) s = bernoulli[k - 1] / (2 * k * (2 * k - 1)) + z * s;
    return (x - 0.5L) * logl(x) - x + 0.5L * logl(2 * PI) + s / x;
}

static long double gammaln_positive(long double x) {
    if (x >= 20) return gamma_stirling(x);
    if (x < 0.5L) return gamma_series(x) - log1pl(x) - logl(x);
    if (x < 1.5L) return gamma_series(x - 1) - log1pl(x - 1);
    long double product = 1;
    while (x > 2.5L) product *= x -= 1;
    return gamma_series(x - 2) + (product == 1 ? 0 : logl(product));
}

/* sin(pi x) for the fraction of x alone, which keeps its zeros exact. */
static long double gamma_sinpi(long double x) {
    long double r = x - 2 * rintl(x / 2);
    return fabsl(r) > 0.5L ? copysignl(sinl(PI * (1 - fabsl(r))), r) : sinl(PI * r);
}

/* log |gamma(x)|; negative x by reflection, |gamma(x) gamma(-x)| = pi / |x sin(pi x)|. */
static long double realmath_gammaln(long double x) {
    if (isinf(x)) return (long double)INFINITY;
    if (isnan(x) || x > 0) return isnan(x) ? x : gammaln_positive(x);
    if (x == floorl(x)) return (long double)INFINITY;
    return logl(PI / fabsl(x * gamma_sinpi(x))) - gammaln_positive(-x);
}

/* psi's positive zero in two parts; psi(zero_hi + zero_lo) = 0. */
#define PSI_ZERO_HI 0x1.762d86356be3fp+0L
static const long double psi_zero_lo = 9.54999542996569771518419907596705089e-17L;

/* psi(x) near its zero x0 as a sum of differences, none of which cancels:
 *     psi(x) = [psi(x+n) - psi(x0+n)] + sum_{k<n} (x-x0) / ((x+k) (x0+k)). */
static long double psi_near_zero(long double x) {
    enum { SHIFT = 20 };
    long double d = (x - PSI_ZERO_HI) - psi_zero_lo, a = x + SHIFT, b = PSI_ZERO_HI + SHIFT;
    long double ratio = log1pl(d / b), sum = ratio + d / (2 * a * b);
    for (int k = 1; k <= NBERNOULLI; k++)
        sum -= bernoulli[k - 1] / (2 * k) * powl(b, -2 * k) * expm1l(-2 * k * ratio);
    for (int k = 0; k < SHIFT; k++) sum += d / ((x + k) * (PSI_ZERO_HI + k));
    return sum;
}

static long double psi_positive(long double x) {
    if (fabsl(x - PSI_ZERO_HI) < 0.5L) return psi_near_zero(x);
    long double sum = 0, s = 0;
    for (; x < 20; x += 1) sum -= 1 / x;
    long double z = 1 / (x * x);
    for (int k = NBERNOULLI; k >= 1; k--) s = bernoulli[k - 1] / (2 * k) + z * s;
    return sum + logl(x) - 0.5L / x - z * s;
}

/* psi(1 - x) - psi(x) = pi / tan(pi x); poles at 0, -1, -2, … have no sign of their own. */
static long double realmath_psi(long double x) {
    if (isnan(x) || x > 0) return isnan(x) ? x : isinf(x) ? x : psi_positive(x);
    if (x == 0) return copysignl((long double)INFINITY, -x);
    if (x == floorl(x)) return (long double)NAN;
    long double r = x - rintl(x);
    return psi_positive(1 - x) - PI / tanl(PI * r);
}

/* ---- exponentials and logarithms ---------------------------------------------------------- */

ELEM_REAL1(exp, expl(a))
ELEM_VJP1(exp, btl_mul(g, dy, y))
ELEM_REAL_OP(exp, "e to the power x", "btl_exp$f($0)", 1.5, 12)

ELEM_REAL1(exp2, exp2l(a))
ELEM_VJP1(exp2, btl_mul(g, dy, btl_mul(g, y, NUM((double)LN2))))
ELEM_REAL_OP(exp2, "2 to the power x", "btl_exp2$f($0)", 2.5, 12)

ELEM_REAL1(expm1, expm1l(a))
ELEM_VJP1(expm1, btl_mul(g, dy, btl_add(g, y, NUM(1))))
ELEM_REAL_OP(expm1, "exp(x) - 1, accurate near 0", "btl_expm1$f($0)", 2.5, 16)

ELEM_REAL1(log, logl(a))
ELEM_VJP1(log, btl_div(g, dy, x))
ELEM_REAL_OP(log, "natural logarithm", "btl_log$f($0)", 1.5, 14)

ELEM_REAL1(log2, log2l(a))
ELEM_VJP1(log2, btl_div(g, dy, btl_mul(g, x, NUM((double)LN2))))
ELEM_REAL_OP(log2, "logarithm to base 2", "btl_log2$f($0)", 2.5, 16)

ELEM_REAL1(log10, log10l(a))
ELEM_VJP1(log10, btl_div(g, dy, btl_mul(g, x, NUM((double)LN10))))
ELEM_REAL_OP(log10, "logarithm to base 10", "btl_log10$f($0)", 2.5, 16)

ELEM_REAL1(log1p, log1pl(a))
ELEM_VJP1(log1p, btl_div(g, dy, btl_add(g, x, NUM(1))))
ELEM_REAL_OP(log1p, "log(1 + x), accurate near 0", "btl_log1p$f($0)", 2.5, 16)

/* ---- angles ------------------------------------------------------------------------------- */

ELEM_REAL1(sin, sinl(a))
ELEM_VJP1(sin, btl_mul(g, dy, btl_cos(g, x)))
ELEM_REAL_OP_NEAR(sin, "sine of an angle in radians", "btl_sin$f($0)", 1.5, 25, "btl_sin_mid$f($0)", 0x1p18, 0x1p25)

ELEM_REAL1(cos, cosl(a))
ELEM_VJP1(cos, btl_neg(g, btl_mul(g, dy, btl_sin(g, x))))
ELEM_REAL_OP_NEAR(cos, "cosine of an angle in radians", "btl_cos$f($0)", 1.5, 25, "btl_cos_mid$f($0)", 0x1p18, 0x1p25)

ELEM_REAL1(tan, tanl(a))
ELEM_VJP1(tan, btl_mul(g, dy, btl_add(g, btl_sqr(g, y), NUM(1))))
ELEM_REAL_OP_NEAR(tan, "tangent of an angle in radians", "btl_tan$f($0)", 2.5, 30, "btl_tan_mid$f($0)", 0x1p18, 0x1p25)

/* (1-x)(1+x) keeps the digits that 1 - x*x loses near 1. */
static btl_var *one_minus_square(btl_graph *g, btl_var *x) {
    return btl_mul(g, btl_sub(g, NUM(1), x), btl_add(g, NUM(1), x));
}

static btl_var *one_plus_square(btl_graph *g, btl_var *x) {
    return btl_add(g, btl_sqr(g, x), NUM(1));
}

ELEM_REAL1(arcsin, asinl(a))
ELEM_VJP1(arcsin, btl_div(g, dy, btl_sqrt(g, one_minus_square(g, x))))
ELEM_REAL_OP(arcsin, "angle of that sine, in [-pi/2, pi/2]", "btl_asin$f($0)", 2.5, 25)

ELEM_REAL1(arccos, acosl(a))
ELEM_VJP1(arccos, btl_neg(g, btl_div(g, dy, btl_sqrt(g, one_minus_square(g, x)))))
ELEM_REAL_OP(arccos, "angle of that cosine, in [0, pi]", "btl_acos$f($0)", 2.5, 25)

ELEM_REAL1(arctan, atanl(a))
ELEM_VJP1(arctan, btl_div(g, dy, one_plus_square(g, x)))
ELEM_REAL_OP(arctan, "angle of that tangent, in [-pi/2, pi/2]", "btl_atan$f($0)", 2.5, 25)

/* a is the ordinate, b the abscissa. */
static btl_var *arctan2_scale(btl_graph *g, btl_var *dy, btl_var *a, btl_var *b) {
    return btl_div(g, dy, btl_add(g, btl_sqr(g, a), btl_sqr(g, b)));
}

ELEM_REAL2(arctan2, atan2l(a, b))
ELEM_VJP2(arctan2, btl_mul(g, b, arctan2_scale(g, dy, a, b)), btl_neg(g, btl_mul(g, a, arctan2_scale(g, dy, a, b))))
ELEM_TEXT(arctan2, .code_float = "btl_atan2$f($0, $1)", .real = arctan2_real, .max_ulp = 2.5, .cost = 35)
ELEM_OP(arctan2, 2, "arctan2(y, x)", "angle of the point (x, y), in [-pi, pi]", .promote = PROMOTE_REAL,
        .vjp = arctan2_vjp, .samples = btl_samples_float_2)

ELEM_REAL1(deg2rad, a * (PI / 180))
ELEM_VJP1(deg2rad, btl_mul(g, dy, NUM((double)(PI / 180))))
ELEM_REAL_OP(deg2rad, "degrees to radians", "$0 * ($T)0x1.1df46a2529d39p-6", 2, 1)

ELEM_REAL1(rad2deg, a * (180 / PI))
ELEM_VJP1(rad2deg, btl_mul(g, dy, NUM((double)(180 / PI))))
ELEM_REAL_OP(rad2deg, "radians to degrees", "$0 * ($T)0x1.ca5dc1a63c1f8p+5", 2, 1)

/* ---- hyperbolic functions ----------------------------------------------------------------- */

ELEM_REAL1(sinh, sinhl(a))
ELEM_VJP1(sinh, btl_mul(g, dy, btl_cosh(g, x)))
ELEM_REAL_OP(sinh, "hyperbolic sine", "btl_sinh$f($0)", 2.5, 25)

ELEM_REAL1(cosh, coshl(a))
ELEM_VJP1(cosh, btl_mul(g, dy, btl_sinh(g, x)))
ELEM_REAL_OP(cosh, "hyperbolic cosine", "btl_cosh$f($0)", 2.5, 25)

ELEM_REAL1(tanh, tanhl(a))
ELEM_VJP1(tanh, btl_mul(g, dy, btl_sub(g, NUM(1), btl_sqr(g, y))))
ELEM_REAL_OP(tanh, "hyperbolic tangent", "btl_tanh$f($0)", 1.5, 20)

ELEM_REAL1(arcsinh, asinhl(a))
ELEM_VJP1(arcsinh, btl_div(g, dy, btl_sqrt(g, one_plus_square(g, x))))
ELEM_REAL_OP(arcsinh, "inverse hyperbolic sine", "btl_asinh$f($0)", 2.5, 30)

ELEM_REAL1(arccosh, acoshl(a))
ELEM_VJP1(arccosh, btl_div(g, dy, btl_mul(g, btl_sqrt(g, btl_sub(g, x, NUM(1))), btl_sqrt(g, btl_add(g, x, NUM(1))))))
ELEM_REAL_OP(arccosh, "inverse hyperbolic cosine", "btl_acosh$f($0)", 2.5, 30)

ELEM_REAL1(arctanh, atanhl(a))
ELEM_VJP1(arctanh, btl_div(g, dy, one_minus_square(g, x)))
ELEM_REAL_OP(arctanh, "inverse hyperbolic tangent", "btl_atanh$f($0)", 2.5, 25)

/* ---- error and gamma functions ------------------------------------------------------------ */

/* 2/sqrt(pi) exp(-x*x) */
static btl_var *erf_slope(btl_graph *g, btl_var *x) {
    return btl_mul(g, NUM(1.12837916709551257390), btl_exp(g, btl_neg(g, btl_sqr(g, x))));
}

ELEM_REAL1(erf, erfl(a))
ELEM_VJP1(erf, btl_mul(g, dy, erf_slope(g, x)))
ELEM_REAL_OP(erf, "error function", "btl_erf$f($0)", 1.5, 25)

ELEM_REAL1(erfc, erfcl(a))
ELEM_VJP1(erfc, btl_neg(g, btl_mul(g, dy, erf_slope(g, x))))
ELEM_REAL_OP(erfc, "1 - erf(x), accurate for large x", "btl_erfc$f($0)", 2.5, 35)

ELEM_REAL1(gammaln, realmath_gammaln(a))
ELEM_VJP1(gammaln, btl_mul(g, dy, btl_psi(g, x)))
ELEM_REAL_OP(gammaln, "log of the magnitude of gamma(x)", "btl_gammaln$f($0)", 4, 60)

/* No vjp: the trigamma function is not there yet, and asking for it names this op. */
ELEM_REAL1(psi, realmath_psi(a))
ELEM_TEXT(psi, .code_float = "btl_digamma$f($0)", .real = psi_real, .max_ulp = 4, .cost = 60)
ELEM_OP(psi, 1, "psi(x)", "digamma function, the derivative of gammaln", .promote = PROMOTE_REAL,
        .samples = btl_samples_float_1)
