/* elemwise.c - what is common to all elementwise ops: types, broadcasting, its transpose in the
 * gradient, and the samples.
 *
 * Broadcasting is NumPy's, right-aligned, but only over sizes that are *known* to be 1. A symbolic
 * size never stretches: where two of them meet they must be equal, which a check at the call makes
 * sure of. So the set of stretched axes is known when the graph is built, and the gradient sums
 * over just these (Theano's broadcastable pattern, without its flags).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/elemwise.h"

#include "base/error.h"

#include <float.h>

/* ---- messages ----------------------------------------------------------------------------- */

static const char *elemwise_dim_text(btl_graph *g, const btl_dim *d) {
    btl_text t;
    btl_text_init(&t, &g->arena);
    btl_dim_print(&t, g, d);
    return t.data;
}

static const char *elemwise_name(const btl_var *v, const char *otherwise) {
    return v->name ? v->name : otherwise;
}

static bool elemwise_fits(btl_graph *g, const btl_dim *a, const btl_dim *b) {
    return btl_dim_is(a, 1) || btl_dim_is(b, 1) || !btl_dim_differ(g, a, b);
}

/* A vector that would fit along another axis of `wide` than the last: "write y[:, newaxis]". */
static bool elemwise_hint_newaxis(btl_graph *g, const btl_var *narrow, const btl_var *wide) {
    int rank = wide->type.rank;
    if (narrow->type.rank != 1 || rank < 2) return false;
    for (int axis = rank - 2; axis >= 0; axis--) {
        if (narrow->type.dims[0] != wide->type.dims[axis]) continue;
        btl_text t;
        btl_text_init(&t, &g->arena);
        for (int k = axis + 1; k < rank; k++) btl_text_add(&t, ", newaxis");
        btl_fail_hint(g, "sizes are compared from the right; %s[:%s] lies along axis %d of %s",
                      elemwise_name(narrow, "it"), t.data, axis, elemwise_name(wide, "the other"));
        return true;
    }
    return false;
}

static bool elemwise_hint_transpose(btl_graph *g, const btl_var *a, const btl_var *b) {
    if (a->type.rank != 2 || b->type.rank != 2) return false;
    if (!elemwise_fits(g, a->type.dims[0], b->type.dims[1]) || !elemwise_fits(g, a->type.dims[1], b->type.dims[0]))
        return false;
    btl_fail_hint(g, "%s.T would fit", elemwise_name(b, "the second operand"));
    return true;
}

static btl_status elemwise_misfit(btl_graph *g, const btl_var *a, const btl_dim *da, const btl_var *b,
                                  const btl_dim *db) {
    btl_status status = btl_fail(g, BTL_ESHAPE, "sizes do not fit: %s, %s", btl_var_text(g, a), btl_var_text(g, b));
    btl_fail_label(g, "%s and %s", elemwise_dim_text(g, da), elemwise_dim_text(g, db));
    if (!elemwise_hint_newaxis(g, b, a) && !elemwise_hint_newaxis(g, a, b)) elemwise_hint_transpose(g, a, b);
    return status;
}

/* ---- types -------------------------------------------------------------------------------- */

/* One axis, counted from the right: the size that all operands which have it share. */
static btl_status elemwise_axis(btl_graph *g, int nin, btl_var *const *in, int from_right, const btl_dim **out) {
    const btl_dim *dim = NULL, *seen = NULL;
    const btl_var *owner = NULL;
    for (int i = 0; i < nin; i++) {
        const btl_type *type = &in[i]->type;
        if (from_right >= type->rank) continue;
        const btl_dim *d = type->dims[type->rank - 1 - from_right];
        if (btl_dim_is(d, 1)) continue;
        if (!dim) {
            dim = seen = d;
            owner = in[i];
        } else if (btl_dims_unify(g, dim, d, &dim) != BTL_OK) {
            return elemwise_misfit(g, owner, seen, in[i], d);
        }
    }
    *out = dim ? dim : btl_dim_const(g, 1);
    return BTL_OK;
}

