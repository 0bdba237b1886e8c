/* parse_call.c - f(…): ops, casts, uses of a fn, and the few functions that are not ops. An op says
 * itself (op.h) how many operands it takes and which settings; a fn is read anew at each use with
 * its parameters bound, so it takes whatever types it is given.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/grad.h"
#include "expr/index.h"
#include "expr/parse.h"

#include <string.h>

typedef struct call_arg { value v; uint32_t first, name; } call_arg; /* name: the keyword's token, 0 if none */

typedef struct call {
    uint32_t callee, end;    /* the tokens of its name */
    const char *s;           /* the name, not terminated */
    size_t length;
    int n, npositional, capacity;
    call_arg *args;
    bool poisoned;
} call;

static bool call_is(const call *c, const char *name) {
    return strlen(name) == c->length && memcmp(c->s, name, c->length) == 0;
}

static int call_name_length(const call *c) { return (int)(c->length > 100 ? 100 : c->length); }

static bool call_read_arguments(parser *p, call *c) {
    while (!p->panic && parse_kind(p) != TOKEN_RPAREN) {
        call_arg a = { .first = p->pos };
        if (parse_kind(p) == TOKEN_NAME && parse_kind_at(p, 1) == TOKEN_ASSIGN) {
            a.name = p->pos;
            p->pos += 2;
        } else if (c->n > c->npositional) {
            btl_parse_fail(p, p->pos, BTL_ESYNTAX, NULL, "an argument without a name behind one with a name");
            p->panic = true;
            return false;
        } else {
            c->npositional++;
        }
        a.v = btl_parse_expr(p);
        if (a.v.kind == VALUE_POISON) c->poisoned = true;
        *BTL_PUSH(p->scratch, c->args, c->n, c->capacity) = a;
        if (!btl_parse_accept(p, TOKEN_COMMA)) break;
    }
    return !p->panic && btl_parse_expect(p, TOKEN_RPAREN, "to close the call");
}

/* ---- ops --------------------------------------------------------------------------------- */

static value call_results(parser *p, const btl_op *op, btl_var *v) {
    if (!v) {
        p->nmistakes++; /* the op has recorded why */
        return value_poison();
    }
    if (v->node->op != op || v->node->nout < 2) return value_var(v);
    value_list *list = BTL_NEW(p->scratch, value_list);
    list->n = v->node->nout;
    list->v = BTL_ARRAY(p->scratch, value, list->n);
    for (int i = 0; i < list->n; i++) list->v[i] = value_var(&v->node->out[i]);
    return (value){ .kind = VALUE_LIST, .list = list };
}

static value call_build(parser *p, const btl_op *op, uint32_t first, uint32_t last, int n, const value *operands, const btl_param *params) {
    btl_var *small[4], **vars = n <= 4 ? small : BTL_ARRAY(p->scratch, btl_var *, n);
    for (int i = 0; i < n; i++)
        if (!(vars[i] = btl_value_to_var(p, &operands[i]))) return value_poison();
    btl_parse_here_range(p, first, last);
    return call_results(p, op, btl_build(p->g, op, n, vars, params, NULL));
}

value btl_call_op(parser *p, const btl_op *op, uint32_t first, uint32_t last, int n, const value *operands) {
    if (p->checking) return value_poison();
    btl_param *params = BTL_ARRAY(p->scratch, btl_param, op->nparams);
    btl_parse_here_range(p, first, last);
    for (int i = 0; i < op->nparams; i++)
        if (!btl_setting_fallback(p, op, &op->params[i], &params[i])) return value_poison();
    return call_build(p, op, first, last, n, operands, params);
}

static const char *call_spec_name(void *arg, int i) { return ((const btl_op *)arg)->params[i].name; }

static int call_find_setting(const btl_op *op, const char *s, size_t length) {
    for (int i = 0; i < op->nparams; i++)
        if (strlen(op->params[i].name) == length && memcmp(op->params[i].name, s, length) == 0) return i;
    return -1;
}

