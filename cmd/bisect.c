/* bisect.c - bitale bisect: two modes disagree; which rewrite, pass or kernel is it?
 *
 * A function is compiled again and again on the same inputs, each time with less of what could be to blame: first the linker of the
 * reference, then no rewrites, then no fusion. Is it a rewrite, the n-th is found by halving: the function with the first n - 1
 * rewrites agrees with the reference, the one with n does not. Is it the linker, each kernel's results are compared by themselves.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"
#include "compare.h"
#include "firing.h"
#include "inputs.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bisect_options {
    cmd *c;
    char *modes;
    double rtol, atol;      /* -1: a matter of the type */
    uint64_t seed;
    int nwords;
    char **words;
} bisect_options;

enum { KEY_MODES = 0x300, KEY_RTOL, KEY_ATOL, KEY_SEED };

static const struct argp_option bisect_argp_options[] = {
    { "modes", KEY_MODES, "A,B", 0, "The two to be compared, A being right (c_code,fast_run unless said); with settings as in fast_run,linker=strips,c_code", 1 },
    { "seed", KEY_SEED, "N", 0, "Of the random inputs (1 unless said)", 2 },
    { "rtol", KEY_RTOL, "R", 0, "Allowed: |B - A| <= T + R*|A|. Unless said a matter of the type: f64 1e-10, f32 1e-4, f16 2e-2", 2 },
    { "atol", KEY_ATOL, "T", 0, "The same as R unless said", 2 },
    { 0 },
};

static const char bisect_doc[] =
    "Calls a function in two modes on the same inputs. If results or new values of shared variables differ, finds the rewrite that makes the difference, with its "
    "place in the source; or the pass; or the first kernel that the two compute differently."
    "\v"
    "Inputs are given as in run, sizes too; what is not given is random, in three goes: floats of 0.1 to 0.9, of -2 to 2, of -100 to 100. The first go in which "
    "the modes differ is taken.\n"
    "\n"
    "A difference need not be a fault: `class` and `needs` of the rule (printed with it) say what it promises. A stabilising rule may turn a wrong infinity into "
    "the right value: `bitale rules NAME --check` judges a rule by higher precision.\n"
    "\n"
    "Examples:\n"
    "  bitale bisect model.bitale train x=x.npy y=y.npy\n"
    "  bitale bisect model.bitale predict --modes fast_compile,fast_run\n"
    "  bitale bisect model.bitale --rules mine.rules n=5\n"
    "\n"
    "Exit codes: 0 no difference; 1 one was found, or its place could not be; 2 wrong use of the command; 3 bad input; 5 a call failed.";

