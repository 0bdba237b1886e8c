/* extend.h - operations of one's own: from a program (btl_op_register) or a shared object (`--plugin`).
 *
 * An op is one `const btl_op_def`. It must say its types (`infer`) and compute (`eval`, or `view`, or `body`);
 * everything else is optional. The notation then knows it by its name, and so does btl_op_call:
 *
 *     static btl_status cube_infer(btl_op_infer *x) { return btl_op_infer_as(x, 0, x->in[0]); }
 *     static btl_status cube_eval(btl_op_run *r) {                    // f64 only, to be short
 *         const double *x = (const double *)btl_array_data(&r->in[0]);
 *         double *y = (double *)btl_array_data(&r->out[0]);
 *         for (int64_t i = 0, n = btl_array_elems(&r->out[0]); i < n; i++) y[i] = x[i] * x[i] * x[i];
 *         return BTL_OK;
 *     }
 *     static btl_status cube_vjp(btl_op_vjp *v) {
 *         v->din[0] = btl_expr(v->g, "3 * x * x * d", "x", v->in[0], "d", v->dout[0], NULL);
 *         return BTL_OK;
 *     }
 *     static const btl_op_def cube = { .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "cube",
 *         .signature = "cube(x)", .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = BTL_OP_PACKED,
 *         .infer = cube_infer, .eval = cube_eval, .vjp = cube_vjp };
 *     …
 *     btl_op_register(ctx, &cube, &err);                              // or in a shared object:
 *     static const btl_op_def *const ops[] = { &cube, NULL };
 *     BTL_PLUGIN("mine", "1.0", ops)
 *
 * The rules that an op keeps. Results depend on operands and settings alone (equal nodes are computed once, and
 * those of constants when the program is compiled). Operands are not written, but for those it declares destroyed.
 * `eval`, `view`, `measure`, `workspace` are called from many threads at once. Inside the other functions memory never
 * runs out visibly: control leaves them by longjmp (so they own nothing that must be given back, and C++ code no object
 * with a destructor).
 *
 * What an op breaks of its contract is BTL_EPLUGIN, with the op and the place where it is used. `btl_op_check`, or
 * `bitale ops NAME --check`, tries an op on its samples in every way there is to run it.
 *
 * ABI: a struct that the library fills in may grow at its end; one that an op fills in begins with its size. BTL_OP_ABI is
 * raised when anything else changes; an op of another ABI is refused.
 *
 * docs/EXTEND.md tells it at length; examples/plugin/ is a plugin built outside of Bitale's tree.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_EXTEND_H
#define BITALE_EXTEND_H

#include "bitale/expr.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined __GNUC__
#define BTL_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define BTL_PRINTF(text, first)
#endif

/** What an op and the library agree on; see above. */
#define BTL_OP_ABI 1

/* ---- sizes ---------------------------------------------------------------------------------- */

/** A size of an array, perhaps not known before the call: a number, a symbol, an expression of those. Two that are
 * known to be equal are the same pointer; different pointers may still turn out equal. Borrowed from the graph. The
 * functions below may only be called inside an op's own functions. */
typedef struct btl_dim btl_dim;

BTL_API const btl_dim *btl_dim_const(btl_graph *g, int64_t value);
BTL_API const btl_dim *btl_dim_add(btl_graph *g, const btl_dim *a, const btl_dim *b);
BTL_API const btl_dim *btl_dim_sub(btl_graph *g, const btl_dim *a, const btl_dim *b);
BTL_API const btl_dim *btl_dim_mul(btl_graph *g, const btl_dim *a, const btl_dim *b);
/** Python's `//` and `%`; by 0: 0. */
BTL_API const btl_dim *btl_dim_floordiv(btl_graph *g, const btl_dim *a, const btl_dim *b);
BTL_API const btl_dim *btl_dim_mod(btl_graph *g, const btl_dim *a, const btl_dim *b);
BTL_API const btl_dim *btl_dim_min(btl_graph *g, const btl_dim *a, const btl_dim *b);
BTL_API const btl_dim *btl_dim_max(btl_graph *g, const btl_dim *a, const btl_dim *b);
/** True and its value where it is a number. */
BTL_API bool btl_dim_is_const(const btl_dim *d, int64_t *value);

