/* elemwise_test.c - elementwise ops through the reference evaluator: values against mpmath, NumPy and
 * plain integer arithmetic, types against NumPy's promotion, gradients against differences.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "math_support.h"

#include "elemwise_values.h"
#include "ops/cast.h"
#include "ops/list_math.h"

#define DECLARE(name) extern const btl_op btl_op_##name;
BTL_OPS_MATH(DECLARE)

/* By name, and without the table of all ops: this test needs no other family. */
static const btl_op *find_op(const char *name) {
#define ENTRY(name) &btl_op_##name,
    static const btl_op *const ops[] = { BTL_OPS_MATH(ENTRY) };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i]->name, name) == 0) return ops[i];
    BTL_FAIL("no op %s", name);
}

static btl_var *build(bench *b, const char *name, int nin, btl_var *x, btl_var *y, btl_var *z) {
    btl_var *const in[3] = { x, y, z };
    return btl_build(b->g, find_op(name), nin, in, NULL, NULL);
}

static btl_dtype dtype_named(const char *name) {
    btl_dtype dtype = BTL_F64;
    if (!btl_dtype_find(name, strlen(name), &dtype)) BTL_FAIL("no dtype %s", name);
    return dtype;
}

/* ---- values ------------------------------------------------------------------------------ */

BTL_TEST(functions_of_a_real_agree_with_mpmath_to_an_ulp) {
    for (size_t i = 0; i < sizeof real_values / sizeof *real_values; i++) {
        bench b = bench_new();
        double got, x = real_values[i].x, want = real_values[i].want;
        btl_var *v = bench_input(&b, BTL_F64, SCALAR, &x);
        bench_doubles(&b, build(&b, real_values[i].op, 1, v, NULL, NULL), &got, 1);
        if (btl_ulps_f64(got, want) > 1) BTL_FAIL("%s(%a) is %a, not %a", real_values[i].op, x, got, want);
        bench_free(&b);
    }
}

BTL_TEST(operations_on_two_reals_agree_with_numpy_special_values_included) {
    for (size_t i = 0; i < sizeof binary_values / sizeof *binary_values; i++) {
        bench b = bench_new();
        double got, x = binary_values[i].x, y = binary_values[i].y, want = binary_values[i].want;
        btl_var *v = bench_input(&b, BTL_F64, SCALAR, &x), *w = bench_input(&b, BTL_F64, SCALAR, &y);
        const char *op = binary_values[i].op;
        bench_doubles(&b, build(&b, op, 2, v, w, NULL), &got, 1);
        bool extreme = strcmp(op, "maximum") == 0 || strcmp(op, "minimum") == 0; /* which zero is not said */
        if (btl_ulps_f64(got, want) > 1 || (!extreme && want == 0 && signbit(got) != signbit(want)))
            BTL_FAIL("%s(%a, %a) is %a, not %a", op, x, y, got, want);
        bench_free(&b);
    }
}

