/* size.c - see size.h. SPDX-License-Identifier: BSD-3-Clause */
#include "vm/size.h"

#include "vm/memory.h"

#include "base/context.h"

#include <stdio.h>
#include <string.h>

static const char *size_name(const btl_graph *g, int symbol) {
    return g->dims.symbols[symbol]->name ? g->dims.symbols[symbol]->name : "?";
}

/* A size as text, in the caller's few bytes. */
static const char *size_text(const btl_graph *g, const btl_dim *d, char *text, size_t bytes) {
    int symbol = btl_dim_symbol_index(d);
    int64_t value;
    if (symbol >= 0) snprintf(text, bytes, "%s", size_name(g, symbol));
    else if (btl_dim_is_const(d, &value)) snprintf(text, bytes, "%lld", (long long)value);
    else snprintf(text, bytes, "an expression of sizes");
    return text;
}

/* ---- binding ----------------------------------------------------------------------------- */

static btl_status size_bind_given(vm_workspace *w, const btl_call_options *o, btl_error *err) {
    const btl_graph *g = w->f->graph;
    for (int i = 0; o && i < o->nsizes; i++) {
        if (o->size_values[i] < 0)
            return btl_error_set(err, BTL_ESHAPE, "%s: size %s = %lld is negative", w->f->name, o->size_names[i], (long long)o->size_values[i]);
        int k = btl_dims_find(g, o->size_names[i]);
        if (k < 0) return btl_error_set(err, BTL_ENAME, "%s: no size of this function is named %s", w->f->name, o->size_names[i]);
        w->symbols[k] = o->size_values[i];
    }
    return BTL_OK;
}

/* Which argument bound a symbol, for the message when another one disagrees. */
static const char *size_binder(const btl_function *f, const btl_call_options *o, int symbol, int *axis) {
    const char *name = f->graph->dims.symbols[symbol]->name;
    *axis = -1;
    for (int i = 0; o && name && i < o->nsizes; i++)
        if (strcmp(o->size_names[i], name) == 0) return "the call";
    for (int i = 0; i < f->ninputs; i++) {
        const btl_type *t = &f->slots[f->inputs[i].slot].var->type;
        for (int k = 0; k < t->rank; k++)
            if (btl_dim_symbol_index(t->dims[k]) == symbol) {
                *axis = k;
                return f->inputs[i].name;
            }
    }
    return "the call";
}

static btl_status size_mismatch(vm_workspace *w, const btl_call_options *o, int input, int axis, int64_t found, int64_t expected, btl_error *err) {
    const btl_function *f = w->f;
    const vm_slot *slot = &f->slots[f->inputs[input].slot];
    const btl_dim *d = slot->var->type.dims[axis];
    int symbol = btl_dim_symbol_index(d), other_axis = 0;
    char size[80];
    size_text(f->graph, d, size, sizeof size);
    btl_status status;
    if (symbol >= 0) {
        const char *other = size_binder(f, o, symbol, &other_axis);
        char source[160];
        if (other_axis < 0) snprintf(source, sizeof source, "given by %s", other);
        else snprintf(source, sizeof source, "axis %d of %s", other_axis, other);
        status = btl_error_set(err, BTL_ESHAPE, "argument %s: axis %d has size %lld, but %s is %lld (%s); %s is %s", f->inputs[input].name,
                               axis, (long long)found, size, (long long)expected, source, f->inputs[input].name, f->inputs[input].type);
    } else {
        status = btl_error_set(err, BTL_ESHAPE, "argument %s: axis %d has size %lld, %lld expected; %s is %s", f->inputs[input].name, axis,
                               (long long)found, (long long)expected, f->inputs[input].name, f->inputs[input].type);
    }
    return btl_places_error(slot->var->node->places, NULL, status, err);
}

static btl_status size_bind_inputs(vm_workspace *w, const btl_call_options *o, btl_error *err) {
    const btl_function *f = w->f;
    for (int i = 0; i < f->ninputs; i++) {
        const btl_type *t = &f->slots[f->inputs[i].slot].var->type;
        for (int k = 0; k < t->rank; k++) {
            int symbol = btl_dim_symbol_index(t->dims[k]);
            if (symbol >= 0 && w->symbols[symbol] < 0) w->symbols[symbol] = w->given[i]->shape[k];
        }
    }
    for (int i = 0; i < f->ninputs; i++) {
        const btl_type *t = &f->slots[f->inputs[i].slot].var->type;
        for (int k = 0; k < t->rank; k++) {
            int64_t expected, found = w->given[i]->shape[k];
            int symbol = btl_dim_symbol_index(t->dims[k]);
            if (!btl_dim_eval(t->dims[k], w->symbols, &expected)) continue; /* reported where it is needed */
            if (expected != found) return size_mismatch(w, o, i, k, found, expected, err);
            const btl_dim *bound = symbol >= 0 ? f->graph->dims.symbols[symbol]->bound : NULL;
            if (bound && btl_dim_eval(bound, w->symbols, &expected) && found > expected)
                return btl_error_set(err, BTL_ESHAPE, "argument %s: axis %d has size %lld, above its bound %lld", f->inputs[i].name, k, (long long)found, (long long)expected);
        }
    }
    return BTL_OK;
}

