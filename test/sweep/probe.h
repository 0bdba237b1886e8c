/* probe.h - the samples of the ops at points where they are smooth: what the sweeps over derivatives share.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_TEST_PROBE_H
#define BTL_TEST_PROBE_H

#include "sweep.h"

#include "bitale/grad.h"

/* Where an op is smooth: ranges of its operands, for those that are not so between 0.3 and 1.7.
 * `signs`: magnitudes, either sign (smooth but at 0). */
typedef struct domain { const char *op; double low[3], high[3]; bool signs; } domain;

static const domain domains[] = {
    { "abs", { 0.3 }, { 1.7 }, true }, { "absolute", { 0.3 }, { 1.7 }, true }, { "relu", { 0.3 }, { 1.7 }, true },
    { "elu", { 0.3 }, { 1.7 }, true }, { "softsign", { 0.3 }, { 1.7 }, true }, { "sign", { 0.3 }, { 1.7 }, true },
    { "sgn", { 0.3 }, { 1.7 }, true }, { "inv", { 0.3 }, { 1.7 }, true }, { "tanh", { 0.1 }, { 2 }, true },
    { "hard_sigmoid", { -2 }, { 2 }, false }, { "gelu", { -2 }, { 2 }, false },
    { "ceil", { 0.55 }, { 0.95 }, false }, { "floor", { 0.55 }, { 0.95 }, false }, { "trunc", { 0.55 }, { 0.95 }, false },
    { "round", { 0.55 }, { 0.95 }, false }, { "round_half_away", { 0.55 }, { 0.95 }, false },
    { "mod", { 2.2, 2 }, { 2.8, 2.15 }, false }, { "remainder", { 2.2, 2 }, { 2.8, 2.15 }, false },
    { "floordiv", { 2.2, 2 }, { 2.8, 2.15 }, false }, { "floor_divide", { 2.2, 2 }, { 2.8, 2.15 }, false },
    { "arcsin", { -0.8 }, { 0.8 }, false }, { "arccos", { -0.8 }, { 0.8 }, false }, { "arctanh", { -0.8 }, { 0.8 }, false },
    { "arccosh", { 1.2 }, { 2.5 }, false }, { "tan", { -1.2 }, { 1.2 }, false },
    { "gammaln", { 0.5 }, { 3.5 }, false }, { "clip", { 0.3, 0.5, 1.2 }, { 1.7, 0.6, 1.4 }, false },
    { "binary_crossentropy", { 0.2, 0.1 }, { 0.8, 0.9 }, false }, { "arctan2", { 0.3, 0.3 }, { 1.7, 1.7 }, true },
};

/* Kinks, logs of what is not positive, and what lies on purpose. */
static SWEEP_UNUSED bool is_left_out(const sweep_sample *s) {
    if (s->op->flags & OP_BARRIER) return true;
    if (strcmp(s->op->name, "std") == 0) return sweep_elems(&s->operands[0]) == 1; /* sqrt at 0 */
    bool of_positive = strcmp(s->op->name, "binary_crossentropy") == 0 || strcmp(s->op->name, "pow") == 0 || strcmp(s->op->name, "power") == 0;
    return of_positive && btl_dtype_kind(s->operands[0].dtype) != 'f';
}

/* Without a derivative; what they are built of. */
static const struct { const char *op, *says; } no_derivative[] = { { "psi", "psi" }, { "digamma", "psi" } };
enum { MOST_ELEMS = 64 };

typedef struct probe {
    sweep_sample s;
    btl_graph *g;
    btl_var *in[SWEEP_OPERANDS], *y;
    btl_array at[SWEEP_OPERANDS];
    int nfloat;
    btl_var *floats[SWEEP_OPERANDS];
} probe;

/* The largest and the smallest: no two closer than 0.006. */
static SWEEP_UNUSED bool is_extreme(const char *op) {
    static const char *const names[] = { "max", "min", "ptp", "maximum", "minimum", "max_pool2d" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], op) == 0) return true;
    return false;
}

