/* cut_sweep_test.c - ranges of nodes and functions in pieces: every op that says how it falls into ranges (op->cut), on its samples and as kernels of
 * random programs, along every axis and in every number of shares; whole programs, with the pass and without. Bit for bit: what is computed is the same.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "programs.h"

#include "ops/structure.h"
#include "vm/function.h"

/* ---- one node --------------------------------------------------------------------------------------- */

typedef struct ranges {
    btl_graph *g;
    const btl_node *node;
    int axis, shares;
    btl_var **joined;      /* by output: its ranges behind one another; NULL: it has no cut there */
} ranges;

static bool ranges_divides(const btl_var *v, int axis, int shares) {
    int64_t size;
    return btl_dim_is_const(v->type.dims[axis], &size) && size > 0 && size % shares == 0;
}

static btl_status ranges_make(void *arg) {
    ranges *r = arg;
    btl_graph *g = r->g;
    const btl_node *n = r->node;
    btl_cut cut;
    int *axes = BTL_ARRAY(&g->arena, int, n->nin + 1);
    btl_var **in = BTL_ARRAY(&g->arena, btl_var *, n->nin + 1), ***parts = BTL_ARRAY(&g->arena, btl_var **, n->nout);
    r->joined = NULL;
    if (!btl_node_cut(n, r->axis, axes, &cut)) return BTL_OK;
    for (int k = 0; k < n->nin; k++)
        if (axes[k] >= 0 && !ranges_divides(n->in[k], axes[k], r->shares)) return BTL_OK;
    for (int k = 0; k < n->nout; k++) parts[k] = BTL_ARRAY(&g->arena, btl_var *, r->shares);
    for (int i = 0; i < r->shares; i++) {
        for (int k = 0; k < n->nin; k++) in[k] = axes[k] < 0 ? n->in[k] : btl_share_along(g, n->in[k], axes[k], r->shares, i);
        btl_node *range = btl_cut_apply(g, &cut, in, r->shares);
        for (int k = 0; range && k < n->nout; k++) parts[k][i] = &range->out[k];
        if (!range) return g->status;
    }
    btl_param axis = { .i = r->axis };
    r->joined = BTL_ARRAY(&g->arena, btl_var *, n->nout);
    for (int k = 0; k < n->nout; k++) {
        btl_node *join = btl_apply(g, &btl_op_concatenate, r->shares, parts[k], &axis);
        if (!join) return g->status;
        r->joined[k] = join->out;
    }
    return BTL_OK;
}

/* All cuts of a node, against the whole. Returns how many there were. */
static int check_node(btl_graph *g, const btl_node *n, int ngiven, btl_var *const *vars, const btl_array *given, const char *text, sweep_report *report) {
    int cases = 0;
    char why[300];
    for (int axis = 0; axis < n->out->type.rank; axis++)
        for (int shares = 2; shares <= 40; shares++) {
            ranges r = { .g = g, .node = n, .axis = axis, .shares = shares };
            btl_error err = { 0 };
            if (!ranges_divides(n->out, axis, shares)) continue;
            if (btl_graph_protect(g, ranges_make, &r) != BTL_OK) BTL_FAIL("%s, axis %d in %d: %s", text, axis, shares, btl_graph_messages(g));
            for (int k = 0; r.joined && k < n->nout; k++) {
                btl_var *both[2] = { &n->out[k], r.joined[k] };
                btl_array got[2] = { { 0 } };
                sweep_tolerance exact = { 0 };
                if (btl_graph_eval(g, ngiven, vars, given, NULL, 2, both, got, &err) != BTL_OK) BTL_FAIL("%s: %s", text, err.message);
                cases++, report->cases++;
                if (!sweep_agree(&got[1], &got[0], &exact, why, sizeof why)) sweep_fails(report, n->op->name, "%s, axis %d in %d ranges: %s", text, axis, shares, why);
                btl_array_free(&got[0]), btl_array_free(&got[1]);
            }
        }
    return cases;
}

/* Of all nodes of the graph as it is, by op. */
static void check_nodes(btl_graph *g, int ngiven, btl_var *const *vars, const btl_array *given, const char *text, int *seen, sweep_report *report) {
    for (int id = 0, n = g->nnodes; id < n; id++) {
        const btl_node *node = g->nodes[id];
        if (!node->op->cut) continue;
        int cases = check_node(g, node, ngiven, vars, given, text, report);
        for (int i = 0; btl_ops[i]; i++)
            if (btl_ops[i] == node->op) seen[i] += cases;
    }
}

static void check_sample(const btl_op *op, const char *text, int *seen, sweep_report *report) {
    sweep_sample s = sweep_parse(op, text);
    btl_graph *g;
    btl_rng r = { btl_test_seed() };
    btl_var *vars[SWEEP_OPERANDS];
    btl_array given[SWEEP_OPERANDS];
    const char *names[SWEEP_OPERANDS];
    char type[80];
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    for (int i = 0; i < s.n; i++) {
        sweep_operand *o = &s.operands[i];
        names[i] = o->name;
        vars[i] = btl_input(g, o->name, sweep_type_text(o, type, sizeof type));
        BTL_ASSERT_OK(btl_array_new(NULL, o->dtype, o->rank, o->dims, &given[i]));
        sweep_fill(&given[i], o->name, VALUES_TAME, &r);
    }
    if (btl_expr_n(g, s.expression, s.n, names, vars)) /* else it refuses that dtype */
        check_nodes(g, s.n, vars, given, s.expression, seen, report);
    for (int i = 0; i < s.n; i++) btl_array_free(&given[i]);
    btl_graph_free(g);
}

