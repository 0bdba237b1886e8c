/* loops.c - see loops.h. SPDX-License-Identifier: BSD-3-Clause */
#include "ops/loops.h"

#include "ops/cast.h"

#include <assert.h>
#include <string.h>

enum {
    LOOPS_UNROLLED = 32,   /* runs of up to so many elements are copied by a loop, which compilers unroll, not by memcpy */
    LOOPS_TILE = 16        /* edge of the squares in which a matrix is transposed */
};

/* ---- numbers ------------------------------------------------------------------------------ */

btl_extent btl_extent_of(const btl_dim *d) { return (btl_extent){ d, NULL }; }

btl_extent btl_extent_const(btl_emit *e, int64_t value) { return btl_extent_of(btl_dim_const(e->g, value)); }

btl_extent btl_extent_dim(btl_emit *e, int operand, int axis) { return btl_extent_of(btl_emit_type(e, operand)->dims[axis]); }

static const btl_dim *extent_row_major(btl_emit *e, int operand, int axis) {
    const btl_type *t = btl_emit_type(e, operand);
    return btl_dim_product(e->g, t->rank - axis - 1, t->dims + axis + 1);
}

btl_extent btl_extent_stride(btl_emit *e, int operand, int axis) {
    if (operand >= e->node->nin) return btl_extent_of(extent_row_major(e, operand, axis));
    const btl_dim *known = btl_emit_known_stride(e, operand, axis);
    return known ? btl_extent_of(known) : (btl_extent){ NULL, btl_emit_stride(e, operand, axis) };
}

const char *btl_extent_text(btl_emit *e, btl_extent x) { return x.known ? btl_emit_size(e, x.known) : x.text; }

btl_extent btl_extent_mul(btl_emit *e, btl_extent a, btl_extent b) {
    if (a.known && b.known) return btl_extent_of(btl_dim_mul(e->g, a.known, b.known));
    if (btl_extent_is(a, 1) || btl_extent_is(b, 0)) return b;
    if (btl_extent_is(b, 1) || btl_extent_is(a, 0)) return a;
    return (btl_extent){ NULL, btl_emit_format(e, "(%s) * (%s)", btl_extent_text(e, a), btl_extent_text(e, b)) };
}

btl_extent btl_extent_add(btl_emit *e, btl_extent a, btl_extent b) {
    if (a.known && b.known) return btl_extent_of(btl_dim_add(e->g, a.known, b.known));
    if (btl_extent_is(a, 0)) return b;
    if (btl_extent_is(b, 0)) return a;
    return (btl_extent){ NULL, btl_emit_format(e, "%s + %s", btl_extent_text(e, a), btl_extent_text(e, b)) };
}

btl_extent btl_extent_stretched(btl_emit *e, int operand, int axis, const btl_dim *size) {
    if (axis < 0) return btl_extent_const(e, 0);
    if (btl_dim_is(btl_emit_type(e, operand)->dims[axis], 1) && !btl_dim_is(size, 1)) return btl_extent_const(e, 0);
    return btl_extent_stride(e, operand, axis);
}

/* ---- loops -------------------------------------------------------------------------------- */

btl_loops btl_loops_begin(btl_emit *e, int noperands, char letter) {
    assert(noperands <= BTL_LOOP_OPERANDS);
    return (btl_loops){ .e = e, .noperands = noperands, .letter = letter };
}

void btl_loops_add(btl_loops *l, btl_extent count, btl_extent step0, btl_extent step1) {
    assert(l->n < BTL_LOOPS);
    if (btl_extent_is(count, 1)) return;
    l->v[l->n++] = (btl_loop){ count, { step0, step1 } };
}

static bool loops_can_merge(btl_loops *l, const btl_loop *outer, const btl_loop *inner) {
    if (!outer->count.known || !inner->count.known) return false;
    for (int k = 0; k < l->noperands; k++) {
        btl_extent a = outer->step[k], b = inner->step[k];
        if (!a.known || !b.known || a.known != btl_dim_mul(l->e->g, b.known, inner->count.known)) return false;
    }
    return true;
}

