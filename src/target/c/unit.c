/* unit.c - see unit.h: from nodes to kernels, each once. SPDX-License-Identifier: BSD-3-Clause */
#include "target/c/unit.h"

#include "target/c/cnames.h"
#include "target/c/elem.h"
#include "target/c/services.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

void btl_unit_init(btl_unit *u, btl_arena *a, btl_graph *g) { *u = (btl_unit){ .arena = a, .g = g }; }

/* ---- kernels ------------------------------------------------------------------------------ */

/* Texts that call the same name may mean two functions: what stands before them must be the same too. */
static bool unit_kernel_equal(const void *key, const void *thing) {
    const btl_c_kernel *a = key, *b = thing;
    bool same = strcmp(a->body, b->body) == 0 && strcmp(a->head, b->head) == 0 && a->node->op->code == b->node->op->code && a->nsupport == b->nsupport;
    for (int i = 0; same && i < a->nsupport; i++) same = strcmp(a->support[i], b->support[i]) == 0;
    return same;
}

/* "(const float *x0, float *restrict y0, int64_t n0)" */
static const char *unit_head(btl_unit *u, const btl_emit_state *s, const btl_c_kernel *k) {
    btl_text t;
    btl_text_init(&t, u->arena);
    btl_text_add(&t, "(");
    const char *comma = "";
    for (int i = 0; i < k->nin; i++, comma = ", ") btl_text_printf(&t, "%sconst %s *x%d", comma, btl_emit_ctype(s->values[i].type->dtype), i);
    for (int i = 0; i < k->nout; i++, comma = ", ")
        btl_text_printf(&t, k->is_view ? "%sconst %s **y" : s->values[k->nin + i].overwrites ? "%s%s *y%d" : "%s%s *restrict y%d", comma, btl_emit_ctype(s->values[k->nin + i].type->dtype), i);
    if (k->nviews) btl_text_add(&t, ", int64_t *strides");
    for (int i = 0; i < k->nargs; i++, comma = ", ") {
        btl_text_printf(&t, "%sint64_t n%d", comma, i);
        if (s->args[i].kind == C_ARG_STRIDE) btl_text_printf(&t, "_x%d", s->args[i].operand);
    }
    if (k->has_work) btl_text_printf(&t, "%svoid *work", comma), comma = ", ";
    if (!*comma) btl_text_add(&t, "void");
    btl_text_add(&t, ")");
    return t.data;
}

/* Letters and digits of the ops that a kernel is made of: "exp_mul_sum". */
static const char *unit_kernel_name(btl_unit *u, const btl_node *n, int number) {
    btl_text t;
    btl_text_init(&t, u->arena);
    btl_text_printf(&t, "k%d", number);
    if (n->op == &btl_op_fused) {
        const btl_body *body = n->params[0].body;
        for (int i = 0; i < body->nresults && i < 2; i++)
            if (!(body->results[i]->node->op->flags & OP_LEAF)) btl_text_printf(&t, "_%s", body->results[i]->node->op->name);
        if (n->params[2].s[0]) btl_text_printf(&t, "_%s", n->params[2].s);
    } else {
        btl_text_printf(&t, "_%s", n->op->name);
    }
    for (char *p = t.data; *p; p++)
        if (*p == '.') *p = '_';
    return t.data;
}

/* A view's body, between its first and its last line. */
static const char *unit_view_body(btl_unit *u, const btl_emit_state *s, const btl_type *type, int *nviews) {
    btl_text t;
    btl_text_init(&t, u->arena);
    btl_text_printf(&t, "const %s *y0 = x0;\n%s", btl_emit_ctype(type->dtype), s->body.data ? s->body.data : "");
    for (int k = 0; k < type->rank; k++)
        if (!s->view_known[k]) btl_text_printf(&t, "strides[%d] = %s;\n", (*nviews)++, s->view_text[k]);
    btl_text_add(&t, "*y = y0;\n");
    return t.data;
}

static bool unit_is_small(const btl_c_value *values, int n) {
    int64_t size;
    for (int i = 0; i < n; i++) {
        int64_t elems = 1;
        for (int k = 0; k < values[i].type->rank; k++) {
            if (!btl_dim_is_const(values[i].type->dims[k], &size) || size > 16384) return false;
            elems *= size ? size : 1;
            if (elems > 16384) return false;
        }
    }
    return true;
}