static void call_unknown_setting(parser *p, const btl_op *op, uint32_t token) {
    size_t length;
    const char *s = parse_token_text(p, token, &length);
    const char *near = btl_nearest_name(s, length, op->nparams, call_spec_name, (void *)(uintptr_t)op);
    const char *hint = op->signature;
    if (near && hint) hint = btl_arena_printf(p->scratch, "did you mean %s? %s", near, hint);
    btl_parse_fail(p, token, BTL_ENAME, hint, "%s has no setting %.*s", op->name, (int)(length > 100 ? 100 : length), s);
}

/* Settings by name and, behind the operands, by place. */
static bool call_take_settings(parser *p, const btl_op *op, const call *c, int first, btl_param *params) {
    bool *given = BTL_ARRAY(p->scratch, bool, op->nparams);
    int next = 0;
    for (int i = first; i < c->n; i++) {
        const call_arg *a = &c->args[i];
        int at = -1;
        if (a->name) {
            size_t length;
            const char *s = parse_token_text(p, a->name, &length);
            at = call_find_setting(op, s, length);
            if (at < 0) call_unknown_setting(p, op, a->name);
            if (at >= 0 && given[at]) btl_parse_fail(p, a->name, BTL_ENAME, op->signature, "%s is given twice", op->params[at].name), at = -1;
        } else {
            while (next < op->nparams && (given[next] || !op->params[next].positional)) next++;
            if (next < op->nparams) at = next;
            else btl_parse_fail(p, a->first, BTL_EVALUE, op->signature, "%s: too many arguments without a name", op->name);
        }
        if (at < 0) return false;
        given[at] = true;
        if (!btl_setting_from_value(p, op, &op->params[at], &a->v, &params[at])) return false;
    }
    for (int i = 0; i < op->nparams; i++) {
        if (given[i]) continue;
        btl_parse_here_range(p, c->callee, c->end);
        if (!btl_setting_fallback(p, op, &op->params[i], &params[i])) return false;
    }
    return true;
}

static value call_an_op(parser *p, const btl_op *op, const call *c) {
    if (p->checking || c->poisoned) return value_poison();
    int n = c->npositional, first;
    value *operands;
    if ((op->flags & OP_SHAPE_FIRST) && n == 2) { /* settings stand behind operands from here on */
        call_arg shape = c->args[0];
        c->args[0] = c->args[1];
        c->args[1] = shape;
    }
    if (op->max_in < 0 && n > 0 && c->args[0].v.kind == VALUE_LIST) {
        n = c->args[0].v.list->n;
        operands = c->args[0].v.list->v;
        first = 1;
    } else {
        if (op->max_in >= 0 && n > op->max_in) n = op->max_in;
        operands = BTL_ARRAY(p->scratch, value, n);
        for (int i = 0; i < n; i++) operands[i] = c->args[i].v;
        first = n;
    }
    btl_param *params = BTL_ARRAY(p->scratch, btl_param, op->nparams);
    if (!call_take_settings(p, op, c, first, params)) return value_poison();
    return call_build(p, op, c->callee, c->end, n, operands, params);
}

/* ---- fn ---------------------------------------------------------------------------------- */

bool btl_parse_fn_params(parser *p, value_fn *fn) {
    int capacity = 0;
    if (!btl_parse_expect(p, TOKEN_LPAREN, "before the parameters")) return false;
    while (parse_kind(p) != TOKEN_RPAREN) {
        fn_param a = { .token = p->pos };
        if (!btl_parse_expect(p, TOKEN_NAME, "of a parameter")) return false;
        a.name = btl_parse_name_at(p, a.token);
        btl_scope_bind(p, a.token, a.name, value_poison());
        if (btl_parse_accept(p, TOKEN_COLON)) {
            btl_type type;
            a.typed = true;
            a.type = p->pos;
            if (!btl_parse_type_at(p, &type)) return false;
        }
        *BTL_PUSH(p->scratch, fn->params, fn->nparams, capacity) = a;
        if (!btl_parse_accept(p, TOKEN_COMMA)) break;
    }
    return btl_parse_expect(p, TOKEN_RPAREN, "behind the parameters");
}

