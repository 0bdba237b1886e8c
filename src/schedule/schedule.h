/* schedule.h - what runs, and in whose memory: the one description that the alias checker, liveness, order, plans,
 * recomputation and reports read.
 *
 * A *value* is what a step makes, or a leaf (an input, a shared variable, a constant), which no step makes. A *step* is one op or kernel. A
 * value lies in memory of its own, in that of other values (a view), or is written over one that dies. The arrays are the
 * caller's and must stay while anything reads them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_SCHEDULE_H
#define BTL_SCHEDULE_SCHEDULE_H

#include "expr/graph.h"

typedef struct btl_schedule_value {
    const char *name;        /* for messages and reports; may be NULL */
    const btl_places *places; /* where it comes from; may be NULL */
    const btl_type *type;    /* may be NULL */
    int64_t bytes;
    int nviews;
    const int *views;        /* values, inputs of the step that makes it or made by it in front of it, in whose memory it lies */
    int into;                /* the value, an input of the step that makes it, that it is written over; -1: none */
    bool is_output;          /* read when all steps have run */
    bool is_result;          /* an output that is handed to the caller: in memory of its own, whatever the policy */
    bool is_protected;       /* of a leaf: memory that must not be written over, a constant or an argument that is only lent */
    bool is_free;            /* in memory that is somebody else's and not charged; so is a leaf */
} btl_schedule_value;

typedef struct btl_schedule_step {
    const char *name;        /* of the op; may be NULL */
    const btl_places *places;
    int nin, nout;
    const int *in, *out;     /* values; one may stand in `in` more than once */
    int64_t workspace;       /* bytes that it needs while it runs */
    double cost;             /* of running it once more, some nanoseconds; INFINITY: that can't be */
    bool holds;              /* what it reads may be made where it lies in its result (of bounds on what recomputation needs) */
} btl_schedule_step;

typedef struct btl_schedule_edge { int before, after; } btl_schedule_edge; /* steps */

typedef struct btl_schedule {
    int nvalues, nsteps, nedges;
    const btl_schedule_value *values; /* each an output of one step, or of none */
    const btl_schedule_step *steps;
    const btl_schedule_edge *edges;   /* beyond those of data and overwriting */
    bool (*disjoint)(void *user, int a, int b); /* do two values (perhaps one) never share an element? NULL: they do */
    void *user;
} btl_schedule;

#endif
