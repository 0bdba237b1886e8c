/* outline.h - an expression in one line, for a person. SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_OUTLINE_H
#define BTL_EXPR_OUTLINE_H

#include "expr/graph.h"

enum { OUTLINE_DEPTH = 4 };

/* "log(1 + exp(x))": a few levels, what is named by its name, "..." for what lies deeper. by_name: v, too. Text of the graph's arena, under its
 * protection. */
const char *btl_var_outline(btl_graph *g, const btl_var *v, bool by_name);

#endif
