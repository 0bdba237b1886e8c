/* place_error.c - run-time errors that point to the source, like those found when the text was read.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/graph.h"

#include <stdio.h>
#include <string.h>

static size_t place_append(char *to, size_t at, size_t most, const char *text) {
    int n = at < most ? snprintf(to + at, most - at, "%s", text) : 0;
    return n < 0 ? at : at + (size_t)n < most ? at + (size_t)n : most - 1;
}

btl_status btl_places_error(const btl_places *places, const char *op, btl_status status, btl_error *err) {
    if (!err || err->status == BTL_OK || !places) return status;
    const btl_place *p = places->place;
    char message[sizeof err->message];
    memcpy(message, err->message, sizeof message);
    char head[300];
    if (p->column) snprintf(head, sizeof head, "%.200s:%d:%d: error: ", p->file, p->line, p->column);
    else snprintf(head, sizeof head, "%.200s:%d: error: ", p->file, p->line);
    size_t most = sizeof err->message, at = place_append(err->message, 0, most, head);
    size_t n_op = op ? strlen(op) : 0;
    bool said = op && strncmp(message, op, n_op) == 0 && (message[n_op] == ':' || message[n_op] == ' ');
    if (op && !said) at = place_append(err->message, place_append(err->message, at, most, op), most, ": ");
    at = place_append(err->message, at, most, message);
    if (p->source && p->column && at + 1 < most) {
        at = place_append(err->message, at, most, "\n");
        btl_place_print_source(err->message + at, most - at, p);
    }
    err->line = p->line, err->column = p->column;
    size_t n = strlen(p->file), keep = sizeof err->file - 1;
    snprintf(err->file, sizeof err->file, "%s", n > keep ? p->file + (n - keep) : p->file);
    return status;
}
