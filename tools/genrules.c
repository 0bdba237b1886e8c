/* genrules.c - compiles Bitale's rules: `genrules OUT.c`, run while Bitale is built.
 *
 * One C file of constants: what btl_rule_compile makes of every rule of the tables, and for every op the list of those that
 * are tried at its nodes (match.h, "compiled"). So reading rules costs a program nothing, and a rule that cannot be
 * compiled ends the build. Equal constants are written once.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "generator.h"

#include "rewrite/match.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

typedef struct gen_rule { btl_compiled_rule c; const char *text; } gen_rule; /* text: "&btl_rules_fold[3]" */
typedef struct gen_constant { const char *text, *name; } gen_constant;

typedef struct gen {
    btl_arena *arena;
    btl_text out;
    int nrules, rule_capacity;
    gen_rule *rules;
    int nconstants, constant_capacity;
    gen_constant *constants;
    int npool, pool_capacity;
    short *pool;             /* of all lists */
} gen;

/* ---- constants ---------------------------------------------------------------------------- */

/* The name of a constant of that type and initializer: a new one, or that of its equal. */
static const char *gen_constant_of(gen *g, const char *type, const char *suffix, const char *initializer) {
    const char *text = btl_arena_printf(g->arena, "%s%s%s", type, suffix, initializer);
    for (int i = 0; i < g->nconstants; i++)
        if (strcmp(g->constants[i].text, text) == 0) return g->constants[i].name;
    const char *name = btl_arena_printf(g->arena, "c%d", g->nconstants);
    *BTL_PUSH(g->arena, g->constants, g->nconstants, g->constant_capacity) = (gen_constant){ text, name };
    btl_text_printf(&g->out, "static const %s %s%s = %s;\n", type, name, suffix, initializer);
    return name;
}

/* The op random.key is btl_op_random_key. */
static const char *gen_op(gen *g, const btl_op *op) {
    char *name = btl_arena_printf(g->arena, "&btl_op_%s", op->name);
    for (char *s = name; *s; s++)
        if (*s == '.') *s = '_';
    return name;
}

static void gen_setting(gen *g, btl_text *t, const btl_param_spec *spec, const pattern_setting *s) {
    btl_text_printf(t, " { .binding = %d", s->binding);
    if (s->binding >= 0) {
        btl_text_add(t, " },");
    } else if (spec->kind == PARAM_AXES) {
        const char *axes = s->value.axes.n == 1 ? gen_constant_of(g, "int", "", btl_arena_printf(g->arena, "%d", *s->value.axes.v)) : NULL;
        btl_text_printf(t, ", .value.axes = { %d, %s%s } },", s->value.axes.n, axes ? "&" : "", axes ? axes : "0");
    } else if (spec->kind == PARAM_SHAPE) {
        btl_text_printf(t, ", .value.shape = { %d, 0 } },", s->value.shape.n);
    } else {
        btl_text_printf(t, ", .value.i = %lld },", (long long)s->value.i);
    }
}

/* "&c12", of a call, a number, a letter. */
static const char *gen_pattern(gen *g, const btl_pattern *p) {
    btl_text t;
    if (!p) return "0";
    btl_text_init(&t, g->arena);
    if (p->kind == PATTERN_VAR) {
        btl_text_printf(&t, "{ .kind = PATTERN_VAR, .binding = %d }", p->binding);
    } else if (p->kind == PATTERN_NUMBER) {
        btl_text_printf(&t, "{ .kind = PATTERN_NUMBER, .number = %a }", p->number);
    } else {
        btl_text settings;
        btl_text_init(&settings, g->arena);
        for (int k = 0; k < p->op->nparams; k++) gen_setting(g, &settings, &p->op->params[k], &p->settings[k]);
        btl_text_printf(&t, "{ .kind = PATTERN_CALL, .op = %s, .nkids = %d", gen_op(g, p->op), p->nkids);
        for (int i = 0; i < p->nkids; i++) btl_text_printf(&t, "%s%s", i ? ", " : ", .kids = { ", gen_pattern(g, p->kids[i]));
        if (p->nkids) btl_text_add(&t, " }");
        if (p->op->nparams)
            btl_text_printf(&t, ", .settings = %s", gen_constant_of(g, "pattern_setting", "[]", btl_arena_printf(g->arena, "{%s }", settings.data)));
        btl_text_add(&t, " }");
    }
    return btl_arena_printf(g->arena, "&%s", gen_constant_of(g, "btl_pattern", "", t.data));
}

/* ---- rules -------------------------------------------------------------------------------- */

static bool gen_compile(gen *g, const char *table, const btl_rule *rules) {
    for (int i = 0; rules[i].name; i++) {
        gen_rule *r = BTL_PUSH(g->arena, g->rules, g->nrules, g->rule_capacity);
        r->text = btl_arena_printf(g->arena, "&btl_rules_%s[%d]", table, i);
        btl_rule_compile(g->arena, &rules[i], &r->c);
        if (!r->c.broken) continue;
        fprintf(stderr, "genrules: rule %s: %s%s%s\n", rules[i].name, r->c.broken, r->c.broken_at ? " at " : "", r->c.broken_at ? r->c.broken_at : "");
        return false;
    }
    return true;
}

