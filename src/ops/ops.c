/* ops.c - the table of all ops. An op is in Bitale when its name stands in a list included here.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/op.h"
#include "ops/list_math.h"
#include "ops/list_tensor.h"

#include <pthread.h>
#include <string.h>

#define OPS_DECLARE(name) extern const btl_op btl_op_##name;
#define OPS_ENTRY(name) &btl_op_##name,

OPS_DECLARE(fused)
BTL_OPS_MATH(OPS_DECLARE)
BTL_OPS_TENSOR(OPS_DECLARE)

const btl_op *const btl_ops[] = {
    OPS_ENTRY(input) OPS_ENTRY(shared) OPS_ENTRY(constant) OPS_ENTRY(param) OPS_ENTRY(fused)
    BTL_OPS_MATH(OPS_ENTRY)
    BTL_OPS_TENSOR(OPS_ENTRY)
    NULL
};

/* Names by hash, made once: with it a parser finds an op in some nanoseconds. Immutable afterwards. */
enum { INDEX_SLOTS = 1024 };
static const btl_op *ops_index[INDEX_SLOTS];
static pthread_once_t ops_index_once = PTHREAD_ONCE_INIT;

static size_t ops_hash(const char *name, size_t length) {
    size_t h = 2166136261u;
    for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)name[i]) * 16777619u;
    return (h ^ (h >> 15)) % INDEX_SLOTS;
}

static void ops_make_index(void) {
    for (const btl_op *const *op = btl_ops; *op; op++) {
        size_t i = ops_hash((*op)->name, strlen((*op)->name));
        while (ops_index[i]) i = (i + 1) % INDEX_SLOTS;
        ops_index[i] = *op;
    }
}

const btl_op *btl_op_find(const char *name, size_t length) {
    pthread_once(&ops_index_once, ops_make_index);
    for (size_t i = ops_hash(name, length); ops_index[i]; i = (i + 1) % INDEX_SLOTS)
        if (strncmp(ops_index[i]->name, name, length) == 0 && ops_index[i]->name[length] == 0) return ops_index[i];
    return NULL;
}
