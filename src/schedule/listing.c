/* listing.c - see listing.h. SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/listing.h"

#include "expr/opaque.h"
#include "schedule/alias.h"
#include "schedule/region.h"

#include <stdio.h>
#include <string.h>

typedef struct listing {
    btl_arena *a;
    btl_graph *g;
    const btl_entry *e;
    const int64_t *symbols;
    btl_schedule *s;
    btl_schedule_value *values;
    btl_schedule_step *steps;
    const btl_var **vars;    /* by value */
    int **value_of;          /* of each output of each node; NULL: not met */
    int capacity, var_capacity;
    btl_error *err;
} listing;

/* ---- values ---------------------------------------------------------------------------------- */

static btl_status listing_bytes(listing *l, const btl_var *v, int64_t *bytes) {
    int axis = l->symbols ? btl_type_bytes(&v->type, l->symbols, bytes) : (*bytes = 0, -1);
    if (axis < 0) return BTL_OK;
    btl_status status = btl_error_set(l->err, BTL_ESHAPE, "the size of axis %d of %s is unknown or too large; sizes are given as n=128", axis, btl_var_text(l->g, v));
    return btl_places_error(v->node->places, NULL, status, l->err);
}

static btl_status listing_values(listing *l, const btl_node *n) {
    if (l->value_of[n->id]) return BTL_OK;
    int *numbers = l->value_of[n->id] = BTL_ARRAY(l->a, int, n->nout);
    for (int i = 0; i < n->nout; i++) {
        const btl_var *v = &n->out[i];
        int at = l->s->nvalues;
        btl_schedule_value *value = (numbers[i] = l->s->nvalues, BTL_PUSH(l->a, l->values, l->s->nvalues, l->capacity));
        *value = (btl_schedule_value){ .name = v->name, .places = n->places, .type = &v->type, .into = -1 };
        *BTL_PUSH(l->a, l->vars, at, l->var_capacity) = v;
        BTL_TRY(listing_bytes(l, v, &value->bytes));
    }
    return BTL_OK;
}

static int listing_value(const listing *l, const btl_var *v) { return l->value_of[v->node->id][v->index]; }

/* What must not be written over: constants, arguments that are only lent, states that the entry keeps. */
static void listing_protect(listing *l) {
    for (int id = 0; id < l->g->nnodes; id++) {
        const btl_node *n = l->g->nodes[id];
        if (l->value_of[id] && (n->op->flags & OP_LEAF)) l->values[l->value_of[id][0]].is_protected = true;
    }
    for (int i = 0; i < l->e->ninputs; i++) {
        const btl_node *n = l->e->inputs[i].var->node;
        if (l->value_of[n->id] && l->e->inputs[i].is_mutable) l->values[l->value_of[n->id][0]].is_protected = false;
    }
    for (int i = 0; i < l->e->nupdates; i++) {
        const btl_node *n = l->e->updates[i].shared->node;
        if (l->value_of[n->id]) l->values[l->value_of[n->id][0]].is_protected = false;
    }
}

