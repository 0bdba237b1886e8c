/* own.c - the ops that were registered in a context; see own.h.
 *
 * A list behind a lock: it is looked through where a name is none of Bitale's. Ops stay where they are until the
 * context is freed, so that what was found may be used without the lock.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/own.h"

#include "base/os.h"
#include "expr/parse.h"

#include <string.h>

typedef struct own_library own_library;
struct own_library {
    void *library;
    const btl_plugin_def *def;
    own_library *next;
};

typedef struct own_table {
    pthread_mutex_t lock;
    own_op *first, **last;
    own_library *libraries;
} own_table;

/* ---- the table ------------------------------------------------------------------------------ */

static void own_free(btl_context *ctx, own_op *o) {
    btl_free(ctx, (void *)(uintptr_t)o->origin, o->origin ? strlen(o->origin) + 1 : 0);
    btl_free(ctx, o->specs, (size_t)o->def.nsettings * sizeof *o->specs);
    btl_free(ctx, o, sizeof *o);
}

static void *own_table_new(btl_context *ctx) {
    own_table *t = btl_alloc(ctx, sizeof *t);
    if (!t) return NULL;
    memset(t, 0, sizeof *t);
    t->last = &t->first;
    if (pthread_mutex_init(&t->lock, NULL) == 0) return t;
    btl_free(ctx, t, sizeof *t);
    return NULL;
}

static void own_table_free(btl_context *ctx, void *thing) {
    own_table *t = thing;
    for (own_op *o = t->first, *next; o; o = next) {
        next = o->next;
        own_free(ctx, o);
    }
    for (own_library *l = t->libraries, *next; l; l = next) {
        next = l->next;
        btl_os_close_library(l->library);
        btl_free(ctx, l, sizeof *l);
    }
    pthread_mutex_destroy(&t->lock);
    btl_free(ctx, t, sizeof *t);
}

/* The table, NULL where nothing was registered yet. */
static own_table *own_table_look(btl_context *ctx) {
    return ctx ? atomic_load_explicit(&ctx->slots[BTL_SLOT_OPS], memory_order_acquire) : NULL;
}

static own_table *own_table_of(btl_context *ctx) { return btl_context_slot(ctx, BTL_SLOT_OPS, own_table_new, own_table_free); }

/* Under the lock. */
static own_op *own_find(const own_table *t, const char *name, size_t length) {
    for (own_op *o = t->first; o; o = o->next)
        if (strncmp(o->op.name, name, length) == 0 && o->op.name[length] == 0) return o;
    return NULL;
}

const btl_op *btl_op_lookup(btl_context *ctx, const char *name, size_t length) {
    const btl_op *op = btl_op_find(name, length);
    own_table *t = op ? NULL : own_table_look(ctx);
    if (!t) return op;
    pthread_mutex_lock(&t->lock);
    own_op *o = own_find(t, name, length);
    pthread_mutex_unlock(&t->lock);
    return o ? &o->op : NULL;
}

const btl_op *btl_op_own(btl_context *ctx, int i) {
    own_table *t = own_table_look(ctx);
    if (!t) return NULL;
    pthread_mutex_lock(&t->lock);
    own_op *o = t->first;
    while (o && i-- > 0) o = o->next;
    pthread_mutex_unlock(&t->lock);
    return o ? &o->op : NULL;
}

const char *btl_op_origin(const btl_op *op) { return op->flags & OP_OWN ? own_of(op)->origin : NULL; }
const btl_op_def *btl_op_own_def(const btl_op *op) { return op->flags & OP_OWN ? &own_of(op)->def : NULL; }

/* ---- is a definition one? -------------------------------------------------------------------- */

/* "cube", "mine.cube". */
static bool own_is_name(const char *s, bool dotted) {
    size_t n = 0, points = 0, part = 0;
    for (; s[n]; n++) {
        char c = s[n];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_', digit = c >= '0' && c <= '9';
        if (c == '.' && dotted && part && !points++) part = 0;
        else if (letter || (digit && part)) part++;
        else return false;
    }
    return part > 0 && n < 60;
}

