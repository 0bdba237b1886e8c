/* index_emit.c - x[…], read and written, as C text (expr/emit.h); the kernels are in index.c.
 *
 * Basic items give an address and strides: sizes where the graph knows them, expressions where a bound
 * is a variable. Index arrays are looked at once before anything is moved, so that the loops that move have
 * no test in them, and nothing is written where an index is out of range.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/index_parts.h"
#include "ops/loops.h"
#include "ops/slice.h"

#include <assert.h>

/* ---- basic items -------------------------------------------------------------------------- */

/* x[items]: its axes, and where its first element lies behind x's. */
typedef struct basic_part {
    int rank;
    btl_extent count[BTL_MAX_RANK], step[BTL_MAX_RANK], at;
} basic_part;

static const char *basic_bound(btl_emit *e, const btl_bound *b) {
    return b->input >= 0 ? btl_emit_format(e, "*x%d", b->input) : btl_emit_size(e, b->dim);
}

/* An integer index, counted from 0; the text leaves the kernel where it is out of range. */
static btl_extent basic_int(btl_emit *e, const btl_bound *b, const btl_dim *n, int axis) {
    if (b->dim && b->dim->lo >= 0) {
        if (btl_dim_sub(e->g, n, b->dim)->lo < 1) btl_emit_text(e, "if (%s >= %s) return 1;\n", btl_emit_size(e, b->dim), btl_emit_size(e, n));
        return btl_extent_of(b->dim);
    }
    if (b->dim && b->dim->hi < 0) {
        const btl_dim *at = btl_dim_add(e->g, n, b->dim);
        if (at->lo < 0) btl_emit_text(e, "if (%s < 0) return 1;\n", btl_emit_size(e, at));
        return btl_extent_of(at);
    }
    const char *size = btl_emit_size(e, n), *name = btl_emit_format(e, "at%d", axis);
    btl_emit_text(e, "int64_t %s = %s;\nif (%s < -%s || %s >= %s) return 1;\nif (%s < 0) %s += %s;\n", name, basic_bound(e, b), name, size, name, size, name,
                  name, size);
    return (btl_extent){ NULL, name };
}

/* A slice whose bounds or step a run tells: "start0", "count0", "step0" as Python counts them. */
static void basic_late(btl_emit *e, const btl_index_item *item, const btl_dim *n, int axis, btl_extent stride, basic_part *part) {
    const char *size = btl_emit_size(e, n), *start, *stop, *step, *forward;
    int64_t known;
    bool fixed = btl_bound_is_absent(&item->step) || (item->step.dim && btl_dim_is_const(item->step.dim, &known));
    if (btl_bound_is_absent(&item->step)) known = 1;
    if (fixed) {
        step = btl_emit_format(e, "(%lldll)", (long long)(known < -INT64_MAX ? -INT64_MAX : known));
        start = known > 0 ? "0" : btl_emit_format(e, "%s - 1", size), stop = known > 0 ? size : "-1", forward = known > 0 ? "1" : "0";
    } else {
        step = btl_emit_format(e, "step%d", axis);
        btl_emit_text(e, "int64_t %s = %s;\nif (%s == 0) return 1;\nif (%s < -0x7fffffffffffffffll) %s = -0x7fffffffffffffffll;\n", step,
                      basic_bound(e, &item->step), step, step, step);
        start = btl_emit_format(e, "%s > 0 ? 0 : %s - 1", step, size), stop = btl_emit_format(e, "%s > 0 ? %s : -1", step, size);
        forward = btl_emit_format(e, "%s > 0", step);
    }
    if (!btl_bound_is_absent(&item->start)) start = btl_emit_format(e, "btl_slice_clip(%s, %s, %s)", basic_bound(e, &item->start), size, forward);
    if (!btl_bound_is_absent(&item->stop)) stop = btl_emit_format(e, "btl_slice_clip(%s, %s, %s)", basic_bound(e, &item->stop), size, forward);
    btl_emit_text(e, "const int64_t start%d = %s, stop%d = %s;\n", axis, start, axis, stop);
    const char *count = btl_emit_format(e, "count%d", axis), *distance = btl_extent_text(e, stride);
    btl_emit_text(e, "const int64_t %s = btl_slice_count(start%d, stop%d, %s);\n", count, axis, axis, step);
    part->count[part->rank] = (btl_extent){ NULL, count };
    if (fixed && known == 1) part->step[part->rank] = stride;
    else part->step[part->rank] = (btl_extent){ NULL, btl_emit_format(e, "(%s > 1 ? %s * %s : %s)", count, step, distance, distance) };
    part->rank++;
    part->at = btl_extent_add(e, part->at, (btl_extent){ NULL, btl_emit_format(e, "(%s ? start%d * %s : 0)", count, axis, distance) });
}

