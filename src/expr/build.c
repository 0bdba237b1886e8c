/* build.c - making nodes: what a person means (btl_build: promotion) and what is written down
 * (btl_apply: inference, checks, interning).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/leaf.h"

#include <math.h>
#include <string.h>

/* ---- apply ------------------------------------------------------------------------------- */

typedef struct build_args {
    btl_graph *g;
    const btl_op *op;
    int nin;
    btl_var *const *in;
    const btl_param *params;
    btl_var **out;
    btl_node *node;
    btl_var *result;
} build_args;

static bool build_has_null(int nin, btl_var *const *in) {
    for (int i = 0; i < nin; i++)
        if (!in[i]) return true;
    return false;
}

static uint64_t build_hash(const build_args *a) {
    uint64_t h = btl_hash_mix((uint64_t)(uintptr_t)a->op, (uint64_t)a->nin);
    for (int i = 0; i < a->nin; i++) h = btl_hash_mix(h, (uint64_t)a->in[i]->node->id * 8 + (uint64_t)a->in[i]->index);
    for (int i = 0; i < a->op->nparams; i++) h = btl_param_hash(a->op->params[i].kind, &a->params[i], h);
    return h;
}

static bool build_equal(const void *key, const void *thing) {
    const build_args *a = key;
    const btl_node *n = thing;
    if (n->op != a->op || n->nin != a->nin) return false;
    for (int i = 0; i < a->nin; i++)
        if (n->in[i] != a->in[i]) return false;
    for (int i = 0; i < a->op->nparams; i++)
        if (!btl_param_equal(a->op->params[i].kind, &n->params[i], &a->params[i])) return false;
    return true;
}

static btl_status build_count_operands(btl_graph *g, const btl_op *op, int nin) {
    if (nin >= op->min_in && (op->max_in < 0 || nin <= op->max_in)) return BTL_OK;
    if (op->min_in == op->max_in) btl_fail(g, BTL_EVALUE, "takes %d operand%s, %d given", op->min_in, op->min_in == 1 ? "" : "s", nin);
    else btl_fail(g, BTL_EVALUE, "takes at least %d operand%s, %d given", op->min_in, op->min_in == 1 ? "" : "s", nin);
    if (op->signature) btl_fail_hint(g, "%s", op->signature);
    return BTL_EVALUE;
}

/* What a person is told where two sizes differ: the operands with their types. */
static const char *build_operands_text(btl_graph *g, const btl_node *n) {
    btl_text t;
    btl_text_init(&t, &g->arena);
    btl_text_add(&t, "");
    for (int i = 0; i < n->nin; i++) {
        if (i) btl_text_add(&t, ", ");
        btl_text_add(&t, btl_var_text(g, n->in[i]));
    }
    return t.data;
}

void btl_checks_attach(btl_graph *g, btl_node *n, const char *message) {
    if (g->checks && !message) message = build_operands_text(g, n);
    for (const btl_size_check *c = g->checks, *next; c; c = next) {
        btl_size_check *mine = (btl_size_check *)c; /* made by btl_dims_unify just now */
        next = c->next;
        mine->node = n;
        if (!mine->message) mine->message = message;
        mine->next = n->checks;
        n->checks = mine;
    }
    g->checks = NULL;
}

static btl_status build_apply(void *arg) {
    build_args *a = arg;
    btl_graph *g = a->g;
    uint64_t h = g->intern ? build_hash(a) : 0;
    btl_node *found = g->intern ? btl_table_find(&g->interned, h, build_equal, a) : NULL;
    if (found) {
        found->places = btl_places_union(g, found->places, g->here);
        a->node = found;
        return BTL_OK;
    }
    const btl_size_check *outer = g->checks;
    g->checks = NULL;
    btl_infer x = { g, a->op, a->nin, a->in, a->params, a->op->nout, BTL_ARRAY(&g->arena, btl_type, a->op->nout) };
    btl_status status = build_count_operands(g, a->op, a->nin);
    if (status == BTL_OK) status = a->op->infer(&x);
    if (status == BTL_OK && g->pending_message) status = g->pending;
    for (int i = 0; status == BTL_OK && i < x.nout; i++)
        if (x.out[i].rank > BTL_MAX_RANK)
            status = btl_fail(g, BTL_ESHAPE, "the result would have %d dimensions, more than %d", x.out[i].rank, BTL_MAX_RANK);
    if (status != BTL_OK) {
        g->checks = outer;
        btl_fail_done(g, a->op->name);
        return status;
    }
    a->node = btl_node_new(g, a->op, a->nin, a->in, x.nout, x.out, a->params);
    btl_checks_attach(g, a->node, NULL);
    g->checks = outer;
    if (g->intern) btl_table_add(&g->interned, &g->arena, h, a->node);
    return BTL_OK;
}

