/* tensors.h - builders that move, join, index, multiply and draw: all that is not elementwise.
 *
 * Sizes are given here as numbers. Symbolic ones are written in the notation, where the same builders
 * have the same names: `btl_expr(g, "reshape(x, [n, 2*k])", "x", x, NULL)`; so is what stands in x[…].
 * All return NULL on a mistake, which the graph records, and for NULL operands, silently; the results
 * belong to the graph. Thread rule, for all of them: the graph's. Since 0.1, all of them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_TENSORS_H
#define BITALE_TENSORS_H

#include "bitale/expr.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- shapes ------------------------------------------------------------------------------ */

/** The same elements, in row-major order, in another shape: `reshape(x, [2, -1])`.
 *
 * @param rank,shape  the new sizes; one may be -1: what is left
 * @return      BTL_ESHAPE where the number of elements differs; checked at the call where a size is
 *              symbolic.
 * Gradient:    reshaped back.   Cost: none, a view; a copy if x is not row-major. */
BTL_API btl_var *btl_reshape(btl_graph *g, btl_var *x, int rank, const int64_t *shape);

/** x with one axis (ndim = 1), or with the axes behind the first ndim-1 made one.
 *
 * @param ndim  1 <= ndim <= rank(x)
 * @return      BTL_EVALUE for another ndim.
 * Gradient:    reshaped back.   Cost: as btl_reshape. */
BTL_API btl_var *btl_flatten(btl_graph *g, btl_var *x, int ndim);

/** Axes in another order: result axis i is x's axis axes[i].
 *
 * @param naxes,axes  a permutation, negative ones count from the end; naxes -1: all axes reversed (`x.T`)
 * @return      BTL_ESHAPE for what is no permutation.
 * Gradient:    transposed back.   Cost: none, a view. */
BTL_API btl_var *btl_transpose(btl_graph *g, btl_var *x, int naxes, const int *axes);

/** Theano's dimshuffle: axes permuted, new ones of size 1 added, ones of size 1 dropped.
 *
 * @param n,pattern  for each axis of the result the axis of x, or -1 for a new one; axes of x that
 *              are left out must be of size 1 (checked at the call where it is symbolic)
 * @return      BTL_ESHAPE for an axis that is not there, stands twice, or cannot be dropped.
 * Gradient:    the axes go back.   Cost: none, a view. */
BTL_API btl_var *btl_dimshuffle(btl_graph *g, btl_var *x, int n, const int *pattern);

/** Two axes exchanged. BTL_ESHAPE for axes outside x.   Cost: none, a view. */
BTL_API btl_var *btl_swapaxes(btl_graph *g, btl_var *x, int axis1, int axis2);

/** Axes of size 1 dropped: those given, or (naxes -1) all that are known to be of size 1.
 * BTL_ESHAPE where one is not of size 1.   Cost: none, a view. */
BTL_API btl_var *btl_squeeze(btl_graph *g, btl_var *x, int naxes, const int *axes);

/** A new axis of size 1 that stands at `axis` of the result. BTL_ESHAPE.   Cost: none, a view. */
BTL_API btl_var *btl_expand_dims(btl_graph *g, btl_var *x, int axis);

/** x repeated (with stride 0) to fill a shape with which its sizes are right-aligned.
 *
 * @return      BTL_ESHAPE unless each size of x is known to be 1 or equal.
 * Gradient:    summed over what was repeated.   Cost: none, a view. */
BTL_API btl_var *btl_broadcast_to(btl_graph *g, btl_var *x, int rank, const int64_t *shape);

/** The whole of x reps[i] times along each axis (right-aligned). BTL_ESHAPE.
 * Gradient:    summed over the copies.   Cost: one write per element of the result. */
BTL_API btl_var *btl_tile(btl_graph *g, btl_var *x, int nreps, const int64_t *reps);

/** Each slice along `axis` `repeats` times in a row. BTL_ESHAPE.
 * Gradient:    summed over the copies.   Cost: one write per element of the result. */
BTL_API btl_var *btl_repeat(btl_graph *g, btl_var *x, int64_t repeats, int axis);

/* ---- joining ----------------------------------------------------------------------------- */

/** Arrays behind one another along an axis, cast to their common type.
 *
 * @param n,v   at least one; equal ranks, all sizes but the one along `axis` equal
 * @return      BTL_ESHAPE.
 * Gradient:    each takes its part (a view).   Cost: one read and write per element. */