static btl_status basic_slice(btl_emit *e, const btl_index_item *item, const btl_dim *n, int axis, btl_extent stride, basic_part *part) {
    const btl_dim *count;
    const btl_size_check *checks = e->g->checks; /* the node has them since it was built */
    int64_t step;
    BTL_TRY(btl_slice_dim(e->g, n, item, &count));
    e->g->checks = checks;
    const btl_dim *start = count ? btl_slice_start(e->g, n, item, &step) : NULL;
    if (!count || step > INT32_MAX || step < -INT32_MAX) { /* a step beyond all sizes would not multiply */
        basic_late(e, item, n, axis, stride, part);
        return BTL_OK;
    }
    part->count[part->rank] = btl_extent_of(count);
    part->step[part->rank++] = btl_extent_mul(e, btl_extent_const(e, step), stride);
    part->at = btl_extent_add(e, part->at, btl_extent_mul(e, btl_extent_of(start), stride));
    return BTL_OK;
}

/* The items applied to an operand of input 0's sizes, which lies as `base` does. */
static btl_status basic_emit(btl_emit *e, int base, basic_part *part) {
    const btl_param *p = &e->params[0];
    const btl_type *type = btl_emit_type(e, 0);
    int axis = 0;
    part->rank = 0;
    part->at = btl_extent_const(e, 0);
    for (int i = 0; i < p->index.n; i++) {
        const btl_index_item *item = &p->index.v[i];
        if (item->kind == INDEX_NEWAXIS) {
            part->count[part->rank] = btl_extent_const(e, 1), part->step[part->rank++] = btl_extent_const(e, 0);
            continue;
        }
        btl_extent stride = btl_extent_stride(e, base, axis);
        if (item->kind == INDEX_SLICE) BTL_TRY(basic_slice(e, item, type->dims[axis], axis, stride, part));
        else part->at = btl_extent_add(e, part->at, btl_extent_mul(e, basic_int(e, &item->start, type->dims[axis], axis), stride));
        axis++;
    }
    return BTL_OK;
}

btl_status btl_subtensor_emit(btl_emit *e) {
    basic_part part;
    BTL_TRY(basic_emit(e, 0, &part));
    for (int k = 0; k < part.rank; k++) {
        if (!part.count[k].known) /* measured by now */
            btl_emit_text(e, "if (%s != %s) return 1;\n", part.count[k].text, btl_emit_dim(e, btl_emit_out(e, 0), k));
        btl_emit_view_stride(e, k, part.step[k].known, part.step[k].text);
    }
    if (!btl_extent_is(part.at, 0)) btl_emit_text(e, "y0 += %s;\n", btl_extent_text(e, part.at));
    return BTL_OK;
}

/* ---- index arrays ------------------------------------------------------------------------- */

/* The arrays' common shape: of each axis a size that is not known to be 1, where there is one. */
typedef struct index_shape { int rank; const btl_dim *dims[BTL_MAX_RANK]; } index_shape;

static index_shape index_shape_of(btl_emit *e, const btl_index_plan *plan) {
    index_shape w = { 0, { NULL } };
    for (int i = 0; i < plan->narrays; i++)
        if (btl_emit_type(e, plan->input[i])->rank > w.rank) w.rank = btl_emit_type(e, plan->input[i])->rank;
    for (int k = 0; k < w.rank; k++) {
        w.dims[k] = btl_dim_const(e->g, 1);
        for (int i = 0; i < plan->narrays; i++) {
            const btl_type *t = btl_emit_type(e, plan->input[i]);
            int axis = k - (w.rank - t->rank);
            if (axis >= 0 && btl_dim_is(w.dims[k], 1)) w.dims[k] = t->dims[axis];
        }
    }
    return w;
}

