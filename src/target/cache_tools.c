/* cache_tools.c - the cache as tools see it: bitale/tools.h. What is removed here is what a load would remove.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/tools.h"

#include "base/config.h"
#include "target/cache.h"

#include <stdio.h>
#include <string.h>

typedef struct tools_args {
    btl_arena arena;
    const char *dir;
    bool whole;
    bool (*see)(void *user, const btl_cache_entry *e);
    void *user;
    int64_t most_bytes;
    btl_cache_info *info;
    btl_cache_freed *freed;
    btl_error *err;
} tools_args;

static btl_status tools_run(btl_context *ctx, tools_args *args, btl_status (*body)(void *), btl_error *err) {
    args->err = err;
    btl_arena_init(&args->arena, ctx);
    btl_status status = btl_arena_protect(&args->arena, body, args);
    btl_arena_deinit(&args->arena);
    return status == BTL_ENOMEM ? btl_error_set(err, status, "out of memory while looking through the cache") : status;
}

/* A folder that is missing is an empty one. */
static btl_status tools_check(const tools_args *args, const btl_cache *c) {
    const btl_cache_folder *own = &c->folders[0];
    return own->fd >= 0 || own->missing ? BTL_OK : btl_error_set(args->err, BTL_EIO, "%s", own->problem);
}

/* ---- looking ---------------------------------------------------------------------------------------------- */

static btl_status tools_look(void *arg) {
    tools_args *args = arg;
    btl_cache_info *info = args->info;
    btl_cache_file_info *files;
    btl_cache *c = btl_cache_open(&args->arena, args->dir, false);
    const btl_cache_folder *own = &c->folders[0];
    snprintf(info->folder, sizeof info->folder, "%.*s", (int)sizeof info->folder - 1, own->path);
    snprintf(info->problem, sizeof info->problem, "%.*s", (int)sizeof info->problem - 1, own->problem);
    info->missing = own->missing;
    info->limit_bytes = btl_cache_limit(c);
    info->nentries = btl_cache_list(own, &args->arena, &files);
    for (int i = 0; i < info->nentries; i++) info->bytes += files[i].bytes;
    return BTL_OK;
}

btl_status btl_cache_look(btl_context *ctx, const char *dir, btl_cache_info *out, btl_error *err) {
    *out = (btl_cache_info){ 0 };
    tools_args args = { .dir = dir, .info = out };
    return tools_run(ctx, &args, tools_look, err);
}

/* The first line begins with "units ". */
static const char *tools_units(btl_arena *a, const btl_sealed *s) {
    static const char start[] = "units ";
    const char *end = memchr(s->material, '\n', s->material_bytes);
    size_t n = end ? (size_t)(end - s->material) : 0;
    if (n < sizeof start - 1 || memcmp(s->material, start, sizeof start - 1) != 0) return "";
    return btl_arena_strndup(a, s->material + sizeof start - 1, n - (sizeof start - 1));
}

static const char *tools_compiler(btl_arena *a, const btl_sealed *s) {
    const char *end = memchr(s->compiler, '\n', s->compiler_bytes);
    return btl_arena_strndup(a, s->compiler, end ? (size_t)(end - s->compiler) : s->compiler_bytes);
}

static bool tools_see(tools_args *args, const btl_cache_folder *folder, const btl_cache_file_info *info) {
    btl_arena *a = btl_arena_begin(&args->arena);
    btl_cache_entry e = { .folder = folder->path, .file = info->name, .read_only = !folder->own, .units = "", .compiler = "", .bytes = info->bytes, .used = info->used };
    btl_cache_file *f = btl_cache_read(folder, a, info->name, args->whole, &e.problem);
    if (f) {
        e.units = tools_units(a, &f->sealed);
        e.compiler = tools_compiler(a, &f->sealed);
        e.code_bytes = (int64_t)f->sealed.object_bytes;
        e.text_bytes = (int64_t)f->sealed.material_bytes;
        e.created = f->sealed.created;
    }
    bool on = (!f && !e.problem) || args->see(args->user, &e); /* without both, it has just been removed by somebody */
    btl_arena_end(a);
    return on;
}

static btl_status tools_each(void *arg) {
    tools_args *args = arg;
    btl_cache *c = btl_cache_open(&args->arena, args->dir, false);
    BTL_TRY(tools_check(args, c));
    for (int i = 0; i < c->nfolders; i++) {
        btl_cache_file_info *files;
        int n = btl_cache_list(&c->folders[i], &args->arena, &files);
        for (int k = 0; k < n; k++)
            if (!tools_see(args, &c->folders[i], &files[k])) return BTL_OK;
    }
    return BTL_OK;
}

btl_status btl_cache_each(btl_context *ctx, const char *dir, bool whole, bool (*see)(void *user, const btl_cache_entry *e), void *user, btl_error *err) {
    tools_args args = { .dir = dir, .whole = whole, .see = see, .user = user };
    return tools_run(ctx, &args, tools_each, err);
}

bool btl_cache_size(const char *text, int64_t *bytes) { return btl_config_parse_size(text, bytes); }

/* ---- removing --------------------------------------------------------------------------------------------- */

static void tools_remove_damaged(tools_args *args, btl_cache *c) {
    btl_cache_file_info *files;
    const btl_cache_folder *own = &c->folders[0];
    int n = btl_cache_list(own, &args->arena, &files);
    for (int i = 0; i < n; i++) {
        const char *problem = NULL;
        btl_arena *a = btl_arena_begin(&args->arena);
        btl_cache_read(own, a, files[i].name, true, &problem);
        btl_arena_end(a);
        if (!problem || !btl_cache_drop(c, own, files[i].name, problem)) continue;
        args->freed->damaged++;
        args->freed->entries++;
        args->freed->bytes += files[i].bytes;
    }
}

static btl_status tools_prune(void *arg) {
    tools_args *args = arg;
    btl_cache *c = btl_cache_open(&args->arena, args->dir, false);
    BTL_TRY(tools_check(args, c));
    int64_t most = args->most_bytes < 0 ? btl_cache_limit(c) : args->most_bytes;
    tools_remove_damaged(args, c);
    btl_cache_removed removed = btl_cache_trim(c, &args->arena, most, most);
    args->freed->entries += removed.entries;
    args->freed->bytes += removed.bytes;
    args->freed->others = removed.others + btl_workplace_clean_temporary();
    return BTL_OK;
}

btl_status btl_cache_prune(btl_context *ctx, const char *dir, int64_t most_bytes, btl_cache_freed *out, btl_error *err) {
    *out = (btl_cache_freed){ 0 };
    tools_args args = { .dir = dir, .most_bytes = most_bytes, .freed = out };
    return tools_run(ctx, &args, tools_prune, err);
}

static btl_status tools_clear(void *arg) {
    tools_args *args = arg;
    btl_cache *c = btl_cache_open(&args->arena, args->dir, false);
    BTL_TRY(tools_check(args, c));
    btl_cache_removed removed = btl_cache_remove_all(c);
    *args->freed = (btl_cache_freed){ .entries = removed.entries, .bytes = removed.bytes, .others = removed.others };
    return BTL_OK;
}

btl_status btl_cache_clear(btl_context *ctx, const char *dir, btl_cache_freed *out, btl_error *err) {
    *out = (btl_cache_freed){ 0 };
    tools_args args = { .dir = dir, .freed = out };
    return tools_run(ctx, &args, tools_clear, err);
}
