/* kernel.h - one kernel while it is emitted, and when it is done.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_C_KERNEL_H
#define BTL_TARGET_C_KERNEL_H

#include "base/text.h"
#include "expr/emit.h"

/* A value of the function as generated code sees it. */
typedef struct btl_c_value {
    int slot;                         /* the caller's number for it */
    const btl_type *type;
    const btl_dim *const *strides;    /* of each axis, in elements; NULL: known at run time only */
    bool overwrites;                  /* a result that may lie in the memory of an operand (btl_fused_may_overwrite) */
} btl_c_value;

/* What a kernel is called with, behind its operands' pointers. */
typedef enum btl_c_arg_kind { C_ARG_SIZE, C_ARG_STRIDE } btl_c_arg_kind;
typedef struct btl_c_arg {
    btl_c_arg_kind kind;
    const btl_dim *size;   /* C_ARG_SIZE */
    int operand, axis;     /* C_ARG_STRIDE */
} btl_c_arg;

/* The folds (fold.inc) that kernels call: an op that combines two values, on a dtype. */
typedef struct btl_c_fold { const btl_op *combine; btl_dtype dtype; } btl_c_fold;
typedef struct btl_c_folds { btl_c_fold *v; int n, capacity; } btl_c_folds;

/* The inside of a btl_emit. */
typedef struct btl_emit_state {
    btl_arena *arena;                 /* of the texts and of what is kept */
    btl_text body;
    const btl_c_value *values;        /* of the node's operands: inputs, outputs */
    btl_c_arg *args;
    int nargs, args_capacity;
    bool small;                       /* all sizes are numbers, few elements: numbers are written as such */
    const btl_dim *work;              /* bytes of scratch, or NULL */
    btl_c_folds *folds;               /* of the unit: what kernels so far need */
    const char **support;             /* texts that stand before the kernels, the op's own first */
    int nsupport, support_capacity;
    const btl_dim **view_known;       /* strides of a view, by axis … */
    const char **view_text;           /* … or their text */
} btl_emit_state;

/* An emitted kernel. Two with equal `head`, `body` and needs (support, op->code) are one. */
typedef struct btl_c_kernel {
    int number;
    const char *name;
    const char *head;                 /* "(const float *x0, float *restrict y0, int64_t n0)" */
    const char *body;
    uint64_t hash;
    const btl_node *node;             /* the first node that it serves */
    int nin, nout, nargs;
    bool can_fail, has_work, has_rt, is_view;
    const char *const *support;       /* texts that it needs before it */
    int nsupport;
    int nviews;                       /* strides that a view's kernel finds at run time */
    int first_line, last_line, unit;  /* where it stands in the text */
} btl_c_kernel;

/* May output `out` of a fused node lie in the very memory of input `in`, which is of its type and row-major? True if no loop of
 * the text reads the input after one has begun to write the output. */
bool btl_fused_may_overwrite(btl_arena *scratch, const btl_node *fused, int out, int in);

/* The name of a fold ("btl_fold_add_f32"), which will stand before the kernel. */
const char *btl_emit_fold(btl_emit *e, const btl_op *combine, btl_dtype dtype);

#endif
