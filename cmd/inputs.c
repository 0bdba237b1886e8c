/* inputs.c - see inputs.h. SPDX-License-Identifier: BSD-3-Clause */
#include "inputs.h"

#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sizes and values --------------------------------------------------------------------------- */

static bool inputs_size_known(const inputs_sizes *s, const char *name) {
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->names[i], name) == 0) return true;
    return false;
}

static void inputs_size_add(inputs_sizes *s, const char *name, int64_t value) {
    if (inputs_size_known(s, name)) return;
    s->names = cmd_realloc(s->names, (size_t)(s->n + 1) * sizeof *s->names);
    s->values = cmd_realloc(s->values, (size_t)(s->n + 1) * sizeof *s->values);
    s->names[s->n] = name;
    s->values[s->n++] = value;
}

inputs_sizes inputs_choose_sizes(const values *v) {
    inputs_sizes s = { 0 };
    for (int i = 0; i < v->nsizes; i++) inputs_size_add(&s, v->size_names[i], v->size_values[i]);
    for (int given = 1; given >= 0; given--) /* arrays that are there rule */
        for (int i = 0; i < v->ninputs; i++)
            for (int k = 0; k < btl_function_input_rank(v->f, i); k++) {
                const char *name = btl_function_input_size_name(v->f, i, k);
                bool has = v->in[i].data != NULL;
                if (name && has == (bool)given) inputs_size_add(&s, name, has ? v->in[i].shape[k] : 3 + s.n % 5);
            }
    s.text = cmd_format("%s", "");
    for (int i = 0; i < s.n; i++) {
        char *longer = cmd_format("%s%s%s=%lld", s.text, i ? ", " : "", s.names[i], (long long)s.values[i]);
        free(s.text);
        s.text = longer;
    }
    for (int i = 0, n = btl_function_nsizes(v->f); i < n; i++) inputs_size_add(&s, btl_function_size_name(v->f, i), 3 + s.n % 5);
    return s;
}

void inputs_sizes_free(inputs_sizes *s) {
    free(s->names);
    free(s->values);
    free(s->text);
}

btl_status inputs_fill(const cmd *c, uint64_t seed, double low, double high, values *v, const inputs_sizes *s, bool keep_defaults, btl_error *err) {
    uint64_t random = seed;
    for (int i = 0; i < v->ninputs; i++) {
        int64_t shape[BTL_MAX_RANK];
        if (v->in[i].data || (keep_defaults && btl_function_input_has_default(v->f, i))) continue;
        btl_status status = btl_function_input_shape(v->f, i, s->n, s->names, s->values, 3, shape, err);
        if (status == BTL_OK) status = btl_array_new(c->ctx, btl_function_input_dtype(v->f, i), btl_function_input_rank(v->f, i), shape, &v->in[i]);
        if (status != BTL_OK) {
            if (err->status == BTL_OK) snprintf(err->message, sizeof err->message, "no memory for argument %s", btl_function_input_name(v->f, i)), err->status = status;
            return status;
        }
        random_fill(&random, low, high, &v->in[i]);
    }
    return BTL_OK;
}

/* ---- calls --------------------------------------------------------------------------------------- */

btl_status inputs_call_make(const cmd *c, btl_graph *g, btl_entry *e, const btl_function_options *options, const values *v, const inputs_sizes *s,
                            inputs_call *out, btl_error *err) {
    btl_call_options call = { .struct_size = sizeof call, .threads = c->threads, .nsizes = s->n, .size_names = s->names, .size_values = s->values };
    *out = (inputs_call){ .mode = options->mode };
    btl_status status = btl_function_new(g, e, options, &out->f, err);
    if (status == BTL_OK) status = btl_state_new(g, &out->state, err);
    if (status != BTL_OK) return status;
    out->out = cmd_alloc((size_t)(btl_function_noutputs(out->f) + 1) * sizeof *out->out);
    return btl_call(out->f, out->state, v->in, out->out, &call, err);
}

void inputs_call_free(inputs_call *c) {
    for (int i = 0; c->out && i < btl_function_noutputs(c->f); i++) btl_array_free(&c->out[i]);
    free(c->out);
    btl_state_free(c->state);
    btl_function_free(c->f);
    *c = (inputs_call){ 0 };
}

const char *inputs_call_value(const inputs_call *c, int i, btl_array *out, bool *owned) {
    int update = i - btl_function_noutputs(c->f);
    *out = (btl_array){ 0 };
    *owned = update >= 0;
    if (update < 0) return *out = c->out[i], btl_function_output_name(c->f, i);
    if (update >= btl_function_nupdates(c->f)) return NULL;
    const char *name = btl_function_update_name(c->f, update);
    btl_state_get(c->state, name, out, NULL);
    return name;
}

double inputs_tolerance(const btl_array *a) {
    btl_dtype dtype = BTL_F64;
    btl_array_dtype(a, &dtype);
    return btl_dtype_kind(dtype) != 'f' ? 0 : dtype == BTL_F64 ? 1e-10 : dtype == BTL_F32 ? 1e-4 : 2e-2;
}

char *inputs_next_mode(char *mode) {
    for (char *comma = strchr(mode, ','); comma; comma = strchr(comma + 1, ',')) {
        if (memchr(comma + 1, '=', strcspn(comma + 1, ","))) continue;
        *comma = 0;
        return comma + 1;
    }
    return NULL;
}
