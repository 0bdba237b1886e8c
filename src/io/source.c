/* source.c - see source.h; sources on disk and in memory, and reading an array's data from any.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/source.h"

#include "base/array.h"
#include "base/context.h"
#include "base/os.h"
#include "io/bytes.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

btl_status btl_source_fail(const btl_source *s, btl_error *err, btl_status status, uint64_t offset,
                           const char *format, ...) {
    char detail[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    return btl_error_set(err, status, "%.500s: offset %llu: %s", s->path, (unsigned long long)offset, detail);
}

static btl_status source_out_of_memory(const btl_source *s, btl_error *err) {
    return btl_error_set(err, BTL_ENOMEM, "%.500s: out of memory while reading", s->path);
}

/* ---- on disk --------------------------------------------------------------------------- */

static btl_status file_read(btl_source *s, void *to, size_t bytes, size_t *got, btl_error *err) {
    errno = 0;
    *got = fread(to, 1, bytes, s->inside);
    if (*got == bytes || !ferror(s->inside)) return BTL_OK;
    return btl_source_fail(s, err, BTL_EIO, s->at + *got, "cannot be read: %s", strerror(errno ? errno : EIO));
}

static btl_status file_seek(btl_source *s, uint64_t offset, btl_error *err) {
    if (offset <= INT64_MAX && fseeko(s->inside, (off_t)offset, SEEK_SET) == 0) return BTL_OK;
    return btl_source_fail(s, err, BTL_EIO, offset, "cannot be reached: %s", strerror(errno));
}

static void file_close(btl_source *s) {
    fclose(s->inside);
}

/* ---- in memory ------------------------------------------------------------------------- */

static btl_status memory_read(btl_source *s, void *to, size_t bytes, size_t *got, btl_error *err) {
    (void)err;
    *got = bytes < s->bytes - s->at ? bytes : (size_t)(s->bytes - s->at);
    memcpy(to, (const char *)s->inside + s->at, *got);
    return BTL_OK;
}

static btl_status memory_seek(btl_source *s, uint64_t offset, btl_error *err) {
    if (offset <= s->bytes) return BTL_OK;
    return btl_source_fail(s, err, BTL_EFORMAT, s->bytes, "the file ends, %llu more bytes expected",
                           (unsigned long long)(offset - s->bytes));
}

static void memory_close(btl_source *s) {
    btl_free(s->ctx, s->inside, (size_t)s->bytes + 1); /* as btl_os_read_file made it */
}

static void memory_keep(btl_source *s) {
    (void)s;
}

void btl_source_from_memory(btl_context *ctx, const char *path, const void *data, size_t bytes, btl_source *out) {
    *out = (btl_source){ .ctx = ctx, .path = path, .bytes = bytes, .exact = true, .read = memory_read,
                         .seek = memory_seek, .close = memory_keep };
    memcpy(&out->inside, &data, sizeof data); /* never written through */
}

/* ---- all ------------------------------------------------------------------------------- */

static btl_status source_slurp(btl_context *ctx, const char *path, btl_source *out, btl_error *err) {
    char *data;
    size_t bytes;
    BTL_TRY(btl_os_read_file(ctx, path, &data, &bytes, err));
    btl_source_from_memory(ctx, strcmp(path, "-") ? path : "standard input", data, bytes, out);
    out->close = memory_close;
    return BTL_OK;
}

