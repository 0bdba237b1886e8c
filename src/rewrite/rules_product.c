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

/* ---- sums of products (a pass) ----------------------------------------------------------------------- */

enum { PRODUCT_TERMS = 4 }; /* fewer are left as they are */

typedef struct product_sum {
    btl_pass *p;
    const btl_node **nodes;     /* that are taken together: sums and products */
    btl_var **terms, **stack;   /* what is summed up, from left to right; what is still to be looked at */
    int nnodes, nterms, nproducts;
} product_sum;

static bool product_is_sum(const btl_node *n) { return btl_node_is(n, "add") && btl_dtype_kind(n->out->type.dtype) == 'f'; }

/* Used once, by whom we come from. */
static bool product_is_inner(btl_pass *p, const btl_node *n) {
    btl_node *const *users;
    return btl_pass_may_look(p, n) && !btl_pass_is_root(p, n) && btl_pass_users(p, n, &users) == 1;
}

/* Does one product of all cost less than as many results written, and read again to be summed up? */
static bool product_is_worth_it(const btl_node *n) {
    int64_t rows, columns, inner;
    if (n->op != product_op() || n->out->type.rank != 2 || n->in[0]->type.rank != 2 || n->in[1]->type.rank != 2) return false;
    if (!btl_dim_is_const(n->out->type.dims[0], &rows) || !btl_dim_is_const(n->out->type.dims[1], &columns) ||
        !btl_dim_is_const(n->in[0]->type.dims[1], &inner)) return false;
    return n->in[1]->type.dims[0] == n->in[0]->type.dims[1] && 3.0 * (double)rows * (double)columns > 2.0 * (double)inner * ((double)rows + (double)columns);
}

/* The terms of the sum whose last addition is n. */
static void product_terms(product_sum *s, btl_node *n) {
    btl_var **stack = s->stack;
    int depth = 0;
    s->nnodes = s->nterms = s->nproducts = 0;
    s->nodes[s->nnodes++] = n;
    stack[depth++] = n->in[1], stack[depth++] = n->in[0];
    while (depth) {
        btl_var *v = stack[--depth];
        bool inner = btl_type_equal(&v->type, &n->out->type) && product_is_inner(s->p, v->node);
        if (inner && product_is_sum(v->node)) {
            s->nodes[s->nnodes++] = v->node;
            stack[depth++] = v->node->in[1], stack[depth++] = v->node->in[0];
            continue;
        }
        if (inner && product_is_worth_it(v->node)) s->nodes[s->nnodes++] = v->node, s->nproducts++;
        s->terms[s->nterms++] = v;
    }
}

static bool product_is_taken(const product_sum *s, const btl_var *v) {
    return v->node->op == product_op() && product_is_inner(s->p, v->node) && product_is_worth_it(v->node);
}

/* a @ b + c @ d = [a, c] @ [b; d]: the left operands as rows, behind one another, and turned round. */
static btl_var *product_one_for_all(product_sum *s) {
    btl_graph *g = s->p->g;
    btl_var **left = BTL_ARRAY(s->p->scratch, btl_var *, s->nproducts), **right = BTL_ARRAY(s->p->scratch, btl_var *, s->nproducts), *rest = NULL;
    int n = 0;
    for (int i = 0; i < s->nterms; i++) {
        btl_var *v = s->terms[i];
        if (product_is_taken(s, v)) {
            if (!(left[n] = btl_transpose_last(g, v->node->in[0]))) return NULL;
            right[n++] = v->node->in[1];
        } else if (!(rest = rest ? btl_add(g, rest, v) : v)) return NULL;
    }
    btl_var *a = btl_concatenate(g, n, left, 0), *b = btl_concatenate(g, n, right, 0);
    btl_var *y = a && b ? btl_matmul(g, btl_transpose_last(g, a), b) : NULL;
    return y && rest ? btl_add(g, rest, y) : y;
}

static btl_status product_sum_all(btl_pass *p) {
    btl_node *const *users;
    product_sum s = { .p = p };
    s.nodes = BTL_ARRAY(p->scratch, const btl_node *, p->nnodes + 1);
    s.terms = BTL_ARRAY(p->scratch, btl_var *, p->nnodes + 2), s.stack = BTL_ARRAY(p->scratch, btl_var *, p->nnodes + 2);
    for (int i = 0; i < p->nnodes; i++) {
        btl_node *n = p->nodes[i];
        if (!product_is_sum(n) || n->out->type.rank != 2 || !btl_pass_may_look(p, n)) continue;
        if (product_is_inner(p, n) && btl_pass_users(p, n, &users) == 1 && product_is_sum(users[0]) && btl_type_equal(&users[0]->out->type, &n->out->type)) continue;
        product_terms(&s, n);
        if (s.nproducts < PRODUCT_TERMS) continue;
        btl_pass_at(p, s.nnodes, s.nodes);
        btl_var *y = product_one_for_all(&s);
        if (p->g->status != BTL_OK) return p->g->status;
        if (y) btl_pass_replace(p, n->out, y);
    }
    return BTL_OK;
}

/* ---- gemm (a pass) ----------------------------------------------------------------------------------- */

enum { PRODUCT_FEW = 16 };

/* sign * scalar * v; scalar: 0-d, or NULL. Nothing is multiplied out, so that infinities come where they came. */
typedef struct product_term { btl_var *v, *scalar; int sign; const btl_node *nodes[2]; int nnodes; } product_term;

