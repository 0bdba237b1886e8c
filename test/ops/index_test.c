/* index_test.c - x[…], set_subtensor, inc_subtensor against NumPy, in values, sizes, mistakes, gradients.
 *
 * The tables were made by NumPy 2.4 from the expressions themselves (the notation is NumPy's):
 *
 *     x = np.arange(24).reshape(2, 3, 4); v = np.arange(5) * 10; m = np.arange(6).reshape(2, 3)
 *     i = np.array([2, 0, -1]); j = np.array([[1], [0]]); k = np.array([0, 1, -1]); b = np.array([1, 1, 0])
 *     r = eval(text); print(text, r.ndim, r.shape, r.ravel())
 *
 * with set_subtensor(a[s], y) standing for `a = a.copy(); a[s] = y`, inc_subtensor for np.add.at(a, s, y).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tensor_check.h"

#include "bitale/grad.h"

static const char *const setup[] = {
    "x", "reshape(arange(24), [2, 3, 4])", "v", "arange(5) * 10", "m", "reshape(arange(6), [2, 3])", "i", "[2, 0, -1]",
    "j", "[[1], [0]]", "k", "[0, 1, -1]", "b", "[1, 1, 0]", NULL, NULL,
};

static const check_case basic_cases[] = {
    { "x[0]", 2, { 3, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 } },
    { "x[-1]", 2, { 3, 4 }, { 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
    { "x[1, 2]", 1, { 4 }, { 20, 21, 22, 23 } },
    { "x[1, 2, 3]", 0, { 0 }, { 23 } },
    { "x[:, 1]", 2, { 2, 4 }, { 4, 5, 6, 7, 16, 17, 18, 19 } },
    { "x[..., 0]", 2, { 2, 3 }, { 0, 4, 8, 12, 16, 20 } },
    { "x[0, ..., 1]", 1, { 3 }, { 1, 5, 9 } },
    { "x[:, ::2, 1::2]", 3, { 2, 2, 2 }, { 1, 3, 9, 11, 13, 15, 21, 23 } },
    { "x[::-1, ::-1, ::-1]", 3, { 2, 3, 4 }, { 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 } },
    { "x[1:, 1:-1, -2:]", 3, { 1, 1, 2 }, { 18, 19 } },
    { "x[newaxis, 0, :, newaxis, 3]", 3, { 1, 3, 1 }, { 3, 7, 11 } },
    { "x[..., newaxis]", 4, { 2, 3, 4, 1 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
    { "x[:, 5:]", 3, { 2, 0, 4 }, { 0 } },
    { "x[:, -100:2, 3:100]", 3, { 2, 2, 1 }, { 3, 7, 15, 19 } },
    { "x[:, :0]", 3, { 2, 0, 4 }, { 0 } },
    { "x[:, 3:1]", 3, { 2, 0, 4 }, { 0 } },
    { "x[0, 0, ::-2]", 1, { 2 }, { 3, 1 } },
    { "x[0, 0, 3:0:-1]", 1, { 3 }, { 3, 2, 1 } },
    { "x[0, 0, 2::-1]", 1, { 3 }, { 2, 1, 0 } },
    { "x[0, 0, -2:-4:-1]", 1, { 2 }, { 2, 1 } },
    { "x[0, 0, :1:-1]", 1, { 2 }, { 3, 2 } },
    { "x[0, 0, 100::-3]", 1, { 2 }, { 3, 0 } },
    { "x[0, 0, :-100:-1]", 1, { 4 }, { 3, 2, 1, 0 } },
    { "x[0, 0, ::3]", 1, { 2 }, { 0, 3 } },
    { "v[1:4]", 1, { 3 }, { 10, 20, 30 } },
    { "v[1:][1:][::-1]", 1, { 3 }, { 40, 30, 20 } },
    { "v[::2][-1]", 0, { 0 }, { 40 } },
    { "v[4:1:-2]", 1, { 2 }, { 40, 20 } },
};
static const check_case advanced_cases[] = {
    { "v[i]", 1, { 3 }, { 20, 0, 40 } },
    { "v[j]", 2, { 2, 1 }, { 10, 0 } },
    { "x[b]", 3, { 3, 3, 4 }, { 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 } },
    { "m[:, i]", 2, { 2, 3 }, { 2, 0, 2, 5, 3, 5 } },
    { "x[:, i]", 3, { 2, 3, 4 }, { 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11, 20, 21, 22, 23, 12, 13, 14, 15, 20, 21, 22, 23 } },
    { "x[:, :, i]", 3, { 2, 3, 3 }, { 2, 0, 3, 6, 4, 7, 10, 8, 11, 14, 12, 15, 18, 16, 19, 22, 20, 23 } },
    { "x[b, i]", 2, { 3, 4 }, { 20, 21, 22, 23, 12, 13, 14, 15, 8, 9, 10, 11 } },
    { "x[b, i, k]", 1, { 3 }, { 20, 13, 11 } },
    { "x[j, i]", 3, { 2, 3, 4 }, { 20, 21, 22, 23, 12, 13, 14, 15, 20, 21, 22, 23, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11 } },
    { "x[:, i, k]", 2, { 2, 3 }, { 8, 1, 11, 20, 13, 23 } },
    { "x[b, :, i]", 2, { 3, 3 }, { 14, 18, 22, 12, 16, 20, 3, 7, 11 } },
    { "x[j, :, k]", 3, { 2, 3, 3 }, { 12, 16, 20, 13, 17, 21, 15, 19, 23, 0, 4, 8, 1, 5, 9, 3, 7, 11 } },
    { "x[0, :, i]", 2, { 3, 3 }, { 2, 6, 10, 0, 4, 8, 3, 7, 11 } },
    { "x[0, i]", 2, { 3, 4 }, { 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11 } },
    { "x[:, 0, i]", 2, { 2, 3 }, { 2, 0, 3, 14, 12, 15 } },
    { "x[:, i, 0]", 2, { 2, 3 }, { 8, 0, 8, 20, 12, 20 } },
    { "x[i - 1, 1:, 0]", 2, { 3, 2 }, { 16, 20, 16, 20, 4, 8 } },
    { "x[:, 1:, i]", 3, { 2, 2, 3 }, { 6, 4, 7, 10, 8, 11, 18, 16, 19, 22, 20, 23 } },
    { "x[1:, i, ::2]", 3, { 1, 3, 2 }, { 20, 22, 12, 14, 20, 22 } },
    { "x[..., i]", 3, { 2, 3, 3 }, { 2, 0, 3, 6, 4, 7, 10, 8, 11, 14, 12, 15, 18, 16, 19, 22, 20, 23 } },
    { "x[newaxis, :, i, newaxis]", 5, { 1, 2, 3, 1, 4 }, { 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11, 20, 21, 22, 23, 12, 13, 14, 15, 20, 21, 22, 23 } },
    { "x[b, newaxis, i]", 3, { 3, 1, 4 }, { 20, 21, 22, 23, 12, 13, 14, 15, 8, 9, 10, 11 } },
    { "x[b, ..., i]", 2, { 3, 3 }, { 14, 18, 22, 12, 16, 20, 3, 7, 11 } },
    { "x[b, 1:, k]", 2, { 3, 2 }, { 16, 20, 17, 21, 7, 11 } },
    { "x[::-1, i, 1:3]", 3, { 2, 3, 2 }, { 21, 22, 13, 14, 21, 22, 9, 10, 1, 2, 9, 10 } },
    { "v[i[:0]]", 1, { 0 }, { 0 } },
    { "x[j, i, 1]", 2, { 2, 3 }, { 21, 13, 21, 9, 1, 9 } },
    { "x[1, j, i]", 2, { 2, 3 }, { 18, 16, 19, 14, 12, 15 } },
};
static const check_case write_cases[] = {
    { "set_subtensor(x[0], 100)", 3, { 2, 3, 4 }, { 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
    { "inc_subtensor(x[0], 100)", 3, { 2, 3, 4 }, { 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
    { "set_subtensor(x[1, 2, 3], 100)", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 100 } },
    { "inc_subtensor(x[1, 2, 3], 100)", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 123 } },
    { "set_subtensor(x[:, 1], v[:4])", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 0, 10, 20, 30, 8, 9, 10, 11, 12, 13, 14, 15, 0, 10, 20, 30, 20, 21, 22, 23 } },
    { "inc_subtensor(x[:, 1], v[:4])", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 4, 15, 26, 37, 8, 9, 10, 11, 12, 13, 14, 15, 16, 27, 38, 49, 20, 21, 22, 23 } },
    { "set_subtensor(x[::-1, ::2], m[:, :2, newaxis])", 3, { 2, 3, 4 }, { 3, 3, 3, 3, 4, 5, 6, 7, 4, 4, 4, 4, 0, 0, 0, 0, 16, 17, 18, 19, 1, 1, 1, 1 } },
    { "inc_subtensor(x[::-1, ::2], m[:, :2, newaxis])", 3, { 2, 3, 4 }, { 3, 4, 5, 6, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 23, 24 } },
    { "set_subtensor(x[..., 1:3], -1)", 3, { 2, 3, 4 }, { 0, -1, -1, 3, 4, -1, -1, 7, 8, -1, -1, 11, 12, -1, -1, 15, 16, -1, -1, 19, 20, -1, -1, 23 } },
    { "inc_subtensor(x[..., 1:3], -1)", 3, { 2, 3, 4 }, { 0, 0, 1, 3, 4, 4, 5, 7, 8, 8, 9, 11, 12, 12, 13, 15, 16, 16, 17, 19, 20, 20, 21, 23 } },
    { "set_subtensor(x[b], v[4])", 3, { 2, 3, 4 }, { 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40 } },
    { "inc_subtensor(x[b], v[4])", 3, { 2, 3, 4 }, { 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103 } },
    { "set_subtensor(x[b, i], v[:4])", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 0, 10, 20, 30, 0, 10, 20, 30, 16, 17, 18, 19, 0, 10, 20, 30 } },
    { "inc_subtensor(x[b, i], v[:4])", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 19, 30, 41, 12, 23, 34, 45, 16, 17, 18, 19, 20, 31, 42, 53 } },
    { "set_subtensor(x[:, i, k], v[:3])", 3, { 2, 3, 4 }, { 0, 10, 2, 3, 4, 5, 6, 7, 0, 9, 10, 20, 12, 10, 14, 15, 16, 17, 18, 19, 0, 21, 22, 20 } },
    { "inc_subtensor(x[:, i, k], v[:3])", 3, { 2, 3, 4 }, { 0, 11, 2, 3, 4, 5, 6, 7, 8, 9, 10, 31, 12, 23, 14, 15, 16, 17, 18, 19, 20, 21, 22, 43 } },
    { "set_subtensor(x[j, i], 1)", 3, { 2, 3, 4 }, { 1, 1, 1, 1, 4, 5, 6, 7, 1, 1, 1, 1, 1, 1, 1, 1, 16, 17, 18, 19, 1, 1, 1, 1 } },
    { "inc_subtensor(x[j, i], 1)", 3, { 2, 3, 4 }, { 1, 2, 3, 4, 4, 5, 6, 7, 10, 11, 12, 13, 13, 14, 15, 16, 16, 17, 18, 19, 22, 23, 24, 25 } },
    { "set_subtensor(x[0, :, k], m[0])", 3, { 2, 3, 4 }, { 0, 0, 2, 0, 1, 1, 6, 1, 2, 2, 10, 2, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
    { "inc_subtensor(x[0, :, k], m[0])", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 5, 6, 6, 8, 10, 11, 10, 13, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
    { "set_subtensor(x[:, 1:, k], i)", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 2, 0, 6, -1, 2, 0, 10, -1, 12, 13, 14, 15, 2, 0, 18, -1, 2, 0, 22, -1 } },
    { "inc_subtensor(x[:, 1:, k], i)", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 6, 5, 6, 6, 10, 9, 10, 10, 12, 13, 14, 15, 18, 17, 18, 18, 22, 21, 22, 22 } },
    { "set_subtensor(x[1:, i, ::2], -v[:2])", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 13, -10, 15, 16, 17, 18, 19, 0, 21, -10, 23 } },
    { "inc_subtensor(x[1:, i, ::2], -v[:2])", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 4, 15, 16, 17, 18, 19, 20, 21, 2, 23 } },
    { "set_subtensor(x[b, newaxis, i], 7)", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 16, 17, 18, 19, 7, 7, 7, 7 } },
    { "inc_subtensor(x[b, newaxis, i], 7)", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 18, 19, 20, 21, 22, 16, 17, 18, 19, 27, 28, 29, 30 } },
    { "set_subtensor(x[:, :0], 3)", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
    { "inc_subtensor(x[:, :0], 3)", 3, { 2, 3, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 } },
};
static const check_case repeat_cases[] = {
    { "inc_subtensor(v[b], i)", 1, { 5 }, { -1, 12, 20, 30, 40 } },
    { "set_subtensor(v[b], i)", 1, { 5 }, { -1, 0, 20, 30, 40 } },
    { "inc_subtensor(m[:, b], 1)", 2, { 2, 3 }, { 1, 3, 2, 4, 6, 5 } },
    { "inc_subtensor(m[b], [[1], [2], [3]])", 2, { 2, 3 }, { 3, 4, 5, 6, 7, 8 } },
};

#define TABLE(cases) check_table((int)(sizeof(cases) / sizeof *(cases)), cases, setup)

BTL_TEST(ints_and_slices_are_numpys) { TABLE(basic_cases); }
BTL_TEST(integer_arrays_are_numpys) { TABLE(advanced_cases); }
BTL_TEST(set_and_inc_subtensor_are_numpys) { TABLE(write_cases); }
BTL_TEST(repeated_indices_add_up_or_the_last_wins) { TABLE(repeat_cases); }

/* ---- sizes -------------------------------------------------------------------------------- */

