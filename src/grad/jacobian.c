/* jacobian.c - all derivatives of all elements of y by all elements of x.
 *
 *     reverse   row by row:        u -> u . J,  for the unit vectors u of y's shape
 *     forward   column by column:  v -> J . v,  for the unit vectors v of x's shape
 *
 * in either case one graph that takes all unit vectors at once, the identity matrix (batch.h). The way with
 * fewer unit vectors is taken, columns if there are as many; of symbolic sizes, the one whose number is known.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grad/jacobian.h"

#include "bitale/ops.h"
#include "expr/op.h"
#include "grad/batch.h"
#include "grad/forward.h"
#include "ops/helpers.h"

typedef struct jacobian {
    btl_graph *g;
    const char *who;
    btl_var *y;
    int n;
    btl_var *const *wrt;
    btl_disconnected how;
    btl_var **out;
} jacobian;

static btl_type jacobian_join(btl_graph *g, btl_dtype dtype, int n, const btl_dim *const *a, int m, const btl_dim *const *b) {
    const btl_dim **dims = BTL_ARRAY(&g->arena, const btl_dim *, n + m + 1);
    for (int i = 0; i < n; i++) dims[i] = a[i];
    for (int i = 0; i < m; i++) dims[n + i] = b[i];
    return btl_type_make(g, dtype, n + m, dims);
}

static btl_type jacobian_type(const jacobian *j, int i) {
    const btl_type *y = &j->y->type, *x = &j->wrt[i]->type;
    return jacobian_join(j->g, x->dtype, y->rank, y->dims, x->rank, x->dims);
}

/* [elems] + v's shape: row i is the i-th unit vector of v's shape. */
static btl_var *jacobian_units(btl_graph *g, const btl_var *v) {
    const btl_dim *elems = btl_type_elems(g, &v->type);
    const btl_param params[4] = { { .dim = elems }, { .dim = NULL }, { .i = 0 }, { .i = v->type.dtype } };
    btl_type type = jacobian_join(g, v->type.dtype, 1, &elems, v->type.rank, v->type.dims);
    return btl_reshape_to_dims(g, btl_build(g, btl_op_find("eye", 3), 0, NULL, params, NULL), type.rank, type.dims);
}

/* A variable to be replaced by all unit vectors. */
static btl_var *jacobian_seed(btl_graph *g, const btl_var *v) {
    return btl_identity(g, btl_zeros_of(g, &v->type));
}

static bool jacobian_is_single(btl_graph *g, const btl_var *v) {
    return btl_dim_is(btl_type_elems(g, &v->type), 1);
}

/* ---- row by row --------------------------------------------------------------------------- */

static btl_status jacobian_reverse(jacobian *j) {
    btl_graph *g = j->g;
    bool single = jacobian_is_single(g, j->y), *connected = BTL_ARRAY(&g->arena, bool, j->n + 1);
    btl_var **rows = BTL_ARRAY(&g->arena, btl_var *, j->n + 1), **some = BTL_ARRAY(&g->arena, btl_var *, j->n + 1);
    btl_var *u = single ? btl_ones_of(g, &j->y->type) : jacobian_seed(g, j->y);
    int nsome = 0;
    if (!u) return g->status;
    BTL_TRY(btl_grad_lop(g, &(btl_lop_args){ j->who, "y", 1, &j->y, &u, j->n, j->wrt }, rows, connected));
    for (int i = 0; i < j->n; i++)
        if (rows[i]) some[nsome++] = rows[i];
    if (!single && nsome) {
        btl_var *units = jacobian_units(g, j->y);
        if (!units) return g->status;
        BTL_TRY(btl_grad_batch(g, j->who, true, 1, &u, &units, nsome, some, some));
    }
    for (int i = 0, k = 0; i < j->n; i++) {
        btl_type type = jacobian_type(j, i);
        btl_var *d = rows[i] ? some[k++] : NULL; /* NULL: not by any row */
        if (d && !(d = btl_reshape_to_dims(g, d, type.rank, type.dims))) return g->status;
        j->out[i] = d;
        BTL_TRY(btl_grad_finish(g, j->who, "y", j->y, j->wrt[i], connected[i], j->how, &type, &j->out[i]));
    }
    return BTL_OK;
}

