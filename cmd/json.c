/* json.c - see json.h. Text that is not UTF-8 (a file's name may be so) has its odd bytes replaced by
 * U+FFFD: what is printed is JSON in any case.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "json.h"

#include "show.h"

#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 sequence at s, 0 if it is none. */
static int jw_utf8(const unsigned char *s) {
    int n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    bool wrong = n > 1 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f));
    return wrong ? 0 : n;
}

static void jw_string(const char *value) {
    putchar('"');
    for (const unsigned char *s = (const unsigned char *)value; *s;) {
        int n = jw_utf8(s);
        if (*s == '"' || *s == '\\') printf("\\%c", *s);
        else if (*s == '\n') fputs("\\n", stdout);
        else if (*s == '\t') fputs("\\t", stdout);
        else if (*s < 32) printf("\\u%04x", *s);
        else if (n == 0) fputs("\\ufffd", stdout);
        else fwrite(s, 1, (size_t)n, stdout);
        s += n ? n : 1;
    }
    putchar('"');
}

static void jw_key(json *j, const char *key) {
    if (j->comma) fputs(", ", stdout);
    j->comma = true;
    if (!key) return;
    jw_string(key);
    fputs(": ", stdout);
}

void jw_open(json *j, const char *key, char bracket) {
    jw_key(j, key);
    putchar(bracket);
    j->comma = false;
}

void jw_close(json *j, char bracket) {
    putchar(bracket);
    j->comma = true;
}

void jw_text(json *j, const char *key, const char *value) {
    jw_key(j, key);
    if (value) jw_string(value);
    else fputs("null", stdout);
}

void jw_integer(json *j, const char *key, int64_t value) {
    jw_key(j, key);
    printf("%lld", (long long)value);
}

void jw_unsigned(json *j, const char *key, uint64_t value) {
    jw_key(j, key);
    printf("%llu", (unsigned long long)value);
}

static void jw_put_number(double value, bool f32) {
    char text[40];
    show_number(value, f32, text, sizeof text);
    bool special = value != value || value - value != 0;
    printf(special ? "\"%s\"" : "%s", text);
}

void jw_number(json *j, const char *key, double value) {
    jw_key(j, key);
    jw_put_number(value, false);
}

void jw_number_f32(json *j, const char *key, double value) {
    jw_key(j, key);
    jw_put_number(value, true);
}

void jw_bool(json *j, const char *key, bool value) {
    jw_key(j, key);
    fputs(value ? "true" : "false", stdout);
}

void jw_end(json *j) {
    putchar('\n');
    j->comma = false;
}
