/* standalone_bits_test.c - functions written as C give the bits of the strips, by gcc and clang, with and without all of the
 * processor: every op on its samples in every dtype, and random programs. They compile without a warning, write only
 * where they may, and return a code where the library fails.
 *
 * Products are those of the library without a BLAS. SPDX-License-Identifier: BSD-3-Clause */
#include "batch.h"
#include "standalone.h"

/* What they are compiled by, in turn. */
static const char *const compilers[] = {
    "gcc -std=c99 -O2 -Wall -Wextra -pedantic -Werror -shared -fPIC",
    "gcc -std=c99 -O3 -march=native -fopenmp-simd -DBTL_OPENMP_SIMD -fno-math-errno -fno-trapping-math -Wall -Wextra -pedantic -Werror -shared -fPIC",
    "clang -std=c99 -O2 -Wall -Wextra -pedantic -Werror -shared -fPIC",
    "gcc -O1 -march=native -Wall -Wextra -pedantic -Werror -shared -fPIC", /* GNU C, whose compilers would contract */
    "clang -std=c99 -O3 -march=native -fopenmp-simd -DBTL_OPENMP_SIMD -fno-math-errno -Wall -Wextra -pedantic -Werror -Wno-pass-failed -shared -fPIC",
};
enum { NCOMPILERS = sizeof compilers / sizeof *compilers };

static char folder[512];
static int built;

/* A size of a batch is named by its value: n7. */
static int64_t size_of_name(const char *name) { return strtoll(name + 1, NULL, 10); }

static btl_status write_text(const char *text, const char *rewrites, btl_graph **g, btl_function **f, btl_standalone **s, btl_error *err) {
    char mode[80];
    snprintf(mode, sizeof mode, "%s,linker=strips", rewrites);
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    btl_standalone_options so = { .struct_size = sizeof so, .program = "batch" };
    *f = NULL, *s = NULL;
    BTL_ASSERT_OK(btl_graph_new(NULL, g));
    btl_status status = btl_graph_parse(*g, text, strlen(text), "batch.bitale");
    if (status == BTL_OK) status = btl_function_new(*g, btl_entry_find(*g, NULL), &o, f, err);
    return status == BTL_OK ? btl_standalone_new(*f, &so, s, err) : status;
}

static bool compile_and_load(const char *compiler, const btl_standalone_info *info, sa_loaded *l, sweep_report *report) {
    char path[600], source[100], words[500], *rest = NULL;
    const char *argv[40];
    int n = 0;
    sa_write(info, folder);
    snprintf(path, sizeof path, "%s/b%d.so", folder, built++);
    snprintf(source, sizeof source, "%s.c", info->name);
    snprintf(words, sizeof words, "%s", compiler);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) argv[n++] = word;
    argv[n++] = source, argv[n++] = "-lm", argv[n++] = "-o", argv[n++] = path, argv[n] = NULL;
    btl_run run = btl_test_run(folder, NULL, argv);
    bool compiled = run.code == 0 && !*run.err;
    if (!compiled) sweep_fails(report, "compiler", "%s %s: %.3000s", compiler, source, run.err);
    btl_run_free(&run);
    if (!compiled) return false;
    bool loaded = sa_load(l, path, info);
    unlink(path);
    return loaded;
}

static const char *next_compiler(void) {
    const char *wish = getenv("BTL_STANDALONE_CC"); /* one command line in place of all of these */
    if (wish && *wish) return wish;
    static int turn;
    for (int i = 0; i < NCOMPILERS; i++) {
        const char *c = compilers[turn++ % NCOMPILERS];
        char name[20];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(c, " "), c);
        if (sa_has(name)) return c;
    }
    return NULL;
}

/* ---- batches ----------------------------------------------------------------------------------- */

