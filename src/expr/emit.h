/* emit.h - how an op says its own C: what its `emit` may ask and write.
 *
 * `emit` writes the body of one C99 function, a *kernel*. The kernel's operands are pointers named x0,
 * x1, … (const, one for each input) and y0, y1, … (one for each output, row-major, overlapping nothing
 * else), typed as their dtypes lie in memory (btl_emit_ctype: f16 and bf16 are uint16_t, bool is uint8_t).
 * Sizes and strides are asked for with the calls below: each gives a C expression of type int64_t, a
 * number where it is known and small, a parameter of the kernel otherwise. Nothing else varies: two nodes
 * whose texts are the same share one kernel.
 *
 * Functions whose names begin with btl_ are found in the texts that come with the library (vecmath.inc,
 * gemm.inc, …) and stand before the kernel without more ado. What is indexed by constants only is unrolled
 * by the compiler. Write `BTL_SIMD` before an innermost loop whose iterations are independent.
 *
 * A kernel that can fail says `return 1;` where it does, and ends by falling out of its body. Why it failed is
 * told by the op's `kernel` or `eval`, which is run on the same operands for its message.
 *
 * `$rt` as the first argument of a call (`btl_gemm_f32($rt m, n, …)`) hands on what the library lends to code
 * that runs in its process; in standalone code it is nothing.
 *
 * A view's emit writes statements after which `y0` (declared as a pointer, equal to x0) points to the
 * result's first element, and tells the strides by btl_emit_view_stride.
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
};

/* Operands are numbered as in the node: inputs 0 … nin-1, then outputs. */
static inline int btl_emit_out(const btl_emit *e, int k) { return e->node->nin + k; }
const btl_type *btl_emit_type(const btl_emit *e, int operand);

/* Adds to the body. */
void btl_emit_text(btl_emit *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text in the graph's scratch arena, for expressions that are put together. */
const char *btl_emit_format(btl_emit *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* int64_t expressions. The size of an axis; the distance of its elements, in elements; any size. */
const char *btl_emit_dim(btl_emit *e, int operand, int axis);
const char *btl_emit_stride(btl_emit *e, int operand, int axis);
const char *btl_emit_size(btl_emit *e, const btl_dim *d);
/* The number of elements of an operand. */
const char *btl_emit_elems(btl_emit *e, int operand);
/* The distance as a size, or NULL where only a run can tell. */
const btl_dim *btl_emit_known_stride(const btl_emit *e, int operand, int axis);
/* Known to lie in row-major order without gaps? */
bool btl_emit_is_row_major(const btl_emit *e, int operand);

/* Scratch: a pointer `work` (void *, aligned to 64 bytes) to at least so many bytes. At most once. */
void btl_emit_work(btl_emit *e, const btl_dim *bytes);

/* A view's strides: as a size (`known`), or (known NULL) as a C expression of int64_t. */
void btl_emit_view_stride(btl_emit *e, int axis, const btl_dim *known, const char *text);

/* Writes the kernel of a `fused` node: its body over its space, in the order of its reduction. */
btl_status btl_emit_fused(btl_emit *e);

/* The C type of an element in memory: "float", "uint16_t". */
const char *btl_emit_ctype(btl_dtype dtype);
/* A literal of a constant's value in that form, bits and all: "0x1.8p+1f". */
const char *btl_emit_literal(btl_emit *e, btl_dtype dtype, const void *element);

#endif
