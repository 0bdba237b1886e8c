/* code.c - see code.h: the way of texts to loaded code.
 *
 *     key → loaded already? → an entry of the cache? → compile, load, and only then store
 *
 * So nothing gets into the cache that could not be loaded, and what is loaded is what was looked at (by its open file).
 * The places from which code can be executed are tried in turn: where the file lies, memory, $TMPDIR. A file on another
 * machine is always copied to memory first: its owner may remove it while we run, which NFS answers with SIGBUS.
 *
 * A context keeps a table of what it has loaded. Its lock is held for moments, never while something is compiled: two
 * threads that want the same new code both make it, and one of the two is thrown away, as two processes would do.
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "target/code.h"

#include "base/context.h"
#include "base/hash.h"
#include "base/os.h"
#include "base/processor.h"
#include "target/toolchain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUCKETS = 256, MOST_SAID = 64, MOST_NAME_BYTES = 100, TRIM_PARTS = 64 };

/* ---- what a context has loaded ---------------------------------------------------------------------------- */

struct btl_code {
    btl_context *ctx;
    void *library;
    uint64_t key[2], compiler_key;
    int64_t refs;
    bool from_cache;
    btl_code *next; /* in its bucket */
};

typedef struct code_table {
    pthread_mutex_t lock;
    btl_code *buckets[BUCKETS];
    btl_code_counts counts;
    uint64_t said[MOST_SAID]; /* hashes of the notes that were passed on */
    int nsaid;
    int64_t unlooked_bytes;   /* stored since the cache was last looked through for its size */
    bool has_looked;
} code_table;

static void *code_table_new(btl_context *ctx) {
    code_table *t = btl_alloc(ctx, sizeof *t);
    if (!t) return NULL;
    memset(t, 0, sizeof *t);
    if (pthread_mutex_init(&t->lock, NULL) == 0) return t;
    btl_free(ctx, t, sizeof *t);
    return NULL;
}

static void code_table_free(btl_context *ctx, void *thing) {
    code_table *t = thing;
    pthread_mutex_destroy(&t->lock);
    btl_free(ctx, t, sizeof *t);
}

static code_table *code_table_of(btl_context *ctx) {
    return ctx ? btl_context_slot(ctx, BTL_SLOT_CODE, code_table_new, code_table_free) : NULL;
}

/* Under the lock. */
static btl_code *code_table_find(code_table *t, const uint64_t key[2], uint64_t compiler_key, bool any_compiler) {
    for (btl_code *c = t->buckets[key[0] % BUCKETS]; c; c = c->next)
        if (c->key[0] == key[0] && c->key[1] == key[1] && (any_compiler || c->compiler_key == compiler_key)) return c;
    return NULL;
}

btl_code_counts btl_code_count(btl_context *ctx) {
    btl_code_counts counts = { 0 };
    code_table *t = code_table_of(ctx);
    if (!t) return counts;
    pthread_mutex_lock(&t->lock);
    counts = t->counts;
    pthread_mutex_unlock(&t->lock);
    return counts;
}

void *btl_code_symbol(const btl_code *c, const char *name) { return btl_os_symbol(c->library, name); }
bool btl_code_came_from_cache(const btl_code *c) { return c->from_cache; }

void btl_code_unload(btl_code *c) {
    if (!c) return;
    code_table *t = code_table_of(c->ctx);
    if (t) pthread_mutex_lock(&t->lock);
    bool last = --c->refs == 0;
    if (t && last) {
        btl_code **p = &t->buckets[c->key[0] % BUCKETS];
        while (*p != c) p = &(*p)->next;
        *p = c->next;
    }
    if (t) pthread_mutex_unlock(&t->lock);
    if (!last) return;
    btl_os_close_library(c->library);
    btl_free(c->ctx, c, sizeof *c);
}

/* ---- one load --------------------------------------------------------------------------------------------- */

typedef struct code_load {
    btl_context *ctx;
    const btl_code_options *o;
    int n, level;
    const btl_code_source *units;
    btl_arena arena;
    code_table *table; /* NULL: no context, or no memory for one */
    btl_cache *cache;
    btl_compiler compiler;
    bool has_compiler;
    btl_sealed wanted;
    const char *log;
    btl_error *err;
    /* the result */
    void *library;
    btl_code *shared;  /* loaded before */
    bool from_cache;
} code_load;

