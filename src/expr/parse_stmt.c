/* parse_stmt.c - statements: what a program declares, and the functions that are made of it. Each
 * line recovers for itself, and a name whose value is wrong is bound to poison, so that one mistake
 * gives one message.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/opaque.h"
#include "expr/parse.h"

#include <limits.h>
#include <string.h>

/* ---- lines ------------------------------------------------------------------------------- */

void btl_parse_skip_line(parser *p) {
    while (parse_kind(p) != TOKEN_NEWLINE && parse_kind(p) != TOKEN_END && parse_kind(p) != TOKEN_DEDENT) p->pos++;
    btl_parse_accept(p, TOKEN_NEWLINE);
}

/* `into` and `view` are the planner's words. */
static bool stmt_is_storage_clause(parser *p) {
    bool into = btl_parse_is_word(p, p->pos, "into");
    if (!into && !btl_parse_is_word(p, p->pos, "view")) return false;
    const char *word = into ? "into" : "view";
    if (p->g->scheduled)
        btl_parse_fail(p, p->pos, BTL_ESYNTAX, NULL, "%s stands behind the node that a line binds to a name", word);
    else
        btl_parse_fail(p, p->pos, BTL_ESYNTAX, "write the expression alone: where it is stored is decided by the planner",
                   "%s is allowed only in a text that begins with stage schedule", word);
    p->panic = true;
    return true;
}

static void stmt_end_line(parser *p) {
    if (p->panic || btl_parse_accept(p, TOKEN_NEWLINE) || parse_kind(p) == TOKEN_END || stmt_is_storage_clause(p)) return;
    btl_parse_fail_syntax(p, "expected the end of the line");
}

/* Reads one line with `read`; whatever went wrong in it, the next one is read from its beginning. */
static void stmt_line(parser *p, void (*read)(parser *)) {
    int depth = p->depth;
    read(p);
    stmt_end_line(p);
    if (p->panic) btl_parse_skip_line(p);
    p->panic = false;
    p->depth = depth;
}

static bool stmt_opens_block(parser *p) {
    return btl_parse_expect(p, TOKEN_COLON, "before the block") && btl_parse_expect(p, TOKEN_NEWLINE, "behind ':'") &&
           btl_parse_expect(p, TOKEN_INDENT, "(the lines of the block)");
}

/* ---- types that assert ------------------------------------------------------------------- */

/* The type with what it leaves open (`?`) filled in. */
static btl_type stmt_shown_type(parser *p, const btl_type *want, const btl_var *v) {
    const btl_dim **dims = BTL_ARRAY(p->scratch, const btl_dim *, want->rank);
    for (int i = 0; i < want->rank; i++) dims[i] = want->dims[i] ? want->dims[i] : i < v->type.rank ? v->type.dims[i] : btl_dim_const(p->g, 0);
    return (btl_type){ want->dtype, want->rank, dims };
}

static void stmt_fail_type(parser *p, uint32_t token, btl_status status, const char *name, const btl_type *want, const btl_var *v) {
    btl_type shown = stmt_shown_type(p, want, v);
    btl_parse_fail(p, token, status, status == BTL_EDTYPE ? btl_arena_printf(p->scratch, "a type says what a value is and casts nothing: %s(…) casts", btl_dtype_name(want->dtype)) : NULL,
               "%s is declared %s, its value is %s", name, btl_type_text(p->g, &shown), btl_type_text(p->g, &v->type));
}

/* Sizes that cannot be compared yet are checked at each call, by the node that makes v. */
static bool stmt_unify(parser *p, const btl_type *want, btl_var *v) {
    btl_graph *g = p->g;
    const btl_size_check *outer = g->checks;
    btl_type shown = stmt_shown_type(p, want, v);
    bool fits = true;
    g->checks = NULL;
    for (int i = 0; i < want->rank && fits; i++)
        fits = !want->dims[i] || btl_dims_unify(g, v->type.dims[i], want->dims[i], NULL) == BTL_OK;
    if (fits && g->checks)
        btl_checks_attach(g, v->node, btl_arena_printf(&g->arena, "%s, declared %s", btl_var_text(g, v), btl_type_text(g, &shown)));
    g->checks = outer;
    return fits;
}

/* A variable that this line makes is known by the sizes that the line states, so that they are
 * printed: a number wins over a name. */
