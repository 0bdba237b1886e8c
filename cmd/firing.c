/* firing.c - see firing.h. SPDX-License-Identifier: BSD-3-Clause */
#include "firing.h"

#include <stdio.h>
#include <stdlib.h>

firing firing_copy(const btl_firing *f) {
    firing c = { .f = *f };
    const char **texts[8] = { &c.f.rule, &c.f.origin, &c.f.why, &c.f.phase, &c.f.before, &c.f.after, &c.f.file, &c.f.source };
    for (int i = 0; i < 8; i++)
        if (*texts[i]) *texts[i] = c.text[i] = cmd_format("%s", *texts[i]);
    return c;
}

void firing_free(firing *f) {
    for (int i = 0; i < 8; i++) free(f->text[i]);
    *f = (firing){ .f = { 0 } };
}

void firing_print_source(int line, int column, const char *source) {
    if (!source || column < 1) return;
    printf("%5d | %s\n      | ", line, source);
    for (int i = 0; i < column - 1 && source[i]; i++)
        if (((unsigned char)source[i] & 0xc0) != 0x80) putchar(source[i] == '\t' ? '\t' : ' ');
    puts("^");
}

void firing_print(const btl_firing *f, bool source) {
    if (f->note) {
        printf("note: %s\n", f->note);
        return;
    }
    if (f->file) printf("%s:%d:", f->file, f->line);
    if (f->file && f->column) printf("%d:", f->column);
    printf("%s%s%s%s%s (%s): %s => %s\n", f->file ? " " : "", f->rule, f->origin ? " [" : "", f->origin ? f->origin : "", f->origin ? "]" : "", f->phase, f->before, f->after);
    if (source) firing_print_source(f->line, f->column, f->source);
}

void firing_json(json *j, const char *key, const btl_firing *f) {
    jw_open(j, key, '{');
    if (f->note) {
        jw_text(j, "note", f->note);
    } else {
        jw_integer(j, "number", f->number);
        jw_text(j, "rule", f->rule);
        jw_text(j, "origin", f->origin);
        jw_text(j, "phase", f->phase);
        jw_text(j, "before", f->before);
        jw_text(j, "after", f->after);
        jw_text(j, "file", f->file);
        jw_integer(j, "line", f->line);
        jw_integer(j, "column", f->column);
        jw_text(j, "why", f->why);
    }
    jw_close(j, '}');
}
