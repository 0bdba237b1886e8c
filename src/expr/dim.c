/* dim.c - symbolic sizes in normal form; see dim.h.
 *
 * A polynomial's terms are sorted by their atoms, so equal polynomials are the same bytes and
 * interning makes them one pointer. Bounds are interval arithmetic that saturates.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/dim.h"

#include "expr/graph.h"

#include <assert.h>
#include <string.h>

enum { LARGEST_TERMS = 32, LARGEST_DEGREE = 8, LARGEST_DEPTH = 64 };
#define DIM_INF INT64_MAX

/* ---- saturating interval arithmetic ------------------------------------------------------ */

static int64_t dim_sat_add(int64_t a, int64_t b) {
    int64_t c;
    if (a == DIM_INF || b == DIM_INF) return DIM_INF;
    if (a == INT64_MIN || b == INT64_MIN) return INT64_MIN;
    return __builtin_add_overflow(a, b, &c) ? (a > 0 ? DIM_INF : INT64_MIN) : c;
}

static int64_t dim_sat_mul(int64_t a, int64_t b) {
    int64_t c;
    if (a == 0 || b == 0) return 0;
    return __builtin_mul_overflow(a, b, &c) ? ((a > 0) == (b > 0) ? DIM_INF : INT64_MIN) : c;
}

static int64_t dim_least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t dim_largest(int64_t a, int64_t b) { return a > b ? a : b; }

static void dim_interval_mul(int64_t *lo, int64_t *hi, int64_t lo2, int64_t hi2) {
    int64_t p = dim_sat_mul(*lo, lo2), q = dim_sat_mul(*lo, hi2), r = dim_sat_mul(*hi, lo2), s = dim_sat_mul(*hi, hi2);
    *lo = dim_least(dim_least(p, q), dim_least(r, s));
    *hi = dim_largest(dim_largest(p, q), dim_largest(r, s));
}

/* ---- interning --------------------------------------------------------------------------- */

static uint64_t dim_hash(const btl_dim *d) {
    uint64_t h = btl_hash_mix((uint64_t)d->kind, (uint64_t)d->constant);
    h = btl_hash_mix(h, (uint64_t)d->symbol);
    if (d->a) h = btl_hash_mix(h, (uint64_t)d->a->id);
    if (d->b) h = btl_hash_mix(h, (uint64_t)d->b->id + 1);
    for (int i = 0; i < d->nterms; i++) {
        h = btl_hash_mix(h, (uint64_t)d->terms[i].coef);
        for (int j = 0; j < d->terms[i].natoms; j++) h = btl_hash_mix(h, (uint64_t)d->terms[i].atoms[j]->id);
    }
    return h;
}

static bool dim_equal(const void *key, const void *thing) {
    const btl_dim *x = key, *y = thing;
    if (x->kind != y->kind || x->constant != y->constant || x->symbol != y->symbol || x->a != y->a ||
        x->b != y->b || x->nterms != y->nterms)
        return false;
    for (int i = 0; i < x->nterms; i++) {
        const btl_dim_term *s = &x->terms[i], *t = &y->terms[i];
        if (s->coef != t->coef || s->natoms != t->natoms) return false;
        if (memcmp(s->atoms, t->atoms, (size_t)s->natoms * sizeof *s->atoms) != 0) return false;
    }
    return true;
}

static void dim_bound_poly(btl_dim *d) {
    d->lo = d->hi = d->constant;
    for (int i = 0; i < d->nterms; i++) {
        int64_t lo = d->terms[i].coef, hi = lo;
        for (int j = 0; j < d->terms[i].natoms; j++) {
            const btl_dim *atom = d->terms[i].atoms[j];
            dim_interval_mul(&lo, &hi, atom->lo, atom->hi);
            d->late |= atom->late;
            if (atom->depth > d->depth) d->depth = atom->depth;
        }
        d->lo = dim_sat_add(d->lo, lo);
        d->hi = dim_sat_add(d->hi, hi);
    }
}

