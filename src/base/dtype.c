/* dtype.c - the element types: their table, promotion and exact widening.
 * Promotion is NumPy 2's `result_type` of two arrays (NEP 50): never by value, only by type.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/array.h"

#include <assert.h>
#include <string.h>

typedef struct dtype_row {
    const char *name;
    uint8_t bytes;
    char kind;
} dtype_row;

static const dtype_row rows[BTL_NDTYPES] = {
#define DTYPE_ROW(NAME, name, bytes, code, kind) { name, bytes, kind },
    BTL_DTYPE_LIST(DTYPE_ROW)
#undef DTYPE_ROW
};

const char *btl_dtype_name(btl_dtype dtype) {
    return (unsigned)dtype < BTL_NDTYPES ? rows[dtype].name : "?";
}

size_t btl_dtype_bytes(btl_dtype dtype) {
    return (unsigned)dtype < BTL_NDTYPES ? rows[dtype].bytes : 0;
}

char btl_dtype_kind(btl_dtype dtype) {
    return (unsigned)dtype < BTL_NDTYPES ? rows[dtype].kind : '?';
}

bool btl_dtype_find(const char *name, size_t length, btl_dtype *out) {
    for (int i = 0; i < BTL_NDTYPES; i++) {
        if (strlen(rows[i].name) != length || memcmp(rows[i].name, name, length)) continue;
        *out = (btl_dtype)i;
        return true;
    }
    return false;
}

static btl_dtype dtype_of(char kind, int bytes) {
    for (int i = 0; i < BTL_NDTYPES; i++)
        if (rows[i].kind == kind && rows[i].bytes == bytes && i != BTL_BF16) return (btl_dtype)i;
    return BTL_F64; /* no integer is wide enough for both i64 and u64 */
}

static int dtype_max(int a, int b) {
    return a > b ? a : b;
}

/* Two different integer types: signed if either is, and then wider than the unsigned one. */
static btl_dtype dtype_promote_integers(dtype_row a, dtype_row b) {
    if (a.kind == b.kind) return dtype_of(a.kind, dtype_max(a.bytes, b.bytes));
    dtype_row i = a.kind == 'i' ? a : b, u = a.kind == 'i' ? b : a;
    return dtype_of('i', dtype_max(i.bytes, 2 * u.bytes));
}

/* The smallest float that an integer type goes with: 8 bits with any, 16 with f32, more with f64. */
static btl_dtype dtype_promote_mixed(btl_dtype f, dtype_row integer) {
    int bytes = integer.bytes == 1 ? 2 : integer.bytes == 2 ? 4 : 8;
    return rows[f].bytes >= bytes ? f : dtype_of('f', bytes);
}

static btl_dtype dtype_promote_floats(btl_dtype a, btl_dtype b) {
    if (rows[a].bytes == 2 && rows[b].bytes == 2) return BTL_F32; /* f16 with bf16 */
    return rows[a].bytes > rows[b].bytes ? a : b;
}

btl_dtype btl_dtype_promote(btl_dtype a, btl_dtype b) {
    assert((unsigned)a < BTL_NDTYPES && (unsigned)b < BTL_NDTYPES);
    if (a == b || b == BTL_BOOL) return a;
    if (a == BTL_BOOL) return b;
    bool a_floats = rows[a].kind == 'f', b_floats = rows[b].kind == 'f';
    if (a_floats && b_floats) return dtype_promote_floats(a, b);
    if (a_floats) return dtype_promote_mixed(a, rows[b]);
    if (b_floats) return dtype_promote_mixed(b, rows[a]);
    return dtype_promote_integers(rows[a], rows[b]);
}

/* Bits of an integer's largest magnitude, or of a float's significand. (The least value of a
 * signed type is a power of two, so that its sign bit needs no bit of the significand.) */
static int dtype_digits(btl_dtype d) {
    switch (d) {
    case BTL_BOOL: return 1;
    case BTL_F16: return 11;
    case BTL_BF16: return 8;
    case BTL_F32: return 24;
    case BTL_F64: return 53;
    default: return 8 * rows[d].bytes - (rows[d].kind == 'i');
    }
}

bool btl_dtype_can_widen(btl_dtype from, btl_dtype to) {
    assert((unsigned)from < BTL_NDTYPES && (unsigned)to < BTL_NDTYPES);
    if (from == to || from == BTL_BOOL) return true;
    char f = rows[from].kind, t = rows[to].kind;
    if (t == 'b' || (f == 'f' && t != 'f') || (f == 'i' && t == 'u')) return false;
    if (f == 'f') return rows[to].bytes > rows[from].bytes; /* more range as well as more digits */
    return dtype_digits(from) <= dtype_digits(to);
}
