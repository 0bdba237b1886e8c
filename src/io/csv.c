/* csv.c - tables of numbers as text: RFC 4180, and what programs really write.
 *
 * The file is gone through twice: first its structure (rows, fields, quotes), which gives the size
 * of the result, then the numbers of the columns that are wanted. Other columns may hold anything.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/io.h"

#include "base/array.h"
#include "base/arena.h"
#include "base/context.h"
#include "base/os.h"
#include "io/missing.h"
#include "io/source.h"

#include <float.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLANKS = ' ' }; /* as a separator: any run of blanks and tabs */

typedef struct csv_reader {
    const char *path;
    btl_error *err;
    btl_arena arena;
    const char *text, *end;  /* *end is 0 */
    const char *columns;     /* the caller's choice */
    char separator;
    const char *at, *line_begin;
    int64_t line;
    int64_t header_line;     /* of the first record */
    bool has_header;
    char **names;            /* the header's, or NULL */
    int ncolumns;
    int *chosen, nchosen, capacity; /* column of each output column */
    int *first_use, *next_use;      /* column -> output columns that show it, -1 ends */
} csv_reader;

typedef struct csv_field {
    const char *s;
    size_t length;
    int64_t line, column; /* where it begins, from 1 */
    bool is_last;         /* of its line */
} csv_field;

/* ---- numbers --------------------------------------------------------------------------- */

static bool csv_same_word(const char *s, size_t n, const char *word) {
    if (strlen(word) != n) return false;
    for (size_t i = 0; i < n; i++)
        if ((s[i] | 32) != word[i]) return false;
    return true;
}

static bool csv_special(const char *s, size_t n, double *out) {
    if (csv_same_word(s, n, "nan")) *out = (double)NAN;
    else if (csv_same_word(s, n, "inf") || csv_same_word(s, n, "infinity")) *out = (double)INFINITY;
    else return false;
    return true;
}

/* Digits with perhaps a point, into m * 10^-scale; `exact` while m has lost nothing. */
static size_t csv_digits(const char *s, size_t n, uint64_t *m, int *scale, bool *exact, int *ndigits) {
    bool after_point = false;
    size_t i = 0;
    for (; i < n; i++) {
        if (s[i] == '.' && !after_point) {
            after_point = true;
            continue;
        }
        if (s[i] < '0' || s[i] > '9') break;
        ++*ndigits;
        if (*m > UINT64_MAX / 10 - 1) *exact = false;
        else *m = *m * 10 + (uint64_t)(s[i] - '0'), *scale += after_point;
    }
    return i;
}

static bool csv_exponent(const char *s, size_t n, int *out) {
    bool is_negative = n > 1 && s[1] == '-';
    size_t i = n > 1 && (s[1] == '-' || s[1] == '+') ? 2 : 1;
    int e = 0;
    if ((s[0] | 32) != 'e' || i == n) return false;
    for (; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return false;
        if (e < 100000) e = 10 * e + (s[i] - '0');
    }
    *out = is_negative ? -e : e;
    return true;
}

/* m * 10^e where both are exact doubles and so one rounding gives the nearest: W. Clinger (1990), "How
 * to read floating point numbers accurately". False: not such a case. */