/* ---- checks ------------------------------------------------------------------------------ */

static btl_status size_run_check(const vm_workspace *w, const vm_size_check *c, btl_error *err) {
    int64_t a, b;
    char x[80], y[80];
    const btl_graph *g = w->f->graph;
    if (!btl_dim_eval(c->a, w->symbols, &a) || !btl_dim_eval(c->b, w->symbols, &b) || a == b) return BTL_OK;
    btl_status status = btl_error_set(err, BTL_ESHAPE, "sizes that must be equal differ: %s is %lld, %s is %lld%s%s", size_text(g, c->a, x, sizeof x), (long long)a,
                                      size_text(g, c->b, y, sizeof y), (long long)b, c->message && *c->message ? "; " : "", c->message ? c->message : "");
    return c->node ? btl_places_error(c->node->places, c->node->op->name, status, err) : status;
}

btl_status btl_vm_size_late_checks(vm_workspace *w, btl_error *err) {
    for (int i = 0; i < w->f->nchecks; i++)
        if (w->f->checks[i].late) BTL_TRY(size_run_check(w, &w->f->checks[i], err));
    return BTL_OK;
}

/* ---- slots ------------------------------------------------------------------------------- */

static btl_status size_unknown(const vm_workspace *w, const vm_slot *s, const btl_dim *d, btl_error *err) {
    const btl_graph *g = w->f->graph;
    btl_status status = BTL_OK;
    for (int k = 0; k < g->dims.nsymbols && status == BTL_OK; k++)
        if (w->symbols[k] < 0 && g->dims.symbols[k]->name && !g->dims.symbols[k]->late && btl_dim_uses(d, k))
            status = btl_error_set(err, BTL_ESHAPE, "%s: the value of size %s is not known: no argument carries it; give it (%s=…)", w->f->name,
                                   g->dims.symbols[k]->name, g->dims.symbols[k]->name);
    if (status == BTL_OK) status = btl_error_set(err, BTL_ESHAPE, "a size is too large or unknown");
    return btl_places_error(s->var->node->places, s->var->node->op->name, status, err);
}

btl_status btl_vm_size_slot(vm_workspace *w, int slot, btl_error *err) {
    const vm_slot *s = &w->f->slots[slot];
    btl_operand *o = &w->operands[slot];
    int64_t *dims = w->shapes + s->shape_at, bytes = (int64_t)btl_dtype_bytes(o->dtype);
    for (int k = 0; k < o->rank; k++) {
        if (!btl_dim_eval(s->var->type.dims[k], w->symbols, &dims[k])) return size_unknown(w, s, s->var->type.dims[k], err);
        if (dims[k] < 0) {
            btl_status status = btl_error_set(err, BTL_ESHAPE, "axis %d would have the negative size %lld", k, (long long)dims[k]);
            return btl_places_error(s->var->node->places, s->var->node->op->name, status, err);
        }
        if (dims[k] && !btl_mul_i64(bytes, dims[k], &bytes)) { /* as NumPy: also where another one is 0 */
            btl_status status = btl_error_set(err, BTL_ESHAPE, "the sizes of an array multiply up to more bytes than can be addressed");
            return btl_places_error(s->var->node->places, s->var->node->op->name, status, err);
        }
    }
    size_t own = btl_dtype_bytes(o->dtype);
    for (int k = 0; k < o->rank; k++) own *= (size_t)dims[k];
    w->slot_bytes[slot] = own;
    int64_t at = 0;
    if (s->at && !btl_dim_eval(s->at, w->symbols, &at)) return size_unknown(w, s, s->at, err);
    w->slot_at[slot] = (size_t)at * btl_dtype_bytes(o->dtype);
    btl_strides_row_major(o->rank, dims, o->strides);
    for (int k = 0; s->strides && k < o->rank; k++)
        if (s->strides[k] && !btl_dim_eval(s->strides[k], w->symbols, &o->strides[k])) return size_unknown(w, s, s->strides[k], err);
    return BTL_OK;
}

btl_status btl_vm_size_values(vm_workspace *w, bool late, btl_error *err) {
    const btl_function *f = w->f;
    for (int i = 0; i < f->nsizes; i++)
        if (f->sizes[i]->late == late && !btl_dim_eval(f->sizes[i], w->symbols, &w->sizes[i]) && !late)
            return btl_error_set(err, BTL_ESHAPE, "%s: a size is too large or unknown", f->name);
    return BTL_OK;
}

