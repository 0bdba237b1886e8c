/* match.c - patterns matched against nodes and built into nodes.
 *
 * Commutative operands are tried in both orders with full backtracking, so a pattern matches
 * whenever some assignment of orders does. Recursion goes over the pattern, which is a few levels
 * deep, never over the graph.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/match.h"

#include "ops/helpers.h"

#include <string.h>

/* ---- matching ----------------------------------------------------------------------------- */

const btl_node *btl_match_node(btl_match *m, const btl_var *v, const btl_op *op) {
    const btl_node *n = v->node;
    if (op && n->op != op) return NULL;
    if ((n->op->flags & (OP_LEAF | OP_BARRIER)) || n->nout != 1) return NULL;
    if (n->id < m->barriers.n && btl_bits_get(m->barriers, n->id)) return NULL;
    if (m->nconsumed == BTL_RULE_CONSUMED) return NULL;
    m->consumed[m->nconsumed++] = n;
    return n;
}

bool btl_match_number(const btl_var *v, double value) {
    if (v->type.dtype == BTL_BOOL) return false;
    bool fraction = value != (double)(long)value;
    double found;
    while (!btl_var_constant_value(v, &found)) {
        if (v->node->op != &btl_op_cast) return false;
        v = v->node->in[0];
        if (fraction && btl_dtype_kind(v->type.dtype) != 'f') return false;
    }
    return found == value && !(fraction && btl_dtype_kind(v->type.dtype) != 'f');
}

/* What is still to be matched: a list, newest first, on the C stack. */
typedef struct match_goal match_goal;
struct match_goal { const btl_pattern *pattern; const btl_var *var; const match_goal *next; };

static bool match_goals(btl_match *m, const match_goal *goal);

/* What it binds is added to *bound, a bit for each. */
static bool match_settings(btl_match *m, const btl_pattern *p, const btl_node *n, unsigned *bound) {
    for (int k = 0; k < n->op->nparams; k++) {
        const pattern_setting *s = &p->settings[k];
        const btl_param *want = &s->value;
        if (s->binding >= 0) {
            if (!m->setting[s->binding]) m->setting[s->binding] = &n->params[k], *bound |= 1u << s->binding;
            want = m->setting[s->binding];
        }
        if (!btl_param_equal(n->op->params[k].kind, want, &n->params[k])) return false;
    }
    return true;
}

static bool match_kids(btl_match *m, const match_goal *goal, const btl_node *n) {
    const btl_pattern *p = goal->pattern;
    match_goal kids[PATTERN_KIDS];
    int norders = (p->op->flags & OP_COMMUTATIVE) && p->nkids == 2 ? 2 : 1;
    for (int order = 0; order < norders; order++) {
        for (int i = 0; i < p->nkids; i++)
            kids[i] = (match_goal){ p->kids[i], n->in[order ? 1 - i : i], i + 1 < p->nkids ? &kids[i + 1] : goal->next };
        if (match_goals(m, p->nkids ? kids : goal->next)) return true;
    }
    return false;
}

static bool match_call_goal(btl_match *m, const match_goal *goal) {
    const btl_pattern *p = goal->pattern;
    int nconsumed = m->nconsumed;
    unsigned bound = 0;
    const btl_node *n = btl_match_node(m, goal->var, p->op);
    if (n && n->nin == p->nkids && match_settings(m, p, n, &bound) && match_kids(m, goal, n)) return true;
    m->nconsumed = nconsumed;
    for (int b = 0; bound >> b; b++)
        if (bound >> b & 1) m->setting[b] = NULL;
    return false;
}

static bool match_var_goal(btl_match *m, const match_goal *goal) {
    btl_var **bound = &m->bound[goal->pattern->binding];
    if (*bound) return *bound == goal->var && match_goals(m, goal->next);
    *bound = (btl_var *)goal->var;
    if (match_goals(m, goal->next)) return true;
    *bound = NULL;
    return false;
}

/* Meets all goals; where it fails, m is as before. */
static bool match_goals(btl_match *m, const match_goal *goal) {
    if (!goal) return true;
    const btl_pattern *p = goal->pattern;
    if (p->kind == PATTERN_NUMBER) return btl_match_number(goal->var, p->number) && match_goals(m, goal->next);
    return p->kind == PATTERN_VAR ? match_var_goal(m, goal) : goal->var->node->op == p->op && match_call_goal(m, goal);
}

bool btl_rule_matches(btl_match *m, const btl_compiled_rule *rule) {
    m->compiled = rule;
    m->nconsumed = 0;
    for (int i = 0; i < rule->nbindings; i++) m->bound[i] = NULL, m->setting[i] = NULL;
    if (rule->match) {
        if (!match_goals(m, &(match_goal){ rule->match, m->root->out, NULL })) return false;
    } else if (!btl_match_node(m, m->root->out, NULL)) return false;
    return btl_conditions_hold(m, rule) && (!rule->rule->when || rule->rule->when(m));
}

/* ---- building ----------------------------------------------------------------------------- */

/* A number in a result has the dtype of the first operand beside it that is not one, and of the
 * root where there is none. */
static btl_dtype match_number_dtype(const btl_match *m, int n, btl_var *const *kids) {
    for (int i = 0; i < n; i++)
        if (kids[i]) return kids[i]->type.dtype;
    return m->root->out[0].type.dtype;
}

static btl_var *match_build(btl_match *m, const btl_pattern *p) {
    if (p->kind == PATTERN_VAR) return m->bound[p->binding];
    if (p->kind == PATTERN_NUMBER) return btl_graph_scalar(m->g, m->root->out[0].type.dtype, p->number);
    btl_var *kids[PATTERN_KIDS] = { NULL };
    for (int i = 0; i < p->nkids; i++)
        if (p->kids[i]->kind != PATTERN_NUMBER && !(kids[i] = match_build(m, p->kids[i]))) return NULL;
    btl_dtype dtype = match_number_dtype(m, p->nkids, kids);
    for (int i = 0; i < p->nkids; i++)
        if (!kids[i]) kids[i] = btl_graph_scalar(m->g, dtype, p->kids[i]->number);
    btl_param *params = BTL_ARRAY(&m->g->arena, btl_param, p->op->nparams + 1);
    for (int k = 0; k < p->op->nparams; k++) {
        const pattern_setting *s = &p->settings[k];
        params[k] = s->binding >= 0 ? *m->setting[s->binding] : s->value;
    }
    return btl_build(m->g, p->op, p->nkids, kids, params, NULL);
}

btl_var *btl_rule_build(btl_match *m, const btl_compiled_rule *rule) {
    return rule->result ? match_build(m, rule->result) : rule->rule->apply(m, m->root);
}

btl_var *btl_match_rebuild(btl_match *m, const btl_node *like, btl_var *first_operand) {
    if (!first_operand) return NULL;
    btl_var **in = btl_arena_copy(&m->g->arena, like->in, (size_t)like->nin * sizeof *in);
    in[0] = first_operand;
    int start = m->g->nnodes;
    bool same = btl_type_equal(&first_operand->type, &like->in[0]->type);
    btl_node *n = btl_apply(m->g, like->op, like->nin, in, like->params);
    if (n && same && n->id >= start) n->out->type = like->out->type; /* a size that the run finds keeps its symbol */
    return n ? n->out : NULL;
}

const btl_op *btl_rule_op(const char *name) {
    return btl_op_find(name, strlen(name));
}
