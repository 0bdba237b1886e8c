/* npy.c - NumPy's file of one array: NumPy Enhancement Proposal 1, numpy/lib/format.py.
 *
 *     6 bytes  93 'NUMPY'
 *     2 bytes  version: 1 0, 2 0 or 3 0
 *     2 bytes  (version 1) or 4 bytes (2, 3): length of the header, little-endian
 *     header   a Python dictionary as ASCII (3.0: UTF-8) text, padded by blanks to a multiple of 64:
 *              {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 *     data     the elements
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/npy.h"

#include "base/array.h"
#include "base/context.h"
#include "bitale/io.h"
#include "io/bytes.h"
#include "io/sink.h"

#include <stdio.h>
#include <string.h>

enum { NPY_ALIGN = 64, NPY_LARGEST_HEADER = 65535 };
static const char npy_magic[] = "\x93NUMPY";

enum { SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4 };

typedef struct npy_header {
    const btl_source *source;
    btl_error *err;
    const char *text; /* of the dictionary, ends in 0 */
    size_t length, at;
    uint64_t offset;  /* of the text in the file */
    int seen;
    btl_dtype dtype;
    bool is_fortran, is_big_endian;
    int rank;
    int64_t shape[BTL_MAX_RANK];
} npy_header;

bool btl_npy_has_magic(const void *bytes, size_t length) {
    return length >= BTL_NPY_MAGIC_BYTES && memcmp(bytes, npy_magic, BTL_NPY_MAGIC_BYTES) == 0;
}

/* ---- the dictionary -------------------------------------------------------------------- */

static btl_status header_expected(npy_header *h, const char *expected) {
    char found[64];
    btl_source_quote(found, sizeof found, h->text + h->at, h->length - h->at);
    if (h->at == h->length) strcpy(found, "the header's end");
    return btl_source_fail(h->source, h->err, BTL_EFORMAT, h->offset + h->at, "found %s, expected %s", found,
                           expected);
}

static void header_skip_blanks(npy_header *h) {
    while (h->at < h->length && strchr(" \t\r\n", h->text[h->at]) && h->text[h->at]) h->at++;
}

/* Steps over `c` and blanks around it if it is next. */
static bool header_take(npy_header *h, char c) {
    header_skip_blanks(h);
    if (h->at >= h->length || h->text[h->at] != c) return false;
    h->at++;
    header_skip_blanks(h);
    return true;
}

static btl_status header_string(npy_header *h, const char *expected, const char **s, size_t *length) {
    header_skip_blanks(h);
    char quote = h->text[h->at];
    const char *end = quote == '\'' || quote == '"' ? strchr(h->text + h->at + 1, quote) : NULL;
    if (!end) return header_expected(h, expected);
    *s = h->text + h->at + 1;
    *length = (size_t)(end - *s);
    h->at += *length + 2;
    return BTL_OK;
}

static bool header_word(npy_header *h, const char *word) {
    size_t n = strlen(word);
    header_skip_blanks(h);
    if (h->length - h->at < n || memcmp(h->text + h->at, word, n)) return false;
    h->at += n;
    return true;
}

static const char *npy_foreign_type(char kind) {
    switch (kind) {
    case 'O': return "Python objects, which would have to be unpickled and never are";
    case 'c': return "complex numbers";
    case 'S': case 'a': return "byte strings";
    case 'U': return "text";
    case 'M': return "dates";
    case 'm': return "time spans";
    case 'V': return "structures or raw bytes (bfloat16 is saved like this: use safetensors for it)";
    default: return "a type that is not known";
    }
}

/* '<f4': byte order, kind, bytes. */
static bool npy_dtype_find(const char *s, size_t length, btl_dtype *out) {
    static const char kinds[] = "biuf";
    char name[8];
    if (length != 3 || s[2] < '1' || s[2] > '8' || !strchr(kinds, s[1])) return false;
    if (s[1] == 'b') {
        *out = BTL_BOOL;
        return s[2] == '1';
    }
    int n = snprintf(name, sizeof name, "%c%d", s[1], 8 * (s[2] - '0'));
    return btl_dtype_find(name, (size_t)n, out);
}

