/* own_build.c - building with an op of one's own: its types, its gradient, its parts, its C; settings; btl_op_call. See
 * own.h. SPDX-License-Identifier: BSD-3-Clause */
#include "ops/own.h"

#include "expr/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- messages ------------------------------------------------------------------------------- */

btl_status btl_op_fail(btl_graph *g, btl_status status, const char *format, ...) {
    char text[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *hint = g->pending_message ? NULL : g->pending_hint; /* given before, so that this can be returned */
    btl_fail(g, status == BTL_OK ? BTL_EPLUGIN : status, "%s", text);
    if (hint) g->pending_hint = hint;
    return g->pending;
}

void btl_op_hint(btl_graph *g, const char *format, ...) {
    char text[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    btl_fail_hint(g, "%s", text);
}

/* Asking for a setting that is not there comes before what else the function says. */
static btl_status own_check_asked(btl_graph *g, const btl_settings *s, const char *function, btl_status status) {
    if (!s->wrong) return status;
    g->pending_message = NULL;
    return btl_fail(g, BTL_EPLUGIN, "its %s asks for the setting %.60s as %s, which it does not have", function, s->wrong, s->wrong_kind);
}

/* Makes a diagnostic, at the place of the node, of what a function recorded that is not called by infer. */
static btl_status own_finish(btl_graph *g, const btl_node *n, const btl_settings *s, const char *function, btl_status status) {
    status = own_check_asked(g, s, function, status);
    if (status == BTL_OK && !g->pending_message) return BTL_OK;
    const btl_places *here = g->here;
    if (!g->pending_message) btl_fail(g, status, "its %s failed and does not say why", function);
    status = g->pending;
    g->here = n->places;
    btl_fail_done(g, n->op->name);
    g->here = here;
    return status;
}

/* ---- settings ------------------------------------------------------------------------------- */

static const btl_param *own_setting(btl_settings *s, const char *name, btl_param_kind kind) {
    static const btl_param none = { 0 };
    for (int i = 0; i < s->op->nparams; i++)
        if (s->op->params[i].kind == kind && strcmp(s->op->params[i].name, name) == 0) return &s->params[i];
    if (!s->wrong) s->wrong = name, s->wrong_kind = btl_setting_kind_text(kind);
    return &none;
}

int64_t btl_setting_int(btl_settings *s, const char *name) { return own_setting(s, name, PARAM_INT)->i; }
bool btl_setting_bool(btl_settings *s, const char *name) { return own_setting(s, name, PARAM_BOOL)->i != 0; }
double btl_setting_float(btl_settings *s, const char *name) { return own_setting(s, name, PARAM_FLOAT)->f; }
const btl_dim *btl_setting_size(btl_settings *s, const char *name) { return own_setting(s, name, PARAM_DIM)->dim; }

const char *btl_setting_text(btl_settings *s, const char *name) {
    const char *text = own_setting(s, name, PARAM_TEXT)->s;
    return text ? text : "";
}

bool btl_setting_dtype(btl_settings *s, const char *name, btl_dtype *out) {
    int64_t dtype = own_setting(s, name, PARAM_DTYPE)->i;
    *out = dtype < 0 ? BTL_BOOL : (btl_dtype)dtype;
    return dtype >= 0;
}

int btl_setting_axes(btl_settings *s, const char *name, const int **axes) {
    const btl_param *p = own_setting(s, name, PARAM_AXES);
    *axes = p->axes.v;
    return p->axes.n;
}

int btl_setting_shape(btl_settings *s, const char *name, const btl_dim *const **sizes) {
    const btl_param *p = own_setting(s, name, PARAM_SHAPE);
    *sizes = p->shape.v;
    return p->shape.n;
}

const btl_dim *btl_var_size(const btl_var *v, int axis) {
    return axis >= 0 && axis < v->type.rank ? v->type.dims[axis] : NULL;
}

/* ---- infer ---------------------------------------------------------------------------------- */

typedef struct own_inference {
    btl_op_infer seen;   /* first: what the op is given */
    btl_infer *x;
    uint64_t set;        /* bit k: result k has a type */
} own_inference;

btl_status btl_op_infer_set(btl_op_infer *x, int k, btl_dtype dtype, int rank, const btl_dim *const *sizes) {
    own_inference *mine = (own_inference *)(void *)x;
    if (k < 0 || k >= x->nout) return btl_fail(x->g, BTL_EPLUGIN, "its infer states the type of result %d; it declares %d result%s", k, x->nout, x->nout == 1 ? "" : "s");
    if ((int)dtype < 0 || dtype >= BTL_NDTYPES) return btl_fail(x->g, BTL_EPLUGIN, "its infer gives result %d the dtype %d, which is none", k, (int)dtype);
    if (rank < 0 || rank > BTL_MAX_RANK) return btl_fail(x->g, BTL_EPLUGIN, "its infer gives result %d %d axes; 0 to %d are possible", k, rank, BTL_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        if (!sizes || !sizes[i]) return btl_fail(x->g, BTL_EPLUGIN, "its infer gives axis %d of result %d no size", i, k);
        if (sizes[i]->hi < 0) return btl_fail(x->g, BTL_EPLUGIN, "its infer gives axis %d of result %d a negative size", i, k);
    }
    mine->x->out[k] = btl_type_make(x->g, dtype, rank, sizes);
    mine->set |= (uint64_t)1 << k;
    return BTL_OK;
}

btl_status btl_op_infer_as(btl_op_infer *x, int k, const btl_var *v) { return btl_op_infer_set(x, k, v->type.dtype, v->type.rank, v->type.dims); }

btl_status btl_op_infer_equal(btl_op_infer *x, const btl_dim *a, const btl_dim *b) {
    if (!a || !b) return btl_fail(x->g, BTL_EPLUGIN, "its infer compares a size that is not there");
    if (btl_dims_unify(x->g, a, b, NULL) == BTL_OK) return BTL_OK;
    btl_text t;
    btl_text_init(&t, &x->g->arena);
    btl_text_add(&t, "sizes differ: ");
    btl_dim_print(&t, x->g, a);
    btl_text_add(&t, " and ");
    btl_dim_print(&t, x->g, b);
    for (int i = 0; i < x->nin; i++) btl_text_printf(&t, "%s%s", i ? ", " : "; ", btl_var_text(x->g, x->in[i]));
    return btl_fail(x->g, BTL_ESHAPE, "%s", t.data);
}

const btl_dim *btl_op_infer_unknown(btl_op_infer *x, const btl_dim *bound) { return btl_dim_unknown(x->g, bound, true); }

static btl_status own_check_types(own_inference *mine) {
    btl_infer *x = mine->x;
    bool measures = x->op->measure != NULL, is_view = x->op->view != NULL;
    for (int k = 0; k < x->nout; k++) {
        if (!(mine->set >> k & 1)) return btl_fail(x->g, BTL_EPLUGIN, "its infer states no type for result %d of %d", k, x->nout);
        for (int i = 0; i < x->out[k].rank; i++) {
            const btl_dim *d = x->out[k].dims[i];
            int symbol = d->late ? btl_dim_symbol_index(d) : -1;
            if (symbol >= 0 && !measures && !x->g->dims.symbols[symbol]->definer)
                return btl_fail(x->g, BTL_EPLUGIN, "its infer leaves the size of axis %d of result %d to measure, which it does not have", i, k);
        }
    }
    if (is_view && x->out[0].dtype != x->in[0]->type.dtype)
        return btl_fail(x->g, BTL_EPLUGIN, "its infer gives a view of %s the dtype %s", btl_var_text(x->g, x->in[0]), btl_dtype_name(x->out[0].dtype));
    return BTL_OK;
}

btl_status btl_own_infer(btl_infer *x) {
    btl_settings settings = own_settings(x->op, x->params);
    x->g->pending_hint = x->g->pending_message ? x->g->pending_hint : NULL;
    own_inference mine = { .seen = { .g = x->g, .settings = &settings, .nin = x->nin, .nout = x->nout, .in = x->in, .inside = x }, .x = x };
    btl_status status = own_of(x->op)->def.infer(&mine.seen);
    status = own_check_asked(x->g, &settings, "infer", status);
    if (x->g->pending_message) return x->g->pending;
    if (status != BTL_OK) return btl_fail(x->g, status, "its infer failed and does not say why");
    return own_check_types(&mine);
}

/* ---- body, vjp ------------------------------------------------------------------------------- */

/* The reference builds bodies in a graph of their own, where the node's sizes mean nothing. */
static btl_status own_check_body(btl_graph *g, const btl_node *n, const btl_var *y) {
    const btl_type *want = &n->out[0].type;
    bool same_graph = n->id < g->nnodes && g->nodes[n->id] == n, fits = y->type.dtype == want->dtype && y->type.rank == want->rank;
    if (!fits)
        return btl_fail(g, BTL_EPLUGIN, "its body gives %s of %d axes, its infer states %s of %d", btl_dtype_name(y->type.dtype), y->type.rank, btl_dtype_name(want->dtype), want->rank);
    for (int i = 0; same_graph && fits && i < want->rank; i++) fits = y->type.dims[i]->late || want->dims[i]->late || !btl_dim_differ(g, y->type.dims[i], want->dims[i]);
    return fits ? BTL_OK : btl_fail(g, BTL_EPLUGIN, "its body gives %s, its infer states %s", btl_type_text(g, &y->type), btl_type_text(g, want));
}

btl_var *btl_own_body(btl_graph *g, const btl_node *n, btl_var *const *in) {
    btl_settings settings = own_settings(n->op, n->params);
    btl_op_body b = { .g = g, .settings = &settings, .nin = n->nin, .in = in };
    int mistakes = g->ndiagnostics;
    bool keep = g->keep_here;
    g->keep_here = true;
    btl_var *y = own_of(n->op)->def.body(&b);
    g->keep_here = keep;
    if (!y && g->ndiagnostics > mistakes) return NULL;
    if (!y && !g->pending_message) btl_fail(g, BTL_EPLUGIN, "its body gives nothing");
    btl_status status = y ? own_check_body(g, n, y) : BTL_OK;
    return own_finish(g, n, &settings, "body", status) == BTL_OK ? y : NULL;
}

/* Runs vjp or jvp for the place of the node. What a builder recorded has been told already. */
static btl_status own_derive(btl_graph *g, const btl_node *n, btl_settings *settings, btl_op_vjp *v, btl_op_jvp *j) {
    const btl_op_def *def = &own_of(n->op)->def;
    int mistakes = g->ndiagnostics;
    bool keep = g->keep_here;
    g->keep_here = true;
    btl_status status = v ? def->vjp(v) : def->jvp(j);
    g->keep_here = keep;
    if (g->ndiagnostics > mistakes && !g->pending_message) return g->status;
    return own_finish(g, n, settings, v ? "vjp" : "jvp", status);
}

/* A derivative has the type of what it belongs to. */
static btl_status own_check_derivative(btl_graph *g, const btl_node *n, const char *function, const char *what, int i, const btl_var *of, const btl_var *d) {
    if (!d) return BTL_OK;
    bool fits = d->type.rank == of->type.rank && btl_dtype_kind(d->type.dtype) == 'f';
    for (int k = 0; fits && k < of->type.rank; k++) fits = !btl_dim_differ(g, d->type.dims[k], of->type.dims[k]);
    if (fits) return BTL_OK;
    btl_fail(g, BTL_EPLUGIN, "its %s gives %s %d the type %s, which should be that of %s", function, what, i, btl_type_text(g, &d->type), btl_type_text(g, &of->type));
    const btl_places *here = g->here;
    g->here = n->places;
    btl_fail_done(g, n->op->name);
    g->here = here;
    return BTL_EPLUGIN;
}

btl_status btl_own_vjp(btl_vjp *v) {
    const btl_node *n = v->node;
    btl_settings settings = own_settings(n->op, n->params);
    btl_op_vjp seen = { .g = v->g, .settings = &settings, .nin = n->nin, .nout = n->nout, .in = v->in, .out = v->out, .dout = v->dout,
                        .need = v->need, .din = v->din };
    BTL_TRY(own_derive(v->g, n, &settings, &seen, NULL));
    for (int i = 0; i < n->nin; i++)
        if (v->need[i]) BTL_TRY(own_check_derivative(v->g, n, "vjp", "the gradient of operand", i, n->in[i], v->din[i]));
    return BTL_OK;
}

btl_status btl_own_jvp(btl_jvp *j) {
    const btl_node *n = j->node;
    btl_settings settings = own_settings(n->op, n->params);
    btl_var **out = BTL_ARRAY(&j->g->arena, btl_var *, n->nout);
    for (int k = 0; k < n->nout; k++) out[k] = &n->out[k];
    btl_op_jvp seen = { .g = j->g, .settings = &settings, .nin = n->nin, .nout = n->nout, .in = n->in, .out = out, .din = j->din, .dout = j->dout };
    BTL_TRY(own_derive(j->g, n, &settings, NULL, &seen));
    for (int k = 0; k < n->nout; k++)
        if (btl_dtype_kind(n->out[k].type.dtype) == 'f') BTL_TRY(own_check_derivative(j->g, n, "jvp", "the direction of result", k, &n->out[k], j->dout[k]));
    return BTL_OK;
}

bool btl_own_connected(const btl_node *n, int out, int in) {
    btl_settings settings = own_settings(n->op, n->params);
    return own_of(n->op)->def.connected(&settings, out, in);
}

/* ---- emit ------------------------------------------------------------------------------------ */

btl_graph *btl_emit_graph(const btl_emit *e) { return e->g; }
btl_settings *btl_emit_settings(btl_emit *e) { return e->settings; }
int btl_emit_nin(const btl_emit *e) { return e->node->nin; }

btl_status btl_own_emit(btl_emit *e) {
    btl_settings settings = own_settings(e->node->op, e->params);
    e->settings = &settings;
    btl_status status = own_of(e->node->op)->def.emit(e);
    e->settings = NULL;
    if (status == BTL_EUNSUPPORTED && !settings.wrong) {
        e->g->pending_message = NULL;
        return status;
    }
    return own_finish(e->g, e->node, &settings, "emit", status);
}

/* ---- btl_op_call ------------------------------------------------------------------------------ */

typedef struct own_call {
    btl_graph *g;
    const char *name;
    int nin, nsettings;
    btl_var *const *in;
    const btl_settings *like;
    const btl_setting *settings;
    btl_var **out, *result;
} own_call;

static bool own_call_value(btl_graph *g, btl_param_kind kind, const btl_setting *s, btl_param *out) {
    bool whole = kind == PARAM_FLOAT && s->kind == BTL_SETTING_INT;
    if ((btl_param_kind)s->kind != kind && !whole) return false;
    switch (kind) {
    case PARAM_FLOAT: out->f = whole ? (double)s->i : s->f; return true;
    case PARAM_TEXT: out->s = btl_arena_strdup(&g->arena, s->text ? s->text : ""); return true;
    case PARAM_AXES:
        out->axes.n = s->n;
        out->axes.v = btl_arena_copy(&g->arena, s->n > 0 ? s->axes : &s->n, (size_t)(s->n > 0 ? s->n : 1) * sizeof *s->axes);
        return true;
    case PARAM_DIM: out->dim = s->sizes ? s->sizes[0] : NULL; return true;
    case PARAM_SHAPE: {
        const btl_dim **v = BTL_ARRAY(&g->arena, const btl_dim *, s->n > 0 ? s->n : 1);
        for (int i = 0; i < s->n; i++) v[i] = s->sizes[i];
        out->shape.n = s->n, out->shape.v = v;
        return true;
    }
    default: out->i = s->i; return true;
    }
}

static const char *own_call_spec_name(void *arg, int i) { return ((const btl_op *)arg)->params[i].name; }

static btl_status own_call_unknown(const own_call *c, const btl_op *op, const char *name) {
    const char *near = btl_nearest_name(name, strlen(name), op->nparams, own_call_spec_name, (void *)(uintptr_t)op);
    btl_fail(c->g, BTL_ENAME, "%s has no setting %.100s", op->name, name);
    if (near) btl_fail_hint(c->g, "did you mean %s?", near);
    return BTL_ENAME;
}

static btl_status own_call_settings(const own_call *c, const btl_op *op, btl_param *params) {
    bool *given = BTL_ARRAY(&c->g->arena, bool, op->nparams + 1);
    for (int i = 0; i < c->nsettings; i++) {
        const btl_setting *s = &c->settings[i];
        int at = 0;
        while (at < op->nparams && strcmp(op->params[at].name, s->name) != 0) at++;
        if (at == op->nparams) return own_call_unknown(c, op, s->name);
        if (given[at]) return btl_fail(c->g, BTL_ENAME, "%s: %s is given twice", op->name, s->name);
        given[at] = true;
        if (!own_call_value(c->g, op->params[at].kind, s, &params[at]))
            return btl_fail(c->g, BTL_EVALUE, "%s: %s must be %s, found %s", op->name, s->name, btl_setting_kind_text(op->params[at].kind),
                            (unsigned)s->kind <= BTL_SETTING_SHAPE ? btl_setting_kind_text((btl_param_kind)s->kind) : "nothing");
    }
    for (int i = 0; i < op->nparams; i++) {
        const btl_settings *like = given[i] ? NULL : c->like;
        for (int k = 0; like && k < like->op->nparams && !given[i]; k++)
            if (like->op->params[k].kind == op->params[i].kind && strcmp(like->op->params[k].name, op->params[i].name) == 0)
                params[i] = like->params[k], given[i] = true;
        if (!given[i] && !btl_setting_default(c->g, &op->params[i], &params[i]))
            return btl_fail(c->g, BTL_EVALUE, "%s: %s is missing: %s", op->name, op->params[i].name, btl_setting_kind_text(op->params[i].kind));
    }
    return BTL_OK;
}

static btl_status own_call_body(void *arg) {
    own_call *c = arg;
    btl_graph *g = c->g;
    const btl_op *op = btl_op_lookup(g->ctx, c->name, strlen(c->name));
    if (!op || (op->flags & (OP_LEAF | OP_HIDDEN))) {
        btl_fail(g, BTL_ENAME, "there is no op named %.100s", c->name);
        btl_fail_done(g, NULL);
        return g->status;
    }
    btl_param *params = BTL_ARRAY(&g->arena, btl_param, op->nparams + 1);
    if (own_call_settings(c, op, params) != BTL_OK) {
        btl_fail_done(g, NULL);
        return g->status;
    }
    for (int i = 0; c->out && i < op->nout; i++) c->out[i] = NULL;
    c->result = btl_build(g, op, c->nin, c->in, params, c->out);
    return c->result ? BTL_OK : g->status;
}

btl_var *btl_op_call(btl_graph *g, const char *name, int nin, btl_var *const *in, const btl_settings *like, int nsettings,
                     const btl_setting *settings, btl_var **out) {
    own_call c = { .g = g, .name = name, .nin = nin, .in = in, .like = like, .nsettings = nsettings, .settings = settings, .out = out };
    for (int i = 0; i < nin; i++)
        if (!in[i]) return NULL;
    if (g->status == BTL_ENOMEM) return NULL;
    return btl_graph_protect(g, own_call_body, &c) == BTL_OK ? c.result : NULL;
}
