/* judge.c - btl_entry_judge: computations of one result held against what is right. Like tools.c it stands above all folders.
 *
 * Two modes that differ by more than their rules promise need not be wrong, nor need the one that differs from the program as written: where
 * 1 + erf(x) cancels, that one has lost its digits, and a rule that writes erfc(-x) has them. No bound on their difference tells; the
 * truth does, and how well the program as it is written can know it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/tools.h"

#include "base/array.h"
#include "base/context.h"
#include "expr/agree.h"
#include "expr/truth.h"

#include <math.h>
#include <string.h>

enum { JUDGE_REFERENCE = 2 }; /* how many times as wrong as the reference a value may be */

typedef struct judge {
    btl_arena arena;
    btl_graph *g;
    const btl_entry *e;
    const btl_judged_call *call;
    int n;
    btl_judged *of;
    int nleaves;
    btl_var **leaves;       /* arguments and shared variables */
    btl_array *at;          /* their values; those from `owned` on are to be freed */
    bool *owned;
    btl_precise *known;
    int64_t *symbols;
    btl_array reference;
    btl_error *err;
} judge;

static btl_var *judge_result(const judge *j) {
    const btl_entry *e = j->e;
    if (!j->call->update) return j->call->output >= 0 && j->call->output < e->noutputs ? e->outputs[j->call->output].var : NULL;
    for (int i = 0; i < e->nupdates; i++)
        if (strcmp(e->updates[i].shared->name, j->call->update) == 0) return e->updates[i].value;
    return NULL;
}

/* ---- what it is computed from ------------------------------------------------------------------ */

static btl_status judge_add_input(judge *j, int i) {
    const btl_entry_input *input = &j->e->inputs[i];
    int k = j->nleaves++;
    j->leaves[k] = input->var;
    if (j->call->in[i].data || !input->value) {
        j->at[k] = j->call->in[i];
        return BTL_OK;
    }
    btl_array first;
    btl_var *value = input->value;
    BTL_TRY(btl_graph_eval(j->g, 0, NULL, NULL, NULL, 1, &value, &first, j->err));
    j->owned[k] = true;
    btl_status status = btl_array_new(j->g->ctx, input->var->type.dtype, first.ndim, first.shape, &j->at[k]);
    if (status == BTL_OK) status = btl_array_convert(&j->at[k], &first);
    btl_array_free(&first);
    return status;
}

static btl_status judge_leaves(judge *j) {
    int most = j->e->ninputs + j->g->nshared + 1;
    j->leaves = BTL_ARRAY(&j->arena, btl_var *, most), j->at = BTL_ARRAY(&j->arena, btl_array, most), j->owned = BTL_ARRAY(&j->arena, bool, most);
    for (int i = 0; i < j->e->ninputs; i++) BTL_TRY(judge_add_input(j, i));
    for (int i = 0; j->call->state && i < j->g->nshared; i++) {
        int k = j->nleaves++;
        j->leaves[k] = j->g->shared[i]->var;
        j->owned[k] = true;
        BTL_TRY(btl_state_get(j->call->state, j->g->shared[i]->name, &j->at[k], j->err));
    }
    return BTL_OK;
}

/* Those that nothing says are unknown, as are those that only a run can tell. */
static void judge_symbols(judge *j) {
    j->symbols = BTL_ARRAY(&j->arena, int64_t, j->g->dims.nsymbols + 1);
    for (int s = 0; s < j->g->dims.nsymbols; s++) j->symbols[s] = -1;
    for (int i = 0; i < j->call->nsizes; i++) {
        int s = btl_dims_find(j->g, j->call->size_names[i]);
        if (s >= 0) j->symbols[s] = j->call->size_values[i];
    }
}

static const btl_precise *judge_given(void *user, const btl_var *v) {
    judge *j = user;
    for (int k = 0; k < j->nleaves && btl_var_is_leaf(v); k++)
        if (j->leaves[k] == v) return &j->known[k];
    return NULL;
}

/* ---- judging -------------------------------------------------------------------------------------- */

