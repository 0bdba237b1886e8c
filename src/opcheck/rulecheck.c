/* rulecheck.c - btl_rule_check: a rule tried in every way that can be made from its entry.
 *
 * A *case* builds what the rule matches: its pattern, its letters being arrays of some shape and form (any values, nonnegative ones, …), or its example. Where
 * the rule fires, both sides are computed by the reference of each operation. An exact rule must give the same bits; one that rounds is judged by its left side
 * in long double (opcheck/higher.h), whose f64 graph gets the very values of the f32 one. A stabilising rule is so judged by what is right, not by what
 * the old form gave.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"
#include "base/text.h"
#include "bitale/ops.h"
#include "bitale/tools.h"
#include "expr/operand.h"
#include "grad/reverse.h"
#include "opcheck/higher.h"
#include "opcheck/sample.h"
#include "rewrite/driver.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { RULECHECK_N = 16, RULECHECK_INPUTS = 12, MOST_TOLD = 3 };

/* ---- cases ------------------------------------------------------------------------------------ */

typedef enum rulecheck_form { FORM_ANY, FORM_NONNEGATIVE, FORM_UNIT, FORM_POSITIVE, FORM_FINITE, FORM_FINITE_NONZERO, FORM_CONSTANT, NFORMS } rulecheck_form;

static const char *const rulecheck_forms[NFORMS] = { "", " of abs(x)", " of sigmoid(x)", " of exp(x)", " of numbers made of i8", " of numbers made of u8, and 1 more", " of constants" };
static const char *const rulecheck_shapes[] = { "[n]", "[n, n]", "", "[16]", "[4, 4]", "[n, m]" };
enum { NSHAPES = sizeof rulecheck_shapes / sizeof *rulecheck_shapes };

typedef struct rulecheck_case {
    const char *shape;          /* NULL: the example */
    rulecheck_form form;
    bool negative_zero;         /* the pattern's 0 is -0 */
    const btl_sample *example;
} rulecheck_case;

/* A case built in a graph of its own. */
typedef struct rulecheck_side {
    btl_graph *g;
    int ninputs;
    btl_var *inputs[RULECHECK_INPUTS];
    btl_array in[RULECHECK_INPUTS];
    int nletters;               /* what the pattern's letters stand for: the inputs, or something made of them */
    btl_var *letters[RULECHECK_INPUTS];
    btl_var *before, *result;   /* what the rule makes of the pattern, if it can be told without firing; NULL */
    btl_var *after;
    int fired;
    const btl_rule *rule;       /* whose firings are counted */
    btl_rewrite_options options;
    btl_rewrite_report report;
    btl_dtype dtype;
} rulecheck_side;

typedef struct rulecheck {
    btl_context *ctx;
    const btl_rule *rule;
    btl_compiled_rule compiled;
    btl_arena *a;
    const btl_op_check_options *o;
    const char *what;
    int cases, failures, all_cases, all_failures, fired;
    bool look;                  /* it never fired: what are the two sides' types? */
    const char *types;
    const rulecheck_case *c;
} rulecheck;

static void rulecheck_tell(const rulecheck *k, const char *message) {
    btl_op_trial t = { k->what, k->cases, k->failures, message };
    if (k->o && k->o->see) k->o->see(k->o->user, &t);
}

static void rulecheck_begin(rulecheck *k, const char *what) { k->what = what, k->cases = k->failures = 0; }

static void rulecheck_end(rulecheck *k) {
    rulecheck_tell(k, NULL);
    k->all_cases += k->cases, k->all_failures += k->failures;
}

__attribute__((format(printf, 2, 3)))
static void rulecheck_fails(rulecheck *k, const char *format, ...) {
    char text[1500], where[200] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (k->c && k->c->shape) snprintf(where, sizeof where, "%s%s: ", *k->c->shape ? k->c->shape : "0-d", rulecheck_forms[k->c->form]);
    if (k->failures++ < MOST_TOLD) rulecheck_tell(k, btl_arena_printf(k->a, "%s%s", where, text));
}

/* ---- building ---------------------------------------------------------------------------------- */

static const int rulecheck_axis = 0;

