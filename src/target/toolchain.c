/* toolchain.c - see toolchain.h.
 *
 * Nothing is tried out when a program starts: which flags a compiler knows follows from what it says to --version, and
 * that is remembered (a remark in the cache: "cc-….txt").
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* realpath */
#include "target/toolchain.h"

#include "base/config.h"
#include "base/hash.h"
#include "base/os.h"
#include "base/process.h"
#include "base/processor.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <elf.h>
#include <link.h>
#endif

extern char **environ;

enum { LOG_BYTES = 65536, VERSION_BYTES = 4096, VERSION_SECONDS = 30 };

/* ---- words ------------------------------------------------------------------------------------------------ */

static const char *toolchain_word(btl_arena *a, const char **text) {
    const char *p = *text;
    char *word = btl_arena_alloc(a, strlen(p) + 1), *w = word;
    for (char quote = 0; *p && (quote || !isspace((unsigned char)*p)); p++) {
        if (quote && *p == quote) quote = 0;
        else if (!quote && (*p == '\'' || *p == '"')) quote = *p;
        else if (*p == '\\' && quote != '\'' && p[1]) *w++ = *++p;
        else *w++ = *p;
    }
    *w = 0;
    *text = p;
    return word;
}

const char *const *btl_words(btl_arena *a, const char *text, int *n) {
    const char **words = NULL;
    int count = 0, capacity = 0;
    for (const char *p = text ? text : "";;) {
        while (isspace((unsigned char)*p)) p++;
        if (!*p) break;
        *BTL_PUSH(a, words, count, capacity) = toolchain_word(a, &p);
    }
    *n = count;
    *BTL_PUSH(a, words, count, capacity) = NULL;
    return words;
}

/* What a program printed as text that may be shown: no control characters, bytes above ASCII as they are. */
static void toolchain_clean(char *text) {
    for (; *text; text++)
        if (((unsigned char)*text < 32 && *text != '\n' && *text != '\t') || *text == 127) *text = '?';
}

/* A remark in a message: ": FIRST LINE" or "". */
static const char *toolchain_excerpt(btl_arena *a, const char *output) {
    while (isspace((unsigned char)*output)) output++;
    int length = (int)strcspn(output, "\n");
    return length ? btl_arena_printf(a, ": %.*s%s", length < 300 ? length : 300, output, length > 300 ? "…" : "") : "";
}

/* ---- finding it ------------------------------------------------------------------------------------------- */

static const char *toolchain_path(btl_arena *a, const char *name) {
    char path[PATH_MAX];
    return btl_os_find_program(name, path, sizeof path) ? btl_arena_strdup(a, path) : NULL;
}

/* The words of a command whose first one is a program, or false. A path with blanks is one word if there is such a file. */
static bool toolchain_command(btl_arena *a, const char *text, btl_compiler *c) {
    const char **whole = BTL_ARRAY(a, const char *, 2);
    whole[0] = toolchain_path(a, text);
    c->command = whole, c->ncommand = 1;
    if (whole[0]) return true;
    const char *const *words = btl_words(a, text, &c->ncommand);
    if (c->ncommand < 2) return false;
    const char **command = BTL_ARRAY(a, const char *, c->ncommand + 1);
    memcpy(command, words, (size_t)c->ncommand * sizeof *words);
    command[0] = toolchain_path(a, words[0]);
    c->command = command;
    return command[0] != NULL;
}

static btl_status toolchain_missing(const char *name, const char *says, btl_error *err) {
    return btl_error_set(err, BTL_ECOMPILER, "the C compiler %.200s is not there (%s): no such program, or none that may be started; PATH is %.600s",
                         name, says, getenv("PATH") ? getenv("PATH") : "not set");
}

