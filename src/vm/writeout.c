/* writeout.c - a compiled function as files of its own: its tables, as target/c/standalone.c wants to know them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bitale/standalone.h"

#include "base/context.h"
#include "base/error.h"
#include "target/c/cnames.h"
#include "target/c/standalone.h"
#include "vm/generated.h"
#include "vm/state.h"

#include <string.h>

struct btl_standalone {
    btl_context *ctx;
    btl_arena arena;
    btl_standalone_info info;
};

typedef struct writeout {
    btl_function *f;
    const btl_standalone_options *o;
    btl_standalone *s;
    btl_arena *a;
    btl_unit unit;
    btl_c_function c;
    btl_c_slot *slots;
    btl_c_output *outputs;
    bool *filled;                /* by slot: some result is computed where it belongs */
    int noutputs;
    const char *note;
    btl_error *err;
} writeout;

/* ---- what cannot be written ---------------------------------------------------------------------- */

static btl_status writeout_refuse(const writeout *w, const btl_node *n, const char *why) {
    btl_status status = btl_error_set(w->err, BTL_EUNSUPPORTED, "%s", why);
    return btl_places_error(n->places, n->op->name, status, w->err);
}

static btl_status writeout_check_steps(const writeout *w) {
    for (int i = 0; i < w->f->ninstrs; i++) {
        const vm_instr *q = &w->f->instrs[i];
        if (!w->c.steps[i].has_text) return writeout_refuse(w, q->node, "this op has no C of its own, so the function cannot be written as C");
        for (int k = 0; k < q->nout; k++)
            if (w->f->slots[q->out[k]].late)
                return writeout_refuse(w, q->node, "a size of its result is known at run time only, so the function cannot be written as C\n    hint: bounds of slices and the like that "
                                                   "are numbers or sizes can be");
    }
    return BTL_OK;
}

static btl_status writeout_names(writeout *w) {
    const btl_standalone_options *o = w->o;
    const char *program = o->program && *o->program ? o->program : "program", *wish = strcmp(w->f->name, "main") == 0 ? program : w->f->name;
    w->c.stem = btl_cname_external(w->a, program);
    w->c.function = w->f->name;
    w->c.file = o->program;
    if (o->name) {
        const char *problem = btl_cname_problem(o->name);
        if (problem) return btl_error_set(w->err, BTL_ENAME, "%s cannot be the name of a C function: it %s", o->name, problem);
        w->c.name = o->name;
        return BTL_OK;
    }
    w->c.name = btl_cname_external(w->a, wish);
    const char *problem = btl_cname_problem(wish);
    if (problem) w->note = btl_arena_printf(w->a, "%s %s: the C function is named %s", wish, problem, w->c.name);
    return BTL_OK;
}

/* ---- values -------------------------------------------------------------------------------------- */

static void writeout_slots(writeout *w) {
    btl_function *f = w->f;
    w->slots = BTL_ARRAY(w->a, btl_c_slot, f->nslots + 1);
    for (int i = 0; i < f->nslots; i++) {
        const vm_slot *s = &f->slots[i];
        btl_c_slot *c = &w->slots[i];
        *c = (btl_c_slot){ .type = &s->var->type, .name = s->var->name, .index = s->index, .at = s->at, .strides = s->whole >= 0 ? s->strides : NULL };
        switch (s->storage) {
        case STORE_INPUT: c->place = C_IN; break;
        case STORE_SHARED: c->place = s->into >= 0 ? C_WORK : w->c.has_state ? C_STATE : C_IN; break;
        case STORE_CONSTANT: c->place = C_CONSTANT, c->constant = btl_var_constant_array(s->var); break;
        case STORE_OUTPUT: c->place = C_OUT; break;
        case STORE_VIEW: c->place = C_VIEW; break;
        case STORE_ARENA: case STORE_OWN: c->place = C_WORK; break;
        }
    }
    for (int i = 0; i < f->ninstrs; i++) {
        const btl_c_call *call = &w->c.steps[i].call;
        if (f->instrs[i].kind != VM_VIEW || (call->node->op->flags & OP_ROW_MAJOR)) continue;
        w->slots[f->instrs[i].out[0]].strides = call->view_strides;
    }
}

/* Does anything read the variable? */
static bool writeout_is_read(const writeout *w, int slot) {
    const btl_function *f = w->f;
    for (int i = 0; i < f->ninstrs; i++)
        for (int k = 0; k < f->instrs[i].nin; k++)
            if (f->instrs[i].in[k] == slot) return true;
    for (int i = 0; i < f->noutputs; i++)
        if (f->outputs[i].slot == slot) return true;
    for (int i = 0; i < f->nasserts; i++)
        if (f->asserts[i].slot == slot) return true;
    return false;
}

