/* overwrite.c - see overwrite.h. Those that save most are proposed first. SPDX-License-Identifier: BSD-3-Clause */
#include "vm/overwrite.h"

#include "expr/leaf.h"
#include "schedule/alias.h"
#include "target/c/kernel.h"

#include <string.h>

typedef struct overwrite_proposal { int instr, input, slot; int64_t bytes; } overwrite_proposal;

typedef struct overwrite {
    btl_function *f;
    btl_arena *a;
    btl_alias_problem p;
    bool *can_fail;           /* by instruction: it can, or something behind it can */
    int *update;              /* by slot: the shared variable's slot whose new value it is, or -1 */
    int n, capacity;
    overwrite_proposal *proposals;
} overwrite;

/* ---- the problem --------------------------------------------------------------------------- */

static void overwrite_vars(overwrite *w) {
    btl_function *f = w->f;
    btl_alias_var *vars = BTL_ARRAY(w->a, btl_alias_var, f->nslots + 1);
    w->update = BTL_ARRAY(w->a, int, f->nslots + 1);
    for (int i = 0; i < f->nslots; i++) {
        vm_storage s = f->slots[i].storage;
        vars[i].is_protected = s == STORE_INPUT || s == STORE_CONSTANT;
        w->update[i] = -1;
    }
    for (int i = 0; i < f->noutputs; i++) vars[f->outputs[i].slot].is_kept = true;
    for (int i = 0; i < f->nasserts; i++) vars[f->asserts[i].slot].is_kept = true;
    for (int i = 0; i < f->nupdates; i++) {
        int slot = f->updates[i].slot;
        w->update[slot] = vars[slot].is_kept ? -1 : f->shared[f->updates[i].shared].slot; /* once: a value that stands for two is copied */
        vars[slot].is_kept = true;
    }
    for (int i = 0; i < f->ninstrs; i++)
        if (f->instrs[i].kind == VM_VIEW) vars[f->instrs[i].out[0]].nviews = 1, vars[f->instrs[i].out[0]].views = f->instrs[i].in;
    w->p.nvars = f->nslots, w->p.vars = vars;
}

static bool overwrite_fails(const vm_instr *q) {
    if (q->kind == VM_VIEW) return q->node->op->flags & OP_CAN_FAIL;
    if (q->kind != VM_STRIPS) return true; /* for want of memory, if for nothing else */
    const btl_op *op = btl_op_find(q->node->params[2].s, strlen(q->node->params[2].s));
    return op && op->reduction && op->reduction->empty_is_error;
}

/* Is something that can fail at or behind the instruction? A state must not have been touched by then. */
static void overwrite_find_failures(overwrite *w) {
    btl_function *f = w->f;
    bool *behind = BTL_ARRAY(w->a, bool, f->nslots + 1); /* by slot: a reader of it, or one behind that */
    w->can_fail = BTL_ARRAY(w->a, bool, f->ninstrs + 1);
    for (int i = f->ninstrs - 1; i >= 0; i--) {
        const vm_instr *q = &f->instrs[i];
        w->can_fail[i] = overwrite_fails(q);
        for (int k = 0; k < q->nout; k++) w->can_fail[i] |= behind[q->out[k]];
        for (int k = 0; k < q->nin; k++) behind[q->in[k]] |= w->can_fail[i];
    }
}

/* Into a shared variable's memory: nothing behind the instruction fails, and it waits for everything that can. */
static bool overwrite_updates(const overwrite *w, int instr) {
    const vm_instr *q = &w->f->instrs[instr];
    if (q->kind != VM_STRIPS || w->can_fail[instr] || w->f->nasserts) return false;
    for (int k = 0; k < q->nout; k++)
        if (w->update[q->out[k]] >= 0 && w->f->slots[q->out[k]].storage == STORE_ARENA) return true;
    return false;
}

/* list, and one variable more. */
static const int *overwrite_append(overwrite *w, const int *list, int n, int more) {
    int *all = BTL_ARRAY(w->a, int, n + 1);
    if (n) memcpy(all, list, (size_t)n * sizeof *all);
    all[n] = more;
    return all;
}

/* Instructions as nodes. Where there are updates in place, one more, behind all that can fail and before those: by way of variables that stand
 * for "done". */
static void overwrite_nodes(overwrite *w) {
    btl_function *f = w->f;
    int n = f->ninstrs, nupdates = 0, nfailing = 0;
    btl_alias_node *nodes = BTL_ARRAY(w->a, btl_alias_node, n + 1);
    for (int i = 0; i < n; i++) {
        const vm_instr *q = &f->instrs[i];
        nodes[i] = (btl_alias_node){ q->nin, q->in, q->nout, q->out };
        nupdates += overwrite_updates(w, i), nfailing += w->can_fail[i];
    }
    w->p.nnodes = n, w->p.nodes = nodes;
    if (!nupdates || !nfailing) return;
    int *failing = BTL_ARRAY(w->a, int, nfailing), checked = w->p.nvars + nfailing, at = 0;
    btl_alias_var *vars = BTL_ARRAY(w->a, btl_alias_var, checked + 1);
    memcpy(vars, w->p.vars, (size_t)w->p.nvars * sizeof *vars);
    for (int i = 0; i < n; i++) {
        if (w->can_fail[i]) {
            failing[at] = w->p.nvars + at;
            nodes[i].out = overwrite_append(w, nodes[i].out, nodes[i].nout++, failing[at++]);
        } else if (overwrite_updates(w, i)) {
            nodes[i].in = overwrite_append(w, nodes[i].in, nodes[i].nin++, checked);
        }
    }
    nodes[n] = (btl_alias_node){ nfailing, failing, 1, overwrite_append(w, NULL, 0, checked) };
    w->p.nnodes++, w->p.nvars = checked + 1, w->p.vars = vars;
}

