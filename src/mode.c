/* mode.c - see mode.h. SPDX-License-Identifier: BSD-3-Clause */
#include "mode.h"

#include "base/config.h"
#include "bitale/tools.h"
#include "rewrite/rules.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table ------------------------------------------------------------------------------ */

enum { MODE_ALL = BTL_CANONICALIZE | BTL_STABILIZE | BTL_SPECIALIZE | BTL_LOWER };

static const btl_mode mode_table[] = {
    { .name = "fast_run", .phases = MODE_ALL, .linker = LINK_C, .doc = "all rewrites, generated C" },
    { .name = "fast_compile", .phases = BTL_STABILIZE | BTL_LOWER, .linker = LINK_STRIPS,
      .doc = "the rewrites that stability needs, the strip interpreter: starts at once, needs no compiler" },
    { .name = "c_code", .phases = BTL_LOWER, .as_written = true, .linker = LINK_C,
      .doc = "no rewrites and no fusion: the graph as it was written, each op by its own generated C" },
    { .name = "debug", .phases = MODE_ALL, .linker = LINK_VM, .checks = CHECKS_DEBUG,
      .doc = "all rewrites, each one checked; every node in each way there is to run it, compared, and held to its contract: slow" },
    { .name = "nan_guard", .phases = MODE_ALL, .linker = LINK_VM, .checks = CHECKS_NAN,
      .doc = "as fast_run; stops at the first node that makes a NaN, an infinity or a huge value" },
    { .name = "monitor", .phases = MODE_ALL, .linker = LINK_VM, .checks = CHECKS_MONITOR,
      .doc = "as fast_run; the host looks at each node, the command lists the range of its values" },
};

enum { MODES = sizeof mode_table / sizeof *mode_table };

static const char *const mode_linkers[] = { [LINK_C] = "c", [LINK_VM] = "vm", [LINK_STRIPS] = "strips", [LINK_EVAL] = "eval", NULL };
static const char *const mode_checks[] = { [CHECKS_NONE] = "none", [CHECKS_DEBUG] = "debug", [CHECKS_NAN] = "nan", [CHECKS_MONITOR] = "monitor", NULL };
static const char *const mode_tiers[] = { "immediate", "background", NULL };
static const char *const mode_orders[] = { [BTL_ORDERING_FAST] = "fast", [BTL_ORDERING_EXACT] = "exact", [BTL_ORDERING_GIVEN] = "given", NULL };
static const char *const mode_switches[] = { "off", "on", NULL };

const char *btl_linker_name(vm_linker linker) { return mode_linkers[linker]; }

const char *btl_function_checks(const btl_function *f) { return mode_checks[f->watch]; }

const char *btl_mode_name(int i, const char **doc) {
    if (i < 0 || i >= MODES) return NULL;
    if (doc) *doc = mode_table[i].doc;
    return mode_table[i].name;
}

/* ---- settings -------------------------------------------------------------------------------- */

static bool mode_is(const char *word, int length, const char *name) { return strlen(name) == (size_t)length && strncmp(word, name, (size_t)length) == 0; }

static const char *mode_list(const char *const *names, char *text, size_t bytes) {
    size_t n = 0;
    for (int i = 0; names[i] && n < bytes; i++) n += (size_t)snprintf(text + n, bytes - n, "%s%s", !i ? "" : names[i + 1] ? ", " : " and ", names[i]);
    return text;
}

/* The number of the word among those names, or -1 after a message. */
static int mode_choice(const char *what, const char *const *names, const char *word, int length, btl_error *err) {
    char list[200];
    for (int i = 0; names[i]; i++)
        if (mode_is(word, length, names[i])) return i;
    bool is_policy = strcmp(what, "policy") == 0;
    btl_error_set(err, BTL_EUSAGE, "there is no %s %.*s; %s%s %s", what, length, word, is_policy ? "policies" : what, strcmp(what, "checks") == 0 || is_policy ? " are" : "s are",
                  mode_list(names, list, sizeof list));
    return -1;
}

static btl_status mode_set_linker(btl_mode *m, const char *word, int length, btl_error *err) {
    int i = mode_choice("linker", mode_linkers, word, length, err);
    m->linker = i < 0 ? m->linker : (vm_linker)i, m->linker_said = true;
    return i < 0 ? BTL_EUSAGE : BTL_OK;
}

static btl_status mode_set_checks(btl_mode *m, const char *word, int length, btl_error *err) {
    int i = mode_choice("checks", mode_checks, word, length, err);
    m->checks = i < 0 ? m->checks : (vm_checks)i;
    return i < 0 ? BTL_EUSAGE : BTL_OK;
}

