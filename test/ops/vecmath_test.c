/* vecmath_test.c - src/ops/vecmath.inc against MPFR, __int128 and exhaustive enumeration.
 *
 * The elementary functions stand in one table: name, f32 and f64 version, reference, largest error allowed in ulp, and
 * the points around which to look closely.  The sweep of each is generated: all special values, the neighbourhood of the
 * points, log-uniform arguments near 1, random bit patterns.  An infinite result counts as 2^emax, so overflow that comes
 * too soon or too late shows as an error in ulp; zeros must have the right sign; NaN must be where MPFR has NaN.
 * Conversions and 8-bit integer functions are tested exhaustively, wider ones at random against __int128.
 *
 * BTL_EXHAUSTIVE=1      all 2^32 arguments of every f32 function, judged by the f64 version (about a minute each)
 * BTL_EXHAUSTIVE=exp    of one
 * BTL_ULP=1             print the errors that were measured, and where
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mpfr.h>

#include "../../src/ops/vecmath.inc"

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t random_u64(void) { /* xorshift64*, Vigna (2016) */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1du;
}

static double random_unit(void) { return (double)(random_u64() >> 11) * 0x1p-53; }

/* ---- references ---- */

typedef int unary_ref(mpfr_t, const mpfr_t, mpfr_rnd_t);

static int ref_sigmoid(mpfr_t y, const mpfr_t x, mpfr_rnd_t rnd) {
    mpfr_t t;
    mpfr_init2(t, 160);
    mpfr_neg(t, x, rnd);
    mpfr_exp(t, t, rnd);
    mpfr_add_ui(t, t, 1, rnd);
    int inexact = mpfr_ui_div(y, 1, t, rnd);
    mpfr_clear(t);
    return inexact;
}

/* x erfc(-x/sqrt 2)/2 */
static int ref_gelu(mpfr_t y, const mpfr_t x, mpfr_rnd_t rnd) {
    mpfr_t t;
    if (mpfr_inf_p(x) && mpfr_sgn(x) < 0) {
        mpfr_set_zero(y, -1);
        return 0;
    }
    mpfr_init2(t, 160);
    mpfr_sqrt_ui(t, 2, rnd);
    mpfr_div(t, x, t, rnd);
    mpfr_neg(t, t, rnd);
    mpfr_erfc(t, t, rnd);
    mpfr_div_2ui(t, t, 1, rnd);
    int inexact = mpfr_mul(y, x, t, rnd);
    mpfr_clear(t);
    return inexact;
}

static int ref_softplus(mpfr_t y, const mpfr_t x, mpfr_rnd_t rnd) {
    mpfr_t t;
    mpfr_init2(t, 160);
    mpfr_exp(t, x, rnd);
    int inexact = mpfr_log1p(y, t, rnd);
    if (mpfr_inf_p(y)) mpfr_set(y, x, rnd); /* beyond MPFR's exponent range too */
    mpfr_clear(t);
    return inexact;
}

static int ref_gammaln(mpfr_t y, const mpfr_t x, mpfr_rnd_t rnd) {
    int sign;
    if (mpfr_integer_p(x) && mpfr_sgn(x) <= 0) {
        mpfr_set_inf(y, 1);
        return 0;
    }
    return mpfr_lgamma(y, &sign, x, rnd);
}

static int ref_digamma(mpfr_t y, const mpfr_t x, mpfr_rnd_t rnd) {
    if (mpfr_zero_p(x)) { /* as SciPy */
        mpfr_set_inf(y, mpfr_signbit(x) ? 1 : -1);
        return 0;
    }
    if (mpfr_get_exp(x) < -200 && mpfr_number_p(x)) return mpfr_si_div(y, -1, x, rnd); /* MPFR takes for ever */
    return mpfr_digamma(y, x, rnd);
}

/* ---- the table of functions of one argument ---- */

struct unary {
    const char *name;
    float (*f32)(float);
    double (*f64)(double);
    void (*block)(const float *, float *, double *, int);
    unary_ref *ref;
    double ulp32, ulp64;  /* largest error allowed */
    double absolute;      /* errors are in ulps of max(|y|, this), 4 times this for x < 0; negative: for x < 0 only */
    double low, high;     /* where the function is interesting: half of the random arguments */
    double points[8];     /* look closely here and at the negatives */
    int slow;             /* divides the number of samples */
};