bool btl_vm_work_is_known(const btl_function *f, const vm_instr *q) {
    const btl_op *op = q->node->op;
    if (q->kind != VM_RUN || !op->kernel || (op->flags & OP_OWN) || q->late) return false;
    for (int k = 0; op->workspace && k < q->nin; k++)
        if (!f->slots[q->in[k]].fixed) return false;
    return true;
}

/* Strides of views that follow from sizes, and the scratch of kernels that ask by them. Nothing is read: the data are anywhere. */
static void size_kernels(vm_workspace *w) {
    const btl_function *f = w->f;
    for (int i = 0; i < f->ninstrs; i++) {
        const vm_instr *q = &f->instrs[i];
        bool view = q->kind == VM_VIEW && !q->late && f->slots[q->out[0]].fixed;
        if (!view && !(btl_vm_work_is_known(f, q) && q->node->op->workspace)) continue;
        btl_exec x = { .node = q->node, .params = q->node->params, .nin = q->nin, .nout = q->nout, .in = w->exec_in, .out = w->exec_out, .symbols = w->symbols, .ctx = w->ctx };
        for (int k = 0; k < q->nin; k++) w->exec_in[k] = w->operands[q->in[k]], w->exec_in[k].data = (char *)w;
        for (int k = 0; k < q->nout; k++) w->exec_out[k] = w->operands[q->out[k]], w->exec_out[k].data = (char *)w;
        if (view) {
            q->node->op->view(&x); /* one that fails does so again when it runs */
            continue;
        }
        size_t bytes = q->node->op->workspace(&x);
        if (bytes > w->work_bytes) w->work_bytes = bytes;
    }
}

/* Scratch for the kernels whose need is known beforehand. */
static btl_status size_work(vm_workspace *w, btl_error *err) {
    w->work_bytes = w->f->strips_scratch;
    if (!w->f->any_late) size_kernels(w);
    for (int i = 0; i < w->f->ninstrs; i++) {
        const btl_dim *work = w->f->instrs[i].work;
        int64_t bytes;
        if (!work || work->late) continue;
        if (!btl_dim_eval(work, w->symbols, &bytes)) return btl_error_set(err, BTL_ENOMEM, "%s: the scratch of a kernel would be too large", w->f->name);
        if ((size_t)bytes > w->work_bytes) w->work_bytes = (size_t)bytes;
    }
    return BTL_OK;
}

/* Late sizes stand at their bounds while memory is planned. */
static btl_status size_at_bounds(vm_workspace *w, btl_error *err) {
    const btl_graph *g = w->f->graph;
    for (int k = 0; k < g->dims.nsymbols; k++) {
        const btl_symbol *s = g->dims.symbols[k];
        if (s->late && s->bound && !btl_dim_eval(s->bound, w->symbols, &w->symbols[k])) w->symbols[k] = -1;
    }
    btl_status status = BTL_OK;
    for (int i = 0; i < w->f->nbuffers && status == BTL_OK; i++) {
        int slot = w->f->buffer_slot[i];
        if (w->f->slots[slot].late) status = btl_vm_size_slot(w, slot, err);
    }
    for (int k = 0; k < g->dims.nsymbols; k++)
        if (g->dims.symbols[k]->late) w->symbols[k] = -1;
    return status;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void size_constants(vm_workspace *w) {
    for (int i = 0; i < w->f->nslots; i++)
        if (w->f->slots[i].storage == STORE_CONSTANT) w->operands[i].data = btl_array_data(btl_var_constant_array(w->f->slots[i].var));
}

btl_status btl_vm_size(vm_workspace *w, const btl_call_options *options, btl_error *err) {
    const btl_function *f = w->f;
    w->sized = false;
    for (int k = 0; k < f->graph->dims.nsymbols; k++) w->symbols[k] = -1;
    BTL_TRY(size_bind_given(w, options, err));
    BTL_TRY(size_bind_inputs(w, options, err));
    for (int i = 0; i < f->nchecks; i++)
        if (!f->checks[i].late) BTL_TRY(size_run_check(w, &f->checks[i], err));
    for (int i = 0; i < f->nslots; i++)
        if (!f->slots[i].late) BTL_TRY(btl_vm_size_slot(w, i, err));
    BTL_TRY(btl_vm_size_values(w, false, err));
    BTL_TRY(size_work(w, err));
    if (f->any_late) BTL_TRY(size_at_bounds(w, err));
    BTL_TRY(btl_vm_memory_plan(w, err));
    size_constants(w);
    w->sized = true;
    return BTL_OK;
}
