/* call.c - one call of a function: arguments, sizes, the run, assertions, results, updates.
 *
 * Everything that can fail comes before the first byte of the state changes: new values of shared
 * variables are computed beside the old ones and copied over at the very end, but for those that vm/arrange.c has put
 * behind everything that can fail.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/array.h"
#include "base/context.h"
#include "vm/checks.h"
#include "vm/memory.h"
#include "vm/size.h"
#include "vm/state.h"

#include <string.h>

typedef struct call {
    const btl_function *f;
    btl_state *state;
    const btl_array *in;
    btl_array *out;
    const btl_call_options *options;
    btl_error *err;
    vm_workspace *w;
    uint64_t need;      /* bits of the results, updates and assertions to be computed */
    const vm_code *code; /* the same through all of the call */
} call;

static bool call_wants(const call *c, int output) {
    return !c->options || !c->options->wanted || c->options->wanted[output];
}

/* ---- arguments --------------------------------------------------------------------------- */

/* DLPack's CPU, or an array that was cleared. */
static bool call_is_elsewhere(const btl_array *a) { return a->device.type != 1 && a->device.type != 0; }

static btl_status call_pack(call *c, int i) {
    vm_workspace *w = c->w;
    btl_array *packed = &w->packed[i];
    btl_dtype dtype = w->operands[c->f->inputs[i].slot].dtype;
    btl_status status = btl_array_new(w->ctx, dtype, w->given[i]->ndim, w->given[i]->shape, packed);
    if (status != BTL_OK) return btl_error_set(c->err, status, "argument %s: no memory for a row-major copy", c->f->inputs[i].name);
    btl_array_copy(packed, w->given[i]);
    w->given[i] = packed;
    return BTL_OK;
}

static btl_status call_wrong_type(const call *c, int i, const btl_array *a) {
    const vm_input *input = &c->f->inputs[i];
    btl_dtype dtype;
    bool known = btl_array_dtype(a, &dtype);
    const btl_operand *o = &c->w->operands[input->slot];
    if (call_is_elsewhere(a)) return btl_error_set(c->err, BTL_EVALUE, "argument %s lies on device type %d; this function runs on the CPU", input->name, a->device.type);
    if (!known || dtype != o->dtype)
        return btl_error_set(c->err, BTL_EDTYPE, "argument %s is %s, found %s", input->name, input->type, known ? btl_dtype_name(dtype) : "a type that Bitale does not have");
    if (a->ndim != o->rank)
        return btl_error_set(c->err, BTL_ESHAPE, "argument %s is %s: %d axes expected, found %d", input->name, input->type, o->rank, a->ndim);
    return btl_error_set(c->err, BTL_EVALUE, "argument %s has no data", input->name);
}

/* One argument; *resize is set where its shape is not that of the call before. */
static btl_status call_argument(call *c, int i, bool *resize) {
    vm_workspace *w = c->w;
    const vm_input *input = &c->f->inputs[i];
    btl_operand *o = &w->operands[input->slot];
    const btl_array *a = &c->in[i];
    if (!a->data && a->ndim == 0) {
        if (!input->fallback) return btl_error_set(c->err, BTL_EVALUE, "argument %s (%s) is missing", input->name, input->type);
        a = input->fallback;
    }
    w->given[i] = a;
    btl_dtype dtype = o->dtype;
    if (!btl_array_is(a, dtype) || a->ndim != o->rank || call_is_elsewhere(a)) return call_wrong_type(c, i, a);
    if (a->ndim && !a->shape) return btl_error_set(c->err, BTL_EUSAGE, "argument %s has no shape", input->name);
    int64_t elems = 1;
    for (int k = 0; k < o->rank; k++) {
        if (a->shape[k] < 0) return btl_error_set(c->err, BTL_ESHAPE, "argument %s: axis %d has the negative size %lld", input->name, k, (long long)a->shape[k]);
        *resize |= a->shape[k] != o->dims[k];
        if (!btl_mul_i64(elems, a->shape[k], &elems)) return btl_error_set(c->err, BTL_ESHAPE, "argument %s: its sizes multiply up to more than can be addressed", input->name);
    }
    if (!a->data && elems) return call_wrong_type(c, i, a);
    if (elems && (!btl_array_is_aligned(a, dtype) || (a->strides && !btl_array_is_contiguous(a)))) BTL_TRY(call_pack(c, i));
    o->data = btl_array_first(w->given[i]);
    return BTL_OK;
}

