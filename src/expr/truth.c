/* truth.c - see truth.h. SPDX-License-Identifier: BSD-3-Clause */
#include "expr/truth.h"

#include "expr/agree.h"

#include <math.h>

static void truth_take(long double *to, const btl_precise *x) {
    for (int64_t i = 0, n = btl_operand_elems(&x->typed); i < n; i++) to[i] = x->real ? x->real[i] : btl_operand_real(&x->typed, i);
}

btl_status btl_truth_find(btl_context *ctx, btl_arena *a, const btl_var *v, btl_precise_given given, void *user, int64_t *symbols, btl_truth *out, btl_error *err) {
    btl_precise x;
    BTL_TRY(btl_precise_eval(ctx, a, v, given, user, symbols, 0, &x, err)); /* `given` may keep in the arena what it is asked for now */
    size_t n = (size_t)btl_operand_elems(&x.typed) + 1;
    out->value = BTL_ARRAY(a, long double, n);
    truth_take(out->value, &x);
    for (int j = 0; j < BTL_TRUTH_JITTERS; j++) out->moved[j] = BTL_ARRAY(a, long double, n);
    for (int j = 0; j < BTL_TRUTH_JITTERS; j++) {
        btl_mark mark = btl_arena_mark(a);
        BTL_TRY(btl_precise_eval(ctx, a, v, given, user, symbols, (uint64_t)j + 1, &x, err));
        truth_take(out->moved[j], &x);
        btl_arena_reset(a, mark);
    }
    return BTL_OK;
}

btl_truth_at btl_truth_look(const btl_truth *t, int64_t at, double y) {
    btl_truth_at e = { t->value[at], 0, false };
    for (int j = 0; j < BTL_TRUTH_JITTERS; j++) {
        long double m = t->moved[j][at];
        double d = m == e.value || (isnan(m) && isnan(e.value)) ? 0 : (double)fabsl(m - e.value);
        e.reached |= (double)m == y;
        if (isnan(d) || d > e.spread) e.spread = isnan(d) ? (double)NAN : d;
    }
    return e;
}

double btl_truth_rounded(btl_dtype dtype, long double x) {
    char bytes[16];
    btl_operand one = { bytes, dtype, 0, NULL, NULL };
    btl_operand_set_real(&one, 0, x);
    return (double)btl_operand_real(&one, 0);
}

double btl_truth_allowed(btl_dtype dtype, const btl_truth_at *t, double ulps, double factor) {
    return ulps * btl_ulp(dtype, btl_truth_rounded(dtype, t->value)) + factor * t->spread;
}

bool btl_truth_is_missed(btl_dtype dtype, const btl_truth_at *t, double y, double ulps, double factor) {
    double near = btl_truth_rounded(dtype, t->value);
    if (isnan(t->value)) return !isnan(y) && !isnan(t->spread);
    if (isnan(y)) return true;
    if (isnan(t->spread) || isinf(t->spread)) return false;
    if (isinf(near) || isinf(y)) return !(y == near || fabs((isinf(near) ? y : near)) >= btl_float_range_of(dtype).max * (1 - 64 * btl_float_range_of(dtype).eps));
    return y != near && (double)fabsl((long double)y - t->value) > btl_truth_allowed(dtype, t, ulps, factor);
}
