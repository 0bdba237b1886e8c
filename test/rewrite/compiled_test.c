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
        assert_true(btl_rule_mask(built) == btl_rule_mask(&now));
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

/* By the rule's own words; an op's name between blanks. */
static bool meets(const btl_compiled_rule *c, const btl_op *op) {
    char words[500], word[100];
    if (c->rule->pass) return false;
    if (c->rule->match) return c->match->op == op;
    if (strcmp(c->rule->ops, "*") == 0) return true;
    snprintf(words, sizeof words, " %s ", c->rule->ops);
    snprintf(word, sizeof word, " %s ", op->name);
    return strstr(words, word) != NULL;
}

static void check_list(const btl_op *op) {
    btl_rule_list list = btl_rulebook_built_in(op);
    int n = 0;
    for (int i = 0; i < btl_compiled_count; i++) {
        if (!meets(&btl_compiled_rules[i], op)) continue;
        if (n >= list.n || list.rules[n] != &btl_compiled_rules[i]) BTL_FAIL("the list of %s: rule %s is not its number %d", op->name, btl_compiled_rules[i].rule->name, n);
        n++;
    }
    assert_int_equal(n, list.n);
}

BTL_TEST(every_op_has_the_list_of_the_rules_that_name_it) {
    static const btl_op strange = { .name = "a.plugin's" }, namesake = { .name = "add" };
    for (int i = 0; btl_ops[i]; i++) check_list(btl_ops[i]);
    check_list(&strange);
    btl_rule_list of_namesake = btl_rulebook_built_in(&namesake);
    assert_ptr_equal(of_namesake.rules, btl_compiled_any.rules);
}

BTL_TEST(the_passes_are_those_of_the_tables) {
    int n = 0;
    for (int i = 0; i < btl_compiled_count; i++) {
        if (!btl_compiled_rules[i].rule->pass) continue;
        assert_in_range(n, 0, btl_compiled_passes.n - 1);
        assert_ptr_equal(btl_compiled_passes.rules[n++], &btl_compiled_rules[i]);
    }
    assert_int_equal(n, btl_compiled_passes.n);
    assert_string_equal(btl_rule_merge.name, "merge_equal");
}

BTL_TEST_MAIN(cmocka_unit_test(rules_compiled_while_building_are_what_their_texts_say),
              cmocka_unit_test(every_op_has_the_list_of_the_rules_that_name_it), cmocka_unit_test(the_passes_are_those_of_the_tables))
