/* compile.h - what the pipeline hands to the virtual machine.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_COMPILE_H
#define BTL_VM_COMPILE_H

#include "vm/function.h"

/* A program in its private graph, rewritten and fused; all arrays in the graph's arena. */
typedef struct vm_program {
    int ninputs, noutputs, nshared, nupdates, nasserts;
    btl_var **inputs;
    const char **input_names;
    const btl_array **fallbacks;  /* defaults, or NULL */
    btl_var **outputs;
    const char **output_names;
    btl_var **shared;             /* all that are read or updated */
    int *update_shared;           /* which of `shared` */
    btl_var **update_values;
    btl_entry_assert *asserts;
    vm_linker linker;
    bool background;              /* calls run on strips until the compiler is done */
    btl_policy policy;
    bool gc;
    btl_ordering ordering;
    int64_t memory_budget;        /* bytes; 0: none */
    bool memory_curve;
    const int64_t *symbols;       /* sizes at which a budget is held; -1: not known */
    bool overwrites;              /* results may lie in the place of operands */
    btl_error *err;               /* of the compiler */
} vm_program;

/* Fills in f's tables; f->graph, f->name, f->checks are set. Code is made of them by btl_vm_code_make. Only under protection of the graph. */
btl_status btl_vm_tables(btl_function *f, vm_program *p);

#endif
