/* load.c - the array that a word of the command line names: see btl_load in bitale/io.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/io.h"

#include "base/array.h"
#include "base/context.h"
#include "io/npy.h"
#include "io/source.h"

#include <string.h>

static bool load_ends_with(const char *s, size_t length, const char *end) {
    size_t n = strlen(end);
    return length >= n && memcmp(s + length - n, end, n) == 0;
}

static const char *load_skip(const char *s, const char *end, char low, char high) {
    while (s < end && (*s | 32) >= low && (*s | 32) <= high) s++;
    return s;
}

/* What follows "idx": nothing, or a digit and a hyphen and a word, as in idx3-ubyte. */
static bool load_is_idx_tail(const char *s, const char *end) {
    const char *p = load_skip(s, end, '0', '9');
    if (p == end) return true;
    return *p == '-' && p > s && load_skip(p + 1, end, 'a', 'z') == end;
}

/* "x.idx", "train-images-idx3-ubyte", "t10k-labels.idx1-ubyte", each perhaps with ".gz". */
static bool load_is_idx(const char *spec) {
    size_t length = strlen(spec);
    if (load_ends_with(spec, length, ".gz")) length -= 3;
    const char *end = spec + length, *p = spec;
    while ((p = strstr(p, "idx")) && p < end) {
        p += 3;
        if (p - spec > 3 && (p[-4] == '-' || p[-4] == '.') && load_is_idx_tail(p, end)) return true;
    }
    return false;
}

/* All that a source holds, as u8. */
static btl_status load_bytes(btl_source *s, btl_array *out, btl_error *err) {
    int64_t size = (int64_t)s->bytes;
    BTL_TRY(btl_source_read_array(s, BTL_U8, 1, &size, false, out, err));
    return BTL_OK;
}

static btl_status load_any(btl_context *ctx, const char *path, btl_array *out, btl_error *err) {
    btl_source s;
    char head[BTL_NPY_MAGIC_BYTES];
    size_t got = 0;
    bool is_npy = false;
    BTL_TRY(btl_source_open(ctx, path, &s, err));
    btl_status status = BTL_OK;
    if (strcmp(path, "-") == 0) { /* in memory, so that it can be looked at */
        status = btl_source_read_some(&s, head, sizeof head, &got, err);
        is_npy = btl_npy_has_magic(head, got);
        if (status == BTL_OK) status = btl_source_seek(&s, 0, err);
    }
    if (status == BTL_OK) status = is_npy ? btl_npy_read_source(&s, out, err) : load_bytes(&s, out, err);
    btl_source_close(&s);
    return status;
}

typedef btl_status (*load_named_fn)(btl_context *, const char *path, const char *name, btl_array *, btl_error *);

/* FILE.npz:NAME and the like, split at `colon` (the end if there is none). */
static btl_status load_named(btl_context *ctx, const char *spec, const char *colon, load_named_fn read, btl_array *out,
                             btl_error *err) {
    size_t length = (size_t)(colon - spec);
    char *path = btl_alloc(ctx, length + 1);
    if (!path) return btl_error_set(err, BTL_ENOMEM, "%.500s: out of memory", spec);
    memcpy(path, spec, length);
    path[length] = 0;
    btl_status status = read(ctx, path, *colon ? colon + 1 : "", out, err);
    btl_free(ctx, path, length + 1);
    return status;
}

btl_status btl_load(btl_context *ctx, const char *spec, btl_array *out, btl_error *err) {
    static const struct { const char *ending; load_named_fn read; } named[] = {
        { ".npz:", btl_npz_read },
        { ".safetensors:", btl_safetensors_load },
        { ".csv:", btl_csv_read },
    };
    *out = (btl_array){ 0 };
    size_t length = strlen(spec);
    const char *colon = NULL;
    load_named_fn read = NULL;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        size_t n = strlen(named[i].ending) - 1; /* without the colon */
        const char *found = strstr(spec, named[i].ending);
        if (!found && length >= n && memcmp(spec + length - n, named[i].ending, n) == 0) found = spec + length - n;
        if (!found || (colon && found + n > colon)) continue;
        colon = found + n;
        read = named[i].read;
    }
    if (read) return load_named(ctx, spec, colon, read, out, err);
    if (load_ends_with(spec, length, ".npy")) return btl_npy_read(ctx, spec, out, err);
    if (load_is_idx(spec)) return btl_idx_read(ctx, spec, out, err);
    return load_any(ctx, spec, out, err);
}
