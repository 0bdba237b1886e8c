/* jacobian_sweep_test.c - rows and columns of the Jacobian of every op, on its samples at smooth points.
 *
 *     rows      one gradient for each element of the result, stacked: nothing here but btl_grad, which
 *               grad_sweep_test.c holds against finite differences
 *     columns   btl_rop for each unit vector
 *     at once   btl_jacobian's graph, which carries all rows or all columns along an axis in front
 *
 * must be the same numbers. And what `batch` says of an op is held against the op on each slice.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "probe.h"

#include "grad/batch.h"
#include "grad/jacobian.h"

enum { SLICES = 3 };

/* Values of variables at the probe's point; `more` (may be NULL) is the value of a variable beside its inputs. */
static bool values_of(const probe *p, btl_var *more, const btl_array *more_value, int n, btl_var *const *vars, btl_array *out, const char *what,
                      sweep_report *report) {
    btl_var *given_vars[SWEEP_OPERANDS + 1];
    btl_array given[SWEEP_OPERANDS + 1];
    btl_error err = { 0 };
    for (int i = 0; i < p->s.n; i++) given_vars[i] = p->in[i], given[i] = p->at[i];
    given_vars[p->s.n] = more;
    if (more) given[p->s.n] = *more_value;
    for (int i = 0; i < n; i++) out[i] = (btl_array){ 0 };
    if (btl_graph_eval(p->g, p->s.n + (more != NULL), given_vars, given, NULL, n, vars, out, &err) == BTL_OK) return true;
    sweep_fails(report, p->s.op->name, "%s: %s", what, err.message);
    return false;
}

static bool is_near(double got, double want) {
    return fabs(got - want) <= 1e-10 + 1e-10 * fabs(want);
}

/* The names of samples in messages. */
static const char *title(const probe *p, const char *what, int operand, char *text, size_t bytes) {
    char name[300];
    probe_text(p, name, sizeof name);
    snprintf(text, bytes, "%s, %s by %s", name, what, p->floats[operand]->name);
    return text;
}

/* ---- the Jacobian, three ways ------------------------------------------------------------------ */

typedef struct elements { int64_t rows, columns; } elements;

static int64_t var_elems(const btl_var *v) {
    int64_t n = 1, d = 0;
    for (int k = 0; k < v->type.rank; k++) n *= btl_dim_is_const(v->type.dims[k], &d) ? d : -1000000;
    return n;
}

/* want[row * columns + column] by a gradient for each row. False: said why. */
static bool by_rows(const probe *p, int operand, elements e, double *want, sweep_report *report) {
    for (int64_t row = 0; row < e.rows; row++) {
        char text[80];
        btl_array value;
        snprintf(text, sizeof text, "reshape(y, shape=[%lld])[%lld]", (long long)e.rows, (long long)row);
        btl_var *cost = btl_expr(p->g, text, "y", p->y, NULL), *d = NULL;
        if (!cost || btl_grad(p->g, cost, 1, &p->floats[operand], BTL_DISCONNECTED_ZERO, &d) != BTL_OK) {
            sweep_fails(report, p->s.op->name, "grad of row %lld: %s", (long long)row, btl_graph_messages(p->g));
            return false;
        }
        if (!values_of(p, NULL, NULL, 1, &d, &value, "a row", report)) return false;
        for (int64_t k = 0; k < e.columns; k++) want[row * e.columns + k] = sweep_element(&value, k);
        btl_array_free(&value);
    }
    return true;
}

static void check_columns(const probe *p, int operand, elements e, const double *want, sweep_report *report) {
    char name[400];
    btl_var *x = p->floats[operand], *v = btl_input(p->g, "direction", btl_var_type(p->g, x)), *move = NULL;
    title(p, "rop", operand, name, sizeof name);
    report->cases++;
    if (btl_rop(p->g, 1, &p->y, 1, &x, &v, BTL_DISCONNECTED_ZERO, &move) != BTL_OK) {
        sweep_fails(report, p->s.op->name, "%s: %s", name, btl_graph_messages(p->g));
        return;
    }
    btl_array unit, got;
    int64_t shape[SWEEP_RANK];
    for (int k = 0; k < x->type.rank; k++) btl_dim_is_const(x->type.dims[k], &shape[k]);
    BTL_ASSERT_OK(btl_array_new(NULL, BTL_F64, x->type.rank, shape, &unit));
    for (int64_t column = 0; column < e.columns; column++) {
        memset(btl_array_data(&unit), 0, (size_t)e.columns * sizeof(double));
        ((double *)btl_array_data(&unit))[column] = 1;
        if (!values_of(p, v, &unit, 1, &move, &got, name, report)) break;
        for (int64_t row = 0; row < e.rows; row++) {
            double a = sweep_element(&got, row), b = want[row * e.columns + column];
            if (is_near(a, b)) continue;
            sweep_fails(report, p->s.op->name, "%s: element %lld of column %lld is %.17g, %.17g wanted", name, (long long)row, (long long)column, a, b);
            column = e.columns;
            break;
        }
        btl_array_free(&got);
    }
    btl_array_free(&unit);
}

