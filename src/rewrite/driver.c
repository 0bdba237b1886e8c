/* driver.c - rewriting, bottom up and functional.
 *
 * Nodes never change. A pass walks the nodes that the roots depend on in their order; each is
 * rebuilt if an operand of it was rewritten, merged with an equal node seen before, and then
 * offered to the rules of its op until none fires. What a rule builds inside its result meets the
 * rules in the next pass; passes repeat until one changes nothing. Rules are found by the node's op
 * and, before any pattern is tried, by a 64-bit mask of the operands' ops.
 *
 * A replacement is taken only if it has the same dtype, the same sizes (the same interned
 * expressions, so provably equal) and loses no run-time check of sizes: checks of the nodes it
 * consumed go over to it. Fuel bounds the work, so a pair of rules that undo each other costs
 * time but ends.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/driver.h"

#include "base/context.h"
#include "expr/leaf.h"
#include "rewrite/match.h"

#include <assert.h>
#include <string.h>

enum { DRIVER_PASSES = 32, DRIVER_FIRINGS = 32, DRIVER_GROWTH = 8, DRIVER_SPARE = 4096 };

typedef struct driver {
    btl_graph *g;
    const btl_rewrite_options *options;
    const btl_rulebook *book;
    bool *on;                 /* by rule, in this phase */
    bool merge;               /* equal nodes become one, in this phase */
    btl_bits barriers;
    btl_bits reach;
    btl_var **map;            /* by node id: what stands for output 0; NULL: itself */
    int limit;                /* nodes at the beginning of the pass */
    int most;                 /* nodes that the graph may grow to */
    btl_table equal;          /* of nodes, for merging */
    btl_arena *scratch;       /* of a pass */
    bool changed;
} driver;

/* ---- switches ----------------------------------------------------------------------------- */

static bool driver_word_is(const btl_rule *rule, const char *word) {
    if (strcmp(rule->name, word) == 0) return true;
    size_t n = strlen(word);
    for (const char *s = rule->tags; n && s && (s = strstr(s, word)); s += n)
        if ((s == rule->tags || s[-1] == ' ') && (s[n] == 0 || s[n] == ' ')) return true;
    return false;
}

bool btl_rule_is_on(const btl_rule *rule, const btl_rewrite_options *options) {
    for (int i = 0; i < options->nwithout; i++)
        if (driver_word_is(rule, options->without[i])) return false;
    for (int i = 0; i < options->nwith; i++)
        if (driver_word_is(rule, options->with[i])) return true;
    return !rule->opt_in;
}

const char *btl_rewrite_unknown_switch(const btl_rewrite_options *options) {
    for (int i = 0; i < options->nwith + options->nwithout; i++) {
        const char *word = i < options->nwith ? options->with[i] : options->without[i - options->nwith];
        bool known = false;
        for (int k = 0, n = btl_rules_count(); k < n && !known; k++) known = driver_word_is(btl_rule_at(k), word);
        if (!known) return word;
    }
    return NULL;
}

/* ---- one node ----------------------------------------------------------------------------- */

static btl_var *driver_get(const driver *d, btl_var *v) {
    btl_var *to = v->node->id < d->limit ? d->map[v->node->id] : NULL;
    return !to ? v : v->index ? &to->node->out[v->index] : to;
}

/* The node with its operands rewritten; itself if none was. Names, weakness and output types stay:
 * a size that the run finds keeps its symbol. */
static btl_node *driver_rebuild(driver *d, btl_node *n) {
    btl_graph *g = d->g;
    int changed = 0;
    while (changed < n->nin && driver_get(d, n->in[changed]) == n->in[changed]) changed++;
    if (changed == n->nin) return n;
    btl_var **in = BTL_ARRAY(&g->arena, btl_var *, n->nin);
    for (int i = 0; i < n->nin; i++) in[i] = driver_get(d, n->in[i]);
    return btl_node_rebuild(g, n, in);
}

static bool driver_same_types(const btl_node *a, const btl_node *b) {
    for (int o = 0; o < a->nout && a->nout == b->nout; o++)
        if (a->out[o].weak != b->out[o].weak || !btl_type_equal(&a->out[o].type, &b->out[o].type)) return false;
    return a->nout == b->nout;
}