/* name, reference, ulp of f32 and f64, absolute, low, high, slow, points: see struct unary. */
#define UNARIES(U) \
    U(exp, mpfr_exp, 1, 1, 0, -110, 100, 1, 0, 0.34657359, 88.72284, 87.336545, 103.97208, 709.782712893384, 745.1332191019412) \
    U(exp2, mpfr_exp2, 1, 1, 0, -155, 130, 1, 0, 0.5, 128, 126, 150, 1024, 1075) \
    U(expm1, mpfr_expm1, 1.5, 2, 0, -20, 20, 1, 0, 0.34657359, 88.72284, 17.5, 709.782712893384, 37) \
    U(log, mpfr_log, 1, 1, 0, 0, 10, 1, 0, 1, 0.70710678118654752, 1.41421356237309505, 0x1p-126, 0x1p-1022) \
    U(log2, mpfr_log2, 1, 1, 0, 0, 10, 1, 0, 1, 0.70710678118654752, 1.41421356237309505, 2, 0x1p-126) \
    U(log10, mpfr_log10, 1.5, 1.5, 0, 0, 10, 1, 0, 1, 0.70710678118654752, 10, 1000, 0x1p-126) \
    U(log1p, mpfr_log1p, 2, 2, 0, -1, 10, 1, 0, 1, 0.41421356237309505, 0.2928932188134524, 0x1p60, 0x1p127) \
    U(tanh, mpfr_tanh, 1.5, 1.5, 0, -10, 10, 1, 0, 0.59, 9.01, 19.06) \
    U(sigmoid, ref_sigmoid, 1.5, 1.5, 0, -110, 40, 2, 0, 17, 37, 87.336545, 103.97208, 745.1332191019412) \
    U(softplus, ref_softplus, 2, 2.5, 0, -110, 40, 2, 0, 0.88137358702, 17, 37, 103.97208, 745.1332191019412) \
    U(erf, mpfr_erf, 1.5, 1.5, 0, -4.5, 6, 4, 0, 0.925, 3.95, 5.95) \
    U(erfc, mpfr_erfc, 2, 2, 0, -5, 28, 8, 0, 0.65, 0.75, 10.06, 27.226) \
    U(gelu, ref_gelu, 4, 4, 0, -40, 20, 8, 0, 0.75, 14.3, 15, 37.5, 38.5, 39) \
    U(sin, mpfr_sin, 1, 1, 0, -30, 30, 1, 0, 0.78539816339744831, 1.57079632679489662, 3.14159265358979324, 6.283185307179586, 262144, 33554432, 6381956970095103.0*0x1p797) \
    U(cos, mpfr_cos, 1, 1, 0, -30, 30, 1, 0, 0.78539816339744831, 1.57079632679489662, 3.14159265358979324, 4.71238898038469, 262144, 33554432, 6381956970095103.0*0x1p797) \
    U(tan, mpfr_tan, 2, 2.5, 0, -30, 30, 1, 0, 0.78539816339744831, 1.57079632679489662, 3.14159265358979324, 4.71238898038469, 262144, 33554432, 6381956970095103.0*0x1p797) \
    U(asin, mpfr_asin, 2, 2, 0, -1, 1, 1, 0, 0.5, 1) \
    U(acos, mpfr_acos, 2, 2, 0, -1, 1, 1, 0, 0.5, 1) \
    U(atan, mpfr_atan, 2, 2, 0, -5, 5, 1, 0, 1, 0x1p60) \
    U(sinh, mpfr_sinh, 2, 2.5, 0, -20, 20, 1, 0, 1, 89.41599, 710.4758600739439) \
    U(cosh, mpfr_cosh, 2, 2.5, 0, -20, 20, 1, 0, 1, 89.41599, 710.4758600739439) \
    U(asinh, mpfr_asinh, 2, 2.5, 0, -20, 20, 1, 0, 1, 0x1p30, 0x1p60) \
    U(acosh, mpfr_acosh, 2.1, 2.5, 0, 1, 20, 1, 0, 1, 0x1p30, 0x1p60) \
    U(atanh, mpfr_atanh, 2, 2.5, 0, -1, 1, 1, 0, 0.5, 1) \
    U(gammaln, ref_gammaln, 4, 4, -1, 0, 40, 8, 0, 1, 2, 0.5, 1.5, 2.5, 7, 2.55634648e305) \
    U(digamma, ref_digamma, 4, 4, 1, -20, 40, 8, 0, 1, 2, 1.4616321449683623, 6, 3)

