/* state.c - states: made, copied, exchanged, read, set. (Saving and loading: savefile.c.)
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vm/state.h"

#include "base/context.h"
#include "base/error.h"
#include "base/text.h"

#include <stdatomic.h>
#include <string.h>

static uint64_t state_next_layout(void) {
    static atomic_uint_fast64_t next = 1; /* unique numbers for the process: no state is kept in it */
    return atomic_fetch_add(&next, 1);
}

int btl_vm_state_find(const btl_state *s, const char *name) {
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->buffers[i].name, name) == 0) return i;
    return -1;
}

btl_status btl_vm_state_alloc(btl_context *ctx, int n, btl_state **out) {
    *out = NULL;
    btl_state *s = btl_alloc(ctx, sizeof *s);
    if (!s) return BTL_ENOMEM;
    *s = (btl_state){ .ctx = ctx, .buffers_ctx = ctx, .n = n, .layout = state_next_layout() };
    size_t bytes = (size_t)(n + 1) * sizeof *s->buffers;
    s->buffers = btl_alloc(ctx, bytes);
    if (!s->buffers || pthread_rwlock_init(&s->lock, NULL)) {
        btl_free(ctx, s->buffers, bytes);
        btl_free(ctx, s, sizeof *s);
        return BTL_ENOMEM;
    }
    memset(s->buffers, 0, bytes);
    *out = s;
    return BTL_OK;
}

btl_status btl_vm_state_set_buffer(btl_state *s, int i, const char *name, btl_array *value) {
    size_t bytes = strlen(name) + 1;
    char *copy = btl_alloc(s->buffers_ctx, bytes);
    if (!copy) return BTL_ENOMEM;
    memcpy(copy, name, bytes);
    s->buffers[i].name = copy;
    s->buffers[i].array = *value;
    btl_array_dtype(value, &s->buffers[i].dtype);
    *value = (btl_array){ 0 };
    return BTL_OK;
}

void btl_state_free(btl_state *s) {
    if (!s) return;
    for (int i = 0; i < s->n; i++) {
        if (s->buffers[i].name) btl_free(s->buffers_ctx, s->buffers[i].name, strlen(s->buffers[i].name) + 1);
        btl_array_free(&s->buffers[i].array);
    }
    btl_free(s->buffers_ctx, s->buffers, (size_t)(s->n + 1) * sizeof *s->buffers);
    pthread_rwlock_destroy(&s->lock);
    btl_free(s->ctx, s, sizeof *s);
}

static btl_status state_duplicate(btl_context *ctx, const btl_array *from, btl_array *to) {
    btl_dtype dtype = BTL_BOOL;
    btl_array_dtype(from, &dtype);
    BTL_TRY(btl_array_new(ctx, dtype, from->ndim, from->shape, to));
    return btl_array_copy(to, from);
}

btl_status btl_state_copy(const btl_state *s, btl_state **out, btl_error *err) {
    btl_state *from = (btl_state *)s; /* for its lock: what it holds may be exchanged */
    pthread_rwlock_rdlock(&from->lock);
    btl_status status = btl_vm_state_alloc(s->ctx, s->n, out);
    for (int i = 0; i < s->n && status == BTL_OK; i++) {
        btl_array value = { 0 };
        status = state_duplicate(s->ctx, &s->buffers[i].array, &value);
        if (status == BTL_OK) status = btl_vm_state_set_buffer(*out, i, s->buffers[i].name, &value);
        btl_array_free(&value);
    }
    pthread_rwlock_unlock(&from->lock);
    if (status == BTL_OK) return BTL_OK;
    btl_state_free(*out);
    *out = NULL;
    return btl_error_set(err, status, "no memory for a copy of the state");
}

void btl_state_swap(btl_state *a, btl_state *b) {
    if (a == b) return;
    btl_state *first = a < b ? a : b, *second = a < b ? b : a; /* one order for all: no deadlock */
    pthread_rwlock_wrlock(&first->lock);
    pthread_rwlock_wrlock(&second->lock);
    vm_buffer *buffers = a->buffers;
    btl_context *ctx = a->buffers_ctx;
    uint64_t layout = a->layout;
    int n = a->n;
    a->buffers = b->buffers, a->buffers_ctx = b->buffers_ctx, a->layout = b->layout, a->n = b->n;
    b->buffers = buffers, b->buffers_ctx = ctx, b->layout = layout, b->n = n;
    pthread_rwlock_unlock(&second->lock);
    pthread_rwlock_unlock(&first->lock);
}

int btl_state_nshared(const btl_state *s) { return s->n; }
const char *btl_state_name(const btl_state *s, int i) { return s->buffers[i].name; }

static const char *state_candidate(void *arg, int i) {
    return ((const btl_state *)arg)->buffers[i].name;
}

static btl_status state_no_such_name(const btl_state *s, const char *name, btl_error *err) {
    const char *near = btl_nearest_name(name, strlen(name), s->n, state_candidate, (void *)s);
    return btl_error_set(err, BTL_ENAME, "the state has no shared variable %s%s%s%s", name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

btl_status btl_state_get(const btl_state *s, const char *name, btl_array *out, btl_error *err) {
    btl_state *locked = (btl_state *)s;
    pthread_rwlock_rdlock(&locked->lock);
    int i = btl_vm_state_find(s, name);
    btl_status status = i < 0 ? state_no_such_name(s, name, err) : state_duplicate(s->ctx, &s->buffers[i].array, out);
    pthread_rwlock_unlock(&locked->lock);
    return status == BTL_OK || i < 0 ? status : btl_error_set(err, status, "no memory for the value of %s", name);
}

btl_status btl_vm_state_check_value(const vm_buffer *b, const btl_array *value, const char *where, btl_error *err) {
    btl_dtype dtype = BTL_NDTYPES;
    bool known = btl_array_dtype(value, &dtype);
    if (!known || dtype != b->dtype)
        return btl_error_set(err, BTL_EDTYPE, "%s%s is %s, found %s", where, b->name, btl_dtype_name(b->dtype), known ? btl_dtype_name(dtype) : "a foreign type");
    if (value->ndim != b->array.ndim)
        return btl_error_set(err, BTL_ESHAPE, "%s%s has %d axes, found %d", where, b->name, b->array.ndim, value->ndim);
    for (int k = 0; k < value->ndim; k++)
        if (value->shape[k] != b->array.shape[k])
            return btl_error_set(err, BTL_ESHAPE, "%s%s: axis %d has size %lld, found %lld", where, b->name, k, (long long)b->array.shape[k], (long long)value->shape[k]);
    return BTL_OK;
}

btl_status btl_state_set(btl_state *s, const char *name, const btl_array *value, btl_error *err) {
    pthread_rwlock_wrlock(&s->lock);
    int i = btl_vm_state_find(s, name);
    btl_status status = i < 0 ? state_no_such_name(s, name, err) : btl_vm_state_check_value(&s->buffers[i], value, "", err);
    if (status == BTL_OK) status = btl_array_copy(&s->buffers[i].array, value);
    pthread_rwlock_unlock(&s->lock);
    return status;
}
