/* common.h - what every verb shares: its options, messages, exit codes, and reading a program.
 *
 * What a person reads as a result goes to standard output, everything else to standard error.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CMD_COMMON_H
#define CMD_COMMON_H

#include "bitale/bitale.h"
#include "bitale/tools.h"

#include <argp.h>

/* A verb at work. */
typedef struct cmd {
    const char *verb;
    char name[32];          /* "bitale run", for argp */
    bool json, quiet;
    const char *mode, *cache_dir;
    char *with, *without;   /* names apart by commas, or NULL */
    bool any_config;        /* goes on where the configuration file is wrong: to tell */
    int nplugins;
    const char **plugins;   /* files of --plugin */
    int nrules;
    const char **rules;     /* files of --rules */
    int threads;            /* 0: not said */
    btl_context *ctx;       /* made by cmd_open */
    btl_graph *g;
    const char *file;       /* the program's, as messages name it */
    char *text;
    bool reads_stdin;       /* somebody reads standard input already */
} cmd;

/* The exit code of a status (BTL_STATUS_LIST). */
int cmd_exit_code(btl_status status);

/* "bitale VERB: message" on standard error; returns the exit code. */
int cmd_fail(const cmd *c, btl_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "there is no WHAT named NAME", with the nearest of the n names if one is near. */
int cmd_fail_unknown(const cmd *c, const char *what, const char *name, int n, const char *const *names);
/* Like cmd_fail, for an error of the library, which has its place in front where it knows one. */
int cmd_fail_error(const cmd *c, const btl_error *err);
/* Like that, for an error while a step of several was made; "step 3: " stands before it. */
int cmd_fail_step(const cmd *c, int64_t step, const btl_error *err);
/* A wrong command line; a pointer to --help follows. Returns 2. */
int cmd_usage(const cmd *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Options of a function that is looked at and hardly called: never worth a compiler's start. */
btl_function_options cmd_function_options_strips(const cmd *c);
/* A remark, not with --quiet. */
void cmd_note(const cmd *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The options that all verbs take, as a child of their own parser: state->child_inputs[0] is the cmd. */
extern const struct argp cmd_common_argp;

/* Parses a verb's options. An unknown one is answered with the nearest, a wrong one by argp; both end
 * the program with 2, --help with 0. `input` is what the parser gets, c what the common one gets. */
void cmd_parse(cmd *c, const struct argp *argp, int argc, char **argv, void *input);

/* Makes the context, reads the program ("-": standard input) and parses it. Every mistake is printed.
 * Returns 0 or the exit code; cmd_close is wanted in any case. */
int cmd_open(cmd *c, const char *path);
/* Reads a text ("-": standard input) into c->text, with a 0 behind it; c->file is its name. 0 or the exit code after a message. */
int cmd_read(cmd *c, const char *path, size_t *length);
/* A context with the plugins' ops and an empty graph, for verbs without a program. */
int cmd_open_empty(cmd *c);
void cmd_close(cmd *c);
/* The program alone: another one can be opened. */
void cmd_close_program(cmd *c);

/* The function of that name (NULL: main, or the only one); NULL after a message, with its exit code. */
btl_entry *cmd_entry(const cmd *c, const char *name, int *exit_code);
/* True if the program has a function of that name. */
bool cmd_has_entry(const cmd *c, const char *name);

/* Options for btl_function_new from the command line. */
btl_function_options cmd_function_options(const cmd *c);

/* A whole number of at least `least` from an option's argument; ends the program with 2 if it is none. */
int64_t cmd_option_integer(struct argp_state *state, const char *option, const char *arg, int64_t least);
/* A number of bytes above 0: 4096, 16K, 2M, 1.5G (times 1024); ends the program with 2 if it is none. */
int64_t cmd_option_bytes(struct argp_state *state, const char *option, const char *arg);
/* A number >= 0. */
double cmd_option_number(struct argp_state *state, const char *option, const char *arg);

/* Flushes standard output; an error there (a full disk, a closed pipe) becomes the exit code. */
int cmd_finish(const cmd *c, int exit_code);

/* True where colour and a moving line are welcome on that stream. */
bool cmd_is_terminal(int fd);

/* Memory or the end of the program with 5. */
void *cmd_alloc(size_t bytes);
void *cmd_realloc(void *p, size_t bytes);
char *cmd_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

double cmd_now(void); /* seconds, monotonic */

/* "cannot be read: no such file": the system's words, lower case at the front. */
const char *cmd_reason(int error_number);

/* The verbs. */
int verb_run(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_print(int argc, char **argv);
int verb_grad(int argc, char **argv);
int verb_plan(int argc, char **argv);
int verb_profile(int argc, char **argv);
int verb_emit_c(int argc, char **argv);
int verb_ops(int argc, char **argv);
int verb_opt(int argc, char **argv);
int verb_bisect(int argc, char **argv);
int verb_rules(int argc, char **argv);
int verb_cache(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_version(int argc, char **argv);

#endif
