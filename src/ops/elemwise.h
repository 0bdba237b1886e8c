/* elemwise.h - what the tables of elementwise ops (arith.c, realmath.c, compare.c, bits.c,
 * activation.c) share.
 *
 * An op is told in a few lines, each of which begins with a macro of this file:
 *
 *     ELEM_REAL1(exp, expl(a))                         the reference, a = the operand
 *     ELEM_VJP1(exp, btl_mul(g, dy, y))                the gradient, of x, y = exp(x) and dy
 *     ELEM_TEXT(exp, .code_float = "btl_exp$f($0)", …) the C text of the kernels
 *     ELEM_OP(exp, 1, "exp(x)", "e to the power x", …) the op itself
 *
 * References compute in long double. Where a text is promised to be correctly rounded (+ - * / sqrt)
 * they return the exact result "rounded to odd", so that the evaluator's rounding to f64 or f32 is
 * the only one that counts: Boldo & Melquiond (2008), IEEE Trans. Comput. 57(4).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_ELEMWISE_H
#define BTL_OPS_ELEMWISE_H

#include "ops/helpers.h"
#include "ops/list_math.h"

#include <math.h>

#define ELEM_DECLARE(name) extern const btl_op btl_op_##name;
BTL_OPS_MATH(ELEM_DECLARE)

/* Types and sizes of every elementwise op: equal dtypes, NumPy's broadcasting over sizes known to
 * be 1, other pairs of sizes equal (checked at the call where it cannot be known yet). */
btl_status btl_elemwise_infer(btl_infer *x);
/* The common size of operands, right-aligned; NULL dims for none. Records what does not fit. */
btl_status btl_elemwise_dims(btl_graph *g, int nin, btl_var *const *in, int *rank, const btl_dim **dims);
/* The gradient by operand i, summed over what broadcasting stretched. */
btl_status btl_vjp_give(btl_vjp *v, int i, btl_var *d);
/* True derivative zero: sign, floor, …; all operands that need one get zeros. */
btl_status btl_vjp_zero(btl_vjp *v);
/* No gradient flows: comparisons, bits. */
bool btl_never_connected(const btl_node *n, int out, int in);
/* `near` is an exact value rounded to nearest, `rest` has the sign of what is missing (or is 0). */
long double btl_round_odd(long double near, long double rest);

/* Families of samples: one and two operands of every dtype, of every float, of integers. */
extern const char *const btl_samples_1[], *const btl_samples_2[];
extern const char *const btl_samples_float_1[], *const btl_samples_float_2[];
extern const char *const btl_samples_number_1[], *const btl_samples_number_2[];
extern const char *const btl_samples_bits_1[], *const btl_samples_bits_2[], *const btl_samples_shift[];
extern const char *const btl_samples_bool_1[], *const btl_samples_bool_2[];

/* ---- references ------------------------------------------------------------------------- */

#define ELEM_REAL1(name, expr)                                                                    \
    static long double name##_real(const long double *operand) {                                  \
        const long double a = operand[0];                                                         \
        return (expr);                                                                            \
    }
#define ELEM_REAL2(name, expr)                                                                    \
    static long double name##_real(const long double *operand) {                                  \
        const long double a = operand[0], b = operand[1];                                         \
        return (expr);                                                                            \
    }
/* Integers: `s` on int64_t operands, `u` on uint64_t ones; the evaluator wraps to the type. */
#define ELEM_INT1(name, s, u)                                                                     \
    static int64_t name##_signed(const int64_t *operand) {                                        \
        const int64_t a = operand[0];                                                             \
        return (int64_t)(s);                                                                      \
    }                                                                                             \
    static uint64_t name##_unsigned(const uint64_t *operand) {                                    \
        const uint64_t a = operand[0];                                                            \
        return (uint64_t)(u);                                                                     \
    }
#define ELEM_INT2(name, s, u)                                                                     \
    static int64_t name##_signed(const int64_t *operand) {                                        \
        const int64_t a = operand[0], b = operand[1];                                             \
        return (int64_t)(s);                                                                      \
    }                                                                                             \
    static uint64_t name##_unsigned(const uint64_t *operand) {                                    \
        const uint64_t a = operand[0], b = operand[1];                                            \
        return (uint64_t)(u);                                                                     \
    }
#define ELEM_REFS(name) .real = name##_real, .on_signed = name##_signed, .on_unsigned = name##_unsigned

/* ---- gradients -------------------------------------------------------------------------- */

#define ELEM_VJP1(name, dx)                                                                       \
    static btl_status name##_vjp(btl_vjp *v) {                                                    \
        btl_graph *g = v->g;                                                                      \
        btl_var *x = v->in[0], *y = v->out[0], *dy = v->dout[0];                                  \
        (void)g, (void)x, (void)y, (void)dy;                                                      \
        return v->need[0] ? btl_vjp_give(v, 0, dx) : BTL_OK;                                      \
    }
#define ELEM_VJP2(name, da, db)                                                                   \
    static btl_status name##_vjp(btl_vjp *v) {                                                    \
        btl_graph *g = v->g;                                                                      \
        btl_var *a = v->in[0], *b = v->in[1], *y = v->out[0], *dy = v->dout[0];                   \
        (void)g, (void)a, (void)b, (void)y, (void)dy;                                             \
        if (v->need[0]) BTL_TRY(btl_vjp_give(v, 0, da));                                          \
        return v->need[1] ? btl_vjp_give(v, 1, db) : BTL_OK;                                      \
    }
#define NUM(value) btl_number(g, (value))

/* ---- ops -------------------------------------------------------------------------------- */

#define ELEM_TEXT(name, ...) static const btl_elem name##_elem = { __VA_ARGS__ };
/* The C text is the same for every type. */
#define ELEM_CODE(text) .code_float = text, .code_signed = text, .code_unsigned = text, .code_bool = text
#define ELEM_CODE_NUMBER(text) .code_float = text, .code_signed = text, .code_unsigned = text
/* Integers are computed unsigned and no narrower than int, where C lets overflow wrap. */
#define ELEM_CODE_WRAPS(text, wrapped) .code_float = text, ELEM_CODE_BITS("($T)(" wrapped ")")
#define ELEM_CODE_BITS(text) .code_signed = text, .code_unsigned = text

#define ELEM_OP(name_, nin, signature_, doc_, ...)                                                \
    const btl_op btl_op_##name_ = { .name = #name_, .doc = doc_, .signature = signature_, .version = 1, \
                                    .min_in = nin, .max_in = nin, .nout = 1,                      \
                                    .infer = btl_elemwise_infer, .elem = &name_##_elem, __VA_ARGS__ };

/* A function of one real: reference, text and gradient under one name; and one that has a faster
 * text for |x| <= f32, f64. */
#define ELEM_REAL_OP(name, doc, text, ulp, additions)                                             \
    ELEM_REAL_OP_NEAR(name, doc, text, ulp, additions, NULL, 0, 0)
#define ELEM_REAL_OP_NEAR(name, doc, text, ulp, additions, near, f32, f64)                        \
    ELEM_TEXT(name, .code_float = text, .real = name##_real, .max_ulp = ulp, .cost = additions,   \
              .code_near = near, .near_f32 = f32, .near_f64 = f64)                                \
    ELEM_OP(name, 1, #name "(x)", doc, .promote = PROMOTE_REAL, .vjp = name##_vjp,                \
            .samples = btl_samples_float_1)

#endif