static void check_at_once(const probe *p, int operand, btl_jacobian_way way, elements e, const double *want, sweep_report *report) {
    char name[400];
    btl_var *x = p->floats[operand], *jacobian = NULL;
    btl_array got;
    title(p, way == BTL_JACOBIAN_ROWS ? "jacobian, rows" : "jacobian, columns", operand, name, sizeof name);
    report->cases++;
    if (btl_grad_jacobian(p->g, "jacobian", way, p->y, 1, &x, BTL_DISCONNECTED_ZERO, &jacobian) != BTL_OK) {
        sweep_fails(report, p->s.op->name, "%s: %s", name, btl_graph_messages(p->g));
        return;
    }
    if (!values_of(p, NULL, NULL, 1, &jacobian, &got, name, report)) return;
    bool shape = got.ndim == p->y->type.rank + x->type.rank && btl_array_elems(&got) == e.rows * e.columns;
    if (!shape) sweep_fails(report, p->s.op->name, "%s: %s", name, btl_var_type(p->g, jacobian));
    for (int64_t i = 0; shape && i < e.rows * e.columns; i++) {
        double a = sweep_element(&got, i);
        if (is_near(a, want[i])) continue;
        sweep_fails(report, p->s.op->name, "%s: element %lld is %.17g, %.17g wanted", name, (long long)i, a, want[i]);
        break;
    }
    btl_array_free(&got);
}

typedef struct jacobian_args { const probe *p; int operand; elements e; const double *want; sweep_report *report; } jacobian_args;

static btl_status jacobian_protected(void *arg) {
    const jacobian_args *a = arg;
    check_at_once(a->p, a->operand, BTL_JACOBIAN_ROWS, a->e, a->want, a->report);
    check_at_once(a->p, a->operand, BTL_JACOBIAN_COLUMNS, a->e, a->want, a->report);
    return BTL_OK;
}

static void check_jacobian(const sweep_sample *s, sweep_report *report) {
    probe p;
    bool good = probe_new(&p, s) && p.nfloat && btl_dtype_kind(btl_var_dtype(p.y)) == 'f' && !expected_refusal(s->op->name);
    for (int i = 0; good && i < p.nfloat; i++) {
        elements e = { var_elems(p.y), var_elems(p.floats[i]) };
        if (e.rows < 0 || e.rows * e.columns > 3000) continue; /* sizes found at run time are in jacobian_test.c */
        double *want = calloc((size_t)(e.rows * e.columns) + 1, sizeof *want);
        if (!want) BTL_FAIL("out of memory");
        if (by_rows(&p, i, e, want, report)) {
            check_columns(&p, i, e, want, report);
            jacobian_args a = { &p, i, e, want, report };
            BTL_ASSERT_OK(btl_graph_protect(p.g, jacobian_protected, &a));
        }
        free(want);
    }
    probe_free(&p);
}

/* ---- batches ----------------------------------------------------------------------------------- */

typedef struct batch_args {
    const probe *p;
    int n;
    btl_var **x, **many, *out;
    btl_status status;
} batch_args;

static btl_status batch_protected(void *arg) {
    batch_args *a = arg;
    return a->status = btl_grad_batch(a->p->g, "batch", false, a->n, a->x, a->many, 1, (btl_var *const *)&a->p->y, &a->out);
}

