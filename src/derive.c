/* derive.c - btl_grad: first the stable form, then its derivative.
 *
 * The derivative of log(softmax(x)) as written is 1/p, infinite where p underflowed; that of
 * log_softmax(x) is finite everywhere. So the cost is rewritten by the stabilising rules, with the
 * variables of wrt left in place, and no pattern has to be hunted for in the gradient's graph
 * (docs/GRADIENT.md shows it in numbers). This file stands above grad/ and rewrite/, which do not
 * know of each other.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/grad.h"

#include "grad/reverse.h"
#include "rewrite/driver.h"

typedef struct derive_args {
    btl_graph *g;
    btl_var *cost;
    int n;
    btl_var *const *wrt;
    btl_disconnected how;
    btl_var **out;
} derive_args;

static btl_status derive_run(void *arg) {
    derive_args *a = arg;
    btl_var *cost = a->cost;
    btl_rewrite_options options = { .phases = BTL_STABILIZE, .nbarriers = a->n, .barriers = a->wrt };
    BTL_TRY(btl_rewrite(a->g, 1, &cost, &options));
    return btl_grad_reverse(a->g, cost, a->n, a->wrt, a->how, a->out);
}

btl_status btl_grad(btl_graph *g, btl_var *cost, int n, btl_var *const *wrt, btl_disconnected how, btl_var **out) {
    bool missing = !cost;
    for (int i = 0; i < n; i++) {
        out[i] = NULL;
        missing = missing || !wrt[i];
    }
    if (missing) return g->status != BTL_OK ? g->status : BTL_EUSAGE;
    derive_args a = { g, cost, n, wrt, how, out };
    return btl_graph_protect(g, derive_run, &a);
}
