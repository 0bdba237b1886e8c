/* opcheck.c - btl_op_check: an op tried on its samples in every way there is to run it.
 *
 * A *case* is a sample with values, its operands plain, or views, or of symbolic sizes; it is a piece of a program's text.
 * The reference is first held to the op's contract, in memory with room around everything: no byte beside the results is
 * written, every element of them is, twice the same, operands unchanged, whatever their strides. Then it says what each case
 * gives. Then all cases together become one program, which each linker runs: a compiler's start costs as much as a
 * hundred kernels.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"
#include "base/text.h"
#include "bitale/grad.h"
#include "bitale/tools.h"
#include "expr/contract.h"
#include "opcheck/sample.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MOST_SHOWN = 3, MOST_CASES = 200, MOST_RESULTS = 300, MOST_RUN_FAILURES = 6, GRADIENT_ELEMS = 64 };

typedef enum opcheck_variant { PLAIN, TRANSPOSED, STRIDED, REVERSED, BROADCAST, SYMBOLIC, NVARIANTS } opcheck_variant;

static const char *const opcheck_variant_names[NVARIANTS] = { "", ", transposed", ", strided", ", reversed", ", broadcast", ", symbolic sizes" };

typedef struct opcheck_case opcheck_case;
struct opcheck_case {
    btl_sample sample;
    const opcheck_case *plain; /* the first case of that sample and dtype, or itself */
    bool dropped;           /* it broke the contract: nothing else is tried with it */
    opcheck_variant how;
    btl_values values;
    int number, nresults;
    const char *text;       /* inputs, views, the call: lines of a program */
    const char *label;      /* for a person */
    btl_array in[SAMPLE_OPERANDS];
    btl_array *want;        /* what the reference gives; cleared where it fails */
    btl_status status;
    const char *message;    /* of its failure */
    int overwritten;        /* the input that the reference wrote to (undone), or -1 */
};

typedef struct opcheck {
    btl_context *ctx;
    const btl_op *op;
    const btl_op_check_options *o;
    btl_arena *a;
    const char *what;       /* the way that is being tried */
    int cases, failures, all_cases, all_failures;
    int ncases, nresults;
    opcheck_case *v[MOST_CASES];
    btl_error *err;
} opcheck;

/* ---- what is told ---------------------------------------------------------------------------- */

static void opcheck_begin(opcheck *k, const char *what) { k->what = what, k->cases = k->failures = 0; }

static void opcheck_tell(const opcheck *k, const char *message) {
    btl_op_trial t = { k->what, k->cases, k->failures, message };
    if (k->o && k->o->see) k->o->see(k->o->user, &t);
}

static void opcheck_end(opcheck *k) {
    opcheck_tell(k, NULL);
    k->all_cases += k->cases, k->all_failures += k->failures;
}

