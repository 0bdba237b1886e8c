/* slice.c - Python's slices, on symbolic sizes and on numbers.
 *
 * Python: a negative bound counts from the end, then bounds are clipped to the axis, and
 *
 *     count = max(0, ceil((stop - start) / step))
 *
 * Of a symbolic bound the sign must be known. A number has one; an expression whose interval lies on
 * one side of 0 has one; of any other ("n - 16") we take it that it is not negative and record a
 * check, so that x[:n - 16] has the size n - 16, and a call with n = 10 is refused, where NumPy would
 * silently count from the end. (x[:n - 1] and x[:n - 2] of an axis of n mean x[:-1] and x[:-2] for
 * every n, as in NumPy; backwards, n - 2 of an axis of size 1 is its last element, as there.)
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/slice.h"

#include "ops/support.h"

#include <string.h>

bool btl_slice_is_full(const btl_index_item *item) {
    return item->kind == INDEX_SLICE && btl_bound_is_absent(&item->start) && btl_bound_is_absent(&item->stop) &&
           (btl_bound_is_absent(&item->step) || (item->step.dim && btl_dim_is(item->step.dim, 1)));
}

bool btl_slice_is_late(const btl_index_item *item) {
    int64_t step;
    if (item->kind != INDEX_SLICE) return false;
    if (item->start.input >= 0 || item->stop.input >= 0 || item->step.input >= 0) return true;
    return item->step.dim && !btl_dim_is_const(item->step.dim, &step);
}

/* ---- symbolic ----------------------------------------------------------------------------- */

/* A bound after counting from the end: either >= 0 (and perhaps beyond n) or <= n (and perhaps < 0). */
typedef struct slice_bound { const btl_dim *at; bool absent, from_end; } slice_bound;

static slice_bound slice_place(btl_graph *g, const btl_dim *n, const btl_bound *b, bool backward, bool check) {
    if (!b->dim) return (slice_bound){ NULL, true, false };
    if (b->dim->lo >= 0) return (slice_bound){ b->dim, false, false };
    if (b->dim->hi < 0) return (slice_bound){ btl_dim_add(g, n, b->dim), false, true };
    int64_t below;
    if (btl_dim_is_const(btl_dim_sub(g, n, b->dim), &below) && (below == 1 || below == 2)) {
        const btl_dim *last = btl_dim_add(g, n, btl_dim_const(g, -1));
        return (slice_bound){ backward ? btl_dim_min(g, btl_dim_max(g, b->dim, btl_dim_const(g, 0)), last) : b->dim, false, true };
    }
    if (check) btl_dims_unify(g, b->dim, btl_dim_max(g, btl_dim_const(g, 0), b->dim), NULL);
    return (slice_bound){ b->dim, false, false };
}

/* Step forward: max(0, min(stop, n) - max(start, 0)); a start beyond n makes that negative by itself. */
static const btl_dim *slice_forward(btl_graph *g, const btl_dim *n, slice_bound start, slice_bound stop, int64_t step) {
    const btl_dim *zero = btl_dim_const(g, 0);
    const btl_dim *hi = stop.absent ? n : stop.from_end ? stop.at : btl_dim_min(g, stop.at, n);
    const btl_dim *count = hi;
    if (!start.absent) count = btl_dim_sub(g, hi, start.at);
    if (start.from_end) count = btl_dim_min(g, hi, count); /* hi - max(0, s) = min(hi, hi - s) */
    count = btl_dim_max(g, zero, count);
    if (step == 1) return count;
    return btl_dim_floordiv(g, btl_dim_add(g, count, btl_dim_const(g, step - 1)), btl_dim_const(g, step));
}

static const btl_dim *slice_backward(btl_graph *g, const btl_dim *n, slice_bound start, slice_bound stop, int64_t step) {
    const btl_dim *before = btl_dim_const(g, -1), *last = btl_dim_add(g, n, before), *bound[2];
    const slice_bound *b[2] = { &start, &stop };
    for (int i = 0; i < 2; i++) {
        if (b[i]->absent) bound[i] = i ? before : last;
        else bound[i] = b[i]->from_end ? btl_dim_max(g, b[i]->at, before) : btl_dim_min(g, b[i]->at, last);
    }
    const btl_dim *span = btl_dim_add(g, btl_dim_sub(g, bound[0], bound[1]), btl_dim_const(g, step - 1));
    return btl_dim_max(g, btl_dim_const(g, 0), btl_dim_floordiv(g, span, btl_dim_const(g, step)));
}

