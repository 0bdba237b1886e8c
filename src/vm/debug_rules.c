/* debug_rules.c - rewriting checked on a call's values: each rule's two sides, and the graph before and after scheduling.
 *
 * Nodes never change, so all that a rule replaced is still in the function's graph. Everything is computed once by the reference; a
 * firing's two sides then share the values of their operands, and where they differ it is by that rule alone. If they do, and
 * more is promised than they keep, the old side is computed in long double, and again with its roundings played with: the
 * new one is at fault if it is farther from the truth than its class and the old side's own uncertainty allow. So a rule that
 * turns a wrong NaN, infinity or 0 into the right value is none.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/context.h"
#include "expr/truth.h"
#include "vm/checks.h"
#include "vm/state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct debug_rules {
    vm_watch *v;
    btl_arena *a;
    btl_graph *g;
    int64_t *symbols;
    int nvalues;
    btl_var **vars;         /* whose values are known, by node and output */
    btl_array *values;
    int **at;               /* by node id: numbers of its outputs' values, or NULL */
} debug_rules;

/* ---- values of everything ---------------------------------------------------------------------------- */

static void rules_free_array(void *array) { btl_array_free(array); }

/* The variables of all firings and what they are computed from. */
static void rules_gather(debug_rules *r) {
    const vm_debug *d = r->v->f->debug;
    int nroots = 0;
    btl_var **roots = BTL_ARRAY(r->a, btl_var *, 2 * d->nfirings + 2 * d->nroots + 1);
    for (int i = 0; i < d->nfirings; i++) roots[nroots++] = d->firings[i].before, roots[nroots++] = d->firings[i].after;
    for (int i = 0; i < d->nroots; i++) roots[nroots++] = d->rewritten[i], roots[nroots++] = d->scheduled[i];
    btl_bits needed = btl_graph_reach(r->g, nroots, roots);
    int most = 0;
    for (int id = 0; id < needed.n; id++)
        if (btl_bits_get(needed, id)) most += r->g->nodes[id]->nout;
    r->vars = BTL_ARRAY(r->a, btl_var *, most + 1), r->values = BTL_ARRAY(r->a, btl_array, most + 1), r->at = BTL_ARRAY(r->a, int *, needed.n + 1);
    for (int id = 0; id < needed.n; id++) {
        btl_node *n = r->g->nodes[id];
        if (!btl_bits_get(needed, id)) continue;
        r->at[id] = BTL_ARRAY(r->a, int, n->nout + 1);
        for (int k = 0; k < n->nout; k++) r->at[id][k] = r->nvalues, r->vars[r->nvalues++] = &n->out[k];
    }
}

static btl_status rules_evaluate(debug_rules *r) {
    const btl_function *f = r->v->f;
    vm_workspace *w = r->v->w;
    btl_var **leaves = BTL_ARRAY(r->a, btl_var *, f->ninputs + f->nshared + 1);
    btl_array *given = BTL_ARRAY(r->a, btl_array, f->ninputs + f->nshared + 1);
    btl_error err = { 0 };
    int n = 0;
    for (int i = 0; i < f->ninputs + f->nshared; i++) {
        int slot = i < f->ninputs ? f->inputs[i].slot : f->shared[i - f->ninputs].slot;
        leaves[n] = (btl_var *)(uintptr_t)f->slots[slot].var;
        btl_operand kept = btl_operand_keep(r->a, &w->operands[slot]); /* an op may write to it */
        given[n++] = btl_array_of_operand(&kept);
    }
    r->symbols = btl_arena_copy(r->a, w->symbols, (size_t)(r->g->dims.nsymbols + 1) * sizeof *r->symbols);
    for (int i = 0; i < r->g->dims.nsymbols; i++)
        if (r->g->dims.symbols[i]->late) r->symbols[i] = -1;
    for (int i = 0; i < r->nvalues; i++) btl_arena_defer(r->a, rules_free_array, &r->values[i]);
    return btl_graph_eval(r->g, n, leaves, given, r->symbols, r->nvalues, r->vars, r->values, &err);
}

static const btl_array *rules_value(const debug_rules *r, const btl_var *v) { return &r->values[r->at[v->node->id][v->index]]; }

/* ---- the truth ------------------------------------------------------------------------------------------ */

/* Computing `before` ends at what `after` is made of, too. */
typedef struct rules_side { debug_rules *r; const vm_firing *fired; btl_bits shared; btl_precise **known; } rules_side;

