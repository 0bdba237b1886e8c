/* leaf.h - making nodes without inferring their types: leaves, and the last step of btl_apply.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_LEAF_H
#define BTL_EXPR_LEAF_H

#include "expr/op.h"

/* Copies inputs and parameters, appends the node to g->nodes, records g->here. */
btl_node *btl_node_new(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, int nout, const btl_type *types,
                       const btl_param *params);

#endif
