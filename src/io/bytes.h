/* bytes.h - byte order, on both ways. SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_IO_BYTES_H
#define BTL_IO_BYTES_H

#include "bitale/base.h"

static inline bool btl_is_little_endian(void) {
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 1;
}

/* Turns each of n items of `item` bytes round, in place. */
static inline void btl_bytes_swap(void *data, size_t item, size_t n) {
    unsigned char *p = data;
    for (size_t i = 0; item > 1 && i < n; i++, p += item)
        for (size_t j = 0; j < item / 2; j++) {
            unsigned char byte = p[j];
            p[j] = p[item - 1 - j];
            p[item - 1 - j] = byte;
        }
}

/* A bool is the byte 0 or 1; files may hold others, which mean true. */
static inline void btl_bytes_fix_bool(void *data, size_t n) {
    unsigned char *p = data;
    for (size_t i = 0; i < n; i++) p[i] = p[i] != 0;
}

/* Little-endian and big-endian unsigned numbers of n bytes. */
static inline uint64_t btl_bytes_le(const unsigned char *p, int n) {
    uint64_t x = 0;
    while (n-- > 0) x = x << 8 | p[n];
    return x;
}

static inline uint64_t btl_bytes_be(const unsigned char *p, int n) {
    uint64_t x = 0;
    for (int i = 0; i < n; i++) x = x << 8 | p[i];
    return x;
}

static inline void btl_bytes_put_le(unsigned char *p, uint64_t x, int n) {
    for (int i = 0; i < n; i++, x >>= 8) p[i] = (unsigned char)x;
}

#endif
