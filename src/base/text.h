/* text.h - strings with lengths, and text that grows in an arena.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_BASE_TEXT_H
#define BTL_BASE_TEXT_H

#include "base/arena.h"

/* Text being written; data is always 0-terminated once anything was added. */
typedef struct btl_text {
    btl_arena *arena;
    char *data;
    size_t length, capacity;
} btl_text;

void btl_text_init(btl_text *t, btl_arena *a);
void btl_text_add(btl_text *t, const char *s);
void btl_text_addn(btl_text *t, const char *s, size_t length);
void btl_text_printf(btl_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The shortest decimal text that reads back to the same double ("inf", "nan", "-inf" too);
 * always with a point or an exponent, so that it reads as a float. f32: shortest for a float. */
void btl_text_add_double(btl_text *t, double x);
void btl_text_add_float(btl_text *t, float x);
/* A quoted string literal of the notation: backslash, quote, newline and control bytes escaped. */
void btl_text_add_quoted(btl_text *t, const char *s);

/* Of the n candidates the one nearest to `word` by edit distance (at most a third of its length
 * and 3), or NULL: for "did you mean". candidate(arg, i) gives the i-th name. */
const char *btl_nearest_name(const char *word, size_t length, int n,
                             const char *(*candidate)(void *arg, int i), void *arg);

#endif
