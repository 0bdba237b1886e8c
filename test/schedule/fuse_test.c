/* fuse_test.c - what becomes one kernel, and that values stay the same.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/ops.h"
#include "expr/body.h"
#include "expr/op.h"
#include "schedule/fuse.h"
#include "support.h"
#include "vm/strips.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

extern const btl_op btl_op_fused;

typedef struct fuse_args {
    btl_graph *g;
    int n;
    btl_var **roots;
} fuse_args;

static btl_status run_fuse(void *arg) {
    fuse_args *a = arg;
    return btl_fuse(a->g, a->n, a->roots, false);
}

static btl_status run_reach(void *arg) {
    fuse_args *a = arg;
    btl_bits reached = btl_graph_reach(a->g, a->n, a->roots);
    int nodes = 0, fused = 0;
    for (int i = 0; i < reached.n; i++) {
        if (!btl_bits_get(reached, i) || (a->g->nodes[i]->op->flags & OP_LEAF)) continue;
        nodes++;
        fused += a->g->nodes[i]->op == &btl_op_fused;
        assert_false(a->g->nodes[i]->op->elem || a->g->nodes[i]->op->reduction);
    }
    a->n = fused * 100 + nodes;
    return BTL_OK;
}

static btl_graph *new_graph(void) {
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    return g;
}

/* Fuses; expects so many kernels among so many nodes that are no leaves. */
static void fuse_into(btl_graph *g, int nroots, btl_var **roots, int nkernels, int nnodes) {
    for (int i = 0; i < nroots; i++)
        if (!roots[i]) BTL_FAIL("not built: %s", btl_graph_messages(g));
    fuse_args a = { g, nroots, roots };
    btl_status status = btl_graph_protect(g, run_fuse, &a);
    if (status != BTL_OK) BTL_FAIL("not fused: %s", btl_graph_messages(g));
    BTL_ASSERT_OK(btl_graph_protect(g, run_reach, &a));
    assert_int_equal(a.n / 100, nkernels);
    assert_int_equal(a.n % 100, nnodes);
}

static const btl_body *body_of(const btl_var *v) { return v->node->params[0].body; }

BTL_TEST(a_chain_becomes_one_kernel_with_its_constants_inside) {
    btl_graph *g = new_graph();
    btl_var *x = btl_input(g, "x", "f32[n, 4]"), *b = btl_input(g, "b", "f32[4]");
    btl_var *root = btl_tanh(g, btl_add(g, btl_mul(g, x, btl_number(g, 2)), b));
    fuse_into(g, 1, &root, 1, 1);
    assert_int_equal(root->node->nin, 2);
    assert_string_equal(btl_var_type(g, root), "f32[n, 4]");
    btl_graph_free(g);
}

BTL_TEST(a_sum_takes_the_elementwise_nodes_before_it) {
    btl_graph *g = new_graph();
    btl_var *x = btl_input(g, "x", "f32[n, 4]"), *w = btl_input(g, "w", "f32[4]");
    btl_var *root = btl_sum(g, btl_mul(g, x, w), 1, (int[]){ 1 }, false);
    fuse_into(g, 1, &root, 1, 1);
    assert_string_equal(btl_var_type(g, root), "f32[n]");
    btl_graph_free(g);
}

BTL_TEST(a_node_used_by_a_sum_and_elsewhere_is_a_kernel_of_its_own) {
    btl_graph *g = new_graph();
    btl_var *x = btl_input(g, "x", "f32[n, 4]");
    btl_var *e = btl_exp(g, x);
    btl_var *root = btl_div(g, e, btl_sum(g, e, 1, (int[]){ 1 }, true));
    fuse_into(g, 1, &root, 3, 3);
    btl_graph_free(g);
}

BTL_TEST(a_value_needed_later_becomes_a_second_result) {
    btl_graph *g = new_graph();
    btl_var *x = btl_input(g, "x", "f32[4, 4]");
    btl_var *y = btl_exp(g, x), *roots[2] = { btl_add(g, y, x), NULL };
    roots[1] = btl_sum(g, btl_mul(g, roots[0], y), 1, (int[]){ 0 }, false);
    fuse_into(g, 2, roots, 2, 2);
    assert_int_equal(roots[0]->node->nout, 2);
    assert_ptr_equal(roots[1]->node->in[0]->node, roots[0]->node);
    assert_ptr_equal(roots[1]->node->in[1]->node, roots[0]->node);
    btl_graph_free(g);
}

BTL_TEST(a_path_through_a_transpose_makes_no_cycle) {
    btl_graph *g = new_graph();
    btl_var *x = btl_input(g, "x", "f32[4, 4]");
    btl_var *y = btl_exp(g, x);
    btl_var *root = btl_add(g, y, btl_transpose(g, y, -1, NULL));
    fuse_into(g, 1, &root, 2, 3);
    btl_graph_free(g);
}

BTL_TEST(scalars_are_computed_once_in_a_kernel_of_their_own) {
    btl_graph *g = new_graph();
    btl_var *x = btl_input(g, "x", "f32[n]"), *t = btl_input(g, "t", "f32");
    btl_var *root = btl_mul(g, x, btl_exp(g, btl_neg(g, t)));
    fuse_into(g, 1, &root, 2, 2);
    btl_graph_free(g);
}