static void stmt_take_sizes(parser *p, const btl_type *want, btl_var *v, int nodes_before) {
    bool differs = false;
    int64_t n;
    if (v->node->id < nodes_before || btl_var_is_leaf(v)) return;
    for (int i = 0; i < want->rank; i++) differs |= want->dims[i] && want->dims[i] != v->type.dims[i];
    if (!differs) return;
    const btl_dim **dims = BTL_ARRAY(&p->g->arena, const btl_dim *, want->rank);
    for (int i = 0; i < want->rank; i++)
        dims[i] = want->dims[i] && !btl_dim_is_const(v->type.dims[i], &n) ? want->dims[i] : v->type.dims[i];
    v->type.dims = dims;
}

static bool stmt_assert_type(parser *p, uint32_t token, const char *name, const btl_type *want, value *v, int nodes_before) {
    if (v->kind == VALUE_POISON || p->checking) return true;
    btl_var *var = v->kind == VALUE_LIST ? btl_value_list_to_var(p, v, want) : btl_value_to_dtype(p, v, want->dtype);
    uint32_t at = v->token;
    *v = value_var(var);
    v->token = at;
    if (!var) return false;
    bool same = var->type.dtype == want->dtype, rank = var->type.rank == want->rank;
    if (same && rank && stmt_unify(p, want, var)) {
        stmt_take_sizes(p, want, var, nodes_before);
        return true;
    }
    stmt_fail_type(p, token, same ? BTL_ESHAPE : BTL_EDTYPE, name, want, var);
    *v = value_poison();
    return false;
}

static bool stmt_parse_type(parser *p, btl_type *type, bool is_assertion) {
    bool outer = p->is_assertion;
    p->is_assertion = is_assertion;
    bool good = btl_parse_type_at(p, type);
    p->is_assertion = outer;
    return good;
}

bool btl_parse_assertion(parser *p, const char *name, value *v) {
    btl_type type;
    uint32_t token = p->pos;
    return stmt_parse_type(p, &type, true) && stmt_assert_type(p, token, name, &type, v, INT_MAX);
}

/* ---- bindings ---------------------------------------------------------------------------- */

typedef struct target { uint32_t token, type_token; const char *name; bool typed; btl_type type; } target;

/* A nameless variable that this line made gets the line's name. */
static void stmt_name(const parser *p, const value *v, const char *name, int nodes_before) {
    if (p->checking || v->kind != VALUE_VAR || v->var->name || name[0] == '%') return;
    if (v->var->node->id >= nodes_before) v->var->name = name;
}

static void stmt_bind(parser *p, const target *t, value v, int nodes_before) {
    if (t->typed) stmt_assert_type(p, t->type_token, t->name, &t->type, &v, nodes_before);
    if (v.kind == VALUE_NEWAXIS || v.kind == VALUE_PART || v.kind == VALUE_NONE) {
        btl_parse_fail(p, t->token, BTL_EVALUE, NULL, "%s cannot be bound to a name", btl_value_text(p, &v));
        v = value_poison();
    }
    v.bare = false;
    stmt_name(p, &v, t->name, nodes_before);
    if (t->name[0] == '_' && t->name[1] == 0) return;
    btl_scope_bind(p, t->token, t->name, v);
}

static bool stmt_targets(parser *p, target **targets, int *n) {
    int capacity = 0;
    do {
        target t = { .token = p->pos };
        if (!btl_parse_expect(p, TOKEN_NAME, "to be bound")) return false;
        t.name = btl_parse_name_at(p, t.token);
        *BTL_PUSH(p->scratch, *targets, *n, capacity) = t;
        if (!btl_parse_accept(p, TOKEN_COLON)) continue;
        target *mine = &(*targets)[*n - 1];
        mine->type_token = p->pos;
        if (!stmt_parse_type(p, &mine->type, true)) return false;
        mine->typed = true;
    } while (btl_parse_accept(p, TOKEN_COMMA));
    return btl_parse_expect(p, TOKEN_ASSIGN, "behind the name");
}

static void stmt_take_apart(parser *p, uint32_t token, int n, const target *targets, const value *v, int nodes_before) {
    int have = v->kind == VALUE_LIST ? v->list->n : 1;
    bool fits = v->kind == VALUE_LIST && have == n;
    if (!fits && v->kind != VALUE_POISON)
        btl_parse_fail(p, token, BTL_EVALUE, NULL, "%d names for %d result%s", n, have, have == 1 ? "" : "s");
    for (int i = 0; i < n; i++) stmt_bind(p, &targets[i], fits ? v->list->v[i] : value_poison(), nodes_before);
}

/* ---- the schedule stage ------------------------------------------------------------------ */

static bool stmt_is_opaque(const parser *p) { return btl_parse_is_word(p, p->pos, "opaque") && parse_kind_at(p, 1) == TOKEN_LPAREN; }

