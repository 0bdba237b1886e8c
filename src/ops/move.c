/* move.c - see move.h. SPDX-License-Identifier: BSD-3-Clause */
#include "ops/move.h"

#include "base/half.h"

#include <string.h>

/* ---- runs: copy --------------------------------------------------------------------------- */

/* Loads and stores go through memcpy of constant size: one instruction, and no rule of aliasing broken. */
#define MOVE_COPY(name, type)                                                                     \
    static void name(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n) { \
        const int64_t size = (int64_t)sizeof(type);                                               \
        if (to_step == size && from_step == size) {                                               \
            memcpy(to, from, (size_t)n * sizeof(type));                                           \
            return;                                                                               \
        }                                                                                         \
        if (to_step == size && from_step == 0) {                                                  \
            type x;                                                                               \
            memcpy(&x, from, sizeof x);                                                           \
            for (int64_t i = 0; i < n; i++) memcpy(to + i * size, &x, sizeof x);                  \
            return;                                                                               \
        }                                                                                         \
        for (int64_t i = 0; i < n; i++, to += to_step, from += from_step) {                       \
            type x;                                                                               \
            memcpy(&x, from, sizeof x);                                                           \
            memcpy(to, &x, sizeof x);                                                             \
        }                                                                                         \
    }
MOVE_COPY(move_copy1, uint8_t)
MOVE_COPY(move_copy2, uint16_t)
MOVE_COPY(move_copy4, uint32_t)
MOVE_COPY(move_copy8, uint64_t)

btl_move_run btl_move_copy(btl_dtype dtype) {
    switch (btl_dtype_bytes(dtype)) {
    case 1: return move_copy1;
    case 2: return move_copy2;
    case 4: return move_copy4;
    default: return move_copy8;
    }
}

/* ---- runs: add ---------------------------------------------------------------------------- */

/* `sum` is an expression over a (there) and b (arriving). Integers are added as unsigned: they wrap. */
#define MOVE_ADD(name, type, sum)                                                                 \
    static void name(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n) { \
        for (int64_t i = 0; i < n; i++, to += to_step, from += from_step) {                       \
            type a, b;                                                                            \
            memcpy(&a, to, sizeof a);                                                             \
            memcpy(&b, from, sizeof b);                                                           \
            a = (type)(sum);                                                                      \
            memcpy(to, &a, sizeof a);                                                             \
        }                                                                                         \
    }
MOVE_ADD(move_or, uint8_t, (a | b) != 0)
MOVE_ADD(move_add1, uint8_t, a + b)
MOVE_ADD(move_add2, uint16_t, a + b)
MOVE_ADD(move_add4, uint32_t, a + b)
MOVE_ADD(move_add8, uint64_t, a + b)
MOVE_ADD(move_add_f32, float, a + b)
MOVE_ADD(move_add_f64, double, a + b)
MOVE_ADD(move_add_f16, uint16_t, btl_half_from_f32(btl_half_to_f32(a) + btl_half_to_f32(b)))
MOVE_ADD(move_add_bf16, uint16_t, btl_bf16_from_f32(btl_bf16_to_f32(a) + btl_bf16_to_f32(b)))

btl_move_run btl_move_add(btl_dtype dtype) {
    static const btl_move_run runs[BTL_NDTYPES] = {
        [BTL_BOOL] = move_or,     [BTL_I8] = move_add1,     [BTL_I16] = move_add2,     [BTL_I32] = move_add4,
        [BTL_I64] = move_add8,    [BTL_U8] = move_add1,     [BTL_U16] = move_add2,     [BTL_U32] = move_add4,
        [BTL_U64] = move_add8,    [BTL_F16] = move_add_f16, [BTL_BF16] = move_add_bf16, [BTL_F32] = move_add_f32,
        [BTL_F64] = move_add_f64,
    };
    return runs[dtype];
}

/* ---- walking ------------------------------------------------------------------------------ */

typedef struct move_axes {
    int rank;
    int64_t n[BTL_MAX_RANK], to[BTL_MAX_RANK], from[BTL_MAX_RANK]; /* steps in bytes */
} move_axes;

/* Drops axes of size 1 and joins neighbours that are one run in both arrays. False: nothing to do. */
static bool move_collapse(move_axes *a, size_t bytes, int rank, const int64_t *dims, const int64_t *to, const int64_t *from) {
    a->rank = 0;
    for (int i = 0; i < rank; i++) {
        if (dims[i] == 0) return false;
        if (dims[i] == 1) continue;
        int64_t t = to[i] * (int64_t)bytes, f = from[i] * (int64_t)bytes;
        int last = a->rank - 1;
        if (last >= 0 && a->to[last] == t * dims[i] && a->from[last] == f * dims[i]) {
            a->n[last] *= dims[i], a->to[last] = t, a->from[last] = f;
        } else {
            a->n[a->rank] = dims[i], a->to[a->rank] = t, a->from[a->rank] = f;
            a->rank++;
        }
    }
    return true;
}

void btl_move(btl_move_run run, size_t bytes, int rank, const int64_t *dims, char *to, const int64_t *to_strides,
              const char *from, const int64_t *from_strides) {
    move_axes a;
    if (!move_collapse(&a, bytes, rank, dims, to_strides, from_strides)) return;
    if (a.rank == 0) {
        run(to, 0, from, 0, 1);
        return;
    }
    int outer = a.rank - 1;
    int64_t index[BTL_MAX_RANK] = { 0 };
    for (;;) {
        run(to, a.to[outer], from, a.from[outer], a.n[outer]);
        int i = outer - 1;
        for (; i >= 0; i--) {
            to += a.to[i], from += a.from[i];
            if (++index[i] < a.n[i]) break;
            to -= a.to[i] * a.n[i], from -= a.from[i] * a.n[i];
            index[i] = 0;
        }
        if (i < 0) return;
    }
}
