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

/* Chooses buffers that lie in a host: host[i] is its number, and buffers[i].offset where it lies there, a multiple of `align`; -1: in the block.
 * Greedy, by what lowers the largest sum of bytes alive in the block at one step. Returns how many. The same sizes give the same choice.
 * A fraction of a microsecond for each buffer and guest; some dozens of guests at most. */
int btl_guests_choose(btl_arena *scratch, int n, btl_buffer *buffers, int nhosts, const btl_host *hosts, size_t align, int *host);

/* The same with what btl_plan_offsets (`place`) makes of the others: offsets of all, the bytes of the block. NULL hosts: no guests. */
typedef size_t (*btl_placing)(const void *user, btl_arena *scratch, int n, btl_buffer *buffers);
size_t btl_guests_offsets(btl_arena *scratch, int n, btl_buffer *buffers, int nhosts, const btl_host *hosts, size_t align, int *host, btl_placing place, const void *user);

/* Is all of it valid: the block, and each host's memory? By other means than those that plan. EINTERNAL says what is wrong. */
btl_status btl_guests_check(btl_arena *scratch, int n, const btl_buffer *buffers, int nhosts, const btl_host *hosts, size_t align, const int *host, size_t total, btl_error *err);

#endif
