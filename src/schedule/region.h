/* region.h - which elements of a value a view of it is: what tells that two views share none.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_REGION_H
#define BTL_SCHEDULE_REGION_H

#include "expr/op.h"
#include "schedule/schedule.h"

/* The element of the view's operand, which is row-major, at which the view begins, if it takes elements that follow one another, in that
 * order; NULL: it does not, or not for all sizes. */
const btl_dim *btl_view_start(btl_graph *g, btl_arena *scratch, const btl_node *view);

/* A value's elements among those of its origin, which is row-major: all from `at` on, one behind the other, or some of those. A value that is no view is its own. */
typedef struct btl_region {
    int origin;             /* a value; -1: not known */
    bool is_all;            /* these elements, in that order */
    const btl_dim *at, *elems;
    int64_t from, to;       /* at, at + elems where they are numbers; from -1: they are not, or not known */
} btl_region;

typedef struct btl_regions { btl_graph *g; int n; const btl_region *of; } btl_regions; /* g: NULL at certain sizes */

/* Of the schedule's values. vars[v]: the variable that value v is, made by a node of g; NULL: something else, of which nothing is known; so are values
 * from n on. In `a`, under its protection. */
btl_regions *btl_regions_new(btl_arena *a, btl_graph *g, const btl_schedule *s, int n, const btl_var *const *vars);
/* The same at certain sizes, for as long as nobody has the graph to himself: nothing is made in it. */
btl_regions *btl_regions_at(btl_arena *a, const btl_regions *r, const int64_t *symbols);
/* Is it certain that they share no element? As btl_schedule.disjoint, with regions as its user. */
bool btl_regions_disjoint(void *regions, int a, int b);

#endif
