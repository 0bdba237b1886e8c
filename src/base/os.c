/* os.c - the one file that speaks to the operating system (POSIX).
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "base/os.h"

#include "base/context.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static btl_status os_read_all(btl_context *ctx, int fd, const char *path, size_t guess, char **data,
                              size_t *bytes, btl_error *err) {
    size_t capacity = guess + 1, length = 0;
    char *p = btl_alloc(ctx, capacity);
    while (p) {
        if (length + 1 >= capacity) {
            size_t bigger = capacity * 2 + 4096;
            char *q = bigger > capacity ? btl_realloc(ctx, p, capacity, bigger) : NULL;
            if (!q) break;
            p = q;
            capacity = bigger;
        }
        ssize_t n = read(fd, p + length, capacity - length - 1);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int e = errno;
            btl_free(ctx, p, capacity);
            return btl_error_set(err, BTL_EIO, "%s: cannot be read: %s", path, strerror(e));
        }
        if (n == 0) {
            char *q = btl_realloc(ctx, p, capacity, length + 1); /* to the size that the caller frees */
            if (!q) break;
            q[length] = 0;
            *data = q;
            *bytes = length;
            return BTL_OK;
        }
        length += (size_t)n;
    }
    btl_free(ctx, p, capacity);
    return btl_error_set(err, BTL_ENOMEM, "%s: out of memory while reading", path);
}

btl_status btl_os_read_file(btl_context *ctx, const char *path, char **data, size_t *bytes, btl_error *err) {
    *data = NULL;
    *bytes = 0;
    if (strcmp(path, "-") == 0) return os_read_all(ctx, 0, "standard input", 65536, data, bytes, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return btl_error_set(err, BTL_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat st;
    size_t guess = 0;
    if (fstat(fd, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            close(fd);
            return btl_error_set(err, BTL_EIO, "%s: is a directory, a file is expected", path);
        }
        if (S_ISREG(st.st_mode) && st.st_size > 0) guess = (size_t)st.st_size + 1;
    }
    btl_status status = os_read_all(ctx, fd, path, guess, data, bytes, err);
    close(fd);
    return status;
}

/* A name beside the file that nobody else has; opened with the permissions that a new file would get. */
static int os_open_temporary(char *temporary, size_t bytes, const char *path) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t unique = (uint64_t)t.tv_nsec ^ (uint64_t)getpid() << 32 ^ (uint64_t)(uintptr_t)temporary;
    for (int attempt = 0; attempt < 100; attempt++, unique = unique * 6364136223846793005u + 1442695040888963407u) {
        snprintf(temporary, bytes, "%s.tmp-%012llx", path, (unsigned long long)(unique >> 16));
        int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

/* What is no regular file (a device, a pipe) is written directly: it must not be replaced by one. */
btl_status btl_os_write_begin(btl_os_writer *w, const char *path, btl_error *err) {
    struct stat st;
    bool direct = stat(path, &st) == 0 && !S_ISREG(st.st_mode);
    *w = (btl_os_writer){ .path = strdup(path) };
    size_t n = strlen(path) + 32;
    w->temporary = direct ? NULL : malloc(n);
    if (!w->path || (!direct && !w->temporary)) {
        btl_os_write_abandon(w);
        return btl_error_set(err, BTL_ENOMEM, "%s: out of memory while writing", path);
    }
    int fd = direct ? open(path, O_WRONLY | O_CLOEXEC) : os_open_temporary(w->temporary, n, path);
    if (fd >= 0) {
        w->stream = fdopen(fd, "wb");
        if (!w->stream) {
            close(fd);
            if (w->temporary) unlink(w->temporary);
        }
    }
    if (!w->stream) {
        btl_status status = btl_error_set(err, BTL_EIO, "%s: cannot be written: %s", path, strerror(errno));
        free(w->temporary), w->temporary = NULL; /* there is nothing to remove */
        btl_os_write_abandon(w);
        return status;
    }
    return BTL_OK;
}

void btl_os_write(btl_os_writer *w, const void *data, size_t bytes) {
    if (w->failed || bytes == 0) return;
    errno = 0;
    if (fwrite(data, 1, bytes, w->stream) != bytes) w->failed = errno ? errno : EIO;
}

btl_status btl_os_write_commit(btl_os_writer *w, btl_error *err) {
    if (!w->failed && (fflush(w->stream) || (w->temporary && fsync(fileno(w->stream))))) w->failed = errno;
    if (fclose(w->stream) && !w->failed) w->failed = errno;
    w->stream = NULL;
    if (!w->failed && w->temporary && rename(w->temporary, w->path)) w->failed = errno;
    btl_status status = BTL_OK;
    if (w->failed)
        status = btl_error_set(err, BTL_EIO, "%s: cannot be written: %s%s", w->path, strerror(w->failed),
                               w->temporary ? "; what stood there before is unchanged" : "");
    else
        free(w->temporary), w->temporary = NULL;
    btl_os_write_abandon(w);
    return status;
}

void btl_os_write_abandon(btl_os_writer *w) {
    if (w->stream) fclose(w->stream);
    if (w->temporary) unlink(w->temporary);
    free(w->temporary);
    free(w->path);
    *w = (btl_os_writer){ 0 };
}

int64_t btl_os_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void *btl_os_open_library(const char *path, char *why, size_t why_bytes) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library && why_bytes) {
        const char *e = dlerror();
        snprintf(why, why_bytes, "%s", e ? e : "unknown reason");
    }
    return library;
}

void *btl_os_symbol(void *library, const char *name) {
    return dlsym(library, name);
}

void btl_os_close_library(void *library) {
    if (library) dlclose(library);
}
