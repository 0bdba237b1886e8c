/* ops.c - bitale ops: the table of operations. SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

typedef struct ops_options { cmd *c; const char *name; bool check; const char *linkers; uint64_t seed; } ops_options;

static const char ops_doc[] =
    "Lists the operations of the notation, tells all about one, or (--check) tries one in every way there is to run it."
    "\v"
    "The letter before the name says what there is of a derivative: g a gradient, p that of the parts that the operation is made of, - none.\n"
    "\n"
    "Operators are operations too: + is add, @ is matmul, x[...] is subtensor or take.\n"
    "\n"
    "Examples:\n"
    "  bitale ops\n"
    "  bitale ops softmax\n"
    "  bitale ops --json\n"
    "  bitale ops --plugin ./mine.so\n"
    "  bitale ops --check --plugin ./mine.so\n"
    "\n"
    "--check runs an operation on its samples: types, the reference on operands that lie in any way, the strip interpreter and generated C against it, "
    "printing and reading, the gradient against finite differences. Without NAME, all that plugins brought; without plugins, all of Bitale's.\n"
    "\n"
    "Exit codes: 0 good; 1 a check failed; 2 wrong use of the command; 3 no operation of that name.";

enum { KEY_CHECK = 1, KEY_LINKERS, KEY_SEED };

static const struct argp_option ops_argp_options[] = {
    { "check", KEY_CHECK, NULL, 0, "Try the operation, or all that plugins brought, on its samples", 0 },
    { "linkers", KEY_LINKERS, "LIST", 0, "The linkers to try: strips,vm,c (the default); \"\" for none", 0 },
    { "seed", KEY_SEED, "N", 0, "Seed of the random values (1)", 0 },
    { 0 },
};

static error_t ops_parse(int key, char *arg, struct argp_state *state) {
    ops_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case KEY_CHECK: o->check = true; return 0;
    case KEY_LINKERS: o->linkers = arg; return 0;
    case KEY_SEED: o->seed = (uint64_t)cmd_option_integer(state, "--seed", arg, 0); return 0;
    case ARGP_KEY_END:
        if (!o->check && (o->linkers || o->seed)) argp_error(state, "--linkers and --seed go with --check");
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0) argp_error(state, "%s is one argument too many", arg);
        o->name = arg;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void ops_json(json *j, btl_context *ctx, int i, const btl_op_info *op) {
    btl_op_setting s;
    jw_open(j, NULL, '{');
    jw_text(j, "name", op->name);
    jw_text(j, "signature", op->signature);
    jw_text(j, "doc", op->doc);
    jw_text(j, "gradient", op->gradient);
    jw_text(j, "dtypes", *op->dtypes ? op->dtypes : NULL);
    jw_text(j, "runs", op->runs);
    jw_bool(j, "has_c", op->has_c);
    jw_bool(j, "can_fail", op->can_fail);
    if (op->origin) jw_text(j, "plugin", op->origin);
    if (op->max_ulp >= 0) jw_number(j, "max_ulp", op->max_ulp);
    jw_open(j, "settings", '[');
    for (int k = 0; btl_op_setting_at(ctx, i, k, &s); k++) {
        jw_open(j, NULL, '{');
        jw_text(j, "name", s.name);
        jw_text(j, "kind", s.kind);
        jw_text(j, "default", s.fallback);
        jw_text(j, "doc", s.doc);
        jw_close(j, '}');
    }
    jw_close(j, ']');
    jw_close(j, '}');
}

static void ops_print_row(const btl_op_info *op) {
    printf("%c %-34s %s\n", *op->gradient == 'y' ? 'g' : *op->gradient == 'b' ? 'p' : '-', op->signature ? op->signature : op->name, op->doc ? op->doc : "");
}

static const char *ops_runs(const char *runs) {
    if (strcmp(runs, "strips") == 0) return "as a vector kernel, fused with its neighbours";
    if (strcmp(runs, "native") == 0) return "as a native kernel of its own";
    if (strcmp(runs, "view") == 0) return "as a view: nothing is computed or copied";
    if (strcmp(runs, "parts") == 0) return "as the operations that it is made of";
    return "by its reference";
}

static void ops_print_details(btl_context *ctx, int i, const btl_op_info *op) {
    btl_op_setting s;
    printf("%s\n    %s\n\n", op->signature ? op->signature : op->name, op->doc ? op->doc : "");
    if (*op->dtypes) printf("  types     %s\n", op->dtypes);
    printf("  gradient  %s\n", op->gradient);
    printf("  runs      %s\n", ops_runs(op->runs));
    if (op->origin) printf("  C         %s\n  plugin    %s\n", op->has_c ? "its own" : "none: generated code calls the reference, emit-c refuses it", op->origin);
    if (op->max_ulp > 0) printf("  error     at most %g ulp (f32, f64)\n", op->max_ulp);
    if (op->max_ulp == 0) printf("  error     correctly rounded\n");
    if (op->can_fail) printf("  can fail  at run time, with the place in the source\n");
    if (op->nsettings) printf("\nSettings:\n");
    for (int k = 0; btl_op_setting_at(ctx, i, k, &s); k++) printf("  %s: %s%s%s    %s\n", s.name, s.kind, s.fallback ? " = " : "", s.fallback ? s.fallback : "", s.doc ? s.doc : "");
}

static int ops_unknown(const cmd *c, const char *name) {
    const char *names[1000];
    btl_op_info op;
    int n = 0;
    while (n < 1000 && btl_op_at(c->ctx, n, &op)) names[n++] = op.name;
    return cmd_fail_unknown(c, "operation", name, n, names);
}

/* ---- --check ------------------------------------------------------------------------------------ */

