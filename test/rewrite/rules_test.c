/* rules_test.c - every rule by one test generated from its entry: its pattern is built on hard
 * operands, the rule must fire (alone and among all others, which must come to an end), keep the
 * type, and keep the value as its class says; switched off it must not fire. Values of rules that
 * round differently are judged by the pattern computed in long double. Rules made of code are
 * given an expression to fire on below.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/ops.h"
#include "expr/index.h"
#include "expr/op.h"
#include "rewrite/driver.h"
#include "rewrite/match.h"

#include <math.h>
#include <string.h>

enum { MOST_RULES = 400, N = 16 };

/* Extreme ones last. */
static const double samples[2][N] = {
    { -5, -2.5, -1, -0.5, -1e-3, 1e-10, 0.25, 0.5, 0.75, 1, 1.5, 2, 3.5, 5, -0.125, 0.3 },
    { 0, -0.0, 1, -1, (double)INFINITY, -(double)INFINITY, (double)NAN, 5e-324, -5e-324, 1e300, -1e300, 800, -800, 1e-300, 0.1, -3 },
};

typedef struct bench {
    btl_context *ctx;
    btl_graph *g;
    const btl_rule *rule;
    btl_var *inputs[4];       /* f64[n], in the order of the pattern's letters; ?c is bool */
    int ninputs;
    const char *type;         /* of the inputs */
    int form;                 /* what a letter stands for: 0 an input, 1 abs of it, 2 sigmoid of it, 3 1 or 2, never NaN */
    btl_var *before, *after;
    int fired;
    const char *other;        /* of the rules that fired, the last that is not `rule` */
    btl_rewrite_options options;
} bench;

static bench bench_new(const btl_rule *rule) {
    bench b = { .rule = rule, .type = "f64[n]" };
    BTL_ASSERT_OK(btl_context_new(NULL, &b.ctx));
    BTL_ASSERT_OK(btl_graph_new(b.ctx, &b.g));
    return b;
}

static void bench_free(bench *b) {
    btl_graph_free(b->g);
    btl_context_free(b->ctx);
}

/* ---- building a pattern ------------------------------------------------------------------- */

static int axis_of_patterns = 0;

/* Settings along axis 0, keepdims false; the letters that stand for variables. */
static void bind_settings(const btl_pattern *p, btl_match *m, bool *is_bool) {
    static btl_param params[3];
    params[0].axes.n = 1, params[0].axes.v = &axis_of_patterns;
    for (int k = 0; p->kind == PATTERN_CALL && k < p->op->nparams; k++) {
        int binding = p->settings[k].binding;
        if (binding >= 0) m->setting[binding] = p->op->params[k].kind == PARAM_AXES ? &params[0] : &params[1];
    }
    for (int i = 0; p->kind == PATTERN_CALL && i < p->nkids; i++) {
        if (p->kids[i]->kind == PATTERN_VAR && ((strcmp(p->op->name, "where") == 0 && i == 0) || strncmp(p->op->name, "logical_", 8) == 0))
            is_bool[p->kids[i]->binding] = true;
        bind_settings(p->kids[i], m, is_bool);
    }
}

static btl_status build_pattern(void *arg) {
    bench *b = arg;
    btl_rule both = { .name = b->rule->name, .match = b->rule->match, .result = b->rule->match };
    btl_compiled_rule compiled;
    btl_rule_compile(&b->g->arena, &both, &compiled);
    if (compiled.broken) BTL_FAIL("rule %s: %s", b->rule->name, compiled.broken);
    btl_match m = { .g = b->g };
    bool is_bool[BTL_RULE_BINDINGS] = { false };
    bind_settings(compiled.match, &m, is_bool);
    for (int i = 0; i < compiled.nbindings; i++) {
        if (m.setting[i]) continue;
        const char letter[2] = { compiled.letters[i], 0 };
        btl_var *x = btl_input(b->g, letter, is_bool[i] ? "bool[n]" : b->type);
        b->inputs[b->ninputs++] = x;
        m.bound[i] = is_bool[i] || b->form == 0 ? x : b->form == 1 ? btl_abs(b->g, x) : b->form == 2 ? btl_sigmoid(b->g, x)
                   : btl_add(b->g, btl_cast(b->g, btl_gt(b->g, x, btl_number(b->g, 0)), BTL_F64), btl_number(b->g, 1));
        m.root = x->node;
    }
    b->before = btl_rule_build(&m, &compiled);
    return b->before ? BTL_OK : b->g->status;
}