static bool stmt_opaque_types(parser *p, int n, const target *targets, btl_type *types) {
    for (int i = 0; i < n; i++) {
        types[i] = targets[i].type;
        bool open = false;
        for (int k = 0; targets[i].typed && k < types[i].rank; k++) open |= !types[i].dims[k];
        if (targets[i].typed && !open) continue;
        btl_parse_fail(p, targets[i].token, BTL_EVALUE, "write NAME: TYPE = opaque(…)", "the type of %s must be stated: nothing else tells what opaque makes", targets[i].name);
        return false;
    }
    return true;
}

static btl_node *stmt_opaque_node(parser *p, uint32_t token, const char *name, int nin, btl_var **in, int n, const target *targets) {
    btl_type *types = BTL_ARRAY(&p->g->arena, btl_type, n);
    if (!p->g->scheduled || (p->scope && p->scope->is_fn)) {
        btl_parse_fail(p, token, BTL_ESYNTAX, p->g->scheduled ? NULL : "its first line, behind bitale 1, is: stage schedule",
                       p->g->scheduled ? "opaque stands in no fn" : "opaque is allowed only in a text that begins with stage schedule");
        return NULL;
    }
    if (!stmt_opaque_types(p, n, targets, types)) return NULL;
    btl_parse_here_range(p, token, p->pos - 1);
    return btl_opaque(p->g, name, nin, in, n, types);
}

/* opaque("name", a, b), for the results on the left. */
static value stmt_read_opaque(parser *p, int n, const target *targets) {
    uint32_t token = p->pos, text = p->pos += 2;
    btl_var **in = NULL;
    int nin = 0, capacity = 0;
    bool good = true;
    if (!btl_parse_expect(p, TOKEN_TEXT, "that names the node, in quotes")) return value_poison();
    const char *name = btl_value_string(p, text);
    while (btl_parse_accept(p, TOKEN_COMMA)) {
        value v = btl_parse_expr(p);
        if (p->panic) return value_poison();
        btl_var *var = v.kind == VALUE_POISON ? NULL : btl_value_to_var(p, &v);
        *BTL_PUSH(p->scratch, in, nin, capacity) = var;
        good &= var != NULL;
    }
    if (!btl_parse_expect(p, TOKEN_RPAREN, "behind the operands") || p->checking) return value_poison();
    btl_node *node = good && name ? stmt_opaque_node(p, token, name, nin, in, n, targets) : NULL;
    if (!node) return value_poison();
    if (n == 1) return value_var(node->out);
    value_list *list = BTL_NEW(p->scratch, value_list);
    int room = 0;
    for (int i = 0; i < n; i++) *BTL_PUSH(p->scratch, list->v, list->n, room) = value_var(&node->out[i]);
    return (value){ .kind = VALUE_LIST, .list = list };
}

/* The node whose results the line binds, all of them. */
static btl_node *stmt_made_node(parser *p, uint32_t token, int n, const value *v, int nodes_before) {
    const value *first = v->kind == VALUE_LIST && v->list->n ? &v->list->v[0] : v;
    btl_node *node = first->kind == VALUE_VAR ? first->var->node : NULL;
    if (node && node->id >= nodes_before && !btl_var_is_leaf(node->out) && node->nout >= n) return node;
    btl_parse_fail(p, token, BTL_EVALUE, NULL, "this line makes no node whose results could lie anywhere");
    return NULL;
}

/* One name of a clause: result `out` lies in the memory of the operand of that name. */
static void stmt_lies(parser *p, btl_node *node, int out, bool is_view, uint32_t token) {
    size_t length;
    const char *name = parse_token_text(p, token, &length);
    value v = btl_name_value(p, token);
    if (v.kind == VALUE_POISON) return;
    int input = -1;
    for (int i = node->nin - 1; i >= 0 && v.kind == VALUE_VAR; i--)
        if (node->in[i] == v.var) input = i;
    if (out >= node->nout)
        btl_parse_fail(p, token, BTL_EVALUE, NULL, "%s has %d result%s: there is none for %.*s", node->op->name, node->nout, node->nout == 1 ? "" : "s", (int)length, name);
    else if (input < 0)
        btl_parse_fail(p, token, BTL_EVALUE, NULL, "%.*s is no operand of %s on this line", (int)length, name, node->op->name);
    else if (btl_parse_here(p, token), btl_node_lies(p->g, node, out, input, is_view) != BTL_OK)
        btl_parse_fail_done(p);
}

