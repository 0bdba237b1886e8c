/* toolchain_test.c - which compiler is found, what it is told, and what is said of one that misbehaves.
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* usleep, mkdtemp */
#include "fake_cc.h"

#include "base/os.h"
#include "base/processor.h"
#include "target/toolchain.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- tools ------------------------------------------------------------------------------------------------ */

/* A test works in a folder of its own, with an arena and a cache there. */
typedef struct place { btl_test_dir dir; btl_arena arena; btl_cache *cache; } place;

static btl_status open_cache(void *arg) {
    place *p = arg;
    p->cache = btl_cache_open(&p->arena, btl_test_path(p->dir.path, "cache"), true);
    return BTL_OK;
}

static int setup(void **state) {
    place *p = calloc(1, sizeof *p);
    btl_test_dir_make(&p->dir);
    btl_arena_init(&p->arena, NULL);
    unsetenv("BITALE_CC");
    unsetenv("BITALE_CC_TIMEOUT");
    BTL_ASSERT_OK(btl_arena_protect(&p->arena, open_cache, p));
    *state = p;
    return 0;
}

static int teardown(void **state) {
    place *p = *state;
    btl_arena_deinit(&p->arena);
    btl_test_dir_remove(&p->dir);
    free(p);
    return 0;
}

static place *place_of(void **state) { return *state; }

typedef struct find_args { place *p; const char *wanted; btl_compiler *out; btl_error *err; const char **flags; } find_args;

static btl_status find_body(void *arg) {
    find_args *f = arg;
    btl_status status = btl_compiler_find(&f->p->arena, f->p->cache, f->wanted, f->out, f->err);
    if (status == BTL_OK && f->flags) *f->flags = btl_compiler_flags(&f->p->arena, f->out, 2);
    return status;
}

static btl_compiler find(place *p, const char *wanted, const char **flags) {
    btl_compiler c;
    btl_error err = { 0 };
    if (btl_arena_protect(&p->arena, find_body, &(find_args){ p, wanted, &c, &err, flags }) != BTL_OK) BTL_FAIL("%s", err.message);
    return c;
}

static void does_not_find(place *p, const char *wanted, const char *says) {
    btl_compiler c;
    btl_error err = { 0 };
    BTL_ASSERT_STATUS(btl_arena_protect(&p->arena, find_body, &(find_args){ p, wanted, &c, &err, NULL }), BTL_ECOMPILER);
    BTL_ASSERT_CONTAINS(err.message, says);
}

typedef struct compile_args { place *p; btl_compile_job *job; const char **log; btl_error *err; btl_compile_end end; } compile_args;

static btl_status compile_body(void *arg) {
    compile_args *c = arg;
    c->end = btl_compile(&c->p->arena, c->job, c->log, c->err);
    return BTL_OK;
}

/* Compiles n units in a new folder, p->dir/work-N. */
static btl_compile_end compile(place *p, const char *wanted, int n, const btl_code_source *units, const char *libraries, char folder[600], const char **log,
                               btl_error *err) {
    btl_compiler c = find(p, wanted, NULL);
    static int number;
    snprintf(folder, 600, "%s/work-%d", p->dir.path, number++);
    assert_int_equal(mkdir(folder, 0700), 0);
    btl_compile_job job = { .compiler = &c, .n = n, .units = units, .libraries = libraries, .level = 2, .folder = folder };
    compile_args args = { p, &job, log, err, BTL_COMPILED };
    *err = (btl_error){ 0 };
    BTL_ASSERT_OK(btl_arena_protect(&p->arena, compile_body, &args));
    return args.end;
}

#define UNIT(name_, text_) { .name = name_, .text = text_, .length = sizeof(text_) - 1 }
static const btl_code_source seven[] = { UNIT("seven", "int seven(void) { return 7; }\n") };

/* The compiler fails on a good text, and this is said; nobody blames the text. */
static void fails(place *p, const char *cc, const char *says) {
    char folder[600];
    const char *log;
    btl_error err;
    btl_compile_end end = compile(p, cc, 1, seven, NULL, folder, &log, &err);
    if (end != BTL_COMPILE_FAILED) BTL_FAIL("%s: end %d, expected %d; log: %s", cc, (int)end, (int)BTL_COMPILE_FAILED, log);
    assert_int_equal(err.status, BTL_ECOMPILER);
    BTL_ASSERT_CONTAINS(err.message, says);
    BTL_ASSERT_CONTAINS(err.message, cc);
}

