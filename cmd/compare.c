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

void compare_index(const btl_array *a, int64_t i, char *text, size_t bytes) {
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

/* The distance of the numbers of an array's type around x. */
static double compare_ulp(btl_dtype dtype, double x) {
    static const struct { btl_dtype dtype; int digits, least; } types[] = { { BTL_F16, 10, -24 }, { BTL_BF16, 7, -133 }, { BTL_F32, 23, -149 }, { BTL_F64, 52, -1074 } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].dtype != dtype) continue;
        double least = ldexp(1, types[i].least), ulp = isfinite(x) && x != 0 ? ldexp(1, ilogb(x) - types[i].digits) : least;
        return ulp > least ? ulp : least;
    }
    return 0;
}

void compare_add_spread(const btl_array *a, const btl_array *b, double factor, double *spread) {
    for (int64_t i = 0, n = btl_array_elems(a); i < n; i++) {
        double size, d = factor * compare_distance(a, b, i, &size);
        if (d > spread[i]) spread[i] = d;
    }
}

bool compare_computed(const btl_array *got, const btl_array *want, double ulps, const double *spread, bool *differ, char *text, size_t bytes) {
    btl_dtype dtype = BTL_BOOL;
    btl_array_dtype(want, &dtype);
    bool real = btl_dtype_kind(dtype) == 'f';
    int64_t n = btl_array_elems(want), wrong = 0, worst = 0;
    double largest = 0, worst_excess = -1;
    if (!compare_shapes(got, want)) return compare_arrays(got, want, 0, 0, text, bytes);
    for (int64_t i = 0; i < n; i++) {
        double size, d = compare_distance(got, want, i, &size), room = spread ? spread[i] : 0;
        bool same = real ? d == 0 : compare_exact(got, want, i);
        double excess = d - room - (real && ulps > 0 ? ulps * compare_ulp(dtype, show_double(want, i)) : 0);
        if (d > largest) largest = d;
        bool bad = !(same || isnan(room) || isinf(room) || (excess <= 0 && d > 0));
        if (differ) differ[i] = bad;
        if (!bad) continue;
        wrong++;
        if (excess > worst_excess || wrong == 1) worst_excess = excess, worst = i;
    }
    if (!wrong) {
        snprintf(text, bytes, "largest difference %.3g", largest);
        return true;
    }
    char a[200], b[200], where[200];
    compare_index(got, worst, where, sizeof where);
    show_element(got, worst, a, sizeof a);
    show_element(want, worst, b, sizeof b);
    snprintf(text, bytes, "%lld of %lld values differ; the worst %sis %s, expected %s (allowed: %g ulp, and %.3g by what moving the inputs by an ulp does)", (long long)wrong, (long long)n,
             where, a, b, ulps, spread ? spread[worst] : 0);
    return false;
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
