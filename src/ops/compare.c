/* compare.c - comparisons, tests on values, logic of bool, and choosing (where).
 *
 * Comparisons are IEEE's: every one with a NaN is false but ne. No gradient flows through them. where
 * computes both sides and gives the one not chosen a gradient of zeros, not of 0 * something: what
 * went wrong over there (an infinite derivative) stays there.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/elemwise.h"

#include "base/error.h"

#define COMPARE(name, operator, doc, op_flags)                                                    \
    ELEM_REAL2(name, a operator b)                                                                \
    ELEM_INT2(name, a operator b, a operator b)                                                   \
    ELEM_TEXT(name, ELEM_CODE("$0 " #operator " $1"), ELEM_REFS(name), .to_bool = true, .cost = 1)  \
    ELEM_OP(name, 2, #name "(x, y)", doc, .flags = op_flags, .promote = PROMOTE_COMMON,           \
            .connected = btl_never_connected, .samples = btl_samples_2)

COMPARE(lt, <, "x < y", 0)
COMPARE(gt, >, "x > y", 0)
COMPARE(le, <=, "x <= y", 0)
COMPARE(ge, >=, "x >= y", 0)
COMPARE(eq, ==, "x == y", OP_COMMUTATIVE)
COMPARE(ne, !=, "x != y", OP_COMMUTATIVE)

/* x - x is 0 of finite x, else NaN. Integers are never special: the same answer for each. */
#define COMPARE_TEST(name, doc, text, on_integers, reference, integer_reference)                  \
    ELEM_REAL1(name, reference)                                                                   \
    ELEM_INT1(name, a - a + integer_reference, a - a + integer_reference)                         \
    ELEM_TEXT(name, .code_float = text, ELEM_CODE_BITS(on_integers), .code_bool = on_integers, ELEM_REFS(name), \
              .to_bool = true, .cost = 1)                                                         \
    ELEM_OP(name, 1, #name "(x)", doc, .promote = PROMOTE_NONE, .connected = btl_never_connected, \
            .samples = btl_samples_1)

COMPARE_TEST(isnan, "is it not a number?", "$0 != $0", "$0 & 0", isnan(a) != 0, 0)
COMPARE_TEST(isinf, "is it infinite, of either sign?", "($0 == $0) & ($0 - $0 != 0)", "$0 & 0", isinf(a) != 0, 0)
COMPARE_TEST(isfinite, "is it neither infinite nor NaN?", "$0 - $0 == 0", "!($0 & 0)", isfinite(a) != 0, 1)

/* ---- logic of bool ------------------------------------------------------------------------ */

/* Bool alone: "not x" of a number is more often a slip than meant. */
#define COMPARE_LOGIC(name, nin, signature, doc, text, op_flags)                                  \
    ELEM_TEXT(name, .code_bool = text, .on_signed = name##_signed, .on_unsigned = name##_unsigned, \
              .to_bool = true, .cost = 1)                                                         \
    ELEM_OP(name, nin, signature, doc, .flags = op_flags, .promote = PROMOTE_COMMON,              \
            .connected = btl_never_connected, .samples = btl_samples_bool_##nin)

ELEM_INT2(logical_and, a && b, a && b)
COMPARE_LOGIC(logical_and, 2, "logical_and(x, y)", "x and y", "$0 & $1", OP_COMMUTATIVE)
ELEM_INT2(logical_or, a || b, a || b)
COMPARE_LOGIC(logical_or, 2, "logical_or(x, y)", "x or y", "$0 | $1", OP_COMMUTATIVE)
ELEM_INT1(logical_not, !a, !a)
COMPARE_LOGIC(logical_not, 1, "logical_not(x)", "not x", "!$0", 0)

/* ---- choosing ----------------------------------------------------------------------------- */

static long double where_real(const long double *x) {
    return x[0] != 0 ? x[1] : x[2];
}

static int64_t where_signed(const int64_t *x) {
    return x[0] ? x[1] : x[2];
}

static uint64_t where_unsigned(const uint64_t *x) {
    return x[0] ? x[1] : x[2];
}

static btl_status where_vjp(btl_vjp *v) {
    btl_graph *g = v->g;
    btl_var *c = v->in[0], *dy = v->dout[0];
    if (v->need[1]) BTL_TRY(btl_vjp_give(v, 1, btl_where(g, c, dy, NUM(0))));
    return v->need[2] ? btl_vjp_give(v, 2, btl_where(g, c, NUM(0), dy)) : BTL_OK;
}

static bool where_connected(const btl_node *n, int out, int in) {
    (void)n, (void)out;
    return in != 0;
}

static const char *const where_samples[] = {
    "c: bool, x: f32, y: f32", "c: bool[0], x: f32[0], y: f32", "c: bool[1000], x: f32[1000], y: f32[1000]",
    "c: bool[3, 1], x: f32[1, 4], y: f32", "c: bool[300], x: f64[300], y: f64",
    "c: bool[300], x: f16[300], y: f16[300]",
    "c: bool[300], x: bf16[300], y: bf16[300]", "c: bool, x: i8[7], y: i8[7]", "c: bool[7], x: i32, y: i32[2, 7]",
    "c: bool[7], x: u64[7], y: u64", "c: bool[7], x: bool[7], y: bool", "c: bool[5], x: i32[5], y: f32[5]", NULL
};

ELEM_TEXT(where, ELEM_CODE("$0 ? $1 : $2"), ELEM_REFS(where), .cost = 1)
ELEM_OP(where, 3, "where(c, x, y)", "x where c, else y; both are computed", .promote = PROMOTE_WHERE,
        .vjp = where_vjp, .connected = where_connected, .samples = where_samples)
