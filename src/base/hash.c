/* hash.c - see hash.h. SPDX-License-Identifier: BSD-3-Clause */
#include "base/hash.h"

#include <string.h>

#define XXH_INLINE_ALL
#include "xxhash/xxhash.h"

uint64_t btl_hash_bytes(const void *data, size_t bytes, uint64_t seed) {
    return XXH3_64bits_withSeed(data, bytes, seed);
}

void btl_hash_bytes_128(const void *data, size_t bytes, uint64_t hash[2]) {
    XXH128_hash_t h = XXH3_128bits(data, bytes);
    hash[0] = h.high64, hash[1] = h.low64;
}

void *btl_table_find(const btl_table *t, uint64_t hash, bool (*equal)(const void *key, const void *thing),
                     const void *key) {
    if (!t->capacity) return NULL;
    size_t mask = t->capacity - 1;
    for (size_t i = hash & mask; t->things[i]; i = (i + 1) & mask)
        if (t->hashes[i] == hash && equal(key, t->things[i])) return t->things[i];
    return NULL;
}

static void table_put(btl_table *t, uint64_t hash, void *thing) {
    size_t mask = t->capacity - 1, i = hash & mask;
    while (t->things[i]) i = (i + 1) & mask;
    t->hashes[i] = hash;
    t->things[i] = thing;
}

void btl_table_add(btl_table *t, btl_arena *a, uint64_t hash, void *thing) {
    if (4 * (t->count + 1) > 3 * t->capacity) {
        btl_table bigger = { .count = t->count, .capacity = t->capacity ? 2 * t->capacity : 16 };
        bigger.hashes = BTL_ARRAY(a, uint64_t, bigger.capacity);
        bigger.things = BTL_ARRAY(a, void *, bigger.capacity);
        for (size_t i = 0; i < t->capacity; i++)
            if (t->things[i]) table_put(&bigger, t->hashes[i], t->things[i]);
        *t = bigger;
    }
    table_put(t, hash, thing);
    t->count++;
}

bool btl_table_name_equal(const void *key, const void *thing) {
    return strcmp(key, *(const char *const *)thing) == 0;
}
