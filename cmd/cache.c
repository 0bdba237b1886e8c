/* cache.c - bitale cache list|verify|prune|clear: the folder of compiled code.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct cache_options {
    cmd *c;
    int64_t most_bytes; /* -1: not said */
    /* while entries are looked at */
    json j;
    int64_t nentries, bytes, nproblems;
} cache_options;

enum { KEY_SIZE = 0x300 };

/* ---- what is printed --------------------------------------------------------------------------------------- */

static const char *cache_size(char text[32], int64_t bytes) {
    double x = (double)bytes;
    const char *unit = "B";
    if (bytes >= 1 << 30) x /= 1 << 30, unit = "GiB";
    else if (bytes >= 1 << 20) x /= 1 << 20, unit = "MiB";
    else if (bytes >= 1 << 10) x /= 1 << 10, unit = "KiB";
    snprintf(text, 32, bytes >= 1 << 10 ? "%.1f %s" : "%.0f %s", x, unit);
    return text;
}

static const char *cache_date(char text[32], int64_t seconds) {
    time_t t = (time_t)seconds;
    struct tm tm;
    if (!localtime_r(&t, &tm) || !strftime(text, 32, "%Y-%m-%d %H:%M", &tm)) snprintf(text, 32, "?");
    return text;
}

static const char *cache_plural(int64_t n) { return n == 1 ? "y" : "ies"; }

static void cache_json(json *j, const btl_cache_entry *e) {
    jw_open(j, NULL, '{');
    jw_text(j, "folder", e->folder);
    jw_text(j, "file", e->file);
    jw_bool(j, "read_only", e->read_only);
    jw_text(j, "problem", e->problem);
    jw_text(j, "units", e->units);
    jw_text(j, "compiler", e->compiler);
    jw_integer(j, "bytes", e->bytes);
    jw_integer(j, "code_bytes", e->code_bytes);
    jw_integer(j, "text_bytes", e->text_bytes);
    jw_integer(j, "created", e->created);
    jw_integer(j, "used", e->used);
    jw_close(j, '}');
}

static bool cache_see_to_list(void *user, const btl_cache_entry *e) {
    cache_options *o = user;
    char size[32], created[32], used[32];
    o->nentries++;
    o->bytes += e->bytes;
    if (o->c->json) cache_json(&o->j, e);
    else if (o->c->quiet) return true;
    else if (e->problem) printf("%-20s %10s  %s/%s: %s\n", "(not used)", cache_size(size, e->bytes), e->folder, e->file, e->problem);
    else
        printf("%-20s %10s  %s  used %.10s  %s  %s%s\n", e->units, cache_size(size, e->bytes), cache_date(created, e->created),
               cache_date(used, e->used), e->compiler, e->file, e->read_only ? "  (read only)" : "");
    return true;
}

static bool cache_see_to_verify(void *user, const btl_cache_entry *e) {
    cache_options *o = user;
    o->nentries++;
    o->bytes += e->bytes;
    if (!e->problem) return true;
    o->nproblems++;
    if (o->c->json) cache_json(&o->j, e);
    cmd_fail(o->c, BTL_ECHECK, "%s/%s: %s", e->folder, e->file, e->problem);
    return true;
}

/* ---- the four actions --------------------------------------------------------------------------------------- */

static void cache_note_total(const cache_options *o, const btl_cache_info *info) {
    char size[32], limit[32];
    cmd_note(o->c, "%" PRId64 " entr%s, %s of at most %s, in %s", o->nentries, cache_plural(o->nentries), cache_size(size, o->bytes),
             cache_size(limit, info->limit_bytes), info->folder);
}

static int cache_list(cache_options *o, const btl_cache_info *info) {
    btl_error err = { 0 };
    if (o->c->json) jw_open(&o->j, NULL, '[');
    btl_status status = btl_cache_each(o->c->ctx, NULL, false, cache_see_to_list, o, &err);
    if (o->c->json) jw_close(&o->j, ']'), jw_end(&o->j);
    if (status != BTL_OK) return cmd_fail_error(o->c, &err);
    cache_note_total(o, info);
    return 0;
}

