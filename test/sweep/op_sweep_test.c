/* op_sweep_test.c - every op of the table, on its samples and in every dtype: the compiled function in
 * both modes against the reference, operands plain, transposed, strided, reversed, broadcast, of symbolic sizes.
 *
 * What must agree, and how closely:
 *   integers, bool, what only moves data, comparisons    bit for bit
 *   one elementwise op                                   elem->max_ulp, and 1 for the reference's rounding
 *   sums of products (sum, mean, matmul, …)              n * eps * the same expression of magnitudes
 *   other composite ops                                  ROUNDINGS * eps * what the table below says
 * Special values (NaN, infinities, signed zeros) of elementwise ops agree exactly. An op may refuse a
 * dtype, with a message; it must take one at least of its samples.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sweep.h"

enum { ROUNDINGS = 32, MODES = 2 };

static const char *const modes[MODES] = { "fast_run,linker=strips", "fast_compile" };

/* ---- tolerances -------------------------------------------------------------------------------- */

typedef enum kind { KIND_EXACT, KIND_ELEMENTWISE, KIND_LINEAR, KIND_PRODUCT, KIND_COMPOSITE } kind;

static bool named(const btl_op *op, const char *const *names) {
    for (; *names; names++)
        if (strcmp(op->name, *names) == 0) return true;
    return false;
}

/* Linear in each operand: the bound is the value at the operands' magnitudes. */
static const char *const linear_ops[] = { "sum", "mean", "matmul", "dot", "outer", "tensordot", "inc_subtensor", "conv2d", "mean_pool2d", "trace", NULL };
/* Which of two zeros is chosen is not said. */
static const char *const any_zero_ops[] = { "maximum", "minimum", "clip", "max", "min", "relu", "elu", "ptp", "max_pool2d", NULL };
/* Ops of several roundings. They combine elements or cancel, so hard values overflow inside in ways
 * that depend on the order of the roundings: they are tried on tame values and on single special ones. */
static const char *const tame_ops[] = {
    "var", "std", "norm", "softmax", "log_softmax", "logsumexp", "binary_crossentropy", "categorical_crossentropy",
    "linspace", "hard_sigmoid", "elu", "relu", "logaddexp", "ptp", "cholesky", "cholesky_grad", "solve_triangular", "gemm", NULL
};

static kind kind_of(const btl_op *op, btl_dtype out) {
    if (btl_dtype_kind(out) != 'f') return KIND_EXACT;
    if (named(op, linear_ops)) return KIND_LINEAR;
    if (strcmp(op->name, "prod") == 0) return KIND_PRODUCT;
    if (op->elem) return KIND_ELEMENTWISE;
    if (named(op, tame_ops) || strncmp(op->name, "random.", 7) == 0) return KIND_COMPOSITE;
    return op->flags & OP_MACRO && !op->samples ? KIND_ELEMENTWISE : KIND_EXACT; /* another name of an op; or a mover of data */
}

/* ---- one case ---------------------------------------------------------------------------------- */

typedef enum variant { PLAIN, TRANSPOSED, STRIDED, REVERSED, BROADCAST, STRIDED_ARGUMENT, SYMBOLIC, NVARIANTS } variant;

static const char *const variant_names[NVARIANTS] = { "", " transposed", " strided", " reversed", " broadcast", " strided argument", " symbolic" };

typedef struct trial {
    sweep_sample s;
    variant how;
    sweep_values values;
    uint64_t seed;
    btl_graph *g;
    int n;
    btl_var *inputs[SWEEP_OPERANDS];
    btl_array given[SWEEP_OPERANDS];  /* what inputs get */
    btl_array memory[SWEEP_OPERANDS]; /* behind them */
    btl_var *y;
    const btl_op *node_op;            /* that was built */
} trial;

