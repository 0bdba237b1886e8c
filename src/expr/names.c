/* names.c - scopes: which value a name of the notation stands for. A function's scope lies within
 * the program's, a use of a fn within the scope of its definition, of which it sees what was bound
 * before it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/parse.h"

#include <string.h>

typedef struct name_key { const char *s; size_t length; } name_key;

static bool name_equal(const void *key, const void *thing) {
    const name_key *k = key;
    const char *name = *(const char *const *)thing;
    return strncmp(name, k->s, k->length) == 0 && name[k->length] == 0;
}

scope *btl_scope_new(parser *p, scope *outer, int64_t outer_limit) {
    scope *s = BTL_NEW(p->scratch, scope);
    *s = (scope){ .outer = outer, .outer_limit = outer_limit };
    return s;
}

binding *btl_scope_find_here(const scope *s, const char *name, size_t length) {
    name_key key = { name, length };
    return btl_table_find(&s->table, btl_hash_bytes(name, length, 0), name_equal, &key);
}

static binding *scope_find_from(const scope *s, const char *name, size_t length) {
    name_key key = { name, length };
    uint64_t h = btl_hash_bytes(name, length, 0);
    int64_t limit = INT64_MAX;
    for (; s; s = s->outer) {
        binding *b = btl_table_find(&s->table, h, name_equal, &key);
        if (b && b->order < limit) return b;
        if (s->outer && s->outer_limit < limit) limit = s->outer_limit;
    }
    return NULL;
}

binding *btl_scope_find(parser *p, const char *name, size_t length) { return scope_find_from(p->scope, name, length); }

void btl_scope_bind_quietly(parser *p, const char *name, value v, int line) {
    size_t length = strlen(name);
    binding *b = btl_scope_find_here(p->scope, name, length);
    if (!b) {
        b = BTL_NEW(p->scratch, binding);
        b->name = name;
        btl_table_add(&p->scope->table, p->scratch, btl_hash_bytes(name, length, 0), b);
    }
    *b = (binding){ .name = name, .value = v, .line = line, .order = p->order++ };
}

/* A fn's names may be those of the program around it; a function's may not. */
static binding *scope_clash(parser *p, const char *name, size_t length) {
    scope *s = p->scope;
    binding *b = btl_scope_find_here(s, name, length);
    if (b || s->is_fn) return b;
    return scope_find_from(s, name, length);
}

bool btl_scope_bind(parser *p, uint32_t token, const char *name, value v) {
    size_t length = strlen(name);
    if (btl_word_is_reserved(name, length)) {
        btl_parse_fail(p, token, BTL_ENAME, "choose another name", "%s is a word of the notation", name);
        return false;
    }
    binding *b = scope_clash(p, name, length);
    if (b && b->is_size) {
        btl_parse_fail(p, token, BTL_ENAME, "choose another name for one of them", "%s is a size already, since line %d", name, b->line);
        return false;
    }
    if (b && b->line) {
        btl_parse_fail(p, token, BTL_ENAME, "a name is bound once: choose another", "%s is bound already, in line %d", name, b->line);
        return false;
    }
    if (b) {
        btl_parse_fail(p, token, BTL_ENAME, "a name is bound once: choose another", "%s is bound already", name);
        return false;
    }
    btl_scope_bind_quietly(p, name, v, btl_parse_line_of(p, token));
    return true;
}

/* ---- unknown names ----------------------------------------------------------------------- */

typedef struct name_list { const char **names; int n, capacity; } name_list;

static const char *name_candidate(void *arg, int i) { return ((name_list *)arg)->names[i]; }

static const char *const name_builtins[] = { "grad", "jacobian", "hessian", "lop", "rop", "len", "newaxis", "opaque" };
enum { NBUILTINS = sizeof name_builtins / sizeof *name_builtins };

bool btl_name_is_builtin(const char *name) {
    for (int i = 0; i < NBUILTINS; i++)
        if (strcmp(name_builtins[i], name) == 0) return true;
    return btl_word_is_reserved(name, strlen(name)) || btl_call_is_later(name);
}