btl_status btl_slice_dim(btl_graph *g, const btl_dim *n, const btl_index_item *item, const btl_dim **out) {
    int64_t step = 1;
    *out = NULL;
    if (btl_slice_is_late(item)) return BTL_OK;
    if (item->step.dim) btl_dim_is_const(item->step.dim, &step);
    if (step == 0) return btl_fail(g, BTL_EVALUE, "the step of a slice is 0");
    if (step < -INT64_MAX) step = -INT64_MAX;
    slice_bound start = slice_place(g, n, &item->start, step < 0, true), stop = slice_place(g, n, &item->stop, step < 0, true);
    *out = step > 0 ? slice_forward(g, n, start, stop, step) : slice_backward(g, n, start, stop, -step);
    return BTL_OK;
}

const btl_dim *btl_slice_start(btl_graph *g, const btl_dim *n, const btl_index_item *item, int64_t *step) {
    *step = 1;
    if (item->step.dim) btl_dim_is_const(item->step.dim, step);
    slice_bound start = slice_place(g, n, &item->start, *step < 0, false);
    const btl_dim *last = btl_dim_add(g, n, btl_dim_const(g, -1));
    if (*step > 0) return start.absent ? btl_dim_const(g, 0) : start.from_end ? btl_dim_max(g, btl_dim_const(g, 0), start.at) : start.at;
    return start.absent ? last : start.from_end ? start.at : btl_dim_min(g, start.at, last);
}

bool btl_index_range(btl_graph *g, const btl_index_item *item, const btl_dim *n, const btl_dim **start, const btl_dim **length) {
    int64_t step;
    if (item->start.input >= 0 || item->stop.input >= 0 || item->step.input >= 0) return false;
    if (item->kind == INDEX_INT) {
        const btl_dim *at = item->start.dim;
        *start = at->hi < 0 ? btl_dim_add(g, at, n) : at, *length = btl_dim_const(g, 1);
        return at->hi < 0 || at->lo >= 0;
    }
    if (item->kind != INDEX_SLICE || (item->step.dim && !btl_dim_is(item->step.dim, 1))) return false;
    *start = btl_slice_start(g, n, item, &step);
    return btl_slice_dim(g, n, item, length) == BTL_OK && *length;
}

/* ---- in numbers --------------------------------------------------------------------------- */

btl_status btl_bound_value(const btl_exec *x, const btl_bound *b, int64_t absent, int64_t *value) {
    *value = absent;
    if (b->input >= 0) memcpy(value, x->in[b->input].data, sizeof *value);
    else if (b->dim && !btl_dim_eval(b->dim, x->symbols, value))
        return btl_error_set(x->err, BTL_ESHAPE, "%s: a symbolic size has no value, or is too large", x->node->op->name);
    return BTL_OK;
}

btl_status btl_slice_range(const btl_exec *x, const btl_index_item *item, int64_t n, btl_range *out) {
    int64_t start, stop, step;
    BTL_TRY(btl_bound_value(x, &item->step, 1, &step));
    if (step == 0) return btl_error_set(x->err, BTL_EVALUE, "%s: the step of a slice is 0", x->node->op->name);
    if (step < -INT64_MAX) step = -INT64_MAX;
    bool forward = step > 0;
    BTL_TRY(btl_bound_value(x, &item->start, forward ? 0 : INT64_MAX, &start));
    BTL_TRY(btl_bound_value(x, &item->stop, forward ? INT64_MAX : INT64_MIN, &stop));
    start = btl_slice_clip(start, n, forward);
    stop = btl_bound_is_absent(&item->stop) && !forward ? -1 : btl_slice_clip(stop, n, forward);
    *out = (btl_range){ start, step, btl_slice_count(start, stop, step) };
    return BTL_OK;
}
