/* driver.c - rewriting: every node is brought to rest once.
 *
 * Nodes never change, and a rule looks at a node and at what is below it, never at its users. So a node whose operands
 * are at rest and to which no rule applies is at rest for good, and the whole graph comes to rest in one walk: a node's operands
 * first, then the node on the new operands, merged with its equal if there is one, then its rules; what a rule makes is new nodes,
 * which are brought to rest in the same way before it stands for the old one. The work is a stack of nodes; only what
 * changed and what is new is made or matched, and in a later phase an unchanged node meets only the rules that
 * are new to it. Rules are found by the node's op and, before any pattern is tried, by a 64-bit mask of the operands' ops.
 *
 * A replacement is taken only if it has the same dtype, the same sizes (the same interned
 * expressions, so provably equal) and loses no run-time check of sizes: checks of the nodes it
 * consumed go over to it.
 *
 * Rules that undo each other are found: what the second one makes is merged with a node that waits for it. Where nodes are
 * not merged, and for rules that go on with ever new nodes, the number of firings in a row and of nodes in all is bounded. What is
 * found so is switched off until the phase ends (the graph is right at any moment) and told; a rule of a user's own is an error.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite/driver.h"

#include "base/context.h"
#include "expr/leaf.h"
#include "rewrite/match.h"

#include <stdio.h>
#include <string.h>

enum {
    DRIVER_DEPTH = 200,  /* firings one after the other from one node of the graph, at most */
    DRIVER_GROWTH = 8,   /* times as many nodes, and some */
    DRIVER_SPARE = 4096,
    DRIVER_ROUNDS = 8,   /* of passes in a phase */
    DRIVER_NAMES = 3,    /* rules named in a note */
    DRIVER_LISTS = 64    /* of rules, at hand */
};

/* What is known of a node, by its id. */
typedef struct driver_slot {
    btl_var *to;           /* what stands for its output 0; NULL: not at rest yet */
    btl_var *instead;      /* what a pass put in its place */
    unsigned char tried;   /* phases whose rules do not apply to it */
    bool first;            /* of its equals, in the table */
    bool open;             /* its frame has begun; all such frames wait for what is above them */
} driver_slot;

/* A node being brought to rest. */
typedef struct driver_frame {
    btl_node *node;
    btl_node *now;                  /* on operands at rest, merged; NULL: not yet */
    btl_var *after;                 /* what was made of it, to be brought to rest; NULL: nothing yet */
    const btl_compiled_rule *rule;  /* by that */
    int depth;                      /* firings that led here */
} driver_frame;

/* The nodes on which the roots depend, not looking behind barriers: good for as long as the roots are these, since nodes never change. */
typedef struct driver_extent {
    btl_arena *arena;         /* of what follows; NULL: nothing is known yet */
    btl_var **roots;
    btl_bits member, root;    /* by id of a node */
    int nnodes;
    btl_node **nodes;         /* operands before users */
    int *first;               /* users of node id: users[first[id]] up to first[id + 1]; made when asked for */
    btl_node **users;
} driver_extent;

typedef struct driver {
    btl_graph *g;
    const btl_rewrite_options *options;
    const btl_rulebook *book;
    int nrules;               /* in it */
    unsigned active;          /* phases whose rules run along now */
    unsigned phase;           /* this one */
    bool *off;                /* by rule: by a switch */
    bool *stopped;            /* by rule, in this phase: off, or it does not end */
    int *fired;               /* by rule, in this phase */
    bool merge;               /* equal nodes become one, in this phase */
    bool exhausted;           /* no rule fires any more in this phase */
    btl_bits barriers;
    int most;                 /* nodes that the graph may grow to */
    int began;                /* nodes it had */
    btl_arena *work;          /* what follows */
    driver_slot *slots;
    int nslots;
    btl_table equal;          /* of nodes, for merging */
    driver_frame *frames;
    int nframes, frame_capacity;
    const btl_op_rules *at_hand[DRIVER_LISTS]; /* by op, the last that were asked for */
    driver_extent extent;
    bool replaced;            /* by the pass in progress */
} driver;

