/** @file memory.h
 * What memory a program takes, when, for what: known before it runs.
 *
 *     btl_memory *m;
 *     btl_memory_options o = { .struct_size = sizeof o, .nsizes = 1, .size_names = names, .size_values = values };
 *     if (btl_memory_new(g, btl_entry_find(g, "train"), &o, &m, &err) == BTL_OK) {
 *         const btl_memory_info *i = btl_memory_look(m);
 *         printf("%lld of at least %lld bytes\n", i->peak_bytes, i->lower_bound_bytes);
 *         btl_memory_free(m);
 *     }
 *
 * A *value* is what a step makes, or an argument, a shared variable, a constant, which are not counted. A *storage* is a piece of memory that values live in,
 * one after the other (written over one another) or together (views). All sizes are bytes, and sums of the values' bytes without alignment, but
 * for those of blocks, whose buffers begin at multiples of 64.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_MEMORY_H
#define BITALE_MEMORY_H

#include "bitale/vm.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum btl_memory_order {
    BTL_ORDER_EXACT,  /**< the least peak that some seconds' search finds, proven where it can be */
    BTL_ORDER_FAST,   /**< milliseconds */
    BTL_ORDER_GIVEN   /**< as the program has it */
} btl_memory_order;

typedef struct btl_memory_options {
    size_t struct_size;
    const btl_function_options *function; /**< how it is compiled, or NULL; not used of a program in the schedule stage */
    int nsizes;                           /**< values of the program's sizes */
    const char *const *size_names;
    const int64_t *size_values;
    btl_memory_order order;
} btl_memory_options;

typedef struct btl_memory_value {
    const char *name;         /**< or NULL */
    const char *op;           /**< that makes it; NULL: nothing does */
    const char *type;         /**< "f32[128, 500]", with the sizes' names */
    const char *file;         /**< where it comes from, or NULL */
    int line, column;
    const char *source;       /**< the text of that line, or NULL */
    int64_t bytes;
    int made, last;           /**< the first and the last step at which it is needed; made -1: before all; last = nsteps: to the end */
    int into, view;           /**< the value that it is written over, or is a view of; -1 */
    bool is_result;           /**< handed to the caller */
    bool is_counted;          /**< its memory counts: neither an argument nor a state nor a constant, nor in the memory of one */
} btl_memory_value;

typedef struct btl_memory_step {
    const char *op;           /**< "matmul", "mul, add, tanh" */
    const char *file;
    int line, column;
    const char *source;
    int nin, nout;
    const int *in, *out;      /**< values */
    int64_t workspace;
    int64_t live;             /**< bytes that live while it runs, workspace included */
} btl_memory_step;

typedef struct btl_memory_store {
    int64_t bytes, offset;    /**< offset: in the block, under `arena`, or in the host */
    int first, last;          /**< steps, both included; last = nsteps: to the end */
    int root;                 /**< the value that it is first made for */
    bool is_result;
    int host;                 /**< under `arena`: the storage of a result in whose memory it lies until that is written; -1: none */
} btl_memory_store;

typedef struct btl_memory_plan {
    const char *policy;       /**< "arena", "each", "reuse", "reuse=0d" */
    int nstores;
    const btl_memory_store *stores;
    const int *store_of;      /**< of each value, or -1 */
    int64_t taken, taken_gc;  /**< bytes of all storages; with gc: the most that are held at one time. Results included */
} btl_memory_plan;

/** A way to take less: some nodes run again. */
typedef struct btl_memory_point { int64_t bytes; double extra; int nagain; } btl_memory_point; /* extra: of all work, 0.1: a tenth more; nagain: runs more, -1: not told */

typedef struct btl_memory_info {
    const char *function;
    bool is_listing;          /**< of a program in the schedule stage; else of the compiled function */
    int nvalues, nsteps;
    const btl_memory_value *values;
    const btl_memory_step *steps;  /**< in the order that is reported */
    int64_t peak_bytes;       /**< of this order */
    int64_t peak_workspace;   /**< the part of it that is workspace */
    int peak_step;            /**< -1: there are no steps */
    int64_t given_peak_bytes; /**< of the order as the program, or the compiled function, has it */
    int64_t min_peak_bytes;   /**< of all orders, or the best that was found */
    int64_t lower_bound_bytes;
    bool proven;              /**< the two are the same */
    const char *found_by, *bound_by;
    int64_t results_bytes;    /**< of what is handed to the caller */
    int64_t arena_bytes;      /**< of the block under `arena`: taken less results */
    int nplans;
    const btl_memory_plan *plans;
    int npieces;              /**< a part of the function is computed in so many pieces; 0: none is */
    const char *pieces_of;    /**< the value for whose sake: "p: f32[4, 8, 256, 256]" … */
    int pieces_axis;          /**< … and the axis of it along which */
    int pieces_nodes;         /**< that are computed so, before they were multiplied */
    int64_t whole_bytes;      /**< what it would take without, by the function's policy */
    int ncurve;               /**< with memory_curve: peaks that recomputation reaches, falling, and what they cost */
    const btl_memory_point *curve;
} btl_memory_info;

typedef struct btl_memory btl_memory;

/** The program's memory at these sizes. The graph must outlive it; what is looked at belongs to it. Of a program in the schedule stage the
 * `into`s are checked.
 * @return EVALUE: an `into` that is not safe, or (BTL_ORDER_GIVEN) a listing that no run could follow: the line, and why; ESHAPE: a size is not
 *         given or too large; EUSAGE; what btl_function_new returns; ENOMEM. */
BTL_API btl_status btl_memory_new(btl_graph *g, btl_entry *e, const btl_memory_options *options, btl_memory **out, btl_error *err);
BTL_API const btl_memory_info *btl_memory_look(const btl_memory *m);
BTL_API void btl_memory_free(btl_memory *m);

/** Does the program begin with `stage schedule`? */
BTL_API bool btl_graph_is_schedule(const btl_graph *g);
/** Is every `into` of a program in the schedule stage safe? BTL_OK also of any other program. EVALUE: which is not, where, and why. */
BTL_API btl_status btl_entry_check_memory(btl_graph *g, btl_entry *e, btl_error *err);

#ifdef __cplusplus
}
#endif

#endif