static btl_status own_check_abi(const btl_op_def *def, btl_error *err) {
    const unsigned char *bytes = (const unsigned char *)(const void *)def;
    if (def->struct_size < offsetof(btl_op_def, infer))
        return btl_error_set(err, BTL_EPLUGIN, "an op's struct_size is %zu, which is no btl_op_def", def->struct_size);
    if (def->abi != BTL_OP_ABI)
        return btl_error_set(err, BTL_EPLUGIN, "an op is made for version %d of the interface of ops (BTL_OP_ABI), this Bitale (%s) has version %d: it must be compiled again with this Bitale's headers",
                             def->abi, btl_version(), BTL_OP_ABI);
    for (size_t i = sizeof *def; i < def->struct_size; i++)
        if (bytes[i])
            return btl_error_set(err, BTL_EPLUGIN, "the op %.60s uses what this Bitale (%s) does not have: it was compiled with a newer one's headers", def->name ? def->name : "?", btl_version());
    return BTL_OK;
}

static btl_status own_check_name(const btl_op_def *def, btl_error *err) {
    if (!def->name) return btl_error_set(err, BTL_EPLUGIN, "an op has no name");
    if (!own_is_name(def->name, true))
        return btl_error_set(err, BTL_ENAME, "an op cannot be named \"%.100s\": letters, digits, _ and one point between two words are allowed, 59 characters", def->name);
    if (btl_name_is_builtin(def->name)) return btl_error_set(err, BTL_ENAME, "an op cannot be named %s: that is a word of the notation", def->name);
    if (btl_op_find(def->name, strlen(def->name))) return btl_error_set(err, BTL_ENAME, "an op cannot be named %s: Bitale has an op of that name", def->name);
    return BTL_OK;
}

/* What cannot be; the first that is true is told. */
static const char *own_problem(const btl_op_def *d) {
    bool several = d->max_in < 0;
    int ways = (d->eval != NULL) + (d->view != NULL) + (d->body != NULL);
    const struct { bool is_true; const char *text; } problems[] = {
        { !d->infer, "has no infer" },
        { ways == 0, "has no way to be computed: one of eval, view and body is needed" },
        { ways > 1, "has several of eval, view and body: one of them is enough" },
        { d->version < 1, "has no version: the first is 1" },
        { d->nout < 1 || d->nout > BTL_OP_MAX_OPERANDS, "has a number of results (nout) that is not from 1 to 64" },
        { d->min_in < 0 || (!several && (d->max_in < d->min_in || d->max_in > BTL_OP_MAX_OPERANDS)) || d->min_in > BTL_OP_MAX_OPERANDS,
          "has numbers of operands that are not 0 <= min_in <= max_in <= 64 (max_in -1: any number)" },
        { (unsigned)d->promote > BTL_PROMOTE_REAL, "has a promote that is none" },
        { (d->flags & ~(unsigned)(BTL_OP_CAN_FAIL | BTL_OP_PACKED)) != 0, "has flags that are none" },
        { d->view && (d->nout != 1 || d->min_in < 1), "is a view and must have one result and at least one operand" },
        { d->body && d->nout != 1, "has a body and must have one result" },
        { d->body && (d->emit || d->vjp || d->jvp), "has a body, from which derivatives and code follow: no vjp, jvp and emit beside it" },
        { d->body && d->measure, "has a body and cannot measure sizes" },
        { d->workspace && !d->eval, "has workspace, which only eval uses, but no eval" },
        { d->destroys && (d->emit || d->view || d->body), "destroys operands, which only an op with eval and without emit can" },
        { d->destroys && !several && d->max_in < 64 && d->destroys >> d->max_in, "destroys an operand that it does not have" },
        { (d->support || d->headers || d->compile_flags || d->libraries) && !d->emit, "has support, headers, compile_flags or libraries but no emit, which they are for" },
        { d->nsettings < 0 || d->nsettings > BTL_OP_MAX_OPERANDS || (d->nsettings && !d->settings), "has a number of settings without a list of them" },
        { !(d->max_ulp >= 0), "has a max_ulp that is negative or no number" },
    };
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
        if (problems[i].is_true) return problems[i].text;
    return NULL;
}

typedef struct own_default { btl_graph *g; const btl_param_spec *spec; bool good; } own_default;

static btl_status own_try_default(void *arg) {
    own_default *a = arg;
    btl_param param;
    a->good = btl_setting_default(a->g, a->spec, &param);
    return BTL_OK;
}

