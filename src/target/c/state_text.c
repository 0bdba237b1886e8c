/* state_text.c - the shared variables of a program as a struct with first values. Its two files are the same for all
 * functions of a program.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/written.h"

#include <ctype.h>
#include <string.h>

const char *btl_written_member(const written *w, int shared) {
    return btl_arena_printf(w->a, "%sstate->%s", w->f->shared[shared].first->ndim ? "" : "&", w->members[shared]);
}

static void state_header(const written *w, btl_text *t) {
    char *guard = btl_arena_strdup(w->a, w->state_type);
    for (char *p = guard; *p; p++) *p = (char)toupper((unsigned char)*p);
    btl_text_printf(t, "/* %s.h - the shared variables of ", w->state_type);
    btl_ctext_comment(t, w->f->file ? w->f->file : w->f->stem, strlen(w->f->file ? w->f->file : w->f->stem));
    btl_text_printf(t, ", written by Bitale %s.\n *\n * Functions of the program that are written with --state take one of them. %s_first holds the first values;\n"
                       " * %s_init copies them.\n */\n#ifndef BITALE_%s_H\n#define BITALE_%s_H\n\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
                       "typedef struct %s {\n", BTL_VERSION_STRING, w->f->stem, w->f->stem, guard, guard, w->state_type);
    for (int i = 0; i < w->f->nshared; i++) {
        const btl_array *a = w->f->shared[i].first;
        btl_dtype dtype = BTL_F32;
        btl_array_dtype(a, &dtype);
        size_t from = t->length;
        btl_text_printf(t, "    %s %s", btl_emit_ctype(dtype), w->members[i]);
        if (a->ndim) btl_text_add(t, "[");
        for (int k = 0; k < a->ndim && btl_array_elems(a); k++) btl_text_printf(t, "%s%lld", k ? " * " : "", (long long)a->shape[k]);
        if (a->ndim) btl_text_add(t, btl_array_elems(a) ? "];" : "1];");
        else btl_text_add(t, ";");
        while (t->length - from < 40) btl_text_add(t, " ");
        btl_text_printf(t, " /* %s: %s */\n", w->f->shared[i].name, w->f->shared[i].type);
    }
    btl_text_printf(t, "} %s;\n\nextern const %s %s_first;\nvoid %s_init(%s *state);\n\n#ifdef __cplusplus\n}\n#endif\n#endif\n", w->state_type, w->state_type, w->f->stem,
                    w->f->stem, w->state_type);
}

static void state_source(const written *w, btl_text *t) {
    btl_text_printf(t, "/* %s.c - first values; see %s.h. Written by Bitale %s. */\n#include \"%s.h\"\n\n#include <string.h>\n\nconst %s %s_first = {\n", w->state_type, w->state_type,
                    BTL_VERSION_STRING, w->state_type, w->state_type, w->f->stem);
    for (int i = 0; i < w->f->nshared; i++) {
        const btl_array *a = w->f->shared[i].first;
        btl_dtype dtype = BTL_F32;
        btl_array_dtype(a, &dtype);
        btl_text_printf(t, "    .%s = ", w->members[i]);
        if (a->ndim) btl_ctext_elements(t, a);
        else btl_ctext_element(t, dtype, btl_array_data(a));
        btl_text_add(t, i + 1 < w->f->nshared ? ",\n" : "\n");
    }
    btl_text_printf(t, "};\n\nvoid %s_init(%s *state) { memcpy(state, &%s_first, sizeof *state); }\n", w->f->stem, w->state_type, w->f->stem);
}

void btl_written_state(written *w, btl_text *header, btl_text *source) {
    state_header(w, header);
    state_source(w, source);
}
