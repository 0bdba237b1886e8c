/* conv_test.c - convolutions and pooling: against SciPy and NumPy, against sums written out here on larger images (by a BLAS and
 * by plain loops), ties, NaN, mistakes, sizes that only a call tells, and the gradient of a whole network.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tensor_check.h"

#include "bitale/bitale.h"
#include "conv_values.h"

#include <float.h>
#include <math.h>

/* ---- NumPy's and SciPy's values -------------------------------------------------------------- */

/* (a*i*i + b*i) mod m - m/2: conv_values.py makes the same. */
static void numbers(btl_array *to, int64_t a, int64_t b, int64_t m) {
    btl_array f64;
    BTL_ASSERT_OK(btl_array_new(NULL, BTL_F64, to->ndim, to->shape, &f64));
    double *x = btl_array_data(&f64);
    for (int64_t i = 0, n = btl_array_elems(to); i < n; i++) x[i] = (double)((a * i * i + b * i) % m - m / 2);
    BTL_ASSERT_OK(btl_array_convert(to, &f64));
    btl_array_free(&f64);
}

static void type_text(char *text, size_t bytes, const char *dtype, const int64_t *dims) {
    snprintf(text, bytes, "%s[%lld, %lld, %lld, %lld]", dtype, (long long)dims[0], (long long)dims[1],
             (long long)dims[2], (long long)dims[3]);
}

static void gives_what_scipy_gives(size_t which, const char *dtype) {
    const char *const names[3] = { "x", "k", "d" };
    const int64_t *const dims[3] = { conv_cases[which].x, conv_cases[which].k, conv_cases[which].d };
    check_graph c = check_begin();
    btl_var *vars[3];
    btl_array given[3], got, f64;
    btl_dtype t = BTL_F64;
    char text[120];
    btl_dtype_find(dtype, strlen(dtype), &t);
    for (int i = 0; i < 3; i++) {
        type_text(text, sizeof text, dtype, dims[i]);
        vars[i] = btl_input(c.g, names[i], text);
        BTL_ASSERT_OK(btl_array_new(NULL, t, 4, dims[i], &given[i]));
        numbers(&given[i], i == 0 ? 7 : i == 1 ? 5 : 0, i == 1 ? 1 : 3, i == 0 ? 11 : i == 1 ? 7 : 5);
    }
    const char *call = conv_cases[which].text;
    bool mean = strstr(call, "mean") != NULL, half = btl_dtype_bytes(t) == 2;
    got = check_both(c.g, call, 3, vars, given, btl_expr_n(c.g, call, 3, names, vars), mean ? 4 : 0);
    BTL_ASSERT_OK(btl_array_new(NULL, BTL_F64, 4, got.shape, &f64));
    BTL_ASSERT_OK(btl_array_convert(&f64, &got));
    BTL_ASSERT_ARRAYS(call, &f64,
                      BTL_TEST_ARRAY(BTL_F64, conv_cases[which].want, conv_cases[which].y[0], conv_cases[which].y[1],
                                     conv_cases[which].y[2], conv_cases[which].y[3]),
                      .relative = mean ? (half           ? 1e-2
                                          : t == BTL_F32 ? 1e-6
                                                         : 1e-15)
                                       : 0,
                      .absolute = mean && half           ? 1e-2
                                  : mean && t == BTL_F32 ? 1e-6
                                  : mean                 ? 1e-15
                                                         : 0);
    for (int i = 0; i < 3; i++) btl_array_free(&given[i]);
    btl_array_free(&f64);
    btl_array_free(&got);
    check_end(&c);
}

BTL_TEST(convolutions_pooling_and_their_gradients_are_scipys) {
    for (size_t i = 0; i < sizeof conv_cases / sizeof *conv_cases; i++) {
        gives_what_scipy_gives(i, "f64");
        gives_what_scipy_gives(i, "f32");
        if (strstr(conv_cases[i].text, "grad") == NULL && strstr(conv_cases[i].text, "mean") == NULL)
            gives_what_scipy_gives(i, "i32");
        if (strstr(conv_cases[i].text, "conv") == NULL) gives_what_scipy_gives(i, "f16"), gives_what_scipy_gives(i, "bf16");
    }
}