/** The size of an axis of a variable, 0 <= axis < btl_var_rank(v). NULL for another axis. */
BTL_API const btl_dim *btl_var_size(const btl_var *v, int axis);

/* ---- settings: fixed when the graph is built -------------------------------------------------- */

typedef enum btl_setting_kind {
    BTL_SETTING_INT, BTL_SETTING_BOOL, BTL_SETTING_FLOAT, BTL_SETTING_DTYPE, BTL_SETTING_TEXT,
    BTL_SETTING_AXES,  /**< a list of ints, or none */
    BTL_SETTING_SIZE,  /**< one size, also a symbolic one, or none */
    BTL_SETTING_SHAPE  /**< a list of sizes, or none */
} btl_setting_kind;

typedef struct btl_setting_spec {
    const char *name;
    btl_setting_kind kind;
    const char *fallback; /**< its default, as the notation writes it ("none", "0.5", "f32"); NULL: must be given */
    bool positional;      /**< may stand behind the operands without its name */
    const char *doc;
} btl_setting_spec;

/** The settings of a node. What is asked for by a wrong name, or as another kind, is zero, and the op breaks its
 * contract. */
typedef struct btl_settings btl_settings;

BTL_API int64_t btl_setting_int(btl_settings *s, const char *name); /**< none: INT64_MIN */
BTL_API bool btl_setting_bool(btl_settings *s, const char *name);
BTL_API double btl_setting_float(btl_settings *s, const char *name);
BTL_API const char *btl_setting_text(btl_settings *s, const char *name);
BTL_API bool btl_setting_dtype(btl_settings *s, const char *name, btl_dtype *out);            /**< false: none */
BTL_API int btl_setting_axes(btl_settings *s, const char *name, const int **axes);            /**< how many; -1: none */
BTL_API const btl_dim *btl_setting_size(btl_settings *s, const char *name);                   /**< NULL: none */
BTL_API int btl_setting_shape(btl_settings *s, const char *name, const btl_dim *const **sizes); /**< how many; -1: none */

/* ---- types ------------------------------------------------------------------------------------ */

/** What `infer` is given: it looks at the operands (btl_var_dtype, btl_var_rank, btl_var_size) and states the type of every
 * result. */
typedef struct btl_op_infer {
    btl_graph *g;
    btl_settings *settings;
    int nin, nout;
    btl_var *const *in;
    struct btl_infer *inside;
} btl_op_infer;

/** Result k is of that type. Returns BTL_OK; where the type is none, the op breaks its contract. */
BTL_API btl_status btl_op_infer_set(btl_op_infer *x, int k, btl_dtype dtype, int rank, const btl_dim *const *sizes);
/** Result k is of v's type. */
BTL_API btl_status btl_op_infer_as(btl_op_infer *x, int k, const btl_var *v);
/** The sizes must be equal: BTL_OK where they are (or nobody can know yet: then it is checked at each call), otherwise
 * BTL_ESHAPE with a message. */
BTL_API btl_status btl_op_infer_equal(btl_op_infer *x, const btl_dim *a, const btl_dim *b);
/** A new size that only a run can tell, by `measure`; `bound` (may be NULL) is the largest that it can be. */
BTL_API const btl_dim *btl_op_infer_unknown(btl_op_infer *x, const btl_dim *bound);

/** A user's mistake: records a message (the op's name and the place are put before it) and returns the status, for
 * `return btl_op_fail(…)`. In infer, body, vjp, jvp and emit. */
BTL_API btl_status btl_op_fail(btl_graph *g, btl_status status, const char *format, ...) BTL_PRINTF(3, 4);
/** Adds what a person can do about it; before or behind btl_op_fail. */
BTL_API void btl_op_hint(btl_graph *g, const char *format, ...) BTL_PRINTF(2, 3);

