/* type.c - types of variables and the parameters of nodes: comparing, hashing, printing, unifying.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/body.h"
#include "expr/op.h"

#include <string.h>

btl_type btl_type_make(btl_graph *g, btl_dtype dtype, int rank, const btl_dim *const *dims) {
    const btl_dim *const *copy = rank ? btl_arena_copy(&g->arena, dims, (size_t)rank * sizeof *dims) : NULL;
    return (btl_type){ dtype, rank, copy };
}

const btl_dim *btl_type_elems(btl_graph *g, const btl_type *t) { return btl_dim_product(g, t->rank, t->dims); }

int btl_type_bytes(const btl_type *t, const int64_t *symbols, int64_t *bytes) {
    int64_t size;
    *bytes = (int64_t)btl_dtype_bytes(t->dtype);
    for (int k = 0; k < t->rank; k++)
        if (!btl_dim_eval(t->dims[k], symbols, &size) || size < 0 || !btl_mul_i64(*bytes, size, bytes)) return k;
    return -1;
}

bool btl_type_equal(const btl_type *a, const btl_type *b) {
    if (a->dtype != b->dtype || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

void btl_type_print(btl_text *t, const btl_graph *g, const btl_type *type) {
    btl_text_add(t, btl_dtype_name(type->dtype));
    if (type->rank == 0) return;
    btl_text_add(t, "[");
    for (int i = 0; i < type->rank; i++) {
        if (i) btl_text_add(t, ", ");
        btl_dim_print(t, g, type->dims[i]);
    }
    btl_text_add(t, "]");
}

const char *btl_type_text(btl_graph *g, const btl_type *type) {
    btl_text t;
    btl_text_init(&t, &g->arena);
    btl_type_print(&t, g, type);
    return t.data;
}

const char *btl_var_text(btl_graph *g, const btl_var *v) {
    const char *type = btl_type_text(g, &v->type);
    return btl_arena_printf(&g->arena, "%s is %s", v->name ? v->name : "an operand", type);
}

/* How well a size is known: a number beats an expression of names, that beats anything with a `?`. */
static int type_dim_knowledge(const btl_graph *g, const btl_dim *d) {
    int64_t value;
    if (btl_dim_is_const(d, &value)) return 3;
    if (d->kind == DIM_SYMBOL) return g->dims.symbols[d->symbol]->name ? 2 : 0;
    return d->late ? 0 : 1;
}

btl_status btl_dims_unify(btl_graph *g, const btl_dim *a, const btl_dim *b, const btl_dim **out) {
    if (out) *out = type_dim_knowledge(g, b) > type_dim_knowledge(g, a) ? b : a;
    if (a == b) return BTL_OK;
    if (btl_dim_differ(g, a, b)) return BTL_ESHAPE;
    btl_size_check *check = BTL_NEW(&g->arena, btl_size_check);
    *check = (btl_size_check){ .a = a, .b = b, .next = g->checks };
    g->checks = check;
    return BTL_OK;
}

btl_status btl_dims_unify_or_say(btl_graph *g, const btl_dim *a, const btl_dim *b, const char *message) {
    const btl_size_check *before = g->checks;
    BTL_TRY(btl_dims_unify(g, a, b, NULL));
    if (g->checks != before) ((btl_size_check *)g->checks)->message = message; /* made just now */
    return BTL_OK;
}

/* ---- parameters -------------------------------------------------------------------------- */

static bool type_bound_equal(const btl_bound *a, const btl_bound *b) {
    return a->dim == b->dim && a->input == b->input;
}

static bool type_index_equal(const btl_param *a, const btl_param *b) {
    if (a->index.n != b->index.n) return false;
    for (int i = 0; i < a->index.n; i++) {
        const btl_index_item *x = &a->index.v[i], *y = &b->index.v[i];
        if (x->kind != y->kind || !type_bound_equal(&x->start, &y->start) || !type_bound_equal(&x->stop, &y->stop) ||
            !type_bound_equal(&x->step, &y->step))
            return false;
    }
    return true;
}

static size_t type_array_bytes(const btl_array *a, btl_dtype *dtype) {
    return btl_array_dtype(a, dtype) ? (size_t)btl_array_elems(a) * btl_dtype_bytes(*dtype) : 0;
}

static bool type_array_equal(const btl_array *a, const btl_array *b) {
    btl_dtype s, t;
    size_t bytes = type_array_bytes(a, &s);
    if (a->ndim != b->ndim || bytes != type_array_bytes(b, &t) || s != t) return false;
    if (a->ndim && memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) != 0) return false;
    return bytes == 0 || memcmp(a->data, b->data, bytes) == 0;
}

