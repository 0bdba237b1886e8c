/* list_tensor.h - the structural ops, in the order in which `bitale ops` lists them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_LIST_TENSOR_H
#define BTL_OPS_LIST_TENSOR_H

#define BTL_OPS_TENSOR(X)                                                                         \
    /* shape.c */                                                                                 \
    X(copy) X(dimshuffle) X(transpose) X(swapaxes) X(squeeze) X(expand_dims)                      \
    X(reshape) X(flatten) X(broadcast_to) X(repeat) X(tile)                                       \
    /* join.c */                                                                                  \
    X(concatenate) X(split) X(stack) X(hstack) X(vstack)                                          \
    /* create.c */                                                                                \
    X(size) X(arange) X(zeros) X(ones) X(full) X(zeros_like) X(ones_like) X(full_like)            \
    X(eye) X(linspace)                                                                            \
    /* index.c */                                                                                 \
    X(subtensor) X(advanced_subtensor) X(set_subtensor) X(inc_subtensor)                          \
    X(take)                                                                                       \
    /* matmul.c */                                                                                \
    X(matmul) X(dot) X(outer) X(tensordot) X(gemm)                                                \
    /* conv.c */                                                                                  \
    X(conv2d) X(conv2d_dx) X(conv2d_dk)                                                           \
    /* pool.c */                                                                                  \
    X(max_pool2d) X(max_pool2d_dx) X(max_pool2d_at) X(mean_pool2d) X(mean_pool2d_dx)              \
    /* diagonal.c, linalg.c */                                                                    \
    X(tril) X(triu) X(diag) X(diagonal) X(trace)                                                  \
    X(cholesky) X(cholesky_grad) X(solve_triangular)                                              \
    /* random.c: the names have a dot, "random.bits" */                                           \
    X(random_key) X(random_split) X(random_bits) X(random_uniform) X(random_normal)               \
    X(random_bernoulli) X(random_integers)                                                        \
    /* barrier.c */                                                                               \
    X(stop_gradient)

#endif
