/* emit.h - how an op says its own C: what its `emit` may ask and write. bitale/extend.h tells it, for one's own ops;
 * here is what only Bitale's may ask.
 *
 * `$rt` as the first argument of a call (`btl_gemm_f32($rt m, n, …)`) hands on what the library lends to code
 * that runs in its process; in standalone code it is nothing.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_EMIT_H
#define BTL_EXPR_EMIT_H

#include "expr/op.h"

/* What is emitted for: `node` and its settings are for reading. */
struct btl_emit {
    btl_graph *g;
    const btl_node *node;
    const btl_param *params;
    struct btl_emit_state *state;
    btl_settings *settings;   /* of an op of one's own (ops/extend.c) */
};

/* Operands are numbered as in the node: inputs 0 … nin-1, then outputs. */
static inline int btl_emit_out(const btl_emit *e, int k) { return e->node->nin + k; }
const btl_type *btl_emit_type(const btl_emit *e, int operand);

/* Writes the kernel of a `fused` node: its body over its space, in the order of its reduction. */
btl_status btl_emit_fused(btl_emit *e);

#endif
