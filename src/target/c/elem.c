/* elem.c - see elem.h. SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/elem.h"

#include "expr/emit.h"
#include "ops/cast.h"

bool btl_elem_is_half(btl_dtype dtype) { return dtype == BTL_F16 || dtype == BTL_BF16; }

btl_dtype btl_elem_computed(btl_dtype dtype) { return btl_elem_is_half(dtype) ? BTL_F32 : dtype; }

const char *btl_emit_ctype(btl_dtype dtype) {
    static const char *const names[BTL_NDTYPES] = {
        [BTL_BOOL] = "uint8_t", [BTL_I8] = "int8_t",     [BTL_I16] = "int16_t",
        [BTL_I32] = "int32_t",  [BTL_I64] = "int64_t",   [BTL_U8] = "uint8_t",
        [BTL_U16] = "uint16_t", [BTL_U32] = "uint32_t",  [BTL_U64] = "uint64_t",
        [BTL_F16] = "uint16_t", [BTL_BF16] = "uint16_t", [BTL_F32] = "float",
        [BTL_F64] = "double",
    };
    return names[dtype];
}

const char *btl_elem_code(const btl_elem *elem, btl_dtype dtype) {
    switch (btl_dtype_kind(dtype)) {
    case 'b':
        return elem->code_bool;
    case 'i':
        return elem->code_signed;
    case 'u':
        return elem->code_unsigned;
    default:
        return elem->code_float;
    }
}

void btl_elem_expand(btl_text *t, const char *code, const char *const *operand, btl_dtype dtype, btl_dtype to) {
    for (const char *p = code; *p; p++) {
        if (*p != '$') {
            btl_text_addn(t, p, 1);
            continue;
        }
        switch (*++p) {
        case 't':
            btl_text_add(t, btl_dtype_name(dtype));
            break;
        case 'T':
            btl_text_add(t, btl_emit_ctype(dtype));
            break;
        case 'U': /* without a sign; at least int's width, which nothing promotes */
            btl_text_add(t, btl_dtype_bytes(dtype) == 8 ? "uint64_t" : "uint32_t");
            break;
        case 'f':
            btl_text_add(t, dtype == BTL_F32 ? "f" : "");
            break;
        case 'r':
            btl_text_add(t, btl_dtype_name(to));
            break;
        default:
            btl_text_add(t, operand[*p - '0']);
        }
    }
}

const char *btl_elem_load(btl_arena *a, btl_dtype dtype, const char *element) {
    btl_text t;
    if (!btl_elem_is_half(dtype)) return element;
    btl_text_init(&t, a);
    btl_elem_expand(&t, btl_cast_code(dtype, BTL_F32), &element, dtype, BTL_F32);
    return t.data;
}

void btl_elem_assign(btl_text *t, const char *code, const char *const *operand, btl_dtype dtype, btl_dtype to, const char *target) {
    btl_dtype computed = btl_elem_computed(dtype), result = btl_elem_computed(to);
    if (!btl_elem_is_half(to)) {
        btl_text_printf(t, "%s = (", target);
        btl_elem_expand(t, code, operand, computed, result);
        btl_text_add(t, ");");
        return;
    }
    btl_text_printf(t, "{ const float r = (");
    btl_elem_expand(t, code, operand, computed, result);
    const char *r = "r";
    btl_text_printf(t, "); %s = ", target);
    btl_elem_expand(t, btl_cast_code(BTL_F32, to), &r, BTL_F32, to);
    btl_text_add(t, "; }");
}
