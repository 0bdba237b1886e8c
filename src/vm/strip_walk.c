/* strip_walk.c - operands of any layout, given strip by strip.
 *
 * Axes that lie in memory as one are merged first; what then is row-major is read in place, one
 * element for everything is filled in once, a short row for all rows is laid out once and read at
 * an offset, and only the rest is gathered, run by run. SPDX-License-Identifier: BSD-3-Clause */
#include "vm/strip_program.h"

#include <string.h>

enum { STRIP_ROWS_AHEAD = 8 };

/* ---- reading operands ---------------------------------------------------------------------- */

/* Merges axes that lie in memory as one and drops those of size 1. */
static int strip_walk_merge(strip_walk *w, int rank, const int64_t *dims, const int64_t *strides) {
    int n = 0; /* built from the last axis on, then turned round */
    for (int d = rank - 1; d >= 0; d--) {
        if (dims[d] == 1) continue;
        if (n && strides[d] == w->strides[n - 1] * w->dims[n - 1]) {
            w->dims[n - 1] *= dims[d];
            continue;
        }
        w->dims[n] = dims[d];
        w->strides[n++] = strides[d];
    }
    for (int i = 0, j = n - 1; i < j; i++, j--) {
        int64_t dim = w->dims[i], stride = w->strides[i];
        w->dims[i] = w->dims[j], w->dims[j] = dim;
        w->strides[i] = w->strides[j], w->strides[j] = stride;
    }
    return n;
}

/* n copies of an element, written 16 at a time: up to 15 more than asked, for which a walk's buffer
 * has room. (Runs are often as short as the rows of a softmax.) */
#define STRIP_FILL(type)                                                                           \
    {                                                                                              \
        type x, *o = (type *)(void *)to;                                                           \
        memcpy(&x, element, sizeof x);                                                             \
        for (int64_t i = 0; i < n; i += 16)                                                        \
            for (int j = 0; j < 16; j++) o[i + j] = x;                                             \
        return;                                                                                    \
    }

static void strip_fill(char *to, const char *element, int64_t n, int elem_bytes) {
    switch (elem_bytes) {
    case 1:
        STRIP_FILL(uint8_t)
    case 2:
        STRIP_FILL(uint16_t)
    case 4:
        STRIP_FILL(uint32_t)
    default:
        STRIP_FILL(uint64_t)
    }
}
#undef STRIP_FILL

static void strip_gather(char *to, const char *from, int64_t n, int64_t stride, int elem_bytes) {
    switch (elem_bytes) {
    case 1:
        for (int64_t i = 0; i < n; i++) to[i] = from[i * stride];
        return;
    case 2:
        for (int64_t i = 0; i < n; i++) memcpy(to + i * 2, from + i * stride, 2);
        return;
    case 4:
        for (int64_t i = 0; i < n; i++) memcpy(to + i * 4, from + i * stride, 4);
        return;
    default:
        for (int64_t i = 0; i < n; i++) memcpy(to + i * 8, from + i * stride, 8);
    }
}

/* n elements of one run. */
static void strip_copy_run(char *to, const char *from, int64_t n, int64_t stride, int elem_bytes) {
    if (stride == elem_bytes)
        memcpy(to, from, (size_t)n * (size_t)elem_bytes);
    else if (stride == 0)
        strip_fill(to, from, n, elem_bytes);
    else
        strip_gather(to, from, n, stride, elem_bytes);
}

static void strip_walk_fill_period(strip_walk *w, int64_t elems) {
    int64_t have = w->period, need = w->period + BTL_STRIP_ELEMS;
    if (need > elems) need = elems;
    memcpy(w->buffer, w->at, (size_t)(have * w->elem_bytes));
    while (have < need) {
        int64_t more = have < need - have ? have : need - have;
        memcpy(w->buffer + have * w->elem_bytes, w->buffer, (size_t)(more * w->elem_bytes));
        have += more;
    }
    w->phase = 0;
}

void btl_strip_walk_init(strip_walk *w, char *data, int elem_bytes, int rank, const int64_t *dims,
                     const int64_t *strides, char *buffer) {
    w->at = data;
    w->elem_bytes = elem_bytes;
    w->buffer = buffer;
    w->rank = strip_walk_merge(w, rank, dims, strides);
    if (w->rank == 0 || (w->rank == 1 && w->strides[0] == elem_bytes)) {
        w->kind = WALK_DIRECT;
    } else if (w->rank == 1 && w->strides[0] == 0) {
        w->kind = WALK_FIXED;
        strip_fill(buffer, data, w->dims[0] < BTL_STRIP_ELEMS ? w->dims[0] : BTL_STRIP_ELEMS,
                   elem_bytes);
    } else if (w->rank == 2 && w->strides[0] == 0 && w->strides[1] == elem_bytes &&
               w->dims[1] <= BTL_STRIP_ELEMS) {
        w->kind = WALK_PERIODIC;
        w->period = w->dims[1];
        strip_walk_fill_period(w, w->dims[0] * w->dims[1]);
    } else {
        w->kind = WALK_RUNS;
        memset(w->index, 0, (size_t)w->rank * sizeof *w->index);
    }
}

