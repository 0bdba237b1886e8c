/* show.c - see show.h. SPDX-License-Identifier: BSD-3-Clause */
#include "show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void show_number(double value, bool f32, char *text, size_t bytes) {
    if (isnan(value) || isinf(value)) {
        snprintf(text, bytes, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    for (int digits = f32 ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, bytes, "%.*g", digits, value);
        if (f32 ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value) break;
    }
}

/* ---- elements --------------------------------------------------------------------------------- */

static btl_dtype show_dtype(const btl_array *a) {
    btl_dtype dtype = BTL_BOOL;
    btl_array_dtype(a, &dtype);
    return dtype;
}

/* The element as another type, exact for widening ones. */
static void show_convert(const btl_array *a, int64_t i, btl_dtype to, void *out) {
    btl_dtype dtype = show_dtype(a);
    btl_array from = btl_array_wrap(dtype, 0, NULL, (char *)btl_array_data(a) + i * (int64_t)btl_dtype_bytes(dtype));
    btl_array target = btl_array_wrap(to, 0, NULL, out);
    btl_array_convert(&target, &from);
}

double show_double(const btl_array *a, int64_t i) {
    double value = 0;
    show_convert(a, i, BTL_F64, &value);
    return value;
}

static bool show_is_short_float(btl_dtype d) { return btl_dtype_kind(d) == 'f' && d != BTL_F64; }

void show_element(const btl_array *a, int64_t i, char *text, size_t bytes) {
    btl_dtype dtype = show_dtype(a);
    int64_t integer = 0;
    uint64_t natural = 0;
    switch (btl_dtype_kind(dtype)) {
    case 'b':
        show_convert(a, i, BTL_I64, &integer);
        snprintf(text, bytes, "%s", integer ? "true" : "false");
        break;
    case 'i':
        show_convert(a, i, BTL_I64, &integer);
        snprintf(text, bytes, "%lld", (long long)integer);
        break;
    case 'u':
        show_convert(a, i, BTL_U64, &natural);
        snprintf(text, bytes, "%llu", (unsigned long long)natural);
        break;
    default: show_number(show_double(a, i), show_is_short_float(dtype), text, bytes);
    }
}

void show_type(const btl_array *a, char *text, size_t bytes) {
    size_t at = (size_t)snprintf(text, bytes, "%s", btl_dtype_name(show_dtype(a)));
    for (int k = 0; k < a->ndim && at < bytes; k++) at += (size_t)snprintf(text + at, bytes - at, "%s%lld", k ? ", " : "[", (long long)a->shape[k]);
    if (a->ndim && at < bytes) snprintf(text + at, bytes - at, "]");
}

/* ---- summaries --------------------------------------------------------------------------------- */

typedef struct show_summary { double min, mean, max; int64_t nans; } show_summary;

/* Over the elements that are numbers; all NaN where there is none. */
static show_summary show_summarise(const btl_array *a) {
    show_summary s = { (double)INFINITY, 0, -(double)INFINITY, 0 };
    int64_t n = btl_array_elems(a), seen = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = show_double(a, i);
        if (isnan(x)) {
            s.nans++;
            continue;
        }
        seen++;
        s.mean += (x - s.mean) / (double)seen; /* a running mean: no sum that overflows */
        if (x < s.min) s.min = x;
        if (x > s.max) s.max = x;
    }
    if (!seen) s.min = s.mean = s.max = (double)NAN;
    return s;
}

/* ---- text ---------------------------------------------------------------------------------------- */

static int show_width(const btl_array *a, int64_t n) {
    char text[40];
    int width = 0;
    for (int64_t i = 0; i < n; i++) {
        show_element(a, i, text, sizeof text);
        if ((int)strlen(text) > width) width = (int)strlen(text);
    }
    return width;
}

/* Rows of a matrix stand below each other. */
static void show_values(const btl_array *a, int64_t n) {
    int width = a->ndim > 1 ? show_width(a, n) : 0;
    if (n == 0) {
        fputs("[]", stdout);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        char text[40];
        int opens = 0, closes = 0;
        for (int64_t k = a->ndim - 1, block = 1; k >= 0; k--) {
            block *= a->shape[k];
            opens += i % block == 0;
            closes += (i + 1) % block == 0;
        }
        if (i) fputs(opens ? "," : ", ", stdout);
        if (opens && a->ndim > 1) printf("\n%*s", 4 + a->ndim - opens, "");
        for (int k = 0; k < opens; k++) putchar('[');
        show_element(a, i, text, sizeof text);
        printf("%*s", width, text);
        for (int k = 0; k < closes; k++) putchar(']');
    }
}

void show_array(const char *name, const btl_array *a) {
    char type[400];
    int64_t n = btl_array_elems(a);
    show_type(a, type, sizeof type);
    if (n <= SHOW_SMALL) {
        printf("%s: %s = ", name, type);
        if (a->ndim) show_values(a, n);
        else {
            show_element(a, 0, type, sizeof type);
            fputs(type, stdout);
        }
        putchar('\n');
        return;
    }
    show_summary s = show_summarise(a);
    printf("%s: %s: min %.6g, mean %.6g, max %.6g", name, type, s.min, s.mean, s.max);
    if (s.nans) printf(", %lld of %lld are nan", (long long)s.nans, (long long)n);
    putchar('\n');
}

/* ---- JSON ---------------------------------------------------------------------------------------- */

static void show_json_element(json *j, const char *key, const btl_array *a, int64_t i) {
    btl_dtype dtype = show_dtype(a);
    int64_t integer = 0;
    uint64_t natural = 0;
    switch (btl_dtype_kind(dtype)) {
    case 'b':
    case 'i':
        show_convert(a, i, BTL_I64, &integer);
        if (dtype == BTL_BOOL) jw_bool(j, key, integer != 0);
        else jw_integer(j, key, integer);
        break;
    case 'u':
        show_convert(a, i, BTL_U64, &natural);
        jw_unsigned(j, key, natural);
        break;
    default:
        if (show_is_short_float(dtype)) jw_number_f32(j, key, show_double(a, i));
        else jw_number(j, key, show_double(a, i));
    }
}

static void show_json_values(json *j, const btl_array *a, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        int opens = 0, closes = 0;
        for (int64_t k = a->ndim - 1, block = 1; k >= 0; k--) {
            block *= a->shape[k];
            opens += i % block == 0;
            closes += (i + 1) % block == 0;
        }
        for (int k = 0; k < opens - (opens == a->ndim); k++) jw_open(j, NULL, '[');
        show_json_element(j, NULL, a, i);
        for (int k = 0; k < closes - (closes == a->ndim); k++) jw_close(j, ']');
    }
}

void show_json(json *j, const char *key, const btl_array *a) {
    int64_t n = btl_array_elems(a);
    jw_open(j, key, '{');
    jw_text(j, "type", btl_dtype_name(show_dtype(a)));
    jw_open(j, "shape", '[');
    for (int k = 0; k < a->ndim; k++) jw_integer(j, NULL, a->shape[k]);
    jw_close(j, ']');
    if (a->ndim == 0) {
        show_json_element(j, "data", a, 0);
    } else if (n <= SHOW_SMALL) {
        jw_open(j, "data", '[');
        show_json_values(j, a, n);
        jw_close(j, ']');
    } else {
        show_summary s = show_summarise(a);
        jw_number(j, "min", s.min);
        jw_number(j, "mean", s.mean);
        jw_number(j, "max", s.max);
        jw_integer(j, "nan", s.nans);
    }
    jw_close(j, '}');
}
