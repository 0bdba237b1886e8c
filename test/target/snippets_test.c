/* snippets_test.c - only what is needed is pasted, each section once, definitions before uses.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"
#include "target/snippets.h"

#include <string.h>

static const char text[] = "/* about the file; no section */\n"
                           "/*@ btl_a : */\nA\n"
                           "/*@ btl_ab : */\nAB\n"
                           "/*@ btl_b : needs btl_a */\nB1\nB2\n"
                           "/*@ btl_c : needs btl_b btl_a */\nC\n";

typedef struct paste {
    btl_arena arena;
    const char *text, *code;
    char result[20000];
} paste;

static btl_status run_paste(void *arg) {
    paste *p = arg;
    btl_snippets s = { 0 };
    btl_text out;
    btl_text_init(&out, &p->arena);
    btl_snippets_add(&s, &p->arena, "not of any section\n/*@ btl_z : */\nZ\n");
    btl_snippets_add(&s, &p->arena, p->text);
    btl_snippets_use(&s, p->code, strlen(p->code));
    btl_snippets_print(&s, &out);
    strncat(p->result, out.length ? out.data : "", sizeof p->result - 1);
    return BTL_OK;
}

static paste *pasted(const char *from, const char *code) {
    static paste p;
    memset(&p, 0, sizeof p);
    p.text = from;
    p.code = code;
    btl_arena_init(&p.arena, NULL);
    BTL_ASSERT_OK(btl_arena_protect(&p.arena, run_paste, &p));
    btl_arena_deinit(&p.arena);
    return &p;
}

BTL_TEST(only_what_is_needed_is_pasted_in_the_order_of_the_text) {
    assert_string_equal(pasted(text, "x + 1")->result, "");
    assert_string_equal(pasted(text, "btl_ab(x)")->result, "AB\n");
    assert_string_equal(pasted(text, "my_btl_a(x)")->result, "");
    assert_string_equal(pasted(text, "btl_c(btl_ab(x))")->result, "A\nAB\nB1\nB2\nC\n");
}

BTL_TEST(a_function_of_vecmath_brings_its_helpers) {
    const char *result = pasted(btl_vecmath_text, "btl_expf($0)")->result;
    BTL_ASSERT_CONTAINS(result, "btl_expf(float x)");
    BTL_ASSERT_CONTAINS(result, "btl_bits32(float x)");
    assert_null(strstr(result, "btl_tanhf"));
}

static btl_status run_two(void *arg) {
    paste *p = arg;
    btl_snippets s = { 0 };
    btl_text out;
    btl_text_init(&out, &p->arena);
    btl_snippets_add(&s, &p->arena, "/*@ btl_a : */\nA\n");
    btl_snippets_add(&s, &p->arena, p->text); /* begins with words about the file */
    btl_snippets_use(&s, p->code, strlen(p->code));
    btl_snippets_print(&s, &out);
    strncat(p->result, out.length ? out.data : "", sizeof p->result - 1);
    return BTL_OK;
}

BTL_TEST(what_a_text_begins_with_is_not_the_end_of_the_text_before) {
    static paste p;
    p.text = "/* about the file */\n/*@ btl_z : needs btl_a */\nZ\n", p.code = "btl_z()";
    btl_arena_init(&p.arena, NULL);
    BTL_ASSERT_OK(btl_arena_protect(&p.arena, run_two, &p));
    assert_string_equal(p.result, "A\nZ\n");
    btl_arena_deinit(&p.arena);
}

BTL_TEST_MAIN(cmocka_unit_test(what_a_text_begins_with_is_not_the_end_of_the_text_before),
              cmocka_unit_test(only_what_is_needed_is_pasted_in_the_order_of_the_text),
              cmocka_unit_test(a_function_of_vecmath_brings_its_helpers))
