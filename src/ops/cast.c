/* cast.c - conversion between element types.
 *
 * Everything rounds once, to nearest, ties to even. Integers wrap into narrower ones; a float that
 * does not fit an integer saturates, and NaN gives 0: C leaves that undefined, and processors differ.
 * Whatever is not 0 is true, NaN too. The gradient is cast back between floats; an integer or a bool
 * on either side lets none through.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/cast.h"

#include "base/array.h"
#include "base/error.h"
#include "ops/helpers.h"

#include <assert.h>

/* ---- texts -------------------------------------------------------------------------------- */

/* To bf16 from 64 bits by way of f64, which would round twice: beyond 2^53 the bits that f64 has no
 * room for go into its last one ("round to odd", see elemwise.h). f16 ends long before. */
#define CAST_ODD_SIGNED                                                                           \
    "btl_f64_to_bf16((double)($0 >= -0x20000000000000 && $0 <= 0x20000000000000 ? $0 : "          \
    "($0 >> 11 | (($0 & 2047) != 0)) * 2048))"
#define CAST_ODD_UNSIGNED                                                                         \
    "btl_f64_to_bf16((double)($0 <= 0x20000000000000 ? $0 : ($0 >> 11 | (($0 & 2047) != 0)) * 2048))"
#define CAST_PLAIN "btl_f64_to_bf16((double)$0)"

/* Columns in the order of BTL_DTYPE_LIST. */
#define CAST_FROM_INTEGER(to_bf16)                                                                \
    { "$0 != 0", "(int8_t)$0", "(int16_t)$0", "(int32_t)$0", "(int64_t)$0", "(uint8_t)$0", "(uint16_t)$0", \
      "(uint32_t)$0", "(uint64_t)$0", "btl_f64_to_f16((double)$0)", to_bf16, "(float)$0", "(double)$0" }
/* f: the float that x, a text, is of. */
#define CAST_FROM_FLOAT(f, x, to_f16, to_bf16)                                                    \
    { x " != 0", "btl_" f "_to_i8(" x ")", "btl_" f "_to_i16(" x ")", "btl_" f "_to_i32(" x ")",   \
      "btl_" f "_to_i64(" x ")", "btl_" f "_to_u8(" x ")", "btl_" f "_to_u16(" x ")", "btl_" f "_to_u32(" x ")", \
      "btl_" f "_to_u64(" x ")", to_f16, to_bf16, "(float)" x, "(double)" x }

static const char *const cast_codes[BTL_NDTYPES][BTL_NDTYPES] = {
    [BTL_BOOL] = CAST_FROM_INTEGER(CAST_PLAIN),
    [BTL_I8] = CAST_FROM_INTEGER(CAST_PLAIN),
    [BTL_I16] = CAST_FROM_INTEGER(CAST_PLAIN),
    [BTL_I32] = CAST_FROM_INTEGER(CAST_PLAIN),
    [BTL_I64] = CAST_FROM_INTEGER(CAST_ODD_SIGNED),
    [BTL_U8] = CAST_FROM_INTEGER(CAST_PLAIN),
    [BTL_U16] = CAST_FROM_INTEGER(CAST_PLAIN),
    [BTL_U32] = CAST_FROM_INTEGER(CAST_PLAIN),
    [BTL_U64] = CAST_FROM_INTEGER(CAST_ODD_UNSIGNED),
    [BTL_F16] = CAST_FROM_FLOAT("f32", "btl_f16_to_f32($0)", "$0", "btl_f32_to_bf16(btl_f16_to_f32($0))"),
    [BTL_BF16] = CAST_FROM_FLOAT("f32", "btl_bf16_to_f32($0)", "btl_f32_to_f16(btl_bf16_to_f32($0))", "$0"),
    [BTL_F32] = CAST_FROM_FLOAT("f32", "$0", "btl_f32_to_f16($0)", "btl_f32_to_bf16($0)"),
    [BTL_F64] = CAST_FROM_FLOAT("f64", "$0", "btl_f64_to_f16($0)", "btl_f64_to_bf16($0)"),
};

const char *btl_cast_code(btl_dtype from, btl_dtype to) {
    assert((unsigned)from < BTL_NDTYPES && (unsigned)to < BTL_NDTYPES);
    return from == to ? "$0" : cast_codes[from][to];
}

/* ---- the op ------------------------------------------------------------------------------- */

static btl_status cast_infer(btl_infer *x) {
    x->out[0] = x->in[0]->type;
    x->out[0].dtype = (btl_dtype)x->params[0].i;
    return BTL_OK;
}

static btl_array cast_array(const btl_operand *x) {
    btl_array a = btl_array_wrap(x->dtype, x->rank, (int64_t *)(uintptr_t)x->dims, x->data);
    a.strides = x->strides;
    return a;
}