/* "v < -n0 || v >= n0" for an element of an index array. */
static const char *index_is_bad(btl_emit *e, btl_dtype dtype, const char *value, const char *n) {
    if (dtype == BTL_U64) return btl_emit_format(e, "%s >= (uint64_t)%s", value, n);
    if (btl_dtype_kind(dtype) == 'u') return btl_emit_format(e, "(int64_t)%s >= %s", value, n);
    return btl_emit_format(e, "(%s < -%s) | (%s >= %s)", value, n, value, n);
}

/* Leaves the kernel where an index is out of range. */
static void index_emit_check(btl_emit *e, const btl_index_plan *plan, const index_shape *w, int which) {
    int input = plan->input[which];
    const btl_type *t = btl_emit_type(e, input);
    const char *n = btl_emit_dim(e, 0, plan->axis[which]);
    bool stretched = t->rank < w->rank;
    btl_loops l = btl_loops_begin(e, 1, 'j');
    for (int k = 0; k < t->rank; k++) {
        stretched |= btl_dim_is(t->dims[k], 1) && !btl_dim_is(w->dims[k + w->rank - t->rank], 1);
        btl_loops_add(&l, btl_extent_dim(e, input, k), btl_extent_stride(e, input, k), btl_extent_const(e, 0));
    }
    btl_loops_merge(&l);
    if (stretched) btl_emit_text(e, "if (%s != 0) ", btl_emit_size(e, btl_dim_product(e->g, w->rank, w->dims)));
    btl_emit_text(e, "{\nint bad = 0;\n");
    int last = l.n - 1;
    btl_loops_open(&l, 0, l.n ? last : 0);
    if (l.n) btl_emit_text(e, "BTL_SIMD_OR(bad) for (int64_t j%d = 0; j%d < %s; j%d++) ", last, last, btl_extent_text(e, l.v[last].count), last);
    btl_emit_text(e, "bad |= %s;\n", index_is_bad(e, t->dtype, btl_emit_format(e, "x%d[%s]", input, btl_loops_at(&l, NULL, 0, 0, l.n)), n));
    btl_loops_close(&l, l.n ? last : 0);
    btl_emit_text(e, "if (bad) return 1;\n}\n");
}

/* The loops over a part: the axes before, then the arrays' own; a block of the axes behind is moved inside them. */
typedef struct index_nest {
    btl_emit *e;
    const btl_index_plan *plan;
    const index_shape *wide;
    int base;                    /* the operand that lies as a whole: x, or the result of a write */
    int nbefore;                 /* loops over axes before */
    int axis_of[BTL_MAX_RANK];   /* of each other loop: the axis of the arrays' shape */
    btl_loops l, block;
} index_nest;

/* `part`: the result of a read, or what a write writes. */
static index_nest index_nest_of(btl_emit *e, const btl_index_plan *plan, const index_shape *w, int part, int base) {
    index_nest n = { .e = e, .plan = plan, .wide = w, .base = base, .l = btl_loops_begin(e, 2, 'i'), .block = btl_loops_begin(e, 2, 'j') };
    const btl_type *whole = btl_emit_type(e, 0);
    bool reads = part >= e->node->nin;
    int lead = plan->nbefore + w->rank + plan->nbehind - btl_emit_type(e, part)->rank; /* axes that a written y lacks */
    for (int i = 0; i < plan->nbefore + w->rank + plan->nbehind; i++) {
        int behind = i - plan->nbefore - w->rank, wide = i - plan->nbefore;
        int axis = i < plan->nbefore ? plan->before[i] : behind >= 0 ? plan->behind[behind] : -1;
        const btl_dim *size = axis >= 0 ? whole->dims[axis] : w->dims[wide];
        btl_extent packed = btl_extent_stretched(e, part, i - lead, size);
        btl_extent step = axis >= 0 ? btl_extent_stride(e, base, axis) : btl_extent_const(e, 0);
        btl_loops *to = behind >= 0 ? &n.block : &n.l;
        int before = to->n;
        btl_loops_add(to, btl_extent_of(size), reads ? packed : step, reads ? step : packed);
        if (behind >= 0 || to->n == before) continue;
        n.axis_of[before] = wide;
        n.nbefore += axis >= 0;
    }
    return n;
}

