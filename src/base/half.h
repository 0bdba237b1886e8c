/* half.h - the two 16-bit floating-point types, held as their bits.
 *
 *     f16   1 sign, 5 exponent, 10 fraction bits: IEEE 754-2019 binary16
 *     bf16  1 sign, 8 exponent,  7 fraction bits: the upper half of a binary32
 *
 * Widening is exact. Narrowing rounds to nearest, ties to even, once: from f64 directly, because
 * going through f32 would round twice. All of it is integer arithmetic on the bits, so that it
 * depends neither on the rounding mode nor on how the processor treats subnormals.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_BASE_HALF_H
#define BTL_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t btl_f32_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float btl_f32_from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint64_t btl_f64_bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* m / 2^shift to nearest, ties to even; 0 < shift. */
static inline uint64_t btl_round_shift(uint64_t m, int shift) {
    if (shift > 63) return 0;
    uint64_t half = (uint64_t)1 << (shift - 1), rest = m & (2 * half - 1), q = m >> shift;
    return q + (rest > half || (rest == half && (q & 1)));
}

/* An IEEE format of `wide_exp`/`wide_frac` bits into a narrower one of 16 bits. The fraction with
 * its hidden bit is rounded as an integer and the exponent added to it, so that a carry out of the
 * fraction (into the next power of two, out of the subnormals, into infinity) needs no case. */
static inline uint16_t btl_narrow_bits(uint64_t bits, int wide_exp, int wide_frac, int exp, int frac) {
    uint64_t sign = (bits >> (wide_exp + wide_frac)) << 15;
    uint64_t fraction = bits & (((uint64_t)1 << wide_frac) - 1);
    int top = (1 << wide_exp) - 1, e = (int)(bits >> wide_frac) & top, drop = wide_frac - frac;
    uint64_t infinity = (((uint64_t)1 << exp) - 1) << frac;
    if (e == top) { /* infinity, or a NaN, which stays one and becomes quiet */
        uint64_t quiet = fraction ? (fraction >> drop) | ((uint64_t)1 << (frac - 1)) : 0;
        return (uint16_t)(sign | infinity | quiet);
    }
    if (e == 0) e = 1;
    else fraction |= (uint64_t)1 << wide_frac;
    int narrow = e - (top >> 1) + ((1 << (exp - 1)) - 1); /* the exponent field it would get */
    uint64_t q;
    if (narrow < 1) q = btl_round_shift(fraction, drop + 1 - narrow);
    else q = ((uint64_t)(narrow - 1) << frac) + btl_round_shift(fraction, drop);
    return (uint16_t)(sign | (q < infinity ? q : infinity));
}

static inline float btl_half_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = (h >> 10) & 31, fraction = h & 0x3ff;
    if (e == 31) return btl_f32_from_bits(sign | 0x7f800000 | fraction << 13);
    if (e) return btl_f32_from_bits(sign | (e + 112) << 23 | fraction << 13);
    return btl_f32_from_bits(sign | btl_f32_bits((float)fraction * 0x1p-24f));
}

static inline uint16_t btl_half_from_f32(float x) {
    return btl_narrow_bits(btl_f32_bits(x), 8, 23, 5, 10);
}

static inline uint16_t btl_half_from_f64(double x) {
    return btl_narrow_bits(btl_f64_bits(x), 11, 52, 5, 10);
}

static inline float btl_bf16_to_f32(uint16_t b) {
    return btl_f32_from_bits((uint32_t)b << 16);
}

static inline uint16_t btl_bf16_from_f32(float x) {
    uint32_t bits = btl_f32_bits(x);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline uint16_t btl_bf16_from_f64(double x) {
    return btl_narrow_bits(btl_f64_bits(x), 11, 52, 8, 7);
}

#endif
