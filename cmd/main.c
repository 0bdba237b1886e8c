/* main.c - the command `bitale`: finds the verb.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"

#include <stdio.h>
#include <string.h>

typedef struct main_verb { const char *name; int (*run)(int argc, char **argv); const char *doc; } main_verb;

static const main_verb verbs[] = {
    { "run", verb_run, "calls a function of a program, with values and files from the command line" },
    { "check", verb_check, "parses and types a program; verifies gradients, compares modes and stored results" },
    { "print", verb_print, "the program in its normal form, or as it is after a pass" },
    { "opt", verb_opt, "a function as the rewrites leave it; with --explain which rule did what, where" },
    { "bisect", verb_bisect, "finds the rewrite, pass or kernel that changes a result" },
    { "grad", verb_grad, "the program with a gradient, in the notation" },
    { "plan", verb_plan, "what memory a function takes, before it runs; offsets for a list of buffers" },
    { "profile", verb_profile, "what a call takes, measured" },
    { "emit-c", verb_emit_c, "a function as C files that need nothing" },
    { "ops", verb_ops, "the operations of the notation" },
    { "rules", verb_rules, "the rewrite rules" },
    { "cache", verb_cache, "the compiled code that is kept: list, verify, prune, clear" },
    { "doctor", verb_doctor, "what this machine has, and what that means" },
    { "version", verb_version, "the version, and with --features what this build can do" },
};
enum { NVERBS = sizeof verbs / sizeof *verbs };

/* Of the design, and not there yet. */
static const char *const later[] = { "bench", "plot", "repl" };

static int main_help(FILE *to) {
    fputs("Usage: bitale VERB [ARGUMENTS...] [OPTIONS...]\n"
          "Tensor expressions: differentiated, rewritten, planned, run.\n\n",
          to);
    for (int i = 0; i < NVERBS; i++) fprintf(to, "  %-8s %s\n", verbs[i].name, verbs[i].doc);
    fputs("\n"
          "bitale VERB --help tells all about a verb, with examples.\n\n"
          "  printf 'input x: f64\\noutput y = sqrt(x)\\n' | bitale run - x=2\n\n"
          "Exit codes: 0 good; 1 a check failed; 2 wrong use of the command; 3 bad input: program,\n"
          "arguments, files, sizes; 4 the C compiler; 5 the run failed: index, assertion, memory.\n",
          to);
    return 0;
}

static int main_unknown(const char *word) {
    const char *names[NVERBS];
    for (int i = 0; i < NVERBS; i++) names[i] = verbs[i].name;
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (strcmp(word, later[i]) == 0) {
            fprintf(stderr, "bitale: %s is not there yet\n", word);
            return cmd_exit_code(BTL_EUSAGE);
        }
    const char *nearest = btl_nearest(word, NVERBS, names);
    fprintf(stderr, "bitale: there is no verb %s", word);
    if (nearest) fprintf(stderr, "; did you mean %s?", nearest);
    fputs("\nTry: bitale --help\n", stderr);
    return cmd_exit_code(BTL_EUSAGE);
}

static int main_verb_run(int argc, char **argv) {
    for (int i = 0; i < NVERBS; i++)
        if (strcmp(argv[0], verbs[i].name) == 0) return verbs[i].run(argc, argv);
    return main_unknown(argv[0]);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        main_help(stderr);
        return cmd_exit_code(BTL_EUSAGE);
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "-?") == 0 || (strcmp(word, "help") == 0 && argc == 2)) {
        main_help(stdout);
        return cmd_finish(&(cmd){ .verb = "help" }, 0);
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) return verb_version(1, argv + 1);
    if (strcmp(word, "help") == 0) {
        static char help[] = "--help";
        char *args[] = { argv[2], help, NULL };
        return main_verb_run(2, args);
    }
    return main_verb_run(argc - 1, argv + 1);
}
