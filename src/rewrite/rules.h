/* rules.h - what a rewrite rule is: data, one entry of a table.
 *
 * Most rules are two expressions of the notation, `match` and `result`, in which ?x stands for any
 * variable (twice ?x: twice the same one). A rule that needs code has `apply`; everything else
 * about it is the same. `bitale rules` prints these tables, the driver runs them, and one
 * generated test goes through all of them.
 *
 * To add one: an entry in the table of its kind (rules_*.c), before the more general rules of the
 * same op, since the first that fits fires. Say why, the phase, and honestly how exact: BTL_EXACT
 * means the same bits also for NaN, infinities, -0 and integers that wrap. The test
 * (test/rewrite/rules_test.c) builds the pattern by itself, demands that the rule fires and
 * compares values; a rule of code gets a line in its table CODE_RULES, a near miss one in LOOKALIKES.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_REWRITE_RULES_H
#define BTL_REWRITE_RULES_H

#include "expr/op.h"

typedef enum btl_phase {
    BTL_CANONICALIZE = 1, /* one form for what can be said in several; folding, merging */
    BTL_STABILIZE = 2,    /* forms that neither overflow nor lose digits; before differentiation too */
    BTL_SPECIALIZE = 4,   /* cheaper ops for special cases */
    BTL_LOWER = 8,        /* composite ops without a kernel become what they are made of */
    BTL_PHASES = 15       /* all of them */
} btl_phase;

typedef enum btl_rule_class {
    BTL_EXACT,       /* the same bits, given what `needs` says */
    BTL_WITHIN_ULP,  /* the mathematical value within `ulp` of the new form's last place */
    BTL_REASSOCIATES /* other roundings of the same sum or product */
} btl_rule_class;

/* What a rule assumes of values: outside of it the two sides differ. */
typedef enum btl_rule_needs {
    BTL_FINITE = 1,         /* no infinity or NaN inside (where the old form makes NaN, the new may not) */
    BTL_NO_SIGNED_ZERO = 2, /* -0 may become 0 */
    BTL_NO_OVERFLOW = 4     /* where the old form overflows the new one is right */
} btl_rule_needs;

enum { BTL_RULE_BINDINGS = 8, BTL_RULE_CONSUMED = 16 };

typedef struct btl_pass btl_pass;
typedef struct btl_rule btl_rule;

/* A match in progress: what ?x, ?y … and settings are bound to, and which nodes were looked at.
 * Code of rules reads through it: btl_match_node gives the node behind a variable, or NULL where
 * a rule must not look (a leaf, a barrier), and notes it as replaced. */
typedef struct btl_match {
    btl_graph *g;
    const struct btl_compiled_rule *compiled;
    btl_bits barriers;                    /* nodes behind which nothing is known */
    const btl_node *root;
    btl_var *bound[BTL_RULE_BINDINGS];    /* by letter in order of appearance in `match` */
    const btl_param *setting[BTL_RULE_BINDINGS];
    int nconsumed;
    const btl_node *consumed[BTL_RULE_CONSUMED];
} btl_match;

struct btl_rule {
    const char *name;
    const char *match;    /* NULL: `ops` says where apply is tried */
    const char *result;   /* NULL: apply makes it */
    const char *ops;      /* names of ops, "log sub"; "*": every op. Only without match */
    bool (*takes)(const btl_op *op); /* of "*": the ops alone that it is for; or NULL */
    const char *operand;  /* an op of which one operand must be, of a node that has operands: else the rule is not tried. Only without match; or NULL */
    const char *conditions;                               /* "float, finite(?x)": names of conditions.c, or NULL */
    bool (*when)(const btl_match *m);                     /* NULL: always */
    btl_var *(*apply)(btl_match *m, const btl_node *n);   /* NULL result: does not fire */
    btl_status (*pass)(btl_pass *p);                      /* an algorithm over the whole graph; then no match, ops, apply */
    const char *why;
    const char *source;   /* a paper, a book, or NULL */
    unsigned phase;       /* mask of btl_phase */
    const char *tags;     /* further words for --with/--without, "stability softmax" */
    btl_rule_class exactness;
    double ulp;           /* BTL_WITHIN_ULP */
    unsigned needs;       /* btl_rule_needs */
    bool opt_in;          /* only with --with */
    const char *example;  /* "x: f64[4] | = log(x[1:])": it fires on that; for rules in code, and where the test finds nothing. Or NULL */
};

