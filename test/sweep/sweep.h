/* sweep.h - what the generated tests share: the samples of an op, hard values, programs made of
 * them, and the comparison of what the compiled function gives with the reference.
 *
 * A sample (op.h) is one line of text:
 *
 *     OPERANDS | SETTINGS       "x: f32[3, 0], y: f32 | axis=1"      the call op(x, y, axis=1)
 *     OPERANDS | = EXPRESSION   "x: f32[5], i: i64[2] | = x[i]"      whatever uses the op
 *
 * An op of any number of operands is called with their list: op([a, b], axis=1). Operands named i
 * or j hold indices (into sizes of at least 2), k or key a random key, c a condition; those keep
 * their type when a sample is tried in another dtype.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TEST_SWEEP_H
#define BTL_TEST_SWEEP_H

#include "support.h"

#include "base/half.h"
#include "bitale/bitale.h"
#include "expr/op.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_UNUSED __attribute__((unused))

/* ---- samples ----------------------------------------------------------------------------------- */

enum { SWEEP_OPERANDS = 4, SWEEP_RANK = 6 };

typedef struct sweep_operand {
    char name[16];
    btl_dtype dtype;
    int rank;
    int64_t dims[SWEEP_RANK];
    bool fixed; /* keeps its dtype */
} sweep_operand;

typedef struct sweep_sample {
    const btl_op *op;
    const char *text;
    int n;
    sweep_operand operands[SWEEP_OPERANDS];
    char expression[256];
} sweep_sample;

static const char *sweep_skip(const char *s) {
    while (*s == ' ') s++;
    return s;
}

static const char *sweep_parse_operand(const char *s, sweep_operand *o, const char *text) {
    size_t n = strcspn(s, ":"), type = 0;
    if (n == 0 || n >= sizeof o->name || s[n] != ':') BTL_FAIL("sample \"%s\": a name and ':' expected at \"%s\"", text, s);
    memcpy(o->name, s, n);
    o->name[n] = 0;
    s = sweep_skip(s + n + 1);
    type = strcspn(s, "[,| ");
    if (!btl_dtype_find(s, type, &o->dtype)) BTL_FAIL("sample \"%s\": no dtype at \"%s\"", text, s);
    s += type;
    o->rank = 0;
    if (*s == '[') {
        for (s++; *s && *s != ']';) {
            char *end;
            if (o->rank == SWEEP_RANK) BTL_FAIL("sample \"%s\": too many sizes", text);
            o->dims[o->rank++] = strtoll(s, &end, 10);
            if (end == s) BTL_FAIL("sample \"%s\": a size expected at \"%s\"", text, s);
            s = sweep_skip(end);
            if (*s == ',') s++;
        }
        if (*s++ != ']') BTL_FAIL("sample \"%s\": ] expected", text);
    }
    static const char *const kept[] = { "i", "j", "k", "key", "c" };
    o->fixed = false;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) o->fixed |= strcmp(o->name, kept[i]) == 0;
    return sweep_skip(s);
}

static SWEEP_UNUSED sweep_sample sweep_parse(const btl_op *op, const char *text) {
    sweep_sample m = { .op = op, .text = text };
    const char *s = sweep_skip(text);
    while (*s && *s != '|') {
        if (m.n == SWEEP_OPERANDS) BTL_FAIL("sample \"%s\": too many operands", text);
        s = sweep_parse_operand(s, &m.operands[m.n++], text);
        if (*s == ',') s = sweep_skip(s + 1);
        else if (*s && *s != '|') BTL_FAIL("sample \"%s\": ',' or '|' expected at \"%s\"", text, s);
    }
    if (*s == '|') s = sweep_skip(s + 1);
    if (*s == '=') {
        snprintf(m.expression, sizeof m.expression, "%s", sweep_skip(s + 1));
        return m;
    }
    char list[80] = "";
    for (int i = 0; i < m.n; i++) {
        if (i) strcat(list, ", ");
        strcat(list, m.operands[i].name);
    }
    bool several = op->max_in < 0;
    snprintf(m.expression, sizeof m.expression, "%s(%s%s%s%s%s)", op->name, several ? "[" : "", list, several ? "]" : "",
             *s && m.n ? ", " : "", s);
    return m;
}

