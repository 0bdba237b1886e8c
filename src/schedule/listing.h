/* listing.h - a program in the schedule stage (expr/opaque.h) as a schedule, and what it says of memory checked.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_LISTING_H
#define BTL_SCHEDULE_LISTING_H

#include "schedule/schedule.h"

/* The schedule of an entry: the steps are its nodes in the order of the text. Arguments are only lent, unless they are mutable; a shared variable
 * may be written over where the entry updates it. `symbols`: values of the graph's size symbols, or NULL: all values get 0 bytes, and nothing is
 * said of sizes. ESHAPE: a size is unknown or too large. In the arena, under its protection. */
btl_status btl_listing_schedule(btl_arena *a, btl_graph *g, const btl_entry *e, const int64_t *symbols, btl_schedule **out, btl_error *err);

/* Is every `into` of the schedule safe, in some order of its steps? EVALUE: which is not, at which line, and why: who reads what it
 * writes over, and by way of what it can only run behind it. */
btl_status btl_listing_check(btl_arena *a, const btl_schedule *s, btl_error *err);

#endif
