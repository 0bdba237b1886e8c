/* vm.h - compiled functions, states, calls.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_VM_H
#define BITALE_VM_H

#include "bitale/expr.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A compiled function. Immutable: may be called from any number of threads at once. Independent of
 * the graph it was made from, which may be freed. Must be freed before its context. */
typedef struct btl_function btl_function;

/** The buffers of shared variables. Any state that has the shared variables a function names, with
 * the right types, runs with it: one function runs on many states.
 * Thread rule: internally locked; many calls read it at once, one updates it. */
typedef struct btl_state btl_state;

/** A rewrite that was made: `before` stands as `after` from now on. Texts are borrowed for the call. */
typedef struct btl_firing {
    int64_t number;             /**< from 1 */
    const char *rule;           /**< `bitale rules` tells about it; NULL: only `note` is said */
    const char *origin;         /**< of one's own: "mine.rules:3", "the program"; NULL: Bitale's */
    const char *why, *phase;    /**< why the rule is there; the phase in which it fired */
    const char *before, *after; /**< a few levels of the two expressions */
    const char *file;           /**< where the expression stands in the source; NULL: unknown */
    int line, column;           /**< 0: unknown */
    const char *source;         /**< the source line, or NULL */
    const char *note;           /**< rules that did not end and were switched off, or NULL */
} btl_firing;

/** How a function is compiled. Start from `{0}`. */
typedef struct btl_function_options {
    size_t struct_size;
    const char *mode;         /**< a mode and settings, "fast_run,linker=vm,without=fuse" (see below); NULL: btl_mode_default */
    const char *without;      /**< names or tags of rewrites not to be used, or "fuse", separated by commas; or NULL */
    int ngivens;              /**< variables of the graph to be replaced … */
    btl_var *const *given_vars;
    btl_var *const *given_values; /**< … by these, of the same types */
    const char *with;         /**< names or tags of rewrites to be used besides; or NULL. Read if struct_size says that it is there */
    void (*see)(void *user, const btl_firing *f); /**< told of each rewrite while it is compiled, in order; may be NULL. It must return */
    void *see_user;
    int64_t stop_at_firing;   /**< 0: never; n: the n-th rewrite and all later ones are not made (what must be lowered is): so the one that
                               *   changes a result is found by halving, as `bitale bisect` does */
    int64_t memory_budget;    /**< bytes that intermediate values and results may take together, 0: any: nodes run again instead of keeping what
                               *   they made, or btl_function_new says (ENOMEM) that it can't be, and what the least is. Held at these sizes: */
    int nsizes;
    const char *const *size_names;
    const int64_t *size_values; /**< … and others at their bounds */
    bool memory_curve;        /**< btl_memory_info's curve is wanted */
} btl_function_options;

/* A mode is three choices: which rewrites, which linker, which checks. Its text is a name (btl_mode_name), which may be missing (then
 * fast_run), and settings behind it, separated by commas:
 *
 *     linker=c|vm|strips|eval     one generated routine; kernel by kernel; the strip interpreter; every node by its reference
 *     checks=none|nan|monitor|debug   what is done around each node; not with linker=c
 *     with=NAME, without=NAME     a rewrite's name or tag (`bitale rules`), or "fuse"; each may stand several times
 *     tier=immediate|background   background: calls run on strips until the compiler is done
 *     policy=arena|each|reuse|reuse=0d   where intermediate values lie: offsets in one block; a storage for each; the storage of a dead value
 *                                 handed to a later one of the same type, or for single numbers only
 *     gc=off|on                   off: memory stays for the next call; on: given back after the call, or (each, reuse) behind the last node
 *                                 that needs it, which rules out the one routine of linker=c
 *     order=fast|exact|given      how far to look for an order of the nodes that takes less memory: for milliseconds; for some seconds, and till it is
 *                                 proven that there is none; not at all
 *     nan=on|off, inf=on|off, big=NUMBER|off   what checks=nan takes for bad; NaN, infinities and what is beyond 1e10 unless said
 */

/** The modes, NULL behind the last; *doc (may be NULL) in a line. */
BTL_API const char *btl_mode_name(int i, const char **doc);
/** Is this text a mode with its settings? EUSAGE: what is wrong with it. */
BTL_API btl_status btl_mode_check(const char *mode, btl_error *err);
/** The mode of functions that ask for none: what BITALE_MODE says, or the configuration file (btl_config_file), or fast_run. It need
 * not be a mode: that is told when a function is made. */
BTL_API const char *btl_mode_default(void);

