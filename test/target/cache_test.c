/* cache_test.c - code is loaded, kept, found again, and never believed without a look.
 *
 * What mounts a file system does so in a mount namespace of a child, which vanishes with it.
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* unshare */
#include "fake_cc.h"

#include "bitale/tools.h"

#include "base/context.h"
#include "base/os.h"
#include "target/cache.h"
#include "target/code.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

/* ---- tools ------------------------------------------------------------------------------------------------ */

/* A folder of the test's own, with cache/ and tmp/ (TMPDIR) in it. */
typedef struct place { btl_test_dir dir; char cache[600], tmp[600]; } place;

static int setup(void **state) {
    static const char *const clear[] = { "BITALE_CC", "BITALE_CC_TIMEOUT", "BITALE_CACHE_READONLY", "BITALE_CACHE_SIZE", "BITALE_CACHE_DIR", "XDG_CACHE_HOME" };
    place *p = calloc(1, sizeof *p);
    btl_test_dir_make(&p->dir);
    for (size_t i = 0; i < sizeof clear / sizeof *clear; i++) unsetenv(clear[i]);
    char *here = realpath(p->dir.path, NULL);
    snprintf(p->dir.path, sizeof p->dir.path, "%s", here);
    free(here);
    snprintf(p->cache, sizeof p->cache, "%s/cache", p->dir.path);
    snprintf(p->tmp, sizeof p->tmp, "%s/tmp", p->dir.path);
    if (mkdir(p->tmp, 0755)) BTL_FAIL("mkdir %s", p->tmp);
    setenv("TMPDIR", p->tmp, 1);
    setenv("HOME", p->dir.path, 1);
    *state = p;
    return 0;
}

static int teardown(void **state) {
    place *p = *state;
    unsetenv("TMPDIR");
    btl_test_dir_remove(&p->dir);
    free(p);
    return 0;
}

static place *place_of(void **state) { return *state; }

/* What was noted since it was last cleared. */
static char notes[8192];
static void take_note(void *user, const char *text) {
    (void)user;
    strncat(notes, text, sizeof notes - 2 - strlen(notes));
    strcat(notes, "\n");
}

static btl_context *new_context(void) {
    btl_context *ctx;
    BTL_ASSERT_OK(btl_context_new(NULL, &ctx));
    return ctx;
}

/* One text, "answer"; loaded, or the test fails. */
static btl_code *load(btl_context *ctx, const place *p, const char *cc, const char *text) {
    btl_code_options o = { .cache_dir = p->cache, .compiler = cc, .note = take_note };
    btl_code_source unit = { "answer", text, strlen(text) };
    btl_code *code;
    char *log;
    btl_error err = { 0 };
    btl_status status = btl_code_load(ctx, &o, 1, &unit, &code, &log, &err);
    if (status != BTL_OK) BTL_FAIL("%s\n%s", err.message, log);
    assert_string_equal(log, "");
    btl_free(ctx, log, 1);
    return code;
}

/* In a new context: loads, calls, unloads; returns where it came from. */
enum source { COMPILED, FROM_CACHE };
static enum source load_once(const place *p, const char *cc, const char *text, int answer) {
    btl_context *ctx = new_context();
    btl_code *code = load(ctx, p, cc, text);
    int got = call_symbol(btl_code_symbol(code, "answer"));
    if (got != answer) BTL_FAIL("answer() is %d, expected %d", got, answer);
    enum source source = btl_code_came_from_cache(code) ? FROM_CACHE : COMPILED;
    btl_code_counts counts = btl_code_count(ctx);
    assert_int_equal(counts.from_cache, source == FROM_CACHE);
    assert_int_equal(counts.compiled, source == COMPILED);
    btl_code_unload(code);
    btl_context_free(ctx);
    return source;
}

static btl_status load_fails(const place *p, const btl_code_options *o, const char *text, btl_error *err) {
    btl_code_source unit = { "answer", text, strlen(text) };
    btl_code_options options = o ? *o : (btl_code_options){ .cache_dir = p->cache };
    btl_code *code;
    char *log;
    *err = (btl_error){ 0 };
    btl_context *ctx = new_context();
    btl_status status = btl_code_load(ctx, &options, 1, &unit, &code, &log, err);
    assert_null(code);
    btl_free(ctx, log, strlen(log) + 1);
    btl_context_free(ctx);
    return status;
}

static int count_files(const char *folder, const char *part) {
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.' && strstr(e->d_name, part) != NULL;
    if (d) closedir(d);
    return n;
}

/* The path of the only entry. */
static const char *only_entry(const place *p) {
    const char *found = NULL;
    DIR *d = opendir(p->cache);
    if (!d) BTL_FAIL("no folder %s", p->cache);
    for (struct dirent *e; (e = readdir(d));)
        if (btl_sealed_is_name(e->d_name)) {
            if (found) BTL_FAIL("more than one entry");
            found = btl_test_path(p->cache, e->d_name);
        }
    closedir(d);
    if (!found) BTL_FAIL("no entry");
    return found;
}

static void no_entry_left_half_done(const place *p) {
    assert_int_equal(count_files(p->cache, "tmp-"), 0);
    assert_int_equal(count_files(p->tmp, ""), 0);
}

static int open_files(void) { return count_files("/proc/self/fd", ""); }

static const char text42[] = "int answer(void) { return 42; }\n";

/* ---- the way through --------------------------------------------------------------------------------------- */

