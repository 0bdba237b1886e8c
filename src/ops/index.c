/* index.c - x[…]: reading parts of an array and writing them.
 *
 * Four ops share one setting, a list of items (ints, slices, new axes, arrays):
 *
 *     subtensor            basic indexing, a view
 *     advanced_subtensor   integer arrays on some axes, the others whole
 *     set_subtensor        x with a part replaced by y: either kind of list
 *     inc_subtensor        x with y added to a part; repeated indices add up
 *
 * What a person mixes is taken apart here: x[1:3, i, :, j] is advanced_subtensor of the view
 * x[1:3, :, :, :], with ints as 0-d index arrays, which is what they mean beside arrays in NumPy. The axes
 * of the (broadcast) index arrays stand where the arrays stood, or in front if anything stood between
 * them. A write through such a mixture reads the view, writes into it, and puts it back.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/index.h"

#include "expr/operand.h"
#include "ops/elemwise.h"
#include "ops/index_parts.h"
#include "ops/move.h"
#include "ops/slice.h"
#include "ops/structure.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const btl_param_spec index_params[] = {
    { "index", PARAM_INDEX, NULL, true, "what stands between the brackets" },
};

/* A gradient of one of these is another of them. */
extern const btl_op btl_op_subtensor, btl_op_advanced_subtensor, btl_op_set_subtensor, btl_op_inc_subtensor, btl_op_take;

bool btl_index_has_array(const btl_param *p) {
    for (int i = 0; i < p->index.n; i++)
        if (p->index.v[i].kind == INDEX_ARRAY) return true;
    return false;
}

static btl_status index_out_of_range(btl_graph *g, const btl_var *x, int64_t value, int axis, int64_t n) {
    btl_fail(g, BTL_EINDEX, "index %lld is out of range for axis %d of size %lld: %s", (long long)value, axis, (long long)n,
             btl_var_text(g, x));
    btl_fail_hint(g, "indices count from 0 or, backwards, from -1");
    return BTL_EINDEX;
}

/* A constant index into an axis of constant size. */
static btl_status index_check_constant(btl_graph *g, const btl_var *x, const btl_dim *at, int axis) {
    int64_t value, n;
    if (!at || !btl_dim_is_const(at, &value) || !btl_dim_is_const(x->type.dims[axis], &n)) return BTL_OK;
    return value < -n || value >= n ? index_out_of_range(g, x, value, axis, n) : BTL_OK;
}

/* ---- basic: sizes ------------------------------------------------------------------------- */

/* Sizes of x[items]; NULL where one is only known at run time. */
static btl_status basic_dims(btl_graph *g, const btl_var *x, const btl_param *p, int *rank, const btl_dim **dims) {
    int axis = 0, n = 0;
    for (int i = 0; i < p->index.n; i++) {
        const btl_index_item *item = &p->index.v[i];
        if (n == BTL_MAX_RANK) return btl_fail(g, BTL_ESHAPE, "the result would have more than %d dimensions", BTL_MAX_RANK);
        if (item->kind == INDEX_NEWAXIS) {
            dims[n++] = btl_dim_const(g, 1);
            continue;
        }
        assert(axis < x->type.rank && item->kind != INDEX_ARRAY);
        if (item->kind == INDEX_INT) BTL_TRY(index_check_constant(g, x, item->start.dim, axis));
        else BTL_TRY(btl_slice_dim(g, x->type.dims[axis], item, &dims[n++]));
        axis++;
    }
    assert(axis == x->type.rank);
    *rank = n;
    return BTL_OK;
}

/* ---- basic: addresses --------------------------------------------------------------------- */

/* x[items] of an array in memory, as an array. dims and strides are the caller's storage. */
static btl_status basic_view(const btl_exec *x, const btl_operand *base, btl_operand *view, int64_t *dims, int64_t *strides) {
    const btl_param *p = &x->params[0];
    int64_t at = 0;
    int axis = 0, rank = 0;
    for (int i = 0; i < p->index.n; i++) {
        const btl_index_item *item = &p->index.v[i];
        if (item->kind == INDEX_NEWAXIS) {
            dims[rank] = 1, strides[rank++] = 0;
            continue;
        }
        int64_t n = base->dims[axis], stride = base->strides[axis];
        if (item->kind == INDEX_INT) {
            int64_t value;
            BTL_TRY(btl_bound_value(x, &item->start, 0, &value));
            if (value < -n || value >= n)
                return btl_error_set(x->err, BTL_EINDEX, "%s: index %lld is out of range for axis %d of size %lld",
                                     x->node->op->name, (long long)value, axis, (long long)n);
            at += (value < 0 ? value + n : value) * stride;
        } else {
            btl_range r;
            BTL_TRY(btl_slice_range(x, item, n, &r));
            if (r.count) at += r.start * stride;
            dims[rank] = r.count, strides[rank++] = r.count > 1 ? r.step * stride : stride;
        }
        axis++;
    }
    *view = (btl_operand){ base->data, base->dtype, rank, dims, strides };
    if (base->data) view->data += at * (int64_t)btl_dtype_bytes(base->dtype);
    return BTL_OK;
}

/* ---- subtensor ---------------------------------------------------------------------------- */

/* Single elements along some axes, then a range, then all that there is. */
static const btl_dim *subtensor_starts(btl_graph *g, const btl_node *n) {
    const btl_param *p = &n->params[0];
    const btl_type *x = &n->in[0]->type;
    const btl_dim *at = btl_dim_const(g, 0), *start, *length;
    bool all = false; /* from here on */
    int axis = 0;
    for (int i = 0; i < p->index.n; i++) {
        const btl_index_item *item = &p->index.v[i];
        if (item->kind == INDEX_NEWAXIS) continue;
        if (item->kind == INDEX_SLICE && btl_slice_is_full(item)) {
            all = all || !btl_dim_is(x->dims[axis], 1);
        } else {
            if (all || !btl_index_range(g, item, x->dims[axis], &start, &length) || start->late) return NULL;
            at = btl_dim_add(g, at, btl_dim_mul(g, start, btl_dim_product(g, x->rank - axis - 1, x->dims + axis + 1)));
            all = !btl_dim_is(length, 1);
        }
        axis++;
    }
    return at;
}

static btl_status subtensor_infer(btl_infer *x) {
    const btl_dim *dims[BTL_MAX_RANK];
    int rank, axis = 0, at = 0;
    const btl_param *p = &x->params[0];
    BTL_TRY(basic_dims(x->g, x->in[0], p, &rank, dims));
    for (int i = 0; i < p->index.n; i++) {
        if (p->index.v[i].kind == INDEX_SLICE && !dims[at]) dims[at] = btl_dim_unknown(x->g, x->in[0]->type.dims[axis], true);
        at += p->index.v[i].kind != INDEX_INT;
        axis += p->index.v[i].kind != INDEX_NEWAXIS;
    }
    x->out[0] = btl_type_make(x->g, x->in[0]->type.dtype, rank, dims);
    return BTL_OK;
}

/* The sizes of slices whose bounds are variables. */
static btl_status subtensor_measure(btl_exec *x) {
    const btl_param *p = &x->params[0];
    const btl_type *type = &x->node->out[0].type;
    int axis = 0, at = 0;
    for (int i = 0; i < p->index.n; i++) {
        const btl_index_item *item = &p->index.v[i];
        if (btl_slice_is_late(item)) {
            btl_range r;
            int symbol = btl_dim_symbol_index(type->dims[at]);
            BTL_TRY(btl_slice_range(x, item, x->in[0].dims[axis], &r));
            if (symbol >= 0) x->symbols[symbol] = r.count;
        }
        at += item->kind != INDEX_INT;
        axis += item->kind != INDEX_NEWAXIS;
    }
    return BTL_OK;
}

