/* pack_csv.c - see pack_csv.h. SPDX-License-Identifier: BSD-3-Clause */
#include "pack_csv.h"

#include "plan_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ------------------------------------------------------------------------------------- */

typedef enum csv_column { CSV_ID, CSV_LOWER, CSV_UPPER, CSV_SIZE, CSV_FIRST, CSV_LAST, CSV_OFFSET, CSV_COLUMNS } csv_column;

/* The names that lists of buffers have; an offset that is there is replaced. */
static const struct { const char *name; csv_column column; } csv_names[] = {
    { "id", CSV_ID }, { "buffer", CSV_ID }, { "lower", CSV_LOWER }, { "start", CSV_LOWER }, { "upper", CSV_UPPER }, { "end", CSV_UPPER },
    { "size", CSV_SIZE }, { "first", CSV_FIRST }, { "last", CSV_LAST }, { "offset", CSV_OFFSET },
};
enum { CSV_NAMES = sizeof csv_names / sizeof *csv_names, CSV_MOST = 16 };

typedef struct csv_text { const cmd *c; char *at, *end; int line; int ncolumns; csv_column columns[CSV_MOST]; int where[CSV_COLUMNS]; } csv_text;

#define CSV_FAIL(t, ...) csv_fail((t)->c, (t)->line, __VA_ARGS__)

