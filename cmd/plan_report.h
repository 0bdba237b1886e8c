/* plan_report.h - the memory of a program for people and programs: a table, JSON, pictures.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_PLAN_REPORT_H
#define CMD_PLAN_REPORT_H

#include "common.h"

#include <stdio.h>

/* "w", or "%12 exp" of one without a name; in the caller's room. */
const char *plan_value_text(const btl_memory_info *m, int value, char *text, size_t bytes);
/* The plan of a policy; the first where there is none. */
const btl_memory_plan *plan_of_policy(const btl_memory_info *m, const char *policy);
/* Where the storages of the plan of `arena` are drawn: in the block, or above it, in results that others lie in for a time; -1: a result alone.
 * To be freed. *end: of all that is drawn. */
int64_t *plan_addresses(const btl_memory_info *m, const btl_memory_plan *arena, int64_t *end);
/* What a step is called by: the name of its first result, or its op. */
const char *plan_step_text(const btl_memory_info *m, int step);

/* policy NULL: all of them. lives: also step by step. */
void plan_print_table(FILE *f, const btl_memory_info *m, const char *policy, bool lives);
void plan_print_json(const cmd *c, const btl_memory_info *m);

/* Lives from left to right, addresses of the block from below, and above it the bytes that live at each step. */
void plan_print_svg(FILE *f, const btl_memory_info *m);
/* The same to be looked into: one file that needs nothing else. */
void plan_print_html(FILE *f, const char *title, const btl_memory_info *m);

/* The colour of the number-th thing, far from its neighbours'. */
void plan_print_colour(FILE *f, int number);
/* A text in XML. */
void plan_print_escaped(FILE *f, const char *s);

#endif