BTL_API btl_var *btl_concatenate(btl_graph *g, int n, btl_var *const *v, int axis);

/** Arrays of one shape behind one another along a new axis. BTL_ESHAPE.   Cost: as btl_concatenate. */
BTL_API btl_var *btl_stack(btl_graph *g, int n, btl_var *const *v, int axis);

/** The parts of x along an axis, n of them, whose sizes add up to the axis's.
 *
 * @param out   receives n variables (NULL on a mistake)
 * @return      BTL_OK; BTL_ESHAPE.
 * Gradient:    concatenated; zeros for parts not used.   Cost: one read and write per element. */
BTL_API btl_status btl_split(btl_graph *g, btl_var *x, int n, const int64_t *sizes, int axis, btl_var **out);

/* ---- making ------------------------------------------------------------------------------ */

/** Zeros. The notation's `zeros(shape, dtype=f64)` has f64 if nothing is said, as NumPy.
 * Cost: none; takes no memory until something needs it as an array. */
BTL_API btl_var *btl_zeros(btl_graph *g, btl_dtype dtype, int rank, const int64_t *shape);
/** Ones; see btl_zeros. */
BTL_API btl_var *btl_ones(btl_graph *g, btl_dtype dtype, int rank, const int64_t *shape);
/** A 0-d value everywhere, of the value's type. Gradient: the sum.   Cost: none, a view. */
BTL_API btl_var *btl_full(btl_graph *g, btl_var *value, int rank, const int64_t *shape);
/** Of x's type and shape, symbolic sizes included; x itself is not read. */
BTL_API btl_var *btl_zeros_like(btl_graph *g, btl_var *x);
BTL_API btl_var *btl_ones_like(btl_graph *g, btl_var *x);
/** `value` (0-d) cast to x's type, in x's shape. */
BTL_API btl_var *btl_full_like(btl_graph *g, btl_var *x, btl_var *value);
/** n rows, m columns, ones where column = row + k, zeros elsewhere. */
BTL_API btl_var *btl_eye(btl_graph *g, btl_dtype dtype, int64_t n, int64_t m, int64_t k);

/** i64 `start, start + step, …` up to but without `stop`, as Python's range.
 *
 * @param start,stop,step  0-d integers; start NULL: 0, step NULL: 1. Literals and sizes give a result
 *              of known (symbolic) size, other variables one whose size is found at the call.
 * @return      BTL_EDTYPE for floats (use btl_linspace), BTL_EVALUE for step 0 (at the call: BTL_EVALUE). */
BTL_API btl_var *btl_arange(btl_graph *g, btl_var *start, btl_var *stop, btl_var *step);

/** num floats evenly spaced from start to stop, both included (num = 1: start alone).
 * Gradient:    by start and stop. */
BTL_API btl_var *btl_linspace(btl_graph *g, btl_var *start, btl_var *stop, int64_t num);

/* ---- indexing ---------------------------------------------------------------------------- */

/** x[…, start:stop:step, …] along one axis, clipped as in Python; INT64_MAX for a bound that is
 * left out. BTL_EVALUE for step 0.   Gradient: zeros with that part set.   Cost: none, a view. */
BTL_API btl_var *btl_slice(btl_graph *g, btl_var *x, int axis, int64_t start, int64_t stop, int64_t step);

/** The slices of x along an axis that `indices` (integers of any shape, negative ones from the end)
 * names; its axes stand where `axis` was. BTL_EDTYPE; at the call BTL_EINDEX.
 * Gradient:    added up at the indices.   Cost: one read and write per element of the result. */
BTL_API btl_var *btl_take(btl_graph *g, btl_var *x, btl_var *indices, int axis);

/* ---- products ---------------------------------------------------------------------------- */

/** NumPy's matmul, `a @ b`: matrices, vectors, and stacks of matrices with broadcast leading axes.
 *
 * @return      their common type; BTL_ESHAPE where inner sizes differ or an operand is 0-d.
 *              f32 and f64 by a CBLAS (see btl_blas_describe), f16 and bf16 through f32, integers wrap.
 * Gradient:    dy @ b.T and a.T @ dy, summed over broadcast axes.   Cost: 2·m·n·k. */
BTL_API btl_var *btl_matmul(btl_graph *g, btl_var *a, btl_var *b);
/** NumPy's dot: as matmul up to matrices; of a tensor with a vector or matrix, the last axis with b's
 * last but one, a's axes first; by a scalar, the product. */
