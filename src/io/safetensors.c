/* safetensors.c - named arrays in one file: https://github.com/huggingface/safetensors#format
 *
 *     8 bytes  length of the header, little-endian
 *     header   JSON: {"NAME": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}, ...}, perhaps
 *              padded by blanks; "__metadata__" maps strings to strings
 *     data     row-major, little-endian; the offsets count from here. The tensors fill it without
 *              overlap and without a gap.
 *
 * The format was made for files of strangers, and what it forbids is refused here: the whole
 * header is checked before the first tensor is read. JSON is parsed by the vendored Jansson.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/io.h"

#include "base/array.h"
#include "base/context.h"
#include "base/hash.h"
#include "io/bytes.h"
#include "io/missing.h"
#include "io/sink.h"
#include "io/source.h"
#include "jansson/jansson.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8, DATA_ALIGN = 8 };
#define LARGEST_HEADER_BYTES UINT64_C(100000000) /* the reference implementation's limit */
static const char metadata_key[] = "__metadata__";

/* In the order of btl_dtype. */
static const char *const safetensors_names[BTL_NDTYPES] = {
    [BTL_BOOL] = "BOOL", [BTL_I8] = "I8",   [BTL_I16] = "I16", [BTL_I32] = "I32",   [BTL_I64] = "I64",
    [BTL_U8] = "U8",     [BTL_U16] = "U16", [BTL_U32] = "U32", [BTL_U64] = "U64",   [BTL_F16] = "F16",
    [BTL_BF16] = "BF16", [BTL_F32] = "F32", [BTL_F64] = "F64",
};

struct btl_safetensors {
    btl_context *ctx;
    btl_arena arena;
    btl_source source;
    char *path;
    uint64_t data_offset;
    btl_tensor_info *tensors;
    int count;
    btl_table names;
    json_t *header;      /* while it is being read */
    btl_error *err;      /* likewise */
};

/* ---- the header ------------------------------------------------------------------------ */

/* A complaint about one tensor. */
static btl_status tensor_fail(btl_safetensors *f, btl_status status, const char *name, const char *what) {
    char quoted[120];
    btl_source_quote(quoted, sizeof quoted, name, strlen(name));
    return btl_source_fail(&f->source, f->err, status, LENGTH_BYTES, "in the header, tensor \"%s\": %s", quoted, what);
}

static btl_status tensor_dtype(btl_safetensors *f, btl_tensor_info *t, const json_t *entry) {
    const char *name = json_string_value(json_object_get(entry, "dtype"));
    if (!name) return tensor_fail(f, BTL_EFORMAT, t->name, "no \"dtype\"; expected one such as \"F32\"");
    for (int i = 0; i < BTL_NDTYPES; i++) {
        if (strcmp(safetensors_names[i], name)) continue;
        t->dtype = (btl_dtype)i;
        return BTL_OK;
    }
    char quoted[60], what[240];
    snprintf(what, sizeof what, "element type \"%s\" is not known; expected one of BOOL I8 I16 I32 I64 U8 U16 U32 U64 F16 "
             "BF16 F32 F64", btl_source_quote(quoted, sizeof quoted, name, strlen(name)));
    return tensor_fail(f, BTL_EUNSUPPORTED, t->name, what);
}

/* An integer >= 0 of an array. */
static bool json_size_at(const json_t *array, size_t i, int64_t *out) {
    const json_t *number = json_array_get(array, i);
    *out = json_integer_value(number);
    return json_is_integer(number) && *out >= 0;
}

static btl_status tensor_shape(btl_safetensors *f, btl_tensor_info *t, const json_t *entry) {
    const json_t *sizes = json_object_get(entry, "shape");
    if (!json_is_array(sizes)) return tensor_fail(f, BTL_EFORMAT, t->name, "no \"shape\"; expected a list of sizes");
    size_t rank = json_array_size(sizes);
    if (rank > BTL_MAX_RANK) return tensor_fail(f, BTL_EUNSUPPORTED, t->name, "has more than 16 dimensions");
    int64_t *shape = BTL_ARRAY(&f->arena, int64_t, rank + 1);
    for (size_t i = 0; i < rank; i++)
        if (!json_size_at(sizes, i, &shape[i]))
            return tensor_fail(f, BTL_EFORMAT, t->name, "\"shape\" holds what is not a size; expected integers from 0");
    t->rank = (int)rank;
    t->shape = shape;
    return BTL_OK;
}

