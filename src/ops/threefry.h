/* threefry.h - Threefry-2x32-20: 64 random bits from a key of 64 and a counter of 64.
 *
 * A block cipher's rounds without the strength: additions, rotations, exclusive ors, the key mixed in
 * again every four rounds. Passes BigCrush with 13 rounds already.
 * Source: Salmon, Moraes, Dror & Shaw (2011), Parallel random numbers: as easy as 1, 2, 3 (SC11);
 * rotations and parity constant as in their Random123 library, whose test vectors our tests have.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_THREEFRY_H
#define BTL_OPS_THREEFRY_H

#include <stdint.h>
#include <string.h>

static inline void btl_threefry(const uint32_t key[2], const uint32_t counter[2], uint32_t out[2]) {
    static const int rotation[8] = { 13, 15, 26, 6, 17, 29, 16, 24 };
    const uint32_t k[3] = { key[0], key[1], 0x1BD11BDAu ^ key[0] ^ key[1] };
    uint32_t x = counter[0] + k[0], y = counter[1] + k[1];
    for (int round = 0; round < 20; round++) {
        int r = rotation[round % 8];
        x += y;
        y = (y << r | y >> (32 - r)) ^ x;
        if (round % 4 != 3) continue;
        uint32_t s = (uint32_t)(round / 4) + 1;
        x += k[s % 3];
        y += k[(s + 1) % 3] + s;
    }
    out[0] = x, out[1] = y;
}

/* The blocks of BTL_THREEFRY_LANES counters in a row, first, first + 1, …: loops of constant length,
 * which compilers turn into vector instructions. `top` is set in each counter's upper half. */
enum { BTL_THREEFRY_LANES = 16 };
#if defined __GNUC__
#define BTL_THREEFRY_INLINE static inline __attribute__((always_inline)) /* into functions for other processors */
#else
#define BTL_THREEFRY_INLINE static inline
#endif
BTL_THREEFRY_INLINE void btl_threefry_lanes(const uint32_t key[2], uint64_t first, uint32_t top, uint32_t out_x[BTL_THREEFRY_LANES],
                                      uint32_t out_y[BTL_THREEFRY_LANES]) {
    const uint32_t k[3] = { key[0], key[1], 0x1BD11BDAu ^ key[0] ^ key[1] };
    uint32_t x[BTL_THREEFRY_LANES], y[BTL_THREEFRY_LANES]; /* of its own: nothing else can point there */
    for (int i = 0; i < BTL_THREEFRY_LANES; i++) {
        uint64_t counter = first + (uint64_t)i;
        x[i] = (uint32_t)counter + k[0];
        y[i] = ((uint32_t)(counter >> 32) | top) + k[1];
    }
#define BTL_THREEFRY_ROUND(r)                                                                     \
    for (int i = 0; i < BTL_THREEFRY_LANES; i++) x[i] += y[i];                                    \
    for (int i = 0; i < BTL_THREEFRY_LANES; i++) y[i] = (y[i] << (r) | y[i] >> (32 - (r))) ^ x[i];
#define BTL_THREEFRY_KEY(s)                                                                       \
    for (int i = 0; i < BTL_THREEFRY_LANES; i++) x[i] += k[(s) % 3];                              \
    for (int i = 0; i < BTL_THREEFRY_LANES; i++) y[i] += k[((s) + 1) % 3] + (s);
#define BTL_THREEFRY_FIRST BTL_THREEFRY_ROUND(13) BTL_THREEFRY_ROUND(15) BTL_THREEFRY_ROUND(26) BTL_THREEFRY_ROUND(6)
#define BTL_THREEFRY_SECOND BTL_THREEFRY_ROUND(17) BTL_THREEFRY_ROUND(29) BTL_THREEFRY_ROUND(16) BTL_THREEFRY_ROUND(24)
    BTL_THREEFRY_FIRST BTL_THREEFRY_KEY(1u)
    BTL_THREEFRY_SECOND BTL_THREEFRY_KEY(2u)
    BTL_THREEFRY_FIRST BTL_THREEFRY_KEY(3u)
    BTL_THREEFRY_SECOND BTL_THREEFRY_KEY(4u)
    BTL_THREEFRY_FIRST BTL_THREEFRY_KEY(5u)
    memcpy(out_x, x, sizeof x);
    memcpy(out_y, y, sizeof y);
#undef BTL_THREEFRY_ROUND
#undef BTL_THREEFRY_KEY
#undef BTL_THREEFRY_FIRST
#undef BTL_THREEFRY_SECOND
}

#endif
