/* code_bits_test.c - generated code gives the bits of the strips: every op on its samples in every dtype,
 * operands plain, transposed, strided, reversed, broadcast, of symbolic sizes; and random programs.
 *
 * Cases are gathered into batches (batch.h), which the linkers c and vm run. Where a result differs, the case is
 * named. Cases that fail when they run are tried one by one: the message must be the same.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "batch.h"

static void compare_linkers(batch *b, const char *rewrites, const btl_array *want) {
    static const char *const linkers[] = { "c", "vm" };
    int nlinkers = b->report->cases % 3 ? 1 : 2; /* kernels are the same in both */
    for (int l = 0; l < nlinkers; l++) {
        btl_array *got = calloc((size_t)b->noutputs + 1, sizeof *got);
        btl_error err = { 0 };
        btl_function *f = NULL;
        char mode[80];
        snprintf(mode, sizeof mode, "%s,linker=%s", rewrites, linkers[l]);
        if (batch_try(b->text, mode, b->in, got, &err, &f) != BTL_OK) sweep_fails(b->report, mode, "%s: %s", mode, err.message);
        else batch_differs(b, mode, got, want);
        if (f && *btl_function_note(f)) sweep_fails(b->report, mode, "%s: not on generated code: %s", mode, btl_function_note(f));
        btl_function_free(f);
        batch_free_outputs(b, got);
    }
}

/* The same words. */
static void compare_failures(batch *b, const char *op, const char *label, const char *text, const btl_array *in, const btl_error *err) {
    btl_error other = { 0 };
    btl_array none = { 0 };
    static unsigned tried; /* a compiler's start each */
    if (!is_taken(tried++, 8)) return;
    b->report->cases++;
    btl_status code = batch_try(text, "fast_compile,linker=c", in, &none, &other, NULL);
    if (code != err->status || strcmp(err->message, other.message) != 0)
        sweep_fails(b->report, op, "%s: strips say %d %s, generated code %d %s", label, err->status, err->message, code, other.message);
    btl_array_free(&none);
}

#define LINKERS_BATCH { .compare = compare_linkers, .fails = compare_failures }

BTL_TEST(every_op_gives_the_bits_of_the_strips_on_its_samples) {
    sweep_report report = { 0 };
    batch b = LINKERS_BATCH;
    batch_begin(&b, &report);
    batch_samples(&b, 1, 2, 6);
    batch_end(&b, "fast_compile");
    SWEEP_END(report);
}

BTL_TEST(every_op_gives_the_bits_of_the_strips_in_every_dtype) {
    sweep_report report = { 0 };
    batch b = LINKERS_BATCH;
    unsigned number = 0;
    batch_begin(&b, &report);
    for (const btl_op *const *op = btl_ops; *op; op++) {
        btl_samples samples = sweep_is_tested(*op) ? sweep_samples_of(*op) : NULL;
        for (int dtype = 0; samples && samples[0] && dtype < BTL_NDTYPES; dtype++) {
            sweep_sample s = sweep_parse(*op, samples[0]);
            bool any = false;
            for (int i = 0; i < s.n; i++)
                if (!s.operands[i].fixed) s.operands[i].dtype = (btl_dtype)dtype, any = true;
            if (any && is_taken(number++, dtype == BTL_F32 || dtype == BTL_F64 ? 1 : 2)) case_add(&b, &s, PLAIN, VALUES_HARD);
        }
    }
    batch_end(&b, "fast_compile");
    SWEEP_END(report);
}

/* Lengths around strips, lanes, tiles and blocks; reductions along every axis. */
BTL_TEST(reductions_give_the_bits_of_the_strips_at_awkward_sizes) {
    static const char *const shapes[] = { "[1]", "[31]", "[32]", "[33]", "[64]", "[65]", "[511]", "[513]", "[4096]", "[4097]", "[70000]", "[3, 10]", "[600, 10]",
                                          "[10, 3]", "[7, 32]", "[7, 33]", "[100, 64]", "[9, 65]", "[5, 700]", "[5, 5000]", "[700, 5]", "[5000, 5]", "[4097, 3]",
                                          "[200, 200]", "[33, 129]", "[2, 3, 4, 5]", "[20, 30, 40]", "[3, 1, 5]", "[0, 4]", "[4, 0]", "[9000, 2, 3]" };
    static const char *const axes[] = { "", ", axis=0", ", axis=-1", ", axis=[0, -1]", ", axis=0, keepdims=true", ", axis=1", ", axis=[0, 2]", ", axis=[1, 2]" };
    static const char *const forms[] = { "sum(x%s)", "sum(sqr(x) + 1%s)", "max(sin(x)%s)", "sum((x - x[..., :1])%s)", "prod(1 + x / 100%s)", "sum(x.T%s)", "sum(i32(x)%s)", "sum(f16(x)%s)" };
    sweep_report report = { 0 };
    batch b = LINKERS_BATCH;
    unsigned number = 0;
    batch_begin(&b, &report);
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        for (size_t a = 0; a < sizeof axes / sizeof *axes; a++)
            for (size_t f = 0; f < sizeof forms / sizeof *forms; f++)
                for (int symbolic = 0; symbolic < 2; symbolic++) {
                    char text[200], form[100];
                    if (!is_taken(number++, 6)) continue;
                    const char *gap = strstr(forms[f], "%s");
                    snprintf(form, sizeof form, "%.*s%s%s", (int)(gap - forms[f]), forms[f], axes[a], gap + 2);
                    snprintf(text, sizeof text, "x: %s%s | = %s", (k + a + f) % 3 ? "f32" : "f64", shapes[k], form);
                    sweep_sample s = sweep_parse(btl_op_find("sum", 3), text);
                    case_add(&b, &s, symbolic ? SYMBOLIC : PLAIN, VALUES_TAME);
                }
    batch_end(&b, "fast_compile");
    SWEEP_END(report);
}

BTL_TEST(structural_ops_give_the_bits_of_the_strips_in_awkward_layouts) {
    sweep_report report = { 0 };
    batch b = LINKERS_BATCH;
    batch_begin(&b, &report);
    batch_structural(&b, 1);
    batch_end(&b, "fast_compile");
    SWEEP_END(report);
}

BTL_TEST(random_programs_give_the_bits_of_the_strips) {
    static const char *const dtypes[] = { "f32", "f64", "f16", "bf16" };
    static const char *const rewrites[] = { "fast_run", "fast_compile", "c_code", "fast_run,with=pieces" };
    sweep_report report = { 0 };
    batch b = LINKERS_BATCH;
    batch_begin(&b, &report);
    for (unsigned k = 0; k < 8; k++) {
        if (!is_taken(k, k < 4 ? 1 : 2)) continue;
        for (unsigned i = 0; i < 16; i++) program_add(&b, btl_test_seed() + 7000003 * (16 * k + i), dtypes[i % 4]);
        batch_run(&b, rewrites[k % 4]);
    }
    batch_end(&b, "fast_run");
    SWEEP_END(report);
}

BTL_TEST_MAIN(cmocka_unit_test(every_op_gives_the_bits_of_the_strips_on_its_samples), cmocka_unit_test(every_op_gives_the_bits_of_the_strips_in_every_dtype),
              cmocka_unit_test(reductions_give_the_bits_of_the_strips_at_awkward_sizes),
              cmocka_unit_test(structural_ops_give_the_bits_of_the_strips_in_awkward_layouts), cmocka_unit_test(random_programs_give_the_bits_of_the_strips))