static btl_status tensor_offsets(btl_safetensors *f, btl_tensor_info *t, const json_t *entry) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    int64_t begin, end;
    if (json_array_size(offsets) != 2 || !json_size_at(offsets, 0, &begin) || !json_size_at(offsets, 1, &end))
        return tensor_fail(f, BTL_EFORMAT, t->name, "no \"data_offsets\"; expected two integers from 0");
    uint64_t room = f->source.bytes - f->data_offset;
    char what[240];
    if (end < begin || (uint64_t)end > room) {
        snprintf(what, sizeof what, "\"data_offsets\" [%lld, %lld] do not lie in the %llu bytes of data that the file has",
                 (long long)begin, (long long)end, (unsigned long long)room);
        return tensor_fail(f, BTL_EFORMAT, t->name, what);
    }
    t->offset_bytes = f->data_offset + (uint64_t)begin;
    t->bytes = (uint64_t)(end - begin);
    return BTL_OK;
}

static btl_status tensor_check_bytes(btl_safetensors *f, const btl_tensor_info *t) {
    char type[160], what[300];
    int64_t sizes[BTL_MAX_RANK] = { 0 }, bytes;
    for (int i = 0; i < t->rank; i++) sizes[i] = t->shape[i];
    btl_array described = btl_array_wrap(t->dtype, t->rank, sizes, NULL);
    bool fits = btl_mul_i64(btl_array_elems(&described), (int64_t)btl_dtype_bytes(t->dtype), &bytes) && bytes >= 0;
    btl_array_type_text(type, sizeof type, t->dtype, t->rank, t->shape);
    if (fits && (uint64_t)bytes == t->bytes) return BTL_OK;
    if (fits)
        snprintf(what, sizeof what, "\"data_offsets\" are %llu bytes apart; expected %lld for %s",
                 (unsigned long long)t->bytes, (long long)bytes, type);
    else
        snprintf(what, sizeof what, "the sizes of %s do not multiply up", type);
    return tensor_fail(f, BTL_EFORMAT, t->name, what);
}

static btl_status tensor_parse(btl_safetensors *f, const char *name, const json_t *entry) {
    btl_tensor_info *t = &f->tensors[f->count];
    t->name = btl_arena_strdup(&f->arena, name);
    if (!json_is_object(entry)) return tensor_fail(f, BTL_EFORMAT, name, "expected an object {\"dtype\": ...}");
    BTL_TRY(tensor_dtype(f, t, entry));
    BTL_TRY(tensor_shape(f, t, entry));
    BTL_TRY(tensor_offsets(f, t, entry));
    BTL_TRY(tensor_check_bytes(f, t));
    btl_table_add(&f->names, &f->arena, btl_hash_bytes(t->name, strlen(t->name), 0), t);
    f->count++;
    return BTL_OK;
}