static void name_collect(parser *p, name_list *list) {
    for (const scope *s = p->scope; s; s = s->outer)
        for (size_t i = 0; i < s->table.capacity; i++)
            if (s->table.things[i]) *BTL_PUSH(p->scratch, list->names, list->n, list->capacity) = ((binding *)s->table.things[i])->name;
    for (int i = 0; btl_ops[i]; i++)
        if (!(btl_ops[i]->flags & OP_HIDDEN)) *BTL_PUSH(p->scratch, list->names, list->n, list->capacity) = btl_ops[i]->name;
    for (int i = 0; btl_op_own(p->g->ctx, i); i++) *BTL_PUSH(p->scratch, list->names, list->n, list->capacity) = btl_op_own(p->g->ctx, i)->name;
    for (int i = 0; i < NBUILTINS; i++) *BTL_PUSH(p->scratch, list->names, list->n, list->capacity) = name_builtins[i];
    for (int i = 0; i < BTL_NDTYPES; i++) *BTL_PUSH(p->scratch, list->names, list->n, list->capacity) = btl_dtype_name((btl_dtype)i);
}

void btl_name_unknown(parser *p, uint32_t token, const char *name, size_t length) {
    for (const scope *s = p->scope; s; s = s->outer)
        if (s->lenient) return; /* its header was wrong, and said so */
    const char *hint = NULL;
    if (p->nmistakes < 100) { /* the search goes over all names: not for each of a million mistakes */
        name_list list = { 0 };
        name_collect(p, &list);
        const char *near = btl_nearest_name(name, length, list.n, name_candidate, &list);
        if (near) hint = btl_arena_printf(p->scratch, "did you mean %s?", near);
    }
    btl_parse_fail(p, token, BTL_ENAME, hint, "unknown name %.*s", (int)(length > 100 ? 100 : length), name);
}

/* The binding exists but later than the fn that asks for it. */
static bool name_bound_later(parser *p, const char *name, size_t length) {
    for (const scope *s = p->scope; s; s = s->outer)
        if (btl_scope_find_here(s, name, length)) return true;
    return false;
}

static value name_builtin(const char *s, size_t length) {
    btl_dtype dtype;
    if (btl_dtype_find(s, length, &dtype)) return (value){ .kind = VALUE_DTYPE, .dtype = dtype };
    if (length == 7 && memcmp(s, "newaxis", 7) == 0) return (value){ .kind = VALUE_NEWAXIS };
    return value_poison();
}

value btl_name_value(parser *p, uint32_t token) {
    size_t length;
    const char *s = parse_token_text(p, token, &length);
    binding *b = btl_scope_find(p, s, length);
    if (b) {
        value v = b->value;
        if (v.kind == VALUE_FN && v.fn->is_open) {
            btl_parse_fail(p, token, BTL_ENAME, "a fn is expanded where it is used, so it cannot use itself", "%s is used in its own definition", b->name);
            return value_poison();
        }
        if (p->checking && (v.kind == VALUE_VAR || v.kind == VALUE_LIST)) v = value_poison();
        v.bare = true;
        v.token = token;
        return v;
    }
    value v = name_builtin(s, length);
    v.token = token;
    if (v.kind != VALUE_POISON) return v;
    if (p->open_names) {
        char *name = btl_arena_strndup(p->scratch, s, length);
        btl_symbol *symbol = btl_table_find(&p->g->dims.by_name, btl_hash_bytes(name, length, 0), btl_table_name_equal, name);
        if (symbol) return (value){ .kind = VALUE_DIM, .dim = symbol->dim, .token = token };
    }
    if (name_bound_later(p, s, length))
        btl_parse_fail(p, token, BTL_ENAME, "a fn sees the names bound before it", "%.*s is bound later than the fn that uses it", (int)length, s);
    else if (length >= 3 && length <= 4 && s[0] == 'c' && (memcmp(s, "c64", length) == 0 || memcmp(s, "c128", length) == 0))
        btl_parse_fail(p, token, BTL_EUNSUPPORTED, NULL, "%.*s: complex numbers are not there yet", (int)length, s);
    else if (btl_op_lookup(p->g->ctx, s, length))
        btl_parse_fail(p, token, BTL_ENAME, btl_op_lookup(p->g->ctx, s, length)->signature, "%.*s is a function: call it", (int)length, s);
    else btl_name_unknown(p, token, s, length);
    return v;
}
