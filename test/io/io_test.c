/* io_test.c - files: read as they were built here by hand, written byte for byte, and every way in
 * which they can be bad.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bitale/io.h"

#include <dirent.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files for tests ------------------------------------------------------------------- */

static char folder[] = "/tmp/bitale-io-test-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

/* Number of files in the folder; they are removed if `clear`. */
static int count_files(bool clear) {
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.' && (e->d_name[1] == 0 || e->d_name[1] == '.')) continue;
        char path[400];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        n++;
        if (clear) remove(path);
    }
    if (d) closedir(d);
    return n;
}

static int remove_folder(void **state) {
    (void)state;
    count_files(true);
    return rmdir(folder);
}

static const char *in_folder(const char *name) {
    static char paths[4][400];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Bytes being put together. */
typedef struct bytes {
    unsigned char data[8192];
    size_t n;
} bytes;

static void put(bytes *b, const void *data, size_t n) {
    assert_true(b->n + n <= sizeof b->data);
    if (n) memcpy(b->data + b->n, data, n);
    b->n += n;
}

static void put_le(bytes *b, uint64_t x, int n) {
    for (int i = 0; i < n; i++, x >>= 8) put(b, &(unsigned char){ (unsigned char)(x & 255) }, 1);
}

static void put_be(bytes *b, uint64_t x, int n) {
    while (n-- > 0) put(b, &(unsigned char){ (unsigned char)(x >> (8 * n) & 255) }, 1);
}

static const char *save(const char *name, const bytes *b, size_t n) {
    const char *path = in_folder(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return path;
}

static const char *save_text(const char *name, const char *text) {
    bytes b = { .n = 0 };
    put(&b, text, strlen(text));
    return save(name, &b, b.n);
}

/* ---- what is expected ------------------------------------------------------------------ */

static void expect_array(btl_array *a, btl_dtype dtype, int rank, const int64_t *shape, const void *data) {
    btl_dtype found;
    assert_true(btl_array_dtype(a, &found));
    assert_string_equal(btl_dtype_name(found), btl_dtype_name(dtype));
    assert_int_equal(a->ndim, rank);
    if (rank) assert_memory_equal(a->shape, shape, (size_t)rank * sizeof *shape);
    assert_true(btl_array_is_contiguous(a));
    size_t n = (size_t)btl_array_elems(a) * btl_dtype_bytes(dtype);
    if (n) assert_memory_equal(btl_array_data(a), data, n);
    btl_array_free(a);
}

static void expect_load(const char *spec, btl_dtype dtype, int rank, const int64_t *shape, const void *data) {
    btl_array a;
    btl_error err = { 0 };
    btl_status status = btl_load(NULL, spec, &a, &err);
    if (status != BTL_OK) print_error("%s\n", err.message);
    assert_int_equal(status, BTL_OK);
    expect_array(&a, dtype, rank, shape, data);
}

#define SHAPE(...) ((const int64_t[]){ __VA_ARGS__ })

/* Each of the texts (NULL ends) must be in the message. */
static void expect_message(const btl_error *err, btl_status status, va_list texts) {
    if (err->status != status) print_error("%s\n", err->message);
    assert_int_equal(err->status, status);
    for (const char *text; (text = va_arg(texts, const char *));) {
        if (!strstr(err->message, text)) print_error("\"%s\" is not in: %s\n", text, err->message);
        assert_non_null(strstr(err->message, text));
    }
}

static void expect_bad(const char *spec, btl_status status, ...) {
    btl_array a = { .ndim = 77 };
    btl_error err = { 0 };
    assert_int_equal(btl_load(NULL, spec, &a, NULL), btl_load(NULL, spec, &a, &err));
    assert_null(a.data);
    va_list texts;
    va_start(texts, status);
    expect_message(&err, status, texts);
    va_end(texts);
}

/* Whatever is cut off, it is an error that names the file. */
static void expect_every_truncation_bad(const char *name, const char *ending, const bytes *b) {
    char spec[400];
    for (size_t n = 0; n < b->n; n++) {
        btl_array a;
        btl_error err = { 0 };
        save(name, b, n);
        snprintf(spec, sizeof spec, "%s/%s%s", folder, name, ending);
        btl_status status = btl_load(NULL, spec, &a, &err);
        if (status == BTL_OK) print_error("%s cut to %zu bytes was read\n", name, n);
        assert_true(status == BTL_EFORMAT || status == BTL_EIO);
        assert_non_null(strstr(err.message, name));
        assert_null(a.data);
    }
}

/* ---- an allocator that fails at the n-th request --------------------------------------- */

typedef struct counter {
    int calls, fail_at;
    int64_t live_bytes;
} counter;

static void *counter_alloc(void *user, void *ptr, size_t old_bytes, size_t n) {
    counter *c = user;
    if (n && ++c->calls == c->fail_at) return NULL;
    void *p = n ? realloc(ptr, n) : (free(ptr), NULL);
    if (p || n == 0) c->live_bytes += (int64_t)n - (int64_t)(ptr ? old_bytes : 0);
    return p;
}

/* Calls `act` with the 1st, 2nd, ... allocation failing until it needs no more. */
static int sweep_allocations(btl_status (*act)(btl_context *, void *arg, btl_error *), void *arg) {
    for (int n = 1; n < 1000; n++) {
        counter c = { .fail_at = 0 };
        btl_context *ctx;
        btl_error err = { 0 };
        btl_context_options options = { .struct_size = sizeof options, .alloc = counter_alloc, .alloc_user = &c };
        assert_int_equal(btl_context_new(&options, &ctx), BTL_OK);
        c.calls = 0, c.fail_at = n;
        int64_t before = c.live_bytes;
        btl_status status = act(ctx, arg, &err);
        bool reached = c.calls >= n;
        assert_int_equal(c.live_bytes, before);
        btl_context_free(ctx);
        assert_int_equal(status, reached ? BTL_ENOMEM : BTL_OK);
        assert_true(!reached || strstr(err.message, "memory"));
        if (!reached) return n - 1;
    }
    fail_msg("the allocations never end");
    return 0;
}

static btl_status act_load(btl_context *ctx, void *spec, btl_error *err) {
    btl_array a;
    btl_status status = btl_load(ctx, spec, &a, err);
    btl_array_free(&a);
    return status;
}

static int sweep_load(const char *spec) {
    char copy[400];
    snprintf(copy, sizeof copy, "%s", spec);
    int n = sweep_allocations(act_load, copy);
    assert_true(n >= 1);
    return n;
}

/* ---- npy ------------------------------------------------------------------------------- */

/* A .npy of this version whose header is exactly `header`. */
static bytes npy(int version, const char *header, const void *data, size_t n) {
    bytes b = { .n = 0 };
    put(&b, "\x93NUMPY", 6);
    put_le(&b, (uint64_t)version, 2);
    put_le(&b, strlen(header), version == 1 ? 2 : 4);
    put(&b, header, strlen(header));
    put(&b, data, n);
    return b;
}

static bytes npy_f32(void) {
    const float x[] = { 1, 2, 3, 4, 5, 6 };
    return npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", x, sizeof x);
}

static void npy_versions_and_spellings_are_read(void **state) {
    (void)state;
    const float x[] = { 1, 2, 3, 4, 5, 6 };
    static const char *const headers[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n",
        "{\"shape\":(2L,3L),\"fortran_order\":False,\"descr\":\"<f4\"}",
        " { 'shape' : ( 2 , 3 , ) , 'descr' : '<f4' , 'fortran_order' : False } \n",
    };
    for (int version = 1; version <= 3; version++)
        for (int i = 0; i < 3; i++) {
            bytes b = npy(version, headers[i], x, sizeof x);
            expect_load(save("a.npy", &b, b.n), BTL_F32, 2, SHAPE(2, 3), x);
        }
}

static void npy_types_are_read(void **state) {
    (void)state;
    static const struct { const char *descr; btl_dtype dtype; } types[] = {
        { "|b1", BTL_BOOL }, { "|i1", BTL_I8 },  { "<i2", BTL_I16 }, { "<i4", BTL_I32 }, { "<i8", BTL_I64 },
        { "|u1", BTL_U8 },   { "<u2", BTL_U16 }, { "<u4", BTL_U32 }, { "<u8", BTL_U64 }, { "<f2", BTL_F16 },
        { "<f4", BTL_F32 },  { "<f8", BTL_F64 }, { ">u1", BTL_U8 },  { "=f4", BTL_F32 },
    };
    const unsigned char data[] = { 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 1, 0, 0, 1 };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char header[100];
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (2,)}", types[i].descr);
        bytes b = npy(1, header, data, 2 * btl_dtype_bytes(types[i].dtype));
        expect_load(save("a.npy", &b, b.n), types[i].dtype, 1, SHAPE(2), data);
    }
    bytes b = npy(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", "\x00\x02\xff", 3);
    expect_load(save("a.npy", &b, b.n), BTL_BOOL, 1, SHAPE(3), "\x00\x01\x01"); /* any other byte is true */
}

static void npy_scalars_and_empty_arrays_are_read(void **state) {
    (void)state;
    bytes b = npy(1, "{'descr': '<i2', 'fortran_order': False, 'shape': ()}", "\x05\x01", 2);
    expect_load(save("a.npy", &b, b.n), BTL_I16, 0, NULL, &(int16_t){ 261 });
    b = npy(1, "{'descr': '<i2', 'fortran_order': True, 'shape': (0, 3)}", NULL, 0);
    expect_load(save("a.npy", &b, b.n), BTL_I16, 2, SHAPE(0, 3), NULL);
}

static void npy_fortran_order_is_turned_round(void **state) {
    (void)state;
    /* x[i][j][k] = 100 i + 10 j + k, stored with i fastest */
    int16_t stored[24], expected[24];
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 4; k++) {
                stored[i + 2 * (j + 3 * k)] = (int16_t)(100 * i + 10 * j + k);
                expected[k + 4 * (j + 3 * i)] = (int16_t)(100 * i + 10 * j + k);
            }
    bytes b = npy(1, "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3, 4)}", stored, sizeof stored);
    expect_load(save("a.npy", &b, b.n), BTL_I16, 3, SHAPE(2, 3, 4), expected);
    expect_every_truncation_bad("a.npy", "", &b);
}

