/* higher.h - a small graph evaluated in long double, for judging what rounds to f32 or f64.
 *
 * Elementwise ops, reductions and whatever is made of them (op->body) are computed without rounding between; what only moves
 * elements moves them as they are. Any other op is computed by its reference in the node's own type, so there the graph should be of f64.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPCHECK_HIGHER_H
#define BTL_OPCHECK_HIGHER_H

#include "expr/op.h"

/* On the way to a value: the largest finite magnitude, and whether anything was infinite. */
typedef struct btl_high_seen { long double largest; bool infinite; } btl_high_seen;

typedef struct btl_high {
    int rank;
    int64_t dims[BTL_MAX_RANK], elems;
    long double *v;        /* row-major; of the arena */
} btl_high;

/* The value of v, which depends on the n leaves of which values are given. Builds nodes (bodies) in the graph. Under its protection.
 * `seen` may be NULL. False: it cannot be computed. */
bool btl_high_eval(btl_graph *g, int n, btl_var *const *leaves, const btl_array *given, btl_var *v, btl_high *out, btl_high_seen *seen);

#endif