/* ---- rewriting ---------------------------------------------------------------------------- */

static void note_firing(void *user, const btl_compiled_rule *c, unsigned phase, const btl_var *before, const btl_var *after) {
    bench *b = user;
    const btl_rule *rule = c->rule;
    (void)phase;
    assert_int_equal(before->type.dtype, after->type.dtype);
    assert_true(btl_type_equal(&before->type, &after->type));
    if (rule == b->rule) b->fired++;
    else b->other = rule->name;
}

static btl_status rewrite(void *arg) {
    bench *b = arg;
    b->after = b->before;
    b->fired = 0;
    b->options.trace = note_firing;
    b->options.trace_user = b;
    return btl_rewrite(b->g, 1, &b->after, &b->options);
}

enum { ALL_PHASES = BTL_CANONICALIZE | BTL_STABILIZE | BTL_SPECIALIZE };

static void rewrite_with(bench *b, bool alone, bool without) {
    static const char *names[MOST_RULES];
    int n = 0;
    for (int i = 0; i < btl_rules_count(); i++)
        if (without ? btl_rule_at(i) == b->rule : btl_rule_at(i) != b->rule) names[n++] = btl_rule_at(i)->name;
    b->options = (btl_rewrite_options){ .phases = alone ? b->rule->phase : ALL_PHASES | b->rule->phase,
                                        .nwith = 1, .with = &b->rule->name,
                                        .nwithout = alone || without ? n : 0, .without = names };
    BTL_ASSERT_OK(btl_graph_protect(b->g, rewrite, b));
    if (!btl_graph_check(b->g)) BTL_FAIL("rule %s: %s", b->rule->name, btl_graph_messages(b->g));
}

/* ---- values ------------------------------------------------------------------------------- */

static void values(bench *b, btl_var *v, int set, double *out) {
    double x[4][N];
    bool c[N];
    char narrow[4][N * 8];
    int64_t shape[1] = { N }, one[1] = { 1 };
    btl_array given[4], result;
    btl_error err = { 0 };
    for (int k = 0; k < b->ninputs; k++) {
        for (int i = 0; i < N; i++) x[k][i] = samples[set][(i * (2 * k + 1) + 5 * k) % N], c[i] = i % 3 == 0;
        bool is_bool = b->inputs[k]->type.dtype == BTL_BOOL;
        given[k] = btl_array_wrap(b->inputs[k]->type.dtype, 1, shape, is_bool ? (void *)c : (void *)narrow[k]);
        btl_array wide = btl_array_wrap(BTL_F64, 1, shape, x[k]);
        if (!is_bool) BTL_ASSERT_OK(btl_array_convert(&given[k], &wide));
    }
    if (btl_graph_eval(b->g, b->ninputs, b->inputs, given, NULL, 1, &v, &result, &err) != BTL_OK)
        BTL_FAIL("rule %s: %s", b->rule->name, err.message);
    btl_array to = btl_array_wrap(BTL_F64, 1, shape, out);
    if (btl_array_elems(&result) == 1) {
        to.shape = one;
        result.ndim = 1, result.shape = one;
        for (int i = 1; i < N; i++) out[i] = 0;
    }
    BTL_ASSERT_OK(btl_array_convert(&to, &result));
    result.shape = NULL;
    btl_array_free(&result);
}

/* The value of a small graph in long double: vectors of N, a reduced one in all places. The ops
 * that rules speak of and that are not elementwise are defined here once more. */