/* What must hold at the special values of each function (C99 annex F, IEEE 754-2019 clause 9). */
BTL_TEST(functions_of_a_real_keep_their_special_values) {
    static const struct { const char *op; double x, want; } cases[] = {
        { "exp", -INFINITY, 0.0 }, { "exp", INFINITY, INFINITY }, { "exp", NAN, NAN }, { "exp", 1000, INFINITY },
        { "expm1", -INFINITY, -1 }, { "expm1", -0.0, -0.0 }, { "log", 0.0, -INFINITY }, { "log", -0.0, -INFINITY },
        { "log", -1, NAN }, { "log", INFINITY, INFINITY }, { "log1p", -1, -INFINITY }, { "log1p", -2, NAN },
        { "log2", 8, 3 }, { "log10", 1000, 3 }, { "exp2", -1074, 5e-324 }, { "sqrt", -0.0, -0.0 }, { "sqrt", -1, NAN },
        { "sin", INFINITY, NAN }, { "sin", -0.0, -0.0 }, { "cos", -INFINITY, NAN }, { "tan", -0.0, -0.0 },
        { "arcsin", 1.5, NAN }, { "arccos", 1, 0.0 }, { "arctan", -INFINITY, -0x1.921fb54442d18p0 },
        { "sinh", -INFINITY, -INFINITY }, { "cosh", -INFINITY, INFINITY }, { "tanh", -INFINITY, -1 }, { "tanh", NAN, NAN },
        { "arccosh", 0.5, NAN }, { "arctanh", 1, INFINITY }, { "arctanh", -1, -INFINITY }, { "arcsinh", -0.0, -0.0 },
        { "erf", INFINITY, 1 }, { "erf", -0.0, -0.0 }, { "erfc", INFINITY, 0.0 }, { "erfc", -INFINITY, 2 },
        { "gammaln", 1, 0.0 }, { "gammaln", 2, 0.0 }, { "gammaln", 0.0, INFINITY }, { "gammaln", -3, INFINITY },
        { "gammaln", -INFINITY, INFINITY }, { "gammaln", INFINITY, INFINITY }, { "psi", -2, NAN }, { "psi", INFINITY, INFINITY },
        { "sigmoid", -INFINITY, 0.0 }, { "sigmoid", INFINITY, 1 }, { "sigmoid", 0.0, 0.5 }, { "sigmoid", NAN, NAN },
        { "softplus", -INFINITY, 0.0 }, { "softplus", INFINITY, INFINITY }, { "softplus", 1e5, 1e5 }, { "softplus", NAN, NAN },
        { "softsign", INFINITY, 1 }, { "softsign", -INFINITY, -1 }, { "softsign", -0.0, -0.0 }, { "softsign", NAN, NAN },
        { "xlogx", 0.0, 0.0 }, { "xlogx", -1, NAN }, { "xlogx", INFINITY, INFINITY }, { "inv", -0.0, -INFINITY },
        { "abs", -0.0, 0.0 }, { "neg", 0.0, -0.0 }, { "sign", -0.0, 0.0 }, { "sign", -5e-324, -1 }, { "sign", NAN, NAN },
        { "floor", -0.5, -1 }, { "ceil", -0.5, -0.0 }, { "trunc", -1.5, -1 }, { "round", 2.5, 2 }, { "round", -0.5, -0.0 },
        { "round", 0x1.fffffffffffffp-2, 0.0 }, { "round_half_away", 2.5, 3 }, { "round_half_away", -2.5, -3 },
        { "round_half_away", 0x1.fffffffffffffp-2, 0.0 }, { "round", INFINITY, INFINITY }, { "floor", NAN, NAN },
        { "relu", -0.0, 0.0 }, { "relu", -1, 0.0 }, { "relu", 2, 2 }, { "relu", NAN, NAN }, { "hard_sigmoid", 10, 1 },
        { "hard_sigmoid", -10, 0.0 }, { "hard_sigmoid", 0.0, 0.5 }, { "sqr", -3, 9 }, { "identity", -0.0, -0.0 },
        { "isnan", NAN, 1 }, { "isnan", INFINITY, 0.0 }, { "isinf", -INFINITY, 1 }, { "isinf", NAN, 0.0 }, { "isinf", 1e308, 0.0 },
        { "isfinite", 1e308, 1 }, { "isfinite", INFINITY, 0.0 }, { "isfinite", NAN, 0.0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench b = bench_new();
        double got, want = cases[i].want;
        btl_param zero = { .f = 0 };
        btl_var *v = bench_input(&b, BTL_F64, SCALAR, &cases[i].x);
        bench_doubles(&b, btl_build(b.g, find_op(cases[i].op), 1, &v, &zero, NULL), &got, 1);
        bool same = isnan(want) ? isnan(got) : got == want && signbit(got) == signbit(want);
        if (!same) BTL_FAIL("%s(%g) is %g, not %g", cases[i].op, cases[i].x, got, want);
        bench_free(&b);
    }
}

/* Sums, products and quotients of doubles are those of the processor, bit for bit: no rounding twice. */
BTL_TEST(arithmetic_is_correctly_rounded) {
    enum { N = 400 };
    btl_rng rng = { btl_test_seed() };
    double x[N], y[N], got[N];
    for (int i = 0; i < N; i++) {
        x[i] = ldexp(btl_rng_normal(&rng), (int)btl_rng_below(&rng, 60) - 30);
        y[i] = i % 7 == 0 ? ldexp(1 + ldexp((double)btl_rng_below(&rng, 4), -52), -11) : btl_rng_normal(&rng);
    }
    x[1] = 0x1.8p-1060, y[1] = 0x1.0000000000001p-10; /* a subnormal result */
    bench b = bench_new();
    btl_var *a = bench_input(&b, BTL_F64, SHAPE(N), x), *c = bench_input(&b, BTL_F64, SHAPE(N), y);
    bench_doubles(&b, btl_add(b.g, a, c), got, N);
    for (int i = 0; i < N; i++) assert_true(got[i] == x[i] + y[i]);
    bench_doubles(&b, btl_mul(b.g, a, c), got, N);
    for (int i = 0; i < N; i++) assert_true(got[i] == x[i] * y[i]);
    bench_doubles(&b, btl_div(b.g, a, c), got, N);
    for (int i = 0; i < N; i++) assert_true(got[i] == x[i] / y[i]);
    bench_doubles(&b, btl_sqrt(b.g, btl_abs(b.g, a)), got, N);
    for (int i = 0; i < N; i++) assert_true(got[i] == sqrt(fabs(x[i])));
    bench_free(&b);
}

/* ---- integers ---------------------------------------------------------------------------- */

/* All pairs of an 8-bit type, by arithmetic in double and long, which is exact there. */
static double small_integer(const char *op, long a, long b, bool is_signed) {
    if (strcmp(op, "add") == 0) return (double)(a + b);
    if (strcmp(op, "sub") == 0) return (double)(a - b);
    if (strcmp(op, "mul") == 0) return (double)(a * b);
    if (strcmp(op, "floordiv") == 0) return b ? floor((double)a / (double)b) : 0;
    if (strcmp(op, "mod") == 0) return b ? (double)a - (double)b * floor((double)a / (double)b) : 0;
    if (strcmp(op, "bitand") == 0) return (double)(a & b);
    if (strcmp(op, "bitor") == 0) return (double)(a | b);
    if (strcmp(op, "bitxor") == 0) return (double)(a ^ b);
    if (strcmp(op, "maximum") == 0) return (double)(a > b ? a : b);
    if (strcmp(op, "minimum") == 0) return (double)(a < b ? a : b);
    if (strcmp(op, "shl") == 0) return b < 0 || b > 7 ? 0 : (double)(a * (1L << b));
    if (strcmp(op, "shr") == 0) return b < 0 ? 0 : floor((double)a / ldexp(1, (int)b));
    if (strcmp(op, "pow") == 0) {
        long r = 1;
        if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
        for (long i = 0; i < b; i++) r = (r * a) % 256;
        return (double)r;
    }
    (void)is_signed;
    BTL_FAIL("no %s", op);
}

static double wrap8(double x, bool is_signed) {
    double r = x - 256 * floor(x / 256);
    return is_signed && r >= 128 ? r - 256 : r;
}

static void check_all_pairs(const char *op, bool is_signed) {
    enum { N = 256 };
    double x[N], got[N * N / 64];
    long low = is_signed ? -128 : 0;
    for (int i = 0; i < N; i++) x[i] = (double)(low + i);
    for (int part = 0; part < 64; part++) { /* 4 rows of the table at a time */
        bench b = bench_new();
        btl_dtype dtype = is_signed ? BTL_I8 : BTL_U8;
        btl_var *a = bench_input(&b, dtype, SHAPE(4, 1), x + 4 * part), *c = bench_input(&b, dtype, SHAPE(N), x);
        btl_var *y = build(&b, op, 2, a, c, NULL);
        EXPECT_TYPE(&b, y, is_signed ? "i8[4, 256]" : "u8[4, 256]");
        bench_doubles(&b, y, got, N * N / 64);
        for (int i = 0; i < 4 * N; i++) {
            long p = low + 4 * part + i / N, q = low + i % N;
            double want = wrap8(small_integer(op, p, q, is_signed), is_signed);
            if (got[i] != want) BTL_FAIL("%s of %ld and %ld is %g, not %g", op, p, q, got[i], want);
        }
        bench_free(&b);
    }
}

BTL_TEST(integer_operations_wrap_and_divide_as_python_for_all_pairs_of_bytes) {
    static const char *const ops[] = { "add", "sub", "mul", "floordiv", "mod", "bitand", "bitor", "bitxor", "maximum",
                                       "minimum", "shl", "shr", "pow" };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        check_all_pairs(ops[i], true);
        check_all_pairs(ops[i], false);
    }
}

