/* header_text.c - the .h file of a function: its manual.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/elem.h"
#include "target/c/written.h"

#include <ctype.h>
#include <string.h>

const char *btl_written_signature(const written *w) {
    bool changes = false;
    for (int i = 0; i < w->f->nshared; i++) changes |= w->f->shared[i].update >= 0;
    const char *state = w->f->has_state ? btl_arena_printf(w->a, "%s%s *state, ", changes ? "" : "const ", w->state_type) : "";
    return btl_arena_printf(w->a, "int %s(%s%sconst void *const *in, void *const *out, void *work)", w->f->name, state, w->nsizes ? "const int64_t *sizes, " : "");
}

void btl_written_title(const written *w, btl_text *t) {
    btl_text_printf(t, "function %s", w->f->function);
    if (w->f->file) {
        btl_text_add(t, " of ");
        btl_ctext_comment(t, w->f->file, strlen(w->f->file));
    }
    btl_text_printf(t, ", written by Bitale %s", BTL_VERSION_STRING);
}

/* Columns: what stands behind a line's beginning begins at `column`. */
static void header_pad(btl_text *t, size_t from, size_t column) {
    do btl_text_add(t, " ");
    while (t->length - from < column);
}

static void header_default(btl_text *t, const btl_array *value) {
    btl_dtype dtype = BTL_F32;
    btl_array_dtype(value, &dtype);
    if (btl_array_elems(value) == 1 && !btl_elem_is_half(dtype)) {
        btl_text_add(t, "; NULL stands for ");
        btl_ctext_element(t, dtype, btl_array_data(value));
    } else {
        btl_text_add(t, "; NULL stands for its default");
    }
}

/* "in[0]  x: f32[n, 784]  const float *" */
static void header_value(const written *w, btl_text *t, const char *array, int i, const char *name, const char *type, int slot, const char *what) {
    size_t from = t->length;
    btl_text_printf(t, " *   %s[%d]", array, i);
    header_pad(t, from, 15);
    btl_text_printf(t, "%s: %s", name, type);
    header_pad(t, from, 47);
    btl_text_printf(t, "%s%s", btl_emit_ctype(w->f->slots[slot].type->dtype), what);
}

static void header_values(const written *w, btl_text *t) {
    for (int i = 0; i < w->nsizes; i++) {
        size_t from = t->length;
        btl_text_printf(t, " *   sizes[%d]", i);
        header_pad(t, from, 15);
        const btl_symbol *s = w->g->dims.symbols[w->sizes[i]];
        btl_text_printf(t, "%s%s\n", w->symbols[w->sizes[i]], s->name ? "" : "      a size without a name");
    }
    for (int i = 0; i < w->f->ninputs; i++) {
        const btl_c_input *in = &w->f->inputs[i];
        header_value(w, t, "in", i, in->name, in->type, in->slot, in->is_shared ? ", shared variable" : "");
        if (in->fallback) header_default(t, in->fallback);
        btl_text_add(t, "\n");
    }
    for (int i = 0; i < w->f->noutputs; i++) {
        const btl_c_output *o = &w->f->outputs[i];
        header_value(w, t, "out", i, o->name, o->type, o->slot, o->is_shared ? ", new value of the shared variable\n" : "\n");
    }
}

static const char *header_upper(const written *w) {
    char *name = btl_arena_strdup(w->a, w->f->name);
    for (char *p = name; *p; p++) *p = (char)toupper((unsigned char)*p);
    return name;
}

