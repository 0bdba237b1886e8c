/* own.h - ops of one's own inside: a btl_op whose functions call those of a btl_op_def.
 *
 *     own.c        the table of a context: registering, finding
 *     own_build.c  infer, body, vjp, jvp, emit; settings; btl_op_call
 *     own_run.c    eval, view, measure, workspace
 *     plugin.c     shared objects
 *
 * All later folders see an ordinary btl_op. What such an op breaks of its contract is found here, where its functions
 * return, and told as BTL_EPLUGIN.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_OPS_OWN_H
#define BTL_OPS_OWN_H

#include "expr/emit.h"
#include "expr/operand.h"

typedef struct own_op own_op;
struct own_op {
    btl_op op;                  /* first: a btl_op with OP_OWN is an own_op */
    btl_op_def def;             /* a copy */
    btl_op_code code;
    btl_param_spec *specs;
    const char *origin;         /* name of its plugin, "" */
    own_op *next;
};

static inline const own_op *own_of(const btl_op *op) { return (const own_op *)(const void *)op; }

struct btl_settings {
    const btl_op *op;
    const btl_param *params;
    const char *wrong;          /* the first name that was asked for and is none … */
    const char *wrong_kind;     /* … of this kind */
};

static inline btl_settings own_settings(const btl_op *op, const btl_param *params) { return (btl_settings){ op, params, NULL, NULL }; }

/* The functions that stand in the btl_op. */
btl_status btl_own_infer(btl_infer *x);
btl_var *btl_own_body(btl_graph *g, const btl_node *n, btl_var *const *in);
btl_status btl_own_vjp(btl_vjp *v);
btl_status btl_own_jvp(btl_jvp *j);
bool btl_own_connected(const btl_node *n, int out, int in);
btl_status btl_own_emit(btl_emit *e);
btl_status btl_own_eval(btl_exec *x);
btl_status btl_own_view(btl_exec *x);
btl_status btl_own_measure(btl_exec *x);
size_t btl_own_workspace(const btl_exec *x);

/* Registers n ops at once, all or none; their origin is copied. With a plugin, its library is closed when the context is
 * freed; *again: that plugin is there already, nothing was done. */
btl_status btl_own_register(btl_context *ctx, const char *origin, int n, const btl_op_def *const *defs, void *library,
                            const btl_plugin_def *plugin, bool *again, btl_error *err);

#endif
