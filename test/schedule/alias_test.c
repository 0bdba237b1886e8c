/* alias_test.c - which overwrites are safe: the scenarios of Theano's DestroyHandler, and against brute force: all orders of small
 * random graphs, run on memory cells that remember what was written to them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "schedule/alias.h"
#include "schedule/liveness.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NODES = 64, MOST_VARS = 128, MOST_IN = 4 };

/* ---- graphs as text ------------------------------------------------------------------------
 * "D(P(x, y), T(x)); t": expressions apart by ';', each read at the end; "t = T(x)" names one that is not. Lower-case letters
 * are leaves, k a protected one. T views its operand; P overwrites the first, Q too, though it may be the second as well,
 * R whatever the second is; B is proposed as an overwrite of its first later on; all other capitals read alone. */
typedef struct scene {
    btl_arena arena;
    btl_schedule p;
    btl_schedule_value vars[MOST_VARS];
    btl_schedule_step nodes[MOST_NODES];
    char ops[MOST_NODES];
    int name[26];         /* by letter: its variable, or -1 */
    const char *at;
    btl_alias *alias;
    const btl_alias_overwrite *proposal;
    btl_alias_reason reason;
    bool answer;
    int cycle;
} scene;

static int scene_var(scene *s) {
    s->vars[s->p.nvalues] = (btl_schedule_value){ .into = -1 };
    return s->p.nvalues++;
}

static void scene_blanks(scene *s) {
    while (*s->at == ' ') s->at++;
}

static int scene_expr(scene *s) {
    scene_blanks(s);
    char c = *s->at++;
    if (islower((unsigned char)c)) {
        int *v = &s->name[c - 'a'];
        if (*v < 0) *v = scene_var(s), s->vars[*v].is_protected = c == 'k';
        return *v;
    }
    int in[MOST_IN], nin = 0;
    assert_true(isupper((unsigned char)c) && *s->at == '(');
    do s->at++, in[nin++] = scene_expr(s), scene_blanks(s);
    while (*s->at == ',');
    assert_int_equal(*s->at++, ')');
    int out = scene_var(s), *kept = calloc((size_t)nin + 2, sizeof *kept);
    memcpy(kept, in, (size_t)nin * sizeof *in), kept[nin] = out;
    if (c == 'T') s->vars[out].nviews = 1, s->vars[out].views = kept;
    s->ops[s->p.nsteps] = c;
    s->nodes[s->p.nsteps++] = (btl_schedule_step){ .nin = nin, .in = kept, .nout = 1, .out = kept + nin };
    return out;
}

static void scene_read(scene *s, const char *text) {
    *s = (scene){ .at = text };
    btl_arena_init(&s->arena, NULL);
    for (int i = 0; i < 26; i++) s->name[i] = -1;
    for (scene_blanks(s); *s->at; scene_blanks(s)) {
        const char *start = s->at;
        char letter = islower((unsigned char)*start) && strchr(" =", start[1]) && strchr(start, '=') && (!strchr(start, ';') || strchr(start, '=') < strchr(start, ';')) ? *start : 0;
        if (letter) s->at = strchr(start, '=') + 1;
        int v = scene_expr(s);
        if (letter) s->name[letter - 'a'] = v;
        else s->vars[v].is_output = true;
        scene_blanks(s);
        if (*s->at == ';') s->at++;
    }
    s->p.values = s->vars, s->p.steps = s->nodes;
}

static btl_status scene_make(void *arg) {
    scene *s = arg;
    s->alias = btl_alias_new(&s->arena, &s->p, &s->cycle);
    return BTL_OK;
}

static btl_status scene_try(void *arg) {
    scene *s = arg;
    s->answer = btl_alias_propose(s->alias, s->proposal, &s->reason);
    return BTL_OK;
}

typedef struct foresight { scene *s; int n; const btl_alias_overwrite *o; bool *hopeless; } foresight;
static btl_status scene_foresee(void *arg) {
    foresight *f = arg;
    btl_alias_foresee(f->s->alias, f->n, f->o, f->hopeless);
    return BTL_OK;
}

