/* opt.c - bitale opt: what the rewrites make of a function, and which rule did what.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "firing.h"

#include <stdio.h>
#include <string.h>

typedef struct opt_options { cmd *c; bool explain; const char *file, *function; } opt_options;

enum { KEY_EXPLAIN = 0x300 };

static const struct argp_option opt_argp_options[] = {
    { "explain", KEY_EXPLAIN, NULL, 0, "Tell each rewrite, in the order in which they were made: where in the source, which rule, what it replaced by what", 1 },
    { 0 },
};

static const char opt_doc[] =
    "Prints a function (all, if FUNCTION is not given) in the normal form as the rewrites leave it, before operations are put together into kernels (`bitale "
    "print --after` shows every pass)."
    "\v"
    "--explain tells how it came there. A line is FILE:LINE:COLUMN: RULE (PHASE): BEFORE => AFTER; behind the rule stands, of one of your own, [FILE:LINE]. Of each "
    "expression a few levels are shown. `bitale rules RULE` tells why a rule is there; --mode fast_run,without=RULE leaves it out. Equal expressions are made one without a word.\n"
    "\n"
    "Examples:\n"
    "  bitale opt model.bitale train\n"
    "  bitale opt model.bitale train --explain\n"
    "  bitale opt model.bitale --explain --rules mine.rules\n"
    "\n"
    "Exit codes: 0 good; 2 wrong use of the command; 3 the program has mistakes.";

static error_t opt_parse(int key, char *arg, struct argp_state *state) {
    opt_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case KEY_EXPLAIN: o->explain = true; return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) o->file = arg;
        else if (state->arg_num == 1) o->function = arg;
        else argp_error(state, "%s is one argument too many", arg);
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "which program? Give a file, or - for standard input"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

typedef struct opt { cmd *c; json *j; int64_t nfirings; } opt;

static void opt_see(void *user, const btl_firing *f) {
    opt *w = user;
    if (!f->note) w->nfirings++;
    if (w->j) firing_json(w->j, NULL, f);
    else if (!w->c->quiet) firing_print(f, false);
}

static int opt_entry(opt *w, const opt_options *o, btl_entry *e) {
    btl_function_options options = cmd_function_options(w->c);
    btl_graph *after = NULL;
    btl_error err = { 0 };
    if (o->explain) options.see = opt_see, options.see_user = w;
    if (w->j) {
        jw_open(w->j, NULL, '{');
        jw_text(w->j, "function", btl_entry_name(e));
        if (o->explain) jw_open(w->j, "rewrites", '[');
    }
    btl_status status = btl_pipeline_print(w->c->g, e, &options, "lower", &after, &err);
    if (w->j && o->explain) jw_close(w->j, ']');
    const char *text = status == BTL_OK ? btl_graph_print(after) : NULL;
    if (w->j) jw_text(w->j, "text", text);
    else if (text && !o->explain && !w->c->quiet) fputs(text, stdout);
    else if (text && o->explain && !w->c->quiet) printf("%s: %lld rewrite%s\n", btl_entry_name(e), (long long)w->nfirings, w->nfirings == 1 ? "" : "s");
    if (w->j) jw_close(w->j, '}');
    int code = status != BTL_OK ? cmd_fail_error(w->c, &err) : text ? 0 : cmd_fail(w->c, BTL_ENOMEM, "%s", btl_status_text(BTL_ENOMEM));
    btl_graph_free(after);
    return code;
}

static int opt_program(opt *w, const opt_options *o) {
    int code = 0, n = btl_graph_nentries(w->c->g);
    if (o->function) {
        btl_entry *e = cmd_entry(w->c, o->function, &code);
        return e ? opt_entry(w, o, e) : code;
    }
    for (int i = 0; i < n && !code; i++) {
        const char *name = btl_graph_entry_name(w->c->g, i);
        if (n > 1 && !w->j && !w->c->quiet) printf("%s# function %s\n", i ? "\n" : "", name);
        w->nfirings = 0;
        code = opt_entry(w, o, btl_entry_find(w->c->g, name));
    }
    return code;
}

int verb_opt(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { opt_argp_options, opt_parse, "F.bitale [FUNCTION]", opt_doc, children, NULL, NULL };
    cmd c = { .verb = "opt" };
    opt_options o = { .c = &c };
    json j = { 0 };
    cmd_parse(&c, &argp, argc, argv, &o);
    int code = cmd_open(&c, o.file);
    if (!code) {
        opt w = { .c = &c, .j = c.json ? &j : NULL };
        if (w.j) jw_open(&j, NULL, '[');
        code = opt_program(&w, &o);
        if (w.j) jw_close(&j, ']'), jw_end(&j);
    }
    cmd_close(&c);
    return cmd_finish(&c, code);
}
