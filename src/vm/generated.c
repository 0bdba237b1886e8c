/* generated.c - see generated.h.
 *
 * Every instruction asks its op for C. Where all of them have some and no size is found at run time, the whole function becomes one
 * routine (linker `c`); otherwise, or when asked for (`vm`), the virtual machine goes over the instructions and runs the compiled kernel
 * of each that has one, and the library's own for the others. What a kernel cannot say - why it failed - is told by the library's own
 * kernel, run on the same operands.
 *
 * A function's code is published by one atomic pointer, so a call sees strips or code, never half of each.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vm/generated.h"
#include "vm/memory.h"

#include "base/os.h"
#include "vm/fold_steps.h"

#include <stdio.h>
#include <string.h>

/* Generated code reads operands itself. */
_Static_assert(offsetof(btl_operand, data) == 0 && offsetof(btl_operand, dtype) == sizeof(void *) &&
                   offsetof(btl_operand, rank) == sizeof(void *) + sizeof(int) && offsetof(btl_operand, dims) == sizeof(void *) + 2 * sizeof(int) &&
                   offsetof(btl_operand, strides) == 2 * sizeof(void *) + 2 * sizeof(int),
               "process.inc and routine.c describe an operand as it was");

/* ---- what generated code sees ---------------------------------------------------------------- */

static const btl_dim *const *code_row_major(btl_graph *g, btl_arena *a, const btl_type *t) {
    const btl_dim **strides = BTL_ARRAY(a, const btl_dim *, t->rank + 1), *step = btl_dim_const(g, 1);
    for (int k = t->rank - 1; k >= 0; k--) {
        strides[k] = step;
        step = btl_dim_mul(g, step, t->dims[k]);
    }
    return strides;
}

/* By slot. Views: none is known until their call is. */
static btl_c_value *code_values(btl_function *f, btl_arena *a) {
    btl_c_value *values = BTL_ARRAY(a, btl_c_value, f->nslots + 1);
    for (int i = 0; i < f->nslots; i++) {
        const vm_slot *s = &f->slots[i];
        bool row_major = s->storage != STORE_VIEW || (s->var->node->op->flags & OP_ROW_MAJOR);
        values[i] = (btl_c_value){ i, &s->var->type, NULL, false };
        values[i].strides = s->whole >= 0 && s->strides ? s->strides : row_major ? code_row_major(f->graph, a, &s->var->type) : (const btl_dim *const *)BTL_ARRAY(a, const btl_dim *, s->var->type.rank + 1);
    }
    return values;
}

btl_status btl_vm_code_steps(btl_function *f, btl_unit *u, btl_unit_step *steps) {
    btl_c_value *values = code_values(f, u->arena);
    for (int i = 0; i < f->ninstrs; i++) {
        const vm_instr *q = &f->instrs[i];
        btl_unit_step *s = &steps[i];
        btl_c_value *operands = BTL_ARRAY(u->arena, btl_c_value, q->nin + q->nout + 1);
        for (int k = 0; k < q->nin; k++) operands[k] = values[q->in[k]];
        for (int k = 0; k < q->nout; k++) operands[q->nin + k] = values[q->out[k]], operands[q->nin + k].overwrites = f->slots[q->out[k]].into >= 0;
        BTL_TRY(btl_unit_call(u, q->node, operands, &s->call, &s->has_text));
        s->needed_by = q->needed_by;
        if (s->has_text && q->kind == VM_VIEW) values[q->out[0]].strides = s->call.view_strides;
    }
    return BTL_OK;
}

typedef struct code_maker {
    btl_function *f;
    btl_graph *g;
    btl_unit unit;
    btl_unit_step *steps;
    btl_unit_sizes sizes;
    bool all;                 /* every instruction has a text */
    btl_text log;
} code_maker;

