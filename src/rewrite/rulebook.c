/* rulebook.c - the rules as a book to look up by op: Bitale's, and before them what was registered in the context.
 *
 * Bitale's rules are constants, compiled when Bitale was built; a book is made of users' rules alone, and is immutable. Where
 * rules are registered a new one is made at the next use; the older ones stay until the context ends, since a function
 * that is being compiled may read one.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/context.h"
#include "rewrite/match.h"

#include <stdio.h>
#include <string.h>

#define RULEBOOK_TABLE(name) btl_rules_##name,
static const btl_rule *const rulebook_tables[] = { BTL_RULE_TABLES(RULEBOOK_TABLE) };
enum { RULEBOOK_NTABLES = sizeof rulebook_tables / sizeof *rulebook_tables };

int btl_rules_count(void) {
    int n = 0;
    for (int t = 0; t < RULEBOOK_NTABLES; t++)
        for (const btl_rule *r = rulebook_tables[t]; r->name; r++) n++;
    return n;
}

const btl_rule *btl_rule_at(int i) {
    for (int t = 0; t < RULEBOOK_NTABLES; t++)
        for (const btl_rule *r = rulebook_tables[t]; r->name; r++)
            if (i-- == 0) return r;
    return NULL;
}

const btl_rule *btl_rule_find(const char *name) {
    for (int t = 0; t < RULEBOOK_NTABLES; t++)
        for (const btl_rule *r = rulebook_tables[t]; r->name; r++)
            if (strcmp(r->name, name) == 0) return r;
    return NULL;
}

/* ---- a book ----------------------------------------------------------------------------------- */

/* Of own rules, in the order of the book. */
typedef struct rulebook_list { const btl_op *op; int n, capacity; const btl_compiled_rule **rules; } rulebook_list;

static const btl_rulebook rulebook_bare; /* without own rules */

static bool rulebook_op_equal(const void *key, const void *thing) { return key == ((const rulebook_list *)thing)->op; }
static uint64_t rulebook_op_hash(const btl_op *op) { return btl_hash_mix(0, (uint64_t)(uintptr_t)op); }

static void rulebook_index(btl_rulebook *book, const btl_compiled_rule *c) {
    const btl_op *op = c->match->op;
    rulebook_list *list = btl_table_find(&book->by_op, rulebook_op_hash(op), rulebook_op_equal, op);
    if (!list) {
        list = BTL_NEW(&book->arena, rulebook_list);
        list->op = op;
        btl_table_add(&book->by_op, &book->arena, rulebook_op_hash(op), list);
    }
    *BTL_PUSH(&book->arena, list->rules, list->n, list->capacity) = c;
}

typedef struct rulebook_making { btl_rulebook *book; const btl_own_rule *const *own; } rulebook_making;

static btl_status rulebook_fill(void *arg) {
    const rulebook_making *m = arg;
    btl_rulebook *book = m->book;
    book->own = BTL_ARRAY(&book->arena, btl_compiled_rule, book->nown);
    for (int i = 0; i < book->nown; i++) {
        btl_compiled_rule *c = &book->own[i];
        btl_rule_compile(&book->arena, &m->own[i]->rule, c);
        c->index = btl_compiled_count + i;
        c->origin = m->own[i]->origin;
        if (!c->broken) rulebook_index(book, c);
    }
    return BTL_OK;
}

static void rulebook_destroy(btl_context *ctx, btl_rulebook *book) {
    btl_arena_deinit(&book->arena);
    btl_free(ctx, book, sizeof *book);
}

static btl_rulebook *rulebook_new(btl_context *ctx, int nown, const btl_own_rule *const *own) {
    btl_rulebook *book = btl_alloc(ctx, sizeof *book);
    if (!book) return NULL;
    *book = (btl_rulebook){ .nown = nown };
    btl_arena_init(&book->arena, ctx);
    if (btl_arena_protect(&book->arena, rulebook_fill, &(rulebook_making){ book, own }) == BTL_OK) return book;
    rulebook_destroy(ctx, book);
    return NULL;
}

int btl_rulebook_own(const btl_rulebook *book, const btl_op *op, const btl_compiled_rule *const **rules) {
    const rulebook_list *list = book->nown ? btl_table_find(&book->by_op, rulebook_op_hash(op), rulebook_op_equal, op) : NULL;
    if (list) *rules = list->rules;
    return list ? list->n : 0;
}

const btl_op_rules *btl_rules_of(const btl_op *op) {
    for (size_t i = btl_rule_slot(op); btl_compiled_lists[i].op; i = (i + 1) % RULE_SLOTS)
        if (btl_compiled_lists[i].op == op) return &btl_compiled_lists[i];
    return &btl_compiled_any;
}

/* ---- those of a context ------------------------------------------------------------------------- */

typedef struct rulebook_store {
    pthread_mutex_t lock;          /* guards what follows */
    btl_arena arena;               /* of the own rules */
    int nown, capacity;
    const btl_own_rule **own;
    btl_rulebook *books;           /* newest first */
    _Atomic(const btl_rulebook *) book; /* the one to use, NULL: to be made */
} rulebook_store;

