/* reverse.c - vector-Jacobian products, and with them the gradient of a scalar, as new graph.
 *
 * Given y' for the results y (for a cost: 1) the reverse mode computes, for every variable v between
 * wrt and y,
 *
 *     v' = sum of y' . d y / d v = sum over the nodes that read v of  (d outputs / d v)^T . outputs'
 *
 * in one sweep against the order of execution: when a node is reached, all readers of its outputs
 * have been, so outputs' is complete and each node's vector-Jacobian product is taken once, however
 * many paths lead through it. Two sweeps over a list of nodes, the tape:
 *
 *   forward   marks the variables that depend on wrt by real numbers alone (no integers, nothing
 *             that op->connected denies, no stop_gradient), and replaces composite ops that have
 *             no derivative of their own by their body;
 *   backward  calls op->vjp and adds up.
 *
 * No recursion, linear in the nodes between wrt and y. Contributions are added one by one as
 * they arrive (readers latest first), so that at run time each dies at once in the sum, which can
 * then be kept in one place. Source: Griewank & Walther, Evaluating Derivatives, 2008, ch. 3.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grad/reverse.h"

#include "bitale/ops.h"
#include "expr/op.h"
#include "grad/parts.h"
#include "ops/helpers.h"

#include <assert.h>

enum { REVERSE_DEPENDS = 1,  /* on a wrt */
       REVERSE_REACHED = 2 }; /* y depends on it, though the gradient may be plainly zero */

/* What is known of one variable. */
typedef struct reverse_slot {
    btl_var *gradient; /* the sum so far; NULL: zero */
    btl_parts *parts;  /* what waits to be added to it, or NULL */
    unsigned char flags;
} reverse_slot;

typedef struct reverse_entry {
    const btl_node *node;
    btl_var *body; /* stands for output 0 of a composite whose body's nodes lie before this entry */
} reverse_entry;

typedef struct reverse_range { int at, end; } reverse_range;

typedef struct reverse {
    btl_graph *g;
    const btl_lop_args *l;
    int lo, hi;            /* no node before or behind these matters */
    reverse_slot **slots;  /* by node id - lo, then output; NULL: not on the tape */
    int nslots, slot_capacity;
    reverse_entry *tape;
    int ntape, tape_capacity;
    int max_in, max_out;   /* of the nodes on the tape */
    int ndiagnostics;      /* of the graph before: earlier mistakes of a program are not ours */
} reverse;

static bool reverse_is_float(const btl_var *v) {
    return btl_dtype_kind(v->type.dtype) == 'f';
}

static reverse_slot *reverse_find(const reverse *r, const btl_var *v) {
    int i = v->node->id - r->lo;
    if (i < 0 || i >= r->nslots || !r->slots[i]) return NULL;
    return &r->slots[i][v->index];
}

static bool reverse_depends(const reverse *r, const btl_var *v) {
    const reverse_slot *s = reverse_find(r, v);
    return s && (s->flags & REVERSE_DEPENDS);
}

static bool reverse_connected(const btl_node *n, int out, int in) {
    return !n->op->connected || n->op->connected(n, out, in);
}

/* ---- forward ------------------------------------------------------------------------------ */

/* Slots for nodes up to id. */
static void reverse_reserve(reverse *r, int id) {
    while (r->nslots <= id - r->lo)
        *(reverse_slot **)BTL_PUSH(&r->g->arena, r->slots, r->nslots, r->slot_capacity) = NULL;
}

static reverse_slot *reverse_slots_of(reverse *r, const btl_node *n) {
    reverse_reserve(r, n->id);
    reverse_slot **s = &r->slots[n->id - r->lo];
    if (!*s) *s = BTL_ARRAY(&r->g->arena, reverse_slot, n->nout);
    return *s;
}

/* Puts a node on the tape if an output of it depends on wrt through it. */
static void reverse_mark(reverse *r, const btl_node *n, btl_var *body) {
    if (n->op->flags & (OP_LEAF | OP_BARRIER)) return;
    bool any = false;
    for (int i = 0; i < n->nin; i++) {
        if (!reverse_depends(r, n->in[i])) continue;
        for (int o = 0; o < n->nout; o++) {
            if (!reverse_is_float(&n->out[o]) || !reverse_connected(n, o, i)) continue;
            reverse_slots_of(r, n)[o].flags |= REVERSE_DEPENDS;
            any = true;
        }
    }
    if (!any) return;
    *BTL_PUSH(&r->g->arena, r->tape, r->ntape, r->tape_capacity) = (reverse_entry){ n, body };
    if (n->nin > r->max_in) r->max_in = n->nin;
    if (n->nout > r->max_out) r->max_out = n->nout;
}

