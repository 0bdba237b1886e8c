/* parser.h - what other files of expr/ ask of the parser; for people it is in bitale/expr.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_EXPR_PARSER_H
#define BTL_EXPR_PARSER_H

#include "expr/graph.h"

/* Reads a type: "f32[n, 784]". A name that is new is a new symbolic size; each `?` is one of its
 * own. On a mistake it calls btl_fail and returns the status; btl_fail_done is the caller's. */
btl_status btl_parse_type(btl_graph *g, const char *text, btl_type *out);

#endif