BTL_TEST(code_is_compiled_once_and_then_found) {
    place *p = place_of(state);
    assert_int_equal(load_once(p, real_cc(), text42, 42), COMPILED);
    assert_int_equal(load_once(p, real_cc(), text42, 42), FROM_CACHE);
    assert_int_equal(load_once(p, real_cc(), "int answer(void) { return 43; }\n", 43), COMPILED);
    assert_int_equal(load_once(p, real_cc(), text42, 42), FROM_CACHE);
    assert_int_equal(count_files(p->cache, ".so"), 2);
    no_entry_left_half_done(p);
    struct stat st;
    assert_int_equal(stat(p->cache, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

BTL_TEST(an_entry_says_what_it_is) {
    place *p = place_of(state);
    load_once(p, real_cc(), text42, 42);
    size_t bytes;
    btl_sealed s;
    char *data = btl_test_read(only_entry(p), &bytes);
    assert_null(btl_sealed_parse(data, bytes, &s));
    char *material = strndup(s.material, s.material_bytes);
    BTL_ASSERT_CONTAINS(material, "units answer\n");
    BTL_ASSERT_CONTAINS(material, text42);
    BTL_ASSERT_CONTAINS(material, "\nprocessor ");
    assert_memory_equal(s.object, "\x7f" "ELF", 4);
    assert_true(s.created > 1700000000 && s.created <= time(NULL));
    free(material);
    free(data);
}

BTL_TEST(all_that_code_depends_on_is_in_its_key) {
    place *p = place_of(state);
    char cc[600], other_cc[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    char text[700];
    snprintf(text, sizeof text, "cp '%s' \"$out\"", btl_test_path(p->dir.path, "answer.so"));
    snprintf(other_cc, sizeof other_cc, "%s", fake_cc(p->dir.path, "other-cc", text));
    const btl_code_options cases[] = {
        { .compiler = cc }, { .compiler = other_cc }, { .compiler = cc, .flags = "-DA" }, { .compiler = cc, .libraries = "-DA" },
        { .compiler = cc, .extra_key = "-DA" }, { .compiler = cc, .level = 1 }, { .compiler = cc, .level = 3 }, { .compiler = cc, .flags = "-D", .libraries = "A" },
        { .compiler = cc, .flags = "-DA\nlibraries\n-DB" }, { .compiler = cc, .flags = "-DA", .libraries = "-DB\nlibraries\n" },
    };
    const btl_code_source units[][2] = { { { "a", "x", 1 }, { "b", "y", 1 } }, { { "a", "xy", 2 }, { "b", "", 0 } }, { { "b", "x", 1 }, { "a", "y", 1 } },
                                         { { "a", "x\nunit b\ny", 10 }, { "b", "z", 1 } }, { { "a", "x", 1 }, { "b", "y\nunit b\nz", 10 } }, { { "a", "x", 1 }, { 0 } } };
    int expected = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases + sizeof units / sizeof *units; i++) {
        size_t ncases = sizeof cases / sizeof *cases;
        btl_code_options o = i < ncases ? cases[i] : cases[0];
        const btl_code_source plain[1] = { { "answer", "x", 1 } }, *u = i < ncases ? plain : units[i - ncases];
        int n = i < ncases || !u[1].name ? 1 : 2;
        o.cache_dir = p->cache;
        for (int again = 0; again < 2; again++) {
            btl_context *ctx = new_context();
            btl_code *code;
            btl_error err = { 0 };
            if (btl_code_load(ctx, &o, n, u, &code, NULL, &err) != BTL_OK) BTL_FAIL("case %zu: %s", i, err.message);
            if (btl_code_came_from_cache(code) != (again == 1)) BTL_FAIL("case %zu, load %d: from cache %d", i, again, btl_code_came_from_cache(code));
            btl_code_unload(code);
            btl_context_free(ctx);
        }
        assert_int_equal(count_files(p->cache, ".so"), ++expected);
    }
}

BTL_TEST(a_compiler_that_was_replaced_is_another_one) {
    place *p = place_of(state);
    const char *cc = copying_cc(p->dir.path, 42);
    assert_int_equal(load_once(p, cc, "text", 42), COMPILED);
    assert_int_equal(load_once(p, cc, "text", 42), FROM_CACHE);
    usleep(20000);
    cc = copying_cc(p->dir.path, 43); /* the same size, another time */
    assert_int_equal(load_once(p, cc, "text", 43), COMPILED);
}

BTL_TEST(a_context_loads_equal_code_once) {
    place *p = place_of(state);
    const char *cc = copying_cc(p->dir.path, 42);
    btl_context *ctx = new_context(), *other = new_context();
    btl_code *a = load(ctx, p, cc, "same"), *b = load(ctx, p, cc, "same"), *c = load(ctx, p, cc, "another"), *d = load(other, p, cc, "same");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_ptr_not_equal(a, d);
    btl_code_counts counts = btl_code_count(ctx);
    assert_int_equal(counts.shared, 1);
    assert_int_equal(counts.compiled, 2);
    btl_code_unload(a);
    assert_int_equal(call_symbol(btl_code_symbol(b, "answer")), 42); /* counted */
    btl_code_unload(b);
    btl_code *e = load(ctx, p, cc, "same");
    assert_true(btl_code_came_from_cache(e));
    assert_int_equal(btl_code_count(ctx).shared, 1);
    btl_code_unload(e);
    btl_code_unload(c);
    btl_code_unload(d);
    btl_code_unload(NULL);
    btl_context_free(ctx);
    btl_context_free(other);
}

/* The loader knows libraries by name, and "/proc/self/fd/7" is the name of many things in turn. */
BTL_TEST(each_code_is_its_own_though_they_are_loaded_through_the_same_number) {
    place *p = place_of(state);
    enum { N = 6 };
    btl_context *ctx = new_context();
    btl_code *codes[N];
    char text[64];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            sprintf(text, "int answer(void) { return %d; }\n", i);
            codes[i] = load(ctx, p, real_cc(), text);
            assert_int_equal(btl_code_came_from_cache(codes[i]), round);
        }
        for (int i = 0; i < N; i++) assert_int_equal(call_symbol(btl_code_symbol(codes[i], "answer")), i);
        for (int i = 0; i < N; i++) btl_code_unload(codes[i]);
    }
    btl_context_free(ctx);
}

BTL_TEST(nothing_stays_open) {
    place *p = place_of(state);
    const char *cc = copying_cc(p->dir.path, 42);
    load_once(p, cc, "x", 42);
    int before = open_files();
    btl_error err;
    load_once(p, cc, "x", 42);
    load_once(p, cc, "y", 42);
    load_fails(p, &(btl_code_options){ .cache_dir = p->cache, .compiler = "/no/such" }, "z", &err);
    load_fails(p, &(btl_code_options){ .cache_dir = p->cache, .compiler = real_cc() }, "not C", &err);
    assert_int_equal(open_files(), before);
}

BTL_TEST(names_that_could_lead_elsewhere_are_refused) {
    place *p = place_of(state);
    static const char *const bad[] = { "", "../x", "a/b", ".hidden", "-o", "a b", "ä", "a\nb",
                                       "a2345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901" };
    btl_code_options o = { .cache_dir = p->cache };
    btl_code *code;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        btl_error err = { 0 };
        BTL_ASSERT_STATUS(btl_code_load(NULL, &o, 1, &(btl_code_source){ bad[i], "", 0 }, &code, NULL, &err), BTL_EUSAGE);
        BTL_ASSERT_CONTAINS(err.message, "a text to compile is named");
    }
    btl_code_source twice[2] = { { "a", "", 0 }, { "a", "", 0 } };
    BTL_ASSERT_STATUS(btl_code_load(NULL, &o, 2, twice, &code, NULL, NULL), BTL_EUSAGE);
    BTL_ASSERT_STATUS(btl_code_load(NULL, &o, 0, NULL, &code, NULL, NULL), BTL_EUSAGE);
}

