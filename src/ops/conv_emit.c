/* conv_emit.c - the text of conv2d and its two derivatives (expr/emit.h): the steps of conv_kernel.c, whose parts are
 * those of support.inc, with the products by btl_gemm_f32 or btl_gemm_f64. Integers have loops of their own.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/conv.h"
#include "ops/loops.h"

#include <string.h>

typedef struct conv_text {
    btl_emit *e;
    int x, k, y;                   /* which operand is which */
    const char *pointer[3];        /* "x0", … of operands 0, 1 and the output */
    btl_dtype dtype;
    bool half;
    const char *type, *name;       /* it is computed in: "float", "f32" */
    const btl_dim *depth, *area, *width; /* width: the most columns of a product */
    const btl_dim *work;           /* bytes so far */
} conv_text;

static const btl_type *conv_text_type(const conv_text *t, int operand) { return btl_emit_type(t->e, operand); }

static const char *conv_text_setting(conv_text *t, const btl_param *p, int i) { return btl_emit_size(t->e, p->shape.v[i]); }

/* settings: stride, padding, flip */
static conv_text conv_text_of(btl_emit *e, int x, int k, int y, const btl_param *settings) {
    btl_graph *g = e->g;
    conv_text t = { .e = e, .x = x, .k = k, .y = y, .pointer = { "x0", "x1", "y0" }, .dtype = btl_emit_type(e, 0)->dtype, .work = btl_dim_const(g, 0) };
    t.half = t.dtype == BTL_F16 || t.dtype == BTL_BF16;
    t.type = btl_emit_ctype(t.half ? BTL_F32 : t.dtype), t.name = btl_dtype_name(t.half ? BTL_F32 : t.dtype);
    const btl_dim *const *xd = conv_text_type(&t, x)->dims, *const *kd = conv_text_type(&t, k)->dims, *const *yd = conv_text_type(&t, y)->dims;
    t.depth = btl_dim_product(g, 3, kd + 1), t.area = btl_dim_product(g, 2, yd + 2);
    t.width = btl_dim_min(g, btl_dim_mul(g, xd[0], t.area), btl_dim_add(g, t.area, btl_dim_const(g, 256)));
    for (int i = 0; i < 2; i++)
        if (settings[0].shape.v[i]->lo < 1) btl_emit_text(e, "if (%s < 1) return 1;\n", conv_text_setting(&t, &settings[0], i));
    btl_emit_text(e, "const btl_conv_shape c = {\n%s, %s, %s,\n", btl_emit_size(e, xd[0]), btl_emit_size(e, xd[1]), btl_emit_size(e, kd[0]));
    for (int i = 0; i < 2; i++)
        btl_emit_text(e, "{ %s, %s, %s, %s, %s },\n", btl_emit_size(e, xd[2 + i]), btl_emit_size(e, kd[2 + i]), btl_emit_size(e, yd[2 + i]),
                      conv_text_setting(&t, &settings[0], i), conv_text_setting(&t, &settings[1], i));
    btl_emit_text(e, "%d, %d,\n", settings[2].i != 0, t.half);
    const int operands[3] = { x, k, y };
    for (int i = 0; i < 3; i++) {
        btl_emit_text(e, "{ ");
        for (int axis = 0; axis < 4; axis++) btl_emit_text(e, "%s%s", axis ? ", " : "", btl_extent_text(e, btl_extent_stride(e, operands[i], axis)));
        btl_emit_text(e, " },\n");
    }
    btl_emit_text(e, "};\n");
    return t;
}

/* ---- scratch ------------------------------------------------------------------------------- */

/* A pointer to room for so many elements. */
static void conv_text_room(conv_text *t, const char *name, const btl_dim *elems) {
    btl_graph *g = t->e->g;
    const btl_dim *line = btl_dim_const(g, 64), *at = t->work, *bytes = btl_dim_mul(g, elems, btl_dim_const(g, strcmp(t->name, "f64") == 0 ? 8 : 4));
    t->work = btl_dim_add(g, at, btl_dim_mul(g, btl_dim_floordiv(g, btl_dim_add(g, bytes, btl_dim_const(g, 63)), line), line));
    btl_emit_text(t->e, "%s *%s = (%s *)(void *)((char *)work + %s);\n", t->type, name, t->type, btl_emit_size(t->e, at));
}

static void conv_text_plan(conv_text *t) {
    btl_emit_text(t->e, "const btl_conv_plan p = btl_conv_plan_of(&c);\n");
    conv_text_room(t, "columns", btl_dim_mul(t->e->g, t->depth, t->width));
}

static bool conv_text_may_pack_k(const conv_text *t) { return t->half || !btl_emit_is_row_major(t->e, t->k); }

/* ---- parts --------------------------------------------------------------------------------- */

