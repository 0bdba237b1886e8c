/* strip_program.h - the inside of a strip program, shared by strip_compile.c, strip_walk.c, strips.c
 * (maps) and strip_reduce.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_STRIP_PROGRAM_H
#define BTL_VM_STRIP_PROGRAM_H

#include "vm/strips.h"

/* A register is a place of BTL_STRIP_ELEMS elements. Numbers: the operands first, then the results,
 * then constants, then temporaries; a run keeps one pointer for each. */
typedef struct strip_instr {
    btl_strip_fn fn;
    int in[3], out;
} strip_instr;

/* Pairs of elementwise ops that are one kernel (tools/genstrips.c), by dtype: f32, f64. */
enum { STRIP_FIRSTS = 3, STRIP_SECONDS = 4, STRIP_RSUB = 3 };
typedef struct strip_joins {
    btl_strip_fn single[2][STRIP_FIRSTS];               /* add, sub, mul */
    btl_strip_fn pair[2][STRIP_FIRSTS][STRIP_SECONDS];  /* then add, sub, mul, sub from */
} strip_joins;
const strip_joins *btl_strip_joined_kernels(void);

struct btl_strips {
    int nin, nout, nconstants, ntemps, nregs, ninstrs;
    strip_instr *instrs;
    const void **constants; /* filled registers */
    size_t *temp_at;        /* bytes from the temporaries' beginning */
    size_t temp_bytes;
    int *elem_bytes; /* of operands, then results */
    /* a map-reduce: */
    const btl_reduction *reduction; /* NULL: a map */
    const char *reduction_name;
    uint32_t reduced;              /* axes of the iteration space */
    int *value_reg;                /* of each result, before it is reduced */
    btl_strip_fn *combine, *lanes, *tree; /* for each result's dtype */
    btl_dtype *dtype;              /* of each result */
};

/* ---- reading operands --------------------------------------------------------------------- */

/* Gives an operand strip by strip along the row-major order of a space. */
typedef enum strip_walk_kind {
    WALK_DIRECT,   /* row-major itself: read in place */
    WALK_FIXED,    /* one element, stretched over everything: filled once */
    WALK_PERIODIC, /* a short row repeated: filled once, read at an offset */
    WALK_RUNS      /* anything else: gathered, in place where a strip lies in one run */
} strip_walk_kind;

typedef struct strip_walk {
    strip_walk_kind kind;
    int elem_bytes, rank;
    char *at;              /* the next element */
    char *buffer;          /* of 2 * BTL_STRIP_ELEMS elements */
    int64_t period, phase; /* WALK_PERIODIC, in elements */
    int64_t index[BTL_MAX_RANK + 1], dims[BTL_MAX_RANK + 1],
        strides[BTL_MAX_RANK + 1]; /* bytes; merged */
} strip_walk;

/* A walk over dims (strides in bytes, 0 = stretched). */
void btl_strip_walk_init(strip_walk *w, char *data, int elem_bytes, int rank, const int64_t *dims,
                     const int64_t *strides, char *buffer);
/* The next n (<= BTL_STRIP_ELEMS) elements, valid until the next call. */
const void *btl_strip_walk_next(strip_walk *w, int64_t n);

/* ---- a run -------------------------------------------------------------------------------- */

typedef struct strip_run {
    const btl_strips *program;
    const void **reg;  /* pointers of the registers */
    strip_walk *walks; /* one for each operand */
    char *buffers;     /* walk buffers, STRIP_WALK_BUFFER bytes each */
    bool apart;        /* rows of results may lie apart */
    char *free;        /* scratch behind all that: the reduction's */
} strip_run;

enum { STRIP_WALK_BUFFER = 2 * BTL_STRIP_ELEMS * 8, STRIP_ALIGN = 64 };

/* Runs one instruction, or all, on n elements. */
static inline void strip_execute_one(const btl_strips *s, const void **reg, int k, int64_t n) {
    const strip_instr *q = &s->instrs[k];
    const void *in[3] = { reg[q->in[0]], reg[q->in[1]], reg[q->in[2]] };
    q->fn(n, in, (void *)reg[q->out]);
}

static inline void strip_execute(const btl_strips *s, const void **reg, int64_t n) {
    for (int k = 0; k < s->ninstrs; k++) strip_execute_one(s, reg, k, n);
}

/* Fills in the operands' strides in bytes over the space, 0 where stretched; false if sizes do not
 * fit. */
bool btl_strip_space_strides(const btl_operand *x, int elem_bytes, int rank, const int64_t *shape,
                         int64_t *strides);

/* The whole of a map-reduce, and the scratch it needs behind the map's. */
size_t btl_strip_reduce_scratch_bytes(const btl_strips *s);
btl_status btl_strip_reduce_run(strip_run *r, const btl_operand *in, btl_operand *out,
                            const int64_t *shape, int rank, btl_error *err);

#endif
