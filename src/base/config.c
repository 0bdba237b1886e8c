/* config.c - see config.h. SPDX-License-Identifier: BSD-3-Clause */
#include "base/config.h"

#include "base/os.h"
#include "base/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct config_setting {
    const char *key, *variable, *doc;
    bool (*good)(const char *value); /* NULL: any */
    const char *expected;
} config_setting;

static bool config_is_size(const char *value) {
    int64_t bytes;
    return btl_config_parse_size(value, &bytes);
}

static bool config_is_seconds(const char *value) {
    char *end;
    double seconds = strtod(value, &end);
    return end > value && !*end && seconds > 0 && seconds < 1e9;
}

static bool config_is_isa(const char *value) { return strcmp(value, "base") == 0 || strcmp(value, "v3") == 0 || strcmp(value, "v4") == 0; }

// clang-format off
static const config_setting config_settings[] = {
    { "mode",           "BITALE_MODE",           "how functions are compiled", NULL, NULL },
    { "cache_dir",      "BITALE_CACHE_DIR",      "the folder of compiled code", NULL, NULL },
    { "cache_readonly", "BITALE_CACHE_READONLY", "further folders to look in, apart by colons", NULL, NULL },
    { "cache_size",     "BITALE_CACHE_SIZE",     "the most that is kept there (1G)", config_is_size, "a size like 500M or 2G" },
    { "cc",             "BITALE_CC",             "the C compiler, a name or a path; none", NULL, NULL },
    { "cc_timeout",     "BITALE_CC_TIMEOUT",     "how many seconds it may take (300)", config_is_seconds, "a number of seconds above 0" },
    { "blas",           "BITALE_BLAS",           "a CBLAS, a path; none", NULL, NULL },
    { "isa",            "BITALE_ISA",            "the largest set of vector kernels", config_is_isa, "base, v3 or v4" },
};
// clang-format on

enum { CONFIG_SETTINGS = sizeof config_settings / sizeof *config_settings, CONFIG_BYTES = 1 << 15, CONFIG_PATH = 1024 };

/* Filled in once, by config_read. */
static char config_path[CONFIG_PATH], config_text[CONFIG_BYTES], config_from[CONFIG_SETTINGS][CONFIG_PATH + 16]; /* from: "FILE:LINE" */
static struct {
    const char *value[CONFIG_SETTINGS];
    int line[CONFIG_SETTINGS];
    bool is_there;
    btl_error problem;
} config;
static pthread_once_t config_once = PTHREAD_ONCE_INIT;

bool btl_config_parse_size(const char *text, int64_t *bytes) {
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    if (end == text || errno || !(number >= 0)) return false;
    const char *unit = *end ? strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end) : NULL;
    if (unit) {
        for (const char *u = units; u <= unit; u++) number *= 1024;
        end++;
        if (*end == 'i') end++;
    }
    if (*end == 'B' || *end == 'b') end++;
    if (*end || number > 9e18) return false;
    *bytes = (int64_t)number;
    return true;
}

/* ---- the file -------------------------------------------------------------------------------- */

static void config_find_path(void) {
    const char *xdg = btl_os_env("XDG_CONFIG_HOME"), *home = btl_os_env("HOME");
    int n = 0;
    if (xdg && *xdg == '/') n = snprintf(config_path, sizeof config_path, "%s/bitale/config", xdg); /* a relative one is to be ignored */
    else if (home) n = snprintf(config_path, sizeof config_path, "%s/.config/bitale/config", home);
    if (n < 0 || n >= CONFIG_PATH) config_path[0] = 0;
}

static const char *config_nth_key(void *arg, int i) {
    (void)arg;
    return config_settings[i].key;
}

/* "FILE:LINE: error: …", the first one. */
__attribute__((format(printf, 2, 3)))
static void config_wrong(int line, const char *format, ...) {
    char text[1500];
    va_list args;
    if (config.problem.status != BTL_OK) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    btl_error_set(&config.problem, BTL_EFORMAT, "%.300s:%d: error: %s", config_path, line, text);
    config.problem.line = line;
    size_t n = strlen(config_path), keep = sizeof config.problem.file - 1;
    memcpy(config.problem.file, config_path + (n > keep ? n - keep : 0), n > keep ? keep : n);
}

static void config_unknown(int line, const char *key) {
    char list[300] = "";
    const char *nearest = btl_nearest_name(key, strlen(key), CONFIG_SETTINGS, config_nth_key, NULL);
    for (int i = 0; i < CONFIG_SETTINGS; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", config_settings[i].key);
    }
    if (nearest) config_wrong(line, "there is no setting %.100s; did you mean %s? The settings are %s", key, nearest, list);
    else config_wrong(line, "there is no setting %.100s; the settings are %s", key, list);
}