/* Blocks of f32 arguments through both versions, vectorised: what makes 2^32 arguments bearable. */
#define BLOCK(NAME, ...)                                                         \
    static void block_##NAME(const float *x, float *y, double *ref, int n) {     \
        _Pragma("omp simd") for (int i = 0; i < n; i++) {                        \
            y[i] = btl_##NAME##f(x[i]);                                          \
            ref[i] = btl_##NAME((double)x[i]);                                   \
        }                                                                        \
    }
UNARIES(BLOCK)

static const struct unary unaries[] = {
#define ROW(NAME, REF, ULP32, ULP64, ABS, LOW, HIGH, SLOW, ...) \
    { #NAME, btl_##NAME##f, btl_##NAME, block_##NAME, REF, ULP32, ULP64, ABS, LOW, HIGH, { __VA_ARGS__ }, SLOW },
    UNARIES(ROW)
};

/* |got - ref| in units of the last place of the format with p bits and least exponent emin. */
static double error_ulp(double got, const mpfr_t ref, double absolute, int p, int emin, int emax) {
    if (mpfr_nan_p(ref)) return got != got ? 0 : INFINITY;
    if (got != got) return INFINITY;
    if (mpfr_zero_p(ref)) return got == 0 && !signbit(got) == !mpfr_signbit(ref) ? 0 : INFINITY;
    if (got == 0 && !signbit(got) != !mpfr_signbit(ref)) return INFINITY;
    if (mpfr_inf_p(ref)) return got == mpfr_get_d(ref, MPFR_RNDN) ? 0 : INFINITY;
    if (mpfr_get_exp(ref) > emax) return isinf(got) && (got > 0) == (mpfr_sgn(ref) > 0) ? 0 : INFINITY;
    int e = (int)mpfr_get_exp(ref);
    if (absolute > 0 && e < ilogb(absolute) + 1) e = ilogb(absolute) + 1;
    e = e - p > emin ? e - p : emin;
    mpfr_t d;
    mpfr_init2(d, 128);
    mpfr_set_d(d, got, MPFR_RNDN);
    if (isinf(got)) mpfr_set_si_2exp(d, got > 0 ? 1 : -1, emax, MPFR_RNDN);
    mpfr_sub(d, d, ref, MPFR_RNDN);
    mpfr_mul_2si(d, d, -e, MPFR_RNDN);
    double ulp = fabs(mpfr_get_d(d, MPFR_RNDN));
    mpfr_clear(d);
    return ulp;
}

struct worst { double ulp, x, y; };

static void check_one(const struct unary *u, int is32, double x, mpfr_t arg, mpfr_t ref, struct worst *w) {
    double got;
    if (is32) {
        x = (double)(float)x;
        got = (double)u->f32((float)x);
    } else {
        got = u->f64(x);
    }
    mpfr_set_d(arg, x, MPFR_RNDN);
    u->ref(ref, arg, MPFR_RNDN);
    double absolute = x < 0 ? 4 * fabs(u->absolute) : fmax(u->absolute, 0);
    double ulp = error_ulp(got, ref, absolute, is32 ? 24 : 53, is32 ? -149 : -1074, is32 ? 128 : 1024);
    if (!(ulp <= w->ulp)) *w = (struct worst){ ulp, x, got };
}

static double random_bits_value(int is32) {
    if (is32) return (double)btl_float32((uint32_t)random_u64());
    return btl_float64(random_u64());
}

static struct worst sweep(const struct unary *u, int is32) {
    static const double special[] = { 0, 1, 0.5, 2, 3, 10, 100, 1e4, 1e10, 1e20, INFINITY, NAN, 0x1p-149, 0x1p-126, 0x1.8p-127,
                                      0x1.fffffep127, 0x1p-1074, 0x1p-1022, 0x1.8p-1030, 0x1.fffffffffffffp1023, 0x1p-60, 0x1p-30 };
    struct worst w = { 0, 0, 0 };
    mpfr_t arg, ref;
    mpfr_init2(arg, 53);
    mpfr_init2(ref, is32 ? 64 : 96);
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        check_one(u, is32, special[i], arg, ref, &w);
        check_one(u, is32, -special[i], arg, ref, &w);
    }
    int scale = u->slow;
    for (size_t i = 0; i < sizeof u->points / sizeof *u->points; i++) {
        double p = u->points[i], ulp = p == 0 ? (is32 ? 0x1p-149 : 0x1p-1074) : p * (is32 ? 0x1p-23 : 0x1p-52);
        for (int s = -1; s <= 1; s += 2) {
            for (int k = -60 / scale; k <= 60 / scale; k++) check_one(u, is32, s * (p + k * ulp), arg, ref, &w);
            for (int k = 0; k < 400 / scale; k++) {
                double near = ldexp(random_unit() - 0.5, -(int)(random_u64() % (is32 ? 22 : 50)));
                check_one(u, is32, s * (p + near * (p == 0 ? 1 : p)), arg, ref, &w);
            }
        }
    }
    for (int k = 0; k < 6000 / scale; k++) {
        check_one(u, is32, u->low + (u->high - u->low) * random_unit(), arg, ref, &w);
        double loguniform = ldexp(1 + random_unit(), (int)(random_u64() % 24) - 16);
        check_one(u, is32, random_u64() & 1 ? loguniform : -loguniform, arg, ref, &w);
        if (k % 2 == 0) check_one(u, is32, random_bits_value(is32), arg, ref, &w);
    }
    mpfr_clear(arg);
    mpfr_clear(ref);
    return w;
}