BTL_TEST(only_a_text_that_the_compiler_refused_is_blamed) {
    place *p = place_of(state);
    btl_code_source bad = { "bad", "int f(void) { return nothing; }\n", 32 }, good = { "good", text42, sizeof text42 - 1 };
    btl_code *code;
    char *log;
    btl_error err = { 0 };
    BTL_ASSERT_STATUS(btl_code_load(NULL, &(btl_code_options){ .cache_dir = p->cache, .compiler = real_cc() }, 1, &bad, &code, &log, &err), BTL_ECOMPILER);
    BTL_ASSERT_CONTAINS(log, "bad.c:1:");
    BTL_ASSERT_CONTAINS(err.message, "bad.c:1:");
    btl_free(NULL, log, strlen(log) + 1);
    const char *const ccs[] = { "/no/such/compiler", fake_cc(p->dir.path, "dies", "echo error; kill -SEGV $$"), fake_cc(p->dir.path, "text", "echo nonsense > \"$out\""),
                                fake_cc(p->dir.path, "ice", "echo 'good.c:1:5: internal compiler error: x'; exit 1") };
    static const char *const says[] = { "is not there", "died of signal", "wrote no usable shared object: it is no ELF file", "internal compiler error" };
    for (int i = 0; i < 4; i++) {
        err = (btl_error){ 0 };
        BTL_ASSERT_STATUS(btl_code_load(NULL, &(btl_code_options){ .cache_dir = p->cache, .compiler = ccs[i] }, 1, &good, &code, &log, &err), BTL_ECOMPILER);
        BTL_ASSERT_CONTAINS(err.message, says[i]);
        assert_string_equal(log, "");
        btl_free(NULL, log, 1);
    }
    assert_int_equal(count_files(p->cache, ".so"), 0);
    no_entry_left_half_done(p);
}

/* A text that wants a symbol which nobody has compiles, but does not load: it is told, and not kept. */
BTL_TEST(code_that_cannot_be_loaded_is_not_kept) {
    place *p = place_of(state);
    btl_error err;
    BTL_ASSERT_STATUS(load_fails(p, &(btl_code_options){ .cache_dir = p->cache, .compiler = real_cc() },
                                 "int surely_nobody_has_this(void); int answer(void) { return surely_nobody_has_this(); }\n", &err), BTL_ECOMPILER);
    BTL_ASSERT_CONTAINS(err.message, "cannot be loaded");
    BTL_ASSERT_CONTAINS(err.message, "surely_nobody_has_this");
    assert_int_equal(count_files(p->cache, ".so"), 0);
    const char *whole = prebuilt(p->dir.path, 42);
    char text[700];
    snprintf(text, sizeof text, "head -c 3000 '%s' > \"$out\"", whole);
    BTL_ASSERT_STATUS(load_fails(p, &(btl_code_options){ .cache_dir = p->cache, .compiler = fake_cc(p->dir.path, "cuts", text) }, text42, &err), BTL_ECOMPILER);
    BTL_ASSERT_CONTAINS(err.message, "it is cut short");
    assert_int_equal(count_files(p->cache, ".so"), 0);
}

/* ---- damage ----------------------------------------------------------------------------------------------- */

/* The entry is what `change` made of it: it is noticed, dropped and made again, with the right answer. */
static void is_noticed(const place *p, const char *cc, const char *says) {
    notes[0] = 0;
    assert_int_equal(load_once(p, cc, "text", 42), COMPILED);
    BTL_ASSERT_CONTAINS(notes, says);
    BTL_ASSERT_CONTAINS(notes, "made again");
    notes[0] = 0;
    assert_int_equal(load_once(p, cc, "text", 42), FROM_CACHE);
    assert_string_equal(notes, "");
    assert_int_equal(count_files(p->cache, ".so"), 1);
}

BTL_TEST(a_byte_changed_anywhere_is_noticed) {
    place *p = place_of(state);
    char cc[600];
    btl_rng r = { btl_test_seed() };
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    load_once(p, cc, "text", 42);
    size_t bytes;
    char *whole = btl_test_read(only_entry(p), &bytes);
    for (int i = 0; i < 60; i++) {
        size_t at = i < 40 ? btl_rng_below(&r, bytes) : bytes - 1 - (size_t)(i - 40) * 5; /* the seal, too */
        whole[at] ^= (char)(1 + btl_rng_below(&r, 255));
        btl_test_write(only_entry(p), whole, bytes);
        is_noticed(p, cc, i < 40 ? "" : "seal");
        free(whole);
        whole = btl_test_read(only_entry(p), &bytes);
    }
    free(whole);
}

BTL_TEST(an_entry_cut_or_lengthened_is_noticed) {
    place *p = place_of(state);
    char cc[600];
    btl_rng r = { btl_test_seed() };
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    load_once(p, cc, "text", 42);
    size_t bytes;
    char *whole = btl_test_read(only_entry(p), &bytes);
    const size_t lengths[] = { 0, 1, 103, 104, bytes - 1, bytes - 104, bytes / 2, btl_rng_below(&r, bytes), btl_rng_below(&r, bytes), bytes + 1 };
    whole = realloc(whole, bytes + 1);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        btl_test_write(only_entry(p), whole, lengths[i]);
        is_noticed(p, cc, "");
    }
    whole = realloc(whole, 2 * bytes); /* the end of one and all of another */
    memmove(whole + bytes / 3, whole, bytes);
    btl_test_write(only_entry(p), whole, bytes + bytes / 3);
    is_noticed(p, cc, "it is not as long as its seal says");
    free(whole);
}

