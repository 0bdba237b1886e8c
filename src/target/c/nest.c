/* nest.c - the C of a fused node: loop nests, and reductions in the one defined order.
 *
 * A body with several costly functions (exp, tanh, …) is written as several loops over a strip of 512 elements, each with one of
 * them: all in one loop they would need more registers than there are (measured: 1.5 times the time). What one loop hands to a
 * later one goes through a buffer in L1.
 *
 * The space's axes become loops; neighbours that lie in every operand as one are merged, so that most
 * maps are one loop. What varies is how an innermost loop reads an operand: one element for all, unit
 * stride, or any stride. All of it ends in `nest_flat`, the only place where a body is written out.
 *
 * Rows of few elements (a softmax over ten classes) would leave the vector units idle. They are taken
 * together: the rows of a block of 512 elements as one flat loop, operands that are stretched along or
 * across them laid out in a small buffer first.
 *
 * Reductions give the bits that vm/strip_reduce.c defines (blocks of 4096, 32 lanes, a tree, a binary counter over the
 * blocks). The values of up to 512 elements are computed into `v` and folded by the functions of
 * fold.inc, one set of which is instantiated for each combination of op and dtype. Where kept axes are
 * innermost in memory, the columns of a tile have their lanes side by side.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/elem.h"
#include "target/c/kernel.h"

#include "expr/body.h"
#include "ops/cast.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    NEST_STRIP = 512,        /* elements of a strip, as the interpreter's */
    NEST_BLOCK = 4096,       /* of a reduction */
    NEST_LANES = 32,
    NEST_FEW = 64,           /* rows of up to so many elements are taken together */
    NEST_COSTLY = 12,        /* additions that a function costs which gets a loop of its own */
    NEST_LONG = 1 << 18,     /* elements that no cache near the processor holds */
    NEST_SLACK = 16,         /* elements that short rows may be filled beyond their end */
    NEST_TILE_BYTES = 512    /* of one lane of a tile of columns */
};

/* ---- loops --------------------------------------------------------------------------------- */

/* How far an operand's elements lie apart along a loop. */
typedef struct nest_stride {
    enum { STEP_NONE, STEP_KNOWN, STEP_RUN } kind; /* stretched; a size; the run-time stride of `axis` */
    const btl_dim *known;
    int axis;
} nest_stride;

typedef struct nest_loop {
    const btl_dim *size;
    nest_stride *strides; /* of each operand: inputs, then outputs */
} nest_loop;

typedef struct nest {
    btl_emit *e;
    btl_arena *a;
    const btl_body *body;
    btl_node **nodes;
    int nnodes, nin, nout, depth;
    bool has_near;
    int nstages, *stage;           /* of each node: the loop in which it is computed */
    int at_stage;                  /* the loop that is being written */
    bool *crosses;                 /* of each node: a later loop reads it */
    const btl_op *reduction;       /* "sum", …, or NULL */
    const char **fold;             /* names of the combining functions, by result */
    int nkept, nreduced;
    nest_loop *kept, *reduced;     /* of a map: all are kept */
} nest;

static nest_stride nest_operand_stride(nest *n, int operand, int axis, const btl_dim *space) {
    const btl_type *t = btl_emit_type(n->e, operand);
    if (axis < 0 || (btl_dim_is(t->dims[axis], 1) && !btl_dim_is(space, 1))) return (nest_stride){ STEP_NONE, NULL, 0 };
    const btl_dim *known = btl_emit_known_stride(n->e, operand, axis);
    if (known && btl_dim_is(known, 0)) return (nest_stride){ STEP_NONE, NULL, 0 };
    return known ? (nest_stride){ STEP_KNOWN, known, axis } : (nest_stride){ STEP_RUN, NULL, axis };
}

static bool nest_is_unit(const nest_stride *s) { return s->kind == STEP_KNOWN && btl_dim_is(s->known, 1); }

/* Do two loops, one in the other, lie as one in every operand? */
static bool nest_can_merge(nest *n, const nest_loop *outer, const nest_loop *inner) {
    for (int i = 0; i < n->nin + n->nout; i++) {
        const nest_stride *p = &outer->strides[i], *q = &inner->strides[i];
        if (p->kind == STEP_NONE && q->kind == STEP_NONE) continue;
        if (p->kind != STEP_KNOWN || q->kind != STEP_KNOWN) return false;
        if (p->known != btl_dim_mul(n->e->g, q->known, inner->size)) return false;
    }
    return true;
}

static int nest_merge(nest *n, nest_loop *loops, int count) {
    int m = 0;
    for (int i = 0; i < count; i++) {
        if (m && nest_can_merge(n, &loops[m - 1], &loops[i])) {
            loops[m - 1].size = btl_dim_mul(n->e->g, loops[m - 1].size, loops[i].size);
            loops[m - 1].strides = loops[i].strides;
        } else {
            loops[m++] = loops[i];
        }
    }
    return m;
}

/* The space as loops: those kept and those reduced, each in row-major order, of size 1 left out. */
static void nest_loops(nest *n) {
    const btl_param *p = n->e->params;
    int rank = p[1].shape.n;
    uint32_t mask = 0;
    for (int i = 0; n->reduction && i < p[3].axes.n; i++) mask |= 1u << p[3].axes.v[i];
    n->kept = BTL_ARRAY(n->a, nest_loop, rank + 1);
    n->reduced = BTL_ARRAY(n->a, nest_loop, rank + 1);
    for (int d = 0; d < rank; d++) {
        const btl_dim *size = p[1].shape.v[d];
        if (btl_dim_is(size, 1)) continue;
        nest_loop *l = mask >> d & 1 ? &n->reduced[n->nreduced++] : &n->kept[n->nkept++];
        l->size = size;
        l->strides = BTL_ARRAY(n->a, nest_stride, n->nin + n->nout);
        for (int i = 0; i < n->nin; i++) l->strides[i] = nest_operand_stride(n, i, d - (rank - btl_emit_type(n->e, i)->rank), size);
        for (int i = n->nin; !n->reduction && i < n->nin + n->nout; i++) l->strides[i] = (nest_stride){ STEP_KNOWN, btl_emit_known_stride(n->e, i, d), d };
    }
    const btl_dim *step = btl_dim_const(n->e->g, 1); /* results: row-major over what is kept; those of a map may have rows that lie apart */
    for (int k = n->nkept - 1; n->reduction && k >= 0; k--) {
        for (int i = n->nin; i < n->nin + n->nout; i++) n->kept[k].strides[i] = (nest_stride){ STEP_KNOWN, step, 0 };
        step = btl_dim_mul(n->e->g, step, n->kept[k].size);
    }
    n->nkept = nest_merge(n, n->kept, n->nkept);
    n->nreduced = nest_merge(n, n->reduced, n->nreduced);
}