btl_status btl_elemwise_dims(btl_graph *g, int nin, btl_var *const *in, int *rank, const btl_dim **dims) {
    *rank = 0;
    for (int i = 0; i < nin; i++)
        if (in[i]->type.rank > *rank) *rank = in[i]->type.rank;
    for (int k = 0; k < *rank; k++) BTL_TRY(elemwise_axis(g, nin, in, k, &dims[*rank - 1 - k]));
    return BTL_OK;
}

static const char *elemwise_code(const btl_elem *elem, btl_dtype dtype) {
    switch (btl_dtype_kind(dtype)) {
    case 'b': return elem->code_bool;
    case 'i': return elem->code_signed;
    case 'u': return elem->code_unsigned;
    default: return elem->code_float;
    }
}

/* What to write instead, where a kind of type has no such operation. */
static void elemwise_hint_dtype(btl_graph *g, const btl_op *op, btl_dtype dtype) {
    if (dtype == BTL_BOOL && op == &btl_op_sub) btl_fail_hint(g, "^ tells where two bools differ");
    else if (dtype == BTL_BOOL && op == &btl_op_neg) btl_fail_hint(g, "~ or not turns a bool around");
    else if (dtype == BTL_BOOL) btl_fail_hint(g, "cast it first: i32(x)");
    else if (op->elem->code_bool && !op->elem->code_float && !op->elem->code_signed)
        btl_fail_hint(g, "a number becomes a bool by comparing it: x != 0");
}

static btl_status elemwise_dtype(btl_infer *x, btl_dtype *out) {
    int first = x->op->promote == PROMOTE_WHERE;
    btl_dtype dtype = x->in[first]->type.dtype;
    for (int i = first + 1; i < x->nin; i++)
        if (x->in[i]->type.dtype != dtype)
            return btl_fail(x->g, BTL_EDTYPE, "operands of different types: %s, %s", btl_var_text(x->g, x->in[first]),
                            btl_var_text(x->g, x->in[i]));
    if (first && x->in[0]->type.dtype != BTL_BOOL)
        return btl_fail(x->g, BTL_EDTYPE, "the condition must be bool: %s", btl_var_text(x->g, x->in[0]));
    if (x->op->elem && !elemwise_code(x->op->elem, dtype)) {
        btl_status status = btl_fail(x->g, BTL_EDTYPE, "not defined on %s: %s", btl_dtype_name(dtype),
                                     btl_var_text(x->g, x->in[first]));
        elemwise_hint_dtype(x->g, x->op, dtype);
        return status;
    }
    *out = x->op->elem && x->op->elem->to_bool ? BTL_BOOL : dtype;
    return BTL_OK;
}

btl_status btl_elemwise_infer(btl_infer *x) {
    const btl_dim *dims[BTL_MAX_RANK];
    btl_dtype dtype = BTL_BOOL;
    int rank;
    BTL_TRY(elemwise_dtype(x, &dtype));
    BTL_TRY(btl_elemwise_dims(x->g, x->nin, x->in, &rank, dims));
    x->out[0] = btl_type_make(x->g, dtype, rank, dims);
    return BTL_OK;
}

/* ---- gradients ---------------------------------------------------------------------------- */

btl_status btl_vjp_give(btl_vjp *v, int i, btl_var *d) {
    v->din[i] = d ? btl_sum_to(v->g, d, &v->in[i]->type) : NULL;
    if (v->din[i]) return BTL_OK;
    return v->g->status != BTL_OK ? v->g->status : BTL_EINTERNAL;
}

btl_status btl_vjp_zero(btl_vjp *v) {
    for (int i = 0; i < v->node->nin; i++)
        if (v->need[i]) BTL_TRY(btl_vjp_give(v, i, btl_zeros_of(v->g, &v->in[i]->type)));
    return BTL_OK;
}

bool btl_never_connected(const btl_node *n, int out, int in) {
    (void)n, (void)out, (void)in;
    return false;
}

/* ---- references --------------------------------------------------------------------------- */

/* Of the two neighbours around an exact value the one whose last bit is 1. */
long double btl_round_odd(long double near, long double rest) {
    if (!isfinite(near) || !(rest < 0 || rest > 0)) return near;
    int exponent;
    long double digits = ldexpl(frexpl(near, &exponent), LDBL_MANT_DIG);
    if (fmodl(digits, 2) != 0) return near;
    return nextafterl(near, rest > 0 ? (long double)INFINITY : -(long double)INFINITY);
}