static int report(const char *name, int is32, struct worst w, double allowed) {
    if (getenv("BTL_ULP")) printf("%-10s %s %.3f ulp at %a -> %a\n", name, is32 ? "f32" : "f64", w.ulp, w.x, w.y);
    if (w.ulp <= allowed) return 0;
    print_error("%s %s: %g ulp at %a (%.17g), got %a; allowed %g\n", name, is32 ? "f32" : "f64", w.ulp, w.x, w.x, w.y, allowed);
    return 1;
}

static void functions_of_one_argument_stay_within_their_ulp(void **state) {
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof unaries / sizeof *unaries; i++) {
        const struct unary *u = &unaries[i];
        bad += report(u->name, 1, sweep(u, 1), u->ulp32);
        bad += report(u->name, 0, sweep(u, 0), u->ulp64);
    }
    assert_int_equal(bad, 0);
}

/* ulp of f32 results against f64 ones; at 2^128 and beyond infinity is right. */
static double error_ulp_f32(float y, double ref, double absolute) {
    double got = (double)y, m = fabs(ref) > absolute ? fabs(ref) : absolute;
    if (got != got || ref != ref) return (got != got) == (ref != ref) ? 0 : INFINITY;
    if (fabs(ref) >= 0x1p128 || isinf(got)) {
        got = isinf(got) ? copysign(0x1p128, got) : got;
        ref = fabs(ref) >= 0x1p128 ? copysign(0x1p128, ref) : ref;
        m = 0x1p127;
    }
    if (got == 0 && signbit(got) != signbit(ref)) return INFINITY;
    uint64_t e = m >= 0x1p-126 ? btl_bits64(m) >> 52 : 1023 - 126;
    return fabs(got - ref) * btl_float64((2046 + 23 - e) << 52);
}

/* All 2^32 arguments against the f64 version, whose own error (2^-28 f32 ulp) does not count. */
static void every_f32_argument_stays_within_its_ulp(void **state) {
    (void)state;
    const char *which = getenv("BTL_EXHAUSTIVE");
    if (!which) skip();
    enum { N = 1024 };
    static float x[N], y[N];
    static double ref[N];
    int bad = 0;
    for (size_t i = 0; i < sizeof unaries / sizeof *unaries; i++) {
        const struct unary *u = &unaries[i];
        if (strcmp(which, "1") != 0 && strcmp(which, u->name) != 0) continue;
        struct worst w = { 0, 0, 0 };
        for (uint64_t bits = 0; bits <= 0xffffffffu; bits += N) {
            for (uint32_t k = 0; k < N; k++) x[k] = btl_float32((uint32_t)bits + k);
            u->block(x, y, ref, N);
            double absolute = x[0] < 0 ? 4 * fabs(u->absolute) : fmax(u->absolute, 0);
            for (int k = 0; k < N; k++) {
                double ulp = error_ulp_f32(y[k], ref[k], absolute);
                if (ulp > w.ulp) w = (struct worst){ ulp, (double)x[k], (double)y[k] };
            }
        }
        bad += report(u->name, 1, w, u->ulp32);
        fflush(stdout);
    }
    assert_int_equal(bad, 0);
}

/* ---- functions of two arguments ---- */

typedef int binary_ref(mpfr_t, const mpfr_t, const mpfr_t, mpfr_rnd_t);

static int ref_pow(mpfr_t z, const mpfr_t x, const mpfr_t y, mpfr_rnd_t rnd) { return mpfr_pow(z, x, y, rnd); }

struct binary {
    const char *name;
    float (*f32)(float, float);
    double (*f64)(double, double);
    binary_ref *ref;
    double ulp32, ulp64;
};

