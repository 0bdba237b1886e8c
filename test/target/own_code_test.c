/* own_code_test.c - the C of one's own ops: support code, headers, flags, libraries, what enters the cache's key, and what
 * is said of text that does not compile. Every test compiles into a cache of its own.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "target/code.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- an op that can be spoilt ----------------------------------------------------------------- */

/* twist(x) = 2 x + 1, f64, on flat memory; its C calls `twist_one`. */
static btl_status twist_infer(btl_op_infer *x) { return btl_op_infer_as(x, 0, x->in[0]); }

static btl_status twist_eval(btl_op_run *r) {
    const double *x = btl_array_data(&r->in[0]);
    double *y = btl_array_data(&r->out[0]);
    for (int64_t i = 0, n = btl_array_elems(&r->in[0]); i < n; i++) y[i] = 2 * x[i] + 1;
    return BTL_OK;
}

static btl_status twist_emit(btl_emit *e) {
    btl_emit_text(e, "BTL_SIMD\nfor (int64_t i = 0; i < %s; i++) {\ny0[i] = twist_one(x0[i]);\n}\n", btl_emit_elems(e, 0));
    return BTL_OK;
}

static const char twist_text[] = "static double twist_one(double x) {\n    return 2 * x + 1;\n}";

static const btl_op_def twist = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "twist", .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = BTL_OP_PACKED,
    .infer = twist_infer, .eval = twist_eval, .emit = twist_emit, .support = twist_text,
};

/* ---- running ------------------------------------------------------------------------------------ */

typedef struct place { btl_test_dir dir; btl_context *ctx; } place;

static place place_with(int n, const btl_op_def *const *ops, const char *dir) {
    place p = { .ctx = NULL };
    btl_error err = { 0 };
    btl_test_dir_make(&p.dir);
    btl_context_options o = { .struct_size = sizeof o, .cache_dir = dir ? dir : p.dir.path };
    BTL_ASSERT_OK(btl_context_new(&o, &p.ctx));
    for (int i = 0; i < n; i++)
        if (btl_op_register(p.ctx, ops[i], &err) != BTL_OK) BTL_FAIL("%s", err.message);
    return p;
}

static void place_free(place *p) {
    btl_context_free(p->ctx);
    btl_test_dir_remove(&p->dir);
}

static int64_t three = 3;
static double x3[] = { 1, -2, 3 };
#define X3 (&(btl_array){ .data = x3, .device = { 1, 0 }, .ndim = 1, .dtype = { 2, 64, 1 }, .shape = &three })

static btl_status run(btl_context *ctx, const char *text, const char *linker, const btl_array *in, btl_array *out, char *note, btl_error *err) {
    btl_graph *g;
    btl_function *f = NULL;
    char mode[60];
    snprintf(mode, sizeof mode, "fast_run,linker=%s", linker);
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    *err = (btl_error){ 0 };
    BTL_ASSERT_OK(btl_graph_new(ctx, &g));
    btl_status status = btl_graph_parse(g, text, strlen(text), "own.bitale");
    if (status != BTL_OK) *err = *btl_graph_error(g);
    if (status == BTL_OK) status = btl_function_new(g, btl_entry_find(g, NULL), &o, &f, err);
    if (status == BTL_OK && note) snprintf(note, 400, "%s", btl_function_note(f));
    if (status == BTL_OK) status = btl_call(f, NULL, in, out, NULL, err);
    btl_function_free(f);
    btl_graph_free(g);
    return status;
}

/* By generated code, in both linkers. */
static void expect(btl_context *ctx, const char *text, int n, const double *want) {
    static const char *const linkers[] = { "c", "vm" };
    for (int l = 0; l < 2; l++) {
        btl_array out = { 0 };
        btl_error err;
        char note[400] = "";
        if (run(ctx, text, linkers[l], X3, &out, note, &err) != BTL_OK) BTL_FAIL("%s: %s", linkers[l], err.message);
        if (*note) BTL_FAIL("%s: %s", linkers[l], note);
        assert_int_equal(btl_array_elems(&out), n);
        for (int i = 0; i < n; i++)
            if (((double *)btl_array_data(&out))[i] != want[i]) BTL_FAIL("%s: element %d is %g, %g wanted\n%s", linkers[l], i, ((double *)btl_array_data(&out))[i], want[i], text);
        btl_array_free(&out);
    }
}