static btl_status header_descr(npy_header *h) {
    const char *s;
    size_t length, begin;
    header_skip_blanks(h);
    begin = h->at;
    if (h->text[h->at] == '[')
        return btl_source_fail(h->source, h->err, BTL_EUNSUPPORTED, h->offset + h->at,
                               "the array holds structures; expected one type of number such as '<f4'");
    BTL_TRY(header_string(h, "a type such as '<f4'", &s, &length));
    bool is_descr = length >= 2 && strchr("<>|=", s[0]) && s[0];
    if (!is_descr || !npy_dtype_find(s, length, &h->dtype)) {
        char quoted[40];
        btl_source_quote(quoted, sizeof quoted, s, length);
        return btl_source_fail(h->source, h->err, is_descr ? BTL_EUNSUPPORTED : BTL_EFORMAT, h->offset + begin,
                               "the array's type is '%s': %s; expected one of |b1 |i1 <i2 <i4 <i8 |u1 <u2 <u4 <u8 "
                               "<f2 <f4 <f8", quoted, is_descr ? npy_foreign_type(s[1]) : "not a type");
    }
    if (s[0] == '>' && btl_dtype_bytes(h->dtype) > 1)
        return btl_source_fail(h->source, h->err, BTL_EUNSUPPORTED, h->offset + begin,
                               "the array is big-endian ('%.3s'), expected little-endian ('<%.2s'); in Python: "
                               "np.save(path, a.astype('<%.2s'))", s, s + 1, s + 1);
    h->is_big_endian = s[0] == '=' && !btl_is_little_endian();
    return BTL_OK;
}

static btl_status header_order(npy_header *h) {
    if (header_word(h, "True")) h->is_fortran = true;
    else if (!header_word(h, "False")) return header_expected(h, "True or False");
    return BTL_OK;
}

/* One size; Python 2 wrote an L behind it. */
static btl_status header_size(npy_header *h, int64_t *out) {
    size_t begin = h->at;
    int64_t n = 0;
    for (; h->text[h->at] >= '0' && h->text[h->at] <= '9'; h->at++)
        if (!btl_mul_i64(n, 10, &n) || !btl_add_i64(n, h->text[h->at] - '0', &n)) {
            h->at = begin;
            return header_expected(h, "a size below 2^63");
        }
    if (h->at == begin) return header_expected(h, "a size or )");
    if (h->text[h->at] == 'L') h->at++;
    *out = n;
    return BTL_OK;
}

static btl_status header_shape(npy_header *h) {
    if (!header_take(h, '(')) return header_expected(h, "sizes such as (3, 4)");
    while (!header_take(h, ')')) {
        if (h->rank == BTL_MAX_RANK)
            return btl_source_fail(h->source, h->err, BTL_EUNSUPPORTED, h->offset + h->at,
                                   "the array has more than %d dimensions", BTL_MAX_RANK);
        BTL_TRY(header_size(h, &h->shape[h->rank++]));
        if (!header_take(h, ',') && h->text[h->at] != ')') return header_expected(h, ", or )");
    }
    return BTL_OK;
}

static btl_status header_entry(npy_header *h) {
    static const struct { const char *key; int bit; btl_status (*parse)(npy_header *); } entries[] = {
        { "descr", SEEN_DESCR, header_descr },
        { "fortran_order", SEEN_ORDER, header_order },
        { "shape", SEEN_SHAPE, header_shape },
    };
    const char *key;
    size_t length, begin = h->at;
    BTL_TRY(header_string(h, "'descr', 'fortran_order' or 'shape'", &key, &length));
    if (!header_take(h, ':')) return header_expected(h, ":");
    for (int i = 0; i < 3; i++) {
        if (strlen(entries[i].key) != length || memcmp(entries[i].key, key, length)) continue;
        if (h->seen & entries[i].bit) break;
        h->seen |= entries[i].bit;
        return entries[i].parse(h);
    }
    h->at = begin;
    return header_expected(h, "'descr', 'fortran_order' and 'shape', each once");
}