/* ---- column by column --------------------------------------------------------------------- */

/* The axis in front goes behind y's, where those of x come from. */
static btl_var *jacobian_turn(jacobian *j, btl_var *columns) {
    int pattern[BTL_MAX_RANK], rank = columns->type.rank;
    for (int i = 0; i < rank; i++) pattern[i] = i + 1 < rank ? i + 1 : 0;
    return btl_dimshuffle(j->g, columns, rank, pattern);
}

static btl_status jacobian_forward(jacobian *j, int i) {
    btl_graph *g = j->g;
    btl_var *x = j->wrt[i], *column = NULL, *d = NULL;
    bool single = jacobian_is_single(g, x), connected = false;
    btl_var *v = single ? btl_ones_of(g, &x->type) : jacobian_seed(g, x);
    btl_type type = jacobian_type(j, i);
    if (!v) return g->status;
    BTL_TRY(btl_grad_rop(g, &(btl_rop_args){ j->who, "y", 1, &j->y, 1, &x, &v }, &column, &connected));
    if (column && !single) {
        btl_var *units = jacobian_units(g, x);
        if (!units) return g->status;
        BTL_TRY(btl_grad_batch(g, j->who, true, 1, &v, &units, 1, &column, &d));
        if (d && !(d = jacobian_turn(j, d))) return g->status;
    } else {
        d = column;
    }
    if (d) d = btl_reshape_to_dims(g, btl_cast_to(g, d, type.dtype), type.rank, type.dims);
    if (column && !d && g->status != BTL_OK) return g->status;
    j->out[i] = d;
    return btl_grad_finish(g, j->who, "y", j->y, x, connected, j->how, &type, &j->out[i]);
}

/* ---- the whole ---------------------------------------------------------------------------- */

static bool jacobian_goes_forward(const jacobian *j) {
    btl_graph *g = j->g;
    const btl_dim *rows = btl_type_elems(g, &j->y->type), *columns = btl_dim_const(g, 0);
    int64_t value;
    for (int i = 0; i < j->n; i++) columns = btl_dim_add(g, columns, btl_type_elems(g, &j->wrt[i]->type));
    bool know_rows = btl_dim_is_const(rows, &value), know_columns = btl_dim_is_const(columns, &value);
    if (know_rows != know_columns) return know_columns;
    return columns->hi <= rows->lo;
}

static btl_status jacobian_check(const jacobian *j) {
    BTL_TRY(btl_grad_check_float(j->g, j->who, "y", j->y));
    for (int i = 0; i < j->n; i++) {
        int rank = j->y->type.rank + j->wrt[i]->type.rank;
        if (rank < BTL_MAX_RANK) continue; /* one more on the way */
        btl_fail(j->g, BTL_ESHAPE, "%s by %s would have %d dimensions", btl_grad_text(j->g, j->y), btl_grad_text(j->g, j->wrt[i]), rank);
        btl_fail_hint(j->g, "flatten(…) makes one axis of many");
        btl_fail_done(j->g, j->who);
        return BTL_ESHAPE;
    }
    return BTL_OK;
}

btl_status btl_grad_jacobian(btl_graph *g, const char *who, btl_jacobian_way way, btl_var *y, int n, btl_var *const *wrt,
                             btl_disconnected how, btl_var **out) {
    jacobian j = { g, who, y, n, wrt, how, out };
    BTL_TRY(jacobian_check(&j));
    bool columns = way == BTL_JACOBIAN_CHEAPER ? jacobian_goes_forward(&j) : way == BTL_JACOBIAN_COLUMNS;
    if (!columns) return jacobian_reverse(&j);
    for (int i = 0; i < n; i++) BTL_TRY(jacobian_forward(&j, i));
    return BTL_OK;
}