/* Settings along axis 0, false, 0; which letters are conditions. False: a setting that is none of these. */
static bool rulecheck_settings(const btl_pattern *p, btl_match *m, bool *is_bool, const btl_param *axes, const btl_param *zero) {
    if (p->kind != PATTERN_CALL) return true;
    for (int k = 0; k < p->op->nparams; k++) {
        int binding = p->settings[k].binding;
        btl_param_kind kind = p->op->params[k].kind;
        if (binding < 0) continue;
        if (kind == PARAM_AXES) m->setting[binding] = axes;
        else if (kind == PARAM_BOOL || kind == PARAM_INT) m->setting[binding] = zero;
        else return false;
    }
    for (int i = 0; i < p->nkids; i++) {
        if (p->op->promote == PROMOTE_WHERE && i == 0 && p->kids[i]->kind == PATTERN_VAR) is_bool[p->kids[i]->binding] = true;
        if (!rulecheck_settings(p->kids[i], m, is_bool, axes, zero)) return false;
    }
    return true;
}

static btl_var *rulecheck_formed(btl_graph *g, rulecheck_form form, btl_var *x, btl_dtype dtype) {
    switch (form) {
    case FORM_NONNEGATIVE: return btl_abs(g, x);
    case FORM_UNIT: return btl_sigmoid(g, x);
    case FORM_POSITIVE: return btl_exp(g, x);
    case FORM_FINITE: return btl_cast(g, x, dtype);
    case FORM_FINITE_NONZERO: return btl_add(g, btl_cast(g, x, dtype), btl_number(g, 1));
    default: return x;
    }
}

static btl_dtype rulecheck_input_dtype(rulecheck_form form, bool is_bool, btl_dtype dtype) {
    return is_bool ? BTL_BOOL : form == FORM_FINITE ? BTL_I8 : form == FORM_FINITE_NONZERO ? BTL_U8 : dtype;
}

typedef struct rulecheck_build { rulecheck *k; rulecheck_side *s; btl_status status; } rulecheck_build;

/* A zero in a pattern stands for -0 as well. */
static bool rulecheck_negate_zeros(const btl_pattern *p) {
    bool any = p->kind == PATTERN_NUMBER && p->number == 0;
    if (any) ((btl_pattern *)(uintptr_t)p)->number = -0.0; /* ours, compiled a moment ago */
    for (int i = 0; p->kind == PATTERN_CALL && i < p->nkids; i++) any |= rulecheck_negate_zeros(p->kids[i]);
    return any;
}

static btl_status rulecheck_build_pattern(void *arg) {
    rulecheck_build *b = arg;
    rulecheck_side *s = b->s;
    const rulecheck_case *c = b->k->c;
    btl_graph *g = s->g;
    btl_rule twice = { .name = s->rule->name, .match = s->rule->match, .result = s->rule->match }, whole = *s->rule;
    btl_compiled_rule left, right;
    btl_rule_compile(&g->arena, &twice, &left);
    whole.when = NULL;
    btl_rule_compile(&g->arena, &whole, &right);
    if (left.broken || right.broken) return BTL_EVALUE;
    if (c->negative_zero && !rulecheck_negate_zeros(left.result)) return BTL_EUNSUPPORTED;
    btl_match m = { .g = g, .compiled = &left };
    bool is_bool[BTL_RULE_BINDINGS] = { false };
    btl_param axes = { .axes = { 1, &rulecheck_axis } }, zero = { .i = 0 };
    if (!rulecheck_settings(left.match, &m, is_bool, &axes, &zero)) return BTL_EUNSUPPORTED;
    for (int i = 0; i < left.nbindings; i++) {
        if (m.setting[i]) continue;
        if (s->ninputs == RULECHECK_INPUTS) return BTL_EUNSUPPORTED;
        const char letter[2] = { left.letters[i], 0 };
        const char *type = btl_arena_printf(&g->arena, "%s%s", btl_dtype_name(rulecheck_input_dtype(c->form, is_bool[i], s->dtype)), c->shape);
        btl_var *x;
        if (c->form == FORM_CONSTANT && !is_bool[i]) {
            x = btl_graph_scalar(g, s->dtype, 0.75 + i);
        } else {
            x = btl_input(g, letter, type);
            if (x) s->inputs[s->ninputs++] = x;
        }
        if (!x) return g->status;
        m.bound[i] = is_bool[i] ? x : rulecheck_formed(g, c->form, x, s->dtype);
        if (!m.bound[i]) return g->status;
        if (!btl_var_is_constant(m.bound[i])) s->letters[s->nletters++] = m.bound[i];
        m.root = x->node;
    }
    if (!m.root) return BTL_EUNSUPPORTED;
    s->before = btl_rule_build(&m, &left);
    if (!s->before) return g->status != BTL_OK ? g->status : BTL_EUNSUPPORTED;
    if (right.result && b->k->look) {
        m.root = s->before->node;
        s->result = btl_rule_build(&m, &right);
    }
    return BTL_OK;
}

