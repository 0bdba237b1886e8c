/* place.c - run-time errors that point to the source, like those found when the text was read.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vm/function.h"

#include <stdio.h>
#include <string.h>

static size_t place_append(char *to, size_t at, size_t most, const char *text) {
    int n = at < most ? snprintf(to + at, most - at, "%s", text) : 0;
    return n < 0 ? at : at + (size_t)n < most ? at + (size_t)n : most - 1;
}

static size_t place_source(char *to, size_t at, size_t most, const btl_place *p) {
    char line[400];
    snprintf(line, sizeof line, "\n%5d | %.300s\n      | ", p->line, p->source);
    at = place_append(to, at, most, line);
    for (int i = 0; i < p->column - 1 && p->source[i] && i < 300; i++) at = place_append(to, at, most, p->source[i] == '\t' ? "\t" : " ");
    for (int i = 0; i < (p->length > 0 ? p->length : 1) && i < 200; i++) at = place_append(to, at, most, i ? "~" : "^");
    return at;
}

btl_status vm_place_error(const btl_places *places, const char *op, btl_status status, btl_error *err) {
    if (!err || err->status == BTL_OK || !places) return status;
    const btl_place *p = places->place;
    char message[sizeof err->message];
    memcpy(message, err->message, sizeof message);
    char head[300];
    if (p->column) snprintf(head, sizeof head, "%.200s:%d:%d: error: ", p->file, p->line, p->column);
    else snprintf(head, sizeof head, "%.200s:%d: error: ", p->file, p->line);
    size_t most = sizeof err->message, at = place_append(err->message, 0, most, head);
    if (op) at = place_append(err->message, place_append(err->message, at, most, op), most, ": ");
    at = place_append(err->message, at, most, message);
    if (p->source && p->column) place_source(err->message, at, most, p);
    err->line = p->line, err->column = p->column;
    size_t n = strlen(p->file), keep = sizeof err->file - 1;
    snprintf(err->file, sizeof err->file, "%s", n > keep ? p->file + (n - keep) : p->file);
    return status;
}
