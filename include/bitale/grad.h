/* grad.h - derivatives. SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_GRAD_H
#define BITALE_GRAD_H

#include "bitale/expr.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What to do when the cost does not depend on a variable (or only through integers). */
typedef enum btl_disconnected { BTL_DISCONNECTED_ERROR, BTL_DISCONNECTED_ZERO } btl_disconnected;

/** The gradient of a cost by variables.
 *
 * @param cost   0-d floating variable
 * @param n,wrt  inputs, shared or any other variables of the graph
 * @param how    for a variable on which cost does not depend: an error, or zeros
 * @param out    receives n new variables, of the types of wrt (f64 for integer ones is not made:
 *               integer variables follow `how`)
 * @return       BTL_OK; BTL_EGRAD with the op and its line where a derivative is missing or nothing
 *               flows; BTL_EDTYPE, BTL_ESHAPE if cost is not a 0-d float.
 * Before differentiation the cost is rewritten by the stabilising rules (log of softmax and the
 * like), so that its derivative is the stable one. The result is ordinary graph: it may be
 * differentiated again.   Cost: linear in the nodes between wrt and cost.
 * Source: Griewank & Walther, Evaluating Derivatives, 2008, ch. 3; see docs/GRADIENT.md. */
BTL_API btl_status btl_grad(btl_graph *g, btl_var *cost, int n, btl_var *const *wrt, btl_disconnected how,
                            btl_var **out);

/** Settings of btl_verify_grad; start from {0}: zeros mean Theano's defaults. */
typedef struct btl_verify_options {
    double eps;          /**< step; default by the coarsest float among the inputs: f64 1e-7, f32 3e-4, f16 1e-1 */
    double abs_tol, rel_tol; /**< default 1e-4, 1e-2, 5e-2 */
    int ntests;          /**< random projections; default 2 */
    uint64_t seed;       /**< default 1 */
    bool every_coordinate; /**< go through each coordinate of each input instead of one random direction */
} btl_verify_options;

/** Compares the gradient of a random projection of `y` with finite differences at a point.
 *
 * The output is projected on u, uniform in [0.5, 1.5); the inputs move along one random direction
 * through all of them at once (or coordinate by coordinate). Fails (BTL_ECHECK, the message gives
 * input, coordinate or direction, both values, both errors) where the absolute and the relative
 * error |a-b| / max(|a|+|b|, 1e-8) both exceed their tolerance. Finite differences are computed by
 * the reference evaluator in f64.
 * @param inputs leaf variables of y; `at` their values
 * Source: Theano's gradient.verify_grad. */
BTL_API btl_status btl_verify_grad(btl_graph *g, btl_var *y, int n, btl_var *const *inputs, const btl_array *at,
                                   const btl_verify_options *options, btl_error *err);

#ifdef __cplusplus
}
#endif
#endif
