/* graph.h - what a graph is: variables, nodes, places in the source, entries (functions).
 *
 * One arena owns everything. `g->nodes` lists all nodes in the order of their construction, which
 * is always a valid order of execution, since a node's inputs exist before it: every traversal is
 * a loop over ids, none is recursive. Nodes are immutable; a rewrite makes new ones.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_GRAPH_H
#define BTL_EXPR_GRAPH_H

#include "base/context.h"
#include "base/error.h"
#include "bitale/expr.h"
#include "expr/dim.h"

typedef struct btl_op btl_op;
typedef struct btl_node btl_node;

typedef struct btl_type {
    btl_dtype dtype;
    int rank;
    const btl_dim *const *dims;
} btl_type;

/* A place in the source: of a program's text, or of the C file that called a builder. */
typedef struct btl_place {
    const char *file;
    const char *function;   /* C function, or NULL */
    int line, column, length; /* column 0: unknown */
    const char *source;     /* the source line that `column` counts in, or NULL */
} btl_place;

/* The set of places that a node came from (fusion and CSE merge them). */
typedef struct btl_places btl_places;
struct btl_places {
    const btl_place *place;
    const btl_places *more;
};

/* ---- parameters: the settings of a node, fixed when the graph is built ------------------ */

typedef enum btl_param_kind {
    PARAM_INT, PARAM_BOOL, PARAM_FLOAT, PARAM_DTYPE, PARAM_TEXT,
    PARAM_AXES,   /* a list of ints, or none (all) */
    PARAM_DIM,    /* one size */
    PARAM_SHAPE,  /* a list of sizes */
    PARAM_INDEX,  /* what stands in x[…] */
    PARAM_ARRAY,  /* a constant's value */
    PARAM_BODY    /* a nested graph */
} btl_param_kind;

typedef enum btl_index_kind { INDEX_INT, INDEX_SLICE, INDEX_NEWAXIS, INDEX_ARRAY } btl_index_kind;

/* A bound of a slice or an integer index: absent, a size, or the node's input number `input`. */
typedef struct btl_bound {
    const btl_dim *dim; /* NULL: absent or an input */
    int input;          /* -1: absent or a size */
} btl_bound;

/* One item of x[…]; the ellipsis was resolved, and every axis of x has an item. INDEX_INT uses
 * `start`; INDEX_ARRAY's `start.input` is the input with the indices. */
typedef struct btl_index_item {
    btl_index_kind kind;
    btl_bound start, stop, step;
} btl_index_item;

typedef struct btl_body {
    int nparams, nresults;
    struct btl_var **params, **results; /* params: 0-input nodes of op "param" */
    btl_graph *graph;                   /* in which its nodes stand */
} btl_body;

typedef union btl_param {
    int64_t i;                 /* INT, BOOL, DTYPE */
    double f;
    const char *s;
    struct { int n; const int *v; } axes;                     /* n = -1: none given */
    const btl_dim *dim;
    struct { int n; const btl_dim *const *v; } shape;         /* n = -1: none given */
    struct { int n; const btl_index_item *v; } index;
    const btl_array *array;
    const btl_body *body;
} btl_param;

/* ---- variables and nodes ---------------------------------------------------------------- */

struct btl_var {
    btl_node *node;
    btl_type type;
    const char *name;   /* as the program calls it, or NULL */
    int index;          /* among the node's outputs */
    bool weak;          /* takes the other side's dtype: literals, sizes and what is made of them */
    bool counts;        /* a constant known to be 0, 1, 2 … by its making; one that is may not be known to be */
};

/* Two sizes that must be equal, tested at each call. */
typedef struct btl_size_check btl_size_check;
struct btl_size_check {
    const btl_dim *a, *b;
    const btl_node *node;         /* that needs it, with its places */
    const char *message;          /* "x: f32[n], y: f32[m]", or NULL */
    const btl_size_check *next;
};

/* What a program in the schedule stage says of where a result lies (expr/opaque.h). */
typedef struct btl_lies {
    int input;                    /* the operand in whose memory; -1: in memory of its own */
    bool is_view;                 /* a view of it; else it is written over it */
    const char *place;            /* where that memory is, for the printer: "arena+4096 40960B"; or NULL */
} btl_lies;

struct btl_node {
    const btl_op *op;
    int id;                       /* index in g->nodes */
    int nin, nout;
    btl_var **in;
    btl_var *out;                 /* array of nout */
    const btl_param *params;      /* op->nparams of them */
    const btl_places *places;
    const btl_size_check *checks;
    btl_lies *lies;               /* of each result; NULL: nothing is said. No pass reads it, and no copy of a node has it */
};

/* ---- entries: what is compiled ----------------------------------------------------------- */

typedef struct btl_entry_input { btl_var *var; btl_var *value; bool is_mutable; } btl_entry_input; /* value: default or NULL */
typedef struct btl_entry_output { const char *name; btl_var *var; } btl_entry_output;
typedef struct btl_entry_update { btl_var *shared, *value; } btl_entry_update;
typedef struct btl_entry_assert { btl_var *condition; const char *text; const btl_places *places; } btl_entry_assert;

