/* precise.h - variables computed in long double from given values, each node's rounding left out or played with: what is right, and how
 * much of it rounding may change. What judges rewrite rules in debug mode.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_PRECISE_H
#define BTL_EXPR_PRECISE_H

#include "expr/operand.h"

/* A value, row-major: of a float in `real`, of others in typed.data. typed has the types and sizes of both. */
typedef struct btl_precise { btl_operand typed; long double *real; } btl_precise;

/* An operand as one, in the arena. */
btl_precise btl_precise_of(btl_arena *a, const btl_operand *x);

/* Where the computation begins: the value of a variable, or NULL: compute it. Must know all leaves but constants. */
typedef const btl_precise *(*btl_precise_given)(void *user, const btl_var *v);

/* Computes v. jitter 0: as exactly as can be (ops that are no scalar functions, reductions, views, made of others or casts compute in their
 * own types). Otherwise the seed of random numbers by which every float that a node makes is moved, about as far as rounding
 * would. symbols: values of all sizes. BTL_EUNSUPPORTED: v depends on too many nodes, or they have too many elements (some ten
 * thousand, some ten million), or a size is unknown. Only under protection. */
btl_status btl_precise_eval(btl_context *ctx, btl_arena *a, const btl_var *v, btl_precise_given given, void *user, int64_t *symbols, uint64_t jitter,
                            btl_precise *out, btl_error *err);

/* A random number in -1 … 1. */
double btl_jitter(uint64_t *state);

#endif