/* By how much element y is farther from the truth than it may be; 0: not at all. */
static double judge_excess(btl_dtype dtype, const btl_truth_at *t, double y, double reference, double ulps, double *allowed) {
    double d = (double)fabsl((long double)y - t->value), off = (double)fabsl((long double)reference - t->value);
    *allowed = btl_truth_allowed(dtype, t, ulps, BTL_TRUTH_FACTOR);
    if (y == reference || (isnan(y) && isnan(reference))) return 0; /* as bad as the program is */
    if (btl_dtype_kind(dtype) != 'f') {
        *allowed = 0;
        return (double)t->value == y || t->reached ? 0 : d;
    }
    if (!btl_truth_is_missed(dtype, t, y, ulps, BTL_TRUTH_FACTOR)) return 0;
    if (isfinite(off)) *allowed = fmax(*allowed, btl_truth_allowed(dtype, &(btl_truth_at){ .value = t->value, .spread = off }, ulps, JUDGE_REFERENCE));
    return isfinite(y) && d <= *allowed ? 0 : isfinite(d) ? d - *allowed : (double)INFINITY;
}

static void judge_one(const judge *j, btl_judged *of, const btl_truth *truth, btl_dtype dtype) {
    double worst = 0;
    of->nwrong = 0, of->worst = -1, of->truth = of->allowed = 0;
    for (int64_t i = 0, n = btl_array_elems(of->value); i < n; i++) {
        if (j->call->doubted && !j->call->doubted[i]) continue;
        double allowed, y = btl_array_element(of->value, i);
        btl_truth_at t = btl_truth_look(truth, i, y);
        double excess = judge_excess(dtype, &t, y, btl_array_element(&j->reference, i), of->ulps, &allowed);
        if (excess <= 0) continue;
        of->nwrong++;
        if (excess > worst) worst = excess, of->worst = i, of->truth = (double)t.value, of->allowed = isnan(allowed) ? 0 : allowed;
    }
}

static btl_status judge_all(void *arg) {
    judge *j = arg;
    btl_var *v = judge_result(j);
    btl_truth truth;
    if (!v) return btl_error_set(j->err, BTL_EUSAGE, "judge: there is no such result");
    BTL_TRY(judge_leaves(j));
    judge_symbols(j);
    BTL_TRY(btl_graph_eval(j->g, j->nleaves, j->leaves, j->at, j->symbols, 1, &v, &j->reference, j->err)); /* binds the sizes */
    for (int s = 0; s < j->g->dims.nsymbols; s++)
        if (j->g->dims.symbols[s]->late) j->symbols[s] = -1; /* with other roundings there may be more */
    for (int i = 0; i < j->n; i++)
        if (btl_array_elems(j->of[i].value) != btl_array_elems(&j->reference)) return btl_error_set(j->err, BTL_EUSAGE, "judge: the result has another shape");
    j->known = BTL_ARRAY(&j->arena, btl_precise, j->nleaves + 1);
    for (int k = 0; k < j->nleaves; k++) {
        int64_t strides[BTL_MAX_RANK];
        btl_operand x = btl_operand_of_array(&j->at[k], strides);
        j->known[k] = btl_precise_of(&j->arena, &x);
    }
    BTL_TRY(btl_truth_find(j->g->ctx, &j->arena, v, judge_given, j, j->symbols, &truth, j->err));
    for (int i = 0; i < j->n; i++) judge_one(j, &j->of[i], &truth, v->type.dtype);
    return BTL_OK;
}

btl_status btl_entry_judge(btl_graph *g, const btl_entry *e, const btl_judged_call *call, int n, btl_judged *of, btl_error *err) {
    btl_error own = { 0 };
    judge j = { .g = g, .e = e, .call = call, .n = n, .of = of, .err = err ? err : &own };
    btl_arena_init(&j.arena, g->ctx);
    btl_status status = btl_arena_protect(&j.arena, judge_all, &j);
    if (status == BTL_ENOMEM) btl_error_set(j.err, status, "no memory to compute what is right");
    for (int k = 0; k < j.nleaves; k++)
        if (j.owned[k]) btl_array_free(&j.at[k]);
    btl_array_free(&j.reference);
    btl_arena_deinit(&j.arena);
    return status;
}
