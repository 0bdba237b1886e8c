/* settings.c - values of the notation as the settings of an op, and their defaults.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/parse.h"

#include <stdlib.h>
#include <string.h>

static const char *const setting_kinds[] = {
    [PARAM_INT] = "an integer", [PARAM_BOOL] = "true or false", [PARAM_FLOAT] = "a number", [PARAM_DTYPE] = "a type such as f32",
    [PARAM_TEXT] = "a text", [PARAM_AXES] = "an axis, a list of axes, or none", [PARAM_DIM] = "a size",
    [PARAM_SHAPE] = "a list of sizes", [PARAM_INDEX] = "an index", [PARAM_ARRAY] = "an array", [PARAM_BODY] = "a fn",
};

static bool setting_int(const value *v, int64_t *out) {
    *out = v->i;
    return v->kind == VALUE_INT;
}

static bool setting_axis(const value *v, int *out) {
    if (v->kind == VALUE_TEXT && strcmp(v->text, "x") == 0) {
        *out = -1; /* dimshuffle's new axis */
        return true;
    }
    *out = (int)v->i;
    return v->kind == VALUE_INT && v->i >= -1000 && v->i <= 1000;
}

static bool setting_axes(parser *p, const value *v, btl_param *out) {
    int n = v->kind == VALUE_LIST ? v->list->n : 1;
    if (v->kind == VALUE_NONE) n = -1;
    int *axes = BTL_ARRAY(&p->g->arena, int, n > 0 ? n : 1);
    for (int i = 0; i < n; i++)
        if (!setting_axis(v->kind == VALUE_LIST ? &v->list->v[i] : v, &axes[i])) return false;
    out->axes.n = n;
    out->axes.v = axes;
    return true;
}

static bool setting_shape(parser *p, const value *v, btl_param *out) {
    int n = v->kind == VALUE_LIST ? v->list->n : 1;
    if (v->kind == VALUE_NONE) n = -1;
    const btl_dim **dims = BTL_ARRAY(&p->g->arena, const btl_dim *, n > 0 ? n : 1);
    for (int i = 0; i < n; i++) {
        const value *item = v->kind == VALUE_LIST ? &v->list->v[i] : v;
        if (!btl_value_is_size(item)) return false;
        dims[i] = btl_value_dim(p, item);
    }
    out->shape.n = n;
    out->shape.v = dims;
    return true;
}

static bool setting_dtype(const value *v, btl_param *out) {
    btl_dtype dtype = v->kind == VALUE_DTYPE ? v->dtype : BTL_BOOL;
    if (v->kind == VALUE_NONE) {
        out->i = -1;
        return true;
    }
    if (v->kind != VALUE_DTYPE && (v->kind != VALUE_TEXT || !btl_dtype_find(v->text, strlen(v->text), &dtype))) return false;
    out->i = dtype;
    return true;
}

/* A literal list, or a constant that was bound to a name. */
static bool setting_array(parser *p, const value *v, btl_param *out) {
    btl_var *var = btl_value_to_var(p, v);
    out->array = var ? btl_var_constant_array(var) : NULL;
    return out->array != NULL;
}

static bool setting_convert(parser *p, btl_param_kind kind, const value *v, btl_param *out) {
    switch (kind) {
    case PARAM_INT:
        if (v->kind == VALUE_NONE) {
            out->i = INT64_MIN;
            return true;
        }
        return setting_int(v, &out->i);
    case PARAM_BOOL: out->i = v->i; return v->kind == VALUE_BOOL;
    case PARAM_FLOAT:
        out->f = v->kind == VALUE_INT ? (double)v->i : v->f;
        return v->kind == VALUE_INT || v->kind == VALUE_FLOAT;
    case PARAM_DTYPE: return setting_dtype(v, out);
    case PARAM_TEXT: out->s = v->text; return v->kind == VALUE_TEXT;
    case PARAM_AXES: return setting_axes(p, v, out);
    case PARAM_DIM:
        out->dim = v->kind == VALUE_NONE ? NULL : btl_value_is_size(v) ? btl_value_dim(p, v) : NULL;
        return v->kind == VALUE_NONE || btl_value_is_size(v);
    case PARAM_SHAPE: return setting_shape(p, v, out);
    case PARAM_ARRAY: return setting_array(p, v, out);
    case PARAM_BODY:
        if (v->kind != VALUE_FN) return false;
        out->body = btl_fn_to_body(p, v->fn, v->token);
        return out->body != NULL;
    case PARAM_INDEX: break;
    }
    return false;
}