__attribute__((format(printf, 2, 3)))
static void opcheck_fails(opcheck *k, const char *format, ...) {
    char text[3000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (k->failures++ < MOST_SHOWN) opcheck_tell(k, text);
}

/* ---- things that are freed with the arena ------------------------------------------------------ */

static void opcheck_free_array(void *p) { btl_array_free(p); }
static void opcheck_free_graph(void *p) { btl_graph_free(*(btl_graph **)p); }
static void opcheck_free_function(void *p) { btl_function_free(*(btl_function **)p); }

static btl_array *opcheck_arrays(opcheck *k, int n) {
    btl_array *v = BTL_ARRAY(k->a, btl_array, n + 1);
    for (int i = 0; i < n; i++) btl_arena_defer(k->a, opcheck_free_array, &v[i]);
    return v;
}

static btl_status opcheck_graph(opcheck *k, btl_graph **out) {
    btl_graph **g = BTL_NEW(k->a, btl_graph *);
    BTL_TRY(btl_graph_new(k->ctx, g));
    btl_arena_defer(k->a, opcheck_free_graph, g);
    *out = *g;
    return BTL_OK;
}

/* What the graph recorded as its first mistake, without the caret's lines. */
static const char *opcheck_words(opcheck *k, const char *message) {
    return btl_arena_strndup(k->a, message, strcspn(message, "\n"));
}

/* ---- a case as text ----------------------------------------------------------------------------- */

static void opcheck_list(btl_text *t, const btl_sample_operand *o) {
    btl_text_add(t, "[");
    for (int i = 0; i < o->rank; i++) btl_text_printf(t, i ? ", %lld" : "%lld", (long long)o->dims[i]);
    btl_text_add(t, "]");
}

/* "input i7_x: f32[3, 2]" and "x_7 = i7_x.T"; the input's type is left in `input`. */
static void opcheck_operand(btl_text *t, const opcheck_case *c, const btl_sample_operand *o, btl_sample_operand *input) {
    char type[200];
    int last = o->rank - 1;
    *input = *o;
    bool view = o->rank && !o->fixed;
    if (view && c->how == TRANSPOSED)
        for (int i = 0; i < o->rank; i++) input->dims[i] = o->dims[last - i];
    if (view && c->how == STRIDED) input->dims[last] = 2 * o->dims[last] + 1;
    if (view && c->how == BROADCAST)
        for (int i = 0; i < o->rank; i++)
            if (i < last || i == 0) input->dims[i] = 1;
    btl_text_printf(t, "input i%d_%s: %s\n%s_%d = ", c->number, o->name, btl_sample_type(input, c->how == SYMBOLIC, type, sizeof type), o->name, c->number);
    if (view && c->how == BROADCAST) {
        btl_text_printf(t, "broadcast_to(i%d_%s, ", c->number, o->name);
        opcheck_list(t, o);
        btl_text_add(t, ")\n");
        return;
    }
    const char *behind = !view ? "" : c->how == TRANSPOSED ? ".T" : c->how == STRIDED ? "[..., 1::2]" : c->how == REVERSED ? (o->rank > 1 ? "[::-1, ..., ::-1]" : "[::-1]") : "";
    btl_text_printf(t, "i%d_%s%s\n", c->number, o->name, behind);
}

static bool opcheck_is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

/* The sample's expression with its operands' names made the case's own: "x" becomes "x_7". */
static void opcheck_expression(btl_text *t, const opcheck_case *c) {
    const char *from = c->sample.expression;
    for (const char *p = from; *p;) {
        size_t word = 0;
        int which = -1;
        while (opcheck_is_word(p[word])) word++;
        for (int i = 0; i < c->sample.n && word; i++)
            if (strlen(c->sample.operands[i].name) == word && strncmp(p, c->sample.operands[i].name, word) == 0) which = i;
        if (which >= 0 && p[word] != '(' && p[word] != '=' && (p == from || p[-1] != '.')) btl_text_printf(t, "%s_%d", c->sample.operands[which].name, c->number);
        else btl_text_addn(t, p, word ? word : 1);
        p += word ? word : 1;
    }
}

static void opcheck_results(btl_text *t, const opcheck_case *c) {
    for (int i = 0; i < c->nresults; i++) btl_text_printf(t, "%sr%d_%d", i ? ", " : "", c->number, i);
}

static const char *opcheck_label(opcheck *k, const opcheck_case *c) {
    btl_text t;
    char type[200];
    btl_text_init(&t, k->a);
    btl_text_add(&t, c->sample.expression);
    for (int i = 0; i < c->sample.n; i++) btl_text_printf(&t, ", %s: %s", c->sample.operands[i].name, btl_sample_type(&c->sample.operands[i], false, type, sizeof type));
    btl_text_printf(&t, ", %s values%s", btl_values_names[c->values], opcheck_variant_names[c->how]);
    return t.data;
}

static void opcheck_write(opcheck *k, opcheck_case *c, btl_sample_operand *inputs) {
    btl_text t;
    btl_text_init(&t, k->a);
    for (int i = 0; i < c->sample.n; i++) opcheck_operand(&t, c, &c->sample.operands[i], &inputs[i]);
    opcheck_results(&t, c);
    btl_text_add(&t, " = ");
    opcheck_expression(&t, c);
    btl_text_add(&t, "\n");
    c->text = t.data;
    c->label = opcheck_label(k, c);
}

/* A case with its values; its results are not known yet. */
static opcheck_case *opcheck_case_new(opcheck *k, const btl_sample *s, opcheck_variant how, btl_values values) {
    opcheck_case *c = BTL_NEW(k->a, opcheck_case);
    btl_sample_operand inputs[SAMPLE_OPERANDS];
    *c = (opcheck_case){ .sample = *s, .how = how, .values = values, .number = k->ncases, .nresults = s->is_call ? k->op->nout : 1 };
    if (c->nresults < 1) c->nresults = 1; /* an op that is only a way to build others */
    opcheck_write(k, c, inputs);
    uint64_t random = (k->o && k->o->seed ? k->o->seed : 1) + 1000u * (unsigned)how;
    if (how == SYMBOLIC) random -= 1000u * SYMBOLIC; /* the values of the plain one */
    for (int i = 0; i < s->n; i++) {
        btl_array *memory = opcheck_arrays(k, 1);
        if (btl_array_new(k->ctx, inputs[i].dtype, inputs[i].rank, inputs[i].dims, memory) != BTL_OK) btl_arena_alloc(k->a, SIZE_MAX); /* ends the check */
        btl_sample_fill(memory, s->operands[i].name, values, &random);
        c->in[i] = *memory;
    }
    c->want = opcheck_arrays(k, c->nresults);
    return c;
}

/* The case as a program of its own. *g: the graph, whatever comes of it. */
static btl_status opcheck_parse(opcheck *k, const opcheck_case *c, btl_graph **g, btl_entry **entry) {
    btl_text t;
    btl_text_init(&t, k->a);
    btl_text_printf(&t, "%soutput ", c->text);
    opcheck_results(&t, c);
    btl_text_add(&t, "\n");
    *entry = NULL;
    BTL_TRY(opcheck_graph(k, g));
    btl_status status = btl_graph_parse(*g, t.data, t.length, "sample");
    if (status == BTL_OK) *entry = btl_entry_find(*g, NULL);
    return status;
}

/* ---- the reference -------------------------------------------------------------------------------- */

typedef struct opcheck_program { btl_graph *g; btl_entry *entry; int ninputs; btl_var *inputs[SAMPLE_OPERANDS], **outputs; } opcheck_program;

static void opcheck_program_of(opcheck *k, const opcheck_case *c, btl_graph *g, btl_entry *entry, opcheck_program *p) {
    *p = (opcheck_program){ g, entry, c->sample.n, { NULL }, BTL_ARRAY(k->a, btl_var *, c->nresults + 1) };
    for (int i = 0; i < p->ninputs; i++) p->inputs[i] = btl_entry_input_at(entry, i);
    for (int i = 0; i < c->nresults; i++) p->outputs[i] = btl_entry_output_at(entry, i, NULL);
}

/* Inputs that it overwrites get their values back, so that what follows means something. */
static void opcheck_reference(opcheck *k, opcheck_case *c, const opcheck_program *p) {
    btl_error err = { 0 };
    size_t bytes[SAMPLE_OPERANDS];
    void *kept[SAMPLE_OPERANDS];
    for (int i = 0; i < p->ninputs; i++) {
        bytes[i] = (size_t)btl_array_elems(&c->in[i]) * btl_dtype_bytes(btl_var_dtype(p->inputs[i]));
        kept[i] = btl_arena_copy(k->a, btl_array_data(&c->in[i]), bytes[i]);
    }
    c->status = btl_graph_eval(p->g, p->ninputs, p->inputs, c->in, NULL, c->nresults, p->outputs, c->want, &err);
    c->overwritten = -1;
    for (int i = 0; i < p->ninputs; i++) {
        if (memcmp(btl_array_data(&c->in[i]), kept[i], bytes[i]) == 0) continue;
        c->overwritten = i;
        memcpy(btl_array_data(&c->in[i]), kept[i], bytes[i]);
    }
    c->message = opcheck_words(k, err.message);
}

/* The node of the op itself. */
static const btl_node *opcheck_node(const opcheck *k, const btl_graph *g) {
    for (int i = 0; i < g->nnodes; i++)
        if (g->nodes[i]->op == k->op) return g->nodes[i];
    return NULL;
}

/* ---- eval held to its contract ---------------------------------------------------------------------- */

/* The reference of a node, as a way to run it. */
typedef struct opcheck_direct { opcheck *k; const btl_graph *g; const btl_node *n; int64_t *symbols; } opcheck_direct;

static btl_status opcheck_run_direct(void *user, const btl_operand *in, btl_operand *out, void *work, btl_error *err) {
    const opcheck_direct *d = user;
    btl_exec x = { .node = d->n, .params = d->n->params, .nin = d->n->nin, .nout = d->n->nout, .in = in, .out = out, .symbols = d->symbols, .work = work, .ctx = d->k->ctx, .err = err };
    return btl_exec_eval(&x);
}

/* The types and sizes of its results; false: they can't be told. */
static bool opcheck_result_types(opcheck *k, const opcheck_direct *d, const btl_operand *in, btl_operand *out) {
    btl_error err = { 0 };
    btl_exec x = { .node = d->n, .params = d->n->params, .nin = d->n->nin, .nout = d->n->nout, .in = in, .out = out, .symbols = d->symbols, .ctx = k->ctx, .err = &err };
    if (d->n->op->measure && btl_exec_measure(&x, d->g) != BTL_OK) return false;
    for (int i = 0; i < d->n->nout; i++) {
        const btl_type *type = &d->n->out[i].type;
        int64_t *dims = BTL_ARRAY(k->a, int64_t, type->rank + 1);
        for (int axis = 0; axis < type->rank; axis++)
            if (!btl_dim_eval(type->dims[axis], d->symbols, &dims[axis]) || dims[axis] < 0) return false;
        out[i] = (btl_operand){ NULL, type->dtype, type->rank, dims, NULL };
    }
    return true;
}

/* Runs the node by itself. False: it broke its contract (told). */
static bool opcheck_contract(opcheck *k, const opcheck_case *c, const opcheck_program *p) {
    const btl_node *n = opcheck_node(k, p->g);
    btl_error err = { 0 };
    if (!n || n->nin > SAMPLE_OPERANDS || c->how != PLAIN) return true;
    btl_array *values = opcheck_arrays(k, n->nin), *results = BTL_ARRAY(k->a, btl_array, n->nout + 1);
    btl_operand in[SAMPLE_OPERANDS + 1], *out = BTL_ARRAY(k->a, btl_operand, n->nout + 1);
    int64_t strides[SAMPLE_OPERANDS + 1][BTL_MAX_RANK];
    opcheck_direct d = { k, p->g, n, BTL_ARRAY(k->a, int64_t, p->g->dims.nsymbols + 1) };
    btl_way way = { .name = "eval", .user = &d, .run = opcheck_run_direct, .any_layout = true };
    char why[1200];
    if (n->nin && btl_graph_eval(p->g, p->ninputs, p->inputs, c->in, NULL, n->nin, n->in, values, &err) != BTL_OK) return true;
    for (int i = 0; i < n->nin; i++) in[i] = btl_operand_of_array(&values[i], strides[i]);
    for (int i = 0; i < p->g->dims.nsymbols; i++) d.symbols[i] = -1;
    if (!opcheck_result_types(k, &d, in, out)) return true; /* what fails is looked at where the reference runs */
    if (btl_way_try(k->a, &way, n->nin, in, n->nout, out, results, why, sizeof why, &err) != BTL_ECHECK) return true;
    opcheck_fails(k, "%s: %s", c->label, why);
    return false;
}

/* ---- gathering cases ---------------------------------------------------------------------------- */

static bool opcheck_is_rightly_refused(opcheck *k, const opcheck_case *c, const btl_graph *g) {
    const btl_error *e = btl_graph_error(g);
    if (!e || !*e->message || strstr(e->message, "does not say why")) opcheck_fails(k, "%s: refused without a word", c->label);
    else if (e->status == BTL_EINTERNAL || e->status == BTL_EPLUGIN || e->status == BTL_ENOMEM) opcheck_fails(k, "%s: %s", c->label, opcheck_words(k, e->message));
    else return true;
    return false;
}

/* Types a case and keeps it. NULL: the op refuses it. */
static opcheck_case *opcheck_take(opcheck *k, const btl_sample *s, opcheck_variant how, btl_values values, const opcheck_case *plain) {
    btl_graph *g;
    btl_entry *entry;
    opcheck_case *c = opcheck_case_new(k, s, how, values);
    k->cases++;
    if (opcheck_parse(k, c, &g, &entry) != BTL_OK || !entry) {
        opcheck_is_rightly_refused(k, c, g);
        return NULL;
    }
    if (!btl_graph_check(g)) opcheck_fails(k, "%s: the graph is not sound: %s", c->label, btl_graph_messages(g));
    c->plain = plain ? plain : c;
    if (k->ncases < MOST_CASES && k->nresults + c->nresults <= MOST_RESULTS) k->v[k->ncases++] = c, k->nresults += c->nresults;
    return c;
}

/* A sample with tame values, with hard ones, and with its operands lying otherwise. */
static bool opcheck_sample(opcheck *k, const btl_sample *s, bool hard) {
    static const btl_values special[] = { VALUES_HARD, VALUES_NAN, VALUES_INF, VALUES_ZEROS, VALUES_TINY };
    const opcheck_case *plain = opcheck_take(k, s, PLAIN, VALUES_TAME, NULL);
    if (!plain) return false;
    for (size_t v = 0; hard && v < sizeof special / sizeof *special; v++) opcheck_take(k, s, PLAIN, special[v], plain);
    for (int how = TRANSPOSED; how < NVARIANTS; how++) opcheck_take(k, s, (opcheck_variant)how, VALUES_TAME, plain);
    return true;
}

static void opcheck_types(opcheck *k, btl_samples samples) {
    char why[500];
    btl_sample s;
    /* where elements are combined, what overflows inside depends on the order: Bitale's own promise no bits there */
    bool any = false, hard = btl_op_own_def(k->op) || k->op->elem || (k->op->flags & OP_IS_PURE_SHAPE);
    opcheck_begin(k, "types");
    if (!samples || !samples[0]) opcheck_fails(k, "it has no samples to be tried on");
    for (int i = 0; samples && samples[i]; i++) {
        if (!btl_sample_parse(k->op, samples[i], &s, why, sizeof why)) opcheck_fails(k, "%s", why);
        else if (opcheck_sample(k, &s, hard)) any = true;
        else if (k->op->samples) opcheck_fails(k, "it refuses its sample \"%s\"", samples[i]);
    }
    for (int dtype = 0; any && dtype < BTL_NDTYPES && btl_sample_parse(k->op, samples[0], &s, why, sizeof why); dtype++) {
        bool retyped = false;
        for (int i = 0; i < s.n; i++)
            if (!s.operands[i].fixed) s.operands[i].dtype = (btl_dtype)dtype, retyped = true;
        if (retyped) opcheck_take(k, &s, PLAIN, VALUES_TAME, NULL);
    }
    opcheck_end(k);
}

/* ---- the reference, one case after the other --------------------------------------------------------- */

/* Symbolic sizes must come out as the numbers do. */
static void opcheck_compare_symbolic(opcheck *k, const opcheck_case *c) {
    char why[400];
    btl_agreement exact = { 0 };
    if (c->how != SYMBOLIC || c->plain->status != BTL_OK || c->status != BTL_OK) return;
    for (int i = 0; i < c->nresults; i++)
        if (!btl_arrays_agree(&c->want[i], &c->plain->want[i], &exact, why, sizeof why))
            opcheck_fails(k, "%s: with symbolic sizes result %d is another one: %s", c->plain->label, i, why);
}

static bool opcheck_reference_is_good(opcheck *k, const opcheck_case *c, const btl_graph *g) {
    int before = k->failures;
    if (c->overwritten >= 0) opcheck_fails(k, "%s: its eval writes to operand %d, which it does not declare as destroyed", c->label, c->overwritten);
    if (c->status == BTL_EINTERNAL || c->status == BTL_EPLUGIN || c->status == BTL_ENOMEM) opcheck_fails(k, "%s: %s", c->label, c->message);
    else if (c->status != BTL_OK && !(k->op->flags & OP_CAN_FAIL) && opcheck_node(k, g))
        opcheck_fails(k, "%s: it fails when it runs, which it does not declare (BTL_OP_CAN_FAIL): %s", c->label, c->message);
    return k->failures == before;
}

static void opcheck_eval(opcheck *k) {
    opcheck_begin(k, "eval");
    for (int i = 0; i < k->ncases; i++) {
        btl_graph *g;
        btl_entry *entry;
        opcheck_program p;
        opcheck_case *c = k->v[i];
        k->cases++;
        c->dropped = c->plain->dropped || opcheck_parse(k, c, &g, &entry) != BTL_OK;
        if (c->dropped) continue;
        opcheck_program_of(k, c, g, entry, &p);
        c->dropped = !opcheck_contract(k, c, &p);
        if (c->dropped) continue;
        opcheck_reference(k, c, &p);
        c->dropped = !opcheck_reference_is_good(k, c, g);
        if (!c->dropped) opcheck_compare_symbolic(k, c);
    }
    opcheck_end(k);
}

/* ---- the linkers -------------------------------------------------------------------------------- */

static btl_status opcheck_compile(opcheck *k, const char *text, const char *linker, btl_function **out, btl_error *err) {
    btl_graph *g;
    BTL_TRY(opcheck_graph(k, &g));
    btl_status status = btl_graph_parse(g, text, strlen(text), "samples");
    if (status != BTL_OK) return btl_error_set(err, status, "%s", btl_graph_error(g)->message);
    btl_function_options o = { .struct_size = sizeof o, .mode = btl_arena_printf(k->a, "fast_compile,linker=%s", linker) };
    btl_function **f = BTL_NEW(k->a, btl_function *);
    btl_arena_defer(k->a, opcheck_free_function, f);
    status = btl_function_new(g, btl_entry_find(g, NULL), &o, f, err);
    *out = *f;
    return status;
}

static bool opcheck_is_code(const char *linker) { return strcmp(linker, "c") == 0 || strcmp(linker, "vm") == 0; }

/* How far a linker's results may lie from the reference's. False: nobody promises anything. */
static bool opcheck_tolerance(const opcheck *k, btl_dtype dtype, btl_agreement *t) {
    const btl_op_def *def = btl_op_own_def(k->op);
    *t = (btl_agreement){ .ulps = def ? def->max_ulp : 0 };
    return def || btl_dtype_kind(dtype) != 'f' || (k->op->flags & OP_IS_PURE_SHAPE);
}

static void opcheck_compare(opcheck *k, const opcheck_case *c, const btl_array *got, const btl_array *strips) {
    char why[400];
    for (int i = 0; i < c->nresults; i++) {
        btl_agreement t, exact = { 0 };
        btl_dtype dtype = BTL_F64;
        btl_array_dtype(&c->want[i], &dtype);
        k->cases++;
        if (opcheck_tolerance(k, dtype, &t) && !btl_arrays_agree(&got[i], &c->want[i], &t, why, sizeof why))
            opcheck_fails(k, "%s, result %d: not what the reference gives: %s", c->label, i, why);
        else if (strips && !btl_op_own_def(k->op) && !btl_arrays_agree(&got[i], &strips[i], &exact, why, sizeof why))
            opcheck_fails(k, "%s, result %d: not the bits of the strips: %s", c->label, i, why);
    }
}

static bool opcheck_goes_well(const opcheck_case *c) { return !c->dropped && c->status == BTL_OK; }

/* All cases that go well, as one function. *results: what it gave, for the linkers that follow. */
static void opcheck_all_at_once(opcheck *k, const char *linker, const btl_array *strips, btl_array **results) {
    btl_text t, outputs;
    int n = 0, nin = 0, at = 0;
    btl_text_init(&t, k->a), btl_text_init(&outputs, k->a);
    for (int i = 0; i < k->ncases; i++) n += opcheck_goes_well(k->v[i]) ? k->v[i]->nresults : 0;
    btl_array *in = BTL_ARRAY(k->a, btl_array, k->ncases * SAMPLE_OPERANDS + 1), *out = opcheck_arrays(k, n);
    for (int i = 0; i < k->ncases; i++) {
        if (!opcheck_goes_well(k->v[i])) continue;
        btl_text_add(&t, k->v[i]->text);
        btl_text_add(&outputs, outputs.length ? ", " : "");
        opcheck_results(&outputs, k->v[i]);
        for (int j = 0; j < k->v[i]->sample.n; j++) in[nin++] = k->v[i]->in[j];
    }
    *results = NULL;
    if (!n) return;
    btl_text_printf(&t, "output %s\n", outputs.data);
    btl_function *f = NULL;
    btl_error err = { 0 };
    btl_status status = opcheck_compile(k, t.data, linker, &f, &err);
    if (status == BTL_OK && opcheck_is_code(linker) && *btl_function_note(f)) btl_error_set(&err, status = BTL_ECOMPILER, "there is no generated code: %s", btl_function_note(f));
    if (status == BTL_OK) status = btl_call(f, NULL, in, out, NULL, &err);
    if (status != BTL_OK) {
        k->cases++;
        opcheck_fails(k, "%s", err.message);
        return;
    }
    for (int i = 0; i < k->ncases; i++) {
        if (!opcheck_goes_well(k->v[i])) continue;
        opcheck_compare(k, k->v[i], &out[at], strips ? &strips[at] : NULL);
        at += k->v[i]->nresults;
    }
    *results = out;
}

/* Cases that fail when they run do so in the same words. */
static void opcheck_run_failures(opcheck *k, const char *linker) {
    int tried = 0;
    for (int i = 0; i < k->ncases && tried < MOST_RUN_FAILURES; i++) {
        const opcheck_case *c = k->v[i];
        if (c->dropped || c->status == BTL_OK) continue;
        btl_text t;
        btl_error err = { 0 };
        btl_function *f = NULL;
        btl_array *out = opcheck_arrays(k, c->nresults);
        btl_text_init(&t, k->a);
        btl_text_printf(&t, "%soutput ", c->text);
        opcheck_results(&t, c);
        btl_text_add(&t, "\n");
        btl_status status = opcheck_compile(k, t.data, linker, &f, &err);
        if (status == BTL_OK) status = btl_call(f, NULL, c->in, out, NULL, &err);
        tried++, k->cases++;
        if (status != c->status) opcheck_fails(k, "%s: status %d (%s), the reference has %d (%s)", c->label, status, opcheck_words(k, err.message), c->status, c->message);
        else if (!strstr(err.message, c->message)) opcheck_fails(k, "%s: it fails with \"%s\", the reference with \"%s\"", c->label, opcheck_words(k, err.message), c->message);
    }
}

static void opcheck_linkers(opcheck *k) {
    const char *list = k->o && k->o->linkers ? k->o->linkers : "strips,vm,c";
    btl_array *strips = NULL, *results;
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        const char *linker = btl_arena_strndup(k->a, p, n);
        p += n + (p[n] == ',');
        if (!n) continue;
        opcheck_begin(k, linker);
        opcheck_all_at_once(k, linker, strips, &results);
        if (strcmp(linker, "strips") == 0) strips = results;
        opcheck_run_failures(k, linker);
        opcheck_end(k);
    }
}