/* k as maps × depth: `weights`, rows k_row apart. */
static void conv_text_weights(conv_text *t) {
    btl_emit *e = t->e;
    bool may_pack = conv_text_may_pack_k(t);
    const char *from = t->pointer[t->k], *name = btl_dtype_name(t->dtype);
    if (may_pack) conv_text_room(t, "packed_k", btl_dim_mul(e->g, t->depth, conv_text_type(t, t->k)->dims[0]));
    if (may_pack)
        btl_emit_text(e, "if (p.pack_k) btl_conv_pack_%s(c.maps, c.channels, c.rows.k, c.columns.k, %s, c.k, packed_k, p.depth, c.rows.k * c.columns.k);\n", name, from);
    if (t->half) btl_emit_text(e, "const float *weights = packed_k;\nconst int64_t k_row = p.depth;\n");
    else if (may_pack) btl_emit_text(e, "const %s *weights = p.pack_k ? packed_k : %s;\nconst int64_t k_row = p.pack_k ? p.depth : c.k[0];\n", t->type, from);
    else btl_emit_text(e, "const %s *weights = %s;\nconst int64_t k_row = c.k[0];\n", t->type, from);
}

/* The loop over chunks of n images from b on. */
static void conv_text_chunks(conv_text *t) {
    btl_emit_text(t->e, "for (int64_t b = 0, n; b < c.batch; b += n) {\nn = c.batch - b < p.chunk ? c.batch - b : p.chunk;\n");
}

/* The columns of the chunk's images: `a`, rows a_row apart. */
static void conv_text_columns(conv_text *t) {
    btl_emit *e = t->e;
    const char *from = t->pointer[t->x];
    btl_emit_text(e, "for (int64_t i = 0; i < n && !p.direct; i++) btl_im2col_%s(&c, %s + (b + i) * c.x[0], columns + i * p.area, n * p.area);\n",
                  btl_dtype_name(t->dtype), from);
    if (t->half) btl_emit_text(e, "const float *a = columns;\nconst int64_t a_row = n * p.area;\n");
    else btl_emit_text(e, "const %s *a = p.direct ? %s + b * c.x[0] : columns;\nconst int64_t a_row = p.direct ? c.x[1] : n * p.area;\n", t->type, from);
}

/* The chunk's products, which are given: `v`, rows v_row apart. */
static void conv_text_products(conv_text *t) {
    btl_emit *e = t->e;
    const char *from = t->pointer[t->y];
    btl_emit_text(e, "if (p.pack_y) btl_conv_pack_%s(n, c.maps, c.rows.out, c.columns.out, %s + b * c.y[0], c.y, packed_y, p.area, n * p.area);\n",
                  btl_dtype_name(t->dtype), from);
    if (t->half) btl_emit_text(e, "const float *v = packed_y;\nconst int64_t v_row = n * p.area;\n");
    else btl_emit_text(e, "const %s *v = p.pack_y ? packed_y : %s + b * c.y[0];\nconst int64_t v_row = p.pack_y ? n * p.area : c.y[1];\n", t->type, from);
}

static void conv_text_packed_products(conv_text *t) {
    conv_text_room(t, "packed_y", btl_dim_mul(t->e->g, t->width, conv_text_type(t, t->y)->dims[1]));
}

/* `count` computed elements into the output's type. */
static void conv_text_store(conv_text *t, const char *to, const char *from, const char *count) {
    btl_emit *e = t->e;
    const char *value = btl_emit_format(e, "(%s)[q]", from);
    btl_emit_text(e, "BTL_SIMD for (int64_t q = 0; q < %s; q++) (%s)[q] = %s;\n", count, to, t->half ? btl_loops_cast(e, BTL_F32, t->dtype, value) : value);
}

/* ---- integers ------------------------------------------------------------------------------ */

/* Whichever of the three is computed: its elements are counted up, in unsigned arithmetic, which wraps. */
static btl_status conv_text_whole(conv_text *t, int to, int u, int v) {
    btl_emit *e = t->e;
    const char *type = btl_emit_ctype(t->dtype);
    const char *element[3];
    element[t->x] = "(b * c.x[0] + ch * c.x[1] + row * c.x[2] + column * c.x[3])";
    element[t->k] = "(o * c.k[0] + ch * c.k[1] + i * c.k[2] + j * c.k[3])";
    element[t->y] = "(b * c.y[0] + o * c.y[1] + w * c.y[2] + q * c.y[3])";
    btl_emit_text(e, "memset(y0, 0, (size_t)(%s) * sizeof *y0);\n", btl_emit_elems(e, btl_emit_out(e, 0)));
    btl_emit_text(e, "for (int64_t b = 0; b < c.batch; b++)\nfor (int64_t o = 0; o < c.maps; o++)\nfor (int64_t ch = 0; ch < c.channels; ch++)\n"
                     "for (int64_t i = 0; i < c.rows.k; i++)\nfor (int64_t j = 0; j < c.columns.k; j++) {\nconst btl_conv_tap at = btl_conv_tap_at(&c, i, j);\n"
                     "for (int64_t w = at.top, row = at.row; w < at.bottom; w++, row += c.rows.stride)\n"
                     "for (int64_t q = at.left, column = at.column; q < at.right; q++, column += c.columns.stride) {\n");
    btl_emit_text(e, "%s *to = %s + %s;\nconst %s u = %s[%s], v = %s[%s];\n", type, t->pointer[to], element[to], type, t->pointer[u], element[u], t->pointer[v], element[v]);
    if (t->dtype == BTL_BOOL) btl_emit_text(e, "*to = (uint8_t)(*to | (u & v));\n");
    else btl_emit_text(e, "*to = (%s)((uint64_t)*to + (uint64_t)u * (uint64_t)v);\n", type);
    btl_emit_text(e, "}\n}\n");
    return BTL_OK;
}

