/* print.c - bitale print: a program in the normal form of the notation, as written or after a pass.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

typedef struct print_options { cmd *c; const char *after, *file, *function; } print_options;

enum { KEY_AFTER = 0x300 };

static const struct argp_option print_argp_options[] = {
    { "after", KEY_AFTER, "PASS", 0, "As it is after that pass; `--after list` lists the passes (no program is needed)", 1 },
    { 0 },
};

static const char print_doc[] =
    "Prints a program in its normal form: one node a line in the order of execution, each result with its type, no nested expressions, settings spelled "
    "out. What is printed is a program that parses back to the same graph."
    "\v"
    "Without --after it is the program as written; with FUNCTION that function alone, equal nodes made one. With --after each function is a graph "
    "of its own: without FUNCTION all of them follow each other, each behind a comment with its name.\n"
    "\n"
    "Examples:\n"
    "  bitale print model.bitale\n"
    "  bitale print model.bitale train --after fuse\n"
    "  bitale print model.bitale train --mode fast_compile --after lower\n"
    "  bitale print --after list\n"
    "\n"
    "Exit codes: 0 good; 2 wrong use of the command; 3 the program has mistakes.";

static error_t print_parse(int key, char *arg, struct argp_state *state) {
    print_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case KEY_AFTER: o->after = arg; return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) o->file = arg;
        else if (state->arg_num == 1) o->function = arg;
        else argp_error(state, "%s is one argument too many", arg);
        return 0;
    case ARGP_KEY_SUCCESS:
        if (!o->file && !(o->after && strcmp(o->after, "list") == 0)) argp_error(state, "which program? Give a file, or - for standard input");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static int print_list(const cmd *c) {
    const char *name, *doc;
    json j = { 0 };
    if (c->json) jw_open(&j, NULL, '[');
    for (int i = 0; (name = btl_pipeline_pass(i, &doc)); i++) {
        if (!c->json) {
            printf("%-14s %s\n", name, doc);
            continue;
        }
        jw_open(&j, NULL, '{');
        jw_text(&j, "pass", name);
        jw_text(&j, "doc", doc);
        jw_close(&j, '}');
    }
    if (c->json) jw_close(&j, ']'), jw_end(&j);
    return 0;
}

static int print_check_pass(const cmd *c, const char *pass) {
    const char *names[64], *name;
    int n = 0;
    while (n < 64 && (name = btl_pipeline_pass(n, NULL))) {
        if (strcmp(name, pass) == 0) return 0;
        names[n++] = name;
    }
    const char *nearest = btl_nearest(pass, n, names);
    return cmd_usage(c, "there is no pass %s%s%s%s; --after list lists them", pass, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static int print_text(const cmd *c, const char *function, const char *text, json *j) {
    if (!text) return cmd_fail(c, BTL_ENOMEM, "%s", btl_status_text(BTL_ENOMEM));
    if (j) {
        jw_open(j, NULL, '{');
        jw_text(j, "function", function);
        jw_text(j, "text", text);
        jw_close(j, '}');
    } else if (!c->quiet) {
        fputs(text, stdout);
        size_t n = strlen(text);
        if (n && text[n - 1] != '\n') putchar('\n');
    }
    return 0;
}

static int print_entry(const cmd *c, btl_entry *e, const char *pass, json *j) {
    btl_function_options options = cmd_function_options(c);
    btl_graph *after = NULL;
    btl_error err = { 0 };
    if (btl_pipeline_print(c->g, e, &options, pass, &after, &err) != BTL_OK) return cmd_fail_error(c, &err);
    int code = print_text(c, btl_entry_name(e), btl_graph_print(after), j);
    btl_graph_free(after);
    return code;
}

static int print_program(const cmd *c, const print_options *o, json *j) {
    int code = 0, n = btl_graph_nentries(c->g);
    if (!o->after && !o->function) return print_text(c, NULL, btl_graph_print(c->g), j);
    const char *pass = o->after ? o->after : "import";
    if (o->function) {
        btl_entry *e = cmd_entry(c, o->function, &code);
        return e ? print_entry(c, e, pass, j) : code;
    }
    for (int i = 0; i < n && !code; i++) {
        const char *name = btl_graph_entry_name(c->g, i);
        if (n > 1 && !j && !c->quiet) printf("%s# function %s after %s\n", i ? "\n" : "", name, pass);
        code = print_entry(c, btl_entry_find(c->g, name), pass, j);
    }
    return code;
}

int verb_print(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { print_argp_options, print_parse, "F.bitale [FUNCTION]\n--after list", print_doc, children, NULL, NULL };
    cmd c = { .verb = "print" };
    print_options o = { .c = &c };
    json j = { 0 };
    cmd_parse(&c, &argp, argc, argv, &o);
    if (o.after && strcmp(o.after, "list") == 0) return cmd_finish(&c, print_list(&c));
    int code = o.after ? print_check_pass(&c, o.after) : 0;
    if (!code) code = cmd_open(&c, o.file);
    if (!code && c.json) jw_open(&j, NULL, '[');
    if (!code) {
        code = print_program(&c, &o, c.json ? &j : NULL);
        if (c.json) jw_close(&j, ']'), jw_end(&j);
    }
    cmd_close(&c);
    return cmd_finish(&c, code);
}
