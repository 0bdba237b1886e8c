/* tensor_samples_test.c - every sample of every structural op, by its reference and by its kernel.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tensor_check.h"

#include "ops/list_tensor.h"

#define SAMPLES_DECLARE(name) extern const btl_op btl_op_##name;
BTL_OPS_TENSOR(SAMPLES_DECLARE)
#define SAMPLES_ENTRY(name) &btl_op_##name,
static const btl_op *const ops[] = { BTL_OPS_TENSOR(SAMPLES_ENTRY) NULL };

enum { LARGEST_OPERANDS = 8 };

typedef struct sample {
    int n;
    char names[LARGEST_OPERANDS][32], types[LARGEST_OPERANDS][64], settings[200];
} sample;

/* "x: f32[3, 0], y: i32 | axis=1" */
static sample sample_read(const char *text) {
    sample s = { 0 };
    const char *bar = strchr(text, '|'), *end = bar ? bar : text + strlen(text);
    if (bar) snprintf(s.settings, sizeof s.settings, "%s", bar + 1);
    while (text < end) {
        while (*text == ' ' || *text == ',') text++;
        if (text >= end) break;
        const char *colon = strchr(text, ':'), *type = colon + 1 + (colon[1] == ' '), *stop = type;
        for (int depth = 0; stop < end && (depth || *stop != ','); stop++) depth += *stop == '[', depth -= *stop == ']';
        const char *trimmed = stop;
        while (trimmed > type && trimmed[-1] == ' ') trimmed--;
        snprintf(s.names[s.n], sizeof s.names[0], "%.*s", (int)(colon - text), text);
        snprintf(s.types[s.n++], sizeof s.types[0], "%.*s", (int)(trimmed - type), type);
        text = stop;
    }
    return s;
}

static void sample_fill(btl_array *a) {
    btl_array wide;
    BTL_ASSERT_OK(btl_array_new(NULL, BTL_F64, a->ndim, a->shape, &wide));
    for (int64_t i = 0; i < btl_array_elems(a); i++) ((double *)wide.data)[i] = (double)((i * 7 + 3) % 11);
    BTL_ASSERT_OK(btl_array_convert(a, &wide));
    btl_array_free(&wide);
}

static void sample_run(const btl_op *op, const char *text) {
    check_graph c = check_begin();
    sample s = sample_read(text);
    btl_var *vars[LARGEST_OPERANDS];
    btl_array given[LARGEST_OPERANDS];
    const char *names[LARGEST_OPERANDS];
    char call[512], *at = call + snprintf(call, sizeof call, "%s(%s", op->name, op->max_in < 0 ? "[" : "");
    for (int i = 0; i < s.n; i++) {
        int64_t shape[BTL_MAX_RANK];
        names[i] = s.names[i];
        vars[i] = btl_input(c.g, s.names[i], s.types[i]);
        if (!vars[i]) BTL_FAIL("%s: %s", text, btl_graph_messages(c.g));
        for (int k = 0; k < vars[i]->type.rank; k++) assert_true(btl_dim_is_const(vars[i]->type.dims[k], &shape[k]));
        BTL_ASSERT_OK(btl_array_new(c.ctx, vars[i]->type.dtype, vars[i]->type.rank, shape, &given[i]));
        sample_fill(&given[i]);
        at += sprintf(at, "%s%s", i ? ", " : "", s.names[i]);
    }
    sprintf(at, "%s%s%s)", op->max_in < 0 ? "]" : "", s.n && s.settings[0] ? "," : "", s.settings);
    btl_var *v;
    if (op->flags & OP_HIDDEN) v = btl_build(c.g, op, s.n, vars, NULL, NULL);
    else v = btl_expr_n(c.g, call, s.n, names, vars);
    if (!v) BTL_FAIL("%s: %s", call, btl_graph_messages(c.g));
    for (int k = 0; k < v->node->nout; k++) {
        btl_array got = check_both(c.g, call, s.n, vars, given, &v->node->out[k], 4);
        btl_array_free(&got);
    }
    for (int i = 0; i < s.n; i++) btl_array_free(&given[i]);
    check_end(&c);
}

BTL_TEST(kernels_agree_with_references_on_every_sample) {
    int nsamples = 0;
    for (int i = 0; ops[i]; i++)
        for (int k = 0; ops[i]->samples && ops[i]->samples[k]; k++, nsamples++) sample_run(ops[i], ops[i]->samples[k]);
    assert_true(nsamples > 60);
}

BTL_TEST(every_op_says_what_it_is) {
    for (int i = 0; ops[i]; i++) {
        const btl_op *op = ops[i];
        assert_non_null(op->doc);
        assert_non_null(op->signature);
        assert_true(op->version > 0);
        if (op->flags & OP_MACRO) assert_true(op->build && !op->infer);
        else assert_true(op->infer && (op->eval || op->view));
        for (int k = 0; k < op->nparams; k++) assert_true(op->params[k].name && op->params[k].doc);
    }
}

BTL_TEST_MAIN(cmocka_unit_test(kernels_agree_with_references_on_every_sample), cmocka_unit_test(every_op_says_what_it_is))
