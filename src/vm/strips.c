/* strips.c - choosing the kernels for this processor, and running maps.
 *
 * A strip is 512 elements: the few registers that a body needs then stay in a 32 KB L1, and the
 * cost of starting a kernel (some 2 ns) is spread thinly. Operands that are row-major are read in
 * place and the last kernel writes straight to the output, so a chain of any length reads its
 * operands and writes its result once. Everything else about an operand - broadcast, transposed,
 * sliced - is dealt with when it is read (strip_walk.c), so that kernels know unit stride only.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vm/strip_program.h"

#include "base/os.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

/* ---- kernels ------------------------------------------------------------------------------ */

extern const btl_strip_kernel btl_strips_base[];
#ifdef BTL_STRIPS_X86
extern const btl_strip_kernel btl_strips_v3[], btl_strips_v4[];
#endif

/* Set once, then only read. */
static struct {
    const btl_strip_kernel *kernels;
    const char *isa;
    strip_joins joins;
} strips_table;
static pthread_once_t strips_once = PTHREAD_ONCE_INIT;

/* Fills in the pairs; NULL where a table has none. */
static void strips_find_joins(const btl_strip_kernel *k) {
    static const char *const names[STRIP_SECONDS] = { "add", "sub", "mul", "rsub" };
    for (; k->op; k++) {
        if ((k->dtype != BTL_F32 && k->dtype != BTL_F64) || k->to != k->dtype) continue;
        int d = k->dtype == BTL_F64;
        for (int i = 0; i < STRIP_FIRSTS; i++)
            if (strcmp(k->op, names[i]) == 0) strips_table.joins.single[d][i] = k->fn;
        if (strncmp(k->op, "join.", 5) != 0) continue;
        for (int i = 0; i < STRIP_FIRSTS; i++)
            for (int j = 0; j < STRIP_SECONDS; j++)
                if (strncmp(k->op + 5, names[i], 3) == 0 && strcmp(k->op + 9, names[j]) == 0)
                    strips_table.joins.pair[d][i][j] = k->fn;
    }
}

static void strips_choose(void) {
    strips_table.kernels = btl_strips_base;
    strips_table.isa = "base";
#ifdef BTL_STRIPS_X86
    int level = btl_os_x86_level();
    if (level >= 4) strips_table.kernels = btl_strips_v4, strips_table.isa = "v4";
    else if (level >= 3) strips_table.kernels = btl_strips_v3, strips_table.isa = "v3";
#endif
    strips_find_joins(strips_table.kernels);
}

const strip_joins *btl_strip_joined_kernels(void) {
    pthread_once(&strips_once, strips_choose);
    return &strips_table.joins;
}

const char *btl_strips_isa(void) {
    pthread_once(&strips_once, strips_choose);
    return strips_table.isa;
}

btl_strip_fn btl_strips_find(const char *op, btl_dtype dtype, btl_dtype to) {
    pthread_once(&strips_once, strips_choose);
    for (const btl_strip_kernel *k = strips_table.kernels; k->op; k++)
        if (k->dtype == (int)dtype && k->to == (int)to && strcmp(k->op, op) == 0) return k->fn;
    return NULL;
}

/* ---- running -------------------------------------------------------------------------------- */

static size_t strip_aligned(size_t bytes) {
    return (bytes + STRIP_ALIGN - 1) / STRIP_ALIGN * STRIP_ALIGN;
}

static size_t strip_reg_bytes(const btl_strips *s) {
    return strip_aligned((size_t)s->nregs * sizeof(void *));
}

size_t btl_strips_scratch_bytes(const btl_strips *s) {
    return STRIP_ALIGN + strip_reg_bytes(s) + strip_aligned(s->temp_bytes) +
           strip_aligned((size_t)s->nin * sizeof(strip_walk)) + (size_t)s->nin * STRIP_WALK_BUFFER +
           (s->reduction ? btl_strip_reduce_scratch_bytes(s) : 0);
}