static void bad_npy_headers_are_explained(void **state) {
    (void)state;
    static const struct { const char *header; btl_status status; const char *found, *expected; } cases[] = {
        { "{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", BTL_EUNSUPPORTED, "offset 20", "big-endian ('>f4'), expected little-endian" },
        { "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", BTL_EUNSUPPORTED, "'|O': Python objects", "expected one of" },
        { "{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", BTL_EUNSUPPORTED, "complex", "expected one of" },
        { "{'descr': '<U3', 'fortran_order': False, 'shape': (1,)}", BTL_EUNSUPPORTED, "text", "expected one of" },
        { "{'descr': '<V2', 'fortran_order': False, 'shape': (1,)}", BTL_EUNSUPPORTED, "safetensors", "expected one of" },
        { "{'descr': '<f3', 'fortran_order': False, 'shape': (1,)}", BTL_EUNSUPPORTED, "'<f3'", "expected one of" },
        { "{'descr': 'f4', 'fortran_order': False, 'shape': (1,)}", BTL_EFORMAT, "'f4'", "expected one of" },
        { "{'descr': '', 'fortran_order': False, 'shape': (1,)}", BTL_EFORMAT, "''", "expected one of" },
        { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", BTL_EUNSUPPORTED, "offset 20", "structures" },
        { "{'descr': 7, 'fortran_order': False, 'shape': (1,)}", BTL_EFORMAT, "found 7, ", "expected a type such as" },
        { "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", BTL_EFORMAT, "found 0, ", "expected True or False" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': 1}", BTL_EFORMAT, "found 1}", "expected sizes" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", BTL_EFORMAT, "found -1", "expected a size or )" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}", BTL_EFORMAT, "found 2)", "expected , or )" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", BTL_EFORMAT, "found 9999", "below 2^63" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", BTL_EFORMAT, "found x", "expected the header's end" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,", BTL_EFORMAT, "found the header's end", "expected a size or )" },
        { "{'descr': '<f4', 'fortran_order': False}", BTL_EFORMAT, "found the header's end", "'shape' before it" },
        { "{'descr': '<f4', 'descr': '<f4'}", BTL_EFORMAT, "offset 27: found 'descr'", "each once" },
        { "{'colour': 'red'}", BTL_EFORMAT, "offset 11: found 'colour'", "each once" },
        { "['descr']", BTL_EFORMAT, "found ['descr']", "a dictionary" },
        { "", BTL_EFORMAT, "found the header's end", "a dictionary" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}", BTL_EUNSUPPORTED, "more than 16", "dimensions" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", BTL_EFORMAT, "4611686018427387904, 4", "do not multiply up" },
        { "{'descr': '<f4', 'fortran_order': True, 'shape': (0, 4611686018427387904, 4)}", BTL_EFORMAT, "offset", "do not multiply up" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}", BTL_EFORMAT, "4 bytes of data follow", "4398046511104 expected" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", BTL_EFORMAT, "4 bytes of data follow", "8 expected for f32[2]" },
        { "{'descr': '|i1', 'fortran_order': False, 'shape': (3,)}", BTL_EFORMAT, "1 more bytes follow", "end was expected" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes b = npy(1, cases[i].header, "abcd", 4);
        expect_bad(save("a.npy", &b, b.n), cases[i].status, "a.npy: offset ", cases[i].found, cases[i].expected, NULL);
    }
}

static void bad_npy_beginnings_are_explained(void **state) {
    (void)state;
    expect_bad(in_folder("none.npy"), BTL_EIO, "none.npy: cannot be opened: No such file", NULL);
    expect_bad(save_text("a.npy", "PK\x03\x04 no npy at all"), BTL_EFORMAT, "offset 0: found \"PK\\x03\\x04 n\"", "\\x93NUMPY", NULL);
    bytes b = npy_f32();
    b.data[6] = 9;
    expect_bad(save("a.npy", &b, b.n), BTL_EUNSUPPORTED, "offset 6: found version 9.0", NULL);
    b = npy(2, "{}", NULL, 0);
    b.data[11] = 0xff;
    expect_bad(save("a.npy", &b, b.n), BTL_EFORMAT, "offset 8: a header of 4278190082 bytes", "2 bytes follow", NULL);
    mkdir(in_folder("folder.npy"), 0777);
    expect_bad(in_folder("folder.npy"), BTL_EIO, "folder.npy: is a directory", NULL);
    rmdir(in_folder("folder.npy"));
}

