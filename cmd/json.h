/* json.h - writing JSON to standard output: the writer keeps track of commas. (jw_: json_ is jansson.)
 *
 * Numbers that JSON does not have (nan, inf, -inf) are written as those strings.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_JSON_H
#define CMD_JSON_H

#include <stdbool.h>
#include <stdint.h>

typedef struct json { bool comma; } json; /* start from {0} */

void jw_open(json *j, const char *key, char bracket);  /* key NULL: an element; bracket '{' or '[' */
void jw_close(json *j, char bracket);                  /* '}' or ']' */
void jw_text(json *j, const char *key, const char *value); /* value NULL: null */
void jw_integer(json *j, const char *key, int64_t value);
void jw_unsigned(json *j, const char *key, uint64_t value);
void jw_number(json *j, const char *key, double value);    /* the shortest text that reads back */
void jw_number_f32(json *j, const char *key, double value);
void jw_bool(json *j, const char *key, bool value);
void jw_end(json *j);                                  /* a newline */

#endif
