/* errors_test.c - programs with mistakes in them and all that is said about them:
 * test/golden/errors/NAME.bitale and NAME.txt. BTL_BLESS=1 rewrites the latter, to be read in review.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/expr.h"

#include <stdio.h>
#include <stdlib.h>

static void assert_messages(const char *name) {
    char file[128], golden[128];
    size_t bytes;
    btl_graph *g;
    snprintf(file, sizeof file, "test/golden/errors/%s.bitale", name);
    snprintf(golden, sizeof golden, "errors/%s.txt", name);
    char *text = btl_test_read(btl_test_path(NULL, file), &bytes);
    snprintf(file, sizeof file, "%s.bitale", name);
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    assert_true(btl_graph_parse(g, text, bytes, file) != BTL_OK);
    BTL_ASSERT_GOLDEN(golden, btl_graph_messages(g));
    btl_graph_free(g);
    free(text);
}

BTL_TEST(sizes_that_do_not_fit_are_told) { assert_messages("sizes"); }
BTL_TEST(names_that_are_unknown_or_doubled_are_told) { assert_messages("names"); }
BTL_TEST(types_that_do_not_fit_are_told) { assert_messages("types"); }
BTL_TEST(what_is_no_program_is_told) { assert_messages("syntax"); }
BTL_TEST(bytes_that_are_no_text_are_told) { assert_messages("bytes"); }
BTL_TEST(wrong_functions_are_told) { assert_messages("functions"); }
BTL_TEST(the_example_with_mistakes_tells_them_all) { assert_messages("linreg"); }

BTL_TEST_MAIN(cmocka_unit_test(sizes_that_do_not_fit_are_told), cmocka_unit_test(names_that_are_unknown_or_doubled_are_told),
              cmocka_unit_test(types_that_do_not_fit_are_told), cmocka_unit_test(what_is_no_program_is_told),
              cmocka_unit_test(bytes_that_are_no_text_are_told), cmocka_unit_test(wrong_functions_are_told),
              cmocka_unit_test(the_example_with_mistakes_tells_them_all))
