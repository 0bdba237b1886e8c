/* jacobian_test.c - Jacobians, Hessians, their rows and columns: of programs against finite differences and
 * against each other, run by the reference and compiled; closed forms; what is refused.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "expr/op.h"
#include "grad/jacobian.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- programs ------------------------------------------------------------------------------ */

/* Statements that bind y and x (an input named x unless `by` says another), inputs filled with numbers in [0.3, 1.7). */
typedef struct sample { const char *what, *text; } sample;

static const sample samples[] = {
    { "elementwise", "input x: f64[5]\ny = sin(x) * x ** 2 / (1 + exp(-x))" },
    { "scalar to vector", "input x: f64\ny = stack([x, sin(x), x * x])" },
    { "vector to scalar", "input x: f64[4]\ny = prod(x)" },
    { "scalar to scalar", "input x: f64\ny = tanh(x) * x" },
    { "one to one", "input x: f64[1]\ny = tanh(x) * x" },
    { "symbolic sizes", "input x: f64[n]\ny = x * sum(x) + tanh(x)" },
    { "symbolic in, three out", "input x: f64[n]\ny = stack([sum(x), sum(x * x), prod(x)])" },
    { "three in, symbolic out", "input x: f64[3]\ninput t: f64[n]\ny = x[0] * exp(-x[1] * t) + x[2]" },
    { "matrix times vector", "input w: f64[3, 4]\ninput x: f64[4]\ny = tanh(w @ x)" },
    { "vector times matrix", "input x: f64[3]\ninput w: f64[3, 4]\ny = tanh(x @ w)" },
    { "by the matrix", "input x: f64[3, 4]\ninput v: f64[4]\ny = tanh(x @ v)" },
    { "matrices", "input x: f64[2, 3]\ny = x @ x.T + (x.T @ x)[:2, :2]" },
    { "stacks of matrices", "input x: f64[2, 2, 3]\ninput w: f64[3, 2]\ny = (x @ w) @ x" },
    { "broadcasting", "input x: f64[3, 1]\ninput b: f64[1, 4]\ny = exp(x * b) + x" },
    { "rolled", "input x: f64[6]\ny = sin(x * concatenate([x[1:], x[:1]])) + x" },
    { "gathered", "input x: f64[6]\ny = sin(x * x[(arange(6) + 1) % 6]) + x" },
    { "indices apart", "input x: f64[3, 4, 2]\ninput i: i64[2]\ny = sin(x)[i % 2, :, i % 2] * x[0, :, 1]" },
    { "written", "input x: f64[6]\ny = set_subtensor(sin(x)[2:4], x[:2] * x[4:]) * inc_subtensor(x[::2], x[:3])" },
    { "written at indices", "input x: f64[6]\ninput i: i64[3]\ny = inc_subtensor(sin(x)[i % 2], x[:3] * x[3:])" },
    { "written at indices apart", "input x: f64[2, 3, 2]\ninput i: i64[2]\ny = inc_subtensor(sin(x)[i % 2, :, i % 2], x[0, :, 0] * x[1, :, :].T)" },
    { "reductions", "input x: f64[3, 4]\ny = sum(x * x, axis=0) * max(x, axis=0) + mean(x)" },
    { "variance", "input x: f64[3, 4]\ny = (x - mean(x, axis=1, keepdims=true)) / sqrt(var(x, axis=1, keepdims=true) + 0.1)" },
    { "softmax", "input x: f64[2, 3]\ny = softmax(x * x, axis=1) + log_softmax(x, axis=0)" },
    { "stable form", "input x: f64[4]\ny = log(softmax(10 * x))" },
    { "logsumexp", "input x: f64[2, 3]\ny = logsumexp(x * x, axis=-1)" },
    { "shapes", "input x: f64[2, 3]\ny = reshape(sin(x).T, shape=[2, 3]) * flatten(x)[::-1][:3]" },
    { "branches", "input x: f64[5]\ny = where(x > 1, x * x, sin(x)) + maximum(x, 1) * abs(x - 0.9)" },
    { "split", "input x: f64[6]\na, b = split(x * x, sizes=[2, 4])\ny = concatenate([b * b, sin(a), a])" },
    { "a slice found at run time", "input x: f64[6]\ninput i: i64[2]\ny = sin(x)[i[0] % 2:] * 2" },
    { "two slices found at run time", "input x: f64[6]\ninput i: i64[2]\ny = sin(x)[i[0] % 2:i[0] % 2 + 3] * x[1:4] + x[0]" },
    { "a gradient", "input x: f64[4]\ny = grad(sum(sin(x) * x ** 3) * prod(x), x)" },
    { "perceptron, by its weights", "input z: f64[3, 2]\ninput x: f64[2, 4]\ninput v: f64[4, 2]\ny = softmax(tanh(z @ x) @ v, axis=1)" },
    { "nothing depends", "input x: f64[3]\ny = floor(x) * 2" },
};
enum { NSAMPLES = sizeof samples / sizeof *samples, MOST = 2000 };