static const char *nest_step(nest *n, int operand, const nest_stride *s) {
    if (s->kind == STEP_NONE) return "0";
    return s->kind == STEP_KNOWN ? btl_emit_size(n->e, s->known) : btl_emit_stride(n->e, operand, s->axis);
}

static const char *nest_size(nest *n, const nest_loop *l) { return btl_emit_size(n->e, l->size); }

static const char *nest_product(nest *n, const nest_loop *loops, int count) {
    const btl_dim *size = btl_dim_const(n->e->g, 1);
    for (int i = 0; i < count; i++) size = btl_dim_mul(n->e->g, size, loops[i].size);
    return btl_emit_size(n->e, size);
}

static void nest_open(nest *n, const char *variable, const char *size) {
    btl_emit_text(n->e, "for (int64_t %s = 0; %s < %s; %s++) {\n", variable, variable, size, variable);
    n->depth++;
}

static void nest_close(nest *n, int depth) {
    for (; n->depth > depth; n->depth--) btl_emit_text(n->e, "}\n");
}

static const char *nest_ctype(nest *n, int operand) { return btl_emit_ctype(btl_emit_type(n->e, operand)->dtype); }

/* Opens loops whose variables are letter0, letter1, …. */
static void nest_open_all(nest *n, const nest_loop *loops, int count, char letter) {
    for (int k = 0; k < count; k++) nest_open(n, btl_emit_format(n->e, "%c%d", letter, k), nest_size(n, &loops[k]));
}

/* "x0 + i0 * 784 + i1": where an operand's elements are inside loops that are open. */
static const char *nest_at(nest *n, const char *pointer, int operand, const nest_loop *loops, int count, char letter) {
    btl_text t;
    btl_text_init(&t, n->a);
    btl_text_add(&t, pointer);
    for (int k = 0; k < count; k++) {
        const nest_stride *s = &loops[k].strides[operand];
        if (s->kind == STEP_NONE) continue;
        if (nest_is_unit(s)) btl_text_printf(&t, " + %c%d", letter, k);
        else btl_text_printf(&t, " + %c%d * %s", letter, k, nest_step(n, operand, s));
    }
    return t.data;
}

/* A pointer p0, p1, … of each operand's first element for the loops that are open (inputs; outputs too: q0, …). */
static void nest_pointers(nest *n, int nouter, bool outputs) {
    for (int i = 0; i < n->nin; i++)
        btl_emit_text(n->e, "const %s *p%d = %s;\n", nest_ctype(n, i), i, nest_at(n, btl_emit_format(n->e, "x%d", i), i, n->kept, nouter, 'i'));
    for (int k = 0; outputs && k < n->nout; k++)
        btl_emit_text(n->e, "%s *q%d = %s;\n", nest_ctype(n, n->nin + k), k,
                      nest_at(n, btl_emit_format(n->e, "y%d", k), n->nin + k, n->kept, nouter, 'i'));
}

/* The same inside reduced loops that are open: o0, o1, … */
static void nest_reduced_pointers(nest *n, int nouter) {
    for (int i = 0; i < n->nin; i++)
        btl_emit_text(n->e, "const %s *o%d = %s;\n", nest_ctype(n, i), i, nest_at(n, btl_emit_format(n->e, "p%d", i), i, n->reduced, nouter, 'j'));
}

/* ---- the body ------------------------------------------------------------------------------ */

/* How an innermost loop reads an operand. */
typedef struct nest_load {
    const char *pointer;
    const char *step;    /* NULL: the same element for all; "1"; else an expression */
} nest_load;

static int nest_param_index(const nest *n, const btl_node *node) {
    for (int i = 0; i < n->body->nparams; i++)
        if (n->body->params[i]->node == node) return i;
    return -1;
}

static int nest_position(const nest *n, const btl_node *node) {
    int k = 0;
    while (n->nodes[k] != node) k++;
    return k;
}

/* The name of a value: as it lies in memory, or (wide) as it is computed with. */
static const char *nest_value(nest *n, const btl_var *v, bool wide) {
    int i = nest_param_index(n, v->node);
    const char *w = wide && btl_elem_is_half(v->type.dtype) ? "w" : "";
    if (i >= 0) return btl_emit_format(n->e, "a%d%s", i, w);
    return btl_emit_format(n->e, "v%d%s", nest_position(n, v->node), w);
}

/* Does the stage that is being written compute with the value? Casts take it as it lies in memory. */
static bool nest_is_read_wide(const nest *n, const btl_var *v) {
    for (int k = 0; k < n->nnodes; k++)
        for (int i = 0; n->stage[k] == n->at_stage && n->nodes[k]->op != &btl_op_cast && i < n->nodes[k]->nin; i++)
            if (n->nodes[k]->in[i]->node == v->node) return true;
    return false;
}

/* Half types: the value once more, in f32. */
static void nest_widen(nest *n, const btl_var *v) {
    if (btl_elem_is_half(v->type.dtype) && nest_is_read_wide(n, v))
        btl_emit_text(n->e, "const float %s = %s;\n", nest_value(n, v, true), btl_elem_load(n->a, v->type.dtype, nest_value(n, v, false)));
}

static bool nest_is_near(const btl_node *node) {
    return node->op->elem && node->op->elem->code_near && btl_dtype_kind(node->in[0]->type.dtype) == 'f';
}

static const char *nest_code(const btl_node *node, bool near) {
    if (node->op == &btl_op_cast) return btl_cast_code(node->in[0]->type.dtype, node->out->type.dtype);
    if (near && nest_is_near(node)) return node->op->elem->code_near;
    return btl_elem_code(node->op->elem, node->in[node->nin - 1]->type.dtype);
}

static void nest_far(nest *n, const btl_node *node, const char *x) {
    bool f32 = btl_elem_computed(node->in[0]->type.dtype) == BTL_F32;
    double limit = f32 ? node->op->elem->near_f32 : node->op->elem->near_f64;
    btl_emit_text(n->e, "far%d |= !(%s <= %a%s && %s >= -%a%s);\n", n->stage[nest_position(n, node)], x, limit, f32 ? "f" : "", x, limit, f32 ? "f" : "");
}

/* ---- stages -------------------------------------------------------------------------------- */

/* Read from memory or written as a literal: there in every loop. */
static bool nest_is_everywhere(const nest *n, const btl_node *node) {
    return nest_param_index(n, node) >= 0 || btl_var_is_constant(node->out);
}

static bool nest_is_costly(const btl_node *node) {
    return node->op->elem && node->op->elem->cost >= NEST_COSTLY && btl_dtype_kind(node->in[node->nin - 1]->type.dtype) == 'f';
}

