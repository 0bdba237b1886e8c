/* batch.h - many small cases as one program: the operands and results of samples of ops, and of programs drawn at random,
 * with what the strips make of them. A compiler's start costs as much as a hundred kernels, so cases are compiled
 * and compared by the batch.
 *
 * Ordinarily a part of the cases is compiled, another for another seed; BTL_FULL=1 (make sweep) takes all.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_SWEEP_BATCH_H
#define TEST_SWEEP_BATCH_H

#include "programs.h"

#include <ctype.h>
#include <stdarg.h>

enum { BATCH_OUTPUTS = 160, BATCH_INPUTS = 500, BATCH_TEXT = 1 << 20 };

typedef struct batch batch;
struct batch {
    char *text, *outputs;
    size_t at, outputs_at;
    int ninputs, noutputs, ncases;
    btl_array in[BATCH_INPUTS];
    char *label[BATCH_OUTPUTS + 8];
    sweep_report *report;
    /* Makes the results of the whole program in other ways and compares them with `want`. */
    void (*compare)(batch *b, const char *rewrites, const btl_array *want);
    /* What becomes of a case that fails, and (may be NULL) whether one that does not is taken. */
    void (*fails)(batch *b, const char *op, const char *label, const char *text, const btl_array *in, const btl_error *err);
    bool (*takes)(batch *b, const char *op, const char *label, const char *text, const btl_array *in, const char *rewrites);
};

