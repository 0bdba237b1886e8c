/* compile.c - from a scheduled graph to the tables of a function.
 *
 * What comes in: a private graph in which everything that computes is a fused node, a view or an op
 * with a kernel, in order of execution. What is decided here: the storage of each variable, the
 * lives of the buffers, which results each instruction is needed for.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vm/compile.h"

#include "expr/body.h"
#include "vm/budget.h"

#include <string.h>

typedef struct compile_state {
    btl_function *f;
    btl_graph *g;
    btl_arena *a;
    const vm_program *p;
    btl_bits needed;
    int **slot_of;       /* by node id: slots of its outputs */
    btl_table kernels;
    int slot_capacity, instr_capacity;
} compile_state;

static bool compile_type_late(const btl_type *t) {
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i]->late) return true;
    return false;
}

static int compile_add_slot(compile_state *c, const btl_var *v, vm_storage storage, int index) {
    btl_function *f = c->f;
    int i = f->nslots;
    vm_slot *s = BTL_PUSH(c->a, f->slots, f->nslots, c->slot_capacity);
    *s = (vm_slot){ .var = v, .storage = storage, .index = index, .root = i, .into = -1, .whole = -1, .shape_at = f->shape_total, .late = compile_type_late(&v->type), .fixed = true };
    f->shape_total += 2 * v->type.rank;
    if (s->late) f->any_late = true;
    c->slot_of[v->node->id][v->index] = i;
    return i;
}

static int compile_slot(const compile_state *c, const btl_var *v) {
    return c->slot_of[v->node->id][v->index];
}

/* ---- leaves ------------------------------------------------------------------------------ */

static void compile_leaves(compile_state *c) {
    btl_function *f = c->f;
    for (int i = 0; i < f->ninputs; i++) {
        const btl_var *v = c->p->inputs[i];
        c->slot_of[v->node->id] = BTL_ARRAY(c->a, int, 1);
        f->inputs[i].slot = compile_add_slot(c, v, STORE_INPUT, i);
    }
    for (int i = 0; i < f->nshared; i++) {
        const btl_var *v = c->p->shared[i];
        c->slot_of[v->node->id] = BTL_ARRAY(c->a, int, 1);
        f->shared[i] = (vm_shared){ v->name, compile_add_slot(c, v, STORE_SHARED, i), v->type };
    }
    for (int id = 0; id < c->needed.n; id++) {
        const btl_node *n = c->g->nodes[id];
        if (!btl_bits_get(c->needed, id) || c->slot_of[id]) continue;
        c->slot_of[id] = BTL_ARRAY(c->a, int, n->nout);
        if (n->op == &btl_op_constant) compile_add_slot(c, n->out, STORE_CONSTANT, 0), f->nconstants++;
    }
}

/* ---- instructions ------------------------------------------------------------------------ */

/* Equal kernels are compiled once: repeated layers and time steps share a program. */
typedef struct compile_kernel { const btl_node *node; const btl_strips *strips; } compile_kernel;

static bool compile_kernel_equal(const void *key, const void *thing) {
    const btl_node *a = key, *b = ((const compile_kernel *)thing)->node;
    if (a->nin != b->nin) return false;
    for (int i = 0; i < a->op->nparams; i++) {
        if (a->op->params[i].kind == PARAM_SHAPE) {
            if (a->params[i].shape.n != b->params[i].shape.n) return false;
        } else if (!btl_param_equal(a->op->params[i].kind, &a->params[i], &b->params[i])) return false;
    }
    return true;
}

static uint64_t compile_kernel_hash(const btl_node *n) {
    uint64_t h = (uint64_t)n->nin;
    for (int i = 0; i < n->op->nparams; i++)
        if (n->op->params[i].kind != PARAM_SHAPE) h = btl_param_hash(n->op->params[i].kind, &n->params[i], h);
    return h;
}