static void trial_text(const trial *t, char *text, size_t bytes) {
    int at = snprintf(text, bytes, "%s, ", t->s.expression);
    for (int i = 0; i < t->s.n; i++) {
        char type[80];
        at += snprintf(text + at, bytes - (size_t)at, "%s: %s, ", t->s.operands[i].name, sweep_type_text(&t->s.operands[i], type, sizeof type));
    }
    snprintf(text + at, bytes - (size_t)at, "%s values%s", sweep_values_names[t->values], variant_names[t->how]);
}

/* The type that the input has of which the operand is a view, and that view. */
static const char *trial_view(const trial *t, const sweep_operand *o, sweep_operand *input) {
    *input = *o;
    int last = o->rank - 1;
    if (o->rank == 0 || o->fixed) return NULL;
    switch (t->how) {
    case TRANSPOSED:
        for (int i = 0; i < o->rank; i++) input->dims[i] = o->dims[last - i];
        return o->rank > 1 ? "v.T" : NULL;
    case STRIDED:
        input->dims[last] = 2 * o->dims[last] + 1;
        return o->rank == 1 ? "v[1::2]" : "v[..., 1::2]";
    case REVERSED: return o->rank == 1 ? "v[::-1]" : "v[::-1, ..., ::-1]";
    case BROADCAST:
        for (int i = 0; i < o->rank; i++)
            if (i < last || i == 0) input->dims[i] = 1;
        return "broadcast_to(v, %s)";
    default: return NULL;
    }
}

static void trial_shape_text(const sweep_operand *o, char *text, size_t bytes) {
    int at = snprintf(text, bytes, "[");
    for (int i = 0; i < o->rank; i++) at += snprintf(text + at, bytes - (size_t)at, "%s%lld", i ? ", " : "", (long long)o->dims[i]);
    snprintf(text + at, bytes - (size_t)at, "]");
}

/* Sizes by name, equal ones by the same; 1 stays 1, it broadcasts. */
static const char *trial_type_text(const trial *t, const sweep_operand *o, char *text, size_t bytes) {
    if (t->how != SYMBOLIC) return sweep_type_text(o, text, bytes);
    int at = snprintf(text, bytes, "%s", btl_dtype_name(o->dtype));
    for (int i = 0; i < o->rank; i++)
        at += snprintf(text + at, bytes - (size_t)at, "%s%s%lld", i ? ", " : "[", o->dims[i] == 1 || o->fixed ? "" : "n", (long long)o->dims[i]);
    if (o->rank) snprintf(text + at, bytes - (size_t)at, "]");
    return text;
}

/* An array of that type; STRIDED_ARGUMENT: every second element of a larger one, backwards. */
static void trial_array(trial *t, int i, const sweep_operand *o, btl_rng *r) {
    static int64_t strides[SWEEP_OPERANDS][SWEEP_RANK];
    sweep_operand m = *o;
    bool strided = t->how == STRIDED_ARGUMENT && o->rank > 0;
    if (strided) m.dims[m.rank - 1] *= 2;
    BTL_ASSERT_OK(btl_array_new(NULL, m.dtype, m.rank, m.dims, &t->memory[i]));
    sweep_fill(&t->memory[i], o->name, t->values, r);
    t->given[i] = t->memory[i];
    if (!strided || sweep_elems(o) == 0) {
        if (strided) t->memory[i].shape[m.rank - 1] /= 2, t->given[i] = t->memory[i];
        return;
    }
    int64_t step = 1;
    for (int k = m.rank - 1; k >= 0; k--) strides[i][k] = step, step *= m.dims[k];
    strides[i][m.rank - 1] = -2;
    t->given[i].strides = strides[i];
    t->given[i].byte_offset += (uint64_t)(m.dims[m.rank - 1] - 1) * btl_dtype_bytes(m.dtype);
    t->memory[i].shape[m.rank - 1] /= 2; /* shared with given */
}

