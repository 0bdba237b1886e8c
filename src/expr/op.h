/* op.h - the op contract: everything that Bitale knows of an operation stands in one const struct.
 *
 * Later folders read it; only `ops/` fills it in. Nothing outside an op's file asks which op a
 * node has, except through the flags and pointers here.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_OP_H
#define BTL_EXPR_OP_H

#include "bitale/extend.h"
#include "expr/graph.h"

/* ---- infer: types and sizes; finds every user error -------------------------------------- */

typedef struct btl_infer {
    btl_graph *g;
    const btl_op *op;
    int nin;
    btl_var *const *in;
    const btl_param *params;
    int nout;       /* preset to op->nout */
    btl_type *out;  /* preset to an array of op->nout; replace both where the number varies */
} btl_infer;

/* ---- running ------------------------------------------------------------------------------ */

/* An array while it is computed with: strides count elements. */
typedef struct btl_operand {
    char *data;
    btl_dtype dtype;
    int rank;
    const int64_t *dims;
    int64_t *strides;
} btl_operand;

typedef struct btl_exec {
    const btl_node *node;
    const btl_param *params;
    int nin, nout;
    const btl_operand *in;  /* any strides (also 0) */
    btl_operand *out;       /* row-major, allocated; for `view`: data and strides to be filled in */
    int64_t *symbols;       /* values of the size symbols; `measure` fills in the late ones */
    void *work;             /* op->workspace bytes, or NULL */
    btl_context *ctx;
    btl_error *err;         /* for btl_error_set; the caller adds the place */
} btl_exec;

/* ---- gradient ----------------------------------------------------------------------------- */

typedef struct btl_vjp {
    btl_graph *g;
    const btl_node *node;
    btl_var *const *in;    /* node->in */
    btl_var *const *out;   /* the node's outputs */
    btl_var *const *dout;  /* gradient by each output, NULL: nothing flows there (never all NULL) */
    const bool *need;      /* which inputs' gradients are wanted */
    btl_var **din;         /* to be filled: NULL stands for "not connected" or not wanted */
} btl_vjp;

/* A value that is zeros but for a range along one axis, of v's type there: the gradient by a slice. */
typedef struct btl_part {
    int axis;
    const btl_dim *start, *length;
    btl_var *value;        /* of the whole's rank */
} btl_part;

/* The other way round: how the outputs move when the inputs do. */
typedef struct btl_jvp {
    btl_graph *g;
    const btl_node *node;
    btl_var *const *din;   /* how each input moves, NULL: not at all (never all NULL) */
    btl_var **dout;        /* to be filled: how each output does; NULL stands for not at all */
} btl_jvp;

/* The node once more for operands of which some have a new axis in front. */
typedef struct btl_batch {
    btl_graph *g;
    const btl_node *node;
    btl_var *const *in;    /* the node's inputs; those with the axis replaced */
    const bool *batched;   /* which these are (never none) */
    const btl_dim *size;   /* of the axis */
    btl_var **out;         /* to be filled: the outputs, all with the axis in front; NULL: not in this way */
} btl_batch;

/* The node once more for a range along one axis of its outputs: the same range, in shares of the axis (the second quarter), of
 * some operands is all that is read of them. */
typedef struct btl_cut {
    const btl_node *node;
    int axis;              /* of the outputs, which are all of one shape there */
    int *in;               /* to be filled, by operand: the axis of which the range is read; preset to -1: all of it is */
    int setting, size;     /* to be filled: which setting is a shape, and which of its sizes is the axis's; preset to -1: none */
    bool rounds;           /* to be filled: the last bits may depend on the range's length (a BLAS); preset to false */
    int64_t grain;         /* to be filled: a range of so many elements is computed about as fast, for each, as the whole axis; preset to 1 */
} btl_cut;

/* ---- elementwise ops ---------------------------------------------------------------------- */

