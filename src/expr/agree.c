/* agree.c - see agree.h. SPDX-License-Identifier: BSD-3-Clause */
#include "expr/agree.h"

#include "base/half.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

btl_float_range btl_float_range_of(btl_dtype dtype) {
    switch (dtype) {
    case BTL_F16: return (btl_float_range){ 65504, 0x1p-14, 0x1p-24, 0x1p-10 };
    case BTL_BF16: return (btl_float_range){ 0x1.fep127, 0x1p-126, 0x1p-133, 0x1p-7 };
    case BTL_F32: return (btl_float_range){ (double)FLT_MAX, 0x1p-126, 0x1p-149, 0x1p-23 };
    default: return (btl_float_range){ DBL_MAX, DBL_MIN, 0x1p-1074, DBL_EPSILON };
    }
}

double btl_array_element(const btl_array *a, int64_t at) {
    btl_dtype dtype = BTL_F64;
    btl_array_dtype(a, &dtype);
    const char *p = (const char *)btl_array_data(a) + at * (int64_t)btl_dtype_bytes(dtype);
    switch (dtype) {
    case BTL_F16: return (double)btl_half_to_f32(*(const uint16_t *)(const void *)p);
    case BTL_BF16: return (double)btl_bf16_to_f32(*(const uint16_t *)(const void *)p);
    case BTL_F32: return (double)*(const float *)(const void *)p;
    case BTL_F64: return *(const double *)(const void *)p;
    default: {
        uint64_t bits = 0;
        memcpy(&bits, p, btl_dtype_bytes(dtype));
        if (btl_dtype_kind(dtype) != 'i') return (double)bits;
        int shift = 64 - 8 * (int)btl_dtype_bytes(dtype);
        return (double)((int64_t)(bits << shift) >> shift);
    }
    }
}

double btl_ulp(btl_dtype dtype, double x) {
    const btl_float_range f = btl_float_range_of(dtype);
    double a = fabs(x);
    if (!(a > f.normal)) return f.least;
    int e;
    frexp(a > f.max ? f.max : a, &e);
    double ulp = ldexp(f.eps, e - 1);
    return ulp > f.least ? ulp : f.least;
}

bool btl_elements_agree(btl_dtype dtype, double got, double want, int64_t at, const btl_agreement *t) {
    if (t->loose_class && !isfinite(want)) return true;
    if (t->bound && isinf(((const double *)btl_array_data(t->bound))[at])) return true;
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
    if (got == want) return got != 0 || t->any_zero || signbit(got) == signbit(want);
    double allowed = t->ulps * btl_ulp(dtype, want), most = btl_float_range_of(dtype).max;
    if (t->relative * fabs(want) > allowed) allowed = t->relative * fabs(want);
    if (t->absolute > allowed) allowed = t->absolute;
    if (t->bound && ((const double *)btl_array_data(t->bound))[at] > allowed) allowed = ((const double *)btl_array_data(t->bound))[at];
    if (!(allowed > 0)) return false;
    if (isinf(got)) got = copysign(most * (1 + btl_float_range_of(dtype).eps / 2), got); /* the neighbour of the largest */
    if (isinf(want)) want = copysign(most * (1 + btl_float_range_of(dtype).eps / 2), want);
    if (isinf(got) || isinf(want)) got /= 2, want /= 2, allowed /= 2; /* f64: stays finite no longer */
    if (isinf(got)) got = copysign(DBL_MAX, got);
    if (isinf(want)) want = copysign(DBL_MAX, want);
    return fabs(got - want) <= allowed;
}

const char *btl_index_text(const btl_array *a, int64_t at, char *text, size_t bytes) {
    int64_t index[BTL_MAX_RANK];
    size_t n = 0;
    if (bytes) text[0] = 0;
    for (int k = a->ndim - 1; k >= 0; k--) {
        index[k] = a->shape[k] ? at % a->shape[k] : 0;
        at = a->shape[k] ? at / a->shape[k] : 0;
    }
    for (int k = 0; k < a->ndim && n < bytes; k++) n += (size_t)snprintf(text + n, bytes - n, "%s%lld%s", k ? ", " : "[", (long long)index[k], k + 1 == a->ndim ? "]" : "");
    return text;
}

bool btl_arrays_agree(const btl_array *got, const btl_array *want, const btl_agreement *t, char *why, size_t bytes) {
    btl_dtype a = BTL_BOOL, b = BTL_BOOL;
    if (!btl_array_dtype(got, &a) || !btl_array_dtype(want, &b) || a != b || got->ndim != want->ndim) {
        snprintf(why, bytes, "type %s of rank %d, %s of rank %d wanted", btl_dtype_name(a), got->ndim, btl_dtype_name(b), want->ndim);
        return false;
    }
    for (int i = 0; i < got->ndim; i++)
        if (got->shape[i] != want->shape[i]) {
            snprintf(why, bytes, "size %d is %lld, %lld wanted", i, (long long)got->shape[i], (long long)want->shape[i]);
            return false;
        }
    size_t size = btl_dtype_bytes(a);
    int64_t n = btl_array_elems(got), wrong = 0, first = -1;
    const char *p = btl_array_data(got), *q = btl_array_data(want);
    for (int64_t at = 0; at < n; at++) {
        if (memcmp(p + at * (int64_t)size, q + at * (int64_t)size, size) == 0) continue;
        if (btl_dtype_kind(a) == 'f' && btl_elements_agree(a, btl_array_element(got, at), btl_array_element(want, at), at, t)) continue;
        if (btl_dtype_kind(a) != 'f' && t->bound && ((const double *)btl_array_data(t->bound))[at] > 0 &&
            fabs(btl_array_element(got, at) - btl_array_element(want, at)) <= ((const double *)btl_array_data(t->bound))[at]) continue;
        if (wrong++ == 0) first = at;
    }
    if (wrong == 0) return true;
    char index[200];
    double g = btl_array_element(got, first), w = btl_array_element(want, first);
    btl_index_text(got, first, index, sizeof index);
    if (btl_dtype_kind(a) == 'f')
        snprintf(why, bytes, "%lld of %lld elements differ; element %s is %.17g (%a), wanted %.17g (%a): %.3g ulp", (long long)wrong, (long long)n,
                 got->ndim ? index : "0", g, g, w, w, fabs(g - w) / btl_ulp(a, w));
    else snprintf(why, bytes, "%lld of %lld elements differ; element %s is %.17g, wanted %.17g", (long long)wrong, (long long)n, got->ndim ? index : "0", g, w);
    return false;
}