static btl_status mode_set_tier(btl_mode *m, const char *word, int length, btl_error *err) {
    int i = mode_choice("tier", mode_tiers, word, length, err);
    m->background = i == 1;
    return i < 0 ? BTL_EUSAGE : BTL_OK;
}

static btl_status mode_set_policy(btl_mode *m, const char *word, int length, btl_error *err) {
    int i = mode_choice("policy", btl_policy_names, word, length, err);
    m->policy = i < 0 ? m->policy : (btl_policy)i;
    return i < 0 ? BTL_EUSAGE : BTL_OK;
}

static btl_status mode_set_order(btl_mode *m, const char *word, int length, btl_error *err) {
    int i = mode_choice("order", mode_orders, word, length, err);
    m->ordering = i < 0 ? m->ordering : (btl_ordering)i;
    return i < 0 ? BTL_EUSAGE : BTL_OK;
}

static btl_status mode_set_switch(const char *what, bool *out, const char *word, int length, btl_error *err) {
    for (int i = 0; mode_switches[i]; i++)
        if (mode_is(word, length, mode_switches[i])) {
            *out = i == 1;
            return BTL_OK;
        }
    return btl_error_set(err, BTL_EUSAGE, "%s=%.*s: on or off is expected", what, length, word);
}

static btl_status mode_set_nan(btl_mode *m, const char *word, int length, btl_error *err) {
    m->limits_said = true;
    return mode_set_switch("nan", &m->limits.nan, word, length, err);
}

static btl_status mode_set_inf(btl_mode *m, const char *word, int length, btl_error *err) {
    m->limits_said = true;
    return mode_set_switch("inf", &m->limits.inf, word, length, err);
}

static btl_status mode_set_big(btl_mode *m, const char *word, int length, btl_error *err) {
    char text[60], *end;
    snprintf(text, sizeof text, "%.*s", length, word);
    double value = mode_is(word, length, "off") ? (double)INFINITY : strtod(text, &end);
    m->limits_said = true;
    if (isinf(value) ? !mode_is(word, length, "off") : end == text || *end || !(value > 0))
        return btl_error_set(err, BTL_EUSAGE, "big=%.*s: a number above 0 is expected, or off", length, word);
    m->limits.big = value;
    return BTL_OK;
}

static btl_status mode_set_gc(btl_mode *m, const char *word, int length, btl_error *err) { return mode_set_switch("gc", &m->gc, word, length, err); }

/* The same word must not be asked for and switched off. */
static btl_status mode_add_word(btl_mode *m, bool with, const char *word, int length, btl_error *err) {
    if (!length) return btl_error_set(err, BTL_EUSAGE, "%s= names no rewrite; `bitale rules` lists them", with ? "with" : "without");
    for (int i = 0; i < m->nwords; i++)
        if (m->words[i].with != with && m->words[i].length == length && strncmp(m->words[i].text, word, (size_t)length) == 0)
            return btl_error_set(err, BTL_EUSAGE, "with %.*s and without %.*s contradict each other", length, word, length, word);
    if (m->nwords == MODE_WORDS) return btl_error_set(err, BTL_EUSAGE, "more than %d rewrites are named by with and without", MODE_WORDS);
    m->words[m->nwords++] = (mode_word){ word, length, with };
    return BTL_OK;
}

static btl_status mode_add_with(btl_mode *m, const char *word, int length, btl_error *err) { return mode_add_word(m, true, word, length, err); }
static btl_status mode_add_without(btl_mode *m, const char *word, int length, btl_error *err) { return mode_add_word(m, false, word, length, err); }

typedef struct mode_setting { const char *name; btl_status (*set)(btl_mode *m, const char *word, int length, btl_error *err); } mode_setting;

static const mode_setting mode_settings[] = {
    { "linker", mode_set_linker }, { "checks", mode_set_checks }, { "tier", mode_set_tier }, { "policy", mode_set_policy }, { "gc", mode_set_gc }, { "order", mode_set_order }, { "with", mode_add_with }, { "without", mode_add_without },
    { "nan", mode_set_nan }, { "inf", mode_set_inf }, { "big", mode_set_big },
};

/* ---- reading ---------------------------------------------------------------------------------- */

static btl_status mode_unknown(const char *word, int length, btl_error *err) {
    const char *names[MODES + 1] = { NULL };
    char list[200];
    for (int i = 0; i < MODES; i++) names[i] = mode_table[i].name;
    return btl_error_set(err, BTL_EUSAGE, "there is no mode %.*s; the modes are %s", length, word, mode_list(names, list, sizeof list));
}

