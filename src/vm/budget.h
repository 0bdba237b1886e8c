/* budget.h - a function within a memory budget: some instructions run again instead of keeping what they made (schedule/recompute.h).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_BUDGET_H
#define BTL_VM_BUDGET_H

#include "schedule/recompute.h"
#include "vm/function.h"

typedef struct btl_vm_limit {
    int64_t bytes;           /* of intermediate values and results; 0: none */
    bool overwrites;         /* results may lie in the place of operands */
    bool curve;              /* f->curve is wanted */
    const int64_t *symbols;  /* sizes at which it is held */
} btl_vm_limit;

/* Order, overwrites and storage of a function's instructions, so that what it takes (by its policy, results included) is at most that. ENOMEM: what
 * the least is that was found, and what no order and no recomputation goes below. Nothing of the function is used then. */
btl_status btl_vm_budget(btl_function *f, btl_arena *a, const btl_vm_limit *limit, btl_error *err);

/* What a function takes by its policy, results included, at sizes of the symbols. */
btl_status btl_vm_taken(const btl_function *f, btl_arena *scratch, const int64_t *symbols, int64_t *bytes, btl_error *err);

#endif