/* The scalar function of an elementwise op. `code` is a C expression over $0 $1 $2 (the operands),
 * in which $t is the operands' type name ("f32"), $T its C type, $U the type without a sign
 * in which integers may overflow, $f the suffix of C's functions
 * ("f" for f32, "" for f64) and $r the result's type name; functions btl_… come from vecmath.inc.
 * One text for all dtypes, or different ones for floats, signed, unsigned and bool (NULL: the op
 * does not take that kind). f16 and bf16 compute in f32 and round each result.
 * Strip kernels and generated C are both made of this text, hence the same bits. */
typedef struct btl_elem {
    const char *code_float, *code_signed, *code_unsigned, *code_bool;
    /* A faster text, or NULL: the same bits wherever |$0| <= near_f32, near_f64. */
    const char *code_near;
    double near_f32, near_f64;
    /* The slow, obvious function: x[i] are operands. f32 is computed in it and rounded; f64 too. */
    long double (*real)(const long double *x);
    /* For integer and bool operands, on 64 bits: wrapped to the type afterwards. */
    int64_t (*on_signed)(const int64_t *x);
    uint64_t (*on_unsigned)(const uint64_t *x);
    double max_ulp;     /* that the text promises for f32 and f64; 0: correctly rounded */
    /* dtype of the result: as the (promoted) operands, or bool */
    bool to_bool;
    int cost;           /* in additions, for fusion and scheduling */
} btl_elem;

/* ---- reductions --------------------------------------------------------------------------- */

/* A reduction over axes by an elementwise op of two operands, in the one order of docs/DESIGN.md. */
typedef struct btl_reduction {
    const btl_op *combine;
    double identity_float;    /* x combined with it is x, bit for bit (-0.0 for a sum) */
    int identity_kind;        /* for integers: 0, 1, or the type's least (-1) or largest (+2) value */
    bool empty_is_error;      /* max and min of nothing */
    double empty_float;       /* otherwise the value of an empty one (0.0 for a sum) */
} btl_reduction;

enum btl_identity_kind { IDENTITY_ZERO = 0, IDENTITY_ONE = 1, IDENTITY_LARGEST = 2, IDENTITY_LEAST = -1 };

/* ---- the contract ------------------------------------------------------------------------- */

/* How btl_build prepares the operands. */
typedef enum btl_promote {
    PROMOTE_NONE,     /* as they are */
    PROMOTE_COMMON,   /* all to their common type */
    PROMOTE_REAL,     /* all to their common type, integers and bool to f64 */
    PROMOTE_DIVIDE,   /* like REAL: "/" */
    PROMOTE_BITS,     /* to their common type, which must be an integer or bool */
    PROMOTE_WHERE     /* operands 1 and 2 to their common type, operand 0 must be bool */
} btl_promote;

enum btl_op_flags {
    OP_COMMUTATIVE = 1,      /* of its two operands */
    OP_LEAF = 2,             /* input, shared, constant, param: computed by nobody */
    OP_CAN_FAIL = 4,         /* at run time */
    OP_IS_PURE_SHAPE = 8,    /* moves data, computes nothing: exact */
    OP_HIDDEN = 16,          /* cannot be written by a person */
    OP_NO_FOLD = 32,         /* never folded when its inputs are constant */
    OP_MACRO = 64,           /* only `build` exists: never a node (mean, var, …) */
    OP_BARRIER = 128,        /* no gradient passes, no rule looks through (stop_gradient) */
    OP_SHAPE_FIRST = 512,    /* NumPy writes the shape before the operand: full(shape, value) */
    OP_ROW_MAJOR = 256,      /* its view needs a row-major operand, and is row-major (reshape) */
    OP_PACKED = 1024,        /* needs row-major operands: a copy is put before it where they are not */
    OP_OWN = 2048            /* registered in a context (ops/extend.c) */
};

typedef struct btl_param_spec {
    const char *name;
    btl_param_kind kind;
    const char *fallback;    /* default in the notation ("none", "false", "0"), NULL: must be given */
    bool positional;         /* may stand behind the operands without its name */
    const char *doc;
} btl_param_spec;

