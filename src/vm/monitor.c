/* monitor.c - checks=monitor: the host's hook around each node; and what checks and tools say of values.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/array.h"
#include "base/context.h"
#include "base/os.h"
#include "vm/checks.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- ranges ------------------------------------------------------------------------------------- */

static btl_range monitor_range(const btl_operand *x) {
    btl_range r = { 0 };
    const int64_t *strides[1] = { x->strides };
    bool real = btl_dtype_kind(x->dtype) == 'f';
    long double sum = 0;
    int64_t finite = 0;
    btl_walk w;
    for (btl_walk_begin(&w, x->rank, x->dims, 1, strides); w.more; btl_walk_next(&w)) {
        double value = x->dtype == BTL_U64 || real ? (double)btl_operand_real(x, w.at[0]) : (double)btl_operand_signed(x, w.at[0]);
        r.count++;
        if (isnan(value)) r.nan++;
        else if (isinf(value)) r.inf++;
        else {
            if (!finite || value < r.min) r.min = value;
            if (!finite || value > r.max) r.max = value;
            sum += (long double)value, finite++;
        }
    }
    if (finite) r.mean = (double)(sum / (long double)finite);
    return r;
}

void btl_array_range(const btl_array *a, btl_range *out) {
    int64_t strides[BTL_MAX_RANK];
    btl_operand x = btl_operand_of_array(a, strides);
    *out = monitor_range(&x);
}

const char *btl_vm_range_text(const btl_operand *x, char *text, size_t bytes) {
    btl_range r = monitor_range(x);
    if (r.count == 0) snprintf(text, bytes, "no elements");
    else if (r.nan + r.inf == r.count) snprintf(text, bytes, "%lld NaN, %lld infinite, none finite", (long long)r.nan, (long long)r.inf);
    else if (r.count == 1) snprintf(text, bytes, "%.9g", r.min);
    else snprintf(text, bytes, "min %.6g, max %.6g, mean %.6g; %lld NaN, %lld infinite", r.min, r.max, r.mean, (long long)r.nan, (long long)r.inf);
    return text;
}

/* ---- what checks share ------------------------------------------------------------------------------ */

const char *btl_vm_slot_text(const vm_workspace *w, int slot, const char *otherwise, char *text, size_t bytes) {
    const btl_operand *x = &w->operands[slot];
    const char *name = w->f->slots[slot].var->name;
    char type[120];
    snprintf(text, bytes, "%.80s: %s", name ? name : otherwise, btl_array_type_text(type, sizeof type, x->dtype, x->rank, x->dims));
    return text;
}

bool btl_vm_slot_is_read(const vm_watch *v, int slot) {
    const btl_function *f = v->f;
    for (int i = 0; i < f->ninstrs; i++)
        for (int k = 0; (f->instrs[i].needed_by & v->need) && k < f->instrs[i].nin; k++)
            if (f->instrs[i].in[k] == slot) return true;
    for (int i = 0; i < f->noutputs; i++)
        if (f->outputs[i].slot == slot && (vm_need_bit(i) & v->need)) return true;
    return false;
}

void btl_error_add(btl_error *err, const char *format, ...) {
    size_t n = strlen(err->message);
    va_list args;
    va_start(args, format);
    vsnprintf(err->message + n, sizeof err->message - n, format, args);
    va_end(args);
}

/* ---- the hook ----------------------------------------------------------------------------------------- */

bool btl_node_place(const btl_node_view *n, int i, const char **file, int *line, int *column, const char **source) {
    const btl_places *p = n->inside;
    while (p && i-- > 0) p = p->more;
    if (!p) return false;
    if (file) *file = p->place->file;
    if (line) *line = p->place->line;
    if (column) *column = p->place->column;
    if (source) *source = p->place->source;
    return true;
}

static void monitor_arrays(const vm_workspace *w, int n, const int *slots, btl_array *arrays, const char **names) {
    for (int k = 0; k < n; k++) {
        const btl_operand *x = &w->operands[slots[k]];
        arrays[k] = btl_array_of_operand(x);
        arrays[k].strides = x->strides;
        names[k] = w->f->slots[slots[k]].var->name;
    }
}

static btl_status monitor_stopped(const vm_watch *v, const vm_instr *instr, btl_status status) {
    if (status == BTL_OK || v->err->status != BTL_OK) return status;
    return btl_places_error(instr->node->places, NULL, btl_error_set(v->err, status, "the monitor ends the call at %.200s: %s", instr->label, btl_status_text(status)), v->err);
}

static btl_status monitor_show(vm_watch *v, int number, btl_array *arrays, const char **names) {
    const vm_instr *instr = &v->f->instrs[number];
    const btl_monitor *m = v->monitor;
    const btl_place *p = instr->node->places ? instr->node->places->place : NULL;
    btl_node_view view = { .f = v->f, .index = number, .count = v->f->ninstrs, .op = instr->label, .nin = instr->nin, .nout = instr->nout, .in = arrays, .in_names = names,
                           .out_names = names + instr->nin, .inside = instr->node->places };
    if (p) view.file = p->file, view.line = p->line, view.column = p->column;
    monitor_arrays(v->w, instr->nin, instr->in, arrays, names);
    for (int k = 0; k < instr->nout; k++) names[instr->nin + k] = v->f->slots[instr->out[k]].var->name;
    if (m->before) BTL_TRY(monitor_stopped(v, instr, m->before(m->user, &view)));
    int64_t start = btl_os_now_ns();
    BTL_TRY(v->run(v->call, instr));
    view.seconds = (double)(btl_os_now_ns() - start) * 1e-9;
    monitor_arrays(v->w, instr->nout, instr->out, arrays + instr->nin, names + instr->nin);
    view.out = arrays + instr->nin;
    return m->after ? monitor_stopped(v, instr, m->after(m->user, &view)) : BTL_OK;
}

static btl_status monitor_step(vm_watch *v, int number) {
    enum { FEW = 32 };
    const vm_instr *instr = &v->f->instrs[number];
    btl_array few[FEW];
    const char *few_names[FEW];
    size_t n = (size_t)instr->nin + (size_t)instr->nout, bytes = n * (sizeof *few + sizeof *few_names);
    if (!v->monitor) return v->run(v->call, instr);
    if (n <= FEW) return monitor_show(v, number, few, few_names);
    btl_array *many = btl_alloc(v->f->ctx, bytes);
    if (!many) return btl_error_set(v->err, BTL_ENOMEM, "%s: no memory to show %zu operands", instr->label, n);
    btl_status status = monitor_show(v, number, many, (const char **)(void *)(many + n));
    btl_free(v->f->ctx, many, bytes);
    return status;
}

const btl_check btl_check_monitor = { .name = "monitor", .step = monitor_step };
