/* cache_test.c - bitale cache list, verify, prune, clear, and what doctor and version say of compiler and cache.
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* utimensat */
#include "../target/fake_cc.h"

#include "target/cache.h"
#include "target/code.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson/jansson.h>
#include <time.h>
#include <unistd.h>

static int setup(void **state) {
    static const char *const clear[] = { "BITALE_CC", "BITALE_CACHE_READONLY", "BITALE_CACHE_SIZE", "BITALE_CACHE_DIR", "XDG_CACHE_HOME" };
    for (size_t i = 0; i < sizeof clear / sizeof *clear; i++) unsetenv(clear[i]);
    return btl_test_dir_setup(state);
}

static const char *dir_of(void **state) { return ((btl_test_dir *)*state)->path; }

#define CACHE(dir, ...) btl_test_run((dir), NULL, (const char *const[]){ NULL, "cache", __VA_ARGS__, NULL })

/* An entry of the cache DIR/c with this unit. */
static void make_entry(const char *dir, const char *cc, const char *unit) {
    char folder[600];
    btl_code *code;
    btl_error err = { 0 };
    snprintf(folder, sizeof folder, "%s/c", dir);
    btl_code_source source = { unit, "text", 4 };
    if (btl_code_load(NULL, &(btl_code_options){ .cache_dir = folder, .compiler = cc }, 1, &source, &code, NULL, &err) != BTL_OK) BTL_FAIL("%s", err.message);
    btl_code_unload(code);
}

static void entry_path(const char *dir, char path[900]) {
    char folder[600];
    snprintf(folder, sizeof folder, "%s/c", dir);
    path[0] = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (btl_sealed_is_name(e->d_name)) snprintf(path, 900, "%s/%s", folder, e->d_name);
    if (d) closedir(d);
    if (!path[0]) BTL_FAIL("no entry in %s", folder);
}

static json_t *parsed(const btl_run *run) {
    json_error_t error;
    json_t *value = json_loads(run->out, 0, &error);
    if (!value) BTL_FAIL("not JSON: %s\n%s", error.text, run->out);
    return value;
}

static json_int_t integer(const json_t *object, const char *name) {
    json_t *v = json_object_get(object, name);
    if (!json_is_integer(v)) BTL_FAIL("no integer %s", name);
    return json_integer_value(v);
}

BTL_TEST(each_action_explains_itself) {
    static const char *const actions[] = { "list", "verify", "prune", "clear" };
    for (int i = 0; i < 4; i++) {
        btl_run r = CACHE(dir_of(state), actions[i], "--help");
        BTL_ASSERT_EXIT(&r, 0);
        BTL_ASSERT_CONTAINS(r.out, "Exit codes:");
        BTL_ASSERT_CONTAINS(r.out, "--cache-dir");
        BTL_ASSERT_CONTAINS(r.out, "--json");
        btl_run_free(&r);
    }
    btl_run r = CACHE(dir_of(state), "--help");
    BTL_ASSERT_EXIT(&r, 0);
    for (int i = 0; i < 4; i++) BTL_ASSERT_CONTAINS(r.out, actions[i]);
    btl_run_free(&r);
}

