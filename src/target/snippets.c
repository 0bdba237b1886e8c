/* snippets.c - cutting a text into named sections and pasting only those that are needed.
 *
 * Sections stand behind what they need, so one pass from the last to the first marks everything
 * that is needed indirectly, and writing in the order of the text puts definitions before uses.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "target/snippets.h"

#include <ctype.h>
#include <string.h>

static bool snippet_is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

static const char *snippet_skip_blanks(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    return p;
}

static const char *snippet_skip_word(const char *p, const char *end) {
    while (p < end && snippet_is_word(*p)) p++;
    return p;
}

/* Reads a marker line; false if the line is none. */
static bool snippet_read_marker(const char *line, const char *end, btl_snippet *out) {
    const char *p = snippet_skip_blanks(line, end);
    if (end - p < 3 || memcmp(p, "/*@", 3) != 0) return false;
    out->name = p = snippet_skip_blanks(p + 3, end);
    p = snippet_skip_word(p, end);
    out->name_length = (size_t)(p - out->name);
    out->needs = p;
    out->needs_length = (size_t)(end - p);
    return out->name_length > 0;
}

void btl_snippets_add(btl_snippets *s, btl_arena *a, const char *text) {
    int first = s->nsections; /* what stands before this text's first section belongs to none */
    for (const char *line = text, *next; *line; line = next) {
        const char *newline = strchr(line, '\n');
        const char *end = newline ? newline : line + strlen(line);
        btl_snippet found = { 0 };
        next = newline ? newline + 1 : end;
        if (snippet_read_marker(line, end, &found)) {
            found.text = next;
            *BTL_PUSH(a, s->sections, s->nsections, s->capacity) = found;
        } else if (s->nsections > first) {
            btl_snippet *last = &s->sections[s->nsections - 1];
            last->length = (size_t)(next - last->text);
        }
    }
}

static void snippets_mark(btl_snippets *s, const char *name, size_t length) {
    for (int i = 0; i < s->nsections; i++) {
        btl_snippet *x = &s->sections[i];
        if (x->name_length == length && memcmp(x->name, name, length) == 0) x->is_used = true;
    }
}

void btl_snippets_use(btl_snippets *s, const char *code, size_t length) {
    const char *end = code + length;
    for (const char *p = code; p < end;) {
        const char *word = p;
        p = snippet_skip_word(p, end);
        if (p - word > 4 && memcmp(word, "btl_", 4) == 0)
            snippets_mark(s, word, (size_t)(p - word));
        if (p == word) p++;
    }
}

void btl_snippets_print(btl_snippets *s, btl_text *out) {
    for (int i = s->nsections - 1; i >= 0; i--) {
        const btl_snippet *x = &s->sections[i];
        if (x->is_used) btl_snippets_use(s, x->needs, x->needs_length);
    }
    for (int i = 0; i < s->nsections; i++)
        if (s->sections[i].is_used) btl_text_addn(out, s->sections[i].text, s->sections[i].length);
}