static btl_status subtensor_view(btl_exec *x) {
    int64_t dims[BTL_MAX_RANK];
    btl_operand view;
    BTL_TRY(basic_view(x, &x->in[0], &view, dims, x->out[0].strides));
    for (int i = 0; i < view.rank; i++)
        if (dims[i] != x->out[0].dims[i])
            return btl_error_set(x->err, BTL_ESHAPE, "%s: size %d of the part is %lld, %lld expected", x->node->op->name, i,
                                 (long long)dims[i], (long long)x->out[0].dims[i]);
    x->out[0].data = view.data;
    return BTL_OK;
}

/* ---- gradients of all four ---------------------------------------------------------------- */

/* The list for a node whose index operands begin `shift` places further on. */
static btl_param index_shifted(btl_graph *g, const btl_param *p, int shift) {
    btl_index_item *items = p->index.n ? btl_arena_copy(&g->arena, p->index.v, (size_t)p->index.n * sizeof *items) : NULL;
    for (int i = 0; i < p->index.n; i++) {
        btl_bound *b[3] = { &items[i].start, &items[i].stop, &items[i].step };
        for (int k = 0; k < 3; k++)
            if (b[k]->input >= 0) b[k]->input += shift;
    }
    return (btl_param){ .index = { p->index.n, items } };
}

/* The part of x that a writing node n writes. */
static btl_var *index_read_part(btl_graph *g, const btl_node *n, btl_var *x) {
    btl_param p = index_shifted(g, &n->params[0], -1);
    btl_var **in = BTL_ARRAY(&g->arena, btl_var *, n->nin);
    in[0] = x;
    for (int i = 2; i < n->nin; i++) in[i - 1] = n->in[i];
    return btl_build(g, btl_index_has_array(&p) ? &btl_op_advanced_subtensor : &btl_op_subtensor, n->nin - 1, in, &p, NULL);
}

/* dx = zeros with dy added at the part. */
static btl_status subtensor_vjp(btl_vjp *v) {
    const btl_node *n = v->node;
    btl_param p = index_shifted(v->g, &n->params[0], 1);
    btl_var **in = BTL_ARRAY(&v->g->arena, btl_var *, n->nin + 1);
    in[0] = btl_zeros_of(v->g, &v->in[0]->type);
    in[1] = v->dout[0];
    for (int i = 1; i < n->nin; i++) in[i + 1] = n->in[i];
    v->din[0] = btl_build(v->g, &btl_op_inc_subtensor, n->nin + 1, in, &p, NULL);
    return v->din[0] ? BTL_OK : v->g->status;
}

static btl_status index_vjp_of_y(btl_vjp *v) {
    if (!v->need[1]) return BTL_OK;
    v->din[1] = btl_sum_to(v->g, index_read_part(v->g, v->node, v->dout[0]), &v->in[1]->type);
    return v->din[1] ? BTL_OK : v->g->status;
}

static btl_status inc_subtensor_vjp(btl_vjp *v) {
    v->din[0] = v->dout[0];
    return index_vjp_of_y(v);
}

/* dx is dy with the replaced part zeroed. Where set's indices repeat, the gradient by y is that of
 * all writers, as if none had been overwritten (Theano's too). */
static btl_status set_subtensor_vjp(btl_vjp *v) {
    if (v->need[0]) {
        btl_var **in = BTL_ARRAY(&v->g->arena, btl_var *, v->node->nin);
        memcpy(in, v->node->in, (size_t)v->node->nin * sizeof *in);
        in[0] = v->dout[0];
        in[1] = btl_graph_scalar(v->g, v->in[1]->type.dtype, 0);
        v->din[0] = btl_build(v->g, v->node->op, v->node->nin, in, v->node->params, NULL);
        if (!v->din[0]) return v->g->status;
    }
    return index_vjp_of_y(v);
}

static bool subtensor_connected(const btl_node *n, int out, int in) {
    (void)n, (void)out;
    return in == 0;
}

static bool index_write_connected(const btl_node *n, int out, int in) {
    (void)n, (void)out;
    return in < 2;
}

/* ---- batches of all four ------------------------------------------------------------------ */

static const btl_index_item index_all = { INDEX_SLICE, { NULL, -1 }, { NULL, -1 }, { NULL, -1 } };

/* x[:, …]; false where a bound or an index varies over the batch. */
static bool index_batch_items(const btl_batch *b, int first, btl_param *out) {
    const btl_param *p = &b->node->params[0];
    btl_index_item *items = BTL_ARRAY(&b->g->arena, btl_index_item, p->index.n + 1);
    for (int i = first; i < b->node->nin; i++)
        if (b->batched[i]) return false;
    items[0] = index_all;
    if (p->index.n) memcpy(items + 1, p->index.v, (size_t)p->index.n * sizeof *items);
    *out = (btl_param){ .index = { p->index.n + 1, items } };
    return true;
}

static btl_status subtensor_batch(btl_batch *b) {
    btl_param p;
    return index_batch_items(b, 1, &p) ? btl_batch_apply(b, b->in, &p) : BTL_OK;
}

static const btl_op_alias subtensor_views[] = { { 0, 0 }, { -1, -1 } };

static const char *const subtensor_samples[] = {
    "x: f32[5, 4] | = x[1:, ::-2]", "x: i32[6] | = x[-2]", "x: f64[3, 4, 2] | = x[..., newaxis, 0]", "x: f32[0, 3] | = x[::-1]",
    "x: f32[7] | = x[5:1]", "x: bool[7] | = x[-100:100:3]", "x: f32[4, 4], i: i64 | = x[i, 1:]", "x: f64[7], i: i64 | = x[i:]", NULL,
};

/* Along an axis that is taken whole. */
static bool subtensor_cut(btl_cut *c) {
    const btl_param *p = &c->node->params[0];
    int axis = 0, at = 0;
    for (int i = 0; i < p->index.n; i++) {
        const btl_index_item *item = &p->index.v[i];
        bool here = item->kind != INDEX_INT && at++ == c->axis;
        if (here) c->in[0] = axis;
        if (here) return item->kind == INDEX_SLICE && btl_slice_is_full(item);
        axis += item->kind != INDEX_NEWAXIS;
    }
    return false;
}

const btl_op btl_op_subtensor = {
    .name = "subtensor", .doc = "x[ints, slices, newaxis]; a view", .signature = "x[...]", .version = 1, .min_in = 1,
    .max_in = -1, .nout = 1, .flags = OP_CAN_FAIL | OP_IS_PURE_SHAPE, .nparams = 1, .params = index_params,
    .infer = subtensor_infer, .measure = subtensor_measure, .view = subtensor_view, .views = subtensor_views, .starts = subtensor_starts,
    .emit = btl_subtensor_emit, .fails = "an index is out of range, or a step is 0",
    .vjp = subtensor_vjp, .connected = subtensor_connected, .cut = subtensor_cut, .batch = subtensor_batch,
    .samples = subtensor_samples,
};

/* ---- advanced: what goes where ------------------------------------------------------------ */

btl_index_plan btl_index_plan_of(const btl_param *p) {
    btl_index_plan plan = { 0 };
    int first = -1, last = -1;
    for (int i = 0; i < p->index.n; i++) {
        if (p->index.v[i].kind != INDEX_ARRAY) continue;
        if (first < 0) first = i;
        last = i;
        plan.input[plan.narrays] = p->index.v[i].start.input, plan.axis[plan.narrays++] = i;
    }
    bool together = last - first + 1 == plan.narrays;
    for (int i = 0; i < p->index.n; i++) {
        if (p->index.v[i].kind == INDEX_ARRAY) continue;
        if (together && i < first) plan.before[plan.nbefore++] = i;
        else plan.behind[plan.nbehind++] = i;
    }
    return plan;
}

