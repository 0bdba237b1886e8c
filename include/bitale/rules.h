/* rules.h - rewrite rules of one's own: as text in a file (`--rules FILE`), or from a program.
 *
 * A rule is two expressions of the notation in which ?x stands for any expression, and what it promises:
 *
 *     rule log_exp10: log(10 ** ?x) => ?x * 2.302585092994046 when float
 *         why: no power, and nothing overflows
 *         phase: stabilize
 *         class: ulp 4
 *         needs: no_overflow
 *
 * It is in the same form as Bitale's own (`bitale rules`), runs before them in its phase, is switched by `without` like them, and is tried by
 * the same test: `bitale rules --check NAME`, btl_rule_check. Its two sides must have the same type and sizes; where they cannot be
 * proven equal the rule does not fire. A rule that does not end, or that makes another element type, is an error of the program
 * that is compiled, which names the rule; the program stays as it was. docs/EXTEND.md tells it at length.
 *
 * A pattern is made of calls, + - * / // % @ **, numbers and ?a … ?z; the same letter twice stands for the same variable
 * twice. Operands of commutative operations match in either order. Settings stand behind the operands by their names,
 * `sum(?x, axis=?a)`; one that is left out has its default.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BITALE_RULES_H
#define BITALE_RULES_H

#include "bitale/expr.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A rule's match in progress, as `apply` sees it. */
typedef struct btl_rule_match btl_rule_match;

/** The graph to build in. */
BTL_API btl_graph *btl_rule_match_graph(const btl_rule_match *m);
/** The variable that matched. */
BTL_API btl_var *btl_rule_match_root(const btl_rule_match *m);
/** What ?letter stands for; NULL if the pattern has no such letter, or it stands for a setting. */
BTL_API btl_var *btl_rule_match_bound(const btl_rule_match *m, char letter);

/** A rule. Start from {0}; all texts are copied. Every text but `name` and `match` may be NULL. */
typedef struct btl_rule_def {
    size_t struct_size;      /**< sizeof(btl_rule_def) */
    const char *name;        /**< a word that no rule, tag or pass has */
    const char *match;       /**< "log(1 + exp(?x))" */
    const char *result;      /**< "softplus(?x)"; NULL: `apply` makes it */
    const char *when;        /**< conditions, all of which must hold: "float", "integer", "signed", "not_bool" (of the result),
                              *   "finite", "nonnegative", "nonzero", "constant" (of all variables, or of one: "finite(?x)"),
                              *   separated by "and" or commas. The latter three must be provable */
    const char *why;         /**< one line */
    const char *source;      /**< a paper, a book */
    const char *phase;       /**< "canonicalize" (the default), "stabilize" (also before differentiation), "specialize", "lower";
                              *   several, separated by commas */
    const char *exactness;   /**< "exact" (the default: the same bits), "ulp 4" (of the mathematical value, in the last place of the result),
                              *   "reassociates" (other roundings of the same sums and products). In a file: `class` */
    const char *needs;       /**< "finite" (there may be no infinity or NaN), "no_signed_zero" (-0 may become 0),
                              *   "no_overflow" (what overflows as written may come out right); several, separated by commas */
    const char *tags;        /**< further words for `without`, separated by blanks */
    const char *example;     /**< "x: f32[5] | = log(10 ** x)": a program on which it fires, for btl_rule_check. Needed only where the
                              *   check finds none by itself */
    bool opt_in;             /**< only where it is asked for */
    /** Makes what stands for the root, from what is bound, by the builders of ops.h and the like; NULL: it does not fire.
     * Must depend on nothing but the match. Called while the graph is rewritten, from the thread that compiles. */
    btl_var *(*apply)(btl_rule_match *m, void *user);
    void *user;
} btl_rule_def;

/** Makes a rule known in a context: to every function compiled and every gradient taken from now on.
 * @return BTL_OK; ENAME (a name that is taken or is none, an unknown op, letter, condition), EVALUE (a word that does not stand for a
 *         phase, class, need; contradictory members), ESYNTAX (a pattern that is none), ENOMEM; with a message. On failure nothing
 *         has changed.
 * Thread rule: any thread. The rule lives as long as the context. Since 0.1. */
BTL_API btl_status btl_rule_register(btl_context *ctx, const btl_rule_def *def, btl_error *err);

/** Registers the rules of a text, all or none; `file` is how messages call it. Lines are `rule NAME: MATCH => RESULT [when CONDITIONS]`, below one,
 * indented, `KEY: TEXT` with the keys why, source, phase, class, needs, tags, example, opt_in; empty lines, and comments behind # at the beginning of
 * a line or behind a rule.
 * @return as btl_rule_register; ESYNTAX, ENAME: the message has line, column and a caret. Since 0.1. */
BTL_API btl_status btl_rules_parse(btl_context *ctx, const char *text, size_t length, const char *file, btl_error *err);
/** The same from a file. EIO. */
BTL_API btl_status btl_rules_load(btl_context *ctx, const char *path, btl_error *err);

#ifdef __cplusplus
}
#endif
#endif
