/* emit_c.c - bitale emit-c: a function of a program as C files that need nothing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"
#include "deliver.h"
#include "json.h"

#include "bitale/standalone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct emit_options {
    cmd *c;
    const char *file, *function, *out, *name, *load;
    bool cblas, state, with_main;
    int align;
} emit_options;

enum { KEY_NAME = 0x300, KEY_CBLAS, KEY_STATE, KEY_LOAD, KEY_MAIN, KEY_ALIGN };

static const struct argp_option emit_argp_options[] = {
    { "output", 'o', "DIR", 0, "Where the files are written. DIR is made if missing; all files appear or none", 1 },
    { "name", KEY_NAME, "NAME", 0, "Name of the C function and its files; the function's own if not given, and for main the program's file without its ending", 1 },
    { "state", KEY_STATE, NULL, 0, "Shared variables become a struct with first values, which the C function is given and updates. Otherwise they are arguments, and their new values results", 2 },
    { "load", KEY_LOAD, "FILE", 0, "With --state: first values from a .safetensors file, such as `run --save` writes", 2 },
    { "main", KEY_MAIN, NULL, 0, "Also a program, NAME_main.c, that takes NAME=FILE.npy ... -o DIR, as run does", 3 },
    { "cblas", KEY_CBLAS, NULL, 0, "Products of matrices call cblas_sgemm and cblas_dgemm, with which the program is then linked", 3 },
    { "align", KEY_ALIGN, "BYTES", 0, "Alignment of intermediate values: a power of two, 64 unless said. 8 saves memory on small machines", 3 },
    { 0 },
};

static const char emit_doc[] =
    "Writes a function (`main`, or the only one, if FUNCTION is not given) as C99 for other programs and machines: one .c file and its header, without "
    "allocation, without variables that change, with no need but libc and libm."
    "\v"
    "  int NAME(const int64_t *sizes, const void *const *in, void *const *out, void *work);\n"
    "  size_t NAME_work(const int64_t *sizes);\n"
    "\n"
    "The header tells the order of sizes, arguments and results, what the returned codes mean, and how to compile. Where all sizes are numbers there is "
    "no `sizes`, and the bytes of work are the macro NAME_WORK, too. Shared variables follow the arguments, and the new values of those that the "
    "function updates follow the results; --state keeps them in a struct.\n"
    "\n"
    "The bits are those of Bitale itself, of products those that it gives without a BLAS.\n"
    "\n"
    "With --json: name, function, files, sizes, inputs, outputs, codes, and work: a number of bytes or the C that computes it.\n"
    "\n"
    "Examples:\n"
    "  bitale emit-c model.bitale predict -o out\n"
    "  bitale emit-c model.bitale train -o out --main && cc -O2 out/train.c out/train_main.c -lm -o train\n"
    "  bitale emit-c model.bitale predict -o firmware --state --load trained.safetensors --align 8\n"
    "  printf 'input x: f32[8]\\noutput y = tanh(x)\\n' | bitale emit-c - --name squash -o .\n"
    "\n"
    "Exit codes: 0 good; 2 wrong use of the command; 3 bad input: the program has mistakes, an op has no C of its own, a folder cannot be written.";

static error_t emit_parse(int key, char *arg, struct argp_state *state) {
    emit_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case 'o': o->out = arg; return 0;
    case KEY_NAME: o->name = arg; return 0;
    case KEY_CBLAS: o->cblas = true; return 0;
    case KEY_STATE: o->state = true; return 0;
    case KEY_LOAD: o->load = arg; return 0;
    case KEY_MAIN: o->with_main = true; return 0;
    case KEY_ALIGN: o->align = (int)cmd_option_integer(state, "--align", arg, 8); return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) o->file = arg;
        else if (state->arg_num == 1) o->function = arg;
        else argp_error(state, "%s is one argument too many", arg);
        return 0;
    case ARGP_KEY_SUCCESS:
        if (!o->file) argp_error(state, "which program? Give a file, or - for standard input");
        if (!o->out) argp_error(state, "where to? -o DIR names a folder");
        if (o->load && !o->state) argp_error(state, "--load goes with --state: without it, shared variables are arguments");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* "models/logreg.bitale" is the program logreg. */
static char *emit_program(const char *file) {
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file, *dot = strrchr(base, '.');
    if (strcmp(file, "-") == 0) return cmd_format("program");
    return cmd_format("%.*s", dot && dot > base ? (int)(dot - base) : (int)strlen(base), base);
}