static btl_status advanced_dims(btl_graph *g, int nin, btl_var *const *in, const btl_param *p, int *rank, const btl_dim **dims) {
    btl_var *arrays[BTL_MAX_RANK];
    const btl_dim *wide[BTL_MAX_RANK];
    const btl_var *x = in[0];
    int nwide;
    if (p->index.n != x->type.rank) return btl_fail(g, BTL_EVALUE, "%d items for %s", p->index.n, btl_var_text(g, x));
    for (int i = 0; i < p->index.n; i++)
        if (p->index.v[i].kind != INDEX_ARRAY && !btl_slice_is_full(&p->index.v[i]))
            return btl_fail(g, BTL_EVALUE, "beside arrays only whole axes may stand in a node");
    btl_index_plan plan = btl_index_plan_of(p);
    for (int i = 0; i < plan.narrays; i++) {
        assert(plan.input[i] > 0 && plan.input[i] < nin);
        (void)nin;
        arrays[i] = in[plan.input[i]];
    }
    BTL_TRY(btl_elemwise_dims(g, plan.narrays, arrays, &nwide, wide));
    *rank = plan.nbefore + nwide + plan.nbehind;
    if (*rank > BTL_MAX_RANK) return btl_fail(g, BTL_ESHAPE, "the result would have more than %d dimensions", BTL_MAX_RANK);
    for (int i = 0; i < plan.nbefore; i++) *dims++ = x->type.dims[plan.before[i]];
    for (int i = 0; i < nwide; i++) *dims++ = wide[i];
    for (int i = 0; i < plan.nbehind; i++) *dims++ = x->type.dims[plan.behind[i]];
    return BTL_OK;
}

/* ---- advanced: addresses ------------------------------------------------------------------ */

/* The index arrays' common shape, in numbers. */
typedef struct index_wide { int rank; int64_t dims[BTL_MAX_RANK], elems; } index_wide;

static index_wide index_wide_of(const btl_exec *x, const btl_index_plan *plan) {
    index_wide w = { 0, { 0 }, 1 };
    for (int i = 0; i < plan->narrays; i++)
        if (x->in[plan->input[i]].rank > w.rank) w.rank = x->in[plan->input[i]].rank;
    for (int k = 0; k < w.rank; k++) {
        w.dims[k] = 1;
        for (int i = 0; i < plan->narrays; i++) {
            const btl_operand *a = &x->in[plan->input[i]];
            int axis = k - (w.rank - a->rank);
            if (axis >= 0 && a->dims[axis] != 1) w.dims[k] = a->dims[axis];
        }
        if (!btl_mul_i64(w.elems, w.dims[k], &w.elems)) w.elems = INT64_MAX; /* no memory will do */
    }
    return w;
}

static void index_stretch(const btl_operand *a, int rank, const int64_t *dims, int64_t *strides) {
    for (int k = 0; k < rank; k++) {
        int axis = k - (rank - a->rank);
        strides[k] = axis < 0 || (a->dims[axis] == 1 && dims[k] != 1) ? 0 : a->strides[axis];
    }
}

static inline int64_t index_load(const char *p, btl_dtype dtype) {
    switch (dtype) {
    case BTL_I8: return *(const int8_t *)p;
    case BTL_U8: return *(const uint8_t *)p;
    case BTL_I16: { int16_t v; memcpy(&v, p, sizeof v); return v; }
    case BTL_U16: { uint16_t v; memcpy(&v, p, sizeof v); return v; }
    case BTL_I32: { int32_t v; memcpy(&v, p, sizeof v); return v; }
    case BTL_U32: { uint32_t v; memcpy(&v, p, sizeof v); return v; }
    case BTL_U64: { uint64_t v; memcpy(&v, p, sizeof v); return v > INT64_MAX ? INT64_MAX : (int64_t)v; }
    default: { int64_t v; memcpy(&v, p, sizeof v); return v; }
    }
}

/* "index 7 at [1, 0] is out of range for axis 0 of size 5" */
static btl_status index_fail(const btl_exec *x, const index_wide *w, int64_t at, int64_t value, int axis, int64_t n) {
    char place[200] = "";
    int64_t index[BTL_MAX_RANK];
    size_t used = 0;
    for (int k = w->rank - 1; k >= 0; k--) index[k] = at % w->dims[k], at /= w->dims[k];
    for (int k = 0; k < w->rank && used < sizeof place - 30; k++)
        used += (size_t)snprintf(place + used, sizeof place - used, "%s%lld", k ? ", " : " at [", (long long)index[k]);
    if (w->rank) snprintf(place + used, sizeof place - used, "]");
    return btl_error_set(x->err, BTL_EINDEX, "%s: index %lld%s is out of range for axis %d of size %lld", x->node->op->name,
                         (long long)value, place, axis, (long long)n);
}

/* A run of indices into offsets; returns how many were in range before the first that was not.
 * With the type known the loop is a few instructions. */
#define INDEX_RUN(dtype)                                                                          \
    for (int64_t k = 0; k < length; k++, at += step) {                                            \
        int64_t value = index_load(at, dtype), v = value < 0 ? value + n : value;                 \
        if (v < 0 || v >= n) return k;                                                            \
        offsets[k] += v * stride_bytes;                                                           \
    }                                                                                             \
    return length

static int64_t index_run(const char *at, int64_t step, btl_dtype dtype, int64_t length, int64_t n, int64_t stride_bytes, int64_t *offsets) {
    switch (dtype) {
    case BTL_I32: INDEX_RUN(BTL_I32);
    case BTL_I64: INDEX_RUN(BTL_I64);
    default: INDEX_RUN(dtype);
    }
}

/* offsets[i] += index i * stride, for one array over the wide shape. */
static btl_status index_add_offsets(const btl_exec *x, const index_wide *w, const btl_operand *a, int axis, int64_t n,
                                    int64_t stride_bytes, int64_t *offsets) {
    int64_t strides[BTL_MAX_RANK], i = 0, length = w->rank ? w->dims[w->rank - 1] : 1, bytes = (int64_t)btl_dtype_bytes(a->dtype);
    index_stretch(a, w->rank, w->dims, strides);
    int64_t step = w->rank ? strides[w->rank - 1] * bytes : 0;
    const int64_t *all[1] = { strides };
    if (w->elems == 0) return BTL_OK;
    btl_walk rows;
    for (btl_walk_begin(&rows, w->rank ? w->rank - 1 : 0, w->dims, 1, all); rows.more; btl_walk_next(&rows)) {
        const char *at = a->data + rows.at[0] * bytes;
        int64_t good = index_run(at, step, a->dtype, length, n, stride_bytes, offsets + i);
        if (good < length) return index_fail(x, w, i + good, index_load(at + good * step, a->dtype), axis, n);
        i += length;
    }
    return BTL_OK;
}

/* Bytes from the start of `base` (x, or the copy that is written) for each element of the index arrays. */
static btl_status index_offsets(const btl_exec *x, const btl_index_plan *plan, const index_wide *w, const btl_operand *base,
                                int64_t *offsets) {
    if (w->elems) memset(offsets, 0, (size_t)w->elems * sizeof *offsets);
    for (int i = 0; i < plan->narrays; i++) {
        int axis = plan->axis[i];
        BTL_TRY(index_add_offsets(x, w, &x->in[plan->input[i]], axis, base->dims[axis],
                                  base->strides[axis] * (int64_t)btl_dtype_bytes(base->dtype), offsets));
    }
    return BTL_OK;
}

static size_t index_workspace(const btl_exec *x) {
    if (!btl_index_has_array(&x->params[0])) return 0;
    btl_index_plan plan = btl_index_plan_of(&x->params[0]);
    int64_t elems = index_wide_of(x, &plan).elems;
    return elems > INT64_MAX / (int64_t)sizeof(int64_t) ? SIZE_MAX : (size_t)elems * sizeof(int64_t);
}

/* ---- advanced: moving --------------------------------------------------------------------- */

