/* ruletext.c - rules of one's own: definitions read from text or taken from the program, checked, registered. bitale/rules.h tells
 * what they look like.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/context.h"
#include "base/error.h"
#include "base/text.h"
#include "expr/parse.h"
#include "rewrite/driver.h"
#include "rewrite/match.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a definition says, member by member; in a file, behind the key. */
typedef enum ruletext_field {
    FIELD_NAME, FIELD_MATCH, FIELD_RESULT, FIELD_WHEN, FIELD_WHY, FIELD_SOURCE, FIELD_PHASE, FIELD_CLASS, FIELD_NEEDS,
    FIELD_TAGS, FIELD_EXAMPLE, FIELD_OPT_IN, NFIELDS
} ruletext_field;

static const char *const ruletext_words[NFIELDS] = { "name", "match", "result", "when", "why", "source", "phase", "class", "needs", "tags", "example", "opt_in" };
enum { FIRST_KEY = FIELD_WHY };

/* A definition, with the places of what it says. */
typedef struct ruletext_draft {
    const char *text[NFIELDS];
    btl_place place[NFIELDS];     /* file NULL: from a program */
    btl_var *(*apply)(btl_rule_match *m, void *user);
    void *user;
    struct ruletext_draft *next;
} ruletext_draft;

typedef struct ruletext {
    btl_context *ctx;
    btl_arena arena;
    const char *file, *text;
    size_t length;
    int line;                     /* the one being read */
    const char *source;           /* it, as a text */
    ruletext_draft *first, **last;
    int n;
    const btl_rule_def *def;      /* of a program, or NULL */
    btl_error *err;
} ruletext;

/* ---- messages --------------------------------------------------------------------------------- */

static btl_status ruletext_fail_at(ruletext *t, const btl_place *p, btl_status status, const char *message) {
    char text[1000] = "";
    if (p->source && p->column) btl_place_print_source(text, sizeof text, p);
    btl_error_set(t->err, status, "%s:%d:%d: error: %s\n%s", p->file, p->line, p->column, message, text);
    if (!t->err) return status;
    t->err->line = p->line, t->err->column = p->column;
    snprintf(t->err->file, sizeof t->err->file, "%s", p->file);
    return status;
}

/* What is wrong with a member, `at` being in its text or NULL. */
static btl_status ruletext_fail(ruletext *t, const ruletext_draft *d, ruletext_field field, const char *at, btl_status status, const char *message) {
    btl_place p = d->place[field];
    const char *text = d->text[field];
    if (p.file) {
        if (at && at >= text && at <= text + strlen(text)) p.column += (int)(at - text), p.length = 1;
        return ruletext_fail_at(t, &p, status, message);
    }
    const char *name = d->text[FIELD_NAME] ? d->text[FIELD_NAME] : "?";
    if (text && at && *at) return btl_error_set(t->err, status, "rule %s: %s: %s at \"%s\" in \"%s\"", name, ruletext_words[field], message, at, text);
    return btl_error_set(t->err, status, "rule %s: %s: %s", name, ruletext_words[field], message);
}

/* "no rule has the phase x; phases are a, b, c" */
static const char *ruletext_unknown(ruletext *t, const char *what, const char *word, size_t n, int nwords, const char *const *words) {
    btl_text s;
    btl_text_init(&s, &t->arena);
    btl_text_printf(&s, "%s %.*s is not known; ", what, (int)n, word);
    for (int i = 0; i < nwords; i++) btl_text_printf(&s, "%s%s", i == 0 ? "" : i + 1 < nwords ? ", " : " and ", words[i]);
    btl_text_add(&s, " are");
    return s.data;
}

/* ---- members ------------------------------------------------------------------------------------ */

static const char *const ruletext_phases[] = { "canonicalize", "stabilize", "specialize", "lower" };
static const char *const ruletext_needs[] = { "finite", "no_signed_zero", "no_overflow" };
static const char *const ruletext_classes[] = { "exact", "ulp N", "reassociates" };