/* ---- words ------------------------------------------------------------------------------------------------ */

typedef struct words_args { place *p; const char *text; const char *const *words; int n; } words_args;
static btl_status words_body(void *arg) {
    words_args *w = arg;
    w->words = btl_words(&w->p->arena, w->text, &w->n);
    return BTL_OK;
}

BTL_TEST(flags_are_cut_into_words_as_a_shell_does) {
    static const struct { const char *text, *words[5]; } cases[] = {
        { "", { NULL } },
        { "  \t\n ", { NULL } },
        { "-Ia -lb", { "-Ia", "-lb" } },
        { "  -Ia\t -lb\n", { "-Ia", "-lb" } },
        { "-I'/a b/c' -DX=\"1 2\" e\\ f", { "-I/a b/c", "-DX=1 2", "e f" } },
        { "'' \"\"", { "", "" } },
        { "'a\"b' \"c'd\" \"e\\\"f\" 'g\\h'", { "a\"b", "c'd", "e\"f", "g\\h" } },
        { "$HOME `x` *", { "$HOME", "`x`", "*" } }, /* but nothing is looked up: there is no shell */
        { "end\\", { "end\\" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        words_args w = { .p = place_of(state), .text = cases[i].text };
        BTL_ASSERT_OK(btl_arena_protect(&w.p->arena, words_body, &w));
        int n = 0;
        for (; cases[i].words[n]; n++) {
            if (n >= w.n) BTL_FAIL("%s: %d words, too few", cases[i].text, w.n);
            assert_string_equal(w.words[n], cases[i].words[n]);
        }
        if (w.n != n) BTL_FAIL("%s: %d words, expected %d", cases[i].text, w.n, n);
        assert_null(w.words[n]);
    }
}

/* ---- finding ---------------------------------------------------------------------------------------------- */

BTL_TEST(the_program_comes_first_then_BITALE_CC_then_CC_then_what_is_usual) {
    place *p = place_of(state);
    char old_path[4096], old_cc[600];
    snprintf(old_path, sizeof old_path, "%s", getenv("PATH"));
    snprintf(old_cc, sizeof old_cc, "%s", real_cc());
    static const char *const names[] = { "mine", "bitales", "ccs", "cc", "gcc", "clang" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) fake_cc(p->dir.path, names[i], "exit 0");
    setenv("PATH", p->dir.path, 1);
    setenv("BITALE_CC", "bitales", 1);
    setenv("CC", "ccs", 1);
    assert_string_equal(find(p, "mine", NULL).command[0], btl_test_path(p->dir.path, "mine"));
    assert_string_equal(find(p, NULL, NULL).command[0], btl_test_path(p->dir.path, "bitales"));
    assert_string_equal(find(p, "", NULL).command[0], btl_test_path(p->dir.path, "bitales"));
    unsetenv("BITALE_CC");
    assert_string_equal(find(p, NULL, NULL).command[0], btl_test_path(p->dir.path, "ccs"));
    setenv("CC", "of-another-machine", 1); /* a wish of a build: not an order */
    assert_string_equal(find(p, NULL, NULL).command[0], btl_test_path(p->dir.path, "cc"));
    for (size_t i = 3; i < sizeof names / sizeof *names; i++) {
        assert_string_equal(find(p, NULL, NULL).command[0], btl_test_path(p->dir.path, names[i]));
        assert_int_equal(unlink(btl_test_path(p->dir.path, names[i])), 0);
    }
    does_not_find(p, NULL, "no C compiler was found: there is no cc, gcc or clang in PATH");
    does_not_find(p, NULL, "BITALE_CC");
    does_not_find(p, "gone", "the C compiler gone is not there (asked for by the program)");
    setenv("BITALE_CC", "gone-too", 1); /* an order: nothing else will do */
    does_not_find(p, NULL, "the C compiler gone-too is not there (named by BITALE_CC)");
    setenv("BITALE_CC", "none", 1);
    does_not_find(p, NULL, "switched off");
    does_not_find(p, "none", "switched off");
    unsetenv("PATH");
    setenv("CC", old_cc, 1);
    setenv("PATH", old_path, 1);
}

BTL_TEST(what_is_not_a_program_is_not_found) {
    place *p = place_of(state);
    btl_test_write(btl_test_path(p->dir.path, "text"), "hello", 5);
    assert_int_equal(mkdir(btl_test_path(p->dir.path, "folder"), 0755), 0);
    does_not_find(p, btl_test_path(p->dir.path, "text"), "is not there");
    does_not_find(p, btl_test_path(p->dir.path, "folder"), "is not there");
    btl_test_write(btl_test_path(p->dir.path, "nonsense"), "\x7f" "ELFnonsense", 12);
    assert_int_equal(chmod(btl_test_path(p->dir.path, "nonsense"), 0755), 0);
    does_not_find(p, btl_test_path(p->dir.path, "nonsense"), "cannot be started: ");
}

BTL_TEST(a_command_may_have_words_and_a_path_blanks) {
    place *p = place_of(state);
    char text[1300];
    fake_cc(p->dir.path, "inner", "exit 0");
    fake_script(p->dir.path, "wrap per", "exec \"$@\"");
    btl_compiler c = find(p, btl_test_path(p->dir.path, "wrap per"), NULL);
    assert_int_equal(c.ncommand, 1);
    fake_script(p->dir.path, "wrapper", "exec \"$@\"");
    snprintf(text, sizeof text, "%s  %s", btl_test_path(p->dir.path, "wrapper"), btl_test_path(p->dir.path, "inner"));
    c = find(p, text, NULL);
    assert_int_equal(c.ncommand, 2);
    assert_string_equal(c.version, "fake compiler 1");
    BTL_ASSERT_CONTAINS(c.identity, "wrapper");
    BTL_ASSERT_CONTAINS(c.identity, btl_test_path(p->dir.path, "inner")); /* both files count */
}

/* ---- knowing ---------------------------------------------------------------------------------------------- */

static void answers(place *p, const char *text, btl_compiler_kind kind, int major, const char *has, const char *has_not) {
    static int number;
    char name[32], script[600];
    const char *flags;
    snprintf(name, sizeof name, "answer%d", number++);
    snprintf(script, sizeof script, "cat <<'END'\n%s\nEND", text);
    btl_compiler c = find(p, fake_script(p->dir.path, name, script), &flags);
    if ((int)c.kind != (int)kind || c.major != major) BTL_FAIL("kind %d, major %d, expected %d, %d:\n%s", (int)c.kind, c.major, (int)kind, major, text);
    if (has) BTL_ASSERT_CONTAINS(flags, has);
    if (has_not && strstr(flags, has_not)) BTL_FAIL("%s among the flags of\n%s", has_not, text);
    BTL_ASSERT_CONTAINS(flags, "-O2 -shared -std=c99 -w -fPIC");
}

/* As these compilers answer. */
BTL_TEST(compilers_are_known_by_their_answer) {
    place *p = place_of(state);
    const char *wide = btl_processor_has_avx512() ? "-mprefer-vector-width=512" : NULL;
    answers(p, "cc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright (C) 2022 Free Software Foundation, Inc.", BTL_GCC, 12, "-fopenmp-simd", NULL);
    answers(p, "gcc (Ubuntu 9.4.0-1ubuntu1~20.04.2) 9.4.0\nCopyright (C) 2019 Free Software Foundation, Inc.", BTL_GCC, 9, wide, NULL);
    answers(p, "gcc (GCC) 7.5.0\nCopyright (C) 2017 Free Software Foundation, Inc.", BTL_GCC, 7, "-ffp-contract=off", "prefer-vector");
    answers(p, "gcc (GCC) 4.8.5 20150623 (Red Hat 4.8.5-44)\nCopyright (C) 2015 Free Software Foundation, Inc.", BTL_GCC, 4, "-fwrapv", "-fopenmp-simd");
    answers(p, "Debian clang version 14.0.6\nTarget: x86_64-pc-linux-gnu\nInstalledDir: /usr/bin", BTL_CLANG, 14, "-fno-math-errno", NULL);
    answers(p, "Apple clang version 15.0.0 (clang-1500.1.0.2.5)\nTarget: arm64-apple-darwin23.1.0", BTL_CLANG, 15, "-ffp-contract=off", NULL);
    answers(p, "clang version 5.0.1 (tags/RELEASE_501/final)\nInstalledDir: /opt/bin", BTL_CLANG, 5, "-fwrapv", "-fopenmp-simd");
    answers(p, "Intel(R) oneAPI DPC++/C++ Compiler 2023.1.0 (2023.1.0.20230320)\nTarget: x86_64\nInstalledDir: /opt", BTL_CLANG, 0, "-fopenmp-simd", NULL);
    answers(p, "tcc version 0.9.27 (x86_64 Linux)", BTL_OTHER_CC, 0, "-nostdlib", "-fwrapv");
}

static int lines_of(const char *path) {
    int n = 0;
    char *text = access(path, F_OK) == 0 ? btl_test_read(path, NULL) : NULL;
    for (const char *s = text; s && *s; s++) n += *s == '\n';
    free(text);
    return n;
}

BTL_TEST(a_compiler_that_is_known_is_not_started_until_it_changes) {
    place *p = place_of(state);
    char text[1300], count[600];
    snprintf(count, sizeof count, "%s", btl_test_path(p->dir.path, "count"));
    snprintf(text, sizeof text, "echo x >> '%s'; echo fake one", count);
    const char *path = fake_script(p->dir.path, "counting", text);
    for (int i = 0; i < 3; i++) assert_string_equal(find(p, path, NULL).version, "fake one");
    assert_int_equal(lines_of(count), 1);
    const char *before = find(p, path, NULL).identity;
    snprintf(text, sizeof text, "echo x >> '%s'; echo fake two", count);
    usleep(20000); /* another time of change, on a file system that counts in hundredths */
    fake_script(p->dir.path, "counting", text);
    btl_compiler c = find(p, path, NULL);
    assert_string_equal(c.version, "fake two");
    assert_string_not_equal(c.identity, before);
    assert_int_equal(lines_of(count), 2);
}

BTL_TEST(a_remark_that_was_cut_or_changed_is_not_believed) {
    place *p = place_of(state);
    const char *path = fake_cc(p->dir.path, "cc1", "exit 0");
    find(p, path, NULL);
    char command[700];
    snprintf(command, sizeof command, "cd '%s/cache' && for f in cc-*.txt; do head -c 60 \"$f\" > t && mv t \"$f\" || exit 1; done", p->dir.path);
    assert_int_equal(system(command), 0);
    assert_string_equal(find(p, path, NULL).version, "fake compiler 1");
    snprintf(command, sizeof command, "cd '%s/cache' && for f in cc-*.txt; do chmod 666 \"$f\" && sed -i 's/fake/FALSE/' \"$f\" && chmod 666 \"$f\" || exit 1; done", p->dir.path);
    assert_int_equal(system(command), 0);
    assert_string_equal(find(p, path, NULL).version, "fake compiler 1"); /* others could have written it */
}

BTL_TEST(an_answer_given_with_an_error_is_not_remembered) {
    place *p = place_of(state);
    char text[1300];
    snprintf(text, sizeof text, "if [ -f '%s' ]; then echo 'good 2 (Free Software Foundation) 12.1'; else echo 'no licence today'; exit 1; fi", btl_test_path(p->dir.path, "switch"));
    const char *path = fake_script(p->dir.path, "moody", text);
    assert_int_equal(find(p, path, NULL).kind, BTL_OTHER_CC);
    btl_test_write(btl_test_path(p->dir.path, "switch"), "", 0);
    assert_int_equal(find(p, path, NULL).kind, BTL_GCC);
}

BTL_TEST(a_compiler_that_hangs_or_dies_when_asked_for_its_version_is_told) {
    place *p = place_of(state);
    setenv("BITALE_CC_TIMEOUT", "0.3", 1);
    does_not_find(p, fake_script(p->dir.path, "asleep", "sleep 100"), "did not answer to --version within 0.3 s");
    setenv("BITALE_CC_TIMEOUT", "20", 1);
    does_not_find(p, fake_script(p->dir.path, "dead", "kill -ILL $$"), "died of signal 4");
}

/* ---- compiling -------------------------------------------------------------------------------------------- */

static void compiles_and_runs(place *p, const char *cc) {
    static const btl_code_source three[] = {
        UNIT("a", "int b(int); int a(void) { return b(20) + 1; }\n"),
        UNIT("b", "int c(int); int b(int x) { return c(x) * 2; }\n"),
        UNIT("c", "int c(int x) { return x; }\n"),
    };
    for (int n = 1; n <= 3; n += 2) {
        char folder[600], why[200];
        const char *log;
        btl_error err;
        btl_compile_end end = compile(p, cc, n, n == 1 ? seven : three, NULL, folder, &log, &err);
        if (end != BTL_COMPILED) BTL_FAIL("%s", err.message);
        assert_string_equal(log, "");
        void *library = btl_os_open_library(btl_test_path(folder, "code.so"), why, sizeof why);
        if (!library) BTL_FAIL("%s", why);
        assert_int_equal(call_symbol(btl_os_symbol(library, n == 1 ? "seven" : "a")), n == 1 ? 7 : 41);
        btl_os_close_library(library);
    }
}

BTL_TEST(one_text_and_several_become_one_library) { compiles_and_runs(place_of(state), real_cc()); }

BTL_TEST(gcc_and_clang_know_the_flags_that_they_are_given) {
    place *p = place_of(state);
    static const char *const names[] = { "gcc", "clang" };
    int tried = 0;
    char path[600];
    for (int i = 0; i < 2; i++)
        if (btl_os_find_program(names[i], path, sizeof path)) compiles_and_runs(p, names[i]), tried++;
    if (!tried) skip();
}

/* -ffp-contract=off and -fwrapv, seen in results: a * b + c of these numbers is 0 only if the product is rounded first. */
BTL_TEST(arithmetic_is_what_the_text_says) {
    static const btl_code_source units[] = { UNIT("arith", "double f(double a, double b, double c) { return a * b + c; }\n"
                                                           "int wraps(int x) { return x + 1 < x; }\n") };
    place *p = place_of(state);
    char folder[600], why[200];
    const char *log;
    btl_error err;
    assert_int_equal(compile(p, real_cc(), 1, units, NULL, folder, &log, &err), BTL_COMPILED);
    void *library = btl_os_open_library(btl_test_path(folder, "code.so"), why, sizeof why), *symbol;
    assert_non_null(library);
    double (*f)(double, double, double);
    int (*wraps)(int);
    symbol = btl_os_symbol(library, "f"), memcpy(&f, &symbol, sizeof f);
    symbol = btl_os_symbol(library, "wraps"), memcpy(&wraps, &symbol, sizeof wraps);
    double a = 1 + 0x1p-30; /* a * a = 1 + 2^-29 + 2^-60, rounded 1 + 2^-29 */
    assert_true(f(a, a, -(1 + 0x1p-29)) == 0);
    assert_int_equal(wraps(INT32_MAX), 1);
    btl_os_close_library(library);
}

BTL_TEST(a_text_that_does_not_compile_is_named_with_its_line) {
    static const btl_code_source units[] = { UNIT("good", "int good(void) { return 1; }\n"), UNIT("bad-one", "int f(void)\n{\n  return undeclared;\n}\n") };
    place *p = place_of(state);
    char folder[600];
    const char *log;
    btl_error err;
    for (int n = 1; n <= 2; n++) {
        assert_int_equal(compile(p, real_cc(), n, units + 2 - n, NULL, folder, &log, &err), BTL_COMPILE_REFUSED);
        assert_int_equal(err.status, BTL_ECOMPILER);
        BTL_ASSERT_CONTAINS(log, "bad-one.c:3:");
        BTL_ASSERT_CONTAINS(log, "undeclared");
        BTL_ASSERT_CONTAINS(err.message, "refused generated code: bad-one.c:3:");
        if (strstr(log, p->dir.path)) BTL_FAIL("the log has the path of a temporary folder:\n%s", log);
    }
}

BTL_TEST(a_library_that_is_missing_is_named) {
    char folder[600];
    const char *log;
    btl_error err;
    assert_int_equal(compile(place_of(state), real_cc(), 1, seven, "-lsurely_no_such_library", folder, &log, &err), BTL_COMPILE_REFUSED);
    BTL_ASSERT_CONTAINS(err.message, "surely_no_such_library");
}

BTL_TEST(flags_and_libraries_reach_the_compiler) {
    static const btl_code_source units[] = { UNIT("flagged", "double cos(double);\ndouble f(void) { return cos(VALUE); }\n") };
    place *p = place_of(state);
    btl_compiler c = find(p, real_cc(), NULL);
    btl_compile_job job = { .compiler = &c, .n = 1, .units = units, .flags = "-D'VALUE=( 0 )'", .libraries = "-lm", .level = 1, .folder = p->dir.path };
    const char *log;
    char why[200];
    btl_error err = { 0 };
    compile_args args = { p, &job, &log, &err, BTL_COMPILED };
    BTL_ASSERT_OK(btl_arena_protect(&p->arena, compile_body, &args));
    if (args.end != BTL_COMPILED) BTL_FAIL("%s", err.message);
    void *library = btl_os_open_library(btl_test_path(p->dir.path, "code.so"), why, sizeof why), *symbol;
    double (*f)(void);
    assert_non_null(library);
    symbol = btl_os_symbol(library, "f"), memcpy(&f, &symbol, sizeof f);
    assert_true(f() == 1);
    btl_os_close_library(library);
}

BTL_TEST(a_compiler_that_misbehaves_is_told_and_no_text_is_blamed) {
    place *p = place_of(state);
    const char *d = p->dir.path;
    setenv("BITALE_CC_TIMEOUT", "0.5", 1);
    fails(p, fake_cc(d, "hangs", "echo 'busy ...'; sleep 100"), "did not end within 0.5 s and was stopped (BITALE_CC_TIMEOUT sets the limit in seconds): busy ...");
    fails(p, fake_cc(d, "floods", "exec yes error"), "did not end within 0.5 s");
    setenv("BITALE_CC_TIMEOUT", "30", 1);
    fails(p, fake_cc(d, "dies", "echo oops >&2; kill -SEGV $$"), "died of signal 11 (Segmentation fault): oops");
    fails(p, fake_cc(d, "killed", "kill -KILL $$"), "died of signal 9 (Killed): killed by somebody, perhaps for want of memory");
    fails(p, fake_cc(d, "silent", "exit 3"), "ended with exit code 3, saying nothing");
    fails(p, fake_cc(d, "garbage", "head -c 300000 /dev/zero | tr '\\0' '\\7'; exit 1"), "ended with exit code 1: ????");
    fails(p, fake_cc(d, "driver", "echo 'gcc: fatal error: Killed signal terminated program cc1'; exit 1"), "Killed signal terminated program cc1");
    fails(p, fake_cc(d, "ice", "echo 'seven.c:1:5: internal compiler error: in expand'; exit 1"), "internal compiler error");
    fails(p, fake_cc(d, "lazy", "exit 0"), "ended as if all were well, but wrote no code");
    fails(p, fake_cc(d, "empty", ": > \"$out\""), "but wrote no code");
    fails(p, fake_cc(d, "folders", "mkdir \"$out\""), "but wrote no code");
}

BTL_TEST(a_folder_that_is_full_or_gone_is_told_from_a_bad_compiler) {
    place *p = place_of(state);
    char folder[600];
    const char *log;
    btl_error err;
    const char *full = fake_cc(p->dir.path, "full", "echo \"as: seven.o: No space left on device\" >&2; exit 1");
    assert_int_equal(compile(p, full, 1, seven, NULL, folder, &log, &err), BTL_COMPILE_NO_ROOM);
    btl_compiler c = find(p, full, NULL);
    btl_compile_job job = { .compiler = &c, .n = 1, .units = seven, .level = 2, .folder = "/nowhere/at/all" };
    compile_args args = { p, &job, &log, &err, BTL_COMPILED };
    err = (btl_error){ 0 };
    BTL_ASSERT_OK(btl_arena_protect(&p->arena, compile_body, &args));
    assert_int_equal(args.end, BTL_COMPILE_NO_ROOM);
    BTL_ASSERT_CONTAINS(err.message, "the text of generated code cannot be written: No such file");
}

BTL_TEST(it_runs_in_a_clean_room) {
    place *p = place_of(state);
    char folder[600], expected[700];
    const char *log;
    btl_error err;
    int fd = open(btl_test_path(p->dir.path, "secret"), O_RDWR | O_CREAT, 0600);
    setenv("LC_ALL", "de_DE.UTF-8", 1);
    setenv("LANGUAGE", "de", 1);
    setenv("OF_THE_USER", "stays", 1);
    const char *cc = fake_cc(p->dir.path, "curious", "{ env; ls -l /proc/self/fd/; echo \"stdin: $(cat)\"; } > \"$out\"");
    btl_compile_end end = compile(p, cc, 1, seven, NULL, folder, &log, &err);
    unsetenv("LC_ALL");
    unsetenv("LANGUAGE");
    close(fd);
    if (end != BTL_COMPILED) BTL_FAIL("%s", err.message);
    char *seen = btl_test_read(btl_test_path(folder, "code.so"), NULL);
    snprintf(expected, sizeof expected, "TMPDIR=%s\n", folder); /* so that nothing of it is left behind */
    BTL_ASSERT_CONTAINS(seen, expected);
    BTL_ASSERT_CONTAINS(seen, "LC_ALL=C\n");
    BTL_ASSERT_CONTAINS(seen, "OF_THE_USER=stays\n");
    BTL_ASSERT_CONTAINS(seen, "stdin: \n");
    if (strstr(seen, "LANGUAGE=") || strstr(seen, "secret")) BTL_FAIL("it saw\n%s", seen);
    free(seen);
}

/* ---- objects ---------------------------------------------------------------------------------------------- */

BTL_TEST(an_object_that_was_cut_anywhere_is_noticed) {
#ifdef __linux__
    place *p = place_of(state);
    size_t bytes;
    char *data = btl_test_read(prebuilt(p->dir.path, 1), &bytes);
    assert_null(btl_object_problem(data, bytes));
    for (size_t n = 0; n < bytes; n++)
        if (!btl_object_problem(data, n)) BTL_FAIL("cut to %zu of %zu bytes it is taken for whole", n, bytes);
    assert_string_equal(btl_object_problem("no library at all, but text that is long enough for a header, which has 64 bytes", 80), "it is no ELF file");
    data[16] = 1; /* ET_REL: an object file */
    assert_string_equal(btl_object_problem(data, bytes), "it is no shared object");
    free(data);
#else
    skip();
#endif
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
BTL_TEST_MAIN(T(flags_are_cut_into_words_as_a_shell_does), T(the_program_comes_first_then_BITALE_CC_then_CC_then_what_is_usual), T(what_is_not_a_program_is_not_found),
              T(a_command_may_have_words_and_a_path_blanks), T(compilers_are_known_by_their_answer), T(a_compiler_that_is_known_is_not_started_until_it_changes),
              T(a_remark_that_was_cut_or_changed_is_not_believed), T(an_answer_given_with_an_error_is_not_remembered),
              T(a_compiler_that_hangs_or_dies_when_asked_for_its_version_is_told), T(one_text_and_several_become_one_library),
              T(gcc_and_clang_know_the_flags_that_they_are_given), T(arithmetic_is_what_the_text_says), T(a_text_that_does_not_compile_is_named_with_its_line),
              T(a_library_that_is_missing_is_named), T(flags_and_libraries_reach_the_compiler), T(a_compiler_that_misbehaves_is_told_and_no_text_is_blamed),
              T(a_folder_that_is_full_or_gone_is_told_from_a_bad_compiler), T(it_runs_in_a_clean_room), T(an_object_that_was_cut_anywhere_is_noticed))
