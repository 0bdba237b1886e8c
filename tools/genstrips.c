/* genstrips.c - writes the strip kernels: `genstrips OUT.c`, run while Bitale is built.
 *
 * One C file with a static function for every elementwise op and dtype, every cast, and, for every
 * reduction's op, the function that folds a run of elements into 32 lanes. The loops are made of
 * the ops' own C text (btl_elem in expr/op.h), of which generated code is made too: one text, the
 * same bits. The file needs no header; it is compiled once per instruction set, with
 * BTL_STRIPS_TABLE as the name of its one exported table.
 *
 * f16 and bf16 are computed in f32. Only short texts get kernels of these types of their own: where
 * a function of vecmath is called, the interpreter casts, runs the f32 kernel and casts back, which
 * gives the same bits and halves the size of all kernels.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "generator.h"

#include "expr/emit.h"
#include "ops/cast.h"
#include "target/c/elem.h"
#include "target/snippets.h"
#include "vm/strips.h"

#include <stdio.h>
#include <string.h>

typedef struct gen {
    btl_arena *arena;
    btl_text code, table;
} gen;

/* ---- statements --------------------------------------------------------------------------- */

static const char *gen_storage(btl_dtype dtype) { return btl_emit_ctype(dtype); }

/* Adds "target = code(operands);": operands are lvalues of in[k], which are loaded once. */
static void gen_statement(gen *g, const char *code, int nin, const btl_dtype *in,
                          const char *const *element, btl_dtype to, const char *target) {
    static const char *const locals[3] = { "x", "y", "z" };
    for (int k = 0; k < nin; k++)
        btl_text_printf(&g->code, "const %s %s = %s; ", gen_storage(btl_elem_computed(in[k])), locals[k],
                        btl_elem_load(g->arena, in[k], element[k]));
    btl_elem_assign(&g->code, code, locals, in[nin - 1], to, target);
}

/* ---- kernels ------------------------------------------------------------------------------ */

static void gen_entry(gen *g, const char *op, btl_dtype dtype, btl_dtype to, const char *function) {
    btl_text_printf(&g->table, "    { \"%s\", %d, %d, %s },\n", op, (int)dtype, (int)to, function);
}

static void gen_loop(gen *g, const char *function, const char *code, int nin, const btl_dtype *in,
                     btl_dtype to) {
    static const char *const element[3] = { "a[i]", "b[i]", "c[i]" };
    btl_text_printf(&g->code, "static void %s(int64_t n, const void *const *in, void *out) {\n",
                    function);
    for (int k = 0; k < nin; k++)
        btl_text_printf(&g->code, "    const %s *%c = in[%d];\n", gen_storage(in[k]), 'a' + k, k);
    btl_text_printf(&g->code, "    %s *o = out;\n    LOOP(n) { ", gen_storage(to));
    gen_statement(g, code, nin, in, element, to, "o[i]");
    btl_text_add(&g->code, " }\n}\n");
}

/* The same in two texts: the near one where no element of the strip lies beyond the limit. */
static void gen_near_loop(gen *g, const char *function, const btl_elem *elem, btl_dtype dtype) {
    static const char *const element = "a[i]";
    const char *type = gen_storage(dtype);
    btl_text_printf(
        &g->code,
        "static void %s(int64_t n, const void *const *in, void *out) {\n"
        "    const %s *a = in[0];\n    %s *o = out;\n    int far = 0;\n"
        "    _Pragma(\"omp simd reduction(|:far)\") for (int64_t i = 0; i < n; i++)\n"
        "        far |= !(a[i] <= (%s)%a && a[i] >= (%s)%a);\n    if (far) {\n    LOOP(n) { ",
        function, type, type, type, dtype == BTL_F32 ? elem->near_f32 : elem->near_f64, type,
        dtype == BTL_F32 ? -elem->near_f32 : -elem->near_f64);
    gen_statement(g, elem->code_float, 1, &dtype, &element, dtype, "o[i]");
    btl_text_add(&g->code, " }\n    } else {\n    LOOP(n) { ");
    gen_statement(g, elem->code_near, 1, &dtype, &element, dtype, "o[i]");
    btl_text_add(&g->code, " }\n    }\n}\n");
}

/* Pairs of these on f32 and f64 are one kernel each: a chain's values go through L1 half as often.
 * "join.mul.sub" is (x * y) - z, "join.mul.rsub" z - (x * y): two roundings, as before. */