BTL_API btl_var *btl_dot(btl_graph *g, btl_var *a, btl_var *b);
/** a[i] * b[j] of two (flattened) arrays. */
BTL_API btl_var *btl_outer(btl_graph *g, btl_var *a, btl_var *b);
/** Summed over n pairs of axes (a_axes[i] with b_axes[i]); the axes left of a, then of b. BTL_ESHAPE. */
BTL_API btl_var *btl_tensordot(btl_graph *g, btl_var *a, btl_var *b, int n, const int *a_axes, const int *b_axes);

/** alpha (a @ b) + beta c of matrices and 0-d numbers, f32 or f64. Each element of the product is rounded, multiplied by alpha and added to beta
 * times that of c; what is multiplied by 0 counts, too (NaN, inf). Rules make it of sums, and the result may then lie in the place of c.
 * BTL_EDTYPE, BTL_ESHAPE.   Cost: 2·m·n·k. */
BTL_API btl_var *btl_gemm(btl_graph *g, btl_var *c, btl_var *a, btl_var *b, btl_var *alpha, btl_var *beta);

/** Which CBLAS multiplies matrices in this context, or why it is none: one line. Loads it if that
 * was not done yet. Borrowed from the context. */
BTL_API const char *btl_blas_describe(btl_context *ctx);

/* ---- images ------------------------------------------------------------------------------ */

/** Cross-correlation of images with kernels, where all of the kernel lies inside the image ("valid"):
 * `y[b, o, p, q] = sum over c, i, j of x[b, c, p*s + i, q*t + j] * k[o, c, i, j]`.
 *
 * @param x       images `[batch, channels, rows, columns]`
 * @param k       kernels `[maps, channels, rows, columns]`, not larger than the images
 * @param stride  s and t, each >= 1; NULL: 1, 1
 * @param padding rows of zeros above and below, columns of zeros left and right of each image; NULL: none
 * @param flip    the kernels' rows and columns are read backwards: the convolution of signal processing, and
 *                what Theano's conv2d does by default
 * @return        `[batch, maps, (rows + 2*padding - kernel's) // stride + 1, …]`, of the common type. BTL_ESHAPE (rank,
 *                numbers of channels, a kernel larger than the image; checked at the call where sizes are symbolic),
 *                BTL_EVALUE (stride, padding). f16 and bf16 are computed in f32; integers wrap, by plain loops.
 * Gradient:      to both, each of the same kind and differentiable again.
 * Cost:          2·batch·maps·positions·channels·kernel by the BLAS, and the copy of each image to columns (scratch: the
 *                columns of one image, or of as many small ones as make 256 positions).
 * Source:        Chellapilla, Puri & Simard (2006).   See: btl_max_pool2d. */
BTL_API btl_var *btl_conv2d(btl_graph *g, btl_var *x, btl_var *k, const int64_t *stride, const int64_t *padding, bool flip);

/** The largest of each window of images; NaN if one is NaN. A last window that does not lie inside the image
 * (and the padding) as a whole is dropped: Theano's ignore_border=True.
 *
 * @param x       images `[batch, channels, rows, columns]`, of any type
 * @param size    rows and columns of a window, each >= 1; NULL: 2, 2
 * @param stride  the steps between windows, each >= 1; NULL: the window's size. Smaller ones overlap
 * @param padding rows above and below, columns left and right, that have no values, each smaller than the window;
 *                NULL: none
 * @return        `[batch, channels, (rows + 2*padding - size) // stride + 1, …]`, of x's type. BTL_ESHAPE (rank, a window larger
 *                than the image; checked at the call where sizes are symbolic), BTL_EVALUE (settings).
 * Gradient:      dy to every pixel that equals the window's largest, all of it to each where several tie (as btl_max and
 *                Theano's MaxPoolGrad), summed over the windows; differentiable again.
 * Cost:          one read and comparison per pixel and window.   See: btl_mean_pool2d, btl_conv2d. */
BTL_API btl_var *btl_max_pool2d(btl_graph *g, btl_var *x, const int64_t *size, const int64_t *stride, const int64_t *padding);

/** The mean of each window of images, of those of its pixels that lie in the image; f64 of integers, f16 and bf16 computed
 * in f32. Otherwise as btl_max_pool2d.
 * Gradient:      dy/n to each of the window's n pixels. */
BTL_API btl_var *btl_mean_pool2d(btl_graph *g, btl_var *x, const int64_t *size, const int64_t *stride, const int64_t *padding);

