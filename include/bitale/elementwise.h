/* elementwise.h - arithmetic, functions of reals, comparisons, bits, casts, reductions, softmax.
 *
 * Elementwise builders broadcast as NumPy does over sizes known to be 1 and promote as NumPy 2 does;
 * literals (btl_number, btl_integer) take the dtype of the other operand. Functions of a real make f64 of
 * integers and bool. All return NULL on a mistake, which the graph records (BTL_ESHAPE where sizes do
 * not fit, BTL_EDTYPE where a dtype has no such operation), and for NULL operands, silently; the results
 * belong to the graph. What "Error" says is the largest one of the compiled code, in units in the last
 * place, against the exact value of the rounded operands. Thread rule, for all of them: the graph's.
 * Since 0.1, all of them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_ELEMENTWISE_H
#define BITALE_ELEMENTWISE_H

#include "bitale/expr.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- arithmetic ------------------------------------------------------------------------------ */

/** x + y, `x + y`. On bool: or. Integers wrap.
 * Gradient:    dy to both.   Cost: 1.   Error: correctly rounded.   Memory: may overwrite an operand. */
BTL_API btl_var *btl_add(btl_graph *g, btl_var *x, btl_var *y);

/** x - y, `x - y`. BTL_EDTYPE for bool (use ^).
 * Gradient:    dy, -dy.   Error: correctly rounded. */
BTL_API btl_var *btl_sub(btl_graph *g, btl_var *x, btl_var *y);

/** x * y, `x * y`. On bool: and. Integers wrap.
 * Gradient:    dy*y, dy*x.   Error: correctly rounded. */
BTL_API btl_var *btl_mul(btl_graph *g, btl_var *x, btl_var *y);

/** x / y, `x / y`. Of integers: f64.
 * Gradient:    dy/y, -dy*(x/y)/y.   Error: correctly rounded. */
BTL_API btl_var *btl_div(btl_graph *g, btl_var *x, btl_var *y);

/** floor(x / y), `x // y`, as Python's. By integer 0: 0. Floats as NumPy's floor_divide.
 * Gradient:    zeros.   Error: 2 ulp; exact for quotients below 2^51 (f32: 2^24). */
BTL_API btl_var *btl_floordiv(btl_graph *g, btl_var *x, btl_var *y);

/** x - y * floor(x / y), `x % y`: what // leaves, with y's sign. By integer 0: 0.
 * Gradient:    dy, -dy*(x // y).   Error: correctly rounded. */
BTL_API btl_var *btl_mod(btl_graph *g, btl_var *x, btl_var *y);

/** x to the power y, `x ** y`. Integers wrap; to a negative power they are 0, but for 1 and -1.
 * Gradient:    dy*y*x^(y-1), and dy*x^y*log(x) where x > 0, else 0.   Error: 2.5 ulp. */
BTL_API btl_var *btl_pow(btl_graph *g, btl_var *x, btl_var *y);

/** -x. BTL_EDTYPE for bool (use ~). Gradient: -dy. */
BTL_API btl_var *btl_neg(btl_graph *g, btl_var *x);

/** Magnitude. The least integer wraps to itself. Gradient: dy*sign(x), 0 at 0. */
BTL_API btl_var *btl_abs(btl_graph *g, btl_var *x);

/** -1, 0 or 1; NaN of NaN. Gradient: zeros. */
BTL_API btl_var *btl_sign(btl_graph *g, btl_var *x);

/** x * x. Gradient: 2*x*dy. Error: correctly rounded. */
BTL_API btl_var *btl_sqr(btl_graph *g, btl_var *x);

/** Square root; NaN below 0. Gradient: dy*0.5/y, infinite at 0. Error: correctly rounded. */
BTL_API btl_var *btl_sqrt(btl_graph *g, btl_var *x);

/** 1 / x; of integers f64. Gradient: -dy*y*y. Error: correctly rounded. */
BTL_API btl_var *btl_inv(btl_graph *g, btl_var *x);

/** x itself, in memory of its own. Gradient: dy. */
BTL_API btl_var *btl_identity(btl_graph *g, btl_var *x);

/** Least integer not below x; integers stay integers, as in the four below. Gradient: zeros. */
BTL_API btl_var *btl_ceil(btl_graph *g, btl_var *x);