/* The samples of an op; of one without any, those that fit its number of operands. */
static SWEEP_UNUSED btl_samples sweep_samples_of(const btl_op *op) {
    static const char *const one[] = { "x: f32[7]", "x: f64[2, 3]", "x: i32[5]", "x: bool[4]", NULL };
    static const char *const two[] = { "x: f32[7], y: f32[7]", "x: f64[2, 3], y: f64[3]", "x: i32[5], y: i32[5]",
                                       "x: bool[4], y: bool[4]", NULL };
    if (op->samples) return op->samples;
    if (op->min_in == 1 && op->max_in == 1) return one;
    return op->min_in == 2 && op->max_in == 2 ? two : NULL;
}

static SWEEP_UNUSED bool sweep_is_tested(const btl_op *op) {
    return !(op->flags & (OP_LEAF | OP_HIDDEN));
}

static SWEEP_UNUSED int64_t sweep_elems(const sweep_operand *o) {
    int64_t n = 1;
    for (int i = 0; i < o->rank; i++) n *= o->dims[i];
    return n;
}

/* "f32[3, 0]", in the notation. */
static SWEEP_UNUSED const char *sweep_type_text(const sweep_operand *o, char *text, size_t bytes) {
    int at = snprintf(text, bytes, "%s", btl_dtype_name(o->dtype));
    for (int i = 0; i < o->rank; i++)
        at += snprintf(text + at, bytes - (size_t)at, "%s%lld", i ? ", " : "[", (long long)o->dims[i]);
    if (o->rank) snprintf(text + at, bytes - (size_t)at, "]");
    return text;
}

/* ---- values ------------------------------------------------------------------------------------ */

typedef enum sweep_values {
    VALUES_HARD,   /* every special value and random bits: for what treats each element alone */
    VALUES_TAME,   /* -2 … 2, integers -3 … 6: for what combines elements */
    VALUES_NAN,    /* tame with a NaN or two */
    VALUES_INF,    /* tame with infinities of one sign */
    VALUES_ZEROS,  /* zeros of both signs */
    VALUES_TINY,   /* subnormals */
    VALUES_HUGE,   /* near the largest, few enough not to overflow in a sum of 16 */
    NVALUES
} sweep_values;

static const char *const sweep_values_names[NVALUES] = { "hard", "tame", "nan", "inf", "zeros", "tiny", "huge" };

typedef struct sweep_float { double max, normal, least, eps; } sweep_float;

/* Largest, least normal, least subnormal, distance from 1 to the next. */
static SWEEP_UNUSED sweep_float sweep_float_of(btl_dtype dtype) {
    switch (dtype) {
    case BTL_F16: return (sweep_float){ 65504, 0x1p-14, 0x1p-24, 0x1p-10 };
    case BTL_BF16: return (sweep_float){ 0x1.fep127, 0x1p-126, 0x1p-133, 0x1p-7 };
    case BTL_F32: return (sweep_float){ (double)FLT_MAX, 0x1p-126, 0x1p-149, 0x1p-23 };
    default: return (sweep_float){ DBL_MAX, DBL_MIN, 0x1p-1074, DBL_EPSILON };
    }
}

static double sweep_hard_float(btl_dtype dtype, btl_rng *r) {
    const sweep_float f = sweep_float_of(dtype);
    const double table[] = {
        0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 1 + f.eps, 1 - f.eps / 2, -1 - f.eps, -1 + f.eps / 2, f.max, -f.max, f.normal,
        -f.normal, f.normal - f.least, f.least, -f.least, (double)INFINITY, -(double)INFINITY, (double)NAN, 3, -3, 2.5, -2.5, 1.5, -1.5, 0.1, -0.1,
        0.49999999999999994, 0.4999999701976776, 88.72283905206835, -103.97, 709.782712893384, -745.1, 1e4, -1e4,
        1.5707963267948966, 3.141592653589793, 6.283185307179586, 314.1592653589793, 1e5, 1e22, -1e22, 0.25, 4, 10, 100,
        1e-3, -1e-3, 1e-8, 2147483648.0, -2147483648.0, 4294967296.0, 9223372036854775808.0, -9223372036854775808.0,
        18446744073709551616.0, 255, 256, -128, 127.5, 65535.5, 1.4616321449683623, -0.2, 20, 170.6, 5.9, 26.5, -6,
    };
    uint64_t which = btl_rng_below(r, 8);
    if (which < 4) return table[btl_rng_below(r, sizeof table / sizeof *table)];
    if (which < 6) return btl_rng_uniform(r, -4, 4);
    if (which < 7) return ldexp(btl_rng_uniform(r, -2, 2), (int)btl_rng_below(r, 60) - 30);
    /* any bits, of the type's own range */
    double low = log2(f.least), high = log2(f.max), e = btl_rng_uniform(r, low, high);
    return copysign(exp2(e), btl_rng_uniform(r, -1, 1));
}

