/* common.c - see common.h. SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- memory, time, words -------------------------------------------------------------------- */

static void common_no_memory(void) {
    fputs("bitale: out of memory\n", stderr);
    exit(cmd_exit_code(BTL_ENOMEM));
}

void *cmd_alloc(size_t bytes) {
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p) common_no_memory();
    return p;
}

void *cmd_realloc(void *p, size_t bytes) {
    p = realloc(p, bytes ? bytes : 1);
    if (!p) common_no_memory();
    return p;
}

char *cmd_format(const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *s = cmd_alloc((size_t)(n > 0 ? n : 0) + 1);
    va_start(args, format);
    vsnprintf(s, (size_t)(n > 0 ? n : 0) + 1, format, args);
    va_end(args);
    return s;
}

double cmd_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *cmd_reason(int error_number) { return strerror(error_number); }

bool cmd_is_terminal(int fd) {
    const char *term = getenv("TERM");
    return isatty(fd) && !(term && strcmp(term, "dumb") == 0);
}

/* ---- messages ---------------------------------------------------------------------------------- */

int cmd_exit_code(btl_status status) {
    switch (status) {
#define COMMON_CASE(name, number, text, code)                                                     \
    case BTL_##name: return code;
        BTL_STATUS_LIST(COMMON_CASE)
#undef COMMON_CASE
    }
    return 5;
}

