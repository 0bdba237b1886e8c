/* matmul_emit.c - a node `matmul` as C text (expr/emit.h): the decisions of matmul.c's kernel, made when the text is
 * written where sizes and strides are known by then, otherwise by the same tests in the text.
 *
 *     small sizes known    btl_gemm_small_f32: loops that the compiler sees through
 *     a vector             btl_gemv_f32: the library's own, or in standalone code that of gemm.inc
 *     anything else        btl_gemm_f32: the library's CBLAS, or in standalone code the product of gemm.inc
 *
 * The first two give the bits that btl_blas_gemm gives for these sizes (gemm.h), whatever the strides: nothing is packed for them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/gemm.h"
#include "ops/loops.h"

#include <string.h>

/* Known now, or only by a run? */
typedef enum answer { NO, YES, RUN } answer;

typedef struct product {
    btl_emit *e;
    btl_dtype dtype;                 /* of the operands */
    const char *type, *name;         /* it is computed in: "float", "f32"; integers: the type of an element */
    bool half;
    int rank;                        /* of the leading axes */
    const btl_dim *const *dims;
    btl_extent m, n, k;
    btl_extent row[2], column[2];    /* of a and b */
    btl_extent lead[2][BTL_MAX_RANK];
    answer joined;
    const char *joined_if;
    const btl_dim *work;             /* bytes so far */
    bool has_work;
} product;

static const char *product_text(product *p, btl_extent x) { return btl_extent_text(p->e, x); }

static product product_of(btl_emit *e) {
    const btl_type *a = btl_emit_type(e, 0), *b = btl_emit_type(e, 1), *y = btl_emit_type(e, btl_emit_out(e, 0));
    product p = { .e = e, .dtype = y->dtype, .rank = y->rank - 2, .dims = y->dims, .joined = NO, .joined_if = "", .work = btl_dim_const(e->g, 0) };
    p.half = y->dtype == BTL_F16 || y->dtype == BTL_BF16;
    p.name = btl_dtype_name(p.half ? BTL_F32 : y->dtype);
    p.type = btl_emit_ctype(p.half ? BTL_F32 : y->dtype);
    p.m = btl_extent_dim(e, 0, a->rank - 2), p.k = btl_extent_dim(e, 0, a->rank - 1), p.n = btl_extent_dim(e, 1, b->rank - 1);
    for (int i = 0; i < 2; i++) {
        int rank = btl_emit_type(e, i)->rank;
        p.row[i] = btl_extent_stride(e, i, rank - 2), p.column[i] = btl_extent_stride(e, i, rank - 1);
        for (int k = 0; k < p.rank; k++) p.lead[i][k] = btl_extent_stretched(e, i, k - (p.rank - (rank - 2)) < 0 ? -1 : k - (p.rank - (rank - 2)), p.dims[k]);
    }
    return p;
}

/* ---- many products by one matrix are one -------------------------------------------------- */

/* Where a size is 0 nothing is computed, so they may be taken to be at least 1: a product of sizes is not 0. */
static bool product_is_not_zero(btl_extent x) {
    int64_t value;
    if (!x.known) return false;
    if (btl_dim_is_const(x.known, &value)) return value != 0;
    return x.known->kind == DIM_SYMBOL || (x.known->kind == DIM_POLY && x.known->constant == 0 && x.known->nterms == 1);
}

/* As matmul_join_rows: may leading axis i of a be more of its rows, `row` apart? */
static answer product_joins(product *p, int i, btl_extent row, const char **text) {
    btl_extent at_a = p->lead[0][i], at_b = p->lead[1][i];
    const char *size = btl_emit_size(p->e, p->dims[i]);
    bool like_rows = at_a.known && at_a.known == row.known, differ = at_a.known && row.known && btl_dim_differ(p->e->g, at_a.known, row.known);
    if (btl_dim_is(p->dims[i], 1) || (btl_extent_is(at_b, 0) && like_rows)) return YES;
    if (product_is_not_zero(at_b) || differ) {
        *text = btl_emit_format(p->e, "%s == 1", size);
        return p->dims[i]->lo >= 2 ? NO : RUN;
    }
    *text = btl_emit_format(p->e, "(%s == 1 || (%s == 0 && %s == %s))", size, product_text(p, at_b), product_text(p, at_a), product_text(p, row));
    return RUN;
}

