/* plan_report.c - the table and the JSON of bitale plan. SPDX-License-Identifier: BSD-3-Clause */
#include "plan_report.h"

#include "json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *plan_value_text(const btl_memory_info *m, int value, char *text, size_t bytes) {
    const btl_memory_value *v = &m->values[value];
    if (v->name) return v->name;
    snprintf(text, bytes, "%%%d %.60s", value, v->op ? v->op : "constant");
    return text;
}

const char *plan_step_text(const btl_memory_info *m, int step) {
    const btl_memory_step *s = &m->steps[step];
    const char *name = s->nout ? m->values[s->out[0]].name : NULL;
    return name && !m->is_listing ? name : s->op;
}

const btl_memory_plan *plan_of_policy(const btl_memory_info *m, const char *policy) {
    for (int i = 0; i < m->nplans; i++)
        if (strcmp(m->plans[i].policy, policy) == 0) return &m->plans[i];
    return m->plans;
}

int64_t *plan_addresses(const btl_memory_info *m, const btl_memory_plan *arena, int64_t *end) {
    int n = arena->nstores;
    int64_t *at = cmd_alloc((size_t)(n + 1) * sizeof *at);
    *end = m->arena_bytes;
    for (int k = 0; k < n; k++) at[k] = arena->stores[k].is_result ? -1 : arena->stores[k].offset;
    for (int k = 0; k < n; k++) {
        int host = arena->stores[k].host;
        if (host < 0) continue;
        if (at[host] < 0) at[host] = *end, *end += arena->stores[host].bytes;
        at[k] += at[host];
    }
    return at;
}

/* "model.bitale:12" */
static const char *report_place(const char *file, int line, char *text, size_t bytes) {
    const char *base = file ? strrchr(file, '/') : NULL;
    if (!file || !line) return "";
    snprintf(text, bytes, "%.60s:%d", base ? base + 1 : file, line);
    return text;
}

/* ---- the table ------------------------------------------------------------------------------------ */

static double report_percent(int64_t more, int64_t than) { return than > 0 ? 100 * ((double)more / (double)than - 1) : 0; }

static void report_policies(FILE *f, const btl_memory_info *m, const char *policy) {
    fprintf(f, "%-22s %15s %15s\n", "bytes taken", "gc off", "gc on");
    for (int i = 0; i < m->nplans; i++) {
        const btl_memory_plan *p = &m->plans[i];
        if (policy && strcmp(policy, p->policy) != 0) continue;
        fprintf(f, "  %-20s %15" PRId64 " %15" PRId64 "   %d storage%s\n", p->policy, p->taken, p->taken_gc, p->nstores, p->nstores == 1 ? "" : "s");
    }
}

static void report_peaks(FILE *f, const btl_memory_info *m) {
    char where[100] = "";
    if (m->peak_step >= 0) snprintf(where, sizeof where, "   at step %d of %d, %.40s", m->peak_step + 1, m->nsteps, plan_step_text(m, m->peak_step));
    fprintf(f, "\n%-22s %15" PRId64 "%s\n", "peak of this order", m->peak_bytes, where);
    if (m->peak_workspace) fprintf(f, "%-22s %15" PRId64 "   workspace of the op at the peak\n", "  of it", m->peak_workspace);
    if (m->given_peak_bytes >= 0 && m->given_peak_bytes != m->peak_bytes) fprintf(f, "%-22s %15" PRId64 "   as the lines stand\n", "peak as given", m->given_peak_bytes);
    fprintf(f, "%-22s %15" PRId64 "   %s; found by: %s\n", "least over all orders", m->min_peak_bytes, m->proven ? "proven" : "the best that was found, not proven", m->found_by);
    fprintf(f, "%-22s %15" PRId64 "   by: %s", "lower bound", m->lower_bound_bytes, m->bound_by);
    if (!m->proven) fprintf(f, "; %.2f %% below", report_percent(m->min_peak_bytes, m->lower_bound_bytes));
    fprintf(f, "\n%-22s %15" PRId64 "   handed to the caller\n", "results", m->results_bytes);
    fprintf(f, "%-22s %15" PRId64 "   the block under arena, its buffers at multiples of 64\n", "arena", m->arena_bytes);
    int guests = 0;
    const btl_memory_plan *arena = plan_of_policy(m, "arena");
    for (int k = 0; k < arena->nstores; k++) guests += arena->stores[k].host >= 0;
    if (guests) fprintf(f, "%-22s %15d   value%s under arena, until the result is written there\n", "in results' memory", guests, guests == 1 ? "" : "s");
}

