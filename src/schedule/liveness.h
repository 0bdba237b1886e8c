/* liveness.h - who lives when: the one model that order, plan, profiler and reports share.
 *
 * A storage is a piece of memory that values live in, one after the other or together: a view shares the storage of
 * what it views, and what is written over a dying value shares that one's. A storage lives from the op that makes its
 * first value until every op that reads or makes one of its values has run; to the end where one of them is an
 * output. The rules of accounting:
 *   1. charged are storages made by ops; inputs, shared variables and constants are not;
 *   2. a view, and a value written over another, cost nothing;
 *   3. all that an op makes is charged before any of its inputs is released: the peak is between the two;
 *   4. a storage is released once, after the last op that touches it, however often that reads it;
 *   5. outputs live to the end;
 *   6. an order is valid if it keeps the data's edges, and runs each reader of an old value before its overwriter;
 *   7. a value that nobody reads is released right after the op that makes it.
 * An op's workspace counts at its own step alone.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_LIVENESS_H
#define BTL_SCHEDULE_LIVENESS_H

#include "base/arena.h"
#include "schedule/schedule.h"

/* ---- the model ---------------------------------------------------------------------------- */

/* Rows of numbers: those of row i are item[first[i]] … item[first[i + 1] - 1], each once. */
typedef struct btl_lists { int *first, *item; } btl_lists;

/* Of n pairs (row, item). Items keep the order in which they come. */
btl_lists btl_lists_new(btl_arena *a, int nrows, int nitems, int n, const int (*pairs)[2]);
#define BTL_EACH(i, rows, row) int i = (rows).first[row]; i < (rows).first[(row) + 1]; i++

typedef struct btl_liveness {
    int nops, nstores;
    btl_lists before, after;  /* of each op: ops that must run before, and after it */
    btl_lists uses;           /* of each op: storages it touches, those it makes included */
    btl_lists users;          /* of each storage: ops that touch it */
    int *maker;              /* of each storage; -1: it lives when the first op begins */
    int64_t *bytes;
    bool *pinned;            /* lives to the end */
    int64_t *makes;          /* of each op: bytes that it makes */
    int64_t *need;           /* of each op: bytes at its step above those that live before it */
    int64_t *workspace;      /* of each op, part of `need` */
    int64_t base;            /* bytes that live all the time, besides the storages here */
    int *root;               /* of each storage: its first value; NULL in parts of a problem */
    int *store_of;           /* of each value: its storage, -1 if that is not charged; NULL in parts */
} btl_liveness;

/* Storages without bytes and those not charged are left out. EVALUE: an id that does not exist, a value made twice, a
 * negative size, sizes whose sum passes 2^60, a shared storage that the op does not read, two overwriters of one
 * value (of the same elements, as far as is known), an output that is overwritten, a cycle (its ops are named). Under the arena's protection. */
btl_status btl_liveness_new(btl_arena *a, const btl_schedule *p, btl_liveness **out, btl_error *err);

/* The part of a problem in which the ops of `part` run after those for which `done` is set (a NULL: none): what lives
 * before and is touched is there from the beginning, what is touched later stays to the end. Op i of the part is
 * part[i]. */
btl_liveness *btl_liveness_part(btl_arena *a, const btl_liveness *l, const bool *done, int n, const int *part);

/* EVALUE unless the order has every op once and none before one that it follows. */
btl_status btl_liveness_check_order(const btl_liveness *l, const int *order, btl_arena *scratch, btl_error *err);

typedef struct btl_live_peak {
    int64_t bytes;      /* the largest sum of what lives at one step, workspace included */
    int64_t workspace;  /* the part of it that is workspace */
    int step;           /* the first such step; -1 if there are no ops */
} btl_live_peak;

/* Of a valid order. `profile` may be NULL, or gets the bytes of each step. O(all that is touched). */
btl_live_peak btl_liveness_peak(const btl_liveness *l, const int *order, btl_arena *scratch, int64_t *profile);
/* The first and last step at which each storage lives: 0 if it is there from the beginning, nops if it stays. */
void btl_liveness_spans(const btl_liveness *l, const int *order, btl_arena *scratch, int *first, int *last);
/* An order that the ops allow: at each step the one that stands first in `given` (NULL: the least number) of those
 * that are ready. */
void btl_liveness_sort(const btl_liveness *l, const int *given, btl_arena *scratch, int *order);

#endif