/** Greatest integer not above x. Gradient: zeros. */
BTL_API btl_var *btl_floor(btl_graph *g, btl_var *x);

/** x without its fraction. Gradient: zeros. */
BTL_API btl_var *btl_trunc(btl_graph *g, btl_var *x);

/** Nearest integer, halves to the even one. Gradient: zeros. */
BTL_API btl_var *btl_round(btl_graph *g, btl_var *x);

/** Nearest integer, halves away from 0. Gradient: zeros. */
BTL_API btl_var *btl_round_half_away(btl_graph *g, btl_var *x);

/** The larger of x and y; NaN if one is NaN.
 * Gradient:    dy to x where x >= y, else to y. */
BTL_API btl_var *btl_maximum(btl_graph *g, btl_var *x, btl_var *y);

/** The smaller of x and y; NaN if one is NaN.
 * Gradient:    dy to x where x <= y, else to y. */
BTL_API btl_var *btl_minimum(btl_graph *g, btl_var *x, btl_var *y);

/** minimum(maximum(x, lo), hi): hi wins where the bounds cross.
 * Gradient:    to x inside the closed interval, else to the bound taken. */
BTL_API btl_var *btl_clip(btl_graph *g, btl_var *x, btl_var *lo, btl_var *hi);

/* ---- functions of a real --------------------------------------------------------------------- */

/** e to the power x. Gradient: dy*y (keeps y, drops x). Error: 1.5 ulp. */
BTL_API btl_var *btl_exp(btl_graph *g, btl_var *x);

/** 2 to the power x. Gradient: dy*y*log(2). Error: 2.5 ulp. */
BTL_API btl_var *btl_exp2(btl_graph *g, btl_var *x);

/** exp(x) - 1, accurate near 0. Gradient: dy*(y+1). Error: 2.5 ulp. */
BTL_API btl_var *btl_expm1(btl_graph *g, btl_var *x);

/** Natural logarithm; -inf at 0, NaN below. Gradient: dy/x. Error: 1.5 ulp. */
BTL_API btl_var *btl_log(btl_graph *g, btl_var *x);

/** Logarithm to base 2. Gradient: dy/(x*log(2)). Error: 2.5 ulp. */
BTL_API btl_var *btl_log2(btl_graph *g, btl_var *x);

/** Logarithm to base 10. Gradient: dy/(x*log(10)). Error: 2.5 ulp. */
BTL_API btl_var *btl_log10(btl_graph *g, btl_var *x);

/** log(1 + x), accurate near 0. Gradient: dy/(1+x). Error: 2.5 ulp. */
BTL_API btl_var *btl_log1p(btl_graph *g, btl_var *x);

/** Sine. Gradient: dy*cos(x). Error: 1.5 ulp, for every x. */
BTL_API btl_var *btl_sin(btl_graph *g, btl_var *x);

/** Cosine. Gradient: -dy*sin(x). Error: 1.5 ulp, for every x. */
BTL_API btl_var *btl_cos(btl_graph *g, btl_var *x);

/** Tangent. Gradient: dy*(1+y*y). Error: 2.5 ulp. */
BTL_API btl_var *btl_tan(btl_graph *g, btl_var *x);

/** Angle in [-pi/2, pi/2] of that sine; NaN outside [-1, 1]. Gradient: dy/sqrt(1-x*x). Error: 2.5 ulp. */
BTL_API btl_var *btl_arcsin(btl_graph *g, btl_var *x);

/** Angle in [0, pi] of that cosine; NaN outside [-1, 1]. Gradient: -dy/sqrt(1-x*x). Error: 2.5 ulp. */
BTL_API btl_var *btl_arccos(btl_graph *g, btl_var *x);

/** Angle in [-pi/2, pi/2] of that tangent. Gradient: dy/(1+x*x). Error: 2.5 ulp. */
BTL_API btl_var *btl_arctan(btl_graph *g, btl_var *x);

/** Angle in [-pi, pi] of the point with ordinate y and abscissa x; signed zeros as in C.
 * Gradient:    dy*x/(x*x+y*y), -dy*y/(x*x+y*y).   Error: 2.5 ulp. */
BTL_API btl_var *btl_arctan2(btl_graph *g, btl_var *y, btl_var *x);

/** Degrees to radians. Error: 2 ulp. */
BTL_API btl_var *btl_deg2rad(btl_graph *g, btl_var *x);

