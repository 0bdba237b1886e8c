/* text.c - see text.h. SPDX-License-Identifier: BSD-3-Clause */
#include "base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void btl_text_init(btl_text *t, btl_arena *a) {
    *t = (btl_text){ .arena = a };
}

void btl_text_addn(btl_text *t, const char *s, size_t length) {
    if (t->capacity - t->length <= length) {
        size_t capacity = 2 * t->capacity + length + 64;
        char *data = btl_arena_alloc(t->arena, capacity);
        if (t->length) memcpy(data, t->data, t->length);
        t->data = data;
        t->capacity = capacity;
    }
    memcpy(t->data + t->length, s, length);
    t->length += length;
    t->data[t->length] = 0;
}

void btl_text_add(btl_text *t, const char *s) {
    btl_text_addn(t, s, strlen(s));
}

void btl_text_printf(btl_text *t, const char *format, ...) {
    char small[256];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (length >= 0 && (size_t)length < sizeof small) {
        btl_text_addn(t, small, (size_t)length);
    } else if (length > 0) {
        char *big = btl_arena_alloc(t->arena, (size_t)length + 1);
        vsnprintf(big, (size_t)length + 1, format, again);
        btl_text_addn(t, big, (size_t)length);
    }
    va_end(again);
}

/* Numbers are written with %g, whose decimal point follows the locale: put the point back. */
static void text_add_number(btl_text *t, char *s) {
    bool is_float = false;
    for (char *p = s; *p; p++) {
        if (*p == ',') *p = '.';
        if (*p == '.' || *p == 'e') is_float = true;
    }
    btl_text_add(t, s);
    if (!is_float) btl_text_add(t, ".0");
}

static bool text_add_special(btl_text *t, double x) {
    if (isnan(x)) btl_text_add(t, "nan");
    else if (isinf(x)) btl_text_add(t, x > 0 ? "inf" : "-inf");
    else return false;
    return true;
}

void btl_text_add_double(btl_text *t, double x) {
    if (text_add_special(t, x)) return;
    char s[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, x);
        if (strtod(s, NULL) == x) break;
    }
    text_add_number(t, s);
}

void btl_text_add_float(btl_text *t, float x) {
    if (text_add_special(t, (double)x)) return;
    char s[40];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, (double)x);
        if (strtof(s, NULL) == x) break;
    }
    text_add_number(t, s);
}

void btl_text_add_quoted(btl_text *t, const char *s) {
    btl_text_add(t, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') btl_text_printf(t, "\\%c", c);
        else if (c == '\n') btl_text_add(t, "\\n");
        else if (c == '\t') btl_text_add(t, "\\t");
        else if (c < 32 || c == 127) btl_text_printf(t, "\\x%02x", c);
        else btl_text_addn(t, s, 1);
    }
    btl_text_add(t, "\"");
}

enum { LONGEST_NAME = 63 };

/* Levenshtein's distance with swaps of neighbours, one row at a time. */
static int text_distance(const char *a, size_t na, const char *b, size_t nb) {
    int before[LONGEST_NAME + 1], last[LONGEST_NAME + 1], row[LONGEST_NAME + 1];
    for (size_t j = 0; j <= nb; j++) last[j] = (int)j;
    for (size_t i = 1; i <= na; i++) {
        row[0] = (int)i;
        for (size_t j = 1; j <= nb; j++) {
            int d = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < d) d = last[j] + 1;
            if (row[j - 1] + 1 < d) d = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < d)
                d = before[j - 2] + 1;
            row[j] = d;
        }
        memcpy(before, last, sizeof last);
        memcpy(last, row, sizeof row);
    }
    return last[nb];
}

const char *btl_nearest_name(const char *word, size_t length, int n,
                             const char *(*candidate)(void *arg, int i), void *arg) {
    const char *best = NULL;
    int limit = length < 5 ? 1 : length < 6 ? 2 : 3, best_distance = limit + 1;
    if (length == 0 || length > LONGEST_NAME) return NULL;
    for (int i = 0; i < n; i++) {
        const char *name = candidate(arg, i);
        size_t nb = name ? strlen(name) : 0;
        if (nb == 0 || nb > LONGEST_NAME) continue;
        int d = text_distance(word, length, name, nb);
        if (d < best_distance && (size_t)d < length) best = name, best_distance = d;
    }
    return best;
}
