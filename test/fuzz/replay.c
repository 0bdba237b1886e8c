/* replay.c - runs a fuzz target over files instead of under a fuzzer, so that every compiler and
 * every CI run goes through what the fuzzer once found: replay FILE-or-FOLDER …
 * Each file is given whole and cut off in its middle; the empty input comes first. A folder that
 * is not there is no error: a new target has no corpus yet.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Gives a copy of exactly `size` bytes, so that a sanitizer sees the first byte read beyond. */
static int replay_bytes(const char *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) return 1;
    copy[0] = 0;
    if (size) memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 0;
}

static int replay_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        return 1;
    }
    size_t size = 0, capacity = 1 << 16, n;
    char *data = malloc(capacity);
    while (data && (n = fread(data + size, 1, capacity - size, f)) > 0) {
        size += n;
        if (size == capacity) {
            char *bigger = realloc(data, capacity *= 2);
            if (!bigger) free(data);
            data = bigger;
        }
    }
    fclose(f);
    printf("%s: %zu bytes\n", path, size);
    fflush(stdout); /* so that the last line names the file that failed */
    int bad = !data || replay_bytes(data, size) || replay_bytes(data, size / 2);
    free(data);
    return bad;
}

static int replay_folder(const char *path, DIR *folder) {
    int bad = 0;
    for (struct dirent *e; (e = readdir(folder));) {
        if (e->d_name[0] == '.') continue;
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        bad |= replay_file(file);
    }
    return bad;
}

int main(int argc, char **argv) {
    int bad = replay_bytes("", 0);
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (folder) {
            bad |= replay_folder(argv[i], folder);
            closedir(folder);
        } else if (errno == ENOTDIR) {
            bad |= replay_file(argv[i]);
        } else if (errno == ENOENT) {
            printf("%s: not there, nothing to replay\n", argv[i]);
        }
    }
    return bad;
}
