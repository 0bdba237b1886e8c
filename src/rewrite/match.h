/* match.h - patterns: rules' texts as trees, matched against nodes and built into nodes.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_REWRITE_MATCH_H
#define BTL_REWRITE_MATCH_H

#include "bitale/rules.h"
#include "rewrite/rules.h"

#include <string.h>

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
    const btl_op *operand;     /* rule->operand */
    uint64_t mask;             /* bits that the root's operands must have, all */
    int nbindings;
    char letters[BTL_RULE_BINDINGS];
    int nconditions;
    btl_asked conditions[RULE_CONDITIONS];
    const char *origin;        /* of a user's own: "mine.rules:3"; NULL: Bitale's */
    const char *broken;        /* why the rule cannot be used, or NULL */
    const char *broken_at;     /* where in match, result or conditions, or NULL */
};

/* Indices of rules, in the order in which they are tried; -1 ends them. */
typedef const short *btl_rule_list;

/* The rules to try at a node of an op, by the phases whose rules are wanted: a list begins at btl_compiled_pool[at[phases]]. */
typedef struct btl_op_rules { const btl_op *op; unsigned short at[BTL_PHASES + 1]; } btl_op_rules;

/* Bitale's rules compiled, btl_rule_at(i) and its kin, and their lists: constants, written while Bitale is built (tools/genrules.c).
 * Those of an op lie in the first free slot from btl_rule_slot on. */
enum { RULE_SLOTS = 256 };
extern const int btl_compiled_count;
extern const btl_compiled_rule btl_compiled_rules[];
extern const short btl_compiled_pool[];
extern const btl_op_rules btl_compiled_lists[RULE_SLOTS];
extern const btl_op_rules btl_compiled_any;      /* for ops that are in no slot */
extern const short btl_compiled_passes[];

static inline size_t btl_rule_slot(const btl_op *op) { return btl_hash_bytes(op->name, strlen(op->name), 0) % RULE_SLOTS; }

/* All rules, compiled; immutable once made. Users' own are tried first; by index they stand behind Bitale's. */
typedef struct btl_rulebook btl_rulebook;
struct btl_rulebook {
    btl_arena arena;
    btl_rulebook *older;       /* of the same context: somebody may still read it */
    int nown;
    btl_compiled_rule *own;
    btl_table by_op;           /* own ones */
};

static inline int btl_rulebook_size(const btl_rulebook *book) { return btl_compiled_count + book->nown; }
static inline const btl_compiled_rule *btl_rulebook_at(const btl_rulebook *book, int i) {
    return i < btl_compiled_count ? &btl_compiled_rules[i] : &book->own[i - btl_compiled_count];
}

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

/* The rule book of the graph's context, made at first use after rules were added. Under protection of
 * the graph, whose memory runs out where there is none for the book. */
const btl_rulebook *btl_rulebook_of(btl_graph *g);
/* The users' rules for an op: their number. */
int btl_rulebook_own(const btl_rulebook *book, const btl_op *op, const btl_compiled_rule *const **rules);
/* Bitale's. */
const btl_op_rules *btl_rules_of(const btl_op *op);

/* Bits of operands: a node whose operands lack a bit of a rule's mask cannot match it. One bit by the op's name, and one of all that a
 * number of a pattern may be. */
#define OPERAND_NUMBER ((uint64_t)1 << 63)
static inline uint64_t btl_op_bit(const btl_op *op) {
    const char *s = op->name;
    unsigned h = (unsigned char)s[0] * 37u + (s[0] ? (unsigned char)s[1] * 11u : 0) + (s[0] && s[1] ? (unsigned char)s[2] : 0);
    return (uint64_t)1 << h % 63;
}
static inline uint64_t btl_operand_bits(const btl_node *n) {
    bool number = n->op == &btl_op_constant || n->op == &btl_op_cast || (n->op->flags & OP_IS_PURE_SHAPE);
    return btl_op_bit(n->op) | (number ? OPERAND_NUMBER : 0);
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