typedef struct ops_check { const cmd *c; json *j; const char *name; } ops_check;

static void ops_see(void *user, const btl_op_trial *t) {
    const ops_check *k = user;
    if (k->j) {
        jw_open(k->j, NULL, '{');
        jw_text(k->j, "what", t->what);
        jw_integer(k->j, "cases", t->cases);
        jw_integer(k->j, "failures", t->failures);
        if (t->message) jw_text(k->j, "message", t->message);
        jw_close(k->j, '}');
    } else if (t->message) {
        fflush(stdout);
        fprintf(stderr, "FAIL %s: %s: %s\n", k->name, t->what, t->message);
    } else if (!k->c->quiet) {
        if (t->failures) printf("FAIL %s: %s: %d failure%s in %d case%s\n", k->name, t->what, t->failures, t->failures == 1 ? "" : "s", t->cases, t->cases == 1 ? "" : "s");
        else printf("ok %s: %s: %d case%s\n", k->name, t->what, t->cases, t->cases == 1 ? "" : "s");
    }
}

static int ops_check_one(const ops_options *o, const char *name, json *j) {
    ops_check k = { o->c, j, name };
    btl_op_check_options options = { .struct_size = sizeof options, .linkers = o->linkers, .seed = o->seed, .see = ops_see, .user = &k };
    btl_error err = { 0 };
    if (j) {
        jw_open(j, NULL, '{');
        jw_text(j, "name", name);
        jw_open(j, "checks", '[');
    }
    btl_status status = btl_op_check(o->c->ctx, name, &options, &err);
    if (j) {
        jw_close(j, ']');
        jw_bool(j, "ok", status == BTL_OK);
        jw_close(j, '}');
    }
    if (status == BTL_OK) return 0;
    return status == BTL_ECHECK && (j || o->c->quiet) ? cmd_exit_code(status) : cmd_fail_error(o->c, &err);
}

static int ops_check_all(const ops_options *o, json *j) {
    btl_op_info op;
    int code = 0;
    bool own = o->c->nplugins > 0;
    if (j) jw_open(j, NULL, '[');
    for (int i = 0; btl_op_at(o->c->ctx, i, &op); i++) {
        if (o->name ? strcmp(o->name, op.name) != 0 : own != (op.origin != NULL)) continue;
        int one = ops_check_one(o, op.name, j);
        if (!code) code = one;
    }
    if (j) jw_close(j, ']'), jw_end(j);
    return code;
}

int verb_ops(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { ops_argp_options, ops_parse, "[NAME]", ops_doc, children, NULL, NULL };
    cmd c = { .verb = "ops" };
    ops_options o = { .c = &c };
    btl_op_info op;
    json j = { 0 };
    cmd_parse(&c, &argp, argc, argv, &o);
    bool found = false;
    int code = cmd_open_empty(&c);
    if (code) {
        cmd_close(&c);
        return cmd_finish(&c, code);
    }
    for (int i = 0; o.name && btl_op_at(c.ctx, i, &op) && !found; i++) found = strcmp(o.name, op.name) == 0;
    if (o.check && (found || !o.name)) {
        code = ops_check_all(&o, c.json ? &j : NULL);
        cmd_close(&c);
        return cmd_finish(&c, code);
    }
    if (c.json && !o.name) jw_open(&j, NULL, '[');
    for (int i = 0; btl_op_at(c.ctx, i, &op); i++) {
        if (o.name && strcmp(o.name, op.name) != 0) continue;
        if (c.json) ops_json(&j, c.ctx, i, &op);
        else if (o.name) ops_print_details(c.ctx, i, &op);
        else ops_print_row(&op);
    }
    if (c.json && !o.name) jw_close(&j, ']');
    if (c.json && found) jw_end(&j);
    code = found || !o.name ? 0 : ops_unknown(&c, o.name);
    cmd_close(&c);
    return cmd_finish(&c, code);
}