/* ---- text ----------------------------------------------------------------------------------------- */

static bool opcheck_same_again(opcheck *k, const char *label, const char *when, const char *printed) {
    btl_graph *g;
    k->cases++;
    if (!printed || opcheck_graph(k, &g) != BTL_OK) return false;
    const char *again = btl_graph_parse(g, printed, strlen(printed), "printed") == BTL_OK ? btl_graph_print(g) : NULL;
    if (!again) opcheck_fails(k, "%s: %s is not read back: %s\n%s", label, when, btl_graph_messages(g), printed);
    else if (strcmp(again, printed) != 0) opcheck_fails(k, "%s: %s is printed as\n%sand, read back, as\n%s", label, when, printed, again);
    else return true;
    return false;
}

static void opcheck_text(opcheck *k) {
    opcheck_begin(k, "text");
    for (int i = 0; i < k->ncases; i++) {
        const opcheck_case *c = k->v[i];
        const char *pass;
        btl_graph *g;
        btl_entry *entry;
        if ((c->how != PLAIN && c->how != SYMBOLIC) || opcheck_parse(k, c, &g, &entry) != BTL_OK) continue;
        bool good = opcheck_same_again(k, c->label, "the program", btl_graph_print(g));
        for (int n = 0; good && (pass = btl_pipeline_pass(n, NULL)); n++) {
            btl_graph **after = BTL_NEW(k->a, btl_graph *);
            btl_error err = { 0 };
            if (strcmp(pass, "compile") == 0) continue; /* changes no graph */
            btl_arena_defer(k->a, opcheck_free_graph, after);
            if (btl_pipeline_print(g, entry, NULL, pass, after, &err) != BTL_OK) {
                opcheck_fails(k, "%s: %s", c->label, err.message);
                break;
            }
            good = opcheck_same_again(k, c->label, btl_arena_printf(k->a, "the program after %s", pass), btl_graph_print(*after));
        }
    }
    opcheck_end(k);
}