static void expect_i64(const char *op, int64_t x, int64_t y, int64_t want) {
    bench b = bench_new();
    double zero = 0;
    btl_var *a = bench_input(&b, BTL_I64, SCALAR, &zero), *c = bench_input(&b, BTL_I64, SCALAR, &zero);
    *(int64_t *)b.arrays[0].data = x;
    *(int64_t *)b.arrays[1].data = y;
    btl_array got = bench_eval(&b, build(&b, op, 2, a, c, NULL));
    if (*(int64_t *)got.data != want) BTL_FAIL("%s(%lld, %lld) is %lld", op, (long long)x, (long long)y, (long long)*(int64_t *)got.data);
    btl_array_free(&got);
    bench_free(&b);
}

BTL_TEST(the_ends_of_i64_neither_trap_nor_lose_bits) {
    expect_i64("floordiv", INT64_MIN, -1, INT64_MIN);
    expect_i64("mod", INT64_MIN, -1, 0);
    expect_i64("add", INT64_MAX, 1, INT64_MIN);
    expect_i64("mul", INT64_MIN, -1, INT64_MIN);
    expect_i64("sub", INT64_MIN, 1, INT64_MAX);
    expect_i64("shl", 1, 63, INT64_MIN);
    expect_i64("shr", INT64_MIN, 63, -1);
    expect_i64("shr", INT64_MIN, 200, -1);
    expect_i64("floordiv", INT64_MAX, 2, INT64_MAX / 2);
    expect_i64("mod", INT64_MIN, INT64_MAX, INT64_MAX - 1);
    expect_i64("maximum", INT64_MAX, INT64_MAX - 1, INT64_MAX);
    expect_i64("pow", 3, 39, 4052555153018976267);
}

