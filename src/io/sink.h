/* sink.h - a file being written, complete or not at all; and arrays as the bytes of a file.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_IO_SINK_H
#define BTL_IO_SINK_H

#include "base/os.h"

typedef struct btl_sink { btl_os_writer writer; } btl_sink;

btl_status btl_sink_begin(btl_sink *k, const char *path, btl_error *err);
/* Failures are kept and told by btl_sink_commit. */
void btl_sink_write(btl_sink *k, const void *data, size_t bytes);
/* The elements in row-major order, little-endian; any strides. */
void btl_sink_write_array(btl_sink *k, const btl_array *array);
btl_status btl_sink_commit(btl_sink *k, btl_error *err);

#endif