static bool propose(scene *s, btl_alias_overwrite o) {
    s->proposal = &o;
    BTL_ASSERT_OK(btl_arena_protect(&s->arena, scene_try, s));
    return s->answer;
}

static void scene_free(scene *s) {
    for (int i = 0; i < s->p.nsteps; i++) free((int *)(uintptr_t)s->nodes[i].in);
    btl_arena_deinit(&s->arena);
}

/* Whether all declared overwrites are safe; those of B are then proposed in turn, and `proposals` gets '1' or '0' for each. */
static bool scene_is_safe(const char *text, char *proposals, btl_alias_verdict *why) {
    scene s;
    bool safe = true;
    scene_read(&s, text);
    BTL_ASSERT_OK(btl_arena_protect(&s.arena, scene_make, &s));
    assert_non_null(s.alias);
    for (int i = 0; safe && i < s.p.nsteps; i++)
        if (strchr("PQR", s.ops[i])) safe = propose(&s, (btl_alias_overwrite){ i, 0, s.ops[i] == 'Q' ? 2 : 0, s.ops[i] == 'R' ? 2 : 0 });
    if (why) *why = s.reason.verdict;
    for (int i = 0; proposals && i < s.p.nsteps; i++)
        if (s.ops[i] == 'B') *proposals++ = propose(&s, (btl_alias_overwrite){ i, 0, 0, 0 }) ? '1' : '0';
    if (proposals) *proposals = 0;
    scene_free(&s);
    return safe;
}

static void expect(const char *text, bool safe) {
    if (scene_is_safe(text, NULL, NULL) != safe) BTL_FAIL("%s: %s expected", text, safe ? "safe" : "a refusal");
}

static void expect_proposals(const char *text, const char *answers) {
    char got[MOST_NODES + 1];
    assert_true(scene_is_safe(text, got, NULL));
    if (strcmp(got, answers) != 0) BTL_FAIL("%s: proposals %s, %s expected", text, got, answers);
}

/* Those of Theano 1.0.5, gof/tests/test_destroyhandler.py, in its order. 22, copies of outputs, is the function's. */
BTL_TEST(theanos_scenarios) {
    expect("D(P(x, y), T(x))", false);                                     /* 1 */
    expect("T(T(T(T(x))))", true);                                         /* 2 */
    expect("P(x, x)", false);                                              /* 3 */
    expect("P(x, T(x))", false);                                           /* 4, and what replaced T(x) */
    expect("P(x, S(x))", true);
    expect("P(x, T(T(x)))", false);
    expect("Q(x, x)", true);                                               /* 5 */
    expect("Q(x, T(x))", false);
    expect("R(x, x)", true);                                               /* 6 */
    expect("R(x, T(x))", true);
    expect("P(k, y)", false);                                              /* 7 */
    expect("P(T(k), y)", false);
    expect("P(S(k), y)", true);
    expect("D(P(x, y), T(T(T(S(x)))))", true);                             /* 8 */
    expect("D(P(x, y), T(x))", false);
    expect_proposals("B(x, y); B(y, x)", "10");                            /* 9 */
    expect("D(D(P(x, y), P(y, z)), P(z, x))", false);                      /* 10 */
    expect_proposals("D(D(B(x, y), B(y, z)), A(z, x))", "11");
    expect("A(P(x, y), P(x, y))", false);                                  /* 11 */
    expect_proposals("D(B(T(z), y), B(z, x))", "10");                      /* 12 */
    expect("P(T(T(x)), y); P(T(T(x)), z)", false);                         /* 13 */
    expect("P(T(x), y); P(T(T(x)), z)", false);
    expect("D(P(x, z), x)", false);                                        /* 14 */
    expect("D(A(x, z), x)", true);
    expect("D(S(P(x, y)), T(x))", false);                                  /* 15 */
    expect("D(S(A(x, y)), T(x))", true);
    expect("D(S(P(x, y)), A(T(x), y))", true);                             /* 16 */
    expect("D(P(x, A(y, z)), S(S(S(S(S(x))))))", true);                    /* 17: one S must stay */
    expect("D(P(x, A(y, z)), T(T(T(T(S(x))))))", true);
    expect("D(P(x, A(y, z)), S(T(T(T(T(x))))))", true);
    expect("D(P(x, A(y, z)), T(T(T(T(T(x))))))", false);
    expect("P(x, S(y)); y", true);                                         /* 18: S(y), then a constant in its place */
    expect("P(x, k)", true);
    expect("P(x, T(k))", true);
    expect("P(x, T(x))", false);                                           /* 20 */
    expect("P(x, x)", false);
    expect("p = S(x); P(p, y); P(p, z)", false);                           /* 21: two in-place results of one variable */
}

