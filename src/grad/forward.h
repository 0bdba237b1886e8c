/* forward.h - Jacobian-vector products of a graph, as it stands.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_GRAD_FORWARD_H
#define BTL_GRAD_FORWARD_H

#include "grad/reverse.h"

/* sum over i of d y[k] / d wrt[i] . v[i]; v[i] of wrt[i]'s type. */
typedef struct btl_rop_args {
    const char *who, *noun;
    int ny;
    btl_var *const *y;
    int n;
    btl_var *const *wrt, *const *v;
} btl_rop_args;

/* out[k]: NULL where it is plainly zero; connected[k]: does y[k] depend on any of wrt by real numbers? Linear in
 * the nodes between the first of wrt and the last of y. Must run under btl_graph_protect. */
btl_status btl_grad_rop(btl_graph *g, const btl_rop_args *r, btl_var **out, bool *connected);

#endif