typedef struct btl_op_alias { signed char out, in; } btl_op_alias; /* lists end with out = -1 */

/* Inputs that test the op; see test/sweep. Text of the notation, one case a string:
 * "x: f32[3, 0]" declares operands and their types, settings follow behind "|": "x: f32[2, 3] | axis=1",
 * or a whole expression: "x: f32[5], i: i64[2] | = x[i]". Operands named i, j hold indices, k, key random
 * keys, c a condition; these keep their type when the sample is tried in others (test/sweep/sweep.h). */
typedef const char *const *btl_samples;

/* What the C that an op emits needs besides: texts of bitale/extend.h. */
typedef struct btl_op_code { const char *support, *headers, *compile_flags, *libraries; } btl_op_code;

struct btl_op {
    const char *name;          /* also in the notation and, behind btl_, in C */
    const char *doc;           /* one line for `bitale ops` */
    const char *signature;     /* "softmax(x, axis=-1)" */
    int version;
    int min_in, max_in;        /* max_in -1: any number */
    int nout;
    unsigned flags;
    btl_promote promote;
    int nparams;
    const btl_param_spec *params;

    btl_status (*infer)(btl_infer *x);
    /* Replaces the default way of btl_build (promotion, then apply). */
    btl_var *(*build)(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                      btl_var **out);
    /* A slow, obvious, accurate reference; must accept any strides. Missing: the op has `elem`,
     * `reduction`, `view` or `body`, from which it follows. */
    btl_status (*eval)(btl_exec *x);
    /* Fills in the sizes that only a run can tell (x->symbols), before outputs are allocated. */
    btl_status (*measure)(btl_exec *x);
    /* Output 0 is a view of input 0: sets out[0].data and out[0].strides. */
    btl_status (*view)(btl_exec *x);
    /* A fast native version for functions that run without generated code; missing: eval. */
    btl_status (*kernel)(btl_exec *x);
    size_t (*workspace)(const btl_exec *x);   /* bytes; data pointers are not yet set */
    /* Its own C text (expr/emit.h). Missing: generated code leaves the node to kernel or eval. */
    btl_status (*emit)(btl_emit *e);
    /* What it means that it fails at run time, for lists of such codes: "an index is out of range". */
    const char *fails;

    btl_status (*vjp)(btl_vjp *v);
    /* Is output 0 zeros but for a part? Gradients that are, are put together (grad/parts.c). May be missing. */
    bool (*part)(btl_graph *g, const btl_node *n, btl_part *out);
    /* Missing: derived, as the vjp of the vjp (grad/forward.c). */
    btl_status (*jvp)(btl_jvp *j);
    /* Missing: of an elementwise op, a reduction, a body it is derived; of others the slices are computed
     * one by one, where their number is known (grad/batch.c). */
    btl_status (*batch)(btl_batch *b);
    /* False: not along this axis. Missing: along none. Memory is saved by it (schedule/pieces.h). */
    bool (*cut)(btl_cut *c);
    /* Output by input: does a gradient flow? Missing: everywhere. */
    bool (*connected)(const btl_node *n, int out, int in);
    /* The op said in other ops (output 0 only); vjp, eval and sizes follow from it. */
    btl_var *(*body)(btl_graph *g, const btl_node *n, btl_var *const *in);

    const btl_op_alias *views;    /* NULL: none */
    const btl_op_alias *overwrites; /* results that its kernel and its C may be told to compute in the memory of an operand, laid out alike; if they fail, then before they write */
    /* May input `in` be made where it lies in output 0, with that one's strides (rows of equal rank), and the op leave it there? *at: the element of the
     * row-major output at which it begins. The op finds by its address that it is there. */
    bool (*holds)(btl_graph *g, const btl_node *n, int in, const btl_dim **at);
    /* Of a view of one operand, if that is row-major: the element at which it begins, where it takes elements that follow one another, in that order; NULL: it does
     * not, or not for all sizes. Missing: such a view takes all of its operand, if anything. */
    const btl_dim *(*starts)(btl_graph *g, const btl_node *n);
    const btl_elem *elem;
    const btl_reduction *reduction;
    btl_samples samples;       /* NULL-terminated, NULL: the family's */
    const btl_op_code *code;   /* NULL: nothing */
};

