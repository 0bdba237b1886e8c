/* calls_test.c - calls with whatever a host program may hand over by mistake, and functions of
 * unusual make: a hundred results, a thousand arguments, ten thousand functions, no elements.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "bitale/tools.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct program { btl_context *ctx; btl_graph *g; btl_state *state; btl_function *f; } program;

static program program_of(const char *text, const char *function) {
    program p = { 0 };
    btl_error e = { 0 };
    BTL_ASSERT_OK(btl_context_new(NULL, &p.ctx));
    BTL_ASSERT_OK(btl_graph_new(p.ctx, &p.g));
    if (btl_graph_parse(p.g, text, strlen(text), "test") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(p.g));
    if (btl_state_new(p.g, &p.state, &e) != BTL_OK) BTL_FAIL("%s", e.message);
    if (btl_function_new(p.g, btl_entry_find(p.g, function), NULL, &p.f, &e) != BTL_OK) BTL_FAIL("%s", e.message);
    return p;
}

static program program_main(const char *text) { return program_of(text, NULL); }

static void program_close(program *p) {
    btl_function_free(p->f);
    btl_state_free(p->state);
    btl_graph_free(p->g);
    btl_context_free(p->ctx);
}

/* The call fails so, and says why. */
static void refuses(const program *p, const btl_array *in, btl_array *out, const btl_call_options *o, btl_status want, const char *part) {
    btl_error e = { 0 };
    btl_status got = btl_call(p->f, p->state, in, out, o, &e);
    if (got != want) BTL_FAIL("%s instead of %s: %s", btl_status_text(got), btl_status_text(want), e.message);
    assert_int_equal(e.status, want);
    BTL_ASSERT_CONTAINS(e.message, part);
    BTL_ASSERT_STATUS(btl_call(p->f, p->state, in, out, o, NULL), want); /* nobody wants to know */
}

static void accepts(const program *p, const btl_array *in, btl_array *out) {
    btl_error e = { 0 };
    if (btl_call(p->f, p->state, in, out, NULL, &e) != BTL_OK) BTL_FAIL("%s", e.message);
}

/* ---- odd arguments ------------------------------------------------------------------------ */

BTL_TEST(a_call_refuses_what_is_no_argument) {
    program p = program_main("input x: f64[n, 2]\noutput y = x + 1\n");
    double data[6] = { 1, 2, 3, 4, 5, 6 };
    int64_t shape[3] = { 3, 2, 1 }, negative[2] = { -3, 2 }, wrong[2] = { 2, 3 }, huge[2] = { INT64_MAX, 2 };
    btl_array good = btl_array_wrap(BTL_F64, 2, shape, data), a = good, out = { 0 };
    refuses(&p, NULL, &out, NULL, BTL_EUSAGE, "no arguments");
    refuses(&p, &good, NULL, NULL, BTL_EUSAGE, "results");
    a = (btl_array){ 0 };
    refuses(&p, &a, &out, NULL, BTL_EVALUE, "missing");
    a = btl_array_wrap(BTL_F32, 2, shape, data);
    refuses(&p, &a, &out, NULL, BTL_EDTYPE, "found f32");
    a = btl_array_wrap(BTL_F64, 1, shape, data);
    refuses(&p, &a, &out, NULL, BTL_ESHAPE, "2 axes expected, found 1");
    a = btl_array_wrap(BTL_F64, 3, shape, data);
    refuses(&p, &a, &out, NULL, BTL_ESHAPE, "found 3");
    a = good, a.ndim = -1;
    refuses(&p, &a, &out, NULL, BTL_ESHAPE, "found -1");
    a = good, a.ndim = 1000;
    refuses(&p, &a, &out, NULL, BTL_ESHAPE, "found 1000");
    a = good, a.shape = NULL;
    refuses(&p, &a, &out, NULL, BTL_EUSAGE, "shape");
    a = good, a.shape = negative;
    refuses(&p, &a, &out, NULL, BTL_ESHAPE, "negative");
    a = good, a.shape = wrong;
    refuses(&p, &a, &out, NULL, BTL_ESHAPE, "axis 1 has size 3");
    a = good, a.shape = huge;
    refuses(&p, &a, &out, NULL, BTL_ESHAPE, "more");
    a = good, a.device.type = 2;
    refuses(&p, &a, &out, NULL, BTL_EVALUE, "device type 2");
    a = good, a.device.type = -2;
    refuses(&p, &a, &out, NULL, BTL_EVALUE, "device type -2");
    a = good, a.dtype.lanes = 4;
    refuses(&p, &a, &out, NULL, BTL_EDTYPE, "found");
    a = good, a.dtype.code = 200;
    refuses(&p, &a, &out, NULL, BTL_EDTYPE, "found");
    a = good, a.dtype.bits = 48;
    refuses(&p, &a, &out, NULL, BTL_EDTYPE, "found");
    a = good, a.data = NULL;
    refuses(&p, &a, &out, NULL, BTL_EVALUE, "no data");
    assert_null(out.data);
    accepts(&p, &good, &out); /* after all that */
    BTL_ASSERT_ULP(((double *)out.data)[5], 7, 0);
    btl_array_free(&out);
    program_close(&p);
}

