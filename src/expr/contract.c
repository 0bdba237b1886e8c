/* contract.c - see contract.h. SPDX-License-Identifier: BSD-3-Clause */
#include "expr/contract.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LARGE_BYTES = 1 << 20, ZONE_BYTES = 256, ZONE_MOST = 1 << 16, ZONE_ALIGN = 64, FILL_NAN = 0xff, FILL_OTHER = 0x11 };

typedef enum contract_layout { LIES_AS_GIVEN, LIES_TRANSPOSED, LIES_REVERSED, LIES_BROADCAST, NLAYOUTS } contract_layout;

static const char *const contract_layouts[NLAYOUTS] = { "as given", "transposed", "reversed and with gaps", "broadcast" };

/* A piece of memory with a zone on both sides. */
typedef struct contract_block { char *memory, *data; size_t capacity, all, bytes; int fill; } contract_block;

typedef struct contract {
    btl_arena *a;
    const btl_way *way;
    int nin, nout;
    const btl_operand *in, *out;
    btl_operand *laid, *made;
    contract_block *in_block, *out_block, work;
    char **kept;              /* of the operands' blocks, before the run */
    size_t *kept_bytes;
    char *why;
    size_t why_bytes;
    btl_error *err;
} contract;

__attribute__((format(printf, 2, 3)))
static btl_status contract_broken(contract *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(c->why, c->why_bytes, format, args);
    va_end(args);
    return BTL_ECHECK;
}

/* An op that takes f32 for f64 writes twice as far; one that takes a matrix's rows for its columns, once more. */
static void contract_block_make(btl_arena *a, contract_block *b, size_t bytes, int fill, size_t shift) {
    size_t zone = 7 * bytes < ZONE_MOST ? ZONE_BYTES + 7 * bytes : ZONE_MOST;
    zone = (zone + ZONE_ALIGN - 1) / ZONE_ALIGN * ZONE_ALIGN;
    b->bytes = bytes, b->fill = fill, b->all = bytes + 2 * zone + 2 * ZONE_ALIGN;
    if (b->all > b->capacity) b->memory = btl_arena_alloc(a, b->capacity = b->all);
    memset(b->memory, fill, b->all);
    b->data = (char *)(((uintptr_t)b->memory + zone + ZONE_ALIGN - 1) & ~(uintptr_t)(ZONE_ALIGN - 1)) + shift;
}

/* Are the zones as they were? */
static bool contract_is_whole(const contract_block *b) {
    const char fill = (char)b->fill;
    for (const char *p = b->memory; p < b->data; p++)
        if (*p != fill) return false;
    for (const char *p = b->data + b->bytes; p < b->memory + b->all; p++)
        if (*p != fill) return false;
    return true;
}

/* ---- operands ---------------------------------------------------------------------------------- */

/* Along which axes are all elements the same? */
static bool contract_is_constant(const btl_operand *x, int axis) {
    size_t size = btl_dtype_bytes(x->dtype);
    const int64_t *strides[1] = { x->strides };
    btl_walk w;
    for (btl_walk_begin(&w, x->rank, x->dims, 1, strides); w.more; btl_walk_next(&w)) {
        const char *p = x->data + w.at[0] * (int64_t)size;
        if (memcmp(p, p - w.index[axis] * x->strides[axis] * (int64_t)size, size) != 0) return false;
    }
    return true;
}

/* Strides of a layout; false: it is the one given. */
static bool contract_strides(const btl_operand *x, contract_layout layout, int64_t *strides) {
    bool other = false;
    if (layout == LIES_AS_GIVEN) {
        if (x->rank) memcpy(strides, x->strides, (size_t)x->rank * sizeof *strides);
        return false;
    }
    btl_strides_row_major(x->rank, x->dims, strides);
    int64_t step = 1;
    for (int k = 0; k < x->rank; k++) {
        switch (layout) {
        case LIES_TRANSPOSED: other |= x->rank > 1 && x->dims[k] > 1, strides[k] = step, step *= x->dims[k]; break;
        case LIES_REVERSED: other |= x->dims[k] > 1, strides[k] *= -2; break;
        default: break;
        }
    }
    for (int k = 0; layout == LIES_BROADCAST && k < x->rank; k++)
        if (x->dims[k] > 1 && contract_is_constant(x, k)) {
            other = true;
            strides[k] = 0;
        }
    return other;
}

