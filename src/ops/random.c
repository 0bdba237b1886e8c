/* random.c - random numbers as pure functions of a key.
 *
 * One op draws bits: element i of random.bits(key, shape) is a function of key and i alone (Threefry
 * in counter mode, threefry.h), so any part can be computed anywhere, in any order, alike on every
 * machine. Distributions are macros of ordinary ops on those bits, hence the same in every mode.
 *
 * A key is u32[2]. A draw of 64 bits uses block i for element i; one of 32 bits half of block i/2.
 * Counters whose highest bit is set belong to random.split, so that keys split off are independent
 * of numbers drawn with the key itself. Drawing twice with one key gives the same numbers twice.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/emit.h"
#include "expr/index.h"
#include "expr/operand.h"
#include "ops/structure.h"
#include "ops/support.h"
#include "ops/threefry.h"

#include <assert.h>
#include <string.h>

static btl_var *random_result(btl_var *v, btl_var **out) {
    if (out) *out = v;
    return v;
}

/* ---- random.bits -------------------------------------------------------------------------- */

static const btl_param_spec random_bits_params[] = {
    { "shape", PARAM_SHAPE, NULL, true, "how many: its sizes" },
    { "bits", PARAM_INT, "32", false, "32 or 64 a number" },
    { "stream", PARAM_INT, "0", false, "0; 1 are the numbers of which random.split makes keys" },
};

static btl_status random_check_key(btl_graph *g, const btl_var *key) {
    const btl_type *t = &key->type;
    if (t->dtype == BTL_U32 && t->rank == 1 && !btl_dims_unify(g, t->dims[0], btl_dim_const(g, 2), NULL)) return BTL_OK;
    btl_fail(g, t->dtype == BTL_U32 ? BTL_ESHAPE : BTL_EDTYPE, "a key is u32[2]: %s", btl_var_text(g, key));
    btl_fail_hint(g, "random.key(7) makes a key, random.split(key, n) more of them; keys[i] is one of those");
    return g->pending;
}

static btl_status random_bits_infer(btl_infer *x) {
    int64_t bits = x->params[1].i;
    BTL_TRY(random_check_key(x->g, x->in[0]));
    if (bits != 32 && bits != 64) return btl_fail(x->g, BTL_EVALUE, "bits is 32 or 64, not %lld", (long long)bits);
    if (x->params[2].i != 0 && x->params[2].i != 1) return btl_fail(x->g, BTL_EVALUE, "stream is 0 or 1");
    for (int i = 0; i < x->params[0].shape.n; i++)
        if (x->params[0].shape.v[i]->hi < 0) return btl_fail(x->g, BTL_ESHAPE, "a size is negative");
    x->out[0] = btl_type_make(x->g, bits == 32 ? BTL_U32 : BTL_U64, x->params[0].shape.n, x->params[0].shape.v);
    return BTL_OK;
}

static void random_read_key(const btl_exec *x, uint32_t key[2]) {
    for (int i = 0; i < 2; i++) memcpy(&key[i], x->in[0].data + i * x->in[0].strides[0] * 4, sizeof key[i]);
}

/* Reference: a block for each element. */
static btl_status random_bits_eval(btl_exec *x) {
    const btl_operand *y = &x->out[0];
    uint32_t key[2], top = (uint32_t)x->params[2].i << 31;
    random_read_key(x, key);
    int64_t n = btl_operand_elems(y);
    for (int64_t i = 0; i < n; i++) {
        uint64_t block = y->dtype == BTL_U64 ? (uint64_t)i : (uint64_t)i / 2;
        uint32_t counter[2] = { (uint32_t)block, (uint32_t)(block >> 32) | top }, word[2];
        btl_threefry(key, counter, word);
        if (y->dtype == BTL_U64) btl_operand_set_signed(y, i, (int64_t)((uint64_t)word[0] << 32 | word[1]));
        else btl_operand_set_signed(y, i, word[i % 2]);
    }
    return BTL_OK;
}

static inline __attribute__((always_inline)) void random_fill(const uint32_t key[2], uint32_t top, bool wide, char *to, int64_t n) {
    if (wide) btl_random_bits64(key[0], key[1], top, (void *)to, n);
    else btl_random_bits32(key[0], key[1], top, (void *)to, n);
}

/* The same loop compiled for wider vectors, which only adds, rotates and xors: the same bits. */
typedef void (*random_fill_fn)(const uint32_t key[2], uint32_t top, bool wide, char *to, int64_t n);