static btl_status code_emit(code_maker *m) {
    BTL_TRY(btl_vm_code_steps(m->f, &m->unit, m->steps));
    m->all = true;
    for (int i = 0; i < m->f->ninstrs; i++) m->all &= m->steps[i].has_text;
    btl_unit_number(&m->unit, m->f->ninstrs, m->steps, &m->sizes);
    return BTL_OK;
}

/* What calls need of it, in the function's own memory. */
static void code_keep(code_maker *m) {
    btl_function *f = m->f;
    btl_arena *a = &m->g->arena;
    f->nsizes = m->sizes.n;
    f->sizes = m->sizes.n ? btl_arena_copy(a, m->sizes.v, (size_t)m->sizes.n * sizeof *m->sizes.v) : NULL;
    for (int i = 0; i < f->ninstrs; i++) {
        const btl_unit_step *s = &m->steps[i];
        f->instrs[i].kernel = -1;
        if (!s->has_text) continue;
        f->instrs[i].kernel = s->call.kernel->number;
        f->instrs[i].o = s->no ? btl_arena_copy(a, s->o, (size_t)s->no * sizeof *s->o) : NULL;
        f->instrs[i].work = s->call.work;
        if (f->instrs[i].kind != VM_VIEW) continue;
        vm_slot *view = &f->slots[f->instrs[i].out[0]]; /* its strides are evaluated when a workspace is sized */
        view->strides = btl_arena_copy(a, s->call.view_strides, (size_t)view->var->type.rank * sizeof *view->strides + 1);
    }
}

/* ---- compiling ------------------------------------------------------------------------------- */

static void code_publish(btl_function *f, btl_code *loaded) {
    vm_code *c = f->code_place;
    void *steps = btl_code_symbol(loaded, "btl_steps"), *routine = btl_code_symbol(loaded, "btl_routine");
    c->loaded = loaded;
    memcpy(&c->steps, &steps, sizeof steps);
    memcpy(&c->routine, &routine, sizeof routine);
    if (!f->code_routine) c->routine = NULL;
    atomic_store_explicit(&f->code, c, memory_order_release);
}

typedef struct code_job {
    btl_function *f;
    btl_unit *unit;
    int n;
    const btl_code_source *sources;
    const char *extra_key, *flags, *libraries;
    char name[64][80];
} code_job;

/* ---- what went wrong -------------------------------------------------------------------------- */

/* The line that the compiler's first message is about: "F.c:LINE:…error…", F ending in the part's number. */
typedef struct code_blame { btl_c_spot spot; int part, line; } code_blame;

static bool code_blamed(const btl_unit *u, const char *log, code_blame *out) {
    for (const char *line = log; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        const char *end = strchr(line, '\n'), *dot = strstr(line, ".c:"), *error = strstr(line, "error");
        if (!dot || !error || (end && (dot > end || error > end))) continue;
        const char *digits = dot;
        while (digits > line && digits[-1] >= '0' && digits[-1] <= '9') digits--;
        if (sscanf(digits, "%d.c:%d", &out->part, &out->line) == 2 && btl_unit_spot(u, out->part - 1, out->line, &out->spot)) return true;
    }
    return false;
}

/* A line of the text that was compiled, without what it is indented by. */
static int code_line(const code_job *j, const code_blame *b, const char **from) {
    const btl_code_source *s = &j->sources[b->part - 1];
    const char *p = s->text, *end = s->text + s->length;
    for (int line = 1; line < b->line && p < end; line++) p += strcspn(p, "\n") + 1;
    p = p < end ? p + strspn(p, " \t") : end;
    *from = p;
    return (int)(p < end ? strcspn(p, "\n") : 0);
}

static const char *code_what(const code_blame *b) {
    if (strcmp(b->spot.what, "emit") != 0) return b->spot.what;
    return b->spot.kernel->node->op->flags & OP_OWN ? "emitted C" : "C text";
}