static int emit_state(const emit_options *o, btl_state **state) {
    btl_error err = { 0 };
    if (!o->state) return 0;
    if (btl_graph_nshared(o->c->g) == 0) return cmd_fail(o->c, BTL_EVALUE, "%s has no shared variables: --state has nothing to keep", o->c->file);
    if (btl_state_new(o->c->g, state, &err) != BTL_OK) return cmd_fail_error(o->c, &err);
    if (o->load && btl_state_load(*state, o->load, &err) != BTL_OK) return cmd_fail_error(o->c, &err);
    return 0;
}

static int emit_make(const emit_options *o, const btl_state *state, btl_standalone **out) {
    int code = 0;
    btl_entry *e = cmd_entry(o->c, o->function, &code);
    btl_function_options options = cmd_function_options_strips(o->c);
    btl_error err = { 0 };
    btl_function *f = NULL;
    if (!e) return code;
    if (btl_function_new(o->c->g, e, &options, &f, &err) != BTL_OK) return cmd_fail_error(o->c, &err);
    char *program = emit_program(o->file);
    btl_standalone_options so = { .struct_size = sizeof so, .name = o->name, .program = program, .state = state, .cblas = o->cblas, .with_main = o->with_main, .align = o->align };
    if (btl_standalone_new(f, &so, out, &err) != BTL_OK) code = cmd_fail_error(o->c, &err);
    free(program);
    btl_function_free(f);
    return code;
}

static int emit_write(const emit_options *o, const btl_standalone_info *info) {
    deliver files;
    int code = deliver_begin(&files, o->c, o->out);
    for (int i = 0; i < info->nfiles && !code; i++) code = deliver_write_text(&files, info->files[i].name, info->files[i].text, info->files[i].length);
    if (!code) code = deliver_commit(&files);
    deliver_end(&files);
    return code;
}

/* ---- what is told -------------------------------------------------------------------------------------------- */

static void emit_json_values(json *j, const char *key, int n, const btl_standalone_value *v) {
    jw_open(j, key, '[');
    for (int i = 0; i < n; i++) {
        jw_open(j, NULL, '{');
        jw_text(j, "name", v[i].name);
        jw_text(j, "type", v[i].type);
        jw_text(j, "c_type", v[i].c_type);
        jw_bool(j, "shared", v[i].is_shared);
        if (key[0] == 'i') jw_bool(j, "default", v[i].has_default);
        jw_close(j, '}');
    }
    jw_close(j, ']');
}

static void emit_json(const emit_options *o, const btl_standalone_info *info) {
    json j = { 0 };
    jw_open(&j, NULL, '{');
    jw_text(&j, "name", info->name);
    jw_text(&j, "function", info->function);
    jw_text(&j, "folder", o->out);
    jw_open(&j, "files", '[');
    for (int i = 0; i < info->nfiles; i++) jw_text(&j, NULL, info->files[i].name);
    jw_close(&j, ']');
    jw_text(&j, "state", info->state);
    jw_open(&j, "sizes", '[');
    for (int i = 0; i < info->nsizes; i++) jw_text(&j, NULL, info->sizes[i]);
    jw_close(&j, ']');
    emit_json_values(&j, "inputs", info->ninputs, info->inputs);
    emit_json_values(&j, "outputs", info->noutputs, info->outputs);
    jw_open(&j, "codes", '[');
    for (int i = 0; i < info->ncodes; i++) {
        jw_open(&j, NULL, '{');
        jw_integer(&j, "code", info->codes[i].code);
        jw_text(&j, "meaning", info->codes[i].meaning);
        jw_close(&j, '}');
    }
    jw_close(&j, ']');
    if (info->work_bytes >= 0) jw_integer(&j, "work", info->work_bytes);
    else jw_text(&j, "work", info->work);
    jw_close(&j, '}');
    jw_end(&j);
}

static void emit_tell(const emit_options *o, const btl_standalone_info *info) {
    for (int i = 0; i < info->nnotes; i++) cmd_note(o->c, "%s", info->notes[i]);
    if (o->c->json) emit_json(o, info);
    else if (!o->c->quiet)
        for (int i = 0; i < info->nfiles; i++) printf("%s/%s\n", o->out, info->files[i].name);
}

int verb_emit_c(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { emit_argp_options, emit_parse, "F.bitale [FUNCTION] -o DIR", emit_doc, children, NULL, NULL };
    cmd c = { .verb = "emit-c" };
    emit_options o = { .c = &c };
    btl_state *state = NULL;
    btl_standalone *s = NULL;
    cmd_parse(&c, &argp, argc, argv, &o);
    int code = cmd_open(&c, o.file);
    if (!code) code = emit_state(&o, &state);
    if (!code) code = emit_make(&o, state, &s);
    if (!code) code = emit_write(&o, btl_standalone_look(s));
    if (!code) emit_tell(&o, btl_standalone_look(s));
    btl_standalone_free(s);
    btl_state_free(state);
    cmd_close(&c);
    return cmd_finish(&c, code);
}
