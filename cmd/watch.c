/* watch.c - see watch.h. SPDX-License-Identifier: BSD-3-Clause */
#include "watch.h"

#include "show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void watch_free_nodes(watch *w) {
    for (int i = 0; i < w->n; i++) {
        for (int k = 0; k < w->nodes[i].nresults; k++) free(w->nodes[i].results[k].name), free(w->nodes[i].results[k].type);
        free(w->nodes[i].results);
        free(w->nodes[i].op);
        free(w->nodes[i].file);
    }
    w->n = 0;
}

static void watch_print_range(const btl_range *r) {
    if (r->count == 0) printf("no elements");
    else if (r->nan + r->inf == r->count) printf("none finite");
    else if (r->count == 1) printf("%.7g", r->min);
    else printf("min %.7g, max %.7g, mean %.7g", r->min, r->max, r->mean);
    if (r->nan) printf(", %lld NaN", (long long)r->nan);
    if (r->inf) printf(", %lld infinite", (long long)r->inf);
}

static void watch_print(const watch_node *n) {
    char place[200] = "";
    const char *file = n->file ? strrchr(n->file, '/') : NULL;
    if (n->file) snprintf(place, sizeof place, "%s:%d:%d", file ? file + 1 : n->file, n->line, n->column);
    for (int k = 0; k < n->nresults; k++) {
        printf("%-20s %-24s %s%s%s  ", k ? "" : place, k ? "" : n->op, n->results[k].name ? n->results[k].name : "", n->results[k].name ? ": " : "", n->results[k].type);
        watch_print_range(&n->results[k].range);
        if (k == 0) printf("  (%.3g us)", 1e6 * n->seconds);
        putchar('\n');
    }
}

static btl_status watch_after(void *user, const btl_node_view *view) {
    watch *w = user;
    if (!w->c->json) watch_free_nodes(w);
    w->nodes = cmd_realloc(w->nodes, (size_t)(w->n + 1) * sizeof *w->nodes);
    watch_node *n = &w->nodes[w->n++];
    *n = (watch_node){ .op = cmd_format("%s", view->op), .file = view->file ? cmd_format("%s", view->file) : NULL, .line = view->line, .column = view->column,
                       .nresults = view->nout, .results = cmd_alloc((size_t)(view->nout + 1) * sizeof *n->results), .seconds = view->seconds };
    for (int k = 0; k < view->nout; k++) {
        char type[120];
        show_type(&view->out[k], type, sizeof type);
        n->results[k].name = view->out_names[k] ? cmd_format("%s", view->out_names[k]) : NULL;
        n->results[k].type = cmd_format("%s", type);
        btl_array_range(&view->out[k], &n->results[k].range);
    }
    if (!w->c->json) watch_print(n);
    return BTL_OK;
}

const btl_monitor *watch_begin(watch *w, const cmd *c, const btl_function *f) {
    *w = (watch){ .c = c };
    w->monitor = (btl_monitor){ .struct_size = sizeof w->monitor, .after = watch_after, .user = w };
    return strcmp(btl_function_checks(f), "monitor") == 0 && (c->json || !c->quiet) ? &w->monitor : NULL;
}

void watch_step(watch *w, int64_t step) {
    watch_free_nodes(w);
    if (step && w->monitor.after && !w->c->json && !w->c->quiet) printf("step %lld\n", (long long)step);
}

void watch_print_json(const watch *w, json *j) {
    jw_open(j, "nodes", '[');
    for (int i = 0; i < w->n; i++) {
        const watch_node *n = &w->nodes[i];
        jw_open(j, NULL, '{');
        jw_text(j, "op", n->op);
        jw_text(j, "file", n->file);
        jw_integer(j, "line", n->line);
        jw_integer(j, "column", n->column);
        jw_number(j, "seconds", n->seconds);
        jw_open(j, "results", '[');
        for (int k = 0; k < n->nresults; k++) {
            const btl_range *r = &n->results[k].range;
            jw_open(j, NULL, '{');
            jw_text(j, "name", n->results[k].name);
            jw_text(j, "type", n->results[k].type);
            jw_integer(j, "count", r->count);
            jw_integer(j, "nan", r->nan);
            jw_integer(j, "inf", r->inf);
            jw_number(j, "min", r->min);
            jw_number(j, "max", r->max);
            jw_number(j, "mean", r->mean);
            jw_close(j, '}');
        }
        jw_close(j, ']');
        jw_close(j, '}');
    }
    jw_close(j, ']');
}

void watch_end(watch *w) {
    watch_free_nodes(w);
    free(w->nodes);
}
