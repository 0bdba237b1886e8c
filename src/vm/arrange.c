/* arrange.c - see arrange.h. Overwrites that save most are proposed first; the order follows. SPDX-License-Identifier: BSD-3-Clause */
#include "vm/arrange.h"

#include "expr/leaf.h"
#include "schedule/alias.h"
#include "schedule/guests.h"
#include "schedule/order.h"
#include "schedule/region.h"
#include "target/c/kernel.h"
#include "vm/memory.h"
#include "vm/size.h"
#include "vm/within.h"

#include <stdlib.h>
#include <string.h>

typedef struct arrange_proposal { int number, instr, input, output, slot; bool is_update; int64_t bytes; } arrange_proposal;

typedef struct arrange {
    btl_function *f;
    btl_arena *a;
    btl_schedule p;
    bool *refused;            /* by slot: its new value can't be made in place */
    const bool *without_pieces; /* by slot: no piece of it is written over; NULL: any */
    bool *can_fail;           /* by instruction: it can, or something behind it can */
    int clean;                /* the one instruction that may fail and write into a state: it tests everything first, and the others wait for it; or -1 */
    int *update;              /* by slot: the shared variable's slot whose new value it is, or -1 */
    btl_regions *regions;     /* of the slots */
    int n, capacity;
    arrange_proposal *proposals;
    btl_table abilities;
} arrange;

/* ---- the problem --------------------------------------------------------------------------- */

static void arrange_views(const btl_function *f, btl_schedule_value *vars) {
    for (int i = 0; i < f->ninstrs; i++)
        if (f->instrs[i].kind == VM_VIEW) vars[f->instrs[i].out[0]].nviews = 1, vars[f->instrs[i].out[0]].views = f->instrs[i].in;
}

/* Which parts of others views are, whatever is decided of where they lie. */
static btl_regions *arrange_regions(const btl_function *f, btl_arena *a) {
    btl_schedule_value *values = BTL_ARRAY(a, btl_schedule_value, f->nslots + 1);
    const btl_var **vars = BTL_ARRAY(a, const btl_var *, f->nslots + 1);
    for (int i = 0; i < f->nslots; i++) vars[i] = f->slots[i].var;
    arrange_views(f, values);
    return btl_regions_new(a, f->graph, &(btl_schedule){ .nvalues = f->nslots, .values = values }, f->nslots, vars);
}

static void arrange_vars(arrange *w) {
    btl_function *f = w->f;
    btl_schedule_value *vars = BTL_ARRAY(w->a, btl_schedule_value, f->nslots + 1);
    w->update = BTL_ARRAY(w->a, int, f->nslots + 1);
    for (int i = 0; i < f->nslots; i++) {
        vm_storage s = f->slots[i].storage;
        vars[i].is_protected = s == STORE_INPUT || s == STORE_CONSTANT;
        vars[i].into = -1;
        w->update[i] = -1;
    }
    for (int i = 0; i < f->noutputs; i++) vars[f->outputs[i].slot].is_output = true;
    for (int i = 0; i < f->nasserts; i++) vars[f->asserts[i].slot].is_output = true;
    for (int i = 0; i < f->nupdates; i++) {
        int slot = f->updates[i].slot;
        w->update[slot] = vars[slot].is_output || w->refused[slot] ? -1 : f->shared[f->updates[i].shared].slot; /* once: a value that stands for two is copied */
        vars[slot].is_output = true;
    }
    arrange_views(f, vars);
    w->p.nvalues = f->nslots, w->p.values = vars;
    w->p.disjoint = btl_regions_disjoint, w->p.user = w->regions;
}

/* Memory that is taken step by step may be wanting. */
static bool arrange_takes_memory(const arrange *w, const vm_instr *q) {
    if (!btl_vm_is_stepwise(w->f) || q->kind == VM_VIEW) return false;
    for (int k = 0; k < q->nout; k++)
        if (w->update[q->out[k]] < 0) return true;
    return false;
}

static bool arrange_fails(const arrange *w, const vm_instr *q) {
    if (arrange_takes_memory(w, q)) return true;
    if (q->kind == VM_VIEW) return q->node->op->flags & OP_CAN_FAIL;
    if (q->kind == VM_RUN) return (q->node->op->flags & OP_CAN_FAIL) || !btl_vm_work_is_known(w->f, q); /* for want of memory, if for nothing else */
    const btl_op *op = btl_op_find(q->node->params[2].s, strlen(q->node->params[2].s));
    return op && op->reduction && op->reduction->empty_is_error;
}

