/* batch.c - see batch.h. In order, a minibatch is a window on the input's own memory; shuffled, its rows
 * are gathered into a buffer.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "batch.h"

#include "random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int64_t batch_below(uint64_t *state, uint64_t n) {
    uint64_t most = UINT64_MAX - UINT64_MAX % n, r; /* a multiple of n */
    do r = random_next(state);
    while (r >= most);
    return (int64_t)(r % n);
}

void batch_permute(uint64_t seed, int64_t epoch, int64_t n, int64_t *order) {
    uint64_t state = seed + (uint64_t)epoch * 0xd1342543de82ef95u;
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = batch_below(&state, (uint64_t)i + 1), other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}

/* ---- what is cut --------------------------------------------------------------------------------- */

int batch_parse(const cmd *c, const char *spec, char **name, int64_t *rows) {
    const char *equals = strchr(spec, '=');
    char *end = NULL;
    errno = 0;
    long long size = equals ? strtoll(equals + 1, &end, 10) : 0;
    if (!equals || equals == spec || end == equals + 1 || *end || errno || size < 1) return cmd_usage(c, "--batch takes NAME=SIZE, the name of a size and how many rows a minibatch has; found %s", spec);
    *rows = size;
    *name = cmd_format("%.*s", (int)(equals - spec), spec);
    return 0;
}

static bool batch_names(const batch *b, int input, int axis) {
    const char *name = btl_function_input_size_name(b->values->f, input, axis);
    return name && strcmp(name, b->size_name) == 0;
}

static int batch_none(const batch *b) {
    const btl_function *f = b->values->f;
    const char *names[64] = { 0 };
    int n = 0;
    for (int i = 0; i < b->values->ninputs && n < 64; i++)
        if (btl_function_input_rank(f, i) > 0 && (names[n] = btl_function_input_size_name(f, i, 0))) n++;
    const char *nearest = btl_nearest(b->size_name, n, names);
    if (!nearest && n) nearest = names[0];
    return cmd_fail(b->c, BTL_ENAME, "--batch %s=%lld: no argument of %s has %s as its first size%s%s%s", b->size_name, (long long)b->size, btl_function_name(f), b->size_name,
                    nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static int batch_find(batch *b) {
    const btl_function *f = b->values->f;
    const char *first = NULL;
    for (int i = 0; i < b->values->ninputs; i++) {
        const btl_array *a = &b->values->in[i];
        const char *name = btl_function_input_name(f, i);
        for (int k = 0; k < btl_function_input_rank(f, i); k++) {
            if (!batch_names(b, i, k)) continue;
            if (k > 0) return cmd_fail(b->c, BTL_ESHAPE, "--batch %s: argument %s (%s) has %s as size of axis %d; only first sizes can be cut", b->size_name, name, btl_function_input_type(f, i), b->size_name, k);
            if (!a->data) return cmd_fail(b->c, BTL_EVALUE, "--batch %s: argument %s is cut into minibatches: its default will not do, give it", b->size_name, name);
            if (first && a->shape[0] != b->rows)
                return cmd_fail(b->c, BTL_ESHAPE, "argument %s: axis 0 has size %lld, but %s is %lld (axis 0 of %s); %s is %s", name, (long long)a->shape[0], b->size_name,
                                (long long)b->rows, first, name, btl_function_input_type(f, i));
            b->rows = a->shape[0];
            first = name;
            b->cut[i] = true;
        }
    }
    return first ? 0 : batch_none(b);
}

static size_t batch_row_bytes(const btl_array *a) {
    size_t bytes = (size_t)a->dtype.bits / 8;
    for (int k = 1; k < a->ndim; k++) bytes *= (size_t)a->shape[k];
    return bytes;
}

int batch_begin(batch *b, const cmd *c, const values *v, const char *spec, bool drop_last, bool shuffle, uint64_t seed) {
    *b = (batch){ .c = c, .values = v, .shuffle = shuffle, .seed = seed, .epoch = -1 };
    char *name = NULL;
    int code = batch_parse(c, spec, &name, &b->size);
    if (code) return code;
    b->size_name = name;
    b->cut = cmd_alloc((size_t)v->ninputs + 1);
    b->in = cmd_alloc(((size_t)v->ninputs + 1) * sizeof *b->in);
    b->shapes = cmd_alloc(((size_t)v->ninputs + 1) * sizeof *b->shapes);
    b->gathered = cmd_alloc(((size_t)v->ninputs + 1) * sizeof *b->gathered);
    code = batch_find(b);
    if (code) return code;
    b->per_epoch = drop_last ? b->rows / b->size : b->rows / b->size + (b->rows % b->size != 0);
    if (b->per_epoch == 0)
        return cmd_fail(c, BTL_EVALUE, "--batch %s=%lld: there is nothing to do: %s is %lld%s", b->size_name, (long long)b->size, b->size_name, (long long)b->rows,
                        b->rows ? ", less than one minibatch, and --drop-last leaves out what is left" : "");
    for (int i = 0; i < v->ninputs; i++) {
        b->in[i] = v->in[i];
        if (!b->cut[i]) continue;
        memcpy(b->shapes[i], v->in[i].shape, (size_t)v->in[i].ndim * sizeof(int64_t));
        b->in[i].shape = b->shapes[i];
        if (shuffle) b->gathered[i] = cmd_alloc((size_t)(b->size < b->rows ? b->size : b->rows) * batch_row_bytes(&v->in[i]));
    }
    if (shuffle) b->order = cmd_alloc((size_t)b->rows * sizeof *b->order);
    return 0;
}

/* ---- cutting ------------------------------------------------------------------------------------- */

static void batch_gather(batch *b, int input, int64_t first, int64_t rows) {
    size_t bytes = batch_row_bytes(&b->values->in[input]);
    const char *from = btl_array_data(&b->values->in[input]);
    for (int64_t i = 0; i < rows; i++) memcpy(b->gathered[input] + (size_t)i * bytes, from + (size_t)b->order[first + i] * bytes, bytes);
    b->in[input].data = b->gathered[input];
    b->in[input].byte_offset = 0;
}

int64_t batch_select(batch *b, int64_t step) {
    int64_t epoch = step / b->per_epoch, first = step % b->per_epoch * b->size;
    int64_t rows = first + b->size <= b->rows ? b->size : b->rows - first;
    if (b->shuffle && epoch != b->epoch) batch_permute(b->seed, epoch, b->rows, b->order);
    b->epoch = epoch;
    for (int i = 0; i < b->values->ninputs; i++) {
        if (!b->cut[i]) continue;
        b->shapes[i][0] = rows;
        if (b->shuffle) batch_gather(b, i, first, rows);
        else b->in[i].byte_offset = b->values->in[i].byte_offset + (uint64_t)first * batch_row_bytes(&b->values->in[i]);
    }
    return rows;
}

void batch_end(batch *b) {
    for (int i = 0; b->gathered && i < b->values->ninputs; i++) free(b->gathered[i]);
    free((char *)(uintptr_t)b->size_name);
    free(b->cut);
    free(b->in);
    free(b->shapes);
    free(b->gathered);
    free(b->order);
    *b = (batch){ 0 };
}