BTL_TEST(several_overwritten_inputs) {                                      /* 19: M(x, y), then D(M0, x), D(y, y) */
    for (int which = 0; which < 5; which++) {
        static const char *const destroyed[] = { "xy", "x", "y", "yx", "yx" };
        scene s;
        bool answer[2] = { true, true };
        scene_read(&s, "m = M(x, y); D(m, x); D(y, y)");
        BTL_ASSERT_OK(btl_arena_protect(&s.arena, scene_make, &s));
        for (int i = 0; destroyed[which][i]; i++) answer[i] = propose(&s, (btl_alias_overwrite){ 0, destroyed[which][i] == 'x' ? 0 : 1, 0, 0 });
        bool x_comes_first = destroyed[which][0] == 'x';
        assert_int_equal(answer[0], !x_comes_first); /* x is read by D(m, x), behind M; y by D(y, y), which may run before */
        if (destroyed[which][1]) assert_int_equal(answer[1], x_comes_first);
        scene_free(&s);
    }
}

BTL_TEST(reasons_are_told) {
    btl_alias_verdict why;
    assert_false(scene_is_safe("P(k, y)", NULL, &why)), assert_int_equal(why, BTL_ALIAS_PROTECTED);
    assert_false(scene_is_safe("P(x, x)", NULL, &why)), assert_int_equal(why, BTL_ALIAS_OWN_INPUT);
    assert_false(scene_is_safe("P(x, y); T(x)", NULL, &why)), assert_int_equal(why, BTL_ALIAS_KEPT);
    assert_false(scene_is_safe("P(x, y); P(x, y)", NULL, &why)), assert_int_equal(why, BTL_ALIAS_TWICE);
    assert_false(scene_is_safe("D(P(x, y), x)", NULL, &why)), assert_int_equal(why, BTL_ALIAS_CYCLE);
}

BTL_TEST(a_cycle_is_told_by_its_way) {
    scene s;
    scene_read(&s, "D(S(S(P(x, y))), x)"); /* nodes P, S, S, D */
    BTL_ASSERT_OK(btl_arena_protect(&s.arena, scene_make, &s));
    assert_false(propose(&s, (btl_alias_overwrite){ 0, 0, 0, 0 }));
    assert_int_equal(s.reason.npath, 4);
    for (int i = 0; i < 4; i++) assert_int_equal(s.reason.path[i], i);
    assert_int_equal(s.reason.node, 3);
    scene_free(&s);
}

/* ---- brute force ----------------------------------------------------------------------------- */

enum { MOST_CELLS = 16 };

/* A variable has up to 16 cells of memory, and knows which tokens it left there. */
typedef struct cells { uint32_t mask; int token[MOST_CELLS]; } cells;

typedef struct world {
    scene s;
    cells var[MOST_VARS];
    int noverwrites, ncells, ntokens;
    btl_alias_overwrite overwrite[MOST_NODES];
    int accepted[MOST_NODES], naccepted;
    int memory[MOST_CELLS];
    uint32_t protected_cells;
} world;

static bool world_disjoint(void *user, int a, int b) {
    const world *w = user;
    return !(w->var[a].mask & w->var[b].mask);
}