/* Each node as early as its operands allow, one costly function a loop; then what is cheap as late as its readers
 * allow, where that hands on no more than before. */
static void nest_stages(nest *n) {
    bool *taken = BTL_ARRAY(n->a, bool, n->nnodes + 1);
    int *earliest = BTL_ARRAY(n->a, int, n->nnodes + 1);
    n->stage = BTL_ARRAY(n->a, int, n->nnodes + 1);
    n->crosses = BTL_ARRAY(n->a, bool, n->nnodes + 1);
    n->nstages = 1;
    for (int k = 0; k < n->nnodes; k++) {
        const btl_node *node = n->nodes[k];
        if (nest_is_everywhere(n, node)) continue;
        int s = 0;
        for (int i = 0; i < node->nin; i++)
            if (!nest_is_everywhere(n, node->in[i]->node) && n->stage[nest_position(n, node->in[i]->node)] > s) s = n->stage[nest_position(n, node->in[i]->node)];
        if (nest_is_costly(node)) {
            while (taken[s]) s++;
            taken[s] = true;
        }
        n->stage[k] = s;
        if (s >= n->nstages) n->nstages = s + 1;
    }
    if (n->nstages == 1) return;
    for (int k = 0; k < n->nnodes; k++) earliest[k] = INT32_MAX; /* of its readers */
    for (int k = 0; k < n->body->nresults; k++) earliest[nest_position(n, n->body->results[k]->node)] = 0;
    for (int k = n->nnodes - 1; k >= 0; k--) {
        const btl_node *node = n->nodes[k];
        if (nest_is_everywhere(n, node)) continue;
        int computed = 0;
        for (int i = 0; i < node->nin; i++) computed += !nest_is_everywhere(n, node->in[i]->node);
        if (!nest_is_costly(node) && computed <= 1 && earliest[k] != INT32_MAX && earliest[k] > n->stage[k]) n->stage[k] = earliest[k];
        for (int i = 0; i < node->nin; i++) {
            int in = nest_position(n, node->in[i]->node);
            if (n->stage[k] < earliest[in]) earliest[in] = n->stage[k];
        }
    }
    for (int k = 0; k < n->nnodes; k++)
        for (int i = 0; !nest_is_everywhere(n, n->nodes[k]) && i < n->nodes[k]->nin; i++) {
            int in = nest_position(n, n->nodes[k]->in[i]->node);
            if (!nest_is_everywhere(n, n->nodes[in]) && n->stage[in] < n->stage[k]) n->crosses[in] = true;
        }
}

static void nest_node(nest *n, const btl_node *node, bool near) {
    const char *operand[4];
    btl_dtype to = node->out->type.dtype;
    const char *name = nest_value(n, node->out, false);
    if (btl_var_is_constant(node->out)) {
        btl_emit_text(n->e, "const %s %s = %s;\n", btl_emit_ctype(to), name,
                      btl_emit_literal(n->e, to, btl_array_data(btl_var_constant_array(node->out))));
        nest_widen(n, node->out);
        return;
    }
    bool is_cast = node->op == &btl_op_cast;
    for (int i = 0; i < node->nin; i++) operand[i] = nest_value(n, node->in[i], !is_cast);
    if (near && nest_is_near(node)) nest_far(n, node, operand[0]);
    if (is_cast) {
        btl_emit_text(n->e, "const %s %s = (", btl_emit_ctype(to), name);
        btl_elem_expand(&n->e->state->body, nest_code(node, near), operand, node->in[0]->type.dtype, to);
        btl_emit_text(n->e, ");\n");
    } else {
        if (btl_elem_is_half(to)) btl_emit_text(n->e, "%s %s; ", btl_emit_ctype(to), name);
        else btl_emit_text(n->e, "const %s ", btl_emit_ctype(to));
        btl_elem_assign(&n->e->state->body, nest_code(node, near), operand, node->in[node->nin - 1]->type.dtype, to, name);
        btl_emit_text(n->e, "\n");
    }
    nest_widen(n, node->out);
}

static bool nest_reads(const btl_node *node, const btl_node *in) {
    for (int i = 0; i < node->nin; i++)
        if (node->in[i]->node == in) return true;
    return false;
}

/* Does a stage read a node (a param, a literal, or what an earlier one made)? */
static bool nest_stage_reads(const nest *n, int stage, const btl_node *in) {
    for (int k = 0; k < n->nnodes; k++)
        if (!nest_is_everywhere(n, n->nodes[k]) && n->stage[k] == stage && nest_reads(n->nodes[k], in)) return true;
    for (int k = 0; k < n->nout; k++) /* results that are operands or literals are stored by the first */
        if (n->body->results[k]->node == in && nest_is_everywhere(n, in) && stage == 0) return true;
    return false;
}

/* One element of one stage: loads, the body, stores into target[…]; `at` is the element's place, `in_strip` that in the strip. */
static void nest_element(nest *n, int stage, const nest_load *loads, const char *const *targets, const char *at, const char *in_strip, bool near) {
    n->at_stage = stage;
    for (int i = 0; i < n->nin; i++) {
        const char *type = nest_ctype(n, i);
        if (!nest_stage_reads(n, stage, n->body->params[i]->node)) continue;
        if (!loads[i].step) btl_emit_text(n->e, "const %s a%d = h%d;\n", type, i, i);
        else if (strcmp(loads[i].step, "1") == 0) btl_emit_text(n->e, "const %s a%d = %s[%s];\n", type, i, loads[i].pointer, at);
        else btl_emit_text(n->e, "const %s a%d = %s[(%s) * %s];\n", type, i, loads[i].pointer, at, loads[i].step);
        nest_widen(n, n->body->params[i]);
    }
    for (int k = 0; k < n->nnodes; k++) {
        const btl_node *node = n->nodes[k];
        if (nest_param_index(n, node) >= 0) continue;
        if (nest_is_everywhere(n, node) ? nest_stage_reads(n, stage, node) : n->stage[k] == stage) {
            nest_node(n, node, near);
            if (n->crosses[k]) btl_emit_text(n->e, "w%d[%s] = %s;\n", k, in_strip, nest_value(n, node->out, false));
        } else if (n->crosses[k] && n->stage[k] < stage && nest_stage_reads(n, stage, node)) {
            btl_emit_text(n->e, "const %s %s = w%d[%s];\n", btl_emit_ctype(node->out->type.dtype), nest_value(n, node->out, false), k, in_strip);
            nest_widen(n, node->out);
        }
    }
    for (int k = 0; k < n->nout; k++) {
        const btl_node *node = n->body->results[k]->node;
        if ((nest_is_everywhere(n, node) ? 0 : n->stage[nest_position(n, node)]) == stage)
            btl_emit_text(n->e, "%s[%s] = %s;\n", targets[k], at, nest_value(n, n->body->results[k], false));
    }
}

