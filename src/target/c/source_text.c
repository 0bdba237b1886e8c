/* source_text.c - the .c file of a function: what it needs, constants, kernels, and the calls of them in their order.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/written.h"

#include <string.h>

/* ---- values -------------------------------------------------------------------------------------- */

static const char *source_value(written *w, int slot) {
    w->uses_slot[slot] = true;
    return w->slots[slot];
}

static const char *source_ctype(const written *w, int slot) { return btl_emit_ctype(w->f->slots[slot].type->dtype); }

/* Strides of a view that its call tells are numbered; which number has the axis? */
static int source_stride_number(const btl_c_slot *s, int axis) {
    int number = 0;
    for (int k = 0; k < axis; k++) number += s->strides && !s->strides[k];
    return number;
}

static const char *source_stride(written *w, int slot, int axis) {
    const btl_c_slot *s = &w->f->slots[slot];
    if (s->strides && !s->strides[axis]) return btl_arena_printf(w->a, "%s[%d]", w->strides[slot], source_stride_number(s, axis));
    const btl_dim *step = s->strides ? s->strides[axis] : btl_dim_product(w->g, s->type->rank - axis - 1, s->type->dims + axis + 1);
    return btl_written_size(w, step, true);
}

static bool source_is_row_major(const btl_c_slot *s) { return !s->strides; }

static bool source_is_one(written *w, int slot) {
    return btl_dim_is(btl_type_elems(w->g, w->f->slots[slot].type), 1);
}

/* Does the view begin where its operand does, so that nothing is left to be computed? */
bool btl_written_is_plain_view(const btl_c_kernel *k) {
    const char *line = strchr(k->body, '\n');
    return k->is_view && k->nviews == 0 && line && strcmp(line, "\n*y = y0;\n") == 0;
}

/* ---- steps --------------------------------------------------------------------------------------- */

/* The lines of the source that a step comes from: "logreg.bitale:8: p = …". */
static const char *source_places(written *w, const btl_places *places) {
    btl_text t;
    int lines[3], n = 0;
    btl_text_init(&t, w->a);
    for (; places && n < 3; places = places->more) {
        const btl_place *p = places->place;
        bool said = false;
        for (int i = 0; i < n; i++) said |= lines[i] == p->line;
        if (said) continue;
        lines[n++] = p->line;
        btl_text_printf(&t, "%s%s", n == 1 ? "    /* " : "\n     * ", btl_ctext_place(w->a, &(btl_places){ p, NULL }));
        const char *source = p->source ? p->source + strspn(p->source, " \t") : "";
        size_t length = strlen(source);
        if (length) btl_text_add(&t, ": ");
        btl_ctext_comment(&t, source, length < 100 ? length : 100);
        if (length >= 100) btl_text_add(&t, " ...");
    }
    if (n) btl_text_printf(&t, "%s */\n", places ? " ..." : "");
    return n ? t.data : "";
}

/* Said once for steps that follow each other. */
static void source_print_places(written *w, btl_text *t, const btl_places *places, const char **last) {
    const char *text = source_places(w, places);
    if (strcmp(text, *last) == 0) return;
    *last = text;
    btl_text_printf(t, "\n%s", text);
}

/* " + 4 * n": how far behind the start of what it is a part of, in elements or bytes. */
static const char *source_at(written *w, const btl_c_slot *s, bool bytes) {
    if (!s->at || btl_dim_is(s->at, 0)) return "";
    if (!bytes) return btl_arena_printf(w->a, " + %s", btl_written_size(w, s->at, true));
    return btl_arena_printf(w->a, " + %zu * (size_t)%s", btl_dtype_bytes(s->type->dtype), btl_written_size(w, s->at, true));
}

