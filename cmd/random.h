/* random.h - splitmix64 (Steele, Lea & Flood, OOPSLA 2014): shuffling, and inputs for checks.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_RANDOM_H
#define CMD_RANDOM_H

#include "bitale/base.h"

uint64_t random_next(uint64_t *state);
double random_uniform(uint64_t *state, double low, double high);

/* Floats uniform in [low, high); 0.1 and 0.9 are inside the domain of log, sqrt, arcsin and away from the kinks of abs and
 * max at 0. Integers and bool 0 or 1, so that they index whatever has two elements. */
void random_fill(uint64_t *state, double low, double high, btl_array *array);
/* Adds uniform numbers in [0, 0.1) to floats; other types stay. */
void random_perturb(uint64_t *state, btl_array *array);
/* Moves each float to one of its neighbours, the next but one, or nowhere. */
void random_move(uint64_t *state, btl_array *array);

#endif
