/* missing.c - see missing.h. SPDX-License-Identifier: BSD-3-Clause */
#include "io/missing.h"

#include "base/text.h"
#include "io/source.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST_WORD = 200, LONGEST_LIST = 320 };

/* The name without the suffix, made fit to print. */
static char *names_show(const btl_names *names, const char *name, char *text, size_t size) {
    size_t length = strlen(name), tail = strlen(names->suffix);
    if (length >= tail && strcmp(name + length - tail, names->suffix) == 0) length -= tail;
    return btl_source_quote(text, size, name, length);
}

/* "a, b, c" or "a, b, ... (1000 in all)" */
static void names_list(const btl_names *names, char *list, size_t size) {
    size_t at = 0;
    int shown = 0;
    char one[80];
    strcpy(list, "nothing");
    for (int i = 0; i < names->count; i++) {
        const char *name = names->at(names->arg, i);
        if (!name) continue;
        names_show(names, name, one, sizeof one);
        if (at + strlen(one) + 40 > size) {
            snprintf(list + at, size - at, ", ... (%d in all)", names->count);
            return;
        }
        at += (size_t)snprintf(list + at, size - at, "%s%s", shown++ ? ", " : "", one);
    }
}

btl_status btl_names_fail(const btl_names *names, const char *path, const char *kind, const char *name,
                          size_t length, const char *usage, btl_error *err) {
    char list[LONGEST_LIST], asked[LONGEST_WORD], hint[LONGEST_WORD + 40] = "", near_text[LONGEST_WORD];
    names_list(names, list, sizeof list);
    if (length == 0)
        return btl_error_set(err, BTL_ENAME, "%.500s: which %s? It holds: %s\n    hint: write %s", path, kind, list, usage);
    btl_source_quote(asked, sizeof asked, name, length);
    char word[LONGEST_WORD];
    snprintf(word, sizeof word, "%.*s%s", (int)(length < 100 ? length : 100), name, names->suffix);
    const char *nearest = btl_nearest_name(word, strlen(word), names->count, names->at, names->arg);
    if (nearest)
        snprintf(hint, sizeof hint, "\n    hint: did you mean %s?", names_show(names, nearest, near_text, sizeof near_text));
    return btl_error_set(err, BTL_ENAME, "%.500s: there is no %s \"%s\"; it holds: %s%s", path, kind, asked, list, hint);
}