/* The example as a program of its own. */
static btl_status rulecheck_build_example(void *arg) {
    rulecheck_build *b = arg;
    rulecheck_side *s = b->s;
    const btl_sample *e = b->k->c->example;
    btl_text t;
    char type[200];
    btl_text_init(&t, &s->g->arena);
    for (int i = 0; i < e->n; i++) {
        btl_sample_operand o = e->operands[i];
        if (!o.fixed && btl_dtype_kind(o.dtype) == 'f') o.dtype = s->dtype;
        btl_text_printf(&t, "input %s: %s\n", o.name, btl_sample_type(&o, false, type, sizeof type));
    }
    btl_text_printf(&t, "output the_result = %s\n", e->expression);
    btl_status status = btl_graph_parse(s->g, t.data, t.length, "example");
    if (status != BTL_OK || s->g->status != BTL_OK) return status != BTL_OK ? status : s->g->status;
    btl_entry *entry = btl_entry_find(s->g, NULL);
    for (int i = 0; i < entry->ninputs && i < RULECHECK_INPUTS; i++) s->inputs[s->ninputs++] = s->letters[s->nletters++] = entry->inputs[i].var;
    s->before = entry->outputs[0].var;
    return BTL_OK;
}

static btl_status rulecheck_side_new(rulecheck *k, btl_dtype dtype, rulecheck_side *s) {
    *s = (rulecheck_side){ .dtype = dtype, .rule = k->rule };
    BTL_TRY(btl_graph_new(k->ctx, &s->g));
    s->g->intern = true; /* as in what is compiled */
    rulecheck_build b = { k, s, BTL_OK };
    return btl_graph_protect(s->g, k->c->shape ? rulecheck_build_pattern : rulecheck_build_example, &b);
}

static void rulecheck_side_free(rulecheck_side *s) {
    for (int i = 0; i < s->ninputs; i++) btl_array_free(&s->in[i]);
    btl_graph_free(s->g);
    s->g = NULL;
}

/* ---- values -------------------------------------------------------------------------------------- */

enum { PLAIN, EXTREME, HUGE_ONES, NSETS };
static const char *const rulecheck_sets[NSETS] = { "plain", "extreme", "huge" };

/* Tame ones; the ends of the range; the same without infinities and NaN. */
static double rulecheck_value(btl_dtype dtype, int set, int i) {
    static const double tame[RULECHECK_N] = { -5, -2.5, -1, -0.5, -1e-3, 1e-7, 0.25, 0.5, 0.75, 1, 1.5, 2, 3.5, 5, -0.125, 0.3 };
    btl_float_range r = btl_float_range_of(btl_dtype_kind(dtype) == 'f' ? dtype : BTL_F64);
    double big = log(r.max) * 1.1; /* above which exp overflows */
    const double wild[RULECHECK_N] = { 0, -0.0, 1, -1, (double)INFINITY, -(double)INFINITY, (double)NAN, r.least, -r.least, r.max, -r.max, big, -big, r.normal, 0.1, -3 };
    if (set == HUGE_ONES && !isfinite(wild[i])) return i % 2 ? r.max / 4 : -r.max / 8;
    return set ? wild[i] : tame[i];
}

static void rulecheck_fill(rulecheck_side *s, int set, int shift) {
    for (int k = 0; k < s->ninputs; k++) {
        const btl_type *type = &s->inputs[k]->type;
        int64_t shape[BTL_MAX_RANK], size;
        for (int d = 0; d < type->rank; d++) shape[d] = btl_dim_is_const(type->dims[d], &size) ? size : type->rank > 1 ? 4 : RULECHECK_N;
        btl_array_free(&s->in[k]);
        if (btl_array_new(s->g->ctx, type->dtype, type->rank, shape, &s->in[k]) != BTL_OK) continue;
        btl_operand x = { .data = btl_array_data(&s->in[k]), .dtype = type->dtype };
        for (int64_t i = 0, n = btl_array_elems(&s->in[k]); i < n; i++) {
            double value = rulecheck_value(s->dtype, set, (int)((i * (2 * k + 1) + 5 * k + shift) % RULECHECK_N));
            if (s->inputs[k]->name && (s->inputs[k]->name[0] == 'i' || s->inputs[k]->name[0] == 'j') && !s->inputs[k]->name[1] && btl_dtype_kind(type->dtype) == 'i') value = (double)(i % 2);
            btl_array to = btl_array_wrap(type->dtype, 0, NULL, x.data + (size_t)i * btl_dtype_bytes(type->dtype)), from = btl_array_wrap(BTL_F64, 0, NULL, &value);
            if (type->dtype == BTL_BOOL) value = i % 3 == 0;
            btl_array_convert(&to, &from);
        }
    }
}