static bool driver_node_equal(const void *key, const void *thing) {
    const btl_node *a = key, *b = thing;
    if (a->op != b->op || a->nin != b->nin || !driver_same_types(a, b)) return false;
    for (int i = 0; i < a->nin; i++)
        if (a->in[i] != b->in[i]) return false;
    for (int k = 0; k < a->op->nparams; k++)
        if (!btl_param_equal(a->op->params[k].kind, &a->params[k], &b->params[k])) return false;
    return true;
}

/* The first node equal to this one (itself if it is the first). */
static btl_node *driver_merge(driver *d, btl_node *n) {
    if (!d->merge || ((n->op->flags & OP_LEAF) && n->op != &btl_op_constant)) return n;
    uint64_t h = btl_hash_mix((uint64_t)(uintptr_t)n->op, (uint64_t)n->nin);
    for (int i = 0; i < n->nin; i++)
        h = btl_hash_mix(h, (uint64_t)n->in[i]->node->id * 8 + (uint64_t)n->in[i]->index);
    for (int k = 0; k < n->op->nparams; k++) h = btl_param_hash(n->op->params[k].kind, &n->params[k], h);
    btl_node *found = btl_table_find(&d->equal, h, driver_node_equal, n);
    if (!found) {
        btl_table_add(&d->equal, d->scratch, h, n);
        return n;
    }
    if (found != n) found->places = btl_places_union(d->g, found->places, n->places);
    return found;
}

static bool driver_is_fresh(const btl_var *v, int start) {
    return v->node->id >= start;
}

/* Hands the consumed nodes' checks to a fresh replacement; false if it has no place for them. */
static bool driver_keep_checks(driver *d, const btl_match *m, btl_var *after, bool fresh) {
    for (int i = 0; i < m->nconsumed; i++)
        for (const btl_size_check *c = m->consumed[i]->checks; c; c = c->next) {
            if (!fresh) return false;
            btl_size_check *copy = btl_arena_copy(&d->g->arena, c, sizeof *c);
            copy->next = after->node->checks;
            after->node->checks = copy;
        }
    return true;
}

static bool driver_accept(driver *d, const btl_match *m, btl_var *before, btl_var *after, int start) {
    if (!after || after == before || !btl_type_equal(&before->type, &after->type)) return false;
    bool fresh = driver_is_fresh(after, start);
    if (before->weak != after->weak) {
        if (!fresh) return false;
        after->weak = before->weak;
    }
    if (!driver_keep_checks(d, m, after, fresh)) return false;
    if (fresh && !after->name) after->name = before->name;
    return true;
}

static const btl_places *driver_places(btl_graph *g, const btl_match *m) {
    const btl_places *places = m->root->places;
    for (int i = 0; i < m->nconsumed; i++) places = btl_places_union(g, places, m->consumed[i]->places);
    return places;
}

static uint64_t driver_operand_mask(const btl_node *n) {
    uint64_t mask = 0;
    for (int i = 0; i < n->nin; i++) mask |= btl_op_bit(n->in[i]->node->op);
    return mask;
}

/* The replacement by the first rule that fires, or NULL. */
static btl_var *driver_fire(driver *d, btl_var *v) {
    btl_graph *g = d->g;
    const btl_rule_list *list = btl_rulebook_list(d->book, v->node->op);
    uint64_t operands = driver_operand_mask(v->node);
    for (int i = 0; i < list->n; i++) {
        const btl_compiled_rule *c = list->rules[i];
        if (!d->on[c->index] || (c->mask & ~operands)) continue;
        btl_match m = { .g = g, .root = v->node, .barriers = d->barriers };
        if (!btl_rule_matches(&m, c)) continue;
        int start = g->nnodes;
        g->here = driver_places(g, &m);
        btl_var *after = btl_rule_build(&m, c);
        if (!driver_accept(d, &m, v, after, start)) continue;
        if (d->options->trace) d->options->trace(d->options->trace_user, c->rule, v, after);
        return after;
    }
    return NULL;
}

/* ---- passes ------------------------------------------------------------------------------- */

static btl_status driver_node(driver *d, btl_node *n) {
    btl_node *made = driver_rebuild(d, n);
    if (!made) return d->g->status;
    made = driver_merge(d, made);
    btl_var *v = made->out;
    for (int fuel = DRIVER_FIRINGS; fuel && v->node->nout == 1; fuel--) {
        if ((v->node->op->flags & (OP_LEAF | OP_BARRIER)) || d->g->nnodes > d->most) break;
        btl_var *after = driver_fire(d, v);
        if (!after) break;
        d->changed = true;
        v = after->index == 0 && after->node->nout == 1 ? driver_merge(d, after->node)->out : after;
    }
    if (v != n->out) d->map[n->id] = v;
    return BTL_OK;
}

