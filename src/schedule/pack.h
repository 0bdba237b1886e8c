/* pack.h - offsets with as few bytes as can be found, and what no plan can do without.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_PACK_H
#define BTL_SCHEDULE_PACK_H

#include "schedule/offsets.h"

typedef struct btl_pack_request {
    size_t align;        /* of offsets; at least 1 */
    size_t capacity;     /* where the block must fit if that is possible; 0: as small as can be */
    int64_t steps;       /* how far to search: nodes of a search tree, a large one counts as several; 0: greedy only */
} btl_pack_request;

typedef struct btl_pack_plan {
    size_t live_peak;    /* the largest sum of bytes alive at one step, without alignment */
    size_t bound;        /* no plan ends lower */
    size_t bytes;        /* the end of the highest buffer; without the padding behind it */
    bool never_fits;     /* it is proven that nothing fits into the capacity */
    const char *method;  /* static text */
    int64_t steps;       /* that were taken */
} btl_pack_plan;

enum { BTL_PACK_STEPS = 3000000 };

/* Gives every buffer an offset. Several greedy orders first; where these stay above the bound, branch and bound below the bound
 * (schedule/skyline.h) in several ways, then between it and what is there, for all buffers, or where that would take too
 * long for those that are alive in the tightest moments with the rest placed greedily around them; then the greedy
 * order is changed bit by bit. The same plan for the same arguments: no clock is read. The sum of all bytes, each rounded
 * up to `align`, must fit half a size_t. Five seconds or so for a million steps; well below one where greedy
 * reaches the bound. In debug builds the plan is checked (btl_plan_check): EINTERNAL. */
btl_status btl_plan_pack(btl_arena *scratch, int n, btl_buffer *buffers, btl_pack_request request, btl_pack_plan *plan, btl_error *err);

#endif
