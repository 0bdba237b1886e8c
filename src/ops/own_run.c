/* own_run.c - running an op of one's own: its operands become btl_arrays, what it may not touch is kept from it, and
 * what it leaves is looked at. See own.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/own.h"

#include "base/array.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SMALL_ARRAYS = 12, SMALL_OUT = 4, WORK_ALIGN = 64 };

typedef struct own_run {
    btl_op_run run;          /* what the op sees */
    btl_exec *x;             /* &exec */
    btl_exec exec;           /* as it was given, but for `err`: what was recorded before is not the op's doing */
    btl_error mine;
    const own_op *op;
    btl_settings settings;
    btl_array *in, *out;
    int64_t *shapes;         /* copies of the results' sizes, BTL_MAX_RANK each: the op cannot change the real ones */
    void *block;             /* behind them, if there are many … */
    size_t block_bytes;
    void *made;              /* … and for work, if the caller gave none */
    size_t made_bytes;
    btl_array small[SMALL_ARRAYS];
    int64_t small_shapes[SMALL_OUT * BTL_MAX_RANK];
} own_run;

static btl_array own_array(const btl_operand *o, int64_t *shape, int64_t *strides) {
    btl_array a = btl_array_wrap(o->dtype, o->rank, shape, o->data);
    a.strides = strides;
    return a;
}

/* Says what the op broke, with its name in front. */
#define OWN_FAIL(x, ...) btl_error_set((x)->err, BTL_EPLUGIN, __VA_ARGS__)

static btl_status own_begin(own_run *r, const btl_exec *x, int nout) {
    r->exec = *x, r->x = &r->exec, r->exec.err = &r->mine;
    r->mine.status = BTL_OK, r->mine.message[0] = 0;
    r->op = own_of(x->node->op);
    r->settings = own_settings(x->node->op, x->params);
    r->block = r->made = NULL;
    r->in = r->small, r->shapes = r->small_shapes;
    if (x->nin + nout > SMALL_ARRAYS || nout > SMALL_OUT) {
        size_t arrays = (size_t)(x->nin + nout) * sizeof(btl_array), shapes = (size_t)nout * BTL_MAX_RANK * sizeof(int64_t);
        r->block_bytes = arrays + shapes;
        r->block = btl_alloc(x->ctx, r->block_bytes);
        if (!r->block) return btl_error_set(x->err, BTL_ENOMEM, "%s: no memory for its operands", x->node->op->name);
        r->in = r->block, r->shapes = (int64_t *)(void *)((char *)r->block + arrays);
    }
    r->out = r->in + x->nin;
    for (int i = 0; i < x->nin; i++) r->in[i] = own_array(&x->in[i], (int64_t *)(uintptr_t)x->in[i].dims, x->in[i].strides);
    for (int k = 0; k < nout; k++) {
        int64_t *shape = r->shapes + k * BTL_MAX_RANK;
        if (x->out[k].rank) memcpy(shape, x->out[k].dims, (size_t)x->out[k].rank * sizeof *shape);
        r->out[k] = own_array(&x->out[k], shape, NULL);
    }
    r->run = (btl_op_run){ .settings = &r->settings, .nin = x->nin, .nout = nout, .in = r->in, .out = nout ? r->out : NULL,
                           .ctx = x->ctx, .inside = r->x };
    return BTL_OK;
}

/* Passes on what went wrong, if something did. */
static btl_status own_end(own_run *r, btl_error *err, btl_status status) {
    btl_free(r->x->ctx, r->made, r->made_bytes);
    btl_free(r->x->ctx, r->block, r->block_bytes);
    if (status == BTL_OK && r->mine.status == BTL_OK) return BTL_OK;
    return btl_error_set(err, r->mine.status ? r->mine.status : status, "%s", r->mine.message);
}

/* What a function of the op returned, and what it asked for that is not there. */
static btl_status own_returned(const own_run *r, const char *function, btl_status status) {
    const char *name = r->op->op.name;
    if (r->settings.wrong)
        return OWN_FAIL(r->x, "%s: its %s asks for the setting %.60s as %s, which it does not have", name, function, r->settings.wrong, r->settings.wrong_kind);
    if (status == BTL_OK) return r->mine.status; /* it may have failed and forgotten to return that */
    return btl_error_set(r->x->err, status, "%s: its %s failed and does not say why", name, function);
}

/* ---- private copies of operands ---------------------------------------------------------------- */

static size_t own_aligned(size_t bytes) { return (bytes + WORK_ALIGN - 1) / WORK_ALIGN * WORK_ALIGN; }

static bool own_needs_copy(const own_op *o, const btl_operand *in, int i) {
    bool destroyed = i < 64 && (o->def.destroys >> i & 1);
    return destroyed || ((o->op.flags & OP_PACKED) && !btl_operand_is_row_major(in));
}

static size_t own_copy_bytes(const btl_exec *x) {
    const own_op *o = own_of(x->node->op);
    size_t bytes = 0;
    for (int i = 0; i < x->nin; i++)
        if (own_needs_copy(o, &x->in[i], i)) bytes += own_aligned((size_t)btl_operand_elems(&x->in[i]) * btl_dtype_bytes(x->in[i].dtype));
    return bytes;
}