static void product_join(product *p) {
    btl_extent row = btl_extent_mul(p->e, p->row[0], p->m);
    int axes = 0, refused = 0;
    p->joined = YES;
    for (int i = p->rank - 1; i >= 0; i--) {
        const char *text = NULL;
        answer a = product_joins(p, i, row, &text);
        axes += !btl_dim_is(p->dims[i], 1), refused += product_is_not_zero(p->lead[1][i]) && !btl_dim_is(p->dims[i], 1);
        if (a == NO) p->joined = NO;
        if (a == RUN && p->joined != NO) {
            p->joined_if = btl_emit_format(p->e, *p->joined_if ? "%s && %s" : "%s%s", p->joined_if, text);
            p->joined = RUN;
        }
        row = btl_extent_mul(p->e, row, btl_extent_of(p->dims[i]));
    }
    if (axes && refused == axes) p->joined = NO; /* all of them 1, or none joins: one product either way */
}

/* ---- layout ------------------------------------------------------------------------------- */

static answer product_is(btl_extent x, int64_t value) {
    int64_t known;
    if (!x.known) return RUN;
    if (btl_dim_is_const(x.known, &known)) return known == value ? YES : NO;
    return value < x.known->lo || value > x.known->hi ? NO : RUN;
}

static answer product_at_least(product *p, btl_extent x, btl_extent y) {
    if (!x.known || !y.known) return RUN;
    const btl_dim *difference = btl_dim_sub(p->e->g, x.known, y.known);
    return difference->lo >= 0 ? YES : difference->hi < 0 ? NO : RUN;
}

static answer answer_or(answer a, answer b) { return a == YES || b == YES ? YES : a == NO && b == NO ? NO : RUN; }
static answer answer_and(answer a, answer b) { return a == NO || b == NO ? NO : a == YES && b == YES ? YES : RUN; }

/* As btl_gemm_lies: by rows or by columns, so that a CBLAS takes it? */
static answer product_is_dense(product *p, int which, btl_extent m, btl_extent n) {
    btl_extent row = p->row[which], column = p->column[which];
    answer one_row = product_is(m, 1), one_column = product_is(n, 1);
    answer rows = answer_and(answer_or(product_is(column, 1), one_column), answer_or(product_at_least(p, row, n), one_row));
    answer columns = answer_and(answer_or(product_is(row, 1), one_row), answer_or(product_at_least(p, column, m), one_column));
    return answer_or(rows, columns);
}

/* ---- scratch ------------------------------------------------------------------------------ */

/* Room for so many elements; its place, as a pointer. */
static const char *product_room(product *p, btl_extent elems) {
    btl_graph *g = p->e->g;
    int64_t size = strcmp(p->name, "f64") == 0 ? 8 : 4;
    const btl_dim *line = btl_dim_const(g, 64), *at = p->work, *bytes = btl_dim_mul(g, elems.known, btl_dim_const(g, size));
    p->has_work = true;
    p->work = btl_dim_add(g, at, btl_dim_mul(g, btl_dim_floordiv(g, btl_dim_add(g, bytes, btl_dim_const(g, 63)), line), line));
    if (btl_dim_is(at, 0)) return btl_emit_format(p->e, "(%s *)work", p->type);
    return btl_emit_format(p->e, "(%s *)(void *)((char *)work + %s)", p->type, btl_emit_size(p->e, at));
}

/* The most rows that a can have: those of all products. */
static btl_extent product_all_rows(product *p) {
    btl_extent rows = p->m;
    for (int i = 0; i < p->rank; i++) rows = btl_extent_mul(p->e, rows, btl_extent_of(p->dims[i]));
    return rows;
}