static bool trial_build(trial *t) {
    btl_rng r = { t->seed };
    const char *names[SWEEP_OPERANDS];
    btl_var *vars[SWEEP_OPERANDS];
    char text[256];
    t->n = t->s.n;
    BTL_ASSERT_OK(btl_graph_new(NULL, &t->g));
    for (int i = 0; i < t->n; i++) {
        sweep_operand input;
        const char *view = trial_view(t, &t->s.operands[i], &input);
        char view_text[128], shape[64];
        t->inputs[i] = btl_input(t->g, input.name, trial_type_text(t, &input, text, sizeof text));
        names[i] = t->s.operands[i].name;
        vars[i] = t->inputs[i];
        if (view) {
            trial_shape_text(&t->s.operands[i], shape, sizeof shape);
            if (strchr(view, '%')) snprintf(view_text, sizeof view_text, "broadcast_to(v, %s)", shape);
            else snprintf(view_text, sizeof view_text, "%s", view);
            vars[i] = btl_expr(t->g, view_text, "v", t->inputs[i], NULL);
        }
        trial_array(t, i, &input, &r);
    }
    t->y = btl_expr_n(t->g, t->s.expression, t->n, names, vars);
    if (t->y) t->node_op = t->y->node->op;
    return t->y != NULL;
}

static void trial_free(trial *t) {
    for (int i = 0; i < t->n; i++) btl_array_free(&t->memory[i]);
    btl_graph_free(t->g);
}

/* ---- the bound of a sum of products ------------------------------------------------------------ */

/* The value at the magnitudes of the operands, in f64; special ones count as 0. */
static bool trial_magnitude(const trial *t, btl_array *out) {
    const char *names[SWEEP_OPERANDS];
    btl_var *vars[SWEEP_OPERANDS];
    btl_graph *g;
    btl_error err = { 0 };
    btl_array wide[SWEEP_OPERANDS];
    char text[128], expression[300];
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    for (int i = 0; i < t->n; i++) {
        sweep_operand o = t->s.operands[i];
        bool index = btl_dtype_kind(o.dtype) != 'f' && o.fixed;
        sweep_operand input;
        const char *view = trial_view(t, &o, &input);
        char view_text[128], shape[64];
        if (!index) input.dtype = BTL_F64;
        vars[i] = btl_input(g, o.name, sweep_type_text(&input, text, sizeof text));
        names[i] = t->s.operands[i].name;
        BTL_ASSERT_OK(btl_array_new(NULL, input.dtype, input.rank, input.dims, &wide[i]));
        BTL_ASSERT_OK(btl_array_convert(&wide[i], &t->given[i]));
        double *x = btl_array_data(&wide[i]);
        for (int64_t at = 0, n = btl_array_elems(&wide[i]); !index && at < n; at++) x[at] = isfinite(x[at]) ? fabs(x[at]) : 0;
        if (view) {
            trial_shape_text(&o, shape, sizeof shape);
            if (strchr(view, '%')) snprintf(view_text, sizeof view_text, "broadcast_to(v, %s)", shape);
            else snprintf(view_text, sizeof view_text, "%s", view);
            vars[i] = btl_expr(g, view_text, "v", vars[i], NULL);
        }
    }
    snprintf(expression, sizeof expression, "f64(%s)", t->s.expression);
    btl_var *inputs[SWEEP_OPERANDS], *y = btl_expr_n(g, expression, t->n, names, vars);
    for (int i = 0; i < t->n; i++) { /* the leaf behind the view */
        btl_var *v = vars[i];
        while (v->node->nin) v = v->node->in[0];
        inputs[i] = v;
    }
    bool good = y && btl_graph_eval(g, t->n, inputs, wide, NULL, 1, &y, out, &err) == BTL_OK;
    for (int i = 0; i < t->n; i++) btl_array_free(&wide[i]);
    btl_graph_free(g);
    return good;
}

/* How many roundings one result of the reduction order (strip_reduce.c) sees: 128 elements a lane, a tree of 5, and
 * a tree over the blocks; matrix products are in the BLAS's order, up to one for each element. */