/* Who writes where decides what lies where: the outputs of accepted overwrites lie in their operand. */
static void world_lay_out(world *w) {
    const btl_schedule *p = &w->s.p;
    w->ncells = 0, w->ntokens = 1;
    w->protected_cells = 0;
    for (int v = 0; v < p->nvalues; v++) w->var[v] = (cells){ 0 };
    for (int v = 0; v < p->nvalues; v++) {
        int made = -1;
        for (int n = 0; n < p->nsteps; n++)
            if (p->steps[n].out[0] == v) made = n;
        const btl_schedule_value *x = &p->values[v];
        cells *c = &w->var[v];
        for (int k = 0; k < x->nviews; k++) {
            const cells *from = &w->var[x->views[k]];
            uint32_t part = from->mask;
            if (x->nviews == 1 && w->s.ops[made] == 'U') part &= part - 1;               /* all but the lowest cell */
            if (x->nviews == 1 && w->s.ops[made] == 'V') part &= ~(part & (part - 1));   /* the lowest cell */
            for (int i = 0; i < MOST_CELLS; i++)
                if (part >> i & 1) c->mask |= 1u << i, c->token[i] = from->token[i];
        }
        int in_place = -1;
        for (int a = 0; a < w->naccepted; a++)
            if (w->overwrite[w->accepted[a]].node == made && in_place < 0) in_place = w->accepted[a];
        if (!x->nviews && in_place >= 0) {
            const cells *from = &w->var[p->steps[made].in[w->overwrite[in_place].input]];
            *c = *from;
            for (int i = 0; i < MOST_CELLS; i++)
                if (from->mask >> i & 1) c->token[i] = w->ntokens++;
        } else if (!x->nviews) {
            for (int k = 0; k < 2 && w->ncells < MOST_CELLS; k++) c->mask |= 1u << w->ncells, c->token[w->ncells++] = w->ntokens++;
        }
        if (x->is_protected) w->protected_cells |= c->mask;
    }
}

static bool world_holds(const world *w, int v) {
    for (int i = 0; i < MOST_CELLS; i++)
        if (w->var[v].mask >> i & 1 && w->memory[i] != w->var[v].token[i]) return false;
    return true;
}

/* Runs the node: all that it reads must be there, and nothing that it overwrites be read through another operand. */
static bool world_run(world *w, int n) {
    const btl_schedule_step *node = &w->s.p.steps[n];
    for (int i = 0; i < node->nin; i++)
        if (!world_holds(w, node->in[i])) return false;
    bool in_place = false;
    for (int a = 0; a < w->naccepted; a++) {
        const btl_alias_overwrite *o = &w->overwrite[w->accepted[a]];
        if (o->node != n) continue;
        const cells *to = &w->var[node->in[o->input]];
        for (int i = 0; i < node->nin; i++) {
            bool tolerated = (o->aliased >> i & 1) || ((o->same >> i & 1) && node->in[i] == node->in[o->input]);
            if (i != o->input && !tolerated && (w->var[node->in[i]].mask & to->mask)) return false;
        }
        if (to->mask & w->protected_cells) return false;
        for (int i = 0; i < MOST_CELLS; i++)
            if (to->mask >> i & 1) w->memory[i] = in_place ? -1 : w->var[node->out[0]].token[i];
        in_place = true;
    }
    if (!in_place && !w->s.p.values[node->out[0]].nviews)
        for (int i = 0; i < MOST_CELLS; i++)
            if (w->var[node->out[0]].mask >> i & 1) w->memory[i] = w->var[node->out[0]].token[i];
    return true;
}

static bool world_search(world *w, uint32_t done) {
    const btl_schedule *p = &w->s.p;
    if (done == (1u << p->nsteps) - 1) {
        for (int v = 0; v < p->nvalues; v++)
            if (p->values[v].is_output && !world_holds(w, v)) return false;
        return true;
    }
    for (int n = 0; n < p->nsteps; n++) {
        if (done >> n & 1) continue;
        bool ready = true;
        for (int i = 0; i < p->steps[n].nin; i++)
            for (int m = 0; m < p->nsteps; m++) ready &= p->steps[m].out[0] != p->steps[n].in[i] || (done >> m & 1);
        if (!ready) continue;
        int before[MOST_CELLS];
        memcpy(before, w->memory, sizeof before);
        bool good = world_run(w, n) && world_search(w, done | 1u << n);
        memcpy(w->memory, before, sizeof before);
        if (good) return true;
    }
    return false;
}

