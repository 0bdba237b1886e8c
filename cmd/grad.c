/* grad.c - bitale grad: a program with a gradient appended to a function's results.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct grad_options { cmd *c; const char *cost, *wrt, *file, *function; } grad_options;

enum { KEY_COST = 0x300, KEY_WRT };

static const struct argp_option grad_argp_options[] = {
    { "cost", KEY_COST, "NAME", 0, "What is differentiated: a result or another variable of the function, a single floating-point number", 1 },
    { "wrt", KEY_WRT, "A,B", 0, "By what: arguments, shared or other variables", 1 },
    { 0 },
};

static const char grad_doc[] =
    "Prints a program in its normal form with the gradient of --cost by each variable of --wrt as further results of the function, named dCOST_dNAME. "
    "What is printed is a program: it can be run, checked, differentiated again."
    "\v"
    "FUNCTION may be left out where only one function has a result or a variable named COST. Before it is differentiated, the cost is brought to its "
    "numerically stable form (log of softmax and the like).\n"
    "\n"
    "Examples:\n"
    "  bitale grad model.bitale train --cost nll --wrt w,b\n"
    "  bitale grad model.bitale --cost y --wrt x > with-gradient.bitale\n"
    "  bitale grad f.bitale --cost y --wrt x | bitale run - x=2\n"
    "\n"
    "Exit codes: 0 good; 2 wrong use of the command; 3 bad input: the program has mistakes, a name is unknown, no gradient flows.";

static error_t grad_parse(int key, char *arg, struct argp_state *state) {
    grad_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case KEY_COST: o->cost = arg; return 0;
    case KEY_WRT: o->wrt = arg; return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) o->file = arg;
        else if (state->arg_num == 1) o->function = arg;
        else argp_error(state, "%s is one argument too many", arg);
        return 0;
    case ARGP_KEY_SUCCESS:
        if (!o->file) argp_error(state, "which program? Give a file, or - for standard input");
        if (!o->cost || !o->wrt) argp_error(state, "--cost NAME and --wrt A,B are needed");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* The function that is meant: the one named; the only one; the only one that knows the cost. */
static btl_entry *grad_entry(const cmd *c, const grad_options *o, int *code) {
    int n = btl_graph_nentries(c->g), nfound = 0;
    btl_entry *found = NULL;
    for (int i = 0; !o->function && n > 1 && i < n; i++) {
        btl_entry *e = btl_entry_find(c->g, btl_graph_entry_name(c->g, i));
        if (btl_entry_find_var(c->g, e, o->cost)) found = e, nfound++;
    }
    return nfound == 1 ? found : cmd_entry(c, o->function, code);
}

static btl_var *grad_find(const cmd *c, btl_entry *e, const char *name, int *code) {
    btl_var *v = btl_entry_find_var(c->g, e, name);
    if (v) return v;
    const char *nearest = btl_entry_nearest_var(c->g, e, name);
    *code = cmd_fail(c, BTL_ENAME, "%s: function %s has no variable named %s%s%s%s", c->file, btl_entry_name(e), name, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return NULL;
}

static int grad_append(const cmd *c, btl_entry *e, const grad_options *o) {
    enum { MOST = 200 };
    btl_var *wrt[MOST], *gradients[MOST];
    const char *names[MOST];
    int n = 0, code = 0;
    btl_var *cost = grad_find(c, e, o->cost, &code);
    char *list = cmd_format("%s", o->wrt), *rest = list;
    for (char *name = strtok_r(list, ", ", &rest); name && !code && n < MOST; name = strtok_r(NULL, ", ", &rest)) {
        names[n] = name;
        wrt[n] = grad_find(c, e, name, &code);
        n++;
    }
    btl_status status = code ? BTL_OK : btl_grad(c->g, cost, n, wrt, BTL_DISCONNECTED_ERROR, gradients);
    for (int i = 0; !code && status == BTL_OK && i < n; i++) {
        char *name = cmd_format("d%s_d%s", o->cost, names[i]);
        status = btl_entry_add_output(c->g, e, name, btl_named(c->g, gradients[i], name));
        free(name);
    }
    free(list);
    if (code || status == BTL_OK) return code;
    const btl_error *err = btl_graph_error(c->g);
    return err ? cmd_fail_error(c, err) : cmd_fail(c, status, "%s", btl_status_text(status));
}

int verb_grad(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { grad_argp_options, grad_parse, "F.bitale [FUNCTION] --cost NAME --wrt A,B", grad_doc, children, NULL, NULL };
    cmd c = { .verb = "grad" };
    grad_options o = { .c = &c };
    json j = { 0 };
    cmd_parse(&c, &argp, argc, argv, &o);
    int code = cmd_open(&c, o.file);
    btl_entry *e = code ? NULL : grad_entry(&c, &o, &code);
    if (e) code = grad_append(&c, e, &o);
    const char *text = code ? NULL : btl_graph_print(c.g);
    if (!code && !text) code = cmd_fail(&c, BTL_ENOMEM, "%s", btl_status_text(BTL_ENOMEM));
    if (!code && c.json) {
        jw_open(&j, NULL, '{');
        jw_text(&j, "function", btl_entry_name(e));
        jw_text(&j, "text", text);
        jw_close(&j, '}');
        jw_end(&j);
    } else if (!code && !c.quiet) {
        fputs(text, stdout);
    }
    cmd_close(&c);
    return cmd_finish(&c, code);
}