/* Does it make a new value of a shared variable? Where every node is looked at, any may end the call, also behind it. */
static bool arrange_makes_update(const arrange *w, const vm_instr *q) {
    if (q->kind == VM_VIEW || w->f->nasserts || w->f->watch != CHECKS_NONE) return false;
    for (int k = 0; k < q->nout; k++)
        if (w->update[q->out[k]] >= 0 && w->f->slots[q->out[k]].storage == STORE_ARENA) return true;
    return false;
}

/* Is something that can fail at or behind the instruction? A state must not have been touched by then. */
static void arrange_find_failures(arrange *w) {
    btl_function *f = w->f;
    bool *behind = BTL_ARRAY(w->a, bool, f->nslots + 1); /* by slot: a reader of it, or one behind that */
    w->can_fail = BTL_ARRAY(w->a, bool, f->ninstrs + 1);
    w->clean = -1;
    for (int i = f->ninstrs - 1; i >= 0; i--) {
        const vm_instr *q = &f->instrs[i];
        bool others = false;
        for (int k = 0; k < q->nout; k++) others |= behind[q->out[k]];
        if (!others && q->kind == VM_RUN && q->node->op->overwrites && w->clean < 0 && arrange_makes_update(w, q) && arrange_fails(w, q)) w->clean = i;
        else w->can_fail[i] = others || arrange_fails(w, q);
        for (int k = 0; k < q->nin; k++) behind[q->in[k]] |= w->can_fail[i] || w->clean == i;
    }
}

/* Into a shared variable's memory: nothing behind the instruction fails, and it waits for everything that can. */
static bool arrange_updates(const arrange *w, int instr) { return !w->can_fail[instr] && arrange_makes_update(w, &w->f->instrs[instr]); }

/* Where there are updates in place, one step more, behind all that can fail and before those: by way of variables that stand for "done". */
static void arrange_checked(arrange *w, btl_schedule_step *nodes, btl_schedule_value *vars, int nfailing) {
    int n = w->f->ninstrs, *failing = BTL_ARRAY(w->a, int, nfailing + 1), checked = w->p.nvalues + nfailing, tested = checked + 1, at = 0;
    for (int v = w->p.nvalues; v <= tested; v++) vars[v].into = -1;
    for (int i = 0; i < n; i++) {
        if (w->can_fail[i]) {
            failing[at] = w->p.nvalues + at;
            nodes[i].out = btl_vm_list_with(w->a, nodes[i].out, nodes[i].nout++, failing[at++], false);
        } else if (arrange_updates(w, i)) {
            nodes[i].in = btl_vm_list_with(w->a, nodes[i].in, nodes[i].nin++, checked, false);
            if (i == w->clean) nodes[i].out = btl_vm_list_with(w->a, nodes[i].out, nodes[i].nout++, tested, false);
            else if (w->clean >= 0) nodes[i].in = btl_vm_list_with(w->a, nodes[i].in, nodes[i].nin++, tested, false);
        }
    }
    nodes[n] = (btl_schedule_step){ .nin = nfailing, .in = failing, .nout = 1, .out = btl_vm_list_with(w->a, NULL, 0, checked, false) };
    w->p.nsteps++, w->p.nvalues = tested + 1;
}

/* Instructions as steps, and what else there is to wait for. */
static void arrange_nodes(arrange *w) {
    btl_function *f = w->f;
    int n = f->ninstrs, nupdates = 0, nfailing = 0, nparts = btl_vm_nparts(f);
    btl_schedule_step *nodes = BTL_ARRAY(w->a, btl_schedule_step, n + nparts + 1);
    for (int i = 0; i < n; i++) {
        const vm_instr *q = &f->instrs[i];
        nodes[i] = (btl_schedule_step){ .nin = q->nin, .in = q->in, .nout = q->nout, .out = q->out };
        nupdates += arrange_updates(w, i), nfailing += w->can_fail[i];
    }
    btl_schedule_value *vars = BTL_ARRAY(w->a, btl_schedule_value, w->p.nvalues + nfailing + nparts + 3);
    memcpy(vars, w->p.values, (size_t)w->p.nvalues * sizeof *vars);
    w->p.nsteps = n, w->p.steps = nodes, w->p.values = vars;
    if (nupdates && (nfailing || w->clean >= 0)) arrange_checked(w, nodes, vars, nfailing);
    btl_vm_rooms(w->a, f, vars, &w->p.nvalues, nodes, &w->p.nsteps, NULL, true);
}

