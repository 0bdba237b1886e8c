/* main_text.c - a program around a function: tables of its values, and npy_main.inc, which goes over them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/written.h"

#include "base/error.h"

#include <string.h>

static void main_value(btl_text *t, const char *name, const char *type, btl_dtype dtype, int rank, int flags) {
    btl_text_add(t, "    { ");
    btl_ctext_string(t, name);
    btl_text_add(t, ", ");
    btl_ctext_string(t, type);
    btl_text_printf(t, ", '%c', %d, %d, %d },\n", btl_dtype_kind(dtype), (int)btl_dtype_bytes(dtype), rank, flags);
}

static const btl_type *main_type(const written *w, int slot) { return w->f->slots[slot].type; }

static btl_dtype main_dtype(const btl_array *a) {
    btl_dtype dtype = BTL_F32;
    btl_array_dtype(a, &dtype);
    return dtype;
}

/* The argument of which a result is the new value. */
static int main_old_value(const written *w, const btl_c_output *o) {
    for (int i = 0; o->is_shared && i < w->f->ninputs; i++)
        if (w->f->inputs[i].is_shared && strcmp(w->f->inputs[i].name, o->name) == 0) return i;
    return -1;
}

static int main_nvariables(const written *w) { return w->f->has_state ? w->f->nshared : 0; }

static void main_print_tables(written *w, btl_text *t) {
    const btl_c_function *f = w->f;
    int rank = 1;
    btl_text_add(t, "static const value inputs[] = {\n");
    for (int i = 0; i < f->ninputs; i++) main_value(t, f->inputs[i].name, f->inputs[i].type, main_type(w, f->inputs[i].slot)->dtype, main_type(w, f->inputs[i].slot)->rank, f->inputs[i].fallback != NULL);
    btl_text_add(t, "    { 0 }\n};\nstatic const value variables[] = {\n");
    for (int i = 0; i < main_nvariables(w); i++) main_value(t, f->shared[i].name, f->shared[i].type, main_dtype(f->shared[i].first), f->shared[i].first->ndim, f->shared[i].update >= 0);
    btl_text_add(t, "    { 0 }\n};\nstatic const value outputs[] = {\n");
    for (int i = 0; i < f->noutputs; i++) main_value(t, f->outputs[i].name, f->outputs[i].type, main_type(w, f->outputs[i].slot)->dtype, main_type(w, f->outputs[i].slot)->rank, main_old_value(w, &f->outputs[i]));
    btl_text_add(t, "    { 0 }\n};\nstatic const char *const sizes_names[] = { ");
    for (int i = 0; i < w->nsizes; i++) btl_ctext_string(t, w->symbols[w->sizes[i]]), btl_text_add(t, ", ");
    btl_text_add(t, "NULL };\n/* Which size an axis of an argument carries, or -1. */\n");
    for (int i = 0; i < f->ninputs; i++)
        if (main_type(w, f->inputs[i].slot)->rank > rank) rank = main_type(w, f->inputs[i].slot)->rank;
    btl_text_printf(t, "static const int carried[][%d] = {", rank);
    for (int i = 0; i < f->ninputs; i++) {
        const btl_type *type = main_type(w, f->inputs[i].slot);
        btl_text_add(t, " {");
        for (int k = 0; k < rank; k++) {
            int symbol = k < type->rank ? btl_dim_symbol_index(type->dims[k]) : -1, at = -1;
            for (int s = 0; s < w->nsizes && symbol >= 0; s++)
                if (w->sizes[s] == symbol) at = s;
            btl_text_printf(t, "%s%d", k ? ", " : " ", at);
        }
        btl_text_add(t, " },");
    }
    btl_text_add(t, " { -1 } };\nstatic const char *const codes[] = {\n");
    for (int i = 0; i < w->ncodes; i++) btl_text_add(t, "    "), btl_ctext_string(t, w->codes[i].meaning), btl_text_add(t, ",\n");
    btl_text_add(t, "    NULL\n};\n\n");
}

static void main_print_shape(written *w, btl_text *t, int number, const btl_type *type) {
    if (type->rank == 0) return;
    btl_text_printf(t, "    case %d:", number);
    for (int k = 0; k < type->rank; k++) btl_text_printf(t, " shape[%d] = %s;", k, btl_written_size(w, type->dims[k], false));
    btl_text_add(t, " break;\n");
}

/* shape_of: arguments, then variables of the state, then results. */
static void main_print_shapes(written *w, btl_text *t) {
    const btl_c_function *f = w->f;
    btl_text cases, all;
    int number = 0;
    btl_text_init(&cases, w->a);
    btl_text_init(&all, w->a);
    btl_written_begin(w);
    for (int i = 0; i < f->ninputs; i++) main_print_shape(w, &cases, number++, main_type(w, f->inputs[i].slot));
    for (int i = 0; i < main_nvariables(w); i++, number++) {
        const btl_array *a = f->shared[i].first;
        if (a->ndim == 0) continue;
        btl_text_printf(&cases, "    case %d:", number);
        for (int k = 0; k < a->ndim; k++) btl_text_printf(&cases, " shape[%d] = %lld;", k, (long long)a->shape[k]);
        btl_text_add(&cases, " break;\n");
    }
    for (int i = 0; i < f->noutputs; i++) main_print_shape(w, &cases, number++, main_type(w, f->outputs[i].slot));
    btl_text_add(&all, "/* The shape of an argument, of a variable behind them, of a result behind those. */\n"
                       "static void shape_of(int which, const int64_t *sizes, int64_t *shape) {\n");
    btl_written_sizes(w, &all);
    btl_text_printf(&all, "    (void)sizes;\n    switch (which) {\n%s    default: shape[0] = 0;\n    }\n}\n\n", cases.data ? cases.data : "");
    btl_snippets s = { 0 };
    btl_snippets_add(&s, w->a, btl_standalone_text);
    btl_snippets_use(&s, all.data, all.length);
    btl_snippets_print(&s, t);
    btl_text_addn(t, all.data, all.length);
}