BTL_TEST(a_call_refuses_buffers_that_do_not_fit_its_results) {
    program p = program_main("input x: f64[n]\noutput y = x + 1, late = x[: i64(sum(x))], part = x[1:]\n");
    double x[3] = { 1, 1, 0 }, y[9];
    int64_t three[2] = { 3, 3 }, two[1] = { 2 }, strides[1] = { 2 };
    btl_array in = btl_array_wrap(BTL_F64, 1, three, x);
    btl_array good = btl_array_wrap(BTL_F64, 1, three, y), out[3] = { { 0 } };
    out[0] = btl_array_wrap(BTL_F32, 1, three, y);
    refuses(&p, &in, out, NULL, BTL_EDTYPE, "result y");
    out[0] = btl_array_wrap(BTL_F64, 1, two, y);
    refuses(&p, &in, out, NULL, BTL_ESHAPE, "size 3, the buffer given for it 2");
    out[0] = btl_array_wrap(BTL_F64, 2, three, y);
    refuses(&p, &in, out, NULL, BTL_ESHAPE, "axes");
    out[0] = good, out[0].strides = strides;
    refuses(&p, &in, out, NULL, BTL_EVALUE, "row-major");
    out[0] = good, out[0].device.type = 2;
    refuses(&p, &in, out, NULL, BTL_EVALUE, "device");
    out[0] = good, out[0].shape = NULL;
    refuses(&p, &in, out, NULL, BTL_EUSAGE, "shape");
    out[0] = (btl_array){ 0 };
    out[1] = good; /* its size is known only when it was computed */
    refuses(&p, &in, out, NULL, BTL_ESHAPE, "size 2, the buffer given for it 3");
    assert_null(out[0].data);
    assert_null(out[2].data);
    out[1] = (btl_array){ 0 }, out[2] = good;
    refuses(&p, &in, out, NULL, BTL_ESHAPE, "result part");
    program_close(&p);
}