static void random_fill_base(const uint32_t key[2], uint32_t top, bool wide, char *to, int64_t n) { random_fill(key, top, wide, to, n); }

#if defined __x86_64__ && defined __GNUC__
__attribute__((target("avx2"))) static void random_fill_avx2(const uint32_t key[2], uint32_t top, bool wide, char *to, int64_t n) {
    random_fill(key, top, wide, to, n);
}
__attribute__((target("avx512f,avx512vl"))) static void random_fill_avx512(const uint32_t key[2], uint32_t top, bool wide, char *to, int64_t n) {
    random_fill(key, top, wide, to, n);
}
static random_fill_fn random_fill_here(void) {
    if (__builtin_cpu_supports("avx512vl")) return random_fill_avx512;
    return __builtin_cpu_supports("avx2") ? random_fill_avx2 : random_fill_base;
}
#else
static random_fill_fn random_fill_here(void) { return random_fill_base; }
#endif

static btl_status random_bits_kernel(btl_exec *x) {
    const btl_operand *y = &x->out[0];
    uint32_t key[2];
    random_read_key(x, key);
    random_fill_here()(key, (uint32_t)x->params[2].i << 31, y->dtype == BTL_U64, y->data, btl_operand_elems(y));
    return BTL_OK;
}

static btl_status random_bits_emit(btl_emit *e) {
    int bits = (int)e->params[1].i;
    btl_emit_text(e, "btl_random_bits%d(x0[0], x0[%s], %uu, y0, %s);\n", bits, btl_emit_stride(e, 0, 0), (unsigned)e->params[2].i << 31,
                  btl_emit_elems(e, btl_emit_out(e, 0)));
    return BTL_OK;
}

static bool random_never_connected(const btl_node *n, int out, int in) {
    (void)n, (void)out, (void)in;
    return false;
}

static btl_var *random_bits_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                  btl_var **out) {
    int rank = params[0].shape.n < 0 ? 0 : params[0].shape.n;
    btl_param p[3] = { btl_param_shape(g, rank, params[0].shape.v), params[1], params[2] };
    btl_node *n = btl_apply(g, op, nin, in, p);
    return n ? random_result(n->out, out) : NULL;
}

static const char *const random_bits_samples[] = {
    "key: u32[2] | shape=[7]", "key: u32[2] | shape=[3, 40], bits=64", "key: u32[2] | shape=[], stream=1", "key: u32[2] | shape=[0]", NULL,
};

const btl_op btl_op_random_bits = {
    .name = "random.bits", .doc = "random u32 or u64 (Threefry-2x32-20)", .signature = "random.bits(key, shape, bits=32)",
    .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_NO_FOLD, .nparams = 3, .params = random_bits_params,
    .infer = random_bits_infer, .build = random_bits_build, .eval = random_bits_eval, .kernel = random_bits_kernel, .emit = random_bits_emit,
    .connected = random_never_connected, .samples = random_bits_samples,
};

static btl_var *random_draw(btl_graph *g, btl_var *key, int rank, const btl_dim *const *dims, int bits, int stream) {
    btl_param p[3] = { { .shape = { rank, dims } }, { .i = bits }, { .i = stream } };
    return btl_build(g, &btl_op_random_bits, 1, &key, p, NULL);
}

/* ---- keys --------------------------------------------------------------------------------- */

static btl_var *random_u64(btl_graph *g, uint64_t value) { return btl_graph_int(g, BTL_U64, (int64_t)value); }

/* [upper half, lower half] of the seed as 64 bits. */
static btl_var *random_key_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                 btl_var **out) {
    char kind = btl_dtype_kind(in[0]->type.dtype);
    (void)op, (void)nin, (void)params;
    if (in[0]->type.rank || (kind != 'i' && kind != 'u')) {
        btl_fail(g, BTL_EDTYPE, "a seed is a single integer: %s", btl_var_text(g, in[0]));
        return NULL;
    }
    const btl_array *a = btl_var_constant_array(in[0]);
    if (a) {
        int64_t strides[1], two = 2;
        btl_operand seed = btl_operand_of_array(a, strides);
        uint64_t s = (uint64_t)btl_operand_signed(&seed, 0);
        uint32_t words[2] = { (uint32_t)(s >> 32), (uint32_t)s };
        btl_array key = btl_array_wrap(BTL_U32, 1, &two, words);
        return random_result(btl_graph_constant(g, &key), out);
    }
    btl_var *s = btl_cast_to(g, in[0], BTL_U64);
    btl_var *words[2] = { btl_shr(g, s, random_u64(g, 32)), btl_bitand(g, s, random_u64(g, UINT32_MAX)) };
    for (int i = 0; i < 2; i++)
        if (!words[i] || !(words[i] = btl_cast_to(g, words[i], BTL_U32))) return NULL;
    return random_result(btl_stack(g, 2, words, 0), out);
}

