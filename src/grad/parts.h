/* parts.h - gradients by slices of one variable, put together.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_GRAD_PARTS_H
#define BTL_GRAD_PARTS_H

#include "expr/op.h"

/* Parts along one axis that wait to be put together. */
typedef struct btl_parts { int n, capacity; btl_part *v; } btl_parts;

/* Takes d, a gradient of that type, if it is a part that may wait beside the others; false if it must be
 * added by itself. */
bool btl_parts_take(btl_graph *g, btl_parts *p, const btl_type *type, btl_var *d);
/* The sum of all parts and of `rest` (NULL: nothing), of that type; none is left waiting. NULL on failure. */
btl_var *btl_parts_sum(btl_graph *g, btl_parts *p, const btl_type *type, btl_var *rest);

#endif