/* The operand's elements in a block of their own. False: that layout is nothing new for it. */
static bool contract_lay(contract *c, int i, contract_layout layout, int fill) {
    const btl_operand *x = &c->in[i];
    int64_t *strides = BTL_ARRAY(c->a, int64_t, x->rank + 1), low = 0, high = 0, size = (int64_t)btl_dtype_bytes(x->dtype);
    bool other = contract_strides(x, layout, strides), empty = false;
    for (int k = 0; k < x->rank; k++) {
        empty |= x->dims[k] == 0;
        *(strides[k] < 0 ? &low : &high) += (x->dims[k] - 1) * strides[k];
    }
    size_t bytes = empty ? 0 : (size_t)((high - low + 1) * size);
    contract_block *b = &c->in_block[i];
    contract_block_make(c->a, b, bytes, fill, 0);
    c->laid[i] = (btl_operand){ b->data - (empty ? 0 : low * size), x->dtype, x->rank, x->dims, strides };
    if (!empty) btl_operand_copy(&c->laid[i], x);
    if (b->all > c->kept_bytes[i]) c->kept[i] = btl_arena_alloc(c->a, c->kept_bytes[i] = b->all);
    memcpy(c->kept[i], b->memory, b->all);
    return other;
}

static bool contract_lay_all(contract *c, contract_layout layout, int fill) {
    bool other = false;
    for (int i = 0; i < c->nin; i++) other |= contract_lay(c, i, layout, fill);
    return other;
}

static btl_status contract_check_operands(contract *c) {
    for (int i = 0; i < c->nin; i++) {
        const contract_block *b = &c->in_block[i];
        if ((i < 64 && c->way->destroys >> i & 1) || memcmp(b->memory, c->kept[i], b->all) == 0) continue;
        if (memcmp(b->data, c->kept[i] + (b->data - b->memory), b->bytes) != 0)
            return contract_broken(c, "its %s writes to operand %d, which it does not declare as destroyed", c->way->name, i);
        return contract_broken(c, "its %s writes beside operand %d", c->way->name, i);
    }
    return BTL_OK;
}

/* ---- one run -------------------------------------------------------------------------------------- */

static btl_status contract_run(contract *c, contract_block *blocks, int fill, size_t shift, btl_array *results) {
    for (int k = 0; k < c->nout; k++) {
        const btl_operand *o = &c->out[k];
        int64_t *strides = BTL_ARRAY(c->a, int64_t, o->rank + 1);
        size_t size = btl_dtype_bytes(o->dtype);
        btl_strides_row_major(o->rank, o->dims, strides);
        contract_block_make(c->a, &blocks[k], (size_t)btl_operand_elems(o) * size, fill, 8 * shift); /* any element's alignment: an op may lie about its type */
        c->made[k] = (btl_operand){ blocks[k].data, o->dtype, o->rank, o->dims, strides };
    }
    size_t work = c->way->work_bytes ? c->way->work_bytes(c->way->user, c->laid, c->made) : 0;
    if (work > SIZE_MAX / 4) return btl_error_set(c->err, BTL_ENOMEM, "its scratch would be too large");
    contract_block_make(c->a, &c->work, work, fill, 0);
    BTL_TRY(c->way->run(c->way->user, c->laid, c->made, work ? c->work.data : NULL, c->err));
    for (int k = 0; k < c->nout; k++) {
        if (!contract_is_whole(&blocks[k])) return contract_broken(c, "its %s writes beside result %d, which has %zu bytes", c->way->name, k, blocks[k].bytes);
        results[k] = btl_array_wrap(c->out[k].dtype, c->out[k].rank, (int64_t *)(uintptr_t)c->out[k].dims, blocks[k].data);
    }
    if (!contract_is_whole(&c->work)) return contract_broken(c, "its %s writes beside its scratch, which has %zu bytes", c->way->name, work);
    return contract_check_operands(c);
}

__attribute__((format(printf, 5, 6)))
static btl_status contract_compare(contract *c, const btl_array *got, const btl_array *want, bool near, const char *format, ...) {
    char why[600], text[300];
    btl_agreement exact = { 0 };
    for (int k = 0; k < c->nout; k++) {
        if (btl_arrays_agree(&got[k], &want[k], &exact, why, sizeof why)) continue;
        if (near && c->way->near && c->way->near(c->way->user, k, &got[k], &want[k], why, sizeof why)) continue;
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        return contract_broken(c, "%s result %d: %s", text, k, why);
    }
    return BTL_OK;
}