typedef struct program {
    btl_graph *g;
    btl_entry *main;
    int n;                       /* inputs */
    btl_array in[4];
    int x;                       /* which is x */
    int64_t rows, columns;
} program;

/* Numbers in [0.3, 1.7); 6 for every symbolic size; integers 0, 1, 0, … */
static void fill(btl_array *a, btl_dtype dtype, int rank, const int64_t *shape) {
    btl_rng r = { btl_test_seed() };
    BTL_ASSERT_OK(btl_array_new(NULL, dtype, rank, shape, a));
    for (int64_t k = 0; k < btl_array_elems(a); k++) {
        if (dtype == BTL_I64) ((int64_t *)btl_array_data(a))[k] = k & 1;
        else ((double *)btl_array_data(a))[k] = btl_rng_uniform(&r, 0.3, 1.7);
    }
}

static void program_free(program *p) {
    for (int i = 0; i < p->n; i++) btl_array_free(&p->in[i]);
    btl_graph_free(p->g);
}

static program program_new(const char *what, const char *text, const char *outputs) {
    program p = { 0 };
    char whole[1000];
    snprintf(whole, sizeof whole, "%s\n%s\n", text, outputs);
    BTL_ASSERT_OK(btl_graph_new(NULL, &p.g));
    if (btl_graph_parse(p.g, whole, strlen(whole), what) != BTL_OK) BTL_FAIL("%s: %s", what, btl_graph_messages(p.g));
    p.main = btl_entry_find(p.g, NULL);
    p.n = p.main->ninputs;
    for (int i = 0; i < p.n; i++) {
        const btl_var *v = p.main->inputs[i].var;
        int64_t shape[4];
        for (int k = 0; k < v->type.rank; k++)
            if (!btl_dim_is_const(v->type.dims[k], &shape[k])) shape[k] = 6;
        fill(&p.in[i], v->type.dtype, v->type.rank, shape);
        if (strcmp(v->name, "x") == 0) p.x = i;
    }
    p.columns = btl_array_elems(&p.in[p.x]);
    return p;
}

/* All outputs, in one array behind one another: by the reference, or compiled. */
static int64_t run(const program *p, bool compiled, double *out, const char *what) {
    btl_array results[8] = { { 0 } };
    btl_var *given[4] = { 0 }, *wanted[8] = { 0 };
    btl_error err = { 0 };
    int n = p->main->noutputs;
    int64_t at = 0;
    if (compiled) {
        btl_function *f = NULL;
        if (btl_function_new(p->g, p->main, NULL, &f, &err) != BTL_OK) BTL_FAIL("%s: %s", what, err.message);
        if (btl_call(f, NULL, p->in, results, NULL, &err) != BTL_OK) BTL_FAIL("%s: %s", what, err.message);
        btl_function_free(f);
    } else {
        for (int i = 0; i < p->n; i++) given[i] = p->main->inputs[i].var;
        for (int i = 0; i < n; i++) wanted[i] = p->main->outputs[i].var;
        if (btl_graph_eval(p->g, p->n, given, p->in, NULL, n, wanted, results, &err) != BTL_OK) BTL_FAIL("%s: %s", what, err.message);
    }
    for (int i = 0; i < n; i++) {
        for (int64_t k = 0; k < btl_array_elems(&results[i]); k++) {
            if (at == MOST) BTL_FAIL("%s: too many results", what);
            out[at++] = ((double *)btl_array_data(&results[i]))[k];
        }
        btl_array_free(&results[i]);
    }
    return at;
}

/* ---- against differences ------------------------------------------------------------------- */

