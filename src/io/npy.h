/* npy.h - reading .npy from any source. SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_IO_NPY_H
#define BTL_IO_NPY_H

#include "io/source.h"

enum { BTL_NPY_MAGIC_BYTES = 6 };
bool btl_npy_has_magic(const void *bytes, size_t length);

/* One array, which must end where the source ends. */
btl_status btl_npy_read_source(btl_source *s, btl_array *out, btl_error *err);

#endif