/** Radians to degrees. Error: 2 ulp. */
BTL_API btl_var *btl_rad2deg(btl_graph *g, btl_var *x);

/** Hyperbolic sine. Gradient: dy*cosh(x). Error: 2.5 ulp. */
BTL_API btl_var *btl_sinh(btl_graph *g, btl_var *x);

/** Hyperbolic cosine. Gradient: dy*sinh(x). Error: 2.5 ulp. */
BTL_API btl_var *btl_cosh(btl_graph *g, btl_var *x);

/** Hyperbolic tangent. Gradient: dy*(1-y*y). Error: 1.5 ulp. */
BTL_API btl_var *btl_tanh(btl_graph *g, btl_var *x);

/** Inverse hyperbolic sine. Gradient: dy/sqrt(x*x+1). Error: 2.5 ulp. */
BTL_API btl_var *btl_arcsinh(btl_graph *g, btl_var *x);

/** Inverse hyperbolic cosine; NaN below 1. Gradient: dy/sqrt(x*x-1). Error: 2.5 ulp. */
BTL_API btl_var *btl_arccosh(btl_graph *g, btl_var *x);

/** Inverse hyperbolic tangent; NaN outside [-1, 1]. Gradient: dy/(1-x*x). Error: 2.5 ulp. */
BTL_API btl_var *btl_arctanh(btl_graph *g, btl_var *x);

/** Error function. Gradient: dy*2/sqrt(pi)*exp(-x*x). Error: 1.5 ulp. */
BTL_API btl_var *btl_erf(btl_graph *g, btl_var *x);

/** 1 - erf(x), accurate for large x. Gradient: that of -erf. Error: 2.5 ulp. */
BTL_API btl_var *btl_erfc(btl_graph *g, btl_var *x);

/** log |gamma(x)|; inf at 0, -1, -2, …
 * Gradient:    dy*psi(x).   Error: 4 ulp for x > 0; below 0, 4 ulp of max(1, |y|). */
BTL_API btl_var *btl_gammaln(btl_graph *g, btl_var *x);

/** Digamma function, the derivative of gammaln.
 * Gradient:    none yet: BTL_EGRAD.   Error: 4 ulp of max(1, |y|). */
BTL_API btl_var *btl_psi(btl_graph *g, btl_var *x);

/* ---- between layers and in losses ------------------------------------------------------------ */

/** 1 / (1 + exp(-x)). Gradient: dy*y*(1-y). Error: 1.5 ulp. */
BTL_API btl_var *btl_sigmoid(btl_graph *g, btl_var *x);

/** log(1 + exp(x)), without overflow. Gradient: dy*sigmoid(x). Error: 2.5 ulp. */
BTL_API btl_var *btl_softplus(btl_graph *g, btl_var *x);

/** x / (1 + |x|). Gradient: dy/(1+|x|)^2. Error: 2 ulp. */
BTL_API btl_var *btl_softsign(btl_graph *g, btl_var *x);

/** 0.2*x + 0.5 between 0 and 1. Gradient: 0.2*dy inside, 0 outside. */
BTL_API btl_var *btl_hard_sigmoid(btl_graph *g, btl_var *x);

/** x where x > 0, else alpha*x; NaN of NaN. Integers stay integers if alpha is 0.
 * Gradient:    dy where x > 0, else alpha*dy: alpha at 0 itself. */
BTL_API btl_var *btl_relu(btl_graph *g, btl_var *x, double alpha);

/** x where x > 0, else alpha*(exp(x) - 1).
 * Gradient:    dy where x > 0, else alpha*exp(x)*dy. */
BTL_API btl_var *btl_elu(btl_graph *g, btl_var *x, double alpha);

/** x*Phi(x), Phi the normal distribution: x*erfc(-x/sqrt(2))/2, accurate for large negative x, too. With `approximate`
 * 0.5*x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x^3))), which differs from it by up to 5e-4.
 * Gradient:    dy*(Phi(x) + x*exp(-x*x/2)/sqrt(2*pi)); that of the other expression.   Error: 4 ulp.
 * Source:      Hendrycks & Gimpel (2016), Gaussian Error Linear Units. */
BTL_API btl_var *btl_gelu(btl_graph *g, btl_var *x, bool approximate);