/* Asks for the same columns some rows further down: where rows are long, the processor's own
 * prefetching does not see where a tile of columns goes on. */
static void strip_walk_prefetch(const strip_walk *w, int64_t n) {
    int d = w->rank - 1;
    if (d == 0 || n != w->dims[d] || w->strides[d] != w->elem_bytes) return;
    uintptr_t ahead =
        (uintptr_t)w->at +
        (uintptr_t)(STRIP_ROWS_AHEAD * w->strides[d - 1]); /* perhaps behind the end */
    for (int64_t i = 0; i < n * w->elem_bytes; i += STRIP_ALIGN)
        __builtin_prefetch((const void *)(ahead + (uintptr_t)i));
}

/* Moves on by n elements along axis d, at most to its end. */
static void strip_walk_advance(strip_walk *w, int d, int64_t n) {
    w->index[d] += n;
    w->at += n * w->strides[d];
    while (w->index[d] == w->dims[d] && d > 0) {
        w->index[d] = 0;
        w->at += w->strides[d - 1] - w->dims[d] * w->strides[d];
        w->index[--d]++;
    }
}

/* Each element of an axis `n` times, one after the other; the same slack as strip_fill's. */
#define STRIP_REPEAT(type)                                                                         \
    for (int64_t r = 0; r < rows; r++, from += stride, to += n * (int64_t)sizeof(type)) {          \
        type x, *o = (type *)(void *)to;                                                           \
        memcpy(&x, from, sizeof x);                                                                \
        for (int64_t i = 0; i < n; i += 16)                                                        \
            for (int j = 0; j < 16; j++) o[i + j] = x;                                             \
    }                                                                                              \
    return;

static void strip_repeat(char *to, const char *from, int64_t rows, int64_t stride, int64_t n, int elem_bytes) {
    switch (elem_bytes) {
    case 1:
        STRIP_REPEAT(uint8_t)
    case 2:
        STRIP_REPEAT(uint16_t)
    case 4:
        STRIP_REPEAT(uint32_t)
    default:
        STRIP_REPEAT(uint64_t)
    }
}
#undef STRIP_REPEAT

/* Whole rows of one element each, as of [n, 1] stretched to [n, 10]: as many as n elements hold.
 * Returns how many elements that were. */
static int64_t strip_walk_repeat(strip_walk *w, char *to, int64_t n) {
    int d = w->rank - 1;
    if (d == 0 || w->strides[d] != 0 || w->index[d] != 0) return 0;
    int64_t rows = n / w->dims[d], left = w->dims[d - 1] - w->index[d - 1];
    if (rows > left) rows = left;
    if (rows == 0) return 0;
    strip_repeat(to, w->at, rows, w->strides[d - 1], w->dims[d], w->elem_bytes);
    strip_walk_advance(w, d - 1, rows);
    return rows * w->dims[d];
}

static const void *strip_walk_runs(strip_walk *w, int64_t n) {
    int d = w->rank - 1;
    const char *in_place = w->at;
    if (w->strides[d] == w->elem_bytes && n <= w->dims[d] - w->index[d]) {
        strip_walk_prefetch(w, n);
        strip_walk_advance(w, d, n);
        return in_place;
    }
    for (char *to = w->buffer; n > 0;) {
        int64_t left = w->dims[d] - w->index[d], run = strip_walk_repeat(w, to, n);
        if (run == 0) {
            run = left < n ? left : n;
            strip_walk_prefetch(w, run);
            strip_copy_run(to, w->at, run, w->strides[d], w->elem_bytes);
            strip_walk_advance(w, d, run);
        }
        to += run * w->elem_bytes;
        n -= run;
    }
    return w->buffer;
}

const void *btl_strip_walk_next(strip_walk *w, int64_t n) {
    const char *at = w->at;
    switch (w->kind) {
    case WALK_DIRECT:
        w->at += n * w->elem_bytes;
        return at;
    case WALK_FIXED:
        return w->buffer;
    case WALK_PERIODIC:
        at = w->buffer + w->phase * w->elem_bytes;
        w->phase = (w->phase + n) % w->period;
        return at;
    default:
        return strip_walk_runs(w, n);
    }
}

bool btl_strip_space_strides(const btl_operand *x, int elem_bytes, int rank, const int64_t *shape,
                         int64_t *strides) {
    for (int d = 0; d < rank; d++) {
        int k = d - (rank - x->rank);
        bool stretched = k < 0 || (x->dims[k] == 1 && shape[d] != 1);
        strides[d] = stretched ? 0 : x->strides[k] * elem_bytes;
        if (!stretched && x->dims[k] != shape[d]) return false;
    }
    return x->rank <= rank;
}
