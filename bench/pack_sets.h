/* pack_sets.h - sets of buffers to be packed, for measurements and tests. Each is made from a seed; where `optimum` is not 0,
 * no offsets end lower and some end there.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_PACK_SETS_H
#define BTL_PACK_SETS_H

#include "bitale/tools.h"

#include <stdlib.h>

typedef struct pack_set { int n, room; btl_pack_buffer *buffers; int64_t optimum; uint64_t random; } pack_set;

static inline uint64_t sets_random(pack_set *s, uint64_t below) { /* SplitMix64 (Steele, Lea, Flood) */
    uint64_t z = s->random += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return below ? (z ^ (z >> 31)) % below : 0;
}

static inline void sets_add(pack_set *s, int64_t lower, int64_t upper, int64_t size) {
    if (s->n == s->room) {
        s->room = s->room ? 2 * s->room : 256;
        s->buffers = realloc(s->buffers, (size_t)s->room * sizeof *s->buffers);
        if (!s->buffers) abort();
    }
    s->buffers[s->n++] = (btl_pack_buffer){ .lower = lower, .upper = upper, .size = size };
}

/* ---- a rectangle of time and addresses, cut up ---------------------------------------------------- */

typedef struct sets_piece { int64_t lower, upper, low, high; } sets_piece;

/* A cut between a quarter and three quarters. */
static inline int64_t sets_cut(pack_set *s, int64_t a, int64_t b) { return a + (b - a) / 4 + 1 + (int64_t)sets_random(s, (uint64_t)(b - a) / 2); }

/* Cuts the piece at `at` of `pieces` in two, along time or addresses. */
static inline void sets_guillotine(pack_set *s, sets_piece *pieces, int at, int *n, bool short_lives) {
    sets_piece p = pieces[at], q = p;
    bool in_time = short_lives ? (p.upper - p.lower) * 24 > (p.high - p.low) : sets_random(s, 2) != 0;
    if (p.upper - p.lower < 8) in_time = false;
    if (in_time) p.upper = q.lower = sets_cut(s, p.lower, p.upper);
    else p.high = q.low = sets_cut(s, p.low, p.high);
    pieces[at] = p, pieces[(*n)++] = q;
}

/* Cuts it in five, as a pinwheel: no straight line goes through. */
static inline void sets_pinwheel(pack_set *s, sets_piece *pieces, int at, int *n) {
    sets_piece p = pieces[at];
    int64_t w = p.upper - p.lower, h = p.high - p.low;
    if (w < 16 || h < 16) return;
    int64_t x1 = p.lower + w / 4 + (int64_t)sets_random(s, (uint64_t)w / 8), x2 = p.upper - w / 4 - (int64_t)sets_random(s, (uint64_t)w / 8);
    int64_t y1 = p.low + h / 4 + (int64_t)sets_random(s, (uint64_t)h / 8), y2 = p.high - h / 4 - (int64_t)sets_random(s, (uint64_t)h / 8);
    pieces[at] = (sets_piece){ p.lower, x2, p.low, y1 };
    pieces[(*n)++] = (sets_piece){ x2, p.upper, p.low, y2 };
    pieces[(*n)++] = (sets_piece){ x1, p.upper, y2, p.high };
    pieces[(*n)++] = (sets_piece){ p.lower, x1, y1, p.high };
    pieces[(*n)++] = (sets_piece){ x1, x2, y1, y2 };
}

typedef enum sets_cuts { SETS_GUILLOTINE, SETS_PINWHEELS, SETS_SHORT_LIVES } sets_cuts;

/* About n buffers that fill 4096 (times) by 2^20 (bytes) without a hole: the optimum is 2^20. `loose`: of 1000 buffers so
 * many become smaller, but not those alive at one moment, so that the live peak stays. */
static inline pack_set sets_filled(uint64_t seed, int n, sets_cuts cuts, int loose) {
    pack_set s = { .random = seed, .optimum = 1 << 20 };
    sets_piece *pieces = malloc((size_t)(n + 8) * sizeof *pieces);
    if (!pieces) abort();
    int made = 1;
    pieces[0] = (sets_piece){ 0, 4096, 0, 1 << 10 };
    for (int tries = 0; made < n && tries < 100 * n; tries++) {
        int at = (int)sets_random(&s, (uint64_t)made); /* the largest of three: pieces of like sizes */
        for (int k = 0; k < 2; k++) {
            int other = (int)sets_random(&s, (uint64_t)made);
            sets_piece p = pieces[at], q = pieces[other];
            if ((q.upper - q.lower) * (q.high - q.low) > (p.upper - p.lower) * (p.high - p.low)) at = other;
        }
        if (pieces[at].high - pieces[at].low < 8 && pieces[at].upper - pieces[at].lower < 8) continue;
        if (cuts == SETS_PINWHEELS && sets_random(&s, 2)) sets_pinwheel(&s, pieces, at, &made);
        else if (pieces[at].high - pieces[at].low >= 8 || cuts == SETS_SHORT_LIVES) sets_guillotine(&s, pieces, at, &made, cuts == SETS_SHORT_LIVES);
    }
    for (int i = made - 1; i > 0; i--) { /* in no order */
        int k = (int)sets_random(&s, (uint64_t)i + 1);
        sets_piece p = pieces[i];
        pieces[i] = pieces[k], pieces[k] = p;
    }
    for (int i = 0; i < made; i++) {
        int64_t size = (pieces[i].high - pieces[i].low) * 1024;
        bool is_fixed = pieces[i].lower <= 2048 && 2048 < pieces[i].upper;
        if (!is_fixed && (int)sets_random(&s, 1000) < loose) size -= (int64_t)sets_random(&s, (uint64_t)size / 1024 + 1) * 512;
        if (size > 0) sets_add(&s, pieces[i].lower, pieces[i].upper, size);
    }
    free(pieces);
    return s;
}

/* ---- as functions have them -------------------------------------------------------------------------- */

/* Training: values of layers are alive until their turn on the way back; gradients and temporaries shortly. About n buffers. */
static inline pack_set sets_training(uint64_t seed, int n) {
    pack_set s = { .random = seed };
    int layers = n / 5 + 1;
    int64_t end = 4 * (int64_t)layers;
    for (int i = 0; i < layers; i++) {
        int64_t forward = 2 * i, back = end - 2 * i, width = 64 << sets_random(&s, 6), size = 4 * width * (1 + (int64_t)sets_random(&s, 64));
        sets_add(&s, forward, back + 1, size);
        if (sets_random(&s, 3)) sets_add(&s, forward + 1, back, size);
        else sets_add(&s, forward, forward + 2, size * (1 + (int64_t)sets_random(&s, 4)));
        sets_add(&s, back - 1, back + 2, size);
        sets_add(&s, back, back + 1, 4 * width * width / 16);
        sets_add(&s, back, sets_random(&s, 2) ? back + 3 : end + 2, 4 * width);
    }
    return s;
}

/* Lives and sizes without any order: sizes over six powers of two, lives short and long. */
static inline pack_set sets_random_lives(uint64_t seed, int n) {
    pack_set s = { .random = seed };
    for (int i = 0; i < n; i++) {
        int64_t lower = (int64_t)sets_random(&s, (uint64_t)n), length = 1 + (int64_t)sets_random(&s, (uint64_t)1 << (1 + sets_random(&s, 10)));
        sets_add(&s, lower, lower + length, 64 + (int64_t)sets_random(&s, (uint64_t)1 << (6 + sets_random(&s, 10))));
    }
    return s;
}

#endif