static void gen_joined_kernels(gen *g) {
    static const char *const names[4] = { "add", "sub", "mul", "rsub" };
    static const char *const signs[3] = { "+", "-", "*" };
    static const char *const second[4] = { "t + c[i]", "t - c[i]", "t * c[i]", "c[i] - t" };
    for (int d = 0; d < 2; d++)
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < 4; k++) {
                btl_dtype dtype = d ? BTL_F64 : BTL_F32;
                const char *type = gen_storage(dtype);
                const char *op = btl_arena_printf(g->arena, "join.%s.%s", names[i], names[k]);
                const char *function = btl_arena_printf(g->arena, "join_%s_%s_%s", names[i], names[k], btl_dtype_name(dtype));
                btl_text_printf(&g->code,
                                "static void %s(int64_t n, const void *const *in, void *out) {\n"
                                "    const %s *a = in[0];\n    const %s *b = in[1];\n    const %s *c = in[2];\n    %s *o = out;\n"
                                "    LOOP(n) { const %s t = a[i] %s b[i]; o[i] = %s; }\n}\n",
                                function, type, type, type, type, type, signs[i], second[k]);
                gen_entry(g, op, dtype, dtype, function);
            }
}

/* An op on operands of one dtype (where's condition is bool). */
static void gen_elem_kernel(gen *g, const btl_op *op, btl_dtype dtype) {
    const char *code = btl_elem_code(op->elem, dtype);
    btl_dtype in[3] = { dtype, dtype, dtype }, to = op->elem->to_bool ? BTL_BOOL : dtype;
    if (!code || op->max_in > 3 || (btl_elem_is_half(dtype) && strstr(code, "btl_"))) return;
    if (op->promote == PROMOTE_WHERE) in[0] = BTL_BOOL;
    const char *function = btl_arena_printf(g->arena, "%s_%s", op->name, btl_dtype_name(dtype));
    if (op->elem->code_near && code == op->elem->code_float)
        gen_near_loop(g, function, op->elem, dtype);
    else
        gen_loop(g, function, code, op->max_in, in, to);
    gen_entry(g, op->name, dtype, to, function);
}

static void gen_cast_kernel(gen *g, btl_dtype from, btl_dtype to) {
    const char *element = "a[i]", *function;
    function = btl_arena_printf(g->arena, "cast_%s_%s", btl_dtype_name(from), btl_dtype_name(to));
    btl_text_printf(
        &g->code,
        "static void %s(int64_t n, const void *const *in, void *out) {\n"
        "    const %s *a = in[0];\n    %s *o = out;\n    LOOP(n) { const %s x = a[i]; o[i] = ",
        function, gen_storage(from), gen_storage(to), gen_storage(from));
    element = "x";
    btl_elem_expand(&g->code, btl_cast_code(from, to), &element, from, to);
    btl_text_add(&g->code, "; }\n}\n");
    gen_entry(g, "cast", from, to, function);
}

/* Folds n elements into the lanes: lane i % 32 takes element i. They stay in registers between. */
static void gen_lanes_kernel(gen *g, const btl_op *op, btl_dtype dtype) {
    static const char *const lane[2] = { "s[i]", "a[i]" }, *const element[2] = { "o[i]", "a[i]" };
    const char *code = btl_elem_code(op->elem, dtype), *type = gen_storage(dtype);
    btl_dtype in[2] = { dtype, dtype };
    if (!code) return;
    const char *function =
        btl_arena_printf(g->arena, "%s_lanes_%s", op->name, btl_dtype_name(dtype));
    btl_text_printf(
        &g->code,
        "static void %s(int64_t n, const void *const *in, void *out) {\n    const %s *a = in[0];\n"
        "    %s *o = out;\n    if (n >= %d) {\n    %s s[%d];\n    LOOP(%d) s[i] = o[i];\n"
        "    for (; n >= %d; n -= %d, a += %d)\n    LOOP(%d) { ",
        function, type, type, BTL_STRIP_LANES, type, BTL_STRIP_LANES, BTL_STRIP_LANES,
        BTL_STRIP_LANES, BTL_STRIP_LANES, BTL_STRIP_LANES, BTL_STRIP_LANES);
    gen_statement(g, code, 2, in, lane, dtype, "s[i]");
    btl_text_printf(&g->code, " }\n    LOOP(%d) o[i] = s[i];\n    }\n    LOOP(n) { ",
                    BTL_STRIP_LANES);
    gen_statement(g, code, 2, in, element, dtype, "o[i]");
    btl_text_add(&g->code, " }\n}\n");
    gen_entry(g, btl_arena_printf(g->arena, "%s.lanes", op->name), dtype, dtype, function);
}