BTL_TEST(an_entry_under_another_name_is_noticed) {
    place *p = place_of(state);
    char cc[600], first[600], second[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    load_once(p, cc, "text", 42);
    snprintf(first, sizeof first, "%s", only_entry(p));
    assert_int_equal(rename(first, btl_test_path(p->dir.path, "aside")), 0);
    load_once(p, cc, "other", 42);
    snprintf(second, sizeof second, "%s", only_entry(p));
    assert_int_equal(rename(second, first), 0);
    is_noticed(p, cc, "it is what another name stands for");
}

/* A seal over anything can be made by whoever may write there; but the name is the hash of the texts inside. */
BTL_TEST(a_forged_key_is_noticed) {
    place *p = place_of(state);
    char cc[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    load_once(p, cc, "text", 42);
    size_t bytes, tail_bytes;
    char *data = btl_test_read(only_entry(p), &bytes);
    btl_sealed s;
    assert_null(btl_sealed_parse(data, bytes, &s));
    char *other = strndup(s.material, s.material_bytes);
    other[s.material_bytes - 2] ^= 1; /* another text, the key of the first */
    s.material = other;
    btl_arena a;
    btl_arena_init(&a, NULL);
    jmp_buf trap;
    a.trap = &trap;
    char *tail = btl_sealed_tail(&a, &s, &tail_bytes), *forged = malloc(s.object_bytes + tail_bytes);
    memcpy(forged, s.object, s.object_bytes);
    memcpy(forged + s.object_bytes, tail, tail_bytes);
    btl_test_write(only_entry(p), forged, s.object_bytes + tail_bytes);
    a.trap = NULL;
    btl_arena_deinit(&a);
    free(forged);
    free(other);
    free(data);
    is_noticed(p, cc, "it is what another name stands for");
}

/* ---- trust ------------------------------------------------------------------------------------------------ */

BTL_TEST(an_entry_that_others_could_write_is_noticed) {
    place *p = place_of(state);
    char cc[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    load_once(p, cc, "text", 42);
    static const mode_t modes[] = { 0775, 0757, 0666 };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(chmod(only_entry(p), modes[i]), 0);
        is_noticed(p, cc, "other users may write to it");
    }
    char path[600];
    snprintf(path, sizeof path, "%s", only_entry(p));
    assert_int_equal(rename(path, btl_test_path(p->dir.path, "aside")), 0);
    assert_int_equal(symlink(btl_test_path(p->dir.path, "aside"), path), 0);
    is_noticed(p, cc, "it is a link");
    assert_int_equal(access(btl_test_path(p->dir.path, "aside"), F_OK), 0); /* what the link led to is untouched */
}

BTL_TEST(what_is_in_the_way_of_an_entry_stops_nothing) {
    place *p = place_of(state);
    char cc[600], path[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    load_once(p, cc, "text", 42);
    snprintf(path, sizeof path, "%s", only_entry(p));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    notes[0] = 0;
    assert_int_equal(load_once(p, cc, "text", 42), COMPILED);
    BTL_ASSERT_CONTAINS(notes, "it is no file");
    BTL_ASSERT_CONTAINS(notes, "could not be kept in the cache");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* opening one for reading waits for ever, if one is careless */
    is_noticed(p, cc, "it is no file");
    no_entry_left_half_done(p);
}

BTL_TEST(what_belongs_to_another_user_is_noticed) {
    place *p = place_of(state);
    char cc[600];
    if (geteuid() != 0) skip();
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    load_once(p, cc, "text", 42);
    assert_int_equal(chown(only_entry(p), 12345, 0), 0);
    is_noticed(p, cc, "it belongs to another user");
    assert_int_equal(chown(p->cache, 12345, 0), 0);
    notes[0] = 0;
    assert_int_equal(load_once(p, cc, "text", 42), COMPILED);
    BTL_ASSERT_CONTAINS(notes, "is not used: it belongs to another user");
    assert_int_equal(chown(p->cache, 0, 0), 0);
    assert_int_equal(load_once(p, cc, "text", 42), FROM_CACHE);
    no_entry_left_half_done(p);
}

BTL_TEST(a_folder_that_others_could_write_is_not_used) {
    place *p = place_of(state);
    char cc[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    load_once(p, cc, "text", 42);
    static const mode_t modes[] = { 0770, 0707, 01777 };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(chmod(p->cache, modes[i]), 0);
        notes[0] = 0;
        assert_int_equal(load_once(p, cc, "text", 42), COMPILED);
        BTL_ASSERT_CONTAINS(notes, "could not be kept in the cache");
        BTL_ASSERT_CONTAINS(notes, "other users may write to it");
        assert_int_equal(count_files(p->tmp, ""), 0);
    }
    assert_int_equal(chmod(p->cache, 0755), 0);
    assert_int_equal(load_once(p, cc, "text", 42), FROM_CACHE);
}

BTL_TEST(a_careless_umask_does_not_spoil_entries) {
    place *p = place_of(state);
    const char *cc = copying_cc(p->dir.path, 42);
    assert_int_equal(chmod(btl_test_path(p->dir.path, "answer.so"), 0777), 0); /* as a linker would make it */
    mode_t before = umask(0);
    enum source first = load_once(p, cc, "text", 42), second = load_once(p, cc, "text", 42);
    umask(before);
    assert_int_equal(first, COMPILED);
    assert_int_equal(second, FROM_CACHE);
    struct stat st;
    assert_int_equal(stat(only_entry(p), &st), 0);
    assert_int_equal(st.st_mode & 022, 0);
}

BTL_TEST(a_note_is_made_once) {
    place *p = place_of(state);
    const char *cc = copying_cc(p->dir.path, 42);
    btl_context *ctx = new_context();
    assert_int_equal(mkdir(p->cache, 0777), 0);
    assert_int_equal(chmod(p->cache, 0777), 0);
    notes[0] = 0;
    btl_code *a = load(ctx, p, cc, "a"), *b = load(ctx, p, cc, "b");
    char *line_end = strchr(notes, '\n');
    assert_non_null(line_end);
    assert_int_equal(line_end[1], 0);
    assert_int_equal(btl_code_count(ctx).unstored, 2);
    btl_code_unload(a);
    btl_code_unload(b);
    btl_context_free(ctx);
}

/* ---- where it is ------------------------------------------------------------------------------------------- */

static enum source load_by_environment(const place *p, const char *cc) {
    place none = *p;
    none.cache[0] = 0; /* as if the option were not given */
    return load_once(&none, cc, "text", 42);
}

BTL_TEST(the_environment_says_where_the_cache_is) {
    place *p = place_of(state);
    const char *cc = copying_cc(p->dir.path, 42);
    char path[700];
    struct stat st;
    assert_int_equal(load_by_environment(p, cc), COMPILED);
    snprintf(path, sizeof path, "%s/.cache/bitale", p->dir.path);
    assert_int_equal(stat(path, &st), 0);
    setenv("XDG_CACHE_HOME", "relative", 1); /* to be ignored, says the specification */
    assert_int_equal(load_by_environment(p, cc), FROM_CACHE);
    snprintf(path, sizeof path, "%s/xdg/deep", p->dir.path);
    setenv("XDG_CACHE_HOME", path, 1);
    assert_int_equal(load_by_environment(p, cc), COMPILED);
    snprintf(path, sizeof path, "%s/xdg/deep/bitale", p->dir.path);
    assert_int_equal(stat(path, &st), 0);
    snprintf(path, sizeof path, "%s/own", p->dir.path);
    setenv("BITALE_CACHE_DIR", path, 1);
    assert_int_equal(load_by_environment(p, cc), COMPILED);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(load_by_environment(p, cc), FROM_CACHE);
    unsetenv("BITALE_CACHE_DIR");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    notes[0] = 0;
    assert_int_equal(load_by_environment(p, cc), COMPILED);
    BTL_ASSERT_CONTAINS(notes, "none of BITALE_CACHE_DIR, XDG_CACHE_HOME, HOME is set");
    no_entry_left_half_done(p);
}

BTL_TEST(a_relative_folder_and_one_behind_a_link_work) {
    place *p = place_of(state);
    char cc[600], before[600], link[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(p->dir.path), 0);
    place relative = *p, linked = *p;
    strcpy(relative.cache, "sub/cache");
    assert_int_equal(load_once(&relative, cc, "text", 42), COMPILED);
    assert_int_equal(chdir(before), 0);
    snprintf(link, sizeof link, "%s/link", p->dir.path);
    assert_int_equal(symlink("sub/cache", link), 0);
    strcpy(linked.cache, link);
    assert_int_equal(load_once(&linked, cc, "text", 42), FROM_CACHE);
    assert_int_equal(load_once(&linked, cc, "more", 42), COMPILED);
    assert_int_equal(load_once(&linked, cc, "more", 42), FROM_CACHE);
}

BTL_TEST(without_any_folder_to_write_to_it_is_told) {
    place *p = place_of(state);
    char cc[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    btl_error err;
    btl_test_write(p->cache, "a file", 6);
    notes[0] = 0;
    assert_int_equal(load_once(p, cc, "text", 42), COMPILED); /* in TMPDIR */
    BTL_ASSERT_CONTAINS(notes, "Not a directory");
    assert_int_equal(count_files(p->tmp, ""), 0);
    setenv("TMPDIR", "/nowhere/at/all", 1);
    BTL_ASSERT_STATUS(load_fails(p, &(btl_code_options){ .cache_dir = p->cache, .compiler = cc }, "text", &err), BTL_EIO);
    BTL_ASSERT_CONTAINS(err.message, "there is no folder to compile generated code in");
    BTL_ASSERT_CONTAINS(err.message, "Not a directory");
    BTL_ASSERT_CONTAINS(err.message, "/nowhere/at/all: no folder can be made: No such file or directory");
}

BTL_TEST(read_only_caches_are_looked_into_and_left_alone) {
    place *p = place_of(state), own = *p;
    char cc[600], list[1400];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    load_once(p, cc, "text", 42);
    snprintf(own.cache, sizeof own.cache, "%s/own", p->dir.path);
    snprintf(list, sizeof list, ":%s/nowhere:%s:", p->dir.path, p->cache);
    setenv("BITALE_CACHE_READONLY", list, 1);
    notes[0] = 0;
    assert_int_equal(load_once(&own, cc, "text", 42), FROM_CACHE);
    BTL_ASSERT_CONTAINS(notes, "/nowhere");
    assert_int_equal(count_files(own.cache, ".so"), 0);
    assert_int_equal(load_once(&own, cc, "more", 42), COMPILED);
    assert_int_equal(count_files(own.cache, ".so"), 1);
    size_t bytes;
    char *data = btl_test_read(only_entry(p), &bytes);
    data[bytes / 2] ^= 1;
    btl_test_write(only_entry(p), data, bytes);
    free(data);
    notes[0] = 0;
    assert_int_equal(load_once(&own, cc, "text", 42), COMPILED);
    BTL_ASSERT_CONTAINS(notes, "it lies in a folder that is read only");
    only_entry(p); /* is still there */
    assert_int_equal(load_once(&own, cc, "text", 42), FROM_CACHE);
}

BTL_TEST(a_filled_cache_serves_a_machine_without_a_compiler) {
    place *p = place_of(state);
    char cc[600];
    btl_error err;
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    load_once(p, cc, "text", 42);
    assert_int_equal(load_once(p, "none", "text", 42), FROM_CACHE);
    assert_int_equal(load_once(p, "/no/such/compiler", "text", 42), FROM_CACHE);
    BTL_ASSERT_STATUS(load_fails(p, &(btl_code_options){ .cache_dir = p->cache, .compiler = "none" }, "another", &err), BTL_ECOMPILER);
    btl_context *ctx = new_context();
    btl_code *a = load(ctx, p, "none", "text"), *b = load(ctx, p, "none", "text"), *c = load(ctx, p, cc, "text");
    assert_ptr_equal(a, b);
    assert_ptr_equal(a, c);
    for (int i = 0; i < 3; i++) btl_code_unload(a);
    btl_context_free(ctx);
}

/* ---- room ------------------------------------------------------------------------------------------------- */

static void set_time(const char *path, int64_t seconds_ago) {
    struct timespec t[2] = { { .tv_sec = time(NULL) - seconds_ago }, { .tv_sec = time(NULL) - seconds_ago } };
    if (utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW)) BTL_FAIL("utimensat %s", path);
}

static int64_t age(const char *path) {
    struct stat st;
    if (stat(path, &st)) BTL_FAIL("stat %s", path);
    return time(NULL) - st.st_mtime;
}

BTL_TEST(the_last_use_is_noted_once_a_day) {
    place *p = place_of(state);
    char cc[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    load_once(p, cc, "text", 42);
    set_time(only_entry(p), 3600);
    load_once(p, cc, "text", 42);
    assert_true(age(only_entry(p)) > 3000);
    set_time(only_entry(p), 2 * 86400);
    load_once(p, cc, "text", 42);
    assert_true(age(only_entry(p)) < 3000);
}

/* With three kinds of entries: old, new, and those that this test is about. */
BTL_TEST(what_was_used_longest_ago_goes_when_there_is_too_much) {
    place *p = place_of(state);
    char cc[600], text[64], first[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    load_once(p, cc, "a", 42);
    snprintf(first, sizeof first, "%s", only_entry(p));
    struct stat st;
    assert_int_equal(stat(first, &st), 0);
    for (int i = 0; i < 9; i++) {
        sprintf(text, "text %d", i);
        load_once(p, cc, text, 42);
    }
    assert_int_equal(count_files(p->cache, ".so"), 10);
    DIR *d = opendir(p->cache);
    for (struct dirent *e; (e = readdir(d));)
        if (btl_sealed_is_name(e->d_name)) set_time(btl_test_path(p->cache, e->d_name), 7200);
    closedir(d);
    set_time(first, 60); /* made first, used last */
    snprintf(text, sizeof text, "%lld", (long long)st.st_size * 5);
    setenv("BITALE_CACHE_SIZE", text, 1);
    load_once(p, cc, "one too many", 42);
    int left = count_files(p->cache, ".so");
    if (left > 5 || left < 3) BTL_FAIL("%d entries are left of 11, where there is room for 5", left);
    assert_int_equal(load_once(p, cc, "a", 42), FROM_CACHE);
    assert_int_equal(load_once(p, cc, "one too many", 42), FROM_CACHE);
    assert_int_equal(load_once(p, cc, "text 0", 42), COMPILED);
}

BTL_TEST(a_cache_of_no_size_keeps_nothing) {
    place *p = place_of(state);
    const char *cc = copying_cc(p->dir.path, 42);
    setenv("BITALE_CACHE_SIZE", "0", 1);
    assert_int_equal(load_once(p, cc, "text", 42), COMPILED);
    assert_int_equal(load_once(p, cc, "text", 42), COMPILED);
    no_entry_left_half_done(p);
    setenv("BITALE_CACHE_SIZE", "plenty", 1);
    notes[0] = 0;
    assert_int_equal(load_once(p, cc, "text", 42), COMPILED);
    BTL_ASSERT_CONTAINS(notes, "BITALE_CACHE_SIZE is plenty");
    assert_int_equal(load_once(p, cc, "text", 42), FROM_CACHE);
}

BTL_TEST(sizes_are_read_as_people_write_them) {
    static const struct { const char *text; int64_t bytes; } good[] = {
        { "0", 0 }, { "1", 1 }, { "1024", 1024 }, { "1k", 1024 }, { "1K", 1024 }, { "1KiB", 1024 }, { "1.5M", 1572864 }, { "2G", INT64_C(2) << 30 }, { "2GB", INT64_C(2) << 30 }, { "1T", INT64_C(1) << 40 },
    };
    static const char *const bad[] = { "", "x", "-1", "1X", "1KK", "1 G x", "nan", "1e30T", "G" };
    int64_t bytes;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!btl_cache_size(good[i].text, &bytes)) BTL_FAIL("%s is refused", good[i].text);
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (btl_cache_size(bad[i], &bytes)) BTL_FAIL("%s is taken for %lld", bad[i], (long long)bytes);
}

/* ---- many at once ------------------------------------------------------------------------------------------ */

/* In a child: no cmocka. Exits with 0 if the code is right. */
static _Noreturn void child_loads(const place *p, const char *cc, const char *text, int answer) {
    btl_context *ctx;
    btl_code *code;
    btl_error err = { 0 };
    btl_code_options o = { .cache_dir = p->cache, .compiler = cc };
    btl_code_source unit = { "answer", text, strlen(text) };
    if (btl_context_new(NULL, &ctx) || btl_code_load(ctx, &o, 1, &unit, &code, NULL, &err)) {
        fprintf(stderr, "child: %s\n", err.message);
        _exit(1);
    }
    void *symbol = btl_code_symbol(code, "answer");
    int (*f)(void);
    memcpy(&f, &symbol, sizeof f);
    _exit(f() == answer ? 0 : 2);
}

typedef struct tally { int good, bad; } tally;
static bool tally_entry(void *user, const btl_cache_entry *e) {
    tally *t = user;
    if (e->problem) print_error("%s: %s\n", e->file, e->problem);
    *(e->problem ? &t->bad : &t->good) += 1;
    return true;
}

static tally verify(const place *p) {
    tally t = { 0 };
    BTL_ASSERT_OK(btl_cache_each(NULL, p->cache, true, tally_entry, &t, NULL));
    return t;
}

BTL_TEST(a_hundred_processes_on_one_cold_cache_are_all_served) {
    place *p = place_of(state);
    enum { N = 100 };
    pid_t pids[N];
    fflush(NULL);
    for (int i = 0; i < N; i++) {
        pids[i] = fork();
        if (pids[i] == 0) child_loads(p, real_cc(), text42, 42);
        if (pids[i] < 0) BTL_FAIL("fork: %s", strerror(errno));
    }
    int failed = 0;
    for (int i = 0; i < N; i++) {
        int status;
        while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR) continue;
        failed += status != 0;
    }
    assert_int_equal(failed, 0);
    tally t = verify(p);
    assert_int_equal(t.bad, 0);
    assert_int_equal(t.good, 1);
    no_entry_left_half_done(p);
    assert_int_equal(load_once(p, real_cc(), text42, 42), FROM_CACHE);
}

/* A child makes one entry after another and is killed somewhere; whatever stands under a name of the cache is whole. */
BTL_TEST(a_process_killed_anywhere_leaves_no_wrong_entry) {
    place *p = place_of(state);
    btl_rng r = { btl_test_seed() };
    char cc[600];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    for (int round = 0; round < 40; round++) {
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            btl_context *ctx;
            if (btl_context_new(NULL, &ctx)) _exit(1);
            for (int i = 0;; i++) {
                char text[64];
                btl_code *code;
                sprintf(text, "round %d, text %d", round, i);
                btl_code_source unit = { "answer", text, strlen(text) };
                if (btl_code_load(ctx, &(btl_code_options){ .cache_dir = p->cache, .compiler = cc }, 1, &unit, &code, NULL, NULL)) _exit(1);
                btl_code_unload(code);
            }
        }
        usleep((useconds_t)(1000 + btl_rng_below(&r, 40000)));
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSIGNALED(status)) BTL_FAIL("the child ended by itself, with %d", WEXITSTATUS(status));
    }
    tally t = verify(p);
    assert_int_equal(t.bad, 0);
    assert_true(t.good > 0);
    usleep(300000); /* compilers outlive who started them for a moment */
    int left = count_files(p->cache, "tmp-");
    load_once(p, cc, "afterwards", 42);
    assert_int_equal(count_files(p->cache, "tmp-"), left); /* they are new: their owner could be at work */
    DIR *d = opendir(p->cache);
    for (struct dirent *e; (e = readdir(d));)
        if (strncmp(e->d_name, "tmp-", 4) == 0) set_time(btl_test_path(p->cache, e->d_name), 2 * 86400);
    closedir(d);
    load_once(p, cc, "a day later", 42);
    no_entry_left_half_done(p);
    if (!left) print_message("(no child was killed while it compiled)\n");
}

/* Old files of ours in TMPDIR go with `prune`, others stay. */
BTL_TEST(leavings_in_the_temporary_folder_are_pruned) {
    place *p = place_of(state);
    btl_cache_freed freed;
    static const char *const names[] = { "bitale-0123456789abcdef", "bitale-fedcba9876543210", "bitale-notes", "other" };
    load_once(p, copying_cc(p->dir.path, 42), "text", 42);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(mkdir(btl_test_path(p->tmp, names[i]), 0700), 0);
        btl_test_write(btl_test_path(btl_test_path(p->tmp, names[i]), "x.c"), "x", 1);
        if (i != 1) set_time(btl_test_path(p->tmp, names[i]), 2 * 86400);
    }
    BTL_ASSERT_OK(btl_cache_prune(NULL, p->cache, -1, &freed, NULL));
    assert_int_equal(freed.others, 1);
    assert_int_equal(count_files(p->tmp, ""), 3);
    assert_int_not_equal(access(btl_test_path(p->tmp, names[0]), F_OK), 0);
    assert_int_equal(freed.entries, 0);
}

