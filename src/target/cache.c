/* cache.c - see cache.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* O_DIRECTORY and the *at functions, with glibc's older headers */
#include "target/cache.h"

#include "base/config.h"
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DAY = 86400, REMARK_DAYS = 60, MOST_TEXT_BYTES = 65536, MOST_DEPTH = 4, FIRST_READ_BYTES = 16384 };
static const int64_t most_file_bytes = INT64_C(1) << 30, default_limit = INT64_C(1) << 30;

void btl_cache_note(const btl_cache *c, const char *format, ...) {
    char text[2 * PATH_MAX];
    if (!c->note) return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->note(c->note_user, text);
}

/* ---- files that close with the arena -------------------------------------------------------------------- */

static void cache_close(void *arg) {
    int *fd = arg;
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* To be filled with an open file: made before it is opened, because making it may fail. */
static int *cache_fd(btl_arena *a) {
    int *fd = BTL_NEW(a, int);
    *fd = -1;
    btl_arena_defer(a, cache_close, fd);
    return fd;
}

static void cache_close_stream(void *arg) {
    DIR **d = arg;
    if (*d) closedir(*d);
    *d = NULL;
}

/* A new look at an open folder. */
static DIR *cache_look(int folder) {
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0) close(fd);
    return d;
}

/* ---- trust ------------------------------------------------------------------------------------------------ */

/* Why a file or folder is not to be trusted, or NULL. Root may write anywhere anyway. */
static const char *cache_distrust(const struct stat *st, bool own_folder) {
    if (st->st_uid != geteuid() && (own_folder || st->st_uid != 0)) return "it belongs to another user";
    if (st->st_mode & (S_IWGRP | S_IWOTH)) return "other users may write to it (chmod go-w would mend that)";
    return NULL;
}

/* `made`: the errno of making it. */
static void cache_open_folder(btl_cache_folder *f, int *fd, int made) {
    struct stat st;
    char given[PATH_MAX];
    *fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0) {
        if (made && made != EEXIST) snprintf(f->problem, sizeof f->problem, "%s cannot be made: %s", f->path, strerror(made));
        else snprintf(f->problem, sizeof f->problem, "%s cannot be opened: %s", f->path, strerror(errno));
        f->missing = !made && errno == ENOENT;
        return;
    }
    const char *problem = fstat(*fd, &st) ? strerror(errno) : cache_distrust(&st, f->own);
    if (problem) {
        snprintf(f->problem, sizeof f->problem, "%s is not used: %s", f->path, problem);
        cache_close(fd);
        return;
    }
    memcpy(given, f->path, sizeof given);
    if (!realpath(given, f->path)) memcpy(f->path, given, sizeof given);
    f->fd = *fd;
}

/* With the folders above it. Ours alone may read what is ours. Returns errno. */
static int cache_make_folder(const char *path) {
    static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                              "# Compiled code that Bitale can make again: bitale cache --help. No need for a backup.\n";
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/' || p[1] == '/' || !p[1]) continue;
        *p = 0;
        mkdir(part, 0777);
        *p = '/';
    }
    if (mkdir(part, 0700)) return errno;
    snprintf(part, sizeof part, "%.*s/CACHEDIR.TAG", PATH_MAX - 20, path);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd >= 0) {
        btl_os_write_all(fd, tag, sizeof tag - 1);
        close(fd);
    }
    return 0;
}

/* ---- which folders ---------------------------------------------------------------------------------------- */

static void cache_own_path(const char *dir, btl_cache_folder *f) {
    const char *xdg = btl_os_env("XDG_CACHE_HOME"), *home = btl_os_env("HOME");
    int n = 0;
    f->own = true;
    if (!dir || !*dir) dir = btl_config_value("cache_dir", NULL);
    if (dir) n = snprintf(f->path, sizeof f->path, "%s", dir);
    else if (xdg && *xdg == '/') n = snprintf(f->path, sizeof f->path, "%s/bitale", xdg); /* a relative one is to be ignored */
    else if (home) n = snprintf(f->path, sizeof f->path, "%s/.cache/bitale", home);
    else snprintf(f->problem, sizeof f->problem, "there is no cache folder: none of BITALE_CACHE_DIR, XDG_CACHE_HOME, HOME is set");
    if (n >= PATH_MAX) {
        f->path[0] = 0;
        snprintf(f->problem, sizeof f->problem, "there is no cache folder: its path is longer than %d bytes", PATH_MAX);
    }
}