static size_t own_work_bytes(own_run *r) { return r->op->def.workspace ? own_aligned(r->op->def.workspace(&r->run)) : 0; }

/* Its own scratch, the copies behind it, room to align. */
size_t btl_own_workspace(const btl_exec *x) {
    own_run r;
    size_t bytes = own_copy_bytes(x);
    if (own_of(x->node->op)->def.workspace) {
        if (own_begin(&r, x, x->nout) != BTL_OK) return SIZE_MAX / 2; /* which is no memory either */
        bytes += own_work_bytes(&r);
        own_end(&r, NULL, BTL_OK);
    }
    return bytes ? bytes + WORK_ALIGN : 0;
}

static void own_copy_operand(own_run *r, int i, char *to) {
    const btl_operand *from = &r->x->in[i];
    int64_t strides[BTL_MAX_RANK];
    btl_operand packed = { to, from->dtype, from->rank, from->dims, strides };
    btl_strides_row_major(from->rank, from->dims, strides);
    btl_operand_copy(&packed, from);
    r->in[i].data = to, r->in[i].strides = NULL;
}

static btl_status own_prepare(own_run *r) {
    btl_exec *x = r->x;
    size_t mine = own_work_bytes(r), copies = own_copy_bytes(x);
    char *work = x->work;
    if (mine + copies == 0) return BTL_OK;
    if (!work) { /* the reference evaluator */
        r->made_bytes = mine + copies + WORK_ALIGN;
        work = r->made = mine > SIZE_MAX / 4 || copies > SIZE_MAX / 4 ? NULL : btl_alloc(x->ctx, r->made_bytes);
        if (!work) return btl_error_set(x->err, BTL_ENOMEM, "%s: no memory for its scratch", r->op->op.name);
    }
    work = (char *)(((uintptr_t)work + WORK_ALIGN - 1) & ~(uintptr_t)(WORK_ALIGN - 1));
    if (mine) r->run.work = work;
    work += mine;
    for (int i = 0; i < x->nin; i++) {
        if (!own_needs_copy(r->op, &x->in[i], i)) continue;
        own_copy_operand(r, i, work);
        work += own_aligned((size_t)btl_operand_elems(&x->in[i]) * btl_dtype_bytes(x->in[i].dtype));
    }
    return BTL_OK;
}

/* ---- eval -------------------------------------------------------------------------------------- */

/* What it made of result k, beside what infer stated. */
static btl_status own_wrong_out(const own_run *r, int k) {
    const btl_operand *want = &r->x->out[k];
    const btl_array *a = &r->out[k];
    const char *name = r->op->op.name, *data = btl_array_data(a);
    char found[120], stated[120];
    btl_dtype dtype;
    btl_array_type_text(stated, sizeof stated, want->dtype, want->rank, want->dims);
    for (int i = 0; i < r->x->nin; i++) {
        const btl_operand *in = &r->x->in[i];
        int64_t bytes = btl_operand_elems(in) * (int64_t)btl_dtype_bytes(in->dtype);
        if (data != want->data && data >= (const char *)r->in[i].data && data < (const char *)r->in[i].data + bytes)
            return OWN_FAIL(r->x, "%s: its eval gives as result %d the memory of operand %d: it is a view, which it does not declare", name, k, i);
    }
    if (!btl_array_dtype(a, &dtype) || a->ndim < 0 || a->ndim > BTL_MAX_RANK || !(a->shape || !a->ndim))
        return OWN_FAIL(r->x, "%s: its eval makes of result %d, %s as its infer stated, something that is no array", name, k, stated);
    btl_array_type_text(found, sizeof found, dtype, a->ndim, a->shape);
    if (strcmp(found, stated) != 0) return OWN_FAIL(r->x, "%s: its eval makes result %d %s; its infer stated %s", name, k, found, stated);
    return OWN_FAIL(r->x, "%s: its eval gives result %d, %s, other %s than those it was given", name, k, stated, a->strides ? "strides" : "memory");
}

/* The results still are what infer stated. */
static btl_status own_check_out(const own_run *r) {
    for (int k = 0; k < r->x->nout; k++) {
        const btl_operand *want = &r->x->out[k];
        const btl_array *a = &r->out[k];
        btl_dtype dtype;
        bool same = a->data == want->data && a->byte_offset == 0 && !a->strides && btl_array_dtype(a, &dtype) && dtype == want->dtype &&
                    a->ndim == want->rank && a->shape == r->shapes + k * BTL_MAX_RANK;
        for (int i = 0; same && i < want->rank; i++) same = a->shape[i] == want->dims[i];
        if (!same) return own_wrong_out(r, k);
    }
    return BTL_OK;
}

btl_status btl_own_eval(btl_exec *x) {
    own_run r;
    btl_status status = own_begin(&r, x, x->nout);
    if (status == BTL_OK) status = own_prepare(&r);
    if (status == BTL_OK) status = own_returned(&r, "eval", r.op->def.eval(&r.run));
    if (status == BTL_OK) status = own_check_out(&r);
    return own_end(&r, x->err, status);
}

