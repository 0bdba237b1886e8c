/* layout_text.c - work memory and the checks of sizes, as C.
 *
 * Where all sizes are numbers, the plan is one of numbers. Otherwise it is planned for sizes that are made up, and
 * what is kept is which buffer rests on which (schedule/rests.h): the text computes the offsets from the sizes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/written.h"

#include "base/error.h"

#include <string.h>

/* ---- sizes --------------------------------------------------------------------------------------- */

static void layout_see(void *arg, int symbol) { ((written *)arg)->uses[symbol] = true; }

const char *btl_written_size(written *w, const btl_dim *d, bool factor) {
    btl_csize_symbols(d, layout_see, w);
    return factor ? btl_csize_factor(w->a, d, w->symbols) : btl_csize(w->a, d, w->symbols);
}

void btl_written_begin(written *w) { memset(w->uses, 0, (size_t)w->g->dims.nsymbols * sizeof *w->uses); }

void btl_written_sizes(const written *w, btl_text *t) {
    for (int i = 0; i < w->nsizes; i++)
        if (w->uses[w->sizes[i]]) btl_text_printf(t, "    const int64_t %s = sizes[%d];\n", w->symbols[w->sizes[i]], i);
}

/* ---- the plan ------------------------------------------------------------------------------------ */

static const btl_type *layout_type(const written *w, int buffer) { return w->f->slots[w->f->buffer_slot[buffer]].type; }

/* Bytes of a buffer; false where a size is not known or negative. */
static bool layout_bytes(const written *w, int buffer, const int64_t *symbols, size_t *bytes) {
    int64_t n;
    if (btl_type_bytes(layout_type(w, buffer), symbols, &n) >= 0) return false;
    *bytes = (size_t)n;
    return (uint64_t)n < SIZE_MAX / 4 / (uint64_t)(w->f->nbuffers + 1);
}

static void layout_nominal(const written *w, int64_t size, int64_t *symbols) {
    for (int i = 0; i < w->g->dims.nsymbols; i++) symbols[i] = size;
    for (int i = 0; i < w->g->dims.nsymbols; i++) {
        const btl_dim *bound = w->g->dims.symbols[i]->bound;
        int64_t most;
        if (bound && btl_dim_eval(bound, symbols, &most) && most < symbols[i]) symbols[i] = most > 0 ? most : 0;
    }
}

/* Buffers at sizes for which all of them are there, if such are found. */
static bool layout_buffers(const written *w, btl_buffer *buffers) {
    static const int64_t tries[] = { 256, 1000, 4096, 64, 10000, 16, 100000 };
    int64_t *symbols = BTL_ARRAY(w->a, int64_t, w->g->dims.nsymbols + 1);
    bool good = false;
    for (size_t k = 0; k < sizeof tries / sizeof *tries && !good; k++) {
        layout_nominal(w, tries[k], symbols);
        good = true;
        for (int i = 0; i < w->f->nbuffers; i++) {
            buffers[i] = w->f->lives[i];
            bool known = layout_bytes(w, i, symbols, &buffers[i].bytes);
            if (!known) buffers[i].bytes = 0;
            good = good && known;
        }
    }
    return good;
}

static bool layout_is_fixed(const written *w, const btl_dim *const *scratch, int nscratch) {
    int64_t value;
    for (int i = 0; i < w->f->nbuffers; i++)
        for (int k = 0; k < layout_type(w, i)->rank; k++)
            if (!btl_dim_is_const(layout_type(w, i)->dims[k], &value)) return false;
    for (int i = 0; i < nscratch; i++)
        if (!btl_dim_is_const(scratch[i], &value)) return false;
    return true;
}

/* What kernels want as scratch, each size once. */
static const btl_dim **layout_scratch(written *w, int *n) {
    const btl_dim **scratch = BTL_ARRAY(w->a, const btl_dim *, w->f->nsteps + 1);
    *n = 0;
    for (int i = 0; i < w->f->nsteps; i++) {
        const btl_dim *work = w->f->steps[i].call.work;
        int k = 0;
        if (!work) continue;
        while (k < *n && scratch[k] != work) k++;
        if (k == *n) scratch[(*n)++] = work;
    }
    return scratch;
}

static size_t layout_lines(const written *w, size_t bytes) { return (bytes + (size_t)w->f->align - 1) / (size_t)w->f->align * (size_t)w->f->align; }

static void layout_write_fixed(written *w, btl_buffer *buffers, const btl_dim *const *scratch, int nscratch) {
    btl_arena *plan = btl_arena_begin(w->a);
    size_t total = btl_plan_offsets(plan, w->f->nbuffers, buffers, (size_t)w->f->align), most = 0;
    btl_arena_end(plan);
    for (int i = 0; i < nscratch; i++) {
        int64_t bytes;
        if (btl_dim_is_const(scratch[i], &bytes) && (size_t)bytes > most) most = (size_t)bytes;
    }
    w->scratch_at = total;
    total += layout_lines(w, most);
    w->work_bytes = total ? total + (size_t)w->f->align : 0;
    w->fixed = true, w->buffers = buffers, w->layout = "";
}

