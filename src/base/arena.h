/* arena.h - memory that is freed all at once, and how running out of it is told.
 *
 * Graphs, compiled functions and everything built while a pass runs live in arenas. Inside
 * `btl_arena_protect` an allocation never returns NULL: when memory runs out, control goes back
 * to the protect call, which returns BTL_ENOMEM (Lua's way). So passes need no check after each
 * allocation, and nothing leaks, because all they own is the arena's. Code under protection
 * therefore owns nothing else: no malloc, no open file, no lock held; what must be undone is
 * registered with `btl_arena_defer`.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_BASE_ARENA_H
#define BTL_BASE_ARENA_H

#include "bitale/base.h"

#include <setjmp.h>
#include <string.h>

typedef struct btl_chunk btl_chunk;
typedef struct btl_deferred btl_deferred;

typedef struct btl_arena {
    btl_context *ctx;
    btl_chunk *chunks;      /* newest first */
    char *at, *end;         /* free part of the newest chunk */
    size_t total_bytes;     /* of all chunks */
    jmp_buf *trap;          /* where an allocation that fails returns to; NULL outside protection */
    btl_deferred *deferred; /* run by btl_arena_deinit, newest first */
} btl_arena;

/* A place to which an arena can be reset: everything allocated since is given back. */
typedef struct btl_mark {
    btl_chunk *chunk;
    char *at;
    btl_deferred *deferred;
} btl_mark;

void btl_arena_init(btl_arena *a, btl_context *ctx); /* allocates nothing */
void btl_arena_deinit(btl_arena *a);

/* Runs body(arg) with the arena's allocations guarded. Nested calls on one arena return to the
 * outermost. Returns body's status, or BTL_ENOMEM. */
btl_status btl_arena_protect(btl_arena *a, btl_status (*body)(void *arg), void *arg);

enum { BTL_ARENA_ALIGN = 16, BTL_ARENA_BIG_BLOCK = 4096 };

static inline size_t btl_arena_rounded(size_t bytes) { return (bytes + BTL_ARENA_ALIGN - 1) & ~(size_t)(BTL_ARENA_ALIGN - 1); }

_Noreturn void btl_arena_fail(btl_arena *a); /* memory has run out */
void *btl_arena_alloc_chunk(btl_arena *a, size_t bytes); /* the rare case of btl_arena_alloc */

/* Aligned to 16 bytes (64 for blocks of a page and more), contents undefined / zero. Only under protection. In the
 * header because compiling a program is ten thousands of them: a pointer moved, and of a known size a few stores. */
static inline void *btl_arena_alloc(btl_arena *a, size_t bytes) {
    if (bytes >= BTL_ARENA_BIG_BLOCK) return btl_arena_alloc_chunk(a, bytes);
    size_t need = btl_arena_rounded(bytes);
    char *p = a->at;
    if ((uintptr_t)a->end - (uintptr_t)p <= need) return btl_arena_alloc_chunk(a, bytes);
    a->at = p + need;
    return p;
}
static inline void *btl_arena_zalloc(btl_arena *a, size_t bytes) {
    void *p = btl_arena_alloc(a, bytes);
    if (bytes) memset(p, 0, bytes);
    return p;
}
/* count*size bytes, zeroed; a product that overflows is memory that runs out. */
void *btl_arena_array(btl_arena *a, size_t count, size_t size);
void *btl_arena_copy(btl_arena *a, const void *data, size_t bytes);
char *btl_arena_strndup(btl_arena *a, const char *s, size_t length);
char *btl_arena_strdup(btl_arena *a, const char *s);
char *btl_arena_printf(btl_arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Grows an array that doubles: returns the (perhaps moved) array with room for one more. */
void *btl_arena_grow(btl_arena *a, void *array, int count, int *capacity, size_t size);
/* An arena for what one pass needs and nobody after it: under the same protection, and freed with its
 * parent if it was not given back before (btl_arena_end). */
btl_arena *btl_arena_begin(btl_arena *parent);
void btl_arena_end(btl_arena *child);
/* Calls fn(arg) when the arena is freed or reset to before now. */
void btl_arena_defer(btl_arena *a, void (*fn)(void *), void *arg);

btl_mark btl_arena_mark(const btl_arena *a);
void btl_arena_reset(btl_arena *a, btl_mark mark);

#define BTL_NEW(a, type) ((type *)btl_arena_zalloc((a), sizeof(type)))
#define BTL_ARRAY(a, type, count) ((type *)btl_arena_array((a), (size_t)(count), sizeof(type)))
#define BTL_PUSH(a, array, count, capacity)                                                       \
    ((array) = btl_arena_grow((a), (array), (count), &(capacity), sizeof *(array)), &(array)[(count)++])

#endif
