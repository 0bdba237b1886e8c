/* value.c - see value.h.
 *
 * VALUE is a literal if it begins with a bracket or is a number, true or false; anything else names a
 * file. Literals are read for the dtype of their argument: 300 is no u8, 1.5 no i32, and a message points
 * at the character. A literal is weak, as in the notation: 0.1 is f32 where f32 is wanted.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "value.h"

#include "show.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- literals ----------------------------------------------------------------------------------- */

/* A literal being read. Elements are kept in 8 bytes each: f64, i64, u64 or (bool) i64. */
typedef struct literal {
    const cmd *c;
    const char *word, *text, *at;   /* NAME=TEXT, TEXT, and where we are */
    const char *argument;           /* "x: f32[n]" */
    btl_dtype dtype;
    int rank, depth;
    int64_t counts[BTL_MAX_RANK], dims[BTL_MAX_RANK];
    void *elements;
    size_t n, capacity;
    int exit_code;
} literal;

/* The word with a caret under the place; of a long one the neighbourhood. */
static bool literal_fail(literal *l, const char *at, const char *found, size_t length, const char *expected) {
    int place = (int)(at - l->word), from = place > 60 ? place - 40 : 0;
    l->exit_code = cmd_fail(l->c, BTL_EVALUE, "%s: %s%.*s%s%s\n    %s%.*s\n    %*s^", l->argument, length ? "\"" : "", (int)(length < 60 ? length : 60), found,
                            length ? "\" is not " : "", expected, from ? "..." : "", 75, l->word + from, place - from + (from ? 3 : 0), "");
    return false;
}

static bool literal_fail_list(literal *l, const char *problem) { return literal_fail(l, l->at, "", 0, problem); }