BTL_TEST(arguments_with_any_strides_offsets_and_alignment_are_read_right) {
    program p = program_main("input x: f64[n]\ninput m: f32[a, b]\noutput y = x * 2, s = sum(m, axis=1)\n");
    char memory[400];
    double want[4] = { 8, 6, 4, 2 };
    float sums[2] = { 4, 4 };
    for (int64_t shift = 0; shift < 9; shift++) {
        for (int i = 0; i < 4; i++) memcpy(memory + shift + 8 * i, &(double){ i + 1 }, 8);
        for (int i = 0; i < 2; i++) memcpy(memory + 200 + shift + 4 * i, &(float){ (float)2 * (float)i + 1 }, 4);
        int64_t n[1] = { 4 }, back[1] = { -1 }, ab[2] = { 2, 2 }, repeat[2] = { 0, 1 };
        btl_array in[2] = { btl_array_wrap(BTL_F64, 1, n, memory + shift), btl_array_wrap(BTL_F32, 2, ab, memory + 200) };
        in[0].byte_offset = 24, in[0].strides = back;
        in[1].byte_offset = (uint64_t)shift, in[1].strides = repeat;
        btl_array out[2] = { { 0 }, { 0 } };
        accepts(&p, in, out);
        BTL_ASSERT_ARRAYS_EQUAL("backwards", &out[0], BTL_TEST_ARRAY(BTL_F64, want, 4));
        BTL_ASSERT_ARRAYS_EQUAL("repeated", &out[1], BTL_TEST_ARRAY(BTL_F32, sums, 2));
        btl_array_free(&out[0]), btl_array_free(&out[1]);
    }
    program_close(&p);
}

BTL_TEST(results_are_written_where_no_alignment_helps) {
    program p = program_main("input x: f64[n]\noutput y = x * 2, s = sum(x), part = x[1:]\n");
    char memory[300];
    double x[4] = { 1, 2, 3, 4 };
    int64_t n[1] = { 4 }, three[1] = { 3 };
    for (size_t shift = 0; shift < 9; shift++) {
        memset(memory, 7, sizeof memory);
        btl_array in = btl_array_wrap(BTL_F64, 1, n, x);
        btl_array out[3] = { btl_array_wrap(BTL_F64, 1, n, memory + shift), btl_array_wrap(BTL_F64, 0, NULL, memory + 100 + shift),
                             btl_array_wrap(BTL_F64, 1, three, memory + 200) };
        out[2].byte_offset = shift;
        accepts(&p, &in, out);
        double y[4], s, part[3];
        memcpy(y, memory + shift, 32), memcpy(&s, memory + 100 + shift, 8), memcpy(part, memory + 200 + shift, 24);
        BTL_ASSERT_ULP(y[3], 8, 0);
        BTL_ASSERT_ULP(s, 10, 0);
        BTL_ASSERT_ULP(part[2], 4, 0);
        if (shift) assert_int_equal(memory[shift - 1], 7);
        assert_int_equal(memory[shift + 32], 7);
    }
    program_close(&p);
}

BTL_TEST(results_that_share_memory_never_spoil_the_state) {
    program p = program_main("shared w: f64[4] = 1\ninput x: f64[4]\noutput y = w + x, z = x * 100\nupdate w = w + x\n");
    double x[4] = { 1, 2, 3, 4 }, buffer[8];
    int64_t n[1] = { 4 };
    btl_array in = btl_array_wrap(BTL_F64, 1, n, x), w = { 0 };
    for (int shift = 0; shift < 4; shift++) {
        btl_array out[2] = { btl_array_wrap(BTL_F64, 1, n, buffer), btl_array_wrap(BTL_F64, 1, n, buffer + shift) };
        accepts(&p, &in, out);
    }
    double want[4] = { 5, 9, 13, 17 };
    BTL_ASSERT_OK(btl_state_get(p.state, "w", &w, NULL));
    BTL_ASSERT_ARRAYS_EQUAL("w", &w, BTL_TEST_ARRAY(BTL_F64, want, 4));
    btl_array_free(&w);
    program_close(&p);
}

