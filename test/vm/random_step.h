/* random_step.h - a random step of training: three shared matrices, an argument, six expressions, two results.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TEST_RANDOM_STEP_H
#define BTL_TEST_RANDOM_STEP_H

#include "support.h"

#include <stdio.h>

static const char *const random_step_states[] = { "a", "b", "c", "x", "m", "n" };
static inline int random_step_pick(btl_rng *r, int n) { return (int)btl_rng_below(r, (uint64_t)n); }

static inline void random_step(btl_rng *r, char *text, size_t bytes) {
    static const char *const forms[] = { "$ + $", "$ * $ - 0.5 * $", "tanh($)", "sin($) + $", "$ @ $", "$.T + $", "$ - sum($, axis=0)", "$[::-1] * 0.5", "where($ > $, $, 0.0)",
                                         "exp(-$ * $)", "set_subtensor($[1], $[0])", "$ / (1 + abs($))", "concatenate([$[2:], $[:2]])", "max($, axis=1, keepdims=true) - $",
                                         "reshape(reshape($ + 1, shape=[16]) * 2, shape=[4, 4])",
                                         "concatenate([tanh($[:2]), $[2:] * 0.5])", "concatenate([$[:1] - $[3:], sin($[2]) + $[:3]])", "concatenate([$[2:] @ $, $[:2] - $[:2] @ $])" };
    size_t at = (size_t)snprintf(text, bytes, "input x: f64[4, 4]\nshared a: f64[4, 4] = eye(4)\nshared b: f64[4, 4] = full([4, 4], 0.25)\nshared c: f64[4, 4] = zeros([4, 4])\n");
    int known = 4;
    for (int line = 0; line < 6; line++) {
        const char *f = forms[random_step_pick(r, (int)(sizeof forms / sizeof *forms))];
        at += (size_t)snprintf(text + at, bytes - at, "t%d = ", line);
        for (; *f; f++) {
            int which = random_step_pick(r, known + line);
            if (*f != '$') at += (size_t)snprintf(text + at, bytes - at, "%c", *f);
            else if (which < known) at += (size_t)snprintf(text + at, bytes - at, "%s", random_step_states[which]);
            else at += (size_t)snprintf(text + at, bytes - at, "t%d", which - known);
        }
        at += (size_t)snprintf(text + at, bytes - at, "\n");
    }
    at += (size_t)snprintf(text + at, bytes - at, "output y = t%d, z = t%d + %s\n", random_step_pick(r, 6), random_step_pick(r, 6), random_step_states[random_step_pick(r, 4)]);
    for (int i = 0; i < 3; i++)
        if (random_step_pick(r, 4)) at += (size_t)snprintf(text + at, bytes - at, "update %s = t%d * 0.5 + %s * 0.25\n", random_step_states[i], random_step_pick(r, 6), random_step_states[random_step_pick(r, 2) ? i : random_step_pick(r, 4)]);
}

#endif
