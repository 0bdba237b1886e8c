/* list_math.h - the mathematical ops, in the order in which `bitale ops` lists them.
 *
 * X(name) for each op; the builders of all with one, two or three operands and no settings follow
 * from the lists too (math.c).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_LIST_MATH_H
#define BTL_OPS_LIST_MATH_H

#define BTL_OPS_UNARY(X)                                                                          \
    /* arith.c */                                                                                 \
    X(neg) X(abs) X(sign) X(sqr) X(sqrt) X(inv) X(identity)                                       \
    X(ceil) X(floor) X(trunc) X(round) X(round_half_away)                                         \
    /* realmath.c */                                                                              \
    X(exp) X(exp2) X(expm1) X(log) X(log2) X(log10) X(log1p)                                      \
    X(sin) X(cos) X(tan) X(arcsin) X(arccos) X(arctan) X(deg2rad) X(rad2deg)                      \
    X(sinh) X(cosh) X(tanh) X(arcsinh) X(arccosh) X(arctanh)                                      \
    X(erf) X(erfc) X(gammaln) X(psi)                                                              \
    /* activation.c */                                                                            \
    X(sigmoid) X(softplus) X(softsign) X(hard_sigmoid) X(xlogx)                                   \
    /* compare.c, bits.c */                                                                       \
    X(isnan) X(isinf) X(isfinite) X(logical_not) X(invert)

#define BTL_OPS_BINARY(X)                                                                         \
    /* arith.c */                                                                                 \
    X(add) X(sub) X(mul) X(div) X(floordiv) X(mod) X(pow) X(maximum) X(minimum)                   \
    /* realmath.c, activation.c */                                                                \
    X(arctan2) X(xlogy0) X(logaddexp) X(binary_crossentropy) X(categorical_crossentropy)          \
    /* compare.c, bits.c */                                                                       \
    X(lt) X(gt) X(le) X(ge) X(eq) X(ne) X(logical_and) X(logical_or)                              \
    X(bitand) X(bitor) X(bitxor) X(shl) X(shr)

#define BTL_OPS_TERNARY(X) X(clip) X(where)

/* Other names of the same ops, NumPy's or Theano's: X(name, op) (math.c). */
#define BTL_OPS_OTHER_UNARY(X)                                                                    \
    X(negative, neg) X(absolute, abs) X(sgn, sign) X(square, sqr) X(reciprocal, inv)              \
    X(degrees, rad2deg) X(radians, deg2rad) X(digamma, psi) X(bitwise_not, invert)
#define BTL_OPS_OTHER_BINARY(X)                                                                   \
    X(subtract, sub) X(multiply, mul) X(divide, div) X(true_divide, div) X(floor_divide, floordiv) \
    X(remainder, mod) X(power, pow) X(less, lt) X(greater, gt) X(less_equal, le)                  \
    X(greater_equal, ge) X(equal, eq) X(not_equal, ne) X(bitwise_and, bitand)                     \
    X(bitwise_or, bitor) X(bitwise_xor, bitxor) X(left_shift, shl) X(right_shift, shr)

#define BTL_OPS_MATH(X)                                                                           \
    BTL_OPS_UNARY(X) BTL_OPS_BINARY(X) BTL_OPS_TERNARY(X)                                         \
    /* activation.c, with settings */                                                             \
    X(relu) X(elu) X(gelu)                                                                        \
    /* cast.c */                                                                                  \
    X(cast)                                                                                       \
    /* reduce.c, stats.c, argreduce.c */                                                          \
    X(sum) X(prod) X(max) X(min) X(any) X(all)                                                    \
    X(mean) X(var) X(std) X(norm) X(ptp) X(count_nonzero) X(argmax) X(argmin)                     \
    /* softmax.c */                                                                               \
    X(softmax) X(log_softmax) X(logsumexp)                                                        \
    /* math.c: other names */                                                                     \
    X(negative) X(absolute) X(sgn) X(square) X(reciprocal) X(degrees) X(radians) X(digamma)       \
    X(bitwise_not) X(subtract) X(multiply) X(divide) X(true_divide) X(floor_divide) X(remainder)  \
    X(power) X(less) X(greater) X(less_equal) X(greater_equal) X(equal) X(not_equal)              \
    X(bitwise_and) X(bitwise_or) X(bitwise_xor) X(left_shift) X(right_shift)

#endif
