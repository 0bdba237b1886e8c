/* run.c - bitale run: calls a function of a program, once, for so many steps, or over minibatches.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "batch.h"
#include "common.h"
#include "deliver.h"
#include "inputs.h"
#include "json.h"
#include "progress.h"
#include "show.h"
#include "value.h"
#include "watch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- options ------------------------------------------------------------------------------------- */

typedef struct run_options {
    cmd *c;
    int64_t steps, epochs;       /* 0: not said */
    const char *batch;
    bool drop_last, shuffle;
    uint64_t seed;
    const char *out, *load, *save;
    int64_t budget;              /* bytes; 0: any */
    int nwords;
    char **words;                /* F.bitale, FUNCTION, NAME=VALUE … */
} run_options;

enum { KEY_STEPS = 0x300, KEY_BATCH, KEY_EPOCHS, KEY_DROP_LAST, KEY_SHUFFLE, KEY_LOAD, KEY_SAVE, KEY_BUDGET };

static const struct argp_option run_argp_options[] = {
    { "steps", KEY_STEPS, "K", 0, "Call the function K times, on the same inputs; the shared variables go on from call to call. With --batch: end after K minibatches", 1 },
    { "batch", KEY_BATCH, "NAME=SIZE", 0, "Cut every input whose first size is NAME into minibatches of SIZE rows, and call the function on one after the other; the last may be smaller", 2 },
    { "epochs", KEY_EPOCHS, "E", 0, "With --batch: go over all rows E times (once unless said; as often as --steps asks for)", 2 },
    { "drop-last", KEY_DROP_LAST, NULL, 0, "With --batch: leave out a last minibatch that is smaller", 2 },
    { "shuffle", KEY_SHUFFLE, "SEED", 0, "With --batch: visit the rows in another order each epoch: Fisher-Yates with splitmix64, a matter of SEED, epoch and number of rows alone", 2 },
    { "output", 'o', "DIR", 0, "Write each result of the last call as DIR/NAME.npy. DIR is made if missing; all files appear or none", 3 },
    { "load", KEY_LOAD, "FILE", 0, "Begin with the shared variables of a .safetensors file; names that the program lacks are ignored", 3 },
    { "save", KEY_SAVE, "FILE", 0, "At the end save the shared variables as .safetensors", 3 },
    { "memory-budget", KEY_BUDGET, "BYTES", 0, "What intermediate values and results of a call may take together (K, M, G: times 1024): nodes run again instead of keeping what they made; or, before anything runs, what the least is, and exit code 5. Planned for the sizes of the arguments, of minibatches with --batch", 3 },
    { 0 },
};

static const char run_doc[] =
    "Calls a function of a program (`main`, or the only one, if FUNCTION is not given) and prints what it returns: arrays of up to 100 elements entirely, "
    "larger ones as minimum, mean, maximum."
    "\v"
    "F.bitale is the program; - is standard input. Each argument is given by name:\n"
    "\n"
    "  x=3.5  k=-2  flag=true  y=inf  v='[1, 2, 3]'  m='[[1, 2], [3, 4]]'\n"
    "  x=FILE.npy             an array of NumPy\n"
    "  x=FILE.npz:NAME        one of an archive\n"
    "  x=FILE.csv[:COLUMNS]   a table; columns by name or number: price,0,3-5\n"
    "  x=FILE.idx[.gz]        MNIST's format\n"
    "  x=FILE.safetensors:NAME\n"
    "  x=FILE                 any other file: its bytes as u8; - is standard input\n"
    "  n=200                  a size that no argument carries\n"
    "\n"
    "A file whose type widens to the argument's is converted (u8 to f32); one that would lose values (f64 for i32, f64 for f32) is refused. Numbers of "
    "a .csv are text: they take the argument's type if they fit it. A file that is named like a number is written with its folder: ./5.\n"
    "\n"
    "With --steps or --batch a terminal shows a bar with the rate, the time left and the scalar results. Interrupted (^C), the step under way is finished, "
    "results and state are written as always, and the exit code is 130; a second ^C ends at once. If a step fails, nothing is written.\n"
    "\n"
    "--mode nan_guard stops at the first NaN, infinity or value beyond 1e10 and names the node that makes it, with what went into it (nan=off, inf=off, "
    "big=1e30|off change that). --mode monitor lists each node's place, operation, results and their ranges as it runs. --mode debug runs every node in each way "
    "that there is, compares them, and checks what each rewrite replaced: slow, and exit code 1 where something differs.\n"
    "\n"
    "With --json: function, steps, seconds, outputs (type, shape, data; of larger ones min, mean, max) and, with --batch, for each epoch the means of the "
    "scalar results, weighted by the rows of each minibatch, in mode monitor the nodes of the last call. NaN and infinities are strings.\n"
    "\n"
    "Examples:\n"
    "  bitale run linear.bitale x='[1, 2, 3]' a=2\n"
    "  bitale run lr.bitale train x=x.npy y=y.npy --steps 500 --save w.safetensors\n"
    "  bitale run lr.bitale train x=x.npy y=y.npy --batch n=128 --epochs 5\n"
    "  bitale run lr.bitale predict x=new.npy --load w.safetensors -o out\n"
    "  bitale run deep.bitale train x=x.npy --memory-budget 500M\n"
    "\n"
    "Exit codes: 0 good; 1 mode debug found a fault; 2 wrong use of the command; 3 bad input (program, arguments, files, sizes); 5 the run failed (an index, an assertion, memory, a NaN in mode nan_guard); "
    "130 interrupted.";

