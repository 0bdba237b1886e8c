/* opaque.h - a program in the schedule stage: nodes of unknown meaning, and what is said of where results lie.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_OPAQUE_H
#define BTL_EXPR_OPAQUE_H

#include "expr/op.h"

/* opaque("name", a, b): reads its operands and makes values of the types that the node has. It cannot be run. */
extern const btl_op btl_op_opaque;
btl_node *btl_opaque(btl_graph *g, const char *name, int nin, btl_var *const *in, int nout, const btl_type *types);

/* Says that result `out` of n lies in the memory of operand `input`: as a view of it, or written over it (into). EVALUE, with the mistake
 * recorded in the graph: the result is placed already, `into` with other bytes, a view of more bytes than it is a view of, a view of an op
 * that makes none, `into` of one that does. */
btl_status btl_node_lies(btl_graph *g, btl_node *n, int out, int input, bool is_view);

/* e->nodes: the nodes from number `begin` on, whether or not anything depends on them, in the order of the text; without those of first and default
 * values alone. */
void btl_entry_list_nodes(btl_graph *g, btl_entry *e, int begin);

#endif
