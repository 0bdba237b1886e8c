/* watch.h - mode monitor in the command: a line for each node, with the range of its results.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_WATCH_H
#define CMD_WATCH_H

#include "common.h"
#include "json.h"

typedef struct watch_result { char *name, *type; btl_range range; } watch_result;
typedef struct watch_node { char *op, *file; int line, column, nresults; watch_result *results; double seconds; } watch_node;

typedef struct watch {
    const cmd *c;
    btl_monitor monitor;
    int n;              /* nodes of the call so far, kept for JSON */
    watch_node *nodes;
} watch;

/* The hook for calls of f; NULL where it is not in mode monitor, or nothing is to be printed. */
const btl_monitor *watch_begin(watch *w, const cmd *c, const btl_function *f);
/* Before each call; step 0: there is only one. */
void watch_step(watch *w, int64_t step);
/* The nodes of the last call as a member "nodes". */
void watch_print_json(const watch *w, json *j);
void watch_end(watch *w);

#endif