/* `into a` or `view _, a`, one after the other. node NULL: they are read and say nothing. */
static void stmt_read_clauses(parser *p, btl_node *node) {
    bool seen[2] = { false, false };
    for (;;) {
        bool is_view = btl_parse_is_word(p, p->pos, "view"), into = btl_parse_is_word(p, p->pos, "into");
        if (!is_view && !into) return;
        if (seen[is_view]) btl_parse_fail(p, p->pos, BTL_ESYNTAX, "write _ for a result that it does not speak of: into _, y", "%s stands here already", is_view ? "view" : "into");
        seen[is_view] = true;
        p->pos++;
        int out = 0;
        do {
            uint32_t token = p->pos;
            if (!btl_parse_expect(p, TOKEN_NAME, "of an operand, or _")) return;
            if (node && !btl_parse_is_word(p, token, "_")) stmt_lies(p, node, out, is_view, token);
            out++;
        } while (btl_parse_accept(p, TOKEN_COMMA));
    }
}

static bool stmt_has_clauses(const parser *p) {
    return p->g->scheduled && !p->panic && !(p->scope && p->scope->is_fn) && (btl_parse_is_word(p, p->pos, "into") || btl_parse_is_word(p, p->pos, "view"));
}

static void stmt_read_binding(parser *p) {
    target *targets = NULL;
    int n = 0, nodes_before = p->g->nnodes;
    bool good = stmt_targets(p, &targets, &n);
    uint32_t token = p->pos;
    value v = !good ? value_poison() : stmt_is_opaque(p) ? stmt_read_opaque(p, n, targets) : btl_parse_expr(p);
    if (p->panic) v = value_poison();
    if (n == 1) stmt_bind(p, &targets[0], v, nodes_before);
    else stmt_take_apart(p, token, n, targets, &v, nodes_before);
    if (stmt_has_clauses(p)) stmt_read_clauses(p, v.kind == VALUE_POISON ? NULL : stmt_made_node(p, p->pos, n, &v, nodes_before));
}

/* ---- what an expression may depend on ---------------------------------------------------- */

static bool stmt_depends_on_input(parser *p, btl_var *v, bool shared_too) {
    if (btl_var_is_constant(v)) return false;
    btl_bits reached = btl_graph_reach(p->g, 1, &v);
    for (int i = 0; i <= v->node->id; i++) {
        if (!btl_bits_get(reached, i)) continue;
        const btl_var *x = p->g->nodes[i]->out;
        if (btl_var_is_input(x) || (shared_too && btl_var_is_shared(x))) return true;
    }
    return false;
}

/* A first or a default value: fits if it can be broadcast to the type. */
static btl_var *stmt_first_value(parser *p, uint32_t token, const char *name, const btl_type *type, const value *v) {
    btl_var *var = v->kind == VALUE_LIST ? btl_value_list_to_var(p, v, type) : btl_value_to_dtype(p, v, type->dtype);
    if (!var) return NULL;
    bool fits = var->type.rank <= type->rank;
    for (int i = 0; fits && i < var->type.rank; i++) {
        const btl_dim *have = var->type.dims[i], *want = type->dims[type->rank - var->type.rank + i];
        fits = have == want || btl_dim_is(have, 1) || !btl_dim_differ(p->g, have, want);
    }
    if (!fits) {
        stmt_fail_type(p, token, BTL_ESHAPE, name, type, var);
        return NULL;
    }
    if (!stmt_depends_on_input(p, var, false)) return var;
    btl_parse_fail(p, token, BTL_EVALUE, NULL, "the first value of %s must not depend on an input", name);
    return NULL;
}

/* ---- shared, const ----------------------------------------------------------------------- */

static bool stmt_name_and_type(parser *p, target *t, bool needs_type, bool is_assertion) {
    t->token = p->pos;
    if (!btl_parse_expect(p, TOKEN_NAME, "to be declared")) return false;
    t->name = btl_parse_name_at(p, t->token);
    if (!needs_type && parse_kind(p) != TOKEN_COLON) return true;
    if (!btl_parse_expect(p, TOKEN_COLON, "and a type behind the name")) return false;
    t->type_token = p->pos;
    t->typed = stmt_parse_type(p, &t->type, is_assertion);
    return t->typed;
}

static bool stmt_check_fixed(parser *p, const target *t) {
    int64_t n;
    for (int i = 0; i < t->type.rank; i++) {
        if (btl_dim_is_const(t->type.dims[i], &n)) continue;
        btl_parse_fail(p, t->type_token, BTL_ESHAPE, "a const may stand for a number: const k = 10", "shared %s is %s: every size of a shared variable is a number",
                   t->name, btl_type_text(p->g, &t->type));
        return false;
    }
    return true;
}