/* ---- larger ones, written out ---------------------------------------------------------------- */

typedef struct layer { int64_t batch, channels, rows, columns, maps, i, j, stride[2], padding[2]; bool flip; } layer;

static const layer layers[] = {
    { 3, 2, 19, 23, 5, 4, 3, { 1, 1 }, { 0, 0 }, false },  { 1, 1, 28, 28, 20, 5, 5, { 1, 1 }, { 0, 0 }, false },
    { 11, 4, 12, 12, 7, 5, 5, { 1, 1 }, { 0, 0 }, true },  { 40, 3, 6, 5, 4, 3, 2, { 1, 1 }, { 1, 0 }, false },
    { 5, 3, 21, 17, 2, 3, 5, { 2, 3 }, { 2, 1 }, false },  { 2, 9, 20, 16, 8, 1, 1, { 1, 1 }, { 0, 0 }, false },
    { 70, 5, 3, 4, 6, 1, 1, { 1, 1 }, { 0, 0 }, false },   { 2, 3, 10, 9, 4, 10, 9, { 1, 1 }, { 0, 0 }, true },
    { 2, 2, 33, 20, 3, 2, 2, { 4, 5 }, { 0, 1 }, false },
};

static double value_at(int64_t i, double step) { return sin(step * (double)i) + 0.25 * cos(7 * step * (double)i); }

/* The three sums and those of the magnitudes, by their definition. */
typedef struct sums { int64_t nx, nk, ny, p, q; double *x, *k, *d, *y, *dx, *dk, *ay, *ax, *ak; } sums;

static void sums_write_out(const layer *l, sums *s) {
    for (int64_t b = 0; b < l->batch; b++)
        for (int64_t o = 0; o < l->maps; o++)
            for (int64_t p = 0; p < s->p; p++)
                for (int64_t q = 0; q < s->q; q++)
                    for (int64_t c = 0; c < l->channels; c++)
                        for (int64_t i = 0; i < l->i; i++)
                            for (int64_t j = 0; j < l->j; j++) {
                                int64_t u = p * l->stride[0] + i - l->padding[0], v = q * l->stride[1] + j - l->padding[1];
                                if (u < 0 || v < 0 || u >= l->rows || v >= l->columns) continue;
                                int64_t fi = l->flip ? l->i - 1 - i : i, fj = l->flip ? l->j - 1 - j : j;
                                int64_t x = ((b * l->channels + c) * l->rows + u) * l->columns + v,
                                        k = ((o * l->channels + c) * l->i + fi) * l->j + fj;
                                int64_t y = ((b * l->maps + o) * s->p + p) * s->q + q;
                                s->y[y] += s->x[x] * s->k[k], s->ay[y] += fabs(s->x[x] * s->k[k]);
                                s->dx[x] += s->d[y] * s->k[k], s->ax[x] += fabs(s->d[y] * s->k[k]);
                                s->dk[k] += s->x[x] * s->d[y], s->ak[k] += fabs(s->x[x] * s->d[y]);
                            }
}

static sums sums_new(const layer *l, bool single) {
    sums s = { .p = (l->rows + 2 * l->padding[0] - l->i) / l->stride[0] + 1,
               .q = (l->columns + 2 * l->padding[1] - l->j) / l->stride[1] + 1 };
    s.nx = l->batch * l->channels * l->rows * l->columns, s.nk = l->maps * l->channels * l->i * l->j,
    s.ny = l->batch * l->maps * s.p * s.q;
    int64_t n = 3 * (s.nx + s.nk + s.ny);
    double *m = calloc((size_t)n, sizeof *m);
    assert_non_null(m);
    s.x = m, s.dx = s.x + s.nx, s.ax = s.dx + s.nx, s.k = s.ax + s.nx, s.dk = s.k + s.nk, s.ak = s.dk + s.nk,
    s.d = s.ak + s.nk, s.y = s.d + s.ny, s.ay = s.y + s.ny;
    for (int64_t i = 0; i < s.nx; i++) s.x[i] = value_at(i, 0.37);
    for (int64_t i = 0; i < s.nk; i++) s.k[i] = value_at(i, 0.71);
    for (int64_t i = 0; i < s.ny; i++) s.d[i] = value_at(i, 1.13);
    for (int64_t i = 0; single && i < s.nx; i++) s.x[i] = (double)(float)s.x[i];
    for (int64_t i = 0; single && i < s.nk; i++) s.k[i] = (double)(float)s.k[i];
    for (int64_t i = 0; single && i < s.ny; i++) s.d[i] = (double)(float)s.d[i];
    sums_write_out(l, &s);
    return s;
}

