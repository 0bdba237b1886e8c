/* derive.c - btl_grad and its kin: first the stable form, then its derivative.
 *
 * The derivative of log(softmax(x)) as written is 1/p, infinite where p underflowed; that of
 * log_softmax(x) is finite everywhere. So what is differentiated is rewritten by the stabilising rules
 * before, with the variables of wrt left in place, and no pattern has to be hunted for in the gradient's
 * graph (docs/GRADIENT.md shows it in numbers). This file stands above grad/ and rewrite/, which do not
 * know of each other.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/grad.h"

#include "grad/forward.h"
#include "grad/jacobian.h"
#include "grad/reverse.h"
#include "ops/helpers.h"
#include "rewrite/driver.h"

#include <string.h>

typedef struct derive_args {
    btl_graph *g;
    int ny;
    btl_var *const *y;
    int n;
    btl_var *const *wrt, *const *v;
    btl_disconnected how;
    btl_var **out;
} derive_args;

static btl_status derive_stable(const derive_args *a, btl_var **y) {
    memcpy(y, a->y, (size_t)a->ny * sizeof *y);
    btl_rewrite_options options = { .phases = BTL_STABILIZE, .nbarriers = a->n, .barriers = a->wrt };
    return btl_rewrite(a->g, a->ny, y, &options);
}

/* out is cleared; false where a variable is missing. */
static bool derive_is_whole(const derive_args *a, int nout, int nv) {
    bool whole = true;
    for (int i = 0; i < nout; i++) a->out[i] = NULL;
    for (int i = 0; i < a->ny; i++) whole = whole && a->y[i];
    for (int i = 0; i < a->n; i++) whole = whole && a->wrt[i];
    for (int i = 0; i < nv; i++) whole = whole && a->v[i];
    return whole;
}

static btl_status derive_call(derive_args *a, int nout, int nv, btl_status (*body)(void *)) {
    if (!derive_is_whole(a, nout, nv)) return a->g->status != BTL_OK ? a->g->status : BTL_EUSAGE;
    btl_status status = btl_graph_protect(a->g, body, a);
    for (int i = 0; i < nout && status != BTL_OK; i++) a->out[i] = NULL;
    return status;
}

/* ---- grad --------------------------------------------------------------------------------- */

static btl_status derive_grad(void *arg) {
    derive_args *a = arg;
    btl_var *cost;
    BTL_TRY(derive_stable(a, &cost));
    return btl_grad_reverse(a->g, "grad", cost, a->n, a->wrt, a->how, a->out);
}

btl_status btl_grad(btl_graph *g, btl_var *cost, int n, btl_var *const *wrt, btl_disconnected how, btl_var **out) {
    derive_args a = { .g = g, .ny = 1, .y = &cost, .n = n, .wrt = wrt, .how = how, .out = out };
    return derive_call(&a, n, 0, derive_grad);
}

/* ---- lop, rop ----------------------------------------------------------------------------- */

/* v in the type of what it belongs to; what would lose digits or repeat is refused. */
static btl_status derive_vector(btl_graph *g, const char *who, btl_var *v, const btl_var *of, btl_var **out) {
    const btl_type *want = &of->type;
    bool fits = v->type.rank == want->rank;
    for (int k = 0; fits && k < want->rank; k++) fits = !btl_dim_differ(g, v->type.dims[k], want->dims[k]);
    bool cast = v->weak || btl_dtype_promote(v->type.dtype, want->dtype) == want->dtype;
    if (!fits) btl_fail(g, BTL_ESHAPE, "v must have the shape of %s, not %s", btl_grad_text(g, of), btl_type_text(g, &v->type));
    else if (!cast) btl_fail(g, BTL_EDTYPE, "v must be of the type of %s, not %s", btl_grad_text(g, of), btl_type_text(g, &v->type));
    if (!fits || !cast) {
        if (fits) btl_fail_hint(g, "nothing is cast silently where it could lose values: write %s(…)", btl_dtype_name(want->dtype));
        btl_fail_done(g, who);
        return fits ? BTL_EDTYPE : BTL_ESHAPE;
    }
    v = btl_cast_to(g, v, want->dtype);
    if (v && !btl_type_equal(&v->type, want)) v = btl_broadcast_to_dims(g, v, want->rank, want->dims); /* a check of the sizes */
    *out = v;
    return v ? BTL_OK : g->status;
}