static void npy_cut_anywhere_is_an_error(void **state) {
    (void)state;
    bytes b = npy_f32();
    expect_every_truncation_bad("a.npy", "", &b);
}

/* The file that numpy.save writes for np.arange(6, dtype='<f4').reshape(2, 3). */
static void npy_is_written_as_numpy_does(void **state) {
    (void)state;
    float x[] = { 0, 1, 2, 3, 4, 5 };
    int64_t shape[] = { 2, 3 };
    btl_array a = btl_array_wrap(BTL_F32, 2, shape, x);
    btl_error err = { 0 };
    char header[119];
    const char *text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    memset(header, ' ', sizeof header);
    memcpy(header, text, strlen(text));
    header[117] = '\n', header[118] = 0;
    bytes expected = npy(1, header, x, sizeof x);
    assert_int_equal(expected.n, 128 + 24);
    assert_int_equal(btl_npy_write(NULL, in_folder("w.npy"), &a, &err), BTL_OK);
    expect_load(in_folder("w.npy"), BTL_F32, 2, SHAPE(2, 3), x);
    bytes found = { .n = 0 };
    FILE *f = fopen(in_folder("w.npy"), "rb");
    found.n = fread(found.data, 1, sizeof found.data, f);
    fclose(f);
    assert_int_equal(found.n, expected.n);
    assert_memory_equal(found.data, expected.data, expected.n);
}

static void npy_is_written_from_any_strides_and_type(void **state) {
    (void)state;
    static unsigned char x[3 * 5000 * 8], expected[2 * 5000 * 8];
    for (size_t i = 0; i < sizeof x; i++) x[i] = (unsigned char)(i * 131 >> 3 & 1);
    for (int k = 0; k < BTL_NDTYPES; k++) {
        btl_dtype dtype = (btl_dtype)k;
        size_t item = btl_dtype_bytes(dtype);
        int64_t shape[] = { 2, 5000 }, strides[] = { -1, 3 };
        btl_array a = btl_array_wrap(dtype, 2, shape, x);
        a.strides = strides;
        a.byte_offset = item;
        btl_error err = { 0 };
        btl_status status = btl_npy_write(NULL, in_folder("w.npy"), &a, &err);
        if (dtype == BTL_BF16) {
            assert_int_equal(status, BTL_EUNSUPPORTED);
            assert_non_null(strstr(err.message, "safetensors"));
            continue;
        }
        assert_int_equal(status, BTL_OK);
        for (size_t i = 0; i < 10000; i++) memcpy(expected + i * item, x + (1 - i / 5000 + 3 * (i % 5000)) * item, item);
        expect_load(in_folder("w.npy"), dtype, 2, SHAPE(2, 5000), expected);
    }
    int64_t one[] = { 0 };
    btl_array scalar = btl_array_wrap(BTL_I64, 0, NULL, &(int64_t){ -7 }), empty = btl_array_wrap(BTL_F64, 1, one, NULL);
    assert_int_equal(btl_npy_write(NULL, in_folder("w.npy"), &scalar, NULL), BTL_OK);
    expect_load(in_folder("w.npy"), BTL_I64, 0, NULL, &(int64_t){ -7 });
    assert_int_equal(btl_npy_write(NULL, in_folder("w.npy"), &empty, NULL), BTL_OK);
    expect_load(in_folder("w.npy"), BTL_F64, 1, one, NULL);
}

/* ---- zip ------------------------------------------------------------------------------- */