/* Equal operands and settings, but sizes said otherwise (one of them known at run time only). */
static bool build_same_types(const btl_node *a, const btl_node *b) {
    for (int i = 0; i < a->nout; i++)
        if (!btl_type_equal(&a->out[i].type, &b->out[i].type)) return false;
    return a->nout == b->nout;
}

btl_node *btl_node_intern(btl_graph *g, btl_node *fresh) {
    if (!g->intern || fresh->op->measure || ((fresh->op->flags & OP_LEAF) && fresh->op != &btl_op_constant)) return fresh;
    build_args a = { .g = g, .op = fresh->op, .nin = fresh->nin, .in = fresh->in, .params = fresh->params };
    uint64_t h = build_hash(&a);
    btl_node *found = btl_table_find(&g->interned, h, build_equal, &a);
    if (!found) btl_table_add(&g->interned, &g->arena, h, fresh);
    if (!found || !build_same_types(found, fresh)) return fresh;
    found->places = btl_places_union(g, found->places, fresh->places);
    g->nnodes--;
    return found;
}

btl_node *btl_node_rebuild(btl_graph *g, const btl_node *n, btl_var *const *in) {
    btl_type *types = BTL_ARRAY(&g->arena, btl_type, n->nout);
    for (int i = 0; i < n->nout; i++) types[i] = n->out[i].type;
    btl_node *copy = btl_node_new(g, n->op, n->nin, in, n->nout, types, n->params);
    copy->places = n->places;
    copy->checks = n->checks;
    for (int i = 0; i < n->nout; i++) copy->out[i].name = n->out[i].name, copy->out[i].weak = n->out[i].weak;
    return btl_node_intern(g, copy);
}

btl_node *btl_apply(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params) {
    if (g->status == BTL_ENOMEM || build_has_null(nin, in)) return NULL;
    build_args a = { .g = g, .op = op, .nin = nin, .in = in, .params = params };
    return btl_graph_protect(g, build_apply, &a) == BTL_OK ? a.node : NULL;
}

/* ---- promotion --------------------------------------------------------------------------- */

/* The common dtype of operands: of the strong ones; a weak one only lifts bool to i64, and what is
 * not a float to f64 when it is one itself. */
static btl_dtype build_common_dtype(int nin, btl_var *const *in) {
    bool strong = false, weak_float = false, weak_int = false;
    btl_dtype common = BTL_BOOL;
    for (int i = 0; i < nin; i++) {
        if (in[i]->weak) {
            if (btl_dtype_kind(in[i]->type.dtype) == 'f') weak_float = true;
            else weak_int = true;
            continue;
        }
        common = strong ? btl_dtype_promote(common, in[i]->type.dtype) : in[i]->type.dtype;
        strong = true;
    }
    if (!strong) return weak_float ? BTL_F64 : weak_int ? BTL_I64 : BTL_BOOL;
    if (weak_float && btl_dtype_kind(common) != 'f') return BTL_F64;
    if (weak_int && common == BTL_BOOL) return BTL_I64;
    return common;
}

static void build_integer_range(btl_dtype dtype, int64_t *lo, uint64_t *hi) {
    unsigned bits = (unsigned)btl_dtype_bytes(dtype) * 8;
    if (btl_dtype_kind(dtype) == 'u') *lo = 0, *hi = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    else *lo = bits == 64 ? INT64_MIN : -((int64_t)1 << (bits - 1)), *hi = ((uint64_t)1 << (bits - 1)) - 1;
}

/* A literal that takes an integer dtype must fit it (NumPy 2's rule). */
static btl_status build_check_literal(btl_graph *g, const btl_var *v, btl_dtype dtype) {
    const btl_array *a = v->weak && v->type.dtype == BTL_I64 ? btl_var_constant_array(v) : NULL;
    char kind = btl_dtype_kind(dtype);
    if (!a || kind == 'f' || kind == 'b') return BTL_OK;
    int64_t value = *(const int64_t *)btl_array_data(a), lo;
    uint64_t hi;
    build_integer_range(dtype, &lo, &hi);
    if (value < lo || (value > 0 && (uint64_t)value > hi))
        return btl_fail(g, BTL_EVALUE, "%lld does not fit %s, the type of the other operand", (long long)value, btl_dtype_name(dtype));
    return BTL_OK;
}

