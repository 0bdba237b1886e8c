/* routine.c - a unit as text that is compiled and runs in this process: kernels, an adaptor for each, the
 * table of adaptors, and the routine that makes all steps.
 *
 * Short functions call their kernels directly, so that the compiler sees all of it; long ones go over a
 * table, whose text costs it nothing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/unit.h"

#include <string.h>

enum {
    PROCESS_DIRECT_STEPS = 40,   /* up to so many steps are written as calls */
    PROCESS_UNIT_BYTES = 8000   /* of kernels, from which a second translation unit is worth its start */
};

/* ---- numbering ---------------------------------------------------------------------------- */

static int unit_size_number(btl_unit *u, btl_unit_sizes *sizes, const btl_dim *d) {
    for (int i = sizes->n - 1; i >= 0 && i >= sizes->n - 64; i--)
        if (sizes->v[i] == d) return i;
    for (int i = 0; i < sizes->n - 64; i++)
        if (sizes->v[i] == d) return i;
    *BTL_PUSH(u->arena, sizes->v, sizes->n, sizes->capacity) = d;
    return sizes->n - 1;
}

void btl_unit_number(btl_unit *u, int nsteps, btl_unit_step *steps, btl_unit_sizes *sizes) {
    for (int i = 0; i < nsteps; i++) {
        btl_unit_step *s = &steps[i];
        if (!s->has_text) continue;
        const btl_c_kernel *k = s->call.kernel;
        s->o = BTL_ARRAY(u->arena, int32_t, k->nin + k->nout + k->nargs + k->nviews + 1);
        for (int j = 0; j < k->nin + k->nout; j++) s->o[s->no++] = (int32_t)s->call.slots[j];
        for (int j = 0; j < k->nargs; j++) {
            const btl_c_arg *arg = &s->call.args[j];
            s->o[s->no++] = (int32_t)(arg->kind == C_ARG_SIZE ? unit_size_number(u, sizes, arg->size) : arg->axis);
        }
        for (int axis = 0; k->nviews && axis < s->call.node->out[0].type.rank; axis++)
            if (!s->call.view_strides[axis]) s->o[s->no++] = (int32_t)axis;
    }
}

/* ---- calls -------------------------------------------------------------------------------- */

/* "a[o[2]]", or "a[17]" for a step that is known. */
static void unit_print_index(btl_text *t, const char *table, const btl_unit_step *s, int i) {
    if (s) btl_text_printf(t, "%s[%d]", table, s->o[i]);
    else btl_text_printf(t, "%s[o[%d]]", table, i);
}

static void unit_print_stride(btl_text *t, const btl_unit_step *s, int operand, int i) {
    unit_print_index(t, "a", s, operand);
    if (s) btl_text_printf(t, ".strides[%d]", s->o[i]);
    else btl_text_printf(t, ".strides[o[%d]]", i);
}

/* A call as a statement; `s` NULL: what it is made on comes from `o`. What differs between two calls of a kernel must
 * come from there, axes too. */
static void unit_print_call(btl_text *t, const btl_c_kernel *k, const btl_c_call *call, const btl_unit_step *s, const char *fail) {
    int n = k->nin + k->nout;
    const char *comma = "";
    if (k->is_view) btl_text_printf(t, "{ const %s *y; ", btl_emit_ctype(k->node->out[0].type.dtype));
    if (k->nviews) btl_text_printf(t, "int64_t strides[%d]; ", k->nviews);
    if (k->can_fail) btl_text_add(t, "if (");
    btl_text_printf(t, "%s(", k->name);
    for (int i = 0; i < k->nin; i++, comma = ", ") btl_text_add(t, comma), unit_print_index(t, "a", s, i), btl_text_add(t, ".data");
    for (int i = k->nin; i < n; i++, comma = ", ") {
        btl_text_add(t, comma);
        if (k->is_view) btl_text_add(t, "&y");
        else unit_print_index(t, "a", s, i), btl_text_add(t, ".data");
    }
    if (k->nviews) btl_text_add(t, ", strides");
    for (int i = 0; i < k->nargs; i++, comma = ", ") {
        btl_text_add(t, comma);
        if (call->args[i].kind == C_ARG_SIZE) unit_print_index(t, "s", s, n + i);
        else unit_print_stride(t, s, call->args[i].operand, n + i);
    }
    if (k->has_work) btl_text_printf(t, "%swork", comma), comma = ", ";
    if (k->has_rt) btl_text_printf(t, "%srt", comma);
    btl_text_add(t, ")");
    if (k->can_fail) btl_text_printf(t, ") return %s", fail);
    btl_text_add(t, ";");
    if (k->is_view) {
        btl_text_add(t, " ");
        unit_print_index(t, "a", s, k->nin);
        btl_text_add(t, ".data = (void *)y;");
        for (int i = 0; i < k->nviews; i++) {
            btl_text_add(t, " ");
            unit_print_stride(t, s, k->nin, n + k->nargs + i);
            btl_text_printf(t, " = strides[%d];", i);
        }
        btl_text_add(t, " }");
    }
    btl_text_add(t, "\n");
}