static btl_status toolchain_choose(btl_arena *a, const char *wanted, btl_compiler *c, btl_error *err) {
    static const char *const usual[] = { "cc", "gcc", "clang" };
    const char *says = "asked for by the program", *cc = btl_os_env("CC"), *from;
    if (!wanted || !*wanted) {
        wanted = btl_config_value("cc", &from);
        says = btl_arena_printf(a, "named by %s", from);
    }
    if (wanted && strcmp(wanted, "none") == 0)
        return btl_error_set(err, BTL_ECOMPILER, "there is no C compiler: it is switched off (%s)", says);
    if (wanted) return toolchain_command(a, wanted, c) ? BTL_OK : toolchain_missing(wanted, says, err);
    if (cc && toolchain_command(a, cc, c)) return BTL_OK; /* a build's wish, which may not reach as far as here */
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (toolchain_command(a, usual[i], c)) return BTL_OK;
    return btl_error_set(err, BTL_ECOMPILER, "no C compiler was found: there is no cc, gcc or clang in PATH (%.600s); install one, or name one by BITALE_CC",
                         getenv("PATH") ? getenv("PATH") : "not set");
}

/* ---- knowing it ------------------------------------------------------------------------------------------- */

/* The words, and of each that is a program where it really lies, its size and time. A wrapper that starts another
 * compiler one day, being the same file, is not noticed; the code is none the worse. */