/* ---- derivatives ------------------------------------------------------------------------------------ */

/* A plain case whose floats are all of that type and lie where a derivative can be tried. NULL: none. */
static opcheck_case *opcheck_smooth(opcheck *k, const btl_sample *from, btl_dtype dtype) {
    btl_sample s = *from;
    int64_t elems = 0;
    bool any = false;
    for (int i = 0; i < s.n; i++) {
        if (btl_dtype_kind(s.operands[i].dtype) == 'f') s.operands[i].dtype = dtype, any = true;
        elems += btl_sample_elems(&s.operands[i]);
    }
    if (!any || elems > GRADIENT_ELEMS) return NULL;
    opcheck_case *c = opcheck_case_new(k, &s, PLAIN, VALUES_TAME);
    uint64_t random = 77 + (k->o ? k->o->seed : 0);
    for (int i = 0; i < s.n; i++)
        for (int64_t at = 0, n = btl_array_elems(&c->in[i]); btl_dtype_kind(s.operands[i].dtype) == 'f' && at < n; at++)
            btl_sample_set(&c->in[i], at, btl_sample_uniform(&random, s.operands[i].low, s.operands[i].high), 0);
    return c;
}

/* The gradient of sum(y * y) as a function of its own, by every float. */
static void opcheck_second(opcheck *k, const opcheck_case *c, const opcheck_program *p, btl_var *y) {
    btl_var *floats[SAMPLE_OPERANDS], *gradients[SAMPLE_OPERANDS] = { NULL }, *cost = btl_expr(p->g, "sum(y * y)", "y", y, NULL);
    int n = 0;
    for (int i = 0; i < p->ninputs; i++)
        if (btl_dtype_kind(btl_var_dtype(p->inputs[i])) == 'f') floats[n++] = p->inputs[i];
    if (!cost || btl_grad(p->g, cost, n, floats, BTL_DISCONNECTED_ZERO, gradients) != BTL_OK) return;
    for (int i = 0; i < n; i++) {
        btl_error err = { 0 };
        btl_verify_options o = { .rel_tol = 1e-5, .abs_tol = 1e-6 };
        btl_status status = btl_verify_grad(p->g, gradients[i], p->ninputs, p->inputs, c->in, &o, &err);
        if (status == BTL_EGRAD) return; /* its derivative is made of what has none: allowed */
        k->cases++;
        if (status != BTL_OK) opcheck_fails(k, "%s: the gradient of its gradient: %s", c->label, err.message);
    }
}