BTL_TEST(sizes_given_by_name_hold_for_their_call_alone) {
    program p = program_main("input x: f64[min(k, 0)]\noutput y = zeros([k]), z = k\n");
    const char *names[2] = { "k", "nobody" };
    int64_t values[2] = { 3, 1 }, z, none[1] = { 0 };
    btl_array in = btl_array_wrap(BTL_F64, 1, none, NULL);
    btl_call_options o = { .nsizes = 1, .size_names = names, .size_values = values };
    btl_array out[2] = { { 0 }, btl_array_wrap(BTL_I64, 0, NULL, &z) };
    refuses(&p, &in, out, NULL, BTL_ESHAPE, "k");
    BTL_ASSERT_OK(btl_call(p.f, NULL, &in, out, &o, NULL));
    assert_int_equal(out[0].shape[0], 3);
    btl_array_free(&out[0]);
    refuses(&p, &in, out, NULL, BTL_ESHAPE, "k");
    o.nsizes = 2;
    refuses(&p, &in, out, &o, BTL_ENAME, "nobody");
    o.nsizes = 1, values[0] = -1;
    refuses(&p, &in, out, &o, BTL_ESHAPE, "negative");
    for (int bit = 47; bit < 63; bit++) {
        values[0] = (int64_t)1 << bit;
        btl_error e = { 0 };
        btl_status status = btl_call(p.f, NULL, &in, out, &o, &e);
        if (status == BTL_OK) btl_array_free(&out[0]); /* a machine that promises memory */
        else assert_true(status == BTL_ENOMEM || status == BTL_ESHAPE), assert_true(*e.message != 0);
    }
    values[0] = 2;
    BTL_ASSERT_OK(btl_call(p.f, NULL, &in, out, &o, NULL));
    assert_int_equal(z, 2);
    btl_array_free(&out[0]);
    program_close(&p);
}

BTL_TEST(sizes_whose_product_overflows_are_refused) {
    program p = program_main("input x: f64[min(a, 0), min(b, 0)]\noutput y = sum(broadcast_to(1.0, [a, b]) * exp(broadcast_to(2.0, [b, a]).T), axis=0), z = reshape(zeros([a, b]), [a * b])\n");
    const char *names[2] = { "a", "b" };
    int64_t none[2] = { 0, 0 };
    btl_array in = btl_array_wrap(BTL_F64, 2, none, NULL);
    static const int64_t pairs[][2] = { { (int64_t)1 << 40, (int64_t)1 << 40 }, { INT64_MAX, INT64_MAX }, { (int64_t)1 << 62, 4 },
                                        { (int64_t)1 << 60, 1 }, { 3, INT64_MAX }, { (int64_t)1 << 31, (int64_t)1 << 29 } };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        btl_call_options o = { .nsizes = 2, .size_names = names, .size_values = pairs[i] };
        btl_array out[2] = { { 0 }, { 0 } };
        btl_error e = { 0 };
        btl_status status = btl_call(p.f, NULL, &in, out, &o, &e);
        assert_true(status == BTL_ESHAPE || status == BTL_ENOMEM);
        assert_true(*e.message != 0);
        assert_null(out[0].data);
        assert_null(out[1].data);
    }
    program_close(&p);
}

/* A new value whose size only a call can tell must not be written beside its variable. */
BTL_TEST(an_update_of_another_size_is_refused_at_the_call) {
    program p = program_main("shared w: f64[3] = 1\ninput x: f64[n]\noutput y = sum(x)\nupdate w = x * 2\n");
    double x[5] = { 1, 2, 3, 4, 5 }, y;
    btl_array out = btl_array_wrap(BTL_F64, 0, NULL, &y), w = { 0 };
    for (int64_t n = 0; n <= 5; n++) {
        btl_array in = btl_array_wrap(BTL_F64, 1, &n, x);
        if (n == 3) accepts(&p, &in, &out);
        else refuses(&p, &in, &out, NULL, BTL_ESHAPE, "3");
    }
    double want[3] = { 2, 4, 6 };
    BTL_ASSERT_OK(btl_state_get(p.state, "w", &w, NULL));
    BTL_ASSERT_ARRAYS_EQUAL("w", &w, BTL_TEST_ARRAY(BTL_F64, want, 3));
    btl_array_free(&w);
    program_close(&p);
}