static double trial_roundings(const trial *t) {
    double n = 1;
    for (int i = 0; i < t->s.n; i++)
        if ((double)sweep_elems(&t->s.operands[i]) > n) n = (double)sweep_elems(&t->s.operands[i]);
    double blocked = 133 + 2 * log2(1 + n / 4096);
    bool product = t->s.op->min_in == 2;
    return 2 + (product || n < blocked ? n : blocked);
}

/* ---- running ----------------------------------------------------------------------------------- */

static btl_entry *trial_entry(trial *t) {
    btl_entry *e = btl_entry_new(t->g, "main");
    for (int i = 0; i < t->n; i++) BTL_ASSERT_OK(btl_entry_add_input(t->g, e, t->inputs[i], NULL));
    BTL_ASSERT_OK(btl_entry_add_output(t->g, e, "result", t->y));
    return e;
}

static sweep_tolerance trial_tolerance(const trial *t, kind k, const btl_array *want, btl_array *bound) {
    sweep_tolerance tol = { .any_zero = named(t->s.op, any_zero_ops) || k == KIND_COMPOSITE || k == KIND_LINEAR || k == KIND_PRODUCT };
    btl_dtype dtype = BTL_F64;
    btl_array_dtype(want, &dtype);
    const sweep_float f = sweep_float_of(dtype), computed = sweep_float_of(dtype == BTL_F64 ? BTL_F64 : BTL_F32);
    bool half = btl_dtype_bytes(dtype) == 2;
    const btl_elem *elem = t->s.op->elem ? t->s.op->elem : t->node_op ? t->node_op->elem : NULL;
    if (k == KIND_ELEMENTWISE && elem) tol.ulps = elem->max_ulp > 0 ? (half ? 1 : floor(elem->max_ulp) + 1) : 0;
    if (k == KIND_ELEMENTWISE && sweep_floor(t->s.op->name, -1) > 0) tol.absolute = tol.ulps * sweep_ulp(dtype, sweep_floor(t->s.op->name, -1e16));
    if (k == KIND_LINEAR && trial_magnitude(t, bound)) {
        double *b = btl_array_data(bound), roundings = trial_roundings(t);
        for (int64_t i = 0, n = btl_array_elems(bound); i < n; i++)
            b[i] = roundings * (computed.eps / 2 * b[i] + computed.least) + (half ? f.eps * b[i] + f.least : 0);
        tol.bound = bound;
        tol.ulps = 1;
    }
    if (k == KIND_PRODUCT) {
        tol.relative = trial_roundings(t) * computed.eps + (half ? f.eps : 0);
        tol.absolute = trial_roundings(t) * f.least;
    }
    if (strcmp(t->s.op->name, "cholesky_grad") == 0) tol.loose_class = true; /* its kernel is another algorithm than its body: 0 * inf elsewhere */
    if (k == KIND_COMPOSITE) {
        tol.relative = ROUNDINGS * f.eps;
        tol.absolute = ROUNDINGS * 4 * f.eps; /* tame operands: what cancels is of size 4 at most */
    }
    return tol;
}

static void trial_check_modes(trial *t, btl_status eval_status, const btl_array *want, sweep_report *report) {
    char name[600], why[300];
    trial_text(t, name, sizeof name);
    btl_entry *e = trial_entry(t);
    btl_array bound = { 0 };
    kind k = kind_of(t->s.op, btl_var_dtype(t->y));
    sweep_tolerance tol = { 0 };
    if (eval_status == BTL_OK) tol = trial_tolerance(t, k, want, &bound);
    for (int m = 0; m < MODES; m++) {
        btl_function_options o = { .struct_size = sizeof o, .mode = modes[m] };
        btl_function *f = NULL;
        btl_error err = { 0 };
        btl_array got = { 0 };
        report->cases++;
        btl_status status = btl_function_new(t->g, e, &o, &f, &err);
        if (status == BTL_OK) status = btl_call(f, NULL, t->given, &got, NULL, &err);
        if (status != eval_status)
            sweep_fails(report, t->s.op->name, "%s, %s: status %d (%s), the reference has %d", name, modes[m], status, err.message, eval_status);
        else if (status == BTL_OK && !sweep_agree(&got, want, &tol, why, sizeof why))
            sweep_fails(report, t->s.op->name, "%s, %s: %s", name, modes[m], why);
        btl_array_free(&got);
        btl_function_free(f);
    }
    btl_array_free(&bound);
}

