/* npz.c - NumPy's archive of arrays: a zip whose entries are NAME.npy (numpy.savez).
 *
 * The zip is read by libzip, which is loaded when it is first needed, so that the library itself
 * depends on nothing, and stays loaded (see gzip.c); BTL_HAVE_ZIP says that its header was there at
 * build time. The array is unpacked straight into its memory.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/io.h"
#include "io/missing.h"
#include "io/npy.h"

#ifndef BTL_HAVE_ZIP

static btl_status npz_unsupported(const char *path, btl_error *err) {
    return btl_error_set(err, BTL_EUNSUPPORTED, "%.500s: this Bitale was built without libzip and cannot read .npz\n"
                         "    hint: save each array as .npy", path);
}

btl_status btl_npz_read(btl_context *ctx, const char *path, const char *name, btl_array *out, btl_error *err) {
    (void)ctx, (void)name;
    *out = (btl_array){ 0 };
    return npz_unsupported(path, err);
}

btl_status btl_npz_list(btl_context *ctx, const char *path, bool (*visit)(void *user, const char *name), void *user,
                        btl_error *err) {
    (void)ctx, (void)visit, (void)user;
    return npz_unsupported(path, err);
}

#else

#include "base/context.h"
#include "base/os.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

enum { DEFLATE_LARGEST_RATIO = 1032, NPZ_SLACK_BYTES = 1024 };

#define ZIP_FUNCTIONS(X)                                                                          \
    X(open) X(discard) X(get_num_entries) X(get_name) X(stat_index) X(fopen_index) X(fread) X(fclose)  \
    X(get_error) X(file_get_error) X(error_init_with_code) X(error_strerror) X(error_fini)

typedef struct npz_archive {
    btl_context *ctx;
    const char *path;
    uint64_t file_bytes;
    void *library;
    zip_t *zip;
#define ZIP_MEMBER(name) __typeof__(zip_##name) *name;
    ZIP_FUNCTIONS(ZIP_MEMBER)
#undef ZIP_MEMBER
} npz_archive;

static void npz_close(npz_archive *z) {
    if (z->zip) z->discard(z->zip);
}

static btl_status npz_load_library(npz_archive *z, btl_error *err) {
    char why[200];
    z->library = btl_os_open_library("libzip.so.5", why, sizeof why);
    if (!z->library) z->library = btl_os_open_library("libzip.so.4", why, sizeof why);
    if (!z->library)
        return btl_error_set(err, BTL_EUNSUPPORTED, "%.500s: libzip, which reads .npz, is not there: %s\n"
                             "    hint: install libzip, or save each array as .npy", z->path, why);
    void *symbol;
    bool is_complete = true;
#define ZIP_FIND(name)                                                                            \
    symbol = btl_os_symbol(z->library, "zip_" #name);                                             \
    memcpy(&z->name, &symbol, sizeof symbol);                                                     \
    is_complete = is_complete && symbol;
    ZIP_FUNCTIONS(ZIP_FIND)
#undef ZIP_FIND
    if (is_complete) return BTL_OK;
    return btl_error_set(err, BTL_EUNSUPPORTED, "%.500s: the libzip found is too old to read .npz", z->path);
}

static btl_status npz_open_failed(npz_archive *z, int code, btl_error *err) {
    zip_error_t e;
    z->error_init_with_code(&e, code);
    bool is_format = code == ZIP_ER_NOZIP || code == ZIP_ER_INCONS;
    btl_status status = code == ZIP_ER_MEMORY ? BTL_ENOMEM : is_format ? BTL_EFORMAT : BTL_EIO;
    btl_error_set(err, status, "%.500s: cannot be opened as .npz: %s", z->path, z->error_strerror(&e));
    z->error_fini(&e);
    return status;
}

static btl_status npz_open(btl_context *ctx, const char *path, npz_archive *z, btl_error *err) {
    *z = (npz_archive){ .ctx = ctx, .path = path };
    struct stat st;
    if (strcmp(path, "-") == 0)
        return btl_error_set(err, BTL_EUNSUPPORTED, "standard input: a .npz must be a file, it is not read in order");
    if (stat(path, &st)) return btl_error_set(err, BTL_EIO, "%.500s: cannot be opened: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return btl_error_set(err, BTL_EIO, "%.500s: is not a file; a .npz is expected", path);
    z->file_bytes = (uint64_t)st.st_size;
    btl_status status = npz_load_library(z, err);
    if (status == BTL_OK) {
        int code = 0;
        z->zip = z->open(path, ZIP_RDONLY, &code);
        if (!z->zip) status = npz_open_failed(z, code, err);
    }
    if (status != BTL_OK) npz_close(z);
    return status;
}

static bool npz_is_array(const char *entry) {
    size_t n = entry ? strlen(entry) : 0;
    return n > 4 && strcmp(entry + n - 4, ".npy") == 0;
}

static const char *npz_name_at(void *arg, int i) {
    npz_archive *z = arg;
    const char *entry = z->get_name(z->zip, (zip_uint64_t)i, 0);
    return npz_is_array(entry) ? entry : NULL;
}

static int npz_count(npz_archive *z) {
    zip_int64_t n = z->get_num_entries(z->zip, 0);
    return n < 0 ? 0 : n > INT_MAX ? INT_MAX : (int)n;
}

/* "NAME", "NAME.npy": the entry, or -1. */
static int npz_find(npz_archive *z, const char *name) {
    size_t n = strlen(name);
    for (int i = 0, count = npz_count(z); i < count; i++) {
        const char *entry = npz_name_at(z, i);
        if (!entry || strncmp(entry, name, n)) continue;
        if (entry[n] == 0 || strcmp(entry + n, ".npy") == 0) return i;
    }
    return -1;
}

