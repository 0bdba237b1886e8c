/* order.h - an order of ops whose largest sum of living bytes is small: the least there is, where that can be proven.
 *
 * NP-complete in general, so: reductions that cost no optimum, the best of many greedy orders and of the given one, a
 * lower bound by minimum cuts, an exact search over sets of executed ops as far as its budget goes, and improvement
 * in between. What comes out says what it is.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_ORDER_H
#define BTL_SCHEDULE_ORDER_H

#include "schedule/liveness.h"

/* Counted, never timed: the same problem and budget give the same order on every machine. */
typedef struct btl_order_budget {
    int64_t steps;   /* edges and storages looked at, some nanoseconds each */
    int64_t states;  /* sets of executed ops that the exact search may hold: about 50 bytes each for 64 ops */
    uint64_t seed;
} btl_order_budget;

/* How far to look for an order: not at all; some milliseconds; as btl_order_usual_budget. */
typedef enum btl_ordering { BTL_ORDERING_FAST, BTL_ORDERING_EXACT, BTL_ORDERING_GIVEN } btl_ordering;
/* Of FAST and EXACT. */
const btl_order_budget *btl_ordering_budget(btl_ordering ordering);

/* Some seconds at most; 1e7 states. */
extern const btl_order_budget btl_order_usual_budget;

typedef struct btl_order {
    int *ops;              /* in the arena */
    int64_t peak;          /* of this order */
    int64_t given_peak;    /* of the given one; never below `peak` */
    int64_t bound;         /* no order has a smaller peak */
    bool proven;           /* peak == bound */
    const char *method;    /* what found the order: "given", "list", "exact search" … static text */
    const char *bound_by;  /* what proved the bound, static text */
    int64_t steps, states; /* spent */
} btl_order;

/* `given` is a valid order, or NULL: the least number first. Under the arena's protection. The budget bounds the work beyond one
 * run of each greedy order, which takes O(all that is touched * log nops). */
btl_order btl_order_find(btl_arena *a, const btl_liveness *l, const int *given, const btl_order_budget *budget);

#endif