static bool rulecheck_eval(rulecheck_side *s, btl_var *v, btl_array *out) {
    btl_error err = { 0 };
    return btl_graph_eval(s->g, s->ninputs, s->inputs, s->in, NULL, 1, &v, out, &err) == BTL_OK;
}

/* ---- rewriting ------------------------------------------------------------------------------------- */

static void rulecheck_note(void *user, const btl_compiled_rule *c, unsigned phase, const btl_var *before, const btl_var *after) {
    rulecheck_side *s = user;
    (void)phase, (void)before, (void)after;
    s->fired += c->rule == s->rule;
}

typedef enum rulecheck_which { ALONE, WITH_ALL, WITHOUT } rulecheck_which;

typedef struct rulecheck_rewriting { rulecheck_side *s; rulecheck_which which; } rulecheck_rewriting;

static btl_status rulecheck_rewrite_body(void *arg) {
    const rulecheck_rewriting *w = arg;
    rulecheck_side *s = w->s;
    const btl_rulebook *book = btl_rulebook_of(s->g);
    int n = 0, nrules = btl_rulebook_size(book);
    const char **names = BTL_ARRAY(&s->g->arena, const char *, nrules + 1);
    for (int i = 0; i < nrules && w->which != WITH_ALL; i++) {
        const btl_rule *rule = btl_rulebook_at(book, i)->rule;
        if ((rule == s->rule) == (w->which == WITHOUT)) names[n++] = rule->name;
    }
    unsigned usual = BTL_CANONICALIZE | BTL_STABILIZE | BTL_SPECIALIZE;
    s->options = (btl_rewrite_options){ .phases = w->which == ALONE ? s->rule->phase : usual | s->rule->phase, .nwith = w->which != WITHOUT, .with = &s->rule->name,
                                        .nwithout = n, .without = names, .trace = rulecheck_note, .trace_user = s, .report = &s->report };
    return btl_rewrite(s->g, 1, &s->after, &s->options);
}

/* The case rewritten by the rule alone, by all, by all others. */
static btl_status rulecheck_rewrite(rulecheck_side *s, rulecheck_which which) {
    s->after = s->before, s->fired = 0, s->report = (btl_rewrite_report){ 0 };
    return btl_graph_protect(s->g, rulecheck_rewrite_body, &(rulecheck_rewriting){ s, which });
}

/* ---- comparing ----------------------------------------------------------------------------------------- */

static bool rulecheck_same_bits(const btl_array *a, const btl_array *b, int64_t e, bool zeros) {
    btl_dtype dtype = BTL_F64;
    btl_array_dtype(a, &dtype);
    if (btl_dtype_kind(dtype) != 'f') return memcmp((char *)btl_array_data(a) + (size_t)e * btl_dtype_bytes(dtype), (char *)btl_array_data(b) + (size_t)e * btl_dtype_bytes(dtype), btl_dtype_bytes(dtype)) == 0;
    double x = btl_sample_element(a, e), y = btl_sample_element(b, e);
    return (isnan(x) && isnan(y)) || (x == y && (zeros || (signbit(x) != 0) == (signbit(y) != 0)));
}

static void rulecheck_exact(rulecheck *k, rulecheck_side *s, int set) {
    btl_array want, got;
    if (!rulecheck_eval(s, s->before, &want)) return;
    if (!rulecheck_eval(s, s->after, &got)) {
        rulecheck_fails(k, "its result cannot be computed in %s", btl_dtype_name(s->dtype));
    } else {
        k->cases++;
        for (int64_t e = 0; e < btl_array_elems(&want); e++) {
            double x = btl_sample_element(&want, e), y = btl_sample_element(&got, e);
            if (rulecheck_same_bits(&want, &got, e, k->rule->needs & BTL_NO_SIGNED_ZERO)) continue;
            if ((k->rule->needs & BTL_NO_OVERFLOW) && !isfinite(x)) continue;
            if ((k->rule->needs & BTL_FINITE) && isnan(x)) continue;
            rulecheck_fails(k, "in %s, %s values: %.17g became %.17g (element %lld); it says class: exact", btl_dtype_name(s->dtype), rulecheck_sets[set], x, y, (long long)e);
            break;
        }
        btl_array_free(&got);
    }
    btl_array_free(&want);
}

