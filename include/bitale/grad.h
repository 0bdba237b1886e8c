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

/** The Jacobian: all derivatives of all elements of y by all elements of x.
 *
 * @param y      floating, any rank
 * @param n,wrt  as btl_grad
 * @param out    receives n new variables: out[i] has the shape of y followed by that of wrt[i], its
 *               dtype is wrt[i]'s
 * @return       as btl_grad; BTL_ESHAPE where the ranks add up to more than a variable may have.
 * All rows (or all columns, if these are fewer) are computed by one graph, along an axis in front of the
 * others. An op that has no rule for such a batch is computed once for each; where their number is a
 * symbolic size, that is BTL_EGRAD with the op and its line.
 * Cost: at run time that of y times the smaller number of elements; memory likewise.
 * See: btl_lop, btl_rop, which give a row and a column.   Since: 0.1 */
BTL_API btl_status btl_jacobian(btl_graph *g, btl_var *y, int n, btl_var *const *wrt, btl_disconnected how,
                                btl_var **out);

/** The Hessians of a cost: out[i] is the Jacobian of its gradient by wrt[i], by wrt[i].
 * Arguments and errors as btl_grad. Where a gradient does not depend on its variable (the cost is linear in
 * it) the Hessian is zeros.   Since: 0.1 */
BTL_API btl_status btl_hessian(btl_graph *g, btl_var *cost, int n, btl_var *const *wrt, btl_disconnected how,
                               btl_var **out);

/** Rows: v times the Jacobian, sum over k of v[k] . d y[k] / d wrt[i] (Theano's Lop; grad is that of v = 1).
 *
 * @param ny,y   at least one floating variable of any rank
 * @param v      for each y one of its shape; a narrower float is widened
 * @param out    receives n variables of the types of wrt
 * @return       as btl_grad; BTL_ESHAPE, BTL_EDTYPE if a v does not fit its y; BTL_EUSAGE for ny < 1.
 * Cost: a small multiple of y's.   Since: 0.1 */
BTL_API btl_status btl_lop(btl_graph *g, int ny, btl_var *const *y, btl_var *const *v, int n, btl_var *const *wrt,
                           btl_disconnected how, btl_var **out);

/** Columns: the Jacobian times v, sum over i of d y[k] / d wrt[i] . v[i] (Theano's Rop), by forward mode.
 *
 * @param n,wrt  at least one floating variable
 * @param v      for each one of its shape; a narrower float is widened
 * @param how    for a y that depends on none of wrt: an error, or zeros
 * @param out    receives ny variables of the types of y
 * @return       as btl_lop; BTL_EUSAGE for n < 1.
 * Cost: a small multiple of y's.   Since: 0.1 */
BTL_API btl_status btl_rop(btl_graph *g, int ny, btl_var *const *y, int n, btl_var *const *wrt, btl_var *const *v,
                           btl_disconnected how, btl_var **out);

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