BTL_TEST(unsigned_64_bit_operands_compare_and_divide_as_unsigned) {
    bench b = bench_new();
    double zero[2] = { 0 };
    btl_var *x = bench_input(&b, BTL_U64, SHAPE(2), zero), *y = bench_input(&b, BTL_U64, SHAPE(2), zero);
    uint64_t *p = b.arrays[0].data, *q = b.arrays[1].data;
    p[0] = UINT64_MAX, q[0] = 2, p[1] = 1, q[1] = UINT64_MAX;
    EXPECT(&b, btl_gt(b.g, x, y), 0, 1, 0.0);
    EXPECT(&b, btl_eq(b.g, btl_floordiv(b.g, x, y), btl_integer(b.g, INT64_MAX)), 0, 1, 0.0);
    EXPECT(&b, btl_sign(b.g, x), 0, 1, 1);
    EXPECT(&b, btl_shr(b.g, x, btl_integer(b.g, 60)), 0, 15, 0.0);
    bench_free(&b);
}

BTL_TEST(bool_adds_as_or_multiplies_as_and_and_refuses_minus) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_BOOL, SHAPE(4), VALUES(0, 0, 1, 1)), *y = bench_input(&b, BTL_BOOL, SHAPE(4), VALUES(0, 1, 0, 1));
    EXPECT(&b, btl_add(b.g, x, y), 0, 0.0, 1, 1, 1);
    EXPECT(&b, btl_mul(b.g, x, y), 0, 0.0, 0.0, 0.0, 1);
    EXPECT(&b, btl_bitxor(b.g, x, y), 0, 0.0, 1, 1, 0.0);
    EXPECT(&b, btl_invert(b.g, x), 0, 1, 1, 0.0, 0.0);
    EXPECT(&b, btl_logical_and(b.g, x, btl_logical_not(b.g, y)), 0, 0.0, 0.0, 1, 0.0);
    EXPECT(&b, btl_lt(b.g, x, y), 0, 0.0, 1, 0.0, 0.0);
    EXPECT(&b, btl_maximum(b.g, x, y), 0, 0.0, 1, 1, 1);
    EXPECT_TYPE(&b, btl_add(b.g, x, y), "bool[4]");
    btl_var *difference = btl_sub(b.g, x, y);
    EXPECT_MISTAKE(&b, difference, BTL_EDTYPE, "sub: not defined on bool");
    BTL_ASSERT_CONTAINS(btl_graph_messages(b.g), "^");
    bench_free(&b);
}

/* ---- types ------------------------------------------------------------------------------- */

BTL_TEST(operands_promote_as_numpy_promotes_them) {
    for (int i = 0; i < 12; i++) {
        for (int j = 0; j < 12; j++) {
            bench b = bench_new();
            double one = 1;
            btl_var *x = bench_input(&b, dtype_named(promoted_names[i]), SCALAR, &one);
            btl_var *y = bench_input(&b, dtype_named(promoted_names[j]), SCALAR, &one);
            const char *want = promoted[i][j];
            EXPECT_TYPE(&b, btl_add(b.g, x, y), want);
            EXPECT_TYPE(&b, btl_maximum(b.g, x, y), want);
            EXPECT_TYPE(&b, btl_eq(b.g, x, y), "bool");
            EXPECT_TYPE(&b, btl_div(b.g, x, y), want[0] == 'f' ? want : "f64");
            EXPECT_TYPE(&b, btl_where(b.g, btl_eq(b.g, x, y), x, y), want);
            EXPECT(&b, btl_add(b.g, x, y), 0, i + j ? 2 : 1);
            bench_free(&b);
        }
    }
}