/* Reads the body once with parameters that stand for anything: its syntax and its names. */
void btl_fn_check(parser *p, value_fn *fn) {
    bool checking = p->checking;
    int mistakes = p->nmistakes;
    p->checking = fn->is_open = true;
    p->pos = fn->body;
    if (fn->is_block) btl_parse_fn_block(p);
    else btl_parse_expr(p);
    fn->is_open = false;
    p->checking = checking;
    fn->bad = p->nmistakes > mistakes || p->panic;
}

value btl_parse_fn_literal(parser *p) {
    value_fn *fn = BTL_NEW(p->scratch, value_fn);
    *fn = (value_fn){ .home = p->scope, .limit = p->order };
    value out = { .kind = VALUE_FN, .token = p->pos++, .fn = fn };
    scope *s = btl_scope_new(p, p->scope, p->order);
    s->is_fn = true;
    p->scope = s;
    bool good = btl_parse_enter(p) && btl_parse_fn_params(p, fn) && btl_parse_expect(p, TOKEN_ARROW, "behind the parameters of a nameless fn");
    fn->body = p->pos;
    if (good) btl_fn_check(p, fn);
    btl_parse_leave(p);
    p->scope = fn->home;
    return p->panic || fn->bad ? value_poison() : out;
}

typedef struct fn_frame { scope *scope; const btl_places *outer; uint32_t pos; int64_t order; } fn_frame;

static bool fn_enter(parser *p, value_fn *fn, uint32_t first, uint32_t last, fn_frame *frame) {
    if (p->fn_depth >= PARSE_FN_DEPTH || p->expanded > PARSE_EXPANDED_TOKENS) {
        btl_parse_fail(p, first, BTL_EVALUE, "each use of a fn is written out in the program", "%s: fn within fn, %s",
                   fn->name ? fn->name : "fn", p->fn_depth >= PARSE_FN_DEPTH ? "too deep" : "too long when written out");
        p->panic = true;
        return false;
    }
    *frame = (fn_frame){ p->scope, p->outer, p->pos, p->order };
    p->fn_depth++;
    btl_parse_here_range(p, first, last);
    p->outer = p->g->here;
    p->scope = btl_scope_new(p, fn->home, fn->limit);
    p->scope->is_fn = true;
    return true;
}

static void fn_leave(parser *p, const value_fn *fn, const fn_frame *frame) {
    p->expanded += (int64_t)p->pos - (int64_t)fn->body + 8;
    p->scope = frame->scope;
    p->outer = frame->outer;
    p->pos = frame->pos;
    p->fn_depth--;
}

static value fn_run(parser *p, value_fn *fn) {
    p->pos = fn->body;
    return fn->is_block ? btl_parse_fn_block(p) : btl_parse_expr(p);
}

value btl_fn_expand(parser *p, value_fn *fn, int n, const value *args, uint32_t token) {
    fn_frame frame;
    (void)n;
    if (fn->bad || p->checking || !fn_enter(p, fn, token, token, &frame)) return value_poison();
    bool good = true;
    for (int i = 0; i < fn->nparams && good; i++) {
        value v = args[i];
        v.bare = false;
        if (fn->params[i].typed) {
            p->pos = fn->params[i].type;
            good = btl_parse_assertion(p, fn->params[i].name, &v);
        }
        btl_scope_bind_quietly(p, fn->params[i].name, v, btl_parse_line_of(p, fn->params[i].token));
    }
    value out = good ? fn_run(p, fn) : value_poison();
    fn_leave(p, fn, &frame);
    out.bare = false;
    out.token = token;
    return out;
}