static const btl_strips *compile_strips(compile_state *c, const btl_node *n) {
    uint64_t h = compile_kernel_hash(n);
    const compile_kernel *old = btl_table_find(&c->kernels, h, compile_kernel_equal, n);
    if (old) return old->strips;
    compile_kernel *k = BTL_NEW(c->a, compile_kernel);
    *k = (compile_kernel){ n, btl_strips_compile(c->a, n) };
    btl_table_add(&c->kernels, c->a, h, k);
    return k->strips;
}

static btl_status compile_instr(compile_state *c, const btl_node *n) {
    btl_function *f = c->f;
    int *in = BTL_ARRAY(c->a, int, n->nin), *out = BTL_ARRAY(c->a, int, n->nout);
    vm_instr instr = { .node = n, .nin = n->nin, .nout = n->nout, .in = in, .out = out };
    instr.kind = n->op == &btl_op_fused && c->p->linker != LINK_EVAL ? VM_STRIPS : n->op->view ? VM_VIEW : VM_RUN;
    if (instr.kind == VM_STRIPS && !(instr.strips = compile_strips(c, n)))
        return btl_fail(c->g, BTL_EINTERNAL, "no strip kernel for a fused node");
    if (instr.strips && btl_strips_scratch_bytes(instr.strips) > f->strips_scratch) f->strips_scratch = btl_strips_scratch_bytes(instr.strips);
    for (int i = 0; i < n->nin; i++) {
        in[i] = compile_slot(c, n->in[i]);
        instr.late |= f->slots[in[i]].late;
    }
    for (int i = 0; i < n->nout; i++) {
        bool view = instr.kind == VM_VIEW && i == 0;
        out[i] = compile_add_slot(c, &n->out[i], view ? STORE_VIEW : STORE_ARENA, -1);
        if (view) f->slots[out[i]].root = f->slots[in[0]].root;
        if (view) f->slots[out[i]].fixed = (n->op->flags & OP_ROW_MAJOR) || (n->nin == 1 && f->slots[in[0]].fixed);
        instr.late |= f->slots[out[i]].late;
    }
    instr.late |= n->op->measure != NULL;
    if (f->watch != CHECKS_NONE) instr.label = btl_vm_label(c->a, n);
    *BTL_PUSH(c->a, f->instrs, f->ninstrs, c->instr_capacity) = instr;
    return BTL_OK;
}

/* ---- storage ----------------------------------------------------------------------------- */

/* A result that one instruction computes goes straight to its buffer; one that is a view, a leaf, or
 * stands for two results is copied at the end. */
static void compile_outputs(compile_state *c) {
    btl_function *f = c->f;
    for (int i = 0; i < f->noutputs; i++) {
        int slot = compile_slot(c, c->p->outputs[i]);
        vm_slot *s = &f->slots[slot];
        bool direct = s->storage == STORE_ARENA && !s->late;
        f->outputs[i] = (vm_output){ .name = c->p->output_names[i], .slot = slot, .copy = !direct };
        if (direct) s->storage = STORE_OUTPUT, s->index = i;
    }
}

/* Walking back from the results: which of them does each instruction serve? */
static void compile_needs(compile_state *c) {
    btl_function *f = c->f;
    uint64_t *need = BTL_ARRAY(c->a, uint64_t, f->nslots);
    for (int i = 0; i < f->noutputs; i++) need[f->outputs[i].slot] |= vm_need_bit(i);
    for (int i = 0; i < f->nupdates; i++) need[f->updates[i].slot] |= VM_NEED_UPDATE;
    for (int i = 0; i < f->nasserts; i++) need[f->asserts[i].slot] |= VM_NEED_ASSERT;
    for (int i = f->ninstrs - 1; i >= 0; i--) {
        vm_instr *instr = &f->instrs[i];
        if (instr->node->op->measure && instr->nout && f->slots[instr->out[0]].late)
            instr->needed_by = ~(uint64_t)0; /* its sizes may be anybody's */
        for (int k = 0; k < instr->nout; k++) instr->needed_by |= need[instr->out[k]];
        for (int k = 0; k < instr->nin; k++) need[instr->in[k]] |= instr->needed_by;
    }
    f->always = VM_NEED_UPDATE | VM_NEED_ASSERT;
}