/* ---- running ---------------------------------------------------------------------------------- */

/** What `eval`, `view`, `measure`, `workspace` are given. */
typedef struct btl_op_run {
    btl_settings *settings;
    int nin, nout;
    const btl_array *in;  /**< any strides, also 0 and negative ones; with BTL_OP_PACKED row-major */
    btl_array *out;       /**< allocated, row-major (strides NULL), overlapping nothing; contents undefined */
    void *work;           /**< what `workspace` asked for, aligned to 64 bytes; else NULL */
    btl_context *ctx;
    struct btl_exec *inside;
} btl_op_run;

/** A failure at run time (an op that has some says BTL_OP_CAN_FAIL); `return btl_op_run_fail(…)`. */
BTL_API btl_status btl_op_run_fail(btl_op_run *r, btl_status status, const char *format, ...) BTL_PRINTF(3, 4);
/** The value of a size (of a setting) in this run; -1 where it is not known or too large. */
BTL_API int64_t btl_op_run_size(const btl_op_run *r, const btl_dim *d);
/** In `measure`: the size of an axis of result k, which btl_op_infer_unknown stood in for. */
BTL_API btl_status btl_op_run_measured(btl_op_run *r, int k, int axis, int64_t size);

/* ---- derivatives and parts -------------------------------------------------------------------- */

/** What `vjp` is given: it builds the gradients of the operands, as expressions of the results' gradients. */
typedef struct btl_op_vjp {
    btl_graph *g;
    btl_settings *settings;
    int nin, nout;
    btl_var *const *in;
    btl_var *const *out;   /**< the results */
    btl_var *const *dout;  /**< the gradient by each result; NULL: nothing flows there (never all) */
    const bool *need;      /**< which operands' gradients are wanted */
    btl_var **din;         /**< to be filled in, each of its operand's type; NULL: not connected, or not wanted */
} btl_op_vjp;

/** What `jvp` is given, the other way round: it builds how the results move when the operands do. */
typedef struct btl_op_jvp {
    btl_graph *g;
    btl_settings *settings;
    int nin, nout;
    btl_var *const *in;
    btl_var *const *out;   /**< the results */
    btl_var *const *din;   /**< how each operand moves; NULL: not at all (never all) */
    btl_var **dout;        /**< to be filled in, each of its result's type; NULL: not at all */
} btl_op_jvp;

/** What `body` is given. */
typedef struct btl_op_body {
    btl_graph *g;
    btl_settings *settings;
    int nin;
    btl_var *const *in;
} btl_op_body;

/** The value of a setting for btl_op_call; made by the functions below. */
typedef struct btl_setting {
    const char *name;
    btl_setting_kind kind;
    int64_t i;
    double f;
    const char *text;
    int n;
    const int *axes;
    const btl_dim *const *sizes;
} btl_setting;

static inline btl_setting btl_set_int(const char *name, int64_t value) {
    btl_setting s = { name, BTL_SETTING_INT, value, 0, NULL, 0, NULL, NULL };
    return s;
}
static inline btl_setting btl_set_bool(const char *name, bool value) {
    btl_setting s = { name, BTL_SETTING_BOOL, value, 0, NULL, 0, NULL, NULL };
    return s;
}
static inline btl_setting btl_set_float(const char *name, double value) {
    btl_setting s = { name, BTL_SETTING_FLOAT, 0, value, NULL, 0, NULL, NULL };
    return s;
}
static inline btl_setting btl_set_dtype(const char *name, btl_dtype value) {
    btl_setting s = { name, BTL_SETTING_DTYPE, value, 0, NULL, 0, NULL, NULL };
    return s;
}
static inline btl_setting btl_set_text(const char *name, const char *value) {
    btl_setting s = { name, BTL_SETTING_TEXT, 0, 0, value, 0, NULL, NULL };
    return s;
}
/** n -1: none. The lists are copied. */
static inline btl_setting btl_set_axes(const char *name, int n, const int *axes) {
    btl_setting s = { name, BTL_SETTING_AXES, 0, 0, NULL, n, axes, NULL };
    return s;
}
static inline btl_setting btl_set_size(const char *name, const btl_dim *const *size) {
    btl_setting s = { name, BTL_SETTING_SIZE, 0, 0, NULL, 1, NULL, size };
    return s;
}
static inline btl_setting btl_set_shape(const char *name, int n, const btl_dim *const *sizes) {
    btl_setting s = { name, BTL_SETTING_SHAPE, 0, 0, NULL, n, NULL, sizes };
    return s;
}

