/* ops.h - every builder of expressions; the cheat sheet in three parts.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_OPS_H
#define BITALE_OPS_H

#include "bitale/elementwise.h" /* arithmetic, functions of reals, comparisons, reductions, softmax */
#include "bitale/linalg.h"      /* triangles, diagonals, Cholesky factors, triangular systems */
#include "bitale/tensors.h"     /* shapes, indexing, joining, products of matrices, random numbers */

#endif