/* A fn as the nested graph of an op: over parameters of its own, whose types it states. */
const btl_body *btl_fn_to_body(parser *p, value_fn *fn, uint32_t token) {
    fn_frame frame;
    if (fn->bad || !fn_enter(p, fn, token, token, &frame)) return NULL;
    btl_body *body = BTL_NEW(&p->g->arena, btl_body);
    body->graph = p->g;
    body->nparams = fn->nparams;
    body->params = BTL_ARRAY(&p->g->arena, btl_var *, fn->nparams);
    bool good = true;
    for (int i = 0; i < fn->nparams && good; i++) {
        const fn_param *a = &fn->params[i];
        btl_type type;
        p->pos = a->type;
        if (!a->typed) btl_parse_fail(p, a->token, BTL_EDTYPE, "write a: f32", "%s needs a type: this fn is the body of a node", a->name);
        good = a->typed && btl_parse_type_at(p, &type);
        if (!good) break;
        body->params[i] = btl_graph_param(p->g, a->name[0] == '%' ? NULL : a->name, &type);
        btl_scope_bind_quietly(p, a->name, value_var(body->params[i]), btl_parse_line_of(p, a->token));
    }
    value out = good ? fn_run(p, fn) : value_poison();
    if (out.kind == VALUE_POISON) good = false;
    body->nresults = out.kind == VALUE_LIST ? out.list->n : 1;
    body->results = BTL_ARRAY(&p->g->arena, btl_var *, body->nresults);
    for (int i = 0; good && i < body->nresults; i++)
        good = (body->results[i] = btl_value_to_var(p, out.kind == VALUE_LIST ? &out.list->v[i] : &out)) != NULL;
    fn_leave(p, fn, &frame);
    return good ? body : NULL;
}

static value call_a_fn(parser *p, value_fn *fn, const call *c) {
    const char *name = fn->name ? fn->name : "this fn";
    value *args = BTL_ARRAY(p->scratch, value, fn->nparams);
    bool *given = BTL_ARRAY(p->scratch, bool, fn->nparams);
    for (int i = 0; i < c->n; i++) {
        int at = c->args[i].name ? -1 : i;
        size_t length = 0;
        const char *s = c->args[i].name ? parse_token_text(p, c->args[i].name, &length) : NULL;
        for (int j = 0; s && j < fn->nparams; j++)
            if (strlen(fn->params[j].name) == length && memcmp(fn->params[j].name, s, length) == 0) at = j;
        if (s && at < 0) {
            btl_parse_fail(p, c->args[i].name, BTL_ENAME, NULL, "%s has no parameter %.*s", name, (int)length, s);
            return value_poison();
        }
        if (at >= fn->nparams || given[at]) break;
        given[at] = true;
        args[at] = c->args[i].v;
    }
    int n = 0;
    for (int i = 0; i < fn->nparams; i++) n += given[i];
    if (n != fn->nparams || c->n != fn->nparams) {
        btl_parse_here_range(p, c->callee, c->end);
        btl_parse_fail(p, c->callee, BTL_EVALUE, NULL, "%s takes %d argument%s, %d given", name, fn->nparams, fn->nparams == 1 ? "" : "s", c->n);
        return value_poison();
    }
    return c->poisoned ? value_poison() : btl_fn_expand(p, fn, n, args, c->callee);
}

/* ---- functions that are not ops ---------------------------------------------------------- */

static value call_fail_arguments(parser *p, const call *c, const char *signature) {
    btl_parse_fail(p, c->callee, BTL_EVALUE, signature, "%.*s: these are not the arguments it takes", call_name_length(c), c->s);
    return value_poison();
}

static value call_cast(parser *p, const call *c, btl_dtype dtype) {
    if (c->n != 1 || c->npositional != 1) return call_fail_arguments(p, c, btl_arena_printf(p->scratch, "%s(x)", btl_dtype_name(dtype)));
    if (p->checking || c->poisoned) return value_poison();
    btl_parse_here_range(p, c->callee, c->end);
    value out = btl_value_cast(p, &c->args[0].v, dtype);
    if (out.kind == VALUE_POISON) p->nmistakes++;
    return out;
}

static bool call_disconnected(parser *p, const call *c, btl_disconnected *how) {
    *how = BTL_DISCONNECTED_ERROR;
    for (int i = c->npositional; i < c->n; i++) {
        const call_arg *a = &c->args[i];
        bool is_how = btl_parse_is_word(p, a->name, "disconnected") && a->v.kind == VALUE_TEXT;
        if (is_how && strcmp(a->v.text, "zero") == 0) *how = BTL_DISCONNECTED_ZERO;
        else if (!is_how || strcmp(a->v.text, "error") != 0) return false;
    }
    return true;
}

/* grad and its kin: two or three arguments, each a variable or a list. */
typedef enum call_derivative { CALL_GRAD, CALL_JACOBIAN, CALL_HESSIAN, CALL_LOP, CALL_ROP, CALL_NO_DERIVATIVE } call_derivative;