static const char *toolchain_files(btl_arena *a, const btl_compiler *c) {
    btl_text t;
    btl_text_init(&t, a);
    for (int i = 0; i < c->ncommand; i++) {
        struct stat st;
        char real[PATH_MAX];
        const char *path = i ? toolchain_path(a, c->command[i]) : c->command[0];
        btl_text_printf(&t, "word %s\n", c->command[i]);
        if (path && realpath(path, real) && stat(real, &st) == 0)
            btl_text_printf(&t, "file %s %lld %lld.%09ld\n", real, (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    }
    return t.data;
}

static int toolchain_number_after(const char *text, const char *word) {
    const char *p = strstr(text, word);
    return p ? (int)strtol(p + strlen(word), NULL, 10) : 0;
}

/* gcc writes "NAME (PACKAGER'S WORDS) 12.2.0", clang "… clang version 14.0.6". */
static void toolchain_classify(const char *says, btl_compiler *c) {
    c->kind = BTL_OTHER_CC;
    if (strstr(says, "clang") || strstr(says, "InstalledDir:")) {
        c->kind = BTL_CLANG;
        c->major = toolchain_number_after(says, "version ");
    } else if (strstr(says, "Free Software Foundation")) {
        c->kind = BTL_GCC;
        c->major = toolchain_number_after(says, ") ");
    }
}

/* Its answer to --version; `lasting`: the one that it will give again. */
static btl_status toolchain_ask(btl_arena *a, const btl_compiler *c, const char **answer, bool *lasting, btl_error *err) {
    const char **argv = BTL_ARRAY(a, const char *, c->ncommand + 2);
    char *output = BTL_ARRAY(a, char, VERSION_BYTES);
    memcpy(argv, c->command, (size_t)c->ncommand * sizeof *argv);
    argv[c->ncommand] = "--version";
    double seconds = btl_compiler_limit();
    if (seconds > VERSION_SECONDS) seconds = VERSION_SECONDS;
    btl_process p = { .argv = argv, .output = output, .capacity = VERSION_BYTES };
    btl_process_run(1, &p, 1, (int64_t)(seconds * 1e9));
    toolchain_clean(output);
    *answer = output;
    if (p.end == BTL_PROCESS_TIMED_OUT)
        return btl_error_set(err, BTL_ECOMPILER, "the C compiler %s did not answer to --version within %g s", c->command[0], seconds);
    if (p.end == BTL_PROCESS_NOT_STARTED)
        return btl_error_set(err, BTL_ECOMPILER, "the C compiler %s cannot be started: %s", c->command[0], strerror(p.code));
    if (p.end == BTL_PROCESS_KILLED)
        return btl_error_set(err, BTL_ECOMPILER, "the C compiler %s died of signal %d (%s) when asked for its --version%s",
                             c->command[0], p.code, strsignal(p.code), toolchain_excerpt(a, output));
    *lasting = p.end == BTL_PROCESS_EXITED && p.code == 0;
    return BTL_OK; /* there are compilers that do not know --version */
}

static const char remark_end[] = "\nend\n";

/* What it said before: the files as they are now stand at the beginning of the remark. */
static const char *toolchain_remembered(btl_arena *a, const btl_cache *cache, const char *name, const char *files) {
    char *text = btl_cache_read_text(cache, a, name);
    size_t nfiles = strlen(files), n = text ? strlen(text) : 0;
    if (n < nfiles + sizeof remark_end - 1 || strncmp(text, files, nfiles) != 0) return NULL;
    if (strcmp(text + n - (sizeof remark_end - 1), remark_end) != 0) return NULL;
    text[n - (sizeof remark_end - 1)] = 0;
    return text + nfiles;
}

btl_status btl_compiler_find(btl_arena *a, const btl_cache *cache, const char *wanted, btl_compiler *out, btl_error *err) {
    *out = (btl_compiler){ 0 };
    BTL_TRY(toolchain_choose(a, wanted, out, err));
    const char *files = toolchain_files(a, out), *answer;
    char *name = btl_arena_printf(a, "cc-%016llx.txt", (unsigned long long)btl_hash_bytes(files, strlen(files), 0));
    answer = toolchain_remembered(a, cache, name, files);
    if (!answer) {
        bool lasting = false;
        BTL_TRY(toolchain_ask(a, out, &answer, &lasting, err));
        if (lasting) btl_cache_write_text(cache, name, btl_arena_printf(a, "%s%s%s", files, answer, remark_end));
    }
    toolchain_classify(answer, out);
    out->version = btl_arena_strndup(a, answer, strcspn(answer, "\n"));
    out->identity = btl_arena_printf(a, "%s\n%s", out->version, files);
    return BTL_OK;
}

/* ---- flags ------------------------------------------------------------------------------------------------ */

/* What each kind of compiler knows, from which major version on (0: never). Arithmetic means the same in all code that
 * Bitale runs, generated or not: no contraction but the written fma, integers wrap. `shared`: for linking too. */
typedef struct toolchain_flag {
    const char *flag;
    int gcc, clang;
    bool any, shared;        /* of which other compilers may be asked, too */
    bool (*when)(void);
} toolchain_flag;

static bool toolchain_is_x86(void) {
#if defined __x86_64__ || defined __i386__
    return true;
#else
    return false;
#endif
}

static bool toolchain_is_linux(void) {
#ifdef __linux__
    return true;
#else
    return false;
#endif
}

static const toolchain_flag toolchain_flags[] = {
    { .flag = "-std=c99", .gcc = 1, .clang = 1, .any = true },
    { .flag = "-w", .gcc = 1, .clang = 1, .any = true },
    { .flag = "-fPIC", .gcc = 1, .clang = 1, .any = true, .shared = true },
    { .flag = "-fopenmp-simd", .gcc = 5, .clang = 6 },
    { .flag = "-fno-thread-jumps", .gcc = 5 }, /* selects that follow each other would be vectorised twice (vecmath.inc) */
    { .flag = "-fno-math-errno", .gcc = 1, .clang = 1 },
    { .flag = "-fno-trapping-math", .gcc = 1, .clang = 1 },
    { .flag = "-fwrapv", .gcc = 1, .clang = 1 },
    { .flag = "-ffp-contract=off", .gcc = 5, .clang = 1 },
    { .flag = "-march=native", .gcc = 1, .clang = 1, .shared = true, .when = toolchain_is_x86 },
    { .flag = "-mprefer-vector-width=512", .gcc = 8, .clang = 7, .when = btl_processor_has_avx512 },
    { .flag = "-nostdlib", .gcc = 1, .clang = 1, .any = true, .shared = true },
    /* an object of 5 kB instead of 13 */
    { .flag = "-Wl,-z,noseparate-code", .gcc = 1, .clang = 1, .shared = true, .when = toolchain_is_linux },
};
enum { NFLAGS = sizeof toolchain_flags / sizeof *toolchain_flags, MOST_OWN_FLAGS = NFLAGS + 8 };

static bool toolchain_has(const btl_compiler *c, const toolchain_flag *f) {
    int since = c->kind == BTL_GCC ? f->gcc : c->kind == BTL_CLANG ? f->clang : f->any;
    return since && (!c->major || c->major >= since) && (!f->when || f->when());
}

/* Those that are for compiling only, for linking only, or (one call does both) all. */
static int toolchain_add_flags(const btl_compiler *c, bool compiles, bool links, const char **to) {
    int n = 0;
    if (links) to[n++] = "-shared";
    for (int i = 0; i < NFLAGS; i++) {
        const toolchain_flag *f = &toolchain_flags[i];
        bool linker_only = strncmp(f->flag, "-Wl,", 4) == 0 || strcmp(f->flag, "-nostdlib") == 0;
        if (toolchain_has(c, f) && ((compiles && !linker_only) || (links && f->shared))) to[n++] = f->flag;
    }
    return n;
}

const char *btl_compiler_flags(btl_arena *a, const btl_compiler *c, int level) {
    const char *flags[MOST_OWN_FLAGS];
    int n = toolchain_add_flags(c, true, true, flags);
    btl_text t;
    btl_text_init(&t, a);
    btl_text_printf(&t, "-O%d", level);
    for (int i = 0; i < n; i++) btl_text_printf(&t, " %s", flags[i]);
    return t.data;
}

double btl_compiler_limit(void) {
    const char *text = btl_config_value("cc_timeout", NULL);
    char *end;
    double seconds = text ? strtod(text, &end) : 0;
    return text && end > text && !*end && seconds > 0 && seconds < 1e9 ? seconds : 300;
}

/* ---- compiling -------------------------------------------------------------------------------------------- */

/* Our environment, but temporary files go to the folder, and messages are in English, so that they can be read. */
static const char *const *toolchain_env(btl_arena *a, const char *folder) {
    static const char *const ours[] = { "TMPDIR=", "LC_ALL=", "LANGUAGE=" };
    int n = 0, count = 0;
    while (environ[n]) n++;
    const char **env = BTL_ARRAY(a, const char *, n + 3);
    for (int i = 0; i < n; i++) {
        bool replaced = false;
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++) replaced |= strncmp(environ[i], ours[k], strlen(ours[k])) == 0;
        if (!replaced) env[count++] = environ[i];
    }
    env[count++] = btl_arena_printf(a, "TMPDIR=%s", folder);
    env[count++] = "LC_ALL=C";
    return env;
}

static const char *toolchain_file(btl_arena *a, const btl_compile_job *job, const char *name, const char *suffix) {
    return btl_arena_printf(a, "%s/%s%s", job->folder, name, suffix);
}

static const char *const *toolchain_argv(btl_arena *a, const btl_compile_job *job, bool links, int ninputs, const char *const *inputs, const char *output) {
    bool compiles = !links || job->n == 1;
    int nflags, nlibraries, n = 0;
    const char *const *flags = btl_words(a, job->flags, &nflags), *const *libraries = btl_words(a, job->libraries, &nlibraries);
    const char **argv = BTL_ARRAY(a, const char *, job->compiler->ncommand + MOST_OWN_FLAGS + nflags + nlibraries + ninputs + 4);
    for (int i = 0; i < job->compiler->ncommand; i++) argv[n++] = job->compiler->command[i];
    argv[n++] = btl_arena_printf(a, "-O%d", job->level);
    n += toolchain_add_flags(job->compiler, compiles, links, argv + n);
    for (int i = 0; i < nflags; i++) argv[n++] = flags[i];
    if (!links) argv[n++] = "-c";
    argv[n++] = "-o";
    argv[n++] = output;
    for (int i = 0; i < ninputs; i++) argv[n++] = inputs[i];
    for (int i = 0; links && i < nlibraries; i++) argv[n++] = libraries[i];
    return argv;
}

static int toolchain_write_file(const char *path, const char *text, size_t length) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return errno;
    int problem = btl_os_write_all(fd, text, length) ? 0 : errno;
    if (close(fd) && !problem) problem = errno;
    return problem;
}

