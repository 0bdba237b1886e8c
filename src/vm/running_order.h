/* running_order.h - a compiled function as a schedule: what its plan, its reports and recomputation are made from.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_RUNNING_ORDER_H
#define BTL_VM_RUNNING_ORDER_H

#include "schedule/plan.h"
#include "vm/function.h"

/* The values are the function's slots, then those for results that are copied at the end; the steps its instructions, in the order
 * in which they run, those copies behind them (before those that change a state; of what is not there by then, at least the memory is taken). `symbols`: the values of the function's size symbols; sizes that only a run tells count at
 * their bounds, and not at all where they have none. ESHAPE: a size is unknown, or too large. In the arena, under its protection. */
btl_status btl_vm_schedule(btl_arena *a, const btl_function *f, const int64_t *symbols, btl_schedule **out, btl_error *err);

/* The plan of such a schedule in that order, as the function runs it under `policy`: btl_plan_make, and with the function's own policy the
 * offsets are its own. */
btl_status btl_vm_plan(btl_arena *a, const btl_function *f, const btl_schedule *s, const btl_liveness *l, btl_policy policy, btl_plan *out, btl_error *err);

#endif