typedef struct thread_args { btl_context *ctx; const place *p; const char *cc; pthread_barrier_t *barrier; btl_code *codes[6]; int failed; } thread_args;

static void *thread_loads(void *arg) {
    thread_args *t = arg;
    pthread_barrier_wait(t->barrier);
    for (int i = 0; i < 6; i++) {
        char text[64];
        sprintf(text, "text %d", i / 2); /* each twice */
        btl_code_source unit = { "answer", text, strlen(text) };
        btl_error err = { 0 };
        if (btl_code_load(t->ctx, &(btl_code_options){ .cache_dir = t->p->cache, .compiler = t->cc }, 1, &unit, &t->codes[i], NULL, &err)) {
            fprintf(stderr, "thread: %s\n", err.message);
            t->failed++;
        }
    }
    return NULL;
}

BTL_TEST(threads_of_one_context_share_what_they_load) {
    place *p = place_of(state);
    enum { N = 8 };
    const char *cc = copying_cc(p->dir.path, 42);
    btl_context *ctx = new_context();
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, N);
    pthread_t threads[N];
    thread_args args[N];
    for (int i = 0; i < N; i++) {
        args[i] = (thread_args){ .ctx = ctx, .p = p, .cc = cc, .barrier = &barrier };
        assert_int_equal(pthread_create(&threads[i], NULL, thread_loads, &args[i]), 0);
    }
    for (int i = 0; i < N; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    for (int i = 0; i < N; i++) {
        assert_int_equal(args[i].failed, 0);
        for (int k = 0; k < 6; k++) {
            assert_ptr_equal(args[i].codes[k], args[0].codes[k / 2 * 2]);
            assert_int_equal(call_symbol(btl_code_symbol(args[i].codes[k], "answer")), 42);
        }
    }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 6; k++) btl_code_unload(args[i].codes[k]);
    assert_int_equal(count_files(p->cache, ".so"), 3);
    no_entry_left_half_done(p);
    btl_context_free(ctx);
}