/* |error| <= (n + 2) u sum |a||b|, n the number of products in a sum: Higham (2002), (3.5). */
static void agrees(const char *what, const btl_array *got, const double *want, const double *magnitude, int64_t terms) {
    btl_dtype t = BTL_F64;
    btl_array_dtype(got, &t);
    double unit = t == BTL_F32 ? 0x1p-24 : 0x1p-53;
    for (int64_t i = 0, n = btl_array_elems(got); i < n; i++) {
        double g = t == BTL_F32 ? (double)((const float *)btl_array_data(got))[i] : ((const double *)btl_array_data(got))[i];
        if (!(fabs(g - want[i]) <= (double)(terms + 2) * 2 * unit * magnitude[i]))
            BTL_FAIL("%s: element %lld is %.17g, %.17g wanted", what, (long long)i, g, want[i]);
    }
}

static void array_of(btl_array *a, btl_dtype t, const int64_t *dims, const double *from) {
    btl_array f64;
    BTL_ASSERT_OK(btl_array_new(NULL, t, 4, dims, a));
    f64 = btl_array_wrap(BTL_F64, 4, (int64_t *)(uintptr_t)dims, (double *)(uintptr_t)from);
    BTL_ASSERT_OK(btl_array_convert(a, &f64));
}

static void layer_is_right(btl_context *ctx, const layer *l, btl_dtype t) {
    char program[700], x[80], k[80], d[80], call[200];
    sums s = sums_new(l, t == BTL_F32);
    const int64_t dims[3][4] = { { l->batch, l->channels, l->rows, l->columns },
                                 { l->maps, l->channels, l->i, l->j },
                                 { l->batch, l->maps, s.p, s.q } };
    type_text(x, sizeof x, btl_dtype_name(t), dims[0]), type_text(k, sizeof k, btl_dtype_name(t), dims[1]),
        type_text(d, sizeof d, btl_dtype_name(t), dims[2]);
    snprintf(call, sizeof call, "conv2d(x, k, stride=[%lld, %lld], padding=[%lld, %lld], flip=%s)",
             (long long)l->stride[0], (long long)l->stride[1], (long long)l->padding[0], (long long)l->padding[1],
             l->flip ? "true" : "false");
    snprintf(program, sizeof program,
             "input x: %s\ninput k: %s\ninput d: %s\ny = %s\ndx, dk = grad(sum(y * d), [x, k])\noutput y, dx, dk\n", x,
             k, d, call);
    btl_graph *g;
    btl_function *f = NULL;
    btl_array in[3], out[3] = { { 0 } }, again[3] = { { 0 } };
    btl_error err = { 0 };
    BTL_ASSERT_OK(btl_graph_new(ctx, &g));
    if (btl_graph_parse(g, program, strlen(program), "layer") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    array_of(&in[0], t, dims[0], s.x), array_of(&in[1], t, dims[1], s.k), array_of(&in[2], t, dims[2], s.d);
    if (btl_function_new(g, btl_entry_find(g, NULL), NULL, &f, &err) || btl_call(f, NULL, in, out, NULL, &err) ||
        btl_call(f, NULL, in, again, NULL, &err))
        BTL_FAIL("%s: %s", program, err.message);
    agrees(call, &out[0], s.y, s.ay, l->channels * l->i * l->j);
    agrees(call, &out[1], s.dx, s.ax, l->maps * l->i * l->j);
    agrees(call, &out[2], s.dk, s.ak, l->batch * s.p * s.q);
    for (int i = 0; i < 3; i++) {
        BTL_ASSERT_ARRAYS_EQUAL("a second call", &again[i], &out[i]);
        btl_array_free(&in[i]), btl_array_free(&out[i]), btl_array_free(&again[i]);
    }
    free(s.x);
    btl_function_free(f);
    btl_graph_free(g);
}

static void layers_are_right_by(const char *blas) {
    btl_context *ctx;
    btl_context_options options = { .struct_size = sizeof options, .blas = blas };
    BTL_ASSERT_OK(btl_context_new(&options, &ctx));
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        layer_is_right(ctx, &layers[i], BTL_F32), layer_is_right(ctx, &layers[i], BTL_F64);
    btl_context_free(ctx);
}

BTL_TEST(larger_convolutions_are_their_sums_by_blas) { layers_are_right_by(btl_test_blas()); }
BTL_TEST(larger_convolutions_are_their_sums_by_plain_loops) { layers_are_right_by("none"); }

/* ---- ties, NaN, zeros ------------------------------------------------------------------------- */

/* The expression over x (f32, one image of 2 × w), and v for each window; both ways of computing it. */
static void pooled(const char *text, int64_t w, const float *x, const float *v, int64_t h2, int64_t w2, const float *want) {
    check_graph c = check_begin();
    char type[60];
    int64_t dims[4] = { 1, 1, 2, w }, windows[4] = { 1, 1, 1, w / 2 };
    type_text(type, sizeof type, "f32", dims);
    btl_var *vars[2] = { btl_input(c.g, "x", type) };
    type_text(type, sizeof type, "f32", windows);
    vars[1] = btl_input(c.g, "v", type);
    btl_array given[2] = { btl_array_wrap(BTL_F32, 4, dims, (float *)(uintptr_t)x),
                           btl_array_wrap(BTL_F32, 4, windows, (float *)(uintptr_t)v) };
    btl_array got = check_both(c.g, text, 2, vars, given, btl_expr(c.g, text, "x", vars[0], "v", vars[1], NULL), 0);
    BTL_ASSERT_ARRAYS_EQUAL(text, &got, BTL_TEST_ARRAY(BTL_F32, want, 1, 1, h2, w2));
    btl_array_free(&got);
    check_end(&c);
}

BTL_TEST(every_tied_maximum_gets_the_whole_gradient) {
    const float x[2 * 10] = { 3, 3, 1, 2, 5, 5, 0, -1, 7, 7, 3, 1, 2, 0, 5, 5, -2, -3, 6, 7 }, v[5] = { 10, 20, 30, 40, 50 };
    const float dx[2 * 10] = { 10, 10, 0, 20, 30, 30, 40, 0, 50, 50, 10, 0, 20, 0, 30, 30, 0, 0, 0, 50 },
                       y[5] = { 3, 2, 5, 0, 7 };
    pooled("max_pool2d(x)", 10, x, v, 1, 5, y);
    pooled("grad(sum(max_pool2d(x) * v), x)", 10, x, v, 2, 10, dx);
    /* the derivative of sum(dx * x) by v gathers what dx spread: tied ones are added up */
    const float back[5] = { 9, 4, 20, 0, 21 };
    pooled("grad(sum(grad(sum(max_pool2d(x) * v), x) * stop_gradient(x)), v)", 10, x, v, 1, 5, back);
}

BTL_TEST(a_nan_is_the_largest_wherever_it_stands) {
    const float n = NAN, i = INFINITY,
                x[2 * 12] = { n, 1, 2, n, 3, 4, i, -i, -i, -i, 1, 9, 2, 3, 4, 5, n, 6, 1, 2, -i, -i, n, 9 };
    const float y[6] = { n, n, n, i, -i, n }, v[6] = { 1, 2, 3, 4, 5, 6 };
    const float dx[2 * 12] = { 0, 0, 0, 0, 0, 0, 4, 0, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 5, 0, 0 };
    pooled("max_pool2d(x)", 12, x, v, 1, 6, y);
    pooled("grad(sum(max_pool2d(x) * v), x)", 12, x, v, 2, 12, dx);
    pooled("max_pool2d(x[:, :, :, ::-1])[:, :, :, ::-1]", 12, x, v, 1, 6, y); /* strided: another loop */
}

/* Windows that overlap: several values are added up at a pixel, in f16 rounded once. */
BTL_TEST(derivatives_of_overlapping_maxima_agree_with_the_reference) {
    static const char *const settings[] = { "size=3, stride=1", "size=[3, 2], stride=[2, 1], padding=[1, 0]",
                                            "size=4, stride=3, padding=2", "size=2, stride=1" };
    static const char *const dtypes[] = { "f32", "f64", "f16", "bf16" };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++)
            for (int way = 0; way < 2; way++) {
                check_graph c = check_begin();
                char text[400];
                int64_t dims[4] = { 2, 3, 9, 10 };
                btl_array x;
                btl_dtype dtype = BTL_F64;
                btl_dtype_find(dtypes[t], strlen(dtypes[t]), &dtype);
                BTL_ASSERT_OK(btl_array_new(NULL, dtype, 4, dims, &x));
                numbers(&x, 7, 3, 13); /* many ties */
                type_text(text, sizeof text, dtypes[t], dims);
                btl_var *var = btl_input(c.g, "x", text);
                if (way == 0)
                    snprintf(text, sizeof text, "max_pool2d_dx(x, max_pool2d(x, %s), 0.1 * max_pool2d(x, %s), %s)",
                             settings[i], settings[i], settings[i]);
                else snprintf(text, sizeof text, "max_pool2d_at(x, max_pool2d(x, %s), 0.1 * x, %s)", settings[i], settings[i]);
                btl_array got = check_both(c.g, text, 1, &var, &x, btl_expr(c.g, text, "x", var, NULL), 16);
                btl_array_free(&got);
                btl_array_free(&x);
                check_end(&c);
            }
}

