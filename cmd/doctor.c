/* doctor.c - bitale doctor: what this machine has, and what that means for Bitale.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifdef __linux__
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "common.h"
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

static const char doctor_doc[] =
    "Tells what was found on this machine (compiler, BLAS, vector kernels, libraries, processors, cache folder) and what follows from it."
    "\v"
    "Nothing is changed or installed.\n"
    "\n"
    "Environment: BITALE_CC (or CC) names a C compiler (none: none is used), BITALE_CACHE_DIR the cache folder, BITALE_CACHE_READONLY others to look in, "
    "apart by colons, BITALE_CACHE_SIZE the most that is kept (1G), BITALE_CC_TIMEOUT how many seconds a compiler may take (300); BITALE_BLAS a CBLAS (a path, "
    "or none), BITALE_MODE the mode, BITALE_ISA=base|v3|v4 the largest set of vector kernels; NO_COLOR takes the colour away.\n"
    "\n"
    "The same can be set in $XDG_CONFIG_HOME/bitale/config or ~/.config/bitale/config, in lines like mode = fast_compile; what stands behind # is a remark. Its settings: "
    "mode, cache_dir, cache_readonly, cache_size, cc, cc_timeout, blas, isa. An option of the command wins over the environment, the environment over the file.\n"
    "\n"
    "Exit codes: 0 good; 2 wrong use of the command; 3 the configuration file is wrong.";

static error_t doctor_parse(int key, char *arg, struct argp_state *state) {
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = state->input;
        return 0;
    }
    if (key == ARGP_KEY_ARG) argp_error(state, "%s: doctor takes no argument", arg);
    return ARGP_ERR_UNKNOWN;
}

static void doctor_line(const cmd *c, json *j, const char *name, bool good, const char *value, const char *meaning) {
    if (c->json) {
        jw_open(j, name, '{');
        jw_bool(j, "available", good);
        jw_text(j, "value", value);
        jw_text(j, "meaning", meaning);
        jw_close(j, '}');
    } else {
        printf("%s %-10s %s\n  %-10s %s\n", good ? "+" : "-", name, value, "", meaning);
    }
}

/* ---- processors ----------------------------------------------------------------------------------------- */

static int doctor_affinity(void) {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return 0;
}

/* How many processors' time the control group may use; 0: no limit. Version 2: "QUOTA PERIOD" or "max". */
static double doctor_quota_of(const char *path) {
    double quota = 0, period = 0;
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    int n = fscanf(f, "%lf %lf", &quota, &period);
    fclose(f);
    return n == 2 && quota > 0 && period > 0 ? quota / period : 0;
}

static double doctor_least(double a, double b) { return a > 0 && (b <= 0 || a < b) ? a : b; }

/* The smallest quota of our group and the groups above it. */
static double doctor_quota(void) {
    double least = doctor_quota_of("/sys/fs/cgroup/cpu.max");
    char line[600];
    FILE *f = fopen("/proc/self/cgroup", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "0::", 3) != 0) continue;
        line[strcspn(line, "\n")] = 0;
        for (char *end = line + strlen(line); end > line + 3; *(end = strrchr(line + 3, '/')) = 0) {
            char *path = cmd_format("/sys/fs/cgroup%s/cpu.max", line + 3);
            least = doctor_least(doctor_quota_of(path), least);
            free(path);
            if (!strrchr(line + 3, '/')) break;
        }
    }
    if (f) fclose(f);
    return least;
}

static void doctor_threads(const cmd *c, json *j) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    int affinity = doctor_affinity();
    double quota = doctor_quota(), allowed = affinity ? affinity : (double)online;
    if (quota > 0 && ceil(quota) < allowed) allowed = ceil(quota);
    char limit[60] = "no quota";
    if (quota > 0) snprintf(limit, sizeof limit, "a quota of %.3g", quota);
    char *value = cmd_format("%d allowed (%ld processors online, affinity %d, %s)", (int)allowed, online, affinity, limit);
    doctor_line(c, j, "threads", true, value, "a call runs on one thread as yet; calls may be made from as many threads as you like");
    free(value);
}

/* ---- settings -------------------------------------------------------------------------------------------- */

static void doctor_mode(const cmd *c, json *j) {
    const char *mode = c->mode ? c->mode : btl_mode_default();
    btl_error err = { 0 };
    bool known = btl_mode_check(mode, &err) == BTL_OK;
    doctor_line(c, j, "mode", known, mode, known ? "what functions are compiled by unless --mode says otherwise" : err.message);
}

/* The file, what is wrong with it, and who sets what. */
static int doctor_config(const cmd *c, json *j) {
    bool is_there;
    const char *file = btl_config_file(&is_there);
    btl_error err = { 0 };
    btl_config_item item;
    btl_status status = btl_config_check(&err);
    char *value = cmd_format("%s%s", *file ? file : "none: there is no home folder", *file && !is_there ? " (not there)" : "");
    doctor_line(c, j, "config", status == BTL_OK, value, status == BTL_OK ? "settings that the environment and options do not make" : err.message);
    if (c->json) jw_open(j, "settings", '{');
    for (int i = 0; btl_config_at(i, &item); i++) {
        if (!item.value) continue;
        if (!c->json) {
            printf("  %-10s %s = %s (%s)\n", "", item.key, item.value, item.from);
            continue;
        }
        jw_open(j, item.key, '{');
        jw_text(j, "value", item.value);
        jw_text(j, "from", item.from);
        jw_close(j, '}');
    }
    if (c->json) jw_close(j, '}');
    free(value);
    return status == BTL_OK ? 0 : cmd_exit_code(status);
}

int verb_doctor(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { NULL, doctor_parse, "", doctor_doc, children, NULL, NULL };
    cmd c = { .verb = "doctor", .any_config = true };
    json j = { 0 };
    btl_feature feature;
    cmd_parse(&c, &argp, argc, argv, &c);
    int code = cmd_open_empty(&c);
    if (c.json) jw_open(&j, NULL, '{');
    else printf("bitale %s\n", btl_version());
    for (int i = 0; !code && btl_feature_at(c.ctx, i, &feature); i++) doctor_line(&c, &j, feature.name, feature.available, feature.value, feature.meaning);
    doctor_threads(&c, &j);
    doctor_mode(&c, &j);
    int config = doctor_config(&c, &j);
    if (!code) code = config;
    if (c.json) jw_close(&j, '}'), jw_end(&j);
    cmd_close(&c);
    return cmd_finish(&c, code);
}