static double opcheck_along(const btl_array *a, const btl_array *b, double step, int64_t at) {
    return btl_sample_element(a, at) + step * btl_sample_element(b, at);
}

/* The Jacobian times a random direction, by rop, against central differences of the reference. */
static void opcheck_forward(opcheck *k, const opcheck_case *c, const opcheck_program *p, int result) {
    enum { HERE, AHEAD, BEHIND, TRIES };
    const double step = 1e-6;
    btl_var *floats[SAMPLE_OPERANDS], *moves[SAMPLE_OPERANDS], *given[2 * SAMPLE_OPERANDS], *y = p->outputs[result], *rop = NULL;
    btl_array *at = opcheck_arrays(k, 2 * SAMPLE_OPERANDS * TRIES), *value = opcheck_arrays(k, TRIES);
    int n = 0;
    uint64_t random = 99 + (k->o ? k->o->seed : 0);
    btl_error err = { 0 };
    for (int i = 0; i < p->ninputs; i++) {
        given[i] = p->inputs[i];
        for (int t = 0; t < TRIES; t++)
            if (btl_array_new(k->ctx, btl_var_dtype(p->inputs[i]), c->in[i].ndim, c->in[i].shape, &at[2 * SAMPLE_OPERANDS * t + i]) != BTL_OK ||
                btl_array_copy(&at[2 * SAMPLE_OPERANDS * t + i], &c->in[i]) != BTL_OK) return;
        if (btl_dtype_kind(btl_var_dtype(p->inputs[i])) != 'f') continue;
        btl_array *direction = &at[p->ninputs + n];
        if (btl_array_new(k->ctx, BTL_F64, c->in[i].ndim, c->in[i].shape, direction) != BTL_OK) return;
        for (int64_t e = 0, elems = btl_array_elems(direction); e < elems; e++) {
            btl_sample_set(direction, e, btl_sample_uniform(&random, -1, 1), 0);
            btl_sample_set(&at[2 * SAMPLE_OPERANDS * AHEAD + i], e, opcheck_along(&c->in[i], direction, step, e), 0);
            btl_sample_set(&at[2 * SAMPLE_OPERANDS * BEHIND + i], e, opcheck_along(&c->in[i], direction, -step, e), 0);
        }
        char type[200];
        floats[n] = p->inputs[i];
        moves[n] = given[p->ninputs + n] = btl_input(p->g, btl_arena_printf(k->a, "direction%d", n), btl_sample_type(&c->sample.operands[i], false, type, sizeof type));
        n++;
    }
    k->cases++;
    if (btl_rop(p->g, 1, &y, n, floats, moves, BTL_DISCONNECTED_ZERO, &rop) != BTL_OK) {
        opcheck_fails(k, "%s, result %d, forward: %s", c->label, result, opcheck_words(k, btl_graph_error(p->g)->message));
        return;
    }
    btl_status status = btl_graph_eval(p->g, p->ninputs + n, given, at, NULL, 1, &rop, &value[HERE], &err);
    for (int t = AHEAD; t < TRIES && status == BTL_OK; t++) status = btl_graph_eval(p->g, p->ninputs, p->inputs, &at[2 * SAMPLE_OPERANDS * t], NULL, 1, &y, &value[t], &err);
    if (status != BTL_OK) {
        opcheck_fails(k, "%s, result %d, forward: %s", c->label, result, err.message);
        return;
    }
    for (int64_t e = 0, elems = btl_array_elems(&value[HERE]); e < elems; e++) {
        double got = btl_sample_element(&value[HERE], e), want = opcheck_along(&value[AHEAD], &value[BEHIND], -1, e) / (2 * step);
        if (fabs(got - want) <= 1e-6 + 1e-5 * fabs(want)) continue;
        opcheck_fails(k, "%s, result %d, forward: element %lld moves by %.9g along a direction, by differences %.9g", c->label, result, (long long)e, got, want);
        return;
    }
}

