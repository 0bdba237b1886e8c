/* places_test.c - whatever became of it, a value names the lines of the source that it came from: after rewriting, in kernels, in errors, in C.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "bitale/tools.h"
#include "expr/op.h"
#include "rewrite/driver.h"
#include "rewrite/match.h"

#include <string.h>

/* ---- every rule by itself ------------------------------------------------------------------------ */

enum { LINES = 400 };

typedef struct bench {
    btl_context *ctx;
    btl_graph *g;
    const btl_rule *rule;
    btl_rulebook const *book;
    btl_var *before, *after;
    int start, fired;
    bool line[LINES];        /* those of what the pattern says */
} bench;

static const int axis_of_patterns = 0;

static bool bind_settings(const btl_pattern *p, btl_match *m, bool *is_bool, const btl_param *axes, const btl_param *zero) {
    for (int k = 0; p->kind == PATTERN_CALL && k < p->op->nparams; k++) {
        int binding = p->settings[k].binding;
        if (binding >= 0) m->setting[binding] = p->op->params[k].kind == PARAM_AXES ? axes : zero;
    }
    for (int i = 0; p->kind == PATTERN_CALL && i < p->nkids; i++) {
        if (p->op->promote == PROMOTE_WHERE && i == 0 && p->kids[i]->kind == PATTERN_VAR) is_bool[p->kids[i]->binding] = true;
        bind_settings(p->kids[i], m, is_bool, axes, zero);
    }
    return true;
}

static void note(void *user, const btl_compiled_rule *c, unsigned phase, const btl_var *before, const btl_var *after) {
    bench *b = user;
    (void)phase, (void)before, (void)after;
    b->fired += c->rule == b->rule;
}

/* The rule's pattern, each operation of it from a line of its own, rewritten by the rule alone. */
static btl_status fire(void *arg) {
    bench *b = arg;
    btl_arena *a = &b->g->arena;
    btl_rule twice = { .name = b->rule->name, .match = b->rule->match, .result = b->rule->match };
    btl_compiled_rule c;
    btl_rule_compile(a, &twice, &c);
    btl_match m = { .g = b->g, .compiled = &c };
    bool is_bool[BTL_RULE_BINDINGS] = { false };
    btl_param axes = { .axes = { 1, &axis_of_patterns } }, zero = { .i = 0 };
    bind_settings(c.match, &m, is_bool, &axes, &zero);
    for (int i = 0; i < c.nbindings; i++) {
        if (m.setting[i]) continue;
        const char letter[2] = { c.letters[i], 0 };
        btl_var *x = btl_input(b->g, letter, is_bool[i] ? "bool[n]" : "f64[n]");
        m.bound[i] = is_bool[i] ? x : btl_sigmoid(b->g, x);
        m.root = x->node;
    }
    int from = b->g->nnodes;
    b->before = btl_rule_build(&m, &c);
    if (!b->before) return b->g->status;
    b->start = b->g->nnodes;
    for (int id = from; id < b->start; id++) {
        btl_node *n = b->g->nodes[id];
        btl_place *p = BTL_NEW(a, btl_place);
        *p = (btl_place){ .file = "pattern", .line = id % LINES };
        n->places = btl_places_add(b->g, NULL, p);
        if (!(n->op->flags & OP_LEAF) && n->op != &btl_op_cast && n->op != &btl_op_size) b->line[id % LINES] = true;
    }
    b->after = b->before;
    b->book = btl_rulebook_of(b->g);
    int n = 0, nrules = btl_rulebook_size(b->book);
    const char **others = BTL_ARRAY(a, const char *, nrules);
    for (int i = 0; i < nrules; i++)
        if (btl_rulebook_at(b->book, i)->rule != b->rule) others[n++] = btl_rulebook_at(b->book, i)->rule->name;
    btl_rewrite_options o = { .phases = b->rule->phase, .nwith = 1, .with = &b->rule->name, .nwithout = n, .without = others, .trace = note, .trace_user = b };
    return btl_rewrite(b->g, 1, &b->after, &o);
}

BTL_TEST(what_a_rule_makes_names_every_line_of_its_pattern) {
    int seen = 0;
    for (int i = 0; i < btl_rules_count(); i++) {
        bench b = { .rule = btl_rule_at(i) };
        if (!b.rule->match) continue;
        BTL_ASSERT_OK(btl_context_new(NULL, &b.ctx));
        BTL_ASSERT_OK(btl_graph_new(b.ctx, &b.g));
        if (btl_graph_protect(b.g, fire, &b) == BTL_OK && b.fired && b.after->node->id >= b.start) {
            seen++;
            int nlines = 0;
            for (int k = 0; k < LINES; k++) nlines += b.line[k];
            for (const btl_places *p = b.after->node->places; p; p = p->more) b.line[p->place->line] = false;
            for (int k = 0; k < LINES && nlines <= 12; k++) /* of more, the first few are named */
                if (b.line[k]) BTL_FAIL("rule %s: %s does not name line %d of what it replaces", b.rule->name, b.after->node->op->name, k);
            for (int id = b.start; id < b.g->nnodes; id++) /* and nothing that it makes is from nowhere */
                if (!b.g->nodes[id]->places) BTL_FAIL("rule %s makes a node %s without a place", b.rule->name, b.g->nodes[id]->op->name);
        }
        btl_graph_free(b.g);
        btl_context_free(b.ctx);
    }
    assert_in_range(seen, 30, 1000);
}

