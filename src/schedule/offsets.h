/* offsets.h - where buffers with known lives lie in one block.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_OFFSETS_H
#define BTL_SCHEDULE_OFFSETS_H

#include "base/arena.h"

/* A buffer that is alive from step `first` to step `last`, both included. */
typedef struct btl_buffer {
    int first, last;
    size_t bytes;
    size_t offset; /* to be filled in */
} btl_buffer;

/* Gives every buffer an offset, a multiple of `align`, so that buffers alive at one step do not overlap.
 * Returns the bytes of the whole block. Greedy, and quick: largest first, each at the lowest offset that is free over
 * its life (within 0.4 % of the largest live sum on training graphs: docs/MEMORY.md); a few other orders while that
 * takes milliseconds; where even the first would take too long, the rest lies above, in the order of time.
 * schedule/pack.h takes more pains. The sum of all bytes, aligned, must fit half a size_t. */
size_t btl_plan_offsets(btl_arena *scratch, int n, btl_buffer *buffers, size_t align);
/* The largest sum of bytes alive at one step, each rounded up to `align`: a plan takes no less. */
size_t btl_plan_live_peak(btl_arena *scratch, int n, const btl_buffer *buffers, size_t align);
/* Is the plan valid: offsets that are multiples of `align`, ends within `total`, no overlap? n log n, by other means than
 * those that plan. EINTERNAL says what is wrong. */
btl_status btl_plan_check(btl_arena *scratch, int n, const btl_buffer *buffers, size_t align, size_t total, btl_error *err);

/* ---- parts of it, for schedule/pack.c ------------------------------------------------------------ */

typedef enum btl_offsets_key { BTL_BY_SIZE, BTL_BY_AREA, BTL_BY_LENGTH, BTL_BY_START, BTL_BY_END } btl_offsets_key;

/* Work is counted in placed buffers that are looked at, about a nanosecond each. */
size_t btl_plan_offsets_within(btl_arena *scratch, int n, btl_buffer *buffers, size_t align, int64_t work, const char **method);
void btl_offsets_order(btl_arena *scratch, int n, const btl_buffer *buffers, btl_offsets_key key, int *order);
/* Places the n buffers order[…] in this order, around those of `fixed`, which have their offsets; other buffers do not count.
 * False, with some of the offsets changed: the end would not lie below `most`, or the work is used up. */
bool btl_offsets_greedy(btl_arena *scratch, int n, const int *order, int nfixed, const int *fixed, btl_buffer *buffers, size_t align,
                        bool tightest, size_t most, int64_t *work, size_t *total);

#endif