static const struct binary binaries[] = {
    { "atan2", btl_atan2f, btl_atan2, mpfr_atan2, 2, 2.5 },
    { "pow", btl_powf, btl_pow, ref_pow, 1, 1 },
};

static struct worst sweep_pairs(const struct binary *b, int is32) {
    static const double special[] = { 0, 0x1p-149, 0x1p-1074, 0x1p-126, 0x1p-1022, 1e-20, 0.25, 0.5, 0.99, 1, 1.5, 2, 3, 4, 5, 10, 127, 1023, 1e5,
                                      0x1p23, 0x1.000002p23, 0x1p24, 0x1p52, 0x1.0000000000001p52, 0x1p53, 1e15, 1e30,
                                      0x1.fffffep127, 0x1.fffffffffffffp1023, INFINITY, NAN, 0x1.fffffep-1, 0x1.000002p0 };
    const int count = (int)(sizeof special / sizeof *special);
    struct worst w = { 0, 0, 0 };
    mpfr_t x, y, ref;
    mpfr_inits2(53, x, y, (mpfr_ptr)0);
    mpfr_init2(ref, is32 ? 64 : 96);
    for (int k = 0; k < 4 * count * count + 30000; k++) {
        double a, c;
        if (k < 4 * count * count) {
            a = special[k / 4 / count] * (k & 1 ? -1 : 1);
            c = special[k / 4 % count] * (k & 2 ? -1 : 1);
        } else if (k % 3 == 0) { /* near overflow and underflow of pow, and everywhere */
            a = ldexp(1 + random_unit(), (int)(random_u64() % 200) - 100);
            c = (random_unit() - 0.5) * 2 * (is32 ? 150 : 1075) / log2(a);
        } else if (k % 3 == 1) {
            a = 1 + ldexp(random_unit() - 0.5, -(int)(random_u64() % 30));
            c = ldexp(1 + random_unit(), (int)(random_u64() % 40) - 10);
        } else {
            a = random_bits_value(is32);
            c = random_bits_value(is32);
        }
        double got;
        if (is32) {
            a = (double)(float)a;
            c = (double)(float)c;
            got = (double)b->f32((float)a, (float)c);
        } else {
            got = b->f64(a, c);
        }
        mpfr_set_d(x, a, MPFR_RNDN);
        mpfr_set_d(y, c, MPFR_RNDN);
        b->ref(ref, x, y, MPFR_RNDN);
        double ulp = error_ulp(got, ref, 0, is32 ? 24 : 53, is32 ? -149 : -1074, is32 ? 128 : 1024);
        if (!(ulp <= w.ulp)) {
            w = (struct worst){ ulp, a, got };
            if (!(ulp <= (is32 ? b->ulp32 : b->ulp64))) print_error("%s(%a, %a) -> %a\n", b->name, a, c, got);
        }
    }
    mpfr_clears(x, y, ref, (mpfr_ptr)0);
    return w;
}

static void functions_of_two_arguments_stay_within_their_ulp(void **state) {
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++) {
        bad += report(binaries[i].name, 1, sweep_pairs(&binaries[i], 1), binaries[i].ulp32);
        bad += report(binaries[i].name, 0, sweep_pairs(&binaries[i], 0), binaries[i].ulp64);
    }
    assert_int_equal(bad, 0);
}

static void mid_range_circular_functions_give_the_bits_of_the_full_range_ones(void **state) {
    (void)state;
    for (int k = 0; k < 200000; k++) {
        float x = (float)ldexp(random_unit() * 2 - 1, (int)(random_u64() % 40) - 21);
        assert_true(btl_bits32(btl_sinf(x)) == btl_bits32(btl_sin_midf(x)));
        assert_true(btl_bits32(btl_cosf(x)) == btl_bits32(btl_cos_midf(x)));
        assert_true(btl_bits32(btl_tanf(x)) == btl_bits32(btl_tan_midf(x)));
        double d = ldexp(random_unit() * 2 - 1, (int)(random_u64() % 46) - 20);
        assert_true(btl_bits64(btl_sin(d)) == btl_bits64(btl_sin_mid(d)));
        assert_true(btl_bits64(btl_cos(d)) == btl_bits64(btl_cos_mid(d)));
        assert_true(btl_bits64(btl_tan(d)) == btl_bits64(btl_tan_mid(d)));
    }
}

/* ---- exact functions of floats ---- */

static int same_f64(double a, double b) { return (a != a && b != b) || btl_bits64(a) == btl_bits64(b); }