/* Lays out, and what leaves hold is there. */
static void world_fill(world *w) {
    world_lay_out(w);
    for (int v = 0; v < w->s.p.nvalues; v++) {
        bool leaf = true;
        for (int n = 0; n < w->s.p.nsteps; n++) leaf &= w->s.nodes[n].out[0] != v;
        for (int i = 0; leaf && i < MOST_CELLS; i++)
            if (w->var[v].mask >> i & 1) w->memory[i] = w->var[v].token[i];
    }
}

/* Does some order of the nodes respect the accepted overwrites? */
static bool world_is_possible(world *w) {
    world_fill(w);
    return world_search(w, 0);
}

static int pick(btl_rng *r, int n) { return (int)btl_rng_below(r, (uint64_t)n); }

/* Random nodes: S, T, U, V with one operand, A with two, W a view of two. */
static void world_new(world *w, btl_rng *r, bool parts) {
    *w = (world){ 0 };
    scene *s = &w->s;
    btl_arena_init(&s->arena, NULL);
    for (int i = 1 + pick(r, 3); i > 0; i--) s->vars[scene_var(s)].is_protected = pick(r, 6) == 0;
    for (int n = 1 + pick(r, 6); n > 0; n--) {
        static const char kinds[] = "SAATATW", split[] = "SAAUVUV";
        char kind = (parts ? split : kinds)[pick(r, 7)];
        int *v = calloc(4, sizeof *v), nin = strchr("AW", kind) ? 2 : 1;
        for (int i = 0; i < nin; i++) v[i] = pick(r, s->p.nvalues);
        int out = v[nin] = scene_var(s);
        if (strchr("TUVW", kind)) s->vars[out].nviews = nin, s->vars[out].views = v;
        s->ops[s->p.nsteps] = kind;
        s->nodes[s->p.nsteps++] = (btl_schedule_step){ .nin = nin, .in = v, .nout = 1, .out = v + nin };
    }
    for (int v = 0; v < s->p.nvalues; v++) s->vars[v].is_output = pick(r, 5) == 0;
    for (int n = 0; n < s->p.nsteps; n++)
        for (int i = 0; i < s->nodes[n].nin; i++)
            if (strchr("SA", s->ops[n]) && pick(r, 3) > 0)
                w->overwrite[w->noverwrites++] = (btl_alias_overwrite){ n, i, (uint64_t)pick(r, 4), (uint64_t)(pick(r, 4) == 0 ? 3 : 0) };
    for (int i = w->noverwrites - 1; i > 0; i--) { /* in any order */
        int k = pick(r, i + 1);
        btl_alias_overwrite o = w->overwrite[i];
        w->overwrite[i] = w->overwrite[k], w->overwrite[k] = o;
    }
    s->p.values = s->vars, s->p.steps = s->nodes, s->p.user = w;
    if (parts) s->p.disjoint = world_disjoint;
}

static int operand_of(const world *w, int overwrite) { return w->s.nodes[w->overwrite[overwrite].node].in[w->overwrite[overwrite].input]; }

static void check_edges(const scene *s) {
    int order[MOST_NODES], place[MOST_NODES];
    const int *before, *after;
    btl_alias_order(s->alias, order);
    for (int i = 0; i < s->p.nsteps; i++) place[order[i]] = i;
    for (int e = btl_alias_edges(s->alias, &before, &after) - 1; e >= 0; e--) assert_true(place[before[e]] < place[after[e]]);
    for (int n = 0; n < s->p.nsteps; n++)
        for (int i = 0; i < s->p.steps[n].nin; i++)
            for (int m = 0; m < s->p.nsteps; m++) assert_true(s->p.steps[m].out[0] != s->p.steps[n].in[i] || place[m] < place[n]);
}

/* Liveness of the accepted overwrites: any order that it allows respects them. A schedule has one for each result: where a node has two, it is left out. */
typedef struct liveness_of { world *w; btl_rng *r; bool made; } liveness_of;

