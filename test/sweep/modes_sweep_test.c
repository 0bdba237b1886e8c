/* modes_sweep_test.c - the modes agree within what the rules that fired promise, and debug finds nothing: every op on its samples,
 * structural ops in awkward layouts, random programs. Cases as in batch.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "batch.h"

static btl_status run_debug(const batch *b, const char *mode, btl_error *err) {
    btl_array *got = calloc((size_t)b->noutputs + 1, sizeof *got);
    btl_function *f = NULL;
    btl_status status = batch_try(b->text, mode, b->in, got, err, &f);
    btl_function_free(f);
    batch_free_outputs(b, got);
    return status;
}

/* Strips and the reference of all; generated code too of every third. */
static void compare_debug(batch *b, const char *rewrites, const btl_array *want) {
    char mode[100];
    btl_error err = { 0 };
    static unsigned number;
    (void)want;
    snprintf(mode, sizeof mode, "%s,checks=debug,linker=%s", rewrites, is_taken(number++, 3) ? "vm" : "strips");
    b->report->cases += b->noutputs;
    btl_status status = run_debug(b, mode, &err);
    if (status != BTL_OK) sweep_fails(b->report, mode, "%s: status %d: %s", mode, (int)status, err.message);
}

/* A failure is none of debug's: the same status and words. */
static void compare_failure(batch *b, const char *op, const char *label, const char *text, const btl_array *in, const btl_error *err) {
    btl_error other = { 0 };
    btl_array none = { 0 };
    b->report->cases++;
    btl_status status = batch_try(text, "fast_compile,checks=debug,linker=strips", in, &none, &other, NULL);
    if (status != err->status || strcmp(err->message, other.message) != 0)
        sweep_fails(b->report, op, "%s: strips say %d %s, in debug %d %s", label, err->status, err->message, status, other.message);
    btl_array_free(&none);
}

#define DEBUG_BATCH { .compare = compare_debug, .fails = compare_failure }

BTL_TEST(debug_finds_nothing_in_every_op_on_its_samples) {
    sweep_report report = { 0 };
    batch b = DEBUG_BATCH;
    batch_begin(&b, &report);
    batch_samples(&b, 1, 6, 6);
    batch_end(&b, "fast_compile");
    SWEEP_END(report);
}

BTL_TEST(debug_finds_nothing_in_every_op_in_every_dtype) {
    sweep_report report = { 0 };
    batch b = DEBUG_BATCH;
    unsigned number = 0;
    batch_begin(&b, &report);
    for (const btl_op *const *op = btl_ops; *op; op++) {
        btl_samples samples = sweep_is_tested(*op) ? sweep_samples_of(*op) : NULL;
        for (int dtype = 0; samples && samples[0] && dtype < BTL_NDTYPES; dtype++) {
            sweep_sample s = sweep_parse(*op, samples[0]);
            bool any = false;
            for (int i = 0; i < s.n; i++)
                if (!s.operands[i].fixed) s.operands[i].dtype = (btl_dtype)dtype, any = true;
            if (any && is_taken(number++, 3)) case_add(&b, &s, PLAIN, dtype % 2 ? VALUES_TAME : VALUES_HARD);
        }
    }
    batch_end(&b, "fast_compile");
    SWEEP_END(report);
}

BTL_TEST(debug_finds_nothing_in_structural_ops) {
    sweep_report report = { 0 };
    batch b = DEBUG_BATCH;
    batch_begin(&b, &report);
    batch_structural(&b, 4);
    batch_end(&b, "fast_compile");
    SWEEP_END(report);
}

BTL_TEST(debug_finds_nothing_in_random_programs) {
    static const char *const dtypes[] = { "f32", "f64", "f16", "bf16" };
    static const char *const rewrites[] = { "fast_run", "fast_compile", "c_code" };
    sweep_report report = { 0 };
    batch b = DEBUG_BATCH;
    batch_begin(&b, &report);
    for (unsigned k = 0; k < 9; k++) {
        if (!is_taken(k, 3)) continue;
        for (unsigned i = 0; i < 16; i++) program_add(&b, btl_test_seed() + 7000003 * (16 * k + i), dtypes[i % 4]);
        batch_run(&b, rewrites[k % 3]);
    }
    batch_end(&b, "fast_run");
    SWEEP_END(report);
}

/* ---- c_code and fast_run ------------------------------------------------------------------------------ */

/* ---- what rounding may do to a sum that is made otherwise ----
 * Rules that re-associate promise the same sum with other roundings. How much that may be is not a number of ulp of the result: it is
 * asked of c_code itself, on inputs that are moved by four ulp (all up, all down, this way and that; by one, a sum may round to what it was), 16
 * times as much as the most. */
enum { MOVES = 4, BY = 4, MOVED = 16 };

static btl_array as_f64(const btl_array *a) {
    btl_array b = { 0 };
    BTL_ASSERT_OK(btl_array_new(NULL, BTL_F64, a->ndim, a->shape, &b));
    BTL_ASSERT_OK(btl_array_convert(&b, a));
    return b;
}

static double unit_of(const btl_array *a, btl_dtype *dtype) {
    btl_array_dtype(a, dtype);
    return *dtype == BTL_F64 ? 0x1p-52 : *dtype == BTL_F32 ? 0x1p-23 : *dtype == BTL_F16 ? 0x1p-10 : *dtype == BTL_BF16 ? 0x1p-7 : 0;
}