static void writeout_inputs(writeout *w) {
    btl_function *f = w->f;
    btl_c_input *in = BTL_ARRAY(w->a, btl_c_input, f->ninputs + f->nshared + 1);
    int n = 0;
    for (; n < f->ninputs; n++) in[n] = (btl_c_input){ f->inputs[n].name, f->inputs[n].type, f->inputs[n].slot, false, f->inputs[n].fallback };
    for (int i = 0; i < f->nshared && !w->c.has_state; i++) {
        if (!writeout_is_read(w, f->shared[i].slot)) continue;
        w->slots[f->shared[i].slot].index = n;
        in[n++] = (btl_c_input){ f->shared[i].name, btl_type_text(f->graph, &f->shared[i].type), f->shared[i].slot, true, NULL };
    }
    w->c.ninputs = n, w->c.inputs = in;
}

static void writeout_add_output(writeout *w, const char *name, const char *type, int slot, bool is_shared) {
    btl_c_slot *s = &w->slots[slot];
    bool direct = !w->filled[slot] && (s->place == C_OUT || s->place == C_WORK);
    if (direct) s->place = C_OUT, s->index = w->noutputs, w->filled[slot] = true;
    w->outputs[w->noutputs++] = (btl_c_output){ name, type, slot, is_shared, !direct };
}

/* Parts lie where their wholes do, which may have moved; those are made later, so that they stand behind them. */
static void writeout_parts(writeout *w) {
    for (int i = w->f->nslots - 1; i >= 0; i--) {
        int whole = w->f->slots[i].whole;
        if (whole >= 0) w->slots[i].place = w->slots[whole].place, w->slots[i].index = w->slots[whole].index;
    }
}

/* A new value is computed where the caller wants it; but into a state only when nothing can fail any more. */
static void writeout_outputs(writeout *w) {
    btl_function *f = w->f;
    w->outputs = BTL_ARRAY(w->a, btl_c_output, f->noutputs + f->nupdates + 1);
    w->filled = BTL_ARRAY(w->a, bool, f->nslots + 1);
    for (int i = 0; i < f->noutputs; i++) writeout_add_output(w, f->outputs[i].name, f->output_types[i], f->outputs[i].slot, false);
    for (int i = 0; i < f->nupdates && !w->c.has_state; i++) {
        const vm_shared *s = &f->shared[f->updates[i].shared];
        writeout_add_output(w, s->name, btl_type_text(f->graph, &s->type), f->updates[i].slot, true);
    }
    w->c.noutputs = w->noutputs, w->c.outputs = w->outputs;
    writeout_parts(w);
}

/* Buffers that are still in work memory, numbered anew. */
static void writeout_buffers(writeout *w) {
    btl_function *f = w->f;
    btl_buffer *lives = BTL_ARRAY(w->a, btl_buffer, f->nbuffers + f->nupdates + 1);
    int *slots = BTL_ARRAY(w->a, int, f->nbuffers + f->nupdates + 1), n = 0;
    for (int b = 0; b < f->nbuffers; b++) {
        bool used = false;
        for (BTL_EACH(k, f->tenants, b)) {
            int i = f->tenants.item[k];
            if (w->slots[i].place != C_WORK) continue;
            w->slots[i].index = n;
            if (!used && f->slots[i].whole < 0) slots[n] = i, lives[n] = f->lives[b], used = true;
        }
        n += used;
    }
    for (int i = 0; i < f->ninstrs; i++) /* new values that the library computes in a state's memory: a file's state is touched last */
        for (int k = 0; k < f->instrs[i].nout; k++) {
            int slot = f->instrs[i].out[k];
            if (f->slots[slot].storage != STORE_SHARED || w->slots[slot].place != C_WORK) continue;
            w->slots[slot].index = n, slots[n] = slot, lives[n++] = (btl_buffer){ .first = i, .last = f->ninstrs };
        }
    w->c.nbuffers = n, w->c.lives = lives, w->c.buffer_slot = slots;
}

static const char *writeout_type(writeout *w, const btl_array *a) {
    btl_type type = { .rank = a->ndim };
    const btl_dim **dims = BTL_ARRAY(w->a, const btl_dim *, a->ndim + 1);
    btl_array_dtype(a, &type.dtype);
    for (int k = 0; k < a->ndim; k++) dims[k] = btl_dim_const(w->f->graph, a->shape[k]);
    type.dims = dims;
    return btl_type_text(w->f->graph, &type);
}

/* All variables of the state, so that functions of one program agree on it. */
static btl_status writeout_state(writeout *w) {
    btl_function *f = w->f;
    const btl_state *state = w->o->state;
    if (!w->c.has_state) return BTL_OK;
    btl_c_shared *shared = BTL_ARRAY(w->a, btl_c_shared, state->n + 1);
    for (int i = 0; i < state->n; i++) {
        const vm_buffer *b = &state->buffers[i];
        shared[i] = (btl_c_shared){ b->name, writeout_type(w, &b->array), &b->array, -1 };
    }
    for (int i = 0; i < f->nshared; i++) {
        int k = btl_vm_state_find(state, f->shared[i].name);
        if (k < 0 || state->buffers[k].dtype != f->shared[i].type.dtype || state->buffers[k].array.ndim != f->shared[i].type.rank)
            return btl_error_set(w->err, BTL_EUSAGE, "%s: the state has no shared variable %s of that type", f->name, f->shared[i].name);
        for (int axis = 0; axis < f->shared[i].type.rank; axis++)
            if (!btl_dim_is(f->shared[i].type.dims[axis], state->buffers[k].array.shape[axis]))
                return btl_error_set(w->err, BTL_EUSAGE, "%s: shared variable %s of the state has other sizes", f->name, f->shared[i].name);
        w->slots[f->shared[i].slot].index = k;
        for (int u = 0; u < f->nupdates; u++)
            if (f->updates[u].shared == i) shared[k].update = f->updates[u].slot;
    }
    w->c.nshared = state->n, w->c.shared = shared;
    return BTL_OK;
}

