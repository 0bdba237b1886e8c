/* csize.c - see csize.h. SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/csize.h"

#include <string.h>

/* Depth is limited when sizes are made (btl_dim.depth), so these may recurse. */

static void csize_print(btl_text *t, const btl_dim *d, btl_csize_names names, bool factor);

static void csize_call(btl_text *t, const char *function, const btl_dim *d, btl_csize_names names) {
    btl_text_printf(t, "%s(", function);
    csize_print(t, d->a, names, false);
    btl_text_add(t, ", ");
    csize_print(t, d->b, names, false);
    btl_text_add(t, ")");
}

static void csize_pair(btl_text *t, const char *sign, const btl_dim *d, btl_csize_names names) {
    csize_print(t, d->a, names, true);
    btl_text_add(t, sign);
    csize_print(t, d->b, names, true);
}

static void csize_number(btl_text *t, int64_t value) {
    if (value == INT64_MIN) btl_text_add(t, "(-9223372036854775807ll - 1)");
    else btl_text_printf(t, "%lld", (long long)value);
}

static void csize_term(btl_text *t, const btl_dim_term *term, uint64_t coef, btl_csize_names names) {
    if (coef != 1) btl_text_printf(t, "%llu * ", (unsigned long long)coef);
    for (int k = 0; k < term->natoms; k++) {
        if (k) btl_text_add(t, " * ");
        csize_print(t, term->atoms[k], names, true);
    }
}

/* Positive terms first: "n - 1", "2 * n + 1 - m". */
static void csize_poly(btl_text *t, const btl_dim *d, btl_csize_names names) {
    bool some = false;
    for (int i = 0; i < d->nterms; i++) {
        if (d->terms[i].coef < 0) continue;
        if (some) btl_text_add(t, " + ");
        csize_term(t, &d->terms[i], (uint64_t)d->terms[i].coef, names);
        some = true;
    }
    if (!some || d->constant > 0) {
        if (some) btl_text_add(t, " + ");
        csize_number(t, d->constant);
        some = true;
    } else if (d->constant < 0) {
        btl_text_printf(t, " - %llu", 0 - (unsigned long long)d->constant);
    }
    for (int i = 0; i < d->nterms; i++) {
        if (d->terms[i].coef >= 0) continue;
        btl_text_add(t, " - ");
        csize_term(t, &d->terms[i], 0 - (uint64_t)d->terms[i].coef, names);
    }
}

static void csize_print(btl_text *t, const btl_dim *d, btl_csize_names names, bool factor) {
    bool single = d->kind == DIM_POLY && (d->nterms == 0 ? d->constant >= 0 : d->nterms == 1 && d->constant == 0 && d->terms[0].coef > 0);
    bool braces = factor && !single && (d->kind == DIM_POLY || d->kind == DIM_SUM);
    if (braces) btl_text_add(t, "(");
    switch (d->kind) {
    case DIM_POLY: csize_poly(t, d, names); break;
    case DIM_SYMBOL: btl_text_add(t, names[d->symbol]); break;
    case DIM_FLOORDIV: csize_call(t, "btl_size_floordiv", d, names); break;
    case DIM_MOD: csize_call(t, "btl_size_mod", d, names); break;
    case DIM_MIN: csize_call(t, "btl_size_min", d, names); break;
    case DIM_MAX: csize_call(t, "btl_size_max", d, names); break;
    case DIM_PRODUCT: csize_pair(t, " * ", d, names); break;
    case DIM_SUM: csize_pair(t, " + ", d, names); break;
    }
    if (braces) btl_text_add(t, ")");
}

const char *btl_csize(btl_arena *a, const btl_dim *d, btl_csize_names names) {
    btl_text t;
    btl_text_init(&t, a);
    csize_print(&t, d, names, false);
    return t.data;
}

const char *btl_csize_factor(btl_arena *a, const btl_dim *d, btl_csize_names names) {
    btl_text t;
    btl_text_init(&t, a);
    csize_print(&t, d, names, true);
    return t.data;
}

void btl_csize_symbols(const btl_dim *d, void (*see)(void *arg, int symbol), void *arg) {
    switch (d->kind) {
    case DIM_SYMBOL: see(arg, d->symbol); break;
    case DIM_POLY:
        for (int i = 0; i < d->nterms; i++)
            for (int k = 0; k < d->terms[i].natoms; k++) btl_csize_symbols(d->terms[i].atoms[k], see, arg);
        break;
    default:
        btl_csize_symbols(d->a, see, arg);
        btl_csize_symbols(d->b, see, arg);
    }
}