static SWEEP_UNUSED double probe_value(const char *op, int operand, int64_t at, btl_rng *r) {
    double low = 0.3, high = 1.7;
    if (is_extreme(op)) return low + (high - low) * ((double)((at * 37 + 11 * operand) % 101) + 0.5 * operand) / 101;
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
        const domain *d = &domains[i];
        if (strcmp(d->op, op) != 0 || operand > 2 || !(d->high[operand] > d->low[operand])) continue;
        low = d->low[operand], high = d->high[operand];
        double x = btl_rng_uniform(r, low, high);
        return d->signs && btl_rng_below(r, 2) ? -x : x;
    }
    return btl_rng_uniform(r, low, high);
}

static SWEEP_UNUSED bool probe_new(probe *p, const sweep_sample *s) {
    btl_rng r = { btl_test_seed() };
    const char *names[SWEEP_OPERANDS];
    char text[128];
    *p = (probe){ .s = *s };
    BTL_ASSERT_OK(btl_graph_new(NULL, &p->g));
    for (int i = 0; i < s->n; i++) {
        const sweep_operand *o = &s->operands[i];
        names[i] = p->s.operands[i].name;
        p->in[i] = btl_input(p->g, o->name, sweep_type_text(o, text, sizeof text));
        BTL_ASSERT_OK(btl_array_new(NULL, o->dtype, o->rank, o->dims, &p->at[i]));
        sweep_fill(&p->at[i], o->name, VALUES_TAME, &r);
        bool is_index = strcmp(o->name, "i") == 0 || strcmp(o->name, "j") == 0, is_signed = btl_dtype_kind(o->dtype) == 'i';
        for (int64_t k = 0, n = btl_array_elems(&p->at[i]); is_index && k < n; k++)
            sweep_set(&p->at[i], k, 0, is_signed ? k % 4 - 2 : k % 2); /* set_subtensor: none twice */
        if (btl_dtype_kind(o->dtype) != 'f') continue;
        p->floats[p->nfloat++] = p->in[i];
        for (int64_t k = 0, n = btl_array_elems(&p->at[i]); k < n; k++) sweep_set(&p->at[i], k, probe_value(s->op->name, i, k, &r), 0);
    }
    p->y = btl_expr_n(p->g, s->expression, s->n, names, p->in);
    return p->y != NULL;
}

static SWEEP_UNUSED void probe_free(probe *p) {
    for (int i = 0; i < p->s.n; i++) btl_array_free(&p->at[i]);
    btl_graph_free(p->g);
}

static SWEEP_UNUSED void probe_text(const probe *p, char *text, size_t bytes) {
    int at = snprintf(text, bytes, "%s", p->s.expression);
    for (int i = 0; i < p->s.n; i++) {
        char type[80];
        at += snprintf(text + at, bytes - (size_t)at, ", %s: %s", p->s.operands[i].name, sweep_type_text(&p->s.operands[i], type, sizeof type));
    }
}

static SWEEP_UNUSED int64_t probe_elems(const sweep_sample *s) {
    int64_t n = 0;
    for (int i = 0; i < s->n; i++) n += sweep_elems(&s->operands[i]);
    return n;
}

static SWEEP_UNUSED const char *expected_refusal(const char *op) {
    for (size_t i = 0; i < sizeof no_derivative / sizeof *no_derivative; i++)
        if (strcmp(no_derivative[i].op, op) == 0) return no_derivative[i].says;
    return NULL;
}

/* A sample in that float; false if it has no float or is one that was tried before. */
static SWEEP_UNUSED bool sample_in(const btl_op *op, btl_samples samples, int which, btl_dtype dtype, sweep_sample *out) {
    bool any = false;
    *out = sweep_parse(op, samples[which]);
    for (int i = 0; i < out->n; i++)
        if (btl_dtype_kind(out->operands[i].dtype) == 'f') out->operands[i].dtype = dtype, any = true;
    if (!any || probe_elems(out) > MOST_ELEMS || is_left_out(out)) return false;
    for (int k = 0; k < which; k++) {
        sweep_sample o = sweep_parse(op, samples[k]);
        bool same = o.n == out->n && strcmp(o.expression, out->expression) == 0;
        for (int i = 0; same && i < o.n; i++) {
            if (btl_dtype_kind(o.operands[i].dtype) == 'f') o.operands[i].dtype = dtype;
            same = o.operands[i].dtype == out->operands[i].dtype && o.operands[i].rank == out->operands[i].rank &&
                   memcmp(o.operands[i].dims, out->operands[i].dims, (size_t)o.operands[i].rank * sizeof(int64_t)) == 0;
        }
        if (same) return false;
    }
    return true;
}

#endif