/* ---- switches ----------------------------------------------------------------------------- */

bool btl_rule_word_is(const btl_rule *rule, const char *word) {
    if (strcmp(rule->name, word) == 0) return true;
    size_t n = strlen(word);
    for (const char *s = rule->tags; n && s && (s = strstr(s, word)); s += n)
        if ((s == rule->tags || s[-1] == ' ') && (s[n] == 0 || s[n] == ' ')) return true;
    return false;
}

bool btl_rule_is_on(const btl_rule *rule, const btl_rewrite_options *options) {
    for (int i = 0; i < options->nwithout; i++)
        if (btl_rule_word_is(rule, options->without[i])) return false;
    for (int i = 0; i < options->nwith; i++)
        if (btl_rule_word_is(rule, options->with[i])) return true;
    return !rule->opt_in;
}

static bool driver_is_switch(const btl_rulebook *book, const char *word) {
    for (int i = 0; i < btl_rulebook_size(book); i++)
        if (btl_rule_word_is(btl_rulebook_at(book, i)->rule, word)) return true;
    return false;
}

const char *btl_rewrite_unknown_switch(btl_graph *g, const btl_rewrite_options *options) {
    const btl_rulebook *book = btl_rulebook_of(g);
    for (int i = 0; i < options->nwith; i++)
        if (!driver_is_switch(book, options->with[i])) return options->with[i];
    for (int i = 0; i < options->nwithout; i++)
        if (!driver_is_switch(book, options->without[i])) return options->without[i];
    return NULL;
}

/* ---- one node ----------------------------------------------------------------------------- */

static void driver_more_slots(driver *d, int id) {
    int more = 2 * (id + 32);
    driver_slot *slots = BTL_ARRAY(d->work, driver_slot, more);
    if (d->nslots) memcpy(slots, d->slots, (size_t)d->nslots * sizeof *slots);
    d->slots = slots, d->nslots = more;
}

static inline driver_slot *driver_slot_of(driver *d, const btl_node *n) {
    if (n->id >= d->nslots) driver_more_slots(d, n->id);
    return &d->slots[n->id];
}

static bool driver_is_barrier(const driver *d, const btl_node *n) {
    return n->id < d->barriers.n && btl_bits_get(d->barriers, n->id);
}

static bool driver_at_rest(driver *d, const btl_node *n) {
    return driver_is_barrier(d, n) || driver_slot_of(d, n)->to;
}