static btl_status unit_no_stride(btl_unit *u, const btl_node *n, int axis) {
    btl_fail(u->g, BTL_EPLUGIN, "its emit does not tell the stride of axis %d of its view", axis);
    const btl_places *here = u->g->here;
    u->g->here = n->places;
    btl_fail_done(u->g, n->op->name);
    u->g->here = here;
    return BTL_EPLUGIN;
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* A text follows from the op, its settings, and the types and strides of its operands: nodes that agree in these (layers, time
 * steps) are not written out anew. */
typedef struct unit_memo { const btl_node *node; const btl_c_value *values; btl_c_call call; } unit_memo;

static uint64_t unit_memo_hash(const btl_node *n, const btl_c_value *values) {
    uint64_t h = btl_hash_mix((uint64_t)(uintptr_t)n->op, (uint64_t)n->nin);
    for (int k = 0; k < n->op->nparams; k++) h = btl_param_hash(n->op->params[k].kind, &n->params[k], h);
    for (int i = 0; i < n->nin + n->nout; i++) {
        h = btl_hash_mix(h, (uint64_t)values[i].type->dtype * 64 + (uint64_t)values[i].type->rank);
        for (int k = 0; k < values[i].type->rank; k++) h = btl_hash_mix(h, (uint64_t)values[i].type->dims[k]->id);
    }
    return h;
}

static bool unit_memo_equal(const void *key, const void *thing) {
    const unit_memo *a = key, *b = thing;
    const btl_op *op = a->node->op;
    if (op != b->node->op || a->node->nin != b->node->nin) return false;
    for (int i = 0; i < a->node->nin + a->node->nout; i++) {
        const btl_c_value *x = &a->values[i], *y = &b->values[i];
        if (!btl_type_equal(x->type, y->type) || !x->strides != !y->strides || x->overwrites != y->overwrites) return false;
        for (int k = 0; x->strides && k < x->type->rank; k++)
            if (x->strides[k] != y->strides[k]) return false;
    }
    for (int k = 0; k < op->nparams; k++)
        if (!btl_param_equal(op->params[k].kind, &a->node->params[k], &b->node->params[k])) return false;
    return true;
}

static const int *unit_slots(btl_unit *u, const btl_node *n, const btl_c_value *values) {
    int *slots = BTL_ARRAY(u->arena, int, n->nin + n->nout + 1);
    for (int i = 0; i < n->nin + n->nout; i++) slots[i] = values[i].slot;
    return slots;
}

static btl_status unit_emit(btl_unit *u, const btl_node *n, const btl_c_value *values, btl_c_call *out, bool *has_text) {
    btl_emit_state s = { .arena = u->arena, .values = values, .folds = &u->folds, .small = unit_is_small(values, n->nin + n->nout) };
    btl_emit e = { .g = u->g, .node = n, .params = n->params, .state = &s };
    btl_text_init(&s.body, u->arena);
    const btl_type *type = n->nout ? &n->out[0].type : NULL;
    bool is_view = n->op->view != NULL;
    if (is_view) {
        s.view_known = BTL_ARRAY(u->arena, const btl_dim *, type->rank + 1);
        s.view_text = BTL_ARRAY(u->arena, const char *, type->rank + 1);
    }
    if (n->op->code) btl_emit_support(&e, n->op->code->support);
    btl_status status = n->op->emit(&e);
    if (status == BTL_EUNSUPPORTED) return BTL_OK; /* not for these operands */
    BTL_TRY(status);
    for (int k = 0; is_view && k < type->rank; k++)
        if (!s.view_known[k] && !s.view_text[k]) return unit_no_stride(u, n, k);
    btl_c_kernel k = { .node = n, .support = s.support, .nsupport = s.nsupport, .nin = n->nin, .nout = n->nout, .nargs = s.nargs, .has_work = s.work != NULL, .is_view = is_view };
    k.body = is_view ? unit_view_body(u, &s, type, &k.nviews) : s.body.data ? s.body.data : "";
    k.can_fail = strstr(k.body, "return 1;") != NULL;
    k.has_rt = strstr(k.body, "$rt ") != NULL;
    k.head = unit_head(u, &s, &k);
    k.hash = btl_hash_bytes(k.body, strlen(k.body), btl_hash_bytes(k.head, strlen(k.head), 0));
    btl_c_kernel *kernel = btl_table_find(&u->by_text, k.hash, unit_kernel_equal, &k);
    if (!kernel) {
        kernel = BTL_NEW(u->arena, btl_c_kernel);
        *kernel = k;
        kernel->number = u->nkernels;
        kernel->name = unit_kernel_name(u, n, kernel->number);
        *BTL_PUSH(u->arena, u->kernels, u->nkernels, u->kernel_capacity) = kernel;
        btl_table_add(&u->by_text, u->arena, k.hash, kernel);
    }
    *out = (btl_c_call){ .kernel = kernel, .node = n, .slots = unit_slots(u, n, values), .args = s.args, .work = s.work, .view_strides = s.view_known };
    *has_text = true;
    return BTL_OK;
}

btl_status btl_unit_call(btl_unit *u, const btl_node *n, const btl_c_value *values, btl_c_call *out, bool *has_text) {
    *has_text = false;
    if (!n->op->emit) return BTL_OK;
    unit_memo key = { .node = n, .values = values };
    uint64_t hash = unit_memo_hash(n, values);
    const unit_memo *known = n->op->code ? NULL : btl_table_find(&u->by_node, hash, unit_memo_equal, &key); /* whose emit is not ours may do as it likes */
    if (known) {
        *out = known->call, out->node = n, out->slots = unit_slots(u, n, values);
        *has_text = true;
        return BTL_OK;
    }
    BTL_TRY(unit_emit(u, n, values, out, has_text));
    if (!*has_text || n->op->code) return BTL_OK;
    key.values = btl_arena_copy(u->arena, values, (size_t)(n->nin + n->nout) * sizeof *values), key.call = *out;
    btl_table_add(&u->by_node, u->arena, hash, btl_arena_copy(u->arena, &key, sizeof key));
    return BTL_OK;
}

/* ---- text --------------------------------------------------------------------------------- */

/* The places in the source, as a comment's text. */
static void unit_print_places(btl_text *t, const btl_node *n) {
    int count = 0;
    for (const btl_places *p = n->places; p && count < 4; p = p->more, count++) {
        const char *file = p->place->file ? strrchr(p->place->file, '/') : NULL;
        btl_text_printf(t, "%s%s:%d", count ? ", " : " ", file ? file + 1 : p->place->file ? p->place->file : "?", p->place->line);
    }
}

static void unit_print_line(btl_text *t, const char *p, const char *end, bool standalone) {
    for (const char *from = p; p < end; from = p) {
        while (p < end && !(*p == '$' && strncmp(p, "$rt ", 4) == 0)) p++;
        btl_text_addn(t, from, (size_t)(p - from));
        if (p == end) break;
        if (!standalone) btl_text_add(t, "rt, ");
        p += 4;
    }
}

/* Lines are indented by the braces before them. */
static void unit_print_body(btl_text *t, const char *body, bool standalone) {
    int depth = 1;
    for (const char *line = body, *end; *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        while (*line == ' ') line++;
        int opened = 0;
        for (const char *p = line; p < end; p++) opened += (*p == '{') - (*p == '}');
        int here = depth - (*line == '}');
        depth += opened;
        if (line == end) continue;
        for (int i = 0; i < here; i++) btl_text_add(t, "    ");
        unit_print_line(t, line, end, standalone);
        btl_text_add(t, "\n");
    }
}

/* Parameters that this body does not need are said to be so: kernels have what their nodes have. */
static void unit_print_unused(btl_text *t, const btl_c_kernel *k) {
    for (const char *end = k->head + strcspn(k->head, ",)"); *end; end += 1 + strcspn(end + 1, ",)")) {
        const char *name = end;
        char word[40];
        while (name > k->head && (isalnum((unsigned char)name[-1]) || name[-1] == '_')) name--;
        snprintf(word, sizeof word, "%.*s", (int)(end - name), name);
        if (strcmp(word, "void") != 0 && !btl_cname_occurs(k->body, word)) btl_text_printf(t, "    (void)%s;\n", word);
        if (*end == ')') break;
    }
}

void btl_unit_print_kernel(btl_text *t, btl_unit *u, btl_c_kernel *k, const char *linkage, bool standalone) {
    (void)u;
    btl_text_add(t, "/*");
    unit_print_places(t, k->node);
    btl_text_add(t, " */\n");
    size_t length = strlen(k->head);
    bool rt = !standalone && k->has_rt;
    btl_text_printf(t, "%s%s %s", linkage, k->can_fail ? "int" : "void", k->name);
    if (rt && strcmp(k->head, "(void)") == 0) btl_text_add(t, "(const void *rt)");
    else if (rt) btl_text_printf(t, "%.*s, const void *rt)", (int)(length - 1), k->head);
    else btl_text_add(t, k->head);
    btl_text_add(t, " {\n");
    if (standalone) unit_print_unused(t, k);
    unit_print_body(t, k->body, standalone);
    if (k->can_fail) btl_text_add(t, "    return 0;\n");
    btl_text_add(t, "}\n\n");
}

/* In the process the steps are the library's own: the compiler is spared them. */
static void unit_print_fold(btl_text *t, const btl_c_fold *f, btl_arena *a, bool standalone) {
    const char *type = btl_emit_ctype(f->dtype), *code = btl_elem_code(f->combine->elem, f->dtype);
    const char *name = btl_arena_printf(a, "btl_fold_%s_%s", f->combine->name, btl_dtype_name(f->dtype));
    if (!standalone) {
        btl_text_printf(t, "BTL_FOLD_IN_PROCESS(%s, %s, %d)\n", name, type, btl_fold_number(f->combine, f->dtype) * (int)sizeof(btl_fold_layout));
        return;
    }
    const char *operand[2] = { btl_elem_load(a, f->dtype, "x"), btl_elem_load(a, f->dtype, "y") };
    btl_text_printf(t, "static inline __attribute__((always_inline)) %s %s(%s x, %s y) {\n    %s z;\n    ", type, name, type, type, type);
    btl_elem_assign(t, code, operand, f->dtype, f->dtype, "z");
    btl_text_printf(t, "\n    return z;\n}\nBTL_FOLD(%s, %s)\n\n", name, type);
}

static const char unit_types[] =
    "typedef __INT8_TYPE__ int8_t; typedef __INT16_TYPE__ int16_t; typedef __INT32_TYPE__ int32_t; typedef __INT64_TYPE__ int64_t;\n"
    "typedef __UINT8_TYPE__ uint8_t; typedef __UINT16_TYPE__ uint16_t; typedef __UINT32_TYPE__ uint32_t; typedef __UINT64_TYPE__ uint64_t;\n"
    "typedef __SIZE_TYPE__ size_t;\n"
    "#define BTL_PRAGMA(text) _Pragma(#text)\n#define BTL_SIMD BTL_PRAGMA(omp simd)\n#define BTL_SIMD_OR(flag) BTL_PRAGMA(omp simd reduction(|:flag))\n"
    "#define memcpy __builtin_memcpy\n#define memset __builtin_memset\n\n";

/* ---- what ops of one's own need besides ------------------------------------------------------ */

static int unit_line(const btl_text *t) {
    int line = 1;
    for (size_t i = 0; i < t->length; i++) line += t->data[i] == '\n';
    return line;
}

static void unit_block(btl_unit *u, const btl_c_kernel *k, const char *what, int first_line, int last_line) {
    *BTL_PUSH(u->arena, u->blocks, u->nblocks, u->block_capacity) = (btl_c_block){ k, what, 0, first_line, last_line };
}

static bool unit_is_said(const char **said, int n, const char *text) {
    for (int i = 0; i < n; i++)
        if (strcmp(said[i], text) == 0) return true;
    return false;
}

static const char *unit_headers(const btl_c_kernel *k) { return k->node->op->code && k->node->op->code->headers ? k->node->op->code->headers : ""; }

/* "<math.h> \"mine.h\"", each name once. */
static void unit_print_headers(btl_text *t, btl_unit *u, int from, int to) {
    const char **said = NULL;
    int n = 0, capacity = 0;
    for (int i = from; i < to; i++)
        for (const char *s = unit_headers(u->kernels[i]); *s;) {
            size_t skip = strspn(s, " ,\t\n"), length = strcspn(s + skip, " ,\t\n");
            char *name = btl_arena_strndup(u->arena, s + skip, length);
            s += skip + length;
            if (!length || unit_is_said(said, n, name)) continue;
            *BTL_PUSH(u->arena, said, n, capacity) = name;
            int line = unit_line(t);
            btl_text_printf(t, "#include %s\n", name);
            unit_block(u, u->kernels[i], "headers", line, line);
        }
}

static void unit_print_own(btl_text *t, btl_unit *u, int from, int to) {
    const char **said = NULL;
    int n = 0, capacity = 0;
    for (int i = from; i < to; i++)
        for (int j = 0; j < u->kernels[i]->nsupport; j++) {
            const char *text = u->kernels[i]->support[j];
            if (unit_is_said(said, n, text)) continue;
            *BTL_PUSH(u->arena, said, n, capacity) = text;
            int line = unit_line(t);
            btl_text_printf(t, "%s\n", text);
            unit_block(u, u->kernels[i], "support code", line, unit_line(t) - 1);
        }
}

/* One of the texts of btl_op_code of all kernels' ops. */
static const char *unit_gather(btl_unit *u, size_t member) {
    btl_text t;
    const char **said = NULL;
    int n = 0, capacity = 0;
    btl_text_init(&t, u->arena);
    btl_text_add(&t, "");
    for (int i = 0; i < u->nkernels; i++) {
        const btl_op_code *code = u->kernels[i]->node->op->code;
        const char *text = NULL;
        if (code) memcpy(&text, (const char *)code + member, sizeof text);
        if (!text || !*text || unit_is_said(said, n, text)) continue;
        *BTL_PUSH(u->arena, said, n, capacity) = text;
        btl_text_printf(&t, t.length ? " %s" : "%s", text);
    }
    return t.data;
}

const char *btl_unit_compile_flags(btl_unit *u) { return unit_gather(u, offsetof(btl_op_code, compile_flags)); }
const char *btl_unit_libraries(btl_unit *u) { return unit_gather(u, offsetof(btl_op_code, libraries)); }

void btl_unit_print_support(btl_text *t, btl_unit *u, int from, int to, bool standalone) {
    btl_text folds;
    btl_text_init(&folds, u->arena);
    btl_snippets s = { 0 };
    btl_snippets_add(&s, u->arena, btl_vecmath_text);
    btl_snippets_add(&s, u->arena, btl_loops_text);
    btl_snippets_add(&s, u->arena, btl_support_text);
    btl_snippets_add(&s, u->arena, standalone ? btl_gemm_text : btl_process_text);
    bool fold_macro = false;
    for (int i = 0; i < u->folds.n; i++) {
        const char *name = btl_arena_printf(u->arena, "btl_fold_%s_%s_", u->folds.v[i].combine->name, btl_dtype_name(u->folds.v[i].dtype));
        bool used = false;
        for (int k = from; k < to && !used; k++) used = strstr(u->kernels[k]->body, name) != NULL;
        if (used) unit_print_fold(&folds, &u->folds.v[i], u->arena, standalone), fold_macro = standalone;
    }
    if (folds.length && !standalone) btl_snippets_use(&s, "btl_fold_in_process", strlen("btl_fold_in_process"));
    if (folds.length) btl_snippets_use(&s, folds.data, folds.length);
    for (int k = from; k < to; k++) {
        btl_snippets_use(&s, u->kernels[k]->body, strlen(u->kernels[k]->body));
        for (int j = 0; j < u->kernels[k]->nsupport; j++) btl_snippets_use(&s, u->kernels[k]->support[j], strlen(u->kernels[k]->support[j]));
    }
    unit_print_headers(t, u, from, to); /* before the macros, which take names of theirs */
    if (!standalone) btl_text_add(t, unit_types);
    btl_snippets_print(&s, t);
    if (fold_macro) btl_text_add(t, strstr(btl_fold_text, "#define BTL_FOLD"));
    if (folds.length) btl_text_addn(t, folds.data, folds.length);
    unit_print_own(t, u, from, to);
    btl_text_add(t, "\n");
}
