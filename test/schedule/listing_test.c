/* listing_test.c - programs in the schedule stage: Theano's scenarios as text, what a refused `into` says, and clauses that say nothing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- from a formula to text ------------------------------------------------------------------- */

/* "D(P(x,y),T(x))" as lines: T views its operand, P writes over the first, M makes two results (over which operands, its letter says: M neither, X the first, Y
 * the second, B both), all others make a new value. x, y, z may be written over, k not; c is a constant. */
typedef struct speller { char text[6000]; size_t at; int n; const char *p; } speller;

#define SPELL(s, ...) ((s)->at += (size_t)snprintf((s)->text + (s)->at, sizeof (s)->text - (s)->at, __VA_ARGS__))

static void spell_term(speller *s, char *name) {
    char op = *s->p++, in[3][8] = { "" }, list[40] = "", mine[8], function[2] = { op, 0 };
    int nin = 0;
    if (*s->p != '(') {
        snprintf(name, 8, "%c%s", op, op == 'c' ? "1" : "");
        return;
    }
    for (s->p++; s->p[-1] != ')'; s->p++) { /* over ',' or ')' */
        spell_term(s, in[nin]);
        strcat(list, ", "), strcat(list, in[nin++]);
    }
    snprintf(mine, sizeof mine, "v%d", s->n++);
    bool two = strchr("MXYB", op) != NULL;
    SPELL(s, "%s: u8[4]", mine);
    if (two) SPELL(s, ", %sb: u8[4]", mine);
    SPELL(s, " = opaque(\"%s\"%s)", function, list);
    if (op == 'T') SPELL(s, " view %s", in[0]);
    if (op == 'P' || op == 'X') SPELL(s, " into %s", in[0]);
    if (op == 'Y') SPELL(s, " into _, %s", in[1]);
    if (op == 'B') SPELL(s, " into %s, %s", in[0], in[1]);
    SPELL(s, "\n");
    strcpy(name, mine);
}

/* Formulas apart by spaces; "name=" before one binds it for those behind. */
static const char *spell_all(speller *s, const char *formulas) {
    char outputs[200] = "";
    *s = (speller){ .p = formulas };
    SPELL(s, "stage schedule\ninput x: u8[4] mutable\ninput y: u8[4] mutable\ninput z: u8[4] mutable\ninput k: u8[4]\nconst c1: u8[4] = [1, 2, 3, 4]\n");
    for (; *s->p; s->p += *s->p == ' ') {
        char name[8];
        spell_term(s, name);
        strcat(outputs, *outputs ? ", " : ""), strcat(outputs, name);
    }
    SPELL(s, "output %s\n", outputs);
    return s->text;
}

static btl_status check_text(const char *text, btl_error *err) {
    btl_graph *g;
    *err = (btl_error){ 0 };
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    if (btl_graph_parse(g, text, strlen(text), "text") != BTL_OK) BTL_FAIL("%s\n%s", btl_graph_messages(g), text);
    btl_status status = btl_entry_check_memory(g, btl_entry_find(g, NULL), err);
    btl_graph_free(g);
    return status;
}