/** Builds any op, Bitale's or one's own, by its name.
 *
 * @param nin,in              its operands
 * @param like                settings that are taken over where the op has one of that name and kind; or NULL
 * @param nsettings,settings  values of settings; those that are not there have their defaults
 * @param out                 may be NULL; receives all its results
 * @return  the first result, or NULL on a mistake, which the graph records: BTL_ENAME (no such op, no such setting),
 *          BTL_EVALUE (a setting of another kind, a missing one), and what the op itself finds
 * Thread rule: the graph's. */
BTL_API btl_var *btl_op_call(btl_graph *g, const char *name, int nin, btl_var *const *in, const btl_settings *like,
                             int nsettings, const btl_setting *settings, btl_var **out);

/* ---- C text ----------------------------------------------------------------------------------- */

/** `emit` writes the body of one C99 function. Its operands are pointers x0, x1, … (const, one for each operand) and
 * y0, y1, … (one for each result, row-major, overlapping nothing else) to elements of btl_emit_ctype. Sizes and strides are
 * asked for: each call gives a C expression of type int64_t. Nothing else varies: nodes with equal texts share one
 * function.
 *
 * - Functions whose names begin with btl_ are found in the texts that come with Bitale and need no declaration:
 *   btl_exp_f32, btl_log_f64, …: the ones that Bitale's own ops are made of.
 * - `BTL_SIMD` before an innermost loop says that its iterations are independent.
 * - Where it fails it says `return 1;`, and ends by falling out of its body. Why it failed is told by `eval`, which is
 *   run on the same operands for its message.
 * - A view's emit leaves `y0` (a pointer, equal to x0 before) at the result's first element and tells the strides
 *   by btl_emit_view_stride.
 * - BTL_EUNSUPPORTED (without a message): not for these operands; eval runs.
 *
 * The bits should be those of `eval` (the compiler is told not to contract a*b+c, and no -ffast-math), or `max_ulp` says
 * how far they may lie apart. */
typedef struct btl_emit btl_emit;

BTL_API btl_graph *btl_emit_graph(const btl_emit *e);
BTL_API btl_settings *btl_emit_settings(btl_emit *e);
/** Operands are numbered: inputs 0 … nin-1, then results. */
BTL_API int btl_emit_nin(const btl_emit *e);
BTL_API btl_dtype btl_emit_dtype(const btl_emit *e, int operand);
BTL_API int btl_emit_rank(const btl_emit *e, int operand);

/** Adds to the body. */
BTL_API void btl_emit_text(btl_emit *e, const char *format, ...) BTL_PRINTF(2, 3);
/** Text for expressions that are put together. Borrowed, for the length of emit. */
BTL_API const char *btl_emit_format(btl_emit *e, const char *format, ...) BTL_PRINTF(2, 3);
/** Text that stands once before all functions, however many nodes ask for it; beside `support` of the op. */
BTL_API void btl_emit_support(btl_emit *e, const char *text);