static void opcheck_gradient_of(opcheck *k, const btl_sample *s, btl_dtype dtype) {
    btl_graph *g;
    btl_entry *entry;
    opcheck_program p;
    bool none = !k->op->vjp && !k->op->body;
    opcheck_case *c = opcheck_smooth(k, s, dtype);
    if (!c || opcheck_parse(k, c, &g, &entry) != BTL_OK || !entry) return;
    opcheck_program_of(k, c, g, entry, &p);
    if (!opcheck_contract(k, c, &p)) return;
    opcheck_reference(k, c, &p);
    if (c->status != BTL_OK) return; /* of an empty array, say: told elsewhere if it must not be */
    for (int i = 0; i < c->nresults; i++) {
        btl_error err = { 0 };
        btl_verify_options o = { .every_coordinate = true };
        if (btl_dtype_kind(btl_var_dtype(p.outputs[i])) != 'f') continue;
        if (none && k->op->jvp) {
            if (dtype == BTL_F64) opcheck_forward(k, c, &p, i);
            continue;
        }
        if (dtype == BTL_F64) o.rel_tol = 1e-5, o.abs_tol = 1e-7;
        btl_status status = btl_verify_grad(g, p.outputs[i], p.ninputs, p.inputs, c->in, &o, &err);
        k->cases++;
        if (none && status == BTL_EGRAD && strstr(err.message, k->op->name)) return; /* says so */
        if (status != BTL_OK) opcheck_fails(k, "%s, result %d: %s", c->label, i, err.message);
        else if (dtype == BTL_F64) opcheck_second(k, c, &p, p.outputs[i]), opcheck_forward(k, c, &p, i);
        if (status != BTL_OK) return;
    }
}

