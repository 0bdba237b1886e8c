/* fuse.h - what becomes one kernel.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_FUSE_H
#define BTL_SCHEDULE_FUSE_H

#include "expr/graph.h"

/* Rebuilds what the roots depend on with every elementwise op, cast and reduction inside a node of
 * op `fused`, and replaces the roots; types and values stay the same. Deterministic, linear in the
 * nodes. `alone`: every node becomes a kernel of its own. Only under protection. BTL_OK, or the
 * graph's error. */
btl_status btl_fuse(btl_graph *g, int nroots, btl_var **roots, bool alone);

#endif