static btl_status call_arguments(call *c) {
    bool named = c->options && c->options->nsizes, resize = !c->w->sized || named || c->w->named;
    for (int i = 0; i < c->f->ninputs; i++) BTL_TRY(call_argument(c, i, &resize));
    c->w->named = named;
    return resize ? btl_vm_size(c->w, c->options, c->err) : BTL_OK;
}

/* ---- state ------------------------------------------------------------------------------- */

static btl_status call_map_state(call *c) {
    vm_workspace *w = c->w;
    const btl_function *f = c->f;
    for (int i = 0; i < f->nshared; i++) {
        int k = btl_vm_state_find(c->state, f->shared[i].name);
        if (k < 0) return btl_error_set(c->err, BTL_ENAME, "%s: the state has no shared variable %s", f->name, f->shared[i].name);
        const vm_buffer *b = &c->state->buffers[k];
        const btl_type *t = &f->shared[i].type;
        bool fits = b->dtype == t->dtype && b->array.ndim == t->rank;
        for (int axis = 0; fits && axis < t->rank; axis++) fits = btl_dim_is(t->dims[axis], b->array.shape[axis]);
        if (!fits) return btl_error_set(c->err, BTL_EDTYPE, "%s: shared variable %s of the state is of another type than the function's", f->name, f->shared[i].name);
        w->shared_index[i] = k;
    }
    w->layout = c->state->layout;
    return BTL_OK;
}

/* Is the new value computed in the shared variable's own memory? */
static bool call_is_in_place(const btl_function *f, int update) {
    const vm_slot *s = &f->slots[f->updates[update].slot];
    return s->storage == STORE_SHARED && s->into >= 0;
}

static btl_status call_state(call *c) {
    if (c->f->nshared == 0) return BTL_OK;
    if (c->w->layout != c->state->layout) {
        c->w->layout = 0;
        BTL_TRY(call_map_state(c));
    }
    for (int i = 0; i < c->f->nshared; i++)
        c->w->operands[c->f->shared[i].slot].data = btl_array_first(&c->state->buffers[c->w->shared_index[i]].array);
    for (int i = 0; i < c->f->nupdates; i++)
        if (call_is_in_place(c->f, i)) c->w->operands[c->f->updates[i].slot].data = c->w->operands[c->f->shared[c->f->updates[i].shared].slot].data;
    return BTL_OK;
}

/* ---- results ----------------------------------------------------------------------------- */

static btl_status call_check_buffer(const call *c, int i, const btl_array *a) {
    const btl_operand *o = &c->w->operands[c->f->outputs[i].slot];
    const char *name = c->f->outputs[i].name;
    if (!btl_array_is(a, o->dtype))
        return btl_error_set(c->err, BTL_EDTYPE, "result %s is %s: the buffer given for it is of another type", name, btl_dtype_name(o->dtype));
    if (call_is_elsewhere(a)) return btl_error_set(c->err, BTL_EVALUE, "result %s: the buffer given for it lies on device type %d", name, a->device.type);
    if (a->ndim && !a->shape) return btl_error_set(c->err, BTL_EUSAGE, "result %s: the buffer given for it has no shape", name);
    if (a->ndim != o->rank) return btl_error_set(c->err, BTL_ESHAPE, "result %s has %d axes, the buffer given for it %d", name, o->rank, a->ndim);
    for (int k = 0; k < o->rank; k++)
        if (a->shape[k] != o->dims[k])
            return btl_error_set(c->err, BTL_ESHAPE, "result %s: axis %d has size %lld, the buffer given for it %lld", name, k, (long long)o->dims[k], (long long)a->shape[k]);
    if (a->strides && !btl_array_is_contiguous(a)) return btl_error_set(c->err, BTL_EVALUE, "result %s: the buffer given for it is not row-major", name);
    return BTL_OK;
}