/* The tree over 32 lanes, of n rows of them: one result each. */
static void gen_tree_kernel(gen *g, const btl_op *op, btl_dtype dtype) {
    const char *code = btl_elem_code(op->elem, dtype), *type = gen_storage(dtype), *from = "a";
    btl_dtype in[2] = { dtype, dtype };
    if (!code) return;
    const char *function = btl_arena_printf(g->arena, "%s_tree_%s", op->name, btl_dtype_name(dtype));
    btl_text_printf(&g->code,
                    "static void %s(int64_t n, const void *const *in, void *out) {\n    const %s *a = in[0];\n    %s *o = out;\n"
                    "    for (int64_t row = 0; row < n; row++, a += %d) {\n    %s s[%d];\n",
                    function, type, type, BTL_STRIP_LANES, type, BTL_STRIP_LANES / 2);
    for (int w = BTL_STRIP_LANES / 2; w >= 1; w /= 2, from = "s") {
        const char *element[2] = { btl_arena_printf(g->arena, "%s[i]", from), btl_arena_printf(g->arena, "%s[i + %d]", from, w) };
        btl_text_printf(&g->code, "    LOOP(%d) { ", w);
        gen_statement(g, code, 2, in, element, dtype, "s[i]");
        btl_text_add(&g->code, " }\n");
    }
    btl_text_add(&g->code, "    o[row] = s[0];\n    }\n}\n");
    gen_entry(g, btl_arena_printf(g->arena, "%s.tree", op->name), dtype, dtype, function);
}

static bool gen_combine_is_new(int i) {
    for (int k = 0; k < i; k++)
        if (btl_ops[k]->reduction &&
            btl_ops[k]->reduction->combine == btl_ops[i]->reduction->combine)
            return false;
    return true;
}

static bool gen_is_first(int i) {
    for (int k = 0; k < i; k++)
        if (btl_ops[k] == btl_ops[i]) return false;
    return true;
}

/* ---- the file ----------------------------------------------------------------------------- */

static const char gen_head[] =
    "/* Strip kernels, written by tools/genstrips.c from the ops' texts. */\n"
    "typedef __INT8_TYPE__ int8_t; typedef __INT16_TYPE__ int16_t; typedef __INT32_TYPE__ "
    "int32_t;\n"
    "typedef __INT64_TYPE__ int64_t; typedef __UINT8_TYPE__ uint8_t; typedef __UINT16_TYPE__ "
    "uint16_t;\n"
    "typedef __UINT32_TYPE__ uint32_t; typedef __UINT64_TYPE__ uint64_t;\n"
    "#define LOOP(count) _Pragma(\"omp simd\") for (int64_t i = 0; i < (count); i++)\n\n";

static const char gen_table_head[] =
    "\ntypedef void (*btl_strip_fn)(int64_t, const void *const *, void *);\n"
    "typedef struct btl_strip_kernel { const char *op; int dtype, to; btl_strip_fn fn; } "
    "btl_strip_kernel;\n"
    "extern const btl_strip_kernel BTL_STRIPS_TABLE[];\n"
    "const btl_strip_kernel BTL_STRIPS_TABLE[] = {\n";

static void gen_kernels(gen *g) {
    for (int i = 0; btl_ops[i]; i++) {
        const btl_op *op = btl_ops[i];
        for (int d = 0; op->elem && gen_is_first(i) && d < BTL_NDTYPES; d++)
            gen_elem_kernel(g, op, (btl_dtype)d);
        for (int d = 0; op->reduction && gen_combine_is_new(i) && d < BTL_NDTYPES; d++) {
            gen_lanes_kernel(g, op->reduction->combine, (btl_dtype)d);
            gen_tree_kernel(g, op->reduction->combine, (btl_dtype)d);
        }
    }
    gen_joined_kernels(g);
    for (int from = 0; from < BTL_NDTYPES; from++)
        for (int to = 0; to < BTL_NDTYPES; to++)
            if (from != to && btl_cast_code((btl_dtype)from, (btl_dtype)to))
                gen_cast_kernel(g, (btl_dtype)from, (btl_dtype)to);
}

static btl_status gen_file(void *arg) {
    const generator *file = arg;
    gen *g = &(gen){ .arena = file->arena };
    btl_snippets snippets = { 0 };
    btl_text head;
    btl_text_init(&head, g->arena);
    btl_text_init(&g->code, g->arena);
    btl_text_init(&g->table, g->arena);
    btl_text_add(&head, gen_head);
    btl_text_add(&g->table, gen_table_head);
    gen_kernels(g);
    btl_text_add(&g->table, "    { 0, 0, 0, 0 }\n};\n");
    btl_snippets_add(&snippets, g->arena, btl_vecmath_text);
    btl_snippets_use(&snippets, g->code.data, g->code.length);
    btl_snippets_print(&snippets, &head);
    return generator_write(file, 3, (btl_text[]){ head, g->code, g->table });
}

int main(int argc, char **argv) { return generator_main(argc, argv, "genstrips", gen_file); }