struct btl_entry {
    const char *name;
    int ninputs, noutputs, nupdates, nasserts;
    int input_capacity, output_capacity, update_capacity, assert_capacity;
    btl_entry_input *inputs;
    btl_entry_output *outputs;
    btl_entry_update *updates;
    btl_entry_assert *asserts;
    const btl_places *places;
    bool is_explicit;             /* written with `function` */
    int nnodes;
    btl_node **nodes;             /* in the schedule stage: what it runs, in the order of its text */
};

typedef struct btl_shared_def { const char *name; btl_var *var; btl_var *init; } btl_shared_def; /* name first: a table's key */

/* ---- diagnostics ------------------------------------------------------------------------- */

typedef struct btl_diagnostic btl_diagnostic;
struct btl_diagnostic {
    btl_status status;
    const btl_places *places;
    const char *message;        /* one line, "matmul: inner sizes differ: …" */
    const char *label;          /* behind the caret, or NULL */
    const char *hint;           /* or NULL */
    btl_diagnostic *next;
};

/* ---- the graph --------------------------------------------------------------------------- */

struct btl_graph {
    btl_context *ctx;
    btl_arena arena;
    btl_dims dims;

    int nnodes, node_capacity;
    btl_node **nodes;

    int nshared, shared_capacity;
    btl_shared_def **shared;
    btl_table shared_by_name;
    int nentries, entry_capacity;
    btl_entry **entries;

    const btl_places *here;       /* where what is built now comes from */
    bool keep_here;               /* btl_at changes nothing: an op's own functions build for the place of their node */
    const btl_size_check *checks; /* collected while a node is being built */

    btl_status status;            /* of the first error */
    btl_error error;              /* the first one, for a person */
    btl_diagnostic *diagnostics, **last_diagnostic;
    int ndiagnostics;
    const char *pending_message, *pending_label, *pending_hint;
    btl_status pending;
    bool intern;                  /* equal nodes are made once (compiled graphs) */
    btl_table interned;
    bool scheduled;               /* text began with `stage schedule` */
};

/* ---- building ---------------------------------------------------------------------------- */

/* Runs body(arg) with the graph's memory guarded; running out of it becomes the graph's error. */
btl_status btl_graph_protect(btl_graph *g, btl_status (*body)(void *), void *arg);

/* A node of exactly these inputs and parameters (no promotion): infers types, records places. On
 * a user's mistake records a diagnostic and returns NULL. Inputs that are NULL give NULL silently. */
btl_node *btl_apply(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params);
/* What a person means by op(in…): promotes, casts, broadcasts as the op says, then applies.
 * Returns the first output (out, if not NULL, receives all nout of them), or NULL. */
btl_var *btl_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                   btl_var **out);

/* Records a user's mistake; the caller then returns the status. `btl_fail` begins it (the op's name
 * is put before it), the others add to it. Only valid inside infer, build and the parser. */
