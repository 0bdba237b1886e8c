/* shape_test.c - shapes, joining and making arrays against NumPy; sizes, mistakes, gradients.
 *
 * The tables were made by NumPy 2.4 (np.reshape, np.transpose, np.tile, …) from
 *
 *     x = np.arange(24).reshape(2, 3, 4); v = np.arange(5) * 10; m = np.arange(6).reshape(2, 3)
 *     i = np.array([2, 0, -1]); j = np.array([[1], [0]])
 *     r = eval(text); print(text, r.ndim, r.shape, r.ravel())
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tensor_check.h"

#include "bitale/grad.h"

static const char *const setup[] = {
    "x", "reshape(arange(24), [2, 3, 4])", "v", "arange(5) * 10", "m", "reshape(arange(6), [2, 3])", "i", "[2, 0, -1]",
    "j", "[[1], [0]]", NULL, NULL,
};

static const check_case shape_cases[] = {
    { "reshape(x, [4, 6])", 2, { 4, 6 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
    { "reshape(x, [2, -1])", 2, { 2, 12 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
    { "reshape(x, [-1])", 1, { 24 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
    { "reshape(x[:, ::-1], [3, 2, 4])", 3, { 3, 2, 4 }, { 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3, 20, 21, 22, 23, 16, 17, 18, 19, 12, 13, 14, 15 } },
    { "reshape(x.T, [2, 12])", 2, { 2, 12 }, { 0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23 } },
    { "x.T", 3, { 4, 3, 2 }, { 0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23 } },
    { "transpose(x, [1, 2, 0])", 3, { 3, 4, 2 }, { 0, 12, 1, 13, 2, 14, 3, 15, 4, 16, 5, 17, 6, 18, 7, 19, 8, 20, 9, 21, 10, 22, 11, 23 } },
    { "transpose(x, axes=[-1, 0, 1])", 3, { 4, 2, 3 }, { 0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23 } },
    { "swapaxes(x, 0, -1)", 3, { 4, 3, 2 }, { 0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23 } },
    { "dimshuffle(m, [1, \"x\", 0])", 3, { 3, 1, 2 }, { 0, 3, 1, 4, 2, 5 } },
    { "dimshuffle(m[:1], [1])", 1, { 3 }, { 0, 1, 2 } },
    { "squeeze(x[:1, :, 2:3])", 1, { 3 }, { 2, 6, 10 } },
    { "squeeze(x[:1, :, 2:3], axis=-1)", 2, { 1, 3 }, { 2, 6, 10 } },
    { "expand_dims(m, 1)", 3, { 2, 1, 3 }, { 0, 1, 2, 3, 4, 5 } },
    { "expand_dims(m, axis=[0, -1])", 4, { 1, 2, 3, 1 }, { 0, 1, 2, 3, 4, 5 } },
    { "flatten(x)", 1, { 24 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
    { "flatten(x, 2)", 2, { 2, 12 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
    { "broadcast_to(v, [3, 5])", 2, { 3, 5 }, { 0, 10, 20, 30, 40, 0, 10, 20, 30, 40, 0, 10, 20, 30, 40 } },
    { "broadcast_to(m[:, :1], [2, 2, 4])", 3, { 2, 2, 4 }, { 0, 0, 0, 0, 3, 3, 3, 3, 0, 0, 0, 0, 3, 3, 3, 3 } },
    { "tile(m, [2, 2])", 2, { 4, 6 }, { 0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5, 0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5 } },
    { "tile(m, [2])", 2, { 2, 6 }, { 0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5 } },
    { "tile(v[:3], [2, 2])", 2, { 2, 6 }, { 0, 10, 20, 0, 10, 20, 0, 10, 20, 0, 10, 20 } },
    { "tile(m, [2, 1, 3])", 3, { 2, 2, 9 }, { 0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5, 0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5 } },
    { "repeat(m, 2)", 1, { 12 }, { 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5 } },
    { "repeat(m, 3, axis=-1)", 2, { 2, 9 }, { 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5 } },
    { "repeat(m, 2, axis=0)", 2, { 4, 3 }, { 0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5 } },
};
static const check_case join_cases[] = {
    { "concatenate([m, m[:1], m[::-1]])", 2, { 5, 3 }, { 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2 } },
    { "concatenate([m, m[:, :0], m[:, 1:]], axis=-1)", 2, { 2, 5 }, { 0, 1, 2, 1, 2, 3, 4, 5, 4, 5 } },
    { "stack([m, -m])", 3, { 2, 2, 3 }, { 0, 1, 2, 3, 4, 5, 0, -1, -2, -3, -4, -5 } },
    { "stack([m, m + 1], axis=-1)", 3, { 2, 3, 2 }, { 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6 } },
    { "hstack([v, v[:2]])", 1, { 7 }, { 0, 10, 20, 30, 40, 0, 10 } },
    { "hstack([m, m[:, :1]])", 2, { 2, 4 }, { 0, 1, 2, 0, 3, 4, 5, 3 } },
    { "vstack([v, v[::-1]])", 2, { 2, 5 }, { 0, 10, 20, 30, 40, 40, 30, 20, 10, 0 } },
    { "vstack([m, m[:1]])", 2, { 3, 3 }, { 0, 1, 2, 3, 4, 5, 0, 1, 2 } },
    { "concatenate([m.T, m.T])", 2, { 6, 2 }, { 0, 3, 1, 4, 2, 5, 0, 3, 1, 4, 2, 5 } },
};
static const check_case create_cases[] = {
    { "arange(5)", 1, { 5 }, { 0, 1, 2, 3, 4 } },
    { "arange(2, 11, 3)", 1, { 3 }, { 2, 5, 8 } },
    { "arange(5, 0, -2)", 1, { 3 }, { 5, 3, 1 } },
    { "arange(3, 1)", 1, { 0 }, { 0 } },
    { "arange(v[1], v[4], i[0] + 5)", 1, { 5 }, { 10, 17, 24, 31, 38 } },
    { "arange(v[2])", 1, { 20 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 } },
    { "arange(v[2], 0, -6)", 1, { 4 }, { 20, 14, 8, 2 } },
    { "zeros([2, 3])", 2, { 2, 3 }, { 0, 0, 0, 0, 0, 0 } },
    { "ones([2], dtype=i32)", 1, { 2 }, { 1, 1 } },
    { "zeros_like(m) + ones_like(m)", 2, { 2, 3 }, { 1, 1, 1, 1, 1, 1 } },
    { "full([2, 2], 7)", 2, { 2, 2 }, { 7, 7, 7, 7 } },
    { "full_like(m, 3)", 2, { 2, 3 }, { 3, 3, 3, 3, 3, 3 } },
    { "eye(3)", 2, { 3, 3 }, { 1, 0, 0, 0, 1, 0, 0, 0, 1 } },
    { "eye(2, 4, 1)", 2, { 2, 4 }, { 0, 1, 0, 0, 0, 0, 1, 0 } },
    { "eye(3, k=-1)", 2, { 3, 3 }, { 0, 0, 0, 1, 0, 0, 0, 1, 0 } },
    { "linspace(0, 8, 5)", 1, { 5 }, { 0, 2, 4, 6, 8 } },
    { "linspace(3, 9, 1)", 1, { 1 }, { 3 } },
    { "take(m, [0, 5, -2])", 1, { 3 }, { 0, 5, 4 } },
    { "take(m, j, axis=1)", 3, { 2, 2, 1 }, { 1, 0, 4, 3 } },
};

#define TABLE(cases) check_table((int)(sizeof(cases) / sizeof *(cases)), cases, setup)

BTL_TEST(shape_ops_are_numpys) { TABLE(shape_cases); }
BTL_TEST(joining_is_numpys) { TABLE(join_cases); }
BTL_TEST(making_arrays_is_numpys) { TABLE(create_cases); }

static const struct { const char *text, *type; } types[] = {
    { "reshape(x, [n, 2, 2])", "f32[n, 2, 2]" }, { "reshape(x, [-1, 4])", "f32[n, 4]" }, { "reshape(x, [-1, 2, 2])", "f32[n, 2, 2]" },
    { "reshape(x, [-1])", "f32[4*n]" }, { "flatten(x)", "f32[4*n]" }, { "x.T", "f32[4, n]" }, { "zeros([n, 2])", "f64[n, 2]" },
    { "zeros([n], dtype=f32)", "f32[n]" }, { "arange(n)", "i64[n]" }, { "arange(2*n, dtype=f32)", "f32[2*n]" },
    { "concatenate([x, x[:2]])", "f32[n + min(2, n), 4]" }, { "concatenate([x, zeros([3, 4], dtype=f32)])", "f32[n + 3, 4]" },
    { "eye(n)", "f64[n, n]" }, { "broadcast_to(x, [3, n, 4])", "f32[3, n, 4]" }, { "repeat(x, 3, axis=0)", "f32[3*n, 4]" },
    { "tile(x, [2, 1])", "f32[2*n, 4]" }, { "full([n], 1.5)", "f64[n]" }, { "ones_like(x)", "f32[n, 4]" },
};

BTL_TEST(sizes_are_known_without_running) {
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        check_graph c = check_begin();
        btl_var *v = btl_expr(c.g, types[t].text, "x", btl_input(c.g, "x", "f32[n, 4]"), NULL);
        check_type(c.g, types[t].text, v, types[t].type);
        check_end(&c);
    }
}

static const char *const mistakes[] = { "x", ":f32[2, 3]", "y", ":f32[n]", "s", ":f32", NULL, NULL };

BTL_TEST(mistakes_are_told_when_the_graph_is_built) {
    check_refused("reshape(x, [4])", BTL_ESHAPE, "the number of elements changes", mistakes);
    check_refused("reshape(x, [-1, -1])", BTL_ESHAPE, "only one size may be -1", mistakes);
    check_refused("reshape(x, [-2, -3])", BTL_ESHAPE, "negative", mistakes);
    check_refused("reshape(x, [0, -1])", BTL_ESHAPE, "", mistakes);
    check_refused("reshape(x, [4, -1])", BTL_ESHAPE, "the number of elements changes", mistakes);
    check_refused("transpose(x, [0, 0])", BTL_ESHAPE, "twice", mistakes);
    check_refused("transpose(x, [0])", BTL_ESHAPE, "1 axes are given", mistakes);
    check_refused("dimshuffle(x, [0])", BTL_ESHAPE, "cannot be dropped", mistakes);
    check_refused("swapaxes(x, 0, 2)", BTL_ESHAPE, "", mistakes);
    check_refused("squeeze(x, axis=0)", BTL_ESHAPE, "cannot be dropped", mistakes);
    check_refused("broadcast_to(x, [2, 4])", BTL_ESHAPE, "does not stretch", mistakes);
    check_refused("broadcast_to(x, [3])", BTL_ESHAPE, "does not stretch", mistakes);
    check_refused("concatenate([x, y])", BTL_ESHAPE, "operand 1", mistakes);
    check_refused("concatenate([x, x[:, :2]])", BTL_ESHAPE, "operand 1", mistakes);
    check_refused("concatenate([s, s])", BTL_ESHAPE, "stack", mistakes);
    check_refused("stack([x, y])", BTL_ESHAPE, "", mistakes);
    check_refused("split(x, sizes=[1, 2])", BTL_ESHAPE, "add up to 3", mistakes);
    check_refused("arange(1.5)", BTL_EDTYPE, "linspace", mistakes);
    check_refused("arange(0, 5, 0)", BTL_EVALUE, "step", mistakes);
}

BTL_TEST(split_is_concatenates_inverse) {
    check_graph c = check_begin();
    int64_t sizes[] = { 1, 0, 3 }, shape[] = { 2, 4 }, first[] = { 0, 4 }, last[] = { 1, 2, 3, 5, 6, 7 };
    btl_var *x = btl_reshape(c.g, btl_arange(c.g, NULL, btl_integer(c.g, 8), NULL), 2, shape), *parts[3];
    BTL_ASSERT_OK(btl_split(c.g, x, 3, sizes, -1, parts));
    btl_array a = check_both(c.g, "split 0", 0, NULL, NULL, parts[0], 0), b = check_both(c.g, "split 2", 0, NULL, NULL, parts[2], 0);
    btl_array both = check_both(c.g, "concatenate", 0, NULL, NULL, btl_concatenate(c.g, 3, parts, 1), 0);
    btl_array all = check_both(c.g, "x", 0, NULL, NULL, x, 0);
    BTL_ASSERT_ARRAYS_EQUAL("split", &a, BTL_TEST_ARRAY(BTL_I64, first, 2, 1));
    BTL_ASSERT_ARRAYS_EQUAL("split", &b, BTL_TEST_ARRAY(BTL_I64, last, 2, 3));
    BTL_ASSERT_ARRAYS_EQUAL("concatenate", &both, &all);
    btl_array_free(&a), btl_array_free(&b), btl_array_free(&both), btl_array_free(&all);
    check_end(&c);
}

BTL_TEST(a_symbolic_reshape_that_does_not_fit_is_refused_at_the_call) {
    check_graph c = check_begin();
    btl_var *x = btl_input(c.g, "x", "f32[n]"), *v = btl_expr(c.g, "reshape(x, [-1, 4])", "x", x, NULL);
    float data[10] = { 0 };
    btl_array out;
    btl_error e = { 0 };
    for (int64_t n = 0; n <= 10; n++) {
        btl_array given = btl_array_wrap(BTL_F32, 1, &n, data);
        if (n % 4) BTL_ASSERT_STATUS(btl_graph_eval(c.g, 1, &x, &given, NULL, 1, &v, &out, &e), BTL_ESHAPE);
        else BTL_ASSERT_OK(btl_graph_eval(c.g, 1, &x, &given, NULL, 1, &v, &out, NULL));
        btl_array_free(&out);
    }
    check_end(&c);
}

BTL_TEST(linspace_ends_with_its_bound) {
    check_graph c = check_begin();
    btl_var *v = btl_linspace(c.g, btl_number(c.g, 0.1), btl_number(c.g, 0.7), 7);
    btl_array got = check_both(c.g, "linspace", 0, NULL, NULL, v, 0);
    const double *y = got.data;
    assert_true(y[0] == 0.1 && y[6] == 0.7);
    for (int i = 1; i < 6; i++) BTL_ASSERT_NEAR(y[i], 0.1 * (i + 1), 1e-15);
    btl_array_free(&got);
    check_end(&c);
}

static void gradient_holds(const char *text) {
    check_graph c = check_begin();
    btl_var *x = btl_input(c.g, "x", "f64[2, 3, 1]"), *y = btl_input(c.g, "y", "f64[3]");
    btl_var *v = btl_expr(c.g, text, "x", x, "y", y, NULL), *vars[] = { x, y };
    double data[] = { 0.5, -1.1, 0.2, 1.7, -0.4, 0.9 }, three[] = { 0.3, -1.2, 0.7 };
    int64_t shape[] = { 2, 3, 1 }, n = 3;
    btl_array at[] = { btl_array_wrap(BTL_F64, 3, shape, data), btl_array_wrap(BTL_F64, 1, &n, three) };
    btl_verify_options options = { .every_coordinate = true };
    btl_error e = { 0 };
    if (!v) BTL_FAIL("%s: %s", text, btl_graph_messages(c.g));
    if (btl_verify_grad(c.g, v, strstr(text, "y") ? 2 : 1, vars, at, &options, &e)) BTL_FAIL("%s: %s", text, e.message);
    check_end(&c);
}

BTL_TEST(gradients_hold) {
    gradient_holds("reshape(x, [3, -1]) ** 2");
    gradient_holds("dimshuffle(x, [1, -1, 0]) ** 2");
    gradient_holds("transpose(x, [2, 0, 1]) ** 2");
    gradient_holds("broadcast_to(x, [2, 2, 3, 4]) ** 2");
    gradient_holds("tile(x, [2, 1, 3]) ** 2");
    gradient_holds("repeat(x, 2, axis=1) ** 2");
    gradient_holds("concatenate([x, x * y[:, newaxis]], axis=-1) ** 2");
    gradient_holds("stack([y, x[0, :, 0], y]) ** 2");
    gradient_holds("full([3], x[0, 0, 0]) * y");
    gradient_holds("linspace(x[0, 0, 0], y[0], 4) ** 2");
}

BTL_TEST(no_gradient_passes_stop_gradient) {
    check_graph c = check_begin();
    btl_var *x = btl_input(c.g, "x", "f64"), *y = btl_expr(c.g, "x * stop_gradient(x)", "x", x, NULL), *dx;
    BTL_ASSERT_OK(btl_grad(c.g, y, 1, &x, BTL_DISCONNECTED_ERROR, &dx));
    double three = 3;
    btl_array at = btl_array_wrap(BTL_F64, 0, NULL, &three), got = check_both(c.g, "dx", 1, &x, &at, dx, 0);
    assert_true(*(double *)got.data == 3);
    btl_array_free(&got);
    check_end(&c);
}

BTL_TEST_MAIN(cmocka_unit_test(shape_ops_are_numpys), cmocka_unit_test(joining_is_numpys), cmocka_unit_test(making_arrays_is_numpys),
              cmocka_unit_test(sizes_are_known_without_running), cmocka_unit_test(mistakes_are_told_when_the_graph_is_built),
              cmocka_unit_test(split_is_concatenates_inverse),
              cmocka_unit_test(a_symbolic_reshape_that_does_not_fit_is_refused_at_the_call),
              cmocka_unit_test(linspace_ends_with_its_bound), cmocka_unit_test(gradients_hold),
              cmocka_unit_test(no_gradient_passes_stop_gradient))