void btl_loops_merge(btl_loops *l) {
    int n = 0;
    for (int i = 0; i < l->n; i++) {
        if (n && loops_can_merge(l, &l->v[n - 1], &l->v[i])) {
            btl_extent count = btl_extent_mul(l->e, l->v[n - 1].count, l->v[i].count);
            l->v[n - 1] = l->v[i];
            l->v[n - 1].count = count;
        } else {
            l->v[n++] = l->v[i];
        }
    }
    l->n = n;
}

void btl_loops_open(btl_loops *l, int from, int to) {
    for (int i = from; i < to; i++)
        btl_emit_text(l->e, "for (int64_t %c%d = 0; %c%d < %s; %c%d++) {\n", l->letter, i, l->letter, i,
                      btl_extent_text(l->e, l->v[i].count), l->letter, i);
}

void btl_loops_close(btl_loops *l, int count) {
    for (int i = 0; i < count; i++) btl_emit_text(l->e, "}\n");
}

/* "i0 * n1", "i0", or NULL where the step is 0. */
static const char *loops_term(btl_loops *l, int operand, int i) {
    btl_extent step = l->v[i].step[operand];
    if (btl_extent_is(step, 0)) return NULL;
    if (btl_extent_is(step, 1)) return btl_emit_format(l->e, "%c%d", l->letter, i);
    return btl_emit_format(l->e, step.known ? "%c%d * %s" : "%c%d * (%s)", l->letter, i, btl_extent_text(l->e, step));
}

const char *btl_loops_at(btl_loops *l, const char *base, int operand, int from, int to) {
    for (int i = from; i < to; i++) {
        const char *term = loops_term(l, operand, i);
        if (term) base = btl_emit_format(l->e, "%s + %s", base, term);
    }
    return base;
}

btl_extent btl_loops_count(const btl_loops *l) {
    btl_extent count = btl_extent_const(l->e, 1);
    for (int i = 0; i < l->n; i++) count = btl_extent_mul(l->e, count, l->v[i].count);
    return count;
}

/* ---- values ------------------------------------------------------------------------------- */

const char *btl_loops_cast(btl_emit *e, btl_dtype from, btl_dtype to, const char *value) {
    const char *code = btl_cast_code(from, to), *text = "";
    for (const char *dollar; (dollar = strstr(code, "$0")); code = dollar + 2)
        text = btl_emit_format(e, "%s%.*s%s", text, (int)(dollar - code), code, value);
    return btl_emit_format(e, "%s%s", text, code);
}

/* a + b, as the type adds: integers wrap, half types round. */
static const char *loops_sum(btl_emit *e, btl_dtype dtype, const char *a, const char *b) {
    static const char *const unsigned_of[9] = { [1] = "uint32_t", [2] = "uint32_t", [4] = "uint32_t", [8] = "uint64_t" };
    if (dtype == BTL_F32 || dtype == BTL_F64) return btl_emit_format(e, "%s + %s", a, b);
    if (dtype == BTL_BOOL) return btl_emit_format(e, "(%s | %s) != 0", a, b);
    if (btl_dtype_kind(dtype) == 'f')
        return btl_loops_cast(e, BTL_F32, dtype,
                              btl_emit_format(e, "(%s + %s)", btl_loops_cast(e, dtype, BTL_F32, a), btl_loops_cast(e, dtype, BTL_F32, b)));
    const char *wide = unsigned_of[btl_dtype_bytes(dtype)];
    return btl_emit_format(e, "(%s)((%s)%s + (%s)%s)", btl_emit_ctype(dtype), wide, a, wide, b);
}

/* ---- moving ------------------------------------------------------------------------------- */

typedef struct loops_mover { btl_loops *l; btl_dtype dtype; const char *type; bool add; } loops_mover;

static void loops_put(loops_mover *m, const char *to, const char *from) {
    btl_emit *e = m->l->e;
    btl_emit_text(e, "%s = %s;\n", to, m->add ? loops_sum(e, m->dtype, to, from) : from);
}

static const char *loops_element(btl_emit *e, const char *base, const char *index) {
    return index ? btl_emit_format(e, "%s[%s]", base, index) : btl_emit_format(e, "%s[0]", base);
}