/* Does a derivative have to come from the node's body? */
static bool reverse_needs_body(const reverse *r, const btl_node *n) {
    if (n->op->vjp || !n->op->body || (n->op->flags & OP_BARRIER)) return false;
    for (int i = 0; i < n->nin; i++)
        if (reverse_depends(r, n->in[i])) return true;
    return false;
}

btl_bits btl_grad_needed(btl_graph *g, int lo, int hi, int n, btl_var *const *y) {
    btl_bits needed = btl_bits_new(&g->arena, hi < lo ? 0 : hi - lo + 1);
    for (int i = 0; i < n; i++)
        if (y[i]->node->id >= lo) btl_bits_set(needed, y[i]->node->id - lo);
    for (int id = hi; id >= lo; id--) {
        const btl_node *node = g->nodes[id];
        if (!btl_bits_get(needed, id - lo)) continue;
        for (int i = 0; i < node->nin; i++)
            if (node->in[i]->node->id >= lo) btl_bits_set(needed, node->in[i]->node->id - lo);
    }
    return needed;
}

/* Walks the nodes that y depends on, in their order; a body's nodes, which are the graph's
 * newest, come before the node that they stand for. `pending` is as deep as bodies nest. */
static btl_status reverse_forward(reverse *r) {
    btl_graph *g = r->g;
    btl_bits needed = btl_grad_needed(g, r->lo, r->hi, r->l->ny, r->l->y);
    int original = g->nnodes, npending = 0, capacity = 0;
    struct { reverse_range range; const btl_node *owner; btl_var *body; } *pending = NULL, *top;

    top = BTL_PUSH(&g->arena, pending, npending, capacity);
    top->range = (reverse_range){ r->lo, r->hi + 1 };
    top->owner = NULL;
    while (npending) {
        top = &pending[npending - 1];
        if (top->range.at == top->range.end) {
            if (top->owner) reverse_mark(r, top->owner, top->body);
            npending--;
            continue;
        }
        const btl_node *n = g->nodes[top->range.at++];
        if (n->id < original && !btl_bits_get(needed, n->id - r->lo)) continue;
        if (!reverse_needs_body(r, n)) {
            reverse_mark(r, n, NULL);
            continue;
        }
        int start = g->nnodes;
        g->here = n->places;
        btl_var *body = n->op->body(g, n, n->in);
        if (!body) return g->status;
        assert(body->type.dtype == n->out[0].type.dtype && body->type.rank == n->out[0].type.rank);
        top = BTL_PUSH(&g->arena, pending, npending, capacity);
        top->range = (reverse_range){ start, g->nnodes };
        top->owner = n;
        top->body = body;
    }
    return BTL_OK;
}

const char *btl_grad_text(btl_graph *g, const btl_var *v) {
    const char *name = v->name ? v->name : btl_arena_printf(&g->arena, "a result of %s", v->node->op->name);
    return btl_arena_printf(&g->arena, "%s (%s)", name, btl_type_text(g, &v->type));
}

/* ---- backward ----------------------------------------------------------------------------- */

static btl_status reverse_fail_type(reverse *r, const btl_node *n, const btl_var *v, const btl_var *d) {
    btl_fail(r->g, BTL_EINTERNAL, "the derivative of %s by %s has type %s", n->op->name, btl_grad_text(r->g, v),
             btl_type_text(r->g, &d->type));
    btl_fail_hint(r->g, "vjp must return gradients of the types of its node's inputs");
    btl_fail_done(r->g, r->l->who);
    return BTL_EINTERNAL;
}

/* Adds a contribution d to the gradient of v. */
static btl_status reverse_add(reverse *r, const btl_node *n, const btl_var *v, btl_var *d) {
    reverse_slot *s = reverse_find(r, v);
    assert(s && (s->flags & REVERSE_DEPENDS));
    s->flags |= REVERSE_REACHED;
    double value;
    if (btl_var_constant_value(d, &value) && value == 0) return BTL_OK;
    if (d->type.rank != v->type.rank || !reverse_is_float(d)) return reverse_fail_type(r, n, v, d);
    for (int k = 0; k < v->type.rank; k++)
        if (btl_dim_differ(r->g, v->type.dims[k], d->type.dims[k])) return reverse_fail_type(r, n, v, d);
    d = btl_cast_to(r->g, d, v->type.dtype);
    if (d && d->node->op->part) {
        if (!s->parts) s->parts = BTL_NEW(&r->g->arena, btl_parts);
        if (btl_parts_take(r->g, s->parts, &v->type, d)) return BTL_OK;
    }
    s->gradient = s->gradient ? btl_add(r->g, s->gradient, d) : d;
    return s->gradient ? BTL_OK : r->g->status;
}