/* Words of a list as bits. */
static btl_status ruletext_bits(ruletext *t, const ruletext_draft *d, ruletext_field field, int n, const char *const *words, unsigned *bits) {
    *bits = 0;
    if (!d->text[field]) return BTL_OK;
    for (const char *s = d->text[field] + strspn(d->text[field], " ,"); *s; s += strspn(s, " ,")) {
        size_t length = strcspn(s, " ,");
        int i = 0;
        while (i < n && (strlen(words[i]) != length || memcmp(words[i], s, length) != 0)) i++;
        if (i == n) return ruletext_fail(t, d, field, s, BTL_EVALUE, ruletext_unknown(t, ruletext_words[field], s, length, n, words));
        *bits |= 1u << i;
        s += length;
    }
    return BTL_OK;
}

static btl_status ruletext_class(ruletext *t, const ruletext_draft *d, btl_rule *r) {
    const char *s = d->text[FIELD_CLASS];
    r->exactness = BTL_EXACT;
    if (!s || strcmp(s, "exact") == 0) return BTL_OK;
    r->exactness = BTL_REASSOCIATES;
    if (strcmp(s, "reassociates") == 0) return BTL_OK;
    r->exactness = BTL_WITHIN_ULP;
    char *end = NULL;
    if (strncmp(s, "ulp ", 4) == 0) r->ulp = strtod(s + 4, &end);
    if (end && end > s + 4 && !*end && r->ulp > 0 && r->ulp <= 1e6) return BTL_OK;
    return ruletext_fail(t, d, FIELD_CLASS, s, BTL_EVALUE, ruletext_unknown(t, "class", s, strlen(s), 3, ruletext_classes));
}

static btl_status ruletext_flag(ruletext *t, const ruletext_draft *d, btl_rule *r) {
    const char *s = d->text[FIELD_OPT_IN];
    r->opt_in = s && strcmp(s, "true") == 0;
    if (!s || r->opt_in || strcmp(s, "false") == 0) return BTL_OK;
    return ruletext_fail(t, d, FIELD_OPT_IN, s, BTL_EVALUE, "true or false is expected");
}

static bool ruletext_is_word(const char *s) {
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.");
    return n && n < 60 && !s[n] && !(s[0] >= '0' && s[0] <= '9');
}

/* A name must be nobody else's: rule, tag, or the pass that `without` knows. */
static btl_status ruletext_name(ruletext *t, const ruletext_draft *d) {
    const char *name = d->text[FIELD_NAME];
    if (!ruletext_is_word(name)) return ruletext_fail(t, d, FIELD_NAME, NULL, BTL_ENAME, "a name is expected: letters, digits, _, at most 59");
    const btl_rule *same = btl_rule_lookup(t->ctx, name);
    if (same) return ruletext_fail(t, d, FIELD_NAME, NULL, BTL_ENAME, btl_arena_printf(&t->arena, "there is a rule %s already: %s", name, same->why ? same->why : "of one's own"));
    for (const ruletext_draft *o = t->first; o && o != d; o = o->next)
        if (strcmp(o->text[FIELD_NAME], name) == 0)
            return ruletext_fail(t, d, FIELD_NAME, NULL, BTL_ENAME, btl_arena_printf(&t->arena, "a rule %s stands in line %d already", name, o->place[FIELD_NAME].line));
    bool is_tag = strcmp(name, "fuse") == 0;
    for (int i = 0, n = btl_rules_count(); i < n && !is_tag; i++) is_tag = btl_rule_word_is(btl_rule_at(i), name);
    if (is_tag)
        return ruletext_fail(t, d, FIELD_NAME, NULL, BTL_ENAME, btl_arena_printf(&t->arena, "%s is a tag of rules: `without` could not tell them apart", name));
    return BTL_OK;
}

/* ---- a definition as a rule --------------------------------------------------------------------- */

static btl_var *ruletext_apply(btl_match *m, const btl_node *n) {
    const btl_own_rule *own = (const btl_own_rule *)(const void *)m->compiled->rule; /* its first member */
    (void)n;
    return own->def.apply((btl_rule_match *)(void *)m, own->def.user);
}

btl_graph *btl_rule_match_graph(const btl_rule_match *m) { return ((const btl_match *)(const void *)m)->g; }
btl_var *btl_rule_match_root(const btl_rule_match *m) { return ((const btl_match *)(const void *)m)->root->out; }