/** The size of an axis; the distance of its elements, in elements; any size; the number of elements. */
BTL_API const char *btl_emit_dim(btl_emit *e, int operand, int axis);
BTL_API const char *btl_emit_stride(btl_emit *e, int operand, int axis);
BTL_API const char *btl_emit_size(btl_emit *e, const btl_dim *d);
BTL_API const char *btl_emit_elems(btl_emit *e, int operand);
/** The distance as a size, or NULL where only a run can tell. */
BTL_API const btl_dim *btl_emit_known_stride(const btl_emit *e, int operand, int axis);
/** Known to lie in row-major order without gaps? (With BTL_OP_PACKED it always is.) */
BTL_API bool btl_emit_is_row_major(const btl_emit *e, int operand);

/** Scratch: a pointer `work` (void *, aligned to 64 bytes) to at least so many bytes. At most once. */
BTL_API void btl_emit_work(btl_emit *e, const btl_dim *bytes);
/** A view's strides: as a size (`known`), or (known NULL) as a C expression of int64_t. */
BTL_API void btl_emit_view_stride(btl_emit *e, int axis, const btl_dim *known, const char *text);

/** The C type of an element in memory: "float"; f16 and bf16 are "uint16_t", bool is "uint8_t". */
BTL_API const char *btl_emit_ctype(btl_dtype dtype);
/** A literal of one element, bits and all: "0x1.8p+1f". */
BTL_API const char *btl_emit_literal(btl_emit *e, btl_dtype dtype, const void *element);

/* ---- the op ----------------------------------------------------------------------------------- */

/** How operands are cast before the op sees them. */
typedef enum btl_op_promote {
    BTL_PROMOTE_NONE,    /**< as they are */
    BTL_PROMOTE_COMMON,  /**< to their common type */
    BTL_PROMOTE_REAL     /**< to their common type, integers and bool to f64 */
} btl_op_promote;

enum btl_op_def_flags {
    BTL_OP_CAN_FAIL = 1,  /**< at run time */
    BTL_OP_PACKED = 2     /**< operands are row-major without gaps when it runs: what is not is copied before */
};

/** The largest number of operands and results that an op can declare. */
#define BTL_OP_MAX_OPERANDS 64

/** An op. Texts and tables that it points to must live as long as the context; the struct itself is copied. What is not
 * needed is 0. */
typedef struct btl_op_def {
    size_t struct_size;      /**< sizeof(btl_op_def) */
    int abi;                 /**< BTL_OP_ABI */
    unsigned flags;          /**< BTL_OP_… */
    const char *name;        /**< letters, digits, _, and one point ("mine.cube"); the notation's */
    const char *doc;         /**< one line for `bitale ops`, or NULL */
    const char *signature;   /**< "cube(x, scale=1)", or NULL */
    int version;             /**< from 1; raise it when the op computes something else: compiled code in caches depends on
                              *   it, beside all texts that it emits */
    int min_in, max_in;      /**< operands; max_in -1: any number, called with a list */
    int nout;                /**< results */
    btl_op_promote promote;
    int nsettings;
    const btl_setting_spec *settings;

    /** Types and sizes; finds every mistake of a person that can be found before the call. Needed. */
    btl_status (*infer)(btl_op_infer *x);
    /** Computes; this or view or body. An op that has no more than this runs in every mode and linker. */
    btl_status (*eval)(btl_op_run *r);
    /** Instead of eval: the one result is a view of operand 0. Sets out[0].data (or byte_offset) and out[0].strides (in
     * elements); every element must be one of the operand's. Memory is shared, nothing is copied. */
    btl_status (*view)(btl_op_run *r);
    /** Instead of eval: the op said in other ops. Its gradient and its code follow. One result, of the type that infer states. */
    btl_var *(*body)(btl_op_body *b);
    /** Finds the sizes of btl_op_infer_unknown (btl_op_run_measured); `out` is NULL. */
    btl_status (*measure)(btl_op_run *r);
    /** Bytes of r->work for eval; shapes are there, data is not. */
    size_t (*workspace)(const btl_op_run *r);
    /** Bit i: eval may overwrite operand i. It works on a private copy then. (Not with emit and view.) */
    uint64_t destroys;

    /** The gradient. Missing (and no body): a gradient through the op is an error that names it. */
    btl_status (*vjp)(btl_op_vjp *v);
    /** The Jacobian times a direction, for rop and jacobian. Missing: derived from vjp. */
    btl_status (*jvp)(btl_op_jvp *j);
    /** Does a gradient flow from result `out` to operand `in`? Missing: from every floating one to every floating one. */
    bool (*connected)(btl_settings *s, int out, int in);

    /** Its C. Missing: generated code leaves the op to eval, and emit-c refuses it. */
    btl_status (*emit)(btl_emit *e);
    const char *support;     /**< C text that stands once before the functions, or NULL; what it defines is `static` */
    const char *headers;     /**< names apart by blanks: "<math.h> \"mine.h\"", or NULL */
    const char *compile_flags; /**< for the compiler: "-I/opt/mine/include -DX=1", or NULL; words as in a shell */
    const char *libraries;   /**< "-L/opt/mine/lib -lmine -lm", or NULL */
    double max_ulp;          /**< how far emit's floats may lie from eval's; 0: the same bits */

    /** Inputs that test it, NULL-terminated: "x: f32[3, 0], y: f32 | axis=1" declares operands and their types, settings
     * follow behind "|"; "x: f32[5] | = cube(x[1:])" is a whole expression. Behind a type, "from A to B" says between which
     * values the derivative can be tried (0.3 to 1.7). docs/EXTEND.md. */
    const char *const *samples;
} btl_op_def;