static const char *const random_key_samples[] = { "seed: i64", "seed: u8", NULL };

const btl_op btl_op_random_key = {
    .name = "random.key", .doc = "a key, u32[2], of a seed", .signature = "random.key(seed)", .version = 1, .min_in = 1,
    .max_in = 1, .nout = 1, .flags = OP_MACRO, .build = random_key_build,
    .samples = random_key_samples,
};

static const btl_param_spec random_split_params[] = {
    { "n", PARAM_DIM, "2", true, "how many keys" },
};

static btl_var *random_split_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                   btl_var **out) {
    const btl_dim *dims[2] = { params[0].dim, btl_dim_const(g, 2) };
    (void)op, (void)nin;
    return random_result(random_draw(g, in[0], 2, dims, 32, 1), out);
}

static const char *const random_split_samples[] = { "key: u32[2]", "key: u32[2] | n=5", NULL };

const btl_op btl_op_random_split = {
    .name = "random.split", .doc = "n new keys, u32[n, 2]", .signature = "random.split(key, n=2)", .version = 1, .min_in = 1,
    .max_in = 1, .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = random_split_params, .build = random_split_build,
    .samples = random_split_samples,
};

/* ---- uniform ------------------------------------------------------------------------------ */

static btl_status random_check_float(btl_graph *g, int64_t dtype) {
    if (dtype >= 0 && btl_dtype_kind((btl_dtype)dtype) == 'f') return BTL_OK;
    btl_fail(g, BTL_EDTYPE, "dtype is a floating-point type");
    btl_fail_hint(g, "random.integers and random.bits draw integers");
    return BTL_EDTYPE;
}

/* The `keep` upper bits of `width` as k * 2^-keep, plus `half` of such a step. */
static btl_var *random_fraction(btl_graph *g, btl_var *bits, int width, int keep, btl_dtype dtype, bool half) {
    double step = 1.0 / (double)((uint64_t)1 << keep);
    if (!bits) return NULL;
    if (keep < width) bits = btl_shr(g, bits, btl_graph_int(g, bits->type.dtype, width - keep));
    if (!bits) return NULL;
    btl_var *x = btl_cast_to(g, bits, dtype);
    if (half) x = btl_add(g, x, btl_graph_scalar(g, dtype, 0.5));
    return btl_mul(g, x, btl_graph_scalar(g, dtype, step));
}

/* 0 <= u < 1 in f32 or f64. */
static btl_var *random_unit(btl_graph *g, btl_var *key, btl_dtype dtype, int rank, const btl_dim *const *dims) {
    bool wide = dtype == BTL_F64;
    return random_fraction(g, random_draw(g, key, rank, dims, wide ? 64 : 32, 0), wide ? 64 : 32, wide ? 53 : 24, dtype, false);
}

static const btl_param_spec random_uniform_params[] = {
    { "shape", PARAM_SHAPE, "[]", true, "its sizes" },
    { "low", PARAM_FLOAT, "0", true, "the least value" },
    { "high", PARAM_FLOAT, "1", true, "the bound, which is not reached but by rounding" },
    { "dtype", PARAM_DTYPE, "f32", false, "a floating-point type" },
};

static btl_var *random_uniform_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                     btl_var **out) {
    double low = params[1].f, range = params[2].f - params[1].f;
    (void)op, (void)nin;
    if (random_check_float(g, params[3].i)) return NULL;
    btl_dtype dtype = (btl_dtype)params[3].i, work = dtype == BTL_F64 ? BTL_F64 : BTL_F32;
    btl_var *u = random_unit(g, in[0], work, params[0].shape.n, params[0].shape.v);
    if (u && range != 1) u = btl_mul(g, u, btl_graph_scalar(g, work, range));
    if (u && low != 0) u = btl_add(g, u, btl_graph_scalar(g, work, low));
    return u ? random_result(btl_cast_to(g, u, dtype), out) : NULL;
}