static const struct { const char *name, *signature; int nargs; } call_derivatives[] = {
    [CALL_GRAD] = { "grad", "grad(cost, wrt, disconnected=\"error\"): wrt is a variable or a list, disconnected \"error\" or \"zero\"", 2 },
    [CALL_JACOBIAN] = { "jacobian", "jacobian(y, x, disconnected=\"error\"): x is a variable or a list, disconnected \"error\" or \"zero\"", 2 },
    [CALL_HESSIAN] = { "hessian", "hessian(cost, x, disconnected=\"error\"): x is a variable or a list, disconnected \"error\" or \"zero\"", 2 },
    [CALL_LOP] = { "lop", "lop(y, x, v, disconnected=\"error\"): v times the Jacobian of y by x, v of y's shape; lists of y and v go together", 3 },
    [CALL_ROP] = { "rop", "rop(y, x, v, disconnected=\"error\"): the Jacobian of y by x times v, v of x's shape; lists of x and v go together", 3 },
};

static call_derivative call_find_derivative(const call *c) {
    int i = 0;
    while (i < CALL_NO_DERIVATIVE && !call_is(c, call_derivatives[i].name)) i++;
    return (call_derivative)i;
}

typedef struct call_vars { bool several; int n; btl_var **v; } call_vars;

static bool call_take_vars(parser *p, const value *from, call_vars *to) {
    to->several = from->kind == VALUE_LIST;
    to->n = to->several ? from->list->n : 1;
    to->v = BTL_ARRAY(p->scratch, btl_var *, to->n + 1);
    for (int i = 0; i < to->n; i++)
        if (!(to->v[i] = btl_value_to_var(p, to->several ? &from->list->v[i] : from))) return false;
    return true;
}

static btl_status call_derive(parser *p, call_derivative kind, const call_vars *a, btl_disconnected how, btl_var **out) {
    switch (kind) {
    case CALL_GRAD: return btl_grad(p->g, a[0].v[0], a[1].n, a[1].v, how, out);
    case CALL_JACOBIAN: return btl_jacobian(p->g, a[0].v[0], a[1].n, a[1].v, how, out);
    case CALL_HESSIAN: return btl_hessian(p->g, a[0].v[0], a[1].n, a[1].v, how, out);
    case CALL_LOP: return btl_lop(p->g, a[0].n, a[0].v, a[2].v, a[1].n, a[1].v, how, out);
    default: return btl_rop(p->g, a[0].n, a[0].v, a[1].n, a[1].v, a[2].v, how, out);
    }
}

static value call_a_derivative(parser *p, const call *c, call_derivative kind) {
    btl_disconnected how;
    call_vars a[3] = { 0 };
    const char *signature = call_derivatives[kind].signature;
    int nargs = call_derivatives[kind].nargs;
    if (c->npositional != nargs || (!c->poisoned && !call_disconnected(p, c, &how))) return call_fail_arguments(p, c, signature);
    if (p->checking || c->poisoned) return value_poison();
    for (int i = 0; i < nargs; i++)
        if (!call_take_vars(p, &c->args[i].v, &a[i])) return value_poison();
    bool one_y = nargs == 2, goes_with_y = kind == CALL_LOP;
    if (a[0].n < 1 || a[1].n < 1 || (one_y && a[0].several) || (nargs == 3 && a[2].n != a[goes_with_y ? 0 : 1].n))
        return call_fail_arguments(p, c, signature);
    const call_vars *by = kind == CALL_ROP ? &a[0] : &a[1];
    btl_var **out = BTL_ARRAY(p->scratch, btl_var *, by->n + 1);
    btl_parse_here_range(p, c->callee, c->end);
    if (call_derive(p, kind, a, how, out) != BTL_OK) {
        p->nmistakes++;
        return value_poison();
    }
    if (!by->several) return value_var(out[0]);
    value_list *list = BTL_NEW(p->scratch, value_list);
    list->n = by->n;
    list->v = BTL_ARRAY(p->scratch, value, by->n);
    for (int i = 0; i < by->n; i++) list->v[i] = value_var(out[i]);
    return (value){ .kind = VALUE_LIST, .list = list };
}

