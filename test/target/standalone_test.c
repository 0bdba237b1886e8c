/* standalone_test.c - functions written as C: what their texts promise. Names, sizes, codes, shared variables as arguments and
 * as a struct, work memory, and what is refused. (Their bits: sweep/standalone_bits_test.c.)
 *
 * Expected values are worked out by hand. SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/standalone.h"

#include "expr/emit.h"
#include "expr/operand.h"

static char folder[512];
static int built;

static int make_folder(void **state) {
    btl_test_dir_setup(state);
    snprintf(folder, sizeof folder, "%s", ((btl_test_dir *)*state)->path);
    return 0;
}

/* A program's function, written; and compiled and loaded. */
typedef struct text {
    btl_context *ctx;
    btl_graph *g;
    btl_function *f;
    btl_state *state;
    btl_standalone *s;
    const btl_standalone_info *info;
    sa_loaded l;
} text;

static text text_open(const char *program, const char *entry) {
    text t = { 0 };
    btl_error e = { 0 };
    btl_function_options o = { .struct_size = sizeof o, .mode = "fast_run,linker=strips" };
    BTL_ASSERT_OK(btl_context_new(NULL, &t.ctx));
    BTL_ASSERT_OK(btl_graph_new(t.ctx, &t.g));
    if (btl_graph_parse(t.g, program, strlen(program), "models/p.bitale") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(t.g));
    if (btl_function_new(t.g, btl_entry_find(t.g, entry), &o, &t.f, &e) != BTL_OK) BTL_FAIL("%s", e.message);
    return t;
}

static void text_close(text *t) {
    if (t->l.library) btl_os_close_library(t->l.library);
    btl_standalone_free(t->s);
    btl_state_free(t->state);
    btl_function_free(t->f);
    btl_graph_free(t->g);
    btl_context_free(t->ctx);
}

static btl_standalone_options with_defaults(const btl_standalone_options *o) {
    btl_standalone_options all = o ? *o : (btl_standalone_options){ 0 };
    all.struct_size = sizeof all;
    if (!all.program) all.program = "p";
    return all;
}

static void text_write(text *t, const btl_standalone_options *o) {
    btl_error e = { 0 };
    btl_standalone_options all = with_defaults(o);
    if (btl_standalone_new(t->f, &all, &t->s, &e) != BTL_OK) BTL_FAIL("%s", e.message);
    t->info = btl_standalone_look(t->s);
}

static const char *file_of(const text *t, const char *ending) {
    for (int i = 0; i < t->info->nfiles; i++) {
        size_t n = strlen(t->info->files[i].name), m = strlen(ending);
        if (n >= m && strcmp(t->info->files[i].name + n - m, ending) == 0) return t->info->files[i].text;
    }
    BTL_FAIL("no file %s", ending);
}

/* All .c files as one library; `extra` files are compiled with them. */
static void text_load(text *t, const char *extra) {
    const char *cc = getenv("CC") ? getenv("CC") : "cc", *argv[40];
    char path[600];
    int n = 0;
    sa_write(t->info, folder);
    snprintf(path, sizeof path, "%s/t%d.so", folder, built++);
    const char *const flags[] = { "-std=c99", "-O1", "-Wall", "-Wextra", "-pedantic", "-Werror", "-ffp-contract=off", "-shared", "-fPIC", "-o" };
    argv[n++] = cc;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) argv[n++] = flags[i];
    argv[n++] = path;
    for (int i = 0; i < t->info->nfiles; i++)
        if (strstr(t->info->files[i].name, ".c") && !strstr(t->info->files[i].name, "_main.c")) argv[n++] = t->info->files[i].name;
    if (extra) argv[n++] = extra;
    argv[n++] = "-lm", argv[n] = NULL;
    btl_run run = btl_test_run(folder, NULL, argv);
    if (run.code || *run.err) BTL_FAIL("%s", run.err);
    btl_run_free(&run);
    assert_true(sa_load(&t->l, path, t->info));
}

static const char *meaning(const text *t, int code) {
    if (code < 1 || code > t->info->ncodes) BTL_FAIL("code %d", code);
    assert_int_equal(t->info->codes[code - 1].code, code);
    return t->info->codes[code - 1].meaning;
}

