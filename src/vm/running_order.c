/* running_order.c - see running_order.h. SPDX-License-Identifier: BSD-3-Clause */
#include "vm/running_order.h"

#include "base/context.h"
#include "vm/memory.h"
#include "vm/storage.h"
#include "vm/within.h"

#include <math.h>
#include <string.h>

typedef struct running {
    btl_arena *a;
    const btl_function *f;
    int64_t *symbols;
    btl_schedule *s;
    btl_schedule_value *values;
    btl_schedule_step *steps;
    int *made;               /* by slot: the instruction that makes it, or -1 */
    int *room;               /* by result: a value that stands for its memory, taken before it is copied, or -1 */
    btl_error *err;
} running;

/* Late sizes stand at their bounds, as where memory is planned. */
static void running_bounds(running *o) {
    const btl_graph *g = o->f->graph;
    for (int k = 0; k < g->dims.nsymbols; k++) {
        const btl_symbol *s = g->dims.symbols[k];
        if (s->late && (!s->bound || !btl_dim_eval(s->bound, o->symbols, &o->symbols[k]))) o->symbols[k] = -1;
    }
}

static btl_status running_bytes(const running *o, const vm_slot *slot, int64_t *bytes) {
    const btl_type *t = &slot->var->type;
    int axis = btl_type_bytes(t, o->symbols, bytes);
    if (axis < 0) return BTL_OK;
    if (slot->late) {
        *bytes = 0;
        return BTL_OK;
    }
    btl_status status = btl_error_set(o->err, BTL_ESHAPE, "the size of %s is unknown or too large: axis %d of %s", slot->var->name ? slot->var->name : slot->var->node->op->name, axis,
                                      btl_type_text(o->f->graph, t));
    return btl_places_error(slot->var->node->places, slot->var->node->op->name, status, o->err);
}

static btl_status running_value(running *o, int i) {
    const vm_slot *slot = &o->f->slots[i];
    btl_schedule_value *v = &o->values[i];
    *v = (btl_schedule_value){ .name = slot->var->name, .places = slot->var->node->places, .type = &slot->var->type, .into = slot->into,
                               .is_protected = slot->storage == STORE_INPUT || slot->storage == STORE_CONSTANT, .is_result = slot->storage == STORE_OUTPUT && slot->whole < 0 };
    return running_bytes(o, slot, &v->bytes);
}

/* What is read at the end. */
static void running_ends(running *o) {
    const btl_function *f = o->f;
    for (int i = 0; i < f->noutputs; i++)
        if (!f->outputs[i].copy) o->values[f->outputs[i].slot].is_output = true;
    for (int i = 0; i < f->nupdates; i++) o->values[f->updates[i].slot].is_output = true;
    for (int i = 0; i < f->nasserts; i++) o->values[f->asserts[i].slot].is_output = true;
}

/* Multiplications of what contracts two operands of that many elements each to a third: m k, k n and m n give m n k. */
static double running_products(const running *o, const vm_instr *q) {
    double all = 1;
    const int at[3] = { q->in[0], q->in[1], q->out[0] };
    for (int i = 0; i < 3; i++) all *= (double)o->values[at[i]].bytes / (double)btl_dtype_bytes(o->values[at[i]].type->dtype);
    return sqrt(all);
}

/* Some nanoseconds: one for each 10 bytes that are read and written, and for each 25 products. */
static double running_cost(const running *o, const vm_instr *q) {
    double bytes = 0;
    for (int k = 0; k < q->nin; k++) bytes += (double)o->values[q->in[k]].bytes;
    for (int k = 0; k < q->nout; k++) {
        bytes += (double)o->values[q->out[k]].bytes;
        int into = o->values[q->out[k]].into;
        if (into >= 0 && o->f->slots[into].storage == STORE_SHARED) return (double)INFINITY; /* the state has changed by then */
    }
    bool contracts = q->kind == VM_RUN && q->nin >= 2 && !(q->node->op->flags & OP_IS_PURE_SHAPE) && o->values[q->in[0]].type->rank >= 2 && o->values[q->in[1]].type->rank >= 2;
    return q->kind == VM_VIEW ? 1 : 20 + bytes / 10 + (contracts ? running_products(o, q) / 25 : 0);
}

