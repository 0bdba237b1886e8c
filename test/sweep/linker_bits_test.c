/* linker_bits_test.c - the same bits whatever the way: fused or op by op, whatever the instruction
 * set, compiled or by the reference where results are exact.
 *
 * Programs are drawn at random: elementwise ops, reductions, views, indexing, products, on shapes that
 * broadcast. Three kinds:
 *   exact   on small integers in any dtype, of ops that stay exact: the reference, in any order of
 *           summation, gives the very bits that every linker must give;
 *   fused   of all functions of reals: one function for the whole program against one function a line,
 *           in fast_compile (fast_run rewrites may choose another, equally good formula);
 *   isa     the same values by the kernels of each instruction set, in child processes.
 * A failure prints the program.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "programs.h"

#include "base/hash.h"
#include "vm/strips.h"

/* ---- running ------------------------------------------------------------------------------------ */

static btl_graph *parse(const char *text) {
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (btl_graph_parse(g, text, strlen(text), "random") != BTL_OK) BTL_FAIL("%s\n%s", btl_graph_messages(g), text);
    return g;
}

static void run(btl_graph *g, const char *mode, const btl_array *in, btl_array out[2], const char *text) {
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    btl_error err = { 0 };
    btl_function *f = NULL;
    out[0] = out[1] = (btl_array){ 0 };
    if (btl_function_new(g, btl_entry_find(g, NULL), &o, &f, &err) || btl_call(f, NULL, in, out, NULL, &err))
        BTL_FAIL("%s, %s\n%s", err.message, mode, text);
    btl_function_free(f);
}

/* ---- exact programs ------------------------------------------------------------------------------- */

/* The second output becomes the gradient of the first's sum by x0. */
static void text_with_gradient(const program *p, char *text, size_t bytes) {
    char *end = strstr(text, "output y = ");
    if (end)
        snprintf(end, bytes - (size_t)(end - text), "output y = %s, z = grad(sum(%s), x0, disconnected=\"zero\")\n", p->v[p->n - 1].name,
                 p->v[p->n - 1].name);
}

static void check_exact(uint64_t seed, const char *dtype, bool gradient, sweep_report *report) {
    static const char *const modes[] = { "fast_run,linker=strips", "fast_compile", "fast_run,linker=strips,with=pieces" };
    program p = program_new(seed, true, dtype, 4 + (int)(seed % 14));
    bool is_input[NINPUTS + MOST_LINES] = { true, true, true };
    char text[8000], why[300];
    program_text(&p, NINPUTS, p.n, is_input, text, sizeof text);
    if (gradient) text_with_gradient(&p, text, sizeof text);
    btl_graph *g = parse(text);
    btl_entry *e = btl_entry_find(g, NULL);
    btl_array in[NINPUTS], want[2] = { { 0 } };
    btl_var *inputs[NINPUTS], *outputs[2] = { e->outputs[0].var, e->outputs[1].var };
    btl_error err = { 0 };
    for (int i = 0; i < NINPUTS; i++) in[i] = input_array(&p, &p.v[i], VALUES_TAME), inputs[i] = e->inputs[i].var;
    if (btl_graph_eval(g, NINPUTS, inputs, in, NULL, 2, outputs, want, &err) != BTL_OK) BTL_FAIL("%s\n%s", err.message, text);
    sweep_tolerance exact = { .any_zero = true }; /* -0 + 0 and the like depend on the order */
    for (int m = 0; m < 3; m++) {
        btl_array got[2];
        report->cases++;
        run(g, modes[m], in, got, text);
        for (int i = 0; i < 2; i++)
            if (!sweep_agree(&got[i], &want[i], &exact, why, sizeof why))
                sweep_fails(report, "", "%s, output %d, seed %llu: %s\n%s", modes[m], i, (unsigned long long)seed, why, text);
        btl_array_free(&got[0]), btl_array_free(&got[1]);
    }
    btl_array_free(&want[0]), btl_array_free(&want[1]);
    for (int i = 0; i < NINPUTS; i++) btl_array_free(&in[i]);
    btl_graph_free(g);
}

BTL_TEST(random_programs_on_small_integers_give_the_bits_of_the_reference) {
    static const char *const dtypes[] = { "f32", "f64", "i64", "i32", "i8" };
    sweep_report report = { 0 };
    for (unsigned i = 0; i < 1500; i++) check_exact(btl_test_seed() + 1000003 * i, dtypes[i % 5], false, &report);
    SWEEP_END(report);
}

