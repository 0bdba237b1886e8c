/* jacobian.h - Jacobians of a graph, as it stands.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_GRAD_JACOBIAN_H
#define BTL_GRAD_JACOBIAN_H

#include "grad/reverse.h"

typedef enum btl_jacobian_way { BTL_JACOBIAN_CHEAPER, BTL_JACOBIAN_ROWS, BTL_JACOBIAN_COLUMNS } btl_jacobian_way;

/* The Jacobians of y by wrt[0..n): out[i] has the shape of y, then that of wrt[i]. btl_jacobian without the
 * stabilising rewrite before it. Must run under btl_graph_protect. */
btl_status btl_grad_jacobian(btl_graph *g, const char *who, btl_jacobian_way way, btl_var *y, int n, btl_var *const *wrt,
                             btl_disconnected how, btl_var **out);

#endif