/* Everything has come: the gradient of v, NULL where it is plainly zero. */
static btl_status reverse_settle(reverse *r, const btl_var *v, btl_var **gradient) {
    reverse_slot *s = reverse_find(r, v);
    if (s && s->parts && s->parts->n) {
        s->gradient = btl_parts_sum(r->g, s->parts, &v->type, s->gradient);
        if (!s->gradient) return r->g->status;
    }
    *gradient = s ? s->gradient : NULL;
    return BTL_OK;
}

btl_status btl_grad_fail_missing(btl_graph *g, const char *who, const char *noun, const btl_node *n, const btl_var *v) {
    btl_fail(g, BTL_EGRAD, "%s has no derivative yet, and %s depends on %s through it", n->op->name, noun, btl_grad_text(g, v));
    btl_fail_label(g, "no derivative");
    btl_fail_hint(g, "stop_gradient(…) around it makes it a constant of the gradient");
    btl_fail_done(g, who);
    return BTL_EGRAD;
}

/* Where y depends on an output whose gradient is plainly zero, it depends on the inputs too. */
static void reverse_reach(reverse *r, const btl_node *n) {
    for (int o = 0; o < n->nout; o++) {
        const reverse_slot *s = reverse_find(r, &n->out[o]);
        if (!(s->flags & REVERSE_REACHED) || s->gradient) continue;
        for (int i = 0; i < n->nin; i++)
            if (reverse_depends(r, n->in[i]) && reverse_connected(n, o, i))
                reverse_find(r, n->in[i])->flags |= REVERSE_REACHED;
    }
}

/* Buffers for one call of a vjp, as wide as the widest node of the tape. */
typedef struct reverse_buffers { btl_var **out, **dout, **din; bool *need; } reverse_buffers;

static btl_status reverse_node(reverse *r, const btl_node *n, const reverse_buffers *b) {
    btl_var *flows = NULL, *wanted = NULL;
    for (int o = 0; o < n->nout; o++) {
        b->out[o] = &n->out[o];
        BTL_TRY(reverse_settle(r, &n->out[o], &b->dout[o]));
        if (b->dout[o]) flows = &n->out[o];
    }
    reverse_reach(r, n);
    if (!flows) return BTL_OK;
    for (int i = 0; i < n->nin; i++) {
        b->din[i] = NULL;
        b->need[i] = false;
        for (int o = 0; o < n->nout; o++)
            if (b->dout[o] && reverse_depends(r, n->in[i]) && reverse_connected(n, o, i)) b->need[i] = true;
        if (b->need[i]) wanted = n->in[i];
    }
    if (!wanted) return BTL_OK;
    if (!n->op->vjp) return btl_grad_fail_missing(r->g, r->l->who, r->l->noun, n, wanted);
    BTL_TRY(n->op->vjp(&(btl_vjp){ .g = r->g, .node = n, .in = n->in, .out = b->out, .dout = b->dout,
                                   .need = b->need, .din = b->din }));
    if (r->g->ndiagnostics != r->ndiagnostics) return r->g->status;
    for (int i = 0; i < n->nin; i++)
        if (b->need[i] && b->din[i]) BTL_TRY(reverse_add(r, n, n->in[i], b->din[i]));
    return BTL_OK;
}

static btl_status reverse_backward(reverse *r) {
    btl_graph *g = r->g;
    reverse_buffers b = {
        .out = BTL_ARRAY(&g->arena, btl_var *, r->max_out + 1),
        .dout = BTL_ARRAY(&g->arena, btl_var *, r->max_out + 1),
        .din = BTL_ARRAY(&g->arena, btl_var *, r->max_in + 1),
        .need = BTL_ARRAY(&g->arena, bool, r->max_in + 1),
    };
    for (int t = r->ntape - 1; t >= 0; t--) {
        const reverse_entry *e = &r->tape[t];
        g->here = e->node->places;
        if (!e->body) {
            BTL_TRY(reverse_node(r, e->node, &b));
            continue;
        }
        reverse_slot *from = reverse_find(r, &e->node->out[0]), *to = reverse_find(r, e->body);
        if (!to || !(to->flags & REVERSE_DEPENDS)) continue; /* the body does not use what it was given */
        if (from->flags & REVERSE_REACHED) to->flags |= REVERSE_REACHED;
        btl_var *d;
        BTL_TRY(reverse_settle(r, &e->node->out[0], &d));
        if (d) BTL_TRY(reverse_add(r, e->node, e->body, d));
    }
    return BTL_OK;
}

/* ---- the whole ---------------------------------------------------------------------------- */

/* Nodes between the first of wrt and the last of y. */
static void reverse_begin(reverse *r) {
    const btl_lop_args *l = r->l;
    r->lo = l->y[0]->node->id;
    for (int i = 0; i < l->ny; i++) {
        if (l->y[i]->node->id > r->hi) r->hi = l->y[i]->node->id;
        if (l->y[i]->node->id < r->lo) r->lo = l->y[i]->node->id;
    }
    for (int i = 0; i < l->n; i++)
        if (l->wrt[i]->node->id < r->lo) r->lo = l->wrt[i]->node->id;
    for (int i = 0; i < l->n; i++)
        if (reverse_is_float(l->wrt[i]) && l->wrt[i]->node->id <= r->hi)
            reverse_slots_of(r, l->wrt[i]->node)[l->wrt[i]->index].flags |= REVERSE_DEPENDS;
}