BTL_TEST(long_chains_are_cut) {
    btl_graph *g = new_graph();
    btl_var *x = btl_input(g, "x", "f32[n]"), *root = x;
    for (int i = 0; i < 640; i++) root = btl_tanh(g, root);
    fuse_into(g, 1, &root, 10, 10);
    btl_graph_free(g);
}

BTL_TEST(wide_sums_are_cut_too) {
    btl_graph *g = new_graph();
    btl_var *root = btl_input(g, "x", "f32[n]");
    for (int i = 0; i < 100; i++) root = btl_add(g, root, btl_input(g, "y", "f32[n]"));
    fuse_args a = { g, 1, &root };
    BTL_ASSERT_OK(btl_graph_protect(g, run_fuse, &a));
    for (btl_var *v = root; v->node->op == &btl_op_fused; v = v->node->in[0])
        assert_true(v->node->nin <= 24);
    btl_graph_free(g);
}

BTL_TEST(equal_layers_have_equal_bodies) {
    btl_graph *g = new_graph();
    btl_var *roots[3];
    for (int i = 0; i < 3; i++) {
        btl_var *x = btl_input(g, "x", "f32[n, 4]"), *b = btl_input(g, "b", "f32[4]");
        roots[i] = btl_tanh(g, btl_add(g, btl_mul(g, x, btl_number(g, i < 2 ? 2 : 3)), b));
    }
    fuse_into(g, 3, roots, 3, 3);
    const btl_body *a = body_of(roots[0]), *b = body_of(roots[1]), *c = body_of(roots[2]);
    assert_true(btl_body_equal(a, b) && btl_body_hash(a) == btl_body_hash(b));
    assert_false(btl_body_equal(a, c));
    assert_false(btl_body_hash(a) == btl_body_hash(c));
    btl_graph_free(g);
}

/* A tangle of every kind of node, evaluated before and after; strips run each kernel against the
 * reference of the same node. */
BTL_TEST(values_stay_the_same) {
    btl_graph *g = new_graph();
    btl_var *x = btl_input(g, "x", "f32[n, 5]"), *b = btl_input(g, "b", "f64[5]");
    btl_var *z = btl_add(g, btl_mul(g, x, b), btl_number(g, 0.5));
    btl_var *m = btl_max(g, z, 1, (int[]){ 1 }, true);
    btl_var *e = btl_exp(g, btl_sub(g, z, m));
    btl_var *p = btl_div(g, e, btl_sum(g, e, 1, (int[]){ 1 }, true));
    btl_var *before[3] = {
        p,
        btl_sum(g, btl_where(g, btl_gt(g, p, btl_number(g, 0.2)), btl_neg(g, btl_log(g, p)), z), -1,
                NULL, false),
        btl_add(g, btl_transpose(g, z, -1, NULL), btl_transpose(g, p, -1, NULL))
    };
    btl_var *after[3] = { before[0], before[1], before[2] };
    float xs[7 * 5];
    double bs[5];
    btl_rng rng = { btl_test_seed() };
    for (int i = 0; i < 35; i++) xs[i] = (float)btl_rng_normal(&rng);
    for (int i = 0; i < 5; i++) bs[i] = btl_rng_normal(&rng);
    for (int i = 0; i < 3; i++)
        if (!before[i]) BTL_FAIL("not built: %s", btl_graph_messages(g));
    fuse_args a = { g, 3, after };
    BTL_ASSERT_OK(btl_graph_protect(g, run_fuse, &a));
    btl_var *inputs[2] = { x, b };
    btl_array given[2] = { btl_array_wrap(BTL_F32, 2, (int64_t[]){ 7, 5 }, xs),
                           btl_array_wrap(BTL_F64, 1, (int64_t[]){ 5 }, bs) };
    btl_array want[3], got[3];
    btl_error err = { 0 };
    BTL_ASSERT_OK(btl_graph_eval(g, 2, inputs, given, NULL, 3, before, want, &err));
    btl_status status = btl_graph_eval(g, 2, inputs, given, NULL, 3, after, got, &err);
    if (status != BTL_OK) BTL_FAIL("%s", err.message);
    for (int i = 0; i < 3; i++) {
        BTL_ASSERT_ARRAYS_EQUAL("fused by its reference", &got[i], &want[i]);
        btl_array_free(&got[i]);
        btl_array_free(&want[i]);
    }
    btl_graph_free(g);
}

BTL_TEST_MAIN(cmocka_unit_test(a_chain_becomes_one_kernel_with_its_constants_inside),
              cmocka_unit_test(a_sum_takes_the_elementwise_nodes_before_it),
              cmocka_unit_test(a_node_used_by_a_sum_and_elsewhere_is_a_kernel_of_its_own),
              cmocka_unit_test(a_value_needed_later_becomes_a_second_result),
              cmocka_unit_test(a_path_through_a_transpose_makes_no_cycle),
              cmocka_unit_test(scalars_are_computed_once_in_a_kernel_of_their_own),
              cmocka_unit_test(long_chains_are_cut), cmocka_unit_test(wide_sums_are_cut_too),
              cmocka_unit_test(equal_layers_have_equal_bodies),
              cmocka_unit_test(values_stay_the_same))
