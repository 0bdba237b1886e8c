/* guests.h - buffers that lie in the memory of a result until that is written.
 *
 * Under the policy `arena` a call has the memory of its results from the start, and it stands idle until the first instruction
 * writes into it. A buffer that has died by then can lie there instead of in the block.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_GUESTS_H
#define BTL_SCHEDULE_GUESTS_H

#include "schedule/offsets.h"

/* A result's memory: nothing is in it before step `until`. */
typedef struct btl_host { size_t bytes; int until; } btl_host;

/* Offsets of all: of some in a host, host[i] being its number, multiples of `align`; of the others, host[i] = -1, in the block as `place` lays them out. Returns
 * the block's bytes, never more than without guests. Greedy, by what lowers the largest sum of bytes alive in the block at one step; the same sizes give the
 * same choice. A fraction of a microsecond for each buffer and guest; some dozens of guests at most. */
typedef size_t (*btl_placing)(const void *user, btl_arena *scratch, int n, btl_buffer *buffers);
size_t btl_guests_offsets(btl_arena *scratch, int n, btl_buffer *buffers, int nhosts, const btl_host *hosts, size_t align, int *host, btl_placing place, const void *user);

/* Of buffers that would be such guests the bytes become 0: the others are the block's. */
void btl_guests_take_out(btl_arena *scratch, int n, btl_buffer *buffers, int nhosts, const btl_host *hosts, size_t align);

/* Is all of it valid: the block, and each host's memory? By other means than those that plan. EINTERNAL says what is wrong. */
btl_status btl_guests_check(btl_arena *scratch, int n, const btl_buffer *buffers, int nhosts, const btl_host *hosts, size_t align, const int *host, size_t total, btl_error *err);

#endif