static void code_note(void *user, const char *text) {
    code_load *l = user;
    uint64_t hash = btl_hash_bytes(text, strlen(text), 0) | 1;
    bool is_new = true;
    if (l->table) {
        pthread_mutex_lock(&l->table->lock);
        for (int i = 0; i < MOST_SAID && is_new; i++) is_new = l->table->said[i] != hash;
        if (is_new) l->table->said[l->table->nsaid++ % MOST_SAID] = hash;
        pthread_mutex_unlock(&l->table->lock);
    }
    if (is_new && l->o->note) l->o->note(l->o->note_user, text);
}

static bool code_is_name(const char *name) {
    size_t n = name ? strlen(name) : 0;
    return n > 0 && n <= MOST_NAME_BYTES && name[0] != '.' && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+") == n;
}

static btl_status code_check_names(const code_load *l) {
    if (l->n < 1) return btl_error_set(l->err, BTL_EUSAGE, "there is no text to compile");
    for (int i = 0; i < l->n; i++) {
        const char *name = l->units[i].name;
        if (!code_is_name(name))
            return btl_error_set(l->err, BTL_EUSAGE, "a text to compile is named \"%.150s\": up to %d letters, digits, '_', '-', '.' and '+' are allowed",
                                 name ? name : "", MOST_NAME_BYTES);
        for (int k = 0; k < i; k++)
            if (strcmp(l->units[k].name, name) == 0) return btl_error_set(l->err, BTL_EUSAGE, "two texts to compile are named %s", name);
    }
    return BTL_OK;
}

/* All that the code depends on but the compiler, so that no two ways to fill it in give one text: each part has its
 * length before it. The units' names come first, for `bitale cache list`. */
static void code_describe(code_load *l) {
    btl_text t;
    char processor[BTL_PROCESSOR_BYTES];
    btl_processor_describe(processor);
    btl_text_init(&t, &l->arena);
    btl_text_add(&t, "units");
    for (int i = 0; i < l->n; i++) btl_text_printf(&t, " %s", l->units[i].name);
    btl_text_printf(&t, "\nabi %d\nlevel %d\nprocessor %s\n", BTL_CODE_ABI, l->level, processor);
    const char *parts[][2] = { { "flags", l->o->flags }, { "libraries", l->o->libraries }, { "extra", l->o->extra_key } };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *part = parts[i][1] ? parts[i][1] : "";
        btl_text_printf(&t, "%s %zu\n%s\n", parts[i][0], strlen(part), part);
    }
    for (int i = 0; i < l->n; i++) {
        btl_text_printf(&t, "unit %s %zu\n", l->units[i].name, l->units[i].length);
        btl_text_addn(&t, l->units[i].text, l->units[i].length);
        btl_text_add(&t, "\n");
    }
    l->wanted = (btl_sealed){ .material = t.data, .material_bytes = t.length, .compiler = "" };
}

/* ---- loading ---------------------------------------------------------------------------------------------- */

typedef enum code_place { CODE_LOADED, CODE_NOT_A_LIBRARY, CODE_NOWHERE } code_place;

/* The open file as a library, if code in it can be executed. */
static code_place code_open_here(code_load *l, int fd, uint64_t unique, const char *path, char why[1000]) {
    if (!btl_os_can_execute(fd)) return CODE_NOWHERE;
    l->library = btl_os_open_library_fd(fd, unique, path, why, 1000);
    return l->library ? CODE_LOADED : CODE_NOT_A_LIBRARY;
}

/* The same from a copy without a name. Consumes fd. */
static code_place code_open_copy(code_load *l, int fd, uint64_t unique, const char *data, size_t bytes, char why[1000]) {
    if (fd < 0) return CODE_NOWHERE;
    code_place place = btl_os_write_all(fd, data, bytes) ? code_open_here(l, fd, unique, NULL, why) : CODE_NOWHERE;
    close(fd);
    return place;
}

/* From the first place from which it can be executed. `data` is all of the file. */
static code_place code_open(code_load *l, int fd, const char *path, const char *data, size_t bytes, char why[1000]) {
    char name[MOST_NAME_BYTES + 20];
    uint64_t unique = btl_hash_bytes(data, bytes, 0);
    code_place place = btl_os_is_remote(fd) ? CODE_NOWHERE : code_open_here(l, fd, unique, path, why);
    snprintf(name, sizeof name, "bitale-%s", l->units[0].name);
    if (place == CODE_NOWHERE) place = code_open_copy(l, btl_os_memory_file(name), unique, data, bytes, why);
    if (place == CODE_NOWHERE) place = code_open_copy(l, btl_os_unnamed_file(btl_temporary_folder()), unique, data, bytes, why);
    return place;
}