/* What is right: an expression of the wide side in long double, and in f64, on given values of its leaves; their difference tells how far the first can
 * be trusted. */
typedef struct rulecheck_truth {
    rulecheck_side *wide;
    btl_var *v;
    int n;
    btl_var *const *leaves;
    btl_array at[RULECHECK_INPUTS], plain;
    btl_high high;
    btl_high_seen seen;
    bool known;
} rulecheck_truth;

static btl_status rulecheck_truth_body(void *arg) {
    rulecheck_truth *t = arg;
    t->known = btl_high_eval(t->wide->g, t->n, t->leaves, t->at, t->v, &t->high, &t->seen);
    return BTL_OK;
}

static void rulecheck_truth_find(rulecheck_truth *t) {
    btl_error err = { 0 };
    if (btl_graph_protect(t->wide->g, rulecheck_truth_body, t) != BTL_OK) t->known = false;
    if (t->known && btl_graph_eval(t->wide->g, t->n, t->leaves, t->at, NULL, 1, &t->v, &t->plain, &err) != BTL_OK) t->known = false;
}

static void rulecheck_truth_free(rulecheck_truth *t) {
    for (int i = 0; i < t->n; i++) btl_array_free(&t->at[i]);
    btl_array_free(&t->plain);
}

/* How far the long double value of element e may be off. */
static long double rulecheck_doubt(const rulecheck_truth *t, int64_t e) {
    long double want = t->high.v[e], plain = (long double)btl_sample_element(&t->plain, e);
    return isfinite(plain) ? fabsl(plain - want) / 256 + 1e-17L : fabsl(want) / 20; /* f64 has lost all: so it may nearly have */
}

/* The values that v[0..n) of a side have, in the types of the wide side's w[0..n). */
static void rulecheck_hand_over(rulecheck_side *s, int n, btl_var *const *v, btl_var *const *w, btl_array *at) {
    for (int i = 0; i < n; i++) {
        btl_array value;
        at[i] = (btl_array){ 0 };
        if (!rulecheck_eval(s, v[i], &value)) continue;
        if (btl_array_new(s->g->ctx, w[i]->type.dtype, value.ndim, value.shape, &at[i]) == BTL_OK) btl_array_convert(&at[i], &value);
        btl_array_free(&value);
    }
}

static bool rulecheck_is_finite(const rulecheck_truth *t) {
    bool all = true;
    for (int i = 0; i < t->n; i++)
        for (int64_t e = 0, n = t->at[i].data ? btl_array_elems(&t->at[i]) : 0; e < n; e++) all = all && isfinite(btl_sample_element(&t->at[i], e));
    return all;
}

static bool rulecheck_is_elementwise(const rulecheck_side *s) {
    bool all = true;
    for (int id = 0; id < s->g->nnodes; id++) {
        const btl_node *n = s->g->nodes[id];
        all = all && (n->op->elem || n->op == &btl_op_cast || (n->op->flags & OP_LEAF));
    }
    return all;
}

/* `s` against the exact value of its left side: the same case in f64, where the letters have the very values that they have in s, computed in long double. Nor need it
 * be better than twice the left side's own error. Together with other rules, which look behind the letters, it is the inputs that have them. */