static void source_print_result(written *w, btl_text *t, const btl_c_call *call, int operand) {
    int slot = call->slots[operand];
    const btl_c_slot *s = &w->f->slots[slot];
    const char *type = btl_type_text(w->g, s->type);
    size_t from = t->length;
    if (s->place == C_VIEW && btl_written_is_plain_view(call->kernel)) {
        btl_text_printf(t, "    const %s *const %s = %s;", source_ctype(w, slot), w->slots[slot], source_value(w, call->slots[0]));
    } else if (s->place == C_VIEW) {
        btl_text_printf(t, "    const %s *%s;", source_ctype(w, slot), w->slots[slot]);
        if (call->kernel->nviews) btl_text_printf(t, " int64_t %s[%d];", w->strides[slot], call->kernel->nviews);
    } else if (s->place == C_WORK && w->fixed) {
        btl_text_printf(t, "    %s *const %s = (void *)(base + %zu%s);", source_ctype(w, slot), w->slots[slot], w->buffers[s->index].offset, source_at(w, s, true));
    } else if (s->place == C_WORK) {
        btl_text_printf(t, "    %s *const %s = (void *)(base + at[%d]%s);", source_ctype(w, slot), w->slots[slot], s->index, source_at(w, s, true));
    } else if (s->place == C_OUT && w->f->outputs[s->index].slot != slot) {
        w->uses_out[s->index] = true;
        btl_text_printf(t, "    %s *const %s = %s%s;", source_ctype(w, slot), w->slots[slot], w->outs[s->index], source_at(w, s, false));
    } else {
        return;
    }
    while (t->length - from < 56) btl_text_add(t, " ");
    btl_text_printf(t, " /* %s */\n", type);
}

static void source_print_call(written *w, btl_text *t, const btl_c_call *call) {
    const btl_c_kernel *k = call->kernel;
    const char *comma = "";
    btl_text_printf(t, "%s(", k->name);
    for (int i = 0; i < k->nin + k->nout; i++, comma = ", ") {
        bool is_view = k->is_view && i >= k->nin;
        btl_text_printf(t, "%s%s%s", comma, is_view ? "&" : "", source_value(w, call->slots[i]));
    }
    if (k->nviews) btl_text_printf(t, ", %s", w->strides[call->slots[k->nin]]);
    for (int i = 0; i < k->nargs; i++, comma = ", ") {
        const btl_c_arg *arg = &call->args[i];
        btl_text_printf(t, "%s%s", comma, arg->kind == C_ARG_SIZE ? btl_written_size(w, arg->size, false) : source_stride(w, call->slots[arg->operand], arg->axis));
    }
    if (k->has_work && w->fixed) btl_text_printf(t, "%sbase + %zu", comma, w->scratch_at);
    else if (k->has_work) btl_text_printf(t, "%sbase + at[%d]", comma, w->f->nbuffers);
    btl_text_add(t, ")");
}

static const char *source_meaning(written *w, const btl_node *n) {
    const char *place = btl_ctext_place(w->a, n->places), *why = n->op->fails ? n->op->fails : "cannot be computed";
    return btl_arena_printf(w->a, "%s%s%s", place, *place ? ": " : "", why);
}

static void source_print_step(written *w, btl_text *t, const btl_c_call *call, const char **last) {
    const btl_c_kernel *k = call->kernel;
    source_print_places(w, t, call->node->places, last);
    for (int i = k->nin; i < k->nin + k->nout; i++) source_print_result(w, t, call, i);
    if (btl_written_is_plain_view(k)) return;
    btl_text_add(t, k->can_fail ? "    if (" : "    ");
    source_print_call(w, t, call);
    if (k->can_fail) btl_text_printf(t, ") return %d", btl_written_code(w, source_meaning(w, call->node)));
    btl_text_add(t, ";\n");
}

/* ---- the end ------------------------------------------------------------------------------------- */