static int cache_verify(cache_options *o, const btl_cache_info *info) {
    btl_error err = { 0 };
    if (o->c->json) jw_open(&o->j, NULL, '['); /* of those that are bad */
    btl_status status = btl_cache_each(o->c->ctx, NULL, true, cache_see_to_verify, o, &err);
    if (o->c->json) jw_close(&o->j, ']'), jw_end(&o->j);
    if (status != BTL_OK) return cmd_fail_error(o->c, &err);
    cache_note_total(o, info);
    if (!o->nproblems) return 0;
    return cmd_fail(o->c, BTL_ECHECK, "%" PRId64 " entr%s cannot be used; bitale cache prune removes what is damaged", o->nproblems, cache_plural(o->nproblems));
}

static int cache_freed(cache_options *o, const btl_cache_info *info, const btl_cache_freed *freed) {
    char size[32];
    if (o->c->json) {
        jw_open(&o->j, NULL, '{');
        jw_text(&o->j, "folder", info->folder);
        jw_integer(&o->j, "entries", freed->entries);
        jw_integer(&o->j, "bytes", freed->bytes);
        jw_integer(&o->j, "damaged", freed->damaged);
        jw_integer(&o->j, "others", freed->others);
        jw_close(&o->j, '}');
        jw_end(&o->j);
    }
    cmd_note(o->c, "%" PRId64 " entr%s removed from %s (%s; %" PRId64 " damaged), and %" PRId64 " other files", freed->entries,
             cache_plural(freed->entries), info->folder, cache_size(size, freed->bytes), freed->damaged, freed->others);
    return 0;
}

static int cache_prune(cache_options *o, const btl_cache_info *info) {
    btl_error err = { 0 };
    btl_cache_freed freed;
    if (btl_cache_prune(o->c->ctx, NULL, o->most_bytes, &freed, &err) != BTL_OK) return cmd_fail_error(o->c, &err);
    return cache_freed(o, info, &freed);
}

static int cache_clear(cache_options *o, const btl_cache_info *info) {
    btl_error err = { 0 };
    btl_cache_freed freed;
    if (btl_cache_clear(o->c->ctx, NULL, &freed, &err) != BTL_OK) return cmd_fail_error(o->c, &err);
    return cache_freed(o, info, &freed);
}

/* ---- their words -------------------------------------------------------------------------------------------- */

static error_t cache_parse(int key, char *arg, struct argp_state *state) {
    cache_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case KEY_SIZE:
        if (!btl_cache_size(arg, &o->most_bytes)) argp_error(state, "--size takes a size like 500M or 2G, found %s", arg);
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "%s is one argument too many", arg); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option cache_prune_options[] = {
    { "size", KEY_SIZE, "SIZE", 0, "Keep at most so much (500M, 2G); BITALE_CACHE_SIZE or 1G if not given", 1 },
    { 0 },
};

#define CACHE_FOLDER                                                                              \
    "The folder is that of --cache-dir, BITALE_CACHE_DIR, $XDG_CACHE_HOME/bitale or ~/.cache/bitale.\n\n"

static const char cache_list_doc[] =
    "Lists the compiled code that is kept: the function, size, when it was made and last used, the compiler, the file."
    "\v" CACHE_FOLDER
    "Entries of the read-only folders that BITALE_CACHE_READONLY names are listed too.\n"
    "\n"
    "Examples:\n"
    "  bitale cache list\n"
    "  bitale cache list --json --cache-dir /srv/bitale\n"
    "\n"
    "Exit codes: 0 good; 2 wrong use of the command; 3 the folder cannot be used.";

static const char cache_verify_doc[] =
    "Reads every entry to its end, compares all hashes, looks at owners and permissions, and names what would not be used."
    "\v" CACHE_FOLDER
    "Nothing is changed. A damaged entry does no harm: it is noticed when it is needed, and made again.\n"
    "\n"
    "Exit codes: 0 all entries are good; 1 some are not; 2 wrong use of the command; 3 the folder cannot be used.";

