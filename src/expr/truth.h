/* truth.h - what a variable is from given values, and how far the rounding of its own computation may put it: what judges rewrite rules in
 * debug mode, and modes in `check --modes`.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_TRUTH_H
#define BTL_EXPR_TRUTH_H

#include "expr/precise.h"

enum { BTL_TRUTH_JITTERS = 6, BTL_TRUTH_FACTOR = 16 };

/* Elements row-major: in higher precision, and that many times with roundings played with. */
typedef struct btl_truth { long double *value, *moved[BTL_TRUTH_JITTERS]; } btl_truth;

/* In the arena; as btl_precise_eval. */
btl_status btl_truth_find(btl_context *ctx, btl_arena *a, const btl_var *v, btl_precise_given given, void *user, int64_t *symbols, btl_truth *out, btl_error *err);

/* One element: the largest distance of what was played with (NaN where it became NaN), and whether it became y. */
typedef struct btl_truth_at { long double value; double spread; bool reached; } btl_truth_at;
btl_truth_at btl_truth_look(const btl_truth *t, int64_t at, double y);

/* Rounded to the type: what overflows there is infinite. */
double btl_truth_rounded(btl_dtype dtype, long double x);

/* How far a float may lie from the truth that is allowed so many ulp, and `factor` times what rounding does; and is y farther? A value that nearly
 * overflows may be infinite. */
double btl_truth_allowed(btl_dtype dtype, const btl_truth_at *t, double ulps, double factor);
bool btl_truth_is_missed(btl_dtype dtype, const btl_truth_at *t, double y, double ulps, double factor);

#endif