static double random_moderate(void) {
    switch (random_u64() % 6) {
    case 0: return (double)(int64_t)(random_u64() % 41) - 20;
    case 1: return random_bits_value(0);
    case 2: return (double)btl_float32((uint32_t)random_u64());
    case 3: return ((double)(int64_t)(random_u64() % 41) - 20) * 0.5;
    case 4: return ldexp(random_unit() - 0.5, (int)(random_u64() % 120) - 60);
    default: {
        static const double special[] = { 0.0, -0.0, INFINITY, -INFINITY, NAN, 0x1p-1074, -0x1p-1022, 0x1.fffffffffffffp1023 };
        return special[random_u64() % 8];
    }
    }
}

static void float_division_and_remainder_have_the_signs_of_python(void **state) {
    (void)state;
    for (int k = 0; k < 300000; k++) {
        double a = random_moderate(), b = random_moderate(), m = fmod(a, b), q;
        assert_true(same_f64(btl_fmod(a, b), m));
        if (b == 0) { /* NumPy's npy_divmod */
            q = a / b;
        } else {
            q = (a - m) / b;
            if (m != 0 && (b < 0) != (m < 0)) m += b, q -= 1;
            else if (m == 0) m = copysign(0, b);
            double whole = floor(q);
            if (q - whole > 0.5) whole += 1;
            q = q != 0 ? whole : copysign(0, a / b);
        }
        if (!same_f64(btl_mod(a, b), m) || !same_f64(btl_floordiv(a, b), q))
            fail_msg("%a, %a: mod %a, not %a; floordiv %a, not %a", a, b, btl_mod(a, b), m, btl_floordiv(a, b), q);
        float fa = (float)a, fb = (float)b, fm = fmodf(fa, fb);
        if (fm != 0 && (fb < 0) != (fm < 0)) fm += fb;
        else if (fm == 0) fm = copysignf(0, fb);
        assert_true(same_f64((double)btl_modf(fa, fb), (double)fm));
    }
    assert_true(same_f64(btl_floordiv(-7, 2), -4) && same_f64(btl_mod(-7, 2), 1) && same_f64(btl_mod(7, -2), -1));
    assert_true(same_f64((double)btl_floordivf(-7, 2), -4) && same_f64((double)btl_floordivf(1, 0), INFINITY));
}

static void rounding_and_sign_agree_with_libm(void **state) {
    (void)state;
    for (int k = 0; k < 300000; k++) {
        double x = random_moderate();
        float f = (float)x;
        assert_true(same_f64(btl_floor(x), floor(x)) && same_f64((double)btl_floorf(f), floor((double)f)));
        assert_true(same_f64(btl_ceil(x), ceil(x)) && same_f64((double)btl_ceilf(f), ceil((double)f)));
        assert_true(same_f64(btl_trunc(x), trunc(x)) && same_f64((double)btl_truncf(f), trunc((double)f)));
        assert_true(same_f64(btl_round_even(x), nearbyint(x)) && same_f64((double)btl_round_evenf(f), nearbyint((double)f)));
        assert_true(same_f64(btl_round_away(x), round(x)) && same_f64((double)btl_round_awayf(f), round((double)f)));
        assert_true(same_f64(btl_sqrt(x), sqrt(x)) && same_f64((double)btl_sqrtf(f), (double)sqrtf(f)));
        double sign = x > 0 ? 1 : x < 0 ? -1 : x;
        assert_true(same_f64(btl_sign(x), sign));
        sign = f > 0 ? 1 : f < 0 ? -1 : (double)f;
        assert_true(same_f64((double)btl_signf(f), sign));
    }
}

/* ---- integers ---- */

__extension__ typedef __int128 wide;

