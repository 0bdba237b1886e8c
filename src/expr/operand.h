/* operand.h - arrays while they are computed with: strides, elements of any dtype, copies.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_OPERAND_H
#define BTL_EXPR_OPERAND_H

#include "expr/op.h"

/* Number of elements; -1 on overflow or a negative size. */
int64_t btl_operand_elems(const btl_operand *x);
void btl_strides_row_major(int rank, const int64_t *dims, int64_t *strides);
bool btl_operand_is_row_major(const btl_operand *x);
/* An operand over an array; strides (BTL_MAX_RANK of them) are the caller's storage. */
btl_operand btl_operand_of_array(const btl_array *a, int64_t *strides);

/* One element as the widest type of its kind; `at` counts elements from data. */
long double btl_operand_real(const btl_operand *x, int64_t at);
int64_t btl_operand_signed(const btl_operand *x, int64_t at);    /* also of unsigned and bool: its bits */
void btl_operand_set_real(const btl_operand *x, int64_t at, long double value);   /* rounds once */
void btl_operand_set_signed(const btl_operand *x, int64_t at, int64_t value);     /* wraps; bool: value != 0 */

/* Walks the row-major order of `dims`, keeping the element offsets of up to 8 operands:
 *   btl_walk w; for (btl_walk_begin(&w, rank, dims, n, strides…); w.more; btl_walk_next(&w)) … w.at[k] … */
typedef struct btl_walk {
    int rank, n;
    const int64_t *dims;
    const int64_t *strides[8]; /* NULL: stays at 0 */
    int64_t at[8], index[BTL_MAX_RANK];
    bool more;
} btl_walk;
void btl_walk_begin(btl_walk *w, int rank, const int64_t *dims, int n, const int64_t *const *strides);
void btl_walk_next(btl_walk *w);

/* Copies element by element; equal dtype and dims, any strides. Runs of unit stride by memcpy. */
void btl_operand_copy(const btl_operand *to, const btl_operand *from);

#endif
