/* generator.h - what the programs that write C while Bitale is built have in common: `NAME OUT.c`. SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TOOLS_GENERATOR_H
#define BTL_TOOLS_GENERATOR_H

#include "base/text.h"

#include <stdio.h>

typedef struct generator { btl_arena *arena; const char *path; } generator;

/* The texts, one behind the other, to the generator's file. EIO after a message. */
static inline btl_status generator_write(const generator *g, int n, const btl_text *parts) {
    FILE *f = fopen(g->path, "w");
    bool good = f != NULL;
    for (int i = 0; good && i < n; i++) good = fwrite(parts[i].data, 1, parts[i].length, f) == parts[i].length;
    if (f && fclose(f) != 0) good = false;
    if (good) return BTL_OK;
    perror(g->path);
    return BTL_EIO;
}

/* The whole of main: `make` gets a generator, under protection of its arena. The exit code. */
static inline int generator_main(int argc, char **argv, const char *name, btl_status (*make)(void *generator)) {
    btl_arena arena;
    if (argc != 2) {
        fprintf(stderr, "usage: %s OUT.c\n", name);
        return 2;
    }
    btl_arena_init(&arena, NULL);
    generator g = { &arena, argv[1] };
    btl_status status = btl_arena_protect(&arena, make, &g);
    btl_arena_deinit(&arena);
    return status == BTL_OK ? 0 : 1;
}

#endif