static btl_status check_liveness(void *arg) {
    liveness_of *x = arg;
    world *w = x->w;
    btl_schedule p = w->s.p;
    btl_schedule_value values[MOST_VARS];
    btl_liveness *l;
    btl_error err = { 0 };
    memcpy(values, p.values, (size_t)p.nvalues * sizeof *values);
    for (int v = 0; v < p.nvalues; v++) values[v].into = -1, values[v].bytes = 8;
    for (int i = 0; i < w->naccepted; i++) {
        const btl_alias_overwrite *o = &w->overwrite[w->accepted[i]];
        int *into = &values[p.steps[o->node].out[0]].into;
        if (*into >= 0) return BTL_OK;
        *into = p.steps[o->node].in[o->input];
    }
    p.values = values, x->made = true;
    if (btl_liveness_new(&w->s.arena, &p, &l, &err) != BTL_OK) BTL_FAIL("what the alias checker accepts, liveness does not: %s", err.message);
    for (int t = 0; t < 4; t++) {
        int given[MOST_NODES], order[MOST_NODES];
        for (int i = 0; i < p.nsteps; i++) given[i] = i;
        for (int i = p.nsteps - 1; i > 0; i--) {
            int k = pick(x->r, i + 1), other = given[i];
            given[i] = given[k], given[k] = other;
        }
        btl_liveness_sort(l, given, &w->s.arena, order);
        world_fill(w);
        for (int i = 0; i < p.nsteps; i++)
            if (!world_run(w, order[i])) BTL_FAIL("liveness allows an order in which node %d reads what was overwritten", order[i]);
        for (int v = 0; v < p.nvalues; v++)
            if (p.values[v].is_output && !world_holds(w, v)) BTL_FAIL("liveness allows an order that overwrites output %d", v);
    }
    return BTL_OK;
}

/* Each proposal is accepted if and only if with it some order is left. */
static void compare_with_brute_force(btl_rng *r, bool parts, int *accepted, int *refused, int *lives) {
    world w;
    world_new(&w, r, parts);
    world_lay_out(&w);
    BTL_ASSERT_OK(btl_arena_protect(&w.s.arena, scene_make, &w.s));
    bool hopeless[MOST_NODES];
    BTL_ASSERT_OK(btl_arena_protect(&w.s.arena, scene_foresee, &(foresight){ &w.s, w.noverwrites, w.overwrite, hopeless }));
    for (int i = 0; i < w.noverwrites; i++) {
        bool twice = false; /* the same memory by one node: refused by definition */
        for (int a = 0; a < w.naccepted; a++) twice |= w.overwrite[w.accepted[a]].node == w.overwrite[i].node && !world_disjoint(&w, operand_of(&w, w.accepted[a]), operand_of(&w, i));
        if (twice) {
            assert_false(propose(&w.s, w.overwrite[i]));
            continue;
        }
        bool answer = propose(&w.s, w.overwrite[i]);
        w.accepted[w.naccepted++] = i;
        bool possible = world_is_possible(&w);
        if (hopeless[i]) assert_false(possible);
        if (w.naccepted == 1 && !possible && w.s.reason.verdict == BTL_ALIAS_CYCLE) assert_true(hopeless[i]);
        if (answer != possible) {
            for (int n = 0; n < w.s.p.nsteps; n++) {
                print_message("v%d = %c(", w.s.nodes[n].out[0], w.s.ops[n]);
                for (int k = 0; k < w.s.nodes[n].nin; k++) print_message("%sv%d", k ? ", " : "", w.s.nodes[n].in[k]);
                print_message(")%s\n", w.s.vars[w.s.nodes[n].out[0]].is_output ? " kept" : "");
            }
            for (int a = 0; a < w.naccepted; a++)
                print_message("node %d overwrites input %d\n", w.overwrite[w.accepted[a]].node, w.overwrite[w.accepted[a]].input);
            BTL_FAIL("the last is %s, verdict %d; by brute force it is %s", answer ? "accepted" : "refused", (int)w.s.reason.verdict, possible ? "safe" : "not");
        }
        (*(answer ? accepted : refused))++;
        if (!answer) w.naccepted--, world_lay_out(&w);
        check_edges(&w.s);
    }
    liveness_of x = { &w, r, false };
    BTL_ASSERT_OK(btl_arena_protect(&w.s.arena, check_liveness, &x));
    *lives += x.made && w.naccepted;
    scene_free(&w.s);
}

