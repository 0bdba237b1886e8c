/* skyline.h - do buffers with known lives fit below a height? By branch and bound, so "no" is a proof.
 *
 * In units of any kind. Time is cut into sections: the moments at which most buffers are alive; a buffer covers a
 * run of them. Above what is placed, each section has a floor. Of a run of sections with one floor and higher ones
 * on both sides, take a section s: either one of the buffers that cover s and fit into the run begins at the floor
 * (a branch for each), or none does: then the floor of s rises to where the first one can begin. Each way to stack
 * the buffers, none of which could lie lower with the others as they are, is found by just one path.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_SKYLINE_H
#define BTL_SCHEDULE_SKYLINE_H

#include "base/arena.h"

typedef struct btl_skyline_item {
    int from, to;      /* sections: [from, to) */
    int64_t size;      /* > 0 */
    int64_t highest;   /* where it may begin at most */
    int64_t offset;    /* the answer */
} btl_skyline_item;

typedef struct btl_skyline {
    int n, nsections;
    btl_skyline_item *items;
} btl_skyline;

typedef enum btl_skyline_answer { BTL_SKYLINE_FITS, BTL_SKYLINE_NEVER_FITS, BTL_SKYLINE_UNKNOWN } btl_skyline_answer;

/* How a search goes: which of the buffers that fit is tried first (0 to 5), which section is looked at first (0 to 4). */
typedef struct btl_skyline_way { int item_rule, section_rule; uint64_t seed; /* 0: no chance in it */ } btl_skyline_way;

/* Sections of buffers [lower, upper): sets from and to, returns their number. Lives are not empty. */
int btl_skyline_sections(btl_arena *scratch, int n, const int *lower, const int *upper, btl_skyline_item *items);

/* Searches for offsets with offset + size <= height. `*steps`: nodes of the tree that may be looked at; what is left
 * is put there. Offsets are set only by BTL_SKYLINE_FITS. The same for the same arguments. A node where buffers
 * have many sections counts as several steps: one more for each BTL_SKYLINE_CELLS. A step takes some microseconds. */
enum { BTL_SKYLINE_CELLS = 2048 };
btl_skyline_answer btl_skyline_search(btl_arena *scratch, const btl_skyline *p, int64_t height, btl_skyline_way way, int64_t *steps);

#endif