static btl_status running_step(running *o, int i) {
    const vm_instr *q = &o->f->instrs[i];
    btl_schedule_step *step = &o->steps[o->s->nsteps++];
    int64_t work = 0;
    if (q->work && !q->work->late && !btl_dim_eval(q->work, o->symbols, &work)) return btl_error_set(o->err, BTL_ENOMEM, "%s: the scratch of a kernel would be too large", o->f->name);
    *step = (btl_schedule_step){ .name = q->label ? q->label : btl_vm_label(o->a, q->node), .places = q->node->places, .nin = q->nin, .nout = q->nout, .in = q->in, .out = q->out, .workspace = work };
    if (q->kind == VM_VIEW) o->values[q->out[0]].nviews = 1, o->values[q->out[0]].views = q->in;
    step->cost = running_cost(o, q);
    return BTL_OK;
}

/* A result that is copied from a value that has its place elsewhere; `room`: its memory, if that was taken before; or -1. */
static void running_copy(running *o, const vm_output *output, int room) {
    int *io = BTL_ARRAY(o->a, int, 3);
    const btl_schedule_value *from = &o->values[output->slot];
    io[0] = output->slot, io[1] = room, io[2] = o->s->nvalues;
    o->values[o->s->nvalues++] = (btl_schedule_value){ .name = output->name, .places = from->places, .type = from->type, .bytes = from->bytes, .nviews = room >= 0, .views = io + 1, .into = -1,
                                                       .is_output = true, .is_result = true };
    o->steps[o->s->nsteps++] = (btl_schedule_step){ .name = "copy", .places = from->places, .nin = 1 + (room >= 0), .in = io, .nout = 1, .out = io + 2, .cost = 20 + (double)from->bytes / 5 };
}

static int running_take(running *o, const vm_output *output) {
    int *out = BTL_ARRAY(o->a, int, 1), room = *out = o->s->nvalues++;
    const btl_schedule_value *from = &o->values[output->slot];
    o->values[room] = (btl_schedule_value){ .name = output->name, .places = from->places, .type = from->type, .bytes = from->bytes, .into = -1 };
    o->steps[o->s->nsteps++] = (btl_schedule_step){ .name = "memory of a result", .places = from->places, .nout = 1, .out = out };
    return room;
}

/* Memory for these is taken before a state is changed, at instruction `at`; what is not there by then is copied behind its instruction. */
static void running_copies(running *o, int at) {
    for (int i = 0; i < o->f->noutputs; i++) {
        const vm_output *output = &o->f->outputs[i];
        if (!output->copy) continue;
        if (o->made[output->slot] < at) running_copy(o, output, -1);
        else o->room[i] = running_take(o, output);
    }
}

static void running_copies_behind(running *o, int instr) {
    for (int i = 0; i < o->f->noutputs; i++)
        if (o->room[i] >= 0 && o->made[o->f->outputs[i].slot] == instr) running_copy(o, &o->f->outputs[i], o->room[i]);
}

static void running_makers(running *o) {
    const btl_function *f = o->f;
    o->made = BTL_ARRAY(o->a, int, f->nslots + 1), o->room = BTL_ARRAY(o->a, int, f->noutputs + 1);
    for (int i = 0; i < f->nslots; i++) o->made[i] = -1;
    for (int i = 0; i < f->noutputs; i++) o->room[i] = -1;
    for (int i = 0; i < f->ninstrs; i++)
        for (int k = 0; k < f->instrs[i].nout; k++) o->made[f->instrs[i].out[k]] = i;
}

/* New values go into a state's own memory behind all that reads its old ones and all that can fail: behind all that stands before them. */
static void running_edges(running *o, int first_update) {
    int n = o->s->nsteps;
    btl_schedule_edge *edges = BTL_ARRAY(o->a, btl_schedule_edge, n + 1);
    for (int k = 0; k < first_update && first_update < n; k++) edges[o->s->nedges++] = (btl_schedule_edge){ k, first_update };
    for (int k = first_update + 1; k < n; k++) edges[o->s->nedges++] = (btl_schedule_edge){ k - 1, k };
    o->s->edges = edges;
}

