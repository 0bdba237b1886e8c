/* forward.c - Jacobian-vector products, as new graph.
 *
 * When the variables of wrt move in the directions v, every variable between them and y moves by
 *
 *     dot(outputs) = sum over inputs of  (d outputs / d input) . dot(input)
 *
 * which one sweep in the order of execution finds. No op has to say it: its vjp is a linear function
 * of the gradient u that it is given, inputs' = J^T u, and the vjp of that function by u is J:
 *
 *     d (dot(inputs) . J^T u) / d u = J dot(inputs)
 *
 * so each node is differentiated twice, in a graph of a few nodes around it, of which only what J needs
 * stays alive. (For a whole program: J. Townsend, "A new trick for calculating Jacobian vector
 * products", 2017.) Ops that move data say `jvp` instead: they do to the directions what they do to the
 * values.
 *
 * u is a node that computes zeros: J^T u is linear, so its derivative is the same anywhere, and should an
 * op's vjp keep u in its own derivative, what is computed with it is still right.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grad/forward.h"

#include "bitale/ops.h"
#include "expr/op.h"
#include "ops/helpers.h"

#include <assert.h>

/* What is known of one variable. */
typedef struct forward_slot {
    btl_var *moves; /* NULL: not at all */
    bool depends;   /* on a wrt, though the derivative may be plainly zero */
} forward_slot;

typedef struct forward {
    btl_graph *g;
    const btl_rop_args *r;
    int lo, hi;
    forward_slot **slots; /* by node id - lo, then output */
    int nslots, slot_capacity;
    int ndiagnostics;
} forward;

static bool forward_is_float(const btl_var *v) {
    return btl_dtype_kind(v->type.dtype) == 'f';
}

static forward_slot *forward_find(const forward *f, const btl_var *v) {
    int i = v->node->id - f->lo;
    if (i < 0 || i >= f->nslots || !f->slots[i]) return NULL;
    return &f->slots[i][v->index];
}

static forward_slot *forward_slots_of(forward *f, const btl_node *n) {
    while (f->nslots <= n->id - f->lo)
        *(forward_slot **)BTL_PUSH(&f->g->arena, f->slots, f->nslots, f->slot_capacity) = NULL;
    forward_slot **s = &f->slots[n->id - f->lo];
    if (!*s) *s = BTL_ARRAY(&f->g->arena, forward_slot, n->nout);
    return *s;
}

static bool forward_depends(const forward *f, const btl_var *v) {
    const forward_slot *s = forward_find(f, v);
    return s && s->depends;
}

/* ---- one node ----------------------------------------------------------------------------- */

/* Marks outputs that depend on a wrt through the node. False: none does. */
static bool forward_mark(forward *f, const btl_node *n) {
    bool any = false;
    if (n->op->flags & (OP_LEAF | OP_BARRIER)) return false;
    for (int i = 0; i < n->nin; i++) {
        if (!forward_depends(f, n->in[i])) continue;
        for (int o = 0; o < n->nout; o++) {
            if (!forward_is_float(&n->out[o]) || (n->op->connected && !n->op->connected(n, o, i))) continue;
            forward_slots_of(f, n)[o].depends = true;
            any = true;
        }
    }
    return any;
}

/* dout by two derivatives: u in, J^T u out; then that by u. */
static btl_status forward_twice(forward *f, const btl_node *n, btl_var *const *din, btl_var **dout) {
    btl_graph *g = f->g;
    btl_arena *a = &g->arena;
    btl_var **u = BTL_ARRAY(a, btl_var *, n->nout), **out = BTL_ARRAY(a, btl_var *, n->nout);
    btl_var **back = BTL_ARRAY(a, btl_var *, n->nin), **along = BTL_ARRAY(a, btl_var *, n->nin);
    btl_var **wrt = BTL_ARRAY(a, btl_var *, n->nout), **moves = BTL_ARRAY(a, btl_var *, n->nout);
    bool *need = BTL_ARRAY(a, bool, n->nin), *connected = BTL_ARRAY(a, bool, n->nout);
    int nu = 0, npairs = 0;
    for (int o = 0; o < n->nout; o++) {
        out[o] = &n->out[o];
        if (!forward_depends(f, out[o])) continue;
        u[o] = btl_identity(g, btl_zeros_of(g, &out[o]->type));
        if (!u[o]) return g->status;
        wrt[nu++] = u[o];
    }
    for (int i = 0; i < n->nin; i++) need[i] = din[i] != NULL;
    BTL_TRY(n->op->vjp(&(btl_vjp){ .g = g, .node = n, .in = n->in, .out = out, .dout = u, .need = need, .din = back }));
    if (g->ndiagnostics != f->ndiagnostics) return g->status;
    for (int i = 0; i < n->nin; i++) {
        if (!need[i] || !back[i] || back[i]->node->id < wrt[0]->node->id) continue;
        back[npairs] = back[i];
        along[npairs] = btl_cast_to(g, din[i], back[i]->type.dtype);
        if (!along[npairs++]) return g->status;
    }
    if (!npairs) return BTL_OK;
    BTL_TRY(btl_grad_lop(g, &(btl_lop_args){ f->r->who, f->r->noun, npairs, back, along, nu, wrt }, moves, connected));
    for (int o = 0, k = 0; o < n->nout; o++)
        if (u[o]) dout[o] = moves[k++];
    return BTL_OK;
}