BTL_TEST(bf16_with_f16_is_f32_and_else_promotes_as_f16) {
    bench b = bench_new();
    double one = 1;
    btl_var *x = bench_input(&b, BTL_BF16, SCALAR, &one), *h = bench_input(&b, BTL_F16, SCALAR, &one);
    btl_var *i8 = bench_input(&b, BTL_I8, SCALAR, &one), *i16 = bench_input(&b, BTL_I16, SCALAR, &one);
    EXPECT_TYPE(&b, btl_add(b.g, x, h), "f32");
    EXPECT_TYPE(&b, btl_add(b.g, x, i8), "bf16");
    EXPECT_TYPE(&b, btl_add(b.g, x, i16), "f32");
    EXPECT_TYPE(&b, btl_exp(b.g, x), "bf16");
    bench_free(&b);
}

BTL_TEST(literals_take_the_other_sides_type) {
    bench b = bench_new();
    double one = 1;
    btl_var *x = bench_input(&b, BTL_F32, SCALAR, &one), *i = bench_input(&b, BTL_I8, SCALAR, &one);
    EXPECT_TYPE(&b, btl_mul(b.g, x, btl_number(b.g, 2)), "f32");
    EXPECT_TYPE(&b, btl_mul(b.g, x, btl_integer(b.g, 2)), "f32");
    EXPECT_TYPE(&b, btl_add(b.g, i, btl_integer(b.g, 2)), "i8");
    EXPECT_TYPE(&b, btl_add(b.g, i, btl_number(b.g, 0.5)), "f64");
    EXPECT_TYPE(&b, btl_add(b.g, x, btl_neg(b.g, btl_number(b.g, 0.5))), "f32");
    EXPECT_TYPE(&b, btl_relu(b.g, i, 0), "i8");
    EXPECT_TYPE(&b, btl_elu(b.g, x, 1), "f32");
    EXPECT_TYPE(&b, btl_hard_sigmoid(b.g, x), "f32");
    EXPECT_TYPE(&b, btl_clip(b.g, x, btl_integer(b.g, 0), btl_number(b.g, 1)), "f32");
    bench_free(&b);
}

BTL_TEST(functions_of_a_real_make_f64_of_integers_and_rounding_keeps_them) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_I8, SHAPE(2), VALUES(1, 4)), *c = bench_input(&b, BTL_BOOL, SCALAR, VALUES(1));
    EXPECT_TYPE(&b, btl_exp(b.g, x), "f64[2]");
    EXPECT_TYPE(&b, btl_sqrt(b.g, c), "f64");
    EXPECT_TYPE(&b, btl_floor(b.g, x), "i8[2]");
    EXPECT_TYPE(&b, btl_sign(b.g, x), "i8[2]");
    EXPECT_TYPE(&b, btl_abs(b.g, x), "i8[2]");
    EXPECT_TYPE(&b, btl_round(b.g, c), "bool");
    EXPECT_TYPE(&b, btl_sqr(b.g, x), "i8[2]");
    EXPECT_TYPE(&b, btl_isnan(b.g, x), "bool[2]");
    EXPECT_TYPE(&b, btl_inv(b.g, x), "f64[2]");
    EXPECT(&b, btl_sqrt(b.g, x), 1e-15, 1, 2);
    EXPECT(&b, btl_isfinite(b.g, x), 0, 1, 1);
    bench_free(&b);
}

BTL_TEST(broadcasting_stretches_sizes_known_to_be_one) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F32, SHAPE(2, 1), VALUES(10, 20)), *y = bench_input(&b, BTL_F32, SHAPE(3), VALUES(1, 2, 3));
    btl_var *z = bench_input(&b, BTL_F32, SHAPE(1, 0), NULL);
    EXPECT_TYPE(&b, btl_add(b.g, x, y), "f32[2, 3]");
    EXPECT(&b, btl_add(b.g, x, y), 0, 11, 12, 13, 21, 22, 23);
    EXPECT_TYPE(&b, btl_add(b.g, x, z), "f32[2, 0]");
    bench_free(&b);
}

BTL_TEST(sizes_that_do_not_fit_are_named_with_a_hint) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F32, SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6)), *y = bench_input(&b, BTL_F32, SHAPE(2), VALUES(1, 2));
    btl_var *sum = btl_add(b.g, x, y);
    EXPECT_MISTAKE(&b, sum, BTL_ESHAPE, "add: sizes do not fit: x is f32[2, 3], y is f32[2]");
    BTL_ASSERT_CONTAINS(btl_graph_messages(b.g), "y[:, newaxis]");
    bench_free(&b);
    b = bench_new();
    x = bench_input(&b, BTL_F32, SHAPE(2, 3), VALUES(1, 2, 3, 4, 5, 6)), y = bench_input(&b, BTL_F32, SHAPE(3, 2), VALUES(1, 2, 3, 4, 5, 6));
    sum = btl_mul(b.g, x, y);
    EXPECT_MISTAKE(&b, sum, BTL_ESHAPE, "y.T would fit");
    bench_free(&b);
}

