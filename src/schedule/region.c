/* region.c - see region.h. SPDX-License-Identifier: BSD-3-Clause */
#include "schedule/region.h"

#include "base/array.h"
#include "expr/operand.h"

/* Does the view begin where its operand does, element by element in row-major order? It is asked, at some sizes. */
static bool region_is_plain(btl_graph *g, btl_arena *scratch, const btl_node *view, int64_t size) {
    const btl_type *from = &view->in[0]->type, *to = &view->out[0].type;
    int nsymbols = g->dims.nsymbols;
    int64_t *symbols = BTL_ARRAY(scratch, int64_t, nsymbols + 1), dims[2][BTL_MAX_RANK], strides[2][BTL_MAX_RANK] = { { 0 } }, want[BTL_MAX_RANK];
    btl_error ignored = { 0 };
    char somewhere = 0;
    for (int k = 0; k < nsymbols; k++) symbols[k] = size;
    for (int k = 0; k < from->rank; k++)
        if (!btl_dim_eval(from->dims[k], symbols, &dims[0][k]) || dims[0][k] < 1) return false;
    for (int k = 0; k < to->rank; k++)
        if (!btl_dim_eval(to->dims[k], symbols, &dims[1][k]) || dims[1][k] < 1) return false;
    btl_strides_row_major(from->rank, dims[0], strides[0]);
    btl_strides_row_major(to->rank, dims[1], want);
    btl_operand x = { &somewhere, from->dtype, from->rank, dims[0], strides[0] }, y = { NULL, to->dtype, to->rank, dims[1], strides[1] };
    btl_exec e = { .node = view, .params = view->params, .nin = 1, .nout = 1, .in = &x, .out = &y, .symbols = symbols, .ctx = g->ctx, .err = &ignored };
    if (view->op->view(&e) != BTL_OK || y.data != x.data) return false;
    for (int k = 0; k < to->rank; k++)
        if (dims[1][k] != 1 && strides[1][k] != want[k]) return false;
    return true;
}

const btl_dim *btl_view_start(btl_graph *g, btl_arena *scratch, const btl_node *view) {
    if (!view->op->view || view->nin != 1 || view->nout != 1 || view->in[0]->type.dtype != view->out[0].type.dtype) return NULL;
    if (view->op->starts) return view->op->starts(g, view);
    if (btl_type_elems(g, &view->in[0]->type) != btl_type_elems(g, &view->out[0].type)) return NULL;
    return region_is_plain(g, scratch, view, 3) && region_is_plain(g, scratch, view, 5) ? btl_dim_const(g, 0) : NULL;
}

/* Of a value all of whose views' regions are known. */
static btl_region region_of(btl_arena *a, const btl_regions *r, const btl_schedule *s, int v, const btl_var *var) {
    const btl_schedule_value *x = &s->values[v];
    btl_region out = { .origin = v, .is_all = true, .at = btl_dim_const(r->g, 0) };
    if (x->nviews) {
        out = r->of[x->views[0]];
        const btl_dim *start = out.is_all && var->node->nin == 1 ? btl_view_start(r->g, a, var->node) : NULL;
        out.is_all = start;
        if (!start) return out; /* wherever it lies within */
        out.at = btl_dim_add(r->g, out.at, start);
    }
    out.elems = btl_type_elems(r->g, &var->type);
    const btl_dim *end = btl_dim_add(r->g, out.at, out.elems);
    if (!btl_dim_is_const(out.at, &out.from) || !btl_dim_is_const(end, &out.to)) out.from = -1;
    return out;
}

btl_regions *btl_regions_new(btl_arena *a, btl_graph *g, const btl_schedule *s, int n, const btl_var *const *vars) {
    btl_regions *r = BTL_NEW(a, btl_regions);
    btl_region *of = BTL_ARRAY(a, btl_region, n + 1);
    bool *known = BTL_ARRAY(a, bool, n + 1);
    int *stack = BTL_ARRAY(a, int, n + 1);
    *r = (btl_regions){ g, n, of };
    for (int v = 0; v < n; v++) {
        int top = 0;
        for (int at = v; at >= 0 && at < n && top <= n && !known[at]; at = s->values[at].nviews == 1 ? s->values[at].views[0] : -1) stack[top++] = at;
        while (top > 0) {
            int at = stack[--top];
            bool told = vars[at] && s->values[at].nviews <= 1 && !(s->values[at].nviews && s->values[at].views[0] >= n);
            of[at] = told ? region_of(a, r, s, at, vars[at]) : (btl_region){ .origin = -1, .from = -1 };
            known[at] = true;
        }
    }
    return r;
}

btl_regions *btl_regions_at(btl_arena *a, const btl_regions *r, const int64_t *symbols) {
    btl_regions *out = BTL_NEW(a, btl_regions);
    btl_region *of = btl_arena_copy(a, r->of, (size_t)(r->n + 1) * sizeof *of);
    for (int v = 0; v < r->n; v++) {
        int64_t elems;
        if (of[v].origin < 0 || of[v].from >= 0) continue;
        if (!btl_dim_eval(of[v].at, symbols, &of[v].from) || !btl_dim_eval(of[v].elems, symbols, &elems) || !btl_add_i64(of[v].from, elems, &of[v].to)) of[v].from = -1;
    }
    *out = (btl_regions){ NULL, r->n, of };
    return out;
}

static bool region_ends_before(const btl_regions *r, const btl_region *x, const btl_region *y) {
    return btl_dim_sub(r->g, y->at, btl_dim_add(r->g, x->at, x->elems))->lo >= 0;
}

bool btl_regions_disjoint(void *regions, int a, int b) {
    const btl_regions *r = regions;
    if (a >= r->n || b >= r->n) return false;
    const btl_region *x = &r->of[a], *y = &r->of[b];
    if (x->origin < 0 || x->origin != y->origin) return false;
    if (x->from >= 0 && y->from >= 0) return x->to <= y->from || y->to <= x->from;
    return r->g && (region_ends_before(r, x, y) || region_ends_before(r, y, x));
}