static const struct { int number; const char *formulas; bool fits; const char *says; } scenarios[] = {
    { 1, "D(P(x,y),T(x))", false, "x is read by" }, { 2, "T(T(T(T(x))))", true, "" }, { 3, "P(x,x)", false, "itself reads x as another operand" },
    { 4, "P(x,T(x))", false, "itself reads v0, which lies in the memory of x as another operand" }, { 4, "P(x,S(x))", true, "" }, { 4, "P(x,T(T(x)))", false, "itself reads" },
    { 7, "P(k,y)", false, "k must not be written over" }, { 7, "P(T(k),y)", false, "k must not be written over" }, { 7, "P(S(k),y)", true, "" },
    { 8, "D(P(x,y),T(T(T(S(x)))))", true, "" }, { 8, "D(P(x,y),T(T(T(x))))", false, "which can only run behind" },
    { 9, "P(x,y) A(y,x)", true, "" }, { 9, "A(x,y) P(y,x)", true, "" }, { 9, "P(x,y) P(y,x)", false, "which can only run behind" },
    { 10, "D(D(P(x,y),P(y,z)),P(z,x))", false, "which can only run behind" }, { 10, "D(D(P(x,y),P(y,z)),A(z,x))", true, "" }, { 11, "A(P(x,y),P(x,y))", false, "writes over x already" },
    { 12, "D(P(T(z),y),A(z,x))", true, "" }, { 12, "D(A(T(z),y),P(z,x))", true, "" }, { 12, "D(P(T(z),y),P(z,x))", false, "already" },
    { 13, "P(T(T(T(x))),y) P(T(T(x)),z)", false, "already" }, { 13, "P(T(T(T(x))),y) P(T(T(T(x))),z)", false, "already" },
    { 14, "D(P(x,z),x)", false, "x is read by" }, { 14, "D(A(x,z),x)", true, "" }, { 15, "D(S(P(x,y)),T(x))", false, "which can only run behind" }, { 15, "D(S(A(x,y)),T(x))", true, "" },
    { 16, "D(S(P(x,y)),A(T(x),y))", true, "" }, { 17, "D(P(x,A(y,z)),S(S(S(S(S(x))))))", true, "" }, { 17, "D(P(x,A(y,z)),T(T(T(T(T(x))))))", false, "which can only run behind" },
    { 17, "D(P(x,A(y,z)),T(T(S(T(T(x))))))", true, "" }, { 18, "P(x,S(y))", true, "" }, { 18, "P(x,c)", true, "" }, { 18, "P(x,T(c))", true, "" }, { 18, "P(T(c),x)", false, "must not be written over" },
    { 19, "D(B(x,y),x) D(y,y)", false, "which can only run behind" }, { 19, "D(X(x,y),x) D(y,y)", false, "which can only run behind" }, { 19, "D(Y(x,y),x) D(y,y)", true, "" },
    { 20, "P(x,T(x)) A(x,y)", false, "itself reads" },
    { 0, "P(S(x),y) T(S(x))", true, "" }, { 0, "P(P(P(S(x),y),y),z)", true, "" },
};

BTL_TEST(theanos_scenarios_have_their_verdicts) {
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        speller s;
        btl_error err;
        const char *text = spell_all(&s, scenarios[i].formulas);
        btl_status status = check_text(text, &err);
        if ((status == BTL_OK) != scenarios[i].fits) BTL_FAIL("scenario %d, %s: %s\n%s", scenarios[i].number, scenarios[i].formulas, status == BTL_OK ? "was accepted" : err.message, text);
        if (status != BTL_OK) assert_int_equal(status, BTL_EVALUE);
        if (status != BTL_OK) BTL_ASSERT_CONTAINS(err.message, scenarios[i].says);
    }
}

/* Two pieces of one value, from a row on: apart, or with a row in common. */
BTL_TEST(pieces_are_written_over_apart) {
    char text[600];
    btl_error err = { 0 };
    for (int from = 7; from <= 8; from++) {
        snprintf(text, sizeof text, "stage schedule\ninput x: f64[16, 16]\na: f64[16, 16] = matmul(x, x)\nu: f64[8, 16] = subtensor(a, :8, :) view a\nv: f64[%d, 16] = subtensor(a, %d:, :) view a\n"
                                    "p: f64[8, 16] = opaque(\"p\", u) into u\nq: f64[%d, 16] = opaque(\"q\", v) into v\nr: f64[2] = opaque(\"r\", p, q)\noutput r\n", 16 - from, from, 16 - from);
        BTL_ASSERT_STATUS(check_text(text, &err), from == 8 ? BTL_OK : BTL_EVALUE);
    }
    snprintf(text, sizeof text, "stage schedule\ninput x: f64[16, 16]\na: f64[16, 16] = matmul(x, x)\nu: f64[8, 16] = subtensor(a, :8, :) view a\nv: f64[9, 16] = subtensor(a, 7:, :) view a\n"
                                "p: f64[8, 16] = opaque(\"p\", u) into u\nq: f64[9, 16] = opaque(\"q\", v) into v\noutput p, q\n");
    BTL_ASSERT_STATUS(check_text(text, &err), BTL_EVALUE);
    BTL_ASSERT_CONTAINS(err.message, "q into v: p (line 6) writes over u, which lies in the memory of v already");
}