/* Names what a list has that does not fit, for the message. */
static const value *setting_culprit(const btl_param_spec *spec, const value *v) {
    if (v->kind != VALUE_LIST || (spec->kind != PARAM_SHAPE && spec->kind != PARAM_AXES)) return v;
    for (int i = 0; i < v->list->n; i++)
        if (spec->kind == PARAM_SHAPE ? !btl_value_is_size(&v->list->v[i]) : v->list->v[i].kind != VALUE_INT) return &v->list->v[i];
    return v;
}

bool btl_setting_from_value(parser *p, const btl_op *op, const btl_param_spec *spec, const value *v, btl_param *out) {
    int mistakes = p->nmistakes;
    if (v->kind == VALUE_POISON) return false;
    if (setting_convert(p, spec->kind, v, out)) return true;
    if (p->nmistakes > mistakes) return false;
    const value *culprit = setting_culprit(spec, v);
    const char *hint = op->signature;
    if (culprit->kind == VALUE_VAR) hint = "a setting is fixed when the graph is built: a number, a size such as x.shape[0], a const";
    btl_parse_fail(p, v->token, BTL_EVALUE, hint, "%s: %s must be %s, found %s", op->name, spec->name, setting_kinds[spec->kind], btl_value_text(p, culprit));
    return false;
}

/* Defaults stand in the op's table as text: "none", "false", "-1", "0.5", "f32", "[]", a bare word. */
static value setting_parse_fallback(parser *p, const char *s, btl_param_kind kind) {
    btl_dtype dtype;
    char *end;
    if (strcmp(s, "none") == 0) return (value){ .kind = VALUE_NONE };
    if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0) return value_bool(s[0] == 't');
    if (strcmp(s, "[]") == 0) return (value){ .kind = VALUE_LIST, .list = BTL_NEW(p->scratch, value_list) };
    if (kind == PARAM_TEXT) {
        size_t n = strlen(s);
        bool quoted = n >= 2 && s[0] == '"' && s[n - 1] == '"';
        return (value){ .kind = VALUE_TEXT, .text = quoted ? btl_arena_strndup(&p->g->arena, s + 1, n - 2) : s };
    }
    if (btl_dtype_find(s, strlen(s), &dtype)) return (value){ .kind = VALUE_DTYPE, .dtype = dtype };
    if (kind == PARAM_FLOAT) return value_float(strtod(s, &end));
    int64_t i = strtoll(s, &end, 10);
    return *end || end == s ? value_poison() : value_int(i);
}

bool btl_setting_default(btl_graph *g, const btl_param_spec *spec, btl_param *out) {
    parser p = { .g = g, .scratch = &g->arena };
    if (!spec->fallback) return false;
    value v = setting_parse_fallback(&p, spec->fallback, spec->kind);
    return v.kind != VALUE_POISON && setting_convert(&p, spec->kind, &v, out);
}

const char *btl_setting_kind_text(btl_param_kind kind) { return setting_kinds[kind]; }

bool btl_setting_fallback(parser *p, const btl_op *op, const btl_param_spec *spec, btl_param *out) {
    if (!spec->fallback) {
        btl_fail(p->g, BTL_EVALUE, "%s: %s is missing: %s", op->name, spec->name, setting_kinds[spec->kind]);
        if (op->signature) btl_fail_hint(p->g, "%s", op->signature);
        btl_parse_fail_done(p);
        return false;
    }
    value v = setting_parse_fallback(p, spec->fallback, spec->kind);
    if (v.kind != VALUE_POISON && setting_convert(p, spec->kind, &v, out)) return true;
    btl_fail(p->g, BTL_EINTERNAL, "%s: the default of %s, %s, is none", op->name, spec->name, spec->fallback);
    btl_parse_fail_done(p);
    return false;
}
