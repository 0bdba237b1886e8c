/* standalone.c - see standalone.h: names for everything, then the files.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/written.h"

#include "base/error.h"

#include <string.h>

int btl_written_code(written *w, const char *meaning) {
    int code = w->ncodes + 1;
    *BTL_PUSH(w->a, w->codes, w->ncodes, w->code_capacity) = (btl_standalone_code){ code, meaning };
    return code;
}

void btl_written_note(written *w, const char *note) { *BTL_PUSH(w->a, w->notes, w->nnotes, w->note_capacity) = note; }

/* ---- sizes --------------------------------------------------------------------------------------- */

static void standalone_see(void *arg, int symbol) { ((bool *)arg)[symbol] = true; }

static void standalone_see_type(bool *seen, const btl_type *t) {
    for (int k = 0; k < t->rank; k++) btl_csize_symbols(t->dims[k], standalone_see, seen);
}

/* Every symbol that something needs. */
static bool *standalone_needed(const written *w) {
    bool *seen = BTL_ARRAY(w->a, bool, w->g->dims.nsymbols + 1);
    for (int i = 0; i < w->f->nslots; i++) {
        const btl_c_slot *s = &w->f->slots[i];
        standalone_see_type(seen, s->type);
        if (s->at) btl_csize_symbols(s->at, standalone_see, seen);
        for (int k = 0; s->strides && k < s->type->rank; k++)
            if (s->strides[k]) btl_csize_symbols(s->strides[k], standalone_see, seen);
    }
    for (int i = 0; i < w->f->nsteps; i++) {
        const btl_c_call *call = &w->f->steps[i].call;
        for (int k = 0; k < call->kernel->nargs; k++)
            if (call->args[k].kind == C_ARG_SIZE) btl_csize_symbols(call->args[k].size, standalone_see, seen);
        if (call->work) btl_csize_symbols(call->work, standalone_see, seen);
    }
    for (int i = 0; i < w->f->nchecks; i++) {
        btl_csize_symbols(w->f->checks[i].a, standalone_see, seen);
        btl_csize_symbols(w->f->checks[i].b, standalone_see, seen);
    }
    for (int i = 0; i < w->g->dims.nsymbols; i++)
        if (seen[i] && w->g->dims.symbols[i]->bound) btl_csize_symbols(w->g->dims.symbols[i]->bound, standalone_see, seen);
    return seen;
}

static void standalone_add_size(written *w, int symbol, const char *wish) {
    if (w->symbols[symbol]) return;
    w->symbols[symbol] = btl_cnames_take(&w->names, wish);
    w->sizes[w->nsizes++] = symbol;
}

/* In the order of the arguments that carry them; then those that no argument carries. */
static void standalone_sizes(written *w) {
    int n = w->g->dims.nsymbols;
    bool *needed = standalone_needed(w);
    w->sizes = BTL_ARRAY(w->a, int, n + 1);
    w->symbols = BTL_ARRAY(w->a, const char *, n + 1);
    w->uses = BTL_ARRAY(w->a, bool, n + 1);
    for (int i = 0; i < w->f->ninputs; i++) {
        const btl_type *t = w->f->slots[w->f->inputs[i].slot].type;
        for (int k = 0; k < t->rank; k++) {
            int symbol = btl_dim_symbol_index(t->dims[k]);
            if (symbol < 0) continue;
            const char *name = w->g->dims.symbols[symbol]->name;
            standalone_add_size(w, symbol, name ? name : btl_arena_printf(w->a, "%s_size%d", w->f->inputs[i].name, k));
        }
    }
    for (int i = 0; i < n; i++)
        if (needed[i]) standalone_add_size(w, i, w->g->dims.symbols[i]->name ? w->g->dims.symbols[i]->name : "size");
}

/* ---- names --------------------------------------------------------------------------------------- */

static void standalone_names(written *w) {
    const btl_c_function *f = w->f;
    w->slots = BTL_ARRAY(w->a, const char *, f->nslots + 1);
    w->uses_slot = BTL_ARRAY(w->a, bool, f->nslots + 1);
    w->strides = BTL_ARRAY(w->a, const char *, f->nslots + 1);
    w->outs = BTL_ARRAY(w->a, const char *, f->noutputs + 1);
    w->uses_out = BTL_ARRAY(w->a, bool, f->noutputs + 1);
    w->defaults = BTL_ARRAY(w->a, const char *, f->ninputs + 1);
    for (int i = 0; i < f->ninputs; i++) w->slots[f->inputs[i].slot] = btl_cnames_take(&w->names, f->inputs[i].name);
    for (int i = 0; i < f->noutputs; i++) {
        const btl_c_output *o = &f->outputs[i];
        w->outs[i] = btl_cnames_take(&w->names, o->is_shared ? btl_arena_printf(w->a, "new_%s", o->name) : o->name);
        if (!o->copy) w->slots[o->slot] = w->outs[i];
    }
    for (int i = 0; i < f->ninputs; i++)
        if (f->inputs[i].fallback) w->defaults[i] = btl_cnames_take(&w->names, btl_arena_printf(w->a, "%s_default", w->slots[f->inputs[i].slot]));
    btl_cnames members = { .arena = w->a };
    w->members = BTL_ARRAY(w->a, const char *, f->nshared + 1);
    for (int i = 0; i < f->nshared; i++) w->members[i] = btl_cnames_take(&members, f->shared[i].name);
    for (int i = 0; i < f->nslots; i++) {
        const btl_c_slot *s = &f->slots[i];
        if (s->place == C_STATE) w->slots[i] = btl_written_member(w, s->index);
        else if (!w->slots[i]) w->slots[i] = btl_cnames_take(&w->names, s->name ? s->name : btl_arena_printf(w->a, s->place == C_CONSTANT ? "c%d" : "v%d", i));
        if (s->place == C_VIEW) w->strides[i] = btl_cnames_take(&w->names, btl_arena_printf(w->a, "%s_strides", w->slots[i]));
    }
}