/* ---- memory ----------------------------------------------------------------------------------------------- */

typedef struct memory_args { const place *p; const char *cc; bool cold; } memory_args;

static btl_status load_and_unload(btl_context *ctx, void *arg) {
    memory_args *m = arg;
    btl_code *code;
    char *log;
    btl_cache_freed freed;
    btl_code_source unit = { "answer", "text", 4 };
    if (m->cold) BTL_ASSERT_OK(btl_cache_clear(NULL, m->p->cache, &freed, NULL));
    btl_status status = btl_code_load(ctx, &(btl_code_options){ .cache_dir = m->p->cache, .compiler = m->cc }, 1, &unit, &code, &log, NULL);
    if (log) btl_free(ctx, log, strlen(log) + 1);
    btl_code_unload(code);
    return status;
}

BTL_TEST(memory_that_runs_out_leaves_nothing_behind) {
    place *p = place_of(state);
    memory_args m = { .p = p, .cc = copying_cc(p->dir.path, 42) };
    load_once(p, m.cc, "text", 42);
    int before = open_files();
    BTL_ASSERT_SURVIVES_ENOMEM(load_and_unload, &m);
    m.cold = true;
    BTL_ASSERT_SURVIVES_ENOMEM(load_and_unload, &m);
    assert_int_equal(open_files(), before);
    no_entry_left_half_done(p);
}