/* Between a packed part (the result of a read, y of a write; strides `packed` over the part's axes) and
 * `base`, at the offsets. For each place a block of the axes behind is moved by `run`. */
typedef struct index_traffic {
    const btl_index_plan *plan;
    const index_wide *wide;
    const btl_operand *base;
    const int64_t *offsets;
    char *part;
    const int64_t *packed;
    btl_move_run run;
    bool into_base;
} index_traffic;

typedef struct index_block {
    int rank;
    size_t bytes;                    /* of an element */
    int64_t dims[BTL_MAX_RANK], base[BTL_MAX_RANK], part[BTL_MAX_RANK];
    int64_t elems;
    bool dense;                      /* one run of memory on both sides */
} index_block;

static index_block index_block_of(const index_traffic *t) {
    index_block b = { .rank = t->plan->nbehind, .bytes = btl_dtype_bytes(t->base->dtype), .elems = 1, .dense = true };
    const int64_t *packed = t->packed + t->plan->nbefore + t->wide->rank;
    for (int i = b.rank - 1; i >= 0; i--) {
        b.dims[i] = t->base->dims[t->plan->behind[i]];
        b.base[i] = t->base->strides[t->plan->behind[i]];
        b.part[i] = packed[i];
        if (b.dims[i] != 1 && (b.base[i] != b.elems || b.part[i] != b.elems)) b.dense = false;
        b.elems *= b.dims[i];
    }
    return b;
}

#define INDEX_GATHER(type)                                                                        \
    for (int64_t i = 0; i < n; i++, part += step) {                                               \
        type v;                                                                                   \
        memcpy(&v, base + offsets[i], sizeof v);                                                  \
        memcpy(part, &v, sizeof v);                                                               \
    }                                                                                             \
    return

/* n single elements from their places. */
static void index_gather(char *part, int64_t step, const char *base, const int64_t *offsets, int64_t n, size_t bytes) {
    switch (bytes) {
    case 1: INDEX_GATHER(uint8_t);
    case 2: INDEX_GATHER(uint16_t);
    case 4: INDEX_GATHER(uint32_t);
    default: INDEX_GATHER(uint64_t);
    }
}

/* One row of index elements. */
static void index_row(const index_traffic *t, const index_block *b, char *base, char *part, int64_t step, const int64_t *offsets,
                      int64_t n) {
    if (!t->into_base && b->elems == 1) {
        index_gather(part, step, base, offsets, n, b->bytes);
        return;
    }
    int64_t size = (int64_t)b->bytes;
    for (int64_t i = 0; i < n; i++, part += step) {
        char *at = base + offsets[i];
        if (b->dense && t->into_base) t->run(at, size, part, size, b->elems);
        else if (b->dense) t->run(part, size, at, size, b->elems);
        else if (t->into_base) btl_move(t->run, b->bytes, b->rank, b->dims, at, b->base, part, b->part);
        else btl_move(t->run, b->bytes, b->rank, b->dims, part, b->part, at, b->base);
    }
}

static void index_move(const index_traffic *t) {
    int outer = t->plan->nbefore, rank = outer + t->wide->rank - (t->wide->rank > 0);
    int64_t length = t->wide->rank ? t->wide->dims[t->wide->rank - 1] : 1;
    int64_t dims[BTL_MAX_RANK], base[BTL_MAX_RANK] = { 0 }, place[BTL_MAX_RANK] = { 0 }, wide[BTL_MAX_RANK];
    index_block b = index_block_of(t);
    int64_t size = (int64_t)b.bytes, step = t->wide->rank ? t->packed[rank] * size : 0;
    if (t->wide->elems == 0 || b.elems == 0) return;
    btl_strides_row_major(t->wide->rank, t->wide->dims, wide);
    for (int i = 0; i < rank; i++) {
        dims[i] = i < outer ? t->base->dims[t->plan->before[i]] : t->wide->dims[i - outer];
        if (i < outer) base[i] = t->base->strides[t->plan->before[i]];
        else place[i] = wide[i - outer];
    }
    const int64_t *all[3] = { base, t->packed, place };
    btl_walk w;
    for (btl_walk_begin(&w, rank, dims, 3, all); w.more; btl_walk_next(&w))
        index_row(t, &b, t->base->data + w.at[0] * size, t->part + w.at[1] * size, step, t->offsets + w.at[2], length);
}

/* ---- advanced_subtensor ------------------------------------------------------------------- */

static btl_status advanced_infer(btl_infer *x) {
    const btl_dim *dims[BTL_MAX_RANK];
    int rank;
    BTL_TRY(advanced_dims(x->g, x->nin, x->in, &x->params[0], &rank, dims));
    x->out[0] = btl_type_make(x->g, x->in[0]->type.dtype, rank, dims);
    return BTL_OK;
}

/* Where element `part` (an index into the axes of the part) lies in base, in elements. */
static btl_status index_locate(const btl_exec *x, const btl_index_plan *plan, const index_wide *w, const btl_operand *base,
                               const int64_t *part, int64_t *at) {
    *at = 0;
    for (int i = 0; i < plan->nbefore; i++) *at += part[i] * base->strides[plan->before[i]];
    for (int i = 0; i < plan->nbehind; i++) *at += part[plan->nbefore + w->rank + i] * base->strides[plan->behind[i]];
    for (int i = 0; i < plan->narrays; i++) {
        const btl_operand *a = &x->in[plan->input[i]];
        int64_t strides[BTL_MAX_RANK], k = 0, n = base->dims[plan->axis[i]], flat = 0;
        index_stretch(a, w->rank, w->dims, strides);
        for (int d = 0; d < w->rank; d++) k += part[plan->nbefore + d] * strides[d], flat = flat * w->dims[d] + part[plan->nbefore + d];
        int64_t value = index_load(a->data + k * (int64_t)btl_dtype_bytes(a->dtype), a->dtype), v = value < 0 ? value + n : value;
        if (v < 0 || v >= n) return index_fail(x, w, flat, value, plan->axis[i], n);
        *at += v * base->strides[plan->axis[i]];
    }
    return BTL_OK;
}

/* Reference: each element of the result is found by itself. */
/* Every index is looked at, also where another axis without elements leaves nothing to move. */
static btl_status index_check(const btl_exec *x, const btl_index_plan *plan, const index_wide *w, const btl_operand *base) {
    if (w->elems == 0) return BTL_OK;
    for (int i = 0; i < plan->narrays; i++) {
        const btl_operand *a = &x->in[plan->input[i]];
        int64_t strides[BTL_MAX_RANK], n = base->dims[plan->axis[i]], at = 0;
        index_stretch(a, w->rank, w->dims, strides);
        const int64_t *all[1] = { strides };
        btl_walk walk;
        for (btl_walk_begin(&walk, w->rank, w->dims, 1, all); walk.more; btl_walk_next(&walk), at++) {
            int64_t value = index_load(a->data + walk.at[0] * (int64_t)btl_dtype_bytes(a->dtype), a->dtype);
            if (value < -n || value >= n) return index_fail(x, w, at, value, plan->axis[i], n);
        }
    }
    return BTL_OK;
}

static btl_status advanced_eval(btl_exec *x) {
    btl_index_plan plan = btl_index_plan_of(&x->params[0]);
    index_wide w = index_wide_of(x, &plan);
    BTL_TRY(index_check(x, &plan, &w, &x->in[0]));
    const btl_operand *y = &x->out[0];
    size_t bytes = btl_dtype_bytes(y->dtype);
    const int64_t *all[1] = { y->strides };
    btl_walk walk;
    for (btl_walk_begin(&walk, y->rank, y->dims, 1, all); walk.more; btl_walk_next(&walk)) {
        int64_t at;
        BTL_TRY(index_locate(x, &plan, &w, &x->in[0], walk.index, &at));
        memcpy(y->data + walk.at[0] * (int64_t)bytes, x->in[0].data + at * (int64_t)bytes, bytes);
    }
    return BTL_OK;
}

