/* expr.h - programs and expressions: graphs, variables, the notation.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_EXPR_H
#define BITALE_EXPR_H

#include "bitale/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A program being built: variables, shared variables, the functions to be compiled.
 * Ownership: owns everything built in it; one `btl_graph_free`. Thread rule: one thread at a time.
 * Errors: builders return NULL on a mistake and for NULL operands, and the first error is kept:
 * write a whole model and look once, with `btl_graph_error`. */
typedef struct btl_graph btl_graph;
/** A typed value of a graph: an input, a shared variable, a constant, or the result of a node.
 * Borrowed from its graph. */
typedef struct btl_var btl_var;
/** A function of a program, as written (see vm.h for the compiled one). Borrowed from its graph. */
typedef struct btl_entry btl_entry;

/** Where in the host's source a builder is called; `BTL_SITE` makes it. */
typedef struct btl_site { const char *file; const char *function; int line; } btl_site;

BTL_API btl_status btl_graph_new(btl_context *ctx, btl_graph **out);
BTL_API void btl_graph_free(btl_graph *g);

/** The first error of the graph, or NULL. Borrowed; changes no more once set. */
BTL_API const btl_error *btl_graph_error(const btl_graph *g);
/** All mistakes found so far, each with place, source line, caret and hint, as one text ("" if
 * none). Borrowed, valid until the next call that changes the graph. */
BTL_API const char *btl_graph_messages(btl_graph *g);
/** How many mistakes were found. */
BTL_API int btl_graph_nmessages(const btl_graph *g);

/** Parses a program of the notation (docs/GRAMMAR.md) into the graph. Every mistake of the text is
 * recorded. `file` names the text in messages. BTL_OK, or the status of the first mistake. */
BTL_API btl_status btl_graph_parse(btl_graph *g, const char *text, size_t length, const char *file);

/** Builds one expression of the notation in which names stand for the given variables:
 * `btl_expr(g, "softmax(x @ w + b)", "x", x, "w", w, "b", b, NULL)`. Shared variables of the graph
 * are known by their names. NULL on error. */
BTL_API btl_var *btl_expr(btl_graph *g, const char *text, ...);
/** The same with arrays, for bindings. */
BTL_API btl_var *btl_expr_n(btl_graph *g, const char *text, int n, const char *const *names, btl_var *const *vars);

/** The whole program in the notation's normal form: one node a line, types and settings spelled
 * out; parses back to the same graph. Borrowed until the graph changes. NULL only without memory. */
BTL_API const char *btl_graph_print(btl_graph *g);

/** An input of that type, in the notation: `btl_input(g, "x", "f32[n, 784]")`. */
BTL_API btl_var *btl_input(btl_graph *g, const char *name, const char *type);
/** A shared variable; `init` (an expression without inputs, converted and broadcast to the type;
 * NULL: zeros) gives its first value. */
BTL_API btl_var *btl_shared(btl_graph *g, const char *name, const char *type, btl_var *init);
/** A constant with a copy of that value. */
BTL_API btl_var *btl_constant(btl_graph *g, const btl_array *value);
/** A literal: takes the dtype of what it meets. */
BTL_API btl_var *btl_number(btl_graph *g, double value);
BTL_API btl_var *btl_integer(btl_graph *g, int64_t value);

/** A function of the program: add its inputs (in the order of the call's arguments), outputs,
 * updates, assertions. */
BTL_API btl_entry *btl_entry_new(btl_graph *g, const char *name);
BTL_API btl_status btl_entry_add_input(btl_graph *g, btl_entry *e, btl_var *input, btl_var *fallback);
BTL_API btl_status btl_entry_add_output(btl_graph *g, btl_entry *e, const char *name, btl_var *value);
BTL_API btl_status btl_entry_add_update(btl_graph *g, btl_entry *e, btl_var *shared, btl_var *value);
BTL_API btl_status btl_entry_add_assert(btl_graph *g, btl_entry *e, btl_var *condition, const char *text);
/** The function of that name (NULL: the only one, or "main"), or NULL. */
BTL_API btl_entry *btl_entry_find(btl_graph *g, const char *name);
BTL_API int btl_graph_nentries(const btl_graph *g);
BTL_API const char *btl_graph_entry_name(const btl_graph *g, int i);

/** Type of a variable: "f32[n, 784]". Borrowed. */
BTL_API const char *btl_var_type(btl_graph *g, const btl_var *v);
BTL_API const char *btl_var_name(const btl_var *v);
BTL_API btl_dtype btl_var_dtype(const btl_var *v);
BTL_API int btl_var_rank(const btl_var *v);

/** Gives a nameless variable its name (for messages and prints); returns it. */
BTL_API btl_var *btl_named(btl_graph *g, btl_var *v, const char *name);

/** Sets the place that the next builders record; used by the macros of ops.h. Returns g. */
BTL_API btl_graph *btl_at(btl_graph *g, btl_site site);

#if !defined BTL_NO_SITES && !defined __cplusplus
#define BTL_SITE ((btl_site){ __FILE__, __func__, __LINE__ })
#define btl_expr(g, ...) (btl_expr)(btl_at((g), BTL_SITE), __VA_ARGS__)
#define btl_input(g, name, type) (btl_input)(btl_at((g), BTL_SITE), (name), (type))
#define btl_shared(g, name, type, init) (btl_shared)(btl_at((g), BTL_SITE), (name), (type), (init))
#endif

#ifdef __cplusplus
}
#endif
#endif