/** Makes an op known in a context: to every graph of it from now on.
 * @return BTL_OK; BTL_EPLUGIN (another ABI, a missing or contradictory member), BTL_ENAME (a name that is taken or is none),
 *         ENOMEM; with a message. On failure nothing has changed.
 * Thread rule: any thread. The op lives as long as the context. Since 0.1. */
BTL_API btl_status btl_op_register(btl_context *ctx, const btl_op_def *op, btl_error *err);

/* ---- plugins ---------------------------------------------------------------------------------- */

/** What the function `btl_plugin` of a shared object returns. */
typedef struct btl_plugin_def {
    size_t struct_size;      /**< sizeof(btl_plugin_def) */
    int abi;                 /**< BTL_OP_ABI */
    const char *name, *version;
    const btl_op_def *const *ops; /**< NULL-terminated */
    btl_status (*library)(btl_context *, const btl_op_def *, btl_error *); /**< btl_op_register: tells which copy of the
                                                                            *   library the plugin calls */
} btl_plugin_def;

#if defined _WIN32
#define BTL_PLUGIN_EXPORT __declspec(dllexport)
#else
#define BTL_PLUGIN_EXPORT BTL_API
#endif
/** The function by which a plugin is found. */
BTL_PLUGIN_EXPORT const btl_plugin_def *btl_plugin(void);

/** Defines it: `BTL_PLUGIN("mine", "1.0", ops)`, ops a NULL-terminated array of pointers. Once in a plugin. */
#define BTL_PLUGIN(plugin_name, plugin_version, plugin_ops)                                       \
    const btl_plugin_def *btl_plugin(void) {                                                      \
        static const btl_plugin_def def = { sizeof(btl_plugin_def), BTL_OP_ABI, plugin_name,      \
                                            plugin_version, plugin_ops, btl_op_register };        \
        return &def;                                                                              \
    }

/** Loads a shared object and registers its ops, all or none. A plugin that is loaded already is left as it is.
 * @return BTL_OK; BTL_EIO (no such file), BTL_EFORMAT (no shared object, no `btl_plugin` in it), BTL_EPLUGIN (another ABI; it
 *         calls another copy of the library than this one), and what btl_op_register finds; with the file's name
 * Its code runs in this process with all its rights: load only what you trust. Thread rule: any. It stays loaded as long as
 * the context. Since 0.1. */
BTL_API btl_status btl_plugin_load(btl_context *ctx, const char *path, btl_error *err);

#ifdef __cplusplus
}
#endif
#endif