/* Some operands with an axis in front: each slice of the result is that of the slices. */
static void check_batch_of(probe *p, int first, int n, sweep_report *report) {
    char name[400];
    btl_rng r = { btl_test_seed() + 1 };
    btl_var *many[SWEEP_OPERANDS], *vars[2 * SWEEP_OPERANDS];
    btl_array many_at[SWEEP_OPERANDS], given[2 * SWEEP_OPERANDS], together, alone;
    btl_error err = { 0 };
    title(p, n > 1 ? "a batch of all" : "a batch", first, name, sizeof name);
    for (int i = 0; i < n; i++) {
        const btl_var *x = p->floats[first + i];
        sweep_operand o = { .dtype = x->type.dtype, .rank = x->type.rank + 1, .dims = { SLICES } };
        char type[100], input[20];
        for (int k = 0; k < x->type.rank; k++) btl_dim_is_const(x->type.dims[k], &o.dims[k + 1]);
        snprintf(input, sizeof input, "many%d", i);
        many[i] = btl_input(p->g, input, sweep_type_text(&o, type, sizeof type));
        BTL_ASSERT_OK(btl_array_new(NULL, o.dtype, o.rank, o.dims, &many_at[i]));
        for (int64_t k = 0; k < btl_array_elems(&many_at[i]); k++) sweep_set(&many_at[i], k, probe_value(p->s.op->name, first + i, k, &r), 0);
    }
    batch_args a = { .p = p, .n = n, .x = &p->floats[first], .many = many };
    report->cases++;
    btl_graph_protect(p->g, batch_protected, &a);
    if (a.status != BTL_OK || !a.out) {
        sweep_fails(report, p->s.op->name, "%s: %s", name, a.status == BTL_OK ? "nothing came of it" : btl_graph_messages(p->g));
        for (int i = 0; i < n; i++) btl_array_free(&many_at[i]);
        return;
    }
    int ngiven = 0;
    for (int i = 0; i < p->s.n; i++) vars[ngiven] = p->in[i], given[ngiven++] = p->at[i];
    for (int i = 0; i < n; i++) vars[ngiven] = many[i], given[ngiven++] = many_at[i];
    if (btl_graph_eval(p->g, ngiven, vars, given, NULL, 1, &a.out, &together, &err) != BTL_OK) BTL_FAIL("%s: %s", name, err.message);
    bool good = together.ndim == p->y->type.rank + 1 && together.shape[0] == SLICES;
    if (!good) sweep_fails(report, p->s.op->name, "%s: a result of rank %d", name, together.ndim);
    for (int64_t slice = 0; good && slice < SLICES; slice++) {
        for (int i = 0; i < p->s.n; i++)
            for (int k = 0; k < n; k++) {
                if (p->in[i] != p->floats[first + k]) continue;
                given[i].data = (char *)btl_array_data(&many_at[k]) + slice * btl_array_elems(&p->at[i]) * (int64_t)btl_dtype_bytes(many[k]->type.dtype);
                given[i].byte_offset = 0;
            }
        if (btl_graph_eval(p->g, p->s.n, vars, given, NULL, 1, &p->y, &alone, &err) != BTL_OK) BTL_FAIL("%s: %s", name, err.message);
        btl_array part = alone;
        part.data = (char *)btl_array_data(&together) + slice * btl_array_elems(&alone) * (int64_t)btl_dtype_bytes(p->y->type.dtype);
        part.byte_offset = 0;
        char why[300];
        if (!sweep_agree(&part, &alone, &(sweep_tolerance){ .ulps = 2, .any_zero = true }, why, sizeof why)) {
            sweep_fails(report, p->s.op->name, "%s: slice %lld: %s", name, (long long)slice, why);
            good = false;
        }
        btl_array_free(&alone);
    }
    btl_array_free(&together);
    for (int i = 0; i < n; i++) btl_array_free(&many_at[i]);
}

/* An operand whose result does not depend on it by an edge of the graph (ones_like) has no batch. */
static bool reaches(const probe *p, const btl_var *x) {
    btl_bits reach = btl_graph_reach(p->g, 1, (btl_var *const *)&p->y);
    return btl_bits_get(reach, x->node->id) && p->y != x;
}

static void check_batch(const sweep_sample *s, sweep_report *report) {
    probe p;
    bool good = probe_new(&p, s) && p.nfloat, all = p.nfloat > 1;
    for (int i = 0; good && i < p.nfloat; i++) {
        bool there = reaches(&p, p.floats[i]);
        all = all && there;
        if (there) check_batch_of(&p, i, 1, report);
    }
    if (good && all) check_batch_of(&p, 0, p.nfloat, report);
    probe_free(&p);
}

/* ---- the sweeps -------------------------------------------------------------------------------- */

static void sweep_samples(void (*check)(const sweep_sample *s, sweep_report *report), sweep_report *report) {
    for (const btl_op *const *op = btl_ops; *op; op++) {
        btl_samples samples = sweep_is_tested(*op) ? sweep_samples_of(*op) : NULL;
        for (int i = 0; samples && samples[i]; i++) {
            sweep_sample s;
            if (sample_in(*op, samples, i, BTL_F64, &s)) check(&s, report);
        }
    }
}

BTL_TEST(rows_columns_and_the_jacobian_of_every_op_agree) {
    sweep_report report = { 0 };
    sweep_samples(check_jacobian, &report);
    SWEEP_END(report);
}

BTL_TEST(every_op_does_along_a_new_axis_what_it_does_to_each_slice) {
    sweep_report report = { 0 };
    sweep_samples(check_batch, &report);
    SWEEP_END(report);
}

BTL_TEST_MAIN(cmocka_unit_test(rows_columns_and_the_jacobian_of_every_op_agree),
              cmocka_unit_test(every_op_does_along_a_new_axis_what_it_does_to_each_slice))
