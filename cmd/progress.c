/* progress.c - see progress.h. NO_COLOR (https://no-color.org) takes the colour away, not the line; in
 * a locale without UTF-8 the bar is made of # signs.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "progress.h"

#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int progress_columns(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

static bool progress_has_utf8(void) {
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "UTF8") || strstr(value, "utf-8");
    }
    return false;
}

void progress_start(progress *p, int64_t total, bool quiet) {
    *p = (progress){ .shown = !quiet && cmd_is_terminal(STDERR_FILENO), .utf8 = progress_has_utf8(), .total = total, .start = cmd_now() };
    p->last = p->start;
}

bool progress_is_due(progress *p, int64_t done) {
    p->done = done;
    if (!p->shown) return false;
    double now = cmd_now();
    if (now - p->last < 0.1) return false;
    p->last = now;
    return true;
}

void progress_duration(double seconds, char *text, int bytes) {
    if (!(seconds < 360000.0 * 24)) {
        snprintf(text, (size_t)bytes, "-");
        return;
    }
    long s = (long)(seconds + 0.5);
    if (seconds >= 0 && seconds < 0.095) snprintf(text, (size_t)bytes, "%.3g ms", 1e3 * seconds);
    else if (seconds < 9.95) snprintf(text, (size_t)bytes, "%.1f s", seconds);
    else if (s < 60) snprintf(text, (size_t)bytes, "%ld s", s);
    else if (s < 3600) snprintf(text, (size_t)bytes, "%ld:%02ld", s / 60, s % 60);
    else snprintf(text, (size_t)bytes, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

/* The bar, `cells` columns wide, as text of at most 3 bytes a cell. */
static void progress_bar(const progress *p, int cells, char *text) {
    double part = p->total > 0 ? (double)p->done / (double)p->total : 0;
    int full = (int)(part * cells);
    *text = 0;
    for (int i = 0; i < cells; i++) strcat(text, i < full ? p->utf8 ? "\xe2\x96\x88" : "#" : p->utf8 ? "\xe2\x96\x91" : ".");
}

enum { BAR_LARGEST = 30, LINE_LARGEST = 400 };

void progress_draw(progress *p, const char *scalars) {
    double elapsed = p->last - p->start, rate = elapsed > 0 ? (double)p->done / elapsed : 0;
    char time_spent[32], time_left[32], text[LINE_LARGEST], bar[3 * BAR_LARGEST + 1];
    progress_duration(elapsed, time_spent, sizeof time_spent);
    double left = rate > 0 ? (double)(p->total - p->done) / rate : -1;
    progress_duration(left >= 0 && left < 0.1 ? 0.1 : left, time_left, sizeof time_left);
    int columns = progress_columns() - 1;
    int n = snprintf(text, sizeof text, "%3d%% %lld/%lld  %.3g/s  %s, %s left  %s", p->total ? (int)(100 * p->done / p->total) : 0, (long long)p->done,
                     (long long)p->total, rate, time_spent, time_left, scalars);
    if (n >= LINE_LARGEST) n = LINE_LARGEST - 1;
    int room = columns - n - 2;
    if (room > BAR_LARGEST) room = BAR_LARGEST;
    bool colour = !getenv("NO_COLOR") || !*getenv("NO_COLOR");
    bool has_bar = room >= 5;
    if (has_bar) progress_bar(p, room, bar);
    if (columns > 0 && n > columns) text[columns] = 0; /* ASCII: a byte is a column */
    fprintf(stderr, "\r\033[K%s%s%s%s%s", has_bar && colour ? "\033[36m" : "", has_bar ? bar : "", has_bar && colour ? "\033[0m" : "", has_bar ? " " : "", text);
    fflush(stderr);
    p->drawn = true;
}

void progress_clear(progress *p) {
    if (p->drawn) fputs("\r\033[K", stderr);
    p->drawn = false;
}