/* ---- the three ----------------------------------------------------------------------------- */

btl_status btl_conv_products_emit(btl_emit *e, const btl_param *settings) {
    conv_text t = conv_text_of(e, 0, 1, 2, settings);
    if (btl_dtype_kind(t.dtype) != 'f') return conv_text_whole(&t, 2, 0, 1);
    conv_text_plan(&t);
    conv_text_packed_products(&t);
    conv_text_weights(&t);
    conv_text_chunks(&t);
    conv_text_columns(&t);
    if (t.half) btl_emit_text(e, "float *to = packed_y;\n");
    else btl_emit_text(e, "%s *to = p.pack_y ? packed_y : y0 + b * c.y[0];\n", t.type);
    btl_emit_text(e, "btl_gemm_%s($rt c.maps, n * p.area, p.depth, weights, k_row, 1, a, a_row, 1, to, n * p.area);\n", t.name);
    btl_emit_text(e, "for (int64_t i = 0; i < n && p.pack_y; i++)\nfor (int64_t o = 0; o < c.maps; o++)\n");
    conv_text_store(&t, "y0 + (b + i) * c.y[0] + o * p.area", "packed_y + (o * n + i) * p.area", "p.area");
    btl_emit_text(e, "}\n");
    btl_emit_work(e, t.work);
    return BTL_OK;
}

btl_status btl_conv_images_emit(btl_emit *e, const btl_param *settings) {
    conv_text t = conv_text_of(e, 2, 1, 0, settings);
    if (btl_dtype_kind(t.dtype) != 'f') return conv_text_whole(&t, 2, 0, 1);
    conv_text_plan(&t);
    conv_text_packed_products(&t);
    conv_text_weights(&t);
    if (t.half) conv_text_room(&t, "image", btl_dim_product(e->g, 3, conv_text_type(&t, t.x)->dims + 1));
    btl_emit_text(e, "const int64_t pixels = c.channels * c.rows.n * c.columns.n;\n");
    conv_text_chunks(&t);
    conv_text_products(&t);
    if (t.half) btl_emit_text(e, "float *to = columns;\n");
    else btl_emit_text(e, "%s *to = p.direct ? y0 + b * pixels : columns;\n", t.type);
    btl_emit_text(e, "btl_gemm_%s($rt p.depth, n * p.area, c.maps, weights, 1, k_row, v, v_row, 1, to, n * p.area);\n", t.name);
    btl_emit_text(e, "for (int64_t i = 0; i < n && !p.direct; i++) {\n");
    if (!t.half) btl_emit_text(e, "%s *image = y0 + (b + i) * pixels;\n", t.type);
    btl_emit_text(e, "memset(image, 0, (size_t)pixels * sizeof *image);\nbtl_col2im_%s(&c, columns + i * p.area, n * p.area, image);\n", t.name);
    if (t.half) conv_text_store(&t, "y0 + (b + i) * pixels", "image", "pixels");
    btl_emit_text(e, "}\n}\n");
    btl_emit_work(e, t.work);
    return BTL_OK;
}

btl_status btl_conv_kernels_emit(btl_emit *e, const btl_param *settings) {
    conv_text t = conv_text_of(e, 0, 2, 1, settings);
    if (btl_dtype_kind(t.dtype) != 'f') return conv_text_whole(&t, 2, 0, 1);
    const btl_dim *weights = btl_dim_mul(e->g, conv_text_type(&t, t.k)->dims[0], t.depth);
    conv_text_plan(&t);
    conv_text_packed_products(&t);
    conv_text_room(&t, "one", weights);
    if (t.half) conv_text_room(&t, "sum", weights);
    else btl_emit_text(e, "%s *sum = y0;\n", t.type);
    btl_emit_text(e, "const int64_t weights = c.maps * p.depth;\nif (c.batch == 0) memset(sum, 0, (size_t)weights * sizeof *sum);\n");
    conv_text_chunks(&t);
    conv_text_products(&t);
    conv_text_columns(&t);
    btl_emit_text(e, "btl_gemm_%s($rt c.maps, p.depth, n * p.area, v, v_row, 1, a, 1, a_row, b ? one : sum, p.depth);\n", t.name);
    btl_emit_text(e, "if (b) BTL_SIMD for (int64_t q = 0; q < weights; q++) sum[q] += one[q];\n}\n");
    if (t.half) conv_text_store(&t, "y0", "sum", "weights");
    btl_emit_work(e, t.work);
    return BTL_OK;
}