static const char *const random_uniform_samples[] = {
    "key: u32[2]", "key: u32[2] | shape=[1000]", "key: u32[2] | shape=[3, 5], low=-1, high=2, dtype=f64",
    "key: u32[2] | shape=[300], dtype=f16", "key: u32[2] | shape=[300], dtype=bf16", "key: u32[2] | shape=[0]", NULL,
};

const btl_op btl_op_random_uniform = {
    .name = "random.uniform", .doc = "uniform in low <= x < high", .signature = "random.uniform(key, shape=[], low=0, high=1, dtype=f32)",
    .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_MACRO, .nparams = 4, .params = random_uniform_params,
    .build = random_uniform_build,
    .samples = random_uniform_samples,
};

/* ---- normal ------------------------------------------------------------------------------- */

static const btl_param_spec random_normal_params[] = {
    { "shape", PARAM_SHAPE, "[]", true, "its sizes" },
    { "dtype", PARAM_DTYPE, "f32", false, "a floating-point type" },
};

/* Two fractions per element, 0 < u < 1 (at most 1 after rounding) and 0 <= v < 1: from the halves of
 * 64 bits for f32, from two draws of 64 bits that lie side by side for f64. */
static bool random_normal_fractions(btl_graph *g, btl_var *key, btl_dtype dtype, int rank, const btl_dim *const *dims,
                                    btl_var **u, btl_var **v) {
    if (dtype == BTL_F32) {
        btl_var *b = random_draw(g, key, rank, dims, 64, 0);
        btl_var *upper = btl_shr(g, b, random_u64(g, 32)), *lower = btl_bitand(g, b, random_u64(g, UINT32_MAX));
        if (!upper || !lower) return false;
        *u = random_fraction(g, btl_cast_to(g, upper, BTL_U32), 32, 32, dtype, true);
        *v = random_fraction(g, btl_cast_to(g, lower, BTL_U32), 32, 24, dtype, false);
        return *u && *v;
    }
    const btl_dim *pairs[BTL_MAX_RANK];
    if (rank >= BTL_MAX_RANK) {
        btl_fail(g, BTL_ESHAPE, "at most %d dimensions in f64", BTL_MAX_RANK - 1);
        return false;
    }
    for (int i = 0; i < rank; i++) pairs[i] = dims[i];
    pairs[rank] = btl_dim_const(g, 2);
    btl_var *b = random_draw(g, key, rank + 1, pairs, 64, 0), *half[2];
    for (int i = 0; i < 2; i++) {
        btl_index_arg items[2] = { { .kind = ARG_ELLIPSIS }, { .kind = ARG_INT, .start = { btl_dim_const(g, i), NULL } } };
        half[i] = btl_index_build(g, b, 2, items);
    }
    *u = random_fraction(g, half[0], 64, 53, dtype, true);
    *v = random_fraction(g, half[1], 64, 53, dtype, false);
    return *u && *v;
}

/* Box & Muller (1958): sqrt(-2 log u) cos(2 pi v) is standard normal. */
static btl_var *random_normal_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                    btl_var **out) {
    btl_var *u, *v;
    int rank = params[0].shape.n < 0 ? 0 : params[0].shape.n;
    (void)op, (void)nin;
    if (random_check_float(g, params[1].i)) return NULL;
    btl_dtype dtype = (btl_dtype)params[1].i, work = dtype == BTL_F64 ? BTL_F64 : BTL_F32;
    if (!random_normal_fractions(g, in[0], work, rank, params[0].shape.v, &u, &v)) return NULL;
    btl_var *radius = btl_sqrt(g, btl_mul(g, btl_graph_scalar(g, work, -2), btl_log(g, u)));
    btl_var *x = btl_mul(g, radius, btl_cos(g, btl_mul(g, btl_graph_scalar(g, work, 6.28318530717958647693), v)));
    return x ? random_result(btl_cast_to(g, x, dtype), out) : NULL;
}

static const char *const random_normal_samples[] = {
    "key: u32[2]", "key: u32[2] | shape=[1000]", "key: u32[2] | shape=[30, 5], dtype=f64", "key: u32[2] | shape=[300], dtype=f16",
    "key: u32[2] | shape=[0, 3]", NULL,
};