/* The op of one's own whose text has that word, or any that emits something. */
static const btl_c_kernel *code_own_kernel(const btl_unit *u, const char *word, size_t length) {
    const btl_c_kernel *any = NULL;
    char name[100];
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1), word);
    for (int i = 0; i < u->nkernels; i++) {
        const btl_c_kernel *k = u->kernels[i];
        if (!(k->node->op->flags & OP_OWN)) continue;
        if (!any) any = k;
        bool has = length && strstr(k->body, name);
        for (int n = 0; n < k->nsupport && length && !has; n++) has = strstr(k->support[n], name) != NULL;
        if (has) return k;
    }
    return any;
}

static int code_line_length(const char *from) {
    size_t n = strcspn(from, "\n");
    return (int)(n < 600 ? n : 600);
}

static btl_status code_explain(const code_job *j, const char *log, btl_error *err) {
    code_blame b = { 0 };
    const char *error = strstr(log, "error"), *from = error ? error : log, *text = "";
    if (code_blamed(j->unit, log, &b)) {
        const btl_node *n = b.spot.kernel->node;
        int length = code_line(j, &b, &text);
        btl_status status = btl_error_set(err, BTL_ECOMPILER, "line %d of its %s does not compile: %.*s\n      %.*s", b.spot.line, code_what(&b), code_line_length(from), from,
                                          length < 300 ? length : 300, text);
        return btl_places_error(n->places, n->op->name, status, err);
    }
    const btl_c_kernel *k = *j->libraries ? code_own_kernel(j->unit, "", 0) : NULL;
    if (!k) return btl_error_set(err, BTL_ECOMPILER, "the C compiler refused the generated code: %.*s", code_line_length(from), from);
    btl_status status = btl_error_set(err, BTL_ECOMPILER, "linking its C with %.200s fails: %.*s", j->libraries, code_line_length(log), log);
    return btl_places_error(k->node->places, k->node->op->name, status, err);
}

/* What was compiled cannot be loaded for want of a symbol, and an op of one's own asked for it. */
static bool code_explain_symbol(const code_job *j, const char *why, btl_error *err) {
    const char *undefined = strstr(why, "undefined symbol: ");
    if (!undefined) return false;
    const char *name = undefined + strlen("undefined symbol: ");
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    const btl_c_kernel *k = code_own_kernel(j->unit, name, length);
    if (!k) return false;
    btl_status status = btl_error_set(err, BTL_ECOMPILER, "its C calls %.*s, which is in none of its libraries (%s)", (int)length, name, *j->libraries ? j->libraries : "it names none");
    btl_places_error(k->node->places, k->node->op->name, status, err);
    return true;
}

/* ---- compiling, and what comes of it ---------------------------------------------------------- */

static void code_note(void *user, const char *text) {
    btl_function *f = user;
    if (!f->note[0]) snprintf(f->note, sizeof f->note, "%s", text);
}

/* Not under protection: everything that it takes is its own. */
static btl_status code_compile(code_job *j, btl_error *err) {
    btl_function *f = j->f;
    btl_error why = { 0 };
    char *log = NULL;
    btl_code *loaded = NULL;
    btl_code_options o = { .cache_dir = f->ctx && f->ctx->cache_dir[0] ? f->ctx->cache_dir : NULL, .compiler = f->ctx && f->ctx->compiler[0] ? f->ctx->compiler : NULL,
                           .extra_key = j->extra_key, .flags = j->flags, .libraries = j->libraries, .note = code_note, .note_user = f,
                           .level = 1 }; /* docs/DESIGN.md says why */
    btl_status status = btl_code_load(f->ctx, &o, j->n, j->sources, &loaded, &log, &why);
    if (status == BTL_OK) {
        code_publish(f, loaded);
    } else if (status == BTL_ECOMPILER && log && *log) {
        code_explain(j, log, err);
    } else if (status == BTL_ECOMPILER && code_explain_symbol(j, why.message, err)) {
        /* told */
    } else if (status != BTL_ENOMEM) { /* the machine is as it is: strips */
        snprintf(f->note, sizeof f->note, "%.300s; this function runs on the strip interpreter", why.message);
        status = BTL_OK;
    } else {
        btl_error_set(err, status, "%s", why.message);
    }
    if (log) btl_free(f->ctx, log, strlen(log) + 1);
    return status;
}