static void dim_bound_atom(btl_dim *d) {
    const btl_dim *a = d->a, *b = d->b;
    d->late = a->late || b->late;
    d->depth = 1 + (a->depth > b->depth ? a->depth : b->depth);
    switch (d->kind) {
    case DIM_MIN:
        d->lo = dim_least(a->lo, b->lo), d->hi = dim_least(a->hi, b->hi);
        break;
    case DIM_MAX:
        d->lo = dim_largest(a->lo, b->lo), d->hi = dim_largest(a->hi, b->hi);
        break;
    case DIM_MOD:
        d->lo = b->lo >= 0 ? 0 : INT64_MIN, d->hi = b->hi == DIM_INF ? DIM_INF : dim_largest(b->hi - 1, 0);
        break;
    case DIM_SUM:
        d->lo = dim_sat_add(a->lo, b->lo), d->hi = dim_sat_add(a->hi, b->hi);
        break;
    case DIM_FLOORDIV:
        if (a->lo >= 0 && b->lo >= 0) d->lo = 0, d->hi = a->hi;
        else d->lo = INT64_MIN, d->hi = DIM_INF;
        break;
    default:
        d->lo = a->lo, d->hi = a->hi;
        dim_interval_mul(&d->lo, &d->hi, b->lo, b->hi);
    }
}

static const btl_dim *dim_intern(btl_graph *g, const btl_dim *draft) {
    uint64_t h = dim_hash(draft);
    const btl_dim *found = btl_table_find(&g->dims.interned, h, dim_equal, draft);
    if (found) return found;
    if ((draft->a && draft->a->depth >= LARGEST_DEPTH) || (draft->b && draft->b->depth >= LARGEST_DEPTH)) {
        btl_fail(g, BTL_EVALUE, "a size is nested deeper than %d floor divisions, minima and maxima", LARGEST_DEPTH);
        return draft->a;
    }
    btl_dim *d = btl_arena_copy(&g->arena, draft, sizeof *d);
    if (d->nterms) {
        btl_dim_term *terms = btl_arena_copy(&g->arena, d->terms, (size_t)d->nterms * sizeof *terms);
        for (int i = 0; i < d->nterms; i++)
            terms[i].atoms = btl_arena_copy(&g->arena, terms[i].atoms, (size_t)terms[i].natoms * sizeof *terms[i].atoms);
        d->terms = terms;
    }
    d->id = g->dims.ndims++;
    if (d->kind == DIM_POLY) dim_bound_poly(d);
    else if (d->kind != DIM_SYMBOL) dim_bound_atom(d);
    btl_table_add(&g->dims.interned, &g->arena, h, d);
    return d;
}

/* ---- leaves ------------------------------------------------------------------------------ */

const btl_dim *btl_dim_const(btl_graph *g, int64_t value) {
    return dim_intern(g, &(btl_dim){ .kind = DIM_POLY, .constant = value });
}

static const btl_dim *dim_new_symbol(btl_graph *g, const char *name, const btl_dim *bound, bool late) {
    btl_dims *t = &g->dims;
    btl_symbol *s = BTL_NEW(&g->arena, btl_symbol);
    *s = (btl_symbol){ .name = name, .bound = bound, .late = late };
    btl_dim *d = BTL_NEW(&g->arena, btl_dim);
    *d = (btl_dim){ .kind = DIM_SYMBOL, .symbol = t->nsymbols, .lo = 0, .hi = bound ? bound->hi : DIM_INF, .late = late };
    d->id = t->ndims++;
    btl_table_add(&t->interned, &g->arena, dim_hash(d), d);
    s->dim = d;
    t->has_late |= late;
    *BTL_PUSH(&g->arena, t->symbols, t->nsymbols, t->symbol_capacity) = s;
    return d;
}

const btl_dim *btl_dim_symbol(btl_graph *g, const char *name) {
    uint64_t h = btl_hash_bytes(name, strlen(name), 0);
    btl_symbol *s = btl_table_find(&g->dims.by_name, h, btl_table_name_equal, name);
    if (s) return s->dim;
    const btl_dim *d = dim_new_symbol(g, btl_arena_strdup(&g->arena, name), NULL, false);
    btl_table_add(&g->dims.by_name, &g->arena, h, g->dims.symbols[d->symbol]);
    return d;
}