/* False if the op refuses the operands (with a message). */
static bool trial_run(trial *t, sweep_report *report) {
    char name[600];
    trial_text(t, name, sizeof name);
    bool built = trial_build(t);
    if (!built) {
        const btl_error *e = btl_graph_error(t->g);
        if (!e || !*e->message) sweep_fails(report, t->s.op->name, "%s: refused without a word", name);
        else if (e->status == BTL_EINTERNAL || e->status == BTL_ENOMEM) sweep_fails(report, t->s.op->name, "%s: %s", name, e->message);
    } else if (!btl_graph_check(t->g)) {
        sweep_fails(report, t->s.op->name, "%s: the graph is not sound: %s", name, btl_graph_messages(t->g));
    } else {
        btl_array want = { 0 };
        btl_error err = { 0 };
        btl_status status = btl_graph_eval(t->g, t->n, t->inputs, t->given, NULL, 1, &t->y, &want, &err);
        if (status == BTL_EINTERNAL || status == BTL_ENOMEM) sweep_fails(report, t->s.op->name, "%s: the reference fails: %s", name, err.message);
        trial_check_modes(t, status, &want, report);
        btl_array_free(&want);
    }
    trial_free(t);
    return built;
}

/* ---- the sweep --------------------------------------------------------------------------------- */

static bool sample_retype(sweep_sample *s, btl_dtype dtype) {
    bool any = false;
    for (int i = 0; i < s->n; i++)
        if (!s->operands[i].fixed) s->operands[i].dtype = dtype, any = true;
    return any;
}

static bool sample_is_first_of_shape(const btl_op *op, btl_samples samples, int which) {
    sweep_sample s = sweep_parse(op, samples[which]);
    for (int k = 0; k < which; k++) {
        sweep_sample o = sweep_parse(op, samples[k]);
        bool same = o.n == s.n && strcmp(o.expression, s.expression) == 0;
        for (int i = 0; same && i < s.n; i++)
            same = o.operands[i].rank == s.operands[i].rank &&
                   memcmp(o.operands[i].dims, s.operands[i].dims, (size_t)s.operands[i].rank * sizeof(int64_t)) == 0;
        if (same) return false;
    }
    return true;
}

static bool sample_is_large(const sweep_sample *s) {
    for (int i = 0; i < s->n; i++)
        if (sweep_elems(&s->operands[i]) > 400) return true;
    return false;
}

static bool is_tame(const btl_op *op) {
    return named(op, linear_ops) || named(op, tame_ops) || strcmp(op->name, "prod") == 0;
}

static void sweep_sample_values(const sweep_sample *s, variant how, sweep_report *report, int *taken) {
    static const sweep_values tame[] = { VALUES_TAME, VALUES_NAN, VALUES_INF, VALUES_ZEROS, VALUES_TINY };
    size_t n = !is_tame(s->op) ? 0 : how == PLAIN && !sample_is_large(s) ? sizeof tame / sizeof *tame : 1;
    bool hard = n == 0;
    for (int i = 0; n && i < s->n; i++) hard |= btl_dtype_kind(s->operands[i].dtype) != 'f' && !named(s->op, tame_ops);
    for (size_t v = 0; v < n; v++) {
        trial t = { .s = *s, .how = how, .values = tame[v], .seed = btl_test_seed() + v + 10 * (unsigned)how };
        *taken += trial_run(&t, report);
    }
    trial t = { .s = *s, .how = how, .values = VALUES_HARD, .seed = btl_test_seed() + 10 * (unsigned)how };
    if (hard) *taken += trial_run(&t, report);
}