/* ---- the text of a plan -------------------------------------------------------------------------- */

static bool layout_fold(const btl_dim *d, int64_t *known) {
    int64_t value, product;
    if (!btl_dim_is_const(d, &value) || !btl_mul_i64(*known, value, &product) || product > INT32_MAX) return false;
    *known = product;
    return true;
}

/* "btl_times(btl_times(40, n), m)" */
static const char *layout_product(written *w, const btl_type *t) {
    int64_t known = (int64_t)btl_dtype_bytes(t->dtype);
    bool *folded = BTL_ARRAY(w->a, bool, t->rank + 1);
    for (int k = 0; k < t->rank; k++) folded[k] = layout_fold(t->dims[k], &known);
    const char *text = btl_arena_printf(w->a, "%lld", (long long)known);
    for (int k = 0; k < t->rank; k++)
        if (!folded[k]) text = btl_arena_printf(w->a, "btl_times(%s, %s)", text, btl_written_size(w, t->dims[k], false));
    return text;
}

/* Numbers the amounts of bytes; equal ones have one number. */
static int *layout_amounts(written *w, btl_text *t) {
    int *amount = BTL_ARRAY(w->a, int, w->f->nbuffers + 1), n = 0;
    btl_table by_text = { 0 };
    typedef struct numbered { const char *text; int number; } numbered;
    for (int i = 0; i < w->f->nbuffers; i++) {
        const char *text = layout_product(w, layout_type(w, i));
        uint64_t hash = btl_hash_bytes(text, strlen(text), 0);
        numbered *old = btl_table_find(&by_text, hash, btl_table_name_equal, text);
        if (!old) {
            old = BTL_NEW(w->a, numbered);
            *old = (numbered){ text, n++ };
            btl_table_add(&by_text, w->a, hash, old);
            btl_text_printf(t, "    const size_t b%d = btl_lines(%s);\n", old->number, text);
        }
        amount[i] = old->number;
    }
    return amount;
}

static void layout_write_offsets(written *w, btl_text *t, const btl_rests *r, const int *amount) {
    for (int k = 0; k < r->n; k++) {
        int b = r->order[k], n = r->first[b + 1] - r->first[b];
        const char *type = btl_type_text(w->g, layout_type(w, b)), *name = w->f->slots[w->f->buffer_slot[b]].name;
        size_t from = t->length;
        btl_text_printf(t, "    at[%d] = ", b);
        if (n == 0) btl_text_add(t, "0;");
        for (int i = 0; i < n; i++) {
            const char *end = btl_arena_printf(w->a, "btl_plus(at[%d], b%d)", r->on[r->first[b] + i], amount[r->on[r->first[b] + i]]);
            if (i) btl_text_printf(t, "\n    at[%d] = btl_larger(at[%d], %s);", b, b, end), from = t->length - strlen(end) - 30;
            else btl_text_printf(t, "%s;", end);
        }
        while (t->length - from < 44) btl_text_add(t, " ");
        btl_text_printf(t, " /* %s%s%s */\n", name ? name : "", name ? ": " : "", type);
    }
}

static void layout_write_text(written *w, btl_buffer *buffers, const btl_dim *const *scratch, int nscratch) {
    int n = w->f->nbuffers;
    btl_arena *plan = btl_arena_begin(w->a);
    btl_plan_offsets(plan, n, buffers, (size_t)w->f->align);
    btl_arena_end(plan);
    btl_rests r = btl_plan_rests(w->a, n, buffers);
    btl_text t, whole;
    btl_text_init(&t, w->a);
    btl_text_init(&whole, w->a);
    btl_written_begin(w);
    int *amount = layout_amounts(w, &t);
    layout_write_offsets(w, &t, &r, amount);
    btl_text_add(&t, "    size_t end = 0;\n");
    for (int i = 0; i < n; i++)
        if (r.is_top[i]) btl_text_printf(&t, "    end = btl_larger(end, btl_plus(at[%d], b%d));\n", i, amount[i]);
    if (nscratch) {
        btl_text_printf(&t, "    at[%d] = end; /* scratch of kernels */\n    size_t scratch = 0;\n", n);
        for (int i = 0; i < nscratch; i++) btl_text_printf(&t, "    scratch = btl_larger(scratch, btl_times(1, %s));\n", btl_written_size(w, scratch[i], false));
        btl_text_add(&t, "    end = btl_plus(end, btl_lines(scratch));\n");
    }
    btl_text_add(&t, "    return end == 0 ? 0 : btl_plus(end, BTL_ALIGN);\n}\n");
    btl_text_add(&whole, "/* Where intermediate values lie in work, in bytes from its start; returns the bytes of it all. Of two that are alive at one\n"
                         " * time the lower one lies lower for all sizes. */\nstatic size_t btl_layout(const int64_t *sizes, size_t *at) {\n");
    btl_written_sizes(w, &whole);
    btl_text_addn(&whole, t.data, t.length);
    w->fixed = false, w->layout = whole.data;
}