static btl_status mode_item(btl_mode *m, const char *word, int length, btl_error *err) {
    const char *equals = memchr(word, '=', (size_t)length), *names[sizeof mode_settings / sizeof *mode_settings + 1] = { NULL };
    char list[200];
    int key = (int)(equals - word);
    for (size_t i = 0; i < sizeof mode_settings / sizeof *mode_settings; i++) {
        names[i] = mode_settings[i].name;
        if (mode_is(word, key, names[i])) return mode_settings[i].set(m, equals + 1, length - key - 1, err);
    }
    return btl_error_set(err, BTL_EUSAGE, "a mode has no setting %.*s; settings are %s", key, word, mode_list(names, list, sizeof list));
}

static btl_status mode_named(btl_mode *m, const char *word, int length, btl_error *err) {
    int i = 0;
    while (i < MODES && !mode_is(word, length, mode_table[i].name)) i++;
    if (i == MODES) return mode_unknown(word, length, err);
    *m = mode_table[i];
    m->limits = (vm_nan_limits){ true, true, 1e10 }; /* Theano's */
    return BTL_OK;
}

/* What is chosen must go together. */
static btl_status mode_settle(btl_mode *m, btl_error *err) {
    const char *checks = mode_checks[m->checks];
    if (m->checks != CHECKS_NONE && m->linker == LINK_C) {
        if (m->linker_said) return btl_error_set(err, BTL_EUSAGE, "linker=c makes one routine of the whole function, with no room for checks=%s; linker=vm, strips and eval go with it", checks);
        m->linker = LINK_VM;
    }
    if (m->checks == CHECKS_DEBUG && m->background) return btl_error_set(err, BTL_EUSAGE, "checks=debug compares generated code from the first call on: it does not go with tier=background");
    if (m->limits_said && m->checks != CHECKS_NAN) return btl_error_set(err, BTL_EUSAGE, "nan, inf and big are settings of checks=nan (mode nan_guard), not of checks=%s", checks);
    return BTL_OK;
}

static btl_status mode_read_words(btl_mode *m, bool with, const char *words, btl_error *err) {
    for (const char *word = words; word && *word;) {
        word += strspn(word, ", ");
        int length = (int)strcspn(word, ", ");
        if (length) BTL_TRY(mode_add_word(m, with, word, length, err));
        word += length;
    }
    return BTL_OK;
}

static btl_status mode_read_text(const char *text, btl_mode *m, btl_error *err) {
    BTL_TRY(mode_named(m, "fast_run", 8, err));
    bool first = true;
    for (const char *word = text; *word; word += *word == ',') {
        int length = (int)strcspn(word, ",");
        if (length && memchr(word, '=', (size_t)length)) BTL_TRY(mode_item(m, word, length, err));
        else if (length && !first) return btl_error_set(err, BTL_EUSAGE, "%.*s: a mode's name stands first, settings (%s=…) behind it", length, word, mode_settings[0].name);
        else if (length) BTL_TRY(mode_named(m, word, length, err));
        first = false;
        word += length;
    }
    return BTL_OK;
}

static btl_status mode_read_all(const char *text, const char *with, const char *without, btl_mode *m, btl_error *err) {
    BTL_TRY(mode_read_text(text, m, err));
    BTL_TRY(mode_read_words(m, true, with, err));
    BTL_TRY(mode_read_words(m, false, without, err));
    return mode_settle(m, err);
}

btl_status btl_mode_check(const char *mode, btl_error *err) {
    btl_mode m;
    return mode_read_all(mode, NULL, NULL, &m, err);
}

const char *btl_mode_default(void) {
    const char *mode = btl_config_value("mode", NULL);
    return mode ? mode : mode_table[0].name;
}

btl_status btl_mode_read(const char *text, const char *with, const char *without, btl_mode *m, btl_error *err) {
    btl_error why = { 0 };
    const char *from;
    BTL_TRY(btl_config_check(err));
    if (text && *text) return mode_read_all(text, with, without, m, err);
    text = btl_mode_default();
    btl_config_value("mode", &from);
    if (btl_mode_check(text, &why) != BTL_OK) return btl_error_set(err, why.status, "%.400s: %s", from, why.message);
    return mode_read_all(text, with, without, m, err);
}

/* ---- configuration, for tools ------------------------------------------------------------------ */

btl_status btl_config_check(btl_error *err) { return btl_config_problem(btl_mode_check, err); }

const char *btl_config_file(bool *is_there) { return btl_config_path(is_there); }

bool btl_config_at(int i, btl_config_item *out) {
    const char *key = btl_config_key(i, &out->variable, &out->doc);
    if (!key) return false;
    out->key = key;
    out->value = btl_config_value(key, &out->from);
    if (!out->value) out->from = NULL;
    return true;
}
