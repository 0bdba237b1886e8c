/* bad.c - plugins that are none, one for each value of BAD; plugin_test.sh tells what is said of each.
 * SPDX-License-Identifier: BSD-3-Clause */
#define BTL_NO_SITES
#include <bitale/bitale.h>

#include <string.h>

static btl_status infer(btl_op_infer *x) {
#if BAD == 5 /* states a result that is not declared */
    btl_op_infer_as(x, 1, x->in[0]);
#endif
#if BAD == 6 /* states none */
    return BTL_OK;
#endif
    return btl_op_infer_as(x, 0, x->in[0]);
}

static btl_status eval(btl_op_run *r) {
    btl_status status = btl_array_copy(&r->out[0], &r->in[0]);
#if BAD == 7 /* has another size in mind than infer */
    r->out[0].shape[0]++;
#endif
    return status;
}

static btl_status emit(btl_emit *e) {
    btl_emit_text(e, "for (int64_t i = 0; i < %s; i++) y0[i] = bad_function(x0[i]);\n", btl_emit_elems(e, 0));
    return BTL_OK;
}

#if BAD == 2 /* a name that is taken */
#define NAME "exp"
#else
#define NAME "bad"
#endif

static const btl_op_def good = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "good", .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .infer = infer, .eval = eval,
};

static const btl_op_def op = {
    .struct_size = sizeof(btl_op_def),
#if BAD == 3 /* an op of an older ABI */
    .abi = BTL_OP_ABI - 1,
#else
    .abi = BTL_OP_ABI,
#endif
    .name = NAME, .version = 1, .min_in = 1, .max_in = 1, .nout = 1,
    .flags = BTL_OP_PACKED, .infer = infer,
#if BAD != 4 /* no way to compute */
    .eval = eval,
#endif
#if BAD == 8 /* C that does not compile */
    .emit = emit, .support = "static double bad_function(double x) {\n    return x +;\n}",
#endif
#if BAD == 13 /* C that means something else than eval */
    .emit = emit, .support = "static double bad_function(double x) {\n    return x + 0.5;\n}",
#endif
};

static const btl_op_def *const ops[] = { &good, &op, NULL };

#if BAD == 1 /* no function btl_plugin */
const btl_op_def *const *bad_plugin(void) { return ops; }
#elif BAD == 9 /* of an older ABI */
const btl_plugin_def *btl_plugin(void) {
    static const btl_plugin_def def = { sizeof(btl_plugin_def), BTL_OP_ABI - 1, "bad", "1.0", ops, btl_op_register };
    return &def;
}
#elif BAD == 10 /* nothing */
const btl_plugin_def *btl_plugin(void) { return NULL; }
#elif BAD == 11 /* calls another copy of the library */
static btl_status other(btl_context *ctx, const btl_op_def *d, btl_error *err) { return btl_op_register(ctx, d, err); }
const btl_plugin_def *btl_plugin(void) {
    static const btl_plugin_def def = { sizeof(btl_plugin_def), BTL_OP_ABI, "bad", "1.0", ops, other };
    return &def;
}
#elif BAD == 12 /* no ops */
static const btl_op_def *const none[] = { NULL };
BTL_PLUGIN("bad", "1.0", none)
#else
BTL_PLUGIN("bad", "1.0", ops)
#endif

/* Silences what a case does not use. */
const void *bad_unused[] = { (const void *)ops, (const void *)&good };
btl_status (*bad_emit)(btl_emit *) = emit;
