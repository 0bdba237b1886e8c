/* region_test.c - which elements of a value a view takes: against the numbers that the view's own elements are.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "bitale/bitale.h"
#include "bitale/tools.h"
#include "expr/agree.h"
#include "schedule/region.h"

#include <stdio.h>
#include <string.h>

enum { N = 6, M = 4, K = 5 };

typedef struct scene { btl_graph *g; btl_entry *e; int64_t symbols[4]; bool *taken[2]; btl_region of[2]; bool disjoint, at_sizes; } scene;

/* Two chains of views of x, as values 1 … ; their regions, and whether they are told to be apart. */
static btl_status look(void *arg) {
    scene *s = arg;
    btl_arena *a = btl_arena_begin(&s->g->arena);
    btl_schedule_value values[16];
    const btl_var *vars[16];
    int n = 0, at[2], views[16];
    for (int i = 0; i < 2; i++) {
        const char *name;
        btl_var *chain[8], *v = btl_entry_output_at(s->e, i, &name);
        int length = 0;
        for (; !(v->node->op->flags & OP_LEAF); v = v->node->in[0]) chain[length++] = v;
        if (n == 0) vars[n] = v, values[n++] = (btl_schedule_value){ .into = -1 };
        for (at[i] = 0; length > 0; at[i] = n - 1) {
            views[n] = at[i], vars[n] = chain[--length];
            values[n] = (btl_schedule_value){ .into = -1, .nviews = 1, .views = &views[n] };
            n++;
        }
    }
    btl_schedule p = { .nvalues = n, .values = values };
    btl_regions *r = btl_regions_new(a, s->g, &p, n, vars);
    for (int i = 0; i < 2; i++) s->of[i] = r->of[at[i]];
    s->disjoint = btl_regions_disjoint(r, at[0], at[1]);
    btl_regions *sized = btl_regions_at(a, r, s->symbols);
    s->at_sizes = btl_regions_disjoint(sized, at[0], at[1]);
    for (int i = 0; i < 2; i++) s->of[i].from = sized->of[at[i]].from, s->of[i].to = sized->of[at[i]].to;
    btl_arena_end(a);
    return BTL_OK;
}

/* The elements that a view takes, in its order, by the reference: those of x are their numbers. */
static int elements(btl_graph *g, btl_entry *e, int output, double *out) {
    const char *name;
    double x[N * M * K];
    int64_t shape[3] = { N, M, K };
    btl_error err = { 0 };
    btl_var *in = btl_entry_input_at(e, 0), *v = btl_entry_output_at(e, output, &name);
    btl_array given = btl_array_wrap(BTL_F64, 3, shape, x), made = { 0 };
    for (int i = 0; i < N * M * K; i++) x[i] = i;
    if (btl_graph_eval(g, 1, &in, &given, NULL, 1, &v, &made, &err) != BTL_OK) return -1; /* out of range at this size */
    int n = (int)btl_array_elems(&made);
    for (int i = 0; i < n; i++) out[i] = btl_array_element(&made, i);
    btl_array_free(&made);
    return n;
}

static void check(const char *one, const char *other, bool symbolic, int *pieces, int *apart) {
    char text[400];
    double taken[2][N * M * K];
    int n[2];
    scene s = { 0 };
    snprintf(text, sizeof text, "input x: f64[%s]\noutput a = %s, b = %s\n", symbolic ? "n, m, 5" : "6, 4, 5", one, other);
    BTL_ASSERT_OK(btl_graph_new(NULL, &s.g));
    if (btl_graph_parse(s.g, text, strlen(text), "text") != BTL_OK) { /* an index out of range of a size that is known */
        btl_graph_free(s.g);
        return;
    }
    s.e = btl_entry_find(s.g, NULL);
    s.symbols[0] = N, s.symbols[1] = M;
    BTL_ASSERT_OK(btl_graph_protect(s.g, look, &s));
    for (int i = 0; i < 2; i++) n[i] = elements(s.g, s.e, i, taken[i]);
    for (int i = 0; i < 2 && n[0] >= 0 && n[1] >= 0; i++) {
        if (s.of[i].origin < 0) continue;
        for (int k = 0; k < n[i]; k++)
            if (taken[i][k] < (double)s.of[i].from || taken[i][k] >= (double)s.of[i].to) BTL_FAIL("element %g is not from %d to %d\n%s", taken[i][k], (int)s.of[i].from, (int)s.of[i].to, text);
        if (!s.of[i].is_all) continue;
        (*pieces)++;
        if (s.of[i].to - s.of[i].from != n[i]) BTL_FAIL("%d elements, told %d to %d\n%s", n[i], (int)s.of[i].from, (int)s.of[i].to, text);
        for (int k = 0; k < n[i]; k++)
            if (taken[i][k] != (double)(s.of[i].from + k)) BTL_FAIL("not in one piece at %d\n%s", k, text);
    }
    bool meet = false;
    for (int i = 0; i < n[0] && n[1] >= 0; i++)
        for (int k = 0; k < n[1]; k++) meet |= taken[0][i] == taken[1][k];
    if (meet && (s.disjoint || s.at_sizes)) BTL_FAIL("they share elements\n%s", text);
    if (s.disjoint && !s.at_sizes) BTL_FAIL("apart, but not at certain sizes\n%s", text);
    *apart += s.disjoint;
    btl_graph_free(s.g);
}

BTL_TEST(regions_are_what_views_take) {
    static const char *const views[] = { "x", "x[0]", "x[1]", "x[-1]", "x[5]", "x[:2]", "x[2:]", "x[1:3]", "x[3:1]", "x[-2:]", "x[:-2]", "x[::2]", "x[::-1]", "x[1, 2]", "x[1, 1:3]", "x[1:2, 2]", "x[:, 1]", "x[2:, 1]",
                                         "x[3, :, 1:3]", "x[3, 3, 2:4]", "x[3, 3, 0]", "x[0][1]", "x[2:][1]", "x[1:5][1:3]", "x[newaxis, 2]", "x[2, newaxis, 1:]", "x[3].T", "x[4].T[1]", "x[4].T.T", "reshape(x[2:4], shape=[40])[5:25]",
                                         "x[1:, :2][0]", "transpose(x, axes=[1, 0, 2])", "transpose(x, axes=[1, 0, 2])[1]", "broadcast_to(x[0, 0], shape=[3, 5])", "x[2:9]", "x[7:]", "x[x.shape[0] - 1]", "x[:x.shape[0] - 3]", "x[x.shape[0] - 3:]" };
    enum { VIEWS = sizeof views / sizeof *views };
    int pieces = 0, apart = 0;
    for (int symbolic = 0; symbolic < 2; symbolic++)
        for (int i = 0; i < VIEWS; i++)
            for (int k = 0; k < VIEWS; k++) check(views[i], views[k], symbolic, &pieces, &apart);
    print_message("%d in one piece, %d pairs apart\n", pieces, apart);
    assert_true(pieces > 1500 && apart > 500);
}

BTL_TEST_MAIN(cmocka_unit_test(regions_are_what_views_take))
