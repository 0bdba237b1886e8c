/* fold_steps.h - the steps of a reduction's order (strip_reduce.c) on buffers, for the strip interpreter and
 * for generated code, which calls them through its services (target/c/services.h) so that the compiler is spared them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_FOLD_STEPS_H
#define BTL_VM_FOLD_STEPS_H

#include "target/c/services.h"
#include "vm/strips.h"

/* How two values of a dtype are combined. */
struct btl_fold {
    btl_strip_fn combine, lanes, tree;
    size_t elem_bytes;
};

/* False: a kernel is missing. */
bool btl_fold_init(btl_fold *f, const btl_op *combine, btl_dtype dtype);

/* Step 2 for a row: n elements from position `at` of a block (a multiple of 32). */
void btl_fold_lanes(const btl_fold *f, void *acc, const void *x, int64_t n, int64_t at);
/* Step 2 for n elements, whole rows of a tile of `width` columns, from row `at` of a block. */
void btl_fold_rows(const btl_fold *f, void *acc, const void *x, int64_t n, int64_t at, int64_t width);
/* Step 3: `used` lanes of `width` values become the first of them. */
void btl_fold_tree(const btl_fold *f, void *lanes, int64_t used, int64_t width);
/* Steps 3 and 4 at the end of a block of `elems`. */
void btl_fold_block(const btl_fold *f, void *acc, int64_t elems, int64_t width, void *stack, uint64_t *blocks);
/* The end of step 4. */
void btl_fold_finish(const btl_fold *f, const void *stack, uint64_t blocks, int64_t width, void *out);
/* `rows` rows of m elements turned round: the first of all rows, the second of all, … */
void btl_fold_turn(const btl_fold *f, void *to, const void *x, int64_t rows, int64_t m);

/* All folds, as services: made once, never freed. */
const btl_fold_services *btl_fold_services_all(void);

#endif
