/* linalg_emit.c - the texts of cholesky, its gradient and solve_triangular (expr/emit.h): matrix after matrix of a stack,
 * by btl_potrf, btl_potrf_vjp and btl_trsm: the library's, or in standalone code its blocked loops (gemm.inc).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/linalg_parts.h"
#include "ops/loops.h"

/* Loops over the leading axes of the result; `a`, `b` (where there is one) and `y` point to the matrices. Returns how many. */
static int linalg_text_stack(btl_emit *e) {
    const btl_type *y = btl_emit_type(e, btl_emit_out(e, 0));
    const char *type = btl_emit_ctype(y->dtype), *at[3] = { "x0", "x1", "y0" };
    int rank = y->rank - 2, loops = 0;
    for (int i = 0; i < rank; i++) {
        if (btl_dim_is(y->dims[i], 1)) continue;
        btl_emit_text(e, "for (int64_t i%d = 0; i%d < %s; i%d++) {\n", i, i, btl_emit_size(e, y->dims[i]), i);
        for (int k = 0; k <= e->node->nin; k++) {
            int which = k == e->node->nin ? 2 : k, own = btl_emit_type(e, k)->rank - 2;
            btl_extent step = btl_extent_stretched(e, k, i - (rank - own) < 0 ? -1 : i - (rank - own), y->dims[i]);
            if (!btl_extent_is(step, 0)) at[which] = btl_emit_format(e, "%s + i%d * (%s)", at[which], i, btl_extent_text(e, step));
        }
        loops++;
    }
    btl_emit_text(e, "const %s *a = %s;\n%s *y = %s;\n", type, at[0], type, at[2]);
    if (e->node->nin > 1) btl_emit_text(e, "const %s *b = %s;\n", type, at[1]);
    return loops;
}

static void linalg_text_end(btl_emit *e, int loops) {
    for (; loops; loops--) btl_emit_text(e, "}\n");
}

/* A matrix of an input into rows without gaps. */
static void linalg_text_copy(btl_emit *e, int input, const char *to, const char *from) {
    const btl_type *t = btl_emit_type(e, input);
    btl_loops l = btl_loops_begin(e, 2, 'j');
    for (int i = t->rank - 2; i < t->rank; i++)
        btl_loops_add(&l, btl_extent_dim(e, input, i), i == t->rank - 1 ? btl_extent_const(e, 1) : btl_extent_dim(e, input, i + 1), btl_extent_stride(e, input, i));
    btl_loops_merge(&l);
    btl_loops_move(&l, t->dtype, to, from, false);
}

btl_status btl_cholesky_emit(btl_emit *e) {
    const btl_type *t = btl_emit_type(e, 0);
    const char *n = btl_emit_dim(e, 0, t->rank - 1);
    int loops = linalg_text_stack(e);
    linalg_text_copy(e, 0, "y", "a");
    btl_emit_text(e, e->params[0].i ? "if (btl_potrf_%s($rt %s, y, %s, 1)) return 1;\n" : "if (btl_potrf_%s($rt %s, y, 1, %s)) return 1;\n",
                  btl_dtype_name(t->dtype), n, n);
    linalg_text_end(e, loops);
    return BTL_OK;
}

/* The triangle at `a`, packed into the workspace where it does not lie by rows; *row and *column become those of "triangle". */
static void linalg_text_triangle(btl_emit *e, bool may_pack, const char **row, const char **column) {
    const btl_type *t = btl_emit_type(e, 0);
    const char *n = btl_emit_dim(e, 0, t->rank - 1), *type = btl_emit_ctype(t->dtype);
    if (!may_pack) {
        btl_emit_text(e, "const %s *triangle = a;\n", type);
        return;
    }
    btl_emit_text(e, "if (pack) {\n");
    linalg_text_copy(e, 0, btl_emit_format(e, "(%s *)work", type), "a");
    btl_emit_text(e, "}\n");
    btl_emit_work(e, btl_dim_mul(e->g, btl_dim_mul(e->g, t->dims[t->rank - 1], t->dims[t->rank - 1]), btl_dim_const(e->g, (int64_t)btl_dtype_bytes(t->dtype))));
    btl_emit_text(e, "const %s *triangle = pack ? (const %s *)work : a;\n", type, type);
    *row = btl_emit_format(e, "pack ? %s : %s", n, *row), *column = btl_emit_format(e, "pack ? 1 : %s", *column);
}

btl_status btl_solve_triangular_emit(btl_emit *e) {
    const btl_type *t = btl_emit_type(e, 0), *y = btl_emit_type(e, btl_emit_out(e, 0));
    const char *n = btl_emit_dim(e, 0, t->rank - 1), *k = btl_emit_size(e, y->dims[y->rank - 1]);
    const char *row = btl_extent_text(e, btl_extent_stride(e, 0, t->rank - 2)), *column = btl_extent_text(e, btl_extent_stride(e, 0, t->rank - 1));
    bool may_pack = !btl_emit_is_row_major(e, 0);
    if (may_pack) btl_emit_text(e, "const int pack = !btl_gemm_lies(%s, %s, %s, %s);\n", row, column, n, n);
    int loops = linalg_text_stack(e);
    if (!e->params[2].i) btl_emit_text(e, "for (int64_t d = 0; d < %s; d++) if (a[d * (%s + %s)] == 0) return 1;\n", n, row, column);
    linalg_text_triangle(e, may_pack, &row, &column);
    linalg_text_copy(e, 1, "y", "b");
    btl_emit_text(e, "btl_trsm_%s($rt %d, %d, %d, %s, %s, %s, %s, %s, y, %s);\n", btl_dtype_name(t->dtype), e->params[0].i != 0, e->params[1].i != 0,
                  e->params[2].i != 0, n, k, "triangle", row, column, k);
    linalg_text_end(e, loops);
    return BTL_OK;
}

btl_status btl_cholesky_grad_emit(btl_emit *e) {
    const btl_type *t = btl_emit_type(e, 0);
    const char *n = btl_emit_dim(e, 0, t->rank - 1);
    const char *row = btl_extent_text(e, btl_extent_stride(e, 0, t->rank - 2)), *column = btl_extent_text(e, btl_extent_stride(e, 0, t->rank - 1));
    bool may_pack = !btl_emit_is_row_major(e, 0), lower = e->params[0].i != 0;
    if (may_pack) btl_emit_text(e, "const int pack = %s > 1 && (%s != 1 || %s < %s);\n", n, column, row, n);
    int loops = linalg_text_stack(e);
    linalg_text_triangle(e, may_pack, &row, &column);
    linalg_text_copy(e, 1, "y", "b");
    btl_emit_text(e, lower ? "btl_potrf_vjp_%s($rt %s, triangle, %s, %s, y, %s, 1);\n" : "btl_potrf_vjp_%s($rt %s, triangle, %s, %s, y, 1, %s);\n",
                  btl_dtype_name(t->dtype), n, lower ? row : column, lower ? column : row, n);
    linalg_text_end(e, loops);
    return BTL_OK;
}