/** x*log(x), 0 at 0. Gradient: dy*(1+log(x)). Error: 4 ulp. */
BTL_API btl_var *btl_xlogx(btl_graph *g, btl_var *x);

/** x*log(y), 0 where x is 0, whatever y.
 * Gradient:    dy*log(y), dy*x/y (0 where x is 0).   Error: 4 ulp. */
BTL_API btl_var *btl_xlogy0(btl_graph *g, btl_var *x, btl_var *y);

/** log(exp(x) + exp(y)), without overflow.
 * Gradient:    dy*exp(x-result), dy*exp(y-result). */
BTL_API btl_var *btl_logaddexp(btl_graph *g, btl_var *x, btl_var *y);

/** -(t*log(p) + (1-t)*log(1-p)), element by element, for probabilities p and targets t.
 * Gradient:    to both; (p-t)/(p*(1-p)) to p. */
BTL_API btl_var *btl_binary_crossentropy(btl_graph *g, btl_var *p, btl_var *t);

/** -log(p[arange(n), t]) for p[n, k] and class numbers t[n], or -sum(t*log(p)) along the last axis for
 * distributions t of p's shape. BTL_ESHAPE otherwise; at the call BTL_EINDEX for a class out of range.
 * Gradient:    follows from the expressions. With p = softmax(x) the rewriter makes the stable form of it. */
BTL_API btl_var *btl_categorical_crossentropy(btl_graph *g, btl_var *p, btl_var *t);

/* ---- comparisons and choosing ---------------------------------------------------------------- */

/* bool results; every comparison with NaN is false but ne. No gradient flows through them. */

/** `x < y`. */
BTL_API btl_var *btl_lt(btl_graph *g, btl_var *x, btl_var *y);

/** `x > y`. */
BTL_API btl_var *btl_gt(btl_graph *g, btl_var *x, btl_var *y);

/** `x <= y`. */
BTL_API btl_var *btl_le(btl_graph *g, btl_var *x, btl_var *y);

/** `x >= y`. */
BTL_API btl_var *btl_ge(btl_graph *g, btl_var *x, btl_var *y);

/** `x == y`. */
BTL_API btl_var *btl_eq(btl_graph *g, btl_var *x, btl_var *y);

/** `x != y`. */
BTL_API btl_var *btl_ne(btl_graph *g, btl_var *x, btl_var *y);

/** Is it not a number? Integers never are. */
BTL_API btl_var *btl_isnan(btl_graph *g, btl_var *x);

/** Is it infinite, of either sign? */
BTL_API btl_var *btl_isinf(btl_graph *g, btl_var *x);

/** Is it neither infinite nor NaN? */
BTL_API btl_var *btl_isfinite(btl_graph *g, btl_var *x);

/** `x and y`, of bool alone: BTL_EDTYPE otherwise (compare a number with 0). */
BTL_API btl_var *btl_logical_and(btl_graph *g, btl_var *x, btl_var *y);

/** `x or y`, of bool alone. */
BTL_API btl_var *btl_logical_or(btl_graph *g, btl_var *x, btl_var *y);

/** `not x`, of bool alone. */
BTL_API btl_var *btl_logical_not(btl_graph *g, btl_var *x);

/** x where c, else y; both are computed. c must be bool.
 * Gradient:    dy where it was chosen, zeros elsewhere: nothing wrong with the other side gets through. */
BTL_API btl_var *btl_where(btl_graph *g, btl_var *c, btl_var *x, btl_var *y);

/* ---- bits ------------------------------------------------------------------------------------ */

/* Of integers and bool; BTL_EDTYPE for floats. No gradient flows through them. */

/** `x & y`: bits set in both. */
BTL_API btl_var *btl_bitand(btl_graph *g, btl_var *x, btl_var *y);

/** `x | y`: bits set in one at least. */
BTL_API btl_var *btl_bitor(btl_graph *g, btl_var *x, btl_var *y);

/** `x ^ y`: bits set in one alone. */
BTL_API btl_var *btl_bitxor(btl_graph *g, btl_var *x, btl_var *y);

/** `~x`: every bit turned; on bool: not. */
BTL_API btl_var *btl_invert(btl_graph *g, btl_var *x);

/** `x << n`; 0 for n < 0 and n >= the width. BTL_EDTYPE for bool, as btl_shr. */
BTL_API btl_var *btl_shl(btl_graph *g, btl_var *x, btl_var *n);

