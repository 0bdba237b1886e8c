/* source.h - a file being read from front to back, whatever it lies in: on disk, in memory (standard
 * input), in a zip, packed by gzip. The readers of the formats see only this.
 *
 * A source knows how many bytes it can have at most, so that the sizes a header claims are
 * checked before anything is allocated for them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_IO_SOURCE_H
#define BTL_IO_SOURCE_H

#include "base/error.h"

typedef struct btl_source btl_source;
struct btl_source {
    btl_context *ctx;
    const char *path;      /* borrowed; as messages name it */
    uint64_t at;           /* offset of the next byte */
    uint64_t bytes;        /* the size if exact, otherwise (packed) no more than this */
    bool exact;
    void *inside;          /* the FILE, the memory, the stream */
    /* Reads up to `bytes` (> 0); fewer only at the end. Fails with a message. */
    btl_status (*read)(btl_source *s, void *to, size_t bytes, size_t *got, btl_error *err);
    btl_status (*seek)(btl_source *s, uint64_t offset, btl_error *err); /* NULL: only forward */
    void (*close)(btl_source *s);
};

/* Opens a regular file for reading in place; anything else ("-", a pipe) is read into memory. */
btl_status btl_source_open(btl_context *ctx, const char *path, btl_source *out, btl_error *err);
/* Bytes that the caller keeps alive. */
void btl_source_from_memory(btl_context *ctx, const char *path, const void *data, size_t bytes, btl_source *out);
/* A packed source read through zlib; takes `packed` over, closing it even on failure. */
btl_status btl_source_open_gzip(btl_source *packed, btl_source *out, btl_error *err);
void btl_source_close(btl_source *s); /* a cleared source is accepted */

/* Exactly so many bytes; if the source ends before, EFORMAT says that `what` was expected. */
btl_status btl_source_read(btl_source *s, void *to, size_t bytes, const char *what, btl_error *err);
/* What is left, up to `bytes`, without complaint. */
btl_status btl_source_read_some(btl_source *s, void *to, size_t bytes, size_t *got, btl_error *err);
btl_status btl_source_seek(btl_source *s, uint64_t offset, btl_error *err);
/* EFORMAT unless the source ends here; a packed source has then checked its checksum. */
btl_status btl_source_end(btl_source *s, btl_error *err);

/* Records "PATH: offset N: ..." and returns status. */
btl_status btl_source_fail(const btl_source *s, btl_error *err, btl_status status, uint64_t offset,
                           const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The data of an array of this type, row-major: checks rank, product and the source's size, allocates and
 * reads. `big_endian`: the file's byte order. The bytes of bools become 0 or 1. */
btl_status btl_source_read_array(btl_source *s, btl_dtype dtype, int rank, const int64_t *shape, bool big_endian,
                                 btl_array *out, btl_error *err);

/* A piece of a file for a message: control bytes escaped, cut at the size. Returns `text`. */
char *btl_source_quote(char *text, size_t size, const void *bytes, size_t length);

#endif
