/* reverse.h - reverse-mode differentiation of a graph, as it stands.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_GRAD_REVERSE_H
#define BTL_GRAD_REVERSE_H

#include "bitale/grad.h"
#include "expr/graph.h"

/* The gradients of a 0-d floating cost by wrt[0..n), as new nodes of g: btl_grad without the
 * stabilising rewrite before it. Must run under btl_graph_protect. Mistakes become diagnostics. */
btl_status btl_grad_reverse(btl_graph *g, btl_var *cost, int n, btl_var *const *wrt, btl_disconnected how,
                            btl_var **out);

#endif
