/* window.c - see window.h. SPDX-License-Identifier: BSD-3-Clause */
#include "ops/window.h"

#include <assert.h>
#include <string.h>

/* ---- messages ------------------------------------------------------------------------------ */

const char *btl_window_operand_text(btl_graph *g, const btl_var *v, const char *otherwise) {
    return btl_arena_printf(&g->arena, "%s is %s", v->name ? v->name : otherwise, btl_type_text(g, &v->type));
}

const char *btl_window_dim_text(btl_graph *g, const btl_dim *d) {
    btl_text t;
    btl_text_init(&t, &g->arena);
    btl_dim_print(&t, g, d);
    return t.data;
}

btl_status btl_window_rank(btl_graph *g, const btl_var *v, const char *what, const char *letters) {
    if (v->type.rank == 4) return BTL_OK;
    btl_fail(g, BTL_ESHAPE, "needs %s [%s]: %s", what, letters, btl_window_operand_text(g, v, "the operand"));
    const char *name = v->name ? v->name : "x";
    if (v->type.rank == 3)
        btl_fail_hint(g, "%s[newaxis] has one more axis in front, of size 1; %s[:, newaxis] behind the first", name,
                      name);
    if (v->type.rank == 2) btl_fail_hint(g, "%s[newaxis, newaxis] is one of one channel", name);
    return BTL_ESHAPE;
}

/* ---- settings ------------------------------------------------------------------------------ */

btl_status btl_window_at_most(btl_graph *g, const btl_dim *a, const btl_dim *b, const char *message) {
    const btl_dim *left = btl_dim_sub(g, b, a);
    if (b->hi < a->lo || (left->kind != DIM_SUM && left->hi < 0)) return BTL_ESHAPE;
    return btl_dims_unify_or_say(g, btl_dim_min(g, a, b), a, message);
}

btl_status btl_window_setting(btl_graph *g, const char *name, const btl_param *given, int64_t least,
                              const btl_dim *const *otherwise, btl_param *out) {
    const btl_dim *dims[2];
    int n = given->shape.n;
    if (n > 2 || n == 0 || (n < 0 && !otherwise))
        return btl_fail(g, BTL_EVALUE, "%s must be one size or two, for rows and columns; %d are given", name,
                        n < 0 ? 0 : n);
    for (int i = 0; i < 2; i++) {
        dims[i] = n < 0 ? otherwise[i] : given->shape.v[n == 2 ? i : 0];
        if (dims[i]->hi < least)
            return btl_fail(g, BTL_EVALUE, "%s must be at least %lld, not %s", name, (long long)least,
                            btl_window_dim_text(g, dims[i]));
    }
    *out = btl_param_shape(g, 2, dims);
    return BTL_OK;
}

btl_status btl_window_positions(btl_graph *g, const btl_dim *n, const btl_dim *k, const btl_dim *stride,
                                const btl_dim *padding, const char *message, const btl_dim **out) {
    const btl_dim *room = btl_dim_add(g, n, btl_dim_mul(g, btl_dim_const(g, 2), padding));
    BTL_TRY(btl_window_at_most(g, k, room, message));
    const btl_dim *left = btl_dim_sub(g, room, k);
    /* of left // stride + 1 the form that is n // k for windows side by side, and 1 for one as large as the image */
    if (btl_dim_is(left, 0)) *out = btl_dim_const(g, 1);
    else *out = btl_dim_floordiv(g, btl_dim_add(g, left, stride), stride);
    return BTL_OK;
}

btl_status btl_window_read(const btl_exec *x, const btl_param *p, int64_t sizes[2]) {
    for (int i = 0; i < 2; i++)
        if (!btl_dim_eval(p->shape.v[i], x->symbols, &sizes[i]))
            return btl_error_set(x->err, BTL_ESHAPE, "a size among its settings is not known");
    return BTL_OK;
}

/* ---- building ------------------------------------------------------------------------------ */

typedef struct window_build_args {
    btl_graph *g;
    const btl_op *op;
    int nin, npairs;
    btl_var *const *in;
    const int64_t *const *pairs;
    const btl_param *more;
    btl_var *result;
} window_build_args;

static btl_status window_build_body(void *arg) {
    window_build_args *a = arg;
    btl_param params[8];
    assert(a->op->nparams <= 8);
    for (int i = 0; i < a->npairs; i++)
        params[i] = (btl_param){ .shape = { a->pairs[i] ? 2 : -1, a->pairs[i] ? btl_const_dims(a->g, 2, a->pairs[i]) : NULL } };
    for (int i = a->npairs; i < a->op->nparams; i++) params[i] = a->more[i - a->npairs];
    a->result = btl_build(a->g, a->op, a->nin, a->in, params, NULL);
    return a->result ? BTL_OK : a->g->status;
}

btl_var *btl_build_windowed(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, int npairs,
                            const int64_t *const *pairs, const btl_param *more) {
    window_build_args a = { g, op, nin, npairs, in, pairs, more, NULL };
    for (int i = 0; i < nin; i++)
        if (!in[i]) return NULL;
    return btl_graph_protect(g, window_build_body, &a) == BTL_OK ? a.result : NULL;
}
