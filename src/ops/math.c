/* math.c - the builders of ops without settings, and other names of ops.
 *
 * NumPy calls some ops by several names, and Theano by others still. Such a name is an op too, but
 * only for the person who writes: building it builds the op that it stands for.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ops/elemwise.h"

/* ---- other names -------------------------------------------------------------------------- */

#define MATH_OTHER(name_, op_, nin_, signature_)                                                  \
    static btl_var *name_##_build(btl_graph *g, const btl_op *op, int nin, btl_var *const *in,    \
                                  const btl_param *params, btl_var **out) {                       \
        (void)op;                                                                                 \
        return btl_build(g, &btl_op_##op_, nin, in, params, out);                                 \
    }                                                                                             \
    const btl_op btl_op_##name_ = { .name = #name_, .doc = "another name of " #op_,               \
                                    .signature = #name_ signature_, .version = 1,                 \
                                    .min_in = nin_, .max_in = nin_, .nout = 1,                    \
                                    .flags = OP_MACRO, .build = name_##_build };
#define MATH_OTHER_1(name, op) MATH_OTHER(name, op, 1, "(x)")
#define MATH_OTHER_2(name, op) MATH_OTHER(name, op, 2, "(x, y)")
BTL_OPS_OTHER_UNARY(MATH_OTHER_1)
BTL_OPS_OTHER_BINARY(MATH_OTHER_2)

/* ---- builders ----------------------------------------------------------------------------- */

#define MATH_BUILDER_1(name)                                                                      \
    btl_var *(btl_##name)(btl_graph *g, btl_var *x) { return btl_build(g, &btl_op_##name, 1, &x, NULL, NULL); }
#define MATH_BUILDER_2(name)                                                                      \
    btl_var *(btl_##name)(btl_graph *g, btl_var *x, btl_var *y) {                                 \
        btl_var *const in[2] = { x, y };                                                          \
        return btl_build(g, &btl_op_##name, 2, in, NULL, NULL);                                   \
    }
#define MATH_BUILDER_3(name)                                                                      \
    btl_var *(btl_##name)(btl_graph *g, btl_var *x, btl_var *y, btl_var *z) {                     \
        btl_var *const in[3] = { x, y, z };                                                       \
        return btl_build(g, &btl_op_##name, 3, in, NULL, NULL);                                   \
    }
#define MATH_BUILDER_OTHER_1(name, op) MATH_BUILDER_1(name)
#define MATH_BUILDER_OTHER_2(name, op) MATH_BUILDER_2(name)
BTL_OPS_UNARY(MATH_BUILDER_1)
BTL_OPS_BINARY(MATH_BUILDER_2)
BTL_OPS_TERNARY(MATH_BUILDER_3)
BTL_OPS_OTHER_UNARY(MATH_BUILDER_OTHER_1)
BTL_OPS_OTHER_BINARY(MATH_BUILDER_OTHER_2)

btl_var *(btl_relu)(btl_graph *g, btl_var *x, double alpha) {
    btl_param param = { .f = alpha };
    return btl_build(g, &btl_op_relu, 1, &x, &param, NULL);
}

btl_var *(btl_gelu)(btl_graph *g, btl_var *x, bool approximate) {
    const btl_param param = { .i = approximate };
    return btl_build(g, &btl_op_gelu, 1, &x, &param, NULL);
}

btl_var *(btl_elu)(btl_graph *g, btl_var *x, double alpha) {
    btl_param param = { .f = alpha };
    return btl_build(g, &btl_op_elu, 1, &x, &param, NULL);
}