static int tensor_compare_places(const void *a, const void *b) {
    const btl_tensor_info *x = *(btl_tensor_info *const *)a, *y = *(btl_tensor_info *const *)b;
    if (x->offset_bytes != y->offset_bytes) return x->offset_bytes < y->offset_bytes ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* In the order of their places each tensor must begin where the one before ends. */
static btl_status safetensors_check_places(btl_safetensors *f) {
    btl_tensor_info **sorted = BTL_ARRAY(&f->arena, btl_tensor_info *, f->count + 1);
    for (int i = 0; i < f->count; i++) sorted[i] = &f->tensors[i];
    qsort(sorted, (size_t)f->count, sizeof *sorted, tensor_compare_places);
    uint64_t at = f->data_offset;
    for (int i = 0; i < f->count; i++) {
        char quoted[120];
        const btl_tensor_info *t = sorted[i];
        if (t->offset_bytes != at)
            return btl_source_fail(&f->source, f->err, BTL_EFORMAT, t->offset_bytes,
                                   "tensor \"%s\" begins here; expected at offset %llu, where the one before ends (%s)",
                                   btl_source_quote(quoted, sizeof quoted, t->name, strlen(t->name)), (unsigned long long)at,
                                   t->offset_bytes < at ? "they overlap" : "there is a gap");
        at += t->bytes;
    }
    if (at == f->source.bytes) return BTL_OK;
    return btl_source_fail(&f->source, f->err, BTL_EFORMAT, at, "%llu more bytes follow the last tensor; the end was expected "
                           "here", (unsigned long long)(f->source.bytes - at));
}

static btl_status safetensors_parse(void *arg) {
    btl_safetensors *f = arg;
    const char *name;
    json_t *entry;
    f->tensors = BTL_ARRAY(&f->arena, btl_tensor_info, json_object_size(f->header) + 1);
    json_object_foreach(f->header, name, entry)
        if (strcmp(name, metadata_key)) BTL_TRY(tensor_parse(f, name, entry));
    return safetensors_check_places(f);
}

static btl_status safetensors_load_json(btl_safetensors *f, const char *text, size_t length) {
    json_error_t e;
    f->header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &e);
    if (json_is_object(f->header)) return BTL_OK;
    if (f->header)
        return btl_source_fail(&f->source, f->err, BTL_EFORMAT, LENGTH_BYTES, "the header is not a JSON object; expected {");
    if (json_error_code(&e) == json_error_out_of_memory)
        return btl_error_set(f->err, BTL_ENOMEM, "%.500s: out of memory while reading", f->path);
    char what[JSON_ERROR_TEXT_LENGTH + 40];
    btl_source_quote(what, sizeof what, e.text, strlen(e.text));
    uint64_t position = e.position < 0 ? 0 : (uint64_t)e.position;
    return btl_source_fail(&f->source, f->err, BTL_EFORMAT, LENGTH_BYTES + position, "the header is not JSON: %s", what);
}

static btl_status safetensors_header_length(btl_safetensors *f, size_t *out) {
    unsigned char b[LENGTH_BYTES];
    BTL_TRY(btl_source_read(&f->source, b, sizeof b, "the header's length", f->err));
    uint64_t length = btl_bytes_le(b, LENGTH_BYTES), left = f->source.bytes - LENGTH_BYTES;
    if (length > left || length > LARGEST_HEADER_BYTES)
        return btl_source_fail(&f->source, f->err, BTL_EFORMAT, 0, "a header of %llu bytes is announced; %llu bytes follow, and "
                               "%llu are allowed", (unsigned long long)length, (unsigned long long)left,
                               (unsigned long long)LARGEST_HEADER_BYTES);
    f->data_offset = LENGTH_BYTES + length;
    *out = (size_t)length;
    return BTL_OK;
}

static btl_status safetensors_read_header(btl_safetensors *f) {
    size_t length = 0;
    BTL_TRY(safetensors_header_length(f, &length));
    char *text = btl_alloc(f->ctx, length + 1);
    if (!text) return btl_error_set(f->err, BTL_ENOMEM, "%.500s: out of memory while reading", f->path);
    btl_status status = btl_source_read(&f->source, text, length, "the header", f->err);
    if (status == BTL_OK) status = safetensors_load_json(f, text, length);
    btl_free(f->ctx, text, length + 1);
    if (status != BTL_OK) return status;
    status = btl_arena_protect(&f->arena, safetensors_parse, f);
    if (status == BTL_ENOMEM) btl_error_set(f->err, BTL_ENOMEM, "%.500s: out of memory while reading", f->path);
    return status;
}

/* ---- reading --------------------------------------------------------------------------- */

btl_status btl_safetensors_open(btl_context *ctx, const char *path, btl_safetensors **out, btl_error *err) {
    *out = NULL;
    size_t path_bytes = strlen(path) + 1;
    btl_safetensors *f = btl_alloc(ctx, sizeof *f + path_bytes);
    if (!f) return btl_error_set(err, BTL_ENOMEM, "%.500s: out of memory while reading", path);
    *f = (btl_safetensors){ .ctx = ctx, .path = (char *)(f + 1), .err = err };
    memcpy(f->path, path, path_bytes);
    btl_arena_init(&f->arena, ctx);
    btl_status status = btl_source_open(ctx, f->path, &f->source, err);
    if (status == BTL_OK) status = safetensors_read_header(f);
    json_decref(f->header);
    f->header = NULL;
    f->err = NULL;
    if (status == BTL_OK) *out = f;
    else btl_safetensors_free(f);
    return status;
}