/* ---- proposals ----------------------------------------------------------------------------- */

/* What it is worth; a size that only a call tells counts as 64. */
static int64_t arrange_bytes(const btl_type *t) {
    int64_t bytes = (int64_t)btl_dtype_bytes(t->dtype), size;
    for (int k = 0; k < t->rank; k++)
        if (!btl_mul_i64(bytes, btl_dim_is_const(t->dims[k], &size) ? size : 64, &bytes)) return INT64_MAX;
    return bytes;
}

/* Is the operand all of what lies in its memory? */
static bool arrange_is_all(const arrange *w, int slot) {
    const btl_region *r = &w->regions->of[slot];
    return btl_dim_is(r->at, 0) && r->elems == w->regions->of[r->origin].elems;
}

/* Has the operand, or what it is a piece of, a place in the arena where something as large may be made? A part begins where bits of a BLAS can't differ. */
static bool arrange_is_place(const arrange *w, int slot, const vm_slot *to) {
    const btl_region *r = &w->regions->of[slot];
    const vm_slot *origin = r->origin < 0 ? NULL : &w->f->slots[r->origin];
    if (!origin || !r->is_all || origin->storage != STORE_ARENA || origin->whole >= 0) return false;
    if (arrange_is_all(w, slot)) return true;
    if (w->without_pieces && w->without_pieces[r->origin]) return false;
    return to->storage == STORE_ARENA && !origin->late && !to->late && btl_dim_divisor(r->at) * (int64_t)btl_dtype_bytes(to->var->type.dtype) % VM_ALIGN == 0;
}

static void arrange_collect(arrange *w) {
    btl_function *f = w->f;
    for (int i = 0; i < f->ninstrs; i++) {
        const vm_instr *q = &f->instrs[i];
        if (q->kind == VM_VIEW || (q->kind == VM_RUN && !q->node->op->overwrites)) continue;
        for (int o = 0; o < q->nout; o++)
            for (int in = 0; in < q->nin; in++) {
                const vm_slot *to = &f->slots[q->out[o]], *from = &f->slots[q->in[in]];
                bool updates = from->storage == STORE_SHARED && w->update[q->out[o]] == q->in[in] && arrange_updates(w, i);
                if (to->whole >= 0 || !btl_type_equal(&to->var->type, &from->var->type)) continue;
                if (to->storage != STORE_ARENA && (to->storage != STORE_OUTPUT || updates)) continue; /* what a result is written over lies in its memory from the start */
                if (!updates && !arrange_is_place(w, q->in[in], to)) continue;
                int number = w->n;
                *BTL_PUSH(w->a, w->proposals, w->n, w->capacity) =
                    (arrange_proposal){ number, i, in, o, q->out[o], updates, arrange_bytes(&to->var->type) };
            }
    }
}