/* What is before `before`, seen from `after`: nodes that the rule built are younger. */
static void rules_share(rules_side *s, const btl_node *n, int depth) {
    if (n->id >= s->shared.n || btl_bits_get(s->shared, n->id)) return;
    if (n->id < s->fired->before->node->id || (n->op->flags & OP_LEAF)) {
        btl_bits_set(s->shared, n->id);
        return;
    }
    for (int i = 0; i < n->nin && depth < 40; i++) rules_share(s, n->in[i]->node, depth + 1);
}

static const btl_precise *rules_given(void *user, const btl_var *v) {
    rules_side *s = user;
    debug_rules *r = s->r;
    if (v == s->fired->before || !r->at[v->node->id]) return NULL;
    if (!btl_bits_get(s->shared, v->node->id) && !((v->node->op->flags & OP_LEAF) && v->node->op != &btl_op_constant)) return NULL;
    int at = r->at[v->node->id][v->index];
    if (!s->known[at]) {
        int64_t strides[BTL_MAX_RANK];
        btl_operand x = btl_operand_of_array(&r->values[at], strides);
        s->known[at] = BTL_NEW(r->a, btl_precise);
        *s->known[at] = btl_precise_of(r->a, &x);
    }
    return s->known[at];
}

/* ---- judging ----------------------------------------------------------------------------------------------- */

typedef struct rules_verdict { int64_t at; double truth; bool has_truth; } rules_verdict;

/* As far apart as to be worth a look. */
static bool rules_differ(const vm_firing *f, btl_dtype dtype, const btl_array *before, const btl_array *after, int64_t at) {
    size_t size = btl_dtype_bytes(dtype);
    if (memcmp((const char *)btl_array_data(before) + at * (int64_t)size, (const char *)btl_array_data(after) + at * (int64_t)size, size) == 0) return false;
    if (btl_dtype_kind(dtype) != 'f') return true;
    double x = btl_array_element(before, at), y = btl_array_element(after, at);
    if ((isnan(x) && isnan(y)) || (x == y && (f->any_zero || f->exactness != VM_SAME_BITS))) return false;
    if (f->finite && !isfinite(x)) return false;
    return !(f->exactness == VM_WITHIN_ULP && fabs(x - y) <= f->ulp * btl_ulp(dtype, x));
}

/* Is y wrong, x being what it replaced? */
static bool rules_is_wrong(const vm_firing *f, btl_dtype dtype, double x, double y, const btl_truth_at *t) {
    double near = btl_truth_rounded(dtype, t->value);
    if (f->finite && !isfinite((double)t->value)) return false;
    if (f->exactness != VM_SAME_BITS) return btl_truth_is_missed(dtype, t, y, f->ulp + 1, BTL_TRUTH_FACTOR);
    if (!isnan(t->value) && isfinite(x) && !(x == 0 && near != 0)) return true; /* nothing was wrong with x */
    if (y == near) return isfinite(near) && isfinite(t->spread) && signbit(y) != signbit(near) && !f->any_zero;
    return btl_truth_is_missed(dtype, t, y, 0.5, 0);
}

/* The first element that the rule made wrong; -1: none. */
static btl_status rules_judge(rules_side *s, const btl_array *before, const btl_array *after, rules_verdict *out) {
    debug_rules *r = s->r;
    const vm_firing *f = s->fired;
    btl_dtype dtype = f->before->type.dtype;
    int64_t n = btl_array_elems(before), first = -1;
    btl_error err = { 0 };
    btl_truth truth;
    *out = (rules_verdict){ .at = -1 };
    for (int64_t i = 0; i < n && first < 0; i++)
        if (rules_differ(f, dtype, before, after, i)) first = i;
    if (first < 0) return BTL_OK;
    s->shared = btl_bits_new(r->a, r->g->nnodes);
    s->known = BTL_ARRAY(r->a, btl_precise *, r->nvalues + 1);
    rules_share(s, f->after->node, 0);
    btl_status status = btl_truth_find(r->v->f->ctx, r->a, f->before, rules_given, s, r->symbols, &truth, &err);
    if (status != BTL_OK) { /* nothing can be told but for what should be the same bits */
        if (f->exactness == VM_SAME_BITS) out->at = first;
        return status == BTL_ENOMEM ? status : BTL_OK;
    }
    for (int64_t i = first; i < n; i++) {
        if (!rules_differ(f, dtype, before, after, i)) continue;
        double x = btl_array_element(before, i), y = btl_array_element(after, i);
        btl_truth_at t = btl_truth_look(&truth, i, y);
        bool wrong = btl_dtype_kind(dtype) == 'f' ? rules_is_wrong(f, dtype, x, y, &t) : f->exactness == VM_SAME_BITS || ((double)t.value != y && !t.reached);
        if (!wrong) continue;
        *out = (rules_verdict){ i, (double)t.value, true };
        break;
    }
    return BTL_OK;
}

