/* demo.c - a plugin with four operations:
 *
 *     swish(x, beta=1)       x / (1 + exp(-beta x)): its own C, in which eval and generated code share one text; a derivative
 *     spread(x)              the smallest and the largest element: two results, workspace, a failure at run time
 *     crc32(x)               the checksum of an array's bytes: eval alone, which calls zlib
 *     diag_view(x)           the diagonal of a matrix: a view, nothing is copied
 *
 * swish is from Ramachandran, Zoph & Le (2017), Searching for activation functions.
 * SPDX-License-Identifier: BSD-3-Clause */
#define BTL_NO_SITES /* what a vjp builds has the place of the node, not a line of this file */
#include <bitale/bitale.h>

#include <math.h>
#include <string.h>
#include <zlib.h>

/* ---- swish ---------------------------------------------------------------------------------- */

/* The scalar functions, as code of this file and as text for generated C: one text, hence the same bits. */
#define CODE_AND_TEXT(code) code static const char swish_text[] = #code;
CODE_AND_TEXT(
    static float swish_f32(float x, float beta) { return x / (1 + expf(-beta * x)); }
    static double swish_f64(double x, double beta) { return x / (1 + exp(-beta * x)); }
)

static btl_status swish_infer(btl_op_infer *x) {
    btl_dtype dtype = btl_var_dtype(x->in[0]);
    if (dtype != BTL_F32 && dtype != BTL_F64) {
        btl_op_hint(x->g, "cast it: f32(x)");
        return btl_op_fail(x->g, BTL_EDTYPE, "needs f32 or f64, not %s", btl_dtype_name(dtype));
    }
    return btl_op_infer_as(x, 0, x->in[0]);
}

/* Operands are row-major (BTL_OP_PACKED): a flat loop. */
static btl_status swish_eval(btl_op_run *r) {
    double beta = btl_setting_float(r->settings, "beta");
    int64_t n = btl_array_elems(&r->out[0]);
    const void *x = btl_array_data(&r->in[0]);
    void *y = btl_array_data(&r->out[0]);
    btl_dtype dtype;
    btl_array_dtype(&r->in[0], &dtype);
    for (int64_t i = 0; i < n && dtype == BTL_F32; i++) ((float *)y)[i] = swish_f32(((const float *)x)[i], (float)beta);
    for (int64_t i = 0; i < n && dtype == BTL_F64; i++) ((double *)y)[i] = swish_f64(((const double *)x)[i], beta);
    return BTL_OK;
}

static btl_status swish_emit(btl_emit *e) {
    double beta = btl_setting_float(btl_emit_settings(e), "beta");
    float narrow = (float)beta;
    btl_dtype dtype = btl_emit_dtype(e, 0);
    const char *value = btl_emit_literal(e, dtype, dtype == BTL_F32 ? (const void *)&narrow : (const void *)&beta);
    btl_emit_text(e, "for (int64_t i = 0; i < %s; i++) {\n", btl_emit_elems(e, 0));
    btl_emit_text(e, "y0[i] = swish_%s(x0[i], %s);\n}\n", btl_dtype_name(dtype), value);
    return BTL_OK;
}

/* With s = sigmoid(beta x): dy/dx = s + beta x s (1 - s). */
static btl_status swish_vjp(btl_op_vjp *v) {
    btl_var *beta = btl_number(v->g, btl_setting_float(v->settings, "beta"));
    v->din[0] = btl_expr(v->g, "d * (sigmoid(beta * x) * (1 + beta * x * (1 - sigmoid(beta * x))))", "d", v->dout[0], "x", v->in[0], "beta", beta, NULL);
    return BTL_OK;
}

static const btl_setting_spec swish_settings[] = { { "beta", BTL_SETTING_FLOAT, "1", true, "slope of the sigmoid" } };
static const char *const swish_samples[] = { "x: f32[7]", "x: f64[2, 3] | beta=0.5", "x: f64[0, 3]", "x: f32", "x: f32[300] | beta=2", NULL };

static const btl_op_def swish = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "swish", .doc = "x * sigmoid(beta * x)", .signature = "swish(x, beta=1)",
    .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = BTL_OP_PACKED, .promote = BTL_PROMOTE_REAL,
    .nsettings = 1, .settings = swish_settings, .infer = swish_infer, .eval = swish_eval, .vjp = swish_vjp,
    .emit = swish_emit, .support = swish_text, .headers = "<math.h>", .libraries = "-lm", .samples = swish_samples,
};

/* ---- spread: two results -------------------------------------------------------------------- */

static btl_status spread_infer(btl_op_infer *x) {
    if (btl_var_dtype(x->in[0]) != BTL_F64) return btl_op_fail(x->g, BTL_EDTYPE, "needs f64, not %s", btl_dtype_name(btl_var_dtype(x->in[0])));
    btl_op_infer_set(x, 0, BTL_F64, 0, NULL);
    return btl_op_infer_set(x, 1, BTL_F64, 0, NULL);
}

