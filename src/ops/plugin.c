/* plugin.c - ops from a shared object: found by its function `btl_plugin`, registered all or none.
 *
 * A plugin calls the library that it was linked with. If that is another copy than the one which loads it (a program
 * with the static library and no exported symbols), two copies would work on one graph: told by the address of a function.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/os.h"
#include "ops/own.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static btl_status plugin_check(const char *path, const btl_plugin_def *def, btl_error *err) {
    if (!def) return btl_error_set(err, BTL_EPLUGIN, "%s: its function btl_plugin returns nothing", path);
    if (def->struct_size < sizeof *def) return btl_error_set(err, BTL_EPLUGIN, "%s: its function btl_plugin returns no btl_plugin_def", path);
    if (def->abi != BTL_OP_ABI)
        return btl_error_set(err, BTL_EPLUGIN, "%s: it is made for version %d of the interface of ops (BTL_OP_ABI), this Bitale (%s) has version %d: compile it again with this Bitale's headers",
                             path, def->abi, btl_version(), BTL_OP_ABI);
    if (def->library != btl_op_register)
        return btl_error_set(err, BTL_EPLUGIN, "%s: it calls another copy of the library than this program: link the program with the shared library, or let it export its symbols (-rdynamic)", path);
    if (!def->ops || !def->ops[0]) return btl_error_set(err, BTL_EPLUGIN, "%s: it has no ops", path);
    return BTL_OK;
}

static btl_status plugin_register(btl_context *ctx, const char *path, void *library, const btl_plugin_def *def, bool *again, btl_error *err) {
    btl_error mine = { 0 };
    int n = 0;
    BTL_TRY(plugin_check(path, def, err));
    while (def->ops[n]) n++;
    btl_status status = btl_own_register(ctx, def->name && *def->name ? def->name : path, n, def->ops, library, def, again, &mine);
    return status == BTL_OK ? BTL_OK : btl_error_set(err, status, "%s: %s", path, mine.message);
}

/* As the loader wants it: without a '/' it would look in its own folders. */
static bool plugin_path(const char *path, char *out, size_t bytes) {
    int n = snprintf(out, bytes, "%s%s", strchr(path, '/') ? "" : "./", path);
    return n > 0 && (size_t)n < bytes;
}

btl_status btl_plugin_load(btl_context *ctx, const char *path, btl_error *err) {
    char name[4096], why[1000] = "";
    btl_error ignored = { 0 };
    if (!err) err = &ignored;
    if (!ctx || !path) return btl_error_set(err, BTL_EUSAGE, "btl_plugin_load: %s", ctx ? "no file is given" : "there is no context");
    if (!plugin_path(path, name, sizeof name)) return btl_error_set(err, BTL_EIO, "%.200s…: the name is too long", path);
    FILE *f = fopen(name, "rb");
    if (!f) return btl_error_set(err, BTL_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    fclose(f);
    void *library = btl_os_open_library(name, why, sizeof why);
    if (!library)
        return btl_error_set(err, BTL_EFORMAT, "%s: cannot be loaded as a shared object: %s%s", path, why,
                             strstr(why, "libbitale") ? "; link it without the library, which the program that loads it lends, or install that where the loader looks" : "");
    void *symbol = btl_os_symbol(library, "btl_plugin");
    const btl_plugin_def *(*entry)(void) = NULL;
    memcpy(&entry, &symbol, sizeof entry);
    btl_status status = symbol ? BTL_OK : btl_error_set(err, BTL_EFORMAT, "%s: it is no plugin: it has no function btl_plugin (BTL_PLUGIN of bitale/extend.h defines it)", path);
    bool again = false; /* opened once more: that is given back */
    if (status == BTL_OK) status = plugin_register(ctx, path, library, entry(), &again, err);
    if (status != BTL_OK || again) btl_os_close_library(library);
    return status;
}
