/* standalone.h - functions written as C, compiled by a compiler, loaded and called.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SWEEP_STANDALONE_H
#define TEST_SWEEP_STANDALONE_H

#include "sweep.h"

#include "base/os.h"
#include "bitale/standalone.h"

#include <unistd.h>

typedef size_t (*sa_work_fn)(const int64_t *sizes);
typedef size_t (*sa_work_fixed_fn)(void);
typedef int (*sa_fn)(const int64_t *sizes, const void *const *in, void *const *out, void *work);
typedef int (*sa_fixed_fn)(const void *const *in, void *const *out, void *work);

/* A written function, loaded. */
typedef struct sa_loaded {
    void *library;
    const btl_standalone_info *info;
    void *call, *work;
} sa_loaded;

static SWEEP_UNUSED bool sa_has(const char *name) {
    char path[500];
    return btl_os_find_program(name, path, sizeof path);
}

static SWEEP_UNUSED void sa_write(const btl_standalone_info *info, const char *dir) {
    for (int i = 0; i < info->nfiles; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", dir, info->files[i].name);
        FILE *f = fopen(path, "w");
        if (!f) BTL_FAIL("%s cannot be written", path);
        assert_int_equal(fwrite(info->files[i].text, 1, info->files[i].length, f), info->files[i].length);
        fclose(f);
    }
}

static SWEEP_UNUSED bool sa_load(sa_loaded *l, const char *path, const btl_standalone_info *info) {
    char why[300], name[200];
    l->info = info;
    l->library = btl_os_open_library(path, why, sizeof why);
    if (!l->library) BTL_FAIL("%s: %s", path, why);
    snprintf(name, sizeof name, "%s_work", info->name);
    l->call = btl_os_symbol(l->library, info->name), l->work = btl_os_symbol(l->library, name);
    return l->call && l->work;
}

/* Calls it with results of the sizes that `want` has; everything lies at its end in memory of just its size, so that a
 * sanitizer or a guard sees what is beyond. Returns its code. */
static SWEEP_UNUSED int sa_call(const sa_loaded *l, const int64_t *sizes, const void *const *in, void *const *out) {
    size_t bytes;
    if (l->info->nsizes) {
        sa_work_fn work;
        memcpy(&work, &l->work, sizeof work);
        bytes = work(sizes);
    } else {
        sa_work_fixed_fn work;
        memcpy(&work, &l->work, sizeof work);
        bytes = work();
    }
    if (bytes == (size_t)-1) return -1;
    unsigned char *block = malloc(bytes + 64), *memory = block + 1 + bytes % 7; /* anywhere */
    memset(block, 0xa5, bytes + 64);
    int code;
    if (l->info->nsizes) {
        sa_fn call;
        memcpy(&call, &l->call, sizeof call);
        code = call(sizes, in, out, bytes ? memory : NULL);
    } else {
        sa_fixed_fn call;
        memcpy(&call, &l->call, sizeof call);
        code = call(in, out, bytes ? memory : NULL);
    }
    for (unsigned char *p = block; p < block + bytes + 64; p++)
        if ((p < memory || p >= memory + bytes) && *p != 0xa5) BTL_FAIL("%s writes beyond its work memory: byte %ld of %zu", l->info->name, (long)(p - memory), bytes);
    free(block);
    return code;
}

#endif