static void common_print(const cmd *c, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void common_print(const cmd *c, const char *format, va_list args) {
    fflush(stdout);
    fprintf(stderr, "bitale %s: ", c->verb);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int cmd_fail(const cmd *c, btl_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    common_print(c, format, args);
    va_end(args);
    return cmd_exit_code(status);
}

int cmd_fail_error(const cmd *c, const btl_error *err) {
    const char *message = err->message[0] ? err->message : btl_status_text(err->status);
    fflush(stdout);
    if (err->line > 0) fprintf(stderr, "%s\n", message);
    else fprintf(stderr, "bitale %s: %s\n", c->verb, message);
    return cmd_exit_code(err->status);
}

int cmd_fail_step(const cmd *c, int64_t step, const btl_error *err) {
    int code = cmd_fail_error(c, err);
    fprintf(stderr, "bitale %s: this was step %lld; nothing is written\n", c->verb, (long long)step);
    return code;
}

int cmd_usage(const cmd *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    common_print(c, format, args);
    va_end(args);
    fprintf(stderr, "Try: bitale %s --help\n", c->verb);
    return cmd_exit_code(BTL_EUSAGE);
}

void cmd_note(const cmd *c, const char *format, ...) {
    if (c->quiet) return;
    va_list args;
    va_start(args, format);
    common_print(c, format, args);
    va_end(args);
}

int cmd_finish(const cmd *c, int exit_code) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return exit_code;
    int code = cmd_fail(c, BTL_EIO, "standard output: %s", cmd_reason(errno));
    return exit_code ? exit_code : code;
}

/* ---- options ----------------------------------------------------------------------------------- */

int64_t cmd_option_integer(struct argp_state *state, const char *option, const char *arg, int64_t least) {
    char *end;
    errno = 0;
    long long value = strtoll(arg, &end, 10);
    if (end == arg || *end || errno || value < least) argp_error(state, "%s takes a whole number of at least %lld, found %s", option, (long long)least, arg);
    return value;
}

int64_t cmd_option_bytes(struct argp_state *state, const char *option, const char *arg) {
    static const char units[] = "KMGT";
    char *end;
    double value = strtod(arg, &end);
    const char *unit = *end ? strchr(units, *end >= 'a' && *end <= 'z' ? *end - 'a' + 'A' : *end) : NULL;
    for (const char *u = units; unit && u <= unit; u++) value *= 1024;
    if (unit && strcmp(end + 1, "iB") != 0 && strcmp(end + 1, "B") != 0 && end[1]) unit = NULL, value = -1;
    if (end == arg || (*end && !unit && strcmp(end, "B") != 0) || !(value >= 1) || value > 4e18) argp_error(state, "%s takes a number of bytes, as 4096, 16K or 1.5G; found %s", option, arg);
    return (int64_t)value;
}

double cmd_option_number(struct argp_state *state, const char *option, const char *arg) {
    char *end;
    double value = strtod(arg, &end);
    if (end == arg || *end || !(value >= 0)) argp_error(state, "%s takes a number of at least 0, found %s", option, arg);
    return value;
}

enum { KEY_JSON = 0x200, KEY_MODE, KEY_WITH, KEY_WITHOUT, KEY_THREADS, KEY_CACHE_DIR, KEY_PLUGIN, KEY_RULES };

static const struct argp_option common_options[] = {
    { NULL, 0, NULL, 0, "Common to all verbs:", 100 },
    { "json", KEY_JSON, NULL, 0, "Print the result as one JSON value on standard output", 100 },
    { "quiet", 'q', NULL, 0, "Print errors only (and the JSON that --json asks for)", 100 },
    { "mode", KEY_MODE, "MODE", 0, "fast_run: all rewrites, generated C (the default, or what BITALE_MODE or the configuration file says); fast_compile: only the rewrites that numerical stability needs, no C compiler; c_code: no rewrites, each op by its own C; debug, nan_guard, monitor: as fast_run, each node checked, guarded against NaN, shown. Behind it settings, as in fast_run,linker=vm,without=fuse: linker=c|vm|strips|eval, checks=none|debug|nan|monitor, with=NAME, without=NAME, tier=background (strips until the compiler is done), policy=arena|each|reuse|reuse=0d and gc=off|on (where intermediate values lie, and when their memory is given back)", 100 },
    { "with", KEY_WITH, "NAMES", 0, "Rewrites to be used besides, by name or tag, apart by commas (bitale rules lists them); any number of times", 100 },
    { "without", KEY_WITHOUT, "NAMES", 0, "Rewrites not to be used; fuse: no fusion", 100 },
    { "threads", KEY_THREADS, "N", 0, "Threads of a call; results have the same bits whatever N is. Calls use one thread as yet", 100 },
    { "cache-dir", KEY_CACHE_DIR, "DIR", 0, "Where compiled code is kept, instead of BITALE_CACHE_DIR, $XDG_CACHE_HOME/bitale or ~/.cache/bitale", 100 },
    { "plugin", KEY_PLUGIN, "FILE.so", 0, "Operations of your own, from a shared object (docs/EXTEND.md); may be given several times. Its code runs with your rights", 100 },
    { "rules", KEY_RULES, "FILE", 0, "Rewrite rules of your own (`bitale rules --help` tells their form); may be given several times", 100 },
    { 0 },
};

static void common_add_names(char **list, const char *names) {
    char *longer = *list ? cmd_format("%s,%s", *list, names) : cmd_format("%s", names);
    free(*list);
    *list = longer;
}

static error_t common_parse(int key, char *arg, struct argp_state *state) {
    cmd *c = state->input;
    switch (key) {
    case KEY_JSON: c->json = true; return 0;
    case 'q': c->quiet = true; return 0;
    case KEY_MODE:
    {
        btl_error err = { 0 };
        if (btl_mode_check(arg, &err) != BTL_OK) argp_error(state, "%s", err.message);
        c->mode = arg;
        return 0;
    }
    case KEY_WITH: common_add_names(&c->with, arg); return 0;
    case KEY_WITHOUT: common_add_names(&c->without, arg); return 0;
    case KEY_THREADS: c->threads = (int)cmd_option_integer(state, "--threads", arg, 1); return 0;
    case KEY_CACHE_DIR: c->cache_dir = arg; return 0;
    case KEY_PLUGIN:
        c->plugins = cmd_realloc(c->plugins, (size_t)(c->nplugins + 1) * sizeof *c->plugins);
        c->plugins[c->nplugins++] = arg;
        return 0;
    case KEY_RULES:
        c->rules = cmd_realloc(c->rules, (size_t)(c->nrules + 1) * sizeof *c->rules);
        c->rules[c->nrules++] = arg;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cmd_common_argp = { common_options, common_parse, NULL, NULL, NULL, NULL, NULL };

/* All long options of a parser and its children; at most `most`. */
static int common_long_options(const struct argp *argp, const char **names, int most) {
    int n = 0;
    for (const struct argp_option *o = argp->options; o && (o->name || o->key || o->doc); o++)
        if (o->name && n < most) names[n++] = o->name;
    for (const struct argp_child *child = argp->children; child && child->argp; child++) n += common_long_options(child->argp, names + n, most - n);
    return n;
}

/* argp says "unrecognized option" and no more: look before it does. */
static void common_check_options(const cmd *c, const struct argp *argp, int argc, char **argv) {
    const char *names[64] = { "help", "usage" };
    int n = 2 + common_long_options(argp, names + 2, 62);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) != 0) continue;
        char word[80];
        size_t length = strcspn(argv[i] + 2, "=");
        snprintf(word, sizeof word, "%.*s", (int)(length < 79 ? length : 79), argv[i] + 2);
        bool known = false;
        for (int k = 0; k < n; k++) known |= strncmp(names[k], word, strlen(word)) == 0;
        if (known) continue;
        const char *nearest = btl_nearest(word, n, names);
        exit(nearest ? cmd_usage(c, "there is no option --%s; did you mean --%s?", word, nearest) : cmd_usage(c, "there is no option --%s", word));
    }
}