static btl_status call_make(call *c, int i) {
    const btl_operand *o = &c->w->operands[c->f->outputs[i].slot];
    btl_status status = btl_array_new(c->w->ctx, o->dtype, o->rank, o->dims, &c->w->made[i]);
    return status == BTL_OK ? BTL_OK : btl_error_set(c->err, status, "no memory for result %s", c->f->outputs[i].name);
}

static bool call_meet(const char *p, size_t bytes, const char *q, size_t n) {
    return (uintptr_t)p < (uintptr_t)q + n && (uintptr_t)q < (uintptr_t)p + bytes;
}

/* A buffer of the caller's that is also an argument's, or another result's (and one that is not aligned):
 * what others still read, or a new value of a shared variable, must not lie there. */
static bool call_must_be_aside(const call *c, int at) {
    const btl_array *a = &c->out[at];
    const char *p = btl_array_first(a);
    const size_t *bytes = c->w->slot_bytes, mine = bytes[c->f->outputs[at].slot];
    if (!btl_array_is_aligned(a, c->w->operands[c->f->outputs[at].slot].dtype)) return true;
    for (int i = 0; i < c->f->ninputs; i++) {
        int slot = c->f->inputs[i].slot;
        if (call_meet(p, mine, c->w->operands[slot].data, bytes[slot])) return true;
    }
    for (int i = 0; i < c->f->noutputs; i++)
        if (i != at && call_wants(c, i) && c->out[i].data && call_meet(p, mine, btl_array_first(&c->out[i]), bytes[c->f->outputs[i].slot])) return true;
    return false;
}

/* A result lies there, and what is made in it from the start. */
static void call_lay(call *c, int output, char *at) {
    btl_lists parts = c->f->parts;
    c->w->operands[c->f->outputs[output].slot].data = at;
    for (BTL_EACH(k, parts, output)) c->w->operands[parts.item[k]].data = at ? at + c->w->slot_at[parts.item[k]] : NULL;
}

/* Where the results that an instruction writes straight are to lie. Those that the call makes come with their instruction where memory is taken
 * step by step. */
static btl_status call_place_outputs(call *c) {
    bool later = btl_vm_is_stepwise(c->f);
    for (int i = 0; i < c->f->noutputs; i++) {
        const vm_output *output = &c->f->outputs[i];
        bool wanted = call_wants(c, i), callers = wanted && c->out[i].data;
        if (callers && !c->f->slots[output->slot].late) BTL_TRY(call_check_buffer(c, i, &c->out[i]));
        if (output->copy) {
            if (wanted && !callers && !c->f->slots[output->slot].late && !later) BTL_TRY(call_make(c, i));
            continue;
        }
        char *at = NULL; /* it comes with its instruction */
        if (callers && !call_must_be_aside(c, i)) {
            at = btl_array_first(&c->out[i]);
        } else if (!later) {
            BTL_TRY(call_make(c, i));
            at = btl_array_first(&c->w->made[i]);
        }
        call_lay(c, i, at);
        BTL_TRY(btl_vm_memory_lodge(c->w, i, at, c->err));
    }
    return BTL_OK;
}

/* Memory for results that are copied: those whose sizes only the run has told, and those that could wait. */
static btl_status call_copy_outputs(call *c) {
    for (int i = 0; i < c->f->noutputs; i++) {
        const vm_output *output = &c->f->outputs[i];
        if (!call_wants(c, i) || !output->copy) continue;
        bool late = c->f->slots[output->slot].late;
        if (!c->out[i].data && !c->w->made[i].data) BTL_TRY(call_make(c, i));
        else if (late && c->out[i].data) BTL_TRY(call_check_buffer(c, i, &c->out[i]));
    }
    return BTL_OK;
}