const btl_dim *btl_dim_unknown(btl_graph *g, const btl_dim *bound, bool late) {
    return dim_new_symbol(g, NULL, bound, late);
}

/* ---- polynomials ------------------------------------------------------------------------- */

/* A polynomial being put together; terms stay sorted by dim_term_order. */
typedef struct dim_sum {
    int64_t constant;
    int nterms;
    btl_dim_term terms[2 * LARGEST_TERMS];
    bool overflow;
} dim_sum;

static int dim_term_order(const btl_dim_term *s, const btl_dim_term *t) {
    for (int i = 0; i < s->natoms && i < t->natoms; i++)
        if (s->atoms[i] != t->atoms[i]) return s->atoms[i]->id < t->atoms[i]->id ? -1 : 1;
    return s->natoms - t->natoms;
}

static void dim_sum_term(dim_sum *p, int64_t coef, int natoms, const btl_dim *const *atoms) {
    if (coef == 0) return;
    if (natoms == 0) {
        p->overflow |= __builtin_add_overflow(p->constant, coef, &p->constant);
        return;
    }
    btl_dim_term term = { coef, natoms, atoms };
    int i = 0, order = 1;
    while (i < p->nterms && (order = dim_term_order(&p->terms[i], &term)) < 0) i++;
    if (i < p->nterms && order == 0) {
        p->overflow |= __builtin_add_overflow(p->terms[i].coef, coef, &p->terms[i].coef);
        if (p->terms[i].coef == 0)
            memmove(p->terms + i, p->terms + i + 1, (size_t)(--p->nterms - i) * sizeof *p->terms);
        return;
    }
    if (p->nterms == 2 * LARGEST_TERMS) {
        p->overflow = true;
        return;
    }
    memmove(p->terms + i + 1, p->terms + i, (size_t)(p->nterms++ - i) * sizeof *p->terms);
    p->terms[i] = term;
}

static void dim_sum_add(dim_sum *p, const btl_dim *d, const btl_dim *const *self, int64_t scale) {
    int64_t c;
    if (d->kind != DIM_POLY) {
        dim_sum_term(p, scale, 1, self);
        return;
    }
    p->overflow |= __builtin_mul_overflow(d->constant, scale, &c) || __builtin_add_overflow(p->constant, c, &p->constant);
    for (int i = 0; i < d->nterms; i++) {
        p->overflow |= __builtin_mul_overflow(d->terms[i].coef, scale, &c);
        dim_sum_term(p, c, d->terms[i].natoms, d->terms[i].atoms);
    }
}

/* A polynomial of one atom with coefficient 1 is that atom itself. Too large ones give NULL. */
static const btl_dim *dim_sum_intern(btl_graph *g, const dim_sum *p) {
    if (p->overflow || p->nterms > LARGEST_TERMS) return NULL;
    if (p->nterms == 1 && p->constant == 0 && p->terms[0].coef == 1 && p->terms[0].natoms == 1) return p->terms[0].atoms[0];
    return dim_intern(g, &(btl_dim){ .kind = DIM_POLY, .constant = p->constant, .nterms = p->nterms, .terms = p->terms });
}

/* What cannot be said in normal form (too large): a size that is only known when it is computed. */
static const btl_dim *dim_opaque(btl_graph *g, btl_dim_kind kind, const btl_dim *a, const btl_dim *b) {
    return dim_intern(g, &(btl_dim){ .kind = kind, .a = a, .b = b });
}

const btl_dim *btl_dim_add(btl_graph *g, const btl_dim *a, const btl_dim *b) {
    dim_sum p = { 0 };
    dim_sum_add(&p, a, &a, 1);
    dim_sum_add(&p, b, &b, 1);
    const btl_dim *d = dim_sum_intern(g, &p);
    return d ? d : dim_opaque(g, DIM_SUM, a, b);
}

