/* leaf.h - making nodes without inferring their types: leaves, and the last step of btl_apply.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_LEAF_H
#define BTL_EXPR_LEAF_H

#include "expr/op.h"

/* Copies inputs and parameters, appends the node to g->nodes, records g->here. */
btl_node *btl_node_new(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, int nout, const btl_type *types,
                       const btl_param *params);

/* The same node with other inputs of the same types (equal sizes, maybe said otherwise): keeps the result
 * types, run-time sizes and checks that inference found. In a graph that interns, an equal node is
 * returned where there is one (never for ops that measure their sizes: each owns its `?`). */
btl_node *btl_node_rebuild(btl_graph *g, const btl_node *n, btl_var *const *in);

/* In a graph that interns: the node made last, or the older one that equals it (then it is taken back). */
btl_node *btl_node_intern(btl_graph *g, btl_node *fresh);

#endif
