/* bits.c - the bits of integers, and of bool as one bit: & | ^ ~ << >>.
 *
 * A shift by the width or more gives what shifting one by one would: 0, or the sign where >> moves
 * it in. A negative shift gives 0. Neither is undefined, as it is in C.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/elemwise.h"

#define BITS_OP(name, nin, signature, doc, op_flags, samples_)                                    \
    ELEM_OP(name, nin, signature, doc, .flags = op_flags, .promote = PROMOTE_BITS,                \
            .connected = btl_never_connected, .samples = samples_)

#define BITS_LOGIC(name, operator, doc)                                                           \
    ELEM_INT2(name, a operator b, a operator b)                                                   \
    ELEM_TEXT(name, ELEM_CODE_BITS("$0 " #operator " $1"), .code_bool = "$0 " #operator " $1",    \
              .on_signed = name##_signed, .on_unsigned = name##_unsigned, .cost = 1)              \
    BITS_OP(name, 2, #name "(x, y)", doc, OP_COMMUTATIVE, btl_samples_bits_2)

BITS_LOGIC(bitand, &, "x & y: bits set in both")
BITS_LOGIC(bitor, |, "x | y: bits set in one at least")
BITS_LOGIC(bitxor, ^, "x ^ y: bits set in one alone")

/* ~ of bool is not: one bit, where ~ of the byte that holds it would always be true. */
static btl_var *invert_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                             btl_var **out) {
    if (in[0]->type.dtype == BTL_BOOL) return btl_build(g, &btl_op_logical_not, nin, in, NULL, out);
    btl_node *n = btl_apply(g, op, nin, in, params);
    if (n) n->out->weak = in[0]->weak;
    if (out) out[0] = n ? n->out : NULL;
    return n ? n->out : NULL;
}

ELEM_INT1(invert, ~a, ~a)
ELEM_TEXT(invert, ELEM_CODE_BITS("~$0"), .on_signed = invert_signed, .on_unsigned = invert_unsigned, .cost = 1)
ELEM_OP(invert, 1, "invert(x)", "~x: every bit turned; on bool: not", .promote = PROMOTE_NONE, .build = invert_build,
        .connected = btl_never_connected, .samples = btl_samples_bits_1)

#define BITS_SHIFT(name, text, doc)                                                               \
    ELEM_TEXT(name, ELEM_CODE_BITS(text), .on_signed = name##_signed, .on_unsigned = name##_unsigned, .cost = 2) \
    BITS_OP(name, 2, #name "(x, n)", doc, 0, btl_samples_shift)

ELEM_INT2(shl, b < 0 || b > 63 ? 0 : (uint64_t)a << b, b > 63 ? 0 : a << b)
BITS_SHIFT(shl, "btl_shl_$t($0, $1)", "x << n")
ELEM_INT2(shr, b < 0 ? 0 : b > 63 ? -(a < 0) : a >> b, b > 63 ? 0 : a >> b)
BITS_SHIFT(shr, "btl_shr_$t($0, $1)", "x >> n; the sign stays")