static bool nest_stage_is_near(const nest *n, int stage) {
    for (int k = 0; k < n->nnodes; k++)
        if (nest_param_index(n, n->nodes[k]) < 0 && n->stage[k] == stage && nest_is_near(n->nodes[k])) return true;
    return false;
}

/* The loop of one stage over a strip; where it has a function with a faster text for arguments near 0, the strip is
 * computed with that first, and again with the other if one argument was far. */
static void nest_stage_loop(nest *n, int stage, const nest_load *loads, const char *const *targets, const char *at) {
    bool near = nest_stage_is_near(n, stage);
    if (near) btl_emit_text(n->e, "int far%d = 0;\nBTL_SIMD_OR(far%d) ", stage, stage);
    else btl_emit_text(n->e, "BTL_SIMD ");
    btl_emit_text(n->e, "for (int64_t i = 0; i < m; i++) {\n");
    nest_element(n, stage, loads, targets, at, "i", near);
    btl_emit_text(n->e, "}\n");
    if (!near) return;
    btl_emit_text(n->e, "if (far%d) BTL_SIMD for (int64_t i = 0; i < m; i++) {\n", stage);
    nest_element(n, stage, loads, targets, at, "i", false);
    btl_emit_text(n->e, "}\n");
}

/* Between the strips of a long array the processor's own prefetching stops, so while one is computed the next is asked for, a part
 * before each stage. */
static void nest_ask(nest *n, int stage, const char *count, const nest_load *loads, const char *const *targets) {
    if (count[0] >= '0' && count[0] <= '9' && strlen(count) < 6) return; /* a number, and a small one */
    if (strncmp(count, "rows", 4) == 0 || strcmp(count, "count") == 0 || strcmp(count, "width") == 0) return;
    btl_emit_text(n->e, "if (%s >= %d && %s - s >= %d) {\n", count, NEST_LONG, count, 2 * NEST_STRIP);
    for (int i = 0; i < n->nin; i++)
        if (loads[i].step && strcmp(loads[i].step, "1") == 0)
            btl_emit_text(n->e, "btl_ask(%s + s + %d, %lld, %d, %d, 0);\n", loads[i].pointer, NEST_STRIP,
                          (long long)NEST_STRIP * (long long)btl_dtype_bytes(btl_emit_type(n->e, i)->dtype), stage, n->nstages);
    for (int k = 0; k < n->nout; k++)
        btl_emit_text(n->e, "btl_ask(%s + s + %d, %lld, %d, %d, 1);\n", targets[k], NEST_STRIP,
                      (long long)NEST_STRIP * (long long)btl_dtype_bytes(btl_emit_type(n->e, n->nin + k)->dtype), stage, n->nstages);
    btl_emit_text(n->e, "}\n");
}

/* The body over `count` elements: one loop, or strips with a loop for each stage. */
static void nest_flat(nest *n, const char *count, const nest_load *loads, const char *const *targets) {
    btl_emit_text(n->e, "{\n");
    for (int i = 0; i < n->nin; i++)
        if (!loads[i].step) btl_emit_text(n->e, "const %s h%d = *(%s);\n", nest_ctype(n, i), i, loads[i].pointer);
    if (n->nstages == 1 && !n->has_near) {
        btl_emit_text(n->e, "BTL_SIMD for (int64_t i = 0; i < %s; i++) {\n", count);
        nest_element(n, 0, loads, targets, "i", "i", false);
        btl_emit_text(n->e, "}\n}\n");
        return;
    }
    btl_emit_text(n->e, "for (int64_t s = 0; s < %s; s += %d) {\nconst int64_t m = %s - s < %d ? %s - s : %d;\n", count, NEST_STRIP, count, NEST_STRIP,
                  count, NEST_STRIP);
    for (int k = 0; k < n->nnodes; k++)
        if (n->crosses[k]) btl_emit_text(n->e, "%s w%d[%d];\n", btl_emit_ctype(n->nodes[k]->out->type.dtype), k, NEST_STRIP);
    for (int stage = 0; stage < n->nstages; stage++) {
        nest_ask(n, stage, count, loads, targets);
        nest_stage_loop(n, stage, loads, targets, "s + i");
    }
    btl_emit_text(n->e, "}\n}\n");
}

/* The body is one operand as it is. */
static int nest_identity(const nest *n, int k) {
    return n->nnodes == n->nin ? nest_param_index(n, n->body->results[k]->node) : -1;
}

/* ---- maps ----------------------------------------------------------------------------------- */

static void nest_scalar(nest *n) {
    nest_load *loads = BTL_ARRAY(n->a, nest_load, n->nin + 1);
    const char **targets = BTL_ARRAY(n->a, const char *, n->nout + 1);
    for (int i = 0; i < n->nin; i++) loads[i] = (nest_load){ btl_emit_format(n->e, "x%d", i), "1" };
    for (int k = 0; k < n->nout; k++) targets[k] = btl_emit_format(n->e, "y%d", k);
    n->nstages = 1; /* one element: no loops */
    memset(n->stage, 0, (size_t)n->nnodes * sizeof *n->stage);
    memset(n->crosses, 0, (size_t)n->nnodes * sizeof *n->crosses);
    nest_element(n, 0, loads, targets, "0", "0", false);
}

/* Loads along one loop for pointers p0, p1, … (or of another letter), moved on by `from` elements of the loop (NULL: none).
 * `unit`: strides that a run tells are taken to be 1. */
static nest_load *nest_loads_along(nest *n, char letter, const nest_loop *l, const char *from, bool unit) {
    nest_load *loads = BTL_ARRAY(n->a, nest_load, n->nin + 1);
    for (int i = 0; i < n->nin; i++) {
        const nest_stride *s = &l->strides[i];
        const char *step = unit && s->kind == STEP_RUN ? "1" : nest_step(n, i, s);
        if (s->kind == STEP_NONE) loads[i] = (nest_load){ btl_emit_format(n->e, "%c%d", letter, i), NULL };
        else if (!from) loads[i] = (nest_load){ btl_emit_format(n->e, "%c%d", letter, i), step };
        else if (strcmp(step, "1") == 0) loads[i] = (nest_load){ btl_emit_format(n->e, "(%c%d + %s)", letter, i, from), "1" };
        else loads[i] = (nest_load){ btl_emit_format(n->e, "(%c%d + (%s) * %s)", letter, i, from, step), step };
    }
    return loads;
}

static const char **nest_names(nest *n, const char *letter) {
    const char **names = BTL_ARRAY(n->a, const char *, n->nout + 1);
    for (int k = 0; k < n->nout; k++) names[k] = btl_emit_format(n->e, "%s%d", letter, k);
    return names;
}