static bool product_is_negated(const btl_node *n) { return btl_node_is(n, "neg"); }

/* A matrix times a single number: which operand is that? -1: it is none. */
static int product_scalar_of(const btl_node *n) {
    if (!btl_node_is(n, "mul")) return -1;
    for (int k = 0; k < 2; k++)
        if (n->in[k]->type.rank == 0 && btl_type_equal(&n->in[1 - k]->type, &n->out->type)) return k;
    return -1;
}

static product_term product_term_of(btl_pass *p, btl_var *v, int sign) {
    product_term t = { .v = v, .sign = sign };
    for (int k = 0; k < 2 && product_is_inner(p, t.v->node); k++) {
        const btl_node *n = t.v->node;
        int scalar = product_scalar_of(n);
        if (scalar < 0 && !product_is_negated(n)) break;
        if (scalar >= 0 && t.scalar) break;
        if (scalar >= 0) t.scalar = n->in[scalar], t.v = n->in[1 - scalar];
        else t.sign = -t.sign, t.v = n->in[0];
        t.nodes[t.nnodes++] = n;
    }
    return t;
}

static btl_var *product_number(btl_pass *p, btl_dtype dtype, const product_term *t) {
    if (!t->scalar) return btl_graph_scalar(p->g, dtype, t->sign);
    return t->sign < 0 ? btl_neg(p->g, t->scalar) : t->scalar;
}

/* A product of which nobody else reads, not of a vector, and not so small that its loops are part of the kernel's text. */
static bool product_is_general(btl_pass *p, const btl_var *v) {
    const btl_node *n = v->node;
    int64_t size, few = 0;
    if (n->op != product_op() || n->in[0]->type.rank != 2 || n->in[1]->type.rank != 2 || !product_is_inner(p, n)) return false;
    const btl_dim *dims[3] = { n->out->type.dims[0], n->out->type.dims[1], n->in[0]->type.dims[1] };
    for (int i = 0; i < 3; i++) {
        bool known = btl_dim_is_const(dims[i], &size);
        if (i < 2 && known && size <= 1) return false;
        few += known && size <= PRODUCT_FEW;
    }
    return few < 3;
}

/* Stored anyway, or read by nobody whose kernel could have taken the sum along. */
static bool product_stands_alone(btl_pass *p, const btl_node *n) {
    btl_node *const *users;
    int nusers = btl_pass_users(p, n, &users);
    if (btl_pass_is_root(p, n)) return true;
    for (int i = 0; i < nusers; i++)
        if (users[i]->op->elem || users[i]->op->reduction) return false;
    return true;
}

static bool product_is_sum_of_two(const btl_node *n) {
    btl_dtype dtype = n->out->type.dtype;
    if (n->out->type.rank != 2 || (dtype != BTL_F32 && dtype != BTL_F64) || (!btl_node_is(n, "add") && !btl_node_is(n, "sub"))) return false;
    return btl_type_equal(&n->in[0]->type, &n->out->type) && btl_type_equal(&n->in[1]->type, &n->out->type);
}

static btl_var *product_onto(btl_pass *p, const btl_node *n) {
    btl_dtype dtype = n->out->type.dtype;
    product_term t[2] = { product_term_of(p, n->in[0], 1), product_term_of(p, n->in[1], btl_node_is(n, "sub") ? -1 : 1) };
    int product = product_is_general(p, t[1].v) ? 1 : product_is_general(p, t[0].v) ? 0 : -1, nnodes = 0;
    const btl_node *nodes[6] = { n };
    if (product < 0 || t[0].v == t[1].v) return NULL;
    nnodes++;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < t[i].nnodes; k++) nodes[nnodes++] = t[i].nodes[k];
    const btl_node *m = nodes[nnodes++] = t[product].v->node;
    btl_pass_at(p, nnodes, nodes);
    return btl_gemm(p->g, t[1 - product].v, m->in[0], m->in[1], product_number(p, dtype, &t[product]), product_number(p, dtype, &t[1 - product]));
}

static btl_status product_gemm(btl_pass *p) {
    for (int i = 0; i < p->nnodes; i++) {
        btl_node *n = p->nodes[i];
        if (!btl_pass_may_look(p, n) || !product_is_sum_of_two(n) || !product_stands_alone(p, n)) continue;
        btl_var *y = product_onto(p, n);
        if (p->g->status != BTL_OK) return p->g->status;
        if (y) btl_pass_replace(p, n->out, y);
    }
    return BTL_OK;
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
    { .name = "products_summed", .pass = product_sum_all,
      .why = "a weight that is used at many time steps gets a product from each: their sum is one product of the operands put behind one another",
      .phase = BTL_CANONICALIZE, .tags = "products pass reassociate", .exactness = BTL_REASSOCIATES, .ulp = 64,
      .example = "x: f64[3, 1], y: f64[1, 4] | = x @ y + 2 * x @ (y + 1) + tanh(x) @ y + x @ exp(y) + x * y" },
    { .name = "gemm", .pass = product_gemm,
      .why = "a product that is added to one matrix, as a weight's step is, adds to it as it is computed: it is not stored, and the sum may lie in that matrix's place",
      .source = "Theano's GemmOptimizer", .phase = BTL_SPECIALIZE, .tags = "products pass reassociate", .exactness = BTL_REASSOCIATES, .ulp = 64,
      .example = "x: f64[20, 3], y: f64[3, 4], z: f64[20, 4] | = 0.9 * z - 0.1 * (x @ y)" },
    { .name = NULL },
};