BTL_TEST(every_op_that_can_be_cut_gives_the_same_in_ranges) {
    sweep_report report = { 0 };
    int seen[400] = { 0 };
    for (int i = 0; btl_ops[i]; i++)
        for (btl_samples text = sweep_is_tested(btl_ops[i]) ? sweep_samples_of(btl_ops[i]) : NULL; text && *text; text++) check_sample(btl_ops[i], *text, seen, &report);
    for (int i = 0; btl_ops[i]; i++) {
        bool elsewhere = btl_ops[i] == &btl_op_fused || btl_ops[i] == &btl_op_copy; /* made by passes: below */
        if (btl_ops[i]->cut && !seen[i] && !elsewhere) sweep_fails(&report, btl_ops[i]->name, "%s: no sample has an axis to cut", btl_ops[i]->name);
    }
    SWEEP_END(report);
}

/* ---- random programs -------------------------------------------------------------------------------- */

static btl_graph *parse(const char *text) {
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (btl_graph_parse(g, text, strlen(text), "random") != BTL_OK) BTL_FAIL("%s\n%s", btl_graph_messages(g), text);
    return g;
}

BTL_TEST(kernels_of_random_programs_give_the_same_in_ranges) {
    sweep_report report = { 0 };
    int seen[400] = { 0 }, fused = 0, copies = 0;
    for (unsigned i = 0; i < 150; i++) {
        program p = program_new(btl_test_seed() + 2000003 * i, false, i % 2 ? "f32" : "f64", 4 + (int)(i % 10));
        bool is_input[NINPUTS + MOST_LINES] = { true, true, true };
        char text[8000];
        btl_array in[NINPUTS];
        btl_var *vars[NINPUTS];
        btl_graph *g, *after;
        btl_error err = { 0 };
        program_text(&p, NINPUTS, p.n, is_input, text, sizeof text);
        g = parse(text);
        BTL_ASSERT_OK(btl_pipeline_print(g, btl_entry_find(g, NULL), NULL, "layout", &after, &err));
        for (int k = 0; k < NINPUTS; k++) in[k] = input_array(&p, &p.v[k], VALUES_HARD), vars[k] = btl_entry_find(after, NULL)->inputs[k].var;
        check_nodes(after, NINPUTS, vars, in, text, seen, &report);
        for (int k = 0; k < NINPUTS; k++) btl_array_free(&in[k]);
        btl_graph_free(after);
        btl_graph_free(g);
    }
    for (int i = 0; btl_ops[i]; i++) {
        if (btl_ops[i] == &btl_op_fused) fused = seen[i];
        if (btl_ops[i] == &btl_op_copy) copies = seen[i];
    }
    assert_true(fused > 100 && copies > 10);
    SWEEP_END(report);
}

static bool run(btl_graph *g, const char *mode, const btl_array *in, btl_array out[2], const char *text) {
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    btl_error err = { 0 };
    btl_function *f = NULL;
    out[0] = out[1] = (btl_array){ 0 };
    if (btl_function_new(g, btl_entry_find(g, NULL), &o, &f, &err) || btl_call(f, NULL, in, out, NULL, &err)) BTL_FAIL("%s, %s\n%s", err.message, mode, text);
    bool in_pieces = f->pieces.count > 0;
    btl_function_free(f);
    return in_pieces;
}

/* Products of small integers are exact in any order; elsewhere there are none. */
BTL_TEST(random_programs_in_pieces_give_the_bits_of_the_whole) {
    static const char *const dtypes[] = { "f32", "f64", "i64", "f16" };
    static const char *const modes[][2] = { { "fast_run,linker=strips,with=pieces", "fast_run,linker=strips,without=pieces" },
                                            { "fast_compile,with=pieces", "fast_compile,without=pieces" },
                                            { "fast_run,linker=vm,with=pieces,policy=reuse,gc=on", "fast_run,linker=vm,without=pieces" } };
    sweep_report report = { 0 };
    int in_pieces = 0;
    for (unsigned i = 0; report.cases < 500; i++) {
        program p = program_new(btl_test_seed() + 5000011 * i, i % 4 == 2 || i % 8 == 0, dtypes[i % 4], 4 + (int)(i % 14));
        if (p.v[0].dims[0] % 2 || p.v[0].dims[1] % 2 || p.v[0].dims[1] == 0) continue;
        bool is_input[NINPUTS + MOST_LINES] = { true, true, true };
        char text[8000], why[300];
        btl_array in[NINPUTS], got[2], want[2];
        program_text(&p, NINPUTS, p.n, is_input, text, sizeof text);
        btl_graph *g = parse(text);
        for (int k = 0; k < NINPUTS; k++) in[k] = input_array(&p, &p.v[k], VALUES_HARD);
        in_pieces += run(g, modes[i % 3][0], in, got, text);
        if (run(g, modes[i % 3][1], in, want, text)) BTL_FAIL("it is in pieces without\n%s", text);
        report.cases++;
        for (int k = 0; k < 2; k++) {
            sweep_tolerance exact = { 0 };
            if (!sweep_agree(&got[k], &want[k], &exact, why, sizeof why)) sweep_fails(&report, "", "%s, output %d: %s\n%s", modes[i % 3][0], k, why, text);
            btl_array_free(&got[k]), btl_array_free(&want[k]);
        }
        for (int k = 0; k < NINPUTS; k++) btl_array_free(&in[k]);
        btl_graph_free(g);
    }
    print_message("           %d of them in pieces\n", in_pieces);
    assert_true(in_pieces > 100);
    SWEEP_END(report);
}

BTL_TEST_MAIN(cmocka_unit_test(every_op_that_can_be_cut_gives_the_same_in_ranges), cmocka_unit_test(kernels_of_random_programs_give_the_same_in_ranges),
              cmocka_unit_test(random_programs_in_pieces_give_the_bits_of_the_whole))