void btl_safetensors_free(btl_safetensors *file) {
    if (!file) return;
    btl_source_close(&file->source);
    btl_arena_deinit(&file->arena);
    btl_free(file->ctx, file, sizeof *file + strlen(file->path) + 1);
}

int btl_safetensors_count(const btl_safetensors *file) {
    return file->count;
}

const btl_tensor_info *btl_safetensors_info(const btl_safetensors *file, int i) {
    assert(i >= 0 && i < file->count);
    return &file->tensors[i];
}

const btl_tensor_info *btl_safetensors_find(const btl_safetensors *file, const char *name) {
    return btl_table_find(&file->names, btl_hash_bytes(name, strlen(name), 0), btl_table_name_equal, name);
}

btl_status btl_safetensors_read(btl_safetensors *file, const btl_tensor_info *tensor, btl_array *out, btl_error *err) {
    *out = (btl_array){ 0 };
    BTL_TRY(btl_source_seek(&file->source, tensor->offset_bytes, err));
    return btl_source_read_array(&file->source, tensor->dtype, tensor->rank, tensor->shape, false,
                                 out, err);
}

static const char *safetensors_name_at(void *arg, int i) {
    return ((btl_safetensors *)arg)->tensors[i].name;
}

btl_status btl_safetensors_load(btl_context *ctx, const char *path, const char *name, btl_array *out, btl_error *err) {
    *out = (btl_array){ 0 };
    btl_safetensors *f;
    BTL_TRY(btl_safetensors_open(ctx, path, &f, err));
    const btl_tensor_info *t = btl_safetensors_find(f, name);
    btl_status status;
    if (t) {
        status = btl_safetensors_read(f, t, out, err);
    } else {
        btl_names names = { f->count, safetensors_name_at, f, "" };
        status = btl_names_fail(&names, path, "tensor", name, strlen(name), "FILE.safetensors:NAME", err);
    }
    btl_safetensors_free(f);
    return status;
}

/* ---- writing --------------------------------------------------------------------------- */

typedef struct safetensors_plan {
    const char *path;
    int n;
    const char *const *names;
    const btl_array *arrays;
    int64_t data_bytes;
    json_t *header;
    btl_error *err;
} safetensors_plan;

static btl_status plan_out_of_memory(const safetensors_plan *p) {
    return btl_error_set(p->err, BTL_ENOMEM, "%.500s: out of memory while writing", p->path);
}

static btl_status plan_bad_name(const safetensors_plan *p, const char *name, const char *what) {
    char quoted[120];
    btl_source_quote(quoted, sizeof quoted, name, strlen(name));
    return btl_error_set(p->err, BTL_ENAME, "%.500s: cannot be written: the name \"%s\" %s", p->path, quoted, what);
}