/* ---- sizes and codes ------------------------------------------------------------------------------- */

BTL_TEST(sizes_come_in_the_order_of_the_arguments_and_are_checked) {
    text t = text_open("input x: f64[m, n]\ninput y: f64[k]\ninput z: f64[?<=8]\noutput a = x[:, 0] + y, b = z[:z.shape[0] - 1] * 2\n", NULL);
    text_write(&t, NULL);
    text_load(&t, NULL);
    assert_int_equal(t.info->nsizes, 4);
    assert_string_equal(t.info->sizes[0], "m");
    assert_string_equal(t.info->sizes[1], "n");
    assert_string_equal(t.info->sizes[2], "k");
    assert_string_equal(t.info->sizes[3], "z_size0");
    const double x[] = { 1, 2, 3, 4, 5, 6 }, y[] = { 10, 20 }, z[] = { 7, 8, 9 };
    double a[2], b[2];
    const void *in[] = { x, y, z };
    void *out[] = { a, b };
    int64_t sizes[] = { 2, 3, 2, 3 };
    assert_int_equal(sa_call(&t.l, sizes, in, out), 0);
    assert_true(a[0] == 11 && a[1] == 24 && b[0] == 14 && b[1] == 16);

    sa_fn call;
    memcpy(&call, &t.l.call, sizeof call);
    static char space[4096];
    const int64_t different[] = { 2, 3, 4, 3 }, negative[] = { 2, -1, 2, 3 }, beyond[] = { 2, 3, 2, 9 }, none[] = { 2, 0, 2, 3 };
    BTL_ASSERT_CONTAINS(meaning(&t, call(different, in, out, space)), "p.bitale:4: add: sizes that must be equal differ: m and k");
    BTL_ASSERT_CONTAINS(meaning(&t, call(negative, in, out, space)), "negative");
    BTL_ASSERT_CONTAINS(meaning(&t, call(beyond, in, out, space)), "above its bound 8");
    BTL_ASSERT_CONTAINS(meaning(&t, call(none, in, out, space)), "p.bitale:4: an index is out of range");
    text_close(&t);
}

BTL_TEST(a_size_that_no_argument_carries_is_asked_for) {
    text t = text_open("input a: f32[2 * n + 1]\noutput y = a[:n] + a[n + 1:], s = sum(f64(arange(n // 3)))\n", NULL);
    text_write(&t, NULL);
    text_load(&t, NULL);
    assert_int_equal(t.info->nsizes, 1);
    float a[15], y[7];
    double s;
    const int64_t n = 7;
    const void *in[] = { a };
    void *out[] = { y, &s };
    for (int i = 0; i < 15; i++) a[i] = (float)i;
    assert_int_equal(sa_call(&t.l, &n, in, out), 0);
    for (int i = 0; i < 7; i++) assert_true(y[i] == (float)(2 * i + 8));
    assert_true(s == 1);
    text_close(&t);
}

BTL_TEST(fixed_sizes_need_none_and_the_work_is_a_macro) {
    text t = text_open("input x: f32[5, 3]\noutput y = softmax(x @ x.T)\n", NULL);
    text_write(&t, NULL);
    text_load(&t, NULL);
    assert_int_equal(t.info->nsizes, 0);
    BTL_ASSERT_CONTAINS(file_of(&t, ".h"), "int p(const void *const *in, void *const *out, void *work);");
    BTL_ASSERT_CONTAINS(file_of(&t, ".h"), "size_t p_work(void);");
    char macro[60];
    sa_work_fixed_fn work;
    memcpy(&work, &t.l.work, sizeof work);
    assert_int_equal(t.info->work_bytes, (int64_t)work());
    snprintf(macro, sizeof macro, "#define P_WORK %lld\n", (long long)t.info->work_bytes);
    BTL_ASSERT_CONTAINS(file_of(&t, ".h"), macro);
    assert_int_equal(strtoll(t.info->work, NULL, 10), t.info->work_bytes);
    float x[15], y[25], rows[5] = { 0 };
    for (int i = 0; i < 15; i++) x[i] = (float)(i % 4) / 4;
    const void *in[] = { x };
    void *out[] = { y };
    assert_int_equal(sa_call(&t.l, NULL, in, out), 0);
    for (int i = 0; i < 25; i++) rows[i / 5] += y[i];
    for (int i = 0; i < 5; i++) BTL_ASSERT_NEAR((double)rows[i], 1, 1e-6);
    text_close(&t);
}

