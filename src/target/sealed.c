/* sealed.c - see sealed.h. SPDX-License-Identifier: BSD-3-Clause */
#include "target/sealed.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

/* Numbers are in the machine's own order: code of another kind of machine is of no use. */
typedef struct sealed_seal {
    char magic[8];
    uint64_t key[2], compiler_key;
    uint64_t object_bytes, material_bytes, compiler_bytes;
    int64_t created;
    uint64_t object_hash[2], texts_hash[2];
    uint64_t seal_hash; /* of all before */
} sealed_seal;
_Static_assert(sizeof(sealed_seal) == 13 * 8, "a format of files has no gaps");

static const char sealed_magic[8] = { 'b', 't', 'l', 'c', 'o', 'd', 'e', 1 };

void btl_sealed_identify(btl_sealed *s) {
    btl_hash_bytes_128(s->material, s->material_bytes, s->key);
    s->compiler_key = btl_hash_bytes(s->compiler, s->compiler_bytes, 0);
}

void btl_sealed_name(const btl_sealed *s, char name[BTL_SEALED_NAME_BYTES]) {
    snprintf(name, BTL_SEALED_NAME_BYTES, "%016llx%016llx-%016llx.so", (unsigned long long)s->key[0],
             (unsigned long long)s->key[1], (unsigned long long)s->compiler_key);
}

bool btl_sealed_is_name(const char *name) {
    static const char hex[] = "0123456789abcdef";
    return strlen(name) == BTL_SEALED_NAME_BYTES - 1 && strspn(name, hex) == 32 && name[32] == '-' &&
           strspn(name + 33, hex) == 16 && strcmp(name + 49, ".so") == 0;
}

static uint64_t sealed_hash(const sealed_seal *seal) {
    return btl_hash_bytes(seal, offsetof(sealed_seal, seal_hash), 0);
}

char *btl_sealed_tail(btl_arena *a, const btl_sealed *s, size_t *bytes) {
    sealed_seal seal = { .key = { s->key[0], s->key[1] }, .compiler_key = s->compiler_key, .object_bytes = s->object_bytes,
                         .material_bytes = s->material_bytes, .compiler_bytes = s->compiler_bytes, .created = s->created };
    size_t texts = s->material_bytes + s->compiler_bytes;
    char *tail = btl_arena_alloc(a, texts + sizeof seal);
    memcpy(tail, s->material, s->material_bytes);
    memcpy(tail + s->material_bytes, s->compiler, s->compiler_bytes);
    memcpy(seal.magic, sealed_magic, sizeof seal.magic);
    btl_hash_bytes_128(s->object, s->object_bytes, seal.object_hash);
    btl_hash_bytes_128(tail, texts, seal.texts_hash);
    seal.seal_hash = sealed_hash(&seal);
    memcpy(tail + texts, &seal, sizeof seal);
    *bytes = texts + sizeof seal;
    return tail;
}

/* The seal at the end of `data`; NULL, or what is wrong. */
static const char *sealed_read(const char *data, size_t bytes, size_t file_bytes, sealed_seal *seal) {
    if (bytes < sizeof *seal) return "it is too short";
    memcpy(seal, data + bytes - sizeof *seal, sizeof *seal);
    if (memcmp(seal->magic, sealed_magic, sizeof seal->magic) != 0) return "it does not end in Bitale's seal";
    if (seal->seal_hash != sealed_hash(seal)) return "its seal is damaged";
    uint64_t most = file_bytes - sizeof *seal;
    if (seal->material_bytes > most || seal->compiler_bytes > most || seal->object_bytes > most ||
        seal->object_bytes + seal->material_bytes + seal->compiler_bytes != most)
        return "it is not as long as its seal says";
    return NULL;
}

static const char *sealed_texts(const char *end, const sealed_seal *seal, btl_sealed *s) {
    uint64_t hash[2];
    size_t texts = (size_t)(seal->material_bytes + seal->compiler_bytes);
    const char *material = end - sizeof *seal - texts;
    btl_hash_bytes_128(material, texts, hash);
    if (memcmp(hash, seal->texts_hash, sizeof hash) != 0) return "its texts are damaged";
    *s = (btl_sealed){ .material = material, .material_bytes = (size_t)seal->material_bytes,
                       .compiler = material + seal->material_bytes, .compiler_bytes = (size_t)seal->compiler_bytes,
                       .object_bytes = (size_t)seal->object_bytes, .key = { seal->key[0], seal->key[1] },
                       .compiler_key = seal->compiler_key, .created = seal->created };
    return NULL;
}

const char *btl_sealed_parse_end(const char *data, size_t bytes, size_t file_bytes, size_t *missing, btl_sealed *s) {
    sealed_seal seal;
    *missing = 0;
    const char *problem = sealed_read(data, bytes, file_bytes, &seal);
    if (problem) return problem;
    size_t wanted = file_bytes - (size_t)seal.object_bytes;
    if (bytes < wanted) *missing = wanted - bytes;
    return *missing ? NULL : sealed_texts(data + bytes, &seal, s);
}

const char *btl_sealed_parse(const char *data, size_t bytes, btl_sealed *s) {
    sealed_seal seal;
    uint64_t hash[2];
    const char *problem = sealed_read(data, bytes, bytes, &seal);
    if (!problem) problem = sealed_texts(data + bytes, &seal, s);
    if (problem) return problem;
    btl_hash_bytes_128(data, s->object_bytes, hash);
    if (memcmp(hash, seal.object_hash, sizeof hash) != 0) return "its code is damaged";
    s->object = data;
    return NULL;
}