#define EXPECT(ctx, text, ...) expect((ctx), (text), (int)(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double)), (double[]){ __VA_ARGS__ })

static int64_t compiled(const place *p) { return btl_code_count(p->ctx).compiled; }
static int64_t from_cache(const place *p) { return btl_code_count(p->ctx).from_cache; }

/* ---- what C can be -------------------------------------------------------------------------------- */

BTL_TEST(support_code_stands_once_however_many_nodes_and_ops_have_it) {
    btl_op_def again = twist; /* another op with the same support code: defined twice it would not compile */
    const btl_op_def *ops[] = { &twist, &again };
    again.name = "my.twist";
    place p = place_with(2, ops, NULL);
    EXPECT(p.ctx, "input x: f64[n]\noutput twist(x)", 3, -3, 7);
    EXPECT(p.ctx, "input x: f64[n]\noutput twist(x) + my.twist(twist(x[::-1]) * 2)", 32, -14, 20);
    EXPECT(p.ctx, "input x: f64[3]\noutput twist(twist(x))", 7, -5, 15);
    place_free(&p);
}

/* Equal texts that call equal names, which mean something else. */
BTL_TEST(equal_kernels_of_ops_with_other_support_code_are_two) {
    btl_op_def other = twist;
    const btl_op_def *ops[] = { &twist, &other };
    other.name = "thrice";
    other.support = "static double twist_one(double x) { return 3 * x; }";
    place p = place_with(2, ops, NULL);
    btl_array out = { 0 };
    btl_error err;
    EXPECT(p.ctx, "input x: f64[n]\noutput twist(x)", 3, -3, 7);
    EXPECT(p.ctx, "input x: f64[n]\noutput thrice(x)", 3, -6, 9);
    BTL_ASSERT_STATUS(run(p.ctx, "input x: f64[n]\noutput twist(x) + thrice(x)", "c", X3, &out, NULL, &err), BTL_ECOMPILER); /* C has one name for both */
    BTL_ASSERT_CONTAINS(err.message, "own.bitale:2:19: error: thrice: line 1 of its support code does not compile");
    BTL_ASSERT_CONTAINS(err.message, "redefinition of");
    place_free(&p);
}

static btl_status root_emit(btl_emit *e) {
    btl_dtype dtype = btl_emit_dtype(e, 0);
    const char *f = dtype == BTL_F32 ? "f" : "";
    btl_emit_support(e, btl_emit_format(e, "static %s root_%s(%s x) { return SCALE * cbrt%s(x); }", btl_emit_ctype(dtype), btl_dtype_name(dtype), btl_emit_ctype(dtype), f));
    btl_emit_text(e, "for (int64_t i = 0; i < %s; i++) y0[i] = root_%s(x0[i]);\n", btl_emit_elems(e, 0), btl_dtype_name(dtype));
    return BTL_OK;
}

static btl_status root_eval(btl_op_run *r) {
    btl_dtype dtype;
    btl_array_dtype(&r->in[0], &dtype);
    for (int64_t i = 0, n = btl_array_elems(&r->in[0]); i < n; i++)
        if (dtype == BTL_F32) ((float *)btl_array_data(&r->out[0]))[i] = 3 * cbrtf(((const float *)btl_array_data(&r->in[0]))[i]);
        else ((double *)btl_array_data(&r->out[0]))[i] = 3 * cbrt(((const double *)btl_array_data(&r->in[0]))[i]);
    return BTL_OK;
}