/* The table of all ops (ops/ops.c), NULL-terminated, and the op of that name (NULL: none). */
extern const btl_op *const btl_ops[];
const btl_op *btl_op_find(const char *name, size_t length);

/* Ops of one's own (ops/extend.c): of that name, also among those registered in the context (may be NULL); the i-th of
 * those, or NULL; which plugin one came from ("": the program), NULL: it is Bitale's; its definition, likewise. */
const btl_op *btl_op_lookup(btl_context *ctx, const char *name, size_t length);
const btl_op *btl_op_own(btl_context *ctx, int i);
const char *btl_op_origin(const btl_op *op);
const btl_op_def *btl_op_own_def(const btl_op *op);

/* Leaves (expr/leaf.c). */
extern const btl_op btl_op_input, btl_op_shared, btl_op_constant, btl_op_param;
/* size(dim): a size as a value of a dtype (ops/create.c); cast (ops/cast.c). */
extern const btl_op btl_op_size, btl_op_cast;
/* fused (ops/fused.c): a body over an iteration space; copy (ops/shape.c): row-major copy. */
extern const btl_op btl_op_fused, btl_op_copy;

/* Casts operands as btl_build does for that way of promotion; a mistake is left to btl_fail_done. */
btl_status btl_promote_operands(btl_graph *g, btl_promote promote, int n, btl_var *const *in, btl_var **out);

/* op->cut along an axis; `in` has room for the operands. The size of axis k of `rank` axes over which an operand is stretched, right-aligned:
 * the axis of the operand that is as long, or -1. */
bool btl_node_cut(const btl_node *n, int axis, int *in, btl_cut *cut);
/* The node of one of so many equal shares of the axis, on operands that are as short where the cut says so; or NULL. */
btl_node *btl_cut_apply(btl_graph *g, const btl_cut *cut, btl_var *const *in, int shares);
int btl_cut_stretched(const btl_type *operand, int rank, int k, const btl_dim *size);

/* The value of a setting by name; asserts that the op has it. */
const btl_param *btl_node_param(const btl_node *n, const char *name);
const btl_param *btl_param_of(const btl_op *op, const btl_param *params, const char *name);

/* ---- running one op anywhere (expr/eval.c) ----------------------------------------------- */

/* Runs a node by its reference. in: operands; out: allocated row-major, sizes from symbols.
 * Handles elem, reduction, view, body where op->eval is missing. */
btl_status btl_exec_eval(btl_exec *x);
/* Runs it by its kernel, or by its reference where it has none. */
btl_status btl_exec_run(btl_exec *x);
/* Runs the reference of a fused node and shows every value that its body computes, over the whole space (of a reduction's end: reduced).
 * `see` may change out's elements: what follows is computed from them. */
typedef void (*btl_fused_see)(void *user, const btl_node *n, const btl_operand *in, const btl_operand *out);
btl_status btl_fused_eval(btl_exec *x, btl_fused_see see, void *user);
/* Runs op->measure of a node of g: what it finds is not above its bound, at which memory is planned. */
btl_status btl_exec_measure(btl_exec *x, const btl_graph *g);

/* Evaluates variables of a graph by the reference of each node. `given` maps leaves to arrays
 * (given_vars[i] has value given[i]); inputs, shared without one are an error. symbols: values of
 * the graph's size symbols (those unset, -1, are bound by the given arrays' shapes). results: new
 * arrays, to be freed. The oracle of every test, of constant folding, of first values. */
btl_status btl_graph_eval(btl_graph *g, int ngiven, btl_var *const *given_vars, const btl_array *given,
                          int64_t *symbols, int nresults, btl_var *const *results_vars, btl_array *results,
                          btl_error *err);

#endif