/* Marks what the roots depend on, not looking behind barriers. */
static void driver_reach(driver *d, int nroots, btl_var *const *roots) {
    d->reach = btl_bits_new(d->scratch, d->g->nnodes);
    for (int i = 0; i < nroots; i++) btl_bits_set(d->reach, roots[i]->node->id);
    for (int id = d->g->nnodes - 1; id >= 0; id--) {
        if (!btl_bits_get(d->reach, id) || (id < d->barriers.n && btl_bits_get(d->barriers, id))) continue;
        const btl_node *n = d->g->nodes[id];
        for (int i = 0; i < n->nin; i++) btl_bits_set(d->reach, n->in[i]->node->id);
    }
}

static btl_status driver_pass(driver *d, int nroots, btl_var **roots) {
    btl_graph *g = d->g;
    d->scratch = btl_arena_begin(&g->arena);
    driver_reach(d, nroots, roots);
    d->limit = g->nnodes;
    d->map = BTL_ARRAY(d->scratch, btl_var *, d->limit);
    d->equal = (btl_table){ 0 };
    d->changed = false;
    for (int id = 0; id < d->limit; id++) {
        if (!btl_bits_get(d->reach, id) || (id < d->barriers.n && btl_bits_get(d->barriers, id))) continue;
        BTL_TRY(driver_node(d, g->nodes[id]));
    }
    for (int i = 0; i < nroots; i++) roots[i] = driver_get(d, roots[i]);
    btl_arena_end(d->scratch);
    return BTL_OK;
}

/* In a phase the rules of the earlier ones run along, so that what it makes is tidied up; lowering
 * takes only the first, lest a composite be recognised in its own body. */
static unsigned driver_active(unsigned phases, unsigned phase) {
    unsigned upto = phase == BTL_LOWER ? (unsigned)(BTL_CANONICALIZE | BTL_LOWER) : 2 * phase - 1;
    return phases & upto;
}

static btl_status driver_phase(driver *d, unsigned phase, int nroots, btl_var **roots) {
    unsigned active = driver_active(d->options->phases, phase);
    const btl_rule *merge = btl_rule_find("merge_equal");
    for (int i = 0; i < d->book->nrules; i++)
        d->on[i] = (d->book->rules[i].rule->phase & active) && btl_rule_is_on(d->book->rules[i].rule, d->options);
    d->merge = (active & BTL_CANONICALIZE) && merge && btl_rule_is_on(merge, d->options);
    int most = d->options->max_passes > 0 ? d->options->max_passes : DRIVER_PASSES;
    for (int pass = 0; pass < most; pass++) {
        BTL_TRY(driver_pass(d, nroots, roots));
        if (!d->changed) break;
    }
    return BTL_OK;
}

btl_status btl_rewrite(btl_graph *g, int nroots, btl_var **roots, const btl_rewrite_options *options) {
    if (btl_rewrite_unknown_switch(options)) return BTL_ENAME;
    driver d = { .g = g, .options = options };
    d.book = btl_rulebook_of(g);
    const btl_places *here = g->here;
    d.on = BTL_ARRAY(&g->arena, bool, d.book->nrules);
    d.barriers = btl_bits_new(&g->arena, g->nnodes);
    for (int i = 0; i < options->nbarriers; i++) btl_bits_set(d.barriers, options->barriers[i]->node->id);
    d.scratch = btl_arena_begin(&g->arena);
    driver_reach(&d, nroots, roots);
    int nreached = 0;
    for (int id = 0; id < g->nnodes; id++) nreached += btl_bits_get(d.reach, id);
    btl_arena_end(d.scratch);
    d.most = g->nnodes + DRIVER_GROWTH * nreached + DRIVER_SPARE;
    btl_status status = BTL_OK;
    for (unsigned phase = BTL_CANONICALIZE; status == BTL_OK && phase <= BTL_LOWER; phase *= 2)
        if (options->phases & phase) status = driver_phase(&d, phase, nroots, roots);
    g->here = here;
    return status;
}