/* A matrix laid out by rows in `room`; half types as f32. */
static void product_pack(product *p, int which, const char *room, const char *rows, const char *columns) {
    btl_emit *e = p->e;
    char letter = "ab"[which];
    const char *at = btl_loops_add_step(e, btl_loops_add_step(e, NULL, "r", p->row[which]), "c", p->column[which]);
    const char *value = btl_emit_format(e, "%c[%s]", letter, at ? at : "0");
    btl_emit_text(e, "{\n%s *to = %s;\nfor (int64_t r = 0; r < %s; r++, to += %s)\nBTL_SIMD for (int64_t c = 0; c < %s; c++) to[c] = %s;\n}\n", p->type, room,
                  rows, columns, columns, p->half ? btl_loops_cast(e, p->dtype, BTL_F32, value) : value);
}

/* ---- floats ------------------------------------------------------------------------------- */

/* How an operand is handed on: its pointer and strides. */
typedef struct product_operand { const char *pointer, *row, *column; } product_operand;

/* most_rows: for how many there must be room. */
static product_operand product_operand_of(product *p, int which, btl_extent height, btl_extent most_rows, btl_extent columns, bool any_strides) {
    btl_emit *e = p->e;
    bool a = which == 0;
    const char *rows = product_text(p, height);
    product_operand x = { a ? "a" : "b", product_text(p, p->row[which]), product_text(p, p->column[which]) };
    answer dense = p->half ? NO : any_strides ? YES : product_is_dense(p, which, height, columns);
    if (dense == YES) return x;
    const char *width = product_text(p, columns), *room = product_room(p, btl_extent_mul(e, most_rows, columns));
    if (dense == NO) {
        product_pack(p, which, room, rows, width);
        return (product_operand){ room, width, "1" };
    }
    const char *pointer = a ? "pa" : "pb", *row = a ? "row_a" : "row_b", *column = a ? "column_a" : "column_b";
    btl_emit_text(e, "const %s *%s = %s;\nint64_t %s = %s, %s = %s;\nif (!btl_gemm_lies(%s, %s, %s, %s)) {\n", p->type, pointer, x.pointer, row, x.row, column,
                  x.column, row, column, rows, width);
    product_pack(p, which, room, rows, width);
    btl_emit_text(e, "%s = %s, %s = %s, %s = 1;\n}\n", pointer, room, row, width, column);
    return (product_operand){ pointer, row, column };
}

static bool product_is_few(btl_extent x) {
    int64_t value;
    return x.known && btl_dim_is_const(x.known, &value) && value <= BTL_GEMM_FEW;
}

static void product_float(product *p, const char *rows, btl_extent known_rows, btl_extent most_rows) {
    btl_emit *e = p->e;
    bool few = product_is_few(known_rows) && product_is_few(p->n) && product_is_few(p->k);
    bool vector = btl_extent_is(p->n, 1) || btl_extent_is(known_rows, 1);
    product_operand a = product_operand_of(p, 0, known_rows, most_rows, p->k, few || vector);
    product_operand b = product_operand_of(p, 1, p->k, p->k, p->n, few || vector);
    const char *n = product_text(p, p->n), *k = product_text(p, p->k);
    const char *y = p->half ? product_room(p, btl_extent_mul(e, most_rows, p->n)) : "y";
    if (few)
        btl_emit_text(e, "btl_gemm_small_%s(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s);\n", p->name, rows, n, k, a.pointer, a.row, a.column, b.pointer, b.row,
                      b.column, y, n);
    else if (btl_extent_is(p->n, 1))
        btl_emit_text(e, "btl_gemv_%s($rt %s, %s, %s, %s, %s, %s, %s, %s, 1);\n", p->name, rows, k, a.pointer, a.row, a.column, b.pointer, b.row, y);
    else if (vector)
        btl_emit_text(e, "btl_gemv_%s($rt %s, %s, %s, %s, %s, %s, %s, %s, 1);\n", p->name, n, k, b.pointer, b.column, b.row, a.pointer, a.column, y);
    else
        btl_emit_text(e, "btl_gemm_%s($rt %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s);\n", p->name, rows, n, k, a.pointer, a.row, a.column, b.pointer, b.row,
                      b.column, y, n);
    if (!p->half) return;
    btl_emit_text(e, "{\nconst float *wide = %s;\nBTL_SIMD for (int64_t i = 0; i < %s * %s; i++) y[i] = %s;\n}\n", y, rows, n,
                  btl_loops_cast(e, BTL_F32, p->dtype, "wide[i]"));
}