static void stmt_read_shared(parser *p) {
    target t = { 0 };
    p->pos++;
    bool good = stmt_name_and_type(p, &t, true, false) && btl_parse_expect(p, TOKEN_ASSIGN, "and a first value behind the type");
    uint32_t token = p->pos;
    value v = good ? btl_parse_expr(p) : value_poison(), out = value_poison();
    if (!p->panic && good && stmt_check_fixed(p, &t) && v.kind != VALUE_POISON) {
        btl_var *init = stmt_first_value(p, token, t.name, &t.type, &v);
        btl_parse_here(p, t.token);
        bool is_new = !btl_graph_find_shared(p->g, t.name);
        if (init && is_new) out = value_var(btl_graph_shared(p->g, t.name, &t.type, init));
    }
    if (t.name) btl_scope_bind(p, t.token, t.name, out);
}

static void stmt_read_const(parser *p) {
    target t = { 0 };
    int nodes_before = p->g->nnodes;
    p->pos++;
    bool good = stmt_name_and_type(p, &t, false, true) && btl_parse_expect(p, TOKEN_ASSIGN, "and a value");
    uint32_t token = p->pos;
    value v = good ? btl_parse_expr(p) : value_poison();
    if (p->panic) v = value_poison();
    if (v.kind == VALUE_VAR && stmt_depends_on_input(p, v.var, true)) {
        btl_parse_fail(p, token, BTL_EVALUE, "a value that is computed is bound without const", "const %s must not depend on inputs or shared variables", t.name);
        v = value_poison();
    }
    if (t.name) stmt_bind(p, &t, v, nodes_before);
}

/* ---- inputs ------------------------------------------------------------------------------ */

static void stmt_read_argument(parser *p) {
    target t = { 0 };
    value out = value_poison();
    btl_var *fallback = NULL;
    bool good = stmt_name_and_type(p, &t, true, false), usable = good;
    if (good && btl_parse_accept(p, TOKEN_ASSIGN)) {
        uint32_t token = p->pos;
        value v = btl_parse_expr(p);
        if (!p->panic && v.kind != VALUE_POISON) fallback = stmt_first_value(p, token, t.name, &t.type, &v);
    }
    if (usable && p->entry) {
        btl_parse_here(p, t.token);
        btl_var *var = btl_graph_input(p->g, t.name, &t.type);
        btl_entry_add_input(p->g, p->entry, var, fallback);
        out = value_var(var);
    }
    bool is_mutable = !p->panic && btl_parse_is_word(p, p->pos, "mutable");
    if (is_mutable) p->pos++;
    if (is_mutable && out.kind == VALUE_VAR) p->entry->inputs[p->entry->ninputs - 1].is_mutable = true;
    if (t.name) btl_scope_bind(p, t.token, t.name, out);
}

/* Statements of a function, outside of one, belong to the implicit main. */
static bool stmt_in_function(parser *p, const char *what) {
    if (p->entry) return true;
    if (p->has_functions) {
        btl_parse_fail(p, p->pos, BTL_ESYNTAX, "put it into a function", "%s outside of a function, in a program that has functions", what);
        return false;
    }
    btl_parse_here(p, p->pos);
    p->main = p->entry = btl_entry_new(p->g, "main");
    return true;
}

static void stmt_read_input(parser *p) {
    if (p->entry && p->entry != p->main)
        btl_parse_fail(p, p->pos, BTL_ESYNTAX, "its inputs stand in the brackets behind its name", "an input statement within a function");
    else stmt_in_function(p, "an input");
    p->pos++;
    stmt_read_argument(p);
}

/* ---- update, output, assert --------------------------------------------------------------- */

static void stmt_update(parser *p, uint32_t token, const char *name, const value *v) {
    binding *b = btl_scope_find(p, name, strlen(name));
    if (!b) {
        btl_name_unknown(p, token, name, strlen(name));
        return;
    }
    if (b->value.kind == VALUE_POISON || v->kind == VALUE_POISON || !p->entry) return;
    if (b->value.kind != VALUE_VAR || !btl_var_is_shared(b->value.var)) {
        btl_parse_fail(p, token, BTL_EVALUE, "only a shared variable can be updated", "%s is not shared: it is %s", name, btl_value_text(p, &b->value));
        return;
    }
    btl_var *shared = b->value.var;
    btl_var *made = v->kind == VALUE_LIST ? btl_value_list_to_var(p, v, &shared->type) : btl_value_to_dtype(p, v, shared->type.dtype);
    const btl_size_check *checks = p->g->checks;
    if (!made) return;
    btl_parse_here(p, token);
    p->nmistakes += btl_entry_add_update(p->g, p->entry, shared, made) != BTL_OK;
    p->g->checks = checks;
}

