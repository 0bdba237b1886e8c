/* cnames.h - names of a program as identifiers of C.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_C_CNAMES_H
#define BTL_TARGET_C_CNAMES_H

#include "base/hash.h"

/* Names that are taken in one scope. Start from { .arena = a }. */
typedef struct btl_cnames { btl_arena *arena; btl_table taken; } btl_cnames;

/* Why that text cannot be the name of a function that others call ("is a keyword of C", "is a function of the C library",
 * "is no identifier of C", …), or NULL. */
const char *btl_cname_problem(const char *name);
/* The wish, made an identifier without such a problem: other characters become _, and an f stands before, or a _ behind, what
 * may not stay as it is. */
const char *btl_cname_external(btl_arena *a, const char *wish);
/* The same for a variable inside a function, numbered if the scope has it already ("h", "h_2"). Names of the
 * library may stay: they are hidden. */
const char *btl_cnames_take(btl_cnames *s, const char *wish);

/* Does the text contain that word? */
bool btl_cname_occurs(const char *text, const char *word);

#endif
