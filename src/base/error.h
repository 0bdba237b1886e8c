/* error.h - filling a btl_error. The first error wins: an error already recorded is kept.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_BASE_ERROR_H
#define BTL_BASE_ERROR_H

#include "bitale/base.h"

/* Forwards a failure to the caller. */
#define BTL_TRY(expr)                                                                             \
    do {                                                                                          \
        btl_status btl_try_status = (expr);                                                       \
        if (btl_try_status != BTL_OK) return btl_try_status;                                      \
    } while (0)

/* Is that member part of the caller's struct? (Members that came later; struct_size 0: none of them.) */
#define BTL_HAS(options, member) ((options)->struct_size >= offsetof(__typeof__(*(options)), member) + sizeof (options)->member)

/* Records status and message in err (which may be NULL) and returns the status. */
btl_status btl_error_set(btl_error *err, btl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* a*b and a+b for sizes; false on overflow of int64. */
bool btl_mul_i64(int64_t a, int64_t b, int64_t *out);
bool btl_add_i64(int64_t a, int64_t b, int64_t *out);

#endif
