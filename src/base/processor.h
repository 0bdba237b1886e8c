/* processor.h - what processor this is, as far as compiled code depends on it.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_BASE_PROCESSOR_H
#define BTL_BASE_PROCESSOR_H

#include <stdbool.h>
#include <stddef.h>

/* One line, at most 400 bytes: equal where `-march=native` means the same, so that code compiled on one machine may be
 * run on another with the same line. */
enum { BTL_PROCESSOR_BYTES = 400 };
void btl_processor_describe(char text[BTL_PROCESSOR_BYTES]);

/* 512-bit vectors, by the processor and the operating system. */
bool btl_processor_has_avx512(void);

#endif