/* ---- whole programs ------------------------------------------------------------------------------ */

static const char model[] =
    "shared w: f32[8, 4] = 0.1\n"
    "function train(x: f32[n, 8], y: i32[n]):\n"
    "    h = x @ w\n"
    "    s = h - max(h, axis=1, keepdims=true)\n"
    "    e = exp(s)\n"
    "    p = e / sum(e, axis=1, keepdims=true)\n"
    "    l = log(p)\n"
    "    picked = l[arange(n), y]\n"
    "    nll = -mean(picked)\n"
    "    g = grad(nll, w)\n"
    "    update w = w - 0.5 * g\n"
    "    output nll, z = (tanh(h) + 1) * 0.5 - sqr(h)\n";

/* The lines that the values of a function name after a pass. */
static void lines_after(const char *pass, const char *mode, bool *line, int *nameless) {
    btl_context *ctx;
    btl_graph *g, *after;
    btl_error err = { 0 };
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    btl_var *vars[500];
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    BTL_ASSERT_OK(btl_graph_new(ctx, &g));
    if (btl_graph_parse(g, model, strlen(model), "model") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    if (btl_pipeline_print(g, btl_entry_find(g, "train"), &o, pass, &after, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    int n = btl_entry_computed(after, btl_entry_find(after, "train"), 500, vars);
    assert_in_range(n, 5, 500);
    memset(line, 0, LINES * sizeof *line);
    *nameless = 0;
    for (int i = 0; i < n; i++) {
        btl_source_place p;
        if (!btl_var_place_at(vars[i], 0, &p)) ++*nameless;
        for (int k = 0; btl_var_place_at(vars[i], k, &p); k++) {
            assert_string_equal(p.file, "model");
            assert_in_range(p.line, 1, 12);
            assert_non_null(p.source);
            line[p.line] = true;
        }
    }
    btl_graph_free(after);
    btl_graph_free(g);
    btl_context_free(ctx);
}

BTL_TEST(kernels_name_every_line_of_the_program_that_computes) {
    static const char *const passes[] = { "import", "canonicalize", "lower", "fuse", "layout" }, *const modes[] = { "fast_run", "fast_compile", "c_code" };
    for (int m = 0; m < 3; m++)
        for (int i = 0; i < 5; i++) {
            bool line[LINES];
            int nameless;
            lines_after(passes[i], modes[m], line, &nameless);
            if (nameless) BTL_FAIL("%s after %s: %d values from nowhere", modes[m], passes[i], nameless);
            for (int k = 3; k <= 12; k++)
                if (!line[k] && k != 9 && k != 10) BTL_FAIL("%s after %s: no value names line %d", modes[m], passes[i], k);
        }
}

BTL_TEST(an_error_at_run_time_points_to_its_line_in_every_mode) {
    static const char *const modes[] = { "fast_run,linker=strips", "fast_compile", "c_code,linker=strips", "fast_run,linker=eval" };
    for (int m = 0; m < 4; m++) {
        btl_context *ctx;
        btl_graph *g;
        btl_function *f;
        btl_state *s;
        btl_error err = { 0 };
        float x[16] = { 0 };
        int32_t y[2] = { 1, 77 };
        int64_t xs[2] = { 2, 8 }, ys[1] = { 2 };
        btl_array in[2] = { btl_array_wrap(BTL_F32, 2, xs, x), btl_array_wrap(BTL_I32, 1, ys, y) }, out[2] = { { 0 } };
        btl_function_options o = { .struct_size = sizeof o, .mode = modes[m] };
        BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
        BTL_ASSERT_OK(btl_graph_new(ctx, &g));
        BTL_ASSERT_OK(btl_graph_parse(g, model, strlen(model), "model"));
        BTL_ASSERT_OK(btl_function_new(g, btl_entry_find(g, "train"), &o, &f, &err));
        BTL_ASSERT_OK(btl_state_new(g, &s, &err));
        BTL_ASSERT_STATUS(btl_call(f, s, in, out, NULL, &err), BTL_EINDEX);
        if (err.line != 8) BTL_FAIL("%s: line %d: %s", modes[m], err.line, err.message);
        BTL_ASSERT_CONTAINS(err.message, "picked = l[arange(n), y]");
        btl_function_free(f);
        btl_state_free(s);
        btl_graph_free(g);
        btl_context_free(ctx);
    }
}

BTL_TEST_MAIN(cmocka_unit_test(what_a_rule_makes_names_every_line_of_its_pattern), cmocka_unit_test(kernels_name_every_line_of_the_program_that_computes),
              cmocka_unit_test(an_error_at_run_time_points_to_its_line_in_every_mode))
