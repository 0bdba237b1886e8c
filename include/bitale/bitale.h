/* bitale.h - everything. A tour:
 *
 *     btl_context *ctx;  btl_graph *g;  btl_function *f;  btl_error e = { 0 };
 *     btl_context_new(NULL, &ctx);
 *     btl_graph_new(ctx, &g);
 *     btl_var *x = btl_input(g, "x", "f64[n]");
 *     btl_var *y = btl_expr(g, "sum(x * tanh(x))", "x", x, NULL);   // an expression of the notation,
 *     btl_var *gx;                                                    // or builders: btl_sum(g, …)
 *     btl_grad(g, y, 1, &x, BTL_DISCONNECTED_ERROR, &gx);           // its gradient, as an expression
 *     btl_entry *entry = btl_entry_new(g, "value_and_gradient");
 *     btl_entry_add_input(g, entry, x, NULL);
 *     btl_entry_add_output(g, entry, "y", y);
 *     btl_entry_add_output(g, entry, "gx", gx);
 *     btl_function_new(g, entry, NULL, &f, &e);                     // compiled: rewritten, fused, planned
 *     btl_call(f, NULL, in, out, NULL, &e);                         // from any thread
 *
 * A program can also be written as text (btl_graph_parse) with several functions on shared variables;
 * btl_state_new makes the buffers that they share.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_BITALE_H
#define BITALE_BITALE_H

#include "bitale/base.h"
#include "bitale/expr.h"
#include "bitale/extend.h"
#include "bitale/grad.h"
#include "bitale/io.h"
#include "bitale/memory.h"
#include "bitale/ops.h"
#include "bitale/rules.h"
#include "bitale/vm.h"

#endif