BTL_TEST(headers_flags_libraries_and_support_code_by_type) {
    btl_op_def root = twist;
    const btl_op_def *one = &root;
    root.name = "root", root.emit = root_emit, root.eval = root_eval, root.support = NULL;
    root.headers = "<math.h> <string.h>", root.compile_flags = "-DSCALE=3 '-DUNUSED=a b'", root.libraries = "-lm";
    place p = place_with(1, &one, NULL);
    volatile double at[3] = { 1, -2, 3 }; /* the library's cbrt, not the compiler's, which is rounded otherwise */
    double want[3] = { 3 * cbrt(at[0]), 3 * cbrt(at[1]), 3 * cbrt(at[2]) };
    expect(p.ctx, "input x: f64[n]\noutput root(x)", 3, want);
    double both[3];
    for (int i = 0; i < 3; i++) both[i] = want[i] + (double)(3 * cbrtf((float)at[i]));
    expect(p.ctx, "input x: f64[n]\noutput root(x) + f64(root(f32(x)))", 3, both);
    place_free(&p);
}

/* Its own scratch, and the functions that Bitale's ops are made of. */
static btl_status exp_twice_emit(btl_emit *e) {
    const char *n = btl_emit_elems(e, 0);
    btl_graph *g = btl_emit_graph(e);
    btl_emit_work(e, btl_dim_mul(g, btl_dim_const(g, 8), btl_dim_add(g, btl_dim_const(g, 0), btl_dim_mul(g, btl_dim_const(g, 1), btl_dim_const(g, 4096)))));
    btl_emit_text(e, "double *w = work;\nfor (int64_t i = 0; i < %s; i++) w[i] = btl_exp(x0[i]);\nfor (int64_t i = 0; i < %s; i++) y0[i] = btl_exp(w[i]);\n", n, n);
    return BTL_OK;
}

