/* rests.h - a plan as a relation that holds for any sizes: "b rests on a".
 *
 * Of two buffers that are alive at one time, the one that lies lower in a plan lies lower whatever the sizes. So each
 * buffer begins where the highest of those that it rests on ends: offsets follow from any sizes in one pass, and
 * are always valid. They are as good as the plan where the sizes are in its proportions.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_RESTS_H
#define BTL_SCHEDULE_RESTS_H

#include "schedule/offsets.h"

typedef struct btl_rests {
    int n;
    int *order;          /* buffers, each behind those that it rests on */
    int *first;          /* n + 1 of them: buffer b rests on on[first[b]] … on[first[b + 1] - 1] */
    int *on;
    bool *is_top;        /* no other buffer rests on it */
} btl_rests;

/* The relation of a plan, in the arena; up to 8192 buffers without what follows from the rest of it, above that with at most
 * three pairs a buffer. Time near n log n, and up to 8192 buffers n²/64 for what follows. */
btl_rests btl_plan_rests(btl_arena *a, int n, const btl_buffer *buffers);

/* Offsets for these sizes; returns the bytes of the whole block. */
size_t btl_rests_offsets(const btl_rests *r, btl_buffer *buffers, size_t align);

#endif