static btl_status advanced_kernel(btl_exec *x) {
    btl_index_plan plan = btl_index_plan_of(&x->params[0]);
    index_wide w = index_wide_of(x, &plan);
    if (!x->work && w.elems) return advanced_eval(x);
    BTL_TRY(index_offsets(x, &plan, &w, &x->in[0], x->work));
    index_traffic t = { &plan, &w, &x->in[0], x->work, x->out[0].data, x->out[0].strides, btl_move_copy(x->out[0].dtype), false };
    index_move(&t);
    return BTL_OK;
}

/* Rank of the axes that the index arrays make, if these stand apart and their axes therefore come first;
 * 0 where the new axis stays in front. */
static int index_batch_arrays(const btl_batch *b) {
    const btl_param *p = &b->node->params[0];
    if (!btl_index_has_array(p)) return 0;
    btl_index_plan plan = btl_index_plan_of(p);
    int rank = 0;
    for (int i = 1; i < plan.narrays; i++)
        if (plan.axis[i] != plan.axis[i - 1] + 1) rank = -1;
    if (rank == 0) return 0;
    for (int i = 0; i < plan.narrays; i++)
        if (b->node->in[plan.input[i]]->type.rank > rank) rank = b->node->in[plan.input[i]]->type.rank;
    return rank;
}

static btl_status advanced_batch(btl_batch *b) {
    btl_param p;
    int narrays = index_batch_arrays(b), pattern[BTL_MAX_RANK];
    if (!index_batch_items(b, 1, &p)) return BTL_OK;
    BTL_TRY(btl_batch_apply(b, b->in, &p));
    for (int i = 0; i < b->out[0]->type.rank; i++) pattern[i] = i > narrays ? i : i ? i - 1 : narrays;
    b->out[0] = btl_dimshuffle_to(b->g, b->out[0], b->out[0]->type.rank, pattern);
    return b->out[0] ? BTL_OK : b->g->status;
}

static const char *const advanced_subtensor_samples[] = {
    "x: f32[5, 4], i: i64[3] | = x[i]", "x: f32[5, 4], i: i32[3], j: i64[3] | = x[i, j]", "x: i8[6], i: i64[0] | = x[i]",
    "x: f64[3, 4, 2], i: i64[2, 1], j: i64[3] | = x[i, :, j]", "x: f32[3, 4], i: u8[2] | = x[1:, i]", NULL,
};

const btl_op btl_op_advanced_subtensor = {
    .name = "advanced_subtensor", .doc = "x[integer arrays]", .signature = "x[i, ...]", .version = 1, .min_in = 2,
    .max_in = -1, .nout = 1, .flags = OP_CAN_FAIL, .nparams = 1, .params = index_params, .infer = advanced_infer,
    .eval = advanced_eval, .kernel = advanced_kernel, .workspace = index_workspace,
    .emit = btl_advanced_subtensor_emit, .fails = "an index is out of range", .vjp = subtensor_vjp,
    .connected = subtensor_connected, .batch = advanced_batch,
    .samples = advanced_subtensor_samples,
};

/* ---- set_subtensor, inc_subtensor --------------------------------------------------------- */

static btl_status index_write_infer(btl_infer *x) {
    const btl_dim *dims[BTL_MAX_RANK];
    const btl_type *y = &x->in[1]->type;
    int rank;
    if (y->dtype != x->in[0]->type.dtype)
        return btl_fail(x->g, BTL_EDTYPE, "%s, but %s", btl_var_text(x->g, x->in[0]), btl_var_text(x->g, x->in[1]));
    if (btl_index_has_array(&x->params[0])) BTL_TRY(advanced_dims(x->g, x->nin, x->in, &x->params[0], &rank, dims));
    else BTL_TRY(basic_dims(x->g, x->in[0], &x->params[0], &rank, dims));
    bool fits = y->rank <= rank;
    for (int i = 0; fits && i < y->rank; i++) {
        const btl_dim *part = dims[rank - y->rank + i];
        if (part && !btl_dim_is(y->dims[i], 1)) fits = !btl_dims_unify(x->g, part, y->dims[i], NULL);
    }
    if (!fits) {
        btl_text t;
        btl_text_init(&t, &x->g->arena);
        for (int i = 0; i < rank; i++) {
            btl_text_add(&t, i ? ", " : "");
            if (dims[i]) btl_dim_print(&t, x->g, dims[i]);
            else btl_text_add(&t, "?");
        }
        return btl_fail(x->g, BTL_ESHAPE, "the part is [%s], %s", t.data ? t.data : "", btl_var_text(x->g, x->in[1]));
    }
    x->out[0] = x->in[0]->type;
    return BTL_OK;
}

/* y's strides over the part; the part's late sizes could not be compared earlier. */
static btl_status index_stretch_y(const btl_exec *x, int rank, const int64_t *dims, int64_t *strides) {
    const btl_operand *y = &x->in[1];
    for (int i = 0; i < y->rank; i++)
        if (y->dims[i] != 1 && y->dims[i] != dims[rank - y->rank + i])
            return btl_error_set(x->err, BTL_ESHAPE, "%s: size %d of what is written is %lld, the part's is %lld", x->node->op->name,
                                 i, (long long)y->dims[i], (long long)dims[rank - y->rank + i]);
    index_stretch(y, rank, dims, strides);
    return BTL_OK;
}

/* x into the result; nothing if it lies there already (x overwritten in place). */
static void index_copy_x(btl_exec *x) {
    const btl_operand *a = &x->in[0], *y = &x->out[0];
    if (a->data == y->data) return;
    btl_move(btl_move_copy(a->dtype), btl_dtype_bytes(a->dtype), a->rank, a->dims, y->data, y->strides, a->data, a->strides);
}

static btl_status index_write_basic(btl_exec *x, btl_move_run run) {
    int64_t dims[BTL_MAX_RANK], strides[BTL_MAX_RANK], from[BTL_MAX_RANK];
    btl_operand part;
    BTL_TRY(basic_view(x, &x->out[0], &part, dims, strides));
    BTL_TRY(index_stretch_y(x, part.rank, dims, from));
    index_copy_x(x);
    btl_move(run, btl_dtype_bytes(part.dtype), part.rank, dims, part.data, strides, x->in[1].data, from);
    return BTL_OK;
}

static int index_part_dims(const btl_index_plan *plan, const index_wide *w, const btl_operand *x, int64_t *dims) {
    int n = 0;
    for (int i = 0; i < plan->nbefore; i++) dims[n++] = x->dims[plan->before[i]];
    for (int i = 0; i < w->rank; i++) dims[n++] = w->dims[i];
    for (int i = 0; i < plan->nbehind; i++) dims[n++] = x->dims[plan->behind[i]];
    return n;
}

/* Reference: elements in row-major order of the part, each written (or added) by itself. */
static btl_status index_write_eval(btl_exec *x, btl_move_run run) {
    if (!btl_index_has_array(&x->params[0])) return index_write_basic(x, run);
    btl_index_plan plan = btl_index_plan_of(&x->params[0]);
    index_wide w = index_wide_of(x, &plan);
    const btl_operand *out = &x->out[0];
    int64_t dims[BTL_MAX_RANK], from[BTL_MAX_RANK], bytes = (int64_t)btl_dtype_bytes(out->dtype);
    int rank = index_part_dims(&plan, &w, out, dims);
    BTL_TRY(index_stretch_y(x, rank, dims, from));
    BTL_TRY(index_check(x, &plan, &w, out));
    index_copy_x(x);
    const int64_t *all[1] = { from };
    btl_walk walk;
    for (btl_walk_begin(&walk, rank, dims, 1, all); walk.more; btl_walk_next(&walk)) {
        int64_t at;
        BTL_TRY(index_locate(x, &plan, &w, out, walk.index, &at));
        run(out->data + at * bytes, 0, x->in[1].data + walk.at[0] * bytes, 0, 1);
    }
    return BTL_OK;
}