BTL_TEST(wrong_uses_are_answered) {
    static const struct { const char *words[3], *says; } cases[] = {
        { { "lits" }, "did you mean cache list?" }, { { "xyzzy" }, "list, verify, prune or clear is expected" }, { { "--json" }, "is expected" },
        { { "--json", "list" }, "before all options" }, { { "list", "more" }, "one argument too many" }, { { "prune", "--size", "much" }, "--size takes a size like 500M" },
        { { "prune", "--sizes", "1" }, "did you mean --size?" }, { { "list", "--size", "1" }, "there is no option --size" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        btl_run r = CACHE(dir_of(state), cases[i].words[0], cases[i].words[1], cases[i].words[2]);
        BTL_ASSERT_EXIT(&r, 2);
        BTL_ASSERT_CONTAINS(r.err, cases[i].says);
        btl_run_free(&r);
    }
    btl_run r = btl_test_run(NULL, NULL, (const char *const[]){ NULL, "cache", NULL });
    BTL_ASSERT_EXIT(&r, 2);
    BTL_ASSERT_CONTAINS(r.err, "what about the cache?");
    btl_run_free(&r);
}

BTL_TEST(a_folder_that_is_missing_is_an_empty_cache) {
    static const char *const actions[] = { "list", "verify", "prune", "clear" };
    for (int i = 0; i < 4; i++) {
        btl_run r = CACHE(dir_of(state), actions[i], "--cache-dir", "not-there");
        BTL_ASSERT_EXIT(&r, 0);
        assert_string_equal(r.out, "");
        BTL_ASSERT_CONTAINS(r.err, "0 entries");
        btl_run_free(&r);
    }
    assert_int_not_equal(access(btl_test_path(dir_of(state), "not-there"), F_OK), 0); /* and stays missing */
}

BTL_TEST(a_folder_that_cannot_be_used_is_an_error) {
    const char *d = dir_of(state);
    btl_test_write(btl_test_path(d, "file"), "x", 1);
    assert_int_equal(mkdir(btl_test_path(d, "open"), 0777), 0);
    assert_int_equal(chmod(btl_test_path(d, "open"), 0777), 0);
    static const struct { const char *action, *dir, *says; } cases[] = {
        { "list", "file", "file cannot be opened: Not a directory" }, { "verify", "open", "open is not used: other users may write to it" },
        { "prune", "open", "other users may write to it" }, { "clear", "open", "other users may write to it" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        btl_run r = CACHE(d, cases[i].action, "--cache-dir", cases[i].dir);
        BTL_ASSERT_EXIT(&r, 3);
        BTL_ASSERT_CONTAINS(r.err, cases[i].says);
        btl_run_free(&r);
    }
}

BTL_TEST(entries_are_listed_for_people_and_for_programs) {
    const char *d = dir_of(state);
    char cc[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(d, 1));
    make_entry(d, cc, "logreg");
    make_entry(d, cc, "mlp-step");
    btl_run r = CACHE(d, "list", "--cache-dir", "c");
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "logreg ");
    BTL_ASSERT_CONTAINS(r.out, "mlp-step ");
    BTL_ASSERT_CONTAINS(r.out, "fake compiler 1");
    BTL_ASSERT_CONTAINS(r.err, "2 entries");
    btl_run_free(&r);
    r = CACHE(d, "list", "--cache-dir", "c", "--json");
    BTL_ASSERT_EXIT(&r, 0);
    json_t *list = parsed(&r);
    assert_int_equal(json_array_size(list), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *e = json_array_get(list, i);
        char path[900];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", json_string_value(json_object_get(e, "folder")), json_string_value(json_object_get(e, "file")));
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(integer(e, "bytes"), st.st_size);
        assert_true(integer(e, "code_bytes") + integer(e, "text_bytes") < st.st_size);
        assert_true(integer(e, "created") <= time(NULL) && integer(e, "created") > time(NULL) - 1000);
        assert_true(json_is_null(json_object_get(e, "problem")));
        const char *units = json_string_value(json_object_get(e, "units"));
        assert_true(strcmp(units, "logreg") == 0 || strcmp(units, "mlp-step") == 0);
    }
    json_decref(list);
    btl_run_free(&r);
    r = CACHE(d, "list", "--cache-dir", "c", "--quiet");
    BTL_ASSERT_EXIT(&r, 0);
    assert_string_equal(r.out, "");
    assert_string_equal(r.err, "");
    btl_run_free(&r);
    setenv("BITALE_CACHE_READONLY", "c", 1);
    r = CACHE(d, "list", "--cache-dir", "own");
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "(read only)");
    btl_run_free(&r);
}

BTL_TEST(damage_is_found_by_verify_and_removed_by_prune) {
    const char *d = dir_of(state);
    char cc[600], path[900];
    size_t bytes;
    snprintf(cc, sizeof cc, "%s", copying_cc(d, 1));
    make_entry(d, cc, "first");
    entry_path(d, path);
    btl_run r = CACHE(d, "verify", "--cache-dir", "c");
    BTL_ASSERT_EXIT(&r, 0);
    btl_run_free(&r);
    char *data = btl_test_read(path, &bytes);
    data[100] ^= 1;
    btl_test_write(path, data, bytes);
    free(data);
    make_entry(d, cc, "second");
    r = CACHE(d, "verify", "--cache-dir", "c", "--quiet");
    BTL_ASSERT_EXIT(&r, 1);
    BTL_ASSERT_CONTAINS(r.err, strrchr(path, '/') + 1);
    BTL_ASSERT_CONTAINS(r.err, "its code is damaged");
    BTL_ASSERT_CONTAINS(r.err, "1 entry cannot be used");
    btl_run_free(&r);
    r = CACHE(d, "verify", "--cache-dir", "c", "--json");
    BTL_ASSERT_EXIT(&r, 1);
    json_t *list = parsed(&r);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "problem")), "its code is damaged");
    json_decref(list);
    btl_run_free(&r);
    r = CACHE(d, "prune", "--cache-dir", "c", "--json");
    BTL_ASSERT_EXIT(&r, 0);
    json_t *freed = parsed(&r);
    assert_int_equal(integer(freed, "entries"), 1);
    assert_int_equal(integer(freed, "damaged"), 1);
    assert_int_equal(integer(freed, "bytes"), (json_int_t)bytes);
    json_decref(freed);
    btl_run_free(&r);
    r = CACHE(d, "verify", "--cache-dir", "c");
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.err, "1 entry,");
    btl_run_free(&r);
}

