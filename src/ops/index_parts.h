/* index_parts.h - what an indexing node's list of items means, for its kernels (index.c) and its text
 * (index_emit.c). SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_INDEX_PARTS_H
#define BTL_OPS_INDEX_PARTS_H

#include "expr/op.h"

/* The part of x that arrays name has the axes [before…, the arrays' own…, behind…]. */
typedef struct btl_index_plan {
    int narrays, input[BTL_MAX_RANK], axis[BTL_MAX_RANK]; /* an array's operand, and the axis that it indexes */
    int nbefore, nbehind, before[BTL_MAX_RANK], behind[BTL_MAX_RANK];
} btl_index_plan;

bool btl_index_has_array(const btl_param *p);
btl_index_plan btl_index_plan_of(const btl_param *p);

/* Texts of the four ops (index_emit.c). */
btl_status btl_subtensor_emit(btl_emit *e);
btl_status btl_advanced_subtensor_emit(btl_emit *e);
btl_status btl_set_subtensor_emit(btl_emit *e);
btl_status btl_inc_subtensor_emit(btl_emit *e);

#endif