BTL_TEST(scratch_and_bitale_s_own_functions) {
    btl_op_def d = twist;
    const btl_op_def *one = &d;
    d.name = "exp_twice", d.emit = exp_twice_emit, d.support = NULL;
    place p = place_with(1, &one, NULL);
    btl_array out = { 0 }, want = { 0 };
    btl_error err;
    char note[400];
    BTL_ASSERT_OK(run(p.ctx, "input x: f64[n]\noutput exp(exp(x))", "strips", X3, &want, NULL, &err));
    if (run(p.ctx, "input x: f64[n]\noutput exp_twice(x)", "c", X3, &out, note, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    assert_string_equal(note, "");
    assert_memory_equal(btl_array_data(&out), btl_array_data(&want), sizeof x3);
    btl_array_free(&out), btl_array_free(&want);
    place_free(&p);
}

static btl_status positive_emit(btl_emit *e) {
    btl_emit_text(e, "for (int64_t i = 0; i < %s; i++) {\nif (x0[i] < 0) return 1;\ny0[i] = x0[i];\n}\n", btl_emit_elems(e, 0));
    return BTL_OK;
}

static btl_status positive_eval(btl_op_run *r) {
    const double *x = btl_array_data(&r->in[0]);
    for (int64_t i = 0, n = btl_array_elems(&r->in[0]); i < n; i++) {
        if (x[i] < 0) return btl_op_run_fail(r, BTL_EVALUE, "element %lld is %g", (long long)i, x[i]);
        ((double *)btl_array_data(&r->out[0]))[i] = x[i];
    }
    return BTL_OK;
}

BTL_TEST(why_generated_code_failed_is_told_by_eval) {
    btl_op_def d = twist;
    const btl_op_def *one = &d;
    d.name = "positive", d.emit = positive_emit, d.eval = positive_eval, d.support = NULL, d.flags |= BTL_OP_CAN_FAIL;
    place p = place_with(1, &one, NULL);
    btl_array out = { 0 };
    btl_error err;
    EXPECT(p.ctx, "input x: f64[n]\noutput positive(x * x)", 1, 4, 9);
    static const char *const linkers[] = { "c", "vm", "strips" };
    for (int l = 0; l < 3; l++) {
        BTL_ASSERT_STATUS(run(p.ctx, "input x: f64[n]\noutput positive(x)", linkers[l], X3, &out, NULL, &err), BTL_EVALUE);
        BTL_ASSERT_CONTAINS(err.message, "own.bitale:2:8: error: positive: element 1 is -2");
    }
    place_free(&p);
}

static btl_status unsupported_emit(btl_emit *e) {
    btl_op_fail(btl_emit_graph(e), BTL_EUNSUPPORTED, "never told");
    return BTL_EUNSUPPORTED;
}

BTL_TEST(what_emit_leaves_out_runs_by_eval) {
    btl_op_def d = twist;
    const btl_op_def *one = &d;
    d.emit = unsupported_emit;
    place p = place_with(1, &one, NULL);
    EXPECT(p.ctx, "input x: f64[n]\noutput twist(x * 2) + 1", 6, -6, 14);
    place_free(&p);
}

static btl_status tail_infer(btl_op_infer *x) {
    const btl_dim *n = btl_dim_sub(x->g, btl_var_size(x->in[0], 0), btl_dim_const(x->g, 1));
    return btl_op_infer_set(x, 0, btl_var_dtype(x->in[0]), 1, &n);
}
static btl_status tail_view(btl_op_run *r) {
    r->out[0].strides[0] = r->in[0].strides[0];
    r->out[0].byte_offset = (uint64_t)(r->in[0].strides[0] * 8);
    return BTL_OK;
}
static btl_status tail_emit(btl_emit *e) {
    btl_emit_text(e, "y0 += %s;\n", btl_emit_stride(e, 0, 0));
    btl_emit_view_stride(e, 0, btl_emit_known_stride(e, 0, 0), btl_emit_stride(e, 0, 0));
    return BTL_OK;
}
static btl_status tail_emit_without(btl_emit *e) {
    btl_emit_text(e, "y0 += 1;\n");
    return BTL_OK;
}

BTL_TEST(a_view_s_own_c) {
    btl_op_def d = twist;
    const btl_op_def *one = &d;
    d.name = "tail", d.infer = tail_infer, d.eval = NULL, d.view = tail_view, d.emit = tail_emit, d.support = NULL, d.flags = 0;
    place p = place_with(1, &one, NULL);
    EXPECT(p.ctx, "input x: f64[n]\noutput tail(x)", -2, 3);
    EXPECT(p.ctx, "input x: f64[n]\noutput tail((x * 2)[::2]) + tail(tail(x))", 9);
    EXPECT(p.ctx, "input x: f64[n]\noutput tail(x[::-1])", -2, 1);
    place_free(&p);
}

/* ---- the key of the cache --------------------------------------------------------------------------- */

static btl_status twist_emit_otherwise(btl_emit *e) {
    btl_emit_text(e, "for (int64_t i = 0; i < %s; i++) y0[i] = twist_one(x0[i]);\n", btl_emit_elems(e, 0));
    return BTL_OK;
}

#define CHANGE(name, ...) static void name(btl_op_def *d) { __VA_ARGS__; }
CHANGE(nothing, (void)d)
CHANGE(its_version, d->version = 2)
CHANGE(its_support, d->support = "static double twist_one(double x) { return 2 * x + 1; }")
CHANGE(its_headers, d->headers = "<stdint.h>")
CHANGE(its_flags, d->compile_flags = "-DA=1")
CHANGE(its_libraries, d->libraries = "-lm")
CHANGE(its_emit, d->emit = twist_emit_otherwise)

BTL_TEST(everything_that_code_depends_on_is_in_the_cache_s_key) {
    static const struct { void (*change)(btl_op_def *); const char *what; bool compiles; } cases[] = {
        { nothing, "nothing", true }, /* the first time */ { nothing, "nothing", false }, { its_version, "version", true }, { its_support, "support", true },
        { its_headers, "headers", true }, { its_flags, "compile_flags", true }, { its_libraries, "libraries", true }, { its_emit, "emit", true }, { nothing, "nothing", false },
    };
    btl_test_dir cache;
    btl_test_dir_make(&cache);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        btl_op_def d = twist;
        const btl_op_def *one = &d;
        cases[i].change(&d);
        place p = place_with(1, &one, cache.path);
        btl_array out = { 0 };
        btl_error err;
        if (run(p.ctx, "input x: f64[n]\noutput twist(x)", "c", X3, &out, NULL, &err) != BTL_OK) BTL_FAIL("%s: %s", cases[i].what, err.message);
        if (compiled(&p) != cases[i].compiles || from_cache(&p) != !cases[i].compiles)
            BTL_FAIL("%s was changed: compiled %lld times, taken from the cache %lld times", cases[i].what, (long long)compiled(&p), (long long)from_cache(&p));
        btl_array_free(&out);
        place_free(&p);
    }
    btl_test_dir_remove(&cache);
}

/* ---- text that does not compile ------------------------------------------------------------------------ */

static btl_status wrong_emit(btl_emit *e) {
    btl_emit_text(e, "for (int64_t i = 0; i < %s; i++) {\ny0[i] = x0[i] +;\n}\n", btl_emit_elems(e, 0));
    return BTL_OK;
}
static btl_status out_of_range_emit(btl_emit *e) {
    btl_emit_text(e, "y0[0] = x0[%s];\n", btl_emit_dim(e, 0, 7));
    return BTL_OK;
}
static btl_status no_operand_emit(btl_emit *e) {
    btl_emit_text(e, "y0[0] = x0[%s];\n", btl_emit_elems(e, 9));
    return BTL_OK;
}
static btl_status asking_emit(btl_emit *e) {
    btl_emit_text(e, "y0[0] = %g;\n", btl_setting_float(btl_emit_settings(e), "slope"));
    return BTL_OK;
}
static btl_status silent_emit(btl_emit *e) {
    (void)e;
    return BTL_EVALUE;
}
static btl_status saying_emit(btl_emit *e) { return btl_op_fail(btl_emit_graph(e), BTL_EVALUE, "not for %s", btl_dtype_name(btl_emit_dtype(e, 0))); }

CHANGE(emits_wrong, d->emit = wrong_emit)
CHANGE(wrong_support, d->support = "static double twist_one(double x) {\n    flot y = x;\n    return y;\n}")
CHANGE(missing_header, d->headers = "<math.h> <there_is_no_such_header.h>")
CHANGE(missing_library, d->libraries = "-lthere_is_no_such_library")
CHANGE(missing_symbol, d->support = "double there_is_no_such_function(double);\nstatic double twist_one(double x) { return there_is_no_such_function(x); }")
CHANGE(asks_too_far, d->emit = out_of_range_emit)
CHANGE(asks_for_no_operand, d->emit = no_operand_emit)
CHANGE(asks_for_a_setting, d->emit = asking_emit)
CHANGE(says_nothing, d->emit = silent_emit)
CHANGE(says_why, d->emit = saying_emit)
CHANGE(no_stride, d->infer = tail_infer; d->eval = NULL; d->view = tail_view; d->emit = tail_emit_without; d->flags = 0)

BTL_TEST(text_that_does_not_compile_is_told_with_op_line_and_the_compiler_s_words) {
    static const struct { void (*change)(btl_op_def *); btl_status status; const char *says, *and; } cases[] = {
        { emits_wrong, BTL_ECOMPILER, "twist: line 2 of its emitted C does not compile: error: expected expression", "y0[i] = x0[i] +;" },
        { wrong_support, BTL_ECOMPILER, "twist: line 2 of its support code does not compile: error: ", "flot y = x;" },
        { missing_header, BTL_ECOMPILER, "twist: line 1 of its headers does not compile: error: ", "there_is_no_such_header.h" },
        { missing_library, BTL_ECOMPILER, "twist: linking its C with -lthere_is_no_such_library fails: ", "there_is_no_such_library" },
        { missing_symbol, BTL_ECOMPILER, "twist: its C calls there_is_no_such_function, which is in none of its libraries (it names none)", "" },
        { asks_too_far, BTL_EPLUGIN, "twist: its emit asks for axis 7 of operand 0, which is not there", "" },
        { asks_for_no_operand, BTL_EPLUGIN, "twist: its emit asks for axis -1 of operand 9, which is not there", "" },
        { asks_for_a_setting, BTL_EPLUGIN, "twist: its emit asks for the setting slope as a number, which it does not have", "" },
        { says_nothing, BTL_EVALUE, "twist: its emit failed and does not say why", "" },
        { says_why, BTL_EVALUE, "twist: not for f64", "" },
        { no_stride, BTL_EPLUGIN, "twist: its emit does not tell the stride of axis 0 of its view", "" },
    };
    static const char *const linkers[] = { "c", "vm" };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int l = 0; l < 2; l++) {
            btl_op_def d = twist;
            const btl_op_def *one = &d;
            btl_array out = { 0 };
            btl_error err;
            cases[i].change(&d);
            place p = place_with(1, &one, NULL);
            btl_status status = run(p.ctx, "input x: f64[n]\noutput 1 + twist(x)", linkers[l], X3, &out, NULL, &err);
            if (status != cases[i].status) BTL_FAIL("case %zu, %s: status %d: %s", i, linkers[l], status, err.message);
            BTL_ASSERT_CONTAINS(err.message, cases[i].says);
            BTL_ASSERT_CONTAINS(err.message, cases[i].and);
            BTL_ASSERT_CONTAINS(err.message, "own.bitale:2:12: error: ");
            BTL_ASSERT_CONTAINS(err.message, "    2 | output 1 + twist(x)\n      |            ^~~~~");
            if (cases[i].status == BTL_ECOMPILER) { /* the library's own ways still run it */
                BTL_ASSERT_OK(run(p.ctx, "input x: f64[n]\noutput 1 + twist(x)", "strips", X3, &out, NULL, &err));
                btl_array_free(&out);
            }
            place_free(&p);
        }
}