static btl_status code_nowhere(const code_load *l) {
    const btl_cache_folder *own = &l->cache->folders[0];
    return btl_error_set(l->err, BTL_EIO, "generated code cannot be executed on this machine: neither from the cache folder (%.500s) nor from memory nor from %.300s (TMPDIR): "
                         "they are mounted noexec, or it is forbidden", own->fd >= 0 ? own->path : own->problem, btl_temporary_folder());
}

/* ---- from the cache --------------------------------------------------------------------------------------- */

/* *done: loaded, or there is no point in going on. */
static btl_status code_from_cache(code_load *l, bool *done) {
    char path[PATH_MAX + BTL_SEALED_NAME_BYTES + 1], why[1000] = "";
    btl_cache_file *f = btl_cache_find(l->cache, &l->arena, &l->wanted, !l->has_compiler);
    *done = false;
    if (!f) return BTL_OK;
    snprintf(path, sizeof path, "%s/%s", f->folder->path, f->name);
    code_place place = code_open(l, f->fd, path, f->data, f->bytes, why);
    *done = place != CODE_NOT_A_LIBRARY;
    if (place == CODE_NOWHERE) return code_nowhere(l);
    if (place == CODE_NOT_A_LIBRARY) btl_cache_drop(l->cache, f->folder, f->name, why); /* a library that it needs has changed */
    l->from_cache = *done;
    l->wanted.compiler_key = f->sealed.compiler_key;
    return BTL_OK;
}

/* ---- compiling -------------------------------------------------------------------------------------------- */

