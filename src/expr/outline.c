/* outline.c - an expression in one line, for a person: operators where there are any, a few levels deep, what is named by its
 * name. It need not be read back.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "expr/outline.h"

#include "expr/op.h"

#include <string.h>

typedef struct outline_operator { const char *op, *sign; int level; } outline_operator;

static const outline_operator outline_operators[] = {
    { "add", " + ", 1 }, { "sub", " - ", 1 }, { "mul", " * ", 2 }, { "div", " / ", 2 }, { "matmul", " @ ", 2 }, { "mod", " % ", 2 },
    { "floordiv", " // ", 2 }, { "pow", " ** ", 4 },
};

static const outline_operator *outline_find(const btl_node *n) {
    for (size_t i = 0; n->nin == 2 && i < sizeof outline_operators / sizeof *outline_operators; i++)
        if (strcmp(outline_operators[i].op, n->op->name) == 0) return &outline_operators[i];
    return NULL;
}

static void outline_constant(btl_text *t, btl_graph *g, const btl_var *v) {
    double value;
    if (btl_var_constant_value(v, &value)) {
        if (v->type.dtype == BTL_BOOL) btl_text_add(t, value != 0 ? "true" : "false");
        else if (btl_dtype_kind(v->type.dtype) != 'f') btl_text_printf(t, "%.0f", value);
        else btl_text_add_double(t, value);
    } else {
        btl_text_printf(t, "<%s>", btl_type_text(g, &v->type));
    }
}

static void outline_settings(btl_text *t, const btl_node *n) {
    for (int k = 0; k < n->op->nparams; k++) {
        const btl_param *p = &n->params[k];
        const char *name = n->op->params[k].name;
        switch (n->op->params[k].kind) {
        case PARAM_BOOL: if (p->i) btl_text_printf(t, ", %s=true", name); break;
        case PARAM_INT: if (p->i != INT64_MIN) btl_text_printf(t, ", %s=%lld", name, (long long)p->i); break;
        case PARAM_DTYPE: if (p->i >= 0 && p->i < BTL_NDTYPES) btl_text_printf(t, ", %s=%s", name, btl_dtype_name((btl_dtype)p->i)); break;
        case PARAM_TEXT: if (p->s && *p->s) btl_text_printf(t, ", %s=\"%s\"", name, p->s); break;
        case PARAM_AXES:
            if (p->axes.n < 0) break;
            btl_text_printf(t, ", %s=[", name);
            for (int i = 0; i < p->axes.n; i++) btl_text_printf(t, i ? ", %d" : "%d", p->axes.v[i]);
            btl_text_add(t, "]");
            break;
        default: break;
        }
    }
}

/* level: what is bound looser gets parentheses. Recursion ends with depth. */
static void outline_var(btl_text *t, btl_graph *g, const btl_var *v, int depth, int level, bool top) {
    const btl_node *n = v->node;
    const outline_operator *o = outline_find(n);
    if (v->name && (!top || (n->op->flags & OP_LEAF))) btl_text_add(t, v->name);
    else if (btl_var_is_constant(v)) outline_constant(t, g, v);
    else if (n->op->flags & OP_LEAF) btl_text_add(t, n->op->name);
    else if (depth == 0) btl_text_add(t, "...");
    else if (o || strcmp(n->op->name, "neg") == 0) {
        int mine = o ? o->level : 3;
        if (mine < level) btl_text_add(t, "(");
        if (!o) btl_text_add(t, "-");
        outline_var(t, g, n->in[0], depth - 1, mine + (mine == 4), false);
        if (o) btl_text_add(t, o->sign), outline_var(t, g, n->in[1], depth - 1, mine + 1, false);
        if (mine < level) btl_text_add(t, ")");
    } else {
        btl_text_printf(t, "%s(", n->op->name);
        for (int i = 0; i < n->nin; i++) {
            if (i) btl_text_add(t, ", ");
            outline_var(t, g, n->in[i], depth - 1, 0, false);
        }
        outline_settings(t, n);
        btl_text_add(t, ")");
    }
}

const char *btl_var_outline(btl_graph *g, const btl_var *v, bool by_name) {
    btl_text t;
    btl_text_init(&t, &g->arena);
    btl_text_add(&t, "");
    outline_var(&t, g, v, OUTLINE_DEPTH, 0, !by_name);
    return t.data;
}
