/* toolchain.h - the system's C compiler: which it is, and starting it.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_TOOLCHAIN_H
#define BTL_TARGET_TOOLCHAIN_H

#include "target/cache.h"
#include "target/code.h"

typedef enum btl_compiler_kind { BTL_OTHER_CC, BTL_GCC, BTL_CLANG } btl_compiler_kind;

typedef struct btl_compiler {
    const char *const *command; /* words to start it by: its path, and what stands behind it ("ccache gcc") */
    int ncommand;
    btl_compiler_kind kind;
    int major;                  /* of its version; 0: not known */
    const char *version;        /* the first line of what it says to --version */
    const char *identity;       /* what makes it another compiler: version, files, their sizes and times */
} btl_compiler;

/* Finds it: `wanted`, or what the environment says (code.h). What it says to --version is kept in the cache, so that a
 * compiler that is known is not started. ECOMPILER. Only under protection. */
btl_status btl_compiler_find(btl_arena *a, const btl_cache *cache, const char *wanted, btl_compiler *out, btl_error *err);

/* The flags that every text is compiled with, as one line. */
const char *btl_compiler_flags(btl_arena *a, const btl_compiler *c, int level);

/* Words apart by blanks; '…', "…" and \ keep blanks inside one. NULL-ended. Only under protection. */
const char *const *btl_words(btl_arena *a, const char *text, int *n);

typedef enum btl_compile_end {
    BTL_COMPILED,
    BTL_COMPILE_REFUSED, /* a text is wrong: see the log */
    BTL_COMPILE_NO_ROOM, /* the folder: full, or it cannot be written */
    BTL_COMPILE_FAILED   /* the compiler is broken, or was stopped */
} btl_compile_end;

typedef struct btl_compile_job {
    const btl_compiler *compiler;
    int n;
    const btl_code_source *units;
    const char *flags, *libraries; /* may be NULL */
    int level;
    const char *folder;            /* where all files are made */
} btl_compile_job;

/* Compiles the units, one process for each usable core at once, and links them into FOLDER/code.so. `*log` receives the
 * compiler's messages, files without the folder's path. Only under protection. */
btl_compile_end btl_compile(btl_arena *a, const btl_compile_job *job, const char **log, btl_error *err);

/* What is wrong with a shared object as a file (not a library at all, cut short); NULL: nothing is seen. */
const char *btl_object_problem(const char *data, size_t bytes);

/* The seconds that a compiler may take: BITALE_CC_TIMEOUT. */
double btl_compiler_limit(void);

#endif