static size_t literal_token(const char *s) { return strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-._"); }

static void *literal_push(literal *l) {
    if (l->n == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 16;
        l->elements = cmd_realloc(l->elements, 8 * l->capacity);
    }
    return (char *)l->elements + 8 * l->n++;
}

/* Copies a token where it ends in 0; false if it is longer than any number. */
static bool literal_copy(const char *s, size_t length, char *out, size_t bytes) {
    if (length == 0 || length >= bytes) return false;
    memcpy(out, s, length);
    out[length] = 0;
    return true;
}

/* Decimal numbers, inf and nan; C's hexadecimal floats and "infinity" are not of the notation. */
static bool literal_number(const char *token, double *value) {
    const char *digits = token + (*token == '-' || *token == '+');
    if (strcmp(digits, "inf") != 0 && strcmp(digits, "nan") != 0 && (strspn(digits, "0123456789.eE+-") != strlen(digits) || !strpbrk(digits, "0123456789"))) return false;
    char *end;
    *value = strtod(token, &end);
    return *end == 0;
}

static const char *literal_float(literal *l, const char *token) {
    double value;
    if (!literal_number(token, &value)) return "a number";
    double most = l->dtype == BTL_F16 ? 65519.99 : l->dtype == BTL_BF16 ? 3.3961775292304957e38 : l->dtype == BTL_F32 ? 3.4028235677973362e38 : (double)INFINITY;
    if (!isinf(value) && fabs(value) > most) return "within the range of that type";
    if (isinf(value) && !strstr(token, "inf")) return "within the range of that type";
    memcpy(literal_push(l), &value, 8);
    return NULL;
}

static const char *literal_whole(literal *l, const char *token) {
    bool is_signed = btl_dtype_kind(l->dtype) == 'i', negative = *token == '-';
    const char *digits = token + (*token == '-' || *token == '+');
    if (!*digits || strspn(digits, "0123456789") != strlen(digits)) return "a whole number";
    errno = 0;
    unsigned long long magnitude = strtoull(digits, NULL, 10);
    int bits = (int)(8 * btl_dtype_bytes(l->dtype)) - is_signed;
    unsigned long long most = bits == 64 ? ~0ull : (1ull << bits) - 1;
    if (errno || (negative && !is_signed && magnitude) || magnitude > most + (negative && is_signed)) return "within the range of that type";
    uint64_t value = negative ? 0 - (uint64_t)magnitude : (uint64_t)magnitude;
    memcpy(literal_push(l), &value, 8);
    return NULL;
}

static const char *literal_bool(literal *l, const char *token) {
    int64_t value = strcmp(token, "true") == 0;
    if (!value && strcmp(token, "false") != 0) return "true or false";
    memcpy(literal_push(l), &value, 8);
    return NULL;
}

static bool literal_element(literal *l) {
    char token[400];
    size_t length = literal_token(l->at);
    if (length == 0) return literal_fail_list(l, "a value is expected here");
    if (l->depth != l->rank) return literal_fail_list(l, l->rank == 1 ? "a list is expected: [1, 2, 3], or a file" : "nested lists are expected, one level an axis, or a file");
    char kind = btl_dtype_kind(l->dtype);
    if (!literal_copy(l->at, length, token, sizeof token)) return literal_fail(l, l->at, l->at, length, "a number");
    const char *expected = kind == 'f' ? literal_float(l, token) : kind == 'b' ? literal_bool(l, token) : literal_whole(l, token);
    if (expected) return literal_fail(l, l->at, l->at, length, expected);
    l->at += length;
    if (l->depth) l->counts[l->depth - 1]++;
    return true;
}

static bool literal_open(literal *l) {
    if (l->depth == l->rank) return literal_fail_list(l, l->rank ? "one list level too many" : "a single number is expected, not a list");
    l->at++;
    l->counts[l->depth++] = 0;
    return true;
}

static bool literal_close(literal *l) {
    int64_t n = l->counts[--l->depth], *dim = &l->dims[l->depth];
    if (*dim >= 0 && *dim != n) return literal_fail_list(l, "this list is not as long as the one before it");
    *dim = n;
    l->at++;
    if (l->depth) l->counts[l->depth - 1]++;
    return true;
}

static void literal_blanks(literal *l) { l->at += strspn(l->at, " \t\n"); }

static bool literal_read(literal *l) {
    bool value_next = true; /* otherwise a comma, a bracket or the end */
    for (literal_blanks(l);; literal_blanks(l)) {
        if (value_next && *l->at == '[') {
            if (!literal_open(l)) return false;
        } else if (*l->at == ']' && l->depth && (!value_next || l->counts[l->depth - 1] == 0)) {
            if (!literal_close(l)) return false;
            value_next = false;
        } else if (value_next) {
            if (!literal_element(l)) return false;
            value_next = false;
        } else if (*l->at == ',' && l->depth) {
            l->at++;
            value_next = true;
        } else {
            break;
        }
    }
    if (l->depth) return literal_fail_list(l, *l->at ? "a comma or ] is expected here" : "the list is not closed: ] is missing");
    return *l->at ? literal_fail_list(l, "nothing more is expected here") : true;
}

/* Sizes below an empty list are those of the type, or 0. */
static void literal_open_dims(literal *l, const btl_function *f, int input) {
    for (int k = 0; k < l->rank; k++) {
        int64_t fixed = btl_function_input_size(f, input, k);
        if (l->dims[k] < 0) l->dims[k] = fixed >= 0 ? fixed : 0;
    }
}

static int literal_array(literal *l, btl_array *out) {
    char kind = btl_dtype_kind(l->dtype);
    btl_array wide = btl_array_wrap(kind == 'f' ? BTL_F64 : kind == 'u' ? BTL_U64 : BTL_I64, l->rank, l->dims, l->elements);
    btl_status status = btl_array_new(l->c->ctx, l->dtype, l->rank, l->dims, out);
    if (status == BTL_OK && l->n) status = btl_array_convert(out, &wide);
    return status == BTL_OK ? 0 : cmd_fail(l->c, status, "%s: %s", l->argument, btl_status_text(status));
}

static int value_literal(const cmd *c, const values *v, int input, const char *word, const char *text, const char *argument) {
    literal l = { .c = c, .word = word, .text = text, .at = text, .argument = argument,
                  .dtype = btl_function_input_dtype(v->f, input), .rank = btl_function_input_rank(v->f, input) };
    for (int k = 0; k < BTL_MAX_RANK; k++) l.dims[k] = -1;
    int code = literal_read(&l) ? 0 : l.exit_code;
    if (code == 0) {
        literal_open_dims(&l, v->f, input);
        code = literal_array(&l, &v->in[input]);
    }
    free(l.elements);
    return code;
}

static bool value_is_literal(const char *text) {
    double ignored;
    const char *s = text + strspn(text, " \t");
    return *s == '[' || strcmp(s, "true") == 0 || strcmp(s, "false") == 0 || literal_number(s, &ignored);
}

/* ---- files ---------------------------------------------------------------------------------------- */

static bool value_is_csv(const char *spec) {
    size_t n = strlen(spec);
    return strstr(spec, ".csv:") || (n >= 4 && strcmp(spec + n - 4, ".csv") == 0);
}

/* Text has no type: each number must be one of `to`. */
static int value_text_fits(const cmd *c, const char *word, const char *argument, btl_dtype to, const btl_array *from, const btl_array *converted) {
    bool is_float = btl_dtype_kind(to) == 'f';
    for (int64_t i = 0, n = btl_array_elems(from); i < n; i++) {
        double before = show_double(from, i), after = show_double(converted, i);
        bool fits = is_float ? isfinite(before) == isfinite(after) : before == after;
        if (!fits) return cmd_fail(c, BTL_EDTYPE, "%s: %s: value %lld of the file, %.17g, is not one of %s", argument, word, (long long)i + 1, before, btl_dtype_name(to));
    }
    return 0;
}

int values_convert(const cmd *c, const char *word, const char *argument, btl_dtype to, bool is_text, btl_array *array) {
    btl_dtype from;
    if (!btl_array_dtype(array, &from)) return cmd_fail(c, BTL_EDTYPE, "%s: %s is of a type that Bitale does not have", argument, word);
    if (from == to) return 0;
    if (!is_text && !btl_dtype_widens(from, to))
        return cmd_fail(c, BTL_EDTYPE, "%s: %s holds %s; converting that to %s would lose values\n    hint: declare the argument as %s and convert it in the program, by %s(…)", argument, word,
                        btl_dtype_name(from), btl_dtype_name(to), btl_dtype_name(from), btl_dtype_name(to));
    btl_array converted = { 0 };
    btl_status status = btl_array_new(c->ctx, to, array->ndim, array->shape, &converted);
    if (status == BTL_OK) status = btl_array_convert(&converted, array);
    int code = status == BTL_OK ? 0 : cmd_fail(c, status, "%s: %s: %s", argument, word, btl_status_text(status));
    if (code == 0 && is_text) code = value_text_fits(c, word, argument, to, array, &converted);
    if (code) {
        btl_array_free(&converted);
        return code;
    }
    btl_array_free(array);
    *array = converted;
    return 0;
}

static int value_file(cmd *c, const values *v, int input, const char *text, const char *argument) {
    btl_error err = { 0 };
    btl_array *a = &v->in[input];
    if (strcmp(text, "-") == 0) {
        if (c->reads_stdin) return cmd_fail(c, BTL_EUSAGE, "%s: standard input is read once, and something else reads it already", argument);
        c->reads_stdin = true;
    }
    if (btl_load(c->ctx, text, a, &err) != BTL_OK) {
        const char *hint = err.status == BTL_EIO && strchr("+-.0123456789", *text) && strcmp(text, "-") ? "\n    hint: it is not a number either" : "";
        return cmd_fail(c, err.status, "%s: %s%s", argument, err.message, hint);
    }
    int rank = btl_function_input_rank(v->f, input);
    if (a->ndim != rank) {
        char type[400];
        show_type(a, type, sizeof type);
        return cmd_fail(c, BTL_ESHAPE, "%s: %s holds %s: %d ax%s expected, found %d", argument, text, type, rank, rank == 1 ? "is" : "es", a->ndim);
    }
    return values_convert(c, text, argument, btl_function_input_dtype(v->f, input), value_is_csv(text), a);
}

/* ---- words ------------------------------------------------------------------------------------------ */

char *values_argument(const btl_function *f, int i) { return cmd_format("%s: %s", btl_function_input_name(f, i), btl_function_input_type(f, i)); }

static int value_find_input(const btl_function *f, const char *name) {
    for (int i = 0; i < btl_function_ninputs(f); i++)
        if (strcmp(btl_function_input_name(f, i), name) == 0) return i;
    return -1;
}

static bool value_is_size(const btl_function *f, const char *name) {
    for (int i = 0, n = btl_function_nsizes(f); i < n; i++)
        if (strcmp(btl_function_size_name(f, i), name) == 0) return true;
    return false;
}

static int value_unknown(const cmd *c, const btl_function *f, const char *name) {
    int ninputs = btl_function_ninputs(f), nsizes = btl_function_nsizes(f);
    const char **names = cmd_alloc((size_t)(ninputs + nsizes + 1) * sizeof *names);
    for (int i = 0; i < ninputs; i++) names[i] = btl_function_input_name(f, i);
    for (int i = 0; i < nsizes; i++) names[ninputs + i] = btl_function_size_name(f, i);
    const char *nearest = btl_nearest(name, ninputs + nsizes, names);
    free(names);
    return cmd_fail(c, BTL_ENAME, "%s has no argument and no size named %s%s%s%s", btl_function_name(f), name, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static int value_size(const cmd *c, values *v, char *name, const char *text) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < 0) return cmd_fail(c, BTL_EVALUE, "%s is a size: a whole number of at least 0 is expected, found %s", name, text);
    for (int i = 0; i < v->nsizes; i++)
        if (strcmp(v->size_names[i], name) == 0) return cmd_fail(c, BTL_ENAME, "%s is given twice", name);
    v->size_names[v->nsizes] = name;
    v->size_values[v->nsizes++] = value;
    return 0;
}

/* One word. NAME is cut off in place for a size, whose name lives as long as argv. */
static int value_word(cmd *c, values *v, char *word) {
    char *equals = strchr(word, '=');
    char *name = cmd_format("%.*s", (int)(equals - word), word);
    int input = value_find_input(v->f, name), code;
    if (input >= 0 && (v->in[input].data || v->in[input].ndim)) {
        code = cmd_fail(c, BTL_ENAME, "%s is given twice", name);
    } else if (input >= 0) {
        char *argument = values_argument(v->f, input);
        code = value_is_literal(equals + 1) ? value_literal(c, v, input, word, equals + 1, argument) : value_file(c, v, input, equals + 1, argument);
        free(argument);
    } else if (value_is_size(v->f, name)) {
        *equals = 0;
        code = value_size(c, v, word, equals + 1);
        *equals = code ? '=' : 0;
    } else {
        code = value_unknown(c, v->f, name);
    }
    free(name);
    return code;
}

int values_read(cmd *c, const btl_function *f, int n, char **words, bool partial, values *out) {
    int code = 0;
    *out = (values){ .f = f, .ninputs = btl_function_ninputs(f) };
    out->in = cmd_alloc((size_t)(out->ninputs + 1) * sizeof *out->in);
    out->size_names = cmd_alloc((size_t)(n + 1) * sizeof *out->size_names);
    out->size_values = cmd_alloc((size_t)(n + 1) * sizeof *out->size_values);
    for (int i = 0; i < n; i++) {
        if (!strchr(words[i], '=')) return cmd_usage(c, "%s is not of the form NAME=VALUE", words[i]);
        int word_code = value_word(c, out, words[i]);
        if (!code) code = word_code;
    }
    for (int i = 0; i < out->ninputs && !partial && !code; i++) {
        if (out->in[i].data || out->in[i].ndim || btl_function_input_has_default(f, i)) continue;
        for (int k = i; k < out->ninputs; k++) {
            if (out->in[k].data || out->in[k].ndim || btl_function_input_has_default(f, k)) continue;
            code = cmd_fail(c, BTL_EVALUE, "argument %s (%s) is missing: give %s=VALUE or %s=FILE", btl_function_input_name(f, k), btl_function_input_type(f, k),
                            btl_function_input_name(f, k), btl_function_input_name(f, k));
        }
    }
    return code;
}

void values_free(values *v) {
    for (int i = 0; v->in && i < v->ninputs; i++) btl_array_free(&v->in[i]);
    free(v->in);
    free(v->size_names);
    free(v->size_values);
    *v = (values){ 0 };
}

btl_call_options values_call_options(const cmd *c, const values *v) {
    return (btl_call_options){ .struct_size = sizeof(btl_call_options), .threads = c->threads, .nsizes = v->nsizes, .size_names = v->size_names,
                               .size_values = v->size_values };
}
