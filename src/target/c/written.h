/* written.h - what the writers of standalone files (standalone.c, layout_text.c, …) share.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_C_WRITTEN_H
#define BTL_TARGET_C_WRITTEN_H

#include "schedule/rests.h"
#include "target/c/cnames.h"
#include "target/c/csize.h"
#include "target/c/standalone.h"

/* A function while it is written. */
typedef struct written {
    btl_unit *u;
    btl_graph *g;
    btl_arena *a;
    const btl_c_function *f;
    btl_cnames names;            /* of the function's text */
    int nsizes;
    int *sizes;                  /* symbols, in the order of `sizes` */
    const char **symbols;        /* C names of symbols */
    bool *uses;                  /* symbols that the text being written needs */
    const char **slots;          /* C expressions of the slots: pointers */
    bool *uses_slot;
    const char **strides;        /* by slot: the array of a view's strides, where a call tells some */
    const char **outs, **defaults; /* names: pointers to results, first elements of defaults */
    bool *uses_out;
    const char *state_type;      /* "logreg_state" */
    const char **members;        /* of the state's struct */
    int ncodes, code_capacity, nnotes, note_capacity;
    int size_codes;              /* the first codes, of sizes that do not fit */
    btl_standalone_code *codes;
    const char **notes;
    /* layout_text.c */
    bool fixed;                  /* work memory is a number */
    size_t work_bytes;           /* if so: with what is lost to alignment */
    const btl_buffer *buffers;   /* if so: their offsets */
    size_t scratch_at;
    bool has_scratch;
    const char *layout;          /* if not: the text of btl_layout, "" without any work memory */
    const char *check;           /* the text of btl_check, "": nothing to check */
} written;

/* ---- texts (ctext.c) ---------------------------------------------------------------------------- */

/* Inside a comment: what would end it, or make compilers wonder, is taken apart; one line. */
void btl_ctext_comment(btl_text *t, const char *text, size_t length);
/* "…", as C reads it. */
void btl_ctext_string(btl_text *t, const char *text);
/* An element as a constant expression, exact. */
void btl_ctext_element(btl_text *t, btl_dtype dtype, const void *element);
/* "{ 1.0f, 2.0f, … }", eight a line, for an array of as many elements or, without any, one. */
void btl_ctext_elements(btl_text *t, const btl_array *array);
/* "p.bitale:7", or "" for a node that nobody wrote. */
const char *btl_ctext_place(btl_arena *a, const btl_places *places);

/* ---- parts (layout_text.c, header_text.c, …) ---------------------------------------------------- */

/* d as C, and its symbols noted. */
const char *btl_written_size(written *w, const btl_dim *d, bool factor);
/* The uses of a new text begin. */
void btl_written_begin(written *w);
/* "const int64_t n = sizes[0];" for what was used since. */
void btl_written_sizes(const written *w, btl_text *t);
int btl_written_code(written *w, const char *meaning);
void btl_written_note(written *w, const char *note);

bool btl_written_is_plain_view(const btl_c_kernel *k);

/* Plans work memory and writes btl_layout; writes btl_check. */
btl_status btl_written_layout(written *w, btl_error *err);
void btl_written_check(written *w);

/* "int train(const int64_t *sizes, …)" */
const char *btl_written_signature(const written *w);
/* "function train of logreg.bitale, written by Bitale 0.1.0" */
void btl_written_title(const written *w, btl_text *t);
/* "state->w", "&state->b": a pointer to the state's variable. */
const char *btl_written_member(const written *w, int shared);

/* The files; the source first: it finds the codes that the header tells. */
void btl_written_header(written *w, btl_text *t);
void btl_written_source(written *w, btl_text *t);
void btl_written_state(written *w, btl_text *header, btl_text *source);
btl_status btl_written_main(written *w, btl_text *t, btl_error *err);

#endif
