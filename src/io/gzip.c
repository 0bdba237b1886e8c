/* gzip.c - a source that unpacks another: gzip (RFC 1952) by zlib.
 *
 * zlib is loaded when it is first needed, so that the library itself depends on nothing; BTL_HAVE_ZLIB
 * says that its header was there at build time. It stays loaded: unloading what other threads may be
 * loading gains nothing and is where loaders have their bugs. A file may consist of several gzip members.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/source.h"

#ifndef BTL_HAVE_ZLIB

btl_status btl_source_open_gzip(btl_source *packed, btl_source *out, btl_error *err) {
    *out = (btl_source){ 0 };
    btl_status status = btl_error_set(err, BTL_EUNSUPPORTED, "%.500s: is packed by gzip, and this Bitale was built "
                                      "without zlib\n    hint: unpack it with gunzip", packed->path);
    btl_source_close(packed);
    return status;
}

#else

#include "base/context.h"
#include "base/os.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

enum { GZIP_CHUNK_BYTES = 32768, GZIP_WINDOW = 15 + 16 /* gzip, not zlib */ };
enum { DEFLATE_LARGEST_RATIO = 1032 }; /* 258 bytes from two bits; zlib's own documentation, "maximum compression factor" */

typedef struct gzip_stream {
    btl_source packed;
    void *library;
    int (*inflate)(z_streamp, int);
    int (*reset)(z_streamp);
    int (*end)(z_streamp);
    z_stream z;
    bool is_open, ended; /* ended: between two members */
    unsigned char chunk[GZIP_CHUNK_BYTES];
} gzip_stream;

static void gzip_close(btl_source *s) {
    gzip_stream *g = s->inside;
    if (g->is_open) g->end(&g->z);
    btl_source_close(&g->packed);
    btl_free(s->ctx, g, sizeof *g);
}

static btl_status gzip_refill(gzip_stream *g, btl_error *err) {
    size_t got;
    BTL_TRY(btl_source_read_some(&g->packed, g->chunk, sizeof g->chunk, &got, err));
    g->z.next_in = g->chunk;
    g->z.avail_in = (uInt)got;
    return BTL_OK;
}

static btl_status gzip_fail(gzip_stream *g, const char *what, btl_error *err) {
    return btl_source_fail(&g->packed, err, BTL_EFORMAT, g->packed.at - g->z.avail_in, "the gzip data are damaged: %s",
                           what);
}

/* One step: input is there, or the end of the file. */
static btl_status gzip_step(gzip_stream *g, bool *at_end, btl_error *err) {
    if (g->z.avail_in == 0) BTL_TRY(gzip_refill(g, err));
    bool is_dry = g->z.avail_in == 0;
    if (is_dry && g->ended) {
        *at_end = true;
        return BTL_OK;
    }
    if (g->ended && g->reset(&g->z) != Z_OK) return gzip_fail(g, "unexpected state", err);
    g->ended = false;
    int result = g->inflate(&g->z, Z_NO_FLUSH);
    if (result == Z_STREAM_END) g->ended = true;
    else if (result == Z_MEM_ERROR) return btl_error_set(err, BTL_ENOMEM, "%.500s: out of memory while reading", g->packed.path);
    else if (result != Z_OK && result != Z_BUF_ERROR) return gzip_fail(g, g->z.msg ? g->z.msg : "unexpected state", err);
    else if (is_dry && g->z.avail_out) return gzip_fail(g, "the file ends before they do", err);
    return BTL_OK;
}

static btl_status gzip_read(btl_source *s, void *to, size_t bytes, size_t *got, btl_error *err) {
    gzip_stream *g = s->inside;
    bool at_end = false;
    *got = 0;
    while (*got < bytes && !at_end) {
        size_t want = bytes - *got < INT_MAX ? bytes - *got : INT_MAX;
        g->z.next_out = (unsigned char *)to + *got;
        g->z.avail_out = (uInt)want;
        BTL_TRY(gzip_step(g, &at_end, err));
        *got += want - g->z.avail_out;
    }
    return BTL_OK;
}

static btl_status gzip_load(gzip_stream *g, btl_error *err) {
    char why[200];
    g->library = btl_os_open_library("libz.so.1", why, sizeof why);
    if (!g->library)
        return btl_error_set(err, BTL_EUNSUPPORTED, "%.500s: is packed by gzip, and zlib is not there: %s\n"
                             "    hint: install zlib, or unpack the file with gunzip", g->packed.path, why);
    int (*init)(z_streamp, int, const char *, int) = NULL;
    void *symbols[] = { btl_os_symbol(g->library, "inflateInit2_"), btl_os_symbol(g->library, "inflate"),
                        btl_os_symbol(g->library, "inflateReset"), btl_os_symbol(g->library, "inflateEnd") };
    memcpy(&init, &symbols[0], sizeof init); /* ISO C has no cast from an object pointer to a function's */
    memcpy(&g->inflate, &symbols[1], sizeof g->inflate);
    memcpy(&g->reset, &symbols[2], sizeof g->reset);
    memcpy(&g->end, &symbols[3], sizeof g->end);
    if (!init || !g->inflate || !g->reset || !g->end)
        return btl_error_set(err, BTL_EUNSUPPORTED, "%.500s: is packed by gzip, and the zlib found cannot inflate",
                             g->packed.path);
    int result = init(&g->z, GZIP_WINDOW, ZLIB_VERSION, (int)sizeof g->z);
    g->is_open = result == Z_OK;
    if (g->is_open) return BTL_OK;
    return btl_error_set(err, result == Z_MEM_ERROR ? BTL_ENOMEM : BTL_EUNSUPPORTED,
                         "%.500s: zlib could not be started (%d)", g->packed.path, result);
}

btl_status btl_source_open_gzip(btl_source *packed, btl_source *out, btl_error *err) {
    *out = (btl_source){ 0 };
    gzip_stream *g = btl_alloc(packed->ctx, sizeof *g);
    if (!g) {
        btl_status status = btl_error_set(err, BTL_ENOMEM, "%.500s: out of memory while reading", packed->path);
        btl_source_close(packed);
        return status;
    }
    memset(g, 0, sizeof *g);
    g->packed = *packed;
    uint64_t most = packed->bytes < UINT64_MAX / DEFLATE_LARGEST_RATIO ? packed->bytes * DEFLATE_LARGEST_RATIO : UINT64_MAX;
    *out = (btl_source){ .ctx = packed->ctx, .path = packed->path, .bytes = most, .inside = g, .read = gzip_read,
                         .close = gzip_close };
    btl_status status = gzip_load(g, err);
    if (status != BTL_OK) btl_source_close(out);
    return status;
}

#endif