btl_var *btl_rule_match_bound(const btl_rule_match *opaque, char letter) {
    const btl_match *m = (const btl_match *)(const void *)opaque;
    for (int i = 0; i < BTL_RULE_BINDINGS; i++)
        if (m->compiled->letters[i] == letter && letter) return m->bound[i];
    return NULL;
}

static btl_status ruletext_compile(ruletext *t, const ruletext_draft *d, const btl_rule *r) {
    btl_compiled_rule c;
    btl_rule_compile(&t->arena, r, &c);
    if (!c.broken) return BTL_OK;
    static const ruletext_field fields[] = { FIELD_MATCH, FIELD_WHEN, FIELD_RESULT };
    for (int i = 0; i < 3; i++) {
        const char *text = d->text[fields[i]];
        if (text && c.broken_at && c.broken_at >= text && c.broken_at <= text + strlen(text))
            return ruletext_fail(t, d, fields[i], c.broken_at, strstr(c.broken, "there is no") || strstr(c.broken, "bind") || strstr(c.broken, "named") ? BTL_ENAME : BTL_ESYNTAX, c.broken);
    }
    return ruletext_fail(t, d, FIELD_MATCH, NULL, BTL_ESYNTAX, c.broken);
}

static btl_status ruletext_rule(ruletext *t, const ruletext_draft *d, btl_own_rule *own) {
    btl_rule *r = &own->rule;
    *r = (btl_rule){ .name = d->text[FIELD_NAME], .match = d->text[FIELD_MATCH], .result = d->text[FIELD_RESULT], .conditions = d->text[FIELD_WHEN],
                     .why = d->text[FIELD_WHY], .source = d->text[FIELD_SOURCE], .tags = d->text[FIELD_TAGS], .example = d->text[FIELD_EXAMPLE],
                     .apply = d->apply && !d->text[FIELD_RESULT] ? ruletext_apply : NULL };
    own->def = (btl_rule_def){ .apply = d->apply, .user = d->user };
    own->origin = d->place[FIELD_NAME].file ? btl_arena_printf(&t->arena, "%s:%d", d->place[FIELD_NAME].file, d->place[FIELD_NAME].line) : "the program";
    BTL_TRY(ruletext_name(t, d));
    if (!r->match || !*r->match) return ruletext_fail(t, d, FIELD_MATCH, NULL, BTL_ESYNTAX, "a pattern is expected");
    if (!r->result && !r->apply) return ruletext_fail(t, d, FIELD_RESULT, NULL, BTL_ESYNTAX, "a result is expected");
    if (d->apply && r->result) return ruletext_fail(t, d, FIELD_RESULT, NULL, BTL_EVALUE, "a rule has a result or code, not both");
    BTL_TRY(ruletext_bits(t, d, FIELD_PHASE, 4, ruletext_phases, &r->phase));
    if (!r->phase) r->phase = BTL_CANONICALIZE;
    BTL_TRY(ruletext_bits(t, d, FIELD_NEEDS, 3, ruletext_needs, &r->needs));
    BTL_TRY(ruletext_class(t, d, r));
    BTL_TRY(ruletext_flag(t, d, r));
    return ruletext_compile(t, d, r);
}

/* ---- reading a text ------------------------------------------------------------------------------- */

static btl_status ruletext_fail_line(ruletext *t, int column, const char *message) {
    btl_place p = { .file = t->file, .line = t->line, .column = column, .length = 1, .source = t->source };
    return ruletext_fail_at(t, &p, BTL_ESYNTAX, message);
}