static btl_status index_write_kernel(btl_exec *x, btl_move_run run) {
    if (!btl_index_has_array(&x->params[0])) return index_write_basic(x, run);
    btl_index_plan plan = btl_index_plan_of(&x->params[0]);
    index_wide w = index_wide_of(x, &plan);
    int64_t dims[BTL_MAX_RANK], from[BTL_MAX_RANK];
    if (!x->work && w.elems) return index_write_eval(x, run);
    int rank = index_part_dims(&plan, &w, &x->out[0], dims);
    BTL_TRY(index_stretch_y(x, rank, dims, from));
    BTL_TRY(index_offsets(x, &plan, &w, &x->out[0], x->work)); /* may fail, so before anything is written */
    index_copy_x(x);
    index_traffic t = { &plan, &w, &x->out[0], x->work, x->in[1].data, from, run, true };
    index_move(&t);
    return BTL_OK;
}

static btl_status set_subtensor_eval(btl_exec *x) { return index_write_eval(x, btl_move_copy(x->out[0].dtype)); }
static btl_status set_subtensor_kernel(btl_exec *x) { return index_write_kernel(x, btl_move_copy(x->out[0].dtype)); }
static btl_status inc_subtensor_eval(btl_exec *x) { return index_write_eval(x, btl_move_add(x->out[0].dtype)); }
static btl_status inc_subtensor_kernel(btl_exec *x) { return index_write_kernel(x, btl_move_add(x->out[0].dtype)); }

static int index_part_rank(const btl_node *n) {
    const btl_param *p = &n->params[0];
    int rank = 0, wide = 0;
    for (int i = 0; i < p->index.n; i++) rank += p->index.v[i].kind == INDEX_SLICE || p->index.v[i].kind == INDEX_NEWAXIS;
    for (int i = 0; i < p->index.n; i++) {
        if (p->index.v[i].kind != INDEX_ARRAY) continue;
        int own = n->in[p->index.v[i].start.input]->type.rank;
        if (own > wide) wide = own;
    }
    return rank + wide;
}

/* y of a batch, with the new axis where the part of x has it: behind those of arrays that stand apart. */
static btl_var *index_batch_y(const btl_batch *b) {
    int rank = index_part_rank(b->node), narrays = index_batch_arrays(b), pattern[BTL_MAX_RANK + 1];
    int own = b->in[1]->type.rank - b->batched[1];
    for (int i = 0; i <= rank; i++) {
        int axis = (i < narrays ? i : i - 1) - (rank - own); /* of y without the new axis */
        pattern[i] = i == narrays ? (b->batched[1] ? 0 : -1) : axis < 0 ? -1 : axis + b->batched[1];
    }
    return btl_dimshuffle_to(b->g, b->in[1], rank + 1, pattern);
}

/* Where x[items] begins along the one axis that is cut: an int, or a slice in steps of 1. */
static bool index_part_start(btl_graph *g, const btl_index_item *item, const btl_dim *n, const btl_dim **start) {
    const btl_dim *zero = btl_dim_const(g, 0), *at = item->start.dim ? item->start.dim : zero;
    if (item->start.input >= 0 || item->stop.input >= 0 || item->step.input >= 0) return false;
    if (item->kind == INDEX_SLICE && item->step.dim && !btl_dim_is(item->step.dim, 1)) return false;
    if (at->lo < 0 && at->hi >= 0) return false;
    *start = at->lo >= 0 ? at : btl_dim_max(g, zero, btl_dim_add(g, n, at));
    return true;
}

/* y in zeros, where one axis is cut and y fills what is cut out. */
static bool inc_subtensor_part(btl_graph *g, const btl_node *n, btl_part *out) {
    const btl_param *p = &n->params[0];
    const btl_type *x = &n->in[0]->type, *y = &n->in[1]->type;
    double zero = 1;
    int cut = -1, pattern[BTL_MAX_RANK];
    if (n->nin != 2 || p->index.n != x->rank || !btl_var_constant_value(n->in[0], &zero) || zero != 0) return false;
    for (int i = 0; i < p->index.n; i++) {
        if (btl_slice_is_full(&p->index.v[i])) continue;
        if (cut >= 0 || (p->index.v[i].kind != INDEX_INT && p->index.v[i].kind != INDEX_SLICE)) return false;
        cut = i;
    }
    if (cut < 0) return false;
    bool picked = p->index.v[cut].kind == INDEX_INT;
    if (y->rank + picked != x->rank || !index_part_start(g, &p->index.v[cut], x->dims[cut], &out->start)) return false;
    for (int i = 0; i < x->rank; i++) {
        pattern[i] = !picked || i < cut ? i : i == cut ? -1 : i - 1;
        if (i != cut && y->dims[pattern[i]] != x->dims[i]) return false; /* y is stretched */
    }
    out->axis = cut;
    out->length = picked ? btl_dim_const(g, 1) : y->dims[cut];
    out->value = btl_dimshuffle_to(g, n->in[1], x->rank, pattern);
    return out->value != NULL;
}

static btl_status index_write_batch(btl_batch *b) {
    btl_param p;
    btl_var **in = btl_arena_copy(&b->g->arena, b->in, (size_t)b->node->nin * sizeof *in);
    if (!index_batch_items(b, 2, &p)) return BTL_OK;
    in[0] = btl_batch_stretch(b, 0);
    in[1] = index_batch_y(b);
    return in[0] && in[1] ? btl_batch_apply(b, in, &p) : b->g->status;
}

static const char *const set_subtensor_samples[] = {
    "x: f32[5, 4], y: f32[4] | = set_subtensor(x[1], y)", "x: f64[6], y: f64[3] | = set_subtensor(x[::-2], y)",
    "x: f32[5, 4], y: f32[3, 4], i: i64[3] | = set_subtensor(x[i], y)", "x: i32[3, 0], y: i32 | = set_subtensor(x[1:], y)",
    "x: f32[5, 4], y: f32, i: i64[3] | = set_subtensor(x[1:, i], y)", "x: f32[5], y: f32, i: i64 | = set_subtensor(x[i], y)", NULL,
};

static const btl_op_alias index_write_overwrites[] = { { 0, 0 }, { -1, -1 } };

const btl_op btl_op_set_subtensor = {
    .name = "set_subtensor", .doc = "x with a part replaced; of repeated indices the last wins",
    .signature = "set_subtensor(x[...], y)", .version = 1, .min_in = 2, .max_in = -1, .nout = 1, .flags = OP_CAN_FAIL,
    .nparams = 1, .params = index_params, .infer = index_write_infer, .eval = set_subtensor_eval,
    .overwrites = index_write_overwrites, .kernel = set_subtensor_kernel, .workspace = index_workspace, .emit = btl_set_subtensor_emit,
    .fails = "an index is out of range, or what is set has other sizes",
    .vjp = set_subtensor_vjp, .connected = index_write_connected, .jvp = btl_jvp_linear, .batch = index_write_batch,
    .samples = set_subtensor_samples,
};

static const char *const inc_subtensor_samples[] = {
    "x: f32[5, 4], y: f32[4] | = inc_subtensor(x[1], y)", "x: f64[6], y: f64[3] | = inc_subtensor(x[::-2], y)",
    "x: f32[5, 4], y: f32[9, 4], i: i64[9] | = inc_subtensor(x[i], y)", "x: i32[3, 0], y: i32 | = inc_subtensor(x[1:], y)",
    "x: f32[5, 4], y: f32, i: i64[3] | = inc_subtensor(x[1:, i], y)", "x: f32[5], y: f32, i: i64 | = inc_subtensor(x[i], y)", NULL,
};