static void stmt_read_update(parser *p) {
    stmt_in_function(p, "an update");
    uint32_t token = ++p->pos;
    if (!btl_parse_expect(p, TOKEN_NAME, "of a shared variable")) return;
    const char *name = btl_parse_name_at(p, token);
    if (!btl_parse_expect(p, TOKEN_ASSIGN, "and the new value")) return;
    value v = btl_parse_expr(p);
    if (!p->panic) stmt_update(p, token, name, &v);
}

static void stmt_output(parser *p, uint32_t token, const char *name, const value *v) {
    if (v->kind == VALUE_POISON || !p->entry) return;
    btl_var *var = btl_value_to_var(p, v);
    if (!var) return;
    if (!name && v->bare && p->t.text[p->t.tokens[token].start] != '%') name = btl_parse_name_at(p, token);
    if (!name) name = btl_arena_printf(&p->g->arena, "out%d", p->entry->noutputs);
    btl_parse_here(p, token);
    p->nmistakes += btl_entry_add_output(p->g, p->entry, name, var) != BTL_OK;
}

static void stmt_read_output(parser *p) {
    stmt_in_function(p, "an output");
    p->pos++;
    do {
        target t = { .token = p->pos };
        int nodes_before = p->g->nnodes;
        bool named = parse_kind(p) == TOKEN_NAME && parse_kind_at(p, 1) == TOKEN_ASSIGN;
        if (named) {
            t.name = btl_parse_name_at(p, t.token);
            p->pos += 2;
        }
        value v = btl_parse_expr(p);
        if (p->panic) v = value_poison();
        if (named) stmt_bind(p, &t, v, nodes_before);
        if (p->panic) return;
        stmt_output(p, t.token, t.name, &v);
    } while (btl_parse_accept(p, TOKEN_COMMA));
}

static void stmt_read_assert(parser *p) {
    stmt_in_function(p, "an assert");
    uint32_t token = p->pos++;
    value v = btl_parse_expr(p);
    if (p->panic || !btl_parse_expect(p, TOKEN_COMMA, "and a text: assert EXPR, \"text\"")) return;
    uint32_t text = p->pos;
    if (!btl_parse_expect(p, TOKEN_TEXT, "that says what is wrong")) return;
    const char *s = btl_value_string(p, text);
    btl_var *condition = btl_value_to_var(p, &v);
    if (!condition || !p->entry) return;
    btl_parse_here_range(p, token, text - 2);
    p->nmistakes += btl_entry_add_assert(p->g, p->entry, condition, s) != BTL_OK;
}

/* ---- fn ---------------------------------------------------------------------------------- */

static value stmt_return(parser *p) {
    value_list *list = BTL_NEW(p->scratch, value_list);
    int capacity = 0;
    p->pos++;
    do {
        value v = btl_parse_expr(p);
        if (p->panic) return value_poison();
        *BTL_PUSH(p->scratch, list->v, list->n, capacity) = v;
    } while (btl_parse_accept(p, TOKEN_COMMA));
    return list->n == 1 ? list->v[0] : (value){ .kind = VALUE_LIST, .list = list };
}

value btl_parse_fn_block(parser *p) {
    while (parse_kind(p) == TOKEN_NAME) stmt_line(p, stmt_read_binding);
    if (parse_kind(p) != TOKEN_RETURN) {
        btl_parse_fail_syntax(p, "expected a binding or return in the block of a fn");
        return value_poison();
    }
    value v = stmt_return(p);
    stmt_end_line(p);
    if (p->checking && !p->panic && parse_kind(p) != TOKEN_DEDENT) btl_parse_fail_syntax(p, "expected the end of the block behind return");
    return p->panic ? value_poison() : v;
}

/* Over the lines of a block, up to and with its end. */
static void stmt_skip_block(parser *p) {
    for (int depth = 1; depth > 0 && parse_kind(p) != TOKEN_END; p->pos++)
        depth += (parse_kind(p) == TOKEN_INDENT) - (parse_kind(p) == TOKEN_DEDENT);
}

static bool stmt_fn_header(parser *p, value_fn *fn) {
    if (!btl_parse_fn_params(p, fn)) return false;
    fn->is_block = parse_kind(p) == TOKEN_COLON;
    return fn->is_block ? stmt_opens_block(p) : btl_parse_expect(p, TOKEN_ASSIGN, "(or ':' and a block) behind the parameters");
}