static void report_pieces(FILE *f, const btl_memory_info *m) {
    if (!m->npieces) return;
    fprintf(f, "%-22s %15d   along axis %d of %s: %d nodes; as a whole it would take %" PRId64 "\n", "in pieces", m->npieces, m->pieces_axis, m->pieces_of, m->pieces_nodes, m->whole_bytes);
}

typedef struct report_holder { int value; int64_t bytes; } report_holder;

static int report_largest_first(const void *a, const void *b) {
    const report_holder *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

/* Storages of `each` that live at a step, each under the last value by then that takes all of it. */
static int report_holders(const btl_memory_info *m, int step, report_holder *out) {
    const btl_memory_plan *each = plan_of_policy(m, "each");
    int n = 0, *holder = cmd_alloc((size_t)(each->nstores + 1) * sizeof *holder);
    for (int k = 0; k < each->nstores; k++) holder[k] = each->stores[k].root;
    for (int v = 0; v < m->nvalues; v++)
        if (each->store_of[v] >= 0 && m->values[v].view < 0 && m->values[v].made <= step && m->values[v].bytes == each->stores[each->store_of[v]].bytes) holder[each->store_of[v]] = v;
    for (int k = 0; k < each->nstores; k++)
        if (each->stores[k].first <= step && step <= each->stores[k].last) out[n++] = (report_holder){ holder[k], each->stores[k].bytes };
    free(holder);
    qsort(out, (size_t)n, sizeof *out, report_largest_first);
    return n;
}

static void report_holder_line(FILE *f, const btl_memory_info *m, const report_holder *h) {
    const btl_memory_value *v = &m->values[h->value];
    char name[100], place[100], life[60];
    if (v->last >= m->nsteps) snprintf(life, sizeof life, "%d to the end", v->made + 1);
    else snprintf(life, sizeof life, "%d to %d", v->made + 1, v->last + 1);
    fprintf(f, "  %13" PRId64 " %5.1f %%  %-20.40s %-18.40s %-14s %s%s%.70s\n", h->bytes, m->peak_bytes ? 100 * (double)h->bytes / (double)m->peak_bytes : 0,
            plan_value_text(m, h->value, name, sizeof name), v->type, life, report_place(v->file, v->line, place, sizeof place), v->source ? "  " : "", v->source ? v->source : "");
}

enum { REPORT_HOLDERS = 12 };

static void report_at_peak(FILE *f, const btl_memory_info *m) {
    if (m->peak_step < 0 || !m->peak_bytes) return;
    report_holder *h = cmd_alloc((size_t)(m->nvalues + 1) * sizeof *h);
    int n = report_holders(m, m->peak_step, h);
    int64_t rest = 0;
    fprintf(f, "\nAt the peak live:\n  %13s %7s  %-20s %-18s %-14s %s\n", "bytes", "share", "value", "type", "steps", "from");
    for (int i = 0; i < n && i < REPORT_HOLDERS; i++) report_holder_line(f, m, &h[i]);
    for (int i = REPORT_HOLDERS; i < n; i++) rest += h[i].bytes;
    if (n > REPORT_HOLDERS) fprintf(f, "  %13" PRId64 " %5.1f %%  %d more\n", rest, 100 * (double)rest / (double)m->peak_bytes, n - REPORT_HOLDERS);
    if (m->peak_workspace) fprintf(f, "  %13" PRId64 " %5.1f %%  workspace of %s\n", m->peak_workspace, 100 * (double)m->peak_workspace / (double)m->peak_bytes, m->steps[m->peak_step].op);
    free(h);
}

/* Values by the last step that needs them: first[i] is the first of step i, next[v] the one behind v; -1 ends. */
static int *report_by_last(const btl_memory_info *m, int **next) {
    int *first = cmd_alloc((size_t)(m->nsteps + 1) * sizeof *first);
    *next = cmd_alloc((size_t)(m->nvalues + 1) * sizeof **next);
    for (int i = 0; i < m->nsteps; i++) first[i] = -1;
    for (int v = m->nvalues - 1; v >= 0; v--) {
        const btl_memory_value *x = &m->values[v];
        if (x->is_counted && x->last >= 0 && x->last < m->nsteps) (*next)[v] = first[x->last], first[x->last] = v;
    }
    return first;
}

static void report_lives(FILE *f, const btl_memory_info *m) {
    enum { BAR = 24 };
    int *next, *first = report_by_last(m, &next);
    fprintf(f, "\nStep by step:\n  %5s %13s %-*s %-24s %-20s freed behind it\n", "step", "live bytes", BAR, "", "makes", "from");
    for (int i = 0; i < m->nsteps; i++) {
        const btl_memory_step *s = &m->steps[i];
        char place[100], bar[BAR + 1], name[100];
        int full = m->peak_bytes ? (int)((double)s->live / (double)m->peak_bytes * BAR + 0.5) : 0;
        memset(bar, ' ', BAR), memset(bar, '#', (size_t)full), bar[BAR] = 0;
        fprintf(f, "  %5d %13" PRId64 " %s %-24.40s %-20s", i + 1, s->live, bar, plan_step_text(m, i), report_place(s->file, s->line, place, sizeof place));
        for (int v = first[i], some = 0; v >= 0; v = next[v]) fprintf(f, "%s%s", some++ ? ", " : " ", plan_value_text(m, v, name, sizeof name));
        fputc('\n', f);
    }
    free(first), free(next);
}

/* At most so many lines: the first, the last, and others by equal steps of memory. */
static void report_curve(FILE *f, const btl_memory_info *m) {
    enum { LINES = 16 };
    if (!m->ncurve) return;
    int64_t from = m->curve[0].bytes, step = (from - m->curve[m->ncurve - 1].bytes) / LINES + 1, next = from;
    fprintf(f, "\nBy running nodes again:\n  %13s %8s %12s\n", "peak", "of it", "more work");
    for (int i = 0; i < m->ncurve; i++) {
        if (m->curve[i].bytes > next && i + 1 < m->ncurve) continue;
        fprintf(f, "  %13" PRId64 " %6.1f %% %10.2f %%\n", m->curve[i].bytes, from ? 100 * (double)m->curve[i].bytes / (double)from : 0, 100 * m->curve[i].extra);
        next = m->curve[i].bytes - step;
    }
}

void plan_print_table(FILE *f, const btl_memory_info *m, const char *policy, bool lives) {
    fprintf(f, "%s: %d steps, %d values%s\n\n", m->function, m->nsteps, m->nvalues, m->is_listing ? ", as the program lists them" : ", as the function runs");
    report_policies(f, m, policy);
    report_peaks(f, m);
    report_pieces(f, m);
    report_at_peak(f, m);
    report_curve(f, m);
    if (lives) report_lives(f, m);
}

/* ---- JSON ----------------------------------------------------------------------------------------- */

static void report_json_place(json *j, const char *file, int line, int column) {
    if (!file || !line) return;
    jw_text(j, "file", file);
    jw_integer(j, "line", line);
    jw_integer(j, "column", column);
}

static void report_json_name(json *j, const char *key, const btl_memory_info *m, int value) {
    char text[100];
    jw_text(j, key, plan_value_text(m, value, text, sizeof text));
}

static void report_json_values(json *j, const btl_memory_info *m) {
    jw_open(j, "values", '[');
    for (int v = 0; v < m->nvalues; v++) {
        const btl_memory_value *x = &m->values[v];
        jw_open(j, NULL, '{');
        report_json_name(j, "name", m, v);
        jw_text(j, "op", x->op);
        jw_text(j, "type", x->type);
        jw_integer(j, "bytes", x->bytes);
        jw_bool(j, "counted", x->is_counted);
        jw_bool(j, "result", x->is_result);
        if (x->made >= 0) jw_integer(j, "made", x->made);
        if (x->is_counted) jw_integer(j, "last", x->last);
        if (x->into >= 0) report_json_name(j, "into", m, x->into);
        if (x->view >= 0) report_json_name(j, "view", m, x->view);
        report_json_place(j, x->file, x->line, x->column);
        jw_close(j, '}');
    }
    jw_close(j, ']');
}

static void report_json_steps(json *j, const btl_memory_info *m) {
    jw_open(j, "steps", '[');
    for (int i = 0; i < m->nsteps; i++) {
        const btl_memory_step *s = &m->steps[i];
        jw_open(j, NULL, '{');
        jw_text(j, "op", s->op);
        jw_integer(j, "live_bytes", s->live);
        jw_integer(j, "workspace_bytes", s->workspace);
        jw_open(j, "in", '[');
        for (int k = 0; k < s->nin; k++) jw_integer(j, NULL, s->in[k]);
        jw_close(j, ']');
        jw_open(j, "out", '[');
        for (int k = 0; k < s->nout; k++) jw_integer(j, NULL, s->out[k]);
        jw_close(j, ']');
        report_json_place(j, s->file, s->line, s->column);
        jw_close(j, '}');
    }
    jw_close(j, ']');
}

static void report_json_plans(json *j, const btl_memory_info *m) {
    jw_open(j, "policies", '[');
    for (int i = 0; i < m->nplans; i++) {
        const btl_memory_plan *p = &m->plans[i];
        jw_open(j, NULL, '{');
        jw_text(j, "policy", p->policy);
        jw_integer(j, "gc_off_bytes", p->taken);
        jw_integer(j, "gc_on_bytes", p->taken_gc);
        jw_open(j, "storages", '[');
        for (int k = 0; k < p->nstores; k++) {
            const btl_memory_store *s = &p->stores[k];
            jw_open(j, NULL, '{');
            report_json_name(j, "for", m, s->root);
            jw_integer(j, "bytes", s->bytes);
            if (strcmp(p->policy, "arena") == 0 && !s->is_result) jw_integer(j, "offset", s->offset);
            jw_integer(j, "first", s->first);
            jw_integer(j, "last", s->last);
            jw_bool(j, "result", s->is_result);
            if (s->host >= 0) report_json_name(j, "in_result", m, p->stores[s->host].root);
            jw_close(j, '}');
        }
        jw_close(j, ']');
        jw_close(j, '}');
    }
    jw_close(j, ']');
}

void plan_print_json(const cmd *c, const btl_memory_info *m) {
    json j = { 0 };
    char name[100];
    jw_open(&j, NULL, '{');
    jw_text(&j, "file", c->file);
    jw_text(&j, "function", m->function);
    jw_bool(&j, "listing", m->is_listing);
    jw_open(&j, "order", '[');
    for (int i = 0; i < m->nsteps; i++) jw_text(&j, NULL, plan_step_text(m, i));
    jw_close(&j, ']');
    jw_integer(&j, "peak_bytes", m->peak_bytes);
    jw_integer(&j, "peak_workspace_bytes", m->peak_workspace);
    jw_integer(&j, "peak_step", m->peak_step);
    if (m->given_peak_bytes >= 0) jw_integer(&j, "given_peak_bytes", m->given_peak_bytes);
    jw_integer(&j, "min_peak_bytes", m->min_peak_bytes);
    jw_integer(&j, "lower_bound_bytes", m->lower_bound_bytes);
    jw_bool(&j, "proven", m->proven);
    jw_text(&j, "found_by", m->found_by);
    jw_text(&j, "bound_by", m->bound_by);
    jw_integer(&j, "arena_bytes", m->arena_bytes);
    jw_integer(&j, "results_bytes", m->results_bytes);
    if (m->npieces) {
        jw_open(&j, "pieces", '{');
        jw_integer(&j, "count", m->npieces);
        jw_text(&j, "of", m->pieces_of);
        jw_integer(&j, "axis", m->pieces_axis);
        jw_integer(&j, "nodes", m->pieces_nodes);
        jw_integer(&j, "whole_bytes", m->whole_bytes);
        jw_close(&j, '}');
    }
    jw_open(&j, "freed_after", '{');
    for (int v = 0; v < m->nvalues; v++)
        if (m->values[v].is_counted && m->values[v].last < m->nsteps) jw_text(&j, plan_value_text(m, v, name, sizeof name), plan_step_text(m, m->values[v].last));
    jw_close(&j, '}');
    if (m->ncurve) jw_open(&j, "curve", '[');
    for (int i = 0; i < m->ncurve; i++) {
        jw_open(&j, NULL, '{');
        jw_integer(&j, "peak_bytes", m->curve[i].bytes);
        jw_number(&j, "extra", m->curve[i].extra);
        jw_close(&j, '}');
    }
    if (m->ncurve) jw_close(&j, ']');
    report_json_plans(&j, m);
    report_json_values(&j, m);
    report_json_steps(&j, m);
    jw_close(&j, '}');
    jw_end(&j);
}