static void real_values(const bench *b, const btl_var *v, long double *out) {
    const btl_node *n = v->node;
    long double in[3][N], s = 0;
    for (int k = 0; k < b->ninputs; k++)
        for (int i = 0; v == b->inputs[k] && i < N; i++) out[i] = v->type.dtype == BTL_BOOL ? i % 3 == 0 : (long double)samples[0][(i * (2 * k + 1) + 5 * k) % N];
    double constant;
    if (btl_var_constant_value(v, &constant))
        for (int i = 0; i < N; i++) out[i] = (long double)constant;
    for (int k = 0; k < n->nin; k++) real_values(b, n->in[k], in[k]);
    for (int i = 0; n->op->elem && i < N; i++) {
        const btl_elem *e = n->op->elem;
        out[i] = e->real ? e->real((long double[]){ in[0][i], in[1][i], in[2][i] }) : (long double)e->on_signed((int64_t[]){ in[0][i] != 0, in[1][i] != 0 });
    }
    for (int i = 0; n->op == &btl_op_cast && i < N; i++) out[i] = in[0][i]; /* of truth values */
    if (!n->nin || n->op->elem || n->op == &btl_op_cast) return;
    const btl_reduction *reduction = n->op->reduction;
    if (strcmp(n->op->name, "logaddexp") == 0) {
        for (int i = 0; i < N; i++) out[i] = logl(expl(in[0][i]) + expl(in[1][i]));
        return;
    }
    for (int i = 0; i < N; i++) {
        long double x = reduction ? in[0][i] : expl(in[0][i]);
        s = i == 0 ? x : reduction ? reduction->combine->elem->real((long double[]){ s, x }) : s + x;
    }
    for (int i = 0; i < N; i++)
        out[i] = reduction ? s : strcmp(n->op->name, "softmax") == 0 ? expl(in[0][i]) / s
               : strcmp(n->op->name, "log_softmax") == 0 ? in[0][i] - logl(s) : logl(s);
}