const btl_dim *btl_dim_sub(btl_graph *g, const btl_dim *a, const btl_dim *b) {
    dim_sum p = { 0 };
    dim_sum_add(&p, a, &a, 1);
    dim_sum_add(&p, b, &b, -1);
    const btl_dim *d = dim_sum_intern(g, &p);
    return d ? d : dim_opaque(g, DIM_SUM, a, btl_dim_mul(g, b, btl_dim_const(g, -1)));
}

static int dim_atoms_of(const btl_dim *d, const btl_dim *const *self, int i, int64_t *coef, const btl_dim *const **atoms) {
    if (d->kind != DIM_POLY) {
        *coef = 1, *atoms = self;
        return 1;
    }
    if (i == d->nterms) {
        *coef = d->constant, *atoms = NULL;
        return 0;
    }
    *coef = d->terms[i].coef, *atoms = d->terms[i].atoms;
    return d->terms[i].natoms;
}

static const btl_dim **dim_merge_atoms(btl_graph *g, int n, const btl_dim *const *x, int m, const btl_dim *const *y) {
    const btl_dim **z = btl_arena_alloc(&g->arena, (size_t)(n + m + 1) * sizeof *z);
    for (int i = 0, j = 0, k = 0; k < n + m; k++)
        z[k] = j == m || (i < n && x[i]->id <= y[j]->id) ? x[i++] : y[j++];
    return z;
}

const btl_dim *btl_dim_mul(btl_graph *g, const btl_dim *a, const btl_dim *b) {
    if (btl_dim_is(a, 1)) return b;
    if (btl_dim_is(b, 1)) return a;
    dim_sum p = { 0 };
    int na = a->kind == DIM_POLY ? a->nterms + 1 : 1, nb = b->kind == DIM_POLY ? b->nterms + 1 : 1;
    for (int i = 0; i < na; i++)
        for (int j = 0; j < nb; j++) {
            int64_t ca, cb, c;
            const btl_dim *const *x, *const *y;
            int n = dim_atoms_of(a, &a, i, &ca, &x), m = dim_atoms_of(b, &b, j, &cb, &y);
            p.overflow |= __builtin_mul_overflow(ca, cb, &c) || n + m > LARGEST_DEGREE;
            if (c && !p.overflow) dim_sum_term(&p, c, n + m, n + m ? dim_merge_atoms(g, n, x, m, y) : NULL);
        }
    const btl_dim *d = dim_sum_intern(g, &p);
    return d ? d : dim_opaque(g, DIM_PRODUCT, a->id < b->id ? a : b, a->id < b->id ? b : a);
}

const btl_dim *btl_dim_product(btl_graph *g, int n, const btl_dim *const *dims) {
    const btl_dim *p = btl_dim_const(g, 1);
    for (int i = 0; i < n; i++) p = btl_dim_mul(g, p, dims[i]);
    return p;
}

/* ---- the other atoms --------------------------------------------------------------------- */

