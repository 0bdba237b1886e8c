/* within.c - see within.h. SPDX-License-Identifier: BSD-3-Clause */
#include "vm/within.h"

#include "schedule/region.h"
#include "vm/memory.h"

#include <string.h>

typedef struct within {
    btl_function *f;
    btl_arena *a, *scratch;
    const bool *keep;
    const int *maker;      /* by slot: its instruction, or -1 */
    btl_lists readers;     /* by slot that is no view: instructions that read it or a view of it */
    btl_bits ends;         /* slots that are results, new values or assertions */
} within;

/* Why an operand is copied; "" where it is not. */
typedef const char *within_why;

/* ---- what the function says ---------------------------------------------------------------------- */

static void within_look(within *w) {
    btl_function *f = w->f;
    int *maker = BTL_ARRAY(w->scratch, int, f->nslots + 1), n = 0, reads = 0;
    for (int i = 0; i < f->nslots; i++) maker[i] = -1;
    for (int i = 0; i < f->ninstrs; i++) {
        for (int k = 0; k < f->instrs[i].nout; k++) maker[f->instrs[i].out[k]] = i;
        reads += f->instrs[i].nin;
    }
    int *pairs = BTL_ARRAY(w->scratch, int, 2 * reads + 1);
    for (int i = 0; i < f->ninstrs; i++)
        for (int k = 0; k < f->instrs[i].nin; k++) pairs[2 * n] = f->slots[f->instrs[i].in[k]].root, pairs[2 * n++ + 1] = i;
    w->readers = btl_lists_new(w->scratch, f->nslots, f->ninstrs, n, (const int (*)[2])(void *)pairs);
    w->maker = maker;
    w->ends = btl_bits_new(w->scratch, f->nslots);
    for (int i = 0; i < f->noutputs; i++) btl_bits_set(w->ends, f->outputs[i].slot);
    for (int i = 0; i < f->nupdates; i++) btl_bits_set(w->ends, f->updates[i].slot);
    for (int i = 0; i < f->nasserts; i++) btl_bits_set(w->ends, f->asserts[i].slot);
}

/* ---- layouts ---------------------------------------------------------------------------------------- */

/* The slot in whose memory the operand lies as it is, through views that leave everything where it is; -1: other views. */
static int within_origin(const within *w, int slot) {
    const btl_function *f = w->f;
    while (f->slots[slot].storage == STORE_VIEW) {
        const vm_instr *q = &f->instrs[w->maker[slot]];
        const btl_dim *start = q->nin == 1 && btl_type_elems(f->graph, &f->slots[slot].var->type) == btl_type_elems(f->graph, &f->slots[q->in[0]].var->type) ? btl_view_start(f->graph, w->scratch, q->node) : NULL;
        if (!start || !btl_dim_is(start, 0)) return -1;
        slot = q->in[0];
    }
    return slot;
}

/* Of row-major memory of that type: by axis. */
static const btl_dim **within_strides(const within *w, const btl_type *t) {
    const btl_dim **strides = BTL_ARRAY(w->a, const btl_dim *, t->rank + 1);
    for (int k = 0; k < t->rank; k++) strides[k] = btl_dim_product(w->f->graph, t->rank - k - 1, t->dims + k + 1);
    return strides;
}

/* Is a part whose rows lie as far apart as the whole's in one piece? */
static bool within_is_dense(const within *w, const btl_type *part, const btl_dim *const *strides) {
    const btl_dim *step = btl_dim_const(w->f->graph, 1);
    for (int k = part->rank - 1; k >= 0; k--) {
        if (btl_dim_is(part->dims[k], 1)) continue;
        if (strides[k] != step) return false;
        step = btl_dim_mul(w->f->graph, step, part->dims[k]);
    }
    return true;
}

/* Of the axes that are there, is the last one's stride 1? */
static bool within_has_rows(const btl_type *part, const btl_dim *const *strides) {
    int last = part->rank - 1;
    while (last >= 0 && btl_dim_is(part->dims[last], 1)) last--;
    return last >= 0 && btl_dim_is(strides[last], 1);
}

/* ---- may it be? --------------------------------------------------------------------------------------- */

/* Bits of a BLAS may depend on where its operands and results lie. */
static bool within_may_ask_blas(const vm_instr *q) { return q->kind == VM_RUN && !(q->node->op->flags & OP_IS_PURE_SHAPE); }

static within_why within_kernels(const within *w, int slot, const btl_type *whole, const btl_dim *at, bool dense) {
    const btl_function *f = w->f;
    const vm_instr *maker = &f->instrs[w->maker[slot]];
    int64_t divisor = btl_dim_divisor(at) * (int64_t)btl_dtype_bytes(whole->dtype);
    bool aligned = dense && divisor % VM_ALIGN == 0;
    if (!dense && (maker->kind != VM_STRIPS || btl_strips_is_reduction(maker->strips))) return "its kernel writes row after row, and the result's rows lie apart";
    if (!aligned && within_may_ask_blas(maker)) return "its place is not at a multiple of 64 bytes, and where a product is written may show in its last bits";
    for (BTL_EACH(k, w->readers, slot)) {
        const vm_instr *q = &f->instrs[w->readers.item[k]];
        if (!dense && (q->node->op->flags & (OP_PACKED | OP_ROW_MAJOR))) return "another instruction reads it row after row, and the result's rows lie apart";
        if (!aligned && within_may_ask_blas(q)) return "its place is not at a multiple of 64 bytes, and where an operand of a product lies may show in its last bits";
    }
    if (!dense && f->watch == CHECKS_DEBUG) return "debug looks at values that lie row after row";
    return "";
}