static void rulecheck_rounded(rulecheck *k, rulecheck_side *s, int set, bool together) {
    rulecheck_side wide;
    btl_array got = { 0 }, before = { 0 };
    btl_dtype dtype = s->before->type.dtype;
    if (rulecheck_side_new(k, btl_dtype_kind(s->dtype) == 'f' ? BTL_F64 : s->dtype, &wide) == BTL_OK && rulecheck_eval(s, s->after, &got) && rulecheck_eval(s, s->before, &before)) {
        rulecheck_truth t = { .wide = &wide, .v = wide.before, .n = together ? wide.ninputs : wide.nletters, .leaves = together ? wide.inputs : wide.letters };
        rulecheck_hand_over(s, t.n, together ? s->inputs : s->letters, t.leaves, t.at);
        rulecheck_truth_find(&t);
        btl_float_range r = btl_float_range_of(dtype);
        double sums = k->rule->exactness == BTL_REASSOCIATES ? 64 : 0, unsure = LDBL_MANT_DIG < 60 && dtype == BTL_F64 ? 64 : 0; /* long double is no wider */
        bool spoilt = (k->rule->needs & BTL_FINITE) || ((k->rule->needs & BTL_NO_OVERFLOW) && !rulecheck_is_elementwise(s)); /* one infinity spoils the others' sum */
        if (set && spoilt && !rulecheck_is_finite(&t)) t.known = false;
        k->cases += t.known;
        for (int64_t e = 0; t.known && e < t.high.elems && e < btl_array_elems(&got); e++) {
            long double want = t.high.v[e], y = (long double)btl_sample_element(&got, e), x = (long double)btl_sample_element(&before, e);
            if (!isfinite(want) || fabsl(want) > (long double)r.max) { /* nobody knows what would be right, or it must overflow */
                bool free_hand = (k->rule->needs & (BTL_NO_OVERFLOW | BTL_FINITE)) != 0 || together || sums > 0;
                bool same = isnan(want) ? isnan(y) : y == (want > 0 ? (long double)INFINITY : -(long double)INFINITY);
                if (isnan(want) && !t.seen.infinite && !together) free_hand = (k->rule->needs & BTL_FINITE) != 0; /* 0/0 is no overflow */
                if (same || free_hand) continue;
            }
            long double allowed = (long double)(k->rule->ulp + 0.51 + (together ? 16 : 0) + unsure) * (long double)btl_ulp(dtype, (double)want) + (sums > 0 ? (long double)(sums * r.eps) * t.seen.largest : 0) +
                                  rulecheck_doubt(&t, e) + (isfinite(x) ? (together ? 4 : 2) * fabsl(x - want) : 0);
            if (isfinite(want) && fabsl(y - want) <= allowed) continue;
            if (set && sums > 0 && !isnan(want)) continue; /* of huge and tiny terms any order may lose all */
            if (!isfinite(x) && (together || (isnan(x) ? isnan(y) : x == y))) continue; /* no worse than as it was written */
            rulecheck_fails(k, "in %s, %s values%s: %.20Lg became %.17Lg, which is more than %s allows (element %lld)", btl_dtype_name(s->dtype), rulecheck_sets[set],
                            together ? ", with all other rules" : "", want, y,
                            k->rule->exactness == BTL_REASSOCIATES ? "class: reassociates" : k->rule->exactness == BTL_EXACT ? "class: exact" : btl_arena_printf(k->a, "class: ulp %g", k->rule->ulp),
                            (long long)e);
            break;
        }
        rulecheck_truth_free(&t);
    }
    btl_array_free(&got);
    btl_array_free(&before);
    rulecheck_side_free(&wide);
}

/* ---- ways to try it --------------------------------------------------------------------------------------- */

static void rulecheck_values_in(rulecheck *k, btl_dtype dtype) {
    rulecheck_side s;
    if (rulecheck_side_new(k, dtype, &s) == BTL_OK && rulecheck_rewrite(&s, ALONE) == BTL_OK && s.fired) {
        bool real = btl_dtype_kind(s.before->type.dtype) == 'f';
        k->fired++;
        if (!btl_type_equal(&s.before->type, &s.after->type)) rulecheck_fails(k, "the result has another type");
        else if (!btl_graph_check(s.g)) rulecheck_fails(k, "the graph is broken: %s", btl_graph_messages(s.g));
        else
            for (int set = 0; set < NSETS; set++)
                for (int shift = 0; shift < 3; shift++) {
                    if (set == EXTREME && (k->rule->needs & BTL_FINITE)) continue;
                    rulecheck_fill(&s, set, shift);
                    if (k->rule->exactness == BTL_EXACT || !real) rulecheck_exact(k, &s, set);
                    else rulecheck_rounded(k, &s, set, false);
                }
    } else if (s.g && s.g->status != BTL_OK && s.g->status != BTL_ENOMEM && s.before && (strstr(btl_graph_messages(s.g), k->rule->name) || strstr(s.g->error.message, k->rule->name))) {
        rulecheck_fails(k, "in %s: %s", btl_dtype_name(dtype), s.g->error.message);
    } else if (s.result && s.before && !k->types) {
        const char *left = btl_var_type(s.g, s.before), *right = btl_var_type(s.g, s.result);
        if (strcmp(left, right) != 0) k->types = btl_arena_printf(k->a, "%s is %s, but %s is %s", k->rule->match, left, k->rule->result, right);
    }
    rulecheck_side_free(&s);
}

