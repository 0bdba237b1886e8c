/* plan.c - bitale plan: what memory a program takes, and where values lie; also of bare lists of buffers (--pack).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"
#include "json.h"
#include "pack_csv.h"
#include "plan_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct plan_options {
    cmd *c;
    const char *pack, *out, *svg;
    btl_pack_options pack_options;
    const char *file, *function, *policy;
    btl_memory_order order;
    int64_t budget;
    bool lives, ordered, curve;
    int nsizes;
    const char *size_names[64];
    int64_t size_values[64];
} plan_options;

enum { KEY_PACK = 0x300, KEY_CAPACITY, KEY_ALIGN, KEY_STEPS, KEY_SVG, KEY_ORDER, KEY_POLICY, KEY_LIVES, KEY_BUDGET, KEY_CURVE };

static const struct argp_option plan_argp_options[] = {
    { "order", KEY_ORDER, "exact|fast|given", 0, "How far to look for an order of less memory: some seconds at most, and proven where it can be (exact; unless said); milliseconds; not at all: as the lines stand, or refused where no run could follow them", 0 },
    { "policy", KEY_POLICY, "POLICY", 0, "Show this one alone: arena, each, reuse or reuse=0d", 0 },
    { "memory-budget", KEY_BUDGET, "BYTES", 0, "What intermediate values and results may take together (K, M, G: times 1024): nodes run again instead of keeping what they made; or what the least is, and exit code 5", 0 },
    { "curve", KEY_CURVE, NULL, 0, "Also the peaks that recomputation reaches, and the work that each costs", 0 },
    { "lives", KEY_LIVES, NULL, 0, "Also step by step: what it makes, what lives, what is freed behind it", 0 },
    { "pack", KEY_PACK, "FILE.csv", 0, "A list of buffers (-: standard input) with the columns id,lower,upper,size: a buffer is alive from lower to before upper. Columns first,last instead: both included", 1 },
    { "capacity", KEY_CAPACITY, "BYTES", 0, "The block that they are to fit into; exit code 1 if no such offsets are found", 1 },
    { "align", KEY_ALIGN, "BYTES", 0, "Offsets are multiples of it; 1 unless said", 1 },
    { "steps", KEY_STEPS, "N", 0, "How far to search, in nodes of a search tree (3000000 unless said); 0: greedy only. The same N gives the same offsets on every machine", 1 },
    { "output", 'o', "OUT", 0, "Of a program: a picture, OUT.svg, or a page to look into, OUT.html. With --pack: where the list with its offsets is written, instead of standard output", 2 },
    { "svg", KEY_SVG, "FILE.svg", 0, "With --pack also a picture: lives from left to right, addresses from below", 2 },
    { 0 },
};

static const char plan_doc[] =
    "Tells what memory a function takes, before it runs: its peak, the least over all orders of its nodes and what no order goes below, the bytes that each storage policy "
    "takes with memory kept (gc off) and given back (gc on), who holds what at the peak. The function is the one that runs in this mode; of a program that begins "
    "with stage schedule it is what the lines say, and every `into` is checked."
    "\v"
    "Sizes that the program leaves open are given as n=128. Peaks are sums of the values' bytes; a block's buffers begin at multiples of 64.\n"
    "\n"
    "Policies: each, a storage for every value; reuse, the storage of a dead value handed to a later one of the same type; reuse=0d, that for single numbers only; arena, "
    "offsets in one block (what functions do unless told otherwise: --mode fast_run,policy=each,gc=on).\n"
    "\n"
    "With --json: order, peak_bytes (of that order), min_peak_bytes, lower_bound_bytes, proven, found_by, bound_by, arena_bytes, results_bytes, pieces (where a part is computed piece by "
    "piece: count, of, axis, nodes, whole_bytes), freed_after, policies with their storages, values, steps.\n"
    "\n"
    "Where that spares much a part of the function is computed piece by piece, along a batch, heads or rows (in pieces; --mode fast_run,without=pieces leaves it whole).\n"
    "\n"
    "With --pack it gives buffers of known lives offsets in one block, so that those alive at one time do not overlap and the block is small. The list comes back with a column offset. The report tells the live peak (the largest sum of sizes alive at one time), the lower bound, the bytes that "
    "the block takes, how far that is above the bound, and whether it is proven that nothing smaller is possible. It is printed where the list is not: on "
    "standard output with -o, else on standard error.\n"
    "\n"
    "With --pack --json: buffers, peak_bytes, lower_bound_bytes, arena_bytes, proven, fits, never_fits, method, steps, offsets.\n"
    "\n"
    "Examples:\n"
    "  bitale plan model.bitale train n=128\n"
    "  bitale plan model.bitale train n=128 --lives -o plan.html\n"
    "  bitale plan model.bitale train n=128 --memory-budget 2M\n"
    "  bitale plan schedule.bitale --order given --json\n"
    "  bitale plan --pack buffers.csv\n"
    "  bitale plan --pack buffers.csv --capacity 1048576 -o placed.csv --svg placed.svg\n"
    "  printf 'id,lower,upper,size\\na,0,2,64\\nb,1,3,64\\nc,2,4,64\\n' | bitale plan --pack -\n"
    "\n"
    "Exit codes: 0 good; 1 it does not fit the capacity (nothing is written); 2 wrong use of the command; 3 bad input: a program with mistakes, an `into` that is not safe, an order that "
    "no run could follow, a size that is missing, what is no list of buffers; 5 a memory budget that can't be held.";

static const char *const plan_orders[] = { [BTL_ORDER_EXACT] = "exact", [BTL_ORDER_FAST] = "fast", [BTL_ORDER_GIVEN] = "given" };
static const char *const plan_policies[] = { "arena", "each", "reuse", "reuse=0d" };

static int plan_choice(struct argp_state *state, const char *option, const char *arg, int n, const char *const *names) {
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], arg) == 0) return i;
    argp_error(state, "%s is one of %s, %s, %s%s%s: found %s", option, names[0], names[1], names[2], n > 3 ? ", " : "", n > 3 ? names[3] : "", arg);
    return 0;
}

/* FILE [FUNCTION] [n=128 ...] */
static void plan_word(plan_options *o, struct argp_state *state, char *arg) {
    char *equals = strchr(arg, '=');
    if (!o->file && !o->pack) {
        o->file = arg;
    } else if (equals && o->nsizes < 64) {
        *equals = 0;
        o->size_names[o->nsizes] = arg;
        o->size_values[o->nsizes++] = cmd_option_integer(state, arg, equals + 1, 0);
    } else if (!o->function && !equals) {
        o->function = arg;
    } else {
        argp_error(state, "%s is one argument too many", arg);
    }
}