static const struct { const char *text, *type; } types[] = {
    { "x[0]", "f32[4]" }, { "x[:, 1:3]", "f32[n, 2]" }, { "x[1:]", "f32[max(0, n - 1), 4]" }, { "x[:-1]", "f32[max(0, n - 1), 4]" },
    { "x[:n - 1]", "f32[max(0, n - 1), 4]" }, { "x[-3:]", "f32[min(3, n), 4]" }, { "x[::-1]", "f32[n, 4]" }, { "x[:n]", "f32[n, 4]" },
    { "x[n:]", "f32[0, 4]" }, { "x[:, ::-2]", "f32[n, 2]" }, { "x[newaxis, ..., 1:-1]", "f32[1, n, 2]" }, { "x[c:d]", "f32[?, 4]" },
    { "x[[0, 1]]", "f32[2, 4]" }, { "x[i, 1:]", "f32[k, 3]" }, { "x[:, i]", "f32[n, k]" }, { "x[c]", "f32[4]" },
};

BTL_TEST(sizes_of_parts_are_known_without_running) {
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        check_graph c = check_begin();
        const char *names[] = { "x", "i", "c", "d" };
        btl_var *vars[] = { btl_input(c.g, "x", "f32[n, 4]"), btl_input(c.g, "i", "i32[k]"), btl_input(c.g, "c", "i64"),
                            btl_input(c.g, "d", "i8") };
        btl_var *v = btl_expr_n(c.g, types[t].text, 4, names, vars);
        check_type(c.g, types[t].text, v, types[t].type);
        check_end(&c);
    }
}