/* Where strides are only known when it runs, they mostly are 1: a loop for that, and one for all. */
static void nest_along(nest *n, const nest_loop *l, const char *count, const char *from, const char *const *targets) {
    bool run = false;
    for (int i = 0; i < n->nin; i++) run |= l->strides[i].kind == STEP_RUN;
    if (run) {
        btl_emit_text(n->e, "if (");
        const char *and = "";
        for (int i = 0; i < n->nin; i++) {
            if (l->strides[i].kind != STEP_RUN) continue;
            btl_emit_text(n->e, "%s%s == 1", and, nest_step(n, i, &l->strides[i]));
            and = " && ";
        }
        btl_emit_text(n->e, ")\n");
        nest_flat(n, count, nest_loads_along(n, 'p', l, from, true), targets);
        btl_emit_text(n->e, "else\n");
    }
    nest_flat(n, count, nest_loads_along(n, 'p', l, from, false), targets);
}

/* Buffers need no more than what is there: small machines have small stacks. */
static int64_t nest_at_most(const btl_dim *size, int64_t most) {
    int64_t value;
    return btl_dim_is_const(size, &value) && value < most ? value > 0 ? value : 1 : most;
}

static bool nest_is_few(const nest_loop *l, int64_t *size) { return btl_dim_is_const(l->size, size) && *size <= NEST_FEW; }

/* An operand over rows × few: in place where it lies row after row. */
static bool nest_is_full(const nest_loop *rows, const nest_loop *few, int operand) {
    const nest_stride *r = &rows->strides[operand], *c = &few->strides[operand];
    return nest_is_unit(c) && (btl_dim_is(rows->size, 1) || (r->kind == STEP_KNOWN && r->known == few->size));
}

static bool nest_is_same(const nest_loop *rows, const nest_loop *few, int operand) {
    return rows->strides[operand].kind == STEP_NONE && few->strides[operand].kind == STEP_NONE;
}

/* Rows `first` … of an operand laid out one after the other in b0, b1, …. One element for a row is written a vector at a time,
 * beyond the row's end: the next row comes over it, and buffers have room. */
static void nest_fill(nest *n, int i, const nest_loop *rows, const nest_loop *few, const char *first, const char *count, int64_t size) {
    const char *row = rows->strides[i].kind == STEP_NONE ? "0" : btl_emit_format(n->e, "(%s + r) * %s", first, nest_step(n, i, &rows->strides[i]));
    btl_emit_text(n->e, "for (int64_t r = 0; r < %s; r++) {\n", count);
    if (few->strides[i].kind == STEP_NONE)
        btl_emit_text(n->e, "const %s x = p%d[%s];\nBTL_SIMD for (int c = 0; c < %lld; c++) b%d[r * %lld + c] = x;\n", nest_ctype(n, i), i, row,
                      (long long)((size + NEST_SLACK - 1) / NEST_SLACK * NEST_SLACK), i, (long long)size);
    else
        btl_emit_text(n->e, "BTL_SIMD for (int c = 0; c < %lld; c++) b%d[r * %lld + c] = p%d[%s + c * %s];\n", (long long)size, i, (long long)size, i, row,
                      nest_step(n, i, &few->strides[i]));
    btl_emit_text(n->e, "}\n");
}

/* Buffers of operands that do not lie row after row; those that repeat are filled at once. */
static void nest_buffers(nest *n, const nest_loop *rows, const nest_loop *few, int64_t size, int64_t most) {
    for (int i = 0; i < n->nin; i++) {
        if (nest_is_full(rows, few, i) || nest_is_same(rows, few, i)) continue;
        btl_emit_text(n->e, "%s b%d[%lld];\n", nest_ctype(n, i), i, (long long)(most * size + NEST_SLACK));
        if (rows->strides[i].kind == STEP_NONE) nest_fill(n, i, rows, few, "0", btl_emit_format(n->e, "%lld", (long long)most), size);
    }
}

/* Loads of the rows first … first + count - 1 as one flat loop. */
static nest_load *nest_loads_rows(nest *n, const nest_loop *rows, const nest_loop *few, const char *first, const char *count, int64_t size) {
    nest_load *loads = BTL_ARRAY(n->a, nest_load, n->nin + 1);
    for (int i = 0; i < n->nin; i++) {
        if (nest_is_same(rows, few, i)) loads[i] = (nest_load){ btl_emit_format(n->e, "p%d", i), NULL };
        else if (nest_is_full(rows, few, i)) loads[i] = (nest_load){ btl_emit_format(n->e, "(p%d + %s * %lld)", i, first, (long long)size), "1" };
        else {
            loads[i] = (nest_load){ btl_emit_format(n->e, "b%d", i), "1" };
            if (rows->strides[i].kind != STEP_NONE) nest_fill(n, i, rows, few, first, count, size);
        }
    }
    return loads;
}

static void nest_map_rows(nest *n, int64_t size) {
    const nest_loop *rows = &n->kept[n->nkept - 2], *few = &n->kept[n->nkept - 1];
    int64_t most = nest_at_most(rows->size, NEST_STRIP / size);
    nest_open_all(n, n->kept, n->nkept - 2, 'i');
    nest_pointers(n, n->nkept - 2, true);
    nest_buffers(n, rows, few, size, most);
    const char *total = nest_size(n, rows), **targets = nest_names(n, "t");
    btl_emit_text(n->e, "for (int64_t row = 0; row < %s; row += %lld) {\nconst int64_t rows = %s - row < %lld ? %s - row : %lld;\n", total, (long long)most,
                  total, (long long)most, total, (long long)most);
    n->depth++;
    nest_load *loads = nest_loads_rows(n, rows, few, "row", "rows", size);
    for (int k = 0; k < n->nout; k++) btl_emit_text(n->e, "%s *t%d = q%d + row * %lld;\n", nest_ctype(n, n->nin + k), k, k, (long long)size);
    nest_flat(n, btl_emit_format(n->e, "rows * %lld", (long long)size), loads, targets);
    nest_close(n, 0);
}

/* Taken row by row, rows of less than a vector waste most of it; where buffers must be filled, that pays for many rows only. */
static bool nest_rows_together(const nest *n, int64_t *size) {
    enum { SHORT = 8, MANY = 4 * NEST_STRIP };
    if (n->nkept < 2 || !nest_is_few(&n->kept[n->nkept - 1], size) || *size <= 0) return false;
    const nest_loop *rows = &n->kept[n->nkept - 2], *few = &n->kept[n->nkept - 1];
    int64_t many;
    bool filled = false;
    for (int i = n->nin; i < n->nin + n->nout; i++)
        if (!nest_is_full(rows, few, i)) return false;
    for (int i = 0; i < n->nin; i++) filled |= !nest_is_full(rows, few, i) && !nest_is_same(rows, few, i);
    return !filled || *size < SHORT || !btl_dim_is_const(rows->size, &many) || many > MANY / *size;
}