/* Divides up the scratch; constants and temporaries get their pointers. */
static strip_run strip_run_begin(const btl_strips *s, void *scratch) {
    char *p = scratch;
    p += (STRIP_ALIGN - (uintptr_t)p % STRIP_ALIGN) % STRIP_ALIGN;
    strip_run r = { .program = s, .reg = (const void **)(void *)p };
    char *temps = p + strip_reg_bytes(s);
    const void **reg = r.reg + s->nin + s->nout;
    for (int i = 0; i < s->nconstants; i++) *reg++ = s->constants[i];
    for (int i = 0; i < s->ntemps; i++) *reg++ = temps + s->temp_at[i];
    r.walks = (strip_walk *)(void *)(temps + strip_aligned(s->temp_bytes));
    r.buffers = (char *)r.walks + strip_aligned((size_t)s->nin * sizeof(strip_walk));
    r.free = r.buffers + (size_t)s->nin * STRIP_WALK_BUFFER;
    return r;
}

static btl_status strip_sizes_differ(const btl_operand *x, int i, int rank, const int64_t *shape,
                                     btl_error *err) {
    for (int d = 0; d < rank && x->rank <= rank; d++) {
        int k = d - (rank - x->rank);
        if (k >= 0 && x->dims[k] != 1 && x->dims[k] != shape[d])
            return btl_error_set(
                err, BTL_ESHAPE,
                "operand %d has size %lld along axis %d of a kernel over size %lld", i,
                (long long)x->dims[k], d, (long long)shape[d]);
    }
    return btl_error_set(err, BTL_ESHAPE, "operand %d has more axes than the kernel", i);
}

enum { STRIP_FAR_ELEMS = 1 << 18, STRIP_FAR_INSTRS = 4 }; /* beyond the second-level cache; enough work to hide a wait */

static void strip_ask(const char *next, int64_t bytes, int part, int parts, bool write) {
    int64_t from = bytes * part / parts / STRIP_ALIGN * STRIP_ALIGN, to = bytes * (part + 1) / parts;
    for (int64_t i = from; i < to; i += STRIP_ALIGN) {
        if (write) __builtin_prefetch(next + i, 1);
        else __builtin_prefetch(next + i, 0);
    }
}

/* A full strip of a long array: while its instructions compute, the next strip is asked for, a part
 * before each, since the processor's own prefetching stops between strips. */
static void strip_execute_ahead(const strip_run *r) {
    const btl_strips *s = r->program;
    for (int j = 0; j < s->ninstrs; j++) {
        for (int i = 0; i < s->nin; i++)
            if (r->walks[i].kind == WALK_DIRECT)
                strip_ask((const char *)r->reg[i] + BTL_STRIP_ELEMS * s->elem_bytes[i], BTL_STRIP_ELEMS * s->elem_bytes[i], j, s->ninstrs, false);
        for (int k = s->nin; k < s->nin + s->nout; k++)
            strip_ask((const char *)r->reg[k] + BTL_STRIP_ELEMS * s->elem_bytes[k], BTL_STRIP_ELEMS * s->elem_bytes[k], j, s->ninstrs, true);
        strip_execute_one(s, r->reg, j, BTL_STRIP_ELEMS);
    }
}

bool btl_strips_is_reduction(const btl_strips *s) { return s->reduction != NULL; }

/* Of how many elements the results lie without a gap, whatever else; they have the space's sizes. */
static int64_t strip_dense_run(const btl_operand *out, int nout, int rank, const int64_t *shape) {
    int64_t run = 1;
    for (int d = rank - 1; d >= 0; run *= shape[d--])
        for (int k = 0; k < nout; k++)
            if (shape[d] != 1 && out[k].strides[d] != run) return run;
    return run;
}

/* Elements from the start of a result to element `at` of the space. */
static int64_t strip_place(const btl_operand *out, int rank, const int64_t *shape, int64_t at) {
    int64_t place = 0;
    for (int d = rank - 1; d >= 0; at /= shape[d--]) place += at % shape[d] * out->strides[d];
    return place;
}

