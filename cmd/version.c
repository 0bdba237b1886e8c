/* version.c - bitale version. SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"
#include "json.h"

#include <stdio.h>

typedef struct version_options { cmd *c; bool features; } version_options;

enum { KEY_FEATURES = 0x300 };

static const struct argp_option version_argp_options[] = {
    { "features", KEY_FEATURES, NULL, 0, "Also what this build and this machine have", 1 },
    { 0 },
};

static const char version_doc[] =
    "Prints the version of Bitale."
    "\v"
    "Examples:\n"
    "  bitale version\n"
    "  bitale version --features --json\n"
    "\n"
    "bitale doctor tells what each feature means.\n"
    "\n"
    "Exit codes: 0 good; 2 wrong use of the command.";

static error_t version_parse(int key, char *arg, struct argp_state *state) {
    version_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = o->c; return 0;
    case KEY_FEATURES: o->features = true; return 0;
    case ARGP_KEY_ARG: argp_error(state, "%s: version takes no argument", arg); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* The configuration file that is used, "" where there is none. */
static const char *version_config(void) {
    bool is_there;
    const char *file = btl_config_file(&is_there);
    return is_there ? file : "";
}

static void version_features(const cmd *c, json *j) {
    btl_feature feature;
    for (int i = 0; btl_feature_at(c->ctx, i, &feature); i++) {
        if (!c->json) printf("%-10s %s%s\n", feature.name, feature.available ? "" : "no: ", feature.value);
        else jw_text(j, feature.name, feature.available ? feature.value : NULL);
    }
    const char *name;
    if (c->json) jw_open(j, "modes", '[');
    else printf("%-10s", "modes");
    for (int i = 0; (name = btl_mode_name(i, NULL)); i++)
        if (c->json) jw_text(j, NULL, name);
        else printf("%s%s", i ? ", " : " ", name);
    if (c->json) jw_close(j, ']');
    else printf("\n%-10s %s\n%-10s", "config", version_config(), "dtypes");
    if (c->json) jw_text(j, "config", version_config());
    if (c->json) jw_open(j, "dtypes", '[');
    for (int i = 0; i < BTL_NDTYPES; i++)
        if (c->json) jw_text(j, NULL, btl_dtype_name((btl_dtype)i));
        else printf(" %s", btl_dtype_name((btl_dtype)i));
    if (c->json) jw_close(j, ']');
    else putchar('\n');
}

int verb_version(int argc, char **argv) {
    static const struct argp_child children[] = { { &cmd_common_argp, 0, NULL, 100 }, { 0 } };
    static const struct argp argp = { version_argp_options, version_parse, "", version_doc, children, NULL, NULL };
    cmd c = { .verb = "version", .any_config = true };
    version_options o = { .c = &c };
    json j = { 0 };
    cmd_parse(&c, &argp, argc, argv, &o);
    int code = o.features || c.nplugins ? cmd_open_empty(&c) : 0;
    if (c.json) jw_open(&j, NULL, '{'), jw_text(&j, "version", btl_version());
    else printf("bitale %s\n", btl_version());
    if (o.features && !code) version_features(&c, &j);
    if (c.json) jw_close(&j, '}'), jw_end(&j);
    cmd_close(&c);
    return cmd_finish(&c, code);
}
