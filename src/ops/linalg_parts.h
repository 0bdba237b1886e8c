/* linalg_parts.h - the texts of linalg.c's ops (linalg_emit.c). SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_LINALG_PARTS_H
#define BTL_OPS_LINALG_PARTS_H

#include "expr/op.h"

btl_status btl_cholesky_emit(btl_emit *e);
btl_status btl_cholesky_grad_emit(btl_emit *e);
btl_status btl_solve_triangular_emit(btl_emit *e);

#endif
