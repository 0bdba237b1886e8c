/* value.h - the arguments of a call as they stand on the command line: NAME=VALUE.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_VALUE_H
#define CMD_VALUE_H

#include "common.h"

/* What a call gets. `in` has an array for each argument of the function: those not given are cleared,
 * which stands for the default. */
typedef struct values {
    const btl_function *f;
    int ninputs;
    btl_array *in;
    int nsizes, size_capacity;
    const char **size_names;
    int64_t *size_values;
} values;

/* Reads n words NAME=VALUE for a function. Every mistake is printed; 0 or the exit code. values_free in
 * any case. With `partial`, arguments may be missing. */
int values_read(cmd *c, const btl_function *f, int n, char **words, bool partial, values *out);
void values_free(values *v);

/* Options of a call with the sizes that were given. */
btl_call_options values_call_options(const cmd *c, const values *v);

/* "f32 [3, 784]" of a function's argument: "x: f32[n, 784]". Free it. */
char *values_argument(const btl_function *f, int i);

/* Converts a loaded array to the type of an argument if that loses nothing (numbers of a .csv are text:
 * they take the type that is asked for if they fit it). 0, or the exit code after a message. */
int values_convert(const cmd *c, const char *word, const char *argument, btl_dtype to, bool is_text, btl_array *array);

#endif