/* ---- random numbers: pure functions of a key --------------------------------------------- */

/** A key, u32[2], of a 0-d integer. Equal seeds give equal numbers on every machine. */
BTL_API btl_var *btl_random_key(btl_graph *g, btl_var *seed);
/** n new keys, u32[n, 2], independent of each other and of what is drawn with `key` itself. */
BTL_API btl_var *btl_random_split(btl_graph *g, btl_var *key, int64_t n);
/** Random u32 (bits = 32) or u64 (bits = 64): Threefry-2x32-20 in counter mode.
 * Source: Salmon, Moraes, Dror & Shaw (2011), Parallel random numbers: as easy as 1, 2, 3. */
BTL_API btl_var *btl_random_bits(btl_graph *g, btl_var *key, int bits, int rank, const int64_t *shape);
/** Uniform in low <= x < high: multiples of 2^-24 (f32 and narrower), 2^-53 (f64) of the range; where
 * the range is not a power of two, rounding may give `high` itself. No gradient: low, high are numbers. */
BTL_API btl_var *btl_random_uniform(btl_graph *g, btl_var *key, double low, double high, btl_dtype dtype, int rank,
                                    const int64_t *shape);
/** Standard normal: Box and Muller's sqrt(-2 log u) cos(2 pi v). |x| < 6.8 for f32, 8.7 for f64. */
BTL_API btl_var *btl_random_normal(btl_graph *g, btl_var *key, btl_dtype dtype, int rank, const int64_t *shape);
/** bool, true with probability p (floating, stretched to the shape; rank -1: p's own shape). */
BTL_API btl_var *btl_random_bernoulli(btl_graph *g, btl_var *key, btl_var *p, int rank, const int64_t *shape);
/** Integers low <= x < high by a 64-bit multiplication's upper half: no value is likelier than another
 * by more than (high - low) / 2^64. Where high <= low: low. */
BTL_API btl_var *btl_random_integers(btl_graph *g, btl_var *key, btl_var *low, btl_var *high, btl_dtype dtype,
                                     int rank, const int64_t *shape);

/* ---- gradients --------------------------------------------------------------------------- */

/** x, which btl_grad takes as a constant.   Cost: none, a view. */
BTL_API btl_var *btl_stop_gradient(btl_graph *g, btl_var *x);

#if !defined BTL_NO_SITES && !defined __cplusplus
#define btl_reshape(g, ...) (btl_reshape)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_flatten(g, ...) (btl_flatten)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_transpose(g, ...) (btl_transpose)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_dimshuffle(g, ...) (btl_dimshuffle)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_swapaxes(g, ...) (btl_swapaxes)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_squeeze(g, ...) (btl_squeeze)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_expand_dims(g, ...) (btl_expand_dims)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_broadcast_to(g, ...) (btl_broadcast_to)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_tile(g, ...) (btl_tile)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_repeat(g, ...) (btl_repeat)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_concatenate(g, ...) (btl_concatenate)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_stack(g, ...) (btl_stack)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_split(g, ...) (btl_split)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_zeros(g, ...) (btl_zeros)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_ones(g, ...) (btl_ones)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_full(g, ...) (btl_full)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_zeros_like(g, ...) (btl_zeros_like)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_ones_like(g, ...) (btl_ones_like)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_full_like(g, ...) (btl_full_like)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_eye(g, ...) (btl_eye)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_arange(g, ...) (btl_arange)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_linspace(g, ...) (btl_linspace)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_slice(g, ...) (btl_slice)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_take(g, ...) (btl_take)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_gemm(g, ...) (btl_gemm)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_matmul(g, ...) (btl_matmul)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_dot(g, ...) (btl_dot)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_outer(g, ...) (btl_outer)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_tensordot(g, ...) (btl_tensordot)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_conv2d(g, ...) (btl_conv2d)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_max_pool2d(g, ...) (btl_max_pool2d)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_mean_pool2d(g, ...) (btl_mean_pool2d)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_random_key(g, ...) (btl_random_key)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_random_split(g, ...) (btl_random_split)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_random_bits(g, ...) (btl_random_bits)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_random_uniform(g, ...) (btl_random_uniform)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_random_normal(g, ...) (btl_random_normal)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_random_bernoulli(g, ...) (btl_random_bernoulli)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_random_integers(g, ...) (btl_random_integers)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_stop_gradient(g, ...) (btl_stop_gradient)(btl_at((g), BTL_SITE), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