static btl_array moved(const btl_array *a, int how, btl_rng *r) {
    btl_array wide = as_f64(a), b = { 0 };
    btl_dtype dtype;
    double u = unit_of(a, &dtype), *x = btl_array_data(&wide);
    for (int64_t i = 0; i < btl_array_elems(&wide); i++) x[i] *= 1 + BY * (how == 0 || (how > 1 && btl_rng_below(r, 2)) ? u : -u);
    BTL_ASSERT_OK(btl_array_new(NULL, dtype, a->ndim, a->shape, &b));
    BTL_ASSERT_OK(btl_array_convert(&b, u != 0 ? &wide : a));
    btl_array_free(&wide);
    return b;
}

static bool rounding_explains(const char *text, const btl_array *in, const btl_array *got, const btl_array *want, double ulps) {
    btl_rng r = { btl_test_seed() };
    btl_dtype dtype;
    const double u = unit_of(want, &dtype);
    btl_array a = as_f64(got), b = as_f64(want);
    const double *x = btl_array_data(&a), *y = btl_array_data(&b);
    int64_t n = btl_array_elems(&a);
    double *most = calloc((size_t)n + 1, sizeof *most);
    int nin = 0;
    for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) nin += strncmp(line, "input ", 6) == 0;
    for (int t = 0; t < MOVES; t++) {
        btl_array *other = calloc((size_t)nin + 1, sizeof *other), out = { 0 };
        btl_error err = { 0 };
        for (int i = 0; i < nin; i++) other[i] = moved(&in[i], t, &r);
        if (batch_try(text, "c_code,linker=strips", other, &out, &err, NULL) == BTL_OK) {
            btl_array z = as_f64(&out);
            for (int64_t i = 0; i < n; i++) most[i] = fmax(most[i], fabs(((double *)btl_array_data(&z))[i] - y[i]));
            btl_array_free(&z), btl_array_free(&out);
        }
        for (int i = 0; i < nin; i++) btl_array_free(&other[i]);
        free(other);
    }
    bool good = true;
    for (int64_t i = 0; i < n; i++) good &= fabs(x[i] - y[i]) <= MOVED * most[i] + ulps * u * fabs(y[i]) || (isnan(x[i]) && isnan(y[i])) || x[i] == y[i];
    free(most);
    btl_array_free(&a), btl_array_free(&b);
    return good;
}

/* One case in both modes: every bit where only rules that keep it fired. */
static bool compare_modes(batch *b, const char *op, const char *label, const char *text, const btl_array *in, const char *rewrites) {
    btl_array out[2] = { { 0 }, { 0 } };
    btl_function *f = NULL;
    btl_error err = { 0 };
    btl_promise promise = { 0 };
    char why[400];
    (void)rewrites;
    b->report->cases++;
    btl_status c_code = batch_try(text, "c_code,linker=strips", in, &out[0], &err, NULL);
    btl_status fast_run = batch_try(text, "fast_run,linker=strips", in, &out[1], &err, &f);
    if (f) btl_function_promise(f, &promise);
    btl_function_free(f);
    btl_agreement t = { .ulps = promise.loosest ? promise.ulps + 4 * promise.reassociating + 1 : 0, .loose_class = promise.loosest != NULL };
    if (c_code != BTL_OK || fast_run != BTL_OK) sweep_fails(b->report, op, "%s: status %d in c_code, %d in fast_run: %s", label, c_code, fast_run, err.message);
    else if (!btl_arrays_agree(&out[1], &out[0], &t, why, sizeof why) && !(promise.reassociating && rounding_explains(text, in, &out[1], &out[0], t.ulps)))
        sweep_fails(b->report, op, "%s: fast_run is not c_code within %g ulp (%s): %s", label, t.ulps, promise.loosest ? promise.loosest : "every bit", why);
    btl_array_free(&out[0]);
    btl_array_free(&out[1]);
    return false; /* nothing is gathered */
}

static void compare_nothing(batch *b, const char *rewrites, const btl_array *want) { (void)b, (void)rewrites, (void)want; }
static void no_failure(batch *b, const char *op, const char *label, const char *text, const btl_array *in, const btl_error *err) { (void)b, (void)op, (void)label, (void)text, (void)in, (void)err; }

BTL_TEST(c_code_and_fast_run_agree_on_every_op) {
    sweep_report report = { 0 };
    batch b = { .compare = compare_nothing, .fails = no_failure, .takes = compare_modes };
    batch_begin(&b, &report);
    for (const btl_op *const *op = btl_ops; *op; op++) {
        btl_samples samples = sweep_is_tested(*op) ? sweep_samples_of(*op) : NULL;
        for (int i = 0; samples && samples[i]; i++) {
            sweep_sample s = sweep_parse(*op, samples[i]);
            for (int how = PLAIN; how < NVARIANTS; how++) case_add(&b, &s, (variant)how, how ? VALUES_TAME : VALUES_HARD);
        }
    }
    for (size_t k = 0; k < sizeof structural / sizeof *structural; k++) {
        sweep_sample s = sweep_parse(btl_op_find("matmul", 6), structural[k]);
        case_add(&b, &s, SYMBOLIC, VALUES_TAME);
    }
    batch_end(&b, "fast_compile");
    SWEEP_END(report);
}

BTL_TEST_MAIN(cmocka_unit_test(debug_finds_nothing_in_every_op_on_its_samples), cmocka_unit_test(debug_finds_nothing_in_every_op_in_every_dtype),
              cmocka_unit_test(debug_finds_nothing_in_structural_ops), cmocka_unit_test(debug_finds_nothing_in_random_programs), cmocka_unit_test(c_code_and_fast_run_agree_on_every_op))
