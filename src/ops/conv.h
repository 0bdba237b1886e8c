/* conv.h - one convolution while it runs: conv.c has the ops and their reference, conv_kernel.c the fast way.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_CONV_H
#define BTL_OPS_CONV_H

#include "ops/window.h"

/* The three arrays of a convolution, of which two are given and the third is computed. */
typedef struct btl_conv {
    const btl_operand *x; /* images   [batch, channels, rows, columns] */
    const btl_operand *k; /* kernels  [maps, channels, rows, columns] */
    const btl_operand *y; /* products [batch, maps, positions, positions] */
    int64_t batch, channels, maps;
    btl_slide rows, columns;
    bool flip;
} btl_conv;

/* Bytes of scratch that the fast ways need, SIZE_MAX if they cannot be addressed; data are not looked at. */
size_t btl_conv_bytes(const btl_conv *c);

/* y of x and k, x of y and k, k of x and y. f16, bf16, f32, f64; work: btl_conv_bytes(c). */
void btl_conv_products(btl_context *ctx, const btl_conv *c, char *work);
void btl_conv_images(btl_context *ctx, const btl_conv *c, char *work);
void btl_conv_kernels(btl_context *ctx, const btl_conv *c, char *work);

/* Their texts (conv_emit.c); settings: stride, padding, flip. */
btl_status btl_conv_products_emit(btl_emit *e, const btl_param *settings);
btl_status btl_conv_images_emit(btl_emit *e, const btl_param *settings);
btl_status btl_conv_kernels_emit(btl_emit *e, const btl_param *settings);

#endif
