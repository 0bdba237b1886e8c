/* snippets.h - takes from a text cut into sections only what some code needs.
 *
 * A line that contains "@ NAME : needs A B" behind a comment's opening begins section NAME, which
 * ends where the next one begins; what it needs stands before it. ops/vecmath.inc is such a text.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_SNIPPETS_H
#define BTL_TARGET_SNIPPETS_H

#include "base/text.h"

/* Texts put into the library when it is built: ops/vecmath.inc; ops/support.inc, what ops' emit call; ops/gemm.inc,
 * products for standalone code; target/c/process.inc, what the library lends to code in its process; fold.inc; loops.inc, what
 * loops call; and for files of their own standalone.inc, cblas.inc and npy_main.inc. */
extern const char btl_vecmath_text[], btl_support_text[], btl_gemm_text[], btl_process_text[], btl_fold_text[], btl_loops_text[],
    btl_standalone_text[], btl_cblas_text[], btl_npy_main_text[];

typedef struct btl_snippet {
    const char *name, *needs, *text; /* inside the cut text; needs runs to the end of its line */
    size_t name_length, needs_length, length;
    bool is_used;
} btl_snippet;

typedef struct btl_snippets {
    btl_snippet *sections;
    int nsections, capacity;
} btl_snippets;

/* Cuts a text, which must live as long as `s`, behind those that are there (start from {0}); what it needs may
 * stand in them. Nothing of it is used yet. Only under protection. */
void btl_snippets_add(btl_snippets *s, btl_arena *a, const char *text);
/* Marks every section whose name occurs in the code as an identifier. */
void btl_snippets_use(btl_snippets *s, const char *code, size_t length);
/* Writes the marked sections and what they need, each once, in the order of the text. */
void btl_snippets_print(btl_snippets *s, btl_text *out);

#endif
