/* mpfr_sweep_test.c - every elementwise op on floats, as compiled (strips, f32 and f64), against MPFR
 * at 220 bits: special values, the neighbourhoods of hard points, random bit patterns.
 *
 * The error is counted in units of the last place of the exact value; it may be elem->max_ulp, or one half
 * where the op promises correct rounding (max_ulp 0). BTL_ULP=1 prints what was measured, and where.
 * An op that is not in the table fails the test: it says what its op means.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sweep.h"

#include <mpfr.h>

enum { BITS = 220, POINTS = 12000 };

typedef int one(mpfr_t y, const mpfr_t x, mpfr_rnd_t r);
typedef int two(mpfr_t z, const mpfr_t x, const mpfr_t y, mpfr_rnd_t r);

/* ---- what MPFR has under another name, or not ------------------------------------------------- */

static int ref_identity(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) { return mpfr_set(y, x, r); }
static int ref_neg(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) { return mpfr_neg(y, x, r); }
static int ref_abs(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) { return mpfr_abs(y, x, r); }
static int ref_sign(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) { return mpfr_nan_p(x) ? mpfr_set(y, x, r) : mpfr_set_si(y, mpfr_sgn(x), r); }
static int ref_inv(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) { return mpfr_ui_div(y, 1, x, r); }
static int ref_ceil(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) { return (void)r, mpfr_ceil(y, x); }
static int ref_floor(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) { return (void)r, mpfr_floor(y, x); }
static int ref_trunc(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) { return (void)r, mpfr_trunc(y, x); }
static int ref_round_half_away(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) { return (void)r, mpfr_round(y, x); }
static int ref_round(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) { return (void)r, mpfr_rint(y, x, MPFR_RNDN); }

static int ref_degrees(mpfr_t y, const mpfr_t x, bool to_radians, mpfr_rnd_t r) {
    mpfr_t pi;
    mpfr_init2(pi, BITS);
    mpfr_const_pi(pi, r);
    mpfr_div_ui(pi, pi, 180, r);
    int inexact = to_radians ? mpfr_mul(y, x, pi, r) : mpfr_div(y, x, pi, r);
    mpfr_clear(pi);
    return inexact;
}
static int ref_deg2rad(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) { return ref_degrees(y, x, true, r); }
static int ref_rad2deg(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) { return ref_degrees(y, x, false, r); }

static int ref_sigmoid(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) {
    mpfr_t t;
    mpfr_init2(t, BITS);
    mpfr_neg(t, x, r);
    mpfr_exp(t, t, r);
    mpfr_add_ui(t, t, 1, r);
    int inexact = mpfr_ui_div(y, 1, t, r);
    mpfr_clear(t);
    return inexact;
}

/* x erfc(-x / sqrt 2) / 2 */
static int ref_gelu(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) {
    mpfr_t t;
    if (mpfr_inf_p(x) && mpfr_sgn(x) < 0) return mpfr_set_zero(y, -1), 0;
    mpfr_init2(t, BITS);
    mpfr_sqrt_ui(t, 2, r);
    mpfr_div(t, x, t, r);
    mpfr_neg(t, t, r);
    mpfr_erfc(t, t, r);
    mpfr_div_2ui(t, t, 1, r);
    int inexact = mpfr_mul(y, x, t, r);
    mpfr_clear(t);
    return inexact;
}

static int ref_softplus(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) {
    mpfr_t t;
    mpfr_init2(t, BITS);
    mpfr_exp(t, x, r);
    int inexact = mpfr_log1p(y, t, r);
    if (mpfr_inf_p(y)) mpfr_set(y, x, r); /* beyond MPFR's exponents, too */
    mpfr_clear(t);
    return inexact;
}

static int ref_softsign(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) {
    mpfr_t t;
    if (mpfr_inf_p(x)) return mpfr_set_si(y, mpfr_sgn(x), r);
    mpfr_init2(t, BITS);
    mpfr_abs(t, x, r);
    mpfr_add_ui(t, t, 1, r);
    int inexact = mpfr_div(y, x, t, r);
    mpfr_clear(t);
    return inexact;
}

static int ref_xlogx(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) {
    if (mpfr_zero_p(x)) return mpfr_set_ui(y, 0, r);
    mpfr_log(y, x, r);
    return mpfr_mul(y, y, x, r);
}

static int ref_gammaln(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) {
    int sign;
    if (mpfr_integer_p(x) && mpfr_sgn(x) <= 0) return mpfr_set_inf(y, 1), 0;
    return mpfr_lgamma(y, &sign, x, r);
}