void cmd_parse(cmd *c, const struct argp *argp, int argc, char **argv, void *input) {
    argp_err_exit_status = cmd_exit_code(BTL_EUSAGE);
    snprintf(c->name, sizeof c->name, "bitale %s", c->verb);
    argv[0] = c->name; /* as argp's messages begin */
    common_check_options(c, argp, argc, argv);
    argp_parse(argp, argc, argv, 0, NULL, input);
    btl_error err = { 0 };
    if (!c->any_config && btl_config_check(&err) != BTL_OK) exit(cmd_fail_error(c, &err));
    if (c->cache_dir) setenv("BITALE_CACHE_DIR", c->cache_dir, 1); /* for all that is asked of the library */
}

btl_function_options cmd_function_options(const cmd *c) {
    return (btl_function_options){ .struct_size = sizeof(btl_function_options), .mode = c->mode, .with = c->with, .without = c->without };
}

btl_function_options cmd_function_options_strips(const cmd *c) {
    static char mode[2000]; /* of one command */
    snprintf(mode, sizeof mode, "%.1900s,linker=strips", c->mode ? c->mode : btl_mode_default());
    btl_function_options options = cmd_function_options(c);
    options.mode = mode;
    return options;
}

/* ---- the program --------------------------------------------------------------------------------- */

/* All of a stream, with a 0 behind it; NULL with errno set. */
static char *common_read_stream(FILE *f, size_t *length) {
    size_t capacity = 1 << 16, n = 0, got;
    char *text = cmd_alloc(capacity);
    while ((got = fread(text + n, 1, capacity - n - 1, f)) > 0) {
        n += got;
        if (n + 1 < capacity) continue;
        capacity *= 2;
        text = cmd_realloc(text, capacity);
    }
    if (ferror(f)) {
        free(text);
        return NULL;
    }
    text[n] = 0;
    *length = n;
    return text;
}

int cmd_read(cmd *c, const char *path, size_t *length) {
    bool is_stdin = strcmp(path, "-") == 0;
    c->reads_stdin |= is_stdin;
    c->file = is_stdin ? "standard input" : path;
    FILE *f = is_stdin ? stdin : fopen(path, "rb");
    if (!f) return cmd_fail(c, BTL_EIO, "%s: cannot be opened: %s", path, cmd_reason(errno));
    c->text = common_read_stream(f, length);
    int error_number = errno;
    if (!is_stdin) fclose(f);
    return c->text ? 0 : cmd_fail(c, BTL_EIO, "%s: cannot be read: %s", path, cmd_reason(error_number));
}