static const char *rules_promise(const vm_firing *f, char *text, size_t bytes) {
    if (f->exactness == VM_SAME_BITS) snprintf(text, bytes, "the same bits%s%s", f->finite ? ", of finite values" : "", f->any_zero ? ", but for the sign of zeros" : "");
    else if (f->exactness == VM_WITHIN_ULP) snprintf(text, bytes, "values within %g ulp%s", f->ulp, f->finite ? ", of finite values" : "");
    else snprintf(text, bytes, "the same sum or product in another order");
    return text;
}

static btl_status rules_fail(debug_rules *r, const vm_firing *f, const btl_array *before, const btl_array *after, const rules_verdict *verdict) {
    char index[200], promise[100], truth[80] = "";
    const btl_var *v = f->before;
    if (verdict->has_truth) snprintf(truth, sizeof truth, ", in higher precision %.17g", verdict->truth);
    btl_index_text(before, verdict->at, index, sizeof index);
    btl_status status = btl_error_set(r->v->err, BTL_ECHECK, "the rule %s changes values: %s%s%s is %.17g as written%s, and became %.17g; the rule promises %s", f->rule,
                                      v->name ? v->name : v->node->op->name, before->ndim ? ", element " : "", index, btl_array_element(before, verdict->at), truth,
                                      btl_array_element(after, verdict->at), rules_promise(f, promise, sizeof promise));
    status = btl_places_error(v->node->places, NULL, status, r->v->err);
    btl_error_add(r->v->err, "\n      %s became %s\n      hint: without=%s in the mode switches the rule off", v->node->op->name, f->after->node->op->name, f->rule);
    return status;
}

static btl_status rules_check_firing(debug_rules *r, const vm_firing *f) {
    const btl_array *before = rules_value(r, f->before), *after = rules_value(r, f->after);
    rules_side side = { .r = r, .fired = f };
    rules_verdict verdict;
    btl_agreement exact = { 0 };
    char why[600];
    bool same_type = before->ndim == after->ndim && memcmp(&before->dtype, &after->dtype, sizeof before->dtype) == 0;
    for (int k = 0; same_type && k < before->ndim; k++) same_type = before->shape[k] == after->shape[k];
    if (!same_type) {
        btl_arrays_agree(after, before, &exact, why, sizeof why);
        btl_status status = btl_error_set(r->v->err, BTL_ECHECK, "the rule %s changes a type: %s", f->rule, why);
        return btl_places_error(f->before->node->places, NULL, status, r->v->err);
    }
    btl_mark mark = btl_arena_mark(r->a);
    btl_status status = rules_judge(&side, before, after, &verdict);
    btl_arena_reset(r->a, mark);
    if (status != BTL_OK) return status;
    return verdict.at < 0 ? BTL_OK : rules_fail(r, f, before, after, &verdict);
}

/* Kernels compute by their reference what their nodes do. */
static btl_status rules_check_schedule(debug_rules *r) {
    const vm_debug *d = r->v->f->debug;
    btl_agreement exact = { 0 };
    char why[600];
    for (int i = 0; i < d->nroots; i++) {
        if (btl_arrays_agree(rules_value(r, d->scheduled[i]), rules_value(r, d->rewritten[i]), &exact, why, sizeof why)) continue;
        btl_status status = btl_error_set(r->v->err, BTL_ECHECK, "%s: fusing and laying out change values: %s", d->rewritten[i]->name ? d->rewritten[i]->name : d->rewritten[i]->node->op->name, why);
        status = btl_places_error(d->rewritten[i]->node->places, NULL, status, r->v->err);
        btl_error_add(r->v->err, "\n      hint: without=fuse in the mode makes a kernel of each node");
        return status;
    }
    return BTL_OK;
}

btl_status btl_debug_rules(vm_watch *v, btl_arena *a) {
    const vm_debug *d = v->f->debug;
    debug_rules r = { .v = v, .a = a, .g = v->f->graph };
    rules_gather(&r);
    btl_status status = rules_evaluate(&r);
    if (status != BTL_OK) return status == BTL_ENOMEM ? status : BTL_OK;
    for (int i = 0; i < d->nfirings; i++) BTL_TRY(rules_check_firing(&r, &d->firings[i]));
    return rules_check_schedule(&r);
}