BTL_TEST(without_a_compiler_own_ops_run_too) {
    const btl_op_def *one = &twist;
    btl_context *ctx;
    btl_context_options o = { .struct_size = sizeof o, .compiler = "none", .cache_dir = "/nowhere" };
    btl_array out = { 0 };
    btl_error err;
    char note[400];
    BTL_ASSERT_OK(btl_context_new(&o, &ctx));
    BTL_ASSERT_OK(btl_op_register(ctx, one, &err));
    BTL_ASSERT_OK(run(ctx, "input x: f64[n]\noutput twist(x)", "c", X3, &out, note, &err));
    assert_true(((double *)btl_array_data(&out))[2] == 7);
    BTL_ASSERT_CONTAINS(note, "runs on the strip interpreter");
    btl_array_free(&out);
    btl_context_free(ctx);
}

BTL_TEST_MAIN(cmocka_unit_test(support_code_stands_once_however_many_nodes_and_ops_have_it), cmocka_unit_test(equal_kernels_of_ops_with_other_support_code_are_two),
              cmocka_unit_test(headers_flags_libraries_and_support_code_by_type), cmocka_unit_test(scratch_and_bitale_s_own_functions),
              cmocka_unit_test(why_generated_code_failed_is_told_by_eval), cmocka_unit_test(what_emit_leaves_out_runs_by_eval), cmocka_unit_test(a_view_s_own_c),
              cmocka_unit_test(everything_that_code_depends_on_is_in_the_cache_s_key),
              cmocka_unit_test(text_that_does_not_compile_is_told_with_op_line_and_the_compiler_s_words), cmocka_unit_test(without_a_compiler_own_ops_run_too))
