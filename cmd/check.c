/* check.c - bitale check: everything about a program that can be told without its data, and, with
 * options, whether gradients, modes and stored results agree.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"
#include "compare.h"
#include "inputs.h"
#include "json.h"
#include "random.h"
#include "show.h"
#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- options --------------------------------------------------------------------------------------- */

typedef struct check_options {
    cmd *c;
    bool grad, warn_f64;
    char *modes;
    const char *expect;
    double rtol, atol;      /* -1: not said */
    uint64_t seed;
    int nsizes;
    char *sizes[64];        /* NAME=NUMBER */
    int nwords;
    char **words;
} check_options;

enum { KEY_GRAD = 0x300, KEY_MODES, KEY_EXPECT, KEY_RTOL, KEY_ATOL, KEY_WARN, KEY_SIZE, KEY_SEED };

static const struct argp_option check_argp_options[] = {
    { "grad", KEY_GRAD, NULL, 0, "Compare the gradient of every single floating-point result, by all floating-point arguments and shared variables, with finite differences", 1 },
    { "modes", KEY_MODES, "A,B", 0, "Call each function in these modes on the same inputs and compare results and new values of shared variables", 1 },
    { "expect", KEY_EXPECT, "DIR", 0, "Call FUNCTION (main if not named) on the NAME=VALUE given, and compare each result with DIR/NAME.npy", 1 },
    { "warn", KEY_WARN, "WHAT", 0, "f64: show where f64 arises from operands that are not f64", 1 },
    { "size", KEY_SIZE, "NAME=N", 0, "The value of a size for --grad and --modes (3, 4, 5, ... unless said); any number of times", 2 },
    { "seed", KEY_SEED, "N", 0, "Of the random inputs (1 unless said)", 2 },
    { "rtol", KEY_RTOL, "R", 0, "Allowed: |got - expected| <= A + R*|expected|. For --expect 1e-5; --modes allows what the rewrites that were used promise", 2 },
    { "atol", KEY_ATOL, "A", 0, "For --expect 1e-8", 2 },
    { 0 },
};

static const char check_doc[] =
    "Parses and types a program and compiles its functions. All mistakes are shown, with line, column and hint. For each function a line says what it "
    "takes and returns."
    "\v"
    "--grad and --modes call functions on random inputs: floats uniform in 0.1 to 0.9, integers and bool 0 or 1, shared variables at their first values, "
    "for --grad moved by up to 0.1. NAME=VALUE as in run gives an argument instead, --size a size.\n"
    "\n"
    "--grad is Theano's verify_grad: the result moves along one random direction through all inputs at once, computed in f64 by the reference of each "
    "operation. A kink (abs, max, relu) that lies within the step gives a false alarm: try another --seed.\n"
    "\n"
    "--modes calls each function in every mode and compares with the first: every bit where no rewrite that was used may change one; otherwise as many ulp as they promise "
    "together, and 4 times what moving each input by an ulp changes. Values that differ by more are held against the program computed in higher precision: a mode is at fault if it is "
    "farther from that than its rules promise and rounding explains. Mode debug among them compares more (see run --help).\n"
    "\n"
    "With FUNCTION only that one is checked. Several programs are checked one after the other; a word with a point or a slash is a program.\n"
    "\n"
    "Examples:\n"
    "  bitale check model.bitale\n"
    "  bitale check model.bitale --grad --size n=5\n"
    "  bitale check model.bitale train --modes c_code,fast_run,debug\n"
    "  bitale check --modes c_code,fast_run examples/*.bitale\n"
    "  bitale check model.bitale predict x=x.npy --expect stored --rtol 1e-4\n"
    "  bitale check model.bitale --warn f64\n"
    "\n"
    "Exit codes: 0 all is well; 1 a check failed; 2 wrong use of the command; 3 bad input: the program has mistakes, a file is missing; 5 a call failed.";

