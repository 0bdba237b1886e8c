/* driver.h - runs rewrite rules over a graph until none applies.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_REWRITE_DRIVER_H
#define BTL_REWRITE_DRIVER_H

#include "rewrite/match.h"

/* What became of a rewriting. */
typedef struct btl_rewrite_report {
    int fired;         /* rules, in all */
    const char *note;  /* rules that did not end and were switched off, a line each, of the graph's arena; or NULL */
} btl_rewrite_report;

/* Start from {0}; at least `phases` must be set. */
typedef struct btl_rewrite_options {
    unsigned phases;                   /* mask of btl_phase, run in their order */
    unsigned along;                    /* phases that have run, and whose rules tidy up what later ones make */
    int nwith, nwithout;               /* switches: names or tags of rules; without wins */
    const char *const *with, *const *without;
    int nbarriers;                     /* variables that are neither replaced nor looked through */
    btl_var *const *barriers;
    void (*trace)(void *user, const btl_compiled_rule *rule, unsigned phase, const btl_var *before, const btl_var *after);
    void *trace_user;
    int64_t *fuel;                     /* firings that are left, but for lowering's; NULL: no limit */
    btl_rewrite_report *report;        /* NULL, or filled in */
} btl_rewrite_options;

/* Replaces roots[i] by their rewritten versions, variables of the same graph with the same types.
 * Nodes are immutable: what changed is new, the rest is shared with the old graph. Must run under
 * btl_graph_protect. BTL_ENAME for a switch that names no rule or tag (not recorded in the graph). A rule of a user's own that does not
 * end is an error of the graph, and the roots stay as they were.
 * Linear in the nodes that the roots depend on and in those that rules make. */
btl_status btl_rewrite(btl_graph *g, int nroots, btl_var **roots, const btl_rewrite_options *options);

/* "stabilize", of one phase. */
const char *btl_phase_name(unsigned phase);
/* Is a rule on under these switches? */
bool btl_rule_is_on(const btl_rule *rule, const btl_rewrite_options *options);
/* Is the word its name, or one of its tags? */
bool btl_rule_word_is(const btl_rule *rule, const char *word);
/* The first switch that names no rule and no tag, or NULL. Under protection of the graph. */
const char *btl_rewrite_unknown_switch(btl_graph *g, const btl_rewrite_options *options);

#endif
