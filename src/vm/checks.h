/* checks.h - what a mode does around each instruction of a function. The machine (call.c) runs an instruction of a function with
 * checks through its btl_check, which calls back to run it:
 *
 *     nan_guard.c   looks for NaN, infinities and huge values
 *     monitor.c     calls the host's hook
 *     debug.c       compares every way there is to run it, and every rule's two sides
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_VM_CHECKS_H
#define BTL_VM_CHECKS_H

#include "expr/contract.h"
#include "vm/function.h"

/* A call under way. */
typedef struct vm_watch {
    const btl_function *f;
    vm_workspace *w;
    const vm_code *code;       /* or NULL */
    const btl_monitor *monitor;
    uint64_t need;
    btl_error *err;
    btl_status (*run)(void *call, const vm_instr *instr); /* on the workspace's operands; the error has its place */
    void *call;
    struct debug_call *debug;  /* debug's, from begin to end */
} vm_watch;

typedef struct btl_check {
    const char *name;
    btl_status (*begin)(vm_watch *v);            /* arguments and shared variables are there; NULL: nothing to do */
    btl_status (*step)(vm_watch *v, int instr);  /* runs that one */
    btl_status (*end)(vm_watch *v, btl_status status); /* whatever came of it; NULL: nothing to do */
} btl_check;

extern const btl_check btl_check_debug, btl_check_nan, btl_check_monitor;

/* "y: f32[3, 784]" of a slot in this call; "operand 1: …" where it has no name. Returns `text`. */
const char *btl_vm_slot_text(const vm_workspace *w, int slot, const char *otherwise, char *text, size_t bytes);
/* "min -1, max 3, mean 0.5; 2 NaN, 1 infinite". Returns `text`. */
const char *btl_vm_range_text(const btl_operand *x, char *text, size_t bytes);
/* Does an instruction of the call, or its end, read it? */
bool btl_vm_slot_is_read(const vm_watch *v, int slot);
/* Adds lines behind the error's message. */
void btl_error_add(btl_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- debug --------------------------------------------------------------------------------------- */

typedef struct btl_rule btl_rule;

/* A rule that replaced a variable, both in the function's graph. */
typedef struct vm_firing {
    const char *rule, *why;
    btl_var *before, *after;
    int exactness;         /* VM_SAME_BITS, … */
    double ulp;
    bool finite, any_zero; /* where a value is not finite nothing is promised; nor the sign of zeros */
} vm_firing;

enum { VM_SAME_BITS, VM_WITHIN_ULP, VM_REASSOCIATES };

/* What debug keeps of a function's making: of its graph. */
struct vm_debug {
    int nfirings, capacity;
    vm_firing *firings;
    int nroots;
    btl_var **rewritten;   /* results, new values, assertions: when the rules were done … */
    btl_var **scheduled;   /* … and as they are computed */
    pthread_mutex_t lock;  /* the graph's memory is used during a call: one at a time */
};

/* Compares the two sides of every firing, and what scheduling made of the graph, on the values of this call: ECHECK, and the error names
 * the rule. A program whose reference fails (an index, a solve) is left to the run. Under protection of the graph, of whose arena `a` is a child, holding the lock. */
btl_status btl_debug_rules(vm_watch *v, btl_arena *a);

#endif