static value call_len(parser *p, const call *c) {
    if (c->n != 1 || c->npositional != 1) return call_fail_arguments(p, c, "len(x)");
    if (p->checking || c->poisoned) return value_poison();
    const value *v = &c->args[0].v;
    if (v->kind == VALUE_LIST) return value_int(v->list->n);
    btl_var *var = btl_value_to_var(p, v);
    if (var && var->type.rank > 0) return btl_value_of_dim(var->type.dims[0]);
    if (var) btl_parse_fail(p, c->callee, BTL_ESHAPE, NULL, "len: %s, which has no length", btl_var_text(p->g, var));
    return value_poison();
}

static bool call_of_sizes(const call *c) {
    return c->n == 2 && c->npositional == 2 && btl_value_is_size(&c->args[0].v) && btl_value_is_size(&c->args[1].v);
}

static value call_min_max(parser *p, const call *c, bool is_min) {
    const btl_dim *a = btl_value_dim(p, &c->args[0].v), *b = btl_value_dim(p, &c->args[1].v);
    return btl_value_of_dim(is_min ? btl_dim_min(p->g, a, b) : btl_dim_max(p->g, a, b));
}

static const struct { const char *name, *hint; } call_later[] = {
    { "scan", NULL }, { "c64", "complex numbers come later" }, { "c128", "complex numbers come later" },
};

bool btl_call_is_later(const char *name) {
    for (size_t i = 0; i < sizeof call_later / sizeof *call_later; i++)
        if (strcmp(call_later[i].name, name) == 0) return true;
    return false;
}

static bool call_is_later(parser *p, const call *c) {
    for (size_t i = 0; i < sizeof call_later / sizeof *call_later; i++)
        if (call_is(c, call_later[i].name)) {
            btl_parse_here_range(p, c->callee, c->end);
            btl_parse_fail(p, c->callee, BTL_EUNSUPPORTED, call_later[i].hint, "%s is not there yet", call_later[i].name);
            return true;
        }
    return false;
}

static value call_opaque(parser *p, const call *c) {
    btl_parse_here_range(p, c->callee, c->end);
    btl_parse_fail(p, c->callee, BTL_ESYNTAX, "NAME: TYPE = opaque(\"name\", …), in a text that begins with stage schedule", "opaque stands alone on the right of a binding with a type");
    return value_poison();
}

static value call_builtin(parser *p, const call *c) {
    btl_dtype dtype;
    if (call_is(c, "opaque")) return call_opaque(p, c);
    if (call_is_later(p, c)) return value_poison();
    if (btl_dtype_find(c->s, c->length, &dtype)) return call_cast(p, c, dtype);
    if (call_find_derivative(c) != CALL_NO_DERIVATIVE) return call_a_derivative(p, c, call_find_derivative(c));
    if (call_is(c, "len")) return call_len(p, c);
    if ((call_is(c, "min") || call_is(c, "max")) && call_of_sizes(c)) return call_min_max(p, c, call_is(c, "min"));
    const btl_op *op = btl_op_lookup(p->g->ctx, c->s, c->length);
    if (op && !(op->flags & (OP_LEAF | OP_HIDDEN))) return call_an_op(p, op, c);
    if (op && !(op->flags & OP_LEAF)) return call_an_op(p, op, c); /* what passes made is read back */
    if (c->callee != c->end) btl_parse_here_range(p, c->callee, c->end);
    btl_name_unknown(p, c->callee, c->s, c->length);
    return value_poison();
}

/* ---- indexing as a call ------------------------------------------------------------------ */

/* The '[' of the index that ends the first argument: set_subtensor(x[…], y); 0 if there is none. */
static uint32_t call_part_bracket(const parser *p) {
    int depth = 0;
    uint32_t open = 0, i = p->pos;
    for (;; i++) {
        btl_token_kind kind = (btl_token_kind)p->t.tokens[i].kind;
        if (kind == TOKEN_LBRACKET || kind == TOKEN_LPAREN) {
            if (depth++ == 0) open = i;
        } else if (kind == TOKEN_RBRACKET || kind == TOKEN_RPAREN) {
            if (depth-- == 0) return 0;
        } else if (kind == TOKEN_COMMA && depth == 0) {
            break;
        } else if (kind == TOKEN_END || kind == TOKEN_NEWLINE) {
            return 0;
        }
    }
    return p->t.tokens[i - 1].kind == TOKEN_RBRACKET && p->t.tokens[open].kind == TOKEN_LBRACKET ? open : 0;
}

