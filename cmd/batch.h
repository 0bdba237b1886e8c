/* batch.h - minibatches: all inputs whose first size is `n` are cut into pieces along it, together.
 *
 * Shuffled, epoch e of seed s visits the rows by a permutation that depends on s, e and the number of
 * rows alone, so that another program can make the same one:
 *     state = s + e * 0xd1342543de82ef95 (mod 2^64), e counted from 0
 *     for i = rows-1, …, 1: swap rows i and j, j uniform in 0 … i
 * where j = r % (i+1) of the next r of splitmix64 (Steele, Lea & Flood 2014) from that state that lies
 * below the largest multiple of i+1 under 2^64.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_BATCH_H
#define CMD_BATCH_H

#include "value.h"

typedef struct batch {
    const cmd *c;
    const values *values;
    const char *size_name;
    int64_t rows, size, per_epoch; /* rows in all, in a minibatch; minibatches of an epoch */
    bool shuffle;
    uint64_t seed;
    int64_t epoch;                 /* for which `order` was made, -1: none */
    int64_t *order;
    bool *cut;                     /* by input: is it cut? */
    btl_array *in;                 /* what the next call gets */
    int64_t (*shapes)[BTL_MAX_RANK]; /* those of cut inputs change from call to call */
    char **gathered;               /* rows in the shuffled order */
} batch;

/* "n=128": the name (to be freed) and the rows of a minibatch. 0 or the exit code after a message. */
int batch_parse(const cmd *c, const char *spec, char **name, int64_t *rows);
/* Finds what is cut by "n=128". 0 or the exit code after a message; batch_end in any case. */
int batch_begin(batch *b, const cmd *c, const values *v, const char *spec, bool drop_last, bool shuffle, uint64_t seed);
/* Puts minibatch `step` (counted from 0 over all epochs) into b->in; returns its number of rows. */
int64_t batch_select(batch *b, int64_t step);
void batch_end(batch *b);

/* The permutation itself. */
void batch_permute(uint64_t seed, int64_t epoch, int64_t n, int64_t *order);

#endif
