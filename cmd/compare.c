/* compare.c - see compare.h. SPDX-License-Identifier: BSD-3-Clause */
#include "compare.h"

#include "show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool compare_shapes(const btl_array *a, const btl_array *b) {
    bool same = a->ndim == b->ndim;
    for (int k = 0; same && k < a->ndim; k++) same = a->shape[k] == b->shape[k];
    return same;
}

/* "[2, 7]" of element i; "" of a single number. */
static void compare_index(const btl_array *a, int64_t i, char *text, size_t bytes) {
    int64_t index[BTL_MAX_RANK];
    size_t at = 0;
    text[0] = 0;
    for (int k = a->ndim - 1; k >= 0; k--) index[k] = i % a->shape[k], i /= a->shape[k];
    for (int k = 0; k < a->ndim && at < bytes; k++) at += (size_t)snprintf(text + at, bytes - at, "%s%lld%s", k ? ", " : "[", (long long)index[k], k + 1 == a->ndim ? "] " : "");
}

/* The distance of one element; 0 for equal ones, infinite where only one is NaN or infinite. */
static double compare_distance(const btl_array *got, const btl_array *want, int64_t i, double *size) {
    double a = show_double(got, i), b = show_double(want, i);
    *size = fabs(b);
    if (a == b || (isnan(a) && isnan(b))) return 0;
    double d = fabs(a - b);
    return isnan(d) ? (double)INFINITY : d;
}

/* Integers of one type, which f64 may not tell apart. */
static bool compare_exact(const btl_array *got, const btl_array *want, int64_t i) {
    size_t bytes = got->dtype.bits / 8u;
    return memcmp((const char *)btl_array_data(got) + (size_t)i * bytes, (const char *)btl_array_data(want) + (size_t)i * bytes, bytes) == 0;
}

bool compare_arrays(const btl_array *got, const btl_array *want, double rtol, double atol, char *text, size_t bytes) {
    char a[200], b[200], where[200];
    btl_dtype got_type = BTL_BOOL, want_type = BTL_BOOL;
    if (!compare_shapes(got, want)) {
        show_type(got, a, sizeof a);
        show_type(want, b, sizeof b);
        snprintf(text, bytes, "is %s, expected %s", a, b);
        return false;
    }
    btl_array_dtype(got, &got_type);
    btl_array_dtype(want, &want_type);
    bool exact = got_type == want_type && btl_dtype_kind(got_type) != 'f';
    int64_t n = btl_array_elems(got), wrong = 0, worst = 0;
    double largest = 0, worst_excess = -1;
    for (int64_t i = 0; i < n; i++) {
        double size, d = compare_distance(got, want, i, &size), excess = d - (isfinite(size) ? atol + rtol * size : 0);
        bool bad = (exact && !compare_exact(got, want, i)) || (d > 0 && !(excess <= 0));
        if (d > largest) largest = d;
        if (!bad) continue;
        wrong++;
        if (excess > worst_excess || wrong == 1) worst_excess = excess, worst = i;
    }
    if (!wrong) {
        snprintf(text, bytes, "largest difference %.3g", largest);
        return true;
    }
    compare_index(got, worst, where, sizeof where);
    show_element(got, worst, a, sizeof a);
    show_element(want, worst, b, sizeof b);
    snprintf(text, bytes, "%lld of %lld values differ; the worst %sis %s, expected %s (allowed: %g + %g * |expected|)", (long long)wrong, (long long)n, where, a, b, atol, rtol);
    return false;
}