BTL_TEST(gradients_of_random_programs_on_small_integers_give_the_bits_of_the_reference) {
    sweep_report report = { 0 };
    for (unsigned i = 0; i < 500; i++) check_exact(btl_test_seed() + 3000017 * i, "f64", true, &report);
    SWEEP_END(report);
}

/* ---- fused and op by op --------------------------------------------------------------------------- */

static void check_fused(uint64_t seed, const char *dtype, sweep_report *report) {
    program p = program_new(seed, false, dtype, 3 + (int)(seed % 12));
    bool is_input[NINPUTS + MOST_LINES] = { true, true, true };
    char text[8000], line[600], why[300];
    btl_array values[NINPUTS + MOST_LINES], got[2], one[2];
    for (int i = 0; i < NINPUTS; i++) values[i] = input_array(&p, &p.v[i], VALUES_HARD);
    program_text(&p, NINPUTS, p.n, is_input, text, sizeof text);
    btl_graph *g = parse(text);
    run(g, "fast_compile", values, got, text);
    btl_graph_free(g);
    for (int i = NINPUTS; i < p.n; i++) { /* each line a program: all before it are inputs */
        is_input[i - 1] = true;
        program_text(&p, i, i + 1, is_input, line, sizeof line);
        g = parse(line);
        run(g, "fast_compile", values, one, line);
        btl_graph_free(g);
        values[i] = one[0];
        btl_array_free(&one[1]);
    }
    report->cases++;
    sweep_tolerance exact = { 0 };
    if (!sweep_agree(&got[0], &values[p.n - 1], &exact, why, sizeof why))
        sweep_fails(report, "", "seed %llu: %s\n%s", (unsigned long long)seed, why, text);
    for (int i = 0; i < p.n; i++) btl_array_free(&values[i]);
    btl_array_free(&got[0]), btl_array_free(&got[1]);
}

BTL_TEST(a_fused_program_gives_the_bits_of_its_lines_one_by_one) {
    static const char *const dtypes[] = { "f32", "f64", "f16", "bf16" };
    sweep_report report = { 0 };
    for (unsigned i = 0; i < 300; i++) check_fused(btl_test_seed() + 7000003 * i, dtypes[i % 4], &report);
    SWEEP_END(report);
}

/* ---- instruction sets ------------------------------------------------------------------------------ */

/* NaN has many bits; any is one. */
static uint64_t digest_of(const btl_array *a) {
    btl_dtype dtype = BTL_F64;
    btl_array_dtype(a, &dtype);
    uint64_t h = 1;
    size_t size = btl_dtype_bytes(dtype);
    for (int64_t i = 0, n = btl_array_elems(a); i < n; i++) {
        uint64_t bits = 0;
        memcpy(&bits, (const char *)btl_array_data(a) + i * (int64_t)size, size);
        if (btl_dtype_kind(dtype) == 'f' && isnan(sweep_element(a, i))) bits = 0x7ff8dead;
        h = btl_hash_bytes(&bits, sizeof bits, h);
    }
    return h;
}