/* Row-major copy of a value to `to`. */
static void source_print_copy(written *w, btl_text *t, const char *to, int slot) {
    const btl_c_slot *s = &w->f->slots[slot];
    const char *from = source_value(w, slot);
    int rank = s->type->rank;
    if (source_is_one(w, slot)) {
        btl_text_printf(t, "    *%s = *%s;\n", to, from);
        return;
    }
    const char *elems = btl_written_size(w, btl_dim_product(w->g, rank, s->type->dims), false);
    if (source_is_row_major(s)) {
        btl_text_printf(t, "    memcpy(%s, %s, (size_t)(%s) * sizeof *%s);\n", to, from, elems, to);
        return;
    }
    btl_text put, take;
    btl_text_init(&put, w->a);
    btl_text_init(&take, w->a);
    for (int k = 0; k < rank; k++) {
        for (int i = 0; i <= k; i++) btl_text_add(t, "    ");
        btl_text_printf(t, "for (int64_t i%d = 0; i%d < %s; i%d++)\n", k, k, btl_written_size(w, s->type->dims[k], true), k);
        const char *step = btl_written_size(w, btl_dim_product(w->g, rank - k - 1, s->type->dims + k + 1), true);
        if (strcmp(step, "1") == 0) btl_text_printf(&put, "%si%d", k ? " + " : "", k);
        else btl_text_printf(&put, "%si%d * %s", k ? " + " : "", k, step);
        btl_text_printf(&take, "%si%d * %s", k ? " + " : "", k, source_stride(w, slot, k));
    }
    for (int i = 0; i <= rank; i++) btl_text_add(t, "    ");
    btl_text_printf(t, "%s[%s] = %s[%s];\n", to, put.data, from, take.data);
}

static void source_print_asserts(written *w, btl_text *t) {
    for (int i = 0; i < w->f->nasserts; i++) {
        const btl_c_assert *a = &w->f->asserts[i];
        const char *place = btl_ctext_place(w->a, a->places);
        btl_text_printf(t, "\n    if (!*%s) return %d; /* ", source_value(w, a->slot),
                        btl_written_code(w, btl_arena_printf(w->a, "%s%sassert: %s", place, *place ? ": " : "", a->text)));
        btl_ctext_comment(t, a->text, strlen(a->text));
        btl_text_add(t, " */\n");
    }
}

static void source_print_end(written *w, btl_text *t) {
    bool some = false;
    for (int i = 0; i < w->f->noutputs; i++) {
        const btl_c_output *o = &w->f->outputs[i];
        if (!o->copy) continue;
        btl_text_printf(t, "\n    /* out[%d]: %s */\n", i, o->name);
        w->uses_out[i] = true;
        source_print_copy(w, t, w->outs[i], o->slot);
    }
    for (int i = 0; i < w->f->nshared; i++) {
        const btl_c_shared *s = &w->f->shared[i];
        if (s->update < 0) continue;
        btl_text_add(t, some ? "" : "\n    /* what could fail has not: the new values of the state */\n");
        some = true;
        source_print_copy(w, t, btl_written_member(w, i), s->update);
    }
}

/* ---- the function -------------------------------------------------------------------------------- */

static void source_print_array(btl_text *t, const char *ctype, const char *name, const btl_array *value) {
    int64_t n = btl_array_elems(value);
    btl_text_printf(t, "static const %s %s[%lld] = ", ctype, name, (long long)(n ? n : 1));
    btl_ctext_elements(t, value);
}

static void source_print_defaults(written *w, btl_text *t) {
    for (int i = 0; i < w->f->ninputs; i++) {
        const btl_c_input *in = &w->f->inputs[i];
        if (!in->fallback || !w->uses_slot[in->slot]) continue;
        source_print_array(t, source_ctype(w, in->slot), w->defaults[i], in->fallback);
        btl_text_add(t, ";\n");
    }
}

static void source_print_constants(written *w, btl_text *t) {
    size_t from = t->length;
    for (int i = 0; i < w->f->nslots; i++) {
        if (w->f->slots[i].place != C_CONSTANT || !w->uses_slot[i]) continue;
        source_print_array(t, source_ctype(w, i), w->slots[i], w->f->slots[i].constant);
        btl_text_printf(t, "; /* %s */\n", btl_type_text(w->g, w->f->slots[i].type));
    }
    source_print_defaults(w, t);
    if (t->length > from) btl_text_add(t, "\n");
}