/* A slice whose bounds are variables has its size at run time; as Python has it, for all of them. */
BTL_TEST(slices_with_variable_bounds_are_clipped_as_in_python) {
    check_graph c = check_begin();
    btl_var *x = btl_input(c.g, "x", "i64[n]"), *a = btl_input(c.g, "a", "i64"), *b = btl_input(c.g, "b", "i64"),
            *s = btl_input(c.g, "s", "i64");
    btl_var *v = btl_expr(c.g, "x[a:b:s]", "x", x, "a", a, "b", b, "s", s, NULL);
    btl_var *vars[] = { x, a, b, s };
    for (int64_t n = 0; n < 4; n++)
        for (int64_t start = -5; start <= 5; start++)
            for (int64_t stop = -5; stop <= 5; stop++)
                for (int64_t step = -3; step <= 3; step++) {
                    int64_t data[4] = { 0, 1, 2, 3 }, want[4], count = 0;
                    if (step == 0) continue;
                    /* the definition: walk, keeping to what lies inside after clipping */
                    int64_t lo = step > 0 ? 0 : -1, hi = step > 0 ? n : n - 1;
                    int64_t from = start < 0 ? start + n : start, to = stop < 0 ? stop + n : stop;
                    from = from < lo ? lo : from > hi ? hi : from, to = to < lo ? lo : to > hi ? hi : to;
                    for (int64_t p = from; step > 0 ? p < to : p > to; p += step) want[count++] = data[p];
                    btl_array given[] = { btl_array_wrap(BTL_I64, 1, &n, data), btl_array_wrap(BTL_I64, 0, NULL, &start),
                                          btl_array_wrap(BTL_I64, 0, NULL, &stop), btl_array_wrap(BTL_I64, 0, NULL, &step) };
                    btl_array got = check_both(c.g, "x[a:b:s]", 4, vars, given, v, 0);
                    BTL_ASSERT_ARRAYS_EQUAL("x[a:b:s]", &got, BTL_TEST_ARRAY(BTL_I64, want, count));
                    btl_array_free(&got);
                }
    check_end(&c);
}

