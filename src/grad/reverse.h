/* reverse.h - reverse-mode differentiation of a graph, as it stands, and what the modes share.
 *
 * All of it must run under btl_graph_protect; mistakes become diagnostics. `who` begins their
 * message ("grad"), `noun` is what the person calls the thing that is differentiated ("the cost").
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_GRAD_REVERSE_H
#define BTL_GRAD_REVERSE_H

#include "bitale/grad.h"
#include "expr/graph.h"

/* sum over k of dy[k] . d y[k] / d wrt[i]; dy[k] of y[k]'s type. */
typedef struct btl_lop_args {
    const char *who, *noun;
    int ny;
    btl_var *const *y, *const *dy;
    int n;
    btl_var *const *wrt;
} btl_lop_args;

/* out[i]: NULL where it is plainly zero; connected[i]: does any y depend on wrt[i] by real numbers? Linear in
 * the nodes between the first of wrt and the last of y. */
btl_status btl_grad_lop(btl_graph *g, const btl_lop_args *l, btl_var **out, bool *connected);

/* The gradients of a 0-d floating cost by wrt[0..n): btl_grad without the stabilising rewrite before it. */
btl_status btl_grad_reverse(btl_graph *g, const char *who, btl_var *cost, int n, btl_var *const *wrt, btl_disconnected how,
                            btl_var **out);

/* The finished derivative *out of y by wrt, of that type: zeros for NULL, a check where sizes have two names,
 * and where nothing is connected zeros or the error, as `how` says. */
btl_status btl_grad_finish(btl_graph *g, const char *who, const char *noun, btl_var *y, btl_var *wrt, bool connected,
                           btl_disconnected how, const btl_type *type, btl_var **out);
btl_status btl_grad_fail_missing(btl_graph *g, const char *who, const char *noun, const btl_node *n, const btl_var *v);
/* BTL_EDTYPE where v, which the person knows as `noun`, is no float. */
btl_status btl_grad_check_float(btl_graph *g, const char *who, const char *noun, const btl_var *v);
/* The nodes from id lo to hi on which y[0..n) depend, themselves included, by id - lo. */
btl_bits btl_grad_needed(btl_graph *g, int lo, int hi, int n, btl_var *const *y);
/* "x (f32[n])". */
const char *btl_grad_text(btl_graph *g, const btl_var *v);

#endif