/* ---- integers ----------------------------------------------------------------------------- */

/* y's rows one after the other, in unsigned arithmetic, which wraps. */
static void product_integer(product *p, const char *rows) {
    btl_emit *e = p->e;
    const char *wide = btl_dtype_bytes(p->dtype) == 8 ? "uint64_t" : "uint32_t", *n = product_text(p, p->n);
    const char *j = btl_loops_add_step(e, NULL, "j", p->column[1]), *v = btl_emit_format(e, "v[%s]", j ? j : "0");
    const char *u = btl_loops_add_step(e, btl_loops_add_step(e, NULL, "i", p->row[0]), "q", p->column[0]);
    btl_emit_text(e, "for (int64_t i = 0; i < %s; i++) {\n%s *t = y + i * %s;\nfor (int64_t j = 0; j < %s; j++) t[j] = 0;\n", rows, p->type, n, n);
    btl_emit_text(e, "for (int64_t q = 0; q < %s; q++) {\nconst %s u = a[%s];\nconst %s *v = %s;\n", product_text(p, p->k), p->type, u ? u : "0", p->type,
                  btl_loops_add_step(e, "b", "q", p->row[1]));
    btl_emit_text(e, "BTL_SIMD for (int64_t j = 0; j < %s; j++) ", n);
    if (p->dtype == BTL_BOOL) btl_emit_text(e, "t[j] = (uint8_t)(t[j] | (u & %s));\n}\n}\n", v);
    else btl_emit_text(e, "t[j] = (%s)((%s)t[j] + (%s)u * (%s)%s);\n}\n}\n", p->type, wide, wide, wide, v);
}

/* ---- the whole ---------------------------------------------------------------------------- */

btl_status btl_matmul_emit(btl_emit *e) {
    product p = product_of(e);
    const btl_type *y = btl_emit_type(e, btl_emit_out(e, 0));
    product_join(&p);
    btl_extent all = product_all_rows(&p), known = p.joined == YES ? all : p.joined == NO ? p.m : (btl_extent){ NULL, "rows" };
    const char *rows = product_text(&p, known), *pointer[2] = { "x0", "x1" }, *to = "y0", *type = btl_emit_ctype(y->dtype);
    int loops = 0;
    if (p.joined == RUN) btl_emit_text(e, "const int joined = %s;\nconst int64_t rows = joined ? %s : %s;\n", p.joined_if, product_text(&p, all), product_text(&p, p.m));
    for (int i = 0; i < p.rank && p.joined != YES; i++) {
        if (btl_dim_is(p.dims[i], 1)) continue;
        const char *size = btl_emit_size(e, p.dims[i]);
        btl_emit_text(e, p.joined == RUN ? "for (int64_t i%d = 0; i%d < (joined ? 1 : %s); i%d++) {\n" : "for (int64_t i%d = 0; i%d < %s; i%d++) {\n", i, i, size, i);
        const char *variable = btl_emit_format(e, "i%d", i);
        for (int k = 0; k < 2; k++) pointer[k] = btl_loops_add_step(e, pointer[k], variable, p.lead[k][i]);
        to = btl_loops_add_step(e, to, variable, btl_extent_stride(e, btl_emit_out(e, 0), i));
        loops++;
    }
    btl_emit_text(e, "const %s *a = %s, *b = %s;\n%s *y = %s;\n", type, pointer[0], pointer[1], type, to);
    if (btl_dtype_kind(y->dtype) == 'f') product_float(&p, rows, known, p.joined == NO ? p.m : all);
    else product_integer(&p, rows);
    for (; loops; loops--) btl_emit_text(e, "}\n");
    if (p.has_work) btl_emit_work(e, p.work);
    return BTL_OK;
}
