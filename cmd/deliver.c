/* deliver.c - see deliver.h. SPDX-License-Identifier: BSD-3-Clause */
#include "deliver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* mkdir -p; *made says whether the last folder is new. */
static int deliver_make_dir(const cmd *c, const char *dir, bool *made) {
    char *path = cmd_format("%s", dir);
    int code = 0;
    *made = false;
    for (char *p = path + 1; !code; p++) {
        if (*p && *p != '/') continue;
        char end = *p;
        *p = 0;
        *made = mkdir(path, 0777) == 0;
        struct stat st;
        if (!*made && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)))
            code = cmd_fail(c, BTL_EIO, "-o %s: %s cannot be made: %s", dir, path, cmd_reason(errno == EEXIST ? ENOTDIR : errno));
        *p = end;
        if (!end) break;
    }
    free(path);
    return code;
}

int deliver_begin(deliver *d, const cmd *c, const char *dir) {
    *d = (deliver){ .c = c, .dir = dir };
    if (!dir) return 0;
    if (!*dir) return cmd_usage(c, "-o takes the name of a folder");
    int code = deliver_make_dir(c, dir, &d->made);
    if (code) return code;
    d->temporary = cmd_format("%s/.bitale-XXXXXX", dir);
    if (mkdtemp(d->temporary)) return 0;
    code = cmd_fail(c, BTL_EIO, "-o %s: cannot be written to: %s", dir, cmd_reason(errno));
    free(d->temporary);
    d->temporary = NULL;
    return code;
}

/* The message names the file that is wanted, not the temporary one. */
static void deliver_rename_in_message(const deliver *d, btl_error *err) {
    char *at = strstr(err->message, d->temporary);
    size_t keep = strlen(d->dir), skip = strlen(d->temporary);
    if (at) memmove(at + keep, at + skip, strlen(at + skip) + 1);
}

/* The path aside of a file that will be named so. */
static char *deliver_add(deliver *d, char *name) {
    d->names = cmd_realloc(d->names, (size_t)(d->n + 1) * sizeof *d->names);
    d->names[d->n++] = name;
    return cmd_format("%s/%s", d->temporary, name);
}

int deliver_write_text(deliver *d, const char *name, const char *text, size_t length) {
    char *path = deliver_add(d, cmd_format("%s", name));
    FILE *f = fopen(path, "wb");
    int failed = f ? 0 : errno;
    if (f && fwrite(text, 1, length, f) != length) failed = errno;
    if (f && fclose(f) != 0 && !failed) failed = errno;
    free(path);
    return failed ? cmd_fail(d->c, BTL_EIO, "%s/%s: cannot be written: %s", d->dir, name, cmd_reason(failed)) : 0;
}

int deliver_write(deliver *d, const char *name, const btl_array *a) {
    btl_error err = { 0 };
    char *path = deliver_add(d, cmd_format("%s.npy", name));
    btl_status status = btl_npy_write(d->c->ctx, path, a, &err);
    free(path);
    if (status == BTL_OK) return 0;
    deliver_rename_in_message(d, &err);
    return cmd_fail_error(d->c, &err);
}

/* What could be in the way is looked for before the first file gets its name. */
static int deliver_check_names(const deliver *d) {
    for (int i = 0; i < d->n; i++) {
        char *to = cmd_format("%s/%s", d->dir, d->names[i]);
        struct stat st;
        int code = stat(to, &st) == 0 && S_ISDIR(st.st_mode) ? cmd_fail(d->c, BTL_EIO, "%s: cannot be written: a folder has that name", to) : 0;
        free(to);
        if (code) return code;
    }
    return 0;
}

int deliver_commit(deliver *d) {
    int in_the_way = deliver_check_names(d);
    if (in_the_way) return in_the_way;
    for (int i = 0; i < d->n; i++) {
        char *from = cmd_format("%s/%s", d->temporary, d->names[i]), *to = cmd_format("%s/%s", d->dir, d->names[i]);
        int failed = rename(from, to) ? errno : 0;
        free(from);
        int code = failed ? cmd_fail(d->c, BTL_EIO, "%s: cannot be written: %s", to, cmd_reason(failed)) : 0;
        free(to);
        if (code) return code;
    }
    d->made = false;
    return 0;
}

void deliver_end(deliver *d) {
    for (int i = 0; i < d->n; i++) {
        char *path = cmd_format("%s/%s", d->temporary, d->names[i]);
        unlink(path);
        free(path);
        free(d->names[i]);
    }
    if (d->temporary) rmdir(d->temporary);
    if (d->made) rmdir(d->dir); /* ours and empty; otherwise it stays */
    free(d->names);
    free(d->temporary);
    *d = (deliver){ 0 };
}

int deliver_check_path(const cmd *c, const char *option, const char *path) {
    const char *slash = strrchr(path, '/');
    char *dir = slash ? cmd_format("%.*s", slash == path ? 1 : (int)(slash - path), path) : cmd_format(".");
    struct stat st;
    int code = 0;
    bool there = stat(path, &st) == 0;
    if (there && S_ISDIR(st.st_mode)) code = cmd_fail(c, BTL_EIO, "%s %s: is a folder; the name of a file is expected", option, path);
    else if (there && !S_ISREG(st.st_mode)) code = 0; /* a device is written directly */
    else if (access(dir, W_OK | X_OK) != 0) code = cmd_fail(c, BTL_EIO, "%s %s: cannot be written: %s: %s", option, path, dir, cmd_reason(errno));
    free(dir);
    return code;
}
