/* pool_emit.c - the text of pooling and its derivatives (expr/emit.h): the loops of pool_kernel.c around the functions
 * of support.inc, which are its own. SPDX-License-Identifier: BSD-3-Clause */
#include "ops/loops.h"
#include "ops/pool.h"

/* "x0 + b * n0 + ch * n1": an image of an operand. */
static const char *pool_text_image(btl_emit *e, int input) {
    return btl_emit_format(e, "x%d + b * (%s) + ch * (%s)", input, btl_extent_text(e, btl_extent_stride(e, input, 0)), btl_extent_text(e, btl_extent_stride(e, input, 1)));
}

static const char *pool_text_stride(btl_emit *e, int input, int axis) { return btl_extent_text(e, btl_extent_stride(e, input, axis)); }

btl_status btl_pool_emit(btl_emit *e, const char *what, const btl_param *settings, bool of_max, bool to_pixels) {
    int out = btl_emit_out(e, 0), last = e->node->nin - 1;
    const btl_type *type = btl_emit_type(e, out), *image = btl_emit_type(e, of_max || !to_pixels ? 0 : out), *windows = btl_emit_type(e, to_pixels ? last : out);
    btl_dtype dtype = type->dtype;
    bool half = dtype == BTL_F16 || dtype == BTL_BF16;
    const btl_dim *elems = btl_dim_product(e->g, 2, type->dims + 2);
    const char *c_type = btl_emit_ctype(dtype), *sum = btl_emit_ctype(half ? BTL_F32 : dtype), *size = btl_emit_size(e, elems);
    const char *channels = btl_emit_dim(e, out, 1);
    for (int i = 0; i < 2; i++)
        if (settings[1].shape.v[i]->lo < 1) btl_emit_text(e, "if (%s < 1) return 1;\n", btl_emit_size(e, settings[1].shape.v[i]));
    for (int i = 0; i < 2; i++)
        btl_emit_text(e, "const btl_slide %s = { %s, %s, %s, %s, %s };\n", i ? "columns" : "rows", btl_emit_size(e, image->dims[2 + i]),
                      btl_emit_size(e, settings[0].shape.v[i]), btl_emit_size(e, windows->dims[2 + i]), btl_emit_size(e, settings[1].shape.v[i]),
                      btl_emit_size(e, settings[2].shape.v[i]));
    btl_emit_text(e, "for (int64_t b = 0; b < %s; b++)\nfor (int64_t ch = 0; ch < %s; ch++) {\n", btl_emit_dim(e, out, 0), channels);
    btl_emit_text(e, "const %s *x = %s, *v = %s;\n", c_type, pool_text_image(e, 0), pool_text_image(e, last));
    if (of_max) btl_emit_text(e, "const %s *y = %s;\n", c_type, pool_text_image(e, 1));
    btl_emit_text(e, half ? "%s *sum = (float *)work;\n" : "%s *sum = y0 + (b * %s + ch) * %s;\n", sum, channels, size);
    if (to_pixels) btl_emit_text(e, "memset(sum, 0, (size_t)(%s) * sizeof *sum);\n", size);
    btl_emit_text(e, "for (int64_t p = 0; p < rows.out; p++) {\nconst btl_slide_span lines = btl_slide_span_at(&rows, p);\n");
    btl_emit_text(e, "const btl_pool_row r = {\n&columns, lines.first, lines.n, 0,\nx, ");
    if (of_max) btl_emit_text(e, "y + p * (%s), ", pool_text_stride(e, 1, 2));
    else btl_emit_text(e, "x, ");
    if (to_pixels) btl_emit_text(e, "v + p * (%s),\n", pool_text_stride(e, last, 2));
    else btl_emit_text(e, "v,\n");
    btl_emit_text(e, "%s, %s, %s, %s, %s,\n%s,\n};\n", pool_text_stride(e, 0, 2), pool_text_stride(e, 0, 3), pool_text_stride(e, of_max ? 1 : 0, 3),
                  pool_text_stride(e, last, 2), pool_text_stride(e, last, 3), to_pixels ? "sum" : "sum + p * columns.out");
    btl_emit_text(e, "btl_pool_%s_%s(&r);\n}\n", what, dtype == BTL_BOOL ? "u8" : btl_dtype_name(dtype));
    if (half) {
        btl_emit_text(e, "%s *to = y0 + (b * %s + ch) * %s;\nBTL_SIMD for (int64_t i = 0; i < %s; i++) to[i] = %s;\n", c_type, channels, size, size,
                      btl_loops_cast(e, BTL_F32, dtype, "sum[i]"));
        btl_emit_work(e, btl_dim_mul(e->g, elems, btl_dim_const(e->g, 4)));
    }
    btl_emit_text(e, "}\n");
    return BTL_OK;
}
