/* savefile.c - states on disk, as safetensors: any machine, any process, any program reads them back.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/context.h"
#include "base/error.h"
#include "bitale/io.h"
#include "vm/state.h"

#include <string.h>

btl_status btl_state_save(const btl_state *s, const char *path, btl_error *err) {
    btl_state *locked = (btl_state *)s;
    pthread_rwlock_rdlock(&locked->lock);
    size_t names_bytes = (size_t)(s->n + 1) * sizeof(char *), arrays_bytes = (size_t)(s->n + 1) * sizeof(btl_array);
    const char **names = btl_alloc(s->ctx, names_bytes);
    btl_array *arrays = btl_alloc(s->ctx, arrays_bytes);
    btl_status status = names && arrays ? BTL_OK : btl_error_set(err, BTL_ENOMEM, "%s: no memory to save the state", path);
    for (int i = 0; i < s->n && status == BTL_OK; i++) names[i] = s->buffers[i].name, arrays[i] = s->buffers[i].array;
    if (status == BTL_OK) status = btl_safetensors_write(s->ctx, path, s->n, names, arrays, err);
    pthread_rwlock_unlock(&locked->lock);
    btl_free(s->ctx, names, names_bytes);
    btl_free(s->ctx, arrays, arrays_bytes);
    return status;
}

/* Reads all values beside the state's own; nothing of the state changes yet. */
static btl_status savefile_read_all(btl_state *s, const char *path, btl_safetensors *file, btl_array *values, btl_error *err) {
    char where[300];
    size_t n = strlen(path) < 250 ? strlen(path) : 250;
    memcpy(where, path, n);
    memcpy(where + n, ": ", 3);
    for (int i = 0; i < s->n; i++) {
        const btl_tensor_info *tensor = btl_safetensors_find(file, s->buffers[i].name);
        if (!tensor) return btl_error_set(err, BTL_ENAME, "%s: has no tensor %s, which the state needs; the state is as it was", path, s->buffers[i].name);
        btl_array shape_only = btl_array_wrap(tensor->dtype, tensor->rank, (int64_t *)tensor->shape, NULL);
        BTL_TRY(btl_vm_state_check_value(&s->buffers[i], &shape_only, where, err));
        BTL_TRY(btl_safetensors_read(file, tensor, &values[i], err));
    }
    return BTL_OK;
}

btl_status btl_state_load(btl_state *s, const char *path, btl_error *err) {
    btl_safetensors *file = NULL;
    BTL_TRY(btl_safetensors_open(s->ctx, path, &file, err));
    pthread_rwlock_wrlock(&s->lock);
    size_t bytes = (size_t)(s->n + 1) * sizeof(btl_array);
    btl_array *values = btl_alloc(s->ctx, bytes);
    btl_status status = BTL_OK;
    if (values) memset(values, 0, bytes);
    else status = btl_error_set(err, BTL_ENOMEM, "%s: no memory to load the state", path);
    if (status == BTL_OK) status = savefile_read_all(s, path, file, values, err);
    for (int i = 0; i < s->n && status == BTL_OK; i++) btl_array_copy(&s->buffers[i].array, &values[i]);
    for (int i = 0; i < s->n && values; i++) btl_array_free(&values[i]);
    pthread_rwlock_unlock(&s->lock);
    btl_free(s->ctx, values, bytes);
    btl_safetensors_free(file);
    return status;
}