static btl_status derive_lop(void *arg) {
    derive_args *a = arg;
    btl_var **y = BTL_ARRAY(&a->g->arena, btl_var *, a->ny), **v = BTL_ARRAY(&a->g->arena, btl_var *, a->ny);
    bool *connected = BTL_ARRAY(&a->g->arena, bool, a->n + 1);
    BTL_TRY(derive_stable(a, y));
    for (int k = 0; k < a->ny; k++) {
        BTL_TRY(btl_grad_check_float(a->g, "lop", "y", y[k]));
        BTL_TRY(derive_vector(a->g, "lop", a->v[k], y[k], &v[k]));
    }
    BTL_TRY(btl_grad_lop(a->g, &(btl_lop_args){ "lop", "y", a->ny, y, v, a->n, a->wrt }, a->out, connected));
    for (int i = 0; i < a->n; i++)
        BTL_TRY(btl_grad_finish(a->g, "lop", "y", y[0], a->wrt[i], connected[i], a->how, &a->wrt[i]->type, &a->out[i]));
    return BTL_OK;
}

btl_status btl_lop(btl_graph *g, int ny, btl_var *const *y, btl_var *const *v, int n, btl_var *const *wrt, btl_disconnected how,
                   btl_var **out) {
    derive_args a = { .g = g, .ny = ny, .y = y, .n = n, .wrt = wrt, .v = v, .how = how, .out = out };
    return ny < 1 ? BTL_EUSAGE : derive_call(&a, n, ny, derive_lop);
}

static btl_status derive_rop(void *arg) {
    derive_args *a = arg;
    btl_var **y = BTL_ARRAY(&a->g->arena, btl_var *, a->ny), **v = BTL_ARRAY(&a->g->arena, btl_var *, a->n);
    bool *connected = BTL_ARRAY(&a->g->arena, bool, a->ny + 1);
    BTL_TRY(derive_stable(a, y));
    for (int k = 0; k < a->ny; k++) BTL_TRY(btl_grad_check_float(a->g, "rop", "y", y[k]));
    for (int i = 0; i < a->n; i++) {
        BTL_TRY(btl_grad_check_float(a->g, "rop", "x", a->wrt[i]));
        BTL_TRY(derive_vector(a->g, "rop", a->v[i], a->wrt[i], &v[i]));
    }
    BTL_TRY(btl_grad_rop(a->g, &(btl_rop_args){ "rop", "y", a->ny, y, a->n, a->wrt, v }, a->out, connected));
    for (int k = 0; k < a->ny; k++)
        BTL_TRY(btl_grad_finish(a->g, "rop", "y", y[k], a->wrt[0], connected[k], a->how, &y[k]->type, &a->out[k]));
    return BTL_OK;
}

btl_status btl_rop(btl_graph *g, int ny, btl_var *const *y, int n, btl_var *const *wrt, btl_var *const *v, btl_disconnected how,
                   btl_var **out) {
    derive_args a = { .g = g, .ny = ny, .y = y, .n = n, .wrt = wrt, .v = v, .how = how, .out = out };
    return n < 1 ? BTL_EUSAGE : derive_call(&a, ny, n, derive_rop);
}

/* ---- jacobian, hessian -------------------------------------------------------------------- */

static btl_status derive_jacobian(void *arg) {
    derive_args *a = arg;
    btl_var *y;
    BTL_TRY(derive_stable(a, &y));
    return btl_grad_jacobian(a->g, "jacobian", BTL_JACOBIAN_CHEAPER, y, a->n, a->wrt, a->how, a->out);
}

btl_status btl_jacobian(btl_graph *g, btl_var *y, int n, btl_var *const *wrt, btl_disconnected how, btl_var **out) {
    derive_args a = { .g = g, .ny = 1, .y = &y, .n = n, .wrt = wrt, .how = how, .out = out };
    return derive_call(&a, n, 0, derive_jacobian);
}

/* Forward over reverse, as is usual. A gradient that does not depend on its variable is that of a linear cost: its
 * Hessian is zero. */
static btl_status derive_hessian(void *arg) {
    derive_args *a = arg;
    btl_var *cost, **d = BTL_ARRAY(&a->g->arena, btl_var *, a->n + 1);
    BTL_TRY(derive_stable(a, &cost));
    BTL_TRY(btl_grad_reverse(a->g, "hessian", cost, a->n, a->wrt, a->how, d));
    for (int i = 0; i < a->n; i++)
        BTL_TRY(btl_grad_jacobian(a->g, "hessian", BTL_JACOBIAN_COLUMNS, d[i], 1, &a->wrt[i], BTL_DISCONNECTED_ZERO, &a->out[i]));
    return BTL_OK;
}

btl_status btl_hessian(btl_graph *g, btl_var *cost, int n, btl_var *const *wrt, btl_disconnected how, btl_var **out) {
    derive_args a = { .g = g, .ny = 1, .y = &cost, .n = n, .wrt = wrt, .how = how, .out = out };
    return derive_call(&a, n, 0, derive_hessian);
}