/* The header's entry of one array whose data begin at `begin`; shape and offsets are checked. */
static btl_status plan_entry(safetensors_plan *p, const btl_array *a, btl_dtype dtype, int64_t begin, int64_t end,
                             json_t **out) {
    json_t *shape = json_array();
    bool is_good = shape != NULL;
    for (int i = 0; i < a->ndim && is_good; i++) is_good = json_array_append_new(shape, json_integer(a->shape[i])) == 0;
    if (!is_good) {
        json_decref(shape);
        return plan_out_of_memory(p);
    }
    *out = json_pack("{s:s, s:o, s:[I, I]}", "dtype", safetensors_names[dtype], "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
    return *out ? BTL_OK : plan_out_of_memory(p);
}

static btl_status plan_array_bytes(safetensors_plan *p, int i, btl_dtype *dtype, int64_t *bytes) {
    const btl_array *a = &p->arrays[i];
    if (!btl_array_dtype(a, dtype))
        return btl_error_set(p->err, BTL_EDTYPE, "%.500s: the element type of array %d is none of Bitale's", p->path, i);
    bool fits = a->ndim >= 0 && a->ndim <= BTL_MAX_RANK;
    int64_t elems = fits ? btl_array_elems(a) : -1;
    if (elems < 0 || !btl_mul_i64(elems, (int64_t)btl_dtype_bytes(*dtype), bytes))
        return btl_error_set(p->err, BTL_ESHAPE, "%.500s: the sizes of array %d do not multiply up", p->path, i);
    return BTL_OK;
}

/* Names are entered first, in the caller's order, each with a placeholder. */
static btl_status plan_names(safetensors_plan *p) {
    for (int i = 0; i < p->n; i++) {
        const char *name = p->names[i];
        json_t *probe = json_string(name); /* fails for what is not UTF-8 */
        json_decref(probe);
        if (!probe) return plan_bad_name(p, name, "is not UTF-8");
        if (strcmp(name, metadata_key) == 0) return plan_bad_name(p, name, "is reserved by the format");
        if (json_object_get(p->header, name)) return plan_bad_name(p, name, "occurs twice");
        if (json_object_set_new(p->header, name, json_null())) return plan_out_of_memory(p);
    }
    return BTL_OK;
}

/* Calls fn for every array, from the widest element type to the narrowest. */
static btl_status plan_by_width(safetensors_plan *p, btl_status (*fn)(safetensors_plan *, int, btl_dtype, int64_t, void *),
                                void *arg) {
    for (size_t width = 8; width > 0; width /= 2)
        for (int i = 0; i < p->n; i++) {
            btl_dtype dtype = BTL_BOOL;
            int64_t bytes = 0;
            BTL_TRY(plan_array_bytes(p, i, &dtype, &bytes));
            if (btl_dtype_bytes(dtype) == width) BTL_TRY(fn(p, i, dtype, bytes, arg));
        }
    return BTL_OK;
}

static btl_status plan_place(safetensors_plan *p, int i, btl_dtype dtype, int64_t bytes, void *arg) {
    (void)arg;
    int64_t begin = p->data_bytes;
    json_t *entry = NULL;
    if (!btl_add_i64(begin, bytes, &p->data_bytes))
        return btl_error_set(p->err, BTL_ESHAPE, "%.500s: the sizes of all arrays do not add up", p->path);
    BTL_TRY(plan_entry(p, &p->arrays[i], dtype, begin, p->data_bytes, &entry));
    return json_object_set_new(p->header, p->names[i], entry) ? plan_out_of_memory(p) : BTL_OK;
}

static btl_status plan_write(safetensors_plan *p, int i, btl_dtype dtype, int64_t bytes, void *arg) {
    (void)dtype, (void)bytes;
    btl_sink_write_array(arg, &p->arrays[i]);
    return BTL_OK;
}

static btl_status plan_header(safetensors_plan *p) {
    json_t *metadata = json_pack("{s:s}", "format", "bitale");
    if (!metadata || json_object_set_new(p->header, metadata_key, metadata)) return plan_out_of_memory(p);
    BTL_TRY(plan_names(p));
    return plan_by_width(p, plan_place, NULL);
}

static btl_status safetensors_write_file(safetensors_plan *p, const char *text, size_t length) {
    size_t padding = (DATA_ALIGN - length % DATA_ALIGN) % DATA_ALIGN;
    unsigned char head[LENGTH_BYTES];
    btl_sink k;
    BTL_TRY(btl_sink_begin(&k, p->path, p->err));
    btl_bytes_put_le(head, length + padding, LENGTH_BYTES);
    btl_sink_write(&k, head, sizeof head);
    btl_sink_write(&k, text, length);
    btl_sink_write(&k, "        ", padding);
    plan_by_width(p, plan_write, &k); /* cannot fail: it did not the first time */
    return btl_sink_commit(&k, p->err);
}

btl_status btl_safetensors_write(btl_context *ctx, const char *path, int n, const char *const *names,
                                 const btl_array *arrays, btl_error *err) {
    safetensors_plan p = { .path = path, .n = n, .names = names, .arrays = arrays, .header = json_object(), .err = err };
    btl_status status = p.header ? plan_header(&p) : plan_out_of_memory(&p);
    if (status == BTL_OK) {
        size_t length = json_dumpb(p.header, NULL, 0, JSON_COMPACT);
        char *text = length ? btl_alloc(ctx, length) : NULL;
        bool dumped = text && json_dumpb(p.header, text, length, JSON_COMPACT) == length;
        status = dumped ? safetensors_write_file(&p, text, length) : plan_out_of_memory(&p);
        btl_free(ctx, text, length);
    }
    json_decref(p.header);
    return status;
}