btl_status btl_fail(btl_graph *g, btl_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void btl_fail_label(btl_graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
void btl_fail_hint(btl_graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Turns what btl_fail recorded into a diagnostic at g->here; prefix (an op's name) may be NULL. */
void btl_fail_done(btl_graph *g, const char *prefix);
/* Renders a diagnostic: "file:line:column: error: …", the source line, the caret, the hint. */
void btl_diagnostic_print(btl_text *t, const btl_diagnostic *d);

/* The source line of a place (long ones cut) with a caret below, without a newline at the end; returns its
 * length. For messages at run time, which have no arena. */
size_t btl_place_print_source(char *to, size_t most, const btl_place *p);

/* err's message gets the place of the node in front and its source line behind. */
btl_status btl_places_error(const btl_places *places, const char *op, btl_status status, btl_error *err);

/* "x: f32[n, 784]", or "an operand: f32[n]" if it has no name. Arena text. */
const char *btl_var_text(btl_graph *g, const btl_var *v);
const char *btl_type_text(btl_graph *g, const btl_type *type);
void btl_type_print(btl_text *t, const btl_graph *g, const btl_type *type);

/* Sizes that must be equal: OK when they are, a run-time check when it cannot be known yet,
 * BTL_ESHAPE (nothing recorded) when they differ. *out (may be NULL) is the better-known one. */
btl_status btl_dims_unify(btl_graph *g, const btl_dim *a, const btl_dim *b, const btl_dim **out);
/* The same, with what a person is told where they differ at a call (arena text). */
btl_status btl_dims_unify_or_say(btl_graph *g, const btl_dim *a, const btl_dim *b, const char *message);
/* The checks gathered in g->checks become the node's; message: what a person is told where one fails that says nothing itself (NULL:
 * the node's operands with their types). */
void btl_checks_attach(btl_graph *g, btl_node *n, const char *message);
btl_type btl_type_make(btl_graph *g, btl_dtype dtype, int rank, const btl_dim *const *dims); /* copies dims */
bool btl_type_equal(const btl_type *a, const btl_type *b);
/* How many elements an array has. */
const btl_dim *btl_type_elems(btl_graph *g, const btl_type *t);
/* Bytes of an array at sizes of the symbols (NULL: none is known): -1, or the first axis with which they are unknown, negative or too many. */
int btl_type_bytes(const btl_type *t, const int64_t *symbols, int64_t *bytes);
bool btl_param_equal(btl_param_kind kind, const btl_param *a, const btl_param *b);
uint64_t btl_param_hash(btl_param_kind kind, const btl_param *a, uint64_t seed);

const btl_places *btl_places_add(btl_graph *g, const btl_places *set, const btl_place *place);
const btl_places *btl_places_union(btl_graph *g, const btl_places *a, const btl_places *b);

/* ---- leaves ------------------------------------------------------------------------------ */

btl_var *btl_graph_input(btl_graph *g, const char *name, const btl_type *type);
btl_var *btl_graph_shared(btl_graph *g, const char *name, const btl_type *type, btl_var *init);
/* Makes a leaf that stands in the graph (imported) one of its shared variables. */
void btl_graph_adopt_shared(btl_graph *g, btl_var *v, btl_var *init);
btl_var *btl_graph_param(btl_graph *g, const char *name, const btl_type *type);  /* of a body */
btl_var *btl_graph_constant(btl_graph *g, const btl_array *value);        /* copies it */
btl_var *btl_graph_constant_in_arena(btl_graph *g, const btl_array *value); /* row-major, of g's arena, never written again: no copy */
btl_var *btl_graph_scalar(btl_graph *g, btl_dtype dtype, double value);   /* 0-d constant; exact for |integers| <= 2^53 */
btl_var *btl_graph_int(btl_graph *g, btl_dtype dtype, int64_t value);
btl_var *btl_graph_weak_int(btl_graph *g, int64_t value);                  /* literals */
btl_var *btl_graph_weak_float(btl_graph *g, double value);
btl_var *btl_graph_weak_bool(btl_graph *g, bool value);                    /* bool is never weak */
btl_var *btl_graph_size(btl_graph *g, const btl_dim *d);                   /* weak i64 */
btl_shared_def *btl_graph_find_shared(const btl_graph *g, const char *name);

bool btl_var_is_input(const btl_var *v);
bool btl_var_is_shared(const btl_var *v);
bool btl_var_is_constant(const btl_var *v);
bool btl_var_is_leaf(const btl_var *v);
/* The value of a constant as a double if it is a constant whose elements are all equal
 * (also through broadcasts of one); false otherwise. */
bool btl_var_constant_value(const btl_var *v, double *value);
const btl_array *btl_var_constant_array(const btl_var *v);

/* ---- traversal --------------------------------------------------------------------------- */

/* Bits by node id. */
typedef struct btl_bits { uint64_t *words; int n; } btl_bits;
btl_bits btl_bits_new(btl_arena *a, int n);
static inline bool btl_bits_get(btl_bits b, int i) { return (b.words[i >> 6] >> (i & 63)) & 1; }
static inline void btl_bits_set(btl_bits b, int i) { b.words[i >> 6] |= (uint64_t)1 << (i & 63); }
/* The nodes on which the variables depend, themselves included (bodies excluded): by their operands,
 * and by the sizes that only a run can tell, which the node that measures them must have found. */
btl_bits btl_graph_reach(btl_graph *g, int n, btl_var *const *vars);
/* The same for what is small beside the graph, at its own cost: ids, ascending (arena memory). `seen` (of all nodes, clear) is
 * clear again afterwards. Returns how many. */
int btl_graph_reach_few(btl_graph *g, int n, btl_var *const *vars, btl_bits seen, int **ids);
/* The same, stopping at nodes for which stop has a bit (they are included). */
btl_bits btl_graph_reach_until(btl_graph *g, int n, btl_var *const *vars, btl_bits stop);
/* The needed nodes in a valid order of execution: by id, but measures before the users of their sizes
 * (a rewrite may have made a measure anew). Writes ids to order (room for all); returns their number. */
int btl_graph_order(btl_graph *g, btl_bits needed, int *order);

/* The spec checker: asserts everything that must hold of nodes, types, bodies, entries. Run after
 * every pass in debug builds; false (with the graph's error set) where something is wrong. */
bool btl_graph_check(btl_graph *g);

/* ---- copying ----------------------------------------------------------------------------- */

/* A map from the variables of one graph to those of another (or the same). */
typedef struct btl_var_map {
    btl_var ***outs; /* outs[node id][output], NULL = unmapped */
    int n;
    btl_table texts; /* names and source lines that were copied: one line may be that of a million nodes */
} btl_var_map;
btl_var_map btl_var_map_new(btl_arena *a, const btl_graph *from);
btl_var *btl_var_map_get(const btl_var_map *m, const btl_var *v);
void btl_var_map_set(btl_arena *a, btl_var_map *m, const btl_var *from, btl_var *to);
/* Copies what the variables depend on from one graph to another, into m; mapped ones are kept. */
void btl_graph_import(btl_graph *to, btl_graph *from, btl_var_map *m, int n, btl_var *const *vars);
/* The parameter (its sizes, bodies, arrays) in another graph whose symbols were imported. */
btl_param btl_param_import(btl_graph *to, btl_param_kind kind, const btl_param *p);

#endif
