/* mode.h - a mode: which rewrites, which linker, which checks; read from text in one place. Like pipeline.c it stands above all folders.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_MODE_H
#define BTL_MODE_H

#include "vm/function.h"

enum { MODE_WORDS = 64 };

/* A word of `with` or `without`, in the text that it was read from. */
typedef struct mode_word { const char *text; int length; bool with; } mode_word;

typedef struct btl_mode {
    const char *name;
    unsigned phases;       /* of rewriting */
    bool as_written;       /* no node is merged with another, none fused */
    vm_linker linker;
    vm_checks checks;
    const char *doc;
    bool background;       /* tier=background */
    btl_policy policy;     /* of storage */
    bool gc;
    btl_ordering ordering;
    vm_nan_limits limits;
    bool linker_said, limits_said;
    int nwords;
    mode_word words[MODE_WORDS];
} btl_mode;

/* Reads "fast_run,linker=vm,without=fuse"; NULL: the default (BITALE_MODE, the configuration file, fast_run). `with` and `without`
 * (may be NULL): further words, apart by commas. The texts must outlive *m. EUSAGE, EFORMAT. */
btl_status btl_mode_read(const char *text, const char *with, const char *without, btl_mode *m, btl_error *err);

const char *btl_linker_name(vm_linker linker);

#endif
