/* idx.c - the IDX format of the MNIST database (Y. LeCun, C. Cortes, C. Burges).
 *
 *     2 bytes  0 0
 *     1 byte   type: 08 u8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64
 *     1 byte   number of dimensions
 *     4 bytes  each: a size, big-endian
 *     data     row-major, big-endian
 *
 * MNIST is published packed by gzip; that is seen from the first bytes, which cannot be an IDX's.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/io.h"
#include "io/bytes.h"
#include "io/source.h"

static bool idx_dtype_find(unsigned code, btl_dtype *out) {
    static const struct { unsigned code; btl_dtype dtype; } types[] = {
        { 0x08, BTL_U8 }, { 0x09, BTL_I8 }, { 0x0b, BTL_I16 }, { 0x0c, BTL_I32 }, { 0x0d, BTL_F32 }, { 0x0e, BTL_F64 },
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].code != code) continue;
        *out = types[i].dtype;
        return true;
    }
    return false;
}

static btl_status idx_read_source(btl_source *s, btl_array *out, btl_error *err) {
    unsigned char b[4];
    btl_dtype dtype;
    int64_t shape[BTL_MAX_RANK];
    BTL_TRY(btl_source_read(s, b, 4, "the beginning of an IDX file", err));
    if (b[0] || b[1] || !idx_dtype_find(b[2], &dtype))
        return btl_source_fail(s, err, BTL_EFORMAT, 0, "found %02x %02x %02x %02x, expected 00 00, a type 08 09 0b 0c 0d "
                               "or 0e, and the number of dimensions", b[0], b[1], b[2], b[3]);
    int rank = b[3];
    if (rank > BTL_MAX_RANK)
        return btl_source_fail(s, err, BTL_EUNSUPPORTED, 3, "%d dimensions; at most %d can be held", rank, BTL_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        BTL_TRY(btl_source_read(s, b, 4, "a size", err));
        shape[i] = (int64_t)btl_bytes_be(b, 4);
    }
    BTL_TRY(btl_source_read_array(s, dtype, rank, shape, true, out, err));
    btl_status status = btl_source_end(s, err);
    if (status != BTL_OK) btl_array_free(out);
    return status;
}

static btl_status idx_is_packed(btl_source *s, bool *out, btl_error *err) {
    unsigned char b[2] = { 0 };
    size_t got;
    BTL_TRY(btl_source_read_some(s, b, 2, &got, err));
    *out = got == 2 && b[0] == 0x1f && b[1] == 0x8b;
    return btl_source_seek(s, 0, err);
}

btl_status btl_idx_read(btl_context *ctx, const char *path, btl_array *out, btl_error *err) {
    *out = (btl_array){ 0 };
    btl_source s;
    bool is_packed;
    BTL_TRY(btl_source_open(ctx, path, &s, err));
    btl_status status = idx_is_packed(&s, &is_packed, err);
    if (status == BTL_OK && is_packed) {
        btl_source packed = s;
        status = btl_source_open_gzip(&packed, &s, err);
    }
    if (status == BTL_OK) status = idx_read_source(&s, out, err);
    btl_source_close(&s);
    return status;
}