static int64_t sweep_hard_integer(btl_dtype dtype, btl_rng *r) {
    int bits = 8 * (int)btl_dtype_bytes(dtype);
    int64_t least = dtype == BTL_I64 ? INT64_MIN : -((int64_t)1 << (bits - 1));
    const int64_t table[] = { 0, 1, -1, 2, -2, 3, 7, 8, 10, 31, 32, 63, 64, 65, bits - 1, bits, bits + 1, least, -(least + 1), least + 1 };
    uint64_t which = btl_rng_below(r, 4);
    if (which < 2) return table[btl_rng_below(r, sizeof table / sizeof *table)];
    return which < 3 ? (int64_t)btl_rng_below(r, 21) - 10 : (int64_t)btl_rng_u64(r);
}

static double sweep_float_value(btl_dtype dtype, sweep_values values, int64_t at, int64_t n, btl_rng *r) {
    const sweep_float f = sweep_float_of(dtype);
    double tame = btl_rng_uniform(r, -2, 2);
    switch (values) {
    case VALUES_HARD: return sweep_hard_float(dtype, r);
    case VALUES_NAN: return at == n / 2 || at == n - 1 ? (double)NAN : tame;
    case VALUES_INF: return at == n / 3 || at == n - 1 ? (double)INFINITY : tame;
    case VALUES_ZEROS: return btl_rng_below(r, 2) ? 0.0 : -0.0;
    case VALUES_TINY: return f.least * (double)((int64_t)btl_rng_below(r, 200) - 100);
    case VALUES_HUGE: return f.max / 16 * btl_rng_uniform(r, 0, 1) / (double)(n > 16 ? n : 16) * 16;
    default: return tame;
    }
}

static void sweep_set(btl_array *a, int64_t at, double real, int64_t integer) {
    btl_dtype dtype = BTL_F64;
    btl_array_dtype(a, &dtype);
    char *p = (char *)btl_array_data(a) + at * (int64_t)btl_dtype_bytes(dtype);
    switch (dtype) {
    case BTL_BOOL: *p = integer & 1; break;
    case BTL_F16: *(uint16_t *)(void *)p = btl_half_from_f64(real); break;
    case BTL_BF16: *(uint16_t *)(void *)p = btl_bf16_from_f64(real); break;
    case BTL_F32: *(float *)(void *)p = (float)real; break;
    case BTL_F64: *(double *)(void *)p = real; break;
    default: memcpy(p, &integer, btl_dtype_bytes(dtype)); /* little-endian: the low bytes */
    }
}

/* Elements of an array without gaps. */
static SWEEP_UNUSED void sweep_fill(btl_array *a, const char *name, sweep_values values, btl_rng *r) {
    btl_dtype dtype = BTL_F64;
    btl_array_dtype(a, &dtype);
    int64_t n = btl_array_elems(a);
    bool is_index = strcmp(name, "i") == 0 || strcmp(name, "j") == 0;
    char kind = btl_dtype_kind(dtype);
    for (int64_t at = 0; at < n; at++) {
        if (is_index) sweep_set(a, at, 0, kind == 'i' ? (int64_t)btl_rng_below(r, 4) - 2 : (int64_t)btl_rng_below(r, 2));
        else if (kind == 'f') sweep_set(a, at, sweep_float_value(dtype, values, at, n, r), 0);
        else if (kind == 'b') sweep_set(a, at, 0, (int64_t)btl_rng_u64(r) & (values == VALUES_ZEROS ? 0 : 1));
        else if (values == VALUES_HARD) sweep_set(a, at, 0, sweep_hard_integer(dtype, r));
        else sweep_set(a, at, 0, values == VALUES_ZEROS ? 0 : (int64_t)btl_rng_below(r, 7) - (kind == 'i' ? 3 : 0));
    }
}

/* ---- comparing --------------------------------------------------------------------------------- */

/* How far `got` may be from `want`, an element each: ulps of its dtype, or relative * |want|, or the element
 * of `bound` (f64, of the same shape), whichever is largest. All 0: the same bits (every NaN is one). */
typedef struct sweep_tolerance {
    double ulps, relative, absolute;
    const btl_array *bound;
    bool any_zero; /* the sign of a zero is not promised */
    bool loose_class; /* what overflows may be infinite or NaN: only finite wanted values are compared */
} sweep_tolerance;