/* Strips that end where a result's rows do. */
static void strip_map_rows(strip_run *r, const btl_operand *out, const int64_t *shape, int rank, int64_t elems, int64_t run) {
    const btl_strips *s = r->program;
    for (int64_t row = 0; row < elems; row += run)
        for (int64_t at = 0; at < run; at += BTL_STRIP_ELEMS) {
            int64_t n = run - at < BTL_STRIP_ELEMS ? run - at : BTL_STRIP_ELEMS;
            for (int i = 0; i < s->nin; i++) r->reg[i] = btl_strip_walk_next(&r->walks[i], n);
            for (int k = 0; k < s->nout; k++) r->reg[s->nin + k] = out[k].data + (strip_place(&out[k], rank, shape, row) + at) * s->elem_bytes[s->nin + k];
            strip_execute(s, r->reg, n);
        }
}

static btl_status strip_map_run(strip_run *r, const btl_operand *in, btl_operand *out,
                                const int64_t *shape, int rank, int64_t elems, btl_error *err) {
    const btl_strips *s = r->program;
    int64_t strides[BTL_MAX_RANK];
    for (int i = 0; i < s->nin; i++) {
        if (!btl_strip_space_strides(&in[i], s->elem_bytes[i], rank, shape, strides))
            return strip_sizes_differ(&in[i], i, rank, shape, err);
        btl_strip_walk_init(&r->walks[i], in[i].data, s->elem_bytes[i], rank, shape, strides,
                        r->buffers + (size_t)i * STRIP_WALK_BUFFER);
    }
    int64_t run = r->apart ? strip_dense_run(out, s->nout, rank, shape) : elems;
    if (run < elems) {
        strip_map_rows(r, out, shape, rank, elems, run);
        return BTL_OK;
    }
    bool ahead = elems >= STRIP_FAR_ELEMS && s->ninstrs >= STRIP_FAR_INSTRS;
    for (int64_t at = 0; at < elems; at += BTL_STRIP_ELEMS) {
        int64_t n = elems - at < BTL_STRIP_ELEMS ? elems - at : BTL_STRIP_ELEMS;
        for (int i = 0; i < s->nin; i++) r->reg[i] = btl_strip_walk_next(&r->walks[i], n);
        for (int k = 0; k < s->nout; k++)
            r->reg[s->nin + k] = out[k].data + at * s->elem_bytes[s->nin + k];
        if (ahead && elems - at >= 2 * BTL_STRIP_ELEMS) strip_execute_ahead(r);
        else strip_execute(s, r->reg, n);
    }
    return BTL_OK;
}

static btl_status strip_run_all(const btl_strips *s, const btl_operand *in, btl_operand *out, const int64_t *shape, int rank, void *scratch, bool apart, btl_error *err) {
    strip_run r = strip_run_begin(s, scratch);
    r.apart = apart;
    if (s->reduction) return btl_strip_reduce_run(&r, in, out, shape, rank, err);
    int64_t elems = 1;
    for (int d = 0; d < rank; d++) elems *= shape[d];
    if (elems == 0) return BTL_OK;
    if (elems != 1) return strip_map_run(&r, in, out, shape, rank, elems, err);
    for (int i = 0; i < s->nin; i++) r.reg[i] = in[i].data;
    for (int k = 0; k < s->nout; k++) r.reg[s->nin + k] = out[k].data;
    strip_execute(s, r.reg, 1);
    return BTL_OK;
}

btl_status btl_strips_run(const btl_strips *s, int nin, const btl_operand *in, int nout,
                          btl_operand *out, const int64_t *shape, int rank, void *scratch,
                          btl_error *err) {
    assert(nin == s->nin && nout == s->nout && rank <= BTL_MAX_RANK);
    (void)nin, (void)nout;
    return strip_run_all(s, in, out, shape, rank, scratch, false, err);
}

btl_status btl_strips_run_apart(const btl_strips *s, const btl_operand *in, btl_operand *out, const int64_t *shape, int rank, void *scratch, btl_error *err) {
    return strip_run_all(s, in, out, shape, rank, scratch, true, err);
}