static bool same_bits(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void compare_exact(bench *b, const btl_var *after, const char *how) {
    for (int set = 0; set < 2; set++) {
        double want[N], got[N];
        if (set && (b->rule->needs & BTL_FINITE)) continue;
        values(b, b->before, set, want);
        values(b, (btl_var *)(uintptr_t)after, set, got);
        for (int i = 0; i < N; i++)
            if (!same_bits(want[i], got[i]) && !((b->rule->needs & BTL_NO_SIGNED_ZERO) && want[i] == got[i]))
                BTL_FAIL("rule %s (%s): %.17g became %.17g at sample %d of set %d", b->rule->name, how, want[i], got[i], i, set);
    }
}

static void compare_rounded(bench *b, const btl_var *after, double ulp, const char *how) {
    long double want[N];
    double got[N], wild[2][N];
    real_values(b, b->before, want);
    values(b, (btl_var *)(uintptr_t)after, 0, got);
    int n = b->before->type.rank ? N : 1;
    for (int i = 0; i < n; i++) {
        long double limit = (long double)(ulp * 0x1p-52) * fabsl(want[i]) + 1e-17L;
        if (isnan(want[i]) != isnan(got[i]) || fabsl((long double)got[i] - want[i]) > limit)
            BTL_FAIL("rule %s (%s): %.20Lg became %.17g, more than %g ulp at sample %d", b->rule->name, how, want[i], got[i], ulp, i);
    }
    if (b->rule->needs & BTL_FINITE) return;
    for (int k = 0; k < 2; k++) values(b, k ? (btl_var *)(uintptr_t)after : b->before, 1, wild[k]);
    for (int i = 0; i < n; i++) /* where the old form was right the new one is, at the ends of the range too */
        if (isfinite(wild[0][i]) && !(fabs(wild[0][i] - wild[1][i]) <= 1e-9 * (1 + fabs(wild[0][i]))))
            BTL_FAIL("rule %s (%s): %.17g became %.17g at extreme sample %d", b->rule->name, how, wild[0][i], wild[1][i], i);
}

/* ---- the generated test ------------------------------------------------------------------- */

/* Finds operands on which the rule fires; false if there are none. */
static bool fires(bench *b, const btl_rule *rule) {
    for (int form = 0; form < 4; form++) {
        *b = bench_new(rule);
        b->form = form;
        BTL_ASSERT_OK(btl_graph_protect(b->g, build_pattern, b));
        rewrite_with(b, true, false);
        if (b->fired) return true;
        bench_free(b);
    }
    return false;
}

static void compare(bench *b, double slack, const char *how) {
    if (b->rule->exactness == BTL_EXACT && slack == 0) compare_exact(b, b->after, how);
    else compare_rounded(b, b->after, b->rule->ulp + 1 + slack, how);
}

static void check_pattern_rule(const btl_rule *rule) {
    bench b;
    /* add_zero speaks of -0 alone, which is tested below by hand */
    if (strcmp(rule->name, "add_zero") == 0 || rule->when == btl_when_integer) return; /* integers have tests of their own */
    if (!fires(&b, rule)) BTL_FAIL("rule %s never fires on its own pattern %s", rule->name, rule->match);
    compare(&b, 0, "alone");
    rewrite_with(&b, false, false);
    compare(&b, 8, "with all others");
    rewrite_with(&b, false, true);
    assert_int_equal(b.fired, 0);
    bench_free(&b);
}

/* The same on integers, which saturate the extreme samples: a rule may stay away, but not lie. */
static int check_on_integers(const btl_rule *rule, const char *type) {
    bench b = bench_new(rule);
    b.type = type;
    if (btl_graph_protect(b.g, build_pattern, &b) == BTL_OK) {
        rewrite_with(&b, true, false);
        if (b.fired && btl_dtype_kind(b.before->type.dtype) != 'f') compare_exact(&b, b.after, type);
        else b.fired = 0;
    }
    int fired = b.fired;
    bench_free(&b);
    return fired;
}

BTL_TEST(rules_that_fire_on_integers_keep_every_value) {
    int n = 0;
    for (int i = 0; i < btl_rules_count(); i++) {
        const btl_rule *rule = btl_rule_at(i);
        if (rule->match) n += check_on_integers(rule, "i8[n]") + check_on_integers(rule, "u8[n]") + check_on_integers(rule, "i64[n]");
    }
    assert_in_range(n, 20, 3 * MOST_RULES);
}

BTL_TEST(every_rule_fires_on_its_pattern_and_keeps_type_and_value) {
    int n = 0;
    for (int i = 0; i < btl_rules_count(); i++)
        if (btl_rule_at(i)->match) check_pattern_rule(btl_rule_at(i)), n++;
    assert_in_range(n, 40, MOST_RULES);
}

static btl_status compile_all(void *arg) {
    btl_graph *g = arg;
    for (int i = 0; i < btl_rules_count(); i++) {
        btl_compiled_rule c;
        btl_rule_compile(&g->arena, btl_rule_at(i), &c);
        if (c.broken) BTL_FAIL("rule %s: %s", btl_rule_at(i)->name, c.broken);
    }
    return BTL_OK;
}

BTL_TEST(every_rule_is_well_formed_documented_and_named_once) {
    bench b = bench_new(NULL);
    BTL_ASSERT_OK(btl_graph_protect(b.g, compile_all, b.g));
    for (int i = 0; i < btl_rules_count(); i++) {
        const btl_rule *r = btl_rule_at(i);
        assert_non_null(r->why);
        assert_non_null(r->tags);
        assert_true(r->phase != 0);
        assert_ptr_equal(btl_rule_find(r->name), r);
        assert_true(r->exactness == BTL_EXACT || r->ulp > 0);
        for (const char *s = r->ops; s && *s; ) { /* every op that a rule names exists */
            size_t len = strcspn(s, " ");
            if (*s != '*' && !btl_op_find(s, len)) BTL_FAIL("rule %s names the op %.*s", r->name, (int)len, s);
            s += len + (s[len] == ' ');
        }
    }
    bench_free(&b);
}

BTL_TEST(patterns_that_make_no_sense_are_told) {
    static const char *const bad[][2] = {
        { "log(", "x" }, { "log(?x", "?x" }, { "?x", "?x" }, { "log(?x) log", "?x" }, { "nosuchop(?x)", "?x" },
        { "log(?x, ?y)", "?x" }, { "log(?x)", "?y" }, { "log(?x, axis=1)", "?x" }, { "softmax(?x, axis=oops)", "?x" },
        { "1 + * 2", "?x" }, { "((((((((((((((((((((?x))))))))))))))))))))", "?x" }, { "log(?X)", "?x" },
    };
    bench b = bench_new(NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        btl_rule rule = { .name = "bad", .match = bad[i][0], .result = bad[i][1] };
        btl_compiled_rule c;
        b.g->arena.trap = NULL;
        jmp_buf trap;
        b.g->arena.trap = &trap;
        if (setjmp(trap)) BTL_FAIL("out of memory");
        btl_rule_compile(&b.g->arena, &rule, &c);
        b.g->arena.trap = NULL;
        if (!c.broken) BTL_FAIL("%s => %s was taken", bad[i][0], bad[i][1]);
    }
    bench_free(&b);
}

/* ---- rules made of code ------------------------------------------------------------------- */

#define CODE_RULES(X)                                                                             \
    X(fold_constants, btl_add(g, x, btl_exp(g, btl_number(g, 1))))                                \
    X(cast_of_cast, btl_cast(g, btl_cast(g, btl_cast(g, x, BTL_F32), BTL_F64), BTL_F32))          \
    X(where_constant, btl_where(g, btl_lt(g, btl_number(g, 1), btl_number(g, 2)), x, btl_neg(g, x))) \
    X(dimshuffle_merge, btl_transpose(g, btl_transpose(g, btl_expand_dims(g, x, 0), -1, NULL), -1, NULL))             \
    X(reshape_merge, btl_reshape(g, btl_reshape(g, x, 2, (const int64_t[]){ 2, 8 }), 3, (const int64_t[]){ 4, 2, 2 })) \
    X(reduction_of_one, btl_sum(g, btl_expand_dims(g, x, 0), BTL_AXES(0), false))                 \
    X(broadcast_merge, btl_broadcast_to(g, btl_broadcast_to(g, btl_reshape(g, x, 2, (const int64_t[]){ 1, 16 }), 3, \
                                                            (const int64_t[]){ 1, 1, 16 }), 4, (const int64_t[]){ 1, 1, 1, 16 })) \
    X(view_of_scalar, btl_mul(g, x, btl_reshape(g, btl_broadcast_to(g, btl_max(g, x, BTL_AXES(0), false), 2, \
                                                                    (const int64_t[]){ 4, 4 }), 1, (const int64_t[]){ 16 }))) \
    X(subtensor_all, whole(g, x))                                                                 \
    X(broadcast_into_elementwise, btl_add(g, btl_zeros_like(g, x), btl_mul(g, x, btl_ones_like(g, x)))) \
    X(log_of_view, btl_log(g, btl_reshape(g, btl_softmax(g, btl_tanh(g, x), 0), 2, (const int64_t[]){ 1, -1 }))) \
    X(body, btl_softmax(g, btl_tanh(g, x), 0))

typedef struct whole_args { btl_graph *g; btl_var *x; } whole_args;

static btl_status whole_protected(void *arg) {
    whole_args *a = arg;
    btl_index_arg items[1] = { { .kind = ARG_SLICE, .start = { .dim = btl_dim_const(a->g, 0) }, .stop = { .dim = a->x->type.dims[0] } } };
    a->x = btl_index_build(a->g, a->x, 1, items);
    return a->x ? BTL_OK : a->g->status;
}

/* x[0:n] */
static btl_var *whole(btl_graph *g, btl_var *x) {
    whole_args a = { g, x };
    return btl_graph_protect(g, whole_protected, &a) == BTL_OK ? a.x : NULL;
}

static void check_code_rule(bench *b) {
    double want[N], got[N];
    if (!b->before) BTL_FAIL("rule %s: %s", b->rule->name, btl_graph_messages(b->g));
    rewrite_with(b, false, true);
    assert_int_equal(b->fired, 0);
    rewrite_with(b, false, false);
    if (!b->fired) BTL_FAIL("rule %s does not fire", b->rule->name);
    assert_true(btl_type_equal(&b->before->type, &b->after->type));
    b->before = (btl_reshape)(b->g, (btl_cast)(b->g, b->before, BTL_F64), 1, (const int64_t[]){ -1 });
    b->after = (btl_reshape)(b->g, (btl_cast)(b->g, b->after, BTL_F64), 1, (const int64_t[]){ -1 });
    for (int set = 0; set < 2; set++) {
        values(b, b->before, set, want);
        values(b, b->after, set, got);
        if (set && b->rule->exactness != BTL_EXACT) break;
        for (int i = 0; i < N; i++)
            if (!same_bits(want[i], got[i]) && !(fabs(want[i] - got[i]) <= b->rule->ulp * 0x1p-52 * fabs(want[i])))
                BTL_FAIL("rule %s: %.17g became %.17g", b->rule->name, want[i], got[i]);
    }
}

BTL_TEST(rules_made_of_code_fire_and_keep_type_and_value) {
#define CHECK_CODE_RULE(name_, expression)                                                        \
    {                                                                                             \
        bench b = bench_new(btl_rule_find(#name_));                                               \
        btl_graph *g = b.g;                                                                       \
        btl_var *x = b.inputs[b.ninputs++] = btl_input(g, "x", "f64[n]");                         \
        b.before = (expression);                                                                  \
        check_code_rule(&b);                                                                      \
        bench_free(&b);                                                                           \
    }
    CODE_RULES(CHECK_CODE_RULE)
}

BTL_TEST(adding_minus_zero_is_nothing_and_adding_plus_zero_is_not) {
    for (int negative = 0; negative < 2; negative++) {
        bench b = bench_new(btl_rule_find("add_zero"));
        btl_var *x = b.inputs[b.ninputs++] = btl_input(b.g, "x", "f64[n]");
        b.before = btl_add(b.g, btl_number(b.g, negative ? -0.0 : 0.0), x);
        b.options.phases = ALL_PHASES;
        BTL_ASSERT_OK(btl_graph_protect(b.g, rewrite, &b));
        assert_int_equal(b.fired, negative);
        assert_true((b.after == x) == negative);
        bench_free(&b);
    }
}

/* What looks like a pattern and is not, for the sake of a zero, an infinity or a type. */
#define LOOKALIKES(X)                                                                             \
    X(sub_zero, btl_sub(g, x, btl_number(g, -0.0)))                                               \
    X(add_zero, btl_add(g, x, btl_number(g, 0)))                                                  \
    X(add_plus_zero, btl_add(g, x, btl_number(g, 0)))                                             \
    X(pow_half, btl_pow(g, x, btl_number(g, 0.5)))                                                \
    X(pow_half, btl_pow(g, btl_mul(g, btl_exp(g, x), x), btl_number(g, 0.5)))                     \
    X(pow_half_of_any, btl_pow(g, x, btl_number(g, 0.5)))                                         \
    X(cast_of_cast, btl_cast(g, btl_cast(g, x, BTL_F32), BTL_F64))                                \
    X(log_one_plus_exp, btl_log(g, btl_add(g, btl_number(g, 1.5), btl_exp(g, x))))                \
    X(sigmoid_of_quotient, btl_div(g, btl_exp(g, x), btl_add(g, btl_number(g, 1), btl_exp(g, btl_neg(g, x))))) \
    X(softmax_written_out, btl_div(g, btl_exp(g, x), btl_sum(g, btl_exp(g, btl_neg(g, x)), BTL_AXES(0), true))) \
    X(positive_cancels, btl_mul(g, btl_div(g, x, btl_tanh(g, x)), btl_tanh(g, x)))                \
    X(reduction_of_one, btl_sum(g, x, BTL_AXES(0), false))                                        \
    X(sub_same, btl_sub(g, x, x))                                                                 \
    X(sub_same, btl_sub(g, btl_sigmoid(g, x), btl_sigmoid(g, x)))                                 \
    X(div_same, btl_div(g, btl_exp(g, x), btl_exp(g, x)))                                         \
    X(mul_zero, btl_mul(g, btl_abs(g, x), btl_number(g, 0)))                                      \
    X(add_sub, btl_sub(g, btl_add(g, x, btl_abs(g, x)), btl_abs(g, x)))                           \
    X(mul_div, btl_div(g, btl_mul(g, x, btl_exp(g, x)), btl_exp(g, x)))                           \
    X(gather_product, btl_mul(g, btl_number(g, 1e300), btl_mul(g, btl_number(g, 1e300), x)))      \
    X(gather_product, btl_mul(g, btl_number(g, 1e-200), btl_mul(g, btl_number(g, 1e-200), x)))    \
    X(gather_product, btl_mul(g, x, btl_mul(g, btl_number(g, 3), btl_exp(g, x))))                 \
    X(gather_sum, btl_sub(g, btl_add(g, x, btl_number(g, 0x1.8p52)), btl_number(g, 0x1.8p52)))    \
    X(gather_sum, btl_neg(g, btl_add(g, x, btl_number(g, 1))))                                    \
    X(like_terms, btl_sub(g, btl_mul(g, x, btl_number(g, 3)), btl_mul(g, x, btl_number(g, 3))))   \
    X(comparison_known, btl_le(g, x, x))                                                          \
    X(comparison_known, btl_ge(g, btl_abs(g, x), btl_number(g, 0)))                               \
    X(extreme_known, btl_maximum(g, btl_number(g, 0), btl_abs(g, x)))                             \
    X(extreme_known, btl_maximum(g, btl_number(g, -1), x))                                        \
    X(abs_nonnegative, btl_abs(g, btl_tanh(g, x)))                                                \
    X(abs_nonnegative, btl_abs(g, btl_mul(g, btl_number(g, -0.0), btl_exp(g, x))))                \
    X(exp_log, btl_exp(g, btl_log(g, x)))                                                         \
    X(sqr_sqrt, btl_sqr(g, btl_sqrt(g, x)))                                                       \
    X(pow_minus_half, btl_pow(g, x, btl_number(g, -0.5)))                                         \
    X(div_by_power_of_two, btl_div(g, x, btl_number(g, 6)))                                       \
    X(div_by_power_of_two, btl_div(g, x, btl_number(g, 0x1p-1023)))                               \
    X(not_comparison, btl_logical_not(g, btl_lt(g, x, btl_number(g, 1))))                         \
    X(into_where, btl_mul(g, x, btl_where(g, btl_gt(g, x, btl_number(g, 0)), btl_number(g, 0), btl_number(g, 1)))) \
    X(sum_of_scaled, btl_sum(g, btl_mul(g, btl_number(g, 0.5), x), BTL_AXES(0), false))           \
    X(sum_of_scaled, btl_sum(g, btl_mul(g, btl_number(g, -2), x), BTL_AXES(0), false))            \
    X(extreme_of_increasing, btl_max(g, btl_log(g, x), BTL_AXES(0), false))                       \
    X(argmax_of_increasing, btl_argmax(g, btl_sqr(g, x), BTL_AXES(0), false))                     \
    X(log_prod, btl_log(g, btl_prod(g, x, BTL_AXES(0), false)))                                   \
    X(log_sqr, btl_log(g, btl_mul(g, x, btl_neg(g, x))))                                          \
    X(subtensor_merge, btl_slice(g, btl_slice(g, x, 0, 0, INT64_MAX, 2), 0, 1, 2, 1))             \
    X(subtensor_of_join, btl_slice(g, btl_concatenate(g, 2, (btl_var *[]){ x, x }, 0), 0, 3, 5, 1))


BTL_TEST(rules_stay_away_from_what_only_looks_like_their_pattern) {
#define CHECK_LOOKALIKE(name_, expression)                                                        \
    {                                                                                             \
        bench b = bench_new(btl_rule_find(#name_));                                               \
        btl_graph *g = b.g;                                                                       \
        btl_var *x = btl_input(g, "x", "f64[n]");                                                 \
        b.before = (expression);                                                                  \
        if (!b.before) BTL_FAIL("%s: %s", #name_, btl_graph_messages(g));                         \
        b.options.phases = ALL_PHASES;                                                            \
        BTL_ASSERT_OK(btl_graph_protect(g, rewrite, &b));                                         \
        if (b.fired) BTL_FAIL("rule %s fires on %s", #name_, #expression);                        \
        bench_free(&b);                                                                           \
    }
    LOOKALIKES(CHECK_LOOKALIKE)
}

BTL_TEST_MAIN(cmocka_unit_test(rules_stay_away_from_what_only_looks_like_their_pattern),
              cmocka_unit_test(every_rule_is_well_formed_documented_and_named_once),
              cmocka_unit_test(patterns_that_make_no_sense_are_told),
              cmocka_unit_test(every_rule_fires_on_its_pattern_and_keeps_type_and_value),
              cmocka_unit_test(rules_that_fire_on_integers_keep_every_value),
              cmocka_unit_test(rules_made_of_code_fire_and_keep_type_and_value),
              cmocka_unit_test(adding_minus_zero_is_nothing_and_adding_plus_zero_is_not))