/* What a compiler says when the fault is not the text's. gcc's driver ends with 1 as for a wrong text when the program
 * that does the work was killed. */
static const struct { const char *words; btl_compile_end end; } toolchain_faults[] = {
    { "No space left on device", BTL_COMPILE_NO_ROOM },
    { "Disk quota exceeded", BTL_COMPILE_NO_ROOM },
    { "Read-only file system", BTL_COMPILE_NO_ROOM },
    { "terminated program", BTL_COMPILE_FAILED },       /* gcc: "Killed signal terminated program cc1" */
    { "internal compiler error", BTL_COMPILE_FAILED },
    { "PLEASE submit a bug report", BTL_COMPILE_FAILED }, /* clang */
    { "Cannot allocate memory", BTL_COMPILE_FAILED },
    { "virtual memory exhausted", BTL_COMPILE_FAILED },
    { "out of memory", BTL_COMPILE_FAILED },
    { "cannot execute", BTL_COMPILE_FAILED },           /* gcc: "cannot execute ‘as’" */
    { "installation problem", BTL_COMPILE_FAILED },
    { "unable to execute command", BTL_COMPILE_FAILED }, /* clang */
};

/* The line in which a compiler or linker says what is wrong (the linker's own line before the
 * driver's remark on it); NULL: it says nothing of the kind, so no text is blamed. */
