/* progress.h - the line at the bottom of a terminal while steps go by: how far, how fast, how long
 * still, and the scalar results.
 *
 * On standard error, and only where that is a terminal; at most ten times a second.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
    bool shown;            /* a terminal, and not --quiet */
    bool drawn;            /* a line stands there now */
    bool utf8;
    int64_t total, done;
    double start, last;    /* seconds */
} progress;

void progress_start(progress *p, int64_t total, bool quiet);
/* True where the line is to be drawn again; then progress_draw with the scalars as text, "loss 2.31". */
bool progress_is_due(progress *p, int64_t done);
void progress_draw(progress *p, const char *scalars);
/* Removes the line, so that something else can be printed. */
void progress_clear(progress *p);

/* "20 ms", "1.5 s", "3:07", "2:03:04". */
void progress_duration(double seconds, char *text, int bytes);

#endif