static wide ref_floordiv(wide a, wide b) {
    if (b == 0) return 0;
    wide q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static wide ref_power(wide a, wide n, uint64_t limit) { /* modulo 2^64; limit keeps the naive loop short */
    if (n < 0) return a == 1 ? 1 : a == -1 ? (n % 2 ? -1 : 1) : 0;
    if ((uint64_t)n > limit) { /* a^n = a^(n/2)^2 a^(n%2) */
        uint64_t h = (uint64_t)ref_power(a, n / 2, limit);
        return (wide)(h * h * (n % 2 ? (uint64_t)a : 1));
    }
    uint64_t r = 1;
    while (n-- > 0) r *= (uint64_t)a;
    return (wide)r;
}

#define CHECK_INTEGER(T, N, BITS, a, b)                                                                        \
    do {                                                                                                       \
        T x = (a), y = (b);                                                                                    \
        wide wx = x, wy = y, q = ref_floordiv(wx, wy);                                                         \
        uint64_t left = wy < 0 || wy >= BITS ? 0 : (uint64_t)x << (int)wy;                                     \
        wide right = wy < 0 ? 0 : wx >> (wy > BITS ? BITS : (int)wy);                                          \
        if (btl_floordiv_##N(x, y) != (T)q || btl_mod_##N(x, y) != (T)(wy == 0 ? 0 : wx - q * wy) ||           \
            btl_pow_##N(x, y) != (T)ref_power(wx, wy, 64) || btl_shl_##N(x, y) != (T)left ||                    \
            btl_shr_##N(x, y) != (T)right)                                                                     \
            fail_msg(#N ": %lld, %lld", (long long)x, (long long)y);                                           \
    } while (0)

static void integers_of_8_bits_divide_raise_and_shift_exactly(void **state) {
    (void)state;
    for (int a = -128; a < 256; a++)
        for (int b = -128; b < 256; b++) {
            if (a < 128 && b < 128) CHECK_INTEGER(int8_t, i8, 8, (int8_t)a, (int8_t)b);
            if (a >= 0 && b >= 0) CHECK_INTEGER(uint8_t, u8, 8, (uint8_t)a, (uint8_t)b);
        }
}

static uint64_t random_integer(void) {
    static const uint64_t edge[] = { 0, 1, 2, 3, 7, 31, 32, 63, 64, 65, 0x7f, 0x80, 0x7fff, 0x8000, 0x7fffffff, 0x80000000u,
                                     0x7fffffffffffffffu, 0x8000000000000000u, 0xffffffffu, 0xffffu };
    uint64_t r = random_u64() >> (random_u64() % 64);
    switch (random_u64() % 4) {
    case 0: r = edge[random_u64() % (sizeof edge / sizeof *edge)]; break;
    case 1: r = random_u64() % 70; break;
    default: break;
    }
    return random_u64() & 1 ? r : 0 - r;
}

static void wider_integers_divide_raise_and_shift_exactly(void **state) {
    (void)state;
    for (int k = 0; k < 200000; k++) {
        uint64_t a = random_integer(), b = random_integer();
        CHECK_INTEGER(int16_t, i16, 16, (int16_t)a, (int16_t)b);
        CHECK_INTEGER(int32_t, i32, 32, (int32_t)a, (int32_t)b);
        CHECK_INTEGER(int64_t, i64, 64, (int64_t)a, (int64_t)b);
        CHECK_INTEGER(uint16_t, u16, 16, (uint16_t)a, (uint16_t)b);
        CHECK_INTEGER(uint32_t, u32, 32, (uint32_t)a, (uint32_t)b);
        CHECK_INTEGER(uint64_t, u64, 64, (uint64_t)a, (uint64_t)b);
    }
}

/* ---- conversions ---- */

static wide ref_saturate(double x, wide low, wide high) {
    if (x != x) return 0;
    if (x <= (double)low) return low;
    if (x >= (double)high) return high; /* 2^63 and 2^64 are the rounded limits of 64 bits */
    return (wide)x;
}

static void floats_saturate_when_they_become_integers(void **state) {
    (void)state;
    for (int k = 0; k < 400000; k++) {
        double x = k % 2 ? random_moderate() : ldexp(random_unit() - 0.5, (int)(random_u64() % 70));
        if (k % 5 == 0) { /* around the limits */
            static const int exponent[] = { 7, 8, 15, 16, 31, 32, 63, 64 };
            x = ldexp(1, exponent[random_u64() % 8]);
            x += ((double)(random_u64() % 9) - 4) * (random_u64() & 1 ? 0.25 : x * 0x1p-53);
            if (random_u64() & 1) x = -x;
        }
        double f = (double)(float)x;
#define CHECK_SATURATE(N, LOW, HIGH)                                                             \
        if (btl_f64_to_##N(x) != ref_saturate(x, LOW, HIGH) ||                                   \
            btl_f32_to_##N((float)x) != ref_saturate(f, LOW, HIGH))                              \
            fail_msg(#N " of %a: %lld %lld", x, (long long)btl_f64_to_##N(x), (long long)btl_f32_to_##N((float)x));
        CHECK_SATURATE(i8, INT8_MIN, INT8_MAX)
        CHECK_SATURATE(i16, INT16_MIN, INT16_MAX)
        CHECK_SATURATE(i32, INT32_MIN, INT32_MAX)
        CHECK_SATURATE(i64, INT64_MIN, INT64_MAX)
        CHECK_SATURATE(u8, 0, UINT8_MAX)
        CHECK_SATURATE(u16, 0, UINT16_MAX)
        CHECK_SATURATE(u32, 0, UINT32_MAX)
        CHECK_SATURATE(u64, 0, UINT64_MAX)
    }
}

/* The value of a 16-bit float with p significant bits whose least positive number is 2^least. */
static double ref_decode(uint16_t h, int p, int least) {
    int mant = h & ((1 << (p - 1)) - 1), e = (h & 0x7fff) >> (p - 1);
    double v;
    if (e == (0x7fff >> (p - 1))) v = mant ? NAN : INFINITY;
    else v = ldexp(e ? mant | 1 << (p - 1) : mant, least + (e ? e - 1 : 0));
    return h & 0x8000 ? -v : v;
}

/* x rounded to nearest even with p bits, least exponent, infinite from 2^top. */
static double ref_encode(double x, int p, int least, int top) {
    if (x != x || isinf(x) || x == 0) return x;
    int e = ilogb(x) - p + 1;
    if (e < least) e = least;
    double y = ldexp(nearbyint(ldexp(x, -e)), e);
    y = fabs(y) >= ldexp(1, top) ? INFINITY : fabs(y);
    return copysign(y, x);
}

static void check_encode(double x) {
    float f = (float)x;
    double b = (double)f;
    assert_true(same_f64(ref_decode(btl_f64_to_f16(x), 11, -24), ref_encode(x, 11, -24, 16)));
    assert_true(same_f64(ref_decode(btl_f64_to_bf16(x), 8, -133), ref_encode(x, 8, -133, 128)));
    assert_true(same_f64(ref_decode(btl_f32_to_f16(f), 11, -24), ref_encode(b, 11, -24, 16)));
    assert_true(same_f64(ref_decode(btl_f32_to_bf16(f), 8, -133), ref_encode(b, 8, -133, 128)));
}

static void every_16_bit_float_converts_exactly_both_ways(void **state) {
    (void)state;
    for (uint32_t u = 0; u < 0x10000; u++) {
        uint16_t h = (uint16_t)u;
        float a = btl_f16_to_f32(h), b = btl_bf16_to_f32(h);
        assert_true(same_f64((double)a, ref_decode(h, 11, -24)));
        assert_true(same_f64((double)b, ref_decode(h, 8, -133)));
        uint16_t quiet_a = a != a ? h | 0x200 : h, quiet_b = b != b ? h | 0x40 : h;
        assert_int_equal(btl_f32_to_f16(a), quiet_a);
        assert_int_equal(btl_f64_to_f16((double)a), quiet_a);
        assert_int_equal(btl_f32_to_bf16(b), quiet_b);
        assert_int_equal(btl_f64_to_bf16((double)b), quiet_b);
        /* between this number and the next: the tie and both its sides */
        double lows[2] = { ref_decode(h, 11, -24), ref_decode(h, 8, -133) };
        double highs[2] = { ref_decode((uint16_t)(h + 1), 11, -24), ref_decode((uint16_t)(h + 1), 8, -133) };
        for (int i = 0; i < 2; i++) {
            double tie = isinf(highs[i]) ? lows[i] * (1 + (i ? 0x1p-9 : 0x1p-12)) : (lows[i] + highs[i]) / 2;
            check_encode(tie);
            check_encode(nextafter(tie, INFINITY));
            check_encode(nextafter(tie, -INFINITY));
            check_encode((double)nextafterf((float)tie, INFINITY));
            check_encode((double)nextafterf((float)tie, -INFINITY));
        }
    }
    for (int k = 0; k < 300000; k++) check_encode(random_moderate());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_one_argument_stay_within_their_ulp),
        cmocka_unit_test(every_f32_argument_stays_within_its_ulp),
        cmocka_unit_test(functions_of_two_arguments_stay_within_their_ulp),
        cmocka_unit_test(mid_range_circular_functions_give_the_bits_of_the_full_range_ones),
        cmocka_unit_test(float_division_and_remainder_have_the_signs_of_python),
        cmocka_unit_test(rounding_and_sign_agree_with_libm),
        cmocka_unit_test(integers_of_8_bits_divide_raise_and_shift_exactly),
        cmocka_unit_test(wider_integers_divide_raise_and_shift_exactly),
        cmocka_unit_test(floats_saturate_when_they_become_integers),
        cmocka_unit_test(every_16_bit_float_converts_exactly_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