btl_status btl_vm_schedule(btl_arena *a, const btl_function *f, const int64_t *symbols, btl_schedule **out, btl_error *err) {
    running o = { .a = a, .f = f, .err = err, .s = BTL_NEW(a, btl_schedule) };
    o.symbols = btl_arena_copy(a, symbols, (size_t)(f->graph->dims.nsymbols + 1) * sizeof *symbols);
    o.values = BTL_ARRAY(a, btl_schedule_value, f->nslots + 2 * f->noutputs + btl_vm_nparts(f) + 1);
    o.steps = BTL_ARRAY(a, btl_schedule_step, f->ninstrs + 2 * f->noutputs + 1);
    *o.s = (btl_schedule){ .nvalues = f->nslots, .values = o.values, .steps = o.steps };
    running_bounds(&o);
    for (int i = 0; i < f->nslots; i++) BTL_TRY(running_value(&o, i));
    running_ends(&o);
    running_makers(&o);
    int first_update = f->first_update, *step_of = BTL_ARRAY(a, int, f->ninstrs + 1);
    for (int i = 0; i < f->ninstrs; i++) {
        if (i == f->first_update) running_copies(&o, i), first_update = o.s->nsteps;
        step_of[i] = o.s->nsteps;
        BTL_TRY(running_step(&o, i));
        if (i >= f->first_update) running_copies_behind(&o, i);
    }
    if (f->first_update == f->ninstrs) running_copies(&o, f->ninstrs), first_update = o.s->nsteps;
    running_edges(&o, first_update);
    if (f->regions) o.s->disjoint = btl_regions_disjoint, o.s->user = btl_regions_at(a, f->regions, o.symbols);
    btl_vm_rooms(a, f, o.values, &o.s->nvalues, o.steps, &o.s->nsteps, step_of, false);
    *out = o.s;
    return BTL_OK;
}

/* The block as the function lays it out: its buffers are the storages made for its slots. */
static void running_offsets(btl_arena *scratch, const btl_function *f, const btl_schedule *s, btl_plan *p) {
    btl_buffer *buffers = btl_arena_copy(scratch, f->lives, (size_t)(f->nbuffers + 1) * sizeof *buffers);
    size_t *results = BTL_ARRAY(scratch, size_t, f->noutputs + 1);
    int *host = BTL_ARRAY(scratch, int, f->nbuffers + 1);
    for (int b = 0; b < f->nbuffers; b++) buffers[b].bytes = (size_t)s->values[f->buffer_slot[b]].bytes;
    for (int i = 0; i < f->noutputs; i++) results[i] = (size_t)s->values[f->outputs[i].slot].bytes;
    p->taken = p->taken_gc = (int64_t)btl_vm_offsets(f, scratch, buffers, results, host) + p->results;
    for (int b = 0; b < f->nbuffers; b++) {
        int store = p->store_of[f->buffer_slot[b]];
        if (store < 0) continue;
        p->stores[store].offset = (int64_t)buffers[b].offset;
        p->stores[store].host = host[b] < 0 ? -1 : p->store_of[f->outputs[host[b]].slot];
    }
}

btl_status btl_vm_plan(btl_arena *a, const btl_function *f, const btl_schedule *s, const btl_liveness *l, btl_policy policy, btl_plan *out, btl_error *err) {
    btl_arena *scratch = btl_arena_begin(a);
    int *order = BTL_ARRAY(scratch, int, s->nsteps + 1);
    for (int i = 0; i < s->nsteps; i++) order[i] = i;
    btl_status status = btl_plan_make(a, s, l, order, policy, VM_ALIGN, out, err);
    if (status == BTL_OK && policy == BTL_POLICY_ARENA && f->policy == policy) running_offsets(scratch, f, s, out);
    btl_arena_end(scratch);
    return status;
}
