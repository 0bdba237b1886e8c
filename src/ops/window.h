/* window.h - windows that slide over the rows and columns of images: what convolution and pooling share.
 *
 * An image has n rows (or columns), `padding` more before the first and behind the last, and a window of
 * k of them stands at the positions 0, stride, 2 * stride, … as long as all of it lies inside:
 *
 *     out = (n + 2*padding - k) // stride + 1
 *
 * Settings are two sizes, for rows and for columns; written by a person as one for both, too.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_WINDOW_H
#define BTL_OPS_WINDOW_H

#include "ops/structure.h"
#include "ops/support.h"

/* ---- types --------------------------------------------------------------------------------- */

/* A setting of two sizes that are at least `least`, of one for both, or (none) of the two of `otherwise`. */
btl_status btl_window_setting(btl_graph *g, const char *name, const btl_param *given, int64_t least,
                              const btl_dim *const *otherwise, btl_param *out);
/* The number of positions of a window, which must fit into the image: BTL_ESHAPE (nothing recorded) where
 * it cannot, a check at the call, with that message, where it is not known. */
btl_status btl_window_positions(btl_graph *g, const btl_dim *n, const btl_dim *k, const btl_dim *stride,
                                const btl_dim *padding, const char *message, const btl_dim **out);
/* a <= b: BTL_ESHAPE (nothing recorded) where it cannot be, a check at the call where it is not known. */
btl_status btl_window_at_most(btl_graph *g, const btl_dim *a, const btl_dim *b, const char *message);

/* "x is f32[n, 3]", a size, "axis 2: …": for messages. Arena texts. */
const char *btl_window_operand_text(btl_graph *g, const btl_var *v, const char *otherwise);
const char *btl_window_dim_text(btl_graph *g, const btl_dim *d);
/* Images must be of rank 4; `letters` says how their axes are called, "b, c, h, w". */
btl_status btl_window_rank(btl_graph *g, const btl_var *v, const char *what, const char *letters);

/* op(in…) with settings given as pairs of numbers (NULL: none given) before the others: for public
 * builders, which start outside the graph's protection. */
btl_var *btl_build_windowed(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, int npairs,
                            const int64_t *const *pairs, const btl_param *more);

/* ---- running ------------------------------------------------------------------------------- */

/* The two sizes of a setting. */
btl_status btl_window_read(const btl_exec *x, const btl_param *p, int64_t sizes[2]);

#endif