BTL_TEST(types_without_the_operation_are_refused) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F32, SCALAR, VALUES(1)), *v;
    v = btl_bitand(b.g, x, x);
    EXPECT_MISTAKE(&b, v, BTL_EDTYPE, "bitand");
    v = btl_logical_not(b.g, x);
    EXPECT_MISTAKE(&b, v, BTL_EDTYPE, "x != 0");
    v = btl_where(b.g, x, x, x);
    EXPECT_MISTAKE(&b, v, BTL_EDTYPE, "condition must be bool");
    v = btl_invert(b.g, x);
    EXPECT_MISTAKE(&b, v, BTL_EDTYPE, "invert: not defined on f32");
    assert_null(btl_add(b.g, NULL, x));
    bench_free(&b);
}

/* ---- casts ------------------------------------------------------------------------------- */

BTL_TEST(casts_saturate_wrap_and_round_once) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F64, SHAPE(6), VALUES(NAN, INFINITY, -INFINITY, 300.7, -1.5, 0.3));
    EXPECT(&b, btl_i8(b.g, x), 0, 0.0, 127, -128, 127, -1, 0.0);
    EXPECT(&b, btl_u8(b.g, x), 0, 0.0, 255, 0.0, 255, 0.0, 0.0);
    EXPECT(&b, btl_bool(b.g, x), 0, 1, 1, 1, 1, 1, 1);
    EXPECT(&b, btl_f32(b.g, x), 0, NAN, INFINITY, -INFINITY, (double)300.7f, -1.5, (double)0.3f);
    EXPECT(&b, btl_u8(b.g, btl_i32(b.g, x)), 0, 0.0, 255, 0.0, 44, 255, 0.0);
    assert_ptr_equal(btl_f64(b.g, x), x);
    EXPECT_TYPE(&b, btl_add(b.g, btl_f32(b.g, x), btl_f64(b.g, btl_number(b.g, 1))), "f64[6]");
    bench_free(&b);
}

BTL_TEST(every_pair_of_types_has_a_text_for_its_cast) {
    for (int i = 0; i < BTL_NDTYPES; i++)
        for (int j = 0; j < BTL_NDTYPES; j++) {
            const char *code = btl_cast_code((btl_dtype)i, (btl_dtype)j);
            assert_non_null(code);
            assert_non_null(strstr(code, "$0"));
        }
}

/* ---- the table itself -------------------------------------------------------------------- */

BTL_TEST(every_op_is_complete) {
#define OP(name) &btl_op_##name,
    static const btl_op *const ops[] = { BTL_OPS_MATH(OP) };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        const btl_op *op = ops[i];
        assert_non_null(op->name);
        assert_non_null(op->doc);
        BTL_ASSERT_CONTAINS(op->signature, op->name);
        assert_true(op->version >= 1 && op->nout == 1);
        assert_true(op->build || op->infer);
        assert_true((op->flags & OP_MACRO) || op->elem || op->reduction || op->body || op->eval);
        if (!op->elem) continue;
        assert_true(!op->elem->code_float == !op->elem->real);
        assert_true(!op->elem->code_signed || op->elem->on_signed);
        assert_true(!op->elem->code_unsigned || op->elem->on_unsigned);
        bool differentiable = op->elem->code_float && !op->elem->to_bool && strcmp(op->name, "psi") != 0;
        if (differentiable != (op->vjp != NULL)) BTL_FAIL("%s: gradient", op->name);
    }
}

/* ---- gradients --------------------------------------------------------------------------- */

typedef struct domain { const char *op; double low, high; } domain;

