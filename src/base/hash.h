/* hash.h - hashing (xxHash) and a table that interns things in an arena.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_BASE_HASH_H
#define BTL_BASE_HASH_H

#include "base/arena.h"

uint64_t btl_hash_bytes(const void *data, size_t bytes, uint64_t seed);
/* 128 bits, for names of files: the same on every machine. */
void btl_hash_bytes_128(const void *data, size_t bytes, uint64_t hash[2]);
static inline uint64_t btl_hash_mix(uint64_t h, uint64_t x) {
    h ^= x + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
    h *= 0xff51afd7ed558ccdu;
    return h ^ (h >> 32);
}

/* Open addressing over (hash, thing); things are never removed. Start from {0}. */
typedef struct btl_table {
    uint64_t *hashes;
    void **things; /* NULL = free */
    size_t count, capacity;
} btl_table;

/* The thing with this hash for which equal(key, thing), or NULL. */
void *btl_table_find(const btl_table *t, uint64_t hash, bool (*equal)(const void *key, const void *thing),
                     const void *key);
void btl_table_add(btl_table *t, btl_arena *a, uint64_t hash, void *thing);

/* For tables whose key is a name: equal() for things that begin with a `const char *`. */
bool btl_table_name_equal(const void *key, const void *thing);

#endif