static void *code_background(void *arg) {
    code_job *j = arg;
    btl_error err = { 0 };
    if (code_compile(j, &err) != BTL_OK) snprintf(j->f->note, sizeof j->f->note, "%.390s", err.message);
    return NULL;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* What the text does not show: versions of ops. */
static const char *code_key(code_maker *m) {
    btl_text t;
    btl_text_init(&t, m->unit.arena);
    btl_text_add(&t, "");
    for (int i = 0; i < m->unit.nkernels; i++)
        if (m->unit.kernels[i]->node->op->version != 1)
            btl_text_printf(&t, "%s %d\n", m->unit.kernels[i]->node->op->name, m->unit.kernels[i]->node->op->version);
    return t.data ? t.data : "";
}

static btl_status code_run(code_maker *m, btl_arena *a, btl_error *err) {
    btl_function *f = m->f;
    int most = btl_os_cores();
    btl_text *texts = BTL_ARRAY(a, btl_text, 64);
    f->code_routine = m->all && !f->any_late && f->linker == LINK_C && !btl_vm_is_stepwise(f);
    code_job *j = BTL_NEW(a, code_job);
    j->f = f;
    j->unit = &m->unit;
    j->n = btl_unit_print(&m->unit, f->name, f->ninstrs, m->steps, f->code_routine, most < 64 ? most : 64, texts);
    j->extra_key = code_key(m);
    /* the second brings the vzeroupper without which libc's functions crawl behind vector code */
    j->flags = btl_arena_printf(a, "-finline-small-functions -fexpensive-optimizations %s", btl_unit_compile_flags(&m->unit));
    j->libraries = btl_unit_libraries(&m->unit);
    btl_code_source *sources = BTL_ARRAY(a, btl_code_source, j->n);
    char stem[48];
    snprintf(stem, sizeof stem, "%.40s", f->name);
    for (char *p = stem; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_')) *p = '_';
    for (int i = 0; i < j->n; i++) {
        snprintf(j->name[i], sizeof j->name[i], "%s-%d", stem, i + 1);
        sources[i] = (btl_code_source){ j->name[i], texts[i].data, texts[i].length };
    }
    j->sources = sources;
    f->code_place = BTL_NEW(&m->g->arena, vm_code);
    if (!f->tier_background) return code_compile(j, err);
    if (pthread_create(&f->compiler, NULL, code_background, j) == 0) f->is_compiling = true;
    else return code_compile(j, err);
    return BTL_OK;
}

btl_status btl_vm_code_make(btl_function *f, btl_error *err) {
    btl_graph *g = f->graph;
    f->services = btl_services_of(f->ctx, btl_fold_services_all());
    for (int i = 0; i < f->ninstrs; i++) f->instrs[i].kernel = -1;
    if (f->linker != LINK_C && f->linker != LINK_VM) return BTL_OK;
    /* the background compiler reads the texts: then they stay with the function */
    btl_arena *a = f->tier_background ? &g->arena : btl_arena_begin(&g->arena);
    code_maker *m = BTL_NEW(a, code_maker);
    m->f = f, m->g = g;
    m->steps = BTL_ARRAY(a, btl_unit_step, f->ninstrs + 1);
    btl_unit_init(&m->unit, a, g);
    btl_status status = code_emit(m);
    if (status == BTL_OK && m->unit.nkernels) {
        code_keep(m);
        status = code_run(m, a, err);
    }
    if (a != &g->arena) btl_arena_end(a);
    return status;
}

void btl_vm_code_free(btl_function *f) {
    if (f->is_compiling) pthread_join(f->compiler, NULL);
    const vm_code *c = atomic_load(&f->code);
    if (c) btl_code_unload(c->loaded);
}