static void opcheck_gradients(opcheck *k, btl_samples samples) {
    char why[500];
    opcheck_begin(k, "gradient");
    for (int i = 0; samples && samples[i]; i++) {
        btl_sample s;
        if (!btl_sample_parse(k->op, samples[i], &s, why, sizeof why)) continue;
        opcheck_gradient_of(k, &s, BTL_F64);
        opcheck_gradient_of(k, &s, BTL_F32);
    }
    opcheck_end(k);
}

/* ---- all of it ---------------------------------------------------------------------------------------- */

static btl_status opcheck_run(void *arg) {
    opcheck *k = arg;
    btl_samples samples = btl_samples_of(k->op);
    opcheck_types(k, samples);
    opcheck_eval(k);
    opcheck_linkers(k);
    opcheck_text(k);
    if (btl_op_own_def(k->op)) opcheck_gradients(k, samples); /* where Bitale's are smooth, test/sweep knows */
    return BTL_OK;
}

btl_status btl_op_check(btl_context *ctx, const char *name, const btl_op_check_options *options, btl_error *err) {
    const btl_op *op = btl_op_lookup(ctx, name, strlen(name));
    btl_arena arena;
    if (!op || (op->flags & (OP_LEAF | OP_HIDDEN))) return btl_error_set(err, BTL_ENAME, "there is no op named %.100s", name);
    btl_arena_init(&arena, ctx);
    opcheck k = { .ctx = ctx, .op = op, .o = options, .a = &arena };
    btl_status status = btl_arena_protect(&arena, opcheck_run, &k);
    btl_arena_deinit(&arena);
    if (status != BTL_OK) return btl_error_set(err, status, "%s: out of memory while it was checked", name);
    if (k.all_failures) return btl_error_set(err, BTL_ECHECK, "%s: %d of %d cases failed", name, k.all_failures, k.all_cases);
    return BTL_OK;
}
