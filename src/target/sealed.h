/* sealed.h - the format of a cached shared object: the object, and behind it what it was made from and a seal.
 *
 *     object | material | compiler | seal (104 bytes)
 *
 * A loader reads an ELF file by the offsets in its header and never looks at what follows, so the file is loaded as it
 * lies. `material` is all that the code depends on but the compiler, as text: its hash is the first half of the file's
 * name, and it is kept whole so that two materials with one hash are told apart, and a person can read what the code is.
 * The seal has lengths and hashes of it all: a file that is damaged, cut or a stranger is known at once.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TARGET_SEALED_H
#define BTL_TARGET_SEALED_H

#include "base/text.h"

typedef struct btl_sealed {
    const char *object, *material, *compiler; /* not 0-terminated */
    size_t object_bytes, material_bytes, compiler_bytes;
    uint64_t key[2];       /* of the material */
    uint64_t compiler_key;
    int64_t created;       /* seconds since 1970 */
} btl_sealed;

/* The keys of material and compiler. */
void btl_sealed_identify(btl_sealed *s);

/* "0123456789abcdef0123456789abcdef-0123456789abcdef.so": key and compiler. */
enum { BTL_SEALED_NAME_BYTES = 32 + 1 + 16 + 3 + 1 };
void btl_sealed_name(const btl_sealed *s, char name[BTL_SEALED_NAME_BYTES]);
bool btl_sealed_is_name(const char *name);

/* What is to follow the object in the file. Only under protection. */
char *btl_sealed_tail(btl_arena *a, const btl_sealed *s, size_t *bytes);

/* The parts of a file, all hashes compared; they point into `data`. Returns NULL, or what is wrong with it. */
const char *btl_sealed_parse(const char *data, size_t bytes, btl_sealed *s);
/* The same from the last bytes of the file alone, enough for its texts: without looking at the object. `file_bytes` is
 * the length of all; `*missing` receives how many bytes before `data` are wanted too (then call again with them). */
const char *btl_sealed_parse_end(const char *data, size_t bytes, size_t file_bytes, size_t *missing, btl_sealed *s);

#endif