static bool csv_exact(uint64_t m, int e, double *out) {
    static const double tens[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    if (FLT_EVAL_METHOD != 0 || m > (uint64_t)1 << 53 || e < -22 || e > 22) return false;
    *out = e < 0 ? (double)m / tens[-e] : (double)m * tens[e];
    return true;
}

/* The locale must be "C" (csv_read_numbers sees to it): strtod then reads what the scan has
 * accepted and stops where the field ends. */
static bool csv_number(const char *s, size_t n, double *out) {
    bool is_negative = n && s[0] == '-', exact = true;
    const char *begin = s;
    uint64_t m = 0;
    int scale = 0, e = 0, ndigits = 0;
    if (n && (*s == '-' || *s == '+')) s++, n--;
    if (!csv_special(s, n, out)) {
        size_t used = csv_digits(s, n, &m, &scale, &exact, &ndigits);
        if (ndigits == 0 || (used < n && !csv_exponent(s + used, n - used, &e))) return false;
        if (!exact || !csv_exact(m, e - scale, out)) {
            *out = strtod(begin, NULL);
            return true;
        }
    }
    if (is_negative) *out = -*out;
    return true;
}

/* ---- fields ---------------------------------------------------------------------------- */

static btl_status csv_fail(const csv_reader *r, const csv_field *f, const char *expected) {
    char found[80];
    btl_source_quote(found, sizeof found, f->s, f->length);
    return btl_error_set(r->err, BTL_EFORMAT, "%.500s: line %lld, column %lld: found \"%s\", expected %s", r->path,
                         (long long)f->line, (long long)f->column, found, expected);
}

static bool csv_is_newline(char c) {
    return c == '\n' || c == '\r';
}

static bool csv_at_line_end(const csv_reader *r) {
    return r->at == r->end || csv_is_newline(*r->at);
}

static void csv_skip_newline(csv_reader *r) {
    if (r->at < r->end && *r->at == '\r') {
        r->at++;
        if (r->at < r->end && *r->at == '\n') r->at++;
    } else if (r->at < r->end && *r->at == '\n') {
        r->at++;
    }
    r->line++;
    r->line_begin = r->at;
}

static void csv_skip_blanks(csv_reader *r) {
    while (r->at < r->end && (*r->at == ' ' || (*r->at == '\t' && r->separator != '\t'))) r->at++;
}

/* To the closing quote; "" inside stands for one and stays as it is. */
static btl_status csv_quoted(csv_reader *r, csv_field *f) {
    f->s = ++r->at;
    for (;; r->at++) {
        if (r->at == r->end) {
            f->length = 0;
            return csv_fail(r, f, "a closing \" before the end of the file");
        }
        if (*r->at == '"' && r->at[1] != '"') break;
        if (*r->at == '"') r->at++;
        if (*r->at == '\n') r->line++, r->line_begin = r->at + 1;
    }
    f->length = (size_t)(r->at++ - f->s);
    return BTL_OK;
}

static void csv_plain(csv_reader *r, csv_field *f) {
    f->s = r->at;
    while (!csv_at_line_end(r) && *r->at != r->separator && (r->separator != BLANKS || *r->at != '\t')) r->at++;
    f->length = (size_t)(r->at - f->s);
    while (f->length && (f->s[f->length - 1] == ' ' || f->s[f->length - 1] == '\t')) f->length--;
}

/* The next field; after the last of a line the reader stands at the next line. */
static btl_status csv_next(csv_reader *r, csv_field *f) {
    csv_skip_blanks(r);
    *f = (csv_field){ .line = r->line, .column = r->at - r->line_begin + 1 };
    if (*r->at == '"') BTL_TRY(csv_quoted(r, f));
    else csv_plain(r, f);
    const char *after = r->at;
    csv_skip_blanks(r);
    f->is_last = csv_at_line_end(r);
    if (f->is_last) {
        csv_skip_newline(r);
        return BTL_OK;
    }
    if (r->separator == BLANKS && r->at > after) return BTL_OK;
    if (*r->at == r->separator && r->separator != BLANKS) {
        r->at++;
        return BTL_OK;
    }
    *f = (csv_field){ .s = r->at, .length = 1, .line = r->line, .column = r->at - r->line_begin + 1 };
    return csv_fail(r, f, "a separator after the closing quote");
}

/* Steps over empty lines; false at the end of the file. */
static bool csv_next_record(csv_reader *r) {
    for (;;) {
        csv_skip_blanks(r);
        if (r->at == r->end) return false;
        if (!csv_is_newline(*r->at)) break;
        csv_skip_newline(r);
    }
    r->at = r->line_begin;
    return true;
}

static void csv_rewind(csv_reader *r) {
    r->at = r->line_begin = r->text;
    r->line = 1;
}

/* ---- the first line -------------------------------------------------------------------- */

static void csv_find_separator(csv_reader *r) {
    int64_t commas = 0, semicolons = 0, tabs = 0;
    bool in_quotes = false;
    r->separator = '\t'; /* so that leading tabs count as fields */
    csv_rewind(r);
    if (!csv_next_record(r)) return;
    for (const char *p = r->at; p < r->end && (in_quotes || !csv_is_newline(*p)); p++) {
        if (*p == '"') in_quotes = !in_quotes;
        if (in_quotes) continue;
        commas += *p == ',', semicolons += *p == ';', tabs += *p == '\t';
    }
    r->separator = BLANKS;
    if (tabs) r->separator = '\t';
    if (semicolons && semicolons >= tabs) r->separator = ';';
    if (commas && commas >= semicolons && commas >= tabs) r->separator = ',';
}

/* Counts the columns and keeps their names, if names they are. */
static btl_status csv_read_first(csv_reader *r) {
    int capacity = 0;
    csv_rewind(r);
    if (!csv_next_record(r))
        return btl_error_set(r->err, BTL_EFORMAT, "%.500s: line 1: the file is empty, expected lines of numbers", r->path);
    r->header_line = r->line;
    csv_skip_blanks(r);
    if (*r->at == '#') { /* numpy.savetxt puts it before its header */
        r->has_header = true;
        r->at++;
    }
    for (csv_field f = { 0 }; !f.is_last;) {
        double x;
        BTL_TRY(csv_next(r, &f));
        if (f.length && !csv_number(f.s, f.length, &x)) r->has_header = true;
        char **name = BTL_PUSH(&r->arena, r->names, r->ncolumns, capacity);
        *name = btl_arena_strndup(&r->arena, f.s, f.length);
    }
    return BTL_OK;
}

/* ---- the choice of columns ------------------------------------------------------------- */

static const char *csv_name_at(void *arg, int i) {
    const csv_reader *r = arg;
    return r->names[i];
}

static void csv_choose(csv_reader *r, int column) {
    int *slot = BTL_PUSH(&r->arena, r->chosen, r->nchosen, r->capacity);
    *slot = column;
}

/* Digits at s into *out (cut at INT_MAX); returns what follows them. */
static const char *csv_index(const char *s, const char *end, int *out) {
    int64_t n = 0;
    for (; s < end && *s >= '0' && *s <= '9'; s++)
        if (n < INT_MAX) n = 10 * n + (*s - '0');
    *out = n < INT_MAX ? (int)n : INT_MAX;
    return s;
}

static btl_status csv_no_column(csv_reader *r, const char *s, size_t length) {
    char asked[80];
    btl_source_quote(asked, sizeof asked, s, length);
    if (r->has_header && length && (*s < '0' || *s > '9')) {
        btl_names names = { r->ncolumns, csv_name_at, r, "" };
        return btl_names_fail(&names, r->path, "column", s, length, "FILE.csv:NAME", r->err);
    }
    return btl_error_set(r->err, BTL_ENAME, "%.500s: there is no column \"%s\"; the file has %d, counted from 0, %s\n"
                         "    hint: names, indices or ranges such as 0,2,5-7", r->path, asked, r->ncolumns,
                         r->has_header ? "with names" : "without names");
}

/* One item of COLUMNS: a name, an index or a range. */
static btl_status csv_choose_item(csv_reader *r, const char *s, size_t length) {
    for (int i = 0; r->has_header && i < r->ncolumns; i++)
        if (strlen(r->names[i]) == length && memcmp(r->names[i], s, length) == 0) {
            csv_choose(r, i);
            return BTL_OK;
        }
    const char *end = s + length, *p;
    int first, last;
    p = csv_index(s, end, &first);
    last = first;
    bool is_index = p > s;
    if (is_index && p < end && *p == '-') {
        const char *second = p + 1;
        p = csv_index(second, end, &last);
        is_index = p > second;
    }
    if (!is_index || p != end || last < first || last >= r->ncolumns) return csv_no_column(r, s, length);
    for (int i = first; i <= last; i++) csv_choose(r, i);
    return BTL_OK;
}

static btl_status csv_choose_columns(csv_reader *r) {
    const char *s = r->columns ? r->columns : "";
    if (!*s)
        for (int i = 0; i < r->ncolumns; i++) csv_choose(r, i);
    while (*s) {
        size_t length = strcspn(s, ",");
        BTL_TRY(csv_choose_item(r, s, length));
        s += length;
        if (*s == ',' && !*++s) return csv_no_column(r, "", 0);
    }
    r->first_use = BTL_ARRAY(&r->arena, int, r->ncolumns);
    r->next_use = BTL_ARRAY(&r->arena, int, r->nchosen);
    for (int i = 0; i < r->ncolumns; i++) r->first_use[i] = -1;
    for (int k = r->nchosen - 1; k >= 0; k--) {
        r->next_use[k] = r->first_use[r->chosen[k]];
        r->first_use[r->chosen[k]] = k;
    }
    return BTL_OK;
}

static btl_status csv_prepare(void *arg) {
    csv_reader *r = arg;
    csv_find_separator(r);
    BTL_TRY(csv_read_first(r));
    return csv_choose_columns(r);
}

/* ---- the rows -------------------------------------------------------------------------- */

/* Before the first row of numbers. */
static void csv_to_rows(csv_reader *r) {
    csv_field f = { 0 };
    csv_rewind(r);
    if (!r->has_header || !csv_next_record(r)) return;
    while (!f.is_last && csv_next(r, &f) == BTL_OK) { /* it was read without an error before */
    }
}

static btl_status csv_count_rows(csv_reader *r, int64_t *rows) {
    csv_to_rows(r);
    for (*rows = 0; csv_next_record(r); ++*rows) {
        int64_t line = r->line;
        int n = 0;
        for (csv_field f = { 0 }; !f.is_last; n++) BTL_TRY(csv_next(r, &f));
        if (n != r->ncolumns)
            return btl_error_set(r->err, BTL_EFORMAT, "%.500s: line %lld: %d field%s found, expected %d as in line %lld", r->path,
                                 (long long)line, n, n == 1 ? "" : "s", r->ncolumns, (long long)r->header_line);
    }
    if (*rows) return BTL_OK;
    return btl_error_set(r->err, BTL_EFORMAT, "%.500s: line %lld: the file ends here, expected lines of numbers", r->path,
                         (long long)r->line);
}

static btl_status csv_read_row(csv_reader *r, double *row) {
    csv_field f = { 0 };
    for (int column = 0; !f.is_last; column++) {
        double x = (double)NAN;
        BTL_TRY(csv_next(r, &f));
        int k = r->first_use[column];
        if (k >= 0 && f.length && !csv_number(f.s, f.length, &x)) return csv_fail(r, &f, "a number");
        for (; k >= 0; k = r->next_use[k]) row[k] = x;
    }
    return BTL_OK;
}

/* The thread, and only it, reads numbers with a decimal point meanwhile. */
static btl_status csv_read_numbers(csv_reader *r, double *row) {
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0) return btl_error_set(r->err, BTL_ENOMEM, "%.500s: out of memory while reading", r->path);
    locale_t before = uselocale(c_locale);
    btl_status status = BTL_OK;
    csv_to_rows(r);
    for (; status == BTL_OK && csv_next_record(r); row += r->nchosen) status = csv_read_row(r, row);
    uselocale(before);
    freelocale(c_locale);
    return status;
}

