/* describe.c - what a compiled function says of itself.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vm/function.h"

#include "expr/body.h"

static const btl_type *describe_input(const btl_function *f, int i) {
    return &f->slots[f->inputs[i].slot].var->type;
}

const char *btl_function_linker(const btl_function *f) {
    const vm_code *c = atomic_load_explicit(&((btl_function *)f)->code, memory_order_acquire);
    return c ? c->routine ? "c" : "vm" : f->linker == LINK_EVAL ? "eval" : "strips";
}

void btl_function_promise(const btl_function *f, btl_promise *out) { *out = f->promise; }

const char *btl_function_note(const btl_function *f) { return f->note; }

const char *btl_function_name(const btl_function *f) { return f->name; }
int btl_function_ninputs(const btl_function *f) { return f->ninputs; }
int btl_function_noutputs(const btl_function *f) { return f->noutputs; }
const char *btl_function_input_name(const btl_function *f, int i) { return f->inputs[i].name; }
const char *btl_function_input_type(const btl_function *f, int i) { return f->inputs[i].type; }
btl_dtype btl_function_input_dtype(const btl_function *f, int i) { return describe_input(f, i)->dtype; }
int btl_function_input_rank(const btl_function *f, int i) { return describe_input(f, i)->rank; }
bool btl_function_input_has_default(const btl_function *f, int i) { return f->inputs[i].fallback != NULL; }

int64_t btl_function_input_size(const btl_function *f, int i, int axis) {
    int64_t value;
    return btl_dim_is_const(describe_input(f, i)->dims[axis], &value) ? value : -1;
}

const char *btl_function_input_size_name(const btl_function *f, int i, int axis) {
    int symbol = btl_dim_symbol_index(describe_input(f, i)->dims[axis]);
    return symbol >= 0 ? f->graph->dims.symbols[symbol]->name : NULL;
}

const char *btl_function_output_name(const btl_function *f, int i) { return f->outputs[i].name; }
const char *btl_function_output_type(const btl_function *f, int i) { return f->output_types[i]; }
btl_dtype btl_function_output_dtype(const btl_function *f, int i) { return f->slots[f->outputs[i].slot].var->type.dtype; }
int btl_function_output_rank(const btl_function *f, int i) { return f->slots[f->outputs[i].slot].var->type.rank; }

int btl_function_nshared(const btl_function *f) { return f->nshared; }
const char *btl_function_shared_name(const btl_function *f, int i) { return f->shared[i].name; }
bool btl_function_updates(const btl_function *f) { return f->nupdates > 0; }

size_t btl_function_scratch_bytes(const btl_function *f) {
    return atomic_load_explicit(&((btl_function *)f)->scratch_bytes, memory_order_relaxed);
}

size_t btl_function_arena_bytes(const btl_function *f) {
    return atomic_load_explicit(&((btl_function *)f)->arena_bytes, memory_order_relaxed);
}

enum { LABEL_MANY = 4 };

const char *btl_vm_label(btl_arena *a, const btl_node *n) {
    if (n->op != &btl_op_fused) return n->op->name;
    btl_text t;
    int nnodes;
    btl_text_init(&t, a);
    btl_node **nodes = btl_body_nodes(a, btl_node_param(n, "body")->body, &nnodes);
    int nops = 0;
    for (int i = 0; i < nnodes; i++)
        if (!(nodes[i]->op->flags & OP_LEAF)) nodes[nops++] = nodes[i];
    for (int i = 0, same; i < nops; i += same) { /* a long sum is "20 x add" */
        const char *name = nodes[i]->op->name;
        for (same = 1; i + same < nops && nodes[i + same]->op == nodes[i]->op;) same++;
        if (same >= LABEL_MANY) btl_text_printf(&t, "%s%d x %s", t.length ? ", " : "", same, name);
        for (int k = 0; k < same && same < LABEL_MANY; k++) btl_text_printf(&t, "%s%s", t.length ? ", " : "", name);
    }
    const char *reduce = btl_node_param(n, "reduce")->s;
    if (*reduce) btl_text_printf(&t, "%s%s", t.length ? ", " : "", reduce);
    return t.length ? t.data : n->op->name;
}
