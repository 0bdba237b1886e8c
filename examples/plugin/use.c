/* use.c - a program that uses a plugin's ops, and one of its own: from text, from C, differentiated, in every linker.
 *
 * Prints what it found; a result that is not what mathematics says ends it with 1.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <bitale/bitale.h>
#include <bitale/tools.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY(call)                                                                                 \
    do {                                                                                          \
        if ((call) != BTL_OK) {                                                                   \
            fprintf(stderr, "use: %s\n", *err.message ? err.message : #call);                     \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

static btl_error err;

/* ---- an op of the program's own: hypot(x, y), by the C library ---------------------------------- */

static btl_status hypot_infer(btl_op_infer *x) {
    for (int i = 0; i < 2; i++)
        if (btl_var_dtype(x->in[i]) != BTL_F64 || btl_var_rank(x->in[i]) != 1) return btl_op_fail(x->g, BTL_EDTYPE, "needs vectors of f64");
    btl_status status = btl_op_infer_equal(x, btl_var_size(x->in[0], 0), btl_var_size(x->in[1], 0));
    return status == BTL_OK ? btl_op_infer_as(x, 0, x->in[0]) : status;
}

static btl_status hypot_eval(btl_op_run *r) {
    const double *x = btl_array_data(&r->in[0]), *y = btl_array_data(&r->in[1]);
    double *z = btl_array_data(&r->out[0]);
    for (int64_t i = 0; i < r->out[0].shape[0]; i++) z[i] = hypot(x[i], y[i]);
    return BTL_OK;
}

static btl_status hypot_vjp(btl_op_vjp *v) {
    for (int i = 0; i < 2; i++)
        if (v->need[i]) v->din[i] = btl_expr(v->g, "d * x / z", "d", v->dout[0], "x", v->in[i], "z", v->out[0], NULL);
    return BTL_OK;
}

static const char *const hypot_samples[] = { "x: f64[5], y: f64[5]", "x: f64[0], y: f64[0]", NULL };

static const btl_op_def hypot_op = {
    .struct_size = sizeof(btl_op_def), .abi = BTL_OP_ABI, .name = "hypot2", .signature = "hypot2(x, y)", .version = 1, .min_in = 2, .max_in = 2,
    .nout = 1, .flags = BTL_OP_PACKED, .infer = hypot_infer, .eval = hypot_eval, .vjp = hypot_vjp, .samples = hypot_samples,
};

/* ---- running --------------------------------------------------------------------------------------- */

static void run(btl_context *ctx, const char *text, const char *mode, const btl_array *in, btl_array *out) {
    btl_graph *g;
    btl_function *f;
    btl_function_options options = { .struct_size = sizeof options, .mode = mode };
    TRY(btl_graph_new(ctx, &g));
    if (btl_graph_parse(g, text, strlen(text), "use") != BTL_OK) {
        fputs(btl_graph_messages(g), stderr);
        exit(1);
    }
    TRY(btl_function_new(g, btl_entry_find(g, NULL), &options, &f, &err));
    TRY(btl_call(f, NULL, in, out, NULL, &err));
    btl_function_free(f);
    btl_graph_free(g);
}

static void expect(const char *what, double got, double want) {
    if (fabs(got - want) <= 1e-12 * fabs(want)) return;
    fprintf(stderr, "use: %s is %.17g, %.17g was expected\n", what, got, want);
    exit(1);
}

/* In all linkers the same bits; the first one's results stay in out. */
static void run_everywhere(btl_context *ctx, const char *text, const btl_array *in, int n, btl_array *out) {
    static const char *const modes[] = { "linker=eval", "linker=strips", "linker=vm", "linker=c", "fast_compile", "c_code" };
    for (int m = 0; m < (int)(sizeof modes / sizeof *modes); m++) {
        btl_array again[8];
        memset(again, 0, sizeof again);
        run(ctx, text, modes[m], in, m ? again : out);
        for (int i = 0; m && i < n; i++) {
            btl_dtype dtype;
            btl_array_dtype(&out[i], &dtype);
            if (memcmp(btl_array_data(&again[i]), btl_array_data(&out[i]), (size_t)btl_array_elems(&out[i]) * btl_dtype_bytes(dtype)) != 0) {
                fprintf(stderr, "use: result %d has other bits in %s\n", i, modes[m]);
                exit(1);
            }
            btl_array_free(&again[i]);
        }
    }
}

static void see(void *user, const btl_op_trial *t) {
    if (t->message) fprintf(stderr, "use: %s: %s: %s\n", (const char *)user, t->what, t->message);
}

int main(void) {
    btl_context *ctx;
    TRY(btl_context_new(NULL, &ctx));
    TRY(btl_plugin_load(ctx, PLUGIN, &err));
    TRY(btl_op_register(ctx, &hypot_op, &err));

    /* swish and its gradient, several results, a view */
    int64_t sizes[2] = { 2, 2 };
    double x[4] = { 1, -2, 0.5, 3 };
    btl_array in = btl_array_wrap(BTL_F64, 2, sizes, x), out[4];
    memset(out, 0, sizeof out);
    run_everywhere(ctx, "input x: f64[n, n]\ny = swish(x, beta=2)\nlow, high = spread(y)\n"
                        "output low, high, grad(sum(y), x), hypot2(diag_view(y), diag_view(x))\n", &in, 4, out);
    expect("low", *(double *)btl_array_data(&out[0]), -2 / (1 + exp(4)));
    expect("high", *(double *)btl_array_data(&out[1]), 3 / (1 + exp(-6)));
    for (int i = 0; i < 4; i++) {
        double s = 1 / (1 + exp(-2 * x[i]));
        expect("the gradient", ((double *)btl_array_data(&out[2]))[i], s + 2 * x[i] * s * (1 - s));
    }
    expect("hypot2", ((double *)btl_array_data(&out[3]))[0], hypot(1 / (1 + exp(-2)), 1));
    for (int i = 0; i < 4; i++) btl_array_free(&out[i]);

    /* the check value of CRC-32: that of the nine digits */
    char digits[] = "123456789";
    int64_t nine = 9;
    btl_array bytes = btl_array_wrap(BTL_U8, 1, &nine, digits);
    run_everywhere(ctx, "input x: u8[n]\noutput crc32(x)\n", &bytes, 1, out);
    printf("crc32 of the digits is %08x\n", *(uint32_t *)btl_array_data(&out[0]));
    if (*(uint32_t *)btl_array_data(&out[0]) != 0xcbf43926) return 1;
    btl_array_free(&out[0]);

    /* from C, without text: swish(x, beta=2) on a variable */
    btl_graph *g;
    TRY(btl_graph_new(ctx, &g));
    btl_var *v = btl_input(g, "x", "f64[2, 2]"), *y;
    btl_setting beta = btl_set_float("beta", 2);
    y = btl_op_call(g, "swish", 1, &v, NULL, 1, &beta, NULL);
    TRY(y ? btl_verify_grad(g, y, 1, &v, &in, NULL, &err) : BTL_EINTERNAL);
    btl_graph_free(g);

    /* every op on its samples, in every way to run it */
    static const char *const names[] = { "swish", "spread", "crc32", "diag_view", "hypot2" };
    for (int i = 0; i < 5; i++) {
        btl_op_check_options options = { .struct_size = sizeof options, .see = see, .user = (void *)names[i] };
        TRY(btl_op_check(ctx, names[i], &options, &err));
        printf("%s is checked\n", names[i]);
    }
    btl_context_free(ctx);
    return 0;
}
