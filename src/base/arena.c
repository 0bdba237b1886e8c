/* arena.c - bump allocation in chunks that double. See arena.h for the rule about failure.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/arena.h"

#include "base/context.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef BTL_HOSTILE /* nearly every allocation asks for memory, so that tests can let each of them fail */
enum { FIRST_CHUNK_BYTES = 64, LARGEST_CHUNK_BYTES = 512 };
#else
enum { FIRST_CHUNK_BYTES = 4096, LARGEST_CHUNK_BYTES = 4 << 20 };
#endif

struct btl_chunk {
    btl_chunk *older;
    char *end;
    size_t bytes;
    size_t pad;
};

struct btl_deferred {
    btl_deferred *older;
    void (*fn)(void *);
    void *arg;
};

void btl_arena_init(btl_arena *a, btl_context *ctx) {
    *a = (btl_arena){ .ctx = ctx };
}

static void arena_run_deferred(btl_arena *a, btl_deferred *until) {
    for (btl_deferred *d = a->deferred; d != until; d = d->older) d->fn(d->arg);
    a->deferred = until;
}

void btl_arena_deinit(btl_arena *a) {
    arena_run_deferred(a, NULL);
    for (btl_chunk *c = a->chunks, *older; c; c = older) {
        older = c->older;
        btl_free(a->ctx, c, c->bytes);
    }
    btl_arena_init(a, a->ctx);
}

btl_status btl_arena_protect(btl_arena *a, btl_status (*body)(void *arg), void *arg) {
    if (a->trap) return body(arg);
    jmp_buf trap;
    btl_status status = BTL_ENOMEM;
    a->trap = &trap;
    if (setjmp(trap) == 0) {
        status = body(arg);
        a->trap = NULL;
        return status;
    }
    a->trap = NULL;
    return BTL_ENOMEM;
}

_Noreturn void btl_arena_fail(btl_arena *a) {
    assert(a->trap && "allocation outside btl_arena_protect");
    longjmp(*a->trap, 1);
}

static void arena_add_chunk(btl_arena *a, size_t need) {
    size_t bytes = a->chunks ? 2 * a->chunks->bytes : FIRST_CHUNK_BYTES;
    if (bytes > LARGEST_CHUNK_BYTES) bytes = LARGEST_CHUNK_BYTES;
    if (bytes < need + sizeof(btl_chunk) + 64) bytes = need + sizeof(btl_chunk) + 64;
    btl_chunk *c = btl_alloc(a->ctx, bytes);
    if (!c) btl_arena_fail(a);
    *c = (btl_chunk){ .older = a->chunks, .end = (char *)c + bytes, .bytes = bytes };
    a->chunks = c;
    a->at = (char *)(c + 1);
    a->end = c->end;
    a->total_bytes += bytes;
}

static char *arena_aligned(const btl_arena *a, size_t align) { return (char *)(((uintptr_t)a->at + align - 1) & ~(uintptr_t)(align - 1)); }

void *btl_arena_alloc_chunk(btl_arena *a, size_t bytes) {
    size_t align = bytes >= BTL_ARENA_BIG_BLOCK ? 64 : BTL_ARENA_ALIGN;
    if (bytes > SIZE_MAX / 2) btl_arena_fail(a);
    size_t need = btl_arena_rounded(bytes);
    char *p = arena_aligned(a, align);
    if (!a->at || p > a->end || (size_t)(a->end - p) < need) {
        arena_add_chunk(a, need);
        p = arena_aligned(a, align);
    }
    a->at = p + need;
    return p;
}

void *btl_arena_array(btl_arena *a, size_t count, size_t size) {
    if (size && count > SIZE_MAX / 2 / size) btl_arena_fail(a);
    return btl_arena_zalloc(a, count * size);
}

void *btl_arena_copy(btl_arena *a, const void *data, size_t bytes) {
    void *p = btl_arena_alloc(a, bytes);
    if (bytes) memcpy(p, data, bytes);
    return p;
}

char *btl_arena_strndup(btl_arena *a, const char *s, size_t length) {
    char *p = btl_arena_alloc(a, length + 1);
    memcpy(p, s, length);
    p[length] = 0;
    return p;
}

char *btl_arena_strdup(btl_arena *a, const char *s) {
    return btl_arena_strndup(a, s, strlen(s));
}

char *btl_arena_printf(btl_arena *a, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = btl_arena_alloc(a, (size_t)(length < 0 ? 0 : length) + 1);
    p[0] = 0;
    if (length > 0) vsnprintf(p, (size_t)length + 1, format, again);
    va_end(again);
    return p;
}

void *btl_arena_grow(btl_arena *a, void *array, int count, int *capacity, size_t size) {
    if (count < *capacity) return array;
    int bigger = *capacity ? 2 * *capacity : 8;
    if (*capacity > INT32_MAX / 4) btl_arena_fail(a);
    void *p = btl_arena_alloc(a, (size_t)bigger * size);
    if (count) memcpy(p, array, (size_t)count * size);
    *capacity = bigger;
    return p;
}

void btl_arena_defer(btl_arena *a, void (*fn)(void *), void *arg) {
    btl_deferred *d = btl_arena_alloc(a, sizeof *d);
    *d = (btl_deferred){ a->deferred, fn, arg };
    a->deferred = d;
}

static void arena_deinit_child(void *arg) {
    btl_arena_deinit(arg);
}

btl_arena *btl_arena_begin(btl_arena *parent) {
    btl_arena *child = btl_arena_alloc(parent, sizeof *child);
    btl_arena_init(child, parent->ctx);
    btl_arena_defer(parent, arena_deinit_child, child);
    child->trap = parent->trap;
    return child;
}

void btl_arena_end(btl_arena *child) {
    btl_arena_deinit(child);
}

btl_mark btl_arena_mark(const btl_arena *a) {
    return (btl_mark){ a->chunks, a->at, a->deferred };
}

void btl_arena_reset(btl_arena *a, btl_mark mark) {
    arena_run_deferred(a, mark.deferred);
    while (a->chunks != mark.chunk) {
        btl_chunk *c = a->chunks;
        a->chunks = c->older;
        a->total_bytes -= c->bytes;
        btl_free(a->ctx, c, c->bytes);
    }
    a->at = mark.at;
    a->end = a->chunks ? a->chunks->end : NULL;
}