static void call_deliver(call *c) {
    for (int i = 0; i < c->f->noutputs; i++) {
        const vm_output *output = &c->f->outputs[i];
        btl_array *made = &c->w->made[i];
        if (!call_wants(c, i)) continue;
        bool callers = c->out[i].data != NULL;
        if (output->copy || (callers && made->data)) {
            int64_t strides[BTL_MAX_RANK];
            btl_operand to = btl_operand_of_array(callers ? &c->out[i] : made, strides);
            btl_operand_copy(&to, &c->w->operands[output->slot]);
        }
        if (callers) continue;
        c->out[i] = *made;
        *made = (btl_array){ 0 };
    }
}

/* ---- the run ----------------------------------------------------------------------------- */

static btl_status call_late(call *c, const vm_instr *instr, btl_exec *x) {
    if (instr->node->op->measure) {
        BTL_TRY(btl_exec_measure(x, c->f->graph));
        BTL_TRY(btl_vm_size_late_checks(c->w, c->err));
    }
    for (int k = 0; k < instr->nout; k++) {
        if (!c->f->slots[instr->out[k]].late) continue;
        BTL_TRY(btl_vm_size_slot(c->w, instr->out[k], c->err));
        if (c->f->slots[instr->out[k]].storage == STORE_OWN) BTL_TRY(btl_vm_memory_own(c->w, instr->out[k], c->err));
        x->out[k] = c->w->operands[instr->out[k]];
    }
    return btl_vm_size_values(c->w, true, c->err);
}

static btl_status call_strips(call *c, const vm_instr *instr, btl_exec *x) {
    const btl_param *shape = &instr->node->params[1];
    int64_t dims[BTL_MAX_RANK];
    for (int k = 0; k < shape->shape.n; k++)
        if (!btl_dim_eval(shape->shape.v[k], c->w->symbols, &dims[k])) return btl_error_set(c->err, BTL_ESHAPE, "a size is not known");
    bool apart = false;
    for (int k = 0; k < instr->nout; k++) apart |= c->f->slots[instr->out[k]].whole >= 0 && c->f->slots[instr->out[k]].strides;
    if (apart) return btl_strips_run_apart(instr->strips, x->in, x->out, dims, shape->shape.n, btl_vm_aligned(c->w->scratch), c->err);
    return btl_strips_run(instr->strips, x->nin, x->in, x->nout, x->out, dims, shape->shape.n, btl_vm_aligned(c->w->scratch), c->err);
}

static btl_status call_instr(call *c, const vm_instr *instr) {
    vm_workspace *w = c->w;
    btl_exec x = { .node = instr->node, .params = instr->node->params, .nin = instr->nin, .nout = instr->nout, .in = w->exec_in,
                   .out = w->exec_out, .symbols = w->symbols, .ctx = w->ctx, .err = c->err };
    for (int k = 0; k < instr->nin; k++) w->exec_in[k] = w->operands[instr->in[k]];
    for (int k = 0; k < instr->nout; k++) w->exec_out[k] = w->operands[instr->out[k]];
    if (instr->late) BTL_TRY(call_late(c, instr, &x));
    if (c->code && instr->kernel >= 0 && c->code->steps) {
        if (instr->work && instr->work->late) {
            int64_t bytes;
            if (!btl_dim_eval(instr->work, w->symbols, &bytes)) return btl_error_set(c->err, BTL_ENOMEM, "the scratch of a kernel would be too large");
            BTL_TRY(btl_vm_memory_scratch(w, (size_t)bytes, c->err));
        }
        if (!c->code->steps[instr->kernel](w->operands, w->sizes, instr->o, btl_vm_aligned(w->scratch), &c->f->services)) return BTL_OK;
    } /* it failed: the library's own says why */
    if (instr->kind == VM_STRIPS) return call_strips(c, instr, &x);
    if (instr->kind == VM_VIEW) {
        BTL_TRY(instr->node->op->view(&x));
        w->operands[instr->out[0]].data = x.out[0].data; /* strides: written in place */
        return BTL_OK;
    }
    if (instr->node->op->workspace) {
        BTL_TRY(btl_vm_memory_scratch(w, instr->node->op->workspace(&x), c->err));
        x.work = btl_vm_aligned(w->scratch);
    }
    return btl_exec_run(&x);
}