static int ref_psi(mpfr_t y, const mpfr_t x, mpfr_rnd_t r) {
    if (mpfr_zero_p(x)) return mpfr_set_inf(y, mpfr_signbit(x) ? 1 : -1), 0;
    if (mpfr_number_p(x) && mpfr_get_exp(x) < -200) return mpfr_si_div(y, -1, x, r); /* MPFR takes for ever */
    return mpfr_digamma(y, x, r);
}

static int ref_maximum(mpfr_t z, const mpfr_t x, const mpfr_t y, mpfr_rnd_t r) { return mpfr_max(z, x, y, r); }
static int ref_minimum(mpfr_t z, const mpfr_t x, const mpfr_t y, mpfr_rnd_t r) { return mpfr_min(z, x, y, r); }

static int ref_xlogy0(mpfr_t z, const mpfr_t x, const mpfr_t y, mpfr_rnd_t r) {
    if (mpfr_zero_p(x)) return mpfr_set_ui(z, 0, r);
    mpfr_log(z, y, r);
    return mpfr_mul(z, z, x, r);
}

/* x - y floor(x / y) exactly, and that floor: fmod is exact; 4300 bits hold any sum of two doubles. */
static void ref_divide(mpfr_t quotient, mpfr_t rest, const mpfr_t x, const mpfr_t y) {
    mpfr_fmod(rest, x, y, MPFR_RNDN);
    mpfr_sub(quotient, x, rest, MPFR_RNDN);
    mpfr_div(quotient, quotient, y, MPFR_RNDN);
    if (mpfr_zero_p(rest) || mpfr_signbit(rest) == mpfr_signbit(y)) return;
    mpfr_add(rest, rest, y, MPFR_RNDN);
    mpfr_sub_ui(quotient, quotient, 1, MPFR_RNDN);
}

static int ref_divided(mpfr_t z, const mpfr_t x, const mpfr_t y, bool want_rest, mpfr_rnd_t r) {
    mpfr_t quotient, rest;
    mpfr_inits2(4300, quotient, rest, (mpfr_ptr)0);
    ref_divide(quotient, rest, x, y);
    if (mpfr_zero_p(rest)) mpfr_setsign(rest, rest, mpfr_signbit(y), r);
    if (mpfr_zero_p(quotient)) mpfr_setsign(quotient, quotient, mpfr_signbit(x) != mpfr_signbit(y), r);
    int inexact = mpfr_set(z, want_rest ? rest : quotient, r);
    mpfr_clears(quotient, rest, (mpfr_ptr)0);
    return inexact;
}
static int ref_mod(mpfr_t z, const mpfr_t x, const mpfr_t y, mpfr_rnd_t r) { return ref_divided(z, x, y, true, r); }
static int ref_floordiv(mpfr_t z, const mpfr_t x, const mpfr_t y, mpfr_rnd_t r) { return ref_divided(z, x, y, false, r); }

/* ---- the table --------------------------------------------------------------------------------- */

/* `slow` divides the number of points. */
typedef struct row { const char *name; one *f1; two *f2; int slow; double points[6]; } row;

