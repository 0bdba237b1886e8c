/* error.c - status texts and messages. SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

const char *btl_status_text(btl_status status) {
    switch (status) {
#define STATUS_TEXT(name, number, text, exit_code)                                                \
    case BTL_##name: return text;
        BTL_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

const char *btl_version(void) {
    return BTL_VERSION_STRING;
}

btl_status btl_error_set(btl_error *err, btl_status status, const char *format, ...) {
    if (!err || err->status != BTL_OK) return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

bool btl_mul_i64(int64_t a, int64_t b, int64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

bool btl_add_i64(int64_t a, int64_t b, int64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}
