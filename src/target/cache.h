/* cache.h - folders of compiled code: one of the user's own, and read-only ones behind it.
 *
 * One file for each piece of code (sealed.h), named by what it is made from. It is written elsewhere in the folder and
 * renamed when it is whole, so readers see all of it or nothing, and nobody ever waits for anybody: two that make the
 * same thing both do, and the later name wins. What a folder holds besides is `tmp-…` (being written, removed when a day
 * old) and `cc-….txt` (remarks about compilers).
 *
 * Code is run, so it is trusted only if nobody but us (and root) could have written it: file and folder are looked at on
 * their open descriptors, and the file is loaded by that descriptor.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_CACHE_H
#define BTL_TARGET_CACHE_H

#include "target/sealed.h"

#include <limits.h>

#ifndef PATH_MAX
#define PATH_MAX 4096
#endif

enum { BTL_CACHE_MOST_FOLDERS = 9 };

typedef struct btl_cache_folder {
    int fd;               /* -1: not used */
    bool own, missing;    /* missing: it is not used because it is not there */
    char path[PATH_MAX];  /* absolute once it is open; "" where no variable says where it is */
    char problem[PATH_MAX + 200]; /* why it is not used, whole sentence; "" */
} btl_cache_folder;

typedef struct btl_cache {
    btl_cache_folder folders[BTL_CACHE_MOST_FOLDERS]; /* the first is our own, the others are those of BITALE_CACHE_READONLY */
    int nfolders;
    void (*note)(void *user, const char *text); /* what a person may want to know; NULL: not told */
    void *note_user;
    bool frozen;     /* no remark is written */
    int64_t dropped; /* entries found bad */
} btl_cache;

/* Opens them; closed with the arena. `dir` NULL: where the environment says. `make`: our own is made if it is missing. */
btl_cache *btl_cache_open(btl_arena *a, const char *dir, bool make);
void btl_cache_note(const btl_cache *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- entries --------------------------------------------------------------------------------------------- */

typedef struct btl_cache_file {
    int fd;
    const btl_cache_folder *folder;
    char name[BTL_SEALED_NAME_BYTES];
    char *data;
    size_t bytes;
    int64_t used; /* last, seconds since 1970 */
    btl_sealed sealed;
} btl_cache_file;

/* The entry with these texts, whole and to be trusted; closed with the arena. What is not is dropped, with a note.
 * `any_compiler`: whatever it was compiled by. */
btl_cache_file *btl_cache_find(btl_cache *c, btl_arena *a, const btl_sealed *wanted, bool any_compiler);
/* It turned out to be of no use: removed if it is ours (then true), and noted. */
bool btl_cache_drop(btl_cache *c, const btl_cache_folder *folder, const char *name, const char *problem);
/* An entry as a whole (`whole`: its code is looked at too); NULL with *problem. Closed with the arena. */
btl_cache_file *btl_cache_read(const btl_cache_folder *folder, btl_arena *a, const char *name, bool whole, const char **problem);

/* A small text kept under a name of ours ("cc-….txt"); NULL if there is none that is to be trusted. */
char *btl_cache_read_text(const btl_cache *c, btl_arena *a, const char *name);
void btl_cache_write_text(const btl_cache *c, const char *name, const char *text); /* if it can be */

/* ---- room ------------------------------------------------------------------------------------------------- */

/* BITALE_CACHE_SIZE, or 1 GiB. */
int64_t btl_cache_limit(const btl_cache *c);

typedef struct btl_cache_file_info {
    char name[BTL_SEALED_NAME_BYTES];
    int64_t bytes, used; /* seconds since 1970 */
} btl_cache_file_info;
/* The entries of a folder, that used last first. */
int btl_cache_list(const btl_cache_folder *folder, btl_arena *a, btl_cache_file_info **out);

typedef struct btl_cache_removed { int64_t entries, bytes, others; } btl_cache_removed;
/* Removes the entries used longest ago until the rest is at most `keep` bytes (if all are more than `limit`), and what
 * interrupted processes left a day ago. */
btl_cache_removed btl_cache_trim(const btl_cache *c, btl_arena *a, int64_t limit, int64_t keep);
/* Removes everything that is ours by its name; never what a link leads to. */
btl_cache_removed btl_cache_remove_all(const btl_cache *c);
/* What interrupted processes left in $TMPDIR a day ago. */
int64_t btl_workplace_clean_temporary(void);

/* ---- places to work ---------------------------------------------------------------------------------------- */

/* A folder of our own to compile in, removed with the arena. */
typedef struct btl_workplace {
    int parent_fd;
    const btl_cache_folder *folder; /* NULL: it lies in $TMPDIR */
    char name[40], path[PATH_MAX];
} btl_workplace;
/* In our own cache folder, or (`temporary`) in $TMPDIR; NULL with errno. */
btl_workplace *btl_workplace_new(btl_cache *c, btl_arena *a, bool temporary);
/* The file in the workplace becomes the entry of that name, at once and as a whole; false: errno. */
bool btl_workplace_publish(const btl_workplace *w, const char *file, const char *name);
const char *btl_temporary_folder(void);

#endif