static double sweep_element(const btl_array *a, int64_t at) {
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

/* The distance of the numbers of the dtype around x. */
static SWEEP_UNUSED double sweep_ulp(btl_dtype dtype, double x) {
    const sweep_float f = sweep_float_of(dtype);
    double a = fabs(x);
    if (!(a > f.normal)) return f.least;
    int e;
    frexp(a > f.max ? f.max : a, &e);
    double ulp = ldexp(f.eps, e - 1);
    return ulp > f.least ? ulp : f.least;
}

/* Where |f| is smaller than this its error counts as if it were this: near zeros that lie at no representable
 * point, and where two large terms cancel, as in psi(x) = psi(1 - x) - pi / tan(pi x), x < 0 (vecmath.inc says
 * the same of these functions). */
static SWEEP_UNUSED double sweep_floor(const char *op, double x) {
    if (strcmp(op, "gammaln") == 0) return x < 0 ? 4 : 0;
    if (strcmp(op, "psi") == 0 || strcmp(op, "digamma") == 0) return x < 0 ? fmax(4, log(1 - x)) : 1;
    return 0;
}

static bool sweep_element_agrees(btl_dtype dtype, double got, double want, int64_t at, const sweep_tolerance *t) {
    if (t->loose_class && !isfinite(want)) return true;
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
    if (got == want) return got != 0 || t->any_zero || signbit(got) == signbit(want);
    double allowed = t->ulps * sweep_ulp(dtype, want), most = sweep_float_of(dtype).max;
    if (t->relative * fabs(want) > allowed) allowed = t->relative * fabs(want);
    if (t->absolute > allowed) allowed = t->absolute;
    if (t->bound && ((const double *)btl_array_data(t->bound))[at] > allowed) allowed = ((const double *)btl_array_data(t->bound))[at];
    if (!(allowed > 0)) return false;
    if (isinf(got)) got = copysign(most * (1 + sweep_float_of(dtype).eps / 2), got); /* the neighbour of the largest */
    if (isinf(want)) want = copysign(most * (1 + sweep_float_of(dtype).eps / 2), want);
    if (isinf(got) || isinf(want)) got /= 2, want /= 2, allowed /= 2; /* f64: stays finite no longer */
    if (isinf(got)) got = copysign(DBL_MAX, got);
    if (isinf(want)) want = copysign(DBL_MAX, want);
    return fabs(got - want) <= allowed;
}

/* True if they agree; otherwise `why` says what differs. Arrays without gaps. */
static SWEEP_UNUSED bool sweep_agree(const btl_array *got, const btl_array *want, const sweep_tolerance *t, char *why, size_t bytes) {
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
        if (btl_dtype_kind(a) == 'f' && sweep_element_agrees(a, sweep_element(got, at), sweep_element(want, at), at, t)) continue;
        if (wrong++ == 0) first = at;
    }
    if (wrong == 0) return true;
    double g = sweep_element(got, first), w = sweep_element(want, first);
    snprintf(why, bytes, "%lld of %lld elements differ; element %lld is %.17g (%a), wanted %.17g (%a): %.3g ulp", (long long)wrong,
             (long long)n, (long long)first, g, g, w, w, fabs(g - w) / sweep_ulp(a, w));
    return false;
}

/* ---- reports ----------------------------------------------------------------------------------- */

/* All that fails in a sweep is counted, the first three of each subject (an op) and 60 in all are shown; then
 * the test fails. */
typedef struct sweep_report { int cases, failures, shown, of_subject; char subject[64]; } sweep_report;

static SWEEP_UNUSED __attribute__((format(printf, 3, 4))) void sweep_fails(sweep_report *s, const char *subject, const char *format, ...) {
    va_list args;
    s->failures++;
    if (strcmp(s->subject, subject) != 0) s->of_subject = 0;
    snprintf(s->subject, sizeof s->subject, "%s", subject);
    if (s->of_subject++ >= 3 || s->shown++ >= 60) return;
    va_start(args, format);
    fprintf(stderr, "  FAIL: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
}

#define SWEEP_END(report)                                                                         \
    do {                                                                                          \
        print_message("           %d cases\n", (report).cases);                                   \
        if ((report).failures) BTL_FAIL("%d of %d cases failed", (report).failures, (report).cases); \
        assert_true((report).cases > 0);                                                          \
    } while (0)

#endif
