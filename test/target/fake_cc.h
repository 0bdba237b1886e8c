/* fake_cc.h - compilers for tests: small scripts that behave as a test wants.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FAKE_CC_H
#define FAKE_CC_H

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A shell script DIR/NAME that does what the text says; its path, valid until the 16th one after it. */
static inline const char *fake_script(const char *dir, const char *name, const char *text) {
    const char *path = btl_test_path(dir, name);
    char *whole = malloc(strlen(text) + 64);
    sprintf(whole, "#!/bin/sh\n%s\n", text);
    btl_test_write(path, whole, strlen(whole));
    free(whole);
    if (chmod(path, 0755)) BTL_FAIL("chmod %s", path);
    return path;
}

/* The same, as a compiler that answers to --version; the text sees the path after -o as $out. */
static inline const char *fake_cc(const char *dir, const char *name, const char *text) {
    static const char start[] = "case \"$*\" in *--version*) echo 'fake compiler 1'; exit 0;; esac\n"
                                "out=; for w do [ \"$last\" != -o ] || out=$w; last=$w; done\n";
    char *whole = malloc(sizeof start + strlen(text));
    sprintf(whole, "%s%s", start, text);
    const char *path = fake_script(dir, name, whole);
    free(whole);
    return path;
}

/* The compiler that this test was built by. */
static inline const char *real_cc(void) {
    const char *cc = getenv("CC");
    return cc && *cc ? cc : "cc";
}

/* DIR/answer.so, which has `int answer(void)` returning the number, compiled by hand; its path. */
static inline const char *prebuilt(const char *dir, int number) {
    const char *source = btl_test_path(dir, "answer.c"), *object = btl_test_path(dir, "answer.so");
    char text[100];
    sprintf(text, "int answer(void) { return %d; }\n", number);
    btl_test_write(source, text, strlen(text));
    btl_run run = btl_test_run(NULL, NULL, (const char *const[]){ real_cc(), "-shared", "-fPIC", "-nostdlib", "-o", object, source, NULL });
    BTL_ASSERT_EXIT(&run, 0);
    btl_run_free(&run);
    return object;
}

/* A compiler that copies answer.so, in a few milliseconds. */
static inline const char *copying_cc(const char *dir, int number) {
    char text[700];
    sprintf(text, "exec cp '%s' \"$out\"", prebuilt(dir, number));
    return fake_cc(dir, "copying-cc", text);
}

/* Of `int NAME(void)`. */
static inline int call_symbol(void *symbol) {
    int (*f)(void);
    assert_non_null(symbol);
    memcpy(&f, &symbol, sizeof f);
    return f();
}

#endif