btl_cache *btl_cache_open(btl_arena *a, const char *dir, bool make) {
    btl_cache *c = BTL_NEW(a, btl_cache);
    int *fds[BTL_CACHE_MOST_FOLDERS];
    for (int i = 0; i < BTL_CACHE_MOST_FOLDERS; i++) fds[i] = cache_fd(a), c->folders[i].fd = -1;
    cache_own_path(dir, &c->folders[c->nfolders++]);
    const char *list = btl_config_value("cache_readonly", NULL);
    for (const char *p = list ? list : ""; *p; p += *p == ':') {
        size_t length = strcspn(p, ":");
        if (length && length < PATH_MAX && c->nfolders < BTL_CACHE_MOST_FOLDERS)
            memcpy(c->folders[c->nfolders++].path, p, length);
        p += length;
    }
    int made = make && c->folders[0].path[0] ? cache_make_folder(c->folders[0].path) : 0;
    for (int i = 0; i < c->nfolders; i++)
        if (c->folders[i].path[0]) cache_open_folder(&c->folders[i], fds[i], i == 0 ? made : 0);
    return c;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static bool cache_pread(int fd, char *data, size_t bytes, int64_t at) {
    while (bytes) {
        ssize_t n = pread(fd, data, bytes, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        data += n, bytes -= (size_t)n, at += n;
    }
    return true;
}

/* Opens a file of a folder that is to be trusted; *problem NULL: there is none. */
static bool cache_open_file(const btl_cache_folder *folder, const char *name, int *fd, struct stat *st, const char **problem) {
    *problem = NULL;
    *fd = openat(folder->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0) {
        if (errno == ELOOP) *problem = "it is a link";
        else if (errno != ENOENT) *problem = strerror(errno);
        return false;
    }
    if (fstat(*fd, st)) *problem = strerror(errno);
    else if (!S_ISREG(st->st_mode)) *problem = "it is no file";
    else *problem = cache_distrust(st, false);
    return !*problem;
}

/* The end of the file, as much as its texts need, or all. */
static char *cache_read_end(btl_cache_file *f, btl_arena *a, int64_t file_bytes, bool whole, const char **problem) {
    size_t bytes = whole || file_bytes < FIRST_READ_BYTES ? (size_t)file_bytes : FIRST_READ_BYTES, missing = 0;
    for (;;) {
        char *data = btl_arena_alloc(a, bytes + 1);
        *problem = NULL;
        if (!cache_pread(f->fd, data, bytes, file_bytes - (int64_t)bytes)) *problem = "it cannot be read";
        else if (whole) *problem = btl_sealed_parse(data, bytes, &f->sealed);
        else *problem = btl_sealed_parse_end(data, bytes, (size_t)file_bytes, &missing, &f->sealed);
        if (*problem) return NULL;
        if (!missing) return data;
        bytes += missing;
        missing = 0;
    }
}

btl_cache_file *btl_cache_read(const btl_cache_folder *folder, btl_arena *a, const char *name, bool whole, const char **problem) {
    btl_cache_file *f = BTL_NEW(a, btl_cache_file);
    int *fd = cache_fd(a);
    struct stat st;
    char right_name[BTL_SEALED_NAME_BYTES];
    if (!cache_open_file(folder, name, fd, &st, problem)) return NULL;
    *f = (btl_cache_file){ .fd = *fd, .folder = folder, .bytes = (size_t)st.st_size };
    snprintf(f->name, sizeof f->name, "%s", name);
    if (st.st_size > most_file_bytes) *problem = "it is too long";
    else f->data = cache_read_end(f, a, st.st_size, whole, problem);
    if (!f->data) return NULL;
    btl_sealed again = f->sealed;
    btl_sealed_identify(&again);
    btl_sealed_name(&again, right_name);
    f->used = st.st_mtime;
    if (strcmp(right_name, name) != 0) *problem = "it is what another name stands for";
    return *problem ? NULL : f;
}

/* ---- entries ---------------------------------------------------------------------------------------------- */

bool btl_cache_drop(btl_cache *c, const btl_cache_folder *folder, const char *name, const char *problem) {
    c->dropped++;
    bool removed = folder->own && unlinkat(folder->fd, name, 0) == 0;
    btl_cache_note(c, "%s/%s is not used: %s; %s", folder->path, name, problem,
                   removed ? "it is removed and made again" : folder->own ? "it cannot be removed" : "it lies in a folder that is read only");
    return removed;
}

/* Of these texts. Another with the same hash is left alone: it is what somebody else needs. */
static btl_cache_file *cache_try(btl_cache *c, btl_arena *a, const btl_cache_folder *folder, const char *name,
                                 const btl_sealed *wanted, bool any_compiler) {
    const char *problem = NULL;
    btl_cache_file *f = btl_cache_read(folder, a, name, true, &problem);
    if (problem) btl_cache_drop(c, folder, name, problem);
    if (!f) return NULL;
    const btl_sealed *s = &f->sealed;
    bool same = s->material_bytes == wanted->material_bytes && memcmp(s->material, wanted->material, s->material_bytes) == 0;
    if (!any_compiler) same &= s->compiler_bytes == wanted->compiler_bytes && memcmp(s->compiler, wanted->compiler, s->compiler_bytes) == 0;
    if (!same) return NULL;
    if (folder->own && time(NULL) - f->used > DAY) futimens(f->fd, NULL); /* once a day is enough to know what is in use */
    return f;
}

static btl_cache_file *cache_try_any(btl_cache *c, btl_arena *a, const btl_cache_folder *folder, const btl_sealed *wanted) {
    char start[BTL_SEALED_NAME_BYTES];
    DIR **d = BTL_NEW(a, DIR *);
    btl_arena_defer(a, cache_close_stream, d);
    btl_cache_file *f = NULL;
    btl_sealed_name(wanted, start);
    *d = cache_look(folder->fd);
    for (struct dirent *e; *d && !f && (e = readdir(*d));)
        if (btl_sealed_is_name(e->d_name) && strncmp(e->d_name, start, 33) == 0) f = cache_try(c, a, folder, e->d_name, wanted, true);
    cache_close_stream(d);
    return f;
}

btl_cache_file *btl_cache_find(btl_cache *c, btl_arena *a, const btl_sealed *wanted, bool any_compiler) {
    char name[BTL_SEALED_NAME_BYTES];
    btl_cache_file *f = NULL;
    btl_sealed_name(wanted, name);
    for (int i = 0; i < c->nfolders && !f; i++) {
        if (c->folders[i].fd < 0) continue;
        f = any_compiler ? cache_try_any(c, a, &c->folders[i], wanted) : cache_try(c, a, &c->folders[i], name, wanted, false);
    }
    return f;
}

/* ---- small texts ------------------------------------------------------------------------------------------ */

char *btl_cache_read_text(const btl_cache *c, btl_arena *a, const char *name) {
    int *fd = cache_fd(a);
    char *text = NULL;
    for (int i = 0; i < c->nfolders && !text; i++) {
        struct stat st;
        const char *problem;
        if (c->folders[i].fd < 0) continue;
        if (cache_open_file(&c->folders[i], name, fd, &st, &problem) && st.st_size < MOST_TEXT_BYTES) {
            text = btl_arena_zalloc(a, (size_t)st.st_size + 1);
            if (!cache_pread(*fd, text, (size_t)st.st_size, 0)) text = NULL;
        }
        cache_close(fd);
    }
    return text;
}

static void cache_temporary_name(char name[40], const char *start) {
    snprintf(name, 40, "%s%016llx", start, (unsigned long long)btl_os_unique());
}

void btl_cache_write_text(const btl_cache *c, const char *name, const char *text) {
    int folder = c->folders[0].fd;
    char temporary[40];
    cache_temporary_name(temporary, "tmp-");
    int fd = folder < 0 || c->frozen ? -1 : openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return;
    bool good = btl_os_write_all(fd, text, strlen(text));
    if (close(fd) || !good || renameat(folder, temporary, folder, name)) unlinkat(folder, temporary, 0);
}

/* ---- room ------------------------------------------------------------------------------------------------- */

int64_t btl_cache_limit(const btl_cache *c) {
    int64_t limit = default_limit;
    const char *text = btl_config_value("cache_size", NULL);
    if (text && !btl_config_parse_size(text, &limit)) btl_cache_note(c, "BITALE_CACHE_SIZE is %.100s, a size like 500M or 2G is expected; 1G is used", text);
    return limit;
}

static int cache_compare(const void *x, const void *y) {
    const btl_cache_file_info *a = x, *b = y;
    if (a->used != b->used) return a->used > b->used ? -1 : 1;
    return strcmp(a->name, b->name);
}

int btl_cache_list(const btl_cache_folder *folder, btl_arena *a, btl_cache_file_info **out) {
    int n = 0, capacity = 0;
    DIR **d = BTL_NEW(a, DIR *);
    btl_arena_defer(a, cache_close_stream, d);
    *out = NULL;
    *d = folder->fd < 0 ? NULL : cache_look(folder->fd);
    for (struct dirent *e; *d && (e = readdir(*d));) {
        struct stat st;
        if (!btl_sealed_is_name(e->d_name) || fstatat(folder->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
        btl_cache_file_info *info = BTL_PUSH(a, *out, n, capacity);
        *info = (btl_cache_file_info){ .bytes = st.st_size, .used = st.st_mtime };
        memcpy(info->name, e->d_name, sizeof info->name);
    }
    cache_close_stream(d);
    if (n) qsort(*out, (size_t)n, sizeof **out, cache_compare);
    return n;
}

/* A file or a folder with all in it, links themselves and not what they lead to. */
static bool cache_remove(int folder, const char *name, int depth) {
    if (unlinkat(folder, name, 0) == 0) return true;
    if ((errno != EISDIR && errno != EPERM) || depth == 0) return false;
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && fd >= 0) close(fd);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) cache_remove(fd, e->d_name, depth - 1);
    if (d) closedir(d);
    return unlinkat(folder, name, AT_REMOVEDIR) == 0;
}

static bool cache_is_hex_name(const char *name, const char *start, const char *end) {
    size_t n = strlen(start);
    if (strncmp(name, start, n) != 0) return false;
    size_t digits = strspn(name + n, "0123456789abcdef");
    return digits >= 12 && strcmp(name + n + digits, end) == 0;
}

static bool cache_is_older(int folder, const char *name, int64_t seconds) {
    struct stat st;
    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == geteuid() && time(NULL) - st.st_mtime > seconds;
}

/* Removes what interrupted processes left, and old remarks; with `all`, new ones and entries too. */
static btl_cache_removed cache_sweep(int folder, bool all) {
    btl_cache_removed removed = { 0 };
    DIR *d = folder < 0 ? NULL : cache_look(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        bool is_entry = btl_sealed_is_name(e->d_name), is_temporary = cache_is_hex_name(e->d_name, "tmp-", "");
        bool is_remark = cache_is_hex_name(e->d_name, "cc-", ".txt");
        if (!is_entry && !is_temporary && !is_remark) continue;
        if (!all && (is_entry || !cache_is_older(folder, e->d_name, is_remark ? REMARK_DAYS * DAY : DAY))) continue;
        int64_t bytes = fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_size;
        if (!cache_remove(folder, e->d_name, MOST_DEPTH)) continue;
        if (is_entry) removed.entries++, removed.bytes += bytes;
        else removed.others++;
    }
    if (d) closedir(d);
    return removed;
}

btl_cache_removed btl_cache_trim(const btl_cache *c, btl_arena *a, int64_t limit, int64_t keep) {
    btl_cache_file_info *files;
    const btl_cache_folder *own = &c->folders[0];
    btl_cache_removed removed = cache_sweep(own->fd, false);
    int n = btl_cache_list(own, a, &files);
    int64_t total = 0;
    for (int i = 0; i < n; i++) total += files[i].bytes;
    if (total <= limit) keep = total;
    for (int i = n - 1; i >= 0 && total > keep; i--) {
        if (unlinkat(own->fd, files[i].name, 0)) continue;
        total -= files[i].bytes;
        removed.entries++;
        removed.bytes += files[i].bytes;
    }
    return removed;
}

btl_cache_removed btl_cache_remove_all(const btl_cache *c) { return cache_sweep(c->folders[0].fd, true); }

/* ---- places to work ---------------------------------------------------------------------------------------- */

const char *btl_temporary_folder(void) {
    const char *folder = btl_os_env("TMPDIR");
    return folder ? folder : "/tmp";
}

int64_t btl_workplace_clean_temporary(void) {
    int64_t removed = 0;
    int folder = open(btl_temporary_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = folder < 0 ? NULL : cache_look(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (cache_is_hex_name(e->d_name, "bitale-", "") && cache_is_older(folder, e->d_name, DAY)) removed += cache_remove(folder, e->d_name, MOST_DEPTH);
    if (d) closedir(d);
    if (folder >= 0) close(folder);
    return removed;
}

static void workplace_remove(void *arg) {
    btl_workplace *w = arg;
    if (w->name[0] && w->parent_fd >= 0) cache_remove(w->parent_fd, w->name, MOST_DEPTH);
}

/* The deferred closing of parent_fd runs after the removal, since it is registered before. */
btl_workplace *btl_workplace_new(btl_cache *c, btl_arena *a, bool temporary) {
    btl_workplace *w = BTL_NEW(a, btl_workplace);
    int *fd = cache_fd(a);
    btl_arena_defer(a, workplace_remove, w);
    const char *parent = temporary ? btl_temporary_folder() : c->folders[0].path;
    w->folder = temporary ? NULL : &c->folders[0];
    if (temporary) *fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    w->parent_fd = temporary ? *fd : c->folders[0].fd;
    if (w->parent_fd < 0) return NULL;
    for (int attempt = 0; attempt < 100; attempt++) {
        cache_temporary_name(w->name, temporary ? "bitale-" : "tmp-");
        if ((size_t)snprintf(w->path, sizeof w->path, "%s/%s", parent, w->name) >= sizeof w->path) errno = ENAMETOOLONG;
        else if (mkdirat(w->parent_fd, w->name, 0700) == 0) return w;
        if (errno != EEXIST) break;
    }
    w->name[0] = 0;
    return NULL;
}

bool btl_workplace_publish(const btl_workplace *w, const char *file, const char *name) {
    char from[200];
    snprintf(from, sizeof from, "%s/%s", w->name, file);
    return renameat(w->parent_fd, from, w->parent_fd, name) == 0;
}