static const char *toolchain_complaint(const char *log) {
    static const char *const words[] = { "cannot find -l", "unable to find library", "undefined reference", "undefined symbol", ": error: ", "error" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *p = strstr(log, words[i]);
        while (p && p > log && p[-1] != '\n') p--;
        if (p) return p;
    }
    return NULL;
}

static btl_compile_end toolchain_judge(btl_arena *a, const btl_compile_job *job, const btl_process *p, const char *log, btl_error *err) {
    const char *cc = job->compiler->command[0];
    switch (p->end) {
    case BTL_PROCESS_NOT_STARTED:
        btl_error_set(err, BTL_ECOMPILER, "the C compiler %s cannot be started: %s", cc, strerror(p->code));
        return BTL_COMPILE_FAILED;
    case BTL_PROCESS_TIMED_OUT:
        btl_error_set(err, BTL_ECOMPILER, "the C compiler %s did not end within %g s and was stopped (BITALE_CC_TIMEOUT sets the limit in seconds)%s",
                      cc, btl_compiler_limit(), toolchain_excerpt(a, log));
        return BTL_COMPILE_FAILED;
    case BTL_PROCESS_KILLED:
        btl_error_set(err, BTL_ECOMPILER, "the C compiler %s died of signal %d (%s)%s%s", cc, p->code, strsignal(p->code),
                      p->code == SIGKILL ? ": killed by somebody, perhaps for want of memory" : "", toolchain_excerpt(a, log));
        return BTL_COMPILE_FAILED;
    case BTL_PROCESS_LOST: return BTL_COMPILED; /* what it wrote will tell */
    case BTL_PROCESS_EXITED: break;
    }
    if (p->code == 0) return BTL_COMPILED;
    const char *complaint = toolchain_complaint(log);
    btl_compile_end end = complaint ? BTL_COMPILE_REFUSED : BTL_COMPILE_FAILED;
    for (size_t i = 0; i < sizeof toolchain_faults / sizeof *toolchain_faults; i++)
        if (strstr(log, toolchain_faults[i].words)) end = toolchain_faults[i].end;
    if (end == BTL_COMPILE_REFUSED) btl_error_set(err, BTL_ECOMPILER, "the C compiler %s refused generated code%s", cc, toolchain_excerpt(a, complaint));
    else btl_error_set(err, BTL_ECOMPILER, "the C compiler %s ended with exit code %d%s", cc, p->code, *log ? toolchain_excerpt(a, log) : ", saying nothing");
    return end;
}

static const char *toolchain_log(btl_arena *a, const btl_compile_job *job, btl_process *p) {
    size_t folder = strlen(job->folder);
    btl_text t;
    btl_text_init(&t, a);
    btl_text_add(&t, "");
    toolchain_clean(p->output);
    for (const char *s = p->output, *found;; s = found + folder + 1) {
        found = strstr(s, job->folder);
        while (found && found[folder] != '/') found = strstr(found + 1, job->folder);
        btl_text_addn(&t, s, found ? (size_t)(found - s) : strlen(s));
        if (!found) break;
    }
    if (p->cut) btl_text_add(&t, "\n… (more was said)\n");
    return t.data;
}

