/* standalone.h - a compiled function as C files that need nothing: for other programs, other machines, small ones.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_STANDALONE_H
#define BITALE_STANDALONE_H

#include "bitale/vm.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How a function is written out. Start from `{0}`. */
typedef struct btl_standalone_options {
    size_t struct_size;
    const char *name;        /**< of the C function; NULL: the function's, and for `main` that of the program */
    const char *program;     /**< the program's name, mostly its file without folder and ending; NULL: "program" */
    const btl_state *state;  /**< its shared variables become a struct with these first values, which the function is given;
                              *   NULL: they are arguments, and their new values results */
    bool cblas;              /**< products of matrices call cblas_sgemm and cblas_dgemm */
    bool with_main;          /**< also a program that reads and writes .npy */
    int align;               /**< of intermediate values, in bytes, a power of two of at least 8; 0: 64 */
} btl_standalone_options;

/** A file: its name without a folder, and all of its text. */
typedef struct btl_standalone_file {
    const char *name, *text;
    size_t length;
} btl_standalone_file;

/** An argument or a result of the C function. */
typedef struct btl_standalone_value {
    const char *name, *type; /**< as the program says it: "x", "f32[n, 784]" */
    const char *c_type;      /**< of an element: "float" */
    bool is_shared;          /**< a shared variable, or its new value */
    bool has_default;        /**< NULL may be given for it */
} btl_standalone_value;

/** What the C function returns where it fails. */
typedef struct btl_standalone_code {
    int code;
    const char *meaning;     /**< "p.bitale:7: an index is out of range" */
} btl_standalone_code;

/** All about the files. Everything is borrowed from them. */
typedef struct btl_standalone_info {
    const char *name;                      /**< of the C function */
    const char *function;                  /**< in the program */
    const char *state;                     /**< the struct's type, or NULL */
    int nfiles, nsizes, ninputs, noutputs, ncodes, nnotes;
    const btl_standalone_file *files;
    const char *const *sizes;              /**< in the order in which they are given; none: no `sizes` either */
    const btl_standalone_value *inputs, *outputs;
    const btl_standalone_code *codes;
    const char *const *notes;              /**< what a person may want to know, such as a name that was changed */
    int64_t work_bytes;                    /**< of intermediate values, or -1 where it depends on the sizes */
    const char *work;                      /**< the same as C over the sizes */
} btl_standalone_info;

typedef struct btl_standalone btl_standalone;

/** Writes a compiled function as C99: `int NAME(const int64_t *sizes, const void *const *in, void *const *out, void *work)` and
 * `size_t NAME_work(const int64_t *sizes)`, both without `sizes` where all sizes are numbers. The text allocates nothing, has
 * no variables that change, needs libc and libm only, and gives the bits that calls of the function give (of products: without a
 * BLAS, btl_context_options.blas "none"). Its header tells the rest.
 *
 * @param f        made with any linker; linker=strips is made without a compiler
 * @param options  may be NULL
 * @return BTL_OK; EUNSUPPORTED: an op has no C of its own, or a size is known at run time only (op and place are named);
 *         ENAME: options->name cannot be the name of a C function; EVALUE: align; EUSAGE: a state that lacks a shared variable;
 *         ENOMEM.
 * Thread rule: one at a time for a function; calls of it may go on meanwhile. Cost: milliseconds; memory as the text's, and the
 * function keeps some of it. */
BTL_API btl_status btl_standalone_new(btl_function *f, const btl_standalone_options *options, btl_standalone **out, btl_error *err);
/** What was written; borrowed. */
BTL_API const btl_standalone_info *btl_standalone_look(const btl_standalone *s);
/** Frees it; NULL is accepted. */
BTL_API void btl_standalone_free(btl_standalone *s);

#ifdef __cplusplus
}
#endif
#endif