/* An instruction; `failed`: generated code could not, and this is to say why. */
static btl_status call_step(call *c, const vm_instr *instr, bool failed) {
    btl_status status = call_instr(c, instr);
    if (status == BTL_OK && failed) status = btl_error_set(c->err, BTL_EINTERNAL, "generated code failed where the library's own does not");
    if (status == BTL_OK) return BTL_OK;
    return btl_places_error(instr->node->places, instr->kind == VM_STRIPS ? NULL : instr->node->op->name, status, c->err);
}

static btl_status call_watched_step(void *c, const vm_instr *instr) { return call_step(c, instr, false); }

/* Where memory is taken step by step: what the instruction writes to; from the first one on that changes a state, all that is still to come. */
static btl_status call_before(call *c, int i) {
    const vm_instr *q = &c->f->instrs[i];
    if (i == c->f->first_update) BTL_TRY(call_copy_outputs(c));
    BTL_TRY(btl_vm_memory_before(c->w, i, c->err));
    for (int k = 0; k < q->nout; k++) {
        const vm_slot *s = &c->f->slots[q->out[k]];
        if (s->storage != STORE_OUTPUT || c->w->operands[q->out[k]].data) continue;
        BTL_TRY(call_make(c, s->index));
        call_lay(c, s->index, btl_array_first(&c->w->made[s->index]));
    }
    return BTL_OK;
}

/* All instructions that the call needs, by `step`; memory around them where that is taken step by step. */
static btl_status call_steps(call *c, btl_status (*step)(void *user, int i), void *user) {
    const btl_function *f = c->f;
    bool stepwise = btl_vm_is_stepwise(f);
    for (int i = 0; i < f->ninstrs; i++) {
        if (f->instrs[i].needed_by & c->need) {
            if (stepwise) BTL_TRY(call_before(c, i));
            BTL_TRY(step(user, i));
        }
        if (stepwise) btl_vm_memory_after(c->w, i);
    }
    return BTL_OK;
}

static const btl_check *const call_checks[] = { [CHECKS_NONE] = NULL, [CHECKS_DEBUG] = &btl_check_debug, [CHECKS_NAN] = &btl_check_nan, [CHECKS_MONITOR] = &btl_check_monitor };

static const btl_monitor *call_monitor(const call *c) { return c->options && BTL_HAS(c->options, monitor) ? c->options->monitor : NULL; }

typedef struct call_watch { vm_watch v; const btl_check *check; } call_watch;

static btl_status call_watch_step(void *user, int i) {
    call_watch *w = user;
    return w->check->step(&w->v, i);
}

static btl_status call_run_watched(call *c, const btl_check *check) {
    call_watch w = { { .f = c->f, .w = c->w, .code = c->code, .monitor = call_monitor(c), .need = c->need, .err = c->err, .run = call_watched_step, .call = c }, check };
    btl_status status = check->begin ? check->begin(&w.v) : BTL_OK;
    if (status == BTL_OK) status = call_steps(c, call_watch_step, &w);
    return check->end ? check->end(&w.v, status) : status;
}

static btl_status call_plain_step(void *c, int i) { return call_step(c, &((call *)c)->f->instrs[i], false); }

static btl_status call_run(call *c) {
    const btl_function *f = c->f;
    if (f->any_late)
        for (int k = 0; k < f->graph->dims.nsymbols; k++)
            if (f->graph->dims.symbols[k]->late) c->w->symbols[k] = -1;
    BTL_TRY(btl_vm_memory_scratch(c->w, c->w->work_bytes, c->err));
    BTL_TRY(btl_vm_memory_take(c->w, c->err));
    if (call_checks[f->watch]) return call_run_watched(c, call_checks[f->watch]);
    if (c->code && c->code->routine) {
        int failed = c->code->routine(c->w->operands, c->w->sizes, c->need, btl_vm_aligned(c->w->scratch), &f->services);
        return failed ? call_step(c, &f->instrs[failed - 1], true) : BTL_OK;
    }
    return call_steps(c, call_plain_step, c);
}