BTL_TEST(a_refused_into_names_readers_lines_and_the_way_round) {
    btl_error err;
    BTL_ASSERT_STATUS(check_text("stage schedule\n"
                                 "input x: u8[4] mutable\n"
                                 "p: u8[4] = opaque(\"P\", x) into x\n"
                                 "s: u8[4] = opaque(\"S\", p)\n"
                                 "t: u8[2] = opaque(\"T\", x) view x\n"
                                 "d: u8[4] = opaque(\"D\", s, t)\n"
                                 "output d\n", &err), BTL_EVALUE);
    BTL_ASSERT_CONTAINS(err.message, "text:3:");
    BTL_ASSERT_CONTAINS(err.message, "p into x: t, which lies in the memory of x is read by d (line 6), which can only run behind p (line 3), which writes over it: p → s → d → p");
    BTL_ASSERT_CONTAINS(err.message, "    3 | p: u8[4] = opaque");
    BTL_ASSERT_STATUS(check_text("stage schedule\ninput x: u8[4]\na: u8[4] = opaque(\"a\", x)\nb: u8[4] = opaque(\"b\", a) into a\noutput b, a\n", &err), BTL_EVALUE);
    BTL_ASSERT_CONTAINS(err.message, "b into a: a is still read at the end");
    BTL_ASSERT_STATUS(check_text("stage schedule\nshared w: u8[4] = 0\ninput x: u8[4]\nb: u8[4] = opaque(\"b\", w, x) into w\noutput c = x\n", &err), BTL_EVALUE);
    BTL_ASSERT_CONTAINS(err.message, "w must not be written over: it is an argument or a constant, or a state that is not updated here");
    BTL_ASSERT_OK(check_text("stage schedule\nshared w: u8[4] = 0\ninput x: u8[4]\nb: u8[4] = opaque(\"b\", w, x) into w\nupdate w = b\n", &err));
    BTL_ASSERT_OK(check_text("bitale 1\nstage schedule\ninput x: f32[4, 4] mutable\ny: f32[4, 4] = exp(x) into x\nv: f32[4] = subtensor(y, 1) view y\nz: f32[4] = sin(v)\noutput z\n", &err));
}

/* ---- mistakes --------------------------------------------------------------------------------- */

static const struct { const char *line, *says; } mistakes[] = {
    { "b: u8[4] = opaque(\"b\", x) into nothing", "nothing" },
    { "b: u8[4] = opaque(\"b\", x) into y", "y is no operand of opaque on this line" },
    { "b: u8[4] = opaque(\"b\", x) view y", "y is no operand of opaque on this line" },
    { "b: u8[4] = opaque(\"b\", x, y) into _, y", "opaque has 1 result: there is none for y" },
    { "b: u8[4], d: u8[4] = opaque(\"b\", x, y) into x, x", "two results are written over the same operand: x is u8[4]" },
    { "b: u8[4] = opaque(\"b\", x) into x into x", "into stands here already" },
    { "b: u8[4] = opaque(\"b\", x) into x view x", "it is said twice where this result lies: b is u8[4]" },
    { "b: u8[3] = opaque(\"b\", x) into x", "what is written over something takes as many bytes" },
    { "b: u8[5] = opaque(\"b\", x) view x", "a view is no larger than what it is a view of" },
    { "b: u8[n] = opaque(\"b\", x) into x", "n" },
    { "b = opaque(\"b\", x)", "the type of b must be stated" },
    { "b: u8[?] = opaque(\"b\", x)", "the type of b must be stated" },
    { "b: u8[4] = opaque(x)", "that names the node, in quotes" },
    { "b: u8[4] = opaque(\"b\", x", "'(' is never closed" },
    { "b: u8[4] = 1 + opaque(\"b\", x)", "opaque stands alone" },
    { "b: u8[4] = x into x", "this line makes no node" },
    { "b: u8[4] = x + y view x", "add makes no view" },
    { "b: u8[2] = subtensor(x, 0:2) into x", "subtensor makes a view: it writes nothing" },
    { "b: u8[4] = x + y into", "of an operand, or _" },
    { "fn f(a) = a into a", "into stands behind the node that a line binds to a name" },
    { "output d = x into x", "into stands behind the node that a line binds to a name" },
};

BTL_TEST(clauses_that_make_no_sense_are_told) {
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        char text[400];
        btl_graph *g;
        snprintf(text, sizeof text, "stage schedule\ninput x: u8[4] mutable\ninput y: u8[4]\n%s\noutput c = y\n", mistakes[i].line);
        BTL_ASSERT_OK(btl_graph_new(NULL, &g));
        if (btl_graph_parse(g, text, strlen(text), "text") == BTL_OK) BTL_FAIL("accepted: %s", mistakes[i].line);
        BTL_ASSERT_CONTAINS(btl_graph_messages(g), mistakes[i].says);
        BTL_ASSERT_CONTAINS(btl_graph_messages(g), "text:4:");
        btl_graph_free(g);
    }
    static const char *const plain[][2] = { { "y: f32[3] = exp(x) into x\n", "into is allowed only in a text that begins with stage schedule" },
        { "y: f32[3] = x[0:3] view x\n", "view is allowed only in a text" }, { "y: f32[3] = opaque(\"a\", x)\n", "opaque is allowed only in a text that begins with stage schedule" } };
    for (size_t i = 0; i < 3; i++) {
        char text[200];
        btl_graph *g;
        snprintf(text, sizeof text, "input x: f32[3]\n%soutput y\n", plain[i][0]);
        BTL_ASSERT_OK(btl_graph_new(NULL, &g));
        assert_int_not_equal(btl_graph_parse(g, text, strlen(text), "text"), BTL_OK);
        BTL_ASSERT_CONTAINS(btl_graph_messages(g), plain[i][1]);
        btl_graph_free(g);
    }
}