static bool see_nothing(void *user, const btl_cache_entry *e) { return user == NULL && e != NULL; }
static btl_status look_at_cache(btl_context *ctx, void *arg) {
    const place *p = arg;
    btl_cache_info info;
    btl_cache_freed freed;
    btl_status status = btl_cache_look(ctx, p->cache, &info, NULL);
    if (status == BTL_OK) status = btl_cache_each(ctx, p->cache, true, see_nothing, NULL, NULL);
    if (status == BTL_OK) status = btl_cache_prune(ctx, p->cache, -1, &freed, NULL);
    return status;
}

BTL_TEST(looking_through_the_cache_survives_memory_that_runs_out) {
    place *p = place_of(state);
    const char *cc = copying_cc(p->dir.path, 42);
    load_once(p, cc, "a", 42);
    load_once(p, cc, "b", 42);
    BTL_ASSERT_SURVIVES_ENOMEM(look_at_cache, p);
    assert_int_equal(count_files(p->cache, ".so"), 2);
}

/* ---- clear ------------------------------------------------------------------------------------------------ */

BTL_TEST(clearing_removes_what_is_ours_and_nothing_else) {
    place *p = place_of(state);
    char cc[600], link[700];
    snprintf(cc, sizeof cc, "%s", copying_cc(p->dir.path, 42));
    btl_cache_freed freed;
    BTL_ASSERT_OK(btl_cache_clear(NULL, p->cache, &freed, NULL)); /* it is not there yet */
    assert_int_equal(freed.entries, 0);
    load_once(p, cc, "a", 42);
    load_once(p, cc, "b", 42);
    static const char *const names[] = { "precious.txt", "0123456789abcdef.so", "tmp-mine", "cc-notes.txt", "tmp-0123456789abcdef.so" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) btl_test_write(btl_test_path(p->cache, names[i]), "x", 1);
    char outside[600];
    snprintf(outside, sizeof outside, "%s", btl_test_path(p->dir.path, "outside"));
    assert_int_equal(mkdir(outside, 0700), 0);
    btl_test_write(btl_test_path(outside, "precious"), "x", 1);
    static const char *const links[] = { "tmp-00000000000000aa", "00000000000000000000000000000000-0000000000000000.so" };
    for (int i = 0; i < 2; i++) {
        snprintf(link, sizeof link, "%s/%s", p->cache, links[i]);
        assert_int_equal(symlink(outside, link), 0);
    }
    char inner[600]; /* what a compiler was at when it was killed, and a link in it */
    snprintf(inner, sizeof inner, "%s", btl_test_path(p->cache, "tmp-00000000000000bb"));
    assert_int_equal(mkdir(inner, 0700), 0);
    assert_int_equal(symlink(outside, btl_test_path(inner, "link")), 0);
    btl_test_write(btl_test_path(inner, "x.c"), "x", 1);
    BTL_ASSERT_OK(btl_cache_clear(NULL, p->cache, &freed, NULL));
    assert_int_equal(freed.entries, 3); /* one of them a link */
    assert_int_equal(access(btl_test_path(outside, "precious"), F_OK), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (access(btl_test_path(p->cache, names[i]), F_OK)) BTL_FAIL("%s was removed", names[i]);
    assert_int_not_equal(access(inner, F_OK), 0);
    assert_int_equal(count_files(p->cache, ""), (int)(sizeof names / sizeof *names) + 1); /* and CACHEDIR.TAG */
    assert_int_equal(load_once(p, cc, "a", 42), COMPILED);
}

/* ---- file systems ------------------------------------------------------------------------------------------- */

#ifdef __linux__

/* In a child with mounts of its own; its exit code: 0 good, 77 not permitted here. */
#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s; notes: %s\n", __FILE__, __LINE__, #condition, notes);     \
            _exit(1);                                                                             \
        }                                                                                         \
    } while (0)

static void in_own_mounts(void (*body)(const place *p, const char *cc), const place *p, const char *cc) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) _exit(77);
        body(p, cc);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) skip();
    if (status) BTL_FAIL("the child ended with %d", status);
}

static void mount_small(const char *folder, unsigned long flags, const char *options) {
    if (mkdir(folder, 0700) && errno != EEXIST) _exit(77);
    if (mount("tmpfs", folder, "tmpfs", flags, options)) _exit(77);
}

typedef struct quiet_load { btl_status status; bool from_cache; int answer; btl_error err; } quiet_load;
static quiet_load load_quietly(const place *p, const char *cc, const char *text) {
    quiet_load q = { .answer = -1 };
    btl_context *ctx;
    btl_code *code;
    btl_code_options o = { .cache_dir = p->cache, .compiler = cc, .note = take_note };
    btl_code_source unit = { "answer", text, strlen(text) };
    CHECK(btl_context_new(NULL, &ctx) == BTL_OK);
    q.status = btl_code_load(ctx, &o, 1, &unit, &code, NULL, &q.err);
    if (q.status == BTL_OK) {
        void *symbol = btl_code_symbol(code, "answer");
        int (*f)(void);
        CHECK(symbol);
        memcpy(&f, &symbol, sizeof f);
        q.answer = f();
        q.from_cache = btl_code_came_from_cache(code);
    }
    btl_code_unload(code);
    btl_context_free(ctx);
    return q;
}

static void fill(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    static const char zeros[4096];
    while (write(fd, zeros, sizeof zeros) > 0) continue;
    close(fd);
}

