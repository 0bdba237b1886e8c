/* loops.h - loop nests over strided operands as C text, for the ops' `emit`.
 *
 * A nest is put together axis by axis, axes that lie in every operand as one are merged, and the loops
 * that are left are opened, one after the other:
 *
 *     btl_loops l = btl_loops_begin(e, 2, 'i');
 *     btl_loops_add(&l, size, step of operand 0, step of operand 1);      for each axis
 *     btl_loops_merge(&l);
 *     btl_loops_open(&l, 0, l.n);     "for (int64_t i0 = 0; i0 < n0; i0++) {" …
 *     … btl_loops_at(&l, "x0", 1, 0, l.n) …                               "x0 + i0 * n1 + i1"
 *     btl_loops_close(&l, l.n);
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_LOOPS_H
#define BTL_OPS_LOOPS_H

#include "expr/emit.h"

/* A number that generated code knows: a size, or (known NULL) a C expression of int64_t. */
typedef struct btl_extent { const btl_dim *known; const char *text; } btl_extent;

btl_extent btl_extent_of(const btl_dim *d);
btl_extent btl_extent_const(btl_emit *e, int64_t value);
btl_extent btl_extent_dim(btl_emit *e, int operand, int axis);
/* The distance of an operand's elements; outputs are row-major. */
btl_extent btl_extent_stride(btl_emit *e, int operand, int axis);
btl_extent btl_extent_mul(btl_emit *e, btl_extent a, btl_extent b);
btl_extent btl_extent_add(btl_emit *e, btl_extent a, btl_extent b);
/* The distance along `axis` of an operand when it is stretched to `size` there; axis < 0: it has none. */
btl_extent btl_extent_stretched(btl_emit *e, int operand, int axis, const btl_dim *size);
const char *btl_extent_text(btl_emit *e, btl_extent x);
static inline bool btl_extent_is(btl_extent x, int64_t value) { return x.known && btl_dim_is(x.known, value); }

enum { BTL_LOOP_OPERANDS = 2, BTL_LOOPS = 2 * BTL_MAX_RANK };

typedef struct btl_loop { btl_extent count, step[BTL_LOOP_OPERANDS]; } btl_loop;

typedef struct btl_loops {
    btl_emit *e;
    int n, noperands;
    char letter;                 /* of the variables: i0, i1, … */
    btl_loop v[BTL_LOOPS];       /* the outermost first */
} btl_loops;

btl_loops btl_loops_begin(btl_emit *e, int noperands, char letter);
/* A loop inside those that are there; none where the count is 1. */
void btl_loops_add(btl_loops *l, btl_extent count, btl_extent step0, btl_extent step1);
void btl_loops_merge(btl_loops *l);
void btl_loops_open(btl_loops *l, int from, int to);
void btl_loops_close(btl_loops *l, int count);
/* `base` moved on to where an operand lies inside loops from … to-1. */
const char *btl_loops_at(btl_loops *l, const char *base, int operand, int from, int to);
/* All elements at once: the product of the counts. */
btl_extent btl_loops_count(const btl_loops *l);

/* Writes the loops that move elements: operand 0, at `to`, is what operand 1, at `from`, has; with `add` it is
 * added to what is there. Each element of operand 0 stands once. */
void btl_loops_move(btl_loops *l, btl_dtype dtype, const char *to, const char *from, bool add);

/* A value of `from`, an expression, as `to` (ops/cast.h). */
const char *btl_loops_cast(btl_emit *e, btl_dtype from, btl_dtype to, const char *value);

#endif
