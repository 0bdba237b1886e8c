/* config.h - what a person sets once: variables of the environment and, behind them, a file of KEY = VALUE lines,
 * $XDG_CONFIG_HOME/bitale/config or ~/.config/bitale/config. Read when first asked for, then never again.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BTL_BASE_CONFIG_H
#define BTL_BASE_CONFIG_H

#include "base/error.h"

/* The value of a setting ("cache_dir") by its variable, or else by the file; NULL: neither says it. *from (may be NULL): who does,
 * "BITALE_CACHE_DIR" or "/home/me/.config/bitale/config:3"; also when NULL is returned, then its variable's name. Any thread. */
const char *btl_config_value(const char *key, const char **from);

/* The i-th setting; NULL behind the last. */
const char *btl_config_key(int i, const char **variable, const char **doc);
/* Where the file is looked for ("" nowhere: there is no home, or the program runs with more rights than its user), and whether it is there. */
const char *btl_config_path(bool *is_there);

/* What is wrong with the file or with a value, the first of it: place, what was found, what is expected. `mode_check` judges what
 * only a higher layer can. */
btl_status btl_config_problem(btl_status (*mode_check)(const char *mode, btl_error *err), btl_error *err);

/* "500M", "2G" as bytes. */
bool btl_config_parse_size(const char *text, int64_t *bytes);

#endif