btl_status btl_written_layout(written *w, btl_error *err) {
    int nscratch;
    const btl_dim **scratch = layout_scratch(w, &nscratch);
    btl_buffer *buffers = BTL_ARRAY(w->a, btl_buffer, w->f->nbuffers + 1);
    bool known = layout_buffers(w, buffers), fixed = layout_is_fixed(w, scratch, nscratch);
    w->has_scratch = nscratch > 0;
    if (fixed && !known) return btl_error_set(err, BTL_ENOMEM, "%s: intermediate values are larger than memory can be", w->f->function);
    if (fixed) layout_write_fixed(w, buffers, scratch, nscratch);
    else layout_write_text(w, buffers, scratch, nscratch);
    return BTL_OK;
}

/* ---- checks -------------------------------------------------------------------------------------- */

static void check_line(written *w, btl_text *t, const char *condition, const char *meaning) {
    btl_text_printf(t, "    if (%s) return %d; /* ", condition, btl_written_code(w, meaning));
    btl_ctext_comment(t, meaning, strlen(meaning));
    btl_text_add(t, " */\n");
}

static const char *check_meaning(written *w, const btl_node *node, const char *what, const char *message) {
    const char *place = node ? btl_ctext_place(w->a, node->places) : "";
    return btl_arena_printf(w->a, "%s%s%s%s%s%s%s", place, *place ? ": " : "", node ? node->op->name : "", node ? ": " : "", what,
                            message && *message ? "; " : "", message && *message ? message : "");
}

static const char *check_dim(written *w, const btl_dim *d) {
    btl_text t;
    btl_text_init(&t, w->a);
    btl_dim_print(&t, w->g, d);
    return t.data;
}

/* Sizes are counts. */
static void check_symbols(written *w, btl_text *t) {
    btl_text condition;
    btl_text_init(&condition, w->a);
    if (w->nsizes == 0) return;
    for (int i = 0; i < w->nsizes; i++) {
        btl_text_printf(&condition, "%s%s < 0", i ? " || " : "", w->symbols[w->sizes[i]]);
        w->uses[w->sizes[i]] = true;
    }
    check_line(w, t, condition.data, "a size is negative");
    for (int i = 0; i < w->nsizes; i++) {
        const btl_dim *bound = w->g->dims.symbols[w->sizes[i]]->bound;
        const char *name = w->symbols[w->sizes[i]];
        if (bound)
            check_line(w, t, btl_arena_printf(w->a, "%s > %s", name, btl_written_size(w, bound, true)),
                       btl_arena_printf(w->a, "the size %s is above its bound %s", name, check_dim(w, bound)));
    }
}

/* Sizes that are computed may come out below 0. */
static void check_signs(written *w, btl_text *t) {
    bool *seen = BTL_ARRAY(w->a, bool, w->g->dims.ndims + 1);
    for (int i = 0; i < w->f->nslots; i++)
        for (int k = 0; k < w->f->slots[i].type->rank; k++) {
            const btl_dim *d = w->f->slots[i].type->dims[k];
            if (d->lo >= 0 || d->id >= w->g->dims.ndims || seen[d->id]) continue;
            seen[d->id] = true;
            check_line(w, t, btl_arena_printf(w->a, "%s < 0", btl_written_size(w, d, true)), btl_arena_printf(w->a, "the size %s would be negative", check_dim(w, d)));
        }
}

void btl_written_check(written *w) {
    btl_text t, whole;
    btl_text_init(&t, w->a);
    btl_text_init(&whole, w->a);
    btl_written_begin(w);
    check_symbols(w, &t);
    for (int i = 0; i < w->f->nchecks; i++) {
        const btl_c_check *c = &w->f->checks[i];
        const char *what = btl_arena_printf(w->a, "sizes that must be equal differ: %s and %s", check_dim(w, c->a), check_dim(w, c->b));
        check_line(w, &t, btl_arena_printf(w->a, "%s != %s", btl_written_size(w, c->a, true), btl_written_size(w, c->b, true)), check_meaning(w, c->node, what, c->message));
    }
    check_signs(w, &t);
    w->check = "";
    if (!t.length) return;
    btl_text_printf(&whole, "static int btl_check(%s) {\n", w->nsizes ? "const int64_t *sizes" : "void");
    btl_written_sizes(w, &whole);
    btl_text_addn(&whole, t.data, t.length);
    btl_text_add(&whole, "    return 0;\n}\n");
    w->check = whole.data;
}