bool btl_param_equal(btl_param_kind kind, const btl_param *a, const btl_param *b) {
    switch (kind) {
    case PARAM_INT: case PARAM_BOOL: case PARAM_DTYPE: return a->i == b->i;
    case PARAM_FLOAT: return memcmp(&a->f, &b->f, sizeof a->f) == 0;
    case PARAM_TEXT: return strcmp(a->s, b->s) == 0;
    case PARAM_AXES:
        return a->axes.n == b->axes.n &&
               (a->axes.n <= 0 || memcmp(a->axes.v, b->axes.v, (size_t)a->axes.n * sizeof *a->axes.v) == 0);
    case PARAM_DIM: return a->dim == b->dim;
    case PARAM_SHAPE:
        return a->shape.n == b->shape.n &&
               (a->shape.n <= 0 || memcmp(a->shape.v, b->shape.v, (size_t)a->shape.n * sizeof *a->shape.v) == 0);
    case PARAM_INDEX: return type_index_equal(a, b);
    case PARAM_ARRAY: return type_array_equal(a->array, b->array);
    case PARAM_BODY: return a->body == b->body || btl_body_equal(a->body, b->body);
    }
    return false;
}

static uint64_t type_dim_hash(const btl_dim *d) {
    return d ? (uint64_t)d->id + 1 : 0;
}

/* Of large arrays samples from all over them: equality looks at every byte, and constants are hashed in each phase of rewriting. */
static uint64_t type_array_hash(const btl_array *a, uint64_t h) {
    enum { SAMPLES = 64, SAMPLE = 8 };
    btl_dtype dtype = BTL_BOOL;
    size_t bytes = type_array_bytes(a, &dtype), step = bytes / SAMPLES;
    char samples[SAMPLES * SAMPLE];
    h = btl_hash_mix(btl_hash_mix(h, (uint64_t)dtype * 32 + (uint64_t)a->ndim), bytes);
    if (bytes <= sizeof samples) return bytes ? btl_hash_bytes(a->data, bytes, h) : h;
    for (size_t i = 0; i < SAMPLES; i++) memcpy(samples + i * SAMPLE, (const char *)a->data + i * step, SAMPLE);
    memcpy(samples + (SAMPLES - 1) * SAMPLE, (const char *)a->data + bytes - SAMPLE, SAMPLE);
    return btl_hash_bytes(samples, sizeof samples, h);
}

uint64_t btl_param_hash(btl_param_kind kind, const btl_param *p, uint64_t h) {
    switch (kind) {
    case PARAM_INT: case PARAM_BOOL: case PARAM_DTYPE: return btl_hash_mix(h, (uint64_t)p->i);
    case PARAM_FLOAT: return btl_hash_bytes(&p->f, sizeof p->f, h);
    case PARAM_TEXT: return btl_hash_bytes(p->s, strlen(p->s), h);
    case PARAM_AXES:
        h = btl_hash_mix(h, (uint64_t)p->axes.n);
        for (int i = 0; i < p->axes.n; i++) h = btl_hash_mix(h, (uint64_t)p->axes.v[i]);
        return h;
    case PARAM_DIM: return btl_hash_mix(h, type_dim_hash(p->dim));
    case PARAM_SHAPE:
        h = btl_hash_mix(h, (uint64_t)p->shape.n);
        for (int i = 0; i < p->shape.n; i++) h = btl_hash_mix(h, type_dim_hash(p->shape.v[i]));
        return h;
    case PARAM_INDEX:
        for (int i = 0; i < p->index.n; i++) {
            const btl_index_item *x = &p->index.v[i];
            h = btl_hash_mix(h, (uint64_t)x->kind);
            h = btl_hash_mix(h, type_dim_hash(x->start.dim) * 31 + (uint64_t)x->start.input);
            h = btl_hash_mix(h, type_dim_hash(x->stop.dim) * 31 + (uint64_t)x->stop.input);
            h = btl_hash_mix(h, type_dim_hash(x->step.dim) * 31 + (uint64_t)x->step.input);
        }
        return h;
    case PARAM_ARRAY: return type_array_hash(p->array, h);
    case PARAM_BODY: return btl_hash_mix(h, btl_body_hash(p->body));
    }
    return h;
}

const btl_param *btl_param_of(const btl_op *op, const btl_param *params, const char *name) {
    for (int i = 0; i < op->nparams; i++)
        if (strcmp(op->params[i].name, name) == 0) return &params[i];
    return NULL;
}

const btl_param *btl_node_param(const btl_node *n, const char *name) {
    return btl_param_of(n->op, n->params, name);
}