static int call_loaded(const sa_loaded *l, const btl_array *in, int nin, btl_array *out, int nout) {
    int64_t sizes[2000];
    const void *ins[BATCH_INPUTS + 8];
    void *outs[BATCH_OUTPUTS + 8];
    assert_true(l->info->nsizes <= 2000 && l->info->ninputs == nin && l->info->noutputs == nout);
    for (int i = 0; i < l->info->nsizes; i++) sizes[i] = size_of_name(l->info->sizes[i]);
    for (int i = 0; i < nin; i++) ins[i] = btl_array_data(&in[i]);
    for (int i = 0; i < nout; i++) outs[i] = btl_array_data(&out[i]);
    return sa_call(l, sizes, ins, outs);
}

static void compare_standalone(batch *b, const char *rewrites, const btl_array *want) {
    btl_graph *g;
    btl_function *f;
    btl_standalone *s;
    btl_error err = { 0 };
    sa_loaded l;
    const char *compiler = next_compiler();
    if (!compiler) skip();
    if (write_text(b->text, rewrites, &g, &f, &s, &err) != BTL_OK) BTL_FAIL("%s\n%s", err.message, b->text);
    btl_array *got = calloc((size_t)b->noutputs + 1, sizeof *got);
    for (int i = 0; i < b->noutputs; i++) {
        btl_dtype dtype = BTL_F32;
        btl_array_dtype(&want[i], &dtype);
        BTL_ASSERT_OK(btl_array_new(NULL, dtype, want[i].ndim, want[i].shape, &got[i]));
    }
    if (compile_and_load(compiler, btl_standalone_look(s), &l, b->report)) {
        int code = call_loaded(&l, b->in, b->ninputs, got, b->noutputs);
        if (code) sweep_fails(b->report, compiler, "%s: code %d: %s", compiler, code, code > 0 ? btl_standalone_look(s)->codes[code - 1].meaning : "work");
        else batch_differs(b, compiler, got, want);
        btl_os_close_library(l.library);
    }
    batch_free_outputs(b, got);
    btl_standalone_free(s);
    btl_function_free(f);
    btl_graph_free(g);
}

/* Where the library fails, a code is returned that has the line. */
static void compare_failures(batch *b, const char *op, const char *label, const char *text, const btl_array *in, const btl_error *err) {
    static unsigned tried;
    btl_graph *g;
    btl_function *f;
    btl_standalone *s;
    btl_error mine = { 0 };
    sa_loaded l;
    if (!is_taken(tried++, 8)) return; /* a compiler's start each */
    btl_status status = write_text(text, "fast_compile", &g, &f, &s, &mine);
    if (status == BTL_OK && compile_and_load(compilers[0], btl_standalone_look(s), &l, b->report)) {
        const btl_standalone_info *info = btl_standalone_look(s);
        static char space[1 << 20];
        const void *ins[SWEEP_OPERANDS];
        void *outs[1] = { space };
        int64_t sizes[64];
        for (int i = 0; i < info->ninputs; i++) ins[i] = btl_array_data(&in[i]);
        for (int i = 0; i < info->nsizes; i++) sizes[i] = size_of_name(info->sizes[i]);
        int code = sa_call(&l, sizes, ins, outs);
        b->report->cases++;
        if (code <= 0 || code > info->ncodes || !strstr(info->codes[code - 1].meaning, "batch.bitale:"))
            sweep_fails(b->report, op, "%s: the library says %s, standalone code %d", label, err->message, code);
        btl_os_close_library(l.library);
    }
    btl_standalone_free(s);
    btl_function_free(f);
    btl_graph_free(g);
}

/* "…: error: OP: this op has no C of its own…", and it is true. */
static bool is_without_c(const char *message) {
    const char *name = strstr(message, "error: "), *end = strstr(message, ": this op has no C of its own");
    const btl_op *o = name && end ? btl_op_find(name + 7, (size_t)(end - name - 7)) : NULL;
    return o && !o->emit && !o->elem && !o->reduction;
}