/* With all other rules: they end, and the value is right still; without it, it does not fire. */
static void rulecheck_together(rulecheck *k) {
    rulecheck_side s;
    if (rulecheck_side_new(k, BTL_F64, &s) == BTL_OK && rulecheck_rewrite(&s, ALONE) == BTL_OK && s.fired) {
        btl_status status = rulecheck_rewrite(&s, WITH_ALL);
        k->cases += 2;
        if (status != BTL_OK) rulecheck_fails(k, "with all other rules: %s", s.g->error.message);
        else if (s.report.note) rulecheck_fails(k, "with all other rules: %s", s.report.note);
        else if (btl_dtype_kind(s.before->type.dtype) == 'f') rulecheck_fill(&s, PLAIN, 0), rulecheck_rounded(k, &s, PLAIN, true);
        if (status == BTL_OK && (rulecheck_rewrite(&s, WITHOUT) != BTL_OK || s.fired)) rulecheck_fails(k, "it fires although it is switched off");
    }
    rulecheck_side_free(&s);
}

typedef struct rulecheck_grads { rulecheck_side *s; btl_var *side[2]; int n; btl_var *wrt[RULECHECK_INPUTS], *out[2][RULECHECK_INPUTS]; btl_status status[2]; btl_var *weights; } rulecheck_grads;

/* The gradients of sum(weights * side). */
static btl_status rulecheck_gradients_of(void *arg) {
    rulecheck_grads *d = arg;
    btl_graph *g = d->s->g;
    rulecheck_side *s = d->s;
    d->weights = btl_graph_input(g, "weights", &s->before->type);
    s->inputs[s->ninputs++] = d->weights;
    for (int k = 0; k < 2; k++) {
        btl_var *cost = btl_sum(g, btl_mul(g, d->side[k], d->weights), BTL_ALL_AXES, false);
        d->status[k] = cost ? btl_grad_reverse(g, "gradient", cost, d->n, d->wrt, BTL_DISCONNECTED_ZERO, d->out[k]) : g->status;
        if (d->status[k] != BTL_OK) return d->status[k];
    }
    return BTL_OK;
}

/* The derivative of the left side in long double, against that of the right one. */
static void rulecheck_compare_gradients(rulecheck *k, rulecheck_side *s, btl_var *left, btl_var *right, const btl_var *by) {
    rulecheck_truth t = { .wide = s, .v = left, .n = s->ninputs, .leaves = s->inputs };
    btl_array got = { 0 };
    rulecheck_hand_over(s, t.n, s->inputs, s->inputs, t.at);
    rulecheck_truth_find(&t);
    if (t.known && rulecheck_eval(s, right, &got)) {
        long double scale = 0;
        k->cases++;
        for (int64_t e = 0; e < t.high.elems; e++)
            if (isfinite(t.high.v[e]) && fabsl(t.high.v[e]) > scale) scale = fabsl(t.high.v[e]);
        for (int64_t e = 0; e < t.high.elems && e < btl_array_elems(&got); e++) {
            long double want = t.high.v[e], y = (long double)btl_sample_element(&got, e);
            if (!isfinite(want) || fabsl(y - want) <= 1e-8L * fabsl(want) + 1e-9L * scale + 4e-16L * t.seen.largest + 4 * rulecheck_doubt(&t, e)) continue;
            rulecheck_fails(k, "the gradient by ?%s: %.17Lg became %.17Lg (element %lld)", by->name, want, y, (long long)e);
            break;
        }
    }
    btl_array_free(&got);
    rulecheck_truth_free(&t);
}

static void rulecheck_gradient(rulecheck *k) {
    rulecheck_side s;
    if (rulecheck_side_new(k, BTL_F64, &s) == BTL_OK && rulecheck_rewrite(&s, ALONE) == BTL_OK && s.fired && btl_dtype_kind(s.before->type.dtype) == 'f') {
        rulecheck_grads d = { .s = &s, .side = { s.before, s.after } };
        for (int i = 0; i < s.ninputs; i++)
            if (btl_dtype_kind(s.inputs[i]->type.dtype) == 'f' && s.ninputs < RULECHECK_INPUTS) d.wrt[d.n++] = s.inputs[i];
        btl_status status = d.n ? btl_graph_protect(s.g, rulecheck_gradients_of, &d) : BTL_EGRAD;
        if (status != BTL_OK && d.n && d.status[0] == BTL_OK && d.status[1] != BTL_OK) rulecheck_fails(k, "its result has no gradient: %s", s.g->error.message);
        btl_array like = { 0 };
        if (d.weights) s.ninputs--, rulecheck_fill(&s, PLAIN, 0);
        bool known = d.weights && rulecheck_eval(&s, s.before, &like);
        if (d.weights) s.in[s.ninputs++] = like;
        for (int64_t e = 0; known && e < btl_array_elems(&like); e++) btl_sample_set(&like, e, 1 + 0.3 * (double)(e % 5), 0);
        for (int i = 0; i < d.n && status == BTL_OK && known; i++) rulecheck_compare_gradients(k, &s, d.out[0][i], d.out[1][i], d.wrt[i]);
    }
    rulecheck_side_free(&s);
}