BTL_TEST(sizes_that_no_memory_has_are_refused_before_anything_is_computed) {
    text t = text_open("input x: f64[n]\ninput y: f64[m]\noutput s = sum(exp(x[:, newaxis] + y) @ exp(y[:, newaxis] + x))\n", NULL);
    text_write(&t, NULL);
    text_load(&t, NULL);
    sa_work_fn work;
    memcpy(&work, &t.l.work, sizeof work);
    const int64_t huge[] = { INT64_MAX / 4, INT64_MAX / 4 }, large[] = { (int64_t)1 << 32, (int64_t)1 << 31 }, small[] = { 3, 2 }, negative[] = { -1, 5 };
    assert_true(work(huge) == (size_t)-1);
    assert_true(work(large) == (size_t)-1);
    assert_true(work(negative) == (size_t)-1);
    assert_true(work(small) < 4096);
    text_close(&t);
}

BTL_TEST(assertions_indices_and_empty_maxima_have_codes) {
    text t = text_open("input x: f64[n]\ninput i: i64\ninput j: i64[2]\nassert i != 3, \"three is\\nnot */ welcome ?" "?/\"\noutput a = x[i], b = max(x), c = x[j]\n", NULL);
    text_write(&t, NULL);
    text_load(&t, NULL);
    const double x[] = { 5, 7, 6 };
    int64_t n = 3, i = 1, j[] = { -1, 0 };
    double a, b, c[2];
    const void *in[] = { x, &i, j };
    void *out[] = { &a, &b, c };
    assert_int_equal(sa_call(&t.l, &n, in, out), 0);
    assert_true(a == 7 && b == 7 && c[0] == 6 && c[1] == 5);
    i = 3;
    BTL_ASSERT_CONTAINS(meaning(&t, sa_call(&t.l, &n, in, out)), "p.bitale:5: an index is out of range");
    i = 0, j[1] = -4;
    BTL_ASSERT_CONTAINS(meaning(&t, sa_call(&t.l, &n, in, out)), "p.bitale:5: an index is out of range");
    n = 4, i = 3, j[1] = 0;
    const double four[] = { 1, 2, 3, 4 };
    in[0] = four;
    BTL_ASSERT_CONTAINS(meaning(&t, sa_call(&t.l, &n, in, out)), "assert: three is");
    text_close(&t);
    t = text_open("input x: f64[n]\noutput m = max(x), at = argmin(x)\n", NULL);
    text_write(&t, NULL);
    text_load(&t, NULL);
    n = 0;
    int64_t at;
    void *outs[] = { &a, &at };
    BTL_ASSERT_CONTAINS(meaning(&t, sa_call(&t.l, &n, in, outs)), "of no elements");
    text_close(&t);
}

/* ---- arguments, results, constants ------------------------------------------------------------------- */

BTL_TEST(null_stands_for_a_default) {
    text t = text_open("input x: f32[n]\ninput a: f32 = 2.5\ninput b: i32[3] = [1, 2, 3]\ninput c: f32[m] = [4, 5]\noutput y = a * x, z = b * 2, w = c\n", NULL);
    text_write(&t, NULL);
    text_load(&t, NULL);
    assert_false(t.info->inputs[0].has_default);
    assert_true(t.info->inputs[1].has_default && t.info->inputs[2].has_default && t.info->inputs[3].has_default);
    float x[] = { 1, -2 }, y[2], w[3], a = 3, c[] = { 7, 8, 9 };
    int32_t z[3];
    const void *in[] = { x, NULL, NULL, NULL };
    void *out[] = { y, z, w };
    int64_t sizes[] = { 2, 2 };
    assert_int_equal(sa_call(&t.l, sizes, in, out), 0);
    assert_true(y[0] == 2.5f && y[1] == -5 && z[0] == 2 && z[2] == 6 && w[0] == 4 && w[1] == 5);
    in[1] = &a;
    sizes[1] = 3;
    BTL_ASSERT_CONTAINS(meaning(&t, sa_call(&t.l, sizes, in, out)), "c is left out, and its default has other sizes");
    in[3] = c;
    assert_int_equal(sa_call(&t.l, sizes, in, out), 0);
    assert_true(y[0] == 3 && y[1] == -6 && w[2] == 9);
    text_close(&t);
}