/* ---- mistakes ----------------------------------------------------------------------------- */

static const char *const mistakes[] = { "x", ":f32[2, 3]", "y", ":f32[n]", "i", ":i64[k]", "f", ":f32", "q", ":bool[2, 3]", NULL, NULL };

BTL_TEST(mistakes_are_told_when_the_graph_is_built) {
    check_refused("x[2]", BTL_EINDEX, "index 2 is out of range for axis 0 of size 2", mistakes);
    check_refused("x[0, -4]", BTL_EINDEX, "index -4 is out of range for axis 1 of size 3", mistakes);
    check_refused("x[0, 1, 2]", BTL_ESHAPE, "too many indices", mistakes);
    check_refused("x[f]", BTL_EDTYPE, "an index is an integer", mistakes);
    check_refused("x[q]", BTL_EUNSUPPORTED, "boolean-mask indexing is not there yet", mistakes);
    check_refused("x[::0]", BTL_EVALUE, "step of a slice is 0", mistakes);
    check_refused("x[i, [0, 1], 0]", BTL_ESHAPE, "too many indices", mistakes);
    check_refused("x[[0, 1], [0, 1, 2]]", BTL_ESHAPE, "", mistakes);
    check_refused("set_subtensor(x[0], [1.5f32, 2.5f32])", BTL_ESHAPE, "the part is [3]", mistakes);
    check_refused("set_subtensor(i[0], f)", BTL_EDTYPE, "nothing is cast silently", mistakes);
    check_refused("set_subtensor(x[0], y[:2])", BTL_ESHAPE, "the part is [3]", mistakes);
}