/* ---- all of it ---------------------------------------------------------------------------------------------- */

static void rulecheck_each(rulecheck *k, int n, const rulecheck_case *cases, void (*way)(rulecheck *k)) {
    for (int i = 0; i < n; i++) {
        k->c = &cases[i];
        way(k);
    }
    k->c = NULL;
}

static void rulecheck_floats(rulecheck *k) {
    rulecheck_values_in(k, BTL_F64);
    rulecheck_values_in(k, BTL_F32);
}

static void rulecheck_integers(rulecheck *k) {
    static const btl_dtype dtypes[] = { BTL_I8, BTL_U8, BTL_I64, BTL_BOOL };
    for (int i = 0; k->c->shape && k->c->form == FORM_ANY && i < 4; i++) rulecheck_values_in(k, dtypes[i]);
}

static btl_status rulecheck_run(void *arg) {
    rulecheck *k = arg;
    rulecheck_case cases[NSHAPES * NFORMS + 2];
    btl_sample example;
    char why[400];
    int n = 0;
    if (k->rule->example) {
        if (!btl_sample_parse(NULL, k->rule->example, &example, why, sizeof why)) rulecheck_begin(k, "fires"), rulecheck_fails(k, "%s", why), rulecheck_end(k);
        else cases[n++] = (rulecheck_case){ .example = &example };
    }
    for (int i = 0; k->rule->match && i < NSHAPES; i++)
        for (int f = 0; f < NFORMS; f++)
            if (f == FORM_ANY || i == 0 || (i < 3 && f != FORM_CONSTANT)) cases[n++] = (rulecheck_case){ .shape = rulecheck_shapes[i], .form = (rulecheck_form)f };
    if (k->rule->match) cases[n++] = (rulecheck_case){ .shape = rulecheck_shapes[0], .negative_zero = true };
    rulecheck_begin(k, "values");
    rulecheck_each(k, n, cases, rulecheck_floats);
    rulecheck_end(k);
    rulecheck_begin(k, "integers");
    rulecheck_each(k, n, cases, rulecheck_integers);
    rulecheck_end(k);
    rulecheck_begin(k, "fires");
    k->cases = k->fired;
    k->look = !k->fired;
    if (k->look) rulecheck_each(k, n, cases, rulecheck_floats);
    if (!k->fired && k->types) rulecheck_fails(k, "it never fires: %s", k->types);
    else if (!k->fired) rulecheck_fails(k, n ? "it never fires on what its pattern says; give an example on which it does" : "it is in code, and has no example on which it fires");
    rulecheck_end(k);
    rulecheck_begin(k, "gradient");
    rulecheck_each(k, n, cases, rulecheck_gradient);
    rulecheck_end(k);
    rulecheck_begin(k, "together");
    rulecheck_each(k, n, cases, rulecheck_together);
    rulecheck_end(k);
    return BTL_OK;
}

btl_status btl_rule_check(btl_context *ctx, const char *name, const btl_op_check_options *options, btl_error *err) {
    const btl_rule *rule = btl_rule_lookup(ctx, name);
    btl_arena arena;
    if (!rule) return btl_error_set(err, BTL_ENAME, "there is no rule named %.100s", name);
    if (!rule->match && !rule->pass && rule->ops && !*rule->ops) return BTL_OK; /* the driver's own */
    btl_arena_init(&arena, ctx);
    rulecheck k = { .ctx = ctx, .rule = rule, .o = options, .a = &arena };
    btl_status status = btl_arena_protect(&arena, rulecheck_run, &k);
    btl_arena_deinit(&arena);
    if (status != BTL_OK) return btl_error_set(err, status, "%s: out of memory while it was checked", name);
    if (k.all_failures) return btl_error_set(err, BTL_ECHECK, "%s: %d of %d cases failed", name, k.all_failures, k.all_cases);
    return BTL_OK;
}
