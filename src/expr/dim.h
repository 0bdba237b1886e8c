/* dim.h - symbolic sizes. A size is an interned integer expression over size symbols, kept in one
 * normal form (a polynomial over atoms), so that two sizes are provably equal when their pointers
 * are equal. Sizes are compared and checked, never solved for.
 *
 * Atoms: a symbol ("n", or one for each `?`), or floordiv, mod, min, max of two sizes (or a sum or
 * product that is too large for the normal form). Each size
 * carries the interval in which its value must lie (symbols are >= 0), which lets max(0, n) be n.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_DIM_H
#define BTL_EXPR_DIM_H

#include "base/hash.h"
#include "base/text.h"
#include "bitale/extend.h"

typedef enum btl_dim_kind { DIM_POLY, DIM_SYMBOL, DIM_FLOORDIV, DIM_MOD, DIM_MIN, DIM_MAX, DIM_PRODUCT, DIM_SUM } btl_dim_kind;

/* coef * atoms[0] * atoms[1] * …, atoms sorted by id, none a DIM_POLY */
typedef struct btl_dim_term {
    int64_t coef;
    int natoms;
    const btl_dim *const *atoms;
} btl_dim_term;

struct btl_dim {
    btl_dim_kind kind;
    int id;                     /* dense in its graph: order of terms, index of memo tables */
    int64_t constant;           /* DIM_POLY: added to the terms */
    int nterms;
    const btl_dim_term *terms;
    const btl_dim *a, *b;       /* operands of the other atoms */
    int symbol;                 /* DIM_SYMBOL: index in the graph's symbols */
    int64_t lo, hi;             /* bounds of its value */
    int depth;                  /* of nested atoms; limited, so that recursion over sizes is */
    bool late;                  /* contains a symbol that a node defines at run time */
};

typedef struct btl_symbol {
    const char *name;           /* NULL for a `?` */
    const btl_dim *bound;       /* upper bound of a `?`, or NULL */
    const btl_dim *dim;
    bool late;                  /* its value is found by a node while the function runs */
    struct btl_node *definer;   /* that node: the newest one that measures it */
} btl_symbol;

typedef struct btl_dims {
    btl_table interned;
    btl_table by_name;          /* of symbols */
    int ndims, nsymbols, symbol_capacity;
    bool has_late;              /* some symbol is late */
    btl_symbol **symbols;
} btl_dims;

/* btl_dim_const, btl_dim_add, … btl_dim_max, btl_dim_is_const are in bitale/extend.h. */
const btl_dim *btl_dim_symbol(btl_graph *g, const char *name);              /* interned by name */
const btl_dim *btl_dim_unknown(btl_graph *g, const btl_dim *bound, bool late); /* a new `?` */

/* The number of the symbol of that name, or -1. */
int btl_dims_find(const btl_graph *g, const char *name);
/* The product of n sizes (1 for none). */
const btl_dim *btl_dim_product(btl_graph *g, int n, const btl_dim *const *dims);

static inline bool btl_dim_is(const btl_dim *d, int64_t value) {
    return d->kind == DIM_POLY && d->nterms == 0 && d->constant == value;
}
/* True where a and b must differ, whatever the symbols' values. */
bool btl_dim_differ(btl_graph *g, const btl_dim *a, const btl_dim *b);
/* A number that divides it, whatever the symbols' values; 0 of 0. */
int64_t btl_dim_divisor(const btl_dim *d);
/* A bare symbol's index, or -1. */
int btl_dim_symbol_index(const btl_dim *d);
/* Does its value depend on symbol i? */
bool btl_dim_uses(const btl_dim *d, int symbol);
/* Calls visit(arg, i) for every late symbol i in d (maybe more than once). */
void btl_dim_late_symbols(const btl_dim *d, void (*visit)(void *arg, int symbol), void *arg);
/* Its value; symbols[i] is the value of symbol i, -1 if unknown. False: unknown symbol or overflow. */
bool btl_dim_eval(const btl_dim *d, const int64_t *symbols, int64_t *value);
/* As the notation writes it: "n", "2*n + 1", "?". */
void btl_dim_print(btl_text *t, const btl_graph *g, const btl_dim *d);
/* The same size in another graph whose symbols were copied from d's graph (btl_dims_import). */
const btl_dim *btl_dim_import(btl_graph *to, const btl_dim *d);
void btl_dims_import(btl_graph *to, const btl_graph *from);

#endif