BTL_TEST(an_update_of_a_size_found_at_run_time_is_refused_too) {
    program p = program_main("shared w: f64[3] = 1\ninput x: f64[n]\ninput k: i64\noutput y = sum(x)\nupdate w = x[:k] * 2\n");
    double x[5] = { 1, 2, 3, 4, 5 }, y;
    int64_t n = 5;
    btl_array out = btl_array_wrap(BTL_F64, 0, NULL, &y), w = { 0 };
    for (int64_t k = -6; k <= 6; k++) {
        btl_array in[2] = { btl_array_wrap(BTL_F64, 1, &n, x), btl_array_wrap(BTL_I64, 0, NULL, &k) };
        if (k == 3 || k == -2) accepts(&p, in, &out);
        else refuses(&p, in, &out, NULL, BTL_ESHAPE, "3");
    }
    double want[3] = { 2, 4, 6 };
    BTL_ASSERT_OK(btl_state_get(p.state, "w", &w, NULL));
    BTL_ASSERT_ARRAYS_EQUAL("w", &w, BTL_TEST_ARRAY(BTL_F64, want, 3));
    btl_array_free(&w);
    program_close(&p);
}

/* ---- functions of unusual make ------------------------------------------------------------ */

BTL_TEST(a_hundred_results_come_in_any_selection) {
    enum { N = 100 };
    char text[8000] = "input x: f64\n", *at = text + strlen(text);
    for (int i = 0; i < N; i++) at += sprintf(at, "output r%d = %s\n", i, i % 7 == 3 ? "x" : i % 7 == 5 ? "sqrt(x)" : "x + 1");
    /* names stand once: the same variable is several results */
    program p = program_main(text);
    assert_int_equal(btl_function_noutputs(p.f), N);
    double x = 4, y[N];
    btl_array in = btl_array_wrap(BTL_F64, 0, NULL, &x), out[N];
    for (int round = 0; round < 4; round++) {
        bool wanted[N];
        for (int i = 0; i < N; i++) {
            y[i] = -1;
            wanted[i] = round == 0 || (round == 1 && i % 2) || (round == 2 && i == 99) || (round == 3 && i == 61);
            out[i] = i % 3 ? btl_array_wrap(BTL_F64, 0, NULL, &y[i]) : (btl_array){ 0 };
        }
        btl_call_options o = { .wanted = wanted };
        BTL_ASSERT_OK(btl_call(p.f, NULL, &in, out, &o, NULL));
        for (int i = 0; i < N; i++) {
            double want = i % 7 == 3 ? 4 : i % 7 == 5 ? 2 : 5;
            if (wanted[i]) BTL_ASSERT_ULP(*(double *)out[i].data, want, 0);
            else if (i % 3) BTL_ASSERT_ULP(y[i], -1, 0);
            else assert_null(out[i].data);
            if (i % 3 == 0) btl_array_free(&out[i]);
        }
    }
    program_close(&p);
}

BTL_TEST(a_thousand_arguments_are_read) {
    enum { N = 1000 };
    char *text = malloc(N * 60), *at = text;
    for (int i = 0; i < N; i++) at += sprintf(at, "input a%d: f64[n]\n", i);
    at += sprintf(at, "s = a0");
    for (int i = 1; i < N; i++) at += sprintf(at, " + a%d", i);
    sprintf(at, "\noutput s\n");
    program p = program_main(text);
    double *data = malloc(N * 2 * sizeof *data), s[2];
    int64_t two[1] = { 2 };
    btl_array *in = calloc(N, sizeof *in), out = btl_array_wrap(BTL_F64, 1, two, s);
    for (int i = 0; i < N; i++) {
        data[2 * i] = i, data[2 * i + 1] = -i;
        in[i] = btl_array_wrap(BTL_F64, 1, two, data + 2 * i);
    }
    accepts(&p, in, &out);
    BTL_ASSERT_ULP(s[0], N * (N - 1) / 2, 0);
    BTL_ASSERT_ULP(s[1], -N * (N - 1) / 2, 0);
    program_close(&p);
    free(data), free(in), free(text);
}