#define HALF_PI 1.5707963267948966
static const row rows[] = {
    { "neg", ref_neg, NULL, 1, { 0 } }, { "abs", ref_abs, NULL, 1, { 0 } }, { "sign", ref_sign, NULL, 1, { 0 } },
    { "sqr", mpfr_sqr, NULL, 1, { 0x1p64, 0x1p-74, 0x1p512 } }, { "sqrt", mpfr_sqrt, NULL, 1, { 1, 0x1p-126, 0x1p-1022 } },
    { "inv", ref_inv, NULL, 1, { 1, 0x1p-126, 0x1p126, 0x1p1022 } }, { "identity", ref_identity, NULL, 1, { 0 } },
    { "ceil", ref_ceil, NULL, 1, { 1, 0x1p23, 0x1p52, 0.5 } }, { "floor", ref_floor, NULL, 1, { 1, 0x1p23, 0x1p52, 0.5 } },
    { "trunc", ref_trunc, NULL, 1, { 1, 0x1p23, 0x1p52, 0.5 } }, { "round", ref_round, NULL, 1, { 0.5, 1.5, 2.5, 0x1p22, 0x1p51 } },
    { "round_half_away", ref_round_half_away, NULL, 1, { 0.5, 1.5, 2.5, 0x1p22, 0x1p51 } },
    { "exp", mpfr_exp, NULL, 1, { 0.34657359, 88.72284, 103.97208, 709.782712893384, 745.1332191019412 } },
    { "exp2", mpfr_exp2, NULL, 1, { 0.5, 128, 150, 1024, 1075 } }, { "expm1", mpfr_expm1, NULL, 1, { 0.34657359, 17.5, 37, 709.782712893384 } },
    { "log", mpfr_log, NULL, 1, { 1, 0.70710678118654752, 0x1p-126, 0x1p-1022 } }, { "log2", mpfr_log2, NULL, 1, { 1, 2, 0x1p-126 } },
    { "log10", mpfr_log10, NULL, 1, { 1, 10, 1000 } }, { "log1p", mpfr_log1p, NULL, 1, { 1, 0.41421356237309505, 0x1p60 } },
    { "sin", mpfr_sin, NULL, 2, { HALF_PI, 2 * HALF_PI, 4 * HALF_PI, 262144, 0x1p60, 6381956970095103.0 * 0x1p797 } },
    { "cos", mpfr_cos, NULL, 2, { HALF_PI, 2 * HALF_PI, 3 * HALF_PI, 262144, 0x1p60, 6381956970095103.0 * 0x1p797 } },
    { "tan", mpfr_tan, NULL, 2, { HALF_PI, 2 * HALF_PI, 3 * HALF_PI, 262144, 0x1p60, 6381956970095103.0 * 0x1p797 } },
    { "arcsin", mpfr_asin, NULL, 2, { 0.5, 1 } }, { "arccos", mpfr_acos, NULL, 2, { 0.5, 1 } }, { "arctan", mpfr_atan, NULL, 2, { 1, 0x1p60 } },
    { "deg2rad", ref_deg2rad, NULL, 1, { 180 } }, { "rad2deg", ref_rad2deg, NULL, 1, { 1, 0x1p122 } },
    { "sinh", mpfr_sinh, NULL, 1, { 1, 89.41599, 710.4758600739439 } }, { "cosh", mpfr_cosh, NULL, 1, { 1, 89.41599, 710.4758600739439 } },
    { "tanh", mpfr_tanh, NULL, 1, { 0.59, 9.01, 19.06 } }, { "arcsinh", mpfr_asinh, NULL, 1, { 1, 0x1p30, 0x1p60 } },
    { "arccosh", mpfr_acosh, NULL, 1, { 1, 2, 0x1p60 } }, { "arctanh", mpfr_atanh, NULL, 1, { 0.5, 1 } },
    { "erf", mpfr_erf, NULL, 4, { 0.925, 3.95, 5.95 } }, { "erfc", mpfr_erfc, NULL, 8, { 0.47, 10.06, 27.226 } },
    { "gammaln", ref_gammaln, NULL, 8, { 1, 2, 0.5, 2.5, 7 } }, { "psi", ref_psi, NULL, 16, { 1, 1.4616321449683623, 6, 0.5 } },
    { "sigmoid", ref_sigmoid, NULL, 1, { 17, 37, 103.97208, 745.1332191019412 } },
    { "softplus", ref_softplus, NULL, 1, { 17, 37, 103.97208, 745.1332191019412 } }, { "softsign", ref_softsign, NULL, 1, { 1 } },
    { "gelu", ref_gelu, NULL, 8, { 0.75, 14.3, 15, 37.5, 38.5, 39 } },
    { "xlogx", ref_xlogx, NULL, 1, { 1, 0.36787944117144233 } },
    { "add", NULL, mpfr_add, 1, { 1, 0x1p-1022 } }, { "sub", NULL, mpfr_sub, 1, { 1, 0x1p-1022 } }, { "mul", NULL, mpfr_mul, 1, { 1, 0x1p-511 } },
    { "div", NULL, mpfr_div, 1, { 1, 3 } }, { "floordiv", NULL, ref_floordiv, 8, { 1, 3 } }, { "mod", NULL, ref_mod, 8, { 1, 3 } },
    { "pow", NULL, mpfr_pow, 2, { 1, 2, 0.5 } }, { "maximum", NULL, ref_maximum, 1, { 1 } }, { "minimum", NULL, ref_minimum, 1, { 1 } },
    { "arctan2", NULL, mpfr_atan2, 2, { 1 } }, { "xlogy0", NULL, ref_xlogy0, 1, { 1 } },
};

/* They choose one of their operands: op_sweep_test compares them exactly. */
static const char *const choosing[] = { "clip", "where" };

static const row *row_of(const btl_op *op) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, op->name) == 0) return &rows[i];
    return NULL;
}

static bool is_real_function(const btl_op *op) {
    if (!sweep_is_tested(op) || !op->elem || !op->elem->code_float || op->elem->to_bool) return false;
    for (size_t i = 0; i < sizeof choosing / sizeof *choosing; i++)
        if (strcmp(choosing[i], op->name) == 0) return false;
    return true;
}