static void nest_map(nest *n) {
    int64_t size;
    if (n->nkept == 0) {
        nest_scalar(n);
        return;
    }
    if (nest_rows_together(n, &size)) {
        nest_map_rows(n, size);
        return;
    }
    nest_open_all(n, n->kept, n->nkept - 1, 'i');
    nest_pointers(n, n->nkept - 1, true);
    const nest_loop *last = &n->kept[n->nkept - 1];
    nest_along(n, last, nest_size(n, last), NULL, nest_names(n, "q"));
    nest_close(n, 0);
}

/* ---- reductions: parts ----------------------------------------------------------------------- */

/* The combining function of each result, and its fold: fold.inc's macro with a name and a type. */
static void nest_folds(nest *n) {
    n->fold = BTL_ARRAY(n->a, const char *, n->nout + 1);
    for (int k = 0; k < n->nout; k++)
        n->fold[k] = btl_emit_fold(n->e, n->reduction->reduction->combine, btl_emit_type(n->e, n->nin + k)->dtype);
}

static void nest_value_buffers(nest *n, int64_t elems) {
    for (int k = 0; k < n->nout; k++) btl_emit_text(n->e, "%s v%d_[%lld];\n", nest_ctype(n, n->nin + k), k, (long long)elems);
}

static const char **nest_value_names(nest *n, const char *offset) {
    const char **names = BTL_ARRAY(n->a, const char *, n->nout + 1);
    for (int k = 0; k < n->nout; k++) names[k] = offset ? btl_emit_format(n->e, "(v%d_ + %s)", k, offset) : btl_emit_format(n->e, "v%d_", k);
    return names;
}

/* Accumulators of `width` lanes and, where there may be several blocks, the counter over them. */
static void nest_accumulators(nest *n, int64_t width, bool blocks) {
    for (int k = 0; k < n->nout; k++) {
        btl_emit_text(n->e, "%s acc%d[%lld];\n", nest_ctype(n, n->nin + k), k, (long long)(NEST_LANES * width));
        if (blocks) btl_emit_text(n->e, "%s stack%d[%lld];\nuint64_t blocks%d = 0;\n", nest_ctype(n, n->nin + k), k, (long long)(52 * width), k);
    }
}

static void nest_end_block(nest *n, const char *elems, const char *width) {
    for (int k = 0; k < n->nout; k++)
        btl_emit_text(n->e, "%s_block($rt acc%d, %s, %s, stack%d, &blocks%d);\n", n->fold[k], k, elems, width, k, k);
}

/* Is there at most one block? */
static bool nest_one_block(nest *n) {
    const btl_dim *size = btl_dim_const(n->e->g, 1);
    int64_t value;
    for (int i = 0; i < n->nreduced; i++) size = btl_dim_mul(n->e->g, size, n->reduced[i].size);
    return btl_dim_is_const(size, &value) && value <= NEST_BLOCK;
}

/* Of nothing: the reduction's own value, or a failure. */
static void nest_nothing(nest *n) {
    const btl_reduction *r = n->reduction->reduction;
    const btl_dim *size = btl_dim_const(n->e->g, 1);
    int64_t value;
    for (int i = 0; i < n->nreduced; i++) size = btl_dim_mul(n->e->g, size, n->reduced[i].size);
    if (btl_dim_is_const(size, &value) ? value > 0 : size->lo > 0) return;
    const char *outputs = nest_product(n, n->kept, n->nkept);
    btl_emit_text(n->e, "if (%s == 0) {\n", btl_emit_size(n->e, size));
    if (r->empty_is_error) {
        btl_emit_text(n->e, "if (%s > 0) return 1;\n", outputs);
    } else {
        for (int k = 0; k < n->nout; k++) {
            double empty = r->empty_float;
            char element[8];
            btl_array from = btl_array_wrap(BTL_F64, 0, NULL, &empty), to = btl_array_wrap(btl_emit_type(n->e, n->nin + k)->dtype, 0, NULL, element);
            btl_array_convert(&to, &from);
            btl_emit_text(n->e, "for (int64_t i = 0; i < %s; i++) y%d[i] = %s;\n", outputs, k, btl_emit_literal(n->e, btl_emit_type(n->e, n->nin + k)->dtype, element));
        }
    }
    btl_emit_text(n->e, "} else {\n");
    n->depth++;
}

/* ---- reductions: rows ------------------------------------------------------------------------ */

/* Rows of at most 64 elements, many at a time. */
static void nest_reduce_few(nest *n, int64_t size) {
    static const nest_loop one = { 0 };
    nest_loop single = one;
    single.size = btl_dim_const(n->e->g, 1);
    single.strides = BTL_ARRAY(n->a, nest_stride, n->nin + n->nout); /* all STEP_NONE */
    const nest_loop *few = &n->reduced[0], *rows = n->nkept ? &n->kept[n->nkept - 1] : &single;
    int outer = n->nkept ? n->nkept - 1 : 0, depth = n->depth;
    int64_t most = nest_at_most(rows->size, NEST_STRIP / size);
    nest_open_all(n, n->kept, outer, 'i');
    nest_pointers(n, outer, true);
    bool direct = true; /* the values are an operand as it lies: no loop before the fold */
    for (int k = 0; k < n->nout; k++) direct &= nest_identity(n, k) >= 0 && nest_is_full(rows, few, nest_identity(n, k));
    if (!direct) nest_buffers(n, rows, few, size, most);
    if (!direct) nest_value_buffers(n, most * size);
    const char *total = nest_size(n, rows);
    btl_emit_text(n->e, "for (int64_t row = 0; row < %s; row += %lld) {\nconst int64_t rows = %s - row < %lld ? %s - row : %lld;\n", total, (long long)most,
                  total, (long long)most, total, (long long)most);
    n->depth++;
    if (!direct) {
        nest_load *loads = nest_loads_rows(n, rows, few, "row", "rows", size);
        nest_flat(n, btl_emit_format(n->e, "rows * %lld", (long long)size), loads, nest_value_names(n, NULL));
    }
    for (int k = 0; k < n->nout; k++) {
        const char *type = nest_ctype(n, n->nin + k);
        if (direct) btl_emit_text(n->e, "const %s *v%d_ = p%d + row * %lld;\n", type, k, nest_identity(n, k), (long long)size);
        if (size <= NEST_LANES)
            btl_emit_text(n->e,
                          "{\n%s t[%lld];\n%s_turn($rt t, v%d_, rows, %lld);\n%s_tree($rt t, %lld, rows);\nfor (int64_t r = 0; r < rows; r++) q%d[row + r] = t[r];\n}\n",
                          type, (long long)(most * size), n->fold[k], k, (long long)size, n->fold[k], (long long)size, k);
        else
            btl_emit_text(n->e, "for (int64_t r = 0; r < rows; r++) {\n%s acc[%d];\n%s_lanes($rt acc, v%d_ + r * %lld, %lld, 0);\n%s_tree($rt acc, %d, 1);\nq%d[row + r] = acc[0];\n}\n",
                          type, NEST_LANES, n->fold[k], k, (long long)size, (long long)size, n->fold[k], NEST_LANES, k);
    }
    nest_close(n, depth);
}