/* Central differences of step h with one step of Richardson's extrapolation: an error of h^4. */
static void differences(const program *p, double *want, int64_t rows, const char *what) {
    static double at[4][MOST];
    double *x = btl_array_data(&p->in[p->x]);
    const double h = 1e-3, steps[4] = { -2 * h, -h, h, 2 * h };
    for (int64_t column = 0; column < p->columns; column++) {
        double here = x[column];
        for (int s = 0; s < 4; s++) {
            x[column] = here + steps[s];
            assert_int_equal(run(p, false, at[s], what), rows);
        }
        x[column] = here;
        for (int64_t row = 0; row < rows; row++)
            want[row * p->columns + column] = (8 * (at[2][row] - at[1][row]) - (at[3][row] - at[0][row])) / (12 * h);
    }
}

static void compare(const char *what, const char *way, const double *got, const double *want, int64_t n, double tolerance) {
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= tolerance * (1 + fabs(want[i]))))
            BTL_FAIL("%s, %s: element %lld is %.17g, %.17g wanted", what, way, (long long)i, got[i], want[i]);
}

BTL_TEST(the_jacobian_of_programs_agrees_with_finite_differences) {
    static double want[MOST], got[MOST];
    for (int i = 0; i < NSAMPLES; i++) {
        const char *what = samples[i].what;
        program p = program_new(what, samples[i].text, "output y");
        int64_t rows = run(&p, false, got, what);
        if (rows * p.columns > MOST) BTL_FAIL("%s is too large", what);
        differences(&p, want, rows, what);
        program_free(&p);
        for (int compiled = 0; compiled < 2; compiled++) {
            p = program_new(what, samples[i].text, "output j = jacobian(y, x)");
            assert_int_equal(run(&p, compiled, got, what), rows * p.columns);
            compare(what, compiled ? "compiled" : "reference", got, want, rows * p.columns, 1e-7);
            program_free(&p);
        }
    }
}

typedef struct ways_args { program *p; btl_jacobian_way way; btl_var *y, *x, *out; } ways_args;

static btl_status jacobian_by_way(void *arg) {
    ways_args *a = arg;
    return btl_grad_jacobian(a->p->g, "jacobian", a->way, a->y, 1, &a->x, BTL_DISCONNECTED_ZERO, &a->out);
}

BTL_TEST(rows_and_columns_give_the_same_jacobian) {
    static double got[2][MOST];
    for (int i = 0; i < NSAMPLES; i++) {
        const char *what = samples[i].what;
        int64_t n[2] = { 0, 0 };
        for (int way = 0; way < 2; way++) {
            program p = program_new(what, samples[i].text, "output y");
            ways_args a = { .p = &p, .way = way ? BTL_JACOBIAN_COLUMNS : BTL_JACOBIAN_ROWS, .y = p.main->outputs[0].var, .x = p.main->inputs[p.x].var };
            btl_status status = btl_graph_protect(p.g, jacobian_by_way, &a);
            if (status != BTL_OK) BTL_FAIL("%s: %s", what, btl_graph_messages(p.g));
            p.main->outputs[0].var = a.out;
            n[way] = run(&p, true, got[way], what);
            program_free(&p);
        }
        assert_int_equal(n[0], n[1]);
        compare(what, "columns against rows", got[1], got[0], n[0], 1e-12);
    }
}

/* v . J and J . v, against the whole. */
BTL_TEST(lop_and_rop_are_rows_and_columns_of_the_jacobian) {
    static double whole[MOST], got[MOST];
    for (int i = 0; i < NSAMPLES; i++) {
        const char *what = samples[i].what;
        program p = program_new(what, samples[i].text, "output j = jacobian(y, x)");
        int64_t n = run(&p, false, whole, what), columns = p.columns, rows = n / columns;
        program_free(&p);
        p = program_new(what, samples[i].text, "output lop_ = lop(y, x, cos(y) + 1), rop_ = rop(y, x, sin(x) + 2), u_ = cos(y) + 1, v_ = sin(x) + 2");
        assert_int_equal(run(&p, true, got, what), 2 * (rows + columns));
        const double *row = got, *column = row + columns, *u = column + rows, *v = u + rows;
        for (int64_t k = 0; k < columns; k++) {
            double sum = 0;
            for (int64_t r = 0; r < rows; r++) sum += u[r] * whole[r * columns + k];
            compare(what, "lop", &row[k], &sum, 1, 1e-12);
        }
        for (int64_t r = 0; r < rows; r++) {
            double sum = 0;
            for (int64_t k = 0; k < columns; k++) sum += whole[r * columns + k] * v[k];
            compare(what, "rop", &column[r], &sum, 1, 1e-12);
        }
        program_free(&p);
    }
}