int cmd_open_empty(cmd *c) {
    btl_status status = btl_context_new(NULL, &c->ctx);
    if (status == BTL_OK) status = btl_graph_new(c->ctx, &c->g);
    if (status != BTL_OK) return cmd_fail(c, status, "%s", btl_status_text(status));
    for (int i = 0; i < c->nplugins; i++) {
        btl_error err = { 0 };
        if (btl_plugin_load(c->ctx, c->plugins[i], &err) != BTL_OK) return cmd_fail_error(c, &err);
    }
    for (int i = 0; i < c->nrules; i++) {
        btl_error err = { 0 };
        if (btl_rules_load(c->ctx, c->rules[i], &err) != BTL_OK) return cmd_fail_error(c, &err);
    }
    return 0;
}

int cmd_open(cmd *c, const char *path) {
    size_t length = 0;
    int code = cmd_open_empty(c);
    if (code == 0) code = cmd_read(c, path, &length);
    if (code) return code;
    btl_status status = btl_graph_parse(c->g, c->text, length, c->file);
    int n = btl_graph_nmessages(c->g);
    if (status == BTL_OK && n == 0) return 0;
    fputs(btl_graph_messages(c->g), stderr);
    if (n > 1) fprintf(stderr, "%s: %d mistakes\n", c->file, n);
    return cmd_exit_code(status == BTL_OK ? BTL_ESYNTAX : status);
}

void cmd_close_program(cmd *c) {
    btl_graph_free(c->g);
    btl_context_free(c->ctx);
    free(c->text);
    c->g = NULL, c->ctx = NULL, c->text = NULL, c->file = NULL;
}

void cmd_close(cmd *c) {
    cmd_close_program(c);
    free(c->plugins);
    free(c->rules);
    free(c->with);
    free(c->without);
    c->plugins = c->rules = NULL, c->with = c->without = NULL;
}

bool cmd_has_entry(const cmd *c, const char *name) { return btl_entry_find(c->g, name) != NULL; }

int cmd_fail_unknown(const cmd *c, const char *what, const char *name, int n, const char *const *names) {
    const char *nearest = btl_nearest(name, n, names);
    return cmd_fail(c, BTL_ENAME, "there is no %s named %s%s%s%s", what, name, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

btl_entry *cmd_entry(const cmd *c, const char *name, int *exit_code) {
    btl_entry *e = btl_entry_find(c->g, name);
    if (e) return e;
    int n = btl_graph_nentries(c->g);
    const char **names = cmd_alloc((size_t)(n + 1) * sizeof *names);
    size_t length = 1;
    for (int i = 0; i < n; i++) names[i] = btl_graph_entry_name(c->g, i), length += strlen(names[i]) + 2;
    char *list = cmd_alloc(length);
    for (int i = 0; i < n; i++) strcat(strcat(list, i ? ", " : ""), names[i]);
    const char *nearest = name ? btl_nearest(name, n, names) : NULL;
    if (n == 0) *exit_code = cmd_fail(c, BTL_ENAME, "%s: the program has no function and no output: there is nothing to do", c->file);
    else if (!name) *exit_code = cmd_fail(c, BTL_ENAME, "%s: which function? It has no main, but %s", c->file, list);
    else if (nearest) *exit_code = cmd_fail(c, BTL_ENAME, "%s: there is no function %s; did you mean %s? It has %s", c->file, name, nearest, list);
    else *exit_code = cmd_fail(c, BTL_ENAME, "%s: there is no function %s; it has %s", c->file, name, list);
    free(list);
    free(names);
    return NULL;
}