static int64_t dim_floordiv_value(int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (b == -1) return a == INT64_MIN ? INT64_MIN : -a;
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t dim_mod_value(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/* a / c exactly, where all coefficients are multiples of c; NULL otherwise. */
static const btl_dim *dim_divide_exactly(btl_graph *g, const btl_dim *a, int64_t c) {
    if (a->kind != DIM_POLY || c <= 0 || a->constant % c) return NULL;
    dim_sum p = { .constant = a->constant / c };
    for (int i = 0; i < a->nterms; i++) {
        if (a->terms[i].coef % c) return NULL;
        dim_sum_term(&p, a->terms[i].coef / c, a->terms[i].natoms, a->terms[i].atoms);
    }
    return dim_sum_intern(g, &p);
}

/* (k*b*rest) / b where b is one atom that may not be 0: only for a single term; else NULL. */
static const btl_dim *dim_cancel(btl_graph *g, const btl_dim *a, const btl_dim *b) {
    if (b->kind == DIM_POLY || b->lo <= 0) return NULL;
    if (a->kind != DIM_POLY || a->constant) return NULL;
    dim_sum p = { 0 };
    for (int i = 0; i < a->nterms; i++) {
        const btl_dim_term *t = &a->terms[i];
        int j = 0;
        while (j < t->natoms && t->atoms[j] != b) j++;
        if (j == t->natoms) return NULL;
        const btl_dim **rest = btl_arena_alloc(&g->arena, (size_t)t->natoms * sizeof *rest);
        for (int k = 0, m = 0; k < t->natoms; k++)
            if (k != j) rest[m++] = t->atoms[k];
        dim_sum_term(&p, t->coef, t->natoms - 1, rest);
    }
    return dim_sum_intern(g, &p);
}

const btl_dim *btl_dim_floordiv(btl_graph *g, const btl_dim *a, const btl_dim *b) {
    int64_t x, y;
    bool ca = btl_dim_is_const(a, &x), cb = btl_dim_is_const(b, &y);
    if (ca && cb) return btl_dim_const(g, dim_floordiv_value(x, y));
    if (cb && y == 1) return a;
    if (ca && x == 0) return a;
    if (a == b && a->lo > 0) return btl_dim_const(g, 1);
    const btl_dim *d = cb ? dim_divide_exactly(g, a, y) : dim_cancel(g, a, b);
    return d ? d : dim_intern(g, &(btl_dim){ .kind = DIM_FLOORDIV, .a = a, .b = b });
}

const btl_dim *btl_dim_mod(btl_graph *g, const btl_dim *a, const btl_dim *b) {
    int64_t x, y;
    bool ca = btl_dim_is_const(a, &x), cb = btl_dim_is_const(b, &y);
    if (ca && cb) return btl_dim_const(g, dim_mod_value(x, y));
    if ((cb && (y == 1 || dim_divide_exactly(g, a, y))) || a == b) return btl_dim_const(g, 0);
    return dim_intern(g, &(btl_dim){ .kind = DIM_MOD, .a = a, .b = b });
}

/* Which of the two is never above the other: -1 a, 1 b, 0 unknown; by the bounds of their difference. */
static int dim_below(btl_graph *g, const btl_dim *a, const btl_dim *b) {
    if (a == b || a->hi <= b->lo) return -1;
    if (b->hi <= a->lo) return 1;
    const btl_dim *d = btl_dim_sub(g, a, b);
    if (d->kind == DIM_SUM) return 0;
    return d->hi <= 0 ? -1 : d->lo >= 0 ? 1 : 0;
}

static const btl_dim *dim_extreme(btl_graph *g, btl_dim_kind kind, const btl_dim *a, const btl_dim *b) {
    int below = dim_below(g, a, b);
    if (below) return (below < 0) == (kind == DIM_MIN) ? a : b;
    if (a->id > b->id) {
        const btl_dim *t = a;
        a = b, b = t;
    }
    return dim_intern(g, &(btl_dim){ .kind = kind, .a = a, .b = b });
}

const btl_dim *btl_dim_min(btl_graph *g, const btl_dim *a, const btl_dim *b) {
    return dim_extreme(g, DIM_MIN, a, b);
}

const btl_dim *btl_dim_max(btl_graph *g, const btl_dim *a, const btl_dim *b) {
    return dim_extreme(g, DIM_MAX, a, b);
}

/* ---- questions --------------------------------------------------------------------------- */

bool btl_dim_is_const(const btl_dim *d, int64_t *value) {
    if (d->kind != DIM_POLY || d->nterms) return false;
    *value = d->constant;
    return true;
}

bool btl_dim_differ(btl_graph *g, const btl_dim *a, const btl_dim *b) {
    if (a == b) return false;
    if (a->hi < b->lo || b->hi < a->lo) return true;
    const btl_dim *d = btl_dim_sub(g, a, b);
    return d->kind != DIM_SUM && (d->lo > 0 || d->hi < 0);
}

int btl_dims_find(const btl_graph *g, const char *name) {
    for (int k = 0; k < g->dims.nsymbols; k++)
        if (g->dims.symbols[k]->name && strcmp(g->dims.symbols[k]->name, name) == 0) return k;
    return -1;
}

int64_t btl_dim_divisor(const btl_dim *d) {
    if (d->kind != DIM_POLY) return 1;
    int64_t divisor = d->constant < 0 ? -d->constant : d->constant;
    for (int i = 0; i < d->nterms; i++)
        for (int64_t x = d->terms[i].coef < 0 ? -d->terms[i].coef : d->terms[i].coef; x;) {
            int64_t rest = divisor % x;
            divisor = x, x = rest;
        }
    return divisor;
}

int btl_dim_symbol_index(const btl_dim *d) {
    return d->kind == DIM_SYMBOL ? d->symbol : -1;
}

bool btl_dim_uses(const btl_dim *d, int symbol) {
    if (d->kind == DIM_SYMBOL) return d->symbol == symbol;
    if (d->a) return btl_dim_uses(d->a, symbol) || btl_dim_uses(d->b, symbol);
    for (int i = 0; i < d->nterms; i++)
        for (int j = 0; j < d->terms[i].natoms; j++)
            if (btl_dim_uses(d->terms[i].atoms[j], symbol)) return true;
    return false;
}

void btl_dim_late_symbols(const btl_dim *d, void (*visit)(void *arg, int symbol), void *arg) {
    if (!d || !d->late) return;
    if (d->kind == DIM_SYMBOL) visit(arg, d->symbol);
    if (d->a) btl_dim_late_symbols(d->a, visit, arg), btl_dim_late_symbols(d->b, visit, arg);
    for (int i = 0; i < d->nterms; i++)
        for (int j = 0; j < d->terms[i].natoms; j++) btl_dim_late_symbols(d->terms[i].atoms[j], visit, arg);
}

static bool dim_eval_poly(const btl_dim *d, const int64_t *symbols, int64_t *value) {
    int64_t sum = d->constant;
    for (int i = 0; i < d->nterms; i++) {
        int64_t product = d->terms[i].coef, v;
        for (int j = 0; j < d->terms[i].natoms; j++)
            if (!btl_dim_eval(d->terms[i].atoms[j], symbols, &v) || __builtin_mul_overflow(product, v, &product))
                return false;
        if (__builtin_add_overflow(sum, product, &sum)) return false;
    }
    *value = sum;
    return true;
}

bool btl_dim_eval(const btl_dim *d, const int64_t *symbols, int64_t *value) {
    int64_t a, b;
    if (d->kind == DIM_POLY) return dim_eval_poly(d, symbols, value);
    if (d->kind == DIM_SYMBOL) {
        *value = symbols ? symbols[d->symbol] : -1;
        return *value >= 0;
    }
    if (!btl_dim_eval(d->a, symbols, &a) || !btl_dim_eval(d->b, symbols, &b)) return false;
    switch (d->kind) {
    case DIM_FLOORDIV: *value = dim_floordiv_value(a, b); return true;
    case DIM_MOD: *value = dim_mod_value(a, b); return true;
    case DIM_MIN: *value = dim_least(a, b); return true;
    case DIM_MAX: *value = dim_largest(a, b); return true;
    case DIM_SUM: return btl_add_i64(a, b, value);
    default: return btl_mul_i64(a, b, value);
    }
}

/* ---- printing ---------------------------------------------------------------------------- */

static void dim_print_call(btl_text *t, const btl_graph *g, const char *name, const btl_dim *d) {
    btl_text_printf(t, "%s(", name);
    btl_dim_print(t, g, d->a);
    btl_text_add(t, ", ");
    btl_dim_print(t, g, d->b);
    btl_text_add(t, ")");
}

static void dim_print_infix(btl_text *t, const btl_graph *g, const char *sign, const btl_dim *d) {
    btl_text_add(t, "(");
    btl_dim_print(t, g, d->a);
    btl_text_printf(t, ")%s(", sign);
    btl_dim_print(t, g, d->b);
    btl_text_add(t, ")");
}

static void dim_print_atom(btl_text *t, const btl_graph *g, const btl_dim *d) {
    switch (d->kind) {
    case DIM_SYMBOL: btl_text_add(t, g->dims.symbols[d->symbol]->name ? g->dims.symbols[d->symbol]->name : "?"); break;
    case DIM_MIN: dim_print_call(t, g, "min", d); break;
    case DIM_MAX: dim_print_call(t, g, "max", d); break;
    case DIM_MOD: dim_print_infix(t, g, "%", d); break;
    case DIM_FLOORDIV: dim_print_infix(t, g, "//", d); break;
    case DIM_SUM: dim_print_infix(t, g, "+", d); break;
    default: dim_print_infix(t, g, "*", d);
    }
}

void btl_dim_print(btl_text *t, const btl_graph *g, const btl_dim *d) {
    if (d->kind != DIM_POLY) {
        bool infix = d->kind == DIM_MOD || d->kind == DIM_FLOORDIV || d->kind == DIM_PRODUCT || d->kind == DIM_SUM;
        if (infix) btl_text_add(t, "(");
        dim_print_atom(t, g, d);
        if (infix) btl_text_add(t, ")");
        return;
    }
    for (int i = 0; i < d->nterms; i++) {
        int64_t c = d->terms[i].coef;
        if (i) btl_text_add(t, c < 0 ? " - " : " + ");
        else if (c < 0) btl_text_add(t, "-");
        uint64_t size = c < 0 ? -(uint64_t)c : (uint64_t)c;
        if (size != 1) btl_text_printf(t, "%llu*", (unsigned long long)size);
        for (int j = 0; j < d->terms[i].natoms; j++) {
            if (j) btl_text_add(t, "*");
            btl_dim_print(t, g, d->terms[i].atoms[j]);
        }
    }
    if (d->nterms == 0) btl_text_printf(t, "%lld", (long long)d->constant);
    else if (d->constant) btl_text_printf(t, d->constant < 0 ? " - %llu" : " + %llu",
                                          (unsigned long long)(d->constant < 0 ? -(uint64_t)d->constant : (uint64_t)d->constant));
}

/* ---- moving to another graph -------------------------------------------------------------- */

/* Rebuilds d in `g` with its symbols mapped. */
static const btl_dim *dim_rebuild(btl_graph *g, const btl_dim *d, const btl_dim *const *symbols) {
    if (d->kind == DIM_SYMBOL) return symbols[d->symbol];
    if (d->kind == DIM_POLY) {
        const btl_dim *sum = btl_dim_const(g, d->constant);
        for (int i = 0; i < d->nterms; i++) {
            const btl_dim *p = btl_dim_const(g, d->terms[i].coef);
            for (int j = 0; j < d->terms[i].natoms; j++) p = btl_dim_mul(g, p, dim_rebuild(g, d->terms[i].atoms[j], symbols));
            sum = btl_dim_add(g, sum, p);
        }
        return sum;
    }
    const btl_dim *a = dim_rebuild(g, d->a, symbols), *b = dim_rebuild(g, d->b, symbols);
    switch (d->kind) {
    case DIM_FLOORDIV: return btl_dim_floordiv(g, a, b);
    case DIM_MOD: return btl_dim_mod(g, a, b);
    case DIM_MIN: return btl_dim_min(g, a, b);
    case DIM_MAX: return btl_dim_max(g, a, b);
    default: return dim_opaque(g, d->kind, a, b);
    }
}

void btl_dims_import(btl_graph *to, const btl_graph *from) {
    assert(to->dims.nsymbols == 0);
    for (int i = 0; i < from->dims.nsymbols; i++) {
        const btl_symbol *s = from->dims.symbols[i];
        if (s->name) btl_dim_symbol(to, s->name);
        else btl_dim_unknown(to, s->bound ? btl_dim_import(to, s->bound) : NULL, s->late);
    }
}

const btl_dim *btl_dim_import(btl_graph *to, const btl_dim *d) {
    int64_t value;
    if (btl_dim_is_const(d, &value)) return btl_dim_const(to, value);
    if (d->kind == DIM_SYMBOL) return to->dims.symbols[d->symbol]->dim;
    const btl_dim **symbols = BTL_ARRAY(&to->arena, const btl_dim *, to->dims.nsymbols + 1);
    for (int i = 0; i < to->dims.nsymbols; i++) symbols[i] = to->dims.symbols[i]->dim;
    return dim_rebuild(to, d, symbols);
}