static void header_rules(const written *w, btl_text *t) {
    const char *name = w->f->name;
    bool halves = false, bools = false, updates = false;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < (pass ? w->f->noutputs : w->f->ninputs); i++) {
            btl_dtype dtype = w->f->slots[pass ? w->f->outputs[i].slot : w->f->inputs[i].slot].type->dtype;
            bools |= dtype == BTL_BOOL, halves |= btl_elem_is_half(dtype);
        }
    for (int i = 0; i < w->f->noutputs; i++) updates |= w->f->outputs[i].is_shared;
    btl_text_add(t, " * Arrays lie row after row without gaps, aligned as their elements are, and results overlap nothing else.");
    if (bools) btl_text_add(t, " A bool is a byte, 0 or 1.");
    if (halves) btl_text_add(t, "\n * Of f16 and bf16 the bits are given.");
    btl_text_printf(t, "\n * work is %s_work(%s) bytes anywhere; where that is 0, it may be NULL", name, w->nsizes ? "sizes" : "");
    if (!w->fixed) btl_text_printf(t, ". (size_t)-1 says that the sizes are refused, or too large");
    btl_text_add(t, ".\n");
    if (w->f->has_state)
        btl_text_printf(t, " * state: %s_init gives it the first values%s.\n", w->f->stem, strstr(btl_written_signature(w), "(const ") ? btl_arena_printf(w->a, "; &%s_first will do, too", w->f->stem) : "");
    if (updates) btl_text_add(t, " * All results are computed from the old values of shared variables; give the new ones to the next call.\n");
    btl_text_printf(t, " * Calls share nothing: any number may run at once, each with a work and results of its own%s.\n", w->f->has_state ? ", and a state that no other call changes" : "");
}

static void header_codes(const written *w, btl_text *t) {
    if (w->ncodes == 0) {
        btl_text_add(t, " *\n * Returns 0: nothing can fail.\n");
        return;
    }
    btl_text_printf(t, " *\n * Returns 0, or what is wrong%s:\n", w->f->has_state ? "; the state is then as it was, results hold anything" : "; results then hold anything");
    for (int i = 0; i < w->ncodes; i++) {
        btl_text_printf(t, " *   %-4d ", w->codes[i].code);
        btl_ctext_comment(t, w->codes[i].meaning, strlen(w->codes[i].meaning));
        btl_text_add(t, "\n");
    }
}

static void header_compile(const written *w, btl_text *t) {
    btl_text_printf(t, " *\n * Compile: cc -std=c99 -O3 -ffp-contract=off -c %s.c   (-lm where it is linked%s). Faster, with the same bits, where the\n"
                       " * compiler may use all of the processor: -march=native -fopenmp-simd -DBTL_OPENMP_SIMD -fno-math-errno -fno-trapping-math.\n"
                       " * Never -ffast-math. The bits are those of Bitale's own calls%s.\n */\n",
                    w->f->name, w->f->cblas ? ", and a CBLAS" : "", w->f->cblas ? " but for products of matrices, which are the CBLAS's" : "");
}

void btl_written_header(written *w, btl_text *t) {
    const char *guard = header_upper(w);
    btl_text_printf(t, "/* %s.h - ", w->f->name);
    btl_written_title(w, t);
    btl_text_printf(t, ".\n *\n * %s;\n * size_t %s_work(%s);\n *\n", btl_written_signature(w), w->f->name, w->nsizes ? "const int64_t *sizes" : "void");
    header_values(w, t);
    btl_text_add(t, " *\n");
    header_rules(w, t);
    header_codes(w, t);
    header_compile(w, t);
    btl_text_printf(t, "#ifndef BITALE_%s_H\n#define BITALE_%s_H\n\n#include <stddef.h>\n#include <stdint.h>\n", guard, guard);
    if (w->f->has_state) btl_text_printf(t, "\n#include \"%s.h\"\n", w->state_type);
    btl_text_add(t, "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    if (w->fixed) btl_text_printf(t, "#define %s_WORK %zu\n", guard, w->work_bytes);
    btl_text_printf(t, "size_t %s_work(%s);\n%s;\n\n#ifdef __cplusplus\n}\n#endif\n#endif\n", w->f->name, w->nsizes ? "const int64_t *sizes" : "void",
                    btl_written_signature(w));
}