/* Reads all of the file at fd; NULL: errno. */
static char *code_read(code_load *l, int fd, size_t *bytes) {
    struct stat st;
    if (fstat(fd, &st)) return NULL;
    char *data = btl_arena_alloc(&l->arena, (size_t)st.st_size + 1);
    for (*bytes = 0; *bytes < (size_t)st.st_size;) {
        ssize_t n = pread(fd, data + *bytes, (size_t)st.st_size - *bytes, (off_t)*bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return NULL;
        *bytes += (size_t)n;
    }
    return data;
}

static void code_close_fd(void *arg) {
    int fd = *(int *)arg;
    if (fd >= 0) close(fd);
}

/* The size of the cache is not looked after at every entry: looking through it takes a microsecond for each. */
static void code_keep_room(code_load *l, size_t bytes) {
    int64_t limit = btl_cache_limit(l->cache);
    bool due = true;
    if (l->table) {
        pthread_mutex_lock(&l->table->lock);
        l->table->unlooked_bytes += (int64_t)bytes;
        due = !l->table->has_looked || l->table->unlooked_bytes > limit / TRIM_PARTS;
        if (due) l->table->has_looked = true, l->table->unlooked_bytes = 0;
        pthread_mutex_unlock(&l->table->lock);
    }
    if (due) btl_cache_trim(l->cache, &l->arena, limit, limit / 10 * 9);
}

/* Told, and counted; true the first time. */
static bool code_unstored(code_load *l, const char *folder, const char *why) {
    bool first = true;
    btl_cache_note(l->cache, "generated code could not be kept in the cache, so that it is compiled again next time: %s%s%s", folder, *folder ? ": " : "", why);
    if (!l->table) return first;
    pthread_mutex_lock(&l->table->lock);
    first = l->table->counts.unstored++ == 0;
    pthread_mutex_unlock(&l->table->lock);
    return first;
}

/* Into the cache, from a workplace in its folder by its name, from another place by a copy. */
static void code_store(code_load *l, const btl_workplace *w, size_t bytes) {
    char name[BTL_SEALED_NAME_BYTES];
    const btl_cache_folder *own = &l->cache->folders[0];
    btl_sealed_name(&l->wanted, name);
    if (btl_cache_limit(l->cache) == 0) return;
    if (!w->folder) return; /* told why when the workplace was chosen */
    if (btl_workplace_publish(w, "code.so", name)) code_keep_room(l, bytes);
    else code_unstored(l, own->path, strerror(errno));
}

/* What the compiler wrote becomes an entry: what it was made from goes behind it, then it is loaded, then stored. Other
 * users may not write to it, whatever umask and linker think. */
static btl_status code_finish(code_load *l, const btl_workplace *w, bool *no_room) {
    btl_arena *a = &l->arena;
    char *path = btl_arena_printf(a, "%s/code.so", w->path), why[1000] = "";
    size_t bytes = 0, tail_bytes = 0;
    int *fd = BTL_NEW(a, int);
    *fd = -1;
    btl_arena_defer(a, code_close_fd, fd);
    *fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    const char *data = *fd >= 0 ? code_read(l, *fd, &bytes) : NULL;
    if (!data) return btl_error_set(l->err, BTL_EIO, "what the C compiler wrote cannot be read: %s", strerror(errno));
    const char *problem = btl_object_problem(data, bytes);
    if (problem)
        return btl_error_set(l->err, BTL_ECOMPILER, "the C compiler %s wrote no usable shared object: %s", l->compiler.command[0], problem);
    l->wanted.object = data, l->wanted.object_bytes = bytes, l->wanted.created = time(NULL);
    char *tail = btl_sealed_tail(a, &l->wanted, &tail_bytes);
    *no_room = !btl_os_write_all(*fd, tail, tail_bytes) || fchmod(*fd, 0755);
    if (*no_room) return btl_error_set(l->err, BTL_EIO, "generated code cannot be written: %s", strerror(errno));
    char *whole = btl_arena_alloc(a, bytes + tail_bytes);
    memcpy(whole, data, bytes);
    memcpy(whole + bytes, tail, tail_bytes);
    code_place place = code_open(l, *fd, path, whole, bytes + tail_bytes, why);
    if (place == CODE_NOWHERE) return code_nowhere(l);
    if (place == CODE_NOT_A_LIBRARY)
        return btl_error_set(l->err, BTL_ECOMPILER, "what the C compiler %s made of generated code cannot be loaded: %s", l->compiler.command[0], why);
    code_store(l, w, bytes + tail_bytes);
    return BTL_OK;
}

static btl_status code_compile_in(code_load *l, const btl_workplace *w, bool *no_room) {
    btl_compile_job job = { .compiler = &l->compiler, .n = l->n, .units = l->units, .flags = l->o->flags, .libraries = l->o->libraries,
                            .level = l->level, .folder = w->path };
    btl_error mine = { 0 };
    btl_compile_end end = btl_compile(&l->arena, &job, &l->log, &mine);
    *no_room = end == BTL_COMPILE_NO_ROOM;
    if (end == BTL_COMPILED) return code_finish(l, w, no_room);
    if (end != BTL_COMPILE_REFUSED) l->log = "";
    return btl_error_set(l->err, mine.status, "%s", mine.message);
}

/* In a workplace of its own; *no_room: that place will not do, another may. */
static btl_status code_compile_at(code_load *l, bool temporary, bool *no_room) {
    const btl_cache_folder *own = &l->cache->folders[0];
    *no_room = true;
    errno = 0;
    if (!temporary && own->fd < 0) return btl_error_set(l->err, BTL_EIO, "%s", own->problem);
    btl_workplace *w = btl_workplace_new(l->cache, &l->arena, temporary);
    if (!w) return btl_error_set(l->err, BTL_EIO, "no folder can be made: %s", strerror(errno));
    return code_compile_in(l, w, no_room);
}

/* In the cache's folder, so that the result need only be renamed; if that has no room, in $TMPDIR. */
static btl_status code_compile(code_load *l) {
    btl_error errors[2] = { 0 }, *given = l->err;
    const btl_cache_folder *own = &l->cache->folders[0];
    const char *own_path = own->fd < 0 ? "" : own->path; /* the problem names it */
    btl_status status;
    bool no_room = true;
    int i = 0;
    do {
        l->err = &errors[i];
        status = code_compile_at(l, i == 1, &no_room);
    } while (no_room && ++i < 2);
    l->err = given;
    if (no_room)
        return btl_error_set(l->err, BTL_EIO, "there is no folder to compile generated code in: %s%s%s; %s: %s", own_path, *own_path ? ": " : "", errors[0].message,
                             btl_temporary_folder(), errors[1].message);
    if (status != BTL_OK) return btl_error_set(l->err, status, "%s", errors[i].message);
    if (i == 1 && code_unstored(l, own_path, errors[0].message)) btl_workplace_clean_temporary();
    return BTL_OK;
}

/* ---- all of it -------------------------------------------------------------------------------------------- */

static btl_status code_load_body(void *arg) {
    code_load *l = arg;
    btl_arena *a = &l->arena;
    btl_error no_compiler = { 0 };
    bool done;
    BTL_TRY(code_check_names(l));
    l->cache = btl_cache_open(a, l->o->cache_dir, true);
    l->cache->note = code_note;
    l->cache->note_user = l;
    for (int i = 1; i < l->cache->nfolders; i++)
        if (l->cache->folders[i].problem[0]) btl_cache_note(l->cache, "a read-only cache (BITALE_CACHE_READONLY): %s", l->cache->folders[i].problem);
    l->has_compiler = btl_compiler_find(a, l->cache, l->o->compiler, &l->compiler, &no_compiler) == BTL_OK;
    code_describe(l);
    if (l->has_compiler) {
        l->wanted.compiler = btl_arena_printf(a, "%sflags %s\n", l->compiler.identity, btl_compiler_flags(a, &l->compiler, l->level));
        l->wanted.compiler_bytes = strlen(l->wanted.compiler);
    }
    btl_sealed_identify(&l->wanted);
    if (l->table) {
        pthread_mutex_lock(&l->table->lock);
        l->shared = code_table_find(l->table, l->wanted.key, l->wanted.compiler_key, !l->has_compiler);
        if (l->shared) l->shared->refs++, l->table->counts.shared++;
        pthread_mutex_unlock(&l->table->lock);
        if (l->shared) return BTL_OK;
    }
    BTL_TRY(code_from_cache(l, &done));
    if (done) return BTL_OK;
    if (!l->has_compiler) return btl_error_set(l->err, no_compiler.status, "%s", no_compiler.message);
    return code_compile(l);
}

/* Into the table; if another thread was quicker, what it loaded is the result. */
static btl_code *code_register(code_load *l, btl_code *c) {
    *c = (btl_code){ .ctx = l->ctx, .library = l->library, .key = { l->wanted.key[0], l->wanted.key[1] },
                     .compiler_key = l->wanted.compiler_key, .refs = 1, .from_cache = l->from_cache };
    code_table *t = l->table;
    if (!t) return c;
    pthread_mutex_lock(&t->lock);
    *(l->from_cache ? &t->counts.from_cache : &t->counts.compiled) += 1;
    btl_code *other = code_table_find(t, c->key, c->compiler_key, false);
    if (other) {
        other->refs++;
    } else {
        c->next = t->buckets[c->key[0] % BUCKETS];
        t->buckets[c->key[0] % BUCKETS] = c;
    }
    pthread_mutex_unlock(&t->lock);
    if (!other) return c;
    btl_os_close_library(c->library);
    btl_free(l->ctx, c, sizeof *c);
    return other;
}

static btl_status code_give_log(code_load *l, char **log) {
    size_t bytes = l->log ? strlen(l->log) + 1 : 1;
    *log = btl_alloc(l->ctx, bytes);
    if (!*log) return BTL_ENOMEM;
    memcpy(*log, l->log ? l->log : "", bytes);
    return BTL_OK;
}

btl_status btl_code_load(btl_context *ctx, const btl_code_options *o, int n, const btl_code_source *units, btl_code **out,
                         char **log, btl_error *err) {
    static const btl_code_options none = { 0 };
    if (!o) o = &none;
    code_load l = { .ctx = ctx, .o = o, .n = n, .level = o->level > 0 ? o->level : 2, .units = units, .err = err, .table = code_table_of(ctx) };
    *out = NULL;
    if (log) *log = NULL;
    btl_arena_init(&l.arena, ctx);
    btl_code *c = ctx && !l.table ? NULL : btl_alloc(ctx, sizeof *c);
    btl_status status = c ? btl_arena_protect(&l.arena, code_load_body, &l) : BTL_ENOMEM;
    if (status == BTL_ENOMEM) l.log = "";
    if (l.table && l.cache && l.cache->dropped) {
        pthread_mutex_lock(&l.table->lock);
        l.table->counts.dropped += l.cache->dropped;
        pthread_mutex_unlock(&l.table->lock);
    }
    if (log && code_give_log(&l, log) != BTL_OK) status = BTL_ENOMEM;
    if (status == BTL_OK && !l.shared) *out = code_register(&l, c), c = NULL;
    else if (status == BTL_OK) *out = l.shared;
    else btl_os_close_library(l.library), btl_code_unload(l.shared);
    btl_free(ctx, c, sizeof *c);
    if (status == BTL_ENOMEM) btl_error_set(err, status, "out of memory while generated code was compiled or loaded");
    btl_arena_deinit(&l.arena);
    return status;
}