/* ---- the end ----------------------------------------------------------------------------- */

static btl_status call_asserts(call *c) {
    for (int i = 0; i < c->f->nasserts; i++) {
        const vm_assert *a = &c->f->asserts[i];
        if (btl_operand_signed(&c->w->operands[a->slot], 0)) continue;
        return btl_places_error(a->places, "assert", btl_error_set(c->err, BTL_EASSERT, "%s", a->text), c->err);
    }
    return BTL_OK;
}

static void call_commit(call *c) {
    for (int i = 0; i < c->f->nupdates; i++) {
        if (call_is_in_place(c->f, i)) continue;
        const btl_operand *value = &c->w->operands[c->f->updates[i].slot];
        btl_array *to = &c->state->buffers[c->w->shared_index[c->f->updates[i].shared]].array;
        memcpy(btl_array_first(to), value->data, (size_t)btl_array_elems(to) * btl_dtype_bytes(value->dtype));
    }
}

static btl_status call_locked(call *c) {
    BTL_TRY(call_state(c));
    BTL_TRY(call_place_outputs(c));
    BTL_TRY(call_run(c));
    BTL_TRY(call_asserts(c));
    BTL_TRY(call_copy_outputs(c));
    call_deliver(c);
    call_commit(c);
    return BTL_OK;
}

static btl_status call_with_state(call *c) {
    if (c->f->nshared == 0) return call_locked(c);
    if (!c->state) return btl_error_set(c->err, BTL_EUSAGE, "%s has shared variables: a state is needed", c->f->name);
    if (c->f->nupdates) pthread_rwlock_wrlock(&c->state->lock);
    else pthread_rwlock_rdlock(&c->state->lock);
    btl_status status = call_locked(c);
    pthread_rwlock_unlock(&c->state->lock);
    return status;
}

static void call_clean(call *c) {
    vm_workspace *w = c->w;
    for (int i = 0; i < c->f->noutputs; i++)
        if (w->made[i].data || w->made[i].shape) btl_array_free(&w->made[i]);
    for (int i = 0; i < c->f->ninputs; i++)
        if (w->packed[i].data || w->packed[i].shape) btl_array_free(&w->packed[i]);
}

btl_status btl_call(const btl_function *f, btl_state *s, const btl_array *in, btl_array *out, const btl_call_options *options, btl_error *err) {
    btl_error ignored;
    if (!err) ignored.status = BTL_OK, err = &ignored;
    if (!f || (f->ninputs && !in) || (f->noutputs && !out))
        return btl_error_set(err, BTL_EUSAGE, "btl_call: %s", !f ? "no function" : f->ninputs && !in ? "no arguments" : "no place for the results");
    call c = { .f = f, .state = s, .in = in, .out = out, .options = options, .err = err, .need = f->always,
               .code = atomic_load_explicit(&((btl_function *)f)->code, memory_order_acquire) };
    for (int i = 0; i < f->noutputs; i++)
        if (call_wants(&c, i)) c.need |= vm_need_bit(i);
    if (call_monitor(&c) && f->watch != CHECKS_MONITOR) return btl_error_set(err, BTL_EUSAGE, "%s: a monitor is given, but the function was not compiled with checks=monitor", f->name);
    btl_status status = btl_vm_workspace_take(f, &c.w);
    if (status != BTL_OK) return btl_error_set(err, status, "%s: no memory for a workspace", f->name);
    status = call_arguments(&c);
    if (status == BTL_OK) status = call_with_state(&c);
    if (status != BTL_OK && err->status == BTL_OK) btl_error_set(err, status, "%s: %s", f->name, btl_status_text(status));
    call_clean(&c);
    btl_vm_memory_give(c.w);
    btl_vm_workspace_give(f, c.w);
    return status;
}