BTL_TEST(every_op_agrees_with_its_reference_on_its_samples) {
    sweep_report report = { 0 };
    for (const btl_op *const *op = btl_ops; *op; op++) {
        if (!sweep_is_tested(*op)) continue;
        btl_samples samples = sweep_samples_of(*op);
        int taken = 0, before = report.failures;
        if (!samples) {
            sweep_fails(&report, (*op)->name, "%s has no samples", (*op)->name);
            continue;
        }
        for (int i = 0; samples[i]; i++) {
            sweep_sample s = sweep_parse(*op, samples[i]);
            int here = 0;
            for (int how = PLAIN; how < NVARIANTS; how++) sweep_sample_values(&s, (variant)how, &report, &here);
            if (!here && (*op)->samples) sweep_fails(&report, (*op)->name, "%s refuses its sample \"%s\"", (*op)->name, samples[i]);
            taken += here;
        }
        if (!taken && report.failures == before) sweep_fails(&report, (*op)->name, "%s takes none of its samples", (*op)->name);
    }
    SWEEP_END(report);
}

BTL_TEST(every_op_takes_or_clearly_refuses_every_dtype) {
    sweep_report report = { 0 };
    for (const btl_op *const *op = btl_ops; *op; op++) {
        btl_samples samples = sweep_is_tested(*op) ? sweep_samples_of(*op) : NULL;
        for (int i = 0; samples && samples[i]; i++) {
            if (!sample_is_first_of_shape(*op, samples, i)) continue;
            for (int dtype = 0; dtype < BTL_NDTYPES; dtype++) {
                sweep_sample s = sweep_parse(*op, samples[i]);
                int taken = 0;
                if (sample_is_large(&s) || !sample_retype(&s, (btl_dtype)dtype)) continue;
                sweep_sample_values(&s, PLAIN, &report, &taken);
            }
        }
    }
    SWEEP_END(report);
}

/* Lengths around strips, lanes and blocks. */
BTL_TEST(every_elementwise_op_and_reduction_agrees_at_awkward_lengths) {
    static const int64_t lengths[] = { 0, 1, 2, 7, 31, 32, 33, 511, 512, 513, 4097 };
    sweep_report report = { 0 };
    for (const btl_op *const *op = btl_ops; *op; op++) {
        if (!sweep_is_tested(*op) || (!(*op)->elem && !(*op)->reduction) || (*op)->nparams > 2) continue;
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            char text[100];
            long n = (long)lengths[i];
            bool where = strcmp((*op)->name, "where") == 0, bits = !(*op)->reduction && !(*op)->elem->code_float;
            bool only_bool = bits && !(*op)->elem->code_signed;
            const char *t = only_bool ? "bool" : bits ? "i32" : "f32";
            if ((*op)->min_in == 1) snprintf(text, sizeof text, "x: %s[%ld]", t, n);
            else if ((*op)->min_in == 2) snprintf(text, sizeof text, "x: %s[%ld], y: %s[%ld]", t, n, t, n);
            else snprintf(text, sizeof text, "%s: %s[%ld], y: %s[%ld], z: %s", where ? "c" : "x", where ? "bool" : t, n, t, n, t);
            if (strcmp((*op)->name, "cast") == 0) strcat(text, " | dtype=i16");
            sweep_sample s = sweep_parse(*op, text);
            int taken = 0;
            sweep_sample_values(&s, PLAIN, &report, &taken);
            if (!taken) sweep_fails(&report, (*op)->name, "%s refuses \"%s\"", (*op)->name, text);
        }
    }
    SWEEP_END(report);
}

/* ---- the test of the test ---------------------------------------------------------------------- */

