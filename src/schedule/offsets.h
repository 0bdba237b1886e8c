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
 * Returns the bytes of the whole block. Greedy: largest first, each at the lowest offset that is free
 * over its life (within 0.4 % of the largest live sum on training graphs: docs/DESIGN.md); beyond 1500
 * buffers the smaller ones in the order of time. The sum of all bytes, aligned, must fit half a size_t. */
size_t btl_plan_offsets(btl_arena *scratch, int n, btl_buffer *buffers, size_t align);
/* The largest sum of bytes alive at one step: no plan can take less. */
size_t btl_plan_live_peak(btl_arena *scratch, int n, const btl_buffer *buffers, size_t align);

#endif