/** Compiles an entry of a program. `options` may be NULL. Errors: EUSAGE (unknown mode), EFORMAT (the configuration file), EDTYPE and
 * ESHAPE (givens), EVALUE (an output depends on an input that is not an argument), ECOMPILER (an op's C text
 * does not compile: op, place, the compiler's words), ENOMEM. Where there is no compiler, or nothing may be executed, the
 * function runs on the strip interpreter, and btl_function_note says why.
 * Cost: milliseconds, and with the linkers c and vm the C compiler's time (from 50 ms), unless the code is in the cache. */
BTL_API btl_status btl_function_new(btl_graph *g, btl_entry *e, const btl_function_options *options,
                                    btl_function **out, btl_error *err);
BTL_API void btl_function_free(btl_function *f);

/** The passes that make a function, in order; NULL behind the last. */
BTL_API const char *btl_pipeline_pass(int i, const char **doc);
/** The program of an entry as it is after a pass: a new graph with that one entry, to be printed and
 * freed. `pass` NULL: after all passes. EUSAGE for an unknown one. */
BTL_API btl_status btl_pipeline_print(btl_graph *g, btl_entry *e, const btl_function_options *options, const char *pass,
                                      btl_graph **out, btl_error *err);

BTL_API const char *btl_function_name(const btl_function *f);
/** How calls run now: "c" (one generated routine), "vm" (kernels, generated or the library's), "strips", "eval"; and what a
 * person may want to know of it (why there is no generated code), or "". With `tier=background` it changes once. */
BTL_API const char *btl_function_linker(const btl_function *f);
BTL_API const char *btl_function_note(const btl_function *f);
/** What is done around each node: "none", "nan", "monitor", "debug". */
BTL_API const char *btl_function_checks(const btl_function *f);
/** What the rewrites that made a function promise, all together: how far it may lie from the program as it was written. */
typedef struct btl_promise {
    int fired;              /**< how many times a rule replaced something */
    int within_ulp;         /**< of these, by one that promises values within some ulp … */
    int reassociating;      /**< … or the same sum or product in another order; all others keep every bit */
    double ulps;            /**< the sum of what the former promise */
    const char *loosest;    /**< the name of one that promises least, or NULL: every bit is kept */
} btl_promise;
BTL_API void btl_function_promise(const btl_function *f, btl_promise *out);
BTL_API int btl_function_ninputs(const btl_function *f);
BTL_API int btl_function_noutputs(const btl_function *f);
/** Names and types ("f32[n, 784]") of arguments and results. Borrowed from the function. */
BTL_API const char *btl_function_input_name(const btl_function *f, int i);
BTL_API const char *btl_function_input_type(const btl_function *f, int i);
BTL_API btl_dtype btl_function_input_dtype(const btl_function *f, int i);
BTL_API int btl_function_input_rank(const btl_function *f, int i);
/** The size of an axis if it is a number, -1 otherwise; and its name if it is a bare one, else NULL. */
BTL_API int64_t btl_function_input_size(const btl_function *f, int i, int axis);
BTL_API const char *btl_function_input_size_name(const btl_function *f, int i, int axis);
BTL_API bool btl_function_input_has_default(const btl_function *f, int i);
BTL_API const char *btl_function_output_name(const btl_function *f, int i);
BTL_API const char *btl_function_output_type(const btl_function *f, int i);
BTL_API btl_dtype btl_function_output_dtype(const btl_function *f, int i);
BTL_API int btl_function_output_rank(const btl_function *f, int i);
/** Number of shared variables that the function reads or updates, and whether it updates any. */
BTL_API int btl_function_nshared(const btl_function *f);
BTL_API const char *btl_function_shared_name(const btl_function *f, int i);
BTL_API bool btl_function_updates(const btl_function *f);

/** A node of a compiled function as it runs, shown to a monitor. Everything is borrowed for the length of its call. The library fills it
 * in; it may grow at its end. */
typedef struct btl_node_view {
    const btl_function *f;
    int index, count;       /**< its number among the function's `count` nodes, of which a call runs those that it needs */
    const char *op;         /**< "matmul"; of a kernel that is several ops, all of them: "mul, add, tanh" */
    const char *file;       /**< the first place that it comes from, or NULL; see btl_node_place */
    int line, column;
    int nin, nout;
    const btl_array *in;    /**< operands, any strides: to be read only */
    const btl_array *out;   /**< results, in `after`; before that NULL */
    const char *const *in_names;  /**< as the program calls them; NULL entries: it does not */
    const char *const *out_names;
    double seconds;         /**< that it took, in `after` */
    const void *inside;
} btl_node_view;