static btl_status csv_read(csv_reader *r, btl_context *ctx, btl_array *out) {
    int64_t shape[2] = { 0, 0 };
    btl_status status = btl_arena_protect(&r->arena, csv_prepare, r);
    if (status == BTL_OK) status = csv_count_rows(r, &shape[0]);
    shape[1] = r->nchosen;
    int rank = r->columns && *r->columns && r->nchosen == 1 ? 1 : 2;
    if (status == BTL_OK) status = btl_array_new_uninit(ctx, BTL_F64, rank, shape, out);
    if (status == BTL_OK) status = csv_read_numbers(r, out->data);
    if (status == BTL_ENOMEM) btl_error_set(r->err, BTL_ENOMEM, "%.500s: out of memory while reading", r->path);
    if (status == BTL_ESHAPE) btl_error_set(r->err, BTL_ESHAPE, "%.500s: the table is too large", r->path);
    if (status != BTL_OK) btl_array_free(out);
    return status;
}

btl_status btl_csv_read(btl_context *ctx, const char *path, const char *columns, btl_array *out, btl_error *err) {
    *out = (btl_array){ 0 };
    char *data;
    size_t bytes;
    BTL_TRY(btl_os_read_file(ctx, path, &data, &bytes, err));
    csv_reader r = { .path = strcmp(path, "-") ? path : "standard input", .err = err, .text = data, .end = data + bytes,
                     .columns = columns };
    btl_arena_init(&r.arena, ctx);
    if (bytes >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) r.text += 3;
    btl_status status = csv_read(&r, ctx, out);
    btl_arena_deinit(&r.arena);
    btl_free(ctx, data, bytes + 1);
    return status;
}
