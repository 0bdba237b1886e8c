/* sample.c - see sample.h. SPDX-License-Identifier: BSD-3-Clause */
#include "opcheck/sample.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct sample_reader { const char *at, *text; char *why; size_t why_bytes; } sample_reader;

__attribute__((format(printf, 2, 3)))
static bool sample_fail(const sample_reader *r, const char *format, ...) {
    char what[120];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(r->why, r->why_bytes, "sample \"%.200s\": %s at \"%.60s\"", r->text, what, r->at);
    return false;
}

static void sample_skip(sample_reader *r) { r->at += strspn(r->at, " "); }

static bool sample_accept(sample_reader *r, const char *word) {
    size_t n = strlen(word);
    if (strncmp(r->at, word, n) != 0) return false;
    r->at += n;
    sample_skip(r);
    return true;
}

static bool sample_read_dims(sample_reader *r, btl_sample_operand *o) {
    while (*r->at && *r->at != ']') {
        char *end;
        if (o->rank == SAMPLE_RANK) return sample_fail(r, "more than %d sizes", SAMPLE_RANK);
        o->dims[o->rank++] = strtoll(r->at, &end, 10);
        if (end == r->at || o->dims[o->rank - 1] < 0 || o->dims[o->rank - 1] > 1 << 24) return sample_fail(r, "a size expected");
        r->at = end;
        sample_skip(r);
        if (*r->at == ',') r->at++;
        sample_skip(r);
    }
    return sample_accept(r, "]") || sample_fail(r, "] expected");
}

static bool sample_read_number(sample_reader *r, double *x) {
    char *end;
    *x = strtod(r->at, &end);
    if (end == r->at) return sample_fail(r, "a number expected");
    r->at = end;
    sample_skip(r);
    return true;
}

static bool sample_read_operand(sample_reader *r, btl_sample_operand *o) {
    static const char *const kept[] = { "i", "j", "k", "key", "c" };
    size_t n = strcspn(r->at, ":,|[ "), type;
    if (n == 0 || n >= sizeof o->name || r->at[n] != ':') return sample_fail(r, "a name and ':' expected");
    memcpy(o->name, r->at, n);
    r->at += n + 1;
    sample_skip(r);
    type = strcspn(r->at, "[,| ");
    if (!btl_dtype_find(r->at, type, &o->dtype)) return sample_fail(r, "no dtype");
    r->at += type;
    sample_skip(r);
    if (sample_accept(r, "[") && !sample_read_dims(r, o)) return false;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) o->fixed |= strcmp(o->name, kept[i]) == 0;
    o->low = 0.3, o->high = 1.7;
    o->has_range = sample_accept(r, "from ");
    if (!o->has_range) return true;
    if (!sample_read_number(r, &o->low)) return false;
    if (!sample_accept(r, "to ")) return sample_fail(r, "\"to\" expected");
    return sample_read_number(r, &o->high) && (o->low <= o->high || sample_fail(r, "no range"));
}

static bool sample_write_call(const sample_reader *r, btl_sample *m) {
    char list[SAMPLE_OPERANDS * (sizeof m->operands->name + 2) + 1] = "";
    if (!m->op) return sample_fail(r, "\"| = EXPRESSION\" expected");
    bool several = m->op->max_in < 0, more = *r->at && m->n;
    for (int i = 0; i < m->n; i++) strcat(strcat(list, i ? ", " : ""), m->operands[i].name);
    int n = snprintf(m->expression, sizeof m->expression, "%s(%s%s%s%s%s)", m->op->name, several ? "[" : "", list, several ? "]" : "", more ? ", " : "", r->at);
    m->is_call = true;
    return (n > 0 && (size_t)n < sizeof m->expression) || sample_fail(r, "too long");
}

bool btl_sample_parse(const btl_op *op, const char *text, btl_sample *out, char *why, size_t why_bytes) {
    sample_reader r = { text, text, why, why_bytes };
    *out = (btl_sample){ .op = op, .text = text };
    sample_skip(&r);
    while (*r.at && *r.at != '|') {
        if (out->n == SAMPLE_OPERANDS) return sample_fail(&r, "more than %d operands", SAMPLE_OPERANDS);
        if (!sample_read_operand(&r, &out->operands[out->n++])) return false;
        if (!sample_accept(&r, ",") && *r.at && *r.at != '|') return sample_fail(&r, "',' or '|' expected");
    }
    sample_accept(&r, "|");
    if (!sample_accept(&r, "=")) return sample_write_call(&r, out);
    int n = snprintf(out->expression, sizeof out->expression, "%s", r.at);
    return (n > 0 && (size_t)n < sizeof out->expression) || sample_fail(&r, "an expression expected");
}

btl_samples btl_samples_of(const btl_op *op) {
    static const char *const one[] = { "x: f32[7]", "x: f64[2, 3]", "x: i32[5]", "x: bool[4]", NULL };
    static const char *const two[] = { "x: f32[7], y: f32[7]", "x: f64[2, 3], y: f64[3]", "x: i32[5], y: i32[5]",
                                       "x: bool[4], y: bool[4]", NULL };
    if (op->samples || (op->flags & OP_OWN)) return op->samples; /* nobody knows what one's own takes */
    if (op->min_in == 1 && op->max_in == 1) return one;
    return op->min_in == 2 && op->max_in == 2 ? two : NULL;
}

int64_t btl_sample_elems(const btl_sample_operand *o) {
    int64_t n = 1;
    for (int i = 0; i < o->rank; i++) n *= o->dims[i];
    return n;
}

const char *btl_sample_type(const btl_sample_operand *o, bool symbolic, char *text, size_t bytes) {
    int at = snprintf(text, bytes, "%s", btl_dtype_name(o->dtype));
    for (int i = 0; i < o->rank; i++)
        at += snprintf(text + at, bytes - (size_t)at, "%s%s%lld", i ? ", " : "[", !symbolic || o->dims[i] == 1 || o->fixed ? "" : "n", (long long)o->dims[i]);
    if (o->rank) snprintf(text + at, bytes - (size_t)at, "]");
    return text;
}