/* ---- Hessians ------------------------------------------------------------------------------ */

BTL_TEST(the_hessian_agrees_with_differences_of_the_gradient) {
    static const char *const costs[] = {
        "input x: f64[4]\ncost = prod(x) * sum(sin(x))", "input x: f64[2, 3]\ncost = logsumexp(x @ x.T)",
        "input x: f64\ncost = exp(x) * x", "input x: f64[n]\ncost = sum(x * tanh(concatenate([x[1:], x[:1]])))",
        "input z: f64[5, 3]\ninput x: f64[3, 2]\ncost = -mean(log(softmax(z @ x, axis=1)[:, 1]))",
    };
    static double want[MOST], got[MOST];
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
        program p = program_new(costs[i], costs[i], "output d = grad(cost, x)");
        int64_t n = run(&p, false, got, costs[i]);
        differences(&p, want, n, costs[i]);
        program_free(&p);
        p = program_new(costs[i], costs[i], "output h = hessian(cost, x)");
        assert_int_equal(run(&p, true, got, costs[i]), n * n);
        compare(costs[i], "hessian", got, want, n * n, 1e-7);
        program_free(&p);
    }
}

/* f(x) = exp(a . x): H = f a a^T. */
BTL_TEST(the_hessian_of_an_exponential_is_an_outer_product) {
    program p = program_new("exp", "input x: f64[3]\na = [0.5, -1.0, 0.25]\nf = exp(sum(a * x))", "output h = hessian(f, x), w = f * outer(a, a)");
    double got[18];
    assert_int_equal(run(&p, true, got, "exp"), 18);
    compare("exp", "closed form", got, got + 9, 9, 1e-15);
    program_free(&p);
}

BTL_TEST(the_hessian_of_a_linear_cost_is_zeros) {
    program p = program_new("linear", "input x: f64[3]\ncost = sum(x * [1.0, 2.0, 3.0])", "output h = hessian(cost, x)");
    double got[9];
    assert_int_equal(run(&p, true, got, "linear"), 9);
    for (int i = 0; i < 9; i++) assert_true(got[i] == 0);
    program_free(&p);
}

/* ---- many variables, many results ---------------------------------------------------------- */

BTL_TEST(a_list_of_variables_gives_a_list_of_jacobians) {
    program p = program_new("list", "input x: f64[2]\ninput b: f64[3]\ny = x[0] * b + x[1]\nj, k = jacobian(y, [x, b])", "output j, k");
    double got[15], *x = btl_array_data(&p.in[0]), *b = btl_array_data(&p.in[1]);
    assert_int_equal(run(&p, true, got, "list"), 15);
    for (int r = 0; r < 3; r++) {
        const double row[2] = { b[r], 1 };
        compare("list", "by x", got + 2 * r, row, 2, 0);
        for (int c = 0; c < 3; c++) assert_true(got[6 + 3 * r + c] == (r == c ? x[0] : 0));
    }
    program_free(&p);
}

/* h is a variable of wrt that depends on another one: y moves through both. */
BTL_TEST(rop_and_lop_take_lists_and_variables_in_the_middle) {
    program p = program_new("lists", "input x: f64[3]\nh = 3 * x\ny = h * h\nz = sum(x * h)\n"
                                     "a, b = rop([y, z], [x, h], [ones_like(x), 2 * ones_like(x)])\nc, d = lop([y, z], [x, h], [ones_like(x), 5])",
                            "output a, b, c, d");
    double got[10], *x = btl_array_data(&p.in[0]), total = 0;
    assert_int_equal(run(&p, true, got, "lists"), 10);
    for (int i = 0; i < 3; i++) {
        double a = 2 * 3 * x[i] * (3 + 2), c = 18 * x[i] + 5 * 6 * x[i], d = 6 * x[i] + 5 * x[i];
        total += 3 * x[i] + x[i] * (3 + 2);
        compare("lists", "rop of y", got + i, &a, 1, 1e-15);
        compare("lists", "lop by x", got + 4 + i, &c, 1, 1e-15);
        compare("lists", "lop by h", got + 7 + i, &d, 1, 1e-15);
    }
    compare("lists", "rop of z", got + 3, &total, 1, 1e-14);
    program_free(&p);
}