/* Which promise is it that the second run broke? Everything one by one. */
static btl_status contract_find_out(contract *c, const btl_array *want, btl_array *got) {
    const char *name = c->way->name;
    contract_lay_all(c, LIES_AS_GIVEN, FILL_NAN);
    BTL_TRY(contract_run(c, c->out_block, FILL_NAN, 0, got));
    BTL_TRY(contract_compare(c, got, want, false, "run twice on the same operands, its %s gives other values of", name));
    if (c->way->destroys) contract_lay_all(c, LIES_AS_GIVEN, FILL_NAN);
    BTL_TRY(contract_run(c, c->out_block, FILL_OTHER, 0, got));
    BTL_TRY(contract_compare(c, got, want, false, "its %s leaves elements unwritten (in memory that held other bytes it gives other values) of", name));
    contract_lay_all(c, LIES_AS_GIVEN, FILL_OTHER);
    BTL_TRY(contract_run(c, c->out_block, FILL_NAN, 0, got));
    BTL_TRY(contract_compare(c, got, want, false, "its %s reads memory that it was not given (where other bytes lie beside its operands it gives other values) of", name));
    if (c->way->destroys) contract_lay_all(c, LIES_AS_GIVEN, FILL_NAN);
    BTL_TRY(contract_run(c, c->out_block, FILL_NAN, 1, got)); /* a BLAS's last bits may depend on it */
    BTL_TRY(contract_compare(c, got, want, true, "in memory that begins at another place its %s gives other values of", name));
    return BTL_OK;
}

/* Large operands are tried in one layout. */
static btl_status contract_other_layouts(contract *c, const btl_array *want, btl_array *got) {
    size_t bytes = 0;
    for (int i = 0; i < c->nin; i++) bytes += c->in_block[i].bytes;
    for (int layout = LIES_TRANSPOSED; c->way->any_layout && layout < NLAYOUTS; layout++) {
        if ((bytes > LARGE_BYTES && layout != LIES_REVERSED) || !contract_lay_all(c, (contract_layout)layout, FILL_NAN)) continue;
        btl_status status = contract_run(c, c->out_block, FILL_NAN, 0, got);
        if (status != BTL_OK && status != BTL_ECHECK && status != BTL_ENOMEM)
            return contract_broken(c, "on operands that lie otherwise (%s) its %s fails: %s", contract_layouts[layout], c->way->name, c->err ? c->err->message : "");
        BTL_TRY(status);
        BTL_TRY(contract_compare(c, got, want, true, "on operands that lie otherwise (%s) its %s gives another", contract_layouts[layout], c->way->name));
    }
    return BTL_OK;
}

btl_status btl_way_try(btl_arena *a, const btl_way *way, int nin, const btl_operand *in, int nout, const btl_operand *out, btl_array *results,
                       char *why, size_t bytes, btl_error *err) {
    contract c = { .a = a, .way = way, .nin = nin, .nout = nout, .in = in, .out = out, .why = why, .why_bytes = bytes, .err = err };
    c.laid = BTL_ARRAY(a, btl_operand, nin + 1), c.made = BTL_ARRAY(a, btl_operand, nout + 1);
    c.in_block = BTL_ARRAY(a, contract_block, nin + 1), c.out_block = BTL_ARRAY(a, contract_block, nout + 1);
    c.kept = BTL_ARRAY(a, char *, nin + 1), c.kept_bytes = BTL_ARRAY(a, size_t, nin + 1);
    contract_block *first = BTL_ARRAY(a, contract_block, nout + 1);
    btl_array *again = BTL_ARRAY(a, btl_array, nout + 1);
    contract_lay_all(&c, LIES_AS_GIVEN, FILL_NAN);
    BTL_TRY(contract_run(&c, first, FILL_NAN, 0, results));
    contract_lay_all(&c, LIES_AS_GIVEN, FILL_OTHER);
    BTL_TRY(contract_run(&c, c.out_block, FILL_OTHER, 1, again)); /* all that may change at once */
    char ignored[600];
    bool same = true;
    for (int k = 0; k < nout; k++) same &= btl_arrays_agree(&again[k], &results[k], &(btl_agreement){ 0 }, ignored, sizeof ignored);
    if (!same) BTL_TRY(contract_find_out(&c, results, again));
    return contract_other_layouts(&c, results, again);
}

/* ---- copies ------------------------------------------------------------------------------------------ */

btl_operand btl_operand_keep(btl_arena *a, const btl_operand *x) {
    int64_t *shape = BTL_ARRAY(a, int64_t, 2 * x->rank + 1);
    if (x->rank) memcpy(shape, x->dims, (size_t)x->rank * sizeof *shape);
    btl_operand copy = { NULL, x->dtype, x->rank, shape, shape + x->rank };
    btl_strides_row_major(x->rank, shape, copy.strides);
    copy.data = btl_arena_array(a, (size_t)btl_operand_elems(x) + 1, btl_dtype_bytes(x->dtype));
    if (btl_operand_elems(x) > 0) btl_operand_copy(&copy, x);
    return copy;
}

btl_array btl_array_of_operand(const btl_operand *x) { return btl_array_wrap(x->dtype, x->rank, (int64_t *)(uintptr_t)x->dims, x->data); }