/* ---- what is told --------------------------------------------------------------------------------
 * The function may be gone when it is read: names and types are copied. */

static const char *standalone_keep(const written *w, const char *text) { return text ? btl_arena_strdup(w->a, text) : NULL; }

static void standalone_add_file(written *w, btl_standalone_info *info, const char *name, const btl_text *t) {
    btl_standalone_file *files = BTL_ARRAY(w->a, btl_standalone_file, info->nfiles + 1);
    if (info->nfiles) memcpy(files, info->files, (size_t)info->nfiles * sizeof *files);
    files[info->nfiles++] = (btl_standalone_file){ name, t->data, t->length };
    info->files = files;
}

static const btl_standalone_value *standalone_inputs(const written *w) {
    btl_standalone_value *v = BTL_ARRAY(w->a, btl_standalone_value, w->f->ninputs + 1);
    for (int i = 0; i < w->f->ninputs; i++) {
        const btl_c_input *in = &w->f->inputs[i];
        v[i] = (btl_standalone_value){ standalone_keep(w, in->name), standalone_keep(w, in->type), btl_emit_ctype(w->f->slots[in->slot].type->dtype), in->is_shared, in->fallback != NULL };
    }
    return v;
}

static const btl_standalone_value *standalone_outputs(const written *w) {
    btl_standalone_value *v = BTL_ARRAY(w->a, btl_standalone_value, w->f->noutputs + 1);
    for (int i = 0; i < w->f->noutputs; i++) {
        const btl_c_output *o = &w->f->outputs[i];
        v[i] = (btl_standalone_value){ standalone_keep(w, o->name), standalone_keep(w, o->type), btl_emit_ctype(w->f->slots[o->slot].type->dtype), o->is_shared, false };
    }
    return v;
}

static void standalone_tell(const written *w, btl_standalone_info *info) {
    const char **sizes = BTL_ARRAY(w->a, const char *, w->nsizes + 1);
    for (int i = 0; i < w->nsizes; i++) sizes[i] = standalone_keep(w, w->symbols[w->sizes[i]]);
    info->name = standalone_keep(w, w->f->name), info->function = standalone_keep(w, w->f->function);
    info->state = w->f->has_state ? w->state_type : NULL;
    info->nsizes = w->nsizes, info->sizes = sizes;
    info->ninputs = w->f->ninputs, info->inputs = standalone_inputs(w);
    info->noutputs = w->f->noutputs, info->outputs = standalone_outputs(w);
    info->ncodes = w->ncodes, info->codes = w->codes;
    info->nnotes = w->nnotes, info->notes = w->notes;
    info->work_bytes = w->fixed ? (int64_t)w->work_bytes : -1;
    info->work = w->fixed ? btl_arena_printf(w->a, "%zu", w->work_bytes) : w->layout;
}

/* ---- all of it ----------------------------------------------------------------------------------- */

/* No file may have the name of another. */
static btl_status standalone_check_files(const written *w, const btl_standalone_info *info, btl_error *err) {
    for (int i = 0; i < info->nfiles; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(info->files[i].name, info->files[k].name) == 0)
                return btl_error_set(err, BTL_ENAME, "two of the files would be named %s: another name for %s is needed", info->files[i].name, w->f->function);
    return BTL_OK;
}

btl_status btl_standalone_write(btl_unit *u, const btl_c_function *f, btl_standalone_info *out, btl_error *err) {
    written w = { .u = u, .g = u->g, .a = u->arena, .f = f, .names = { .arena = u->arena } };
    btl_text source, header, state_header, state_source, program;
    *out = (btl_standalone_info){ 0 };
    if (f->has_state) w.state_type = btl_arena_printf(w.a, "%s_state", f->stem);
    if (f->note) btl_written_note(&w, f->note);
    const char *flags = btl_unit_compile_flags(u), *libraries = btl_unit_libraries(u);
    if (*flags) btl_written_note(&w, btl_arena_printf(w.a, "an op asks for these flags when it is compiled: %s", flags));
    if (*libraries) btl_written_note(&w, btl_arena_printf(w.a, "an op asks for these libraries when a program is linked with it: %s", libraries));
    standalone_sizes(&w);
    standalone_names(&w);
    BTL_TRY(btl_written_layout(&w, err));
    btl_written_check(&w);
    btl_text_init(&source, w.a), btl_text_init(&header, w.a), btl_text_init(&program, w.a);
    btl_written_source(&w, &source);
    btl_written_header(&w, &header);
    standalone_add_file(&w, out, btl_arena_printf(w.a, "%s.c", f->name), &source);
    standalone_add_file(&w, out, btl_arena_printf(w.a, "%s.h", f->name), &header);
    if (f->has_state) {
        btl_text_init(&state_header, w.a), btl_text_init(&state_source, w.a);
        btl_written_state(&w, &state_header, &state_source);
        standalone_add_file(&w, out, btl_arena_printf(w.a, "%s.c", w.state_type), &state_source);
        standalone_add_file(&w, out, btl_arena_printf(w.a, "%s.h", w.state_type), &state_header);
    }
    if (f->with_main) {
        BTL_TRY(btl_written_main(&w, &program, err));
        standalone_add_file(&w, out, btl_arena_printf(w.a, "%s_main.c", f->name), &program);
    }
    standalone_tell(&w, out);
    return standalone_check_files(&w, out, err);
}