const btl_op btl_op_random_normal = {
    .name = "random.normal", .doc = "standard normal", .signature = "random.normal(key, shape=[], dtype=f32)", .version = 1,
    .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_MACRO, .nparams = 2, .params = random_normal_params,
    .build = random_normal_build,
    .samples = random_normal_samples,
};

/* ---- bernoulli, integers ------------------------------------------------------------------ */

static const btl_param_spec random_bernoulli_params[] = {
    { "shape", PARAM_SHAPE, "none", true, "its sizes; none: p's" },
};

static btl_var *random_bernoulli_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                       btl_var **out) {
    btl_var *p = in[1];
    (void)op, (void)nin;
    if (!p->weak && btl_dtype_kind(p->type.dtype) != 'f') {
        btl_fail(g, BTL_EDTYPE, "a probability is a floating-point number: %s", btl_var_text(g, p));
        return NULL;
    }
    btl_dtype work = !p->weak && p->type.dtype == BTL_F64 ? BTL_F64 : BTL_F32;
    int rank = params[0].shape.n < 0 ? p->type.rank : params[0].shape.n;
    const btl_dim *const *dims = params[0].shape.n < 0 ? p->type.dims : params[0].shape.v;
    p = btl_broadcast_to_dims(g, btl_cast_to(g, p, work), rank, dims);
    return random_result(btl_lt(g, random_unit(g, in[0], work, rank, dims), p), out);
}

static const char *const random_bernoulli_samples[] = {
    "key: u32[2], p: f32[100]", "key: u32[2], p: f64 | shape=[7, 3]", "key: u32[2], p: f16[4]", NULL,
};

const btl_op btl_op_random_bernoulli = {
    .name = "random.bernoulli", .doc = "true with probability p", .signature = "random.bernoulli(key, p, shape=none)", .version = 1,
    .min_in = 2, .max_in = 2, .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = random_bernoulli_params,
    .build = random_bernoulli_build,
    .samples = random_bernoulli_samples,
};

static const btl_param_spec random_integers_params[] = {
    { "shape", PARAM_SHAPE, "none", true, "its sizes; none: those of low or high, whichever has more axes" },
    { "dtype", PARAM_DTYPE, "i64", false, "an integer type" },
};

/* The upper 64 of the 128 bits of a product, by halves (Knuth's algorithm M in base 2^32). Where r is
 * known to be below 2^32 its upper half falls away. */
static btl_var *random_upper_product(btl_graph *g, btl_var *b, btl_var *r, bool small) {
    btl_var *mask = random_u64(g, UINT32_MAX), *half = random_u64(g, 32);
    btl_var *bl = btl_bitand(g, b, mask), *bh = btl_shr(g, b, half);
    btl_var *rl = small ? r : btl_bitand(g, r, mask), *rh = small ? NULL : btl_shr(g, r, half);
    btl_var *t = btl_add(g, btl_mul(g, bh, rl), btl_shr(g, btl_mul(g, bl, rl), half));
    if (small) return btl_shr(g, t, half);
    btl_var *s = btl_add(g, btl_mul(g, bl, rh), btl_bitand(g, t, mask));
    return btl_add(g, btl_mul(g, bh, rh), btl_add(g, btl_shr(g, t, half), btl_shr(g, s, half)));
}

static bool random_is_small(btl_graph *g, const btl_var *low, const btl_var *high) {
    const btl_dim *a = btl_var_dim(g, low), *b = btl_var_dim(g, high);
    if (!a || !b) return false;
    const btl_dim *d = btl_dim_sub(g, b, a);
    return d->lo >= 0 && d->hi <= UINT32_MAX;
}

static btl_status random_check_integer(btl_graph *g, const btl_var *v) {
    char kind = btl_dtype_kind(v->type.dtype);
    if (kind == 'i' || kind == 'u') return BTL_OK;
    return btl_fail(g, BTL_EDTYPE, "a bound is an integer: %s", btl_var_text(g, v));
}