BTL_TEST(prune_keeps_what_was_used_last) {
    const char *d = dir_of(state);
    char cc[600], path[900], size[32];
    struct stat st;
    snprintf(cc, sizeof cc, "%s", copying_cc(d, 1));
    make_entry(d, cc, "oldest");
    entry_path(d, path);
    assert_int_equal(stat(path, &st), 0);
    struct timespec t[2] = { { .tv_sec = time(NULL) - 5000 }, { .tv_sec = time(NULL) - 5000 } };
    assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
    make_entry(d, cc, "newest");
    snprintf(size, sizeof size, "%lld", (long long)st.st_size * 3 / 2);
    btl_run r = CACHE(d, "prune", "--cache-dir", "c", "--size", size);
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.err, "1 entry removed");
    btl_run_free(&r);
    r = CACHE(d, "list", "--cache-dir", "c");
    BTL_ASSERT_CONTAINS(r.out, "newest");
    assert_null(strstr(r.out, "oldest"));
    btl_run_free(&r);
}

BTL_TEST(clear_removes_all) {
    const char *d = dir_of(state);
    char cc[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(d, 1));
    make_entry(d, cc, "a");
    make_entry(d, cc, "b");
    btl_test_write(btl_test_path(d, "c/precious"), "x", 1);
    btl_run r = CACHE(d, "clear", "--cache-dir", "c");
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.err, "2 entries removed");
    btl_run_free(&r);
    assert_int_equal(access(btl_test_path(d, "c/precious"), F_OK), 0);
    r = CACHE(d, "list", "--cache-dir", "c", "--json");
    BTL_ASSERT_EXIT(&r, 0);
    assert_string_equal(r.out, "[]\n");
    btl_run_free(&r);
}

BTL_TEST(doctor_and_version_tell_of_compiler_and_cache) {
    const char *d = dir_of(state);
    char cc[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(d, 1));
    make_entry(d, cc, "a");
    setenv("BITALE_CC", cc, 1);
    btl_run r = btl_test_run(d, NULL, (const char *const[]){ NULL, "doctor", "--json", "--cache-dir", "c", NULL });
    BTL_ASSERT_EXIT(&r, 0);
    json_t *all = parsed(&r), *compiler = json_object_get(all, "compiler"), *cache = json_object_get(all, "cache");
    assert_true(json_is_true(json_object_get(compiler, "available")));
    BTL_ASSERT_CONTAINS(json_string_value(json_object_get(compiler, "value")), "fake compiler 1");
    assert_true(json_is_true(json_object_get(cache, "available")));
    BTL_ASSERT_CONTAINS(json_string_value(json_object_get(cache, "value")), "/c (1 entry,");
    json_decref(all);
    btl_run_free(&r);
    setenv("BITALE_CC", "no-such-compiler", 1);
    r = btl_test_run(d, NULL, (const char *const[]){ NULL, "doctor", "--cache-dir", "not-there", NULL });
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "- compiler   the C compiler no-such-compiler is not there (named by BITALE_CC)");
    BTL_ASSERT_CONTAINS(r.out, "+ cache      not-there (not there yet: it is made when it is needed)");
    btl_run_free(&r);
    assert_int_not_equal(access(btl_test_path(d, "not-there"), F_OK), 0);
    r = btl_test_run(d, NULL, (const char *const[]){ NULL, "version", "--features", NULL });
    BTL_ASSERT_EXIT(&r, 0);
    BTL_ASSERT_CONTAINS(r.out, "compiler   no: ");
    BTL_ASSERT_CONTAINS(r.out, "cache      ");
    btl_run_free(&r);
    unsetenv("BITALE_CC");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, btl_test_dir_teardown)
BTL_TEST_MAIN(T(each_action_explains_itself), T(wrong_uses_are_answered), T(a_folder_that_is_missing_is_an_empty_cache), T(a_folder_that_cannot_be_used_is_an_error),
              T(entries_are_listed_for_people_and_for_programs), T(damage_is_found_by_verify_and_removed_by_prune), T(prune_keeps_what_was_used_last), T(clear_removes_all),
              T(doctor_and_version_tell_of_compiler_and_cache))
