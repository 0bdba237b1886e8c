/* functions.c - calls functions that bitale_add_function made of line.bitale and product.bitale.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fit.h"
#include "line_at.h"
#include "product.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    const double x[] = { 0, 1, 2, 3 }, y[] = { 1, 3, 5, 7 }, where[] = { 10, 20 };
    double cost = 0, at[2];
    const int64_t four = 4, two = 2;
    const void *points[] = { x, y, NULL }, *places[] = { where };
    void *costs[] = { &cost }, *values[] = { at };
    line_state state;
    void *work = malloc(fit_work(&four) + line_at_work(&two) + 1);
    line_init(&state);
    for (int i = 0; i < 1000; i++)
        if (!work || fit(&state, &four, points, costs, work)) return 1;
    if (line_at(&state, &two, places, values, work)) return 1;
    free(work);
    if (fabs(state.a - 2) > 1e-6 || fabs(state.b - 1) > 1e-6 || fabs(at[0] - 21) > 1e-5 || fabs(at[1] - 41) > 1e-5 || cost > 1e-9) return 1;

    const float p[] = { 1, 2, 3, 4, 5, 6 };
    static unsigned char space[PRODUCT_WORK + 1];
    float z[4];
    const void *factors[] = { p, p };
    void *product_out[] = { z };
    if (product(factors, product_out, space) || z[0] != 22 || z[1] != 28 || z[2] != 49 || z[3] != 64) return 1;
    puts("functions: right");
    return 0;
}
