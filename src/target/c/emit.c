/* emit.c - what an op's emit may ask (expr/emit.h): sizes, strides, text.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/kernel.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const btl_type *btl_emit_type(const btl_emit *e, int operand) { return e->state->values[operand].type; }

/* An op of one's own may ask for what is not there; that is told when its emit returns. */
static bool emit_has(const btl_emit *e, int operand, int axis) {
    const btl_node *n = e->node;
    bool there = operand >= 0 && operand < n->nin + n->nout && axis >= -1 && (axis < 0 || axis < btl_emit_type(e, operand)->rank);
    if (!there) btl_fail(e->g, BTL_EPLUGIN, "its emit asks for axis %d of operand %d, which is not there", axis, operand);
    return there;
}

btl_dtype btl_emit_dtype(const btl_emit *e, int operand) { return emit_has(e, operand, -1) ? btl_emit_type(e, operand)->dtype : BTL_BOOL; }
int btl_emit_rank(const btl_emit *e, int operand) { return emit_has(e, operand, -1) ? btl_emit_type(e, operand)->rank : 0; }

void btl_emit_text(btl_emit *e, const char *format, ...) {
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    char *text = btl_arena_alloc(e->state->arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    btl_text_addn(&e->state->body, text, (size_t)length);
}

const char *btl_emit_format(btl_emit *e, const char *format, ...) {
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    char *text = btl_arena_alloc(e->state->arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

/* ---- sizes -------------------------------------------------------------------------------- */

enum { EMIT_NUMBER = 64 }; /* sizes up to it are written as numbers */

static bool emit_arg_equal(const btl_c_arg *a, const btl_c_arg *b) {
    return a->kind == b->kind && a->size == b->size && a->operand == b->operand && a->axis == b->axis;
}

static const char *emit_arg(btl_emit *e, btl_c_arg arg) {
    btl_emit_state *s = e->state;
    int i = 0;
    while (i < s->nargs && !emit_arg_equal(&s->args[i], &arg)) i++;
    if (i == s->nargs) *BTL_PUSH(s->arena, s->args, s->nargs, s->args_capacity) = arg;
    return arg.kind == C_ARG_SIZE ? btl_emit_format(e, "n%d", i) : btl_emit_format(e, "n%d_x%d", i, arg.operand); /* kinds must show in the text */
}

const char *btl_emit_size(btl_emit *e, const btl_dim *d) {
    int64_t value;
    if (btl_dim_is_const(d, &value) && value >= -EMIT_NUMBER && (value <= EMIT_NUMBER || (e->state->small && value < INT32_MAX)))
        return btl_emit_format(e, value < 0 ? "(%lld)" : "%lld", (long long)value);
    return emit_arg(e, (btl_c_arg){ .kind = C_ARG_SIZE, .size = d });
}

const char *btl_emit_dim(btl_emit *e, int operand, int axis) {
    if (axis < 0 || !emit_has(e, operand, axis)) return "0";
    return btl_emit_size(e, btl_emit_type(e, operand)->dims[axis]);
}

const btl_dim *btl_emit_known_stride(const btl_emit *e, int operand, int axis) {
    if (axis < 0 || !emit_has(e, operand, axis)) return NULL;
    return e->state->values[operand].strides[axis];
}

const char *btl_emit_stride(btl_emit *e, int operand, int axis) {
    if (axis < 0 || !emit_has(e, operand, axis)) return "0";
    const btl_dim *known = btl_emit_known_stride(e, operand, axis);
    return known ? btl_emit_size(e, known) : emit_arg(e, (btl_c_arg){ .kind = C_ARG_STRIDE, .operand = operand, .axis = axis });
}

const char *btl_emit_elems(btl_emit *e, int operand) {
    if (!emit_has(e, operand, -1)) return "0";
    return btl_emit_size(e, btl_type_elems(e->g, btl_emit_type(e, operand)));
}

bool btl_emit_is_row_major(const btl_emit *e, int operand) {
    if (!emit_has(e, operand, -1)) return false;
    const btl_type *t = btl_emit_type(e, operand);
    const btl_dim *step = btl_dim_const(e->g, 1);
    for (int k = t->rank - 1; k >= 0; k--) {
        if (!btl_dim_is(t->dims[k], 1) && btl_emit_known_stride(e, operand, k) != step) return false;
        step = btl_dim_mul(e->g, step, t->dims[k]);
    }
    return true;
}

/* ---- the rest ----------------------------------------------------------------------------- */

void btl_emit_work(btl_emit *e, const btl_dim *bytes) { e->state->work = bytes; }

const char *btl_emit_fold(btl_emit *e, const btl_op *combine, btl_dtype dtype) {
    btl_c_folds *f = e->state->folds;
    int i = 0;
    while (i < f->n && (f->v[i].combine != combine || f->v[i].dtype != dtype)) i++;
    if (i == f->n) *BTL_PUSH(e->state->arena, f->v, f->n, f->capacity) = (btl_c_fold){ combine, dtype };
    return btl_emit_format(e, "btl_fold_%s_%s", combine->name, btl_dtype_name(dtype));
}

void btl_emit_support(btl_emit *e, const char *text) {
    btl_emit_state *s = e->state;
    if (!text || !*text) return;
    for (int i = 0; i < s->nsupport; i++)
        if (strcmp(s->support[i], text) == 0) return;
    *BTL_PUSH(s->arena, s->support, s->nsupport, s->support_capacity) = btl_arena_strdup(s->arena, text);
}

void btl_emit_view_stride(btl_emit *e, int axis, const btl_dim *known, const char *text) {
    if (!e->state->view_known || axis < 0 || !emit_has(e, btl_emit_out(e, 0), axis)) return;
    e->state->view_known[axis] = known;
    e->state->view_text[axis] = text;
}

static const char *emit_float(btl_emit *e, double x, const char *suffix, const char *bits) {
    return isfinite(x) ? btl_emit_format(e, signbit(x) ? "(%a%s)" : "%a%s", x, suffix) : bits;
}

const char *btl_emit_literal(btl_emit *e, btl_dtype dtype, const void *element) {
    union { float f; double d; uint8_t u8; int8_t i8; uint16_t u16; int16_t i16; uint32_t u32; int32_t i32; uint64_t u64; int64_t i64; } v;
    memcpy(&v, element, btl_dtype_bytes(dtype));
    switch (dtype) {
    case BTL_BOOL: return v.u8 ? "1" : "0";
    case BTL_I8: return btl_emit_format(e, "(%d)", v.i8);
    case BTL_I16: return btl_emit_format(e, "(%d)", v.i16);
    case BTL_I32: return v.i32 == INT32_MIN ? "(-2147483647 - 1)" : btl_emit_format(e, "(%d)", v.i32);
    case BTL_I64: return v.i64 == INT64_MIN ? "(-9223372036854775807ll - 1)" : btl_emit_format(e, "(%lldll)", (long long)v.i64);
    case BTL_U8: return btl_emit_format(e, "%uu", v.u8);
    case BTL_U16: case BTL_F16: case BTL_BF16: return btl_emit_format(e, "%uu", v.u16);
    case BTL_U32: return btl_emit_format(e, "%uu", v.u32);
    case BTL_U64: return btl_emit_format(e, "%lluull", (unsigned long long)v.u64);
    case BTL_F32: return emit_float(e, (double)v.f, "f", btl_emit_format(e, "btl_float32(0x%xu)", v.u32));
    default: return emit_float(e, v.d, "", btl_emit_format(e, "btl_float64(0x%llxull)", (unsigned long long)v.u64));
    }
}