static int csv_fail(const cmd *c, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int csv_fail(const cmd *c, int line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fprintf(stderr, "%s:%d: error: ", c->file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return cmd_exit_code(BTL_EFORMAT);
}

static char *csv_trim(char *s) {
    while (*s == ' ' || *s == '\t') s++;
    for (char *end = s + strlen(s); end > s && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'); end--) end[-1] = 0;
    return s;
}

/* The next line that is not blank, cut at commas; the number of its fields, 0: no more lines. Fields beyond CSV_MOST are counted. */
static int csv_next(csv_text *t, char *fields[CSV_MOST]) {
    while (t->at < t->end) {
        char *line = t->at, *newline = memchr(line, '\n', (size_t)(t->end - line));
        t->at = newline ? newline + 1 : t->end;
        t->line++;
        if (newline) *newline = 0;
        if (!*csv_trim(line)) continue;
        int n = 0;
        for (char *field = line, *comma; field; field = comma ? comma + 1 : NULL) {
            comma = strchr(field, ',');
            if (comma) *comma = 0;
            if (n < CSV_MOST) fields[n] = csv_trim(field);
            n++;
        }
        return n;
    }
    return 0;
}

static int csv_header(csv_text *t, bool *inclusive) {
    static const char expected[] = "the first line names the columns: id,lower,upper,size (alive from lower to before upper), or id,first,last,size (both included)";
    const char *names[CSV_NAMES];
    char *fields[CSV_MOST];
    for (int i = 0; i < CSV_NAMES; i++) names[i] = csv_names[i].name;
    for (int i = 0; i < CSV_COLUMNS; i++) t->where[i] = -1;
    t->ncolumns = csv_next(t, fields);
    if (t->ncolumns == 0) return csv_fail(t->c, 1, "there is nothing in it; %s", expected);
    if (t->ncolumns > CSV_MOST) return CSV_FAIL(t, "%d columns; %s", t->ncolumns, expected);
    for (int i = 0; i < t->ncolumns; i++) {
        int k = 0;
        while (k < CSV_NAMES && strcmp(fields[i], names[k]) != 0) k++;
        if (k == CSV_NAMES) {
            const char *nearest = btl_nearest(fields[i], CSV_NAMES, names);
            return CSV_FAIL(t, "unknown column '%s'%s%s%s; %s", fields[i], nearest ? ", did you mean " : "", nearest ? nearest : "", nearest ? "?" : "", expected);
        }
        if (t->where[csv_names[k].column] >= 0) return CSV_FAIL(t, "column '%s' is there twice", fields[i]);
        t->where[csv_names[k].column] = i;
    }
    bool half_open = t->where[CSV_LOWER] >= 0 && t->where[CSV_UPPER] >= 0;
    *inclusive = t->where[CSV_FIRST] >= 0 && t->where[CSV_LAST] >= 0;
    bool mixed = (half_open || *inclusive) && (t->where[CSV_LOWER] >= 0 || t->where[CSV_UPPER] >= 0) && (t->where[CSV_FIRST] >= 0 || t->where[CSV_LAST] >= 0);
    if (t->where[CSV_ID] < 0 || t->where[CSV_SIZE] < 0 || !(half_open || *inclusive) || mixed)
        return CSV_FAIL(t, "%s; %s", mixed ? "both kinds of lives" : t->where[CSV_ID] < 0 ? "no column id" : t->where[CSV_SIZE] < 0 ? "no column size" : "no columns of lives", expected);
    return 0;
}

static int csv_integer(const csv_text *t, char *const *fields, csv_column column, const char *name, int64_t *out) {
    const char *field = fields[t->where[column]];
    char *end;
    errno = 0;
    long long value = strtoll(field, &end, 10);
    if (end == field || *end) return CSV_FAIL(t, "%s is '%s', expected a whole number", name, field);
    if (errno) return CSV_FAIL(t, "%s is %s, which does not fit 64 bits", name, field);
    *out = value;
    return 0;
}

static int csv_row(const csv_text *t, char *const *fields, int n, bool inclusive, btl_pack_buffer *b) {
    if (n != t->ncolumns) return CSV_FAIL(t, "%d fields, expected %d as in the first line", n, t->ncolumns);
    const char *from = inclusive ? "first" : "lower", *to = inclusive ? "last" : "upper", *id = fields[t->where[CSV_ID]];
    if (!*id) return CSV_FAIL(t, "an empty id");
    int code = csv_integer(t, fields, inclusive ? CSV_FIRST : CSV_LOWER, from, &b->lower);
    if (!code) code = csv_integer(t, fields, inclusive ? CSV_LAST : CSV_UPPER, to, &b->upper);
    if (!code) code = csv_integer(t, fields, CSV_SIZE, "size", &b->size);
    if (code) return code;
    if (b->size < 0) return CSV_FAIL(t, "%s: size is %" PRId64 ", expected at least 0 bytes", id, b->size);
    if (inclusive && b->upper < b->lower) return CSV_FAIL(t, "%s: last %" PRId64 " is before first %" PRId64, id, b->upper, b->lower);
    if (!inclusive && b->upper < b->lower) return CSV_FAIL(t, "%s: upper %" PRId64 " is before lower %" PRId64, id, b->upper, b->lower);
    if (!inclusive && b->upper == b->lower)
        return CSV_FAIL(t, "%s: a life from %" PRId64 " to before %" PRId64 " is empty; where both ends are included, head the columns first,last", id, b->lower, b->upper);
    if (inclusive && b->upper++ == INT64_MAX) return CSV_FAIL(t, "%s: last is too large", id);
    return 0;
}

typedef struct csv_name { const char *id; int line; } csv_name;

static int csv_name_order(const void *a, const void *b) {
    const csv_name *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    return order ? order : x->line < y->line ? -1 : x->line > y->line;
}

static int csv_check_names(const cmd *c, const pack_list *l) {
    csv_name *names = cmd_alloc((size_t)l->n * sizeof *names);
    int code = 0;
    for (int i = 0; i < l->n; i++) names[i] = (csv_name){ l->ids[i], l->lines[i] };
    qsort(names, (size_t)l->n, sizeof *names, csv_name_order);
    for (int i = 1; i < l->n && !code; i++)
        if (strcmp(names[i - 1].id, names[i].id) == 0) code = csv_fail(c, names[i].line, "id %s is that of line %d, too", names[i].id, names[i - 1].line);
    free(names);
    return code;
}

int pack_csv_read(const cmd *c, char *text, size_t length, pack_list *out) {
    static const char mark[] = "\xef\xbb\xbf"; /* byte order mark */
    csv_text t = { .c = c, .at = text, .end = text + length };
    char *fields[CSV_MOST];
    int room = 0, n, code;
    *out = (pack_list){ 0 };
    const char *zero = memchr(text, 0, length);
    if (zero) return csv_fail(c, 1, "a byte 0 at offset %zu: this is no text", (size_t)(zero - text));
    if (length >= 3 && memcmp(text, mark, 3) == 0) t.at += 3;
    code = csv_header(&t, &out->inclusive);
    while (!code && (n = csv_next(&t, fields)) > 0) {
        if (out->n == room) {
            room = room ? 2 * room : 1024;
            out->buffers = cmd_realloc(out->buffers, (size_t)room * sizeof *out->buffers);
            out->ids = cmd_realloc(out->ids, (size_t)room * sizeof *out->ids);
            out->lines = cmd_realloc(out->lines, (size_t)room * sizeof *out->lines);
        }
        code = csv_row(&t, fields, n, out->inclusive, &out->buffers[out->n]);
        if (code) break;
        out->ids[out->n] = fields[t.where[CSV_ID]], out->lines[out->n++] = t.line;
    }
    return code ? code : csv_check_names(c, out);
}

void pack_list_free(pack_list *l) {
    free(l->buffers);
    free(l->ids);
    free(l->lines);
}

/* ---- writing -------------------------------------------------------------------------------------- */

void pack_csv_write(FILE *f, const pack_list *l) {
    fputs(l->inclusive ? "id,first,last,size,offset\n" : "id,lower,upper,size,offset\n", f);
    for (int i = 0; i < l->n; i++) {
        const btl_pack_buffer *b = &l->buffers[i];
        fprintf(f, "%s,%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "\n", l->ids[i], b->lower, b->upper - l->inclusive, b->size, b->offset);
    }
}

/* ---- the picture ------------------------------------------------------------------------------------ */

enum { SVG_WIDTH = 1200, SVG_HEIGHT = 640, SVG_LEFT = 110, SVG_TOP = 40 };

static void svg_line(FILE *f, int64_t bytes, double scale, const char *what, const char *colour) {
    double y = SVG_TOP + SVG_HEIGHT - (double)bytes * scale;
    fprintf(f, "<path d='M%d %.2fh%d' stroke='%s' stroke-dasharray='6 4'/><text x='%d' y='%.2f' text-anchor='end'>%s %" PRId64 "</text>\n", SVG_LEFT, y, SVG_WIDTH,
            colour, SVG_LEFT - 4, y + 4, what, bytes);
}

void pack_svg_write(FILE *f, const pack_list *l, const btl_pack_result *r, int64_t capacity) {
    int64_t low = 0, high = 1, most = r->bytes > capacity ? r->bytes : capacity;
    for (int i = 0; i < l->n; i++) {
        if (i == 0 || l->buffers[i].lower < low) low = l->buffers[i].lower;
        if (i == 0 || l->buffers[i].upper > high) high = l->buffers[i].upper;
    }
    double across = SVG_WIDTH / ((double)high - (double)low), up = SVG_HEIGHT / (double)(most ? most : 1);
    fprintf(f, "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' font-size='11'>\n", SVG_LEFT + SVG_WIDTH + 20, SVG_TOP + SVG_HEIGHT + 40);
    fprintf(f, "<text x='%d' y='20' font-size='14'>%d buffers in %" PRId64 " bytes; live peak %" PRId64 "; lower bound %" PRId64 "%s</text>\n", SVG_LEFT, l->n, r->bytes,
            r->peak_bytes, r->lower_bound_bytes, r->proven ? ", reached" : "");
    fprintf(f, "<rect x='%d' y='%d' width='%d' height='%d' fill='#f4f4f4'/>\n<g stroke='#333' stroke-width='0.3'>\n", SVG_LEFT, SVG_TOP, SVG_WIDTH, SVG_HEIGHT);
    for (int i = 0; i < l->n; i++) {
        const btl_pack_buffer *b = &l->buffers[i];
        double x = SVG_LEFT + ((double)b->lower - (double)low) * across, y = SVG_TOP + SVG_HEIGHT - (double)(b->offset + b->size) * up;
        if (!b->size) continue;
        fprintf(f, "<rect x='%.2f' y='%.2f' width='%.2f' height='%.2f' fill='", x, y, ((double)b->upper - (double)b->lower) * across, (double)b->size * up);
        plan_print_colour(f, i);
        fputs("'><title>", f);
        plan_print_escaped(f, l->ids[i]);
        fprintf(f, ": [%" PRId64 ", %" PRId64 "), %" PRId64 " bytes at %" PRId64 "</title></rect>\n", b->lower, b->upper, b->size, b->offset);
    }
    fputs("</g>\n", f);
    svg_line(f, r->peak_bytes, up, "peak", "#c00");
    if (capacity) svg_line(f, capacity, up, "capacity", "#06c");
    fprintf(f, "<text x='%d' y='%d'>%" PRId64 "</text><text x='%d' y='%d' text-anchor='end'>%" PRId64 "</text><text x='%d' y='%d' text-anchor='middle'>time</text>\n</svg>\n",
            SVG_LEFT, SVG_TOP + SVG_HEIGHT + 18, low, SVG_LEFT + SVG_WIDTH, SVG_TOP + SVG_HEIGHT + 18, high, SVG_LEFT + SVG_WIDTH / 2, SVG_TOP + SVG_HEIGHT + 18);
}
