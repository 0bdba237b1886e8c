/* standalone.h - a function as C files of their own: what is known of it when they are written.
 *
 * vm/writeout.c fills in a btl_c_function from a compiled function's tables; btl_standalone_write makes the texts of
 * it. Everything lies in the unit's arena.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_C_STANDALONE_H
#define BTL_TARGET_C_STANDALONE_H

#include "bitale/standalone.h"
#include "schedule/offsets.h"
#include "target/c/unit.h"

/* Where a value lies. */
typedef enum btl_c_place {
    C_IN,        /* in[index] */
    C_OUT,       /* out[index] */
    C_STATE,     /* the state's variable `index` */
    C_CONSTANT,
    C_WORK,      /* buffer `index` */
    C_VIEW       /* somewhere in another value's memory */
} btl_c_place;

/* A value, by the slots that calls name. */
typedef struct btl_c_slot {
    const btl_type *type;
    const char *name;                    /* as the program calls it, or NULL */
    btl_c_place place;
    int index;
    const btl_array *constant;           /* C_CONSTANT */
    const btl_dim *at;                   /* a part of what lies there: the element at which it begins; else NULL */
    const btl_dim *const *strides;       /* C_VIEW, and parts whose rows lie apart: by axis; a NULL: its call tells; the others are row-major: NULL */
} btl_c_slot;

typedef struct btl_c_input {
    const char *name, *type;             /* "f32[n, 784]" */
    int slot;
    bool is_shared;
    const btl_array *fallback;           /* or NULL */
} btl_c_input;

typedef struct btl_c_output {
    const char *name, *type;
    int slot;
    bool is_shared;                      /* the new value of a shared variable */
    bool copy;                           /* computed elsewhere: copied at the end */
} btl_c_output;

typedef struct btl_c_shared {            /* a variable of the state, all of the program's */
    const char *name, *type;
    const btl_array *first;
    int update;                          /* slot of its new value, or -1 */
} btl_c_shared;

typedef struct btl_c_check { const btl_dim *a, *b; const btl_node *node; const char *message; } btl_c_check;
typedef struct btl_c_assert { int slot; const char *text; const btl_places *places; } btl_c_assert;

typedef struct btl_c_function {
    const char *name;                    /* of the C function */
    const char *function, *file;         /* in the program, and the program's file or NULL */
    const char *stem;                    /* of the program, as a name of C: NAME_state and its like */
    int nslots, nsteps, ninputs, noutputs, nshared, nchecks, nasserts, nbuffers;
    const btl_c_slot *slots;
    const btl_unit_step *steps;          /* all with text */
    const btl_c_input *inputs;           /* arguments, then shared variables unless there is a state */
    const btl_c_output *outputs;
    const btl_c_shared *shared;          /* of a state */
    bool has_state;
    const btl_c_check *checks;
    const btl_c_assert *asserts;
    const btl_buffer *lives;
    const int *buffer_slot;
    const char *note;                    /* about its name, or NULL */
    int align;
    bool cblas, with_main;
} btl_c_function;

/* The texts, and what is told of them. Only under protection of the unit's arena and graph. */
btl_status btl_standalone_write(btl_unit *u, const btl_c_function *f, btl_standalone_info *out, btl_error *err);

#endif