BTL_TEST(results_that_are_views_arguments_or_stand_twice_are_copied) {
    text t = text_open("input x: i32[2, 3]\ninput k: i64\ny = x * 10\noutput a = x.T, b = x, c = y, d = y, e = y[::-1, k:][:, ::2], f = y.T, g = [7, 8]\n", NULL);
    btl_error e = { 0 };
    btl_standalone_options o = with_defaults(NULL);
    if (btl_standalone_new(t.f, &o, &t.s, &e) == BTL_OK) BTL_FAIL("a size that only a run knows was written");
    BTL_ASSERT_CONTAINS(e.message, "models/p.bitale:4");
    BTL_ASSERT_CONTAINS(e.message, "known at run time only");
    text_close(&t);
    t = text_open("input x: i32[2, 3]\ny = x * 10\noutput a = x.T, b = x, c = y, d = y, e = y[::-1, 1:][:, ::2], f = y.T, g = [7, 8]\n", NULL);
    text_write(&t, NULL);
    text_load(&t, NULL);
    const int32_t x[] = { 1, 2, 3, 4, 5, 6 };
    int32_t a[6], b[6], c[6], d[6], e2[2], f[6];
    int64_t g[2];
    const void *in[] = { x };
    void *out[] = { a, b, c, d, e2, f, g };
    assert_int_equal(sa_call(&t.l, NULL, in, out), 0);
    assert_memory_equal(b, x, sizeof x);
    for (int i = 0; i < 6; i++) assert_true(a[i] == x[i % 2 * 3 + i / 2] && c[i] == 10 * x[i] && d[i] == c[i] && f[i] == 10 * a[i]);
    assert_true(e2[0] == 50 && e2[1] == 20 && g[0] == 7 && g[1] == 8);
    text_close(&t);
}

/* Bits of constants, special ones too: infinities, NaN, -0, the least integers, the least float. */
BTL_TEST(constants_keep_their_bits) {
    text t = text_open("input i: i64[2]\noutput a = f32([inf, -inf, nan, -0.0, 1e-45, 0.1, 3.4028234e38])[i], b = [inf, nan, -0.0, 5e-324, 0.1, 1e308][i], "
                  "c = i32([-2147483648, 1])[i], g = f16([1.5, -inf])[i], h = [0, 0, 0][i], k = [-9223372036854775807 - 1, 3][i], l = [true, false][i]\n", NULL);
    text_write(&t, NULL);
    text_load(&t, NULL);
    const float f[] = { INFINITY, -INFINITY, NAN, -0.0f, 0x1p-149f, 0.1f, 3.4028234e38f };
    const double d[] = { INFINITY, NAN, -0.0, 0x1p-1074, 0.1, 1e308 };
    for (int at = 0; at < 7; at++) {
        int64_t i[] = { at, at % 2 }, h[2], k[2];
        float a[2];
        double b[2];
        int32_t c[2];
        uint16_t g[2];
        uint8_t l[2];
        const void *in[] = { i };
        void *out[] = { a, b, c, g, h, k, l };
        int code = sa_call(&t.l, NULL, in, out);
        if (at > 1) {
            assert_true(code > 0); /* c has two elements */
            continue;
        }
        assert_int_equal(code, 0);
        assert_memory_equal(&a[0], &f[at], 4);
        assert_memory_equal(&b[1], &d[at % 2], at % 2 ? 0 : 8);
        assert_true(c[0] == (at ? 1 : INT32_MIN) && g[0] == (at ? 0xfc00 : 0x3e00) && h[0] == 0 && k[0] == (at ? 3 : INT64_MIN) && l[0] == !at);
    }
    BTL_ASSERT_CONTAINS(file_of(&t, ".c"), "__builtin_inff(), -__builtin_inff(), __builtin_nanf(\"\"), -0.0f, 1.4013e-45f, 0.1f, 3.4028235e+38f");
    text_close(&t);
}