/* Cuts blanks off both ends, in place. */
static char *config_trim(char *s) {
    s += strspn(s, " \t\r");
    size_t n = strlen(s);
    while (n && strchr(" \t\r", s[n - 1])) s[--n] = 0;
    return s;
}

static void config_read_setting(char *key, char *value, int line) {
    int i = 0;
    while (i < CONFIG_SETTINGS && strcmp(config_settings[i].key, key) != 0) i++;
    if (i == CONFIG_SETTINGS) config_unknown(line, key);
    else if (config.value[i]) config_wrong(line, "%s is set again; line %d sets it already", key, config.line[i]);
    else if (!*value) config_wrong(line, "%s has no value; %s is expected", key, config_settings[i].expected ? config_settings[i].expected : config_settings[i].doc);
    else if (config_settings[i].good && !config_settings[i].good(value)) config_wrong(line, "%s is %.100s; %s is expected", key, value, config_settings[i].expected);
    else {
        config.value[i] = value, config.line[i] = line;
        snprintf(config_from[i], sizeof config_from[i], "%s:%d", config_path, line);
    }
}

static void config_read_line(char *text, int line) {
    for (char *hash = strchr(text, '#'); hash; hash = strchr(hash + 1, '#'))
        if (hash == text || hash[-1] == ' ' || hash[-1] == '\t') *hash = 0; /* a comment */
    text = config_trim(text);
    char *equals = strchr(text, '=');
    if (!*text) return;
    if (!equals || equals == text) {
        config_wrong(line, "found \"%.100s\"; NAME = VALUE is expected, or # and a remark", text);
        return;
    }
    *equals = 0;
    config_read_setting(config_trim(text), config_trim(equals + 1), line);
}

static void config_read(void) {
    config_find_path();
    FILE *f = config_path[0] ? fopen(config_path, "rb") : NULL;
    if (!f) {
        if (config_path[0] && errno != ENOENT && errno != ENOTDIR) btl_error_set(&config.problem, BTL_EIO, "%.300s: cannot be read: %s", config_path, strerror(errno));
        return;
    }
    config.is_there = true;
    size_t n = fread(config_text, 1, sizeof config_text, f);
    bool failed = ferror(f) != 0;
    fclose(f);
    if (failed) btl_error_set(&config.problem, BTL_EIO, "%.300s: cannot be read: %s", config_path, strerror(errno));
    else if (n == sizeof config_text) btl_error_set(&config.problem, BTL_EFORMAT, "%.300s: has more than %d bytes; lines NAME = VALUE are expected", config_path, CONFIG_BYTES - 1);
    else if (memchr(config_text, 0, n)) btl_error_set(&config.problem, BTL_EFORMAT, "%.300s: is no text; lines NAME = VALUE are expected", config_path);
    if (config.problem.status != BTL_OK) return;
    config_text[n] = 0;
    int line = 1;
    for (char *p = config_text, *end; p; p = end, line++) {
        end = strchr(p, '\n');
        if (end) *end++ = 0;
        config_read_line(p, line);
    }
}

/* ---- questions -------------------------------------------------------------------------------- */

const char *btl_config_value(const char *key, const char **from) {
    int i = 0;
    pthread_once(&config_once, config_read);
    while (i < CONFIG_SETTINGS && strcmp(config_settings[i].key, key) != 0) i++;
    if (i == CONFIG_SETTINGS) return NULL;
    const char *value = btl_os_env(config_settings[i].variable);
    bool file = !value && config.value[i];
    if (from) *from = file ? config_from[i] : config_settings[i].variable;
    return file ? config.value[i] : value;
}

const char *btl_config_key(int i, const char **variable, const char **doc) {
    if (i < 0 || i >= CONFIG_SETTINGS) return NULL;
    if (variable) *variable = config_settings[i].variable;
    if (doc) *doc = config_settings[i].doc;
    return config_settings[i].key;
}

const char *btl_config_path(bool *is_there) {
    pthread_once(&config_once, config_read);
    if (is_there) *is_there = config.is_there;
    return config_path;
}

btl_status btl_config_problem(btl_status (*mode_check)(const char *mode, btl_error *err), btl_error *err) {
    pthread_once(&config_once, config_read);
    btl_error why = config.problem;
    if (why.status == BTL_OK && config.value[0] && mode_check(config.value[0], &why) != BTL_OK) {
        btl_error placed = { 0 };
        btl_error_set(&placed, BTL_EFORMAT, "%.300s: error: mode: %s", config_from[0], why.message);
        why = placed;
        why.line = config.line[0];
    }
    if (why.status != BTL_OK && err && err->status == BTL_OK) *err = why;
    return why.status;
}
