/* strips.c - compiling fused bodies into strip programs and running maps.
 *
 * A strip is 512 elements: the few registers that a body needs then stay in a 32 KB L1, and the
 * cost of starting a kernel (some 2 ns) is spread thinly. Operands that are row-major are read in
 * place and the last kernel writes straight to the output, so a chain of any length reads its
 * operands and writes its result once. Everything else about an operand - broadcast, transposed,
 * sliced - is dealt with when it is read (strip_walk), so that kernels know unit stride only.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vm/strip_program.h"

#include "expr/body.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- kernels ------------------------------------------------------------------------------ */

extern const btl_strip_kernel btl_strips_base[];
#ifdef BTL_STRIPS_X86
extern const btl_strip_kernel btl_strips_v3[], btl_strips_v4[];
#endif

/* Set once, then only read. */
static struct { const btl_strip_kernel *kernels; const char *isa; } strips_table;
static pthread_once_t strips_once = PTHREAD_ONCE_INIT;

static void strips_choose(void) {
    strips_table.kernels = btl_strips_base;
    strips_table.isa = "base";
#ifdef BTL_STRIPS_X86
    const char *wish = getenv("BITALE_ISA");
    int most = wish && strcmp(wish, "base") == 0 ? 0 : wish && strcmp(wish, "v3") == 0 ? 3 : 4;
    __builtin_cpu_init();
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
              __builtin_cpu_supports("bmi2");
    bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vl");
    if (v4 && most >= 4) strips_table.kernels = btl_strips_v4, strips_table.isa = "v4";
    else if (v3 && most >= 3) strips_table.kernels = btl_strips_v3, strips_table.isa = "v3";
#endif
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

static void strips_copy1(int64_t n, const void *const *in, void *out) { memmove(out, in[0], (size_t)n); }
static void strips_copy2(int64_t n, const void *const *in, void *out) { memmove(out, in[0], (size_t)n * 2); }
static void strips_copy4(int64_t n, const void *const *in, void *out) { memmove(out, in[0], (size_t)n * 4); }
static void strips_copy8(int64_t n, const void *const *in, void *out) { memmove(out, in[0], (size_t)n * 8); }

static btl_strip_fn strips_copy(size_t elem_bytes) {
    return elem_bytes == 1 ? strips_copy1 : elem_bytes == 2 ? strips_copy2 : elem_bytes == 4 ? strips_copy4 : strips_copy8;
}

/* ---- compiling: values, then registers ------------------------------------------------------ */

/* First every value gets a number of its own (SSA); registers are given out afterwards. */
typedef struct strips_value {
    btl_dtype dtype;
    int last_use;       /* instruction; -1: never */
    int reg;            /* -1: none yet */
    const void *filled; /* a constant's register */
    int wide;           /* the same value as f32 (for f16, bf16), or -1 */
} strips_value;

typedef struct strips_compiler {
    btl_arena *arena;
    const btl_body *body;
    btl_strips *s;
    int nnodes, nvalues, value_capacity, instr_capacity;
    btl_node **nodes;
    int *value_of;      /* by position in nodes */
    strips_value *values;
    bool failed;
} strips_compiler;

static int strips_new_value(strips_compiler *c, btl_dtype dtype) {
    *BTL_PUSH(c->arena, c->values, c->nvalues, c->value_capacity) = (strips_value){ .dtype = dtype, .last_use = -1, .reg = -1, .wide = -1 };
    return c->nvalues - 1;
}

static int strips_emit(strips_compiler *c, btl_strip_fn fn, int nin, const int *in, btl_dtype to) {
    strip_instr q = { .fn = fn, .in = { in[0], in[nin > 1 ? 1 : 0], in[nin > 2 ? 2 : 0] } };
    if (!fn) c->failed = true;
    q.out = strips_new_value(c, to);
    *BTL_PUSH(c->arena, c->s->instrs, c->s->ninstrs, c->instr_capacity) = q;
    return q.out;
}

static int strips_cast(strips_compiler *c, int value, btl_dtype to) {
    btl_dtype from = c->values[value].dtype;
    if (from == to) return value;
    btl_strip_fn fn = btl_strips_find("cast", from, to);
    if (fn) return strips_emit(c, fn, 1, &value, to);
    /* a pair without a kernel of its own goes through f64, which holds what f16 and bf16 hold */
    int middle = strips_emit(c, btl_strips_find("cast", from, BTL_F64), 1, &value, BTL_F64);
    return strips_emit(c, btl_strips_find("cast", BTL_F64, to), 1, &middle, to);
}

static bool strips_is_half(btl_dtype dtype) { return dtype == BTL_F16 || dtype == BTL_BF16; }

/* An f16 or bf16 value widened, once for all its uses. */
static int strips_widen(strips_compiler *c, int value) {
    if (!strips_is_half(c->values[value].dtype)) return value;
    if (c->values[value].wide < 0) {
        int wide = strips_cast(c, value, BTL_F32);
        c->values[value].wide = wide;
    }
    return c->values[value].wide;
}

static int strips_apply(strips_compiler *c, const btl_op *op, int nin, const int *in, btl_dtype to) {
    btl_dtype dtype = c->values[in[nin - 1]].dtype;
    btl_strip_fn fn = btl_strips_find(op->name, dtype, to);
    if (fn || !strips_is_half(dtype)) return strips_emit(c, fn, nin, in, to);
    int wide[3];
    for (int i = 0; i < nin; i++) wide[i] = strips_widen(c, in[i]);
    btl_dtype computed = strips_is_half(to) ? BTL_F32 : to;
    return strips_cast(c, strips_emit(c, btl_strips_find(op->name, BTL_F32, computed), nin, wide, computed), to);
}

static int strips_node_value(const strips_compiler *c, const btl_node *n) {
    for (int lo = 0, hi = c->nnodes; lo < hi;) {
        int mid = (lo + hi) / 2;
        if (c->nodes[mid] == n) return c->value_of[mid];
        if (c->nodes[mid]->id < n->id) lo = mid + 1;
        else hi = mid;
    }
    assert(!"a body's node comes behind what it needs");
    return 0;
}

static int strips_constant(strips_compiler *c, const btl_var *v) {
    size_t bytes = btl_dtype_bytes(v->type.dtype);
    const char *element = btl_array_data(btl_var_constant_array(v));
    int value = strips_new_value(c, v->type.dtype);
    char *filled = btl_arena_alloc(c->arena, BTL_STRIP_ELEMS * bytes);
    for (size_t i = 0; i < BTL_STRIP_ELEMS; i++) memcpy(filled + i * bytes, element, bytes);
    c->values[value].filled = filled;
    return value;
}

static int strips_node(strips_compiler *c, const btl_node *n) {
    int in[3];
    if (btl_var_is_constant(n->out)) return strips_constant(c, n->out);
    if (n->nin < 1 || n->nin > 3) {
        c->failed = true;
        return 0;
    }
    for (int i = 0; i < n->nin; i++) in[i] = strips_node_value(c, n->in[i]->node);
    if (n->op == &btl_op_cast) return strips_cast(c, in[0], n->out->type.dtype);
    return strips_apply(c, n->op, n->nin, in, n->out->type.dtype);
}

/* Values of everything in the body; the parameters are values 0, 1, …. */
static void strips_values(strips_compiler *c) {
    c->nodes = btl_body_nodes(c->arena, c->body, &c->nnodes);
    c->value_of = BTL_ARRAY(c->arena, int, c->nnodes + 1);
    for (int i = 0; i < c->body->nparams; i++) strips_new_value(c, c->body->params[i]->type.dtype);
    for (int k = 0; k < c->nnodes; k++) {
        int param = -1;
        for (int i = 0; i < c->body->nparams && c->nodes[k]->op == &btl_op_param; i++)
            if (c->body->params[i]->node == c->nodes[k]) param = i;
        c->value_of[k] = param >= 0 ? param : strips_node(c, c->nodes[k]);
    }
}

/* Each result of a map gets a value of its own that its output's memory holds: one that is a
 * parameter, a constant or another result already is copied. */
static void strips_map_results(strips_compiler *c, int *value) {
    for (int k = 0; k < c->body->nresults; k++) {
        bool own = value[k] >= c->body->nparams && !c->values[value[k]].filled;
        for (int i = 0; i < k; i++) own &= value[i] != value[k];
        if (own) continue;
        btl_dtype dtype = c->values[value[k]].dtype;
        value[k] = strips_emit(c, strips_copy(btl_dtype_bytes(dtype)), 1, &value[k], dtype);
    }
}

/* Temporaries that are free, by element size (1, 2, 4, 8). */
typedef struct strips_free { int *regs[9]; int count[9], capacity[9]; } strips_free;

static int strips_take_temp(strips_compiler *c, strips_free *f, size_t bytes, int *capacity) {
    btl_strips *s = c->s;
    if (f->count[bytes]) return f->regs[bytes][--f->count[bytes]];
    *BTL_PUSH(c->arena, s->temp_at, s->ntemps, *capacity) = s->temp_bytes;
    s->temp_bytes += BTL_STRIP_ELEMS * bytes;
    return s->nin + s->nout + s->nconstants + s->ntemps - 1;
}

static void strips_give_temp(strips_compiler *c, strips_free *f, int value) {
    const strips_value *v = &c->values[value];
    size_t bytes = btl_dtype_bytes(v->dtype);
    if (v->reg < c->s->nin + c->s->nout + c->s->nconstants) return;
    *BTL_PUSH(c->arena, f->regs[bytes], f->count[bytes], f->capacity[bytes]) = v->reg;
}

/* Linear scan in the order of instructions; an operand that dies gives its register to the result. */
static void strips_registers(strips_compiler *c) {
    btl_strips *s = c->s;
    strips_free f = { 0 };
    int capacity = 0;
    for (int k = 0; k < s->ninstrs; k++)
        for (int i = 0; i < 3; i++)
            if (c->values[s->instrs[k].in[i]].last_use < k) c->values[s->instrs[k].in[i]].last_use = k;
    for (int k = 0; k < s->ninstrs; k++) {
        strip_instr *q = &s->instrs[k];
        int in[3] = { q->in[0], q->in[1], q->in[2] }, out = q->out;
        size_t bytes = btl_dtype_bytes(c->values[out].dtype);
        for (int pass = 0; pass < 2; pass++) { /* dying operands of the result's size, then the result, then the others */
            for (int i = 0; i < 3; i++) {
                bool again = (i > 0 && in[i] == in[0]) || (i > 1 && in[i] == in[1]);
                bool same = btl_dtype_bytes(c->values[in[i]].dtype) == bytes;
                if (!again && c->values[in[i]].last_use == k && same == (pass == 0)) strips_give_temp(c, &f, in[i]);
            }
            if (pass == 0 && c->values[out].reg < 0) c->values[out].reg = strips_take_temp(c, &f, bytes, &capacity);
        }
        for (int i = 0; i < 3; i++) q->in[i] = c->values[in[i]].reg;
        q->out = c->values[out].reg;
        if (c->values[out].last_use < 0) strips_give_temp(c, &f, out); /* never read */
    }
}

static void strips_number_operands(strips_compiler *c) {
    btl_strips *s = c->s;
    int capacity = 0;
    for (int i = 0; i < s->nin; i++) c->values[i].reg = i;
    for (int v = 0; v < c->nvalues; v++) {
        if (!c->values[v].filled) continue;
        c->values[v].reg = s->nin + s->nout + s->nconstants;
        *BTL_PUSH(c->arena, s->constants, s->nconstants, capacity) = c->values[v].filled;
    }
}

static void strips_reduction(strips_compiler *c, const btl_node *n, const int *value) {
    btl_strips *s = c->s;
    const btl_param *p = n->params;
    const btl_op *op = btl_op_find(p[2].s, strlen(p[2].s));
    assert(op && op->reduction);
    s->reduction = op->reduction;
    s->reduction_name = op->name;
    for (int i = 0; i < p[3].axes.n; i++) s->reduced |= 1u << p[3].axes.v[i];
    if (p[3].axes.n < 0) s->reduced = (uint32_t)(((uint64_t)1 << p[1].shape.n) - 1);
    const btl_op *combine = s->reduction->combine;
    const char *lanes = btl_arena_printf(c->arena, "%s.lanes", combine->name);
    for (int k = 0; k < s->nout; k++) {
        btl_dtype dtype = s->dtype[k];
        s->combine[k] = btl_strips_find(combine->name, dtype, dtype);
        s->lanes[k] = btl_strips_find(lanes, dtype, dtype);
        if (!s->combine[k] || !s->lanes[k]) c->failed = true;
        c->values[value[k]].last_use = INT32_MAX;
    }
}

btl_strips *btl_strips_compile(btl_arena *a, const btl_node *fused) {
    const btl_body *body = fused->params[0].body;
    strips_compiler c = { .arena = a, .body = body, .s = BTL_NEW(a, btl_strips) };
    btl_strips *s = c.s;
    bool is_map = fused->params[2].s[0] == 0;
    int n = body->nresults, *value = BTL_ARRAY(a, int, n + 1);
    s->nin = body->nparams;
    s->nout = n;
    s->elem_bytes = BTL_ARRAY(a, int, s->nin + n + 1);
    s->value_reg = BTL_ARRAY(a, int, n + 1);
    s->dtype = BTL_ARRAY(a, btl_dtype, n + 1);
    s->combine = BTL_ARRAY(a, btl_strip_fn, n + 1);
    s->lanes = BTL_ARRAY(a, btl_strip_fn, n + 1);
    strips_values(&c);
    for (int k = 0; k < n; k++) {
        value[k] = strips_node_value(&c, body->results[k]->node);
        s->dtype[k] = body->results[k]->type.dtype;
        s->elem_bytes[s->nin + k] = (int)btl_dtype_bytes(s->dtype[k]);
    }
    for (int i = 0; i < s->nin; i++) s->elem_bytes[i] = (int)btl_dtype_bytes(body->params[i]->type.dtype);
    if (c.failed) return NULL;
    if (is_map) {
        strips_map_results(&c, value);
        for (int k = 0; k < n; k++) c.values[value[k]].reg = s->nin + k;
    }
    strips_number_operands(&c);
    if (!is_map) strips_reduction(&c, fused, value);
    if (c.failed) return NULL;
    strips_registers(&c);
    for (int k = 0; k < n; k++) s->value_reg[k] = c.values[value[k]].reg;
    s->nregs = s->nin + s->nout + s->nconstants + s->ntemps;
    return s;
}

bool btl_strips_may_overwrite(const btl_strips *s, int out, int in) {
    bool written = false;
    if (s->reduction || s->elem_bytes[s->nin + out] != s->elem_bytes[in]) return false;
    for (int k = 0; k < s->ninstrs; k++) {
        const strip_instr *q = &s->instrs[k];
        if (written && (q->in[0] == in || q->in[1] == in || q->in[2] == in)) return false;
        written |= q->out == s->nin + out;
    }
    return true;
}

enum { STRIP_ROWS_AHEAD = 8 };

/* ---- reading operands ---------------------------------------------------------------------- */

/* Merges axes that lie in memory as one and drops those of size 1. */
static int strip_walk_merge(strip_walk *w, int rank, const int64_t *dims, const int64_t *strides) {
    int n = 0; /* built from the last axis on, then turned round */
    for (int d = rank - 1; d >= 0; d--) {
        if (dims[d] == 1) continue;
        if (n && strides[d] == w->strides[n - 1] * w->dims[n - 1]) {
            w->dims[n - 1] *= dims[d];
            continue;
        }
        w->dims[n] = dims[d];
        w->strides[n++] = strides[d];
    }
    for (int i = 0, j = n - 1; i < j; i++, j--) {
        int64_t dim = w->dims[i], stride = w->strides[i];
        w->dims[i] = w->dims[j], w->dims[j] = dim;
        w->strides[i] = w->strides[j], w->strides[j] = stride;
    }
    return n;
}

/* n copies of an element, written 16 at a time: up to 15 more than asked, for which a walk's buffer
 * has room. (Runs are often as short as the rows of a softmax.) */
#define STRIP_FILL(type)                                                                          \
    {                                                                                             \
        type x, *o = (type *)(void *)to;                                                          \
        memcpy(&x, element, sizeof x);                                                            \
        for (int64_t i = 0; i < n; i += 16)                                                       \
            for (int j = 0; j < 16; j++) o[i + j] = x;                                            \
        return;                                                                                   \
    }

static void strip_fill(char *to, const char *element, int64_t n, int elem_bytes) {
    switch (elem_bytes) {
    case 1: STRIP_FILL(uint8_t)
    case 2: STRIP_FILL(uint16_t)
    case 4: STRIP_FILL(uint32_t)
    default: STRIP_FILL(uint64_t)
    }
}
#undef STRIP_FILL

static void strip_gather(char *to, const char *from, int64_t n, int64_t stride, int elem_bytes) {
    switch (elem_bytes) {
    case 1: for (int64_t i = 0; i < n; i++) to[i] = from[i * stride]; return;
    case 2: for (int64_t i = 0; i < n; i++) memcpy(to + i * 2, from + i * stride, 2); return;
    case 4: for (int64_t i = 0; i < n; i++) memcpy(to + i * 4, from + i * stride, 4); return;
    default: for (int64_t i = 0; i < n; i++) memcpy(to + i * 8, from + i * stride, 8);
    }
}

/* n elements of one run. */
static void strip_copy_run(char *to, const char *from, int64_t n, int64_t stride, int elem_bytes) {
    if (stride == elem_bytes) memcpy(to, from, (size_t)n * (size_t)elem_bytes);
    else if (stride == 0) strip_fill(to, from, n, elem_bytes);
    else strip_gather(to, from, n, stride, elem_bytes);
}

static void strip_walk_fill_period(strip_walk *w, int64_t elems) {
    int64_t have = w->period, need = w->period + BTL_STRIP_ELEMS;
    if (need > elems) need = elems;
    memcpy(w->buffer, w->at, (size_t)(have * w->elem_bytes));
    while (have < need) {
        int64_t more = have < need - have ? have : need - have;
        memcpy(w->buffer + have * w->elem_bytes, w->buffer, (size_t)(more * w->elem_bytes));
        have += more;
    }
    w->phase = 0;
}

void strip_walk_init(strip_walk *w, char *data, int elem_bytes, int rank, const int64_t *dims,
                     const int64_t *strides, char *buffer) {
    w->at = data;
    w->elem_bytes = elem_bytes;
    w->buffer = buffer;
    w->rank = strip_walk_merge(w, rank, dims, strides);
    if (w->rank == 0 || (w->rank == 1 && w->strides[0] == elem_bytes)) {
        w->kind = WALK_DIRECT;
    } else if (w->rank == 1 && w->strides[0] == 0) {
        w->kind = WALK_FIXED;
        strip_fill(buffer, data, w->dims[0] < BTL_STRIP_ELEMS ? w->dims[0] : BTL_STRIP_ELEMS, elem_bytes);
    } else if (w->rank == 2 && w->strides[0] == 0 && w->strides[1] == elem_bytes && w->dims[1] <= BTL_STRIP_ELEMS) {
        w->kind = WALK_PERIODIC;
        w->period = w->dims[1];
        strip_walk_fill_period(w, w->dims[0] * w->dims[1]);
    } else {
        w->kind = WALK_RUNS;
        memset(w->index, 0, (size_t)w->rank * sizeof *w->index);
    }
}

/* Asks for the same columns some rows further down: where rows are long, the processor's own
 * prefetching does not see where a tile of columns goes on. */
static void strip_walk_prefetch(const strip_walk *w, int64_t n) {
    int d = w->rank - 1;
    if (d == 0 || n != w->dims[d] || w->strides[d] != w->elem_bytes) return;
    uintptr_t ahead = (uintptr_t)w->at + (uintptr_t)(STRIP_ROWS_AHEAD * w->strides[d - 1]); /* perhaps behind the end */
    for (int64_t i = 0; i < n * w->elem_bytes; i += STRIP_ALIGN) __builtin_prefetch((const void *)(ahead + (uintptr_t)i));
}

/* Moves on by n elements, at most to the end of the run. */
static void strip_walk_advance(strip_walk *w, int64_t n) {
    int d = w->rank - 1;
    w->index[d] += n;
    w->at += n * w->strides[d];
    while (w->index[d] == w->dims[d] && d > 0) {
        w->index[d] = 0;
        w->at += w->strides[d - 1] - w->dims[d] * w->strides[d];
        w->index[--d]++;
    }
}

static const void *strip_walk_runs(strip_walk *w, int64_t n) {
    int d = w->rank - 1;
    const char *in_place = w->at;
    if (w->strides[d] == w->elem_bytes && n <= w->dims[d] - w->index[d]) {
        strip_walk_prefetch(w, n);
        strip_walk_advance(w, n);
        return in_place;
    }
    for (char *to = w->buffer; n > 0;) {
        int64_t left = w->dims[d] - w->index[d], run = left < n ? left : n;
        strip_walk_prefetch(w, run);
        strip_copy_run(to, w->at, run, w->strides[d], w->elem_bytes);
        strip_walk_advance(w, run);
        to += run * w->elem_bytes;
        n -= run;
    }
    return w->buffer;
}

const void *strip_walk_next(strip_walk *w, int64_t n) {
    const char *at = w->at;
    switch (w->kind) {
    case WALK_DIRECT: w->at += n * w->elem_bytes; return at;
    case WALK_FIXED: return w->buffer;
    case WALK_PERIODIC:
        at = w->buffer + w->phase * w->elem_bytes;
        w->phase = (w->phase + n) % w->period;
        return at;
    default: return strip_walk_runs(w, n);
    }
}

bool strip_space_strides(const btl_operand *x, int elem_bytes, int rank, const int64_t *shape, int64_t *strides) {
    for (int d = 0; d < rank; d++) {
        int k = d - (rank - x->rank);
        bool stretched = k < 0 || (x->dims[k] == 1 && shape[d] != 1);
        strides[d] = stretched ? 0 : x->strides[k] * elem_bytes;
        if (!stretched && x->dims[k] != shape[d]) return false;
    }
    return x->rank <= rank;
}

/* ---- running -------------------------------------------------------------------------------- */

static size_t strip_aligned(size_t bytes) { return (bytes + STRIP_ALIGN - 1) / STRIP_ALIGN * STRIP_ALIGN; }

static size_t strip_reg_bytes(const btl_strips *s) { return strip_aligned((size_t)s->nregs * sizeof(void *)); }

size_t btl_strips_scratch_bytes(const btl_strips *s) {
    return STRIP_ALIGN + strip_reg_bytes(s) + strip_aligned(s->temp_bytes) +
           strip_aligned((size_t)s->nin * sizeof(strip_walk)) + (size_t)s->nin * STRIP_WALK_BUFFER +
           (s->reduction ? strip_reduce_scratch_bytes(s) : 0);
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

static btl_status strip_sizes_differ(const btl_operand *x, int i, int rank, const int64_t *shape, btl_error *err) {
    for (int d = 0; d < rank && x->rank <= rank; d++) {
        int k = d - (rank - x->rank);
        if (k >= 0 && x->dims[k] != 1 && x->dims[k] != shape[d])
            return btl_error_set(err, BTL_ESHAPE, "operand %d has size %lld along axis %d of a kernel over size %lld", i,
                                 (long long)x->dims[k], d, (long long)shape[d]);
    }
    return btl_error_set(err, BTL_ESHAPE, "operand %d has more axes than the kernel", i);
}

static btl_status strip_map_run(strip_run *r, const btl_operand *in, btl_operand *out, const int64_t *shape, int rank,
                                int64_t elems, btl_error *err) {
    const btl_strips *s = r->program;
    int64_t strides[BTL_MAX_RANK];
    for (int i = 0; i < s->nin; i++) {
        if (!strip_space_strides(&in[i], s->elem_bytes[i], rank, shape, strides))
            return strip_sizes_differ(&in[i], i, rank, shape, err);
        strip_walk_init(&r->walks[i], in[i].data, s->elem_bytes[i], rank, shape, strides,
                        r->buffers + (size_t)i * STRIP_WALK_BUFFER);
    }
    for (int64_t at = 0; at < elems; at += BTL_STRIP_ELEMS) {
        int64_t n = elems - at < BTL_STRIP_ELEMS ? elems - at : BTL_STRIP_ELEMS;
        for (int i = 0; i < s->nin; i++) r->reg[i] = strip_walk_next(&r->walks[i], n);
        for (int k = 0; k < s->nout; k++) r->reg[s->nin + k] = out[k].data + at * s->elem_bytes[s->nin + k];
        strip_execute(s, r->reg, n);
    }
    return BTL_OK;
}

btl_status btl_strips_run(const btl_strips *s, int nin, const btl_operand *in, int nout, btl_operand *out,
                          const int64_t *shape, int rank, void *scratch, btl_error *err) {
    assert(nin == s->nin && nout == s->nout && rank <= BTL_MAX_RANK);
    (void)nin, (void)nout;
    strip_run r = strip_run_begin(s, scratch);
    if (s->reduction) return strip_reduce_run(&r, in, out, shape, rank, err);
    int64_t elems = 1;
    for (int d = 0; d < rank; d++) elems *= shape[d];
    if (elems == 0) return BTL_OK;
    if (elems != 1) return strip_map_run(&r, in, out, shape, rank, elems, err);
    for (int i = 0; i < s->nin; i++) r.reg[i] = in[i].data;
    for (int k = 0; k < s->nout; k++) r.reg[s->nin + k] = out[k].data;
    strip_execute(s, r.reg, 1);
    return BTL_OK;
}
