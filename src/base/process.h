/* process.h - other programs: started directly (no shell), watched, stopped.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_BASE_PROCESS_H
#define BTL_BASE_PROCESS_H

#include "base/error.h"

typedef enum btl_process_end {
    BTL_PROCESS_NOT_STARTED, /* code: errno */
    BTL_PROCESS_EXITED,      /* code: its exit code */
    BTL_PROCESS_KILLED,      /* code: the signal */
    BTL_PROCESS_TIMED_OUT,   /* it and its children were killed */
    BTL_PROCESS_LOST         /* it ended, but somebody else in this process took its exit code */
} btl_process_end;

/* One program. Standard input is empty; no other file of ours reaches it. */
typedef struct btl_process {
    const char *const *argv; /* argv[0] is its path; ends in NULL */
    const char *const *env;  /* "NAME=value", ends in NULL; NULL: as ours is now */
    char *output;            /* both of its output streams, what fits in `capacity` bytes, 0-terminated; may be NULL */
    size_t capacity;
    /* set when it has ended */
    size_t length;           /* of the output kept */
    bool cut;                /* there was more */
    btl_process_end end;
    int code;
} btl_process;

/* Runs n programs to their end, at most `parallel` at once, each for at most limit_ns. One that takes longer is killed with
 * all that it started (its process group). Allocates nothing; works in any thread, beside the host's own children, and
 * where the host ignores SIGCHLD. */
void btl_process_run(int n, btl_process *processes, int parallel, int64_t limit_ns);

#endif