static void stmt_fn(parser *p) {
    value_fn *fn = BTL_NEW(p->scratch, value_fn);
    uint32_t token = ++p->pos;
    int depth = p->depth, mistakes = p->nmistakes;
    *fn = (value_fn){ .home = p->scope, .limit = p->order };
    bool good = btl_parse_expect(p, TOKEN_NAME, "of the fn");
    if (good) {
        fn->name = btl_parse_name_at(p, token);
        fn->is_open = true;
        good = btl_scope_bind(p, token, fn->name, (value){ .kind = VALUE_FN, .fn = fn });
        fn->limit = p->order;
    }
    p->scope = btl_scope_new(p, p->scope, p->order);
    p->scope->is_fn = true;
    good = !p->panic && stmt_fn_header(p, fn) && good;
    fn->body = p->pos;
    if (!p->panic) btl_fn_check(p, fn);
    fn->bad = p->nmistakes > mistakes || !good;
    fn->is_open = false;
    p->scope = fn->home;
    if (fn->is_block && fn->body) stmt_skip_block(p);
    else stmt_end_line(p);
    if (p->panic && !fn->is_block) btl_parse_skip_line(p);
    p->panic = false;
    p->depth = depth;
}

/* ---- statements -------------------------------------------------------------------------- */

static const char *const stmt_words[] = { "input", "shared", "const", "update", "output", "function", "assert", "fn", "return", "bitale", "stage" };
static const char *stmt_word(void *arg, int i) { (void)arg; return stmt_words[i]; }

/* A line that begins with a name and is no binding. */
static void stmt_read_other(parser *p) {
    size_t length;
    const char *s = parse_token_text(p, p->pos, &length);
    btl_token_kind next = parse_kind_at(p, 1);
    if (next == TOKEN_NAME && btl_parse_is_word(p, p->pos, "rule")) {
        btl_parse_fail(p, p->pos, BTL_EUNSUPPORTED, NULL, "rule is not there yet");
    } else if (btl_parse_is_word(p, p->pos, "bitale") || btl_parse_is_word(p, p->pos, "stage")) {
        btl_parse_fail(p, p->pos, BTL_ESYNTAX, "the order is: bitale 1, stage schedule, the program", "%.*s may only begin a program", (int)length, s);
    } else if (next == TOKEN_NAME) {
        const char *near = btl_nearest_name(s, length, (int)(sizeof stmt_words / sizeof *stmt_words), stmt_word, NULL);
        btl_parse_fail(p, p->pos, BTL_ESYNTAX, near ? btl_arena_printf(p->scratch, "did you mean %s?", near) : NULL,
                   "%.*s does not begin a statement", (int)(length > 100 ? 100 : length), s);
    } else {
        btl_parse_fail(p, p->pos, BTL_ESYNTAX, "bind it (NAME = …) or return it (output …)", "an expression alone does nothing");
    }
    p->panic = true;
}

static bool stmt_is_binding(const parser *p) {
    btl_token_kind next = parse_kind_at(p, 1);
    return next == TOKEN_ASSIGN || next == TOKEN_COLON || next == TOKEN_COMMA;
}

static void stmt_read_misplaced(parser *p) {
    if (parse_kind(p) == TOKEN_RETURN) {
        btl_parse_fail(p, p->pos, BTL_ESYNTAX, "a function's results stand behind output", "return stands in the block of a fn only");
        p->panic = true;
    } else if (parse_kind(p) == TOKEN_INDENT) {
        p->pos++;
        btl_parse_fail(p, p->pos, BTL_ESYNTAX, NULL, "this line is indented, but no block begins here");
        p->panic = true;
    } else {
        btl_parse_fail_syntax(p, "expected a statement");
    }
}

static void stmt_read_expr_alone(parser *p) {
    if (parse_kind(p) == TOKEN_BAD) btl_parse_fail_syntax(p, "expected a statement");
    else stmt_read_other(p);
}

static void stmt_function(parser *p);

static void stmt_one(parser *p) {
    bool inside = p->entry && p->entry != p->main;
    switch (parse_kind(p)) {
    case TOKEN_NEWLINE: case TOKEN_DEDENT: p->pos++; break;
    case TOKEN_INPUT: stmt_line(p, stmt_read_input); break;
    case TOKEN_SHARED:
        if (inside) btl_parse_fail(p, p->pos, BTL_ESYNTAX, "write it before the functions: all of them share it", "a shared variable within a function");
        stmt_line(p, stmt_read_shared);
        break;
    case TOKEN_CONST: stmt_line(p, stmt_read_const); break;
    case TOKEN_UPDATE: stmt_line(p, stmt_read_update); break;
    case TOKEN_OUTPUT: stmt_line(p, stmt_read_output); break;
    case TOKEN_ASSERT: stmt_line(p, stmt_read_assert); break;
    case TOKEN_FN: stmt_fn(p); break;
    case TOKEN_FUNCTION:
        if (inside) btl_parse_fail(p, p->pos, BTL_ESYNTAX, NULL, "a function within a function");
        stmt_function(p);
        break;
    case TOKEN_NAME: stmt_line(p, stmt_is_binding(p) ? stmt_read_binding : stmt_read_expr_alone); break;
    default: stmt_line(p, stmt_read_misplaced);
    }
}