/* What the ops give on 5000 hard values (reductions and others on tame ones), a line each. */
static void print_digests(void) {
    static const btl_dtype dtypes[] = { BTL_F16, BTL_BF16, BTL_F32, BTL_F64, BTL_I8, BTL_I32, BTL_I64, BTL_U8, BTL_U16 };
    printf("isa %s\n", btl_strips_isa());
    for (const btl_op *const *op = btl_ops; *op; op++) {
        if (!sweep_is_tested(*op) || (!(*op)->elem && !(*op)->reduction) || (*op)->min_in > 2 || strcmp((*op)->name, "cast") == 0) continue;
        for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
            btl_graph *g;
            char type[40], text[80];
            btl_rng r = { 42 };
            int64_t n = 5000;
            int nin = (*op)->min_in;
            btl_array in[2] = { { 0 } }, out = { 0 };
            btl_var *vars[2];
            const char *const names[2] = { "x", "y" };
            btl_function *f = NULL;
            BTL_ASSERT_OK(btl_graph_new(NULL, &g));
            btl_entry *e = btl_entry_new(g, "main");
            snprintf(type, sizeof type, "%s[n]", btl_dtype_name(dtypes[d]));
            snprintf(text, sizeof text, "%s(x%s)", (*op)->name, nin == 2 ? ", y" : "");
            for (int i = 0; i < nin; i++) {
                vars[i] = btl_input(g, names[i], type);
                BTL_ASSERT_OK(btl_entry_add_input(g, e, vars[i], NULL));
                BTL_ASSERT_OK(btl_array_new(NULL, dtypes[d], 1, &n, &in[i]));
                sweep_fill(&in[i], names[i], (*op)->reduction ? VALUES_TAME : VALUES_HARD, &r);
            }
            btl_var *y = btl_expr_n(g, text, nin, names, vars);
            if (y) {
                BTL_ASSERT_OK(btl_entry_add_output(g, e, "out", y));
                BTL_ASSERT_OK(btl_function_new(g, e, NULL, &f, NULL));
                BTL_ASSERT_OK(btl_call(f, NULL, in, &out, NULL, NULL));
                printf("%s %s %016llx\n", (*op)->name, btl_dtype_name(dtypes[d]), (unsigned long long)digest_of(&out));
            }
            for (int i = 0; i < nin; i++) btl_array_free(&in[i]);
            btl_array_free(&out);
            btl_function_free(f);
            btl_graph_free(g);
        }
    }
    for (unsigned i = 0; i < 120; i++) {
        program p = program_new(77 + 5000011 * i, false, i % 2 ? "f32" : "f64", 8);
        bool is_input[NINPUTS + MOST_LINES] = { true, true, true };
        char text[8000];
        btl_array in[NINPUTS], out[2];
        for (int k = 0; k < NINPUTS; k++) in[k] = input_array(&p, &p.v[k], VALUES_HARD);
        program_text(&p, NINPUTS, p.n, is_input, text, sizeof text);
        btl_graph *g = parse(text);
        run(g, "fast_run,linker=strips", in, out, text);
        printf("program %u %016llx\n", i, (unsigned long long)digest_of(&out[0]));
        for (int k = 0; k < NINPUTS; k++) btl_array_free(&in[k]);
        btl_array_free(&out[0]), btl_array_free(&out[1]);
        btl_graph_free(g);
    }
}

static const char *self;

static btl_run digests_with(const char *isa) {
    setenv("BITALE_ISA", isa, 1);
    btl_run r = btl_test_run(NULL, NULL, (const char *const[]){ self, "--digests", NULL });
    unsetenv("BITALE_ISA");
    BTL_ASSERT_EXIT(&r, 0);
    return r;
}

static int compare_digests(const char *a, const char *b, const char *isa, sweep_report *report) {
    int lines = 0;
    a += strcspn(a, "\n"), b += strcspn(b, "\n"); /* the first line names the set */
    while (*a == '\n' && *b == '\n' && a[1] && b[1]) {
        a++, b++;
        size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
        report->cases++, lines++;
        if (n != m || memcmp(a, b, n) != 0) sweep_fails(report, isa, "base: %.*s, %s: %.*s", (int)n, a, isa, (int)m, b);
        a += n, b += m;
    }
    return lines;
}

BTL_TEST(every_instruction_set_gives_the_same_bits) {
    sweep_report report = { 0 };
    btl_run base = digests_with("base"), v3 = digests_with("v3"), v4 = digests_with("v4");
    assert_true(compare_digests(base.out, v3.out, "v3", &report) > 300);
    assert_true(compare_digests(base.out, v4.out, "v4", &report) > 300);
    print_message("           %.*s, %.*s, %.*s\n", (int)strcspn(base.out, "\n"), base.out, (int)strcspn(v3.out, "\n"), v3.out,
                  (int)strcspn(v4.out, "\n"), v4.out);
    btl_run_free(&base), btl_run_free(&v3), btl_run_free(&v4);
    SWEEP_END(report);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_programs_on_small_integers_give_the_bits_of_the_reference),
        cmocka_unit_test(gradients_of_random_programs_on_small_integers_give_the_bits_of_the_reference),
        cmocka_unit_test(a_fused_program_gives_the_bits_of_its_lines_one_by_one),
        cmocka_unit_test(every_instruction_set_gives_the_same_bits),
    };
    self = argv[0];
    if (argc > 1 && strcmp(argv[1], "--digests") == 0) {
        print_digests();
        return 0;
    }
    btl_test_options(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
