/* csize.h - sizes as expressions of C.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_C_CSIZE_H
#define BTL_TARGET_C_CSIZE_H

#include "expr/dim.h"

/* Names of the symbols, by their index in the graph. */
typedef const char *const *btl_csize_names;

/* d as an expression of type int64_t that can be an argument; `factor`: that can stand beside * and %. Functions
 * btl_size_… of standalone.inc may occur. */
const char *btl_csize(btl_arena *a, const btl_dim *d, btl_csize_names names);
const char *btl_csize_factor(btl_arena *a, const btl_dim *d, btl_csize_names names);

/* Calls see(arg, i) for each symbol i in d (maybe more than once). */
void btl_csize_symbols(const btl_dim *d, void (*see)(void *arg, int symbol), void *arg);

#endif