static error_t bisect_parse(int key, char *arg, struct argp_state *state) {
    bisect_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case KEY_MODES: o->modes = arg; return 0;
    case KEY_RTOL: o->rtol = cmd_option_number(state, "--rtol", arg); return 0;
    case KEY_ATOL: o->atol = cmd_option_number(state, "--atol", arg); return 0;
    case KEY_SEED: o->seed = (uint64_t)cmd_option_integer(state, "--seed", arg, 0); return 0;
    case ARGP_KEY_ARGS:
        o->words = state->argv + state->next;
        o->nwords = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "which program? Give a file, or - for standard input"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- one comparison --------------------------------------------------------------------------------- */

typedef struct bisect {
    bisect_options o;
    cmd *c;
    btl_entry *e;
    btl_function *f;             /* the words were read for */
    const char *good, *bad;      /* modes */
    values v;
    inputs_sizes sizes;
    const char *inputs;          /* in words */
    inputs_call reference;
    int64_t nfirings;            /* of the bad one */
    int64_t want;                /* the firing to be kept */
    firing kept;
    char difference[800];        /* what differs, of the last comparison that found something */
    btl_error err;
} bisect;

static void bisect_see(void *user, const btl_firing *f) {
    bisect *b = user;
    if (f->note) return;
    b->nfirings = f->number;
    if (f->number == b->want) firing_free(&b->kept), b->kept = firing_copy(f);
}

static bool bisect_same(bisect *b, const inputs_call *call) {
    btl_array got, want;
    bool owned, same = true;
    const char *name;
    for (int i = 0; same && (name = inputs_call_value(&b->reference, i, &want, &owned)); i++) {
        char text[700];
        inputs_call_value(call, i, &got, &owned);
        double tolerance = want.data ? inputs_tolerance(&want) : 0;
        if (want.data && got.data) same = compare_arrays(&got, &want, b->o.rtol < 0 ? tolerance : b->o.rtol, b->o.atol < 0 ? tolerance : b->o.atol, text, sizeof text);
        if (!same) snprintf(b->difference, sizeof b->difference, "%s: %s", name, text);
        if (owned) btl_array_free(&got), btl_array_free(&want);
    }
    return same;
}

/* Does the function agree with the reference in this mode, with `most` rewrites (-1: all)? A failure is no agreement, and b->err. */
static bool bisect_agrees(bisect *b, const char *mode, int64_t most) {
    btl_function_options options = cmd_function_options(b->c);
    options.mode = mode, options.see = bisect_see, options.see_user = b, options.stop_at_firing = most < 0 ? 0 : most + 1;
    inputs_call call;
    b->nfirings = 0;
    btl_status status = inputs_call_make(b->c, b->c->g, b->e, &options, &b->v, &b->sizes, &call, &b->err);
    bool same = status == BTL_OK && bisect_same(b, &call);
    inputs_call_free(&call);
    return same;
}

/* ---- rewrites ------------------------------------------------------------------------------------------ */

/* The first n for which the function with n rewrites differs: with n - 1 it agrees. */
static int64_t bisect_halve(bisect *b, const char *mode, int64_t total) {
    int64_t agrees = 0, differs = total;
    while (differs - agrees > 1 && b->err.status == BTL_OK) {
        int64_t middle = agrees + (differs - agrees) / 2;
        if (bisect_agrees(b, mode, middle)) agrees = middle;
        else differs = middle;
    }
    return differs;
}

static void bisect_print_rule(const bisect *b, const char *name) {
    btl_rule_info r;
    for (int i = 0; btl_rule_info_at(b->c->ctx, i, &r); i++) {
        if (strcmp(r.name, name) != 0) continue;
        if (r.match) printf("  rule %s: %s => %s%s%s\n", r.name, r.match, r.result ? r.result : "(in code)", r.when ? " when " : "", r.when ? r.when : "");
        if (r.why) printf("  why: %s\n", r.why);
        printf("  class: %s%s%s\n", r.exactness, *r.needs ? "; needs: " : "", r.needs);
    }
}

static void bisect_tell_rewrite(bisect *b, const char *mode, int64_t n, int64_t total, json *j) {
    b->want = n;
    bisect_agrees(b, mode, n);
    b->want = 0;
    char *without = cmd_format("%s,without=%s", b->bad, b->kept.f.rule ? b->kept.f.rule : "");
    bool cured = b->kept.f.rule && bisect_agrees(b, without, -1);
    if (j) {
        jw_text(j, "what", "rewrite");
        firing_json(j, "rewrite", &b->kept.f);
        jw_integer(j, "of", total);
        jw_bool(j, "cured", cured);
    } else {
        printf("rewrite %lld of %lld makes the difference:\n", (long long)n, (long long)total);
        if (b->kept.f.rule) firing_print(&b->kept.f, true), bisect_print_rule(b, b->kept.f.rule);
        printf("%s: %s\n", without, cured ? "the results agree" : "they differ still; another rewrite does the same");
    }
    free(without);
}

/* ---- kernels ------------------------------------------------------------------------------------------- */

enum { BISECT_KERNELS = 20000 };

/* The program after its last pass, every value of it a result; compared in two linkers. */
static int bisect_kernels(bisect *b, const char *linker, json *j) {
    btl_function_options options = { .struct_size = sizeof options, .mode = b->bad };
    btl_graph *g = NULL;
    btl_error err = { 0 };
    if (btl_pipeline_print(b->c->g, b->e, &options, "layout", &g, &err) != BTL_OK) return cmd_fail_error(b->c, &err);
    btl_entry *whole = btl_entry_find(g, NULL), *e = btl_entry_new(g, "every value");
    btl_var **vars = cmd_alloc(BISECT_KERNELS * sizeof *vars);
    int n = whole ? btl_entry_computed(g, whole, BISECT_KERNELS, vars) : 0, found = -1, code = 0;
    if (n > BISECT_KERNELS) n = BISECT_KERNELS;
    for (int i = 0; i < btl_entry_ninputs(whole); i++) btl_entry_add_input(g, e, btl_entry_input_at(whole, i), NULL);
    for (int i = 0; i < n; i++) {
        char name[24];
        snprintf(name, sizeof name, "v%d", i);
        btl_entry_add_output(g, e, name, vars[i]);
    }
    char *mode[2] = { cmd_format("c_code,linker=%s", linker), cmd_format("c_code") };
    inputs_call call[2] = { 0 };
    btl_status status = BTL_OK;
    for (int k = 0; k < 2 && status == BTL_OK; k++) {
        btl_function_options o = { .struct_size = sizeof o, .mode = mode[k] };
        status = inputs_call_make(b->c, g, e, &o, &b->v, &b->sizes, &call[k], &err);
    }
    for (int i = 0; i < n && status == BTL_OK && found < 0; i++) {
        char text[700];
        double tolerance = inputs_tolerance(&call[0].out[i]);
        if (compare_arrays(&call[1].out[i], &call[0].out[i], b->o.rtol < 0 ? tolerance : b->o.rtol, b->o.atol < 0 ? tolerance : b->o.atol, text, sizeof text)) continue;
        found = i;
        snprintf(b->difference, sizeof b->difference, "%s", text);
    }
    btl_source_place p = { 0 };
    const char *expression = found >= 0 ? btl_var_expression(g, vars[found]) : NULL;
    if (found >= 0) btl_var_place_at(vars[found], 0, &p);
    if (status != BTL_OK) code = cmd_fail_error(b->c, &err);
    else if (j) {
        jw_text(j, "what", "kernel");
        jw_text(j, "kernel", expression);
        jw_text(j, "file", p.file);
        jw_integer(j, "line", p.line);
        jw_text(j, "difference", found >= 0 ? b->difference : NULL);
    } else if (found >= 0) {
        printf("the first kernel that differs:\n");
        if (p.file) printf("%s:%d:%d: ", p.file, p.line, p.column);
        printf("%s\n", expression ? expression : "?");
        firing_print_source(p.line, p.column, p.source);
        printf("  %s\n", b->difference);
    } else {
        printf("no kernel differs by itself; together they do\n");
    }
    for (int k = 0; k < 2; k++) inputs_call_free(&call[k]), free(mode[k]);
    free(vars);
    btl_graph_free(g);
    return code;
}

/* ---- the search ------------------------------------------------------------------------------------------- */

static void bisect_tell_pass(const bisect *b, const char *pass, const char *message, json *j) {
    (void)b;
    if (j) jw_text(j, "what", "pass"), jw_text(j, "pass", pass);
    else printf("%s\n", message);
}

static int bisect_find(bisect *b, json *j) {
    char *strips = cmd_format("%s,linker=strips", b->bad), *unfused = cmd_format("%s,linker=strips,without=fuse", b->bad);
    char first[sizeof b->difference];
    int code = 0;
    snprintf(first, sizeof first, "%s", b->difference);
    if (j) jw_text(j, "difference", first);
    else printf("%s\n  in %s, against %s, on %s\n", first, b->bad, b->good, b->inputs);
    if (bisect_agrees(b, strips, -1)) {
        if (!j) printf("with linker=strips the results agree: it is the generated code\n");
        code = bisect_kernels(b, "strips", j);
    } else {
        int64_t total = b->nfirings;
        if (total && bisect_agrees(b, strips, 0)) bisect_tell_rewrite(b, strips, bisect_halve(b, strips, total), total, j);
        else if (b->err.status == BTL_OK && bisect_agrees(b, unfused, -1)) bisect_tell_pass(b, "fuse", "it is the pass fuse: without=fuse the results agree", j);
        else if (b->err.status == BTL_OK) bisect_tell_pass(b, NULL, "it is no single rewrite and not fusion: they differ without any, too. Is it the reference? Try --modes fast_compile,...", j);
    }
    if (b->err.status != BTL_OK && !code) code = cmd_fail_error(b->c, &b->err);
    free(strips);
    free(unfused);
    return code;
}

/* Inputs on which the modes differ, if there are any. */
static int bisect_compare(bisect *b, bool *differ) {
    static const struct { double low, high; const char *words; } goes[] = {
        { 0.1, 0.9, "random inputs of 0.1 to 0.9" }, { -2, 2, "random inputs of -2 to 2" }, { -100, 100, "random inputs of -100 to 100" } };
    btl_function *f = NULL;
    btl_function_options look = { .struct_size = sizeof look, .mode = "fast_compile" };
    int first = b->o.nwords > 1 && !strchr(b->o.words[1], '=') ? 2 : 1, code = 0;
    if (btl_function_new(b->c->g, b->e, &look, &f, &b->err) != BTL_OK) return cmd_fail_error(b->c, &b->err);
    b->f = f; /* the names of sizes are its */
    code = values_read(b->c, f, b->o.nwords - first, b->o.words + first, true, &b->v);
    bool all_given = !code;
    for (int i = 0; i < b->v.ninputs; i++) all_given = all_given && (b->v.in[i].data || btl_function_input_has_default(f, i));
    if (!code) b->sizes = inputs_choose_sizes(&b->v);
    bool *given = cmd_alloc((size_t)b->v.ninputs + 1);
    for (int i = 0; i < b->v.ninputs; i++) given[i] = b->v.in[i].data != NULL;
    btl_function_options reference = { .struct_size = sizeof reference, .mode = b->good };
    for (int go = 0; go < (all_given ? 1 : 3) && !code && !*differ; go++) {
        for (int i = 0; i < b->v.ninputs; i++)
            if (!given[i]) btl_array_free(&b->v.in[i]), b->v.in[i] = (btl_array){ 0 };
        inputs_call_free(&b->reference);
        b->inputs = all_given ? "the inputs given" : goes[go].words;
        btl_status status = inputs_fill(b->c, b->o.seed, goes[go].low, goes[go].high, &b->v, &b->sizes, true, &b->err);
        if (status == BTL_OK) status = inputs_call_make(b->c, b->c->g, b->e, &reference, &b->v, &b->sizes, &b->reference, &b->err);
        if (status != BTL_OK) code = cmd_fail_error(b->c, &b->err);
        else *differ = !bisect_agrees(b, b->bad, -1);
        if (!code && b->err.status != BTL_OK) code = cmd_fail_error(b->c, &b->err);
    }
    free(given);
    return code;
}

static int bisect_run(bisect *b, json *j) {
    int code = 0;
    bool differ = false;
    b->e = cmd_entry(b->c, b->o.nwords > 1 && !strchr(b->o.words[1], '=') ? b->o.words[1] : NULL, &code);
    if (!b->e) return code;
    code = bisect_compare(b, &differ);
    if (code) return code;
    if (j) jw_bool(j, "differ", differ);
    if (!differ && !j && !b->c->quiet) printf("ok %s: %s and %s agree on %s\n", btl_entry_name(b->e), b->good, b->bad, strcmp(b->inputs, "the inputs given") == 0 ? b->inputs : "random inputs");
    if (!differ) return 0;
    code = bisect_find(b, j);
    return code ? code : cmd_exit_code(BTL_ECHECK);
}

int verb_bisect(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { bisect_argp_options, bisect_parse, "F.bitale [FUNCTION] [NAME=VALUE...]", bisect_doc, children, NULL, NULL };
    cmd c = { .verb = "bisect" };
    bisect b = { .c = &c, .o = { .c = &c, .rtol = -1, .atol = -1, .seed = 1 } };
    json j = { 0 };
    cmd_parse(&c, &argp, argc, argv, &b.o);
    char *modes = cmd_format("%s", b.o.modes ? b.o.modes : c.mode ? "" : "c_code,fast_run");
    char *second = inputs_next_mode(modes);
    if (!b.o.modes && c.mode) b.good = "c_code", b.bad = c.mode;
    else b.good = modes, b.bad = second;
    btl_error err = { 0 };
    int code = 0;
    if (!b.bad || inputs_next_mode(second ? second : modes)) code = cmd_usage(&c, "--modes takes two modes, the first being right: c_code,fast_run");
    for (int i = 0; i < 2 && !code; i++)
        if (btl_mode_check(i ? b.bad : b.good, &err) != BTL_OK) code = cmd_usage(&c, "%s", err.message);
    if (!code) code = cmd_open(&c, b.o.words[0]);
    if (!code && c.json) jw_open(&j, NULL, '{');
    if (!code) {
        code = bisect_run(&b, c.json ? &j : NULL);
        if (c.json) jw_close(&j, '}'), jw_end(&j);
    }
    inputs_call_free(&b.reference);
    inputs_sizes_free(&b.sizes);
    if (b.v.in) values_free(&b.v);
    btl_function_free(b.f);
    firing_free(&b.kept);
    free(modes);
    cmd_close(&c);
    return cmd_finish(&c, code);
}
