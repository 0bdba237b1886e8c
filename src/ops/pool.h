/* pool.h - pooling while it runs: pool.c has the ops and their reference, pool_kernel.c the fast way.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_POOL_H
#define BTL_OPS_POOL_H

#include "ops/window.h"

/* Arrays [batch, channels, …]: of pixels (x, dx) or of windows (y, dy, v); NULL where the op has none. */
typedef struct btl_pool {
    const btl_operand *x;     /* images */
    const btl_operand *y;     /* their maxima */
    const btl_operand *v;     /* a value for each window, or for each pixel: what is spread or gathered */
    const btl_operand *to;    /* the result */
    btl_slide rows, columns;
} btl_pool;

/* Bytes of scratch. */
size_t btl_pool_bytes(const btl_pool *s);

void btl_pool_max(const btl_pool *s, char *work);        /* of x; all types */
void btl_pool_mean(const btl_pool *s, char *work);       /* of v; floats, as all below */
void btl_pool_spread(const btl_pool *s, char *work);     /* each v[window] over count to the window's pixels */
void btl_pool_at_max(const btl_pool *s, char *work);     /* the sum of v[pixel] where x[pixel] is y */
void btl_pool_to_max(const btl_pool *s, char *work);     /* v[window] to the pixels where x is y */

/* The text of one (pool_emit.c): `what` is its function in support.inc, "max"; settings: size, stride, padding. of_max: its
 * operands are x, y, v; to_pixels: its result is of the images' size. */
btl_status btl_pool_emit(btl_emit *e, const char *what, const btl_param *settings, bool of_max, bool to_pixels);

/* How many of the window's k elements lie in the image, at one position. */
static inline int64_t btl_slide_count(const btl_slide *s, int64_t p) {
    int64_t first = p * s->stride - s->padding, end = first + s->k;
    return (end < s->n ? end : s->n) - (first > 0 ? first : 0);
}

#endif
