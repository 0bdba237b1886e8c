/* layout.h - which variables are row-major, and copies where they must be and are not.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_LAYOUT_H
#define BTL_SCHEDULE_LAYOUT_H

#include "expr/op.h"

/* Is the variable row-major whatever the sizes? Leaves are (arguments that are not get packed),
 * so is everything computed; a view only if its op keeps the layout (OP_ROW_MAJOR). */
bool btl_layout_is_row_major(const btl_var *v);
/* Is it memory of its own, or another variable's? */
bool btl_layout_is_view(const btl_var *v);

/* Puts a copy in front of every op that needs a row-major operand (OP_ROW_MAJOR, OP_PACKED) and has none. Replaces roots[i]. */
btl_status btl_layout_insert_copies(btl_graph *g, int nroots, btl_var **roots);
/* v itself, or a row-major copy where v is a view or a leaf. */
btl_var *btl_layout_own(btl_graph *g, btl_var *v);

#endif