/* ---- shared variables ----------------------------------------------------------------------------------- */

static const char counter[] = "shared total: f64 = 100\nshared seen: i64[2] = [1, -5]\nshared idle: f32[3] = 0.5\n"
                              "function add(x: f64[n]):\n    assert sum(x) < 50, \"too much\"\n    update total = total + sum(x)\n    update seen = seen + 1\n    output before = total\n"
                              "function now():\n    output total, seen\n";

BTL_TEST(shared_variables_are_arguments_and_their_new_values_results) {
    text t = text_open(counter, "add");
    text_write(&t, NULL);
    text_load(&t, NULL);
    assert_int_equal(t.info->ninputs, 3);
    assert_int_equal(t.info->noutputs, 3);
    assert_string_equal(t.info->inputs[1].name, "total");
    assert_true(t.info->inputs[1].is_shared && t.info->outputs[2].is_shared && !t.info->outputs[0].is_shared);
    const double x[] = { 1, 2 }, total = 10;
    const int64_t seen[] = { 4, 5 }, n = 2;
    double before, new_total;
    int64_t new_seen[2];
    const void *in[] = { x, &total, seen };
    void *out[] = { &before, &new_total, new_seen };
    assert_int_equal(sa_call(&t.l, &n, in, out), 0);
    assert_true(before == 10 && new_total == 13 && new_seen[0] == 5 && new_seen[1] == 6 && total == 10);
    text_close(&t);
}

/* As the header declares them. */
typedef struct p_state { double total; int64_t seen[2]; float idle[3]; } p_state;

BTL_TEST(a_state_holds_all_shared_variables_and_stays_as_it_was_where_a_call_fails) {
    text t = text_open(counter, "add");
    btl_error e = { 0 };
    BTL_ASSERT_OK(btl_state_new(t.g, &t.state, &e));
    text_write(&t, &(btl_standalone_options){ .state = t.state });
    assert_string_equal(t.info->state, "p_state");
    BTL_ASSERT_CONTAINS(file_of(&t, "add.h"), "int add(p_state *state, const int64_t *sizes,");
    text_load(&t, NULL);
    void (*init)(p_state *state);
    int (*call)(p_state *state, const int64_t *sizes, const void *const *in, void *const *out, void *work);
    void *symbol = btl_os_symbol(t.l.library, "p_init");
    assert_non_null(symbol);
    memcpy(&init, &symbol, sizeof init);
    memcpy(&call, &t.l.call, sizeof call);
    p_state mine = { 0 };
    init(&mine);
    assert_true(mine.total == 100 && mine.seen[0] == 1 && mine.seen[1] == -5 && mine.idle[2] == 0.5f);
    static char work[4096];
    double x[] = { 1, 2 }, before;
    const int64_t n = 2;
    const void *in[] = { x };
    void *out[] = { &before };
    assert_int_equal(call(&mine, &n, in, out, work), 0);
    assert_true(before == 100 && mine.total == 103 && mine.seen[0] == 2 && mine.seen[1] == -4);
    x[0] = 60;
    BTL_ASSERT_CONTAINS(meaning(&t, call(&mine, &n, in, out, work)), "too much");
    assert_true(mine.total == 103 && mine.seen[0] == 2);
    text_close(&t);
}