/* The part from..to of the line, blanks at its ends taken off, as a member. */
static void ruletext_set(ruletext *t, ruletext_draft *d, ruletext_field field, const char *from, const char *to) {
    while (from < to && (*from == ' ' || *from == '\t')) from++;
    while (from < to && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r')) to--;
    d->text[field] = btl_arena_strndup(&t->arena, from, (size_t)(to - from));
    d->place[field] = (btl_place){ .file = t->file, .line = t->line, .column = (int)(from - t->source) + 1, .length = (int)(to - from), .source = t->source };
}

/* `rule NAME: MATCH => RESULT [when CONDITIONS]   # comment` */
static btl_status ruletext_read_rule(ruletext *t) {
    const char *s = t->source + 5, *end = s + strcspn(s, "#"), *colon = memchr(s, ':', (size_t)(end - s));
    if (!colon) return ruletext_fail_line(t, 6, "`rule NAME: PATTERN => RESULT` is expected: there is no colon");
    const char *arrow = strstr(colon, "=>");
    if (!arrow || arrow >= end) return ruletext_fail_line(t, (int)(colon - t->source) + 2, "`rule NAME: PATTERN => RESULT` is expected: there is no =>");
    const char *when = strstr(arrow, " when ");
    if (when && when >= end) when = NULL;
    ruletext_draft *d = BTL_NEW(&t->arena, ruletext_draft);
    ruletext_set(t, d, FIELD_NAME, s, colon);
    ruletext_set(t, d, FIELD_MATCH, colon + 1, arrow);
    ruletext_set(t, d, FIELD_RESULT, arrow + 2, when ? when : end);
    if (when) ruletext_set(t, d, FIELD_WHEN, when + 6, end);
    if (!*d->text[FIELD_RESULT]) return ruletext_fail(t, d, FIELD_RESULT, NULL, BTL_ESYNTAX, "a result is expected");
    if (d->text[FIELD_MATCH][0] == '(' && strchr(d->text[FIELD_RESULT], ' ') && strcmp(d->text[FIELD_RESULT], "(in code)") == 0)
        return ruletext_fail(t, d, FIELD_RESULT, NULL, BTL_EVALUE, "a file cannot give rules in code: btl_rule_register does");
    *t->last = d;
    t->last = &d->next;
    t->n++;
    return BTL_OK;
}

static const char *ruletext_key_word(void *arg, int i) { (void)arg; return ruletext_words[FIRST_KEY + i]; }

/* `    KEY: TEXT` */
static btl_status ruletext_read_key(ruletext *t, ruletext_draft *d, const char *s) {
    size_t n = strcspn(s, ": \t");
    int column = (int)(s - t->source) + 1;
    if (!d) return ruletext_fail_line(t, column, "this line is indented, but no rule stands above it");
    if (s[n + strspn(s + n, " \t")] != ':') return ruletext_fail_line(t, column, "`KEY: TEXT` is expected below a rule");
    int field = FIRST_KEY;
    while (field < NFIELDS && (strlen(ruletext_words[field]) != n || memcmp(ruletext_words[field], s, n) != 0)) field++;
    if (field == NFIELDS) {
        const char *near = btl_nearest_name(s, n, NFIELDS - FIRST_KEY, ruletext_key_word, NULL);
        const char *message = ruletext_unknown(t, "the key", s, n, NFIELDS - FIRST_KEY, ruletext_words + FIRST_KEY);
        return ruletext_fail_line(t, column, near ? btl_arena_printf(&t->arena, "%s; did you mean %s?", message, near) : message);
    }
    if (d->text[field]) return ruletext_fail_line(t, column, btl_arena_printf(&t->arena, "%s is said twice, first in line %d", ruletext_words[field], d->place[field].line));
    const char *rest = strchr(s, ':') + 1;
    ruletext_set(t, d, (ruletext_field)field, rest, rest + strlen(rest));
    return BTL_OK;
}

static btl_status ruletext_read_line(ruletext *t, ruletext_draft **d) {
    const char *s = t->source + strspn(t->source, " \t\r");
    if (!*s || *s == '#') return BTL_OK;
    if (s > t->source) return ruletext_read_key(t, *d, s);
    if (strncmp(s, "bitale 1", 8) == 0 && !t->first) return BTL_OK;
    if (strncmp(s, "rule ", 5) != 0) return ruletext_fail_line(t, 1, "`rule NAME: PATTERN => RESULT` is expected, or an indented `KEY: TEXT`");
    BTL_TRY(ruletext_read_rule(t));
    while ((*d ? (*d)->next : t->first)) *d = *d ? (*d)->next : t->first;
    return BTL_OK;
}

static btl_status ruletext_read(ruletext *t) {
    ruletext_draft *d = NULL;
    for (size_t at = 0; at < t->length;) {
        const char *line = t->text + at, *end = memchr(line, '\n', t->length - at);
        size_t n = end ? (size_t)(end - line) : t->length - at;
        t->line++;
        t->source = btl_arena_strndup(&t->arena, line, n);
        if (memchr(line, 0, n)) return ruletext_fail_line(t, 1, "the line has a zero byte: this is no text");
        BTL_TRY(ruletext_read_line(t, &d));
        at += n + 1;
    }
    return BTL_OK;
}

static void ruletext_take(ruletext *t) {
    const btl_rule_def *def = t->def;
    ruletext_draft *d = BTL_NEW(&t->arena, ruletext_draft);
    const char *texts[NFIELDS] = { def->name, def->match, def->result, def->when, def->why, def->source, def->phase, def->exactness,
                                   def->needs, def->tags, def->example, def->opt_in ? "true" : NULL };
    memcpy(d->text, texts, sizeof texts);
    d->apply = def->apply, d->user = def->user;
    t->first = d;
    t->n = 1;
}

/* ---- all of it ------------------------------------------------------------------------------------ */

static btl_status ruletext_run(void *arg) {
    ruletext *t = arg;
    t->last = &t->first;
    if (t->def) ruletext_take(t);
    else BTL_TRY(ruletext_read(t));
    btl_own_rule *rules = BTL_ARRAY(&t->arena, btl_own_rule, t->n + 1);
    int i = 0;
    for (const ruletext_draft *d = t->first; d; d = d->next) BTL_TRY(ruletext_rule(t, d, &rules[i++]));
    return btl_rulebook_add(t->ctx, t->n, rules, t->err);
}

static btl_status ruletext_register(ruletext *t) {
    btl_error ignored = { 0 };
    if (!t->err) t->err = &ignored;
    btl_arena_init(&t->arena, t->ctx);
    btl_status status = btl_arena_protect(&t->arena, ruletext_run, t);
    btl_arena_deinit(&t->arena);
    if (status == BTL_ENOMEM) btl_error_set(t->err, status, "no memory for rules");
    return status;
}

btl_status btl_rule_register(btl_context *ctx, const btl_rule_def *def, btl_error *err) {
    if (!ctx || !def || def->struct_size < sizeof *def || !def->name)
        return btl_error_set(err, BTL_EUSAGE, "btl_rule_register: a context and a btl_rule_def with its struct_size and a name are expected");
    ruletext t = { .ctx = ctx, .def = def, .err = err };
    return ruletext_register(&t);
}

btl_status btl_rules_parse(btl_context *ctx, const char *text, size_t length, const char *file, btl_error *err) {
    if (!ctx || (!text && length)) return btl_error_set(err, BTL_EUSAGE, "btl_rules_parse: a context and a text are expected");
    ruletext t = { .ctx = ctx, .text = text, .length = length, .file = file ? file : "rules", .err = err };
    return ruletext_register(&t);
}

enum { RULETEXT_MOST_BYTES = 1 << 24 };

btl_status btl_rules_load(btl_context *ctx, const char *path, btl_error *err) {
    FILE *f = fopen(path, "rb");
    if (!f) return btl_error_set(err, BTL_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    size_t bytes = 0, room = 1 << 16;
    char *text = btl_alloc(ctx, room);
    btl_status status = text ? BTL_OK : BTL_ENOMEM;
    while (status == BTL_OK) {
        size_t got = fread(text + bytes, 1, room - bytes, f);
        bytes += got;
        if (!got) break;
        if (bytes < room) continue;
        char *more = room < RULETEXT_MOST_BYTES ? btl_realloc(ctx, text, room, 2 * room) : NULL;
        if (more) text = more, room *= 2;
        else status = room < RULETEXT_MOST_BYTES ? BTL_ENOMEM : btl_error_set(err, BTL_EFORMAT, "%s: more than %d bytes: this is no file of rules", path, RULETEXT_MOST_BYTES);
    }
    if (status == BTL_OK && ferror(f)) status = btl_error_set(err, BTL_EIO, "%s: cannot be read: %s", path, strerror(errno));
    fclose(f);
    if (status == BTL_OK) status = btl_rules_parse(ctx, text, bytes, path, err);
    else if (status == BTL_ENOMEM) btl_error_set(err, status, "%s: no memory", path);
    btl_free(ctx, text, text ? room : 0);
    return status;
}
