/* inputs.h - calls on made-up inputs: sizes and values for what is not given; calls of one function in several modes.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_INPUTS_H
#define CMD_INPUTS_H

#include "value.h"

/* Sizes by name: those given, those of given arrays, and 3, 4, 5, … for the others. */
typedef struct inputs_sizes {
    int n;
    const char **names;
    int64_t *values;
    char *text;             /* "n=3, m=4", those that arguments carry */
} inputs_sizes;

inputs_sizes inputs_choose_sizes(const values *v);
void inputs_sizes_free(inputs_sizes *s);

/* Random values, floats from low to high, for what was not given; defaults stay where `keep_defaults`. */
btl_status inputs_fill(const cmd *c, uint64_t seed, double low, double high, values *v, const inputs_sizes *s, bool keep_defaults, btl_error *err);

/* A function in one mode, called once. */
typedef struct inputs_call { const char *mode; btl_function *f; btl_state *state; btl_array *out; } inputs_call;

/* inputs_call_free in any case. */
btl_status inputs_call_make(const cmd *c, btl_graph *g, btl_entry *e, const btl_function_options *options, const values *v, const inputs_sizes *s,
                            inputs_call *out, btl_error *err);
void inputs_call_free(inputs_call *c);

/* The i-th result, and behind them new values of shared variables (to be freed: *owned); its name, NULL behind the last. */
const char *inputs_call_value(const inputs_call *c, int i, btl_array *out, bool *owned);

/* A tolerance for values computed twice in one type: sums in another order lose some digits. */
double inputs_tolerance(const btl_array *a);

/* The list's next mode, behind the comma that ends this one (cut off there); words with an "=" belong to the mode before them.
 * NULL behind the last. */
char *inputs_next_mode(char *mode);

#endif
