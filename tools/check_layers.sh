#!/bin/sh
# check_layers.sh [ROOT] - holds the tree to its own drawing; explains what breaks it, exit code 1.
#   1. #include follows the table docs/LAYERS; cmd, examples and bench use public headers only.
#   2. Memory comes from src/base alone: no malloc, calloc, realloc, free … elsewhere in src/.
#   3. A file name stands once in src/, so that "see plan.c" means one file.
# Needs sh, find and awk. SPDX-License-Identifier: BSD-3-Clause
set -eu
cd "${1:-$(dirname "$0")/..}"
# Paths have no spaces in this tree; the lists below rely on it.
sources=$(find src -type f \( -name '*.[ch]' -o -name '*.inc' \) | LC_ALL=C sort)
users=$(for d in cmd examples bench; do [ ! -d $d ] || find $d -type f -name '*.[ch]'; done | LC_ALL=C sort)
folders=$(find src -mindepth 1 -maxdepth 1 -type d | sed 's,^src/,,' | LC_ALL=C sort)
vendored=$([ ! -d third_party ] || find third_party -mindepth 1 -maxdepth 1 -type d | sed 's,.*/,,')

# shellcheck disable=SC2086  # word splitting is meant
LC_ALL=C awk -v folder_list="$(echo $folders)" -v vendored_list="$(echo $vendored)" '
function complain(text, why) {
    printf "%s:%d: %s\n    %s\n", FILENAME, FNR, text, why
    bad++
}
function exists(path,   line, there) {
    there = (getline line < path) >= 0
    close(path)
    return there
}
function own_header(name,   folder) { # beside the including file
    folder = FILENAME
    sub(/[^\/]*$/, "", folder)
    return exists(folder name)
}
function check_include(line,   quoted, name, first, parts) {
    quoted = line ~ /^[ \t]*#[ \t]*include[ \t]*"/
    name = line
    sub(/^[ \t]*#[ \t]*include[ \t]*["<]/, "", name)
    sub(/[">].*$/, "", name)
    if (name ~ /(^|\/)\.\.?\//) {
        complain("includes \"" name "\"", "write paths from src/ (\"base/arena.h\"), never with dots")
        return
    }
    split(name, parts, "/")
    first = parts[1]
    if (first == "bitale" || name == "bitale.h") return
    if (name !~ /\//) {
        if (quoted && !own_header(name))
            complain("includes \"" name "\"", "there is no such file beside it; write the folder too (\"base/arena.h\")")
        return
    }
    if (layer == "user") {
        if (first in folder || first in vendored || (quoted && !own_header(name)))
            complain("includes \"" name "\"", "cmd, examples and bench use the public headers (bitale/…) only; what is missing there is missing for every user")
    } else if (first in folder) {
        if (first != layer && !((layer, first) in allowed) && !((layer, "*") in allowed))
            complain(layer " includes \"" name "\"", "docs/LAYERS lets " layer " include: " table[layer] ". Move the code down a layer, or hand in what you need as an argument")
    } else if (quoted && !(first in vendored)) {
        complain("includes \"" name "\"", "no folder src/" first " and no third_party/" first)
    }
}
# The line without comments, strings and characters; `comment` goes on from line to line.
function code_of(line,   out, c, two, i, n, quote) {
    out = ""
    n = length(line)
    quote = ""
    for (i = 1; i <= n; i++) {
        c = substr(line, i, 1)
        two = substr(line, i, 2)
        if (comment) { if (two == "*/") { comment = 0; i++; out = out " " } }
        else if (quote != "") { if (c == "\\") i++; else if (c == quote) quote = "" }
        else if (two == "/*") { comment = 1; i++ }
        else if (two == "//") break
        else if (c == "\"" || c == "\047") quote = c
        else out = out c
    }
    return out
}
function check_memory(code,   rest, at, word, before) {
    rest = code
    while (match(rest, /(malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf|aligned_alloc|posix_memalign)[ \t]*\(/)) {
        at = RSTART
        word = substr(rest, at, RLENGTH)
        before = at > 1 ? substr(rest, at - 1, 1) : " "
        rest = substr(rest, at + RLENGTH)
        if (before ~ /[A-Za-z0-9_.>]/) continue # part of another name, or a field
        sub(/[ \t]*\($/, "", word)
        complain("calls " word "()", "memory comes from an arena or btl_alloc/btl_free (src/base), so that a host can replace and a test can fail it")
    }
}
BEGIN {
    n = split(folder_list, list, " ")
    for (i = 1; i <= n; i++) folder[list[i]] = 1
    n = split(vendored_list, list, " ")
    for (i = 1; i <= n; i++) vendored[list[i]] = 1
    while ((getline line < "docs/LAYERS") > 0) {
        if (line ~ /^[ \t]*(#|$)/) continue
        name = line
        sub(/:.*/, "", name)
        gsub(/[ \t]/, "", name)
        sub(/^[^:]*:[ \t]*/, "", line)
        table[name] = line
        n = split(line, list, " ")
        for (i = 1; i <= n; i++) allowed[name, list[i]] = 1
    }
    for (name in folder)
        if (!(name in table)) {
            printf "docs/LAYERS: src/%s has no line\n    say there which folders it may include\n", name
            bad++
        }
}
FNR == 1 {
    comment = 0
    files++
    n = split(FILENAME, path, "/")
    if (path[1] != "src") layer = "user"
    else {
        layer = n > 2 ? path[2] : "pipeline"
        if (path[n] in seen) {
            complain("the name is taken by " seen[path[n]], "file names are unique in src/: give it the name of its own idea")
        } else seen[path[n]] = FILENAME
    }
}
/^[ \t]*#[ \t]*include/ { if (!comment) check_include($0) }
layer != "user" && layer != "base" && FILENAME !~ /\.inc$/ { check_memory(code_of($0)) }
END {
    if (bad) { printf "check_layers: %d violation%s in %d files\n", bad, (bad > 1 ? "s" : ""), files; exit 1 }
    printf "check_layers: %d files, all as docs/LAYERS says\n", files
}
' $sources $users