/* ---- mistakes ---------------------------------------------------------------------------------- */

static const char *const mistaken[] = { "x", ":f32[2, 3, 8, 9]", "k",  ":f32[4, 3, 3, 3]",
                                        "m", ":f32[8, 9]",       "w",  ":f32[3, 4, 3, 3]",
                                        "s", ":f32[b, c, h, v]", "t",  ":f32[o, c, h + 1, 3]",
                                        "i", ":i32[2, 3, 8, 9]", NULL, NULL };

BTL_TEST(mistakes_name_operands_sizes_and_settings) {
    check_refused("conv2d(m, k)", BTL_ESHAPE, "conv2d: needs images [batch, channels, rows, columns]: m is f32[8, 9]",
                  mistaken);
    check_refused("conv2d(m, k)", BTL_ESHAPE, "m[newaxis, newaxis]", mistaken);
    check_refused("conv2d(x, m)", BTL_ESHAPE, "needs kernels [maps, channels, rows, columns]", mistaken);
    check_refused("conv2d(x, w)", BTL_ESHAPE,
                  "conv2d: x and k have different numbers of channels: x is f32[2, 3, 8, 9], w is f32[3, 4, 3, 3]",
                  mistaken);
    check_refused("conv2d(x, w)", BTL_ESHAPE, "3 and 4", mistaken);
    check_refused("conv2d(x, w)", BTL_ESHAPE, "swapaxes(k, 0, 1) would fit", mistaken);
    check_refused("conv2d(k, x)", BTL_ESHAPE, "the kernel is larger than the image", mistaken);
    check_refused("conv2d(k, x)", BTL_ESHAPE, "8 rows of 3", mistaken);
    check_refused("conv2d(s, t)", BTL_ESHAPE, "h + 1 rows of h", mistaken);
    check_refused("conv2d(x, k, stride=0)", BTL_EVALUE, "stride must be at least 1, not 0", mistaken);
    check_refused("conv2d(x, k, stride=[1, 2, 3])", BTL_EVALUE, "stride must be one size or two", mistaken);
    check_refused("conv2d(x, k, padding=[0, -1])", BTL_EVALUE, "padding must be at least 0, not -1", mistaken);
    check_refused("conv2d(x, k, stride=none)", BTL_EVALUE, "stride must be one size or two", mistaken);
    check_refused("conv2d_dx(x, k, size=[8, 9])", BTL_ESHAPE, "different numbers of maps", mistaken);
    check_refused("conv2d_dk(x, x, size=[8, 9])", BTL_ESHAPE, "the rows of dy do not belong to this size", mistaken);
    check_refused("max_pool2d(m)", BTL_ESHAPE, "max_pool2d: needs images", mistaken);
    check_refused("max_pool2d(x, size=[9, 2])", BTL_ESHAPE, "the window is larger than the image", mistaken);
    check_refused("max_pool2d(x, size=0)", BTL_EVALUE, "size must be at least 1, not 0", mistaken);
    check_refused("max_pool2d(x, padding=2)", BTL_EVALUE, "padding must be smaller than the window: 2 and 2", mistaken);
    check_refused("mean_pool2d(x, stride=-1)", BTL_EVALUE, "stride must be at least 1, not -1", mistaken);
}