/* ---- functions --------------------------------------------------------------------------- */

static void stmt_arguments(parser *p) {
    if (!btl_parse_expect(p, TOKEN_LPAREN, "before the arguments")) return;
    while (!p->panic && parse_kind(p) != TOKEN_RPAREN) {
        stmt_read_argument(p);
        if (!btl_parse_accept(p, TOKEN_COMMA)) break;
    }
    btl_parse_expect(p, TOKEN_RPAREN, "behind the arguments");
}

static void stmt_function_header(parser *p) {
    uint32_t token = p->pos;
    if (!btl_parse_expect(p, TOKEN_NAME, "of the function")) return;
    const char *name = btl_parse_name_at(p, token);
    if (p->main) btl_parse_fail(p, token, BTL_ESYNTAX, "put the inputs and outputs above into a function, too", "a function in a program that has inputs or outputs outside of one");
    if (btl_entry_find(p->g, name)) btl_parse_fail(p, token, BTL_ENAME, NULL, "a function named %s is already there", name);
    btl_parse_here(p, token);
    p->entry = btl_entry_new(p->g, name);
    if (p->entry) p->entry->is_explicit = true;
    stmt_arguments(p);
    if (!p->panic) stmt_opens_block(p);
}

static void stmt_function(parser *p) {
    btl_entry *outer = p->entry;
    scope *top = p->scope;
    int depth = p->depth, nodes_before = p->g->nnodes;
    p->has_functions = true;
    p->pos++;
    p->scope = btl_scope_new(p, top, p->order);
    stmt_function_header(p);
    if (p->panic) { /* its block is read all the same */
        p->panic = false;
        p->scope->lenient = true;
        btl_parse_skip_line(p);
        if (!p->entry || p->entry == outer) p->entry = BTL_NEW(p->scratch, btl_entry);
        if (!btl_parse_accept(p, TOKEN_INDENT)) goto out;
    }
    p->depth = depth;
    while (parse_kind(p) != TOKEN_DEDENT && parse_kind(p) != TOKEN_END) {
        if (parse_kind(p) == TOKEN_INDENT) { /* read what is too deep as if it were not */
            stmt_line(p, stmt_read_misplaced);
            while (parse_kind(p) != TOKEN_DEDENT && parse_kind(p) != TOKEN_END) stmt_one(p);
            btl_parse_accept(p, TOKEN_DEDENT);
        } else {
            stmt_one(p);
        }
    }
    btl_parse_accept(p, TOKEN_DEDENT);
    if (p->g->scheduled && p->entry) btl_entry_list_nodes(p->g, p->entry, nodes_before);
out:
    p->scope = top;
    p->entry = outer;
}

/* ---- programs ---------------------------------------------------------------------------- */

static void stmt_read_version(parser *p) {
    uint32_t token = ++p->pos;
    size_t length;
    const char *s = parse_token_text(p, token, &length);
    p->pos++;
    if (length != 1 || s[0] != '1')
        btl_parse_fail(p, token, BTL_EUNSUPPORTED, "this library reads bitale 1", "version %.*s of the notation is not known", (int)(length > 40 ? 40 : length), s);
}

static void stmt_read_stage(parser *p) {
    uint32_t token = ++p->pos;
    if (!btl_parse_expect(p, TOKEN_NAME, "of a stage")) return;
    if (btl_parse_is_word(p, token, "schedule")) p->g->scheduled = true;
    else btl_parse_fail(p, token, BTL_ESYNTAX, NULL, "the only stage with a name is schedule");
}

void btl_parse_program(parser *p) {
    while (parse_kind(p) == TOKEN_NEWLINE) p->pos++;
    if (btl_parse_is_word(p, p->pos, "bitale") && parse_kind_at(p, 1) == TOKEN_INTEGER) stmt_line(p, stmt_read_version);
    if (btl_parse_is_word(p, p->pos, "stage") && parse_kind_at(p, 1) == TOKEN_NAME) stmt_line(p, stmt_read_stage);
    while (parse_kind(p) != TOKEN_END) stmt_one(p);
    if (p->g->scheduled && p->main) btl_entry_list_nodes(p->g, p->main, 0);
}