static void *rulebook_store_new(btl_context *ctx) {
    rulebook_store *s = btl_alloc(ctx, sizeof *s);
    if (!s) return NULL;
    memset(s, 0, sizeof *s);
    btl_arena_init(&s->arena, ctx);
    atomic_init(&s->book, &rulebook_bare);
    if (pthread_mutex_init(&s->lock, NULL) == 0) return s;
    btl_free(ctx, s, sizeof *s);
    return NULL;
}

static void rulebook_store_free(btl_context *ctx, void *thing) {
    rulebook_store *s = thing;
    for (btl_rulebook *b = s->books, *older; b; b = older) {
        older = b->older;
        rulebook_destroy(ctx, b);
    }
    btl_arena_deinit(&s->arena);
    pthread_mutex_destroy(&s->lock);
    btl_free(ctx, s, sizeof *s);
}

static rulebook_store *rulebook_store_of(btl_context *ctx) {
    return btl_context_slot(ctx, BTL_SLOT_RULES, rulebook_store_new, rulebook_store_free);
}

static const btl_rulebook *rulebook_newest(btl_context *ctx, rulebook_store *s) {
    const btl_rulebook *book = atomic_load_explicit(&s->book, memory_order_acquire);
    if (book) return book;
    pthread_mutex_lock(&s->lock);
    book = atomic_load_explicit(&s->book, memory_order_relaxed);
    btl_rulebook *made = book ? NULL : rulebook_new(ctx, s->nown, s->own);
    if (made) {
        made->older = s->books;
        s->books = made;
        atomic_store_explicit(&s->book, made, memory_order_release);
        book = made;
    }
    pthread_mutex_unlock(&s->lock);
    return book;
}

const btl_rulebook *btl_rulebook_of(btl_graph *g) {
    if (!g->ctx) return &rulebook_bare;
    rulebook_store *s = rulebook_store_of(g->ctx);
    const btl_rulebook *book = s ? rulebook_newest(g->ctx, s) : NULL;
    return book ? book : btl_arena_alloc(&g->arena, SIZE_MAX); /* runs out, which ends this call */
}

const btl_own_rule *btl_rule_own(btl_context *ctx, int i) {
    rulebook_store *s = ctx ? rulebook_store_of(ctx) : NULL;
    const btl_own_rule *own = NULL;
    if (!s) return NULL;
    pthread_mutex_lock(&s->lock);
    if (i >= 0 && i < s->nown) own = s->own[i];
    pthread_mutex_unlock(&s->lock);
    return own;
}

const btl_rule *btl_rule_lookup(btl_context *ctx, const char *name) {
    const btl_own_rule *own;
    for (int i = 0; (own = btl_rule_own(ctx, i)); i++)
        if (strcmp(own->rule.name, name) == 0) return &own->rule;
    return btl_rule_find(name);
}

/* ---- adding ------------------------------------------------------------------------------------- */

typedef struct rulebook_adding { rulebook_store *store; int n; const btl_own_rule *drafts; } rulebook_adding;

static const char *rulebook_copy(btl_arena *a, const char *text) { return text ? btl_arena_strdup(a, text) : NULL; }

static btl_status rulebook_copy_drafts(void *arg) {
    rulebook_adding *w = arg;
    btl_arena *a = &w->store->arena;
    int nown = w->store->nown;
    for (int i = 0; i < w->n; i++) {
        btl_own_rule *own = btl_arena_copy(a, &w->drafts[i], sizeof *own);
        btl_rule *r = &own->rule;
        const char **texts[] = { &r->name, &r->match, &r->result, &r->conditions, &r->why, &r->source, &r->tags, &r->example, &own->origin };
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) *texts[k] = rulebook_copy(a, *texts[k]);
        *BTL_PUSH(a, w->store->own, nown, w->store->capacity) = own;
    }
    w->store->nown = nown;
    return BTL_OK;
}

btl_status btl_rulebook_add(btl_context *ctx, int n, const btl_own_rule *drafts, btl_error *err) {
    rulebook_store *s = rulebook_store_of(ctx);
    btl_status status = s ? BTL_OK : BTL_ENOMEM;
    if (s) {
        pthread_mutex_lock(&s->lock);
        for (int i = 0; i < n && status == BTL_OK; i++)
            for (int k = 0; k < s->nown; k++)
                if (strcmp(s->own[k]->rule.name, drafts[i].rule.name) == 0) /* by another thread, since it was looked up */
                    status = btl_error_set(err, BTL_ENAME, "there is a rule %s already (%s)", drafts[i].rule.name, s->own[k]->origin);
        if (status == BTL_OK) status = btl_arena_protect(&s->arena, rulebook_copy_drafts, &(rulebook_adding){ s, n, drafts });
        if (status == BTL_OK) atomic_store_explicit(&s->book, NULL, memory_order_release);
        pthread_mutex_unlock(&s->lock);
    }
    if (status == BTL_ENOMEM) btl_error_set(err, status, "no memory for a rule");
    return status;
}