/* Reads the indices at the loops' variables (`last` in place of the innermost one's); returns "at0 * n1 + at1", where they lead to. */
static const char *index_emit_places(index_nest *n, const char *last) {
    btl_emit *e = n->e;
    const char *place = NULL;
    for (int i = 0; i < n->plan->narrays; i++) {
        int input = n->plan->input[i];
        const btl_type *a = btl_emit_type(e, input);
        const char *at = NULL, *term = btl_emit_format(e, "at%d", i);
        for (int k = n->nbefore; k < n->l.n; k++) {
            btl_extent step = btl_extent_stretched(e, input, n->axis_of[k] - (n->wide->rank - a->rank), n->wide->dims[n->axis_of[k]]);
            const char *variable = last && k == n->l.n - 1 ? last : btl_emit_format(e, "i%d", k);
            at = btl_loops_add_step(e, at, variable, step);
        }
        btl_extent stride = btl_extent_stride(e, n->base, n->plan->axis[i]);
        if (btl_extent_is(stride, 0)) continue; /* of an operand that is stretched along that axis */
        btl_emit_text(e, "int64_t %s = (int64_t)x%d[%s];\n", term, input, at ? at : "0");
        if (btl_dtype_kind(a->dtype) == 'i') btl_emit_text(e, "if (%s < 0) %s += %s;\n", term, term, btl_emit_dim(e, 0, n->plan->axis[i]));
        place = btl_loops_add_step(e, place, term, stride);
    }
    return place ? place : "0";
}

/* Single elements, many times by the same indices: those are turned into places once, so many at a time. */
static void index_emit_gather(index_nest *n) {
    btl_emit *e = n->e;
    enum { PLACES = 256 };
    int last = n->l.n - 1;
    const char *count = btl_extent_text(e, n->l.v[last].count), *type = btl_emit_ctype(btl_emit_type(e, 0)->dtype);
    btl_extent step = n->l.v[last].step[0];
    btl_emit_text(e, "for (int64_t s = 0; s < %s; s += %d) {\nconst int64_t end = %s - s < %d ? %s - s : %d;\nint64_t place[%d];\nfor (int64_t j = 0; j < end; j++) {\n", count, PLACES,
                  count, PLACES, count, PLACES, PLACES);
    btl_emit_text(e, "place[j] = %s;\n}\n", index_emit_places(n, "(s + j)"));
    btl_loops_open(&n->l, 0, last);
    btl_emit_text(e, "%s *t = %s;\nconst %s *f = %s;\nfor (int64_t j = 0; j < end; j++) t[%s] = f[place[j]];\n", type,
                  btl_loops_add_step(e, btl_loops_at(&n->l, "y0", 0, 0, last), "s", step), type, btl_loops_at(&n->l, "x0", 1, 0, last),
                  btl_loops_add_step(e, NULL, "j", step));
    btl_loops_close(&n->l, last + 1);
}

static void index_emit_move(btl_emit *e, const btl_index_plan *plan, const index_shape *w, int part, int base, bool add) {
    index_nest n = index_nest_of(e, plan, w, part, base);
    bool reads = part >= e->node->nin;
    for (int i = 0; i < n.l.n + n.block.n; i++)
        if (btl_extent_is(i < n.l.n ? n.l.v[i].count : n.block.v[i - n.l.n].count, 0)) return;
    if (reads && n.block.n == 0 && n.nbefore && n.l.n == n.nbefore + 1) {
        index_emit_gather(&n);
        return;
    }
    const char *whole = reads ? "x0" : "y0", *packed = reads ? "y0" : btl_emit_format(e, "x%d", part);
    btl_loops_open(&n.l, 0, n.l.n);
    btl_emit_text(e, "{\n");
    whole = btl_emit_format(e, "%s + %s", btl_loops_at(&n.l, whole, reads ? 1 : 0, 0, n.l.n), index_emit_places(&n, NULL));
    packed = btl_loops_at(&n.l, packed, reads ? 0 : 1, 0, n.l.n);
    btl_loops_move(&n.block, btl_emit_type(e, 0)->dtype, reads ? packed : whole, reads ? whole : packed, add);
    btl_emit_text(e, "}\n");
    btl_loops_close(&n.l, n.l.n);
}