static btl_status reverse_run(reverse *r, btl_var **out, bool *connected) {
    const btl_lop_args *l = r->l;
    bool any = false;
    reverse_begin(r);
    BTL_TRY(reverse_forward(r));
    for (int i = 0; i < l->ny; i++) {
        if (!reverse_depends(r, l->y[i])) continue;
        r->g->here = l->y[i]->node->places;
        BTL_TRY(reverse_add(r, l->y[i]->node, l->y[i], l->dy[i]));
        any = true;
    }
    if (any) BTL_TRY(reverse_backward(r));
    for (int i = 0; i < l->n; i++) {
        const reverse_slot *s = reverse_find(r, l->wrt[i]);
        connected[i] = s && (s->flags & REVERSE_REACHED);
        r->g->here = l->wrt[i]->node->places;
        BTL_TRY(reverse_settle(r, l->wrt[i], &out[i]));
    }
    return BTL_OK;
}

btl_status btl_grad_lop(btl_graph *g, const btl_lop_args *l, btl_var **out, bool *connected) {
    const btl_places *here = g->here;
    bool intern = g->intern;
    reverse r = { .g = g, .l = l, .ndiagnostics = g->ndiagnostics };
    g->intern = false; /* a body's nodes must be new ones, behind what they read */
    btl_status status = reverse_run(&r, out, connected);
    g->intern = intern;
    g->here = here;
    return status;
}

btl_status btl_grad_finish(btl_graph *g, const char *who, const char *noun, btl_var *y, btl_var *wrt, bool connected,
                           btl_disconnected how, const btl_type *type, btl_var **out) {
    btl_var *d = *out;
    if (!connected && how == BTL_DISCONNECTED_ERROR) {
        btl_fail(g, BTL_EGRAD, "%s, %s, does not depend on %s%s", noun, btl_grad_text(g, y), btl_grad_text(g, wrt),
                 reverse_is_float(wrt) ? "" : " in a way that has a derivative: it is no floating-point variable");
        btl_fail_hint(g, "leave it out of wrt, or ask for zeros where nothing flows");
        btl_fail_done(g, who);
        return BTL_EGRAD;
    }
    if (!d) d = btl_zeros_of(g, type);
    else if (!btl_type_equal(&d->type, type)) d = btl_broadcast_to_dims(g, d, type->rank, type->dims);
    *out = d;
    return d ? BTL_OK : g->status;
}

btl_status btl_grad_check_float(btl_graph *g, const char *who, const char *noun, const btl_var *v) {
    if (reverse_is_float(v)) return BTL_OK;
    btl_fail(g, BTL_EDTYPE, "%s must be of floating-point numbers, not %s", noun, btl_grad_text(g, v));
    btl_fail_hint(g, "an integer or bool has no derivative; cast what it is made of with f32(…)");
    btl_fail_done(g, who);
    return BTL_EDTYPE;
}

static btl_status reverse_check_cost(btl_graph *g, const char *who, const btl_var *cost) {
    BTL_TRY(btl_grad_check_float(g, who, "the cost", cost));
    if (cost->type.rank == 0) return BTL_OK;
    btl_fail(g, BTL_ESHAPE, "the cost must be a single number (0-d), not %s", btl_grad_text(g, cost));
    btl_fail_hint(g, "reduce it with mean(…) or sum(…)");
    btl_fail_done(g, who);
    return BTL_ESHAPE;
}

btl_status btl_grad_reverse(btl_graph *g, const char *who, btl_var *cost, int n, btl_var *const *wrt, btl_disconnected how,
                            btl_var **out) {
    if (!cost) return g->status != BTL_OK ? g->status : BTL_EUSAGE;
    for (int i = 0; i < n; i++)
        if (!wrt[i]) return g->status != BTL_OK ? g->status : BTL_EUSAGE;
    BTL_TRY(reverse_check_cost(g, who, cost));
    btl_var *one = btl_graph_scalar(g, cost->type.dtype, 1);
    bool *connected = BTL_ARRAY(&g->arena, bool, n + 1);
    if (!one) return g->status;
    BTL_TRY(btl_grad_lop(g, &(btl_lop_args){ who, "the cost", 1, &cost, &one, n, wrt }, out, connected));
    for (int i = 0; i < n; i++)
        BTL_TRY(btl_grad_finish(g, who, "the cost", cost, wrt[i], connected[i], how, &wrt[i]->type, &out[i]));
    return BTL_OK;
}