BTL_TEST(types_are_those_of_y_and_x) {
    static const struct { const char *expression, *type; } cases[] = {
        { "jacobian(y, x)", "f32[n, 2, 3]" }, { "jacobian(y, v)", "f64[n, n]" }, { "hessian(sum(y), v)", "f64[n, n]" },
        { "lop(y, x, y)", "f32[2, 3]" }, { "rop(y, x, x)", "f64[n]" }, { "jacobian(sum(y), x)", "f32[2, 3]" },
        { "jacobian(y, k, disconnected=\"zero\")", "i64[n, 2]" },
    };
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_var *x = btl_input(g, "x", "f32[2, 3]"), *v = btl_input(g, "v", "f64[n]"), *k = btl_input(g, "k", "i64[2]");
    btl_var *y = btl_expr(g, "v * v * sum(x * x)", "v", v, "x", x, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        btl_var *d = btl_expr(g, cases[i].expression, "x", x, "v", v, "y", y, "k", k, NULL);
        if (!d) BTL_FAIL("%s: %s", cases[i].expression, btl_graph_messages(g));
        assert_string_equal(btl_var_type(g, d), cases[i].type);
    }
    btl_graph_free(g);
}

/* The sum of squares of the Jacobian, differentiated again. */
BTL_TEST(a_jacobian_can_be_differentiated) {
    static const char *const texts[] = { "sum(jacobian(tanh(w @ x), x) ** 2)", "sum(jacobian(x * exp(sum(w @ x)), w) ** 2)",
                                         "sum(rop(sin(w @ x), x, x) ** 2)", "sum(hessian(sum(sin(x) * (w @ x)), x) ** 2)" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        btl_graph *g;
        BTL_ASSERT_OK(btl_graph_new(NULL, &g));
        btl_var *in[2] = { btl_input(g, "w", "f64[3, 3]"), btl_input(g, "x", "f64[3]") };
        btl_array at[2];
        fill(&at[0], BTL_F64, 2, (const int64_t[]){ 3, 3 });
        fill(&at[1], BTL_F64, 1, (const int64_t[]){ 3 });
        btl_var *y = btl_expr(g, texts[i], "w", in[0], "x", in[1], NULL);
        btl_error err = { 0 };
        btl_verify_options o = { .rel_tol = 1e-6, .abs_tol = 1e-7, .every_coordinate = true };
        if (!y) BTL_FAIL("%s", btl_graph_messages(g));
        if (btl_verify_grad(g, y, 2, in, at, &o, &err) != BTL_OK) BTL_FAIL("%s: %s", texts[i], err.message);
        btl_array_free(&at[0]), btl_array_free(&at[1]);
        btl_graph_free(g);
    }
}

/* ---- ops without a rule -------------------------------------------------------------------- */

/* neg, which says nothing of batches and is its own derivative. */
static btl_op turned;

static btl_status turned_vjp(btl_vjp *v) {
    btl_node *n = btl_apply(v->g, &turned, 1, v->dout, NULL);
    v->din[0] = n ? n->out : NULL;
    return n ? BTL_OK : v->g->status;
}

static btl_status turned_batch(btl_batch *b) {
    b->out[0] = NULL;
    return BTL_OK;
}

/* turned(x) * x at model.c:77, of which the Jacobian is -2x on the diagonal. */
static btl_var *turned_of(btl_graph *g, btl_var *x) {
    turned = *btl_op_find("neg", 3);
    turned.name = "turned", turned.vjp = turned_vjp, turned.batch = turned_batch;
    btl_at(g, (btl_site){ "model.c", "model", 77 });
    btl_node *n = btl_apply(g, &turned, 1, &x, NULL);
    return n ? (btl_mul)(g, n->out, x) : NULL;
}