BTL_TEST(a_function_that_updates_nothing_takes_a_constant_state) {
    text t = text_open(counter, "now");
    btl_error e = { 0 };
    double loaded = 7;
    btl_array value = btl_array_wrap(BTL_F64, 0, NULL, &loaded);
    BTL_ASSERT_OK(btl_state_new(t.g, &t.state, &e));
    BTL_ASSERT_OK(btl_state_set(t.state, "total", &value, &e));
    text_write(&t, &(btl_standalone_options){ .state = t.state });
    BTL_ASSERT_CONTAINS(file_of(&t, "now.h"), "int now(const p_state *state, ");
    text_load(&t, NULL);
    int (*call)(const p_state *state, const void *const *in, void *const *out, void *work);
    const p_state *first = btl_os_symbol(t.l.library, "p_first");
    memcpy(&call, &t.l.call, sizeof call);
    double total;
    int64_t seen[2];
    void *out[] = { &total, seen };
    assert_int_equal(call(first, NULL, out, NULL), 0);
    assert_true(total == 7 && seen[1] == -5); /* the state's values, not the program's */
    text_close(&t);
}

/* ---- names ------------------------------------------------------------------------------------------------ */

static void try_name(const char *function, const char *wanted, const char *words) {
    char program[300];
    snprintf(program, sizeof program, "function %s(double: f32[int], in: f32[int], memcpy: f32, k3: f32, btl_x: f32):\n    output work = double + in, sizes = memcpy * k3 + btl_x\n", function);
    text t = text_open(program, function);
    text_write(&t, NULL);
    text_load(&t, NULL);
    assert_string_equal(t.info->name, wanted);
    if (words) assert_true(t.info->nnotes == 1), BTL_ASSERT_CONTAINS(t.info->notes[0], words);
    else assert_int_equal(t.info->nnotes, 0);
    const float x[] = { 1, 2 }, y[] = { 10, 20 }, a = 3, b = 4, c = 5;
    float sum[2], rest;
    const int64_t n = 2;
    const void *in[] = { x, y, &a, &b, &c };
    void *out[] = { sum, &rest };
    assert_int_equal(sa_call(&t.l, &n, in, out), 0);
    assert_true(sum[0] == 11 && sum[1] == 22 && rest == 17);
    text_close(&t);
}

BTL_TEST(names_that_c_has_already_get_others) {
    try_name("fit", "fit", NULL);
    try_name("printf", "printf_", "printf is a name of the C library: the C function is named printf_");
    try_name("register", "register_", "is a keyword of C or C++");
    try_name("expf", "expf_", "is a name of the C library");
    try_name("class", "class_", "is a keyword of C or C++");
    try_name("k2_add", "f_k2_add", "generated code");
    try_name("btl_layout", "f_btl_layout", "generated code");
    try_name("work", "work_", "generated code");
    try_name("main", "p", NULL);
}

BTL_TEST(a_name_of_ones_own_must_be_one_of_c) {
    static const char *const bad[] = { "a-b", "3d", "", "while", "strlen", "k1_exp", "btl_f", "_x", "y0", "a b" };
    text t = text_open("input x: f32\noutput y = -x\n", NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        btl_error e = { 0 };
        btl_standalone_options o = with_defaults(&(btl_standalone_options){ .name = bad[i] });
        assert_int_equal(btl_standalone_new(t.f, &o, &t.s, &e), BTL_ENAME);
        assert_null(t.s);
        BTL_ASSERT_CONTAINS(e.message, "cannot be the name of a C function");
    }
    text_write(&t, &(btl_standalone_options){ .name = "negative" });
    assert_string_equal(t.info->name, "negative");
    text_close(&t);
}

