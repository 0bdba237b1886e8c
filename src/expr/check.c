/* check.c - what must hold of every graph, whoever built it. Runs after each pass in debug builds;
 * a failure is a bug of ours, told as BTL_EINTERNAL with the node.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/op.h"

#include <string.h>

static bool check_fail(btl_graph *g, const btl_node *n, const char *what) {
    if (g->status == BTL_OK) {
        g->status = BTL_EINTERNAL;
        btl_error_set(&g->error, BTL_EINTERNAL, "node %d (%s): %s", n ? n->id : -1, n && n->op ? n->op->name : "?", what);
    }
    return false;
}

static bool check_type(const btl_type *t) {
    if ((int)t->dtype < 0 || t->dtype >= BTL_NDTYPES || t->rank < 0 || t->rank > BTL_MAX_RANK) return false;
    for (int i = 0; i < t->rank; i++)
        if (!t->dims[i]) return false;
    return true;
}

static bool check_operands(btl_graph *g, const btl_node *n) {
    if (n->nin < n->op->min_in || (n->op->max_in >= 0 && n->nin > n->op->max_in && !(n->op->flags & OP_LEAF)))
        return check_fail(g, n, "number of operands");
    for (int i = 0; i < n->nin; i++) {
        const btl_var *v = n->in[i];
        if (!v || !v->node) return check_fail(g, n, "an operand is missing");
        if (v->node->id >= n->id || g->nodes[v->node->id] != v->node) return check_fail(g, n, "an operand stands after its user, or in another graph");
        if (v != &v->node->out[v->index]) return check_fail(g, n, "an operand is not its node's output");
    }
    return true;
}

static bool check_elementwise(btl_graph *g, const btl_node *n) {
    if (!n->op->elem) return true;
    for (int i = 1; i < n->nin; i++)
        if (n->in[i]->type.dtype != n->in[n->nin - 1]->type.dtype) return check_fail(g, n, "operands of unequal dtype");
    for (int i = 0; i < n->nin; i++)
        if (n->in[i]->type.rank > n->out->type.rank) return check_fail(g, n, "result of smaller rank than an operand");
    return true;
}

static bool check_aliases(btl_graph *g, const btl_node *n) {
    const btl_op_alias *lists[2] = { n->op->views, n->op->overwrites };
    for (int k = 0; k < 2; k++)
        for (const btl_op_alias *a = lists[k]; a && a->out >= 0; a++)
            if (a->out >= n->nout || a->in >= n->nin) return check_fail(g, n, "an alias names a missing operand or result");
    return true;
}

static bool check_node(btl_graph *g, const btl_node *n, int id) {
    if (!n->op || n->id != id) return check_fail(g, n, "id");
    if (n->op->flags & OP_MACRO) return check_fail(g, n, "a macro op is a node");
    for (int i = 0; i < n->nout; i++)
        if (n->out[i].node != n || n->out[i].index != i || !check_type(&n->out[i].type)) return check_fail(g, n, "a result");
    return check_operands(g, n) && check_elementwise(g, n) && check_aliases(g, n);
}

static bool check_entry(btl_graph *g, const btl_entry *e) {
    for (int i = 0; i < e->ninputs; i++)
        if (!btl_var_is_input(e->inputs[i].var)) return check_fail(g, e->inputs[i].var->node, "an argument that is no input");
    for (int i = 0; i < e->nupdates; i++) {
        const btl_type *s = &e->updates[i].shared->type, *v = &e->updates[i].value->type;
        if (s->dtype != v->dtype || s->rank != v->rank) return check_fail(g, e->updates[i].value->node, "an update of another type");
    }
    for (int i = 0; i < e->nasserts; i++)
        if (e->asserts[i].condition->type.dtype != BTL_BOOL) return check_fail(g, e->asserts[i].condition->node, "an assertion that is not bool");
    return true;
}

bool btl_graph_check(btl_graph *g) {
    for (int i = 0; i < g->nnodes; i++)
        if (!check_node(g, g->nodes[i], i)) return false;
    for (int i = 0; i < g->nentries; i++)
        if (!check_entry(g, g->entries[i])) return false;
    return true;
}
