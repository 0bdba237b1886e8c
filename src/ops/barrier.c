/* barrier.c - stop_gradient: its operand, through which no gradient passes and no rule looks.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/emit.h"
#include "ops/helpers.h"
#include "ops/loops.h"

#include <string.h>

static btl_status barrier_infer(btl_infer *x) {
    x->out[0] = x->in[0]->type;
    return BTL_OK;
}

static btl_status barrier_view(btl_exec *x) {
    x->out[0].data = x->in[0].data;
    if (x->in[0].rank) memcpy(x->out[0].strides, x->in[0].strides, (size_t)x->in[0].rank * sizeof *x->in[0].strides);
    return BTL_OK;
}

static btl_status barrier_emit(btl_emit *e) {
    for (int k = 0; k < e->node->in[0]->type.rank; k++) {
        btl_extent stride = btl_extent_stride(e, 0, k);
        btl_emit_view_stride(e, k, stride.known, stride.text);
    }
    return BTL_OK;
}

static bool barrier_connected(const btl_node *n, int out, int in) {
    (void)n, (void)out, (void)in;
    return false;
}

static const btl_op_alias barrier_views[] = { { 0, 0 }, { -1, -1 } };
static const char *const barrier_samples[] = { "x: f32[2, 3]", "x: i32", "x: f64[0]", NULL };

const btl_op btl_op_stop_gradient = {
    .name = "stop_gradient", .doc = "x, taken as a constant by grad", .signature = "stop_gradient(x)", .version = 1,
    .min_in = 1, .max_in = 1, .nout = 1, .flags = OP_BARRIER, .infer = barrier_infer, .view = barrier_view,
    .views = barrier_views, .emit = barrier_emit, .connected = barrier_connected, .batch = btl_batch_same, .samples = barrier_samples,
};

btl_var *btl_stop_gradient(btl_graph *g, btl_var *x) {
    return btl_build(g, &btl_op_stop_gradient, 1, &x, NULL, NULL);
}