/* ---- an entry as a source -------------------------------------------------------------- */

typedef struct npz_entry {
    npz_archive *archive;
    zip_file_t *file;
} npz_entry;

static btl_status npz_entry_read(btl_source *s, void *to, size_t bytes, size_t *got, btl_error *err) {
    npz_entry *e = s->inside;
    *got = 0;
    while (*got < bytes) {
        zip_int64_t n = e->archive->fread(e->file, (char *)to + *got, bytes - *got);
        if (n == 0) break;
        if (n < 0)
            return btl_source_fail(s, err, BTL_EFORMAT, s->at + *got, "the zip entry is damaged: %s",
                                   e->archive->error_strerror(e->archive->file_get_error(e->file)));
        *got += (size_t)n;
    }
    return BTL_OK;
}

/* What the zip says of sizes must be possible: no more packed bytes than the file has, no better a
 * ratio than the method reaches. */
static btl_status npz_entry_check(npz_archive *z, const zip_stat_t *st, const char *path, btl_error *err) {
    zip_uint64_t need = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if ((st->valid & need) != need)
        return btl_error_set(err, BTL_EFORMAT, "%.500s: the zip does not say how large the entry is", path);
    if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE)
        return btl_error_set(err, BTL_EUNSUPPORTED, "%.500s: is packed by zip method %d, expected 0 (stored) or 8 "
                             "(deflated)", path, st->comp_method);
    uint64_t packed = st->comp_size;
    if (packed > z->file_bytes || st->size / DEFLATE_LARGEST_RATIO > packed + NPZ_SLACK_BYTES)
        return btl_error_set(err, BTL_EFORMAT, "%.500s: the zip announces %llu bytes packed into %llu, in a file of %llu",
                             path, (unsigned long long)st->size, (unsigned long long)packed,
                             (unsigned long long)z->file_bytes);
    return BTL_OK;
}

static btl_status npz_read_entry(npz_archive *z, int i, btl_array *out, btl_error *err) {
    char path[800], name[200];
    zip_stat_t st;
    const char *entry = z->get_name(z->zip, (zip_uint64_t)i, 0);
    snprintf(path, sizeof path, "%.500s:%s", z->path, btl_source_quote(name, sizeof name, entry, strlen(entry)));
    if (z->stat_index(z->zip, (zip_uint64_t)i, 0, &st))
        return btl_error_set(err, BTL_EFORMAT, "%s: %s", path, z->error_strerror(z->get_error(z->zip)));
    BTL_TRY(npz_entry_check(z, &st, path, err));
    npz_entry e = { z, z->fopen_index(z->zip, (zip_uint64_t)i, 0) };
    if (!e.file)
        return btl_error_set(err, BTL_EFORMAT, "%s: cannot be read: %s", path, z->error_strerror(z->get_error(z->zip)));
    btl_source s = { .ctx = z->ctx, .path = path, .bytes = st.size, .exact = true, .inside = &e, .read = npz_entry_read };
    btl_status status = btl_npy_read_source(&s, out, err);
    z->fclose(e.file);
    return status;
}

/* ---- public ---------------------------------------------------------------------------- */

btl_status btl_npz_read(btl_context *ctx, const char *path, const char *name, btl_array *out, btl_error *err) {
    *out = (btl_array){ 0 };
    npz_archive z;
    BTL_TRY(npz_open(ctx, path, &z, err));
    int i = *name ? npz_find(&z, name) : -1;
    btl_status status;
    if (i >= 0) {
        status = npz_read_entry(&z, i, out, err);
    } else {
        btl_names names = { npz_count(&z), npz_name_at, &z, ".npy" };
        status = btl_names_fail(&names, path, "array", name, strlen(name), "FILE.npz:NAME", err);
    }
    npz_close(&z);
    return status;
}

btl_status btl_npz_list(btl_context *ctx, const char *path, bool (*visit)(void *user, const char *name), void *user,
                        btl_error *err) {
    npz_archive z;
    BTL_TRY(npz_open(ctx, path, &z, err));
    btl_status status = BTL_OK;
    for (int i = 0, count = npz_count(&z); i < count; i++) {
        const char *entry = npz_name_at(&z, i);
        if (!entry) continue;
        size_t n = strlen(entry) - 4;
        char *name = btl_alloc(ctx, n + 1);
        if (!name) {
            status = btl_error_set(err, BTL_ENOMEM, "%.500s: out of memory while reading", path);
            break;
        }
        memcpy(name, entry, n);
        name[n] = 0;
        bool goes_on = visit(user, name);
        btl_free(ctx, name, n + 1);
        if (!goes_on) break;
    }
    npz_close(&z);
    return status;
}

#endif
