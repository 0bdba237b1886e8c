/* plan.c - bitale plan: where values lie in memory. As yet for bare lists of buffers (--pack).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"
#include "json.h"
#include "pack_csv.h"

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
} plan_options;

enum { KEY_PACK = 0x300, KEY_CAPACITY, KEY_ALIGN, KEY_STEPS, KEY_SVG };

static const struct argp_option plan_argp_options[] = {
    { "pack", KEY_PACK, "FILE.csv", 0, "A list of buffers (-: standard input) with the columns id,lower,upper,size: a buffer is alive from lower to before upper. Columns first,last instead: both included", 1 },
    { "capacity", KEY_CAPACITY, "BYTES", 0, "The block that they are to fit into; exit code 1 if no such offsets are found", 1 },
    { "align", KEY_ALIGN, "BYTES", 0, "Offsets are multiples of it; 1 unless said", 1 },
    { "steps", KEY_STEPS, "N", 0, "How far to search, in nodes of a search tree (3000000 unless said); 0: greedy only. The same N gives the same offsets on every machine", 1 },
    { "output", 'o', "OUT.csv", 0, "Where the list with its offsets is written, instead of standard output", 2 },
    { "svg", KEY_SVG, "FILE.svg", 0, "Also a picture: lives from left to right, addresses from below", 2 },
    { 0 },
};

static const char plan_doc[] =
    "Gives buffers of known lives offsets in one block, so that those alive at one time do not overlap and the block is small."
    "\v"
    "The list comes back with a column offset. The report tells the live peak (the largest sum of sizes alive at one time), the lower bound, the bytes that "
    "the block takes, how far that is above the bound, and whether it is proven that nothing smaller is possible. It is printed where the list is not: on "
    "standard output with -o, else on standard error.\n"
    "\n"
    "With --json: buffers, peak_bytes, lower_bound_bytes, arena_bytes, proven, fits, never_fits, method, steps, offsets.\n"
    "\n"
    "Examples:\n"
    "  bitale plan --pack buffers.csv\n"
    "  bitale plan --pack buffers.csv --capacity 1048576 -o placed.csv --svg placed.svg\n"
    "  printf 'id,lower,upper,size\\na,0,2,64\\nb,1,3,64\\nc,2,4,64\\n' | bitale plan --pack -\n"
    "\n"
    "Exit codes: 0 good; 1 it does not fit the capacity (nothing is written); 2 wrong use of the command; 3 bad input: what is no list of buffers.";

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
    case ARGP_KEY_ARG: argp_error(state, "plans of programs are not there yet; --pack FILE.csv packs a list of buffers"); return 0;
    case ARGP_KEY_SUCCESS:
        if (!o->pack) argp_error(state, "which buffers? --pack FILE.csv, or --pack - for standard input");
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

int verb_plan(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { plan_argp_options, plan_parse, "--pack FILE.csv", plan_doc, children, NULL, NULL };
    cmd c = { .verb = "plan" };
    plan_options o = { .c = &c, .pack_options = { .struct_size = sizeof(btl_pack_options) } };
    cmd_parse(&c, &argp, argc, argv, &o);
    int code = plan_pack(&o);
    cmd_close(&c);
    return cmd_finish(&c, code);
}