static void fails_at_run_time(const char *text, int64_t at, btl_status status, const char *words) {
    check_graph c = check_begin();
    btl_var *x = btl_input(c.g, "x", "i64[5]"), *i = btl_input(c.g, "i", "i64[2]"), *a = btl_input(c.g, "a", "i64");
    btl_var *v = btl_expr(c.g, text, "x", x, "i", i, "a", a, NULL), *vars[] = { x, i, a };
    int64_t data[5] = { 0 }, index[2] = { 0, at }, five = 5, two = 2;
    btl_array given[] = { btl_array_wrap(BTL_I64, 1, &five, data), btl_array_wrap(BTL_I64, 1, &two, index),
                          btl_array_wrap(BTL_I64, 0, NULL, &index[1]) }, out;
    btl_error e = { 0 }, f = { 0 };
    if (!v) BTL_FAIL("%s: %s", text, btl_graph_messages(c.g));
    BTL_ASSERT_STATUS(btl_graph_eval(c.g, 3, vars, given, NULL, 1, &v, &out, &e), status);
    BTL_ASSERT_CONTAINS(e.message, words);
    BTL_ASSERT_STATUS(check_run(c.g, 3, vars, given, v, &out, &f), status);
    BTL_ASSERT_CONTAINS(f.message, words);
    check_end(&c);
}