/* The innermost loop: a run. */
static void loops_run(loops_mover *m, const char *to, const char *from) {
    btl_loops *l = m->l;
    btl_emit *e = l->e;
    int last = l->n - 1;
    const btl_loop *run = &l->v[last];
    int64_t count;
    bool unit = btl_extent_is(run->step[0], 1) && btl_extent_is(run->step[1], 1);
    bool few = run->count.known && btl_dim_is_const(run->count.known, &count) && count <= LOOPS_UNROLLED;
    const char *size = btl_extent_text(e, run->count);
    if (unit && !few && !m->add) {
        btl_emit_text(e, "memcpy(%s, %s, (size_t)(%s) * sizeof(%s));\n", btl_loops_at(l, to, 0, 0, last), btl_loops_at(l, from, 1, 0, last), size, m->type);
        return;
    }
    btl_emit_text(e, "{\n%s *t = %s;\nconst %s *f = %s;\n", m->type, btl_loops_at(l, to, 0, 0, last), m->type, btl_loops_at(l, from, 1, 0, last));
    if (btl_extent_is(run->step[1], 0)) btl_emit_text(e, "const %s v = *f;\n", m->type);
    btl_emit_text(e, "BTL_SIMD for (int64_t %c%d = 0; %c%d < %s; %c%d++) ", l->letter, last, l->letter, last, size, l->letter, last);
    loops_put(m, loops_element(e, "t", loops_term(l, 0, last)), btl_extent_is(run->step[1], 0) ? "v" : loops_element(e, "f", loops_term(l, 1, last)));
    btl_emit_text(e, "}\n");
}

/* A transposed copy: the loop along which `from` is dense, and the innermost, in squares that stay in the
 * nearest cache. Returns that loop, or -1 where there is none. */
static int loops_dense_from(const btl_loops *l) {
    int last = l->n - 1;
    int64_t count;
    if (last < 1 || btl_extent_is(l->v[last].step[1], 1) || btl_extent_is(l->v[last].step[1], 0)) return -1;
    if (!btl_extent_is(l->v[last - 1].step[1], 1)) return -1;
    for (int i = last - 1; i <= last; i++)
        if (l->v[i].count.known && btl_dim_is_const(l->v[i].count.known, &count) && count <= LOOPS_TILE) return -1;
    return last - 1;
}

static void loops_squares(loops_mover *m, const char *to, const char *from) {
    btl_loops *l = m->l;
    btl_emit *e = l->e;
    int last = l->n - 1;
    char c = l->letter;
    for (int i = last - 1; i <= last; i++) {
        const char *count = btl_extent_text(e, l->v[i].count);
        btl_emit_text(e, "for (int64_t %c%d_ = 0; %c%d_ < %s; %c%d_ += %d) {\nconst int64_t %cend%d = %s - %c%d_ < %d ? %s : %c%d_ + %d;\n", c, i, c, i, count, c,
                      i, LOOPS_TILE, c, i, count, c, i, LOOPS_TILE, count, c, i, LOOPS_TILE);
    }
    btl_emit_text(e, "for (int64_t %c%d = %c%d_; %c%d < %cend%d; %c%d++) {\n", c, last - 1, c, last - 1, c, last - 1, c, last - 1, c, last - 1);
    btl_emit_text(e, "%s *t = %s;\nconst %s *f = %s;\n", m->type, btl_loops_at(l, to, 0, 0, last), m->type, btl_loops_at(l, from, 1, 0, last));
    btl_emit_text(e, "for (int64_t %c%d = %c%d_; %c%d < %cend%d; %c%d++) ", c, last, c, last, c, last, c, last, c, last);
    loops_put(m, loops_element(e, "t", loops_term(l, 0, last)), loops_element(e, "f", loops_term(l, 1, last)));
    btl_emit_text(e, "}\n}\n}\n");
}

void btl_loops_move(btl_loops *l, btl_dtype dtype, const char *to, const char *from, bool add) {
    loops_mover m = { l, dtype, btl_emit_ctype(dtype), add };
    for (int i = 0; i < l->n; i++)
        if (btl_extent_is(l->v[i].count, 0)) return;
    btl_loops_merge(l);
    if (l->n == 0) {
        loops_put(&m, btl_emit_format(l->e, "*(%s)", to), btl_emit_format(l->e, "*(%s)", from));
        return;
    }
    int outer = loops_dense_from(l) >= 0 ? l->n - 2 : l->n - 1;
    btl_loops_open(l, 0, outer);
    if (outer == l->n - 2) loops_squares(&m, to, from);
    else loops_run(&m, to, from);
    btl_loops_close(l, outer);
}