static error_t check_parse(int key, char *arg, struct argp_state *state) {
    check_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case KEY_GRAD: o->grad = true; return 0;
    case KEY_MODES: o->modes = arg; return 0;
    case KEY_EXPECT: o->expect = arg; return 0;
    case KEY_RTOL: o->rtol = cmd_option_number(state, "--rtol", arg); return 0;
    case KEY_ATOL: o->atol = cmd_option_number(state, "--atol", arg); return 0;
    case KEY_SEED: o->seed = (uint64_t)cmd_option_integer(state, "--seed", arg, 0); return 0;
    case KEY_WARN:
        if (strcmp(arg, "f64") != 0) argp_error(state, "--warn knows f64, found %s", arg);
        o->warn_f64 = true;
        return 0;
    case KEY_SIZE:
        if (!strchr(arg, '=') || o->nsizes == 64) argp_error(state, "--size takes NAME=N, found %s", arg);
        o->sizes[o->nsizes++] = arg;
        return 0;
    case ARGP_KEY_ARGS:
        o->words = state->argv + state->next;
        o->nwords = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "which program? Give a file, or - for standard input"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- what was found --------------------------------------------------------------------------------- */

typedef struct check_result { const char *kind; char *function, *what, *message; bool ok; } check_result;

typedef struct check {
    check_options o;
    cmd *c;
    int nresults;
    check_result *results;
    int exit_code;          /* the first that is not 0 */
} check;

static void check_note_code(check *k, int code) {
    if (!k->exit_code) k->exit_code = code;
}

static void check_add(check *k, const char *kind, const char *function, const char *what, bool ok, const char *message) {
    k->results = cmd_realloc(k->results, (size_t)(k->nresults + 1) * sizeof *k->results);
    k->results[k->nresults++] = (check_result){ kind, cmd_format("%s", function), cmd_format("%s", what), cmd_format("%s", message), ok };
    if (!ok) check_note_code(k, cmd_exit_code(BTL_ECHECK));
    if (ok && !k->c->json && !k->c->quiet) printf("ok %s: %s%s%s\n", function, what, *message ? ": " : "", message);
    if (ok) return;
    fflush(stdout);
    fprintf(stderr, "FAILED %s: %s: %s\n", function, what, message);
}

/* A call, a compilation or a file that failed: no check, but what it would have told is not known. */
static void check_error(check *k, const char *kind, const char *function, const char *what, const btl_error *err, const char *sizes) {
    char *message = cmd_format("%s%s%s%s", err->message, *sizes ? "\n    hint: the sizes were " : "", sizes, *sizes ? "; --size NAME=N gives others" : "");
    check_add(k, kind, function, what, false, message);
    free(message);
    k->exit_code = k->exit_code <= 1 ? cmd_exit_code(err->status) : k->exit_code;
}

/* ---- signatures --------------------------------------------------------------------------------------- */

static void check_print_signature(const btl_function *f) {
    printf("ok %s(", btl_function_name(f));
    for (int i = 0; i < btl_function_ninputs(f); i++)
        printf("%s%s: %s%s", i ? ", " : "", btl_function_input_name(f, i), btl_function_input_type(f, i), btl_function_input_has_default(f, i) ? " = ..." : "");
    fputs(") -> ", stdout);
    for (int i = 0; i < btl_function_noutputs(f); i++) printf("%s%s: %s", i ? ", " : "", btl_function_output_name(f, i), btl_function_output_type(f, i));
    if (!btl_function_noutputs(f)) fputs("nothing", stdout);
    for (int i = 0; i < btl_function_nupdates(f); i++) printf("%s%s", i ? ", " : "; updates ", btl_function_update_name(f, i));
    putchar('\n');
}

static void check_json_signature(json *j, const btl_function *f) {
    jw_open(j, NULL, '{');
    jw_text(j, "name", btl_function_name(f));
    jw_open(j, "arguments", '[');
    for (int i = 0; i < btl_function_ninputs(f); i++) {
        jw_open(j, NULL, '{');
        jw_text(j, "name", btl_function_input_name(f, i));
        jw_text(j, "type", btl_function_input_type(f, i));
        jw_bool(j, "default", btl_function_input_has_default(f, i));
        jw_close(j, '}');
    }
    jw_close(j, ']');
    jw_open(j, "outputs", '[');
    for (int i = 0; i < btl_function_noutputs(f); i++) {
        jw_open(j, NULL, '{');
        jw_text(j, "name", btl_function_output_name(f, i));
        jw_text(j, "type", btl_function_output_type(f, i));
        jw_close(j, '}');
    }
    jw_close(j, ']');
    jw_open(j, "updates", '[');
    for (int i = 0; i < btl_function_nupdates(f); i++) jw_text(j, NULL, btl_function_update_name(f, i));
    jw_close(j, ']');
    jw_close(j, '}');
}

/* ---- inputs -------------------------------------------------------------------------------------------- */

/* Words that speak of this function; those of others are passed over, unless no function knows them. */
static int check_words(const check *k, const btl_function *f, char **out) {
    int n = 0, first = k->o.nwords > 1 && !strchr(k->o.words[1], '=') ? 2 : 1;
    bool one = first == 2 || btl_graph_nentries(k->c->g) == 1;
    for (int i = first; i < k->o.nwords + k->o.nsizes; i++) {
        char *word = i < k->o.nwords ? k->o.words[i] : k->o.sizes[i - k->o.nwords];
        size_t length = strcspn(word, "=");
        bool mine = one || !word[length];
        for (int a = 0; !mine && a < btl_function_ninputs(f); a++) mine = strlen(btl_function_input_name(f, a)) == length && strncmp(btl_function_input_name(f, a), word, length) == 0;
        for (int a = 0; !mine && a < btl_function_nsizes(f); a++) mine = strlen(btl_function_size_name(f, a)) == length && strncmp(btl_function_size_name(f, a), word, length) == 0;
        if (mine) out[n++] = word;
    }
    return n;
}

/* Arguments for f: given and random ones. 0, or an exit code after a message. */
static int check_inputs(check *k, const btl_function *f, bool partial, values *v) {
    char **words = cmd_alloc((size_t)(k->o.nwords + k->o.nsizes + 1) * sizeof *words);
    for (int i = 0, n = check_words(k, f, words); i <= n; i++) words[i] = i < n ? cmd_format("%s", words[i]) : NULL; /* values_read cuts names in place */
    int n = 0;
    while (words[n]) n++;
    int code = values_read(k->c, f, n, words, partial, v);
    for (int i = 0; i < v->nsizes; i++) v->size_names[i] = cmd_format("%s", v->size_names[i]);
    for (int i = 0; i < n; i++) free(words[i]);
    free(words);
    return code;
}

static void check_inputs_free(values *v) {
    for (int i = 0; i < v->nsizes; i++) free((char *)(uintptr_t)v->size_names[i]);
    values_free(v);
}

/* ---- --grad --------------------------------------------------------------------------------------------- */

/* The value of a leaf: an argument's, or a shared variable's first one, moved a little. */
static btl_status check_leaf_value(check *k, btl_entry *e, const values *v, btl_state *state, btl_var *leaf, uint64_t *random, btl_array *out, btl_error *err) {
    for (int i = 0; i < btl_entry_ninputs(e); i++) {
        if (btl_entry_input_at(e, i) != leaf) continue;
        btl_status status = btl_array_new(k->c->ctx, btl_var_dtype(leaf), v->in[i].ndim, v->in[i].shape, out);
        return status == BTL_OK ? btl_array_copy(out, &v->in[i]) : status;
    }
    btl_status status = btl_state_get(state, btl_var_name(leaf), out, err);
    if (status == BTL_OK) random_perturb(random, out);
    return status;
}

static void check_gradient_of(check *k, btl_entry *e, int output, const values *v, btl_state *state, const char *sizes) {
    enum { MOST = 1000 };
    btl_var **leaves = cmd_alloc(MOST * sizeof *leaves), *y;
    btl_array *at = cmd_alloc(MOST * sizeof *at);
    const char *name;
    btl_error err = { 0 };
    uint64_t random = k->o.seed ^ 0x5851f42d4c957f2du;
    btl_verify_options options = { .seed = k->o.seed };
    y = btl_entry_output_at(e, output, &name);
    int n = btl_var_leaves(k->c->g, y, MOST, leaves), nfloat = 0;
    btl_status status = n < 0 ? BTL_ENOMEM : n > MOST ? BTL_EUNSUPPORTED : BTL_OK;
    if (n > MOST) n = MOST;
    char *what = cmd_format("gradient of %s by", name);
    for (int i = 0; i < n && status == BTL_OK; i++) {
        status = check_leaf_value(k, e, v, state, leaves[i], &random, &at[i], &err);
        if (btl_dtype_kind(btl_var_dtype(leaves[i])) != 'f') continue;
        char *longer = cmd_format("%s%s %s", what, nfloat++ ? "," : "", btl_var_name(leaves[i]));
        free(what);
        what = longer;
    }
    if (status == BTL_OK && nfloat) status = btl_verify_grad(k->c->g, y, n, leaves, at, &options, &err);
    if (status != BTL_OK && !err.message[0]) snprintf(err.message, sizeof err.message, "%s", btl_status_text(status));
    err.status = status;
    if (status == BTL_OK && !nfloat) check_add(k, "grad", btl_entry_name(e), name, true, "depends on no floating-point variable");
    else if (status == BTL_OK) check_add(k, "grad", btl_entry_name(e), what, true, sizes);
    else check_error(k, "grad", btl_entry_name(e), what, &err, sizes);
    for (int i = 0; i < n; i++) btl_array_free(&at[i]);
    free(what);
    free(at);
    free(leaves);
}

static void check_gradients(check *k, btl_entry *e, const btl_function *f) {
    values v;
    btl_error err = { 0 };
    btl_state *state = NULL;
    int code = check_inputs(k, f, true, &v);
    inputs_sizes s = inputs_choose_sizes(&v);
    check_note_code(k, code);
    btl_status status = code ? BTL_OK : inputs_fill(k->c, k->o.seed, 0.1, 0.9, &v, &s, false, &err);
    if (!code && status == BTL_OK) status = btl_state_new(k->c->g, &state, &err);
    if (status != BTL_OK) check_error(k, "grad", btl_function_name(f), "gradients", &err, s.text);
    for (int i = 0; !code && status == BTL_OK && i < btl_function_noutputs(f); i++)
        if (btl_function_output_rank(f, i) == 0 && btl_dtype_kind(btl_function_output_dtype(f, i)) == 'f') check_gradient_of(k, e, i, &v, state, s.text);
    btl_state_free(state);
    inputs_sizes_free(&s);
    check_inputs_free(&v);
}

/* ---- --modes ---------------------------------------------------------------------------------------------- */

static void check_compare(check *k, const char *kind, const char *function, const char *what, const btl_array *got, const btl_array *want, double rtol, double atol) {
    char text[800];
    bool ok = compare_arrays(got, want, rtol, atol, text, sizeof text);
    check_add(k, kind, function, what, ok, text);
}

/* What may differ where it is not promised that nothing does: the first mode once more on inputs and shared variables each moved by up
 * to an ulp. spread[i]: of result or update i, for each element. */
enum { CHECK_SPREADS = 4, CHECK_FACTOR = 4 };

static btl_status check_copy(check *k, const btl_array *from, btl_array *to) {
    btl_dtype dtype = BTL_BOOL;
    btl_array_dtype(from, &dtype);
    btl_status status = btl_array_new(k->c->ctx, dtype, from->ndim, from->shape, to);
    return status == BTL_OK ? btl_array_copy(to, from) : status;
}

static btl_status check_moved_state(uint64_t *random, btl_state *s) {
    for (int i = 0; i < btl_state_nshared(s); i++) {
        btl_array value = { 0 };
        btl_status status = btl_state_get(s, btl_state_name(s, i), &value, NULL);
        if (status == BTL_OK) random_move(random, &value), status = btl_state_set(s, btl_state_name(s, i), &value, NULL);
        btl_array_free(&value);
        if (status != BTL_OK) return status;
    }
    return BTL_OK;
}

static void check_spread_once(check *k, const inputs_call *a, const values *v, const btl_call_options *call, uint64_t seed, double **spread) {
    int nin = btl_function_ninputs(a->f), nout = btl_function_noutputs(a->f);
    uint64_t random = seed;
    btl_array *in = cmd_alloc((size_t)(nin + 1) * sizeof *in), *out = cmd_alloc((size_t)(nout + 1) * sizeof *out);
    btl_state *state = NULL;
    btl_status status = btl_state_new(k->c->g, &state, NULL);
    for (int i = 0; i < nin && status == BTL_OK; i++)
        if (v->in[i].data) status = check_copy(k, &v->in[i], &in[i]), random_move(&random, &in[i]);
    if (status == BTL_OK) status = check_moved_state(&random, state);
    if (status == BTL_OK) status = btl_call(a->f, state, in, out, call, NULL);
    for (int i = 0; i < nout + btl_function_nupdates(a->f) && status == BTL_OK; i++) {
        btl_array moved = { 0 }, was = { 0 };
        const char *name = i < nout ? NULL : btl_function_update_name(a->f, i - nout);
        if (!name) moved = out[i], was = a->out[i];
        else if (btl_state_get(state, name, &moved, NULL) != BTL_OK || btl_state_get(a->state, name, &was, NULL) != BTL_OK) check_note_code(k, cmd_exit_code(BTL_ENOMEM));
        bool same = moved.data && was.data && btl_array_elems(&moved) == btl_array_elems(&was);
        if (same) compare_add_spread(&moved, &was, CHECK_FACTOR, spread[i]);
        if (name) btl_array_free(&moved), btl_array_free(&was);
    }
    for (int i = 0; i < nin; i++) btl_array_free(&in[i]);
    for (int i = 0; i < nout; i++) btl_array_free(&out[i]);
    free(in);
    free(out);
    btl_state_free(state);
}

/* Made when it is asked for first. */
static double **check_spread(check *k, const inputs_call *a, const values *v, const btl_call_options *call) {
    int nout = btl_function_noutputs(a->f), n = nout + btl_function_nupdates(a->f);
    double **spread = cmd_alloc((size_t)(n + 1) * sizeof *spread);
    for (int i = 0; i < n; i++) {
        btl_array value = { 0 };
        if (i < nout) value = a->out[i];
        else btl_state_get(a->state, btl_function_update_name(a->f, i - nout), &value, NULL);
        spread[i] = cmd_alloc((size_t)(value.data ? btl_array_elems(&value) : 0) * sizeof(double) + sizeof(double));
        if (i >= nout) btl_array_free(&value);
    }
    for (int t = 0; t < CHECK_SPREADS; t++) check_spread_once(k, a, v, call, k->o.seed + 1000u * (unsigned)(t + 1), spread);
    return spread;
}

static void check_spread_free(const inputs_call *a, double **spread) {
    for (int i = 0; spread && i < btl_function_noutputs(a->f) + btl_function_nupdates(a->f); i++) free(spread[i]);
    free(spread);
}

/* Two calls under comparison. */
typedef struct check_pair {
    check *k;
    btl_entry *e;
    const inputs_call *a, *b;
    const values *v;
    const btl_call_options *call;
    double ***spread;       /* of the first; NULL: not made yet */
} check_pair;

/* As many ulp as the rules that fired promise together; 0: they keep every bit. */
static double check_ulps(const inputs_call *c, bool *keeps_bits) {
    btl_promise p;
    btl_function_promise(c->f, &p);
    *keeps_bits = !p.loosest;
    return p.ulps + 4 * p.reassociating;
}

static void check_describe_fault(const check_pair *p, const btl_array *got, const btl_array *want, const btl_judged *of, char *text, size_t bytes) {
    char a[200], b[200], where[200];
    bool second = of[1].nwrong > 0;
    const btl_judged *w = &of[second];
    compare_index(want, w->worst, where, sizeof where);
    show_element(want, w->worst, a, sizeof a);
    show_element(got, w->worst, b, sizeof b);
    snprintf(text, bytes, "%lld of %lld values are wrong in %s%s; the worst %sis %s in %s, %s in %s, and %.9g in higher precision (allowed: %.3g off that)", (long long)w->nwrong,
             (long long)btl_array_elems(got), second ? p->b->mode : p->a->mode, second && of[0].nwrong ? ", others in both" : "", where, b, p->b->mode, a, p->a->mode, w->truth, w->allowed);
}

/* Where two modes differ, which of them is farther from the truth than it may be? */
static bool check_judge(const check_pair *p, int i, const btl_array *got, const btl_array *want, const double *ulps, const bool *differ, char *text, size_t bytes) {
    check *k = p->k;
    int nout = btl_function_noutputs(p->a->f);
    btl_state *state = NULL;
    btl_error err = { 0 };
    btl_judged of[2] = { { .value = want, .ulps = ulps[0] }, { .value = got, .ulps = ulps[1] } };
    btl_judged_call call = { .struct_size = sizeof call, .in = p->v->in, .nsizes = p->call->nsizes, .size_names = p->call->size_names, .size_values = p->call->size_values, .output = i,
                             .update = i < nout ? NULL : btl_function_update_name(p->a->f, i - nout), .doubted = differ };
    size_t length = strlen(text);
    int64_t ndiffer = 0;
    for (int64_t e = 0; e < btl_array_elems(want); e++) ndiffer += differ[e];
    if (!ndiffer) return false; /* not even their shapes agree */
    btl_status status = btl_state_new(k->c->g, &state, &err);
    call.state = state;
    if (status == BTL_OK) status = btl_entry_judge(k->c->g, p->e, &call, 2, of, &err);
    btl_state_free(state);
    if (status != BTL_OK) {
        snprintf(text + length, bytes - length, "; what is right is not known: %.200s", err.message);
        return false;
    }
    if (!of[0].nwrong && !of[1].nwrong) {
        snprintf(text, bytes, "%lld of %lld values differ by what rounding does to them", (long long)ndiffer, (long long)btl_array_elems(want));
        return true;
    }
    check_describe_fault(p, got, want, of, text, bytes);
    return false;
}

/* One result of two modes: every bit where all rules that fired in both keep it; otherwise as many ulp as they promise, more by as much
 * as the inputs' own last bits matter; and where that is not enough, higher precision tells. */
static void check_compare_computed(const check_pair *p, int i, const char *what, const btl_array *got, const btl_array *want) {
    check *k = p->k;
    char text[1200];
    bool bits[2], *differ = cmd_alloc((size_t)btl_array_elems(want) + 1);
    double ulps[2] = { check_ulps(p->a, &bits[0]), check_ulps(p->b, &bits[1]) }, both = bits[0] && bits[1] ? 0 : ulps[0] + ulps[1] + 4;
    bool ok = compare_computed(got, want, 0, NULL, NULL, text, sizeof text);
    if (!ok && both > 0) {
        if (!*p->spread) *p->spread = check_spread(k, p->a, p->v, p->call);
        ulps[0] += 4, ulps[1] += 4;
        ok = compare_computed(got, want, both, (*p->spread)[i], differ, text, sizeof text) || check_judge(p, i, got, want, ulps, differ, text, sizeof text);
    }
    char *message = both > 0 ? cmd_format("%s", text) : cmd_format("%s%s", text, ok ? "" : "; no rule that fired may change a bit");
    check_add(k, "modes", btl_function_name(p->a->f), what, ok, message);
    free(message);
    free(differ);
}

static void check_compare_calls(const check_pair *p) {
    check *k = p->k;
    const char *function = btl_function_name(p->a->f);
    for (int i = 0; i < btl_function_noutputs(p->a->f) + btl_function_nupdates(p->a->f); i++) {
        int update = i - btl_function_noutputs(p->a->f);
        const char *name = update < 0 ? btl_function_output_name(p->a->f, i) : btl_function_update_name(p->a->f, update);
        btl_array got = { 0 }, want = { 0 };
        if (update < 0) got = p->b->out[i], want = p->a->out[i];
        else if (btl_state_get(p->b->state, name, &got, NULL) != BTL_OK || btl_state_get(p->a->state, name, &want, NULL) != BTL_OK) check_note_code(k, cmd_exit_code(BTL_ENOMEM));
        char *what = cmd_format("%s in %s and %s", name, p->b->mode, p->a->mode);
        if (want.data && got.data && k->o.rtol < 0 && k->o.atol < 0) check_compare_computed(p, i, what, &got, &want);
        else if (want.data && got.data) check_compare(k, "modes", function, what, &got, &want, k->o.rtol < 0 ? 0 : k->o.rtol, k->o.atol < 0 ? 0 : k->o.atol);
        free(what);
        if (update >= 0) btl_array_free(&got), btl_array_free(&want);
    }
}

static void check_modes(check *k, btl_entry *e, const btl_function *f) {
    values v;
    inputs_call first = { 0 }, next = { 0 };
    btl_error err = { 0 };
    int code = check_inputs(k, f, true, &v);
    inputs_sizes s = inputs_choose_sizes(&v);
    check_note_code(k, code);
    btl_status status = code ? BTL_EUSAGE : inputs_fill(k->c, k->o.seed, 0.1, 0.9, &v, &s, true, &err);
    char *modes = cmd_format("%s", k->o.modes), *next_mode;
    double **spread = NULL;
    btl_call_options call = { .struct_size = sizeof call, .threads = k->c->threads, .nsizes = s.n, .size_names = s.names, .size_values = s.values };
    for (char *mode = modes; mode && status == BTL_OK; mode = next_mode) {
        next_mode = inputs_next_mode(mode);
        inputs_call *made = first.f ? &next : &first;
        btl_function_options options = cmd_function_options(k->c);
        options.mode = mode;
        status = inputs_call_make(k->c, k->c->g, e, &options, &v, &s, made, &err);
        if (status == BTL_OK && made == &next) check_compare_calls(&(check_pair){ k, e, &first, &next, &v, &call, &spread });
        inputs_call_free(&next);
        next = (inputs_call){ 0 };
    }
    if (!code && status != BTL_OK) check_error(k, "modes", btl_function_name(f), k->o.modes, &err, err.status == BTL_EUSAGE ? "" : s.text);
    check_spread_free(&first, spread);
    inputs_call_free(&first);
    free(modes);
    inputs_sizes_free(&s);
    check_inputs_free(&v);
}

/* ---- --expect ------------------------------------------------------------------------------------------------ */

static void check_expect_output(check *k, const btl_function *f, int i, const btl_array *got) {
    const char *name = btl_function_output_name(f, i);
    char *path = cmd_format("%s/%s.npy", k->o.expect, name);
    btl_array want = { 0 };
    btl_error err = { 0 };
    if (btl_npy_read(k->c->ctx, path, &want, &err) != BTL_OK) check_error(k, "expect", btl_function_name(f), name, &err, "");
    else check_compare(k, "expect", btl_function_name(f), name, got, &want, k->o.rtol < 0 ? 1e-5 : k->o.rtol, k->o.atol < 0 ? 1e-8 : k->o.atol);
    btl_array_free(&want);
    free(path);
}

static void check_expect(check *k, const btl_function *f) {
    values v;
    btl_error err = { 0 };
    btl_state *state = NULL;
    int code = check_inputs(k, f, false, &v), n = btl_function_noutputs(f);
    check_note_code(k, code);
    btl_array *out = cmd_alloc((size_t)(n + 1) * sizeof *out);
    btl_call_options options = values_call_options(k->c, &v);
    btl_status status = code ? BTL_EUSAGE : btl_state_new(k->c->g, &state, &err);
    if (status == BTL_OK) status = btl_call(f, state, v.in, out, &options, &err);
    if (!code && status != BTL_OK) check_error(k, "expect", btl_function_name(f), "the call", &err, "");
    for (int i = 0; i < n && status == BTL_OK; i++) check_expect_output(k, f, i, &out[i]);
    for (int i = 0; i < n; i++) btl_array_free(&out[i]);
    free(out);
    btl_state_free(state);
    check_inputs_free(&v);
}

/* ---- all functions ------------------------------------------------------------------------------------------- */

static void check_warn(check *k, const btl_entry *e) {
    int n = 0;
    const char *text = btl_entry_f64_warnings(k->c->g, e, &n);
    if (text && n) fputs(text, stderr);
    char *message = cmd_format("%d place%s", n, n == 1 ? "" : "s");
    check_add(k, "warn", btl_entry_name(e), "f64 arises in", true, text ? message : "out of memory");
    free(message);
}

/* A program in the schedule stage is a plan: it is checked as such. */
static void check_schedule(check *k, btl_entry *e, json *j) {
    btl_error err = { 0 };
    if (btl_entry_check_memory(k->c->g, e, &err) != BTL_OK) {
        check_note_code(k, cmd_fail_error(k->c, &err));
        return;
    }
    if (j) jw_open(j, NULL, '{'), jw_text(j, "name", btl_entry_name(e)), jw_bool(j, "schedule", true), jw_close(j, '}');
    else if (!k->c->quiet) printf("%s: a schedule, in which every into is safe\n", btl_entry_name(e));
}

static void check_function(check *k, btl_entry *e, bool expect, json *j) {
    if (btl_graph_is_schedule(k->c->g)) {
        check_schedule(k, e, j);
        return;
    }
    btl_function *f = NULL;
    btl_error err = { 0 };
    btl_function_options options = expect ? cmd_function_options(k->c) : cmd_function_options_strips(k->c);
    if (btl_function_new(k->c->g, e, &options, &f, &err) != BTL_OK) {
        check_note_code(k, cmd_fail_error(k->c, &err));
        return;
    }
    if (j) check_json_signature(j, f);
    else if (!k->c->quiet) check_print_signature(f);
    if (k->o.warn_f64) check_warn(k, e);
    if (k->o.grad) check_gradients(k, e, f);
    if (k->o.modes) check_modes(k, e, f);
    if (expect) check_expect(k, f);
    btl_function_free(f);
}

/* NAME= of every word must be known to some function. */
static int check_known_words(const check *k, int first) {
    int n = btl_graph_nentries(k->c->g);
    for (int i = first; i < k->o.nwords + k->o.nsizes; i++) {
        const char *word = i < k->o.nwords ? k->o.words[i] : k->o.sizes[i - k->o.nwords];
        size_t length = strcspn(word, "=");
        bool known = !word[length];
        for (int a = 0; a < n && !known; a++) {
            btl_function *f = NULL;
            btl_function_options options = cmd_function_options_strips(k->c);
            if (btl_function_new(k->c->g, btl_entry_find(k->c->g, btl_graph_entry_name(k->c->g, a)), &options, &f, NULL) != BTL_OK) return 0; /* told later */
            for (int b = 0; b < btl_function_ninputs(f); b++) known |= strlen(btl_function_input_name(f, b)) == length && strncmp(btl_function_input_name(f, b), word, length) == 0;
            for (int b = 0; b < btl_function_nsizes(f); b++) known |= strlen(btl_function_size_name(f, b)) == length && strncmp(btl_function_size_name(f, b), word, length) == 0;
            btl_function_free(f);
        }
        if (!known) return cmd_fail(k->c, BTL_ENAME, "no function has an argument or a size named %.*s", (int)length, word);
    }
    return 0;
}

static int check_program(check *k, json *j) {
    bool named = k->o.nwords > 1 && !strchr(k->o.words[1], '=');
    int code = check_known_words(k, named ? 2 : 1), n = btl_graph_nentries(k->c->g);
    if (code) return code;
    btl_entry *only = named || k->o.expect ? cmd_entry(k->c, named ? k->o.words[1] : NULL, &code) : NULL;
    if (code) return code;
    if (j) jw_open(j, "functions", '[');
    for (int i = 0; i < n; i++) {
        btl_entry *e = btl_entry_find(k->c->g, btl_graph_entry_name(k->c->g, i));
        if (!named || e == only) check_function(k, e, k->o.expect && e == only, j);
    }
    if (j) jw_close(j, ']');
    if (n == 0 && !j && !k->c->quiet) printf("ok %s: no function and no output\n", k->c->file);
    return k->exit_code;
}

static void check_json_results(const check *k, json *j) {
    jw_open(j, "checks", '[');
    for (int i = 0; i < k->nresults; i++) {
        const check_result *r = &k->results[i];
        jw_open(j, NULL, '{');
        jw_text(j, "kind", r->kind);
        jw_text(j, "function", r->function);
        jw_text(j, "what", r->what);
        jw_bool(j, "ok", r->ok);
        jw_text(j, "message", r->message);
        jw_close(j, '}');
    }
    jw_close(j, ']');
}

static void check_free(check *k) {
    for (int i = 0; i < k->nresults; i++) {
        free(k->results[i].function);
        free(k->results[i].what);
        free(k->results[i].message);
    }
    free(k->results);
    k->results = NULL, k->nresults = 0;
}

/* One program: its object in JSON, its exit code. */
static int check_file(check *k, const char *path, json *j) {
    cmd *c = k->c;
    int code = cmd_open(c, path);
    k->exit_code = 0;
    if (j) {
        jw_open(j, NULL, '{');
        jw_text(j, "program", c->file ? c->file : path);
        jw_integer(j, "mistakes", c->g ? btl_graph_nmessages(c->g) : 0);
        if (code && c->g) jw_text(j, "messages", btl_graph_messages(c->g));
    }
    if (!code) code = check_program(k, j);
    if (j) {
        check_json_results(k, j);
        jw_bool(j, "ok", code == 0);
        jw_close(j, '}');
    }
    check_free(k);
    cmd_close_program(c);
    return code;
}

/* "model.bitale", "-", "dir/x": no name of a function has a point or a slash. */
static bool check_is_file(const char *word) { return !strchr(word, '=') && (strpbrk(word, "./") || strcmp(word, "-") == 0); }

int verb_check(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { check_argp_options, check_parse, "F.bitale... [FUNCTION] [NAME=VALUE...]", check_doc, children, NULL, NULL };
    cmd c = { .verb = "check" };
    check k = { .c = &c, .o = { .c = &c, .rtol = -1, .atol = -1, .seed = 1 } };
    json j = { 0 };
    int code = 0, nfiles = 1;
    cmd_parse(&c, &argp, argc, argv, &k.o);
    while (nfiles < k.o.nwords && check_is_file(k.o.words[nfiles])) nfiles++;
    char **files = k.o.words;
    k.o.words += nfiles - 1, k.o.nwords -= nfiles - 1; /* words[0] stands for the program */
    if (c.json && nfiles > 1) jw_open(&j, NULL, '[');
    for (int i = 0; i < nfiles; i++) {
        if (nfiles > 1 && !c.json && !c.quiet) printf("%s:\n", files[i]);
        int one = check_file(&k, files[i], c.json ? &j : NULL);
        if (one > code) code = one; /* the worst */
    }
    if (c.json && nfiles > 1) jw_close(&j, ']');
    if (c.json) jw_end(&j);
    cmd_close(&c);
    return cmd_finish(&c, code);
}