/* low + floor(bits * (high - low) / 2^64) */
static btl_var *random_integers_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                                      btl_var **out) {
    (void)op, (void)nin;
    if (random_check_integer(g, in[1]) || random_check_integer(g, in[2])) return NULL;
    char kind = params[1].i < 0 ? 'f' : btl_dtype_kind((btl_dtype)params[1].i);
    if (kind != 'i' && kind != 'u') {
        btl_fail(g, BTL_EDTYPE, "dtype is an integer type");
        return NULL;
    }
    const btl_type *wider = in[1]->type.rank > in[2]->type.rank ? &in[1]->type : &in[2]->type;
    int rank = params[0].shape.n < 0 ? wider->rank : params[0].shape.n;
    const btl_dim *const *dims = params[0].shape.n < 0 ? wider->dims : params[0].shape.v;
    bool small = random_is_small(g, in[1], in[2]);
    btl_var *low = btl_cast_to(g, in[1], BTL_I64), *high = btl_cast_to(g, in[2], BTL_I64);
    btl_var *range = btl_sub(g, high, low);
    if (!small && range) range = btl_where(g, btl_lt(g, low, high), range, btl_graph_int(g, BTL_I64, 0));
    if (!range || !(range = btl_cast_to(g, range, BTL_U64))) return NULL;
    btl_var *k = random_upper_product(g, random_draw(g, in[0], rank, dims, 64, 0), range, small);
    btl_var *x = k ? btl_add(g, low, btl_cast_to(g, k, BTL_I64)) : NULL;
    return x ? random_result(btl_cast_to(g, x, (btl_dtype)params[1].i), out) : NULL;
}

static const char *const random_integers_samples[] = {
    "key: u32[2], low: i64, high: i64 | shape=[100]", "key: u32[2], low: i32[7], high: i32", "key: u32[2], low: u8, high: u8 | shape=[3, 2], dtype=i32",
    "key: u32[2] | = random.integers(key, 0, 10, shape=[50])", NULL,
};

const btl_op btl_op_random_integers = {
    .name = "random.integers", .doc = "integers in low <= x < high",
    .signature = "random.integers(key, low, high, shape=none, dtype=i64)", .version = 1, .min_in = 3, .max_in = 3, .nout = 1,
    .flags = OP_MACRO, .nparams = 2, .params = random_integers_params, .build = random_integers_build,
    .samples = random_integers_samples,
};

/* ---- public builders ---------------------------------------------------------------------- */

btl_var *btl_random_key(btl_graph *g, btl_var *seed) { return btl_build(g, &btl_op_random_key, 1, &seed, NULL, NULL); }

typedef struct random_split_args { btl_graph *g; btl_var *key, *result; int64_t n; } random_split_args;

static btl_status random_split_body(void *arg) {
    random_split_args *s = arg;
    btl_param p = { .dim = btl_dim_const(s->g, s->n) };
    s->result = btl_build(s->g, &btl_op_random_split, 1, &s->key, &p, NULL);
    return s->result ? BTL_OK : s->g->status;
}

btl_var *btl_random_split(btl_graph *g, btl_var *key, int64_t n) {
    random_split_args s = { g, key, NULL, n };
    if (!key) return NULL;
    return btl_graph_protect(g, random_split_body, &s) == BTL_OK ? s.result : NULL;
}

btl_var *btl_random_bits(btl_graph *g, btl_var *key, int bits, int rank, const int64_t *shape) {
    btl_param p[3] = { { 0 }, { .i = bits }, { .i = 0 } };
    return btl_build_shaped(g, &btl_op_random_bits, 1, &key, rank, shape, 3, p);
}

btl_var *btl_random_uniform(btl_graph *g, btl_var *key, double low, double high, btl_dtype dtype, int rank, const int64_t *shape) {
    btl_param p[4] = { { 0 }, { .f = low }, { .f = high }, { .i = dtype } };
    return btl_build_shaped(g, &btl_op_random_uniform, 1, &key, rank, shape, 4, p);
}

btl_var *btl_random_normal(btl_graph *g, btl_var *key, btl_dtype dtype, int rank, const int64_t *shape) {
    btl_param p[2] = { { 0 }, { .i = dtype } };
    return btl_build_shaped(g, &btl_op_random_normal, 1, &key, rank, shape, 2, p);
}

btl_var *btl_random_bernoulli(btl_graph *g, btl_var *key, btl_var *p, int rank, const int64_t *shape) {
    btl_var *in[2] = { key, p };
    return btl_build_shaped(g, &btl_op_random_bernoulli, 2, in, rank, shape, 0, NULL);
}

btl_var *btl_random_integers(btl_graph *g, btl_var *key, btl_var *low, btl_var *high, btl_dtype dtype, int rank,
                             const int64_t *shape) {
    btl_var *in[3] = { key, low, high };
    btl_param p[2] = { { 0 }, { .i = dtype } };
    return btl_build_shaped(g, &btl_op_random_integers, 3, in, rank, shape, 2, p);
}