BTL_TEST(ten_thousand_functions_and_shared_variables_in_one_program) {
    enum { N = 10000 };
    char *text = malloc(N * 200), *at = text;
    for (int i = 0; i < N; i++) at += sprintf(at, "shared s%d: f64 = %d\n", i, i);
    for (int i = 0; i < N; i++) at += sprintf(at, "function f%d(x: f64):\n    update s%d = s%d + x\n    output s%d * 2\n", i, i, i, (i + 1) % N);
    program p = program_of(text, "f9999");
    assert_int_equal(btl_graph_nentries(p.g), N);
    for (int i = 0; i < N; i += 1111) {
        char name[20];
        snprintf(name, sizeof name, "f%d", i);
        btl_function *f = NULL;
        BTL_ASSERT_OK(btl_function_new(p.g, btl_entry_find(p.g, name), NULL, &f, NULL));
        double x = 0.5, y;
        btl_array in = btl_array_wrap(BTL_F64, 0, NULL, &x), out = btl_array_wrap(BTL_F64, 0, NULL, &y);
        BTL_ASSERT_OK(btl_call(f, p.state, &in, &out, NULL, NULL));
        BTL_ASSERT_ULP(y, 2.0 * ((i + 1) % N) + (i == N - 1), 0); /* f0 has added to s0 */
        btl_function_free(f);
    }
    assert_non_null(btl_graph_print(p.g));
    program_close(&p);
    free(text);
}

BTL_TEST(results_may_be_arguments_shared_variables_constants_and_the_same_thing_twice) {
    program p = program_main("shared w: f64[2] = [1, 2]\ninput x: f64[2]\nc = f64([7, 8])\noutput a = x, b = x, c, d = w, e = w[::-1], f = x + w, g = x[1], h = x.T\nupdate w = w[::-1]\n");
    double x[2] = { 3, 4 };
    int64_t two[1] = { 2 };
    static const double want[][2] = { { 3, 4 }, { 3, 4 }, { 7, 8 }, { 1, 2 }, { 2, 1 }, { 4, 6 }, { 4, 0 }, { 3, 4 } };
    btl_array in = btl_array_wrap(BTL_F64, 1, two, x), out[8] = { { 0 } };
    accepts(&p, &in, out);
    for (int i = 0; i < 8; i++) {
        BTL_ASSERT_ULP(((double *)out[i].data)[0], want[i][0], 0);
        if (i != 6) BTL_ASSERT_ULP(((double *)out[i].data)[1], want[i][1], 0);
        for (int k = 0; k < i; k++) assert_ptr_not_equal(out[i].data, out[k].data);
    }
    for (int i = 0; i < 8; i++) btl_array_free(&out[i]);
    accepts(&p, &in, out);
    BTL_ASSERT_ULP(((double *)out[3].data)[0], 2, 0); /* w was turned around */
    for (int i = 0; i < 8; i++) btl_array_free(&out[i]);
    program_close(&p);
}

BTL_TEST(updates_do_not_depend_on_their_order) {
    static const char *const texts[] = {
        "shared a: f64[2] = [1, 2]\nshared b: f64[2] = [3, 4]\nshared c: f64[2] = [5, 6]\nupdate a = b\nupdate b = c[::-1]\nupdate c = a\noutput s = sum(a)\n",
        "shared a: f64[2] = [1, 2]\nshared b: f64[2] = [3, 4]\nshared c: f64[2] = [5, 6]\nupdate c = a\nupdate b = c[::-1]\noutput s = sum(a)\nupdate a = b\n",
        "shared a: f64[2] = [1, 2]\nshared b: f64[2] = [3, 4]\nshared c: f64[2] = [5, 6]\nupdate b = c[::-1]\nupdate a = b\nupdate c = a\noutput s = sum(a)\n",
    };
    static const double want[3][2] = { { 3, 4 }, { 6, 5 }, { 1, 2 } };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        program p = program_main(texts[i]);
        double s;
        btl_array out = btl_array_wrap(BTL_F64, 0, NULL, &s);
        accepts(&p, NULL, &out);
        BTL_ASSERT_ULP(s, 3, 0);
        for (int k = 0; k < 3; k++) {
            btl_array v = { 0 };
            BTL_ASSERT_OK(btl_state_get(p.state, (const char *[]){ "a", "b", "c" }[k], &v, NULL));
            BTL_ASSERT_ARRAYS_EQUAL("updated", &v, BTL_TEST_ARRAY(BTL_F64, want[k], 2));
            btl_array_free(&v);
        }
        program_close(&p);
    }
}

