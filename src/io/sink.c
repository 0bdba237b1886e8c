/* sink.c - see sink.h. SPDX-License-Identifier: BSD-3-Clause */
#include "io/sink.h"

#include "base/array.h"
#include "io/bytes.h"

#include <string.h>

enum { SINK_CHUNK_BYTES = 16384 };

btl_status btl_sink_begin(btl_sink *k, const char *path, btl_error *err) {
    return btl_os_write_begin(&k->writer, path, err);
}

void btl_sink_write(btl_sink *k, const void *data, size_t bytes) {
    btl_os_write(&k->writer, data, bytes);
}

/* Elements that lie apart, or in the other byte order, go through a buffer. */
static void sink_write_row(btl_sink *k, const char *from, int64_t step, int64_t n, size_t item) {
    char chunk[SINK_CHUNK_BYTES];
    size_t most = sizeof chunk / item, filled = 0;
    for (int64_t i = 0; i < n; i++, from += step) {
        memcpy(chunk + filled++ * item, from, item);
        if (filled < most && i + 1 < n) continue;
        if (!btl_is_little_endian()) btl_bytes_swap(chunk, item, filled);
        btl_sink_write(k, chunk, filled * item);
        filled = 0;
    }
}

void btl_sink_write_array(btl_sink *k, const btl_array *array) {
    size_t item = (size_t)(array->dtype.bits + 7) / 8;
    int64_t elems = btl_array_elems(array);
    if (elems <= 0) return;
    if (btl_array_is_contiguous(array) && btl_is_little_endian()) {
        btl_sink_write(k, btl_array_data(array), (size_t)elems * item);
        return;
    }
    btl_rows rows;
    btl_rows_init(&rows, 1, array, NULL);
    while (btl_rows_next(&rows)) sink_write_row(k, rows.at[0], rows.stride_bytes[0], rows.length, item);
}

btl_status btl_sink_commit(btl_sink *k, btl_error *err) {
    return btl_os_write_commit(&k->writer, err);
}