static void on_a_full_disk(const place *p, const char *cc) {
    mount_small(p->cache, 0, "size=512k,mode=700");
    CHECK(load_quietly(p, cc, "before").answer == 42);
    fill(btl_test_path(p->cache, "ballast"));
    notes[0] = 0;
    quiet_load q = load_quietly(p, cc, "text");
    CHECK(q.answer == 42 && !q.from_cache); /* compiled in TMPDIR */
    CHECK(strstr(notes, "could not be kept in the cache") && strstr(notes, "No space left on device"));
    CHECK(load_quietly(p, cc, "before").from_cache);
    for (int pages = 1; pages < 20; pages++) { /* room for the source, for some of the code, for all but the seal … */
        char path[700], text[6000];
        struct stat st;
        snprintf(path, sizeof path, "%s/ballast", p->cache);
        CHECK(stat(path, &st) == 0 && truncate(path, st.st_size - 4096 * pages) == 0);
        memset(text, 'x', sizeof text - 1);
        sprintf(text + 5900, "%d", pages);
        CHECK(load_quietly(p, cc, text).answer == 42);
        CHECK(load_quietly(p, cc, text).answer == 42);
        fill(path);
        CHECK(count_files(p->cache, "tmp-") == 0 && count_files(p->tmp, "") == 0);
    }
    CHECK(!strstr(notes, "removed"));
    CHECK(unlink(btl_test_path(p->cache, "ballast")) == 0);
    CHECK(!load_quietly(p, cc, "text").from_cache);
    CHECK(load_quietly(p, cc, "text").from_cache);
    CHECK(count_files(p->cache, "tmp-") == 0 && count_files(p->tmp, "") == 0);
    /* and with the real compiler, which says itself that there is no room */
    fill(btl_test_path(p->cache, "ballast"));
    CHECK(load_quietly(p, real_cc(), text42).answer == 42);
    CHECK(count_files(p->cache, "tmp-") == 0 && count_files(p->tmp, "") == 0);
}

BTL_TEST(a_full_disk_costs_the_cache_and_not_the_code) {
    place *p = place_of(state);
    in_own_mounts(on_a_full_disk, p, copying_cc(p->dir.path, 42));
}

static void on_a_read_only_disk(const place *p, const char *cc) {
    mount_small(p->cache, 0, "size=1m,mode=700");
    CHECK(load_quietly(p, cc, "before").answer == 42);
    if (mount(NULL, p->cache, NULL, MS_REMOUNT | MS_RDONLY, NULL)) _exit(77);
    CHECK(load_quietly(p, cc, "before").from_cache);
    notes[0] = 0;
    quiet_load q = load_quietly(p, cc, "text");
    CHECK(q.answer == 42 && !q.from_cache);
    CHECK(strstr(notes, "Read-only file system"));
    CHECK(count_files(p->tmp, "") == 0);
}

BTL_TEST(a_read_only_disk_is_read) {
    place *p = place_of(state);
    in_own_mounts(on_a_read_only_disk, p, copying_cc(p->dir.path, 42));
}

/* From now on memfd_create fails, as where it is forbidden. */
static void forbid_memory_files(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof filter / sizeof *filter, .filter = filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) _exit(77);
    CHECK(btl_os_memory_file("x") == -1);
}

static void on_a_noexec_disk(const place *p, const char *cc) {
    mount_small(p->cache, MS_NOEXEC, "size=1m,mode=700");
    setenv("TMPDIR", p->cache, 1);
    quiet_load q = load_quietly(p, cc, "text");
    CHECK(q.answer == 42 && !q.from_cache); /* from memory */
    CHECK(load_quietly(p, cc, "text").from_cache);
    setenv("TMPDIR", p->tmp, 1);
    forbid_memory_files();
    CHECK(load_quietly(p, cc, "text").from_cache); /* from TMPDIR */
    CHECK(load_quietly(p, cc, "more").answer == 42);
    CHECK(count_files(p->tmp, "") == 0);
    mount_small(p->tmp, MS_NOEXEC, "size=1m,mode=700");
    notes[0] = 0;
    q = load_quietly(p, cc, "text");
    CHECK(q.status == BTL_EIO && strstr(q.err.message, "cannot be executed on this machine"));
    CHECK(strstr(q.err.message, p->cache) && strstr(q.err.message, p->tmp));
    q = load_quietly(p, cc, "new");
    CHECK(q.status == BTL_EIO && strstr(q.err.message, "noexec"));
    CHECK(!strstr(notes, "removed")); /* good entries are not dropped for it */
    CHECK(count_files(p->tmp, "") == 0 && count_files(p->cache, "tmp-") == 0);
}

BTL_TEST(where_code_may_not_be_executed_it_is_loaded_from_elsewhere_or_it_is_told) {
    place *p = place_of(state);
    in_own_mounts(on_a_noexec_disk, p, copying_cc(p->dir.path, 42));
}

#define FILE_SYSTEM_TESTS                                                                         \
    T(a_full_disk_costs_the_cache_and_not_the_code), T(a_read_only_disk_is_read), T(where_code_may_not_be_executed_it_is_loaded_from_elsewhere_or_it_is_told)
#else
#define FILE_SYSTEM_TESTS
#endif

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
BTL_TEST_MAIN(T(code_is_compiled_once_and_then_found), T(an_entry_says_what_it_is), T(all_that_code_depends_on_is_in_its_key),
              T(a_compiler_that_was_replaced_is_another_one), T(a_context_loads_equal_code_once),
              T(each_code_is_its_own_though_they_are_loaded_through_the_same_number), T(nothing_stays_open), T(names_that_could_lead_elsewhere_are_refused),
              T(only_a_text_that_the_compiler_refused_is_blamed), T(code_that_cannot_be_loaded_is_not_kept), T(a_byte_changed_anywhere_is_noticed),
              T(an_entry_cut_or_lengthened_is_noticed), T(an_entry_under_another_name_is_noticed), T(a_forged_key_is_noticed),
              T(an_entry_that_others_could_write_is_noticed), T(what_is_in_the_way_of_an_entry_stops_nothing), T(what_belongs_to_another_user_is_noticed),
              T(a_folder_that_others_could_write_is_not_used), T(a_careless_umask_does_not_spoil_entries), T(a_note_is_made_once),
              T(the_environment_says_where_the_cache_is), T(a_relative_folder_and_one_behind_a_link_work), T(without_any_folder_to_write_to_it_is_told),
              T(read_only_caches_are_looked_into_and_left_alone), T(a_filled_cache_serves_a_machine_without_a_compiler), T(the_last_use_is_noted_once_a_day),
              T(what_was_used_longest_ago_goes_when_there_is_too_much), T(a_cache_of_no_size_keeps_nothing), T(sizes_are_read_as_people_write_them),
              T(a_hundred_processes_on_one_cold_cache_are_all_served), T(a_process_killed_anywhere_leaves_no_wrong_entry),
              T(leavings_in_the_temporary_folder_are_pruned), T(threads_of_one_context_share_what_they_load), T(memory_that_runs_out_leaves_nothing_behind),
              T(looking_through_the_cache_survives_memory_that_runs_out), T(clearing_removes_what_is_ours_and_nothing_else),
              FILE_SYSTEM_TESTS)