static btl_status own_check_default(btl_context *ctx, const btl_op_def *d, const btl_param_spec *spec, btl_error *err) {
    own_default a = { .spec = spec };
    btl_status status = spec->fallback ? btl_graph_new(ctx, &a.g) : BTL_OK;
    if (!spec->fallback) return BTL_OK;
    if (status == BTL_OK) status = btl_graph_protect(a.g, own_try_default, &a);
    btl_graph_free(a.g);
    if (status != BTL_OK) return btl_error_set(err, status, "op %s: out of memory", d->name);
    if (!a.good) return btl_error_set(err, BTL_EPLUGIN, "op %s: the default of its setting %s is \"%.60s\", which is not %s", d->name, spec->name, spec->fallback, btl_setting_kind_text(spec->kind));
    return BTL_OK;
}

_Static_assert((int)BTL_SETTING_INT == PARAM_INT && (int)BTL_SETTING_BOOL == PARAM_BOOL && (int)BTL_SETTING_FLOAT == PARAM_FLOAT &&
                   (int)BTL_SETTING_DTYPE == PARAM_DTYPE && (int)BTL_SETTING_TEXT == PARAM_TEXT && (int)BTL_SETTING_AXES == PARAM_AXES &&
                   (int)BTL_SETTING_SIZE == PARAM_DIM && (int)BTL_SETTING_SHAPE == PARAM_SHAPE && (int)BTL_PROMOTE_NONE == PROMOTE_NONE &&
                   (int)BTL_PROMOTE_COMMON == PROMOTE_COMMON && (int)BTL_PROMOTE_REAL == PROMOTE_REAL,
               "public and internal names are the same numbers");

static btl_status own_check_settings(btl_context *ctx, const btl_op_def *d, btl_param_spec *specs, btl_error *err) {
    for (int i = 0; i < d->nsettings; i++) {
        const btl_setting_spec *s = &d->settings[i];
        if (!s->name || !own_is_name(s->name, false)) return btl_error_set(err, BTL_EPLUGIN, "op %s: setting %d has the name \"%.60s\", which is none", d->name, i, s->name ? s->name : "");
        for (int k = 0; k < i; k++)
            if (strcmp(d->settings[k].name, s->name) == 0) return btl_error_set(err, BTL_EPLUGIN, "op %s has two settings named %s", d->name, s->name);
        if ((unsigned)s->kind > BTL_SETTING_SHAPE) return btl_error_set(err, BTL_EPLUGIN, "op %s: setting %s has a kind that is none", d->name, s->name);
        specs[i] = (btl_param_spec){ s->name, (btl_param_kind)s->kind, s->fallback, s->positional, s->doc };
        BTL_TRY(own_check_default(ctx, d, &specs[i], err));
    }
    return BTL_OK;
}

/* ---- from a definition to an op --------------------------------------------------------------- */

static void own_fill(own_op *o) {
    static const btl_op_alias views[] = { { 0, 0 }, { -1, -1 } };
    const btl_op_def *d = &o->def;
    o->code = (btl_op_code){ d->support, d->headers, d->compile_flags, d->libraries };
    o->op = (btl_op){
        .name = d->name, .doc = d->doc, .signature = d->signature, .version = d->version, .min_in = d->min_in, .max_in = d->max_in,
        .nout = d->nout, .promote = (btl_promote)d->promote, .nparams = d->nsettings, .params = o->specs, .samples = d->samples,
        .flags = (unsigned)OP_OWN | (d->flags & BTL_OP_CAN_FAIL ? OP_CAN_FAIL : 0u) | (d->flags & BTL_OP_PACKED ? OP_PACKED : 0u) |
                 (d->view ? OP_IS_PURE_SHAPE : 0u),
        .infer = btl_own_infer, .eval = d->eval ? btl_own_eval : NULL, .view = d->view ? btl_own_view : NULL,
        .body = d->body ? btl_own_body : NULL, .measure = d->measure ? btl_own_measure : NULL,
        .workspace = d->eval ? btl_own_workspace : NULL, .vjp = d->vjp ? btl_own_vjp : NULL, .jvp = d->jvp ? btl_own_jvp : NULL,
        .connected = d->connected ? btl_own_connected : NULL, .emit = d->emit ? btl_own_emit : NULL, .views = d->view ? views : NULL,
        .code = &o->code,
    };
}