static uint32_t crc32_of(const unsigned char *p, size_t n) {
    uint32_t crc = 0xffffffff;
    while (n--) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* Deflate's "stored" block: final, length, its complement, the bytes. */
static bytes deflate_stored(const bytes *in) {
    bytes b = { .n = 0 };
    put_le(&b, 1, 1);
    put_le(&b, in->n, 2);
    put_le(&b, ~in->n, 2);
    put(&b, in->data, in->n);
    return b;
}

/* A zip of entries that all hold `in`, under these names (NULL ends), by method 0 or 8. */
static bytes zip(const char *const *names, const bytes *in, int method, uint64_t claimed_size) {
    bytes b = { .n = 0 }, directory = { .n = 0 }, packed = method == 8 ? deflate_stored(in) : *in;
    uint64_t count = 0;
    for (; *names; names++, count++) {
        size_t offset = b.n;
        put_le(&b, 0x04034b50, 4);
        put_le(&directory, 0x02014b50, 4), put_le(&directory, 20, 2);
        for (int k = 0; k < 2; k++) { /* what both headers share */
            bytes *h = k ? &directory : &b;
            put_le(h, 20, 2), put_le(h, 0, 2), put_le(h, (uint64_t)method, 2), put_le(h, 0, 2), put_le(h, 33, 2);
            put_le(h, crc32_of(in->data, in->n), 4), put_le(h, packed.n, 4);
            put_le(h, claimed_size ? claimed_size : in->n, 4), put_le(h, strlen(*names), 2), put_le(h, 0, 2);
        }
        put_le(&directory, 0, 2), put_le(&directory, 0, 2), put_le(&directory, 0, 2), put_le(&directory, 0, 4);
        put_le(&directory, offset, 4);
        put(&b, *names, strlen(*names)), put(&directory, *names, strlen(*names));
        put(&b, packed.data, packed.n);
    }
    size_t at = b.n;
    put(&b, directory.data, directory.n);
    put_le(&b, 0x06054b50, 4), put_le(&b, 0, 4), put_le(&b, count, 2), put_le(&b, count, 2);
    put_le(&b, directory.n, 4), put_le(&b, at, 4), put_le(&b, 0, 2);
    return b;
}

static const char *const zip_names[] = { "weights.npy", "bias.npy", "notes.txt", NULL };

/* Skips the test where this build or this machine has no libzip. */
static void need_zip(void) {
    bytes in = npy_f32(), b = zip(zip_names, &in, 0, 0);
    save("a.npz", &b, b.n);
    btl_array a;
    btl_error err = { 0 };
    btl_status status = btl_npz_read(NULL, in_folder("a.npz"), "bias", &a, &err);
    btl_array_free(&a);
    if (status == BTL_EUNSUPPORTED && strstr(err.message, "libzip")) skip();
}

static void npz_arrays_are_read_by_name(void **state) {
    (void)state;
    need_zip();
    const float x[] = { 1, 2, 3, 4, 5, 6 };
    bytes in = npy_f32();
    for (int method = 0; method <= 8; method += 8) {
        bytes b = zip(zip_names, &in, method, 0);
        save("a.npz", &b, b.n);
        expect_load(in_folder("a.npz:weights"), BTL_F32, 2, SHAPE(2, 3), x);
        expect_load(in_folder("a.npz:bias.npy"), BTL_F32, 2, SHAPE(2, 3), x);
    }
}

static bool append_name(void *user, const char *name) {
    strcat(strcat(user, name), " ");
    return strlen(user) < 100;
}

static void npz_names_are_listed(void **state) {
    (void)state;
    need_zip();
    char all[300] = "";
    assert_int_equal(btl_npz_list(NULL, in_folder("a.npz"), append_name, all, NULL), BTL_OK);
    assert_string_equal(all, "weights bias ");
}

static void bad_npz_are_explained(void **state) {
    (void)state;
    need_zip();
    expect_bad(in_folder("a.npz:wieghts"), BTL_ENAME, "no array \"wieghts\"", "weights, bias", "did you mean weights?", NULL);
    expect_bad(in_folder("a.npz:notes"), BTL_ENAME, "no array \"notes\"", NULL);
    expect_bad(in_folder("a.npz"), BTL_ENAME, "which array? It holds: weights, bias", "FILE.npz:NAME", NULL);
    expect_bad(in_folder("none.npz:x"), BTL_EIO, "none.npz: cannot be opened: No such file", NULL);
    save_text("junk.npz", "hello");
    expect_bad(in_folder("junk.npz:x"), BTL_EFORMAT, "junk.npz", NULL);
    bytes in = npy_f32(), b = zip(zip_names, &in, 0, 0);
    b.data[30 + 11 + in.n - 1] ^= 1; /* the first entry's last byte */
    save("a.npz", &b, b.n);
    expect_bad(in_folder("a.npz:weights"), BTL_EFORMAT, "a.npz:weights.npy: offset", "damaged", NULL);
    b = zip(zip_names, &in, 8, 0x7fffffff);
    save("a.npz", &b, b.n);
    expect_bad(in_folder("a.npz:weights"), BTL_EFORMAT, "announces 2147483647 bytes", NULL);
    in = npy(1, "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "x", 1);
    b = zip(zip_names, &in, 0, 0);
    save("a.npz", &b, b.n);
    expect_bad(in_folder("a.npz:bias"), BTL_EUNSUPPORTED, "a.npz:bias.npy: offset 20", "Python objects", NULL);
    in = npy(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2000,)}", "x", 1);
    b = zip(zip_names, &in, 8, 0);
    save("a.npz", &b, b.n);
    expect_bad(in_folder("a.npz:bias"), BTL_EFORMAT, "1 bytes of data follow", "16000 expected", NULL);
}

static void npz_cut_anywhere_is_an_error(void **state) {
    (void)state;
    need_zip();
    bytes in = npy_f32(), b = zip(zip_names, &in, 8, 0);
    expect_every_truncation_bad("a.npz", ":weights", &b);
}

/* ---- csv ------------------------------------------------------------------------------- */

static void expect_csv(const char *text, const char *columns, int rank, int64_t rows, int64_t n, const double *x) {
    char spec[400];
    snprintf(spec, sizeof spec, "%s%s%s", save_text("t.csv", text), columns ? ":" : "", columns ? columns : "");
    expect_load(spec, BTL_F64, rank, SHAPE(rows, n), x);
}

#define NUMBERS(...) ((const double[]){ __VA_ARGS__ })

static void csv_separators_and_line_ends_are_found(void **state) {
    (void)state;
    const double x[] = { 1, 2.5, -3, 4e3 };
    static const char *const texts[] = {
        "1,2.5\n-3,4e3\n", "1,2.5\r\n-3,4e3", "1;2.5\n-3;4E+3\n", "1\t2.5\n-3\t4000\n", "1 2.5\n -3\t +4e3 \n",
        "\357\273\2771,2.5\n-3,4.e3\n", "\n\n1, 2.5\n\n-3 ,4e3\n\n", "\"1\",\"2.5\"\n\"-3\",4000.0\n", "1,2.5\r-3,40e02\r",
        "a,b\n1,2.5\n-3,4e3\n", "\"a, \"\"b\"\"\n c\",d\n1,2.5\n-3,4e3\n", "# a b\n1 2.5\n-3 4e3\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) expect_csv(texts[i], NULL, 2, 2, 2, x);
    expect_csv("5\n6\n7", NULL, 2, 3, 1, NUMBERS(5, 6, 7));
}

static void csv_columns_are_chosen(void **state) {
    (void)state;
    const char *text = "a,b-c,7\n1,2,3\n4,x,6\n";
    expect_csv(text, "a", 1, 2, 0, NUMBERS(1, 4)); /* what is not asked for may be anything */
    expect_csv(text, "7", 1, 2, 0, NUMBERS(3, 6));
    expect_csv(text, "2,0", 2, 2, 2, NUMBERS(3, 1, 6, 4));
    expect_csv(text, "0,0", 2, 2, 2, NUMBERS(1, 1, 4, 4));
    expect_csv("1,2,3\n4,5,6", "1-2", 2, 2, 2, NUMBERS(2, 3, 5, 6));
    expect_csv("1,2,3\n4,5,6", "", 2, 2, 3, NUMBERS(1, 2, 3, 4, 5, 6));
    expect_csv("# a b\n1 2\n3 4", "b", 1, 2, 0, NUMBERS(2, 4));
    expect_csv("a,b-c\n1,2\n3,4", "b-c", 1, 2, 0, NUMBERS(2, 4));
}

static void csv_special_numbers_are_read(void **state) {
    (void)state;
    btl_array a;
    assert_int_equal(btl_csv_read(NULL, save_text("t.csv", "1,2,3,4\n,nan,-Inf,Infinity\n"), NULL, &a, NULL), BTL_OK);
    const double *x = a.data;
    assert_true(isnan(x[4]) && isnan(x[5]) && x[6] == -(double)INFINITY && x[7] == (double)INFINITY);
    btl_array_free(&a);
    /* the decimal expansions of 2^-1074, the largest double, a tie, and 0.1 with more digits than count */
    expect_csv("5e-324,1.7976931348623157e308,9007199254740993,0.1000000000000000055511151231257827,1e999,-0.0", NULL, 2, 1, 6,
               NUMBERS(5e-324, 1.7976931348623157e308, 9007199254740992, 0.1, (double)INFINITY, -0.0));
}

static void csv_does_not_follow_the_locale(void **state) {
    (void)state;
    static const char *const with_comma[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "de_DE" };
    for (size_t i = 0; i < 4 && !setlocale(LC_ALL, with_comma[i]); i++) {
    }
    expect_csv("1.5,0.1234567890123456789", NULL, 2, 1, 2, NUMBERS(1.5, 0.1234567890123456789));
    setlocale(LC_ALL, "C");
}

static void bad_csv_are_explained(void **state) {
    (void)state;
    static const struct { const char *text, *columns; btl_status status; const char *message, *more; } cases[] = {
        { "a,b\n1,x\n", "", BTL_EFORMAT, "t.csv: line 2, column 3: found \"x\", expected a number", "" },
        { "1,2\n1,0x10\n", "", BTL_EFORMAT, "line 2, column 3: found \"0x10\"", "" },
        { "1,2\n1,1e\n", "", BTL_EFORMAT, "found \"1e\"", "" },
        { "1,2\n1,1.2.3\n", "", BTL_EFORMAT, "found \"1.2.3\"", "" },
        { "1,2\n1,--1\n", "", BTL_EFORMAT, "found \"--1\"", "" },
        { "1,2\n3\n", "", BTL_EFORMAT, "line 2: 1 field found, expected 2 as in line 1", "" },
        { "1,2\n\n3,4,5\n", "", BTL_EFORMAT, "line 3: 3 fields found, expected 2 as in line 1", "" },
        { "\"a\nb\",c\n1\n", "", BTL_EFORMAT, "line 3: 1 field found", "" },
        { "1,\"2\n3,4", "", BTL_EFORMAT, "line 1, column 3", "a closing \"" },
        { "1,\"2\"3\n", "", BTL_EFORMAT, "line 1, column 6: found \"3\"", "a separator" },
        { "", "", BTL_EFORMAT, "the file is empty", "expected lines of numbers" },
        { "\n \n", "", BTL_EFORMAT, "the file is empty", "" },
        { "a,b\n", "", BTL_EFORMAT, "line 2: the file ends here", "expected lines of numbers" },
        { "price,size\n1,2\n", "pirce", BTL_ENAME, "no column \"pirce\"; it holds: price, size", "did you mean price?" },
        { "price,size\n1,2\n", "2", BTL_ENAME, "no column \"2\"; the file has 2", "" },
        { "1,2\n", "0-2", BTL_ENAME, "no column \"0-2\"; the file has 2", "" },
        { "1,2\n", "1-0", BTL_ENAME, "no column \"1-0\"", "" },
        { "1,2\n", "0,", BTL_ENAME, "no column \"\"", "" },
        { "1,2\n", "99999999999999999999", BTL_ENAME, "no column", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char spec[400];
        snprintf(spec, sizeof spec, "%s:%s", save_text("t.csv", cases[i].text), cases[i].columns);
        expect_bad(spec, cases[i].status, cases[i].message, cases[i].more, NULL);
    }
}

/* ---- idx ------------------------------------------------------------------------------- */

static bytes idx(int type, int rank, const int64_t *shape, const void *data, size_t n) {
    bytes b = { .n = 0 };
    put_be(&b, 0, 2), put_be(&b, (uint64_t)type, 1), put_be(&b, (uint64_t)rank, 1);
    for (int i = 0; i < rank; i++) put_be(&b, (uint64_t)shape[i], 4);
    put(&b, data, n);
    return b;
}

static bytes gzip(const bytes *in) {
    bytes b = { .n = 0 }, packed = deflate_stored(in);
    put(&b, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
    put(&b, packed.data, packed.n);
    put_le(&b, crc32_of(in->data, in->n), 4);
    put_le(&b, in->n, 4);
    return b;
}

static void idx_of_every_type_is_read(void **state) {
    (void)state;
    const unsigned char one_and_minus_two[][16] = {
        { 1, 0xfe },
        { 0, 1, 0xff, 0xfe },
        { 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe },
        { 0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0 },
        { 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0 },
    };
    bytes b = idx(0x08, 2, SHAPE(1, 2), one_and_minus_two[0], 2);
    expect_load(save("a.idx", &b, b.n), BTL_U8, 2, SHAPE(1, 2), ((uint8_t[]){ 1, 254 }));
    b = idx(0x09, 1, SHAPE(2), one_and_minus_two[0], 2);
    expect_load(save("a.idx", &b, b.n), BTL_I8, 1, SHAPE(2), ((int8_t[]){ 1, -2 }));
    b = idx(0x0b, 1, SHAPE(2), one_and_minus_two[1], 4);
    expect_load(save("a.idx", &b, b.n), BTL_I16, 1, SHAPE(2), ((int16_t[]){ 1, -2 }));
    b = idx(0x0c, 1, SHAPE(2), one_and_minus_two[2], 8);
    expect_load(save("a.idx", &b, b.n), BTL_I32, 1, SHAPE(2), ((int32_t[]){ 1, -2 }));
    b = idx(0x0d, 1, SHAPE(2), one_and_minus_two[3], 8);
    expect_load(save("a.idx", &b, b.n), BTL_F32, 1, SHAPE(2), ((float[]){ 1, -2 }));
    b = idx(0x0e, 1, SHAPE(2), one_and_minus_two[4], 16);
    expect_load(save("a.idx", &b, b.n), BTL_F64, 1, SHAPE(2), ((double[]){ 1, -2 }));
    expect_load(save("train-images-idx3-ubyte", &b, b.n), BTL_F64, 1, SHAPE(2), ((double[]){ 1, -2 }));
    expect_load(save("t10k-labels.idx1-ubyte", &b, b.n), BTL_F64, 1, SHAPE(2), ((double[]){ 1, -2 }));
}

static void bad_idx_are_explained(void **state) {
    (void)state;
    expect_bad(save_text("a.idx", "hello"), BTL_EFORMAT, "offset 0: found 68 65 6c 6c", "expected 00 00", NULL);
    bytes b = idx(0x0a, 1, SHAPE(1), "x", 1);
    expect_bad(save("a.idx", &b, b.n), BTL_EFORMAT, "offset 0: found 00 00 0a 01", NULL);
    b = idx(8, 17, (int64_t[17]){ 1 }, "x", 1);
    expect_bad(save("a.idx", &b, b.n), BTL_EUNSUPPORTED, "offset 3: 17 dimensions", NULL);
    b = idx(0x0e, 3, SHAPE(0xffffffff, 0xffffffff, 0xffffffff), "x", 1);
    expect_bad(save("a.idx", &b, b.n), BTL_EFORMAT, "do not multiply up", NULL);
    b = idx(8, 1, SHAPE(0xffffffff), "x", 1);
    expect_bad(save("a.idx", &b, b.n), BTL_EFORMAT, "offset 8: 1 bytes of data follow; 4294967295 expected", NULL);
    b = idx(8, 1, SHAPE(1), "xy", 2);
    expect_bad(save("a.idx", &b, b.n), BTL_EFORMAT, "offset 9: 1 more bytes follow", NULL);
    expect_bad(in_folder("none.idx"), BTL_EIO, "none.idx: cannot be opened", NULL);
    b = idx(0x0b, 2, SHAPE(1, 3), "abcdef", 6);
    expect_every_truncation_bad("a.idx", "", &b);
}

static void need_zlib(void) {
    bytes in = idx(8, 1, SHAPE(1), "x", 1), b = gzip(&in);
    btl_array a;
    btl_error err = { 0 };
    btl_status status = btl_idx_read(NULL, save("a.idx.gz", &b, b.n), &a, &err);
    btl_array_free(&a);
    if (status == BTL_EUNSUPPORTED && strstr(err.message, "zlib")) skip();
}

static void packed_idx_is_read(void **state) {
    (void)state;
    need_zlib();
    bytes in = idx(8, 2, SHAPE(2, 3), "abcdef", 6), b = gzip(&in);
    expect_load(save("a.idx.gz", &b, b.n), BTL_U8, 2, SHAPE(2, 3), "abcdef");
    expect_load(save("train-labels-idx1-ubyte.gz", &b, b.n), BTL_U8, 2, SHAPE(2, 3), "abcdef");
    bytes first = { .n = 5 }, second = { .n = in.n - 5 }; /* two members make one file */
    memcpy(first.data, in.data, 5), memcpy(second.data, in.data + 5, in.n - 5);
    b = gzip(&first);
    bytes more = gzip(&second);
    put(&b, more.data, more.n);
    expect_load(save("a.idx.gz", &b, b.n), BTL_U8, 2, SHAPE(2, 3), "abcdef");
}

static void bad_packed_idx_are_explained(void **state) {
    (void)state;
    need_zlib();
    bytes in = idx(8, 2, SHAPE(2, 3), "abcdef", 6), b = gzip(&in);
    expect_every_truncation_bad("a.idx.gz", "", &b);
    b.data[b.n - 8] ^= 1; /* the checksum */
    expect_bad(save("a.idx.gz", &b, b.n), BTL_EFORMAT, "a.idx.gz: offset", "gzip data are damaged: incorrect data check", NULL);
    b.data[10] = 7; /* no such kind of block */
    expect_bad(save("a.idx.gz", &b, b.n), BTL_EFORMAT, "damaged: invalid block type", NULL);
    in = idx(8, 1, SHAPE(0xffffffff), "x", 1), b = gzip(&in);
    expect_bad(save("a.idx.gz", &b, b.n), BTL_EFORMAT, "at most", "4294967295 expected", NULL);
    in = idx(8, 1, SHAPE(1), "xyz", 3), b = gzip(&in);
    expect_bad(save("a.idx.gz", &b, b.n), BTL_EFORMAT, "offset 9: more bytes follow", NULL);
}

/* ---- safetensors ----------------------------------------------------------------------- */

static bytes safetensors(const char *json, const void *data, size_t n) {
    bytes b = { .n = 0 };
    put_le(&b, strlen(json), 8);
    put(&b, json, strlen(json));
    put(&b, data, n);
    return b;
}

static bytes safetensors_two(void) {
    return safetensors("{\"b\":{\"dtype\":\"U8\",\"shape\":[2,1],\"data_offsets\":[4,6]},"
                       "\"__metadata__\":{\"who\":\"me\"},"
                       "\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}  ", "abcdef", 6);
}

static void safetensors_are_read_by_name(void **state) {
    (void)state;
    bytes b = safetensors_two();
    save("s.safetensors", &b, b.n);
    expect_load(in_folder("s.safetensors:a"), BTL_F16, 1, SHAPE(2), "abcd");
    expect_load(in_folder("s.safetensors:b"), BTL_U8, 2, SHAPE(2, 1), "ef");
    static const char *const names[] = { "BOOL", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "F16", "BF16", "F32", "F64" };
    for (int i = 0; i < BTL_NDTYPES; i++) {
        char json[200];
        size_t n = btl_dtype_bytes((btl_dtype)i);
        snprintf(json, sizeof json, "{\"x:y\":{\"dtype\":\"%s\",\"shape\":[],\"data_offsets\":[0,%zu]}}", names[i], n);
        b = safetensors(json, "\1\0\0\0\0\0\0\1", n);
        save("t.safetensors", &b, b.n);
        expect_load(in_folder("t.safetensors:x:y"), (btl_dtype)i, 0, NULL, "\1\0\0\0\0\0\0\1");
    }
}

static void safetensors_are_listed_and_read_in_any_order(void **state) {
    (void)state;
    bytes b = safetensors_two();
    btl_safetensors *f;
    btl_error err = { 0 };
    assert_int_equal(btl_safetensors_open(NULL, save("s.safetensors", &b, b.n), &f, &err), BTL_OK);
    assert_int_equal(btl_safetensors_count(f), 2);
    const btl_tensor_info *first = btl_safetensors_info(f, 0), *second = btl_safetensors_info(f, 1);
    assert_string_equal(first->name, "b");
    assert_int_equal(first->dtype, BTL_U8);
    assert_int_equal(first->rank, 2);
    assert_int_equal(first->bytes, 2);
    assert_int_equal(first->offset_bytes, b.n - 2);
    assert_string_equal(second->name, "a");
    assert_true(btl_safetensors_find(f, "a") == second);
    assert_null(btl_safetensors_find(f, "c"));
    assert_null(btl_safetensors_find(f, "__metadata__"));
    for (int i = 0; i < 3; i++) {
        btl_array a;
        assert_int_equal(btl_safetensors_read(f, i % 2 ? second : first, &a, &err), BTL_OK);
        expect_array(&a, i % 2 ? BTL_F16 : BTL_U8, i % 2 ? 1 : 2, i % 2 ? SHAPE(2) : SHAPE(2, 1), i % 2 ? "abcd" : "ef");
    }
    btl_safetensors_free(f);
    btl_safetensors_free(NULL);
}

#define TENSOR(dtype, shape, offsets) "{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void hostile_safetensors_are_refused(void **state) {
    (void)state;
    static const struct { const char *json; btl_status status; const char *message, *more; } cases[] = {
        { "[1,2]", BTL_EFORMAT, "offset 8: the header is not a JSON object", "" },
        { "", BTL_EFORMAT, "offset 8: the header is not JSON", "" },
        { "{\"a\":", BTL_EFORMAT, "offset 13: the header is not JSON", "" },
        { "{} x", BTL_EFORMAT, "the header is not JSON", "" },
        { "{\"\xff\":1}", BTL_EFORMAT, "the header is not JSON", "" },
        { "{\"a\":1}", BTL_EFORMAT, "tensor \"a\": expected an object", "" },
        { "{\"a\":{}}", BTL_EFORMAT, "tensor \"a\": no \"dtype\"", "" },
        { "{\"a\":" TENSOR("7", "[6]", "[0,6]") "}", BTL_EFORMAT, "no \"dtype\"", "" },
        { "{\"a\":" TENSOR("\"F8_E4M3\"", "[6]", "[0,6]") "}", BTL_EUNSUPPORTED, "\"F8_E4M3\" is not known", "BF16" },
        { "{\"a\":" TENSOR("\"U8\"", "6", "[0,6]") "}", BTL_EFORMAT, "no \"shape\"", "" },
        { "{\"a\":" TENSOR("\"U8\"", "[6.0]", "[0,6]") "}", BTL_EFORMAT, "what is not a size", "" },
        { "{\"a\":" TENSOR("\"U8\"", "[-6]", "[0,6]") "}", BTL_EFORMAT, "what is not a size", "" },
        { "{\"a\":" TENSOR("\"U8\"", "[99999999999999999999]", "[0,6]") "}", BTL_EFORMAT, "not JSON: too big integer", "" },
        { "{\"a\":" TENSOR("\"U8\"", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,6]", "[0,6]") "}", BTL_EUNSUPPORTED, "16 dimensions", "" },
        { "{\"a\":" TENSOR("\"F32\"", "[4611686018427387904,4]", "[0,6]") "}", BTL_EFORMAT, "do not multiply up", "" },
        { "{\"a\":" TENSOR("\"F64\"", "[2305843009213693952]", "[0,6]") "}", BTL_EFORMAT, "do not multiply up", "" },
        { "{\"a\":" TENSOR("\"U8\"", "[6]", "[0]") "}", BTL_EFORMAT, "no \"data_offsets\"", "two integers" },
        { "{\"a\":" TENSOR("\"U8\"", "[6]", "[-1,5]") "}", BTL_EFORMAT, "no \"data_offsets\"", "" },
        { "{\"a\":" TENSOR("\"U8\"", "[7]", "[0,7]") "}", BTL_EFORMAT, "[0, 7] do not lie in the 6 bytes", "" },
        { "{\"a\":" TENSOR("\"U8\"", "[6]", "[6,0]") "}", BTL_EFORMAT, "[6, 0] do not lie in", "" },
        { "{\"a\":" TENSOR("\"U8\"", "[1]", "[9223372036854775806,9223372036854775807]") "}", BTL_EFORMAT, "do not lie in", "" },
        { "{\"a\":" TENSOR("\"U16\"", "[2]", "[0,6]") "}", BTL_EFORMAT, "6 bytes apart; expected 4 for u16[2]", "" },
        { "{\"a\":" TENSOR("\"U8\"", "[6]", "[0,6]") ",\"a\":" TENSOR("\"U8\"", "[6]", "[0,6]") "}", BTL_EFORMAT, "duplicate object key", "" },
        { "{\"a\":" TENSOR("\"U8\"", "[4]", "[0,4]") ",\"b\":" TENSOR("\"U8\"", "[3]", "[3,6]") "}", BTL_EFORMAT, "tensor \"b\" begins here", "they overlap" },
        { "{\"a\":" TENSOR("\"U8\"", "[6]", "[0,6]") ",\"b\":" TENSOR("\"U8\"", "[6]", "[0,6]") "}", BTL_EFORMAT, "begins here", "they overlap" },
        { "{\"a\":" TENSOR("\"U8\"", "[2]", "[0,2]") ",\"b\":" TENSOR("\"U8\"", "[2]", "[4,6]") "}", BTL_EFORMAT, "tensor \"b\" begins here", "there is a gap" },
        { "{\"a\":" TENSOR("\"U8\"", "[4]", "[0,4]") "}", BTL_EFORMAT, "2 more bytes follow the last tensor", "" },
        { "{}", BTL_EFORMAT, "6 more bytes follow the last tensor", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes b = safetensors(cases[i].json, "abcdef", 6);
        save("s.safetensors", &b, b.n);
        expect_bad(in_folder("s.safetensors:a"), cases[i].status, "s.safetensors: offset ", cases[i].message, cases[i].more, NULL);
    }
}

static void hostile_safetensors_lengths_and_depths_are_refused(void **state) {
    (void)state;
    bytes b = safetensors_two();
    for (int at = 0; at < 8; at++) { /* a length beyond the file, up to 2^64 */
        bytes c = b;
        c.data[at] = 0xff;
        save("s.safetensors", &c, c.n);
        expect_bad(in_folder("s.safetensors:a"), BTL_EFORMAT, "s.safetensors: offset ", NULL);
    }
    memset(b.data, 0xff, 8);
    save("s.safetensors", &b, b.n);
    expect_bad(in_folder("s.safetensors:a"), BTL_EFORMAT, "offset 0: a header of 18446744073709551615 bytes", NULL);
    char deep[5000];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    b = safetensors(deep, NULL, 0);
    save("s.safetensors", &b, b.n);
    expect_bad(in_folder("s.safetensors:a"), BTL_EFORMAT, "maximum parsing depth reached", NULL);
}

static void missing_safetensors_are_explained(void **state) {
    (void)state;
    bytes b = safetensors("{\"layer1.weight\":" TENSOR("\"U8\"", "[0]", "[0,0]") "}", NULL, 0);
    save("s.safetensors", &b, b.n);
    expect_load(in_folder("s.safetensors:layer1.weight"), BTL_U8, 1, SHAPE(0), NULL);
    expect_bad(in_folder("s.safetensors:layer1.wieght"), BTL_ENAME, "did you mean layer1.weight?", NULL);
    expect_bad(in_folder("s.safetensors"), BTL_ENAME, "which tensor? It holds: layer1.weight", NULL);
    expect_bad(in_folder("none.safetensors:x"), BTL_EIO, "none.safetensors: cannot be opened", NULL);
}

static void safetensors_cut_anywhere_are_an_error(void **state) {
    (void)state;
    bytes b = safetensors_two();
    expect_every_truncation_bad("s.safetensors", ":a", &b);
}

static void safetensors_are_written_widest_first(void **state) {
    (void)state;
    uint8_t x[] = { 1, 2, 3 };
    double y[] = { 1, 9, 2, 9 };
    uint16_t z[] = { 0x3f80, 0x4000 };
    int64_t x_shape[] = { 3 }, y_shape[] = { 2, 1 }, y_strides[] = { 2, 7 }, z_shape[] = { 2 };
    btl_array arrays[] = { btl_array_wrap(BTL_U8, 1, x_shape, x), btl_array_wrap(BTL_F64, 2, y_shape, y),
                           btl_array_wrap(BTL_BF16, 1, z_shape, z) };
    arrays[1].strides = y_strides;
    const char *names[] = { "x", "y \"\xc3\xa9", "z" };
    btl_error err = { 0 };
    assert_int_equal(btl_safetensors_write(NULL, in_folder("w.safetensors"), 3, names, arrays, &err), BTL_OK);
    const char *json = "{\"__metadata__\":{\"format\":\"bitale\"},\"x\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[20,23]},"
                       "\"y \\\"\xc3\xa9\":{\"dtype\":\"F64\",\"shape\":[2,1],\"data_offsets\":[0,16]},"
                       "\"z\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[16,20]}}";
    char padded[400];
    snprintf(padded, sizeof padded, "%s%*s", json, (int)(7 - (strlen(json) + 7) % 8), "");
    bytes expected = safetensors(padded, (double[]){ 1, 2 }, 16), found = { .n = 0 };
    assert_int_equal((expected.n - 16) % 8, 0);
    put(&expected, z, 4);
    put(&expected, x, 3);
    FILE *f = fopen(in_folder("w.safetensors"), "rb");
    found.n = fread(found.data, 1, sizeof found.data, f);
    fclose(f);
    assert_int_equal(found.n, expected.n);
    assert_memory_equal(found.data, expected.data, expected.n);
    expect_load(in_folder("w.safetensors:z"), BTL_BF16, 1, SHAPE(2), z);
    assert_int_equal(btl_safetensors_write(NULL, in_folder("w.safetensors"), 0, NULL, NULL, &err), BTL_OK);
}

static void safetensors_names_are_checked(void **state) {
    (void)state;
    static const struct { const char *first, *second, *message; } cases[] = {
        { "a", "a", "\"a\" occurs twice" }, { "a", "__metadata__", "is reserved" }, { "a", "\xff", "\"\\xff\" is not UTF-8" },
    };
    int64_t shape[] = { 1 };
    uint8_t x[] = { 1 };
    btl_array arrays[] = { btl_array_wrap(BTL_U8, 1, shape, x), btl_array_wrap(BTL_U8, 1, shape, x) };
    for (int i = 0; i < 3; i++) {
        const char *names[] = { cases[i].first, cases[i].second };
        btl_error err = { 0 };
        count_files(true);
        assert_int_equal(btl_safetensors_write(NULL, in_folder("w.safetensors"), 2, names, arrays, &err), BTL_ENAME);
        assert_non_null(strstr(err.message, "w.safetensors"));
        if (i < 2) assert_non_null(strstr(err.message, cases[i].message));
        assert_int_equal(count_files(false), 0);
    }
}

/* ---- load ------------------------------------------------------------------------------ */

static void any_other_file_is_bytes(void **state) {
    (void)state;
    expect_load(save_text("notes.txt", "hello"), BTL_U8, 1, SHAPE(5), "hello");
    expect_load(save_text("idx3-ubyte", "hello"), BTL_U8, 1, SHAPE(5), "hello");
    expect_load(save_text("my-idx-notes.txt", "hello"), BTL_U8, 1, SHAPE(5), "hello");
    expect_load(save_text("empty", ""), BTL_U8, 1, SHAPE(0), NULL);
    expect_bad(in_folder("none"), BTL_EIO, "none: cannot be opened: No such file", NULL);
    expect_bad(folder, BTL_EIO, "is a directory", NULL);
}

/* Runs `body` with standard input from this file. */
static void with_input(const char *path, void (*body)(void)) {
    int before = dup(0);
    assert_non_null(freopen(path, "rb", stdin));
    body();
    dup2(before, 0);
    close(before);
}

static void expect_npy_on_input(void) {
    expect_load("-", BTL_F32, 2, SHAPE(2, 3), ((float[]){ 1, 2, 3, 4, 5, 6 }));
}
static void expect_bytes_on_input(void) { expect_load("-", BTL_U8, 1, SHAPE(5), "hello"); }
static void expect_nothing_on_input(void) { expect_load("-", BTL_U8, 1, SHAPE(0), NULL); }

static void standard_input_is_npy_or_bytes(void **state) {
    (void)state;
    bytes b = npy_f32();
    with_input(save("in", &b, b.n), expect_npy_on_input);
    with_input(save_text("in", "hello"), expect_bytes_on_input);
    with_input(save_text("in", ""), expect_nothing_on_input);
}

/* ---- when memory or the disk is full --------------------------------------------------- */

static void reading_survives_every_failed_allocation(void **state) {
    (void)state;
    bytes b = npy_f32();
    sweep_load(save("a.npy", &b, b.n));
    b = npy(1, "{'descr': '|i1', 'fortran_order': True, 'shape': (2, 2)}", "abcd", 4);
    assert_true(sweep_load(save("f.npy", &b, b.n)) >= 3);
    b = idx(0x0b, 2, SHAPE(1, 3), "abcdef", 6);
    sweep_load(save("a.idx", &b, b.n));
    save_text("t.csv", "a,b,c\n1,2,3\n4,5,6\n");
    sweep_load(in_folder("t.csv:c,0-1"));
    b = safetensors_two();
    save("s.safetensors", &b, b.n);
    sweep_load(in_folder("s.safetensors:b"));
    sweep_load(save_text("notes.txt", "hello"));
}

static void reading_packed_files_survives_every_failed_allocation(void **state) {
    (void)state;
    need_zip();
    need_zlib();
    bytes in = npy_f32(), b = zip(zip_names, &in, 8, 0);
    save("a.npz", &b, b.n);
    sweep_load(in_folder("a.npz:bias"));
    in = idx(8, 1, SHAPE(1), "x", 1), b = gzip(&in);
    sweep_load(save("a.idx.gz", &b, b.n));
}

static btl_status act_write(btl_context *ctx, void *arg, btl_error *err) {
    float x[] = { 1, 2 };
    int64_t shape[] = { 2 };
    const char *name = "x";
    btl_array a = btl_array_wrap(BTL_F32, 1, shape, x);
    (void)arg;
    btl_status status = btl_npy_write(ctx, in_folder("w.npy"), &a, err);
    return status ? status : btl_safetensors_write(ctx, in_folder("w.safetensors"), 1, &name, &a, err);
}

static void writing_survives_every_failed_allocation(void **state) {
    (void)state;
    sweep_allocations(act_write, NULL);
}

static void expect_write_fails(const char *npy_path, const char *safetensors_path, const char *why) {
    static float x[100000];
    int64_t shape[] = { 100000 };
    const char *name = "x";
    btl_array a = btl_array_wrap(BTL_F32, 1, shape, x);
    btl_error err = { 0 };
    assert_int_equal(btl_npy_write(NULL, npy_path, &a, &err), BTL_EIO);
    assert_non_null(strstr(err.message, npy_path));
    assert_non_null(strstr(err.message, why));
    err = (btl_error){ 0 };
    assert_int_equal(btl_safetensors_write(NULL, safetensors_path, 1, &name, &a, &err), BTL_EIO);
    assert_non_null(strstr(err.message, safetensors_path));
    assert_non_null(strstr(err.message, why));
}

/* A limit on the size of files is the full disk that needs no privileges. */
static void a_full_disk_leaves_what_was_there(void **state) {
    (void)state;
    count_files(true);
    char npy_path[400], safetensors_path[400];
    snprintf(npy_path, sizeof npy_path, "%s", save_text("w.npy", "before"));
    snprintf(safetensors_path, sizeof safetensors_path, "%s", in_folder("w.safetensors"));
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 20000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    expect_write_fails(npy_path, safetensors_path, "too large");
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_int_equal(count_files(false), 1);
    expect_bad(npy_path, BTL_EFORMAT, "found \"before\"", NULL);
}

static void a_device_is_written_directly(void **state) {
    (void)state;
    struct stat st;
    if (stat("/dev/full", &st) || !S_ISCHR(st.st_mode)) skip();
    expect_write_fails("/dev/full", "/dev/full", "No space left");
    assert_int_equal(stat("/dev/full", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

static void a_file_cannot_be_written_into_nothing(void **state) {
    (void)state;
    char a[400], b[400];
    snprintf(a, sizeof a, "%s/none/w.npy", folder);
    snprintf(b, sizeof b, "%s/none/w.safetensors", folder);
    expect_write_fails(a, b, "No such file");
    expect_write_fails(folder, folder, "directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(npy_versions_and_spellings_are_read),
        cmocka_unit_test(npy_types_are_read),
        cmocka_unit_test(npy_scalars_and_empty_arrays_are_read),
        cmocka_unit_test(npy_fortran_order_is_turned_round),
        cmocka_unit_test(bad_npy_headers_are_explained),
        cmocka_unit_test(bad_npy_beginnings_are_explained),
        cmocka_unit_test(npy_cut_anywhere_is_an_error),
        cmocka_unit_test(npy_is_written_as_numpy_does),
        cmocka_unit_test(npy_is_written_from_any_strides_and_type),
        cmocka_unit_test(npz_arrays_are_read_by_name),
        cmocka_unit_test(npz_names_are_listed),
        cmocka_unit_test(bad_npz_are_explained),
        cmocka_unit_test(npz_cut_anywhere_is_an_error),
        cmocka_unit_test(csv_separators_and_line_ends_are_found),
        cmocka_unit_test(csv_columns_are_chosen),
        cmocka_unit_test(csv_special_numbers_are_read),
        cmocka_unit_test(csv_does_not_follow_the_locale),
        cmocka_unit_test(bad_csv_are_explained),
        cmocka_unit_test(idx_of_every_type_is_read),
        cmocka_unit_test(bad_idx_are_explained),
        cmocka_unit_test(packed_idx_is_read),
        cmocka_unit_test(bad_packed_idx_are_explained),
        cmocka_unit_test(safetensors_are_read_by_name),
        cmocka_unit_test(safetensors_are_listed_and_read_in_any_order),
        cmocka_unit_test(hostile_safetensors_are_refused),
        cmocka_unit_test(hostile_safetensors_lengths_and_depths_are_refused),
        cmocka_unit_test(missing_safetensors_are_explained),
        cmocka_unit_test(safetensors_cut_anywhere_are_an_error),
        cmocka_unit_test(safetensors_are_written_widest_first),
        cmocka_unit_test(safetensors_names_are_checked),
        cmocka_unit_test(any_other_file_is_bytes),
        cmocka_unit_test(standard_input_is_npy_or_bytes),
        cmocka_unit_test(reading_survives_every_failed_allocation),
        cmocka_unit_test(reading_packed_files_survives_every_failed_allocation),
        cmocka_unit_test(writing_survives_every_failed_allocation),
        cmocka_unit_test(a_full_disk_leaves_what_was_there),
        cmocka_unit_test(a_device_is_written_directly),
        cmocka_unit_test(a_file_cannot_be_written_into_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