/* Updates first, since they save a copy; then by bytes; then as they stand in the program. */
static int arrange_order(const void *a, const void *b) {
    const arrange_proposal *x = a, *y = b;
    if (x->is_update != y->is_update) return x->is_update ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Equal kernels share their strips, and what they can do. */
typedef struct arrange_ability { const btl_strips *strips; int output, input; bool can; } arrange_ability;

static bool arrange_ability_equal(const void *key, const void *thing) {
    const arrange_ability *a = key, *b = thing;
    return a->strips == b->strips && a->output == b->output && a->input == b->input;
}

static bool arrange_op_can(const btl_op *op, int output, int input) {
    for (const btl_op_alias *a = op->overwrites; a && a->out >= 0; a++)
        if (a->out == output && a->in == input) return true;
    return false;
}

/* Can the kernel do it, by the strips and as generated text? */
static bool arrange_can(arrange *w, const arrange_proposal *p) {
    const vm_instr *q = &w->f->instrs[p->instr];
    if (q->kind == VM_RUN) return arrange_op_can(q->node->op, p->output, p->input);
    arrange_ability key = { q->strips, p->output, p->input, false };
    uint64_t hash = btl_hash_mix(btl_hash_mix((uint64_t)(uintptr_t)q->strips, (uint64_t)p->output), (uint64_t)p->input);
    const arrange_ability *known = btl_table_find(&w->abilities, hash, arrange_ability_equal, &key);
    if (known) return known->can;
    key.can = btl_strips_may_overwrite(q->strips, p->output, p->input) && btl_fused_may_overwrite(w->a, q->node, p->output, p->input);
    btl_table_add(&w->abilities, w->a, hash, btl_arena_copy(w->a, &key, sizeof key));
    return key.can;
}

/* Whatever a result is written over, and what that is, is as large as the result: the memory is the caller's. */
static bool arrange_is_in_result(const arrange *w, const bool *in_result, int to, int from) {
    if (w->f->slots[to].storage != STORE_OUTPUT && !in_result[to]) return true;
    bool all = true;
    for (int at = from; at >= 0 && all; at = w->f->slots[w->f->slots[at].root].into) all = arrange_is_all(w, at);
    return all;
}

/* Where each begins in its memory; what it is written over is made before. */
static void arrange_places(arrange *w) {
    btl_function *f = w->f;
    for (int i = 0; i < f->ninstrs; i++)
        for (int k = 0; k < f->instrs[i].nout; k++) {
            vm_slot *s = &f->slots[f->instrs[i].out[k]];
            if (s->into < 0 || f->slots[s->into].storage == STORE_SHARED) continue;
            const btl_dim *at = w->regions->of[s->into].at, *before = f->slots[f->slots[s->into].root].at;
            if (before) at = btl_dim_add(f->graph, at, before);
            s->at = btl_dim_is(at, 0) ? NULL : at;
        }
}

static void arrange_propose(arrange *w, btl_alias *alias) {
    btl_function *f = w->f;
    btl_alias_overwrite *o = BTL_ARRAY(w->a, btl_alias_overwrite, w->n + 1);
    bool *hopeless = BTL_ARRAY(w->a, bool, w->n + 1), *taken = BTL_ARRAY(w->a, bool, f->nslots + 1), *in_result = BTL_ARRAY(w->a, bool, f->nslots + 1);
    for (int i = 0; i < w->n; i++) o[i] = (btl_alias_overwrite){ .node = w->proposals[i].instr, .input = w->proposals[i].input };
    btl_alias_foresee(alias, w->n, o, hopeless);
    for (int i = 0; i < w->n; i++) {
        int to = w->proposals[i].slot, from = f->instrs[o[i].node].in[o[i].input], root = f->slots[from].root;
        if (hopeless[i] || f->slots[to].into >= 0 || taken[root] || !arrange_is_in_result(w, in_result, to, from)) continue;
        if (!arrange_can(w, &w->proposals[i]) || !btl_alias_propose(alias, &o[i], NULL)) continue;
        f->slots[to].into = from, taken[root] = w->proposals[i].is_update || arrange_is_all(w, from);
        if (f->slots[to].storage == STORE_OUTPUT || in_result[to])
            for (int at = root; at >= 0; at = btl_vm_written_over(f, at)) in_result[at] = true;
    }
    arrange_places(w);
}

/* ---- the order ------------------------------------------------------------------------------ */

/* Sizes that only a call tells are taken to be each of these; the first decides, the others may not become worse. */
static const int64_t arrange_sizes[] = { 96, 7, 1000 };
enum { ARRANGE_NSIZES = sizeof arrange_sizes / sizeof *arrange_sizes, ARRANGE_MOST = 20000 /* instructions */, ARRANGE_LITTLE = 1 << 18 /* bytes, not worth a search */,
       ARRANGE_RESULTS = 16 /* results that are a smaller part of what lives are not worth one of their own */ };

static bool arrange_is_counted(const vm_slot *s, bool with_results) { return s->storage == STORE_ARENA || s->storage == STORE_VIEW || (with_results && s->storage == STORE_OUTPUT); }

/* What lives when, in the arena alone or in the memory of results, too: everything else is somebody else's memory. NULL: sizes that say nothing. */
static btl_liveness *arrange_liveness(const arrange *w, int64_t symbol, bool with_results) {
    btl_function *f = w->f;
    int nsymbols = f->graph->dims.nsymbols;
    int64_t *symbols = BTL_ARRAY(w->a, int64_t, nsymbols + 1);
    for (int k = 0; k < nsymbols; k++) symbols[k] = symbol;
    btl_schedule_value *values = BTL_ARRAY(w->a, btl_schedule_value, w->p.nvalues + 1);
    bool known = true;
    memcpy(values, w->p.values, (size_t)w->p.nvalues * sizeof *values);
    for (int i = 0; i < f->nslots; i++) {
        const vm_slot *s = &f->slots[i];
        values[i].is_free = values[i].is_free || !arrange_is_counted(s, with_results);
        values[i].is_output = values[i].is_output && !values[i].is_free;
        values[i].into = s->into;
        if (s->storage != STORE_VIEW && arrange_is_counted(s, with_results)) known = btl_type_bytes(&s->var->type, symbols, &values[i].bytes) < 0 && known;
        for (int at = s->storage == STORE_OUTPUT && !with_results ? btl_vm_written_over(f, i) : -1; at >= 0; at = btl_vm_written_over(f, at)) values[at].is_free = true; /* it lies in the result's memory */
    }
    for (int i = 0; i < f->nslots; i++) {
        btl_schedule_value *room = f->slots[i].whole < 0 && values[i].nviews && f->slots[i].storage != STORE_VIEW ? &values[values[i].views[0]] : NULL;
        if (room) room->bytes = values[i].bytes, room->is_free = values[i].is_free;
    }
    btl_schedule p = w->p;
    p.values = values;
    btl_liveness *l = NULL;
    btl_error ignored = { 0 };
    return known && btl_liveness_new(w->a, &p, &l, &ignored) == BTL_OK ? l : NULL;
}

static bool arrange_is_symbolic(const arrange *w) {
    int64_t size;
    for (int i = 0; i < w->f->nslots; i++)
        for (int k = 0; k < w->f->slots[i].var->type.rank; k++)
            if (!btl_dim_is_const(w->f->slots[i].var->type.dims[k], &size)) return true;
    return false;
}

/* What orders are compared by: bytes that live at one time in the arena; in all, where memory is taken step by step, that of results, too. */
typedef struct arrange_measure {
    const btl_liveness *arena;   /* or all, where memory is taken step by step; NULL: not asked for */
    const btl_liveness *all;     /* of an arena with results; or NULL */
    const bool *is_result;       /* by storage of `all` */
    int64_t results;             /* bytes of those */
} arrange_measure;

static void arrange_measure_results(const arrange *w, arrange_measure *m) {
    const btl_function *f = w->f;
    bool *is_result = BTL_ARRAY(w->a, bool, m->all->nstores + 1);
    for (int i = 0; i < f->noutputs; i++) {
        int slot = f->outputs[i].slot, store = m->all->store_of[slot];
        if (f->slots[slot].storage != STORE_OUTPUT || f->slots[slot].late || store < 0 || is_result[store]) continue;
        is_result[store] = true, m->results += m->all->bytes[store];
    }
    m->is_result = is_result;
}

/* False: sizes that say nothing. `search`: an order is to be looked for, too. */
static bool arrange_measure_at(const arrange *w, int64_t symbol, bool search, arrange_measure *m) {
    *m = (arrange_measure){ .results = 0 };
    if (w->f->policy == BTL_POLICY_ARENA && w->f->noutputs && (m->all = arrange_liveness(w, symbol, true))) arrange_measure_results(w, m);
    if (search || !m->results) m->arena = arrange_liveness(w, symbol, btl_vm_is_stepwise(w->f));
    return m->arena || (m->results && !search);
}

/* What must live in the arena in this order, when the memory of results has taken in what it can until it is written. */
static int64_t arrange_needs(const arrange *w, const arrange_measure *m, const int *order) {
    if (!m->results) return btl_liveness_peak(m->arena, order, w->a, NULL).bytes;
    btl_mark mark = btl_arena_mark(w->a);
    int n = m->all->nstores, nbuffers = 0, nhosts = 0, *first = BTL_ARRAY(w->a, int, n + 1), *last = BTL_ARRAY(w->a, int, n + 1);
    btl_buffer *buffers = BTL_ARRAY(w->a, btl_buffer, n + 1);
    btl_host *hosts = BTL_ARRAY(w->a, btl_host, n + 1);
    btl_liveness_spans(m->all, order, w->a, first, last);
    for (int i = 0; i < n; i++)
        if (m->is_result[i]) hosts[nhosts++] = (btl_host){ (size_t)m->all->bytes[i], first[i] };
        else buffers[nbuffers++] = (btl_buffer){ .first = first[i], .last = last[i], .bytes = (size_t)m->all->bytes[i] };
    btl_guests_take_out(w->a, nbuffers, buffers, nhosts, hosts, VM_ALIGN);
    int64_t needs = (int64_t)btl_plan_live_peak(w->a, nbuffers, buffers, 1);
    btl_arena_reset(w->a, mark);
    return needs;
}

/* The order of the least peak in the arena, or in all: the later results are made, the more of the arena can lie in their memory until then. NULL: none is
 * below the given one. */
static int *arrange_search(const arrange *w, const arrange_measure *m, const int *given) {
    btl_order best = btl_order_find(w->a, m->arena, given, btl_ordering_budget(w->f->ordering));
    int *found = best.peak < best.given_peak ? best.ops : NULL;
    int64_t least = arrange_needs(w, m, given), needs = found ? arrange_needs(w, m, found) : least;
    if (needs > least) found = NULL; /* it spoils what results could have taken in */
    else least = needs;
    if (!m->results || !least || m->results < least / ARRANGE_RESULTS) return found;
    best = btl_order_find(w->a, m->all, given, btl_ordering_budget(w->f->ordering));
    return arrange_needs(w, m, best.ops) < least ? best.ops : found;
}

/* An order of less memory than the given one, if there is one for sizes of every kind. */
static void arrange_find_order(const arrange *w, int *order) {
    if (w->f->ordering == BTL_ORDERING_GIVEN || w->p.nsteps < 3 || (w->p.nsteps > ARRANGE_MOST && w->f->ordering == BTL_ORDERING_FAST)) return;
    int nsizes = arrange_is_symbolic(w) ? ARRANGE_NSIZES : 1, *found = NULL;
    for (int i = 0; i < nsizes; i++) {
        arrange_measure m;
        if (!arrange_measure_at(w, arrange_sizes[i], i == 0, &m)) return;
        if (i == 0) {
            if (w->f->ordering == BTL_ORDERING_FAST && nsizes == 1 && btl_liveness_peak(m.arena, order, w->a, NULL).bytes < ARRANGE_LITTLE) return;
            if (!(found = arrange_search(w, &m, order))) return;
        } else if (arrange_needs(w, &m, found) > arrange_needs(w, &m, order)) {
            return;
        }
    }
    memcpy(order, found, (size_t)w->p.nsteps * sizeof *order);
}

/* Where a step waits for one that stands behind it, as the first part of a whole does for the whole's memory: it waits till that one's turn, or that one comes
 * before it, whichever keeps less. */
static void arrange_begin(const arrange *w, const btl_alias *alias, int *order) {
    arrange_measure m;
    int *listed = BTL_ARRAY(w->a, int, w->p.nsteps + 1);
    btl_alias_order(alias, order);
    btl_alias_listed(alias, listed);
    if (memcmp(order, listed, (size_t)w->p.nsteps * sizeof *order) == 0 || !arrange_measure_at(w, arrange_sizes[0], false, &m)) return;
    if (arrange_needs(w, &m, listed) < arrange_needs(w, &m, order)) memcpy(order, listed, (size_t)w->p.nsteps * sizeof *order);
}

static void arrange_reorder(arrange *w, const int *order) {
    int n = w->f->ninstrs;
    vm_instr *old = BTL_ARRAY(w->a, vm_instr, n + 1);
    if (n) memcpy(old, w->f->instrs, (size_t)n * sizeof *old);
    for (int i = 0, at = 0; i < w->p.nsteps; i++)
        if (order[i] < n) w->f->instrs[at++] = old[order[i]];
}

/* Where memory is taken step by step, a new value for which memory must be taken may not be made behind one that is made in place. Notes such, and
 * says whether there are any. */
static bool arrange_must_retry(arrange *w) {
    bool found = false;
    if (!btl_vm_is_stepwise(w->f)) return false;
    for (int i = 0; i < w->f->nslots; i++)
        if (w->update[i] >= 0 && w->f->slots[i].into != w->update[i]) w->refused[i] = found = true;
    return found;
}

static void arrange_forget(btl_function *f) {
    for (int i = 0; i < f->nslots; i++) {
        if (f->slots[i].into >= 0 && f->slots[i].whole < 0) f->slots[i].at = NULL;
        f->slots[i].into = -1;
    }
}

static void arrange_find_peaks(const arrange *w, const int *order, int64_t *peaks) {
    for (int i = 0; i < ARRANGE_NSIZES; i++) {
        arrange_measure m;
        bool known = (i == 0 || arrange_is_symbolic(w)) && arrange_measure_at(w, arrange_sizes[i], false, &m);
        peaks[i] = known ? arrange_needs(w, &m, order) : 0;
    }
}

/* ---- memory that is shared by parts ----------------------------------------------------------- */

enum { ARRANGE_GROUPS = 8 /* that are tried without */, ARRANGE_MANY = 2000 /* instructions: compared as they stand, as what is in pieces is, without a search for an order each time */ };

/* What is not to be: slots that are not made as parts, slots of which no piece is written over. */
typedef struct arrange_without { bool *parts, *pieces; } arrange_without;

/* What came of the given instructions. */
typedef struct arranged {
    vm_slot *slots;
    vm_instr *instrs;
    int64_t peaks[ARRANGE_NSIZES];
    arrange_without without;
} arranged;

/* The slot of the memory of which this one is a part: the whole that is put together later, or what a piece of is written over; -1: it is none. */
static int arranged_group(const btl_function *f, const vm_slot *slots, int slot) {
    const vm_slot *s = &slots[slot];
    if (s->whole >= 0) return btl_vm_outermost(slots, slot);
    int root = s->into < 0 ? -1 : slots[s->into].root;
    return root < 0 || btl_type_elems(f->graph, &s->var->type) == btl_type_elems(f->graph, &slots[root].var->type) ? -1 : root;
}

static bool arranged_has_groups(const btl_function *f) {
    for (int i = 0; i < f->nslots; i++)
        if (arranged_group(f, f->slots, i) >= 0) return true;
    return false;
}

static arrange_without arrange_without_new(const btl_function *f, btl_arena *scratch, const arrange_without *like) {
    size_t n = (size_t)f->nslots + 1;
    if (!like) return (arrange_without){ BTL_ARRAY(scratch, bool, n), BTL_ARRAY(scratch, bool, n) };
    return (arrange_without){ btl_arena_copy(scratch, like->parts, n), btl_arena_copy(scratch, like->pieces, n) };
}

/* True: once more. Notes the peaks if they are to be compared, as they are where there are groups. `quick`: no order is looked for. */
static bool arrange_once(btl_function *f, btl_arena *a, bool *refused, const bool *without_pieces, bool quick, int64_t *peaks, bool *compared) {
    arrange w = { .f = f, .a = btl_arena_begin(a), .refused = refused, .without_pieces = without_pieces, .regions = f->regions };
    bool again = false;
    arrange_vars(&w);
    arrange_find_failures(&w);
    arrange_nodes(&w);
    arrange_collect(&w);
    if (w.n) qsort(w.proposals, (size_t)w.n, sizeof *w.proposals, arrange_order);
    btl_alias *alias = btl_alias_new(w.a, &w.p, NULL);
    if (alias) {
        int *order = BTL_ARRAY(w.a, int, w.p.nsteps + 1);
        arrange_propose(&w, alias);
        again = arrange_must_retry(&w);
        if (again) {
            arrange_forget(f);
        } else {
            arrange_begin(&w, alias, order);
            if (!quick) arrange_find_order(&w, order);
            *compared = *compared || arranged_has_groups(f);
            if (*compared) arrange_find_peaks(&w, order, peaks);
            arrange_reorder(&w, order);
        }
    }
    btl_arena_end(w.a);
    return again;
}

/* Each time one new value more is not made in place, so that it ends. Without groups nothing is noted, unless it is to be `compared`. */
static arranged arrange_with(btl_function *f, btl_arena *a, btl_arena *scratch, const vm_instr *given, const arrange_without *without, bool compared, bool quick) {
    arranged r = { .peaks = { 0 }, .without = *without };
    bool *refused = BTL_ARRAY(scratch, bool, f->nslots + 1);
    if (f->ninstrs) memcpy(f->instrs, given, (size_t)f->ninstrs * sizeof *given);
    arrange_forget(f);
    btl_vm_within(f, a, without->parts);
    while (arrange_once(f, scratch, refused, without->pieces, quick, r.peaks, &compared)) {}
    if (!compared) return r;
    r.slots = btl_arena_copy(scratch, f->slots, (size_t)f->nslots * sizeof *f->slots);
    r.instrs = btl_arena_copy(scratch, f->instrs, (size_t)f->ninstrs * sizeof *f->instrs);
    return r;
}

static bool arranged_is_above(const arranged *x, const arranged *y) {
    for (int i = 0; i < ARRANGE_NSIZES; i++)
        if (x->peaks[i] > y->peaks[i]) return true;
    return false;
}

/* A whole's memory is taken when the first of its parts is made, and memory whose pieces are written over stays until the last of those dies: where they are made or read far
 * apart, more may live than if they were copied. So it is done as far as the peak is not above that of doing neither, or one of both alone. */
static void arrange_compare(btl_function *f, btl_arena *a, btl_arena *scratch, const vm_instr *given, bool quick, arranged *best) {
    arrange_without without = best->without, all = arrange_without_new(f, scratch, NULL);
    const arrange_without one[2] = { { all.parts, without.pieces }, { without.parts, all.pieces } };
    bool *tried = BTL_ARRAY(scratch, bool, f->nslots + 1);
    memset(all.parts, true, (size_t)f->nslots * sizeof *all.parts), memset(all.pieces, true, (size_t)f->nslots * sizeof *all.pieces);
    arranged least = arrange_with(f, a, scratch, given, &all, true, quick), first = *best;
    for (int i = 0; i < 2 && arranged_is_above(best, &least); i++) {
        arranged other = arrange_with(f, a, scratch, given, &one[i], true, quick);
        if (!arranged_is_above(&other, &least)) least = other;
    }
    for (int slot = 0, n = 0; slot < f->nslots && n < ARRANGE_GROUPS && arranged_is_above(best, &least); slot++) {
        int group = arranged_group(f, first.slots, slot);
        if (group < 0 || tried[group]) continue;
        tried[group] = true, n++;
        arrange_without more = arrange_without_new(f, scratch, &without);
        more.pieces[group] = true;
        for (int i = 0; i < f->nslots; i++) more.parts[i] |= first.slots[i].whole >= 0 && arranged_group(f, first.slots, i) == group;
        arranged less = arrange_with(f, a, scratch, given, &more, true, quick);
        if (!arranged_is_above(&less, best)) *best = less, without = more;
    }
    if (arranged_is_above(best, &least)) *best = least;
    memcpy(f->slots, best->slots, (size_t)f->nslots * sizeof *f->slots);
    memcpy(f->instrs, best->instrs, (size_t)f->ninstrs * sizeof *f->instrs);
}

void btl_vm_arrange(btl_function *f, btl_arena *a) {
    btl_arena *scratch = btl_arena_begin(a);
    const vm_instr *given = f->ninstrs ? btl_arena_copy(scratch, f->instrs, (size_t)f->ninstrs * sizeof *f->instrs) : NULL;
    arrange_without nothing = arrange_without_new(f, scratch, NULL);
    bool quick = f->ninstrs > ARRANGE_MANY || f->pieces.count;
    f->regions = arrange_regions(f, a);
    arranged best = arrange_with(f, a, scratch, given, &nothing, false, quick);
    if (best.slots) arrange_compare(f, a, scratch, given, quick, &best);
    if (quick) arrange_with(f, a, scratch, given, &best.without, false, false);
    btl_arena_end(scratch);
}

btl_onto btl_vm_arrange_candidates(btl_function *f, btl_arena *a) {
    arrange w = { .f = f, .a = btl_arena_begin(a) };
    const int **onto = BTL_ARRAY(a, const int *, 2 * f->nslots + 1); /* copies of results are numbered behind the slots */
    w.refused = BTL_ARRAY(w.a, bool, f->nslots + 1), w.regions = arrange_regions(f, w.a);
    arrange_vars(&w);
    arrange_find_failures(&w);
    arrange_collect(&w);
    for (int i = 0; i < w.n; i++) {
        const arrange_proposal *p = &w.proposals[i];
        int from = f->slots[f->instrs[p->instr].in[p->input]].root, n = 0; /* of a view, whose memory it is */
        if (p->is_update || !arrange_can(&w, p)) continue;
        while (onto[p->slot] && onto[p->slot][n] >= 0) n++;
        int *list = BTL_ARRAY(a, int, n + 2);
        if (n) memcpy(list, onto[p->slot], (size_t)n * sizeof *list);
        list[n] = from, list[n + 1] = -1;
        onto[p->slot] = list;
    }
    btl_arena_end(w.a);
    return onto;
}