BTL_TEST(an_op_without_a_rule_for_batches_is_computed_slice_by_slice) {
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_var *x = btl_input(g, "x", "f64[3]"), *j = NULL;
    if (btl_jacobian(g, turned_of(g, x), 1, &x, BTL_DISCONNECTED_ERROR, &j) != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
    btl_array at, got;
    fill(&at, BTL_F64, 1, (const int64_t[]){ 3 });
    BTL_ASSERT_OK(btl_graph_eval(g, 1, &x, &at, NULL, 1, &j, &got, NULL));
    for (int i = 0; i < 9; i++) BTL_ASSERT_ULP(((double *)btl_array_data(&got))[i], i % 4 ? 0 : -2 * ((double *)btl_array_data(&at))[i / 4], 0);
    btl_array_free(&at), btl_array_free(&got);
    btl_graph_free(g);
}

BTL_TEST(where_the_number_of_slices_is_not_known_the_op_and_its_line_are_named) {
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_var *x = btl_input(g, "x", "f64[n]"), *y = turned_of(g, x), *j = NULL;
    btl_at(g, (btl_site){ "model.c", "model", 99 });
    BTL_ASSERT_STATUS(btl_jacobian(g, y, 1, &x, BTL_DISCONNECTED_ERROR, &j), BTL_EGRAD);
    assert_null(j);
    BTL_ASSERT_CONTAINS(btl_graph_messages(g), "jacobian: turned cannot be computed for all derivatives at once");
    BTL_ASSERT_CONTAINS(btl_graph_messages(g), "model.c:77");
    BTL_ASSERT_CONTAINS(btl_graph_messages(g), "hint: give the sizes as numbers");
    btl_graph_free(g);
}

/* ---- mistakes ------------------------------------------------------------------------------ */

BTL_TEST(mistakes_are_told_with_both_types_and_a_hint) {
    static const struct { const char *expression, *parts[3]; } cases[] = {
        { "jacobian(k, x)", { "jacobian: y must be of floating-point numbers, not k (i64[3])", "hint", "" } },
        { "jacobian(x, w)", { "jacobian: y, x (f64[3]), does not depend on w (f64[2, 2])", "hint", "" } },
        { "jacobian(x, k)", { "does not depend on k (i64[3]) in a way that has a derivative", "hint", "" } },
        { "hessian(x, x)", { "hessian: the cost must be a single number (0-d), not x (f64[3])", "hint", "" } },
        { "rop(x * 2, x, w)", { "rop: v must have the shape of x (f64[3]), not f64[2, 2]", "", "" } },
        { "lop(x * 2, x, 1)", { "lop: v must have the shape of", "not i64", "" } },
        { "rop(h * 2, h, x)", { "rop: v must be of the type of h (f32[3]), not f64[3]", "hint", "f32(" } },
        { "rop(x, k, k)", { "rop: x must be of floating-point numbers", "", "" } },
        { "rop(w, x, x)", { "rop: y, w (f64[2, 2]), does not depend on x (f64[3])", "", "" } },
        { "rop(x, x)", { "rop: these are not the arguments it takes", "rop(y, x, v", "" } },
        { "lop([x, w], x, [x])", { "lop: these are not the arguments it takes", "", "" } },
        { "jacobian([x], x)", { "jacobian: these are not the arguments it takes", "", "" } },
        { "jacobian(digamma(x), x)", { "jacobian: psi has no derivative yet, and y depends on x (f64[3]) through it", "", "" } },
        { "jacobian(reshape(x, shape=[1,1,1,1,1,1,1,3]), reshape(x, shape=[1,1,1,1,1,1,1,3]))", { "would have 16 dimensions", "flatten", "" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        btl_graph *g;
        BTL_ASSERT_OK(btl_graph_new(NULL, &g));
        btl_var *x = btl_input(g, "x", "f64[3]"), *w = btl_input(g, "w", "f64[2, 2]"), *k = btl_input(g, "k", "i64[3]"), *h = btl_input(g, "h", "f32[3]");
        btl_var *d = btl_expr(g, cases[i].expression, "x", x, "w", w, "k", k, "h", h, NULL);
        if (d) BTL_FAIL("%s was accepted", cases[i].expression);
        for (int k2 = 0; k2 < 3; k2++) BTL_ASSERT_CONTAINS(btl_graph_messages(g), cases[i].parts[k2]);
        assert_int_equal(btl_graph_nmessages(g), 1);
        btl_graph_free(g);
    }
}

BTL_TEST(null_operands_are_silent) {
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_var *x = btl_input(g, "x", "f64[3]"), *none = NULL, *out = x;
    BTL_ASSERT_STATUS(btl_jacobian(g, NULL, 1, &x, BTL_DISCONNECTED_ERROR, &out), BTL_EUSAGE);
    assert_null(out);
    BTL_ASSERT_STATUS(btl_hessian(g, x, 1, &none, BTL_DISCONNECTED_ERROR, &out), BTL_EUSAGE);
    BTL_ASSERT_STATUS(btl_lop(g, 1, &x, &none, 1, &x, BTL_DISCONNECTED_ERROR, &out), BTL_EUSAGE);
    BTL_ASSERT_STATUS(btl_rop(g, 1, &x, 1, &x, &none, BTL_DISCONNECTED_ERROR, &out), BTL_EUSAGE);
    BTL_ASSERT_STATUS(btl_rop(g, 1, &x, 0, &x, &x, BTL_DISCONNECTED_ERROR, &out), BTL_EUSAGE);
    assert_int_equal(btl_graph_nmessages(g), 0);
    btl_graph_free(g);
}

/* ---- size and memory ----------------------------------------------------------------------- */

enum { CHAIN = 100000 };

static void *long_chain(void *arg) {
    btl_graph *g = arg;
    btl_var *x = (btl_input)(g, "x", "f64[4]"), *v = x, *d = NULL, *y;
    for (int i = 0; i < CHAIN; i++) v = (btl_mul)(g, v, x);
    y = v;
    return btl_jacobian(g, y, 1, &x, BTL_DISCONNECTED_ERROR, &d) == BTL_OK ? d : NULL;
}

BTL_TEST(a_chain_of_a_hundred_thousand_nodes_takes_linear_time_and_a_small_stack) {
    btl_graph *g;
    pthread_attr_t attr;
    pthread_t thread;
    void *d = NULL;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, 256 * 1024), 0);
    assert_int_equal(pthread_create(&thread, &attr, long_chain, g), 0);
    pthread_join(thread, &d);
    pthread_attr_destroy(&attr);
    assert_non_null(d);
    assert_in_range(g->nnodes, 3 * CHAIN, 30 * CHAIN);
    btl_graph_free(g);
}

static btl_status jacobian_without_memory(btl_context *ctx, void *arg) {
    (void)arg;
    btl_graph *g;
    btl_status status = btl_graph_new(ctx, &g);
    if (status != BTL_OK) return status;
    btl_var *x = btl_input(g, "x", "f64[3]"), *y = btl_expr(g, "log(softmax(x * x[::-1]))", "x", x, NULL), *d = NULL, *h = NULL;
    status = btl_jacobian(g, y, 1, &x, BTL_DISCONNECTED_ERROR, &d);
    if (status == BTL_OK) status = btl_hessian(g, btl_sum(g, y, -1, NULL, false), 1, &x, BTL_DISCONNECTED_ERROR, &h);
    if (status == BTL_OK && (!d || !h)) status = BTL_EINTERNAL;
    if (!y) status = btl_graph_error(g) ? btl_graph_error(g)->status : BTL_EINTERNAL;
    btl_graph_free(g);
    return status;
}

BTL_TEST(memory_that_runs_out_anywhere_is_an_error_and_nothing_more) {
    assert_true(BTL_ASSERT_SURVIVES_ENOMEM(jacobian_without_memory, NULL) > 3);
}

BTL_TEST_MAIN(cmocka_unit_test(the_jacobian_of_programs_agrees_with_finite_differences),
              cmocka_unit_test(rows_and_columns_give_the_same_jacobian),
              cmocka_unit_test(lop_and_rop_are_rows_and_columns_of_the_jacobian),
              cmocka_unit_test(the_hessian_agrees_with_differences_of_the_gradient),
              cmocka_unit_test(the_hessian_of_an_exponential_is_an_outer_product),
              cmocka_unit_test(the_hessian_of_a_linear_cost_is_zeros),
              cmocka_unit_test(a_list_of_variables_gives_a_list_of_jacobians),
              cmocka_unit_test(rop_and_lop_take_lists_and_variables_in_the_middle),
              cmocka_unit_test(types_are_those_of_y_and_x),
              cmocka_unit_test(a_jacobian_can_be_differentiated),
              cmocka_unit_test(an_op_without_a_rule_for_batches_is_computed_slice_by_slice),
              cmocka_unit_test(where_the_number_of_slices_is_not_known_the_op_and_its_line_are_named),
              cmocka_unit_test(mistakes_are_told_with_both_types_and_a_hint),
              cmocka_unit_test(null_operands_are_silent),
              cmocka_unit_test(a_chain_of_a_hundred_thousand_nodes_takes_linear_time_and_a_small_stack),
              cmocka_unit_test(memory_that_runs_out_anywhere_is_an_error_and_nothing_more))
