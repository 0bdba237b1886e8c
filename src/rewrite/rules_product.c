/* rules_product.c - products of matrices and triangular systems.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/rules.h"

#include "ops/reduce.h"
#include "ops/structure.h"

#include <string.h>

static const btl_op *product_op(void) { return btl_rule_op("matmul"); }

/* A column by a row: no sum, so a product of elements, which the fuser takes along. */
static btl_var *product_outer(btl_match *m, const btl_node *n) {
    const btl_type *a = &n->in[0]->type;
    return btl_dim_is(a->dims[a->rank - 1], 1) && n->in[1]->type.dims[n->in[1]->type.rank - 2] == a->dims[a->rank - 1]
               ? btl_mul(m->g, n->in[0], n->in[1]) : NULL;
}

static bool product_is_transposed(const btl_var *v) {
    const btl_node *n = v->node;
    int rank = v->type.rank;
    if (n->op != &btl_op_dimshuffle || n->in[0]->type.rank != rank) return false;
    for (int i = 0; i < rank - 2; i++)
        if (n->params[0].axes.v[i] != i) return false;
    return n->params[0].axes.v[rank - 1] == rank - 2;
}

/* [b…, k, n] as [b… * k, n]. */
static btl_var *product_stack(btl_graph *g, btl_var *v) {
    const btl_dim *dims[2] = { btl_dim_product(g, v->type.rank - 1, v->type.dims), v->type.dims[v->type.rank - 1] };
    return btl_reshape_to_dims(g, v, 2, dims);
}

/* sum over all leading axes of a.T @ b, which is how a weight gets its gradient: one product whose inner size is
 * that of all of them. */
static btl_var *product_summed(btl_match *m, const btl_node *n) {
    const btl_node *product = btl_match_node(m, n->in[0], product_op());
    if (!product || n->params[1].i) return NULL;
    btl_var *a = product->in[0], *b = product->in[1];
    int rank = a->type.rank;
    if (rank < 3 || b->type.rank != rank || btl_reduce_mask(&n->params[0], rank) != ((uint32_t)1 << (rank - 2)) - 1) return NULL;
    for (int i = 0; i < rank - 2; i++)
        if (a->type.dims[i] != b->type.dims[i]) return NULL;
    const btl_node *transposed = product_is_transposed(a) ? btl_match_node(m, a, NULL) : NULL;
    if (!transposed) return NULL;
    btl_var *left = product_stack(m->g, transposed->in[0]), *right = product_stack(m->g, b);
    return left && right ? btl_matmul(m->g, btl_transpose_last(m->g, left), right) : NULL;
}

/* A system with a transposed triangle is one with the triangle, solved the other way. */
static btl_var *product_solve_transposed(btl_match *m, const btl_node *n) {
    const btl_node *view = product_is_transposed(n->in[0]) ? btl_match_node(m, n->in[0], NULL) : NULL;
    if (!view) return NULL;
    btl_var *in[2] = { view->in[0], n->in[1] };
    btl_param params[3] = { { .i = !n->params[0].i }, { .i = !n->params[1].i }, n->params[2] };
    btl_node *made = btl_apply(m->g, n->op, 2, in, params);
    return made ? made->out : NULL;
}

const btl_rule btl_rules_product[] = {
    { .name = "outer_product", .ops = "matmul", .apply = product_outer, .why = "no sum is in it: an elementwise product, which becomes part of its neighbours",
      .phase = BTL_SPECIALIZE, .tags = "products", .needs = BTL_NO_SIGNED_ZERO,
      .example = "x: f64[3, 1], y: f64[1, 4] | = x @ y" },
    { .name = "sum_of_products", .ops = "sum", .apply = product_summed,
      .why = "the sum of products of transposed matrices is one product of what they are stacked to; none of them is stored",
      .phase = BTL_SPECIALIZE, .tags = "products reassociate", .exactness = BTL_REASSOCIATES, .ulp = 64,
      .example = "x: f64[2, 3, 2], y: f64[2, 3, 4] | = sum(swapaxes(x, 1, 2) @ y, axis=0)" },
    { .name = "solve_transposed", .ops = "solve_triangular", .apply = product_solve_transposed, .why = "nothing need be turned round",
      .phase = BTL_CANONICALIZE, .tags = "linalg", .exactness = BTL_REASSOCIATES, .ulp = 64,
      .example = "x: f64[3, 3], y: f64[3, 4] | = solve_triangular((0.1 * x + eye(3)).T, y, lower=false)" },
    { .name = NULL },
};