/* tanh whose reference is off by two parts in a million, or wrong at one special value. */
static long double wrong_slightly(const long double *x) { return tanhl(x[0]) * 1.000002L; }
static long double wrong_at_infinity(const long double *x) { return isinf(x[0]) ? 0.5L : tanhl(x[0]); }
static long double wrong_zero(const long double *x) { return x[0] == 0 ? 0.0L : tanhl(x[0]); }

static int failures_with(long double (*real)(const long double *)) {
    const btl_op *tanh_op = btl_op_find("tanh", 4);
    btl_elem elem = *tanh_op->elem;
    btl_op wrong = *tanh_op;
    elem.real = real;
    wrong.elem = &elem;
    int failures = 0;
    for (int dtype = BTL_F16; dtype <= BTL_F64; dtype++) {
        sweep_sample s = sweep_parse(tanh_op, "x: f32[1000]");
        sample_retype(&s, (btl_dtype)dtype);
        trial right = { .s = s, .values = VALUES_HARD, .seed = btl_test_seed() }, *t = &right;
        btl_array want = { 0 }, got = { 0 };
        char why[300];
        assert_true(trial_build(t));
        btl_node *n = btl_apply(t->g, &wrong, 1, &t->inputs[0], NULL);
        btl_function *f = NULL;
        BTL_ASSERT_OK(btl_graph_eval(t->g, 1, t->inputs, t->given, NULL, 1, &n->out, &want, NULL));
        BTL_ASSERT_OK(btl_function_new(t->g, trial_entry(t), NULL, &f, NULL));
        BTL_ASSERT_OK(btl_call(f, NULL, t->given, &got, NULL, NULL));
        sweep_tolerance tol = trial_tolerance(t, KIND_ELEMENTWISE, &want, NULL);
        failures += !sweep_agree(&got, &want, &tol, why, sizeof why);
        btl_array_free(&got), btl_array_free(&want);
        btl_function_free(f);
        trial_free(t);
    }
    return failures;
}

BTL_TEST(an_op_whose_kernel_and_reference_differ_is_caught) {
    assert_int_equal(failures_with(btl_op_find("tanh", 4)->elem->real), 0);
    assert_int_equal(failures_with(wrong_slightly), 2); /* f16 and bf16 are coarser than that */
    assert_int_equal(failures_with(wrong_at_infinity), 4);
    assert_int_equal(failures_with(wrong_zero), 4);
}

BTL_TEST(the_comparison_tells_shapes_types_and_single_elements_apart) {
    int64_t three = 3, four = 4;
    float a[4] = { 1, 2, 3, 4 }, b[4] = { 1, 2, 3.0000005f, 4 };
    double c[3] = { 1, 2, 3 };
    char why[200];
    btl_array x = btl_array_wrap(BTL_F32, 1, &three, a), y = btl_array_wrap(BTL_F32, 1, &three, b);
    btl_array z = btl_array_wrap(BTL_F64, 1, &three, c), w = btl_array_wrap(BTL_F32, 1, &four, a);
    sweep_tolerance exact = { 0 }, loose = { .ulps = 2 };
    assert_true(sweep_agree(&x, &x, &exact, why, sizeof why));
    assert_false(sweep_agree(&x, &y, &exact, why, sizeof why));
    BTL_ASSERT_CONTAINS(why, "element [2]");
    assert_true(sweep_agree(&x, &y, &loose, why, sizeof why));
    assert_false(sweep_agree(&x, &z, &loose, why, sizeof why));
    assert_false(sweep_agree(&x, &w, &loose, why, sizeof why));
}

BTL_TEST_MAIN(cmocka_unit_test(every_op_agrees_with_its_reference_on_its_samples),
              cmocka_unit_test(every_op_takes_or_clearly_refuses_every_dtype),
              cmocka_unit_test(every_elementwise_op_and_reduction_agrees_at_awkward_lengths),
              cmocka_unit_test(an_op_whose_kernel_and_reference_differ_is_caught),
              cmocka_unit_test(the_comparison_tells_shapes_types_and_single_elements_apart))