/* ---- points ------------------------------------------------------------------------------------ */

static double any_bits(btl_dtype dtype, btl_rng *r) {
    if (dtype == BTL_F32) return (double)btl_f32_from_bits((uint32_t)btl_rng_u64(r));
    double x;
    uint64_t bits = btl_rng_u64(r);
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Around a point of the row, a special value, of a size near 1, or any bits. */
static double a_point(const row *w, btl_dtype dtype, btl_rng *r) {
    const sweep_float f = sweep_float_of(dtype);
    double p = w->points[btl_rng_below(r, 6)];
    switch (btl_rng_below(r, 5)) {
    case 0: return copysign(p + ((double)btl_rng_below(r, 41) - 20) * sweep_ulp(dtype, p) , btl_rng_uniform(r, -1, 3));
    case 1: return sweep_hard_float(dtype, r);
    case 2: return btl_rng_uniform(r, -30, 30);
    case 3: return ldexp(btl_rng_uniform(r, -2, 2), (int)btl_rng_below(r, 24) - 12);
    default: return btl_rng_below(r, 8) ? any_bits(dtype, r) : f.least * (double)btl_rng_below(r, 1000);
    }
}

/* ---- measuring --------------------------------------------------------------------------------- */

typedef struct format { int bits, emin, emax; } format; /* of a binary format: p, least exponent of a bit, largest + 1 */

/* |got - want| in units of the last place of want, or of `floor` where want is smaller. */
static double error_in_ulp(double got, const mpfr_t want, double floor, format f) {
    if (mpfr_nan_p(want)) return isnan(got) ? 0 : (double)INFINITY;
    if (isnan(got)) return (double)INFINITY;
    if (mpfr_zero_p(want)) return got == 0 ? 0 : (double)INFINITY;
    if (got == 0 && !signbit(got) != !mpfr_signbit(want)) return (double)INFINITY;
    if (mpfr_inf_p(want)) return got == mpfr_get_d(want, MPFR_RNDN) ? 0 : (double)INFINITY;
    int e = (int)mpfr_get_exp(want);
    if (e > f.emax) return isinf(got) && (got > 0) == (mpfr_sgn(want) > 0) ? 0 : (double)INFINITY;
    if (floor > 0 && e < ilogb(floor) + 1) e = ilogb(floor) + 1;
    e = e - f.bits > f.emin ? e - f.bits : f.emin;
    mpfr_t d;
    mpfr_init2(d, BITS);
    mpfr_set_d(d, got, MPFR_RNDN);
    if (isinf(got)) mpfr_set_si_2exp(d, got > 0 ? 1 : -1, f.emax, MPFR_RNDN);
    mpfr_sub(d, d, want, MPFR_RNDN);
    mpfr_mul_2si(d, d, -e, MPFR_RNDN);
    double ulp = fabs(mpfr_get_d(d, MPFR_RNDN));
    mpfr_clear(d);
    return ulp;
}

typedef struct measured { double ulp, x, y, got; } measured;

static void measure_points(const row *w, btl_dtype dtype, int64_t n, const btl_array *in, const btl_array *out, measured *worst) {
    const format f = dtype == BTL_F32 ? (format){ 24, -149, 128 } : (format){ 53, -1074, 1024 };
    mpfr_t x, y, z;
    mpfr_inits2(BITS, x, y, z, (mpfr_ptr)0);
    for (int64_t i = 0; i < n; i++) {
        double a = sweep_element(&in[0], i), b = w->f2 ? sweep_element(&in[1], i) : 0, got = sweep_element(out, i);
        bool divides = w->f2 == ref_mod || w->f2 == ref_floordiv;
        if (w->f2 && !(isfinite(a) && isfinite(b) && !(divides && b == 0))) continue; /* op_sweep_test has those */
        mpfr_set_d(x, a, MPFR_RNDN);
        mpfr_set_d(y, b, MPFR_RNDN);
        if (w->f1) w->f1(z, x, MPFR_RNDN);
        else w->f2(z, x, y, MPFR_RNDN);
        double ulp = error_in_ulp(got, z, sweep_floor(w->name, a), f);
        if (!(ulp <= worst->ulp)) *worst = (measured){ ulp, a, b, got };
    }
    mpfr_clears(x, y, z, (mpfr_ptr)0);
}

static measured measure(const btl_op *op, const row *w, btl_dtype dtype) {
    measured worst = { 0, 0, 0, 0 };
    int64_t n = POINTS / w->slow;
    int nin = w->f2 ? 2 : 1;
    btl_rng r = { btl_test_seed() };
    char type[40], text[80];
    btl_graph *g;
    btl_array in[2], out = { 0 };
    btl_var *vars[2];
    const char *const names[2] = { "x", "y" };
    btl_error err = { 0 };
    btl_function *fn = NULL;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    snprintf(type, sizeof type, "%s[n]", btl_dtype_name(dtype));
    btl_entry *e = btl_entry_new(g, "main");
    for (int i = 0; i < nin; i++) {
        vars[i] = btl_input(g, names[i], type);
        BTL_ASSERT_OK(btl_entry_add_input(g, e, vars[i], NULL));
        BTL_ASSERT_OK(btl_array_new(NULL, dtype, 1, &n, &in[i]));
        for (int64_t k = 0; k < n; k++) sweep_set(&in[i], k, a_point(w, dtype, &r), 0);
    }
    snprintf(text, sizeof text, "%s(x%s)", op->name, nin == 2 ? ", y" : "");
    btl_var *y = btl_expr_n(g, text, nin, names, vars);
    if (!y) BTL_FAIL("%s: %s", op->name, btl_graph_messages(g));
    BTL_ASSERT_OK(btl_entry_add_output(g, e, "out", y));
    if (btl_function_new(g, e, NULL, &fn, &err) || btl_call(fn, NULL, in, &out, NULL, &err)) BTL_FAIL("%s: %s", op->name, err.message);
    measure_points(w, dtype, n, in, &out, &worst);
    for (int i = 0; i < nin; i++) btl_array_free(&in[i]);
    btl_array_free(&out);
    btl_function_free(fn);
    btl_graph_free(g);
    return worst;
}

/* ---- tests ------------------------------------------------------------------------------------- */

BTL_TEST(every_elementwise_float_op_has_its_function_in_the_table) {
    for (const btl_op *const *op = btl_ops; *op; op++)
        if (is_real_function(*op) && !row_of(*op)) BTL_FAIL("%s is not in the table", (*op)->name);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!btl_op_find(rows[i].name, strlen(rows[i].name))) BTL_FAIL("%s is no op", rows[i].name);
}

