/* os.c - what is asked of the operating system (POSIX), but for programs: those are process.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "base/os.h"

#include "base/config.h"
#include "base/context.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/vfs.h>
#endif

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

/* Of the time, the process, the thread (its stack lies elsewhere; several machines may share a folder, and containers
 * numbers of processes: the stack's place is random too), mixed as splitmix64 does. */
uint64_t btl_os_unique(void) {
    struct timespec t, up;
    clock_gettime(CLOCK_REALTIME, &t);
    clock_gettime(CLOCK_MONOTONIC, &up);
    uint64_t x = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    x ^= (uint64_t)getpid() << 40 ^ (uint64_t)(uintptr_t)&t << 16 ^ (uint64_t)up.tv_nsec << 3 ^ (uint64_t)up.tv_sec << 33;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* A name beside the file that nobody else has; opened with the permissions that a new file would get. */
static int os_open_temporary(char *temporary, size_t bytes, const char *path) {
    for (int attempt = 0; attempt < 100; attempt++) {
        snprintf(temporary, bytes, "%s.tmp-%012llx", path, (unsigned long long)(btl_os_unique() >> 16));
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

/* ---- the environment ----------------------------------------------------------------------------------- */

const char *btl_os_env(const char *name) {
#ifdef __GLIBC__
    const char *value = secure_getenv(name);
#else
    const char *value = getenv(name);
#endif
    return value && *value ? value : NULL;
}

int btl_os_cores(void) {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 && n < INT_MAX ? (int)n : 1;
}

static bool os_is_program(const char *path, char *absolute, size_t bytes) {
    struct stat st;
    char folder[PATH_MAX];
    if (stat(path, &st) || !S_ISREG(st.st_mode) || access(path, X_OK)) return false;
    if (path[0] == '/') return (size_t)snprintf(absolute, bytes, "%s", path) < bytes;
    return getcwd(folder, sizeof folder) && (size_t)snprintf(absolute, bytes, "%s/%s", folder, path) < bytes;
}

bool btl_os_find_program(const char *name, char *path, size_t bytes) {
    if (strchr(name, '/')) return os_is_program(name, path, bytes);
    const char *p = getenv("PATH");
    if (!p) p = "/usr/bin:/bin";
    for (;; p++) {
        size_t length = strcspn(p, ":");
        char candidate[PATH_MAX];
        int n = snprintf(candidate, sizeof candidate, "%.*s/%s", length ? (int)length : 1, length ? p : ".", name);
        if (n > 0 && (size_t)n < sizeof candidate && os_is_program(candidate, path, bytes)) return true;
        p += length;
        if (!*p) return false;
    }
}

/* ---- code ---------------------------------------------------------------------------------------------- */

const char *btl_os_folder_limits(const char *folder) {
    struct statvfs fs;
    if (access(folder, W_OK | X_OK)) return strerror(errno);
#ifdef ST_NOEXEC
    if (statvfs(folder, &fs) == 0 && fs.f_flag & ST_NOEXEC) return "mounted noexec";
#endif
    return statvfs(folder, &fs) == 0 && fs.f_bavail == 0 ? "full" : NULL;
}

/* Asked by doing: mount options are only one of the reasons. */
bool btl_os_can_execute(int fd) {
    void *p = mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) return false;
    munmap(p, 1);
    return true;
}

bool btl_os_is_remote(int fd) {
#ifdef __linux__
    /* NFS, SMB (old, CIFS, SMB2), AFS, Coda, Ceph, 9P, FUSE, Lustre, GPFS: linux/magic.h and their own sources */
    static const uint32_t remote[] = { 0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x5346414f, 0x73757245,
                                       0x00c36400, 0x01021997, 0x65735546, 0x0bd00bd0, 0x47504653 };
    struct statfs fs;
    if (fstatfs(fd, &fs)) return false;
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
        if ((uint32_t)fs.f_type == remote[i]) return true;
#else
    (void)fd;
#endif
    return false;
}

int btl_os_memory_file(const char *name) {
#if defined __linux__ && defined MFD_CLOEXEC
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3: asked for, because a setting may take execution away from the others */
#endif
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_EXEC);
    return fd >= 0 || errno != EINVAL ? fd : memfd_create(name, MFD_CLOEXEC);
#else
    (void)name;
    errno = ENOSYS;
    return -1;
#endif
}

int btl_os_unnamed_file(const char *folder) {
    char path[PATH_MAX];
    int fd = -1;
    for (int attempt = 0; attempt < 100 && fd < 0; attempt++) {
        int n = snprintf(path, sizeof path, "%s/bitale-%012llx", folder, (unsigned long long)(btl_os_unique() >> 16));
        if (n < 0 || (size_t)n >= sizeof path) errno = ENAMETOOLONG;
        else fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
        if (fd < 0 && errno != EEXIST) return -1;
    }
    if (fd >= 0) unlink(path);
    return fd;
}

bool btl_os_write_all(int fd, const void *data, size_t bytes) {
    for (const char *p = data; bytes;) {
        ssize_t n = write(fd, p, bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        p += n, bytes -= (size_t)n;
    }
    return true;
}

/* The loader looks a name up among those of loaded libraries before it opens a file, and numbers of files are used
 * again: "/proc/self/fd/7" may be some other library's name by now. So the name that is given to it says which contents
 * are meant: the bits of `unique` become "/." and "//", which change nothing about where the path leads. */
static void os_name_by_number(char *path, int fd, uint64_t unique) {
    char *p = path + sprintf(path, "/proc/self/fd");
    for (int bit = 0; bit < 64; bit++) {
        *p++ = '/';
        *p++ = unique >> bit & 1 ? '/' : '.';
    }
    sprintf(p, "/%d", fd);
}

void *btl_os_open_library_fd(int fd, uint64_t unique, const char *path, char *why, size_t why_bytes) {
    char name[200];
    os_name_by_number(name, fd, unique);
    if (access(name, R_OK) == 0 || !path) path = name;
    return btl_os_open_library(path, why, why_bytes);
}

/* ---- the processor ------------------------------------------------------------------------------------- */

static int os_x86_level = -1; /* found anew by every thread that comes too early: always the same */

static int os_find_x86_level(void) {
#if defined __x86_64__ && defined __GNUC__
    const char *wish = btl_config_value("isa", NULL);
    int most = wish && strcmp(wish, "base") == 0 ? 0 : wish && strcmp(wish, "v3") == 0 ? 3 : 4;
    __builtin_cpu_init();
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return v4 && most >= 4 ? 4 : v3 && most >= 3 ? 3 : 0;
#else
    return 0;
#endif
}

int btl_os_x86_level(void) {
    int level = __atomic_load_n(&os_x86_level, __ATOMIC_RELAXED);
    if (level < 0) __atomic_store_n(&os_x86_level, level = os_find_x86_level(), __ATOMIC_RELAXED);
    return level;
}
