/* strips.h - the strip interpreter: runs the body of a fused node over strips of a few hundred
 * elements, one precompiled vector kernel after the other, with everything in between in L1.
 *
 * A program is made once from a fused node and is immutable; a run allocates nothing and may be
 * made from any number of threads, each with a scratch of its own.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_STRIPS_H
#define BTL_VM_STRIPS_H

#include "expr/op.h"

enum {
    BTL_STRIP_ELEMS = 512, /* of a strip; divides a block */
    BTL_STRIP_LANES = 32,  /* of a reduction: part of what a sum means, never changed */
    BTL_STRIP_BLOCK = 4096 /* of a reduction: the same */
};

/* out[i] = op(in[0][i], in[1][i], …) for i < n; out may be one of in of equal element size. */
typedef void (*btl_strip_fn)(int64_t n, const void *const *in, void *out);

/* A kernel: an op on a dtype, a cast ("cast") to a dtype, or an op's fold into 32 lanes
 * ("add.lanes"). Tables end with a NULL op; they are made by tools/genstrips.c. */
typedef struct btl_strip_kernel {
    const char *op;
    int dtype, to;
    btl_strip_fn fn;
} btl_strip_kernel;

/* The kernel for this processor, or NULL. BITALE_ISA=base|v3|v4 in the environment lowers the
 * instruction set (for tests). */
btl_strip_fn btl_strips_find(const char *op, btl_dtype dtype, btl_dtype to);
/* Which table is in use: "base", "v3", "v4". */
const char *btl_strips_isa(void);

typedef struct btl_strips btl_strips;

/* A program for a node of op `fused`. NULL if a kernel is missing (a bug of the build). Only under
 * protection of `a`; constants and instructions live there, nothing of the graph is referred to. */
btl_strips *btl_strips_compile(btl_arena *a, const btl_node *fused);

/* Bytes that a run needs, whatever the sizes. */
size_t btl_strips_scratch_bytes(const btl_strips *s);

/* Does it end in a reduction? Then its results are row-major; those of others may have rows that lie apart. */
bool btl_strips_is_reduction(const btl_strips *s);

/* May output `out` lie in the very memory of input `in` (equal bytes, same place of each element)?
 * True if no kernel reads the input after one has begun to write the output. */
bool btl_strips_may_overwrite(const btl_strips *s, int out, int in);

/* Runs it over the iteration space `shape`. Inputs: any strides, right-aligned, sizes 1 stretch.
 * Outputs: row-major. BTL_EVALUE for a max or min of nothing, BTL_ESHAPE for sizes that do not fit.
 */
btl_status btl_strips_run(const btl_strips *s, int nin, const btl_operand *in, int nout,
                          btl_operand *out, const int64_t *shape, int rank, void *scratch,
                          btl_error *err);

/* The same of a map whose results have the space's axes and any strides, but 1 along the last axis that is longer than 1. */
btl_status btl_strips_run_apart(const btl_strips *s, const btl_operand *in, btl_operand *out, const int64_t *shape, int rank, void *scratch, btl_error *err);

#endif
