/* match.h - patterns: rules' texts as trees, matched against nodes and built into nodes.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_REWRITE_MATCH_H
#define BTL_REWRITE_MATCH_H

#include "bitale/rules.h"
#include "rewrite/rules.h"

typedef enum pattern_kind { PATTERN_VAR, PATTERN_NUMBER, PATTERN_CALL } pattern_kind;

enum { PATTERN_KIDS = 4, PATTERN_SETTINGS = 4 };

/* What a setting of an op must be (match) or is (result). */
typedef struct pattern_setting {
    int binding;      /* ?a: an index into btl_match.setting; -1: the value */
    btl_param value;
} pattern_setting;

typedef struct btl_pattern btl_pattern;
struct btl_pattern {
    pattern_kind kind;
    int binding;                      /* PATTERN_VAR */
    double number;                    /* PATTERN_NUMBER */
    const btl_op *op;                 /* PATTERN_CALL */
    int nkids;
    const btl_pattern *kids[PATTERN_KIDS];
    const pattern_setting *settings;  /* one for each of op->nparams */
};

typedef struct btl_compiled_rule btl_compiled_rule;

/* A condition by name; of the result, or of the variables that are bound. */
typedef struct btl_condition {
    const char *name;
    bool (*holds)(const btl_var *v);
    bool of_result;
} btl_condition;

extern const btl_condition btl_conditions[]; /* ends with a nameless one */

/* Asked for by a rule: of one bound variable, or -1. */
typedef struct btl_asked { const btl_condition *what; int binding; } btl_asked;

enum { RULE_CONDITIONS = 6 };

struct btl_compiled_rule {
    const btl_rule *rule;
    int index;                 /* in the book */
    const btl_pattern *match;  /* NULL: apply alone */
    const btl_pattern *result;
    int nbindings;
    char letters[BTL_RULE_BINDINGS];
    int nconditions;
    btl_asked conditions[RULE_CONDITIONS];
    uint64_t mask;             /* ops that must be among the root's operands, as btl_op_bit */
    const char *origin;        /* of a user's own: "mine.rules:3"; NULL: Bitale's */
    const char *broken;        /* why the rule cannot be used, or NULL */
    const char *broken_at;     /* where in match, result or conditions, or NULL */
};

/* The rules to try at a node, in order. */
typedef struct btl_rule_list { const btl_op *op; int n, capacity; btl_compiled_rule **rules; } btl_rule_list;

/* All rules, compiled, users' own first; immutable once made. */
typedef struct btl_rulebook btl_rulebook;
struct btl_rulebook {
    btl_arena arena;
    btl_rulebook *older;       /* of the same context: somebody may still read it */
    int nrules;
    btl_compiled_rule *rules;
    btl_table by_op;           /* of btl_rule_list */
    btl_rule_list any;         /* for ops that no rule names */
};

/* A user's rule. */
typedef struct btl_own_rule {
    btl_rule rule;
    const char *origin;        /* "mine.rules:3", "the program" */
    btl_rule_def def;          /* its apply and user; texts are those of `rule` */
} btl_own_rule;

/* Makes rules known in a context, all or none. drafts[i].rule is complete but for memory: texts are copied. Under no protection. */
btl_status btl_rulebook_add(btl_context *ctx, int n, const btl_own_rule *drafts, btl_error *err);
/* The rule's own tables entry or a user's of that name in the context (may be NULL), or NULL. */
const btl_rule *btl_rule_lookup(btl_context *ctx, const char *name);
/* The i-th user's rule, or NULL. */
const btl_own_rule *btl_rule_own(btl_context *ctx, int i);

/* The rule book of the graph's context, made at first use (each time for a graph without one). Under
 * protection of the graph, whose memory runs out where there is none for the book. */
const btl_rulebook *btl_rulebook_of(btl_graph *g);
/* The list for an op; never NULL. */
const btl_rule_list *btl_rulebook_list(const btl_rulebook *book, const btl_op *op);

/* One of 64 bits, by op: a node whose operands lack a bit of a rule's mask cannot match it. */
static inline uint64_t btl_op_bit(const btl_op *op) {
    return (uint64_t)1 << ((((uintptr_t)op >> 4) * 0x9e3779b97f4a7c15u) >> 58 & 63);
}

/* Does the rule's pattern (and condition) fit m->root? Fills in the bindings. A rule without a
 * pattern fits. */
bool btl_rule_matches(btl_match *m, const btl_compiled_rule *rule);
/* What the rule makes of it: new nodes, or NULL where its code declines. */
btl_var *btl_rule_build(btl_match *m, const btl_compiled_rule *rule);

/* `when`, as a person writes it, or NULL. */
const char *btl_rule_when_text(const btl_rule *rule);
void btl_conditions_compile(btl_arena *a, const char *text, btl_compiled_rule *c);
bool btl_conditions_hold(const btl_match *m, const btl_compiled_rule *c);

/* Compiles one rule into an arena (under its protection); the reason is in ->broken. Ops of one's own are those of the
 * arena's context. */
void btl_rule_compile(btl_arena *a, const btl_rule *rule, btl_compiled_rule *out);

#endif