BTL_TEST(every_assertion_is_checked_and_a_failed_one_changes_nothing) {
    program p = program_main("shared w: f64 = 1\ninput x: f64\nassert x > 0, \"positive\"\nassert x < 10, \"small\"\nassert w < 3, \"\"\nupdate w = w + 1\noutput y = x\n");
    double x = -1, y = 77;
    btl_array in = btl_array_wrap(BTL_F64, 0, NULL, &x), out = btl_array_wrap(BTL_F64, 0, NULL, &y);
    refuses(&p, &in, &out, NULL, BTL_EASSERT, "positive");
    x = NAN;
    refuses(&p, &in, &out, NULL, BTL_EASSERT, "positive");
    x = 11;
    refuses(&p, &in, &out, NULL, BTL_EASSERT, "small");
    bool wanted[1] = { false };
    btl_call_options o = { .wanted = wanted };
    refuses(&p, &in, &out, &o, BTL_EASSERT, "small");
    x = 5;
    accepts(&p, &in, &out);
    accepts(&p, &in, &out);
    refuses(&p, &in, &out, NULL, BTL_EASSERT, "assert");
    program_close(&p);
}

BTL_TEST(givens_of_other_types_are_refused) {
    program p = program_main("input x: f64[n]\ninput m: f64[2, 3]\noutput y = x * 2, s = sum(m)\n");
    btl_var *x = btl_entry_find_var(p.g, btl_entry_find(p.g, NULL), "x"), *m = btl_entry_find_var(p.g, btl_entry_find(p.g, NULL), "m");
    btl_var *bad[] = { btl_expr(p.g, "f32(x)", "x", x, NULL), btl_expr(p.g, "sum(x)", "x", x, NULL), btl_expr(p.g, "m.T", "m", m, NULL), NULL };
    btl_var *of[] = { x, x, m, x };
    for (int i = 0; i < 4; i++) {
        btl_function_options o = { .ngivens = 1, .given_vars = &of[i], .given_values = &bad[i] };
        btl_function *f = NULL;
        btl_error e = { 0 };
        btl_status status = btl_function_new(p.g, btl_entry_find(p.g, NULL), &o, &f, &e);
        assert_true(status == BTL_EDTYPE || status == BTL_ESHAPE || status == BTL_EUSAGE);
        assert_true(*e.message != 0);
        assert_null(f);
    }
    btl_function *f = NULL; /* and the program is as good as before */
    BTL_ASSERT_OK(btl_function_new(p.g, btl_entry_find(p.g, NULL), NULL, &f, NULL));
    btl_function_free(f);
    program_close(&p);
}