/* One reduced loop: blocks, in them strips. */
static void nest_reduce_blocks(nest *n, bool one_block) {
    const nest_loop *l = &n->reduced[0];
    const char *size = nest_size(n, l);
    bool direct = true;
    for (int k = 0; k < n->nout; k++) {
        int i = nest_identity(n, k);
        direct &= i >= 0 && nest_is_unit(&l->strides[i]);
    }
    bool moves = false; /* does any operand vary along it? */
    for (int i = 0; i < n->nin; i++) moves |= l->strides[i].kind != STEP_NONE;
    if (!direct) nest_value_buffers(n, nest_at_most(l->size, NEST_STRIP));
    btl_emit_text(n->e, "for (int64_t block = 0; block < %s; block += %d) {\nconst int64_t elems = %s - block < %d ? %s - block : %d;\n", size, NEST_BLOCK,
                  size, NEST_BLOCK, size, NEST_BLOCK);
    if (direct) {
        for (int k = 0; k < n->nout; k++) btl_emit_text(n->e, "%s_lanes($rt acc%d, p%d + block, elems, 0);\n", n->fold[k], k, nest_identity(n, k));
    } else {
        btl_emit_text(n->e, "for (int64_t at = 0; at < elems; at += %d) {\nconst int64_t count = elems - at < %d ? elems - at : %d%s;\n",
                      NEST_STRIP, NEST_STRIP, NEST_STRIP, moves ? ", from = block + at" : "");
        nest_along(n, l, "count", "from", nest_value_names(n, NULL));
        for (int k = 0; k < n->nout; k++) btl_emit_text(n->e, "%s_lanes($rt acc%d, v%d_, count, at);\n", n->fold[k], k, k);
        btl_emit_text(n->e, "}\n");
    }
    if (!one_block) nest_end_block(n, "elems", "1");
    btl_emit_text(n->e, "}\n");
}

/* Several reduced loops: strips are filled piece by piece, in the row-major order of all of them. */
static void nest_reduce_pieces(nest *n, bool one_block) {
    int depth = n->depth, inner = n->nreduced - 1;
    const nest_loop *l = &n->reduced[inner];
    const char *size = nest_size(n, l);
    nest_value_buffers(n, NEST_STRIP);
    btl_emit_text(n->e, "int64_t filled = 0, at = 0;\n");
    nest_open_all(n, n->reduced, inner, 'j');
    nest_reduced_pointers(n, inner);
    btl_emit_text(n->e, "for (int64_t from = 0, count; from < %s; from += count) {\ncount = %s - from < %d - filled ? %s - from : %d - filled;\n", size, size,
                  NEST_STRIP, size, NEST_STRIP);
    n->depth++;
    nest_flat(n, "count", nest_loads_along(n, 'o', l, "from", false), nest_value_names(n, "filled"));
    btl_emit_text(n->e, "filled += count;\nif (filled == %d) {\n", NEST_STRIP);
    for (int k = 0; k < n->nout; k++) btl_emit_text(n->e, "%s_lanes($rt acc%d, v%d_, filled, at);\n", n->fold[k], k, k);
    btl_emit_text(n->e, "at += filled, filled = 0;\n");
    if (!one_block) {
        btl_emit_text(n->e, "if (at == %d) {\n", NEST_BLOCK);
        nest_end_block(n, btl_emit_format(n->e, "%d", NEST_BLOCK), "1");
        btl_emit_text(n->e, "at = 0;\n}\n");
    }
    btl_emit_text(n->e, "}\n");
    nest_close(n, depth);
    btl_emit_text(n->e, "if (filled) {\n");
    for (int k = 0; k < n->nout; k++) btl_emit_text(n->e, "%s_lanes($rt acc%d, v%d_, filled, at);\n", n->fold[k], k, k);
    btl_emit_text(n->e, "at += filled;\n}\n");
    if (!one_block) {
        btl_emit_text(n->e, "if (at) {\n");
        nest_end_block(n, "at", "1");
        btl_emit_text(n->e, "}\n");
    }
}

static void nest_reduce_rows(nest *n) {
    int64_t size;
    if (n->nreduced == 0) { /* all axes of size 1: the values themselves, through every step */
        n->reduction = NULL;
        nest_map(n);
        return;
    }
    if (n->nreduced == 1 && nest_is_few(&n->reduced[0], &size) && size > 0) {
        nest_reduce_few(n, size);
        return;
    }
    int depth = n->depth;
    bool one_block = nest_one_block(n);
    nest_open_all(n, n->kept, n->nkept, 'i');
    nest_pointers(n, n->nkept, true);
    btl_emit_text(n->e, "{\n");
    nest_accumulators(n, 1, !one_block);
    if (n->nreduced == 1) nest_reduce_blocks(n, one_block);
    else nest_reduce_pieces(n, one_block);
    const char *total = nest_product(n, n->reduced, n->nreduced);
    for (int k = 0; k < n->nout; k++) {
        if (one_block) btl_emit_text(n->e, "%s_tree($rt acc%d, %s, 1);\n*q%d = acc%d[0];\n", n->fold[k], k, btl_emit_format(n->e, "%s < 32 ? %s : 32", total, total), k, k);
        else btl_emit_text(n->e, "%s_finish($rt stack%d, blocks%d, 1, q%d);\n", n->fold[k], k, k, k);
    }
    btl_emit_text(n->e, "}\n");
    nest_close(n, depth);
}

/* ---- reductions: columns --------------------------------------------------------------------- */

/* Do operands lie with kept axes innermost? Each votes; those stretched along either do not. */
static bool nest_prefers_columns(const nest *n) {
    int votes = 0;
    if (!n->nkept || !n->nreduced) return false;
    for (int i = 0; i < n->nin; i++) {
        bool kept = nest_is_unit(&n->kept[n->nkept - 1].strides[i]), reduced = false;
        for (int k = 0; k < n->nreduced; k++) reduced |= nest_is_unit(&n->reduced[k].strides[i]);
        votes += kept ? 1 : reduced ? -1 : 0;
    }
    return votes > 0;
}