/* ---- samples ------------------------------------------------------------------------------ */

/* The values are the sweep's: signed zeros, ones, subnormals, huge ones, infinities, NaN and random
 * ones of every size. Here: types, and the shapes at which strips and broadcasting go wrong. */
#define SAMPLES_FLOAT_1 "x: f32", "x: f32[0]", "x: f32[1]", "x: f32[1000]", "x: f32[3, 1, 5]", "x: f64[1000]", \
    "x: f16[300]", "x: bf16[300]"
#define SAMPLES_SIGNED_1 "x: i8[300]", "x: i16[7]", "x: i32[100]", "x: i64[100]"
#define SAMPLES_UNSIGNED_1 "x: u8[300]", "x: u16[7]", "x: u32[100]", "x: u64[100]"
#define SAMPLES_BOOL_1 "x: bool", "x: bool[7]"
#define SAMPLES_FLOAT_2 "x: f32, y: f32", "x: f32[0], y: f32[0]", "x: f32[1000], y: f32[1000]", \
    "x: f32[3, 1], y: f32[1, 4]", "x: f32[7], y: f32", "x: f32[2, 0], y: f32[1, 1]", "x: f64[1000], y: f64[1000]", \
    "x: f64, y: f64[2, 3, 5]", "x: f16[300], y: f16[300]", "x: bf16[300], y: bf16[300]"
#define SAMPLES_SIGNED_2 "x: i8[300], y: i8[300]", "x: i16[7], y: i16", "x: i32[100], y: i32[100]", \
    "x: i64[3, 1], y: i64[1, 4]"
#define SAMPLES_UNSIGNED_2 "x: u8[300], y: u8[300]", "x: u16[7], y: u16", "x: u32[100], y: u32[100]", \
    "x: u64[3, 1], y: u64[1, 4]"
#define SAMPLES_BOOL_2 "x: bool[4], y: bool[4]", "x: bool[3, 1], y: bool[1, 4]"
#define SAMPLES_MIXED_2 "x: i32[5], y: f32[5]", "x: u8[5], y: i8[5]", "x: bool[5], y: f16[5]"

const char *const btl_samples_1[] = { SAMPLES_FLOAT_1, SAMPLES_SIGNED_1, SAMPLES_UNSIGNED_1, SAMPLES_BOOL_1, NULL };
const char *const btl_samples_2[] = { SAMPLES_FLOAT_2, SAMPLES_SIGNED_2, SAMPLES_UNSIGNED_2, SAMPLES_BOOL_2,
                                      SAMPLES_MIXED_2, NULL };
const char *const btl_samples_float_1[] = { SAMPLES_FLOAT_1, "x: i32[5]", "x: bool[2]", NULL };
const char *const btl_samples_float_2[] = { SAMPLES_FLOAT_2, "x: i32[5], y: f32[5]", "x: u8[3], y: u8[3]", NULL };
const char *const btl_samples_number_1[] = { SAMPLES_FLOAT_1, SAMPLES_SIGNED_1, SAMPLES_UNSIGNED_1, NULL };
const char *const btl_samples_number_2[] = { SAMPLES_FLOAT_2, SAMPLES_SIGNED_2, SAMPLES_UNSIGNED_2, SAMPLES_MIXED_2,
                                             NULL };
const char *const btl_samples_bits_1[] = { SAMPLES_SIGNED_1, SAMPLES_UNSIGNED_1, SAMPLES_BOOL_1, NULL };
const char *const btl_samples_bits_2[] = { SAMPLES_SIGNED_2, SAMPLES_UNSIGNED_2, SAMPLES_BOOL_2, NULL };
const char *const btl_samples_shift[] = { SAMPLES_SIGNED_2, SAMPLES_UNSIGNED_2, NULL };
const char *const btl_samples_bool_1[] = { SAMPLES_BOOL_1, "x: bool[0]", NULL };
const char *const btl_samples_bool_2[] = { SAMPLES_BOOL_2, "x: bool[0], y: bool[0]", NULL };