btl_status btl_source_open(btl_context *ctx, const char *path, btl_source *out, btl_error *err) {
    *out = (btl_source){ 0 };
    struct stat st;
    /* A size of 0 may be a file whose size nobody knows before it is read (/proc). */
    if (strcmp(path, "-") == 0 || stat(path, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0)
        return source_slurp(ctx, path, out, err);
    errno = 0;
    FILE *file = fopen(path, "rb");
    if (!file) return btl_error_set(err, BTL_EIO, "%.500s: cannot be opened: %s", path, strerror(errno));
    *out = (btl_source){ .ctx = ctx, .path = path, .bytes = (uint64_t)st.st_size, .exact = true, .inside = file,
                         .read = file_read, .seek = file_seek, .close = file_close };
    return BTL_OK;
}

void btl_source_close(btl_source *s) {
    if (s->close) s->close(s);
    *s = (btl_source){ 0 };
}

btl_status btl_source_read_some(btl_source *s, void *to, size_t bytes, size_t *got, btl_error *err) {
    *got = 0;
    if (bytes == 0) return BTL_OK;
    BTL_TRY(s->read(s, to, bytes, got, err));
    s->at += *got;
    return BTL_OK;
}

btl_status btl_source_read(btl_source *s, void *to, size_t bytes, const char *what, btl_error *err) {
    size_t got;
    BTL_TRY(btl_source_read_some(s, to, bytes, &got, err));
    if (got == bytes) return BTL_OK;
    return btl_source_fail(s, err, BTL_EFORMAT, s->at, "the file ends here; %llu more bytes expected (%s)",
                           (unsigned long long)(bytes - got), what);
}

btl_status btl_source_seek(btl_source *s, uint64_t offset, btl_error *err) {
    assert(s->seek);
    BTL_TRY(s->seek(s, offset, err));
    s->at = offset;
    return BTL_OK;
}

btl_status btl_source_end(btl_source *s, btl_error *err) {
    char more;
    size_t got;
    uint64_t at = s->at;
    BTL_TRY(btl_source_read_some(s, &more, 1, &got, err));
    if (got == 0) return BTL_OK;
    if (!s->exact || s->bytes <= at)
        return btl_source_fail(s, err, BTL_EFORMAT, at, "more bytes follow; the end was expected here");
    return btl_source_fail(s, err, BTL_EFORMAT, at, "%llu more bytes follow; the end was expected here",
                           (unsigned long long)(s->bytes - at));
}

static btl_status source_check_room(const btl_source *s, uint64_t need, const char *type, btl_error *err) {
    uint64_t left = s->bytes > s->at ? s->bytes - s->at : 0;
    if (need <= left) return BTL_OK;
    return btl_source_fail(s, err, BTL_EFORMAT, s->at, "%s%llu bytes of data follow; %llu expected for %s",
                           s->exact ? "" : "at most ", (unsigned long long)left, (unsigned long long)need, type);
}

btl_status btl_source_read_array(btl_source *s, btl_dtype dtype, int rank, const int64_t *shape, bool big_endian,
                                 btl_array *out, btl_error *err) {
    *out = (btl_array){ 0 };
    if (rank > BTL_MAX_RANK)
        return btl_source_fail(s, err, BTL_EUNSUPPORTED, s->at, "%d dimensions; at most %d can be held", rank, BTL_MAX_RANK);
    char type[160];
    btl_array_type_text(type, sizeof type, dtype, rank, shape);
    int64_t sizes[BTL_MAX_RANK] = { 0 }, bytes;
    for (int i = 0; i < rank; i++) sizes[i] = shape[i];
    btl_array described = btl_array_wrap(dtype, rank, sizes, NULL);
    int64_t elems = btl_array_elems(&described), item = (int64_t)btl_dtype_bytes(dtype);
    if (elems < 0 || !btl_mul_i64(elems, item, &bytes))
        return btl_source_fail(s, err, BTL_EFORMAT, s->at, "the sizes of %s do not multiply up", type);
    BTL_TRY(source_check_room(s, (uint64_t)bytes, type, err));
    btl_status status = btl_array_new_uninit(s->ctx, dtype, rank, sizes, out);
    if (status != BTL_OK) return source_out_of_memory(s, err);
    status = btl_source_read(s, out->data, (size_t)bytes, type, err);
    if (status != BTL_OK) {
        btl_array_free(out);
        return status;
    }
    if (big_endian == btl_is_little_endian()) btl_bytes_swap(out->data, (size_t)item, (size_t)elems);
    if (dtype == BTL_BOOL) btl_bytes_fix_bool(out->data, (size_t)elems);
    return BTL_OK;
}

char *btl_source_quote(char *text, size_t size, const void *bytes, size_t length) {
    const unsigned char *p = bytes;
    size_t at = 0;
    for (size_t i = 0; i < length; i++) {
        bool is_plain = p[i] >= 32 && p[i] != 127;
        if (at + (is_plain ? 1 : 4) + 4 > size) {
            memcpy(text + at, "...", 3);
            at += 3;
            break;
        }
        if (is_plain) text[at++] = (char)p[i];
        else at += (size_t)snprintf(text + at, 5, "\\x%02x", (unsigned)p[i]);
    }
    text[at] = 0;
    return text;
}
