/* pack_csv.h - a list of buffers as text: CSV in and out, and a picture.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_PACK_CSV_H
#define CMD_PACK_CSV_H

#include "common.h"

#include <stdio.h>

typedef struct pack_list {
    int n;
    btl_pack_buffer *buffers;
    char **ids;          /* in the text that was read */
    int *lines;
    bool inclusive;      /* columns first,last: both included; else lower,upper, half open */
} pack_list;

/* Reads a text (which is changed and kept by its owner). 0, or the exit code after a message with file and line. */
int pack_csv_read(const cmd *c, char *text, size_t length, pack_list *out);
void pack_csv_write(FILE *f, const pack_list *l);
void pack_list_free(pack_list *l);

/* Lives from left to right, addresses from below: one rectangle a buffer. `capacity` 0: none. */
void pack_svg_write(FILE *f, const pack_list *l, const btl_pack_result *r, int64_t capacity);

#endif
