/* deliver.h - results as files: all of them or none.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_DELIVER_H
#define CMD_DELIVER_H

#include "common.h"

typedef struct deliver {
    const cmd *c;
    const char *dir;   /* NULL: nothing is to be written */
    char *temporary;   /* a folder in it, NULL: not there */
    bool made;         /* the folder is ours */
    int n;             /* files in the temporary folder */
    char **names;      /* of files */
} deliver;

/* Makes the folder if it is missing and a temporary one in it: whether they can be written is known
 * before the work begins. `dir` NULL does nothing. 0 or the exit code after a message. */
int deliver_begin(deliver *d, const cmd *c, const char *dir);
/* Writes an array aside, as NAME.npy. */
int deliver_write(deliver *d, const char *name, const btl_array *a);
/* Writes a text aside, as the file NAME. */
int deliver_write_text(deliver *d, const char *name, const char *text, size_t length);
/* Gives all files their names. */
int deliver_commit(deliver *d);
/* Removes what was not committed, and frees. */
void deliver_end(deliver *d);

/* Can a file be made at that path? Says why not. */
int deliver_check_path(const cmd *c, const char *option, const char *path);

#endif
