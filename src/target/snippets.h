/* snippets.h - takes from a text cut into sections only what some code needs.
 *
 * A line that contains "@ NAME : needs A B" behind a comment's opening begins section NAME, which
 * ends where the next one begins; what it needs stands before it. ops/vecmath.inc is such a text.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_SNIPPETS_H
#define BTL_TARGET_SNIPPETS_H

#include "base/text.h"

/* The whole of ops/vecmath.inc, put into the library when it is built. */
extern const char btl_vecmath_text[];

typedef struct btl_snippet {
    const char *name, *needs, *text; /* inside the cut text; needs runs to the end of its line */
    size_t name_length, needs_length, length;
    bool is_used;
} btl_snippet;

typedef struct btl_snippets {
    btl_snippet *sections;
    int nsections, capacity;
} btl_snippets;

/* Cuts the text, which must live as long as `s`; nothing is used yet. Only under protection. */
void btl_snippets_init(btl_snippets *s, btl_arena *a, const char *text);
/* Marks every section whose name occurs in the code as an identifier. */
void btl_snippets_use(btl_snippets *s, const char *code, size_t length);
/* Writes the marked sections and what they need, each once, in the order of the text. */
void btl_snippets_print(btl_snippets *s, btl_text *out);

#endif