static btl_status header_parse(npy_header *h) {
    if (!header_take(h, '{')) return header_expected(h, "a dictionary: {'descr': ...");
    while (!header_take(h, '}')) {
        BTL_TRY(header_entry(h));
        if (!header_take(h, ',') && h->text[h->at] != '}') return header_expected(h, ", or }");
    }
    if (h->at != h->length) return header_expected(h, "the header's end");
    if (h->seen != (SEEN_DESCR | SEEN_ORDER | SEEN_SHAPE))
        return header_expected(h, "'descr', 'fortran_order' and 'shape' before it");
    return BTL_OK;
}

/* ---- reading --------------------------------------------------------------------------- */

static btl_status npy_read_preamble(btl_source *s, size_t *header_bytes, btl_error *err) {
    unsigned char b[12];
    size_t got;
    BTL_TRY(btl_source_read_some(s, b, 8, &got, err));
    if (!btl_npy_has_magic(b, got)) {
        char found[40];
        btl_source_quote(found, sizeof found, b, got < 6 ? got : 6);
        if (got < 6 && memcmp(b, npy_magic, got) == 0)
            return btl_source_fail(s, err, BTL_EFORMAT, got, "the file ends here; expected the rest of a .npy file");
        return btl_source_fail(s, err, BTL_EFORMAT, 0, "found \"%s\", expected \"\\x93NUMPY\", with which "
                               "every .npy file begins", found);
    }
    if (got < 8) return btl_source_fail(s, err, BTL_EFORMAT, got, "the file ends here; expected the version");
    if (b[6] < 1 || b[6] > 3 || b[7] != 0)
        return btl_source_fail(s, err, BTL_EUNSUPPORTED, 6, "found version %d.%d, expected 1.0, 2.0 or 3.0", b[6], b[7]);
    int n = b[6] == 1 ? 2 : 4;
    BTL_TRY(btl_source_read(s, b + 8, (size_t)n, "the header's length", err));
    uint64_t length = btl_bytes_le(b + 8, n), left = s->bytes > s->at ? s->bytes - s->at : 0;
    if (length > left)
        return btl_source_fail(s, err, BTL_EFORMAT, 8, "a header of %llu bytes is announced; %llu bytes follow",
                               (unsigned long long)length, (unsigned long long)left);
    if (length > NPY_LARGEST_HEADER)
        return btl_source_fail(s, err, BTL_EUNSUPPORTED, 8, "a header of %llu bytes; expected at most %d",
                               (unsigned long long)length, NPY_LARGEST_HEADER);
    *header_bytes = (size_t)length;
    return BTL_OK;
}

static btl_status npy_read_header(btl_source *s, npy_header *h, btl_error *err) {
    size_t length = 0;
    *h = (npy_header){ .source = s, .err = err };
    BTL_TRY(npy_read_preamble(s, &length, err));
    char *text = btl_alloc(s->ctx, length + 1);
    if (!text) return btl_error_set(err, BTL_ENOMEM, "%.500s: out of memory while reading", s->path);
    h->text = text;
    h->length = length;
    h->offset = s->at;
    btl_status status = btl_source_read(s, text, length, "the header", err);
    text[length] = 0;
    if (status == BTL_OK) status = header_parse(h);
    btl_free(s->ctx, text, length + 1);
    h->text = NULL;
    return status;
}

/* Fortran order is row-major order of the reversed axes. */
static btl_status npy_read_fortran(btl_source *s, const npy_header *h, btl_array *out, btl_error *err) {
    int64_t reversed[BTL_MAX_RANK], strides[BTL_MAX_RANK], step = 1;
    for (int i = 0; i < h->rank; i++) reversed[i] = h->shape[h->rank - 1 - i];
    btl_array raw;
    BTL_TRY(btl_source_read_array(s, h->dtype, h->rank, reversed, h->is_big_endian, &raw, err));
    btl_status status = btl_array_new_uninit(s->ctx, h->dtype, h->rank, h->shape, out);
    if (status == BTL_OK) {
        btl_array view = raw;
        for (int i = 0; i < h->rank; i++) {
            strides[i] = step;
            step *= h->shape[i] ? h->shape[i] : 1;
        }
        view.shape = out->shape;
        view.strides = strides;
        status = btl_array_copy(out, &view);
    } else {
        btl_error_set(err, status, "%.500s: out of memory while reading", s->path);
    }
    btl_array_free(&raw);
    return status;
}