BTL_TEST(sizes_and_types_of_images) {
    static const struct { const char *text, *type; } cases[] = {
        { "conv2d(x, k)", "f32[b, o, h - 4, v - 2]" }, { "conv2d(x, k, padding=[2, 1])", "f32[b, o, h, v]" }, { "conv2d(x, f64(k))", "f64[b, o, h - 4, v - 2]" },
        { "conv2d(i, i)", "i32[2, 2, 1, 1]" }, { "conv2d(x, k, stride=2, padding=[2, 1])", "f32[b, o, (h + 1) // 2, (v + 1) // 2]" },
        { "max_pool2d(x)", "f32[b, 3, h // 2, v // 2]" }, { "max_pool2d(x, [3, 2], stride=[1, 2])", "f32[b, 3, h - 2, v // 2]" }, { "max_pool2d(i)", "i32[2, 3, 2, 3]" },
        { "mean_pool2d(i)", "f64[2, 3, 2, 3]" }, { "max_pool2d(x, size=[h, v])", "f32[b, 3, 1, 1]" }, { "conv2d(x, k, padding=[h, 1])", "f32[b, o, 3*h - 4, v]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_graph c = check_begin();
        btl_var *v =
            btl_expr(c.g, cases[i].text, "x", btl_input(c.g, "x", "f32[b, 3, h, v]"), "k",
                     btl_input(c.g, "k", "f32[o, 3, 5, 3]"), "i", btl_input(c.g, "i", "i32[2, 3, 5, 6]"), NULL);
        check_type(c.g, cases[i].text, v, cases[i].type);
        check_end(&c);
    }
}

/* A call of `text` over x: f32[b, c, h, v] of that size fails with these words. */
static void call_refused(const char *text, const int64_t *dims, const char *words) {
    char program[300];
    btl_graph *g;
    btl_function *f = NULL;
    btl_array x, out = { 0 };
    btl_error err = { 0 };
    snprintf(program, sizeof program, "input x: f32[b, c, h, v]\noutput y = %s\n", text);
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (btl_graph_parse(g, program, strlen(program), "sizes") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    BTL_ASSERT_OK(btl_array_new(NULL, BTL_F32, 4, dims, &x));
    BTL_ASSERT_OK(btl_function_new(g, btl_entry_find(g, NULL), NULL, &f, &err));
    BTL_ASSERT_STATUS(btl_call(f, NULL, &x, &out, NULL, &err), BTL_ESHAPE);
    BTL_ASSERT_CONTAINS(err.message, words);
    btl_array_free(&x);
    btl_function_free(f);
    btl_graph_free(g);
}

BTL_TEST(sizes_are_tested_at_the_call_with_words) {
    const int64_t dims[4] = { 2, 3, 4, 5 }, empty[4] = { 1, 1, 0, 5 };
    call_refused("conv2d(x, zeros([2, c, 5, 1], dtype=f32))", dims,
                 "the kernel is larger than the image: x is f32[b, c, h, v]");
    call_refused("conv2d(x, zeros([2, 4, 1, 1], dtype=f32))", dims, "conv2d");
    call_refused("conv2d(x, x, stride=h - 4)", dims, "stride must be at least 1");
    call_refused("conv2d(x, x[:, :, :1, :1], padding=[0, h - 5])", dims, "padding must be at least 0");
    call_refused("max_pool2d(x, size=5)", dims, "the window is larger than the image");
    call_refused("max_pool2d(x, size=h, padding=[v, 1])", dims, "padding must be smaller than the window");
    call_refused("max_pool2d(x, size=2, padding=1)", empty, "the image is empty");
}

/* ---- C builders --------------------------------------------------------------------------------- */

BTL_TEST(builders_in_c_are_the_notations) {
    static const int64_t two[2] = { 2, 2 }, one_two[2] = { 1, 2 }, three[2] = { 3, 3 };
    check_graph c = check_begin();
    btl_var *x = btl_input(c.g, "x", "f32[2, 3, 8, 9]"), *k = btl_input(c.g, "k", "f32[4, 3, 3, 2]");
    const struct { btl_var *built; const char *text; } pairs[] = {
        { btl_conv2d(c.g, x, k, NULL, NULL, false), "conv2d(x, k)" },
        { btl_conv2d(c.g, x, k, one_two, two, true), "conv2d(x, k, stride=[1, 2], padding=[2, 2], flip=true)" },
        { btl_max_pool2d(c.g, x, NULL, NULL, NULL), "max_pool2d(x)" },
        { btl_max_pool2d(c.g, x, three, two, one_two), "max_pool2d(x, size=3, stride=2, padding=[1, 2])" },
        { btl_mean_pool2d(c.g, x, three, NULL, one_two), "mean_pool2d(x, size=3, padding=[1, 2])" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        btl_var *v = btl_expr(c.g, pairs[i].text, "x", x, "k", k, NULL);
        if (!v || !pairs[i].built) BTL_FAIL("%s: %s", pairs[i].text, btl_graph_messages(c.g));
        assert_ptr_equal(v->node->op, pairs[i].built->node->op);
        for (int p = 0; p < v->node->op->nparams; p++)
            assert_true(btl_param_equal(v->node->op->params[p].kind, &v->node->params[p], &pairs[i].built->node->params[p]));
    }
    assert_null(btl_conv2d(c.g, NULL, k, NULL, NULL, false));
    assert_null(btl_graph_error(c.g));
    check_end(&c);
}

/* ---- a network ----------------------------------------------------------------------------------- */

static const char network[] =
    "input x: f64[3, 1, 12, 12]\ninput t: f64[3, 4]\ninput w1: f64[2, 1, 3, 3]\ninput b1: f64[2]\ninput w2: f64[3, 2, 2, 2]\ninput b2: f64[3]\n"
    "input w3: f64[12, 5]\ninput w4: f64[5, 4]\n"
    "h1 = tanh(max_pool2d(conv2d(x, w1)) + b1[:, newaxis, newaxis])\n"
    "h2 = tanh(max_pool2d(conv2d(h1, w2)) + b2[:, newaxis, newaxis])\n"
    "h3 = gelu(reshape(h2, [3, 12]) @ w3)\n"
    "output cost = -mean(sum(t * log_softmax(h3 @ w4), axis=1))\n";

/* LeNet in the small: the gradient by all parameters and images, and one more of that. */
BTL_TEST(the_gradient_of_a_network_agrees_with_finite_differences) {
    btl_graph *g;
    btl_error err = { 0 };
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (btl_graph_parse(g, network, strlen(network), "network") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    btl_entry *e = btl_entry_find(g, NULL);
    btl_var *in[8];
    btl_array at[8];
    btl_rng r = { btl_test_seed() };
    for (int i = 0; i < 8; i++) {
        int64_t dims[4];
        in[i] = e->inputs[i].var;
        for (int k = 0; k < in[i]->type.rank; k++) btl_dim_is_const(in[i]->type.dims[k], &dims[k]);
        BTL_ASSERT_OK(btl_array_new(NULL, BTL_F64, in[i]->type.rank, dims, &at[i]));
        for (int64_t k = 0; k < btl_array_elems(&at[i]); k++)
            ((double *)btl_array_data(&at[i]))[k] =
                i == 1 ? btl_rng_uniform(&r, 0, 0.5) : btl_rng_uniform(&r, -0.7, 0.7);
    }
    btl_verify_options o = { .rel_tol = 1e-5, .abs_tol = 1e-7, .every_coordinate = true };
    if (btl_verify_grad(g, e->outputs[0].var, 8, in, at, &o, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    btl_var *second = NULL;
    BTL_ASSERT_OK(btl_grad(g, e->outputs[0].var, 1, &in[2], BTL_DISCONNECTED_ERROR, &second));
    o.every_coordinate = false;
    if (btl_verify_grad(g, second, 8, in, at, &o, &err) != BTL_OK) BTL_FAIL("second order: %s", err.message);
    for (int i = 0; i < 8; i++) btl_array_free(&at[i]);
    btl_graph_free(g);
}

/* ---- memory -------------------------------------------------------------------------------------- */

static btl_status convolve(btl_context *ctx, void *arg) {
    static const char text[] =
        "input x: f16[2, 2, 6, h]\ninput k: f16[2, 2, 2, 2]\ny = max_pool2d(conv2d(x, k, padding=1))\noutput y, d = grad(sum(y), k)\n";
    int64_t dims[2][4] = { { 2, 2, 6, 6 }, { 2, 2, 2, 2 } };
    btl_graph *g = NULL;
    btl_function *f = NULL;
    btl_array in[2] = { { 0 } }, out[2] = { { 0 } };
    (void)arg;
    btl_status status = btl_graph_new(ctx, &g);
    if (status == BTL_OK) status = btl_graph_parse(g, text, strlen(text), "memory");
    if (status == BTL_OK) status = btl_function_new(g, btl_entry_find(g, NULL), NULL, &f, NULL);
    for (int i = 0; i < 2 && status == BTL_OK; i++) {
        status = btl_array_new(ctx, BTL_F16, 4, dims[i], &in[i]);
        if (status == BTL_OK) memset(btl_array_data(&in[i]), 0, (size_t)btl_array_elems(&in[i]) * 2);
    }
    if (status == BTL_OK) status = btl_call(f, NULL, in, out, NULL, NULL);
    for (int i = 0; i < 2; i++) btl_array_free(&in[i]), btl_array_free(&out[i]);
    btl_function_free(f);
    btl_graph_free(g);
    return status;
}

BTL_TEST(convolving_survives_memory_that_runs_out) { BTL_ASSERT_SURVIVES_ENOMEM(convolve, NULL); }

/* Columns that no memory holds: views make images of any size out of one element. */
BTL_TEST(scratch_that_cannot_be_had_is_said) {
    static const char text[] =
        "input x: f32[1, 1, 1, 1]\nimage = broadcast_to(x, [1, 1, 3000000000, 3000000000])\noutput y = conv2d(image, image)\n";
    int64_t dims[4] = { 1, 1, 1, 1 };
    btl_graph *g;
    btl_function *f = NULL;
    btl_error err = { 0 };
    btl_array x, y = { 0 };
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (btl_graph_parse(g, text, strlen(text), "large") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    BTL_ASSERT_OK(btl_function_new(g, btl_entry_find(g, NULL), NULL, &f, &err));
    BTL_ASSERT_OK(btl_array_new(NULL, BTL_F32, 4, dims, &x));
    btl_status status = btl_call(f, NULL, &x, &y, NULL, &err);
    if (status != BTL_ENOMEM && status != BTL_ESHAPE) BTL_FAIL("status %d: %s", status, err.message);
    btl_array_free(&x);
    btl_function_free(f);
    btl_graph_free(g);
}

BTL_TEST_MAIN(cmocka_unit_test(convolutions_pooling_and_their_gradients_are_scipys),
              cmocka_unit_test(larger_convolutions_are_their_sums_by_blas),
              cmocka_unit_test(larger_convolutions_are_their_sums_by_plain_loops),
              cmocka_unit_test(every_tied_maximum_gets_the_whole_gradient),
              cmocka_unit_test(a_nan_is_the_largest_wherever_it_stands),
              cmocka_unit_test(derivatives_of_overlapping_maxima_agree_with_the_reference),
              cmocka_unit_test(mistakes_name_operands_sizes_and_settings), cmocka_unit_test(sizes_and_types_of_images),
              cmocka_unit_test(sizes_are_tested_at_the_call_with_words),
              cmocka_unit_test(builders_in_c_are_the_notations),
              cmocka_unit_test(the_gradient_of_a_network_agrees_with_finite_differences),
              cmocka_unit_test(convolving_survives_memory_that_runs_out),
              cmocka_unit_test(scratch_that_cannot_be_had_is_said))