static void source_print_pointer(btl_text *t, const char *text, const char *type) {
    size_t from = t->length;
    btl_text_add(t, text);
    while (t->length - from < 56) btl_text_add(t, " ");
    btl_text_printf(t, " /* %s */\n", type);
}

/* A default has sizes of its own, which must be those that are given. */
static void source_print_default_checks(written *w, btl_text *t) {
    for (int i = 0; i < w->f->ninputs; i++) {
        const btl_c_input *in = &w->f->inputs[i];
        const btl_type *type = w->f->slots[in->slot].type;
        int64_t value;
        for (int k = 0; in->fallback && k < type->rank; k++) {
            if (btl_dim_is_const(type->dims[k], &value)) continue;
            const char *meaning = btl_arena_printf(w->a, "%s is left out, and its default has other sizes", in->name);
            btl_text_printf(t, "    if (!in[%d] && %s != %lld) return %d; /* ", i, btl_written_size(w, type->dims[k], true), (long long)in->fallback->shape[k],
                            btl_written_code(w, meaning));
            btl_ctext_comment(t, meaning, strlen(meaning));
            btl_text_add(t, " */\n");
        }
    }
}

static void source_print_pointers(written *w, btl_text *t) {
    for (int i = 0; i < w->f->ninputs; i++) {
        const btl_c_input *in = &w->f->inputs[i];
        if (!w->uses_slot[in->slot]) continue;
        const char *from = in->fallback ? btl_arena_printf(w->a, "in[%d] ? in[%d] : %s", i, i, w->defaults[i]) : btl_arena_printf(w->a, "in[%d]", i);
        source_print_pointer(t, btl_arena_printf(w->a, "    const %s *const %s = %s;", source_ctype(w, in->slot), w->slots[in->slot], from), in->type);
    }
    for (int i = 0; i < w->f->noutputs; i++) {
        const btl_c_output *o = &w->f->outputs[i];
        if (!w->uses_out[i] && !(w->f->slots[o->slot].place == C_OUT && w->f->slots[o->slot].index == i && w->uses_slot[o->slot])) continue;
        source_print_pointer(t, btl_arena_printf(w->a, "    %s *const %s = out[%d];", source_ctype(w, o->slot), w->outs[i], i), o->type);
    }
}

/* The steps and all behind them; w->uses and the like say what it needs in front. */
static const char *source_body(written *w, const char **front) {
    btl_text t, checks;
    const char *last = "";
    btl_text_init(&t, w->a);
    btl_text_init(&checks, w->a);
    btl_text_add(&t, ""), btl_text_add(&checks, "");
    source_print_default_checks(w, &checks);
    w->size_codes = w->ncodes;
    for (int i = 0; i < w->f->nsteps; i++) source_print_step(w, &t, &w->f->steps[i].call, &last);
    source_print_asserts(w, &t);
    source_print_end(w, &t);
    *front = checks.data ? checks.data : "";
    return t.data ? t.data : "";
}

static void source_print_work(const written *w, btl_text *t) {
    bool sizes = w->nsizes > 0;
    btl_text_printf(t, "size_t %s_work(%s) {\n", w->f->name, sizes ? "const int64_t *sizes" : "void");
    if (w->fixed) {
        if (sizes) btl_text_add(t, "    (void)sizes;\n");
        btl_text_printf(t, "    return %zu;\n}\n\n", w->work_bytes);
        return;
    }
    btl_text_printf(t, "    size_t at[%d];\n", w->f->nbuffers + 1);
    if (*w->check) btl_text_add(t, "    if (btl_check(sizes)) return (size_t)-1;\n");
    btl_text_add(t, "    return btl_layout(sizes, at);\n}\n\n");
}