BTL_TEST(nothing_given_to_the_other_entries_is_no_crash) {
    program p = program_main("shared w: f64 = 1\noutput y = w\n");
    btl_function *f = NULL;
    btl_graph *printed = NULL;
    btl_error e = { 0 };
    double y;
    btl_array out = btl_array_wrap(BTL_F64, 0, NULL, &y);
    BTL_ASSERT_STATUS(btl_function_new(p.g, NULL, NULL, &f, &e), BTL_EUSAGE);
    e = (btl_error){ 0 };
    BTL_ASSERT_STATUS(btl_pipeline_print(p.g, btl_entry_find(p.g, NULL), NULL, "nonsense", &printed, &e), BTL_EUSAGE);
    BTL_ASSERT_STATUS(btl_pipeline_print(p.g, NULL, NULL, NULL, &printed, NULL), BTL_EUSAGE);
    btl_function_options o = { .mode = "slow" };
    BTL_ASSERT_STATUS(btl_function_new(p.g, btl_entry_find(p.g, NULL), &o, &f, NULL), BTL_EUSAGE);
    o = (btl_function_options){ .without = "no_such_rule" };
    BTL_ASSERT_STATUS(btl_function_new(p.g, btl_entry_find(p.g, NULL), &o, &f, NULL), BTL_EUSAGE);
    BTL_ASSERT_STATUS(btl_call(p.f, NULL, NULL, &out, NULL, NULL), BTL_EUSAGE);
    BTL_ASSERT_STATUS(btl_call(NULL, NULL, NULL, &out, NULL, NULL), BTL_EUSAGE);
    program other = program_main("shared other: f64 = 1\nshared w: f32 = 1\noutput y = w\n");
    e = (btl_error){ 0 };
    BTL_ASSERT_STATUS(btl_call(p.f, other.state, NULL, &out, NULL, &e), BTL_EDTYPE);
    BTL_ASSERT_CONTAINS(e.message, "w");
    program third = program_main("shared other: f64 = 1\noutput y = other\n");
    BTL_ASSERT_STATUS(btl_call(p.f, third.state, NULL, &out, NULL, NULL), BTL_ENAME);
    BTL_ASSERT_OK(btl_call(p.f, p.state, NULL, &out, NULL, NULL));
    btl_graph_free(NULL), btl_function_free(NULL), btl_state_free(NULL), btl_array_free(NULL), btl_context_free(NULL);
    program_close(&p), program_close(&other), program_close(&third);
}

BTL_TEST(constants_from_nowhere_are_refused) {
    program p = program_main("output y = 1.0\n");
    int64_t shape[17] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, negative[1] = { -1 }, huge[2] = { INT64_MAX, 2 };
    double one = 1;
    btl_array good = btl_array_wrap(BTL_F64, 16, shape, &one), bad[6];
    for (int i = 0; i < 6; i++) bad[i] = good;
    bad[0].ndim = 17;
    bad[1].ndim = 1, bad[1].shape = negative;
    bad[2].ndim = 2, bad[2].shape = huge;
    bad[3].data = NULL;
    bad[4].ndim = -1;
    bad[5].dtype.bits = 7;
    assert_non_null(btl_constant(p.g, &good));
    for (int i = 0; i < 6; i++) {
        btl_graph *g = NULL;
        BTL_ASSERT_OK(btl_graph_new(p.ctx, &g));
        assert_null(btl_constant(g, &bad[i]));
        assert_non_null(btl_graph_error(g));
        btl_graph_free(g);
    }
    program_close(&p);
}

BTL_TEST_MAIN(cmocka_unit_test(a_call_refuses_what_is_no_argument),
              cmocka_unit_test(a_call_refuses_buffers_that_do_not_fit_its_results),
              cmocka_unit_test(arguments_with_any_strides_offsets_and_alignment_are_read_right),
              cmocka_unit_test(results_are_written_where_no_alignment_helps),
              cmocka_unit_test(results_that_share_memory_never_spoil_the_state),
              cmocka_unit_test(sizes_given_by_name_hold_for_their_call_alone),
              cmocka_unit_test(sizes_whose_product_overflows_are_refused),
              cmocka_unit_test(an_update_of_another_size_is_refused_at_the_call),
              cmocka_unit_test(an_update_of_a_size_found_at_run_time_is_refused_too),
              cmocka_unit_test(a_hundred_results_come_in_any_selection),
              cmocka_unit_test(a_thousand_arguments_are_read),
              cmocka_unit_test(ten_thousand_functions_and_shared_variables_in_one_program),
              cmocka_unit_test(results_may_be_arguments_shared_variables_constants_and_the_same_thing_twice),
              cmocka_unit_test(updates_do_not_depend_on_their_order),
              cmocka_unit_test(every_assertion_is_checked_and_a_failed_one_changes_nothing),
              cmocka_unit_test(givens_of_other_types_are_refused),
              cmocka_unit_test(nothing_given_to_the_other_entries_is_no_crash),
              cmocka_unit_test(constants_from_nowhere_are_refused))