/* Bitale's rules, in the order in which they are tried. */
int btl_rules_count(void);
const btl_rule *btl_rule_at(int i);
const btl_rule *btl_rule_find(const char *name);

/* The tables btl_rules_NAME (rules_*.c, fold.c), in that order; each ends with a nameless entry. */
#define BTL_RULE_TABLES(X) \
    X(fold) X(canonical) X(arith) X(logic) X(reduce) X(views) X(index) X(product) X(stable) X(softmax) X(special) X(lower)
#define BTL_RULE_TABLE_DECLARE(name) extern const btl_rule btl_rules_##name[];
BTL_RULE_TABLES(BTL_RULE_TABLE_DECLARE)
#define btl_rule_merge btl_rules_fold[0] /* merge_equal, which is the driver's own work */

/* ---- for the code of rules ---------------------------------------------------------------- */

/* Is it a node of the op of that name? */
static inline bool btl_node_is(const btl_node *n, const char *name) { return n->op->name[0] == name[0] && strcmp(n->op->name, name) == 0; }

/* The node of v if it may be looked at and is of that op (NULL: of any), or NULL. */
const btl_node *btl_match_node(btl_match *m, const btl_var *v, const btl_op *op);
/* v is a constant (also cast or broadcast) all of whose elements are `value`. */
bool btl_match_number(const btl_var *v, double value);
/* A node with the settings of `like` on other operands; NULL on failure. */
btl_var *btl_match_rebuild(btl_match *m, const btl_node *like, btl_var *first_operand);
/* Do a write (set_subtensor, inc_subtensor) and a read (subtensor, advanced_subtensor) name the same part? */
bool btl_match_same_part(const btl_node *write, const btl_node *read);
/* Is v the indices 0, 1, …, n - 1? */
bool btl_match_counts(const btl_var *v, const btl_dim *n);
/* The op of a name that must exist (tests run through all of them); NULL if it does not. */
const btl_op *btl_rule_op(const char *name);

/* ---- for passes ---------------------------------------------------------------------------- */

/* What an entry with `pass` gets. In each of its phases it runs when the rules have come to rest; what it puts in place of
 * variables meets the rules, and the passes, again, until none replaces anything (at most a few rounds). It reads the
 * graph as it is, builds with btl_build and the like, and says what stands for what by btl_pass_replace; the driver makes the
 * users anew. All of its memory should be `scratch`, which is gone afterwards, unless nodes hold it. */
struct btl_pass {
    btl_graph *g;
    const btl_rule *rule;
    int nroots;
    btl_var *const *roots;
    int nnodes;               /* on which the roots depend, barriers included, what is behind them not */
    btl_node *const *nodes;   /* operands before users */
    btl_arena *scratch;
    void *driver;
};

/* False of a leaf, a barrier, a node that is not among `nodes`: nothing is known of it, it is not replaced. */
bool btl_pass_may_look(const btl_pass *p, const btl_node *n);
/* The nodes that read an output of n, in order, one twice if it reads twice; roots do not count. */
int btl_pass_users(btl_pass *p, const btl_node *n, btl_node *const **users);
bool btl_pass_is_root(const btl_pass *p, const btl_node *n);
/* What is built from now on comes from these n nodes: it has their places, and btl_pass_replace hands on their size checks. */
void btl_pass_at(btl_pass *p, int n, const btl_node *const *nodes);
/* `after` shall stand for `before`, of a node with one output. False, and nothing happens: the types differ, a size check
 * has no place to go, or `before` must not be replaced. `after` may depend on other variables that are replaced, but not on
 * `before`. */
bool btl_pass_replace(btl_pass *p, btl_var *before, btl_var *after);

/* ---- conditions ----------------------------------------------------------------------------- */

/* Those of conditions.c; further ones there, by name, serve users' rules too. */
bool btl_when_float(const btl_match *m);      /* the root is f16 … f64 */
bool btl_when_not_bool(const btl_match *m);
bool btl_when_integer(const btl_match *m);

#endif