btl_status btl_npy_read_source(btl_source *s, btl_array *out, btl_error *err) {
    *out = (btl_array){ 0 };
    npy_header h;
    BTL_TRY(npy_read_header(s, &h, err));
    btl_status status;
    if (h.is_fortran && h.rank > 1) status = npy_read_fortran(s, &h, out, err);
    else status = btl_source_read_array(s, h.dtype, h.rank, h.shape, h.is_big_endian, out, err);
    if (status == BTL_OK) status = btl_source_end(s, err);
    if (status != BTL_OK) btl_array_free(out);
    return status;
}

btl_status btl_npy_read(btl_context *ctx, const char *path, btl_array *out, btl_error *err) {
    *out = (btl_array){ 0 };
    btl_source s;
    BTL_TRY(btl_source_open(ctx, path, &s, err));
    btl_status status = btl_npy_read_source(&s, out, err);
    btl_source_close(&s);
    return status;
}

/* ---- writing --------------------------------------------------------------------------- */

/* "(3, 4)", "(3,)", "()" */
static int npy_print_shape(char *text, size_t bytes, const btl_array *a) {
    int at = snprintf(text, bytes, "(");
    for (int i = 0; i < a->ndim; i++)
        at += snprintf(text + at, bytes - (size_t)at, "%lld%s", (long long)a->shape[i],
                       a->ndim == 1 ? "," : i + 1 < a->ndim ? ", " : "");
    return at + snprintf(text + at, bytes - (size_t)at, ")");
}

/* Everything before the data; 16 sizes of 19 digits fit easily. Returns its length. */
static size_t npy_print_header(unsigned char head[static 512], btl_dtype dtype, const btl_array *a) {
    char shape[400], *text = (char *)head + 10;
    npy_print_shape(shape, sizeof shape, a);
    size_t item = btl_dtype_bytes(dtype);
    int n = snprintf(text, 502, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': %s, }", item > 1 ? '<' : '|',
                     btl_dtype_kind(dtype), (int)item, shape);
    size_t length = ((size_t)n + 10 + 1 + NPY_ALIGN - 1) / NPY_ALIGN * NPY_ALIGN;
    memset(text + n, ' ', length - (size_t)n - 11);
    head[length - 1] = '\n';
    memcpy(head, "\x93NUMPY\x01\x00", 8);
    btl_bytes_put_le(head + 8, length - 10, 2);
    return length;
}

btl_status btl_npy_write(btl_context *ctx, const char *path, const btl_array *array, btl_error *err) {
    (void)ctx; /* nothing is allocated */
    btl_dtype dtype;
    unsigned char head[512];
    if (!btl_array_dtype(array, &dtype))
        return btl_error_set(err, BTL_EDTYPE, "%.500s: the array's element type is none of Bitale's", path);
    if (dtype == BTL_BF16)
        return btl_error_set(err, BTL_EUNSUPPORTED, "%.500s: bf16 cannot be written as .npy, where it has no name\n"
                             "    hint: write .safetensors, or convert to f32 first", path);
    if (array->ndim < 0 || array->ndim > BTL_MAX_RANK || btl_array_elems(array) < 0)
        return btl_error_set(err, BTL_ESHAPE, "%.500s: the array's sizes do not multiply up", path);
    size_t length = npy_print_header(head, dtype, array);
    btl_sink k;
    BTL_TRY(btl_sink_begin(&k, path, err));
    btl_sink_write(&k, head, length);
    btl_sink_write_array(&k, array);
    return btl_sink_commit(&k, err);
}
