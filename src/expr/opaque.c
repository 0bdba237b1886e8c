/* opaque.c - see opaque.h. SPDX-License-Identifier: BSD-3-Clause */
#include "expr/opaque.h"

#include "expr/leaf.h"

#include <string.h>

static const btl_param_spec opaque_params[] = { { .name = "name", .kind = PARAM_TEXT, .positional = true, .doc = "what it is called" } };

const btl_op btl_op_opaque = {
    .name = "opaque", .doc = "a node of unknown meaning, in a program that begins with stage schedule", .signature = "opaque(name, …)", .version = 1,
    .min_in = 0, .max_in = -1, .nout = 1, .flags = OP_HIDDEN | OP_NO_FOLD, .nparams = 1, .params = opaque_params,
};

btl_node *btl_opaque(btl_graph *g, const char *name, int nin, btl_var *const *in, int nout, const btl_type *types) {
    btl_param p = { .s = btl_arena_strdup(&g->arena, name) };
    return btl_node_new(g, &btl_op_opaque, nin, in, nout, types, &p);
}

/* ---- where results lie ----------------------------------------------------------------------- */

static const btl_dim *opaque_bytes(btl_graph *g, const btl_type *t) {
    return btl_dim_mul(g, btl_dim_const(g, (int64_t)btl_dtype_bytes(t->dtype)), btl_type_elems(g, t));
}

static btl_status opaque_check_bytes(btl_graph *g, const btl_var *v, const btl_var *in, bool is_view) {
    const btl_dim *mine = opaque_bytes(g, &v->type), *its = opaque_bytes(g, &in->type);
    int64_t a, b;
    bool known = btl_dim_is_const(mine, &a) && btl_dim_is_const(its, &b);
    if (is_view ? !known || a <= b : mine == its) return BTL_OK;
    return btl_fail(g, BTL_EVALUE, is_view ? "a view is no larger than what it is a view of: %s, %s" : "what is written over something takes as many bytes: %s, %s",
                    btl_var_text(g, v), btl_var_text(g, in));
}

btl_status btl_node_lies(btl_graph *g, btl_node *n, int out, int input, bool is_view) {
    if (!n->lies) {
        btl_lies *lies = BTL_ARRAY(&g->arena, btl_lies, n->nout);
        for (int i = 0; i < n->nout; i++) lies[i].input = -1;
        n->lies = lies;
    }
    btl_lies *mine = &n->lies[out];
    bool views = n->op->view && out == 0, opaque = n->op == &btl_op_opaque;
    if (mine->input >= 0) return btl_fail(g, BTL_EVALUE, "it is said twice where this result lies: %s", btl_var_text(g, &n->out[out]));
    if (!opaque && is_view && !views) return btl_fail(g, BTL_EVALUE, "%s makes no view", n->op->name);
    if (!opaque && !is_view && views) return btl_fail(g, BTL_EVALUE, "%s makes a view: it writes nothing", n->op->name);
    if (!opaque && is_view && input != 0) return btl_fail(g, BTL_EVALUE, "%s makes a view of its first operand", n->op->name);
    for (int i = 0; i < n->nout && !is_view; i++)
        if (n->lies[i].input >= 0 && !n->lies[i].is_view && n->in[n->lies[i].input] == n->in[input])
            return btl_fail(g, BTL_EVALUE, "two results are written over the same operand: %s", btl_var_text(g, n->in[input]));
    if (opaque || !is_view) BTL_TRY(opaque_check_bytes(g, &n->out[out], n->in[input], is_view));
    *mine = (btl_lies){ .input = input, .is_view = is_view };
    return BTL_OK;
}

/* ---- what an entry runs ---------------------------------------------------------------------- */

/* Nodes of first and default values are no part of it, unless it uses them, too. */
static btl_bits opaque_initial(btl_graph *g, const btl_entry *e) {
    btl_var **first = BTL_ARRAY(&g->arena, btl_var *, g->nshared + e->ninputs + 1), **roots = BTL_ARRAY(&g->arena, btl_var *, e->noutputs + e->nupdates + e->nasserts + 1);
    int n = 0, nroots = 0;
    for (int i = 0; i < g->nshared; i++) first[n++] = g->shared[i]->init;
    for (int i = 0; i < e->ninputs; i++) first[n++] = e->inputs[i].value;
    for (int i = 0; i < e->noutputs; i++) roots[nroots++] = e->outputs[i].var;
    for (int i = 0; i < e->nupdates; i++) roots[nroots++] = e->updates[i].value;
    for (int i = 0; i < e->nasserts; i++) roots[nroots++] = e->asserts[i].condition;
    btl_bits initial = btl_graph_reach(g, n, first), used = btl_graph_reach(g, nroots, roots);
    for (int i = 0; i < (g->nnodes + 63) / 64; i++) initial.words[i] &= ~used.words[i];
    return initial;
}

/* Nodes of nested graphs are run by the node that has them. */
static void opaque_add_bodies(btl_graph *g, int begin, btl_bits set) {
    for (int id = begin; id < g->nnodes; id++)
        for (int i = 0; i < g->nodes[id]->op->nparams; i++) {
            if (g->nodes[id]->op->params[i].kind != PARAM_BODY) continue;
            const btl_body *body = g->nodes[id]->params[i].body;
            btl_bits inside = btl_graph_reach(g, body->nresults, body->results);
            for (int w = 0; w < (g->nnodes + 63) / 64; w++) set.words[w] |= inside.words[w];
        }
}

void btl_entry_list_nodes(btl_graph *g, btl_entry *e, int begin) {
    btl_bits initial = opaque_initial(g, e);
    opaque_add_bodies(g, begin, initial);
    e->nodes = BTL_ARRAY(&g->arena, btl_node *, g->nnodes - begin + 1), e->nnodes = 0;
    for (int id = begin; id < g->nnodes; id++)
        if (!btl_bits_get(initial, id) && !(g->nodes[id]->op->flags & OP_LEAF)) e->nodes[e->nnodes++] = g->nodes[id];
}