static void batch_add(batch *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void batch_add(batch *b, const char *format, ...) {
    va_list list;
    va_start(list, format);
    b->at += (size_t)vsnprintf(b->text + b->at, BATCH_TEXT - b->at, format, list);
    va_end(list);
    assert_true(b->at < BATCH_TEXT);
}

static btl_status batch_try(const char *text, const char *mode, const btl_array *in, btl_array *out, btl_error *err, btl_function **keep) {
    btl_graph *g = NULL;
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    btl_function *f = NULL;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_status status = btl_graph_parse(g, text, strlen(text), "batch");
    if (status != BTL_OK) snprintf(err->message, sizeof err->message, "%.1700s", btl_graph_messages(g)), err->status = status;
    if (status == BTL_OK) status = btl_function_new(g, btl_entry_find(g, NULL), &o, &f, err);
    if (status == BTL_OK) status = btl_call(f, NULL, in, out, NULL, err);
    if (keep) *keep = f;
    else btl_function_free(f);
    btl_graph_free(g);
    return status;
}

static bool same_bits(const btl_array *a, const btl_array *b, char *why, size_t bytes) {
    sweep_tolerance exact = { 0 };
    return sweep_agree(a, b, &exact, why, bytes);
}

static SWEEP_UNUSED void batch_differs(batch *b, const char *how, const btl_array *got, const btl_array *want) {
    char why[300];
    for (int i = 0; i < b->noutputs; i++) {
        b->report->cases++;
        if (!same_bits(&got[i], &want[i], why, sizeof why)) sweep_fails(b->report, b->label[i], "%s, %s: %s", b->label[i], how, why);
    }
}

static void batch_free_outputs(const batch *b, btl_array *out) {
    for (int i = 0; i < b->noutputs; i++) btl_array_free(&out[i]);
    free(out);
}

/* All that was gathered. */
static void batch_run(batch *b, const char *rewrites) {
    btl_array *want = calloc((size_t)b->noutputs + 1, sizeof *want);
    btl_error err = { 0 };
    char mode[80];
    if (b->noutputs) {
        batch_add(b, "output %s\n", b->outputs);
        snprintf(mode, sizeof mode, "%s,linker=strips", rewrites);
        if (batch_try(b->text, mode, b->in, want, &err, NULL) != BTL_OK) BTL_FAIL("%s\n%s", err.message, b->text);
        b->compare(b, rewrites, want);
    }
    batch_free_outputs(b, want);
    for (int i = 0; i < b->noutputs; i++) free(b->label[i]);
    for (int i = 0; i < b->ninputs; i++) btl_array_free(&b->in[i]);
    b->ninputs = b->noutputs = b->ncases = 0;
    b->at = b->outputs_at = 0;
}

static void batch_begin(batch *b, sweep_report *report) {
    b->text = malloc(BATCH_TEXT), b->outputs = malloc(BATCH_TEXT);
    b->report = report;
}

static void batch_end(batch *b, const char *rewrites) {
    batch_run(b, rewrites);
    free(b->text), free(b->outputs);
}

static void batch_output(batch *b, const char *name, const char *label) {
    b->outputs_at += (size_t)snprintf(b->outputs + b->outputs_at, BATCH_TEXT - b->outputs_at, "%so%d = %s", b->noutputs ? ", " : "", b->noutputs, name);
    b->label[b->noutputs++] = strdup(label);
}

/* One case of `of`, by its number and the seed; all with BTL_FULL; a sanitised build, which compiles the same code, a quarter of them. */
static bool is_taken(unsigned number, unsigned of) {
    const char *full = getenv("BTL_FULL"), *sanitized = getenv("BTL_SANITIZE");
    if (full && *full == '1') return true;
    if (sanitized && *sanitized) of *= 4;
    return (number * 2654435761u >> 7) % of == btl_test_seed() % of;
}

/* ---- ops on their samples ----------------------------------------------------------------------- */

typedef enum variant { PLAIN, TRANSPOSED, STRIDED, REVERSED, STRETCHED, SYMBOLIC, NVARIANTS } variant;

static const char *const variant_names[NVARIANTS] = { "", " transposed", " strided", " reversed", " broadcast", " symbolic" };

/* An operand of a case: the input's type, and how the operand is made of it. */
static void case_operand(batch *b, const sweep_sample *s, int i, variant how, char *text, size_t bytes, sweep_operand *input) {
    const sweep_operand *o = &s->operands[i];
    char name[40], view[160];
    *input = *o;
    snprintf(name, sizeof name, "i%d_%s", b->ncases, o->name);
    snprintf(view, sizeof view, "%s", name);
    int last = o->rank - 1;
    if (o->rank && !o->fixed) switch (how) {
        case TRANSPOSED:
            for (int k = 0; k < o->rank; k++) input->dims[k] = o->dims[last - k];
            snprintf(view, sizeof view, "%s.T", name);
            break;
        case STRIDED:
            input->dims[last] = 2 * o->dims[last] + 1;
            snprintf(view, sizeof view, "%s[..., 1::2]", name);
            break;
        case REVERSED: snprintf(view, sizeof view, "%s[::-1%s]", name, o->rank > 1 ? ", ..., ::-1" : ""); break;
        case STRETCHED: {
            int at = snprintf(view, sizeof view, "broadcast_to(%s, [", name);
            for (int k = 0; k < o->rank; k++) {
                at += snprintf(view + at, sizeof view - (size_t)at, "%s%lld", k ? ", " : "", (long long)o->dims[k]);
                if (k < last || k == 0) input->dims[k] = 1;
            }
            snprintf(view + at, sizeof view - (size_t)at, "])");
            break;
        }
        default: break;
    }
    char type[120];
    int at = snprintf(type, sizeof type, "%s", btl_dtype_name(input->dtype));
    for (int k = 0; k < input->rank; k++)
        at += snprintf(type + at, sizeof type - (size_t)at, "%s%s%lld", k ? ", " : "[", how == SYMBOLIC && input->dims[k] != 1 && !o->fixed ? "n" : "",
                       (long long)input->dims[k]);
    if (input->rank) snprintf(type + at, sizeof type - (size_t)at, "]");
    snprintf(text, bytes, "input %s: %s\n%s_%d = %s\n", name, type, o->name, b->ncases, view);
}

/* The sample's expression with its operands' names made the case's own. */
static void case_expression(const sweep_sample *s, int number, char *text, size_t bytes) {
    size_t at = 0;
    for (const char *p = s->expression; *p && at + 60 < bytes;) {
        size_t word = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
        int which = -1;
        for (int i = 0; i < s->n; i++)
            if (strlen(s->operands[i].name) == word && strncmp(p, s->operands[i].name, word) == 0) which = i;
        if (which >= 0 && p[word] != '(' && p[word] != '=' && (p == s->expression || p[-1] != '.')) at += (size_t)snprintf(text + at, bytes - at, "%s_%d", s->operands[which].name, number);
        else at += (size_t)snprintf(text + at, bytes - at, "%.*s", (int)(word ? word : 1), p);
        p += word ? word : 1;
    }
    text[at] = 0;
}

static void case_add(batch *b, const sweep_sample *s, variant how, sweep_values values) {
    char text[4000] = "", expression[600], alone[5000], label[700];
    btl_array in[SWEEP_OPERANDS];
    size_t at = 0;
    btl_rng r = { btl_test_seed() + (uint64_t)how };
    int label_at = snprintf(label, sizeof label, "%s: %s", s->op->name, s->expression);
    for (int i = 0; i < s->n; i++) {
        sweep_operand input;
        char type[80];
        case_operand(b, s, i, how, text + at, sizeof text - at, &input);
        at += strlen(text + at);
        BTL_ASSERT_OK(btl_array_new(NULL, input.dtype, input.rank, input.dims, &in[i]));
        sweep_fill(&in[i], s->operands[i].name, values, &r);
        label_at += snprintf(label + label_at, sizeof label - (size_t)label_at, ", %s: %s", s->operands[i].name, sweep_type_text(&s->operands[i], type, sizeof type));
    }
    snprintf(label + label_at, sizeof label - (size_t)label_at, ", %s values%s", sweep_values_names[values], variant_names[how]);
    case_expression(s, b->ncases, expression, sizeof expression);
    at += (size_t)snprintf(text + at, sizeof text - at, "r_%d = %s\n", b->ncases, expression);
    snprintf(alone, sizeof alone, "%soutput r_%d\n", text, b->ncases);
    btl_array out = { 0 };
    btl_error err = { 0 };
    btl_status status = batch_try(alone, "fast_compile,linker=strips", in, &out, &err, NULL);
    btl_array_free(&out);
    if (status == BTL_EINDEX || status == BTL_EVALUE || status == BTL_EASSERT || status == BTL_ESINGULAR) b->fails(b, s->op->name, label, alone, in, &err);
    if (status == BTL_OK && b->takes && !b->takes(b, s->op->name, label, alone, in, "fast_compile")) status = BTL_EUNSUPPORTED;
    if (status == BTL_OK && b->at + at + 100 < BATCH_TEXT) {
        batch_add(b, "%s", text);
        char name[30];
        snprintf(name, sizeof name, "r_%d", b->ncases);
        batch_output(b, name, label);
        for (int i = 0; i < s->n; i++) b->in[b->ninputs++] = in[i];
        b->ncases++;
        if (b->noutputs >= BATCH_OUTPUTS || b->ninputs + SWEEP_OPERANDS >= BATCH_INPUTS) batch_run(b, "fast_compile");
        return;
    }
    for (int i = 0; i < s->n; i++) btl_array_free(&in[i]);
}

/* ---- structural ops ----------------------------------------------------------------------------- */

/* What moves and multiplies, beyond the samples: items of every kind, bounds that are variables, sizes around tiles,
 * vectors, lanes and blocks, leading axes that can be joined and such that cannot. */
static SWEEP_UNUSED const char *const structural[] = {
    "x: f32[7, 5], i: i64 | = x[i:, ::-2]", "x: f32[7, 5], i: i64, j: i64 | = x[i:j:2, j]", "x: i16[9], i: i64, j: i64 | = x[::-1][i:j]",
    "x: f64[9, 4], i: i64 | = x[::i * 2 + 1, 1:]", "x: f32[6, 4], i: i64 | = x[i, newaxis, :i]", "x: u8[40, 3] | = x[-100:100:7, -1]",
    "x: f32[5, 6, 7] | = x[1:4, ..., ::-3]", "x: f32[12], i: i64 | = x[8::-1][i:] * 2", "x: f32[4, 5] | = x[3:1] + 1", "x: f64[30, 2], i: i64 | = x[5:i, 1]",
    "x: f32[5, 4], i: i8[3], j: u16[2, 1] | = x[i, j]", "x: f32[5, 4, 3], i: i32[2, 3] | = x[:, i]", "x: f16[5, 4, 3], i: i64[2], j: i16[2] | = x[i, :, j]",
    "x: f64[5, 3, 4, 2], i: u64[4, 1], j: u32[5] | = x[:, i, j, ::-1]", "x: f32[50, 40], i: i64[70] | = x[i].T", "x: bool[6, 5], i: i64, j: i64[4] | = x[i, j]",
    "x: i8[6, 0, 3], i: i64[2] | = x[i]", "x: f32[0, 3], i: i64[0] | = x[i]", "x: f32[4, 3], i: i64[1], j: i64[0] | = x[i, j]",
    "x: f32[5, 4], y: f32[2, 4], i: i64 | = set_subtensor(x[i:][:2], y)", "x: f32[8], y: f32, i: i64 | = inc_subtensor(x[i:], y)",
    "x: f32[6, 5], y: f32[5], i: i64 | = inc_subtensor(x[i, ::-1], y)", "x: bf16[6, 5], y: bf16[40, 5], i: i64[40] | = inc_subtensor(x[i], y)",
    "x: f16[6], y: f16[99], i: i8[99] | = inc_subtensor(x[i], y)", "x: i8[6, 4], y: i8[9, 1], i: i32[9] | = inc_subtensor(x[i], y)",
    "x: i32[4, 6], y: i32[4, 9], i: u16[9] | = inc_subtensor(x[:, i], y)", "x: bool[6], y: bool[9], i: i64[9] | = inc_subtensor(x[i], y)",
    "x: u64[5, 6, 2], y: u64[6, 2], i: i64[4, 3] | = inc_subtensor(x[i[:, 0], :, :], y)", "x: f64[5, 6, 7], y: f64[3, 5, 2], i: i64[3], j: i64[3] | = inc_subtensor(x[:, i, j][:, :, newaxis], 1) + y.T[1, 0, 0]",
    "x: f64[5, 6, 7], y: f64[4, 6], i: i64[4], j: i32[4] | = inc_subtensor(x[i, :, j], y)", "x: f64[5, 6, 7], y: f64[2], i: i64[4, 1], j: i64[2] | = set_subtensor(x[:, i, j], y)",
    "x: f32[5], y: f32[7], i: i64[7] | = inc_subtensor(zeros_like(x)[i], y)", "x: f32[20, 30] | = reshape(x.T, [6, 100])", "x: f32[20, 30, 5] | = reshape(transpose(x, axes=[2, 0, 1]), [100, 30])",
    "x: i16[100, 37] | = flatten(x.T)", "x: f32[3, 4], y: f32[5, 4], c: f32[1, 4] | = concatenate([x[::-1], y[1:3], c])", "x: u8[40, 50], y: u8[40, 3] | = concatenate([x, y, x.T[:40, :40]], axis=1)",
    "x: f32[9, 40] | = concatenate(split(x.T, sizes=[7, 0, 33]), axis=0)", "x: f64[6, 70] | = concatenate(split(x, sizes=[1, 60, 9], axis=1)[::1], axis=1)",
    "x: f32[40, 70] | = argmax(x, axis=0) + argmin(x, axis=1)[:1]", "x: f64[5, 6, 7] | = argmin(transpose(x, axes=[2, 0, 1]), axis=1)", "x: f16[5, 6, 7] | = argmax(transpose(x, axes=[2, 0, 1]))",
    "x: u8[1, 6] | = argmax(x, axis=0)", "x: bf16[3, 600] | = argmin(x, axis=1, keepdims=true)", "i: i64, j: i64 | = arange(i, i + 9, 2)", "i: i64, j: i64 | = arange(i + 20, j, -3)",
    "k: u32[2], x: f32[37, 3] | = random.uniform(k, x.shape) + x", "k: u32[2], x: f32[50] | = random.normal(k, x.shape) + x", "k: u32[2] | = random.bits(k, [1000], bits=64)", "x: f32[7, 3] | = f16(x.shape[0]) + i8(x.shape[1])",
    "a: f32[40, 30], b: f32[30, 20] | = a @ b", "a: f64[17, 16], b: f64[16, 16] | = a @ b", "a: f32[16, 16], b: f32[16, 16] | = a @ b", "a: f32[15, 7], b: f32[7, 13] | = a @ b",
    "a: f64[10, 10], b: f64[10] | = a @ b", "a: f64[10], b: f64[10, 10] | = a @ b", "a: f32[100, 784], b: f32[784] | = a @ b", "a: f32[100], b: f32[100, 300] | = a @ b", "a: f64[31, 1030], b: f64[1030] | = a @ b",
    "a: f64[1030], b: f64[1030, 131] | = a @ b", "a: f32[2100], b: f32[2100] | = a @ b", "a: f32[200, 16], b: f32[16] | = a @ b", "a: f32[200, 17], b: f32[17] | = a @ b", "a: f16[30, 40], b: f16[40, 20] | = a @ b",
    "a: bf16[300, 40], b: bf16[40] | = a @ b", "a: f32[300, 3], b: f32[3, 500] | = a @ b", "a: f32[70, 300], b: f32[300, 70] | = a @ b", "a: i16[20, 30], b: i16[30, 20] | = a @ b", "a: u64[20, 3], b: u64[3] | = a @ b",
    "a: f32[2, 3, 40, 30], b: f32[30, 20] | = a @ b", "a: f32[2, 3, 40, 30], b: f32[3, 30, 20] | = a @ b", "a: f32[3, 40, 30], b: f32[2, 1, 30, 20] | = a @ b", "a: f32[1, 3, 40, 30], b: f32[1, 1, 30, 20] | = a @ b",
    "a: f64[4, 5, 6], b: f64[6, 7] | = a @ b", "a: f64[4, 5, 6], b: f64[4, 6, 7] | = a @ b", "a: f32[64, 3, 20], b: f32[20, 20] | = swapaxes(a, 0, 1) @ b", "a: f32[8, 20, 3, 10], b: f32[8, 20, 3, 10] | = swapaxes(a, 1, 2) @ transpose(b, axes=[0, 2, 3, 1])",
    "a: f16[3, 40, 30], b: f16[30, 2] | = a @ b", "a: f16[3, 4, 30], b: f16[3, 30, 2] | = a @ b", "a: i32[3, 4, 5], b: i32[5, 6] | = a @ b", "a: bool[3, 4, 5], b: bool[3, 5, 6] | = a @ b", "a: f32[30, 0], b: f32[0, 20] | = a @ b",
    "a: f32[40, 2, 50], b: f32[50, 30] | = a[::2] @ b", "a: f32[40, 50], b: f32[50, 60] | = a[::2, ::2] @ b[::2, ::-3]", "a: f32[40, 50], b: f32[50] | = a[::2, ::2] @ b[::-2]", "a: f64[20, 50], b: f64[20, 50] | = broadcast_to(a[:, :1], [20, 50]) @ b.T",
    "a: f32[40, 50], b: f32[50], i: i64 | = a[i:, ::i * 2 + 5] @ b[::i * 2 + 5]", "a: f32[40, 50], b: f32[50, 20], i: i64 | = a[:, ::i * 2 + 5] @ b[::i * 2 + 5]", "a: f32[3, 40, 50], b: f32[50, 20], i: i64 | = a[:, ::i * 2 + 5] @ b",
    "x: f32[3, 4, 20, 20], w: f32[5, 4, 1, 1] | = conv2d(x, w)", "x: f64[3, 20, 20, 4], w: f64[5, 4, 1, 1] | = conv2d(transpose(x, axes=[0, 3, 1, 2]), w)", "x: f32[30, 4, 9, 9], w: f32[4, 20, 3, 3] | = conv2d(x, swapaxes(w, 0, 1), padding=1)",
    "x: f32[2, 3, 9, 9], w: f32[4, 3, 3, 3] | = conv2d(x, w, stride=x.shape[0], padding=w.shape[1] - 1)", "x: i16[2, 3, 9, 9], w: i16[4, 3, 3, 3] | = conv2d(x, w, stride=x.shape[0], padding=1, flip=true)",
    "y: f32[3, 5, 20, 20], w: f32[5, 4, 1, 1] | = conv2d_dx(y, w, size=[20, 20])", "y: f32[30, 5, 7, 7], w: f32[4, 5, 3, 3] | = conv2d_dx(y, swapaxes(w, 0, 1), size=[9, 9])", "y: f32[7, 7, 5, 30], w: f32[5, 4, 3, 3] | = conv2d_dx(transpose(y, axes=[3, 2, 0, 1]), w, size=[9, 9])",
    "x: f32[3, 4, 20, 20], y: f32[3, 5, 20, 20] | = conv2d_dk(x, y, size=[1, 1])", "x: bf16[30, 4, 9, 9], y: bf16[30, 5, 7, 7] | = conv2d_dk(x, y, size=[3, 3])", "x: f32[9, 9, 4, 30], y: f32[30, 5, 7, 7] | = conv2d_dk(transpose(x, axes=[3, 2, 0, 1]), y, size=[3, 3])",
    "x: u8[1, 2, 5, 5], y: u8[1, 3, 4, 4] | = conv2d_dk(x, y, size=[2, 2])", "x: bool[2, 2, 6, 6], w: bool[2, 2, 3, 3] | = conv2d(x, w, padding=2, stride=2)",
    "x: f32[3, 2, 20, 22] | = max_pool2d(x)", "x: f32[3, 20, 22, 2] | = max_pool2d(transpose(x, axes=[0, 3, 1, 2]))", "x: f32[2, 3, 9, 9] | = max_pool2d(x, size=3, stride=x.shape[0], padding=1)", "x: f16[2, 3, 9, 9] | = mean_pool2d(x, size=3, stride=x.shape[0], padding=1)",
    "x: f32[3, 2, 20, 22], v: f32[3, 2, 10, 11] | = max_pool2d_dx(x, max_pool2d(x), v)", "x: f32[3, 2, 20, 22], v: f32[10, 3, 2, 11] | = max_pool2d_dx(x, max_pool2d(x), transpose(v, axes=[1, 2, 0, 3]))",
    "x: f32[2, 1, 9, 9], v: f32[2, 1, 9, 9] | = max_pool2d_at(x, max_pool2d(x, size=3, stride=2), v, size=3, stride=2)", "x: bf16[2, 1, 8, 8], v: bf16[2, 1, 8, 8] | = max_pool2d_at(x, max_pool2d(x), v)",
    "x: f64[3, 40, 40] | = cholesky(0.01 * x + 20 * eye(40))", "x: f32[40, 3, 40] | = cholesky(swapaxes(0.01 * x, 0, 1) + 20 * eye(40, dtype=f32), lower=false)", "x: f64[4, 4] | = cholesky(x - 9 * eye(4))",
    "a: f64[3, 40, 40], b: f64[40, 7] | = solve_triangular(0.01 * a + 2 * eye(40), b)", "a: f32[80, 40], b: f32[2, 40, 7] | = solve_triangular((0.01 * a)[::2, ::-1] + eye(40, dtype=f32), b[..., ::-2], lower=false)",
    "a: f64[40, 80], b: f64[40, 7] | = solve_triangular(a[:, ::2], b, unit=true, trans=true)", "a: f64[2, 3, 5, 5], b: f64[3, 5, 1] | = solve_triangular(swapaxes(a, 2, 3), b, unit=true)", "a: f64[4, 4], b: f64[4] | = solve_triangular(a - a, b)",
};

/* ---- random programs ---------------------------------------------------------------------------- */

static void program_add(batch *b, uint64_t seed, const char *dtype) {
    program p = program_new(seed, false, dtype, 3 + (int)(seed % 12));
    char line[400], type[80], label[60];
    if (b->ninputs + NINPUTS > BATCH_INPUTS) return;
    for (int i = 0; i < p.n; i++) { /* names of its own: x0 becomes p7x0 */
        type_of(&p, &p.v[i], type, sizeof type);
        size_t at = 0;
        for (const char *q = p.v[i].text; *q && at + 20 < sizeof line; q++) {
            bool begins = q == p.v[i].text || !(isalnum((unsigned char)q[-1]) || q[-1] == '_' || q[-1] == '.');
            if (begins && (*q == 'x' || *q == 'v') && isdigit((unsigned char)q[1])) at += (size_t)snprintf(line + at, sizeof line - at, "p%d", b->ncases);
            line[at++] = *q;
        }
        line[at] = 0;
        if (i < NINPUTS) batch_add(b, "input p%d%s: %s\n", b->ncases, p.v[i].name, type);
        else batch_add(b, "p%d%s: %s = %s\n", b->ncases, p.v[i].name, type, line);
        if (i < NINPUTS) b->in[b->ninputs++] = input_array(&p, &p.v[i], VALUES_HARD);
    }
    for (int i = p.n - 1; i >= NINPUTS && i >= p.n - 3; i--) {
        char name[30];
        snprintf(name, sizeof name, "p%d%s", b->ncases, p.v[i].name);
        snprintf(label, sizeof label, "program %llu, %s", (unsigned long long)seed, p.v[i].name);
        batch_output(b, name, label);
    }
    b->ncases++;
}

/* ---- cases that several tests share --------------------------------------------------------------- */

/* Every op on all of its samples: one in `plain` of those as they are, in `symbolic_sizes` with symbolic sizes, in `others` in other layouts. */
static SWEEP_UNUSED void batch_samples(batch *b, unsigned plain, unsigned symbolic_sizes, unsigned others) {
    unsigned number = 0;
    for (const btl_op *const *op = btl_ops; *op; op++) {
        btl_samples samples = sweep_is_tested(*op) ? sweep_samples_of(*op) : NULL;
        for (int i = 0; samples && samples[i]; i++) {
            sweep_sample s = sweep_parse(*op, samples[i]);
            for (int how = PLAIN; how < NVARIANTS; how++)
                if (is_taken(number++, how == PLAIN ? plain : how == SYMBOLIC ? symbolic_sizes : others)) case_add(b, &s, (variant)how, how ? VALUES_TAME : VALUES_HARD);
        }
    }
}

/* One in `of` of the structural ops in every layout. */
static SWEEP_UNUSED void batch_structural(batch *b, unsigned of) {
    unsigned number = 0;
    for (size_t k = 0; k < sizeof structural / sizeof *structural; k++)
        for (int how = PLAIN; how < NVARIANTS; how++) {
            sweep_sample s = sweep_parse(btl_op_find("matmul", 6), structural[k]);
            if (is_taken(number++, of)) case_add(b, &s, (variant)how, how % 2 ? VALUES_NAN : VALUES_TAME);
        }
}

#endif
