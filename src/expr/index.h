/* index.h - x[…] as the parser and C builders hand it over; made into nodes by ops/index.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_INDEX_H
#define BTL_EXPR_INDEX_H

#include "expr/graph.h"

typedef enum btl_index_arg_kind { ARG_INT, ARG_SLICE, ARG_NEWAXIS, ARG_ELLIPSIS, ARG_ARRAY } btl_index_arg_kind;

/* A bound: a size (literals too, negative ones count from the end), or a 0-d integer variable, or
 * absent (both NULL). */
typedef struct btl_index_bound {
    const btl_dim *dim;
    btl_var *var;
} btl_index_bound;

/* One thing between the brackets. ARG_INT uses `start`; ARG_ARRAY uses `start.var`, integers of any
 * type and rank (rank 0 is taken as ARG_INT; bool is a mask, which is refused for now). */
typedef struct btl_index_arg {
    btl_index_arg_kind kind;
    btl_index_bound start, stop, step;
} btl_index_arg;

/* x[items…]. Under the graph's protection; a mistake is recorded as a diagnostic at g->here and
 * gives NULL, as NULL operands do. */
btl_var *btl_index_build(btl_graph *g, btl_var *x, int nitems, const btl_index_arg *items);
/* set_subtensor(x[items…], y), or inc_subtensor: x with that part replaced or increased. */
btl_var *btl_index_assign(btl_graph *g, btl_var *x, int nitems, const btl_index_arg *items, btl_var *y, bool increase);

#endif
