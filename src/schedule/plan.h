/* plan.h - what a storage policy makes of a schedule: which values share a storage, where it lies, when it is freed, what that takes.
 *
 * The policies: `each`, a storage for every value that needs one; `reuse`, the storage of a value that is dead is handed, once for each death,
 * to the first value of the same type (sizes proven equal) that a strictly later step makes, and from there on again; `reuse=0d`,
 * the same for single numbers only (what Theano's VM meant to do); `arena`, offsets in one block. Without collection (gc off) memory
 * stays for the next call; with it a storage is allocated by the first step that needs it and freed after the last one, and an arena is given
 * back after the call. Results are handed to the caller, so they lie in memory of their own under every policy; under `arena` a
 * storage that ends before a result is written may lie there (schedule/guests.h).
 *
 * Functions run by these tables, so what is said here is what a run takes.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_PLAN_H
#define BTL_SCHEDULE_PLAN_H

#include "schedule/liveness.h"
#include "schedule/offsets.h"

typedef enum btl_policy { BTL_POLICY_ARENA, BTL_POLICY_EACH, BTL_POLICY_REUSE, BTL_POLICY_REUSE_0D } btl_policy;
enum { BTL_POLICIES = BTL_POLICY_REUSE_0D + 1 };
extern const char *const btl_policy_names[]; /* by btl_policy; NULL ends them */

typedef struct btl_plan_store {
    int64_t bytes, offset;   /* offset: in the arena's block; elsewhere 0 */
    int first, last;         /* steps of the order at which it is in use, both included; last = nsteps: to the end */
    int root;                /* the value that it is first made for */
    bool is_result;          /* outside the block, and the caller's in the end */
    int host;                /* under `arena`, the storage of a result in whose memory it lies until that is written, at `offset`; -1: the block, or memory of its own */
} btl_plan_store;

typedef struct btl_plan {
    btl_policy policy;
    int nstores;
    btl_plan_store *stores;
    int *store_of;           /* of each value: its storage; -1: not charged */
    int *freed_after;        /* of each value: the step of the order with which its storage, as far as this value needs it, ends; -1: it stays, or is not charged */
    int64_t live_peak;       /* of the order: the largest sum of bytes that live at one step, workspaces included */
    int64_t results;         /* bytes of storages that are results */
    int64_t taken;           /* gc off: bytes of all storages; of the block and the results under `arena` */
    int64_t taken_gc;        /* gc on: the most bytes held at one time */
} btl_plan;

/* The plan of a valid order; every offset a multiple of `align`. `l` is the schedule's. In the arena, under its protection. ENOMEM: the block
 * would be larger than memory can be. */
btl_status btl_plan_make(btl_arena *a, const btl_schedule *s, const btl_liveness *l, const int *order, btl_policy policy, size_t align, btl_plan *out, btl_error *err);

/* ---- the parts of it that functions use ------------------------------------------------------------ */

/* Buffers to storages, numbered in the order of their first use; returns how many. types[i]: of buffer i, or NULL: like no other. */
int btl_plan_stores(btl_arena *scratch, btl_policy policy, int n, const btl_buffer *buffers, const btl_type *const *types, int nsteps, int *store_of);

#endif
