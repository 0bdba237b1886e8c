/* os.h - everything asked of the operating system: files, time, terminals, shared objects.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_BASE_OS_H
#define BTL_BASE_OS_H

#include "base/error.h"

/* The whole file (any size) in memory from btl_alloc, with a 0 byte behind it; "-" is standard
 * input. EIO with path and reason. Free with btl_free(ctx, *data, *bytes + 1). */
btl_status btl_os_read_file(btl_context *ctx, const char *path, char **data, size_t *bytes, btl_error *err);

/* A file that appears complete or not at all: written as a temporary beside `path`, renamed by
 * commit; abandoning removes it. Errors (full disk) are kept and returned by commit. A device or a pipe is
 * written directly. */
typedef struct btl_os_writer {
    void *stream;
    char *path, *temporary;
    int failed; /* errno of the first failure */
} btl_os_writer;
btl_status btl_os_write_begin(btl_os_writer *w, const char *path, btl_error *err);
void btl_os_write(btl_os_writer *w, const void *data, size_t bytes);
btl_status btl_os_write_commit(btl_os_writer *w, btl_error *err);
void btl_os_write_abandon(btl_os_writer *w);

int64_t btl_os_now_ns(void);              /* monotonic */
void *btl_os_open_library(const char *path, char *why, size_t why_bytes); /* privately; NULL: why */
void *btl_os_symbol(void *library, const char *name);
void btl_os_close_library(void *library);

#endif