static error_t run_parse(int key, char *arg, struct argp_state *state) {
    run_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case KEY_STEPS: o->steps = cmd_option_integer(state, "--steps", arg, 1); return 0;
    case KEY_BATCH: o->batch = arg; return 0;
    case KEY_EPOCHS: o->epochs = cmd_option_integer(state, "--epochs", arg, 1); return 0;
    case KEY_DROP_LAST: o->drop_last = true; return 0;
    case KEY_SHUFFLE:
        o->shuffle = true;
        o->seed = (uint64_t)cmd_option_integer(state, "--shuffle", arg, 0);
        return 0;
    case 'o': o->out = arg; return 0;
    case KEY_LOAD: o->load = arg; return 0;
    case KEY_SAVE: o->save = arg; return 0;
    case KEY_BUDGET: o->budget = cmd_option_bytes(state, "--memory-budget", arg); return 0;
    case ARGP_KEY_ARGS:
        o->words = state->argv + state->next;
        o->nwords = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "which program? Give a file, or - for standard input"); return 0;
    case ARGP_KEY_SUCCESS:
        if (!o->batch && (o->epochs || o->drop_last || o->shuffle)) argp_error(state, "--epochs, --drop-last and --shuffle go with --batch");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- a run ---------------------------------------------------------------------------------------- */

typedef struct run_epoch { int64_t rows; double *means; } run_epoch;

typedef struct run {
    run_options o;
    cmd *c;
    btl_entry *entry;
    btl_function *f;
    btl_state *state;
    values values;
    batch batch;
    deliver files;
    progress bar;
    watch watch;
    int noutputs;
    btl_array *out;
    bool keeps_shapes;           /* no result's size depends on values: buffers can be used again */
    int64_t total, done, rows;   /* steps; rows of the last minibatch */
    double *sums;                /* of scalar results times rows, over the epoch so far */
    int64_t epoch_rows;
    int64_t nepochs;
    run_epoch *epochs;
    double compile_seconds, seconds, epoch_told; /* when an epoch's means were last printed */
} run;

static volatile sig_atomic_t run_signal; /* that asked us to end; 0: none */

static void run_on_signal(int number) { run_signal = number; }

