/* facts.h - what is known of a variable's values before any call: bounds, whether NaN or -0 can occur.
 *
 * Many identities hold but for a NaN, an infinity or a zero: 0 * x is 0 if x is finite. Rules ask here whether x
 * is, and stay away where it cannot be proven.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_REWRITE_FACTS_H
#define BTL_REWRITE_FACTS_H

#include "expr/graph.h"

/* Every element lies in [lo, hi], or is NaN. Bounds are those of the mathematical value, widened where roundings
 * could carry a value beyond them (never across 0, 1 or -1 of a function that cannot pass it). */
typedef struct btl_facts {
    double lo, hi;
    bool nan;            /* NaN may occur */
    bool negative_zero;  /* -0 may occur */
} btl_facts;

/* Looks at most a few nodes deep: constant work. */
btl_facts btl_facts_of(const btl_var *v);

/* Neither infinite nor NaN. */
bool btl_facts_finite(const btl_facts *f);
/* x >= 0 and never -0 or NaN; or with `or_nan`: NaN may occur. */
bool btl_facts_nonnegative(const btl_facts *f, bool or_nan);
/* Finite and not 0. */
bool btl_facts_finite_nonzero(const btl_facts *f);

#endif
