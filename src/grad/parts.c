/* parts.c - gradients by slices of one variable, put together.
 *
 * What is made of a slice has a gradient that is zeros but for that slice. A variable that is cut into the four gates
 * of an LSTM, or read at a hundred time steps, gets as many of them, each as large as the whole, and their
 * sum would take as many passes over it. So they wait, as the parts that they are, until all have come. If these
 * lie side by side, the sum is one concatenation (zeros in the gaps); if one overlaps another or their order cannot
 * be told, they are added to their places one by one. Exact but for the sign of zeros.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grad/parts.h"

#include "bitale/ops.h"
#include "ops/helpers.h"
#include "ops/structure.h"

#include <stdlib.h>

/* More than this are sorted by numbers alone: an order of symbolic sizes is found by trying. */
enum { PARTS_TRIED = 64 };

bool btl_parts_take(btl_graph *g, btl_parts *p, const btl_type *type, btl_var *d) {
    btl_part part;
    if (d->index || !d->node->op->part || !d->node->op->part(g, d->node, &part)) return false;
    if (p->n && p->v[0].axis != part.axis) return false;
    part.value = btl_cast_to(g, part.value, type->dtype);
    if (!part.value) return false;
    *(btl_part *)BTL_PUSH(&g->arena, p->v, p->n, p->capacity) = part;
    return true;
}

static int64_t parts_number(const btl_dim *d) {
    int64_t value = -1;
    btl_dim_is_const(d, &value);
    return value;
}

/* By start, then length, then age: the order of sums is always the same. */
static int parts_compare(const void *a, const void *b) {
    const btl_part *p = a, *q = b;
    int64_t x = parts_number(p->start), y = parts_number(q->start);
    if (x == y) x = parts_number(p->length), y = parts_number(q->length);
    if (x == y) x = p->value->node->id, y = q->value->node->id;
    return (x > y) - (x < y);
}

/* Equal ranges become one, with their values added; an equal one is looked for among the last `back`. */
static bool parts_merge(btl_graph *g, btl_parts *p, int back) {
    int n = 0;
    for (int i = 0; i < p->n; i++) {
        int k = n - 1, least = n - back;
        while (k >= 0 && k >= least && (p->v[k].start != p->v[i].start || p->v[k].length != p->v[i].length)) k--;
        if (k < 0 || k < least) p->v[n++] = p->v[i];
        else if (!(p->v[k].value = btl_add(g, p->v[k].value, p->v[i].value))) return false;
    }
    p->n = n;
    return true;
}

/* Sorts the parts so that each begins where the one before it ends, or, in numbers, behind that. */
static bool parts_sort(btl_graph *g, btl_parts *p) {
    bool numbers = true;
    for (int i = 0; i < p->n; i++) numbers = numbers && parts_number(p->v[i].start) >= 0 && parts_number(p->v[i].length) >= 0;
    if (numbers) {
        qsort(p->v, (size_t)p->n, sizeof *p->v, parts_compare);
        if (!parts_merge(g, p, 1)) return false;
        for (int i = 1; i < p->n; i++)
            if (parts_number(p->v[i].start) < parts_number(p->v[i - 1].start) + parts_number(p->v[i - 1].length)) return false;
        return true;
    }
    if (!parts_merge(g, p, PARTS_TRIED)) return false;
    const btl_dim *at = btl_dim_const(g, 0);
    for (int i = 0; i < p->n && p->n <= PARTS_TRIED; i++) {
        int k = i;
        while (k < p->n && p->v[k].start != at) k++;
        if (k == p->n) return false;
        btl_part next = p->v[k];
        p->v[k] = p->v[i], p->v[i] = next;
        at = btl_dim_add(g, at, next.length);
    }
    return p->n <= PARTS_TRIED;
}

static btl_var *parts_gap(btl_graph *g, const btl_type *type, int axis, const btl_dim *length) {
    const btl_dim *dims[BTL_MAX_RANK];
    for (int k = 0; k < type->rank; k++) dims[k] = k == axis ? length : type->dims[k];
    btl_type gap = btl_type_make(g, type->dtype, type->rank, dims);
    return btl_zeros_of(g, &gap);
}

/* Sorted parts behind one another, up to the end of the axis; NULL where the end does not fit. */
static btl_var *parts_join(btl_graph *g, const btl_parts *p, const btl_type *type) {
    int axis = p->v[0].axis, n = 0;
    btl_var **joined = BTL_ARRAY(&g->arena, btl_var *, 2 * p->n + 1);
    const btl_dim *at = btl_dim_const(g, 0), *end = type->dims[axis];
    for (int i = 0; i <= p->n; i++) {
        const btl_dim *start = i < p->n ? p->v[i].start : end, *gap = btl_dim_sub(g, start, at);
        if (gap->lo < 0) return NULL;
        if (!btl_dim_is(gap, 0) && !(joined[n++] = parts_gap(g, type, axis, gap))) return NULL;
        if (i == p->n) break;
        joined[n++] = p->v[i].value;
        at = btl_dim_add(g, start, p->v[i].length);
    }
    return n == 1 ? joined[0] : btl_concatenate(g, n, joined, axis);
}

btl_var *btl_parts_sum(btl_graph *g, btl_parts *p, const btl_type *type, btl_var *rest) {
    btl_var *all = p->n > 1 && parts_sort(g, p) && p->n > 1 ? parts_join(g, p, type) : NULL;
    if (all) all = rest ? btl_add(g, rest, all) : all;
    else {
        all = rest ? rest : btl_zeros_of(g, type);
        for (int i = 0; i < p->n && all; i++) all = btl_part_add(g, all, &p->v[i]);
    }
    p->n = 0;
    return all;
}