/* The first one is noted, a second one ends the program. */
static void run_watch_signals(void) {
    struct sigaction action = { .sa_handler = run_on_signal, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int run_open(run *r, int *nwords) {
    int code = cmd_open(r->c, r->o.words[0]);
    if (code) return code;
    bool named = r->o.nwords > 1 && !strchr(r->o.words[1], '=');
    r->entry = cmd_entry(r->c, named ? r->o.words[1] : NULL, &code);
    *nwords = named ? 2 : 1;
    return code;
}

static int run_compile(run *r, const btl_function_options *options) {
    btl_error err = { 0 };
    double start = cmd_now();
    if (btl_function_new(r->c->g, r->entry, options, &r->f, &err) != BTL_OK) return cmd_fail_error(r->c, &err);
    r->compile_seconds += cmd_now() - start;
    return 0;
}

/* A budget is held at certain sizes, and which they are only the arguments tell: those are read for a function that strips run (no compiler), in whose
 * place comes the one that is called. */
static int run_compile_within(run *r) {
    char *name = NULL;
    int64_t rows = 0;
    int code = r->o.batch ? batch_parse(r->c, r->o.batch, &name, &rows) : 0;
    if (code) return code;
    btl_function *reader = r->f;
    inputs_sizes sizes = inputs_choose_sizes(&r->values);
    for (int i = 0; name && i < sizes.n; i++)
        if (strcmp(sizes.names[i], name) == 0 && rows < sizes.values[i]) sizes.values[i] = rows;
    free(name);
    btl_function_options options = cmd_function_options(r->c);
    options.memory_budget = r->o.budget;
    options.nsizes = sizes.n, options.size_names = sizes.names, options.size_values = sizes.values;
    r->f = NULL;
    code = run_compile(r, &options);
    if (!code) r->values.f = r->f;
    else r->f = reader, reader = NULL;
    btl_function_free(reader);
    inputs_sizes_free(&sizes);
    return code;
}

static void run_make_room(run *r) {
    if (*btl_function_note(r->f)) cmd_note(r->c, "%s", btl_function_note(r->f));
    r->noutputs = btl_function_noutputs(r->f);
    r->out = cmd_alloc((size_t)(r->noutputs + 1) * sizeof *r->out);
    r->sums = cmd_alloc((size_t)(r->noutputs + 1) * sizeof *r->sums);
    r->keeps_shapes = true;
    for (int i = 0; i < r->noutputs; i++) r->keeps_shapes = r->keeps_shapes && !strchr(btl_function_output_type(r->f, i), '?');
}

static int run_state(run *r) {
    btl_error err = { 0 };
    bool files = r->o.load || r->o.save;
    if (files && btl_graph_nshared(r->c->g) == 0) return cmd_fail(r->c, BTL_EVALUE, "%s has no shared variables: there is nothing to load or save", r->c->file);
    if (btl_function_nshared(r->f) == 0 && !files) return 0;
    if (btl_state_new(r->c->g, &r->state, &err) != BTL_OK) return cmd_fail_error(r->c, &err);
    if (r->o.load && btl_state_load(r->state, r->o.load, &err) != BTL_OK) return cmd_fail_error(r->c, &err);
    return r->o.save ? deliver_check_path(r->c, "--save", r->o.save) : 0;
}

/* What is known to fail at the end is told now. */
static int run_check_outputs(const run *r) {
    for (int i = 0; r->o.out && i < r->noutputs; i++)
        if (btl_function_output_dtype(r->f, i) == BTL_BF16)
            return cmd_fail(r->c, BTL_EUNSUPPORTED, "-o %s: result %s is %s, and .npy has no bf16\n    hint: output f32(%s)", r->o.out, btl_function_output_name(r->f, i), btl_function_output_type(r->f, i),
                            btl_function_output_name(r->f, i));
    return 0;
}

static int run_plan_steps(run *r) {
    r->total = r->o.steps ? r->o.steps : 1;
    if (!r->o.batch) return 0;
    int code = batch_begin(&r->batch, r->c, &r->values, r->o.batch, r->o.drop_last, r->o.shuffle, r->o.seed);
    if (code) return code;
    int64_t epochs = r->o.epochs ? r->o.epochs : 1;
    if (epochs > INT64_MAX / r->batch.per_epoch) return cmd_fail(r->c, BTL_EVALUE, "--epochs %lld: that is more steps than can be counted", (long long)epochs);
    int64_t all = epochs * r->batch.per_epoch;
    r->total = !r->o.steps || (r->o.epochs && all < r->o.steps) ? all : r->o.steps;
    return 0;
}

static int run_prepare(run *r) {
    int nwords = 0, code = run_open(r, &nwords);
    if (code) return code;
    btl_function_options options = r->o.budget ? cmd_function_options_strips(r->c) : cmd_function_options(r->c);
    code = run_compile(r, &options);
    if (!code) code = values_read(r->c, r->f, r->o.nwords - nwords, r->o.words + nwords, false, &r->values);
    if (!code && r->o.budget) code = run_compile_within(r);
    if (code) return code;
    run_make_room(r);
    code = run_state(r);
    if (!code) code = run_check_outputs(r);
    if (!code) code = run_plan_steps(r);
    if (!code) code = deliver_begin(&r->files, r->c, r->o.out);
    return code;
}

/* ---- steps ---------------------------------------------------------------------------------------- */

static bool run_is_scalar(const run *r, int output) { return btl_function_output_rank(r->f, output) == 0; }

static void run_free_outputs(run *r) {
    for (int i = 0; i < r->noutputs; i++) btl_array_free(&r->out[i]);
}

static void run_end_epoch(run *r) {
    if (!r->epoch_rows) return;
    r->epochs = cmd_realloc(r->epochs, (size_t)(r->nepochs + 1) * sizeof *r->epochs);
    run_epoch *e = &r->epochs[r->nepochs++];
    *e = (run_epoch){ r->epoch_rows, cmd_alloc((size_t)(r->noutputs + 1) * sizeof(double)) };
    for (int i = 0; i < r->noutputs; i++) e->means[i] = r->sums[i] / (double)r->epoch_rows, r->sums[i] = 0;
    r->epoch_rows = 0;
}

/* "loss 2.31  errors 0.05", cut where it is long. */
static void run_scalars(const run *r, const double *means, char *text, size_t bytes) {
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < r->noutputs && at + 1 < bytes; i++)
        if (run_is_scalar(r, i)) at += (size_t)snprintf(text + at, bytes - at, "%s%.60s %.5g", at ? "  " : "", btl_function_output_name(r->f, i), means ? means[i] : show_double(&r->out[i], 0));
}

static void run_draw_epoch(run *r) {
    char scalars[300];
    const run_epoch *e = &r->epochs[r->nepochs - 1];
    double now = cmd_now();
    if (!r->bar.shown || r->total <= r->batch.per_epoch || now - r->epoch_told < 0.1) return;
    r->epoch_told = now;
    run_scalars(r, e->means, scalars, sizeof scalars);
    progress_clear(&r->bar);
    fprintf(stderr, "epoch %lld  %s\n", (long long)r->nepochs, scalars);
}

static void run_account(run *r) {
    char scalars[300];
    if (r->o.batch) {
        for (int i = 0; i < r->noutputs; i++)
            if (run_is_scalar(r, i)) r->sums[i] += (double)r->rows * show_double(&r->out[i], 0);
        r->epoch_rows += r->rows;
        if (r->done % r->batch.per_epoch == 0) run_end_epoch(r), run_draw_epoch(r);
    }
    if (!progress_is_due(&r->bar, r->done)) return;
    run_scalars(r, NULL, scalars, sizeof scalars);
    progress_draw(&r->bar, scalars);
}

static int run_step(run *r, const btl_call_options *options) {
    const btl_array *in = r->values.in;
    if (r->o.batch) {
        int64_t rows = batch_select(&r->batch, r->done);
        if (rows != r->rows) run_free_outputs(r);
        r->rows = rows;
        in = r->batch.in;
    }
    if (!r->keeps_shapes) run_free_outputs(r);
    btl_error err = { 0 };
    if (options->monitor) watch_step(&r->watch, r->total > 1 ? r->done + 1 : 0);
    if (btl_call(r->f, r->state, in, r->out, options, &err) != BTL_OK) {
        progress_clear(&r->bar);
        return r->total > 1 ? cmd_fail_step(r->c, r->done + 1, &err) : cmd_fail_error(r->c, &err);
    }
    r->done++;
    run_account(r);
    return 0;
}

static int run_steps(run *r) {
    btl_call_options options = values_call_options(r->c, &r->values);
    options.monitor = watch_begin(&r->watch, r->c, r->f);
    int code = 0;
    run_watch_signals();
    progress_start(&r->bar, r->total, r->c->quiet || r->total == 1 || options.monitor);
    while (!code && r->done < r->total && !run_signal) code = run_step(r, &options);
    r->seconds = cmd_now() - r->bar.start;
    progress_clear(&r->bar);
    if (!code) run_end_epoch(r); /* one that was not finished */
    return code;
}

/* ---- results --------------------------------------------------------------------------------------- */

static int run_write(run *r) {
    int code = 0;
    if (r->done == 0) return 0; /* interrupted before the first step */
    for (int i = 0; r->o.out && i < r->noutputs && !code; i++) code = deliver_write(&r->files, btl_function_output_name(r->f, i), &r->out[i]);
    btl_error err = { 0 };
    if (!code && r->o.save && btl_state_save(r->state, r->o.save, &err) != BTL_OK) code = cmd_fail_error(r->c, &err);
    if (!code && r->o.out) code = deliver_commit(&r->files);
    return code;
}

static void run_print_summary(const run *r) {
    char time[32];
    progress_duration(r->seconds, time, sizeof time);
    if (r->total > 1) cmd_note(r->c, "%lld steps in %s, %.4g steps/s", (long long)r->done, time, r->seconds > 0 ? (double)r->done / r->seconds : 0);
    if (run_signal) cmd_note(r->c, "interrupted after step %lld of %lld%s", (long long)r->done, (long long)r->total, r->o.save && r->done ? "; the state is saved" : "");
}

static void run_print(const run *r) {
    for (int i = 0; i < r->noutputs; i++) show_array(btl_function_output_name(r->f, i), &r->out[i]);
    if (!r->nepochs) return;
    const run_epoch *last = &r->epochs[r->nepochs - 1];
    for (int i = 0; i < r->noutputs; i++) {
        char text[40];
        if (!run_is_scalar(r, i)) continue;
        show_number(last->means[i], true, text, sizeof text);
        printf("mean of %s over the %lld rows of epoch %lld: %s\n", btl_function_output_name(r->f, i), (long long)last->rows, (long long)r->nepochs, text);
    }
}

static void run_print_json_epochs(const run *r, json *j) {
    jw_open(j, "epochs", '[');
    for (int64_t e = 0; e < r->nepochs; e++) {
        jw_open(j, NULL, '{');
        jw_integer(j, "epoch", e + 1);
        jw_integer(j, "rows", r->epochs[e].rows);
        jw_open(j, "mean", '{');
        for (int i = 0; i < r->noutputs; i++)
            if (run_is_scalar(r, i)) jw_number(j, btl_function_output_name(r->f, i), r->epochs[e].means[i]);
        jw_close(j, '}');
        jw_close(j, '}');
    }
    jw_close(j, ']');
}

static void run_print_json(const run *r) {
    json j = { 0 };
    jw_open(&j, NULL, '{');
    jw_text(&j, "program", r->c->file);
    jw_text(&j, "function", btl_function_name(r->f));
    jw_integer(&j, "steps", r->done);
    jw_bool(&j, "interrupted", run_signal != 0);
    jw_open(&j, "seconds", '{');
    jw_number(&j, "compile", r->compile_seconds);
    jw_number(&j, "run", r->seconds);
    jw_close(&j, '}');
    jw_integer(&j, "arena_bytes", (int64_t)btl_function_arena_bytes(r->f));
    jw_open(&j, "outputs", '{');
    for (int i = 0; r->done && i < r->noutputs; i++) show_json(&j, btl_function_output_name(r->f, i), &r->out[i]);
    jw_close(&j, '}');
    if (r->o.batch) run_print_json_epochs(r, &j);
    if (strcmp(btl_function_checks(r->f), "monitor") == 0) watch_print_json(&r->watch, &j);
    if (r->o.out) jw_text(&j, "written", r->o.out);
    if (r->o.save) jw_text(&j, "saved", r->o.save);
    jw_close(&j, '}');
    jw_end(&j);
}

static void run_free(run *r) {
    watch_end(&r->watch);
    deliver_end(&r->files);
    batch_end(&r->batch);
    run_free_outputs(r);
    values_free(&r->values);
    for (int64_t e = 0; e < r->nepochs; e++) free(r->epochs[e].means);
    free(r->epochs);
    free(r->out);
    free(r->sums);
    btl_state_free(r->state);
    btl_function_free(r->f);
    cmd_close(r->c);
}

int verb_run(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { run_argp_options, run_parse, "F.bitale [FUNCTION] [NAME=VALUE...]", run_doc, children, NULL, NULL };
    cmd c = { .verb = "run" };
    run r = { .c = &c, .o.c = &c };
    cmd_parse(&c, &argp, argc, argv, &r.o);
    int code = run_prepare(&r);
    if (!code) code = run_steps(&r);
    if (!code) code = run_write(&r);
    if (!code) {
        if (!c.quiet) run_print_summary(&r);
        if (c.json) run_print_json(&r);
        else if (!c.quiet && r.done) run_print(&r);
        if (run_signal) code = 128 + (int)run_signal;
    }
    run_free(&r);
    return cmd_finish(&c, code);
}