btl_status btl_advanced_subtensor_emit(btl_emit *e) {
    btl_index_plan plan = btl_index_plan_of(&e->params[0]);
    index_shape w = index_shape_of(e, &plan);
    for (int i = 0; i < plan.narrays; i++) index_emit_check(e, &plan, &w, i);
    index_emit_move(e, &plan, &w, btl_emit_out(e, 0), 0, false);
    return BTL_OK;
}

/* ---- writes ------------------------------------------------------------------------------- */

/* x into the result, unless it lies there already. */
static void index_emit_copy(btl_emit *e) {
    const btl_type *t = btl_emit_type(e, 0);
    btl_emit_text(e, "if (y0 != x0) {\n");
    btl_loops l = btl_loops_begin(e, 2, 'i');
    for (int k = 0; k < t->rank; k++)
        btl_loops_add(&l, btl_extent_dim(e, 0, k), btl_extent_stride(e, btl_emit_out(e, 0), k), btl_extent_stride(e, 0, k));
    btl_loops_move(&l, t->dtype, "y0", "x0", false);
    btl_emit_text(e, "}\n");
}

/* The distance along the part's axis of what is written there; one whose size only a run tells is compared by it. */
static btl_extent index_emit_stretch(btl_emit *e, btl_extent count, int axis) {
    if (axis < 0 || count.known) return btl_extent_stretched(e, 1, axis, count.known);
    const btl_dim *d = btl_emit_type(e, 1)->dims[axis];
    if (btl_dim_is(d, 1)) return btl_extent_const(e, 0);
    const char *size = btl_emit_size(e, d), *stride = btl_extent_text(e, btl_extent_stride(e, 1, axis));
    btl_emit_text(e, "if (%s != 1 && %s != %s) return 1;\n", size, size, count.text);
    return (btl_extent){ NULL, btl_emit_format(e, "(%s == 1 ? 0 : %s)", size, stride) };
}

static btl_status index_emit_write_basic(btl_emit *e, bool add) {
    basic_part part;
    btl_loops l = btl_loops_begin(e, 2, 'i');
    BTL_TRY(basic_emit(e, btl_emit_out(e, 0), &part));
    for (int k = 0; k < part.rank; k++)
        btl_loops_add(&l, part.count[k], part.step[k], index_emit_stretch(e, part.count[k], k - (part.rank - btl_emit_type(e, 1)->rank)));
    index_emit_copy(e);
    const char *to = btl_extent_is(part.at, 0) ? "y0" : btl_emit_format(e, "y0 + %s", btl_extent_text(e, part.at));
    btl_loops_move(&l, btl_emit_type(e, 0)->dtype, to, "x1", add);
    return BTL_OK;
}

static btl_status index_emit_write(btl_emit *e, bool add) {
    if (!btl_index_has_array(&e->params[0])) return index_emit_write_basic(e, add);
    btl_index_plan plan = btl_index_plan_of(&e->params[0]);
    index_shape w = index_shape_of(e, &plan);
    for (int i = 0; i < plan.narrays; i++) index_emit_check(e, &plan, &w, i);
    index_emit_copy(e);
    index_emit_move(e, &plan, &w, 1, btl_emit_out(e, 0), add);
    return BTL_OK;
}

btl_status btl_set_subtensor_emit(btl_emit *e) { return index_emit_write(e, false); }
btl_status btl_inc_subtensor_emit(btl_emit *e) { return index_emit_write(e, true); }
