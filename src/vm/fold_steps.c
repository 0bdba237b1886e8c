/* fold_steps.c - see fold_steps.h. SPDX-License-Identifier: BSD-3-Clause */
#include "vm/fold_steps.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

bool btl_fold_init(btl_fold *f, const btl_op *combine, btl_dtype dtype) {
    char name[64];
    f->elem_bytes = btl_dtype_bytes(dtype);
    f->combine = btl_strips_find(combine->name, dtype, dtype);
    snprintf(name, sizeof name, "%s.lanes", combine->name);
    f->lanes = btl_strips_find(name, dtype, dtype);
    snprintf(name, sizeof name, "%s.tree", combine->name);
    f->tree = btl_strips_find(name, dtype, dtype);
    return f->combine && f->lanes && f->tree;
}

static void fold_combine(const btl_fold *f, const void *left, const void *right, void *to, int64_t n) {
    const void *in[2] = { left, right };
    f->combine(n, in, to);
}

void btl_fold_lanes(const btl_fold *f, void *acc, const void *x, int64_t n, int64_t at) {
    const char *from = x;
    if (at == 0) {
        int64_t first = n < BTL_STRIP_LANES ? n : BTL_STRIP_LANES;
        memcpy(acc, from, (size_t)first * f->elem_bytes);
        from += (size_t)first * f->elem_bytes;
        n -= first;
    }
    const void *in[1] = { from };
    if (n) f->lanes(n, in, acc);
}

void btl_fold_rows(const btl_fold *f, void *acc, const void *x, int64_t n, int64_t at, int64_t width) {
    char *to = (char *)acc + (size_t)(at % BTL_STRIP_LANES * width) * f->elem_bytes;
    if (at < BTL_STRIP_LANES) memcpy(to, x, (size_t)n * f->elem_bytes);
    else fold_combine(f, to, x, to, n);
}

void btl_fold_tree(const btl_fold *f, void *lanes, int64_t used, int64_t width) {
    if (width == 1 && used == BTL_STRIP_LANES) {
        f->tree(1, (const void *const[]){ lanes }, lanes);
        return;
    }
    for (int64_t w = BTL_STRIP_LANES / 2; w >= 1; w /= 2) {
        if (used <= w) continue;
        fold_combine(f, lanes, (char *)lanes + (size_t)(w * width) * f->elem_bytes, lanes, (used - w) * width);
        used = w;
    }
}

void btl_fold_block(const btl_fold *f, void *acc, int64_t elems, int64_t width, void *stack, uint64_t *blocks) {
    size_t bytes = (size_t)width * f->elem_bytes;
    btl_fold_tree(f, acc, elems < BTL_STRIP_LANES ? elems : BTL_STRIP_LANES, width);
    char *level = stack;
    for (uint64_t c = *blocks; c & 1; c >>= 1, level += bytes) fold_combine(f, level, acc, acc, width);
    memcpy(level, acc, bytes);
    ++*blocks;
}

void btl_fold_finish(const btl_fold *f, const void *stack, uint64_t blocks, int64_t width, void *out) {
    size_t bytes = (size_t)width * f->elem_bytes;
    const char *level = stack;
    for (; !(blocks & 1); blocks >>= 1) level += bytes;
    memcpy(out, level, bytes);
    for (blocks >>= 1, level += bytes; blocks; blocks >>= 1, level += bytes)
        if (blocks & 1) fold_combine(f, level, out, out, width);
}

void btl_fold_turn(const btl_fold *f, void *to, const void *x, int64_t rows, int64_t m) {
#define FOLD_TURN(type)                                                                            \
    for (int64_t c = 0; c < m; c++) {                                                              \
        type *o = (type *)to + c * rows;                                                           \
        const type *a = (const type *)x + c;                                                       \
        int64_t i = 0;                                                                             \
        for (; i + 4 <= rows; i += 4, o += 4, a += 4 * m) {                                        \
            type a0 = a[0], a1 = a[m], a2 = a[2 * m], a3 = a[3 * m];                               \
            o[0] = a0, o[1] = a1, o[2] = a2, o[3] = a3;                                            \
        }                                                                                          \
        for (; i < rows; i++, a += m) *o++ = *a;                                                   \
    }                                                                                              \
    return;
    switch (f->elem_bytes) {
    case 1:
        FOLD_TURN(uint8_t)
    case 2:
        FOLD_TURN(uint16_t)
    case 4:
        FOLD_TURN(uint32_t)
    default:
        FOLD_TURN(uint64_t)
    }
#undef FOLD_TURN
}

/* ---- as services -------------------------------------------------------------------------- */

enum { FOLD_MOST = 512 };

_Static_assert(sizeof(btl_fold) == sizeof(btl_fold_layout), "generated code steps over folds by their size");

static btl_fold folds[FOLD_MOST];
static btl_fold_services fold_services = {
    folds, btl_fold_lanes, btl_fold_rows, btl_fold_tree, btl_fold_block, btl_fold_finish, btl_fold_turn,
};
static pthread_once_t folds_once = PTHREAD_ONCE_INIT;

static void folds_make(void) {
    for (int i = 0; btl_ops[i]; i++)
        for (int dtype = 0; btl_ops[i]->reduction && dtype < BTL_NDTYPES; dtype++) {
            int at = btl_fold_number(btl_ops[i]->reduction->combine, (btl_dtype)dtype);
            if (at >= 0 && at < FOLD_MOST) btl_fold_init(&folds[at], btl_ops[i]->reduction->combine, (btl_dtype)dtype);
        }
}

const btl_fold_services *btl_fold_services_all(void) {
    pthread_once(&folds_once, folds_make);
    return &fold_services;
}
