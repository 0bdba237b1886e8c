/* bugs_test.c - the programs of test/golden/bugs, each of which once gave a wrong result.
 *
 * A program has one function whose arguments all have defaults. Its outputs come in pairs, NAME and
 * NAME_wanted, which must be equal bit for bit, computed by the reference and compiled in each mode.
 * A line "# error: TEXT" says instead that it must fail with a message that contains TEXT.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sweep.h"

#include <dirent.h>

enum { MOST_OUTPUTS = 32 };

static void compare_pairs(const char *file, const char *how, const btl_entry *e, const btl_array *got) {
    char why[300], wanted[100];
    sweep_tolerance exact = { 0 };
    for (int i = 0; i < e->noutputs; i++) {
        snprintf(wanted, sizeof wanted, "%s_wanted", e->outputs[i].name);
        for (int k = 0; k < e->noutputs; k++)
            if (strcmp(e->outputs[k].name, wanted) == 0 && !sweep_agree(&got[i], &got[k], &exact, why, sizeof why))
                BTL_FAIL("%s, %s: %s: %s", file, how, e->outputs[i].name, why);
    }
}

static btl_status run_reference(btl_graph *g, btl_entry *e, btl_array *got, btl_error *err) {
    btl_var *inputs[16], *outputs[MOST_OUTPUTS];
    btl_array given[16] = { { 0 } };
    btl_status status = BTL_OK;
    assert_true(e->ninputs <= 16 && e->noutputs <= MOST_OUTPUTS);
    for (int i = 0; i < e->ninputs && status == BTL_OK; i++) {
        inputs[i] = e->inputs[i].var;
        btl_array value = { 0 };
        status = btl_graph_eval(g, 0, NULL, NULL, NULL, 1, &e->inputs[i].value, &value, err);
        if (status != BTL_OK) break;
        BTL_ASSERT_OK(btl_array_new(NULL, inputs[i]->type.dtype, value.ndim, value.shape, &given[i]));
        BTL_ASSERT_OK(btl_array_convert(&given[i], &value));
        btl_array_free(&value);
    }
    for (int i = 0; i < e->noutputs; i++) outputs[i] = e->outputs[i].var;
    if (status == BTL_OK) status = btl_graph_eval(g, e->ninputs, inputs, given, NULL, e->noutputs, outputs, got, err);
    for (int i = 0; i < e->ninputs; i++) btl_array_free(&given[i]);
    return status;
}

static btl_status run_compiled(btl_graph *g, btl_entry *e, const char *mode, btl_array *got, btl_error *err) {
    btl_function_options o = { .struct_size = sizeof o, .mode = mode };
    btl_function *f = NULL;
    btl_array none[16] = { { 0 } };
    btl_status status = btl_function_new(g, e, &o, &f, err);
    if (status == BTL_OK) status = btl_call(f, NULL, none, got, NULL, err);
    btl_function_free(f);
    return status;
}

static void expect(const char *file, const char *how, const char *wanted, btl_status status, const char *message) {
    if (!wanted && status != BTL_OK) BTL_FAIL("%s, %s: %s", file, how, message);
    if (!wanted) return;
    if (status == BTL_OK) BTL_FAIL("%s, %s: no error; \"%s\" was expected", file, how, wanted);
    BTL_ASSERT_CONTAINS(message, wanted);
}

static void run_file(const char *file) {
    static const char *const ways[] = { "reference", "fast_run", "fast_compile" };
    char *text = btl_test_read(file, NULL), *wanted = strstr(text, "# error: "), line[200] = "";
    if (wanted) snprintf(line, sizeof line, "%.*s", (int)strcspn(wanted + 9, "\n"), wanted + 9);
    btl_graph *g;
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    btl_status status = btl_graph_parse(g, text, strlen(text), file);
    if (status != BTL_OK) {
        expect(file, "parsed", wanted ? line : NULL, status, btl_graph_messages(g));
    } else {
        btl_entry *e = btl_entry_find(g, NULL);
        for (int way = 0; way < 3; way++) {
            btl_array got[MOST_OUTPUTS] = { { 0 } };
            btl_error err = { 0 };
            assert_non_null(e);
            status = way ? run_compiled(g, e, ways[way], got, &err) : run_reference(g, e, got, &err);
            expect(file, ways[way], wanted ? line : NULL, status, err.message);
            if (status == BTL_OK) compare_pairs(file, ways[way], e, got);
            for (int i = 0; i < e->noutputs; i++) btl_array_free(&got[i]);
        }
    }
    btl_graph_free(g);
    free(text);
}

BTL_TEST(programs_that_once_went_wrong_are_right) {
    char folder[600];
    snprintf(folder, sizeof folder, "%s", btl_test_path(NULL, "test/golden/bugs"));
    DIR *d = opendir(folder);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d)); ) {
        size_t length = strlen(f->d_name);
        if (length < 8 || strcmp(f->d_name + length - 7, ".bitale") != 0) continue;
        char path[900];
        snprintf(path, sizeof path, "%s/%s", folder, f->d_name);
        run_file(path);
        n++;
    }
    closedir(d);
    assert_true(n > 0);
}

BTL_TEST_MAIN(cmocka_unit_test(programs_that_once_went_wrong_are_right))
