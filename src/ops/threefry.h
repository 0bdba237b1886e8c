/* threefry.h - Threefry-2x32-20: 64 random bits from a key of 64 and a counter of 64.
 *
 * A block cipher's rounds without the strength: additions, rotations, exclusive ors, the key mixed in
 * again every four rounds. Passes BigCrush with 13 rounds already.
 * Source: Salmon, Moraes, Dror & Shaw (2011), Parallel random numbers: as easy as 1, 2, 3 (SC11);
 * rotations and parity constant as in their Random123 library, whose test vectors our tests have.
 * Many blocks at once: btl_threefry_lanes (support.inc).
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

#endif