static value call_assign(parser *p, call *c, bool increase) {
    uint32_t outer = p->part_bracket;
    p->part_bracket = call_part_bracket(p);
    bool good = call_read_arguments(p, c);
    p->part_bracket = outer;
    if (!good || c->poisoned || p->checking) return value_poison();
    if (c->n != 2 || c->npositional != 2 || c->args[0].v.kind != VALUE_PART)
        return call_fail_arguments(p, c, btl_arena_printf(p->scratch, "%.*s(x[…], y)", call_name_length(c), c->s));
    const value_part *part = c->args[0].v.part;
    btl_var *y = btl_value_to_var(p, &c->args[1].v);
    if (!y) return value_poison();
    btl_parse_here_range(p, c->callee, c->end);
    btl_var *v = btl_index_assign(p->g, part->base, part->n, part->items, y, increase);
    p->nmistakes += !v;
    return value_var(v);
}

/* subtensor(x, 3, 0:n): the normal form of x[3, 0:n]. */
static value call_subtensor(parser *p, call *c) {
    value base = btl_parse_expr(p);
    if (p->panic) return value_poison();
    if (parse_kind(p) == TOKEN_RPAREN) {
        p->pos++;
        return call_fail_arguments(p, c, "subtensor(x, 3, 0:n)");
    }
    if (!btl_parse_expect(p, TOKEN_COMMA, "behind what is indexed")) return value_poison();
    return btl_parse_index_items(p, &base, c->callee, c->end, TOKEN_RPAREN);
}

/* ---- all calls --------------------------------------------------------------------------- */

value btl_parse_call(parser *p, uint32_t callee, uint32_t callee_end, const value *fn, bool has_fn) {
    const btl_token *a = &p->t.tokens[callee], *b = &p->t.tokens[callee_end];
    call c = { .callee = callee, .end = callee_end, .s = p->t.text + a->start, .length = b->start + b->length - a->start };
    value target = has_fn ? *fn : value_poison(), out;
    binding *bound = has_fn || callee != callee_end ? NULL : btl_scope_find(p, c.s, c.length);
    p->pos++; /* the bracket */
    if (bound && bound->value.kind == VALUE_FN) target = btl_name_value(p, callee), has_fn = true;
    bool is_set = call_is(&c, "set_subtensor"), is_inc = call_is(&c, "inc_subtensor");
    if (!has_fn && (is_set || is_inc)) {
        out = call_assign(p, &c, is_inc);
    } else if (!has_fn && (call_is(&c, "subtensor") || call_is(&c, "advanced_subtensor"))) {
        out = call_subtensor(p, &c);
    } else if (!call_read_arguments(p, &c)) {
        return value_poison();
    } else if (has_fn && target.kind == VALUE_FN) {
        out = call_a_fn(p, target.fn, &c);
    } else if (has_fn) {
        if (target.kind != VALUE_POISON) btl_parse_fail(p, callee, BTL_EVALUE, NULL, "%s cannot be called", btl_value_text(p, &target));
        out = value_poison();
    } else if (bound && (bound->value.kind == VALUE_POISON || p->checking) && !btl_op_lookup(p->g->ctx, c.s, c.length)) {
        out = value_poison(); /* a parameter of a fn that is being checked may be a fn */
    } else if (bound && !btl_op_lookup(p->g->ctx, c.s, c.length) && !btl_word_is_reserved(c.s, c.length) &&
               call_find_derivative(&c) == CALL_NO_DERIVATIVE && !call_is(&c, "len")) {
        btl_parse_fail(p, callee, BTL_EVALUE, NULL, "%.*s is not a function: %s", call_name_length(&c), c.s, btl_value_text(p, &bound->value));
        out = value_poison();
    } else {
        out = call_builtin(p, &c);
    }
    out.token = callee;
    out.bare = false;
    return p->panic ? value_poison() : out;
}