/* What an op has of its own besides the struct. */
static btl_status own_copy(btl_context *ctx, own_op *o, const char *origin, btl_error *err) {
    size_t bytes = strlen(origin) + 1;
    char *copy = btl_alloc(ctx, bytes);
    if (copy) o->origin = memcpy(copy, origin, bytes);
    if (o->def.nsettings) o->specs = btl_alloc(ctx, (size_t)o->def.nsettings * sizeof *o->specs);
    return copy && (o->specs || !o->def.nsettings) ? BTL_OK : btl_error_set(err, BTL_ENOMEM, "no memory for the op %s", o->def.name);
}

static btl_status own_make(btl_context *ctx, const char *origin, const btl_op_def *def, own_op **out, btl_error *err) {
    *out = NULL;
    if (!def) return btl_error_set(err, BTL_EUSAGE, "btl_op_register: no op is given");
    BTL_TRY(own_check_abi(def, err));
    own_op *o = btl_alloc(ctx, sizeof *o);
    if (!o) return btl_error_set(err, BTL_ENOMEM, "no memory for an op");
    memset(o, 0, sizeof *o);
    memcpy(&o->def, def, def->struct_size < sizeof o->def ? def->struct_size : sizeof o->def);
    btl_status status = own_check_name(def, err);
    const char *problem = status == BTL_OK ? own_problem(&o->def) : NULL;
    if (problem) status = btl_error_set(err, BTL_EPLUGIN, "op %s %s", o->def.name, problem);
    if (status == BTL_OK) status = own_copy(ctx, o, origin, err);
    if (status == BTL_OK) status = own_check_settings(ctx, &o->def, o->specs, err);
    if (status != BTL_OK) {
        own_free(ctx, o);
        return status;
    }
    own_fill(o);
    *out = o;
    return BTL_OK;
}

/* Under the lock: none of the new ones is there, and none twice. */
static btl_status own_check_taken(const own_table *t, const own_op *made, btl_error *err) {
    for (const own_op *o = made; o; o = o->next) {
        const own_op *other = own_find(t, o->op.name, strlen(o->op.name));
        for (const own_op *k = made; k != o && !other; k = k->next)
            if (strcmp(k->op.name, o->op.name) == 0) other = k;
        if (other && *other->origin) return btl_error_set(err, BTL_ENAME, "the name %s is taken: the plugin %.100s has an op of that name", o->op.name, other->origin);
        if (other) return btl_error_set(err, BTL_ENAME, "the name %s is taken: an op of that name was registered before", o->op.name);
    }
    return BTL_OK;
}

/* Under the lock. Takes what was made. */
static btl_status own_commit(own_table *t, own_op *made, own_op **last, own_library *l, bool *again, btl_error *err) {
    for (const own_library *k = t->libraries; l && k && !*again; k = k->next) *again = k->def == l->def;
    if (*again) return BTL_OK;
    BTL_TRY(own_check_taken(t, made, err));
    if (made) *t->last = made, t->last = last;
    if (l) l->next = t->libraries, t->libraries = l;
    return BTL_OK;
}

btl_status btl_own_register(btl_context *ctx, const char *origin, int n, const btl_op_def *const *defs, void *library,
                            const btl_plugin_def *plugin, bool *again, btl_error *err) {
    *again = false;
    if (!ctx) return btl_error_set(err, BTL_EUSAGE, "ops are registered in a context, and there is none");
    own_table *t = own_table_of(ctx);
    own_library *l = t && library ? btl_alloc(ctx, sizeof *l) : NULL;
    own_op *made = NULL, **last = &made;
    btl_status status = t && (l || !library) ? BTL_OK : btl_error_set(err, BTL_ENOMEM, "no memory for a table of ops");
    if (l) *l = (own_library){ library, plugin, NULL };
    for (int i = 0; i < n && status == BTL_OK; i++)
        if ((status = own_make(ctx, origin, defs[i], last, err)) == BTL_OK) last = &(*last)->next;
    if (status == BTL_OK) {
        pthread_mutex_lock(&t->lock);
        status = own_commit(t, made, last, l, again, err);
        pthread_mutex_unlock(&t->lock);
        if (status == BTL_OK && !*again) return BTL_OK;
    }
    for (own_op *o = made, *next; o; o = next) {
        next = o->next;
        own_free(ctx, o);
    }
    btl_free(ctx, l, sizeof *l);
    return status;
}

btl_status btl_op_register(btl_context *ctx, const btl_op_def *op, btl_error *err) {
    bool again;
    return btl_own_register(ctx, "", 1, &op, NULL, NULL, &again, err);
}