/* Runs the processes and judges them: the first bad one counts. */
static btl_compile_end toolchain_run(btl_arena *a, const btl_compile_job *job, int n, btl_process *p, const char **log, btl_error *err) {
    const char *const *env = toolchain_env(a, job->folder);
    for (int i = 0; i < n; i++) p[i].env = env, p[i].capacity = LOG_BYTES, p[i].output = btl_arena_alloc(a, LOG_BYTES);
    btl_process_run(n, p, btl_os_cores(), (int64_t)(btl_compiler_limit() * 1e9));
    for (int i = 0; i < n; i++) {
        *log = toolchain_log(a, job, &p[i]);
        btl_compile_end end = toolchain_judge(a, job, &p[i], *log, err);
        if (end != BTL_COMPILED) return end;
    }
    return BTL_COMPILED;
}

static btl_compile_end toolchain_write_sources(btl_arena *a, const btl_compile_job *job, const char **paths, btl_error *err) {
    for (int i = 0; i < job->n; i++) {
        paths[i] = toolchain_file(a, job, job->units[i].name, ".c");
        int problem = toolchain_write_file(paths[i], job->units[i].text, job->units[i].length);
        if (!problem) continue;
        btl_error_set(err, BTL_EIO, "the text of generated code cannot be written: %s", strerror(problem));
        return BTL_COMPILE_NO_ROOM;
    }
    return BTL_COMPILED;
}

/* Is there what it should have written? */
static btl_compile_end toolchain_look_at(const btl_compile_job *job, const char *path, btl_error *err) {
    struct stat st;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) return BTL_COMPILED;
    btl_error_set(err, BTL_ECOMPILER, "the C compiler %s ended as if all were well, but wrote no code", job->compiler->command[0]);
    return BTL_COMPILE_FAILED;
}

btl_compile_end btl_compile(btl_arena *a, const btl_compile_job *job, const char **log, btl_error *err) {
    const char **sources = BTL_ARRAY(a, const char *, job->n), **objects = BTL_ARRAY(a, const char *, job->n);
    const char *result = toolchain_file(a, job, "code", ".so");
    btl_process *p = BTL_ARRAY(a, btl_process, job->n);
    *log = "";
    btl_compile_end end = toolchain_write_sources(a, job, sources, err);
    if (end != BTL_COMPILED) return end;
    for (int i = 0; job->n > 1 && i < job->n; i++) {
        objects[i] = toolchain_file(a, job, job->units[i].name, ".o");
        p[i].argv = toolchain_argv(a, job, false, 1, &sources[i], objects[i]);
    }
    if (job->n > 1) end = toolchain_run(a, job, job->n, p, log, err);
    for (int i = 0; job->n > 1 && i < job->n && end == BTL_COMPILED; i++) end = toolchain_look_at(job, objects[i], err);
    if (end != BTL_COMPILED) return end;
    *p = (btl_process){ .argv = toolchain_argv(a, job, true, job->n, job->n > 1 ? objects : sources, result) };
    end = toolchain_run(a, job, 1, p, log, err);
    return end == BTL_COMPILED ? toolchain_look_at(job, result, err) : end;
}

/* ---- what was made ---------------------------------------------------------------------------------------- */

#if defined __linux__ || defined __FreeBSD__
/* A loader maps what the headers say, and a file that ends earlier kills the process when that is touched. The table of
 * sections is the last thing that a linker writes, so a file that was cut lacks (part of) it. */
const char *btl_object_problem(const char *data, size_t bytes) {
    ElfW(Ehdr) e;
    ElfW(Phdr) p;
    if (bytes < sizeof e || memcmp(data, ELFMAG, SELFMAG) != 0) return "it is no ELF file";
    memcpy(&e, data, sizeof e);
    if (e.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)) return "it is for machines of another word size";
    if (e.e_type != ET_DYN) return "it is no shared object";
    if (e.e_phentsize != sizeof p || e.e_phoff > bytes || (bytes - e.e_phoff) / sizeof p < e.e_phnum ||
        e.e_shoff > bytes || (bytes - e.e_shoff) / sizeof(ElfW(Shdr)) < e.e_shnum)
        return "it is cut short";
    for (size_t i = 0; i < e.e_phnum; i++) {
        memcpy(&p, data + e.e_phoff + i * sizeof p, sizeof p);
        if (p.p_offset > bytes || p.p_filesz > bytes - p.p_offset) return "it is cut short";
    }
    return NULL;
}
#else
const char *btl_object_problem(const char *data, size_t bytes) {
    (void)data;
    return bytes ? NULL : "it is empty";
}
#endif