static btl_status compile_tables(compile_state *c) {
    btl_function *f = c->f;
    compile_leaves(c);
    int *order = BTL_ARRAY(c->a, int, c->g->nnodes + 1), n = btl_graph_order(c->g, c->needed, order);
    for (int i = 0; i < n; i++)
        if (!(c->g->nodes[order[i]]->op->flags & OP_LEAF)) BTL_TRY(compile_instr(c, c->g->nodes[order[i]]));
    for (int i = 0; i < f->nupdates; i++) f->updates[i] = (vm_update){ c->p->update_shared[i], compile_slot(c, c->p->update_values[i]) };
    for (int i = 0; i < f->nasserts; i++)
        f->asserts[i] = (vm_assert){ compile_slot(c, c->p->asserts[i].condition), c->p->asserts[i].text, c->p->asserts[i].places };
    compile_outputs(c);
    btl_vm_limit limit = { c->p->memory_budget, c->p->overwrites, c->p->memory_curve, c->p->symbols };
    BTL_TRY(btl_vm_budget(f, c->a, &limit, c->p->err));
    compile_needs(c);
    return BTL_OK;
}

/* An assertion that rewriting has proven needs no test. */
static int compile_drop_proven(btl_entry_assert *asserts, int n) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
        double value;
        if (!btl_var_constant_value(asserts[i].condition, &value) || value == 0) asserts[kept++] = asserts[i];
    }
    return kept;
}

btl_status btl_vm_tables(btl_function *f, vm_program *p) {
    btl_graph *g = f->graph;
    p->nasserts = compile_drop_proven(p->asserts, p->nasserts);
    compile_state c = { .f = f, .g = g, .a = &g->arena, .p = p };
    f->ninputs = p->ninputs, f->noutputs = p->noutputs, f->nshared = p->nshared;
    f->nupdates = p->nupdates, f->nasserts = p->nasserts;
    f->inputs = BTL_ARRAY(c.a, vm_input, p->ninputs);
    f->outputs = BTL_ARRAY(c.a, vm_output, p->noutputs);
    f->output_types = BTL_ARRAY(c.a, const char *, p->noutputs);
    f->shared = BTL_ARRAY(c.a, vm_shared, p->nshared);
    f->updates = BTL_ARRAY(c.a, vm_update, p->nupdates);
    f->asserts = BTL_ARRAY(c.a, vm_assert, p->nasserts);
    for (int i = 0; i < p->ninputs; i++)
        f->inputs[i] = (vm_input){ p->input_names[i], btl_type_text(g, &p->inputs[i]->type), -1, p->fallbacks[i] };
    for (int i = 0; i < p->noutputs; i++) f->output_types[i] = btl_type_text(g, &p->outputs[i]->type);

    int nroots = p->noutputs + p->nupdates + p->nasserts, k = 0;
    btl_var **roots = BTL_ARRAY(c.a, btl_var *, nroots);
    for (int i = 0; i < p->noutputs; i++) roots[k++] = p->outputs[i];
    for (int i = 0; i < p->nupdates; i++) roots[k++] = p->update_values[i];
    for (int i = 0; i < p->nasserts; i++) roots[k++] = p->asserts[i].condition;
    c.needed = btl_graph_reach(g, nroots, roots);
    c.slot_of = BTL_ARRAY(c.a, int *, g->nnodes + 1);
    f->linker = p->linker;
    f->tier_background = p->background;
    f->policy = p->policy, f->gc = p->gc, f->ordering = p->ordering;
    return compile_tables(&c);
}
