/* unit.h - the C text of a function: its kernels, each once, and how they are called.
 *
 * A unit is filled node by node; equal kernels are one. It is then written out as text that runs in the
 * process (btl_unit_print: what vm/generated.c compiles) or as a file of its own (standalone.c).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_C_UNIT_H
#define BTL_TARGET_C_UNIT_H

#include "target/c/kernel.h"
#include "target/snippets.h"

/* One call of a kernel: what it is for a node's operands. */
typedef struct btl_c_call {
    const btl_c_kernel *kernel;
    const btl_node *node;
    const int *slots;                       /* of the node's inputs, then outputs */
    const btl_c_arg *args;                  /* kernel->nargs of them */
    const btl_dim *work;                    /* bytes of scratch, or NULL */
    const btl_dim *const *view_strides;     /* of a view's result, by axis; NULL: at run time */
} btl_c_call;

/* Text that a kernel's op asks for before the kernels: where it stands, for the compiler's messages. */
typedef struct btl_c_block {
    const btl_c_kernel *kernel;             /* the first that needs it */
    const char *what;                       /* "headers", "support code" */
    int unit, first_line, last_line;
} btl_c_block;

typedef struct btl_unit {
    btl_arena *arena;
    btl_graph *g;
    int nkernels, kernel_capacity;
    btl_c_kernel **kernels;
    btl_table by_text;
    btl_table by_node;
    btl_c_folds folds;
    int nblocks, block_capacity;
    btl_c_block *blocks;
} btl_unit;

/* Both only under protection of the arena, in which everything lies, and of g's. */
void btl_unit_init(btl_unit *u, btl_arena *a, btl_graph *g);
/* The call that runs a node; values: of its inputs, then of its outputs. *out NULL: the op has no text. */
btl_status btl_unit_call(btl_unit *u, const btl_node *n, const btl_c_value *values, btl_c_call *out, bool *has_text);

/* ---- text that runs in this process (routine.c) -------------------------------------------- */

/* An operand as generated code sees it: the layout of btl_operand (expr/op.h). A step runs a kernel on operands and
 * sizes chosen by `o`; it returns 0, or 1 where it failed. */
typedef int (*btl_step_fn)(btl_operand *a, const int64_t *s, const int32_t *o, void *work, const void *rt);
/* The whole: 0, or 1 + the number of the step that failed. */
typedef int (*btl_routine_fn)(btl_operand *a, const int64_t *s, uint64_t need, void *work, const void *rt);

typedef struct btl_unit_step {
    btl_c_call call;
    bool has_text;
    int32_t *o;             /* operands, then sizes: filled in by btl_unit_number */
    int no;
    uint64_t needed_by;
} btl_unit_step;

/* The sizes that calls ask for, each once; fills in the steps' `o`. */
typedef struct btl_unit_sizes { const btl_dim **v; int n, capacity; } btl_unit_sizes;
void btl_unit_number(btl_unit *u, int nsteps, btl_unit_step *steps, btl_unit_sizes *sizes);

/* The text, as up to `most` translation units (their number is returned): the table `btl_steps` of the kernels by
 * number, and with `routine` the function `btl_routine` that makes all steps in their order. */
int btl_unit_print(btl_unit *u, const char *name, int nsteps, const btl_unit_step *steps, bool routine, int most, btl_text *texts);
/* Whose text a line of a translation unit is, or false: the kernel, what of it ("emit", "headers", "support code"), and which
 * line of that. */
typedef struct btl_c_spot { const btl_c_kernel *kernel; const char *what; int line; } btl_c_spot;
bool btl_unit_spot(const btl_unit *u, int unit, int line, btl_c_spot *out);

/* What the kernels' ops want of the compiler besides, each text once, apart by blanks; "" if nothing. Arena text. */
const char *btl_unit_compile_flags(btl_unit *u);
const char *btl_unit_libraries(btl_unit *u);

/* A kernel with its comment, under its name; `linkage` "static " or "". Standalone: without `$rt`. */
void btl_unit_print_kernel(btl_text *t, btl_unit *u, btl_c_kernel *k, const char *linkage, bool standalone);
/* What kernels `from` … `to` - 1 need before them: headers, types, macros, functions. Adds to u->blocks, whose `unit` is the
 * caller's to set. */
void btl_unit_print_support(btl_text *t, btl_unit *u, int from, int to, bool standalone);

#endif