static const char process_types[] =
    "typedef struct operand { void *data; int dtype, rank; const int64_t *dims; int64_t *strides; } operand;\n"
    "typedef int step_fn(operand *a, const int64_t *s, const int32_t *o, void *work, const void *rt);\n";

/* The adaptor of a kernel: the call that its number stands for in a table. */
static void unit_print_adaptor(btl_text *t, const btl_c_kernel *k, const btl_c_call *call, const char *linkage) {
    btl_text_printf(t, "%sint s%d(operand *a, const int64_t *s, const int32_t *o, void *work, const void *rt) {\n", linkage, k->number);
    unit_print_call(t, k, call, NULL, "1");
    btl_text_add(t, "return 0;\n}\n\n");
}

/* A call of each kernel, by number: any tells which of its arguments are sizes. */
static const btl_c_call **unit_calls(const btl_unit *u, int nsteps, const btl_unit_step *steps) {
    const btl_c_call **calls = BTL_ARRAY(u->arena, const btl_c_call *, u->nkernels + 1);
    for (int i = 0; i < nsteps; i++)
        if (steps[i].has_text) calls[steps[i].call.kernel->number] = &steps[i].call;
    return calls;
}

/* ---- the routine -------------------------------------------------------------------------- */

static void unit_print_direct(btl_text *t, int nsteps, const btl_unit_step *steps, btl_arena *a) {
    btl_text_add(t, "int btl_routine(operand *a, const int64_t *s, uint64_t need, void *work, const void *rt) {\n");
    uint64_t all = ~(uint64_t)0, open = all;
    for (int i = 0; i < nsteps; i++) {
        if (steps[i].needed_by != open && open != all) btl_text_add(t, "}\n");
        if (steps[i].needed_by != open && steps[i].needed_by != all)
            btl_text_printf(t, "if (need & 0x%llxull) {\n", (unsigned long long)steps[i].needed_by);
        open = steps[i].needed_by;
        unit_print_call(t, steps[i].call.kernel, &steps[i].call, &steps[i], btl_arena_printf(a, "%d", i + 1));
    }
    if (open != all) btl_text_add(t, "}\n");
    btl_text_add(t, "return 0;\n}\n");
}

static void unit_print_table(btl_text *t, int nsteps, const btl_unit_step *steps) {
    btl_text_add(t, "static const int32_t operands[] = {");
    for (int i = 0, column = 0; i < nsteps; i++)
        for (int k = 0; k < steps[i].no; k++, column++) btl_text_printf(t, "%s%d,", column % 24 ? "" : "\n", steps[i].o[k]);
    btl_text_add(t, "0 };\nstatic const struct step { uint32_t kernel, at; uint64_t needed_by; } steps[] = {\n");
    for (int i = 0, at = 0; i < nsteps; at += steps[i++].no)
        btl_text_printf(t, "{ %d, %d, 0x%llxull },\n", steps[i].call.kernel->number, at, (unsigned long long)steps[i].needed_by);
    btl_text_printf(t, "};\nint btl_routine(operand *a, const int64_t *s, uint64_t need, void *work, const void *rt) {\n"
                       "for (int i = 0; i < %d; i++)\nif (need & steps[i].needed_by && btl_steps[steps[i].kernel](a, s, operands + steps[i].at, work, rt)) return i + 1;\n"
                       "return 0;\n}\n", nsteps);
}