static btl_status listing_ends(listing *l) {
    const btl_entry *e = l->e;
    for (int i = 0; i < e->noutputs; i++) {
        BTL_TRY(listing_values(l, e->outputs[i].var->node));
        btl_schedule_value *v = &l->values[listing_value(l, e->outputs[i].var)];
        v->is_output = v->is_result = true;
    }
    for (int i = 0; i < e->nupdates + e->nasserts; i++) {
        const btl_var *v = i < e->nupdates ? e->updates[i].value : e->asserts[i - e->nupdates].condition;
        BTL_TRY(listing_values(l, v->node));
        l->values[listing_value(l, v)].is_output = true;
    }
    return BTL_OK;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void listing_lies(listing *l, const btl_node *n, const int *in) {
    for (int i = 0; i < n->nout; i++) {
        btl_schedule_value *v = &l->values[l->value_of[n->id][i]];
        bool said = n->lies && n->lies[i].input >= 0;
        if (said && !n->lies[i].is_view) v->into = in[n->lies[i].input];
        else if (said || (n->op->view && i == 0)) v->nviews = 1, v->views = in + (said ? n->lies[i].input : 0);
    }
}

static btl_status listing_step(listing *l, const btl_node *n) {
    int *in = BTL_ARRAY(l->a, int, n->nin + 1);
    for (int i = 0; i < n->nin; i++) {
        BTL_TRY(listing_values(l, n->in[i]->node));
        in[i] = listing_value(l, n->in[i]);
    }
    BTL_TRY(listing_values(l, n));
    listing_lies(l, n, in);
    l->steps[l->s->nsteps++] = (btl_schedule_step){ .name = n->op == &btl_op_opaque ? n->params[0].s : n->op->name, .places = n->places, .nin = n->nin, .in = in,
                                                    .nout = n->nout, .out = l->value_of[n->id] };
    return BTL_OK;
}

btl_status btl_listing_schedule(btl_arena *a, btl_graph *g, const btl_entry *e, const int64_t *symbols, btl_schedule **out, btl_error *err) {
    listing l = { .a = a, .g = g, .e = e, .symbols = symbols, .err = err, .s = BTL_NEW(a, btl_schedule) };
    l.value_of = BTL_ARRAY(a, int *, g->nnodes + 1);
    l.steps = BTL_ARRAY(a, btl_schedule_step, e->nnodes + 1);
    for (int i = 0; i < e->nnodes; i++) BTL_TRY(listing_step(&l, e->nodes[i]));
    BTL_TRY(listing_ends(&l));
    listing_protect(&l);
    l.s->values = l.values, l.s->steps = l.steps;
    l.s->disjoint = btl_regions_disjoint, l.s->user = btl_regions_new(a, g, l.s, l.s->nvalues, l.vars);
    *out = l.s;
    return BTL_OK;
}

/* ---- what is wrong with an overwrite --------------------------------------------------------- */

static int listing_line(const btl_places *p) { return p && p->place ? p->place->line : 0; }

/* "y", or "a result of exp" where it has no name. */
static const char *listing_value_text(btl_arena *a, const btl_schedule *s, int v) {
    if (s->values[v].name) return s->values[v].name;
    for (int i = 0; i < s->nsteps; i++)
        for (int k = 0; k < s->steps[i].nout; k++)
            if (s->steps[i].out[k] == v) return btl_arena_printf(a, "a result of %s", s->steps[i].name);
    return "a constant";
}

/* What the step is called by: its first result. */
static const char *listing_step_text(btl_arena *a, const btl_schedule *s, int step) {
    const btl_schedule_step *q = &s->steps[step];
    return q->nout && s->values[q->out[0]].name ? s->values[q->out[0]].name : btl_arena_printf(a, "%s", q->name);
}

static const char *listing_where(btl_arena *a, const btl_schedule *s, int step) {
    int line = listing_line(s->steps[step].places);
    return line ? btl_arena_printf(a, "%s (line %d)", listing_step_text(a, s, step), line) : listing_step_text(a, s, step);
}

/* "p → s → d": from the destroyer to the reader that can only run behind it. */
static const char *listing_path(btl_arena *a, const btl_schedule *s, const btl_alias_reason *r) {
    btl_text t;
    btl_text_init(&t, a);
    for (int i = 0; i < r->npath; i++) {
        if (r->npath > 12 && i == 6) {
            btl_text_printf(&t, " → … %d more", r->npath - 11);
            i = r->npath - 6;
        }
        btl_text_printf(&t, i ? " → %s" : "%s", listing_step_text(a, s, r->path[i]));
    }
    return t.data ? t.data : "";
}

static btl_status listing_refuse(btl_arena *a, const btl_schedule *s, int step, int value, const btl_alias_reason *r, btl_error *err) {
    const btl_schedule_value *v = &s->values[value];
    const char *x = listing_value_text(a, s, v->into), *y = listing_value_text(a, s, r->var), *why = "";
    const char *lies = r->var == v->into ? "" : btl_arena_printf(a, ", which lies in the memory of %s", x);
    switch (r->verdict) {
    case BTL_ALIAS_SAFE: break;
    case BTL_ALIAS_PROTECTED: why = btl_arena_printf(a, "%s must not be written over: it is an argument or a constant, or a state that is not updated here", y); break;
    case BTL_ALIAS_KEPT: why = btl_arena_printf(a, "%s%s is still read at the end", y, lies); break;
    case BTL_ALIAS_TWICE: why = btl_arena_printf(a, "%s writes over %s%s already", listing_where(a, s, r->node), y, lies); break;
    case BTL_ALIAS_OWN_INPUT: why = btl_arena_printf(a, "%s itself reads %s%s as another operand", listing_step_text(a, s, step), y, lies); break;
    case BTL_ALIAS_CYCLE:
        why = btl_arena_printf(a, "%s%s is read by %s, which can only run behind %s, which writes over it: %s → %s", y, lies, listing_where(a, s, r->node), listing_where(a, s, step),
                               listing_path(a, s, r), listing_step_text(a, s, step));
        break;
    }
    btl_status status = btl_error_set(err, BTL_EVALUE, "%s into %s: %s", listing_value_text(a, s, value), x, why);
    return btl_places_error(s->steps[step].places, NULL, status, err);
}

/* Input number of a value. */
static int listing_input(const btl_schedule_step *q, int value) {
    int i = 0;
    while (q->in[i] != value) i++;
    return i;
}

static btl_status listing_check_step(btl_arena *a, const btl_schedule *s, btl_alias *alias, int step, btl_error *err) {
    const btl_schedule_step *q = &s->steps[step];
    for (int k = 0; k < q->nout; k++) {
        btl_alias_reason reason = { 0 };
        int into = s->values[q->out[k]].into;
        if (into < 0) continue;
        btl_alias_overwrite o = { .node = step, .input = listing_input(q, into) };
        if (!btl_alias_propose(alias, &o, &reason)) return listing_refuse(a, s, step, q->out[k], &reason, err);
    }
    return BTL_OK;
}

btl_status btl_listing_check(btl_arena *a, const btl_schedule *s, btl_error *err) {
    int cycle = 0;
    btl_alias *alias = btl_alias_new(a, s, &cycle);
    if (!alias) return btl_error_set(err, BTL_EVALUE, "the steps form a cycle");
    for (int i = 0; i < s->nsteps; i++) BTL_TRY(listing_check_step(a, s, alias, i, err));
    return BTL_OK;
}