BTL_TEST(gradients_of_functions_of_a_real_agree_with_differences) {
    static const domain domains[] = {
        { "neg", -2, 2 }, { "abs", 0.1, 2 }, { "sqr", -2, 2 }, { "sqrt", 0.5, 3 }, { "inv", 0.5, 2 }, { "identity", -1, 1 },
        { "exp", -2, 2 }, { "exp2", -2, 2 }, { "expm1", -2, 2 }, { "log", 0.5, 3 }, { "log2", 0.5, 3 }, { "log10", 0.5, 3 },
        { "log1p", -0.5, 3 }, { "sin", -3, 3 }, { "cos", -3, 3 }, { "tan", -1, 1 }, { "arcsin", -0.8, 0.8 },
        { "arccos", -0.8, 0.8 }, { "arctan", -3, 3 }, { "deg2rad", -3, 3 }, { "rad2deg", -3, 3 }, { "sinh", -2, 2 },
        { "cosh", -2, 2 }, { "tanh", -2, 2 }, { "arcsinh", -3, 3 }, { "arccosh", 1.5, 4 }, { "arctanh", -0.8, 0.8 },
        { "erf", -2, 2 }, { "erfc", -2, 2 }, { "gammaln", 0.5, 5 }, { "gammaln", -0.9, -0.1 }, { "sigmoid", -3, 3 },
        { "softplus", -3, 3 }, { "softsign", -3, -0.1 }, { "xlogx", 0.2, 3 }, { "hard_sigmoid", -2, 2 },
        { "floor", 0.2, 0.8 }, { "sign", 0.2, 0.8 }, { "round", 0.6, 1.4 },
    };
    btl_rng rng = { btl_test_seed() };
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
        double x[5];
        for (int k = 0; k < 5; k++) x[k] = btl_rng_uniform(&rng, domains[i].low, domains[i].high);
        bench b = bench_new();
        btl_var *v = bench_input(&b, BTL_F64, SHAPE(5), x);
        bench_check_gradient(&b, build(&b, domains[i].op, 1, v, NULL, NULL), 1, 1e-8, domains[i].op);
        bench_free(&b);
    }
}

BTL_TEST(gradients_of_two_operands_agree_with_differences_through_broadcasting) {
    static const domain domains[] = {
        { "add", -2, 2 }, { "sub", -2, 2 }, { "mul", -2, 2 }, { "div", 0.5, 2 }, { "pow", 0.3, 2 }, { "maximum", -2, 2 },
        { "minimum", -2, 2 }, { "arctan2", -2, 2 }, { "xlogy0", 0.3, 2 }, { "logaddexp", -2, 2 },
        { "binary_crossentropy", 0.1, 0.9 },
    };
    btl_rng rng = { btl_test_seed() };
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
        double x[3], y[4];
        for (int k = 0; k < 3; k++) x[k] = btl_rng_uniform(&rng, domains[i].low, domains[i].high);
        for (int k = 0; k < 4; k++) y[k] = btl_rng_uniform(&rng, domains[i].low, domains[i].high);
        bench b = bench_new();
        btl_var *v = bench_input(&b, BTL_F64, SHAPE(3, 1), x), *w = bench_input(&b, BTL_F64, SHAPE(4), y);
        bench_check_gradient(&b, build(&b, domains[i].op, 2, v, w, NULL), 2, 1e-8, domains[i].op);
        bench_free(&b);
    }
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F64, SHAPE(3), VALUES(7.3, -7.3, 2.2)), *y = bench_input(&b, BTL_F64, SHAPE(3), VALUES(2, 2, -3));
    bench_check_gradient(&b, btl_mod(b.g, x, y), 2, 1e-8, "mod");
    bench_free(&b);
}

BTL_TEST(gradients_of_choices_agree_with_differences) {
    bench b = bench_new();
    btl_var *x = bench_input(&b, BTL_F64, SHAPE(4), VALUES(-3, 0.5, 2, 7)), *lo = bench_input(&b, BTL_F64, SHAPE(1), VALUES(-1));
    btl_var *hi = bench_input(&b, BTL_F64, SHAPE(4), VALUES(1, 1, 1, -2));
    bench_check_gradient(&b, btl_clip(b.g, x, lo, hi), 3, 1e-8, "clip");
    bench_free(&b);
    b = bench_new();
    x = bench_input(&b, BTL_F64, SHAPE(3), VALUES(-1.5, 0.7, 2)), lo = bench_input(&b, BTL_F64, SCALAR, VALUES(0.3));
    btl_var *y = btl_where(b.g, btl_gt(b.g, x, btl_number(b.g, 1)), btl_mul(b.g, x, x), lo);
    y = btl_add(b.g, y, btl_add(b.g, btl_relu(b.g, x, 0.25), btl_elu(b.g, x, 1.5)));
    bench_check_gradient(&b, y, 2, 1e-8, "where, relu, elu");
    bench_free(&b);
}

/* The gradient at one point, by the expression alone. */
static void expect_gradient(const char *op, double x, double want) {
    bench b = bench_new();
    btl_param zero = { .f = 0 };
    btl_var *grads[BENCH_INPUTS], *v = bench_input(&b, BTL_F64, SCALAR, &x), *dy = bench_input(&b, BTL_F64, SCALAR, VALUES(1));
    bench_grad(&b, btl_build(b.g, find_op(op), 1, &v, &zero, NULL), dy, grads);
    double got;
    bench_doubles(&b, grads[0], &got, 1);
    if (!(got == want || (isnan(got) && isnan(want)))) BTL_FAIL("gradient of %s at %g is %g, not %g", op, x, got, want);
    bench_free(&b);
}

