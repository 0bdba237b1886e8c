/* alias.h - which overwrites are safe: views, destroyers, and the orders of execution that they leave.
 *
 * A view lies in the memory of other values, transitively of its roots. A step that destroys an
 * input writes over the memory of that input's roots, so that it must run after every other step that reads a value
 * with memory there. An overwrite is safe if some order of the steps remains (no cycle), nothing protected or needed at the end
 * is written over, and no memory has two destroyers. What a destroyer stores in the place of its input is a new value, a
 * root of its own, which may be destroyed in its turn.
 *
 * These are Theano's rules (DestroyHandler); unlike there a view may have several origins, a step may destroy several inputs, and
 * memory that is provably disjoint does not count. Exact: an overwrite is refused if and only if every order would let some step read
 * what was overwritten (given the overwrites accepted so far). Proposals are checked one by one. The order of
 * the nodes is kept up to date as they come (in the manner of Pearce & Kelly 2006, A dynamic topological sort algorithm for directed
 * acyclic graphs, JEA 11, but searching from both sides), so that one costs about as much as what lies between it and its readers.
 *
 * Thread rule: one thread at a time. All memory is the arena's, under whose protection everything here runs.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_SCHEDULE_ALIAS_H
#define BTL_SCHEDULE_ALIAS_H

#include "base/arena.h"
#include "schedule/schedule.h"

/* node writes over the memory of its input number `input`. It may read the same variable (bit p of `same`) or any alias of it (bit p
 * of `aliased`) as its input number p, too: the op knows what it does. */
typedef struct btl_alias_overwrite { int node, input; uint64_t same, aliased; } btl_alias_overwrite;

typedef enum btl_alias_verdict {
    BTL_ALIAS_SAFE,
    BTL_ALIAS_PROTECTED,   /* `var` is protected */
    BTL_ALIAS_KEPT,        /* `var`, which has memory there, is read at the end */
    BTL_ALIAS_TWICE,       /* `node` destroys `var`, which has memory there, already */
    BTL_ALIAS_OWN_INPUT,   /* the node itself reads `var`, which has memory there, at another place */
    BTL_ALIAS_CYCLE        /* `node` reads `var` and can only run behind the destroyer: by way of `path`, from the destroyer to it */
} btl_alias_verdict;

typedef struct btl_alias_reason { btl_alias_verdict verdict; int var, node, npath; const int *path; } btl_alias_reason;

typedef struct btl_alias btl_alias;

/* The graph without any overwrite; the problem's arrays must stay. NULL: the nodes form a cycle (*cycle is one of its nodes). */
btl_alias *btl_alias_new(btl_arena *a, const btl_schedule *p, int *cycle);
/* Accepts the overwrite if it is safe; otherwise nothing changes and *reason (may be NULL) says why. */
bool btl_alias_propose(btl_alias *x, const btl_alias_overwrite *o, btl_alias_reason *reason);

/* Which proposals the data alone rule out: hopeless[i] where a reader of what o[i] overwrites can only run behind it. Most are told by a
 * tree of the graph; the others, many at once, take 1/64 of a walk of the graph each (a proposal that is refused for its cycle takes most of
 * one), up to a number of visits, beyond which they count as hopeless. */
void btl_alias_foresee(btl_alias *x, int n, const btl_alias_overwrite *o, bool *hopeless);

/* All nodes in an order that keeps every accepted overwrite safe. Deterministic. */
void btl_alias_order(const btl_alias *x, int *order);
/* Another: the list itself, but what a step waits for that stands behind it comes right before it. */
void btl_alias_listed(const btl_alias *x, int *order);
/* What overwrites demand of the order beyond the data: before[i] must run before after[i]. Returns how many. */
int btl_alias_edges(const btl_alias *x, const int **before, const int **after);

#endif