static error_t plan_parse(int key, char *arg, struct argp_state *state) {
    plan_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case KEY_PACK: o->pack = arg; return 0;
    case KEY_CAPACITY: o->pack_options.capacity = cmd_option_integer(state, "--capacity", arg, 1); return 0;
    case KEY_ALIGN: o->pack_options.align = cmd_option_integer(state, "--align", arg, 1); return 0;
    case KEY_STEPS:
        o->pack_options.steps = cmd_option_integer(state, "--steps", arg, 0);
        o->pack_options.greedy_only = o->pack_options.steps == 0;
        return 0;
    case KEY_SVG: o->svg = arg; return 0;
    case 'o': o->out = arg; return 0;
    case KEY_ORDER: o->order = (btl_memory_order)plan_choice(state, "--order", arg, 3, plan_orders), o->ordered = true; return 0;
    case KEY_POLICY: o->policy = plan_policies[plan_choice(state, "--policy", arg, 4, plan_policies)]; return 0;
    case KEY_LIVES: o->lives = true; return 0;
    case KEY_BUDGET: o->budget = cmd_option_bytes(state, "--memory-budget", arg); return 0;
    case KEY_CURVE: o->curve = true; return 0;
    case ARGP_KEY_ARG: plan_word(o, state, arg); return 0;
    case ARGP_KEY_SUCCESS:
        if (!o->pack && !o->file) argp_error(state, "of what? A program, or --pack FILE.csv");
        if (o->pack && (o->file || o->function || o->nsizes || o->ordered || o->policy || o->lives || o->budget || o->curve)) argp_error(state, "--pack packs a list of buffers: no program goes with it");
        if (o->file && (o->svg || o->pack_options.capacity || o->pack_options.align || o->pack_options.steps || o->pack_options.greedy_only)) argp_error(state, "--svg, --capacity, --align and --steps go with --pack; a program's picture is -o OUT.svg");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- files: the whole or nothing ----------------------------------------------------------------- */

typedef struct plan_text { char *data; size_t length; } plan_text;

static int plan_write_file(const cmd *c, const char *path, const plan_text *t) {
    char *aside = cmd_format("%s.%ld.tmp", path, (long)getpid());
    FILE *f = fopen(aside, "wb");
    bool good = f && fwrite(t->data, 1, t->length, f) == t->length;
    if (f && fclose(f) != 0) good = false;
    if (good && rename(aside, path) != 0) good = false;
    int error_number = errno;
    if (!good && f) remove(aside);
    free(aside);
    return good ? 0 : cmd_fail(c, BTL_EIO, "%s: cannot be written: %s", path, cmd_reason(error_number));
}

/* ---- what is printed ------------------------------------------------------------------------------ */

static double plan_percent(int64_t more, int64_t than) { return than ? 100 * ((double)more / (double)than - 1) : 0; }

static void plan_report(FILE *f, const plan_options *o, const pack_list *l, const btl_pack_result *r) {
    fprintf(f, "buffers       %d\n", l->n);
    fprintf(f, "live peak     %" PRId64 " bytes\n", r->peak_bytes);
    fprintf(f, "lower bound   %" PRId64 " bytes\n", r->lower_bound_bytes);
    fprintf(f, "block         %" PRId64 " bytes, %.2f %% above the live peak%s\n", r->bytes, plan_percent(r->bytes, r->peak_bytes),
            r->proven ? "; proven: none is smaller" : "; a smaller one may be possible");
    if (o->pack_options.capacity) fprintf(f, "capacity      %" PRId64 " bytes, %" PRId64 " are left\n", o->pack_options.capacity, o->pack_options.capacity - r->bytes);
    fprintf(f, "found by      %s, %" PRId64 " steps\n", r->method, r->steps);
}

static void plan_json(const plan_options *o, const pack_list *l, const btl_pack_result *r) {
    json j = { 0 };
    jw_open(&j, NULL, '{');
    jw_text(&j, "file", o->c->file);
    jw_integer(&j, "buffers", l->n);
    jw_integer(&j, "align", o->pack_options.align ? o->pack_options.align : 1);
    jw_integer(&j, "peak_bytes", r->peak_bytes);
    jw_integer(&j, "lower_bound_bytes", r->lower_bound_bytes);
    jw_integer(&j, "arena_bytes", r->bytes);
    jw_bool(&j, "proven", r->proven);
    if (o->pack_options.capacity) {
        jw_integer(&j, "capacity", o->pack_options.capacity);
        jw_bool(&j, "fits", r->fits);
        jw_bool(&j, "never_fits", r->never_fits);
    }
    jw_text(&j, "method", r->method);
    jw_integer(&j, "steps", r->steps);
    jw_open(&j, "offsets", '[');
    for (int i = 0; i < l->n; i++) {
        jw_open(&j, NULL, '{');
        jw_text(&j, "id", l->ids[i]);
        jw_integer(&j, "offset", l->buffers[i].offset);
        jw_close(&j, '}');
    }
    jw_close(&j, ']');
    jw_close(&j, '}');
    jw_end(&j);
}

static int plan_does_not_fit(const plan_options *o, const btl_pack_result *r) {
    int64_t capacity = o->pack_options.capacity;
    if (r->never_fits)
        return cmd_fail(o->c, BTL_ECHECK, "%s: never fits into %" PRId64 " bytes: at least %" PRId64 " are needed, %" PRId64 " more (live peak %" PRId64 ")", o->c->file, capacity,
                        r->lower_bound_bytes, r->lower_bound_bytes - capacity, r->peak_bytes);
    return cmd_fail(o->c, BTL_ECHECK,
                    "%s: no offsets found that fit into %" PRId64 " bytes: %" PRId64 " are taken, %" PRId64 " more; the lower bound is %" PRId64
                    ", so it may be possible: --steps %" PRId64 " searches further",
                    o->c->file, capacity, r->bytes, r->bytes - capacity, r->lower_bound_bytes, 10 * (o->pack_options.steps ? o->pack_options.steps : 3000000));
}

/* The texts are made before any file is written. */
static int plan_deliver(const plan_options *o, const pack_list *l, const btl_pack_result *r) {
    plan_text csv = { 0 }, svg = { 0 };
    FILE *f = open_memstream(&csv.data, &csv.length);
    FILE *g = o->svg ? open_memstream(&svg.data, &svg.length) : NULL;
    bool good = f && (g || !o->svg);
    if (f) pack_csv_write(f, l);
    if (g) pack_svg_write(g, l, r, o->pack_options.capacity);
    if (f && fclose(f) != 0) good = false;
    if (g && fclose(g) != 0) good = false;
    int code = good ? 0 : cmd_fail(o->c, BTL_ENOMEM, "out of memory");
    if (!code && o->out) code = plan_write_file(o->c, o->out, &csv);
    if (!code && o->svg) code = plan_write_file(o->c, o->svg, &svg);
    if (!code && !o->out && !o->c->json) fwrite(csv.data, 1, csv.length, stdout);
    free(csv.data);
    free(svg.data);
    return code;
}

static int plan_pack(plan_options *o) {
    size_t length = 0;
    pack_list l = { 0 };
    btl_pack_result r;
    btl_error err = { 0 };
    int code = cmd_open_empty(o->c);
    if (!code) code = cmd_read(o->c, o->pack, &length);
    if (!code) code = pack_csv_read(o->c, o->c->text, length, &l);
    if (!code && btl_pack(o->c->ctx, l.n, l.buffers, &o->pack_options, &r, &err) != BTL_OK) code = cmd_fail(o->c, err.status, "%s: %s", o->c->file, err.message);
    if (!code && !r.fits) code = plan_does_not_fit(o, &r);
    else if (!code) code = plan_deliver(o, &l, &r);
    if (o->c->json && (code == 0 || code == cmd_exit_code(BTL_ECHECK))) plan_json(o, &l, &r);
    else if (code == 0 && !o->c->quiet) plan_report(o->out ? stdout : stderr, o, &l, &r);
    pack_list_free(&l);
    return code;
}

/* ---- of a program ---------------------------------------------------------------------------------- */

static bool plan_ends(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n > m && strcmp(s + n - m, end) == 0;
}

static int plan_picture(const plan_options *o, const btl_memory_info *m) {
    plan_text text = { 0 };
    bool html = plan_ends(o->out, ".html");
    if (!html && !plan_ends(o->out, ".svg")) return cmd_usage(o->c, "-o %s: a picture is written as .svg or .html", o->out);
    FILE *f = open_memstream(&text.data, &text.length);
    if (!f) return cmd_fail(o->c, BTL_ENOMEM, "out of memory");
    char *title = cmd_format("%s, %s", o->c->file, m->function);
    if (html) plan_print_html(f, title, m);
    else plan_print_svg(f, m);
    free(title);
    int code = fclose(f) == 0 ? plan_write_file(o->c, o->out, &text) : cmd_fail(o->c, BTL_ENOMEM, "out of memory");
    free(text.data);
    return code;
}

static int plan_program(plan_options *o) {
    cmd *c = o->c;
    btl_memory *m = NULL;
    btl_error err = { 0 };
    int code = cmd_open(c, o->file);
    btl_entry *e = code ? NULL : cmd_entry(c, o->function, &code);
    btl_function_options function = cmd_function_options_strips(c);
    function.memory_budget = o->budget, function.memory_curve = o->curve;
    btl_memory_options options = { .struct_size = sizeof options, .function = &function, .nsizes = o->nsizes, .size_names = o->size_names, .size_values = o->size_values, .order = o->order };
    if (!code && btl_graph_is_schedule(c->g) && (o->budget || o->curve)) code = cmd_usage(c, "%s is a schedule, which says itself what runs: --memory-budget and --curve go with a program", c->file);
    if (!code && btl_memory_new(c->g, e, &options, &m, &err) != BTL_OK) code = cmd_fail_error(c, &err);
    if (!code && o->out) code = plan_picture(o, btl_memory_look(m));
    if (!code && c->json) plan_print_json(c, btl_memory_look(m));
    else if (!code && !c->quiet) plan_print_table(stdout, btl_memory_look(m), o->policy, o->lives);
    btl_memory_free(m);
    return code;
}

int verb_plan(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { plan_argp_options, plan_parse, "FILE.bitale [FUNCTION] [n=128 ...]\n--pack FILE.csv", plan_doc, children, NULL, NULL };
    cmd c = { .verb = "plan" };
    plan_options o = { .c = &c, .pack_options = { .struct_size = sizeof(btl_pack_options) } };
    cmd_parse(&c, &argp, argc, argv, &o);
    int code = o.pack ? plan_pack(&o) : plan_program(&o);
    cmd_close(&c);
    return cmd_finish(&c, code);
}
