/* value.h - what an expression of the notation stands for while it is parsed. Only a part of it is
 * in the graph: literals and sizes stay outside until they meet a variable, whose dtype they take.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_VALUE_H
#define BTL_EXPR_VALUE_H

#include "expr/graph.h"

typedef enum value_kind {
    VALUE_POISON,  /* a mistake was reported: whatever is made of it is poison, silently */
    VALUE_VAR,     /* a variable of the graph */
    VALUE_INT,     /* a literal, or what was computed of literals */
    VALUE_BIG,     /* a literal of 2^63 and more: -2^63 or a u64 */
    VALUE_FLOAT,
    VALUE_BOOL,
    VALUE_DIM,     /* a size that is not a number; numbers are VALUE_INT */
    VALUE_LIST,
    VALUE_TEXT,
    VALUE_DTYPE,
    VALUE_NONE,
    VALUE_NEWAXIS,
    VALUE_FN,
    VALUE_PART     /* x[…] where it is about to be set or increased */
} value_kind;

typedef struct value value;
typedef struct value_list { int n; value *v; btl_var *var; } value_list; /* var: made when needed as an array */
typedef struct value_fn value_fn;
typedef struct value_part value_part;

struct value {
    value_kind kind;
    bool bare;              /* a name standing alone */
    uint32_t token;         /* where it begins */
    union {
        btl_var *var;
        int64_t i;
        uint64_t u;
        double f;
        const btl_dim *dim;
        value_list *list;
        const char *text;
        btl_dtype dtype;
        value_fn *fn;
        value_part *part;
    };
};

#endif