static btl_var *build_cast(btl_graph *g, btl_var *v, btl_dtype dtype) {
    if (v->type.dtype == dtype && !v->weak) return v;
    const btl_array *a = v->type.rank == 0 ? btl_var_constant_array(v) : NULL;
    if (a) {
        char value[8] = { 0 };
        btl_array to = btl_array_wrap(dtype, 0, NULL, value);
        btl_array_convert(&to, a);
        return btl_graph_constant(g, &to);
    }
    if (v->type.dtype == dtype) return v;
    /* a size becomes a value of the dtype it is needed in */
    if (v->node->op == &btl_op_size) {
        btl_param params[2] = { v->node->params[0], { .i = dtype } };
        btl_node *n = btl_apply(g, &btl_op_size, 0, NULL, params);
        return n ? n->out : NULL;
    }
    btl_param param = { .i = dtype };
    btl_node *n = btl_apply(g, &btl_op_cast, 1, &v, &param);
    return n ? n->out : NULL;
}

static btl_status build_target_dtype(btl_graph *g, btl_promote promote, int nin, btl_var *const *in, btl_dtype *dtype) {
    *dtype = build_common_dtype(nin, in);
    char kind = btl_dtype_kind(*dtype);
    switch (promote) {
    case PROMOTE_REAL: case PROMOTE_DIVIDE:
        if (kind != 'f') *dtype = BTL_F64;
        return BTL_OK;
    case PROMOTE_BITS:
        if (kind != 'f') return BTL_OK;
        for (int i = 0; i < nin; i++)
            if (btl_dtype_kind(in[i]->type.dtype) == 'f') btl_fail_label(g, "%s", btl_dtype_name(in[i]->type.dtype));
        return btl_fail(g, BTL_EDTYPE, "needs operands of an integer type or bool, not %s", btl_dtype_name(*dtype));
    default: return BTL_OK;
    }
}

static bool build_all_weak(int nin, btl_var *const *in) {
    for (int i = 0; i < nin; i++)
        if (!in[i]->weak) return false;
    return nin > 0;
}

btl_status btl_promote_operands(btl_graph *g, btl_promote promote, int n, btl_var *const *in, btl_var **out) {
    int first = promote == PROMOTE_WHERE && n ? 1 : 0;
    if (n) memcpy(out, in, (size_t)n * sizeof *out);
    if (promote == PROMOTE_NONE || n == first) return BTL_OK;
    btl_dtype dtype;
    BTL_TRY(build_target_dtype(g, promote, n - first, in + first, &dtype));
    for (int i = first; i < n; i++) BTL_TRY(build_check_literal(g, in[i], dtype));
    for (int i = first; i < n; i++)
        if (!(out[i] = build_cast(g, in[i], dtype))) return g->status;
    return BTL_OK;
}

static btl_status build_promoted(void *arg) {
    build_args *a = arg;
    btl_graph *g = a->g;
    btl_var **in = BTL_ARRAY(&g->arena, btl_var *, a->nin + 1);
    btl_status status = btl_promote_operands(g, a->op->promote, a->nin, a->in, in);
    if (status != BTL_OK) {
        if (g->pending_message) btl_fail_done(g, a->op->name);
        return status;
    }
    btl_node *n = btl_apply(g, a->op, a->nin, in, a->params);
    if (!n) return g->status;
    if (a->op->elem && !a->op->elem->to_bool && build_all_weak(a->nin, a->in)) n->out->weak = true;
    for (int i = 0; a->out && i < n->nout; i++) a->out[i] = &n->out[i];
    a->result = n->out;
    return BTL_OK;
}

static btl_status build_custom(void *arg) {
    build_args *a = arg;
    btl_status status = build_count_operands(a->g, a->op, a->nin);
    if (status == BTL_OK) a->result = a->op->build(a->g, a->op, a->nin, a->in, a->params, a->out);
    /* a build that used btl_fail itself: the message is completed here */
    if (!a->result && a->g->pending_message) btl_fail_done(a->g, a->op->name);
    return a->result ? BTL_OK : a->g->status;
}

btl_var *btl_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params, btl_var **out) {
    if (g->status == BTL_ENOMEM || build_has_null(nin, in)) return NULL;
    build_args a = { .g = g, .op = op, .nin = nin, .in = in, .params = params, .out = out };
    return btl_graph_protect(g, op->build ? build_custom : build_promoted, &a) == BTL_OK ? a.result : NULL;
}