static const char cache_prune_doc[] =
    "Removes damaged entries, what interrupted processes left more than a day ago, and the entries used longest ago until the rest has the size that is wanted."
    "\v" CACHE_FOLDER
    "Programs that run are not disturbed.\n"
    "\n"
    "Examples:\n"
    "  bitale cache prune\n"
    "  bitale cache prune --size 100M\n"
    "\n"
    "Exit codes: 0 good; 2 wrong use of the command; 3 the folder cannot be used.";

static const char cache_clear_doc[] =
    "Removes all compiled code that is kept. It is made again when it is needed."
    "\v" CACHE_FOLDER
    "Only files that the cache made are removed (it knows them by their names), and never what a link leads to. The folders of BITALE_CACHE_READONLY stay as they "
    "are. Programs that run are not disturbed.\n"
    "\n"
    "Exit codes: 0 good; 2 wrong use of the command; 3 the folder cannot be used.";

static const char cache_doc[] =
    "Looks after the compiled code that is kept between runs, so that a function is compiled once."
    "\v"
    "ACTION is one of\n"
    "  list     what is kept\n"
    "  verify   whether it is undamaged\n"
    "  prune    remove what is damaged, left over, or used longest ago\n"
    "  clear    remove all\n"
    "\n"
    "bitale cache ACTION --help tells more.\n"
    "\n"
    "Exit codes: 0 good; 1 verify: a damaged entry; 2 wrong use of the command; 3 the folder cannot be used.";

static error_t cache_overview_parse(int key, char *arg, struct argp_state *state) {
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = state->input;
        return 0;
    }
    if (key == ARGP_KEY_ARG) argp_error(state, "%s: list, verify, prune or clear is expected, before all options", arg);
    if (key == ARGP_KEY_NO_ARGS) argp_error(state, "what about the cache? list, verify, prune or clear is expected");
    return ARGP_ERR_UNKNOWN;
}

static const struct argp_child cache_children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };

static const struct cache_action {
    const char *name, *verb;
    int (*run)(cache_options *o, const btl_cache_info *info);
    struct argp argp;
} cache_actions[] = {
    { "list", "cache list", cache_list, { NULL, cache_parse, "", cache_list_doc, cache_children, NULL, NULL } },
    { "verify", "cache verify", cache_verify, { NULL, cache_parse, "", cache_verify_doc, cache_children, NULL, NULL } },
    { "prune", "cache prune", cache_prune, { cache_prune_options, cache_parse, "", cache_prune_doc, cache_children, NULL, NULL } },
    { "clear", "cache clear", cache_clear, { NULL, cache_parse, "", cache_clear_doc, cache_children, NULL, NULL } },
};
enum { NACTIONS = sizeof cache_actions / sizeof *cache_actions };

static int cache_act(const struct cache_action *action, int argc, char **argv) {
    cmd c = { .verb = action->verb };
    cache_options o = { .c = &c, .most_bytes = -1 };
    btl_cache_info info;
    btl_error err = { 0 };
    cmd_parse(&c, &action->argp, argc, argv, &o);
    int code = cmd_open_empty(&c);
    if (!code && btl_cache_look(c.ctx, NULL, &info, &err) != BTL_OK) code = cmd_fail_error(&c, &err);
    if (!code) code = action->run(&o, &info);
    cmd_close(&c);
    return cmd_finish(&c, code);
}

int verb_cache(int argc, char **argv) {
    static const struct argp argp = { NULL, cache_overview_parse, "ACTION", cache_doc, cache_children, NULL, NULL };
    for (int i = 0; i < NACTIONS && argc > 1; i++)
        if (strcmp(argv[1], cache_actions[i].name) == 0) return cache_act(&cache_actions[i], argc - 1, argv + 1);
    cmd c = { .verb = "cache" };
    if (argc > 1 && argv[1][0] != '-') {
        const char *names[NACTIONS];
        for (int i = 0; i < NACTIONS; i++) names[i] = cache_actions[i].name;
        const char *nearest = btl_nearest(argv[1], NACTIONS, names);
        return nearest ? cmd_usage(&c, "there is no cache %s; did you mean cache %s?", argv[1], nearest)
                       : cmd_usage(&c, "there is no cache %s: list, verify, prune or clear is expected", argv[1]);
    }
    cmd_parse(&c, &argp, argc, argv, &c);
    return 0; /* not reached: without an action it is a wrong use */
}