BTL_TEST(headers_are_read_by_c_and_cpp) {
    text t = text_open(counter, "add");
    btl_error e = { 0 };
    BTL_ASSERT_OK(btl_state_new(t.g, &t.state, &e));
    text_write(&t, &(btl_standalone_options){ .state = t.state });
    sa_write(t.info, folder);
    if (!sa_has("c++")) skip();
    btl_test_write(btl_test_path(folder, "use.cpp"), "#include \"add.h\"\n#include \"add.h\"\nint main() { return p_first.total == 100 ? 0 : 1; }\n", 86);
    static const char *const argv[] = { "c++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "use.cpp", NULL };
    btl_run run = btl_test_run(folder, NULL, argv);
    BTL_ASSERT_EXIT(&run, 0);
    btl_run_free(&run);
    text_close(&t);
}

/* ---- work memory, refusals, memory that runs out ------------------------------------------------------------- */

BTL_TEST(alignment_is_asked_for) {
    static const int good[] = { 8, 16, 64, 4096 }, bad[] = { 1, 4, 12, -64, 8192 };
    text t = text_open("input x: f32[3]\ny = sum(x)\noutput z = exp(y) + x, w = y * 2\n", NULL);
    int64_t last = 0;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        text_write(&t, &(btl_standalone_options){ .align = good[i] });
        assert_true(t.info->work_bytes >= last);
        last = t.info->work_bytes;
        btl_standalone_free(t.s);
        t.s = NULL;
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        btl_error e = { 0 };
        btl_standalone_options o = with_defaults(&(btl_standalone_options){ .align = bad[i] });
        assert_int_equal(btl_standalone_new(t.f, &o, &t.s, &e), BTL_EVALUE);
        BTL_ASSERT_CONTAINS(e.message, "a power of two from 8 to 4096");
    }
    text_close(&t);
}

static btl_status same_infer(btl_infer *x) {
    x->out[0] = x->in[0]->type;
    return BTL_OK;
}

static btl_status same_eval(btl_exec *x) {
    memcpy(x->out[0].data, x->in[0].data, (size_t)btl_operand_elems(&x->in[0]) * 4);
    return BTL_OK;
}

static const btl_op silent_op = { .name = "silent", .doc = "", .signature = "silent(x)", .version = 1, .min_in = 1, .max_in = 1, .nout = 1, .infer = same_infer, .eval = same_eval };

BTL_TEST(an_op_without_c_is_named_with_its_place) {
    text t = { 0 };
    btl_error e = { 0 };
    BTL_ASSERT_OK(btl_context_new(NULL, &t.ctx));
    BTL_ASSERT_OK(btl_graph_new(t.ctx, &t.g));
    btl_entry *entry = btl_entry_new(t.g, "main");
    btl_var *x = btl_input(t.g, "x", "f32[n]");
    btl_node *n = btl_apply(t.g, &silent_op, 1, &x, NULL);
    BTL_ASSERT_OK(btl_entry_add_input(t.g, entry, x, NULL));
    BTL_ASSERT_OK(btl_entry_add_output(t.g, entry, "y", btl_neg(t.g, n->out)));
    btl_function_options o = { .struct_size = sizeof o, .mode = "fast_run,linker=strips" };
    BTL_ASSERT_OK(btl_function_new(t.g, entry, &o, &t.f, &e));
    assert_int_equal(btl_standalone_new(t.f, NULL, &t.s, &e), BTL_EUNSUPPORTED);
    assert_null(t.s);
    BTL_ASSERT_CONTAINS(e.message, "silent: this op has no C of its own");
    BTL_ASSERT_CONTAINS(e.message, "standalone_test.c:");
    text_close(&t);
}

BTL_TEST(two_files_of_one_name_are_refused) {
    text t = text_open("shared w: f32 = 1\nfunction p_state(x: f32):\n    output y = w * x\n", "p_state");
    btl_error e = { 0 };
    BTL_ASSERT_OK(btl_state_new(t.g, &t.state, &e));
    btl_standalone_options o = with_defaults(&(btl_standalone_options){ .state = t.state });
    assert_int_equal(btl_standalone_new(t.f, &o, &t.s, &e), BTL_ENAME);
    BTL_ASSERT_CONTAINS(e.message, "p_state.c");
    text_close(&t);
}

BTL_TEST(a_state_of_another_program_is_refused) {
    text t = text_open(counter, "add"), other = text_open("shared total: f32 = 1\noutput total\n", NULL);
    btl_error e = { 0 };
    BTL_ASSERT_OK(btl_state_new(other.g, &other.state, &e));
    btl_standalone_options o = with_defaults(&(btl_standalone_options){ .state = other.state });
    assert_int_equal(btl_standalone_new(t.f, &o, &t.s, &e), BTL_EUSAGE);
    BTL_ASSERT_CONTAINS(e.message, "total");
    text_close(&other);
    text_close(&t);
}