/** The i-th place that the node comes from (rewriting and fusion join several); `source` is the line's text or NULL. False behind the
 * last. Any of the pointers may be NULL. */
BTL_API bool btl_node_place(const btl_node_view *n, int i, const char **file, int *line, int *column, const char **source);

/** The host's hook around every node of a function with checks=monitor (mode "monitor"); any member may be NULL. A status other than
 * BTL_OK ends the call with it. Called on the thread of the call. */
typedef struct btl_monitor {
    size_t struct_size;
    btl_status (*before)(void *user, const btl_node_view *n);
    btl_status (*after)(void *user, const btl_node_view *n);
    void *user;
} btl_monitor;

/** Which values an array holds, any strides. min, max and mean are of the finite ones (0 where there are none); of integers and bool all
 * are. */
typedef struct btl_range { int64_t count, nan, inf; double min, max, mean; } btl_range;
BTL_API void btl_array_range(const btl_array *a, btl_range *out);

/** Settings of one call. Start from `{0}`; NULL stands for all zeros. */
typedef struct btl_call_options {
    size_t struct_size;
    int threads;                 /**< reserved: calls run on the calling thread */
    int nsizes;                  /**< sizes given by name, for those that no argument carries */
    const char *const *size_names;
    const int64_t *size_values;
    const bool *wanted;          /**< noutputs flags: which results to compute; NULL: all. Updates are always made */
    const btl_monitor *monitor;  /**< looks at every node; the function needs checks=monitor. Read if struct_size says that it is there */
} btl_call_options;

/** Calls a function.
 *
 * @param s    its shared variables; NULL if it has none
 * @param in   ninputs arrays, any strides; one with `data` NULL stands for the argument's default
 * @param out  noutputs arrays: one with `data` set is the caller's buffer (row-major, of the right type
 *             and shape); one with `data` NULL receives a new array, to be freed with btl_array_free.
 *             On failure those stay as they were. What is in the caller's buffers is lost when the call begins, also if
 *             it fails: until its result is written such a buffer may serve as room for other values.
 * @param err  may be NULL
 * @return BTL_OK; EDTYPE, ESHAPE, EVALUE for arguments; EINDEX, EASSERT, EVALUE at run time, with the place
 *         in the source; ENAN (checks=nan), ECHECK (checks=debug): what was found, where; EUSAGE (a monitor without checks=monitor);
 *         ENOMEM. A call that fails leaves the state as it was.
 * Thread rule: any number of calls at once, also on one state. All expressions see the state from
 * before the call; updates take effect together. Memory: a workspace is taken from the function's
 * pool; with the caller's buffers and unchanged sizes nothing is allocated.
 * Overlap: a result may overlap an argument; it is then computed aside and copied. */
BTL_API btl_status btl_call(const btl_function *f, btl_state *s, const btl_array *in, btl_array *out,
                            const btl_call_options *options, btl_error *err);

/** Bytes of the memory that intermediate values take in the last sized workspace: of the arena, or of all storages together. */
BTL_API size_t btl_function_arena_bytes(const btl_function *f);

/** Bytes of the scratch that kernels share in a call, one block besides. */
BTL_API size_t btl_function_scratch_bytes(const btl_function *f);

/** A state with the first values of all shared variables of the program. */
BTL_API btl_status btl_state_new(btl_graph *g, btl_state **out, btl_error *err);
/** An independent copy. */
BTL_API btl_status btl_state_copy(const btl_state *s, btl_state **out, btl_error *err);
BTL_API void btl_state_free(btl_state *s);
/** Exchanges the contents of two states. */
BTL_API void btl_state_swap(btl_state *a, btl_state *b);
BTL_API int btl_state_nshared(const btl_state *s);
BTL_API const char *btl_state_name(const btl_state *s, int i);
/** A copy of a shared variable's value, to be freed with btl_array_free. ENAME if there is none. */
BTL_API btl_status btl_state_get(const btl_state *s, const char *name, btl_array *out, btl_error *err);
/** Sets a shared variable's value; dtype and shape must agree. ENAME, EDTYPE, ESHAPE. */
BTL_API btl_status btl_state_set(btl_state *s, const char *name, const btl_array *value, btl_error *err);
/** Saves all shared variables as safetensors; the file appears complete or not at all. */
BTL_API btl_status btl_state_save(const btl_state *s, const char *path, btl_error *err);
/** Loads every shared variable of the state from a file; names that the state lacks are ignored. A missing
 * name, another type or shape: an error, and the state is as it was. */
BTL_API btl_status btl_state_load(btl_state *s, const char *path, btl_error *err);

#ifdef __cplusplus
}
#endif
#endif