static btl_status cast_eval(btl_exec *x) {
    btl_array from = cast_array(&x->in[0]), to = cast_array(&x->out[0]);
    return btl_array_convert(&to, &from);
}

/* A cast to the type that is there is nothing, but it makes a literal's type firm. */
static btl_var *cast_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                           btl_var **out) {
    btl_var *x = in[0], *y = NULL;
    btl_dtype dtype = (btl_dtype)params[0].i;
    const btl_array *value = x->type.rank == 0 ? btl_var_constant_array(x) : NULL;
    if (x->type.dtype == dtype && !x->weak) {
        y = x;
    } else if (value) {
        uint64_t memory = 0;
        btl_array scalar = btl_array_wrap(dtype, 0, NULL, &memory);
        if (btl_array_convert(&scalar, value) == BTL_OK) y = btl_graph_constant(g, &scalar);
    } else {
        btl_node *n = btl_apply(g, op, nin, in, params);
        y = n ? n->out : NULL;
    }
    if (out) out[0] = y;
    return y;
}

static bool cast_connected(const btl_node *n, int out, int in) {
    (void)out, (void)in;
    return btl_dtype_kind(n->in[0]->type.dtype) == 'f' && btl_dtype_kind(n->out->type.dtype) == 'f';
}

static btl_status cast_vjp(btl_vjp *v) {
    if (!v->need[0]) return BTL_OK;
    v->din[0] = btl_cast_to(v->g, v->dout[0], v->in[0]->type.dtype);
    return v->din[0] ? BTL_OK : v->g->status;
}

static const btl_param_spec cast_params[] = {
    { "dtype", PARAM_DTYPE, NULL, true, "the new element type" },
};

#define CAST_SAMPLES(from)                                                                        \
    "x: " from "[100] | dtype=bool", "x: " from "[100] | dtype=i8", "x: " from "[100] | dtype=i16",  \
    "x: " from "[100] | dtype=i32", "x: " from "[100] | dtype=i64", "x: " from "[100] | dtype=u8",   \
    "x: " from "[100] | dtype=u16", "x: " from "[100] | dtype=u32", "x: " from "[100] | dtype=u64",  \
    "x: " from "[100] | dtype=f16", "x: " from "[100] | dtype=bf16", "x: " from "[100] | dtype=f32", \
    "x: " from "[100] | dtype=f64"

static const char *const cast_samples[] = {
    "x: f32 | dtype=i32", "x: i32[0] | dtype=f32", "x: f64[3, 1, 5] | dtype=f32",
    CAST_SAMPLES("bool"), CAST_SAMPLES("i8"), CAST_SAMPLES("i16"), CAST_SAMPLES("i32"), CAST_SAMPLES("i64"),
    CAST_SAMPLES("u8"), CAST_SAMPLES("u16"), CAST_SAMPLES("u32"), CAST_SAMPLES("u64"),
    CAST_SAMPLES("f16"), CAST_SAMPLES("bf16"), CAST_SAMPLES("f32"), CAST_SAMPLES("f64"), NULL
};

const btl_op btl_op_cast = {
    .name = "cast", .doc = "x as another element type; a float saturates into an integer",
    .signature = "cast(x, dtype)", .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .promote = PROMOTE_NONE, .nparams = 1, .params = cast_params,
    .infer = cast_infer, .build = cast_build, .eval = cast_eval, .vjp = cast_vjp, .connected = cast_connected,
    .batch = btl_batch_same, .samples = cast_samples,
};

btl_var *(btl_cast)(btl_graph *g, btl_var *x, btl_dtype dtype) {
    btl_param param = { .i = dtype };
    return btl_build(g, &btl_op_cast, 1, &x, &param, NULL);
}

btl_var *btl_cast_to(btl_graph *g, btl_var *v, btl_dtype dtype) {
    return !v || v->type.dtype == dtype ? v : (btl_cast)(g, v, dtype);
}

#define CAST_BUILDER(NAME, name)                                                                  \
    btl_var *(btl_##name)(btl_graph *g, btl_var *x) { return (btl_cast)(g, x, BTL_##NAME); }
CAST_BUILDER(BOOL, bool)
CAST_BUILDER(I8, i8)
CAST_BUILDER(I16, i16)
CAST_BUILDER(I32, i32)
CAST_BUILDER(I64, i64)
CAST_BUILDER(U8, u8)
CAST_BUILDER(U16, u16)
CAST_BUILDER(U32, u32)
CAST_BUILDER(U64, u64)
CAST_BUILDER(F16, f16)
CAST_BUILDER(BF16, bf16)
CAST_BUILDER(F32, f32)
CAST_BUILDER(F64, f64)