static btl_var *driver_get(driver *d, btl_var *v) {
    btl_var *to = driver_slot_of(d, v->node)->to;
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

static void driver_add_checks(btl_graph *g, btl_node *to, const btl_size_check *checks) {
    for (const btl_size_check *c = checks; c; c = c->next) {
        const btl_size_check *same = to->checks;
        while (same && (same->a != c->a || same->b != c->b)) same = same->next;
        if (same) continue;
        btl_size_check *copy = btl_arena_copy(&g->arena, c, sizeof *c);
        copy->next = to->checks;
        to->checks = copy;
    }
}

/* It is known to be the first of its equals, or none of its kind is merged. */
static bool driver_is_merged(driver *d, const btl_node *n) {
    return !d->merge || ((n->op->flags & OP_LEAF) && n->op != &btl_op_constant) || driver_slot_of(d, n)->first;
}

/* The first node equal to this one (itself if it is the first). */
static btl_node *driver_merge(driver *d, btl_node *n) {
    if (driver_is_merged(d, n)) return n;
    uint64_t h = btl_hash_mix((uint64_t)(uintptr_t)n->op, (uint64_t)n->nin);
    for (int i = 0; i < n->nin; i++)
        h = btl_hash_mix(h, (uint64_t)n->in[i]->node->id * 8 + (uint64_t)n->in[i]->index);
    for (int k = 0; k < n->op->nparams; k++) h = btl_param_hash(n->op->params[k].kind, &n->params[k], h);
    btl_node *found = btl_table_find(&d->equal, h, driver_node_equal, n);
    if (!found) {
        btl_table_add(&d->equal, d->work, h, n);
        driver_slot_of(d, n)->first = true;
        return n;
    }
    if (found != n) {
        found->places = btl_places_union(d->g, found->places, n->places);
        driver_add_checks(d->g, found, n->checks);
    }
    return found;
}

/* ---- rules that do not end ------------------------------------------------------------------ */

const char *btl_phase_name(unsigned phase) {
    static const char *const names[] = { "canonicalize", "stabilize", "specialize", "lower" };
    int i = 0;
    while (phase >> (i + 1)) i++;
    return names[i];
}

/* "rules a and b (mine.rules:3)" */
static const char *driver_names(driver *d, int n, const btl_compiled_rule *const *rules) {
    btl_text t;
    btl_text_init(&t, &d->g->arena);
    btl_text_add(&t, n == 1 ? "rule " : "rules ");
    for (int i = 0; i < n; i++) {
        btl_text_printf(&t, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " and ", rules[i]->rule->name);
        if (rules[i]->origin) btl_text_printf(&t, " (%s)", rules[i]->origin);
    }
    return t.data;
}

/* These rules do not fire again in this phase; `how` says why. */
static void driver_stop(driver *d, int n, const btl_compiled_rule *const *rules, const char *how) {
    bool own = false;
    for (int i = 0; i < n; i++) own = own || rules[i]->origin;
    for (int i = 0; i < n; i++)
        if (!own || rules[i]->origin) d->stopped[rules[i]->index] = true; /* Bitale's own end by themselves */
    const char *text = btl_arena_printf(&d->g->arena, "%s %s", driver_names(d, n, rules), how);
    if (own && d->g->status == BTL_OK) {
        btl_fail(d->g, BTL_EVALUE, "%s", text);
        btl_fail_hint(d->g, "nothing was changed; `bitale rules --rules FILE --check` tries rules");
        btl_fail_done(d->g, NULL);
    }
    btl_rewrite_report *r = d->options->report;
    if (r) r->note = btl_arena_printf(&d->g->arena, "%s%s%s; switched off for the rest of the phase %s", r->note ? r->note : "", r->note ? "\n" : "", text,
                                      btl_phase_name(d->phase));
}

/* The rules that led from frame `from` to the top came back to its node. */
static void driver_stop_chain(driver *d, int from, const char *how_one, const char *how_many) {
    const btl_compiled_rule *rules[DRIVER_NAMES];
    int n = 0;
    for (int i = from; i < d->nframes && n < DRIVER_NAMES; i++) {
        const btl_compiled_rule *c = d->frames[i].rule;
        for (int k = 0; c && k < n; k++)
            if (rules[k] == c) c = NULL;
        if (c) rules[n++] = c;
    }
    if (n) driver_stop(d, n, rules, n == 1 ? how_one : how_many);
}

static void driver_stop_loop(driver *d, const btl_node *open) {
    int from = d->nframes - 1;
    while (from > 0 && d->frames[from].node != open && d->frames[from].now != open) from--;
    driver_stop_chain(d, from, "makes again what it matches", "undo each other");
}

static void driver_stop_growth(driver *d) {
    const btl_compiled_rule *rules[DRIVER_NAMES];
    int n = 0;
    for (; n < DRIVER_NAMES; n++) {
        int best = -1;
        for (int i = 0; i < d->nrules; i++) {
            bool named = false;
            for (int k = 0; k < n; k++) named = named || rules[k]->index == i;
            if (!named && d->fired[i] && (best < 0 || d->fired[i] > d->fired[best])) best = i;
        }
        if (best < 0 || (n && d->fired[best] < d->fired[rules[0]->index] / 4)) break;
        rules[n] = btl_rulebook_at(d->book, best);
    }
    d->exhausted = true;
    if (n) driver_stop(d, n, rules, btl_arena_printf(&d->g->arena, "made %d nodes of %d, more than a program can need", d->g->nnodes, d->began));
}

/* ---- firing --------------------------------------------------------------------------------- */

/* Hands checks of the nodes it replaces to a fresh replacement; false if it has no place for them. */
static bool driver_keep_checks(driver *d, int n, const btl_node *const *consumed, btl_var *after, bool fresh) {
    for (int i = 0; i < n; i++) {
        if (consumed[i]->checks && !fresh) return false;
        driver_add_checks(d->g, after->node, consumed[i]->checks);
    }
    return true;
}

static bool driver_accept(driver *d, int n, const btl_node *const *consumed, btl_var *before, btl_var *after, int start) {
    if (!after || after == before || !btl_type_equal(&before->type, &after->type)) return false;
    bool fresh = after->node->id >= start;
    if (before->weak != after->weak) {
        if (!fresh) return false;
        after->weak = before->weak;
    }
    if (!driver_keep_checks(d, n, consumed, after, fresh)) return false;
    if (fresh && !after->name) after->name = before->name;
    return true;
}

static const btl_places *driver_places(btl_graph *g, const btl_places *places, int n, const btl_node *const *consumed) {
    for (int i = 0; i < n; i++) places = btl_places_union(g, places, consumed[i]->places);
    return places;
}

/* A node without operands lacks none. */
static uint64_t driver_operand_mask(const btl_node *n) {
    uint64_t mask = n->nin ? 0 : ~(uint64_t)0;
    for (int i = 0; i < n->nin; i++) mask |= btl_operand_bits(n->in[i]->node);
    return mask;
}

/* Without lowering some nodes cannot run. */
static bool driver_must(const btl_compiled_rule *c) { return c->rule->phase == BTL_LOWER && !c->origin; }

static void driver_note(driver *d, const btl_compiled_rule *c, const btl_var *before, const btl_var *after) {
    d->fired[c->index]++;
    if (d->options->report) d->options->report->fired++;
    if (d->options->fuel && *d->options->fuel > 0 && !driver_must(c)) --*d->options->fuel;
    if (d->options->trace) d->options->trace(d->options->trace_user, c, d->phase, before, after);
}

/* False: no rule but lowering's is to fire any more. */
static bool driver_has_fuel(const driver *d, const btl_compiled_rule *c) {
    return !d->options->fuel || *d->options->fuel > 0 || driver_must(c);
}

/* What code of a rule looked at while it built is known only now. */
static void driver_add_places(btl_graph *g, int start, const btl_places *places) {
    for (int id = start; id < g->nnodes; id++) g->nodes[id]->places = btl_places_union(g, g->nodes[id]->places, places);
}

/* A user's rule whose result cannot be, or has another element type, is an error of the graph that names it. */
static bool driver_is_sound(driver *d, const btl_compiled_rule *c, const btl_var *before, const btl_var *after) {
    btl_graph *g = d->g;
    if (g->status != BTL_OK) {
        if (g->status == BTL_ENOMEM) return false;
        btl_error wrong = g->error;
        snprintf(g->error.message, sizeof g->error.message, "rule %s (%s) makes what cannot be: %.1400s", c->rule->name, c->origin, wrong.message);
        return false;
    }
    if (!after || after->type.dtype == before->type.dtype) return true;
    btl_fail(g, BTL_EDTYPE, "rule %s (%s): its result is %s, but %s is %s", c->rule->name, c->origin, btl_type_text(g, &after->type), before->node->op->name,
             btl_type_text(g, &before->type));
    btl_fail_hint(g, "both sides must have one type; nothing was changed");
    btl_fail_done(g, NULL);
    return false;
}

static const btl_op_rules *driver_rules_of(driver *d, const btl_op *op) {
    const btl_op_rules **kept = &d->at_hand[((uintptr_t)op >> 4) % DRIVER_LISTS];
    return *kept && (*kept)->op == op ? *kept : (*kept = btl_rules_of(op));
}

/* What a rule makes of m->root, if it fires and its result is accepted; or NULL. */
static btl_var *driver_try(driver *d, btl_match *m, const btl_compiled_rule *c) {
    btl_graph *g = d->g;
    btl_var *v = m->root->out;
    if (!driver_has_fuel(d, c) || !btl_rule_matches(m, c)) return NULL;
    int start = g->nnodes, seen = m->nconsumed;
    g->here = driver_places(g, m->root->places, m->nconsumed, m->consumed);
    btl_var *after = btl_rule_build(m, c);
    if (after && m->nconsumed > seen) driver_add_places(g, start, driver_places(g, g->here, m->nconsumed - seen, m->consumed + seen));
    if (c->origin && !driver_is_sound(d, c, v, after)) return NULL;
    if (!driver_accept(d, m->nconsumed, m->consumed, v, after, start)) return NULL;
    driver_note(d, c, v, after);
    return after;
}

/* The replacement by the first rule that fires, or NULL. */
static btl_var *driver_fire(driver *d, btl_node *n, const btl_compiled_rule **by) {
    unsigned tried = driver_slot_of(d, n)->tried, phases = d->active & ~tried;
    const btl_compiled_rule *const *own;
    int nown = btl_rulebook_own(d->book, n->op, &own);
    btl_rule_list built_in = btl_compiled_pool + driver_rules_of(d, n->op)->at[phases];
    if (*built_in < 0 && !nown) return NULL;
    uint64_t lacks = ~driver_operand_mask(n);
    btl_match m;
    m.g = d->g, m.root = n, m.barriers = d->barriers;
    for (int i = 0; i < nown; i++) {
        *by = own[i];
        if (!((*by)->rule->phase & phases) || ((*by)->mask & lacks) || d->stopped[(*by)->index]) continue;
        btl_var *after = driver_try(d, &m, *by);
        if (after || d->g->status != BTL_OK) return after;
    }
    for (; *built_in >= 0; built_in++) {
        *by = &btl_compiled_rules[*built_in];
        if (((*by)->mask & lacks) || d->stopped[*built_in]) continue;
        btl_var *after = driver_try(d, &m, *by);
        if (after) return after;
    }
    return NULL;
}

/* ---- bringing to rest ------------------------------------------------------------------------ */

static void driver_push(driver *d, btl_node *n, int depth) {
    *BTL_PUSH(d->work, d->frames, d->nframes, d->frame_capacity) = (driver_frame){ .node = n, .depth = depth };
}

/* The node on the top of the stack is at rest as `to`. */
static void driver_pop(driver *d, btl_var *to) {
    driver_frame *f = &d->frames[--d->nframes];
    btl_node *nodes[2] = { f->node, f->now };
    for (int i = 0; i < 2; i++)
        if (nodes[i]) driver_slot_of(d, nodes[i])->to = to, driver_slot_of(d, nodes[i])->open = false;
}

/* Puts the operands that are not at rest on the stack; true if there are any. */
static bool driver_wait_for_operands(driver *d, const btl_node *n, int depth) {
    int before = d->nframes;
    for (int i = n->nin - 1; i >= 0; i--) {
        btl_node *operand = n->in[i]->node;
        if (driver_at_rest(d, operand)) continue;
        if (driver_slot_of(d, operand)->open) driver_stop_loop(d, operand); /* it waits for this node */
        else driver_push(d, operand, depth);
    }
    return d->nframes > before;
}

/* The node of the top on operands at rest. False: it was another node, and is popped. */
static btl_status driver_renew(driver *d, bool *popped) {
    driver_frame *f = &d->frames[d->nframes - 1];
    btl_node *now = driver_rebuild(d, f->node);
    if (!now) return d->g->status;
    now = driver_merge(d, now);
    *popped = true;
    if (now != f->node) {
        driver_slot *s = driver_slot_of(d, now);
        if (!s->open && !driver_at_rest(d, now)) s->open = true;
        else {
            if (s->open) driver_stop_loop(d, now);
            driver_pop(d, driver_get(d, now->out));
            return BTL_OK;
        }
    }
    f->now = now;
    *popped = false;
    return BTL_OK;
}

/* What a pass or a rule puts in place of the node of the top, or NULL. */
static btl_var *driver_make(driver *d, driver_frame *f) {
    btl_var *instead = driver_slot_of(d, f->node)->instead;
    if (instead) return instead;
    if (f->now->nout != 1 || (f->now->op->flags & (OP_LEAF | OP_BARRIER)) || d->exhausted) return NULL;
    if (d->g->nnodes > d->most) driver_stop_growth(d);
    else if (f->depth >= DRIVER_DEPTH) driver_stop_chain(d, d->nframes / 2, "goes on without an end", "go on without an end");
    else return driver_fire(d, f->now, &f->rule);
    return NULL;
}

static btl_status driver_step(driver *d) {
    driver_frame *f = &d->frames[d->nframes - 1];
    if (!f->now) {
        bool popped = false;
        if (driver_at_rest(d, f->node)) return d->nframes--, BTL_OK; /* brought there while it waited */
        driver_slot_of(d, f->node)->open = true;
        if (driver_wait_for_operands(d, f->node, f->depth)) return BTL_OK;
        BTL_TRY(driver_renew(d, &popped));
        if (popped) return BTL_OK;
    }
    if (!f->after) f->after = driver_make(d, f);
    if (!f->after) {
        driver_slot_of(d, f->now)->tried |= (unsigned char)d->active;
        driver_pop(d, f->now->out);
    } else if (driver_at_rest(d, f->after->node)) {
        driver_pop(d, driver_get(d, f->after));
    } else if (driver_slot_of(d, f->after->node)->open) {
        driver_stop_loop(d, f->after->node);
        driver_pop(d, f->now->out);
    } else {
        driver_push(d, f->after->node, f->depth + 1);
    }
    return BTL_OK;
}

static bool driver_extent_is_of(const driver_extent *e, int nroots, btl_var *const *roots) {
    for (int i = 0; e->arena && i < nroots; i++)
        if (e->roots[i] != roots[i]) return false;
    return e->arena;
}

static const driver_extent *driver_extent_of(driver *d, int nroots, btl_var *const *roots) {
    driver_extent *e = &d->extent;
    btl_node *const *nodes = d->g->nodes;
    if (driver_extent_is_of(e, nroots, roots)) return e;
    if (e->arena) btl_arena_end(e->arena);
    *e = (driver_extent){ .arena = btl_arena_begin(&d->g->arena) };
    if (nroots) e->roots = btl_arena_copy(e->arena, roots, (size_t)nroots * sizeof *roots);
    e->member = btl_bits_new(e->arena, d->g->nnodes);
    e->root = btl_bits_new(e->arena, d->g->nnodes);
    for (int i = 0; i < nroots; i++) btl_bits_set(e->root, roots[i]->node->id), btl_bits_set(e->member, roots[i]->node->id);
    for (int id = e->member.n - 1; id >= 0; id--) {
        if (!btl_bits_get(e->member, id)) continue;
        e->nnodes++;
        for (int i = 0; !driver_is_barrier(d, nodes[id]) && i < nodes[id]->nin; i++) btl_bits_set(e->member, nodes[id]->in[i]->node->id);
    }
    e->nodes = btl_arena_alloc(e->arena, (size_t)(e->nnodes + 1) * sizeof *e->nodes);
    for (int id = 0, n = 0; n < e->nnodes; id++)
        if (btl_bits_get(e->member, id)) e->nodes[n++] = nodes[id];
    return e;
}

static void driver_find_users(driver *d) {
    driver_extent *e = &d->extent;
    e->first = BTL_ARRAY(e->arena, int, e->member.n + 2);
    for (int i = 0; i < e->nnodes; i++)
        for (int k = 0; !driver_is_barrier(d, e->nodes[i]) && k < e->nodes[i]->nin; k++) e->first[e->nodes[i]->in[k]->node->id + 2]++;
    for (int id = 1; id <= e->member.n; id++) e->first[id + 1] += e->first[id];
    e->users = BTL_ARRAY(e->arena, btl_node *, e->first[e->member.n + 1] + 1);
    for (int i = 0; i < e->nnodes; i++)
        for (int k = 0; !driver_is_barrier(d, e->nodes[i]) && k < e->nodes[i]->nin; k++) e->users[e->first[e->nodes[i]->in[k]->node->id + 1]++] = e->nodes[i];
}

/* Brings a node to rest whose operands are, and of which no operand has changed, without a frame, unless a rule fires. */
static bool driver_rest_as_it_is(driver *d, btl_node *n) {
    const driver_slot *s = driver_slot_of(d, n);
    driver_frame f = { .node = n, .now = n };
    if (s->instead || !driver_is_merged(d, n)) return false;
    for (int i = 0; i < n->nin; i++)
        if (driver_get(d, n->in[i]) != n->in[i]) return false;
    if (d->active & ~(unsigned)s->tried) f.after = driver_make(d, &f);
    driver_slot *now = driver_slot_of(d, n); /* firing may have moved it */
    if (f.after) now->open = true, *BTL_PUSH(d->work, d->frames, d->nframes, d->frame_capacity) = f;
    else now->tried |= (unsigned char)d->active, now->to = n->out;
    return true;
}

static btl_status driver_settle(driver *d, int nroots, btl_var **roots) {
    const driver_extent *e = driver_extent_of(d, nroots, roots);
    for (int i = 0; i < d->nslots; i++) d->slots[i].to = NULL;
    for (int i = 0; i < e->nnodes; i++) {
        btl_node *n = e->nodes[i];
        if (driver_at_rest(d, n)) continue;
        if (!driver_rest_as_it_is(d, n)) driver_push(d, n, 0);
        while (d->nframes) BTL_TRY(driver_step(d));
        if (d->g->status != BTL_OK) return d->g->status;
    }
    for (int i = 0; i < nroots; i++) roots[i] = driver_get(d, roots[i]);
    for (int i = 0; i < d->nslots; i++) d->slots[i].instead = NULL;
    return BTL_OK;
}

/* ---- passes ----------------------------------------------------------------------------------- */

/* A pass in progress. */
typedef struct driver_view {
    btl_pass pass;
    const btl_compiled_rule *rule;
    int nconsumed;
    const btl_node *const *consumed;
    int start;                /* nodes there were before it built any */
} driver_view;

static driver_view *driver_view_of(const btl_pass *p) { return (driver_view *)(uintptr_t)p; }

bool btl_pass_may_look(const btl_pass *p, const btl_node *n) {
    const driver *d = p->driver;
    return n->id < d->extent.member.n && btl_bits_get(d->extent.member, n->id) && !(n->op->flags & (OP_LEAF | OP_BARRIER)) && !driver_is_barrier(d, n);
}

bool btl_pass_is_root(const btl_pass *p, const btl_node *n) {
    const driver *d = p->driver;
    return n->id < d->extent.root.n && btl_bits_get(d->extent.root, n->id);
}

int btl_pass_users(btl_pass *p, const btl_node *n, btl_node *const **users) {
    driver *d = p->driver;
    const driver_extent *e = &d->extent;
    if (!e->first) driver_find_users(d);
    if (n->id >= e->member.n) return 0;
    *users = e->users + e->first[n->id];
    return e->first[n->id + 1] - e->first[n->id];
}

void btl_pass_at(btl_pass *p, int n, const btl_node *const *nodes) {
    driver_view *w = driver_view_of(p);
    w->nconsumed = n;
    w->consumed = btl_arena_copy(p->scratch, nodes, (size_t)n * sizeof *nodes);
    p->g->here = driver_places(p->g, NULL, n, nodes);
}

bool btl_pass_replace(btl_pass *p, btl_var *before, btl_var *after) {
    driver_view *w = driver_view_of(p);
    driver *d = p->driver;
    if (!after || before->node->nout != 1 || !btl_pass_may_look(p, before->node) || !driver_has_fuel(d, w->rule)) return false;
    if (!driver_accept(d, w->nconsumed, w->consumed, before, after, w->start)) return false;
    driver_slot_of(d, before->node)->instead = after;
    d->replaced = true;
    driver_note(d, w->rule, before, after);
    return true;
}

static btl_status driver_pass(driver *d, const btl_compiled_rule *c, int nroots, btl_var **roots) {
    btl_graph *g = d->g;
    driver_view w = { .rule = c, .start = g->nnodes };
    const driver_extent *e = driver_extent_of(d, nroots, roots);
    w.pass = (btl_pass){ .g = g, .rule = c->rule, .nroots = nroots, .roots = roots, .nnodes = e->nnodes, .nodes = e->nodes,
                         .scratch = btl_arena_begin(&g->arena), .driver = d };
    d->replaced = false;
    BTL_TRY(c->rule->pass(&w.pass));
    btl_arena_end(w.pass.scratch);
    if (g->status != BTL_OK) return g->status;
    return d->replaced ? driver_settle(d, nroots, roots) : BTL_OK;
}

/* ---- phases ------------------------------------------------------------------------------------ */

/* In a phase the rules of the earlier ones run along, so that what it makes is tidied up; lowering
 * takes only the first, lest a composite be recognised in its own body. */
static unsigned driver_active(unsigned phases, unsigned phase) {
    unsigned upto = phase == BTL_LOWER ? (unsigned)(BTL_CANONICALIZE | BTL_LOWER) : 2 * phase - 1;
    return phases & upto;
}

static btl_status driver_phase(driver *d, unsigned phase, int nroots, btl_var **roots) {
    d->phase = phase;
    d->active = driver_active(d->options->phases | d->options->along, phase);
    d->exhausted = false;
    d->merge = (btl_rule_merge.phase & d->active) && btl_rule_is_on(&btl_rule_merge, d->options);
    memcpy(d->stopped, d->off, (size_t)d->nrules * sizeof *d->stopped);
    memset(d->fired, 0, (size_t)d->nrules * sizeof *d->fired);
    BTL_TRY(driver_settle(d, nroots, roots));
    bool again = true;
    for (int round = 0; again && round < DRIVER_ROUNDS; round++) {
        again = false;
        for (btl_rule_list i = btl_compiled_passes; *i >= 0; i++) {
            const btl_compiled_rule *c = &btl_compiled_rules[*i];
            if (!(c->rule->phase & phase) || d->stopped[*i]) continue;
            BTL_TRY(driver_pass(d, c, nroots, roots));
            again = again || d->replaced;
        }
    }
    return BTL_OK;
}

static btl_status driver_run(driver *d, int nroots, btl_var **roots) {
    d->most = d->began + DRIVER_GROWTH * driver_extent_of(d, nroots, roots)->nnodes + DRIVER_SPARE;
    for (unsigned phase = BTL_CANONICALIZE; phase <= BTL_LOWER; phase *= 2)
        if (d->options->phases & phase) BTL_TRY(driver_phase(d, phase, nroots, roots));
    return BTL_OK;
}

btl_status btl_rewrite(btl_graph *g, int nroots, btl_var **roots, const btl_rewrite_options *options) {
    driver d = { .g = g, .options = options, .book = btl_rulebook_of(g), .began = g->nnodes };
    if (btl_rewrite_unknown_switch(g, options)) return BTL_ENAME;
    const btl_places *here = g->here;
    d.work = btl_arena_begin(&g->arena);
    d.nrules = btl_rulebook_size(d.book);
    d.off = BTL_ARRAY(d.work, bool, d.nrules);
    d.stopped = BTL_ARRAY(d.work, bool, d.nrules);
    bool switched = options->nwith || options->nwithout;
    for (int i = 0; i < d.nrules; i++) {
        const btl_rule *rule = btl_rulebook_at(d.book, i)->rule;
        d.off[i] = switched ? !btl_rule_is_on(rule, options) : rule->opt_in;
    }
    d.fired = BTL_ARRAY(d.work, int, d.nrules);
    d.barriers = btl_bits_new(d.work, g->nnodes);
    for (int i = 0; i < options->nbarriers; i++) btl_bits_set(d.barriers, options->barriers[i]->node->id);
    btl_var **rewritten = nroots ? btl_arena_copy(d.work, roots, (size_t)nroots * sizeof *roots) : NULL;
    btl_status known = g->status; /* of a mistake elsewhere in the program, which is told already: what is sound is rewritten all the same */
    btl_error first = g->error;
    g->status = BTL_OK;
    btl_status status = driver_run(&d, nroots, rewritten);
    if (known != BTL_OK) g->status = known, g->error = first;
    if (status == BTL_OK && nroots) memcpy(roots, rewritten, (size_t)nroots * sizeof *roots);
    if (d.extent.arena) btl_arena_end(d.extent.arena);
    btl_arena_end(d.work);
    g->here = here;
    return status;
}