/** `x >> n`, the sign stays; 0 for n < 0, and for n >= the width 0 or the sign. */
BTL_API btl_var *btl_shr(btl_graph *g, btl_var *x, btl_var *n);

/* ---- casts ----------------------------------------------------------------------------------- */

/** x as another element type: rounded once to nearest; integers wrap into narrower ones; a float that does
 * not fit an integer saturates, NaN gives 0. x itself if it has that type.
 * Gradient:    cast back between floats; none through integers and bool. */
BTL_API btl_var *btl_cast(btl_graph *g, btl_var *x, btl_dtype dtype);

/** The notation's casts: `f32(x)` and the like; as btl_cast. */
BTL_API btl_var *btl_bool(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_i8(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_i16(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_i32(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_i64(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_u8(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_u16(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_u32(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_u64(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_f16(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_bf16(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_f32(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_f64(btl_graph *g, btl_var *x);

/* ---- reductions ------------------------------------------------------------------------------ */

/* Over the axes given: naxes of them, each -rank(x) <= axis < rank(x), none twice; naxes -1 means all. These
 * two stand for both arguments: btl_sum(g, x, BTL_ALL_AXES, false), btl_sum(g, x, BTL_AXES(0, 1), true).
 * keepdims: reduced axes stay as axes of size 1. BTL_ESHAPE for an axis that is not there, BTL_EVALUE for one given
 * twice. The order of the additions is fixed (docs/DESIGN.md): the same bits on any number of threads. */
#define BTL_ALL_AXES (-1), NULL
#define BTL_AXES(...) (int)(sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int)), (const int[]){ __VA_ARGS__ }

/** Sum; of integers and bool in i64 (u64 of unsigned), of f16 and bf16 computed in f32. 0 of nothing.
 * Gradient:    dy spread over the axes.   Cost: one read and addition per element. */
BTL_API btl_var *btl_sum(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

/** Product, in the types of btl_sum. 1 of nothing.
 * Gradient:    dy times the product of the others, right where some are 0. */
BTL_API btl_var *btl_prod(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

/** Largest; NaN if one is NaN. Of nothing: BTL_EVALUE at the call.
 * Gradient:    dy to every element that equals the largest (as Theano: at ties the sum is more than dy). */
BTL_API btl_var *btl_max(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

/** Smallest; otherwise as btl_max. */
BTL_API btl_var *btl_min(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

/** Is one not 0 (or NaN)? bool; false of nothing. No gradient. */
BTL_API btl_var *btl_any(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

/** Is none 0? bool; true of nothing. No gradient. */
BTL_API btl_var *btl_all(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

/** Mean; of integers f64, of f16 and bf16 computed in f32. NaN of nothing.
 * Gradient:    dy/n. */
BTL_API btl_var *btl_mean(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

/** Variance, `var(x)` in the notation: the mean of squared differences from the mean, over n - ddof. In two
 * passes: values far from 0 cost no digits.
 * Gradient:    2*(x-mean)*dy/(n-ddof). */
BTL_API btl_var *btl_variance(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims, int ddof);

/** Standard deviation, the root of btl_variance.
 * Gradient:    as that; NaN where all elements are equal. */
BTL_API btl_var *btl_std(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims, int ddof);

/** (sum |x|^ord)^(1/ord) over the axes, taken as one vector (a matrix too: Frobenius for ord 2); ord INFINITY is the
 * largest magnitude, 0 how many are not 0.
 * Gradient:    follows from the expression; NaN at 0 for ord 2. */
BTL_API btl_var *btl_norm(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims, double ord);

/** max - min. Gradient: that of both. */
BTL_API btl_var *btl_ptp(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

/** How many are not 0: i64. No gradient. */
BTL_API btl_var *btl_count_nonzero(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

/** i64 index of the first largest along one axis (naxes 1), or in row-major order of all (BTL_ALL_AXES); the first NaN
 * wins over all. Of nothing: BTL_EVALUE at the call. No gradient. */
BTL_API btl_var *btl_argmax(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

/** Index of the first smallest; otherwise as btl_argmax. */
BTL_API btl_var *btl_argmin(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

/* ---- softmax --------------------------------------------------------------------------------- */

/** exp(x) / sum(exp(x)) along one axis, computed without overflow.
 *
 * @param x     floating point or integers (then f64), rank >= 1
 * @param axis  -rank(x) <= axis < rank(x)
 * @return      x's shape; rows along `axis` sum to 1 within n ulp. BTL_ESHAPE (axis).
 * Gradient:    keeps y and drops x.   Cost: 3n reads, n exp.   Memory: may overwrite x.
 * Source:      Blanchard, Higham & Higham (2021).   See: btl_log_softmax, btl_logsumexp. */
BTL_API btl_var *btl_softmax(btl_graph *g, btl_var *x, int axis);

/** log(softmax(x)) along one axis, without overflow or log(0).
 * Gradient:    dy - exp(y)*sum(dy). */
BTL_API btl_var *btl_log_softmax(btl_graph *g, btl_var *x, int axis);

/** log(sum(exp(x))), without overflow; -inf where all are -inf. Of nothing: BTL_EVALUE at the call.
 * Gradient:    dy*exp(x-y), the softmax. */
BTL_API btl_var *btl_logsumexp(btl_graph *g, btl_var *x, int naxes, const int *axes, bool keepdims);

/* ---- other names ----------------------------------------------------------------------------- */

/* NumPy's other names of the same operations, and Theano's sgn. */
BTL_API btl_var *btl_negative(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_absolute(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_sgn(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_square(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_reciprocal(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_degrees(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_radians(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_digamma(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_bitwise_not(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_subtract(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_multiply(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_divide(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_true_divide(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_floor_divide(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_remainder(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_power(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_less(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_greater(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_less_equal(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_greater_equal(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_equal(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_not_equal(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_bitwise_and(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_bitwise_or(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_bitwise_xor(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_left_shift(btl_graph *g, btl_var *x, btl_var *y);
BTL_API btl_var *btl_right_shift(btl_graph *g, btl_var *x, btl_var *y);

/* The same, recording the place of the call. */
#if !defined BTL_NO_SITES && !defined __cplusplus
#define btl_add(g, ...) (btl_add)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_sub(g, ...) (btl_sub)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_mul(g, ...) (btl_mul)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_div(g, ...) (btl_div)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_floordiv(g, ...) (btl_floordiv)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_mod(g, ...) (btl_mod)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_pow(g, ...) (btl_pow)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_neg(g, ...) (btl_neg)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_abs(g, ...) (btl_abs)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_sign(g, ...) (btl_sign)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_sqr(g, ...) (btl_sqr)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_sqrt(g, ...) (btl_sqrt)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_inv(g, ...) (btl_inv)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_identity(g, ...) (btl_identity)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_ceil(g, ...) (btl_ceil)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_floor(g, ...) (btl_floor)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_trunc(g, ...) (btl_trunc)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_round(g, ...) (btl_round)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_round_half_away(g, ...) (btl_round_half_away)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_maximum(g, ...) (btl_maximum)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_minimum(g, ...) (btl_minimum)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_clip(g, ...) (btl_clip)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_exp(g, ...) (btl_exp)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_exp2(g, ...) (btl_exp2)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_expm1(g, ...) (btl_expm1)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_log(g, ...) (btl_log)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_log2(g, ...) (btl_log2)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_log10(g, ...) (btl_log10)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_log1p(g, ...) (btl_log1p)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_sin(g, ...) (btl_sin)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_cos(g, ...) (btl_cos)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_tan(g, ...) (btl_tan)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_arcsin(g, ...) (btl_arcsin)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_arccos(g, ...) (btl_arccos)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_arctan(g, ...) (btl_arctan)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_arctan2(g, ...) (btl_arctan2)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_deg2rad(g, ...) (btl_deg2rad)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_rad2deg(g, ...) (btl_rad2deg)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_sinh(g, ...) (btl_sinh)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_cosh(g, ...) (btl_cosh)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_tanh(g, ...) (btl_tanh)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_arcsinh(g, ...) (btl_arcsinh)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_arccosh(g, ...) (btl_arccosh)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_arctanh(g, ...) (btl_arctanh)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_erf(g, ...) (btl_erf)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_erfc(g, ...) (btl_erfc)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_gammaln(g, ...) (btl_gammaln)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_psi(g, ...) (btl_psi)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_sigmoid(g, ...) (btl_sigmoid)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_softplus(g, ...) (btl_softplus)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_softsign(g, ...) (btl_softsign)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_hard_sigmoid(g, ...) (btl_hard_sigmoid)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_relu(g, ...) (btl_relu)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_elu(g, ...) (btl_elu)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_gelu(g, ...) (btl_gelu)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_xlogx(g, ...) (btl_xlogx)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_xlogy0(g, ...) (btl_xlogy0)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_logaddexp(g, ...) (btl_logaddexp)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_binary_crossentropy(g, ...) (btl_binary_crossentropy)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_categorical_crossentropy(g, ...) (btl_categorical_crossentropy)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_lt(g, ...) (btl_lt)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_gt(g, ...) (btl_gt)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_le(g, ...) (btl_le)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_ge(g, ...) (btl_ge)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_eq(g, ...) (btl_eq)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_ne(g, ...) (btl_ne)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_isnan(g, ...) (btl_isnan)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_isinf(g, ...) (btl_isinf)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_isfinite(g, ...) (btl_isfinite)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_logical_and(g, ...) (btl_logical_and)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_logical_or(g, ...) (btl_logical_or)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_logical_not(g, ...) (btl_logical_not)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_where(g, ...) (btl_where)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_bitand(g, ...) (btl_bitand)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_bitor(g, ...) (btl_bitor)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_bitxor(g, ...) (btl_bitxor)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_invert(g, ...) (btl_invert)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_shl(g, ...) (btl_shl)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_shr(g, ...) (btl_shr)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_cast(g, ...) (btl_cast)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_bool(g, ...) (btl_bool)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_i8(g, ...) (btl_i8)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_i16(g, ...) (btl_i16)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_i32(g, ...) (btl_i32)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_i64(g, ...) (btl_i64)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_u8(g, ...) (btl_u8)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_u16(g, ...) (btl_u16)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_u32(g, ...) (btl_u32)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_u64(g, ...) (btl_u64)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_f16(g, ...) (btl_f16)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_bf16(g, ...) (btl_bf16)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_f32(g, ...) (btl_f32)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_f64(g, ...) (btl_f64)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_sum(g, ...) (btl_sum)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_prod(g, ...) (btl_prod)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_max(g, ...) (btl_max)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_min(g, ...) (btl_min)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_any(g, ...) (btl_any)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_all(g, ...) (btl_all)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_mean(g, ...) (btl_mean)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_variance(g, ...) (btl_variance)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_std(g, ...) (btl_std)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_norm(g, ...) (btl_norm)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_ptp(g, ...) (btl_ptp)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_count_nonzero(g, ...) (btl_count_nonzero)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_argmax(g, ...) (btl_argmax)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_argmin(g, ...) (btl_argmin)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_softmax(g, ...) (btl_softmax)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_log_softmax(g, ...) (btl_log_softmax)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_logsumexp(g, ...) (btl_logsumexp)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_negative(g, ...) (btl_negative)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_absolute(g, ...) (btl_absolute)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_sgn(g, ...) (btl_sgn)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_square(g, ...) (btl_square)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_reciprocal(g, ...) (btl_reciprocal)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_degrees(g, ...) (btl_degrees)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_radians(g, ...) (btl_radians)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_digamma(g, ...) (btl_digamma)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_bitwise_not(g, ...) (btl_bitwise_not)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_subtract(g, ...) (btl_subtract)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_multiply(g, ...) (btl_multiply)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_divide(g, ...) (btl_divide)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_true_divide(g, ...) (btl_true_divide)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_floor_divide(g, ...) (btl_floor_divide)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_remainder(g, ...) (btl_remainder)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_power(g, ...) (btl_power)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_less(g, ...) (btl_less)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_greater(g, ...) (btl_greater)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_less_equal(g, ...) (btl_less_equal)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_greater_equal(g, ...) (btl_greater_equal)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_equal(g, ...) (btl_equal)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_not_equal(g, ...) (btl_not_equal)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_bitwise_and(g, ...) (btl_bitwise_and)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_bitwise_or(g, ...) (btl_bitwise_or)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_bitwise_xor(g, ...) (btl_bitwise_xor)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_left_shift(g, ...) (btl_left_shift)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_right_shift(g, ...) (btl_right_shift)(btl_at((g), BTL_SITE), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