static btl_status write_all(btl_context *ctx, void *arg) {
    btl_graph *g = NULL;
    btl_function *f = NULL;
    btl_state *state = NULL;
    btl_standalone *s = NULL;
    btl_error e = { 0 };
    btl_function_options o = { .struct_size = sizeof o, .mode = "fast_run,linker=strips" };
    const char *program = arg;
    btl_status status = btl_graph_new(ctx, &g);
    if (status == BTL_OK) status = btl_graph_parse(g, program, strlen(program), "p.bitale");
    if (status == BTL_OK) status = btl_function_new(g, btl_entry_find(g, "add"), &o, &f, &e);
    if (status == BTL_OK) status = btl_state_new(g, &state, &e);
    btl_standalone_options so = { .struct_size = sizeof so, .program = "p", .state = state, .with_main = true };
    if (status == BTL_OK) status = btl_standalone_new(f, &so, &s, &e);
    if (status == BTL_OK && btl_standalone_look(s)->nfiles != 5) status = BTL_EINTERNAL;
    btl_standalone_free(s);
    btl_state_free(state);
    btl_function_free(f);
    btl_graph_free(g);
    return status;
}

BTL_TEST(memory_that_runs_out_leaves_nothing_behind) { BTL_ASSERT_SURVIVES_ENOMEM(write_all, (void *)(uintptr_t)counter); }

/* Calls go on while it is written; and it can be written again. */
BTL_TEST(a_function_is_as_it_was_after_it_was_written) {
    text t = text_open("input x: f32[n]\noutput y = exp(x).T, s = sum(x[1:])\n", NULL);
    text_write(&t, NULL);
    btl_standalone *again = NULL;
    btl_standalone_options o = with_defaults(NULL);
    BTL_ASSERT_OK(btl_standalone_new(t.f, &o, &again, NULL));
    const btl_standalone_info *info = btl_standalone_look(again);
    for (int i = 0; i < info->nfiles; i++) assert_string_equal(info->files[i].text, t.info->files[i].text);
    btl_standalone_free(again);
    float x[] = { 0, 1, 2 }, y[3], s;
    int64_t n = 3;
    btl_array in = btl_array_wrap(BTL_F32, 1, &n, x), out[2] = { btl_array_wrap(BTL_F32, 1, &n, y), btl_array_wrap(BTL_F32, 0, NULL, &s) };
    BTL_ASSERT_OK(btl_call(t.f, NULL, &in, out, NULL, NULL));
    assert_true(y[0] == 1 && s == 3);
    text_close(&t);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, btl_test_dir_teardown)

BTL_TEST_MAIN(IN_FOLDER(sizes_come_in_the_order_of_the_arguments_and_are_checked), IN_FOLDER(a_size_that_no_argument_carries_is_asked_for),
              IN_FOLDER(fixed_sizes_need_none_and_the_work_is_a_macro), IN_FOLDER(sizes_that_no_memory_has_are_refused_before_anything_is_computed),
              IN_FOLDER(assertions_indices_and_empty_maxima_have_codes), IN_FOLDER(null_stands_for_a_default),
              IN_FOLDER(results_that_are_views_arguments_or_stand_twice_are_copied), IN_FOLDER(constants_keep_their_bits),
              IN_FOLDER(shared_variables_are_arguments_and_their_new_values_results),
              IN_FOLDER(a_state_holds_all_shared_variables_and_stays_as_it_was_where_a_call_fails),
              IN_FOLDER(a_function_that_updates_nothing_takes_a_constant_state), IN_FOLDER(names_that_c_has_already_get_others),
              IN_FOLDER(a_name_of_ones_own_must_be_one_of_c), IN_FOLDER(headers_are_read_by_c_and_cpp), IN_FOLDER(alignment_is_asked_for),
              IN_FOLDER(an_op_without_c_is_named_with_its_place), IN_FOLDER(two_files_of_one_name_are_refused), IN_FOLDER(a_state_of_another_program_is_refused),
              IN_FOLDER(memory_that_runs_out_leaves_nothing_behind), IN_FOLDER(a_function_is_as_it_was_after_it_was_written))