/* ---- translation units --------------------------------------------------------------------- */

/* The bounds of `n` ranges of kernels with texts of about equal length. */
static void unit_divide(const btl_unit *u, int n, int *bound) {
    size_t total = 0, at = 0;
    for (int k = 0; k < u->nkernels; k++) total += strlen(u->kernels[k]->body);
    bound[0] = 0, bound[n] = u->nkernels;
    for (int k = 0, i = 1; k < u->nkernels; k++) {
        at += strlen(u->kernels[k]->body);
        while (i < n && at * (size_t)n >= total * (size_t)i) bound[i++] = k + 1;
    }
}

static int unit_lines(const btl_text *t, size_t *from, int line) {
    for (; *from < t->length; ++*from) line += t->data[*from] == '\n';
    return line;
}

int btl_unit_print(btl_unit *u, const char *name, int nsteps, const btl_unit_step *steps, bool routine, int most, btl_text *texts) {
    int bound[65], n = 1;
    size_t total = 0;
    for (int k = 0; k < u->nkernels; k++) total += strlen(u->kernels[k]->body);
    while (n < most && n < 64 && total > (size_t)n * PROCESS_UNIT_BYTES) n++;
    unit_divide(u, n, bound);
    const btl_c_call **calls = unit_calls(u, nsteps, steps);
    bool direct = routine && nsteps <= PROCESS_DIRECT_STEPS && n == 1;
    const char *linkage = n == 1 ? "static " : "__attribute__((visibility(\"hidden\"))) ";
    for (int i = 0; i < n; i++) {
        btl_text *t = &texts[i];
        btl_text_init(t, u->arena);
        btl_text_printf(t, "/* %s: generated by Bitale, part %d of %d */\n", name, i + 1, n);
        int block = u->nblocks;
        btl_unit_print_support(t, u, bound[i], bound[i + 1], false);
        while (block < u->nblocks) u->blocks[block++].unit = i;
        btl_text_add(t, process_types);
        size_t from = 0;
        int line = 1;
        for (int k = bound[i]; k < bound[i + 1]; k++) {
            btl_c_kernel *kernel = u->kernels[k];
            kernel->unit = i;
            kernel->first_line = line = unit_lines(t, &from, line);
            btl_unit_print_kernel(t, u, kernel, "static ", false);
            if (!direct) unit_print_adaptor(t, kernel, calls[k], linkage);
            kernel->last_line = line = unit_lines(t, &from, line);
        }
    }
    btl_text *t = &texts[0];
    if (!direct) {
        for (int k = bound[1]; k < u->nkernels; k++) btl_text_printf(t, "%sstep_fn s%d;\n", linkage, k);
        btl_text_add(t, "extern step_fn *const btl_steps[];\n__attribute__((visibility(\"default\"))) step_fn *const btl_steps[] = {\n");
        for (int k = 0; k < u->nkernels; k++) btl_text_printf(t, "s%d,%s", k, k % 16 == 15 ? "\n" : " ");
        btl_text_add(t, "0 };\n");
    }
    if (routine) btl_text_printf(t, "__attribute__((visibility(\"default\"))) ");
    if (routine && direct) unit_print_direct(t, nsteps, steps, u->arena);
    else if (routine) unit_print_table(t, nsteps, steps);
    return n;
}

/* A kernel begins with a line for its places and one for its head. */
bool btl_unit_spot(const btl_unit *u, int unit, int line, btl_c_spot *out) {
    for (int k = 0; k < u->nkernels; k++) {
        const btl_c_kernel *kernel = u->kernels[k];
        if (kernel->unit != unit || line < kernel->first_line || line > kernel->last_line) continue;
        *out = (btl_c_spot){ kernel, "emit", line - kernel->first_line - 1 };
        return true;
    }
    for (int i = 0; i < u->nblocks; i++) {
        const btl_c_block *b = &u->blocks[i];
        if (b->unit != unit || line < b->first_line || line > b->last_line) continue;
        *out = (btl_c_spot){ b->kernel, b->what, line - b->first_line + 1 };
        return true;
    }
    return false;
}
