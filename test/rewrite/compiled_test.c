/* compiled_test.c - the rules that were compiled while Bitale was built (tools/genrules.c) are what compiling their texts
 * gives now, and the list of an op has the rules of the tables that say so, in their order.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "expr/op.h"
#include "rewrite/match.h"

#include <stdio.h>
#include <string.h>

static void same_pattern(const char *rule, const btl_pattern *a, const btl_pattern *b) {
    if (!a || !b) {
        if (a != b) BTL_FAIL("rule %s: one has a pattern", rule);
        return;
    }
    if (a->kind != b->kind || a->binding != b->binding || memcmp(&a->number, &b->number, sizeof a->number) != 0 || a->op != b->op || a->nkids != b->nkids)
        BTL_FAIL("rule %s: two patterns", rule);
    for (int i = 0; i < PATTERN_KIDS; i++) same_pattern(rule, a->kids[i], b->kids[i]);
    for (int k = 0; a->kind == PATTERN_CALL && k < a->op->nparams; k++) {
        const pattern_setting *s = &a->settings[k], *t = &b->settings[k];
        if (s->binding != t->binding || (s->binding < 0 && !btl_param_equal(a->op->params[k].kind, &s->value, &t->value)))
            BTL_FAIL("rule %s: the setting %s of %s", rule, a->op->params[k].name, a->op->name);
    }
}

static int compared;

static void same_rules(btl_arena *arena, const btl_rule *rules) {
    for (const btl_rule *r = rules; r->name; r++) {
        btl_compiled_rule now;
        btl_rule_compile(arena, r, &now);
        assert_in_range(compared, 0, btl_compiled_count - 1);
        const btl_compiled_rule *built = &btl_compiled_rules[compared];
        assert_ptr_equal(built->rule, r);
        assert_int_equal(built->index, compared);
        same_pattern(r->name, now.match, built->match);
        same_pattern(r->name, now.result, built->result);
        assert_ptr_equal(built->operand, now.operand);
        assert_int_equal(built->nbindings, now.nbindings);
        assert_memory_equal(built->letters, now.letters, sizeof now.letters);
        assert_int_equal(built->nconditions, now.nconditions);
        for (int i = 0; i < now.nconditions; i++) {
            assert_ptr_equal(built->conditions[i].what, now.conditions[i].what);
            assert_int_equal(built->conditions[i].binding, now.conditions[i].binding);
        }
        assert_null(now.broken);
        assert_null(built->broken);
        assert_null(built->origin);
        assert_true(built->mask == now.mask);
        compared++;
    }
}

#define SAME_RULES(table) same_rules(arena, btl_rules_##table);

static btl_status compare(void *arg) {
    btl_arena *arena = arg;
    BTL_RULE_TABLES(SAME_RULES)
    return BTL_OK;
}

BTL_TEST(rules_compiled_while_building_are_what_their_texts_say) {
    btl_arena arena;
    btl_arena_init(&arena, NULL);
    compared = 0;
    BTL_ASSERT_OK(btl_arena_protect(&arena, compare, &arena));
    btl_arena_deinit(&arena);
    assert_int_equal(compared, btl_compiled_count);
    assert_int_equal(compared, btl_rules_count());
}

static const btl_op strange = { .name = "a.plugin's" };

/* By the rule's own words; an op's name between blanks. */
static bool meets(const btl_compiled_rule *c, const btl_op *op) {
    char words[500], word[100];
    if (c->rule->pass) return false;
    if (c->rule->match) return c->match->op == op;
    if (strcmp(c->rule->ops, "*") == 0) return op == &strange || !c->rule->takes || c->rule->takes(op);
    snprintf(words, sizeof words, " %s ", c->rule->ops);
    snprintf(word, sizeof word, " %s ", op->name);
    return strstr(words, word) != NULL;
}

static void check_list(const btl_op *op) {
    for (unsigned phases = 0; phases <= BTL_PHASES; phases++) {
        btl_rule_list list = btl_compiled_pool + btl_rules_of(op)->at[phases];
        for (int i = 0; i < btl_compiled_count; i++) {
            if (!(btl_compiled_rules[i].rule->phase & phases) || !meets(&btl_compiled_rules[i], op)) continue;
            if (*list++ != i) BTL_FAIL("the list of %s in phases %u: not rule %s, but %d", op->name, phases, btl_compiled_rules[i].rule->name, list[-1]);
        }
        assert_int_equal(*list, -1);
    }
}

BTL_TEST(every_op_has_the_lists_of_the_rules_that_name_it) {
    static const btl_op namesake = { .name = "add" };
    for (int i = 0; btl_ops[i]; i++) check_list(btl_ops[i]);
    check_list(&strange);
    assert_ptr_equal(btl_rules_of(&namesake), &btl_compiled_any);
}

BTL_TEST(the_passes_are_those_of_the_tables) {
    int n = 0;
    for (int i = 0; i < btl_compiled_count; i++) {
        if (!btl_compiled_rules[i].rule->pass) continue;
        assert_int_equal(btl_compiled_passes[n++], i);
    }
    assert_int_equal(btl_compiled_passes[n], -1);
    assert_string_equal(btl_rule_merge.name, "merge_equal");
}

BTL_TEST_MAIN(cmocka_unit_test(rules_compiled_while_building_are_what_their_texts_say),
              cmocka_unit_test(every_op_has_the_lists_of_the_rules_that_name_it), cmocka_unit_test(the_passes_are_those_of_the_tables))
