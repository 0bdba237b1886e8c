/* recompute.h - less memory for more work: steps that run again instead of keeping what they made.
 *
 * A plan is a *sequence* of steps in which one may stand several times: each reads what was last made before it, so that what a step made is kept no longer
 * than to the last reader before the step runs again. What a step makes may take the place of an operand that dies there (`onto`, and `into` of the
 * schedule, say of which; where it does not die, being read again, memory is taken). Steps whose cost is INFINITY, or that write over a leaf, run once.
 * Results keep what was made first.
 *
 * Greedy, as in DTR and XLA (Kirisame et al. 2021, Dynamic tensor rematerialization): at the step of the peak, of all storages that wait there for a later
 * reader, the one of the most bytes times idle steps for the cost of making it again, with all that died by then, right before that reader; it is taken if no
 * step rises to the peak. Then runs are dropped again that the budget allows to be dropped, the dearest first: a run that others need, too, serves them all,
 * which makes segments of single values. Exact for adjoint chains (recompute_chain.c).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_RECOMPUTE_H
#define BTL_SCHEDULE_RECOMPUTE_H

#include "bitale/memory.h"
#include "schedule/schedule.h"

/* In the place of which operands may a value be made? Lists of values, apart by -1: onto[v] NULL: of none. */
typedef const int *const *btl_onto;

typedef struct btl_sequence {
    int n;
    int *steps;            /* of the schedule */
    int64_t peak;          /* the most bytes that live at one time, workspaces included */
    int at;                /* the place in the sequence where that is; -1: it is empty */
    double extra;          /* cost of what runs again */
} btl_sequence;

/* The peak of a sequence (n, steps are given). `live` (may be NULL): bytes at each place. Values that are views of several are refused elsewhere. */
void btl_sequence_measure(btl_arena *scratch, const btl_schedule *s, btl_onto onto, btl_sequence *q, int64_t *live);

typedef struct btl_recomputed {
    btl_sequence best;     /* within the budget if that was found, else the one of least peak */
    bool fits;
    int64_t bound;         /* no sequence has a smaller peak */
    int bound_step;        /* the step that needs so much */
    int ncurve;
    btl_memory_point *curve; /* if wanted: what was met on the way, peaks falling; extra as a cost */
} btl_recomputed;

/* A sequence whose peak is at most `budget` (0: as small as can be), from a valid order of the steps. Deterministic; at most `work` places of sequences
 * are looked at (0: 4e8, some seconds). In the arena, under its protection. */
btl_recomputed btl_recompute(btl_arena *a, const btl_schedule *s, const int *order, btl_onto onto, int64_t budget, int64_t work, bool curve);

/* Of each value: the step that makes it, or -1. */
int *btl_recompute_makers(btl_arena *a, const btl_schedule *s);

/* Is it an adjoint chain (see recompute_chain.c)? Then the least extra cost for each peak, by dynamic programming: fills in *out. */
bool btl_recompute_chain(btl_arena *a, const btl_schedule *s, const int *order, int64_t budget, btl_recomputed *out);

#endif