static void gen_rule_text(gen *g, btl_text *t, int index) {
    const btl_compiled_rule *c = &g->rules[index].c;
    const char *match = gen_pattern(g, c->match), *result = gen_pattern(g, c->result);
    btl_text_printf(t, "    { .rule = %s, .index = %d, .match = %s, .result = %s, .operand = %s", g->rules[index].text, index, match, result,
                    c->operand ? gen_op(g, c->operand) : "0");
    btl_text_printf(t, ", .mask = 0x%llxu, .nbindings = %d", (unsigned long long)c->mask, c->nbindings);
    for (int i = 0; i < c->nbindings; i++) btl_text_printf(t, "%s'%c'%s", i ? ", " : ", .letters = { ", c->letters[i], i + 1 == c->nbindings ? " }" : "");
    btl_text_printf(t, ", .nconditions = %d", c->nconditions);
    for (int i = 0; i < c->nconditions; i++)
        btl_text_printf(t, "%s{ &btl_conditions[%d], %d }%s", i ? ", " : ", .conditions = { ", (int)(c->conditions[i].what - btl_conditions), c->conditions[i].binding,
                        i + 1 == c->nconditions ? " }" : "");
    btl_text_add(t, " },\n");
}

/* ---- lists -------------------------------------------------------------------------------- */

static bool gen_has_word(const char *words, const char *word) {
    for (const char *s = words + strspn(words, " "); *s; s += strspn(s, " ")) {
        size_t n = strcspn(s, " ");
        if (strlen(word) == n && memcmp(s, word, n) == 0) return true;
        s += n;
    }
    return false;
}

/* Is it tried at every op (NULL), or at this one? */
static bool gen_meets(const btl_compiled_rule *c, const btl_op *op) {
    if (c->rule->pass) return false;
    if (c->match) return c->match->op == op;
    if (strcmp(c->rule->ops, "*") == 0) return !op || !c->rule->takes || c->rule->takes(op);
    return op && gen_has_word(c->rule->ops, op->name);
}

/* Where a list begins in the pool: appended, unless it is there. */
static int gen_run(gen *g, int n, const short *run) {
    for (int at = 0; at + n < g->npool; at++)
        if (g->pool[at + n] < 0 && memcmp(g->pool + at, run, (size_t)n * sizeof *run) == 0) return at;
    int at = g->npool;
    for (int i = 0; i < n; i++) *BTL_PUSH(g->arena, g->pool, g->npool, g->pool_capacity) = run[i];
    *BTL_PUSH(g->arena, g->pool, g->npool, g->pool_capacity) = -1;
    return at;
}

/* "{ op, { … } }" */
static const char *gen_lists_of(gen *g, const btl_op *op) {
    btl_text t;
    short *run = BTL_ARRAY(g->arena, short, g->nrules + 1);
    btl_text_init(&t, g->arena);
    btl_text_printf(&t, "{ %s, {", op ? gen_op(g, op) : "0");
    for (unsigned phases = 0; phases <= BTL_PHASES; phases++) {
        int n = 0;
        for (int i = 0; i < g->nrules; i++)
            if ((g->rules[i].c.rule->phase & phases) && gen_meets(&g->rules[i].c, op)) run[n++] = (short)i;
        btl_text_printf(&t, "%s %d", phases ? "," : "", gen_run(g, n, run));
    }
    btl_text_add(&t, " } }");
    return t.data;
}

static bool gen_lists(gen *g) {
    static const btl_op *slots[RULE_SLOTS];
    btl_text t;
    btl_text_init(&t, g->arena);
    btl_text_printf(&t, "const btl_op_rules btl_compiled_any = %s;\n", gen_lists_of(g, NULL));
    for (int i = 0; btl_ops[i]; i++) {
        if (i == RULE_SLOTS - 1) {
            fprintf(stderr, "genrules: more ops than RULE_SLOTS (%d)\n", RULE_SLOTS);
            return false;
        }
        size_t slot = btl_rule_slot(btl_ops[i]);
        while (slots[slot]) slot = (slot + 1) % RULE_SLOTS;
        slots[slot] = btl_ops[i];
    }
    btl_text_add(&t, "const btl_op_rules btl_compiled_lists[RULE_SLOTS] = {\n");
    for (int i = 0; i < RULE_SLOTS; i++)
        if (slots[i]) btl_text_printf(&t, "    [%d] = %s,\n", i, gen_lists_of(g, slots[i]));
    btl_text_add(&t, "};\nconst short btl_compiled_passes[] = {");
    for (int i = 0; i < g->nrules; i++)
        if (g->rules[i].c.rule->pass) btl_text_printf(&t, " %d,", i);
    btl_text_add(&t, " -1 };\nconst short btl_compiled_pool[] = {");
    for (int i = 0; i < g->npool; i++) btl_text_printf(&t, "%s %d", i ? "," : "", g->pool[i]);
    btl_text_add(&t, " };\n");
    btl_text_add(&g->out, t.data);
    return g->npool <= USHRT_MAX;
}

/* ---- the file ----------------------------------------------------------------------------- */

#define GEN_COMPILE(table) if (!gen_compile(g, #table, btl_rules_##table)) return BTL_EVALUE;

static btl_status gen_file(void *arg) {
    const generator *file = arg;
    gen *g = &(gen){ .arena = file->arena };
    btl_text rules;
    BTL_RULE_TABLES(GEN_COMPILE)
    btl_text_init(&g->out, g->arena);
    btl_text_init(&rules, g->arena);
    btl_text_add(&g->out, "/* Bitale's rules, compiled by tools/genrules.c. */\n#include \"rewrite/match.h\"\n\n");
    for (int i = 0; btl_ops[i]; i++) btl_text_printf(&g->out, "extern const btl_op %s;\n", gen_op(g, btl_ops[i]) + 1);
    for (int i = 0; i < g->nrules; i++) gen_rule_text(g, &rules, i);
    btl_text_printf(&g->out, "\nconst int btl_compiled_count = %d;\nconst btl_compiled_rule btl_compiled_rules[] = {\n%s};\n\n", g->nrules, rules.data);
    if (!gen_lists(g)) return BTL_EVALUE;
    return generator_write(file, 1, &g->out);
}

int main(int argc, char **argv) { return generator_main(argc, argv, "genrules", gen_file); }