static void compare_many(bool parts) {
    btl_rng r = { btl_test_seed() };
    int accepted = 0, refused = 0, lives = 0;
    for (int i = 0; i < 6000; i++) compare_with_brute_force(&r, parts, &accepted, &refused, &lives);
    print_message("%d accepted, %d refused; liveness of %d\n", accepted, refused, lives);
    assert_true(accepted > 2000 && refused > 2000 && lives > 2000);
}

BTL_TEST(verdicts_are_those_of_brute_force) { compare_many(false); }
BTL_TEST(verdicts_on_disjoint_views_are_those_of_brute_force) { compare_many(true); }

/* ---- size -------------------------------------------------------------------------------------- */

/* A network of many layers in which every node is proposed to overwrite its first operand. */
static void propose_to_all(int n) {
    scene s = { 0 };
    btl_rng r = { btl_test_seed() };
    btl_schedule_value *vars = calloc((size_t)n + 10, sizeof *vars);
    btl_schedule_step *nodes = calloc((size_t)n, sizeof *nodes);
    int *v = calloc(4 * (size_t)n, sizeof *v), accepted = 0;
    btl_arena_init(&s.arena, NULL);
    for (int i = 0; i < n; i++) {
        int *in = v + 4 * i, made = 10 + i;
        in[0] = made - 1 - pick(&r, 3) < 0 ? 0 : made - 1 - pick(&r, 3), in[1] = pick(&r, made), in[2] = made;
        nodes[i] = (btl_schedule_step){ .nin = 2, .in = in, .nout = 1, .out = in + 2 };
    }
    s.p = (btl_schedule){ .nvalues = n + 10, .values = vars, .nsteps = n, .steps = nodes };
    BTL_ASSERT_OK(btl_arena_protect(&s.arena, scene_make, &s));
    btl_alias_overwrite *o = calloc((size_t)n, sizeof *o);
    bool *hopeless = calloc((size_t)n, sizeof *hopeless);
    for (int i = 0; i < n; i++) o[i].node = i;
    BTL_ASSERT_OK(btl_arena_protect(&s.arena, scene_foresee, &(foresight){ &s, n, o, hopeless }));
    for (int i = 0; i < n; i++) accepted += !hopeless[i] && propose(&s, o[i]);
    free(o), free(hopeless);
    print_message("%d of %d accepted\n", accepted, n);
    assert_true(accepted > n / 10);
    btl_arena_deinit(&s.arena);
    free(vars), free(nodes), free(v);
}

BTL_TEST(a_hundred_thousand_proposals) { propose_to_all(100000); }

BTL_TEST(a_cycle_of_the_data_is_found) {
    scene s;
    scene_read(&s, "D(S(x), y)");
    ((int *)(uintptr_t)s.nodes[0].in)[0] = s.nodes[1].out[0];
    s.cycle = -1;
    BTL_ASSERT_OK(btl_arena_protect(&s.arena, scene_make, &s));
    assert_null(s.alias);
    assert_true(s.cycle == 0 || s.cycle == 1);
    scene_free(&s);
}

BTL_TEST_MAIN(cmocka_unit_test(theanos_scenarios), cmocka_unit_test(several_overwritten_inputs), cmocka_unit_test(reasons_are_told),
              cmocka_unit_test(a_cycle_is_told_by_its_way), cmocka_unit_test(verdicts_are_those_of_brute_force),
              cmocka_unit_test(verdicts_on_disjoint_views_are_those_of_brute_force),
              cmocka_unit_test(a_hundred_thousand_proposals),
              cmocka_unit_test(a_cycle_of_the_data_is_found))
