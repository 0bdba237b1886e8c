/* missing.h - the message for a name that a file does not hold. SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_IO_MISSING_H
#define BTL_IO_MISSING_H

#include "base/error.h"

typedef struct btl_names {
    int count;
    const char *(*at)(void *arg, int i); /* NULL: not a name to offer */
    void *arg;
    const char *suffix;                  /* every name ends like this; not shown */
} btl_names;

/* ENAME: `path` has no `kind` of that name, what it holds, and which is nearest. With an empty
 * name: that one must be given, as `usage`. */
btl_status btl_names_fail(const btl_names *names, const char *path, const char *kind, const char *name,
                          size_t length, const char *usage, btl_error *err);

#endif
