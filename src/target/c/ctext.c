/* ctext.c - strings, comments and numbers as C text.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/written.h"

#include <math.h>
#include <string.h>

void btl_ctext_comment(btl_text *t, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        char c = text[i], next = i + 1 < length ? text[i + 1] : 0;
        if ((unsigned char)c < 32 || c == 127) c = ' ';
        btl_text_addn(t, &c, 1);
        bool pair = (c == '*' && next == '/') || (c == '/' && next == '*') || (c == '?' && next == '?') || (c == '\\' && !next);
        if (pair) btl_text_add(t, " ");
    }
}

void btl_ctext_string(btl_text *t, const char *text) {
    btl_text_add(t, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\' || c == '?') btl_text_printf(t, "\\%c", c); /* ?: no trigraphs */
        else if (c < 32 || c == 127) btl_text_printf(t, "\\%03o", c);
        else btl_text_addn(t, text, 1);
    }
    btl_text_add(t, "\"");
}

/* Not finite: with all bits. */
static void ctext_special(btl_text *t, bool negative, bool infinite, uint64_t payload, bool quiet, const char *suffix) {
    if (negative) btl_text_add(t, "-");
    if (infinite) btl_text_printf(t, "__builtin_inf%s()", suffix);
    else if (payload) btl_text_printf(t, "__builtin_nan%s%s(\"0x%llx\")", quiet ? "" : "s", suffix, (unsigned long long)payload);
    else btl_text_printf(t, "__builtin_nan%s(\"\")", suffix);
}

void btl_ctext_element(btl_text *t, btl_dtype dtype, const void *element) {
    union { float f; double d; uint8_t u8; int8_t i8; uint16_t u16; int16_t i16; uint32_t u32; int32_t i32; uint64_t u64; int64_t i64; } v;
    memcpy(&v, element, btl_dtype_bytes(dtype));
    switch (dtype) {
    case BTL_BOOL: btl_text_add(t, v.u8 ? "1" : "0"); break;
    case BTL_I8: btl_text_printf(t, "%d", v.i8); break;
    case BTL_I16: btl_text_printf(t, "%d", v.i16); break;
    case BTL_I32: btl_text_printf(t, v.i32 == INT32_MIN ? "-2147483647 - 1" : "%d", v.i32); break;
    case BTL_I64: btl_text_printf(t, v.i64 == INT64_MIN ? "-9223372036854775807ll - 1" : "%lldll", (long long)v.i64); break;
    case BTL_U8: btl_text_printf(t, "%u", v.u8); break;
    case BTL_U16: btl_text_printf(t, "%u", v.u16); break;
    case BTL_F16: case BTL_BF16: btl_text_printf(t, "0x%04x", v.u16); break;
    case BTL_U32: btl_text_printf(t, "%uu", v.u32); break;
    case BTL_U64: btl_text_printf(t, "%lluull", (unsigned long long)v.u64); break;
    case BTL_F32:
        if (isfinite(v.f)) btl_text_add_float(t, v.f), btl_text_add(t, "f");
        else ctext_special(t, v.u32 >> 31, isinf(v.f), v.u32 & 0x3fffff, v.u32 >> 22 & 1, "f");
        break;
    default:
        if (isfinite(v.d)) btl_text_add_double(t, v.d);
        else ctext_special(t, v.u64 >> 63, isinf(v.d), v.u64 & 0x7ffffffffffffu, v.u64 >> 51 & 1, "");
    }
}

static bool ctext_all_zero(const char *p, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (p[i]) return false;
    return true;
}

void btl_ctext_elements(btl_text *t, const btl_array *array) {
    btl_dtype dtype = BTL_F32;
    btl_array_dtype(array, &dtype);
    const char *p = btl_array_data(array);
    int64_t n = btl_array_elems(array);
    size_t item = btl_dtype_bytes(dtype);
    if (ctext_all_zero(p, (size_t)n * item)) {
        btl_text_add(t, "{ 0 }");
        return;
    }
    btl_text_add(t, "{");
    for (int64_t i = 0; i < n; i++) {
        if (n > 8) btl_text_add(t, i % 8 ? " " : "\n    ");
        else btl_text_add(t, " ");
        btl_ctext_element(t, dtype, p + (size_t)i * item);
        if (i + 1 < n) btl_text_add(t, ",");
    }
    btl_text_add(t, n > 8 ? "\n}" : " }");
}

const char *btl_ctext_place(btl_arena *a, const btl_places *places) {
    if (!places) return "";
    const char *file = places->place->file ? places->place->file : "?", *slash = strrchr(file, '/');
    btl_text t;
    btl_text_init(&t, a);
    file = slash ? slash + 1 : file;
    btl_ctext_comment(&t, file, strlen(file));
    btl_text_printf(&t, ":%d", places->place->line);
    return t.data;
}
