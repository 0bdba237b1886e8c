/* diagnostic.c - a user's mistake: recording it where it is found, rendering it for a person.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 0)))
static const char *diagnostic_format(btl_graph *g, const char *format, va_list args) {
    char text[1200];
    vsnprintf(text, sizeof text, format, args);
    return btl_arena_strdup(&g->arena, text);
}

btl_status btl_fail(btl_graph *g, btl_status status, const char *format, ...) {
    if (g->pending_message) return g->pending;
    va_list args;
    va_start(args, format);
    g->pending_message = diagnostic_format(g, format, args);
    va_end(args);
    g->pending = status;
    g->pending_label = g->pending_hint = NULL;
    return status;
}

void btl_fail_label(btl_graph *g, const char *format, ...) {
    if (g->pending_label) return;
    va_list args;
    va_start(args, format);
    g->pending_label = diagnostic_format(g, format, args);
    va_end(args);
}

void btl_fail_hint(btl_graph *g, const char *format, ...) {
    if (g->pending_hint) return;
    va_list args;
    va_start(args, format);
    g->pending_hint = diagnostic_format(g, format, args);
    va_end(args);
}

/* The first error of a graph is also kept as a btl_error, which needs no memory to be read. */
static void diagnostic_keep_first(btl_graph *g, const btl_diagnostic *d) {
    btl_text t;
    btl_text_init(&t, &g->arena);
    btl_diagnostic_print(&t, d);
    while (t.length && t.data[t.length - 1] == '\n') t.data[--t.length] = 0;
    g->status = d->status;
    btl_error_set(&g->error, d->status, "%s", t.data);
    if (!d->places) return;
    const btl_place *p = d->places->place;
    g->error.line = p->line;
    g->error.column = p->column;
    size_t n = strlen(p->file), most = sizeof g->error.file - 1;
    snprintf(g->error.file, sizeof g->error.file, "%s", n > most ? p->file + (n - most) : p->file);
}

void btl_fail_done(btl_graph *g, const char *prefix) {
    if (!g->pending_message) btl_fail(g, BTL_EINTERNAL, "failed without a message");
    btl_diagnostic *d = BTL_NEW(&g->arena, btl_diagnostic);
    const char *message = g->pending_message;
    if (prefix) message = btl_arena_printf(&g->arena, "%s: %s", prefix, message);
    *d = (btl_diagnostic){ g->pending, g->here, message, g->pending_label, g->pending_hint, NULL };
    g->pending_message = g->pending_label = g->pending_hint = NULL;
    g->pending = BTL_OK;
    *g->last_diagnostic = d;
    g->last_diagnostic = &d->next;
    g->ndiagnostics++;
    if (g->status == BTL_OK) diagnostic_keep_first(g, d);
}

enum { WINDOW_BEFORE = 70, WINDOW_BEHIND = 60 }; /* bytes of a long line that are shown around the caret */

static bool diagnostic_is_continuation(char c) {
    return ((unsigned char)c & 0xc0) == 0x80; /* inside a UTF-8 character */
}

/* The source line, cut around the place if it is long, and carets below it; a tab of the source stays
 * one in the line of carets, and a character of several bytes counts as one. */
size_t btl_place_print_source(char *to, size_t most, const btl_place *p) {
    size_t length = strlen(p->source), at = (size_t)(p->column - 1) < length ? (size_t)(p->column - 1) : length;
    size_t from = at > WINDOW_BEFORE + 10 ? at - WINDOW_BEFORE : 0;
    while (from && diagnostic_is_continuation(p->source[from])) from--;
    size_t to_byte = length - at > WINDOW_BEHIND + 10 ? at + WINDOW_BEHIND : length;
    while (to_byte < length && diagnostic_is_continuation(p->source[to_byte])) to_byte++;
    char carets[2 * WINDOW_BEFORE + 2 * WINDOW_BEHIND];
    size_t n = 0;
    for (const char *dots = from ? "... " : ""; *dots; dots++) carets[n++] = ' ';
    for (size_t i = from; i < at; i++)
        if (!diagnostic_is_continuation(p->source[i])) carets[n++] = p->source[i] == '\t' ? '\t' : ' ';
    for (size_t i = 0; i < (size_t)(p->length > 0 ? p->length : 1) && (i == 0 || at + i < to_byte); i++) carets[n++] = i ? '~' : '^';
    int written = snprintf(to, most, "%5d | %s%.*s%s\n      | %.*s", p->line, from ? "... " : "", (int)(to_byte - from), p->source + from,
                           to_byte < length ? " ..." : "", (int)n, carets);
    return written < 0 ? 0 : (size_t)written < most ? (size_t)written : most - 1;
}

static void diagnostic_print_source(btl_text *t, const btl_place *p, const char *label) {
    char text[1000];
    btl_text_addn(t, text, btl_place_print_source(text, sizeof text, p));
    if (label) btl_text_printf(t, " %s", label);
    btl_text_add(t, "\n");
}

/* Where a `fn` was used, or in which C line an expression was built. */
static void diagnostic_print_users(btl_text *t, const btl_places *more) {
    for (int i = 0; more && i < 3; more = more->more, i++) {
        btl_text_printf(t, "%s:%d:", more->place->file, more->place->line);
        if (more->place->column) btl_text_printf(t, "%d:", more->place->column);
        btl_text_add(t, " note: used here\n");
    }
}

void btl_diagnostic_print(btl_text *t, const btl_diagnostic *d) {
    const btl_place *p = d->places ? d->places->place : NULL;
    if (p) btl_text_printf(t, "%s:%d:", p->file, p->line);
    if (p && p->column) btl_text_printf(t, "%d:", p->column);
    btl_text_printf(t, "%serror: %s\n", p ? " " : "", d->message);
    if (p && p->source && p->column) diagnostic_print_source(t, p, d->label);
    else if (d->label) btl_text_printf(t, "      %s\n", d->label);
    if (d->hint) btl_text_printf(t, "      hint: %s\n", d->hint);
    if (d->places) diagnostic_print_users(t, d->places->more);
}

/* ---- places ------------------------------------------------------------------------------ */

/* A fused node of a thousand lines names the first few; above some, one place of a line is enough. */
enum { LARGEST_PLACES = 12, PLACES_BY_COLUMN = 4 };

static bool diagnostic_place_equal(const btl_place *a, const btl_place *b) {
    return a == b || (a->line == b->line && a->column == b->column && strcmp(a->file, b->file) == 0);
}

const btl_places *btl_places_add(btl_graph *g, const btl_places *set, const btl_place *place) {
    int n = 0;
    bool line = false;
    for (const btl_places *p = set; p; p = p->more, n++) {
        if (diagnostic_place_equal(p->place, place)) return set;
        line = line || (p->place->line == place->line && strcmp(p->place->file, place->file) == 0);
    }
    if (n >= LARGEST_PLACES || (line && n >= PLACES_BY_COLUMN)) return set;
    btl_places *p = btl_arena_alloc(&g->arena, sizeof *p);
    if (!set) {
        *p = (btl_places){ place, NULL };
        return p;
    }
    /* the first place stays in front: it is the one that messages name */
    btl_places *second = btl_arena_alloc(&g->arena, sizeof *second);
    *second = (btl_places){ place, set->more };
    *p = (btl_places){ set->place, second };
    return p;
}

const btl_places *btl_places_union(btl_graph *g, const btl_places *a, const btl_places *b) {
    if (!a || a == b) return a ? a : b;
    for (; b; b = b->more) a = btl_places_add(g, a, b->place);
    return a;
}
