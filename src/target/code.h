/* code.h - C texts become a loaded shared object: taken from the cache, or compiled.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_CODE_H
#define BTL_TARGET_CODE_H

#include "base/error.h"

/* What texts and library agree on beyond C: arguments of the emitted functions, structs that both know. Part of the key
 * of every entry: raise it when any of that changes. */
enum { BTL_CODE_ABI = 1 };

typedef struct btl_code btl_code; /* a loaded shared object */

/* A translation unit. Messages of the compiler name it "NAME.c". */
typedef struct btl_code_source {
    const char *name; /* letters, digits, '_', '-', '.', '+'; at most 100; no two alike in one call */
    const char *text; /* C99; nothing is included for it, and it is linked with no library but `libraries` */
    size_t length;
} btl_code_source;

/* Start from {0}. */
typedef struct btl_code_options {
    const char *cache_dir; /* NULL: BITALE_CACHE_DIR, then $XDG_CACHE_HOME/bitale, then ~/.cache/bitale */
    const char *compiler;  /* "clang-14", a path, "ccache gcc"; NULL: BITALE_CC, then CC, then cc, gcc, clang; "none" */
    const char *flags;     /* further flags (-I, -D), or NULL: words apart by blanks; '…', "…" and \ as in a shell */
    const char *libraries; /* further -L and -l, or NULL: words likewise */
    const char *extra_key; /* versions of ops and the like: what else the code depends on */
    int level;             /* -O1, -O2, -O3; 0: 2 */
    void (*note)(void *user, const char *text); /* what a person may want to know although all went on (an entry was */
    void *note_user;       /* damaged, the cache cannot be written): each text once for each context; NULL: not told */
} btl_code_options;

/* Loads what the n units become, together one shared object. Equal calls in one context give the same btl_code, counted:
 * each is to be unloaded.
 *
 * @param log  may be NULL. Filled in any case; btl_free(ctx, *log, strlen(*log) + 1). Not empty only if the compiler
 *             refused a text (or a library to link): its messages, "NAME.c:LINE:COLUMN: error: …", at most 64 KB
 * @return     EUSAGE: a name is not allowed. ENOMEM. ECOMPILER: the compiler is missing, refused, hangs (longer than
 *             BITALE_CC_TIMEOUT seconds, 300), died or wrote nonsense. EIO: there is no folder in which to compile, or
 *             none from which code may be executed. If *log is empty, no text is to blame: the machine is as it is, and
 *             the function must run another way. On failure *out is NULL.
 * Cost: from the cache a fraction of a millisecond; else from 50 ms (gcc) on. Without a compiler, or with "none", code
 *       that any compiler made is taken from the cache, so that a filled one serves machines that have none.
 * Thread: any. Not while another thread forks without exec. */
btl_status btl_code_load(btl_context *ctx, const btl_code_options *o, int n, const btl_code_source *units, btl_code **out,
                         char **log, btl_error *err);

/* A function or datum of the code; NULL: it has none of that name. */
void *btl_code_symbol(const btl_code *c, const char *name);
bool btl_code_came_from_cache(const btl_code *c);
/* Once for each load; NULL is accepted. The code must not be running. */
void btl_code_unload(btl_code *c);

/* What happened in a context so far. */
typedef struct btl_code_counts {
    int64_t shared;    /* loads answered by what was loaded already */
    int64_t from_cache;
    int64_t compiled;
    int64_t dropped;   /* entries of the cache that were damaged, or that nobody should trust */
    int64_t unstored;  /* compiled, but the cache could not be written */
} btl_code_counts;
btl_code_counts btl_code_count(btl_context *ctx);

#endif