static within_why within_slot(const within *w, const vm_instr *q, int slot) {
    static const char *const others[] = { [STORE_INPUT] = "it is an argument", [STORE_SHARED] = "it is a shared variable", [STORE_CONSTANT] = "it is a constant",
                                          [STORE_OUTPUT] = "it is a result of its own", [STORE_ARENA] = "", [STORE_OWN] = "its size is known at run time only", [STORE_VIEW] = "" };
    if (slot < 0) return "it is part of a value, or one in another order";
    const vm_slot *s = &w->f->slots[slot];
    if (*others[s->storage]) return others[s->storage];
    if (btl_bits_get(w->ends, slot)) return "it is needed at the end, too";
    if (s->whole >= 0) return s->whole == q->out[0] ? "it stands here twice" : "it lies in another result";
    if (w->keep[slot]) return "more would live at once";
    return "";
}

static within_why within_try(within *w, int instr, int operand) {
    btl_function *f = w->f;
    const vm_instr *q = &f->instrs[instr];
    int slot = within_origin(w, q->in[operand]);
    const btl_dim *at = NULL;
    within_why why = within_slot(w, q, slot);
    if (*why) return why;
    if (!q->node->op->holds(f->graph, q->node, operand, &at)) return "the op can't leave it there";
    const vm_slot *whole = &f->slots[q->out[0]];
    const btl_type *outer = &whole->var->type, *part = &f->slots[q->in[operand]].var->type;
    const btl_dim *const *strides = whole->strides ? whole->strides : within_strides(w, outer);
    bool dense = !whole->strides && within_is_dense(w, part, strides);
    if (!dense && (whole->strides || slot != q->in[operand])) return "the result's rows lie apart";
    if (!dense && !within_has_rows(part, strides)) return "the result's elements lie apart";
    if (whole->at) at = btl_dim_add(f->graph, at, whole->at);
    why = within_kernels(w, slot, outer, at, dense);
    if (*why) return why;
    f->slots[slot].whole = q->out[0], f->slots[slot].at = at, f->slots[slot].strides = dense ? NULL : strides;
    return "";
}

/* No operand is made in its place. */
static void within_none(btl_function *f) {
    for (int i = 0; i < f->nslots; i++)
        if (f->slots[i].whole >= 0) f->slots[i].whole = -1, f->slots[i].at = NULL, f->slots[i].strides = NULL;
}

void btl_vm_within(btl_function *f, btl_arena *a, const bool *keep) {
    within w = { .f = f, .a = a, .scratch = btl_arena_begin(a), .keep = keep };
    within_none(f);
    within_look(&w);
    for (int i = f->ninstrs - 1; i >= 0; i--) {
        vm_instr *q = &f->instrs[i];
        if (q->kind != VM_RUN || !q->node->op->holds || q->late) continue;
        const char **why = BTL_ARRAY(a, const char *, q->nin + 1);
        for (int k = 0; k < q->nin; k++) why[k] = within_try(&w, i, k);
        q->why_copied = why;
    }
    btl_arena_end(w.scratch);
}

/* ---- in a schedule ------------------------------------------------------------------------------------- */

int btl_vm_outermost(const vm_slot *slots, int slot) {
    while (slots[slot].whole >= 0) slot = slots[slot].whole;
    return slot;
}

int btl_vm_nparts(const btl_function *f) {
    int n = 0;
    for (int i = 0; i < f->nslots; i++) n += f->slots[i].whole >= 0;
    return n;
}

const int *btl_vm_list_with(btl_arena *a, const int *list, int n, int value, bool in_front) {
    int *all = BTL_ARRAY(a, int, n + 1);
    if (n) memcpy(all + in_front, list, (size_t)n * sizeof *all);
    all[in_front ? 0 : n] = value;
    return all;
}

static bool within_has(const int *list, int n, int value) {
    for (int i = 0; i < n; i++)
        if (list[i] == value) return true;
    return false;
}

void btl_vm_rooms(btl_arena *a, const btl_function *f, btl_schedule_value *values, int *nvalues, btl_schedule_step *steps, int *nsteps, const int *step_of, bool opens) {
    int *room = BTL_ARRAY(a, int, f->nslots + 1), *number = BTL_ARRAY(a, int, f->nslots + 1), first = *nvalues;
    for (int i = 0; i < f->nslots; i++) room[i] = -1;
    for (int i = 0; i < f->nslots; i++) {
        int whole = btl_vm_outermost(f->slots, i);
        if (whole == i) continue;
        if (room[whole] < 0) {
            room[whole] = (*nvalues)++;
            btl_schedule_value *v = &values[room[whole]];
            *v = values[whole];
            v->is_output = false, v->nviews = 0, v->into = -1;
        }
        room[i] = room[whole];
    }
    if (*nvalues == first) return;
    for (int i = 0; i < f->nslots; i++)
        if (room[i] >= 0) number[i] = room[i], values[i].nviews = 1, values[i].views = &number[i];
    bool *is_open = BTL_ARRAY(a, bool, *nvalues - first + 1);
    for (int r = first; opens && r < *nvalues; r++) {
        steps[(*nsteps)++] = (btl_schedule_step){ .name = values[r].name, .places = values[r].places, .nout = 1, .out = btl_vm_list_with(a, NULL, 0, r, false) };
        is_open[r - first] = true;
    }
    for (int i = 0; i < f->ninstrs; i++)
        for (int k = 0; k < f->instrs[i].nout; k++) {
            btl_schedule_step *s = &steps[step_of ? step_of[i] : i];
            int r = room[f->instrs[i].out[k]];
            if (r < 0 || within_has(s->in, s->nin, r) || within_has(s->out, s->nout, r)) continue;
            if (is_open[r - first]) s->in = btl_vm_list_with(a, s->in, s->nin++, r, false);
            else s->out = btl_vm_list_with(a, s->out, s->nout++, r, true);
            is_open[r - first] = true;
        }
}
