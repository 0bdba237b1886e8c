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
uint64_t btl_os_unique(void);             /* differs in every call, on every machine; no secret */
int btl_os_cores(void);                   /* that this process may use, at least 1 */

/* A variable of the environment; NULL where it is unset or empty, and where the program runs with more rights than the
 * user who set it. */
const char *btl_os_env(const char *name);
/* The program that a shell would start for that name: its path, absolute; false if there is none. */
bool btl_os_find_program(const char *name, char *path, size_t bytes);

/* Why files in that folder cannot be made, or code not be executed, in words; NULL: all can be. */
const char *btl_os_folder_limits(const char *folder);
/* Can code in this file be executed from where it lies (no: mounted noexec, forbidden)? */
bool btl_os_can_execute(int fd);
/* Does the file lie on another machine, whose owner may take it away while it is mapped? */
bool btl_os_is_remote(int fd);
/* A file without a name, from which code can be executed: in memory, or in the folder; -1 with errno. */
int btl_os_memory_file(const char *name);
int btl_os_unnamed_file(const char *folder);
bool btl_os_write_all(int fd, const void *data, size_t bytes); /* false: errno */
/* The library in an open file: just that file, whatever happens to its name. `unique` differs for different contents.
 * `path` (may be NULL) is used where files cannot be opened by their number. */
void *btl_os_open_library_fd(int fd, uint64_t unique, const char *path, char *why, size_t why_bytes);

void *btl_os_open_library(const char *path, char *why, size_t why_bytes); /* privately; NULL: why */
void *btl_os_symbol(void *library, const char *name);
void btl_os_close_library(void *library);
/* The level of x86-64 whose instructions this process may use: 4 (AVX-512), 3 (AVX2, FMA), or 0 (the base, or
 * another architecture). The environment's BITALE_ISA = base, v3 lowers it. Any thread. */
int btl_os_x86_level(void);

#endif
