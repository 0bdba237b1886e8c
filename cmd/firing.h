/* firing.h - a rewrite as a person reads it. SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_FIRING_H
#define CMD_FIRING_H

#include "common.h"
#include "json.h"

/* A btl_firing of which the texts are kept. */
typedef struct firing { btl_firing f; char *text[8]; } firing;

firing firing_copy(const btl_firing *f);
void firing_free(firing *f);

/* "file:3:5: rule (phase): before => after", with `source` the line and a caret. On standard output. */
void firing_print(const btl_firing *f, bool source);
void firing_json(json *j, const char *key, const btl_firing *f);

/* "    3 | y = tanh(x)" and a caret below. */
void firing_print_source(int line, int column, const char *source);

#endif