static void expect_gradients(const char *op, double x, double y, double by_x, double by_y) {
    bench b = bench_new();
    btl_var *grads[BENCH_INPUTS], *v = bench_input(&b, BTL_F64, SCALAR, &x), *w = bench_input(&b, BTL_F64, SCALAR, &y);
    btl_var *dy = bench_input(&b, BTL_F64, SCALAR, VALUES(1));
    bench_grad(&b, build(&b, op, 2, v, w, NULL), dy, grads);
    double gx, gy;
    bench_doubles(&b, grads[0], &gx, 1);
    bench_doubles(&b, grads[1], &gy, 1);
    if (gx != by_x || gy != by_y) BTL_FAIL("gradients of %s at %g, %g are %g, %g, not %g, %g", op, x, y, gx, gy, by_x, by_y);
    bench_free(&b);
}

BTL_TEST(gradients_at_hard_places_are_theanos) {
    expect_gradient("abs", 0, 0);
    expect_gradient("relu", 0, 0);
    expect_gradient("sqrt", 0, INFINITY);
    expect_gradient("xlogx", 0, -INFINITY);
    expect_gradient("elu", 1e4, 1); /* and not 0 * inf */
    expect_gradient("softplus", -1000, 0);
    expect_gradient("softplus", 1000, 1);
    expect_gradients("maximum", 2, 2, 1, 0);
    expect_gradients("minimum", 2, 2, 1, 0);
    expect_gradients("pow", 0, 0, 0, 0);
    expect_gradients("pow", 0, 2, 0, 0);
    expect_gradients("pow", -2, 3, 12, 0);
    expect_gradients("xlogy0", 0, 0, -INFINITY, 0);
    expect_gradients("logaddexp", -INFINITY, -INFINITY, 0, 0);
    expect_gradients("logaddexp", 1000, -1000, 1, 0);
}

BTL_TEST(a_second_derivative_of_a_power_at_zero_is_finite) {
    bench b = bench_new();
    btl_var *grads[BENCH_INPUTS], *x = bench_input(&b, BTL_F64, SCALAR, VALUES(0)), *n = bench_input(&b, BTL_F64, SCALAR, VALUES(3));
    btl_var *dy = bench_input(&b, BTL_F64, SCALAR, VALUES(1));
    bench_grad(&b, btl_pow(b.g, x, n), dy, grads);
    btl_var *second[BENCH_INPUTS], *by_exponent = grads[1];
    bench_grad(&b, by_exponent, dy, second);
    double got;
    bench_doubles(&b, second[0], &got, 1);
    assert_true(got == 0);
    bench_free(&b);
}

BTL_TEST_MAIN(cmocka_unit_test(functions_of_a_real_agree_with_mpmath_to_an_ulp),
              cmocka_unit_test(operations_on_two_reals_agree_with_numpy_special_values_included),
              cmocka_unit_test(functions_of_a_real_keep_their_special_values),
              cmocka_unit_test(arithmetic_is_correctly_rounded),
              cmocka_unit_test(integer_operations_wrap_and_divide_as_python_for_all_pairs_of_bytes),
              cmocka_unit_test(the_ends_of_i64_neither_trap_nor_lose_bits),
              cmocka_unit_test(unsigned_64_bit_operands_compare_and_divide_as_unsigned),
              cmocka_unit_test(bool_adds_as_or_multiplies_as_and_and_refuses_minus),
              cmocka_unit_test(operands_promote_as_numpy_promotes_them),
              cmocka_unit_test(bf16_with_f16_is_f32_and_else_promotes_as_f16),
              cmocka_unit_test(literals_take_the_other_sides_type),
              cmocka_unit_test(functions_of_a_real_make_f64_of_integers_and_rounding_keeps_them),
              cmocka_unit_test(broadcasting_stretches_sizes_known_to_be_one),
              cmocka_unit_test(sizes_that_do_not_fit_are_named_with_a_hint),
              cmocka_unit_test(types_without_the_operation_are_refused),
              cmocka_unit_test(casts_saturate_wrap_and_round_once),
              cmocka_unit_test(every_pair_of_types_has_a_text_for_its_cast), cmocka_unit_test(every_op_is_complete),
              cmocka_unit_test(gradients_of_functions_of_a_real_agree_with_differences),
              cmocka_unit_test(gradients_of_two_operands_agree_with_differences_through_broadcasting),
              cmocka_unit_test(gradients_of_choices_agree_with_differences),
              cmocka_unit_test(gradients_at_hard_places_are_theanos),
              cmocka_unit_test(a_second_derivative_of_a_power_at_zero_is_finite))