BTL_TEST(an_index_out_of_range_at_run_time_is_named) {
    fails_at_run_time("x[i]", 7, BTL_EINDEX, "index 7 at [1] is out of range for axis 0 of size 5");
    fails_at_run_time("x[i]", -6, BTL_EINDEX, "index -6 at [1] is out of range for axis 0 of size 5");
    fails_at_run_time("x[a]", 5, BTL_EINDEX, "index 5 is out of range for axis 0 of size 5");
    fails_at_run_time("inc_subtensor(x[i], 1)", 5, BTL_EINDEX, "index 5 at [1]");
    fails_at_run_time("set_subtensor(x[a], 1)", -6, BTL_EINDEX, "index -6");
    fails_at_run_time("x[::a]", 0, BTL_EVALUE, "step of a slice is 0");
    fails_at_run_time("set_subtensor(x[:a], i)", 4, BTL_ESHAPE, "the part's is 4");
    fails_at_run_time("arange(0, 3, a)", 0, BTL_EVALUE, "step is 0");
}

BTL_TEST(index_arrays_of_every_integer_type_are_taken) {
    static const char *const dtypes[] = { "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64" };
    for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++) {
        check_graph c = check_begin();
        char text[80];
        static const int64_t want[] = { 30, 0, 10 };
        snprintf(text, sizeof text, "(arange(5) * 10)[%s([3, 0, 1])]", dtypes[t]);
        btl_var *v = btl_expr(c.g, text, NULL);
        btl_array got = check_both(c.g, text, 0, NULL, NULL, v, 0);
        BTL_ASSERT_ARRAYS_EQUAL(text, &got, BTL_TEST_ARRAY(BTL_I64, want, 3));
        btl_array_free(&got);
        check_end(&c);
    }
}

/* ---- gradients ---------------------------------------------------------------------------- */

static void gradient_holds(const char *text) {
    check_graph c = check_begin();
    btl_var *x = btl_input(c.g, "x", "f64[2, 3, 4]"), *y = btl_input(c.g, "y", "f64[3]");
    btl_var *v = btl_expr(c.g, text, "x", x, "y", y, NULL), *vars[] = { x, y };
    double data[24], three[3] = { 0.3, -1.2, 0.7 };
    for (int k = 0; k < 24; k++) data[k] = 0.1 * (k - 11) + 0.03 * (k % 5);
    int64_t shape[] = { 2, 3, 4 }, n = 3;
    btl_array at[] = { btl_array_wrap(BTL_F64, 3, shape, data), btl_array_wrap(BTL_F64, 1, &n, three) };
    btl_verify_options options = { .every_coordinate = true };
    btl_error e = { 0 };
    if (!v) BTL_FAIL("%s: %s", text, btl_graph_messages(c.g));
    if (btl_verify_grad(c.g, v, strstr(text, "y") ? 2 : 1, vars, at, &options, &e)) BTL_FAIL("%s: %s", text, e.message);
    check_end(&c);
}

BTL_TEST(gradients_of_reading_and_writing_parts_hold) {
    gradient_holds("x[1:, ::-2, 1] ** 2");
    gradient_holds("x[0, newaxis, ..., -1] * x[1, newaxis, ..., 0]");
    gradient_holds("x[[0, 1, 0], :, [1, 1, 1]] ** 2");
    gradient_holds("x[:, [2, 2, 0]] ** 2");
    gradient_holds("x[1:, [2, 2, 0], ::3] ** 2");
    gradient_holds("set_subtensor(x[0, :, 1], y) ** 2");
    gradient_holds("inc_subtensor(x[:, :, 1:3], y[:, newaxis]) ** 2");
    gradient_holds("inc_subtensor(x[[0, 0, 1], :, 2], y) ** 2");
    gradient_holds("set_subtensor(x[[1, 0], 1:, [2, 0]], y[:2, newaxis]) ** 2");
}

BTL_TEST_MAIN(cmocka_unit_test(ints_and_slices_are_numpys), cmocka_unit_test(integer_arrays_are_numpys),
              cmocka_unit_test(set_and_inc_subtensor_are_numpys), cmocka_unit_test(repeated_indices_add_up_or_the_last_wins),
              cmocka_unit_test(sizes_of_parts_are_known_without_running),
              cmocka_unit_test(slices_with_variable_bounds_are_clipped_as_in_python),
              cmocka_unit_test(mistakes_are_told_when_the_graph_is_built),
              cmocka_unit_test(an_index_out_of_range_at_run_time_is_named),
              cmocka_unit_test(index_arrays_of_every_integer_type_are_taken),
              cmocka_unit_test(gradients_of_reading_and_writing_parts_hold))
