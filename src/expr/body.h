/* body.h - nested graphs as values: equal bodies share one compiled kernel.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_BODY_H
#define BTL_EXPR_BODY_H

#include "expr/graph.h"

/* Same structure: ops, dtypes, settings, constants and data flow; names and places don't count. */
uint64_t btl_body_hash(const btl_body *body);
bool btl_body_equal(const btl_body *a, const btl_body *b);

/* The nodes that the results depend on, parameters and constants included, in an order in which
 * each stands behind its inputs (by id). Only under protection. */
btl_node **btl_body_nodes(btl_arena *a, const btl_body *body, int *nnodes);

#endif