/* ---- proposals ----------------------------------------------------------------------------- */

/* What it is worth; a size that only a call tells counts as 64. */
static int64_t overwrite_bytes(const btl_type *t) {
    int64_t bytes = (int64_t)btl_dtype_bytes(t->dtype), size;
    for (int k = 0; k < t->rank; k++)
        if (!btl_mul_i64(bytes, btl_dim_is_const(t->dims[k], &size) ? size : 64, &bytes)) return INT64_MAX;
    return bytes;
}

static void overwrite_collect(overwrite *w) {
    btl_function *f = w->f;
    for (int i = 0; i < f->ninstrs; i++) {
        const vm_instr *q = &f->instrs[i];
        if (q->kind != VM_STRIPS) continue;
        for (int o = 0; o < q->nout; o++)
            for (int in = 0; in < q->nin; in++) {
                const vm_slot *to = &f->slots[q->out[o]], *from = &f->slots[q->in[in]];
                bool updates = from->storage == STORE_SHARED && w->update[q->out[o]] == q->in[in] && overwrite_updates(w, i);
                if (to->storage != STORE_ARENA || (from->storage != STORE_ARENA && !updates) || !btl_type_equal(&to->var->type, &from->var->type)) continue;
                if (!btl_strips_may_overwrite(q->strips, o, in) || !btl_fused_may_overwrite(w->a, q->node, o, in)) continue;
                *BTL_PUSH(w->a, w->proposals, w->n, w->capacity) = (overwrite_proposal){ i, in, q->out[o], overwrite_bytes(&to->var->type) };
            }
    }
}

/* Updates first, since they save a copy; then by bytes; stable. */
static bool overwrite_before(const overwrite *w, const overwrite_proposal *a, const overwrite_proposal *b) {
    bool x = w->update[a->slot] >= 0, y = w->update[b->slot] >= 0;
    return x != y ? x : a->bytes > b->bytes;
}

static void overwrite_sort(overwrite *w, overwrite_proposal *v, int n, overwrite_proposal *spare) {
    if (n < 2) return;
    int half = n / 2, i = 0, k = half;
    overwrite_sort(w, v, half, spare), overwrite_sort(w, v + half, n - half, spare);
    memcpy(spare, v, (size_t)n * sizeof *v);
    for (int at = 0; at < n; at++) v[at] = k == n || (i < half && !overwrite_before(w, &spare[k], &spare[i])) ? spare[i++] : spare[k++];
}

static void overwrite_propose(overwrite *w, btl_alias *alias) {
    btl_alias_overwrite *o = BTL_ARRAY(w->a, btl_alias_overwrite, w->n + 1);
    bool *hopeless = BTL_ARRAY(w->a, bool, w->n + 1), *taken = BTL_ARRAY(w->a, bool, w->f->nslots + 1);
    for (int i = 0; i < w->n; i++) o[i] = (btl_alias_overwrite){ .node = w->proposals[i].instr, .input = w->proposals[i].input };
    btl_alias_foresee(alias, w->n, o, hopeless);
    for (int i = 0; i < w->n; i++) {
        int to = w->proposals[i].slot, from = w->f->instrs[o[i].node].in[o[i].input];
        if (hopeless[i] || w->f->slots[to].into >= 0 || taken[from] || !btl_alias_propose(alias, &o[i], NULL)) continue;
        w->f->slots[to].into = from, taken[from] = true;
    }
}

/* ---- the order ------------------------------------------------------------------------------ */

static void overwrite_reorder(overwrite *w, const btl_alias *alias) {
    int n = w->f->ninstrs, *order = BTL_ARRAY(w->a, int, w->p.nnodes + 1);
    vm_instr *old = BTL_ARRAY(w->a, vm_instr, n + 1);
    btl_alias_order(alias, order);
    if (n) memcpy(old, w->f->instrs, (size_t)n * sizeof *old);
    for (int i = 0, at = 0; i < w->p.nnodes; i++)
        if (order[i] < n) w->f->instrs[at++] = old[order[i]];
}

void btl_vm_overwrite(btl_function *f, btl_arena *a) {
    overwrite w = { .f = f, .a = btl_arena_begin(a) };
    overwrite_vars(&w);
    overwrite_find_failures(&w);
    overwrite_nodes(&w);
    overwrite_collect(&w);
    overwrite_sort(&w, w.proposals, w.n, BTL_ARRAY(w.a, overwrite_proposal, w.n + 1));
    btl_alias *alias = w.n ? btl_alias_new(w.a, &w.p, NULL) : NULL;
    if (alias) {
        overwrite_propose(&w, alias);
        overwrite_reorder(&w, alias);
    }
    btl_arena_end(w.a);
}