static void source_print_function(written *w, btl_text *t, const char *body, const char *front) {
    bool works = !w->fixed || w->work_bytes > 0, reads = false, writes = false;
    btl_text_printf(t, "%s {\n", btl_written_signature(w));
    btl_written_sizes(w, t);
    if (*w->check) btl_text_printf(t, "    const int btl_refused = btl_check(%s);\n    if (btl_refused) return btl_refused;\n", w->nsizes ? "sizes" : "");
    btl_text_add(t, front);
    size_t from = t->length;
    source_print_pointers(w, t);
    if (t->length > from) reads = strstr(t->data + from, "= in[") != NULL, writes = strstr(t->data + from, "= out[") != NULL;
    reads |= *front != 0;
    if (!w->fixed) btl_text_printf(t, "    size_t at[%d];\n    btl_layout(sizes, at);\n", w->f->nbuffers + 1);
    if (works) btl_text_printf(t, "    char *const base = (char *)work + (%d - (uintptr_t)work %% %d) %% %d;\n", w->f->align, w->f->align, w->f->align);
    if (!reads) btl_text_add(t, "    (void)in;\n");
    if (!writes) btl_text_add(t, "    (void)out;\n");
    if (!works) btl_text_add(t, "    (void)work;\n");
    btl_text_add(t, body);
    btl_text_add(t, "\n    return 0;\n}\n");
}

/* ---- the file ------------------------------------------------------------------------------------ */

static bool source_has_product(const written *w, const char *name) {
    for (int i = 0; i < w->u->nkernels; i++)
        if (btl_cname_occurs(w->u->kernels[i]->body, name)) return true;
    return false;
}

/* Products by the CBLAS that the program is linked with, under the names that kernels call. */
static void source_print_cblas(written *w, btl_text *t) {
    static const char *const names[] = { "btl_gemm_f32", "btl_gemm_f64" }, *const wrappers[] = { "btl_cblas_f32", "btl_cblas_f64" };
    btl_snippets s = { 0 };
    bool some = false;
    btl_snippets_add(&s, w->a, btl_cblas_text);
    for (int i = 0; i < 2; i++)
        if (source_has_product(w, names[i])) btl_snippets_use(&s, wrappers[i], strlen(wrappers[i])), some = true;
    if (!some) {
        btl_written_note(w, "the function has no product of matrices: --cblas changes nothing");
        return;
    }
    btl_snippets_print(&s, t);
    for (int i = 0; i < 2; i++)
        if (source_has_product(w, names[i])) btl_text_printf(t, "#define %s %s\n", names[i], wrappers[i]);
    btl_text_add(t, "\n");
}

static void source_print_prelude(written *w, btl_text *t, const char *body) {
    btl_snippets s = { 0 };
    btl_snippets_add(&s, w->a, btl_standalone_text);
    btl_snippets_use(&s, "btl_prelude", 11);
    btl_snippets_use(&s, w->check, strlen(w->check));
    btl_snippets_use(&s, w->layout, strlen(w->layout));
    btl_snippets_use(&s, body, strlen(body));
    if (!w->fixed) btl_text_printf(t, "#define BTL_ALIGN %d\n", w->f->align);
    btl_snippets_print(&s, t);
    btl_text_add(t, "\n");
}

void btl_written_source(written *w, btl_text *t) {
    const char *front, *body = (btl_written_begin(w), source_body(w, &front));
    btl_text_printf(t, "/* %s.c - ", w->f->name);
    btl_written_title(w, t);
    btl_text_printf(t, "; see %s.h.\n *\n * Kernels (k0_..., k1_...) are called by %s, at the end, in the order of the program. */\n"
                       "#include \"%s.h\"\n\n#include <string.h>\n\n", w->f->name, w->f->name, w->f->name);
    source_print_prelude(w, t, body);
    btl_unit_print_support(t, w->u, 0, w->u->nkernels, true);
    if (w->f->cblas) source_print_cblas(w, t);
    source_print_constants(w, t);
    for (int i = 0; i < w->u->nkernels; i++)
        if (!btl_written_is_plain_view(w->u->kernels[i])) btl_unit_print_kernel(t, w->u, w->u->kernels[i], "static ", true);
    if (*w->check) btl_text_printf(t, "%s\n", w->check);
    if (*w->layout) btl_text_printf(t, "%s\n", w->layout);
    source_print_work(w, t);
    source_print_function(w, t, body, front);
}
