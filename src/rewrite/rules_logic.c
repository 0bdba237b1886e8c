/* rules_logic.c - conditions and choices: negations moved into comparisons, choices of choices, choices between
 * constants. All exact: a choice computes nothing.
 *
 * Theano also moves `switch` through products (where(c, x, 0) * y becomes where(c, x * y, 0)); where c is false
 * and y is infinite that loses a NaN, so here only constants move.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/rules.h"

#include "ops/helpers.h"
#include "rewrite/facts.h"

#include <string.h>

static btl_var *logic_build2(btl_match *m, const btl_op *op, btl_var *a, btl_var *b) {
    btl_var *in[2] = { a, b };
    return btl_build(m->g, op, 2, in, NULL, NULL);
}

/* not (x < y): x >= y, unless one can be NaN, of which neither is true. */
static btl_var *logic_not_comparison(btl_match *m, const btl_node *n) {
    static const char *const pairs[][2] = { { "eq", "ne" }, { "lt", "ge" }, { "gt", "le" } };
    const btl_node *inner = btl_match_node(m, n->in[0], NULL);
    for (int i = 0; inner && i < 3; i++) {
        int side = btl_node_is(inner, pairs[i][0]) ? 0 : btl_node_is(inner, pairs[i][1]) ? 1 : -1;
        if (side < 0) continue;
        btl_facts a = btl_facts_of(inner->in[0]), b = btl_facts_of(inner->in[1]);
        if (i > 0 && (a.nan || b.nan)) return NULL;
        return logic_build2(m, btl_rule_op(pairs[i][1 - side]), inner->in[0], inner->in[1]);
    }
    return NULL;
}

static btl_var *logic_and_or(btl_match *m, const btl_node *n) {
    double value;
    bool is_and = btl_node_is(n, "logical_and");
    (void)m;
    if (n->in[0] == n->in[1]) return n->in[0];
    for (int i = 0; i < 2; i++) {
        if (!btl_var_constant_value(n->in[i], &value)) continue;
        btl_var *decided = n->in[i], *other = n->in[1 - i];
        btl_var *to = (value != 0) == is_and ? other : decided;
        if (!btl_type_equal(&to->type, &n->out->type)) to = btl_broadcast_to_dims(m->g, to, n->out->type.rank, n->out->type.dims);
        return to;
    }
    return NULL;
}

/* where(c, true, false) is c; where(c, 1, 0) is c as a number. */
static btl_var *logic_where_of_truth(btl_match *m, const btl_node *n) {
    double yes, no;
    btl_dtype dtype = n->out->type.dtype;
    if (!btl_var_constant_value(n->in[1], &yes) || !btl_var_constant_value(n->in[2], &no)) return NULL;
    if (!btl_type_equal(&(btl_type){ dtype, n->in[0]->type.rank, n->in[0]->type.dims }, &n->out->type)) return NULL;
    if (yes == 1 && no == 0 && 1 / no > 0) return btl_cast_to(m->g, n->in[0], dtype);
    return yes == 0 && no == 1 && dtype == BTL_BOOL ? btl_logical_not(m->g, n->in[0]) : NULL;
}

/* An elementwise node on other operands, its settings kept. */
static btl_var *logic_again(btl_match *m, const btl_node *n, btl_var *const *in) {
    btl_node *made = btl_apply(m->g, n->op, n->nin, in, n->params);
    return made ? made->out : NULL;
}

static bool logic_is_number(const btl_var *v) {
    double value;
    return btl_var_constant_value(v, &value);
}

/* f(where(c, a, b), where(c, d, e), k): where(c, f(a, d, k), f(b, e, k)), if one branch is of constants, which fold. With a single
 * choice both must be. */
static btl_var *logic_into_where(btl_match *m, const btl_node *n) {
    btl_var *branch[2][3], *c = NULL;
    int choices = 0;
    bool known[2] = { true, true };
    if (!n->op->elem || n->nin > 2 || btl_node_is(n, "where")) return NULL;
    for (int i = 0; i < n->nin; i++) {
        branch[0][i] = branch[1][i] = n->in[i];
        if (btl_node_is(n->in[i]->node, "where")) {
            const btl_node *inner = btl_match_node(m, n->in[i], NULL);
            if (!inner || (c && c != inner->in[0])) return NULL;
            c = inner->in[0];
            branch[0][i] = inner->in[1], branch[1][i] = inner->in[2];
            choices++;
        }
        for (int k = 0; k < 2; k++) known[k] = known[k] && logic_is_number(branch[k][i]);
    }
    if (!choices || !(choices == 1 ? known[0] && known[1] : known[0] || known[1])) return NULL;
    btl_var *yes = logic_again(m, n, branch[0]), *no = logic_again(m, n, branch[1]);
    return yes && no ? btl_where(m->g, c, yes, no) : NULL;
}

#define LOGIC .phase = BTL_CANONICALIZE, .tags = "logic"
#define CHOICE .phase = BTL_CANONICALIZE, .tags = "where"

const btl_rule btl_rules_logic[] = {
    { .name = "not_not", .match = "logical_not(logical_not(?c))", .result = "?c", .why = "two negations cancel", LOGIC },
    { .name = "not_comparison", .ops = "logical_not", .apply = logic_not_comparison,
      .why = "the opposite comparison, if no operand can be NaN (of NaN both are false); x == y has one in any case", LOGIC,
      .example = "x: f64[3, 4], y: f64[4] | = not (x == y)" },
    { .name = "and_or", .ops = "logical_and logical_or", .apply = logic_and_or, .why = "one operand decides alone, or does not count", LOGIC,
      .example = "c: bool[3, 4] | = c and true" },
    { .name = "where_not", .match = "where(logical_not(?c), ?x, ?y)", .result = "where(?c, ?y, ?x)", .why = "the other way round", CHOICE },
    { .name = "where_in_then", .match = "where(?c, where(?c, ?x, ?y), ?z)", .result = "where(?c, ?x, ?z)", .why = "c is true there", CHOICE },
    { .name = "where_in_else", .match = "where(?c, ?x, where(?c, ?y, ?z))", .result = "where(?c, ?x, ?z)", .why = "c is false there", CHOICE },
    { .name = "where_of_truth", .ops = "where", .apply = logic_where_of_truth, .why = "the condition itself, as a number", CHOICE,
      .example = "c: bool[3, 4] | = where(c, true, false)" },
    { .name = "into_where", .ops = "add sub mul div neg maximum minimum pow sqr sqrt exp log abs inv eq ne lt le gt ge cast", .operand = "where",
      .apply = logic_into_where, .why = "of a choice between constants the constants can be computed before; two choices by one condition are one",
      CHOICE,
      .example = "c: bool[3, 4] | = 3 * where(c, 2.0, -1.0)" },
    { .name = NULL },
};