/* Everything can be written but sizes that a run finds out, and ops without C of their own. */
static bool takes_standalone(batch *b, const char *op, const char *label, const char *text, const btl_array *in, const char *rewrites) {
    (void)in;
    btl_graph *g;
    btl_function *f;
    btl_standalone *s;
    btl_error err = { 0 };
    btl_status status = write_text(text, rewrites, &g, &f, &s, &err);
    bool late = status == BTL_EUNSUPPORTED && strstr(err.message, "known at run time");
    bool silent = status == BTL_EUNSUPPORTED && is_without_c(err.message);
    b->report->cases++;
    if (status != BTL_OK && !late && !silent) sweep_fails(b->report, op, "%s: %s", label, err.message);
    btl_standalone_free(s);
    btl_function_free(f);
    btl_graph_free(g);
    return status == BTL_OK;
}

#define STANDALONE_BATCH { .compare = compare_standalone, .fails = compare_failures, .takes = takes_standalone }

BTL_TEST(every_op_gives_the_bits_of_the_strips_on_its_samples) {
    sweep_report report = { 0 };
    batch b = STANDALONE_BATCH;
    batch_begin(&b, &report);
    batch_samples(&b, 3, 4, 12);
    batch_end(&b, "fast_compile");
    SWEEP_END(report);
}

BTL_TEST(every_op_gives_the_bits_of_the_strips_in_every_dtype) {
    sweep_report report = { 0 };
    batch b = STANDALONE_BATCH;
    unsigned number = 0;
    batch_begin(&b, &report);
    for (const btl_op *const *op = btl_ops; *op; op++) {
        btl_samples samples = sweep_is_tested(*op) ? sweep_samples_of(*op) : NULL;
        for (int dtype = 0; samples && samples[0] && dtype < BTL_NDTYPES; dtype++) {
            sweep_sample s = sweep_parse(*op, samples[0]);
            bool any = false;
            for (int i = 0; i < s.n; i++)
                if (!s.operands[i].fixed) s.operands[i].dtype = (btl_dtype)dtype, any = true;
            if (any && is_taken(number++, 6)) case_add(&b, &s, PLAIN, VALUES_HARD);
        }
    }
    batch_end(&b, "fast_compile");
    SWEEP_END(report);
}

BTL_TEST(structural_ops_give_the_bits_of_the_strips) {
    sweep_report report = { 0 };
    batch b = STANDALONE_BATCH;
    batch_begin(&b, &report);
    batch_structural(&b, 10);
    batch_end(&b, "fast_compile");
    SWEEP_END(report);
}

BTL_TEST(random_programs_give_the_bits_of_the_strips) {
    static const char *const dtypes[] = { "f32", "f64", "f16", "bf16" };
    static const char *const rewrites[] = { "fast_run", "fast_compile", "c_code" };
    sweep_report report = { 0 };
    batch b = STANDALONE_BATCH;
    batch_begin(&b, &report);
    for (unsigned k = 0; k < 6; k++) {
        if (!is_taken(k, k < 3 ? 1 : 2)) continue;
        for (unsigned i = 0; i < 16; i++) program_add(&b, btl_test_seed() + 9000011 * (16 * k + i), dtypes[i % 4]);
        batch_run(&b, rewrites[k % 3]);
    }
    batch_end(&b, "fast_run");
    SWEEP_END(report);
}

static int make_folder(void **state) {
    btl_test_dir_setup(state);
    snprintf(folder, sizeof folder, "%s", ((btl_test_dir *)*state)->path);
    setenv("BITALE_BLAS", "none", 1);
    return 0;
}

BTL_TEST_MAIN(cmocka_unit_test_setup_teardown(every_op_gives_the_bits_of_the_strips_on_its_samples, make_folder, btl_test_dir_teardown),
              cmocka_unit_test_setup_teardown(every_op_gives_the_bits_of_the_strips_in_every_dtype, make_folder, btl_test_dir_teardown),
              cmocka_unit_test_setup_teardown(structural_ops_give_the_bits_of_the_strips, make_folder, btl_test_dir_teardown),
              cmocka_unit_test_setup_teardown(random_programs_give_the_bits_of_the_strips, make_folder, btl_test_dir_teardown))