/* ---- round trips, and running ------------------------------------------------------------------ */

BTL_TEST(what_is_printed_reads_back) {
    static const char *const texts[] = {
        "stage schedule\ninput x: f32[4, 4] mutable\ny: f32[4, 4] = exp(x) into x\nv: f32[4] = subtensor(y, 1) view y\na: u8[16], b: u8[64] = opaque(\"two \\\"things\\\"\", y, v) into _, y\n"
        "c: u8[3] = opaque(\"c\", b) view b\nd: u8[2] = opaque(\"dead\")\noutput c, a\n",
        "stage schedule\nshared w: u8[8] = 3\nfunction f(x: u8[n]):\n    a: u8[8] = opaque(\"a\", w, x) into w\n    update w = a\nfunction g():\n    b: u8[8] = opaque(\"b\", w)\n    e: u8[1] = opaque(\"e\", b) view b\n    output b\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        btl_graph *g, *h;
        BTL_ASSERT_OK(btl_graph_new(NULL, &g));
        BTL_ASSERT_OK(btl_graph_new(NULL, &h));
        if (btl_graph_parse(g, texts[i], strlen(texts[i]), "text") != BTL_OK) BTL_FAIL("%s", btl_graph_messages(g));
        char *once = strdup(btl_graph_print(g));
        if (btl_graph_parse(h, once, strlen(once), "text") != BTL_OK) BTL_FAIL("%s\n%s", btl_graph_messages(h), once);
        assert_string_equal(btl_graph_print(h), once);
        BTL_ASSERT_CONTAINS(once, i ? "e: u8[1] = opaque(\"e\", b) view b" : "= opaque(\"two \\\"things\\\"\", y, v) into _, y");
        free(once);
        btl_graph_free(g), btl_graph_free(h);
    }
}

BTL_TEST(a_schedule_of_ops_runs_and_one_of_opaque_nodes_does_not) {
    static const char text[] = "stage schedule\ninput x: f64[3] mutable\ny: f64[3] = exp(x) into x\nz: f64[2] = subtensor(y, 1:3) view y\noutput z\n";
    static const char unknown[] = "stage schedule\ninput x: f64[3]\ny: f64[3] = opaque(\"what\", x)\noutput y\n";
    btl_graph *g;
    btl_function *f = NULL;
    btl_error err = { 0 };
    btl_function_options o = { .struct_size = sizeof o, .mode = "fast_compile" };
    double x[3] = { 0, 1, 0 };
    int64_t shape[1] = { 3 };
    btl_array in = btl_array_wrap(BTL_F64, 1, shape, x), out = { 0 };
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    BTL_ASSERT_OK(btl_graph_parse(g, text, strlen(text), "text"));
    BTL_ASSERT_OK(btl_function_new(g, btl_entry_find(g, NULL), &o, &f, &err));
    BTL_ASSERT_OK(btl_call(f, NULL, &in, &out, NULL, &err));
    assert_true(x[0] == 0 && x[1] == 1 && ((double *)btl_array_data(&out))[1] == 1); /* the argument is left alone */
    btl_array_free(&out), btl_function_free(f), btl_graph_free(g);
    BTL_ASSERT_OK(btl_graph_new(NULL, &g));
    BTL_ASSERT_OK(btl_graph_parse(g, unknown, strlen(unknown), "text"));
    BTL_ASSERT_STATUS(btl_function_new(g, btl_entry_find(g, NULL), &o, &f, &err), BTL_EUNSUPPORTED);
    BTL_ASSERT_CONTAINS(err.message, "text:3:");
    BTL_ASSERT_CONTAINS(err.message, "opaque(\"what\", …) is of unknown meaning");
    btl_graph_free(g);
}

BTL_TEST_MAIN(cmocka_unit_test(theanos_scenarios_have_their_verdicts), cmocka_unit_test(pieces_are_written_over_apart), cmocka_unit_test(a_refused_into_names_readers_lines_and_the_way_round),
              cmocka_unit_test(clauses_that_make_no_sense_are_told), cmocka_unit_test(what_is_printed_reads_back),
              cmocka_unit_test(a_schedule_of_ops_runs_and_one_of_opaque_nodes_does_not))