/* ---- view -------------------------------------------------------------------------------------- */

/* The bytes that elements lie in, from the first element on. False: there are none. */
static bool own_span(int rank, const int64_t *dims, const int64_t *strides, int64_t size, int64_t *lo, int64_t *hi) {
    *lo = 0, *hi = size;
    for (int i = 0; i < rank; i++) {
        int64_t reach;
        if (dims[i] == 0) return false;
        if (!btl_mul_i64(dims[i] - 1, strides[i], &reach) || !btl_mul_i64(reach, size, &reach)) reach = INT64_MAX / 64;
        *(reach < 0 ? lo : hi) += reach;
    }
    return true;
}

/* What the op made of its result: only data and strides are its own to set, and all elements are the operand's. */
static btl_status own_check_view(const own_run *r, const int64_t *strides) {
    const btl_operand *in = &r->x->in[0], *out = &r->x->out[0];
    const btl_array *a = &r->out[0];
    const char *name = r->op->op.name;
    int64_t size = (int64_t)btl_dtype_bytes(out->dtype), lo, hi, from = 0, to = 0;
    bool same = a->strides == strides && a->ndim == out->rank && a->shape == r->shapes;
    for (int i = 0; same && i < out->rank; i++) same = a->shape[i] == out->dims[i];
    if (!same) return OWN_FAIL(r->x, "%s: its view changes the sizes that its infer stated", name);
    if (!own_span(out->rank, out->dims, strides, size, &lo, &hi)) return BTL_OK;
    int64_t at = (int64_t)((intptr_t)btl_array_data(a) - (intptr_t)in->data);
    if (own_span(in->rank, in->dims, in->strides, size, &from, &to) && at % size == 0 && at + lo >= from && at + hi <= to) return BTL_OK;
    return OWN_FAIL(r->x, "%s: its view reaches beyond its operand: from byte %lld to byte %lld, where the operand has %lld to %lld", name,
                    (long long)(at + lo), (long long)(at + hi), (long long)from, (long long)to);
}

btl_status btl_own_view(btl_exec *x) {
    own_run r;
    int64_t strides[BTL_MAX_RANK] = { 0 };
    btl_status status = own_begin(&r, x, 1);
    if (status == BTL_OK) {
        r.out[0].data = x->in[0].data, r.out[0].strides = strides;
        btl_strides_row_major(x->out[0].rank, x->out[0].dims, strides);
        status = own_returned(&r, "view", r.op->def.view(&r.run));
    }
    if (status == BTL_OK) status = own_check_view(&r, strides);
    if (status == BTL_OK) {
        x->out[0].data = btl_array_data(&r.out[0]);
        if (x->out[0].rank) memcpy(x->out[0].strides, strides, (size_t)x->out[0].rank * sizeof *strides);
    }
    return own_end(&r, x->err, status);
}

/* ---- measure ------------------------------------------------------------------------------------- */

btl_status btl_op_run_measured(btl_op_run *r, int k, int axis, int64_t size) {
    btl_exec *x = r->inside;
    const btl_node *n = x->node;
    bool there = k >= 0 && k < n->nout && axis >= 0 && axis < n->out[k].type.rank;
    const btl_dim *d = there ? n->out[k].type.dims[axis] : NULL;
    if (!d || btl_dim_symbol_index(d) < 0 || !d->late)
        return OWN_FAIL(x, "%s: its measure gives the size of axis %d of result %d, which is not one that only a run can tell", n->op->name, axis, k);
    if (size < 0) return OWN_FAIL(x, "%s: its measure gives axis %d of result %d the size %lld", n->op->name, axis, k, (long long)size);
    x->symbols[d->symbol] = size;
    return BTL_OK;
}

static btl_status own_check_measured(const own_run *r) {
    const btl_node *n = r->x->node;
    for (int k = 0; k < n->nout; k++)
        for (int i = 0; i < n->out[k].type.rank; i++) {
            const btl_dim *d = n->out[k].type.dims[i];
            if (d->late && btl_dim_symbol_index(d) >= 0 && r->x->symbols[d->symbol] < 0)
                return OWN_FAIL(r->x, "%s: its measure does not tell the size of axis %d of result %d", r->op->op.name, i, k);
        }
    return BTL_OK;
}

btl_status btl_own_measure(btl_exec *x) {
    own_run r;
    btl_status status = own_begin(&r, x, 0);
    if (status == BTL_OK) status = own_returned(&r, "measure", r.op->def.measure(&r.run));
    if (status == BTL_OK) status = own_check_measured(&r);
    return own_end(&r, x->err, status);
}

/* ---- what an op may ask ---------------------------------------------------------------------------- */

int64_t btl_op_run_size(const btl_op_run *r, const btl_dim *d) {
    int64_t value;
    return d && btl_dim_eval(d, r->inside->symbols, &value) ? value : -1;
}

btl_status btl_op_run_fail(btl_op_run *r, btl_status status, const char *format, ...) {
    char text[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (status == BTL_OK) status = BTL_EPLUGIN;
    return btl_error_set(r->inside->err, status, "%s: %s", r->inside->node->op->name, text);
}