BTL_TEST(every_elementwise_float_op_is_as_accurate_as_it_promises) {
    sweep_report report = { 0 };
    bool print = getenv("BTL_ULP") != NULL;
    for (const btl_op *const *op = btl_ops; *op; op++) {
        const row *w = is_real_function(*op) ? row_of(*op) : NULL;
        for (int dtype = BTL_F32; w && dtype <= BTL_F64; dtype++) {
            measured m = measure(*op, w, (btl_dtype)dtype);
            double allowed = (*op)->elem->max_ulp > 0 ? (*op)->elem->max_ulp : 0.5;
            report.cases++;
            if (print)
                print_message("%-16s %s %6.3f ulp of %g at %.17g, %.17g\n", w->name, btl_dtype_name((btl_dtype)dtype), m.ulp, allowed, m.x, m.y);
            if (!(m.ulp <= allowed))
                sweep_fails(&report, w->name, "%s of %s: %.3f ulp at %.17g (%a), %.17g (%a): it gives %.17g; %g are allowed", w->name,
                            btl_dtype_name((btl_dtype)dtype), m.ulp, m.x, m.x, m.y, m.y, m.got, allowed);
        }
    }
    SWEEP_END(report);
}

BTL_TEST(an_error_of_an_ulp_is_measured_as_one) {
    mpfr_t want;
    mpfr_init2(want, BITS);
    mpfr_set_d(want, 1.5, MPFR_RNDN);
    format f = { 24, -149, 128 };
    BTL_ASSERT_NEAR(error_in_ulp(1.5 + 0x1p-23, want, 0, f), 1, 1e-12);
    BTL_ASSERT_NEAR(error_in_ulp(1.5 - 0x1p-22, want, 0, f), 2, 1e-12);
    assert_true(isinf(error_in_ulp((double)NAN, want, 0, f)));
    mpfr_set_d(want, 0x1p-149, MPFR_RNDN);
    BTL_ASSERT_NEAR(error_in_ulp(0, want, 0, f), 1, 1e-12);
    mpfr_clear(want);
}

BTL_TEST_MAIN(cmocka_unit_test(every_elementwise_float_op_has_its_function_in_the_table),
              cmocka_unit_test(every_elementwise_float_op_is_as_accurate_as_it_promises),
              cmocka_unit_test(an_error_of_an_ulp_is_measured_as_one))