static void writeout_checks(writeout *w) {
    btl_function *f = w->f;
    btl_c_check *checks = BTL_ARRAY(w->a, btl_c_check, f->nchecks + 1);
    btl_c_assert *asserts = BTL_ARRAY(w->a, btl_c_assert, f->nasserts + 1);
    for (int i = 0; i < f->nchecks; i++) checks[i] = (btl_c_check){ f->checks[i].a, f->checks[i].b, f->checks[i].node, f->checks[i].message };
    for (int i = 0; i < f->nasserts; i++) asserts[i] = (btl_c_assert){ f->asserts[i].slot, f->asserts[i].text, f->asserts[i].places };
    w->c.nchecks = f->nchecks, w->c.checks = checks;
    w->c.nasserts = f->nasserts, w->c.asserts = asserts;
}

/* ---- all of it ----------------------------------------------------------------------------------- */

static btl_status writeout_run(void *arg) {
    writeout *w = arg;
    btl_function *f = w->f;
    w->a = &w->s->arena;
    w->a->trap = f->graph->arena.trap; /* under the same protection */
    btl_unit_init(&w->unit, w->a, f->graph);
    btl_unit_step *steps = BTL_ARRAY(w->a, btl_unit_step, f->ninstrs + 1);
    w->c.steps = steps;
    w->c.nsteps = f->ninstrs, w->c.nslots = f->nslots;
    w->c.has_state = w->o->state != NULL && f->nshared > 0;
    w->c.align = w->o->align ? w->o->align : 64;
    w->c.cblas = w->o->cblas, w->c.with_main = w->o->with_main;
    BTL_TRY(writeout_names(w));
    BTL_TRY(btl_vm_code_steps(f, &w->unit, steps));
    BTL_TRY(writeout_check_steps(w));
    writeout_slots(w);
    w->c.slots = w->slots;
    writeout_inputs(w);
    writeout_outputs(w);
    BTL_TRY(writeout_state(w));
    writeout_buffers(w);
    writeout_checks(w);
    w->c.note = w->note;
    return btl_standalone_write(&w->unit, &w->c, &w->s->info, w->err);
}

static btl_status writeout_check_options(const btl_standalone_options *o, btl_error *err) {
    if (o->align && (o->align < 8 || o->align > 4096 || (o->align & (o->align - 1))))
        return btl_error_set(err, BTL_EVALUE, "align is %d; a power of two from 8 to 4096 is expected", o->align);
    return BTL_OK;
}

btl_status btl_standalone_new(btl_function *f, const btl_standalone_options *options, btl_standalone **out, btl_error *err) {
    static const btl_standalone_options none = { .struct_size = sizeof none };
    btl_error ignored = { 0 };
    if (!err) err = &ignored;
    *out = NULL;
    if (!f) return btl_error_set(err, BTL_EUSAGE, "btl_standalone_new: no function");
    writeout w = { .f = f, .o = options ? options : &none, .err = err };
    BTL_TRY(writeout_check_options(w.o, err));
    w.s = btl_alloc(f->ctx, sizeof *w.s);
    if (!w.s) return btl_error_set(err, BTL_ENOMEM, "%s: no memory for its C text", f->name);
    *w.s = (btl_standalone){ .ctx = f->ctx };
    btl_arena_init(&w.s->arena, f->ctx);
    btl_state *state = (btl_state *)w.o->state; /* for its lock: its values are read */
    if (state) pthread_rwlock_rdlock(&state->lock);
    btl_status status = btl_arena_protect(&f->graph->arena, writeout_run, &w);
    if (state) pthread_rwlock_unlock(&state->lock);
    w.s->arena.trap = NULL;
    if (status == BTL_OK) {
        *out = w.s;
        return BTL_OK;
    }
    if (err->status == BTL_OK) btl_error_set(err, status, "%s: its C text could not be made: %s", f->name, btl_status_text(status));
    btl_standalone_free(w.s);
    return status;
}

const btl_standalone_info *btl_standalone_look(const btl_standalone *s) { return &s->info; }

void btl_standalone_free(btl_standalone *s) {
    if (!s) return;
    btl_arena_deinit(&s->arena);
    btl_free(s->ctx, s, sizeof *s);
}