static void main_print_state(written *w, btl_text *t) {
    if (!w->f->has_state) {
        btl_text_add(t, "static void *variable(int i) { (void)i; return NULL; }\nstatic void load_state(const array *given) { (void)given; }\n");
        return;
    }
    btl_text_printf(t, "static %s the_state;\nstatic void *variable(int i) {\n    switch (i) {\n", w->state_type);
    for (int i = 0; i < w->f->nshared; i++)
        btl_text_printf(t, "    case %d: return %sthe_state.%s;\n", i, w->f->shared[i].first->ndim ? "" : "&", w->members[i]);
    btl_text_printf(t, "    default: return NULL;\n    }\n}\nstatic void load_state(const array *given) {\n    %s_init(&the_state);\n    for (int i = 0; i < NVARS; i++) {\n"
                       "        int64_t n = 1;\n        for (int k = 0; given[i].data && k < given[i].rank; k++) n *= given[i].shape[k];\n"
                       "        if (given[i].data) memcpy(variable(i), given[i].data, (size_t)n * (size_t)given[i].bytes);\n    }\n}\n", w->f->stem);
}

static void main_print_call(written *w, btl_text *t) {
    const char *name = w->f->name;
    btl_text_printf(t, "static size_t work_bytes(const int64_t *sizes) { %sreturn %s_work(%s); }\n", w->nsizes ? "" : "(void)sizes; ", name, w->nsizes ? "sizes" : "");
    btl_text_printf(t, "static int call(const int64_t *sizes, const void *const *in, void *const *out, void *work) { %sreturn %s(%s%sin, out, work); }\n\n",
                    w->nsizes ? "" : "(void)sizes; ", name, w->f->has_state ? "&the_state, " : "", w->nsizes ? "sizes, " : "");
}

/* .npy has no bf16. */
static btl_status main_check(const written *w, btl_error *err) {
    for (int i = 0; i < w->f->ninputs + w->f->noutputs; i++) {
        bool in = i < w->f->ninputs;
        int slot = in ? w->f->inputs[i].slot : w->f->outputs[i - w->f->ninputs].slot;
        if (main_type(w, slot)->dtype != BTL_BF16) continue;
        return btl_error_set(err, BTL_EUNSUPPORTED, "a program cannot be written: %s %s is bf16, and .npy has no bf16\n    hint: make it f32", in ? "argument" : "result",
                             in ? w->f->inputs[i].name : w->f->outputs[i - w->f->ninputs].name);
    }
    for (int i = 0; i < main_nvariables(w); i++)
        if (main_dtype(w->f->shared[i].first) == BTL_BF16)
            return btl_error_set(err, BTL_EUNSUPPORTED, "a program cannot be written: shared variable %s is bf16, and .npy has no bf16", w->f->shared[i].name);
    return BTL_OK;
}

btl_status btl_written_main(written *w, btl_text *t, btl_error *err) {
    const btl_c_function *f = w->f;
    btl_snippets s = { 0 };
    BTL_TRY(main_check(w, err));
    btl_text_printf(t, "/* %s_main.c - a program that calls %s: arguments from .npy files, results to .npy files.\n *\n * ", f->name, f->name);
    btl_written_title(w, t);
    btl_text_printf(t, ".\n *\n *     cc -std=c99 -O3 %s_main.c %s.c %s%s-lm -o %s\n *     ./%s --help\n */\n#define _POSIX_C_SOURCE 200809L\n#include \"%s.h\"\n\n", f->name, f->name, f->has_state ? w->state_type : "",
                    f->has_state ? ".c " : "", f->name, f->name, f->name);
    btl_text_printf(t, "#include <errno.h>\n#include <math.h>\n#include <stdarg.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <sys/stat.h>\n\n"
                       "enum { NSIZES = %d, NIN = %d, NVARS = %d, NOUT = %d, NCODES = %d, SIZE_CODES = %d, MAX_RANK = %d };\n\n", w->nsizes, f->ninputs, main_nvariables(w), f->noutputs, w->ncodes,
                    w->size_codes, BTL_MAX_RANK);
    btl_text_printf(t, "static const char program[] = \"%s\", about[] = ", f->name);
    btl_ctext_string(t, btl_arena_printf(w->a, "Calls the function %s%s%s.", f->function, f->file ? " of " : "", f->file ? f->file : ""));
    btl_text_add(t, ";\n\n");
    btl_snippets_add(&s, w->a, btl_npy_main_text);
    btl_snippets_use(&s, "btl_main_values", 15);
    btl_snippets_print(&s, t);
    main_print_tables(w, t);
    main_print_shapes(w, t);
    main_print_state(w, t);
    main_print_call(w, t);
    s = (btl_snippets){ 0 };
    btl_snippets_add(&s, w->a, btl_npy_main_text);
    btl_snippets_use(&s, "btl_main_program", 16);
    btl_snippets_print(&s, t);
    return BTL_OK;
}
