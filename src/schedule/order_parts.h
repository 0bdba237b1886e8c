/* order_parts.h - the parts of order.c, each in its own file. Orders are arrays of nops ops; all memory that is not
 * returned is given back. `steps` counts down; who finds it below 0 stops and says so.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_ORDER_PARTS_H
#define BTL_SCHEDULE_ORDER_PARTS_H

#include "schedule/liveness.h"

/* ---- order_reduce.c: reductions that keep an optimum -------------------------------------- */

typedef struct order_groups {
    btl_liveness *l;  /* its op i is the ops of row i, one right behind the other */
    btl_lists ops;
} order_groups;

/* `rough`: also reductions that are often right, but may cost the optimum; the groups' needs are then upper limits. */
order_groups btl_order_reduce(btl_arena *a, const btl_liveness *l, bool rough);
/* An order of the groups that keeps to an order of the ops as far as it can. */
void btl_order_of_groups(btl_arena *scratch, const order_groups *g, int nops, const int *order, int *groups);
/* Writes the ops of the groups in this order; returns how many. */
int btl_order_expand(const order_groups *g, int n, const int *groups, int *order);

/* Cuts an order where everything before precedes everything after whatever the order (an articulation point is a piece with
 * it in front): the ends of the pieces, `ends` having room for nops. Returns their number. */
int btl_order_pieces(btl_arena *scratch, const btl_liveness *l, const int *order, int *ends);

/* ---- order_greedy.c: candidates ------------------------------------------------------------ */

typedef enum order_ties { ORDER_GIVEN, ORDER_RECENT, ORDER_RANDOM } order_ties;

typedef struct order_greedy {
    const char *name;
    bool backward;   /* from the outputs: what is last, what before it … */
    bool under;      /* least growth among what stays under the peak so far (else: among all) */
    order_ties ties; /* of equal growth: as given, what has become ready last, at random */
    int noise;       /* growth is blurred by up to so many 1/16 of the bytes an op touches */
} order_greedy;

/* `given` breaks ties; `limit` is a peak that is there anyway. */
void btl_order_greedy(btl_arena *scratch, const btl_liveness *l, const order_greedy *how, const int *given, int64_t limit, uint64_t seed, int *order);
/* Depth first from the outputs (the last as given first, if `reversed`); what is needed with most bytes first, if `by_bytes`. */
void btl_order_depth_first(btl_arena *scratch, const btl_liveness *l, const int *given, bool reversed, bool by_bytes, int *order);

/* What makes little, and needs nothing that makes much, as given; then, for one result after the other, the rest. Where gradients of many large weights are
 * added up from small errors, one sum after the other is made when all errors are there. False: that is the given order. */
bool btl_order_small_first(btl_arena *scratch, const btl_liveness *l, const int *given, int *order);

/* ---- order_bound.c: what no order can be below ---------------------------------------------- */

/* The least number of bytes at the step of op v over all orders; -1 when the steps run out. `prefix` may be NULL or gets
 * the ops that are best run before v: the fewest, or the most (`largest`). */
int64_t btl_order_cut(btl_arena *scratch, const btl_liveness *l, int v, bool largest, bool *prefix, int64_t *steps);

/* Over all orders, the least number of bytes at the step of whichever of some ops runs first (or last), where that is more than
 * `above`: for the largest subset of the ops for which it is, which is left in them. -1 if there is none or the steps run
 * out. Quickest where `order` is a good one and ops stand as in it (or its reverse). */
int64_t btl_order_cut_among(btl_arena *scratch, const btl_liveness *l, bool last, int64_t above, const int *order, int *n, int *ops, int64_t *steps);

/* ---- order_exact.c ------------------------------------------------------------------------- */

typedef struct order_search {
    int64_t floor;    /* a peak that is there anyway, or a bound: an order that reaches it is the best */
    int64_t cutoff;   /* orders must be below */
    int64_t states;   /* in: at most so many; out: how many are left */
    int64_t *steps;
    /* results */
    int64_t bound;    /* no order is below; equal to the peak of what was found, or to the cutoff if there is nothing below */
    bool found;       /* an order with the least peak is in `order` */
} order_search;

void btl_order_search(btl_arena *scratch, const btl_liveness *l, order_search *s, int *order);

/* ---- order_improve.c ------------------------------------------------------------------------ */

typedef struct order_improve {
    int64_t floor;      /* below it nothing is to be gained */
    int64_t bound;      /* in, out: no order is below */
    int64_t steps;      /* in, out */
    int64_t states;     /* in, out */
    uint64_t seed;
    const char *method; /* set when the order was improved */
    const char *bound_by;
} order_improve;

/* Runs candidates; order: in, the given one; out, the best. Returns its peak. */
int64_t btl_order_candidates(btl_arena *scratch, const btl_liveness *l, order_improve *m, int nnoisy, int *order);
/* The i-th of endlessly many orders to begin with; returns the rule's name. */
const char *btl_order_start(btl_arena *scratch, const btl_liveness *l, order_improve *m, int i, const int *given, int *order);
/* Lowers the peak by running first what a cut says, and by exact search in windows around the highest step. Returns the peak. */
int64_t btl_order_lower(btl_arena *scratch, const btl_liveness *l, order_improve *m, int *order);

/* ---- order_prove.c ------------------------------------------------------------------------------ */

/* Raises the bound by cuts at the order's highest steps, at most so many; and by sets of ops, of which one runs first. */
void btl_order_prove(btl_arena *scratch, const btl_liveness *l, order_improve *m, int most, const int *order);
void btl_order_prove_by_sets(btl_arena *scratch, const btl_liveness *l, order_improve *m, const int *order);
/* One trial: is the bound above that? */
void btl_order_prove_above(btl_arena *scratch, const btl_liveness *l, order_improve *m, int64_t above, const int *order);
/* The ops that need about as much by themselves as any does, and have none such before them, as they stand in an order: of all that need so much one of these
 * runs first. Returns how many; 0: more than `most`. `ops` has room for one more. */
int btl_order_foremost(btl_arena *scratch, const btl_liveness *l, const int *order, int most, int *ops);
/* The problem in which ops[first] runs before the others. What bounds it bounds no other. */
btl_liveness *btl_order_with_first(btl_arena *a, const btl_liveness *l, int n, const int *ops, int first);

#endif