const btl_op btl_op_inc_subtensor = {
    .name = "inc_subtensor", .doc = "x with y added to a part; repeated indices add up",
    .signature = "inc_subtensor(x[...], y)", .version = 1, .min_in = 2, .max_in = -1, .nout = 1, .flags = OP_CAN_FAIL,
    .nparams = 1, .params = index_params, .infer = index_write_infer, .eval = inc_subtensor_eval,
    .overwrites = index_write_overwrites, .kernel = inc_subtensor_kernel, .workspace = index_workspace, .emit = btl_inc_subtensor_emit,
    .fails = "an index is out of range, or what is added has other sizes",
    .vjp = inc_subtensor_vjp, .connected = index_write_connected, .part = inc_subtensor_part, .jvp = btl_jvp_linear, .batch = index_write_batch,
    .samples = inc_subtensor_samples,
};

/* ---- from brackets to nodes --------------------------------------------------------------- */

enum { INDEX_LARGEST = 2 * BTL_MAX_RANK };

/* What stands in the brackets, one item for each axis of x and each new axis, ellipsis resolved. */
typedef struct index_list {
    int n, narrays;
    btl_index_arg items[INDEX_LARGEST + BTL_MAX_RANK];
} index_list;

static const btl_index_arg index_whole = { .kind = ARG_SLICE };

static btl_status index_check_array(btl_graph *g, const btl_var *v) {
    char kind = btl_dtype_kind(v->type.dtype);
    if (kind == 'i' || kind == 'u') return BTL_OK;
    if (kind == 'b') {
        btl_fail(g, BTL_EUNSUPPORTED, "boolean-mask indexing is not there yet: the mask %s", btl_var_text(g, v));
        btl_fail_hint(g, "where(mask, a, b) chooses element by element");
        return BTL_EUNSUPPORTED;
    }
    btl_fail(g, BTL_EDTYPE, "an index is an integer: %s", btl_var_text(g, v));
    btl_fail_hint(g, "i64(...) casts");
    return BTL_EDTYPE;
}

/* A bound's variable becomes a size where it stands for one, a 0-d i64 otherwise. */
static btl_status index_resolve_bound(btl_graph *g, btl_index_bound *b) {
    if (!b->var) return BTL_OK;
    BTL_TRY(index_check_array(g, b->var));
    if (b->var->type.rank) return btl_fail(g, BTL_ESHAPE, "a bound of a slice is a single integer: %s", btl_var_text(g, b->var));
    b->dim = btl_var_dim(g, b->var);
    b->var = b->dim ? NULL : btl_cast_to(g, b->var, BTL_I64);
    return b->dim || b->var ? BTL_OK : g->status;
}

static btl_status index_resolve(btl_graph *g, btl_index_arg *a) {
    if (a->kind == ARG_ARRAY || (a->kind == ARG_INT && a->start.var)) {
        BTL_TRY(index_check_array(g, a->start.var));
        a->kind = a->start.var->type.rank ? ARG_ARRAY : ARG_INT;
    }
    if (a->kind == ARG_INT || a->kind == ARG_SLICE) BTL_TRY(index_resolve_bound(g, &a->start));
    if (a->kind != ARG_SLICE) return BTL_OK;
    BTL_TRY(index_resolve_bound(g, &a->stop));
    return index_resolve_bound(g, &a->step);
}

static btl_status index_expand(btl_graph *g, const btl_var *x, int nitems, const btl_index_arg *items, index_list *list) {
    int axes = 0, dots = 0;
    for (int i = 0; i < nitems; i++) {
        axes += items[i].kind != ARG_NEWAXIS && items[i].kind != ARG_ELLIPSIS;
        dots += items[i].kind == ARG_ELLIPSIS;
    }
    if (nitems > INDEX_LARGEST) return btl_fail(g, BTL_ESHAPE, "%d items are too many", nitems);
    if (dots > 1) return btl_fail(g, BTL_ESHAPE, "only one '...' may stand in an index");
    if (axes > x->type.rank)
        return btl_fail(g, BTL_ESHAPE, "too many indices: %s, %d given", btl_var_text(g, x), axes);
    list->n = list->narrays = 0;
    for (int i = 0; i < nitems + !dots; i++) {
        if (i == nitems || items[i].kind == ARG_ELLIPSIS) {
            for (int k = axes; k < x->type.rank; k++) list->items[list->n++] = index_whole;
            continue;
        }
        btl_index_arg *a = &list->items[list->n++];
        *a = items[i];
        BTL_TRY(index_resolve(g, a));
        list->narrays += a->kind == ARG_ARRAY;
    }
    return BTL_OK;
}

/* A node being put together: its list and its operands. */
typedef struct index_draft {
    int n, nin;
    bool trivial; /* every item is `:` */
    btl_index_item items[INDEX_LARGEST + BTL_MAX_RANK];
    btl_var *in[2 + 3 * (INDEX_LARGEST + BTL_MAX_RANK)];
} index_draft;

/* nextra operands between x and the bounds are filled in later. The rest stays unwritten: one is made for each pair of brackets. */
static void index_draft_begin(index_draft *d, btl_var *x, int nextra) {
    d->n = 0;
    d->nin = 1 + nextra;
    d->trivial = true;
    d->in[0] = x;
    for (int i = 0; i < nextra; i++) d->in[1 + i] = NULL;
}

static btl_bound index_draft_bound(index_draft *d, const btl_index_bound *b) {
    if (!b->var) return (btl_bound){ b->dim, -1 };
    d->in[d->nin] = b->var;
    return (btl_bound){ NULL, d->nin++ };
}

static void index_draft_basic(index_draft *d, const btl_index_arg *a) {
    static const btl_index_kind kinds[] = { [ARG_INT] = INDEX_INT, [ARG_SLICE] = INDEX_SLICE, [ARG_NEWAXIS] = INDEX_NEWAXIS };
    btl_index_item *item = &d->items[d->n++];
    item->kind = kinds[a->kind];
    item->start = index_draft_bound(d, &a->start);
    item->stop = index_draft_bound(d, &a->stop);
    item->step = index_draft_bound(d, &a->step);
    d->trivial &= btl_slice_is_full(item);
}

/* Ints and arrays as index operands, all else whole axes. */
static btl_status index_draft_advanced(btl_graph *g, index_draft *d, const btl_var *x, const btl_index_arg *a) {
    btl_index_item *item = &d->items[d->n++];
    const btl_bound none = { NULL, -1 };
    *item = (btl_index_item){ INDEX_SLICE, none, none, none };
    if (a->kind != ARG_INT && a->kind != ARG_ARRAY) return BTL_OK;
    btl_var *v = a->start.var;
    if (!v) {
        BTL_TRY(index_check_constant(g, x, a->start.dim, d->n - 1));
        v = btl_cast_to(g, btl_graph_size(g, a->start.dim), BTL_I64);
        if (!v) return g->status;
    }
    item->kind = INDEX_ARRAY;
    item->start.input = d->nin;
    d->in[d->nin++] = v;
    return BTL_OK;
}

static btl_var *index_finish(btl_graph *g, const btl_op *op, const index_draft *d) {
    btl_index_item *items = d->n ? btl_arena_copy(&g->arena, d->items, (size_t)d->n * sizeof *items) : NULL;
    btl_param p = { .index = { d->n, items } };
    return btl_build(g, op, d->nin, d->in, &p, NULL);
}

/* The nodes for one pair of brackets: the basic list, and where there are arrays the list behind it. */
typedef struct index_nodes { index_draft basic, advanced; btl_var *part; } index_nodes;