static btl_status spread_eval(btl_op_run *r) {
    const double *x = (const double *)btl_array_data(&r->in[0]);
    int64_t n = btl_array_elems(&r->in[0]);
    if (n == 0) return btl_op_run_fail(r, BTL_EVALUE, "an empty array has no smallest element");
    double low = x[0], high = x[0];
    for (int64_t i = 1; i < n; i++) {
        if (x[i] < low || isnan(x[i])) low = x[i];
        if (x[i] > high || isnan(x[i])) high = x[i];
    }
    *(double *)btl_array_data(&r->out[0]) = low;
    *(double *)btl_array_data(&r->out[1]) = high;
    return BTL_OK;
}

/* The gradient goes to the elements that equal the result. */
static btl_status spread_vjp(btl_op_vjp *v) {
    btl_var *sum = NULL;
    for (int k = 0; k < 2; k++) {
        if (!v->dout[k]) continue;
        btl_var *part = btl_expr(v->g, "where(x == y, d, 0.0)", "x", v->in[0], "y", v->out[k], "d", v->dout[k], NULL);
        sum = sum ? btl_add(v->g, sum, part) : part;
    }
    v->din[0] = sum;
    return BTL_OK;
}

static const char *const spread_samples[] = { "x: f64[7]", "x: f64[3, 4]", "x: f64[1]", "x: f64[0]", NULL };

static const btl_op_def spread = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "spread", .doc = "the smallest and the largest element", .signature = "spread(x)",
    .version = 1, .min_in = 1, .max_in = 1, .nout = 2, .flags = BTL_OP_PACKED | BTL_OP_CAN_FAIL,
    .infer = spread_infer, .eval = spread_eval, .vjp = spread_vjp, .samples = spread_samples,
};

/* ---- crc32: another library ------------------------------------------------------------------- */

static btl_status crc32_infer(btl_op_infer *x) {
    if (btl_var_dtype(x->in[0]) != BTL_U8) {
        btl_op_hint(x->g, "bytes are u8");
        return btl_op_fail(x->g, BTL_EDTYPE, "needs u8, not %s", btl_dtype_name(btl_var_dtype(x->in[0])));
    }
    return btl_op_infer_set(x, 0, BTL_U32, 0, NULL);
}

static btl_status crc32_eval(btl_op_run *r) {
    uint32_t *y = (uint32_t *)btl_array_data(&r->out[0]);
    *y = (uint32_t)crc32_z(0, (const Bytef *)btl_array_data(&r->in[0]), (z_size_t)btl_array_elems(&r->in[0]));
    return BTL_OK;
}

static const char *const crc32_samples[] = { "x: u8[9]", "x: u8[3, 5]", "x: u8[0]", NULL };

static const btl_op_def crc = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "crc32", .doc = "the CRC-32 of an array's bytes, by zlib", .signature = "crc32(x)",
    .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .flags = BTL_OP_PACKED, .infer = crc32_infer, .eval = crc32_eval, .samples = crc32_samples,
};

/* ---- diag_view: a view ------------------------------------------------------------------------ */

static btl_status diag_infer(btl_op_infer *x) {
    if (btl_var_rank(x->in[0]) != 2) return btl_op_fail(x->g, BTL_ESHAPE, "needs a matrix, not %d axes", btl_var_rank(x->in[0]));
    const btl_dim *n = btl_dim_min(x->g, btl_var_size(x->in[0], 0), btl_var_size(x->in[0], 1));
    return btl_op_infer_set(x, 0, btl_var_dtype(x->in[0]), 1, &n);
}

static btl_status diag_view(btl_op_run *r) {
    r->out[0].strides[0] = r->in[0].strides[0] + r->in[0].strides[1];
    return BTL_OK;
}

static btl_status diag_emit(btl_emit *e) {
    btl_emit_view_stride(e, 0, NULL, btl_emit_format(e, "%s + %s", btl_emit_stride(e, 0, 0), btl_emit_stride(e, 0, 1)));
    return BTL_OK;
}

/* d on the diagonal, zeros elsewhere. */
static btl_status diag_vjp(btl_op_vjp *v) {
    v->din[0] = btl_expr(v->g, "inc_subtensor(zeros_like(x)[arange(d.shape[0]), arange(d.shape[0])], d)", "x", v->in[0], "d", v->dout[0], NULL);
    return BTL_OK;
}

static const char *const diag_samples[] = { "x: f64[3, 3]", "x: f32[2, 5]", "x: i32[4, 2]", "x: f64[0, 3]", NULL };

static const btl_op_def diag = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "diag_view", .doc = "the diagonal of a matrix; a view", .signature = "diag_view(x)",
    .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .infer = diag_infer, .view = diag_view, .emit = diag_emit, .vjp = diag_vjp,
    .samples = diag_samples,
};

/* ---- the plugin ------------------------------------------------------------------------------- */

static const btl_op_def *const ops[] = { &swish, &spread, &crc, &diag, NULL };
BTL_PLUGIN("demo", "1.0", ops)
