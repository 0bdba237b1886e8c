/* dim_test.c - symbolic sizes: the normal form against arithmetic on numbers.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "expr/graph.h"

typedef struct dims_fixture { btl_context *ctx; btl_graph *g; } dims_fixture;

/* Runs a test body under the graph's protection. */
static void with_graph(btl_status (*body)(void *)) {
    dims_fixture f;
    BTL_ASSERT_OK(btl_context_new(NULL, &f.ctx));
    BTL_ASSERT_OK(btl_graph_new(f.ctx, &f.g));
    BTL_ASSERT_OK(btl_graph_protect(f.g, body, f.g));
    btl_graph_free(f.g);
    btl_context_free(f.ctx);
}

static btl_status equal_expressions(void *arg) {
    btl_graph *g = arg;
    const btl_dim *n = btl_dim_symbol(g, "n"), *m = btl_dim_symbol(g, "m"), *two = btl_dim_const(g, 2);
    assert_ptr_equal(btl_dim_symbol(g, "n"), n);
    assert_ptr_equal(btl_dim_add(g, n, m), btl_dim_add(g, m, n));
    assert_ptr_equal(btl_dim_sub(g, btl_dim_add(g, n, m), m), n);
    assert_ptr_equal(btl_dim_add(g, n, n), btl_dim_mul(g, two, n));
    const btl_dim *square = btl_dim_mul(g, btl_dim_add(g, n, m), btl_dim_add(g, n, m));
    const btl_dim *expanded = btl_dim_add(g, btl_dim_add(g, btl_dim_mul(g, n, n), btl_dim_mul(g, m, m)), btl_dim_mul(g, two, btl_dim_mul(g, m, n)));
    assert_ptr_equal(square, expanded);
    assert_ptr_equal(btl_dim_floordiv(g, btl_dim_mul(g, two, n), two), n);
    assert_ptr_equal(btl_dim_max(g, btl_dim_const(g, 0), n), n);
    assert_ptr_equal(btl_dim_min(g, n, btl_dim_add(g, n, two)), n);
    assert_true(btl_dim_differ(g, n, btl_dim_add(g, n, two)));
    assert_false(btl_dim_differ(g, n, m));
    assert_true(btl_dim_is(btl_dim_sub(g, n, n), 0));
    return BTL_OK;
}

BTL_TEST(equal_sizes_are_the_same_pointer_however_they_were_written) { with_graph(equal_expressions); }

static int64_t floor_divide(int64_t a, int64_t b) {
    if (b == 0) return 0;
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

/* A random expression and its value, computed beside it on numbers. */
typedef struct pair { const btl_dim *dim; int64_t value; } pair;

static pair random_step(btl_graph *g, btl_rng *r, pair a, pair b) {
    switch (btl_rng_below(r, 7)) {
    case 0: return (pair){ btl_dim_add(g, a.dim, b.dim), a.value + b.value };
    case 1: return (pair){ btl_dim_sub(g, a.dim, b.dim), a.value - b.value };
    case 2: return (pair){ btl_dim_mul(g, a.dim, b.dim), a.value * b.value };
    case 3: return (pair){ btl_dim_floordiv(g, a.dim, b.dim), floor_divide(a.value, b.value) };
    case 4: return (pair){ btl_dim_mod(g, a.dim, b.dim), b.value ? a.value - b.value * floor_divide(a.value, b.value) : 0 };
    case 5: return (pair){ btl_dim_min(g, a.dim, b.dim), a.value < b.value ? a.value : b.value };
    default: return (pair){ btl_dim_max(g, a.dim, b.dim), a.value > b.value ? a.value : b.value };
    }
}

static btl_status random_expressions(void *arg) {
    btl_graph *g = arg;
    btl_rng r = { btl_test_seed() };
    const char *names[] = { "a", "b", "c" };
    for (int round = 0; round < 2000; round++) {
        int64_t symbols[3] = { 0 };
        pair p[8];
        for (int i = 0; i < 3; i++) {
            p[i].dim = btl_dim_symbol(g, names[i]);
            symbols[i] = p[i].value = (int64_t)btl_rng_below(&r, 6);
        }
        p[3].value = (int64_t)btl_rng_below(&r, 7) - 2;
        p[3].dim = btl_dim_const(g, p[3].value);
        for (int i = 4; i < 8; i++) p[i] = random_step(g, &r, p[btl_rng_below(&r, (uint64_t)i)], p[btl_rng_below(&r, (uint64_t)i)]);
        for (int i = 4; i < 8; i++) {
            int64_t got;
            if (p[i].value > 1000000000 || p[i].value < -1000000000) break;
            assert_true(btl_dim_eval(p[i].dim, symbols, &got));
            assert_int_equal(got, p[i].value);
            assert_true(p[i].dim->lo <= got && got <= p[i].dim->hi);
        }
    }
    return BTL_OK;
}

BTL_TEST(a_size_in_normal_form_has_the_value_of_its_expression_within_its_bounds) { with_graph(random_expressions); }

static btl_status overflowing(void *arg) {
    btl_graph *g = arg;
    int64_t value, symbols[1] = { INT64_MAX / 2 };
    const btl_dim *n = btl_dim_symbol(g, "n");
    assert_false(btl_dim_eval(btl_dim_mul(g, n, n), symbols, &value));
    symbols[0] = -1;
    assert_false(btl_dim_eval(n, symbols, &value));
    const btl_dim *huge = btl_dim_const(g, INT64_MAX), *sum = btl_dim_add(g, huge, huge);
    assert_false(btl_dim_eval(sum, symbols, &value));
    return BTL_OK;
}

BTL_TEST(a_size_that_overflows_or_is_unbound_has_no_value) { with_graph(overflowing); }

static btl_status deep(void *arg) {
    btl_graph *g = arg;
    const btl_dim *d = btl_dim_symbol(g, "n");
    for (int i = 2; i < 500; i++) d = btl_dim_floordiv(g, btl_dim_add(g, d, btl_dim_const(g, 1)), btl_dim_const(g, 3));
    assert_non_null(g->pending_message); /* refused, with a message, instead of a deep recursion */
    return BTL_OK;
}

BTL_TEST(sizes_nested_too_deep_are_refused) { with_graph(deep); }

BTL_TEST_MAIN(cmocka_unit_test(equal_sizes_are_the_same_pointer_however_they_were_written),
              cmocka_unit_test(a_size_in_normal_form_has_the_value_of_its_expression_within_its_bounds),
              cmocka_unit_test(a_size_that_overflows_or_is_unbound_has_no_value),
              cmocka_unit_test(sizes_nested_too_deep_are_refused))