static btl_status forward_range(forward *f, int from, int to, const btl_bits *needed);

/* Through the body, whose nodes are new ones. As deep as bodies nest. */
static btl_status forward_body(forward *f, const btl_node *n, btl_var **dout) {
    int start = f->g->nnodes;
    btl_var *body = n->op->body(f->g, n, n->in);
    if (!body) return f->g->status;
    BTL_TRY(forward_range(f, start, f->g->nnodes, NULL));
    const forward_slot *s = forward_find(f, body);
    dout[0] = s ? s->moves : NULL;
    return BTL_OK;
}

static btl_status forward_node(forward *f, const btl_node *n) {
    btl_graph *g = f->g;
    btl_var **din = BTL_ARRAY(&g->arena, btl_var *, n->nin), **dout = BTL_ARRAY(&g->arena, btl_var *, n->nout), *any = NULL;
    if (!forward_mark(f, n)) return BTL_OK;
    g->here = n->places;
    for (int i = 0; i < n->nin; i++) {
        const forward_slot *s = forward_find(f, n->in[i]);
        din[i] = s ? s->moves : NULL;
        if (din[i]) any = n->in[i];
    }
    if (!any) return BTL_OK;
    if (n->op->jvp) BTL_TRY(n->op->jvp(&(btl_jvp){ g, n, din, dout }));
    else if (n->op->vjp) BTL_TRY(forward_twice(f, n, din, dout));
    else if (n->op->body) BTL_TRY(forward_body(f, n, dout));
    else return btl_grad_fail_missing(g, f->r->who, f->r->noun, n, any);
    if (g->ndiagnostics != f->ndiagnostics) return g->status;
    forward_slot *slots = forward_slots_of(f, n);
    for (int o = 0; o < n->nout; o++) {
        if (!dout[o] || !slots[o].depends) continue;
        assert(dout[o]->type.rank == n->out[o].type.rank);
        btl_var *d = btl_cast_to(g, dout[o], n->out[o].type.dtype);
        slots[o].moves = slots[o].moves ? btl_add(g, slots[o].moves, d) : d; /* it may be in wrt itself */
        if (!slots[o].moves) return g->status;
    }
    return BTL_OK;
}

/* needed by id - lo, NULL: all. */
static btl_status forward_range(forward *f, int from, int to, const btl_bits *needed) {
    for (int id = from; id < to; id++)
        if (!needed || btl_bits_get(*needed, id - f->lo)) BTL_TRY(forward_node(f, f->g->nodes[id]));
    return BTL_OK;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static btl_status forward_begin(forward *f) {
    const btl_rop_args *r = f->r;
    f->lo = r->wrt[0]->node->id;
    for (int i = 0; i < r->n; i++)
        if (r->wrt[i]->node->id < f->lo) f->lo = r->wrt[i]->node->id;
    for (int k = 0; k < r->ny; k++)
        if (r->y[k]->node->id > f->hi) f->hi = r->y[k]->node->id;
    for (int i = 0; i < r->n; i++) {
        if (!forward_is_float(r->wrt[i])) continue;
        forward_slot *s = &forward_slots_of(f, r->wrt[i]->node)[r->wrt[i]->index];
        s->moves = s->moves ? btl_add(f->g, s->moves, r->v[i]) : r->v[i];
        s->depends = true;
        if (!s->moves) return f->g->status;
    }
    return BTL_OK;
}

static btl_status forward_run(forward *f, btl_var **out, bool *connected) {
    BTL_TRY(forward_begin(f));
    btl_bits needed = btl_grad_needed(f->g, f->lo, f->hi, f->r->ny, f->r->y);
    BTL_TRY(forward_range(f, f->lo, f->hi + 1, &needed));
    for (int k = 0; k < f->r->ny; k++) {
        const forward_slot *s = forward_find(f, f->r->y[k]);
        connected[k] = s && s->depends;
        out[k] = s ? s->moves : NULL;
    }
    return BTL_OK;
}

btl_status btl_grad_rop(btl_graph *g, const btl_rop_args *r, btl_var **out, bool *connected) {
    const btl_places *here = g->here;
    bool intern = g->intern;
    forward f = { .g = g, .r = r, .ndiagnostics = g->ndiagnostics };
    g->intern = false; /* u and a body's nodes must be new ones */
    btl_status status = forward_run(&f, out, connected);
    g->intern = intern;
    g->here = here;
    return status;
}
