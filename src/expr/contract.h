/* contract.h - one way to run a node (its eval, a kernel, its C) held to what every op promises: results depend on the operands
 * alone, all of them are written and nothing else, operands stay as they are, wherever and however they lie.
 *
 * Everything lies in memory of its own, with room around it that is filled with a pattern: what is written beside shows as a
 * change there, what is read beside as a result that changes with the pattern.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_CONTRACT_H
#define BTL_EXPR_CONTRACT_H

#include "expr/agree.h"
#include "expr/operand.h"

typedef struct btl_way {
    const char *name;   /* "eval", for messages: "its eval …" */
    void *user;
    btl_status (*run)(void *user, const btl_operand *in, btl_operand *out, void *work, btl_error *err);
    size_t (*work_bytes)(void *user, const btl_operand *in, const btl_operand *out); /* NULL: it needs no scratch */
    bool any_layout;    /* takes operands that lie in any way: it is tried on such */
    uint64_t destroys;  /* bit i: it may overwrite operand i */
    /* Are the results near enough where operands lie otherwise, or results begin at another place? NULL: they must be the same bits. */
    bool (*near)(void *user, int k, const btl_array *got, const btl_array *want, char *why, size_t bytes);
} btl_way;

/* Runs it some five times; on large operands less often. in: the operands, any strides, which nobody writes to. out: types and sizes of the results.
 * results: row-major, in the arena. BTL_OK; BTL_ECHECK: `why` says what is broken ("writes beside result 0, which has 12 bytes");
 * otherwise it failed as it may, and err says why. Only under protection of the arena. */
btl_status btl_way_try(btl_arena *a, const btl_way *way, int nin, const btl_operand *in, int nout, const btl_operand *out, btl_array *results,
                       char *why, size_t bytes, btl_error *err);

/* A row-major copy in the arena. */
btl_operand btl_operand_keep(btl_arena *a, const btl_operand *x);
/* An operand that is row-major, as an array. */
btl_array btl_array_of_operand(const btl_operand *x);

#endif