/* nextra: operands between x and the bounds (1 for y of a write, filled in later). */
static btl_status index_prepare(btl_graph *g, btl_var *x, const index_list *list, int nextra, index_nodes *out) {
    index_draft_begin(&out->basic, x, nextra);
    for (int i = 0; i < list->n; i++) {
        bool leave = list->narrays && (list->items[i].kind == ARG_ARRAY || list->items[i].kind == ARG_INT);
        index_draft_basic(&out->basic, leave ? &index_whole : &list->items[i]);
    }
    if (!list->narrays) return BTL_OK;
    index_draft read = out->basic;
    if (nextra) {
        memmove(read.in + 1, read.in + 1 + nextra, (size_t)(read.nin - 1 - nextra) * sizeof *read.in);
        read.nin -= nextra;
        for (int i = 0; i < read.n; i++) {
            btl_bound *b[3] = { &read.items[i].start, &read.items[i].stop, &read.items[i].step };
            for (int k = 0; k < 3; k++)
                if (b[k]->input >= 0) b[k]->input -= nextra;
        }
    }
    out->part = read.trivial ? x : index_finish(g, &btl_op_subtensor, &read);
    if (!out->part) return g->status;
    index_draft_begin(&out->advanced, out->part, nextra);
    for (int i = 0; i < list->n; i++) BTL_TRY(index_draft_advanced(g, &out->advanced, out->part, &list->items[i]));
    return BTL_OK;
}

static btl_var *index_failed(btl_graph *g) {
    if (g->pending_message) btl_fail_done(g, NULL);
    return NULL;
}

btl_var *btl_index_build(btl_graph *g, btl_var *x, int nitems, const btl_index_arg *items) {
    if (!x) return NULL;
    index_list list;
    index_nodes n;
    if (index_expand(g, x, nitems, items, &list) || index_prepare(g, x, &list, 0, &n)) return index_failed(g);
    if (list.narrays) return index_finish(g, &btl_op_advanced_subtensor, &n.advanced);
    return n.basic.trivial ? x : index_finish(g, &btl_op_subtensor, &n.basic);
}

/* y as x's type, if that loses nothing: literals take it, others must promote to it. */
static btl_var *index_cast_y(btl_graph *g, const btl_var *x, btl_var *y) {
    btl_dtype to = x->type.dtype, from = y->type.dtype;
    bool fits = from == to || btl_dtype_promote(to, from) == to;
    if (y->weak) fits = btl_dtype_kind(from) == 'f' ? btl_dtype_kind(to) == 'f' : to != BTL_BOOL;
    if (fits) return btl_cast_to(g, y, to);
    btl_fail(g, BTL_EDTYPE, "%s, what is written there is %s", btl_var_text(g, x), btl_type_text(g, &y->type));
    btl_fail_hint(g, "nothing is cast silently where it could lose values: write %s(...)", btl_dtype_name(to));
    return NULL;
}

btl_var *btl_index_assign(btl_graph *g, btl_var *x, int nitems, const btl_index_arg *items, btl_var *y, bool increase) {
    if (!x || !y) return NULL;
    const btl_op *op = increase ? &btl_op_inc_subtensor : &btl_op_set_subtensor;
    index_list list;
    index_nodes n;
    if (index_expand(g, x, nitems, items, &list) || !(y = index_cast_y(g, x, y)) || index_prepare(g, x, &list, 1, &n)) return index_failed(g);
    if (list.narrays) {
        n.advanced.in[1] = y;
        y = index_finish(g, op, &n.advanced);
        if (n.basic.trivial) return y;
        op = &btl_op_set_subtensor; /* the changed view goes back in its place */
    }
    n.basic.in[1] = y;
    return index_finish(g, op, &n.basic);
}

btl_var *btl_part_along(btl_graph *g, btl_var *x, int axis, const btl_dim *start, const btl_dim *length) {
    btl_index_arg items[BTL_MAX_RANK];
    for (int i = 0; i < axis; i++) items[i] = index_whole;
    items[axis] = (btl_index_arg){ .kind = ARG_SLICE, .start = { start, NULL }, .stop = { btl_dim_add(g, start, length), NULL } };
    return btl_index_build(g, x, axis + 1, items);
}

btl_var *btl_share_along(btl_graph *g, btl_var *x, int axis, int shares, int i) {
    const btl_dim *length = btl_dim_floordiv(g, x->type.dims[axis], btl_dim_const(g, shares));
    return btl_part_along(g, x, axis, btl_dim_mul(g, length, btl_dim_const(g, i)), length);
}

btl_var *btl_part_add(btl_graph *g, btl_var *x, const btl_part *part) {
    btl_index_arg items[BTL_MAX_RANK];
    for (int i = 0; i < part->axis; i++) items[i] = index_whole;
    items[part->axis] = (btl_index_arg){ .kind = ARG_SLICE, .start = { part->start, NULL }, .stop = { btl_dim_add(g, part->start, part->length), NULL } };
    return btl_index_assign(g, x, part->axis + 1, items, part->value, true);
}

/* ---- take and public builders ------------------------------------------------------------- */

static const btl_param_spec take_params[] = {
    { "axis", PARAM_AXES, "none", true, "along which axis; none: of the flattened array" },
};

static btl_var *take_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in, const btl_param *params,
                           btl_var **out) {
    (void)op, (void)nin;
    btl_var *x = in[0];
    int axis = 0;
    if (params[0].axes.n == 1) {
        if (btl_axis_resolve(g, params[0].axes.v[0], x->type.rank, &axis)) return NULL;
    } else {
        const btl_dim *all = btl_type_elems(g, &x->type);
        if (!(x = btl_reshape_to_dims(g, x, 1, &all))) return NULL;
    }
    btl_index_arg items[BTL_MAX_RANK];
    for (int i = 0; i < axis; i++) items[i] = index_whole;
    items[axis] = (btl_index_arg){ .kind = ARG_ARRAY, .start = { NULL, in[1] } };
    btl_var *v = btl_index_build(g, x, axis + 1, items);
    if (out) *out = v;
    return v;
}

static const char *const take_samples[] = {
    "x: f32[5, 4], i: i64[3] | axis=0", "x: f32[5, 4], i: i32[2, 2]", "x: i32[5, 4], i: i64 | axis=-1", "x: f64[3], i: u8[0] | axis=0", NULL,
};

const btl_op btl_op_take = {
    .name = "take", .doc = "the slices of x that indices name", .signature = "take(x, indices, axis=none)", .version = 1,
    .min_in = 2, .max_in = 2, .nout = 1, .flags = OP_MACRO, .nparams = 1, .params = take_params, .build = take_build,
    .samples = take_samples,
};

btl_var *btl_take(btl_graph *g, btl_var *x, btl_var *indices, int axis) {
    btl_param p = { .axes = { 1, &axis } };
    btl_var *in[2] = { x, indices };
    return btl_build(g, &btl_op_take, 2, in, &p, NULL);
}

typedef struct index_slice_args { btl_graph *g; btl_var *x; int axis; int64_t bound[3]; btl_var *result; } index_slice_args;

static btl_status index_slice_body(void *arg) {
    index_slice_args *s = arg;
    btl_index_arg items[BTL_MAX_RANK];
    const btl_dim *d[3];
    int axis;
    if (btl_axis_resolve(s->g, s->axis, s->x->type.rank, &axis)) {
        btl_fail_done(s->g, "slice");
        return s->g->status;
    }
    for (int i = 0; i < 3; i++) d[i] = s->bound[i] == INT64_MAX ? NULL : btl_dim_const(s->g, s->bound[i]);
    for (int i = 0; i < axis; i++) items[i] = index_whole;
    items[axis] = (btl_index_arg){ ARG_SLICE, { d[0], NULL }, { d[1], NULL }, { d[2], NULL } };
    s->result = btl_index_build(s->g, s->x, axis + 1, items);
    return s->result ? BTL_OK : s->g->status;
}

btl_var *btl_slice(btl_graph *g, btl_var *x, int axis, int64_t start, int64_t stop, int64_t step) {
    index_slice_args s = { g, x, axis, { start, stop, step }, NULL };
    if (!x) return NULL;
    return btl_graph_protect(g, index_slice_body, &s) == BTL_OK ? s.result : NULL;
}
