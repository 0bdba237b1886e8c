/* rules_special.c - cheaper ops for special cases, and the last step: composite ops that have no
 * kernel become what they are made of.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/rules.h"

#include "ops/helpers.h"

const btl_rule btl_rules_special[] = {
    { .name = "mul_same", .match = "?x * ?x", .result = "sqr(?x)", .when = btl_when_not_bool,
      .why = "one operand to read", .phase = BTL_SPECIALIZE, .tags = "arithmetic" },
    { .name = "div_into_one", .match = "1 / ?x", .result = "inv(?x)", .why = "one operand to read",
      .phase = BTL_SPECIALIZE, .tags = "arithmetic" },
    { .name = "pow_three", .match = "?x ** 3", .result = "?x * sqr(?x)", .why = "two products instead of a power",
      .phase = BTL_SPECIALIZE, .tags = "arithmetic power", .exactness = BTL_WITHIN_ULP, .ulp = 1.5,
      .needs = BTL_NO_OVERFLOW },
    { .name = NULL },
};

static bool special_is_composite(const btl_op *op) { return op->body && !op->kernel && !op->elem && !op->reduction; }

static btl_var *special_lower(btl_match *m, const btl_node *n) {
    return special_is_composite(n->op) ? n->op->body(m->g, n, n->in) : NULL;
}

const btl_rule btl_rules_lower[] = {
    { .name = "body", .ops = "*", .takes = special_is_composite, .apply = special_lower, .why = "softmax and its like are computed as what they are made of",
      .phase = BTL_LOWER, .tags = "lower",
      .example = "x: f64[2, 3] | = softmax(x)" },
    { .name = NULL },
};
