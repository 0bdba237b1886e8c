/* batch.h - a part of a graph once more, for many values of a variable at once.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_GRAD_BATCH_H
#define BTL_GRAD_BATCH_H

#include "grad/reverse.h"

/* Takes many[i], of x[i]'s type with one more axis in front, for x[i] (nx of them, at least one): out[k] is vars[k]
 * for each of the slices, with that axis in front; NULL where vars[k] depends on none. Each node between
 * x and vars becomes one node (op->batch), or, where its op has no rule, a node for each slice: an error
 * (BTL_EGRAD, op and line) where their number is not known. linear: vars are linear in x, which saves
 * work. Must run under btl_graph_protect. */
btl_status btl_grad_batch(btl_graph *g, const char *who, bool linear, int nx, btl_var *const *x, btl_var *const *many, int n,
                          btl_var *const *vars, btl_var **out);

#endif