/* Step 2 for `rows` rows of a tile whose values are in v0_, v1_, …. */
static void nest_tile_rows(nest *n, const char *rows, const char *width) {
    for (int k = 0; k < n->nout; k++) btl_emit_text(n->e, "%s_rows($rt acc%d, v%d_, (%s) * %s, at, %s);\n", n->fold[k], k, k, rows, width, width);
    btl_emit_text(n->e, "at += %s;\n", rows);
}

static void nest_tile_block(nest *n, bool one_block) {
    if (one_block) return;
    btl_emit_text(n->e, "if (at == %d) {\n", NEST_BLOCK);
    nest_end_block(n, btl_emit_format(n->e, "%d", NEST_BLOCK), "width");
    btl_emit_text(n->e, "at = 0;\n}\n");
}

static void nest_reduce_columns(nest *n) {
    int inner = n->nkept - 1, depth = n->depth, last = n->nreduced - 1;
    const nest_loop *columns = &n->kept[inner], *rows = &n->reduced[last];
    bool one_block = nest_one_block(n);
    int64_t size = 0, most = 128;
    for (int k = 0; k < n->nout; k++) {
        int64_t fits = NEST_TILE_BYTES / (int64_t)btl_dtype_bytes(btl_emit_type(n->e, n->nin + k)->dtype);
        if (fits < most) most = fits;
    }
    bool few = nest_is_few(columns, &size) && size > 0 && n->nreduced == 1;
    if (few) most = size;
    nest_open_all(n, n->kept, inner, 'i');
    nest_pointers(n, inner, true);
    btl_emit_text(n->e, "{\n");
    nest_accumulators(n, most, !one_block);
    bool direct = true;
    for (int k = 0; k < n->nout; k++) {
        int i = nest_identity(n, k);
        direct &= i >= 0 && nest_is_unit(&columns->strides[i]);
    }
    if (few || !direct) nest_value_buffers(n, few ? NEST_STRIP : most);
    const char *total = nest_size(n, columns);
    if (few) {
        int64_t height = 1;
        while (height < NEST_LANES && 2 * height * size <= NEST_STRIP) height *= 2;
        const char *reduced = nest_size(n, rows), *h = btl_emit_format(n->e, "%lld", (long long)height);
        nest_buffers(n, rows, columns, size, height);
        btl_emit_text(n->e, "const int64_t width = %lld;\nint64_t at = 0;\nfor (int64_t row = 0; row < %s; row += %s) {\nconst int64_t rows = %s - row < %s ? %s - row : %s;\n",
                      (long long)size, reduced, h, reduced, h, reduced, h);
        n->depth++;
        nest_load *loads = nest_loads_rows(n, rows, columns, "row", "rows", size);
        nest_flat(n, btl_emit_format(n->e, "rows * %lld", (long long)size), loads, nest_value_names(n, NULL));
        nest_tile_rows(n, "rows", "width");
        nest_tile_block(n, one_block);
        btl_emit_text(n->e, "}\n");
        n->depth--;
        btl_emit_text(n->e, "const int64_t column = 0;\n{\n");
        n->depth++;
    } else {
        btl_emit_text(n->e, "for (int64_t column = 0; column < %s; column += %lld) {\nconst int64_t width = %s - column < %lld ? %s - column : %lld;\nint64_t at = 0;\n", total,
                      (long long)most, total, (long long)most, total, (long long)most);
        n->depth++;
        int inside = n->depth;
        nest_open_all(n, n->reduced, n->nreduced, 'j');
        /* pointers of this row */
        btl_emit_text(n->e, "{\n");
        nest_reduced_pointers(n, n->nreduced);
        if (direct) {
            for (int k = 0; k < n->nout; k++)
                btl_emit_text(n->e, "%s_rows($rt acc%d, o%d + column, width, at, width);\n", n->fold[k], k, nest_identity(n, k));
            btl_emit_text(n->e, "at += 1;\n");
        } else {
            nest_flat(n, "width", nest_loads_along(n, 'o', columns, "column", false), nest_value_names(n, NULL));
            nest_tile_rows(n, "1", "width");
        }
        nest_tile_block(n, one_block);
        btl_emit_text(n->e, "}\n");
        nest_close(n, inside);
    }
    for (int k = 0; k < n->nout; k++) {
        if (one_block)
            btl_emit_text(n->e, "%s_tree($rt acc%d, at < 32 ? at : 32, width);\nfor (int64_t c = 0; c < width; c++) q%d[column + c] = acc%d[c];\n", n->fold[k], k, k, k);
        else
            btl_emit_text(n->e, "if (at) %s_block($rt acc%d, at, width, stack%d, &blocks%d);\n%s_finish($rt stack%d, blocks%d, width, q%d + column);\nblocks%d = 0;\n",
                          n->fold[k], k, k, k, n->fold[k], k, k, k, k);
    }
    nest_close(n, n->depth - 1);
    btl_emit_text(n->e, "}\n");
    nest_close(n, depth);
}

/* ---- the whole ------------------------------------------------------------------------------- */

bool btl_fused_may_overwrite(btl_arena *scratch, const btl_node *fused, int out, int in) {
    const btl_param *p = fused->params;
    nest n = { .a = scratch, .body = p[0].body, .nin = fused->nin, .nout = fused->nout };
    const btl_node *written = n.body->results[out]->node, *read = n.body->params[in]->node;
    if (p[2].s[0]) return false;
    n.nodes = btl_body_nodes(n.a, n.body, &n.nnodes);
    if (nest_identity(&n, out) >= 0) return false; /* nothing to compute */
    nest_stages(&n);
    int stage = nest_is_everywhere(&n, written) ? 0 : n.stage[nest_position(&n, written)];
    if (nest_stage_is_near(&n, stage)) return false; /* it may be computed twice */
    for (int later = stage + 1; later < n.nstages; later++)
        if (nest_stage_reads(&n, later, read)) return false;
    return true;
}

btl_status btl_emit_fused(btl_emit *e) {
    const btl_param *p = e->params;
    nest n = { .e = e, .a = e->state->arena, .body = p[0].body, .nin = e->node->nin, .nout = e->node->nout };
    n.nodes = btl_body_nodes(n.a, n.body, &n.nnodes);
    for (int k = 0; k < n.nnodes; k++) n.has_near |= nest_param_index(&n, n.nodes[k]) < 0 && nest_is_near(n.nodes[k]);
    if (p[2].s[0]) n.reduction = btl_op_find(p[2].s, strlen(p[2].s));
    nest_stages(&n);
    nest_loops(&n);
    if (!n.reduction) {
        nest_map(&n);
        return BTL_OK;
    }
    nest_folds(&n);
    nest_nothing(&n);
    if (nest_prefers_columns(&n)) nest_reduce_columns(&n);
    else nest_reduce_rows(&n);
    nest_close(&n, 0);
    return BTL_OK;
}
